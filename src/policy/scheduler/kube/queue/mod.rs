//! The scheduling queue (`pkg/scheduler/backend/queue`): which pod is tried next, and when a pod is tried again.
//!
//! ```text
//!  add -> active -> pop -> in flight -> done
//!           ^  ^              | add_unschedulable
//!   flush   |  |              v
//!        back-off <- event - unschedulable
//! ```
//!
//! - **Active**: by priority, then by the instant at which the pod came or its last attempt failed, then by arrival.
//! - **Back-off**: a pod that an event may have helped, too soon after its last attempt. The wait doubles with every
//!   failed attempt, and is cut to whole seconds: the queue is emptied into the active one once a second. Pods whose wait
//!   ends in the same second are in the order of the active queue, and when that is empty a pop takes from here, except
//!   pods whose attempt ended in an error.
//! - **Unschedulable**: until an event helps one of the plug-ins that rejected the pod, or for 5 minutes, looked at every
//!   30 s. Pods that a plug-in keeps out of the queue (`PreEnqueue`) are here too.
//! - **In flight**: events that happen while a pod is being tried are held against it when it has failed.
//!
//! There is no clock in it: every call that needs one is told the time, and whole seconds are counted from the start of
//! the run. Where upstream's order is that of a map or of chance, this one's is by pod. The nodes to which pods are
//! nominated are the world's to keep: [`World::nominated`](crate::world::World::nominated).
//!
//! Cost: O(log pods) a call; an event costs a hint for each class and set of rejecting plug-ins that wait for its kind,
//! and O(log pods) for each pod that it moves.
//!
//! Source: `pkg/scheduler/backend/queue/{scheduling,active,backoff}_queue.go`, v1.37.0, with that release's default
//! feature gates: `SchedulerPopFromBackoffQ` and `SchedulerAsyncPreemption` on, `GenericWorkload` off.

mod events;
mod hints;
mod plugin_set;
mod pool;
#[cfg(test)]
mod tests;

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};

pub use events::{ClusterEvent, NodeChange, NodeObject, ObjectChange, PodChange};
pub use plugin_set::{Plugin, PluginSet};

use self::hints::Waiting;
use self::pool::{Cause, InFlight, Pool};
use crate::ids::{ClassId, PodId};
use crate::model::PodSpec;
use crate::model::kube_scheduler::{ExtensionPoint, KubeSchedulerConfiguration, PluginArguments};
use crate::policy::scheduler::kube::plugins::dynamic_resources;
use crate::units::{SimDuration, SimTime};
use crate::world::View;

const SECOND_NS: u64 = 1_000_000_000;
/// How often the back-off queue is emptied, and what its order is cut to.
pub const BACKOFF_WINDOW: SimDuration = SimDuration(SECOND_NS);
/// How often unschedulable pods are looked at.
pub const UNSCHEDULABLE_CHECK: SimDuration = SimDuration(30 * SECOND_NS);
/// How long a pod stays unschedulable at most, before it is looked at.
pub const UNSCHEDULABLE_PATIENCE: SimDuration = SimDuration(300 * SECOND_NS);

/// Which queue a pod is in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// To be tried.
    Active,
    /// To be tried a little later.
    Backoff,
    /// As [`Place::Backoff`], after an error: not to be popped from there.
    ErrorBackoff,
    /// Waits for an event, or is kept out of the queue.
    Unschedulable,
    /// Being tried, and the number of the first event that it sees.
    InFlight(u64),
}

/// A pod of the queue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct QueuedPod {
    /// The pod.
    pub pod: PodId,
    /// Its class.
    pub class: ClassId,
    /// Its priority.
    pub priority: i32,
    /// When it came, or its last attempt failed.
    pub timestamp: SimTime,
    /// How often it has been popped.
    pub attempts: u32,
    /// How often plug-ins have rejected it.
    pub unschedulable_count: u32,
    /// How many of the last attempts ended in an error, one after the other.
    pub consecutive_errors: u32,
    /// The second in which its back-off ends; none: it has none.
    pub backoff_expiration: Option<SimTime>,
    /// Plug-ins that rejected it.
    pub unschedulable_plugins: PluginSet,
    /// Plug-ins that made it wait.
    pub pending_plugins: PluginSet,
    /// The plug-in that keeps it out of the queue.
    pub gate: Option<Plugin>,
    /// Where it is.
    pub place: Place,
    /// When it was last moved because it had waited too long.
    flushed: SimTime,
    /// Whether its scheduling gates were opened without a change of its class.
    is_ungated: bool,
    /// Its profile's place in the configuration.
    profile: u16,
}

