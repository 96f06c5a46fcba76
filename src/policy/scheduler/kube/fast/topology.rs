//! Pods counted by topology domain for one class, kept up to date from the log of placements.
//!
//! PodTopologySpread and InterPodAffinity ask how many pods of certain kinds are in a node's domain. Whether a pod of
//! one class counts for another never changes, so each pair of classes is matched once, and a placement costs a few
//! additions. Invariant: after [`Topology::catch_up`] the counts are those that upstream's PreFilter and PreScore make
//! anew for every pod.
//!
//! Cost: O(placements since the last look x terms); a filter or score of a node O(terms).

use super::bits::Bits;
use super::domains::{Domains, KeyId, NO_DOMAIN, Order};
use crate::ids::ClassId;
use crate::model::PodSpec;
use crate::model::cluster::HOSTNAME_LABEL;
use crate::model::pod_spec::{PodAffinityTerm, WhenUnsatisfiable};
use crate::policy::scheduler::kube::plugins::inter_pod_affinity::finds;
use crate::policy::scheduler::kube::plugins::pod_topology_spread::{Constraint, has_all_keys, needs_all_keys};
use crate::policy::scheduler::kube::{Cycle, NodeInfo};

/// Pods, or weights of pods, by domain.
#[derive(Clone, Debug)]
struct Counter {
    key: KeyId,
    /// The nodes whose pods count; none: all.
    counted: Option<Bits>,
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

/// Changes of counters that one pod of another class makes.
type Deltas = Box<[(u32, i64)]>;

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
    deltas: Vec<Option<Deltas>>,
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

    /// The positions of nodes that have a property.
    fn members(&self, is_member: impl Fn(&NodeInfo<'_>) -> bool) -> Bits {
        let mut bits = Bits::new(self.order.nodes.len());
        for (position, node) in self.nodes().enumerate() {
            bits.set(position, is_member(&node));
        }
        bits
    }
}

impl Topology {
    /// Counters for the class of the cycle, all of them at zero.
    pub(super) fn new(around: Surroundings<'_, '_>, domains: &mut Domains) -> Topology {
        let mut topology = Topology { soft_needs_all_keys: needs_all_keys(around.cycle), ..Topology::default() };
        topology.add_spread(around, domains);
        let spec = around.cycle.spec();
        for term in &spec.pod_affinity.required {
            let counter = topology.add_counter(&term.topology_key, None, around, domains);
            topology.affinity.push(counter);
        }
        topology.matches_itself =
            spec.pod_affinity.required.iter().all(|term| finds(&around.cycle.view, term, spec, spec));
        for term in &spec.pod_anti_affinity.required {
            let counter = topology.add_counter(&term.topology_key, None, around, domains);
            topology.anti_affinity.push(counter);
        }
        topology.recount(around, domains);
        topology
    }

    fn add_spread(&mut self, around: Surroundings<'_, '_>, domains: &mut Domains) {
        let cycle = around.cycle;
        let hard = Constraint::all(cycle, WhenUnsatisfiable::DoNotSchedule);
        for constraint in &hard {
            let counted = around.members(|node| has_all_keys(node, &hard) && constraint.includes(cycle, node));
            let counter = self.add_counter(constraint.topology_key, Some(counted), around, domains);
            self.hard.push(HardSpread {
                counter,
                max_skew: constraint.max_skew,
                own: i64::from(constraint.selects(&cycle.spec().labels)),
                min_domains: constraint.min_domains,
                domains: self.domains_counted(counter, domains),
                lowest: 0,
            });
        }
        let soft = Constraint::all(cycle, WhenUnsatisfiable::ScheduleAnyway);
        for constraint in &soft {
            let is_hostname = constraint.topology_key == HOSTNAME_LABEL;
            let needs_all = self.soft_needs_all_keys;
            let is_counted =
                |node: &NodeInfo<'_>| (!needs_all || has_all_keys(node, &soft)) && constraint.includes(cycle, node);
            let counted = (!is_hostname).then(|| around.members(is_counted));
            let counter = self.add_counter(constraint.topology_key, counted, around, domains);
            self.soft.push(SoftSpread { counter, max_skew: constraint.max_skew, is_hostname });
        }
    }

    fn add_counter(
        &mut self,
        label: &str,
        counted: Option<Bits>,
        around: Surroundings<'_, '_>,
        domains: &mut Domains,
    ) -> usize {
        let key = domains.intern(label, around.nodes());
        self.counters.push(Counter { key, counted, counts: vec![0; domains.key(key).count as usize], total: 0 });
        self.counters.len() - 1
    }

