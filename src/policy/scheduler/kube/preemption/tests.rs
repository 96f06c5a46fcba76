//! Tables for preemption. A filter of their own looks at milli-cores alone; each node has 4000.

use super::*;
use crate::model::PodClass;
use crate::model::objects::{Allowance, CountOrPercent, DisruptionBudget};
use crate::model::pod_spec::PodAffinityTerm;
use crate::policy::scheduler::kube::framework::NodeFilter;
use crate::policy::scheduler::kube::test_cluster::{Scene, TestCluster, hard, labels, pod_with, selector, term};
use crate::testkit::SEED;
use crate::units::MilliCpu;

const CPU: &str = "Insufficient cpu";

/// Keeps the pod from nodes with less than `request` milli-cores left.
#[derive(Clone, Debug)]
struct CpuFilter {
    request: u64,
}

impl<'a> NodeFilter<'a> for CpuFilter {
    fn filter(&self, node: &NodeInfo<'a>) -> Result<(), Rejection> {
        let fits = node.requested().cpu.0 + self.request <= node.shape().allocatable.cpu.0;
        if fits { Ok(()) } else { Err(Rejection::unschedulable("Cpu", CPU)) }
    }

    fn fork(&self) -> Box<dyn NodeFilter<'a> + 'a> {
        Box::new(self.clone())
    }
}

/// A class of pods with a priority and a request.
fn class(text: &str, priority: i32, milli_cpu: u64) -> PodClass {
    pod_with(text, |class| {
        class.priority = priority;
        class.requests.cpu = MilliCpu(milli_cpu);
    })
}

/// The CPU filter, and those of a plug-in.
fn filters<'a>(scene: &'a Scene, plugin: &str) -> Filters<'a> {
    let mut filters = scene.filters(plugin);
    let request = scene.cycle().pod_class().requests.cpu.0;
    filters.filters.insert(0, ("Cpu".to_owned(), Box::new(CpuFilter { request })));
    filters
}

/// The filters, and what they say of the nodes when nominated pods are minded.
fn attempt<T>(scene: &Scene, plugin: &str, look: impl FnOnce(&Preemption<'_, '_>) -> T) -> T {
    let (cycle, filters) = (scene.cycle(), filters(scene, plugin));
    let reject = |&node: &NodeId| {
        Some((node, filters.filter_with_nominated_pods(&cycle, &NodeInfo::new(cycle.view, node)).err()?))
    };
    let diagnosis = Diagnosis { nodes: scene.nodes.iter().filter_map(reject).collect(), ..Diagnosis::default() };
    look(&Preemption { cycle: &cycle, filters: &filters, diagnosis: &diagnosis })
}

fn nominate(scene: &Scene, plugin: &str) -> Result<(u32, Vec<u32>, usize), String> {
    let result = attempt(scene, plugin, |preemption| preemption.nominate(None));
    let plain =
        |found: Nomination| (found.node.0, found.victims.iter().map(|pod| pod.0).collect(), found.pdb_violations);
    result.map(plain).map_err(|none| none.message)
}

/// Pods, each a priority, a request and a node, and one that waits.
fn scene_of(nodes: &[&str], pods: &[(i32, u64, u32)], incoming: &PodClass) -> Scene {
    let place = |cluster: TestCluster, &(priority, cpu, node): &(i32, u64, u32)| {
        cluster.place(&class("app=web", priority, cpu), &[node])
    };
    pods.iter().fold(TestCluster::new(nodes), place).scene(incoming)
}

