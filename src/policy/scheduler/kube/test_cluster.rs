//! Small clusters for tests of plug-ins: nodes with labels, and pods placed one by one.

use crate::ids::{ClassId, NodeId, PodId};
use crate::model::kube_scheduler::{PluginArguments, Profile};
use crate::model::pod_spec::{
    LabelRequirement, LabelSelector, NodeSelectorTerm, PodAffinityTerm, SelectorOperator, TopologySpreadConstraint,
    WhenUnsatisfiable,
};
use crate::model::{
    ArrivalSource, Cluster, Label, ListedPods, Model, Node, NodeShape, PodClass, PodSpec, Resources, Workload,
};
use crate::policy::scheduler::kube::diagnosis::Diagnosis;
use crate::policy::scheduler::kube::framework::{Filters, Framework, PluginScores};
use crate::policy::scheduler::kube::{Code, Cycle, NodeInfo};
use crate::testkit;
use crate::units::{Bytes, MilliCpu, SimTime};
use crate::world::{Phase, View, World};

/// Labels from `a=b c=d`.
pub(super) fn labels(text: &str) -> Vec<Label> {
    let label = |pair: &str| {
        let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
        Label { key: key.to_owned(), value: value.to_owned() }
    };
    let mut labels: Vec<Label> = text.split_whitespace().map(label).collect();
    labels.sort();
    labels
}

/// A requirement from `key`, `!key`, `key=value`, `key!=value`; values are parted by `|`.
fn requirement(text: &str) -> LabelRequirement {
    let (key, operator, values) = match (text.split_once("!="), text.split_once('='), text.strip_prefix('!')) {
        (Some((key, values)), _, _) => (key, SelectorOperator::NotIn, values),
        (_, Some((key, values)), _) => (key, SelectorOperator::In, values),
        (_, _, Some(key)) => (key, SelectorOperator::DoesNotExist, ""),
        _ => (text, SelectorOperator::Exists, ""),
    };
    let values = values.split('|').filter(|value| !value.is_empty()).map(str::to_owned).collect();
    LabelRequirement { key: key.to_owned(), operator, values }
}

/// A selector from requirements such as `app=web tier!=db`.
pub(super) fn selector(text: &str) -> LabelSelector {
    LabelSelector { requirements: text.split_whitespace().map(requirement).collect() }
}

/// A term of node affinity from requirements on labels.
pub(super) fn node_term(text: &str) -> NodeSelectorTerm {
    NodeSelectorTerm { expressions: selector(text).requirements, fields: vec![] }
}

/// A term of pod affinity that looks into the pod's own namespace.
pub(super) fn term(text: &str, topology_key: &str) -> PodAffinityTerm {
    let selector = Some(selector(text));
    PodAffinityTerm { selector, namespaces: vec![], namespace_selector: None, topology_key: topology_key.to_owned() }
}

/// A hard spread constraint with the defaults of the API.
pub(super) fn hard(max_skew: i32, topology_key: &str, pods: &str) -> TopologySpreadConstraint {
    TopologySpreadConstraint {
        max_skew,
        topology_key: topology_key.to_owned(),
        when_unsatisfiable: WhenUnsatisfiable::DoNotSchedule,
        selector: Some(selector(pods)),
        min_domains: None,
        honors_node_affinity: true,
        honors_node_taints: false,
        match_label_keys: vec![],
    }
}

/// A soft spread constraint with the defaults of the API.
pub(super) fn soft(max_skew: i32, topology_key: &str, pods: &str) -> TopologySpreadConstraint {
    let when_unsatisfiable = WhenUnsatisfiable::ScheduleAnyway;
    TopologySpreadConstraint { when_unsatisfiable, ..hard(max_skew, topology_key, pods) }
}

/// A class of pods with these labels that requests its slot only.
pub(super) fn pod(text: &str) -> PodClass {
    let spec = PodSpec { labels: labels(text), ..PodSpec::default() };
    let requests = Resources { pods: 1, ..Resources::default() };
    PodClass { template: text.to_owned(), requests, spec: Box::new(spec), ..PodClass::default() }
}

/// A class of pods, changed.
pub(super) fn pod_with(text: &str, change: impl FnOnce(&mut PodClass)) -> PodClass {
    let mut class = pod(text);
    change(&mut class);
    class
}

/// A cluster in the making.
#[derive(Clone, Debug)]
pub(super) struct TestCluster {
    /// What the run is; tests may change it before they look.
    pub model: Model,
    /// Where pods are to go: class and node, in order.
    placed: Vec<(ClassId, NodeId)>,
}

/// The model and the world of a finished cluster.
#[derive(Debug)]
pub(super) struct Scene {
    pub model: Model,
    pub world: World,
    pub nodes: Vec<NodeId>,
    pub arguments: PluginArguments,
}

