//! What kube-scheduler reads of a pod beside its requests: labels, affinity, spreading, ports, images, volumes, claims.
//!
//! The types mirror `k8s.io/api/core/v1` of v1.37.0, completed by the defaults of the API server, with quantities and
//! enumerations parsed and everything left out that has no bearing on where or when a pod is placed.

use super::cluster::Label;

/// The namespace of pods that name none.
pub const DEFAULT_NAMESPACE: &str = "default";
/// The scheduler of pods that name none.
pub const DEFAULT_SCHEDULER_NAME: &str = "default-scheduler";

/// The parts of a pod's `spec` and `metadata` that only kube-scheduler reads. Pods of one class share it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct PodSpec {
    /// `metadata.namespace`.
    pub namespace: String,
    /// `metadata.labels`, sorted by key.
    pub labels: Vec<Label>,
    /// The controller that owns the pod, if any.
    pub owner: Option<Owner>,
    /// `spec.schedulerName`: which profile places the pod.
    pub scheduler_name: String,
    /// `spec.schedulingGates`: names; while there is one the pod is not tried.
    pub scheduling_gates: Vec<String>,
    /// Whether `spec.preemptionPolicy` is `Never`.
    pub never_preempts: bool,
    /// `spec.affinity.nodeAffinity`.
    pub node_affinity: NodeAffinity,
    /// `spec.affinity.podAffinity`.
    pub pod_affinity: PodAffinity,
    /// `spec.affinity.podAntiAffinity`.
    pub pod_anti_affinity: PodAffinity,
    /// `spec.topologySpreadConstraints`.
    pub topology_spread: Vec<TopologySpreadConstraint>,
    /// Ports of the node that the containers take, sorted.
    pub host_ports: Vec<HostPort>,
    /// Images of init containers, containers and image volumes, in that order, as written; each counts, empty or not.
    pub images: Vec<String>,
    /// Milli-cores and bytes of memory as upstream's scorers count them: with 100 milli-cores and 200 MiB for each
    /// container that requests none (`pkg/scheduler/util/pod_resources.go`); none: what the pod requests, or those
    /// amounts where it requests nothing.
    pub scoring_request: Option<(u64, u64)>,
    /// As `scoring_request`, but without pod-level requests, which `NodeResourcesFit` of v1.37.0 leaves out when it scores
    /// the pod itself (`NewFit` of `noderesources/fit.go` does not pass the feature on to its scorer); none: the same.
    pub fit_scoring_request: Option<(u64, u64)>,
    /// `spec.volumes`, as far as they matter to placement.
    pub volumes: Vec<PodVolume>,
    /// `spec.resourceClaims`.
    pub resource_claims: Vec<PodResourceClaim>,
    /// `spec.schedulingGroup.podGroupName`: the gang that the pod belongs to.
    pub pod_group: Option<String>,
    /// Features that a node must declare, sorted (`component-helpers/nodedeclaredfeatures`):
    /// `RestartAllContainersOnContainerExits` if some container's `restartPolicyRules` have the action
    /// `RestartAllContainers`, `UserNamespacesHostNetworkSupport` if `hostNetwork` is true and `hostUsers` false,
    /// `VolumeBindMountOptions` if some volume mount has `bindMountOptions`.
    pub required_features: Vec<String>,
}

impl Default for PodSpec {
    fn default() -> PodSpec {
        PodSpec {
            namespace: DEFAULT_NAMESPACE.to_owned(),
            labels: Vec::new(),
            owner: None,
            scheduler_name: DEFAULT_SCHEDULER_NAME.to_owned(),
            scheduling_gates: Vec::new(),
            never_preempts: false,
            node_affinity: NodeAffinity::default(),
            pod_affinity: PodAffinity::default(),
            pod_anti_affinity: PodAffinity::default(),
            topology_spread: Vec::new(),
            host_ports: Vec::new(),
            images: Vec::new(),
            scoring_request: None,
            fit_scoring_request: None,
            volumes: Vec::new(),
            resource_claims: Vec::new(),
            pod_group: None,
            required_features: Vec::new(),
        }
    }
}

/// The controller of a pod.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Owner {
    /// Its API group and version, such as `apps/v1`.
    pub api_version: String,
    /// Its kind, such as `ReplicaSet`.
    pub kind: String,
    /// Its name.
    pub name: String,
}

/// `v1.LabelSelector`: all requirements hold; an empty one selects everything.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct LabelSelector {
    /// The requirements, those of `matchLabels` first, each group sorted.
    pub requirements: Vec<LabelRequirement>,
}

/// One requirement on the value of a label.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct LabelRequirement {
    /// The label.
    pub key: String,
    /// How it is compared.
    pub operator: SelectorOperator,
    /// What with; one number for [`SelectorOperator::Gt`] and [`SelectorOperator::Lt`].
    pub values: Vec<String>,
}

