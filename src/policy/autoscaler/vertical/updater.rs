//! What the updater does in one loop: whom it evicts and whom it resizes, in which order and when.
//!
//! Follows `pkg/updater/logic/updater.go` (`RunOnce`) and `pkg/updater/config` of the Vertical Pod Autoscaler 1.8.1.
//!
//! Known deviation: VPAs are worked off in the order that they are given in; upstream's order is that of a Go map.
//!
//! Not here: the boost of CPU at the start (alpha, off by default), and the check of whether the admission is alive.
//!
//! Cost: O(p log p) for p pods, each with its containers.

use std::collections::BTreeMap;

use super::capping::cap_for_pod;
use super::priority::{EvictionRequirement, Priority, RunningContainer, UpdateThresholds, admits, priority};
use super::restriction::{Group, InPlaceDecision, ResizeAttempts, RestrictedPod, RestrictionConfig};
use super::spec::{
    ContainerRecommendation, ContainerResources, LimitRanges, Resource, ResourcePolicy, UpdateMode, recommendation_for,
};
use crate::ids::PodId;
use crate::units::{SimDuration, SimTime};

/// Flags of the updater; their names in brackets.
#[derive(Clone, Debug, PartialEq)]
pub struct UpdaterConfig {
    /// How often it looks (`updater-interval`).
    pub interval: SimDuration,
    /// Evictions a second (`eviction-rate-limit`); none: as many as there are. Resizes have a limit of the same size.
    pub eviction_rate_per_s: Option<f64>,
    /// Evictions at once, before the rate counts (`eviction-rate-burst`).
    pub eviction_burst: u32,
    /// Which pods are worth a change.
    pub thresholds: UpdateThresholds,
    /// How many pods may be disturbed.
    pub restriction: RestrictionConfig,
}

impl Default for UpdaterConfig {
    fn default() -> UpdaterConfig {
        UpdaterConfig {
            interval: SimDuration(60_000_000_000),
            eviction_rate_per_s: None,
            eviction_burst: 1,
            thresholds: UpdateThresholds::default(),
            restriction: RestrictionConfig::default(),
        }
    }
}

/// A VPA as the updater sees it.
#[derive(Clone, Copy, Debug)]
pub struct ObservedVpa<'v> {
    /// `updatePolicy.updateMode`.
    pub mode: UpdateMode,
    /// `updatePolicy.minReplicas`; none: the flag.
    pub min_replicas: Option<usize>,
    /// `updatePolicy.evictionRequirements`; none: there is no update policy.
    pub eviction_requirements: Option<&'v [EvictionRequirement]>,
    /// `resourcePolicy`.
    pub policy: &'v ResourcePolicy,
    /// `status.recommendation`; empty: none yet.
    pub recommendations: &'v [ContainerRecommendation],
    /// LimitRanges of its namespace.
    pub ranges: &'v LimitRanges,
}

/// A living pod that a VPA controls, as the updater sees it.
#[derive(Clone, Debug)]
pub struct ObservedPod {
    /// What restricts its change.
    pub restricted: RestrictedPod,
    /// Its controller, as the caller numbers them; none: it has none, and is left alone.
    pub controller: Option<u32>,
    /// What its controller is asked for; none: a Job.
    pub replicas: Option<usize>,
    /// `status.startTime`.
    pub started: Option<SimTime>,
    /// Its containers.
    pub containers: Vec<RunningContainer>,
}

/// What is done to a pod.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    /// It is evicted, and its replacement gets what is recommended.
    Evict,
    /// It is resized where it runs.
    Resize,
}

/// One step of a loop.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Step {
    /// The pod.
    pub pod: PodId,
    /// What is done to it.
    pub change: Change,
    /// How long after the start of the loop, which waits for its rate limits.
    pub after: SimDuration,
}

/// How the API server answers a step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answer {
    /// It is done, or begun.
    Accepted,
    /// It is refused: a budget forbids the eviction, or the resize is invalid.
    Refused,
    /// The resize is refused since the node can never hold it.
    Infeasible,
}

/// The updater's memory between loops.
#[derive(Clone, Debug)]
pub struct Updater {
    config: UpdaterConfig,
    attempts: ResizeAttempts,
    /// The recommendation that was not to be had, of pods in mode `InPlace`.
    infeasible: BTreeMap<PodId, Vec<ContainerRecommendation>>,
    evictions: TokenBucket,
    resizes: TokenBucket,
}

impl Updater {
    /// Before its first loop.
    pub fn new(config: UpdaterConfig) -> Updater {
        let bucket = TokenBucket::new(config.eviction_rate_per_s, config.eviction_burst);
        Updater {
            config,
            attempts: ResizeAttempts::default(),
            infeasible: BTreeMap::new(),
            evictions: bucket,
            resizes: bucket,
        }
    }

    /// Its settings.
    pub fn config(&self) -> &UpdaterConfig {
        &self.config
    }

