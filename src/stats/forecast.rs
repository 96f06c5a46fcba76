//! Forecasts of a series whose values come at equal distances, one by one.
//!
//! Each takes one value after the other ([`Forecast::push`]) and says what it expects so many steps later
//! ([`Forecast::ahead`]), in memory that does not grow without bound.

use std::fmt::Debug;

use super::quantile::quantile;

/// Foretells a series.
pub trait Forecast: Debug + Send {
    /// The next value of the series has come.
    fn push(&mut self, value: f64);
    /// What is expected `steps` steps after the last value; none: too little is known. One step is the next value.
    ///
    /// # Panics
    /// When `steps` is 0.
    fn ahead(&self, steps: usize) -> Option<f64>;
}

/// Holt's linear method with a damped trend: a level and a slope, both smoothed exponentially.
///
/// With the level l, the slope b, weights a and c and damping f: l' = a y + (1 - a)(l + f b), b' = c (l' - l) + (1 - c) f b;
/// h steps later l + (f + f^2 + ... + f^h) b is expected. Damping 1 is Holt's own method. The first value is the first
/// level, and the first slope is 0.
///
/// Source: Holt 1957, reprinted in International Journal of Forecasting 20:1 (2004); Gardner and McKenzie, Management
/// Science 31:10 (1985). Notation of Hyndman and Athanasopoulos, Forecasting: Principles and Practice (3rd edition), 8.2.
#[derive(Clone, Copy, Debug)]
pub struct Holt {
    level_weight: f64,
    trend_weight: f64,
    damping: f64,
    state: Option<Line>,
}

#[derive(Clone, Copy, Debug)]
struct Line {
    level: f64,
    trend: f64,
}

impl Holt {
    /// Weights of a new value, from 0 (it is ignored) to 1 (it is all that counts), and damping from 0 to 1.
    ///
    /// # Panics
    /// When one is out of its range.
    pub fn new(level_weight: f64, trend_weight: f64, damping: f64) -> Holt {
        [level_weight, trend_weight, damping].into_iter().for_each(check_share);
        Holt { level_weight, trend_weight, damping, state: None }
    }
}

impl Forecast for Holt {
    fn push(&mut self, value: f64) {
        let Some(Line { level, trend }) = self.state else {
            self.state = Some(Line { level: value, trend: 0.0 });
            return;
        };
        let expected = self.damping * trend;
        let next = self.level_weight * value + (1.0 - self.level_weight) * (level + expected);
        let trend = self.trend_weight * (next - level) + (1.0 - self.trend_weight) * expected;
        self.state = Some(Line { level: next, trend });
    }

    fn ahead(&self, steps: usize) -> Option<f64> {
        check_steps(steps);
        let line = self.state?;
        let (mut factor, mut sum) = (1.0, 0.0);
        for _ in 0..steps {
            factor *= self.damping;
            sum += factor;
        }
        Some(line.level + sum * line.trend)
    }
}

/// Holt and Winters' additive method: triple exponential smoothing of level, slope and a season.
///
/// With the level l, the slope b, the season s of m steps and weights a, c and g: l' = a (y - s(t - m)) + (1 - a)(l + b),
/// b' = c (l' - l) + (1 - c) b, s(t) = g (y - l - b) + (1 - g) s(t - m); h steps later l + h b + s of that step is expected.
/// It knows nothing before a season has passed: then its mean is the first level, what each value lies above it the first
/// season, and the first slope is 0.
///
/// Source: Winters, Management Science 6:3 (1960), in the form of Hyndman and Athanasopoulos, Forecasting: Principles and
/// Practice (3rd edition), 8.3, whose season is updated with the level and slope before the value.
#[derive(Clone, Debug)]
pub struct HoltWinters {
    weights: SmoothingWeights,
    season: usize,
    /// Values of the first season; then what each step of the season lies above the level.
    offsets: Vec<f64>,
    /// The step of the season that comes next.
    next: usize,
    state: Option<Line>,
}

/// Weights of a new value, from 0 (it is ignored) to 1 (it is all that counts).
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct SmoothingWeights {
    /// In the level.
    pub level: f64,
    /// In the slope.
    pub trend: f64,
    /// In the season.
    pub season: f64,
}

