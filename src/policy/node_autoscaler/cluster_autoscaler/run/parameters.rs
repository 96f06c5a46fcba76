//! The flags of cluster-autoscaler as parameters: the names in camel case, the defaults upstream's (`config/flags/flags.go`).

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::Value;

use crate::policy::node_autoscaler::cluster_autoscaler::expander::{Chain, Expander, Priorities};
use crate::policy::node_autoscaler::cluster_autoscaler::options::{
    DifferenceRatios, DrainOptions, NodeGroupOptions, Options,
};
use crate::policy::node_autoscaler::cluster_autoscaler::quota::{
    DEFAULT_MAX_CORES, DEFAULT_MAX_MEMORY_GIB, Quota, Resources,
};
use crate::policy::node_autoscaler::cluster_autoscaler::similar::Comparator;
use crate::policy::parameters::{self, Parameter, ParameterError};
use crate::units::SimDuration;

macro_rules! parameters {
    ($($name:literal, $unit:literal, $default:literal, $meaning:literal;)*) => {
        /// What can be said of the autoscaler.
        pub(super) const PARAMETERS: &[Parameter] = &[
            $(Parameter { name: $name, unit: $unit, default: $default, meaning: $meaning }),*
        ];
    };
}

parameters! {
    "scanInterval", "duration", "10s", "time between two turns, above 0";
    "newPodScaleUpDelay", "duration", "0s", "pods younger than this wait";
    "maxNodesTotal", "nodes", "0", "the most nodes of the cluster; 0: no limit";
    "maxNodesPerScaleup", "nodes", "1000", "the most nodes of one scale-up; 0: no limit";
    "coresTotal", "cores", "\"0:320000\"", "the least and the most cores of the cluster, as `min:max`";
    "memoryTotal", "GiB", "\"0:6400000\"", "the least and the most memory of the cluster, as `min:max`";
    "expander", "", "least-waste", "which option is taken: random, most-pods, least-waste, least-nodes, price, priority, or several with commas";
    "priorities", "", "{}", "for the expander `priority`: by priority, patterns that find names of groups";
    "balanceSimilarNodeGroups", "", "false", "whether a scale-up is spread over similar groups";
    "balancingIgnoreLabels", "", "[]", "further labels that do not tell groups apart";
    "balancingLabels", "", "[]", "if any: groups are alike by these labels alone";
    "memoryDifferenceRatio", "share", "0.015", "how far the memory of similar groups may differ";
    "maxAllocatableDifferenceRatio", "share", "0.05", "the same of what is allocatable";
    "maxFreeDifferenceRatio", "share", "0.05", "the same of what a fresh node has free";
    "enforceNodeGroupMinSize", "", "false", "whether groups are brought to their least size";
    "fastpathBinpackingEnabled", "", "false", "whether one group of pods is packed by its first node's count";
    "initialNodeGroupBackoffDuration", "duration", "5m", "first back-off of a group that failed";
    "maxNodeGroupBackoffDuration", "duration", "30m", "longest back-off";
    "nodeGroupBackoffResetTimeout", "duration", "3h", "after how long without failure the first back-off applies again";
    "maxTotalUnreadyPercentage", "per cent", "45", "share of unready nodes beyond which nothing is done";
    "okTotalUnreadyCount", "nodes", "3", "unready nodes that are always all right";
    "maxNodeProvisionTime", "duration", "15m", "how long an ordered node may take to register";
    "maxNodeStartupTime", "duration", "15m", "how long a registered node may take to become ready";
    "forceDs", "", "false", "whether a template counts pods of DaemonSets that its example lacks";
    "scaleDownEnabled", "", "true", "whether nodes are returned";
    "scaleDownUnreadyEnabled", "", "true", "whether unready nodes are returned";
    "scaleDownUtilizationThreshold", "share", "0.5", "a node that is used more is kept";
    "scaleDownGpuUtilizationThreshold", "share", "0.5", "the same of nodes with GPUs, by their GPUs";
    "scaleDownUnneededTime", "duration", "10m", "how long a node must have been unneeded";
    "scaleDownUnreadyTime", "duration", "20m", "the same of an unready node";
    "scaleDownDelayAfterAdd", "duration", "10m", "pause of scale-down after a scale-up";
    "scaleDownDelayAfterDelete", "duration", "0s", "pause after a node went";
    "scaleDownDelayAfterFailure", "duration", "3m", "pause after a scale-down failed to begin, which none does here";
    "unremovableNodeRecheckTimeout", "duration", "5m", "how long a node that could not go is not looked at";
    "ignoreDaemonsetsUtilization", "", "false", "whether pods of DaemonSets do not count as use";
    "expendablePodsPriorityCutoff", "", "-10", "pods of lower priority cause no scale-up and keep no node";
    "maxScaleDownParallelism", "nodes", "10", "nodes that go at the same time, at least 1";
    "maxDrainParallelism", "nodes", "1", "nodes that are drained at the same time, at least 1";
    "maxGracefulTerminationSec", "s", "600", "how long an evicted pod may take to end";
    "maxPodEvictionTime", "duration", "2m", "how long an eviction is tried again";
    "skipNodesWithSystemPods", "", "true", "whether pods of kube-system without a budget keep their node for a while";
    "skipNodesWithLocalStorage", "", "true", "whether pods with local storage keep their node";
    "skipNodesWithCustomControllerPods", "", "true", "whether pods of other controllers keep their node";
    "minReplicaCount", "pods", "0", "replicas that a controller must want for its pods to be moved";
    "blockingSystemPodDistruptionTimeout", "duration", "1h", "for how long a pod of kube-system keeps its node; upstream spells it so";
    "forceDeleteUnregisteredNodes", "", "false", "whether nodes that never registered go below the least size";
}

