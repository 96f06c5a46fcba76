//! The order in which nodes are looked at: zone by zone in turn, so that a sample of them covers all zones.
//!
//! A zone is a pair of region and zone by label, the deprecated labels first. Zones stand in the order in which they
//! came to have nodes, and the nodes of each in the order in which they joined; the list takes the first node of every
//! zone, then the second, and so on.
//!
//! Source: `pkg/scheduler/backend/cache/node_tree.go` and `component-helpers/node/topology/helpers.go`, v1.37.0.
//!
//! Cost: O(nodes) for [`NodeTree::update`] and [`NodeTree::list`].

use super::NodeInfo;
use crate::ids::NodeId;
use crate::units::SimTime;
use crate::world::View;

/// Labels that name the region: the first that is there counts.
const REGION_LABELS: [&str; 2] = ["failure-domain.beta.kubernetes.io/region", "topology.kubernetes.io/region"];
/// Labels that name the zone: the first that is there counts.
const ZONE_LABELS: [&str; 2] = ["failure-domain.beta.kubernetes.io/zone", "topology.kubernetes.io/zone"];

/// The nodes that are up, by zone.
#[derive(Clone, Debug, Default)]
pub struct NodeTree {
    zones: Vec<Zone>,
    /// How many nodes of the world it has heard of.
    seen: usize,
}

/// One zone.
#[derive(Clone, Debug)]
struct Zone {
    region: String,
    zone: String,
    nodes: Vec<NodeId>,
}

impl NodeTree {
    /// Takes in which nodes have joined and left since the last call, in order of time; joins come before leaves of the
    /// same instant. Returns whether there were any.
    pub fn update(&mut self, view: View<'_>) -> bool {
        let nodes = &view.world.nodes;
        let here = self.zones.iter().flat_map(|zone| &zone.nodes).copied();
        let new = (self.seen..nodes.len()).map(NodeId::from_index);
        let left = |node: &NodeId| nodes.removed[node.index()] != SimTime::NEVER;
        let mut moves: Vec<(SimTime, bool, NodeId)> =
            new.clone().map(|node| (nodes.added[node.index()], false, node)).collect();
        moves.extend(here.chain(new).filter(left).map(|node| (nodes.removed[node.index()], true, node)));
        moves.sort_unstable();
        self.seen = nodes.len();
        for &(_, leaves, node) in &moves {
            if leaves {
                self.remove(node);
            } else {
                self.add(&NodeInfo::new(view, node));
            }
        }
        !moves.is_empty()
    }

    fn add(&mut self, node: &NodeInfo<'_>) {
        let first = |labels: [&str; 2]| labels.into_iter().find_map(|label| node.label(label)).unwrap_or_default();
        let (region, zone) = (first(REGION_LABELS), first(ZONE_LABELS));
        match self.zones.iter_mut().find(|other| other.region == region && other.zone == zone) {
            Some(zone) => zone.nodes.push(node.node),
            None => {
                self.zones.push(Zone { region: region.to_owned(), zone: zone.to_owned(), nodes: vec![node.node] });
            }
        }
    }

    fn remove(&mut self, node: NodeId) {
        for zone in &mut self.zones {
            zone.nodes.retain(|other| *other != node);
        }
        self.zones.retain(|zone| !zone.nodes.is_empty());
    }

    /// The nodes in the order in which they are looked at.
    pub fn list(&self) -> Vec<NodeId> {
        let longest = self.zones.iter().map(|zone| zone.nodes.len()).max().unwrap_or(0);
        let row = |row: usize| self.zones.iter().filter_map(move |zone| zone.nodes.get(row)).copied();
        (0..longest).flat_map(row).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Label;
    use crate::testkit::cluster;
    use crate::world::{NodeState, World};

    const OLD_ZONE: &str = ZONE_LABELS[0];
    const ZONE: &str = ZONE_LABELS[1];
    const OLD_REGION: &str = REGION_LABELS[0];
    const REGION: &str = REGION_LABELS[1];

    /// The order of nodes with these labels, after the listed ones left one after the other.
    fn order(nodes: &[&[(&str, &str)]], leaving: &[u32]) -> Vec<u32> {
        let fixture = nodes.iter().fold(cluster(), |fixture, labels| {
            fixture.node("n").edit_node(|shape| {
                shape.labels =
                    labels.iter().map(|&(key, value)| Label { key: key.into(), value: value.into() }).collect();
                shape.labels.sort();
            })
        });
        let model = fixture.model();
        let (mut world, mut tree) = (World::new(&model), NodeTree::default());
        assert_eq!(tree.update(View { model: &model, world: &world }), !nodes.is_empty());
        for &node in leaving {
            world.time.0 += 1;
            world.set_node_state(NodeId(node), NodeState::Removed);
            assert!(tree.update(View { model: &model, world: &world }));
        }
        assert!(!tree.update(View { model: &model, world: &world }), "nothing is left to take in");
        tree.list().into_iter().map(|node| node.0).collect()
    }

    #[test]
    fn zones_take_turns() {
        let (a, b): (&[_], &[_]) = (&[(ZONE, "a")], &[(ZONE, "b")]);
        for (nodes, leaving, expected) in [
            (vec![], vec![], vec![]),
            (vec![a, a, b], vec![], vec![0, 2, 1]),
            (vec![a, a, a, b, &[], b], vec![], vec![0, 3, 4, 1, 5, 2]),
            // The deprecated label goes first; the region tells zones of one name apart.
            (vec![a, &[(ZONE, "a"), (OLD_ZONE, "b")], b, a], vec![], vec![0, 1, 3, 2]),
            (
                vec![a, a, &[(ZONE, "a"), (REGION, "r")], &[(OLD_ZONE, "a"), (OLD_REGION, "r")]],
                vec![],
                vec![0, 2, 1, 3],
            ),
            // An empty value is as good as none.
            (vec![&[(ZONE, "")], &[], a], vec![], vec![0, 2, 1]),
            // Zone a keeps its turn as long as it has a node.
            (vec![a, b, a, b], vec![0], vec![2, 1, 3]),
            (vec![a, b, b], vec![0], vec![1, 2]),
            (vec![a, b], vec![1, 0], vec![]),
        ] {
            assert_eq!(order(&nodes, &leaving), expected, "{nodes:?} without {leaving:?}");
        }
    }

    #[test]
    fn a_zone_that_was_empty_goes_last() {
        let fixture = cluster().node("a").label(ZONE, "a").node("b").label(ZONE, "b");
        let model = fixture.model();
        let (mut world, mut tree) = (World::new(&model), NodeTree::default());
        tree.update(View { model: &model, world: &world });
        world.time.0 = 1;
        world.set_node_state(NodeId(0), NodeState::Crashed);
        world.time.0 = 2;
        world.add_node(&model, "a2", model.cluster.nodes[0].shape);
        world.time.0 = 3;
        let short_lived = world.add_node(&model, "a3", model.cluster.nodes[0].shape);
        world.set_node_state(short_lived, NodeState::Removed);
        // One update takes in all that happened in between.
        assert!(tree.update(View { model: &model, world: &world }));
        assert_eq!(tree.list(), [NodeId(1), NodeId(2)]);
    }
}
