//! `wavetank.dev/GpuDevices`: devices in shares, as openb's pods request them. Ours, not upstream's.
//!
//! Always there, after the plug-ins of the profile; it has nothing to say of pods that request no GPU in wavetank's own
//! notation. Extended resources such as `nvidia.com/gpu` are NodeResourcesFit's.

use crate::model::GpuRequest;
use crate::policy::scheduler::filter;
use crate::policy::scheduler::kube::framework::{FilterPlugin, NodeFilter, PreFilter};
use crate::policy::scheduler::kube::{Cycle, NodeInfo, Rejection};

pub(super) use crate::policy::scheduler::kube::GPU_DEVICES as NAME;

/// The plug-in.
#[derive(Debug)]
pub(super) struct GpuDevices;

/// The request of one pod.
#[derive(Clone, Copy, Debug)]
struct Filter<'a>(&'a GpuRequest);

impl FilterPlugin for GpuDevices {
    fn pre_filter<'a>(&self, cycle: &Cycle<'a>) -> PreFilter<'a> {
        match &cycle.pod_class().gpu {
            None => PreFilter::Skip,
            Some(request) => PreFilter::Run { filter: Box::new(Filter(request)), nodes: None },
        }
    }
}

impl<'a> NodeFilter<'a> for Filter<'a> {
    fn filter(&self, node: &NodeInfo<'a>) -> Result<(), Rejection> {
        if !node.shape().gpu.is_some_and(|devices| self.0.accepts(devices.model)) {
            return Err(Rejection::unresolvable(NAME, "node(s) had no GPU of an acceptable model"));
        }
        if !filter::gpus_fit(self.0, node.view.world.nodes.gpu_left(node.node)) {
            return Err(Rejection::unresolvable(NAME, "Insufficient GPU devices"));
        }
        Ok(())
    }

    fn fork(&self) -> Box<dyn NodeFilter<'a> + 'a> {
        Box::new(*self)
    }
}
