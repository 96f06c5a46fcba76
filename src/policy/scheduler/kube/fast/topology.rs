//! Pods counted by topology domain for one class, kept up to date from the log of placements.
//!
//! PodTopologySpread and InterPodAffinity ask how many pods of certain kinds are in a node's domain. Whether a pod of
//! one class counts for another never changes, so each pair of classes is matched once, and a placement costs a few
//! additions. Nothing is kept by position in the order of nodes: a node that joins or leaves has no pods then. Invariant:
//! after [`Topology::catch_up`] the counts are those that upstream's PreFilter and PreScore make anew for every pod.
//!
//! Cost: O(placements since the last look x terms); a filter or score of a node O(terms). When nodes joined or left,
//! O(nodes) more for classes with spread constraints.

use super::bits::Bits;
use super::domains::{Domains, KeyId, NO_DOMAIN};
use super::order::Order;
use crate::ids::{ClassId, NodeId};
use crate::model::PodSpec;
use crate::model::cluster::HOSTNAME_LABEL;
use crate::model::pod_spec::{PodAffinityTerm, WhenUnsatisfiable};
use crate::policy::scheduler::kube::plugins::inter_pod_affinity::{AffinityRefusal, finds};
use crate::policy::scheduler::kube::plugins::pod_topology_spread::{
    Constraint, SpreadRefusal, has_all_keys, needs_all_keys,
};
use crate::policy::scheduler::kube::{Cycle, NodeInfo};

/// Pods, or weights of pods, by domain.
#[derive(Clone, Debug)]
struct Counter {
    key: KeyId,
    /// The nodes whose pods count, by node; none: all.
    counted: Option<Bits>,
    /// Whether pods on their way out count, too: not by spread constraints.
    counts_leaving: bool,
    /// By domain.
    counts: Vec<i64>,
    total: i64,
}

/// A hard spread constraint.
#[derive(Clone, Debug)]
struct HardSpread {
    counter: usize,
    max_skew: i64,
    /// 1 if the pod counts itself.
    own: i64,
    min_domains: usize,
    /// The domains that have a counted node.
    domains: Vec<u32>,
    /// The lowest count, as of the last catching up.
    lowest: i64,
}

/// A soft spread constraint.
#[derive(Clone, Debug)]
struct SoftSpread {
    counter: usize,
    max_skew: i64,
    is_hostname: bool,
}

/// Pods of one class that came or left.
#[derive(Clone, Copy, Debug)]
struct Pods {
    class: ClassId,
    /// Whether they are on their way out.
    is_leaving: bool,
    number: i64,
}

impl Counter {
    #[inline]
    fn add(&mut self, domains: &Domains, node: NodeId, amount: i64) {
        let domain = domains.key(self.key).of_node(node);
        if domain != NO_DOMAIN && self.counted.as_ref().is_none_or(|counted| counted.get(node.index())) {
            self.counts[domain as usize] += amount;
            self.total += amount;
        }
    }
}

/// Changes of counters that one pod of another class makes.
type Deltas = Box<[(u32, i64)]>;

/// What pods of another class mean.
#[derive(Clone, Debug)]
struct Matched {
    /// Where they are.
    real: Deltas,
    /// Where they are thought to be, or to be away from, if that is not the same: a spread constraint whose selector is
    /// empty counts no pods, except those (`updateWithPod` beside `countPodsMatchSelector`).
    thought: Option<Deltas>,
}

/// The counts for one class.
#[derive(Clone, Debug, Default)]
pub(super) struct Topology {
    counters: Vec<Counter>,
    hard: Vec<HardSpread>,
    soft: Vec<SoftSpread>,
    /// Whether nodes that lack one of the soft constraints' labels are not scored.
    soft_needs_all_keys: bool,
    /// Counters of the required affinity terms.
    affinity: Vec<usize>,
    matches_itself: bool,
    /// Counters of the required anti-affinity terms.
    anti_affinity: Vec<usize>,
    /// Counters of other pods' required anti-affinity terms, one a key.
    existing_anti_affinity: Vec<usize>,
    /// Weights of preferred terms, one counter a key.
    preference: Vec<usize>,
    /// By class, once a pod of it was seen.
    matched: Vec<Option<Matched>>,
    /// Of so many nodes, from the first that there was on, it is known whether spread constraints count them.
    nodes_known: usize,
    /// Whether some constraint does not count nodes whose taints the pod does not tolerate.
    minds_taints: bool,
    /// Up to where the log of placements is counted.
    position: u64,
}