impl QueuedPod {
    fn order(&self) -> Order {
        (Reverse(self.priority), self.timestamp, self.pod)
    }

    fn patience_start(&self) -> SimTime {
        self.timestamp.max(self.flushed)
    }

    fn cause(&self) -> Cause {
        Cause { unschedulable: self.unschedulable_plugins, pending: self.pending_plugins, gate: self.gate }
    }

    fn is_backing_off(&self, now: SimTime) -> bool {
        self.backoff_expiration.is_some_and(|expiration| expiration >= window(now))
    }
}

/// Order of the active queue.
type Order = (Reverse<i32>, SimTime, PodId);

/// What an event means to a pod, the higher the better.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Strategy {
    Skip,
    AfterBackoff,
    Immediately,
}

/// What the queue knows of a profile.
#[derive(Clone, Debug)]
struct Profile {
    scheduler_name: String,
    arguments: PluginArguments,
    pre_enqueue: PluginSet,
}

/// The queue of all profiles.
#[derive(Clone, Debug)]
pub struct SchedulingQueue {
    profiles: Vec<Profile>,
    initial_backoff: SimDuration,
    max_backoff: SimDuration,
    pods: BTreeMap<PodId, QueuedPod>,
    active: BTreeSet<Order>,
    backoff: BTreeSet<(SimTime, Order)>,
    error_backoff: BTreeSet<(SimTime, PodId)>,
    unschedulable: Pool,
    in_flight: InFlight,
    /// Pods whose victims are being told to go.
    preempting: BTreeSet<PodId>,
}

/// The start of the second.
fn window(instant: SimTime) -> SimTime {
    SimTime(instant.0 / BACKOFF_WINDOW.0 * BACKOFF_WINDOW.0)
}

impl SchedulingQueue {
    /// An empty queue.
    pub fn new(configuration: &KubeSchedulerConfiguration) -> SchedulingQueue {
        let profile = |profile: &crate::model::kube_scheduler::Profile| Profile {
            scheduler_name: profile.scheduler_name.clone(),
            arguments: profile.arguments.clone(),
            pre_enqueue: PluginSet::of(
                profile.plugins.at(ExtensionPoint::PreEnqueue).iter().map(|(name, _)| name.as_str()),
            ),
        };
        SchedulingQueue {
            profiles: configuration.profiles.iter().map(profile).collect(),
            initial_backoff: configuration.pod_initial_backoff,
            max_backoff: configuration.pod_max_backoff,
            pods: BTreeMap::new(),
            active: BTreeSet::new(),
            backoff: BTreeSet::new(),
            error_backoff: BTreeSet::new(),
            unschedulable: Pool::default(),
            in_flight: InFlight::default(),
            preempting: BTreeSet::new(),
        }
    }

    /// Whether some profile is responsible for pods of a class; others never come into the queue.
    pub fn is_responsible(&self, view: &View<'_>, class: ClassId) -> bool {
        self.profile_of(&view.class(class).spec).is_some()
    }

    fn profile_of(&self, spec: &PodSpec) -> Option<u16> {
        let at = self.profiles.iter().position(|profile| profile.scheduler_name == spec.scheduler_name)?;
        Some(at as u16)
    }

    /// Takes in a pod that has just come, and says whether it did: a pod that no profile is responsible for stays out.
    ///
    /// # Panics
    /// When the pod is in the queue already.
    pub fn add(&mut self, pod: PodId, class: ClassId, view: &View<'_>, now: SimTime) -> bool {
        assert!(!self.pods.contains_key(&pod), "a pod comes into the queue twice");
        let template = view.class(class);
        let Some(profile) = self.profile_of(&template.spec) else { return false };
        let queued = QueuedPod {
            pod,
            class,
            priority: template.priority,
            timestamp: now,
            attempts: 0,
            unschedulable_count: 0,
            consecutive_errors: 0,
            backoff_expiration: None,
            unschedulable_plugins: PluginSet::EMPTY,
            pending_plugins: PluginSet::EMPTY,
            gate: None,
            place: Place::Active,
            flushed: SimTime::ZERO,
            is_ungated: false,
            profile,
        };
        self.move_to_active(queued, view);
        true
    }

