//! Machines that were bought and returned: their steps, the orders for them, and how many there were.
//!
//! Cost: O(1) an order; O(groups) a step of a machine at an instant of its own.

use crate::ids::{GroupId, MachineId};
use crate::model::cluster::INSTANCE_TYPE_LABEL;
use crate::model::{Model, NodeShape};
use crate::policy::node_autoscaler::{Action, Order};
use crate::results::{Column, Table, TextColumn};
use crate::units::SimTime;
use crate::world::{Fleet, Machine, MachineState, View};

/// Orders of node autoscalers, and numbers of machines over time.
#[derive(Clone, Debug)]
pub struct MachineLog {
    orders: Vec<OrderRow>,
    counts: Vec<CountRow>,
    /// Machines by [`MachineState`], by group: what the next row will say.
    present: Vec<[u32; STATES]>,
    /// The state of each machine when it was last seen.
    seen: Vec<MachineState>,
    /// Machines that were ready times ns, up to `settled`.
    ready_area: u128,
    settled: SimTime,
}

/// States that are counted: those before the end.
const STATES: usize = 5;

#[derive(Clone, Debug)]
struct OrderRow {
    time: SimTime,
    autoscaler: u32,
    action: &'static str,
    /// The group that buys.
    group: GroupId,
    /// How many are bought.
    count: Option<u64>,
    machine: Option<MachineId>,
    reason: &'static str,
}

/// How many machines a group has from an instant on.
#[derive(Clone, Copy, Debug)]
struct CountRow {
    time: SimTime,
    group: GroupId,
    by_state: [u32; STATES],
}

/// Key figures of all machines.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct MachineFigures {
    /// How many were ordered during the run.
    pub ordered: u64,
    /// How many of those the provider refused.
    pub refused: u64,
    /// How many ended.
    pub ended: u64,
    /// Mean number that took pods.
    pub ready_mean: f64,
    /// Mean time in s from an order until the node took pods, of those that came to that; NaN without any.
    pub ready_after_mean_s: f64,
}

impl MachineLog {
    /// The log of a run; none where no machine can be bought.
    pub fn new(model: &Model) -> Option<MachineLog> {
        let groups = model.provisioning.groups.len();
        (groups > 0).then(|| MachineLog {
            orders: Vec::new(),
            counts: Vec::new(),
            present: vec![[0; STATES]; groups],
            seen: Vec::new(),
            ready_area: 0,
            settled: SimTime::ZERO,
        })
    }

    /// Counts the machines that are there at the start.
    pub fn begin(&mut self, view: &View<'_>) {
        (0..view.world.fleet.machines.len()).map(MachineId::from_index).for_each(|machine| self.note(view, machine));
    }

    /// An autoscaler wants something done.
    pub fn order(&mut self, view: &View<'_>, autoscaler: usize, order: &Order) {
        let group_of = |machine: MachineId| view.world.fleet.get(machine).group;
        let (action, group, count, machine) = match &order.action {
            Action::Buy { offers, count } => {
                ("buy", view.model.provisioning.offer(offers[0]).group, Some(u64::from(*count)), None)
            }
            Action::Return { machine, .. } => ("return", group_of(*machine), None, Some(*machine)),
            Action::Cordon(machine, true) => ("cordon", group_of(*machine), None, Some(*machine)),
            Action::Cordon(machine, false) => ("uncordon", group_of(*machine), None, Some(*machine)),
        };
        let (time, autoscaler) = (view.world.time, autoscaler as u32);
        self.orders.push(OrderRow { time, autoscaler, action, group, count, machine, reason: order.reason });
    }

