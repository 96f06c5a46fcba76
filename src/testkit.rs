//! Small models for tests: nodes and pod classes one by one, each amount said where it matters.
//!
//! `cluster().node("a").cpu(4000).pod("p").cpu(1000)`: [`Fixture::cpu`] and its like describe the node or pod class
//! that was added last. A node offers 4 cores, 16 GiB, 110 pod slots and no GPU unless told otherwise; a pod requests
//! its slot and nothing else.

use crate::ids::{ClassId, GpuModelId, NodeId};
use crate::model::controllers::{Container, Probes, PullPolicy};
use crate::model::{
    Cluster, ControlPlane, Controllers, Delays, Dist, GpuDevices, GpuRequest, Label, Model, Node, NodeShape, Objects,
    OnEviction, OnUnschedulable, Outputs, PodClass, PolicyChoice, Resources, Scheduling, Taint, TaintEffect,
    Toleration, TolerationOperator, Workload,
};
use crate::policy::scheduler::{self, Decision, Scheduler, Score, Scorer, filter};
use crate::rng::Seed;
use crate::units::{Bytes, MilliCpu};
use crate::world::{View, World};

/// The seed of every fixture.
pub(crate) const SEED: Seed = Seed { base: 42, replication: 0 };
/// One mebibyte.
pub(crate) const MIB: u64 = 1 << 20;

/// A cluster and pod classes in the making.
#[derive(Clone, Debug, Default)]
pub(crate) struct Fixture {
    gpu_models: Vec<String>,
    nodes: Vec<(String, NodeShape, bool)>,
    pods: Vec<PodClass>,
    last: Last,
}

/// What the next amount describes.
#[derive(Clone, Copy, Debug, Default)]
enum Last {
    #[default]
    Node,
    Pod,
}

/// An empty cluster.
pub(crate) fn cluster() -> Fixture {
    Fixture::default()
}

impl Fixture {
    /// A node.
    pub(crate) fn node(mut self, name: &str) -> Fixture {
        let allocatable = Resources {
            cpu: MilliCpu(4000),
            memory: Bytes(16_384 * MIB),
            ephemeral_storage: Bytes(100_000 * MIB),
            pods: 110,
            extended: vec![],
        };
        self.nodes.push((name.to_owned(), NodeShape { allocatable, ..NodeShape::default() }, false));
        self.last = Last::Node;
        self
    }

    /// As many of the node that was added last, in all.
    pub(crate) fn times(mut self, count: usize) -> Fixture {
        let (name, shape, cordoned) = self.nodes.pop().expect("a node comes first");
        self.nodes.extend((0..count).map(|i| (format!("{name}-{i}"), shape.clone(), cordoned)));
        self
    }

    /// A class of pods.
    pub(crate) fn pod(mut self, template: &str) -> Fixture {
        let requests = Resources { pods: 1, ..Resources::default() };
        self.pods.push(PodClass { template: template.to_owned(), requests, ..PodClass::default() });
        self.last = Last::Pod;
        self
    }

    fn resources(&mut self) -> &mut Resources {
        match self.last {
            Last::Node => &mut self.nodes.last_mut().expect("a node comes first").1.allocatable,
            Last::Pod => &mut self.last_pod().requests,
        }
    }

    fn last_node(&mut self) -> &mut NodeShape {
        &mut self.nodes.last_mut().expect("a node comes first").1
    }

    fn last_pod(&mut self) -> &mut PodClass {
        self.pods.last_mut().expect("a pod class comes first")
    }

    /// CPU in milli-cores.
    pub(crate) fn cpu(mut self, milli: u64) -> Fixture {
        self.resources().cpu = MilliCpu(milli);
        self
    }

    /// Memory in MiB.
    pub(crate) fn memory_mib(mut self, mib: u64) -> Fixture {
        self.resources().memory = Bytes(mib * MIB);
        self
    }

    /// Ephemeral storage in MiB.
    pub(crate) fn storage_mib(mut self, mib: u64) -> Fixture {
        self.resources().ephemeral_storage = Bytes(mib * MIB);
        self
    }

    /// Units of the one extended resource, `example.com/fpga`.
    pub(crate) fn fpga(mut self, units: u64) -> Fixture {
        self.resources().extended = vec![units];
        self
    }

