//! The least that machines could have cost which served a run's pods as they ran: [`FleetBound`] on what pods held over time.
//!
//! The demand is every span in which a pod held a node, with what it requested; pods of DaemonSets are left out, of which
//! another fleet would have others. It may be served by every machine that can be bought and by the nodes that are there anyway,
//! each at the lowest price at which it can be had. Two bounds, and no fleet is cheaper than either of them:
//!
//! - **each instant by itself** ([`Bounds::instants_usd`]): machines come and go for nothing and are paid for as long as they
//!   serve. Whoever cannot see ahead is not cheaper, as no machine is returned sooner than that. It is exact (as linear
//!   programs are, with fractions of machines) where there are at most [`INSTANTS_MAX`] different steps; else each of so many
//!   equal spans is taken with its mean demand, which costs no more than the demand itself, as cost is convex in it.
//! - **planned with knowledge of the future** ([`Bounds::planned_usd`]): every start costs a boot, as long as the shortest of the
//!   run, and the minimum bill. Time is cut into [`CELLS`] equal cells. The greater of both is the bound.
//!
//! What is relaxed, so that the bound can be below the cheapest fleet there is: which pod sits on which machine beside the rules
//! of [`FleetBound`], affinity and spreading, limits of pools, stock-outs, and granularity of bills. Pods on machines that the
//! provider took back for nothing are not in the demand. What is bought ahead is paid whatever runs, and the control plane is.
//!
//! Cost: 40 bytes a pod that got a node; at the end up to [`INSTANTS_MAX`] small linear programs and one of [`CELLS`] cells.

mod kinds;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use self::kinds::Kinds;
use crate::ids::{ClassId, NodeId, PodId};
use crate::model::Model;
use crate::model::controllers::ControllerKind;
use crate::stats::fleet_bound::{BoundError, FleetBound, Machine};
use crate::units::{SimDuration, SimTime};
use crate::world::View;

/// Up to how many steps of the demand are each bounded by themselves.
pub const INSTANTS_MAX: u64 = 256;
/// Cells of the plan.
pub const CELLS: u64 = 48;

/// Records what pods held.
#[derive(Clone, Debug)]
pub struct BoundLog {
    held: BTreeMap<PodId, (ClassId, NodeId, SimTime)>,
    spans: Vec<Span>,
    bounds: Option<Result<Bounds, BoundError>>,
}

/// A pod held a node.
#[derive(Clone, Copy, Debug)]
pub(super) struct Span {
    pub(super) class: ClassId,
    pub(super) node: NodeId,
    pub(super) from: SimTime,
    pub(super) to: SimTime,
}

/// Lower bounds on what a run cost, in US dollars.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Bounds {
    /// Each instant by itself.
    pub instants_usd: f64,
    /// With knowledge of the future; never below the other.
    pub planned_usd: f64,
}

impl BoundLog {
    /// A log for a model that asks for bounds; none for others.
    pub fn new(model: &Model) -> Option<BoundLog> {
        let log = BoundLog { held: BTreeMap::new(), spans: Vec::new(), bounds: None };
        model.provisioning.is_bounded.then_some(log)
    }

    /// A pod has got a node.
    pub fn pod_placed(&mut self, view: &View<'_>, pod: PodId) {
        let Some(node) = view.world.pods.node(pod).filter(|_| !is_daemon(view, pod)) else { return };
        self.held.insert(pod, (view.world.pods.class[pod.index()], node, view.world.time));
    }

    /// A pod gives back what it holds.
    pub fn pod_leaves(&mut self, view: &View<'_>, pod: PodId) {
        let Some((class, node, from)) = self.held.remove(&pod) else { return };
        let to = paid_until(view, node);
        if from < to {
            self.spans.push(Span { class, node, from, to });
        }
    }

    /// A pod that holds a node requests something else from now on.
    pub fn pod_resized(&mut self, view: &View<'_>, pod: PodId) {
        self.pod_leaves(view, pod);
        self.pod_placed(view, pod);
    }

    /// The run is over: works out the bounds.
    pub fn end(&mut self, view: &View<'_>) {
        let pods: Vec<PodId> = self.held.keys().copied().collect();
        pods.into_iter().for_each(|pod| self.pod_leaves(view, pod));
        let mut spans = std::mem::take(&mut self.spans);
        spans.retain(|span| !was_free(view, span.node));
        self.bounds = Some(bounds(view, &spans));
    }

    /// What the run cost at least; none where the solver failed.
    ///
    /// # Panics
    /// Before the end of the run.
    pub fn bounds(&self) -> Option<Bounds> {
        self.bounds.as_ref().expect("the run is over").as_ref().ok().copied()
    }
}

fn is_daemon(view: &View<'_>, pod: PodId) -> bool {
    let controller = view.world.controller_of(pod);
    controller.is_some_and(|id| matches!(view.model.controllers.list[id.index()].kind, ControllerKind::DaemonSet(_)))
}