/// What the counts depend on beside the class.
#[derive(Clone, Copy, Debug)]
pub(super) struct Surroundings<'c, 'a> {
    pub(super) cycle: &'c Cycle<'a>,
    pub(super) order: &'c Order,
}

impl<'a> Surroundings<'_, 'a> {
    /// The nodes in their order.
    pub(super) fn nodes(&self) -> impl Iterator<Item = NodeInfo<'a>> + '_ {
        self.order.nodes.iter().map(|&node| NodeInfo::new(self.cycle.view, node))
    }
}

impl Topology {
    /// Counters for the class of the cycle, all of them at zero.
    pub(super) fn new(around: Surroundings<'_, '_>, domains: &mut Domains) -> Topology {
        let mut topology = Topology { soft_needs_all_keys: needs_all_keys(around.cycle), ..Topology::default() };
        topology.add_spread(around, domains);
        let spec = around.cycle.spec();
        for term in &spec.pod_affinity.required {
            let counter = topology.add_counter(&term.topology_key, None, true, around, domains);
            topology.affinity.push(counter);
        }
        topology.matches_itself =
            spec.pod_affinity.required.iter().all(|term| finds(&around.cycle.view, term, spec, spec));
        for term in &spec.pod_anti_affinity.required {
            let counter = topology.add_counter(&term.topology_key, None, true, around, domains);
            topology.anti_affinity.push(counter);
        }
        topology.recount(around, domains);
        topology
    }

    fn add_spread(&mut self, around: Surroundings<'_, '_>, domains: &mut Domains) {
        let cycle = around.cycle;
        let constraints = Constraints::new(cycle);
        for constraint in &constraints.hard {
            let counter = self.add_counter(constraint.topology_key, Some(Bits::new(0)), false, around, domains);
            self.hard.push(HardSpread {
                counter,
                max_skew: constraint.max_skew,
                own: i64::from(constraint.selects(&cycle.spec().labels)),
                min_domains: constraint.min_domains,
                domains: Vec::new(),
                lowest: 0,
            });
        }
        for constraint in &constraints.soft {
            let is_hostname = constraint.topology_key == HOSTNAME_LABEL;
            let counted = (!is_hostname).then(|| Bits::new(0));
            let counter = self.add_counter(constraint.topology_key, counted, false, around, domains);
            self.soft.push(SoftSpread { counter, max_skew: constraint.max_skew, is_hostname });
        }
        let mut all = constraints.hard.iter().chain(&constraints.soft);
        self.minds_taints = all.any(|constraint| constraint.honors_node_taints);
        self.include_nodes(&constraints, around);
        self.find_domains(around.order, domains);
    }

    /// Takes in that nodes joined or left, before what has happened on them is counted.
    pub(super) fn follow(&mut self, around: Surroundings<'_, '_>, domains: &Domains) {
        for counter in &mut self.counters {
            counter.counts.resize(domains.key(counter.key).count(), 0);
        }
        if self.counters.iter().any(|counter| counter.counted.is_some()) {
            self.include_nodes(&Constraints::new(around.cycle), around);
            self.find_domains(around.order, domains);
        }
    }

    /// Finds out which of the nodes that are new count.
    fn include_nodes(&mut self, constraints: &Constraints<'_>, around: Surroundings<'_, '_>) {
        let view = around.cycle.view;
        let new = self.nodes_known..view.world.nodes.len();
        self.nodes_known = new.end;
        for counter in &mut self.counters {
            counter.counted.iter_mut().for_each(|counted| counted.resize(new.end));
        }
        for index in new.filter(|&index| view.world.nodes.state[index].is_up()) {
            let node = NodeInfo::new(view, NodeId::from_index(index));
            for (counter, is_counted) in self.inclusions(constraints, around.cycle, &node) {
                self.include(counter, node.node, is_counted);
            }
        }
    }

    /// Finds the domains that have counted nodes.
    fn find_domains(&mut self, order: &Order, domains: &Domains) {
        for number in 0..self.hard.len() {
            self.hard[number].domains = self.domains_counted(self.hard[number].counter, order, domains);
        }
        self.find_lowest();
    }

    fn include(&mut self, counter: usize, node: NodeId, is_counted: bool) {
        let counted = self.counters[counter].counted.as_mut();
        counted.expect("the others count all nodes").set(node.index(), is_counted);
    }

