//! Upstream's cases: `waste_test.go`, `price_test.go`, `mostpods_test.go`, `leastnodes_test.go`, `priority_test.go`,
//! `chain_test.go`.

use std::collections::BTreeMap;

use super::*;
use crate::units::{Bytes, MilliCpu};

fn amount(cpu: u64, memory: u64) -> Amount {
    Amount { cpu: MilliCpu(cpu), memory: Bytes(memory) }
}

fn option(group: usize, node_count: usize, pods: &[u32]) -> ExpansionOption {
    let pods = pods.iter().map(|pod| PodId(*pod)).collect();
    ExpansionOption { group, node_count, pods, ..ExpansionOption::default() }
}

fn around<'a>(capacity: &'a [Option<Amount>], names: &'a [String]) -> Surroundings<'a> {
    Surroundings { capacity, names, pricing: None, cluster_nodes: 0 }
}

fn best(expander: &Expander, options: &[ExpansionOption], around: &Surroundings<'_>) -> Vec<usize> {
    expander.best(options, around, &mut Stream::of_word(1))
}

#[test]
fn least_waste() {
    let (cpu, memory) = (500, 1000 << 20);
    let capacity = [
        Some(amount(16 * cpu, 16 * memory)),
        Some(amount(16 * cpu, 32 * memory)),
        Some(amount(8 * cpu, 16 * memory)),
        None,
    ];
    let options: Vec<ExpansionOption> =
        (0..4).map(|group| ExpansionOption { requested: amount(cpu, memory), ..option(group, 1, &[0]) }).collect();
    let around = around(&capacity, &[]);
    assert_eq!(best(&Expander::LeastWaste, &options[..1], &around), [0]);
    // 15/16 + 15/16 against 15/16 + 31/32
    assert_eq!(best(&Expander::LeastWaste, &options[..2], &around), [0]);
    // 7/8 + 15/16 is less than both
    assert_eq!(best(&Expander::LeastWaste, &options[..3], &around), [2]);
    // A group without a template is left out.
    assert_eq!(best(&Expander::LeastWaste, &options[3..], &around), [0_usize; 0]);
    let equal = [options[0].clone(), options[1].clone(), options[0].clone()];
    assert_eq!(best(&Expander::LeastWaste, &equal, &around), [0, 2]);
}

#[test]
fn most_pods_and_least_nodes() {
    let options = [option(0, 2, &[0]), option(1, 3, &[0, 1, 2]), option(2, 2, &[0, 1, 2]), option(3, 0, &[])];
    let around = around(&[], &[]);
    assert_eq!(best(&Expander::MostPods, &options, &around), [1, 2]);
    // An option without nodes does not count.
    assert_eq!(best(&Expander::LeastNodes, &options, &around), [0, 2]);
    assert_eq!(best(&Expander::MostPods, &options[3..], &around), [0]);
    assert_eq!(best(&Expander::LeastNodes, &options[3..], &around), [0_usize; 0]);
}

struct Prices {
    nodes: Vec<f64>,
    pods: Vec<f64>,
    missing_group: Option<usize>,
}

impl Pricing for Prices {
    fn node(&self, group: usize) -> Option<f64> {
        self.nodes.get(group).copied()
    }
    fn pod(&self, pod: PodId) -> Option<f64> {
        self.pods.get(pod.index()).copied()
    }
    fn stabilization_pod(&self) -> f64 {
        10.0
    }
    fn exists(&self, group: usize) -> bool {
        self.missing_group != Some(group)
    }
}

