//! How kube-scheduler is configured: profiles, plug-ins with their arguments, extenders.
//!
//! The types mirror `kubescheduler.config.k8s.io/v1` of v1.37.0 after defaulting: `multiPoint` is expanded, disabled
//! plug-ins are gone, every argument has its value.

use super::pod_spec::{DEFAULT_SCHEDULER_NAME, NodeAffinity, TopologySpreadConstraint};
use crate::units::SimDuration;

/// A `KubeSchedulerConfiguration`.
#[derive(Clone, Debug, PartialEq)]
pub struct KubeSchedulerConfiguration {
    /// Share of nodes that are enough to choose from, in percent; 0: adaptive, 50 % less one for every 125 nodes, at
    /// least 5 %.
    pub percentage_of_nodes_to_score: i32,
    /// Wait after the first failed attempt.
    pub pod_initial_backoff: SimDuration,
    /// Longest wait between attempts.
    pub pod_max_backoff: SimDuration,
    /// Profiles by scheduler name.
    pub profiles: Vec<Profile>,
    /// Extenders in order of calls.
    pub extenders: Vec<Extender>,
    /// Which of equally good nodes is taken.
    pub tie_break: TieBreak,
}

/// Which of equally good nodes is taken.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum TieBreak {
    /// Any, drawn from the policy's own stream, as upstream means it.
    #[default]
    Random,
    /// The one that v1.37.0 takes: it draws no random numbers unless extenders score, and takes the top of a heap of
    /// the scores, built over nodes in the order in which they were looked at.
    Heap,
    /// The first in the order in which nodes were looked at, for comparison.
    First,
}

/// One profile.
#[derive(Clone, Debug, PartialEq)]
pub struct Profile {
    /// The `spec.schedulerName` of its pods.
    pub scheduler_name: String,
    /// Overrides [`KubeSchedulerConfiguration::percentage_of_nodes_to_score`].
    pub percentage_of_nodes_to_score: Option<i32>,
    /// Plug-ins by extension point.
    pub plugins: EnabledPlugins,
    /// Arguments of the plug-ins.
    pub arguments: PluginArguments,
}

/// Where a plug-in can take part, in order of calls.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum ExtensionPoint {
    /// May keep a pod out of the queue.
    PreEnqueue,
    /// Orders the queue; exactly one.
    QueueSort,
    /// Looks at the pod before the nodes.
    PreFilter,
    /// Keeps the pod from nodes.
    Filter,
    /// Acts when no node passes.
    PostFilter,
    /// Looks at the nodes that passed.
    PreScore,
    /// Scores nodes.
    Score,
    /// Notes the choice.
    Reserve,
    /// May hold the pod back after the choice.
    Permit,
    /// Prepares the binding.
    PreBind,
    /// Binds.
    Bind,
    /// Learns of the binding.
    PostBind,
}

impl ExtensionPoint {
    /// How many there are.
    pub const COUNT: usize = 12;
    /// All of them, in order.
    pub const ALL: [ExtensionPoint; ExtensionPoint::COUNT] = [
        ExtensionPoint::PreEnqueue,
        ExtensionPoint::QueueSort,
        ExtensionPoint::PreFilter,
        ExtensionPoint::Filter,
        ExtensionPoint::PostFilter,
        ExtensionPoint::PreScore,
        ExtensionPoint::Score,
        ExtensionPoint::Reserve,
        ExtensionPoint::Permit,
        ExtensionPoint::PreBind,
        ExtensionPoint::Bind,
        ExtensionPoint::PostBind,
    ];

    /// Its key in a `KubeSchedulerConfiguration`.
    pub fn key(self) -> &'static str {
        match self {
            ExtensionPoint::PreEnqueue => "preEnqueue",
            ExtensionPoint::QueueSort => "queueSort",
            ExtensionPoint::PreFilter => "preFilter",
            ExtensionPoint::Filter => "filter",
            ExtensionPoint::PostFilter => "postFilter",
            ExtensionPoint::PreScore => "preScore",
            ExtensionPoint::Score => "score",
            ExtensionPoint::Reserve => "reserve",
            ExtensionPoint::Permit => "permit",
            ExtensionPoint::PreBind => "preBind",
            ExtensionPoint::Bind => "bind",
            ExtensionPoint::PostBind => "postBind",
        }
    }
}

