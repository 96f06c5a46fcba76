//! The two halves of a turn: what is bought for pods that wait, and what is returned.

use std::collections::BTreeSet;

use super::picture::{Grown, Held, Mould, Picture};
use super::seen::{self, Known};
use super::{ClusterAutoscaler, Deletion};
use crate::ids::{MachineId, NodeId, OfferId, PodId};
use crate::model::cluster::HOSTNAME_LABEL;
use crate::model::{GpuRequest, PodClass, PodSpec};
use crate::policy::disruption;
use crate::policy::node_autoscaler::cluster_autoscaler::actuation::{self, GroupFacts as DeletionFacts};
use crate::policy::node_autoscaler::cluster_autoscaler::cadence::{
    MayScaleUp, WaitingPod, is_old_enough, may_scale_up,
};
use crate::policy::node_autoscaler::cluster_autoscaler::drain::{DEFAULT_GRACE, RemainingBudgets};
use crate::policy::node_autoscaler::cluster_autoscaler::eligibility::{Candidate, unremovable_reason};
use crate::policy::node_autoscaler::cluster_autoscaler::equivalence::{PodKind, groups};
use crate::policy::node_autoscaler::cluster_autoscaler::estimator::{Amount, GroupFacts, PodGroup};
use crate::policy::node_autoscaler::cluster_autoscaler::expander::{Pricing, Surroundings};
use crate::policy::node_autoscaler::cluster_autoscaler::planner::{self, Unremovable, order_candidates};
use crate::policy::node_autoscaler::cluster_autoscaler::quota::{CountedNode, Quota, Tracker};
use crate::policy::node_autoscaler::cluster_autoscaler::removal::{MovedPod, Removable};
use crate::policy::node_autoscaler::cluster_autoscaler::scale_up::{NodeGroup, Outcome, ScaleUpInput, Templates};
use crate::policy::node_autoscaler::cluster_autoscaler::similar::ScaleUpInfo;
use crate::policy::node_autoscaler::cluster_autoscaler::snapshot::{Fits, NodeKey, Snapshot};
use crate::policy::node_autoscaler::cluster_autoscaler::utilization::{
    Ignored, PodShare, Utilization, share, utilization,
};
use crate::policy::node_autoscaler::{Action, Order, Patience, Seen};
use crate::policy::scheduler::kube::plugins::affinity_finds;
use crate::units::{Bytes, MilliCpu, SimDuration, SimTime};
use crate::world::{MachineState, View};

/// Prices of an hour of a core and of a GiB of memory, by which the expander `price` sells pods (upstream's
/// `proposals/pricing.md`).
const CORE_USD: f64 = 0.033_174;
const GIB_USD: f64 = 0.004_446;

/// The simulated cluster with the groups' templates.
struct Offered<'p, 'a> {
    picture: &'p mut Picture<'a>,
    moulds: &'p [Mould],
}

impl<'a> Templates for Offered<'_, 'a> {
    type Grown<'g>
        = Grown<'g, 'a>
    where
        Self: 'g;

    fn takes(&mut self, group: usize, pod: PodId) -> bool {
        self.picture.fork();
        let key = self.picture.make(&self.moulds[group]);
        let takes = self.picture.place(pod, key).is_ok();
        self.picture.revert();
        takes
    }

    fn open(&mut self, group: usize) -> Grown<'_, 'a> {
        Grown::new(self.picture, self.moulds[group].clone())
    }
}

/// What nodes cost, and what pods would.
struct Prices<'p> {
    view: View<'p>,
    moulds: &'p [Mould],
}

fn price(amount: Amount) -> f64 {
    amount.cpu.as_cores() * CORE_USD + amount.memory.0 as f64 / (1_u64 << 30) as f64 * GIB_USD
}

impl Pricing for Prices<'_> {
    fn node(&self, group: usize) -> Option<f64> {
        let model = self.view.model;
        let shape = self.moulds[group].shape;
        if !model.provisioning.market.has_prices() {
            return Some(model.cluster.shape(shape).usd_per_hour);
        }
        let sells = |offer: &OfferId| model.provisioning.offer(*offer).shape == shape;
        let offer = (0..model.provisioning.offers.len()).map(OfferId::from_index).find(sells);
        offer.map(|offer| self.view.usd_per_hour(offer))
    }

    fn pod(&self, pod: PodId) -> Option<f64> {
        let requests = &self.view.class_of(pod).requests;
        Some(price(Amount { cpu: requests.cpu, memory: requests.memory }))
    }

    fn stabilization_pod(&self) -> f64 {
        price(Amount { cpu: MilliCpu(500), memory: Bytes(500 << 20) })
    }

    fn has_gpu(&self, group: usize) -> bool {
        self.view.model.cluster.shape(self.moulds[group].shape).gpu.is_some()
    }
}

