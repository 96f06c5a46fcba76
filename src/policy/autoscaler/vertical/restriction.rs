//! How many pods of a group may be disturbed at a time, and how an in-place resize that stalls ends.
//!
//! Follows `pkg/updater/restriction` of the Vertical Pod Autoscaler 1.8.1.

use std::collections::BTreeMap;

use super::spec::UpdateMode;
use crate::ids::PodId;
use crate::units::{SimDuration, SimTime};

/// A resize that the kubelet puts off for longer ends in eviction (`DeferredResizeUpdateTimeout`).
const DEFERRED_TIMEOUT: SimDuration = SimDuration(5 * 60_000_000_000);
/// A resize that is under way for longer ends in eviction (`InProgressResizeUpdateTimeout`).
const IN_PROGRESS_TIMEOUT: SimDuration = SimDuration(3_600_000_000_000);

/// How far a resize of a pod where it runs has come, from its conditions `PodResizePending` and `PodResizeInProgress`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Resize {
    /// None is under way.
    #[default]
    None,
    /// The kubelet puts it off until there is room.
    Deferred,
    /// The node can never hold it.
    Infeasible,
    /// The kubelet is at it.
    InProgress,
    /// The kubelet has failed.
    Error,
}

/// What restricts changes of a pod, as the updater sees it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RestrictedPod {
    /// The pod.
    pub id: PodId,
    /// Whether it waits for a node or for its containers to start.
    pub is_pending: bool,
    /// Its resize.
    pub resize: Resize,
    /// Whether a container has to be started again for a resize (`resizePolicy`).
    pub restarts_for_resize: bool,
}

/// Settings of the updater that concern groups; flags in brackets.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct RestrictionConfig {
    /// A group with fewer living pods is left alone (`min-replicas`, or `updatePolicy.minReplicas`).
    pub min_replicas: usize,
    /// Fraction of a group that may be gone at a time (`eviction-tolerance`).
    pub eviction_tolerance: f64,
    /// Whether a resize without restarts needs no tolerance (`in-place-skip-disruption-budget`).
    pub in_place_skips_budget: bool,
    /// Whether the mode `InPlace` does anything (feature gate `InPlace`, alpha).
    pub has_in_place_mode: bool,
}

impl Default for RestrictionConfig {
    fn default() -> RestrictionConfig {
        RestrictionConfig {
            min_replicas: 2,
            eviction_tolerance: 0.5,
            in_place_skips_budget: false,
            has_in_place_mode: false,
        }
    }
}

/// The pods of one controller, counted at the start of a loop, and what was done to them in it (`singleGroupStats`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Group {
    configured: usize,
    running: usize,
    tolerance: usize,
    evicted: usize,
    resized: usize,
    is_below_min_replicas: bool,
}

impl Group {
    /// Counts a group (`GetCreatorMaps`). `replicas` is what its controller is asked for; of a Job, which is not asked for a
    /// number of pods at a time, none. No group: it has too few pods, or its controller is asked for none; such pods are left alone.
    pub fn count(
        pods: &[RestrictedPod],
        replicas: Option<usize>,
        mode: UpdateMode,
        config: &RestrictionConfig,
    ) -> Option<Group> {
        let is_in_place = matches!(mode, UpdateMode::InPlaceOrRecreate | UpdateMode::InPlace);
        let is_below_min_replicas = pods.len() < config.min_replicas;
        if is_below_min_replicas && !(is_in_place && config.in_place_skips_budget) {
            return None;
        }
        let configured = replicas.unwrap_or(pods.len());
        let pending = pods.iter().filter(|pod| pod.is_pending).count();
        (configured > 0).then_some(Group {
            configured,
            running: pods.len() - pending,
            tolerance: (configured as f64 * config.eviction_tolerance) as usize,
            evicted: 0,
            resized: 0,
            is_below_min_replicas,
        })
    }