    /// A machine has taken a step.
    pub fn note(&mut self, view: &View<'_>, machine: MachineId) {
        self.settle(view.world.time);
        let one = view.world.fleet.get(machine);
        let counts = &mut self.present[one.group.index()];
        match self.seen.get_mut(machine.index()) {
            Some(before) => {
                if let Some(count) = counts.get_mut(*before as usize) {
                    *count -= 1;
                }
                *before = one.state;
            }
            None => self.seen.push(one.state),
        }
        if let Some(count) = counts.get_mut(one.state as usize) {
            *count += 1;
        }
        let row = CountRow { time: view.world.time, group: one.group, by_state: *counts };
        match self.counts.iter_mut().rev().take_while(|other| other.time == row.time).find(|row| row.group == one.group)
        {
            Some(same) => *same = row,
            None => self.counts.push(row),
        }
    }

    fn settle(&mut self, now: SimTime) {
        let ready: u32 = self.present.iter().map(|counts| counts[MachineState::Ready as usize]).sum();
        let span = now.since(std::mem::replace(&mut self.settled, now));
        self.ready_area += u128::from(ready) * u128::from(span.0);
    }

    /// The run is over.
    pub fn end(&mut self, view: &View<'_>) {
        self.settle(view.world.time);
    }

    /// The key figures.
    pub fn figures(&self, view: &View<'_>) -> MachineFigures {
        let machines = &view.world.fleet.machines;
        let count = |is: &dyn Fn(&Machine) -> bool| machines.iter().filter(|one| is(one)).count() as u64;
        let initial = view.model.cluster.nodes.len();
        let ordered = machines.iter().filter(|one| one.node.is_none_or(|node| node.index() >= initial));
        let waits = ordered.clone().filter(|one| one.ready != SimTime::NEVER).map(|one| one.ready.since(one.ordered));
        let (waited, ready) = waits.fold((0.0, 0_u64), |(sum, count), wait| (sum + wait.as_seconds(), count + 1));
        MachineFigures {
            ordered: ordered.count() as u64,
            refused: count(&|one| one.state == MachineState::Refused),
            ended: count(&|one| one.state == MachineState::Ended),
            ready_mean: self.ready_area as f64 / view.world.time.0 as f64,
            ready_after_mean_s: if ready > 0 { waited / ready as f64 } else { f64::NAN },
        }
    }

    /// `fleet.csv`: a row for each group whenever one of its machines took a step.
    pub fn fleet(&self, model: &Model) -> Table {
        let count = |state: MachineState| {
            Column::Count(self.counts.iter().map(|row| row.by_state[state as usize].into()).collect())
        };
        let pools = self.counts.iter().map(|row| model.provisioning.group(row.group).pool.0).collect();
        Table::new()
            .with("time_s", Column::Seconds(self.counts.iter().map(|row| row.time).collect()))
            .with("pool", pool_names(model, pools))
            .with("ordered", count(MachineState::Ordered))
            .with("joined", count(MachineState::Joined))
            .with("ready", count(MachineState::Ready))
            .with("draining", count(MachineState::Draining))
            .with("ending", count(MachineState::Ending))
    }

    /// `provisioning.csv`: what node autoscalers wanted done.
    pub fn orders(&self, view: &View<'_>) -> Table {
        let model = view.model;
        let names = model.provisioning.autoscalers.iter().map(|one| one.name.clone()).collect();
        let text = |of: fn(&OrderRow) -> &'static str| Column::Text(self.orders.iter().map(of).collect());
        let pools = self.orders.iter().map(|row| model.provisioning.group(row.group).pool.0).collect();
        let node = |row: &OrderRow| {
            let node = row.machine.and_then(|machine| view.world.fleet.get(machine).node);
            node.map_or("", |node| view.world.nodes.name(node))
        };
        Table::new()
            .with("time_s", Column::Seconds(self.orders.iter().map(|row| row.time).collect()))
            .with(
                "autoscaler",
                Column::Dictionary { codes: self.orders.iter().map(|row| row.autoscaler).collect(), values: names },
            )
            .with("action", text(|row| row.action))
            .with("pool", pool_names(model, pools))
            .with("count", Column::MaybeCount(self.orders.iter().map(|row| row.count).collect()))
            .with("node", Column::Text(self.orders.iter().map(node).collect()))
            .with("reason", text(|row| row.reason))
    }
}

