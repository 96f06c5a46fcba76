//! What is known of every node for one class, kept up to date from the log of changes.

use super::bits::{Bits, Window};
use super::domains::Domains;
use super::locality::{self, Locality};
use super::topology::{Surroundings, Topology};
use crate::policy::scheduler::kube::framework::{FilterPlugin, Framework, PreFilter, ScorePlugin};
use crate::policy::scheduler::kube::plugins::normalise::by_highest;
use crate::policy::scheduler::kube::plugins::{inter_pod_affinity, pod_topology_spread};
use crate::policy::scheduler::kube::{MAX_NODE_SCORE, NodeInfo};

/// The sum of scores of a node that does not pass.
const NOT_FEASIBLE: i32 = i32::MIN;

/// A score that only the set of feasible nodes brings to its scale, and whose raw values never change.
#[derive(Clone, Debug)]
struct RawScores {
    weight: i64,
    /// Whether low raw values are good.
    is_reversed: bool,
    /// By position.
    raw: Vec<i64>,
}

/// The nodes as one class sees them.
#[derive(Debug)]
pub(super) struct ClassState {
    /// The nodes that pass every filter that looks at the node alone.
    passes: Bits,
    /// Weighted sums of the scores that look at the node alone, by position; [`NOT_FEASIBLE`] for nodes that do not pass.
    sums: Vec<i32>,
    /// The part of the sums that never changes, by position; empty where it is nothing.
    fixed: Vec<i64>,
    raw: Vec<RawScores>,
    /// What every node gets from scores whose raw values are all the same.
    constant: i64,
    topology: Topology,
    spread_weight: i64,
    preference_weight: i64,
    /// Up to where the log of changes is taken into account.
    position: u64,
    feasible: Vec<usize>,
    totals: Vec<i64>,
    scratch: Vec<i64>,
    spread: Vec<Option<i64>>,
}

/// The best of the feasible nodes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Best {
    /// How many nodes passed.
    pub(super) feasible: usize,
    /// How many were looked at.
    pub(super) examined: usize,
    /// The highest total; -1 where there is one feasible node, which nobody scores.
    pub(super) score: i64,
    /// How many have it.
    pub(super) ties: usize,
}

impl ClassState {
    /// The class of the cycle; none when it asks for something that only the plain form knows.
    pub(super) fn new(
        framework: &Framework,
        around: Surroundings<'_, '_>,
        domains: &mut Domains,
    ) -> Option<ClassState> {
        if !is_supported(framework, around) {
            return None;
        }
        let len = around.order.nodes.len();
        let mut state = ClassState {
            passes: Bits::new(len),
            sums: vec![NOT_FEASIBLE; len],
            fixed: Vec::new(),
            raw: Vec::new(),
            constant: 0,
            topology: Topology::new(around, domains),
            spread_weight: 0,
            preference_weight: 0,
            position: around.cycle.view.world.changes.position(),
            feasible: Vec::new(),
            totals: Vec::new(),
            scratch: Vec::new(),
            spread: Vec::new(),
        };
        for (name, weight, plugin) in framework.scorers() {
            match locality::of_scorer(name) {
                Locality::Fixed => state.add_fixed(weight, plugin, around),
                Locality::Scaled { is_reversed } => state.add_raw(weight, is_reversed, plugin, around),
                Locality::Topology if name == pod_topology_spread::NAME => state.spread_weight = weight,
                Locality::Topology => state.preference_weight = weight,
                Locality::Node | Locality::Elsewhere => {}
            }
        }
        state.look_again(framework, around, 0..len);
        Some(state)
    }

    fn add_fixed(&mut self, weight: i64, plugin: &dyn ScorePlugin, around: Surroundings<'_, '_>) {
        let nodes: Vec<NodeInfo<'_>> = around.nodes().collect();
        let Some(scorer) = plugin.pre_score(around.cycle, &nodes) else { return };
        self.fixed.resize(nodes.len(), 0);
        for (sum, node) in self.fixed.iter_mut().zip(&nodes) {
            *sum += weight * scorer.score(node);
        }
        if self.fixed.iter().all(|&sum| sum == 0) {
            self.fixed.clear();
        }
    }

