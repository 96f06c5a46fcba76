//! The collectors of a normal run, together.

use std::collections::BTreeMap;

use super::autoscaling::AutoscalerLog;
use super::bill::BillLog;
use super::controllers::ControllerLog;
use super::cost_bound::BoundLog;
use super::decisions::{ArrivalLog, DecisionLog};
use super::elasticity::ElasticityLog;
use super::energy::EnergyLog;
use super::fragments::Fragments;
use super::losses::LossLog;
use super::machines::MachineLog;
use super::node_usage::NodeUsage;
use super::packing::{Packing, PackingState};
use super::rollouts::RolloutLog;
use super::series::{Sampled, Series};
use super::traffic::TrafficLog;
use super::verticals::VerticalLog;
use super::{Autoscaled, Observer, PodChange, Recommended};
use crate::ids::{ControllerId, MachineId, NodeId, PodId, VerticalId};
use crate::model::Model;
use crate::policy::autoscaler::vertical::study::StudyScores;
use crate::policy::node_autoscaler::Order;
use crate::policy::scheduler::Decision;
use crate::policy::scheduler::kube::Nomination;
use crate::traffic::Plane;
use crate::traffic::functions::FunctionRun;
use crate::units::SimTime;
use crate::world::View;
use crate::world::pods::Reason;

/// How many different errors are kept.
const ERRORS_MAX: usize = 20;

/// Records what the outputs of a model ask for.
#[derive(Debug)]
pub struct Recorder {
    /// Allocation and fragmentation over arrivals.
    pub packing: Packing,
    /// The time series.
    pub series: Series,
    /// Use of nodes.
    pub usage: NodeUsage,
    /// Every decision, if asked for.
    pub decisions: Option<DecisionLog>,
    /// How the objects that make pods fared.
    pub controllers: ControllerLog,
    /// How releases went.
    pub rollouts: RolloutLog,
    /// What autoscalers decided, where there are any.
    pub autoscalers: Option<AutoscalerLog>,
    /// Machines that were bought and returned, where any can be.
    pub machines: Option<MachineLog>,
    /// What was to be paid, where a tariff says how.
    pub bill: Option<BillLog>,
    /// What was lost, where machines are bought or billed.
    pub losses: Option<LossLog>,
    /// What machines could have cost at least, where that is asked for.
    pub bound: Option<BoundLog>,
    /// What vertical autoscalers recommended and did, where there are any.
    pub verticals: Option<VerticalLog>,
    /// How well replicas followed what was asked of them, where services are scaled.
    pub elasticity: Option<ElasticityLog>,
    /// What nodes drew, where that is asked for.
    pub energy: Option<EnergyLog>,
    /// How requests fared, where there are any.
    pub traffic: Option<TrafficLog>,
    /// What a function platform beside the cluster did, where there is one: it is run for itself, and put in afterwards.
    pub functions: Option<FunctionRun>,
    /// What came of a back-test of sizes, where there is one: it, too, is put in afterwards.
    pub sizing: Option<StudyScores>,
    /// The state after every arrival, if asked for.
    pub arrivals: Option<ArrivalLog>,
    /// How often the scheduler was asked.
    pub decisions_total: u64,
    /// How often it found no place.
    pub unschedulable_total: u64,
    /// How often a pod lost its node.
    pub evictions_total: u64,
    /// How often that was for a taint, and because the provider took the node back.
    pub evictions_by_fault: [u64; 2],
    /// How often that was to make room for a pod of higher priority.
    pub preemptions_total: u64,
    /// What went wrong in the scheduler, and how often; of the first 20 different messages.
    pub errors: BTreeMap<String, u64>,
    /// The cluster's fragment at the end, in milli-GPU; NaN without GPUs.
    pub fragmented_gpu_milli: f64,
    fragments: Option<Fragments>,
    arrived: u64,
}

impl Recorder {
    /// A recorder for one run of `model`.
    pub fn new(model: &Model) -> Recorder {
        Recorder {
            packing: Packing::default(),
            series: Series::new(model.outputs.sample_every),
            usage: NodeUsage::default(),
            decisions: model.outputs.decisions.then(DecisionLog::default),
            controllers: ControllerLog::default(),
            rollouts: RolloutLog::default(),
            autoscalers: AutoscalerLog::new(model),
            machines: MachineLog::new(model),
            bill: BillLog::new(model),
            losses: LossLog::new(model),
            bound: BoundLog::new(model),
            verticals: VerticalLog::new(model),
            elasticity: ElasticityLog::new(model),
            energy: EnergyLog::new(model),
            traffic: TrafficLog::new(model),
            functions: None,
            sizing: None,
            arrivals: model.outputs.arrivals.then(ArrivalLog::default),
            decisions_total: 0,
            unschedulable_total: 0,
            evictions_total: 0,
            evictions_by_fault: [0; 2],
            preemptions_total: 0,
            errors: BTreeMap::new(),
            fragmented_gpu_milli: f64::NAN,
            fragments: None,
            arrived: 0,
        }
    }

