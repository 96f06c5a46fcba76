//! `lowest-window`: starts where the mean intensity of the whole run is lowest.
//!
//! Parameters: none.
//!
//! Source: the strategy "Non-Interrupting" of Wiesner et al., "Let's wait awhile" (Middleware 2021), "Lowest Carbon Window" of Hanafy et
//! al., GAIA (ASPLOS 2024). Both step through slots of the forecast; here starts within a slot are tried too.
//! Where there are several places, the best of all.

use super::{Ask, Choice, Deferral, DeferralRow, without_parameters};

pub(super) const ROW: DeferralRow = DeferralRow {
    name: "lowest-window",
    summary: "starts where the mean intensity of the whole run is lowest",
    source: "Wiesner et al., Middleware 2021; GAIA, Hanafy et al., ASPLOS 2024",
    parameters: &[],
    build: without_parameters::<LowestWindow>,
};

/// See the module.
#[derive(Clone, Copy, Debug, Default)]
struct LowestWindow;

impl Deferral for LowestWindow {
    fn decide(&self, ask: &Ask<'_>) -> Choice {
        ask.least(|place, start| ask.mean(place, start))
    }
}
