//! Which nodes are looked at, in which order, and how many are enough.
//!
//! Sources: `pkg/scheduler/backend/cache/node_tree.go`, `component-helpers/node/topology/helpers.go` and
//! `pkg/scheduler/schedule_one.go`, v1.37.0.

use std::collections::BTreeMap;

use crate::ids::NodeId;
use crate::model::cluster::{NodeShape, ZONE_LABEL};
use crate::policy::scheduler::kube::labels;
use crate::world::View;

const REGION_LABEL: &str = "topology.kubernetes.io/region";
const OLD_ZONE_LABEL: &str = "failure-domain.beta.kubernetes.io/zone";
const OLD_REGION_LABEL: &str = "failure-domain.beta.kubernetes.io/region";
/// With fewer nodes all are looked at.
const FEASIBLE_NODES_MIN: usize = 100;
/// The adaptive percentage never falls below this one.
const PERCENTAGE_MIN: i64 = 5;

/// The nodes that are up, one of each zone in turn; zones in the order in which their first node joined.
pub fn node_order(view: View<'_>) -> Vec<NodeId> {
    let nodes = &view.world.nodes;
    let mut zones: Vec<Vec<NodeId>> = Vec::new();
    let mut zone_by_key = BTreeMap::new();
    let up = (0..nodes.len()).map(NodeId::from_index).filter(|node| nodes.state[node.index()].is_up());
    for node in up.clone() {
        let shape = view.model.cluster.shape(nodes.shape[node.index()]);
        let zone = *zone_by_key.entry(zone_key(shape)).or_insert_with(|| {
            zones.push(Vec::new());
            zones.len() - 1
        });
        zones[zone].push(node);
    }
    let longest = zones.iter().map(Vec::len).max().unwrap_or(0);
    let round = |at: usize| zones.iter().filter_map(move |zone| zone.get(at).copied());
    (0..longest).flat_map(round).collect()
}

/// Region and zone (`GetZoneKey`).
fn zone_key(shape: &NodeShape) -> (&str, &str) {
    let value = |keys: [&str; 2]| keys.iter().find_map(|key| labels::value(&shape.labels, key)).unwrap_or_default();
    (value([REGION_LABEL, OLD_REGION_LABEL]), value([ZONE_LABEL, OLD_ZONE_LABEL]))
}

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
    use crate::testkit::cluster;
    use crate::world::World;

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

    #[test]
    fn zones_take_turns() {
        let zoned =
            |fixture: crate::testkit::Fixture, name: &str, zone: &str| fixture.node(name).label(ZONE_LABEL, zone);
        let mut fixture = cluster().node("a");
        for (name, zone) in [("b", "1"), ("c", "2"), ("d", "1"), ("e", "1"), ("f", "2")] {
            fixture = zoned(fixture, name, zone);
        }
        let model = fixture.model();
        let world = World::new(&model);
        let order = node_order(View { model: &model, world: &world });
        let names: Vec<&str> = order.iter().map(|&node| world.nodes.name(node)).collect();
        // Zones in order: none, 1, 2. Rounds: a b c - d f - e.
        assert_eq!(names, ["a", "b", "c", "d", "f", "e"]);
    }
}
