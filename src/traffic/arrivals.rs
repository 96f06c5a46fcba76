//! When requests arrive: from a source's rule to instants, one after the other.
//!
//! A renewal process is drawn in operational time, in which its gaps have a mean of 1, and operational time runs at the
//! rate of the profile (Çinlar 1975, "Introduction to Stochastic Processes", section 4.7; for other gaps than exponential
//! Gerhardt and Nelson 2009, "Transforming Renewal Processes for Simulation of Nonstationary Arrival Processes", INFORMS
//! Journal on Computing 21:4). Each gap is turned into a span by the inverse of the rate's integral, which on a straight
//! line is the root of a quadratic. Nothing is thinned, so every arrival costs one gap, and a walk over the points of the
//! profile that costs each of them once.
//!
//! The instant of the last arrival is kept as whole nanoseconds and the fraction beyond them, so that rounding never adds
//! up, however long the run. The first arrival is a whole gap after the start.

use crate::model::traffic::{Arrivals, Gap, ModulatedState, Profile};
use crate::rng::Stream;
use crate::units::SimTime;

/// One arrival.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Arrival {
    /// When.
    pub(crate) at: SimTime,
    /// The position in the source's mix of what is asked for; none: to be drawn.
    pub(crate) operation: Option<u32>,
}

/// The arrivals of one source; their instants never descend.
#[derive(Clone, Debug)]
pub(crate) struct ArrivalTimes<'m> {
    process: Process<'m>,
}

#[derive(Clone, Debug)]
enum Process<'m> {
    Renewal(Renewal<'m>),
    Replay(std::slice::Iter<'m, (SimTime, Option<u32>)>),
}

impl<'m> ArrivalTimes<'m> {
    /// Arrivals from time zero on. A closed source has none: its users decide when they ask.
    ///
    /// # Panics
    /// When a state of a modulated process lasts for no time.
    pub(crate) fn new(arrivals: &'m Arrivals, stream: Stream) -> Self {
        let process = match arrivals {
            Arrivals::Open { gap, rate, .. } => Process::Renewal(Renewal::new(*gap, rate, &[], stream)),
            Arrivals::Modulated { states, rate } => {
                Process::Renewal(Renewal::new(Gap::Exponential, rate, states, stream))
            }
            Arrivals::Replay(instants) => Process::Replay(instants.iter()),
            Arrivals::Closed { .. } => Process::Replay([].iter()),
        };
        ArrivalTimes { process }
    }
}

impl Iterator for ArrivalTimes<'_> {
    type Item = Arrival;

    /// The next arrival; none when there is none before the end of simulated time.
    #[inline]
    fn next(&mut self) -> Option<Arrival> {
        match &mut self.process {
            Process::Renewal(renewal) => renewal.next().map(|at| Arrival { at, operation: None }),
            Process::Replay(instants) => instants.next().map(|&(at, operation)| Arrival { at, operation }),
        }
    }
}

/// Gaps with a mean of 1, and what can be worked out beforehand.
#[derive(Clone, Copy, Debug)]
enum UnitGap {
    Exponential,
    Deterministic,
    Gamma { shape: f64 },
    Weibull { scale: f64, exponent: f64 },
    Lognormal { mu: f64, sigma: f64 },
}

impl UnitGap {
    fn new(gap: Gap) -> UnitGap {
        match gap {
            Gap::Exponential => UnitGap::Exponential,
            Gap::Deterministic => UnitGap::Deterministic,
            Gap::Gamma(shape) => UnitGap::Gamma { shape },
            Gap::Weibull(shape) => {
                UnitGap::Weibull { scale: 1.0 / libm::tgamma(1.0 + 1.0 / shape), exponent: 1.0 / shape }
            }
            Gap::Lognormal(sigma) => UnitGap::Lognormal { mu: -sigma * sigma / 2.0, sigma },
        }
    }

    #[inline]
    fn sample(self, stream: &mut Stream) -> f64 {
        if let UnitGap::Exponential = self { stream.fast_exponential() } else { self.other_sample(stream) }
    }

    /// What is not so short that it should be part of its callers.
    #[inline(never)]
    fn other_sample(self, stream: &mut Stream) -> f64 {
        match self {
            UnitGap::Exponential => stream.fast_exponential(),
            UnitGap::Deterministic => 1.0,
            UnitGap::Gamma { shape } => stream.gamma(shape) / shape,
            UnitGap::Weibull { scale, exponent } => scale * libm::pow(stream.fast_exponential(), exponent),
            UnitGap::Lognormal { mu, sigma } => libm::exp(mu + sigma * stream.fast_normal()),
        }
    }
}

