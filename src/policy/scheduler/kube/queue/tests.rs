//! Times and moves worked out by hand. The histories in `tests/vectors` are the real queue's own.

use super::hints::{self, Waiting};
use super::*;
use crate::ids::NodeId;
use crate::model::pod_spec::{HostPort, PodVolume};
use crate::model::{Label, Model, NodeShape, PodClass, Resources, Taint, TaintEffect, Toleration, TolerationOperator};
use crate::policy::scheduler::kube::test_cluster::{
    TestCluster, hard, labels, node_term, pod, pod_with, selector, term,
};
use crate::units::{Bytes, MilliCpu};
use crate::world::World;

/// Milliseconds since the start.
const fn ms(milliseconds: u64) -> SimTime {
    SimTime(milliseconds * 1_000_000)
}

/// A queue, the classes that its pods may have, and two nodes.
#[derive(Debug)]
struct Bench {
    model: Model,
    world: World,
    queue: SchedulingQueue,
}

impl Bench {
    fn new(classes: &[PodClass]) -> Bench {
        Bench::configured(classes, &KubeSchedulerConfiguration::default())
    }

    fn configured(classes: &[PodClass], configuration: &KubeSchedulerConfiguration) -> Bench {
        let mut model = TestCluster::new(&["a zone=1", "b zone=2"]).model;
        for class in classes {
            model.workload.classes.push(class.clone());
        }
        let world = World::new(&model);
        Bench { model, world, queue: SchedulingQueue::new(configuration) }
    }

    /// One class of plain pods.
    fn plain() -> Bench {
        Bench::new(&[pod("app=web")])
    }

    fn add(&mut self, pod: u32, class: u32, now: SimTime) -> bool {
        let view = View { model: &self.model, world: &self.world };
        self.queue.add(PodId(pod), ClassId(class), &view, now)
    }

    /// Pops the pod, and puts it back as rejected by these plug-ins.
    fn fail(&mut self, pod: u32, plugins: &[&str], now: SimTime) {
        assert_eq!(self.pop(), Some(pod));
        self.reject(pod, plugins, &[], now);
    }

    fn reject(&mut self, pod: u32, plugins: &[&str], pending: &[&str], now: SimTime) {
        let view = View { model: &self.model, world: &self.world };
        let set = PluginSet::of(plugins.iter().copied());
        self.queue.add_unschedulable(PodId(pod), set, PluginSet::of(pending.iter().copied()), &view, now);
    }

    fn pop(&mut self) -> Option<u32> {
        self.queue.pop().map(|queued| queued.pod.0)
    }

    fn happen(&mut self, event: ClusterEvent, now: SimTime) {
        self.queue.move_on_event(&event, &View { model: &self.model, world: &self.world }, now);
    }

    fn flush(&mut self, now: SimTime) {
        self.queue.flush(&View { model: &self.model, world: &self.world }, now);
    }

    /// Where pods are, one letter each: `a`ctive, `b`ack-off, `e`rror back-off, `u`nschedulable, `f`light, `-`.
    fn places(&self, pods: u32) -> String {
        let letter = |pod| match self.queue.place(PodId(pod)) {
            Some(Place::Active) => 'a',
            Some(Place::Backoff) => 'b',
            Some(Place::ErrorBackoff) => 'e',
            Some(Place::Unschedulable) => 'u',
            Some(Place::InFlight(_)) => 'f',
            None => '-',
        };
        (0..pods).map(letter).collect()
    }

    fn node(&self, node: u32) -> NodeObject {
        NodeObject::of(&View { model: &self.model, world: &self.world }, NodeId(node))
    }
}

/// The leaving of a pod of class 0.
const PLAIN_REMOVED: ClusterEvent = ClusterEvent::PodRemoved { class: ClassId(0), up_to: None };

