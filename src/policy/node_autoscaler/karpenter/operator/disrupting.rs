//! Passes of disruption: which nodes go, what is bought before, and when that is carried out.
//!
//! Every 10 s the methods are asked in turn. What one finds is looked at again after 15 s, during which nothing else is
//! looked for; if it still holds its nodes take no more pods, what replaces them is bought, and once that takes pods they are
//! returned (`disruption.Queue`). A replacement that does not come up gives the nodes back.
//!
//! A method that found nothing is not asked again until something has changed, or 5 min have passed
//! (`ConsolidationState`).
//!
//! Cost: where nothing has changed, a comparison; else what the methods cost.

use std::collections::BTreeSet;

use super::super::disruption::balanced::{self, PoolTotals};
use super::super::disruption::consolidation::{Consolidation, ConsolidationOptions};
use super::super::disruption::{
    Candidate, Command, Found, METHODS, Method, PoolNodes, Surroundings, VALIDATION_DELAY_S, allowed_disruptions,
    by_savings, empty_nodes, eviction_cost, is_consolidatable, is_under_consolidate_after, validate,
};
use super::super::lifecycle;
use super::super::node_pool::{ConsolidationPolicy, DisruptionReason};
use super::super::scheduler::{Options, ReservedMode, Scheduler};
use super::memory::Memory;
use super::{Asker, Karpenter, provisioning, sight};
use crate::ids::{MachineId, PodId};
use crate::model::disruption::DoNotDisrupt;
use crate::model::{NodeDisruption, PodClass};
use crate::policy::controllers::cron::WallClock;
use crate::policy::disruption::Evictions;
use crate::policy::node_autoscaler::{Action, Order, Seen};
use crate::units::{SimDuration, SimTime};
use crate::world::MachineState;

/// How often a command looks whether its replacements are up (`queueBaseDelay`), and how often a pass looks whether orders
/// are known, in seconds.
const POLL_S: f64 = 1.0;
/// After so long everything is looked at again though nothing has changed, in seconds.
const CONSOLIDATED_MAX_S: f64 = 300.0;
/// How long a command waits for its replacements: so long for each node that goes, within these bounds, in seconds
/// (`GetMaxRetryDuration`).
const RETRY_PER_NODE_S: f64 = 0.08;
const RETRY_MIN_S: f64 = 600.0;
const RETRY_MAX_S: f64 = 3600.0;

/// What is being decided, and what is being carried out.
#[derive(Debug)]
pub(super) struct Disruption {
    period: SimDuration,
    options: ConsolidationOptions,
    /// When the next pass is.
    next: SimTime,
    waiting: Option<Waiting>,
    running: Vec<Running>,
    commands: u64,
    /// The state in which each method last found nothing.
    consolidated: [Option<u64>; METHODS.len()],
    state: u64,
    state_since: SimTime,
    version_seen: u64,
    /// When something last happened to the pods of machines, by machine; [`SimTime::NEVER`]: nothing yet.
    pod_events: Vec<SimTime>,
    /// Candidates by position.
    cache: Vec<Option<Cached>>,
    generation: u64,
}

/// A node as a candidate.
#[derive(Clone, Debug)]
struct Cached {
    /// The stamp of its entry when it was made.
    stamp: u64,
    /// Whether its node was initialised then: its labels change only with that.
    is_initialized: bool,
    candidate: Candidate,
}

/// What was found, and is looked at again.
#[derive(Debug)]
struct Waiting {
    at: SimTime,
    method: usize,
    machines: Vec<MachineId>,
    command: Command,
}

/// What is being carried out.
#[derive(Debug)]
struct Running {
    id: u64,
    since: SimTime,
    reason: &'static str,
    machines: Vec<MachineId>,
    /// How many replacements are to come, and those that are known.
    expected: usize,
    replacements: Vec<MachineId>,
}

impl Disruption {
    pub(super) fn new(period: SimDuration, spot_to_spot: bool) -> Disruption {
        Disruption {
            period,
            options: ConsolidationOptions { spot_to_spot },
            next: SimTime::ZERO,
            waiting: None,
            running: Vec::new(),
            commands: 0,
            consolidated: [None; METHODS.len()],
            state: 0,
            state_since: SimTime::ZERO,
            version_seen: 0,
            pod_events: Vec::new(),
            cache: Vec::new(),
            generation: 0,
        }
    }

