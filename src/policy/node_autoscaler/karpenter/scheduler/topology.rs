//! All rules of the pods of a batch, and of the pods that are there against those of the batch.
//!
//! Source: `topology.go` and `topologydomaingroup.go`.

use std::collections::{BTreeMap, BTreeSet};

use super::super::requirement::{Operator, Requirement};
use super::super::requirements::Requirements;
use super::memo::{Additions, Memo, Shape, TaintSet};
use super::rules::{affinity_rule, rules};
use super::topology_group::{Group, Identity, Kind, Rule};
use super::variants::{Variant, Variants};
use super::{Batch, Environment, NodeState, PreferencePolicy};
use crate::model::pod_spec::LabelSelector;
use crate::model::{PodClass, Taint};
use crate::world::constraints::tolerates;

/// Namespaces and labels that a rule selects.
type Selection = (BTreeSet<String>, Option<LabelSelector>);

/// The domains that pools can provide and nodes have, and which pods are where.
#[derive(Debug, Default)]
pub(super) struct Universe {
    /// Domains by label, each with the sets of taints of the pools that provide it.
    of_pools: BTreeMap<String, BTreeMap<String, Vec<Vec<Taint>>>>,
    /// Nodes by class of the pods on them, with how many.
    nodes_of: Vec<Vec<(usize, u32)>>,
    /// Nodes by label and value; filled as labels are asked for.
    nodes_with: BTreeMap<String, BTreeMap<String, Vec<usize>>>,
    /// Classes that count by what a rule selects; filled as rules are met.
    listed: BTreeMap<Selection, Vec<usize>>,
    /// Host names by number; the first are those of the nodes.
    hosts: Vec<String>,
    host_of: Vec<usize>,
    /// Classes of pods that are there and keep others away.
    repelling: Vec<usize>,
    shapes: Vec<Option<(Shape, TaintSet)>>,
    /// Whether some pod has a rule; if not, there is nothing to know.
    has_rules: bool,
}

impl Universe {
    /// Where no pod has a rule.
    pub(super) fn without_rules() -> Universe {
        Universe::default()
    }

    pub(super) fn has_rules(&self) -> bool {
        self.has_rules
    }

    pub(super) fn new(environment: &Environment, nodes: &[NodeState]) -> Universe {
        let mut nodes_of = vec![Vec::new(); environment.classes.len()];
        for (node, state) in nodes.iter().enumerate() {
            for (class, count) in &state.pods {
                nodes_of[*class].push((node, *count));
            }
        }
        let mut numbers: BTreeMap<&str, usize> = BTreeMap::new();
        let mut hosts = Vec::new();
        let mut host_of = Vec::with_capacity(nodes.len());
        for node in nodes {
            let number = *numbers.entry(node.hostname()).or_insert_with(|| {
                hosts.push(node.hostname().to_owned());
                hosts.len() - 1
            });
            host_of.push(number);
        }
        let repels = |class: &usize| {
            !nodes_of[*class].is_empty() && !environment.classes[*class].spec.pod_anti_affinity.required.is_empty()
        };
        let repelling = (0..environment.classes.len()).filter(repels).collect();
        let (of_pools, shapes) = (domains_of_pools(environment), vec![None; nodes.len()]);
        let listed = BTreeMap::new();
        Universe {
            of_pools,
            nodes_of,
            nodes_with: BTreeMap::new(),
            listed,
            hosts,
            host_of,
            repelling,
            shapes,
            has_rules: true,
        }
    }

    pub(super) fn host_of(&self, node: usize) -> usize {
        self.host_of.get(node).copied().unwrap_or(0)
    }

    /// The host names of nodes that are there.
    pub(super) fn hosts(&self) -> &[String] {
        &self.hosts
    }

