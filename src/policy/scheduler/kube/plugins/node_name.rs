//! `NodeName`: a pod that names its node goes there.
//!
//! Such a pod is bound when it arrives and never comes to the scheduler, so there is nothing to filter.
//!
//! Source: `pkg/scheduler/framework/plugins/nodename/node_name.go`, v1.37.0.

use crate::policy::scheduler::kube::Cycle;
use crate::policy::scheduler::kube::framework::{FilterPlugin, PreFilter};

/// Its name.
pub(super) const NAME: &str = "NodeName";

/// The plug-in.
#[derive(Debug)]
pub(super) struct NodeName;

impl FilterPlugin for NodeName {
    fn pre_filter<'a>(&self, _cycle: &Cycle<'a>) -> PreFilter<'a> {
        PreFilter::Skip
    }
}
