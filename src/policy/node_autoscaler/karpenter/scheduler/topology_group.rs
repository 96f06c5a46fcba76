//! One rule about how pods are spread or kept together, and how many of its pods are in each domain.
//!
//! Source: `topologygroup.go` and `topologynodefilter.go`. Upstream picks at random where several domains are equally good;
//! here the first by name is taken.

use std::collections::{BTreeMap, BTreeSet};

use super::super::node_pool::odd_ones;
use super::super::requirement::{Operator, Requirement};
use super::memo::{Ask, Memo, Shape, TaintSet, TolerationSet, Undefined};
use crate::model::cluster::HOSTNAME_LABEL;
use crate::model::pod_spec::{LabelRequirement, LabelSelector, SelectorOperator};
use crate::model::{PodClass, Toleration};
use crate::policy::scheduler::kube::labels::selects;

/// What kind of rule it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Kind {
    Spread,
    Affinity,
    AntiAffinity,
}

/// What makes two rules one, as far as upstream's hash tells them apart: of node selectors and affinity it knows the
/// labels only, and in lists what occurs an even number of times does not count.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Identity {
    key: String,
    kind: Kind,
    namespaces: BTreeSet<String>,
    max_skew: i32,
    filter: Option<FilterIdentity>,
    selector: Option<BTreeSet<(String, SelectorOperator, Vec<String>)>>,
}

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct FilterIdentity {
    labels: Vec<Vec<String>>,
    honors: (bool, bool),
    tolerations: Vec<Toleration>,
}

/// Which nodes count for a spread constraint.
#[derive(Clone, Debug)]
pub(super) struct Filter {
    /// Alternatives: what is asked of labels, and of the host name.
    pub(super) asks: Vec<(Ask, Option<Requirement>)>,
    pub(super) honors_affinity: bool,
    pub(super) honors_taints: bool,
    pub(super) tolerations: TolerationSet,
}

/// A rule as a pod states it.
#[derive(Clone, Debug)]
pub(super) struct Rule {
    pub(super) key: String,
    pub(super) kind: Kind,
    pub(super) namespaces: BTreeSet<String>,
    pub(super) selector: Option<LabelSelector>,
    pub(super) max_skew: i32,
    pub(super) min_domains: Option<i32>,
    pub(super) filter: Option<Filter>,
}

/// A rule and its pods by domain.
#[derive(Clone, Debug)]
pub(super) struct Group {
    pub(super) rule: Rule,
    /// Pods by domain, of rules that are not about host names.
    domains: BTreeMap<String, i32>,
    /// Pods by number of the host name, of rules that are.
    hosts: Vec<i32>,
    occupied: usize,
    /// By class of pods, whether they are selected.
    selected: Vec<Option<bool>>,
}

impl Rule {
    pub(super) fn identity(&self, pod: &PodClass, memo: &Memo) -> Identity {
        let filter = self.filter.as_ref().map(|filter| {
            let labels_of = |(ask, hostname): &(Ask, Option<Requirement>)| {
                let of_host = hostname.iter().map(|_| HOSTNAME_LABEL.to_owned());
                let mut labels: Vec<String> =
                    memo.asked(*ask).iter().map(|(key, _)| key.to_owned()).chain(of_host).collect();
                labels.sort();
                labels
            };
            let mut labels: Vec<Vec<String>> = filter.asks.iter().map(labels_of).collect();
            odd_ones(&mut labels);
            let mut tolerations = pod.tolerations.clone();
            odd_ones(&mut tolerations);
            FilterIdentity { labels, honors: (filter.honors_affinity, filter.honors_taints), tolerations }
        });
        let requirement = |of: &LabelRequirement| {
            let mut values = of.values.clone();
            odd_ones(&mut values);
            (of.key.clone(), of.operator, values)
        };
        Identity {
            key: self.key.clone(),
            kind: self.kind,
            namespaces: self.namespaces.clone(),
            max_skew: self.max_skew,
            filter,
            selector: self.selector.as_ref().map(|it| it.requirements.iter().map(requirement).collect()),
        }
    }

