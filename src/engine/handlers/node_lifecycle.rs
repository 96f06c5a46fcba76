//! The control plane notices nodes that do not report, taints them, and evicts their pods; nodes come back.
//!
//! Passes of the control plane's loops that cannot change anything are left out: the next one that can is known from
//! when nodes were last heard of and from the rates. Without a node lifecycle in the model all of this is idle.
//!
//! Cost: a pass looks at every node; there are a few of them for each node that fails.

use std::collections::{BTreeMap, BTreeSet};

use crate::engine::event::NodeStep;
use crate::engine::run::Simulation;
use crate::engine::{Event, Step};
use crate::ids::{ControllerId, NodeId, PodId};
use crate::model::{Model, NodeLifecycle};
use crate::observe::Observer;
use crate::policy::controllers::node_lifecycle::{Limiter, Stay, ZoneState, collected_at, next_pass, stay, unknown_at};
use crate::units::SimTime;
use crate::world::pods::Reason;
use crate::world::{Condition, Kubelet, NodeState, Phase};

/// What is known of nodes beside their conditions.
#[derive(Debug)]
pub(in crate::engine) struct Lifecycle {
    nodes: Vec<Contact>,
    /// By zone; the last is for nodes without one.
    zones: Vec<Zone>,
    /// When the pending [`Event::Monitor`] is due; [`SimTime::NEVER`]: there is none.
    monitor_at: SimTime,
    /// When the pending [`Event::Taint`] is due.
    taint_at: SimTime,
    /// When pods have to go for a taint.
    evictions: BTreeMap<PodId, SimTime>,
    /// What pods on nodes that are cut off have done since, in order.
    unseen: BTreeMap<NodeId, Vec<UnseenStep>>,
    /// Pods, with their generation, that could not be bound because the API server did not answer.
    unbound: Vec<(PodId, u16)>,
}

/// Something that a pod has done and nobody has seen.
#[derive(Clone, Copy, Debug)]
struct UnseenStep {
    pod: PodId,
    generation: u16,
    step: Step,
    at: SimTime,
}

/// Whether a node is there, and why not.
#[derive(Clone, Copy, Debug)]
struct Contact {
    /// When it was last heard of; while it reports: when its reports began.
    heartbeat: SimTime,
    /// How many faults keep it down.
    down: u16,
    /// How many faults keep it from being heard.
    cut_off: u16,
    /// How often it has gone down.
    boot: u16,
    /// Whether its pods have not been started again since it went down.
    must_restart: bool,
    /// Whether it is gone for good, and only its pods are still to be deleted.
    is_gone: bool,
}

/// A zone, as the node lifecycle controller sees it.
#[derive(Debug)]
struct Zone {
    state: Option<ZoneState>,
    limiter: Limiter,
    /// Nodes that wait for their taint.
    waiting: BTreeSet<NodeId>,
}

impl Lifecycle {
    pub(in crate::engine) fn new(model: &Model) -> Lifecycle {
        let rate = model.cluster.lifecycle.as_ref().map_or(0.0, |parameters| parameters.eviction_rate);
        let zone = || Zone { state: None, limiter: Limiter::new(rate, SimTime::ZERO), waiting: BTreeSet::new() };
        let mut lifecycle = Lifecycle {
            nodes: Vec::new(),
            zones: (0..=model.cluster.zones.len()).map(|_| zone()).collect(),
            monitor_at: SimTime::NEVER,
            taint_at: SimTime::NEVER,
            evictions: BTreeMap::new(),
            unseen: BTreeMap::new(),
            unbound: Vec::new(),
        };
        model.cluster.nodes.iter().for_each(|_| lifecycle.add_node(SimTime::ZERO));
        lifecycle
    }

    pub(in crate::engine) fn add_node(&mut self, now: SimTime) {
        self.nodes.push(Contact { heartbeat: now, down: 0, cut_off: 0, boot: 0, must_restart: false, is_gone: false });
    }

    /// A pod has left its node.
    pub(in crate::engine) fn forget(&mut self, pod: PodId) {
        self.evictions.remove(&pod);
    }
}

impl<'m, O: Observer> Simulation<'m, O> {
    pub(in crate::engine) fn has_lifecycle(&self) -> bool {
        self.model.cluster.lifecycle.is_some()
    }

