//! Small worlds for tests.

use super::instance_type::{InstanceType, Offering};
use super::node_pool::NodePool;
use super::requirements::{CAPACITY_TYPE_LABEL, INITIALIZED_LABEL, INSTANCE_TYPE_LABEL, NODE_POOL_LABEL};
use super::resources::{ResourceKind, ResourceList};
use super::scheduler::{Batch, BatchPod, Environment, NodeState};
use crate::model::cluster::{HOSTNAME_LABEL, ZONE_LABEL};
use crate::model::pod_spec::{LabelRequirement, LabelSelector, PodSpec, SelectorOperator};
use crate::model::{Label, PodClass, Resources};
use crate::units::MilliCpu;

pub(super) fn amounts(cpu: i64, pods: i64) -> ResourceList {
    [(ResourceKind::Cpu, cpu), (ResourceKind::Pods, pods)].into_iter().collect()
}

/// A type with so many milli-cores, sold on demand in the zones.
pub(super) fn machine(name: &str, cpu: i64, usd_per_hour: f64, zones: &[&str]) -> InstanceType {
    sold(name, cpu, zones.iter().map(|zone| Offering::new(zone, "on-demand", usd_per_hour)).collect())
}

pub(super) fn sold(name: &str, cpu: i64, offerings: Vec<Offering>) -> InstanceType {
    InstanceType::new(name, amounts(cpu, 110), ResourceList::default(), offerings)
}

pub(super) fn label(key: &str, value: &str) -> Label {
    Label { key: key.to_owned(), value: value.to_owned() }
}

/// A pod of an app that requests so many milli-cores.
pub(super) fn pod(app: &str, cpu: u64) -> PodClass {
    PodClass {
        requests: Resources { cpu: MilliCpu(cpu), pods: 1, ..Resources::default() },
        spec: Box::new(PodSpec { labels: vec![label("app", app)], ..PodSpec::default() }),
        ..PodClass::default()
    }
}

pub(super) fn selector(app: &str) -> Option<LabelSelector> {
    let values = vec![app.to_owned()];
    let requirement = LabelRequirement { key: "app".to_owned(), operator: SelectorOperator::In, values };
    Some(LabelSelector { requirements: vec![requirement] })
}

/// One pool with these types, and these kinds of pod.
pub(super) fn environment(types: Vec<InstanceType>, classes: Vec<PodClass>) -> Environment {
    Environment { pools: vec![(NodePool::named("default"), types)], classes, ..Environment::default() }
}

/// Pods that wait, by class.
pub(super) fn batch(classes: &[usize]) -> Batch {
    let pod = |(uid, class): (u64, &usize)| BatchPod { class: *class, created_s: 0, uid, node: None };
    Batch { pods: (0..).zip(classes).map(pod).collect(), ..Batch::default() }
}

/// A node of the first pool, of a type and with so many milli-cores left.
pub(super) fn node(name: &str, of: &InstanceType, zone: &str, capacity_type: &str, cpu_left: i64) -> NodeState {
    let labels = [
        (NODE_POOL_LABEL, "default"),
        (INITIALIZED_LABEL, "true"),
        (INSTANCE_TYPE_LABEL, &of.name),
        (ZONE_LABEL, zone),
        (CAPACITY_TYPE_LABEL, capacity_type),
        (HOSTNAME_LABEL, name),
    ];
    NodeState {
        name: name.to_owned(),
        labels: labels.iter().map(|(key, value)| label(key, value)).collect(),
        has_node: true,
        is_initialized: true,
        capacity: of.capacity.clone(),
        available: amounts(cpu_left, 100),
        ..NodeState::default()
    }
}
