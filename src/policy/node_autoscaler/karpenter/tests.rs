//! Tables of requirements, resources, pools, batches and lives of nodes.

use super::batcher::Batcher;
use super::go_sort::sort_as_go;
use super::lifecycle::{DriftReason, Interruption, drift, expires_at, given_up_at, nomination_window, respond};
use super::node_pool::{Budget, NodeCount, NodePool, order_by_weight};
use super::testkit::{amounts, label, machine};
use super::{Operator, Requirement, Requirements, ResourceKind, ResourceList, WellKnownLabels};
use crate::ids::PodId;
use crate::model::{Taint, TaintEffect};
use crate::policy::controllers::cron::CronSchedule;
use crate::units::{SimDuration, SimTime};

fn seconds(seconds: f64) -> SimTime {
    SimTime::ZERO.after(SimDuration::from_seconds(seconds))
}

#[test]
fn requirements_intersect_as_sets_within_bounds() {
    use Operator::{DoesNotExist, Exists, Gt, Gte, In, Lt, NotIn};
    let of = |operator, values: &[&str]| Requirement::new(operator, values.iter().copied());
    let cases = [
        (of(In, &["a", "b"]), of(In, &["b", "c"]), of(In, &["b"])),
        (of(In, &["a"]), of(In, &["b"]), of(DoesNotExist, &[])),
        (of(In, &["a", "b"]), of(NotIn, &["a"]), of(In, &["b"])),
        (of(NotIn, &["a"]), of(NotIn, &["b"]), of(NotIn, &["a", "b"])),
        (of(Exists, &[]), of(NotIn, &["a"]), of(NotIn, &["a"])),
        // Only whole numbers lie within bounds; a list then needs no bounds any more.
        (of(In, &["1", "5", "9", "x"]), of(Gt, &["1"]), of(In, &["5", "9"])),
        (of(Gt, &["5"]), of(Lt, &["5"]), of(DoesNotExist, &[])),
        // Above 3 is at least 4.
        (of(Gt, &["3"]), of(Gte, &["2"]), of(Gte, &["4"])),
    ];
    for (one, other, wanted) in cases {
        assert_eq!(one.intersection(&other), wanted, "{one:?} {other:?}");
        assert_eq!(other.intersection(&one), wanted, "{other:?} {one:?}");
        let is_possible = wanted.operator() != DoesNotExist;
        assert_eq!(one.has_intersection(&other), is_possible, "{one:?} {other:?}");
    }
}

#[test]
fn labels_must_be_defined_unless_they_are_well_known_or_not_needed() {
    let zone = "topology.kubernetes.io/zone";
    let mut wanted = Requirements::new();
    wanted.add(zone, &Requirement::is("a"));
    let mut custom = Requirements::new();
    custom.add("team", &Requirement::is("red"));
    let mut absent = Requirements::new();
    absent.add("team", &Requirement::does_not_exist());
    let (none, known) = (WellKnownLabels::none(), WellKnownLabels::default());
    let empty = Requirements::new();
    let cases = [(&wanted, false, true), (&custom, false, false), (&absent, true, true)];
    for (wanted, strict, loose) in cases {
        assert_eq!(empty.is_compatible(wanted, &none), strict, "{wanted:?}");
        assert_eq!(empty.is_compatible(wanted, &known), loose, "{wanted:?}");
    }
    let mut old_name = Requirements::new();
    old_name.add("failure-domain.beta.kubernetes.io/zone", &Requirement::is("b"));
    assert!(!wanted.is_compatible(&old_name, &known), "the old name is the same label");
}

#[test]
fn what_is_missing_is_not_zero_when_something_is_taken_away() {
    let gpu = ResourceKind::Extended(0);
    let has: ResourceList = amounts(1000, 10);
    let wants: ResourceList = [(ResourceKind::Cpu, 400), (gpu, 1)].into_iter().collect();
    assert_eq!(has.less(&wants), amounts(600, 10));
    assert!(!wants.fits(&has), "there is no GPU");
    let mut negative = has.clone();
    negative.subtract(&wants);
    assert_eq!(negative.get(gpu), Some(-1));
    assert!(!ResourceList::default().fits(&negative), "nothing fits where something is negative");
    assert_eq!(has.lower_of(&wants), [(ResourceKind::Cpu, 400)].into_iter().collect());
}

#[test]
fn sorting_keeps_equal_elements_only_in_short_slices() {
    let is_less = |one: &(u32, usize), other: &(u32, usize)| one.0 < other.0;
    for length in [0, 1, 2, 12, 13, 49, 50, 51, 200, 1000, 5000] {
        // A pattern with many ties, one that falls, and one that is nearly sorted.
        let patterns: [fn(usize) -> u32; 3] =
            [|at| (at * 7919 % 13) as u32, |at| 100_000 - at as u32, |at| if at % 97 == 5 { 0 } else { at as u32 }];
        for pattern in patterns {
            let mut data: Vec<(u32, usize)> = (0..length).map(|at| (pattern(at), at)).collect();
            let mut stable = data.clone();
            stable.sort_by_key(|(key, _)| *key);
            sort_as_go(&mut data, is_less);
            let keys = |data: &[(u32, usize)]| data.iter().map(|(key, _)| *key).collect::<Vec<_>>();
            assert_eq!(keys(&data), keys(&stable), "{length}");
            if length <= 12 {
                assert_eq!(data, stable, "{length}");
            }
            data.sort_by_key(|(_, at)| *at);
            assert!(data.iter().enumerate().all(|(at, (_, of))| at == *of), "nothing is lost");
        }
    }
}

