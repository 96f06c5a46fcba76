//! Faults begin and end, listed or drawn.

use std::collections::{BTreeMap, BTreeSet};

use crate::engine::event::NodeStep;
use crate::engine::run::Simulation;
use crate::engine::{Event, Step};
use crate::ids::{NodeId, PodId, PoolId, ZoneId};
use crate::model::Dist;
use crate::model::faults::{FaultKind, NodeFailures, PodCrashes, SpotReclaims};
use crate::observe::Observer;
use crate::units::{SimDuration, SimTime};
use crate::world::NodeState;
use crate::world::health::Services;
use crate::world::pods::Reason;

/// Listed faults that have begun and are not over.
#[derive(Debug, Default)]
pub(in crate::engine) struct ActiveFaults {
    active: BTreeSet<u32>,
    /// The nodes that each of them struck.
    struck: BTreeMap<u32, Vec<NodeId>>,
    /// How often each node has failed by its distribution.
    failures: BTreeMap<NodeId, u32>,
    /// How often a container of each pod was made to die.
    crashes: BTreeMap<PodId, u32>,
}

impl<O: Observer> Simulation<'_, O> {
    /// Schedules the faults that are known at the start.
    pub(in crate::engine) fn schedule_faults(&mut self) {
        for (index, fault) in self.model.faults.listed.iter().enumerate() {
            self.schedule(fault.at, Event::Fault { index: index as u32 });
        }
        (0..self.world.nodes.len()).map(NodeId::from_index).for_each(|node| self.schedule_faults_of(node));
    }

    /// Schedules what a node that joins will meet with.
    pub(in crate::engine) fn schedule_faults_of(&mut self, node: NodeId) {
        self.schedule_failure(node);
        if let Some(reclaims) = self.reclaims_of(node) {
            let at = self.draw_after("fault/time-to-reclaim", &reclaims.time_to_reclaim, node, 0);
            self.schedule_node_step(node, at, NodeStep::ReclaimNotice);
        }
    }

    fn pool_of(&self, node: NodeId) -> Option<PoolId> {
        self.model.cluster.shape(self.world.nodes.shape[node.index()]).pool
    }

    fn failures_of(&self, node: NodeId) -> Option<&NodeFailures> {
        let pool = self.pool_of(node);
        self.model.faults.nodes.iter().find(|failures| failures.pool.is_none() || failures.pool == pool)
    }

    fn reclaims_of(&self, node: NodeId) -> Option<&SpotReclaims> {
        let pool = self.pool_of(node);
        self.model.faults.spot.iter().find(|reclaims| Some(reclaims.pool) == pool && self.is_reclaimable(node))
    }

    /// An instant that is drawn from a stream of this node alone: the `number`-th of that name.
    fn draw_after(&self, stream: &str, dist: &Dist, node: NodeId, number: u32) -> SimTime {
        let mut stream = self.model.seed.stream(stream, u64::from(node.0) | u64::from(number) << 32);
        self.world.time.after(dist.sample(&mut stream))
    }

    fn schedule_failure(&mut self, node: NodeId) {
        let number = self.faults.failures.get(&node).copied().unwrap_or(0);
        if let Some(failures) = self.failures_of(node) {
            let at = self.draw_after("fault/time-to-failure", &failures.time_to_failure, node, number);
            self.schedule_node_step(node, at, NodeStep::Fail);
        }
    }

    pub(in crate::engine) fn on_failure(&mut self, node: NodeId) {
        if !self.is_there(node) {
            return;
        }
        self.shift_down(node, 1);
        let number = self.faults.failures.entry(node).or_insert(0);
        *number += 1;
        let number = *number;
        if let Some(failures) = self.failures_of(node) {
            let at = self.draw_after("fault/time-to-repair", &failures.time_to_repair, node, number);
            self.schedule_node_step(node, at, NodeStep::Repair);
        }
    }

    pub(in crate::engine) fn on_repair(&mut self, node: NodeId) {
        if self.is_there(node) {
            self.shift_down(node, -1);
            self.schedule_failure(node);
        }
    }

    fn crashes_of(&self, pod: PodId) -> Option<&PodCrashes> {
        let controller = self.world.controller_of(pod)?;
        self.model.faults.pods.iter().find(|crashes| crashes.controller == controller)
    }

    /// Schedules the next crash of a pod that is with its node.
    pub(in crate::engine) fn schedule_pod_crash(&mut self, pod: PodId) {
        let Some(crashes) = self.crashes_of(pod) else { return };
        let serial = self.world.member(pod).map_or(0, |member| member.serial);
        let identity = u64::from(crashes.controller.0) << 32 | u64::from(serial);
        let number = self.faults.crashes.get(&pod).copied().unwrap_or(0);
        let mut stream = self.model.seed.stream(&format!("fault/pod-crash/{number}"), identity);
        let delay = crashes.time_to_crash.sample(&mut stream);
        self.schedule_step(pod, delay, Step::Crash);
    }

    pub(in crate::engine) fn on_pod_crash(&mut self, pod: PodId) {
        let Some(exit_code) = self.crashes_of(pod).map(|crashes| crashes.exit_code) else { return };
        *self.faults.crashes.entry(pod).or_insert(0) += 1;
        self.schedule_pod_crash(pod);
        self.crash_life(pod, exit_code);
    }

    /// The provider says when the node goes: until then it takes no pods, and those it has are told to end.
    pub(in crate::engine) fn on_reclaim_notice(&mut self, node: NodeId) {
        let notice = self.reclaims_of(node).map_or(SimDuration::ZERO, |reclaims| reclaims.notice);
        self.reclaim(node, Some(notice));
    }

    pub(in crate::engine) fn reclaim(&mut self, node: NodeId, notice: Option<SimDuration>) {
        if !self.is_there(node) {
            return;
        }
        self.change_state(node, NodeState::Cordoned);
        for pod in self.pods_on(node) {
            self.apply_deletion(pod, Reason::NodeReclaimed);
        }
        let at = self.world.time.after(notice.unwrap_or(SimDuration::ZERO));
        self.note_reclaim(node, at);
        self.schedule_node_step(node, at, NodeStep::Reclaim);
    }

    pub(in crate::engine) fn on_fault(&mut self, index: u32) {
        let fault = self.model.faults.listed[index as usize];
        if let FaultKind::Reclaim(node) = fault.kind {
            return self.reclaim(node, fault.span);
        }
        self.faults.active.insert(index);
        let struck = self.struck_by(fault.kind);
        for &node in &struck {
            self.shift(fault.kind, node, 1);
        }
        self.faults.struck.insert(index, struck);
        self.update_services();
        if let Some(span) = fault.span {
            self.schedule(self.world.time.after(span), Event::FaultEnds { index });
        }
    }

    pub(in crate::engine) fn on_fault_ends(&mut self, index: u32) {
        let kind = self.model.faults.listed[index as usize].kind;
        self.faults.active.remove(&index);
        // Nodes report to an API server that answers.
        let was_up = self.world.health.services.api_server_is_up;
        self.update_services();
        for node in self.faults.struck.remove(&index).unwrap_or_default() {
            if self.is_there(node) {
                self.shift(kind, node, -1);
            }
        }
        if !was_up && self.world.health.services.api_server_is_up {
            self.resume_control_plane();
        }
    }

    /// The nodes that a fault strikes when it begins.
    fn struck_by(&self, kind: FaultKind) -> Vec<NodeId> {
        let in_zone = |zone: ZoneId| {
            move |node: &NodeId| self.model.cluster.shape(self.world.nodes.shape[node.index()]).zone == Some(zone)
        };
        let there = (0..self.world.nodes.len()).map(NodeId::from_index).filter(|&node| self.is_there(node));
        match kind {
            FaultKind::NodeDown(node) => there.filter(|&other| other == node).collect(),
            FaultKind::ZoneDown(zone) | FaultKind::ZoneCutOff(zone) => there.filter(in_zone(zone)).collect(),
            FaultKind::ApiServerDown => there.collect(),
            FaultKind::ApiServerSlow(_)
            | FaultKind::RegistrySlow(_)
            | FaultKind::StockOut(_)
            | FaultKind::Reclaim(_) => Vec::new(),
        }
    }

    fn shift(&mut self, kind: FaultKind, node: NodeId, change: i16) {
        match kind {
            FaultKind::NodeDown(_) | FaultKind::ZoneDown(_) => self.shift_down(node, change),
            _ => self.shift_cut_off(node, change),
        }
    }

    /// Works out the state of the services from the faults that are active: of two that slow one down the worse counts.
    fn update_services(&mut self) {
        let mut services = Services::default();
        for &index in &self.faults.active {
            match self.model.faults.listed[index as usize].kind {
                FaultKind::ApiServerDown => services.api_server_is_up = false,
                FaultKind::ApiServerSlow(factor) => {
                    services.api_server_slowdown = services.api_server_slowdown.max(factor);
                }
                FaultKind::RegistrySlow(factor) => {
                    services.registry_slowdown = services.registry_slowdown.max(factor);
                }
                FaultKind::StockOut(pool) => {
                    services.stocked_out.resize(self.model.cluster.pools.len(), false);
                    services.stocked_out[pool.index()] = true;
                }
                FaultKind::NodeDown(_) | FaultKind::ZoneDown(_) | FaultKind::ZoneCutOff(_) | FaultKind::Reclaim(_) => {}
            }
        }
        let before = std::mem::replace(&mut self.world.health.services, services);
        if before.registry_slowdown != self.world.health.services.registry_slowdown {
            self.set_registry_speed();
        }
    }

    /// Whether the pool gets no new nodes.
    pub(in crate::engine) fn is_stocked_out(&self, pool: PoolId) -> bool {
        self.world.health.services.stocked_out.get(pool.index()).copied().unwrap_or(false)
    }
}
