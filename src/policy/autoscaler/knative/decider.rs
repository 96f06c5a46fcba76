//! How many pods a revision wants (`pkg/autoscaler/scaling/autoscaler.go`, `multiscaler.go`).

use super::config::RevisionSettings;
use super::delay::MaximumWindow;
use super::metrics::RevisionMetrics;
use super::{SCALE_UNKNOWN, TICK_INTERVAL};
use crate::units::SimTime;

/// What the autoscaler says (`ScaleResult`). Without a measurement it says nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ScaleResult {
    /// Pods wanted.
    pub desired_pods: i32,
    /// Requests that the ready pods could still hold beyond the target burst capacity. Below zero the activator belongs into
    /// the path.
    pub excess_burst_capacity: i32,
}

/// The state between decisions (`autoscaler`).
#[derive(Clone, Debug)]
pub struct Autoscaler {
    panic_since: Option<SimTime>,
    panic_pods_max: i32,
    delay: Option<MaximumWindow>,
}

impl Autoscaler {
    /// The state when a revision is first seen, with so many ready pods. With more than one it begins in panic, which holds
    /// the pods until there is enough to decide on.
    pub fn new(settings: &RevisionSettings, ready_pods: u32, now: SimTime) -> Autoscaler {
        let has_delay = settings.scale_down_delay.0 > 0;
        Autoscaler {
            panic_since: (ready_pods > 1).then_some(now),
            panic_pods_max: i32::try_from(ready_pods).unwrap_or(i32::MAX),
            // A delay that is set later is not heeded, as upstream makes this window once.
            delay: has_delay.then(|| MaximumWindow::new(settings.scale_down_delay, TICK_INTERVAL)),
        }
    }

    /// Since when, and on account of which instant last, it panics.
    pub fn panic_since(&self) -> Option<SimTime> {
        self.panic_since
    }

    /// A decision on what the stable and the panic window say.
    pub fn scale(
        &mut self,
        settings: &RevisionSettings,
        (stable_value, panic_value): (f64, f64),
        ready_pods: u32,
        now: SimTime,
    ) -> ScaleResult {
        let ready = f64::from(ready_pods).max(1.0);
        let up_max = (settings.max_scale_up_rate * ready).ceil();
        let down_min = if settings.is_reachable() { (ready / settings.max_scale_down_rate).floor() } else { 0.0 };
        let stable_wanted = (stable_value / settings.target_value).ceil();
        let panic_wanted = (panic_value / settings.target_value).ceil();
        let limited = |wanted: f64| {
            let pods = wanted.max(down_min).min(up_max) as i32;
            let is_activating = settings.activation_scale > 1 && wanted > 0.0;
            if is_activating { pods.max(settings.activation_scale) } else { pods }
        };
        let (stable_pods, panic_pods) = (limited(stable_wanted), limited(panic_wanted));
        self.update_panic(settings, panic_wanted / ready >= settings.panic_threshold, now);
        let mut desired = stable_pods;
        if self.panic_since.is_some() {
            // Pods do not get fewer in panic.
            self.panic_pods_max = self.panic_pods_max.max(desired.max(panic_pods));
            desired = self.panic_pods_max;
        }
        if let Some(delay) = self.delay.as_mut().filter(|_| settings.is_reachable()) {
            delay.record(now, desired);
            desired = delay.maximum();
        }
        let excess_burst_capacity = excess_burst_capacity(settings, panic_value, ready_pods);
        ScaleResult { desired_pods: desired, excess_burst_capacity }
    }

    /// Panic begins over the threshold, goes on while over it, and ends a stable window after.
    fn update_panic(&mut self, settings: &RevisionSettings, is_over: bool, now: SimTime) {
        if is_over {
            self.panic_since = Some(now);
        } else if self.panic_since.is_some_and(|since| since.after(settings.stable_window) < now) {
            self.panic_since = None;
            self.panic_pods_max = 0;
        }
    }
}

fn excess_burst_capacity(settings: &RevisionSettings, panic_value: f64, ready_pods: u32) -> i32 {
    let burst = settings.target_burst_capacity;
    if burst == 0.0 {
        0
    } else if burst > 0.0 {
        (f64::from(ready_pods) * settings.total_value - burst - panic_value).floor() as i32
    } else {
        -1
    }
}

/// One revision in the autoscaler: what was measured, and what was last said of it (`scalerRunner` with its `Decider`).
#[derive(Clone, Debug)]
pub struct RevisionScaler {
    settings: RevisionSettings,
    metrics: RevisionMetrics,
    autoscaler: Autoscaler,
    /// What was last said; [`SCALE_UNKNOWN`] pods before the first decision.
    latest: ScaleResult,
}

impl RevisionScaler {
    /// A revision that is first seen.
    pub fn new(settings: RevisionSettings, ready_pods: u32, now: SimTime) -> RevisionScaler {
        let burst = settings.target_burst_capacity;
        let excess_burst_capacity = match burst {
            -1.0 | 0.0 => burst as i32,
            _ => (f64::from(settings.initial_scale) * settings.total_value - burst) as i32,
        };
        RevisionScaler {
            settings,
            metrics: RevisionMetrics::new(&settings),
            autoscaler: Autoscaler::new(&settings, ready_pods, now),
            latest: ScaleResult { desired_pods: SCALE_UNKNOWN, excess_burst_capacity },
        }
    }

    /// Its settings.
    pub fn settings(&self) -> &RevisionSettings {
        &self.settings
    }

    /// What was last said.
    pub fn latest(&self) -> ScaleResult {
        self.latest
    }

    /// Where reports go.
    pub fn metrics(&mut self) -> &mut RevisionMetrics {
        &mut self.metrics
    }

    /// Settings have changed.
    pub fn update(&mut self, settings: RevisionSettings, now: SimTime) {
        self.metrics.update(now, &settings);
        self.settings = settings;
    }

    /// Whether a report of an activator calls for a decision at once: a request has come to a revision at zero (`Poke`).
    pub fn wants_poke(&self, concurrency: f64) -> bool {
        self.latest.desired_pods == 0 && concurrency != 0.0
    }

    /// A decision, every [`TICK_INTERVAL`] or at a poke. Tells whether the reconciler has to run: another number of pods is
    /// wanted, or the excess burst capacity has changed its sign.
    pub fn tick(&mut self, ready_pods: u32, now: SimTime) -> bool {
        let Some(values) = self.metrics.stable_and_panic(self.settings.metric, now) else { return false };
        let result = self.autoscaler.scale(&self.settings, values, ready_pods, now);
        let is_negative = |result: &ScaleResult| result.excess_burst_capacity < 0;
        let changes =
            self.latest.desired_pods != result.desired_pods || is_negative(&self.latest) != is_negative(&result);
        self.latest = result;
        changes
    }

    /// Since when it panics, if it does.
    pub fn panic_since(&self) -> Option<SimTime> {
        self.autoscaler.panic_since()
    }
}