#[test]
fn as_few_and_as_unimportant_pods_as_possible_make_room() {
    let two = ["a", "b"];
    for (pods, request, expected) in [
        // One node, its one pod.
        (&[(0, 3000, 0), (100, 3000, 1)][..], 2000, (0, vec![0], 0)),
        // Of 1000, 2000 and 1000 the pod of priority 50 is let back first, then that of 1: 1000 free are missing.
        (&[(1, 1000, 0), (50, 2000, 0), (0, 1000, 0), (100, 4000, 1)], 1000, (0, vec![2], 0)),
        // 3000 must go: the 2000 of priority 5 do not fit back, nor does any of the others but one of 1000.
        (&[(5, 2000, 0), (4, 1000, 0), (3, 1000, 0), (100, 4000, 1)], 3000, (0, vec![0, 2], 0)),
        // Equal priorities: the one that started first stays.
        (&[(5, 2000, 0), (5, 2000, 0), (100, 4000, 1)], 2000, (0, vec![1], 0)),
        // The lowest highest priority of a victim: 3 on node b, though there are two.
        (&[(4, 4000, 0), (3, 2000, 1), (3, 2000, 1)], 4000, (1, vec![1, 2], 0)),
        // Equal highest: the smaller sum, 3 + 1 and 3 + 2.
        (&[(3, 2000, 0), (2, 2000, 0), (3, 2000, 1), (1, 2000, 1)], 4000, (1, vec![2, 3], 0)),
        // Each victim adds 2^31, so fewer are better, even of a negative priority.
        (&[(-1, 2000, 0), (-9, 2000, 0), (-1, 4000, 1)], 4000, (1, vec![2], 0)),
        // All equal: the pod that started last.
        (&[(1, 4000, 0), (1, 4000, 1)], 4000, (1, vec![1], 0)),
        // Of the victims of the highest priority the earliest counts: 0 s on a, 1 s on b; the pod of priority 1 that
        // started at 4 s or 5 s does not.
        (
            &[(2, 1000, 0), (2, 1000, 1), (2, 1000, 1), (2, 1000, 0), (1, 2000, 0), (1, 2000, 1)],
            4000,
            (1, vec![1, 2, 5], 0),
        ),
    ] {
        let incoming = class("app=new", 10, request);
        assert_eq!(nominate(&scene_of(&two, pods, &incoming), "None"), Ok(expected), "{pods:?}");
    }
}

#[test]
fn pods_that_started_in_the_same_second_are_equal() {
    let incoming = class("app=new", 10, 4000);
    let mut scene = scene_of(&["a", "b"], &[(1, 4000, 0), (1, 4000, 1)], &incoming);
    scene.world.pods.start_ns[0] = 5_000_000_000;
    scene.world.pods.start_ns[1] = 5_900_000_000;
    assert_eq!(nominate(&scene, "None"), Ok((0, vec![0], 0)));
    // A pod whose node has not seen it yet counts as started now.
    scene.world.pods.start_ns[1] = NOT_STARTED_NS;
    assert_eq!(nominate(&scene, "None"), Ok((1, vec![1], 0)));
}

#[test]
fn refusals_speak_upstreams_words() {
    let none = |message: &str| Err(format!("preemption: {message}"));
    let never = pod_with("app=new", |class| {
        class.priority = 10;
        class.requests.cpu = MilliCpu(1000);
        class.spec.never_preempts = true;
    });
    for (pods, incoming, expected) in [
        (&[(0, 4000, 0), (0, 4000, 1)][..], never, none("not eligible due to preemptionPolicy=Never.")),
        // Nobody is less important.
        (
            &[(10, 4000, 0), (11, 4000, 1)],
            class("app=new", 10, 1000),
            none("0/2 nodes are available: 2 No preemption victims found for incoming pod."),
        ),
        // Without the 1000 of priority 0 there are 1000 where 2000 are needed.
        (
            &[(10, 3000, 0), (0, 1000, 0), (11, 4000, 1)],
            class("app=new", 10, 2000),
            none("0/2 nodes are available: 1 Insufficient cpu, 1 No preemption victims found for incoming pod."),
        ),
    ] {
        assert_eq!(nominate(&scene_of(&["a", "b"], pods, &incoming), "None"), expected);
    }
}

