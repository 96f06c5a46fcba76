//! Containers use CPU and memory on their nodes: who is slowed down, killed or evicted.
//!
//! A node is looked at when something about it changes: a container whose usage is known starts or ends, usage takes a step,
//! or a ramp reaches what matters. Between those instants nothing happens, and nothing is scheduled. Nodes without such
//! containers are never looked at.
//!
//! Memory that pods can use in all is what the node offers and what its kubelet holds back for evictions: the limit of the
//! cgroup of all pods. What is reserved for the system is taken to be in use.
//!
//! Cost: O(n log n) a look, n the containers with known usage on the node; with ramps about 60 sums over them.

#[cfg(test)]
mod tests;

use crate::engine::Event;
use crate::engine::life::Rules;
use crate::engine::run::Simulation;
use crate::ids::{NodeId, PodId};
use crate::model::{Demand, Usage};
use crate::observe::Observer;
use crate::policy::kubelet::cpu::{self, Want};
use crate::policy::kubelet::eviction::{
    self, CLEANUP_POLL, CLEANUP_TIMEOUT, CRITICAL_PRIORITY, Candidate, IMMEDIATE_GRACE, MONITORING_PERIOD,
    NODE_CRITICAL_PRIORITY, Threshold,
};
use crate::policy::kubelet::oom;
use crate::units::SimTime;
use crate::world::View;
use crate::world::lives::Status;
use crate::world::pods::Reason;
use crate::world::usage::{CpuInUse, UsedRun};

/// A run of a container, with what is known of its usage.
#[derive(Clone, Copy, Debug)]
struct Meter<'m> {
    run: UsedRun,
    usage: &'m Usage,
    /// Milli-cores that requests used of late, and bytes that they need.
    load: (u64, u64),
}

impl Meter<'_> {
    /// Bytes that were drawn, or that requests need.
    fn memory_given(&self) -> u64 {
        if self.usage.memory == Some(Demand::Load) { self.load.1 } else { self.run.drawn_memory }
    }

    /// Bytes that it uses then.
    fn memory(&self, instant: SimTime) -> u64 {
        self.usage.memory.as_ref().map_or(0, |demand| demand.at(self.memory_given(), self.run.age(instant)))
    }

    /// Milli-cores that it wants then.
    fn cpu(&self, instant: SimTime) -> u64 {
        let given = if self.usage.cpu == Some(Demand::Load) { self.load.0 } else { self.run.drawn_cpu };
        self.usage.cpu.as_ref().map_or(0, |demand| demand.at(given, self.run.age(instant)))
    }

    /// Whether it uses more memory than its limit.
    fn exceeds_limit(&self, instant: SimTime) -> bool {
        match (&self.usage.memory, self.usage.memory_limit) {
            (Some(demand), Some(limit)) => demand.exceeds(limit, self.memory_given(), self.run.age(instant)),
            _ => false,
        }
    }

    /// When it exceeds its limit after `now`, if it does so before its usage takes another course.
    fn next_excess(&self, now: SimTime) -> SimTime {
        let limit = self.usage.memory.as_ref().zip(self.usage.memory_limit);
        let age = limit.and_then(|(demand, limit)| demand.next_excess(limit, self.run.age(now)));
        age.map_or(SimTime::NEVER, |age| self.run.since.after(age))
    }

    /// When its memory, or its CPU, takes another course after `now`.
    fn next_turn(&self, now: SimTime, of: fn(&Usage) -> &Option<crate::model::Demand>) -> SimTime {
        let age = of(self.usage).as_ref().and_then(|demand| demand.next_turn(self.run.age(now)));
        age.map_or(SimTime::NEVER, |age| self.run.since.after(age))
    }
}

