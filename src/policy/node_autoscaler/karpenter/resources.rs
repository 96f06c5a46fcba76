//! Amounts of resources by kind. A kind that is missing is not the same as zero where something is taken away.
//!
//! Source: `pkg/utils/resources/resources.go` of Karpenter v1.15.0.

use crate::model::Resources;

/// A kind of resource.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ResourceKind {
    /// CPU in milli-cores.
    Cpu,
    /// Memory in bytes.
    Memory,
    /// Ephemeral storage in bytes.
    EphemeralStorage,
    /// Pods.
    Pods,
    /// Machines; in limits of node pools only.
    Nodes,
    /// Huge pages of a size, in bytes: what they take is no ordinary memory.
    HugePages {
        /// The size of a page in bytes.
        page_bytes: u64,
    },
    /// An extended resource in whole units, by position in [`crate::model::Cluster::extended_resources`].
    Extended(u16),
}

/// Amounts by kind, sorted by kind; amounts can be negative.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct ResourceList(Vec<(ResourceKind, i64)>);

impl FromIterator<(ResourceKind, i64)> for ResourceList {
    fn from_iter<I: IntoIterator<Item = (ResourceKind, i64)>>(amounts: I) -> ResourceList {
        let mut list = ResourceList::default();
        for (kind, amount) in amounts {
            list.add_amount(kind, amount);
        }
        list
    }
}

/// What a pod requests, or a node offers: kinds of which there is nothing are missing.
impl From<&Resources> for ResourceList {
    fn from(resources: &Resources) -> ResourceList {
        let plain = [
            (ResourceKind::Cpu, resources.cpu.0),
            (ResourceKind::Memory, resources.memory.0),
            (ResourceKind::EphemeralStorage, resources.ephemeral_storage.0),
            (ResourceKind::Pods, resources.pods),
        ];
        let extended = resources.extended.iter().zip(0..).map(|(amount, kind)| (ResourceKind::Extended(kind), *amount));
        let there = plain.into_iter().chain(extended).filter(|(_, amount)| *amount > 0);
        there.map(|(kind, amount)| (kind, i64::try_from(amount).unwrap_or(i64::MAX))).collect()
    }
}

impl ResourceList {
    /// Kinds and amounts in order of the kinds.
    pub fn iter(&self) -> impl Iterator<Item = (ResourceKind, i64)> {
        self.0.iter().copied()
    }

    /// Whether no kind is there.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The amount, if the kind is there.
    pub fn get(&self, kind: ResourceKind) -> Option<i64> {
        self.0.binary_search_by_key(&kind, |(kind, _)| *kind).ok().map(|at| self.0[at].1)
    }

    /// The amount; nothing where the kind is missing.
    pub fn amount(&self, kind: ResourceKind) -> i64 {
        self.get(kind).unwrap_or(0)
    }

    /// Sets an amount.
    pub fn set(&mut self, kind: ResourceKind, amount: i64) {
        match self.0.binary_search_by_key(&kind, |(kind, _)| *kind) {
            Ok(at) => self.0[at].1 = amount,
            Err(at) => self.0.insert(at, (kind, amount)),
        }
    }

    fn add_amount(&mut self, kind: ResourceKind, amount: i64) {
        self.set(kind, self.amount(kind).saturating_add(amount));
    }

    /// Adds all amounts (`MergeInto`).
    pub fn add(&mut self, other: &ResourceList) {
        for (kind, amount) in other.iter() {
            self.add_amount(kind, amount);
        }
    }

    /// The sum of both (`Merge`).
    #[must_use]
    pub fn plus(&self, other: &ResourceList) -> ResourceList {
        let mut sum = self.clone();
        sum.add(other);
        sum
    }

    /// Takes amounts away; kinds that were missing become negative (`SubtractFrom`).
    pub fn subtract(&mut self, other: &ResourceList) {
        for (kind, amount) in other.iter() {
            self.add_amount(kind, -amount);
        }
    }

    /// What is left of the kinds that are there (`Subtract`).
    #[must_use]
    pub fn less(&self, other: &ResourceList) -> ResourceList {
        ResourceList(self.0.iter().map(|(kind, amount)| (*kind, amount - other.amount(*kind))).collect())
    }

    /// Raises each amount to the other's, where that is larger (`MaxResources`).
    pub fn raise_to(&mut self, other: &ResourceList) {
        for (kind, amount) in other.iter() {
            if self.get(kind).is_none_or(|have| amount > have) {
                self.set(kind, amount);
            }
        }
    }

    /// The smallest amount of the kinds that both have (`MinResources`).
    #[must_use]
    pub fn lower_of(&self, other: &ResourceList) -> ResourceList {
        let both = self.iter().filter_map(|(kind, amount)| Some((kind, amount.min(other.get(kind)?))));
        ResourceList(both.collect())
    }

    /// Whether this fits into `total` (`Fits`). Nothing fits where an amount is negative.
    pub fn fits(&self, total: &ResourceList) -> bool {
        if total.0.iter().any(|(_, amount)| *amount < 0) {
            return false;
        }
        let mut rest = total.0.iter().peekable();
        self.0.iter().all(|(kind, amount)| {
            while rest.next_if(|(have, _)| have < kind).is_some() {}
            let have = rest.next_if(|(have, _)| have == kind).map_or(0, |(_, have)| *have);
            *amount <= have
        })
    }
}
