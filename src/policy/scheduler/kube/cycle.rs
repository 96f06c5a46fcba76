//! One scheduling cycle: who is to be placed, and what can be seen.

use crate::ids::{ClassId, NodeId, PodId};
use crate::model::kube_scheduler::PluginArguments;
use crate::model::{PodClass, PodSpec};
use crate::world::View;

/// What every plug-in is given.
#[derive(Clone, Copy, Debug)]
pub struct Cycle<'a> {
    /// The model and the world.
    pub view: View<'a>,
    /// The pod to be placed, where there is a certain one.
    pub pod: Option<PodId>,
    /// Its class.
    pub class: ClassId,
    /// The nodes that are up, in the order in which they are looked at.
    pub nodes: &'a [NodeId],
    /// The arguments of the profile's plug-ins.
    pub arguments: &'a PluginArguments,
}

impl<'a> Cycle<'a> {
    /// The pod's class.
    pub fn pod_class(&self) -> &'a PodClass {
        self.view.class(self.class)
    }

    /// What only kube-scheduler reads of the pod.
    pub fn spec(&self) -> &'a PodSpec {
        &self.pod_class().spec
    }
}
