//! Running summaries: one pass, constant memory, a few nanoseconds a value.

use crate::units::SimTime;

/// Count, mean, variance and extremes of a stream of values, by Welford's method (Welford 1962), which does not lose
/// the variance to cancellation when the mean is large beside it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Summary {
    count: u64,
    mean: f64,
    squares: f64,
    min: f64,
    max: f64,
}

impl Default for Summary {
    fn default() -> Self {
        Summary { count: 0, mean: 0.0, squares: 0.0, min: f64::INFINITY, max: f64::NEG_INFINITY }
    }
}

impl Summary {
    /// Takes one value in. A NaN makes mean and variance NaN and leaves the extremes as they are.
    #[inline]
    pub fn push(&mut self, value: f64) {
        self.count += 1;
        let distance = value - self.mean;
        self.mean += distance / self.count as f64;
        self.squares += distance * (value - self.mean);
        self.min = self.min.min(value);
        self.max = self.max.max(value);
    }

    /// How many values there were.
    pub fn count(&self) -> u64 {
        self.count
    }

    /// The arithmetic mean; NaN without values.
    pub fn mean(&self) -> f64 {
        if self.count == 0 { f64::NAN } else { self.mean }
    }

    /// The sample variance, divisor n - 1; NaN with fewer than two values.
    pub fn variance(&self) -> f64 {
        if self.count < 2 { f64::NAN } else { self.squares / (self.count - 1) as f64 }
    }

    /// The sample standard deviation, in the unit of the values; NaN with fewer than two values.
    pub fn standard_deviation(&self) -> f64 {
        self.variance().sqrt()
    }

    /// The standard error of the mean, in the unit of the values; NaN with fewer than two values.
    pub fn standard_error(&self) -> f64 {
        (self.variance() / self.count as f64).sqrt()
    }

    /// The least value; NaN without values.
    pub fn min(&self) -> f64 {
        if self.count == 0 { f64::NAN } else { self.min }
    }

    /// The greatest value; NaN without values.
    pub fn max(&self) -> f64 {
        if self.count == 0 { f64::NAN } else { self.max }
    }
}

impl FromIterator<f64> for Summary {
    fn from_iter<I: IntoIterator<Item = f64>>(values: I) -> Self {
        let mut summary = Summary::default();
        for value in values {
            summary.push(value);
        }
        summary
    }
}

/// The mean over simulated time of a value that changes in steps, such as a queue's length.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct TimeWeightedMean {
    start: SimTime,
    since: SimTime,
    value: f64,
    integral: f64,
}

impl TimeWeightedMean {
    /// Starts at `start` with `value`.
    pub fn new(start: SimTime, value: f64) -> Self {
        TimeWeightedMean { start, since: start, value, integral: 0.0 }
    }

    /// From `now` on the value is `value`.
    ///
    /// # Panics
    /// When `now` is before the previous change.
    #[inline]
    pub fn set(&mut self, now: SimTime, value: f64) {
        self.integral += self.value * now.since(self.since).as_seconds();
        self.since = now;
        self.value = value;
    }

    /// The value now.
    pub fn value(&self) -> f64 {
        self.value
    }

    /// The integral from the start to `now`, in the value's unit times seconds.
    ///
    /// # Panics
    /// When `now` is before the last change.
    pub fn integral(&self, now: SimTime) -> f64 {
        self.integral + self.value * now.since(self.since).as_seconds()
    }

    /// The mean from the start to `now`; over no time at all, the value itself.
    ///
    /// # Panics
    /// When `now` is before the last change.
    pub fn mean(&self, now: SimTime) -> f64 {
        let seconds = now.since(self.start).as_seconds();
        if seconds > 0.0 { self.integral(now) / seconds } else { self.value }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn known_values() {
        // Sum 40, mean 40 / 8 = 5; squared distances 9 + 1 + 1 + 1 + 0 + 0 + 4 + 16 = 32; variance 32 / 7.
        let summary: Summary = [2.0, 4.0, 4.0, 4.0, 5.0, 5.0, 7.0, 9.0].into_iter().collect();
        assert_eq!((summary.count(), summary.mean(), summary.min(), summary.max()), (8, 5.0, 2.0, 9.0));
        assert!((summary.variance() - 32.0 / 7.0).abs() < 1e-14);
        assert!((summary.standard_deviation() - 2.138_089_935_299_395).abs() < 1e-14);
        // sqrt(32 / 7 / 8) = sqrt(4 / 7).
        assert!((summary.standard_error() - 0.755_928_946_018_454_5).abs() < 1e-14);
    }

    #[test]
    fn nothing_and_one_value() {
        let none = Summary::default();
        assert!(none.mean().is_nan() && none.variance().is_nan() && none.min().is_nan() && none.max().is_nan());
        let one: Summary = [3.0].into_iter().collect();
        assert_eq!((one.mean(), one.min(), one.max()), (3.0, 3.0, 3.0));
        assert!(one.variance().is_nan() && one.standard_error().is_nan());
    }

    #[test]
    fn variance_survives_a_large_mean() {
        // Distances from the mean 10^9 + 10: -6, -3, 3, 6; (36 + 9 + 9 + 36) / 3 = 30. The textbook formula
        // "mean of squares minus square of mean" has no correct digit here.
        let summary: Summary = [4.0, 7.0, 13.0, 16.0].into_iter().map(|x| x + 1e9).collect();
        assert_eq!(summary.variance(), 30.0);
    }

    #[test]
    fn mean_over_time() {
        let second = |s: u64| SimTime(s * 1_000_000_000);
        let mut length = TimeWeightedMean::new(second(10), 2.0);
        assert_eq!(length.mean(second(10)), 2.0);
        length.set(second(14), 5.0);
        length.set(second(14), 1.0); // Held for no time, so without weight.
        // 4 s of 2 and 6 s of 1: 14 / 10 s.
        assert_eq!((length.integral(second(20)), length.mean(second(20)), length.value()), (14.0, 1.4, 1.0));
    }

    #[test]
    #[should_panic(expected = "time moved back")]
    fn time_does_not_move_back() {
        TimeWeightedMean::new(SimTime(5), 0.0).set(SimTime(4), 1.0);
    }

    proptest! {
        #[test]
        fn agrees_with_two_passes(values in prop::collection::vec(-1e6..1e6f64, 2..200)) {
            let n = values.len() as f64;
            let mean = values.iter().sum::<f64>() / n;
            let variance = values.iter().map(|x| (x - mean) * (x - mean)).sum::<f64>() / (n - 1.0);
            let summary: Summary = values.iter().copied().collect();
            prop_assert!((summary.mean() - mean).abs() <= 1e-12 * 1e6);
            prop_assert!((summary.variance() - variance).abs() <= 1e-12 * 1e12);
            prop_assert_eq!(summary.min(), values.iter().copied().fold(f64::NAN, f64::min));
            prop_assert_eq!(summary.max(), values.iter().copied().fold(f64::NAN, f64::max));
        }

        #[test]
        fn time_weights_agree_with_a_sum_over_ticks(steps in prop::collection::vec((0..20u64, -50..50i32), 1..50)) {
            let (mut now, mut ticks, mut value) = (0, Vec::new(), 7);
            let mut weighted = TimeWeightedMean::new(SimTime::ZERO, 7.0);
            for (pause_s, next) in steps {
                ticks.extend((0..pause_s).map(|_| value));
                now += pause_s;
                value = next;
                weighted.set(SimTime(now * 1_000_000_000), f64::from(next));
            }
            prop_assert_eq!(weighted.integral(SimTime(now * 1_000_000_000)), f64::from(ticks.iter().sum::<i32>()));
        }
    }
}
