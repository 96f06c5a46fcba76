//! An observer that holds a run against the rules, written a second time: naive, slow, and on purpose without the
//! filters, counters and indices of the library.

use wavetank::ids::{ClassId, NodeId, PodId};
use wavetank::model::cluster::HOSTNAME_LABEL;
use wavetank::model::{
    ArrivalSource, GpuRequest, Label, NodeShape, OnEviction, OnUnschedulable, PodClass, Taint, TaintEffect, Toleration,
    TolerationOperator,
};
use wavetank::observe::Observer;
use wavetank::policy::scheduler::{Decision, Placement};
use wavetank::units::SimTime;
use wavetank::world::nodes::mask_devices;
use wavetank::world::pods::Reason;
use wavetank::world::{NodeState, Phase, View};

/// Checks every decision, every instant and the end of a run; panics with the number of the broken invariant.
#[derive(Debug, Default)]
pub(crate) struct Audit {
    /// When each pod began to wait, while it waits.
    waits_since: Vec<Option<SimTime>>,
    /// All finished waits together, in ns.
    waits_ns: u128,
    /// Pending pods times ns.
    pending_ns: u128,
    /// Pods that are pending or bound times ns: what lies between arrival and the end of the binding.
    unbound_ns: u128,
    evictions: u64,
    arrived: u64,
    pub(crate) placements: u64,
    pub(crate) refusals: u64,
}

/// What the pods on one node hold.
#[derive(Clone, Debug, Default)]
struct Held {
    cpu: u64,
    memory: u64,
    ephemeral_storage: u64,
    pods: u64,
    extended: Vec<u64>,
    devices: Vec<u64>,
}

/// What each node's pods hold, `without` left out: summed from the pods, not from the nodes.
fn held_by_node(view: &View<'_>, without: Option<PodId>) -> Vec<Held> {
    let world = view.world;
    let mut held = vec![Held { extended: vec![0; 8], devices: vec![0; 32], ..Held::default() }; world.nodes.len()];
    for pod in (0..world.pods.len()).map(PodId::from_index).filter(|&pod| Some(pod) != without) {
        let Some(node) = world.pods.node(pod) else { continue };
        let (class, held) = (view.class_of(pod), &mut held[node.index()]);
        held.cpu += class.requests.cpu.0;
        held.memory += class.requests.memory.0;
        held.ephemeral_storage += class.requests.ephemeral_storage.0;
        held.pods += 1;
        for (sum, amount) in held.extended.iter_mut().zip(&class.requests.extended) {
            *sum += amount;
        }
        if let Some(request) = &class.gpu {
            mask_devices(world.pods.gpus(pod)).for_each(|d| held.devices[d] += u64::from(request.milli));
        }
    }
    held
}

/// Whether a pod of the class may be placed on the node by the scheduler, given what the node's pods hold.
fn is_feasible(view: &View<'_>, class: &PodClass, node: NodeId, held: &Held) -> bool {
    let nodes = &view.world.nodes;
    let shape = view.model.cluster.shape(nodes.shape[node.index()]);
    let (wanted, offered) = (&class.requests, &shape.allocatable);
    let resources = wanted.cpu.0 + held.cpu <= offered.cpu.0
        && wanted.memory.0 + held.memory <= offered.memory.0
        && wanted.ephemeral_storage.0 + held.ephemeral_storage <= offered.ephemeral_storage.0
        && held.pods < offered.pods
        && (0..8).all(|kind| wanted.extended(kind) + held.extended[kind] <= offered.extended(kind));
    let selected = class.node_selector.iter().all(|label| has_label(shape, label, nodes.name(node)));
    let tolerated = shape.taints.iter().all(|taint| is_harmless(class, taint));
    let gpus = class.gpu.as_ref().is_none_or(|request| gpus_suffice(request, shape, held));
    let takes_pods = match nodes.state[node.index()] {
        NodeState::Ready => true,
        // A cordon is a taint to kube-scheduler, and can be tolerated.
        NodeState::Cordoned if is_kube_scheduler(view) => is_harmless(class, &cordon()),
        _ => false,
    };
    takes_pods && resources && selected && tolerated && gpus
}

