//! The calls of all functions in slices of time, those of each function together.
//!
//! Functions meet only in the limit of the account. Where that cannot be reached ([`super::room`]), it does not matter in which order
//! functions are called, and calls are drawn, served and measured function by function within a slice: what is known of a function is
//! fetched into the cache once a slice instead of once a call. A slice has some [`CALLS`] calls, however long that takes.
//!
//! Where the limit may be reached, the calls of a slice are brought into order. Of calls at one instant that one comes first whose
//! function was called first before, functions that were not called yet before all others and in the order of the list: as if each
//! call put the next one of its function at the end of a queue, which is what [`super::CallStream`] does.
//!
//! Cost: memory for as many calls as a slice has, more only where more of them come at one instant, and a look at each function a
//! slice.

use std::cmp::Ordering;

use super::calls::{Line, lines};
use crate::event_queue::EventQueue;
use crate::model::functions::{CalledFunction, Invocation};
use crate::rng::Seed;
use crate::units::SimTime;

/// So many calls a slice has about: 8 MB. With fewer what is known of functions is fetched more often (2^16 took a quarter longer).
pub(super) const CALLS: usize = 1 << 18;
/// How long the first slice is.
const FIRST_NS: u64 = 1_000_000_000;
/// A slice is at most so many times as long as the last.
const GROWTH_MAX: u64 = 8;

/// When a function was called last, none: not yet, and its place among those that were called at that instant.
type Turn = (Option<SimTime>, u32);

/// The calls of all functions, slice by slice.
#[derive(Debug)]
pub(super) struct Slices<'m> {
    callers: Vec<Caller<'m>>,
    until: SimTime,
    /// How many calls a slice has about.
    calls: usize,
    span_ns: u64,
    /// When functions were called last that are called in the slice; kept for its memory.
    last: Vec<(SimTime, u32)>,
}

/// The calls of a function.
#[derive(Debug)]
struct Caller<'m> {
    line: Line<'m>,
    /// Calls that have been drawn and not been served.
    drawn: Vec<Invocation>,
    /// How many of these are in the slice.
    within: usize,
    /// When the call comes that is drawn next.
    next: Option<SimTime>,
    turn: Turn,
}

impl<'m> Slices<'m> {
    /// The calls of these functions before an instant, about so many a slice.
    pub(super) fn new(functions: &'m [CalledFunction], seed: Seed, until: SimTime, calls: usize) -> Slices<'m> {
        let callers = lines(functions, seed).enumerate().map(|(function, mut line)| {
            let next = line.next_time();
            Caller { line, drawn: Vec::new(), within: 0, next, turn: (None, function as u32) }
        });
        Slices { callers: callers.collect(), until, calls, span_ns: FIRST_NS, last: Vec::new() }
    }

    /// Draws the calls of the next slice, after those of the last have been served. From when on and until when it lasts; none: there
    /// are no more calls.
    pub(super) fn draw(&mut self) -> Option<(SimTime, SimTime)> {
        let start = self.callers.iter().filter_map(Caller::first).min().filter(|&start| start < self.until)?;
        let mut end = SimTime(start.0.saturating_add(self.span_ns)).min(self.until);
        let (mut count, calls) = (0, self.calls);
        for function in 0..self.callers.len() {
            // Calls at one instant cannot be cut.
            let most =
                |end: SimTime, count| if end.0 - start.0 > 1 { (2 * calls).saturating_sub(count) } else { usize::MAX };
            while !self.callers[function].draw(function as u32, end, most(end, count)) {
                end = self.cut(start, end, function);
                count = self.callers[..function].iter().map(|caller| caller.before(end)).sum();
            }
            count += self.callers[function].before(end);
        }
        self.callers.iter_mut().for_each(|caller| caller.within = caller.before(end));
        let span_ns = (end.0 - start.0) as f64 * calls as f64 / count.max(1) as f64;
        self.span_ns = (span_ns as u64).clamp(1, (end.0 - start.0).saturating_mul(GROWTH_MAX));
        Some((start, end))
    }

    /// An earlier end for a slice of which the functions up to this one have too many calls.
    fn cut(&self, start: SimTime, mut end: SimTime, function: usize) -> SimTime {
        let count = |end| self.callers[..=function].iter().map(|caller| caller.before(end)).sum::<usize>();
        while end.0 - start.0 > 1 {
            end = SimTime(start.0 + (end.0 - start.0) / 2);
            if count(end) < self.calls {
                break;
            }
        }
        end
    }

    /// Lets the slice end earlier. What comes afterwards remains.
    pub(super) fn shorten(&mut self, end: SimTime) {
        self.callers.iter_mut().for_each(|caller| caller.within = caller.before(end));
    }

    /// The calls of each function that has any in the slice.
    pub(super) fn by_function(&self) -> impl Iterator<Item = &[Invocation]> {
        self.callers.iter().map(|caller| &caller.drawn[..caller.within]).filter(|calls| !calls.is_empty())
    }

    /// The calls of the slice in order.
    pub(super) fn in_order(&mut self) -> InOrder<'_, 'm> {
        let mut functions: Vec<u32> = (0..self.callers.len() as u32).collect();
        functions.retain(|&function| self.callers[function as usize].within > 0);
        functions.sort_unstable_by_key(|&function| self.callers[function as usize].turn);
        let mut pending = EventQueue::new();
        for function in functions {
            pending.push(self.callers[function as usize].drawn[0].arrival, 0, function);
        }
        let served = vec![0; self.callers.len()];
        InOrder { callers: &mut self.callers, served, pending, count: 0 }
    }

    /// The calls of the slice have been served function by function: whose turn it was last is not known yet.
    pub(super) fn settle(&mut self) {
        let mut last = std::mem::take(&mut self.last);
        let times = self.callers.iter().zip(0..).filter_map(|(caller, function)| Some((caller.last()?, function)));
        last.extend(times);
        last.sort_unstable_by_key(|&(at, _)| at);
        for calls in last.chunk_by_mut(|(one, _), (other, _)| one == other) {
            calls.sort_by(|(_, one), (_, other)| self.callers[*one as usize].compare(&self.callers[*other as usize]));
        }
        for (place, &(at, function)) in last.iter().enumerate() {
            self.callers[function as usize].turn = (Some(at), place as u32);
        }
        last.clear();
        self.last = last;
    }

    /// Forgets the calls of the slice.
    pub(super) fn forget(&mut self) {
        for caller in &mut self.callers {
            caller.drawn.drain(..std::mem::take(&mut caller.within));
        }
    }
}

impl Caller<'_> {
    /// The first call that has not been served.
    fn first(&self) -> Option<SimTime> {
        self.drawn.first().map(|call| call.arrival).or(self.next)
    }

