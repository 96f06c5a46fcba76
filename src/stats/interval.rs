//! Means of replications with their 95 % interval, and paired differences against a baseline.
//!
//! Replications are independent, so Student's t applies to their means. Two policies meet the same workload in each
//! replication (common random numbers), so they are compared by their differences, pair by pair, which removes the
//! workload's own variance.

use serde::{Deserialize, Serialize};
use statrs::distribution::{ContinuousCDF, StudentsT};
use statrs::function::erf::erfc_inv;

use super::Summary;

/// Which way a metric is better.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Direction {
    /// More is better, such as allocated GPUs.
    Higher,
    /// Less is better, such as waiting time or cost.
    Lower,
    /// Neither: the metric describes, such as the number of arrived pods.
    Neutral,
}

/// A mean and its 95 % interval.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct MeanInterval {
    /// How many values there were.
    pub count: u64,
    /// Their mean; NaN without values.
    pub mean: f64,
    /// Lower end of the interval; NaN with fewer than two values.
    pub low: f64,
    /// Upper end of the interval; NaN with fewer than two values.
    pub high: f64,
    /// Standard error of the mean; NaN with fewer than two values.
    pub standard_error: f64,
}

/// What a paired comparison says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// The whole interval lies on the better side of zero.
    Better,
    /// The whole interval lies on the worse side of zero.
    Worse,
    /// The whole interval lies on one side of zero, but neither side of this metric is better.
    Different,
    /// The interval contains zero, or there is no interval.
    Undecided,
}

impl Verdict {
    /// The word that stands in tables.
    pub fn as_str(self) -> &'static str {
        match self {
            Verdict::Better => "better",
            Verdict::Worse => "worse",
            Verdict::Different => "different",
            Verdict::Undecided => "undecided",
        }
    }
}

/// The mean of `other - baseline` over pairs.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct PairedDifference {
    /// Mean difference, its interval and standard error, over the pairs.
    pub difference: MeanInterval,
    /// Mean difference in standard deviations of the differences (Cohen's d for pairs, d_z); NaN when the differences
    /// do not vary or there are fewer than two.
    pub effect_size: f64,
    /// What the interval says.
    pub verdict: Verdict,
}

/// The quantile 0.975 of Student's t distribution, which bounds a two-sided 95 % interval; see [`student_t`].
///
/// # Panics
/// When `degrees_of_freedom` is 0.
pub fn student_t_975(degrees_of_freedom: u64) -> f64 {
    student_t(0.975, degrees_of_freedom)
}

/// The quantile of Student's t distribution at `probability`.
///
/// Rounded to nine decimals: the logarithms inside may differ in the last bits between platforms, and tables must not.
///
/// # Panics
/// When `degrees_of_freedom` is 0 or `probability` is not between 0 and 1.
///
/// ```
/// use wavetank::stats::student_t;
/// // One degree of freedom: tan(pi (p - 1/2)).
/// assert_eq!(student_t(0.75, 1), 1.0);
/// ```
pub fn student_t(probability: f64, degrees_of_freedom: u64) -> f64 {
    assert!(degrees_of_freedom > 0, "Student's t needs at least one degree of freedom");
    assert!(probability > 0.0 && probability < 1.0, "a probability is not between 0 and 1");
    let quantile = if degrees_of_freedom <= LARGEST_INVERTED {
        let distribution = StudentsT::new(0.0, 1.0, degrees_of_freedom as f64).expect("the parameters are valid");
        distribution.inverse_cdf(probability)
    } else {
        near_normal(standard_normal(probability), degrees_of_freedom as f64)
    };
    (quantile * 1e9).round() / 1e9
}

/// The quantile of the standard normal distribution at `probability`.
fn standard_normal(probability: f64) -> f64 {
    -std::f64::consts::SQRT_2 * erfc_inv(2.0 * probability)
}

/// Up to here the library inverts the distribution; at millions of degrees its result loses its leading digits.
const LARGEST_INVERTED: u64 = 1000;

/// The quantile for many degrees of freedom, from the normal one `z` by the expansion in Abramowitz and Stegun (1964),
/// 26.7.5; the first omitted term is 1.4e-12 at 1000 degrees for the quantile 0.975.
fn near_normal(z: f64, nu: f64) -> f64 {
    let (z3, z5, z7) = (z * z * z, z * z * z * z * z, z * z * z * z * z * z * z);
    let first = (z3 + z) / 4.0;
    let second = (5.0 * z5 + 16.0 * z3 + 3.0 * z) / 96.0;
    let third = (3.0 * z7 + 19.0 * z5 + 17.0 * z3 - 15.0 * z) / 384.0;
    z + (first + (second + third / nu) / nu) / nu
}

