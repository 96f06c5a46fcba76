//! How much of each node was allocated on average, and what it cost.

use super::machines;
use crate::ids::NodeId;
use crate::units::SimTime;
use crate::world::View;

/// Time integrals of what each node had allocated.
#[derive(Clone, Debug, Default)]
pub struct NodeUsage {
    since: Vec<SimTime>,
    /// Milli-cores, bytes and milli-GPU times ns. A `u128` holds 10^18 bytes for 10^18 ns.
    integrals: Vec<[u128; 3]>,
}

impl NodeUsage {
    /// Accounts for the time up to now; to be called before a node changes, and at the end.
    pub fn settle(&mut self, view: &View<'_>, node: NodeId) {
        let (i, now) = (node.index(), view.world.time);
        if self.since.len() <= i {
            self.since.resize(i + 1, SimTime::ZERO);
            self.integrals.resize(i + 1, [0; 3]);
        }
        let nodes = &view.world.nodes;
        let since = std::mem::replace(&mut self.since[i], now).max(nodes.added[i]);
        let span = u128::from(now.0.saturating_sub(since.0));
        if span > 0 {
            let gpu = nodes.gpu_count(node) * 1000 - nodes.gpu_left_total[i];
            let allocated = [nodes.cpu[i] - nodes.free_cpu[i], nodes.memory[i] - nodes.free_memory[i], gpu.into()];
            for (integral, amount) in self.integrals[i].iter_mut().zip(allocated) {
                *integral += u128::from(amount) * span;
            }
        }
    }

    /// Mean percent of cpu, memory and GPU allocated while the node was up; NaN where it has none or was never up.
    pub fn mean_pct(&self, view: &View<'_>, node: NodeId) -> [f64; 3] {
        let (i, nodes) = (node.index(), &view.world.nodes);
        let span = up_ns(view, node) as f64;
        let offered = [nodes.cpu[i] as f64, nodes.memory[i] as f64, f64::from(nodes.gpu_count(node)) * 1000.0];
        let integrals = self.integrals.get(i).copied().unwrap_or_default();
        std::array::from_fn(|kind| {
            let whole = offered[kind] * span;
            if whole > 0.0 { 100.0 * integrals[kind] as f64 / whole } else { f64::NAN }
        })
    }

    /// Mean percent of the whole cluster's cpu, memory and GPU allocated, over node time.
    pub fn cluster_mean_pct(&self, view: &View<'_>) -> [f64; 3] {
        let nodes = &view.world.nodes;
        let (mut parts, mut wholes) = ([0.0; 3], [0.0; 3]);
        for i in 0..nodes.len() {
            let node = NodeId::from_index(i);
            let span = up_ns(view, node) as f64;
            let offered = [nodes.cpu[i] as f64, nodes.memory[i] as f64, f64::from(nodes.gpu_count(node)) * 1000.0];
            for kind in 0..3 {
                parts[kind] += self.integrals.get(i).map_or(0.0, |integrals| integrals[kind] as f64);
                wholes[kind] += offered[kind] * span;
            }
        }
        std::array::from_fn(|kind| if wholes[kind] > 0.0 { 100.0 * parts[kind] / wholes[kind] } else { f64::NAN })
    }
}

/// How long the node was up, in ns.
pub fn up_ns(view: &View<'_>, node: NodeId) -> u64 {
    let nodes = &view.world.nodes;
    let end = nodes.removed[node.index()].min(view.world.time);
    end.0 - nodes.added[node.index()].0
}

/// What the node cost, in US dollars; one of a machine that was bought from its launch on.
pub fn cost_usd(view: &View<'_>, node: NodeId) -> f64 {
    if let Some(machine) = view.world.fleet.of_node(node) {
        return machines::cost_usd(view, view.world.fleet.get(machine));
    }
    let shape = view.model.cluster.shape(view.world.nodes.shape[node.index()]);
    shape.usd_per_hour * up_ns(view, node) as f64 / 3.6e12
}
