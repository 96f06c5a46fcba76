//! Every decision, and the state after every arrival, row by row.

use crate::ids::PodId;
use crate::policy::scheduler::Decision;
use crate::results::{Column, Table, TextColumn};
use crate::units::SimTime;
use crate::world::View;

use super::tables::{gpu_list, pod_names};

/// The decisions of a run in order.
#[derive(Clone, Debug, Default)]
pub struct DecisionLog {
    times: Vec<SimTime>,
    pods: Vec<PodId>,
    decisions: Vec<Decision>,
}

impl DecisionLog {
    /// Notes a decision.
    pub fn record(&mut self, view: &View<'_>, pod: PodId, decision: &Decision) {
        self.times.push(view.world.time);
        self.pods.push(pod);
        self.decisions.push(*decision);
    }

    /// One row a decision: the columns of the golden cases, and the time.
    pub fn table(&self, view: &View<'_>) -> Table {
        let (mut nodes, mut gpus) = (TextColumn::default(), TextColumn::default());
        let (mut feasible, mut best, mut ties) = (Vec::new(), Vec::new(), Vec::new());
        for decision in &self.decisions {
            match decision {
                Decision::Place(placement) => {
                    nodes.push(view.world.nodes.name(placement.node));
                    gpus.push(&gpu_list(placement.gpus));
                    feasible.push(u64::from(placement.feasible));
                    best.push(placement.best);
                    ties.push(u64::from(placement.ties));
                }
                Decision::Unschedulable => {
                    nodes.push("");
                    gpus.push("");
                    feasible.push(0);
                    best.push(-1);
                    ties.push(0);
                }
            }
        }
        Table::new()
            .with("pod", Column::Text(pod_names(view, self.pods.iter().copied())))
            .with("node", Column::Text(nodes))
            .with("gpus", Column::Text(gpus))
            .with("feasible", Column::Count(feasible))
            .with("best", Column::Integer(best))
            .with("ties", Column::Count(ties))
            .with("time_s", Column::Seconds(self.times.clone()))
    }
}

/// The state after each pod was first tried.
#[derive(Clone, Debug, Default)]
pub struct ArrivalLog {
    pods: Vec<PodId>,
    decisions: Vec<Decision>,
    arrived: Vec<u64>,
    allocated: Vec<u64>,
    fragmented: Vec<f64>,
}

impl ArrivalLog {
    /// Notes the state after `pod` was first tried.
    pub fn record(&mut self, pod: PodId, decision: &Decision, state: &super::packing::PackingState) {
        self.pods.push(pod);
        self.decisions.push(*decision);
        self.arrived.push(state.arrived);
        self.allocated.push(state.allocated);
        self.fragmented.push(state.fragmented.unwrap_or(f64::NAN));
    }

    /// One row a pod: the columns of the published whole-run replays.
    pub fn table(&self, view: &View<'_>) -> Table {
        let (mut nodes, mut gpus) = (TextColumn::default(), TextColumn::default());
        for decision in &self.decisions {
            match decision {
                Decision::Place(placement) => {
                    nodes.push(view.world.nodes.name(placement.node));
                    gpus.push(&gpu_list(placement.gpus));
                }
                Decision::Unschedulable => {
                    nodes.push("");
                    gpus.push("");
                }
            }
        }
        Table::new()
            .with("seq", Column::Count((0..self.pods.len() as u64).collect()))
            .with("pod", Column::Text(pod_names(view, self.pods.iter().copied())))
            .with("node", Column::Text(nodes))
            .with("gpus", Column::Text(gpus))
            .with("arrived_gpu_milli", Column::Count(self.arrived.clone()))
            .with("used_gpu_milli", Column::Count(self.allocated.clone()))
            .with("frag_gpu_milli", Column::Fixed(2, self.fragmented.clone()))
    }
}
