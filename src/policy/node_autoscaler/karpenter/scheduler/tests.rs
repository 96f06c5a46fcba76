//! Tables of the provisioning scheduler.

use super::super::node_pool::{NodePool, NodeRequirement};
use super::super::requirement::Operator;
use super::super::requirements::{CAPACITY_TYPE_LABEL, INSTANCE_TYPE_LABEL, RESERVED};
use super::super::testkit::{amounts, batch, environment, label, machine, node, pod, selector, sold};
use super::super::{Offering, Requirement};
use super::*;
use crate::model::TaintEffect;
use crate::model::cluster::{HOSTNAME_LABEL, ZONE_LABEL};
use crate::model::pod_spec::{
    LabelRequirement, NodeSelectorTerm, PodAffinityTerm, SelectorOperator, TopologySpreadConstraint, WhenUnsatisfiable,
};

const ZONES: [&str; 3] = ["a", "b", "c"];

fn solve(environment: &Environment, nodes: &[NodeState], classes: &[usize]) -> Results {
    Scheduler::new(environment, nodes, Options::default()).solve(&batch(classes))
}

fn names(environment: &Environment, node: &NewNode) -> Vec<String> {
    let mut names: Vec<String> = node.types.iter().map(|at| environment.pools[node.pool].1[*at].name.clone()).collect();
    names.sort();
    names
}

fn three_sizes() -> Vec<InstanceType> {
    vec![machine("small", 1000, 0.1, &ZONES), machine("medium", 2000, 0.2, &ZONES), machine("large", 4000, 0.4, &ZONES)]
}

#[test]
fn pods_share_a_new_node_as_long_as_some_type_holds_them() {
    let environment = environment(three_sizes(), vec![pod("web", 900)]);
    // 900, then 1800, then 2700 milli-cores: what is too small drops out; a fifth pod makes 4500, more than any has.
    let cases: [(usize, &[&[&str]]); 4] = [
        (1, &[&["large", "medium", "small"]]),
        (2, &[&["large", "medium"]]),
        (3, &[&["large"]]),
        (5, &[&["large", "medium", "small"], &["large"]]),
    ];
    for (pods, wanted) in cases {
        let results = solve(&environment, &[], &vec![0; pods]);
        let found: Vec<Vec<String>> = results.new_nodes.iter().map(|node| names(&environment, node)).collect();
        let mut found: Vec<Vec<&str>> = found.iter().map(|names| names.iter().map(String::as_str).collect()).collect();
        found.sort_by_key(|names| std::cmp::Reverse(names.len()));
        assert_eq!(found, wanted, "{pods} pods");
    }
}

#[test]
fn nodes_that_are_there_go_first_initialised_ones_before_others_then_by_name() {
    let types = three_sizes();
    let environment = environment(types.clone(), vec![pod("web", 500)]);
    let mut early = node("a", &types[0], "a", "on-demand", 1000);
    early.is_initialized = false;
    let nodes = [early, node("c", &types[0], "a", "on-demand", 600), node("b", &types[0], "a", "on-demand", 600)];
    // b and c have room for one pod each, a for two; the fifth needs a new node.
    let results = solve(&environment, &nodes, &[0; 5]);
    let on: Vec<(usize, &[usize])> = results.existing.iter().map(|(node, pods)| (*node, &pods[..])).collect();
    assert_eq!(on, [(0, &[2, 3][..]), (1, &[1][..]), (2, &[0][..])]);
    assert_eq!(results.new_nodes.len(), 1);
}

#[test]
fn large_pods_go_first_and_new_nodes_fill_evenly() {
    let types = vec![machine("large", 4000, 0.4, &ZONES)];
    let environment = environment(types, vec![pod("small", 100), pod("large", 3000)]);
    // Both large pods need a node of their own; the four small ones then go to the node with the fewest pods.
    let results = solve(&environment, &[], &[0, 0, 0, 0, 1, 1]);
    let mut pods: Vec<Vec<usize>> = results.new_nodes.iter().map(|node| node.pods.clone()).collect();
    pods.sort();
    assert_eq!(pods, [vec![4, 0, 3], vec![5, 1, 2]]);
}