/// Whether pods wait in kube-scheduler's queue, with its back-offs, nominations and rotating start.
fn is_kube_scheduler(view: &View<'_>) -> bool {
    view.model.scheduling.policy.name == "kube-scheduler"
}

fn cordon() -> Taint {
    let key = "node.kubernetes.io/unschedulable".to_owned();
    Taint { key, value: String::new(), effect: TaintEffect::NoSchedule }
}

fn has_label(shape: &NodeShape, label: &Label, name: &str) -> bool {
    (label.key == HOSTNAME_LABEL && label.value == name) || shape.labels.iter().any(|other| other == label)
}

fn is_harmless(class: &PodClass, taint: &Taint) -> bool {
    let matches = |toleration: &Toleration| {
        let any_key = toleration.key.is_empty() && toleration.operator == TolerationOperator::Exists;
        let key = any_key || toleration.key == taint.key;
        let value = toleration.operator == TolerationOperator::Exists || toleration.value == taint.value;
        key && value && toleration.effect.unwrap_or(taint.effect) == taint.effect
    };
    taint.effect == TaintEffect::PreferNoSchedule || class.tolerations.iter().any(matches)
}

fn gpus_suffice(request: &GpuRequest, shape: &NodeShape, held: &Held) -> bool {
    let Some(devices) = shape.gpu else { return false };
    let model = request.models.is_empty() || request.models.contains(&devices.model);
    let room = |&&taken: &&u64| taken + u64::from(request.milli) <= 1000;
    model && held.devices[..devices.count as usize].iter().filter(room).count() >= request.count as usize
}

fn feasible_nodes(view: &View<'_>, class: &PodClass, held: &[Held]) -> Vec<NodeId> {
    let nodes = (0..held.len()).map(NodeId::from_index);
    nodes.filter(|&node| is_feasible(view, class, node, &held[node.index()])).collect()
}

impl Audit {
    fn begin_wait(&mut self, pod: PodId, now: SimTime) {
        let since = self.waits_since[pod.index()].replace(now);
        assert!(since.is_none(), "I6: pod {} begins to wait twice", pod.0);
    }

    fn end_wait(&mut self, pod: PodId, now: SimTime) {
        let since = self.waits_since[pod.index()].take();
        let since = since.unwrap_or_else(|| panic!("I6: pod {} stops waiting, but did not wait", pod.0));
        self.waits_ns += u128::from(now.since(since).0);
    }

    /// I10: the node passed the filters, the devices were free, and the count of feasible nodes is right.
    pub(crate) fn check_placement(view: &View<'_>, pod: PodId, placement: &Placement) {
        let (class, node) = (view.class_of(pod), placement.node);
        let held = held_by_node(view, Some(pod));
        let feasible = feasible_nodes(view, class, &held);
        let name = view.world.nodes.name(node);
        assert!(feasible.contains(&node), "I10: pod {} does not fit on {name}", pod.0);
        let count = placement.feasible as usize;
        // Nodes that are promised to other pods may be left out, and a pod with a promised node looks at no other.
        let is_excused = is_kube_scheduler(view) && (1..=feasible.len()).contains(&count);
        assert!(count == feasible.len() || is_excused, "I10: feasible nodes for pod {}: {count}", pod.0);
        assert!(placement.ties >= 1 && placement.ties <= placement.feasible, "I10: ties for pod {}", pod.0);
        assert_eq!(view.world.pods.node(pod), Some(node), "I10: pod {} is elsewhere", pod.0);
        let devices: Vec<usize> = mask_devices(placement.gpus).collect();
        let (count, milli) = class.gpu.as_ref().map_or((0, 0), |request| (request.count as usize, request.milli));
        assert_eq!(devices.len(), count, "I10: number of GPUs of pod {}", pod.0);
        let room = |&device: &usize| held[node.index()].devices[device] + u64::from(milli) <= 1000;
        assert!(devices.iter().all(room), "I10: a GPU of pod {} was busy", pod.0);
        let has = view.model.cluster.shape(view.world.nodes.shape[node.index()]).gpu.map_or(0, |gpu| gpu.count);
        assert!(devices.iter().all(|&device| device < has as usize), "I10: a GPU of pod {} does not exist", pod.0);
    }

