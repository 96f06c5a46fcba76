//! `NodeResourcesFit`: a node must have what the pod requests, and scores by how full it would be.
//!
//! The filter names every resource that is short: `Too many pods` first, then cpu, memory, ephemeral storage and the
//! extended resources in the order of the cluster (upstream: in no order). What exceeds the whole node cannot be helped
//! by preemption. A pod that requests nothing needs its slot only.
//!
//! Scores count 100 milli-cores and 200 MiB for containers without requests; see [`ScoringStrategy`] and the functions
//! below for the three strategies. Nothing is normalised.
//!
//! Source: `pkg/scheduler/framework/plugins/noderesources/fit.go`, `least_allocated.go`, `most_allocated.go` and
//! `requested_to_capacity_ratio.go`, v1.37.0.

use std::borrow::Cow;

use crate::model::kube_scheduler::{NodeResourcesFitArguments, ScoringStrategy};
use crate::model::{Cluster, Resources};
use crate::policy::scheduler::kube::framework::{FilterPlugin, NodeFilter, NodeScorer, PreFilter, ScorePlugin};
use crate::policy::scheduler::kube::{Code, Cycle, MAX_NODE_SCORE, NodeInfo, Rejection};

use super::accounts::{Account, Accounts, Counting};

/// Its name.
pub(super) const NAME: &str = "NodeResourcesFit";

/// The highest score in a shape of `RequestedToCapacityRatio`.
const MAX_SHAPE_SCORE: i64 = 10;

/// The plug-in.
#[derive(Debug)]
pub(super) struct NodeResourcesFit;

/// What the pod requests.
#[derive(Clone, Debug)]
struct Request<'a> {
    cluster: &'a Cluster,
    requests: &'a Resources,
    /// Positions of the extended resources that are requested and not ignored.
    extended: Vec<usize>,
}

impl FilterPlugin for NodeResourcesFit {
    fn pre_filter<'a>(&self, cycle: &Cycle<'a>) -> PreFilter<'a> {
        let cluster = &cycle.view.model.cluster;
        let requests = &cycle.pod_class().requests;
        let arguments = &cycle.arguments.node_resources_fit;
        let counts = |&position: &usize| {
            requests.extended(position) > 0 && !is_ignored(&cluster.extended_resources[position], arguments)
        };
        let extended = (0..requests.extended.len()).filter(counts).collect();
        PreFilter::Run { filter: Box::new(Request { cluster, requests, extended }), nodes: None }
    }
}

impl<'a> NodeFilter<'a> for Request<'a> {
    fn filter(&self, node: &NodeInfo<'a>) -> Result<(), Rejection> {
        let (offered, taken, asked) = (&node.shape().allocatable, node.requested(), self.requests);
        let mut rejection = Rejection { plugin: NAME.into(), code: Code::Unschedulable, reasons: vec![] };
        if taken.pods + 1 > offered.pods {
            rejection.reasons.push("Too many pods".into());
        }
        let mut check = |reason: &dyn Fn() -> Cow<'static, str>, offered: u64, taken: u64, asked: u64| {
            if asked > 0 && taken + asked > offered {
                rejection.reasons.push(reason());
                if asked > offered {
                    rejection.code = Code::UnschedulableAndUnresolvable;
                }
            }
        };
        check(&|| "Insufficient cpu".into(), offered.cpu.0, taken.cpu.0, asked.cpu.0);
        check(&|| "Insufficient memory".into(), offered.memory.0, taken.memory.0, asked.memory.0);
        let storage = |resources: &Resources| resources.ephemeral_storage.0;
        check(&|| "Insufficient ephemeral-storage".into(), storage(offered), storage(&taken), storage(asked));
        for &position in &self.extended {
            let reason = || format!("Insufficient {}", self.cluster.extended_resources[position]).into();
            check(&reason, offered.extended(position), taken.extended(position), asked.extended(position));
        }
        if rejection.reasons.is_empty() { Ok(()) } else { Err(rejection) }
    }

    fn fork(&self) -> Box<dyn NodeFilter<'a> + 'a> {
        Box::new(self.clone())
    }
}

/// Whether the filter passes over an extended resource; those of Kubernetes itself, such as `hugepages-2Mi`, it never
/// passes over.
fn is_ignored(name: &str, arguments: &NodeResourcesFitArguments) -> bool {
    let Some((group, _)) = name.split_once('/') else { return false };
    let is_extended = !name.contains("kubernetes.io/") && !name.starts_with("requests.");
    let is_listed = |list: &[String], name: &str| list.iter().any(|other| other == name);
    is_extended
        && (is_listed(&arguments.ignored_resources, name) || is_listed(&arguments.ignored_resource_groups, group))
}