    /// Pod slots of the node.
    pub(crate) fn slots(mut self, pods: u64) -> Fixture {
        self.last_node().allocatable.pods = pods;
        self
    }

    /// GPUs of the node.
    pub(crate) fn gpus(mut self, model: &str, count: u32) -> Fixture {
        let model = self.gpu_model(model);
        self.last_node().gpu = Some(GpuDevices { model, count });
        self
    }

    /// A label of the node.
    pub(crate) fn label(mut self, key: &str, value: &str) -> Fixture {
        self.last_node().labels.push(Label { key: key.to_owned(), value: value.to_owned() });
        self
    }

    /// A `NoSchedule` taint of the node.
    pub(crate) fn taint(mut self, key: &str) -> Fixture {
        let taint = Taint { key: key.to_owned(), value: String::new(), effect: TaintEffect::NoSchedule };
        self.last_node().taints.push(taint);
        self
    }

    /// The node starts cordoned.
    pub(crate) fn cordoned(mut self) -> Fixture {
        self.nodes.last_mut().expect("a node comes first").2 = true;
        self
    }

    /// GPUs that the pod requests, `milli` of each.
    pub(crate) fn gpu(mut self, count: u32, milli: u16) -> Fixture {
        self.last_pod().gpu = Some(GpuRequest { count, milli, models: vec![] });
        self
    }

    /// A GPU model that the pod accepts, beside those said before.
    pub(crate) fn gpu_spec(mut self, model: &str) -> Fixture {
        let model = self.gpu_model(model);
        self.last_pod().gpu.as_mut().expect("the request comes first").models.push(model);
        self
    }

    /// A label that the pod selects.
    pub(crate) fn selects(mut self, key: &str, value: &str) -> Fixture {
        self.last_pod().node_selector.push(Label { key: key.to_owned(), value: value.to_owned() });
        self
    }

    /// A taint that the pod tolerates.
    pub(crate) fn tolerates(mut self, key: &str) -> Fixture {
        let operator = TolerationOperator::Exists;
        self.last_pod().tolerations.push(Toleration {
            key: key.to_owned(),
            operator,
            value: String::new(),
            effect: None,
            duration: None,
        });
        self
    }

    /// The pod's priority.
    pub(crate) fn priority(mut self, priority: i32) -> Fixture {
        self.last_pod().priority = priority;
        self
    }

    /// Anything else about the node.
    pub(crate) fn edit_node(mut self, edit: impl FnOnce(&mut NodeShape)) -> Fixture {
        edit(self.last_node());
        self
    }

    /// Anything else about the pod.
    pub(crate) fn edit_pod(mut self, edit: impl FnOnce(&mut PodClass)) -> Fixture {
        edit(self.last_pod());
        self
    }

    fn gpu_model(&mut self, name: &str) -> GpuModelId {
        let position = self.gpu_models.iter().position(|other| other == name).unwrap_or_else(|| {
            self.gpu_models.push(name.to_owned());
            self.gpu_models.len() - 1
        });
        GpuModelId::from_index(position)
    }

    /// The model; every class is equally common.
    pub(crate) fn model(&self) -> Model {
        let mut cluster = Cluster {
            gpu_models: self.gpu_models.clone(),
            extended_resources: vec!["example.com/fpga".to_owned()],
            ..Cluster::default()
        };
        for (name, shape, unschedulable) in &self.nodes {
            let shape = cluster.intern_shape(shape.clone());
            cluster.nodes.push(Node { name: name.clone(), shape, unschedulable: *unschedulable });
        }
        let popularity = (0..self.pods.len()).map(|i| (ClassId::from_index(i), 1.0)).collect();
        model(cluster, Workload { classes: self.pods.clone(), popularity, ..Workload::default() })
    }
}

/// A model of this cluster and workload, with defaults for the rest.
pub(crate) fn model(cluster: Cluster, workload: Workload) -> Model {
    Model {
        name: "test".to_owned(),
        description: String::new(),
        seed: SEED,
        horizon: None,
        cluster,
        workload,
        controllers: Controllers::default(),
        control_plane: ControlPlane::default(),
        objects: Objects::default(),
        scheduling: Scheduling {
            policy: PolicyChoice::named("first-fit"),
            queue: PolicyChoice::named("fifo"),
            on_unschedulable: OnUnschedulable::default(),
            on_eviction: OnEviction::default(),
            delays: Delays::default(),
            kube_scheduler: None,
        },
        script: vec![],
        faults: crate::model::Faults::default(),
        traffic: crate::model::Traffic::default(),
        autoscaling: crate::model::Autoscaling::default(),
        provisioning: crate::model::Provisioning::default(),
        functions: None,
        sizing: None,
        power: None,
        carbon: None,
        outputs: Outputs::default(),
    }
}