#[test]
fn the_wait_doubles_to_ten_seconds_and_ends_with_a_second() {
    let mut bench = Bench::plain();
    bench.add(0, 0, ms(0));
    // Rejected at 500 ms each time; a pod's removal moves it at once to back-off. The wait of 1, 2, 4, 8, 10, 10 s ends at
    // 1.5, 2.5, 4.5, 8.5, 10.5 s, cut to whole seconds, and the flush one second later finds it over.
    for (failures, flush_s) in [(1, 2), (2, 3), (3, 5), (4, 9), (5, 11), (6, 11)] {
        bench.fail(0, &["NodeResourcesFit"], ms(500));
        assert_eq!(bench.places(1), "u", "after {failures} failures");
        bench.happen(PLAIN_REMOVED, ms(500));
        assert_eq!(bench.places(1), "b");
        let flush = ms(flush_s * 1000);
        assert_eq!(bench.queue.next_flush(ms(500)), Some(flush), "after {failures} failures");
        bench.flush(ms(flush_s * 1000 - 1000));
        assert_eq!(bench.places(1), "b", "its second is not over");
        bench.flush(flush);
        assert_eq!(bench.places(1), "a");
    }
    // Without a longest wait there is none at all.
    let configuration =
        KubeSchedulerConfiguration { pod_max_backoff: SimDuration::ZERO, ..KubeSchedulerConfiguration::default() };
    let mut bench = Bench::configured(&[pod("app=web")], &configuration);
    bench.add(0, 0, ms(0));
    bench.fail(0, &["NodeResourcesFit"], ms(0));
    bench.happen(PLAIN_REMOVED, ms(0));
    assert_eq!(bench.places(1), "a");
}

#[test]
fn errors_have_a_wait_of_their_own_that_a_pop_does_not_cut_short() {
    let mut bench = Bench::plain();
    bench.add(0, 0, ms(0));
    // Two rejections make the next wait of a rejected pod 4 s, but the first error waits 1 s: from 0.2 s to 1.2 s.
    for _ in 0..2 {
        bench.fail(0, &["NodeResourcesFit"], ms(100));
        bench.happen(PLAIN_REMOVED, ms(100));
    }
    bench.fail(0, &[], ms(200));
    assert_eq!(bench.places(1), "e");
    assert_eq!(bench.pop(), None);
    assert_eq!(bench.queue.next_flush(ms(200)), Some(ms(2000)));
    bench.flush(ms(2000));
    // The second error in a row waits 2 s: from 2.3 s to 4.3 s.
    bench.fail(0, &[], ms(2300));
    assert_eq!(bench.queue.next_flush(ms(2300)), Some(ms(5000)));
    bench.flush(ms(5000));
    // The third rejection waits 4 s, and the errors are forgotten.
    bench.fail(0, &["NodeAffinity"], ms(5300));
    let queued = *bench.queue.pods().next().expect("it is there");
    assert_eq!((queued.unschedulable_count, queued.consecutive_errors, queued.attempts), (3, 0, 5));
    assert_eq!(queued.backoff_expiration, Some(ms(9000)));
}

#[test]
fn a_pod_that_could_not_be_bound_waits_as_after_an_error() {
    let mut bench = Bench::plain();
    bench.add(0, 0, ms(0));
    // A rejection before does not lengthen the wait of errors: 1, 2, 4 s from 500 ms, cut to whole seconds.
    bench.fail(0, &["NodeResourcesFit"], ms(0));
    bench.happen(PLAIN_REMOVED, ms(0));
    for (errors, flush_s) in [(1, 2), (2, 3), (3, 5)] {
        assert_eq!(bench.pop(), Some(0));
        let taken = bench.queue.take(PodId(0)).expect("it is in flight");
        assert_eq!((bench.places(1).as_str(), bench.queue.take(PodId(0))), ("-", None));
        let view = View { model: &bench.model, world: &bench.world };
        bench.queue.add_after_error(taken, &view, ms(500));
        assert_eq!((bench.places(1).as_str(), bench.pop()), ("e", None), "after {errors} errors");
        bench.flush(ms(flush_s * 1000 - 1000));
        assert_eq!(bench.places(1), "e");
        bench.flush(ms(flush_s * 1000));
        assert_eq!(bench.places(1), "a", "after {errors} errors");
    }
}

