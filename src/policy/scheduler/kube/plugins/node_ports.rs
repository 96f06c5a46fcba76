//! `NodePorts`: a port of the node can be taken once.
//!
//! Two ports conflict when protocol and number agree and the addresses do, or one of them is `0.0.0.0`, all addresses.
//!
//! Source: `pkg/scheduler/framework/plugins/nodeports/node_ports.go` and `HostPortInfo` of
//! `k8s.io/kube-scheduler/framework/types.go`, v1.37.0. Upstream keeps a set of ports per node, so when two pods that
//! were bound past the scheduler share a port, the first that leaves frees it; here it stays taken until both have left.

use crate::model::pod_spec::HostPort;
use crate::policy::scheduler::kube::framework::{FilterPlugin, NodeFilter, PreFilter};
use crate::policy::scheduler::kube::{Cycle, NodeInfo, Rejection};

/// Its name.
pub(super) const NAME: &str = "NodePorts";

const TAKEN: &str = "node(s) didn't have free ports for the requested pod ports";
const ALL_ADDRESSES: &str = "0.0.0.0";

/// The plug-in.
#[derive(Debug)]
pub(super) struct NodePorts;

/// The ports that the pod wants.
#[derive(Clone, Copy, Debug)]
struct Wanted<'a> {
    ports: &'a [HostPort],
}

impl FilterPlugin for NodePorts {
    fn pre_filter<'a>(&self, cycle: &Cycle<'a>) -> PreFilter<'a> {
        let ports = &cycle.spec().host_ports;
        if ports.is_empty() {
            return PreFilter::Skip;
        }
        PreFilter::Run { filter: Box::new(Wanted { ports }), nodes: None }
    }
}

impl<'a> NodeFilter<'a> for Wanted<'a> {
    fn filter(&self, node: &NodeInfo<'a>) -> Result<(), Rejection> {
        let mut taken = node.pods().flat_map(|pod| &node.view.class_of(pod).spec.host_ports);
        if taken.any(|taken| self.ports.iter().any(|wanted| conflict(wanted, taken))) {
            return Err(Rejection::unschedulable(NAME, TAKEN));
        }
        Ok(())
    }

    fn fork(&self) -> Box<dyn NodeFilter<'a> + 'a> {
        Box::new(*self)
    }
}

/// Whether two pods cannot both have their port.
pub(in crate::policy) fn conflict(one: &HostPort, other: &HostPort) -> bool {
    let share_address = one.ip == other.ip || one.ip == ALL_ADDRESSES || other.ip == ALL_ADDRESSES;
    share_address && one.protocol == other.protocol && one.port == other.port
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::scheduler::kube::plugins::testing::{OK, verdicts};
    use crate::testkit::{Fixture, cluster};

    fn pod_with(fixture: Fixture, ports: &[(&str, &str, i32)]) -> Fixture {
        let port =
            |&(ip, protocol, port): &(&str, &str, i32)| HostPort { ip: ip.into(), protocol: protocol.into(), port };
        fixture.pod("p").edit_pod(|pod| pod.spec.host_ports = ports.iter().map(port).collect())
    }

    #[test]
    fn a_port_can_be_taken_once_per_protocol_and_address() {
        const NO: &str = "Unschedulable: node(s) didn't have free ports for the requested pod ports";
        let all = ALL_ADDRESSES;
        for (wanted, taken, expected) in [
            (vec![(all, "TCP", 80)], vec![(all, "TCP", 80)], NO),
            (vec![(all, "TCP", 80)], vec![(all, "TCP", 81)], OK),
            (vec![(all, "TCP", 80)], vec![(all, "UDP", 80)], OK),
            // One address each: the same, others, and all of them on either side.
            (vec![("10.0.0.1", "TCP", 80)], vec![("10.0.0.1", "TCP", 80)], NO),
            (vec![("10.0.0.1", "TCP", 80)], vec![("10.0.0.2", "TCP", 80)], OK),
            (vec![(all, "TCP", 80)], vec![("10.0.0.2", "TCP", 80)], NO),
            (vec![("10.0.0.1", "TCP", 80)], vec![(all, "TCP", 80)], NO),
            // One of several is enough.
            (vec![(all, "TCP", 1), (all, "UDP", 2)], vec![(all, "UDP", 3), (all, "UDP", 2)], NO),
            (vec![(all, "TCP", 1)], vec![], OK),
        ] {
            let fixture = pod_with(pod_with(cluster().node("n"), &wanted), &taken);
            assert_eq!(verdicts(NAME, &fixture, &[(1, 0)]), [expected], "{wanted:?} beside {taken:?}");
        }
    }

    #[test]
    fn pods_without_ports_are_not_filtered() {
        let fixture = pod_with(pod_with(cluster().node("n"), &[]), &[(ALL_ADDRESSES, "TCP", 80)]);
        assert!(verdicts(NAME, &fixture, &[(1, 0)]).is_empty());
    }
}
