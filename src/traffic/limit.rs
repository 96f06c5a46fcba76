//! A limit of requests at a server that the server finds by itself.
//!
//! Envoy's adaptive concurrency filter with its gradient controller (v1.34,
//! `source/extensions/filters/http/adaptive_concurrency/controller/gradient_controller.cc`): what comes beyond the limit is
//! refused, so that nothing waits in front of it. Every interval the limit is multiplied by the ratio of the least latency, with
//! a buffer, to the sampled one, plus room for bursts of the square root of that. The least latency is measured anew now and
//! then, with the limit at its minimum meanwhile, and when the limit was at its minimum five times in a row.
//!
//! Deviation: percentiles are those of the samples, upstream those of a histogram of two digits.

use crate::model::traffic::AdaptiveConcurrency;
use crate::rng::Stream;
use crate::units::SimTime;

/// So many intervals at the minimum in a row say that the least latency may be wrong.
const MINIMA: u32 = 5;

/// The state of a gradient controller.
#[derive(Clone, Debug)]
pub(super) struct ConcurrencyLimit {
    rules: AdaptiveConcurrency,
    stream: Stream,
    limit: u32,
    /// Least latency in us.
    least_us: u64,
    /// The limit before the measurement that is being made.
    deferred: Option<u32>,
    /// Requests that came before the last measurement do not count.
    epoch: SimTime,
    /// When the next sample, and the next measurement, are due.
    sample_at: SimTime,
    measure_at: SimTime,
    /// How often in a row the limit was set to the minimum.
    minima: u32,
    samples_us: Vec<u64>,
}

impl ConcurrencyLimit {
    /// A controller that begins with a measurement, and draws from a stream how long it is to the next ones.
    pub(super) fn new(rules: AdaptiveConcurrency, now: SimTime, stream: Stream) -> ConcurrencyLimit {
        let limit = rules.min.max(1);
        ConcurrencyLimit {
            rules,
            stream,
            limit,
            least_us: 0,
            deferred: Some(limit),
            epoch: now,
            sample_at: SimTime::NEVER,
            measure_at: SimTime::NEVER,
            minima: 0,
            samples_us: Vec::new(),
        }
    }

    /// How many requests may be at the server at once.
    #[inline]
    pub(super) fn now(&self) -> u32 {
        self.limit
    }

    /// A request that came then is answered.
    pub(super) fn note(&mut self, came: SimTime, now: SimTime) {
        if came < self.epoch {
            return;
        }
        self.samples_us.push(now.since(came).0 / 1000);
        if let Some(before) = self.deferred
            && self.samples_us.len() >= self.rules.measure_requests as usize
        {
            self.least_us = self.take_samples();
            self.set(before);
            self.deferred = None;
            self.sample_at = now.after(self.rules.interval);
            let jitter = (self.rules.measure_every.0 as f64 * self.rules.jitter).ceil() as u64;
            let later = if jitter > 0 { self.stream.below(jitter) } else { 0 };
            self.measure_at = SimTime(now.after(self.rules.measure_every).0.saturating_add(later));
        }
    }

    /// Sets the limit anew if that is due. When to look again.
    pub(super) fn update(&mut self, now: SimTime) -> SimTime {
        if self.deferred.is_some() {
            return now.after(self.rules.interval);
        }
        if now >= self.sample_at {
            if !self.samples_us.is_empty() {
                let sampled_us = self.take_samples();
                self.set(self.next_limit(sampled_us));
                if self.minima >= MINIMA {
                    self.measure_at = now;
                }
            }
            self.sample_at = now.after(self.rules.interval);
        }
        if now >= self.measure_at {
            self.deferred = Some(self.limit);
            self.set(self.rules.min.max(1));
            self.samples_us.clear();
            self.epoch = now;
            return now.after(self.rules.interval);
        }
        self.sample_at.min(self.measure_at)
    }

    fn next_limit(&self, sampled_us: u64) -> u32 {
        let least = self.least_us as f64 * (1.0 + self.rules.buffer);
        let gradient = if sampled_us > 0 { (least / sampled_us as f64).clamp(0.5, 2.0) } else { 2.0 };
        let limit = f64::from(self.limit) * gradient;
        ((limit + limit.sqrt()) as u32).clamp(self.rules.min.max(1), self.rules.max.max(1))
    }

