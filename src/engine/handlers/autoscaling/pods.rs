//! The pods of a target, as they are kept between the times that somebody looks.

use super::steady::Steady;
use crate::engine::run::Simulation;
use crate::ids::{ControllerId, NodeId, PodId};
use crate::model::{Demand, Usage};
use crate::observe::Observer;
use crate::policy::autoscaler::{ObservedContainer, ObservedPod, Sample, Totals};
use crate::policy::controllers::ObservedPod as OwnedPod;
use crate::units::{SimDuration, SimTime};
use crate::world::lives::Status;

/// Something that is scaled, and its pods.
#[derive(Debug)]
pub(super) struct Target<'m> {
    pub(super) controller: ControllerId,
    /// Whether somebody reads what its pods use.
    pub(super) is_read: bool,
    /// Whether its pods have changed since they were last looked at.
    pub(super) is_stale: bool,
    pub(super) pods: Vec<ObservedPod>,
    pub(super) containers: Vec<ObservedContainer<'m>>,
    /// By container.
    pub(super) gauges: Vec<Gauge<'m>>,
    /// Pods that have not ended and were not told to, and those of them that are ready.
    pub(super) current: i32,
    pub(super) ready: i32,
    /// Sums over what is seen of pods.
    pub(super) totals: Totals,
    /// The last samples, by pod, and from when on they can be read; none: they have been.
    pub(super) fresh: Vec<Option<Sample>>,
    pub(super) fresh_from: Option<SimTime>,
    /// Whether what can be read from now on is what is seen already.
    pub(super) is_shown: bool,
    /// The pods, while they go on as they are.
    pub(super) steady: Option<Steady>,
}

/// What is measured of a container.
#[derive(Clone, Debug)]
pub(super) struct Gauge<'m> {
    pub(super) pod: PodId,
    pub(super) container: u32,
    /// Its how-many-th run, and since when; none: it does not run.
    pub(super) run: Option<(u32, SimTime)>,
    pub(super) usage: Option<&'m Usage>,
    /// Whether what requests use of CPU is all that is known of its usage.
    pub(super) is_load_alone: bool,
    /// The server that it is to requests, if it is one.
    pub(super) server: Option<u32>,
    pub(super) node: Option<NodeId>,
    /// Core-time of this run when its node was last asked, in ns, and when that was.
    pub(super) last: Option<(SimTime, u64)>,
    /// What was found then: milli-cores, bytes, and over which time.
    pub(super) found: Option<(u64, u64, SimDuration)>,
}

impl<'m> Target<'m> {
    pub(super) fn new(controller: ControllerId) -> Target<'m> {
        Target {
            controller,
            is_read: false,
            is_stale: true,
            pods: Vec::new(),
            containers: Vec::new(),
            gauges: Vec::new(),
            current: 0,
            ready: 0,
            totals: Totals::default(),
            fresh: Vec::new(),
            fresh_from: None,
            is_shown: false,
            steady: None,
        }
    }

    /// What was measured last is what is seen, if it can be read by now.
    pub(super) fn show(&mut self, now: SimTime) {
        if self.fresh_from.is_none_or(|from| from > now) {
            return;
        }
        self.fresh_from = None;
        if !std::mem::take(&mut self.is_shown) {
            self.totals = Totals { version: self.totals.version, ..Totals::default() };
            (0..self.pods.len()).for_each(|position| self.show_pod(position));
        }
    }

    /// What was measured last of a pod is what is seen of it.
    pub(super) fn show_pod(&mut self, position: usize) {
        let pod = &mut self.pods[position];
        pod.sample = self.fresh[position];
        let containers = &mut self.containers[pod.containers()];
        for (container, gauge) in containers.iter_mut().zip(&self.gauges[pod.containers()]) {
            let (cpu_milli, memory_bytes, _) = gauge.found.unwrap_or_default();
            (container.cpu_milli, container.memory_bytes) = (cpu_milli, memory_bytes);
        }
        self.totals.add(pod, containers);
    }

    /// Takes over what is known of pods that are still there. Pods are in order of their ids in both.
    fn take_over(&mut self, before: Target<'m>) {
        let mut old = 0;
        for at in 0..self.pods.len() {
            let id = self.pods[at].id;
            while before.pods.get(old).is_some_and(|pod| pod.id < id) {
                old += 1;
            }
            let Some(known) = before.pods.get(old).filter(|pod| pod.id == id) else { continue };
            self.pods[at].sample = known.sample;
            self.fresh[at] = before.fresh[old];
            let count = self.pods[at].container_count.min(known.container_count) as usize;
            let (to, from) = (self.pods[at].first_container as usize, known.first_container as usize);
            for offset in 0..count {
                let (gauge, old_gauge) = (&mut self.gauges[to + offset], &before.gauges[from + offset]);
                if gauge.container == old_gauge.container && gauge.run.is_some() && gauge.run == old_gauge.run {
                    (gauge.last, gauge.found) = (old_gauge.last, old_gauge.found);
                }
                let (container, shown) = (&mut self.containers[to + offset], &before.containers[from + offset]);
                (container.cpu_milli, container.memory_bytes) = (shown.cpu_milli, shown.memory_bytes);
            }
        }
        self.totals.version = before.totals.version + 1;
        for pod in &self.pods {
            self.totals.add(pod, &self.containers[pod.containers()]);
        }
    }
}