    /// When what is run beside the cluster has come to its end.
    pub fn ends_beside(&self) -> SimTime {
        let functions = self.functions.as_ref().map_or(SimTime::ZERO, |run| run.end);
        let spans = self.sizing.iter().flat_map(|study| &study.scores).map(|score| score.span);
        functions.max(SimTime::ZERO.after(spans.max().unwrap_or_default()))
    }

    fn fragmented(&mut self, view: &View<'_>) -> Option<f64> {
        self.fragments.as_mut().map(|fragments| fragments.total(view))
    }

    fn sampled(&self, fragmented: Option<f64>) -> Sampled {
        Sampled {
            fragmented: fragmented.unwrap_or(f64::NAN),
            evictions: self.evictions_total,
            preemptions: self.preemptions_total,
        }
    }

    /// Records the state of the packing after a pod was first tried.
    fn record_packing(&mut self, view: &View<'_>, pod: PodId, decision: &Decision) {
        let (class, totals) = (view.class_of(pod), &view.world.totals);
        let by_gpu = totals.gpu_allocatable > 0;
        self.arrived += match by_gpu {
            true => class.gpu.as_ref().map_or(0, |gpu| gpu.total_milli()),
            false => class.requests.cpu.0,
        };
        let state = PackingState {
            arrived: self.arrived,
            allocated: if by_gpu { totals.gpu_allocated } else { totals.cpu_allocated },
            capacity: if by_gpu { totals.gpu_allocatable } else { totals.cpu_allocatable },
            fragmented: self.fragmented(view),
        };
        self.packing.record(state);
        if let Some(arrivals) = &mut self.arrivals {
            arrivals.record(pod, decision, &state);
        }
    }
}

impl Observer for Recorder {
    fn begin(&mut self, view: &View<'_>) {
        if view.world.totals.gpu_allocatable > 0 {
            self.fragments = Some(Fragments::new(view));
        }
        if let Some(machines) = &mut self.machines {
            machines.begin(view);
        }
        if let Some(bill) = &mut self.bill {
            bill.begin(view);
        }
    }

    fn time_advances(&mut self, view: &View<'_>, to: SimTime) {
        self.controllers.settle(view);
        self.rollouts.settle(view);
        if let Some(energy) = &mut self.energy {
            energy.record_until(view, to);
        }
        if self.series.is_due(to) {
            let fragmented = self.fragmented(view);
            self.series.record_until(view, to, self.sampled(fragmented));
        }
    }

    fn decided(&mut self, view: &View<'_>, pod: PodId, decision: &Decision) {
        self.decisions_total += 1;
        self.unschedulable_total += u64::from(*decision == Decision::Unschedulable);
        if let Some(decisions) = &mut self.decisions {
            decisions.record(view, pod, decision);
        }
        if view.world.pods.attempts[pod.index()] == 1 {
            self.record_packing(view, pod, decision);
        }
    }

    fn nominated(&mut self, _: &View<'_>, _: PodId, nomination: &Nomination) {
        self.preemptions_total += nomination.victims.len() as u64;
    }

    fn pod_evicted(&mut self, view: &View<'_>, pod: PodId) {
        self.evictions_total += 1;
        match view.world.pods.reason[pod.index()] {
            Reason::TaintEviction => self.evictions_by_fault[0] += 1,
            Reason::NodeReclaimed => self.evictions_by_fault[1] += 1,
            _ => {}
        }
        if let Some(losses) = &mut self.losses {
            losses.pod_evicted(view, pod);
        }
    }

    fn container_killed(&mut self, view: &View<'_>, pod: PodId, container: usize) {
        if let Some(losses) = &mut self.losses {
            losses.container_killed(view, pod, container);
        }
    }

    fn scheduling_failed(&mut self, _: &View<'_>, _: PodId, message: &str) {
        if self.errors.len() < ERRORS_MAX || self.errors.contains_key(message) {
            *self.errors.entry(message.to_owned()).or_insert(0) += 1;
        }
    }

    fn controller_changed(&mut self, _: &View<'_>, controller: ControllerId) {
        self.controllers.note(controller);
        self.rollouts.note(controller);
    }

    fn autoscaled(&mut self, view: &View<'_>, sync: &Autoscaled<'_>) {
        if let Some(log) = &mut self.autoscalers {
            log.note(view, sync);
        }
    }

