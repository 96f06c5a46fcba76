//! Settings as text: numbers, durations and flags by key.

use std::collections::BTreeMap;

use super::{ScalingMetric, SettingProblem};
use crate::policy::autoscaler::knative::window::Aggregation;
use crate::units::SimDuration;

const PREFIX: &str = "autoscaling.knative.dev/";
/// The keys that were written in camel case once, and still may be.
const OLD_SPELLINGS: [(&str, &str); 10] = [
    ("initial-scale", "initialScale"),
    ("max-scale", "maxScale"),
    ("min-scale", "minScale"),
    ("metric-aggregation-algorithm", "metricAggregationAlgorithm"),
    ("panic-threshold-percentage", "panicThresholdPercentage"),
    ("panic-window-percentage", "panicWindowPercentage"),
    ("scale-down-delay", "scaleDownDelay"),
    ("scale-to-zero-pod-retention-period", "scaleToZeroPodRetentionPeriod"),
    ("target-burst-capacity", "targetBurstCapacity"),
    ("target-utilization-percentage", "targetUtilizationPercentage"),
];

/// Where settings come from, and what was found to be wrong.
pub(super) struct Settings<'d> {
    data: &'d BTreeMap<String, String>,
    prefix: &'static str,
    pub(super) problems: Vec<SettingProblem>,
}

impl<'d> Settings<'d> {
    /// A ConfigMap.
    pub(super) fn new(data: &'d BTreeMap<String, String>) -> Settings<'d> {
        Settings { data, prefix: "", problems: Vec::new() }
    }

    /// The annotations of a revision.
    pub(super) fn annotations(data: &'d BTreeMap<String, String>) -> Settings<'d> {
        Settings { data, prefix: PREFIX, problems: Vec::new() }
    }

    /// A problem with a key.
    pub(super) fn refuse(&mut self, key: &str, message: String) {
        let key = if key.contains('/') { key.to_owned() } else { format!("{}{key}", self.prefix) };
        self.problems.push(SettingProblem { key, message });
    }

    /// What stands at a key, in either spelling.
    pub(super) fn text(&self, key: &str) -> Option<&'d str> {
        if key.contains('/') {
            return self.data.get(key).map(String::as_str);
        }
        let old = OLD_SPELLINGS.iter().filter(|(new, _)| *new == key && !self.prefix.is_empty()).map(|(_, old)| *old);
        let mut spellings = std::iter::once(key).chain(old);
        spellings.find_map(|key| self.data.get(&format!("{}{key}", self.prefix))).map(String::as_str)
    }

    fn parse<T>(&mut self, key: &str, into: &mut T, what: &str, parse: impl Fn(&str) -> Option<T>) -> bool {
        let Some(text) = self.text(key) else { return false };
        match parse(text.trim()) {
            Some(value) => *into = value,
            None => self.refuse(key, format!("`{text}` is not {what}")),
        }
        true
    }

    /// A number; whether the key is there.
    pub(super) fn number(&mut self, key: &str, into: &mut f64) -> bool {
        self.parse(key, into, "a number", |text| text.parse().ok().filter(|number: &f64| number.is_finite()))
    }

    /// A whole number.
    pub(super) fn count(&mut self, key: &str, into: &mut i32) -> bool {
        self.parse(key, into, "a whole number", |text| text.parse().ok())
    }

    /// A duration.
    pub(super) fn duration(&mut self, key: &str, into: &mut SimDuration) -> bool {
        self.parse(key, into, "a duration such as 90s or 5m that is not negative", |text| SimDuration::parse(text).ok())
    }

    /// A flag, in the spellings of Go's `strconv.ParseBool`.
    pub(super) fn flag(&mut self, key: &str, into: &mut bool) {
        self.parse(key, into, "true or false", |text| match text {
            "true" | "True" | "TRUE" | "t" | "T" | "1" => Some(true),
            "false" | "False" | "FALSE" | "f" | "F" | "0" => Some(false),
            _ => None,
        });
    }

    /// `metric`.
    pub(super) fn metric(&mut self) -> ScalingMetric {
        match self.text("metric") {
            None | Some("concurrency") => ScalingMetric::Concurrency,
            Some("rps") => ScalingMetric::RequestsPerSecond,
            Some(other) => {
                let message = format!("`{other}` is no metric of this autoscaler: write concurrency or rps");
                self.refuse("metric", message);
                ScalingMetric::Concurrency
            }
        }
    }

    /// `metric-aggregation-algorithm`.
    pub(super) fn aggregation(&mut self) -> Aggregation {
        let name = self.text("metric-aggregation-algorithm").unwrap_or_default();
        if !matches!(name, "" | "linear" | "weighted-exponential" | "weightedExponential") {
            let message = format!("`{name}` is no algorithm: write linear or weighted-exponential");
            self.refuse("metric-aggregation-algorithm", message);
        }
        Aggregation::named(name)
    }
}
