//! Parameters of policies: described in the table, read by the policy's own type.

use serde::de::{DeserializeOwned, Error as _};
use serde::{Deserialize as _, Deserializer};
use serde_json::{Map, Value};

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
pub fn read<P: DeserializeOwned>(parameters: &Value) -> Result<P, ParameterError> {
    serde_json::from_value(parameters.clone()).map_err(|error| {
        let error = error.to_string();
        // Whose error it is: of the parameter with which alone it comes, too.
        let is_its = |name: &&String| {
            let alone = Value::Object(Map::from_iter([((*name).clone(), parameters[name.as_str()].clone())]));
            P::deserialize(&alone).is_err_and(|alone| alone.to_string() == error)
        };
        let name = parameters.as_object().and_then(|map| map.keys().find(is_its));
        let plain = in_plain_words(&error);
        ParameterError(match name {
            Some(name) if !error.contains(&format!("`{name}`")) => format!("`{name}`: {plain}"),
            _ => plain,
        })
    })
}

/// The error of a reader without the names of its types.
fn in_plain_words(error: &str) -> String {
    let types = [
        (&["u8", "u16", "u32", "u64", "usize"][..], "a whole number of at least 0"),
        (&["i32", "i64"], "a whole number"),
        (&["f32", "f64"], "a number"),
        (&["a string"], "text"),
        (&["a boolean"], "true or false"),
        (&["a sequence"], "a list"),
    ];
    let Some((found, expected)) = error.split_once(", expected ") else { return error.to_owned() };
    let named = types.iter().find(|(names, _)| names.contains(&expected));
    let Some((_, name)) = named else { return error.to_owned() };
    let found = found.trim_start_matches("invalid type: ").trim_start_matches("invalid value: ");
    let found = [
        ("integer ", ""),
        ("floating point ", ""),
        ("string ", ""),
        ("boolean ", ""),
        ("sequence", "a list"),
        ("map", "a mapping"),
    ]
    .into_iter()
    .find_map(|(kind, word)| found.strip_prefix(kind).map(|rest| format!("{word}{rest}")))
    .unwrap_or_else(|| found.to_owned());
    format!("must be {name}, not {found}")
}

/// Makes sure that a policy without parameters is given none.
///
/// # Errors
/// When there is a parameter.
pub fn none(parameters: &Value) -> Result<(), ParameterError> {
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

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[derive(Debug, Default, serde::Deserialize)]
    #[serde(default, deny_unknown_fields, rename_all = "camelCase")]
    struct Params {
        machines: Option<u32>,
        target: f64,
        #[serde(deserialize_with = "duration")]
        period: SimDuration,
        is_on: bool,
        names: Vec<String>,
    }

    #[test]
    fn errors_name_the_parameter_and_no_types() {
        for (parameters, said) in [
            (json!({"target": 1, "machines": -1}), "`machines`: must be a whole number of at least 0, not `-1`"),
            (json!({"machines": "two", "target": 1}), "`machines`: must be a whole number of at least 0, not \"two\""),
            (json!({"target": "much"}), "`target`: must be a number, not \"much\""),
            (json!({"isOn": 1}), "`isOn`: must be true or false, not `1`"),
            (json!({"names": {}}), "`names`: must be a list, not a mapping"),
            (json!({"period": 5}), "`period`: must be text, not `5`"),
            (json!({"period": "soon"}), "`period`: `soon` has an unknown unit; units are ns, us, ms, s, m, h, d"),
        ] {
            assert_eq!(read::<Params>(&parameters).expect_err("it is wrong").0, said, "{parameters}");
        }
        // What names the parameter itself does not name it twice.
        let unknown = read::<Params>(&json!({"machine": 1})).expect_err("it is wrong").0;
        assert!(unknown.starts_with("unknown field `machine`, expected one of"), "{unknown}");
        assert_eq!(read::<Params>(&json!({"machines": 2})).map(|params| params.machines), Ok(Some(2)));
    }
}
