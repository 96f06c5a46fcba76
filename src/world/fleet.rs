//! Machines that were ordered, from the order to their end: what a provider knows of them.
//!
//! A machine of a group begins as an order, is charged for once it is launched, joins the cluster as a node, and ends. Nodes
//! that belong to no group, such as single nodes of a file, are no machines of the fleet: nobody buys or returns them.
//!
//! Cost: every step of a machine is O(1); machines that have ended stay, so that they can be paid for.

use std::collections::BTreeMap;

use crate::ids::{GroupId, MachineId, NodeId, OfferId};
use crate::units::SimTime;

/// Where a machine is on its way.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum MachineState {
    /// It was ordered, and has not joined the cluster.
    Ordered,
    /// Its node has joined, and takes no pods yet.
    Joined,
    /// Its node takes pods.
    Ready,
    /// Its node takes no more pods, and those that it has are told to leave.
    Draining,
    /// Nothing runs on it, and it is being shut down.
    Ending,
    /// It is no more.
    Ended,
    /// The provider had none.
    Refused,
}

impl MachineState {
    /// Its name in tables.
    pub fn name(self) -> &'static str {
        match self {
            MachineState::Ordered => "ordered",
            MachineState::Joined => "joined",
            MachineState::Ready => "ready",
            MachineState::Draining => "draining",
            MachineState::Ending => "ending",
            MachineState::Ended => "ended",
            MachineState::Refused => "refused",
        }
    }

    /// Whether there is such a machine, or will be, that is meant to stay.
    pub fn is_wanted(self) -> bool {
        matches!(self, MachineState::Ordered | MachineState::Joined | MachineState::Ready)
    }
}

/// Why a provider refuses an order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Refusal {
    /// It has no such machine now.
    StockOut,
    /// The account may not have more.
    Quota,
    /// The group has as many as it may.
    GroupIsFull,
}

impl Refusal {
    /// Its name in tables.
    pub fn name(self) -> &'static str {
        match self {
            Refusal::StockOut => "stock-out",
            Refusal::Quota => "quota",
            Refusal::GroupIsFull => "group-is-full",
        }
    }
}

/// A machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Machine {
    /// Whose it is.
    pub group: GroupId,
    /// What it is.
    pub offer: OfferId,
    /// Where it is on its way.
    pub state: MachineState,
    /// Its node, from when it joins.
    pub node: Option<NodeId>,
    /// When it was ordered.
    pub ordered: SimTime,
    /// From when on it is charged for; [`SimTime::NEVER`]: it has not been launched.
    pub launched: SimTime,
    /// When its node joined; [`SimTime::NEVER`]: it has not.
    pub joined: SimTime,
    /// When its node was ready for the first time; [`SimTime::NEVER`]: it was not.
    pub ready: SimTime,
    /// When the draining that it is in began; [`SimTime::NEVER`]: it is in none.
    pub draining: SimTime,
    /// When it was last given up to drain it, its pods staying; [`SimTime::NEVER`]: never.
    pub drain_failed: SimTime,
    /// When the provider takes it back, once it has said so; [`SimTime::NEVER`]: it has not.
    pub reclaimed_at: SimTime,
    /// When it ended, from when on it is no longer charged for; [`SimTime::NEVER`]: it has not.
    pub ended: SimTime,
    /// Why the provider had none, if so.
    pub refusal: Option<Refusal>,
}

/// All machines of a run.
#[derive(Clone, Debug, Default)]
pub struct Fleet {
    /// By [`MachineId`].
    pub machines: Vec<Machine>,
    /// The machine of each node that has one, by node.
    of_node: Vec<Option<MachineId>>,
    /// Machines that have not ended and were not refused, by group, in order.
    present: Vec<Vec<MachineId>>,
    /// How many of them are meant to stay, and how many are not being shut down, by group.
    counts: Vec<Counts>,
    /// Machines in the order in which they changed from one state to another.
    changes: Vec<MachineId>,
    /// How many of them were bought by each offer, by group.
    bought: Vec<BTreeMap<OfferId, usize>>,
    /// Machines that are ordered or there and not being shut down, by offer: what counts against a quota.
    held: Vec<u32>,
}