    fn lifecycle_parameters(&self) -> &'m NodeLifecycle {
        self.model.cluster.lifecycle.as_ref().expect("nodes fall silent only with a node lifecycle")
    }

    fn zone_of(&self, node: NodeId) -> usize {
        let shape = self.model.cluster.shape(self.world.nodes.shape[node.index()]);
        shape.zone.map_or(self.model.cluster.zones.len(), |zone| zone.index())
    }

    /// Whether the node is part of the cluster and not about to be forgotten.
    pub(in crate::engine) fn is_there(&self, node: NodeId) -> bool {
        self.is_up(node) && !self.lifecycle.nodes[node.index()].is_gone
    }

    /// One more fault, or one fewer (`change` is 1 or -1), keeps the node down.
    pub(in crate::engine) fn shift_down(&mut self, node: NodeId, change: i16) {
        let down = &mut self.lifecycle.nodes[node.index()].down;
        *down = down.checked_add_signed(change).expect("faults end once");
        self.update_contact(node);
    }

    /// One more fault, or one fewer, keeps the node from being heard.
    pub(in crate::engine) fn shift_cut_off(&mut self, node: NodeId, change: i16) {
        let cut_off = &mut self.lifecycle.nodes[node.index()].cut_off;
        *cut_off = cut_off.checked_add_signed(change).expect("faults end once");
        self.update_contact(node);
    }

    /// The node goes down for good.
    pub(in crate::engine) fn put_down(&mut self, node: NodeId) {
        if self.is_there(node) {
            self.shift_down(node, 1);
        }
    }

    /// The node leaves the cluster; its pods are deleted when that has been noticed.
    pub(in crate::engine) fn lose_node(&mut self, node: NodeId) {
        if !self.is_there(node) {
            return;
        }
        if self.world.nodes.pod_count[node.index()] == 0 {
            self.apply_node_state(node, NodeState::Removed);
        } else {
            self.apply_node_state(node, NodeState::Cordoned);
            self.shift_down(node, 1);
            self.lifecycle.nodes[node.index()].is_gone = true;
            self.note_node_gone(node);
            self.schedule_node_step(node, collected_at(self.world.time), NodeStep::Collect);
        }
        self.look_at_nodes_soon();
    }

    pub(in crate::engine) fn schedule_node_step(&mut self, node: NodeId, at: SimTime, step: NodeStep) {
        let boot = self.lifecycle.nodes[node.index()].boot;
        self.schedule(at, Event::Node { step, boot, node });
    }

    /// Brings the kubelet into line with the faults around it.
    fn update_contact(&mut self, node: NodeId) {
        let now = self.world.time;
        let contact = &mut self.lifecycle.nodes[node.index()];
        let kubelet = match (contact.down, contact.cut_off) {
            (0, 0) => Kubelet::Reporting,
            (0, _) => Kubelet::CutOff,
            _ => Kubelet::Down,
        };
        let before = self.world.health.kubelet[node.index()];
        if kubelet == before || !self.is_there(node) {
            return;
        }
        self.apply_kubelet(node, kubelet);
        if before == Kubelet::Reporting {
            // The report of this very instant is not made any more, except the first of all.
            let period = self.lifecycle_parameters().heartbeat_period.0;
            let contact = &mut self.lifecycle.nodes[node.index()];
            let reports = now.since(contact.heartbeat).0.saturating_sub(1) / period;
            contact.heartbeat = SimTime(contact.heartbeat.0 + reports * period);
            self.look_at_nodes_again();
        }
        match kubelet {
            Kubelet::Reporting => self.report(node),
            Kubelet::CutOff => {}
            Kubelet::Down => {
                let contact = &mut self.lifecycle.nodes[node.index()];
                contact.boot = contact.boot.wrapping_add(1);
                contact.must_restart = true;
                self.lifecycle.unseen.remove(&node);
                self.apply_stop(node);
            }
        }
    }

    /// The node is heard again: it says how it is, and what its pods have done.
    fn report(&mut self, node: NodeId) {
        let now = self.world.time;
        let contact = &mut self.lifecycle.nodes[node.index()];
        contact.heartbeat = now;
        let (boot, must_restart) = (contact.boot, contact.must_restart);
        if must_restart {
            let mut stream = self.model.seed.stream("fault/boot", u64::from(node.0) | u64::from(boot) << 32);
            let not_ready = self.lifecycle_parameters().boot_not_ready.sample(&mut stream);
            if not_ready.0 > 0 {
                self.apply_condition(node, Condition::NotReady);
                self.schedule_node_step(node, now.after(not_ready), NodeStep::BecomeReady);
            } else {
                self.become_ready(node);
            }
        } else {
            self.apply_condition(node, Condition::Ready);
            self.pods_on(node).into_iter().for_each(|pod| self.note_life(pod));
        }
        for UnseenStep { pod, generation, step, at } in self.lifecycle.unseen.remove(&node).unwrap_or_default() {
            // What the control plane has given up in the meantime does not begin any more.
            let is_there = self.world.pods.node(pod) == Some(node);
            if is_there && generation == self.world.pods.generation[pod.index()] {
                match step {
                    Step::Start => self.apply_running(pod, at),
                    Step::Finish => self.apply_end(pod, Phase::Succeeded, Reason::None),
                    Step::End => self.on_step(pod, Step::End),
                    Step::Bind | Step::Decide | Step::Life | Step::Crash => self.begin_start(pod),
                }
            }
        }
        self.apply_deletions(node, must_restart);
        self.look_at_nodes_soon();
    }

    /// The node has booted: its pods start again.
    fn become_ready(&mut self, node: NodeId) {
        self.lifecycle.nodes[node.index()].must_restart = false;
        if self.world.health.is_reporting(node) {
            self.apply_condition(node, Condition::Ready);
            self.apply_deletions(node, true);
            self.look_at_nodes_soon();
        }
        self.apply_restart(node);
    }

    pub(in crate::engine) fn on_node_step(&mut self, node: NodeId, step: NodeStep, boot: u16) {
        match step {
            NodeStep::BecomeReady if boot == self.lifecycle.nodes[node.index()].boot => self.become_ready(node),
            NodeStep::BecomeReady => {}
            NodeStep::Collect => {
                self.evict_all(node, Phase::Failed, Reason::NodeRemoved);
                self.apply_node_state(node, NodeState::Removed);
            }
            NodeStep::CollectTerminating => self.collect_terminating(node),
            NodeStep::Fail => self.on_failure(node),
            NodeStep::Repair => self.on_repair(node),
            NodeStep::ReclaimNotice => self.on_reclaim_notice(node),
            NodeStep::Reclaim => self.lose_node(node),
        }
    }

    /// Whether a step of a pod does not happen, or is not seen, because of its node. What is not seen is kept.
    pub(in crate::engine) fn is_held_back(&mut self, pod: PodId, step: Step) -> bool {
        if !self.has_lifecycle() {
            return false;
        }
        let node = self.world.pods.node(pod).expect("a pod that starts or ends has a node");
        let kubelet = self.world.health.kubelet[node.index()];
        match kubelet {
            Kubelet::Reporting => self.lifecycle.nodes[node.index()].must_restart,
            Kubelet::Down => true,
            // What containers do goes on, and is noted when somebody can see it.
            Kubelet::CutOff if step == Step::Start && self.begin_life(pod) => true,
            Kubelet::CutOff => {
                let generation = self.world.pods.generation[pod.index()];
                if !self.lifecycle.nodes[node.index()].must_restart {
                    let at = self.world.time;
                    self.lifecycle.unseen.entry(node).or_default().push(UnseenStep { pod, generation, step, at });
                }
                if step == Step::Start {
                    self.begin_work(pod);
                }
                true
            }
        }
    }

    /// Whether anybody sees what a pod does.
    pub(in crate::engine) fn is_seen(&self, pod: PodId) -> bool {
        self.world.pods.node(pod).is_none_or(|node| self.world.health.is_reporting(node))
    }

    /// Whether the node of a pod does what it is told.
    pub(in crate::engine) fn hears_of(&self, pod: PodId) -> bool {
        let node = self.world.pods.node(pod).filter(|_| self.has_lifecycle());
        node.is_none_or(|node| self.world.health.is_reporting(node) && !self.lifecycle.nodes[node.index()].must_restart)
    }

    /// Whether the pod cannot be bound because the API server does not answer; it is bound when it does again.
    pub(in crate::engine) fn awaits_api_server(&mut self, pod: PodId) -> bool {
        let is_up = self.world.health.services.api_server_is_up;
        if !is_up {
            self.lifecycle.unbound.push((pod, self.world.pods.generation[pod.index()]));
        }
        !is_up
    }

    /// The API server answers again: what has waited for it goes on.
    pub(in crate::engine) fn resume_control_plane(&mut self) {
        for (pod, generation) in std::mem::take(&mut self.lifecycle.unbound) {
            if generation == self.world.pods.generation[pod.index()] {
                self.apply_binding(pod);
            }
        }
        for index in 0..self.model.controllers.list.len() {
            self.request_sync(ControllerId::from_index(index), self.world.time);
        }
        let overdue: Vec<PodId> = self.lifecycle.evictions.keys().copied().collect();
        for pod in overdue {
            let due = self.lifecycle.evictions[&pod].max(self.world.time);
            self.lifecycle.evictions.insert(pod, due);
            self.schedule(due, Event::TaintEviction { pod });
        }
        self.look_at_nodes_soon();
        self.taint_soon();
        self.request_scheduling();
    }

    /// Sees to it that the next pass looks at the nodes: something about them has changed.
    pub(in crate::engine) fn look_at_nodes_soon(&mut self) {
        if let Some(parameters) = &self.model.cluster.lifecycle {
            self.look_at_nodes(next_pass(self.world.time, parameters.monitor_period));
        }
    }

    /// Sees to it that a pass looks at the nodes when the first of those that are silent is to be given up.
    fn look_at_nodes_again(&mut self) {
        let health = &self.world.health;
        let silent = (0..self.lifecycle.nodes.len()).map(NodeId::from_index).filter(|&node| {
            !health.is_reporting(node) && health.condition[node.index()] != Condition::Unknown && self.is_there(node)
        });
        let given_up =
            |node: NodeId| unknown_at(self.lifecycle.nodes[node.index()].heartbeat, self.lifecycle_parameters());
        if let Some(first) = silent.map(given_up).min() {
            self.look_at_nodes(first.max(next_pass(self.world.time, self.lifecycle_parameters().monitor_period)));
        }
    }

    fn look_at_nodes(&mut self, at: SimTime) {
        if at < self.lifecycle.monitor_at {
            self.lifecycle.monitor_at = at;
            self.schedule(at, Event::Monitor);
        }
    }

    /// A pass over all nodes (`monitorNodeHealth`).
    pub(in crate::engine) fn on_monitor(&mut self) {
        if self.lifecycle.monitor_at != self.world.time {
            return;
        }
        self.lifecycle.monitor_at = SimTime::NEVER;
        if !self.world.health.services.api_server_is_up {
            return;
        }
        let mut counts = vec![(0, 0); self.lifecycle.zones.len()];
        for node in (0..self.world.nodes.len()).map(NodeId::from_index) {
            if !self.is_there(node) {
                continue;
            }
            self.look_at_node(node);
            let zone = self.zone_of(node);
            match self.world.health.condition[node.index()] {
                Condition::Ready => counts[zone].0 += 1,
                Condition::NotReady | Condition::Unknown => counts[zone].1 += 1,
            }
        }
        self.handle_disruption(&counts);
        self.look_at_nodes_again();
        self.taint_soon();
    }

    fn look_at_node(&mut self, node: NodeId) {
        let i = node.index();
        let is_silent = !self.world.health.is_reporting(node);
        if is_silent
            && self.world.health.condition[i] != Condition::Unknown
            && self.world.time >= unknown_at(self.lifecycle.nodes[i].heartbeat, self.lifecycle_parameters())
        {
            self.apply_condition(node, Condition::Unknown);
            self.apply_not_ready(node);
        }
        let zone = self.zone_of(node);
        let trouble = self.world.health.condition[i].trouble();
        match (trouble, self.world.health.no_execute[i]) {
            (None, _) => self.mark_as_reachable(node),
            (Some(_), None) => {
                self.lifecycle.zones[zone].waiting.insert(node);
            }
            // A taint of the other kind is exchanged without waiting.
            (Some(_), Some(_)) => self.apply_no_execute(node, trouble),
        }
    }

    fn mark_as_reachable(&mut self, node: NodeId) {
        let zone = self.zone_of(node);
        self.lifecycle.zones[zone].waiting.remove(&node);
        self.apply_no_execute(node, None);
    }

    /// Sets the rates by how many nodes of each zone are ready and not ready (`handleDisruption`).
    fn handle_disruption(&mut self, counts: &[(u32, u32)]) {
        let (now, parameters) = (self.world.time, self.lifecycle_parameters());
        let state = |&(ready, not_ready): &(u32, u32)| {
            (ready + not_ready > 0).then(|| ZoneState::of(ready, not_ready, parameters))
        };
        let states: Vec<Option<ZoneState>> = counts.iter().map(state).collect();
        let is_full = |state: &Option<ZoneState>| *state == Some(ZoneState::FullDisruption);
        let all_are = states.iter().filter(|state| state.is_some()).all(is_full);
        let zones = self.lifecycle.zones.iter();
        let all_were = zones.zip(&states).filter(|(_, now)| now.is_some()).all(|(zone, _)| is_full(&zone.state));
        if all_are && !all_were {
            // Rather the control plane is cut off than all nodes gone: no pod goes for that.
            (0..self.world.nodes.len()).map(NodeId::from_index).for_each(|node| {
                if self.is_there(node) {
                    self.mark_as_reachable(node);
                }
            });
        } else if all_were && !all_are {
            // Those that are still silent get the whole grace period again.
            for (contact, kubelet) in self.lifecycle.nodes.iter_mut().zip(&self.world.health.kubelet) {
                if *kubelet != Kubelet::Reporting {
                    contact.heartbeat = now;
                }
            }
        }
        for (index, state) in states.into_iter().enumerate() {
            let zone = &mut self.lifecycle.zones[index];
            let nodes = counts[index].0 + counts[index].1;
            match state {
                Some(_) if all_are => zone.limiter.swap(0.0, now),
                Some(state) if all_were || zone.state != Some(state) => {
                    zone.limiter.swap(state.eviction_rate(nodes, parameters), now);
                }
                _ => {}
            }
            zone.state = state;
        }
    }

    /// Sees to it that nodes that wait for their taint get it when there is a token.
    fn taint_soon(&mut self) {
        let zones = self.lifecycle.zones.iter().filter(|zone| !zone.waiting.is_empty());
        let next = zones.filter_map(|zone| zone.limiter.next_token(self.world.time)).min();
        if let Some(next) = next.filter(|&next| next < self.lifecycle.taint_at) {
            self.lifecycle.taint_at = next;
            self.schedule(next, Event::Taint);
        }
    }

    /// A pass over the nodes that wait for their taint (`doNoExecuteTaintingPass`).
    pub(in crate::engine) fn on_taint(&mut self) {
        let now = self.world.time;
        if self.lifecycle.taint_at != now {
            return;
        }
        self.lifecycle.taint_at = SimTime::NEVER;
        if !self.world.health.services.api_server_is_up {
            return;
        }
        for zone in 0..self.lifecycle.zones.len() {
            while let Some(&node) = self.lifecycle.zones[zone].waiting.first() {
                if !self.lifecycle.zones[zone].limiter.try_accept(now) {
                    break;
                }
                self.lifecycle.zones[zone].waiting.remove(&node);
                let trouble = self.world.health.condition[node.index()].trouble();
                // One that reports again, or is gone, has used a token all the same.
                if trouble.is_some() && self.is_there(node) {
                    self.apply_no_execute(node, trouble);
                }
            }
        }
        self.taint_soon();
    }

    /// The taints of a node have changed: its pods may have to go, or may stay.
    pub(in crate::engine) fn review_pods(&mut self, node: NodeId) {
        for pod in self.pods_on(node) {
            self.review_pod(pod);
        }
    }

    /// Sets the date at which a pod has to go for the taints of its node (`processPodOnNode`).
    pub(in crate::engine) fn review_pod(&mut self, pod: PodId) {
        let is_bound = matches!(self.world.pods.phase[pod.index()], Phase::Starting | Phase::Running);
        let Some(node) = self.world.pods.node(pod).filter(|_| is_bound && self.has_lifecycle()) else { return };
        let shape = self.model.cluster.shape(self.world.nodes.shape[node.index()]);
        let class = self.model.workload.class(self.world.pods.class[pod.index()]);
        let now = self.world.time;
        let due = match stay(&class.tolerations, &shape.taints) {
            Stay::Forever => {
                self.lifecycle.evictions.remove(&pod);
                return;
            }
            // The time runs from the first taint on, whatever comes after it.
            Stay::For(_) if self.lifecycle.evictions.contains_key(&pod) => return,
            Stay::For(span) => now.after(span),
            Stay::NotAtAll => now,
        };
        self.lifecycle.evictions.insert(pod, due);
        self.schedule(due, Event::TaintEviction { pod });
    }

    pub(in crate::engine) fn on_taint_eviction(&mut self, pod: PodId) {
        let is_due = self.lifecycle.evictions.get(&pod) == Some(&self.world.time);
        if is_due && self.world.health.services.api_server_is_up {
            self.lifecycle.evictions.remove(&pod);
            self.apply_deletion(pod, Reason::TaintEviction);
        }
    }
}
