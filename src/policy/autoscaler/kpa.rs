//! `kpa`: Knative's pod autoscaler, with stable and panic windows, scale to zero and cold starts.
//!
//! The rules are those of [`super::knative`]; this is the face that they have in common with others. The target is taken for
//! a revision that a route leads to, and whose annotations and ConfigMap `config-autoscaler` are given as parameters. The
//! bounds of the autoscaler hold beside `min-scale` and `max-scale`: with `minReplicas: 0` the last pod may go.
//!
//! What it measures is what requests do in the service of the target: those in flight or the rate, as the mean since the last
//! look. A service with `queue: shared` keeps requests while there are no pods, and stands in for the activator.
//!
//! Parameters: `annotations`, `config`, `containerConcurrency`.
//!
//! Known deviations from upstream:
//! - The mean of two seconds is entered for both; upstream scrapes a sample of the pods each second, and extrapolates.
//! - A request that meets no pods is seen at the next look, up to 2 s later; upstream's activator calls at once (`Poke`).
//! - The reconciler runs at each look, rather than when something has changed and when it asked to. A wait can so be up to 2 s
//!   longer.
//! - The activator is in the path as soon as it should be: probes are answered, and passing through it takes no time. It
//!   counts as in the path when the reconciler says `Proxy`, but requests go through the service's balancer all the same.
//! - A revision begins with the replicas that the manifest says; `initial-scale` above 1 adds to that.
//!
//! Source: Knative Serving v0.51.0, `pkg/autoscaler` and `pkg/reconciler/autoscaling/kpa`.
//! Cost: O(seconds since the last look).

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::{Map, Value};

use super::knative::config::{AutoscalerConfig, Reachability, RevisionSettings, ScalingMetric, SettingProblem};
use super::knative::decider::RevisionScaler;
use super::knative::metrics::Stat;
use super::knative::reconciler::{Activity, Mode, Observed, Reconciler};
use super::knative::{SCALE_UNKNOWN, SCRAPE_INTERVAL, TICK_INTERVAL};
use super::wish::bounds;
use super::{
    AutoscalerRow, Condition, Decision, HorizontalAutoscaler, Observation, Reading, Reads, Setting, TrafficSample,
};
use crate::policy::parameters::{self, Parameter, ParameterError};
use crate::units::{SimDuration, SimTime};

pub(super) const ROW: AutoscalerRow = AutoscalerRow {
    name: "kpa",
    aliases: &["knative", "knative-pod-autoscaler"],
    summary: "Knative's pod autoscaler: stable and panic windows, scale to zero with grace",
    source: "Knative Serving v0.51.0, pkg/autoscaler and pkg/reconciler/autoscaling/kpa",
    parameters: &[
        Parameter {
            name: "annotations",
            unit: "",
            default: "null",
            meaning: "annotations of the revision, in full or without autoscaling.knative.dev/: metric (concurrency, rps), target, \
                      target-utilization-percentage, window, panic-window-percentage, panic-threshold-percentage, min-scale, \
                      max-scale, initial-scale, activation-scale, scale-down-delay, scale-to-zero-pod-retention-period, \
                      target-burst-capacity, metric-aggregation-algorithm",
        },
        Parameter {
            name: "config",
            unit: "",
            default: "null",
            meaning: "data of the ConfigMap config-autoscaler, such as stable-window or scale-to-zero-grace-period",
        },
        Parameter {
            name: "containerConcurrency",
            unit: "",
            default: "0",
            meaning: "requests that a pod takes at a time, a whole number; 0: no limit",
        },
    ],
    is_clairvoyant: false,
    build: |parameters, setting| Ok(Box::new(Kpa::new(&parameters::read(parameters)?, setting)?)),
};

const PREFIX: &str = "autoscaling.knative.dev/";
/// The annotations that are read, without their prefix.
const ANNOTATIONS: [&str; 14] = [
    "activation-scale",
    "initial-scale",
    "max-scale",
    "metric",
    "metric-aggregation-algorithm",
    "min-scale",
    "panic-threshold-percentage",
    "panic-window-percentage",
    "scale-down-delay",
    "scale-to-zero-pod-retention-period",
    "target",
    "target-burst-capacity",
    "target-utilization-percentage",
    "window",
];
/// The keys of the ConfigMap that are read.
const CONFIG: [&str; 19] = [
    "activator-capacity",
    "allow-zero-initial-scale",
    "container-concurrency-target-default",
    "container-concurrency-target-percentage",
    "enable-scale-to-zero",
    "initial-scale",
    "max-scale",
    "max-scale-limit",
    "max-scale-down-rate",
    "max-scale-up-rate",
    "min-scale",
    "panic-threshold-percentage",
    "panic-window-percentage",
    "requests-per-second-target-default",
    "scale-down-delay",
    "scale-to-zero-grace-period",
    "scale-to-zero-pod-retention-period",
    "stable-window",
    "target-burst-capacity",
];

#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
struct Params {
    annotations: Option<Map<String, Value>>,
    config: Option<Map<String, Value>>,
    container_concurrency: u32,
}

