//! What a pod requests: the effective requests of kube-scheduler.
//!
//! The rules are those of `PodRequests` (k8s.io/component-helpers/resource, v0.37) with the feature gates of v1.37.0: the
//! sum over containers and restartable init containers, raised to what any init container needs while it starts; of spec,
//! allocated and actuated resources (a pod that is being resized has all three) the largest; replaced by pod-level requests
//! where there are any; plus the overhead. Before that the API server has completed missing requests by the limits, and
//! pod-level requests by the containers' and then by the pod-level limits (`pkg/api/pod`, `DefaultPodLevelResources`).

use crate::document::{Code, Node as Tree};
use crate::scenario::kubernetes::read::{Amounts, Notes, Resource};
use crate::world::nodes::{DEFAULT_SCORING_CPU_MILLI, DEFAULT_SCORING_MEMORY_BYTES};

/// What a pod requests.
#[derive(Debug, Default)]
pub(super) struct PodAmounts<'t> {
    /// What the scheduler counts; no zeros.
    pub(super) requests: Amounts<'t>,
    /// The limits of the pod: of a resource for which some container has none, there is none. No zeros.
    pub(super) limits: Amounts<'t>,
    /// Milli-cores and bytes as the scorers count them.
    pub(super) scoring: (u64, u64),
    /// The same without pod-level requests.
    pub(super) scoring_by_container: (u64, u64),
}

/// One container as the scheduler sees it.
struct Container<'t> {
    is_init: bool,
    is_restartable: bool,
    requests: Amounts<'t>,
    /// What the kubelet has promised and what it has set up, where they differ from the requests.
    allocated: Option<Amounts<'t>>,
    actuated: Option<Amounts<'t>>,
    limits: Amounts<'t>,
}

/// Which of a container's amounts are summed.
#[derive(Clone, Copy)]
enum Kind {
    Requested,
    Allocated,
    Actuated,
    Limited,
}

/// Reads the requests and limits of a pod.
pub(super) fn pod_amounts<'t>(pod: &'t Tree, spec: &'t Tree, notes: &mut Notes) -> PodAmounts<'t> {
    let statuses = Statuses::new(pod, notes);
    let containers = containers(spec, &statuses, notes);
    let requested = sum(&containers, Kind::Requested, None);
    let pod_level = pod_level(spec, &requested, &sum(&containers, Kind::Limited, None), notes);
    let overhead = notes.amounts(spec.get("overhead"), "spec.overhead");
    let limits = limits(&containers, &pod_level.limits);
    let replacement = pod_level.effective(&statuses);
    let total_of = |missing: Option<&Amounts<'t>>, replacement: &Amounts<'t>| {
        let mut total = aggregate(&containers, &statuses, missing);
        total.replace_by(replacement);
        total.add(&overhead);
        total
    };
    let total = |missing: Option<&Amounts<'t>>| total_of(missing, &replacement);
    let requests = total(None);
    let scoring_by_container = scoring(&requests, false, |missing| total_of(missing, &Amounts::default()));
    let scoring = scoring(&requests, pod_level.has_requests, total);
    PodAmounts { requests: requests.without_zeros(), limits, scoring, scoring_by_container }
}

/// Milli-cores and bytes as the scorers count them: a container without a request of cpu or memory counts as 100 milli-cores
/// or 200 MiB, unless a pod-level request covers the resource (`PodInfo.CalculateResource`).
fn scoring<'t>(
    requests: &Amounts<'t>,
    has_pod_level: bool,
    total: impl Fn(Option<&Amounts<'t>>) -> Amounts<'t>,
) -> (u64, u64) {
    let mut missing = Amounts(vec![
        (Resource::Cpu, u128::from(DEFAULT_SCORING_CPU_MILLI)),
        (Resource::Memory, u128::from(DEFAULT_SCORING_MEMORY_BYTES) * 1000),
    ]);
    if has_pod_level {
        missing.0.retain(|(resource, _)| requests.get(*resource).is_none());
    }
    let counted = total(Some(&missing));
    let amount = |resource, unit: u128| {
        let milli = counted.get(resource).unwrap_or(0);
        u64::try_from(milli.div_ceil(unit)).unwrap_or(u64::MAX)
    };
    (amount(Resource::Cpu, 1), amount(Resource::Memory, 1000))
}

/// What `status` says of the pod's resources.
struct Statuses<'t> {
    status: Option<&'t Tree>,
    /// `status.allocatedResources` and `status.resources.requests`, where they are given.
    allocated: Option<Amounts<'t>>,
    actuated: Option<Amounts<'t>>,
    /// Whether a resize was asked for that the node cannot carry out: then what is written in the spec does not count.
    is_resize_infeasible: bool,
}

