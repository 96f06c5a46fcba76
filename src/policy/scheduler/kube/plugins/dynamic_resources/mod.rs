//! `DynamicResources`: devices that pods claim, with structured parameters.
//!
//! A pod passes on a node if the devices of its allocated claims can be reached from there and its other claims can be
//! allocated there, all together. The score counts how far up in their lists of preference the claims got.
//!
//! Source: `pkg/scheduler/framework/plugins/dynamicresources` and `k8s.io/dynamic-resource-allocation/structured` (the
//! allocator that the default gates choose, `incubating`), v1.37.0.
//! Known deviations: extended resources are not served from devices, and manifests that ask for that are answered with a
//! warning; conditions for binding count as met; a claim that is allocated out of reach is not deallocated when no node
//! will do; the search ends after a number of steps and not after 10 s; an error that upstream answers by ending the
//! attempt rejects the node; whether a claim of a template is owned by the pod is not checked.

mod allocator;
mod capacity;
mod constraints;
mod pools;
mod requests;
#[cfg(test)]
mod tests;

use allocator::{Failure, Wanted, allocate as find_devices};

use super::normalise::by_highest;
use crate::ids::{NodeId, PodId};
use crate::model::PodSpec;
use crate::model::devices::{ALTERNATIVES_MAX, Allocation, ClaimSpec};
use crate::policy::scheduler::kube::framework::{FilterPlugin, NodeFilter, NodeScorer, PreFilter, ScorePlugin};
use crate::policy::scheduler::kube::{Code, Cycle, NodeInfo, Rejection, labels};
use crate::world::{ClaimKey, View};

/// Its name.
pub(super) const NAME: &str = "DynamicResources";

/// The plug-in.
#[derive(Debug)]
pub(super) struct DynamicResources;

/// A claim of the pod.
#[derive(Clone, Debug)]
struct Claim<'a> {
    /// Which claim; none where it is that of a pod which is not known.
    key: Option<ClaimKey>,
    /// Namespace and name.
    name: String,
    spec: &'a ClaimSpec,
    /// What it has.
    allocation: Option<&'a Allocation>,
}

/// The claims of a pod.
///
/// # Errors
/// When a claim is not there.
fn claims_of<'a>(view: View<'a>, pod: Option<PodId>, spec: &'a PodSpec) -> Result<Vec<Claim<'a>>, Rejection> {
    let devices = &view.model.objects.devices;
    let refuse = |message: String| Rejection::unresolvable(NAME, message);
    let mut claims = Vec::with_capacity(spec.resource_claims.len());
    for (position, wanted) in spec.resource_claims.iter().enumerate() {
        let namespace = &spec.namespace;
        if let Some(claim) = &wanted.claim {
            let name = format!("{namespace}/{claim}");
            let at = devices.claim(namespace, claim);
            let at = at.ok_or_else(|| refuse(format!("could not find ResourceClaim {name:?}")))?;
            if devices.claims[at].is_deleting {
                return Err(refuse(format!("resourceclaim {claim:?} is being deleted")));
            }
            let key = ClaimKey::Named(at as u32);
            let allocation = view.world.claims.allocation(key).map(AsRef::as_ref);
            claims.push(Claim { key: Some(key), name, spec: &devices.claims[at].spec, allocation });
            continue;
        }
        let template = wanted.template.as_ref().and_then(|template| devices.template(namespace, template));
        let pod_name = pod.map_or_else(String::new, |pod| view.pod_name(pod));
        let Some(template) = template else {
            return Err(refuse(format!("pod \"{namespace}/{pod_name}\": ResourceClaim not created yet")));
        };
        let key = pod.map(|pod| ClaimKey::OfPod(pod, position as u32));
        let allocation = key.and_then(|key| view.world.claims.allocation(key)).map(AsRef::as_ref);
        let name = format!("{namespace}/{pod_name}-{}", wanted.name);
        claims.push(Claim { key, name, spec: &template.spec, allocation });
    }
    Ok(claims)
}

/// Whether a pod has to wait for one of its claims before it may come into the queue (`PreEnqueue`).
pub(in crate::policy::scheduler::kube) fn lacks_claim(view: View<'_>, pod: PodId, spec: &PodSpec) -> bool {
    claims_of(view, Some(pod), spec).is_err()
}

/// Refuses claims whose classes are not there.
fn check_classes(view: View<'_>, claims: &[Claim<'_>]) -> Result<(), Rejection> {
    for request in claims.iter().filter(|claim| claim.allocation.is_none()).flat_map(|claim| &claim.spec.requests) {
        for query in &request.alternatives {
            if view.model.objects.devices.class(&query.class).is_none() {
                let name = &request.name;
                let name = if request.is_prioritised { format!("{name}/{}", query.name) } else { name.clone() };
                let message = format!("request {name}: device class {} does not exist", query.class);
                return Err(Rejection::unresolvable(NAME, message));
            }
        }
    }
    Ok(())
}

