//! Poisson probabilities that keep their digits at any mean, and roots of monotone functions.

use std::f64::consts::TAU;

/// The probability that a Poisson variable with mean `mean` is `n`, by the saddle-point form of Loader, "Fast and
/// accurate computation of binomial probabilities" (2000): exp of a difference of large logarithms would lose digits.
pub(super) fn poisson(mean: f64, n: u64) -> f64 {
    if n == 0 {
        return libm::exp(-mean);
    }
    let count = n as f64;
    libm::exp(-stirling_error(count) - deviance(count, mean)) / libm::sqrt(TAU * count)
}

/// ln n! - ln(sqrt(2 pi n) (n / e)^n).
fn stirling_error(n: f64) -> f64 {
    if n < 16.0 {
        return libm::lgamma(n + 1.0) - 0.5 * libm::log(TAU * n) - n * (libm::log(n) - 1.0);
    }
    // The first omitted term is 1 / 1188 n^9, 1.2e-14 at 16.
    let square = n * n;
    (1.0 / 12.0 - (1.0 / 360.0 - (1.0 / 1260.0 - 1.0 / (1680.0 * square)) / square) / square) / n
}

/// n ln(n / mean) + mean - n, by a series where the two nearly meet.
fn deviance(n: f64, mean: f64) -> f64 {
    let ratio = (n - mean) / (n + mean);
    if ratio.abs() >= 0.1 {
        return n * libm::log(n / mean) + mean - n;
    }
    // ln(n / mean) = 2 (v + v^3 / 3 + ...) and mean - n = -v (n + mean).
    let mut sum = (n - mean) * ratio;
    let mut power = 2.0 * n * ratio;
    for odd in (3..).step_by(2) {
        power *= ratio * ratio;
        let next = sum + power / f64::from(odd);
        if next == sum {
            break;
        }
        sum = next;
    }
    sum
}

/// The probability that a Poisson variable is at least `n`.
pub(super) fn poisson_at_least(mean: f64, n: u64) -> f64 {
    if n == 0 {
        return 1.0;
    }
    if (n as f64) <= mean {
        return 1.0 - poisson_below(mean, n);
    }
    let (mut term, mut sum) = (poisson(mean, n), 0.0);
    let mut next = n;
    while sum + term != sum {
        sum += term;
        next += 1;
        term *= mean / next as f64;
    }
    sum
}

/// The probability that a Poisson variable is less than `n`, which is not above the mean.
fn poisson_below(mean: f64, n: u64) -> f64 {
    let (mut term, mut sum) = (poisson(mean, n - 1), 0.0);
    let mut at = n - 1;
    while sum + term != sum {
        sum += term;
        term *= at as f64 / mean;
        at = at.saturating_sub(1);
    }
    sum
}

/// The mean of the excess of a Poisson variable over `level`, which is not below the mean: a sum of positive terms.
pub(super) fn poisson_excess(mean: f64, level: u64) -> f64 {
    let (mut term, mut sum) = (poisson(mean, level), 0.0);
    for excess in 1u64.. {
        term *= mean / (level + excess) as f64;
        let next = sum + term * excess as f64;
        if next == sum {
            break;
        }
        sum = next;
    }
    sum
}

/// Where a function that falls from positive to negative on `low` to `high` crosses zero, by bisection down to
/// neighbouring floats.
pub(super) fn falling_root(mut low: f64, mut high: f64, value: impl Fn(f64) -> f64) -> f64 {
    loop {
        let middle = low + (high - low) / 2.0;
        if middle <= low || middle >= high {
            return middle;
        }
        if value(middle) > 0.0 {
            low = middle;
        } else {
            high = middle;
        }
    }
}

/// The quantile at `probability` of a variable with this tail, P(X > t); `scale` is any guess of its size.
pub(super) fn tail_quantile(probability: f64, scale: f64, tail: impl Fn(f64) -> f64) -> f64 {
    let beyond = 1.0 - probability;
    if beyond <= 0.0 {
        return f64::INFINITY;
    }
    if tail(0.0) <= beyond {
        return 0.0;
    }
    let mut high = scale;
    while tail(high) > beyond {
        high *= 2.0;
    }
    falling_root(0.0, high, |t| tail(t) - beyond)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn poisson_probabilities() {
        for (mean, n, expected) in [
            // e^-2 2^3 / 3! = 0.1353352832 * 8 / 6.
            (2.0, 3, 0.180_447_044_315_483_6),
            // No arrivals: e^-5.
            (5.0, 0, 0.006_737_946_999_085_467),
            (0.0, 0, 1.0),
            (0.0, 4, 0.0),
            // e^-20 20^20 / 20!: 20^20 = 1.048576e26, 20! = 2432902008176640000, e^-20 = 2.0611536224385579e-9.
            (20.0, 20, 1.048_576e26 / 2_432_902_008_176_640_000.0 * 2.061_153_622_438_558e-9),
            // At a large integer mean n: 1 / sqrt(2 pi n) (1 - 1 / 12 n + 1 / 288 n^2).
            (1e6, 1_000_000, 3.989_422_804_014_327e-4 * (1.0 - 1.0 / 12e6)),
        ] {
            let found = poisson(mean, n);
            assert!((found - expected).abs() <= 4e-15 * expected, "{mean} {n}: {found} {expected}");
        }
    }

    #[test]
    fn poisson_tails_are_sums() {
        for mean in [0.3f64, 7.0, 40.5, 900.0] {
            let probabilities: Vec<f64> = (0..2000).map(|n| poisson(mean, n)).collect();
            assert!((probabilities.iter().sum::<f64>() - 1.0).abs() < 1e-13);
            for n in [0usize, 1, 5, 40, 41, 60, 899, 900, 950] {
                let tail: f64 = probabilities[n..].iter().rev().sum();
                let found = poisson_at_least(mean, n as u64);
                assert!((found - tail).abs() <= 1e-12 * tail, "{mean} {n}: {found} {tail}");
                if n as f64 >= mean {
                    let excess: f64 = (n..2000).rev().map(|k| (k - n) as f64 * probabilities[k]).sum();
                    let found = poisson_excess(mean, n as u64);
                    assert!((found - excess).abs() <= 1e-12 * excess, "{mean} {n}: {found} {excess}");
                }
            }
        }
    }

    #[test]
    fn quantiles_of_an_exponential_tail() {
        for (probability, expected) in [(0.0, 0.0), (0.5, std::f64::consts::LN_2 / 3.0), (1.0, f64::INFINITY)] {
            let found = tail_quantile(probability, 1.0, |t| (-3.0 * t).exp());
            assert!(found == expected || (found - expected).abs() < 1e-15, "{probability}: {found}");
        }
    }
}
