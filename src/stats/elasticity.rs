//! How well capacity follows demand: the elasticity figures of the SPEC Research Group, and what surrounds them.
//!
//! Demand and supply are step functions of the same unit: the replicas (or cores) that would just have sufficed, and those
//! that were there. An [`ElasticityMeter`] follows both in constant memory and works out every figure exactly, up to
//! rounding; only [`Elasticity::instability_percent`] is defined on samples.
//!
//! | figure | definition, over a span T with demand d and supply s |
//! |---|---|
//! | accuracy | area of max(d - s, 0), or of max(s - d, 0), over T: units that were missing or too many on average |
//! | accuracy, normalised (theta) | 100 / T times the area of the same over d, where d below the floor counts as the floor |
//! | timeshare (tau) | 100 times the share of T with d > s, or with s > d |
//! | instability (upsilon) | share of the samples at which d and s did not move in the same direction since the sample before |
//! | jitter | units by which s moved beyond those by which d moved, per minute; below 0 when s moved less |
//! | time to adapt | mean length of the spells with d > s, or with s > d |
//!
//! Sources, and what was compared with them:
//! - Herbst, Kounev, Reussner, "Elasticity in Cloud Computing: What It Is, and What It Is Not" (ICAC 2013): time to adapt and
//!   mean amount, whose product's inverse is the elasticity of one direction.
//! - Herbst et al., "BUNGEE: An Elasticity Benchmark for Self-Adaptive IaaS Cloud Environments" (SEAMS 2015), and the package
//!   `tools.descartes.bungee.metric` of its implementation: accuracy, timeshare and jitter are the same, on the series of its
//!   tests. Its `Relative*Accuracy` divide by nothing in spite of their names. Its `Instability` counts only the half in
//!   which supply moves further up, or less far down, than demand, weighs by the time between changes, and so is at most ours.
//! - Herbst et al., "Ready for Rain? A View from SPEC Research on the Future of Cloud Metrics" (SPEC-RG-2016-01) and "Quantifying
//!   Cloud Performance and Dependability" (ACM TOMPECS 3:4, 2018): theta, tau and upsilon, two-sided; Bauer et al.,
//!   "Chameleon" (IEEE TPDS 30:4, 2019), for these and the scores of [`scores`]. That theta divides by demand, and how
//!   figures become a speedup, was checked with Imdoukh et al., "Machine learning-based auto-scaling for containerized
//!   applications" (Neural Computing and Applications, 2019), equations 12 to 16 and table 8, who quote them.
//! - Ilyushkin et al., "An Experimental Performance Evaluation of Autoscaling Policies for Complex Workflows" (ICPE 2017), for
//!   the floor of the normalisation.
//!
//! Reversals and oscillations are defined here.

use crate::units::{SimDuration, SimTime};

pub mod bound;
pub mod scores;
pub mod violation;

#[cfg(test)]
mod tests;

/// What the definitions leave open.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ElasticityOptions {
    /// How far apart the samples are at which instability compares directions. Above zero.
    pub sample_period: SimDuration,
    /// What lower demands count as where accuracy is divided by demand. Above 0.
    pub demand_floor: f64,
    /// A reversal of supply so soon after its previous change, or sooner, is an oscillation.
    pub oscillation_window: SimDuration,
}

impl Default for ElasticityOptions {
    /// Samples a minute apart, a floor of one unit, oscillations within ten minutes.
    fn default() -> Self {
        ElasticityOptions {
            sample_period: SimDuration(60_000_000_000),
            demand_floor: 1.0,
            oscillation_window: SimDuration(600_000_000_000),
        }
    }
}

/// The maximal spans during which one side prevailed.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Spells {
    /// How many there were; one that has not ended counts.
    pub count: u64,
    /// How long they took together, in seconds.
    pub total_s: f64,
    /// How long the longest took, in seconds.
    pub longest_s: f64,
    /// Units that were missing or too many, times seconds.
    pub area_unit_s: f64,
}

impl Spells {
    /// How long one took on average, in seconds: the mean time to adapt. NaN when there was none.
    pub fn mean_s(&self) -> f64 {
        self.total_s / self.count as f64
    }

    /// Units that were missing or too many on average while it lasted. NaN when there was none.
    pub fn mean_amount(&self) -> f64 {
        self.area_unit_s / self.total_s
    }

    /// Elasticity of scaling up or down as in Herbst et al. (2013): 1 over the product of the mean time to adapt and the mean
    /// amount, in 1 / (unit second); infinite when there was no spell.
    pub fn elasticity(&self) -> f64 {
        if self.count == 0 { f64::INFINITY } else { 1.0 / (self.mean_s() * self.mean_amount()) }
    }
}

