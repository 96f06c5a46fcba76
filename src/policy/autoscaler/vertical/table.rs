//! The table of rules that size containers: names, parameters, and how they are made.

use serde::Deserialize;
use serde_json::Value;

use super::aggregate::AggregationsConfig;
use super::autopilot::{CpuRule, Ensemble, EnsembleConfig, MemoryRule, MovingWindow, MovingWindowConfig};
use super::back_test::UsageStep;
use super::oracle::{Oracle, OracleConfig};
use super::recommender::RecommenderConfig;
use super::sizing::{Fixed, KubeVpa, Sizing};
use super::spec::ResourcePolicy;
use crate::policy::parameters::{self, Parameter, ParameterError, require};
use crate::units::{Bytes, SimDuration, SimTime};

/// What a rule is made for.
#[derive(Clone, Copy, Debug)]
pub struct SizingSetting<'s> {
    /// Name of the container.
    pub container: &'s str,
    /// `resourcePolicy` of the VerticalPodAutoscaler, which the rule `vpa` alone knows.
    pub policy: &'s ResourcePolicy,
    /// What the container will use, from `start` on, for rules that are clairvoyant; else empty.
    pub foresight: &'s [UsageStep],
    /// When the run begins.
    pub start: SimTime,
}

type Build = fn(&Value, &SizingSetting<'_>) -> Result<Box<dyn Sizing>, ParameterError>;

/// One row of the table of rules that size containers.
#[derive(Clone, Copy, Debug)]
pub struct SizingRow {
    /// Name as written in files.
    pub name: &'static str,
    /// What it does, in a line.
    pub summary: &'static str,
    /// Where the rule comes from.
    pub source: &'static str,
    /// Its parameters.
    pub parameters: &'static [Parameter],
    /// Whether it knows what will come: a bound, no policy.
    pub is_clairvoyant: bool,
    build: Build,
}

impl SizingRow {
    /// The rule with these parameters.
    ///
    /// # Errors
    /// When a parameter is unknown, or wrong.
    pub fn build(&self, parameters: &Value, setting: &SizingSetting<'_>) -> Result<Box<dyn Sizing>, ParameterError> {
        (self.build)(parameters, setting)
    }
}

/// The rule of VerticalPodAutoscalers.
pub const VPA_NAME: &str = "vpa";

/// Every rule there is.
pub const SIZINGS: &[SizingRow] = &[
    SizingRow {
        name: VPA_NAME,
        summary: "percentiles of decaying histograms with a margin, within bounds that narrow as history grows",
        source: "Vertical Pod Autoscaler 1.8.1",
        parameters: VPA,
        is_clairvoyant: false,
        build: build_vpa,
    },
    SizingRow {
        name: "autopilot-window",
        summary: "a statistic of past windows of five minutes, with a margin, held for an hour",
        source: "Rzadca et al. 2020, Autopilot: workload autoscaling at Google, EuroSys, section 3.2.2",
        parameters: WINDOW,
        is_clairvoyant: false,
        build: build_window,
    },
    SizingRow {
        name: "autopilot-ensemble",
        summary: "the cheapest of several models, each of which takes the limit that would have been cheapest",
        source: "Rzadca et al. 2020, Autopilot: workload autoscaling at Google, EuroSys, section 3.2.3",
        parameters: ENSEMBLE,
        is_clairvoyant: false,
        build: build_ensemble,
    },
    SizingRow {
        name: "static",
        summary: "requests and limits stay as the template has them",
        source: "none",
        parameters: &[],
        is_clairvoyant: false,
        build: |parameters, _| parameters::none(parameters).map(|()| Box::new(Fixed) as Box<dyn Sizing>),
    },
    SizingRow {
        name: "oracle",
        summary: "the least that covers a share of the time to come",
        source: "ours: a bound",
        parameters: ORACLE,
        is_clairvoyant: true,
        build: build_oracle,
    },
];

/// The row with that name.
pub fn find(name: &str) -> Option<&'static SizingRow> {
    SIZINGS.iter().find(|row| row.name == name)
}

const fn row(name: &'static str, unit: &'static str, default: &'static str, meaning: &'static str) -> Parameter {
    Parameter { name, unit, default, meaning }
}

