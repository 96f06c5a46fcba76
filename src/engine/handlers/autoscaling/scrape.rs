//! Nodes are asked what containers use, as metrics-server does.
//!
//! Mirrors metrics-server v0.8.0 (`pkg/storage/pod.go`): CPU is the difference of two answers about the same run of a
//! container over the time between them; a container of 10 s up to the resolution counts from its start; a pod has a sample
//! only if all its containers that run have one. What upstream's kubelets answer is up to 10 s old, here it is the present.
//! Where usage is not what requests use, it is the mean of what the container wants over that time, times the share of it that it
//! gets at the end.

use std::collections::BTreeMap;

use super::AutoscalingState;
use super::pods::{Gauge, Target};
use crate::engine::Event;
use crate::engine::handlers::loads::load_of;
use crate::engine::handlers::traffic::{Server, TrafficState};
use crate::engine::run::Simulation;
use crate::ids::PodId;
use crate::model::Demand;
use crate::observe::Observer;
use crate::policy::autoscaler::{Sample, Totals};
use crate::traffic::Meters;
use crate::units::{SimDuration, SimTime};
use crate::world::World;
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
        let pipeline = &self.model.autoscaling.pipeline;
        let (meters, seats) = match &mut self.traffic {
            Some(TrafficState { plane, seats, .. }) => (Some(plane.meters()), Some(&*seats)),
            None => (None, None),
        };
        let mut inquiry = Inquiry { world: &self.world, meters, seats, now, resolution: pipeline.resolution };
        // Nobody looks before what can be read at once can be read.
        target.is_shown = pipeline.delay == SimDuration::ZERO;
        if target.is_shown {
            target.totals = Totals { version: target.totals.version, ..Totals::default() };
        }
        for position in 0..target.pods.len() {
            let pod = &target.pods[position];
            let first = pod.first_container as usize;
            let gauges = &mut target.gauges[first..first + pod.container_count as usize];
            target.fresh[position] = inquiry.ask_pod(gauges);
            if target.is_shown {
                target.show_pod(position);
            }
        }
        target.fresh_from = Some(now.after(pipeline.delay));
    }
}

/// What is needed to ask about many containers, one after the other, while nothing else happens.
struct Inquiry<'s, 'm> {
    world: &'s World,
    meters: Option<Meters<'s, 'm>>,
    /// Pods that are servers.
    seats: Option<&'s BTreeMap<PodId, Server>>,
    now: SimTime,
    resolution: SimDuration,
}

impl<'m> Inquiry<'_, 'm> {
    /// Asks about the containers of a pod: what they come to, if all that run have an answer.
    fn ask_pod(&mut self, gauges: &mut [Gauge<'m>]) -> Option<Sample> {
        let (mut window, mut is_complete) = (None, true);
        for gauge in gauges {
            self.ask(gauge);
            if gauge.run.is_some() {
                window = window.or(gauge.found.map(|(_, _, window)| window));
                is_complete &= gauge.found.is_some();
            }
        }
        window.filter(|_| is_complete).map(|window| Sample { at: self.now, window })
    }

    /// Asks about one container.
    #[inline]
    fn ask(&mut self, gauge: &mut Gauge<'m>) {
        let Some((_, since)) = gauge.run.filter(|_| self.is_answered(gauge)) else {
            (gauge.last, gauge.found) = (None, None);
            return;
        };
        let now = self.now;
        let age = now.since(since);
        let is_fresh = age >= FRESH_AGE_MIN && age < self.resolution;
        let before = if is_fresh { Some((since, 0)) } else { gauge.last };
        let core_ns = match (gauge.server, &mut self.meters) {
            (Some(server), Some(meters)) => meters.core_ns_of(server),
            _ => 0,
        };
        gauge.found = before.map(|(at, earlier_ns)| {
            let window = now.since(at);
            let load_milli = core_ns.saturating_sub(earlier_ns) * 1000 / window.0.max(1);
            if gauge.is_load_alone {
                return (load_milli, 0, window);
            }
            let (cpu_milli, memory_bytes) = self.told_usage(gauge, at, load_milli);
            (cpu_milli, memory_bytes, window)
        });
        gauge.last = Some((now, core_ns));
    }

    /// Whether the node of a container answers.
    fn is_answered(&self, gauge: &Gauge<'_>) -> bool {
        let World { nodes, health, .. } = self.world;
        gauge.node.is_some_and(|node| {
            nodes.state.get(node.index()).is_some_and(|state| state.is_up()) && health.is_running(node)
        })
    }

    /// Milli-cores since then, and bytes, of a container whose usage is not that of requests alone, which use so many.
    fn told_usage(&self, gauge: &Gauge<'_>, at: SimTime, load_milli: u64) -> (u64, u64) {
        let now = self.now;
        let (usage, used) = (gauge.usage, self.used_run(gauge));
        let cpu_milli = match usage.and_then(|usage| usage.cpu.as_ref()) {
            None => 0,
            Some(Demand::Load) => load_milli,
            Some(demand) => used.map_or(0, |run| mean_used(demand, &run, at, now)),
        };
        let memory_bytes = match usage.and_then(|usage| usage.memory.as_ref()) {
            None => 0,
            Some(Demand::Load) => used.map_or(0, |run| self.bytes_of(&run)),
            Some(demand) => used.map_or(0, |run| demand.at(run.drawn_memory, run.age(now))),
        };
        (cpu_milli, memory_bytes)
    }

    /// Bytes that requests use of a run.
    fn bytes_of(&self, run: &UsedRun) -> u64 {
        self.seats.map_or(0, |seats| load_of(seats, run.pod, run.container, run.run).1)
    }

    /// What is drawn for the run of a container whose usage is not that of requests alone.
    fn used_run(&self, gauge: &Gauge<'_>) -> Option<UsedRun> {
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