#[derive(Debug, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
struct Written {
    #[serde(deserialize_with = "parameters::duration")]
    scan_interval: SimDuration,
    #[serde(deserialize_with = "parameters::duration")]
    new_pod_scale_up_delay: SimDuration,
    max_nodes_total: usize,
    max_nodes_per_scaleup: u32,
    cores_total: String,
    memory_total: String,
    expander: String,
    priorities: BTreeMap<i64, Vec<String>>,
    balance_similar_node_groups: bool,
    balancing_ignore_labels: Vec<String>,
    balancing_labels: Vec<String>,
    memory_difference_ratio: f64,
    max_allocatable_difference_ratio: f64,
    max_free_difference_ratio: f64,
    enforce_node_group_min_size: bool,
    fastpath_binpacking_enabled: bool,
    #[serde(deserialize_with = "parameters::duration")]
    initial_node_group_backoff_duration: SimDuration,
    #[serde(deserialize_with = "parameters::duration")]
    max_node_group_backoff_duration: SimDuration,
    #[serde(deserialize_with = "parameters::duration")]
    node_group_backoff_reset_timeout: SimDuration,
    max_total_unready_percentage: f64,
    ok_total_unready_count: usize,
    #[serde(deserialize_with = "parameters::duration")]
    max_node_provision_time: SimDuration,
    #[serde(deserialize_with = "parameters::duration")]
    max_node_startup_time: SimDuration,
    force_ds: bool,
    scale_down_enabled: bool,
    scale_down_unready_enabled: bool,
    scale_down_utilization_threshold: f64,
    scale_down_gpu_utilization_threshold: f64,
    #[serde(deserialize_with = "parameters::duration")]
    scale_down_unneeded_time: SimDuration,
    #[serde(deserialize_with = "parameters::duration")]
    scale_down_unready_time: SimDuration,
    #[serde(deserialize_with = "parameters::duration")]
    scale_down_delay_after_add: SimDuration,
    #[serde(deserialize_with = "parameters::duration")]
    scale_down_delay_after_delete: SimDuration,
    #[serde(deserialize_with = "parameters::duration")]
    scale_down_delay_after_failure: SimDuration,
    #[serde(deserialize_with = "parameters::duration")]
    unremovable_node_recheck_timeout: SimDuration,
    ignore_daemonsets_utilization: bool,
    expendable_pods_priority_cutoff: i32,
    max_scale_down_parallelism: usize,
    max_drain_parallelism: usize,
    max_graceful_termination_sec: u32,
    #[serde(deserialize_with = "parameters::duration")]
    max_pod_eviction_time: SimDuration,
    skip_nodes_with_system_pods: bool,
    skip_nodes_with_local_storage: bool,
    skip_nodes_with_custom_controller_pods: bool,
    min_replica_count: i64,
    #[serde(deserialize_with = "parameters::duration")]
    blocking_system_pod_distruption_timeout: SimDuration,
    force_delete_unregistered_nodes: bool,
}