    fn add_raw(&mut self, weight: i64, is_reversed: bool, plugin: &dyn ScorePlugin, around: Surroundings<'_, '_>) {
        let nodes: Vec<NodeInfo<'_>> = around.nodes().collect();
        let Some(scorer) = plugin.pre_score(around.cycle, &nodes) else { return };
        let raw: Vec<i64> = nodes.iter().map(|node| scorer.score(node)).collect();
        if raw.iter().all(|&score| score == 0) {
            self.constant += if is_reversed { weight * MAX_NODE_SCORE } else { 0 };
        } else {
            self.raw.push(RawScores { weight, is_reversed, raw });
        }
    }

    /// Takes into account what happened since the last time.
    pub(super) fn catch_up(&mut self, framework: &Framework, around: Surroundings<'_, '_>, domains: &mut Domains) {
        let log = &around.cycle.view.world.changes;
        if log.position() != self.position {
            match log.since(self.position) {
                Some(nodes) => {
                    let positions = nodes.filter_map(|node| around.order.position(node));
                    self.look_again(framework, around, positions);
                }
                None => self.look_again(framework, around, 0..around.order.nodes.len()),
            }
            self.position = log.position();
        }
        self.topology.catch_up(around, domains);
    }

    /// Filters and scores nodes at these positions.
    fn look_again(
        &mut self,
        framework: &Framework,
        around: Surroundings<'_, '_>,
        positions: impl Iterator<Item = usize>,
    ) {
        let cycle = around.cycle;
        let filters: Vec<_> = framework
            .filters()
            .filter(|(name, _)| locality::of_filter(name) == Locality::Node)
            .filter_map(|(_, plugin)| match plugin.pre_filter(cycle) {
                PreFilter::Run { filter, .. } => Some(filter),
                PreFilter::Skip | PreFilter::Reject(_) => None,
            })
            .collect();
        let scorers: Vec<_> = framework
            .scorers()
            .filter(|(name, ..)| locality::of_scorer(name) == Locality::Node)
            .filter_map(|(_, weight, plugin)| Some((weight, plugin.pre_score(cycle, &[])?)))
            .collect();
        for position in positions {
            let node = NodeInfo::new(cycle.view, around.order.nodes[position]);
            let passes = filters.iter().all(|filter| filter.filter(&node).is_ok());
            self.passes.set(position, passes);
            self.sums[position] = if passes {
                let sum: i64 = scorers.iter().map(|(weight, scorer)| weight * scorer.score(&node)).sum();
                let sum = sum + self.fixed.get(position).copied().unwrap_or(0);
                i32::try_from(sum).expect("weights and scores are small")
            } else {
                NOT_FEASIBLE
            };
        }
    }

    /// Finds up to `wanted` feasible nodes from `start` around, scores them, and finds the best.
    pub(super) fn best(&mut self, domains: &Domains, start: usize, wanted: usize) -> Best {
        if self.raw.is_empty()
            && !self.topology.filters()
            && !self.topology.scores_spread()
            && !self.topology.scores_preference()
        {
            return self.best_by_sums(start, wanted);
        }
        let examined = self.find_feasible(domains, start, wanted);
        let feasible = self.feasible.len();
        if feasible < 2 {
            return Best { feasible, examined, score: -1, ties: feasible };
        }
        self.add_up(domains);
        let score = *self.totals.iter().max().expect("there are some");
        let ties = self.totals.iter().filter(|&&total| total == score).count();
        Best { feasible, examined, score, ties }
    }

    /// The position of the `n`-th of the best nodes that [`best`](Self::best) found.
    pub(super) fn nth_best(&self, best: &Best, start: usize, n: usize) -> usize {
        self.all_best(best, start).nth(n).expect("there are so many").1
    }