    pub(super) fn is_about_hosts(&self) -> bool {
        self.key == HOSTNAME_LABEL
    }

    /// Whether a node counts.
    pub(super) fn counts(&self, shape: Shape, hostname: &str, taints: TaintSet, memo: &mut Memo) -> bool {
        let Some(filter) = &self.filter else { return true };
        let mut meets = |(ask, name): &(Ask, Option<Requirement>)| {
            name.as_ref().is_none_or(|name| name.has(hostname)) && memo.is_compatible(shape, *ask, Undefined::Never)
        };
        let affinity = !filter.honors_affinity || filter.asks.is_empty() || filter.asks.iter().any(&mut meets);
        affinity && (!filter.honors_taints || memo.tolerates(taints, filter.tolerations))
    }
}

impl Group {
    pub(super) fn new(rule: Rule, domains: impl IntoIterator<Item = String>) -> Group {
        let domains = domains.into_iter().map(|domain| (domain, 0)).collect();
        Group { rule, domains, hosts: Vec::new(), occupied: 0, selected: Vec::new() }
    }

    /// Whether pods of a class are counted.
    pub(super) fn selects(&mut self, class: usize, pod: &PodClass) -> bool {
        if self.selected.len() <= class {
            self.selected.resize(class + 1, None);
        }
        let rule = &self.rule;
        *self.selected[class].get_or_insert_with(|| {
            rule.namespaces.contains(&pod.spec.namespace) && selects(rule.selector.as_ref(), &pod.spec.labels)
        })
    }

    pub(super) fn register(&mut self, domain: &str) {
        if !self.domains.contains_key(domain) {
            self.domains.insert(domain.to_owned(), 0);
        }
    }

    /// So many pods more are in a domain.
    pub(super) fn record(&mut self, domain: &str, pods: i32) {
        let count = self.domains.entry(domain.to_owned()).or_insert(0);
        self.occupied += usize::from(*count == 0);
        *count += pods;
    }

    /// So many pods more are on a host.
    pub(super) fn record_host(&mut self, host: usize, pods: i32) {
        if self.hosts.len() <= host {
            self.hosts.resize(host + 1, 0);
        }
        self.occupied += usize::from(self.hosts[host] == 0);
        self.hosts[host] += pods;
    }

    fn on_host(&self, host: usize) -> i32 {
        self.hosts.get(host).copied().unwrap_or(0)
    }

    /// Whether a pod may go to a host, under a rule about host names. A new host can always be had, so that the emptiest
    /// one counts as empty.
    pub(super) fn allows_host(
        &self,
        (host, hostname): (usize, &str),
        is_selected: bool,
        wanted: Option<&Requirement>,
        names: &dyn Fn(usize) -> String,
    ) -> bool {
        let count = self.on_host(host);
        match self.rule.kind {
            Kind::Spread => i64::from(count) + i64::from(is_selected) <= i64::from(self.rule.max_skew),
            Kind::AntiAffinity => count == 0,
            Kind::Affinity => {
                let reachable = |host: usize| wanted.is_none_or(|wanted| wanted.has(&names(host)));
                let elsewhere = || match wanted {
                    None => self.occupied > 0,
                    Some(_) => (0..self.hosts.len()).any(|host| self.hosts[host] > 0 && reachable(host)),
                };
                wanted.is_none_or(|wanted| wanted.has(hostname)) && (count > 0 || (is_selected && !elsewhere()))
            }
        }
    }

    /// Whether a pod may never again go to a host in a pass: pods come to hosts and do not leave them.
    pub(super) fn closes_host(&self, host: usize, is_selected: bool) -> bool {
        let count = self.on_host(host);
        match self.rule.kind {
            Kind::Spread => i64::from(count) + i64::from(is_selected) > i64::from(self.rule.max_skew),
            Kind::AntiAffinity => count > 0,
            Kind::Affinity => false,
        }
    }

