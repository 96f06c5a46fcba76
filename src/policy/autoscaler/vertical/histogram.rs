//! Histograms of usage, whose samples may lose weight with age.
//!
//! Follows `pkg/recommender/util/{histogram,histogram_options,decaying_histogram}.go` of the Vertical Pod Autoscaler 1.8.1
//! bit by bit on amd64. A bucket that weighs less than epsilon at either end of the histogram counts as empty.
//!
//! Instants count from 1970-01-01T00:00:00Z where that matters: reference times are whole multiples of the half-life since
//! the first of January of the year 1.
//!
//! Known deviation: a histogram without samples has no reference time; upstream's is the year 1, which differs for
//! half-lives of more than 20 years.
//!
//! Cost: a sample is O(1), now and then O(buckets); percentiles and merging are O(buckets).

use super::numeric;
use crate::units::{SimDuration, SimTime};

/// From the first of January of the year 1 to that of 1970, in nanoseconds.
const YEAR_ONE_TO_1970_NS: u128 = 62_135_596_800 * 1_000_000_000;
/// After so many half-lives the weights are brought back to size (`maxDecayExponent`).
const DECAY_EXPONENT_MAX: u64 = 100;
/// The weight of the heaviest bucket in a checkpoint (`MaxCheckpointWeight`).
const CHECKPOINT_WEIGHT_MAX: f64 = 10_000.0;

/// Which values share a bucket.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Scheme {
    Linear {
        bucket_size: f64,
    },
    Exponential {
        first_bucket_size: f64,
        ratio: f64,
        /// Of the ratio.
        logarithm: f64,
    },
}

/// How a histogram is divided (`HistogramOptions`).
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Buckets {
    scheme: Scheme,
    count: usize,
    epsilon: f64,
}

impl Buckets {
    /// Buckets of one size, up to the one that `max` lies in; that one has no upper end.
    ///
    /// # Panics
    /// When an argument is not above 0.
    pub fn linear(max: f64, bucket_size: f64, epsilon: f64) -> Buckets {
        assert!(max > 0.0 && bucket_size > 0.0 && epsilon > 0.0, "sizes of buckets are above 0");
        let count = libm::ceil(max / bucket_size) as usize + 1;
        Buckets { scheme: Scheme::Linear { bucket_size }, count, epsilon }
    }

    /// Buckets each of which is `ratio` times as wide as the one before, up to the one that `max` lies in; that one has no
    /// upper end.
    ///
    /// # Panics
    /// When an argument is not above 0, or the ratio not above 1.
    pub fn exponential(max: f64, first_bucket_size: f64, ratio: f64, epsilon: f64) -> Buckets {
        assert!(max > 0.0 && first_bucket_size > 0.0 && epsilon > 0.0, "sizes of buckets are above 0");
        assert!(ratio > 1.0, "buckets grow");
        let logarithm = numeric::log(ratio);
        let last = numeric::log(max * (ratio - 1.0) / first_bucket_size + 1.0) / logarithm;
        let count = libm::ceil(last) as usize + 1;
        Buckets { scheme: Scheme::Exponential { first_bucket_size, ratio, logarithm }, count, epsilon }
    }

    /// How many buckets there are.
    pub fn count(&self) -> usize {
        self.count
    }

    /// The weight below which a bucket counts as empty.
    pub fn epsilon(&self) -> f64 {
        self.epsilon
    }

    /// The bucket of a value; the first or the last one for values beyond the ends.
    pub fn find(&self, value: f64) -> usize {
        let bucket = match self.scheme {
            // What is negative becomes 0.
            Scheme::Linear { bucket_size } => (value / bucket_size) as usize,
            Scheme::Exponential { first_bucket_size, .. } if value < first_bucket_size => 0,
            Scheme::Exponential { first_bucket_size, ratio, logarithm } => {
                let widths = value * (ratio - 1.0) / first_bucket_size + 1.0;
                (numeric::log(widths) / logarithm) as usize
            }
        };
        bucket.min(self.count - 1)
    }

