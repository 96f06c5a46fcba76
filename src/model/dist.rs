//! Distributions of spans of time, sampled with a stream passed in.
//!
//! Sampling is by inversion wherever that is possible, through `libm`, so every platform draws the same bytes.

mod exponential;

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
    /// Gamma; a whole number as shape makes it Erlang, a sum of that many equal exponentials.
    Gamma {
        /// Mean, s.
        mean: f64,
        /// Shape, above 0; the squared coefficient of variation is one over it.
        shape: f64,
    },
    /// A mixture of exponentials.
    Hyperexponential {
        /// Probability (they sum to 1) and mean in seconds of each branch.
        branches: Vec<(f64, f64)>,
    },
    /// One of the listed spans, each equally likely.
    Empirical(Vec<SimDuration>),
    /// Straight lines between percentiles: probabilities that ascend from 0 to 1 and the spans in seconds at them, which do
    /// not descend. Below the first and above the last probability the span is that of the nearest.
    Percentiles(Vec<(f64, f64)>),
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

    /// The mean in seconds: infinite for a Pareto without bound whose shape is at most 1.
    pub fn mean_seconds(&self) -> f64 {
        self.moments().0
    }

    /// The mean of the square, in seconds squared: infinite for a Pareto without bound whose shape is at most 2.
    pub fn second_moment(&self) -> f64 {
        self.moments().1
    }

    /// The variance over the squared mean: 0 for a constant, 1 for an exponential; NaN where the mean is 0 or infinite.
    pub fn squared_variation(&self) -> f64 {
        let (mean, second) = self.moments();
        if mean == 0.0 || mean.is_infinite() { f64::NAN } else { (second / (mean * mean) - 1.0).max(0.0) }
    }

    /// The mean and the mean of the square.
    fn moments(&self) -> (f64, f64) {
        match self {
            Dist::Constant(span) => (span.as_seconds(), span.as_seconds() * span.as_seconds()),
            Dist::Uniform { min, max } => ((min + max) / 2.0, line_square(*min, *max)),
            Dist::Exponential { mean } => (*mean, 2.0 * mean * mean),
            Dist::Normal { mean, sd } => cut_normal_moments(*mean, *sd),
            Dist::Lognormal { mu, sigma } => {
                (libm::exp(mu + sigma * sigma / 2.0), libm::exp(2.0 * mu + 2.0 * sigma * sigma))
            }
            Dist::Weibull { scale, shape } => {
                (scale * libm::tgamma(1.0 + 1.0 / shape), scale * scale * libm::tgamma(1.0 + 2.0 / shape))
            }
            Dist::Pareto { min, shape, max } => {
                (pareto_moment(*min, *shape, *max, 1.0), pareto_moment(*min, *shape, *max, 2.0))
            }
            Dist::Gamma { mean, shape } => (*mean, mean * mean * (1.0 + 1.0 / shape)),
            Dist::Hyperexponential { branches } => branches
                .iter()
                .fold((0.0, 0.0), |(first, second), (p, mean)| (first + p * mean, second + 2.0 * p * mean * mean)),
            Dist::Empirical(spans) => {
                let mean_of = |power: fn(f64) -> f64| {
                    spans.iter().map(|span| power(span.as_seconds())).sum::<f64>() / spans.len() as f64
                };
                (mean_of(|x| x), mean_of(|x| x * x))
            }
            Dist::Percentiles(points) => percentile_moments(points),
        }
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
            Dist::Gamma { mean, shape } => mean / shape * stream.gamma(*shape),
            Dist::Percentiles(points) => at_probability(points, stream.unit()),
            Dist::Hyperexponential { branches } => branch_mean(branches, stream.unit()) * stream.exponential(),
        };
        SimDuration::from_seconds(seconds)
    }

    /// One span, by faster methods than [`Dist::sample`] has: other draws of the same distribution. For requests, which draw
    /// more than all else together.
    #[inline]
    pub fn fast_sample(&self, stream: &mut Stream) -> SimDuration {
        match self {
            Dist::Constant(span) => *span,
            Dist::Exponential { mean } => rounded(mean * stream.fast_exponential()),
            _ => self.other_fast_sample(stream),
        }
    }

    /// What is not so short that it should be part of its callers.
    #[inline(never)]
    fn other_fast_sample(&self, stream: &mut Stream) -> SimDuration {
        let seconds = match self {
            Dist::Normal { mean, sd } => (mean + sd * stream.fast_normal()).max(0.0),
            Dist::Lognormal { mu, sigma } => {
                return SimDuration(exponential::exp_ns(mu + sigma * stream.fast_normal()));
            }
            Dist::Weibull { scale, shape } => scale * libm::pow(stream.fast_exponential(), 1.0 / shape),
            Dist::Hyperexponential { branches } => branch_mean(branches, stream.unit()) * stream.fast_exponential(),
            _ => return self.sample(stream),
        };
        rounded(seconds)
    }
}

