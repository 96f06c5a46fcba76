//! Who sends requests, and when.

use std::sync::Arc;

use super::{CallPolicy, OperationRef};
use crate::ids::ZoneId;
use crate::model::Dist;
use crate::units::{SimDuration, SimTime};

/// Clients that send requests of some kinds.
#[derive(Clone, Debug, PartialEq)]
pub struct Source {
    /// Its name, which seeds its random streams.
    pub name: String,
    /// When requests are sent.
    pub arrivals: Arrivals,
    /// What is asked for: operations and their weights, which are above 0.
    pub mix: Vec<(OperationRef, f64)>,
    /// Headers by which routes can tell these requests from others.
    pub headers: Vec<(String, String)>,
    /// Where the clients are; none: nowhere in particular, at no distance from anything.
    pub zone: Option<ZoneId>,
    /// What clients do about slow and failed calls.
    pub policy: CallPolicy,
    /// Keys by which requests can be kept together.
    pub keys: Keys,
    /// How many clients there are that balance load by themselves; requests go to them in turn.
    pub clients: u32,
}

/// When a source sends requests.
#[derive(Clone, Debug, PartialEq)]
pub enum Arrivals {
    /// A renewal process whose time runs at the rate of the profile, so that with exponential gaps it is a Poisson process
    /// of that rate.
    Open {
        /// Gaps between requests, with a mean of 1.
        gap: Gap,
        /// Requests a second.
        rate: Profile,
        /// What follows the first request of each client; none: every request is a client of its own.
        session: Option<Session>,
    },
    /// A Poisson process whose rate is multiplied by the factor of the state of a Markov chain.
    Modulated {
        /// The states; the chain moves to each of the others with equal probability.
        states: Vec<ModulatedState>,
        /// Requests a second at factor 1.
        rate: Profile,
    },
    /// At these instants, which do not descend, each with the position of an operation in the mix, or none to draw one.
    Replay(Arc<[(SimTime, Option<u32>)]>),
    /// Users that each send a request, wait for the answer, think, and begin again.
    Closed {
        /// How many.
        users: u32,
        /// How long they think.
        think: Dist,
    },
}

/// The shape of gaps with a mean of 1.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Gap {
    /// Exponential: the process is Poisson.
    Exponential,
    /// Always 1.
    Deterministic,
    /// Gamma with that shape, above 0; a whole number makes it Erlang.
    Gamma(f64),
    /// Weibull with that shape, above 0.
    Weibull(f64),
    /// Lognormal with that standard deviation of the logarithm.
    Lognormal(f64),
}

impl Gap {
    /// The variance over the squared mean: 1 for the exponential, 0 for the deterministic gap.
    pub fn squared_variation(self) -> f64 {
        match self {
            Gap::Exponential => 1.0,
            Gap::Deterministic => 0.0,
            Gap::Gamma(shape) => 1.0 / shape,
            Gap::Weibull(shape) => {
                let mean = libm::tgamma(1.0 + 1.0 / shape);
                libm::tgamma(1.0 + 2.0 / shape) / (mean * mean) - 1.0
            }
            Gap::Lognormal(sigma) => libm::expm1(sigma * sigma),
        }
    }
}

/// A rate over time: straight lines between points.
#[derive(Clone, Debug, PartialEq)]
pub struct Profile {
    /// Instants that do not descend, from 0 on, and the rate a second there, at least 0; two points at one instant make a step. The rate
    /// stays that of the last point.
    pub points: Vec<(SimTime, f64)>,
}

impl Profile {
    /// Always the same rate.
    pub fn constant(per_second: f64) -> Profile {
        Profile { points: vec![(SimTime::ZERO, per_second)] }
    }

    /// The rate at an instant; at a step the one after it.
    pub fn at(&self, time: SimTime) -> f64 {
        let next = self.points.partition_point(|(at, _)| *at <= time);
        match (next.checked_sub(1).map(|last| self.points[last]), self.points.get(next)) {
            (None, Some(first)) => first.1,
            (Some(last), None) => last.1,
            (Some((from, low)), Some(&(to, high))) => {
                low + (high - low) * time.since(from).as_seconds() / to.since(from).as_seconds()
            }
            (None, None) => 0.0,
        }
    }
}

/// A state of a modulated process.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ModulatedState {
    /// What the rate is multiplied by.
    pub factor: f64,
    /// How long the chain stays on average; the stay is exponential.
    pub mean_stay: SimDuration,
}

/// What a client does after its first request: it thinks and asks again, with the same key.
#[derive(Clone, Debug, PartialEq)]
pub struct Session {
    /// Requests of a session on average, at least 1; their number is geometric.
    pub mean_requests: f64,
    /// How long the client thinks between an answer and the next request.
    pub think: Dist,
}

/// Keys of requests: numbers from 0, drawn by Zipf's law.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Keys {
    /// How many there are; 0: every request, or session, has one of its own.
    pub count: u64,
    /// The exponent: 0 makes all keys equally likely.
    pub exponent: f64,
}

impl Default for Keys {
    fn default() -> Self {
        Keys { count: 0, exponent: 0.0 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn profiles_are_lines_and_steps() {
        let second = |count: u64| SimTime(count * 1_000_000_000);
        let profile = Profile { points: vec![(second(0), 10.0), (second(10), 30.0), (second(10), 5.0)] };
        for (at, rate) in [(0, 10.0), (5, 20.0), (10, 5.0), (99, 5.0)] {
            assert_eq!(profile.at(second(at)), rate, "{at} s");
        }
    }
}