    /// The next pod to be tried, as it is now: in flight.
    pub fn pop(&mut self) -> Option<QueuedPod> {
        let pod = match self.active.first() {
            Some((_, _, pod)) => *pod,
            None => self.backoff.first()?.1.2,
        };
        let mut queued = self.detach(pod)?;
        queued.attempts += 1;
        let since = self.in_flight.begin(pod);
        self.attach(queued, Place::InFlight(since));
        self.pods.get(&pod).copied()
    }

    /// Notes that the attempt of a pod is over for the queue: a node is reserved for it, or the pod is gone. A pod that
    /// is not in flight is left alone.
    pub fn done(&mut self, pod: PodId) {
        if self.place(pod).is_some_and(|place| matches!(place, Place::InFlight(_))) {
            self.detach(pod);
        }
    }

    /// Puts back a pod whose attempt has failed. Both sets empty: the attempt ended in an error, or there was no node at
    /// all.
    ///
    /// # Panics
    /// When the pod is not in flight.
    pub fn add_unschedulable(
        &mut self,
        pod: PodId,
        unschedulable: PluginSet,
        pending: PluginSet,
        view: &View<'_>,
        now: SimTime,
    ) {
        let mut queued = self.pods.get(&pod).copied().expect("a pod that failed was popped");
        let Place::InFlight(since) = queued.place else { panic!("a pod that failed is in flight") };
        queued.unschedulable_plugins = unschedulable;
        queued.pending_plugins = pending;
        queued.gate = None;
        if queued.cause().rejectors().is_empty() {
            queued.consecutive_errors += 1;
        } else {
            queued.unschedulable_count += 1;
            queued.consecutive_errors = 0;
        }
        queued.timestamp = now;
        queued.flushed = SimTime::ZERO;
        queued.backoff_expiration = self.backoff_expiration(&queued);
        let strategy = self.strategy_after_flight(&queued, since, view);
        self.detach(pod);
        self.requeue(queued, strategy, view, now);
    }

    /// What the events since a number mean to a pod (`determineSchedulingHintForInFlightPod`).
    fn strategy_after_flight(&self, queued: &QueuedPod, since: u64, view: &View<'_>) -> Strategy {
        let cause = queued.cause();
        if cause.rejectors().is_empty() {
            return Strategy::AfterBackoff;
        }
        let best = if cause.pending.is_empty() { Strategy::AfterBackoff } else { Strategy::Immediately };
        let mut strategy = Strategy::Skip;
        for event in self.in_flight.since(since) {
            let forced = *event == ClusterEvent::Timeout || *event == ClusterEvent::ForceActivate(queued.pod);
            let next = if forced { Strategy::AfterBackoff } else { self.strategy(&cause, queued.class, event, view) };
            strategy = strategy.max(next);
            if strategy == best {
                break;
            }
        }
        strategy
    }

    /// What an event means to the pods of a class (`isPodWorthRequeuing`).
    fn strategy(&self, cause: &Cause, class: ClassId, event: &ClusterEvent, view: &View<'_>) -> Strategy {
        let Some(profile) = self.profile_of(&view.class(class).spec) else { return Strategy::AfterBackoff };
        let waiting = Waiting { view: *view, class, arguments: &self.profiles[usize::from(profile)].arguments };
        let concerned = cause.rejectors().intersection(hints::registered(event));
        let mut strategy = Strategy::Skip;
        for plugin in concerned.iter().filter(|plugin| waiting.is_helped(*plugin, event)) {
            if cause.pending.contains(plugin) {
                return Strategy::Immediately;
            }
            strategy = Strategy::AfterBackoff;
            if cause.pending.is_empty() {
                break;
            }
        }
        strategy
    }

