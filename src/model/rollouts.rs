//! Rollouts: Deployments that release step by step, in the manner of Argo Rollouts v1.9.1 (`argoproj.io/v1alpha1`).
//!
//! The types mirror `pkg/apis/rollouts/v1alpha1` with its defaults put in and with everything left out that has no bearing
//! on which pods there are and how much of the traffic each release gets. What an analysis measures cannot be asked offline:
//! it is a part of the model ([`Measured`]).

use super::conditions::Conditions;
use super::objects::CountOrPercent;
use crate::units::SimDuration;

/// `RolloutSpec`, without selector and template.
#[derive(Clone, Debug, PartialEq)]
pub struct RolloutSpec {
    /// `replicas`, not negative. Upstream's default: 1.
    pub replicas: i32,
    /// `minReadySeconds`. Upstream's default: 0.
    pub min_ready: SimDuration,
    /// `progressDeadlineSeconds`. Upstream's default: 600 s.
    pub progress_deadline: SimDuration,
    /// `progressDeadlineAbort`: whether a release without progress is aborted. Upstream's default: no.
    pub aborts_at_deadline: bool,
    /// `revisionHistoryLimit`: old ReplicaSets that are kept. Upstream's default: 10.
    pub revision_history_limit: i32,
    /// `rollbackWindow.revisions`: a template that is not older than so many revisions is released without steps; none:
    /// never.
    pub rollback_window: Option<i32>,
    /// `paused`.
    pub is_paused: bool,
    /// `strategy`.
    pub strategy: RolloutStrategy,
}

/// `RolloutStrategy`.
#[derive(Clone, Debug, PartialEq)]
pub enum RolloutStrategy {
    /// The new template gets its share of the traffic step by step.
    Canary(CanaryStrategy),
    /// The new template gets all of the traffic at once, when it is there in full.
    BlueGreen(BlueGreenStrategy),
}

/// `CanaryStrategy`.
#[derive(Clone, Debug, PartialEq)]
pub struct CanaryStrategy {
    /// `steps`.
    pub steps: Vec<CanaryStep>,
    /// `maxSurge`; percentages are rounded up. Upstream's default: 25%.
    pub max_surge: CountOrPercent,
    /// `maxUnavailable`; percentages are rounded down. Upstream's default: 25%.
    pub max_unavailable: CountOrPercent,
    /// `replicaProgressThreshold`: how much of what a step wants must be available; none: all.
    pub progress_threshold: Option<CountOrPercent>,
    /// `trafficRouting`; none: the traffic goes to all pods alike, and weights are approximated by numbers of pods.
    pub routing: Option<TrafficRouting>,
    /// `analysis`: it runs beside the steps.
    pub background: Option<BackgroundAnalysis>,
}

/// A router that divides the traffic, whichever it is, and what depends on there being one.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct TrafficRouting {
    /// `maxTrafficWeight`: the weight of all traffic, positive. Upstream's default: 100.
    pub max_weight: i32,
    /// `dynamicStableScale`: whether the stable ReplicaSet shrinks as its traffic does.
    pub scales_stable: bool,
    /// `minPodsPerReplicaSet`; none: 1.
    pub min_pods: Option<i32>,
    /// `scaleDownDelaySeconds`: how long an old ReplicaSet stays after the release. Upstream's default: 30 s.
    pub scale_down_delay: SimDuration,
    /// `scaleDownDelayRevisionLimit`: how many old ReplicaSets stay so long; none: all.
    pub scale_down_revision_limit: Option<i32>,
    /// `abortScaleDownDelaySeconds`.
    pub abort_scale_down: AbortScaleDown,
}

/// `abortScaleDownDelaySeconds`: when the pods of a release go that was aborted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AbortScaleDown {
    /// It is not given: after 30 s, or with `dynamicStableScale` as the traffic goes back.
    Default,
    /// So long after the stable pods are all there.
    After(SimDuration),
    /// It is 0: they stay.
    Never,
}

/// `CanaryStep`.
#[derive(Clone, Debug, PartialEq)]
pub enum CanaryStep {
    /// `setWeight`: the share of the traffic for the new template, from 0 to [`TrafficRouting::max_weight`].
    SetWeight(i32),
    /// `pause`; none: until somebody resumes.
    Pause(Option<SimDuration>),
    /// `setCanaryScale`.
    SetCanaryScale(CanaryScale),
    /// `analysis`: the step is done when it has succeeded.
    Analysis(Analysis),
    /// `setHeaderRoute`, `setMirrorRoute` and others that change neither pods nor weights.
    Nothing,
}

impl CanaryStep {
    /// The key that it has in the API.
    pub fn name(&self) -> &'static str {
        match self {
            CanaryStep::SetWeight(_) => "setWeight",
            CanaryStep::Pause(_) => "pause",
            CanaryStep::SetCanaryScale(_) => "setCanaryScale",
            CanaryStep::Analysis(_) => "analysis",
            CanaryStep::Nothing => "other",
        }
    }
}

