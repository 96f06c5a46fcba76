//! From what the decider wants to what is done (`pkg/reconciler/autoscaling/kpa`): bounds, scale to zero, and whether the
//! activator is in the path.
//!
//! A revision is run by [`Reconciler::reconcile`] when the decider says something else, when pods become ready or go, when
//! the activator has moved into or out of the path, and after [`Decision::again_after`].

use super::SCALE_UNKNOWN;
use super::activator;
use super::config::RevisionSettings;
use crate::units::{SimDuration, SimTime};

/// What a revision is given beyond its progress deadline to become active (`activationTimeoutBuffer`).
pub const ACTIVATION_TIMEOUT_BUFFER: SimDuration = SimDuration(30_000_000_000);
/// When an inactive revision behind the activator is looked at again.
const INACTIVE_AGAIN: SimDuration = SimDuration(3_000_000_000);

/// Where requests go (`ServerlessService.spec.mode`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Mode {
    /// To the activator, which passes them on or holds them.
    #[default]
    Proxy,
    /// To the pods.
    Serve,
}

/// The condition `Active` of a PodAutoscaler, with its reason.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Activity {
    /// Unknown (`Queued`): pods are on their way.
    #[default]
    Activating,
    /// True.
    Active,
    /// False (`NoTraffic`).
    NoTraffic,
    /// False (`TimedOut`): pods did not become ready in time.
    TimedOut,
}

impl Activity {
    /// Whether the condition is false.
    pub fn is_inactive(self) -> bool {
        matches!(self, Activity::NoTraffic | Activity::TimedOut)
    }
}

/// What the reconciler sees.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Observed {
    /// Pods that the decider wants; [`SCALE_UNKNOWN`] before its first decision.
    pub desired_pods: i32,
    /// See [`super::decider::ScaleResult::excess_burst_capacity`].
    pub excess_burst_capacity: i32,
    /// Pods that are ready.
    pub ready_pods: u32,
    /// Replicas that the deployment is told to have.
    pub replicas: i32,
    /// Where requests are told to go now.
    pub mode: Mode,
    /// For how long the activator's endpoints have been those of the revision; zero: they are not.
    pub proxied_for: SimDuration,
    /// Whether a probe of the revision's service is answered by the activator.
    pub is_behind_activator: bool,
}

/// What it decides.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Decision {
    /// Pods wanted now; [`SCALE_UNKNOWN`]: as they are.
    pub want: i32,
    /// Replicas to write, where they differ.
    pub replicas: Option<i32>,
    /// Where requests should go.
    pub mode: Mode,
    /// How many activators should be in the path.
    pub activators: u32,
    /// When to look again, if nothing happens before.
    pub again_after: Option<SimDuration>,
    /// The activator is not in the path yet: look again when it answers.
    pub awaits_probe: bool,
}

/// What was decided about the number of pods (`scaler.scale`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Scaling {
    /// Pods wanted; [`SCALE_UNKNOWN`]: as they are.
    pub want: i32,
    /// Replicas to write, where they differ.
    pub replicas: Option<i32>,
    /// See [`Decision::again_after`].
    pub again_after: Option<SimDuration>,
    /// See [`Decision::awaits_probe`].
    pub awaits_probe: bool,
}

/// The status of a PodAutoscaler.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reconciler {
    /// The condition `Active`.
    pub activity: Activity,
    /// Since when it has been as it is.
    pub since: SimTime,
    /// Whether the initial scale has been reached (`ScaleTargetInitialized`).
    pub is_initialized: bool,
    /// The number of pods last wanted; none: never known.
    pub desired_scale: Option<i32>,
}

impl Reconciler {
    /// A PodAutoscaler that was just made.
    pub fn new(now: SimTime) -> Reconciler {
        Reconciler { activity: Activity::Activating, since: now, is_initialized: false, desired_scale: None }
    }

    /// One run (`ReconcileKind`), of a revision whose service is there.
    pub fn reconcile(&mut self, settings: &RevisionSettings, observed: &Observed, now: SimTime) -> Decision {
        let scaling = self.scale(settings, observed, now);
        let stays_away = scaling.want == SCALE_UNKNOWN && self.activity.is_inactive();
        let serves = !stays_away && scaling.want > 0 && observed.excess_burst_capacity >= 0;
        self.update(settings, scaling.want, observed.ready_pods, now);
        Decision {
            want: scaling.want,
            replicas: scaling.replicas,
            mode: if serves { Mode::Serve } else { Mode::Proxy },
            activators: activator::number_of_activators(settings, observed.ready_pods),
            again_after: scaling.again_after,
            awaits_probe: scaling.awaits_probe,
        }
    }

