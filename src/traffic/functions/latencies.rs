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