/// Bytes that all of them use then.
fn memory_in_all(meters: &[Meter<'_>], instant: SimTime) -> u64 {
    meters.iter().fold(0, |sum, meter| sum.saturating_add(meter.memory(instant)))
}

/// When their memory first comes to more than `level`, from `now` and before `turn`, up to which all courses are straight.
fn crossing(meters: &[Meter<'_>], level: u64, now: SimTime, turn: SimTime) -> SimTime {
    let is_over = |instant: u64| memory_in_all(meters, SimTime(instant)) > level;
    if is_over(now.0) {
        return now;
    }
    // Where nothing turns, nothing rises.
    if turn == SimTime::NEVER || !is_over(turn.0 - 1) {
        return SimTime::NEVER;
    }
    let (mut below, mut over) = (now.0, turn.0 - 1);
    while over - below > 1 {
        let middle = below + (over - below) / 2;
        if is_over(middle) { over = middle } else { below = middle }
    }
    SimTime(over)
}

impl<'m, O: Observer> Simulation<'m, O> {
    /// Takes note of which containers of the pod run.
    pub(super) fn note_usage(&mut self, pod: PodId) {
        if !self.tracks_usage {
            return;
        }
        let (Some(rules), Some(node)) = (self.life_rules(pod), self.world.pods.node(pod)) else { return };
        let runs = self.used_runs(rules, pod);
        self.set_runs(node, pod, runs);
    }

    /// Nothing of the pod runs on its node any more.
    pub(super) fn forget_usage(&mut self, pod: PodId) {
        let Some(node) = self.world.pods.node(pod).filter(|_| self.tracks_usage) else { return };
        self.set_runs(node, pod, Vec::new());
        let now = self.world.time;
        if let Some(usage) = self.world.usage.get_mut(node)
            && usage.monitor.evicting == Some(pod)
        {
            usage.monitor.evicting = None;
            usage.monitor.look_at = now.after(CLEANUP_POLL);
            self.look_at_usage(node, now);
        }
    }

    /// The containers of the pod that run and whose usage is known.
    fn used_runs(&self, rules: Rules<'m>, pod: PodId) -> Vec<UsedRun> {
        let life = self.world.member(pod).and_then(|member| member.life.as_deref());
        let Some(life) = life.filter(|life| !life.is_over()) else { return Vec::new() };
        let seed = self.model.seed;
        let run_of = |(index, state): (usize, &crate::world::lives::ContainerState)| {
            let usage = rules.container(index).usage.as_ref().filter(|usage| usage.is_known())?;
            let Status::Running(running) = state.status else { return None };
            let stream = |name| move || seed.stream(name, rules.key(index, state.restarts));
            Some(UsedRun {
                pod,
                container: index as u32,
                run: state.restarts,
                since: running.since,
                drawn_cpu: usage.cpu.as_ref().map_or(0, |cpu| cpu.draw_cpu(stream("usage/cpu"))),
                drawn_memory: usage.memory.as_ref().map_or(0, |memory| memory.draw_memory(stream("usage/memory"))),
                speed: 1.0,
                is_throttled: false,
            })
        };
        life.containers.iter().enumerate().filter_map(run_of).collect()
    }

    fn set_runs(&mut self, node: NodeId, pod: PodId, runs: Vec<UsedRun>) {
        if self.world.usage.differs(node, pod, &runs) {
            self.note_pods_change(pod);
            let (joined, now) = (self.world.nodes.added[node.index()], self.world.time);
            self.world.usage.replace((node, joined), pod, runs, now);
            self.set_calm(node, None);
            self.look_at_usage(node, now);
        }
    }

    /// Makes sure that the node is looked at then.
    pub(super) fn look_at_usage(&mut self, node: NodeId, at: SimTime) {
        let Some(usage) = self.world.usage.get_mut(node) else { return };
        if at < usage.wake_at {
            usage.wake_at = at;
            self.schedule(at, Event::Usage { node });
        }
    }

    pub(in crate::engine) fn on_usage(&mut self, node: NodeId) {
        let now = self.world.time;
        let Some(usage) = self.world.usage.get_mut(node).filter(|usage| usage.wake_at == now) else { return };
        usage.wake_at = SimTime::NEVER;
        usage.settle(now);
        let meters = self.meters(node);
        if let Some(victim) = self.oom_victim(node, &meters) {
            self.world.usage.get_mut(node).expect("it has been found before").totals.oom_kills += 1;
            // Whoever is still over after this is found at the next look.
            self.look_at_usage(node, now);
            let view = View { model: self.model, world: &self.world };
            self.observer.container_killed(&view, victim.pod, victim.container as usize);
            self.note_oom_kill(victim.pod, victim.container as usize);
            self.drive(victim.pod, |driver| driver.oom_kill(victim.container as usize));
            return;
        }
        if let Some(threshold) = self.observe_memory(node, &meters) {
            self.evict_for_memory(node, &meters, threshold);
            if self.world.usage.get(node).is_some_and(|usage| usage.wake_at == now) {
                return;
            }
        }
        let next = self.next_look(node, &meters);
        if next != SimTime::NEVER {
            self.look_at_usage(node, next);
        }
        self.share_cpu(node, &meters);
    }

    /// Pods of a node were resized: who gets how much of its CPU is another thing now.
    pub(in crate::engine) fn look_at_resized(&mut self, node: NodeId) {
        let now = self.world.time;
        if let Some(usage) = self.world.usage.get_mut(node) {
            usage.settle(now);
            self.set_calm(node, None);
            self.look_at_usage(node, now);
        }
    }

    fn meters(&self, node: NodeId) -> Vec<Meter<'m>> {
        let runs = self.world.usage.get(node).map_or(&[][..], |usage| &usage.runs);
        let meter = |run: &UsedRun| {
            let rules = self.life_rules(run.pod).expect("a container that runs has rules");
            let usage = rules.container(run.container as usize).usage.as_deref();
            let load = self.load_of(run.pod, run.container, run.run);
            Meter { run: *run, usage: usage.expect("only containers with known usage are listed"), load }
        };
        runs.iter().map(meter).collect()
    }

    /// Bytes that pods can use in all on the node.
    fn memory_budget(&self, node: NodeId) -> u64 {
        self.world.nodes.memory[node.index()].saturating_add(self.model.cluster.eviction.hard)
    }

    /// Who is to be killed now: a container over its limit, or where the node has nothing left that with the most points.
    fn oom_victim(&self, node: NodeId, meters: &[Meter<'m>]) -> Option<UsedRun> {
        let now = self.world.time;
        if let Some(meter) = meters.iter().find(|meter| meter.exceeds_limit(now)) {
            return Some(meter.run);
        }
        let budget = self.memory_budget(node);
        if memory_in_all(meters, now) < budget {
            return None;
        }
        let shape = self.model.cluster.shape(self.world.nodes.shape[node.index()]);
        let capacity = budget.saturating_add(shape.reserved.memory.0);
        let points = |meter: &Meter<'_>| {
            let is_critical = self.priority(meter.run.pod) >= NODE_CRITICAL_PRIORITY;
            let adjustment = oom::score_adjustment(meter.usage, is_critical, capacity);
            oom::badness(meter.memory(now), adjustment, budget)
        };
        // Of equals the one that is listed last.
        meters.iter().filter(|meter| meter.memory(now) > 0).max_by_key(|meter| points(meter)).map(|meter| meter.run)
    }

    fn priority(&self, pod: PodId) -> i32 {
        self.model.workload.class(self.world.pods.class[pod.index()]).priority
    }

    /// The kubelet looks at its memory, if it is time for that; whether a pod must go.
    fn observe_memory(&mut self, node: NodeId, meters: &[Meter<'m>]) -> Option<Threshold> {
        let (now, rules) = (self.world.time, &self.model.cluster.eviction);
        let available = self.memory_budget(node).saturating_sub(memory_in_all(meters, now));
        let monitor = &mut self.world.usage.get_mut(node)?.monitor;
        let is_due = match monitor.is_alert() {
            true => monitor.look_at <= now,
            false => available < highest(rules) && monitor.look_from(now, MONITORING_PERIOD) == now,
        };
        if !is_due {
            return None;
        }
        (monitor.looked, monitor.look_at, monitor.evicting) = (now, now.after(MONITORING_PERIOD), None);
        let was_under_pressure = monitor.is_under_pressure;
        let threshold = eviction::observe(monitor, rules, available, now);
        if monitor.is_under_pressure != was_under_pressure {
            self.apply_memory_pressure(node);
        }
        threshold
    }

    /// Tells a pod to end because memory is short.
    fn evict_for_memory(&mut self, node: NodeId, meters: &[Meter<'m>], threshold: Threshold) {
        let now = self.world.time;
        let evictable = |meter: &&Meter<'_>| {
            let pod = meter.run.pod;
            self.priority(pod) < CRITICAL_PRIORITY && self.world.pods.reason[pod.index()] != Reason::Evicted
        };
        let mut candidates: Vec<(PodId, Candidate)> = Vec::new();
        for meter in meters.iter().filter(evictable) {
            let pod = meter.run.pod;
            if candidates.last().is_none_or(|(last, _)| *last != pod) {
                let class = self.model.workload.class(self.world.pods.class[pod.index()]);
                let candidate = Candidate { used: 0, requested: class.requests.memory.0, priority: class.priority };
                candidates.push((pod, candidate));
            }
            if let Some((_, candidate)) = candidates.last_mut() {
                candidate.used = candidate.used.saturating_add(meter.memory(now));
            }
        }
        let first = candidates.iter().min_by(|(_, one), (_, other)| eviction::order(one, other)).map(|(pod, _)| *pod);
        let usage = self.world.usage.get_mut(node).expect("its memory has been looked at");
        let Some(pod) = first else {
            // Nothing can be done until something changes.
            usage.monitor.look_at = SimTime::NEVER;
            return;
        };
        usage.totals.evictions += 1;
        (usage.monitor.evicting, usage.monitor.look_at) = (Some(pod), now.after(CLEANUP_TIMEOUT));
        self.world.pods.reason[pod.index()] = Reason::Evicted;
        self.observer.pod_evicted(&View { model: self.model, world: &self.world }, pod);
        if let Some(member) = self.world.member_mut(pod) {
            member.is_disrupted = true;
        }
        let max_grace = match threshold {
            Threshold::Hard => IMMEDIATE_GRACE,
            Threshold::Soft => self.model.cluster.eviction.max_pod_grace_period,
        };
        let own_grace = self.life_rules(pod).map_or(max_grace, |rules| rules.template.grace_period);
        let grace = if threshold == Threshold::Soft { max_grace.min(own_grace) } else { max_grace };
        self.drive(pod, |driver| driver.terminate(grace));
    }

    /// When the node has to be looked at next if nothing else changes.
    fn next_look(&mut self, node: NodeId, meters: &[Meter<'m>]) -> SimTime {
        let (now, budget) = (self.world.time, self.memory_budget(node));
        let first = |of: &dyn Fn(&Meter<'m>) -> SimTime| meters.iter().map(of).min().unwrap_or(SimTime::NEVER);
        let turn = first(&|meter| meter.next_turn(now, |usage| &usage.memory));
        let excess = first(&|meter| meter.next_excess(now));
        let cpu_turn = first(&|meter| meter.next_turn(now, |usage| &usage.cpu));
        let exhaustion = match crossing(meters, budget.saturating_sub(1), now, turn) {
            // Whoever is to be killed for that has been.
            instant if instant == now => SimTime::NEVER,
            instant => instant,
        };
        let shortage = crossing(meters, budget.saturating_sub(highest(&self.model.cluster.eviction)), now, turn);
        let Some(usage) = self.world.usage.get_mut(node) else { return SimTime::NEVER };
        let monitor = &mut usage.monitor;
        if monitor.is_alert() && monitor.look_at == SimTime::NEVER && monitor.looked != now {
            monitor.look_at = monitor.look_from(now, MONITORING_PERIOD);
        }
        let look = match monitor.is_alert() {
            true => monitor.look_at,
            false if shortage == SimTime::NEVER => SimTime::NEVER,
            false => monitor.look_from(shortage, MONITORING_PERIOD),
        };
        [turn, excess, cpu_turn, exhaustion, look].into_iter().min().unwrap_or(SimTime::NEVER)
    }

    /// Tells the data plane what is left of the node's CPU for requests, should they want all of it: what other containers
    /// want is theirs as far as their shares go.
    fn grant_to_requests(&mut self, node: NodeId, meters: &[Meter<'m>], wants: &[Want], capacity: u64) {
        let is_load = |meter: &Meter<'_>| meter.usage.cpu == Some(Demand::Load);
        if !meters.iter().any(is_load) {
            if let Some(usage) = self.world.usage.get_mut(node) {
                usage.server_milli = None;
            }
            return;
        }
        let at_most = |(meter, want): (&Meter<'_>, &Want)| match is_load(meter) {
            true => Want { milli: meter.usage.cpu_limit.unwrap_or(capacity).min(capacity), shares: want.shares },
            false => Want { milli: want.milli, shares: want.shares },
        };
        let wants: Vec<Want> = meters.iter().zip(wants).map(at_most).collect();
        let granted = cpu::divide(capacity, &wants);
        let of_requests = meters.iter().zip(granted).filter(|(meter, _)| is_load(meter));
        let milli = of_requests.map(|(_, milli)| milli).sum::<f64>();
        if let Some(usage) = self.world.usage.get_mut(node) {
            usage.server_milli = Some(milli);
        }
        self.set_server_cores(node, milli / 1000.0);
    }

    /// Divides the CPU of the node among its containers, and lets those that work for a time do so at their new speed.
    fn share_cpu(&mut self, node: NodeId, meters: &[Meter<'m>]) {
        let now = self.world.time;
        let shape = self.model.cluster.shape(self.world.nodes.shape[node.index()]);
        let capacity = shape.allocatable.cpu.0 + shape.reserved.cpu.0;
        let wants: Vec<Want> = meters
            .iter()
            .map(|meter| {
                let limit = meter.usage.cpu_limit.unwrap_or(u64::MAX);
                Want { milli: meter.cpu(now).min(limit), shares: cpu::shares(meter.usage.cpu_request) }
            })
            .collect();
        self.grant_to_requests(node, meters, &wants, capacity);
        let granted = cpu::divide(capacity, &wants);
        let is_alert = self.world.usage.get(node).is_some_and(|usage| usage.monitor.is_alert());
        self.set_calm(node, calm_up_to(meters, &wants, capacity, now).filter(|_| !is_alert));
        self.observer.usage_changes(&View { model: self.model, world: &self.world }, node);
        let Some(usage) = self.world.usage.get_mut(node) else { return };
        usage.cpu = in_use(meters, &granted);
        usage.set_contended(wants.iter().map(|want| want.milli).sum::<u64>() > capacity);
        let mut paced = Vec::new();
        for (((meter, want), granted), run) in meters.iter().zip(&wants).zip(granted).zip(&mut usage.runs) {
            let demand = meter.cpu(now);
            let speed = if demand == 0 { 1.0 } else { granted / demand as f64 };
            run.is_throttled = demand > want.milli;
            if std::mem::replace(&mut run.speed, speed) != speed {
                paced.push((run.pod, run.container, speed));
            }
        }
        self.observer.usage_changed(&View { model: self.model, world: &self.world }, node);
        for (pod, container, speed) in paced {
            self.drive(pod, |driver| driver.pace(container as usize, speed));
        }
    }
}

/// Up to how many milli-cores for requests nothing but them decides about what containers use: as many as there are, if nothing
/// else makes containers use more or less, and all get what they want.
fn calm_up_to(meters: &[Meter<'_>], wants: &[Want], capacity: u64, now: SimTime) -> Option<u64> {
    let of_load = |demand: &Option<Demand>| demand.as_ref().is_none_or(|demand| *demand == Demand::Load);
    let is_calm = |(meter, want): (&Meter<'_>, &Want)| {
        of_load(&meter.usage.cpu) && of_load(&meter.usage.memory) && want.milli == meter.cpu(now)
    };
    let is_enough = wants.iter().map(|want| want.milli).sum::<u64>() <= capacity;
    (is_enough && meters.iter().zip(wants).all(is_calm)).then_some(capacity)
}

/// The CPU of containers whose use of it is known, when they get that much.
fn in_use(meters: &[Meter<'_>], granted: &[f64]) -> CpuInUse {
    let known = || meters.iter().zip(granted).filter(|(meter, _)| meter.usage.cpu.is_some());
    CpuInUse {
        used_milli: known().map(|(_, granted)| granted).sum::<f64>().round() as u64,
        requested_milli: known().map(|(meter, _)| meter.usage.cpu_request).sum(),
    }
}

/// The highest of the thresholds.
fn highest(rules: &crate::model::Eviction) -> u64 {
    rules.hard.max(rules.soft.map_or(0, |(available, _)| available))
}