    /// For each counter of a spread constraint that does not count all nodes, whether it counts a node.
    fn inclusions(&self, constraints: &Constraints<'_>, cycle: &Cycle<'_>, node: &NodeInfo<'_>) -> Vec<(usize, bool)> {
        let Constraints { hard, soft } = constraints;
        let has_hard_keys = has_all_keys(node, hard);
        let has_soft_keys = !self.soft_needs_all_keys || has_all_keys(node, soft);
        let of_hard = self
            .hard
            .iter()
            .zip(hard)
            .map(|(spread, constraint)| (spread.counter, has_hard_keys && constraint.includes(cycle, node)));
        let counting = self.soft.iter().zip(soft).filter(|(spread, _)| !spread.is_hostname);
        let of_soft =
            counting.map(|(spread, constraint)| (spread.counter, has_soft_keys && constraint.includes(cycle, node)));
        of_hard.chain(of_soft).collect()
    }

    /// Takes in that nodes changed, after their pods were counted: their taints may be others.
    pub(super) fn notice(
        &mut self,
        around: Surroundings<'_, '_>,
        domains: &mut Domains,
        nodes: impl Iterator<Item = NodeId>,
    ) {
        if !self.minds_taints {
            return;
        }
        let (view, constraints) = (around.cycle.view, Constraints::new(around.cycle));
        let mut has_changed = false;
        for node in nodes.filter(|node| view.world.nodes.state[node.index()].is_up()) {
            for (counter, is_counted) in self.inclusions(&constraints, around.cycle, &NodeInfo::new(view, node)) {
                let counted = self.counters[counter].counted.as_ref();
                if counted.is_none_or(|counted| counted.get(node.index()) == is_counted) {
                    continue;
                }
                has_changed = true;
                // Pods are counted while their node is.
                if is_counted {
                    self.include(counter, node, true);
                    self.count_all_on(around, domains, node, 1, Some(counter));
                } else {
                    self.count_all_on(around, domains, node, -1, Some(counter));
                    self.include(counter, node, false);
                }
            }
        }
        if has_changed {
            self.find_domains(around.order, domains);
        }
    }

    fn add_counter(
        &mut self,
        label: &str,
        counted: Option<Bits>,
        counts_leaving: bool,
        around: Surroundings<'_, '_>,
        domains: &mut Domains,
    ) -> usize {
        let key = domains.intern(label, around.cycle.view, around.order);
        let counts = vec![0; domains.key(key).count()];
        self.counters.push(Counter { key, counted, counts_leaving, counts, total: 0 });
        self.counters.len() - 1
    }

    /// The domains of the nodes that are up and counted.
    fn domains_counted(&self, counter: usize, order: &Order, domains: &Domains) -> Vec<u32> {
        let Counter { key, counted, .. } = &self.counters[counter];
        let key = domains.key(*key);
        let mut is_there = vec![false; key.count()];
        for (node, &domain) in order.nodes.iter().zip(&key.of) {
            if domain != NO_DOMAIN && counted.as_ref().is_none_or(|counted| counted.get(node.index())) {
                is_there[domain as usize] = true;
            }
        }
        (0..).zip(is_there).filter(|(_, is_there)| *is_there).map(|(domain, _)| domain).collect()
    }

    /// Counts what came and went since the last time.
    pub(super) fn catch_up(&mut self, around: Surroundings<'_, '_>, domains: &mut Domains) {
        let log = &around.cycle.view.world.placements;
        if log.position() == self.position {
            return;
        }
        let Some(moves) = log.since(self.position) else { return self.recount(around, domains) };
        for change in moves {
            let pods = Pods {
                class: change.class,
                is_leaving: change.is_terminating,
                number: if change.came { 1 } else { -1 },
            };
            self.count(around, domains, change.node, pods, None);
        }
        self.position = log.position();
        self.find_lowest();
    }

    /// Counts all pods afresh.
    fn recount(&mut self, around: Surroundings<'_, '_>, domains: &mut Domains) {
        for counter in &mut self.counters {
            counter.counts.fill(0);
            counter.total = 0;
        }
        for &node in around.order.nodes.iter() {
            self.count_all_on(around, domains, node, 1, None);
        }
        self.position = around.cycle.view.world.placements.position();
        self.find_lowest();
    }

