//! `NodeResourcesBalancedAllocation`: rather where the pod makes the use of resources more even.
//!
//! Evenness is 100 times one less the standard deviation of the shares in use, cut to a whole number; the score is 50
//! plus half of (50 plus the evenness with the pod less that without it). Requests count as written, and a pod that
//! requests none of the resources is not scored.
//!
//! Source: `pkg/scheduler/framework/plugins/noderesources/balanced_allocation.go`, v1.37.0; the order of the
//! floating-point operations is upstream's, so that the whole numbers are too.

use crate::policy::scheduler::kube::framework::{NodeScorer, ScorePlugin};
use crate::policy::scheduler::kube::{Cycle, MAX_NODE_SCORE, NodeInfo};

use super::accounts::{Account, Accounts, Counting};

/// Its name.
pub(super) const NAME: &str = "NodeResourcesBalancedAllocation";

/// The plug-in.
#[derive(Debug)]
pub(super) struct BalancedAllocation;

/// The accounts of one pod.
#[derive(Debug)]
struct Balance {
    accounts: Accounts,
}

impl ScorePlugin for BalancedAllocation {
    fn pre_score<'a>(&self, cycle: &Cycle<'a>, _feasible: &[NodeInfo<'a>]) -> Option<Box<dyn NodeScorer<'a> + 'a>> {
        let resources = &cycle.arguments.balanced_allocation_resources;
        let accounts = Accounts::new(cycle, resources, Counting::Requested);
        if accounts.requests_nothing() { None } else { Some(Box::new(Balance { accounts })) }
    }
}

impl<'a> NodeScorer<'a> for Balance {
    fn score(&self, node: &NodeInfo<'a>) -> i64 {
        let accounts = self.accounts.of(node);
        let with_pod = evenness(&accounts, |account| account.requested);
        let without_pod = evenness(&accounts, |account| account.allocated);
        MAX_NODE_SCORE / 2 + (MAX_NODE_SCORE / 2 + with_pod - without_pod) / 2
    }
}

/// From 50 for one resource in full use beside an unused one to 100 for equal shares.
fn evenness(accounts: &[Account], used: fn(&Account) -> i64) -> i64 {
    let share = |account: &Account| (used(account) as f64 / account.allocatable as f64).min(1.0);
    let shares: Vec<f64> = accounts.iter().map(share).collect();
    let deviation = match shares[..] {
        [] | [_] => 0.0,
        [one, other] => ((one - other) / 2.0).abs(),
        _ => {
            let mean = shares.iter().fold(0.0, |sum, share| sum + share) / shares.len() as f64;
            let squares = shares.iter().fold(0.0, |sum, share| sum + (share - mean) * (share - mean));
            (squares / shares.len() as f64).sqrt()
        }
    };
    ((1.0 - deviation) * MAX_NODE_SCORE as f64) as i64
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::kube_scheduler::PluginArguments;
    use crate::policy::scheduler::kube::plugins::testing::{scores, scores_with};
    use crate::testkit::{Fixture, cluster};

    /// A node of 4000 milli-cores, 1000 MiB and 4 devices, and the pod with these requests.
    fn fixture(cpu: u64, memory_mib: u64, devices: u64) -> Fixture {
        let node = cluster().node("n").cpu(4000).memory_mib(1000).fpga(4);
        node.pod("p").cpu(cpu).memory_mib(memory_mib).fpga(devices)
    }

    #[test]
    fn the_change_of_evenness_is_scored() {
        for (pod, placed, expected) in [
            // Empty before, equal shares after: 100 and 100. 50 + 50 / 2.
            (fixture(2000, 500, 0), vec![], 75),
            // 0.5 and 0.2 after: (1 - 0.15) * 100 = 85. 50 + (50 + 85 - 100) / 2 = 67.
            (fixture(2000, 200, 0), vec![], 67),
            // Before 1000 / 4000 and 800 / 1000: (1 - 0.275) * 100 = 72. After 3000 / 4000 and 800 / 1000: 97 (97.5).
            // 50 + (50 + 97 - 72) / 2 = 87.
            (fixture(2000, 0, 0), vec![(1, 0)], 87),
            // After 0.25 and 1.1, cut to 1: (1 - 0.375) * 100 = 62. 50 + (50 + 62 - 72) / 2 = 70.
            (fixture(0, 300, 0), vec![(1, 0)], 70),
        ] {
            let expected = Some((vec![expected], vec![expected]));
            assert_eq!(scores(NAME, &pod.pod("q").cpu(1000).memory_mib(800), &placed), expected);
        }
    }

    #[test]
    fn pods_without_requests_are_not_scored() {
        assert_eq!(scores(NAME, &fixture(0, 0, 0), &[]), None);
        // Devices are not among the resources by default.
        assert_eq!(scores(NAME, &fixture(0, 0, 1), &[]), None);
    }

    #[test]
    fn three_resources_take_the_standard_deviation() {
        let mut arguments = PluginArguments::default();
        arguments.balanced_allocation_resources.push(("example.com/fpga".to_owned(), 1));
        // Shares 0.5, 0.2, 0.75: mean 0.48333, squares 0.00028 + 0.08028 + 0.07111 = 0.15167, deviation
        // sqrt(0.15167 / 3) = 0.22485, evenness 77. 50 + (50 + 77 - 100) / 2 = 63.
        let score = |pod: &Fixture| scores_with(NAME, &pod.model(), &arguments, &[]).map(|(raw, _)| raw[0]);
        assert_eq!(score(&fixture(2000, 200, 3)), Some(63));
        // Without a request for devices they do not count: as with two.
        assert_eq!(score(&fixture(2000, 200, 0)), Some(67));
        // Only devices are requested: 0, 0, 0.5: mean 0.16667, deviation sqrt((0.02778 * 2 + 0.11111) / 3) = 0.2357,
        // evenness 76. 50 + (50 + 76 - 100) / 2 = 63.
        assert_eq!(score(&fixture(0, 0, 2)), Some(63));
    }
}