#[test]
fn only_nodes_that_might_fit_are_tried() {
    let scene = scene_of(&["a", "b"], &[(0, 4000, 0), (0, 4000, 1)], &class("app=new", 10, 1000));
    let (cycle, filters) = (scene.cycle(), filters(&scene, "None"));
    let mut diagnosis = Diagnosis::default();
    let nominate = |diagnosis: &Diagnosis| {
        let preemption = Preemption { cycle: &cycle, filters: &filters, diagnosis };
        preemption.nominate(None).map(|found| found.node).map_err(|none| (none.message, none.clears_nomination))
    };
    // What is not listed cannot be helped.
    let not_helpful = "preemption: 0/2 nodes are available: 2 Preemption is not helpful for scheduling.";
    assert_eq!(nominate(&diagnosis), Err((not_helpful.to_owned(), true)));
    diagnosis.nodes.insert(NodeId(0), Rejection::unresolvable("Other", "no"));
    diagnosis.nodes.insert(NodeId(1), Rejection::unschedulable("Cpu", CPU));
    assert_eq!(nominate(&diagnosis), Ok(NodeId(1)));
    // A PreFilter plug-in may say of all of them that leaving pods would help.
    diagnosis.nodes.clear();
    diagnosis.absent_nodes = Some(Rejection::unschedulable("Other", "no"));
    assert_eq!(nominate(&diagnosis), Ok(NodeId(1)));
}

#[test]
fn a_pod_does_not_preempt_again_while_its_victims_leave() {
    let mut scene = scene_of(&["a", "b"], &[(0, 4000, 0), (0, 4000, 1)], &class("app=new", 10, 1000));
    let waits = Err("preemption: not eligible due to a terminating pod on the nominated node.".to_owned());
    scene.world.nominated.insert(scene.incoming(), NodeId(0));
    assert_eq!(nominate(&scene, "None"), Ok((1, vec![1], 0)));
    // Somebody else asked the pod to leave.
    scene.world.pods.deletion[0] = Deletion::Requested;
    assert_eq!(nominate(&scene, "None"), Ok((1, vec![1], 0)));
    scene.world.pods.deletion[0] = Deletion::Preempted;
    assert_eq!(nominate(&scene, "None"), waits);
    // A victim on another node is no reason to wait.
    scene.world.nominated.insert(scene.incoming(), NodeId(1));
    assert_eq!(nominate(&scene, "None"), Ok((1, vec![1], 0)));
}

#[test]
fn room_promised_to_others_is_not_given_away() {
    let other = |priority| class("app=other", priority, 2000);
    for (priority, expected) in [
        // 1000 free less 2000 promised: the 3000 of priority 0 must go, on a as on b.
        (10, Ok((1, vec![1], 0))),
        // A promise to a less important pod does not count: 1000 free are enough, and nobody must go.
        (9, Err("preemption: 0/2 nodes are available: 2 Preemption is not helpful for scheduling.".to_owned())),
    ] {
        let incoming = class("app=new", 10, 1000);
        let cluster = TestCluster::new(&["a", "b"]).place(&class("app=web", 0, 3000), &[0, 1]);
        let cluster = cluster.place(&other(priority), &[]);
        let mut scene = cluster.scene(&incoming);
        let class = scene.model.workload.intern_class(other(priority));
        for node in [0, 1] {
            let promised = scene.world.arrive((0, 3 + node), class, u64::MAX);
            scene.world.nominated.insert(promised, NodeId(node));
        }
        // The pod that waits stays the one before those.
        let pod = PodId(2);
        let cycle = Cycle { pod: Some(pod), class: scene.world.pods.class[2], ..scene.cycle() };
        let filters = Filters { filters: vec![("Cpu".into(), Box::new(CpuFilter { request: 1000 }))], nodes: None };
        let verdict = |&node: &NodeId| {
            Some((node, filters.filter_with_nominated_pods(&cycle, &NodeInfo::new(cycle.view, node)).err()?))
        };
        let diagnosis = Diagnosis { nodes: scene.nodes.iter().filter_map(verdict).collect(), ..Diagnosis::default() };
        let found = Preemption { cycle: &cycle, filters: &filters, diagnosis: &diagnosis }.nominate(None);
        let plain = found.map(|found| (found.node.0, found.victims.iter().map(|pod| pod.0).collect(), 0));
        assert_eq!(plain.map_err(|none| none.message), expected);
    }
}

