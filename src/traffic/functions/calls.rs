//! The calls of all functions, in order.

use std::collections::BTreeMap;

use crate::event_queue::EventQueue;
use crate::model::functions::{CalledFunction, Calls, ColdCall, Invocation};
use crate::rng::{Seed, Stream};
use crate::traffic::arrivals::ArrivalTimes;
use crate::units::{SimDuration, SimTime};

const MINUTE_NS: u64 = 60_000_000_000;

/// The calls of all functions, one after the other. What a call is does not depend on what the platform does with it: every
/// function has random streams of its own, which are found by its name.
#[derive(Debug)]
pub struct CallStream<'m> {
    lines: Vec<Line<'m>>,
    /// The next call of each function that has one.
    pending: EventQueue<u32>,
    until: SimTime,
}

/// The calls of one function.
#[derive(Debug)]
pub(super) struct Line<'m> {
    called: &'m CalledFunction,
    times: Times<'m>,
    /// Draws how long calls take.
    stream: Stream,
    /// How long the next call takes, where that is recorded.
    recorded: Option<SimDuration>,
}

#[derive(Debug)]
enum Times<'m> {
    Rule(Box<ArrivalTimes<'m>>),
    Counted(CountedTimes<'m>),
    Recorded(std::slice::Iter<'m, (SimTime, SimDuration)>),
}

/// Instants drawn within minutes, a minute at a time.
#[derive(Debug)]
struct CountedTimes<'m> {
    minutes: std::slice::Iter<'m, (u32, u32)>,
    /// What is left of the present minute, the last first.
    instants: Vec<u64>,
    stream: Stream,
}

/// The calls of each function.
pub(super) fn lines(functions: &[CalledFunction], seed: Seed) -> impl Iterator<Item = Line<'_>> {
    // Files may have one name for several functions.
    let mut seen: BTreeMap<&str, u64> = BTreeMap::new();
    functions.iter().map(move |called| {
        let name = called.function.name.as_str();
        let number = seen.entry(name).and_modify(|number| *number += 1).or_default();
        let stream = |what: &str| seed.stream(&format!("functions/{what}/{name}"), *number);
        Line { called, times: Times::new(&called.calls, &stream), stream: stream("durations"), recorded: None }
    })
}

impl<'m> CallStream<'m> {
    /// The calls of these functions before an instant.
    pub fn new(functions: &'m [CalledFunction], seed: Seed, until: SimTime) -> CallStream<'m> {
        let lines = lines(functions, seed).collect();
        let mut calls = CallStream { lines, pending: EventQueue::new(), until };
        for function in 0..calls.lines.len() as u32 {
            calls.schedule(function);
        }
        calls
    }

    #[inline]
    fn schedule(&mut self, function: u32) {
        if let Some(at) = self.lines[function as usize].next_time().filter(|&at| at < self.until) {
            self.pending.push(at, 0, function);
        }
    }
}

impl Iterator for CallStream<'_> {
    type Item = Invocation;

    #[inline]
    fn next(&mut self) -> Option<Invocation> {
        let (key, function) = self.pending.pop()?;
        let [duration, cold_duration] = self.lines[function as usize].draw();
        self.schedule(function);
        Some(Invocation { function, arrival: key.time, duration, cold_duration })
    }
}

impl Line<'_> {
    /// When the next call comes.
    #[inline]
    pub(super) fn next_time(&mut self) -> Option<SimTime> {
        match &mut self.times {
            Times::Rule(times) => times.next().map(|arrival| arrival.at),
            Times::Counted(times) => times.next(),
            Times::Recorded(list) => {
                let (at, duration) = list.next()?;
                self.recorded = Some(*duration);
                Some(*at)
            }
        }
    }

    /// How long that call takes, on a warm instance and on a cold one.
    #[inline]
    pub(super) fn draw(&mut self) -> [SimDuration; 2] {
        let duration = match self.recorded {
            Some(duration) => duration,
            None => self.called.duration.fast_sample(&mut self.stream),
        };
        // Drawn whether it is needed or not, so that all policies meet the same calls.
        let cold_duration = match &self.called.cold {
            ColdCall::Start(start) => duration + start.fast_sample(&mut self.stream),
            ColdCall::Whole(whole) => whole.fast_sample(&mut self.stream),
        };
        [duration, cold_duration]
    }
}