    /// The number of pods that is wanted within the bounds, and whether it is written now (`scaler.scale`).
    pub fn scale(&self, settings: &RevisionSettings, observed: &Observed, now: SimTime) -> Scaling {
        let desired = observed.desired_pods;
        if desired < 0 && self.activity != Activity::Activating {
            return Scaling { want: desired, ..Scaling::default() };
        }
        let mut min = settings.min_scale;
        if settings.initial_scale > 1 && !self.is_initialized && settings.is_reachable() {
            min = min.max(settings.initial_scale);
        }
        let bounded = settings.bounded(desired, min);
        let (scaling, writes) = if bounded == 0 {
            self.handle_zero(settings, observed, now)
        } else {
            (Scaling { want: bounded, ..Scaling::default() }, true)
        };
        let replicas = (writes && scaling.want != observed.replicas).then_some(scaling.want);
        Scaling { replicas, ..scaling }
    }

    /// What becomes of the wish for no pods, and whether it is written (`handleScaleToZero`).
    fn handle_zero(&self, settings: &RevisionSettings, observed: &Observed, now: SimTime) -> (Scaling, bool) {
        let again = |want, after| (Scaling { want, again_after: after, ..Scaling::default() }, false);
        let write = |want| (Scaling { want, ..Scaling::default() }, true);
        if !settings.enable_scale_to_zero {
            return write(1);
        }
        let lasted = now.since(self.since);
        match self.activity {
            Activity::Activating => {
                let timeout = settings.progress_deadline + ACTIVATION_TIMEOUT_BUFFER;
                if lasted > timeout { write(0) } else { again(SCALE_UNKNOWN, Some(timeout)) }
            }
            Activity::Active if lasted >= settings.stable_window => {
                again(0, (observed.mode == Mode::Proxy).then_some(INACTIVE_AGAIN))
            }
            Activity::Active => {
                let after = Some(settings.stable_window - lasted);
                (Scaling { want: 1, again_after: after, ..Scaling::default() }, true)
            }
            Activity::NoTraffic | Activity::TimedOut => {
                if settings.target_burst_capacity != -1.0 && !observed.is_behind_activator {
                    return (Scaling { awaits_probe: true, ..Scaling::default() }, false);
                }
                match wait_of_last_pod(settings, observed, lasted) {
                    Some(wait) => again(0, Some(wait)),
                    None => write(0),
                }
            }
        }
    }

    /// The status after a run that wanted so many pods and found so many ready (`computeStatus`, `computeActiveCondition`).
    pub fn update(&mut self, settings: &RevisionSettings, want: i32, ready_pods: u32, now: SimTime) {
        if want != SCALE_UNKNOWN || self.desired_scale.is_none_or(|scale| scale < 0) {
            self.desired_scale = Some(want);
        }
        // The number of pods from which on it is active.
        let least = settings.min_scale.max(if self.is_initialized { 1 } else { settings.initial_scale });
        let is_ready = i64::from(ready_pods) >= i64::from(least);
        self.is_initialized |= is_ready;
        let activity = if want == 0 || least == 0 {
            let has_failed = self.activity == Activity::Activating && least > 0;
            if has_failed { Activity::TimedOut } else { Activity::NoTraffic }
        } else if want > 0 || !self.activity.is_inactive() {
            if is_ready { Activity::Active } else { Activity::Activating }
        } else if is_ready {
            self.activity
        } else {
            Activity::NoTraffic
        };
        if activity != self.activity {
            (self.activity, self.since) = (activity, now);
        }
    }
}

/// How long the last pod of a revision still stays that has been inactive for so long and is behind the activator; none: it
/// may go.
fn wait_of_last_pod(settings: &RevisionSettings, observed: &Observed, inactive: SimDuration) -> Option<SimDuration> {
    let grace = settings.scale_to_zero_grace_period;
    // No route leads to it: nobody would miss the pod.
    let retention =
        if settings.is_reachable() { settings.scale_to_zero_pod_retention_period } else { SimDuration::ZERO };
    if inactive >= grace.max(retention) {
        return None;
    }
    if inactive < retention {
        return Some(retention - inactive);
    }
    (observed.proxied_for < grace).then(|| grace - observed.proxied_for)
}
