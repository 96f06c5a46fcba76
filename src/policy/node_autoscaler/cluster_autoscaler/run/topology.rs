//! Spreading and affinity between pods on nodes that need not exist: counts by domain, kept as pods come and go.
//!
//! The arithmetic is that of the scheduler's plug-ins `PodTopologySpread` and `InterPodAffinity`, of which the required
//! terms count. Only classes that were asked about and that have such terms, or are kept away by those of others, are
//! counted for.
//!
//! Cost: nothing where no class has such terms; else a change O(classes counted for), a question O(terms x log domains).

use std::borrow::Cow;
use std::collections::BTreeMap;

use super::picture::Held;
use super::rules::Labelled;
use crate::ids::{ClassId, NodeId};
use crate::model::cluster::HOSTNAME_LABEL;
use crate::model::pod_spec::{
    LabelRequirement, LabelSelector, SelectorOperator, TopologySpreadConstraint, WhenUnsatisfiable,
};
use crate::model::{PodSpec, ShapeId};
use crate::policy::node_autoscaler::cluster_autoscaler::snapshot::{NodeKey, Refusal};
use crate::policy::scheduler::kube::labels::{self, NodeLabels};
use crate::policy::scheduler::kube::plugins::affinity_finds;
use crate::world::View;

/// Domains of hosts whose label is not their name are numbered from here.
const RENAMED_HOSTS: u64 = 1 << 40;

/// A topology key in use.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct KeyId(usize);

/// The values of one label.
#[derive(Clone, Debug, Default)]
struct Key {
    label: String,
    numbers: BTreeMap<String, u64>,
    of_shape: BTreeMap<ShapeId, Option<u64>>,
}

impl Key {
    fn number(&mut self, value: &str) -> u64 {
        let next = self.numbers.len() as u64;
        *self.numbers.entry(value.to_owned()).or_insert(next)
    }

    /// The domain of a node; `None`: it lacks the label.
    fn domain(&mut self, at: Place<'_, '_>) -> Option<u64> {
        if self.label == HOSTNAME_LABEL {
            return self.host(at);
        }
        if let Some(domain) = self.of_shape.get(&at.node.shape) {
            return *domain;
        }
        let domain = at.node.label(&self.label).map(|value| self.number(value));
        self.of_shape.insert(at.node.shape, domain);
        domain
    }

    fn host(&mut self, at: Place<'_, '_>) -> Option<u64> {
        let renamed = |node: NodeId| at.node.view.model.cluster.hostnames.get(&node);
        match at.node.node.and_then(renamed) {
            None => Some(at.key.0.into()),
            Some(name) => Some(RENAMED_HOSTS + self.number(name.as_deref()?)),
        }
    }
}

/// A node, and the key it goes by.
#[derive(Clone, Copy, Debug)]
pub(super) struct Place<'n, 'a> {
    pub(super) node: &'n Labelled<'a>,
    pub(super) key: NodeKey,
}

/// A hard spreading constraint, and the pods it counts.
#[derive(Clone, Debug)]
struct Spread {
    key: KeyId,
    max_skew: i64,
    min_domains: usize,
    selector: Option<LabelSelector>,
    honors_affinity: bool,
    honors_taints: bool,
    /// 1 if it counts pods of its own class.
    itself: i64,
    /// Nodes and pods by domain.
    domains: BTreeMap<u64, (u32, i64)>,
    /// How many domains have so many pods.
    by_count: BTreeMap<i64, u32>,
}

impl Spread {
    fn new(constraint: &TopologySpreadConstraint, spec: &PodSpec, key: KeyId) -> Spread {
        let selector = merged_selector(constraint, spec);
        let itself = i64::from(labels::selects(selector.as_deref(), &spec.labels));
        Spread {
            key,
            max_skew: constraint.max_skew.into(),
            min_domains: constraint.min_domains.map_or(1, |domains| domains.max(0) as usize),
            selector: selector.map(Cow::into_owned),
            honors_affinity: constraint.honors_node_affinity,
            honors_taints: constraint.honors_node_taints,
            itself,
            domains: BTreeMap::new(),
            by_count: BTreeMap::new(),
        }
    }

