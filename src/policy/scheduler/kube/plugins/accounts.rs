//! What a node offers and what is taken of it, resource by resource, as the two resource scorers count it
//! (`plugins/noderesources/resource_allocation.go`, v1.37.0).

use crate::policy::scheduler::kube::{Cycle, NodeInfo};
use crate::world::nodes::scoring_request;

/// Where the amounts of a resource are found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Cpu,
    Memory,
    EphemeralStorage,
    /// Its position among the cluster's extended resources.
    Extended(usize),
}

/// How requests for cpu and memory are counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Counting {
    /// As written.
    Requested,
    /// With the amounts that upstream assumes for containers without a request.
    NonZero,
}

/// One resource that is scored.
#[derive(Clone, Copy, Debug)]
struct Resource {
    kind: Kind,
    weight: i64,
    /// What the pod requests.
    request: i64,
}

/// The resources that are scored, for one pod.
#[derive(Clone, Debug)]
pub(super) struct Accounts {
    resources: Vec<Resource>,
    counting: Counting,
}

/// One resource on one node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Account {
    pub(super) weight: i64,
    /// What is taken, the pod included.
    pub(super) requested: i64,
    /// What is taken, the pod not included.
    pub(super) allocated: i64,
    /// What the node offers, more than 0.
    pub(super) allocatable: i64,
}

impl Accounts {
    /// The accounts of the cycle's pod for resources given by name and weight. A name that neither node nor pod knows
    /// has no account.
    pub(super) fn new(cycle: &Cycle<'_>, resources: &[(String, i64)], counting: Counting) -> Accounts {
        let class = cycle.pod_class();
        let (cpu, memory) = match counting {
            Counting::Requested => (class.requests.cpu.0, class.requests.memory.0),
            Counting::NonZero => class.spec.fit_scoring_request.unwrap_or_else(|| scoring_request(class)),
        };
        let request = |kind| match kind {
            Kind::Cpu => cpu,
            Kind::Memory => memory,
            Kind::EphemeralStorage => class.requests.ephemeral_storage.0,
            Kind::Extended(position) => class.requests.extended(position),
        };
        let resource = |(name, weight): &(String, i64)| {
            let kind = kind_of(cycle, name)?;
            Some(Resource { kind, weight: *weight, request: request(kind) as i64 })
        };
        Accounts { resources: resources.iter().filter_map(resource).collect(), counting }
    }

    /// Whether the pod requests none of the resources.
    pub(super) fn requests_nothing(&self) -> bool {
        self.resources.iter().all(|resource| resource.request == 0)
    }

    /// The accounts of a node, without the resources that it does not offer and the extended ones that the pod does not
    /// request.
    pub(super) fn of(&self, node: &NodeInfo<'_>) -> Vec<Account> {
        let offered = &node.shape().allocatable;
        let taken = node.requested();
        let (cpu, memory) = match self.counting {
            Counting::Requested => (taken.cpu.0, taken.memory.0),
            Counting::NonZero => node.scoring_requested(),
        };
        let account = |resource: &Resource| {
            let (allocatable, allocated) = match resource.kind {
                Kind::Cpu => (offered.cpu.0, cpu),
                Kind::Memory => (offered.memory.0, memory),
                Kind::EphemeralStorage => (offered.ephemeral_storage.0, taken.ephemeral_storage.0),
                Kind::Extended(_) if resource.request == 0 => return None,
                Kind::Extended(position) => (offered.extended(position), taken.extended(position)),
            };
            let (allocatable, allocated) = (allocatable as i64, allocated as i64);
            let requested = allocated + resource.request;
            (allocatable > 0).then_some(Account { weight: resource.weight, requested, allocated, allocatable })
        };
        self.resources.iter().filter_map(account).collect()
    }
}

/// Where the amounts of a resource are found; none where nobody offers or requests it.
fn kind_of(cycle: &Cycle<'_>, name: &str) -> Option<Kind> {
    let extended = &cycle.view.model.cluster.extended_resources;
    match name {
        "cpu" => Some(Kind::Cpu),
        "memory" => Some(Kind::Memory),
        "ephemeral-storage" => Some(Kind::EphemeralStorage),
        _ => extended.iter().position(|other| other == name).map(Kind::Extended),
    }
}
