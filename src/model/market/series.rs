//! What changes over time: prices, capacity, and when there is nothing.

use crate::model::dist::Dist;
use crate::model::money::Money;
use crate::rng::Stream;
use crate::units::{SimDuration, SimTime};

/// Values from instants on, in ascending order from 0.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Steps<T> {
    list: Vec<(SimTime, T)>,
}

impl<T: Copy + PartialEq> Steps<T> {
    /// None: there is no value, or instants do not ascend. What comes first holds from the start of the run; what changes
    /// nothing is left out.
    fn new(mut list: Vec<(SimTime, T)>) -> Option<Steps<T>> {
        list.first_mut()?.0 = SimTime::ZERO;
        let ascends = list.windows(2).all(|pair| pair[0].0 < pair[1].0);
        list.dedup_by(|next, kept| next.1 == kept.1);
        ascends.then_some(Steps { list })
    }

    fn at(&self, time: SimTime) -> T {
        self.list[self.list.partition_point(|(from, _)| *from <= time) - 1].1
    }

    fn after(&self, time: SimTime) -> &[(SimTime, T)] {
        &self.list[self.list.partition_point(|(from, _)| *from <= time)..]
    }
}

/// The price of an instance by the hour, from each instant on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PriceSeries(Steps<Money>);

impl PriceSeries {
    /// A series of changes, of which the first holds from the start of the run; none: there is none, or their instants do
    /// not ascend.
    pub fn new(changes: Vec<(SimTime, Money)>) -> Option<PriceSeries> {
        Steps::new(changes).map(PriceSeries)
    }

    /// The price at an instant. O(log n).
    pub fn at(&self, time: SimTime) -> Money {
        self.0.at(time)
    }

    /// The lowest price of all.
    pub fn least(&self) -> Money {
        self.0.list.iter().map(|(_, price)| *price).min().expect("a series has a first value")
    }

    /// The first change after an instant.
    pub fn next_change(&self, time: SimTime) -> Option<(SimTime, Money)> {
        self.0.after(time).first().copied()
    }

    /// The first instant, from `from` on, at which the price is above a bid. O(log n + changes up to it).
    pub fn first_above(&self, bid: Money, from: SimTime) -> Option<SimTime> {
        if self.at(from) > bid {
            return Some(from);
        }
        self.0.after(from).iter().find(|(_, price)| *price > bid).map(|(at, _)| *at)
    }

    /// The changes, the first of which is the price from the start of the run on.
    pub fn changes(&self) -> &[(SimTime, Money)] {
        &self.0.list
    }
}

/// Prices that wander and come back: the logarithm is an Ornstein-Uhlenbeck process, sampled exactly at even steps (Schwartz
/// 1997, "The Stochastic Behavior of Commodity Prices", model 1). After November 2017 prices of AWS move like that, slowly
/// and far below the price on demand; before, they jumped, and are better replayed.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct PriceProcess {
    /// The mean price by the hour, in the long run.
    pub mean: Money,
    /// Standard deviation of the logarithm, in the long run; 0.1 is about 10 % of the price.
    pub deviation: f64,
    /// After how long half of a deviation from the mean is gone.
    pub half_life: SimDuration,
    /// How often the price changes, above 0.
    pub step: SimDuration,
    /// The least and the most that it can be: the price on demand, say.
    pub bounds: (Money, Money),
}

impl PriceProcess {
    /// The series up to a horizon. Its first price is drawn from the long run as well.
    ///
    /// # Panics
    /// When the step is 0.
    pub fn draw(&self, horizon: SimTime, stream: &mut Stream) -> PriceSeries {
        // The mean of a lognormal is exp(mu + sigma^2 / 2).
        let center = libm::log(self.mean.as_dollars()) - self.deviation * self.deviation / 2.0;
        let kept = libm::exp2(-self.step.as_seconds() / self.half_life.as_seconds());
        let noise = self.deviation * libm::sqrt(1.0 - kept * kept);
        let mut deviation = self.deviation * stream.normal();
        let mut changes = Vec::new();
        for step in 0..=horizon.0 / self.step.0 {
            let price = Money::from_dollars(libm::exp(center + deviation));
            changes.push((SimTime(step * self.step.0), price.clamp(self.bounds.0, self.bounds.1)));
            deviation = deviation * kept + noise * stream.normal();
        }
        PriceSeries::new(changes).expect("there is a price at every step, in order")
    }
}

/// How many instances there may be, from each instant on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Capacity(Steps<u32>);

impl Capacity {
    /// A series of changes, of which the first holds from the start of the run; none: there is none, or their instants do
    /// not ascend.
    pub fn new(changes: Vec<(SimTime, u32)>) -> Option<Capacity> {
        Steps::new(changes).map(Capacity)
    }

    /// How many there may be at an instant. O(log n).
    pub fn at(&self, time: SimTime) -> u32 {
        self.0.at(time)
    }

    /// The first change after an instant.
    pub fn next_change(&self, time: SimTime) -> Option<(SimTime, u32)> {
        self.0.after(time).first().copied()
    }