/// How full a node would be, and what that scores.
#[derive(Debug)]
struct Scorer<'a> {
    strategy: &'a ScoringStrategy,
    accounts: Accounts,
}

impl ScorePlugin for NodeResourcesFit {
    fn pre_score<'a>(&self, cycle: &Cycle<'a>, _feasible: &[NodeInfo<'a>]) -> Option<Box<dyn NodeScorer<'a> + 'a>> {
        let arguments = &cycle.arguments.node_resources_fit;
        let accounts = Accounts::new(cycle, &arguments.resources, Counting::NonZero);
        Some(Box::new(Scorer { strategy: &arguments.strategy, accounts }))
    }
}

impl<'a> NodeScorer<'a> for Scorer<'a> {
    fn score(&self, node: &NodeInfo<'a>) -> i64 {
        let accounts = self.accounts.of(node);
        match self.strategy {
            ScoringStrategy::LeastAllocated => weighted_mean(&accounts, least_allocated),
            ScoringStrategy::MostAllocated => weighted_mean(&accounts, most_allocated),
            ScoringStrategy::RequestedToCapacityRatio(shape) => requested_to_capacity_ratio(&accounts, shape),
        }
    }
}

/// The mean score, rounded down; 0 without any.
fn weighted_mean(accounts: &[Account], score: fn(&Account) -> i64) -> i64 {
    let weights: i64 = accounts.iter().map(|account| account.weight).sum();
    let sum: i64 = accounts.iter().map(|account| score(account) * account.weight).sum();
    if weights == 0 { 0 } else { sum / weights }
}

/// The share that is left, from 0 to 100.
fn least_allocated(account: &Account) -> i64 {
    let left = account.allocatable - account.requested;
    if left < 0 { 0 } else { left * MAX_NODE_SCORE / account.allocatable }
}

/// The share that is taken, from 0 to 100.
fn most_allocated(account: &Account) -> i64 {
    account.requested.min(account.allocatable) * MAX_NODE_SCORE / account.allocatable
}

/// The mean of what the shape gives for each share in percent that is taken, rounded to the nearest; resources that the
/// shape gives 0 are left out of account.
fn requested_to_capacity_ratio(accounts: &[Account], shape: &[(i64, i64)]) -> i64 {
    let (mut sum, mut weights) = (0, 0);
    for account in accounts {
        let used =
            if account.requested > account.allocatable { 100 } else { account.requested * 100 / account.allocatable };
        let score = on_shape(shape, used);
        if score > 0 {
            sum += score * account.weight;
            weights += account.weight;
        }
    }
    if weights == 0 { 0 } else { (sum as f64 / weights as f64).round() as i64 }
}

