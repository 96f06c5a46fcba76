//! How long spot instances live.

use crate::model::dist::Dist;
use crate::rng::Stream;
use crate::units::SimDuration;

/// Seconds in an hour.
const HOUR_S: f64 = 3600.0;

/// How long an instance lives until it is reclaimed.
#[derive(Clone, Debug, PartialEq)]
pub enum Lifetime {
    /// A span from a distribution: exponential where age does not matter; Weibull with a shape below 1 where those that got
    /// through the first hours stay, above 1 where they tire.
    Drawn(Dist),
    /// Many go early and the rest at a limit.
    Bathtub(Bathtub),
}

/// The lifetime of Google's preemptible machines, which end after a day at the latest: the probability that one has ended by
/// age t is `early (1 - exp(-t / early_scale) + exp((t - limit) / late_scale))`, and what is left ends at the limit
/// (Kadupitiya, Jadhao and Sharma 2020, "Modeling The Temporally Constrained Preemptions of Transient Cloud VMs", HPDC).
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Bathtub {
    /// Part that ends early.
    pub early: f64,
    /// Time scale of the beginning.
    pub early_scale: SimDuration,
    /// Time scale of the end.
    pub late_scale: SimDuration,
    /// The oldest that one can be.
    pub limit: SimDuration,
}

impl Default for Bathtub {
    /// The middle of what the paper found of over 800 machines in 2019: 0.4 to 0.5 end early, within 0.5 to 5 hours; 0.8
    /// hours; a day. Spot machines of Google have no limit since 2021.
    fn default() -> Self {
        let hours = |hours: f64| SimDuration::from_seconds(hours * HOUR_S);
        Bathtub { early: 0.45, early_scale: hours(1.0), late_scale: hours(0.8), limit: hours(24.0) }
    }
}

impl Bathtub {
    /// The probability that one has ended by that age.
    pub fn probability(&self, age: SimDuration) -> f64 {
        if age >= self.limit {
            return 1.0;
        }
        let (age, limit) = (age.as_seconds(), self.limit.as_seconds());
        let early = -libm::expm1(-age / self.early_scale.as_seconds());
        // What the late part has at age 0 is taken off, so that nothing ends before it begins.
        let late_scale = self.late_scale.as_seconds();
        let late = libm::exp((age - limit) / late_scale) - libm::exp(-limit / late_scale);
        (self.early * (early + late)).min(1.0)
    }

    /// The age at which that probability is reached, by bisection to the nanosecond.
    fn quantile(&self, probability: f64) -> SimDuration {
        let (mut low, mut high) = (0, self.limit.0);
        while low < high {
            let middle = low + (high - low) / 2;
            if self.probability(SimDuration(middle)) < probability {
                low = middle + 1;
            } else {
                high = middle;
            }
        }
        SimDuration(low)
    }
}

impl Lifetime {
    /// The lifetime that fits how many of all instances are reclaimed in a month (730 hours), between two percentages: the
    /// memoryless one with the middle of them. None where that is none of them, or all.
    ///
    /// AWS publishes such ranges; what lies above its last, 20 %, is taken to be 25 %. That age does not matter is an
    /// assumption.
    pub fn of_interruptions(percent: (u8, u8)) -> Option<Lifetime> {
        let part = match percent {
            (20, 100) => 0.25,
            (from, to) => f64::from(u16::from(from) + u16::from(to)) / 200.0,
        };
        let months = -1.0 / libm::log1p(-part);
        let is_finite = 0.0 < part && part < 1.0;
        is_finite.then_some(Lifetime::Drawn(Dist::Exponential { mean: months * 730.0 * HOUR_S }))
    }

    /// Draws a lifetime.
    pub fn sample(&self, stream: &mut Stream) -> SimDuration {
        match self {
            Lifetime::Drawn(dist) => dist.sample(stream),
            Lifetime::Bathtub(bathtub) => bathtub.quantile(stream.unit()),
        }
    }
}