/// Enabled plug-ins by extension point, in order of calls.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EnabledPlugins {
    /// Names and weights by [`ExtensionPoint`]; weights count at [`ExtensionPoint::Score`] only, and are at least 1
    /// there.
    pub points: [Vec<(String, i64)>; ExtensionPoint::COUNT],
}

impl EnabledPlugins {
    /// The plug-ins at one point.
    pub fn at(&self, point: ExtensionPoint) -> &[(String, i64)] {
        &self.points[point as usize]
    }
}

/// A plug-in of the release.
#[derive(Clone, Copy, Debug)]
pub struct InTreePlugin {
    /// Its name.
    pub name: &'static str,
    /// Whether it is enabled by default.
    pub is_default: bool,
    /// Its weight by default; 0 stands for 1 where it scores.
    pub weight: i64,
    /// The points it has code for.
    pub points: &'static [ExtensionPoint],
}

/// Arguments of all plug-ins that take any.
#[derive(Clone, Debug, PartialEq)]
pub struct PluginArguments {
    /// `NodeResourcesFitArgs`.
    pub node_resources_fit: NodeResourcesFitArguments,
    /// `NodeResourcesBalancedAllocationArgs.resources`: names and weights.
    pub balanced_allocation_resources: Vec<(String, i64)>,
    /// `InterPodAffinityArgs.hardPodAffinityWeight`, 0 to 100.
    pub hard_pod_affinity_weight: i64,
    /// `InterPodAffinityArgs.ignorePreferredTermsOfExistingPods`.
    pub ignores_preferred_terms_of_existing_pods: bool,
    /// `PodTopologySpreadArgs`.
    pub default_spread: DefaultSpread,
    /// `NodeAffinityArgs.addedAffinity`.
    pub added_node_affinity: Option<NodeAffinity>,
    /// `DefaultPreemptionArgs.minCandidateNodesPercentage`.
    pub preemption_candidates_percentage: i32,
    /// `DefaultPreemptionArgs.minCandidateNodesAbsolute`.
    pub preemption_candidates_min: i32,
    /// `VolumeBindingArgs.shape`: utilisation in percent and score from 0 to 10.
    pub volume_binding_shape: Vec<(i64, i64)>,
}

/// `NodeResourcesFitArgs`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NodeResourcesFitArguments {
    /// Extended resources that the filter passes over.
    pub ignored_resources: Vec<String>,
    /// Groups, the part before the slash, of extended resources that the filter passes over.
    pub ignored_resource_groups: Vec<String>,
    /// How nodes are scored.
    pub strategy: ScoringStrategy,
    /// Which resources are scored, with weights from 1 to 100.
    pub resources: Vec<(String, i64)>,
}

/// How `NodeResourcesFit` scores nodes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ScoringStrategy {
    /// The emptier the better.
    LeastAllocated,
    /// The fuller the better.
    MostAllocated,
    /// By a function given as points: utilisation in percent, and score from 0 to 10.
    RequestedToCapacityRatio(Vec<(i64, i64)>),
}

/// The spread constraints of pods that have none of their own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DefaultSpread {
    /// Over zones with a skew of 5 and over hostnames with 3, both only scored.
    System,
    /// These; their selectors follow from the pod's services and controllers.
    List(Vec<TopologySpreadConstraint>),
}

/// An HTTP extender.
#[derive(Clone, Debug, PartialEq)]
pub struct Extender {
    /// Where its verbs are.
    pub url_prefix: String,
    /// Path of the filter call; empty: none.
    pub filter_verb: String,
    /// Path of the preemption call; empty: none.
    pub preempt_verb: String,
    /// Path of the scoring call; empty: none.
    pub prioritize_verb: String,
    /// Weight of its scores.
    pub weight: i64,
    /// Path of the binding call; empty: none.
    pub bind_verb: String,
    /// Longest wait for an answer, in milliseconds of real time.
    pub http_timeout_ms: u64,
    /// Whether it keeps nodes itself and is sent names only.
    pub is_node_cache_capable: bool,
    /// Resources it looks after: name, and whether the scheduler leaves them to it. Empty: it is asked about every pod.
    pub managed_resources: Vec<(String, bool)>,
    /// Whether a failed call is passed over.
    pub is_ignorable: bool,
}