#[test]
fn the_first_in_line_has_the_highest_priority_then_waits_longest_then_came_first() {
    let high = pod_with("app=web", |class| class.priority = 10);
    let mut bench = Bench::new(&[pod("app=web"), high]);
    for (pod, class, now) in [(0, 0, 3), (1, 0, 1), (2, 1, 2), (4, 0, 1), (3, 0, 1), (5, 1, 1)] {
        bench.add(pod, class, ms(now));
    }
    let order: Vec<u32> = std::iter::from_fn(|| bench.pop()).collect();
    assert_eq!(order, [5, 2, 1, 3, 4, 0]);
    assert_eq!(bench.queue.counts(), [0, 0, 0, 6]);
}

#[test]
fn an_empty_active_queue_is_helped_out_by_back_off() {
    let high = pod_with("app=web", |class| class.priority = 10);
    let mut bench = Bench::new(&[pod("app=web"), high]);
    for (pod, class) in [(0, 0), (1, 1), (2, 0)] {
        bench.add(pod, class, ms(0));
    }
    // Waits end at 1.1 s, 1.9 s and 2.0 s: pods 1 and 2 share a second, in which priority decides.
    for pod in [1, 0, 2] {
        assert_eq!(bench.pop(), Some(pod));
    }
    bench.reject(0, &["NodeResourcesFit"], &[], ms(1000));
    bench.reject(1, &["NodeResourcesFit"], &[], ms(900));
    bench.reject(2, &["NodeResourcesFit"], &[], ms(100));
    bench.happen(PLAIN_REMOVED, ms(1000));
    assert_eq!(bench.places(3), "bbb");
    let order: Vec<u32> = std::iter::from_fn(|| bench.pop()).collect();
    assert_eq!(order, [1, 2, 0]);
}

#[test]
fn what_happened_in_flight_counts_when_the_attempt_fails() {
    for (event, plugins, place) in [
        (PLAIN_REMOVED, ["NodeResourcesFit"], "b"),
        (PLAIN_REMOVED, ["NodePorts"], "u"),
        (ClusterEvent::PodAssigned(ClassId(0)), ["NodeResourcesFit"], "u"),
    ] {
        let mut bench = Bench::plain();
        bench.add(0, 0, ms(0));
        bench.happen(event, ms(1));
        assert_eq!(bench.pop(), Some(0));
        bench.happen(event, ms(2));
        bench.reject(0, &plugins, &[], ms(3));
        assert_eq!(bench.places(1), place, "{event:?} and {plugins:?}");
        // What happened before the attempt does not count.
        let mut bench = Bench::plain();
        bench.add(0, 0, ms(0));
        bench.happen(event, ms(1));
        bench.fail(0, &plugins, ms(3));
        assert_eq!(bench.places(1), "u");
    }
}

#[test]
fn a_plug_in_that_makes_a_pod_wait_lets_it_go_without_back_off() {
    let mut bench = Bench::plain();
    for pod in 0..2 {
        bench.add(pod, 0, ms(0));
        assert_eq!(bench.pop(), Some(pod));
    }
    bench.reject(0, &["NodeAffinity"], &["NodeResourcesFit"], ms(0));
    bench.reject(1, &["NodeResourcesFit"], &["NodeAffinity"], ms(0));
    bench.happen(PLAIN_REMOVED, ms(0));
    assert_eq!(bench.places(2), "ab");
}

