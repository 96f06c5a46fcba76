//! Which devices a pod takes on its node.

use crate::ids::{ClassId, NodeId};
use crate::model::GpuRequest;
use crate::model::cluster::GPU_MILLI;
use crate::world::{GpuMask, View};

/// [`best_fit`] for a pod of `class` on `node`; no device for a pod without GPU request.
///
/// # Panics
/// When too few devices fit.
pub fn best_fit_on(view: &View<'_>, class: ClassId, node: NodeId) -> GpuMask {
    let request = view.class(class).gpu.as_ref();
    request.map_or(0, |request| best_fit(request, view.world.nodes.gpu_left(node)))
}

/// Best fit, as in the authors' FGD simulator: whole devices are the wholly free ones with the lowest index; a share
/// comes from the fitting device with the least left, the lowest index among equals.
///
/// # Panics
/// When too few devices fit.
pub fn best_fit(request: &GpuRequest, left: &[u16]) -> GpuMask {
    let mut mask: GpuMask = 0;
    for _ in 0..request.count {
        let free = (0..left.len()).filter(|&device| mask & (1 << device) == 0 && left[device] >= request.milli);
        let device = match request.milli {
            GPU_MILLI => free.min(),
            _ => free.min_by_key(|&device| (left[device], device)),
        };
        mask |= 1 << device.expect("GPUs are chosen on a node where too few fit");
    }
    mask
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_fullest_device_that_fits_is_taken() {
        let request = |count, milli| GpuRequest { count, milli, models: vec![] };
        for (count, milli, left, mask) in [
            (1, 300, &[1000, 400, 300, 200][..], 0b0100),
            (1, 400, &[1000, 400, 400, 200][..], 0b0010),
            (1, 1000, &[400, 1000, 1000][..], 0b0010),
            (2, 1000, &[1000, 400, 1000, 1000][..], 0b0101),
            (2, 500, &[1000, 500, 600][..], 0b0110),
        ] {
            assert_eq!(best_fit(&request(count, milli), left), mask, "{count} x {milli} of {left:?}");
        }
    }
}
