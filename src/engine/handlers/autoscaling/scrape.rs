//! Nodes are asked what containers use, as metrics-server does.
//!
//! Mirrors metrics-server v0.8.0 (`pkg/storage/pod.go`): CPU is the difference of two answers about the same run of a
//! container over the time between them; a container of 10 s up to the resolution counts from its start; a pod has a sample
//! only if all its containers that run have one. What upstream's kubelets answer is up to 10 s old, here it is the present.
//! Where usage is not what requests use, it is the mean of what the container wants over that time, times the share of it that it
//! gets at the end.

use super::AutoscalingState;
use super::pods::{Gauge, Target};
use crate::engine::Event;
use crate::engine::run::Simulation;
use crate::model::Demand;
use crate::observe::Observer;
use crate::policy::autoscaler::Sample;
use crate::units::{SimDuration, SimTime};
use crate::world::usage::UsedRun;

/// How old a container must be for its start to count as an answer (`freshContainerMinMetricsResolution`).
const FRESH_AGE_MIN: SimDuration = SimDuration(10_000_000_000);

impl<'m, O: Observer> Simulation<'m, O> {
    /// All nodes are asked about the pods of targets.
    pub(in crate::engine) fn on_scrape(&mut self) {
        let pipeline = &self.model.autoscaling.pipeline;
        self.schedule(self.world.time.after(pipeline.resolution), Event::Scrape);
        let Some(mut state) = self.autoscaling.take() else { return };
        let AutoscalingState { targets, .. } = &mut state;
        for target in targets.iter_mut().filter(|target| target.is_read) {
            // What was not read until now can be read for the last time.
            target.show(self.world.time);
            if target.is_stale {
                self.look_at_pods(target);
            }
            self.scrape(target);
        }
        self.autoscaling = Some(state);
    }

    fn scrape(&mut self, target: &mut Target<'m>) {
        let now = self.world.time;
        for (pod, fresh) in target.pods.iter().zip(&mut target.fresh) {
            let first = pod.first_container as usize;
            let gauges = &mut target.gauges[first..first + pod.container_count as usize];
            let (mut window, mut is_complete) = (None, true);
            for gauge in gauges {
                self.measure(gauge, now);
                if gauge.run.is_some() {
                    window = window.or(gauge.found.map(|(_, _, window)| window));
                    is_complete &= gauge.found.is_some();
                }
            }
            *fresh = window.filter(|_| is_complete).map(|window| Sample { at: now, window });
        }
        target.fresh_from = Some(now.after(self.model.autoscaling.pipeline.delay));
    }

    /// Asks about one container.
    fn measure(&mut self, gauge: &mut Gauge<'m>, now: SimTime) {
        let is_answered = gauge.node.is_some_and(|node| self.is_up(node) && self.world.health.is_running(node));
        let Some((_, since)) = gauge.run.filter(|_| is_answered) else {
            (gauge.last, gauge.found) = (None, None);
            return;
        };
        let resolution = self.model.autoscaling.pipeline.resolution;
        let age = now.since(since);
        let is_fresh = age >= FRESH_AGE_MIN && age < resolution;
        let before = if is_fresh { Some((since, 0)) } else { gauge.last };
        let used = if gauge.is_load_alone { None } else { self.used_run(gauge) };
        let core_ns = match (gauge.server, &mut self.traffic) {
            (Some(server), Some(traffic)) => traffic.plane.core_ns_of(server),
            _ => 0,
        };
        gauge.found = before.map(|(at, earlier_ns)| {
            let window = now.since(at);
            if gauge.is_load_alone {
                return (core_ns.saturating_sub(earlier_ns) * 1000 / window.0.max(1), 0, window);
            }
            let usage = gauge.usage;
            let cpu_milli = match usage.and_then(|usage| usage.cpu.as_ref()) {
                None => 0,
                Some(Demand::Load) => core_ns.saturating_sub(earlier_ns) * 1000 / window.0.max(1),
                Some(demand) => used.map_or(0, |run| mean_used(demand, &run, at, now)),
            };
            let memory_bytes = match usage.and_then(|usage| usage.memory.as_ref()) {
                None => 0,
                Some(Demand::Load) => used.map_or(0, |run| self.load_of(run.pod, run.container, run.run).1),
                Some(demand) => used.map_or(0, |run| demand.at(run.drawn_memory, run.age(now))),
            };
            (cpu_milli, memory_bytes, window)
        });
        gauge.last = Some((now, core_ns));
    }

    /// What is drawn for the run of a container whose usage is not that of requests alone.
    fn used_run(&self, gauge: &Gauge<'m>) -> Option<UsedRun> {
        let usage = gauge.usage?;
        let is_told = |demand: &Option<Demand>| demand.as_ref().is_some_and(|demand| *demand != Demand::Load);
        if !is_told(&usage.cpu) && usage.memory.is_none() {
            return None;
        }
        let runs = self.world.usage.get(gauge.node?)?.of_pod(gauge.pod);
        runs.iter().find(|run| run.container == gauge.container).copied()
    }
}

/// Milli-cores that a run got on average between two instants.
fn mean_used(demand: &Demand, run: &UsedRun, from: SimTime, to: SimTime) -> u64 {
    let wanted = demand.mean(run.drawn_cpu, run.age(from), run.age(to));
    (wanted * run.speed).round() as u64
}