/// What a gap may exceed the rest of a piece by, in operational time. A fixed gap that ends with the piece must not slip
/// into the next, behind a silence perhaps, by an error in the last digit.
const ROUNDING: f64 = 1e-12;

/// A renewal process in operational time.
#[derive(Clone, Debug)]
struct Renewal<'m> {
    gap: UnitGap,
    stream: Stream,
    /// The instant of the last arrival is half a nanosecond before `now_ns + fraction_ns`, so that `now_ns` is that
    /// instant to the nearest nanosecond.
    now_ns: u64,
    fraction_ns: f64,
    /// Nanoseconds for one unit of operational time, while the rate is constant.
    unit_ns: f64,
    /// Until when that holds, at most 292 years; 0 when the rate is not constant or zero.
    constant_until_ns: u64,
    piece: Piece,
    profile: &'m [(SimTime, f64)],
    /// The first point of the profile that has not been reached.
    next_point: usize,
    chain: Chain<'m>,
}

/// A stretch of time on which the rate is a straight line.
#[derive(Clone, Copy, Debug, Default)]
struct Piece {
    start_ns: u64,
    /// The largest instant: for ever.
    end_ns: u64,
    /// Arrivals a nanosecond at the start, at least 0.
    start_rate: f64,
    /// The same at the end.
    end_rate: f64,
    /// What the rate gains in a nanosecond.
    slope: f64,
}

impl<'m> Renewal<'m> {
    fn new(gap: Gap, rate: &'m Profile, states: &'m [ModulatedState], mut stream: Stream) -> Self {
        let chain = Chain::new(states, &mut stream);
        let mut renewal = Renewal {
            gap: UnitGap::new(gap),
            stream,
            now_ns: 0,
            fraction_ns: 0.5,
            unit_ns: 0.0,
            constant_until_ns: 0,
            piece: Piece::default(),
            profile: &rate.points,
            next_point: 0,
            chain,
        };
        renewal.enter_piece();
        renewal
    }

    #[inline]
    fn next(&mut self) -> Option<SimTime> {
        let gap = self.gap.sample(&mut self.stream);
        let offset_ns = self.fraction_ns + gap * self.unit_ns;
        // Signed, because only that is one instruction; what is beyond its range is beyond `constant_until_ns` too.
        let whole_ns = offset_ns as i64;
        let at_ns = self.now_ns.saturating_add(whole_ns as u64);
        if at_ns < self.constant_until_ns {
            self.now_ns = at_ns;
            self.fraction_ns = offset_ns - whole_ns as f64;
            return Some(SimTime(at_ns));
        }
        self.next_beyond(gap)
    }

    /// The same where the rate changes: uses the gap up, piece by piece.
    #[inline(never)]
    fn next_beyond(&mut self, mut gap: f64) -> Option<SimTime> {
        loop {
            let Piece { start_ns, end_ns, start_rate, end_rate, slope } = self.piece;
            let elapsed_ns = (self.now_ns - start_ns) as f64 + (self.fraction_ns - 0.5);
            let left_ns = ((end_ns - self.now_ns) as f64 - (self.fraction_ns - 0.5)).max(0.0);
            let rate = (start_rate + slope * elapsed_ns).max(0.0);
            let within = (rate + end_rate) / 2.0 * left_ns;
            if gap - within <= ROUNDING {
                // The root of slope / 2 x^2 + rate x = gap, in the form that loses no digits.
                let root = libm::sqrt((rate * rate + 2.0 * slope * gap).max(0.0));
                let span_ns = if gap > 0.0 { (2.0 * gap / (rate + root)).min(left_ns) } else { 0.0 };
                return Some(self.advance(span_ns));
            }
            if end_ns == u64::MAX {
                return None;
            }
            gap -= within;
            (self.now_ns, self.fraction_ns) = (end_ns, 0.5);
            self.enter_piece();
        }
    }

    /// Moves on by a span that ends within the piece.
    fn advance(&mut self, span_ns: f64) -> SimTime {
        let offset_ns = self.fraction_ns + span_ns;
        let at_ns = self.now_ns.saturating_add(offset_ns as u64);
        self.fraction_ns = offset_ns - (offset_ns as u64) as f64;
        if at_ns >= self.piece.end_ns {
            self.fraction_ns = 0.5;
        }
        self.now_ns = at_ns.min(self.piece.end_ns);
        SimTime(self.now_ns)
    }