#[test]
fn price() {
    // Nodes of 1, 4 and 4 cores; the third group would have to be made. Pods cost 20 and 10.
    let capacity = [amount(1000, 1000), amount(4000, 1000), amount(4000, 1000)].map(Some);
    let both = [option(0, 2, &[0, 1]), option(1, 1, &[0, 1])];
    let many = [option(0, 80, &[0, 1]), option(1, 40, &[0, 1])];
    let unlike = [option(0, 2, &[0]), option(1, 1, &[0, 1])];
    let three = [option(0, 2, &[0]), option(1, 1, &[0, 1]), option(2, 1, &[0, 1])];
    // prices of the nodes, nodes in the cluster (which gives the preferred size), options, best
    let table = [
        // 2 cores preferred, both off by two: (40 + 10) / 40 against (200 + 10) / 40.
        (vec![20.0, 200.0], 4, &both[..], vec![0]),
        // 4 cores preferred: the first is off by four, which two nodes hardly damp; 110 / 40 x 3.8 against 210 / 40.
        (vec![50.0, 200.0], 20, &both[..], vec![1]),
        // Eighty nodes damp the unfitness away.
        (vec![20.0, 200.0], 20, &many[..], vec![0]),
        (vec![200.0, 100.0], 4, &both[..], vec![1]),
        // The second places two pods for half the nodes.
        (vec![200.0, 200.0], 4, &unlike[..], vec![1]),
        (vec![], 4, &unlike[..], vec![]),
        // The third would do as well, but has to be made.
        (vec![200.0, 200.0, 200.0], 4, &three[..], vec![1]),
        // (90 + 10) x 2 is less than 210.
        (vec![200.0, 200.0, 90.0], 4, &three[..], vec![2]),
    ];
    for (nodes, cluster_nodes, options, expected) in table {
        let prices = Prices { nodes, pods: vec![20.0, 10.0], missing_group: Some(2) };
        let around = Surroundings { capacity: &capacity, names: &[], pricing: Some(&prices), cluster_nodes };
        assert_eq!(best(&Expander::Price, options, &around), expected, "{:?}", prices.nodes);
    }
}

fn priorities(tiers: &[(i64, &[&str])]) -> Priorities {
    let patterns: BTreeMap<i64, Vec<String>> = tiers
        .iter()
        .map(|(tier, patterns)| (*tier, patterns.iter().map(|text| (*text).to_owned()).collect()))
        .collect();
    Priorities::new(&patterns).expect("patterns")
}

#[test]
fn priority() {
    let names = ["my-asg.t2.large", "my-asg.t2.micro", "my-asg.m4.large", "other"].map(str::to_owned);
    let options: Vec<ExpansionOption> = (0..4).map(|group| option(group, 1, &[0])).collect();
    // patterns by priority, best of all four
    let table = [
        (priorities(&[(5, &[r".*t2\.micro.*"]), (10, &[r".*t2\.large.*"]), (50, &[r".*m4\.large.*"])]), vec![2]),
        (priorities(&[(5, &[r".*t2\.micro.*"]), (10, &[r".*t2\.large.*"])]), vec![0]),
        // A name that two priorities find has the higher one.
        (priorities(&[(5, &["t2", "m4"]), (10, &["large"])]), vec![0, 2]),
        // Nothing found: nothing is left out.
        (priorities(&[(5, &["nothing"])]), vec![0, 1, 2, 3]),
        // Below -1 a priority never wins.
        (priorities(&[(-2, &["other"])]), vec![0, 1, 2, 3]),
        (priorities(&[(-1, &["other"])]), vec![3]),
    ];
    for (priorities, expected) in table {
        let expander = Expander::Priority(priorities);
        assert_eq!(best(&expander, &options, &around(&[], &names)), expected, "{expander:?}");
    }
    let broken = BTreeMap::from([(1, vec!["(".to_owned(), "fine".to_owned()]), (2, vec!["[".to_owned()])]);
    let problems = Priorities::new(&broken).expect_err("two patterns are none");
    assert_eq!(problems.iter().map(|(priority, _)| *priority).collect::<Vec<_>>(), [1, 2]);
}

#[test]
fn chains() {
    let options = [option(0, 2, &[0]), option(1, 3, &[0, 1]), option(2, 2, &[0, 1]), option(3, 3, &[0, 1])];
    let around = around(&[], &[]);
    let chain = |expanders| Chain::new(expanders).expect("a chain");
    let two = chain(vec![Expander::MostPods, Expander::LeastNodes]);
    assert_eq!(two.best(&options, &around, &mut Stream::of_word(1)), Some(2));
    assert_eq!(two.best(&[], &around, &mut Stream::of_word(1)), None);
    // Three are left, and all are drawn at times.
    let one = chain(vec![Expander::MostPods]);
    let mut stream = Stream::of_word(3);
    let drawn: std::collections::BTreeSet<_> =
        (0..100).filter_map(|_| one.best(&options, &around, &mut stream)).collect();
    assert_eq!(drawn.into_iter().collect::<Vec<_>>(), [1, 2, 3]);
    let problems = Chain::new(vec![Expander::MostPods, Expander::Random, Expander::MostPods, Expander::LeastWaste]);
    let expected = vec![ChainError::Repeated("most-pods"), ChainError::AfterRandom("least-waste")];
    assert_eq!(problems.expect_err("two problems"), expected);
}
