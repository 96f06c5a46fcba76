//! Which node group grows, of those that would help (`expander/`).
//!
//! Every expander narrows a list of options; a chain asks one after another until a single option is left, and draws if
//! several are left at its end (`expander/factory`). The default is `least-waste`.
//!
//! Cost: a look at every option, and for `price` at every pod of it.

pub mod price;
pub mod priority;

use super::estimator::Amount;
use crate::ids::PodId;
use crate::rng::Stream;
pub use price::{PricedOption, Pricing};
pub use priority::Priorities;

/// A way to scale up (`expander.Option`).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ExpansionOption {
    /// The group, by its position in the caller's list.
    pub group: usize,
    /// Groups like it that the nodes may be spread over.
    pub similar: Vec<usize>,
    /// Nodes that would be added.
    pub node_count: usize,
    /// Pods that would find a place.
    pub pods: Vec<PodId>,
    /// What those pods ask for together.
    pub requested: Amount,
}

/// What expanders see beside the options; both lists are by group.
pub struct Surroundings<'a> {
    /// CPU and memory of a node of each group; `None`: no template is known.
    pub capacity: &'a [Option<Amount>],
    /// The names `priority` compares.
    pub names: &'a [String],
    /// Prices, for `price`.
    pub pricing: Option<&'a dyn Pricing>,
    /// Nodes in the cluster, for `price`.
    pub cluster_nodes: usize,
}

impl std::fmt::Debug for Surroundings<'_> {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Surroundings").field("capacity", &self.capacity).field("names", &self.names).finish()
    }
}

/// One expander.
#[derive(Clone, Debug)]
pub enum Expander {
    /// Any option, each as likely.
    Random,
    /// The options that place most pods.
    MostPods,
    /// The options whose new nodes' CPU and memory would be idle least.
    LeastWaste,
    /// The options with the fewest nodes.
    LeastNodes,
    /// The options that cost least for what they place.
    Price,
    /// The options whose group's name matches the highest priority.
    Priority(Priorities),
}

impl Expander {
    /// The name of the flag's value.
    pub fn name(&self) -> &'static str {
        match self {
            Expander::Random => "random",
            Expander::MostPods => "most-pods",
            Expander::LeastWaste => "least-waste",
            Expander::LeastNodes => "least-nodes",
            Expander::Price => "price",
            Expander::Priority(_) => "priority",
        }
    }

    /// The best options, by their positions in `options`, in their order.
    ///
    /// # Panics
    /// If `price` is asked and there are no prices.
    pub fn best(&self, options: &[ExpansionOption], around: &Surroundings<'_>, stream: &mut Stream) -> Vec<usize> {
        match self {
            Expander::Random if options.is_empty() => Vec::new(),
            Expander::Random => vec![stream.below(options.len() as u64) as usize],
            Expander::MostPods => most_pods(options),
            Expander::LeastWaste => least_waste(options, around.capacity),
            Expander::LeastNodes => least_nodes(options),
            Expander::Price => price::best(options, around),
            Expander::Priority(priorities) => priorities.best(options, around.names),
        }
    }
}

/// Keeps the options whose key is smallest; an option without a key is left out.
fn smallest<K: Ord>(options: &[ExpansionOption], key: impl Fn(&ExpansionOption) -> Option<K>) -> Vec<usize> {
    let keys: Vec<Option<K>> = options.iter().map(key).collect();
    let Some(best) = keys.iter().flatten().min() else { return Vec::new() };
    (0..options.len()).filter(|index| keys[*index].as_ref() == Some(best)).collect()
}

fn most_pods(options: &[ExpansionOption]) -> Vec<usize> {
    smallest(options, |option| Some(std::cmp::Reverse(option.pods.len())))
}

fn least_nodes(options: &[ExpansionOption]) -> Vec<usize> {
    smallest(options, |option| (option.node_count > 0).then_some(option.node_count))
}

/// Share of CPU that stays idle plus share of memory. A share of nothing is no number, which no later option beats.
fn waste(option: &ExpansionOption, node: Amount) -> f64 {
    let share = |per_node: u64, requested: u64| {
        let there = i128::from(per_node) * option.node_count as i128;
        (there - i128::from(requested)) as f64 / there as f64
    };
    share(node.cpu.0, option.requested.cpu.0) + share(node.memory.0, option.requested.memory.0)
}

fn least_waste(options: &[ExpansionOption], capacity: &[Option<Amount>]) -> Vec<usize> {
    let mut best: Vec<usize> = Vec::new();
    let mut least = 0.0;
    for (index, option) in options.iter().enumerate() {
        let Some(node) = capacity.get(option.group).copied().flatten() else { continue };
        let waste = waste(option, node);
        if waste == least {
            best.push(index);
        }
        if best.is_empty() || waste < least {
            least = waste;
            best = vec![index];
        }
    }
    best
}

/// Why a chain of expanders is refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ChainError {
    /// The same expander twice.
    #[error("expander `{0}` is named more than once")]
    Repeated(&'static str),
    /// `random` leaves one option, so that nothing after it is ever asked.
    #[error("expander `{0}` comes after `random`, which leaves a single option")]
    AfterRandom(&'static str),
}

/// Expanders that are asked one after another.
#[derive(Clone, Debug)]
pub struct Chain {
    expanders: Vec<Expander>,
}

impl Chain {
    /// A chain.
    ///
    /// # Errors
    /// With every expander that is repeated or comes after `random`.
    pub fn new(expanders: Vec<Expander>) -> Result<Chain, Vec<ChainError>> {
        let mut problems = Vec::new();
        for (index, expander) in expanders.iter().enumerate() {
            let before = &expanders[..index];
            if before.iter().any(|other| other.name() == expander.name()) {
                problems.push(ChainError::Repeated(expander.name()));
            } else if before.iter().any(|other| matches!(other, Expander::Random)) {
                problems.push(ChainError::AfterRandom(expander.name()));
            }
        }
        if problems.is_empty() { Ok(Chain { expanders }) } else { Err(problems) }
    }

    /// The option that is taken, by its position; `None` if none is left. A draw is made only if several are left.
    ///
    /// # Panics
    /// As [`Expander::best`].
    pub fn best(&self, options: &[ExpansionOption], around: &Surroundings<'_>, stream: &mut Stream) -> Option<usize> {
        let mut left: Vec<usize> = (0..options.len()).collect();
        for expander in &self.expanders {
            let narrowed: Vec<ExpansionOption> = left.iter().map(|index| options[*index].clone()).collect();
            left = expander.best(&narrowed, around, stream).into_iter().map(|index| left[index]).collect();
            if let [only] = left[..] {
                return Some(only);
            }
        }
        if left.is_empty() { None } else { Some(left[stream.below(left.len() as u64) as usize]) }
    }
}

#[cfg(test)]
mod tests;
