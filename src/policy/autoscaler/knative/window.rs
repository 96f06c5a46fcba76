//! Averages over a window of time, in buckets (`pkg/autoscaler/aggregation/bucketing.go`).
//!
//! Cost: an average over a window of n buckets takes n additions when nothing was recorded of late or the weights decay,
//! otherwise one division.

use crate::units::{SimDuration, SimTime};

/// The weights of a window's buckets add up to at least that, unless the decay would fall below [`DECAY_MIN`].
const WEIGHT_MIN: f64 = 0.9999;
/// The slowest decay of weights from one bucket to the next.
const DECAY_MIN: f64 = 0.2;
/// Averages are rounded to so many digits after the point, written as a power of ten.
const ROUNDING: f64 = 1e6;
const SECOND_NS: u64 = 1_000_000_000;

/// How the buckets of a window are averaged (`metric-aggregation-algorithm`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Aggregation {
    /// All alike.
    #[default]
    Linear,
    /// With weights that decay exponentially into the past.
    WeightedExponential,
}

impl Aggregation {
    /// The algorithm of a name as written in annotations; unknown names mean the linear one, as upstream has it.
    pub fn named(name: &str) -> Aggregation {
        match name {
            "weighted-exponential" | "weightedExponential" => Aggregation::WeightedExponential,
            _ => Aggregation::Linear,
        }
    }
}

/// A window of buckets, each of which holds the sum of what was recorded in its time.
#[derive(Clone, Debug)]
pub struct Window {
    buckets: Vec<f64>,
    /// Since when buckets count, in nanoseconds: those before are no zeros, there was nothing. A window that was made longer may
    /// count from before the start of the run.
    first_write_ns: Option<i64>,
    last_write: Option<SimTime>,
    granularity: SimDuration,
    span: SimDuration,
    total: f64,
    aggregation: Aggregation,
    /// The weight of the newest bucket, and the part that each older one loses.
    decay: f64,
}

impl Window {
    /// An empty window.
    ///
    /// # Panics
    /// When the granularity is no whole number of seconds, or the window is shorter than a nanosecond.
    pub fn new(span: SimDuration, granularity: SimDuration, aggregation: Aggregation) -> Window {
        assert!(granularity.0 >= SECOND_NS && granularity.0.is_multiple_of(SECOND_NS), "buckets hold whole seconds");
        assert!(span.0 > 0, "a window has a length");
        let count = span.0.div_ceil(granularity.0) as usize;
        Window {
            buckets: vec![0.0; count],
            first_write_ns: None,
            last_write: None,
            granularity,
            span,
            total: 0.0,
            aggregation,
            decay: decay(count as f64),
        }
    }

    /// Its length.
    pub fn span(&self) -> SimDuration {
        self.span
    }

    /// Whether nothing was recorded for longer than the window.
    pub fn is_empty(&self, now: SimTime) -> bool {
        self.last_write.is_none_or(|last| self.bucket_start(now) > last.after(self.span))
    }

    /// Adds a value to the bucket of an instant. Instants may lie before the newest one, unless by a whole window.
    pub fn record(&mut self, now: SimTime, value: f64) {
        let start = self.bucket_start(now);
        if self.last_write != Some(start) {
            if self.last_write.is_some_and(|last| start.after(self.span) <= last) {
                return;
            }
            if self.first_write_ns.is_none_or(|first| first > start.0 as i64) {
                self.first_write_ns = Some(start.0 as i64);
            }
            if self.last_write.is_none_or(|last| start > last) {
                self.advance(start);
            }
        }
        let index = self.index(now) as usize % self.buckets.len();
        self.buckets[index] += value;
        self.total += value;
    }

    /// Clears the buckets from the newest one up to a later one, or all of them after a window of silence.
    fn advance(&mut self, start: SimTime) {
        match self.last_write {
            Some(last) if start.0 - last.0 < self.span.0 => {
                for index in self.index(last) + 1..=self.index(start) {
                    let index = index as usize % self.buckets.len();
                    self.total -= self.buckets[index];
                    self.buckets[index] = 0.0;
                }
            }
            _ => {
                self.first_write_ns = Some(start.0 as i64);
                self.buckets.fill(0.0);
                self.total = 0.0;
            }
        }
        self.last_write = Some(start);
    }

