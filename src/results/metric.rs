//! One figure that a run measured.

use serde::{Deserialize, Deserializer, Serialize};

use crate::stats::Direction;

/// One number that a run measured.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Metric {
    /// Name with its unit last, such as `wait_ms_p99`.
    pub name: String,
    /// Unit, such as `ms`.
    pub unit: String,
    /// The number; NaN where there is none. What is not finite is stored as missing.
    #[serde(deserialize_with = "number_or_nan")]
    pub value: f64,
    /// Which way it is better.
    pub better: Direction,
}

/// JSON has no NaN; it is written as null.
///
/// # Errors
/// When there is something else than a number or null.
pub fn number_or_nan<'de, D: Deserializer<'de>>(deserializer: D) -> Result<f64, D::Error> {
    Ok(Option::deserialize(deserializer)?.unwrap_or(f64::NAN))
}