/// A span that is not negative, to the nearest nanosecond.
#[inline]
fn rounded(seconds: f64) -> SimDuration {
    SimDuration((seconds * 1e9 + 0.5) as u64)
}

/// The mean of the branch of a mixture that a uniform number falls into.
fn branch_mean(branches: &[(f64, f64)], mut part: f64) -> f64 {
    for &(probability, mean) in branches {
        if part < probability {
            return mean;
        }
        part -= probability;
    }
    branches.last().map_or(0.0, |branch| branch.1)
}

/// The mean square of what is uniform between `a` and `b`.
fn line_square(a: f64, b: f64) -> f64 {
    (a * a + a * b + b * b) / 3.0
}

/// The moments of a normal whose negative draws count as zero.
fn cut_normal_moments(mean: f64, sd: f64) -> (f64, f64) {
    if sd == 0.0 {
        return (mean, mean * mean);
    }
    let z = mean / sd;
    let above = 0.5 * libm::erfc(-z * std::f64::consts::FRAC_1_SQRT_2);
    let density = libm::exp(-z * z / 2.0) / libm::sqrt(std::f64::consts::TAU);
    (mean * above + sd * density, (mean * mean + sd * sd) * above + mean * sd * density)
}

/// The mean of the `power`-th power of a Pareto between `min` and `max`, by the integral of its density.
fn pareto_moment(min: f64, shape: f64, max: f64, power: f64) -> f64 {
    let lowest = libm::pow(min, power);
    let (span, excess) = (libm::log(max / min), power - shape);
    if span == 0.0 {
        return lowest;
    }
    // The integral of exp(excess x) from 0 to span; expm1 keeps it exact where the exponent is nearly 0.
    let integral = match (excess == 0.0, span.is_infinite()) {
        (false, true) if excess < 0.0 => -1.0 / excess,
        (_, true) => f64::INFINITY,
        (true, false) => span,
        (false, false) => libm::expm1(excess * span) / excess,
    };
    shape * lowest * integral / -libm::expm1(-shape * span)
}

/// The span at a probability on the lines between `points`.
fn at_probability(points: &[(f64, f64)], probability: f64) -> f64 {
    let next = points.partition_point(|(p, _)| *p <= probability);
    match (next.checked_sub(1).map(|last| points[last]), points.get(next)) {
        (Some((from, low)), Some((to, high))) => low + (high - low) * ((probability - from) / (to - from)),
        (Some((_, span)), None) | (None, Some(&(_, span))) => span,
        (None, None) => 0.0,
    }
}