    /// Sets up the piece that begins now.
    fn enter_piece(&mut self) {
        let now = SimTime(self.now_ns);
        while self.profile.get(self.next_point).is_some_and(|(at, _)| *at <= now) {
            self.next_point += 1;
        }
        self.chain.advance(self.now_ns, &mut self.stream);
        let after = self.profile.get(self.next_point).copied();
        let before = self.next_point.checked_sub(1).map(|last| self.profile[last]);
        let (rate, slope) = line(before, after, now);
        // What is silent for ever ends here, rather than after all jumps of a chain until the end of simulated time.
        let is_silent = self.chain.is_silent || (after.is_none() && rate <= 0.0);
        let profile_end_ns = after.map_or(u64::MAX, |(at, _)| at.0);
        let end_ns = if is_silent { u64::MAX } else { profile_end_ns.min(self.chain.until_ns) };
        let factor = if is_silent { 0.0 } else { self.chain.factor * 1e-9 };
        let (rate, slope) = (rate * factor, slope * factor);
        let end_rate = (rate + slope * (end_ns - self.now_ns) as f64).max(0.0);
        self.piece = Piece { start_ns: self.now_ns, end_ns, start_rate: rate.max(0.0), end_rate, slope };
        let is_constant = slope == 0.0 && rate > 0.0;
        let constant_until_ns = end_ns.min(i64::MAX as u64);
        (self.unit_ns, self.constant_until_ns) = if is_constant { (1.0 / rate, constant_until_ns) } else { (0.0, 0) };
    }
}

/// The rate a second at `now` and what it gains in a nanosecond, between two points of a profile.
fn line(before: Option<(SimTime, f64)>, after: Option<(SimTime, f64)>, now: SimTime) -> (f64, f64) {
    match (before, after) {
        (Some((from, low)), Some((to, high))) => {
            let slope = (high - low) / to.since(from).0 as f64;
            (low + slope * now.since(from).0 as f64, slope)
        }
        (Some((_, rate)), None) | (None, Some((_, rate))) => (rate, 0.0),
        (None, None) => (0.0, 0.0),
    }
}

/// The chain that modulates a rate. It begins in its stationary distribution: jumps go to all other states alike, so the
/// time spent in a state is proportional to its mean stay.
#[derive(Clone, Debug)]
struct Chain<'m> {
    states: &'m [ModulatedState],
    state: usize,
    /// What the rate is multiplied by in this state.
    factor: f64,
    /// When the chain leaves it; the largest instant: never.
    until_ns: u64,
    /// Whether the factors are zero for ever.
    is_silent: bool,
}

impl<'m> Chain<'m> {
    /// Without states the factor is 1.
    fn new(states: &'m [ModulatedState], stream: &mut Stream) -> Self {
        assert!(states.iter().all(|state| state.mean_stay.0 > 0), "a state lasts for no time");
        let is_silent = !states.is_empty() && states.iter().all(|state| state.factor <= 0.0);
        let mut chain = Chain { states, state: 0, factor: 1.0, until_ns: u64::MAX, is_silent };
        if states.len() > 1 {
            let total: u128 = states.iter().map(|state| u128::from(state.mean_stay.0)).sum();
            let mut left = stream.unit() * total as f64;
            let holds = |state: &ModulatedState| {
                left -= state.mean_stay.0 as f64;
                left < 0.0
            };
            chain.state = states.iter().position(holds).unwrap_or(states.len() - 1);
            chain.stay(0, stream);
        } else if let [only] = states {
            chain.factor = only.factor;
        }
        chain
    }

    /// Jumps for as long as the chain leaves its state by `now_ns`.
    fn advance(&mut self, now_ns: u64, stream: &mut Stream) {
        while self.until_ns <= now_ns {
            let other = stream.below(self.states.len() as u64 - 1) as usize;
            self.state = if other < self.state { other } else { other + 1 };
            self.stay(self.until_ns, stream);
        }
    }

