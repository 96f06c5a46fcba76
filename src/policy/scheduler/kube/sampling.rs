//! How many feasible nodes are enough.
//!
//! Source: `pkg/scheduler/schedule_one.go`, v1.37.0.

/// With fewer nodes all are looked at.
const FEASIBLE_NODES_MIN: usize = 100;
/// The adaptive percentage never falls below this one.
const PERCENTAGE_MIN: i64 = 5;

/// How many feasible nodes are enough among `nodes` (`numFeasibleNodesToFind`). A percentage of 0 is adaptive: 50 less
/// one for every 125 nodes, but at least 5.
pub fn nodes_to_find(percentage: i32, nodes: usize) -> usize {
    if nodes < FEASIBLE_NODES_MIN {
        return nodes;
    }
    let percentage = match i64::from(percentage) {
        0 => (50 - nodes as i64 / 125).max(PERCENTAGE_MIN),
        percentage => percentage,
    };
    (nodes * percentage as usize / 100).max(FEASIBLE_NODES_MIN)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn enough_nodes_are_a_share_that_falls_with_the_cluster() {
        for (percentage, nodes, expected) in [
            (0, 50, 50),
            (30, 99, 99),
            // 50 - 100 / 125 = 50 %: 50, raised to the least number.
            (0, 100, 100),
            // 50 - 1000 / 125 = 42 %
            (0, 1000, 420),
            // 50 - 5000 / 125 = 10 %
            (0, 5000, 500),
            // 50 - 48 = 2, raised to 5 %: 300
            (0, 6000, 300),
            (0, 50_000, 2500),
            (40, 1000, 400),
            (1, 1000, 100),
            (100, 5000, 5000),
        ] {
            assert_eq!(nodes_to_find(percentage, nodes), expected, "{percentage} % of {nodes}");
        }
    }
}
