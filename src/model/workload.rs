//! The pods: classes that the scheduler cannot tell apart, and the sources they arrive from.

use std::collections::BTreeMap;

use super::Dist;
use super::Images;
use super::cluster::{HOSTNAME_LABEL, Label, TaintEffect};
use super::controllers::Adoption;
use super::disruption::PodDisruption;
use super::made::Made;
use super::pod_spec::PodSpec;
use super::resources::Resources;
use crate::ids::{ClassId, GpuModelId, NodeId};
use crate::results::TextColumn;
use crate::units::{SimDuration, SimTime};

/// The pods of a run and when they arrive.
#[derive(Clone, Debug, Default)]
pub struct Workload {
    /// Classes by [`ClassId`].
    pub classes: Vec<PodClass>,
    /// Classes of pods that were resized in the run, whose ids follow.
    pub made: Made<ResizedClass>,
    /// Where pods come from. At one instant earlier sources come first.
    pub sources: Vec<ArrivalSource>,
    /// How common each class is in the workload that policies may know beforehand (class, pods or weight), in order
    /// of class. For a trace this is the whole file, before shuffling and inflation.
    pub popularity: Vec<(ClassId, f64)>,
    /// Images of containers and where they come from.
    pub images: Images,
}

/// Pods that the scheduler cannot tell apart.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct PodClass {
    /// Name of the template it comes from; several classes may share it.
    pub template: String,
    /// What each pod requests; `pods` is 1.
    pub requests: Resources,
    /// What each pod may use at most, if that is given. The scheduler does not look at it.
    pub limits: Option<Resources>,
    /// GPUs requested, if any.
    pub gpu: Option<GpuRequest>,
    /// Priority: a larger number goes first under the priority queue.
    pub priority: i32,
    /// Labels that the node must carry, sorted by key.
    pub node_selector: Vec<Label>,
    /// Taints that the pods tolerate.
    pub tolerations: Vec<Toleration>,
    /// What only kube-scheduler reads.
    pub spec: Box<PodSpec>,
    /// What the pods say about being moved, which only node autoscalers read.
    pub disruption: PodDisruption,
}

impl PodClass {
    /// The class of pods that ask for the node with that hostname, as the controller of DaemonSets makes them.
    #[must_use]
    pub fn on_node(&self, hostname: &str) -> PodClass {
        let mut class = self.clone();
        class.node_selector.retain(|label| label.key != HOSTNAME_LABEL);
        class.node_selector.push(Label { key: HOSTNAME_LABEL.to_owned(), value: hostname.to_owned() });
        class.node_selector.sort();
        class
    }
}

/// A class that the run has made: of pods that were resized, which differ from those that their template gives in requests,
/// limits and what scorers make of them; or of pods of a DaemonSet on a node that has joined, which differ in its name.
#[derive(Clone, Debug, PartialEq)]
pub struct ResizedClass {
    /// The class that its template gives.
    pub base: ClassId,
    /// The class.
    pub class: PodClass,
}

/// A request for GPUs.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct GpuRequest {
    /// How many devices, at least 1.
    pub count: u32,
    /// Share of each device in milli-GPU, 1 to 1000.
    pub milli: u16,
    /// Acceptable models in the order given; empty: any.
    pub models: Vec<GpuModelId>,
}

impl GpuRequest {
    /// The whole request in milli-GPU.
    pub fn total_milli(&self) -> u64 {
        u64::from(self.count) * u64::from(self.milli)
    }

    /// Whether a GPU of this model is acceptable.
    pub fn accepts(&self, model: GpuModelId) -> bool {
        self.models.is_empty() || self.models.contains(&model)
    }
}

/// A toleration, matched as Kubernetes does (`core/v1/toleration.go`).
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Toleration {
    /// Key of the taint; empty with [`TolerationOperator::Exists`]: every taint.
    pub key: String,
    /// How the value is compared.
    pub operator: TolerationOperator,
    /// Value of the taint.
    pub value: String,
    /// Effect of the taint; none: every effect.
    pub effect: Option<TaintEffect>,
    /// How long a running pod stays when such a taint of the effect [`TaintEffect::NoExecute`] comes
    /// (`tolerationSeconds`); none: for ever. Only a node lifecycle looks at it.
    pub duration: Option<SimDuration>,
}

/// How a toleration compares values.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum TolerationOperator {
    /// Key and value are equal.
    Equal,
    /// The key is there, whatever its value.
    Exists,
}

