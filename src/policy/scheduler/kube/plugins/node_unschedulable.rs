//! `NodeUnschedulable`: a cordoned node takes only pods that tolerate `node.kubernetes.io/unschedulable`.
//!
//! Source: `pkg/scheduler/framework/plugins/nodeunschedulable/node_unschedulable.go`, v1.37.0.

use crate::model::{PodClass, Taint, TaintEffect};
use crate::policy::scheduler::kube::framework::{FilterPlugin, NodeFilter, PreFilter};
use crate::policy::scheduler::kube::{Cycle, NodeInfo, Rejection};
use crate::world::constraints::tolerates;

/// Its name.
pub(super) const NAME: &str = "NodeUnschedulable";

const CORDONED: &str = "node(s) were unschedulable";
const TAINT_KEY: &str = "node.kubernetes.io/unschedulable";

/// The plug-in.
#[derive(Debug)]
pub(super) struct NodeUnschedulable;

/// What it knows of the pod.
#[derive(Clone, Copy, Debug)]
struct Filter {
    tolerates_cordon: bool,
}

impl FilterPlugin for NodeUnschedulable {
    fn pre_filter<'a>(&self, cycle: &Cycle<'a>) -> PreFilter<'a> {
        let tolerates_cordon = tolerates_cordon(cycle.pod_class());
        PreFilter::Run { filter: Box::new(Filter { tolerates_cordon }), nodes: None }
    }
}

/// Whether a pod goes to cordoned nodes.
pub(in super::super) fn tolerates_cordon(class: &PodClass) -> bool {
    let taint = Taint { key: TAINT_KEY.to_owned(), value: String::new(), effect: TaintEffect::NoSchedule };
    class.tolerations.iter().any(|toleration| tolerates(toleration, &taint))
}

impl<'a> NodeFilter<'a> for Filter {
    fn filter(&self, node: &NodeInfo<'a>) -> Result<(), Rejection> {
        if node.is_unschedulable() && !self.tolerates_cordon {
            return Err(Rejection::unresolvable(NAME, CORDONED));
        }
        Ok(())
    }

    fn fork(&self) -> Box<dyn NodeFilter<'a> + 'a> {
        Box::new(*self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::scheduler::kube::plugins::testing::{OK, verdicts};
    use crate::testkit::cluster;

    #[test]
    fn a_cordoned_node_takes_only_pods_that_tolerate_it() {
        let no = "UnschedulableAndUnresolvable: node(s) were unschedulable";
        let nodes = cluster().node("open").node("closed").cordoned();
        for (pod, expected) in [
            (nodes.clone().pod("p"), [OK, no]),
            (nodes.clone().pod("p").tolerates(TAINT_KEY), [OK, OK]),
            (nodes.clone().pod("p").tolerates("example.com/other"), [OK, no]),
        ] {
            assert_eq!(verdicts(NAME, &pod, &[]), expected);
        }
    }
}
