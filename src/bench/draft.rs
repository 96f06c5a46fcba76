//! The pieces that workloads are put together from: upstream's node and pod templates, and models in the making.

use super::workloads::Size;
use crate::ids::{ClassId, PoolId};
use crate::model::cluster::ZONE_LABEL;
use crate::model::pod_spec::{LabelRequirement, LabelSelector, PodAffinityTerm, SelectorOperator};
use crate::model::{
    ArrivalSource, Arrivals, Cluster, ControlPlane, Controllers, Delays, Dist, GeneratedPods, Label, ListedPod,
    ListedPods, Model, Node, NodeShape, Objects, OnEviction, OnUnschedulable, Outputs, PodClass, PodSpec, PolicyChoice,
    Pool, Resources, Scheduling, ScriptedAction, Workload,
};
use crate::rng::Seed;
use crate::units::{Bytes, MilliCpu, SimDuration, SimTime};

/// When the measured pods begin to arrive; the initial pods, which arrive at 0, have long been placed.
pub(super) const MEASURED_FROM: SimTime = SimTime(60_000_000_000);
/// How long a run goes on after the last arrival, so that pods in back-off get their turn: three times the longest
/// back-off of kube-scheduler.
const AFTERWARDS: SimDuration = SimDuration(30_000_000_000);
/// The gap between measured pods where other things happen in between: 500 pods a second, about what upstream reaches.
pub(super) const GAP: SimDuration = SimDuration(2_000_000);
/// The namespaces of initial and measured pods where upstream keeps them apart.
pub(super) const NAMESPACES: [&str; 2] = ["sched-0", "sched-1"];

const GIB: u64 = 1 << 30;
const MIB: u64 = 1 << 20;

/// A model in the making.
#[derive(Debug)]
pub(super) struct Draft {
    pub(super) cluster: Cluster,
    pub(super) objects: Objects,
    pub(super) workload: Workload,
    pub(super) script: Vec<ScriptedAction>,
    /// When the last pod arrives.
    last_arrival: SimTime,
}

/// What a node of upstream's `node-default.yaml` offers.
pub(super) fn node_default() -> NodeShape {
    let allocatable = Resources { cpu: MilliCpu(4000), memory: Bytes(32 * GIB), pods: 110, ..Resources::default() };
    NodeShape { allocatable, ..NodeShape::default() }
}

/// What the node of upstream's `node-with-name.yaml` offers, with a slot for every pod that comes.
pub(super) fn node_with_name(size: Size) -> NodeShape {
    let mut shape = node_default();
    shape.allocatable.pods = (u64::from(size.initial) * 2 + u64::from(size.measured)).max(90_000);
    shape
}

/// A pod of one container that requests this much.
pub(super) fn pod(template: &str, cpu_milli: u64, memory_mib: u64) -> PodClass {
    let requests =
        Resources { cpu: MilliCpu(cpu_milli), memory: Bytes(memory_mib * MIB), pods: 1, ..Resources::default() };
    let spec = PodSpec { images: vec!["pause".to_owned()], ..PodSpec::default() };
    PodClass { template: template.to_owned(), requests, spec: Box::new(spec), ..PodClass::default() }
}

/// Upstream's `pod-default.yaml`.
pub(super) fn pod_default() -> PodClass {
    pod("pod-default", 100, 500)
}

/// Upstream's `light-pod.yaml`: it requests nothing but its slot.
pub(super) fn light_pod() -> PodClass {
    pod("light-pod", 0, 0)
}

/// Upstream's `pod-high-priority-large-cpu.yaml`: it fits no node.
pub(super) fn large_pod() -> PodClass {
    PodClass { priority: 10, ..pod("pod-high-priority-large-cpu", 9000, 500) }
}

/// A pod as `pod_default` with one label.
pub(super) fn colored(template: &str, color: &str) -> PodClass {
    let mut class = PodClass { template: template.to_owned(), ..pod_default() };
    class.spec.labels = vec![label("color", color)];
    class
}

/// The same pod in another namespace.
pub(super) fn in_namespace(class: &PodClass, namespace: &str) -> PodClass {
    let mut class = class.clone();
    class.spec.namespace = namespace.to_owned();
    class
}

/// A label.
pub(super) fn label(key: &str, value: &str) -> Label {
    Label { key: key.to_owned(), value: value.to_owned() }
}

/// The requirement that a label or field has one of these values.
pub(super) fn one_of(key: &str, values: &[&str]) -> LabelRequirement {
    let values = values.iter().map(|&value| value.to_owned()).collect();
    LabelRequirement { key: key.to_owned(), operator: SelectorOperator::In, values }
}

/// Pods of one colour.
pub(super) fn color_selector(color: &str) -> LabelSelector {
    LabelSelector { requirements: vec![one_of("color", &[color])] }
}

/// The affinity term of upstream's templates: pods of this colour in both namespaces.
pub(super) fn color_term(color: &str, topology_key: &str) -> PodAffinityTerm {
    PodAffinityTerm {
        selector: Some(color_selector(color)),
        namespaces: NAMESPACES.iter().rev().map(|&name| name.to_owned()).collect(),
        namespace_selector: None,
        topology_key: topology_key.to_owned(),
    }
}

