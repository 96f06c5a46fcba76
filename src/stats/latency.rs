//! Latency: all quantiles in constant memory, and intervals for them.
//!
//! A histogram with logarithmic classes (Tene's HdrHistogram) keeps three significant digits: up to 2047 ns it is exact, and
//! beyond that no value is further than 0.05 % from what is reported for it. Count, mean and extremes are exact.
//!
//! Intervals of quantiles are those of sectioning (Asmussen and Glynn 2007, "Stochastic Simulation", section III.5a;
//! Nakayama 2014, "Confidence Intervals for Quantiles Using Sectioning When Applying Variance-Reduction Techniques", ACM
//! TOMACS 24:4): each batch has its own quantile, the spread of these around the quantile of the whole run gives the standard
//! error, and correlated batches widen it ([`super::batch_means`]). Batches are merged in pairs as the run gets longer, and
//! the quantile of a merged batch is the mean of the two. That keeps three numbers a batch rather than a histogram, at a
//! price: a quantile from few observations is biased by the order of one over their number, and merging keeps the bias. But
//! half of the run always lies in batches of full length, a quarter in those of half of it, and so on, so the bias falls as
//! log(n) / n, faster than the interval, and as the spread is taken around the quantile of the whole run, the bias widens
//! the interval rather than shifting it. The alternatives: histograms of 64 batches take 64 times the memory, and with
//! classes coarse enough to afford them see no spread where latencies hardly vary; the P-square estimate has no bounds on
//! its error.

use hdrhistogram::Histogram;

use super::batch_means::{SteadyInterval, push_batch};
use crate::units::SimDuration;

/// Significant digits of histograms.
const DIGITS: u8 = 3;

/// The longest span that is expected; the histogram grows beyond it when it must.
const LONGEST_NS: u64 = 3_600_000_000_000;

/// How latencies were distributed.
#[derive(Clone, Debug, PartialEq)]
pub struct LatencyRecorder {
    /// In nanoseconds.
    histogram: Histogram<u64>,
    sum_ns: u128,
    min_ns: u64,
    max_ns: u64,
}

impl Default for LatencyRecorder {
    fn default() -> Self {
        let mut histogram = Histogram::new_with_bounds(1, LONGEST_NS, DIGITS).expect("the bounds are valid");
        histogram.auto(true);
        LatencyRecorder { histogram, sum_ns: 0, min_ns: u64::MAX, max_ns: 0 }
    }
}

impl LatencyRecorder {
    /// Takes one latency in. Costs a few nanoseconds.
    #[inline]
    pub fn record(&mut self, latency: SimDuration) {
        self.histogram.record(latency.0).expect("the histogram grows as it must");
        self.sum_ns += u128::from(latency.0);
        self.min_ns = self.min_ns.min(latency.0);
        self.max_ns = self.max_ns.max(latency.0);
    }

    /// Forgets everything.
    pub fn clear(&mut self) {
        self.histogram.reset();
        (self.sum_ns, self.min_ns, self.max_ns) = (0, u64::MAX, 0);
    }

    /// Takes in what another one has.
    pub fn merge(&mut self, other: &LatencyRecorder) {
        self.histogram.add(&other.histogram).expect("the histogram grows as it must");
        self.sum_ns += other.sum_ns;
        self.min_ns = self.min_ns.min(other.min_ns);
        self.max_ns = self.max_ns.max(other.max_ns);
    }

    /// How many latencies there were.
    pub fn count(&self) -> u64 {
        self.histogram.len()
    }

    /// The exact mean in seconds; NaN without any.
    pub fn mean_s(&self) -> f64 {
        self.sum_ns as f64 / self.count() as f64 * 1e-9
    }

    /// The least in seconds, exactly; NaN without any.
    pub fn min_s(&self) -> f64 {
        if self.count() == 0 { f64::NAN } else { SimDuration(self.min_ns).as_seconds() }
    }

    /// The greatest in seconds, exactly; NaN without any.
    pub fn max_s(&self) -> f64 {
        if self.count() == 0 { f64::NAN } else { SimDuration(self.max_ns).as_seconds() }
    }

