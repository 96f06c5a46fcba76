//! `lowest-region`: starts at once, in the place where the run costs least.
//!
//! Parameters: none.
//!
//! Source: load shifting in space, such as Sukprasert et al., "On the Limitations of Carbon-Aware Temporal and Spatial Workload Shifting in
//! the Cloud" (EuroSys 2024).
//! Of equals the first place.

use super::{Ask, Choice, Deferral, DeferralRow, without_parameters};

pub(super) const ROW: DeferralRow = DeferralRow {
    name: "lowest-region",
    summary: "starts at once, in the place where the run costs least",
    source: "Sukprasert et al., EuroSys 2024",
    parameters: &[],
    build: without_parameters::<LowestRegion>,
};

/// See the module.
#[derive(Clone, Copy, Debug, Default)]
struct LowestRegion;

impl Deferral for LowestRegion {
    fn decide(&self, ask: &Ask<'_>) -> Choice {
        let means = (0..ask.places.len()).map(|place| (ask.mean(place, ask.now), place));
        let (_, place) = means.min_by(|a, b| a.0.total_cmp(&b.0)).expect("there is a place");
        Choice { start: ask.now, place }
    }
}