fn percentile_moments(points: &[(f64, f64)]) -> (f64, f64) {
    let (Some(first), Some(last)) = (points.first(), points.last()) else { return (0.0, 0.0) };
    let ends = [(first.0, first.1), (1.0 - last.0, last.1)];
    let flat = ends.iter().fold((0.0, 0.0), |sum, (p, x)| (sum.0 + p * x, sum.1 + p * x * x));
    points.windows(2).fold(flat, |sum, pair| {
        let [(from, low), (to, high)] = [pair[0], pair[1]];
        (sum.0 + (to - from) * (low + high) / 2.0, sum.1 + (to - from) * line_square(low, high))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rng::Seed;

    /// Distributions with mean and second moment, worked out by hand.
    fn known() -> Vec<(Dist, f64, f64)> {
        let second = SimDuration(1_000_000_000);
        let halves = vec![(0.0, 1.0), (0.5, 2.0), (1.0, 5.0)];
        let inner = vec![(0.5, 1.0), (0.9, 3.0)];
        vec![
            (Dist::Constant(SimDuration(3 * second.0)), 3.0, 9.0),
            // 2^2 + 2^2 / 12
            (Dist::Uniform { min: 1.0, max: 3.0 }, 2.0, 13.0 / 3.0),
            (Dist::Exponential { mean: 5.0 }, 5.0, 50.0),
            (Dist::Normal { mean: 10.0, sd: 1.0 }, 10.0, 101.0),
            // Half of it is cut: sd / sqrt(2 pi) = 0.39894 sd, and half of sd^2.
            (Dist::Normal { mean: 0.0, sd: 2.0 }, 0.797_884_56, 2.0),
            // 4^2 + 2^2
            (Dist::lognormal_from_mean_sd(4.0, 2.0), 4.0, 20.0),
            // scale * Gamma(1 + 1/2) = 2 * 0.8862, scale^2 * Gamma(2)
            (Dist::Weibull { scale: 2.0, shape: 2.0 }, 1.772_453_85, 4.0),
            // shape min / (shape - 1) = 5 / 4, shape min^2 / (shape - 2) = 5 / 3
            (Dist::Pareto { min: 1.0, shape: 5.0, max: f64::INFINITY }, 1.25, 5.0 / 3.0),
            // Density 4/3 x^-2 on 1 to 4: 4/3 ln 4, 4/3 * 3.
            (Dist::Pareto { min: 1.0, shape: 1.0, max: 4.0 }, 1.848_392_48, 4.0),
            // Density 8/3 x^-3 on 1 to 2: 8/3 (1 - 1/2), 8/3 ln 2.
            (Dist::Pareto { min: 1.0, shape: 2.0, max: 2.0 }, 4.0 / 3.0, 1.848_392_48),
            (Dist::Pareto { min: 2.0, shape: 2.0, max: 2.0 }, 2.0, 4.0),
            // 6^2 (1 + 1/4)
            (Dist::Gamma { mean: 6.0, shape: 4.0 }, 6.0, 45.0),
            (Dist::Gamma { mean: 1.0, shape: 0.5 }, 1.0, 3.0),
            // 0.9 * 1 + 0.1 * 10, 2 (0.9 * 1 + 0.1 * 100)
            (Dist::Hyperexponential { branches: vec![(0.9, 1.0), (0.1, 10.0)] }, 1.9, 21.8),
            (Dist::Empirical(vec![second, SimDuration(2 * second.0)]), 1.5, 2.5),
            // Half uniform on 1 to 2, half on 2 to 5: (1.5 + 3.5) / 2, (7/3 + 13) / 2.
            (Dist::Percentiles(halves), 2.5, 23.0 / 3.0),
            // 0.5 * 1 + 0.4 * 2 + 0.1 * 3, 0.5 * 1 + 0.4 * 13/3 + 0.1 * 9
            (Dist::Percentiles(inner), 1.6, 47.0 / 15.0),
        ]
    }

    #[test]
    fn moments_are_those_of_the_formulas() {
        for (dist, mean, second) in known() {
            assert!((dist.mean_seconds() - mean).abs() < 1e-8 * mean, "{dist:?}: {}", dist.mean_seconds());
            assert!((dist.second_moment() - second).abs() < 1e-8 * second, "{dist:?}: {}", dist.second_moment());
            let variation = second / (mean * mean) - 1.0;
            assert!((dist.squared_variation() - variation).abs() < 1e-7, "{dist:?}: {}", dist.squared_variation());
        }
        let heavy = |shape| Dist::Pareto { min: 1.0, shape, max: f64::INFINITY };
        assert_eq!((heavy(1.0).mean_seconds(), heavy(2.0).second_moment()), (f64::INFINITY, f64::INFINITY));
        assert_eq!((heavy(2.0).mean_seconds(), heavy(2.0).squared_variation()), (2.0, f64::INFINITY));
        assert!(heavy(0.5).squared_variation().is_nan() && Dist::ZERO.squared_variation().is_nan());
        // Nearly the exponent at which the formula is a logarithm instead.
        let near = Dist::Pareto { min: 1.0, shape: 1.0 + 1e-12, max: 4.0 };
        assert!((near.mean_seconds() - 1.848_392_48).abs() < 1e-8);
    }

    #[test]
    fn draws_have_the_moments_of_the_formulas() {
        let ways: [fn(&Dist, &mut Stream) -> SimDuration; 2] = [Dist::sample, Dist::fast_sample];
        for ((dist, mean, second), way) in known().into_iter().flat_map(|row| ways.map(|way| (row.clone(), way))) {
            let mut stream = Seed { base: 7, replication: 0 }.stream("dist", 0);
            let n = 200_000;
            let draws: Vec<f64> = (0..n).map(|_| way(&dist, &mut stream).as_seconds()).collect();
            let measured = draws.iter().sum::<f64>() / f64::from(n);
            let measured_second = draws.iter().map(|x| x * x).sum::<f64>() / f64::from(n);
            // The standard error is sqrt(variance / n), by the formulas; the bound is five of them.
            let bound = 5.0 * ((second - mean * mean) / f64::from(n)).sqrt() + 1e-9;
            assert!((measured - mean).abs() < bound, "{dist:?}: {measured} instead of {mean}");
            assert!((measured_second - second).abs() < 0.05 * second, "{dist:?}: {measured_second}, not {second}");
        }
    }

    #[test]
    fn percentiles_are_where_they_are_said_to_be() {
        let points = [(0.0, 1.0), (0.5, 2.0), (0.5, 4.0), (0.99, 8.0), (1.0, 20.0)];
        // 1 + 0.5 * 1; a jump at the median; 4 + 4 / 2 at (0.5 + 0.99) / 2; 8 + 12 / 2.
        for (p, span) in [(0.0, 1.0), (0.25, 1.5), (0.5, 4.0), (0.745, 6.0), (0.99, 8.0), (0.995, 14.0), (1.0, 20.0)] {
            assert!((at_probability(&points, p) - span).abs() < 1e-12, "{p}");
        }
        // Outside the points nothing goes on.
        assert_eq!([0.0, 0.6].map(|p| at_probability(&[(0.1, 3.0), (0.5, 7.0)], p)), [3.0, 7.0]);
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