    /// Nodes by value of a label, to be put back after use.
    fn take_nodes_with(&mut self, nodes: &[NodeState], key: &str) -> BTreeMap<String, Vec<usize>> {
        self.nodes_with.remove(key).unwrap_or_else(|| {
            let mut with: BTreeMap<String, Vec<usize>> = BTreeMap::new();
            for (node, state) in nodes.iter().enumerate() {
                if let Some(value) = state.label(key) {
                    with.entry(value.to_owned()).or_default().push(node);
                }
            }
            with
        })
    }

    /// The classes of pods that are there and count for a rule, to be put back after use. Pods are listed by the plain
    /// selector: one that is missing lists all of the namespaces.
    fn take_listed(&mut self, group: &mut Group, environment: &Environment) -> (Selection, Vec<usize>) {
        let selection = (group.rule.namespaces.clone(), group.rule.selector.clone());
        let nodes_of = &self.nodes_of;
        let lists_all = group.rule.selector.is_none();
        let mut is_listed = |class: &usize| {
            let of_class = &environment.classes[*class];
            !nodes_of[*class].is_empty()
                && (group.selects(*class, of_class)
                    || (lists_all && group.rule.namespaces.contains(&of_class.spec.namespace)))
        };
        let known = self.listed.remove(&selection);
        (selection, known.unwrap_or_else(|| (0..nodes_of.len()).filter(&mut is_listed).collect()))
    }

    fn shape(&mut self, node: usize, state: &NodeState, memo: &mut Memo) -> (Shape, TaintSet) {
        *self.shapes[node]
            .get_or_insert_with(|| (memo.shape(Requirements::of_labels(&state.labels)), memo.taint_set(&state.taints)))
    }
}

/// The domains of every label that pools and their types provide (`buildDomainGroups`).
fn domains_of_pools(environment: &Environment) -> BTreeMap<String, BTreeMap<String, Vec<Vec<Taint>>>> {
    let mut domains: BTreeMap<String, BTreeMap<String, Vec<Vec<Taint>>>> = BTreeMap::new();
    let mut insert = |key: &str, domain: &str, taints: &Vec<Taint>| {
        let sets = domains.entry(key.to_owned()).or_default().entry(domain.to_owned()).or_default();
        if taints.is_empty() {
            *sets = vec![Vec::new()];
        } else if sets.first().is_none_or(|first| !first.is_empty()) && !sets.contains(taints) {
            sets.push(taints.clone());
        }
    };
    for (pool, types) in environment.pools.iter().filter(|(_, types)| !types.is_empty()) {
        let mut of_pool = pool.requirements();
        of_pool.add_all(&Requirements::of_labels(&pool.template.labels));
        for instance_type in types {
            let mut both = of_pool.clone();
            both.add_all(&instance_type.requirements);
            for (key, requirement) in both.iter() {
                requirement.values().for_each(|domain| insert(key, domain, &pool.template.taints));
            }
        }
        for (key, requirement) in of_pool.iter().filter(|(_, it)| it.operator() == Operator::In) {
            requirement.values().for_each(|domain| insert(key, domain, &pool.template.taints));
        }
    }
    domains
}

/// What rules are made from and counted against.
pub(super) struct Sources<'r, 'e> {
    pub(super) environment: &'e Environment,
    pub(super) nodes: &'e [NodeState],
    pub(super) universe: &'r mut Universe,
    pub(super) memo: &'r mut Memo,
    pub(super) variants: &'r Variants,
}

/// A place that a pod is tried at.
#[derive(Clone, Copy, Debug)]
pub(super) struct Place<'a> {
    pub(super) shape: Shape,
    pub(super) taints: TaintSet,
    pub(super) host: usize,
    pub(super) hostname: &'a str,
}

/// A rule about host names that a pod has to meet.
#[derive(Clone, Copy, Debug)]
pub(super) struct HostRule {
    is_inverse: bool,
    at: usize,
    is_selected: bool,
}

