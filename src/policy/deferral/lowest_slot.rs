//! `lowest-slot`: starts when intensity is lowest, however long the run.
//!
//! Parameters: none.
//!
//! Source: "Lowest Carbon Slot" of Hanafy et al., GAIA (ASPLOS 2024), for jobs of unknown length.
//! The length counts for the latest start only.

use super::{Ask, Choice, Deferral, DeferralRow, without_parameters};

pub(super) const ROW: DeferralRow = DeferralRow {
    name: "lowest-slot",
    summary: "starts when intensity is lowest, however long the run",
    source: "GAIA, Hanafy et al., ASPLOS 2024",
    parameters: &[],
    build: without_parameters::<LowestSlot>,
};

/// See the module.
#[derive(Clone, Copy, Debug, Default)]
struct LowestSlot;

impl Deferral for LowestSlot {
    fn decide(&self, ask: &Ask<'_>) -> Choice {
        ask.least(|place, start| ask.places[place].at(start))
    }
}
