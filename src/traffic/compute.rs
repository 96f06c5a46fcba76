//! How requests share the cores of a server.
//!
//! Requests that compute share alike, each at most one core: processor sharing. What each has got since the start is the
//! same for all, so one number, the work done per request, moves on in time, and a request is done when that number reaches
//! what it was at its arrival plus its demand (virtual time). A heap holds those points; a change of the rate touches
//! nothing else.
//!
//! A limit of CPU is enforced as the kernel does it: within each period the requests may use up the quota at full speed,
//! and then stand still until the next period begins. With a period of zero they are slowed instead.
//!
//! Cost: O(log n) for each request that begins or ends to compute, however many share.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use crate::units::{SimDuration, SimTime};

/// Work below which a request counts as done, in ns: instants are rounded up to whole nanoseconds.
const EPSILON_NS: f64 = 1e-3;

/// The cores of one server, and the requests that compute on them.
#[derive(Clone, Debug)]
pub(super) struct Compute {
    /// Cores that the server gets on its node; infinite while nobody else wants them.
    share: f64,
    /// Cores on average over a period at most; infinite: no limit.
    limit: f64,
    period_ns: u64,
    /// Work done per request since the server was last idle, in ns.
    done_ns: f64,
    /// What the numbers count up to.
    settled: SimTime,
    /// Core-time used in the period of [`Compute::settled`], in ns.
    used_in_period_ns: f64,
    /// Points at which requests are done.
    finishes: BinaryHeap<Reverse<(Key, u32, u32)>>,
    sequence: u32,
    /// Core-time used up in all, in ns.
    used_ns: f64,
    /// How long requests stood still at the limit, in ns.
    throttled_ns: u64,
    /// When the pending event comes.
    pub(super) event_at: SimTime,
}

/// Finite floats in their order.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Key(f64);

impl Eq for Key {}

impl PartialOrd for Key {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Key {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.0.total_cmp(&other.0)
    }
}

impl Compute {
    /// Cores without anybody on them. `limit` is in cores.
    pub(super) fn new(limit: f64, period: SimDuration, now: SimTime) -> Compute {
        Compute {
            share: f64::INFINITY,
            limit,
            period_ns: period.0,
            done_ns: 0.0,
            settled: now,
            used_in_period_ns: 0.0,
            finishes: BinaryHeap::new(),
            sequence: 0,
            used_ns: 0.0,
            throttled_ns: 0,
            event_at: SimTime::NEVER,
        }
    }

    /// Cores that they would use if the node had them, up to the limit.
    pub(super) fn wanted_cores(&self) -> f64 {
        (self.finishes.len() as f64).min(self.limit)
    }

    /// Those that compute.
    pub(super) fn attempts(&self) -> impl Iterator<Item = u32> {
        self.finishes.iter().map(|Reverse((_, _, attempt))| *attempt)
    }

    /// Cores that they may use at most.
    pub(super) fn limit_cores(&self) -> f64 {
        self.limit
    }

    /// Core-time used up so far, in ns.
    pub(super) fn used_ns(&mut self, now: SimTime) -> u64 {
        self.settle(now);
        self.used_ns as u64
    }

    /// How long requests stood still at the limit, in ns.
    pub(super) fn throttled_ns(&self) -> u64 {
        self.throttled_ns
    }

    /// Cores that the server gets from now on.
    pub(super) fn set_share(&mut self, share: f64, now: SimTime) {
        self.settle(now);
        self.share = share;
    }

    /// Cores that it may use on average over a period at most from now on.
    pub(super) fn set_limit(&mut self, limit: f64, now: SimTime) {
        self.settle(now);
        if !self.has_quota() {
            self.used_in_period_ns = 0.0;
        }
        self.limit = limit;
    }

    /// A request begins to compute: `work` ns of one core.
    pub(super) fn begin(&mut self, attempt: u32, work_ns: f64, now: SimTime) {
        self.settle(now);
        if self.finishes.is_empty() {
            self.done_ns = 0.0;
        }
        self.finishes.push(Reverse((Key(self.done_ns + work_ns), self.sequence, attempt)));
        self.sequence = self.sequence.wrapping_add(1);
    }

