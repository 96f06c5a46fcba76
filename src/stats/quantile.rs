//! Exact quantiles by selection.
//!
//! Definition: type 7 of Hyndman and Fan (1996), the default of R and NumPy. For n values in ascending order
//! x(0) .. x(n - 1) and probability p, let h = (n - 1) p; the quantile lies on the straight line between x(floor h) and
//! x(floor h + 1) at the fraction h - floor h. Values are selected, not sorted: O(n) for one quantile.

use std::cmp::Ordering;

use crate::units::SimDuration;

/// A kind of value that quantiles can be taken of.
pub trait Sample: Copy {
    /// The ascending order.
    fn order(&self, other: &Self) -> Ordering;
    /// The point at `fraction` (0 to less than 1) of the way from `self` up to `upper`.
    fn toward(self, upper: Self, fraction: f64) -> f64;
}

impl Sample for u64 {
    #[inline]
    fn order(&self, other: &Self) -> Ordering {
        self.cmp(other)
    }

    /// The difference is taken in integers, so that large and close values lose nothing but the final rounding.
    fn toward(self, upper: Self, fraction: f64) -> f64 {
        self as f64 + (upper - self) as f64 * fraction
    }
}

impl Sample for SimDuration {
    #[inline]
    fn order(&self, other: &Self) -> Ordering {
        self.cmp(other)
    }

    /// In nanoseconds.
    fn toward(self, upper: Self, fraction: f64) -> f64 {
        self.0.toward(upper.0, fraction)
    }
}

impl Sample for f64 {
    /// The total order: NaN stands above infinity.
    #[inline]
    fn order(&self, other: &Self) -> Ordering {
        self.total_cmp(other)
    }

    fn toward(self, upper: Self, fraction: f64) -> f64 {
        // An infinite neighbour with no weight must not turn a finite quantile into NaN.
        if fraction == 0.0 || self == upper { self } else { self + (upper - self) * fraction }
    }
}

/// The quantile of `values` at `probability`, in the unit of the values; NaN without values. Reorders `values`.
///
/// # Panics
/// When `probability` is not within 0 to 1.
///
/// ```
/// use wavetank::stats::quantile;
/// assert_eq!(quantile(&mut [40u64, 10, 30, 20], 0.5), 25.0);
/// ```
pub fn quantile<S: Sample>(values: &mut [S], probability: f64) -> f64 {
    quantiles(values, &[probability])[0]
}

/// The quantiles of `values` at each of `probabilities`, which ascend; NaN without values. Reorders `values`. Each
/// selection looks only at the values above the previous one.
///
/// # Panics
/// When a probability is not within 0 to 1, or they do not ascend.
pub fn quantiles<S: Sample>(values: &mut [S], probabilities: &[f64]) -> Vec<f64> {
    assert!(probabilities.iter().all(|p| (0.0..=1.0).contains(p)), "a probability is not within 0 to 1");
    assert!(probabilities.is_sorted(), "the probabilities do not ascend");
    if values.is_empty() {
        return vec![f64::NAN; probabilities.len()];
    }
    // Everything before `settled` is no greater than everything from it on.
    let mut settled = 0;
    let last = values.len() - 1;
    let mut result = Vec::with_capacity(probabilities.len());
    for probability in probabilities {
        let position = last as f64 * probability;
        let lower_rank = (position.floor() as usize).min(last);
        let (_, &mut lower, above) = values[settled..].select_nth_unstable_by(lower_rank - settled, S::order);
        let upper = above.iter().copied().min_by(S::order).unwrap_or(lower);
        result.push(lower.toward(upper, position - lower_rank as f64));
        settled = lower_rank;
    }
    result
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// The definition, word for word, on sorted values.
    fn by_sorting(values: &[f64], probability: f64) -> f64 {
        let mut sorted = values.to_vec();
        sorted.sort_by(f64::total_cmp);
        let h = (sorted.len() - 1) as f64 * probability;
        let below = sorted[h.floor() as usize];
        let above = sorted[h.ceil() as usize];
        below + (above - below) * (h - h.floor())
    }

    #[test]
    fn known_values() {
        for (values, probability, expected) in [
            (vec![7u64], 0.99, 7.0),
            (vec![4, 1, 3, 2], 0.0, 1.0),
            (vec![4, 1, 3, 2], 1.0, 4.0),
            // h = 3 * 0.25 = 0.75: 1 + 0.75 * (2 - 1).
            (vec![4, 1, 3, 2], 0.25, 1.75),
            // h = 9 * 0.9 = 8.1: 9 + 0.1 * (10 - 9).
            ((1..=10).rev().collect(), 0.9, 9.1),
            // h = 4 * 0.5 = 2: the middle of five.
            (vec![5, 5, 1, 9, 2], 0.5, 5.0),
            // h = 3 * 0.5 = 1.5: halfway between 2^63 and 2^63 + 2^20.
            (vec![0, 1 << 63, (1 << 63) + (1 << 20), u64::MAX], 0.5, (1u64 << 63) as f64 + (1u64 << 19) as f64),
        ] {
            let mut shuffled = values.clone();
            assert!((quantile(&mut shuffled, probability) - expected).abs() < 1e-12, "{values:?} at {probability}");
        }
    }

    #[test]
    fn edges() {
        assert!(quantile::<u64>(&mut [], 0.5).is_nan());
        assert_eq!(quantile(&mut [f64::INFINITY, 1.0, 2.0], 0.5), 2.0);
        assert_eq!(quantile(&mut [f64::INFINITY, f64::INFINITY], 0.5), f64::INFINITY);
        assert!(quantile(&mut [f64::NAN, 1.0], 1.0).is_nan());
        assert_eq!(quantile(&mut [SimDuration(10), SimDuration(20)], 0.5), 15.0);
    }

    #[test]
    #[should_panic(expected = "within 0 to 1")]
    fn a_percentage_is_no_probability() {
        quantile(&mut [1u64], 99.0);
    }

    proptest! {
        #[test]
        fn selection_agrees_with_sorting(
            values in prop::collection::vec(0..40u32, 1..80),
            mut probabilities in prop::collection::vec(0.0..=1.0f64, 1..6),
        ) {
            probabilities.sort_by(f64::total_cmp);
            let numbers: Vec<f64> = values.iter().map(|&x| f64::from(x)).collect();
            let expected: Vec<f64> = probabilities.iter().map(|&p| by_sorting(&numbers, p)).collect();
            prop_assert_eq!(quantiles(&mut numbers.clone(), &probabilities), expected.clone());
            let mut integers: Vec<u64> = values.iter().map(|&x| u64::from(x)).collect();
            prop_assert_eq!(quantiles(&mut integers, &probabilities), expected);
        }
    }
}