/// How a label is compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum SelectorOperator {
    /// It is there and its value is one of those listed.
    In,
    /// It is not there or its value is none of those listed.
    NotIn,
    /// It is there.
    Exists,
    /// It is not there.
    DoesNotExist,
    /// It is there, a whole number, and larger. Nodes only.
    Gt,
    /// It is there, a whole number, and smaller. Nodes only.
    Lt,
}

/// `v1.NodeAffinity`.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct NodeAffinity {
    /// Terms of which a node must meet at least one; none: any node will do. An empty list is met by no node.
    pub required: Option<Vec<NodeSelectorTerm>>,
    /// Terms that earn their weight, 1 to 100.
    pub preferred: Vec<(i32, NodeSelectorTerm)>,
}

/// `v1.NodeSelectorTerm`: all requirements hold; without any it is met by no node.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct NodeSelectorTerm {
    /// Requirements on labels.
    pub expressions: Vec<LabelRequirement>,
    /// Requirements on fields; the one field there is is `metadata.name`.
    pub fields: Vec<LabelRequirement>,
}

/// `v1.PodAffinity` and `v1.PodAntiAffinity`.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct PodAffinity {
    /// Terms that must all hold.
    pub required: Vec<PodAffinityTerm>,
    /// Terms that earn their weight, 1 to 100.
    pub preferred: Vec<(i32, PodAffinityTerm)>,
}

/// `v1.PodAffinityTerm`, with `matchLabelKeys` and `mismatchLabelKeys` merged into the selector as the API server does.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct PodAffinityTerm {
    /// Which pods; none selects none.
    pub selector: Option<LabelSelector>,
    /// Namespaces by name; the pod's own where both these and the selector are missing.
    pub namespaces: Vec<String>,
    /// Namespaces by label; none selects none, an empty one all.
    pub namespace_selector: Option<LabelSelector>,
    /// The label whose equal values make nodes one domain.
    pub topology_key: String,
}

/// `v1.TopologySpreadConstraint`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct TopologySpreadConstraint {
    /// How far a domain may be above the emptiest one, at least 1.
    pub max_skew: i32,
    /// The label whose equal values make nodes one domain.
    pub topology_key: String,
    /// Whether the constraint keeps pods away or only scores.
    pub when_unsatisfiable: WhenUnsatisfiable,
    /// Which pods of the same namespace are counted; none selects none.
    pub selector: Option<LabelSelector>,
    /// As long as there are fewer domains, the emptiest one counts as empty.
    pub min_domains: Option<i32>,
    /// Whether nodes that affinity or selector exclude are left out of account; the default is yes.
    pub honors_node_affinity: bool,
    /// Whether nodes with taints that the pod does not tolerate are left out of account; the default is no.
    pub honors_node_taints: bool,
    /// Labels whose values on the pod itself are added to the selector.
    pub match_label_keys: Vec<String>,
}

/// What becomes of a pod that would break a spread constraint.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum WhenUnsatisfiable {
    /// It is kept away.
    DoNotSchedule,
    /// It is placed; better spread nodes score higher.
    ScheduleAnyway,
}

/// A port of the node that a container takes.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct HostPort {
    /// Address of the node; `0.0.0.0` stands for all.
    pub ip: String,
    /// `TCP`, `UDP` or `SCTP`.
    pub protocol: String,
    /// 1 to 65535.
    pub port: i32,
}

/// A volume that matters to placement.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum PodVolume {
    /// A claim of the pod's namespace, by name; for an ephemeral volume the one named after pod and volume.
    Claim {
        /// Name of the PersistentVolumeClaim.
        name: String,
        /// Whether it is created for the pod (`ephemeral`) and must be owned by it.
        is_ephemeral: bool,
        /// Whether the pod only reads it.
        read_only: bool,
    },
    /// A Google persistent disk.
    GcePersistentDisk {
        /// `pdName`.
        name: String,
        /// Whether it is only read.
        read_only: bool,
    },
    /// An EBS volume.
    AwsElasticBlockStore {
        /// `volumeID`.
        id: String,
    },
    /// A Ceph image.
    Rbd {
        /// `monitors`.
        monitors: Vec<String>,
        /// `pool`.
        pool: String,
        /// `image`.
        image: String,
        /// Whether it is only read.
        read_only: bool,
    },
    /// An iSCSI target.
    Iscsi {
        /// `iqn`.
        iqn: String,
        /// Whether it is only read.
        read_only: bool,
    },
    /// An inline CSI volume.
    InlineCsi {
        /// Name of the driver.
        driver: String,
    },
}

/// `v1.PodResourceClaim`, resolved to the claim's name.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct PodResourceClaim {
    /// Name within the pod.
    pub name: String,
    /// Name of the ResourceClaim in the pod's namespace; none when a template's claim has not been made.
    pub claim: Option<String>,
    /// Name of the ResourceClaimTemplate in the pod's namespace, by which the pod gets a claim of its own.
    pub template: Option<String>,
}