impl ClusterAutoscaler {
    /// Puts fresh nodes in the place of machines that are on their way; returns the nodes of those that have joined already.
    pub(super) fn add_upcoming(&mut self, seen: &Seen<'_>, picture: &mut Picture<'_>) -> BTreeSet<NodeKey> {
        let mut joined = BTreeSet::new();
        for (group, (count, registered)) in self.state.upcoming(seen.now()) {
            for _ in 0..count {
                picture.make(&self.templates.moulds[group]);
            }
            joined.extend(registered);
        }
        for node in &joined {
            picture.make_ghost(*node);
            picture.remove(*node);
        }
        joined
    }

    /// The pods that nothing that is there or comes has a place for, and that are old enough.
    pub(super) fn pods_to_help(&mut self, seen: &Seen<'_>, picture: &mut Picture<'_>) -> Vec<(PodId, WaitingPod)> {
        let view = &seen.view;
        let mut candidates: Vec<(PodId, SimTime)> = Vec::new();
        for (pod, since) in seen.unschedulable {
            if view.class_of(*pod).priority < self.options().expendable_pods_priority_cutoff {
                continue;
            }
            let promised = view.world.nominated.get(pod).map(|node| NodeKey(node.0));
            match promised.filter(|node| picture.holds(*node)) {
                Some(node) => picture.promise(*pod, node),
                None => candidates.push((*pod, created(view, *pod, *since))),
            }
        }
        candidates.extend(self.pods_being_drained(seen, picture));
        if candidates.is_empty() {
            return Vec::new();
        }
        candidates.sort_by_key(|(pod, _)| std::cmp::Reverse(view.class_of(*pod).priority));
        let moved: Vec<MovedPod> = candidates.iter().map(|(pod, _)| seen::moved(view, *pod)).collect();
        let placed = self.packer.place(picture, &mut self.rotation, &moved, false, |_| true);
        self.packer.drop_old_hints();
        let placed: BTreeSet<PodId> = placed.into_iter().map(|(pod, _)| pod).collect();
        let now = seen.now();
        let waiting = candidates.into_iter().filter(|(pod, _)| !placed.contains(pod) && !seen::is_daemon(view, *pod));
        let described = waiting.map(|(pod, created)| {
            let class = view.class_of(pod);
            let (asks_gpu, scale_up_delay) = (class.gpu.is_some(), class.disruption.scale_up_delay);
            (pod, WaitingPod { created, scale_up_delay, asks_gpu })
        });
        described.filter(|(_, pod)| is_old_enough(pod, self.options(), now)).collect()
    }

    /// Pods that will have to leave nodes which are being drained (`currently_drained_nodes.go`).
    fn pods_being_drained(&self, seen: &Seen<'_>, picture: &Picture<'_>) -> Vec<(PodId, SimTime)> {
        let view = &seen.view;
        let mut pods = Vec::new();
        for (machine, _) in self.deleting.iter().filter(|(_, deletion)| deletion.is_drained) {
            let Some(node) = view.world.fleet.get(*machine).node else { continue };
            let slot = picture.slot(NodeKey(node.0));
            let leaves = slot.pods.iter().filter(|held| !held.is_terminating && !seen::is_daemon(view, held.pod));
            let recreated = leaves.filter(|held| seen::controller_number(view, held.pod).is_some());
            pods.extend(recreated.map(|held| (held.pod, created(view, held.pod, view.world.time))));
        }
        pods
    }

    /// Scales up for the pods if it is time; says so if they are too new for anything to be decided.
    pub(super) fn scale_up(
        &mut self,
        seen: &Seen<'_>,
        picture: &mut Picture<'_>,
        waiting: &[(PodId, WaitingPod)],
        orders: &mut Vec<Order>,
    ) -> bool {
        let pods: Vec<WaitingPod> = waiting.iter().map(|(_, pod)| *pod).collect();
        let is_ready = |key: &&NodeKey| picture.is_real(**key) && seen::is_ready(&seen.view, NodeId(key.0));
        let limit = self.options().max_nodes_total;
        let ready = if limit > 0 { picture.keys().iter().filter(is_ready).count() } else { 0 };
        match may_scale_up(&pods, ready, self.options(), seen.now()) {
            MayScaleUp::NotNeeded | MayScaleUp::MaxNodesReached => return false,
            MayScaleUp::TooSoon => return true,
            MayScaleUp::Yes => {}
        }
        let pods = self.groups_of_pods(seen, waiting);
        let mut quotas = self.tracker(seen, self.flags.largest.as_ref(), Tracker::of_growth);
        let (mut rotation, mut stream) = (self.rotation, self.stream.clone());
        let plan = self.with_input(seen, &pods, picture.node_count(), |input, moulds| {
            input.plan(&mut Offered { picture, moulds }, &mut rotation, &mut quotas, &mut stream)
        });
        (self.rotation, self.stream) = (rotation, stream);
        if plan.outcome == Outcome::ScaledUp {
            self.grow(seen, &plan.scale_ups, "pods fit nowhere", orders);
        }
        false
    }