impl<'m, O: Observer> Simulation<'m, O> {
    /// Brings what is known of the pods of a target up to the present.
    pub(super) fn look_at_pods(&self, target: &mut Target<'m>) {
        target.hear_of_steady();
        let mut next = Target { is_stale: false, is_read: target.is_read, ..Target::new(target.controller) };
        next.fresh_from = target.fresh_from;
        let owners = &self.world.owners.controllers[target.controller.index()].owners;
        let mut pods: Vec<OwnedPod> = owners.iter().flat_map(|owner| self.observe_pods(*owner)).collect();
        pods.sort_unstable_by_key(|pod| pod.id);
        for pod in &pods {
            next.current += i32::from(pod.is_active());
            next.ready += i32::from(pod.is_active() && pod.is_ready());
            if target.is_read {
                self.look_at_pod(pod, &mut next);
            }
        }
        let before = std::mem::replace(target, next);
        target.take_over(before);
    }

    fn look_at_pod(&self, pod: &OwnedPod, target: &mut Target<'m>) {
        let Some(member) = self.world.member(pod.id) else { return };
        let life = member.life.as_deref();
        let started = life.map(|life| life.began);
        let ready = match (pod.ready_since, started) {
            (Some(since), _) => Some((true, since)),
            (None, Some(started)) => {
                let unready_since = member.unready_since;
                Some((false, if unready_since == SimTime::NEVER { started } else { unready_since }))
            }
            (None, None) => None,
        };
        let first_container = target.containers.len() as u32;
        self.add_containers(pod, target);
        target.fresh.push(None);
        target.pods.push(ObservedPod {
            id: pod.id,
            phase: pod.phase,
            is_terminating: pod.is_terminating,
            started,
            ready,
            sample: None,
            first_container,
            container_count: target.containers.len() as u32 - first_container,
        });
    }

    /// Containers first, then sidecars.
    fn add_containers(&self, pod: &OwnedPod, target: &mut Target<'m>) {
        let Some(rules) = self.life_rules(pod.id) else { return };
        let inits = rules.template.init_containers.len();
        let all = inits + rules.template.containers.len();
        let sidecars = (0..inits).filter(|&index| rules.template.init_containers[index].is_sidecar);
        let life = self.world.member(pod.id).and_then(|member| member.life.as_deref());
        let server = self.traffic.as_ref().and_then(|traffic| traffic.server_of(pod.id));
        for index in (inits..all).chain(sidecars) {
            let container = rules.container(index);
            let usage = container.usage.as_deref();
            let request = |of: fn(&Usage) -> u64| usage.map(of).filter(|request| *request > 0);
            let state = life.and_then(|life| life.containers.get(index));
            let run = state.and_then(|state| match state.status {
                Status::Running(running) => Some((state.restarts, running.since)),
                _ => None,
            });
            let is_load = usage.is_some_and(|usage| usage.cpu == Some(Demand::Load));
            let server = server.filter(|_| index == inits && is_load);
            target.gauges.push(Gauge {
                pod: pod.id,
                container: index as u32,
                run,
                usage,
                is_load_alone: is_load && usage.is_some_and(|usage| usage.memory.is_none()),
                server: server
                    .filter(|(_, of_run)| run.is_some_and(|(own, _)| own == *of_run))
                    .map(|(number, _)| number),
                node: pod.node,
                last: None,
                found: None,
            });
            target.containers.push(ObservedContainer {
                name: &container.name,
                cpu_request_milli: request(|usage| usage.cpu_request),
                memory_request_bytes: request(|usage| usage.memory_request),
                cpu_milli: 0,
                memory_bytes: 0,
            });
        }
    }
}
