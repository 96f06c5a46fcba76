//! A scale-up from end to end.

use crate::ids::PodId;
use crate::policy::node_autoscaler::cluster_autoscaler::cluster_state::{ClusterState, GroupState};
use crate::policy::node_autoscaler::cluster_autoscaler::estimator::{Amount, GroupFacts, PodGroup, TemplateSize};
use crate::policy::node_autoscaler::cluster_autoscaler::expander::{Chain, Expander, Surroundings};
use crate::policy::node_autoscaler::cluster_autoscaler::options::{DifferenceRatios, Options};
use crate::policy::node_autoscaler::cluster_autoscaler::quota::{Quota, Resources, Tracker};
use crate::policy::node_autoscaler::cluster_autoscaler::scale_up::{
    NodeGroup, Outcome, ScaleUpInput, ScaleUpPlan, Skipped, TemplateInfo, Templates, capped_by_cluster,
};
use crate::policy::node_autoscaler::cluster_autoscaler::similar::{Comparator, Template};
use crate::policy::node_autoscaler::cluster_autoscaler::simple::{SimpleNode, SimplePod, SimpleSnapshot};
use crate::policy::node_autoscaler::cluster_autoscaler::snapshot::{Fits, Growing, Rotation};
use crate::rng::Stream;
use crate::units::{Bytes, MilliCpu, SimTime};

struct Cluster {
    pods: Vec<SimplePod>,
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
        self.opened = SimpleSnapshot::new(self.pods.clone(), Vec::new(), self.templates[group].clone());
        &mut self.opened
    }
}

fn amount(cores: u64) -> Amount {
    Amount { cpu: MilliCpu(cores * 1000), memory: Bytes(cores << 30) }
}

struct Case {
    /// Cores of a node, nodes there should be, nodes there may be.
    groups: Vec<(u64, i64, i64)>,
    options: Options,
    quotas: Vec<Quota>,
    state: ClusterState,
    expander: Expander,
}

impl Case {
    fn new(groups: &[(u64, i64, i64)]) -> Case {
        let mut state = ClusterState::new(&Options::default());
        let span = crate::units::SimDuration(1);
        let states: Vec<GroupState> = groups
            .iter()
            .map(|_| GroupState { target_size: 0, max_node_provision_time: span, max_node_startup_time: span })
            .collect();
        state.update(&states, &[], &[], SimTime::ZERO);
        let options = Options { balance_similar_node_groups: true, ..Options::default() };
        Case { groups: groups.to_vec(), options, quotas: Vec::new(), state, expander: Expander::LeastWaste }
    }

    /// Plans for so many pods of one core, and one pod of 100.
    fn plan(&self, pods: usize) -> ScaleUpPlan {
        let pod = |cores| SimplePod { request: amount(cores), ..SimplePod::default() };
        let all: Vec<SimplePod> = (0..pods).map(|_| pod(1)).chain([pod(100)]).collect();
        let facts = |cores| GroupFacts { request: amount(cores), ..GroupFacts::default() };
        let groups = [
            PodGroup { pods: (0..pods).map(PodId::from_index).collect(), facts: facts(1) },
            PodGroup { pods: vec![PodId::from_index(pods)], facts: facts(100) },
        ];
        let of = |cores: u64| SimpleNode { allocatable: amount(cores), max_pods: 110, ..SimpleNode::default() };
        let templates = self.groups.iter().map(|(cores, ..)| of(*cores)).collect();
        let mut cluster = Cluster { pods: all, templates, opened: SimpleSnapshot::default() };
        let node_groups: Vec<NodeGroup> = self
            .groups
            .iter()
            .map(|(_, target_size, max_size)| NodeGroup {
                target_size: *target_size,
                max_size: *max_size,
                ..NodeGroup::default()
            })
            .collect();
        let infos: Vec<Option<TemplateInfo>> = self.groups.iter().map(|(cores, ..)| Some(info(*cores))).collect();
        let capacity: Vec<Option<Amount>> = self.groups.iter().map(|(cores, ..)| Some(amount(*cores))).collect();
        let input = ScaleUpInput {
            groups: &node_groups,
            templates: &infos,
            pods: &groups,
            current_nodes: self.groups.iter().map(|(_, target, _)| *target as usize).sum(),
            options: &self.options,
            comparator: &Comparator::generic(DifferenceRatios::default(), &[]),
            state: &self.state,
            expanders: &Chain::new(vec![self.expander.clone()]).expect("a chain"),
            around: &Surroundings { capacity: &capacity, names: &[], pricing: None, cluster_nodes: 0 },
            now: SimTime(2),
        };
        let mut quotas = Tracker::of_growth(&self.quotas, &[]);
        input.plan(&mut cluster, &mut Rotation::default(), &mut quotas, &mut Stream::of_word(1))
    }
}

