//! What containers really use, whatever they request, and how the kubelet acts on it.
//!
//! Names and defaults of the eviction thresholds are those of the kubelet v1.37.0 (`pkg/kubelet/eviction`,
//! `KubeletConfiguration`).

use super::Dist;
use crate::rng::Stream;
use crate::units::SimDuration;

/// Bytes that a second of a distribution of memory stands for.
const DRAWN_BYTES: u64 = 1 << 20;
/// Milli-cores that a second of a distribution of CPU stands for.
const DRAWN_MILLI_CPU: u64 = 1000;

/// What one container was promised, and what it uses, as far as that is known.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Usage {
    /// Milli-cores that it would use if they were there; none: nothing is known.
    pub cpu: Option<Demand>,
    /// Bytes of memory that it uses; none: nothing is known.
    pub memory: Option<Demand>,
    /// Milli-cores requested; 0: none.
    pub cpu_request: u64,
    /// Milli-cores that it gets at most.
    pub cpu_limit: Option<u64>,
    /// Bytes of memory requested; 0: none.
    pub memory_request: u64,
    /// Bytes of memory beyond which it is killed.
    pub memory_limit: Option<u64>,
    /// The smallest request for memory among the containers of its pod that are no init containers, if it is a sidecar.
    pub least_main_memory_request: Option<u64>,
    /// The class of its pod.
    pub quality: QualityOfService,
}

/// `v1.PodQOSClass`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum QualityOfService {
    /// No container requests cpu or memory, or has a limit of them.
    #[default]
    BestEffort,
    /// Neither of the others.
    Burstable,
    /// All containers have limits of cpu and memory, and request as much.
    Guaranteed,
}

/// How much of a resource a container uses, by the time since it was started.
#[derive(Clone, Debug, PartialEq)]
pub enum Demand {
    /// Always the same.
    Constant(u64),
    /// Drawn when the container is started. A second of the distribution stands for a core, or for a MiB.
    Drawn(Dist),
    /// As much as requests need, which is told anew for every window of traffic.
    Load,
    /// Steps: from each of these spans on, which ascend from 0, that much.
    Series(Vec<(SimDuration, u64)>),
    /// From `from` evenly to `to` within `over`, which is more than 0, and then `to`: a leak.
    Ramp {
        /// At the start.
        from: u64,
        /// At the end.
        to: u64,
        /// How long that takes.
        over: SimDuration,
    },
}

impl Usage {
    /// Whether anything is known of what is used.
    pub fn is_known(&self) -> bool {
        self.cpu.is_some() || self.memory.is_some()
    }
}

impl Demand {
    /// Draws milli-cores for a run, where that is what the demand says; 0 where it does not.
    pub fn draw_cpu(&self, stream: impl FnOnce() -> Stream) -> u64 {
        self.draw(stream, DRAWN_MILLI_CPU)
    }

    /// Draws bytes for a run, where that is what the demand says; 0 where it does not.
    pub fn draw_memory(&self, stream: impl FnOnce() -> Stream) -> u64 {
        self.draw(stream, DRAWN_BYTES)
    }

    fn draw(&self, stream: impl FnOnce() -> Stream, unit: u64) -> u64 {
        match self {
            Demand::Drawn(dist) => {
                let drawn = u128::from(dist.sample(&mut stream()).0) * u128::from(unit) / 1_000_000_000;
                u64::try_from(drawn).unwrap_or(u64::MAX)
            }
            _ => 0,
        }
    }

    /// How much is used `age` after the start of a run for which `drawn` was drawn.
    pub fn at(&self, drawn: u64, age: SimDuration) -> u64 {
        match self {
            Demand::Constant(amount) => *amount,
            Demand::Drawn(_) | Demand::Load => drawn,
            Demand::Series(steps) => {
                let next = steps.partition_point(|(from, _)| *from <= age);
                next.checked_sub(1).map_or(0, |step| steps[step].1)
            }
            Demand::Ramp { to, over, .. } if age >= *over => *to,
            Demand::Ramp { from, to, over } => {
                let part = u128::from(from.abs_diff(*to)) * u128::from(age.0) / u128::from(over.0);
                let part = u64::try_from(part).unwrap_or(u64::MAX);
                if to >= from { from + part } else { from - part }
            }
        }
    }

    /// How much is used on average between two ages of a run for which `drawn` was drawn; at one age, what is used then.
    pub fn mean(&self, drawn: u64, from: SimDuration, to: SimDuration) -> f64 {
        if to <= from {
            return self.at(drawn, to) as f64;
        }
        let (mut age, mut area) = (from, 0.0);
        while age < to {
            let end = self.next_turn(age).map_or(to, |turn| turn.min(to));
            // Between turns it is constant or a straight line, whose value just before the end is that of its course.
            let is_ramp = matches!(self, Demand::Ramp { .. });
            let (first, last) = (self.at(drawn, age), if is_ramp { self.at(drawn, end) } else { self.at(drawn, age) });
            area += (first as f64 + last as f64) / 2.0 * (end.0 - age.0) as f64;
            age = end;
        }
        area / (to.0 - from.0) as f64
    }

    /// When it next changes its course after `age`: steps, or ceases to rise or fall. None: never.
    pub fn next_turn(&self, age: SimDuration) -> Option<SimDuration> {
        match self {
            Demand::Constant(_) | Demand::Drawn(_) | Demand::Load => None,
            Demand::Series(steps) => {
                let next = steps.partition_point(|(from, _)| *from <= age);
                steps.get(next).map(|(from, _)| *from)
            }
            Demand::Ramp { over, .. } => (*over > age).then_some(*over),
        }
    }

