//! Who is killed when no memory is left.
//!
//! The kubelet sets `oom_score_adj` of every container (`pkg/kubelet/qos/policy.go`), and the kernel kills the one with the
//! most points (`oom_badness`): the pages that it uses, and a thousandth of all pages for each point of the adjustment.

use crate::model::usage::{QualityOfService, Usage};

/// Adjustment of containers of pods that are `Guaranteed`, or critical for the node.
const GUARANTEED: i64 = -997;
/// Adjustment of containers of pods that are `BestEffort`.
const BEST_EFFORT: i64 = 1000;
/// Bytes of a page.
const PAGE: u64 = 4096;

/// `GetContainerOOMScoreAdjust`: the adjustment of a container on a node with so much memory, which is more than 0.
pub fn score_adjustment(usage: &Usage, is_node_critical: bool, memory_capacity: u64) -> i64 {
    match usage.quality {
        _ if is_node_critical => return GUARANTEED,
        QualityOfService::Guaranteed => return GUARANTEED,
        QualityOfService::BestEffort => return BEST_EFFORT,
        QualityOfService::Burstable => {}
    }
    let of_request = |request: u64| {
        let share = 1000 * u128::from(request) / u128::from(memory_capacity.max(1));
        1000 - i64::try_from(share).unwrap_or(i64::MAX)
    };
    let own = of_request(usage.memory_request);
    // A sidecar is not killed before the containers that it serves.
    let adjustment = usage.least_main_memory_request.map_or(own, |least| own.min(of_request(least)));
    adjustment.clamp(1000 + GUARANTEED, BEST_EFFORT - 1)
}

/// `oom_badness`: points of a container that uses so many bytes where there are `total` bytes in all. The most points are
/// the first to go; none at all is never killed.
pub fn badness(used: u64, adjustment: i64, total: u64) -> i64 {
    let pages = |bytes: u64| i64::try_from(bytes / PAGE).unwrap_or(i64::MAX / 2);
    pages(used).saturating_add(adjustment.saturating_mul(pages(total) / 1000))
}

#[cfg(test)]
mod tests {
    use super::*;

    const MIB: u64 = 1 << 20;

    /// The cases of `policy_test.go` that bear on one container, with round figures.
    #[test]
    fn adjustments_follow_the_class() {
        use QualityOfService::{BestEffort, Burstable, Guaranteed};
        // (class, request in MiB, least request of the others if it is a sidecar, critical) on 8000 MiB.
        for (quality, request, least, is_critical, expected) in [
            (Guaranteed, 4000, None, false, -997),
            (BestEffort, 0, None, false, 1000),
            (BestEffort, 0, None, true, -997),
            // 1000 - 1000 * 2000 / 8000.
            (Burstable, 2000, None, false, 750),
            // Requests cpu only: 1000, which is left to BestEffort.
            (Burstable, 0, None, false, 999),
            // 1000 - 999 = 1, which is left to Guaranteed.
            (Burstable, 7992, None, false, 3),
            // A sidecar of 500 MiB beside a container of 2000 MiB.
            (Burstable, 500, Some(2000), false, 750),
            (Burstable, 2000, Some(500), false, 750),
        ] {
            let usage = Usage {
                memory_request: request * MIB,
                least_main_memory_request: least.map(|least| least * MIB),
                quality,
                ..Usage::default()
            };
            let adjustment = score_adjustment(&usage, is_critical, 8000 * MIB);
            assert_eq!(adjustment, expected, "{quality:?} {request} {least:?} {is_critical}");
        }
    }

    #[test]
    fn points_are_pages_and_thousandths_of_all_pages() {
        // 8000 MiB are 2 048 000 pages, a thousandth of them 2048. 100 MiB are 25 600 pages.
        for (used_mib, adjustment, points) in [
            (100, 0, 25_600),
            (100, 1000, 25_600 + 2_048_000),
            // 4000 MiB at 250 are less than 100 MiB at 999: 1 024 000 + 512 000 against 25 600 + 2 045 952.
            (4000, 250, 1_536_000),
            (100, 999, 2_071_552),
            (7900, -997, 2_022_400 - 2_041_856),
        ] {
            assert_eq!(badness(used_mib * MIB, adjustment, 8000 * MIB), points, "{used_mib} {adjustment}");
        }
    }
}