    /// Counts each pod of a node as so many, by one counter or by all.
    fn count_all_on(
        &mut self,
        around: Surroundings<'_, '_>,
        domains: &mut Domains,
        node: NodeId,
        number: i64,
        only: Option<usize>,
    ) {
        let world = around.cycle.view.world;
        for pod in world.nodes.pods(&world.pods, node) {
            let is_leaving = around.cycle.view.is_terminating(pod);
            let pods = Pods { class: world.pods.class[pod.index()], is_leaving, number };
            self.count(around, domains, node, pods, only);
        }
    }

    fn count(
        &mut self,
        around: Surroundings<'_, '_>,
        domains: &mut Domains,
        node: NodeId,
        pods: Pods,
        only: Option<usize>,
    ) {
        self.match_once(around, domains, pods.class);
        let matched = self.matched[pods.class.index()].as_ref().expect("it was just made");
        let is_asked = |counter: usize| only.is_none_or(|only| only == counter);
        for &(counter, amount) in matched.real.iter().filter(|(counter, _)| is_asked(*counter as usize)) {
            let counter = &mut self.counters[counter as usize];
            if counter.counts_leaving || !pods.is_leaving {
                counter.add(domains, node, amount * pods.number);
            }
        }
    }

    /// Counts pods that are thought to be at a position, or away from it. The opposite call takes that back.
    pub(super) fn think(
        &mut self,
        around: Surroundings<'_, '_>,
        domains: &mut Domains,
        position: usize,
        class: ClassId,
        number: i64,
    ) {
        self.match_once(around, domains, class);
        let matched = self.matched[class.index()].as_ref().expect("it was just made");
        let node = around.order.nodes[position];
        for &(counter, amount) in matched.thought.as_ref().unwrap_or(&matched.real) {
            self.counters[counter as usize].add(domains, node, amount * number);
        }
        self.find_lowest();
    }

    fn match_once(&mut self, around: Surroundings<'_, '_>, domains: &mut Domains, class: ClassId) {
        if self.matched.len() <= class.index() {
            self.matched.resize(class.index() + 1, None);
        }
        if self.matched[class.index()].is_none() {
            let matched = self.match_class(around, domains, class);
            self.matched[class.index()] = Some(matched);
        }
    }

    fn find_lowest(&mut self) {
        for spread in &mut self.hard {
            let counts = &self.counters[spread.counter].counts;
            let lowest = if spread.domains.len() == counts.len() {
                counts.iter().copied().min()
            } else {
                spread.domains.iter().map(|&domain| counts[domain as usize]).min()
            };
            let is_short = spread.domains.len() < spread.min_domains;
            spread.lowest = if is_short { 0 } else { lowest.unwrap_or(i64::from(i32::MAX)) };
        }
    }

    /// What one pod of `other` changes.
    fn match_class(&mut self, around: Surroundings<'_, '_>, domains: &mut Domains, other: ClassId) -> Matched {
        let cycle = around.cycle;
        let (own, other) = (cycle.spec(), &*cycle.view.class(other).spec);
        let mut deltas = Vec::new();
        let real = self.match_spread(cycle, other, |constraint| constraint.counts_pods_with(&other.labels));
        let thought = self.match_spread(cycle, other, |constraint| constraint.selects(&other.labels));
        let own_matches = |term: &PodAffinityTerm| finds(&cycle.view, term, own, other);
        let other_matches = |term: &PodAffinityTerm| finds(&cycle.view, term, other, own);
        if own.pod_affinity.required.iter().all(own_matches) {
            deltas.extend(self.affinity.iter().map(|&counter| (counter as u32, 1)));
        }
        for (term, &counter) in own.pod_anti_affinity.required.iter().zip(&self.anti_affinity) {
            if own_matches(term) {
                deltas.push((counter as u32, 1));
            }
        }
        for term in other.pod_anti_affinity.required.iter().filter(|term| other_matches(term)) {
            let counter = self.shared_counter(Shared::ExistingAntiAffinity, &term.topology_key, around, domains);
            deltas.push((counter as u32, 1));
        }
        for (term, weight) in preferences(cycle, own, other, &own_matches, &other_matches) {
            let counter = self.shared_counter(Shared::Preference, &term.topology_key, around, domains);
            deltas.push((counter as u32, weight));
        }
        let with = |spread: &[(u32, i64)]| spread.iter().chain(&deltas).copied().collect();
        let has_two_sides = thought != real;
        Matched { real: with(&real), thought: has_two_sides.then(|| with(&thought)) }
    }

