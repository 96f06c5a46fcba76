//! Limits on the resources of all nodes, as `cores-total` and `memory-total` (`resourcequotas`).
//!
//! Cost: building looks at every node once, a check at every resource of every quota.

use std::collections::BTreeMap;

/// Whole units of each resource, by name: cores, bytes, nodes, devices.
pub type Resources = BTreeMap<String, i64>;

/// The resource that counts nodes.
pub const NODES: &str = "nodes";

/// Largest number of cores, where nothing else is said.
pub const DEFAULT_MAX_CORES: i64 = 5000 * 64;

/// Largest memory in GiB, where nothing else is said.
pub const DEFAULT_MAX_MEMORY_GIB: i64 = 5000 * 64 * 20;

/// A limit on the resources of the nodes it applies to. A resource that is not named has no limit.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Quota {
    /// Its name, for the reason that is given.
    pub id: String,
    /// The limits: the most there may be for a tracker of growth, the least there must stay for one of shrinking.
    pub limits: Resources,
    /// The node groups it applies to; `None`: all nodes, those without a group, too.
    pub groups: Option<Vec<usize>>,
}

impl Quota {
    fn applies(&self, group: Option<usize>) -> bool {
        match &self.groups {
            None => true,
            Some(groups) => group.is_some_and(|group| groups.contains(&group)),
        }
    }
}

/// A node as quotas count it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CountedNode {
    /// Its group, if it has one.
    pub group: Option<usize>,
    /// What it has, with `nodes` being one. Upstream takes for all nodes of a group what the first has; so do we.
    pub resources: Resources,
}

/// What a check says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CheckResult {
    /// Nodes that may be added or removed.
    pub allowed: i64,
    /// The quotas that are exceeded by more, each with the resources.
    pub exceeded: Vec<(String, Vec<String>)>,
}

#[derive(Clone, Debug)]
struct Status {
    quota: Quota,
    left: Resources,
}

/// What the quotas leave.
#[derive(Clone, Debug)]
pub struct Tracker {
    statuses: Vec<Status>,
    of_group: BTreeMap<usize, Resources>,
}

impl Tracker {
    /// A tracker of what may be added before a largest amount is reached.
    pub fn of_growth(quotas: &[Quota], nodes: &[CountedNode]) -> Tracker {
        Tracker::new(quotas, nodes, |limit, usage| limit.saturating_sub(usage))
    }

    /// A tracker of what may be removed before a least amount is reached.
    pub fn of_shrinking(quotas: &[Quota], nodes: &[CountedNode]) -> Tracker {
        Tracker::new(quotas, nodes, |limit, usage| usage.saturating_sub(limit))
    }

    fn new(quotas: &[Quota], nodes: &[CountedNode], left: impl Fn(i64, i64) -> i64) -> Tracker {
        let mut tracker = Tracker { statuses: Vec::new(), of_group: BTreeMap::new() };
        let mut usages = vec![Resources::new(); quotas.len()];
        for node in nodes {
            let has = tracker.resources(node.group, &node.resources);
            for (quota, usage) in quotas.iter().zip(&mut usages).filter(|(quota, _)| quota.applies(node.group)) {
                let counted = has.iter().filter(|(name, _)| quota.limits.contains_key(*name));
                counted.for_each(|(name, amount)| *usage.entry(name.clone()).or_default() += amount);
            }
        }
        tracker.statuses = quotas.iter().zip(usages).map(|(quota, usage)| status(quota, &usage, &left)).collect();
        tracker
    }

    /// What a node of the group has: what was said first.
    fn resources(&mut self, group: Option<usize>, said: &Resources) -> Resources {
        match group {
            None => said.clone(),
            Some(group) => self.of_group.entry(group).or_insert_with(|| said.clone()).clone(),
        }
    }

    /// Whether `count` nodes of the group may be added or removed, and how many may.
    pub fn check(&mut self, group: Option<usize>, node: &Resources, count: i64) -> CheckResult {
        let has = self.resources(group, node);
        let mut result = CheckResult { allowed: count, exceeded: Vec::new() };
        for status in self.statuses.iter().filter(|status| status.quota.applies(group)) {
            let mut exceeded = Vec::new();
            for (name, amount) in has.iter().filter(|(_, amount)| **amount > 0) {
                let Some(left) = status.left.get(name) else { continue };
                if *left < amount.saturating_mul(count) {
                    result.allowed = result.allowed.min(left / amount);
                    exceeded.push(name.clone());
                }
            }
            if !exceeded.is_empty() {
                result.exceeded.push((status.quota.id.clone(), exceeded));
            }
        }
        result
    }

    /// As `check`; if all `count` nodes may, they are taken from what is left.
    pub fn consume(&mut self, group: Option<usize>, node: &Resources, count: i64) -> CheckResult {
        let result = self.check(group, node, count);
        if result.allowed == count {
            let has = self.resources(group, node);
            for status in self.statuses.iter_mut().filter(|status| status.quota.applies(group)) {
                for (name, left) in &mut status.left {
                    let taken = has.get(name).map_or(0, |amount| amount.saturating_mul(count));
                    *left = (*left - taken).max(0);
                }
            }
        }
        result
    }
}

fn status(quota: &Quota, usage: &Resources, left: &impl Fn(i64, i64) -> i64) -> Status {
    let used = |name: &String| usage.get(name).copied().unwrap_or(0);
    let left = quota.limits.iter().map(|(name, limit)| (name.clone(), left(*limit, used(name)).max(0)));
    Status { left: left.collect(), quota: quota.clone() }
}