impl Default for Written {
    fn default() -> Written {
        let (options, ratios) = (Options::default(), DifferenceRatios::default());
        let (group, drain) = (options.node_group_defaults, options.drain);
        Written {
            scan_interval: options.scan_interval,
            new_pod_scale_up_delay: options.new_pod_scale_up_delay,
            max_nodes_total: options.max_nodes_total,
            max_nodes_per_scaleup: options.max_nodes_per_scale_up as u32,
            cores_total: format!("0:{DEFAULT_MAX_CORES}"),
            memory_total: format!("0:{DEFAULT_MAX_MEMORY_GIB}"),
            expander: "least-waste".to_owned(),
            priorities: BTreeMap::new(),
            balance_similar_node_groups: options.balance_similar_node_groups,
            balancing_ignore_labels: Vec::new(),
            balancing_labels: Vec::new(),
            memory_difference_ratio: ratios.capacity_memory,
            max_allocatable_difference_ratio: ratios.allocatable,
            max_free_difference_ratio: ratios.free,
            enforce_node_group_min_size: options.enforce_node_group_min_size,
            fastpath_binpacking_enabled: options.fast_path_binpacking,
            initial_node_group_backoff_duration: options.initial_node_group_backoff,
            max_node_group_backoff_duration: options.max_node_group_backoff,
            node_group_backoff_reset_timeout: options.node_group_backoff_reset,
            max_total_unready_percentage: options.max_total_unready_percentage,
            ok_total_unready_count: options.ok_total_unready_count,
            max_node_provision_time: group.max_node_provision_time,
            max_node_startup_time: group.max_node_startup_time,
            force_ds: false,
            scale_down_enabled: options.scale_down_enabled,
            scale_down_unready_enabled: options.scale_down_unready_enabled,
            scale_down_utilization_threshold: group.scale_down_utilization_threshold,
            scale_down_gpu_utilization_threshold: group.scale_down_gpu_utilization_threshold,
            scale_down_unneeded_time: group.scale_down_unneeded_time,
            scale_down_unready_time: group.scale_down_unready_time,
            scale_down_delay_after_add: options.scale_down_delay_after_add,
            scale_down_delay_after_delete: options.scale_down_delay_after_delete,
            scale_down_delay_after_failure: options.scale_down_delay_after_failure,
            unremovable_node_recheck_timeout: options.unremovable_node_recheck_timeout,
            ignore_daemonsets_utilization: group.ignore_daemon_sets_utilization,
            expendable_pods_priority_cutoff: options.expendable_pods_priority_cutoff,
            max_scale_down_parallelism: options.max_scale_down_parallelism,
            max_drain_parallelism: options.max_drain_parallelism,
            max_graceful_termination_sec: 600,
            max_pod_eviction_time: options.max_pod_eviction_time,
            skip_nodes_with_system_pods: drain.skip_nodes_with_system_pods,
            skip_nodes_with_local_storage: drain.skip_nodes_with_local_storage,
            skip_nodes_with_custom_controller_pods: drain.skip_nodes_with_custom_controller_pods,
            min_replica_count: drain.min_replica_count,
            blocking_system_pod_distruption_timeout: drain.system_pod_disruption_timeout,
            force_delete_unregistered_nodes: options.force_delete_unregistered_nodes,
        }
    }
}