impl HoltWinters {
    /// Smooths a series whose season has so many steps.
    ///
    /// # Panics
    /// When a weight is out of its range, or the season has no step.
    pub fn new(weights: SmoothingWeights, season: usize) -> HoltWinters {
        [weights.level, weights.trend, weights.season].into_iter().for_each(check_share);
        assert!(season > 0, "a season has steps");
        HoltWinters { weights, season, offsets: Vec::with_capacity(season), next: 0, state: None }
    }

    /// Takes values of the first season, until it is complete.
    fn learn_season(&mut self, value: f64) {
        self.offsets.push(value);
        if self.offsets.len() == self.season {
            let level = self.offsets.iter().sum::<f64>() / self.season as f64;
            self.offsets.iter_mut().for_each(|offset| *offset -= level);
            self.state = Some(Line { level, trend: 0.0 });
        }
    }
}

impl Forecast for HoltWinters {
    fn push(&mut self, value: f64) {
        let Some(Line { level, trend }) = self.state else { return self.learn_season(value) };
        let SmoothingWeights { level: a, trend: c, season: g } = self.weights;
        let offset = &mut self.offsets[self.next];
        let next_level = a * (value - *offset) + (1.0 - a) * (level + trend);
        *offset = g * (value - level - trend) + (1.0 - g) * *offset;
        self.state = Some(Line { level: next_level, trend: c * (next_level - level) + (1.0 - c) * trend });
        self.next = (self.next + 1) % self.season;
    }

    fn ahead(&self, steps: usize) -> Option<f64> {
        check_steps(steps);
        let line = self.state?;
        let offset = self.offsets[(self.next + steps - 1) % self.season];
        Some(line.level + steps as f64 * line.trend + offset)
    }
}

/// Seasonal naive: a step is expected to be as that step of past seasons was; of several seasons a quantile is taken, so
/// that a high one covers what came once, and 0.5 is the median.
///
/// Source: the seasonal naive method of Hyndman and Athanasopoulos, Forecasting: Principles and Practice (3rd edition), 5.2,
/// which is one season here; the quantile over seasons is that of [`quantile`].
#[derive(Clone, Debug)]
pub struct SeasonalNaive {
    season: usize,
    probability: f64,
    /// Values of the last seasons, in a ring.
    values: Vec<f64>,
    capacity: usize,
    /// How many values have come.
    count: usize,
}

impl SeasonalNaive {
    /// Remembers `seasons` seasons of `season` steps and foretells the quantile at `probability`.
    ///
    /// # Panics
    /// When there is no season, a season has no step, or the probability is not within 0 to 1.
    pub fn new(season: usize, seasons: usize, probability: f64) -> SeasonalNaive {
        assert!(season > 0 && seasons > 0, "a season has steps, and there is one");
        check_share(probability);
        let capacity = season * seasons;
        SeasonalNaive { season, probability, values: Vec::new(), capacity, count: 0 }
    }
}

impl Forecast for SeasonalNaive {
    fn push(&mut self, value: f64) {
        match self.values.len() < self.capacity {
            true => self.values.push(value),
            false => self.values[self.count % self.capacity] = value,
        }
        self.count += 1;
    }

    fn ahead(&self, steps: usize) -> Option<f64> {
        check_steps(steps);
        let target = self.count + steps - 1;
        let oldest = self.count - self.values.len();
        let first = target.checked_sub(steps.div_ceil(self.season) * self.season)?;
        let back = std::iter::successors(Some(first), |at| at.checked_sub(self.season));
        let mut alike: Vec<f64> =
            back.take_while(|&at| at >= oldest).map(|at| self.values[at % self.capacity]).collect();
        if alike.is_empty() { None } else { Some(quantile(&mut alike, self.probability)) }
    }
}

fn check_share(share: f64) {
    assert!((0.0..=1.0).contains(&share), "a share of {share}");
}

fn check_steps(steps: usize) {
    assert!(steps > 0, "a forecast is of what comes later");
}

#[cfg(test)]
mod tests {
    use super::*;

    fn near(left: Option<f64>, right: f64) {
        let left = left.expect("a forecast");
        assert!((left - right).abs() <= 1e-12 * right.abs().max(1.0), "{left} is not {right}");
    }