    /// Whether pods of a class are counted. An empty selector counts none, although it finds all.
    fn counts(&self, own: &PodSpec, other: &PodSpec) -> bool {
        own.namespace == other.namespace
            && self.selector.as_ref().is_some_and(|selector| !selector.requirements.is_empty())
            && labels::selects(self.selector.as_ref(), &other.labels)
    }

    /// Whether a node counts (`matchNodeInclusionPolicies`).
    fn includes(&self, class: ClassId, node: &Labelled<'_>) -> bool {
        let pods = node.view.class(class);
        (!self.honors_affinity || labels::meets_required_node_affinity(pods, node))
            && (!self.honors_taints || labels::tolerates_taints(pods, node))
    }

    fn add(&mut self, domain: u64, nodes: i32, pods: i64) {
        let known = self.domains.get(&domain).copied();
        let (old_nodes, old_pods) = known.unwrap_or((0, 0));
        if known.is_some() {
            self.count(old_pods, false);
        }
        let new = (old_nodes.wrapping_add_signed(nodes), old_pods + pods);
        if new == (0, 0) {
            self.domains.remove(&domain);
        } else {
            self.domains.insert(domain, new);
            self.count(new.1, true);
        }
    }

    fn count(&mut self, pods: i64, is_more: bool) {
        let domains = self.by_count.entry(pods).or_insert(0);
        *domains = if is_more { *domains + 1 } else { *domains - 1 };
        if *domains == 0 {
            self.by_count.remove(&pods);
        }
    }

    fn fewest(&self) -> i64 {
        if self.domains.len() < self.min_domains {
            return 0;
        }
        self.by_count.first_key_value().map_or(i64::from(i32::MAX), |(count, _)| *count)
    }
}

/// The selector, narrowed to the pod's own values of `matchLabelKeys`.
fn merged_selector<'c>(constraint: &'c TopologySpreadConstraint, spec: &PodSpec) -> Option<Cow<'c, LabelSelector>> {
    let selector = constraint.selector.as_ref()?;
    let own = constraint.match_label_keys.iter().filter_map(|key| {
        let values = vec![labels::value(&spec.labels, key)?.to_owned()];
        Some(LabelRequirement { key: key.clone(), operator: SelectorOperator::In, values })
    });
    let mut requirements: Vec<LabelRequirement> = own.collect();
    if requirements.is_empty() {
        return Some(Cow::Borrowed(selector));
    }
    requirements.extend_from_slice(&selector.requirements);
    Some(Cow::Owned(LabelSelector { requirements }))
}

/// What pods of one class mean to those of another.
#[derive(Clone, Debug, Default)]
struct Relation {
    /// By constraint.
    spread: Vec<bool>,
    /// Whether all terms of the affinity find them.
    is_company: bool,
    /// By term of the anti-affinity.
    repelled: Vec<bool>,
    /// Keys of those of their terms that keep the class away.
    repels: Vec<KeyId>,
}

/// Sums by key and domain; none is zero.
type Sums = BTreeMap<(KeyId, u64), i64>;

/// What is counted for pods of a class.
#[derive(Clone, Debug)]
struct Counts {
    class: ClassId,
    spreads: Vec<Spread>,
    affinity_keys: Vec<KeyId>,
    anti_affinity_keys: Vec<KeyId>,
    /// Whether its own affinity finds it, so that it may be the first of its group.
    finds_itself: bool,
    affinity: Sums,
    anti_affinity: Sums,
    existing: Sums,
    existing_keys: Vec<KeyId>,
    relations: Vec<Option<Relation>>,
}

/// The counts of all classes that were asked about.
#[derive(Clone, Debug, Default)]
pub(super) struct Topology {
    keys: Vec<Key>,
    counts: Vec<Counts>,
    /// By class: unknown, without terms, or the position in `counts`.
    known: Vec<Option<Option<usize>>>,
}

impl Topology {
    /// Whether pods of the class are asked about for the first time.
    pub(super) fn is_new(&self, class: ClassId) -> bool {
        self.known.get(class.index()).is_none_or(Option::is_none)
    }

