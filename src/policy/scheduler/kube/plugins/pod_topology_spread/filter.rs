//! Hard constraints.

use std::collections::BTreeMap;
use std::rc::Rc;

use super::NAME;
use super::constraint::{Constraint, has_all_keys};
use crate::ids::PodId;
use crate::model::pod_spec::WhenUnsatisfiable;
use crate::policy::scheduler::kube::framework::NodeFilter;
use crate::policy::scheduler::kube::{Cycle, NodeInfo, Rejection};

const SKEWED: &str = "node(s) didn't match pod topology spread constraints";
const NO_LABEL: &str = "node(s) didn't match pod topology spread constraints (missing required label)";

/// Hard constraints and the pods that they count.
#[derive(Clone, Debug)]
pub(super) struct SpreadFilter<'a> {
    cycle: Cycle<'a>,
    constraints: Rc<[Constraint<'a>]>,
    /// One a constraint.
    domains: Vec<Domains<'a>>,
}

/// The domains of one constraint.
#[derive(Clone, Debug, Default)]
struct Domains<'a> {
    /// Pods by value of the topology label.
    pods: BTreeMap<&'a str, i64>,
    /// How many domains have so many pods: the first key is the global minimum.
    by_count: BTreeMap<i64, u32>,
}

impl<'a> Domains<'a> {
    fn add(&mut self, value: &'a str, change: i64) {
        let count = self.pods.entry(value).or_insert_with(|| {
            *self.by_count.entry(0).or_insert(0) += 1;
            0
        });
        let old = *count;
        *count += change;
        *self.by_count.entry(*count).or_insert(0) += 1;
        if let Some(domains) = self.by_count.get_mut(&old) {
            *domains -= 1;
            if *domains == 0 {
                self.by_count.remove(&old);
            }
        }
    }

    /// Pods in the emptiest domain; 0 while there are fewer domains than asked for.
    fn fewest(&self, min_domains: usize) -> i64 {
        if self.pods.len() < min_domains {
            return 0;
        }
        self.by_count.first_key_value().map_or(i64::from(i32::MAX), |(count, _)| *count)
    }
}

impl<'a> SpreadFilter<'a> {
    /// Counts pods by domain; none if the pod has no hard constraints.
    pub(super) fn new(cycle: &Cycle<'a>) -> Option<SpreadFilter<'a>> {
        let constraints = Constraint::all(cycle, WhenUnsatisfiable::DoNotSchedule);
        if constraints.is_empty() {
            return None;
        }
        let mut domains = vec![Domains::default(); constraints.len()];
        for &node in cycle.nodes {
            let node = NodeInfo::new(cycle.view, node);
            if !has_all_keys(&node, &constraints) {
                continue;
            }
            for (constraint, domains) in constraints.iter().zip(&mut domains) {
                if let Some(value) = node.label(constraint.topology_key)
                    && constraint.includes(cycle, &node)
                {
                    domains.add(value, constraint.count(&node, &cycle.spec().namespace));
                }
            }
        }
        Some(SpreadFilter { cycle: *cycle, constraints: constraints.into(), domains })
    }

    /// Counts a pod that came to a node or left it (`updateWithPod`). Upstream does not ask here whether the pod is on
    /// its way out, and neither do we.
    fn change(&mut self, pod: PodId, node: &NodeInfo<'a>, change: i64) {
        let (own, other) = (self.cycle.spec(), &self.cycle.view.class_of(pod).spec);
        if own.namespace != other.namespace || !has_all_keys(node, &self.constraints) {
            return;
        }
        for (constraint, domains) in self.constraints.iter().zip(&mut self.domains) {
            if let Some(value) = node.label(constraint.topology_key)
                && constraint.selects(&other.labels)
                && constraint.includes(&self.cycle, node)
            {
                domains.add(value, change);
            }
        }
    }
}

/// What speaks against a node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in super::super::super) enum SpreadRefusal {
    /// It lacks the label of a constraint.
    NoLabel,
    /// Its domain would hold too many pods.
    Skewed,
}

impl SpreadRefusal {
    /// In upstream's words.
    pub(in super::super::super) fn rejection(self) -> Rejection {
        match self {
            SpreadRefusal::NoLabel => Rejection::unresolvable(NAME, NO_LABEL),
            SpreadRefusal::Skewed => Rejection::unschedulable(NAME, SKEWED),
        }
    }
}

impl<'a> NodeFilter<'a> for SpreadFilter<'a> {
    fn filter(&self, node: &NodeInfo<'a>) -> Result<(), Rejection> {
        let labels = &self.cycle.spec().labels;
        for (constraint, domains) in self.constraints.iter().zip(&self.domains) {
            let Some(value) = node.label(constraint.topology_key) else {
                return Err(SpreadRefusal::NoLabel.rejection());
            };
            let here = domains.pods.get(value).copied().unwrap_or(0);
            let itself = i64::from(constraint.selects(labels));
            if here + itself - domains.fewest(constraint.min_domains) > constraint.max_skew {
                return Err(SpreadRefusal::Skewed.rejection());
            }
        }
        Ok(())
    }

    fn add_pod(&mut self, pod: PodId, node: &NodeInfo<'a>) {
        self.change(pod, node, 1);
    }

    fn remove_pod(&mut self, pod: PodId, node: &NodeInfo<'a>) {
        self.change(pod, node, -1);
    }

    fn fork(&self) -> Box<dyn NodeFilter<'a> + 'a> {
        Box::new(self.clone())
    }
}