/// The plug-ins of the release: those enabled by default in their order (`apis/config/v1/default_plugins.go`), with the
/// points that each has code for.
pub const IN_TREE_PLUGINS: &[InTreePlugin] = {
    use ExtensionPoint::{
        Bind, Filter, PostFilter, PreBind, PreEnqueue, PreFilter, PreScore, QueueSort, Reserve, Score,
    };
    const fn row(name: &'static str, weight: i64, points: &'static [ExtensionPoint]) -> InTreePlugin {
        InTreePlugin { name, is_default: true, weight, points }
    }
    &[
        row("SchedulingGates", 0, &[PreEnqueue]),
        row("PrioritySort", 0, &[QueueSort]),
        row("NodeName", 0, &[PreFilter, Filter]),
        row("NodeUnschedulable", 0, &[PreFilter, Filter]),
        row("TaintToleration", 3, &[PreFilter, Filter, PreScore, Score]),
        row("NodeAffinity", 2, &[PreFilter, Filter, PreScore, Score]),
        row("NodePorts", 0, &[PreFilter, Filter]),
        row("NodeResourcesFit", 1, &[PreFilter, Filter, PreScore, Score]),
        row("VolumeRestrictions", 0, &[PreFilter, Filter]),
        row("NodeVolumeLimits", 0, &[PreFilter, Filter]),
        row("VolumeBinding", 0, &[PreFilter, Filter, PreScore, Score, Reserve, PreBind]),
        row("VolumeZone", 0, &[PreFilter, Filter]),
        row("PodTopologySpread", 2, &[PreFilter, Filter, PreScore, Score]),
        row("InterPodAffinity", 2, &[PreFilter, Filter, PreScore, Score]),
        row("DynamicResources", 2, &[PreEnqueue, PreFilter, Filter, PostFilter, Score, Reserve, PreBind]),
        row("DefaultPreemption", 0, &[PreEnqueue, PostFilter]),
        row("NodeResourcesBalancedAllocation", 1, &[PreScore, Score]),
        row("ImageLocality", 1, &[Score]),
        row("DefaultBinder", 0, &[Bind]),
        row("NodeDeclaredFeatures", 0, &[PreFilter, Filter]),
    ]
};

impl Default for PluginArguments {
    fn default() -> PluginArguments {
        let cpu_and_memory = || vec![("cpu".to_owned(), 1), ("memory".to_owned(), 1)];
        PluginArguments {
            node_resources_fit: NodeResourcesFitArguments {
                ignored_resources: Vec::new(),
                ignored_resource_groups: Vec::new(),
                strategy: ScoringStrategy::LeastAllocated,
                resources: cpu_and_memory(),
            },
            balanced_allocation_resources: cpu_and_memory(),
            hard_pod_affinity_weight: 1,
            ignores_preferred_terms_of_existing_pods: false,
            default_spread: DefaultSpread::System,
            added_node_affinity: None,
            preemption_candidates_percentage: 10,
            preemption_candidates_min: 100,
            volume_binding_shape: vec![(0, 10), (100, 0)],
        }
    }
}

impl Default for EnabledPlugins {
    fn default() -> EnabledPlugins {
        let mut points: [Vec<(String, i64)>; ExtensionPoint::COUNT] = Default::default();
        for plugin in IN_TREE_PLUGINS.iter().filter(|plugin| plugin.is_default) {
            for &point in plugin.points {
                let weight = if point == ExtensionPoint::Score { plugin.weight.max(1) } else { 0 };
                points[point as usize].push((plugin.name.to_owned(), weight));
            }
        }
        EnabledPlugins { points }
    }
}

impl Default for Profile {
    fn default() -> Profile {
        Profile {
            scheduler_name: DEFAULT_SCHEDULER_NAME.to_owned(),
            percentage_of_nodes_to_score: None,
            plugins: EnabledPlugins::default(),
            arguments: PluginArguments::default(),
        }
    }
}

impl Default for KubeSchedulerConfiguration {
    fn default() -> KubeSchedulerConfiguration {
        KubeSchedulerConfiguration {
            percentage_of_nodes_to_score: 0,
            pod_initial_backoff: SimDuration(1_000_000_000),
            pod_max_backoff: SimDuration(10_000_000_000),
            profiles: vec![Profile::default()],
            extenders: Vec::new(),
            tie_break: TieBreak::default(),
        }
    }
}
