//! What sources offer: the mean of their rates over a step.

use crate::model::traffic::{Arrivals, ModulatedState, Profile, Source};
use crate::rng::{Seed, Stream};
use crate::units::{SimDuration, SimTime};

/// A chain that is expected to jump more often than that in a step is taken at its mean.
const JUMPS_MAX: f64 = 64.0;

/// What a source offers in a step.
#[derive(Clone, Debug)]
pub(super) struct Inflow<'m> {
    pub model: &'m Source,
    /// Requests a second.
    pub rate: f64,
    /// How they divide among the operations of the mix; sums to 1.
    pub shares: Vec<f64>,
    /// Squared coefficient of variation of the gaps.
    pub gap_scv: f64,
    /// Users, and how long they think; none: the source is open.
    pub closed: Option<(f64, f64)>,
    chain: Option<Chain<'m>>,
}

impl<'m> Inflow<'m> {
    pub(super) fn new(model: &'m Source, seed: Seed) -> Inflow<'m> {
        let total: f64 = model.mix.iter().map(|(_, weight)| weight).sum();
        let chain = match &model.arrivals {
            Arrivals::Modulated { states, .. } if states.len() > 1 => {
                Some(Chain::new(states, seed.stream(&format!("traffic/fluid/states/{}", model.name), 0)))
            }
            _ => None,
        };
        let closed = match &model.arrivals {
            Arrivals::Closed { users, think } => Some((f64::from(*users), think.mean_seconds())),
            _ => None,
        };
        let gap_scv = match &model.arrivals {
            Arrivals::Open { gap, .. } => gap.squared_variation(),
            _ => 1.0,
        };
        let shares = model.mix.iter().map(|(_, weight)| weight / total).collect();
        Inflow { model, rate: 0.0, shares, gap_scv, closed, chain }
    }

    /// Sets the rate to that of a step; how long it stays the same beyond the step's end, if nothing else happens.
    pub(super) fn set(&mut self, from: SimTime, to: SimTime) -> SimTime {
        match &self.model.arrivals {
            Arrivals::Open { rate, session, .. } => {
                let each = session.as_ref().map_or(1.0, |session| session.mean_requests);
                self.rate = each * mean_rate(rate, from, to);
                steady_until(rate, to)
            }
            Arrivals::Modulated { states, rate } => {
                let factor = match &mut self.chain {
                    Some(chain) => chain.mean_factor(from, to),
                    None => states.first().map_or(1.0, |state| state.factor),
                };
                self.rate = factor * mean_rate(rate, from, to);
                if self.chain.is_some() { to } else { steady_until(rate, to) }
            }
            Arrivals::Replay(instants) => {
                let next = instants.partition_point(|(at, _)| *at < to);
                let listed = &instants[instants.partition_point(|(at, _)| *at < from)..next];
                let count = listed.len();
                if count > 0 {
                    self.shares = shares_of(self.model, listed);
                }
                self.rate = count as f64 / to.since(from).as_seconds();
                if count == 0 { instants.get(next).map_or(SimTime::NEVER, |(at, _)| *at) } else { to }
            }
            // What users send hangs on how fast they are answered.
            Arrivals::Closed { .. } => SimTime::NEVER,
        }
    }
}

/// How instants that are listed divide among the operations; those that leave it open as the weights say.
fn shares_of(model: &Source, listed: &[(SimTime, Option<u32>)]) -> Vec<f64> {
    let total: f64 = model.mix.iter().map(|(_, weight)| weight).sum();
    let mut counts = vec![0.0; model.mix.len()];
    for (_, operation) in listed {
        match operation {
            Some(operation) => counts[*operation as usize] += 1.0,
            None => counts.iter_mut().zip(&model.mix).for_each(|(count, (_, weight))| *count += weight / total),
        }
    }
    counts.iter().map(|count| count / listed.len() as f64).collect()
}

/// The mean rate between two instants.
pub(super) fn mean_rate(profile: &Profile, from: SimTime, to: SimTime) -> f64 {
    let points = &profile.points;
    let mut next = points.partition_point(|(at, _)| *at <= from);
    let (mut at, mut rate, mut sum) = (from, profile.at(from), 0.0);
    while at < to {
        let (end, end_rate) = match points.get(next) {
            // Before the first point the rate is that of the first.
            Some(&(end, end_rate)) if end <= to => (end, if next == 0 { rate } else { end_rate }),
            _ => (to, before(profile, to, next)),
        };
        sum += (rate + end_rate) / 2.0 * end.since(at).as_seconds();
        while points.get(next).is_some_and(|(at, _)| *at <= end) {
            next += 1;
        }
        (at, rate) = (end, profile.at(end));
    }
    sum / to.since(from).as_seconds()
}

/// The rate just before an instant that lies before point `next`.
fn before(profile: &Profile, time: SimTime, next: usize) -> f64 {
    let points = &profile.points;
    match (next.checked_sub(1).map(|last| points[last]), points.get(next)) {
        (Some((from, low)), Some(&(to, high))) => {
            low + (high - low) * time.since(from).as_seconds() / to.since(from).as_seconds()
        }
        (Some((_, rate)), None) | (None, Some(&(_, rate))) => rate,
        (None, None) => 0.0,
    }
}

/// Until when the rate stays what it is at `from`.
fn steady_until(profile: &Profile, from: SimTime) -> SimTime {
    let next = profile.points.partition_point(|(at, _)| *at <= from);
    let rate = profile.at(from);
    match (next.checked_sub(1), profile.points.get(next)) {
        (_, None) => SimTime::NEVER,
        (None, Some((at, _))) => *at,
        (Some(_), Some((at, end))) => {
            if *end == rate {
                *at
            } else {
                from
            }
        }
    }
}

/// The chain that modulates a rate, as the request mode has it, drawn from a stream of its own: what matters is that
/// bursts come and stay as long as they should.
#[derive(Clone, Debug)]
struct Chain<'m> {
    states: &'m [ModulatedState],
    stream: Stream,
    state: usize,
    until: SimTime,
    mean_factor: f64,
    jumps_per_second: f64,
    /// The factor of the step that was asked for last, which may be cut short and asked for again.
    last: (SimTime, f64),
}

