//! The flags of cluster-autoscaler with their defaults (`config/flags/flags.go`, `config/const.go`).

use crate::units::SimDuration;

/// A span from seconds; a constant, so that defaults can be read as a table.
const fn seconds(seconds: u64) -> SimDuration {
    SimDuration(seconds * 1_000_000_000)
}

const fn minutes(count: u64) -> SimDuration {
    seconds(count * 60)
}

/// What may differ from node group to node group (`NodeGroupAutoscalingOptions`).
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct NodeGroupOptions {
    /// A node whose larger share of requested CPU or memory is at most this may go: `scale-down-utilization-threshold`.
    pub scale_down_utilization_threshold: f64,
    /// The same for nodes with GPUs, by their GPUs: `scale-down-gpu-utilization-threshold`.
    pub scale_down_gpu_utilization_threshold: f64,
    /// How long a ready node must have been unneeded: `scale-down-unneeded-time`.
    pub scale_down_unneeded_time: SimDuration,
    /// How long an unready node must have been unneeded: `scale-down-unready-time`.
    pub scale_down_unready_time: SimDuration,
    /// How long an ordered node may take to register: `max-node-provision-time`.
    pub max_node_provision_time: SimDuration,
    /// How long a registered node may take to become ready: `max-node-startup-time`.
    pub max_node_startup_time: SimDuration,
    /// Whether the group has either no node or all it may have.
    pub zero_or_max_node_scaling: bool,
    /// Whether pods of DaemonSets do not count as use: `ignore-daemonsets-utilization`.
    pub ignore_daemon_sets_utilization: bool,
}

impl Default for NodeGroupOptions {
    fn default() -> Self {
        NodeGroupOptions {
            scale_down_utilization_threshold: 0.5,
            scale_down_gpu_utilization_threshold: 0.5,
            scale_down_unneeded_time: minutes(10),
            scale_down_unready_time: minutes(20),
            max_node_provision_time: minutes(15),
            max_node_startup_time: minutes(15),
            zero_or_max_node_scaling: false,
            ignore_daemon_sets_utilization: false,
        }
    }
}

/// How far two groups may differ and still be alike (`NodeGroupDifferenceRatios`).
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct DifferenceRatios {
    /// Of memory capacity: `memory-difference-ratio`.
    pub capacity_memory: f64,
    /// Of each allocatable resource: `max-allocatable-difference-ratio`.
    pub allocatable: f64,
    /// Of each resource that a fresh node has free: `max-free-difference-ratio`.
    pub free: f64,
}

impl Default for DifferenceRatios {
    fn default() -> Self {
        DifferenceRatios { capacity_memory: 0.015, allocatable: 0.05, free: 0.05 }
    }
}

/// The flags that bear on decisions. Counts are nodes unless they say otherwise.
#[derive(Clone, Debug, PartialEq)]
pub struct Options {
    /// Time between two turns of the loop: `scan-interval`.
    pub scan_interval: SimDuration,
    /// Pods younger than this wait: `new-pod-scale-up-delay`.
    pub new_pod_scale_up_delay: SimDuration,
    /// Nodes of the cluster at most; zero is no limit: `max-nodes-total`.
    pub max_nodes_total: usize,
    /// Nodes of one scale-up at most: `max-nodes-per-scaleup`.
    pub max_nodes_per_scale_up: i64,
    /// Time of one group's estimate: `max-nodegroup-binpacking-duration`.
    pub max_node_group_binpacking_duration: SimDuration,
    /// Whether the last group of pods is packed by one node's count: `fastpath-binpacking-enabled`.
    pub fast_path_binpacking: bool,
    /// Whether a scale-up is spread over similar groups: `balance-similar-node-groups`.
    pub balance_similar_node_groups: bool,
    /// How far similar groups may differ.
    pub ratios: DifferenceRatios,
    /// Whether groups are brought to their least size: `enforce-node-group-min-size`.
    pub enforce_node_group_min_size: bool,
    /// First back-off of a group that failed: `initial-node-group-backoff-duration`.
    pub initial_node_group_backoff: SimDuration,
    /// Longest back-off: `max-node-group-backoff-duration`.
    pub max_node_group_backoff: SimDuration,
    /// After how long without failure the first back-off applies again: `node-group-backoff-reset-timeout`.
    pub node_group_backoff_reset: SimDuration,
    /// Share of unready nodes, in per cent, beyond which nothing is done: `max-total-unready-percentage`.
    pub max_total_unready_percentage: f64,
    /// Unready nodes that are always all right: `ok-total-unready-count`.
    pub ok_total_unready_count: usize,
    /// Whether nodes are returned at all: `scale-down-enabled`.
    pub scale_down_enabled: bool,
    /// Whether unready nodes are returned: `scale-down-unready-enabled`.
    pub scale_down_unready_enabled: bool,
    /// Pause of scale-down after a scale-up: `scale-down-delay-after-add`.
    pub scale_down_delay_after_add: SimDuration,
    /// Pause after a node went: `scale-down-delay-after-delete`.
    pub scale_down_delay_after_delete: SimDuration,
    /// Pause after a scale-down failed: `scale-down-delay-after-failure`.
    pub scale_down_delay_after_failure: SimDuration,
    /// Whether those pauses are each group's own: `scale-down-delay-type-local`.
    pub scale_down_delay_type_local: bool,
    /// How long a node that could not go is not looked at: `unremovable-node-recheck-timeout`.
    pub unremovable_node_recheck_timeout: SimDuration,
    /// Whether mirror pods do not count as use: `ignore-mirror-pods-utilization`.
    pub ignore_mirror_pods_utilization: bool,
    /// Pods of lower priority neither cause a scale-up nor keep a node: `expendable-pods-priority-cutoff`.
    pub expendable_pods_priority_cutoff: i32,
    /// Nodes that are marked or unmarked at once: `max-bulk-soft-taint-count`.
    pub max_bulk_soft_taint_count: usize,
    /// Nodes that go at the same time: `max-scale-down-parallelism`.
    pub max_scale_down_parallelism: usize,
    /// Nodes that are drained at the same time: `max-drain-parallelism`.
    pub max_drain_parallelism: usize,
    /// Pause between taint and deletion: `node-delete-delay-after-taint`.
    pub node_delete_delay_after_taint: SimDuration,
    /// How long an evicted pod may take to end: `max-graceful-termination-sec`.
    pub max_graceful_termination: SimDuration,
    /// How long an eviction is tried again: `max-pod-eviction-time`.
    pub max_pod_eviction_time: SimDuration,
    /// Whether registered nodes that never came are deleted below the least size: `force-delete-unregistered-nodes`.
    pub force_delete_unregistered_nodes: bool,
    /// What keeps a pod where it is.
    pub drain: DrainOptions,
    /// What applies to groups that say nothing else.
    pub node_group_defaults: NodeGroupOptions,
}

