//! Which node groups are alike, and how new nodes are spread over them (`processors/nodegroupset`).
//!
//! Cost: a comparison looks at every label and resource of two templates once; spreading takes a step a node.

use std::collections::{BTreeMap, BTreeSet};

use super::options::DifferenceRatios;

/// Resources in thousandths of their unit, by name: CPU in thousandths of a core, memory in thousandths of a byte.
pub type Quantities = BTreeMap<String, i64>;

/// What comparisons see of a group's fresh node.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Template {
    /// Labels of the node.
    pub labels: BTreeMap<String, String>,
    /// All there is of each resource.
    pub capacity: Quantities,
    /// What pods can ask for.
    pub allocatable: Quantities,
    /// What the pods that come with the node ask for, as those of DaemonSets.
    pub requested: Quantities,
}

/// Labels that never tell groups apart.
pub const BASIC_IGNORED_LABELS: [&str; 7] = [
    "kubernetes.io/hostname",
    "failure-domain.beta.kubernetes.io/zone",
    "failure-domain.beta.kubernetes.io/region",
    "topology.kubernetes.io/zone",
    "topology.kubernetes.io/region",
    "beta.kubernetes.io/fluentd-ds-ready",
    "kops.k8s.io/instancegroup",
];

/// Labels that do not tell groups apart on one cloud.
pub const AWS_IGNORED_LABELS: [&str; 7] = [
    "alpha.eksctl.io/instance-id",
    "alpha.eksctl.io/nodegroup-name",
    "eks.amazonaws.com/nodegroup",
    "k8s.amazonaws.com/eniConfig",
    "lifecycle",
    "topology.ebs.csi.aws.com/zone",
    "topology.k8s.aws/zone-id",
];

/// Labels that do not tell groups apart on another.
pub const GCE_IGNORED_LABELS: [&str; 1] = ["topology.gke.io/zone"];

/// Labels that do not tell groups apart on a third.
pub const AZURE_IGNORED_LABELS: [&str; 9] = [
    "agentpool",
    "kubernetes.azure.com/agentpool",
    "topology.disk.csi.azure.com/zone",
    "aksEngineVersion",
    "creationSource",
    "poolName",
    "resourceNameSuffix",
    "kubernetes.azure.com/node-image-version",
    "kubernetes.azure.com/consolidated-additional-properties",
];

/// How groups are compared.
#[derive(Clone, Debug, PartialEq)]
pub enum Comparator {
    /// By resources and labels.
    Generic {
        /// Labels that are passed over.
        ignored_labels: BTreeSet<String>,
        /// How far resources may differ.
        ratios: DifferenceRatios,
        /// Nodes of one pool of Azure are alike whatever else they are.
        same_azure_pool: bool,
    },
    /// By these labels alone: all are there and equal (`balancing-label`).
    Labels(Vec<String>),
}

impl Comparator {
    /// The comparator of clouds that have none of their own, with further labels to pass over.
    pub fn generic(ratios: DifferenceRatios, further_ignored: &[&str]) -> Comparator {
        let all = BASIC_IGNORED_LABELS.iter().chain(further_ignored).map(|label| (*label).to_owned());
        Comparator::Generic { ignored_labels: all.collect(), ratios, same_azure_pool: false }
    }

    /// Whether two groups are alike.
    pub fn alike(&self, one: &Template, other: &Template) -> bool {
        match self {
            Comparator::Labels(labels) => labels
                .iter()
                .all(|label| one.labels.contains_key(label) && one.labels.get(label) == other.labels.get(label)),
            Comparator::Generic { ignored_labels, ratios, same_azure_pool } => {
                (*same_azure_pool && in_same_azure_pool(one, other))
                    || (same_resources(one, other, ratios) && same_labels(one, other, ignored_labels))
            }
        }
    }
}

fn in_same_azure_pool(one: &Template, other: &Template) -> bool {
    ["kubernetes.azure.com/agentpool", "agentpool"].iter().any(|label| {
        one.labels.get(*label).is_some_and(|pool| !pool.is_empty() && Some(pool) == other.labels.get(*label))
    })
}

