//! Settings: of the cluster (ConfigMap `config-autoscaler`) and of a revision (annotations `autoscaling.knative.dev/...`).
//!
//! Upstream: `pkg/autoscaler/config/config.go`, `pkg/apis/autoscaling`, `pkg/reconciler/autoscaling/resources`. What upstream
//! refuses is refused here, but all of it at once.

use std::collections::BTreeMap;

use super::BUCKET_SIZE;
use super::window::Aggregation;
use crate::units::SimDuration;

mod checks;
mod reading;

use reading::Settings;

const SECOND: SimDuration = SimDuration(1_000_000_000);
/// The smallest target (`TargetMin`): small concurrency at small utilisation is below 1.
pub const TARGET_MIN: f64 = 0.01;
/// The shortest stable window (`WindowMin`).
pub const WINDOW_MIN: SimDuration = SimDuration(6 * SECOND.0);
/// The longest stable window (`WindowMax`).
pub const WINDOW_MAX: SimDuration = SimDuration(3600 * SECOND.0);
/// How long a deployment may take before it counts as failed (`ProgressDeadlineDefault`).
pub const PROGRESS_DEADLINE: SimDuration = SimDuration(600 * SECOND.0);

/// What is wrong with a setting.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{key}: {message}")]
pub struct SettingProblem {
    /// The key as it was written.
    pub key: String,
    /// What is wrong and what would be right.
    pub message: String,
}

/// What pods are scaled on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ScalingMetric {
    /// Requests in flight.
    #[default]
    Concurrency,
    /// Requests a second (`rps`).
    RequestsPerSecond,
}

/// Whether a route leads to a revision.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Reachability {
    /// Nobody has said.
    #[default]
    Unknown,
    /// A route does.
    Reachable,
    /// None does: minimum and retention do not hold, and pods may fall to the number wanted at once.
    Unreachable,
}

/// Settings of the cluster (`autoscalerconfig.Config`). Percentages are as written, but for the fractions.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct AutoscalerConfig {
    /// `enable-scale-to-zero`.
    pub enable_scale_to_zero: bool,
    /// `allow-zero-initial-scale`.
    pub allow_zero_initial_scale: bool,
    /// `container-concurrency-target-percentage`, as a fraction. Values of more than 1 are read as percent.
    pub container_concurrency_target_fraction: f64,
    /// `container-concurrency-target-default`: the target where containers have no limit, in requests.
    pub container_concurrency_target_default: f64,
    /// The fraction for metrics other than concurrency. No key sets it.
    pub target_utilization: f64,
    /// `requests-per-second-target-default`.
    pub rps_target_default: f64,
    /// `target-burst-capacity`, in requests; -1: without limit, the activator stays in the path; 0: it leaves with the first pod.
    pub target_burst_capacity: f64,
    /// `activator-capacity`: requests that one activator can hold.
    pub activator_capacity: f64,
    /// `max-scale-up-rate`: the largest factor per decision.
    pub max_scale_up_rate: f64,
    /// `max-scale-down-rate`: the largest divisor per decision.
    pub max_scale_down_rate: f64,
    /// `stable-window`.
    pub stable_window: SimDuration,
    /// `panic-window-percentage` of the stable window.
    pub panic_window_percentage: f64,
    /// `panic-threshold-percentage` of what the ready pods are meant to hold.
    pub panic_threshold_percentage: f64,
    /// `scale-to-zero-grace-period`.
    pub scale_to_zero_grace_period: SimDuration,
    /// `scale-to-zero-pod-retention-period`.
    pub scale_to_zero_pod_retention_period: SimDuration,
    /// `scale-down-delay`.
    pub scale_down_delay: SimDuration,
    /// `initial-scale`, in pods.
    pub initial_scale: i32,
    /// `min-scale`, in pods.
    pub min_scale: i32,
    /// `max-scale`, in pods; 0: none.
    pub max_scale: i32,
    /// `max-scale-limit`, in pods: the largest `max-scale` that a revision may ask for; 0: none.
    pub max_scale_limit: i32,
    /// `progress-deadline` of the ConfigMap `config-deployment`.
    pub progress_deadline: SimDuration,
}

impl Default for AutoscalerConfig {
    fn default() -> AutoscalerConfig {
        AutoscalerConfig {
            enable_scale_to_zero: true,
            allow_zero_initial_scale: false,
            container_concurrency_target_fraction: 0.7,
            container_concurrency_target_default: 100.0,
            target_utilization: 0.7,
            rps_target_default: 200.0,
            target_burst_capacity: 211.0,
            activator_capacity: 100.0,
            max_scale_up_rate: 1000.0,
            max_scale_down_rate: 2.0,
            stable_window: SimDuration(60 * SECOND.0),
            panic_window_percentage: 10.0,
            panic_threshold_percentage: 200.0,
            scale_to_zero_grace_period: SimDuration(30 * SECOND.0),
            scale_to_zero_pod_retention_period: SimDuration::ZERO,
            scale_down_delay: SimDuration::ZERO,
            initial_scale: 1,
            min_scale: 0,
            max_scale: 0,
            max_scale_limit: 0,
            progress_deadline: PROGRESS_DEADLINE,
        }
    }
}

