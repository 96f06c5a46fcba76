//! Pods that no event has helped yet, and events that pods in flight have yet to be held against.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use super::QueuedPod;
use super::events::ClusterEvent;
use super::plugin_set::{Plugin, PluginSet};
use crate::ids::{ClassId, PodId};
use crate::units::SimTime;

/// Why pods wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Cause {
    /// Plug-ins that rejected them.
    pub(super) unschedulable: PluginSet,
    /// Plug-ins that made them wait.
    pub(super) pending: PluginSet,
    /// The plug-in that keeps them out of the queue.
    pub(super) gate: Option<Plugin>,
}

impl Cause {
    pub(super) fn rejectors(&self) -> PluginSet {
        self.unschedulable.union(self.pending)
    }
}

/// The unschedulable pods, by cause and class: what holds of one pod of a class holds of all.
#[derive(Clone, Debug, Default)]
pub(super) struct Pool {
    pub(super) by_cause: BTreeMap<Cause, BTreeMap<ClassId, BTreeSet<PodId>>>,
    /// By the instant from which their patience is counted.
    by_age: BTreeSet<(SimTime, PodId)>,
}

impl Pool {
    pub(super) fn insert(&mut self, pod: &QueuedPod) {
        self.by_age.insert((pod.patience_start(), pod.pod));
        self.by_cause.entry(pod.cause()).or_default().entry(pod.class).or_default().insert(pod.pod);
    }

    /// Takes out a pod, which must be as it was put in.
    pub(super) fn remove(&mut self, pod: &QueuedPod) {
        self.by_age.remove(&(pod.patience_start(), pod.pod));
        let Some(classes) = self.by_cause.get_mut(&pod.cause()) else { return };
        if let Some(pods) = classes.get_mut(&pod.class) {
            pods.remove(&pod.pod);
            if pods.is_empty() {
                classes.remove(&pod.class);
            }
        }
        if classes.is_empty() {
            self.by_cause.remove(&pod.cause());
        }
    }

    /// The instant from which the patience of the pod that has waited longest is counted.
    pub(super) fn oldest(&self) -> Option<SimTime> {
        self.by_age.first().map(|(start, _)| *start)
    }

    /// The pods whose patience is counted from before an instant, those that have waited longest first.
    pub(super) fn older_than(&self, instant: SimTime) -> Vec<PodId> {
        self.by_age.iter().take_while(|(start, _)| *start < instant).map(|(_, pod)| *pod).collect()
    }

    pub(super) fn len(&self) -> usize {
        self.by_age.len()
    }
}

/// The pods that are being tried, and the events since the first of them began.
#[derive(Clone, Debug, Default)]
pub(super) struct InFlight {
    /// Number of the first event that each pod sees.
    pods: BTreeSet<(u64, PodId)>,
    events: VecDeque<ClusterEvent>,
    /// How many events have been dropped from the front.
    dropped: u64,
}

impl InFlight {
    /// Notes that a pod is being tried; returns the number of the first event that it sees.
    pub(super) fn begin(&mut self, pod: PodId) -> u64 {
        let since = self.dropped + self.events.len() as u64;
        self.pods.insert((since, pod));
        since
    }

    /// Forgets a pod, and the events that no other pod sees.
    pub(super) fn end(&mut self, since: u64, pod: PodId) {
        self.pods.remove(&(since, pod));
        let seen = self.dropped + self.events.len() as u64;
        let first = self.pods.first().map_or(seen, |(since, _)| *since);
        self.events.drain(..(first - self.dropped) as usize);
        self.dropped = first;
    }

    /// Notes an event, if a pod is being tried.
    pub(super) fn record(&mut self, event: ClusterEvent) {
        if !self.pods.is_empty() {
            self.events.push_back(event);
        }
    }

    /// The events from that number on, in order.
    pub(super) fn since(&self, since: u64) -> impl Iterator<Item = &ClusterEvent> {
        self.events.range((since - self.dropped) as usize..)
    }

    pub(super) fn len(&self) -> usize {
        self.pods.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_are_kept_as_long_as_a_pod_sees_them() {
        let event = |pod| ClusterEvent::PodAssigned(ClassId(pod));
        let mut in_flight = InFlight::default();
        in_flight.record(event(0));
        let first = in_flight.begin(PodId(1));
        in_flight.record(event(1));
        let second = in_flight.begin(PodId(2));
        in_flight.record(event(2));
        let seen = |in_flight: &InFlight, since| in_flight.since(since).copied().collect::<Vec<_>>();
        assert_eq!(seen(&in_flight, first), [event(1), event(2)]);
        assert_eq!(seen(&in_flight, second), [event(2)]);
        in_flight.end(first, PodId(1));
        assert_eq!(in_flight.events.len(), 1, "nobody is left who saw the first event");
        assert_eq!(seen(&in_flight, second), [event(2)]);
        in_flight.end(second, PodId(2));
        assert!(in_flight.events.is_empty());
    }
}