    /// Moves the unschedulable pods that an event may help, and notes it for the pods in flight.
    pub fn move_on_event(&mut self, event: &ClusterEvent, view: &View<'_>, now: SimTime) {
        let registered = hints::registered(event);
        let up_to = match event {
            ClusterEvent::PodRemoved { up_to, .. } => *up_to,
            _ => None,
        };
        let mut moves = Vec::new();
        for (cause, classes) in &self.unschedulable.by_cause {
            let is_gate_concerned = cause.gate.is_none_or(|gate| registered.contains(gate));
            if cause.rejectors().intersection(registered).is_empty() || !is_gate_concerned {
                continue;
            }
            for (&class, pods) in classes {
                if up_to.is_some_and(|highest| view.class(class).priority > highest) {
                    continue;
                }
                let strategy = self.strategy(cause, class, event, view);
                if strategy != Strategy::Skip {
                    moves.extend(pods.iter().map(|pod| (*pod, strategy)));
                }
            }
        }
        for (pod, strategy) in moves {
            if let Some(queued) = self.detach(pod) {
                self.requeue(queued, strategy, view, now);
            }
        }
        self.in_flight.record(*event);
    }

    /// Gives a pod that waits or is being tried another class: its labels, tolerations, requests or gates changed. A pod
    /// that is not in the queue is added.
    pub fn update(&mut self, pod: PodId, class: ClassId, view: &View<'_>, now: SimTime) {
        let Some(queued) = self.pods.get(&pod).copied() else {
            self.add(pod, class, view, now);
            return;
        };
        let changes = events::pod_changes(view.class(queued.class), view.class(class));
        let make = |change| ClusterEvent::TargetPodUpdated { change, old: queued.class, new: class };
        let mut changed = queued;
        changed.class = class;
        changed.priority = view.class(class).priority;
        self.replace(changed);
        self.retarget(pod, changes.into_iter().map(make), view, now);
    }

    /// Opens the scheduling gates of a pod for good.
    pub fn open_gates(&mut self, pod: PodId, view: &View<'_>, now: SimTime) {
        let Some(mut queued) = self.pods.get(&pod).copied() else { return };
        queued.is_ungated = true;
        self.replace(queued);
        let (old, new) = (queued.class, queued.class);
        let event = ClusterEvent::TargetPodUpdated { change: PodChange::GatesEliminated, old, new };
        self.retarget(pod, [event].into_iter(), view, now);
    }

    /// Holds events that a pod made itself against it, up to the first that moves it.
    fn retarget(&mut self, pod: PodId, events: impl Iterator<Item = ClusterEvent>, view: &View<'_>, now: SimTime) {
        for event in events {
            match self.place(pod) {
                Some(Place::InFlight(_)) => self.in_flight.record(event),
                Some(Place::Unschedulable) => {
                    let queued = self.pods[&pod];
                    let strategy = self.strategy(&queued.cause(), queued.class, &event, view);
                    if strategy != Strategy::Skip {
                        self.detach(pod);
                        self.requeue(queued, strategy, view, now);
                    }
                }
                _ => return,
            }
        }
    }

    /// Takes out a pod that is gone. A pod in flight stays until [`SchedulingQueue::done`].
    pub fn delete(&mut self, pod: PodId) {
        if self.place(pod).is_some_and(|place| !matches!(place, Place::InFlight(_))) {
            self.detach(pod);
        }
    }

    /// Notes that victims of a pod are being told to go: until that is over the pod is kept out of the queue.
    pub fn begin_preemption(&mut self, pod: PodId) {
        self.preempting.insert(pod);
    }

    /// Notes that all victims but the last have been told to go: the leaving of the last lets the pod in again. If one
    /// could not be told, the pod is tried again at once.
    pub fn end_preemption(&mut self, pod: PodId, has_failed: bool, view: &View<'_>) {
        self.preempting.remove(&pod);
        if has_failed {
            self.activate(pod, view);
        }
    }