    fn after<F: Forecast>(mut model: F, values: &[f64]) -> F {
        values.iter().for_each(|&value| model.push(value));
        model
    }

    #[test]
    fn holt_by_hand() {
        let model = |values: &[f64]| after(Holt::new(0.5, 0.2, 1.0), values);
        assert_eq!(model(&[]).ahead(1), None);
        near(model(&[10.0]).ahead(3), 10.0);
        // 14 after 10: level 0.5 x 14 + 0.5 x 10 = 12, slope 0.2 x 2 = 0.4.
        near(model(&[10.0, 14.0]).ahead(1), 12.4);
        // Then 13: level 0.5 x 13 + 0.5 x 12.4 = 12.7, slope 0.2 x 0.7 + 0.8 x 0.4 = 0.46; 12.7 + 3 x 0.46.
        near(model(&[10.0, 14.0, 13.0]).ahead(3), 14.08);
        // Damped by a half the slope of 0.4 is worth 0.2 + 0.1 + 0.05.
        near(after(Holt::new(0.5, 0.2, 0.5), &[10.0, 14.0]).ahead(3), 12.35);
    }

    #[test]
    fn holt_winters_by_hand() {
        let weights = SmoothingWeights { level: 0.5, trend: 0.5, season: 0.5 };
        let model = |values: &[f64]| after(HoltWinters::new(weights, 3), values);
        assert_eq!(model(&[8.0, 10.0]).ahead(1), None);
        // 8 10 12: level 10, offsets -2 0 2.
        near(model(&[8.0, 10.0, 12.0]).ahead(1), 8.0);
        near(model(&[8.0, 10.0, 12.0]).ahead(6), 12.0);
        // Then 12: level 0.5 (12 + 2) + 0.5 x 10 = 12, slope 0.5 x 2 = 1, offset 0.5 (12 - 10) + 0.5 x -2 = 0.
        let later = model(&[8.0, 10.0, 12.0, 12.0]);
        near(later.ahead(1), 12.0 + 1.0 + 0.0);
        near(later.ahead(2), 12.0 + 2.0 + 2.0);
        near(later.ahead(3), 12.0 + 3.0 + 0.0);
    }

    #[test]
    fn holt_winters_knows_a_season_that_repeats() {
        let values: Vec<f64> = (0..50).map(|step| 20.0 + [3.0, -1.0, -4.0, 2.0, 0.0][step % 5]).collect();
        let weights = SmoothingWeights { level: 0.3, trend: 0.1, season: 0.2 };
        let model = after(HoltWinters::new(weights, 5), &values);
        for steps in 1..=12 {
            near(model.ahead(steps), values[(steps - 1) % 5]);
        }
    }

    #[test]
    fn seasonal_naive_by_hand() {
        let model = |values: &[f64], probability| after(SeasonalNaive::new(3, 2, probability), values);
        assert_eq!(model(&[1.0, 2.0], 0.5).ahead(1), None);
        // Nothing is known yet of the second and third step; the fourth from now is as the first.
        assert_eq!(model(&[1.0], 0.5).ahead(1), None);
        near(model(&[1.0], 0.5).ahead(3), 1.0);
        near(model(&[1.0], 0.5).ahead(6), 1.0);
        // The seasons were 1 2 3 and 5 6; next is the third step, then the first, of which there are 1 and 5.
        near(model(&[1.0, 2.0, 3.0, 5.0, 6.0], 0.5).ahead(1), 3.0);
        near(model(&[1.0, 2.0, 3.0, 5.0, 6.0], 0.5).ahead(2), 3.0);
        near(model(&[1.0, 2.0, 3.0, 5.0, 6.0], 1.0).ahead(2), 5.0);
        // Two seasons are kept: of 3 7, then 5 9, then 6 8 the lower ones.
        near(model(&[1.0, 2.0, 3.0, 5.0, 6.0, 7.0, 9.0, 8.0], 0.0).ahead(2), 5.0);
        near(model(&[1.0, 2.0, 3.0, 5.0, 6.0, 7.0, 9.0, 8.0], 0.0).ahead(3), 6.0);
        near(model(&[1.0, 2.0, 3.0, 5.0, 6.0, 7.0, 9.0, 8.0], 0.0).ahead(1), 3.0);
    }
}