    /// A pod has come to a machine, or left it.
    pub(super) fn note_pods(&mut self, machine: MachineId, now: SimTime) {
        if lifecycle::pod_event_counts(self.pod_event(machine), now) {
            if self.pod_events.len() <= machine.index() {
                self.pod_events.resize(machine.index() + 1, SimTime::NEVER);
            }
            self.pod_events[machine.index()] = now;
        }
    }

    /// When something last happened to the pods of a machine.
    fn pod_event(&self, machine: MachineId) -> Option<SimTime> {
        self.pod_events.get(machine.index()).copied().filter(|at| *at != SimTime::NEVER)
    }

    /// A replacement has been ordered for a command.
    pub(super) fn note_replacement(&mut self, command: u64, machine: MachineId) {
        if let Some(running) = self.running.iter_mut().find(|running| running.id == command) {
            running.replacements.push(machine);
        }
    }

    /// When it is to be looked at next.
    pub(super) fn next(&self, now: SimTime) -> SimTime {
        let pass = self.waiting.as_ref().map_or(self.next, |waiting| waiting.at);
        let is_polling = self.running.iter().any(|running| running.expected > 0);
        let poll = if is_polling { now.after(SimDuration::from_seconds(POLL_S)) } else { SimTime::NEVER };
        pass.min(poll)
    }

    /// The state of the cluster as consolidation knows it.
    fn observe(&mut self, version: u64, now: SimTime) {
        let is_old = now.since(self.state_since) >= SimDuration::from_seconds(CONSOLIDATED_MAX_S);
        if version != self.version_seen || is_old {
            self.version_seen = version;
            self.state += 1;
            self.state_since = now;
        }
    }
}

fn reason_name(reason: DisruptionReason) -> &'static str {
    match reason {
        DisruptionReason::Underutilized => "underutilized",
        DisruptionReason::Empty => "empty",
        DisruptionReason::Drifted => "drifted",
        DisruptionReason::Unhealthy => "unhealthy",
    }
}

/// What one pass looks at.
struct Pass<'p> {
    evictions: Evictions<'p>,
    surroundings: Surroundings,
    totals: Vec<PoolTotals>,
    /// Whether there are pods that could keep their nodes.
    may_block: bool,
    /// By pool: how many nodes there are, and how many of them go.
    nodes: Vec<PoolNodes>,
    /// The candidates that nothing forbids now but their pods, with whether nothing has happened to these for long enough.
    open: Vec<(usize, bool)>,
}

impl Karpenter {
    /// Looks for nodes that can go, if it is time.
    pub(super) fn disrupt(&mut self, seen: &Seen<'_>, orders: &mut Vec<Order>) {
        let now = seen.now();
        let (mut from, mut is_due) = (0, self.disruption.next <= now);
        if let Some(waiting) = self.disruption.waiting.take_if(|waiting| waiting.at <= now) {
            from = waiting.method + 1;
            if self.confirm(seen, waiting, orders) {
                self.disruption.next = SimTime(now.0 + 1);
                return;
            }
            is_due = true;
        }
        if self.disruption.waiting.is_some() || !is_due {
            return;
        }
        if !self.is_synced() {
            self.disruption.next = now.after(SimDuration::from_seconds(POLL_S));
            return;
        }
        self.disruption.next = now.after(self.disruption.period);
        self.disruption.observe(self.sight.version, now);
        self.look(seen, from, orders);
    }