impl AutoscalerConfig {
    /// Reads the data of a ConfigMap; keys that are absent have their default. Other keys are ignored, as upstream does.
    ///
    /// # Errors
    /// Everything that is wrong with it.
    pub fn from_data(data: &BTreeMap<String, String>) -> Result<AutoscalerConfig, Vec<SettingProblem>> {
        let mut config = AutoscalerConfig::default();
        let mut from = Settings::new(data);
        from.flag("enable-scale-to-zero", &mut config.enable_scale_to_zero);
        from.flag("allow-zero-initial-scale", &mut config.allow_zero_initial_scale);
        from.number("max-scale-up-rate", &mut config.max_scale_up_rate);
        from.number("max-scale-down-rate", &mut config.max_scale_down_rate);
        from.number("container-concurrency-target-percentage", &mut config.container_concurrency_target_fraction);
        from.number("container-concurrency-target-default", &mut config.container_concurrency_target_default);
        from.number("requests-per-second-target-default", &mut config.rps_target_default);
        from.number("target-burst-capacity", &mut config.target_burst_capacity);
        from.number("panic-window-percentage", &mut config.panic_window_percentage);
        from.number("activator-capacity", &mut config.activator_capacity);
        from.number("panic-threshold-percentage", &mut config.panic_threshold_percentage);
        from.count("initial-scale", &mut config.initial_scale);
        from.count("min-scale", &mut config.min_scale);
        from.count("max-scale", &mut config.max_scale);
        from.count("max-scale-limit", &mut config.max_scale_limit);
        from.duration("stable-window", &mut config.stable_window);
        from.duration("scale-down-delay", &mut config.scale_down_delay);
        from.duration("scale-to-zero-grace-period", &mut config.scale_to_zero_grace_period);
        from.duration("scale-to-zero-pod-retention-period", &mut config.scale_to_zero_pod_retention_period);
        if config.container_concurrency_target_fraction > 1.0 {
            config.container_concurrency_target_fraction /= 100.0;
        }
        let mut problems = from.problems;
        problems.extend(config.problems());
        if problems.is_empty() { Ok(config) } else { Err(problems) }
    }

    /// Everything that contradicts upstream's rules.
    pub fn problems(&self) -> Vec<SettingProblem> {
        checks::cluster(self)
    }
}

/// What holds for one revision, from the cluster's settings and its own annotations.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct RevisionSettings {
    /// What it is scaled on.
    pub metric: ScalingMetric,
    /// How windows are averaged.
    pub aggregation: Aggregation,
    /// What a pod should hold of the metric.
    pub target_value: f64,
    /// What a pod can hold of it.
    pub total_value: f64,
    /// See [`AutoscalerConfig::target_burst_capacity`].
    pub target_burst_capacity: f64,
    /// See [`AutoscalerConfig::activator_capacity`].
    pub activator_capacity: f64,
    /// The factor over what the ready pods are meant to hold at which panic begins.
    pub panic_threshold: f64,
    /// Length of the stable window.
    pub stable_window: SimDuration,
    /// Of which this is the panic window.
    pub panic_window_percentage: f64,
    /// How long a higher recommendation holds.
    pub scale_down_delay: SimDuration,
    /// See [`AutoscalerConfig::max_scale_up_rate`].
    pub max_scale_up_rate: f64,
    /// See [`AutoscalerConfig::max_scale_down_rate`].
    pub max_scale_down_rate: f64,
    /// Pods to begin with.
    pub initial_scale: i32,
    /// The smallest number of pods that is not zero; 0 or 1: none.
    pub activation_scale: i32,
    /// Fewest pods.
    pub min_scale: i32,
    /// Most pods; 0: no bound.
    pub max_scale: i32,
    /// Whether a route leads to it.
    pub reachability: Reachability,
    /// Whether the last pod may go.
    pub enable_scale_to_zero: bool,
    /// How long the activator must be in the path before the last pod goes.
    pub scale_to_zero_grace_period: SimDuration,
    /// How long the last pod stays at least.
    pub scale_to_zero_pod_retention_period: SimDuration,
    /// How long pods may take to become ready.
    pub progress_deadline: SimDuration,
}

