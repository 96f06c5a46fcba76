//! What the rules of cloud providers have in common: two alarms on one metric, and pauses after what they did.
//!
//! An alarm is raised by so many data points in a row, and acts again at every further one. While a scale-out settles only a larger
//! one counts, worked out from the number before it; after either there may be no scale-in for some time.

use super::{Decision, Observation, Setting};
use crate::units::{SimDuration, SimTime};

/// Which alarm is raised. Where both are, the upper one counts: too little harms more than too much.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Alarm {
    High,
    Low,
    None,
}

/// Data points in a row that raise the alarms, and what they lead to.
#[derive(Clone, Debug)]
pub(super) struct Alarms {
    /// How many are needed beyond the upper and the lower threshold.
    needed: [u32; 2],
    seen: [u32; 2],
    /// Replicas before the scale-out that settles, and until when.
    scale_out: Option<(i32, SimTime)>,
    no_scale_in_until: SimTime,
}

impl Alarms {
    pub(super) fn new(high_points: u32, low_points: u32) -> Alarms {
        Alarms { needed: [high_points, low_points], seen: [0, 0], scale_out: None, no_scale_in_until: SimTime::ZERO }
    }

    /// There was no data point: both begin anew.
    pub(super) fn miss(&mut self) -> Decision {
        self.seen = [0, 0];
        Decision::unknown("InsufficientData", "there is no data point of the metric")
    }

    /// There was one, beyond the upper threshold, the lower one, or none of them.
    pub(super) fn note(&mut self, is_high: bool, is_low: bool) -> Alarm {
        for (seen, is_beyond) in self.seen.iter_mut().zip([is_high, is_low]) {
            *seen = if is_beyond { *seen + 1 } else { 0 };
        }
        match [0, 1].map(|side| self.seen[side] >= self.needed[side]) {
            [true, _] => Alarm::High,
            [_, true] => Alarm::Low,
            _ => Alarm::None,
        }
    }

    /// The number that a scale-out starts from: that before the one that settles.
    pub(super) fn base(&self, now: SimTime, wanted: i32) -> i32 {
        self.scale_out.filter(|(_, until)| now < *until).map_or(wanted, |(base, _)| base)
    }

    /// There was a scale-out from `base`.
    pub(super) fn scaled_out(&mut self, base: i32, now: SimTime, settles: SimDuration, warmup: SimDuration) {
        self.scale_out = Some((base, now.after(settles)));
        self.no_scale_in_until = now.after(warmup);
    }

    /// Whether there may be a scale-in.
    pub(super) fn may_scale_in(&self, now: SimTime) -> bool {
        now >= self.no_scale_in_until
    }

    /// There was one.
    pub(super) fn scaled_in(&mut self, now: SimTime, cooldown: SimDuration) {
        self.no_scale_in_until = now.after(cooldown);
    }
}

/// Back to the bounds at once, where somebody else has left them.
pub(super) fn into_bounds(bounds: &Setting<'_>, seen: &Observation<'_>) -> Option<Decision> {
    let bounded = bounds.clamp(seen.replicas.wanted);
    (bounded != seen.replicas.wanted).then(|| Decision::replicas(bounded, "the number of replicas was out of bounds"))
}