#[test]
fn budgets_hold_within_their_windows() {
    let budget = Budget {
        reasons: None,
        nodes: NodeCount::Count(1),
        window: Some((CronSchedule::parse("0 9 * * *").expect("a schedule"), SimDuration::from_seconds(3600.0))),
    };
    // From the stroke at 9:00:00 until 9:59:59; a stroke exactly the duration ago no longer counts.
    let cases = [(8 * 3600 + 3599, false), (9 * 3600, true), (9 * 3600 + 3599, true), (10 * 3600, false)];
    for (at, wanted) in cases {
        assert_eq!(budget.is_active(at), wanted, "{at}");
    }
}

#[test]
fn pools_are_sorted_by_weight_and_then_backwards_by_name() {
    let mut pools: Vec<NodePool> = ["b", "a", "c"].map(NodePool::named).into();
    pools[1].weight = 5;
    order_by_weight(&mut pools);
    assert_eq!(pools.iter().map(|pool| pool.name.as_str()).collect::<Vec<_>>(), ["a", "c", "b"]);
}

#[test]
fn limits_are_exceeded_by_what_is_above_them() {
    let mut pool = NodePool::named("default");
    pool.limits = [(ResourceKind::Cpu, 1000), (ResourceKind::Nodes, 2)].into_iter().collect();
    let used = |cpu, nodes| [(ResourceKind::Cpu, cpu), (ResourceKind::Nodes, nodes)].into_iter().collect();
    let cases: [(ResourceList, bool); 3] = [(used(1000, 2), false), (used(1001, 2), true), (used(0, 3), true)];
    for (usage, wanted) in cases {
        assert_eq!(pool.is_over_limits(&usage), wanted, "{usage:?}");
    }
}

#[test]
fn batches_close_after_a_second_of_rest_or_ten_in_all() {
    let mut batcher = Batcher::default();
    assert_eq!(batcher.trigger(PodId(0), seconds(100.0)), Some(seconds(101.0)));
    assert_eq!(batcher.trigger(PodId(1), seconds(100.5)), Some(seconds(101.5)));
    assert_eq!(batcher.trigger(PodId(1), seconds(101.0)), Some(seconds(101.5)), "the same pod does not prolong it");
    assert_eq!(batcher.trigger(PodId(2), seconds(109.9)), Some(seconds(110.0)), "ten seconds are the most");
    batcher.close();
    assert_eq!(batcher.closes(), None);
    assert_eq!(batcher.trigger(PodId(1), seconds(120.0)), Some(seconds(121.0)));
}

#[test]
fn nodes_drift_when_their_pool_changes() {
    let mut pool = NodePool::named("default");
    let types = [machine("small", 1000, 0.1, &["a"])];
    let labels = [
        label("node.kubernetes.io/instance-type", "small"),
        label("topology.kubernetes.io/zone", "a"),
        label("karpenter.sh/capacity-type", "on-demand"),
    ];
    let bought = pool.drift_identity();
    let known = WellKnownLabels::default();
    let drifted = |pool: &NodePool, types: &[_]| drift(pool, &bought, &labels, Some(types), &known);
    assert_eq!(drifted(&pool, &types), None);
    assert_eq!(drifted(&pool, &[]), Some(DriftReason::InstanceTypeNotFound));
    pool.template.requirements = vec![super::node_pool::NodeRequirement {
        key: "topology.kubernetes.io/zone".to_owned(),
        operator: Operator::In,
        values: vec!["b".to_owned()],
        min_values: None,
    }];
    assert_eq!(drifted(&pool, &types), Some(DriftReason::RequirementsDrifted));
    pool.template.requirements.clear();
    let taint = Taint { key: "k".to_owned(), value: String::new(), effect: TaintEffect::NoSchedule };
    pool.template.taints = vec![taint.clone(), taint.clone()];
    assert_eq!(drifted(&pool, &types), None, "what is there twice does not count");
    pool.template.taints.pop();
    assert_eq!(drifted(&pool, &types), Some(DriftReason::NodePoolDrifted));
}

#[test]
fn orders_are_given_up_and_nodes_expire() {
    let created = seconds(1000.0);
    assert_eq!(given_up_at(created, false, false), Some(seconds(1300.0)));
    assert_eq!(given_up_at(created, true, false), Some(seconds(1900.0)));
    assert_eq!(given_up_at(created, true, true), None);
    // 720 h are 2 592 000 s.
    assert_eq!(expires_at(&NodePool::named("default").template, created), Some(seconds(2_593_000.0)));
    assert_eq!(nomination_window(SimDuration::from_seconds(10.0)), SimDuration::from_seconds(20.0));
    assert_eq!(nomination_window(SimDuration::from_seconds(1.0)), SimDuration::from_seconds(10.0));
    assert!(respond(Interruption::Spot).marks_unavailable);
    assert!(!respond(Interruption::RebalanceRecommendation).deletes_node);
}