    /// Counts for a class from now on, if there is anything to count.
    pub(super) fn begin<'n, 'a: 'n>(
        &mut self,
        view: &View<'a>,
        class: ClassId,
        nodes: impl Iterator<Item = (Labelled<'a>, NodeKey, &'n [Held])>,
    ) {
        if self.known.len() <= class.index() {
            self.known.resize(class.index() + 1, None);
        }
        let counts = Counts::new(view, class, &mut self.keys);
        self.known[class.index()] = Some(counts.is_some().then_some(self.counts.len()));
        let Some(mut counts) = counts else { return };
        for (node, key, pods) in nodes {
            let at = Place { node: &node, key };
            counts.count_node(&mut self.keys, at, 1);
            pods.iter().for_each(|held| counts.change(&mut self.keys, at, held, 1));
        }
        self.counts.push(counts);
    }

    /// Whether no class has terms.
    pub(super) fn is_empty(&self) -> bool {
        self.counts.is_empty()
    }

    /// A node comes or goes, without pods.
    pub(super) fn count_node(&mut self, at: Place<'_, '_>, change: i32) {
        for counts in &mut self.counts {
            counts.count_node(&mut self.keys, at, change);
        }
    }

    /// A pod comes to a node or leaves it.
    pub(super) fn change(&mut self, at: Place<'_, '_>, held: &Held, change: i64) {
        for counts in &mut self.counts {
            counts.change(&mut self.keys, at, held, change);
        }
    }

    /// Whether another placement can mend a refusal.
    pub(super) fn depends_on_others(&self, class: ClassId) -> bool {
        let counts = self.known.get(class.index()).copied().flatten().flatten();
        counts.is_some_and(|at| !self.counts[at].spreads.is_empty() || !self.counts[at].affinity_keys.is_empty())
    }

    /// Why a pod of the class may not go to the node.
    pub(super) fn refusal(&mut self, class: ClassId, at: Place<'_, '_>) -> Option<Refusal> {
        let position = self.known.get(class.index()).copied().flatten().flatten()?;
        self.counts[position].refusal(&mut self.keys, at)
    }
}

fn key(keys: &mut Vec<Key>, label: &str) -> KeyId {
    let known = keys.iter().position(|key| key.label == label);
    KeyId(known.unwrap_or_else(|| {
        keys.push(Key { label: label.to_owned(), ..Key::default() });
        keys.len() - 1
    }))
}

impl Counts {
    /// None: nothing is to be counted for the class.
    fn new(view: &View<'_>, class: ClassId, keys: &mut Vec<Key>) -> Option<Counts> {
        let spec = &view.class(class).spec;
        let (near, apart) = (&spec.pod_affinity.required, &spec.pod_anti_affinity.required);
        let hard = spec.topology_spread.iter().filter(|one| one.when_unsatisfiable == WhenUnsatisfiable::DoNotSchedule);
        let spreads = hard.map(|one| Spread::new(one, spec, key(keys, &one.topology_key))).collect();
        let mut counts = Counts {
            class,
            spreads,
            affinity_keys: near.iter().map(|term| key(keys, &term.topology_key)).collect(),
            anti_affinity_keys: apart.iter().map(|term| key(keys, &term.topology_key)).collect(),
            finds_itself: near.iter().all(|term| affinity_finds(view, term, spec, spec)),
            affinity: Sums::new(),
            anti_affinity: Sums::new(),
            existing: Sums::new(),
            existing_keys: Vec::new(),
            relations: Vec::new(),
        };
        counts.relations = (0..view.model.workload.classes.len())
            .map(|other| counts.relation(view, ClassId::from_index(other), keys))
            .collect();
        let relations = counts.relations.iter().flatten();
        let mut existing: Vec<KeyId> = relations.flat_map(|relation| relation.repels.iter().copied()).collect();
        existing.sort_unstable();
        existing.dedup();
        counts.existing_keys = existing;
        let has_own = !counts.spreads.is_empty() || !near.is_empty() || !apart.is_empty();
        (has_own || !counts.existing_keys.is_empty()).then_some(counts)
    }