/// A mapping as texts, with what is wrong with it. Keys are written with `prefix`, whether they have it or not.
fn texts(
    map: &Map<String, Value>,
    prefix: &str,
    known: &[&str],
    place: &str,
) -> (BTreeMap<String, String>, Vec<String>) {
    let (mut texts, mut problems) = (BTreeMap::new(), Vec::new());
    for (key, value) in map {
        let short = key.strip_prefix(prefix).unwrap_or(key);
        if !known.contains(&short) {
            problems.push(format!("`{place}` has no key `{key}`: there are {}", known.join(", ")));
            continue;
        }
        match value {
            Value::String(text) => drop(texts.insert(format!("{prefix}{short}"), text.clone())),
            Value::Number(_) | Value::Bool(_) => drop(texts.insert(format!("{prefix}{short}"), value.to_string())),
            _ => problems.push(format!("`{place}.{key}` must be a text, a number, or true or false")),
        }
    }
    (texts, problems)
}

fn refused(problems: &[SettingProblem], place: &str) -> Vec<String> {
    problems.iter().map(|problem| format!("`{place}`: {problem}")).collect()
}

/// The settings of the revision within the bounds of the autoscaler.
fn settings(params: &Params, setting: &Setting<'_>) -> Result<RevisionSettings, Vec<String>> {
    let empty = Map::new();
    let (data, mut problems) = texts(params.config.as_ref().unwrap_or(&empty), "", &CONFIG, "config");
    let own = params.annotations.as_ref().unwrap_or(&empty);
    let (annotations, more) = texts(own, PREFIX, &ANNOTATIONS, "annotations");
    problems.extend(more);
    let config = AutoscalerConfig::from_data(&data).unwrap_or_else(|found| {
        problems.extend(refused(&found, "config"));
        AutoscalerConfig::default()
    });
    let concurrency = params.container_concurrency;
    let resolved = RevisionSettings::resolve(&config, &annotations, concurrency, Reachability::Reachable);
    let mut settings = match resolved {
        Ok(settings) if problems.is_empty() => settings,
        Ok(_) => return Err(problems),
        Err(found) => {
            problems.extend(refused(&found, "annotations"));
            return Err(problems);
        }
    };
    let has = |key: &str| annotations.contains_key(&format!("{PREFIX}{key}"));
    let (min, max) = (settings.min_scale, settings.max_scale);
    if has("min-scale") && min < setting.min_replicas {
        problems.push(format!("min-scale {min} is below minReplicas {}: write that as {min}", setting.min_replicas));
    }
    if max > setting.max_replicas {
        problems.push(format!("max-scale {max} is above maxReplicas {}: write that as {max}", setting.max_replicas));
    }
    settings.min_scale = min.max(setting.min_replicas);
    settings.max_scale = if max == 0 { setting.max_replicas } else { max };
    if settings.min_scale > settings.max_scale {
        problems.push(format!("at least {} and at most {} pods are asked for", settings.min_scale, settings.max_scale));
    }
    if problems.is_empty() { Ok(settings) } else { Err(problems) }
}

/// See the module.
#[derive(Clone, Debug)]
struct Kpa {
    bounds: Setting<'static>,
    settings: RevisionSettings,
    /// From the first look on.
    revision: Option<Revision>,
}

#[derive(Clone, Debug)]
struct Revision {
    scaler: RevisionScaler,
    reconciler: Reconciler,
    mode: Mode,
    /// Since when the activator is in the path, if it is.
    proxied_since: SimTime,
}

impl Kpa {
    fn new(params: &Params, setting: &Setting<'_>) -> Result<Kpa, ParameterError> {
        let settings = settings(params, setting).map_err(|problems| ParameterError(problems.join("; ")))?;
        Ok(Kpa { bounds: bounds(setting), settings, revision: None })
    }
}

impl Revision {
    fn new(settings: RevisionSettings, ready_pods: u32, now: SimTime) -> Revision {
        Revision {
            scaler: RevisionScaler::new(settings, ready_pods, now),
            reconciler: Reconciler::new(now),
            mode: Mode::Proxy,
            proxied_since: now,
        }
    }

    /// Enters what happened since the last look, second by second.
    fn record(&mut self, traffic: &TrafficSample, ready_pods: u32, now: SimTime) {
        let mut concurrency = traffic.concurrency;
        if ready_pods == 0 {
            if traffic.arrivals == 0.0 && concurrency == 0.0 && traffic.held == 0.0 {
                // No pods report, nor does the activator.
                return;
            }
            if self.scaler.wants_poke(traffic.arrivals + traffic.held) {
                // The first request is reported as one in flight, however soon it went.
                concurrency = concurrency.max(1.0);
            }
        }
        let stat = Stat { concurrency, requests: traffic.arrival_rate_per_s(), ..Stat::default() };
        let span = traffic.window.0.min(self.scaler.settings().stable_window.0);
        for back in (0..(span / SCRAPE_INTERVAL.0).max(1)).rev() {
            let at = SimTime(now.0.saturating_sub(back * SCRAPE_INTERVAL.0));
            self.scaler.metrics().record(at, stat);
        }
    }

