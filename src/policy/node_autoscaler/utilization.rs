//! `utilization`: as many machines as keep what pods request at a share of what the machines offer.
//!
//! Every `period` the rule takes, of CPU and memory, the greater share that pods on the ready machines of all its groups
//! request, those counted in that wait for a place. It wants that share divided by `target` times as many machines as there
//! are: the step from metric to size that target tracking of the cloud providers makes. More are bought at once, of the
//! groups in turn; fewer only after the wish has been lower for all of `scaleInDelay`, those first that have the fewest
//! pods. It knows nothing of which pod fits where, which is what it is there to show.
//!
//! Parameters: `target`, `period`, `scaleInDelay`.
//!
//! Source: target tracking of AWS Auto Scaling on the reserved share of a cluster (`CPUReservation`, `MemoryReservation`).
//! Cost: O(machines + waiting pods) a turn.

use std::collections::VecDeque;

use serde::Deserialize;
use serde_json::Value;

use super::{Action, NodeAutoscaler, NodeAutoscalerRow, Order, Patience, Seen, Setting, Turn};
use crate::ids::{GroupId, MachineId, OfferId};
use crate::model::Model;
use crate::policy::parameters::{self, Parameter, ParameterError};
use crate::units::{SimDuration, SimTime};
use crate::world::MachineState;

pub(super) const ROW: NodeAutoscalerRow = NodeAutoscalerRow {
    name: "utilization",
    aliases: &[],
    summary: "keeps the share of machines that pods request near a target, whatever fits where",
    source: "target tracking of the cloud providers on a cluster's reservation",
    parameters: &[
        Parameter {
            name: "target",
            unit: "share",
            default: "0.7",
            meaning: "share of CPU or memory that pods are to request of the machines, above 0, at most 1",
        },
        Parameter { name: "period", unit: "duration", default: "60s", meaning: "time between looks, above 0" },
        Parameter {
            name: "scaleInDelay",
            unit: "duration",
            default: "10m",
            meaning: "for how long fewer machines must have been enough before any is returned",
        },
    ],
    build,
};

#[derive(Debug, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
struct Params {
    target: f64,
    #[serde(deserialize_with = "parameters::duration")]
    period: SimDuration,
    #[serde(deserialize_with = "parameters::duration")]
    scale_in_delay: SimDuration,
}

impl Default for Params {
    fn default() -> Params {
        let minutes = |minutes: u64| SimDuration(minutes * 60_000_000_000);
        Params { target: 0.7, period: minutes(1), scale_in_delay: minutes(10) }
    }
}

fn build(parameters: &Value, setting: &Setting<'_>) -> Result<Box<dyn NodeAutoscaler>, ParameterError> {
    let params: Params = parameters::read(parameters)?;
    parameters::require(params.target > 0.0 && params.target <= 1.0, "`target` must be above 0 and at most 1")?;
    parameters::require(params.period > SimDuration::ZERO, "`period` must be above 0")?;
    Ok(Box::new(Utilization { params, groups: setting.groups.to_vec(), wishes: VecDeque::new() }))
}

#[derive(Debug)]
struct Utilization {
    params: Params,
    groups: Vec<GroupId>,
    /// What it wished for within the last `scaleInDelay`, in order of time.
    wishes: VecDeque<(SimTime, usize)>,
}

impl NodeAutoscaler for Utilization {
    fn first_turn(&self) -> SimTime {
        SimTime::ZERO.after(self.params.period)
    }

    fn turn(&mut self, seen: &Seen<'_>) -> Turn {
        let now = seen.now();
        let present: usize = self.groups.iter().map(|group| seen.view.world.fleet.wanted(*group)).sum();
        let wish = self.wish(seen);
        self.wishes.push_back((now, wish));
        let horizon = SimTime(now.0.saturating_sub(self.params.scale_in_delay.0));
        while self.wishes.front().is_some_and(|(at, _)| *at < horizon) {
            self.wishes.pop_front();
        }
        // A run that is younger than the delay has not wished for long enough.
        let is_old = now.since(SimTime::ZERO) >= self.params.scale_in_delay;
        let most = self.wishes.iter().map(|(_, wish)| *wish).max().unwrap_or(wish);
        let orders = match () {
            () if wish > present => self.purchases(seen, wish - present),
            () if is_old && most < present => self.returns(seen, present - most),
            () => Vec::new(),
        };
        Turn { orders, next: now.after(self.params.period) }
    }
}