    /// Whether it is more than `limit` at `age`, or has reached it and is still rising.
    pub fn exceeds(&self, limit: u64, drawn: u64, age: SimDuration) -> bool {
        let amount = self.at(drawn, age);
        let is_rising = matches!(self, Demand::Ramp { from, to, over } if to > from && age < *over);
        amount > limit || is_rising && amount == limit
    }

    /// When it first exceeds `limit` after `age` and before it changes its course; none: it does not.
    pub fn next_excess(&self, limit: u64, age: SimDuration) -> Option<SimDuration> {
        let Demand::Ramp { from, to, over } = self else { return None };
        if limit < *from || limit >= *to {
            return None;
        }
        let reached = (u128::from(limit - from) * u128::from(over.0)).div_ceil(u128::from(to - from));
        let reached = SimDuration(u64::try_from(reached).unwrap_or(u64::MAX));
        (reached > age && reached < *over).then_some(reached)
    }
}

/// When the kubelet evicts pods because memory is short (`evictionHard`, `evictionSoft` and what belongs to them).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Eviction {
    /// Bytes available (`memory.available`) below which it evicts at once. Upstream's default: 100Mi.
    pub hard: u64,
    /// Bytes available below which it evicts after a while, and how long that is; none: no such threshold.
    pub soft: Option<(u64, SimDuration)>,
    /// How long pods have to end at a soft threshold, at most (`evictionMaxPodGracePeriod`). Upstream's default: 0.
    pub max_pod_grace_period: SimDuration,
    /// Bytes beyond the threshold that must be available before it stops (`evictionMinimumReclaim`). Upstream's default: 0.
    pub minimum_reclaim: u64,
    /// How long the node is under pressure after a threshold was last met (`evictionPressureTransitionPeriod`). Upstream's
    /// default: 5 min.
    pub transition_period: SimDuration,
}

impl Default for Eviction {
    fn default() -> Self {
        Eviction {
            hard: 100 << 20,
            soft: None,
            max_pod_grace_period: SimDuration::ZERO,
            minimum_reclaim: 0,
            transition_period: SimDuration(300_000_000_000),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rng::Seed;

    fn seconds(count: u64) -> SimDuration {
        SimDuration(count * 1_000_000_000)
    }

    #[test]
    fn demands_by_age() {
        let series = Demand::Series(vec![(seconds(0), 5), (seconds(10), 7), (seconds(20), 0)]);
        let up = Demand::Ramp { from: 100, to: 200, over: seconds(50) };
        let down = Demand::Ramp { from: 200, to: 100, over: seconds(50) };
        for (demand, age, amount, turn) in [
            (&Demand::Constant(3), 9, 3, None),
            (&series, 0, 5, Some(10)),
            (&series, 9, 5, Some(10)),
            (&series, 10, 7, Some(20)),
            (&series, 99, 0, None),
            // 2 a second.
            (&up, 0, 100, Some(50)),
            (&up, 20, 140, Some(50)),
            (&up, 50, 200, None),
            (&down, 20, 160, Some(50)),
            (&down, 60, 100, None),
        ] {
            assert_eq!(demand.at(1, seconds(age)), amount, "{demand:?} {age}");
            assert_eq!(demand.next_turn(seconds(age)), turn.map(seconds), "{demand:?} {age}");
        }
    }

    #[test]
    fn means_are_areas_over_time() {
        let series = Demand::Series(vec![(seconds(0), 5), (seconds(10), 7), (seconds(20), 0)]);
        let up = Demand::Ramp { from: 100, to: 200, over: seconds(50) };
        for (demand, from, to, mean) in [
            (&Demand::Constant(3), 4, 9, 3.0),
            // (5 x 5 + 7 x 10 + 0 x 5) / 20.
            (&series, 5, 25, 4.75),
            (&series, 10, 10, 7.0),
            // From 140 to 200 within 30 s, then 30 s of 200: (170 x 30 + 200 x 30) / 60.
            (&up, 20, 80, 185.0),
        ] {
            assert_eq!(demand.mean(9, seconds(from), seconds(to)), mean, "{demand:?} {from} {to}");
        }
        assert_eq!(Demand::Drawn(Dist::ZERO).mean(9, seconds(1), seconds(2)), 9.0);
    }

    #[test]
    fn ramps_exceed_when_they_reach_and_still_rise() {
        let up = Demand::Ramp { from: 100, to: 200, over: seconds(50) };
        for (limit, age, now, next) in [
            (140, 0, false, Some(20)),
            (140, 19, false, Some(20)),
            (140, 20, true, None),
            (140, 30, true, None),
            (200, 49, false, None), // its end is no more than that
            (200, 60, false, None),
            (99, 0, true, None),
            (100, 0, true, None),
        ] {
            assert_eq!(up.exceeds(limit, 0, seconds(age)), now, "{limit} {age}");
            assert_eq!(up.next_excess(limit, seconds(age)), next.map(seconds), "{limit} {age}");
        }
        assert!(!Demand::Constant(7).exceeds(7, 0, seconds(1)), "all of the limit may be used");
        assert!(Demand::Drawn(Dist::ZERO).exceeds(7, 8, seconds(1)));
    }

    #[test]
    fn a_second_stands_for_a_core_or_a_mebibyte() {
        let stream = || Seed { base: 1, replication: 0 }.stream("usage", 0);
        let drawn = Demand::Drawn(Dist::Constant(SimDuration(2_500_000_000)));
        assert_eq!(drawn.draw_cpu(stream), 2500);
        assert_eq!(drawn.draw_memory(stream), 5 << 19);
        assert_eq!(Demand::Constant(4).draw_cpu(stream), 0);
    }
}