#[test]
fn patience_ends_at_the_first_check_after_five_minutes() {
    // Rejected at 0 s, 10 s and 30.001 s: over after 300 s, 310 s and 330.001 s, seen at the next multiple of 30 s that is
    // later.
    for (rejected_ms, check_s) in [(0, 330), (10_000, 330), (30_001, 360)] {
        let mut bench = Bench::plain();
        bench.add(0, 0, ms(0));
        bench.fail(0, &["NodeAffinity"], ms(rejected_ms));
        assert_eq!(bench.queue.next_flush(ms(rejected_ms)), Some(ms(check_s * 1000)));
        bench.flush(ms(check_s * 1000 - 30_000));
        assert_eq!(bench.places(1), "u");
        bench.flush(ms(check_s * 1000));
        assert_eq!(bench.places(1), "a");
        assert_eq!(bench.queue.next_flush(ms(check_s * 1000)), None);
    }
}

#[test]
fn patience_that_ends_counts_for_the_pods_in_flight() {
    let mut bench = Bench::plain();
    bench.add(0, 0, ms(0));
    bench.fail(0, &["NodeAffinity"], ms(0));
    bench.add(1, 0, ms(0));
    assert_eq!(bench.pop(), Some(1));
    bench.flush(ms(330_000));
    bench.reject(1, &["NodeAffinity"], &[], ms(330_000));
    assert_eq!(bench.places(2), "ab");
}

#[test]
fn gates_keep_a_pod_out_until_the_last_is_gone() {
    let gated = pod_with("app=web", |class| class.spec.scheduling_gates = vec!["a".into(), "b".into()]);
    let half = pod_with("app=web", |class| class.spec.scheduling_gates = vec!["b".into()]);
    let mut bench = Bench::new(&[pod("app=web"), gated, half]);
    bench.add(0, 1, ms(0));
    bench.add(1, 1, ms(0));
    bench.happen(PLAIN_REMOVED, ms(1));
    assert_eq!(bench.places(2), "uu");
    let view = View { model: &bench.model, world: &bench.world };
    bench.queue.update(PodId(0), ClassId(2), &view, ms(2));
    assert_eq!(bench.queue.place(PodId(0)), Some(Place::Unschedulable));
    bench.queue.update(PodId(0), ClassId(0), &view, ms(3));
    bench.queue.open_gates(PodId(1), &view, ms(3));
    assert_eq!(bench.places(2), "aa");
    // Patience does not open gates, and is counted anew: from 330 s on to 660 s.
    bench.add(2, 1, ms(0));
    bench.flush(ms(330_000));
    assert_eq!(bench.places(3), "aau");
    assert_eq!(bench.queue.next_flush(ms(330_000)), Some(ms(660_000)));
}

#[test]
fn a_pod_stays_out_while_its_victims_are_told() {
    let mut bench = Bench::plain();
    bench.add(0, 0, ms(0));
    assert_eq!(bench.pop(), Some(0));
    bench.queue.begin_preemption(PodId(0));
    bench.reject(0, &["NodeResourcesFit"], &[], ms(0));
    bench.happen(PLAIN_REMOVED, ms(10));
    assert_eq!(bench.places(1), "u", "a victim of several has left");
    let view = View { model: &bench.model, world: &bench.world };
    bench.queue.end_preemption(PodId(0), false, &view);
    bench.happen(PLAIN_REMOVED, ms(20));
    assert_eq!(bench.places(1), "b", "the last victim has left");
    // A victim that could not be told: the pod is tried again at once.
    assert_eq!(bench.pop(), Some(0));
    bench.queue.begin_preemption(PodId(0));
    bench.reject(0, &["NodeResourcesFit"], &[], ms(30));
    bench.queue.end_preemption(PodId(0), true, &View { model: &bench.model, world: &bench.world });
    assert_eq!(bench.places(1), "a");
    // The same while it is in flight: it does not stay unschedulable.
    assert_eq!(bench.pop(), Some(0));
    bench.queue.end_preemption(PodId(0), true, &View { model: &bench.model, world: &bench.world });
    bench.reject(0, &["NodeAffinity"], &[], ms(40));
    assert_eq!(bench.places(1), "b");
}