impl<'m> Chain<'m> {
    fn new(states: &'m [ModulatedState], mut stream: Stream) -> Chain<'m> {
        let total: f64 = states.iter().map(|state| state.mean_stay.as_seconds()).sum();
        let mut left = stream.unit() * total;
        let state = states.iter().position(|state| {
            left -= state.mean_stay.as_seconds();
            left < 0.0
        });
        let mean_factor = states.iter().map(|state| state.factor * state.mean_stay.as_seconds()).sum::<f64>() / total;
        let state = state.unwrap_or(states.len() - 1);
        let jumps_per_second = states.len() as f64 / total;
        let mut chain = Chain {
            states,
            stream,
            state,
            until: SimTime::ZERO,
            mean_factor,
            jumps_per_second,
            last: (SimTime::ZERO, 0.0),
        };
        chain.stay();
        chain
    }

    fn stay(&mut self) {
        let span_s = self.states[self.state].mean_stay.as_seconds() * self.stream.exponential();
        self.until = self.until.after(SimDuration::from_seconds(span_s).max(SimDuration(1)));
    }

    /// The mean factor between two instants, which the chain goes through.
    fn mean_factor(&mut self, from: SimTime, to: SimTime) -> f64 {
        let span_s = to.since(from).as_seconds();
        if span_s * self.jumps_per_second > JUMPS_MAX {
            self.until = self.until.max(to);
            return self.mean_factor;
        }
        if from < self.last.0 {
            return self.last.1;
        }
        let (mut at, mut sum) = (from, 0.0);
        while at < to {
            if self.until <= at {
                let other = self.stream.below(self.states.len() as u64 - 1) as usize;
                self.state = if other < self.state { other } else { other + 1 };
                self.stay();
                continue;
            }
            let end = self.until.min(to);
            sum += self.states[self.state].factor * end.since(at).as_seconds();
            at = end;
        }
        self.last = (to, sum / span_s);
        self.last.1
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rates_of_steps_are_means_of_the_profile() {
        let second = |count: u64| SimTime(count * 1_000_000_000);
        let points = [(0, 10.0), (10, 30.0), (10, 5.0), (20, 5.0), (30, 0.0)];
        let profile = Profile { points: points.map(|(at, rate)| (second(at), rate)).to_vec() };
        for (from, to, mean) in [
            (0, 10, 20.0),
            (5, 10, 25.0),
            // 5 s at 25 on average, 5 s at 5.
            (5, 15, 15.0),
            (10, 20, 5.0),
            // 10 s at 5, 10 s at 2.5, 10 s at nothing.
            (10, 40, 2.5),
            (22, 24, 3.5),
        ] {
            let found = mean_rate(&profile, second(from), second(to));
            assert!((found - mean).abs() < 1e-12, "{from} to {to}: {found}");
        }
        for (from, until) in
            [(0, second(0)), (10, second(20)), (12, second(20)), (25, second(25)), (30, SimTime::NEVER)]
        {
            assert_eq!(steady_until(&profile, second(from)), until, "{from}");
        }
        let late = Profile { points: vec![(second(10), 4.0)] };
        assert_eq!(mean_rate(&late, second(0), second(20)), 4.0);
        assert_eq!(steady_until(&late, second(3)), second(10));
    }
}
