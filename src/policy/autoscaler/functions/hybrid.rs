//! The hybrid histogram policy: Shahrad et al., "Serverless in the Wild", USENIX ATC 2020, section 4.
//!
//! Idle times (from the end of an execution to the next call) are counted in bins. While the histogram says something (the
//! coefficient of variation of its bins is at least the threshold), the function is unloaded after a call, loaded again before
//! the 5th percentile of its idle times and kept until after the 99th. While it says nothing, the function is kept for the
//! whole range. When most idle times lie beyond the range, the next one is forecast, and the function is there around that
//! time.
//!
//! Parameters and their defaults are the paper's, in the reading of DSLab's reproduction (`dslab-faas`,
//! `hybrid_histogram.rs`): range 4 h, bins of 1 minute, percentiles 5 and 99 (of which the bins' lower and upper ends are
//! taken), margins of 10 % on both, threshold 2, margins of 15 % around a forecast. Of idle times beyond the range half are
//! too many. Calls that come while others run count as idle times of zero. The tail is counted from the end of the call, so
//! that the function is kept from head to tail; DSLab keeps it for the tail's time from when it is loaded.
//!
//! Deviation: the paper forecasts by ARIMA, whose order it searches anew for each idle time. Here the forecast is an
//! autoregression of first order, fitted by the method of moments, which needs no past but five sums; with fewer than three
//! idle times it is their mean. Functions with so long idle times are called less than six times a day, so there is little to
//! fit by any method.
//!
//! Cost: an idle time and a decision take a few operations; the percentiles follow the histogram.

use super::keep_alive::Windows;
pub use crate::model::functions::HybridSettings;
use crate::units::SimDuration;

/// The idle times of one function.
#[derive(Clone, Debug)]
pub struct IdleTimes {
    bins: Vec<u32>,
    bin: SimDuration,
    counted: u64,
    beyond: u64,
    /// The sum of the squares of the bins.
    squares: u64,
    head: Percentile,
    tail: Percentile,
    series: Series,
}

impl IdleTimes {
    /// None yet.
    ///
    /// # Panics
    /// When the range is shorter than a bin.
    pub fn new(settings: &HybridSettings) -> IdleTimes {
        let bins = settings.range.0 / settings.bin.0;
        assert!(bins > 0, "the range holds a bin");
        IdleTimes {
            bins: vec![0; bins as usize],
            bin: settings.bin,
            counted: 0,
            beyond: 0,
            squares: 0,
            head: Percentile::of(settings.head),
            tail: Percentile::of(settings.tail),
            series: Series::default(),
        }
    }

    /// Counts an idle time.
    pub fn record(&mut self, idle: SimDuration) {
        self.series.record(idle.as_seconds());
        let bin = (idle.0 / self.bin.0) as usize;
        let Some(count) = self.bins.get_mut(bin) else {
            self.beyond += 1;
            return;
        };
        self.squares += 2 * u64::from(*count) + 1;
        *count += 1;
        self.counted += 1;
        self.head.follow(&self.bins, bin, self.counted);
        self.tail.follow(&self.bins, bin, self.counted);
    }

    /// The coefficient of variation of the bins: their standard deviation by their mean; 0 without idle times.
    pub fn variation(&self) -> f64 {
        if self.counted == 0 {
            return 0.0;
        }
        let bins = self.bins.len() as f64;
        let mean = self.counted as f64 / bins;
        let variance = (self.squares as f64 / bins - mean * mean).max(0.0);
        variance.sqrt() / mean
    }

    /// What happens to an instance whose call has just ended.
    pub fn windows(&self, settings: &HybridSettings) -> Windows {
        let all = self.counted + self.beyond;
        if all > 0 && self.beyond as f64 >= settings.beyond_min * all as f64 {
            let forecast = self.series.forecast();
            return Windows {
                pre_warm: SimDuration::from_seconds(forecast * (1.0 - settings.forecast_margin)),
                keep_alive: SimDuration::from_seconds(forecast * 2.0 * settings.forecast_margin),
            };
        }
        if self.variation() < settings.variation_min {
            return Windows::stay(settings.range);
        }
        let width = self.bin.as_seconds();
        let first = self.head.bin as f64 * width * (1.0 - settings.margin);
        let last = (self.tail.bin + 1) as f64 * width * (1.0 + settings.margin);
        Windows { pre_warm: SimDuration::from_seconds(first), keep_alive: SimDuration::from_seconds(last - first) }
    }
}

/// The bin in which a percentile lies, kept up to date.
#[derive(Clone, Copy, Debug)]
struct Percentile {
    part: f64,
    bin: usize,
    /// Idle times in the bins before it.
    before: u64,
}

impl Percentile {
    fn of(part: f64) -> Percentile {
        Percentile { part, bin: 0, before: 0 }
    }

    /// A bin was added to. The bin of the percentile is the first with which at least this part is reached.
    fn follow(&mut self, bins: &[u32], added: usize, counted: u64) {
        if added < self.bin {
            self.before += 1;
        }
        let wanted = self.part * counted as f64;
        while self.bin > 0 && self.before as f64 >= wanted {
            self.bin -= 1;
            self.before -= u64::from(bins[self.bin]);
        }
        while ((self.before + u64::from(bins[self.bin])) as f64) < wanted {
            self.before += u64::from(bins[self.bin]);
            self.bin += 1;
        }
    }
}

/// A series of idle times, as far as an autoregression of first order needs it; in seconds.
#[derive(Clone, Copy, Debug, Default)]
struct Series {
    count: f64,
    mean: f64,
    /// The sum of squared distances from the mean.
    squares: f64,
    /// The sum of products of neighbours.
    products: f64,
    first: f64,
    last: f64,
}

impl Series {
    fn record(&mut self, value: f64) {
        if self.count == 0.0 {
            self.first = value;
        } else {
            self.products += self.last * value;
        }
        self.count += 1.0;
        let distance = value - self.mean;
        self.mean += distance / self.count;
        self.squares += distance * (value - self.mean);
        self.last = value;
    }

    /// The next value.
    fn forecast(&self) -> f64 {
        if self.count < 3.0 || self.squares <= 0.0 {
            return self.mean;
        }
        // The sum of (x[i] - m)(x[i+1] - m) over neighbours, from the sum of products.
        let sum = self.count * self.mean;
        let covariance = self.products - self.mean * (2.0 * sum - self.first - self.last)
            + (self.count - 1.0) * self.mean * self.mean;
        let correlation = (covariance / self.squares).clamp(-1.0, 1.0);
        (self.mean + correlation * (self.last - self.mean)).max(0.0)
    }
}