#[test]
fn heavy_pools_go_first_as_far_as_their_limits_and_taints_allow() {
    let types = vec![machine("medium", 2000, 0.2, &ZONES)];
    let mut heavy = NodePool::named("heavy");
    heavy.weight = 10;
    heavy.limits = amounts(4000, 1000);
    let mut tainted = NodePool::named("tainted");
    tainted.weight = 20;
    tainted.template.taints = vec![Taint { key: "gpu".into(), value: String::new(), effect: TaintEffect::NoSchedule }];
    let mut pools = vec![(NodePool::named("light"), types.clone()), (heavy, types.clone()), (tainted, types)];
    pools.sort_by_key(|(pool, _)| std::cmp::Reverse(pool.weight));
    let environment = Environment { pools, classes: vec![pod("web", 1500)], ..Environment::default() };
    // 4000 milli-cores are two nodes of 2000; the third pod falls to the next pool.
    let results = solve(&environment, &[], &[0; 3]);
    let mut pools: Vec<&str> =
        results.new_nodes.iter().map(|node| environment.pools[node.pool].0.name.as_str()).collect();
    pools.sort_unstable();
    assert_eq!(pools, ["heavy", "heavy", "light"]);
}

fn spread(key: &str, when_unsatisfiable: WhenUnsatisfiable) -> TopologySpreadConstraint {
    TopologySpreadConstraint {
        max_skew: 1,
        topology_key: key.to_owned(),
        when_unsatisfiable,
        selector: selector("web"),
        min_domains: None,
        honors_node_affinity: true,
        honors_node_taints: false,
        match_label_keys: Vec::new(),
    }
}

fn apart(key: &str) -> PodAffinityTerm {
    let (namespaces, namespace_selector) = (Vec::new(), None);
    PodAffinityTerm { selector: selector("web"), namespaces, namespace_selector, topology_key: key.to_owned() }
}

#[test]
fn pods_are_spread_over_zones_and_kept_apart_on_hosts() {
    let mut spread_out = pod("web", 100);
    spread_out.spec.topology_spread = vec![spread(ZONE_LABEL, WhenUnsatisfiable::DoNotSchedule)];
    let mut alone = pod("web", 100);
    alone.spec.pod_anti_affinity.required = vec![apart(HOSTNAME_LABEL)];
    let environment = environment(three_sizes(), vec![spread_out, alone]);
    // Six pods over three zones with a skew of 1: two in each, on one node a zone.
    let results = solve(&environment, &[], &[0; 6]);
    let mut zones: Vec<(&str, usize)> = results
        .new_nodes
        .iter()
        .map(|node| (node.requirements.get(ZONE_LABEL).and_then(Requirement::single).unwrap_or(""), node.pods.len()))
        .collect();
    zones.sort_unstable();
    assert_eq!(zones, [("a", 2), ("b", 2), ("c", 2)]);
    assert_eq!(solve(&environment, &[], &[1; 4]).new_nodes.len(), 4, "one host each");
}

#[test]
fn pods_near_one_another_stay_in_the_zone_of_those_that_are_there() {
    let types = three_sizes();
    let mut near = pod("web", 100);
    near.spec.pod_affinity.required = vec![apart(ZONE_LABEL)];
    let environment = environment(types.clone(), vec![near]);
    let mut there = node("there", &types[0], "b", "on-demand", 0);
    there.pods = vec![(0, 1)];
    let results = solve(&environment, &[there], &[0, 0]);
    let zone = results.new_nodes[0].requirements.get(ZONE_LABEL).and_then(Requirement::single);
    assert_eq!((results.new_nodes.len(), zone), (1, Some("b")));
}

#[test]
fn preferences_are_given_up_one_by_one() {
    let term = |zone: &str| NodeSelectorTerm {
        expressions: vec![LabelRequirement {
            key: ZONE_LABEL.to_owned(),
            operator: SelectorOperator::In,
            values: vec![zone.to_owned()],
        }],
        fields: Vec::new(),
    };
    let mut choosy = pod("web", 100);
    // The heaviest preference is for a zone that nobody sells; the next one can be met.
    choosy.spec.node_affinity.preferred = vec![(1, term("a")), (50, term("nowhere")), (10, term("c"))];
    let environment = environment(three_sizes(), vec![choosy]);
    let zone_with = |options: Options| {
        let results = Scheduler::new(&environment, &[], options).solve(&batch(&[0]));
        results.new_nodes[0].requirements.get_or_any(ZONE_LABEL).single().map(str::to_owned)
    };
    assert_eq!(zone_with(Options::default()).as_deref(), Some("c"));
    assert_eq!(zone_with(Options { preferences: PreferencePolicy::Ignore, ..Options::default() }), None);
}