fn pool_names(model: &Model, codes: Vec<u32>) -> Column {
    Column::Dictionary { codes, values: model.cluster.pools.iter().map(|pool| pool.name.clone()).collect() }
}

/// `machines.csv`: a row for each machine, in the order of the orders.
pub fn machines(view: &View<'_>) -> Table {
    let (model, fleet) = (view.model, &view.world.fleet);
    let rows = || fleet.machines.iter();
    let shape = |one: &Machine| model.cluster.shape(model.provisioning.offer(one.offer).shape);
    let seconds = |of: fn(&Machine) -> SimTime| Column::Seconds(rows().map(of).collect());
    let node = |one: &Machine| one.node.map_or("", |node| view.world.nodes.name(node));
    let zones = rows().map(|one| shape(one).zone.map_or(u32::MAX, |zone| zone.0)).collect();
    let text = |of: &dyn Fn(&Machine) -> &'static str| Column::Text(rows().map(of).collect::<TextColumn>());
    Table::new()
        .with("pool", pool_names(model, rows().map(|one| model.provisioning.group(one.group).pool.0).collect()))
        .with("zone", Column::Dictionary { codes: zones, values: model.cluster.zones.clone() })
        .with("instance_type", Column::Text(rows().map(|one| instance_type(model, shape(one))).collect()))
        .with("market", text(&|one| model.provisioning.offer(one.offer).market.name()))
        .with("node", Column::Text(rows().map(node).collect()))
        .with("state", text(&|one| one.state.name()))
        .with("refusal", text(&|one| one.refusal.map_or("", |why| why.name())))
        .with("ordered_s", seconds(|one| one.ordered))
        .with("launched_s", seconds(|one| one.launched))
        .with("joined_s", seconds(|one| one.joined))
        .with("ready_s", seconds(|one| one.ready))
        .with("reclaimed_s", seconds(|one| one.reclaimed_at))
        .with("ended_s", seconds(|one| one.ended))
        .with("usd_per_hour", Column::Number(rows().map(|one| usd_per_hour(view, one)).collect()))
        .with("cost_usd", Column::Fixed(4, rows().map(|one| cost_usd(view, one)).collect()))
}

/// The instance type of a shape: what its label says, or its pool.
fn instance_type<'m>(model: &'m Model, shape: &'m NodeShape) -> &'m str {
    let label = shape.labels.iter().find(|label| label.key == INSTANCE_TYPE_LABEL);
    let pool = || shape.pool.map_or("", |pool| model.cluster.pools[pool.index()].name.as_str());
    label.map_or_else(pool, |label| label.value.as_str())
}

/// The price of a machine by the hour in US dollars: of spot machines whose price changes the mean over their time so far.
fn usd_per_hour(view: &View<'_>, machine: &Machine) -> f64 {
    let used_ns = machine.ended.min(view.world.time).0.saturating_sub(machine.launched.0);
    if used_ns > 0 && view.model.provisioning.market.price(machine.offer, machine.launched).is_some() {
        return cost_usd(view, machine) / (used_ns as f64 / 3.6e12);
    }
    view.model.usd_per_hour(machine.offer, machine.ordered)
}

/// What a machine has cost so far, in US dollars: its price from its launch to its end.
pub fn cost_usd(view: &View<'_>, machine: &Machine) -> f64 {
    if machine.launched == SimTime::NEVER {
        return 0.0;
    }
    view.model.machine_cost_usd(machine.offer, machine.launched, machine.ended.min(view.world.time))
}

/// What the machines that never became nodes have cost so far, in US dollars.
pub fn nodeless_cost_usd(view: &View<'_>, fleet: &Fleet) -> f64 {
    fleet.machines.iter().filter(|one| one.node.is_none()).fold(0.0, |sum, one| sum + cost_usd(view, one))
}
