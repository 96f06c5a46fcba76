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
use super::steady::Steady;
use crate::engine::Event;
use crate::engine::handlers::loads::load_of;
use crate::engine::handlers::traffic::{Server, TrafficState};
use crate::engine::run::Simulation;
use crate::ids::{NodeId, PodId};
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
        let shows_at_once = pipeline.delay == SimDuration::ZERO;
        if !target.ask_steady(&mut inquiry) {
            target.ask_each(&mut inquiry, shows_at_once);
            target.steady = Steady::of(target, now).filter(|_| shows_at_once);
        }
        // Nobody looks before what can be read at once can be read.
        (target.is_shown, target.fresh_from) = (shows_at_once, Some(now.after(pipeline.delay)));
    }
}

impl<'m> Target<'m> {
    /// Asks about all pods, if they go on as they are.
    fn ask_steady(&mut self, inquiry: &mut Inquiry<'_, 'm>) -> bool {
        let version = self.totals.version;
        #[cfg(test)]
        let one_by_one = self.steady.is_some().then(|| self.asked_each(inquiry));
        let Some(totals) = self.steady.as_mut().and_then(|steady| steady.ask(inquiry, version)) else {
            self.hear_of_steady();
            return false;
        };
        self.totals = totals;
        #[cfg(test)]
        self.check_steady(&one_by_one.expect("they are steady"));
        true
    }

    /// Asks about the containers of each pod.
    fn ask_each(&mut self, inquiry: &mut Inquiry<'_, 'm>, shows_at_once: bool) {
        if shows_at_once {
            self.totals = Totals { version: self.totals.version, ..Totals::default() };
        }
        for position in 0..self.pods.len() {
            self.fresh[position] = inquiry.ask_pod(&mut self.gauges[self.pods[position].containers()]);
            if shows_at_once {
                self.show_pod(position);
            }
        }
    }

    /// What asking about each pod finds.
    #[cfg(test)]
    fn asked_each(&mut self, inquiry: &mut Inquiry<'_, 'm>) -> Target<'m> {
        self.hear_of_steady();
        let mut copy = Target {
            pods: self.pods.clone(),
            containers: self.containers.clone(),
            gauges: self.gauges.clone(),
            fresh: self.fresh.clone(),
            totals: self.totals,
            ..Target::new(self.controller)
        };
        copy.ask_each(inquiry, true);
        copy
    }

    /// Steady pods are what asking about each one finds.
    #[cfg(test)]
    fn check_steady(&mut self, one_by_one: &Target<'m>) {
        self.hear_of_steady();
        super::tests::COMPARED.set(super::tests::COMPARED.get() + 1);
        assert_eq!((&self.pods, &self.containers), (&one_by_one.pods, &one_by_one.containers));
        assert_eq!((self.totals, &self.fresh), (one_by_one.totals, &one_by_one.fresh));
        let measured = |target: &Target<'m>| target.gauges.iter().map(|one| (one.last, one.found)).collect::<Vec<_>>();
        assert_eq!(measured(self), measured(one_by_one));
    }
}

/// What is needed to ask about many containers, one after the other, while nothing else happens.
pub(super) struct Inquiry<'s, 'm> {
    world: &'s World,
    meters: Option<Meters<'s, 'm>>,
    /// Pods that are servers.
    seats: Option<&'s BTreeMap<PodId, Server>>,
    pub(super) now: SimTime,
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
        let Some((_, since)) = gauge.run.filter(|_| gauge.node.is_some_and(|node| self.is_answered(node))) else {
            (gauge.last, gauge.found) = (None, None);
            return;
        };
        let now = self.now;
        let age = now.since(since);
        let is_fresh = age >= FRESH_AGE_MIN && age < self.resolution;
        let before = if is_fresh { Some((since, 0)) } else { gauge.last };
        let core_ns = gauge.server.map_or(0, |server| self.core_ns_of(server));
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

    /// Core-time that requests have used of a server, in ns.
    pub(super) fn core_ns_of(&mut self, server: u32) -> u64 {
        self.meters.as_mut().map_or(0, |meters| meters.core_ns_of(server))
    }

    /// Whether a node answers.
    pub(super) fn is_answered(&self, node: NodeId) -> bool {
        let World { nodes, health, .. } = self.world;
        nodes.state.get(node.index()).is_some_and(|state| state.is_up()) && health.is_running(node)
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