    /// Makes a pod active whatever it waits for; one in flight will not stay unschedulable.
    pub fn activate(&mut self, pod: PodId, view: &View<'_>) {
        match self.place(pod) {
            Some(Place::InFlight(_)) => self.in_flight.record(ClusterEvent::ForceActivate(pod)),
            Some(Place::Unschedulable) => {
                let queued = self.detach(pod).expect("it has a place");
                self.move_to_active(queued, view);
            }
            Some(Place::Backoff | Place::ErrorBackoff) => {
                let queued = self.detach(pod).expect("it has a place");
                self.attach(queued, Place::Active);
            }
            Some(Place::Active) | None => {}
        }
    }

    /// Does what upstream's timers do at this instant: every second pods whose back-off is over become active, every 30 s
    /// pods that have been unschedulable for more than 5 minutes are moved. Between those instants it does nothing.
    pub fn flush(&mut self, view: &View<'_>, now: SimTime) {
        if now.0.is_multiple_of(BACKOFF_WINDOW.0) {
            self.flush_backoff(now);
        }
        if now.0.is_multiple_of(UNSCHEDULABLE_CHECK.0) {
            self.flush_unschedulable(view, now);
        }
    }

    /// The next instant at which [`SchedulingQueue::flush`] would do something; none: not before a call changes that.
    pub fn next_flush(&self, now: SimTime) -> Option<SimTime> {
        let first = self.backoff.first().map(|(expiration, _)| *expiration);
        let first_error = self.error_backoff.first().map(|(expiration, _)| *expiration);
        let backoff = first.into_iter().chain(first_error).min().map(|expiration| expiration.after(BACKOFF_WINDOW));
        let check = |start: SimTime| {
            let over = start.after(UNSCHEDULABLE_PATIENCE).0;
            SimTime((over / UNSCHEDULABLE_CHECK.0 + 1) * UNSCHEDULABLE_CHECK.0)
        };
        let next = backoff.into_iter().chain(self.unschedulable.oldest().map(check)).min()?;
        Some(next.max(window(now).after(BACKOFF_WINDOW)))
    }

    fn flush_backoff(&mut self, now: SimTime) {
        let is_over = |expiration: SimTime| expiration < window(now);
        let waiting = self.backoff.iter().take_while(|(expiration, _)| is_over(*expiration)).map(|(_, order)| order.2);
        let failed = self.error_backoff.iter().take_while(|(expiration, _)| is_over(*expiration)).map(|(_, pod)| *pod);
        for pod in waiting.chain(failed).collect::<Vec<_>>() {
            let queued = self.detach(pod).expect("it is in back-off");
            self.attach(queued, Place::Active);
        }
    }

    fn flush_unschedulable(&mut self, view: &View<'_>, now: SimTime) {
        let Some(instant) = now.0.checked_sub(UNSCHEDULABLE_PATIENCE.0) else { return };
        let pods = self.unschedulable.older_than(SimTime(instant));
        if pods.is_empty() {
            return;
        }
        for pod in pods {
            let mut queued = self.detach(pod).expect("it is unschedulable");
            queued.flushed = now;
            self.requeue(queued, Strategy::AfterBackoff, view, now);
        }
        self.in_flight.record(ClusterEvent::Timeout);
    }

    /// Where a pod is; none: not in the queue.
    pub fn place(&self, pod: PodId) -> Option<Place> {
        self.pods.get(&pod).map(|queued| queued.place)
    }

    /// All pods, in order of arrival.
    pub fn pods(&self) -> impl Iterator<Item = &QueuedPod> {
        self.pods.values()
    }

    /// How many pods are active, in back-off, unschedulable, and in flight.
    pub fn counts(&self) -> [usize; 4] {
        let backoff = self.backoff.len() + self.error_backoff.len();
        [self.active.len(), backoff, self.unschedulable.len(), self.in_flight.len()]
    }
}

impl SchedulingQueue {
    /// The second in which the back-off of a pod ends that failed just now.
    fn backoff_expiration(&self, queued: &QueuedPod) -> Option<SimTime> {
        let failures = match queued.consecutive_errors {
            0 => queued.unschedulable_count,
            errors => errors,
        };
        if self.max_backoff == SimDuration::ZERO || failures == 0 {
            return None;
        }
        let (initial, max) = (self.initial_backoff.0, self.max_backoff.0);
        let doublings = failures - 1;
        let is_longest = initial > max.checked_shr(doublings).unwrap_or(0);
        let wait = if is_longest { max } else { initial << doublings };
        Some(window(queued.timestamp.after(SimDuration(wait))))
    }