#[test]
fn a_nomination_given_up_helps_pods_that_stood_back_for_it() {
    let classes = [0, 5, 6].map(|priority| pod_with("app=web", |class| class.priority = priority));
    let mut bench = Bench::new(&classes);
    for class in 0..3 {
        bench.add(class, class, ms(0));
        bench.fail(class, &["NodeResourcesFit"], ms(0));
    }
    bench.happen(ClusterEvent::PodRemoved { class: ClassId(1), up_to: Some(5) }, ms(0));
    assert_eq!(bench.places(3), "bbu");
}

#[test]
fn pods_that_are_gone_or_not_ours_leave_nothing_behind() {
    let foreign = pod_with("app=web", |class| class.spec.scheduler_name = "other".into());
    let mut bench = Bench::new(&[pod("app=web"), foreign]);
    assert!(!bench.add(9, 1, ms(0)));
    for pod in 0..4 {
        assert!(bench.add(pod, 0, ms(0)));
    }
    bench.fail(0, &["NodeAffinity"], ms(0));
    bench.fail(1, &["NodeResourcesFit"], ms(0));
    bench.happen(PLAIN_REMOVED, ms(0));
    assert_eq!(bench.pop(), Some(2));
    assert_eq!(bench.places(4), "ubfa");
    (0..4).for_each(|pod| bench.queue.delete(PodId(pod)));
    assert_eq!(bench.places(4), "--f-");
    bench.queue.done(PodId(2));
    assert_eq!((bench.queue.counts(), bench.queue.next_flush(ms(0))), ([0; 4], None));
    assert_eq!(bench.pop(), None);
}

#[test]
fn events_name_what_changed() {
    use NodeChange::{Allocatable, DeclaredFeatures, Labels, Taints};
    let mut bench = Bench::plain();
    let shape = |change: fn(&mut NodeShape)| {
        let mut shape = NodeShape::default();
        change(&mut shape);
        shape
    };
    let old_shape = bench.model.cluster.intern_shape(NodeShape::default());
    let cases: [(NodeShape, &[NodeChange]); 5] = [
        (shape(|_| {}), &[]),
        (shape(|shape| shape.allocatable.pods = 7), &[Allocatable]),
        (shape(|shape| shape.labels = labels("a=b")), &[Labels]),
        (shape(|shape| shape.taints = vec![taint("dedicated")]), &[Taints]),
        (
            shape(|shape| {
                shape.declared_features = vec!["F".into()];
                shape.labels = labels("a=b");
                shape.allocatable.cpu = MilliCpu(1);
            }),
            &[Allocatable, Labels, DeclaredFeatures],
        ),
    ];
    for (new, changes) in cases {
        let new = bench.model.cluster.intern_shape(new);
        let at = |shape, is_unschedulable| NodeObject { node: NodeId(0), shape, is_unschedulable };
        let view = View { model: &bench.model, world: &bench.world };
        let named = |old, new| {
            let name = |event| match event {
                ClusterEvent::NodeUpdated { change, .. } => change,
                other => panic!("{other:?} is no update"),
            };
            ClusterEvent::of_node_update(&view, old, new).into_iter().map(name).collect::<Vec<_>>()
        };
        assert_eq!(named(at(old_shape, false), at(new, false)), changes);
        // A cordon is no news to a pod that waits, an uncordon is.
        assert_eq!(named(at(old_shape, false), at(new, true)), changes);
        assert_eq!(named(at(old_shape, true), at(new, false)), [&[Taints], changes].concat());
    }
}

fn taint(key: &str) -> Taint {
    Taint { key: key.to_owned(), value: String::new(), effect: TaintEffect::NoSchedule }
}

fn tolerates(key: &str) -> Toleration {
    Toleration {
        key: key.to_owned(),
        operator: TolerationOperator::Exists,
        value: String::new(),
        effect: None,
        duration: None,
    }
}