    /// The last call of the slice.
    fn last(&self) -> Option<SimTime> {
        self.drawn[..self.within].last().map(|call| call.arrival)
    }

    /// How many calls that have been drawn come before an instant.
    fn before(&self, end: SimTime) -> usize {
        // Mostly all of them.
        match self.drawn.last() {
            Some(call) if call.arrival >= end => self.drawn.partition_point(|call| call.arrival < end),
            _ => self.drawn.len(),
        }
    }

    /// Draws calls before an instant, so many at most; whether these are all.
    fn draw(&mut self, function: u32, end: SimTime, most: usize) -> bool {
        for _ in 0..most {
            let Some(arrival) = self.next.filter(|&next| next < end) else { return true };
            let [duration, cold_duration] = self.line.draw();
            self.drawn.push(Invocation { function, arrival, duration, cold_duration });
            self.next = self.line.next_time();
        }
        self.next.is_none_or(|next| next >= end)
    }

    /// Turns, from that of the last call of the slice back.
    fn history(&self) -> impl Iterator<Item = Turn> {
        let calls = self.drawn[..self.within].iter().rev();
        calls.map(|call| (Some(call.arrival), 0)).chain([self.turn])
    }

    /// Which of two functions had its last call of the slice first, if they were at one instant: that whose call before that was
    /// first.
    fn compare(&self, other: &Self) -> Ordering {
        self.history().cmp(other.history())
    }
}

/// The calls of a slice in order.
pub(super) struct InOrder<'s, 'm> {
    callers: &'s mut [Caller<'m>],
    /// How many calls of each function have come.
    served: Vec<usize>,
    /// The next call of each function that has one.
    pending: EventQueue<u32>,
    count: u32,
}

impl Iterator for InOrder<'_, '_> {
    type Item = Invocation;

