//! What is known of every node for one class, kept up to date from the log of changes.
//!
//! When nodes join or leave, what is known of the others moves with them; only the nodes that joined are looked at.

use std::sync::Arc;

use super::bits::Window;
use super::domains::Domains;
use super::locality::{self, Locality};
use super::order::{Moves, Order};
use super::preemption::DryRuns;
use super::prepared::Prepared;
use super::sums::{NOT_FEASIBLE, Sums};
use super::topology::{Surroundings, Topology};
use super::verdicts::Verdicts;
use super::what_if::with_all_filters;
use crate::ids::{ClassId, NodeId, PodId};
use crate::policy::scheduler::kube::framework::{FilterPlugin, Filters, Framework, NodeScorer, PreFilter, ScorePlugin};
use crate::policy::scheduler::kube::plugins::normalise::by_highest;
use crate::policy::scheduler::kube::plugins::{image_locality, inter_pod_affinity, pod_topology_spread};
use crate::policy::scheduler::kube::{Code, Cycle, Diagnosis, MAX_NODE_SCORE, NodeInfo, Rejection, Summary};

/// A score that only the set of feasible nodes brings to its scale, and whose raw values never change.
#[derive(Clone, Debug)]
struct RawScores {
    /// The place of the plug-in among the scorers.
    scorer: usize,
    weight: i64,
    /// Whether low raw values are good.
    is_reversed: bool,
    /// By position; empty where all are 0.
    raw: Vec<i64>,
}

impl RawScores {
    /// What every node gets while all raw values are 0.
    fn constant(&self) -> i64 {
        if self.is_reversed && self.raw.is_empty() { self.weight * MAX_NODE_SCORE } else { 0 }
    }

    /// Scores the nodes that joined, after the others have moved.
    fn follow<'a>(&mut self, scorer: &dyn NodeScorer<'a>, around: Surroundings<'_, 'a>, moves: &Moves) {
        let has_some = !self.raw.is_empty();
        if has_some {
            moves.apply(&mut self.raw, 0);
        }
        for position in moves.joined() {
            let score = scorer.score(&NodeInfo::new(around.cycle.view, around.order.nodes[position]));
            if score != 0 {
                self.raw.resize(around.order.nodes.len(), 0);
                self.raw[position] = score;
            }
        }
        if has_some && self.raw.iter().all(|&score| score == 0) {
            self.raw.clear();
        }
    }
}

/// The only nodes that pods of a class can go to, as a plug-in knows; they are few, and looked at anew every time.
#[derive(Debug)]
struct Named {
    plugin: String,
    /// In order of [`NodeId`](crate::ids::NodeId), as upstream looks at them.
    positions: Vec<usize>,
    /// What was found the last time.
    diagnosis: Diagnosis,
}