const VPA: &[Parameter] = &[
    row("recommendationMarginFraction", "", "0.15", "added to what is recommended, 0 to 10"),
    row("podRecommendationMinCpuMillicores", "milli-cores", "25", "least CPU of a pod, 0 to 1000000"),
    row("podRecommendationMinMemoryMb", "MiB", "250", "least memory of a pod, 0 to 1000000"),
    row("targetCpuPercentile", "", "0.9", "of CPU, 0 to 1"),
    row("recommendationLowerBoundCpuPercentile", "", "0.5", "of CPU below which a pod is changed at once, 0 to 1"),
    row("recommendationUpperBoundCpuPercentile", "", "0.95", "of CPU above which a pod is changed at once, 0 to 1"),
    row("confidenceIntervalCpu", "", "24h", "history of CPU that makes the upper bound twice its percentile"),
    row("targetMemoryPercentile", "", "0.9", "of peaks of memory, 0 to 1"),
    row(
        "recommendationLowerBoundMemoryPercentile",
        "",
        "0.5",
        "of memory below which a pod is changed at once, 0 to 1",
    ),
    row(
        "recommendationUpperBoundMemoryPercentile",
        "",
        "0.95",
        "of memory above which a pod is changed at once, 0 to 1",
    ),
    row(
        "confidenceIntervalMemory",
        "",
        "24h",
        "history of CPU that makes the upper bound of memory twice its percentile",
    ),
    row("roundCpuMillicores", "milli-cores", "1", "CPU is rounded up to multiples of it, 1 to 1000000"),
    row("roundMemoryBytes", "bytes", "1", "memory is rounded up to multiples of it, 1 to 1000000000000"),
    row("memoryAggregationInterval", "", "24h", "each gives one peak of memory"),
    row("memoryHistogramDecayHalfLife", "", "24h", "after which a peak of memory counts half"),
    row("cpuHistogramDecayHalfLife", "", "24h", "after which a sample of CPU counts half"),
    row("oomBumpUpRatio", "", "1.2", "by which a container that ran out of memory needs more, 1 to 100"),
    row("oomMinBumpUpBytes", "bytes", "104857600", "by which it needs more at least, 0 to 1000000000000"),
];

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
struct VpaParameters {
    recommendation_margin_fraction: f64,
    pod_recommendation_min_cpu_millicores: f64,
    pod_recommendation_min_memory_mb: f64,
    target_cpu_percentile: f64,
    recommendation_lower_bound_cpu_percentile: f64,
    recommendation_upper_bound_cpu_percentile: f64,
    #[serde(deserialize_with = "parameters::duration")]
    confidence_interval_cpu: SimDuration,
    target_memory_percentile: f64,
    recommendation_lower_bound_memory_percentile: f64,
    recommendation_upper_bound_memory_percentile: f64,
    #[serde(deserialize_with = "parameters::duration")]
    confidence_interval_memory: SimDuration,
    round_cpu_millicores: u64,
    round_memory_bytes: u64,
    #[serde(deserialize_with = "parameters::duration")]
    memory_aggregation_interval: SimDuration,
    #[serde(deserialize_with = "parameters::duration")]
    memory_histogram_decay_half_life: SimDuration,
    #[serde(deserialize_with = "parameters::duration")]
    cpu_histogram_decay_half_life: SimDuration,
    oom_bump_up_ratio: f64,
    oom_min_bump_up_bytes: f64,
}

impl Default for VpaParameters {
    fn default() -> VpaParameters {
        let (recommender, aggregations) = (RecommenderConfig::default(), AggregationsConfig::default());
        VpaParameters {
            recommendation_margin_fraction: recommender.safety_margin_fraction,
            pod_recommendation_min_cpu_millicores: recommender.pod_min_cpu_milli,
            pod_recommendation_min_memory_mb: recommender.pod_min_memory_mib,
            target_cpu_percentile: recommender.cpu.target,
            recommendation_lower_bound_cpu_percentile: recommender.cpu.lower_bound,
            recommendation_upper_bound_cpu_percentile: recommender.cpu.upper_bound,
            confidence_interval_cpu: recommender.cpu.confidence_interval,
            target_memory_percentile: recommender.memory.target,
            recommendation_lower_bound_memory_percentile: recommender.memory.lower_bound,
            recommendation_upper_bound_memory_percentile: recommender.memory.upper_bound,
            confidence_interval_memory: recommender.memory.confidence_interval,
            round_cpu_millicores: recommender.round_cpu_milli,
            round_memory_bytes: recommender.round_memory_bytes,
            memory_aggregation_interval: aggregations.memory_aggregation_interval,
            memory_histogram_decay_half_life: aggregations.memory_half_life,
            cpu_histogram_decay_half_life: aggregations.cpu_half_life,
            oom_bump_up_ratio: aggregations.oom_bump_up_ratio,
            oom_min_bump_up_bytes: aggregations.oom_min_bump_up_bytes,
        }
    }
}