/// The rules of a batch, with pods counted as they are placed.
#[derive(Debug, Default)]
pub(super) struct Topology {
    groups: Vec<Group>,
    by_identity: BTreeMap<Identity, usize>,
    inverse: Vec<Group>,
    inverse_by_identity: BTreeMap<Identity, usize>,
    /// By variant: its rules, and those by which it keeps others away.
    owned: BTreeMap<usize, (Vec<usize>, Vec<usize>)>,
    /// Pods of the batch that are not counted where they are, by node and class.
    moving: BTreeMap<(usize, usize), u32>,
    without: BTreeSet<usize>,
    ties: u64,
}

impl Topology {
    pub(super) fn new(batch: &Batch, sources: &mut Sources<'_, '_>) -> Topology {
        let mut topology = Topology { without: batch.without.iter().copied().collect(), ..Topology::default() };
        for pod in &batch.pods {
            if let Some(node) = pod.node {
                *topology.moving.entry((node, pod.class)).or_default() += 1;
            }
        }
        for class in sources.universe.repelling.clone() {
            topology.repel(class, sources);
        }
        topology
    }

    /// How often one of several equally good domains was looked at first.
    pub(super) fn ties(&self) -> u64 {
        self.ties
    }

    /// Whether no rule is about any pod so far.
    pub(super) fn is_empty(&self) -> bool {
        self.groups.is_empty() && self.inverse.is_empty()
    }

    /// Counts the pods of a class that keep others away where they are.
    fn repel(&mut self, class: usize, sources: &mut Sources<'_, '_>) {
        let there: Vec<(usize, i32)> = sources.universe.nodes_of[class]
            .iter()
            .map(|(node, count)| (*node, self.counted(*node, class, *count)))
            .filter(|(_, count)| *count > 0)
            .collect();
        if there.is_empty() {
            return;
        }
        let pod = &sources.environment.classes[class];
        for at in self.inverse_groups(pod, sources) {
            for (node, count) in &there {
                record_node(&mut self.inverse[at], *node, *count, sources);
            }
        }
    }

    fn counted(&self, node: usize, class: usize, count: u32) -> i32 {
        let moving = self.moving.get(&(node, class)).copied().unwrap_or(0);
        count.saturating_sub(moving) as i32
    }

    /// Sees to the rules of a kind of pod (`Update`): those that are new are counted over the pods that are there.
    pub(super) fn update(&mut self, variant: usize, sources: &mut Sources<'_, '_>) {
        if self.owned.contains_key(&variant) {
            return;
        }
        let policy = sources.variants.policy();
        let pod = &sources.variants.get(variant).pod;
        let anti = &pod.spec.pod_anti_affinity;
        let respects = policy == PreferencePolicy::Respect;
        let repels = !anti.required.is_empty() || (respects && !anti.preferred.is_empty());
        let inverse = if repels { self.inverse_groups(pod, sources) } else { Vec::new() };
        let mut owned = Vec::new();
        for rule in rules(pod, policy, sources) {
            let identity = rule.identity(pod, sources.memo);
            let at = match self.by_identity.get(&identity) {
                Some(at) => *at,
                None => {
                    let group = self.count(rule, pod, sources);
                    self.groups.push(group);
                    self.by_identity.insert(identity, self.groups.len() - 1);
                    self.groups.len() - 1
                }
            };
            if !owned.contains(&at) {
                owned.push(at);
            }
        }
        self.owned.insert(variant, (owned, inverse));
    }

    fn inverse_groups(&mut self, pod: &PodClass, sources: &mut Sources<'_, '_>) -> Vec<usize> {
        let mut groups = Vec::new();
        for term in &pod.spec.pod_anti_affinity.required {
            let rule = affinity_rule(Kind::AntiAffinity, term, pod, sources.environment);
            let identity = rule.identity(pod, sources.memo);
            let next = self.inverse.len();
            let at = *self.inverse_by_identity.entry(identity).or_insert(next);
            if at == next {
                let domains = domains_for(&rule, pod, sources.universe);
                self.inverse.push(Group::new(rule, domains));
            }
            if !groups.contains(&at) {
                groups.push(at);
            }
        }
        groups
    }

