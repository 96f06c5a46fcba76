//! Next fit: stay with a node until a pod does not fit, then go on to the next that fits, going round.
//!
//! Decides: the first feasible node from the one that was taken last, that one included.
//! Parameters: none.
//! Source: next fit (Johnson 1973), going round instead of opening new bins without end.
//! Known deviations: none.
//! Example: node 2 was taken last, nodes 1 and 5 fit: node 5.

use super::cyclic::{Cyclic, Start};
use super::{Build, Scheduler, SchedulerRow};
use crate::policy::parameters;

pub(super) const ROW: SchedulerRow = SchedulerRow {
    name: "next-fit",
    summary: "the node taken last, or the next that fits, going round",
    source: "next fit (Johnson 1973)",
    parameters: &[],
    build: Build::Other(|parameters, _, _| {
        parameters::none(parameters)?;
        Ok(Box::new(Cyclic::new(Start::AtLast)) as Box<dyn Scheduler>)
    }),
};

#[cfg(test)]
mod tests {
    use crate::testkit::{cluster, nodes_chosen};

    #[test]
    fn the_current_node_is_kept_while_pods_fit() {
        let pods = cluster().node("n").cpu(4000).times(3).pod("3").cpu(3000).pod("2").cpu(2000);
        let fixture = pods.pod("1").cpu(1000).pod("4").cpu(4000);
        for (requests, nodes) in [
            // Left: 4 4 4, 1 4 4, 1 2 4, 1 0 4; the pod of 1 core goes on to node 2, though it would fit node 0.
            (&[0, 1, 1, 2][..], &[Some(0), Some(1), Some(1), Some(2)][..]),
            // From node 2 the search goes round: 1 core is left on node 0 only.
            (&[0, 3, 3, 2][..], &[Some(0), Some(1), Some(2), Some(0)][..]),
            // A pod that fits nowhere leaves the current node as it is: left are 1 2 4 when 4 + 4 cores come, the first
            // of which goes to node 2; then the search for 1 core goes round from there to node 0.
            (&[0, 1, 3, 3, 2][..], &[Some(0), Some(1), Some(2), None, Some(0)][..]),
        ] {
            assert_eq!(nodes_chosen(&fixture, "next-fit", requests), nodes, "{requests:?}");
        }
    }
}