/// What a plug-in says to an event for a pod of class 0, if it has registered for it.
fn hint(bench: &Bench, plugin: &str, event: &ClusterEvent) -> Option<bool> {
    let plugin = Plugin::find(plugin).expect("a plug-in");
    let view = View { model: &bench.model, world: &bench.world };
    let arguments = PluginArguments::default();
    let waiting = Waiting { view, class: ClassId(0), arguments: &arguments };
    hints::registered(event).contains(plugin).then(|| waiting.is_helped(plugin, event))
}

#[test]
fn hints_about_nodes() {
    const RESOURCES: Resources =
        Resources { cpu: MilliCpu(2000), memory: Bytes(0), ephemeral_storage: Bytes(0), pods: 1, extended: Vec::new() };
    let waiting = pod_with("app=web", |class| {
        class.requests = RESOURCES;
        class.node_selector = vec![Label { key: "disk".into(), value: "ssd".into() }];
        class.tolerations = vec![tolerates("spot")];
        class.spec.pod_affinity.required = vec![term("app=db", "rack")];
        class.spec.pod_anti_affinity.required = vec![term("app=web", "zone")];
        class.spec.topology_spread = vec![hard(1, "zone", "app=web")];
    });
    let mut bench = Bench::new(&[waiting]);
    let mut shape = |text: &str, cpu: u64, taints: &[&str]| {
        let allocatable = Resources { cpu: MilliCpu(cpu), pods: 10, ..Resources::default() };
        let taints = taints.iter().map(|key| taint(key)).collect();
        let shape = NodeShape { labels: labels(text), allocatable, taints, ..NodeShape::default() };
        bench.model.cluster.intern_shape(shape)
    };
    let shapes = [
        shape("disk=ssd zone=1", 2000, &["spot"]),
        shape("disk=hdd zone=1", 1999, &["dedicated"]),
        shape("disk=ssd zone=2 rack=7", 4000, &[]),
        shape("disk=ssd", 2000, &["spot"]),
        shape("disk=ssd zone=1", 2500, &["spot"]),
    ];
    let at = |shape: usize, is_unschedulable| NodeObject { node: NodeId(0), shape: shapes[shape], is_unschedulable };
    let added = |shape, cordoned| ClusterEvent::NodeAdded(at(shape, cordoned));
    let updated = |change, old, new| ClusterEvent::NodeUpdated { change, old: at(old, false), new: at(new, false) };
    let removed = |shape| ClusterEvent::NodeRemoved(at(shape, false));
    use NodeChange::{Allocatable, Labels, Taints};
    for (plugin, event, expected) in [
        ("NodeName", added(1, true), Some(true)),
        ("NodeName", updated(Labels, 0, 1), None),
        ("NodeUnschedulable", added(0, true), Some(false)),
        ("NodeUnschedulable", added(0, false), Some(true)),
        ("NodeUnschedulable", updated(Taints, 0, 1), Some(false)),
        ("TaintToleration", added(0, false), Some(true)),
        ("TaintToleration", added(1, false), Some(false)),
        ("TaintToleration", updated(Taints, 1, 0), Some(true)),
        ("TaintToleration", updated(Taints, 2, 0), Some(false)),
        ("NodeAffinity", added(1, false), Some(false)),
        ("NodeAffinity", updated(Labels, 1, 2), Some(true)),
        ("NodeAffinity", updated(Labels, 0, 2), Some(false)),
        ("NodeAffinity", updated(Allocatable, 1, 2), None),
        ("NodePorts", added(1, false), Some(true)),
        ("NodeResourcesFit", added(0, false), Some(true)),
        ("NodeResourcesFit", added(1, false), Some(false)),
        ("NodeResourcesFit", updated(Allocatable, 0, 4), Some(true)),
        ("NodeResourcesFit", updated(Allocatable, 4, 0), Some(false)),
        ("NodeResourcesFit", updated(Taints, 0, 4), None),
        // The key of the affinity is `rack`, that of the anti-affinity `zone`.
        ("InterPodAffinity", added(3, false), Some(true)),
        ("InterPodAffinity", updated(Labels, 0, 2), Some(true)),
        ("InterPodAffinity", updated(Labels, 0, 3), Some(true)),
        ("InterPodAffinity", updated(Labels, 3, 0), Some(false)),
        ("InterPodAffinity", removed(0), None),
        ("PodTopologySpread", added(3, false), Some(false)),
        ("PodTopologySpread", added(0, false), Some(true)),
        ("PodTopologySpread", removed(0), Some(true)),
        ("PodTopologySpread", removed(3), Some(false)),
        ("PodTopologySpread", updated(Labels, 0, 2), Some(true)),
        ("PodTopologySpread", updated(Labels, 0, 3), Some(true)),
        ("PodTopologySpread", updated(Labels, 0, 4), Some(false)),
        ("PodTopologySpread", updated(Taints, 0, 1), Some(true)),
        ("Extender", updated(NodeChange::Other, 0, 0), Some(true)),
    ] {
        assert_eq!(hint(&bench, plugin, &event), expected, "{plugin}: {event:?}");
    }
}