impl VpaParameters {
    fn check(&self) -> Result<(), ParameterError> {
        let fraction = 0.0..=1.0;
        for (name, value, range) in [
            ("recommendationMarginFraction", self.recommendation_margin_fraction, 0.0..=10.0),
            ("podRecommendationMinCpuMillicores", self.pod_recommendation_min_cpu_millicores, 0.0..=1e6),
            ("podRecommendationMinMemoryMb", self.pod_recommendation_min_memory_mb, 0.0..=1e6),
            ("targetCpuPercentile", self.target_cpu_percentile, fraction.clone()),
            ("recommendationLowerBoundCpuPercentile", self.recommendation_lower_bound_cpu_percentile, fraction.clone()),
            ("recommendationUpperBoundCpuPercentile", self.recommendation_upper_bound_cpu_percentile, fraction.clone()),
            ("targetMemoryPercentile", self.target_memory_percentile, fraction.clone()),
            (
                "recommendationLowerBoundMemoryPercentile",
                self.recommendation_lower_bound_memory_percentile,
                fraction.clone(),
            ),
            ("recommendationUpperBoundMemoryPercentile", self.recommendation_upper_bound_memory_percentile, fraction),
            ("roundCpuMillicores", self.round_cpu_millicores as f64, 1.0..=1e6),
            ("roundMemoryBytes", self.round_memory_bytes as f64, 1.0..=1e12),
            ("oomBumpUpRatio", self.oom_bump_up_ratio, 1.0..=100.0),
            ("oomMinBumpUpBytes", self.oom_min_bump_up_bytes, 0.0..=1e12),
        ] {
            require(range.contains(&value), &format!("`{name}` must be {} to {}", range.start(), range.end()))?;
        }
        for (name, span) in [
            ("confidenceIntervalCpu", self.confidence_interval_cpu),
            ("confidenceIntervalMemory", self.confidence_interval_memory),
            ("memoryAggregationInterval", self.memory_aggregation_interval),
            ("memoryHistogramDecayHalfLife", self.memory_histogram_decay_half_life),
            ("cpuHistogramDecayHalfLife", self.cpu_histogram_decay_half_life),
        ] {
            require(span > SimDuration::ZERO, &format!("`{name}` must be more than 0"))?;
        }
        Ok(())
    }
}

fn build_vpa(parameters: &Value, setting: &SizingSetting<'_>) -> Result<Box<dyn Sizing>, ParameterError> {
    let (recommender, aggregations) = vpa_settings(parameters)?;
    Ok(Box::new(KubeVpa::new(setting.container, &aggregations, recommender, setting.policy.clone())))
}

/// The flags of the recommender that parameters of the rule `vpa` give.
///
/// # Errors
/// When a parameter is unknown, or wrong.
pub fn vpa_settings(parameters: &Value) -> Result<(RecommenderConfig, AggregationsConfig), ParameterError> {
    let own: VpaParameters = parameters::read(parameters)?;
    own.check()?;
    let mut recommender = RecommenderConfig {
        safety_margin_fraction: own.recommendation_margin_fraction,
        pod_min_cpu_milli: own.pod_recommendation_min_cpu_millicores,
        pod_min_memory_mib: own.pod_recommendation_min_memory_mb,
        round_cpu_milli: own.round_cpu_millicores,
        round_memory_bytes: own.round_memory_bytes,
        ..RecommenderConfig::default()
    };
    recommender.cpu.target = own.target_cpu_percentile;
    recommender.cpu.lower_bound = own.recommendation_lower_bound_cpu_percentile;
    recommender.cpu.upper_bound = own.recommendation_upper_bound_cpu_percentile;
    recommender.cpu.confidence_interval = own.confidence_interval_cpu;
    recommender.memory.target = own.target_memory_percentile;
    recommender.memory.lower_bound = own.recommendation_lower_bound_memory_percentile;
    recommender.memory.upper_bound = own.recommendation_upper_bound_memory_percentile;
    recommender.memory.confidence_interval = own.confidence_interval_memory;
    let aggregations = AggregationsConfig {
        memory_aggregation_interval: own.memory_aggregation_interval,
        memory_half_life: own.memory_histogram_decay_half_life,
        cpu_half_life: own.cpu_histogram_decay_half_life,
        oom_bump_up_ratio: own.oom_bump_up_ratio,
        oom_min_bump_up_bytes: own.oom_min_bump_up_bytes,
        ..AggregationsConfig::default()
    };
    Ok((recommender, aggregations))
}

