//! What an experiment keeps of a run.

use serde::{Deserialize, Serialize};

use super::single::RunRecord;
pub use crate::results::Metric;
use crate::results::metric::number_or_nan;

/// What one run measured.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct RunOutcome {
    /// Single numbers; each name at most once.
    pub metrics: Vec<Metric>,
    /// Numbers along an axis; each metric at most once.
    pub curves: Vec<Curve>,
}

/// A metric along an axis that all runs share, such as arrived demand in percent.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Curve {
    /// Name with its unit last.
    pub metric: String,
    /// Pairs of place on the axis and value; each place at most once. Replications are averaged where their places are
    /// equal, so runs sample at common places.
    pub points: Vec<(Number, Number)>,
}

/// A number of which JSON can hold the missing value, too.
#[derive(Clone, Copy, Debug, PartialEq, PartialOrd, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Number(#[serde(deserialize_with = "number_or_nan")] pub f64);

impl Curve {
    /// A curve through `points`.
    pub fn new(metric: impl Into<String>, points: impl IntoIterator<Item = (f64, f64)>) -> Curve {
        Curve { metric: metric.into(), points: points.into_iter().map(|(x, y)| (Number(x), Number(y))).collect() }
    }
}

impl RunOutcome {
    /// The outcome with these metrics only, in its own order; no names at all keep everything. Curves stay.
    #[must_use]
    pub fn restricted_to(mut self, names: &[String]) -> RunOutcome {
        self.metrics.retain(|metric| names.is_empty() || names.contains(&metric.name));
        self
    }
}

impl From<RunRecord> for RunOutcome {
    /// The key figures, and allocation and fragmentation over arrived demand in whole percent.
    fn from(record: RunRecord) -> RunOutcome {
        let curve = |position: usize, name| Curve::new(name, record.packing.iter().map(|at| (at[0], at[position])));
        let names = ["allocated_pct", "frag_ratio_pct", "frag_amount_pct"];
        let curves = names.into_iter().enumerate().map(|(position, name)| curve(position + 1, name)).collect();
        RunOutcome { metrics: record.metrics, curves }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use crate::stats::Direction;

    use super::*;

    fn through_json(outcome: &RunOutcome) -> RunOutcome {
        serde_json::from_str(&serde_json::to_string(outcome).expect("it is plain data")).expect("it reads back")
    }

    fn outcome(value: f64) -> RunOutcome {
        let metric = Metric { name: "m".into(), unit: "u".into(), value, better: Direction::Lower };
        RunOutcome { metrics: vec![metric], curves: vec![Curve::new("c", [(0.1, value)])] }
    }

    #[test]
    fn metrics_may_be_restricted() {
        let names = |keep: &[&str]| {
            let figure =
                |name: &str| Metric { name: name.into(), unit: "u".into(), value: 1.0, better: Direction::Lower };
            let outcome = RunOutcome { metrics: vec![figure("a"), figure("b"), figure("c")], curves: vec![] };
            let keep: Vec<String> = keep.iter().map(|&name| name.into()).collect();
            outcome.restricted_to(&keep).metrics.into_iter().map(|metric| metric.name).collect::<Vec<_>>()
        };
        assert_eq!(names(&["c", "a", "x"]), ["a", "c"]);
        assert_eq!(names(&[]), ["a", "b", "c"]);
    }

    #[test]
    fn what_is_not_finite_becomes_missing() {
        for value in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
            let back = through_json(&outcome(value));
            assert!(back.metrics[0].value.is_nan());
            assert_eq!(back.curves[0].points[0].0, Number(0.1));
            assert!(back.curves[0].points[0].1.0.is_nan());
        }
    }

    proptest! {
        #[test]
        fn finite_numbers_survive_to_the_last_bit(bits in any::<u64>()) {
            let value = f64::from_bits(bits);
            prop_assume!(value.is_finite());
            let back = through_json(&outcome(value));
            prop_assert_eq!(back.metrics[0].value.to_bits(), bits);
            prop_assert_eq!(back.curves[0].points[0].1.0.to_bits(), bits);
        }
    }
}