/// How one series moved.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Moves {
    /// Instants at which it changed.
    pub changes: u64,
    /// By how many units altogether, up and down.
    pub amount: f64,
    /// Changes in the other direction than the change before.
    pub reversals: u64,
    /// Reversals within [`ElasticityOptions::oscillation_window`] of the change before.
    pub oscillations: u64,
}

/// The figures of one span.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Elasticity {
    /// The span, in seconds. All shares and means are NaN when it is 0.
    pub duration_s: f64,
    /// Area under demand, in unit seconds: what a supply that follows at once would have cost.
    pub demand_unit_s: f64,
    /// Area under supply, in unit seconds: what was paid for.
    pub supply_unit_s: f64,
    /// Units that were missing on average over the whole span.
    pub under_accuracy: f64,
    /// Units that were too many on average over the whole span.
    pub over_accuracy: f64,
    /// theta U: what was missing relative to demand, in percent; 0 is best.
    pub under_accuracy_percent: f64,
    /// theta O: what was too much relative to demand, in percent; 0 is best, and it can exceed 100.
    pub over_accuracy_percent: f64,
    /// tau U: the share of time with too little, in percent.
    pub under_timeshare_percent: f64,
    /// tau O: the share of time with too much, in percent.
    pub over_timeshare_percent: f64,
    /// upsilon: the share of samples at which demand and supply moved differently, in percent. NaN with fewer than two samples.
    pub instability_percent: f64,
    /// How much more than demand supply moved, in units per minute.
    pub jitter_per_minute: f64,
    /// Spells with too little.
    pub under: Spells,
    /// Spells with too much.
    pub over: Spells,
    /// How demand moved.
    pub demand: Moves,
    /// How supply moved.
    pub supply: Moves,
}

impl Elasticity {
    /// What was paid over the cost of a bound, such as the area under a clairvoyant's supply; 1 meets the bound. NaN
    /// when both are 0.
    pub fn cost_against(&self, bound_unit_s: f64) -> f64 {
        self.supply_unit_s / bound_unit_s
    }
}

/// Follows a demand and a supply, in constant memory and time per change.
///
/// ```
/// use wavetank::stats::elasticity::{ElasticityMeter, ElasticityOptions};
/// use wavetank::units::SimTime;
/// let second = |s: u64| SimTime(s * 1_000_000_000);
/// let mut meter = ElasticityMeter::new(second(0), 2.0, 2.0, ElasticityOptions::default());
/// meter.set_demand(second(60), 4.0);
/// meter.set_supply(second(90), 5.0);
/// let figures = meter.figures(second(120));
/// // Two are missing for 30 s of 120 s; one of five is too many for 30 s.
/// assert_eq!((figures.under_accuracy, figures.over_accuracy), (0.5, 0.25));
/// assert_eq!((figures.under_timeshare_percent, figures.under.mean_s()), (25.0, 30.0));
/// ```
#[derive(Clone, Copy, Debug)]
pub struct ElasticityMeter {
    options: ElasticityOptions,
    start: SimTime,
    /// Everything is counted up to here.
    now: SimTime,
    demand: Series,
    supply: Series,
    under: Side,
    over: Side,
    sampling: Sampling,
}

impl ElasticityMeter {
    /// Starts at `start` with these values.
    ///
    /// # Panics
    /// When a value is negative or not finite, or an option is out of its range.
    pub fn new(start: SimTime, demand: f64, supply: f64, options: ElasticityOptions) -> ElasticityMeter {
        assert!(options.sample_period > SimDuration::ZERO, "samples need a period");
        assert!(options.demand_floor > 0.0 && options.demand_floor.is_finite(), "the floor of demand is above 0");
        ElasticityMeter {
            options,
            start,
            now: start,
            demand: Series::new(check(demand)),
            supply: Series::new(check(supply)),
            under: Side::default(),
            over: Side::default(),
            sampling: Sampling { next: start, values: None, compared: 0, unequal: 0 },
        }
    }

    /// From `at` on demand is `demand`. Of several values at one instant the last one counts.
    ///
    /// # Panics
    /// When time moves back, or the value is negative or not finite.
    pub fn set_demand(&mut self, at: SimTime, demand: f64) {
        self.advance(at);
        self.demand.value = check(demand);
    }

    /// From `at` on supply is `supply`. Of several values at one instant the last one counts.
    ///
    /// # Panics
    /// When time moves back, or the value is negative or not finite.
    pub fn set_supply(&mut self, at: SimTime, supply: f64) {
        self.advance(at);
        self.supply.value = check(supply);
    }

    /// Demand and supply now.
    pub fn values(&self) -> (f64, f64) {
        (self.demand.value, self.supply.value)
    }

