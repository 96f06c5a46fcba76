//! Quotas: the API server refuses pods that would bring their namespace over its quota (`plugin/pkg/admission/resourcequota`).
//!
//! Known deviations: pods that come from elsewhere than a controller count, and are never refused; `count/` of objects other
//! than pods is not limited.
//!
//! Cost: O(pods) for each pod made in a run with quotas.

use crate::engine::run::Simulation;
use crate::ids::{ClassId, ControllerId, PodId};
use crate::model::PodClass;
use crate::model::controllers::QuotaResource;
use crate::observe::Observer;
use crate::units::SimDuration;
use crate::world::Phase;

/// The first delay of a controller's rate limited queue, and the longest (`workqueue.DefaultTypedControllerRateLimiter`).
const RETRY: (SimDuration, SimDuration) = (SimDuration(5_000_000), SimDuration(1_000_000_000_000));
/// The same of the Job controller (`DefaultJobApiBackOff`, `MaxJobApiBackOff`).
const JOB_RETRY: (SimDuration, SimDuration) = (SimDuration(1_000_000_000), SimDuration(60_000_000_000));

impl<O: Observer> Simulation<'_, O> {
    /// Whether the quotas of its namespace let another pod of the class in.
    pub(super) fn quotas_allow(&self, class: ClassId) -> bool {
        let quotas = &self.model.controllers.quotas;
        if quotas.is_empty() {
            return true;
        }
        let new = self.model.workload.class(class);
        let here = quotas.iter().filter(|quota| quota.namespace == new.spec.namespace);
        here.flat_map(|quota| &quota.hard).all(|(resource, hard)| {
            let asked = amount(new, resource);
            asked == 0 || self.used(&new.spec.namespace, resource) + asked <= *hard
        })
    }

    /// What the pods of a namespace that have not ended take.
    fn used(&self, namespace: &str, resource: &QuotaResource) -> u64 {
        let pods = &self.world.pods;
        let is_counted = |pod: &PodId| {
            let phase = pods.phase[pod.index()];
            phase == Phase::Pending || phase.holds_node()
        };
        let classes = (0..pods.len()).map(PodId::from_index).filter(is_counted).map(|pod| pods.class[pod.index()]);
        let classes = classes.map(|class| self.model.workload.class(class));
        classes.filter(|class| class.spec.namespace == namespace).map(|class| amount(class, resource)).sum()
    }

    /// The API server has refused a pod: the controller gives up for now, and tries again after a wait that doubles.
    pub(super) fn note_refusal(&mut self, controller: ControllerId) {
        let loops = &mut self.controller_loops;
        if std::mem::replace(&mut loops.is_refused[controller.index()], true) {
            return;
        }
        let (shortest, longest) = if self.controller(controller).kind.job().is_some() { JOB_RETRY } else { RETRY };
        let failures = &mut self.world.owners.controllers[controller.index()].refusals;
        let wait = SimDuration(shortest.0.saturating_mul(1 << (*failures).min(30))).min(longest);
        *failures += 1;
        self.request_sync(controller, self.world.time.after(wait));
    }
}

/// What a pod of the class takes of a resource.
fn amount(class: &PodClass, resource: &QuotaResource) -> u64 {
    let limits = class.limits.as_ref();
    match resource {
        QuotaResource::Pods => 1,
        QuotaResource::RequestsCpu => class.requests.cpu.0,
        QuotaResource::RequestsMemory => class.requests.memory.0,
        QuotaResource::RequestsEphemeralStorage => class.requests.ephemeral_storage.0,
        QuotaResource::RequestsExtended(at) => class.requests.extended.get(*at).copied().unwrap_or(0),
        QuotaResource::LimitsCpu => limits.map_or(0, |limits| limits.cpu.0),
        QuotaResource::LimitsMemory => limits.map_or(0, |limits| limits.memory.0),
        QuotaResource::LimitsEphemeralStorage => limits.map_or(0, |limits| limits.ephemeral_storage.0),
        QuotaResource::Count(_) => 0,
    }
}
