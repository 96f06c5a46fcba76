//! One number for an autoscaler out of several figures, for comparisons between autoscalers on the same demand.
//!
//! Source: Herbst et al., "Quantifying Cloud Performance and Dependability" (ACM TOMPECS 3:4, 2018), 4.4, and Bauer et
//! al., "Chameleon" (IEEE TPDS 30:4, 2019), 5.3: elastic speedup, deviation from the ideal autoscaler, pairwise competition.

use super::Elasticity;

/// Figures of which lower is better, such as accuracies and timeshares, in percent.
pub type Figures<'a> = &'a [f64];

impl Elasticity {
    /// The four figures that scores are usually made of: theta U, theta O, tau U, tau O.
    pub fn core_figures(&self) -> [f64; 4] {
        [
            self.under_accuracy_percent,
            self.over_accuracy_percent,
            self.under_timeshare_percent,
            self.over_timeshare_percent,
        ]
    }
}

/// Elastic speedup: the weighted geometric mean of baseline over own, figure by figure. The baseline is a run without an
/// autoscaler (or the one to be beaten); above 1 is better than it. Weights are used as shares of their sum.
///
/// Where both are 0 the ratio is 1; where only the own is 0 it is infinite, and where only the baseline is 0 it is 0, so a
/// speedup with both kinds is NaN.
///
/// # Panics
/// When the lengths differ, nothing weighs anything, or a weight is negative.
///
/// ```
/// use wavetank::stats::elasticity::scores::elastic_speedup;
/// // Ratios 4 and 1 with equal weights: the square root of 4.
/// assert_eq!(elastic_speedup(&[8.0, 3.0], &[2.0, 3.0], &[1.0, 1.0]), 2.0);
/// ```
pub fn elastic_speedup(baseline: Figures<'_>, own: Figures<'_>, weights: &[f64]) -> f64 {
    assert!(baseline.len() == own.len() && own.len() == weights.len(), "figures and weights in pairs");
    assert!(weights.iter().all(|&weight| weight >= 0.0), "a negative weight");
    let sum: f64 = weights.iter().sum();
    assert!(sum > 0.0, "nothing weighs anything");
    let ratio = |base: f64, own: f64| if base == own { 1.0 } else { base / own };
    let terms = baseline.iter().zip(own).zip(weights).filter(|&(_, &weight)| weight > 0.0);
    libm::exp2(terms.map(|((&base, &own), weight)| weight / sum * libm::log2(ratio(base, own))).sum())
}

/// Deviation from the ideal autoscaler, all of whose figures are 0: the Minkowski distance whose order is the number of
/// figures. 0 is best. 0 without figures.
///
/// ```
/// use wavetank::stats::elasticity::scores::deviation;
/// // Order 2: the root of 9 + 16.
/// assert_eq!(deviation(&[3.0, 4.0]), 5.0);
/// ```
pub fn deviation(own: Figures<'_>) -> f64 {
    let order = own.len() as f64;
    let sum: f64 = own.iter().map(|figure| libm::pow(figure.abs(), order)).sum();
    if own.is_empty() { 0.0 } else { libm::pow(sum, 1.0 / order) }
}