/// A function given by points (argument, value from 0 to 10), straight in between and level outside; its values are
/// stretched to 100, and what is between two of them is rounded towards the left one.
fn on_shape(shape: &[(i64, i64)], at: i64) -> i64 {
    let value = |point: usize| shape[point].1 * (MAX_NODE_SCORE / MAX_SHAPE_SCORE);
    match shape.iter().position(|&(argument, _)| at <= argument) {
        None => shape.len().checked_sub(1).map_or(0, value),
        Some(0) => value(0),
        Some(right) => {
            let (left, span) = (right - 1, shape[right].0 - shape[right - 1].0);
            value(left) + (value(right) - value(left)) * (at - shape[left].0) / span
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::kube_scheduler::PluginArguments;
    use crate::policy::scheduler::kube::plugins::testing::{OK, scores_with, verdicts, verdicts_with};
    use crate::testkit::{Fixture, cluster};
    use crate::units::MilliCpu;

    /// A node of 4000 milli-cores, 1000 MiB and 4 devices, and the pod with these requests.
    fn fixture(cpu: u64, memory_mib: u64, devices: u64) -> Fixture {
        let node = cluster().node("n").cpu(4000).memory_mib(1000).fpga(4);
        node.pod("p").cpu(cpu).memory_mib(memory_mib).fpga(devices)
    }

    #[test]
    fn what_is_short_is_named() {
        // Taken already: 3000 milli-cores, 500 MiB, 3 devices.
        let taken = |fixture: Fixture| fixture.pod("q").cpu(3000).memory_mib(500).fpga(3);
        for (pod, expected) in [
            (fixture(1000, 500, 1), OK),
            (fixture(1001, 500, 1), "Unschedulable: Insufficient cpu"),
            (fixture(1001, 501, 1), "Unschedulable: Insufficient cpu, Insufficient memory"),
            (fixture(0, 0, 2), "Unschedulable: Insufficient example.com/fpga"),
            (fixture(0, 0, 0), OK),
            // More than the whole node.
            (fixture(4001, 0, 0), "UnschedulableAndUnresolvable: Insufficient cpu"),
            (fixture(1001, 1001, 0), "UnschedulableAndUnresolvable: Insufficient cpu, Insufficient memory"),
            (fixture(0, 0, 5), "UnschedulableAndUnresolvable: Insufficient example.com/fpga"),
            (
                fixture(4000, 1000, 4),
                "Unschedulable: Insufficient cpu, Insufficient memory, Insufficient example.com/fpga",
            ),
            (fixture(0, 0, 0).storage_mib(100_001), "UnschedulableAndUnresolvable: Insufficient ephemeral-storage"),
        ] {
            assert_eq!(verdicts(NAME, &taken(pod), &[(1, 0)]), [expected]);
        }
    }

    #[test]
    fn slots_come_first() {
        let full = |cpu| cluster().node("n").slots(1).cpu(4000).pod("p").cpu(cpu);
        assert_eq!(verdicts(NAME, &full(0), &[]), [OK]);
        assert_eq!(verdicts(NAME, &full(0), &[(0, 0)]), ["Unschedulable: Too many pods"]);
        assert_eq!(verdicts(NAME, &full(3000), &[(0, 0)]), ["Unschedulable: Too many pods, Insufficient cpu"]);
    }

    #[test]
    fn extended_resources_can_be_ignored() {
        let short = "UnschedulableAndUnresolvable: Insufficient";
        for (resource, ignored, groups, expected) in [
            ("example.com/fpga", vec![], vec![], format!("{short} example.com/fpga")),
            ("example.com/fpga", vec!["example.com/fpga"], vec![], OK.to_owned()),
            ("example.com/fpga", vec![], vec!["example.com"], OK.to_owned()),
            ("example.com/fpga", vec!["example.com/gpu"], vec!["example.org"], format!("{short} example.com/fpga")),
            // What is Kubernetes' own cannot.
            ("hugepages-2Mi", vec!["hugepages-2Mi"], vec![], format!("{short} hugepages-2Mi")),
            ("kubernetes.io/x", vec!["kubernetes.io/x"], vec![], format!("{short} kubernetes.io/x")),
        ] {
            let mut model = fixture(0, 0, 5).model();
            model.cluster.extended_resources = vec![resource.to_owned()];
            let mut arguments = PluginArguments::default();
            arguments.node_resources_fit.ignored_resources = ignored.iter().map(|&name| name.into()).collect();
            arguments.node_resources_fit.ignored_resource_groups = groups.iter().map(|&name| name.into()).collect();
            assert_eq!(verdicts_with(NAME, &model, &arguments, &[]), [expected], "{resource} {ignored:?} {groups:?}");
        }
    }

    /// The score of the node of `fixture` after a pod of 1000 milli-cores, 200 MiB and 1 device was put there.
    fn score(pod: &Fixture, strategy: &ScoringStrategy, resources: &[(&str, i64)]) -> i64 {
        let mut arguments = PluginArguments::default();
        arguments.node_resources_fit.strategy = strategy.clone();
        arguments.node_resources_fit.resources =
            resources.iter().map(|&(name, weight)| (name.into(), weight)).collect();
        let model = pod.clone().pod("q").cpu(1000).memory_mib(200).fpga(1).model();
        let (raw, normalised) = scores_with(NAME, &model, &arguments, &[(1, 0)]).expect("it never skips");
        assert_eq!(raw, normalised, "scores are left as they are");
        raw[0]
    }

    #[test]
    fn the_strategies_score_what_is_left_and_what_is_taken() {
        use ScoringStrategy::{LeastAllocated, MostAllocated};
        let even = [("cpu", 1), ("memory", 1)];
        for (pod, resources, least, most) in [
            // cpu (4000 - 1000 - 1000) / 4000 = 50, memory (1000 - 200 - 300) / 1000 = 50.
            (fixture(1000, 300, 0), &even[..], 50, 50),
            // cpu 2500 of 4000 left = 62 (62.5), memory 500 of 1000 = 50: (62 + 50) / 2 = 56; taken 37 (37.5) and 50: 43.
            (fixture(500, 300, 0), &even, 56, 43),
            // A pod without requests counts as 100 and 200 MiB: left 2900 / 4000 = 72, 600 / 1000 = 60, mean 66; taken
            // 27, 40, mean 33.
            (fixture(0, 0, 0), &even, 66, 33),
            // Weights 3 and 1: (3 * 62 + 50) / 4 = 59, (3 * 37 + 50) / 4 = 40.
            (fixture(500, 300, 0), &[("cpu", 3), ("memory", 1)], 59, 40),
            // Devices count when the pod asks for them: (4 - 1 - 1) / 4 = 50: (62 + 50 + 50) / 3 = 54, (37 + 50 + 50) / 3 = 45.
            (fixture(500, 300, 1), &[("cpu", 1), ("memory", 1), ("example.com/fpga", 1)], 54, 45),
            (fixture(500, 300, 0), &[("cpu", 1), ("memory", 1), ("example.com/fpga", 1)], 56, 43),
            // Nobody offers it, so it does not count.
            (fixture(500, 300, 1), &[("cpu", 1), ("example.com/none", 9)], 62, 37),
            (fixture(500, 300, 1), &[("example.com/none", 9)], 0, 0),
            // Over the node: 0 left, all taken.
            (fixture(3001, 1000, 0), &even, 0, 100),
            // Ephemeral storage as requested: 25 000 of 100 000 MiB.
            (fixture(0, 0, 0).storage_mib(25_000), &[("ephemeral-storage", 1)], 75, 25),
        ] {
            assert_eq!(score(&pod, &LeastAllocated, resources), least, "{resources:?}, least");
            assert_eq!(score(&pod, &MostAllocated, resources), most, "{resources:?}, most");
        }
    }

    #[test]
    fn a_shape_scores_the_share_that_is_taken() {
        let score = |shape: &[(i64, i64)], pod: &Fixture, resources: &[(&str, i64)]| {
            score(pod, &ScoringStrategy::RequestedToCapacityRatio(shape.to_vec()), resources)
        };
        let (full_is_best, cpu) = ([(0, 0), (100, 10)], [("cpu", 1)]);
        // cpu (1000 + 1000) / 4000 = 50 %: 50.
        assert_eq!(score(&full_is_best, &fixture(1000, 0, 0), &cpu), 50);
        assert_eq!(score(&[(0, 10), (100, 0)], &fixture(1000, 0, 0), &cpu), 50);
        // Above the node counts as 100 %.
        assert_eq!(score(&full_is_best, &fixture(3500, 0, 0), &cpu), 100);
        // 1301 / 4000 = 32.5, rounded down to 32 %: 20 + (80 - 20) * (32 - 20) / (50 - 20) = 44.
        assert_eq!(score(&[(20, 2), (50, 8)], &fixture(301, 0, 0), &cpu), 44);
        // Below the first and above the last point.
        assert_eq!(score(&[(40, 3), (45, 8)], &fixture(100, 0, 0), &cpu), 30);
        assert_eq!(score(&[(10, 3), (20, 8)], &fixture(1000, 0, 0), &cpu), 80);
        // cpu 50 %, memory (200 + 550) / 1000 = 75 %: (50 + 75) / 2 = 62.5, rounded away from zero.
        assert_eq!(score(&full_is_best, &fixture(1000, 550, 0), &[("cpu", 1), ("memory", 1)]), 63);
        // Memory scores 0 at 40 % and is left out of account.
        let late = [(40, 0), (60, 10)];
        assert_eq!(score(&late, &fixture(1000, 200, 0), &[("cpu", 1), ("memory", 1)]), 50);
    }

    #[test]
    fn steps_down_are_rounded_towards_the_left_point() {
        // 100 - 30 * 1 / 7 = 95.7: the fall of 4.28 is cut to 4.
        assert_eq!(on_shape(&[(0, 10), (7, 7)], 1), 96);
        // 70 + 30 * 1 / 7 = 74.28.
        assert_eq!(on_shape(&[(0, 7), (7, 10)], 1), 74);
    }

    #[test]
    fn scores_use_what_containers_are_assumed_to_request() {
        // Two containers, one without requests: 500 + 100 milli-cores. Left (4000 - 600) / 4000 = 85.
        let pod = fixture(500, 0, 0).edit_pod(|pod| {
            pod.requests.cpu = MilliCpu(500);
            pod.spec.scoring_request = Some((600, 0));
        });
        let mut arguments = PluginArguments::default();
        arguments.node_resources_fit.resources = vec![("cpu".to_owned(), 1)];
        assert_eq!(scores_with(NAME, &pod.model(), &arguments, &[]), Some((vec![85], vec![85])));
    }
}