    /// Puts a pod that is nowhere where it belongs (`requeueEntityWithQueueingStrategy`).
    fn requeue(&mut self, queued: QueuedPod, strategy: Strategy, view: &View<'_>, now: SimTime) {
        if strategy == Strategy::Skip {
            self.attach(queued, Place::Unschedulable);
        } else if strategy == Strategy::AfterBackoff && queued.is_backing_off(now) {
            self.move_to_backoff(queued, view);
        } else {
            self.move_to_active(queued, view);
        }
    }

    fn move_to_active(&mut self, queued: QueuedPod, view: &View<'_>) {
        self.move_if_let_in(queued, view, |_| Place::Active);
    }

    fn move_to_backoff(&mut self, queued: QueuedPod, view: &View<'_>) {
        self.move_if_let_in(queued, view, |queued| {
            if queued.cause().rejectors().is_empty() { Place::ErrorBackoff } else { Place::Backoff }
        });
    }

    fn move_if_let_in(&mut self, mut queued: QueuedPod, view: &View<'_>, place: impl Fn(&QueuedPod) -> Place) {
        queued.gate = self.gate(&queued, view);
        match queued.gate {
            Some(gate) => {
                queued.unschedulable_plugins.insert(gate);
                self.attach(queued, Place::Unschedulable);
            }
            None => self.attach(queued, place(&queued)),
        }
    }

    /// The plug-in that keeps a pod out of the queue (`RunPreEnqueuePlugins`), the one that did so before first.
    fn gate(&self, queued: &QueuedPod, view: &View<'_>) -> Option<Plugin> {
        let spec = &view.class(queued.class).spec;
        let enabled = self.profiles[usize::from(queued.profile)].pre_enqueue;
        let is_kept_out = |plugin: &Plugin| match *plugin {
            hints::SCHEDULING_GATES => !spec.scheduling_gates.is_empty() && !queued.is_ungated,
            hints::DYNAMIC_RESOURCES => dynamic_resources::lacks_claim(*view, queued.pod, spec),
            hints::DEFAULT_PREEMPTION => self.preempting.contains(&queued.pod),
            _ => false,
        };
        let plugins = queued.gate.into_iter().chain(enabled.iter());
        plugins.filter(|plugin| enabled.contains(*plugin)).find(is_kept_out)
    }

    /// Puts a pod that is nowhere somewhere.
    fn attach(&mut self, mut queued: QueuedPod, place: Place) {
        queued.place = place;
        match place {
            Place::Active => drop(self.active.insert(queued.order())),
            Place::Backoff => drop(self.backoff.insert((expiration(&queued), queued.order()))),
            Place::ErrorBackoff => drop(self.error_backoff.insert((expiration(&queued), queued.pod))),
            Place::Unschedulable => self.unschedulable.insert(&queued),
            Place::InFlight(_) => {}
        }
        self.pods.insert(queued.pod, queued);
    }

    /// Takes a pod from where it is, for good unless it is attached again.
    fn detach(&mut self, pod: PodId) -> Option<QueuedPod> {
        let queued = self.pods.remove(&pod)?;
        match queued.place {
            Place::Active => drop(self.active.remove(&queued.order())),
            Place::Backoff => drop(self.backoff.remove(&(expiration(&queued), queued.order()))),
            Place::ErrorBackoff => drop(self.error_backoff.remove(&(expiration(&queued), pod))),
            Place::Unschedulable => self.unschedulable.remove(&queued),
            Place::InFlight(since) => self.in_flight.end(since, pod),
        }
        Some(queued)
    }

    /// Changes a pod where it is.
    fn replace(&mut self, changed: QueuedPod) {
        if matches!(changed.place, Place::InFlight(_)) {
            self.pods.insert(changed.pod, changed);
        } else {
            self.detach(changed.pod);
            self.attach(changed, changed.place);
        }
    }
}

/// When the back-off of a pod ends that is in back-off.
fn expiration(queued: &QueuedPod) -> SimTime {
    queued.backoff_expiration.expect("a pod in back-off has a wait")
}