/// Of the machines of a group.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Counts {
    wanted: usize,
    target: usize,
}

impl Counts {
    /// What a machine in that state counts.
    fn of(state: MachineState) -> Counts {
        let is_over = matches!(state, MachineState::Refused | MachineState::Ended);
        Counts {
            wanted: usize::from(state.is_wanted()),
            target: usize::from(!is_over && state != MachineState::Ending),
        }
    }
}

/// Whether a machine in that state counts against a quota.
fn is_held(state: MachineState) -> bool {
    !matches!(state, MachineState::Ending | MachineState::Ended | MachineState::Refused)
}

impl Fleet {
    pub(super) fn new(groups: usize) -> Fleet {
        Fleet {
            machines: Vec::new(),
            of_node: Vec::new(),
            present: vec![Vec::new(); groups],
            counts: vec![Counts::default(); groups],
            changes: Vec::new(),
            bought: vec![BTreeMap::new(); groups],
            held: Vec::new(),
        }
    }

    /// The machine with that id.
    pub fn get(&self, machine: MachineId) -> &Machine {
        &self.machines[machine.index()]
    }

    /// The machine of a node; none: nobody bought the node.
    pub fn of_node(&self, node: NodeId) -> Option<MachineId> {
        self.of_node.get(node.index()).copied().flatten()
    }

    /// The machines of a group that are there or on their way, in the order of the orders, those included that are leaving.
    pub fn present(&self, group: GroupId) -> &[MachineId] {
        &self.present[group.index()]
    }

    /// The machines of a group that are there or on their way and meant to stay: its target size.
    pub fn wanted(&self, group: GroupId) -> usize {
        self.counts[group.index()].wanted
    }

    /// The machines of a group but those that are being shut down: what a provider calls the desired capacity.
    pub fn target(&self, group: GroupId) -> usize {
        self.counts[group.index()].target
    }

    /// How many machines of a group are there or on their way that were bought by this offer.
    pub fn bought(&self, group: GroupId, offer: OfferId) -> usize {
        self.bought[group.index()].get(&offer).copied().unwrap_or(0)
    }

    /// How many machines of an offer are ordered or there, and not being shut down. O(1).
    pub fn held(&self, offer: OfferId) -> u32 {
        self.held.get(offer.index()).copied().unwrap_or(0)
    }

    /// How many machines are there or on their way, of all groups.
    pub fn present_total(&self) -> usize {
        self.present.iter().map(Vec::len).sum()
    }

    /// The machines that have changed from one state to another since so many changes, in order, some of them several times.
    pub fn changed_since(&self, changes: usize) -> &[MachineId] {
        &self.changes[changes..]
    }

    /// How many changes there were.
    pub fn changes(&self) -> usize {
        self.changes.len()
    }

    /// Notes an order.
    pub fn order(&mut self, group: GroupId, offer: OfferId, now: SimTime) -> MachineId {
        let id = MachineId::from_index(self.machines.len());
        self.machines.push(Machine {
            group,
            offer,
            state: MachineState::Ordered,
            node: None,
            ordered: now,
            launched: SimTime::NEVER,
            joined: SimTime::NEVER,
            ready: SimTime::NEVER,
            draining: SimTime::NEVER,
            drain_failed: SimTime::NEVER,
            reclaimed_at: SimTime::NEVER,
            ended: SimTime::NEVER,
            refusal: None,
        });
        self.present[group.index()].push(id);
        *self.bought[group.index()].entry(offer).or_default() += 1;
        self.count(group, MachineState::Ordered, 1);
        if self.held.len() <= offer.index() {
            self.held.resize(offer.index() + 1, 0);
        }
        self.held[offer.index()] += 1;
        id
    }

