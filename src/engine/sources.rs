//! Arrivals as streams: each source knows its next pod and nothing further.
//!
//! What a pod is (class, duration, gap to the next) is drawn here, from the source's own streams, when it arrives:
//! every policy meets the same workload.

use crate::ids::{ClassId, NodeId};
use crate::model::{ArrivalSource, Arrivals, GeneratedPods, ListedState, Workload};
use crate::rng::{Seed, Stream};
use crate::units::{SimDuration, SimTime};

/// The state of all sources.
#[derive(Debug)]
pub(super) struct Sources {
    states: Vec<SourceState>,
}

#[derive(Debug)]
struct SourceState {
    /// How many pods came from here.
    arrived: u64,
    /// When the latest came.
    latest: SimTime,
    /// Running sums of the class weights, scaled to 1.
    cumulative: Vec<f64>,
    gaps: Stream,
    classes: Stream,
    durations: Stream,
}

/// A pod as it arrives.
#[derive(Clone, Copy, Debug)]
pub(super) struct ArrivingPod {
    pub(super) number: u32,
    pub(super) class: ClassId,
    pub(super) duration: Option<SimDuration>,
    pub(super) node: Option<NodeId>,
    pub(super) state: ListedState,
}

impl Sources {
    pub(super) fn new(workload: &Workload, seed: Seed) -> Sources {
        let state = |(position, source): (usize, &ArrivalSource)| SourceState {
            arrived: 0,
            latest: SimTime::ZERO,
            cumulative: match source {
                ArrivalSource::Listed(_) => Vec::new(),
                ArrivalSource::Generated(pods) => cumulative(&pods.classes),
            },
            gaps: seed.stream("arrival/gap", position as u64),
            classes: seed.stream("arrival/class", position as u64),
            durations: seed.stream("arrival/duration", position as u64),
        };
        Sources { states: workload.sources.iter().enumerate().map(state).collect() }
    }

    /// When the next pod of a source arrives; none: there is none.
    pub(super) fn next_arrival(&mut self, workload: &Workload, source: usize) -> Option<SimTime> {
        let state = &mut self.states[source];
        match &workload.sources[source] {
            ArrivalSource::Listed(listed) => listed.pods.get(state.arrived as usize).map(|pod| pod.arrival),
            ArrivalSource::Generated(pods) => state.next_generated(pods),
        }
    }

    /// Takes the pod that arrives now.
    pub(super) fn take(&mut self, workload: &Workload, source: usize, now: SimTime) -> ArrivingPod {
        let state = &mut self.states[source];
        let number = u32::try_from(state.arrived).expect("a source has at most 2^32 pods");
        state.arrived += 1;
        state.latest = now;
        match &workload.sources[source] {
            ArrivalSource::Listed(listed) => {
                let pod = listed.pods[number as usize];
                let state = listed.states.get(&number).copied().unwrap_or_default();
                ArrivingPod { number, class: pod.class, duration: pod.duration, node: pod.node, state }
            }
            ArrivalSource::Generated(pods) => {
                let draw = state.classes.unit();
                let position = state.cumulative.partition_point(|&sum| sum <= draw).min(pods.classes.len() - 1);
                let duration = pods.duration.as_ref().map(|dist| dist.sample(&mut state.durations));
                let class = pods.classes[position].0;
                ArrivingPod { number, class, duration, node: None, state: ListedState::default() }
            }
        }
    }
}

impl SourceState {
    fn next_generated(&mut self, pods: &GeneratedPods) -> Option<SimTime> {
        if pods.count.is_some_and(|count| self.arrived >= count) {
            return None;
        }
        let first = self.arrived == 0;
        let before = if first { pods.start } else { self.latest };
        match &pods.arrivals {
            Arrivals::At(instants) => instants.get(self.arrived as usize).map(|&span| pods.start.after(span)),
            Arrivals::Gaps(_) if first => Some(before),
            Arrivals::Gaps(dist) | Arrivals::Renewal(dist) => Some(before.after(dist.sample(&mut self.gaps))),
        }
    }
}

fn cumulative(classes: &[(ClassId, f64)]) -> Vec<f64> {
    let total: f64 = classes.iter().map(|(_, weight)| weight).sum();
    let mut sum = 0.0;
    classes
        .iter()
        .map(|(_, weight)| {
            sum += weight;
            sum / total
        })
        .collect()
}