/// A policy with its default parameters.
pub(crate) fn policy(name: &str, model: &Model) -> Box<dyn Scheduler> {
    let row = scheduler::find(name).expect("the policy is in the table");
    row.build(&serde_json::json!({}), model, SEED).expect("the defaults are valid")
}

/// Lets a policy decide for a pod of `class`, and places it.
pub(crate) fn step(scheduler: &mut dyn Scheduler, model: &Model, world: &mut World, class: ClassId) -> Decision {
    let decision = scheduler.decide(&View { model, world }, class);
    if let Decision::Place(placement) = decision {
        let pod = world.arrive((0, 0), class, u64::MAX);
        world.place(model.workload.class(class), pod, placement.node, placement.gpus);
    }
    decision
}

/// Where a policy puts pods of these classes one after the other, starting with an empty cluster.
pub(crate) fn nodes_chosen(fixture: &Fixture, policy_name: &str, classes: &[u32]) -> Vec<Option<u32>> {
    let model = fixture.model();
    let mut world = World::new(&model);
    let mut scheduler = policy(policy_name, &model);
    let node_of = |decision| match decision {
        Decision::Place(placement) => Some(placement.node.0),
        Decision::Unschedulable => None,
    };
    classes.iter().map(|&class| node_of(step(&mut *scheduler, &model, &mut world, ClassId(class)))).collect()
}

/// The fixture's world after pods of these classes were put on these nodes, each on the devices of the mask.
pub(crate) fn world_with(model: &Model, placed: &[(u32, u32, u32)]) -> World {
    let mut world = World::new(model);
    for &(class, node, gpus) in placed {
        let pod = world.arrive((0, 0), ClassId(class), u64::MAX);
        world.place(model.workload.class(ClassId(class)), pod, NodeId(node), gpus);
    }
    world
}

/// The score of every node for a pod of `class`; `i32::MIN` where it does not fit.
pub(crate) fn scores_of<S: Scorer>(mut scorer: S, model: &Model, world: &World, class: u32) -> Vec<Score> {
    let (view, class) = (View { model, world }, ClassId(class));
    let score = |node| {
        let mut scores = Vec::new();
        if filter::fits(&view, class, node) {
            scorer.score(&view, class, &[node], &mut scores);
        }
        scores.first().copied().unwrap_or(Score::MIN)
    };
    (0..world.nodes.len()).map(NodeId::from_index).map(score).collect()
}

/// A container that serves until it is stopped, and starts and stops at once.
pub(crate) fn container(name: &str) -> Container {
    Container {
        name: name.to_owned(),
        image: None,
        pull_policy: PullPolicy::IfNotPresent,
        is_sidecar: false,
        run_time: None,
        exit_codes: Vec::new(),
        start_up: Dist::ZERO,
        pre_stop: Dist::ZERO,
        shut_down: Dist::ZERO,
        checkpoint_every: None,
        restarts_on_resize: [false; 2],
        probes: Probes::default(),
        usage: None,
    }
}

/// Runs a model to its end under the eyes of an observer, which is given back.
pub(crate) fn observe<O: crate::observe::Observer>(model: &Model, observer: O) -> crate::engine::Finished<O> {
    crate::engine::watch(model, observer).expect("the policies are there")
}

/// The model of a scenario of the repository, with changes as `--set` takes them.
pub(crate) fn scenario(path: &str, changes: &[&str]) -> Model {
    use crate::scenario::{Environment, Override, load_scenario};
    let changes: Vec<Override> = changes.iter().map(|text| Override::parse(text, "--set").expect("a change")).collect();
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join(path);
    match load_scenario(&path, &changes, 0, &Environment::default()) {
        Ok(loaded) => loaded.model,
        Err(error) => panic!("{error}"),
    }
}
