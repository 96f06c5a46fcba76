//! The GpuPacking that FGD was compared with: shared GPUs before free GPUs of nodes in use before idle nodes.
//!
//! Decides: the highest score. A pod without GPU scores 0 everywhere. Else, with f the node's wholly free GPUs:
//! - all GPUs free: max(33 - f, f);
//! - else the pod's GPUs are tried on the fitting ones with the least left; k > 0 of them wholly free: max(50 - k, 33);
//! - else max(100 - trunc(u / 10), 50), with u the sum of trunc(left / 10) over these GPUs, left in milli-GPU.
//!
//! A shared GPU is the fitting one with the least left; whole GPUs are the free ones with the lowest index.
//! Parameters: none. Source: GpuPacking in the simulator of Weng et al., "Beware of Fragmentation" (USENIX ATC 2023;
//! hkust-adsl/kubernetes-scheduler-simulator at 8f3d641). Known deviations: none.
//! Example: a pod of half a GPU; a node whose GPUs have 600 and 1000 left scores 94, one with 400 and 1000 left 49, an
//! idle one with two GPUs 31.

use serde_json::Value;

use super::scored::{Scored, Scorer};
use super::{Scheduler, SchedulerRow, Score};
use crate::ids::{ClassId, NodeId};
use crate::model::GpuRequest;
use crate::model::cluster::GPU_MILLI;
use crate::policy::parameters::{self, ParameterError};
use crate::world::View;

pub(super) const ROW: SchedulerRow = SchedulerRow {
    name: "gpu-packing",
    summary: "shared GPUs first, then free GPUs of nodes in use, then idle nodes",
    source: "GpuPacking of Weng et al., Beware of Fragmentation (USENIX ATC 2023)",
    parameters: &[],
    build: |parameters, _, _| build(parameters),
};

struct GpuPacking;

fn build(parameters: &Value) -> Result<Box<dyn Scheduler>, ParameterError> {
    parameters::none(parameters)?;
    Ok(Box::new(Scored::new(GpuPacking)))
}

impl Scorer for GpuPacking {
    fn score(&mut self, view: &View<'_>, class: ClassId, nodes: &[NodeId], scores: &mut Vec<Score>) {
        let Some(request) = &view.class(class).gpu else {
            scores.resize(scores.len() + nodes.len(), 0);
            return;
        };
        scores.extend(nodes.iter().map(|&node| grade(request, view.world.nodes.gpu_left(node))));
    }
}

/// The score of a node with so much left on each GPU, where the request fits.
fn grade(request: &GpuRequest, left: &[u16]) -> Score {
    let free = left.iter().filter(|&&left| left == GPU_MILLI).count() as Score;
    if free == left.len() as Score {
        return (33 - free).max(free);
    }
    let mut fitting: Vec<u16> = left.iter().copied().filter(|&left| left >= request.milli).collect();
    fitting.sort_unstable();
    let tried = &fitting[..request.count as usize];
    match tried.iter().filter(|&&left| left == GPU_MILLI).count() as Score {
        0 => (100 - tried.iter().map(|&left| Score::from(left) / 10).sum::<Score>() / 10).max(50),
        wholly_free => (50 - wholly_free).max(33),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scores_follow_the_three_cases() {
        for (count, milli, left, score) in [
            // Idle nodes: 33 - 2, 33 - 8, and 17 devices: max(16, 17).
            (1, 500, &[1000, 1000][..], 31),
            (8, 1000, &[1000; 8][..], 25),
            (1, 1000, &[1000; 17][..], 17),
            // A shared GPU with 600 left: 100 - trunc(60 / 10); with 605: 100 - trunc(60 / 10); with 999: 100 - 9.
            (1, 500, &[600, 1000][..], 94),
            (1, 500, &[605, 1000][..], 94),
            (1, 500, &[999, 1000][..], 91),
            // The GPU with 400 left is too small: a wholly free one is used, 50 - 1.
            (1, 500, &[400, 1000][..], 49),
            // Two wholly free ones: 50 - 2.
            (2, 1000, &[400, 1000, 1000][..], 48),
            // 18 wholly free ones: max(50 - 18, 33).
            (18, 1000, &[&[400][..], &[1000; 18][..]].concat()[..], 33),
            // Shares of two GPUs: trunc((50 + 70) / 10) = 12; with a free one among them 50 - 1.
            (2, 500, &[500, 700, 1000][..], 88),
            (2, 500, &[500, 300, 1000][..], 49),
        ] {
            assert_eq!(
                grade(&GpuRequest { count, milli, models: vec![] }, left),
                score,
                "{count} x {milli} of {left:?}"
            );
        }
    }
}