/// Up to when a node is paid for, as far as is known now: its pods may be given up later.
fn paid_until(view: &View<'_>, node: NodeId) -> SimTime {
    let machine = view.world.fleet.of_node(node).map(|machine| view.world.fleet.get(machine).ended);
    machine.unwrap_or(view.world.nodes.removed[node.index()]).min(view.world.time)
}

/// Whether a node's machine is not billed, as the provider took it back so soon.
fn was_free(view: &View<'_>, node: NodeId) -> bool {
    let Some(tariff) = &view.model.provisioning.tariff else { return false };
    let Some(machine) = view.world.fleet.of_node(node).map(|machine| view.world.fleet.get(machine)) else {
        return false;
    };
    let is_reclaimed = machine.ended != SimTime::NEVER && machine.reclaimed_at <= machine.ended;
    is_reclaimed && machine.ended.since(machine.launched) < tariff.billing.free_if_reclaimed_before
}

/// The bounds for a demand.
fn bounds(view: &View<'_>, spans: &[Span]) -> Result<Bounds, BoundError> {
    let kinds = Kinds::new(view, spans);
    let end = view.world.time;
    let counted: Vec<(usize, SimTime, SimTime)> =
        spans.iter().map(|span| (kinds.of_class(span.class), span.from, span.to)).collect();
    let (instants, planned) = demand_usd(&kinds, &counted, end)?;
    let fixed = kinds::fixed_usd(view.model, end);
    let whole = |usd: f64| usd.max(fixed.committed_usd) + fixed.control_plane_usd;
    Ok(Bounds { instants_usd: whole(instants), planned_usd: whole(planned.max(instants)) })
}

/// What machines cost at least that serve kinds of pods from one instant to another: each instant by itself, and planned.
fn demand_usd(kinds: &Kinds, demand: &[(usize, SimTime, SimTime)], end: SimTime) -> Result<(f64, f64), BoundError> {
    if demand.is_empty() || end == SimTime::ZERO {
        return Ok((0.0, 0.0));
    }
    let at_once =
        |machine: &Machine| Machine { boot: SimDuration::ZERO, minimum_billing: SimDuration::ZERO, ..machine.clone() };
    let free_starts: Vec<Machine> = kinds.machines.iter().map(at_once).collect();
    let instants = FleetBound::new(&kinds.pods, &free_starts);
    let instants_usd = match steps(demand, kinds.pods.len()) {
        Some(steps) => instants.each_instant(&steps, end, 0)?,
        None => {
            let (means, cell) = means(demand, kinds.pods.len(), end, INSTANTS_MAX);
            means.chunks(1).try_fold(0.0, |sum, mean| Ok(sum + instants.cells(mean, cell)?))?
        }
    };
    let (means, cell) = means(demand, kinds.pods.len(), end, CELLS);
    let planned_usd = FleetBound::new(&kinds.pods, &kinds.machines).cells(&means, cell)?;
    Ok((instants_usd, planned_usd))
}

/// The demand from each instant on at which it changes; none where these are too many.
fn steps(demand: &[(usize, SimTime, SimTime)], kinds: usize) -> Option<Vec<(SimTime, Vec<u64>)>> {
    let mut changes: BTreeMap<SimTime, BTreeMap<usize, i64>> = BTreeMap::new();
    for &(kind, from, to) in demand {
        for (at, by) in [(from, 1), (to, -1)] {
            *changes.entry(at).or_default().entry(kind).or_default() += by;
        }
        if changes.len() as u64 > INSTANTS_MAX {
            return None;
        }
    }
    let mut now = vec![0_i64; kinds];
    let step = |(at, by): (SimTime, BTreeMap<usize, i64>)| {
        by.into_iter().for_each(|(kind, by)| now[kind] += by);
        (at, now.iter().map(|&count| u64::try_from(count).expect("who leaves has come")).collect())
    };
    Some(changes.into_iter().map(step).collect())
}

/// The mean demand in each of so many equal cells up to the end, and how long they are.
fn means(demand: &[(usize, SimTime, SimTime)], kinds: usize, end: SimTime, cells: u64) -> (Vec<Vec<f64>>, SimDuration) {
    let cell = end.0.div_ceil(cells).max(1);
    let mut areas = vec![vec![0_u128; kinds]; end.0.div_ceil(cell) as usize];
    for &(kind, from, to) in demand {
        let mut at = from.0;
        while at < to.0 {
            let index = at / cell;
            let next = ((index + 1) * cell).min(to.0);
            areas[index as usize][kind] += u128::from(next - at);
            at = next;
        }
    }
    let mean = |areas: Vec<u128>| areas.into_iter().map(|area| area as f64 / cell as f64).collect();
    (areas.into_iter().map(mean).collect(), SimDuration(cell))
}
