//! Round robin: nodes take turns.
//!
//! Decides: the first feasible node after the one that was taken last, going round.
//! Parameters: none.
//! Source: round robin.
//! Known deviations: none.
//! Example: node 2 was taken last, nodes 1, 2 and 5 fit: node 5, then node 1.

use super::cyclic::{Cyclic, Start};
use super::{Build, Scheduler, SchedulerRow};
use crate::policy::parameters;

pub(super) const ROW: SchedulerRow = SchedulerRow {
    name: "round-robin",
    summary: "the next node that fits after the one taken last, going round",
    source: "round robin",
    parameters: &[],
    build: Build::Other(|parameters, _, _| {
        parameters::none(parameters)?;
        Ok(Box::new(Cyclic::new(Start::AfterLast)) as Box<dyn Scheduler>)
    }),
};

#[cfg(test)]
mod tests {
    use crate::testkit::{cluster, nodes_chosen};

    #[test]
    fn nodes_take_turns() {
        let fixture = cluster().node("n").cpu(4000).times(3).pod("1").cpu(1000).pod("4").cpu(4000);
        for (requests, nodes) in [
            (&[0, 0, 0, 0][..], &[Some(0), Some(1), Some(2), Some(0)][..]),
            // Node 0 has 3 cores left after the first pod, so 4 cores go to nodes 1 and 2, and then nowhere; the turn
            // stays with node 0.
            (&[0, 1, 1, 1, 0][..], &[Some(0), Some(1), Some(2), None, Some(0)][..]),
            // Full nodes are passed over.
            (&[0, 1, 0, 0, 0][..], &[Some(0), Some(1), Some(2), Some(0), Some(2)][..]),
        ] {
            assert_eq!(nodes_chosen(&fixture, "round-robin", requests), nodes, "{requests:?}");
        }
    }
}