    /// Decides and reconciles; the replicas to write, none: it is not known how many there should be.
    fn reconcile(&mut self, seen: &Observation<'_>, ready_pods: u32) -> Option<i32> {
        self.scaler.tick(ready_pods, seen.now);
        let latest = self.scaler.latest();
        let is_proxied = self.mode == Mode::Proxy;
        let observed = Observed {
            desired_pods: latest.desired_pods,
            excess_burst_capacity: latest.excess_burst_capacity,
            ready_pods,
            replicas: seen.replicas.wanted,
            mode: self.mode,
            proxied_for: if is_proxied { seen.now.since(self.proxied_since) } else { SimDuration::ZERO },
            is_behind_activator: is_proxied,
        };
        let decision = self.reconciler.reconcile(self.scaler.settings(), &observed, seen.now);
        if decision.mode == Mode::Proxy && !is_proxied {
            self.proxied_since = seen.now;
        }
        self.mode = decision.mode;
        let stays = (decision.want != SCALE_UNKNOWN).then_some(seen.replicas.wanted);
        decision.replicas.or(stays)
    }

    /// The averages over the stable and the panic window.
    fn averages(&mut self, now: SimTime) -> Option<(f64, f64)> {
        let metric = self.scaler.settings().metric;
        self.scaler.metrics().stable_and_panic(metric, now)
    }
}

fn metric_name(metric: ScalingMetric) -> &'static str {
    match metric {
        ScalingMetric::Concurrency => "concurrency",
        ScalingMetric::RequestsPerSecond => "rps",
    }
}

impl HorizontalAutoscaler for Kpa {
    fn sync(&mut self, seen: &Observation<'_>) -> Decision {
        let ready_pods = u32::try_from(seen.replicas.ready).unwrap_or(0);
        let revision = self.revision.get_or_insert_with(|| Revision::new(self.settings, ready_pods, seen.now));
        if let Some(traffic) = seen.traffic {
            revision.record(traffic, ready_pods, seen.now);
        }
        let replicas = revision.reconcile(seen, ready_pods).map(|replicas| self.bounds.clamp(replicas));
        let averages = revision.averages(seen.now);
        let changes = replicas.is_some_and(|replicas| replicas != seen.replicas.wanted);
        let per_pod = |sum: f64| sum / f64::from(ready_pods.max(1));
        Decision {
            replicas,
            reason: if changes { reason(revision, averages) } else { String::new() },
            metric: averages.map(|(stable, _)| Reading {
                name: metric_name(self.settings.metric).to_owned(),
                current: per_pod(stable),
                target: self.settings.target_value,
            }),
            conditions: conditions(revision, averages, seen),
            warnings: Vec::new(),
        }
    }

    fn sync_period(&self) -> SimDuration {
        TICK_INTERVAL
    }

    fn reads(&self) -> Reads {
        Reads { traffic: true, ..Reads::default() }
    }
}

/// Why the number of replicas changes.
fn reason(revision: &Revision, averages: Option<(f64, f64)>) -> String {
    let settings = revision.scaler.settings();
    let metric = metric_name(settings.metric);
    match averages {
        _ if revision.reconciler.activity == Activity::NoTraffic => {
            "no traffic, and the grace period is over".to_owned()
        }
        Some((stable, panic)) if revision.scaler.panic_since().is_some() => {
            format!("panicking: {metric} {panic:.2} (stable {stable:.2}) at {:.2} a pod", settings.target_value)
        }
        Some((stable, _)) => format!("{metric} {stable:.2} at {:.2} a pod", settings.target_value),
        None => "nothing is measured: bounds and initial scale".to_owned(),
    }
}

/// The conditions of a PodAutoscaler, and whether it panics.
fn conditions(revision: &Revision, averages: Option<(f64, f64)>, seen: &Observation<'_>) -> Vec<Condition> {
    let (is_active, reason, message) = match revision.reconciler.activity {
        Activity::Active => (true, "Active", ""),
        Activity::Activating => {
            (false, "Queued", "Requests to the target are being buffered as resources are provisioned.")
        }
        Activity::NoTraffic => (false, "NoTraffic", "The target is not receiving traffic."),
        Activity::TimedOut => (false, "TimedOut", "The target could not be activated."),
    };
    let text = |message: String| {
        if seen.wants_text { message } else { String::new() }
    };
    let is_initialized = revision.reconciler.is_initialized;
    let initialized = if is_initialized { "InitialScaleReached" } else { "InitialScaleNotReached" };
    let is_panicking = revision.scaler.panic_since().is_some();
    let measured = match averages.filter(|_| seen.wants_text) {
        Some((stable, panic)) => format!("stable window {stable:.2}, panic window {panic:.2}"),
        None => text("nothing was measured for a stable window".to_owned()),
    };
    let condition = |kind, is_true, reason, message| Condition { kind, is_true, reason, message };
    vec![
        condition("Active", is_active, reason, text(message.to_owned())),
        condition("ScaleTargetInitialized", is_initialized, initialized, String::new()),
        condition("Panicking", is_panicking, if is_panicking { "OverThreshold" } else { "Stable" }, measured),
    ]
}

#[cfg(test)]
mod tests;
