//! The life of a node that was ordered: how long it may take, when it has drifted or expired, and what a warning does.
//!
//! Source: `pkg/controllers/nodeclaim` of Karpenter v1.15.0; for interruptions, `pkg/controllers/interruption` of the AWS
//! provider, as Karpenter itself has none.

use super::instance_type::InstanceType;
use super::node_pool::{NodePool, NodeTemplate};
use super::requirement::{Operator, Requirement};
use super::requirements::{
    CAPACITY_TYPE_LABEL, INSTANCE_TYPE_LABEL, ON_DEMAND, RESERVED, Requirements, WellKnownLabels,
};
use crate::model::Label;
use crate::units::{SimDuration, SimTime};

/// How long a launch may take before the order is given up (`LaunchTimeout`), in seconds.
pub const LAUNCH_TIMEOUT_S: f64 = 300.0;
/// How long a machine may take to register as a node before it is given up (`registrationTimeout`), in seconds. There is no
/// limit on the time from there until it is initialised.
pub const REGISTRATION_TIMEOUT_S: f64 = 900.0;
/// Events of a node's pods that follow one another by less count as one (`dedupeTimeout`), in seconds.
pub const POD_EVENT_DEDUPE_S: f64 = 10.0;
/// How long a node must have existed before it is checked that its type is still sold, in seconds.
pub const TYPE_CHECK_AGE_S: f64 = 3600.0;
/// For how long an offering that failed is taken to be unavailable (the AWS provider's `UnavailableOfferingsTTL`), in
/// seconds.
pub const UNAVAILABLE_OFFERING_TTL_S: f64 = 180.0;

/// When an order is given up unless the machine is launched, or registered, by then (`Liveness`); none: never, as it has
/// registered.
pub fn given_up_at(created: SimTime, launched: bool, registered: bool) -> Option<SimTime> {
    let timeout_s = if launched { REGISTRATION_TIMEOUT_S } else { LAUNCH_TIMEOUT_S };
    (!registered).then(|| created.after(SimDuration::from_seconds(timeout_s)))
}

/// When a node goes because of its age, whatever budgets say; none: never.
pub fn expires_at(template: &NodeTemplate, created: SimTime) -> Option<SimTime> {
    template.expire_after.map(|after| created.after(after))
}

/// For how long a place that was promised to a pod keeps a node from being disrupted (`nominationWindow`): twice the longest
/// batch, but 10 s at least.
pub fn nomination_window(batch_max: SimDuration) -> SimDuration {
    SimDuration((batch_max.0 * 2).max(SimDuration::from_seconds(10.0).0))
}

/// Whether an event of a node's pods counts, after the last one that did.
pub fn pod_event_counts(last: Option<SimTime>, now: SimTime) -> bool {
    last.is_none_or(|last| now.since(last) >= SimDuration::from_seconds(POD_EVENT_DEDUPE_S))
}

/// Why a node has drifted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DriftReason {
    /// The template of its pool has changed.
    NodePoolDrifted,
    /// Its labels do not meet the requirements of its pool.
    RequirementsDrifted,
    /// Its type is not sold any more as it was bought.
    InstanceTypeNotFound,
}

/// Whether a node, with these labels, bought when its pool was as `bought`, has drifted (`isDrifted`). The types are looked
/// at only where they are given: not in the first hour of a node ([`TYPE_CHECK_AGE_S`]).
pub fn drift(
    pool: &NodePool,
    bought: &NodeTemplate,
    labels: &[Label],
    types: Option<&[InstanceType]>,
    well_known: &WellKnownLabels,
) -> Option<DriftReason> {
    if pool.drift_identity() != *bought {
        return Some(DriftReason::NodePoolDrifted);
    }
    let of_node = Requirements::of_labels(labels);
    if !of_node.is_compatible(&pool.requirements(), &WellKnownLabels::none()) {
        return Some(DriftReason::RequirementsDrifted);
    }
    let is_sold = types.is_none_or(|types| is_sold(types, of_node, well_known));
    (!is_sold).then_some(DriftReason::InstanceTypeNotFound)
}

/// Whether a type is offered as a node was bought. Reserved capacity may have become plain capacity since.
fn is_sold(types: &[InstanceType], mut labels: Requirements, well_known: &WellKnownLabels) -> bool {
    let value = |labels: &Requirements, key: &str| labels.get(key).and_then(Requirement::single).map(str::to_owned);
    let name = value(&labels, INSTANCE_TYPE_LABEL);
    if value(&labels, CAPACITY_TYPE_LABEL).as_deref() == Some(RESERVED) {
        labels.set(CAPACITY_TYPE_LABEL, Requirement::new(Operator::In, [RESERVED, ON_DEMAND]));
    }
    let instance_type = types.iter().find(|it| Some(&it.name) == name.as_ref());
    instance_type.is_some_and(|it| it.compatible(&labels, well_known).next().is_some())
}

/// What a cloud warns of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Interruption {
    /// A spot machine will be taken back soon.
    Spot,
    /// A spot machine is likely to be taken back.
    RebalanceRecommendation,
    /// Maintenance will stop the machine.
    ScheduledChange,
    /// The machine is stopping or gone.
    StateChange,
}

/// What to do about a warning.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct InterruptionResponse {
    /// Whether the node is told to go at once, whatever budgets say; its pods get places as those of any node that goes.
    pub deletes_node: bool,
    /// Whether spot capacity of its type in its zone is taken to be unavailable for [`UNAVAILABLE_OFFERING_TTL_S`].
    pub marks_unavailable: bool,
}

/// What a warning does.
pub fn respond(interruption: Interruption) -> InterruptionResponse {
    InterruptionResponse {
        deletes_node: interruption != Interruption::RebalanceRecommendation,
        marks_unavailable: interruption == Interruption::Spot,
    }
}
