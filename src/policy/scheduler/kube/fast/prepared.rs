//! The plug-ins that look at the node alone, prepared for one cycle.

use super::locality::{self, Locality};
use crate::policy::scheduler::kube::framework::{Filters, Framework, NodeScorer};
use crate::policy::scheduler::kube::{Cycle, NodeInfo, Rejection};

/// Their filters and scorers.
#[derive(Debug)]
pub(super) struct Prepared<'a> {
    pub(super) filters: Filters<'a>,
    /// With weights.
    scorers: Vec<(i64, Box<dyn NodeScorer<'a> + 'a>)>,
}

impl<'a> Prepared<'a> {
    /// The plug-ins of a profile for the pod of a cycle.
    pub(super) fn new(framework: &Framework, cycle: &Cycle<'a>) -> Prepared<'a> {
        let scorers = framework
            .scorers()
            .filter(|(name, ..)| locality::of_scorer(name) == Locality::Node)
            .filter_map(|(_, weight, plugin)| Some((weight, plugin.pre_score(cycle, &[])?)))
            .collect();
        Prepared { filters: filters(framework, cycle), scorers }
    }

    /// Whether a node passes, nominated pods minded.
    ///
    /// # Errors
    /// The rejection.
    pub(super) fn filter(&self, cycle: &Cycle<'a>, node: &NodeInfo<'a>) -> Result<(), Rejection> {
        self.filters.filter_with_nominated_pods(cycle, node)
    }

    /// The weighted sum of the scores.
    pub(super) fn score(&self, node: &NodeInfo<'a>) -> i64 {
        self.scorers.iter().map(|(weight, scorer)| weight * scorer.score(node)).sum()
    }
}

/// The filters alone.
pub(super) fn filters<'a>(framework: &Framework, cycle: &Cycle<'a>) -> Filters<'a> {
    let filters = framework
        .filters()
        .filter(|(name, _)| locality::of_filter(name) == Locality::Node)
        .filter_map(|(name, plugin)| Some((name.to_owned(), plugin.node_filter(cycle)?)))
        .collect();
    Filters { filters, nodes: None }
}