impl Draft {
    /// A model without nodes and pods.
    pub(super) fn new() -> Draft {
        Draft {
            cluster: Cluster::default(),
            objects: Objects::default(),
            workload: Workload::default(),
            script: Vec::new(),
            last_arrival: MEASURED_FROM,
        }
    }

    /// Adds a pool of nodes called `<name>-<number>`, spread over the zones in turn; without zones they have none.
    pub(super) fn pool(&mut self, name: &str, count: u32, shape: &NodeShape, zones: &[&str]) -> PoolId {
        let pool = PoolId::from_index(self.cluster.pools.len());
        let variants: Vec<NodeShape> = match zones {
            [] => vec![shape.clone()],
            zones => zones.iter().map(|zone| self.in_zone(shape, zone)).collect(),
        };
        let shapes: Vec<_> = variants
            .into_iter()
            .map(|variant| self.cluster.intern_shape(NodeShape { pool: Some(pool), ..variant }))
            .collect();
        let nodes = (0..count).map(|number| Node {
            name: format!("{name}-{number}"),
            shape: shapes[number as usize % shapes.len()],
            unschedulable: false,
        });
        self.cluster.nodes.extend(nodes);
        self.cluster.pools.push(Pool { name: name.to_owned(), shapes });
        pool
    }

    fn in_zone(&mut self, shape: &NodeShape, zone: &str) -> NodeShape {
        let mut shape = shape.clone();
        shape.zone = Some(self.cluster.intern_zone(zone));
        shape.labels.push(label(ZONE_LABEL, zone));
        shape.labels.sort();
        shape
    }

    /// Adds a source of `count` like pods that stay.
    pub(super) fn pods(&mut self, name: &str, class: PodClass, count: u32, start: SimTime, gap: SimDuration) {
        let class = self.workload.intern_class(class);
        self.count(class, count);
        self.note_arrival(start, gap, count);
        self.workload.sources.push(ArrivalSource::Generated(GeneratedPods {
            name: name.to_owned(),
            classes: vec![(class, 1.0)],
            count: Some(count.into()),
            start,
            arrivals: Arrivals::Gaps(Dist::Constant(gap)),
            duration: None,
        }));
    }

    /// Adds a source of pods with class and duration of each.
    pub(super) fn listed(
        &mut self,
        name: &str,
        arrival: SimTime,
        pods: impl Iterator<Item = (ClassId, Option<SimDuration>)>,
    ) {
        let mut listed = ListedPods::default();
        for (number, (class, duration)) in pods.enumerate() {
            listed.names.push_fmt(format_args!("{name}-{number}"));
            listed.pods.push(ListedPod { class, arrival, duration, node: None });
            self.count(class, 1);
        }
        self.note_arrival(arrival, SimDuration::ZERO, 0);
        self.workload.sources.push(ArrivalSource::Listed(listed));
    }

    fn count(&mut self, class: ClassId, count: u32) {
        let known = &mut self.workload.popularity;
        match known.binary_search_by_key(&class, |row| row.0) {
            Ok(position) => known[position].1 += f64::from(count),
            Err(position) => known.insert(position, (class, f64::from(count))),
        }
    }

    fn note_arrival(&mut self, start: SimTime, gap: SimDuration, count: u32) {
        let span = SimDuration(gap.0 * u64::from(count.saturating_sub(1)));
        self.last_arrival = self.last_arrival.max(start.after(span));
    }

    /// The two sources that every workload has: pods that arrive at 0, and those that are measured, which arrive at
    /// once or with a gap.
    pub(super) fn initial_and_measured(&mut self, size: Size, initial: PodClass, measured: PodClass, gap: SimDuration) {
        self.pods("initial", initial, size.initial, SimTime::ZERO, SimDuration::ZERO);
        self.pods("measured", measured, size.measured, MEASURED_FROM, gap);
    }

    /// How often something that happens every `period` happens while the measured pods arrive.
    pub(super) fn rounds(&self, period: SimDuration) -> u32 {
        let span = self.last_arrival.since(MEASURED_FROM);
        u32::try_from(span.0 / period.0).expect("a workload has fewer than 2^32 pods, 2 ms apart")
    }

    /// The model, complete.
    pub(super) fn finish(self, name: &str, summary: &str) -> Model {
        Model {
            name: name.to_owned(),
            description: summary.to_owned(),
            seed: Seed { base: 1, replication: 0 },
            horizon: Some(self.last_arrival.after(AFTERWARDS)),
            cluster: self.cluster,
            workload: self.workload,
            controllers: Controllers::default(),
            control_plane: ControlPlane::default(),
            objects: self.objects,
            scheduling: Scheduling {
                policy: PolicyChoice::named(super::workloads::DEFAULT_POLICY),
                queue: PolicyChoice::named("priority"),
                on_unschedulable: OnUnschedulable::Wait,
                on_eviction: OnEviction::End,
                delays: Delays::default(),
                kube_scheduler: None,
            },
            script: self.script,
            faults: crate::model::Faults::default(),
            traffic: crate::model::Traffic::default(),
            autoscaling: crate::model::Autoscaling::default(),
            provisioning: crate::model::Provisioning::default(),
            functions: None,
            sizing: None,
            power: None,
            carbon: None,
            outputs: Outputs::default(),
        }
    }
}