    fn set(&mut self, limit: u32) {
        let least = self.rules.min.max(1);
        let stays_least = self.deferred.is_none() && self.limit == least && limit == least;
        self.minima = if stays_least { self.minima + 1 } else { 0 };
        self.limit = limit;
    }

    /// The percentile of the samples, which are gone then.
    fn take_samples(&mut self) -> u64 {
        let rank = (self.rules.percentile * self.samples_us.len() as f64).ceil() as usize;
        let rank = rank.clamp(1, self.samples_us.len()) - 1;
        let (_, found, _) = self.samples_us.select_nth_unstable(rank);
        let found = *found;
        self.samples_us.clear();
        found
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rng::Seed;
    use crate::units::SimDuration;

    const RULES: AdaptiveConcurrency = AdaptiveConcurrency {
        interval: SimDuration(100_000_000),
        measure_every: SimDuration(60_000_000_000),
        measure_requests: 5,
        jitter: 0.0,
        percentile: 0.5,
        buffer: 0.25,
        min: 3,
        max: 1000,
    };

    fn at(milliseconds: u64) -> SimTime {
        SimTime(milliseconds * 1_000_000)
    }

    /// Answers requests that took so long, in ms.
    fn answer(limit: &mut ConcurrencyLimit, now_ms: u64, latencies_ms: &[u64]) {
        latencies_ms.iter().for_each(|latency| limit.note(at(now_ms - latency), at(now_ms)));
    }

    #[test]
    fn the_limit_follows_the_gradient() {
        let mut limit = ConcurrencyLimit::new(RULES, at(0), Seed { base: 1, replication: 0 }.stream("test", 0));
        assert_eq!(limit.update(at(0)), at(100));
        // Half of the five take 10 ms at most.
        answer(&mut limit, 60, &[8, 9, 10, 30, 50]);
        assert_eq!((limit.least_us, limit.now()), (10_000, 3));
        // The first sample is an interval after the measurement.
        assert_eq!(limit.update(at(100)), at(160));
        for (now_ms, latencies_ms, expected) in [
            // 12.5 / 10 * 3 = 3.75, and its root 1.94.
            (160, &[10][..], 5),
            // At most doubled: 10 + 3.16.
            (260, &[1], 13),
            // Nothing was answered.
            (360, &[], 13),
            // 12.5 / 20 * 13 = 8.125 + 2.85.
            (460, &[20, 1, 90], 10),
            // At least halved: 5 + 2.24.
            (560, &[400], 7),
        ] {
            answer(&mut limit, now_ms, latencies_ms);
            assert_eq!(limit.update(at(now_ms)), at(now_ms + 100));
            assert_eq!(limit.now(), expected, "at {now_ms} ms");
        }
    }

    #[test]
    fn the_least_latency_is_measured_at_the_least_limit() {
        let mut limit = ConcurrencyLimit::new(RULES, at(0), Seed { base: 1, replication: 0 }.stream("test", 0));
        answer(&mut limit, 50, &[10; 5]);
        answer(&mut limit, 150, &[10]);
        limit.update(at(150));
        assert_eq!(limit.now(), 5);
        limit.update(at(60_050));
        assert_eq!(limit.now(), 3);
        // What came before does not count; then the limit is what it was.
        answer(&mut limit, 60_060, &[20; 5]);
        assert_eq!((limit.now(), limit.least_us), (3, 10_000));
        answer(&mut limit, 60_100, &[20; 5]);
        assert_eq!((limit.now(), limit.least_us), (5, 20_000));
        // 5 * 0.5 = 2.5 + 1.6 = 4, 2 + 1.4 = 3, then five times 1.5 + 1.2 < 3: the least latency may be wrong.
        let limits: Vec<u32> = (1..=8)
            .map(|interval| {
                let now_ms = 60_100 + 100 * interval;
                answer(&mut limit, now_ms, &[99]);
                limit.update(at(now_ms));
                limit.now()
            })
            .collect();
        assert_eq!(limits, [4, 3, 3, 3, 3, 3, 3, 3]);
        assert_eq!(limit.deferred, Some(3));
    }
}