#[test]
fn filters_must_pass_with_and_without_the_nominated_pods() {
    let draws = |class: &mut PodClass| {
        class.priority = 10;
        class.spec.pod_affinity.required = vec![term("app=other", "zone")];
    };
    let keeps_away = |class: &mut PodClass| {
        class.priority = 10;
        class.spec.pod_anti_affinity.required = vec![term("app=other", "zone")];
    };
    let changes: [&dyn Fn(&mut PodClass); 2] = [&draws, &keeps_away];
    for change in changes {
        let incoming = pod_with("app=new", |class| change(class));
        let cluster = TestCluster::new(&["a zone=1"]).place(&class("app=other", 10, 0), &[]);
        let mut scene = cluster.scene(&incoming);
        let other = scene.model.workload.intern_class(class("app=other", 10, 0));
        let cycle = Cycle { pod: Some(PodId(0)), class: scene.world.pods.class[0], ..scene.cycle() };
        let node = NodeInfo::new(cycle.view, NodeId(0));
        let alone = scene.filters("InterPodAffinity").filter_with_nominated_pods(&cycle, &node).is_ok();
        let promised = scene.world.arrive((0, 1), other, u64::MAX);
        scene.world.nominated.insert(promised, NodeId(0));
        let cycle = Cycle { pod: Some(PodId(0)), class: scene.world.pods.class[0], ..scene.cycle() };
        let filters = scene.framework(&["InterPodAffinity"]).pre_filter(&cycle).expect("no rejection");
        let node = NodeInfo::new(cycle.view, NodeId(0));
        // Drawn to a pod that is only promised: refused without it. Kept away from it: refused with it, though not alone.
        assert!(filters.filter_with_nominated_pods(&cycle, &node).is_err());
        assert_eq!(alone, incoming.spec.pod_affinity.required.is_empty());
    }
}

#[test]
fn what_other_plugins_count_moves_with_the_victims() {
    let with = |change: &dyn Fn(&mut PodClass)| {
        let mut incoming = class("app=new", 10, 1000);
        change(&mut incoming);
        incoming
    };
    // The anti-affinity of a pod in zone 1 keeps the pod away; it alone must go, though others are less important.
    let hostile = with(&|class| {
        class.priority = 5;
        class.spec.labels = labels("app=web");
        class.spec.pod_anti_affinity.required = vec![PodAffinityTerm { ..term("app=new", "zone") }];
    });
    let cluster = TestCluster::new(&["a zone=1"]).place(&hostile, &[0]).place(&class("app=web", 1, 500), &[0]);
    let scene = cluster.scene(&class("app=new", 10, 1000));
    assert_eq!(nominate(&scene, "InterPodAffinity"), Ok((0, vec![0], 0)));
    // Zones hold 3 and 1 pods: 3 + 1 - 1 = 3 is beyond 1, so two of zone 1 must go, 1 + 1 - 1 = 1; c is full.
    let spread = with(&|class| class.spec.topology_spread = vec![hard(1, "zone", "app=web")]);
    let mut spread = spread;
    spread.spec.labels = labels("app=web");
    let cluster = TestCluster::new(&["a zone=1", "c zone=2"]).place(&class("app=web", 1, 500), &[0, 0, 0]);
    let scene = cluster.place(&class("app=web", 20, 4000), &[1]).scene(&spread);
    assert_eq!(nominate(&scene, "PodTopologySpread"), Ok((0, vec![1, 2], 0)));
}

fn budget(name: &str, pods: &str, allowance: Allowance, disrupted: &[&str]) -> DisruptionBudget {
    DisruptionBudget {
        namespace: "default".into(),
        name: name.into(),
        selector: Some(selector(pods)),
        allowance,
        disrupted_pods: disrupted.iter().map(|name| (*name).to_owned()).collect(),
    }
}

