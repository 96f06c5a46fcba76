//! `NodeDeclaredFeatures`: a pod that needs a feature of the kubelet goes to a node that declares it.
//!
//! Which features a pod needs follows from its manifest alone and is worked out when it is read: see
//! [`PodSpec::required_features`](crate::model::PodSpec::required_features).
//!
//! Source: `pkg/scheduler/framework/plugins/nodedeclaredfeatures/nodedeclaredfeatures.go`, v1.37.0.

use crate::policy::scheduler::kube::framework::{FilterPlugin, NodeFilter, PreFilter};
use crate::policy::scheduler::kube::{Cycle, NodeInfo, Rejection};

/// Its name.
pub(super) const NAME: &str = "NodeDeclaredFeatures";

const LACKING: &str = "node(s) didn't match Pod's required features";

/// The plug-in.
#[derive(Debug)]
pub(super) struct NodeDeclaredFeatures;

/// What the pod needs.
#[derive(Clone, Copy, Debug)]
struct Required<'a> {
    features: &'a [String],
}

impl FilterPlugin for NodeDeclaredFeatures {
    fn pre_filter<'a>(&self, cycle: &Cycle<'a>) -> PreFilter<'a> {
        let features = &cycle.spec().required_features;
        if features.is_empty() {
            return PreFilter::Skip;
        }
        PreFilter::Run { filter: Box::new(Required { features }), nodes: None }
    }
}

impl<'a> NodeFilter<'a> for Required<'a> {
    fn filter(&self, node: &NodeInfo<'a>) -> Result<(), Rejection> {
        let declared = &node.shape().declared_features;
        if self.features.iter().all(|feature| declared.binary_search(feature).is_ok()) {
            return Ok(());
        }
        Err(Rejection::unresolvable(NAME, LACKING))
    }

    fn fork(&self) -> Box<dyn NodeFilter<'a> + 'a> {
        Box::new(*self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::scheduler::kube::plugins::testing::{OK, verdicts};
    use crate::testkit::{Fixture, cluster};

    fn with_features(fixture: Fixture, features: &[&str]) -> Fixture {
        fixture.node("n").edit_node(|shape| shape.declared_features = features.iter().map(|&f| f.into()).collect())
    }

    #[test]
    fn a_node_must_declare_all_that_the_pod_needs() {
        const NO: &str = "UnschedulableAndUnresolvable: node(s) didn't match Pod's required features";
        let nodes = [&[][..], &["A"], &["A", "B", "C"]].into_iter().fold(cluster(), with_features);
        for (needs, expected) in [
            (vec!["A"], vec![NO, OK, OK]),
            (vec!["A", "C"], vec![NO, NO, OK]),
            (vec!["D"], vec![NO; 3]),
            (vec![], vec![]),
        ] {
            let needed = needs.iter().map(|&feature| feature.into()).collect();
            let pod = nodes.clone().pod("p").edit_pod(|pod| pod.spec.required_features = needed);
            assert_eq!(verdicts(NAME, &pod, &[]), expected, "{needs:?}");
        }
    }
}