    fn recommended(&mut self, view: &View<'_>, look: &Recommended<'_>) {
        if let Some(log) = &mut self.verticals {
            log.note(view, look);
        }
    }

    fn pod_sized(&mut self, _: &View<'_>, vertical: VerticalId, change: PodChange) {
        if let Some(log) = &mut self.verticals {
            log.note_change(vertical, change);
        }
    }

    fn node_changes(&mut self, view: &View<'_>, node: NodeId) {
        self.usage.settle(view, node);
        self.usage_changes(view, node);
        if let Some(fragments) = &mut self.fragments {
            fragments.note(node);
        }
    }

    fn usage_changes(&mut self, view: &View<'_>, node: NodeId) {
        if let Some(energy) = &mut self.energy {
            energy.settle(view, node);
        }
    }

    fn usage_changed(&mut self, view: &View<'_>, node: NodeId) {
        if let Some(bill) = &mut self.bill {
            bill.usage_changed(view, node);
        }
    }

    fn wants_loads(&self) -> bool {
        self.bill.as_ref().is_some_and(BillLog::measures)
    }

    fn load_changed(&mut self, _view: &View<'_>, pod: PodId, run: (u32, u32), load: (u64, u64)) {
        if let Some(bill) = &mut self.bill {
            bill.load_changed(pod, run, load);
        }
    }

    fn pod_resized(&mut self, view: &View<'_>, pod: PodId) {
        if let Some(bill) = &mut self.bill {
            bill.pod_resized(view, pod);
        }
        if let Some(bound) = &mut self.bound {
            bound.pod_resized(view, pod);
        }
    }

    fn node_added(&mut self, view: &View<'_>, node: NodeId) {
        if let Some(bill) = &mut self.bill {
            bill.node_added(view, node);
        }
        match &mut self.fragments {
            Some(fragments) => fragments.note(node),
            None if view.world.nodes.gpu_count(node) > 0 => self.fragments = Some(Fragments::new(view)),
            None => {}
        }
    }

    fn pod_placed(&mut self, view: &View<'_>, pod: PodId) {
        if let Some(bill) = &mut self.bill {
            bill.pod_placed(view, pod);
        }
        if let Some(bound) = &mut self.bound {
            bound.pod_placed(view, pod);
        }
    }

    fn pod_leaves(&mut self, view: &View<'_>, pod: PodId) {
        if let Some(bill) = &mut self.bill {
            bill.pod_leaves(view, pod);
        }
        if let Some(bound) = &mut self.bound {
            bound.pod_leaves(view, pod);
        }
    }

    fn provisioned(&mut self, view: &View<'_>, autoscaler: usize, order: &Order) {
        if let Some(machines) = &mut self.machines {
            machines.order(view, autoscaler, order);
        }
    }

    fn machine_changed(&mut self, view: &View<'_>, machine: MachineId) {
        if let Some(machines) = &mut self.machines {
            machines.note(view, machine);
        }
        if let Some(bill) = &mut self.bill {
            bill.machine_changed(view, machine);
        }
    }

    fn traffic_seen(&mut self, view: &View<'_>, plane: &mut Plane<'_>) {
        if let Some(traffic) = &mut self.traffic {
            traffic.see(view, plane);
        }
        if let Some(elasticity) = &mut self.elasticity {
            elasticity.see(view, plane);
        }
        if let Some(bill) = &mut self.bill {
            bill.traffic_seen(view, plane);
        }
    }

    fn traffic_ended(&mut self, view: &View<'_>, plane: &mut Plane<'_>) {
        if let Some(traffic) = &mut self.traffic {
            traffic.end(view, plane);
        }
        if let Some(elasticity) = &mut self.elasticity {
            elasticity.end(view, plane);
        }
        if let Some(bill) = &mut self.bill {
            bill.bill_bytes(view, plane);
        }
    }

    fn end(&mut self, view: &View<'_>) {
        self.controllers.settle(view);
        self.rollouts.settle(view);
        for i in 0..view.world.nodes.len() {
            let node = NodeId::from_index(i);
            if view.world.nodes.state[i].is_up() {
                self.usage.settle(view, node);
            }
        }
        if let Some(machines) = &mut self.machines {
            machines.end(view);
        }
        if let Some(bill) = &mut self.bill {
            bill.end(view);
        }
        if let Some(bound) = &mut self.bound {
            bound.end(view);
        }
        if let Some(losses) = &mut self.losses {
            losses.end(view);
        }
        if let Some(energy) = &mut self.energy {
            energy.record_end(view);
        }
        let fragmented = self.fragmented(view);
        self.fragmented_gpu_milli = fragmented.unwrap_or(f64::NAN);
        self.series.record_end(view, self.sampled(fragmented));
    }
}