    #[inline]
    fn next(&mut self) -> Option<Invocation> {
        let (key, function) = self.pending.pop()?;
        let (caller, served) = (&mut self.callers[function as usize], &mut self.served[function as usize]);
        let call = caller.drawn[*served];
        caller.turn = (Some(key.time), self.count);
        *served += 1;
        self.count += 1;
        if *served < caller.within {
            self.pending.push(caller.drawn[*served].arrival, 0, function);
        }
        Some(call)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Dist;
    use crate::model::functions::{Calls, ColdCall, Function};
    use crate::model::traffic::{Arrivals, Gap, Profile};
    use crate::rng::Stream;
    use crate::traffic::functions::CallStream;
    use crate::units::{Bytes, SimDuration};

    const SEED: Seed = Seed { base: 3, replication: 0 };

    fn called(calls: Calls) -> CalledFunction {
        let duration = Dist::Exponential { mean: 1.0 };
        let cold = ColdCall::Start(Dist::Constant(SimDuration(5)));
        CalledFunction { function: Function::new("f", Bytes(1)), calls, duration, cold }
    }

    /// Functions that are often called at one instant, some of them more than once.
    fn crowd() -> Vec<CalledFunction> {
        let mut stream = Stream::of_word(4);
        let mut recorded = |instants: u64, count: usize| {
            let mut list: Vec<u64> = (0..count).map(|_| stream.below(instants) * 1_000_000_000).collect();
            list.sort_unstable();
            Calls::Recorded(list.into_iter().map(|at| (SimTime(at), SimDuration(7))).collect())
        };
        let mut functions: Vec<CalledFunction> = (0..6).map(|_| called(recorded(40, 60))).collect();
        functions.push(called(recorded(2, 300)));
        functions.push(called(recorded(1, 0)));
        for gap in [Gap::Deterministic, Gap::Deterministic, Gap::Exponential, Gap::Deterministic] {
            let rate = Profile::constant(2.0);
            functions.push(called(Calls::Rule(Arrivals::Open { gap, rate, session: None })));
        }
        functions
    }

    #[test]
    fn calls_are_those_of_the_stream_in_its_order() {
        let functions = crowd();
        let until = SimTime(39_000_000_000);
        let expected: Vec<Invocation> = CallStream::new(&functions, SEED, until).collect();
        let ties = expected.windows(2).filter(|pair| pair[0].arrival == pair[1].arrival).count();
        assert!(ties > expected.len() / 2, "{ties}");
        for (size, word) in [(1, 1), (3, 2), (10, 3), (100, 4), (CALLS, 5)] {
            let mut coin = Stream::of_word(word);
            let mut slices = Slices::new(&functions, SEED, until, size);
            let mut found = Vec::new();
            while let Some((start, end)) = slices.draw() {
                assert!(start < end);
                if coin.below(3) == 0 {
                    slices.shorten(SimTime(start.0 + (end.0 - start.0).div_ceil(2)));
                }
                let expected = &expected[found.len()..];
                if coin.below(2) == 0 {
                    let calls: Vec<Invocation> = slices.in_order().collect();
                    assert_eq!(calls, expected[..calls.len()], "slices of {size}");
                    found.extend(calls);
                } else {
                    let mut calls: Vec<Invocation> = slices.by_function().flatten().copied().collect();
                    let mut expected = expected[..calls.len()].to_vec();
                    calls.sort_by_key(|call| (call.function, call.arrival));
                    expected.sort_by_key(|call| (call.function, call.arrival));
                    assert_eq!(calls, expected, "slices of {size}");
                    found.extend(calls);
                    slices.settle();
                }
                slices.forget();
            }
            assert_eq!(found.len(), expected.len(), "slices of {size}");
        }
    }

    #[test]
    fn a_slice_has_about_as_many_calls_as_it_should() {
        // One call a second for an hour, then a thousand a second, then one again.
        let second = 1_000_000_000;
        let points = [(0, 1.0), (3600, 1.0), (3600, 1000.0), (3660, 1000.0), (3660, 1.0)];
        let rate = Profile { points: points.iter().map(|&(at, rate)| (SimTime(at * second), rate)).collect() };
        let one = called(Calls::Rule(Arrivals::Open { gap: Gap::Exponential, rate, session: None }));
        let functions = [one.clone(), one.clone(), one];
        let mut slices = Slices::new(&functions, SEED, SimTime(7200 * second), 500);
        let mut sizes = Vec::new();
        while slices.draw().is_some() {
            sizes.push(slices.by_function().map(<[_]>::len).sum::<usize>());
            slices.forget();
        }
        let count: usize = sizes.iter().sum();
        assert!((180_000..220_000).contains(&count), "{count}");
        assert!(sizes.iter().all(|&size| size <= 1000), "{sizes:?}");
        // But for some at the start and around the hour.
        assert!(sizes.len() < count / 500 * 5 / 4, "{}", sizes.len());
    }
}
