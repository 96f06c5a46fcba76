//! GPU packing: fill devices that are in use before touching whole ones, and whole nodes last.
//!
//! Decides: the highest score; f = wholly free devices of the node, left = milli-GPU left on a device.
//! - pods without GPU: 0;
//! - all devices wholly free: max(33 - f, f);
//! - else the fitting devices with least left are taken, k of them wholly free: k > 0: max(50 - k, 33); k = 0:
//!   max(100 - trunc(sum of trunc(left / 10) / 10), 50).
//!
//! Parameters: none.
//! Source: the GpuPacking baseline of Weng et al. (USENIX ATC 2023), simulator hkust-adsl/kubernetes-scheduler-simulator
//! at 8f3d641.
//! Known deviations: none known; the golden cases agree.
//! Example: half a device on a node with 500 and 1000 left scores 100 - trunc(50 / 10) = 95.

use super::scored::{self, Scorer};
use super::{Build, SchedulerRow, Score};
use crate::ids::{ClassId, NodeId};
use crate::model::GpuRequest;
use crate::model::cluster::GPU_MILLI;
use crate::world::View;

pub(super) const ROW: SchedulerRow = SchedulerRow {
    name: "gpu-packing",
    summary: "shared devices first, whole devices next, untouched nodes last",
    source: "GpuPacking of Weng et al., Beware of Fragmentation (USENIX ATC 2023)",
    parameters: &[],
    build: Build::Score(|parameters, _| scored::without_parameters(parameters, GpuPacking)),
};

pub(super) struct GpuPacking;

impl Scorer for GpuPacking {
    fn score(&mut self, view: &View<'_>, class: ClassId, nodes: &[NodeId], scores: &mut Vec<Score>) {
        match &view.class(class).gpu {
            None => scores.resize(scores.len() + nodes.len(), 0),
            Some(request) => {
                scores.extend(nodes.iter().map(|&node| packing_score(request, view.world.nodes.gpu_left(node))));
            }
        }
    }
}

fn packing_score(request: &GpuRequest, left: &[u16]) -> Score {
    let free = left.iter().filter(|&&left| left == GPU_MILLI).count();
    if free == left.len() {
        return (33 - free as Score).max(free as Score);
    }
    let mut fitting: Vec<u16> = left.iter().copied().filter(|&left| left >= request.milli).collect();
    fitting.sort_unstable();
    fitting.truncate(request.count as usize);
    match fitting.iter().filter(|&&left| left == GPU_MILLI).count() {
        0 => {
            let tenths: u32 = fitting.iter().map(|&left| u32::from(left / 10)).sum();
            (100 - (tenths / 10) as Score).max(50)
        }
        whole => (50 - whole as Score).max(33),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scores_follow_the_three_cases() {
        for (count, milli, left, score) in [
            (1, 500, &[1000, 1000][..], 31),       // untouched: max(33 - 2, 2)
            (1, 500, &[500, 1000][..], 95),        // 100 - trunc(50 / 10)
            (1, 600, &[500, 1000][..], 49),        // one whole device: 50 - 1
            (2, 1000, &[400, 1000, 1000][..], 48), // two whole devices: 50 - 2
            (1, 500, &[999, 1000][..], 91),        // 100 - trunc(99 / 10)
        ] {
            let request = GpuRequest { count, milli, models: vec![] };
            assert_eq!(packing_score(&request, left), score, "{count} x {milli} on {left:?}");
        }
    }
}
