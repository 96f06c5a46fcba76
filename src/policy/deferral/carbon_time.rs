//! `carbon-time`: starts where carbon saved by the time to completion is greatest.
//!
//! Parameters: none.
//!
//! Source: "Carbon-Time" of Hanafy et al., GAIA (ASPLOS 2024), which weighs what waiting saves against how long it takes.
//! With the mean intensity c of a run, a start after waiting w saves c(at once) - c(w), over w and the length of the run. Where no
//! start saves anything, the pod starts at once. What is at once is the first place.

use super::{Ask, Choice, Deferral, DeferralRow, without_parameters};

pub(super) const ROW: DeferralRow = DeferralRow {
    name: "carbon-time",
    summary: "starts where carbon saved by the time to completion is greatest",
    source: "GAIA, Hanafy et al., ASPLOS 2024",
    parameters: &[],
    build: without_parameters::<CarbonTime>,
};

/// See the module.
#[derive(Clone, Copy, Debug, Default)]
struct CarbonTime;

impl Deferral for CarbonTime {
    fn decide(&self, ask: &Ask<'_>) -> Choice {
        let at_once = ask.mean(0, ask.now);
        let gain = |place, start: crate::units::SimTime| {
            let took = start.since(ask.now).as_seconds() + ask.length.as_seconds();
            let saved = at_once - ask.mean(place, start);
            // A run without length is free of carbon whenever it starts.
            if took > 0.0 { -saved / took } else { 0.0 }
        };
        ask.least(gain)
    }
}
