//! Invariants, recomputed from scratch. Slow on purpose: it shares no arithmetic with the incremental counters.

use std::collections::BTreeMap;

use super::{Machine, MachineState, NodeState, Phase, World};
use crate::ids::{MachineId, NodeId, OfferId, PodId};
use crate::model::Model;
use crate::units::SimTime;
use crate::world::nodes::{gpu_kind, mask_devices, scoring_request};

impl World {
    /// Recomputes every counter from the pods and compares.
    ///
    /// # Errors
    /// The first violated invariant, by its number in `DESIGN.md`.
    pub fn check(&self, model: &Model) -> Result<(), String> {
        self.check_phases()?;
        self.check_priorities(model)?;
        self.check_owners()?;
        self.claims.check()?;
        self.volumes.check(model)?;
        self.check_usage(model)?;
        self.check_fleet()?;
        let mut up = super::Totals::default();
        for index in 0..self.nodes.len() {
            self.check_node(model, NodeId::from_index(index), &mut up)?;
        }
        if up != self.totals {
            return Err(format!("I2: totals are {:?}, but the nodes sum to {up:?}", self.totals));
        }
        Ok(())
    }

    /// I1: every pod is in one phase, and holds a node exactly when its phase says so.
    fn check_phases(&self) -> Result<(), String> {
        let mut counts = [0; Phase::COUNT];
        for index in 0..self.pods.len() {
            let phase = self.pods.phase[index];
            counts[phase as usize] += 1;
            if phase.holds_node() != self.pods.node(PodId::from_index(index)).is_some() {
                return Err(format!("I1: pod {index} is {} but its node disagrees", phase.name()));
            }
            if self.pods.arrival[index] > self.time {
                return Err(format!("I3: pod {index} arrived in the future"));
            }
        }
        if counts != self.pods_by_phase {
            return Err(format!("I1: phases count {:?}, but the pods sum to {counts:?}", self.pods_by_phase));
        }
        Ok(())
    }

    /// The pods that hold nodes are counted by their priority.
    fn check_priorities(&self, model: &Model) -> Result<(), String> {
        let mut counts: BTreeMap<i32, u64> = BTreeMap::new();
        for pod in (0..self.pods.len()).map(PodId::from_index).filter(|pod| self.pods.node(*pod).is_some()) {
            *counts.entry(model.workload.class(self.pods.class[pod.index()]).priority).or_default() += 1;
        }
        match self.priorities.are(&counts) {
            true => Ok(()),
            false => Err(format!("priorities of pods are {:?}, but the pods sum to {counts:?}", self.priorities)),
        }
    }

    /// Whether a node has the taints of its condition, which say nothing of trouble while it reports that it is well.
    fn has_right_taints(&self, model: &Model, node: NodeId) -> bool {
        let (i, shape) = (node.index(), self.nodes.shape[node.index()]);
        let (condition, no_execute) = (self.health.condition[i], self.health.no_execute[i]);
        if shape != self.tainted_shape(model, node) {
            return false;
        }
        if model.cluster.lifecycle.is_none() {
            return condition == super::Condition::Ready && no_execute.is_none();
        }
        condition != super::Condition::Unknown || !self.health.is_reporting(node)
    }

    /// I1: owners list their pods once each, ready pods run, and no pod of an owner that is there is lost.
    fn check_owners(&self) -> Result<(), String> {
        let mut listed = vec![false; self.owners.members.len()];
        for owner in self.owners.list.iter().flat_map(|owner| &owner.pods) {
            let number = self.pods.member[owner.index()] as usize;
            if std::mem::replace(&mut listed[number], true) {
                return Err(format!("I1: pod {} is listed twice by its owners", owner.0));
            }
        }
        for (member, listed) in self.owners.members.iter().zip(listed) {
            let phase = self.pods.phase[member.pod.index()];
            if (phase == Phase::Pending || phase.holds_node()) && !listed {
                return Err(format!("I1: pod {} is {} and its owner does not know it", member.name, phase.name()));
            }
            if member.ready_since != SimTime::NEVER && !phase.holds_node() {
                return Err(format!("I1: pod {} is ready and {}", member.name, phase.name()));
            }
        }
        self.check_tallies()
    }

    /// I11: a machine is charged for before its node joins, its node takes pods only after it is ready and until it ends, and
    /// groups know the machines that they have.
    fn check_fleet(&self) -> Result<(), String> {
        let mut present = 0;
        for (index, machine) in self.fleet.machines.iter().enumerate() {
            let id = MachineId::from_index(index);
            let fail = |what: &str| Err(format!("I11: machine {index} is {} and {what}", machine.state.name()));
            let is_over = matches!(machine.state, MachineState::Ended | MachineState::Refused);
            present += usize::from(!is_over);
            if is_over != (machine.ended != SimTime::NEVER)
                || is_over == self.fleet.present(machine.group).contains(&id)
            {
                return fail("its group or its end does not know that");
            }
            let steps = [machine.ordered, machine.launched, machine.joined, machine.ready];
            if steps.windows(2).any(|pair| pair[1] < pair[0])
                || (machine.node.is_some() && machine.ended < machine.joined)
            {
                return fail("its steps are out of order");
            }
            let Some(node) = machine.node else { continue };
            let (state, pods) = (self.nodes.state[node.index()], self.nodes.pod_count[node.index()]);
            let takes_pods = state == NodeState::Ready;
            let may_take = machine.state == MachineState::Ready;
            if takes_pods && !may_take {
                return fail("its node takes pods");
            }
            let is_down = matches!(machine.state, MachineState::Ending);
            if is_down && (pods > 0 || state.is_up()) {
                return fail("its node is there");
            }
        }
        let is_held = |one: &&Machine| one.state <= MachineState::Draining;
        let mut held: BTreeMap<OfferId, u32> = BTreeMap::new();
        self.fleet.machines.iter().filter(is_held).for_each(|one| *held.entry(one.offer).or_default() += 1);
        if let Some((offer, _)) = held.iter().find(|(offer, count)| self.fleet.held(**offer) != **count) {
            return Err(format!("I11: offer {} has another number of machines than the fleet knows", offer.index()));
        }
        match present == self.fleet.present_total() {
            true if self.fleet.is_counted() => Ok(()),
            true => Err("I11: groups have miscounted their machines".to_owned()),
            false => Err(format!("I11: {present} machines are there, and groups know another number")),
        }
    }