    /// The average over the window as of an instant; 0 when it is empty.
    pub fn average(&self, now: SimTime) -> f64 {
        let start = self.bucket_start(now);
        let (Some(first_ns), Some(last)) = (self.first_write_ns, self.last_write) else { return 0.0 };
        match self.aggregation {
            Aggregation::Linear => self.linear_average(start, first_ns, last),
            Aggregation::WeightedExponential => self.weighted_average(start, last),
        }
    }

    /// The mean of the buckets since the first record, without those in which there was silence at the end.
    fn linear_average(&self, start: SimTime, first_ns: i64, last: SimTime) -> f64 {
        let recorded = ((last.0 as i64 - first_ns) / self.granularity.0 as i64 + 1) as f64;
        if start <= last {
            return rounded(self.total / recorded.min(self.buckets.len() as f64));
        }
        if start.since(last) >= self.span {
            return 0.0;
        }
        let (newest, present) = (self.index(last), self.index(start));
        let mut total = self.total;
        for index in newest + 1..=present {
            total -= self.buckets[index as usize % self.buckets.len()];
        }
        let live = self.buckets.len() as u64 - (present - newest);
        rounded(total / recorded.min(live as f64))
    }

    fn weighted_average(&self, start: SimTime, last: SimTime) -> f64 {
        let count = self.buckets.len();
        if start > last.after(self.span) {
            return 0.0;
        }
        let mut weight = self.decay;
        let mut live = count;
        if start > last {
            let silent = (start.0 - last.0) / self.granularity.0;
            weight *= power(1.0 - self.decay, silent);
            live = live.saturating_sub(silent as usize);
        }
        let newest = self.index(last) as usize + count;
        let mut average = 0.0;
        for back in 0..live {
            average += self.buckets[(newest - back) % count] * weight;
            weight *= 1.0 - self.decay;
        }
        average
    }

    /// Makes the window longer or shorter, and keeps the newest buckets.
    pub fn resize(&mut self, now: SimTime, span: SimDuration) {
        if span == self.span {
            return;
        }
        let count = span.0.div_ceil(self.granularity.0) as usize;
        let mut buckets = vec![0.0; count];
        let mut total = 0.0;
        let old_count = self.buckets.len();
        match self.last_write {
            Some(last) if self.bucket_start(now) <= last.after(self.span) => {
                let newest = self.index(last) as i64;
                for back in 0..count.min(old_count) as i64 {
                    let value = self.buckets[(newest - back).rem_euclid(old_count as i64) as usize];
                    buckets[(newest - back).rem_euclid(count as i64) as usize] = value;
                    total += value;
                }
                // From here on all buckets of the old window count, also those from before its first record.
                self.first_write_ns = Some(last.0 as i64 - (old_count as i64 - 1) * self.granularity.0 as i64);
            }
            _ => self.first_write_ns = None,
        }
        (self.span, self.buckets, self.total) = (span, buckets, total);
        self.decay = decay(count as f64);
    }

    fn bucket_start(&self, now: SimTime) -> SimTime {
        SimTime(now.0 / self.granularity.0 * self.granularity.0)
    }

    fn index(&self, now: SimTime) -> u64 {
        now.0 / self.granularity.0
    }
}

/// The part that weights lose from one bucket to the next, for a number of buckets.
fn decay(buckets: f64) -> f64 {
    let exponent = 1.0 / buckets;
    let remainder = 1.0 - WEIGHT_MIN;
    // Go's `math.Pow` takes these two exponents apart from the rest.
    let power = match exponent {
        1.0 => remainder,
        0.5 => remainder.sqrt(),
        _ => libm::exp(exponent * libm::log(remainder)),
    };
    (1.0 - power).max(DECAY_MIN)
}

/// A power by repeated squaring, in the order of Go's `math.Pow`: the bits of the exponent from the lowest on.
fn power(base: f64, mut exponent: u64) -> f64 {
    let (mut result, mut result_exponent) = (1.0, 0i32);
    let (mut square, mut square_exponent) = libm::frexp(base);
    while exponent != 0 {
        if exponent & 1 == 1 {
            result *= square;
            result_exponent = result_exponent.saturating_add(square_exponent);
        }
        square *= square;
        square_exponent = square_exponent.saturating_mul(2);
        if square < 0.5 {
            square += square;
            square_exponent -= 1;
        }
        exponent >>= 1;
    }
    libm::ldexp(result, result_exponent)
}

fn rounded(value: f64) -> f64 {
    (value * ROUNDING).round() / ROUNDING
}