    fn match_spread(
        &self,
        cycle: &Cycle<'_>,
        other: &PodSpec,
        counts: impl Fn(&Constraint<'_>) -> bool,
    ) -> Vec<(u32, i64)> {
        if cycle.spec().namespace != other.namespace {
            return Vec::new();
        }
        let Constraints { hard, soft } = Constraints::new(cycle);
        let counters = self.hard.iter().map(|spread| spread.counter);
        let counters = counters.chain(self.soft.iter().map(|spread| spread.counter));
        let counted = hard.iter().chain(&soft).zip(counters).filter(|(constraint, _)| counts(constraint));
        counted.map(|(_, counter)| (counter as u32, 1)).collect()
    }

    /// The counter for a key that terms of several classes share.
    fn shared_counter(
        &mut self,
        kind: Shared,
        label: &str,
        around: Surroundings<'_, '_>,
        domains: &mut Domains,
    ) -> usize {
        let key = domains.intern(label, around.cycle.view, around.order);
        let list = match kind {
            Shared::ExistingAntiAffinity => &self.existing_anti_affinity,
            Shared::Preference => &self.preference,
        };
        if let Some(&counter) = list.iter().find(|&&counter| self.counters[counter].key == key) {
            return counter;
        }
        let counter = self.add_counter(label, None, true, around, domains);
        match kind {
            Shared::ExistingAntiAffinity => self.existing_anti_affinity.push(counter),
            Shared::Preference => self.preference.push(counter),
        }
        counter
    }

    /// Pods, or weights, in the domain of a position; none where the node lacks the label.
    #[inline]
    fn at(&self, counter: usize, domains: &Domains, position: usize) -> Option<i64> {
        let counter = &self.counters[counter];
        let domain = domains.key(counter.key).of[position];
        (domain != NO_DOMAIN).then(|| counter.counts[domain as usize])
    }

    /// Whether any filter looks at topology.
    pub(super) fn filters(&self) -> bool {
        !(self.hard.is_empty()
            && self.affinity.is_empty()
            && self.anti_affinity.is_empty()
            && self.existing_anti_affinity.is_empty())
    }

    /// Whether PodTopologySpread and InterPodAffinity let the pod onto the node at a position.
    #[inline]
    pub(super) fn allows(&self, domains: &Domains, position: usize) -> bool {
        self.spread_refusal(domains, position).is_none() && self.affinity_refusal(domains, position).is_none()
    }

    /// Why PodTopologySpread keeps the pod away from the node at a position.
    #[inline]
    pub(super) fn spread_refusal(&self, domains: &Domains, position: usize) -> Option<SpreadRefusal> {
        self.hard.iter().find_map(|spread| match self.at(spread.counter, domains, position) {
            None => Some(SpreadRefusal::NoLabel),
            Some(count) => (count + spread.own - spread.lowest > spread.max_skew).then_some(SpreadRefusal::Skewed),
        })
    }

    /// Whether InterPodAffinity has anything to say at all: with what is real now, not with what is thought.
    pub(super) fn has_affinity(&self) -> bool {
        let exists = |&counter: &usize| self.counters[counter].total > 0;
        !self.affinity.is_empty() || !self.anti_affinity.is_empty() || self.existing_anti_affinity.iter().any(exists)
    }

    /// Whether PodTopologySpread has.
    pub(super) fn has_hard_spread(&self) -> bool {
        !self.hard.is_empty()
    }

    /// Why InterPodAffinity keeps the pod away from the node at a position.
    #[inline]
    pub(super) fn affinity_refusal(&self, domains: &Domains, position: usize) -> Option<AffinityRefusal> {
        let is_taken = |&counter: &usize| self.at(counter, domains, position).is_some_and(|count| count > 0);
        if !self.has_company(domains, position) {
            Some(AffinityRefusal::NoCompany)
        } else if self.anti_affinity.iter().any(is_taken) {
            Some(AffinityRefusal::AntiAffinity)
        } else if self.existing_anti_affinity.iter().any(is_taken) {
            Some(AffinityRefusal::ExistingAntiAffinity)
        } else {
            None
        }
    }

    /// Whether the pods that the required affinity asks for are there, or the pod is the first of its kind.
    #[inline]
    fn has_company(&self, domains: &Domains, position: usize) -> bool {
        let mut all_there = true;
        for &counter in &self.affinity {
            match self.at(counter, domains, position) {
                None => return false,
                Some(count) => all_there &= count > 0,
            }
        }
        all_there || self.matches_itself && self.affinity.iter().all(|&counter| self.counters[counter].total == 0)
    }

    /// Whether PodTopologySpread scores.
    pub(super) fn scores_spread(&self) -> bool {
        !self.soft.is_empty()
    }

    /// Whether InterPodAffinity scores.
    pub(super) fn scores_preference(&self) -> bool {
        !self.preference.is_empty()
    }

    /// The preferred terms' weights at a position.
    #[inline]
    pub(super) fn preference(&self, domains: &Domains, position: usize) -> i64 {
        self.preference.iter().filter_map(|&counter| self.at(counter, domains, position)).sum()
    }

    /// Raw spread scores of the feasible positions; none for those that are not scored.
    pub(super) fn spread_scores(&self, domains: &Domains, feasible: &[usize], scores: &mut Vec<Option<i64>>) {
        let is_ignored = |position: usize| {
            self.soft_needs_all_keys
                && self.soft.iter().any(|spread| self.at(spread.counter, domains, position).is_none())
        };
        scores.clear();
        scores.extend(feasible.iter().map(|&position| (!is_ignored(position)).then_some(0)));
        let scored = scores.iter().flatten().count();
        let weights: Vec<f64> = self
            .soft
            .iter()
            .map(|spread| {
                let size = if spread.is_hostname { scored } else { self.values(spread, domains, feasible, scores) };
                libm::log((size + 2) as f64)
            })
            .collect();
        for (score, &position) in scores.iter_mut().zip(feasible) {
            let Some(score) = score else { continue };
            let mut sum = 0.0;
            for (spread, weight) in self.soft.iter().zip(&weights) {
                if let Some(count) = self.at(spread.counter, domains, position) {
                    sum += count as f64 * weight + (spread.max_skew - 1) as f64;
                }
            }
            *score = libm::round(sum) as i64;
        }
    }

    /// How many values of the label the scored nodes have; a missing label is a value of its own.
    fn values(&self, spread: &SoftSpread, domains: &Domains, feasible: &[usize], scores: &[Option<i64>]) -> usize {
        let key = domains.key(self.counters[spread.counter].key);
        let mut seen = vec![false; key.count() + 1];
        let mut values = 0;
        for (&position, _) in feasible.iter().zip(scores).filter(|(_, score)| score.is_some()) {
            let domain = (key.of[position] as usize).min(key.count());
            values += usize::from(!std::mem::replace(&mut seen[domain], true));
        }
        values
    }
}

/// The spread constraints of a class.
#[derive(Debug)]
struct Constraints<'a> {
    hard: Vec<Constraint<'a>>,
    soft: Vec<Constraint<'a>>,
}