/// The mean of `values` with its 95 % Student-t interval.
pub fn mean_interval(values: &[f64]) -> MeanInterval {
    interval_of(&values.iter().copied().collect())
}

fn interval_of(summary: &Summary) -> MeanInterval {
    let (count, mean, standard_error) = (summary.count(), summary.mean(), summary.standard_error());
    let half_width = if count < 2 { f64::NAN } else { student_t_975(count - 1) * standard_error };
    MeanInterval { count, mean, low: mean - half_width, high: mean + half_width, standard_error }
}

/// Compares `other` with `baseline`, value by value: position i of both is the same replication.
///
/// # Panics
/// When the two have different lengths.
pub fn paired_difference(baseline: &[f64], other: &[f64], better: Direction) -> PairedDifference {
    assert_eq!(baseline.len(), other.len(), "a paired comparison needs pairs");
    let differences: Summary = baseline.iter().zip(other).map(|(base, value)| value - base).collect();
    let difference = interval_of(&differences);
    let deviation = differences.standard_deviation();
    let effect_size = if deviation > 0.0 { difference.mean / deviation } else { f64::NAN };
    PairedDifference { difference, effect_size, verdict: verdict(difference.low, difference.high, better) }
}

fn verdict(low: f64, high: f64, better: Direction) -> Verdict {
    // Written so that NaN ends lead to the last arm.
    match (low > 0.0, high < 0.0, better) {
        (true, _, Direction::Higher) | (_, true, Direction::Lower) => Verdict::Better,
        (true, _, Direction::Lower) | (_, true, Direction::Higher) => Verdict::Worse,
        (true, _, Direction::Neutral) | (_, true, Direction::Neutral) => Verdict::Different,
        (false, false, _) => Verdict::Undecided,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn t_quantiles_have_their_closed_forms_and_table_values() {
        // One degree: tan(pi (p - 1/2)). Two: (2 p - 1) / sqrt(2 p (1 - p)) = 0.95 / sqrt(0.04875).
        assert!((student_t_975(1) - (std::f64::consts::PI * 0.475).tan()).abs() < 1e-9);
        assert!((student_t_975(2) - 0.95 / 0.04875f64.sqrt()).abs() < 1e-9);
        // The table at the end of every textbook.
        for (degrees, expected) in [
            (3, 3.182),
            (4, 2.776),
            (5, 2.571),
            (9, 2.262),
            (19, 2.093),
            (29, 2.045),
            (120, 1.980),
            (10_000_000, 1.960),
        ] {
            assert!((student_t_975(degrees) - expected).abs() < 5.1e-4, "{degrees}: {}", student_t_975(degrees));
        }
        // Two ways, one result, where they meet.
        for probability in [0.025, 0.9, 0.975, 0.995, 0.9995] {
            let expanded = near_normal(standard_normal(probability), LARGEST_INVERTED as f64);
            assert!((student_t(probability, LARGEST_INVERTED) - expanded).abs() < 2e-9, "{probability}: {expanded}");
        }
    }

    #[test]
    fn t_quantiles_at_other_levels() {
        // Two degrees: (2 p - 1) / sqrt(2 p (1 - p)); the rest from the table at the end of every textbook.
        assert!((student_t(0.995, 2) - 0.99 / (2.0 * 0.995 * 0.005f64).sqrt()).abs() < 1e-9);
        for (probability, degrees, expected) in [
            (0.9, 5, 1.476),
            (0.95, 10, 1.812),
            (0.995, 9, 3.250),
            (0.995, 31, 2.744),
            (0.9995, 20, 3.850),
            (0.005, 31, -2.744),
            (0.995, 10_000_000, 2.576),
        ] {
            let found = student_t(probability, degrees);
            assert!((found - expected).abs() < 5.1e-4, "{probability}, {degrees}: {found}");
        }
        assert_eq!(student_t(0.5, 7), 0.0);
        // What it was before there were other levels, to the last digit.
        assert_eq!([1, 4, 30, 1000].map(student_t_975), [12.706204736, 2.776445105, 2.042272456, 1.962339081]);
        assert_eq!([1001, 5000, 1 << 40].map(student_t_975), [1.962336705, 1.960438552, 1.959963985]);
    }

    #[test]
    fn t_quantiles_leave_a_fortieth_above_them() {
        for degrees in [3u64, 7, 30, 200] {
            // The density without its constant, by Simpson's rule, normalised by the integral far into the tail.
            let nu = degrees as f64;
            let density = |x: f64| (1.0 + x * x / nu).powf(-(nu + 1.0) / 2.0);
            let simpson = |end: f64, steps: usize| -> f64 {
                let width = end / steps as f64;
                (0..=steps)
                    .map(|i| match i {
                        0 => 1.0,
                        _ if i == steps => 1.0,
                        _ if i % 2 == 1 => 4.0,
                        _ => 2.0,
                    } * density(i as f64 * width))
                    .sum::<f64>()
                    * width
                    / 3.0
            };
            let below = simpson(student_t_975(degrees), 2000);
            assert!((below / simpson(2000.0, 400_000) - 0.95).abs() < 1e-6, "{degrees}");
        }
    }

    #[test]
    fn interval_of_known_values() {
        // Mean 30 / 5 = 6; squared distances 16 + 4 + 0 + 4 + 16 = 40; variance 40 / 4 = 10; standard error
        // sqrt(10 / 5) = 1.41421; t(4) = 2.77645; half width 3.92648.
        let interval = mean_interval(&[2.0, 4.0, 6.0, 8.0, 10.0]);
        assert_eq!((interval.count, interval.mean), (5, 6.0));
        assert!((interval.standard_error - std::f64::consts::SQRT_2).abs() < 1e-14);
        assert!((interval.low - (6.0 - 3.926_48)).abs() < 1e-5);
        assert!((interval.high - (6.0 + 3.926_48)).abs() < 1e-5);
    }

    #[test]
    fn nothing_and_one_value_have_no_interval() {
        let none = mean_interval(&[]);
        assert!(none.count == 0 && none.mean.is_nan() && none.low.is_nan() && none.high.is_nan());
        let one = mean_interval(&[4.0]);
        assert!(one.count == 1 && one.mean == 4.0 && one.low.is_nan() && one.high.is_nan());
    }

    #[test]
    fn verdicts() {
        let base = [10.0, 20.0, 30.0];
        for (other, better, expected) in [
            // Differences 1, 1.1, 0.9: mean 1, deviation 0.1, half width 4.303 * 0.1 / sqrt(3) = 0.248.
            ([11.0, 21.1, 30.9], Direction::Higher, Verdict::Better),
            ([11.0, 21.1, 30.9], Direction::Lower, Verdict::Worse),
            ([11.0, 21.1, 30.9], Direction::Neutral, Verdict::Different),
            ([9.0, 18.9, 29.1], Direction::Higher, Verdict::Worse),
            ([9.0, 18.9, 29.1], Direction::Lower, Verdict::Better),
            // Differences 1, -1, 0.3: the interval contains zero.
            ([11.0, 19.0, 30.3], Direction::Higher, Verdict::Undecided),
            // No difference at all.
            (base, Direction::Higher, Verdict::Undecided),
            // Differences that do not vary leave no doubt.
            ([11.0, 21.0, 31.0], Direction::Higher, Verdict::Better),
        ] {
            assert_eq!(paired_difference(&base, &other, better).verdict, expected, "{other:?} {better:?}");
        }
        assert_eq!(paired_difference(&[1.0], &[9.0], Direction::Higher).verdict, Verdict::Undecided);
        assert_eq!(paired_difference(&[], &[], Direction::Higher).verdict, Verdict::Undecided);
        assert_eq!(paired_difference(&[f64::NAN; 3], &base, Direction::Higher).verdict, Verdict::Undecided);
    }

    #[test]
    fn pairing_removes_what_the_pairs_share() {
        // Student's sleep data (1908): extra hours of sleep of ten patients under two drugs. Differences: mean 1.58,
        // deviation 1.22996, standard error 0.388946; t(9) = 2.262157, half width 0.879856.
        let first = [0.7, -1.6, -0.2, -1.2, -0.1, 3.4, 3.7, 0.8, 0.0, 2.0];
        let second = [1.9, 0.8, 1.1, 0.1, -0.1, 4.4, 5.5, 1.6, 4.6, 3.4];
        let paired = paired_difference(&first, &second, Direction::Higher);
        assert!((paired.difference.mean - 1.58).abs() < 1e-12);
        assert!((paired.difference.low - 0.700_114).abs() < 1e-5, "{paired:?}");
        assert!((paired.difference.high - 2.459_886).abs() < 1e-5, "{paired:?}");
        // 1.58 / 1.22996.
        assert!((paired.effect_size - 1.284_6).abs() < 1e-3);
        assert_eq!(paired.verdict, Verdict::Better);
    }

    proptest! {
        #[test]
        fn swapping_sides_mirrors_the_interval(pairs in prop::collection::vec((-100..100i32, -100..100i32), 2..30)) {
            let (a, b): (Vec<f64>, Vec<f64>) = pairs.iter().map(|&(a, b)| (f64::from(a), f64::from(b))).unzip();
            let forth = paired_difference(&a, &b, Direction::Higher);
            let back = paired_difference(&b, &a, Direction::Lower);
            prop_assert_eq!(forth.difference.mean, -back.difference.mean);
            prop_assert_eq!(forth.difference.low, -back.difference.high);
            prop_assert_eq!(forth.verdict, back.verdict);
        }
    }
}