    /// The containers whose usage is counted are those that run and of which it is known.
    fn check_usage(&self, model: &Model) -> Result<(), String> {
        let mut counted = 0;
        for (node, usage) in self.usage.iter() {
            for run in &usage.runs {
                let life = self.member(run.pod).and_then(|member| member.life.as_deref());
                let state = life.map(|life| &life.containers[run.container as usize]);
                let is_right = state.is_some_and(|state| state.restarts == run.run && state.running().is_some());
                if !is_right || self.pods.node(run.pod) != Some(node) {
                    return Err(format!("usage of a container of pod {} is counted on node {node:?}", run.pod.0));
                }
            }
            counted += usage.runs.len();
        }
        let mut running = 0;
        for member in &self.owners.members {
            let is_there = |life: &&super::lives::Life| self.pods.node(member.pod).is_some() && !life.is_over();
            let Some(life) = member.life.as_deref().filter(is_there) else { continue };
            let template = self.life_of(&model.controllers, member);
            let containers = template.init_containers.iter().chain(&template.containers);
            let known = life
                .containers
                .iter()
                .zip(containers)
                .filter(|(_, container)| container.usage.as_ref().is_some_and(|usage| usage.is_known()));
            running += known.filter(|(state, _)| state.running().is_some()).count();
        }
        if counted == running {
            Ok(())
        } else {
            Err(format!("usage of {counted} containers is counted, and {running} run of which it is known"))
        }
    }

    /// I2: what a node has left is what it offers less what its pods request.
    fn check_node(&self, model: &Model, node: NodeId, up: &mut super::Totals) -> Result<(), String> {
        let i = node.index();
        let shape = model.cluster.shape(self.nodes.shape[i]);
        let fail = |what: &str| Err(format!("I2: node {}: {what} is off", self.nodes.name(node)));
        let mut free = shape.allocatable.clone();
        free.extended.resize(model.cluster.extended_resources.len(), 0);
        let mut gpu_left = vec![1000u16; self.nodes.gpu_count(node) as usize];
        let (mut scoring_cpu, mut scoring_memory, mut pods) = (0, 0, 0);
        let mut kinds = [0; super::nodes::GPU_KINDS];
        for pod in self.nodes.pods(&self.pods, node) {
            if self.pods.node(pod) != Some(node) {
                return fail("its list of pods");
            }
            let class = model.workload.class(self.pods.class[pod.index()]);
            pods += 1;
            free.cpu -= class.requests.cpu;
            free.memory -= class.requests.memory;
            free.ephemeral_storage -= class.requests.ephemeral_storage;
            free.pods = free.pods.checked_sub(class.requests.pods).ok_or("I2: pod slots")?;
            for (left, amount) in free.extended.iter_mut().zip(&class.requests.extended) {
                *left = left.checked_sub(*amount).ok_or("I2: an extended resource")?;
            }
            let (cpu, memory) = scoring_request(class);
            scoring_cpu += cpu;
            scoring_memory += memory;
            if let Some(request) = &class.gpu {
                kinds[gpu_kind(request)] += 1;
                for device in mask_devices(self.pods.gpus(pod)) {
                    gpu_left[device] = gpu_left[device].checked_sub(request.milli).ok_or("I2: a GPU")?;
                }
            }
        }
        let nodes = &self.nodes;
        let extended_agree = nodes.free_extended.iter().zip(&free.extended).all(|(column, left)| column[i] == *left);
        for (what, agrees) in [
            ("free cpu", nodes.free_cpu[i] == free.cpu.0),
            ("free memory", nodes.free_memory[i] == free.memory.0),
            ("free ephemeral storage", nodes.free_ephemeral_storage[i] == free.ephemeral_storage.0),
            ("free pod slots", nodes.free_pods[i] == free.pods),
            ("free extended resources", extended_agree),
            ("GPU left", nodes.gpu_left(node) == gpu_left),
            ("GPU left in all", nodes.gpu_left_total[i] == gpu_left.iter().map(|&left| u32::from(left)).sum::<u32>()),
            ("GPU kinds", nodes.gpu_kind_pods[i] == kinds),
            ("cpu for scoring", nodes.scoring_cpu[i] == scoring_cpu),
            ("memory for scoring", nodes.scoring_memory[i] == scoring_memory),
            ("pod count", nodes.pod_count[i] == pods),
            ("pods on a node that is down", pods == 0 || nodes.state[i].is_up()),
            ("its taints", self.has_right_taints(model, node)),
        ] {
            if !agrees {
                return fail(what);
            }
        }
        if nodes.state[i].is_up() {
            up.nodes_up += 1;
            up.cpu_allocatable += nodes.cpu[i];
            up.cpu_allocated += nodes.cpu[i] - free.cpu.0;
            up.memory_allocatable += nodes.memory[i];
            up.memory_allocated += nodes.memory[i] - free.memory.0;
            up.gpu_allocatable += 1000 * gpu_left.len() as u64;
            up.gpu_allocated += gpu_left.iter().map(|&left| 1000 - u64::from(left)).sum::<u64>();
        }
        Ok(())
    }
}