impl<'a> Constraints<'a> {
    fn new(cycle: &Cycle<'a>) -> Constraints<'a> {
        let all = |when| Constraint::all(cycle, when);
        Constraints { hard: all(WhenUnsatisfiable::DoNotSchedule), soft: all(WhenUnsatisfiable::ScheduleAnyway) }
    }
}

/// Kinds of counters that are found by key.
#[derive(Clone, Copy, Debug)]
enum Shared {
    ExistingAntiAffinity,
    Preference,
}

/// The preferred terms that a pod of one class and an existing pod of the other have for each other, with their weights.
fn preferences<'t>(
    cycle: &Cycle<'_>,
    own: &'t PodSpec,
    other: &'t PodSpec,
    own_matches: &impl Fn(&PodAffinityTerm) -> bool,
    other_matches: &impl Fn(&PodAffinityTerm) -> bool,
) -> Vec<(&'t PodAffinityTerm, i64)> {
    let has_own = !own.pod_affinity.preferred.is_empty() || !own.pod_anti_affinity.preferred.is_empty();
    if cycle.arguments.ignores_preferred_terms_of_existing_pods && !has_own {
        return Vec::new();
    }
    let mut found = Vec::new();
    let of = |spec: &'t PodSpec| {
        let liked = spec.pod_affinity.preferred.iter().map(|(weight, term)| (term, i64::from(*weight)));
        liked.chain(spec.pod_anti_affinity.preferred.iter().map(|(weight, term)| (term, -i64::from(*weight))))
    };
    found.extend(of(own).filter(|(term, _)| own_matches(term)));
    let hard = cycle.arguments.hard_pod_affinity_weight;
    if hard > 0 {
        found.extend(other.pod_affinity.required.iter().filter(|term| other_matches(term)).map(|term| (term, hard)));
    }
    found.extend(of(other).filter(|(term, _)| other_matches(term)));
    found
}
