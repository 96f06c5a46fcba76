//! The order of nodes, how many feasible ones are enough, and where the next search begins.

use std::collections::BTreeMap;

use serde::Deserialize;
use wavetank::ids::{ClassId, NodeId};
use wavetank::model::cluster::ZONE_LABEL;
use wavetank::model::kube_scheduler::Profile;
use wavetank::model::{Cluster, Label, Node, NodeShape, PodClass, Resources, Workload};
use wavetank::policy::scheduler::kube::sampling::nodes_to_find;
use wavetank::policy::scheduler::kube::schedule::{Attempt, Search};
use wavetank::policy::scheduler::kube::{Cycle, Framework, NodeTree};
use wavetank::world::{NodeState, View, World};

use super::{Tally, model_with, only};

const REGION_LABEL: &str = "topology.kubernetes.io/region";

/// One line of the file.
#[derive(Debug, Deserialize)]
#[serde(tag = "case", rename_all = "lowercase")]
enum Case {
    Order {
        operations: Vec<Operation>,
        #[serde(default)]
        nodes: Vec<String>,
    },
    Count {
        #[serde(default)]
        percentage: i32,
        #[serde(default)]
        nodes: usize,
        #[serde(default)]
        examine: usize,
    },
    Rotation {
        #[serde(default)]
        percentage: i32,
        nodes: Vec<String>,
        reject: String,
        cycles: Vec<Round>,
    },
}

/// A node joins or leaves.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Operation {
    add: String,
    remove: String,
    region: Option<String>,
    zone: Option<String>,
}

/// One search.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Round {
    start: usize,
    feasible: Vec<String>,
    processed: usize,
}

/// Replays one line.
pub(super) fn replay(line: &str, tally: &mut Tally) {
    match serde_json::from_str(line).expect("the format is known") {
        Case::Order { operations, nodes } => {
            tally.compare(("sampling", "order"), line, &nodes, &order_after(&operations));
        }
        Case::Count { percentage, nodes, examine } => {
            tally.compare(("sampling", "count"), line, &examine, &nodes_to_find(percentage, nodes));
        }
        Case::Rotation { percentage, nodes, reject, cycles } => {
            rotate(tally, line, percentage, &nodes, &reject, &cycles)
        }
    }
}

/// The order of nodes after some have joined and left.
fn order_after(operations: &[Operation]) -> Vec<String> {
    let mut cluster = Cluster::default();
    let label = |key: &str, value: &Option<String>| value.clone().map(|value| Label { key: key.to_owned(), value });
    let shapes: Vec<_> = operations
        .iter()
        .map(|operation| {
            let labels = [label(REGION_LABEL, &operation.region), label(ZONE_LABEL, &operation.zone)];
            cluster.intern_shape(NodeShape { labels: labels.into_iter().flatten().collect(), ..NodeShape::default() })
        })
        .collect();
    let model = model_with("order", cluster, Workload::default(), Default::default());
    let (mut world, mut tree) = (World::new(&model), NodeTree::default());
    let mut ids: BTreeMap<&str, NodeId> = BTreeMap::new();
    for (operation, shape) in operations.iter().zip(shapes) {
        world.time.0 += 1;
        if operation.remove.is_empty() {
            ids.insert(&operation.add, world.add_node(&model, &operation.add, shape));
        } else {
            world.set_node_state(ids[operation.remove.as_str()], NodeState::Removed);
        }
    }
    tree.update(View { model: &model, world: &world });
    tree.list().into_iter().map(|node| world.nodes.name(node).to_owned()).collect()
}

/// Like pods one after the other; none of them is placed.
fn rotate(tally: &mut Tally, line: &str, percentage: i32, nodes: &[String], reject: &str, cycles: &[Round]) {
    let mut cluster = Cluster::default();
    let allocatable = Resources { pods: 110, ..Resources::default() };
    let shape = cluster.intern_shape(NodeShape { allocatable, ..NodeShape::default() });
    for (name, bit) in nodes.iter().zip(reject.chars()) {
        cluster.nodes.push(Node { name: name.clone(), shape, unschedulable: bit == '1' });
    }
    let classes = vec![PodClass { requests: Resources { pods: 1, ..Resources::default() }, ..PodClass::default() }];
    let workload = Workload { classes, ..Workload::default() };
    let model = model_with("rotation", cluster, workload, Default::default());
    let world = World::new(&model);
    let view = View { model: &model, world: &world };
    let profile = only(&Profile::default(), |name| matches!(name, "NodeUnschedulable" | "ImageLocality"));
    let framework = Framework::new(&profile).expect("the plug-ins exist");
    let ids: Vec<NodeId> = (0..nodes.len()).map(NodeId::from_index).collect();
    let cycle = Cycle { view, pod: None, class: ClassId(0), nodes: &ids, arguments: framework.arguments() };
    let mut start = 0;
    for (number, theirs) in cycles.iter().enumerate() {
        let place = format!("rotation {number} of {}", &line[..line.len().min(80)]);
        let attempt = Attempt::make(&framework, &[], &cycle, Search { start, percentage }).expect("no extenders");
        let feasible: Vec<String> = attempt.feasible.iter().map(|node| node.name().to_owned()).collect();
        let ours = (start, &feasible, attempt.processed.unwrap_or(0));
        tally.compare(("sampling", "rotation"), &place, &(theirs.start, &theirs.feasible, theirs.processed), &ours);
        start = (start + attempt.processed.unwrap_or(0)) % nodes.len();
    }
}