    /// Nobody was overtaken: no pod that is before this one in the queue fitted somewhere when this one was placed.
    /// Holds for the orders whose ranks do not change while a pod waits, and while the scheduler takes no time.
    fn check_order(view: &View<'_>, pod: PodId) {
        let scheduling = &view.model.scheduling;
        if is_kube_scheduler(view) {
            return;
        }
        let rank = |pod: PodId| match scheduling.queue.name.as_str() {
            "fifo" => Some((0, pod)),
            "priority" => Some((-i64::from(view.class_of(pod).priority), pod)),
            _ => None,
        };
        let Some(own) = rank(pod).filter(|_| scheduling.delays.scheduling.is_zero()) else { return };
        let pods = &view.world.pods;
        let asks = |i: usize| pods.phase[i] == Phase::Pending && pods.reason[i] != Reason::Deferred;
        let waiting = (0..pods.len()).filter(|&i| asks(i)).map(PodId::from_index);
        let earlier: Vec<PodId> = waiting.filter(|&other| rank(other) < Some(own)).collect();
        let mut classes: Vec<ClassId> = earlier.iter().map(|other| pods.class[other.index()]).collect();
        classes.sort();
        classes.dedup();
        let held = if classes.is_empty() { Vec::new() } else { held_by_node(view, Some(pod)) };
        for class in classes {
            let feasible = feasible_nodes(view, view.class(class), &held);
            assert!(feasible.is_empty(), "I10: pod {} overtakes class {}, which fits on {feasible:?}", pod.0, class.0);
        }
    }

    /// Nothing waits that fits somewhere, or that was never tried.
    pub(crate) fn check_waiting(view: &View<'_>) {
        if is_kube_scheduler(view) || !view.world.health.services.api_server_is_up {
            return;
        }
        let pods = &view.world.pods;
        // Pods that can wait do not ask for a place before their hour.
        let asks = |i: usize| pods.phase[i] == Phase::Pending && pods.reason[i] != Reason::Deferred;
        let waiting = || (0..pods.len()).filter(|&i| asks(i));
        assert!(waiting().all(|i| pods.attempts[i] > 0), "I10: a pod waits that was never tried");
        let mut classes: Vec<ClassId> = waiting().map(|i| pods.class[i]).collect();
        classes.sort();
        classes.dedup();
        if classes.is_empty() {
            return;
        }
        let held = held_by_node(view, None);
        for class in classes {
            let feasible = feasible_nodes(view, view.class(class), &held);
            assert!(feasible.is_empty(), "I10: class {} waits, but fits on {feasible:?}", class.0);
        }
    }

    /// I1: every pod that arrived is there, in one phase, with the times that belong to it.
    fn check_conservation(&self, view: &View<'_>) {
        let (world, pods) = (view.world, &view.world.pods);
        assert_eq!(self.arrived, pods.len() as u64, "I1: pods that arrived");
        assert_eq!(world.pods_by_phase.iter().sum::<u64>(), self.arrived, "I1: pods in all phases");
        for i in 0..pods.len() {
            let ended = !matches!(pods.phase[i], Phase::Pending) && !pods.phase[i].holds_node();
            assert_eq!(ended, pods.finished[i] != SimTime::NEVER, "I1: the end of pod {i}");
            let lives = [pods.arrival[i], pods.bound[i], pods.running[i], pods.finished[i]];
            let happened: Vec<SimTime> = lives.into_iter().filter(|&time| time != SimTime::NEVER).collect();
            assert!(happened.is_sorted(), "I3: pod {i} goes {happened:?}");
            assert!(happened.iter().all(|&time| time <= world.time), "I3: pod {i} goes beyond the end");
            if pods.phase[i] == Phase::Succeeded {
                let worked = pods.finished[i].since(pods.running[i]).0;
                // With a node lifecycle the end may be seen later than it comes.
                let agrees = match view.model.cluster.lifecycle {
                    None => worked == pods.duration_ns[i],
                    Some(_) => worked >= pods.duration_ns[i],
                };
                assert!(agrees, "I1: pod {i} worked for {worked} ns, not {}", pods.duration_ns[i]);
            }
        }
    }