    fn domains_counted(&self, counter: usize, domains: &Domains) -> Vec<u32> {
        let Counter { key, counted, .. } = &self.counters[counter];
        let of = &domains.key(*key).of;
        let counted = counted.iter().flat_map(|counted| counted.members(0, counted.len()));
        let mut found: Vec<u32> = counted.map(|position| of[position]).filter(|&domain| domain != NO_DOMAIN).collect();
        found.sort_unstable();
        found.dedup();
        found
    }

    /// Counts what came and went since the last time.
    pub(super) fn catch_up(&mut self, around: Surroundings<'_, '_>, domains: &mut Domains) {
        let log = &around.cycle.view.world.placements;
        if log.position() == self.position {
            return;
        }
        let Some(moves) = log.since(self.position) else { return self.recount(around, domains) };
        for change in moves {
            let Some(position) = around.order.position(change.node) else { continue };
            self.count(around, domains, change.class, position, if change.came { 1 } else { -1 });
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
        let world = around.cycle.view.world;
        for (position, &node) in around.order.nodes.iter().enumerate() {
            for pod in world.nodes.pods(&world.pods, node) {
                self.count(around, domains, world.pods.class[pod.index()], position, 1);
            }
        }
        self.position = world.placements.position();
        self.find_lowest();
    }

    fn count(
        &mut self,
        around: Surroundings<'_, '_>,
        domains: &mut Domains,
        class: ClassId,
        position: usize,
        pods: i64,
    ) {
        if self.deltas.len() <= class.index() {
            self.deltas.resize(class.index() + 1, None);
        }
        if self.deltas[class.index()].is_none() {
            let deltas = self.match_class(around, domains, class);
            self.deltas[class.index()] = Some(deltas);
        }
        let deltas = self.deltas[class.index()].as_ref().expect("it was just made");
        for &(counter, amount) in deltas {
            let counter = &mut self.counters[counter as usize];
            let domain = domains.key(counter.key).of[position];
            if domain != NO_DOMAIN && counter.counted.as_ref().is_none_or(|counted| counted.get(position)) {
                counter.counts[domain as usize] += amount * pods;
                counter.total += amount * pods;
            }
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
    fn match_class(&mut self, around: Surroundings<'_, '_>, domains: &mut Domains, other: ClassId) -> Deltas {
        let cycle = around.cycle;
        let (own, other) = (cycle.spec(), &*cycle.view.class(other).spec);
        let mut deltas = Vec::new();
        self.match_spread(cycle, other, &mut deltas);
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
        deltas.into_boxed_slice()
    }

    fn match_spread(&self, cycle: &Cycle<'_>, other: &PodSpec, deltas: &mut Vec<(u32, i64)>) {
        if cycle.spec().namespace != other.namespace {
            return;
        }
        let hard = Constraint::all(cycle, WhenUnsatisfiable::DoNotSchedule);
        let soft = Constraint::all(cycle, WhenUnsatisfiable::ScheduleAnyway);
        let counters = self.hard.iter().map(|spread| spread.counter);
        let counters = counters.chain(self.soft.iter().map(|spread| spread.counter));
        for (constraint, counter) in hard.iter().chain(&soft).zip(counters) {
            if constraint.counts_pods_with(&other.labels) {
                deltas.push((counter as u32, 1));
            }
        }
    }

    /// The counter for a key that terms of several classes share.
    fn shared_counter(
        &mut self,
        kind: Shared,
        label: &str,
        around: Surroundings<'_, '_>,
        domains: &mut Domains,
    ) -> usize {
        let key = domains.intern(label, around.nodes());
        let list = match kind {
            Shared::ExistingAntiAffinity => &self.existing_anti_affinity,
            Shared::Preference => &self.preference,
        };
        if let Some(&counter) = list.iter().find(|&&counter| self.counters[counter].key == key) {
            return counter;
        }
        let counter = self.add_counter(label, None, around, domains);
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
        let is_spread = |spread: &HardSpread| {
            let count = self.at(spread.counter, domains, position);
            count.is_some_and(|count| count + spread.own - spread.lowest <= spread.max_skew)
        };
        let is_clear = |&counter: &usize| self.at(counter, domains, position).is_none_or(|count| count <= 0);
        self.hard.iter().all(is_spread)
            && self.has_company(domains, position)
            && self.anti_affinity.iter().all(is_clear)
            && self.existing_anti_affinity.iter().all(is_clear)
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
        let mut seen = vec![false; key.count as usize + 1];
        let mut values = 0;
        for (&position, _) in feasible.iter().zip(scores).filter(|(_, score)| score.is_some()) {
            let domain = key.of[position].min(key.count) as usize;
            values += usize::from(!std::mem::replace(&mut seen[domain], true));
        }
        values
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
