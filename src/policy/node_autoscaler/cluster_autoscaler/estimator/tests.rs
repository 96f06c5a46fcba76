//! Upstream's table (`estimator/binpacking_estimator_test.go`), and the walk with shortcuts against the plain one.

use std::collections::BTreeMap;

use super::*;
use crate::policy::node_autoscaler::cluster_autoscaler::limiter::Threshold;
use crate::policy::node_autoscaler::cluster_autoscaler::simple::{SimpleNode, SimplePod, SimpleSnapshot, Spread};
use crate::policy::node_autoscaler::cluster_autoscaler::snapshot::Fits;
use crate::rng::Stream;

const MIB: u64 = 1 << 20;

fn amount(cpu: u64, memory: u64) -> Amount {
    Amount { cpu: MilliCpu(cpu), memory: Bytes(memory) }
}

fn node(cpu: u64, memory_mib: u64, max_pods: usize, zone: &str) -> SimpleNode {
    let labels = BTreeMap::from([("topology.kubernetes.io/zone".to_owned(), zone.to_owned())]);
    SimpleNode { allocatable: amount(cpu, memory_mib * MIB), max_pods, labels, ..SimpleNode::default() }
}

fn size(node: &SimpleNode) -> TemplateSize {
    TemplateSize { allocatable: node.allocatable, capacity: node.allocatable }
}

/// A pod; upstream's tests give its memory in bytes, that of nodes in MiB.
fn pod(cpu: u64, memory: u64) -> SimplePod {
    SimplePod { request: amount(cpu, memory), ..SimplePod::default() }
}

/// Pods of each kind, so many, in groups.
fn groups(kinds: &[(SimplePod, usize)]) -> (Vec<SimplePod>, Vec<PodGroup>) {
    let (mut pods, mut groups) = (Vec::new(), Vec::new());
    for (kind, count) in kinds {
        let ids = (pods.len()..pods.len() + count).map(PodId::from_index).collect();
        pods.extend(std::iter::repeat_n(kind.clone(), *count));
        let facts = GroupFacts {
            request: kind.request,
            first_container: Some(kind.request),
            spreads: kind.spread.is_some(),
            spreads_over_hosts: kind.spread.as_ref().is_some_and(|spread| spread.key.ends_with("hostname")),
            ..GroupFacts::default()
        };
        groups.push(PodGroup { pods: ids, facts });
    }
    (pods, groups)
}

fn run(kinds: &[(SimplePod, usize)], template: &SimpleNode, max_nodes: i64, fast_path: bool) -> Estimate {
    let (pods, groups) = groups(kinds);
    let existing = vec![node(100, 100, 10, "zone-jupiter")];
    let mut snapshot = SimpleSnapshot::new(pods, existing, template.clone());
    let mut limiter = Limiter::new(vec![Threshold::Static { max_nodes, max_duration_ns: 0 }]);
    limiter.start(None, SimTime::ZERO);
    let packing = Packing { fast_path, now: SimTime::ZERO };
    estimate(&mut snapshot, &mut Rotation::default(), &mut limiter, &groups, &size(template), packing)
}

fn spread(key: &str, max_skew: i64, min_domains: usize) -> Option<Spread> {
    Some(Spread { key: key.to_owned(), max_skew, min_domains })
}

#[test]
fn the_estimators_table() {
    let host_port = SimplePod { host_ports: vec![5555], ..pod(200, 1000) };
    let by_host = SimplePod { spread: spread("kubernetes.io/hostname", 2, 1), ..pod(200, 200) };
    let by_zone = SimplePod { spread: spread("topology.kubernetes.io/zone", 2, 1), ..pod(20, 100) };
    let evenly = SimplePod { spread: spread("kubernetes.io/hostname", 1, 3), ..pod(20, 100) };
    // name, template's millicores and MiB, limit, kinds of pods, nodes, pods placed
    let table = [
        // 1000 / 350 = 2 pods a node: 10 / 2 nodes.
        ("resources", 1000, 2000, 0, vec![(pod(350, 1000), 10)], 5, 10),
        // 10 pods a node: 20 / 10.
        ("pods a node", 10_000, 20_000, 0, vec![(pod(10, 100), 20)], 2, 20),
        ("host port", 1000, 5000, 0, vec![(host_port, 8)], 8, 8),
        // 1000 / 500 = 2 a node, 5 nodes.
        ("limiter", 1000, 5000, 5, vec![(pod(500, 1000), 20)], 5, 10),
        // The pods of 500 come first and fill the CPU of all five nodes.
        ("decreasing", 1000, 5000, 5, vec![(pod(50, 1000), 10), (pod(500, 1000), 10)], 5, 10),
        // The old node takes none, so that each new one may have two.
        ("skew of two over hosts", 1000, 5000, 0, vec![(by_host, 8)], 4, 8),
        ("skew of two over zones", 1000, 5000, 0, vec![(by_zone, 8)], 1, 2),
    ];
    for (name, cpu, memory, limit, kinds, nodes, placed) in table {
        let template = node(cpu, memory, 10, "zone-mars");
        let found = run(&kinds, &template, limit, false);
        assert_eq!((found.node_count, found.pods.len()), (nodes, placed), "{name}");
        if kinds.len() == 1 {
            assert_eq!(run(&kinds, &template, limit, true), found, "{name}, fast path");
        }
    }
    // Three hosts at least, of which the old one is one: four pods each, the old one's 100 millicores take five. Upstream
    // counts the old one among the new.
    let found = run(&[(evenly, 12)], &node(1000, 5000, 10, "zone-mars"), 0, false);
    assert_eq!((found.node_count, found.pods.len()), (3, 12));
}