    /// When there was nothing at all: recorded capacity as outages of what is bought on demand. What is nothing at the end of
    /// the record stays so.
    pub fn outages(&self) -> Outages {
        let ends = self.0.list.iter().skip(1).map(|(at, _)| *at).chain([SimTime::NEVER]);
        let empty = self.0.list.iter().zip(ends).filter(|((_, count), _)| *count == 0);
        Outages::new(empty.map(|(&(from, _), to)| (from, to)).collect())
    }

    /// The same with so many instances for each of the series: where a probe of one stood for a market.
    pub fn times(&self, factor: u32) -> Capacity {
        let list = self.0.list.iter().map(|&(at, count)| (at, count.saturating_mul(factor))).collect();
        Capacity(Steps { list })
    }
}

/// Spare capacity where others come and go: of a number of machines others hold some, each of them comes at random and stays
/// for a while that is drawn from an exponential distribution (an M/M/inf queue); what they leave is spare.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct CapacityProcess {
    /// How many machines there are.
    pub total: u32,
    /// How many of them others hold, in the mean.
    pub others: f64,
    /// How long one of the others stays, in the mean; above 0.
    pub stay: SimDuration,
}

impl CapacityProcess {
    /// About how many changes there are up to a horizon.
    pub fn changes(&self, horizon: SimTime) -> f64 {
        2.0 * self.others * horizon.as_seconds() / self.stay.as_seconds()
    }

    /// The series up to a horizon. Its first number is drawn from the long run, a Poisson distribution, as well.
    ///
    /// # Panics
    /// When nobody stays.
    pub fn draw(&self, horizon: SimTime, stream: &mut Stream) -> Capacity {
        assert!(self.stay > SimDuration::ZERO, "others stay for a while");
        // As many as come in a span of 1 at a rate of `others`.
        let (mut held, mut sum) = (0_u32, stream.exponential());
        while sum < self.others {
            (held, sum) = (held + 1, sum + stream.exponential());
        }
        let spare = |held: u32| self.total.saturating_sub(held);
        let mut changes = vec![(SimTime::ZERO, spare(held))];
        let mut now_s = 0.0;
        loop {
            // In spans of one stay others come at a rate of `others`, and each of those that are there goes at a rate of 1.
            let rate = self.others + f64::from(held);
            if rate <= 0.0 {
                break;
            }
            now_s += stream.exponential() / rate * self.stay.as_seconds();
            let now = SimTime::ZERO.after(SimDuration::from_seconds(now_s));
            if now > horizon {
                break;
            }
            held = if stream.unit() * rate < self.others { held + 1 } else { held - 1 };
            match changes.last_mut() {
                Some((at, number)) if *at == now => *number = spare(held),
                _ => changes.push((now, spare(held))),
            }
        }
        Capacity::new(changes).expect("there is a number at the start, and changes are in order")
    }
}

/// When an instance type is not to be had in a zone: those that run stay, but no more can be bought.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Outages {
    /// From when to when, in order, apart from each other.
    spans: Vec<(SimTime, SimTime)>,
}

impl Outages {
    /// Spans in any order; those that meet become one, and those that are empty are left out.
    pub fn new(mut spans: Vec<(SimTime, SimTime)>) -> Outages {
        spans.retain(|(from, to)| from < to);
        spans.sort();
        let mut merged: Vec<(SimTime, SimTime)> = Vec::new();
        for (from, to) in spans {
            match merged.last_mut() {
                Some((_, end)) if from <= *end => *end = (*end).max(to),
                _ => merged.push((from, to)),
            }
        }
        Outages { spans: merged }
    }

    /// Draws how long there is something and how long nothing, in turn, up to a horizon. The run begins with something.
    pub fn draw(available: &Dist, out: &Dist, horizon: SimTime, stream: &mut Stream) -> Outages {
        let (mut spans, mut now) = (Vec::new(), SimTime::ZERO);
        while now < horizon {
            let from = now.after(available.sample(stream));
            // A nanosecond at least, so that time goes on whatever is drawn.
            now = from.after(out.sample(stream).max(SimDuration(1)));
            spans.push((from, now));
        }
        spans.retain(|(from, _)| *from < horizon);
        Outages::new(spans)
    }

    /// Whether there is nothing at an instant.
    pub fn is_out(&self, time: SimTime) -> bool {
        let before = self.spans.partition_point(|(from, _)| *from <= time);
        before.checked_sub(1).is_some_and(|at| time < self.spans[at].1)
    }

    /// When that changes next.
    pub fn next_change(&self, time: SimTime) -> Option<SimTime> {
        let at = self.spans.partition_point(|(_, to)| *to <= time);
        self.spans.get(at).map(|&(from, to)| if time < from { from } else { to })
    }

    /// What two have together.
    #[must_use]
    pub fn and(self, other: Outages) -> Outages {
        Outages::new([self.spans, other.spans].concat())
    }

    /// From when to when there is nothing.
    pub fn spans(&self) -> &[(SimTime, SimTime)] {
        &self.spans
    }
}