impl TestCluster {
    /// A cluster of nodes, each a name and labels, such as `a zone=1`; every node has its hostname, 4 cores and 110
    /// slots.
    pub(super) fn new(nodes: &[&str]) -> TestCluster {
        let mut cluster = Cluster::default();
        for text in nodes {
            let (name, rest) = text.split_once(' ').unwrap_or((text, ""));
            let allocatable =
                Resources { cpu: MilliCpu(4000), memory: Bytes(1 << 34), pods: 110, ..Resources::default() };
            let shape = cluster.intern_shape(NodeShape { labels: labels(rest), allocatable, ..NodeShape::default() });
            cluster.nodes.push(Node { name: name.to_owned(), shape, unschedulable: false });
        }
        let source = ArrivalSource::Listed(ListedPods::default());
        let workload = Workload { sources: vec![source], ..Workload::default() };
        TestCluster { model: testkit::model(cluster, workload), placed: vec![] }
    }

    /// The shape of a node, for changes; nodes of one shape change together.
    pub(super) fn shape(&mut self, node: u32) -> &mut NodeShape {
        let shape = self.model.cluster.nodes[node as usize].shape;
        &mut self.model.cluster.shapes[shape.0 as usize]
    }

    /// Places pods of a class on nodes.
    pub(super) fn place(mut self, class: &PodClass, nodes: &[u32]) -> TestCluster {
        let class = self.model.workload.intern_class(class.clone());
        self.placed.extend(nodes.iter().map(|&node| (class, NodeId(node))));
        self
    }

    /// The cluster as it is, with one pod of `incoming` that waits; it is the last pod. Pod 0 started at 0 s, pod 1 at
    /// 1 s, and so on.
    pub(super) fn scene(mut self, incoming: &PodClass) -> Scene {
        let incoming = self.model.workload.intern_class(incoming.clone());
        if let ArrivalSource::Listed(listed) = &mut self.model.workload.sources[0] {
            (0..=self.placed.len()).for_each(|pod| listed.names.push(&format!("p{pod}")));
        }
        let mut world = World::new(&self.model);
        for (number, &(class, node)) in self.placed.iter().enumerate() {
            world.time = SimTime(number as u64 * 1_000_000_000);
            let pod = world.arrive((0, number as u32), class, u64::MAX);
            world.place(self.model.workload.class(class), pod, node, 0);
            world.set_phase(pod, Phase::Running);
            world.pods.bound[pod.index()] = world.time;
            world.pods.start_ns[pod.index()] = number as i64 * 1_000_000_000;
            world.pods.running[pod.index()] = world.time;
        }
        world.time = SimTime(1_000_000_000_000);
        world.arrive((0, self.placed.len() as u32), incoming, u64::MAX);
        let nodes = (0..world.nodes.len()).map(NodeId::from_index).collect();
        Scene { model: self.model, world, nodes, arguments: PluginArguments::default() }
    }
}

impl Scene {
    /// The pod that waits.
    pub(super) fn incoming(&self) -> PodId {
        PodId::from_index(self.world.pods.len() - 1)
    }

    /// Its cycle.
    pub(super) fn cycle(&self) -> Cycle<'_> {
        let view = View { model: &self.model, world: &self.world };
        let pod = self.incoming();
        let class = self.world.pods.class[pod.index()];
        Cycle { view, pod: Some(pod), class, nodes: &self.nodes, arguments: &self.arguments }
    }

    /// A framework with these plug-ins, each weighing 1.
    pub(super) fn framework(&self, plugins: &[&str]) -> Framework {
        let mut profile = Profile { arguments: self.arguments.clone(), ..Profile::default() };
        for point in &mut profile.plugins.points {
            point.retain(|(name, _)| plugins.contains(&name.as_str()));
        }
        Framework::new(&profile).expect("the plug-ins exist")
    }

    /// The filters of a plug-in; none where it skips.
    pub(super) fn filters(&self, plugin: &str) -> Filters<'_> {
        self.framework(&[plugin]).pre_filter(&self.cycle()).expect("the pod is not rejected before the filters")
    }

    /// What filters say of each node: `.` fits, `u` unschedulable, `x` unresolvable.
    pub(super) fn verdicts<'a>(&'a self, filters: &Filters<'a>) -> String {
        let verdict = |&node: &NodeId| match filters.filter(&NodeInfo::new(self.cycle().view, node)) {
            Ok(()) => '.',
            Err(rejection) if rejection.code == Code::Unschedulable => 'u',
            Err(_) => 'x',
        };
        self.nodes.iter().map(verdict).collect()
    }

    /// What a plug-in says of each node.
    pub(super) fn filtered(&self, plugin: &str) -> String {
        self.verdicts(&self.filters(plugin))
    }

    /// The scores that a plug-in gives these nodes, as they are and normalised.
    pub(super) fn scores(&self, plugin: &str, feasible: &[u32]) -> PluginScores {
        let view = self.cycle().view;
        let feasible: Vec<_> = feasible.iter().map(|&node| NodeInfo::new(view, NodeId(node))).collect();
        self.framework(&[plugin]).score(&self.cycle(), &feasible).remove(0)
    }

    /// What these filters say of all nodes, as a diagnosis.
    pub(super) fn diagnosis<'a>(&'a self, filters: &Filters<'a>) -> Diagnosis {
        let reject = |&node: &NodeId| Some((node, filters.filter(&NodeInfo::new(self.cycle().view, node)).err()?));
        Diagnosis { nodes: self.nodes.iter().filter_map(reject).collect(), ..Diagnosis::default() }
    }
}