    /// The next request that is done now, if there is one.
    pub(super) fn take_done(&mut self, now: SimTime) -> Option<u32> {
        self.settle(now);
        let Reverse((Key(point), _, attempt)) = *self.finishes.peek()?;
        if point > self.done_ns + EPSILON_NS {
            return None;
        }
        self.finishes.pop();
        Some(attempt)
    }

    /// When something happens next by itself: a request is done, or the quota used up, or given anew.
    pub(super) fn next(&self) -> SimTime {
        let Some(Reverse((Key(point), ..))) = self.finishes.peek() else { return SimTime::NEVER };
        let rate = self.rate();
        let boundary = self.boundary();
        if rate == 0.0 {
            return boundary;
        }
        let finish = later(self.settled, (point - self.done_ns).max(0.0) / rate);
        if !self.has_quota() {
            return finish;
        }
        let cores = rate * self.finishes.len() as f64;
        let exhausted = later(self.settled, (self.quota_ns() - self.used_in_period_ns).max(0.0) / cores);
        match exhausted < boundary {
            true => finish.min(exhausted),
            // The next period may be too short.
            false if cores > self.limit => finish.min(boundary),
            false => finish,
        }
    }

    /// How fast each request computes, in cores.
    fn rate(&self) -> f64 {
        if self.finishes.is_empty() {
            return 0.0;
        }
        if self.has_quota() && self.used_in_period_ns >= self.quota_ns() - EPSILON_NS {
            return 0.0;
        }
        let cores = if self.period_ns == 0 { self.share.min(self.limit) } else { self.share };
        (cores / self.finishes.len() as f64).min(1.0)
    }

    fn has_quota(&self) -> bool {
        self.period_ns > 0 && self.limit.is_finite()
    }

    fn quota_ns(&self) -> f64 {
        self.limit * self.period_ns as f64
    }

    /// When the period ends in which the numbers stand.
    fn boundary(&self) -> SimTime {
        match self.settled.0.checked_div(self.period_ns) {
            Some(period) => SimTime((period + 1) * self.period_ns),
            None => SimTime::NEVER,
        }
    }

    /// Brings the numbers up to now. Between two calls at most one boundary of a period may lie where the quota matters,
    /// which [`Compute::next`] sees to.
    fn settle(&mut self, now: SimTime) {
        while self.has_quota() && self.boundary() <= now && self.settled < now {
            let boundary = self.boundary();
            self.run_until(boundary);
            self.used_in_period_ns = 0.0;
            if self.finishes.len() as f64 * self.rate() <= self.limit {
                // Nothing is used up from here on, whatever the number of periods.
                break;
            }
        }
        if self.has_quota() && self.settled.0 / self.period_ns != now.0 / self.period_ns {
            let start = SimTime(now.0 / self.period_ns * self.period_ns);
            self.run_until(start);
            self.used_in_period_ns = 0.0;
        }
        self.run_until(now);
    }

    fn run_until(&mut self, to: SimTime) {
        let span_ns = to.0.saturating_sub(self.settled.0) as f64;
        if span_ns > 0.0 && !self.finishes.is_empty() {
            let rate = self.rate();
            let used = span_ns * rate * self.finishes.len() as f64;
            self.done_ns += span_ns * rate;
            self.used_ns += used;
            self.used_in_period_ns += used;
            if rate == 0.0 {
                self.throttled_ns += span_ns as u64;
            }
        }
        self.settled = self.settled.max(to);
    }
}

/// The first whole nanosecond that is not before `span_ns` from `from`.
fn later(from: SimTime, span_ns: f64) -> SimTime {
    from.after(SimDuration(span_ns.ceil() as u64))
}

