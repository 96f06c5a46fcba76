//! `threshold`: starts as soon as intensity is no more than a number.
//!
//! Parameters: `g_per_kwh`.
//!
//! Source: the usual rule of carbon-aware operators, such as the threshold of KEDA's carbon-aware operator of Azure.
//! Where intensity never falls so low in time, the pod starts at the latest instant that meets its deadline.

use serde::Deserialize;

use super::{Ask, Choice, Deferral, DeferralRow};
use crate::policy::parameters::{self, Parameter};

pub(super) const ROW: DeferralRow = DeferralRow {
    name: "threshold",
    summary: "starts as soon as intensity is no more than a number",
    source: "the usual rule of carbon-aware operators",
    parameters: &[Parameter {
        name: "g_per_kwh",
        unit: "g/kWh",
        default: "200",
        meaning: "the intensity at which pods start, 0 or more",
    }],
    build: |parameters| {
        let policy: Threshold = parameters::read(parameters)?;
        parameters::require(policy.g_per_kwh >= 0.0, "`g_per_kwh` must not be negative")?;
        Ok(Box::new(policy))
    },
};

/// See the module.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Threshold {
    g_per_kwh: f64,
}

impl Default for Threshold {
    fn default() -> Threshold {
        Threshold { g_per_kwh: 200.0 }
    }
}

impl Deferral for Threshold {
    fn decide(&self, ask: &Ask<'_>) -> Choice {
        ask.first_below(|_| self.g_per_kwh)
    }
}