    /// One loop over all VPAs and the pods of each (`RunOnce`). Every step is put to `act`, which answers as the API server does;
    /// what is seen of the pods does not change meanwhile.
    pub fn run_once<'v>(
        &mut self,
        now: SimTime,
        vpas: impl IntoIterator<Item = (ObservedVpa<'v>, &'v [ObservedPod])>,
        mut act: impl FnMut(Step) -> Answer,
    ) {
        let mut after = SimDuration::ZERO;
        for (vpa, pods) in vpas {
            if matches!(vpa.mode, UpdateMode::Off | UpdateMode::Initial) {
                continue;
            }
            let mut round = Round { updater: self, vpa, pods, groups: BTreeMap::new(), now, after };
            round.count_groups();
            if round.run(&mut act).is_err() {
                return;
            }
            after = round.after;
        }
    }

    /// A resize of a pod has been seen under way since then; for an updater that takes over from one that saw it.
    pub fn saw_resize(&mut self, pod: PodId, since: SimTime) {
        self.attempts.saw(pod, since);
    }

    /// Forgets pods that are gone.
    pub fn forget(&mut self, is_there: impl Fn(PodId) -> bool) {
        self.infeasible.retain(|pod, _| is_there(*pod));
        self.attempts.retain(is_there);
    }
}

/// A rate limit lets nobody through, ever, which ends the loop.
struct Stuck;

/// The part of a loop that belongs to one VPA.
struct Round<'u, 'v> {
    updater: &'u mut Updater,
    vpa: ObservedVpa<'v>,
    pods: &'v [ObservedPod],
    groups: BTreeMap<u32, Group>,
    now: SimTime,
    after: SimDuration,
}

impl<'v> Round<'_, 'v> {
    fn count_groups(&mut self) {
        let mut restriction = self.updater.config.restriction;
        restriction.min_replicas = self.vpa.min_replicas.unwrap_or(restriction.min_replicas);
        let mut members: BTreeMap<u32, (Option<usize>, Vec<RestrictedPod>)> = BTreeMap::new();
        for pod in self.pods {
            if let Some(controller) = pod.controller {
                members.entry(controller).or_insert((pod.replicas, vec![])).1.push(pod.restricted);
            }
        }
        for (controller, (replicas, pods)) in members {
            let group = Group::count(&pods, replicas, self.vpa.mode, &restriction);
            self.groups.extend(group.map(|group| (controller, group)));
        }
    }

    fn run(&mut self, act: &mut impl FnMut(Step) -> Answer) -> Result<(), Stuck> {
        let mut evictable = vec![];
        if matches!(self.vpa.mode, UpdateMode::InPlaceOrRecreate | UpdateMode::InPlace) {
            for pod in self.in_order(Round::is_resizable) {
                evictable.extend(self.resize(pod, act)?);
            }
        } else {
            evictable = self.in_order(|round, pod| round.can_evict(pod));
        }
        evictable.into_iter().try_for_each(|pod| self.evict(pod, act))
    }

    /// The pods that are worth a change, the most urgent first (`getPodsUpdateOrder`).
    fn in_order(&mut self, mut is_possible: impl FnMut(&mut Self, &ObservedPod) -> bool) -> Vec<&'v ObservedPod> {
        let mut accepted: Vec<(Priority, &ObservedPod)> = vec![];
        for pod in self.pods {
            if is_possible(self, pod)
                && let Some(priority) = self.priority_of(pod)
            {
                accepted.push((priority, pod));
            }
        }
        accepted.sort_by(|(ours, _), (theirs, _)| ours.is_less(theirs).cmp(&theirs.is_less(ours)));
        accepted.into_iter().map(|(_, pod)| pod).collect()
    }

    /// None: the pod is not worth a change, or must not be changed.
    fn priority_of(&self, pod: &ObservedPod) -> Option<Priority> {
        let resources: Vec<ContainerResources> = pod.containers.iter().map(|one| one.resources.clone()).collect();
        let capped = cap_for_pod(self.vpa.recommendations, &resources, self.vpa.policy, self.vpa.ranges);
        if self.vpa.mode == UpdateMode::InPlace && self.has_failed(pod, &capped) {
            return None;
        }
        let priority = priority(&pod.containers, &capped);
        let thresholds = &self.updater.config.thresholds;
        let is_accepted = thresholds.accepts(&priority, &pod.containers, self.vpa.policy, pod.started, self.now);
        (is_accepted && admits(&pod.containers, &capped, self.vpa.eviction_requirements)).then_some(priority)
    }

    /// Whether the node could not hold a recommendation than which this one is nowhere lower.
    fn has_failed(&self, pod: &ObservedPod, recommendations: &[ContainerRecommendation]) -> bool {
        let failed = self.updater.infeasible.get(&pod.restricted.id);
        failed.is_some_and(|failed| !has_lower_target(failed, recommendations))
    }

    fn group(&self, pod: &ObservedPod) -> Option<&Group> {
        self.groups.get(&pod.controller?)
    }

    fn can_evict(&mut self, pod: &ObservedPod) -> bool {
        let Some(group) = self.group(pod).copied() else { return false };
        group.can_evict(&pod.restricted, &mut self.updater.attempts, self.now)
    }

    fn decide_in_place(&mut self, pod: &ObservedPod) -> Option<InPlaceDecision> {
        let Some(group) = self.group(pod).copied() else { return Some(InPlaceDecision::Deferred) };
        if pod.restricted.is_pending || self.vpa.recommendations.is_empty() {
            return Some(InPlaceDecision::Deferred);
        }
        if self.vpa.mode == UpdateMode::InPlace && self.has_failed(pod, self.vpa.recommendations) {
            return None;
        }
        let restriction = self.updater.config.restriction;
        let attempts = &mut self.updater.attempts;
        Some(group.decide_in_place(&pod.restricted, self.vpa.mode, &restriction, attempts, self.now))
    }

    /// `filterNonInPlaceUpdatablePods`.
    fn is_resizable(&mut self, pod: &ObservedPod) -> bool {
        let is_in_place = self.vpa.mode == UpdateMode::InPlace;
        if is_in_place && !self.updater.config.restriction.has_in_place_mode {
            return false;
        }
        match self.decide_in_place(pod) {
            Some(InPlaceDecision::Approved) => true,
            Some(InPlaceDecision::Evict) => !is_in_place,
            Some(InPlaceDecision::Deferred | InPlaceDecision::Infeasible) => is_in_place,
            None => false,
        }
    }

    /// Resizes a pod, if that is still possible; the pod, if it is to be evicted instead.
    fn resize(
        &mut self,
        pod: &'v ObservedPod,
        act: &mut impl FnMut(Step) -> Answer,
    ) -> Result<Option<&'v ObservedPod>, Stuck> {
        let is_in_place = self.vpa.mode == UpdateMode::InPlace;
        match self.decide_in_place(pod) {
            Some(InPlaceDecision::Approved) => {}
            Some(InPlaceDecision::Deferred) if is_in_place => {}
            Some(InPlaceDecision::Infeasible) => self.record_infeasible(pod),
            Some(InPlaceDecision::Evict) => return Ok(Some(pod)),
            Some(InPlaceDecision::Deferred) | None => return Ok(None),
        }
        self.after = self.updater.resizes.wait(self.now, self.after)?;
        // A pod without a group is refused before the API server is asked.
        let Some(group) = pod.controller.and_then(|controller| self.groups.get_mut(&controller)) else {
            return Ok(None);
        };
        let step = Step { pod: pod.restricted.id, change: Change::Resize, after: self.after };
        match act(step) {
            Answer::Accepted => group.resized(),
            Answer::Infeasible if is_in_place => self.record_infeasible(pod),
            Answer::Refused if is_in_place => {}
            Answer::Infeasible | Answer::Refused => return Ok(Some(pod)),
        }
        Ok(None)
    }

    fn record_infeasible(&mut self, pod: &ObservedPod) {
        self.updater.infeasible.insert(pod.restricted.id, self.vpa.recommendations.to_vec());
    }

    /// Evicts a pod, if that is still possible.
    fn evict(&mut self, pod: &ObservedPod, act: &mut impl FnMut(Step) -> Answer) -> Result<(), Stuck> {
        if !self.can_evict(pod) {
            return Ok(());
        }
        self.after = self.updater.evictions.wait(self.now, self.after)?;
        let step = Step { pod: pod.restricted.id, change: Change::Evict, after: self.after };
        if act(step) == Answer::Accepted
            && let Some(group) = pod.controller.and_then(|controller| self.groups.get_mut(&controller))
        {
            group.evicted(&pod.restricted);
        }
        Ok(())
    }
}