const WINDOW: &[Parameter] = &[
    row("cpu", "", "latency-sensitive", "what CPU follows: batch (mean), serving (p90) or latency-sensitive (p95)"),
    row(
        "memory",
        "",
        "low-tolerance",
        "what memory follows: low-tolerance (p98), minimal-tolerance (peak) or intermediate-tolerance",
    ),
    row("cpuHalfLife", "", "12h", "after which a window of CPU counts half"),
    row("memoryHalfLife", "", "48h", "after which a window of memory counts half"),
    row("peakSpan", "", "24h", "over which the peak is taken"),
    row("marginFraction", "", "0.15", "added to what is recommended, 0 to 10"),
    row("largeMarginFraction", "", "0.1", "added to large limits, 0 to 10"),
    row("largeCpuMillicores", "milli-cores", "8000", "from which on CPU is large"),
    row("largeMemoryBytes", "bytes", "34359738368", "from which on memory is large"),
    row("hold", "", "1h", "over which the highest recommendation counts"),
];

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
struct WindowParameters {
    cpu: String,
    memory: String,
    #[serde(deserialize_with = "parameters::duration")]
    cpu_half_life: SimDuration,
    #[serde(deserialize_with = "parameters::duration")]
    memory_half_life: SimDuration,
    #[serde(deserialize_with = "parameters::duration")]
    peak_span: SimDuration,
    margin_fraction: f64,
    large_margin_fraction: f64,
    large_cpu_millicores: u64,
    large_memory_bytes: u64,
    #[serde(deserialize_with = "parameters::duration")]
    hold: SimDuration,
}

impl Default for WindowParameters {
    fn default() -> WindowParameters {
        let config = MovingWindowConfig::default();
        WindowParameters {
            cpu: "latency-sensitive".to_owned(),
            memory: "low-tolerance".to_owned(),
            cpu_half_life: config.cpu_half_life,
            memory_half_life: config.memory_half_life,
            peak_span: config.peak_span,
            margin_fraction: config.margin_fraction,
            large_margin_fraction: config.large_margin_fraction,
            large_cpu_millicores: config.large_cpu.0,
            large_memory_bytes: config.large_memory.0,
            hold: config.hold,
        }
    }
}

fn build_window(parameters: &Value, setting: &SizingSetting<'_>) -> Result<Box<dyn Sizing>, ParameterError> {
    let own: WindowParameters = parameters::read(parameters)?;
    let cpu = match own.cpu.as_str() {
        "batch" => CpuRule::Batch,
        "serving" => CpuRule::Serving,
        "latency-sensitive" => CpuRule::LatencySensitive,
        _ => return Err(ParameterError("`cpu` must be batch, serving or latency-sensitive".to_owned())),
    };
    let memory = match own.memory.as_str() {
        "low-tolerance" => MemoryRule::LowTolerance,
        "minimal-tolerance" => MemoryRule::MinimalTolerance,
        "intermediate-tolerance" => MemoryRule::IntermediateTolerance,
        _ => {
            let words = "low-tolerance, minimal-tolerance or intermediate-tolerance";
            return Err(ParameterError(format!("`memory` must be {words}")));
        }
    };
    for (name, margin) in [("marginFraction", own.margin_fraction), ("largeMarginFraction", own.large_margin_fraction)]
    {
        require((0.0..=10.0).contains(&margin), &format!("`{name}` must be 0 to 10"))?;
    }
    for (name, span) in [("cpuHalfLife", own.cpu_half_life), ("memoryHalfLife", own.memory_half_life)] {
        require(span > SimDuration::ZERO, &format!("`{name}` must be more than 0"))?;
    }
    let config = MovingWindowConfig {
        cpu,
        memory,
        cpu_half_life: own.cpu_half_life,
        memory_half_life: own.memory_half_life,
        peak_span: own.peak_span,
        margin_fraction: own.margin_fraction,
        large_margin_fraction: own.large_margin_fraction,
        large_cpu: crate::units::MilliCpu(own.large_cpu_millicores),
        large_memory: Bytes(own.large_memory_bytes),
        hold: own.hold,
        ..MovingWindowConfig::default()
    };
    Ok(Box::new(MovingWindow::new(setting.container, config)))
}