/// The nodes as one class sees them.
#[derive(Debug)]
pub(super) struct ClassState {
    /// What the filters say that look at the node alone.
    pub(super) verdicts: Verdicts,
    /// What all filters say, made when a pod is refused; only for classes whose filters look at topology.
    all_verdicts: Option<Verdicts>,
    named: Option<Named>,
    /// Weighted sums of the scores that look at the node alone, by position; [`NOT_FEASIBLE`] for nodes that do not pass.
    sums: Sums,
    /// The part of the sums that changes with the set of nodes alone, by position; empty where it is nothing.
    fixed: Vec<i64>,
    /// Whether that part can be something, whatever nodes there are.
    has_fixed: bool,
    raw: Vec<RawScores>,
    /// What every node gets from scores whose raw values are all 0.
    constant: i64,
    topology: Topology,
    spread_weight: i64,
    preference_weight: i64,
    pub(super) dry_runs: DryRuns,
    /// The nodes by position.
    nodes: Arc<[NodeId]>,
    /// Positions of nodes that joined since they were last looked at.
    joined: Vec<usize>,
    /// How many orders there had been when the class was last asked for.
    pub(super) used: u64,
    /// Up to where the logs of changes and of nominations are taken into account.
    seen: (u64, u64),
    /// The node that is promised to the pod of the last decision, and was looked at with its eyes.
    personal: Option<usize>,
    changed: Vec<usize>,
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
        let named = named(framework, around);
        let len = if named.is_some() { 0 } else { around.order.nodes.len() };
        let mut state = ClassState {
            verdicts: Verdicts::new(len),
            all_verdicts: None,
            named,
            sums: Sums::new(len),
            fixed: Vec::new(),
            has_fixed: false,
            raw: Vec::new(),
            constant: 0,
            topology: Topology::new(around, domains),
            spread_weight: 0,
            preference_weight: 0,
            dry_runs: DryRuns::default(),
            nodes: Arc::clone(&around.order.nodes),
            joined: Vec::new(),
            used: 0,
            seen: positions_of_logs(around.cycle),
            personal: None,
            changed: Vec::new(),
            feasible: Vec::new(),
            totals: Vec::new(),
            scratch: Vec::new(),
            spread: Vec::new(),
        };
        if state.named.is_some() {
            return Some(state);
        }
        for (scorer, (name, weight, plugin)) in framework.scorers().enumerate() {
            match locality::of_scorer(name) {
                Locality::Fixed => state.add_fixed(weight, plugin, around),
                Locality::Scaled { is_reversed } => {
                    state.add_raw(RawScores { scorer, weight, is_reversed, raw: Vec::new() }, plugin, around);
                }
                Locality::Topology if name == pod_topology_spread::NAME => state.spread_weight = weight,
                Locality::Topology => state.preference_weight = weight,
                Locality::Node | Locality::Volumes | Locality::Elsewhere => {}
            }
        }
        state.look_again(framework, around, 0..len);
        Some(state)
    }

    fn add_fixed(&mut self, weight: i64, plugin: &dyn ScorePlugin, around: Surroundings<'_, '_>) {
        if !image_locality::is_anywhere(around.cycle) {
            return;
        }
        self.has_fixed = true;
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

    fn add_raw(&mut self, mut scores: RawScores, plugin: &dyn ScorePlugin, around: Surroundings<'_, '_>) {
        let Some(scorer) = plugin.pre_score(around.cycle, &[]) else { return };
        scores.follow(scorer.as_ref(), around, &Moves::all_joined(around.order));
        self.constant += scores.constant();
        self.raw.push(scores);
    }

    /// Whether the nodes stand as they did when the class was last asked for.
    pub(super) fn is_ordered(&self, order: &Order) -> bool {
        Arc::ptr_eq(&self.nodes, &order.nodes)
    }

    /// Whether the class can take in that nodes join and leave, without being looked at anew.
    pub(super) fn can_follow(&self) -> bool {
        self.named.is_none() && !self.has_fixed
    }

    /// Takes in that nodes joined or left; those that joined are looked at when the class next catches up.
    pub(super) fn follow(&mut self, framework: &Framework, around: Surroundings<'_, '_>, domains: &Domains) {
        let order = around.order;
        let moves = order.moves_since(&self.nodes);
        self.verdicts.reorder(&moves);
        self.all_verdicts = None;
        self.sums.reorder(&moves);
        self.dry_runs.reorder(&moves);
        self.topology.follow(around, domains);
        self.constant = 0;
        for scores in &mut self.raw {
            let (.., plugin) = framework.scorers().nth(scores.scorer).expect("it was one of them");
            if let Some(scorer) = plugin.pre_score(around.cycle, &[]) {
                scores.follow(scorer.as_ref(), around, &moves);
            }
            self.constant += scores.constant();
        }
        self.personal = self.personal.and_then(|position| order.position(self.nodes[position]));
        self.joined.extend(moves.joined());
        self.nodes = Arc::clone(&order.nodes);
    }

    /// Takes into account what happened since the last time. The cycle is that of any pod of the class.
    pub(super) fn catch_up(&mut self, framework: &Framework, around: Surroundings<'_, '_>, domains: &mut Domains) {
        self.topology.catch_up(around, domains);
        if self.named.is_some() {
            return;
        }
        let world = around.cycle.view.world;
        let now = positions_of_logs(around.cycle);
        let personal = self.personal.take();
        if now == self.seen && personal.is_none() && self.joined.is_empty() {
            return;
        }
        let logs = (world.changes.since(self.seen.0), world.nominated.changes().since(self.seen.1));
        self.seen = now;
        let (Some(nodes), Some(promised)) = logs else {
            self.joined.clear();
            self.topology.notice(around, domains, around.order.nodes.iter().copied());
            return self.look_again(framework, around, 0..around.order.nodes.len());
        };
        let mut changed = std::mem::take(&mut self.changed);
        changed.clear();
        changed.extend(nodes.chain(promised).filter_map(|node| around.order.position(node)).chain(personal));
        changed.append(&mut self.joined);
        changed.sort_unstable();
        changed.dedup();
        self.topology.notice(around, domains, changed.iter().map(|&position| around.order.nodes[position]));
        self.look_again(framework, around, changed.iter().copied());
        self.changed = changed;
    }

    /// Looks at the node that is promised to the pod of the cycle with the eyes of that pod, to whom the promise is no
    /// hindrance; until the class next catches up.
    pub(super) fn look_as(&mut self, framework: &Framework, around: Surroundings<'_, '_>, position: usize) {
        self.personal = Some(position);
        self.look_again(framework, around, std::iter::once(position));
    }

    /// The node that was looked at with the eyes of the pod.
    pub(super) fn personal(&self) -> Option<usize> {
        self.personal
    }

    /// Filters and scores nodes at these positions.
    fn look_again(
        &mut self,
        framework: &Framework,
        around: Surroundings<'_, '_>,
        positions: impl Iterator<Item = usize>,
    ) {
        let cycle = around.cycle;
        let prepared = Prepared::new(framework, cycle);
        for position in positions {
            let node = NodeInfo::new(cycle.view, around.order.nodes[position]);
            self.dry_runs.forget(position);
            match prepared.filter(cycle, &node) {
                Ok(()) => {
                    let sum = prepared.score(&node) + self.fixed.get(position).copied().unwrap_or(0);
                    self.sums.set(position, i32::try_from(sum).expect("weights and scores are small"));
                    self.verdicts.pass(position);
                }
                Err(rejection) => {
                    self.sums.set(position, NOT_FEASIBLE);
                    self.verdicts.reject(position, &rejection);
                }
            }
        }
    }

    /// Whether the pod of the cycle passes on the node that is promised to it.
    pub(super) fn passes_on(
        &mut self,
        framework: &Framework,
        around: Surroundings<'_, '_>,
        domains: &mut Domains,
        position: usize,
    ) -> bool {
        let node = NodeInfo::new(around.cycle.view, around.order.nodes[position]);
        let prepared = Prepared::new(framework, around.cycle);
        prepared.filter(around.cycle, &node).is_ok() && self.allows(around, domains, position)
    }

    /// Whether the filters allow a node that look at topology, nominated pods minded.
    fn allows(&mut self, around: Surroundings<'_, '_>, domains: &mut Domains, position: usize) -> bool {
        !self.topology.filters()
            || self.topology.allows(domains, position) && allows_crowd(&mut self.topology, around, domains, position)
    }

    /// Finds up to `wanted` feasible nodes from `start` around, scores them, and finds the best.
    pub(super) fn best(
        &mut self,
        around: Surroundings<'_, '_>,
        domains: &mut Domains,
        start: usize,
        wanted: usize,
    ) -> Best {
        if self.raw.iter().all(|scores| scores.raw.is_empty())
            && !self.topology.filters()
            && !self.topology.scores_spread()
            && !self.topology.scores_preference()
        {
            return self.best_by_sums(start, wanted);
        }
        let examined = self.find_feasible(around, domains, start, wanted);
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
        let found = if self.feasible.is_empty() && best.feasible > 1 {
            self.sums.nth((best.score - self.constant) as i32, start, n)
        } else {
            self.all_best(best, start).nth(n).map(|(_, position)| position)
        };
        found.expect("there are so many")
    }

    /// The positions of the best nodes that [`best`](Self::best) found, each after its number among the feasible ones.
    pub(super) fn all_best(&self, best: &Best, start: usize) -> Box<dyn Iterator<Item = (usize, usize)> + '_> {
        let Best { feasible, score, ties, .. } = *best;
        if !self.feasible.is_empty() {
            let is_best = move |number: usize| feasible == 1 || self.totals[number] == score;
            return Box::new(self.feasible.iter().copied().enumerate().filter(move |(number, _)| is_best(*number)));
        }
        let sum = (score - self.constant) as i32;
        let is_best = move |position: usize| feasible == 1 || self.sums.get(position) == sum;
        let found = self.verdicts.passes().around(start).enumerate();
        Box::new(found.filter(move |(_, position)| is_best(*position)).take(ties))
    }

    /// The case of classes that look at nodes alone: the highest sum in a stretch of the order.
    fn best_by_sums(&mut self, start: usize, wanted: usize) -> Best {
        self.feasible.clear();
        let Window { found, length, examined } = self.verdicts.passes().window(start, wanted);
        if found < 2 {
            return Best { feasible: found, examined, score: -1, ties: found };
        }
        let highest = self.sums.highest(start, length);
        let score = i64::from(highest.sum) + self.constant;
        Best { feasible: found, examined, score, ties: highest.count as usize }
    }

    /// Fills in the feasible positions, and gives how many were looked at.
    fn find_feasible(
        &mut self,
        around: Surroundings<'_, '_>,
        domains: &mut Domains,
        start: usize,
        wanted: usize,
    ) -> usize {
        self.feasible.clear();
        let passes = self.verdicts.passes();
        let filters = self.topology.filters();
        let has_promises = !around.cycle.view.world.nominated.is_empty();
        for position in passes.around(start) {
            if filters && !self.topology.allows(domains, position) {
                continue;
            }
            if filters && has_promises && !allows_crowd(&mut self.topology, around, domains, position) {
                continue;
            }
            if self.feasible.len() == wanted {
                return (position + passes.len() - start) % passes.len();
            }
            self.feasible.push(position);
        }
        passes.len()
    }

    /// Sums up all weighted scores of the feasible nodes.
    fn add_up(&mut self, domains: &Domains) {
        self.totals.clear();
        self.totals.extend(self.feasible.iter().map(|&position| i64::from(self.sums.get(position)) + self.constant));
        for RawScores { weight, is_reversed, raw, .. } in self.raw.iter().filter(|scores| !scores.raw.is_empty()) {
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

impl ClassState {
    /// Whether a plug-in knows the only nodes that can do.
    pub(super) fn is_named(&self) -> bool {
        self.named.is_some()
    }

    /// As [`best`](Self::best), for a class whose nodes are named; none when there are several feasible ones, which are
    /// left to the plain form to score.
    pub(super) fn best_named(
        &mut self,
        framework: &Framework,
        around: Surroundings<'_, '_>,
        domains: &mut Domains,
        start: usize,
        wanted: impl Fn(usize) -> usize,
    ) -> Option<Best> {
        let mut named = self.named.take()?;
        let cycle = around.cycle;
        let prepared = Prepared::new(framework, cycle);
        named.diagnosis = Diagnosis::default();
        self.feasible.clear();
        let len = named.positions.len();
        let wanted = wanted(len);
        with_all_filters(framework, around, (&mut self.topology, domains), prepared.filters, |filters| {
            for offset in 0..len {
                let position = named.positions[(start + offset) % len];
                let node = NodeInfo::new(cycle.view, around.order.nodes[position]);
                match filters.filter_with_nominated_pods(cycle, &node) {
                    Ok(()) if self.feasible.len() == wanted => break,
                    Ok(()) => self.feasible.push(position),
                    Err(rejection) => {
                        named.diagnosis.unschedulable_plugins.insert(rejection.plugin.clone());
                        named.diagnosis.nodes.insert(node.node, rejection);
                    }
                }
            }
        });
        let found = self.feasible.len();
        let examined = found + named.diagnosis.nodes.len();
        let reason = format!("node(s) didn't satisfy plugin(s) [{}]", named.plugin);
        let code = Code::UnschedulableAndUnresolvable;
        named.diagnosis.absent_nodes = Some(Rejection { plugin: "".into(), code, reasons: vec![reason.into()] });
        named.diagnosis.unschedulable_plugins.insert(named.plugin.clone().into());
        self.named = Some(named);
        (found < 2).then_some(Best { feasible: found, examined, score: -1, ties: found })
    }

    /// Why no node is feasible, after [`best`](Self::best) or [`best_named`](Self::best_named) found none.
    pub(super) fn refusal(
        &mut self,
        framework: &Framework,
        around: Surroundings<'_, '_>,
        domains: &mut Domains,
    ) -> Summary {
        if let Some(named) = &self.named {
            return named.diagnosis.summary();
        }
        if self.topology.filters() {
            self.judge_all(framework, around, domains);
        } else {
            self.all_verdicts = None;
        }
        self.final_verdicts().summary()
    }

    /// What all filters say of every node, after [`refusal`](Self::refusal).
    pub(super) fn final_verdicts(&self) -> &Verdicts {
        self.all_verdicts.as_ref().unwrap_or(&self.verdicts)
    }

    /// The diagnosis of a class whose nodes are named.
    pub(super) fn named_diagnosis(&self) -> Option<&Diagnosis> {
        self.named.as_ref().map(|named| &named.diagnosis)
    }

    /// Whether what filters say of a node depends on other nodes.
    pub(super) fn depends_on_topology(&self) -> bool {
        self.topology.filters()
    }

    /// Calls `look` with all filters of the pod of the cycle.
    pub(super) fn with_filters<'a, T>(
        &mut self,
        framework: &Framework,
        around: Surroundings<'a, 'a>,
        domains: &mut Domains,
        look: impl FnOnce(&Filters<'a>) -> T,
    ) -> T {
        let filters = super::prepared::filters(framework, around.cycle);
        with_all_filters(framework, around, (&mut self.topology, domains), filters, look)
    }

    /// Joins what filters say of topology to what those say that look at the node alone.
    fn judge_all(&mut self, framework: &Framework, around: Surroundings<'_, '_>, domains: &mut Domains) {
        let place = |name: &str| framework.filters().position(|(other, _)| other == name);
        let (spread, affinity) = (place(pod_topology_spread::NAME), place(inter_pod_affinity::NAME));
        let mut all = self.all_verdicts.take().unwrap_or_else(|| self.verdicts.clone());
        for position in 0..around.order.nodes.len() {
            let alone = self.verdicts.rejection(position);
            let before = alone.map_or(usize::MAX, |rejection| place(&rejection.plugin).unwrap_or(usize::MAX));
            let of_spread = || {
                let refusal = self.topology.spread_refusal(domains, position).filter(|_| spread < Some(before))?;
                Some((spread, refusal.rejection()))
            };
            let of_affinity = || {
                let refusal = self.topology.affinity_refusal(domains, position).filter(|_| affinity < Some(before))?;
                Some((affinity, refusal.rejection()))
            };
            match (of_spread().into_iter().chain(of_affinity()).min_by_key(|(place, _)| *place), alone) {
                (Some((_, rejection)), _) => all.reject(position, &rejection),
                (None, Some(rejection)) => all.reject(position, rejection),
                (None, None) => all.pass(position),
            }
        }
        self.judge_promised(framework, around, domains, &mut all);
        self.all_verdicts = Some(all);
    }

    /// Nodes that are promised are judged as the plain form does it.
    fn judge_promised(
        &mut self,
        framework: &Framework,
        around: Surroundings<'_, '_>,
        domains: &mut Domains,
        all: &mut Verdicts,
    ) {
        let (cycle, order) = (*around.cycle, around.order);
        let around = Surroundings { cycle: &cycle, order };
        let promised = cycle.view.world.nominated.nodes().filter_map(|node| order.position(node));
        self.with_filters(framework, around, domains, |filters| {
            for position in promised {
                let node = NodeInfo::new(cycle.view, order.nodes[position]);
                match filters.filter_with_nominated_pods(around.cycle, &node) {
                    Ok(()) => all.pass(position),
                    Err(rejection) => all.reject(position, &rejection),
                }
            }
        });
    }
}

/// Up to where the logs of changes and of nominations go.
fn positions_of_logs(cycle: &Cycle<'_>) -> (u64, u64) {
    (cycle.view.world.changes.position(), cycle.view.world.nominated.changes().position())
}

/// Whether the filters that look at topology also allow a node with the pods that it is promised to.
fn allows_crowd(topology: &mut Topology, around: Surroundings<'_, '_>, domains: &mut Domains, position: usize) -> bool {
    let cycle = around.cycle;
    let priority = cycle.pod_class().priority;
    let goes_first = |pod: &PodId| Some(*pod) != cycle.pod && cycle.view.class_of(*pod).priority >= priority;
    let pods = cycle.view.world.nominated.on(around.order.nodes[position]).iter().copied().filter(goes_first);
    let classes: Vec<ClassId> = pods.map(|pod| cycle.view.world.pods.class[pod.index()]).collect();
    if classes.is_empty() {
        return true;
    }
    let has_affinity = topology.has_affinity();
    classes.iter().for_each(|&class| topology.think(around, domains, position, class, 1));
    let allowed = topology.spread_refusal(domains, position).is_none()
        && (!has_affinity || topology.affinity_refusal(domains, position).is_none());
    classes.iter().for_each(|&class| topology.think(around, domains, position, class, -1));
    allowed
}

/// The only nodes that can do, if a plug-in knows.
fn named(framework: &Framework, around: Surroundings<'_, '_>) -> Option<Named> {
    framework.filters().filter(|(name, _)| locality::of_filter(name) == Locality::Node).find_map(|(name, plugin)| {
        let PreFilter::Run { nodes: Some(nodes), .. } = plugin.pre_filter(around.cycle) else { return None };
        let positions = nodes.into_iter().filter_map(|node| around.order.position(node)).collect();
        Some(Named { plugin: name.to_owned(), positions, diagnosis: Diagnosis::default() })
    })
}

/// Whether every plug-in either looks at nodes alone or counts by topology, and at most one knows the only nodes that
/// can do.
fn is_supported(framework: &Framework, around: Surroundings<'_, '_>) -> bool {
    let cycle = around.cycle;
    let mut naming = 0;
    let mut is_plain = |plugin: &dyn FilterPlugin| match plugin.pre_filter(cycle) {
        PreFilter::Skip => true,
        PreFilter::Run { nodes, .. } => {
            naming += usize::from(nodes.is_some());
            naming < 2
        }
        PreFilter::Reject(_) => false,
    };
    let has_filters = framework.filters().all(|(name, plugin)| match locality::of_filter(name) {
        Locality::Topology | Locality::Volumes => true,
        Locality::Node | Locality::Fixed | Locality::Scaled { .. } => is_plain(plugin),
        Locality::Elsewhere => matches!(plugin.pre_filter(cycle), PreFilter::Skip),
    });
    let has_scorers = framework.scorers().all(|(name, _, plugin)| {
        locality::of_scorer(name) != Locality::Elsewhere || plugin.pre_score(cycle, &[]).is_none()
    });
    let spec = cycle.spec();
    spec.volumes.is_empty()
        && spec.resource_claims.is_empty()
        && has_filters
        && has_scorers
        && framework.scorers().next().is_some()
        && [pod_topology_spread::NAME, inter_pod_affinity::NAME]
            .iter()
            .all(|name| framework.filters().any(|(other, _)| other == *name))
}