/// Whether a target of a container is lower than it was (`RecommendationHasLowerResource`).
fn has_lower_target(before: &[ContainerRecommendation], after: &[ContainerRecommendation]) -> bool {
    after.iter().any(|after| {
        let before = recommendation_for(before, &after.container);
        before.is_some_and(|before| {
            Resource::ALL.into_iter().any(|resource| {
                let (old, new) = (before.target.get(resource), after.target.get(resource));
                old.zip(new).is_some_and(|(old, new)| new < old)
            })
        })
    })
}

/// A rate limit with a burst (`golang.org/x/time/rate`).
#[derive(Clone, Copy, Debug)]
struct TokenBucket {
    /// None: there is no limit.
    rate_per_s: Option<f64>,
    burst: f64,
    tokens: f64,
    filled: SimTime,
}

impl TokenBucket {
    fn new(rate_per_s: Option<f64>, burst: u32) -> TokenBucket {
        let burst = f64::from(burst);
        TokenBucket { rate_per_s, burst, tokens: burst, filled: SimTime::ZERO }
    }

    /// How long after `start` one gets through who asks for it at `after`.
    fn wait(&mut self, start: SimTime, after: SimDuration) -> Result<SimDuration, Stuck> {
        let Some(rate) = self.rate_per_s else { return Ok(after) };
        if self.burst < 1.0 {
            return Err(Stuck);
        }
        let now = start.after(after);
        let gained = SimDuration(now.0.saturating_sub(self.filled.0)).as_seconds() * rate;
        self.tokens = (self.tokens + gained).min(self.burst) - 1.0;
        self.filled = now;
        let wait_s = (-self.tokens / rate).max(0.0);
        Ok(after + SimDuration::from_seconds(wait_s))
    }
}

#[cfg(test)]
mod tests;