/// The devices on a node for those of the claims that have none.
fn allocate_claims<'a>(node: &NodeInfo<'a>, claims: &'a [Claim<'a>]) -> Result<Vec<Allocation>, Rejection> {
    let lacking = claims.iter().filter(|claim| claim.allocation.is_none());
    let wanted: Vec<Wanted<'_>> = lacking.map(|claim| Wanted { name: &claim.name, spec: claim.spec }).collect();
    if wanted.is_empty() {
        return Ok(Vec::new());
    }
    match find_devices(node, &wanted) {
        Ok(Some(allocations)) => Ok(allocations),
        Ok(None) => Err(Rejection::unresolvable(NAME, "cannot allocate all claims")),
        Err(Failure::OnNode(message)) => Err(Rejection::unresolvable(NAME, message)),
        Err(Failure::Error(message)) => {
            Err(Rejection { plugin: NAME.into(), code: Code::Error, reasons: vec![message.into()] })
        }
    }
}

/// The devices that a pod gets with a node: for each of its claims, those that it has none of. Nothing where the pod has no
/// claims; claims that cannot be had there are left out.
pub fn allocate(view: View<'_>, pod: PodId, node: NodeId) -> Vec<(ClaimKey, Option<Allocation>)> {
    let spec = &view.class_of(pod).spec;
    if spec.resource_claims.is_empty() {
        return Vec::new();
    }
    let Ok(claims) = claims_of(view, Some(pod), spec) else { return Vec::new() };
    let found = allocate_claims(&NodeInfo::new(view, node), &claims);
    let mut found = found.unwrap_or_default().into_iter();
    let with_devices = claims.iter().filter_map(|claim| {
        let new = if claim.allocation.is_none() { Some(found.next()?) } else { None };
        Some((claim.key?, new))
    });
    with_devices.collect()
}

/// The claims of one pod.
#[derive(Clone, Debug)]
struct ClaimFilter<'a> {
    claims: Vec<Claim<'a>>,
}

impl FilterPlugin for DynamicResources {
    fn pre_filter<'a>(&self, cycle: &Cycle<'a>) -> PreFilter<'a> {
        let claims = match claims_of(cycle.view, cycle.pod, cycle.spec()) {
            Ok(claims) if claims.is_empty() => return PreFilter::Skip,
            Ok(claims) => claims,
            Err(rejection) => return PreFilter::Reject(rejection),
        };
        match check_classes(cycle.view, &claims) {
            Ok(()) => PreFilter::Run { filter: Box::new(ClaimFilter { claims }), nodes: None },
            Err(rejection) => PreFilter::Reject(rejection),
        }
    }
}

impl<'a> NodeFilter<'a> for ClaimFilter<'a> {
    fn filter(&self, node: &NodeInfo<'a>) -> Result<(), Rejection> {
        allocate_claims(node, &self.claims)?;
        let reaches = |claim: &Claim<'_>| {
            let terms = claim.allocation.and_then(|allocation| allocation.node_selector.as_ref());
            terms.is_none_or(|terms| terms.iter().any(|term| labels::meets_term(term, node)))
        };
        if self.claims.iter().all(reaches) {
            Ok(())
        } else {
            Err(Rejection::unresolvable(NAME, "resourceclaim not available on the node"))
        }
    }

    fn fork(&self) -> Box<dyn NodeFilter<'a> + 'a> {
        Box::new(self.clone())
    }
}

impl ScorePlugin for DynamicResources {
    fn pre_score<'a>(&self, cycle: &Cycle<'a>, _feasible: &[NodeInfo<'a>]) -> Option<Box<dyn NodeScorer<'a> + 'a>> {
        let claims = claims_of(cycle.view, cycle.pod, cycle.spec()).ok().filter(|claims| !claims.is_empty())?;
        Some(Box::new(ClaimFilter { claims }))
    }
}

impl<'a> NodeScorer<'a> for ClaimFilter<'a> {
    /// For each request with alternatives, the more the earlier the chosen one stands in the list; nothing where all claims
    /// had their devices before (`computeScore`).
    fn score(&self, node: &NodeInfo<'a>) -> i64 {
        let has_choice =
            self.claims.iter().flat_map(|claim| &claim.spec.requests).any(|request| request.is_prioritised);
        if !has_choice || self.claims.iter().all(|claim| claim.allocation.is_some()) {
            return 0;
        }
        let Ok(found) = allocate_claims(node, &self.claims) else { return 0 };
        let mut found = found.iter();
        let mut score = 0;
        for claim in &self.claims {
            let Some(allocation) = claim.allocation.or_else(|| found.next()) else { break };
            for request in claim.spec.requests.iter().filter(|request| request.is_prioritised) {
                for (rank, query) in request.alternatives.iter().enumerate() {
                    let chosen = format!("{}/{}", request.name, query.name);
                    if allocation.devices.iter().any(|device| device.request == chosen) {
                        score += ALTERNATIVES_MAX as i64 - rank as i64;
                    }
                }
            }
        }
        score
    }

    fn normalise(&self, _nodes: &[NodeInfo<'a>], scores: &mut [i64]) {
        by_highest(false, scores);
    }
}
