//! `PodTopologySpread`: pods of one kind spread over zones, hosts or any other domains.
//!
//! A constraint counts the pods that its selector finds in each domain. A hard one keeps the pod from domains that would
//! be more than `maxSkew` above the emptiest one; a soft one scores nodes by the sum of
//! `pods x ln(domains + 2) + maxSkew - 1`, the smaller the better. Pods without constraints of their own get the
//! profile's, with a selector that follows from their services and their controller.
//!
//! Cost: O(nodes x constraints + pods) to prepare a pod, O(constraints x log domains) a node.
//!
//! Source: `pkg/scheduler/framework/plugins/podtopologyspread` and `plugins/helper/spread.go`, v1.37.0.

mod constraint;
mod filter;
mod score;
#[cfg(test)]
mod tests;

pub(in super::super) use constraint::{Constraint, has_all_keys};
pub(in super::super) use score::{needs_all_keys, normalise};

use super::super::framework::{FilterPlugin, NodeFilter, NodeScorer, PreFilter, ScorePlugin};
use super::super::{Cycle, NodeInfo};

/// Its name.
pub(in super::super) const NAME: &str = "PodTopologySpread";

/// The plug-in.
#[derive(Debug)]
pub(super) struct PodTopologySpread;

impl FilterPlugin for PodTopologySpread {
    fn pre_filter<'a>(&self, cycle: &Cycle<'a>) -> PreFilter<'a> {
        match filter::SpreadFilter::new(cycle) {
            Some(filter) => PreFilter::Run { filter: Box::new(filter) as Box<dyn NodeFilter<'a> + 'a>, nodes: None },
            None => PreFilter::Skip,
        }
    }
}

impl ScorePlugin for PodTopologySpread {
    fn pre_score<'a>(&self, cycle: &Cycle<'a>, feasible: &[NodeInfo<'a>]) -> Option<Box<dyn NodeScorer<'a> + 'a>> {
        let scorer = score::SpreadScorer::new(cycle, feasible)?;
        Some(Box::new(scorer))
    }
}
