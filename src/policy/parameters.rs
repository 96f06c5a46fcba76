//! Parameters of policies: described in the table, read by the policy's own type.

use serde::de::{DeserializeOwned, Error as _};
use serde::{Deserialize as _, Deserializer};

use crate::units::SimDuration;

/// One parameter of a policy, for listings, docs and schema.
#[derive(Clone, Copy, Debug)]
pub struct Parameter {
    /// Name as written in files.
    pub name: &'static str,
    /// Unit, empty for a plain number or word.
    pub unit: &'static str,
    /// Default as written in files.
    pub default: &'static str,
    /// What it does, and its range.
    pub meaning: &'static str,
}

/// A parameter that is unknown, of the wrong type or out of range.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct ParameterError(pub String);

/// Reads a policy's parameters into its own type, which refuses unknown fields.
///
/// # Errors
/// When a field is unknown or of the wrong type.
pub fn read<P: DeserializeOwned>(parameters: &serde_json::Value) -> Result<P, ParameterError> {
    serde_json::from_value(parameters.clone()).map_err(|error| ParameterError(error.to_string()))
}

/// Makes sure that a policy without parameters is given none.
///
/// # Errors
/// When there is a parameter.
pub fn none(parameters: &serde_json::Value) -> Result<(), ParameterError> {
    match parameters.as_object().and_then(|map| map.keys().next()) {
        Some(name) => Err(ParameterError(format!("there is no parameter `{name}`: this policy has none"))),
        None => Ok(()),
    }
}

/// Reads a duration that is written like `10s`, for `#[serde(deserialize_with)]`.
///
/// # Errors
/// When it is no duration.
pub fn duration<'de, D: Deserializer<'de>>(deserializer: D) -> Result<SimDuration, D::Error> {
    SimDuration::parse(&String::deserialize(deserializer)?).map_err(D::Error::custom)
}

/// Refuses a value that is out of its range.
///
/// # Errors
/// When it is.
pub fn require(is_right: bool, why: &str) -> Result<(), ParameterError> {
    if is_right { Ok(()) } else { Err(ParameterError(why.to_owned())) }
}
