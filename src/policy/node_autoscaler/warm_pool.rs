//! `warm-pool`: spare machines that are ready and hidden from the scheduler until pods wait.
//!
//! Each group keeps `spare` machines beside those that serve: running, their nodes cordoned. When pods fit nowhere, so many
//! spare machines serve from `startDelay` on as what the pods ask for takes, and the pool is filled up again with machines
//! that are bought; if there are too few, the missing ones are bought as well and serve as soon as they are ready. A
//! machine without pods for `idleTime` goes back to the pool, or, if that is full, is returned, never below the least size
//! of the group. A spare machine costs what any other does: it is the pool state `Running`. Stopped machines, which cost
//! their disks alone, are not modelled, and neither is what they save.
//!
//! Parameters: `spare`, `startDelay`, `idleTime`, `period`.
//!
//! Source: warm pools of AWS Auto Scaling, with the pool state `Running` and the reuse policy that returns machines to the
//! pool. How many machines serve is a sum over what is asked for, as in `utilization`. Cost: O(machines + waiting pods) a turn.

use std::collections::{BTreeMap, BTreeSet};

use serde::Deserialize;
use serde_json::Value;

use super::{Action, NodeAutoscaler, NodeAutoscalerRow, Order, Patience, Seen, Setting, Turn};
use crate::ids::{GroupId, MachineId, NodeId, PodId};
use crate::policy::parameters::{self, Parameter, ParameterError};
use crate::units::{SimDuration, SimTime};
use crate::world::{MachineState, NodeState};

pub(super) const ROW: NodeAutoscalerRow = NodeAutoscalerRow {
    name: "warm-pool",
    aliases: &[],
    summary: "spare machines, running and cordoned, that serve when pods wait",
    source: "warm pools of AWS Auto Scaling, pool state `Running`",
    parameters: &[
        Parameter { name: "spare", unit: "", default: "1", meaning: "machines of each group that are kept spare" },
        Parameter {
            name: "startDelay",
            unit: "duration",
            default: "0s",
            meaning: "from when a spare machine is wanted until its node takes pods",
        },
        Parameter {
            name: "idleTime",
            unit: "duration",
            default: "10m",
            meaning: "for how long a machine must have had no pods until it goes back",
        },
        Parameter { name: "period", unit: "duration", default: "10s", meaning: "time between looks, above 0" },
    ],
    build,
};

#[derive(Debug, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
struct Params {
    spare: u32,
    #[serde(deserialize_with = "parameters::duration")]
    start_delay: SimDuration,
    #[serde(deserialize_with = "parameters::duration")]
    idle_time: SimDuration,
    #[serde(deserialize_with = "parameters::duration")]
    period: SimDuration,
}

impl Default for Params {
    fn default() -> Params {
        let seconds = |seconds: u64| SimDuration(seconds * 1_000_000_000);
        Params { spare: 1, start_delay: SimDuration::ZERO, idle_time: seconds(600), period: seconds(10) }
    }
}

fn build(parameters: &Value, setting: &Setting<'_>) -> Result<Box<dyn NodeAutoscaler>, ParameterError> {
    let params: Params = parameters::read(parameters)?;
    parameters::require(params.period > SimDuration::ZERO, "`period` must be above 0")?;
    let groups = setting.groups.iter().map(|group| Pool::new(*group)).collect();
    Ok(Box::new(WarmPool { params, groups }))
}

#[derive(Debug)]
struct WarmPool {
    params: Params,
    groups: Vec<Pool>,
}

/// One group.
#[derive(Debug)]
struct Pool {
    group: GroupId,
    /// Machines that serve, or are to serve once they are ready.
    serving: BTreeSet<MachineId>,
    /// Spare machines that are wanted, and from when on they take pods.
    starting: BTreeMap<MachineId, SimTime>,
    /// Since when machines that serve have had no pods.
    idle: BTreeMap<MachineId, SimTime>,
    /// How many machines were ordered to serve and have not been seen yet.
    expected: u32,
    /// Machines below this were looked at; none: no turn has been.
    known: Option<usize>,
    /// Pods that machines were called for; they are not called for again while those are on their way.
    helped: BTreeSet<PodId>,
    /// When a machine was last on its way to serve.
    called: SimTime,
}