    /// What pods of another class mean to those of this one; none: nothing.
    fn relation(&self, view: &View<'_>, other: ClassId, keys: &mut Vec<Key>) -> Option<Relation> {
        let (own, other) = (&*view.class(self.class).spec, &*view.class(other).spec);
        let near = &own.pod_affinity.required;
        let repelling = other.pod_anti_affinity.required.iter();
        let relation = Relation {
            spread: self.spreads.iter().map(|spread| spread.counts(own, other)).collect(),
            is_company: !near.is_empty() && near.iter().all(|term| affinity_finds(view, term, own, other)),
            repelled: own
                .pod_anti_affinity
                .required
                .iter()
                .map(|term| affinity_finds(view, term, own, other))
                .collect(),
            repels: repelling
                .filter(|term| affinity_finds(view, term, other, own))
                .map(|term| key(keys, &term.topology_key))
                .collect(),
        };
        let any = |flags: &[bool]| flags.contains(&true);
        let matters =
            any(&relation.spread) || relation.is_company || any(&relation.repelled) || !relation.repels.is_empty();
        matters.then_some(relation)
    }

    fn has_all_keys(&self, keys: &mut [Key], at: Place<'_, '_>) -> bool {
        self.spreads.iter().all(|spread| keys[spread.key.0].domain(at).is_some())
    }

    fn count_node(&mut self, keys: &mut [Key], at: Place<'_, '_>, change: i32) {
        if self.spreads.is_empty() || !self.has_all_keys(keys, at) {
            return;
        }
        for spread in &mut self.spreads {
            if let Some(domain) = keys[spread.key.0].domain(at)
                && spread.includes(self.class, at.node)
            {
                spread.add(domain, change, 0);
            }
        }
    }

    fn change(&mut self, keys: &mut [Key], at: Place<'_, '_>, held: &Held, change: i64) {
        // Classes that the run has made differ from those they come from in nothing that is asked here.
        let class = at.node.view.model.workload.base_class(held.class);
        let Some(relation) = &self.relations[class.index()] else { return };
        // Pods on their way out are not spread, but still are company.
        if !held.is_terminating && relation.spread.contains(&true) && self.has_all_keys(keys, at) {
            for (spread, counts) in self.spreads.iter_mut().zip(&relation.spread) {
                if *counts
                    && let Some(domain) = keys[spread.key.0].domain(at)
                    && spread.includes(self.class, at.node)
                {
                    spread.add(domain, 0, change);
                }
            }
        }
        let mut add = |sums: &mut Sums, key: KeyId| {
            let Some(domain) = keys[key.0].domain(at) else { return };
            let sum = sums.entry((key, domain)).or_insert(0);
            *sum += change;
            if *sum == 0 {
                sums.remove(&(key, domain));
            }
        };
        if relation.is_company {
            self.affinity_keys.iter().for_each(|key| add(&mut self.affinity, *key));
        }
        for (key, _) in self.anti_affinity_keys.iter().zip(&relation.repelled).filter(|(_, is_repelled)| **is_repelled)
        {
            add(&mut self.anti_affinity, *key);
        }
        relation.repels.iter().for_each(|key| add(&mut self.existing, *key));
    }

    fn refusal(&self, keys: &mut [Key], at: Place<'_, '_>) -> Option<Refusal> {
        for spread in &self.spreads {
            let Some(domain) = keys[spread.key.0].domain(at) else { return Some(Refusal::TopologySpread) };
            let here = spread.domains.get(&domain).map_or(0, |(_, pods)| *pods);
            if here + spread.itself - spread.fewest() > spread.max_skew {
                return Some(Refusal::TopologySpread);
            }
        }
        let mut sum = |sums: &Sums, key: KeyId| {
            keys[key.0].domain(at).map(|domain| sums.get(&(key, domain)).copied().unwrap_or(0))
        };
        let mut is_found = true;
        for key in &self.affinity_keys {
            let Some(company) = sum(&self.affinity, *key) else { return Some(Refusal::Filter) };
            is_found &= company > 0;
        }
        let is_first = || self.affinity.is_empty() && self.finds_itself;
        let is_kept_away = (!is_found && !is_first())
            || self.anti_affinity_keys.iter().any(|key| sum(&self.anti_affinity, *key).is_some_and(|sum| sum > 0))
            || self.existing_keys.iter().any(|key| sum(&self.existing, *key).is_some_and(|sum| sum > 0));
        is_kept_away.then_some(Refusal::Filter)
    }
}