    fn groups_of_pods(&self, seen: &Seen<'_>, waiting: &[(PodId, WaitingPod)]) -> Vec<PodGroup> {
        let view = &seen.view;
        let kind = |(pod, _): &(PodId, WaitingPod)| PodKind {
            pod: *pod,
            controller: seen::controller_number(view, *pod),
            is_daemon: false,
            kind: view.world.pods.class[pod.index()].0,
        };
        let kinds: Vec<PodKind> = waiting.iter().map(kind).collect();
        let facts = |pods: &[PodId]| group_facts(view, view.class_of(pods[0]));
        groups(&kinds).into_iter().map(|pods| PodGroup { facts: facts(&pods), pods }).collect()
    }

    /// Calls a decision with all that it is made from.
    fn with_input<T>(
        &self,
        seen: &Seen<'_>,
        pods: &[PodGroup],
        nodes: usize,
        decide: impl FnOnce(&ScaleUpInput<'_>, &[Mould]) -> T,
    ) -> T {
        let group = |(min_size, max_size, target_size): &(i64, i64, i64)| NodeGroup {
            min_size: *min_size,
            max_size: *max_size,
            target_size: *target_size,
            zero_or_max: false,
        };
        let groups: Vec<NodeGroup> = self.groups.sizes.iter().map(group).collect();
        let prices = Prices { view: seen.view, moulds: &self.templates.moulds };
        let around = Surroundings {
            capacity: &self.templates.capacity,
            names: &self.names,
            pricing: self.flags.uses_price.then_some(&prices as &dyn Pricing),
            cluster_nodes: nodes,
        };
        let input = ScaleUpInput {
            groups: &groups,
            templates: &self.templates.infos,
            pods,
            current_nodes: nodes,
            options: self.options(),
            comparator: &self.flags.comparator,
            state: &self.state,
            expanders: &self.flags.expanders,
            around: &around,
            now: seen.now(),
        };
        decide(&input, &self.templates.moulds)
    }

    /// Orders the nodes of a scale-up.
    fn grow(&mut self, seen: &Seen<'_>, infos: &[ScaleUpInfo], reason: &'static str, orders: &mut Vec<Order>) {
        let now = seen.now();
        for info in infos.iter().filter(|info| info.delta() > 0) {
            let offers = seen.view.model.provisioning.group(self.groups.ids[info.group]).offers.clone();
            let count = u32::try_from(info.delta()).unwrap_or(u32::MAX);
            orders.push(Order { action: Action::Buy { offers, count }, reason });
            self.groups.sizes[info.group].2 = info.new_size;
            let expected = &mut self.expected[info.group];
            *expected = (expected.0 + i64::from(count), now);
            self.state.register_scale_up(info.group, info.delta(), now);
            self.last.scale_up = Some(now);
        }
        self.state.set_groups(&self.group_states());
    }

    /// Brings groups to their least size.
    pub(super) fn enforce_min_size(&mut self, seen: &Seen<'_>, orders: &mut Vec<Order>) {
        let mut quotas = self.tracker(seen, self.flags.largest.as_ref(), Tracker::of_growth);
        let infos = self.with_input(seen, &[], 0, |input, _| input.plan_to_min_size(&mut quotas));
        self.grow(seen, &infos, "below its least size", orders);
    }

    fn tracker(
        &self,
        seen: &Seen<'_>,
        quota: Option<&Quota>,
        make: fn(&[Quota], &[CountedNode]) -> Tracker,
    ) -> Tracker {
        match quota {
            None => make(&[], &[]),
            Some(quota) => make(std::slice::from_ref(quota), &seen::counted_nodes(&seen.view, &self.groups)),
        }
    }

    /// Looks for nodes that are not needed, and returns those that are due.
    pub(super) fn scale_down(
        &mut self,
        seen: &Seen<'_>,
        picture: &mut Picture<'_>,
        started_late: &BTreeSet<NodeKey>,
        is_too_soon: bool,
        orders: &mut Vec<Order>,
    ) {
        let now = seen.now();
        let view = seen.view;
        let nodes: Vec<NodeKey> =
            picture.keys().iter().copied().filter(|key| picture.is_real(*key) && !started_late.contains(key)).collect();
        let ineligible = self.ineligible(seen, picture, &nodes);
        let mut budgets = RemainingBudgets::default();
        if !view.model.objects.disruption_budgets.is_empty() {
            budgets.allowed = disruption::allowances(&view);
            self.learn_covers(picture, &nodes);
        }
        let known = Known {
            view,
            groups: &self.groups,
            options: &self.flags.options,
            covers: &self.covers,
            ineligible: &ineligible,
            now,
        };
        let emptiness = |key: NodeKey| {
            let stays = |held: &&Held| seen::is_daemon(&view, held.pod) || view.class(held.class).disruption.is_mirror;
            let moves = !picture.slot(key).pods.iter().all(|held| stays(&held));
            (!moves, false)
        };
        let candidates = order_candidates(&nodes, &known, &self.previous, emptiness);
        let in_deletion = self.being_deleted(&view, &nodes);
        let turn = planner::Turn {
            destinations: &nodes,
            candidates: &candidates,
            in_deletion: &in_deletion,
            recently_evicted: &[],
            now,
        };
        self.planner.update(&turn, picture, &mut self.rotation, &known, &mut budgets, &self.flags.options);
        if is_too_soon || self.last.in_cooldown(&self.flags.options, now) || candidates.is_empty() {
            return;
        }
        let mut quotas = self.tracker(seen, self.flags.least.as_ref(), Tracker::of_shrinking);
        let (empty, drain) = self.planner.nodes_to_delete(&known, &mut quotas);
        self.delete(seen, &empty, &drain, orders);
    }

    /// Nodes that somebody is deleting.
    fn being_deleted(&self, view: &View<'_>, nodes: &[NodeKey]) -> BTreeSet<NodeKey> {
        let goes = |machine: MachineId| {
            view.world.fleet.get(machine).state == MachineState::Draining || self.deleting.contains_key(&machine)
        };
        nodes.iter().filter(|key| view.world.fleet.of_node(NodeId(key.0)).is_some_and(goes)).copied().collect()
    }

    fn learn_covers(&mut self, picture: &Picture<'_>, nodes: &[NodeKey]) {
        for held in nodes.iter().flat_map(|node| &picture.slot(*node).pods) {
            self.covers.learn(&picture.view, held.class, held.pod);
        }
    }

    /// Why nodes are not looked at, by node.
    fn ineligible(&self, seen: &Seen<'_>, picture: &Picture<'_>, nodes: &[NodeKey]) -> Vec<Option<Unremovable>> {
        let mut reasons = vec![None; seen.view.world.nodes.len()];
        let options = self.options();
        let ignores_daemons = options.node_group_defaults.ignore_daemon_sets_utilization;
        for key in nodes {
            let node = NodeId(key.0);
            let candidate = Candidate {
                to_be_deleted_since: None,
                scale_down_disabled: seen::scale_down_disabled(&seen.view, node),
                has_group: self.groups.of(&seen.view, node).is_some(),
                is_ready: seen::is_ready(&seen.view, node),
                utilization: used(picture, *key, ignores_daemons),
            };
            let unready = options.scale_down_unready_enabled;
            reasons[node.index()] = unremovable_reason(&candidate, &options.node_group_defaults, unready, seen.now());
        }
        reasons
    }

    fn delete(&mut self, seen: &Seen<'_>, empty: &[Removable], drain: &[Removable], orders: &mut Vec<Order>) {
        let view = &seen.view;
        let of_group = |removable: &Removable| {
            let group = self.groups.of(view, NodeId(removable.node.0)).expect("a node that goes has a group");
            (removable.node, group)
        };
        let empty: Vec<(NodeKey, usize)> = empty.iter().map(of_group).collect();
        let drain: Vec<(NodeKey, usize)> = drain.iter().map(of_group).collect();
        let facts = |group: usize| DeletionFacts {
            is_atomic: false,
            target_size: usize::try_from(self.groups.sizes[group].2).unwrap_or(0),
            registered: self.groups.registered[group],
        };
        let facts: Vec<DeletionFacts> = (0..self.groups.ids.len()).map(facts).collect();
        let drained = self.deleting.values().filter(|deletion| deletion.is_drained).count();
        let in_deletion = (self.deleting.len() - drained, drained);
        let cropped = actuation::crop(&empty, &drain, &facts, in_deletion, self.options());
        for (batches, is_drained, reason) in [(&cropped.empty, false, "empty"), (&cropped.drain, true, "underutilized")]
        {
            for node in batches.iter().flat_map(|batch| &batch.nodes) {
                let machine = view.world.fleet.of_node(NodeId(node.0)).expect("a node of a group has a machine");
                let patience = self.patience(view, NodeId(node.0));
                orders.push(Order { action: Action::Return { machine, patience }, reason });
                self.deleting.insert(machine, Deletion { is_drained, asked: seen.now(), has_begun: false });
                self.last.delete = Some(seen.now());
            }
        }
    }

    /// A drain has failed when evictions were refused for too long, or pods did not end.
    fn patience(&self, view: &View<'_>, node: NodeId) -> Patience {
        let options = self.options();
        let graces = view.world.nodes.pods(&view.world.pods, node).map(|pod| grace(view, pod));
        let longest = graces.max().unwrap_or(SimDuration::ZERO).min(options.max_graceful_termination);
        let all = [
            options.node_delete_delay_after_taint,
            options.max_pod_eviction_time,
            longest,
            actuation::EVICTION_HEADROOM,
        ];
        let give_up_after = all.into_iter().fold(SimDuration::ZERO, |sum, span| sum + span);
        Patience { give_up_after: Some(give_up_after), ..Patience::default() }
    }
}

fn grace(view: &View<'_>, pod: PodId) -> SimDuration {
    let Some(member) = view.world.member(pod) else { return DEFAULT_GRACE };
    let controller = view.world.owners.list[member.owner.index()].controller;
    let template = &view.model.controllers.list[controller.index()].templates[member.template.index()];
    view.model.controllers.lives[template.life.index()].grace_period
}

/// When a pod came into being: one that lost its node counts as a replacement.
fn created(view: &View<'_>, pod: PodId, since: SimTime) -> SimTime {
    if view.world.pods.generation[pod.index()] > 0 { since } else { view.world.pods.arrival[pod.index()] }
}

/// How much of a node its pods ask for.
fn used(picture: &Picture<'_>, key: NodeKey, ignores_daemons: bool) -> Option<Utilization> {
    let (slot, view) = (picture.slot(key), &picture.view);
    let shape = view.model.cluster.shape(slot.shape);
    let ignored = Ignored { daemons: ignores_daemons, mirrors: false };
    let of = |offered: u64, taken: u64, amount: fn(&PodClass) -> u64| {
        let all = PodShare { request: taken, is_daemon: false, is_mirror: false, is_long_terminating: false };
        if !ignores_daemons {
            return share(offered, [all], ignored);
        }
        let one = |held: &Held| PodShare {
            request: amount(view.class(held.class)),
            is_daemon: seen::is_daemon(view, held.pod),
            ..all
        };
        share(offered, slot.pods.iter().map(one), ignored)
    };
    let milli = |pods: &PodClass| pods.gpu.as_ref().map_or(0, GpuRequest::total_milli);
    let gpu = shape.gpu.map(|gpu| {
        let taken = slot.pods.iter().map(|held| milli(view.class(held.class))).sum();
        of(u64::from(gpu.count) * 1000, taken, milli)
    });
    let (cpu, memory) = slot.taken(shape);
    utilization(
        of(shape.allocatable.cpu.0, cpu, |pods| pods.requests.cpu.0),
        of(shape.allocatable.memory.0 * 1000, memory * 1000, |pods| pods.requests.memory.0 * 1000),
        gpu,
    )
}

/// What the estimator must know of equal pods.
fn group_facts(view: &View<'_>, class: &PodClass) -> GroupFacts {
    let spec: &PodSpec = &class.spec;
    let request = Amount { cpu: class.requests.cpu, memory: class.requests.memory };
    let on_host = |key: &str| key == HOSTNAME_LABEL;
    let repelling = &spec.pod_anti_affinity.required;
    GroupFacts {
        request,
        first_container: (request != Amount::default()).then_some(request),
        spreads: !spec.topology_spread.is_empty(),
        spreads_over_hosts: spec.topology_spread.iter().any(|one| on_host(&one.topology_key)),
        repels_own_on_host: repelling
            .iter()
            .any(|term| on_host(&term.topology_key) && affinity_finds(view, term, spec, spec)),
        repels_beyond_host: repelling.iter().any(|term| !on_host(&term.topology_key)),
    }
}