#[test]
fn hints_about_pods() {
    let port = |port| vec![HostPort { ip: "0.0.0.0".into(), protocol: "TCP".into(), port }];
    let disk = |name: &str| vec![PodVolume::GcePersistentDisk { name: name.into(), read_only: false }];
    let mut near_db = term("app=db", "zone");
    // Hints do not know the labels of a namespace: `team` is never there.
    near_db.namespace_selector = Some(selector("!team"));
    let waiting = pod_with("app=web", |class| {
        class.requests.cpu = MilliCpu(100);
        class.spec.host_ports = port(80);
        class.spec.volumes = disk("d");
        class.spec.pod_affinity.required = vec![near_db];
        class.spec.pod_anti_affinity.required = vec![term("app=noisy", "zone")];
        class.spec.topology_spread = vec![hard(1, "zone", "app=web")];
    });
    let web = pod_with("app=web", |class| class.spec.host_ports = port(80));
    let db = pod_with("app=db", |class| {
        class.requests.cpu = MilliCpu(50);
        class.spec.host_ports = port(81);
        class.spec.volumes = disk("d");
    });
    let far_db = pod_with("app=db", |class| {
        class.spec.namespace = "far".into();
        class.spec.volumes = disk("d");
    });
    let noisy = pod("app=noisy");
    let hermit = pod_with("app=hermit", |class| class.spec.pod_anti_affinity.required = vec![term("app=web", "zone")]);
    let bench = Bench::new(&[waiting, web, db, far_db, noisy, hermit]);
    let [web, db, far_db, noisy, hermit] = [1, 2, 3, 4, 5].map(ClassId);
    let assigned = ClusterEvent::PodAssigned;
    let removed = |class| ClusterEvent::PodRemoved { class, up_to: None };
    let updated = |change, old, new| ClusterEvent::PodUpdated { change, old, new };
    use PodChange::{Labels, ScaleDown};
    for (plugin, event, expected) in [
        ("NodePorts", removed(web), Some(true)),
        ("NodePorts", removed(db), Some(false)),
        ("NodePorts", assigned(web), None),
        ("NodeResourcesFit", removed(noisy), Some(true)),
        ("NodeResourcesFit", updated(ScaleDown, db, noisy), Some(true)),
        ("NodeResourcesFit", updated(ScaleDown, noisy, web), Some(false)),
        ("VolumeRestrictions", removed(db), Some(true)),
        ("VolumeRestrictions", removed(far_db), Some(false)),
        ("VolumeRestrictions", removed(web), Some(false)),
        ("NodeVolumeLimits", removed(far_db), Some(true)),
        ("NodeVolumeLimits", removed(web), Some(false)),
        ("PodTopologySpread", assigned(web), Some(true)),
        ("PodTopologySpread", assigned(db), Some(false)),
        ("PodTopologySpread", removed(web), Some(true)),
        ("PodTopologySpread", updated(Labels, web, db), Some(true)),
        ("PodTopologySpread", updated(Labels, noisy, db), Some(false)),
        ("InterPodAffinity", assigned(db), Some(true)),
        ("InterPodAffinity", assigned(far_db), Some(true)),
        ("InterPodAffinity", assigned(web), Some(false)),
        ("InterPodAffinity", removed(noisy), Some(true)),
        ("InterPodAffinity", removed(hermit), Some(true)),
        ("InterPodAffinity", removed(db), Some(false)),
        ("InterPodAffinity", updated(Labels, web, db), Some(true)),
        ("InterPodAffinity", updated(Labels, noisy, web), Some(true)),
        ("InterPodAffinity", updated(Labels, web, noisy), Some(false)),
        ("DefaultPreemption", removed(web), Some(false)),
        ("NodeAffinity", removed(web), None),
        ("Extender", assigned(web), Some(true)),
    ] {
        assert_eq!(hint(&bench, plugin, &event), expected, "{plugin}: {event:?}");
    }
}