    /// The positions of the best nodes that [`best`](Self::best) found, each after its number among the feasible ones.
    pub(super) fn all_best(&self, best: &Best, start: usize) -> Box<dyn Iterator<Item = (usize, usize)> + '_> {
        let Best { feasible, score, ties, .. } = *best;
        if !self.feasible.is_empty() {
            let is_best = move |number: usize| feasible == 1 || self.totals[number] == score;
            return Box::new(self.feasible.iter().copied().enumerate().filter(move |(number, _)| is_best(*number)));
        }
        let sum = (score - self.constant) as i32;
        let is_best = move |position: usize| feasible == 1 || self.sums[position] == sum;
        let found = self.passes.around(start).enumerate();
        Box::new(found.filter(move |(_, position)| is_best(*position)).take(ties))
    }

    /// The case of classes that look at nodes alone: the highest sum in a stretch of the order.
    fn best_by_sums(&mut self, start: usize, wanted: usize) -> Best {
        self.feasible.clear();
        let Window { found, length, examined } = self.passes.window(start, wanted);
        if found < 2 {
            return Best { feasible: found, examined, score: -1, ties: found };
        }
        let first = &self.sums[start..self.sums.len().min(start + length)];
        let second = &self.sums[..(start + length).saturating_sub(self.sums.len())];
        let highest = |sums: &[i32]| sums.iter().copied().fold(NOT_FEASIBLE, i32::max);
        let sum = highest(first).max(highest(second));
        let count = |sums: &[i32]| sums.iter().map(|&other| u32::from(other == sum)).sum::<u32>();
        let ties = (count(first) + count(second)) as usize;
        Best { feasible: found, examined, score: i64::from(sum) + self.constant, ties }
    }

    /// Fills in the feasible positions, and gives how many were looked at.
    fn find_feasible(&mut self, domains: &Domains, start: usize, wanted: usize) -> usize {
        self.feasible.clear();
        let len = self.passes.len();
        for position in self.passes.around(start) {
            if self.topology.allows(domains, position) {
                if self.feasible.len() == wanted {
                    return (position + len - start) % len;
                }
                self.feasible.push(position);
            }
        }
        len
    }

    /// Sums up all weighted scores of the feasible nodes.
    fn add_up(&mut self, domains: &Domains) {
        self.totals.clear();
        self.totals.extend(self.feasible.iter().map(|&position| i64::from(self.sums[position]) + self.constant));
        for RawScores { weight, is_reversed, raw } in &self.raw {
            self.scratch.clear();
            self.scratch.extend(self.feasible.iter().map(|&position| raw[position]));
            by_highest(*is_reversed, &mut self.scratch);
            add_weighted(&mut self.totals, *weight, &self.scratch);
        }
        if self.topology.scores_spread() && self.spread_weight != 0 {
            self.topology.spread_scores(domains, &self.feasible, &mut self.spread);
            self.scratch.clear();
            self.scratch.resize(self.feasible.len(), 0);
            pod_topology_spread::normalise(&self.spread, &mut self.scratch);
            add_weighted(&mut self.totals, self.spread_weight, &self.scratch);
        }
        if self.topology.scores_preference() && self.preference_weight != 0 {
            self.scratch.clear();
            self.scratch.extend(self.feasible.iter().map(|&position| self.topology.preference(domains, position)));
            inter_pod_affinity::normalise(&mut self.scratch);
            add_weighted(&mut self.totals, self.preference_weight, &self.scratch);
        }
    }
}

fn add_weighted(totals: &mut [i64], weight: i64, scores: &[i64]) {
    for (total, score) in totals.iter_mut().zip(scores) {
        *total += weight * score;
    }
}

/// Whether every plug-in either looks at nodes alone or counts by topology, and none of them knows the only nodes that
/// can do.
fn is_supported(framework: &Framework, around: Surroundings<'_, '_>) -> bool {
    let cycle = around.cycle;
    let is_plain = |plugin: &dyn FilterPlugin| match plugin.pre_filter(cycle) {
        PreFilter::Skip => true,
        PreFilter::Run { nodes, .. } => nodes.is_none(),
        PreFilter::Reject(_) => false,
    };
    cycle.spec().volumes.is_empty()
        && cycle.spec().resource_claims.is_empty()
        && framework.filters().all(|(name, plugin)| match locality::of_filter(name) {
            Locality::Topology => true,
            Locality::Node | Locality::Fixed | Locality::Scaled { .. } => is_plain(plugin),
            Locality::Elsewhere => matches!(plugin.pre_filter(cycle), PreFilter::Skip),
        })
        && framework.scorers().all(|(name, _, plugin)| {
            locality::of_scorer(name) != Locality::Elsewhere || plugin.pre_score(cycle, &[]).is_none()
        })
}