    /// The domains that a pod may go to, of those that pod and node allow, under any other rule, and whether others would
    /// have done as well; none: nowhere.
    pub(super) fn next_domains(
        &self,
        is_selected: bool,
        of_pod: Option<&Requirement>,
        of_node: Option<&Requirement>,
    ) -> Option<(Requirement, bool)> {
        let by_pod = |domain: &str| of_pod.is_none_or(|requirement| requirement.has(domain));
        let by_node = |domain: &str| of_node.is_none_or(|requirement| requirement.has(domain));
        let (found, is_tied): (Vec<&str>, bool) = match self.rule.kind {
            Kind::Spread => self.least(is_selected, by_pod, by_node),
            Kind::Affinity => self.with_pods(is_selected, of_pod, of_node),
            Kind::AntiAffinity => {
                let empty = self.domains.iter().filter(|(_, count)| **count == 0).map(|(domain, _)| domain.as_str());
                (empty.filter(|domain| by_node(domain) && by_pod(domain)).collect(), false)
            }
        };
        (!found.is_empty()).then(|| (Requirement::new(Operator::In, found), is_tied))
    }

    /// The emptiest domain in which the pod does not break the skew, and whether there is another one.
    fn least(
        &self,
        is_selected: bool,
        by_pod: impl Fn(&str) -> bool,
        by_node: impl Fn(&str) -> bool,
    ) -> (Vec<&str>, bool) {
        let supported = || self.domains.iter().filter(|(domain, _)| by_pod(domain)).map(|(_, count)| *count);
        let few = self.rule.min_domains.is_some_and(|min| (supported().count() as i64) < i64::from(min));
        let min = if few { 0 } else { supported().min().unwrap_or(i32::MAX) };
        let mut best: Option<(i64, &str)> = None;
        let mut is_tied = false;
        for (domain, count) in self.domains.iter().filter(|(domain, _)| by_node(domain)) {
            let count = i64::from(*count) + i64::from(is_selected);
            if count - i64::from(min) > i64::from(self.rule.max_skew) {
                continue;
            }
            match best {
                Some((least, _)) if count > least => {}
                Some((least, _)) if count == least => is_tied = true,
                _ => (best, is_tied) = (Some((count, domain.as_str())), false),
            }
        }
        (best.into_iter().map(|(_, domain)| domain).collect(), is_tied)
    }

    /// The domains with pods; if there are none that the pod can reach, and it is one of them itself, where it may begin.
    fn with_pods(
        &self,
        is_selected: bool,
        of_pod: Option<&Requirement>,
        of_node: Option<&Requirement>,
    ) -> (Vec<&str>, bool) {
        let by_pod = |domain: &str| of_pod.is_none_or(|requirement| requirement.has(domain));
        let by_node = |domain: &str| of_node.is_none_or(|requirement| requirement.has(domain));
        let occupied = || self.domains.iter().filter(|(domain, count)| **count > 0 && by_pod(domain));
        let there: Vec<&str> =
            occupied().filter(|(domain, _)| by_node(domain)).map(|(domain, _)| domain.as_str()).collect();
        let begins = is_selected && (self.occupied == 0 || occupied().next().is_none());
        if !there.is_empty() || !begins {
            return (there, false);
        }
        let any = Requirement::exists();
        let both = of_pod.unwrap_or(&any).intersection(of_node.unwrap_or(&any));
        let all = |allows: &dyn Fn(&str) -> bool| -> Vec<&str> {
            self.domains.keys().map(String::as_str).filter(|domain| allows(domain)).collect()
        };
        // Upstream takes a domain that both allow and one that the pod allows, which may be another one.
        let (by_both, by_one) = (all(&|domain| both.has(domain)), all(&by_pod));
        let is_tied = by_both.len() > 1 || by_one.len() > 1;
        let mut begin: Vec<&str> = [by_both.first(), by_one.first()].into_iter().flatten().copied().collect();
        begin.dedup();
        (begin, is_tied)
    }
}
