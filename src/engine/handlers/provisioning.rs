//! Node autoscalers act: machines are ordered, boot, join, are emptied, and end.
//!
//! What an autoscaler wants is carried out at once: a provider that has the machine begins to launch it, one that has none
//! refuses. A node that is to go takes no more pods; its pods are evicted as `kubectl drain` evicts them, within their budgets
//! and without those of DaemonSets, which end with the node. The machine ends when the last of the others is gone.
//!
//! Cost: O(1) for each step of a machine, O(pods of the node) each time that it is asked to be empty, and what the policy
//! costs for each turn, with a copy of the list of pods that fit nowhere.

use std::collections::{BTreeMap, VecDeque};

use crate::engine::Event;
use crate::engine::event::MachineStep;
use crate::engine::run::{RunError, Simulation};
use crate::ids::{GroupId, MachineId, NodeId, OfferId, PodId};
use crate::model::provisioning::Market;
use crate::model::{Dist, Model};
use crate::observe::Observer;
use crate::policy::disruption;
use crate::policy::node_autoscaler::{self, Action, NodeAutoscaler, Order, Patience, Seen, Setting};
use crate::units::{SimDuration, SimTime};
use crate::world::fleet::Refusal;
use crate::world::pods::Reason;
use crate::world::{Deletion, MachineState, NodeState, Phase, View};

/// How long an eviction that a budget forbids is waited for until it is asked for again, as in `kubectl drain`.
const RETRY: SimDuration = SimDuration(5_000_000_000);

/// Node autoscalers, and what they wait for.
#[derive(Debug)]
pub(in crate::engine) struct ProvisioningState {
    loops: Vec<Loop>,
    /// Pods that fit nowhere, and since when.
    unschedulable: BTreeMap<PodId, SimTime>,
    /// Pods that fitted nowhere until lately, with that span, where a cache may still have them.
    placed: VecDeque<(PodId, SimTime, SimTime)>,
    /// The longest delay of a cache.
    delay_max: SimDuration,
    /// What becomes of the nodes that are being emptied.
    patience: BTreeMap<MachineId, Patience>,
}

/// One autoscaler.
#[derive(Debug)]
struct Loop {
    policy: Box<dyn NodeAutoscaler>,
    /// When its next turn is; an event for another instant is stale.
    due: SimTime,
    /// What it wanted in each turn that is not done yet, oldest first.
    orders: VecDeque<Vec<Order>>,
}

impl ProvisioningState {
    /// The autoscalers of a model; none: it has none.
    pub(in crate::engine) fn new(model: &Model) -> Result<Option<ProvisioningState>, RunError> {
        let provisioning = &model.provisioning;
        let build = |(position, one): (usize, &crate::model::provisioning::NodeAutoscaler)| {
            let name = &one.policy.name;
            let unknown = || RunError::UnknownPolicy { kind: "node autoscaler", name: name.clone() };
            let row = node_autoscaler::find(name).ok_or_else(unknown)?;
            let setting = Setting { model, groups: &one.groups, position };
            let refused = |error| RunError::Parameter { name: name.clone(), error };
            let policy = row.build(&one.policy.parameters, &setting).map_err(refused)?;
            Ok(Loop { due: policy.first_turn(), policy, orders: VecDeque::new() })
        };
        let loops: Vec<Loop> = provisioning.autoscalers.iter().enumerate().map(build).collect::<Result<_, _>>()?;
        let delays = provisioning.autoscalers.iter().map(|one| one.watch_delay);
        Ok((!provisioning.groups.is_empty()).then(|| ProvisioningState {
            loops,
            unschedulable: BTreeMap::new(),
            placed: VecDeque::new(),
            delay_max: delays.max().unwrap_or_default(),
            patience: BTreeMap::new(),
        }))
    }