/// What was said of the autoscaler.
#[derive(Clone, Debug)]
pub(super) struct Flags {
    pub(super) options: Options,
    pub(super) expanders: Chain,
    pub(super) uses_price: bool,
    pub(super) comparator: Comparator,
    /// What may be added at most, and what must stay at least; none: no limit that anything could reach.
    pub(super) largest: Option<Quota>,
    pub(super) least: Option<Quota>,
    pub(super) counts_missing_daemons: bool,
}

impl Flags {
    /// Reads them.
    ///
    /// # Errors
    /// With the first that is wrong.
    pub(super) fn read(parameters: &Value) -> Result<Flags, ParameterError> {
        let written: Written = parameters::read(parameters)?;
        written.check()?;
        let cores = range("coresTotal", &written.cores_total)?;
        let memory = range("memoryTotal", &written.memory_total)?;
        let gib = |amount: i64| amount.saturating_mul(1 << 30);
        let quota = |cores: i64, memory: i64| Quota {
            id: "cluster".to_owned(),
            limits: Resources::from([("cpu".to_owned(), cores), ("memory".to_owned(), gib(memory))]),
            groups: None,
        };
        let is_bounded = cores.1 < DEFAULT_MAX_CORES || memory.1 < DEFAULT_MAX_MEMORY_GIB;
        let must_keep = cores.0 > 0 || memory.0 > 0;
        Ok(Flags {
            expanders: written.chain()?,
            uses_price: written.expander.split(',').any(|name| name.trim() == "price"),
            comparator: written.comparator(),
            largest: is_bounded.then(|| quota(cores.1, memory.1)),
            least: must_keep.then(|| quota(cores.0, memory.0)),
            counts_missing_daemons: written.force_ds,
            options: written.options(),
        })
    }
}

impl Written {
    fn check(&self) -> Result<(), ParameterError> {
        let shares = [
            ("scaleDownUtilizationThreshold", self.scale_down_utilization_threshold),
            ("scaleDownGpuUtilizationThreshold", self.scale_down_gpu_utilization_threshold),
            ("memoryDifferenceRatio", self.memory_difference_ratio),
            ("maxAllocatableDifferenceRatio", self.max_allocatable_difference_ratio),
            ("maxFreeDifferenceRatio", self.max_free_difference_ratio),
        ];
        for (name, share) in shares {
            parameters::require((0.0..=1.0).contains(&share), &format!("`{name}` must be 0 to 1"))?;
        }
        parameters::require(self.scan_interval > SimDuration::ZERO, "`scanInterval` must be above 0")?;
        parameters::require(self.max_scale_down_parallelism > 0, "`maxScaleDownParallelism` must be above 0")?;
        parameters::require(self.max_drain_parallelism > 0, "`maxDrainParallelism` must be above 0")?;
        let percentage = (0.0..=100.0).contains(&self.max_total_unready_percentage);
        parameters::require(percentage, "`maxTotalUnreadyPercentage` must be 0 to 100")
    }

    fn chain(&self) -> Result<Chain, ParameterError> {
        let problem = |problem: &dyn std::fmt::Display| ParameterError(problem.to_string());
        let mut expanders = Vec::new();
        for name in self.expander.split(',').map(str::trim) {
            expanders.push(match name {
                "random" => Expander::Random,
                "most-pods" => Expander::MostPods,
                "least-waste" => Expander::LeastWaste,
                "least-nodes" => Expander::LeastNodes,
                "price" => Expander::Price,
                "priority" => Expander::Priority(Priorities::new(&self.priorities).map_err(|problems| {
                    let (priority, why) = &problems[0];
                    ParameterError(format!("`priorities`: a pattern of priority {priority} cannot be read: {why}"))
                })?),
                other => {
                    return Err(ParameterError(format!(
                        "there is no expander `{other}`; there are random, most-pods, least-waste, least-nodes, price, priority"
                    )));
                }
            });
        }
        Chain::new(expanders).map_err(|problems| problem(&problems[0]))
    }