    fn count(&mut self, group: GroupId, state: MachineState, by: isize) {
        let (counts, of_state) = (&mut self.counts[group.index()], Counts::of(state));
        counts.wanted = counts.wanted.wrapping_add_signed(by * of_state.wanted as isize);
        counts.target = counts.target.wrapping_add_signed(by * of_state.target as isize);
    }

    fn change(&mut self, machine: MachineId, state: MachineState) -> &mut Machine {
        let Machine { group, offer, state: before, .. } = *self.get(machine);
        self.count(group, before, -1);
        self.count(group, state, 1);
        self.held[offer.index()] -= u32::from(is_held(before)) - u32::from(is_held(state));
        self.changes.push(machine);
        let one = &mut self.machines[machine.index()];
        one.state = state;
        one
    }

    /// The provider has no such machine.
    pub fn refuse(&mut self, machine: MachineId, why: Refusal, now: SimTime) {
        let one = self.change(machine, MachineState::Refused);
        (one.refusal, one.ended) = (Some(why), now);
        self.forget(machine);
    }

    /// The provider begins to charge for it.
    pub fn launch(&mut self, machine: MachineId, now: SimTime) {
        self.machines[machine.index()].launched = now;
    }

    /// Its node joins.
    ///
    /// # Panics
    /// When it has not been launched, or has a node.
    pub fn join(&mut self, machine: MachineId, node: NodeId, now: SimTime) {
        let one = self.change(machine, MachineState::Joined);
        assert!(one.launched <= now && one.node.is_none(), "I11: a node joins before its machine is launched");
        (one.node, one.joined) = (Some(node), now);
        if self.of_node.len() <= node.index() {
            self.of_node.resize(node.index() + 1, None);
        }
        self.of_node[node.index()] = Some(machine);
    }

    /// Its node takes pods.
    pub fn become_ready(&mut self, machine: MachineId, now: SimTime) {
        let one = self.change(machine, MachineState::Ready);
        one.ready = one.ready.min(now);
    }

    /// Its node is to be emptied.
    pub fn drain(&mut self, machine: MachineId, now: SimTime) {
        self.change(machine, MachineState::Draining).draining = now;
    }

    /// Its node is not emptied after all.
    pub fn keep(&mut self, machine: MachineId, now: SimTime) {
        let one = self.change(machine, MachineState::Ready);
        (one.draining, one.drain_failed) = (SimTime::NEVER, now);
    }

    /// The provider says when it takes the machine back.
    pub fn reclaim(&mut self, machine: MachineId, at: SimTime) {
        self.machines[machine.index()].reclaimed_at = at;
    }

    /// It is being shut down.
    pub fn begin_end(&mut self, machine: MachineId) {
        self.change(machine, MachineState::Ending);
    }

    /// It is no more. Does nothing when it has ended before.
    pub fn end(&mut self, machine: MachineId, now: SimTime) {
        if self.get(machine).ended == SimTime::NEVER {
            self.change(machine, MachineState::Ended).ended = now;
            self.forget(machine);
        }
    }

    fn forget(&mut self, machine: MachineId) {
        let Machine { group, offer, .. } = *self.get(machine);
        let present = &mut self.present[group.index()];
        if let Ok(at) = present.binary_search(&machine) {
            present.remove(at);
            *self.bought[group.index()].get_mut(&offer).expect("it was counted") -= 1;
        }
    }

    /// Whether the counts are those of the machines that are present.
    pub(super) fn is_counted(&self) -> bool {
        let of_group = |group: usize| {
            let (mut counts, mut bought) = (Counts::default(), BTreeMap::new());
            for machine in self.present[group].iter().map(|machine| self.get(*machine)) {
                let Counts { wanted, target } = Counts::of(machine.state);
                counts = Counts { wanted: counts.wanted + wanted, target: counts.target + target };
                *bought.entry(machine.offer).or_default() += 1;
            }
            let known = self.bought[group].iter().filter(|(_, count)| **count > 0);
            counts == self.counts[group] && known.eq(bought.iter())
        };
        (0..self.present.len()).all(of_group)
    }
}