    /// A new group with the pods that are there (`countDomains`).
    fn count(&self, rule: Rule, pod: &PodClass, sources: &mut Sources<'_, '_>) -> Group {
        let domains = domains_for(&rule, pod, sources.universe);
        let mut group = Group::new(rule, domains);
        self.register_nodes(&mut group, sources);
        // Out of their places while they are read, as shapes are learnt on the way.
        let (selection, listed) = sources.universe.take_listed(&mut group, sources.environment);
        for class in &listed {
            let of_nodes = std::mem::take(&mut sources.universe.nodes_of[*class]);
            for (node, count) in &of_nodes {
                let count = self.counted(*node, *class, *count);
                let state = &sources.nodes[*node];
                let (shape, taints) = sources.universe.shape(*node, state, sources.memo);
                if count > 0 && group.rule.counts(shape, state.hostname(), taints, sources.memo) {
                    record_node(&mut group, *node, count, sources);
                }
            }
            sources.universe.nodes_of[*class] = of_nodes;
        }
        sources.universe.listed.insert(selection, listed);
        group
    }

    /// Nodes that count bring their domains, even without pods. Of host names it does not matter which are known.
    fn register_nodes(&self, group: &mut Group, sources: &mut Sources<'_, '_>) {
        if group.rule.is_about_hosts() {
            return;
        }
        let with = sources.universe.take_nodes_with(sources.nodes, &group.rule.key);
        for (domain, of_domain) in &with {
            let counts = |node: &usize| {
                let state = &sources.nodes[*node];
                let takes_part = state.has_node && !state.is_deleting && !self.without.contains(node);
                takes_part && {
                    let (shape, taints) = sources.universe.shape(*node, state, sources.memo);
                    group.rule.counts(shape, state.hostname(), taints, sources.memo)
                }
            };
            if of_domain.iter().any(counts) {
                group.register(domain);
            }
        }
        sources.universe.nodes_with.insert(group.rule.key.clone(), with);
    }

    /// What the rules, but for those about host names, make of a node of a shape for a pod (`AddRequirements`); none: it may
    /// not go there.
    pub(super) fn additions(
        &mut self,
        (number, variant): (usize, &Variant),
        shape: Shape,
        environment: &Environment,
        memo: &Memo,
    ) -> Option<Additions> {
        let class = &environment.classes[variant.class];
        let mut additions = Additions::new();
        let owned = self.owned.get(&number).map_or(&[][..], |(owned, _)| owned);
        let owned = owned.iter().map(|at| (false, *at));
        let inverse = (0..self.inverse.len()).map(|at| (true, at));
        for (is_inverse, at) in owned.chain(inverse) {
            let group = if is_inverse { &mut self.inverse[at] } else { &mut self.groups[at] };
            let is_selected = group.selects(variant.class, class);
            if group.rule.is_about_hosts() || (is_inverse && !is_selected) {
                continue;
            }
            let of_pod = variant.strict.get(&group.rule.key);
            let of_node = memo.requirements(shape).get(&group.rule.key);
            let (domains, is_tied) = group.next_domains(is_selected, of_pod, of_node)?;
            self.ties += u64::from(is_tied);
            additions.push((group.rule.key.clone(), domains));
        }
        Some(additions)
    }

    /// The rules about host names that a pod has to meet, and whether it is one of the pods that they count.
    pub(super) fn host_rules(
        &mut self,
        (number, variant): (usize, &Variant),
        environment: &Environment,
    ) -> Vec<HostRule> {
        let class = &environment.classes[variant.class];
        let owned = self.owned.get(&number).map_or(&[][..], |(owned, _)| owned);
        let mut rules = Vec::new();
        for at in owned {
            let group = &mut self.groups[*at];
            if group.rule.is_about_hosts() {
                let is_selected = group.selects(variant.class, class);
                rules.push(HostRule { is_inverse: false, at: *at, is_selected });
            }
        }
        for (at, group) in self.inverse.iter_mut().enumerate() {
            if group.rule.is_about_hosts() && group.selects(variant.class, class) {
                rules.push(HostRule { is_inverse: true, at, is_selected: true });
            }
        }
        rules
    }