    /// The least latency that at least that part of all do not exceed, in seconds; NaN without any. It is the middle of a
    /// class of the histogram, but never beyond the extremes.
    ///
    /// # Panics
    /// When `probability` is not within 0 to 1.
    pub fn quantile_s(&self, probability: f64) -> f64 {
        assert!((0.0..=1.0).contains(&probability), "a probability is not within 0 to 1");
        if self.count() == 0 {
            return f64::NAN;
        }
        let middle_ns = self.histogram.median_equivalent(self.histogram.value_at_quantile(probability));
        SimDuration(middle_ns.clamp(self.min_ns, self.max_ns)).as_seconds()
    }

    /// The classes of the histogram that are not empty, in ascending order: the longest span of each, and how many
    /// latencies it holds.
    pub fn classes(&self) -> impl Iterator<Item = (SimDuration, u64)> + '_ {
        let recorded = self.histogram.iter_recorded();
        recorded.map(|class| (SimDuration(class.value_iterated_to()), class.count_at_value()))
    }
}

/// The quantiles of which [`SteadyLatency`] gives intervals.
pub const PROBABILITIES: [f64; 3] = [0.5, 0.95, 0.99];

/// Latencies of one long run: what [`LatencyRecorder`] has, and intervals for the mean and for [`PROBABILITIES`].
///
/// A record costs one addition to the classes of the batch that is being filled; they go into the whole when it is complete.
#[derive(Clone, Debug, PartialEq)]
pub struct SteadyLatency {
    /// All complete batches together.
    complete: LatencyRecorder,
    /// What is kept of each.
    batches: Vec<Batch>,
    /// Observations of a complete batch.
    size: u64,
    current: Section,
}

#[derive(Clone, Copy, Debug, PartialEq)]
struct Batch {
    sum_ns: u128,
    quantiles_s: [f64; PROBABILITIES.len()],
}

/// The batch that is being filled, in the classes that the histogram has, too.
#[derive(Clone, Debug, PartialEq)]
struct Section {
    counts: Vec<u64>,
    count: u64,
    sum_ns: u128,
    min_ns: u64,
    max_ns: u64,
}

/// Observations of the first batches.
const FIRST_SIZE: u64 = 32;

/// Classes for each doubling of the span: half of the 2048 that three digits need, the other half being the doubling before.
const CLASSES: usize = 1024;

impl Default for SteadyLatency {
    fn default() -> Self {
        let (complete, current) = (LatencyRecorder::default(), Section::default());
        SteadyLatency { complete, batches: Vec::new(), size: FIRST_SIZE, current }
    }
}

impl SteadyLatency {
    /// Takes one latency in. Costs a few nanoseconds, batches included.
    #[inline]
    pub fn record(&mut self, latency: SimDuration) {
        self.current.record(latency.0);
        if self.current.count == self.size {
            self.close();
        }
    }

    #[inline(never)]
    fn close(&mut self) {
        let batch = Batch { sum_ns: self.current.sum_ns, quantiles_s: self.current.quantiles_s() };
        self.current.pour_into(&mut self.complete);
        self.current.clear();
        if push_batch(&mut self.batches, batch, Batch::merge) {
            self.size *= 2;
        }
    }

    /// How many latencies there were.
    pub fn count(&self) -> u64 {
        self.complete.count() + self.current.count
    }

    /// All of them.
    pub fn recorder(&self) -> LatencyRecorder {
        let mut all = self.complete.clone();
        self.current.pour_into(&mut all);
        all
    }

    /// The mean in seconds with its interval at a confidence level such as 0.95.
    ///
    /// # Panics
    /// When `level` is not between 0 and 1.
    pub fn mean_interval_s(&self, level: f64) -> SteadyInterval {
        let mean_s = (self.complete.sum_ns + self.current.sum_ns) as f64 / self.count() as f64 * 1e-9;
        let means_s: Vec<f64> =
            self.batches.iter().map(|batch| batch.sum_ns as f64 / self.size as f64 * 1e-9).collect();
        SteadyInterval::from_batches(mean_s, &means_s, level)
    }

