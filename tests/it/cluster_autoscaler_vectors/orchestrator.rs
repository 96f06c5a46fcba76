//! Whole scale-ups.

use std::collections::BTreeMap;

use serde_json::{Value, json};
use wavetank::ids::PodId;
use wavetank::policy::node_autoscaler::cluster_autoscaler::cluster_state::{ClusterState, GroupState, NodeState};
use wavetank::policy::node_autoscaler::cluster_autoscaler::estimator::{Amount, GroupFacts, PodGroup, TemplateSize};
use wavetank::policy::node_autoscaler::cluster_autoscaler::expander::{Chain, Expander, Priorities, Surroundings};
use wavetank::policy::node_autoscaler::cluster_autoscaler::options::{DifferenceRatios, Options};
use wavetank::policy::node_autoscaler::cluster_autoscaler::quota::{CountedNode, Quota, Resources, Tracker};
use wavetank::policy::node_autoscaler::cluster_autoscaler::scale_up::{
    NodeGroup, Outcome, ScaleUpInput, ScaleUpPlan, Skipped, TemplateInfo, Templates,
};
use wavetank::policy::node_autoscaler::cluster_autoscaler::similar::{Comparator, Quantities, Template};
use wavetank::policy::node_autoscaler::cluster_autoscaler::simple::{SimpleNode, SimplePod, SimpleSnapshot};
use wavetank::policy::node_autoscaler::cluster_autoscaler::snapshot::{Fits, Growing, NodeKey, Rotation};
use wavetank::rng::Stream;
use wavetank::units::{Bytes, MilliCpu, SimDuration, SimTime};

use super::{Tally, amount, flag, list, number};

const NOW: SimTime = SimTime(100_000_000_000_000);

struct Cluster {
    pods: Vec<SimplePod>,
    nodes: Vec<SimpleNode>,
    templates: Vec<SimpleNode>,
    opened: SimpleSnapshot,
}

impl Templates for Cluster {
    type Grown<'a> = &'a mut SimpleSnapshot;

    fn takes(&mut self, group: usize, pod: PodId) -> bool {
        let snapshot = self.open(group);
        let node = snapshot.add_node();
        snapshot.place(pod, node).is_ok()
    }

    fn open(&mut self, group: usize) -> &mut SimpleSnapshot {
        self.opened = SimpleSnapshot::new(self.pods.clone(), self.nodes.clone(), self.templates[group].clone());
        &mut self.opened
    }
}

fn size(group: &Value) -> Amount {
    Amount { cpu: MilliCpu(number(group, "cores") * 1000), memory: Bytes(number(group, "memory")) }
}

fn simple_node(group: &Value) -> SimpleNode {
    SimpleNode { allocatable: size(group), max_pods: 20, ..SimpleNode::default() }
}

fn counted(group: &Value) -> Resources {
    let amounts = [("cpu", number(group, "cores")), ("memory", number(group, "memory")), ("nodes", 1)];
    amounts.map(|(name, amount)| (name.to_owned(), amount as i64)).into()
}

fn template(group: &Value) -> Option<TemplateInfo> {
    let amounts =
        [("cpu", number(group, "cores") * 1000), ("memory", number(group, "memory") * 1000), ("pods", 20_000)];
    let amounts: Quantities = amounts.map(|(name, amount)| (name.to_owned(), amount as i64)).into();
    let team = group["team"].as_str().filter(|team| !team.is_empty()).map(|team| ("team".to_owned(), team.to_owned()));
    let compared = Template {
        labels: team.into_iter().collect(),
        capacity: amounts.clone(),
        allocatable: amounts,
        requested: Quantities::new(),
    };
    let size = TemplateSize { allocatable: size(group), capacity: size(group) };
    flag(group, "known").then(|| TemplateInfo { size, counted: counted(group), compared })
}

/// The registry after one update, with the groups that failed backed off.
fn state(groups: &[Value]) -> ClusterState {
    let options = Options { max_total_unready_percentage: 30.0, ok_total_unready_count: 0, ..Options::default() };
    let mut state = ClusterState::new(&options);
    let quarter = SimDuration(900_000_000_000);
    let sizes: Vec<GroupState> = groups
        .iter()
        .map(|group| GroupState {
            target_size: number(group, "size") as i64,
            max_node_provision_time: quarter,
            max_node_startup_time: quarter,
        })
        .collect();
    let mut nodes = Vec::new();
    for (index, group) in groups.iter().enumerate() {
        for node in 0..number(group, "size") {
            nodes.push(NodeState {
                node: NodeKey(nodes.len() as u32),
                group: Some(index),
                is_ready: node < number(group, "ready"),
                is_suspended: false,
                is_deleted: false,
                created: SimTime::ZERO,
            });
        }
    }
    state.update(&sizes, &nodes, &[], NOW);
    let failed = (0..groups.len()).filter(|group| flag(&groups[*group], "backedOff"));
    failed.for_each(|group| state.register_failed_scale_up(group, NOW));
    state
}

/// The pods, numbered kind by kind, and the kinds as groups.
fn pods(case: &Value) -> (Vec<SimplePod>, Vec<PodGroup>) {
    let (mut pods, mut groups) = (Vec::new(), Vec::new());
    for kind in list(case, "kinds") {
        let count = number(kind, "count") as usize;
        let facts = GroupFacts { request: amount(kind), ..GroupFacts::default() };
        groups.push(PodGroup { pods: (pods.len()..pods.len() + count).map(PodId::from_index).collect(), facts });
        pods.extend(std::iter::repeat_n(SimplePod { request: amount(kind), ..SimplePod::default() }, count));
    }
    (pods, groups)
}