impl RevisionSettings {
    /// The settings of a revision whose containers hold `container_concurrency` requests (0: no limit) and that has these
    /// annotations. Short names of keys are those after `autoscaling.knative.dev/`; both spellings of upstream are read.
    ///
    /// # Errors
    /// Everything that is wrong with the annotations.
    pub fn resolve(
        config: &AutoscalerConfig,
        annotations: &BTreeMap<String, String>,
        container_concurrency: u32,
        reachability: Reachability,
    ) -> Result<RevisionSettings, Vec<SettingProblem>> {
        let mut from = Settings::annotations(annotations);
        let metric = from.metric();
        let (target_value, total_value) = target(config, metric, container_concurrency, &mut from);
        let mut settings = RevisionSettings {
            metric,
            aggregation: from.aggregation(),
            target_value,
            total_value,
            panic_threshold: config.panic_threshold_percentage,
            ..RevisionSettings::of_cluster(config, reachability)
        };
        from.number("target-burst-capacity", &mut settings.target_burst_capacity);
        from.number("panic-threshold-percentage", &mut settings.panic_threshold);
        settings.panic_threshold /= 100.0;
        from.number("panic-window-percentage", &mut settings.panic_window_percentage);
        from.duration("window", &mut settings.stable_window);
        from.duration("scale-down-delay", &mut settings.scale_down_delay);
        from.duration("scale-to-zero-pod-retention-period", &mut settings.scale_to_zero_pod_retention_period);
        from.duration("serving.knative.dev/progress-deadline", &mut settings.progress_deadline);
        from.count("activation-scale", &mut settings.activation_scale);
        from.count("initial-scale", &mut settings.initial_scale);
        from.count("min-scale", &mut settings.min_scale);
        from.count("max-scale", &mut settings.max_scale);
        checks::revision(config, &settings, &mut from);
        if reachability == Reachability::Unreachable {
            settings.min_scale = 0;
        }
        if from.problems.is_empty() { Ok(settings) } else { Err(from.problems) }
    }

    /// The settings without annotations, for a revision without a limit of requests.
    fn of_cluster(config: &AutoscalerConfig, reachability: Reachability) -> RevisionSettings {
        RevisionSettings {
            metric: ScalingMetric::Concurrency,
            aggregation: Aggregation::Linear,
            target_value: 0.0,
            total_value: 0.0,
            target_burst_capacity: config.target_burst_capacity,
            activator_capacity: config.activator_capacity,
            panic_threshold: config.panic_threshold_percentage / 100.0,
            stable_window: config.stable_window,
            panic_window_percentage: config.panic_window_percentage,
            scale_down_delay: config.scale_down_delay,
            max_scale_up_rate: config.max_scale_up_rate,
            max_scale_down_rate: config.max_scale_down_rate,
            initial_scale: config.initial_scale,
            activation_scale: 0,
            min_scale: config.min_scale,
            max_scale: config.max_scale,
            reachability,
            enable_scale_to_zero: config.enable_scale_to_zero,
            scale_to_zero_grace_period: config.scale_to_zero_grace_period,
            scale_to_zero_pod_retention_period: config.scale_to_zero_pod_retention_period,
            progress_deadline: config.progress_deadline,
        }
    }

    /// Length of the panic window: whole seconds, at least one (`MakeMetric`).
    pub fn panic_window(&self) -> SimDuration {
        let length_ns = (self.stable_window.0 as f64 * self.panic_window_percentage / 100.0) as u64;
        let seconds = (length_ns + SECOND.0 / 2) / SECOND.0;
        SimDuration((seconds * SECOND.0).max(BUCKET_SIZE.0))
    }

    /// Whether pods are scraped: not when the activator is always in the path (`resolveScrapeTarget`).
    pub fn is_scraped(&self) -> bool {
        self.target_burst_capacity != -1.0
    }

    /// A number of pods within the bounds, given the fewest that hold now (`applyBounds`).
    pub fn bounded(&self, pods: i32, min: i32) -> i32 {
        if pods < min {
            min
        } else if self.max_scale != 0 {
            pods.min(self.max_scale)
        } else {
            pods
        }
    }

    /// Whether the revision is not known to be unreachable.
    pub fn is_reachable(&self) -> bool {
        self.reachability != Reachability::Unreachable
    }
}

/// What a pod should hold of the metric, and what it can (`ResolveMetricTarget`).
fn target(
    config: &AutoscalerConfig,
    metric: ScalingMetric,
    container_concurrency: u32,
    from: &mut Settings<'_>,
) -> (f64, f64) {
    let limit = f64::from(container_concurrency);
    let (mut total, mut utilization) = match metric {
        ScalingMetric::RequestsPerSecond => (config.rps_target_default, config.target_utilization),
        ScalingMetric::Concurrency if container_concurrency == 0 => {
            (config.container_concurrency_target_default, config.container_concurrency_target_fraction)
        }
        ScalingMetric::Concurrency => (limit, config.container_concurrency_target_fraction),
    };
    if from.number("target", &mut total) && metric == ScalingMetric::Concurrency && container_concurrency != 0 {
        total = total.min(limit);
    }
    if from.number("target-utilization-percentage", &mut utilization) {
        utilization /= 100.0;
    }
    (TARGET_MIN.max(total * utilization), total)
}