#[test]
fn hints_about_the_pod_itself() {
    let waiting = pod_with("app=web", |class| {
        let mut honest = hard(1, "zone", "app=web");
        honest.honors_node_taints = true;
        class.spec.topology_spread = vec![honest];
        class.tolerations = vec![tolerates("node.kubernetes.io/unschedulable")];
    });
    let other = pod_with("app=db", |class| class.tolerations = vec![tolerates("spot")]);
    let bench = Bench::new(&[waiting, other]);
    let became = |change, old, new| ClusterEvent::TargetPodUpdated { change, old: ClassId(old), new: ClassId(new) };
    use PodChange::{GatesEliminated, Labels, Other, ScaleDown, ScaleUp, Tolerations};
    for (plugin, event, expected) in [
        ("NodeUnschedulable", became(Tolerations, 1, 0), Some(true)),
        ("NodeUnschedulable", became(Tolerations, 0, 1), Some(false)),
        ("TaintToleration", became(Tolerations, 0, 1), Some(true)),
        ("PodTopologySpread", became(Tolerations, 1, 0), Some(true)),
        ("PodTopologySpread", became(Labels, 0, 0), Some(false)),
        ("InterPodAffinity", became(Labels, 1, 0), Some(true)),
        ("NodeResourcesFit", became(ScaleDown, 1, 0), Some(true)),
        ("NodeResourcesFit", became(ScaleUp, 1, 0), None),
        ("NodeDeclaredFeatures", became(Other, 1, 0), Some(false)),
        ("SchedulingGates", became(GatesEliminated, 1, 0), Some(true)),
        ("NodeAffinity", became(Labels, 1, 0), None),
    ] {
        assert_eq!(hint(&bench, plugin, &event), expected, "{plugin}: {event:?}");
    }
}

#[test]
fn added_affinity_is_minded() {
    let mut configuration = KubeSchedulerConfiguration::default();
    let added = crate::model::pod_spec::NodeAffinity { required: Some(vec![node_term("zone=2")]), preferred: vec![] };
    configuration.profiles[0].arguments.added_node_affinity = Some(added);
    let mut bench = Bench::configured(&[pod("app=web")], &configuration);
    bench.add(0, 0, ms(0));
    bench.fail(0, &["NodeAffinity"], ms(0));
    bench.happen(ClusterEvent::NodeAdded(bench.node(0)), ms(0));
    assert_eq!(bench.places(1), "u", "zone 1 is not allowed");
    bench.happen(ClusterEvent::NodeAdded(bench.node(1)), ms(0));
    assert_eq!(bench.places(1), "b");
}
