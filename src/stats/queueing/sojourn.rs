//! Distributions of sojourn times that are counted in steps of a Poisson process.

use super::numeric::{poisson, tail_quantile};
use super::{check_probability, check_time};

/// The distribution of a time T that ends at one of the events of a Poisson process: P(T > t) is the sum over k of
/// P(Poisson(rate t) = k) times the probability that T outlives k events. Sums of exponential services are of this
/// kind, and first passages of Markov chains (uniformisation; Jensen 1953).
#[derive(Clone, Debug, PartialEq)]
pub struct SojournDistribution {
    /// Events per unit of time.
    rate: f64,
    /// The probabilities of outliving 0, 1, ... events, which fall; what follows counts as 0. `None` when the time is
    /// infinite.
    outlives: Option<Vec<f64>>,
}

/// Probabilities under this are not followed further.
pub(super) const NEGLIGIBLE: f64 = 1e-17;

impl SojournDistribution {
    pub(super) fn new(rate: f64, outlives: Vec<f64>) -> SojournDistribution {
        SojournDistribution { rate, outlives: Some(outlives) }
    }

    /// The time of a queue without a steady state.
    pub(super) fn infinite() -> SojournDistribution {
        SojournDistribution { rate: 1.0, outlives: None }
    }

    /// The mean: each event that is outlived or ends it takes 1 / rate.
    pub fn mean(&self) -> f64 {
        self.outlives.as_ref().map_or(f64::INFINITY, |outlives| outlives.iter().sum::<f64>() / self.rate)
    }

    /// The variance, from E(T^2) = sum of 2 (k + 1) P(outlives k) / rate^2. Infinite when the mean is.
    pub fn variance(&self) -> f64 {
        let Some(outlives) = &self.outlives else { return f64::INFINITY };
        let second: f64 = (1u64..).zip(outlives).map(|(k, p)| 2.0 * k as f64 * p).sum();
        second / (self.rate * self.rate) - self.mean() * self.mean()
    }

    /// P(T > `time`), to an absolute error of about 1e-15.
    ///
    /// # Panics
    /// When the time is negative or not finite.
    pub fn tail(&self, time: f64) -> f64 {
        check_time(time);
        let Some(outlives) = &self.outlives else { return 1.0 };
        let Some(last) = outlives.len().checked_sub(1) else { return 0.0 };
        let events = self.rate * time;
        // From the likeliest number of events outwards, until terms no longer count.
        let start = (libm::floor(events) as usize).min(last);
        let at_start = poisson(events, start as u64);
        let (mut sum, mut probability) = (0.0, at_start);
        for (k, outlived) in outlives.iter().enumerate().skip(start) {
            if sum + probability == sum && k > start {
                break;
            }
            sum += probability * outlived;
            probability *= events / (k + 1) as f64;
        }
        probability = at_start;
        for k in (0..start).rev() {
            probability *= (k + 1) as f64 / events;
            if sum + probability == sum {
                break;
            }
            sum += probability * outlives[k];
        }
        sum
    }

    /// The quantile, by bisection of the tail; meaningful up to about 1 - 1e-12.
    ///
    /// # Panics
    /// When the probability is not within 0 to 1.
    pub fn quantile(&self, probability: f64) -> f64 {
        check_probability(probability);
        if self.outlives.is_none() {
            return f64::INFINITY;
        }
        tail_quantile(probability, self.mean(), |time| self.tail(time))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_services() {
        // Outlives one event for sure, never two: (1 + x) e^-x with x = 3 t; mean 2 / 3, variance 2 / 9.
        let two = SojournDistribution::new(3.0, vec![1.0, 1.0]);
        for time in [0.0f64, 0.1, 1.0, 30.0] {
            let expected = (1.0 + 3.0 * time) * (-3.0 * time).exp();
            assert!((two.tail(time) - expected).abs() < 1e-15 * expected.max(1e-3), "{time}");
        }
        assert!((two.mean() - 2.0 / 3.0).abs() < 1e-15 && (two.variance() - 2.0 / 9.0).abs() < 1e-15);
        assert!((two.tail(two.quantile(0.99)) - 0.01).abs() < 1e-15);
    }

    #[test]
    fn a_geometric_number_of_events_is_exponential() {
        let weights: Vec<f64> = (0..40_000).map(|k| 0.999f64.powi(k)).collect();
        let time = SojournDistribution::new(1.0, weights);
        for at in [0.0, 1.0, 700.0, 5000.0, 20_000.0] {
            assert!((time.tail(at) - (-0.001 * at).exp()).abs() < 1e-13, "{at}: {}", time.tail(at));
        }
        assert!((time.quantile(0.99) - 1000.0 * 100f64.ln()).abs() < 1e-7);
    }

    #[test]
    fn infinite() {
        let never = SojournDistribution::infinite();
        assert_eq!((never.mean(), never.variance(), never.tail(1e9)), (f64::INFINITY, f64::INFINITY, 1.0));
        assert_eq!(never.quantile(0.5), f64::INFINITY);
    }
}