    fn comparator(&self) -> Comparator {
        match &self.balancing_labels[..] {
            [] => {
                let ignored: Vec<&str> = self.balancing_ignore_labels.iter().map(String::as_str).collect();
                Comparator::generic(self.ratios(), &ignored)
            }
            labels => Comparator::Labels(labels.to_vec()),
        }
    }

    fn ratios(&self) -> DifferenceRatios {
        DifferenceRatios {
            capacity_memory: self.memory_difference_ratio,
            allocatable: self.max_allocatable_difference_ratio,
            free: self.max_free_difference_ratio,
        }
    }

    fn options(&self) -> Options {
        Options {
            scan_interval: self.scan_interval,
            new_pod_scale_up_delay: self.new_pod_scale_up_delay,
            max_nodes_total: self.max_nodes_total,
            max_nodes_per_scale_up: self.max_nodes_per_scaleup.into(),
            fast_path_binpacking: self.fastpath_binpacking_enabled,
            balance_similar_node_groups: self.balance_similar_node_groups,
            ratios: self.ratios(),
            enforce_node_group_min_size: self.enforce_node_group_min_size,
            initial_node_group_backoff: self.initial_node_group_backoff_duration,
            max_node_group_backoff: self.max_node_group_backoff_duration,
            node_group_backoff_reset: self.node_group_backoff_reset_timeout,
            max_total_unready_percentage: self.max_total_unready_percentage,
            ok_total_unready_count: self.ok_total_unready_count,
            scale_down_enabled: self.scale_down_enabled,
            scale_down_unready_enabled: self.scale_down_unready_enabled,
            scale_down_delay_after_add: self.scale_down_delay_after_add,
            scale_down_delay_after_delete: self.scale_down_delay_after_delete,
            scale_down_delay_after_failure: self.scale_down_delay_after_failure,
            unremovable_node_recheck_timeout: self.unremovable_node_recheck_timeout,
            expendable_pods_priority_cutoff: self.expendable_pods_priority_cutoff,
            max_scale_down_parallelism: self.max_scale_down_parallelism,
            max_drain_parallelism: self.max_drain_parallelism,
            max_graceful_termination: SimDuration(u64::from(self.max_graceful_termination_sec) * 1_000_000_000),
            max_pod_eviction_time: self.max_pod_eviction_time,
            force_delete_unregistered_nodes: self.force_delete_unregistered_nodes,
            drain: self.drain(),
            node_group_defaults: self.group(),
            ..Options::default()
        }
    }

    fn drain(&self) -> DrainOptions {
        DrainOptions {
            skip_nodes_with_system_pods: self.skip_nodes_with_system_pods,
            skip_nodes_with_local_storage: self.skip_nodes_with_local_storage,
            skip_nodes_with_custom_controller_pods: self.skip_nodes_with_custom_controller_pods,
            min_replica_count: self.min_replica_count,
            system_pod_disruption_timeout: self.blocking_system_pod_distruption_timeout,
        }
    }

    fn group(&self) -> NodeGroupOptions {
        NodeGroupOptions {
            scale_down_utilization_threshold: self.scale_down_utilization_threshold,
            scale_down_gpu_utilization_threshold: self.scale_down_gpu_utilization_threshold,
            scale_down_unneeded_time: self.scale_down_unneeded_time,
            scale_down_unready_time: self.scale_down_unready_time,
            max_node_provision_time: self.max_node_provision_time,
            max_node_startup_time: self.max_node_startup_time,
            zero_or_max_node_scaling: false,
            ignore_daemon_sets_utilization: self.ignore_daemonsets_utilization,
        }
    }
}

/// `min:max` in whole units, neither negative nor the wrong way round.
fn range(name: &str, text: &str) -> Result<(i64, i64), ParameterError> {
    let parts = text.split_once(':').and_then(|(min, max)| Some((min.parse().ok()?, max.parse().ok()?)));
    let right = parts.filter(|(min, max)| 0 <= *min && min <= max);
    right.ok_or_else(|| ParameterError(format!("`{name}` must be written as `min:max`, such as \"0:1000\"")))
}
