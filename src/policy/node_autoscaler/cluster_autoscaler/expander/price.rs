//! The expander `price` (`expander/price`): what the nodes cost for what their pods would, if pods were sold by size.

use super::{ExpansionOption, Surroundings};
use crate::ids::PodId;
use crate::units::MilliCpu;

/// Prices of an hour, in any one currency.
pub trait Pricing {
    /// A node of the group. `None`: not known, the option is left out.
    fn node(&self, group: usize) -> Option<f64>;

    /// A pod of this size. `None`: not known, the option is left out.
    fn pod(&self, pod: PodId) -> Option<f64>;

    /// The pod that is added to both sides so that small options do not win by chance: half a core and 500 MiB.
    fn stabilization_pod(&self) -> f64;

    /// Whether nodes of the group have GPUs, which makes them unfit unless nothing else is.
    fn has_gpu(&self, _group: usize) -> bool {
        false
    }

    /// Whether the group exists already; one that must be made counts double.
    fn exists(&self, _group: usize) -> bool {
        true
    }
}

/// What an option scores, the less the better.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct PricedOption {
    /// Price of the nodes for the price of the pods, each with the stabilising pod.
    pub ratio: f64,
    /// How far the nodes are from the preferred size, damped for many nodes.
    pub unfitness: f64,
    /// Both multiplied, doubled if the group must be made first.
    pub score: f64,
}

const GPU_UNFITNESS: f64 = 1000.0;
const NOT_YET_MADE: f64 = 2.0;

/// CPU of the node that suits a cluster of so many nodes (`SimplePreferredNodeProvider`).
pub fn preferred_cpu(cluster_nodes: usize) -> MilliCpu {
    let cores = match cluster_nodes {
        0..=2 => 1,
        3..=6 => 2,
        7..=20 => 4,
        21..=60 => 8,
        61..=200 => 16,
        _ => 32,
    };
    MilliCpu(cores * 1000)
}

/// How many times larger or smaller a node is than the preferred one (`SimpleNodeUnfitness`).
pub fn unfitness(preferred: MilliCpu, node: MilliCpu) -> f64 {
    let (preferred, node) = (preferred.0 as f64, node.0 as f64);
    (preferred / node).max(node / preferred)
}

/// Scores an option; `None`: a template or a price is not known.
///
/// # Panics
/// If there are no prices.
pub fn priced(option: &ExpansionOption, around: &Surroundings<'_>) -> Option<PricedOption> {
    let pricing = around.pricing.expect("the expander `price` needs prices");
    let node = around.capacity.get(option.group).copied().flatten()?;
    let nodes = pricing.node(option.group)? * option.node_count as f64;
    let mut pods = 0.0;
    for pod in &option.pods {
        pods += pricing.pod(*pod)?;
    }
    let stabilizer = pricing.stabilization_pod();
    let ratio = (nodes + stabilizer) / (pods + stabilizer);
    let unfit = unfitness(preferred_cpu(around.cluster_nodes), node.cpu);
    let damping = 1.0 - libm::tanh((option.node_count as f64 - 1.0) / 15.0);
    let damped = (unfit - 1.0) * damping + 1.0;
    let unfitness = if pricing.has_gpu(option.group) { GPU_UNFITNESS } else { damped };
    let made = if pricing.exists(option.group) { 1.0 } else { NOT_YET_MADE };
    Some(PricedOption { ratio, unfitness, score: unfitness * ratio * made })
}

pub(super) fn best(options: &[ExpansionOption], around: &Surroundings<'_>) -> Vec<usize> {
    let mut best = Vec::new();
    let mut least = 0.0;
    for (index, option) in options.iter().enumerate() {
        let Some(PricedOption { score, .. }) = priced(option, around) else { continue };
        if best.is_empty() || score == least {
            best.push(index);
            least = score;
        } else if score < least {
            best = vec![index];
            least = score;
        }
    }
    best
}