impl<'t> Statuses<'t> {
    fn new(pod: &'t Tree, notes: &mut Notes) -> Statuses<'t> {
        let status = pod.get("status");
        let text = |condition: &'t Tree, key| condition.get(key).and_then(Tree::as_text);
        let conditions = status.and_then(|status| status.get("conditions")).map_or(&[][..], Tree::items);
        let pending = conditions.iter().find(|condition| text(condition, "type") == Some("PodResizePending"));
        Statuses {
            status,
            allocated: amounts_at(status, &["allocatedResources"], "status", notes),
            actuated: amounts_at(status, &["resources", "requests"], "status", notes),
            is_resize_infeasible: pending.is_some_and(|condition| text(condition, "reason") == Some("Infeasible")),
        }
    }

    /// The status of a container.
    fn of(&self, container: &Tree) -> Option<&'t Tree> {
        let name = container.get("name").and_then(Tree::as_text)?;
        let lists = ["containerStatuses", "initContainerStatuses"];
        let mut statuses = lists.iter().filter_map(|list| self.status?.get(list)).flat_map(Tree::items);
        statuses.find(|status| status.get("name").and_then(Tree::as_text) == Some(name))
    }
}

/// Amounts under a path of a status, if they are there.
fn amounts_at<'t>(status: Option<&'t Tree>, path: &[&str], field: &str, notes: &mut Notes) -> Option<Amounts<'t>> {
    let tree = status?.at(path).filter(|tree| !tree.is_null())?;
    Some(notes.amounts(Some(tree), &format!("{field}.{}", path.join("."))))
}

fn containers<'t>(spec: &'t Tree, statuses: &Statuses<'t>, notes: &mut Notes) -> Vec<Container<'t>> {
    let mut containers = Vec::new();
    for (is_init, list, field) in
        [(false, "containers", "spec.containers"), (true, "initContainers", "spec.initContainers")]
    {
        let items = notes.list(spec.get(list), field);
        containers.extend(items.iter().map(|tree| container(tree, is_init, statuses, notes)));
    }
    if !containers.iter().any(|container| !container.is_init) && notes.issues.is_empty() {
        notes.refuse(Code::MissingKey, spec.span, "this Pod has no `spec.containers`");
    }
    containers
}

fn container<'t>(tree: &'t Tree, is_init: bool, statuses: &Statuses<'t>, notes: &mut Notes) -> Container<'t> {
    let field = if is_init { "spec.initContainers[].resources" } else { "spec.containers[].resources" };
    let resources = notes.mapping(tree.get("resources"), field);
    let of = |kind| resources.and_then(|resources| resources.get(kind));
    let mut requests = notes.amounts(of("requests"), &format!("{field}.requests"));
    let limits = notes.amounts(of("limits"), &format!("{field}.limits"));
    if limits.0.iter().any(|(resource, limit)| requests.get(*resource).is_some_and(|request| request > *limit)) {
        notes.refuse(Code::RequestAboveLimit, tree.span, format!("`{field}`: a request exceeds its limit"));
    }
    requests.default_to(&limits);
    let status = statuses.of(tree);
    let mut reported = |path: &[&str]| amounts_at(status, path, "status.containerStatuses[]", notes);
    let fallback = statuses.is_resize_infeasible.then(Amounts::default);
    let allocated = reported(&["allocatedResources"]);
    let actuated = reported(&["resources", "requests"]).or_else(|| allocated.clone()).or_else(|| fallback.clone());
    let is_restartable = is_init && tree.get("restartPolicy").and_then(Tree::as_text) == Some("Always");
    Container { is_init, is_restartable, requests, allocated: allocated.or(fallback), actuated, limits }
}

/// The sum over containers, raised to what any init container needs while it starts. What a container does not request
/// at all is `missing`.
fn sum<'t>(containers: &[Container<'t>], kind: Kind, missing: Option<&Amounts<'t>>) -> Amounts<'t> {
    let amounts = |container: &Container<'t>| {
        let mut amounts = match kind {
            Kind::Requested => container.requests.clone(),
            Kind::Allocated => container.allocated.as_ref().unwrap_or(&container.requests).clone(),
            Kind::Limited => container.limits.clone(),
            Kind::Actuated => container.actuated.as_ref().unwrap_or(&container.requests).clone(),
        };
        if let Some(missing) = missing {
            amounts.default_to(missing);
        }
        amounts
    };
    let mut total = Amounts::default();
    containers.iter().filter(|container| !container.is_init).for_each(|container| total.add(&amounts(container)));
    // Restartable init containers stay; each other init container runs beside those that came before it.
    let (mut staying, mut starting) = (Amounts::default(), Amounts::default());
    for container in containers.iter().filter(|container| container.is_init) {
        let mut needed = amounts(container);
        if container.is_restartable {
            total.add(&needed);
            staying.add(&needed);
            needed = staying.clone();
        } else {
            needed.add(&staying);
        }
        starting.raise_to(&needed);
    }
    total.raise_to(&starting);
    total
}