/// Of the options that waste least the first: names give each group a priority of its own.
fn chain(groups: usize) -> (Chain, Vec<String>) {
    let names: Vec<String> = (0..groups).map(|group| format!("g{group}")).collect();
    let tiers: BTreeMap<i64, Vec<String>> =
        names.iter().enumerate().map(|(group, name)| (100 - group as i64, vec![format!("^{name}$")])).collect();
    let priorities = Priorities::new(&tiers).expect("patterns");
    (Chain::new(vec![Expander::LeastWaste, Expander::Priority(priorities)]).expect("a chain"), names)
}

fn plan(case: &Value) -> ScaleUpPlan {
    let groups = list(case, "groups");
    let (all, kinds) = pods(case);
    let (expanders, names) = chain(groups.len());
    let each = |group: &Value| vec![simple_node(group); number(group, "size") as usize];
    let nodes: Vec<SimpleNode> = groups.iter().flat_map(each).collect();
    let capacity: Vec<Option<Amount>> = groups.iter().map(|group| flag(group, "known").then(|| size(group))).collect();
    let options = Options {
        max_nodes_total: number(case, "total") as usize,
        max_nodes_per_scale_up: number(case, "perScaleUp") as i64,
        balance_similar_node_groups: flag(case, "balance"),
        ..Options::default()
    };
    let bounds = |group: &Value| NodeGroup {
        min_size: 0,
        max_size: number(group, "max") as i64,
        target_size: number(group, "size") as i64,
        zero_or_max: false,
    };
    let input = ScaleUpInput {
        groups: &groups.iter().map(bounds).collect::<Vec<_>>(),
        templates: &groups.iter().map(template).collect::<Vec<_>>(),
        pods: &kinds,
        current_nodes: nodes.len(),
        options: &options,
        comparator: &Comparator::generic(DifferenceRatios::default(), &[]),
        state: &state(groups),
        expanders: &expanders,
        around: &Surroundings { capacity: &capacity, names: &names, pricing: None, cluster_nodes: nodes.len() },
        now: NOW,
    };
    let mut quotas = tracker(case);
    let templates = groups.iter().map(simple_node).collect();
    let mut cluster = Cluster { pods: all, nodes, templates, opened: SimpleSnapshot::default() };
    input.plan(&mut cluster, &mut Rotation::default(), &mut quotas, &mut Stream::of_word(1))
}

fn tracker(case: &Value) -> Tracker {
    let limits = case["limits"].as_object().expect("limits").iter();
    let limits: Resources = limits.map(|(name, limit)| (name.clone(), limit.as_i64().expect("a limit"))).collect();
    let quota = Quota { id: "cluster-wide".to_owned(), limits, groups: None };
    let mut counted_nodes = Vec::new();
    for (index, group) in list(case, "groups").iter().enumerate() {
        let node = CountedNode { group: Some(index), resources: counted(group) };
        counted_nodes.extend(std::iter::repeat_n(node, number(group, "size") as usize));
    }
    Tracker::of_growth(&[quota], &counted_nodes)
}

fn in_words(reason: &Skipped) -> String {
    match reason {
        Skipped::InBackoff => "in backoff after failed scale-up".to_owned(),
        Skipped::MaxSizeReached => "max node group size reached".to_owned(),
        Skipped::NotReady => "not ready for scale-up".to_owned(),
        Skipped::AtomicExceedsClusterLimit => "atomic scale-up exceeds cluster node count limit".to_owned(),
        Skipped::QuotaExceeded(quotas) => format!("quota [{}]", quotas[0].1.join(" ")),
    }
}

pub(super) fn scale_up(case: &Value, place: &str, tally: &mut Tally) {
    let plan = plan(case);
    let grown: Vec<(usize, i64)> = plan.scale_ups.iter().map(|info| (info.group, info.new_size)).collect();
    let mut ours = json!({
        "failed": plan.outcome == Outcome::MaxNodesReached,
        "grown": grown,
        "remaining": plan.remaining,
        "awaiting": plan.awaiting,
        "placed": plan.best.as_ref().map_or(0, |best| best.pods.len()),
    });
    // Upstream says it of pods that remain.
    if !plan.remaining.is_empty() {
        let skipped = plan.skipped.iter().map(|(group, reason)| (format!("g{group}"), in_words(reason).into()));
        ours["skipped"] = Value::Object(skipped.collect());
    }
    tally.compare(
        ("orchestrator", "groups that grow, pods that wait, groups skipped and why"),
        place,
        &case["want"],
        &ours,
    );
    tally.outcome(
        "orchestrator",
        match (plan.outcome, plan.scale_ups.len()) {
            (Outcome::MaxNodesReached, _) => "the cluster may not grow",
            (Outcome::NoOptions, _) => "no group helps",
            (Outcome::ScaledUp, 0) => "quotas leave no node",
            (Outcome::ScaledUp, 1) => "one group grows",
            (Outcome::ScaledUp, _) => "several groups grow",
        },
    );
    for reason in plan.skipped.values() {
        let words = in_words(reason);
        tally.outcome("orchestrator", format!("skipped: {}", words.split(" [").next().unwrap_or(&words)));
    }
}