    /// The figures from the start up to `end`, whose own values no longer count.
    ///
    /// # Panics
    /// When `end` is before the last change.
    pub fn figures(&self, end: SimTime) -> Elasticity {
        let mut done = *self;
        done.advance(end);
        let duration_s = end.since(self.start).as_seconds();
        let percent = |seconds: f64| 100.0 * seconds / duration_s;
        Elasticity {
            duration_s,
            demand_unit_s: done.demand.area,
            supply_unit_s: done.supply.area,
            under_accuracy: done.under.spells.area_unit_s / duration_s,
            over_accuracy: done.over.spells.area_unit_s / duration_s,
            under_accuracy_percent: percent(done.under.relative_s),
            over_accuracy_percent: percent(done.over.relative_s),
            under_timeshare_percent: percent(done.under.spells.total_s),
            over_timeshare_percent: percent(done.over.spells.total_s),
            instability_percent: 100.0 * done.sampling.unequal as f64 / done.sampling.compared as f64,
            jitter_per_minute: (done.supply.moves.amount - done.demand.moves.amount) / (duration_s / 60.0),
            under: done.under.spells,
            over: done.over.spells,
            demand: done.demand.moves,
            supply: done.supply.moves,
        }
    }

    /// Counts what held from `now` up to `to`.
    fn advance(&mut self, to: SimTime) {
        let span_s = to.since(self.now).as_seconds();
        if to == self.now {
            return;
        }
        for series in [&mut self.demand, &mut self.supply] {
            series.settle(self.now, self.options.oscillation_window);
            series.area += series.value * span_s;
        }
        let (demand, supply) = (self.demand.value, self.supply.value);
        let floor = demand.max(self.options.demand_floor);
        self.under.hold(demand - supply, floor, span_s);
        self.over.hold(supply - demand, floor, span_s);
        self.sampling.hold([demand, supply], to, self.options.sample_period);
        self.now = to;
    }
}

fn check(value: f64) -> f64 {
    assert!(value.is_finite() && value >= 0.0, "a demand or supply of {value}");
    value
}

/// One of the two step functions.
#[derive(Clone, Copy, Debug)]
struct Series {
    value: f64,
    /// The value that held last for some time, once one has.
    settled: Option<f64>,
    /// When it changed last, and whether upwards.
    last: Option<(SimTime, bool)>,
    area: f64,
    moves: Moves,
}

impl Series {
    fn new(value: f64) -> Series {
        Series { value, settled: None, last: None, area: 0.0, moves: Moves::default() }
    }

    /// The value holds for some time from `at` on, so it counts as a change if it is one.
    fn settle(&mut self, at: SimTime, window: SimDuration) {
        let settled = self.settled.replace(self.value).unwrap_or(self.value);
        if self.value == settled {
            return;
        }
        let is_up = self.value > settled;
        self.moves.changes += 1;
        self.moves.amount += (self.value - settled).abs();
        if let Some((before, was_up)) = self.last
            && was_up != is_up
        {
            self.moves.reversals += 1;
            self.moves.oscillations += u64::from(at.since(before) <= window);
        }
        self.last = Some((at, is_up));
    }
}

/// Too little, or too much.
#[derive(Clone, Copy, Debug, Default)]
struct Side {
    spells: Spells,
    /// Length of the spell that lasts, in seconds; 0 when none does.
    open_s: f64,
    /// Integral of the excess over demand, in seconds.
    relative_s: f64,
}

impl Side {
    fn hold(&mut self, excess: f64, demand: f64, span_s: f64) {
        if excess <= 0.0 {
            self.open_s = 0.0;
            return;
        }
        self.spells.count += u64::from(self.open_s == 0.0);
        self.open_s += span_s;
        self.spells.total_s += span_s;
        self.spells.longest_s = self.spells.longest_s.max(self.open_s);
        self.spells.area_unit_s += excess * span_s;
        self.relative_s += excess / demand * span_s;
    }
}

/// The samples of instability.
#[derive(Clone, Copy, Debug)]
struct Sampling {
    next: SimTime,
    /// Demand and supply at the previous sample.
    values: Option<[f64; 2]>,
    compared: u64,
    unequal: u64,
}

impl Sampling {
    /// The values hold up to `to`, exclusively.
    fn hold(&mut self, values: [f64; 2], to: SimTime, period: SimDuration) {
        if self.next >= to {
            return;
        }
        if let Some(before) = self.values {
            self.compared += 1;
            let [demand, supply] = [0, 1].map(|at| values[at].partial_cmp(&before[at]));
            self.unequal += u64::from(demand != supply);
        }
        // The other samples in the span see no movement on either side.
        let others = (to.since(self.next).0 - 1) / period.0;
        self.compared += others;
        self.next = self.next.after(SimDuration(others * period.0)).after(period);
        self.values = Some(values);
    }
}