#[test]
fn budgets_keep_pods_before_priority_does() {
    use Allowance::{Given, MaxUnavailable, MinAvailable};
    use CountOrPercent::{Count, Percent};
    let on = |allowance| vec![budget("web", "app=web", allowance, &[])];
    for (budgets, expected) in [
        // No budget: node a, with victims of priority 2 and 1, is better than b with priority 3.
        (vec![], (0, vec![0, 1], 0)),
        // Both pods of a, but not that of b, break the budget.
        (on(Given(0)), (1, vec![2], 0)),
        // One may go: p0, the more important, is charged first, so p1 breaks it. Two may go: neither does.
        (on(Given(1)), (1, vec![2], 0)),
        (on(Given(2)), (0, vec![0, 1], 0)),
        // p0 is charged already and costs nothing; p1 is within the one.
        (vec![budget("web", "app=web", Given(1), &["p0"])], (0, vec![0, 1], 0)),
        // Two healthy pods: of 1 that must stay 1 may go; of 0, or of 2 that may be missing, both.
        (on(MinAvailable(Count(1))), (1, vec![2], 0)),
        (on(MinAvailable(Count(0))), (0, vec![0, 1], 0)),
        (on(MaxUnavailable(Count(2))), (0, vec![0, 1], 0)),
        // 51 % of 2 is 1.02, rounded up to 2; 50 % is 1.
        (on(MaxUnavailable(Percent(51))), (0, vec![0, 1], 0)),
        (on(MaxUnavailable(Percent(50))), (1, vec![2], 0)),
        (on(MinAvailable(Percent(0))), (0, vec![0, 1], 0)),
        // A budget without requirements, without selector or of another namespace keeps nobody.
        (vec![budget("all", "", Given(0), &[])], (0, vec![0, 1], 0)),
        (vec![DisruptionBudget { selector: None, ..budget("none", "", Given(0), &[]) }], (0, vec![0, 1], 0)),
        (vec![DisruptionBudget { namespace: "x".into(), ..budget("x", "app=web", Given(0), &[]) }], (0, vec![0, 1], 0)),
        // All break budgets: a with 2, b with 1.
        (vec![budget("any", "app", Given(0), &[])], (1, vec![2], 1)),
    ] {
        let mut cluster = TestCluster::new(&["a", "b"]);
        cluster.model.objects.disruption_budgets = budgets.clone();
        let cluster = cluster.place(&class("app=web", 2, 2000), &[0]).place(&class("app=web", 1, 2000), &[0]);
        let scene = cluster.place(&class("app=db", 3, 4000), &[1]).scene(&class("app=new", 10, 4000));
        assert_eq!(nominate(&scene, "None"), Ok(expected), "{budgets:?}");
    }
}

#[test]
fn pods_that_a_budget_keeps_are_let_back_first() {
    // 2000 of 4000 are needed: the pod of priority 1 comes back before that of priority 2, for its budget's sake.
    let mut cluster = TestCluster::new(&["a"]);
    cluster.model.objects.disruption_budgets = vec![budget("web", "app=web", Allowance::Given(0), &[])];
    let cluster = cluster.place(&class("app=web", 1, 2000), &[0]).place(&class("app=db", 2, 2000), &[0]);
    assert_eq!(nominate(&cluster.scene(&class("app=new", 10, 2000)), "None"), Ok((0, vec![1], 0)));
}

