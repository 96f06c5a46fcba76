//! `DynamicResources`: devices that pods claim.
//!
//! Deviation: claims are not modelled. A pod without claims passes, as upstream has it; a pod with claims is refused
//! with a message that names the plug-in.
//!
//! Source: `pkg/scheduler/framework/plugins/dynamicresources/dynamicresources.go`, v1.37.0 (`PreFilter`, `Score`).

use crate::policy::scheduler::kube::framework::{FilterPlugin, NodeScorer, PreFilter, ScorePlugin};
use crate::policy::scheduler::kube::{Cycle, NodeInfo, Rejection};

/// Its name.
pub(super) const NAME: &str = "DynamicResources";

/// The plug-in.
#[derive(Debug)]
pub(super) struct DynamicResources;

impl FilterPlugin for DynamicResources {
    fn pre_filter<'a>(&self, cycle: &Cycle<'a>) -> PreFilter<'a> {
        if cycle.spec().resource_claims.is_empty() {
            return PreFilter::Skip;
        }
        PreFilter::Reject(Rejection::unresolvable(NAME, "DynamicResources does not model resource claims"))
    }
}

impl ScorePlugin for DynamicResources {
    fn pre_score<'a>(&self, _cycle: &Cycle<'a>, _feasible: &[NodeInfo<'a>]) -> Option<Box<dyn NodeScorer<'a> + 'a>> {
        None
    }
}