impl Pool {
    fn new(group: GroupId) -> Pool {
        Pool {
            group,
            serving: BTreeSet::new(),
            starting: BTreeMap::new(),
            idle: BTreeMap::new(),
            expected: 0,
            known: None,
            helped: BTreeSet::new(),
            called: SimTime::ZERO,
        }
    }
}

impl NodeAutoscaler for WarmPool {
    fn first_turn(&self) -> SimTime {
        SimTime::ZERO
    }

    fn turn(&mut self, seen: &Seen<'_>) -> Turn {
        let now = seen.now();
        let mut orders = Vec::new();
        // What waits is shared by the groups: the first that can helps.
        let mut waiting: Vec<PodId> = seen.unschedulable.iter().map(|(pod, _)| *pod).collect();
        for pool in &mut self.groups {
            pool.turn(seen, &self.params, &mut waiting, &mut orders);
        }
        let starts = self.groups.iter().flat_map(|pool| pool.starting.values().copied());
        Turn { orders, next: starts.fold(now.after(self.params.period), SimTime::min) }
    }

    fn pod_waits(&mut self, _pod: PodId, now: SimTime) -> Option<SimTime> {
        Some(now)
    }
}

impl Pool {
    fn turn(&mut self, seen: &Seen<'_>, params: &Params, waiting: &mut Vec<PodId>, orders: &mut Vec<Order>) {
        self.follow(seen, params);
        self.start(seen, orders);
        self.call(seen, params, waiting, orders);
        self.rest(seen, params, orders);
        self.fill(seen, params, orders);
    }

    /// Which machines there are. Those of the start serve, as do those that were ordered for pods or have any.
    fn follow(&mut self, seen: &Seen<'_>, params: &Params) {
        let world = seen.view.world;
        let fleet = &world.fleet;
        let is_start = self.known.is_none();
        for number in self.known.unwrap_or(0)..fleet.machines.len() {
            let machine = MachineId::from_index(number);
            if fleet.get(machine).group == self.group && (is_start || self.expected > 0) {
                self.expected = self.expected.saturating_sub(1);
                self.serving.insert(machine);
            }
        }
        self.known = Some(fleet.machines.len());
        let has_pods = |machine: &&MachineId| {
            fleet.get(**machine).node.is_some_and(|node| world.nodes.pod_count[node.index()] > 0)
        };
        self.serving.extend(fleet.present(self.group).iter().filter(has_pods));
        let stays = |machine: &MachineId| fleet.get(*machine).state.is_wanted();
        self.serving.retain(stays);
        let serving = &self.serving;
        self.starting.retain(|machine, _| stays(machine) && !serving.contains(machine));
        self.idle.retain(|machine, _| stays(machine));
        let comes = |machine: &MachineId| fleet.get(*machine).state != MachineState::Ready;
        if self.expected > 0 || !self.starting.is_empty() || self.serving.iter().any(comes) {
            self.called = seen.now();
        } else if seen.now() >= self.called.after(params.period) {
            self.helped.clear();
        }
    }

    /// Nodes of spare machines are cordoned; those whose time has come take pods.
    fn start(&mut self, seen: &Seen<'_>, orders: &mut Vec<Order>) {
        let (now, world) = (seen.now(), seen.view.world);
        let due: Vec<MachineId> = self.starting.iter().filter(|(_, at)| **at <= now).map(|(one, _)| *one).collect();
        for machine in due {
            self.starting.remove(&machine);
            self.serving.insert(machine);
            orders.push(Order { action: Action::Cordon(machine, false), reason: "pods fit nowhere" });
        }
        for machine in world.fleet.present(self.group) {
            let is_spare = !self.serving.contains(machine) && !self.starting.contains_key(machine);
            if is_spare && self.takes_pods(seen, *machine).is_some() {
                orders.push(Order { action: Action::Cordon(*machine, true), reason: "spare" });
            }
        }
    }

    /// The node of a machine that is ready and takes pods.
    fn takes_pods(&self, seen: &Seen<'_>, machine: MachineId) -> Option<NodeId> {
        let world = seen.view.world;
        let one = world.fleet.get(machine);
        let node = one.node.filter(|_| one.state == MachineState::Ready)?;
        (world.nodes.state[node.index()] == NodeState::Ready).then_some(node)
    }