/// A stream of pods in order of arrival.
#[derive(Clone, Debug)]
pub enum ArrivalSource {
    /// Pods listed one by one, as in a trace.
    Listed(ListedPods),
    /// Pods drawn as they arrive.
    Generated(GeneratedPods),
}

/// Pods listed one by one.
#[derive(Clone, Debug, Default)]
pub struct ListedPods {
    /// The pods in order of arrival.
    pub pods: Vec<ListedPod>,
    /// Their names, in the same order.
    pub names: TextColumn,
    /// What had become of pods before the run, by position in [`ListedPods::pods`]. Pods that are new have no entry.
    pub states: BTreeMap<u32, ListedState>,
}

/// What had become of a listed pod before the run (`status` and `metadata` of a dump).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ListedState {
    /// When it started (`status.startTime`), in ns from the start of the run: zero or negative. None: as it arrives.
    pub start_ns: Option<i64>,
    /// The node on which preemption was making room for it (`status.nominatedNodeName`).
    pub nominated: Option<NodeId>,
    /// Whether it has been told to end (`metadata.deletionTimestamp`).
    pub is_terminating: bool,
    /// The object that made it, where that is one of the model's.
    pub owner: Option<Adoption>,
}

/// One listed pod.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ListedPod {
    /// Its class.
    pub class: ClassId,
    /// When it arrives.
    pub arrival: SimTime,
    /// How long it runs; none: for ever.
    pub duration: Option<SimDuration>,
    /// The node it is bound to already (`spec.nodeName`), if any; the scheduler does not see such a pod.
    pub node: Option<NodeId>,
}

/// Pods drawn as they arrive: class, gap and duration each from its own stream.
#[derive(Clone, Debug)]
pub struct GeneratedPods {
    /// Pods are called `<name>-<number>`, from 0.
    pub name: String,
    /// Classes and their weights, which are positive.
    pub classes: Vec<(ClassId, f64)>,
    /// How many pods arrive; none: until the horizon.
    pub count: Option<u64>,
    /// When the first can arrive.
    pub start: SimTime,
    /// How arrivals follow each other.
    pub arrivals: Arrivals,
    /// How long pods run; none: for ever.
    pub duration: Option<Dist>,
}

/// How arrivals follow each other.
#[derive(Clone, Debug, PartialEq)]
pub enum Arrivals {
    /// The first at the start, each of the others a drawn gap after the one before.
    Gaps(Dist),
    /// The first a drawn gap after the start, each of the others a drawn gap after the one before: with an exponential
    /// gap this is a Poisson process.
    Renewal(Dist),
    /// At the listed instants after the start, in order; the count is theirs.
    At(Vec<SimDuration>),
}

impl Workload {
    /// The id of `class`, which is added if it is new. Linear in the number of classes: importers of large traces
    /// keep their own index.
    pub fn intern_class(&mut self, class: PodClass) -> ClassId {
        let position = self.classes.iter().position(|other| *other == class).unwrap_or_else(|| {
            self.classes.push(class);
            self.classes.len() - 1
        });
        ClassId::from_index(position)
    }

    /// The class with that id.
    #[inline]
    pub fn class(&self, id: ClassId) -> &PodClass {
        match self.classes.get(id.index()) {
            Some(class) => class,
            None => &self.made_class(id).class,
        }
    }

    #[cold]
    fn made_class(&self, id: ClassId) -> &ResizedClass {
        self.made.get(id.index() - self.classes.len()).expect("there is a class of every id")
    }

    /// The class that the template of pods of a class gives: itself, unless they were resized.
    pub fn base_class(&self, id: ClassId) -> ClassId {
        if id.index() < self.classes.len() { id } else { self.made_class(id).base }
    }

    /// The id of a class of resized pods, which is added if it is new.
    pub fn intern_resized(&self, resized: ResizedClass) -> ClassId {
        let position = self.made.intern(|known| *known == resized, || resized.clone());
        ClassId::from_index(self.classes.len() + position)
    }

    /// The id of a new class of pods that differs from another in the name of the node that it asks for.
    pub fn add_on_node(&self, base: ClassId, hostname: &str) -> ClassId {
        let class = self.class(base).on_node(hostname);
        ClassId::from_index(self.classes.len() + self.made.push(ResizedClass { base, class }))
    }

    /// All classes that there are now, those of resized pods last.
    pub fn all_classes(&self) -> impl Iterator<Item = &PodClass> {
        self.classes.iter().chain(self.made.iter().map(|resized| &resized.class))
    }
}