    /// Stays in the state from `from_ns` on.
    fn stay(&mut self, from_ns: u64, stream: &mut Stream) {
        let ModulatedState { factor, mean_stay } = self.states[self.state];
        let stay_ns = (mean_stay.0 as f64 * stream.fast_exponential()).round() as u64;
        (self.factor, self.until_ns) = (factor, from_ns.saturating_add(stay_ns));
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use proptest::prelude::*;

    use super::*;
    use crate::model::Dist;
    use crate::rng::Seed;
    use crate::units::SimDuration;

    const SECOND_NS: u64 = 1_000_000_000;

    fn stream(entity: u64) -> Stream {
        Seed { base: 11, replication: 0 }.stream("arrivals", entity)
    }

    fn profile(points: &[(u64, f64)]) -> Profile {
        Profile { points: points.iter().map(|&(at_s, rate)| (SimTime(at_s * SECOND_NS), rate)).collect() }
    }

    fn open(gap: Gap, rate: Profile) -> Arrivals {
        Arrivals::Open { gap, rate, session: None }
    }

    fn modulated(states: &[(f64, f64)], rate: Profile) -> Arrivals {
        let state =
            |&(factor, mean_stay_s)| ModulatedState { factor, mean_stay: SimDuration::from_seconds(mean_stay_s) };
        Arrivals::Modulated { states: states.iter().map(state).collect(), rate }
    }

    fn seconds(arrivals: &Arrivals, count: usize) -> Vec<f64> {
        ArrivalTimes::new(arrivals, stream(0)).take(count).map(|arrival| arrival.at.as_seconds()).collect()
    }

    /// How many arrivals there are in each of the windows of that length.
    fn counts(arrivals: &Arrivals, window_s: u64, windows: usize, entity: u64) -> Vec<f64> {
        let mut counts = vec![0.0; windows];
        for arrival in ArrivalTimes::new(arrivals, stream(entity)) {
            let Some(count) = counts.get_mut((arrival.at.0 / SECOND_NS / window_s) as usize) else { break };
            *count += 1.0;
        }
        counts
    }

    #[test]
    fn lines_are_inverted_exactly() {
        let up: Vec<f64> = (1..=10).map(|n| (10.0 * f64::from(n)).sqrt()).chain([10.5, 11.0]).collect();
        let down: Vec<f64> =
            (1..=10).map(|n| 10.0 - (100.0 - 10.0 * f64::from(n)).sqrt()).chain([20.25, 20.5]).collect();
        for (points, expected) in [
            // Every half second, from the first point on and before it.
            (&[(0, 2.0)][..], vec![0.5, 1.0, 1.5]),
            (&[(5, 2.0)], vec![0.5, 1.0, 1.5]),
            // From 0 to 2 a second in 10 s: the integral is t^2 / 10, so the n-th comes at sqrt(10 n); then 2 a second.
            (&[(0, 0.0), (10, 2.0)], up),
            // From 2 to 0: 2 t - t^2 / 10 = n at 10 - sqrt(100 - 10 n). Nothing until 20 s, then 4 a second.
            (&[(0, 2.0), (10, 0.0), (20, 0.0), (20, 4.0)], down),
            // Half an arrival by 1 s; the other half takes 1 s at 0.5 a second; 1 + 1 / 0.5 = 4; then none.
            (&[(0, 0.5), (1, 0.5), (1, 0.0), (3, 0.0), (3, 0.5), (6, 0.5), (6, 0.0)], vec![4.0, 6.0]),
            // Three points at one instant: the one in the middle holds for no time.
            (&[(0, 1.0), (2, 1.0), (2, 50.0), (2, 2.0)], vec![1.0, 2.0, 2.5, 3.0]),
        ] {
            let found = seconds(&open(Gap::Deterministic, profile(points)), expected.len());
            let is_near = |(a, b): (&f64, &f64)| (a - b).abs() < 0.6e-9;
            assert!(found.len() == expected.len() && found.iter().zip(&expected).all(is_near), "{points:?}: {found:?}");
        }
    }

    #[test]
    fn nothing_comes_for_ever() {
        let closed = Arrivals::Closed { users: 3, think: Dist::ZERO };
        for (arrivals, count) in [
            (open(Gap::Deterministic, Profile { points: vec![] }), 0),
            (open(Gap::Exponential, Profile::constant(0.0)), 0),
            // So rare that the first would come after the end of simulated time.
            (open(Gap::Deterministic, Profile::constant(1e-12)), 0),
            (open(Gap::Deterministic, profile(&[(0, 1.0), (3, 1.0), (3, 0.0)])), 3),
            (modulated(&[(0.0, 1.0), (0.0, 2.0)], Profile::constant(5.0)), 0),
            (modulated(&[(0.0, 1.0)], Profile::constant(5.0)), 0),
            (modulated(&[(1.0, 0.001), (9.0, 0.001)], profile(&[(0, 0.0)])), 0),
            (modulated(&[], Profile::constant(0.0)), 0),
            (closed, 0),
        ] {
            let mut times = ArrivalTimes::new(&arrivals, stream(1));
            assert_eq!(times.by_ref().count(), count, "{arrivals:?}");
            assert_eq!(times.next(), None);
        }
    }

    #[test]
    fn rounding_does_not_add_up() {
        // A third of a second is no whole number of nanoseconds; every third arrival is at a whole second all the same,
        // after 11 days too. The ramps of the second profile, 1 and 3 a second by turns, hold 4 arrivals in 2 s each.
        let zigzag = (0..=500_000).map(|i| (SimTime(2 * SECOND_NS * i), if i % 2 == 0 { 1.0 } else { 3.0 })).collect();
        for (rate, arrivals, at_s) in
            [(Profile::constant(3.0), 3_000_000, 1_000_000), (Profile { points: zigzag }, 2_000_000, 1_000_000)]
        {
            let arrivals_at = ArrivalTimes::new(&open(Gap::Deterministic, rate), stream(0)).nth(arrivals - 1);
            let error_ns = arrivals_at.expect("an arrival").at.0.abs_diff(at_s * SECOND_NS);
            assert!(error_ns <= 1, "{error_ns} ns");
        }
    }

    #[test]
    fn gaps_have_their_mean_and_variation() {
        for (entity, gap) in [
            Gap::Exponential,
            Gap::Deterministic,
            Gap::Gamma(0.5),
            Gap::Gamma(4.0),
            Gap::Weibull(0.8),
            Gap::Weibull(3.0),
            Gap::Lognormal(0.7),
        ]
        .into_iter()
        .enumerate()
        {
            let (mut stream, n) = (stream(10 + entity as u64), 200_000);
            let unit = UnitGap::new(gap);
            let gaps: Vec<f64> = (0..n).map(|_| unit.sample(&mut stream)).collect();
            let mean = gaps.iter().sum::<f64>() / f64::from(n);
            let variation = gaps.iter().map(|x| (x - 1.0) * (x - 1.0)).sum::<f64>() / f64::from(n);
            let expected = gap.squared_variation();
            // Five standard errors of the mean; the fourth moments are up to 60, so that five of the variance are 0.09.
            assert!((mean - 1.0).abs() <= 5.0 * (expected / f64::from(n)).sqrt(), "{gap:?}: {mean}");
            assert!((variation - expected).abs() <= 0.03 * expected, "{gap:?}: {variation} instead of {expected}");
        }
    }

    #[test]
    fn a_poisson_process_follows_its_profile() {
        // A day of 24 points on a sine from 1 to 9 a second, and counts by the hour, which are Poisson.
        let wave = |hour: u64| 5.0 + 4.0 * (hour as f64 / 24.0 * std::f64::consts::TAU).sin();
        let points: Vec<(u64, f64)> = (0..=24).map(|hour| (hour * 3600, wave(hour))).collect();
        let counted = counts(&open(Gap::Exponential, profile(&points)), 3600, 24, 2);
        for (hour, count) in counted.into_iter().enumerate() {
            let expected = 3600.0 * (wave(hour as u64) + wave(hour as u64 + 1)) / 2.0;
            assert!((count - expected).abs() < 5.0 * expected.sqrt(), "hour {hour}: {count} instead of {expected}");
        }
    }

    #[test]
    fn counts_disperse_as_they_should() {
        // The index of dispersion, variance over mean of the counts in windows of t, is 1 for a Poisson process and tends
        // to the squared coefficient of variation for a renewal process. For two states with rates a and b that are left at
        // rates r and s it is 1 + 2 (a - b)^2 r s / ((r + s)^2 (a s + b r)) (1 - (1 - exp(-(r + s) t)) / ((r + s) t))
        // (Heffes and Lucantoni 1986, IEEE JSAC 4:6). Here a = 2, b = 18, r = 1/2, s = 1, t = 20, so r + s = 1.5, a s + b r
        // = 11: 1 + 2 * 256 * 0.5 / (2.25 * 11) * (1 - 1/30) = 10.999, and the mean is 11 / 1.5 = 7.333 a second.
        let n = 5_000;
        for (entity, arrivals, rate, dispersion) in [
            (20, open(Gap::Exponential, Profile::constant(4.0)), 4.0, 1.0),
            (21, modulated(&[(3.0, 1.0)], Profile::constant(2.0)), 6.0, 1.0),
            (22, open(Gap::Gamma(4.0), Profile::constant(8.0)), 8.0, 0.25),
            (23, modulated(&[(1.0, 2.0), (9.0, 1.0)], Profile::constant(2.0)), 22.0 / 3.0, 10.999),
        ] {
            let counted = counts(&arrivals, 20, n, entity);
            let mean = counted.iter().sum::<f64>() / n as f64;
            let variance = counted.iter().map(|x| (x - mean) * (x - mean)).sum::<f64>() / (n - 1) as f64;
            let deviation = (dispersion / (20.0 * rate * n as f64)).sqrt();
            assert!((mean / 20.0 / rate - 1.0).abs() < 5.0 * deviation, "{arrivals:?}: {mean}");
            // A variance from n nearly normal counts has the relative deviation sqrt(2 / n) = 0.02.
            assert!((variance / mean / dispersion - 1.0).abs() < 0.1, "{arrivals:?}: {}", variance / mean);
        }
    }

    #[test]
    fn a_chain_begins_as_it_goes_on() {
        // Three states that hold for 1, 2 and 5 s: the mean factor is (8 * 1 + 4 * 2 + 1.6 * 5) / 8 = 3, in the first
        // second as well. A count there varies by its mean, 30, and by the variance of ten times the factor, at most 100
        // (25 + 2 * 1 + 5 * 1.96) / 8 = 460; over 2000 chains five deviations are 5 sqrt(490 / 2000) = 2.5.
        let arrivals = modulated(&[(8.0, 1.0), (4.0, 2.0), (1.6, 5.0)], Profile::constant(10.0));
        let firsts: f64 = (0..2000).map(|entity| counts(&arrivals, 1, 1, 100 + entity)[0]).sum();
        assert!((firsts / 2000.0 - 30.0).abs() < 2.5, "{}", firsts / 2000.0);
        let long = counts(&arrivals, 100_000, 1, 3)[0];
        // About 20 000 stays of the longest state: deviation below 1 %.
        assert!((long / 3_000_000.0 - 1.0).abs() < 0.04, "{long}");
    }

    #[test]
    fn a_replay_is_what_was_recorded() {
        let instants: Arc<[_]> = [(SimTime(5), Some(1)), (SimTime(5), None), (SimTime(9), Some(0))].into();
        let arrivals = Arrivals::Replay(instants.clone());
        let found: Vec<_> = ArrivalTimes::new(&arrivals, stream(0)).map(|one| (one.at, one.operation)).collect();
        assert_eq!(found, instants.to_vec());
    }

    #[test]
    fn a_stream_gives_one_sequence() {
        let arrivals = modulated(&[(1.0, 0.2), (5.0, 0.1)], profile(&[(0, 1.0), (9, 20.0), (9, 3.0)]));
        let first = |entity| -> Vec<Arrival> { ArrivalTimes::new(&arrivals, stream(entity)).take(200).collect() };
        assert_eq!(first(1), first(1));
        assert_ne!(first(1), first(2));
    }

    /// The integral of the profile from 0 to an instant, from its definition.
    fn integral(profile: &Profile, until: SimTime) -> f64 {
        let mut instants: Vec<SimTime> = profile.points.iter().map(|point| point.0).filter(|at| *at < until).collect();
        instants.extend([SimTime::ZERO, until]);
        instants.sort_unstable();
        let piece = |pair: &[SimTime]| {
            let middle = SimTime(pair[0].0.midpoint(pair[1].0));
            profile.at(middle) * pair[1].since(pair[0]).as_seconds()
        };
        instants.windows(2).map(piece).sum()
    }

    proptest! {
        #[test]
        fn operational_time_is_the_integral_of_the_rate(
            steps in prop::collection::vec((0..5_000_000_000u64, prop_oneof![Just(0.0), 0.01..40.0f64]), 1..12),
            starts_late in any::<bool>(),
        ) {
            let mut at = 0;
            let points = steps.iter().enumerate().map(|(index, &(pause_ns, rate))| {
                at += if index == 0 && !starts_late { 0 } else { pause_ns };
                (SimTime(at), rate)
            });
            let rate = Profile { points: points.collect() };
            let arrivals = open(Gap::Deterministic, rate.clone());
            let mut last = SimTime::ZERO;
            for (index, arrival) in ArrivalTimes::new(&arrivals, stream(0)).take(300).enumerate() {
                prop_assert!(arrival.at >= last);
                last = arrival.at;
                // Half a nanosecond at 40 a second, and the middle of a piece to half a nanosecond.
                let error = integral(&rate, arrival.at) - (index + 1) as f64;
                prop_assert!(error.abs() < 1e-6, "{index}: {error}");
            }
        }
    }
}
