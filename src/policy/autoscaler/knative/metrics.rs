//! What pods and activators report, and the windows over it (`pkg/autoscaler/metrics`).

use super::BUCKET_SIZE;
use super::config::{RevisionSettings, ScalingMetric};
use super::window::Window;
use crate::units::{SimDuration, SimTime};

/// What was measured in one second (`metrics.Stat`).
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Stat {
    /// Requests in flight, on average.
    pub concurrency: f64,
    /// Of these, requests that came through an activator, which has reported them too.
    pub proxied_concurrency: f64,
    /// Requests that came.
    pub requests: f64,
    /// Of these, those that came through an activator.
    pub proxied_requests: f64,
}

impl Stat {
    /// This and another one, taken together.
    pub fn plus(self, other: Stat) -> Stat {
        Stat {
            concurrency: self.concurrency + other.concurrency,
            proxied_concurrency: self.proxied_concurrency + other.proxied_concurrency,
            requests: self.requests + other.requests,
            proxied_requests: self.proxied_requests + other.proxied_requests,
        }
    }

    /// What `total` pods report, if those that were asked (`sample` of them, at least one) stand for all (`average`).
    pub fn extrapolated(self, sample: f64, total: f64) -> Stat {
        let scaled = |sum: f64| sum / sample * total;
        Stat {
            concurrency: scaled(self.concurrency),
            proxied_concurrency: scaled(self.proxied_concurrency),
            requests: scaled(self.requests),
            proxied_requests: scaled(self.proxied_requests),
        }
    }
}

/// How many of so many pods are asked each second (`populationMeanSampleSize`): enough for the mean at 95 % confidence with a
/// margin of 5, if the variance is 100.
pub fn sample_size(pods: f64) -> f64 {
    const SAMPLE: f64 = 1.96 * 1.96 * 100.0 / (5.0 * 5.0);
    if pods <= 3.0 { pods.max(0.0) } else { (pods * SAMPLE / (pods + SAMPLE - 1.0)).ceil() }
}

/// The windows of one revision (`collection`).
#[derive(Clone, Debug)]
pub struct RevisionMetrics {
    stable_concurrency: Window,
    panic_concurrency: Window,
    stable_rate: Window,
    panic_rate: Window,
    /// Whether pods are scraped. They are not when the activator is always in the path and reports everything.
    is_scraped: bool,
}

impl RevisionMetrics {
    /// Empty windows with the lengths that the settings say.
    pub fn new(settings: &RevisionSettings) -> RevisionMetrics {
        let window = |span| Window::new(span, BUCKET_SIZE, settings.aggregation);
        RevisionMetrics {
            stable_concurrency: window(settings.stable_window),
            panic_concurrency: window(settings.panic_window()),
            stable_rate: window(settings.stable_window),
            panic_rate: window(settings.panic_window()),
            is_scraped: settings.is_scraped(),
        }
    }

    /// Takes over lengths that were changed.
    pub fn update(&mut self, now: SimTime, settings: &RevisionSettings) {
        let resize = |window: &mut Window, span: SimDuration| window.resize(now, span);
        resize(&mut self.stable_concurrency, settings.stable_window);
        resize(&mut self.panic_concurrency, settings.panic_window());
        resize(&mut self.stable_rate, settings.stable_window);
        resize(&mut self.panic_rate, settings.panic_window());
        self.is_scraped = settings.is_scraped();
    }

    /// Records a report. What an activator passed on was counted there.
    pub fn record(&mut self, now: SimTime, stat: Stat) {
        let concurrency = stat.concurrency - stat.proxied_concurrency;
        self.stable_concurrency.record(now, concurrency);
        self.panic_concurrency.record(now, concurrency);
        let requests = stat.requests - stat.proxied_requests;
        self.stable_rate.record(now, requests);
        self.panic_rate.record(now, requests);
    }

    /// The averages over the stable and the panic window; none: pods are scraped, and nothing came for a stable window.
    pub fn stable_and_panic(&self, metric: ScalingMetric, now: SimTime) -> Option<(f64, f64)> {
        let (stable, panic) = match metric {
            ScalingMetric::Concurrency => (&self.stable_concurrency, &self.panic_concurrency),
            ScalingMetric::RequestsPerSecond => (&self.stable_rate, &self.panic_rate),
        };
        if self.is_scraped && stable.is_empty(now) {
            return None;
        }
        Some((stable.average(now), panic.average(now)))
    }
}