#[test]
fn daemons_take_their_share_of_new_nodes() {
    let mut environment = environment(three_sizes(), vec![pod("web", 900)]);
    environment.daemons = vec![pod("agent", 150)];
    // 900 + 150 does not fit into 1000, so that the smallest type drops out.
    let results = solve(&environment, &[], &[0]);
    assert_eq!(names(&environment, &results.new_nodes[0]), ["large", "medium"]);
    assert_eq!(results.new_nodes[0].requests, amounts(1050, 2));
}

#[test]
fn too_few_values_are_no_node_or_a_relaxed_one() {
    let mut environment = environment(three_sizes(), vec![pod("web", 1500)]);
    environment.pools[0].0.template.requirements = vec![NodeRequirement {
        key: INSTANCE_TYPE_LABEL.to_owned(),
        operator: Operator::Exists,
        values: Vec::new(),
        min_values: Some(3),
    }];
    // Two of the three types hold the pod.
    assert_eq!(solve(&environment, &[], &[0]).failed.get(&0), Some(&Failure::NoCapacity));
    let options = Options { min_values: MinValuesPolicy::BestEffort, ..Options::default() };
    let results = Scheduler::new(&environment, &[], options).solve(&batch(&[0]));
    let node = &results.new_nodes[0];
    let left = node.requirements.get_or_any(INSTANCE_TYPE_LABEL).min_values();
    assert_eq!((left, node.min_values_relaxed), (Some(2), true));
}

#[test]
fn reservations_are_held_by_one_node_and_waited_for_by_others() {
    let mut reserved = Offering::new("a", RESERVED, 0.000_001);
    reserved.reservation_capacity = 1;
    reserved.requirements.add("example.com/reservation", &Requirement::is("r1"));
    let types = vec![sold("medium", 2000, vec![reserved, Offering::new("a", "on-demand", 0.2)])];
    let mut environment = environment(types, vec![pod("web", 1500)]);
    environment.reservation_label = "example.com/reservation".to_owned();
    environment.well_known = WellKnownLabels::with([environment.reservation_label.clone()]);
    // The first node takes the one place. The second one falls back, or waits.
    let results = solve(&environment, &[], &[0, 0]);
    let kinds: Vec<bool> = results
        .new_nodes
        .iter()
        .map(|node| node.requirements.get_or_any(CAPACITY_TYPE_LABEL).single() == Some(RESERVED))
        .collect();
    assert_eq!(kinds.iter().filter(|is_reserved| **is_reserved).count(), 1);
    assert_eq!(results.new_nodes.len(), 2);
    let options = Options { reserved: ReservedMode::Strict, ..Options::default() };
    let results = Scheduler::new(&environment, &[], options).solve(&batch(&[0, 0]));
    assert_eq!((results.new_nodes.len(), results.failed.get(&1)), (1, Some(&Failure::Reserved)));
}

#[test]
fn a_scheduler_that_was_asked_before_answers_as_a_new_one() {
    let types = three_sizes();
    let environment = environment(types.clone(), vec![pod("web", 500), pod("db", 1200)]);
    let nodes = [node("a", &types[2], "a", "on-demand", 1300), node("b", &types[2], "b", "on-demand", 900)];
    let mut used = Scheduler::new(&environment, &nodes, Options::default());
    for classes in [&[0, 1, 0][..], &[1, 1], &[0, 0, 0, 0], &[1, 0]] {
        let fresh = solve(&environment, &nodes, classes);
        assert_eq!(used.solve(&batch(classes)), fresh, "{classes:?}");
    }
}

#[test]
fn labels_that_a_pool_does_not_define_cannot_be_asked_for() {
    let mut red = pod("web", 100);
    red.node_selector = vec![label("team", "red")];
    let mut environment = environment(three_sizes(), vec![red]);
    assert_eq!(solve(&environment, &[], &[0]).new_nodes.len(), 0);
    environment.pools[0].0.template.labels = vec![label("team", "red")];
    assert_eq!(solve(&environment, &[], &[0]).new_nodes.len(), 1);
}