/// Pairwise competition: for each of the rivals, the share of the duels, figure by figure against every other, that it
/// wins; a draw is half a win. 1 is best; NaN for a rival without rivals or figures.
///
/// # Panics
/// When rivals have different numbers of figures.
pub fn pairwise_competition(rivals: &[Figures<'_>]) -> Vec<f64> {
    let duels = |one: usize| {
        let others = (0..rivals.len()).filter(move |&other| other != one);
        others.flat_map(move |other| {
            assert_eq!(rivals[one].len(), rivals[other].len(), "rivals have the same figures");
            rivals[one].iter().zip(rivals[other])
        })
    };
    let points = |(own, other): (&f64, &f64)| match own.partial_cmp(other) {
        Some(std::cmp::Ordering::Less) => 1.0,
        Some(std::cmp::Ordering::Equal) => 0.5,
        _ => 0.0,
    };
    (0..rivals.len()).map(|one| duels(one).map(points).sum::<f64>() / duels(one).count() as f64).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn near(left: f64, right: f64) {
        assert!((left - right).abs() <= 1e-12 * right.abs().max(1.0), "{left} is not {right}");
    }

    #[test]
    fn speedup_is_a_weighted_geometric_mean() {
        // (40 / 10)^(1/4) (5 / 20)^(1/4) (60 / 15)^(1/4) (10 / 10)^(1/4) = (4 x 0.25 x 4 x 1)^(1/4) = 4^(1/4) = sqrt 2.
        let (base, own) = ([40.0, 5.0, 60.0, 10.0], [10.0, 20.0, 15.0, 10.0]);
        near(elastic_speedup(&base, &own, &[1.0; 4]), std::f64::consts::SQRT_2);
        // Only the first two, 3 : 1: 4^(3/4) x 0.25^(1/4) = 4^(1/2) = 2.
        near(elastic_speedup(&base, &own, &[3.0, 1.0, 0.0, 0.0]), 2.0);
        near(elastic_speedup(&own, &base, &[3.0, 1.0, 0.0, 0.0]), 0.5);
    }

    /// Imdoukh et al. (2019), table 8: theta U, theta O, tau U, tau O without an autoscaler and with four, and the speedups.
    #[test]
    fn published_speedups() {
        let without = [3.29, 3.06, 57.95, 57.05];
        for (figures, speedup) in [
            // (3.29 / 0.94) (3.06 / 3.51) (57.95 / 26.5) (57.05 / 73.2) = 3.5 x 0.8718 x 2.1868 x 0.7794 = 5.2; the
            // fourth root is 1.510, which they cut.
            ([0.94, 3.51, 26.50, 73.20], 1.50),
            // 6.8542 x 0.7150 x 3.6562 x 0.6403 = 11.47: 1.840.
            ([0.48, 4.28, 15.85, 89.10], 1.84),
            // 0.6489 x 2.1549 x 0.7575 x 1.7527 = 1.857: 1.167.
            ([5.07, 1.42, 76.50, 32.55], 1.17),
            // 1.75 x 1.1679 x 1.3619 x 0.9965 = 2.774: 1.290.
            ([1.88, 2.62, 42.55, 57.25], 1.29),
        ] {
            let found = elastic_speedup(&without, &figures, &[1.0; 4]);
            assert!((found - speedup).abs() <= 0.011, "{found} instead of {speedup}");
        }
    }

    #[test]
    fn speedup_at_the_ideal() {
        assert_eq!(elastic_speedup(&[0.0, 2.0], &[0.0, 2.0], &[1.0, 1.0]), 1.0);
        assert_eq!(elastic_speedup(&[3.0, 2.0], &[0.0, 2.0], &[1.0, 1.0]), f64::INFINITY);
        assert_eq!(elastic_speedup(&[0.0, 2.0], &[3.0, 2.0], &[1.0, 1.0]), 0.0);
    }

    #[test]
    fn deviation_is_dominated_by_the_worst() {
        // Order 4: (2^4 + 2^4 + 2^4 + 2^4)^(1/4) = 64^(1/4) = 2 sqrt 2.
        near(deviation(&[2.0; 4]), 2.0 * std::f64::consts::SQRT_2);
        near(deviation(&[0.0, 0.0, 0.0, 7.0]), 7.0);
        assert_eq!(deviation(&[]), 0.0);
    }

    #[test]
    fn duels() {
        // a beats b in both figures and c in one, with a draw in the other: (2 + 1.5) / 4.
        // b loses to a twice and wins one of two against c: 1 / 4; c: half a point against a and one against b.
        let shares = pairwise_competition(&[&[1.0, 5.0], &[2.0, 9.0], &[3.0, 5.0]]);
        assert_eq!(shares, [0.875, 0.25, 0.375]);
        assert!(pairwise_competition(&[&[1.0]])[0].is_nan());
    }
}