    /// Whether such rules let a pod go to a host.
    pub(super) fn allows_host(
        &self,
        rules: &[HostRule],
        variant: &Variant,
        host: (usize, &str),
        names: &dyn Fn(usize) -> String,
    ) -> bool {
        let of_pod = variant.strict.get(crate::model::cluster::HOSTNAME_LABEL);
        rules.iter().all(|rule| {
            let groups = if rule.is_inverse { &self.inverse } else { &self.groups };
            groups[rule.at].allows_host(host, rule.is_selected, of_pod, names)
        })
    }

    /// Whether such rules let a pod never again go to a host in this pass.
    pub(super) fn closes_host(&self, rules: &[HostRule], host: usize) -> bool {
        let group = |rule: &HostRule| if rule.is_inverse { &self.inverse[rule.at] } else { &self.groups[rule.at] };
        rules.iter().any(|rule| group(rule).closes_host(host, rule.is_selected))
    }

    /// A pod was put at a place, whose shape is the one that it has made of it (`Record`).
    pub(super) fn record(
        &mut self,
        (number, variant): (usize, &Variant),
        place: Place<'_>,
        environment: &Environment,
        memo: &mut Memo,
    ) {
        let class = &environment.classes[variant.class];
        for group in &mut self.groups {
            if !group.selects(variant.class, class)
                || !group.rule.counts(place.shape, place.hostname, place.taints, memo)
            {
                continue;
            }
            if group.rule.is_about_hosts() {
                group.record_host(place.host, 1);
            } else if let Some(domains) = memo.requirements(place.shape).get(&group.rule.key) {
                let is_anti = group.rule.kind == Kind::AntiAffinity;
                record_domains(group, domains, is_anti);
            }
        }
        for at in self.owned.get(&number).map_or(&[][..], |(_, inverse)| inverse) {
            let group = &mut self.inverse[*at];
            if group.rule.is_about_hosts() {
                group.record_host(place.host, 1);
            } else if let Some(domains) = memo.requirements(place.shape).get(&group.rule.key) {
                record_domains(group, domains, true);
            }
        }
    }
}

/// Counts a pod in the one domain that its node is in, or in all that it might be.
fn record_domains(group: &mut Group, domains: &Requirement, all: bool) {
    if all {
        domains.values().for_each(|domain| group.record(domain, 1));
    } else if let Some(domain) = domains.single() {
        group.record(domain, 1);
    }
}

fn record_node(group: &mut Group, node: usize, count: i32, sources: &mut Sources<'_, '_>) {
    if group.rule.is_about_hosts() {
        group.record_host(sources.universe.host_of(node), count);
    } else if let Some(domain) = sources.nodes[node].label(&group.rule.key) {
        group.record(domain, count);
    }
}

/// The domains of a rule that pools provide. Those of affinity count only where the pod tolerates the pool's taints; those
/// of spread constraints unless the constraint ignores taints.
fn domains_for(rule: &Rule, pod: &PodClass, universe: &Universe) -> Vec<String> {
    let ignores_taints = rule.filter.as_ref().is_some_and(|filter| !filter.honors_taints);
    let tolerated =
        |taints: &Vec<Taint>| taints.iter().all(|taint| pod.tolerations.iter().any(|it| tolerates(it, taint)));
    let of_key = universe.of_pools.get(&rule.key).into_iter().flatten();
    let counts = |sets: &&Vec<Vec<Taint>>| ignores_taints || sets.iter().any(tolerated);
    of_key.filter(|(_, sets)| counts(sets)).map(|(domain, _)| domain.clone()).collect()
}
