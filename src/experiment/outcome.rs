//! What an experiment keeps of a run.

use serde::{Deserialize, Serialize};

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