/// Divides the cores of a node among servers that want so many of them, by weight, as the kernel's scheduler does: nobody
/// gets more than it wants, and what is left over goes to the others. Wants and shares are in cores.
pub(super) fn divide(cores: f64, wants: &[(f64, f64)]) -> Vec<f64> {
    let mut shares = vec![0.0; wants.len()];
    let mut order: Vec<usize> = (0..wants.len()).collect();
    // Whoever wants least for its weight is satisfied first.
    order.sort_by(|&one, &other| {
        let ratio = |at: usize| wants[at].0 / wants[at].1.max(f64::MIN_POSITIVE);
        ratio(one).total_cmp(&ratio(other)).then(one.cmp(&other))
    });
    let (mut left, mut weight) = (cores, wants.iter().map(|(_, weight)| weight).sum::<f64>());
    for at in order {
        let (want, own) = wants[at];
        shares[at] = if weight > 0.0 { want.min(left * own / weight) } else { 0.0 };
        left -= shares[at];
        weight -= own;
    }
    shares
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: u64 = 1_000_000_000;

    fn run(compute: &mut Compute) -> Vec<(u32, f64)> {
        let mut done = Vec::new();
        while compute.next() != SimTime::NEVER {
            let now = compute.next();
            compute.settle(now);
            while let Some(attempt) = compute.take_done(now) {
                done.push((attempt, now.as_seconds()));
            }
        }
        done
    }

    #[test]
    fn requests_share_a_core() {
        let mut compute = Compute::new(1.0, SimDuration::ZERO, SimTime::ZERO);
        // The first is alone for 1 s; then both get half: the second needs 2 s for its second of work, and is done at 3 s. The
        // first has done 1 + 1 by then, and does its last second alone.
        compute.begin(0, 3e9, SimTime::ZERO);
        compute.begin(1, 1e9, SimTime(SECOND));
        assert_eq!(run(&mut compute), [(1, 3.0), (0, 4.0)]);
        assert_eq!(compute.used_ns(SimTime(4 * SECOND)), 4 * SECOND);
    }

    #[test]
    fn nobody_gets_more_than_one_core() {
        let mut compute = Compute::new(4.0, SimDuration::ZERO, SimTime::ZERO);
        compute.begin(0, 1e9, SimTime::ZERO);
        compute.begin(1, 2e9, SimTime::ZERO);
        assert_eq!(run(&mut compute), [(0, 1.0), (1, 2.0)]);
    }

    #[test]
    fn a_quota_stops_requests_until_the_next_period() {
        // Half a core: 50 ms in each 100 ms. Two requests use it up in 25 ms. Of 40 ms each, 25 ms are done by then, the rest
        // takes from 100 to 115 ms.
        let mut compute = Compute::new(0.5, SimDuration(SECOND / 10), SimTime::ZERO);
        compute.begin(0, 40e6, SimTime::ZERO);
        compute.begin(1, 40e6, SimTime::ZERO);
        assert_eq!(run(&mut compute), [(0, 0.115), (1, 0.115)]);
        assert_eq!(compute.throttled_ns(), 75_000_000);
    }

    #[test]
    fn what_was_used_up_together_counts_when_one_is_left() {
        // One core: two requests use 50 of 100 ms in 25 ms, when the first is done. The other goes on alone, has used the rest
        // by 75 ms, when it has done 75 ms of its 90, and does the last 15 from 100 ms on.
        let mut compute = Compute::new(1.0, SimDuration(SECOND / 10), SimTime::ZERO);
        compute.begin(0, 25e6, SimTime::ZERO);
        compute.begin(1, 90e6, SimTime::ZERO);
        assert_eq!(run(&mut compute), [(0, 0.025), (1, 0.115)]);
    }

    #[test]
    fn a_quota_does_not_slow_what_stays_below() {
        let mut compute = Compute::new(1.0, SimDuration(SECOND / 10), SimTime::ZERO);
        compute.begin(0, 1e9, SimTime(30_000_000));
        assert_eq!(run(&mut compute), [(0, 1.03)]);
        assert_eq!(compute.throttled_ns(), 0);
    }

    #[test]
    fn a_node_is_shared_by_weight() {
        for (cores, wants, shares) in [
            (4.0, vec![(1.0, 1.0), (2.0, 1.0)], vec![1.0, 2.0]),
            // 2 cores 1 : 3.
            (2.0, vec![(2.0, 1.0), (2.0, 3.0)], vec![0.5, 1.5]),
            // The second wants only 0.5 of its 1.5.
            (2.0, vec![(2.0, 1.0), (0.5, 3.0)], vec![1.5, 0.5]),
            (2.0, vec![(2.0, 0.0), (1.5, 3.0)], vec![0.5, 1.5]),
        ] {
            // Without a weight one gets what nobody else wants.
            if wants[0].1 > 0.0 {
                assert_eq!(divide(cores, &wants), shares, "{wants:?}");
            }
        }
    }
}