    /// Asks the methods from one on.
    fn look(&mut self, seen: &Seen<'_>, from: usize, orders: &mut Vec<Order>) {
        let state = self.disruption.state;
        let is_settled = |at: usize| self.disruption.consolidated[at] == Some(state);
        // Drift has nothing that settles it, but nothing drifts while nothing changes.
        if (from..METHODS.len()).all(|at| is_settled(at) || METHODS[at] == Method::Drift) {
            return;
        }
        self.mark_recent(seen.now());
        let pass = self.pass(seen);
        let mut memory = std::mem::take(&mut self.memory);
        let (settled, found) = self.search(seen, &pass, from, &mut memory);
        self.memory = memory;
        for at in settled {
            self.disruption.consolidated[at] = Some(state);
        }
        let Some((at, command)) = found else { return };
        let machines = command.nodes.iter().filter_map(|node| self.sight.entries[*node].machine).collect();
        let waiting = Waiting { at: seen.now(), method: at, machines, command };
        if METHODS[at] == Method::Drift {
            if self.start(seen, waiting, orders) {
                self.disruption.next = SimTime(seen.now().0 + 1);
            }
        } else {
            let at = seen.now().after(SimDuration::from_seconds(VALIDATION_DELAY_S));
            self.disruption.waiting = Some(Waiting { at, ..waiting });
        }
    }

    /// Which methods from one on have found nothing for good, and what the first that found something found.
    fn search(
        &self,
        seen: &Seen<'_>,
        pass: &Pass<'_>,
        from: usize,
        memory: &mut Memory,
    ) -> (Vec<usize>, Option<(usize, Command)>) {
        let state = Some(self.disruption.state);
        let (mut settled, mut scheduler, mut command) = (Vec::new(), None, None);
        let mut of_consolidation: Option<Vec<&Candidate>> = None;
        for (at, method) in METHODS.into_iter().enumerate().skip(from) {
            if self.disruption.consolidated[at] == state {
                continue;
            }
            let all = |_: usize| true;
            let candidates = match method {
                // Both take the same nodes, in the same order.
                Method::MultiNodeConsolidation | Method::SingleNodeConsolidation => {
                    of_consolidation.get_or_insert_with(|| by_savings(self.candidates(seen, pass, method, all))).clone()
                }
                Method::Emptiness | Method::Drift => self.candidates(seen, pass, method, all),
            };
            if candidates.is_empty() {
                continue;
            }
            let found = self.ask(seen, pass, (method, candidates), (memory, &mut scheduler));
            command = found.command.map(|command| (at, command));
            if command.is_some() {
                break;
            }
            if !found.is_constrained && method != Method::Drift {
                settled.push(at);
            }
        }
        if let Some(scheduler) = scheduler {
            memory.keep(scheduler);
        }
        (settled, command)
    }