    /// The least value of a bucket.
    ///
    /// # Panics
    /// When there is no such bucket.
    pub fn start(&self, bucket: usize) -> f64 {
        assert!(bucket < self.count, "there are {} buckets, no {bucket}", self.count);
        match self.scheme {
            Scheme::Linear { bucket_size } => bucket as f64 * bucket_size,
            Scheme::Exponential { .. } if bucket == 0 => 0.0,
            Scheme::Exponential { first_bucket_size, ratio, .. } => {
                first_bucket_size * (numeric::power(ratio, bucket as i32) - 1.0) / (ratio - 1.0)
            }
        }
    }
}

/// Weights of values by bucket.
#[derive(Clone, Debug, PartialEq)]
pub struct Histogram {
    buckets: Buckets,
    weights: Vec<f64>,
    total: f64,
    /// First bucket that is not empty, or the last one.
    first: usize,
    /// Last bucket that is not empty, or 0.
    last: usize,
}

impl Histogram {
    /// Without samples.
    pub fn new(buckets: Buckets) -> Histogram {
        Histogram { buckets, weights: vec![0.0; buckets.count], total: 0.0, first: buckets.count - 1, last: 0 }
    }

    /// How it is divided.
    pub fn buckets(&self) -> &Buckets {
        &self.buckets
    }

    /// The weights of all buckets.
    pub fn weights(&self) -> &[f64] {
        &self.weights
    }

    /// The weight of all samples.
    pub fn total_weight(&self) -> f64 {
        self.total
    }

    /// The buckets from the first to the last that is not empty; of an empty histogram the last and the first.
    pub fn range(&self) -> (usize, usize) {
        (self.first, self.last)
    }

    /// Adds a sample.
    ///
    /// # Panics
    /// When the weight is below 0.
    pub fn add(&mut self, value: f64, weight: f64) {
        assert!(weight >= 0.0, "a sample weighs at least nothing");
        let bucket = self.buckets.find(value);
        self.weights[bucket] += weight;
        self.total += weight;
        if self.weights[bucket] >= self.buckets.epsilon {
            self.first = self.first.min(bucket);
            self.last = self.last.max(bucket);
        }
    }

    /// Takes a sample away again; what would be less than epsilon becomes 0.
    ///
    /// # Panics
    /// When the weight is below 0.
    pub fn subtract(&mut self, value: f64, weight: f64) {
        assert!(weight >= 0.0, "a sample weighs at least nothing");
        let epsilon = self.buckets.epsilon;
        let less = |from: f64| if from - weight < epsilon { 0.0 } else { from - weight };
        let bucket = self.buckets.find(value);
        self.total = less(self.total);
        self.weights[bucket] = less(self.weights[bucket]);
        self.shrink();
    }

    /// Adds all samples of a histogram that is divided alike.
    ///
    /// # Panics
    /// When it is divided otherwise.
    pub fn merge(&mut self, other: &Histogram) {
        assert!(self.buckets == other.buckets, "only histograms that are divided alike can be merged");
        for bucket in other.first..=other.last {
            self.weights[bucket] += other.weights[bucket];
        }
        self.total += other.total;
        self.first = self.first.min(other.first);
        self.last = self.last.max(other.last);
    }

    /// The end of the bucket that the percentile falls into, or the start of the last bucket, which has no end; 0 without
    /// samples. `percentile` is a fraction: 0.9 means the 90th.
    pub fn percentile(&self, percentile: f64) -> f64 {
        if self.is_empty() {
            return 0.0;
        }
        let threshold = percentile * self.total;
        let mut sum = 0.0;
        let mut bucket = self.first;
        while bucket < self.last {
            sum += self.weights[bucket];
            if sum >= threshold {
                break;
            }
            bucket += 1;
        }
        self.buckets.start((bucket + 1).min(self.buckets.count - 1))
    }