    /// I6: waiting pods over time are the sum of waits, exactly; and the columns of pods tell the same.
    fn check_littles_law(&mut self, view: &View<'_>) {
        let (now, pods) = (view.world.time, &view.world.pods);
        for pod in 0..self.waits_since.len() {
            if self.waits_since[pod].is_some() {
                assert_eq!(pods.phase[pod], Phase::Pending, "I6: pod {pod} should wait");
                self.end_wait(PodId::from_index(pod), now);
            }
        }
        assert_eq!(self.pending_ns, self.waits_ns, "I6: waiting pods over time are not the sum of waits");
        if self.evictions == 0 {
            let until = |i: usize| pods.bound[i].min(pods.finished[i]).min(now);
            let columns: u128 = (0..pods.len()).map(|i| u128::from(until(i).since(pods.arrival[i]).0)).sum();
            assert_eq!(self.unbound_ns, columns, "I6: the columns of pods do not sum to the time not bound");
        }
    }
}

impl Observer for Audit {
    fn time_advances(&mut self, view: &View<'_>, to: SimTime) {
        let span = u128::from(to.since(view.world.time).0);
        let count = |phase: Phase| {
            let phases = &view.world.pods.phase;
            phases.iter().filter(|&&other| other == phase).count() as u128
        };
        self.pending_ns += count(Phase::Pending) * span;
        self.unbound_ns += (count(Phase::Pending) + count(Phase::Bound)) * span;
        if view.model.scheduling.delays.scheduling.is_zero() {
            Audit::check_waiting(view);
        }
    }

    fn pod_arrived(&mut self, view: &View<'_>, pod: PodId) {
        self.arrived += 1;
        self.waits_since.push(None);
        let (source, number) = view.world.pods.origin[pod.index()];
        // Pods that controllers make come from no source.
        let bound_already = match view.model.workload.sources.get(usize::from(source)) {
            Some(ArrivalSource::Listed(listed)) => listed.pods[number as usize].node.is_some(),
            Some(ArrivalSource::Generated(_)) | None => false,
        };
        if !bound_already {
            self.begin_wait(pod, view.world.time);
        }
    }

    fn decided(&mut self, view: &View<'_>, pod: PodId, decision: &Decision) {
        match decision {
            Decision::Place(placement) => {
                self.placements += 1;
                self.end_wait(pod, view.world.time);
                Audit::check_placement(view, pod, placement);
                Audit::check_order(view, pod);
            }
            Decision::Unschedulable => {
                self.refusals += 1;
                let feasible = feasible_nodes(view, view.class_of(pod), &held_by_node(view, None));
                // Room that was promised to another pod is none.
                let is_excused = !view.world.nominated.is_empty();
                assert!(feasible.is_empty() || is_excused, "I10: pod {} is refused, but fits on {feasible:?}", pod.0);
                if view.model.scheduling.on_unschedulable == OnUnschedulable::Drop {
                    self.end_wait(pod, view.world.time);
                }
            }
        }
    }

    fn pod_evicted(&mut self, view: &View<'_>, pod: PodId) {
        self.evictions += 1;
        assert!(view.world.pods.phase[pod.index()].holds_node(), "I1: pod {} loses a node it does not hold", pod.0);
        // The controller of a pod makes another; others wait again.
        if view.model.scheduling.on_eviction == OnEviction::Requeue && view.world.member(pod).is_none() {
            self.begin_wait(pod, view.world.time);
        }
    }

    fn end(&mut self, view: &View<'_>) {
        let idle = view.model.horizon.is_none() || view.model.scheduling.delays.scheduling.is_zero();
        if idle {
            Audit::check_waiting(view);
        }
        if let Some(horizon) = view.model.horizon {
            assert_eq!(view.world.time, horizon, "I3: the run ends at its horizon");
        }
        self.check_conservation(view);
        self.check_littles_law(view);
    }
}