/// The flags of the drain rules (`NodeDeleteOptions`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DrainOptions {
    /// Pods of `kube-system` without a budget keep their node for a while: `skip-nodes-with-system-pods`.
    pub skip_nodes_with_system_pods: bool,
    /// Pods with local storage keep their node: `skip-nodes-with-local-storage`.
    pub skip_nodes_with_local_storage: bool,
    /// Pods of controllers of other kinds keep their node: `skip-nodes-with-custom-controller-pods`.
    pub skip_nodes_with_custom_controller_pods: bool,
    /// Replicas a controller must want for its pods to be moved: `min-replica-count`.
    pub min_replica_count: i64,
    /// For how long a pod of `kube-system` keeps its node: `blocking-system-pod-distruption-timeout`, which is spelled so.
    pub system_pod_disruption_timeout: SimDuration,
}

impl Default for DrainOptions {
    fn default() -> Self {
        DrainOptions {
            skip_nodes_with_system_pods: true,
            skip_nodes_with_local_storage: true,
            skip_nodes_with_custom_controller_pods: true,
            min_replica_count: 0,
            system_pod_disruption_timeout: minutes(60),
        }
    }
}

impl Default for Options {
    fn default() -> Self {
        Options {
            scan_interval: seconds(10),
            new_pod_scale_up_delay: SimDuration::ZERO,
            max_nodes_total: 0,
            max_nodes_per_scale_up: 1000,
            max_node_group_binpacking_duration: seconds(10),
            fast_path_binpacking: false,
            balance_similar_node_groups: false,
            ratios: DifferenceRatios::default(),
            enforce_node_group_min_size: false,
            initial_node_group_backoff: minutes(5),
            max_node_group_backoff: minutes(30),
            node_group_backoff_reset: minutes(180),
            max_total_unready_percentage: 45.0,
            ok_total_unready_count: 3,
            scale_down_enabled: true,
            scale_down_unready_enabled: true,
            scale_down_delay_after_add: minutes(10),
            scale_down_delay_after_delete: SimDuration::ZERO,
            scale_down_delay_after_failure: minutes(3),
            scale_down_delay_type_local: false,
            unremovable_node_recheck_timeout: minutes(5),
            ignore_mirror_pods_utilization: false,
            expendable_pods_priority_cutoff: -10,
            max_bulk_soft_taint_count: 10,
            max_scale_down_parallelism: 10,
            max_drain_parallelism: 1,
            node_delete_delay_after_taint: seconds(5),
            max_graceful_termination: minutes(10),
            max_pod_eviction_time: minutes(2),
            force_delete_unregistered_nodes: false,
            drain: DrainOptions::default(),
            node_group_defaults: NodeGroupOptions::default(),
        }
    }
}