const ENSEMBLE: &[Parameter] = &[
    row("cpuOverrunWeight", "", "20", "cost of a window of CPU above the limit, 0 to 1000000"),
    row("memoryOverrunWeight", "", "1000", "cost of a window of memory above the limit, 0 to 1000000"),
    row("underrunWeight", "", "1", "cost of a window below the limit, 0 to 1000000"),
    row("limitChangeWeight", "", "0.1", "cost of changing the limit, 0 to 1000000"),
    row("modelChangeWeight", "", "0.05", "cost of changing the model, 0 to 1000000"),
    row("decay", "", "0.003", "weight of the latest window for the cost of a model, above 0 to 1"),
    row(
        "modelDecays",
        "",
        "[0.001, 0.004, 0.016, 0.064]",
        "weights of the latest window for the limit of a model, above 0 to 1",
    ),
    row("modelMargins", "", "[0.05, 0.1, 0.2]", "added to the limit of a model, 0 to 10"),
];

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
struct EnsembleParameters {
    cpu_overrun_weight: f64,
    memory_overrun_weight: f64,
    underrun_weight: f64,
    limit_change_weight: f64,
    model_change_weight: f64,
    decay: f64,
    model_decays: Vec<f64>,
    model_margins: Vec<f64>,
}

impl Default for EnsembleParameters {
    fn default() -> EnsembleParameters {
        let config = EnsembleConfig::default();
        EnsembleParameters {
            cpu_overrun_weight: config.cpu.overrun,
            memory_overrun_weight: config.memory.overrun,
            underrun_weight: config.cpu.underrun,
            limit_change_weight: config.cpu.limit_change,
            model_change_weight: config.cpu.model_change,
            decay: config.decay,
            model_decays: config.model_decays,
            model_margins: config.model_margins,
        }
    }
}

fn build_ensemble(parameters: &Value, setting: &SizingSetting<'_>) -> Result<Box<dyn Sizing>, ParameterError> {
    let own: EnsembleParameters = parameters::read(parameters)?;
    for (name, weight) in [
        ("cpuOverrunWeight", own.cpu_overrun_weight),
        ("memoryOverrunWeight", own.memory_overrun_weight),
        ("underrunWeight", own.underrun_weight),
        ("limitChangeWeight", own.limit_change_weight),
        ("modelChangeWeight", own.model_change_weight),
    ] {
        require((0.0..=1e6).contains(&weight), &format!("`{name}` must be 0 to 1000000"))?;
    }
    let is_decay = |decay: &f64| *decay > 0.0 && *decay <= 1.0;
    require(is_decay(&own.decay), "`decay` must be above 0, 1 at most")?;
    let some = |numbers: &[f64]| (1..=100).contains(&numbers.len());
    let are_decays = some(&own.model_decays) && own.model_decays.iter().all(is_decay);
    require(are_decays, "`modelDecays` must be 1 to 100 numbers above 0, 1 at most")?;
    let are_margins = some(&own.model_margins) && own.model_margins.iter().all(|one| (0.0..=10.0).contains(one));
    require(are_margins, "`modelMargins` must be 1 to 100 numbers of 0 to 10")?;
    let mut config = EnsembleConfig {
        decay: own.decay,
        model_decays: own.model_decays,
        model_margins: own.model_margins,
        ..EnsembleConfig::default()
    };
    for (weights, overrun) in
        [(&mut config.cpu, own.cpu_overrun_weight), (&mut config.memory, own.memory_overrun_weight)]
    {
        weights.overrun = overrun;
        weights.underrun = own.underrun_weight;
        weights.limit_change = own.limit_change_weight;
        weights.model_change = own.model_change_weight;
    }
    Ok(Box::new(Ensemble::new(setting.container, config)))
}

const ORACLE: &[Parameter] = &[
    row("horizon", "", "24h", "time that one size has to cover"),
    row("cpuPercentile", "", "0.95", "share of the time for which CPU is enough, 0 to 1"),
    row("memoryPercentile", "", "1", "share of the time for which memory is enough, 0 to 1"),
];

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
struct OracleParameters {
    #[serde(deserialize_with = "parameters::duration")]
    horizon: SimDuration,
    cpu_percentile: f64,
    memory_percentile: f64,
}

impl Default for OracleParameters {
    fn default() -> OracleParameters {
        let OracleConfig { horizon, cpu_percentile, memory_percentile } = OracleConfig::default();
        OracleParameters { horizon, cpu_percentile, memory_percentile }
    }
}

fn build_oracle(parameters: &Value, setting: &SizingSetting<'_>) -> Result<Box<dyn Sizing>, ParameterError> {
    let OracleParameters { horizon, cpu_percentile, memory_percentile } = parameters::read(parameters)?;
    require(horizon > SimDuration::ZERO, "`horizon` must be more than 0")?;
    for (name, share) in [("cpuPercentile", cpu_percentile), ("memoryPercentile", memory_percentile)] {
        require((0.0..=1.0).contains(&share), &format!("`{name}` must be 0 to 1"))?;
    }
    let config = OracleConfig { horizon, cpu_percentile, memory_percentile };
    Ok(Box::new(Oracle::new(setting.container, config, setting.start, setting.foresight)))
}

#[cfg(test)]
mod tests;
