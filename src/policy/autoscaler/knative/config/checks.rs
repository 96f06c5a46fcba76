//! What upstream refuses: `validate` of the ConfigMap, and the webhook's checks of annotations.

use super::reading::Settings;
use super::{AutoscalerConfig, RevisionSettings, SECOND, SettingProblem, TARGET_MIN, WINDOW_MAX, WINDOW_MIN};
use crate::units::SimDuration;

/// Whether a span is no whole number of seconds.
fn is_fine(span: SimDuration) -> bool {
    !span.0.is_multiple_of(SECOND.0)
}

fn is_no_burst_capacity(value: f64) -> bool {
    value < 0.0 && value != -1.0
}

/// Rules for the settings of the cluster.
pub(super) fn cluster(config: &AutoscalerConfig) -> Vec<SettingProblem> {
    let mut problems = Vec::new();
    let mut rule = |key: &str, broken: bool, message: &str| {
        if broken {
            problems.push(SettingProblem { key: key.to_owned(), message: message.to_owned() });
        }
    };
    rule("scale-to-zero-grace-period", config.scale_to_zero_grace_period.0 == 0, "must be more than zero");
    rule("scale-down-delay", is_fine(config.scale_down_delay), "must be whole seconds");
    let burst = config.target_burst_capacity;
    rule("target-burst-capacity", is_no_burst_capacity(burst), "must be 0 or more, or -1 for no limit");
    let fraction = config.container_concurrency_target_fraction;
    rule("container-concurrency-target-percentage", fraction <= 0.0 || fraction > 1.0, "must be in (0, 100]");
    let target = fraction * config.container_concurrency_target_default;
    let message = "together with container-concurrency-target-percentage yields a target below 0.01";
    rule("container-concurrency-target-default", target < TARGET_MIN, message);
    rule("requests-per-second-target-default", config.rps_target_default < TARGET_MIN, "must be at least 0.01");
    rule("activator-capacity", config.activator_capacity < 1.0, "must be at least 1");
    rule("max-scale-up-rate", config.max_scale_up_rate <= 1.0, "must be more than 1");
    rule("max-scale-down-rate", config.max_scale_down_rate <= 1.0, "must be more than 1");
    let window = config.stable_window;
    rule("stable-window", window < WINDOW_MIN || window > WINDOW_MAX, "must be from 6s to 1h");
    rule("stable-window", is_fine(window), "must be whole seconds");
    let percentage = config.panic_window_percentage;
    rule("panic-window-percentage", !(1.0..=100.0).contains(&percentage), "must be from 1 to 100");
    let initial = config.initial_scale;
    let message = "must be at least 1, or 0 with allow-zero-initial-scale";
    rule("initial-scale", initial < 0 || (initial == 0 && !config.allow_zero_initial_scale), message);
    rule("min-scale", config.min_scale < 0, "must be 0 or more");
    let (max, limit) = (config.max_scale, config.max_scale_limit);
    let message = "must be from 0 to max-scale-limit, and at least 1 where there is such a limit";
    rule("max-scale", max < i32::from(limit > 0) || (limit > 0 && max > limit), message);
    rule("max-scale-limit", limit < 0, "must be 0 or more");
    rule("min-scale", config.min_scale > max && max > 0, "must not be more than max-scale");
    problems
}

/// Rules for annotations that were read. What the cluster sets has been checked there.
pub(super) fn revision(config: &AutoscalerConfig, settings: &RevisionSettings, from: &mut Settings<'_>) {
    // Annotations are held against each other, not against the cluster's bounds.
    let own = |key, pods| if from.text(key).is_some() { pods } else { 0 };
    let (min, max) = (own("min-scale", settings.min_scale), own("max-scale", settings.max_scale));
    let mut rule = |key: &str, broken: bool, message: &str| {
        if broken && from.text(key).is_some() {
            from.refuse(key, message.to_owned());
        }
    };
    let percentage = settings.panic_window_percentage;
    rule("panic-window-percentage", !(1.0..=100.0).contains(&percentage), "must be from 1 to 100");
    let threshold = settings.panic_threshold * 100.0;
    rule("panic-threshold-percentage", !(110.0..=1000.0).contains(&threshold), "must be from 110 to 1000");
    let burst = settings.target_burst_capacity;
    rule("target-burst-capacity", is_no_burst_capacity(burst), "must be 0 or more, or -1 for no limit");
    let window = settings.stable_window;
    rule("window", window < WINDOW_MIN || window > WINDOW_MAX, "must be from 6s to 1h");
    rule("window", is_fine(window), "must be whole seconds");
    rule("scale-down-delay", settings.scale_down_delay > WINDOW_MAX, "must be at most 1h");
    rule("scale-down-delay", is_fine(settings.scale_down_delay), "must be whole seconds");
    let retention = settings.scale_to_zero_pod_retention_period;
    rule("scale-to-zero-pod-retention-period", retention > WINDOW_MAX, "must be at most 1h");
    let activation = settings.activation_scale;
    rule("min-scale", min < 0, "must be 0 or more");
    rule("max-scale", max < 0, "must be 0 or more");
    let limit = config.max_scale_limit;
    rule("max-scale", limit != 0 && (max > limit || max == 0), "must be from 1 to the cluster's max-scale-limit");
    rule("max-scale", max != 0 && max < min, "must not be less than min-scale");
    rule("activation-scale", activation < 2, "must be at least 2");
    rule("activation-scale", activation < min, "must not be less than min-scale");
    rule("activation-scale", max != 0 && activation > max, "must not be more than max-scale");
    let initial = settings.initial_scale;
    rule("initial-scale", initial < 0, "must be 0 or more");
    let message = "must be at least 1: the cluster does not allow 0";
    rule("initial-scale", initial == 0 && !config.allow_zero_initial_scale, message);
    ranges(from);
}

/// Rules for numbers that are not kept as they were written.
fn ranges(from: &mut Settings<'_>) {
    for (key, range) in [("target", TARGET_MIN..=f64::INFINITY), ("target-utilization-percentage", 1.0..=100.0)] {
        let number = from.text(key).and_then(|text| text.trim().parse::<f64>().ok());
        if number.is_some_and(|number| !range.contains(&number)) {
            from.refuse(key, format!("must be from {} to {}", range.start(), range.end()));
        }
    }
}