    /// Whether there are no samples.
    pub fn is_empty(&self) -> bool {
        self.weights[self.first] < self.buckets.epsilon
    }

    /// Leaves out buckets at both ends that count as empty.
    fn shrink(&mut self) {
        let epsilon = self.buckets.epsilon;
        while self.weights[self.first] < epsilon && self.first < self.buckets.count - 1 {
            self.first += 1;
        }
        while self.weights[self.last] < epsilon && self.last > 0 {
            self.last -= 1;
        }
    }

    fn scale(&mut self, factor: f64) {
        for bucket in self.first..=self.last {
            self.weights[bucket] *= factor;
        }
        self.total *= factor;
        self.shrink();
    }

    /// The weights by bucket in units of which the heaviest has 10 000, without those that round to 0 (`SaveToChekpoint`).
    fn save(&self) -> Vec<(usize, u32)> {
        let range = if self.first <= self.last { self.first..self.last + 1 } else { 0..0 };
        let heaviest = self.weights[range.clone()].iter().fold(0.0, |heaviest: f64, weight| heaviest.max(*weight));
        let ratio = CHECKPOINT_WEIGHT_MAX / heaviest;
        let weights = range.map(|bucket| (bucket, numeric::round_half_up(self.weights[bucket] * ratio) as u32));
        weights.filter(|(_, weight)| *weight > 0).collect()
    }

    fn load(&mut self, weights: &[(usize, u32)], total: f64) -> Result<(), CheckpointError> {
        if total < 0.0 {
            return Err(CheckpointError(format!("has a negative weight, {total}")));
        }
        if let Some((bucket, _)) = weights.iter().find(|(bucket, _)| *bucket >= self.buckets.count) {
            return Err(CheckpointError(format!("has a bucket {bucket} of {}", self.buckets.count)));
        }
        let sum: i64 = weights.iter().map(|(_, weight)| i64::from(*weight)).sum();
        if sum == 0 {
            return Ok(());
        }
        let ratio = total / sum as f64;
        for &(bucket, weight) in weights {
            self.first = self.first.min(bucket);
            self.last = self.last.max(bucket);
            self.weights[bucket] += f64::from(weight) * ratio;
        }
        self.total += total;
        self.shrink();
        Ok(())
    }
}

/// Why a checkpoint was refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the checkpoint {0}")]
pub struct CheckpointError(pub(super) String);

/// A histogram as it is stored while the recommender is not there (`HistogramCheckpoint`). Small weights are lost.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct HistogramCheckpoint {
    /// The time at which a sample has its own weight; none: there were no samples.
    pub reference: Option<SimTime>,
    /// Buckets in ascending order with their weights, of which the heaviest has 10 000.
    pub weights: Vec<(usize, u32)>,
    /// The weight of all samples.
    pub total_weight: f64,
}

/// A histogram whose samples lose half of their weight with every half-life. Rather than those that are there weighing less,
/// new ones weigh more.
#[derive(Clone, Debug, PartialEq)]
pub struct DecayingHistogram {
    histogram: Histogram,
    half_life: SimDuration,
    reference: Option<SimTime>,
}

impl DecayingHistogram {
    /// Without samples.
    ///
    /// # Panics
    /// When the half-life is 0.
    pub fn new(buckets: Buckets, half_life: SimDuration) -> DecayingHistogram {
        assert!(half_life > SimDuration::ZERO, "weights do not halve in no time");
        DecayingHistogram { histogram: Histogram::new(buckets), half_life, reference: None }
    }

    /// The weights.
    pub fn histogram(&self) -> &Histogram {
        &self.histogram
    }

    /// The time at which a sample has its own weight; none: there were no samples.
    pub fn reference(&self) -> Option<SimTime> {
        self.reference
    }

    /// Adds a sample of that instant.
    ///
    /// # Panics
    /// When the weight is below 0.
    pub fn add(&mut self, value: f64, weight: f64, at: SimTime) {
        let factor = self.decay_factor(at);
        self.histogram.add(value, weight * factor);
    }