/// `SetCanaryScale`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CanaryScale {
    /// `replicas`.
    Replicas(i32),
    /// `weight`, in percent of `spec.replicas`.
    Weight(i32),
    /// `matchTrafficWeight`: as the traffic.
    TrafficWeight,
}

/// `RolloutAnalysisBackground`.
#[derive(Clone, Debug, PartialEq)]
pub struct BackgroundAnalysis {
    /// What is measured.
    pub analysis: Analysis,
    /// `startingStep`. Upstream's default: 0.
    pub starting_step: usize,
}

/// `BlueGreenStrategy`.
#[derive(Clone, Debug, PartialEq)]
pub struct BlueGreenStrategy {
    /// Whether there is a `previewService`.
    pub has_preview: bool,
    /// `autoPromotionEnabled`. Upstream's default: true.
    pub promotes: bool,
    /// `autoPromotionSeconds`: how long after the new pods are there. Upstream's default: 0.
    pub promotes_after: SimDuration,
    /// `scaleDownDelaySeconds`; none: not given, and 30 s.
    pub scale_down_delay: Option<SimDuration>,
    /// `scaleDownDelayRevisionLimit`: how many old ReplicaSets stay so long; none: all.
    pub scale_down_revision_limit: Option<i32>,
    /// `previewReplicaCount`: how many new pods there are until the promotion; none: all.
    pub preview_replicas: Option<i32>,
    /// `abortScaleDownDelaySeconds`.
    pub abort_scale_down: AbortScaleDown,
    /// `prePromotionAnalysis`.
    pub before_promotion: Option<Analysis>,
    /// `postPromotionAnalysis`.
    pub after_promotion: Option<Analysis>,
}

/// `RolloutAnalysis`: the metrics of all its templates, at least one.
#[derive(Clone, Debug, PartialEq)]
pub struct Analysis {
    /// Metrics, in order.
    pub metrics: Vec<Metric>,
}

/// `Metric`.
#[derive(Clone, Debug, PartialEq)]
pub struct Metric {
    /// The template that it comes from.
    pub template: String,
    /// `name`.
    pub name: String,
    /// `interval`; none: it is measured once, unless a measurement is an error.
    pub interval: Option<SimDuration>,
    /// `initialDelay`. Upstream's default: 0.
    pub initial_delay: SimDuration,
    /// `count`; none: until the analysis ends.
    pub count: Option<u32>,
    /// `failureLimit`; none: failures do not count (-1). Upstream's default: 0.
    pub failure_limit: Option<u32>,
    /// `inconclusiveLimit`. Upstream's default: 0.
    pub inconclusive_limit: u32,
    /// `consecutiveErrorLimit`. Upstream's default: 4.
    pub consecutive_error_limit: u32,
    /// `consecutiveSuccessLimit`; 0: it does not count. Upstream's default: 0.
    pub consecutive_success_limit: u32,
    /// Whether it has no say (`dryRun`).
    pub is_dry_run: bool,
    /// `successCondition` and `failureCondition`, which judge measured numbers.
    pub conditions: Conditions,
    /// What is measured, by revision of the Rollout's template.
    pub measured: Vec<Measured>,
}

/// What a metric measures while one template is released.
#[derive(Clone, Debug, PartialEq)]
pub enum Measured {
    /// Each measurement succeeds with this probability, else it fails; 0 to 1.
    Drawn(f64),
    /// The measurements of an analysis, one after the other; the last is measured again and again. Not empty.
    Series(Vec<Outcome>),
    /// What requests that the new template's pods answered say, while the traffic is divided.
    Traffic(TrafficCondition),
    /// Numbers that the metric's conditions judge, one after the other; the last is measured again and again. Not empty.
    Values(Vec<f64>),
    /// A number that the metric's conditions judge: how requests since the last measurement fared that the new template's pods
    /// answered, while the traffic is divided.
    TrafficValue(TrafficValue),
}

/// A number that is measured of requests; none where there were no requests.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TrafficValue {
    /// Which part of them ended well, 0 to 1.
    SuccessRatio,
    /// Which part of them failed, 0 to 1.
    FailureRatio,
    /// How many there were.
    Requests,
    /// The mean of the latencies of those that ended well, in seconds.
    LatencyMeanS,
    /// The median of those latencies in seconds.
    LatencyP50S,
    /// Their 95th percentile in seconds.
    LatencyP95S,
    /// Their 99th percentile in seconds.
    LatencyP99S,
}

/// When requests since the last measurement speak for a release. Without requests a measurement is an error.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct TrafficCondition {
    /// Which part of them may fail at the most.
    pub max_failure_ratio: f64,
    /// What the 95th percentile of their latencies may be at the most; none: anything.
    pub max_p95: Option<SimDuration>,
}

/// What one measurement says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// `Successful`.
    Successful,
    /// `Failed`.
    Failed,
    /// `Inconclusive`.
    Inconclusive,
    /// `Error`: nothing could be measured.
    Error,
}