    /// The quantiles at [`PROBABILITIES`] in seconds with their intervals at a confidence level such as 0.95, each wider by
    /// what the histogram may be off.
    ///
    /// # Panics
    /// When `level` is not between 0 and 1.
    pub fn quantile_intervals_s(&self, level: f64) -> [SteadyInterval; PROBABILITIES.len()] {
        let all = self.recorder();
        std::array::from_fn(|index| {
            let estimate = all.quantile_s(PROBABILITIES[index]);
            let quantiles_s: Vec<f64> = self.batches.iter().map(|batch| batch.quantiles_s[index]).collect();
            let mut interval = SteadyInterval::from_batches(estimate, &quantiles_s, level);
            let class = class_of(SimDuration::from_seconds(estimate).0);
            let error_s = SimDuration(width_ns(class) - 1).as_seconds() / 2.0;
            interval.low -= error_s;
            interval.high += error_s;
            interval
        })
    }
}

impl Batch {
    fn merge(self, other: Batch) -> Batch {
        let quantiles_s = std::array::from_fn(|index| (self.quantiles_s[index] + other.quantiles_s[index]) / 2.0);
        Batch { sum_ns: self.sum_ns + other.sum_ns, quantiles_s }
    }
}

impl Default for Section {
    fn default() -> Self {
        Section { counts: Vec::new(), count: 0, sum_ns: 0, min_ns: u64::MAX, max_ns: 0 }
    }
}

impl Section {
    #[inline]
    fn record(&mut self, latency_ns: u64) {
        let class = class_of(latency_ns);
        if class >= self.counts.len() {
            self.grow(class);
        }
        self.counts[class] += 1;
        self.count += 1;
        self.sum_ns += u128::from(latency_ns);
        self.min_ns = self.min_ns.min(latency_ns);
        self.max_ns = self.max_ns.max(latency_ns);
    }

    #[inline(never)]
    fn grow(&mut self, class: usize) {
        self.counts.resize((class / CLASSES + 1) * CLASSES, 0);
    }

    /// The classes that may not be empty.
    fn touched(&self) -> std::ops::Range<usize> {
        if self.count == 0 { 0..0 } else { class_of(self.min_ns)..class_of(self.max_ns) + 1 }
    }

    /// The quantiles, by the definition of [`LatencyRecorder::quantile_s`].
    fn quantiles_s(&self) -> [f64; PROBABILITIES.len()] {
        let (mut class, mut below) = (class_of(self.min_ns), 0);
        PROBABILITIES.map(|probability| {
            let rank = (probability * self.count as f64).ceil() as u64;
            while below + self.counts[class] < rank {
                below += self.counts[class];
                class += 1;
            }
            let middle_ns = lowest_ns(class) + width_ns(class) / 2;
            SimDuration(middle_ns.clamp(self.min_ns, self.max_ns)).as_seconds()
        })
    }

    /// Adds all that is in here.
    fn pour_into(&self, whole: &mut LatencyRecorder) {
        for class in self.touched() {
            let count = self.counts[class];
            if count > 0 {
                whole.histogram.record_n(lowest_ns(class), count).expect("the histogram grows as it must");
            }
        }
        whole.sum_ns += self.sum_ns;
        whole.min_ns = whole.min_ns.min(self.min_ns);
        whole.max_ns = whole.max_ns.max(self.max_ns);
    }

    fn clear(&mut self) {
        let touched = self.touched();
        self.counts[touched].fill(0);
        let counts = std::mem::take(&mut self.counts);
        *self = Section { counts, ..Section::default() };
    }
}

/// The class of a span: spans below 2048 ns have one each, and each doubling beyond has 1024 equal ones.
#[inline]
fn class_of(span_ns: u64) -> usize {
    let shift = doublings(span_ns);
    shift * CLASSES + (span_ns >> shift) as usize
}

/// By how many bits spans are shortened to be less than 2048.
#[inline]
fn doublings(span_ns: u64) -> usize {
    53 - (span_ns | CLASSES as u64).leading_zeros() as usize
}

/// The shortest span of a class.
fn lowest_ns(class: usize) -> u64 {
    let shift = (class / CLASSES).saturating_sub(1);
    ((class - shift * CLASSES) as u64) << shift
}

/// How many different spans a class holds.
fn width_ns(class: usize) -> u64 {
    1 << (class / CLASSES).saturating_sub(1)
}
