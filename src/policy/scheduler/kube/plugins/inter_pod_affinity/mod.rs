//! `InterPodAffinity`: pods near the pods they want, and away from those they, or these, do not want.
//!
//! Required terms: each must find a pod in the node's domain, and the same pod must meet all of them; the first pod of a
//! group that wants its own kind is let in. A required anti-affinity keeps apart whichever of the two pods came first.
//! Preferred terms of the pod and of the pods that are there add and subtract their weights; the sums are stretched to
//! 0 to 100.
//!
//! The alpha feature `InterPodAffinityHostnameFastPath` is off, as by default; it changes no decision.
//!
//! Cost: O(pods x terms) to prepare a pod, O(topology keys x log domains) a node.
//!
//! Source: `pkg/scheduler/framework/plugins/interpodaffinity`, v1.37.0.

mod filter;
mod score;
mod term;
#[cfg(test)]
mod tests;

use super::super::framework::{FilterPlugin, NodeFilter, NodeScorer, PreFilter, ScorePlugin};
use super::super::{Cycle, NodeInfo};

pub(in super::super) use filter::AffinityRefusal;
pub(in super::super) use score::normalise;

use crate::model::PodSpec;
use crate::model::pod_spec::PodAffinityTerm;
use crate::world::View;

/// Whether a term of a pod finds another pod.
pub(in crate::policy) fn finds(view: &View<'_>, term: &PodAffinityTerm, of: &PodSpec, other: &PodSpec) -> bool {
    term::finds(view, term, of, other)
}

/// Its name.
pub(in super::super) const NAME: &str = "InterPodAffinity";

/// The plug-in.
#[derive(Debug)]
pub(super) struct InterPodAffinity;

impl FilterPlugin for InterPodAffinity {
    fn pre_filter<'a>(&self, cycle: &Cycle<'a>) -> PreFilter<'a> {
        match filter::AffinityFilter::new(cycle) {
            Some(filter) => PreFilter::Run { filter: Box::new(filter) as Box<dyn NodeFilter<'a> + 'a>, nodes: None },
            None => PreFilter::Skip,
        }
    }
}

impl ScorePlugin for InterPodAffinity {
    fn pre_score<'a>(&self, cycle: &Cycle<'a>, _feasible: &[NodeInfo<'a>]) -> Option<Box<dyn NodeScorer<'a> + 'a>> {
        let scorer = score::AffinityScorer::new(cycle)?;
        Some(Box::new(scorer))
    }
}
