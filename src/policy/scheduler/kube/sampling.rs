//! How many nodes are looked at, and where the next search starts.
//!
//! In a large cluster a share of the nodes is enough to choose from. Each search starts after the nodes that the one
//! before looked at, so that every node gets its turn.
//!
//! Source: `numFeasibleNodesToFind` and `nextStartNodeIndex` of `pkg/scheduler/schedule_one.go`, v1.37.0.

use crate::model::KubeSchedulerConfiguration;
use crate::model::kube_scheduler::Extender;

/// Fewest feasible nodes that are looked for; smaller clusters are looked at in full.
const FEASIBLE_NODES_MIN: usize = 100;
/// Lowest adaptive share in percent.
const PERCENTAGE_MIN: usize = 5;

/// The state of sampling, which all profiles share.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Sampling {
    /// Position, in the order of nodes, at which the next search starts.
    pub next_start: usize,
    /// Share of nodes in percent, for profiles that say nothing; 0: adaptive.
    percentage: i32,
    /// Whether some extender filters or scores.
    has_extenders: bool,
}

impl Sampling {
    /// At the start of a run.
    pub fn new(configuration: &KubeSchedulerConfiguration) -> Sampling {
        let chooses = |extender: &Extender| !extender.filter_verb.is_empty() || !extender.prioritize_verb.is_empty();
        Sampling {
            next_start: 0,
            percentage: configuration.percentage_of_nodes_to_score,
            has_extenders: configuration.extenders.iter().any(chooses),
        }
    }

    /// After how many feasible nodes among `nodes` the search ends. `percentage` is what the profile says, and where
    /// nobody scores or filters further, one node is enough.
    pub fn wanted(&self, nodes: usize, percentage: Option<i32>, has_scorers: bool) -> usize {
        if !has_scorers && !self.has_extenders {
            return 1;
        }
        if nodes < FEASIBLE_NODES_MIN {
            return nodes;
        }
        let percentage = match usize::try_from(percentage.unwrap_or(self.percentage)).unwrap_or(0) {
            0 => 50usize.saturating_sub(nodes / 125).max(PERCENTAGE_MIN),
            percentage => percentage,
        };
        (nodes * percentage / 100).max(FEASIBLE_NODES_MIN)
    }

    /// Notes how many of `nodes` a search looked at.
    pub fn advance(&mut self, looked_at: usize, nodes: usize) {
        self.next_start = (self.next_start + looked_at) % nodes.max(1);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_share_of_the_nodes_is_enough() {
        for (nodes, global, profile, expected) in [
            (99, 30, None, 99),
            // 100 * 30 / 100 = 30, but at least 100.
            (100, 30, None, 100),
            (1000, 30, None, 300),
            (1000, 30, Some(70), 700),
            // Adaptive: 50 - 1000 / 125 = 42.
            (1000, 30, Some(0), 420),
            (1000, 0, None, 420),
            // 50 - 5000 / 125 = 10; 50 - 6000 / 125 = 2, but at least 5.
            (5000, 0, None, 500),
            (6000, 0, None, 300),
            (6000, 100, None, 6000),
        ] {
            let sampling = Sampling { percentage: global, ..Sampling::default() };
            assert_eq!(sampling.wanted(nodes, profile, true), expected, "{nodes} {global} {profile:?}");
        }
        let mut sampling = Sampling::default();
        assert_eq!(sampling.wanted(1000, None, false), 1, "nobody scores");
        sampling.has_extenders = true;
        assert_eq!(sampling.wanted(1000, None, false), 420, "an extender does");
    }

    #[test]
    fn searches_go_round() {
        let mut sampling = Sampling::default();
        for (looked_at, expected) in [(3, 3), (3, 1), (5, 1), (0, 1)] {
            sampling.advance(looked_at, 5);
            assert_eq!(sampling.next_start, expected);
        }
    }
}