fn info(cores: u64) -> TemplateInfo {
    let counted: Resources = [("cpu".to_owned(), cores as i64), ("nodes".to_owned(), 1)].into();
    let amounts: Resources = [("cpu".to_owned(), cores as i64)].into();
    let compared = Template { capacity: amounts.clone(), allocatable: amounts, ..Template::default() };
    TemplateInfo { size: TemplateSize { allocatable: amount(cores), capacity: amount(cores) }, counted, compared }
}

fn sizes(plan: &ScaleUpPlan) -> Vec<(usize, i64)> {
    plan.scale_ups.iter().map(|info| (info.group, info.new_size)).collect()
}

#[test]
fn similar_groups_share_a_scale_up() {
    // 20 pods of a core: 5 nodes of 4 cores waste nothing, 3 nodes of 8 cores waste 4 of 24.
    let plan = Case::new(&[(4, 3, 10), (8, 0, 10), (4, 1, 10)]).plan(20);
    let options: Vec<(usize, usize)> = plan.options.iter().map(|option| (option.group, option.node_count)).collect();
    assert_eq!(options, [(0, 5), (1, 3), (2, 5)]);
    assert_eq!(plan.outcome, Outcome::ScaledUp);
    // 3 + 1 nodes and 5 more, over two groups.
    let total: i64 = sizes(&plan).iter().map(|(_, size)| size).sum();
    assert!(sizes(&plan).iter().all(|(group, size)| [0, 2].contains(group) && (4..=5).contains(size)) && total == 9);
    assert_eq!(plan.remaining, [1], "no group takes 100 cores");
}

#[test]
fn groups_are_skipped_with_a_reason() {
    let mut case = Case::new(&[(4, 10, 10), (8, 0, 10), (4, 0, 10), (16, 0, 10)]);
    case.state.register_failed_scale_up(2, SimTime(1));
    let limits = [("cpu".to_owned(), 15)].into();
    case.quotas = vec![Quota { id: "cluster-wide".to_owned(), limits, groups: None }];
    let plan = case.plan(20);
    let reasons: Vec<(usize, Skipped)> = plan.skipped.clone().into_iter().collect();
    let exceeded = Skipped::QuotaExceeded(vec![("cluster-wide".to_owned(), vec!["cpu".to_owned()])]);
    assert_eq!(reasons, [(0, Skipped::MaxSizeReached), (2, Skipped::InBackoff), (3, exceeded)]);
    // 3 nodes of 8 cores are wanted, 15 cores allow one.
    assert_eq!(sizes(&plan), [(1, 1)]);
}

#[test]
fn the_clusters_size_limits_a_scale_up() {
    let mut case = Case::new(&[(4, 3, 100)]);
    case.options.max_nodes_total = 5;
    // The estimate itself stops at two more.
    assert_eq!(sizes(&case.plan(20)), [(0, 5)]);
    case.options.max_nodes_total = 3;
    let plan = case.plan(20);
    assert_eq!((plan.outcome, plan.options.len()), (Outcome::NoOptions, 0));
    for (new, current, most, expected) in
        [(5, 3, 0, Some(5)), (5, 3, 8, Some(5)), (5, 3, 7, Some(4)), (5, 7, 7, None), (5, 9, 7, None)]
    {
        assert_eq!(capped_by_cluster(new, current, most), expected);
    }
}
