//! Filters that mind the pods to whom a node has been promised (`RunFilterPluginsWithNominatedPods`).

use super::framework::Filters;
use super::{Cycle, NodeInfo, Rejection};
use crate::ids::PodId;

impl<'a> Filters<'a> {
    /// Takes into account that a pod is thought to be on a node.
    pub fn add_pod(&mut self, pod: PodId, node: &NodeInfo<'a>) {
        self.filters.iter_mut().for_each(|(_, filter)| filter.add_pod(pod, node));
    }

    /// Takes into account that a pod is thought away from a node.
    pub fn remove_pod(&mut self, pod: PodId, node: &NodeInfo<'a>) {
        self.filters.iter_mut().for_each(|(_, filter)| filter.remove_pod(pod, node));
    }

    /// Runs the filters with the nominated pods of the same or a higher priority added to the node, and if they pass
    /// and there are such pods, once more without them: the pod must not take room that was freed for those, and must
    /// not count on pods that are not there yet.
    ///
    /// # Errors
    /// The rejection.
    pub fn filter_with_nominated_pods(&self, cycle: &Cycle<'a>, node: &NodeInfo<'a>) -> Result<(), Rejection> {
        let view = &cycle.view;
        let goes_first =
            |pod: PodId| Some(pod) != cycle.pod && view.class_of(pod).priority >= cycle.pod_class().priority;
        let here = view.world.nominated.iter().filter(|(_, nominated)| **nominated == node.node);
        let mut pods = here.map(|(pod, _)| *pod).filter(|pod| goes_first(*pod)).peekable();
        if pods.peek().is_some() {
            let (mut filters, mut crowded) = (self.fork(), node.clone());
            for pod in pods {
                crowded.add_pod(pod);
                filters.add_pod(pod, &crowded);
            }
            filters.filter(&crowded)?;
        }
        self.filter(node)
    }
}