impl Utilization {
    /// How many machines there should be.
    fn wish(&self, seen: &Seen<'_>) -> usize {
        let (view, nodes) = (&seen.view, &seen.view.world.nodes);
        let (mut offered, mut taken) = ([0.0; 2], [0.0; 2]);
        for machine in self.machines(seen) {
            let one = view.world.fleet.get(machine);
            let resources = &view.model.cluster.shape(view.model.provisioning.offer(one.offer).shape).allocatable;
            let whole = [resources.cpu.0, resources.memory.0];
            let free = one.node.map_or(whole, |node| [nodes.free_cpu[node.index()], nodes.free_memory[node.index()]]);
            for kind in 0..2 {
                offered[kind] += whole[kind] as f64;
                taken[kind] += (whole[kind] - free[kind]) as f64;
            }
        }
        for (pod, _) in seen.unschedulable {
            let requests = &view.class_of(*pod).requests;
            taken[0] += requests.cpu.0 as f64;
            taken[1] += requests.memory.0 as f64;
        }
        let present: usize = self.groups.iter().map(|group| view.world.fleet.wanted(*group)).sum();
        if present == 0 {
            return usize::from(!seen.unschedulable.is_empty());
        }
        let share = (0..2).map(|kind| taken[kind] / offered[kind]).filter(|share| share.is_finite());
        let wish = present as f64 * share.fold(0.0, f64::max) / self.params.target;
        // A share of 1e-9 is an error of arithmetic rather than a machine.
        libm::ceil(wish - 1e-9).max(0.0) as usize
    }

    /// Machines that are there or on their way, and meant to stay.
    fn machines<'s>(&'s self, seen: &'s Seen<'_>) -> impl Iterator<Item = MachineId> + 's {
        let fleet = &seen.view.world.fleet;
        let present = self.groups.iter().flat_map(|group| fleet.present(*group).iter().copied());
        present.filter(|machine| fleet.get(*machine).state.is_wanted())
    }

    fn purchases(&self, seen: &Seen<'_>, count: usize) -> Vec<Order> {
        let (model, fleet) = (seen.view.model, &seen.view.world.fleet);
        let mut rooms: Vec<(GroupId, u32)> = Vec::new();
        for group in &self.groups {
            let room = (model.provisioning.group(*group).max as usize).saturating_sub(fleet.wanted(*group));
            rooms.push((*group, room as u32));
        }
        let mut counts = vec![0; rooms.len()];
        for _ in 0..count {
            // The group that would have the fewest new machines, of those with room.
            let open = (0..rooms.len()).filter(|i| counts[*i] < rooms[*i].1).min_by_key(|i| counts[*i]);
            let Some(position) = open else { break };
            counts[position] += 1;
        }
        let order = |((group, _), count): (&(GroupId, u32), u32)| Order {
            action: Action::Buy { offers: offers(model, *group), count },
            reason: "requests above target",
        };
        rooms.iter().zip(counts).filter(|(_, count)| *count > 0).map(order).collect()
    }

    fn returns(&self, seen: &Seen<'_>, count: usize) -> Vec<Order> {
        let (model, world) = (seen.view.model, seen.view.world);
        let mut ready: Vec<(u32, MachineId)> = Vec::new();
        for machine in self.machines(seen) {
            let one = world.fleet.get(machine);
            if let (MachineState::Ready, Some(node)) = (one.state, one.node) {
                ready.push((world.nodes.pod_count[node.index()], machine));
            }
        }
        ready.sort_unstable();
        let mut left: Vec<usize> = self.groups.iter().map(|group| world.fleet.wanted(*group)).collect();
        let mut orders = Vec::new();
        for (_, machine) in ready {
            let group = world.fleet.get(machine).group;
            let position = self.groups.iter().position(|other| *other == group).expect("a machine of its groups");
            if orders.len() < count && left[position] > model.provisioning.group(group).min as usize {
                left[position] -= 1;
                let patience = Patience::default();
                orders.push(Order { action: Action::Return { machine, patience }, reason: "requests below target" });
            }
        }
        orders
    }
}

/// What a group can buy, in the order of the model.
fn offers(model: &Model, group: GroupId) -> Vec<OfferId> {
    model.provisioning.group(group).offers.clone()
}
