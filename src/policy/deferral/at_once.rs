//! `none`: starts at once, in the first place.
//!
//! Parameters: none.
//!
//! Source: what others are compared with.
//! Cost: O(1).

use super::{Ask, Choice, Deferral, DeferralRow, without_parameters};

pub(super) const ROW: DeferralRow = DeferralRow {
    name: "none",
    summary: "starts at once, in the first place",
    source: "a cluster without deferral",
    parameters: &[],
    build: without_parameters::<AtOnce>,
};

/// See the module.
#[derive(Clone, Copy, Debug, Default)]
struct AtOnce;

impl Deferral for AtOnce {
    fn decide(&self, ask: &Ask<'_>) -> Choice {
        Choice { start: ask.now, place: 0 }
    }
}