    /// The pods that fit nowhere as a cache has them that is so late.
    fn seen_with(&mut self, delay: SimDuration, now: SimTime) -> Vec<(PodId, SimTime)> {
        if delay == SimDuration::ZERO {
            return self.unschedulable.iter().map(|(pod, since)| (*pod, *since)).collect();
        }
        while self.placed.front().is_some_and(|(_, _, until)| until.after(self.delay_max) <= now) {
            self.placed.pop_front();
        }
        let waiting = self.unschedulable.iter().map(|(pod, since)| (*pod, *since));
        let placed = self.placed.iter().filter(|(_, _, until)| until.after(delay) > now).map(|one| (one.0, one.1));
        let mut seen: Vec<_> = waiting.chain(placed).filter(|(_, since)| since.after(delay) <= now).collect();
        // A pod that has waited again since is there twice.
        seen.sort_unstable();
        seen.dedup_by_key(|(pod, _)| *pod);
        seen
    }
}

impl<O: Observer> Simulation<'_, O> {
    /// Every node autoscaler is to look for the first time.
    pub(in crate::engine) fn begin_provisioning(&mut self) {
        let Some(state) = &self.provisioning else { return };
        let dues: Vec<SimTime> = state.loops.iter().map(|one| one.due).collect();
        for (position, due) in dues.into_iter().enumerate() {
            self.schedule_turn(position, due);
        }
    }

    fn schedule_turn(&mut self, autoscaler: usize, due: SimTime) {
        if due != SimTime::NEVER {
            self.schedule(due, Event::Provision { autoscaler: autoscaler as u16 });
        }
    }

    /// An autoscaler has its turn.
    pub(in crate::engine) fn on_provision(&mut self, autoscaler: u16) {
        let position = usize::from(autoscaler);
        let Some(mut state) = self.provisioning.take() else { return };
        if state.loops[position].due != self.world.time {
            self.provisioning = Some(state);
            return;
        }
        let own = &self.model.provisioning.autoscalers[position];
        let waiting = state.seen_with(own.watch_delay, self.world.time);
        let view = View { model: self.model, world: &self.world };
        let turn = state.loops[position].policy.turn(&Seen { view, unschedulable: &waiting });
        assert!(turn.next > self.world.time, "a turn is followed by a later one");
        state.loops[position].due = turn.next;
        let is_wanted = !turn.orders.is_empty();
        if is_wanted {
            state.loops[position].orders.push_back(turn.orders);
        }
        self.provisioning = Some(state);
        self.schedule_turn(position, turn.next);
        if is_wanted && own.order_delay == SimDuration::ZERO {
            self.on_orders(autoscaler);
        } else if is_wanted {
            self.schedule(self.world.time.after(own.order_delay), Event::Orders { autoscaler });
        }
    }

    /// What an autoscaler wanted in its oldest turn, of those that are under way, is done.
    pub(in crate::engine) fn on_orders(&mut self, autoscaler: u16) {
        let position = usize::from(autoscaler);
        let Some(state) = &mut self.provisioning else { return };
        let orders = state.loops[position].orders.pop_front().unwrap_or_default();
        for order in &orders {
            self.carry_out_order(position, order);
        }
    }

    fn carry_out_order(&mut self, autoscaler: usize, order: &Order) {
        let view = View { model: self.model, world: &self.world };
        self.observer.provisioned(&view, autoscaler, order);
        match &order.action {
            Action::Buy { offers, count } => (0..*count).for_each(|_| self.buy(offers)),
            Action::Return { machine, patience } => self.return_machine(*machine, *patience),
            Action::Cordon(machine, is_cordoned) => {
                if let (MachineState::Ready, Some(node)) = self.state_and_node(*machine) {
                    let state = if *is_cordoned { NodeState::Cordoned } else { NodeState::Ready };
                    self.change_state(node, state);
                }
            }
        }
    }

    fn state_and_node(&self, machine: MachineId) -> (MachineState, Option<NodeId>) {
        let one = self.world.fleet.get(machine);
        (one.state, one.node)
    }

    /// Orders a machine: of the offers that the provider has the first, or where it spreads them one that there are fewest of.
    fn buy(&mut self, offers: &[OfferId]) {
        let now = self.world.time;
        let first = *offers.first().expect("an order names what would do");
        let group = self.model.provisioning.offer(first).group;
        let there_is = |offer: &&OfferId| self.refusal(group, **offer).is_none();
        let chosen = match self.model.provisioning.group(group).is_spread {
            true => offers.iter().filter(there_is).min_by_key(|offer| self.world.fleet.bought(group, **offer)),
            false => offers.iter().find(there_is),
        };
        // Asked before the order counts against what is full.
        let why = if chosen.is_none() { self.refusal(group, first) } else { None };
        let machine = self.world.fleet.order(group, *chosen.unwrap_or(&first), now);
        match why {
            Some(why) => self.world.fleet.refuse(machine, why, now),
            None => {
                let launch = self.machine_delay(machine, "machine/launch", |delays| &delays.launch);
                self.schedule_machine(machine, launch, MachineStep::Launch);
            }
        }
        self.tell_of_machine(machine);
    }

    /// Why the provider has no such machine; none: it has.
    fn refusal(&self, group: GroupId, offer: OfferId) -> Option<Refusal> {
        let own = self.model.provisioning.group(group);
        if self.world.fleet.target(group) >= own.max as usize {
            return Some(Refusal::GroupIsFull);
        }
        let shape = self.model.cluster.shape(self.model.provisioning.offer(offer).shape);
        let is_out = shape.pool.is_some_and(|pool| self.is_stocked_out(pool));
        if is_out { Some(Refusal::StockOut) } else { self.market_refusal(offer) }
    }

    /// How long a step takes for this machine: the same whatever else is ordered.
    fn machine_delay(
        &self,
        machine: MachineId,
        stream: &str,
        which: fn(&crate::model::provisioning::MachineDelays) -> &Dist,
    ) -> SimDuration {
        let group = self.world.fleet.get(machine).group;
        let dist = which(&self.model.provisioning.group(group).delays);
        match dist.is_zero() {
            true => SimDuration::ZERO,
            false => dist.sample(&mut self.model.seed.stream(stream, machine.0.into())),
        }
    }

    pub(in crate::engine) fn schedule_machine(&mut self, machine: MachineId, delay: SimDuration, step: MachineStep) {
        self.schedule(self.world.time.after(delay), Event::Machine { step, machine });
    }

    pub(in crate::engine) fn tell_of_machine(&mut self, machine: MachineId) {
        self.observer.machine_changed(&View { model: self.model, world: &self.world }, machine);
    }

    pub(in crate::engine) fn on_machine(&mut self, machine: MachineId, step: MachineStep) {
        let (state, _) = self.state_and_node(machine);
        match (step, state) {
            (MachineStep::Launch, MachineState::Ordered) => {
                self.world.fleet.launch(machine, self.world.time);
                let boot = self.machine_delay(machine, "machine/boot", |delays| &delays.boot);
                self.schedule_machine(machine, boot, MachineStep::Join);
                self.schedule_reclaim(machine);
                self.tell_of_machine(machine);
            }
            // What is being taken back neither joins any more nor takes pods.
            (MachineStep::Join | MachineStep::BecomeReady, _) if self.is_being_reclaimed(machine) => {}
            (MachineStep::Join, MachineState::Ordered) => self.join(machine),
            (MachineStep::ReclaimNotice, _) => self.on_machine_notice(machine),
            (MachineStep::Reclaim, _) => self.on_machine_reclaim(machine),
            (MachineStep::BecomeReady, MachineState::Joined) => self.let_in(machine),
            (MachineStep::Empty, MachineState::Draining) => self.empty(machine),
            (MachineStep::End, MachineState::Ending) => {
                self.world.fleet.end(machine, self.world.time);
                self.tell_of_machine(machine);
            }
            // The machine went another way in the meantime.
            _ => {}
        }
    }

    /// Its node joins the cluster.
    fn join(&mut self, machine: MachineId) {
        let offer = self.world.fleet.get(machine).offer;
        let shape = self.model.provisioning.offer(offer).shape;
        let pool = self.model.cluster.shape(shape).pool.expect("the machines of a group belong to its pool");
        let number = self.pool_sizes[pool.index()];
        self.pool_sizes[pool.index()] += 1;
        let name = format!("{}-{number}", self.model.cluster.pools[pool.index()].name);
        let node = NodeId::from_index(self.world.nodes.len());
        self.world.fleet.join(machine, node, self.world.time);
        self.apply_new_node(&name, shape);
        let ready = self.machine_delay(machine, "machine/ready", |delays| &delays.ready);
        if ready == SimDuration::ZERO {
            self.let_in(machine);
        } else {
            self.change_state(node, NodeState::Cordoned);
            self.schedule_machine(machine, ready, MachineStep::BecomeReady);
            self.tell_of_machine(machine);
        }
    }

    /// Its node takes pods from now on.
    fn let_in(&mut self, machine: MachineId) {
        self.world.fleet.become_ready(machine, self.world.time);
        if let Some(node) = self.world.fleet.get(machine).node
            && self.world.nodes.state[node.index()] == NodeState::Cordoned
        {
            self.change_state(node, NodeState::Ready);
        }
        self.tell_of_machine(machine);
    }

    /// A machine is to go: at once if it has no node, else when its node is empty.
    fn return_machine(&mut self, machine: MachineId, patience: Patience) {
        match self.state_and_node(machine) {
            (MachineState::Ordered, None) => {
                self.world.fleet.end(machine, self.world.time);
                self.tell_of_machine(machine);
            }
            (MachineState::Joined | MachineState::Ready, Some(node)) if self.is_up(node) => {
                self.world.fleet.drain(machine, self.world.time);
                if let Some(state) = &mut self.provisioning {
                    state.patience.insert(machine, patience);
                }
                self.change_state(node, NodeState::Cordoned);
                self.tell_of_machine(machine);
                self.empty(machine);
            }
            _ => {}
        }
    }

    /// Evicts what may go, and comes back for the rest; ends the machine when nothing is left, or gives up.
    fn empty(&mut self, machine: MachineId) {
        let (now, one) = (self.world.time, *self.world.fleet.get(machine));
        let node = one.node.expect("a node that is being emptied");
        let patience = self.provisioning.as_ref().and_then(|state| state.patience.get(&machine).copied());
        let Patience { give_up_after, force_after, spares_protected } = patience.unwrap_or_default();
        let is_over = |span: Option<SimDuration>| span.is_some_and(|span| now >= one.draining.after(span));
        let is_forced = is_over(force_after);
        for pod in self.pods_on(node) {
            let is_told = self.world.pods.deletion[pod.index()] != Deletion::None;
            if is_told || self.stays_with_node(pod) {
                continue;
            }
            let is_spared = spares_protected && self.is_protected(pod);
            if is_forced || !is_spared && disruption::may_evict(&View { model: self.model, world: &self.world }, pod) {
                self.apply_deletion(pod, Reason::NodeDrained);
            }
        }
        if self.world.fleet.get(machine).state != MachineState::Draining {
            // The last of its pods has taken the machine with it.
            return;
        }
        if self.is_empty_but_for_daemons(node) {
            self.begin_end(machine);
        } else if is_over(give_up_after) {
            self.world.fleet.keep(machine, now);
            self.change_state(node, NodeState::Ready);
            self.tell_of_machine(machine);
        } else {
            let deadlines = [give_up_after, force_after].into_iter().flatten().map(|span| one.draining.after(span));
            let next = deadlines.filter(|at| *at > now).fold(now.after(RETRY), SimTime::min);
            self.schedule(next, Event::Machine { step: MachineStep::Empty, machine });
        }
    }

    fn is_empty_but_for_daemons(&self, node: NodeId) -> bool {
        self.world.nodes.pods(&self.world.pods, node).all(|pod| self.is_daemon(pod))
    }

    /// Nothing runs on it any more: the node leaves the cluster, and the machine is shut down.
    fn begin_end(&mut self, machine: MachineId) {
        let node = self.world.fleet.get(machine).node.expect("a node that was emptied");
        self.world.fleet.begin_end(machine);
        if let Some(state) = &mut self.provisioning {
            state.patience.remove(&machine);
        }
        self.take_down(node, NodeState::Removed, Phase::Deleted, Reason::NodeRemoved);
        let span = self.machine_delay(machine, "machine/shut-down", |delays| &delays.shut_down);
        self.schedule_machine(machine, span, MachineStep::End);
        self.tell_of_machine(machine);
    }

    /// A node has left the cluster by whatever way: its machine is no more, unless it is being shut down.
    pub(in crate::engine) fn note_node_gone(&mut self, node: NodeId) {
        if self.provisioning.is_none() {
            return;
        }
        let machine = self.world.fleet.of_node(node);
        if let Some(machine) = machine.filter(|one| self.world.fleet.get(*one).state != MachineState::Ending) {
            self.world.fleet.end(machine, self.world.time);
            self.tell_of_machine(machine);
        }
    }

    /// The provider says when it takes a node's machine back: autoscalers that listen to it get a turn.
    pub(in crate::engine) fn note_reclaim(&mut self, node: NodeId, at: SimTime) {
        if let Some(machine) = self.world.fleet.of_node(node) {
            self.note_machine_reclaim(machine, at);
        }
    }

    /// As [`Simulation::note_reclaim`], for a machine that may have no node yet.
    pub(in crate::engine) fn note_machine_reclaim(&mut self, machine: MachineId, at: SimTime) {
        self.world.fleet.reclaim(machine, at);
        self.tell_of_machine(machine);
        self.bring_forward(|policy, now| policy.machine_reclaimed(machine, now));
    }

    /// A pod has left a node: one that is being emptied may be empty now.
    pub(in crate::engine) fn note_pod_left(&mut self, node: NodeId) {
        self.note_pods_of(node);
        if self.provisioning.is_none() {
            return;
        }
        if let Some(machine) = self.world.fleet.of_node(node)
            && self.world.fleet.get(machine).state == MachineState::Draining
            && self.is_empty_but_for_daemons(node)
        {
            self.schedule_machine(machine, SimDuration::ZERO, MachineStep::Empty);
        }
    }

    /// A pod has come to a node or left it.
    pub(in crate::engine) fn note_pods_of(&mut self, node: NodeId) {
        let Some(machine) = self.world.fleet.of_node(node) else { return };
        self.bring_forward(|policy, now| policy.node_changed(machine, now));
    }

    /// A pod was found to fit nowhere.
    pub(in crate::engine) fn note_unplaced(&mut self, pod: PodId) {
        let now = self.world.time;
        let Some(state) = &mut self.provisioning else { return };
        if state.unschedulable.contains_key(&pod) {
            return;
        }
        state.unschedulable.insert(pod, now);
        self.bring_forward(|policy, now| policy.pod_waits(pod, now));
    }

    /// A pod waits no longer.
    pub(in crate::engine) fn note_placed_or_gone(&mut self, pod: PodId) {
        let now = self.world.time;
        if let Some(state) = &mut self.provisioning
            && let Some(since) = state.unschedulable.remove(&pod)
            && state.delay_max > SimDuration::ZERO
        {
            state.placed.push_back((pod, since, now));
        }
    }

    /// Tells autoscalers what happens now, when they see it, and gives them an earlier turn if they want one.
    fn bring_forward(&mut self, wish: impl Fn(&mut Box<dyn NodeAutoscaler>, SimTime) -> Option<SimTime>) {
        let now = self.world.time;
        let Some(mut state) = self.provisioning.take() else { return };
        for (position, one) in state.loops.iter_mut().enumerate() {
            let seen = now.after(self.model.provisioning.autoscalers[position].watch_delay);
            let wanted = wish(&mut one.policy, seen).map(|at| at.max(seen)).filter(|at| *at < one.due);
            if let Some(at) = wanted {
                one.due = at;
                self.schedule_turn(position, at);
            }
        }
        self.provisioning = Some(state);
    }

    /// Whether the provider may take the node back: one that was bought for a lower price for that.
    pub(in crate::engine) fn is_reclaimable(&self, node: NodeId) -> bool {
        let machine = self.world.fleet.of_node(node).map(|machine| self.world.fleet.get(machine));
        machine.is_none_or(|machine| self.model.provisioning.offer(machine.offer).market == Market::Spot)
    }
}