    /// Calls spare machines for the pods that wait, and orders what is missing.
    fn call(&mut self, seen: &Seen<'_>, params: &Params, waiting: &mut Vec<PodId>, orders: &mut Vec<Order>) {
        let view = &seen.view;
        let limits = view.model.provisioning.group(self.group);
        let offered = &view.model.cluster.shape(view.model.provisioning.offer(limits.offers[0]).shape).allocatable;
        let fits = |pod: &PodId| {
            let asked = &view.class_of(*pod).requests;
            asked.cpu <= offered.cpu && asked.memory <= offered.memory
        };
        let (mine, rest): (Vec<PodId>, Vec<PodId>) = waiting.drain(..).partition(fits);
        *waiting = rest;
        let fresh: Vec<PodId> = mine.into_iter().filter(|pod| self.helped.insert(*pod)).collect();
        let (mut cpu, mut memory) = (0, 0);
        for pod in &fresh {
            let asked = &view.class_of(*pod).requests;
            (cpu, memory) = (cpu + asked.cpu.0, memory + asked.memory.0);
        }
        let mut needed = cpu.div_ceil(offered.cpu.0.max(1)).max(memory.div_ceil(offered.memory.0.max(1))) as u32;
        needed = needed.max(u32::from(!fresh.is_empty()));
        for machine in self.spare(seen) {
            if needed == 0 {
                return;
            }
            needed -= 1;
            self.called = seen.now();
            self.starting.insert(machine, seen.now().after(params.start_delay.max(SimDuration(1))));
        }
        let room = (limits.max as usize).saturating_sub(view.world.fleet.target(self.group)) as u32;
        let count = needed.min(room);
        if count > 0 {
            self.expected += count;
            let action = Action::Buy { offers: limits.offers.clone(), count };
            orders.push(Order { action, reason: "pods fit nowhere" });
        }
    }

    /// Ready machines that are spare, in the order of the orders.
    fn spare(&self, seen: &Seen<'_>) -> Vec<MachineId> {
        let fleet = &seen.view.world.fleet;
        let is_spare = |machine: &&MachineId| {
            fleet.get(**machine).state == MachineState::Ready
                && !self.serving.contains(machine)
                && !self.starting.contains_key(machine)
        };
        fleet.present(self.group).iter().filter(is_spare).copied().collect()
    }

    /// Machines that have had no pods for long go back to the pool.
    fn rest(&mut self, seen: &Seen<'_>, params: &Params, orders: &mut Vec<Order>) {
        let (now, world) = (seen.now(), seen.view.world);
        let serving: Vec<MachineId> = self.serving.iter().copied().collect();
        let least = world.fleet.present(self.group).len().min(self.least(seen));
        for machine in serving {
            let Some(node) = self.takes_pods(seen, machine) else { continue };
            if world.nodes.pod_count[node.index()] > 0 {
                self.idle.remove(&machine);
                continue;
            }
            let since = *self.idle.entry(machine).or_insert(now);
            if now >= since.after(params.idle_time) && self.serving.len() > least {
                self.serving.remove(&machine);
                self.idle.remove(&machine);
                orders.push(Order { action: Action::Cordon(machine, true), reason: "idle" });
            }
        }
    }

    fn least(&self, seen: &Seen<'_>) -> usize {
        seen.view.model.provisioning.group(self.group).min as usize
    }

    /// Brings the pool to its size.
    fn fill(&mut self, seen: &Seen<'_>, params: &Params, orders: &mut Vec<Order>) {
        let fleet = &seen.view.world.fleet;
        let limits = seen.view.model.provisioning.group(self.group);
        let is_spare = |machine: &&MachineId| {
            fleet.get(**machine).state.is_wanted()
                && !self.serving.contains(machine)
                && !self.starting.contains_key(machine)
        };
        let spare: Vec<MachineId> = fleet.present(self.group).iter().filter(is_spare).copied().collect();
        let wanted = params.spare as usize;
        let room = (limits.max as usize).saturating_sub(fleet.target(self.group) + self.expected as usize);
        let count = wanted.saturating_sub(spare.len()).min(room) as u32;
        if count > 0 {
            orders.push(Order { action: Action::Buy { offers: limits.offers.clone(), count }, reason: "spare" });
        }
        for machine in spare.into_iter().skip(wanted) {
            let patience = Patience::default();
            orders.push(Order { action: Action::Return { machine, patience }, reason: "more than are spare" });
        }
    }
}