    /// Takes a sample of that instant away again.
    ///
    /// # Panics
    /// When the weight is below 0.
    pub fn subtract(&mut self, value: f64, weight: f64, at: SimTime) {
        let factor = self.decay_factor(at);
        self.histogram.subtract(value, weight * factor);
    }

    /// Adds all samples of another one. The older of the two is brought to the reference time of the younger, so `other`
    /// may change too, as upstream's does.
    ///
    /// # Panics
    /// When the other one is divided otherwise, or has another half-life.
    pub fn merge(&mut self, other: &mut DecayingHistogram) {
        assert!(self.half_life == other.half_life, "only histograms of one half-life can be merged");
        match (self.reference, other.reference) {
            (ours, Some(theirs)) if ours < Some(theirs) => self.shift(theirs),
            (Some(ours), theirs) if theirs < Some(ours) => other.shift(ours),
            _ => {}
        }
        self.histogram.merge(&other.histogram);
    }

    /// As [`Histogram::percentile`].
    pub fn percentile(&self, percentile: f64) -> f64 {
        self.histogram.percentile(percentile)
    }

    /// Whether there are no samples.
    pub fn is_empty(&self) -> bool {
        self.histogram.is_empty()
    }

    /// What is stored of it.
    pub fn save(&self) -> HistogramCheckpoint {
        let (weights, total_weight) = (self.histogram.save(), self.histogram.total);
        HistogramCheckpoint { reference: self.reference, weights, total_weight }
    }

    /// Adds what was stored. Its reference time becomes that of the checkpoint.
    ///
    /// # Errors
    /// When a weight is negative or a bucket does not exist; then nothing has changed.
    pub fn load(&mut self, checkpoint: &HistogramCheckpoint) -> Result<(), CheckpointError> {
        self.histogram.load(&checkpoint.weights, checkpoint.total_weight)?;
        self.reference = checkpoint.reference;
        Ok(())
    }

    /// Moves the reference time to the multiple of the half-life that is nearest to `to`.
    fn shift(&mut self, to: SimTime) {
        let to = round_to_multiple(to, self.half_life);
        let half_lives = match self.reference {
            Some(from) => numeric::round_half_up(nanoseconds_between(to, from) / self.half_life.0 as f64),
            None => i64::MIN,
        };
        // Below 2^-1074 nothing is left.
        let exponent = half_lives.clamp(-2000, 1000) as i32;
        self.histogram.scale(libm::ldexp(1.0, exponent));
        self.reference = Some(to);
    }

    fn decay_factor(&mut self, at: SimTime) -> f64 {
        let span = SimDuration(self.half_life.0.saturating_mul(DECAY_EXPONENT_MAX));
        if self.reference.is_none_or(|reference| at > reference.after(span)) {
            self.shift(at);
        }
        let reference = self.reference.unwrap_or(at);
        numeric::exp2(nanoseconds_between(reference, at) / self.half_life.0 as f64)
    }
}

/// The nearest multiple of a span since the first of January of the year 1, halves up (Go's `Time.Round`). What would lie
/// before 1970 becomes 1970.
fn round_to_multiple(time: SimTime, span: SimDuration) -> SimTime {
    let (since, span) = (YEAR_ONE_TO_1970_NS + u128::from(time.0), u128::from(span.0));
    let rest = since % span;
    let rounded = if rest * 2 < span { since - rest } else { since - rest + span };
    SimTime(u64::try_from(rounded.saturating_sub(YEAR_ONE_TO_1970_NS)).unwrap_or(u64::MAX))
}

/// Nanoseconds from one instant to another, which may lie before it.
fn nanoseconds_between(from: SimTime, to: SimTime) -> f64 {
    (i128::from(to.0) - i128::from(from.0)) as f64
}

#[cfg(test)]
mod tests;