#[test]
fn decreasing_pods_come_first() {
    let (_, groups) = groups(&[(pod(1, 1), 1), (pod(2, 100), 1), (pod(2, 1), 1)]);
    // Of 4 millicores and 600 MiB: 1/4 + 1/600, 2/4 + 100/600, 2/4 + 1/600.
    assert_eq!(decreasing_order(&groups, &size(&node(4, 600, 10, "zone-sun"))), [1, 2, 0]);
}

#[test]
fn the_fast_paths_table() {
    let spreading = |cpu| SimplePod { spread: spread("kubernetes.io/hostname", 2, 1), ..pod(cpu, cpu) };
    // Pods p on n nodes save p - p / n questions; a node has 100 millicores and 100 MiB.
    let table = [
        // 5 - 5 / 2 = 3, 3 - 3 / 2 = 2
        (vec![(pod(30, 5), 5), (pod(50, 6), 3)], Some(0)),
        // 6 - 6 / 2 = 3, 5 - 5 / 5 = 4
        (vec![(pod(30, 5), 6), (pod(90, 90), 5)], Some(1)),
        // 10 - 10 / 2 = 5, 4
        (vec![(pod(15, 5), 10), (pod(90, 90), 5)], Some(0)),
        // 3 - 3 / 3 = 2, 3 - 3 / 3 = 2, 4 - 4 / 2 = 2: the last
        (vec![(pod(80, 80), 3), (pod(70, 70), 3), (pod(50, 5), 4)], Some(2)),
        (vec![(spreading(5), 10), (spreading(8), 3)], None),
        // 2 - 2 / 2 = 1, 100 - 100 / 1 = 0
        (vec![(pod(60, 60), 2), (pod(1, 5), 100)], Some(0)),
    ];
    for (kinds, expected) in table {
        let (_, groups) = groups(&kinds);
        let order: Vec<usize> = (0..groups.len()).collect();
        assert_eq!(fast_path_group(&groups, &order, &size(&node(100, 100, 10, "zone-jupiter"))), expected, "{kinds:?}");
    }
}

/// A snapshot that never says that a refusal lasts.
struct Forgetful(SimpleSnapshot);

impl Fits for Forgetful {
    fn node_count(&self) -> usize {
        self.0.node_count()
    }
    fn node_at(&self, position: usize) -> NodeKey {
        self.0.node_at(position)
    }
    fn place(&mut self, pod: PodId, node: NodeKey) -> Result<(), Refusal> {
        self.0.place(pod, node)
    }
}

impl Growing for Forgetful {
    fn add_node(&mut self) -> NodeKey {
        self.0.add_node()
    }
}

#[test]
fn shortcuts_change_nothing() {
    let mut stream = Stream::of_word(7);
    let mut grown = 0;
    for _ in 0..300 {
        let template = node(1000 + stream.below(3000), 4000, 3 + stream.below(30) as usize, "zone-mars");
        let kind = |stream: &mut Stream| {
            let host_ports = if stream.below(5) == 0 { vec![80] } else { Vec::new() };
            let pod = SimplePod { host_ports, ..pod(50 * stream.below(30), 50 * MIB * stream.below(40)) };
            (pod, 1 + stream.below(30) as usize)
        };
        let kinds: Vec<_> = (0..1 + stream.below(8)).map(|_| kind(&mut stream)).collect();
        let (pods, groups) = groups(&kinds);
        let existing = vec![template.clone(); stream.below(4) as usize];
        let snapshot = SimpleSnapshot::new(pods, existing, template.clone());
        let mut limiter = Limiter::new(vec![Threshold::Static { max_nodes: 12, max_duration_ns: 0 }]);
        let start = Rotation { last_index: stream.below(6) as usize };
        let (mut fast, mut slow) = (start, start);
        limiter.start(None, SimTime::ZERO);
        let asked = |rotation: &mut Rotation, plain: bool| {
            let mut limiter = limiter.clone();
            let (mut kept, mut plainly) = (snapshot.clone(), Forgetful(snapshot.clone()));
            let (size, packing) = (size(&template), Packing::default());
            match plain {
                true => estimate(&mut plainly, rotation, &mut limiter, &groups, &size, packing),
                false => estimate(&mut kept, rotation, &mut limiter, &groups, &size, packing),
            }
        };
        let found = asked(&mut fast, false);
        assert_eq!((&found, fast), (&asked(&mut slow, true), slow));
        grown += found.node_count;
    }
    assert!(grown > 1000, "{grown} nodes");
}

#[test]
fn twenty_thousand_equal_pods_take_one_question_each() {
    let kinds = [(pod(200, 200), 20_000)];
    let found = run(&kinds, &node(1000, 5000, 110, "zone-mars"), 0, false);
    // 1000 / 200 = 5 pods a node.
    assert_eq!((found.node_count, found.pods.len()), (4000, 20_000));
}