    /// Whether one pod more may be disturbed (`isPodDisruptable`).
    fn is_disruptable(&self) -> bool {
        let alive = self.running as i64 - (self.evicted + self.resized) as i64;
        let is_untouched = self.configured == self.running && self.evicted == 0 && self.resized == 0;
        alive > self.configured as i64 - self.tolerance as i64 || (is_untouched && self.tolerance == 0)
    }

    /// Whether a pod of it may be evicted now (`CanEvict`).
    pub fn can_evict(&self, pod: &RestrictedPod, attempts: &mut ResizeAttempts, now: SimTime) -> bool {
        if pod.is_pending {
            return true;
        }
        if self.is_below_min_replicas {
            return false;
        }
        match pod.resize {
            Resize::None => self.is_disruptable(),
            _ => self.can_evict_while_resizing(pod, attempts, now),
        }
    }

    /// `CanEvictInPlacingPod`: the resize has failed or takes too long.
    fn can_evict_while_resizing(&self, pod: &RestrictedPod, attempts: &mut ResizeAttempts, now: SimTime) -> bool {
        attempts.saw(pod.id, now);
        let since = attempts.0[&pod.id];
        let takes_longer_than = |timeout: SimDuration| now.0.saturating_sub(since.0) > timeout.0;
        self.is_disruptable()
            && match pod.resize {
                Resize::None => false,
                Resize::Deferred => takes_longer_than(DEFERRED_TIMEOUT),
                Resize::InProgress => takes_longer_than(IN_PROGRESS_TIMEOUT),
                Resize::Infeasible | Resize::Error => true,
            }
    }

    /// What to do with a pod that is to be resized where it runs (`CanInPlaceUpdate`).
    pub fn decide_in_place(
        &self,
        pod: &RestrictedPod,
        mode: UpdateMode,
        config: &RestrictionConfig,
        attempts: &mut ResizeAttempts,
        now: SimTime,
    ) -> InPlaceDecision {
        if pod.is_pending || (mode == UpdateMode::InPlace && !config.has_in_place_mode) {
            return InPlaceDecision::Deferred;
        }
        if pod.resize != Resize::None {
            return match (mode, pod.resize) {
                (UpdateMode::InPlace, Resize::Infeasible) => InPlaceDecision::Infeasible,
                (UpdateMode::InPlace, _) => InPlaceDecision::Deferred,
                _ if self.can_evict_while_resizing(pod, attempts, now) => InPlaceDecision::Evict,
                _ => InPlaceDecision::Deferred,
            };
        }
        let needs_no_budget = config.in_place_skips_budget && !pod.restarts_for_resize;
        if needs_no_budget || self.is_disruptable() { InPlaceDecision::Approved } else { InPlaceDecision::Deferred }
    }

    /// A pod of it was evicted.
    pub fn evicted(&mut self, pod: &RestrictedPod) {
        self.evicted += usize::from(!pod.is_pending);
    }

    /// A resize of a pod of it was begun.
    pub fn resized(&mut self) {
        self.resized += 1;
    }
}

/// What to do with a pod that is to be resized where it runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum InPlaceDecision {
    /// Resize it.
    Approved,
    /// Not now.
    Deferred,
    /// Evict it.
    Evict,
    /// The node can never hold it; a lower recommendation may be tried.
    Infeasible,
}

/// Since when the updater has seen pods being resized. Upstream never forgets one, so that a later resize of the same pod
/// counts from the first.
#[derive(Clone, Debug, Default)]
pub struct ResizeAttempts(BTreeMap<PodId, SimTime>);

impl ResizeAttempts {
    /// A pod has been seen being resized since then.
    pub fn saw(&mut self, pod: PodId, since: SimTime) {
        self.0.entry(pod).or_insert(since);
    }

    /// Forgets pods that are gone, whose ids are never used again.
    pub fn retain(&mut self, is_there: impl Fn(PodId) -> bool) {
        self.0.retain(|pod, _| is_there(*pod));
    }
}

#[cfg(test)]
mod tests;