/// What the containers need (`AggregateContainerRequests`).
fn aggregate<'t>(containers: &[Container<'t>], statuses: &Statuses<'t>, missing: Option<&Amounts<'t>>) -> Amounts<'t> {
    let is_reported = |container: &Container<'_>| container.allocated.is_some() || container.actuated.is_some();
    let (mut total, actuated) = match statuses.allocated.clone().zip(statuses.actuated.clone()) {
        Some(amounts) => amounts,
        None if !containers.iter().any(is_reported) => return sum(containers, Kind::Requested, missing),
        None => (sum(containers, Kind::Allocated, missing), sum(containers, Kind::Actuated, missing)),
    };
    total.raise_to(&actuated);
    if !statuses.is_resize_infeasible {
        total.raise_to(&sum(containers, Kind::Requested, missing));
    }
    total
}

/// Requests and limits of the pod as a whole.
struct PodLevel<'t> {
    /// Completed as the API server does.
    requests: Amounts<'t>,
    limits: Amounts<'t>,
    has_requests: bool,
}

/// Reads `spec.resources` and completes it by what the containers have in all: huge pages by their limits, cpu and memory by
/// their requests, and everything else by the limits of the pod.
fn pod_level<'t>(
    spec: &'t Tree,
    requests_of_containers: &Amounts<'t>,
    limits_of_containers: &Amounts<'t>,
    notes: &mut Notes,
) -> PodLevel<'t> {
    let resources = notes.mapping(spec.get("resources"), "spec.resources");
    let of = |kind| resources.and_then(|resources| resources.get(kind));
    let mut requests = notes.amounts(of("requests"), "spec.resources.requests");
    let mut limits = notes.amounts(of("limits"), "spec.resources.limits");
    if !requests.0.is_empty() || !limits.0.is_empty() {
        requests.0.retain(|(resource, _)| is_supported(*resource));
        limits.0.retain(|(resource, _)| is_supported(*resource));
        let mut huge_pages = limits_of_containers.clone();
        huge_pages.0.retain(|(resource, _)| is_huge_pages(*resource) && requests.get(*resource).is_none());
        limits.default_to(&huge_pages);
        let mut overcommitted = requests_of_containers.clone();
        overcommitted.0.retain(|(resource, _)| matches!(resource, Resource::Cpu | Resource::Memory));
        requests.default_to(&overcommitted);
        requests.default_to(&limits);
    }
    PodLevel { has_requests: !requests.0.is_empty(), requests, limits: limits.without_zeros() }
}

/// Whether a resource can be requested for the pod as a whole.
fn is_supported(resource: Resource<'_>) -> bool {
    matches!(resource, Resource::Cpu | Resource::Memory) || is_huge_pages(resource)
}

fn is_huge_pages(resource: Resource<'_>) -> bool {
    matches!(resource, Resource::Extended(name) if name.starts_with("hugepages-"))
}

impl<'t> PodLevel<'t> {
    /// What takes the place of the containers' sum.
    fn effective(&self, statuses: &Statuses<'t>) -> Amounts<'t> {
        if !self.has_requests {
            return Amounts::default();
        }
        let mut effective = self.requests.clone();
        if statuses.status.is_some_and(|status| status.get("resources").is_some_and(|tree| !tree.is_null())) {
            if statuses.is_resize_infeasible {
                effective = Amounts::default();
            }
            for reported in [&statuses.actuated, &statuses.allocated].into_iter().flatten() {
                effective.raise_to(reported);
            }
            effective.0.retain(|(resource, _)| is_supported(*resource));
        }
        effective
    }
}

/// The limits of a pod: of a resource for which some container has none, there is none but that of the pod as a whole.
fn limits<'t>(containers: &[Container<'t>], of_pod: &Amounts<'t>) -> Amounts<'t> {
    let mut limits: Option<Amounts<'t>> = None;
    for container in containers.iter().filter(|container| !container.is_init) {
        let mut own = container.limits.clone().without_zeros();
        limits = Some(match limits {
            None => own,
            Some(mut sum) => {
                sum.0.retain(|(resource, _)| own.get(*resource).is_some());
                own.0.retain(|(resource, _)| sum.get(*resource).is_some());
                sum.add(&own);
                sum
            }
        });
    }
    let mut limits = limits.unwrap_or_default();
    limits.replace_by(of_pod);
    limits
}
