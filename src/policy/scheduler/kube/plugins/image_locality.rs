//! `ImageLocality`: rather where the pod's images are.
//!
//! For each image of the pod that the node has, its size is counted, times the share of nodes that have it, so that one
//! early node does not draw all pods. The sum, cut off below 23 MiB and above 1000 MiB an image, becomes 0 to 100.
//!
//! Source: `pkg/scheduler/framework/plugins/imagelocality/image_locality.go`, v1.37.0. Upstream's cache knows one size
//! for each name: that of the node that brought the name first; so do we, but forget it when that node leaves.

use std::collections::BTreeMap;

use crate::ids::NodeId;
use crate::model::{NodeShape, ShapeId};
use crate::policy::scheduler::kube::framework::{NodeScorer, ScorePlugin};
use crate::policy::scheduler::kube::{Cycle, MAX_NODE_SCORE, NodeInfo};

/// Its name.
pub(super) const NAME: &str = "ImageLocality";

const MIB: i64 = 1 << 20;
const LEAST_BYTES: i64 = 23 * MIB;
const MOST_BYTES_PER_IMAGE: i64 = 1000 * MIB;

/// The plug-in.
#[derive(Debug)]
pub(super) struct ImageLocality;

/// The pod's images.
#[derive(Clone, Debug)]
struct Images {
    /// The same image twice counts twice.
    images: Vec<Image>,
}

/// One image of the pod.
#[derive(Clone, Debug)]
struct Image {
    /// Its normalised name.
    name: String,
    /// What a node gets for having it.
    worth_bytes: i64,
}

impl ScorePlugin for ImageLocality {
    fn pre_score<'a>(&self, cycle: &Cycle<'a>, _feasible: &[NodeInfo<'a>]) -> Option<Box<dyn NodeScorer<'a> + 'a>> {
        let world = cycle.view.world;
        // Nodes of one shape have the same images: their number and the first of them are enough.
        let mut shapes: BTreeMap<ShapeId, (usize, NodeId)> = BTreeMap::new();
        for &node in cycle.nodes {
            let (count, first) = shapes.entry(world.nodes.shape[node.index()]).or_insert((0, node));
            *count += 1;
            *first = node.min(*first);
        }
        let worth = |name: &str| {
            let mut nodes = 0;
            let mut origin = None;
            for (&shape, &(count, first)) in &shapes {
                if let Some(size) = size_of(cycle.view.model.cluster.shape(shape), name) {
                    nodes += count;
                    origin = Some(origin.map_or((first, size), |known: (_, u64)| known.min((first, size))));
                }
            }
            let share = nodes as f64 / cycle.nodes.len() as f64;
            origin.map_or(0, |(_, size)| (size as f64 * share) as i64)
        };
        let names = cycle.spec().images.iter().map(|image| normalised(image));
        let images = names.map(|name| Image { worth_bytes: worth(&name), name }).collect();
        Some(Box::new(Images { images }))
    }
}

impl<'a> NodeScorer<'a> for Images {
    fn score(&self, node: &NodeInfo<'a>) -> i64 {
        let is_here = |name: &str| size_of(node.shape(), name).is_some();
        let sum = self.images.iter().filter(|image| is_here(&image.name)).map(|image| image.worth_bytes).sum();
        grade(sum, self.images.len() as i64)
    }
}

/// Whether some shape of node has an image of the pod: nodes of other shapes get nothing.
pub(in crate::policy::scheduler::kube) fn is_anywhere(cycle: &Cycle<'_>) -> bool {
    let names: Vec<String> = cycle.spec().images.iter().map(|image| normalised(image)).collect();
    let shapes = &cycle.view.model.cluster.shapes;
    shapes.iter().any(|shape| names.iter().any(|name| size_of(shape, name).is_some()))
}

/// The size under which a shape of node lists an image.
fn size_of(shape: &NodeShape, name: &str) -> Option<u64> {
    shape.images.iter().find(|image| image.names.iter().any(|other| other == name)).map(|image| image.size_bytes)
}

/// What a sum of bytes scores for a pod with so many images.
fn grade(bytes: i64, images: i64) -> i64 {
    let most = MOST_BYTES_PER_IMAGE * images;
    let bytes = if bytes < LEAST_BYTES { LEAST_BYTES } else { bytes.min(most) };
    MAX_NODE_SCORE * (bytes - LEAST_BYTES) / (most - LEAST_BYTES)
}

/// A name without tag or digest means the tag `latest`.
fn normalised(name: &str) -> String {
    if name.rfind(':') <= name.rfind('/') { format!("{name}:latest") } else { name.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::cluster::NodeImage;
    use crate::policy::scheduler::kube::plugins::testing::scores;
    use crate::testkit::{Fixture, cluster};

    fn node_with(fixture: Fixture, images: &[(&str, i64)]) -> Fixture {
        let image = |&(name, mib): &(&str, i64)| NodeImage { names: vec![name.into()], size_bytes: (mib * MIB) as u64 };
        fixture.node("n").edit_node(|shape| shape.images = images.iter().map(image).collect())
    }

    fn raw(nodes: &[&[(&str, i64)]], images: &[&str]) -> Vec<i64> {
        let fixture = nodes.iter().fold(cluster(), |fixture, images| node_with(fixture, images)).pod("p");
        let fixture = fixture.edit_pod(|pod| pod.spec.images = images.iter().map(|&image| image.into()).collect());
        let (raw, normalised) = scores(NAME, &fixture, &[]).expect("it never skips");
        assert_eq!(raw, normalised, "scores are left as they are");
        raw
    }

    #[test]
    fn a_node_scores_by_the_images_that_it_has() {
        // 240 MiB on one of two nodes count 120 MiB: 100 * (120 - 23) / (1000 - 23) = 9.9.
        assert_eq!(raw(&[&[("a:1", 240)], &[]], &["a:1"]), [9, 0]);
        // On both nodes they count in full: 100 * (240 - 23) / 977 = 22.2.
        assert_eq!(raw(&[&[("a:1", 240)], &[("a:1", 240)]], &["a:1"]), [22, 22]);
        // Two images: the upper bound is 2000 MiB. Node 0: 100 * (120 + 300 - 23) / 1977 = 20.08; node 1: 100 * (300 - 23)
        // / 1977 = 14.01.
        assert_eq!(raw(&[&[("a:1", 240), ("b:1", 300)], &[("b:1", 300)]], &["a:1", "b:1"]), [20, 14]);
        // 40 MiB on one of two count 20 MiB, below the lower bound; 4000 MiB count 2000 MiB, above the upper.
        assert_eq!(raw(&[&[("a:1", 40)], &[]], &["a:1"]), [0, 0]);
        assert_eq!(raw(&[&[("a:1", 4000)], &[]], &["a:1"]), [100, 0]);
        // The same image in two containers counts twice: 100 * (240 - 23) / 1977 = 10.97.
        assert_eq!(raw(&[&[("a:1", 240)], &[]], &["a:1", "a:1"]), [10, 0]);
        // The name without a tag is that with the tag latest, also after a port.
        assert_eq!(raw(&[&[("h:5/a:latest", 240)], &[]], &["h:5/a"]), [9, 0]);
        assert_eq!(raw(&[&[("a:latest", 240)], &[]], &["a:1"]), [0, 0]);
        // The first node's size holds for all: 240 MiB on both: 22; were it 500, 48.
        assert_eq!(raw(&[&[("a:1", 240)], &[("a:1", 500)]], &["a:1"]), [22, 22]);
        // A pod that names no image.
        assert_eq!(raw(&[&[("a:1", 240)], &[]], &[]), [0, 0]);
    }
}