impl<'m> Times<'m> {
    fn new(calls: &'m Calls, stream: &dyn Fn(&str) -> Stream) -> Times<'m> {
        match calls {
            Calls::Rule(arrivals) => Times::Rule(Box::new(ArrivalTimes::new(arrivals, stream("arrivals")))),
            Calls::Counted(minutes) => Times::Counted(CountedTimes {
                minutes: minutes.iter(),
                instants: Vec::new(),
                stream: stream("arrivals"),
            }),
            Calls::Recorded(list) => Times::Recorded(list.iter()),
        }
    }
}

impl CountedTimes<'_> {
    fn next(&mut self) -> Option<SimTime> {
        while self.instants.is_empty() {
            let &(minute, count) = self.minutes.next()?;
            let start = u64::from(minute) * MINUTE_NS;
            self.instants.extend((0..count).map(|_| start + self.stream.below(MINUTE_NS)));
            self.instants.sort_unstable_by(|a, b| b.cmp(a));
        }
        self.instants.pop().map(SimTime)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Dist;
    use crate::model::functions::Function;
    use crate::model::traffic::{Arrivals, Gap, Profile};
    use crate::units::Bytes;

    const SEED: Seed = Seed { base: 1, replication: 0 };

    fn called(name: &str, calls: Calls) -> CalledFunction {
        let duration = Dist::Exponential { mean: 1.0 };
        let cold = ColdCall::Start(Dist::Constant(SimDuration(5)));
        CalledFunction { function: Function::new(name, Bytes(1)), calls, duration, cold }
    }

    fn regular(per_second: f64) -> Calls {
        let rate = Profile::constant(per_second);
        Calls::Rule(Arrivals::Open { gap: Gap::Deterministic, rate, session: None })
    }

    #[test]
    fn calls_of_all_kinds_come_in_order() {
        let recorded = [(SimTime(7), SimDuration(3)), (SimTime(9), SimDuration(4))];
        let functions = [
            called("rule", regular(1.0)),
            called("counted", Calls::Counted([(0, 3), (2, 40)].into())),
            called("recorded", Calls::Recorded(recorded.into())),
        ];
        let calls: Vec<Invocation> = CallStream::new(&functions, SEED, SimTime(3 * MINUTE_NS)).collect();
        assert!(calls.is_sorted_by_key(|call| call.arrival));
        // One a second, and none at the end itself.
        assert_eq!(calls.iter().filter(|call| call.function == 0).count(), 179);
        let minutes: Vec<u64> =
            calls.iter().filter(|call| call.function == 1).map(|call| call.arrival.0 / MINUTE_NS).collect();
        assert_eq!(minutes, [vec![0; 3], vec![2; 40]].concat());
        let listed: Vec<(u64, u64, u64)> = calls
            .iter()
            .filter(|call| call.function == 2)
            .map(|call| (call.arrival.0, call.duration.0, call.cold_duration.0))
            .collect();
        assert_eq!(listed, [(7, 3, 8), (9, 4, 9)]);
    }

    #[test]
    fn calls_of_a_function_do_not_depend_on_the_others() {
        let of = |functions: &[CalledFunction], wanted: u32| -> Vec<(SimTime, SimDuration)> {
            let calls = CallStream::new(functions, SEED, SimTime(MINUTE_NS));
            calls.filter(|call| call.function == wanted).map(|call| (call.arrival, call.duration)).collect()
        };
        let alone = [called("f", regular(2.0))];
        let beside = [called("g", regular(5.0)), called("f", regular(2.0)), called("f", regular(2.0))];
        assert_eq!(of(&alone, 0), of(&beside, 1));
        // A name that comes twice is drawn twice.
        assert_ne!(of(&beside, 1), of(&beside, 2));
    }
}
