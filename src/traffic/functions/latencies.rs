//! Latencies of one function: exactly while they are few, then by class.

use crate::stats::latency::LatencyRecorder;
use crate::units::SimDuration;

/// So many are kept as they are. Most functions are called less often, and a histogram of them would take more memory.
const LISTED_MAX: usize = 2048;

/// How long calls took.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Latencies {
    listed: Vec<u64>,
    rest: Option<Box<LatencyRecorder>>,
}

impl Latencies {
    /// Takes one in.
    #[inline]
    pub fn record(&mut self, latency: SimDuration) {
        match &mut self.rest {
            Some(recorder) => recorder.record(latency),
            None => self.list(latency),
        }
    }

    /// Takes in several, which costs less than one by one.
    pub(super) fn record_all(&mut self, latencies: &[SimDuration]) {
        let mut left = latencies.iter().copied();
        while self.rest.is_none()
            && let Some(latency) = left.next()
        {
            self.list(latency);
        }
        if let Some(recorder) = &mut self.rest {
            recorder.record_all(left);
        }
    }

    fn list(&mut self, latency: SimDuration) {
        self.listed.push(latency.0);
        if self.listed.len() == LISTED_MAX {
            let mut recorder = LatencyRecorder::default();
            recorder.record_all(self.listed.iter().map(|&latency| SimDuration(latency)));
            (self.listed, self.rest) = (Vec::new(), Some(Box::new(recorder)));
        }
    }

    /// The mean, and the least latencies that half, 95 % and 99 % do not exceed, in seconds; NaN without any.
    pub fn figures_s(&self) -> [f64; 4] {
        const PARTS: [f64; 3] = [0.5, 0.95, 0.99];
        if let Some(recorder) = &self.rest {
            let [p50, p95, p99] = PARTS.map(|part| recorder.quantile_s(part));
            return [recorder.mean_s(), p50, p95, p99];
        }
        let mut sorted = self.listed.clone();
        sorted.sort_unstable();
        let count = sorted.len() as f64;
        let at = |part: f64| {
            let rank = (part * count).ceil().max(1.0) as usize - 1;
            sorted.get(rank).map_or(f64::NAN, |&latency| SimDuration(latency).as_seconds())
        };
        let sum: f64 = sorted.iter().map(|&latency| SimDuration(latency).as_seconds()).sum();
        let [p50, p95, p99] = PARTS.map(at);
        [sum / count, p50, p95, p99]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(count: u64) -> [f64; 4] {
        let mut latencies = Latencies::default();
        // In no order: 7 919 is prime.
        (0..count).for_each(|number| latencies.record(SimDuration((number * 7919 % count + 1) * 1_000_000_000)));
        latencies.figures_s()
    }

    #[test]
    fn few_are_exact_and_many_are_near() {
        assert!(Latencies::default().figures_s().iter().all(|figure| figure.is_nan()));
        assert_eq!(of(1), [1.0; 4]);
        // 1 to 200 s: the mean is 100.5, and the 100th, 190th and 198th are the quantiles.
        assert_eq!(of(200), [100.5, 100.0, 190.0, 198.0]);
        for (found, exact) in of(10_000).into_iter().zip([5000.5, 5000.0, 9500.0, 9900.0]) {
            assert!((found / exact - 1.0).abs() < 0.0006, "{found} {exact}");
        }
    }
}