    fn pass<'p>(&mut self, seen: &Seen<'p>) -> Pass<'p> {
        let waits = |pod: &PodId| !sight::is_daemon(seen.view, *pod) && seen.view.world.nominated.get(pod).is_none();
        let pending: Vec<(PodId, Option<usize>)> =
            seen.unschedulable.iter().map(|(pod, _)| *pod).filter(waits).map(|pod| (pod, None)).collect();
        self.refresh_cache(seen);
        let is_balanced =
            |pool: usize| self.environment.pools[pool].0.disruption.policy == ConsolidationPolicy::Balanced;
        let pools = self.environment.pools.len();
        let totals = if (0..pools).any(is_balanced) {
            let all = self.disruption.cache.iter().flatten();
            let costs = all.map(|Cached { candidate: one, .. }| (one.pool, one.usd_per_hour, one.disruption_cost));
            balanced::totals(pools, costs)
        } else {
            vec![PoolTotals::default(); pools]
        };
        let evictions = Evictions::new(seen.view);
        let protects = |class: &PodClass| class.disruption.do_not_disrupt != DoNotDisrupt::Unsaid;
        Pass {
            may_block: !evictions.is_empty() || seen.view.model.workload.all_classes().any(protects),
            evictions,
            surroundings: Surroundings::new(
                &self.environment,
                provisioning::batch_pods(seen, &pending),
                provisioning::batch_pods(seen, &self.pods_of_going(seen)),
            ),
            totals,
            nodes: self.pool_nodes(seen),
            open: self.open(seen),
        }
    }

    /// The candidates that can be disrupted now, as far as nothing but their pods matters, by position.
    fn open(&self, seen: &Seen<'_>) -> Vec<(usize, bool)> {
        let now = seen.now();
        let standing = |(at, cached): (usize, &Option<Cached>)| {
            let cached = cached.as_ref()?;
            let machine = self.sight.entries[at].machine?;
            let is_nominated = || self.nominated.get(&machine).is_some_and(|until| *until > now);
            if !self.sight.is_initialized(at) || self.sight.is_deleting(at) || is_nominated() {
                return None;
            }
            let (pool, event) = (&self.environment.pools[cached.candidate.pool].0, self.disruption.pod_event(machine));
            Some((at, is_consolidatable(pool, self.sight.initialized(at), event, now)))
        };
        self.disruption.cache.iter().enumerate().filter_map(standing).collect()
    }

    fn ask<'s>(
        &'s self,
        seen: &Seen<'_>,
        pass: &Pass<'_>,
        (method, candidates): (Method, Vec<&Candidate>),
        (memory, scheduler): (&mut Memory, &mut Option<Scheduler<'s>>),
    ) -> Found {
        let mut budgets = self.budgets(seen, pass, method.reason());
        if method == Method::Emptiness {
            return empty_nodes(candidates, &mut budgets);
        }
        let scheduler = scheduler.get_or_insert_with(|| self.scheduler(memory));
        let mut work = Consolidation {
            scheduler,
            surroundings: &pass.surroundings,
            options: self.disruption.options,
            totals: &pass.totals,
        };
        match method {
            Method::MultiNodeConsolidation => work.multi_node(candidates, &mut budgets),
            Method::SingleNodeConsolidation => work.single_node(candidates, &budgets, &BTreeSet::new()),
            Method::Drift | Method::Emptiness => work.drifted(candidates, &budgets),
        }
    }

    fn scheduler(&self, memory: &mut Memory) -> Scheduler<'_> {
        let options = Options { reserved: ReservedMode::Fallback, ..self.options };
        memory.scheduler(&self.environment, &self.sight, self.market.version(), options)
    }

    /// How many nodes each pool has, and how many of them go.
    fn pool_nodes(&self, seen: &Seen<'_>) -> Vec<PoolNodes> {
        let mut nodes = vec![PoolNodes::default(); self.environment.pools.len()];
        let fleet = &seen.view.world.fleet;
        for (at, entry) in self.sight.entries.iter().enumerate() {
            let Some(machine) = entry.machine.filter(|_| self.sight.is_there(at)) else { continue };
            let one = fleet.get(machine);
            let is_counted = self.sight.is_initialized(at) && one.state != MachineState::Ending;
            if let Some(pool) = self.sight.pool_of(at).filter(|_| is_counted) {
                nodes[pool].nodes += 1;
                nodes[pool].disrupting += u64::from(self.sight.is_deleting(at));
            }
        }
        nodes
    }

    /// How many nodes of each pool may go for a reason.
    fn budgets(&self, seen: &Seen<'_>, pass: &Pass<'_>, reason: DisruptionReason) -> Vec<u64> {
        let unix_seconds = WallClock::RUN.unix_seconds(seen.now());
        let pools = self.environment.pools.iter().zip(&pass.nodes);
        pools.map(|((pool, _), nodes)| allowed_disruptions(pool, unix_seconds, *nodes, reason)).collect()
    }

    /// Notes which nodes have just got or lost a pod.
    fn mark_recent(&mut self, now: SimTime) {
        for at in 0..self.sight.entries.len() {
            let Some(machine) = self.sight.entries[at].machine.filter(|_| self.sight.is_there(at)) else { continue };
            let Some(pool) = self.sight.pool_of(at) else { continue };
            let of_pool = &self.environment.pools[pool].0;
            let event = self.disruption.pod_event(machine);
            let is_recent = is_under_consolidate_after(of_pool, self.sight.initialized(at), event, now);
            self.sight.set_recent(at, is_recent);
        }
    }

    /// Candidates of entries that changed are made anew.
    fn refresh_cache(&mut self, seen: &Seen<'_>) {
        if self.disruption.generation != self.sight.generation {
            self.disruption.generation = self.sight.generation;
            self.disruption.cache.clear();
        }
        self.disruption.cache.resize(self.sight.entries.len(), None);
        for at in 0..self.sight.entries.len() {
            let stamp = self.sight.stamps[at];
            if self.disruption.cache[at].as_ref().is_none_or(|cached| cached.stamp != stamp) {
                let is_initialized = self.sight.is_initialized(at);
                let candidate = self.candidate(seen, at);
                self.disruption.cache[at] = candidate.map(|candidate| Cached { stamp, is_initialized, candidate });
            }
        }
    }

    /// An entry as a candidate, whatever forbids it now; none: it is no node of a pool.
    fn candidate(&self, seen: &Seen<'_>, at: usize) -> Option<Candidate> {
        let (view, entry) = (seen.view, self.sight.entries[at]);
        let (node, _) = entry.node.zip(entry.machine).filter(|_| self.sight.is_there(at))?;
        let mut pods: Vec<PodId> = view.world.nodes.pods(&view.world.pods, node).collect();
        pods.retain(|pod| sight::is_reschedulable(view, *pod));
        pods.sort_unstable();
        let placed: Vec<(PodId, Option<usize>)> = pods.iter().map(|pod| (*pod, Some(at))).collect();
        let cost = |pod: &PodId| {
            let class = view.class_of(*pod);
            eviction_cost(Some(class.disruption.eviction_cost), None, Some(class.priority))
        };
        let costs = pods.iter().map(cost);
        let of_batch = provisioning::batch_pods(seen, &placed).into_iter().zip(costs).collect();
        let mut candidate = Candidate::new(&self.environment, &self.sight.nodes, at, of_batch)?;
        let before = self.disruption.cache[at].as_ref();
        let before = before.filter(|cached| cached.is_initialized == self.sight.is_initialized(at));
        let has_drifted = match before {
            Some(cached) => cached.candidate.drifted.is_some(),
            None => self.has_drifted(at, candidate.pool),
        };
        candidate.drifted = self.sight.initialized(at).filter(|_| has_drifted);
        // Who asks sees to that.
        candidate.is_consolidatable = true;
        Some(candidate)
    }

    /// Whether the node at a position is no longer what its pool asks for. Pools stay as they are in a run.
    fn has_drifted(&self, at: usize, pool: usize) -> bool {
        let (pool, labels) = (&self.environment.pools[pool].0, &self.sight.nodes[at].labels);
        lifecycle::drift(pool, &pool.drift_identity(), labels, None, &self.environment.well_known).is_some()
    }

    /// The nodes that a method may take now, of those at some positions.
    fn candidates(
        &self,
        seen: &Seen<'_>,
        pass: &Pass<'_>,
        method: Method,
        is_asked: impl Fn(usize) -> bool,
    ) -> Vec<&Candidate> {
        let open = pass.open.iter().filter(|(at, is_ripe)| (*is_ripe || method == Method::Drift) && is_asked(*at));
        let cached = open.filter_map(|(at, _)| self.disruption.cache[*at].as_ref());
        let candidates = cached.map(|cached| &cached.candidate);
        let may_go = |candidate: &&Candidate| {
            candidate.is_for(method, &self.environment) && !self.is_blocked(seen, pass, method, candidate)
        };
        candidates.filter(may_go).collect()
    }

    /// Whether what its pods or the node itself say, or the budgets of its pods, keeps a method from taking a node.
    fn is_blocked(&self, seen: &Seen<'_>, pass: &Pass<'_>, method: Method, candidate: &Candidate) -> bool {
        let pool = &self.environment.pools[candidate.pool].0;
        let Some(node) = self.sight.entries[candidate.node].node else { return false };
        let view = seen.view;
        if view.model.cluster.shape(view.world.nodes.shape[node.index()]).disruption.do_not_disrupt
            || NodeDisruption::of_list(&pool.template.annotations).do_not_disrupt
        {
            return true;
        }
        let is_eventual = method == Method::Drift && pool.template.termination_grace_period.is_some();
        let blocks = |pod: PodId| pass.evictions.blocks(&view, pod) || sight::is_protected(view, pod);
        !is_eventual && pass.may_block && view.world.nodes.pods(&view.world.pods, node).any(blocks)
    }

    /// Looks again at what was found, and begins to carry it out if it still holds. Returns whether it does.
    fn confirm(&mut self, seen: &Seen<'_>, mut waiting: Waiting, orders: &mut Vec<Order>) -> bool {
        self.mark_recent(seen.now());
        let pass = self.pass(seen);
        let mut memory = std::mem::take(&mut self.memory);
        let holds = self.holds(seen, &pass, &mut waiting, &mut memory);
        self.memory = memory;
        holds && self.start(seen, waiting, orders)
    }

    /// Whether what was found still holds; of empty nodes those that are gone are left out.
    fn holds(&self, seen: &Seen<'_>, pass: &Pass<'_>, waiting: &mut Waiting, memory: &mut Memory) -> bool {
        let method = METHODS[waiting.method];
        let found = waiting.machines.iter().filter_map(|machine| self.sight.of_machine(*machine));
        let found: BTreeSet<usize> = found.collect();
        let mut valid = self.candidates(seen, pass, method, |at| found.contains(&at));
        let of = |candidate: &&Candidate| self.sight.entries[candidate.node].machine;
        let mut budgets = self.budgets(seen, pass, method.reason());
        let mut take = |candidate: &&Candidate| {
            let left = &mut budgets[candidate.pool];
            let is_allowed = *left > 0;
            *left = left.saturating_sub(1);
            is_allowed
        };
        if method == Method::Emptiness {
            valid.retain(&mut take);
            waiting.machines = valid.iter().filter_map(of).collect();
            return !valid.is_empty();
        }
        if valid.len() < waiting.machines.len() || !valid.iter().all(&mut take) {
            return false;
        }
        let mut scheduler = self.scheduler(memory);
        let is_valid = validate(&mut scheduler, &pass.surroundings, &waiting.command, &valid);
        memory.keep(scheduler);
        is_valid
    }

    /// Begins to carry a command out. Returns whether that could be done.
    fn start(&mut self, seen: &Seen<'_>, waiting: Waiting, orders: &mut Vec<Order>) -> bool {
        let (now, reason) = (seen.now(), reason_name(METHODS[waiting.method].reason()));
        let before = orders.len();
        let cordons = waiting.machines.iter().map(|machine| Order { action: Action::Cordon(*machine, true), reason });
        orders.extend(cordons);
        self.disruption.commands += 1;
        let id = self.disruption.commands;
        let expected = self.buy(&waiting.command.replacements, Some(id), reason, (seen, orders));
        if expected < waiting.command.replacements.len() {
            // What could not be replaced stays; what was bought for it is there for whoever needs it.
            orders.drain(before..before + waiting.machines.len());
            return false;
        }
        for machine in &waiting.machines {
            self.sight.mark(*machine, true);
            self.askers.insert((now, Asker::Machine(*machine)));
        }
        let until = now.after(self.nomination_window);
        let promised = waiting.command.results.existing.keys().filter_map(|at| self.sight.entries.get(*at)?.machine);
        for machine in promised {
            self.nominated.insert(machine, until);
        }
        let Waiting { machines, .. } = waiting;
        self.disruption.running.push(Running { id, since: now, reason, machines, expected, replacements: Vec::new() });
        if expected == 0 {
            self.carry_on(seen, orders);
        }
        true
    }

    /// Returns the nodes whose replacements are up, and gives back those whose replacements are not to come.
    pub(super) fn carry_on(&mut self, seen: &Seen<'_>, orders: &mut Vec<Order>) {
        let (now, fleet) = (seen.now(), &seen.view.world.fleet);
        let going: usize = self.disruption.running.iter().map(|running| running.machines.len()).sum();
        let retry_s = (RETRY_PER_NODE_S * going as f64).clamp(RETRY_MIN_S, RETRY_MAX_S);
        for running in std::mem::take(&mut self.disruption.running) {
            let states = || running.replacements.iter().map(|machine| fleet.get(*machine).state);
            let is_lost = states().any(|state| state > MachineState::Ready);
            let is_late = now.since(running.since) > SimDuration::from_seconds(retry_s);
            let is_up =
                running.replacements.len() == running.expected && states().all(|state| state == MachineState::Ready);
            if is_up {
                for machine in &running.machines {
                    orders.push(self.return_of(*machine, fleet.get(*machine).group, running.reason));
                }
            } else if is_lost || is_late {
                for machine in &running.machines {
                    self.sight.mark(*machine, false);
                    orders.push(Order { action: Action::Cordon(*machine, false), reason: "replacement failed" });
                }
            } else {
                self.disruption.running.push(running);
            }
        }
    }
}