fn same_labels(one: &Template, other: &Template, ignored: &BTreeSet<String>) -> bool {
    let telling = |template: &Template| {
        let labels = template.labels.iter().filter(|(label, _)| !ignored.contains(*label));
        labels.map(|(label, value)| (label.clone(), value.clone())).collect::<BTreeMap<_, _>>()
    };
    telling(one) == telling(other)
}

fn same_resources(one: &Template, other: &Template, ratios: &DifferenceRatios) -> bool {
    let capacities = one.capacity.iter().all(|(name, quantity)| match other.capacity.get(name) {
        None => false,
        Some(its) if name == "memory" => near(*quantity, *its, ratios.capacity_memory),
        Some(its) => quantity == its,
    });
    capacities
        && other.capacity.keys().all(|name| one.capacity.contains_key(name))
        && all_near(&one.allocatable, &other.allocatable, ratios.allocatable)
        && all_near(&free(one), &free(other), ratios.free)
}

/// What is free of the resources that are counted: CPU, memory, pods and local storage always, others if pods ask for them.
fn free(template: &Template) -> Quantities {
    let always = ["cpu", "memory", "pods", "ephemeral-storage"].map(str::to_owned);
    let names: BTreeSet<&String> = always.iter().chain(template.requested.keys()).collect();
    let of = |quantities: &Quantities, name: &str| quantities.get(name).copied().unwrap_or(0);
    // Pods that come with the node do not count against its number of pods.
    let requested = |name: &str| if name == "pods" { 0 } else { of(&template.requested, name) };
    names.into_iter().map(|name| (name.clone(), of(&template.allocatable, name) - requested(name))).collect()
}

fn all_near(one: &Quantities, other: &Quantities, ratio: f64) -> bool {
    one.len() == other.len()
        && one.iter().all(|(name, quantity)| other.get(name).is_some_and(|its| near(*quantity, *its, ratio)))
}

/// Whether two quantities differ by at most a share of the larger.
fn near(one: i64, other: i64, ratio: f64) -> bool {
    let (larger, smaller) = (one.max(other) as f64, one.min(other) as f64);
    larger - smaller <= larger * ratio
}

/// A group that a scale-up is spread over (`ScaleUpInfo`); sizes in nodes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ScaleUpInfo {
    /// The group, by its position in the caller's list.
    pub group: usize,
    /// Nodes it should have now.
    pub current_size: i64,
    /// Nodes it should have then.
    pub new_size: i64,
    /// Nodes it may have.
    pub max_size: i64,
}

impl ScaleUpInfo {
    /// Nodes that are added.
    pub fn delta(&self) -> i64 {
        self.new_size - self.current_size
    }
}

/// Spreads new nodes over groups, each of them `(group, current size, largest size)`, so that the smallest grow first
/// (`BalanceScaleUpBetweenGroups`). Groups that get none are left out. What exceeds the room of all is dropped.
pub fn balance(groups: &[(usize, i64, i64)], new_nodes: i64) -> Vec<ScaleUpInfo> {
    let open = groups.iter().filter(|(_, current, max)| current != max);
    let mut infos: Vec<ScaleUpInfo> = open
        .map(|&(group, current_size, max_size)| ScaleUpInfo { group, current_size, new_size: current_size, max_size })
        .collect();
    let room: i64 = infos.iter().map(|info| (info.max_size - info.current_size).max(0)).sum();
    infos.sort_by_key(|info| info.current_size);
    spread(&mut infos, new_nodes.min(room));
    infos.retain(|info| info.new_size != info.current_size);
    infos
}

/// Gives the nodes out one by one. Groups that are full move to the front, before `start`.
fn spread(infos: &mut [ScaleUpInfo], mut nodes: i64) {
    let (mut start, mut current) = (0, 0);
    while nodes > 0 {
        let info = &mut infos[current];
        if info.new_size < info.max_size {
            info.new_size += 1;
            nodes -= 1;
        } else {
            infos.swap(start, current);
            start += 1;
        }
        // After a swap the place holds another group; upstream looks at the place, too.
        let is_ahead = infos.get(current + 1).is_some_and(|next| infos[current].new_size > next.new_size);
        current = if is_ahead { current + 1 } else { start };
    }
}

#[cfg(test)]
mod tests;
