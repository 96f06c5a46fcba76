//! Intervals by resampling, for quantities whose distribution nobody knows, such as times on a shared machine.
//!
//! The interval is the expanded percentile interval of Hesterberg (2015, "What Teachers Should Know About the
//! Bootstrap", The American Statistician 69:4): the quantiles of the resampled means at Phi(-w) and Phi(w) with
//! w = sqrt(n / (n - 1)) t(0.975, n - 1). The plain percentiles (w = 1.96) are too narrow for small samples: with five
//! values they cover the truth about 83 % of the time. Cost: 10 000 resamples of n values, 0.5 ms for n = 10.

use statrs::function::erf::erfc;

use super::interval::student_t_975;
use super::quantiles;
use crate::rng::Stream;

const RESAMPLES: usize = 10_000;

/// An estimate and its 95 % bootstrap interval.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct BootstrapInterval {
    /// The estimate itself, from the values as they are; NaN without values.
    pub estimate: f64,
    /// Lower end of the interval; NaN with fewer than two values.
    pub low: f64,
    /// Upper end of the interval; NaN with fewer than two values.
    pub high: f64,
}

/// The mean of `values` with its interval. Draws from `stream` what it needs.
pub fn bootstrap_mean(values: &[f64], stream: &mut Stream) -> BootstrapInterval {
    interval(mean(values), values.len(), || resampled_mean(values, stream))
}

/// The mean of `other` less the mean of `baseline`, two samples that are independent of each other, with its interval.
pub fn bootstrap_difference(baseline: &[f64], other: &[f64], stream: &mut Stream) -> BootstrapInterval {
    let estimate = mean(other) - mean(baseline);
    interval(estimate, baseline.len().min(other.len()), || {
        resampled_mean(other, stream) - resampled_mean(baseline, stream)
    })
}

/// `count` is that of the smallest sample.
fn interval(estimate: f64, count: usize, mut resample: impl FnMut() -> f64) -> BootstrapInterval {
    if count < 2 {
        return BootstrapInterval { estimate, low: f64::NAN, high: f64::NAN };
    }
    let mut means: Vec<f64> = (0..RESAMPLES).map(|_| resample()).collect();
    let n = count as f64;
    let width = (n / (n - 1.0)).sqrt() * student_t_975(count as u64 - 1);
    let tail = 0.5 * erfc(width / std::f64::consts::SQRT_2);
    let ends = quantiles(&mut means, &[tail, 1.0 - tail]);
    BootstrapInterval { estimate, low: ends[0], high: ends[1] }
}

fn mean(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / values.len() as f64
}

fn resampled_mean(values: &[f64], stream: &mut Stream) -> f64 {
    let count = values.len();
    (0..count).map(|_| values[stream.below(count as u64) as usize]).sum::<f64>() / count as f64
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rng::Seed;

    fn stream(entity: u64) -> Stream {
        Seed { base: 7, replication: 0 }.stream("bootstrap", entity)
    }

    #[test]
    fn five_values_by_hand() {
        // w = sqrt(5 / 4) * 2.77645 = 3.10417, so the tails hold 0.00095 each. Of the 5^5 = 3125 equally likely
        // resamples one has the mean 2 and five have 2.4: the tail ends among the latter (1 / 3125 = 0.00032, 6 / 3125
        // = 0.00192). The same at the upper end.
        let interval = bootstrap_mean(&[2.0, 4.0, 6.0, 8.0, 10.0], &mut stream(0));
        assert_eq!(interval.estimate, 6.0);
        assert!((interval.low - 2.4).abs() < 1e-9 && (interval.high - 9.6).abs() < 1e-9, "{interval:?}");
    }

    #[test]
    fn many_values_give_the_normal_interval() {
        // 0 to 999: mean 499.5, deviation 288.675, standard error 9.1287, half width 1.96 * 9.1287 = 17.9.
        let values: Vec<f64> = (0..1000).map(f64::from).collect();
        let interval = bootstrap_mean(&values, &mut stream(1));
        assert!((interval.low - 481.6).abs() < 1.0 && (interval.high - 517.4).abs() < 1.0, "{interval:?}");
        // Two such samples, 100 apart: standard error 9.1287 * sqrt(2) = 12.91, half width 25.3.
        let shifted: Vec<f64> = values.iter().map(|value| value + 100.0).collect();
        let interval = bootstrap_difference(&values, &shifted, &mut stream(2));
        assert_eq!(interval.estimate, 100.0);
        assert!((interval.low - 74.7).abs() < 1.5 && (interval.high - 125.3).abs() < 1.5, "{interval:?}");
    }

    #[test]
    fn edges() {
        let none = bootstrap_mean(&[], &mut stream(3));
        assert!(none.estimate.is_nan() && none.low.is_nan() && none.high.is_nan());
        let one = bootstrap_difference(&[1.0], &[3.0, 5.0], &mut stream(3));
        assert!(one.estimate == 3.0 && one.low.is_nan() && one.high.is_nan());
        let same = bootstrap_mean(&[0.5; 4], &mut stream(3));
        assert_eq!((same.estimate, same.low, same.high), (0.5, 0.5, 0.5));
    }

    #[test]
    fn small_samples_are_covered_as_promised() {
        // 300 samples of five normal numbers with mean 0. At 95 % coverage 285 are expected, deviation 3.8; the plain
        // percentiles would cover about 249.
        let covered = (0..300).filter(|&sample| {
            let mut stream = stream(100 + sample);
            let values: Vec<f64> = (0..5).map(|_| stream.normal()).collect();
            let interval = bootstrap_mean(&values, &mut stream);
            interval.low <= 0.0 && interval.high >= 0.0
        });
        let covered = covered.count();
        assert!((265..=299).contains(&covered), "{covered} of 300");
    }
}
