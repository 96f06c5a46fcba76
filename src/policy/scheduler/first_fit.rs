//! First fit: the first node that fits, in order of node rank.
//!
//! Decides: the feasible node with the lowest id.
//! Parameters: none.
//! Source: first fit (Johnson 1973).
//! Known deviations: none.
//! Example: nodes 2 and 5 fit: node 2.

use super::cyclic::{Cyclic, Start};
use super::{Build, Scheduler, SchedulerRow};
use crate::policy::parameters;

pub(super) const ROW: SchedulerRow = SchedulerRow {
    name: "first-fit",
    summary: "the first node that fits",
    source: "first fit (Johnson 1973)",
    parameters: &[],
    build: Build::Other(|parameters, _, _| {
        parameters::none(parameters)?;
        Ok(Box::new(Cyclic::new(Start::AlwaysFirst)) as Box<dyn Scheduler>)
    }),
};

#[cfg(test)]
mod tests {
    use crate::testkit::{cluster, nodes_chosen};

    #[test]
    fn the_lowest_node_that_fits_is_taken() {
        let fixture = cluster().node("n").cpu(4000).times(2).pod("3").cpu(3000).pod("2").cpu(2000).pod("1").cpu(1000);
        // Left after each pod: 1 4, 1 2, 0 2, 0 0; then nothing fits.
        assert_eq!(nodes_chosen(&fixture, "first-fit", &[0, 1, 2, 1, 2]), [Some(0), Some(1), Some(0), Some(1), None]);
    }
}
