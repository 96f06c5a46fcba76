//! Random histories of the scheduling queue: which pod is popped, and which queue every pod is in after each operation.

use std::collections::{BTreeMap, BTreeSet};

use serde::Deserialize;
use serde_json::Value;
use wavetank::ids::{ClassId, NodeId, PodId};
use wavetank::model::Model;
use wavetank::policy::scheduler::kube::queue::{ClusterEvent, NodeObject, Place, PluginSet, SchedulingQueue};
use wavetank::units::{SimDuration, SimTime};
use wavetank::world::{View, World};

use super::{Tally, configuration_of, listed, load, model_with, pod_key, text};

const MILLISECOND: SimDuration = SimDuration(1_000_000);

#[derive(Debug, Deserialize)]
struct Case {
    name: String,
    config: Option<Value>,
    objects: Vec<Value>,
    operations: Vec<Operation>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Operation {
    apply: Option<Value>,
    delete: Option<Deleted>,
    advance_ms: u64,
    pop: Option<String>,
    attempts: u32,
    fail: Option<String>,
    plugins: Vec<String>,
    pending: Vec<String>,
    bind: Option<String>,
    node: String,
    queues: Contents,
}

#[derive(Debug, Deserialize)]
struct Deleted {
    kind: String,
    name: String,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Contents {
    active: BTreeSet<String>,
    backoff: BTreeSet<String>,
    unschedulable: BTreeSet<String>,
}

/// A pod as the last manifest has it.
#[derive(Clone, Copy, Debug)]
struct Pod {
    id: PodId,
    class: ClassId,
    is_bound: bool,
}

/// A case under way. Every version of a node is a node of the model, and every version of a pod has a class there.
struct Replay<'m> {
    model: &'m Model,
    world: World,
    queue: SchedulingQueue,
    now: SimTime,
    nodes: BTreeMap<String, NodeObject>,
    pods: BTreeMap<String, Pod>,
    names: BTreeMap<PodId, String>,
    /// The versions that have not been applied yet.
    node_versions: Box<dyn Iterator<Item = NodeId> + 'm>,
    classes: Box<dyn Iterator<Item = ClassId> + 'm>,
}

/// The model of a case: all manifests of nodes and pods there ever are, under names of their own while they are read.
fn model_of(case: &Case) -> Model {
    let applied = case.operations.iter().filter_map(|operation| operation.apply.as_ref());
    let mut objects: Vec<Value> = case.objects.iter().chain(applied).cloned().collect();
    let mut names = Vec::new();
    for (number, object) in objects.iter_mut().enumerate() {
        if matches!(text(object, "/kind"), "Node" | "Pod") {
            if text(object, "/kind") == "Node" {
                names.push(text(object, "/metadata/name").to_owned());
            } else if let Some(spec) = object["spec"].as_object_mut() {
                // Where a pod is bound to is for the replay to know: no node here has that name.
                spec.remove("nodeName");
            }
            object["metadata"]["name"] = Value::String(format!("version-{number}"));
        }
    }
    let mut loaded = load(&case.name, &objects);
    for (node, name) in loaded.cluster.nodes.iter_mut().zip(names) {
        node.name = name;
    }
    let configuration = configuration_of(&case.name, case.config.as_ref());
    Model { objects: loaded.objects, ..model_with(&case.name, loaded.cluster, loaded.workload, configuration) }
}

impl<'m> Replay<'m> {
    fn new(case: &Case, model: &'m Model) -> Replay<'m> {
        let configuration = model.scheduling.kube_scheduler.as_deref().expect("it was put there");
        let mut replay = Replay {
            model,
            world: World::new(model),
            queue: SchedulingQueue::new(configuration),
            now: SimTime::ZERO,
            nodes: BTreeMap::new(),
            pods: BTreeMap::new(),
            names: BTreeMap::new(),
            node_versions: Box::new((0..model.cluster.nodes.len()).map(NodeId::from_index)),
            classes: Box::new(listed(model).pods.iter().map(|pod| pod.class)),
        };
        case.objects.iter().for_each(|object| replay.apply(object));
        replay
    }

    fn advance(&mut self, span: SimDuration) {
        let end = self.now.after(span);
        while let Some(next) = self.queue.next_flush(self.now).filter(|next| *next <= end) {
            self.now = next;
            self.queue.flush(&View { model: self.model, world: &self.world }, next);
        }
        self.now = end;
    }

    fn happen(&mut self, event: ClusterEvent) {
        self.queue.move_on_event(&event, &View { model: self.model, world: &self.world }, self.now);
    }

    fn apply(&mut self, object: &Value) {
        match text(object, "/kind") {
            "Node" => self.apply_node(object),
            "Pod" => self.apply_pod(object),
            _ => {}
        }
    }

    fn apply_node(&mut self, object: &Value) {
        let node = self.node_versions.next().expect("all versions were read");
        let view = View { model: self.model, world: &self.world };
        let new = NodeObject::of(&view, node);
        let events = match self.nodes.insert(text(object, "/metadata/name").to_owned(), new) {
            None => vec![ClusterEvent::NodeAdded(new)],
            Some(old) => ClusterEvent::of_node_update(&view, old, new),
        };
        events.into_iter().for_each(|event| self.happen(event));
    }

    fn apply_pod(&mut self, object: &Value) {
        let class = self.classes.next().expect("all versions were read");
        let (key, is_bound) = (pod_key(object), !text(object, "/spec/nodeName").is_empty());
        let view = View { model: self.model, world: &self.world };
        match self.pods.get_mut(&key) {
            None => {
                let id = PodId::from_index(self.names.len());
                self.names.insert(id, key.clone());
                self.pods.insert(key, Pod { id, class, is_bound });
                if !is_bound {
                    assert!(self.queue.add(id, class, &view, self.now), "every pod has a profile");
                }
            }
            Some(pod) => {
                let old = std::mem::replace(&mut pod.class, class);
                if pod.is_bound {
                    let events = ClusterEvent::of_pod_update(&view, old, class);
                    events.into_iter().for_each(|event| self.happen(event));
                } else {
                    self.queue.update(pod.id, class, &view, self.now);
                }
            }
        }
    }

    fn delete(&mut self, deleted: &Deleted) {
        if deleted.kind == "Node" {
            let node = self.nodes.remove(&deleted.name).expect("the node is there");
            self.happen(ClusterEvent::NodeRemoved(node));
            return;
        }
        let pod = self.pods.remove(&deleted.name).expect("the pod is there");
        if pod.is_bound {
            self.happen(ClusterEvent::PodRemoved { class: pod.class, up_to: None });
        } else {
            self.queue.delete(pod.id);
        }
    }

    fn end_attempt(&mut self, key: &str, operation: &Operation) {
        let view = View { model: self.model, world: &self.world };
        let set = |names: &[String]| PluginSet::of(names.iter().map(String::as_str));
        match self.pods.get_mut(key) {
            Some(pod) if operation.fail.is_some() => {
                let (rejected, pending) = (set(&operation.plugins), set(&operation.pending));
                self.queue.add_unschedulable(pod.id, rejected, pending, &view, self.now);
            }
            Some(pod) => {
                pod.is_bound = true;
                let (id, class) = (pod.id, pod.class);
                assert!(!operation.node.is_empty(), "a pod that is there is bound to a node");
                self.queue.done(id);
                self.happen(ClusterEvent::PodAssigned(class));
            }
            None => {
                let (&id, _) = self.names.iter().find(|(_, name)| *name == key).expect("it was there");
                self.queue.done(id);
            }
        }
    }

    fn operate(&mut self, operation: &Operation, tally: &mut Tally, place: &str) {
        self.advance(if operation.advance_ms > 0 {
            SimDuration(operation.advance_ms * MILLISECOND.0)
        } else {
            MILLISECOND
        });
        if let Some(object) = &operation.apply {
            self.apply(object);
        } else if let Some(deleted) = &operation.delete {
            self.delete(deleted);
        } else if let Some(key) = &operation.pop {
            let popped = self.queue.pop().map(|popped| (self.names[&popped.pod].clone(), popped.attempts));
            tally.compare(("queue", "pop"), place, &Some((key.clone(), operation.attempts)), &popped);
        } else if let Some(key) = operation.fail.as_ref().or(operation.bind.as_ref()) {
            self.end_attempt(key, operation);
        }
    }

    fn contents(&self) -> [BTreeSet<String>; 3] {
        let mut contents: [BTreeSet<String>; 3] = Default::default();
        for queued in self.queue.pods() {
            let queue = match queued.place {
                Place::Active => 0,
                Place::Backoff | Place::ErrorBackoff => 1,
                Place::Unschedulable => 2,
                Place::InFlight(_) => continue,
            };
            contents[queue].insert(self.names[&queued.pod].clone());
        }
        contents
    }
}

/// Replays one line of the file, up to its first disagreement.
pub(super) fn replay(line: &str, tally: &mut Tally) {
    let case: Case = serde_json::from_str(line).expect("the format is known");
    let model = model_of(&case);
    let mut replay = Replay::new(&case, &model);
    for (number, operation) in case.operations.iter().enumerate() {
        let place = format!("{} operation {number}", case.name);
        let disagreements = tally.compared.disagreements.len();
        replay.operate(operation, tally, &place);
        let [active, backoff, unschedulable] = replay.contents();
        tally.compare(("queue", "active"), &place, &operation.queues.active, &active);
        tally.compare(("queue", "backoff"), &place, &operation.queues.backoff, &backoff);
        tally.compare(("queue", "waiting"), &place, &operation.queues.unschedulable, &unschedulable);
        if tally.compared.disagreements.len() > disagreements {
            return;
        }
    }
}