#[test]
fn pods_that_are_unwell_or_leaving_use_up_a_budget() {
    let at = |change: &dyn Fn(&mut Scene)| {
        let mut cluster = TestCluster::new(&["a", "b"]);
        let allowance = Allowance::MaxUnavailable(CountOrPercent::Count(1));
        cluster.model.objects.disruption_budgets = vec![budget("web", "app=web", allowance, &[])];
        let cluster = cluster.place(&class("app=web", 1, 4000), &[0]).place(&class("app=web", 20, 0), &[1]);
        let mut scene = cluster.scene(&class("app=new", 10, 4000));
        change(&mut scene);
        scene.nodes = vec![NodeId(0)];
        nominate(&scene, "None").map(|(_, _, violations)| violations)
    };
    // Both work, so one may go; with one that starts or leaves, none.
    assert_eq!(at(&|_| {}), Ok(0));
    assert_eq!(at(&|scene| scene.world.set_phase(PodId(1), crate::world::Phase::Starting)), Ok(1));
    assert_eq!(at(&|scene| scene.world.pods.deletion[1] = Deletion::Requested), Ok(1));
}

#[test]
fn enough_candidates_end_the_search_once_one_breaks_no_budget() {
    let names: Vec<String> = (0..10).map(|node| format!("n{node}")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    // Nodes 0 to 3 hold pods of the budget.
    let mut cluster = TestCluster::new(&names);
    cluster.model.objects.disruption_budgets = vec![budget("web", "app=web", Allowance::Given(0), &[])];
    let cluster = cluster.place(&class("app=web", 1, 4000), &[0, 1, 2, 3]);
    let mut scene = cluster.place(&class("app=db", 1, 4000), &[4, 5, 6, 7, 8, 9]).scene(&class("app=new", 10, 1000));
    for (percentage, min, expected) in [
        // 20 % of 10 are 2: nodes 0 and 1 fill the list of those that break it, and 4 is the first that does not.
        (20, 1, vec![4, 0, 1]),
        (0, 3, vec![4, 0, 1, 2]),
        (60, 1, vec![4, 5, 0, 1, 2, 3]),
        // No more than there are.
        (10, 100, vec![4, 5, 6, 7, 8, 9, 0, 1, 2, 3]),
    ] {
        scene.arguments.preemption_candidates_percentage = percentage;
        scene.arguments.preemption_candidates_min = min;
        let found = attempt(&scene, "None", |preemption| preemption.candidates(None)).expect("all nodes would do");
        let nodes: Vec<u32> = found.iter().map(|candidate| candidate.node.0).collect();
        assert_eq!(nodes, expected, "{percentage} {min}");
    }
    // From a random node on, and around.
    scene.arguments.preemption_candidates_percentage = 0;
    scene.arguments.preemption_candidates_min = 10;
    let offset = SEED.stream("preemption", 7).below(10) as u32;
    let mut stream = SEED.stream("preemption", 7);
    let found = attempt(&scene, "None", |preemption| preemption.candidates(Some(&mut stream))).expect("as above");
    let first = (offset..offset + 10).map(|node| node % 10).find(|node| *node >= 4);
    assert_eq!(Some(found[0].node.0), first);
}

#[test]
fn nobody_to_evict_where_the_pod_fits_is_an_error() {
    // The diagnosis says that the pod does not fit, and yet it does.
    let scene = scene_of(&["a"], &[(0, 1000, 0)], &class("app=new", 10, 1000));
    let (cycle, filters) = (scene.cycle(), filters(&scene, "None"));
    let nodes = [(NodeId(0), Rejection::unschedulable("Cpu", CPU))].into();
    let diagnosis = Diagnosis { nodes, ..Diagnosis::default() };
    let none = Preemption { cycle: &cycle, filters: &filters, diagnosis: &diagnosis }.nominate(None);
    let none = none.expect_err("there is no victim");
    assert_eq!(
        (none.code, none.message.as_str()),
        (Code::Error, "preemption: expected at least one victim pod on node \"a\"")
    );
}

#[test]
fn a_nomination_says_what_it_costs() {
    let scene = scene_of(&["a"], &[(0, 4000, 0)], &class("app=new", 10, 1000));
    let found = attempt(&scene, "None", |preemption| preemption.nominate(None)).expect("one pod can go");
    let message = "preemption: found a potential placement for pod on node a, preempting 1 victims";
    assert_eq!(found.message(&scene.cycle().view), message);
}
