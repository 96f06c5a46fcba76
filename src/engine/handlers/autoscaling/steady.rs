//! Pods that go on as they are.
//!
//! Of most targets nothing but what their pods use changes from one scrape to the next, and an autoscaler asks for the sum of it
//! alone. While that is so, what a scrape needs of each pod lies close together, and what it finds stays there: what else is
//! known of pods, which is many times as much, is touched when somebody asks for single pods.
//!
//! Cost: O(pods) for each scrape, some nanoseconds for each.

use super::pods::Target;
use super::scrape::Inquiry;
use crate::ids::NodeId;
use crate::policy::autoscaler::{Sample, Totals};
use crate::units::{SimDuration, SimTime};

/// The pods of a target, each of one container of which requests are all that is known.
#[derive(Debug)]
pub(super) struct Steady {
    /// When all were last asked, and the time that their answers are about.
    at: SimTime,
    window: SimDuration,
    pods: Vec<SteadyPod>,
    /// Whether the target knows what was found last.
    is_told: bool,
}

/// A pod, with what was found when it was last asked.
#[derive(Clone, Copy, Debug)]
struct SteadyPod {
    server: u32,
    node: NodeId,
    /// Core-time of the run of its container, in ns.
    core_ns: u64,
    cpu_milli: u64,
}

impl Steady {
    /// The pods of a target that was asked just now; none: not all of them are such pods, or have an answer about the same time.
    pub(super) fn of(target: &Target<'_>, now: SimTime) -> Option<Steady> {
        let (_, _, window) = target.gauges.first()?.found?;
        if target.pods.iter().any(|pod| pod.container_count != 1) {
            return None;
        }
        let mut pods = Vec::with_capacity(target.gauges.len());
        for gauge in &target.gauges {
            let (found, last) = (gauge.found?, gauge.last?);
            if !gauge.is_load_alone || found.2 != window || last.0 != now {
                return None;
            }
            pods.push(SteadyPod { server: gauge.server?, node: gauge.node?, core_ns: last.1, cpu_milli: found.0 });
        }
        Some(Steady { at: now, window, pods, is_told: true })
    }

    /// Asks about all pods; none: not all of them answer, and nothing has changed.
    pub(super) fn ask(&mut self, inquiry: &mut Inquiry<'_, '_>, version: u64) -> Option<Totals> {
        if !self.pods.iter().all(|pod| inquiry.is_answered(pod.node)) {
            return None;
        }
        let window = inquiry.now.since(self.at);
        let mut totals = Totals { version, sampled: self.pods.len(), cpu_milli: 0 };
        for pod in &mut self.pods {
            let core_ns = inquiry.core_ns_of(pod.server);
            pod.cpu_milli = core_ns.saturating_sub(pod.core_ns) * 1000 / window.0.max(1);
            pod.core_ns = core_ns;
            totals.cpu_milli = totals.cpu_milli.wrapping_add(pod.cpu_milli);
        }
        (self.at, self.window, self.is_told) = (inquiry.now, window, false);
        Some(totals)
    }
}

impl Target<'_> {
    /// Takes over what was found of steady pods.
    pub(super) fn hear_of_steady(&mut self) {
        let Some(steady) = &mut self.steady else { return };
        if std::mem::replace(&mut steady.is_told, true) {
            return;
        }
        let Steady { at, window, .. } = *steady;
        let sample = Some(Sample { at, window });
        for (position, pod) in steady.pods.iter().enumerate() {
            (self.pods[position].sample, self.fresh[position]) = (sample, sample);
            let (gauge, container) = (&mut self.gauges[position], &mut self.containers[position]);
            (gauge.last, gauge.found) = (Some((at, pod.core_ns)), Some((pod.cpu_milli, 0, window)));
            (container.cpu_milli, container.memory_bytes) = (pod.cpu_milli, 0);
        }
    }
}
