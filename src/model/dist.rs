//! Distributions of spans of time, sampled with a stream passed in.
//!
//! Sampling is by inversion wherever that is possible, through `libm`, so every platform draws the same bytes.

use crate::rng::Stream;
use crate::units::SimDuration;

/// A distribution of spans, in seconds.
#[derive(Clone, Debug, PartialEq)]
pub enum Dist {
    /// Always the same span.
    Constant(SimDuration),
    /// Uniform between two spans.
    Uniform {
        /// Shortest, s.
        min: f64,
        /// Longest, s.
        max: f64,
    },
    /// Exponential.
    Exponential {
        /// Mean, s.
        mean: f64,
    },
    /// Normal, cut at zero.
    Normal {
        /// Mean before the cut, s.
        mean: f64,
        /// Standard deviation before the cut, s.
        sd: f64,
    },
    /// Lognormal.
    Lognormal {
        /// Mean of the logarithm of the span in seconds.
        mu: f64,
        /// Standard deviation of that logarithm.
        sigma: f64,
    },
    /// Weibull.
    Weibull {
        /// Scale, s.
        scale: f64,
        /// Shape; below 1 the hazard falls with age.
        shape: f64,
    },
    /// Pareto, bounded above.
    Pareto {
        /// Shortest, s.
        min: f64,
        /// Tail index.
        shape: f64,
        /// Longest, s; may be infinite.
        max: f64,
    },
    /// A mixture of exponentials.
    Hyperexponential {
        /// Probability (they sum to 1) and mean in seconds of each branch.
        branches: Vec<(f64, f64)>,
    },
    /// One of the listed spans, each equally likely.
    Empirical(Vec<SimDuration>),
}

impl Default for Dist {
    fn default() -> Self {
        Dist::ZERO
    }
}

impl Dist {
    /// Always no time at all.
    pub const ZERO: Dist = Dist::Constant(SimDuration::ZERO);

    /// The lognormal with the given mean and standard deviation, both in seconds.
    pub fn lognormal_from_mean_sd(mean: f64, sd: f64) -> Dist {
        // Var = (exp(sigma^2) - 1) mean^2 and mean = exp(mu + sigma^2 / 2).
        let variance = libm::log1p((sd / mean) * (sd / mean));
        Dist::Lognormal { mu: libm::log(mean) - variance / 2.0, sigma: libm::sqrt(variance) }
    }

    /// The lognormal with the given mean and 99th percentile, both in seconds; none when no lognormal has them
    /// (the percentile must lie between the mean and 14.97 times the mean).
    pub fn lognormal_from_mean_p99(mean: f64, p99: f64) -> Option<Dist> {
        // ln p99 = mu + z sigma and ln mean = mu + sigma^2 / 2, so sigma^2 / 2 - z sigma + ln(p99 / mean) = 0.
        const Z99: f64 = 2.326_347_874_040_841;
        let ratio = libm::log(p99 / mean);
        let discriminant = Z99 * Z99 - 2.0 * ratio;
        if ratio.is_nan() || ratio < 0.0 || discriminant < 0.0 {
            return None;
        }
        let sigma = Z99 - libm::sqrt(discriminant);
        Some(Dist::Lognormal { mu: libm::log(mean) - sigma * sigma / 2.0, sigma })
    }

    /// Whether every draw is zero.
    pub fn is_zero(&self) -> bool {
        *self == Dist::ZERO
    }

    /// One span.
    pub fn sample(&self, stream: &mut Stream) -> SimDuration {
        let seconds = match self {
            Dist::Constant(span) => return *span,
            Dist::Empirical(spans) => return spans[stream.below(spans.len() as u64) as usize],
            Dist::Uniform { min, max } => min + (max - min) * stream.unit(),
            Dist::Exponential { mean } => mean * stream.exponential(),
            Dist::Normal { mean, sd } => (mean + sd * stream.normal()).max(0.0),
            Dist::Lognormal { mu, sigma } => libm::exp(mu + sigma * stream.normal()),
            Dist::Weibull { scale, shape } => scale * libm::pow(stream.exponential(), 1.0 / shape),
            Dist::Pareto { min, shape, max } => {
                // Inverse of the distribution function between min and max; max may be infinite.
                let tail = libm::pow(min / max, *shape);
                min * libm::pow(1.0 - stream.unit() * (1.0 - tail), -1.0 / shape)
            }
            Dist::Hyperexponential { branches } => {
                let mut left = stream.unit();
                let mut mean = branches.last().map_or(0.0, |branch| branch.1);
                for &(probability, branch_mean) in branches {
                    if left < probability {
                        mean = branch_mean;
                        break;
                    }
                    left -= probability;
                }
                mean * stream.exponential()
            }
        };
        SimDuration::from_seconds(seconds)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rng::Seed;

    fn mean_seconds(dist: &Dist) -> f64 {
        let mut stream = Seed { base: 7, replication: 0 }.stream("dist", 0);
        let n = 200_000;
        (0..n).map(|_| dist.sample(&mut stream).as_seconds()).sum::<f64>() / f64::from(n)
    }

    #[test]
    fn means_are_those_of_the_formulas() {
        for (dist, mean) in [
            (Dist::Constant(SimDuration(3_000_000_000)), 3.0),
            (Dist::Uniform { min: 1.0, max: 3.0 }, 2.0),
            (Dist::Exponential { mean: 5.0 }, 5.0),
            (Dist::Normal { mean: 10.0, sd: 1.0 }, 10.0),
            (Dist::lognormal_from_mean_sd(4.0, 2.0), 4.0),
            // scale * Gamma(1 + 1/2) = 2 * 0.8862
            (Dist::Weibull { scale: 2.0, shape: 2.0 }, 1.772_45),
            // shape * min / (shape - 1) = 3 * 1 / 2
            (Dist::Pareto { min: 1.0, shape: 3.0, max: f64::INFINITY }, 1.5),
            // 0.9 * 1 + 0.1 * 10
            (Dist::Hyperexponential { branches: vec![(0.9, 1.0), (0.1, 10.0)] }, 1.9),
            (Dist::Empirical(vec![SimDuration(1_000_000_000), SimDuration(2_000_000_000)]), 1.5),
        ] {
            let measured = mean_seconds(&dist);
            assert!((measured - mean).abs() < 0.03 * mean, "{dist:?}: {measured} instead of {mean}");
        }
    }

    #[test]
    fn a_lognormal_can_be_given_by_mean_and_percentile() {
        let dist = Dist::lognormal_from_mean_p99(1.0, 5.0).expect("5 times the mean is possible");
        let mut stream = Seed { base: 7, replication: 0 }.stream("dist", 1);
        let mut draws: Vec<f64> = (0..100_000).map(|_| dist.sample(&mut stream).as_seconds()).collect();
        draws.sort_by(f64::total_cmp);
        assert!((draws[99_000] - 5.0).abs() < 0.25, "{}", draws[99_000]);
        assert!(Dist::lognormal_from_mean_p99(1.0, 20.0).is_none());
        assert!(Dist::lognormal_from_mean_p99(1.0, 0.5).is_none());
    }
}
