//! `hpa`: the HorizontalPodAutoscaler of Kubernetes v1.37.0, with all kinds of metrics, behaviours and windows.
//!
//! Manifests of kind HorizontalPodAutoscaler are read into its parameters as they are. What it does is in
//! [`super::horizontal_pod_autoscaler`]; this is the face that it has in common with others.
//!
//! Parameters: `metrics` and `behavior` as in `autoscaling/v2`, and the flags of the controller: `syncPeriod`, `tolerance`,
//! `downscaleStabilization`, `cpuInitializationPeriod`, `initialReadinessDelay`.
//!
//! Source: `pkg/controller/podautoscaler` of Kubernetes v1.37.0.
//! Cost: O(pods x metrics); for CPU of pods whose totals are known O(pods that start), and O(pods) when pods have changed.

use serde::Deserialize;

use super::horizontal_pod_autoscaler::replica_calculator::{Settled, SettledPods};
use super::horizontal_pod_autoscaler::seen::{MetricSamples, Observed, ObservedScale, PodSample, PodsSeen, Seen};
use super::horizontal_pod_autoscaler::spec::{
    HorizontalPodAutoscalerSpec, MetricIdentifier, MetricSpec, MetricTarget, ObjectReference, ResourceName,
};
use super::horizontal_pod_autoscaler::status::Outcome;
use super::horizontal_pod_autoscaler::{Autoscaler, Settings, State};
use super::{
    AutoscalerRow, Condition, Decision, HorizontalAutoscaler, MetricSource, Observation, Reading, Reads, Setting,
    Totals,
};
use crate::policy::parameters::{self, Parameter, ParameterError};
use crate::units::{SimDuration, SimTime};

pub(super) mod written;

use written::{WrittenBehavior, WrittenMetric};

pub(super) const ROW: AutoscalerRow = AutoscalerRow {
    name: "hpa",
    aliases: &["horizontal-pod-autoscaler"],
    summary: "the HorizontalPodAutoscaler of Kubernetes v1.37, exactly",
    source: "Kubernetes v1.37.0, pkg/controller/podautoscaler",
    parameters: PARAMETERS,
    is_clairvoyant: false,
    build: |parameters, setting| Ok(Box::new(Hpa::new(parameters::read(parameters)?, setting)?)),
};

const PARAMETERS: &[Parameter] = &[
    Parameter {
        name: "metrics",
        unit: "",
        default: "[]",
        meaning: "`spec.metrics` of autoscaling/v2; none: 80 % of the requests of cpu",
    },
    Parameter {
        name: "behavior",
        unit: "",
        default: "null",
        meaning: "`spec.behavior` of autoscaling/v2; none: as the flags have it",
    },
    Parameter { name: "syncPeriod", unit: "", default: "15s", meaning: "time from one look to the next, above 0" },
    Parameter { name: "tolerance", unit: "", default: "0.1", meaning: "ratio that makes no change, not negative" },
    Parameter {
        name: "downscaleStabilization",
        unit: "",
        default: "5m",
        meaning: "window of scaling down where `behavior` names none",
    },
    Parameter {
        name: "cpuInitializationPeriod",
        unit: "",
        default: "5m",
        meaning: "age up to which pods that are not ready count as not started",
    },
    Parameter {
        name: "initialReadinessDelay",
        unit: "",
        default: "30s",
        meaning: "age up to which a pod that becomes unready was never ready",
    },
];

#[derive(Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
struct Params {
    metrics: Vec<WrittenMetric>,
    behavior: Option<WrittenBehavior>,
    #[serde(deserialize_with = "parameters::duration")]
    sync_period: SimDuration,
    tolerance: f64,
    #[serde(deserialize_with = "parameters::duration")]
    downscale_stabilization: SimDuration,
    #[serde(deserialize_with = "parameters::duration")]
    cpu_initialization_period: SimDuration,
    #[serde(deserialize_with = "parameters::duration")]
    initial_readiness_delay: SimDuration,
}

impl Default for Params {
    fn default() -> Params {
        let settings = Settings::default();
        Params {
            metrics: Vec::new(),
            behavior: None,
            sync_period: settings.sync_period,
            tolerance: settings.tolerance,
            downscale_stabilization: settings.downscale_stabilization,
            cpu_initialization_period: settings.cpu_initialization_period,
            initial_readiness_delay: settings.initial_readiness_delay,
        }
    }
}

/// See the module.
#[derive(Clone, Debug)]
struct Hpa {
    spec: HorizontalPodAutoscalerSpec,
    settings: Settings,
    /// What it is called in messages.
    target: ObjectReference,
    reads: Reads,
    state: State,
    /// Pods that need not be looked at one by one.
    settled: SettledPods,
}

impl Hpa {
    fn new(params: Params, setting: &Setting<'_>) -> Result<Hpa, ParameterError> {
        let is_ratio = params.tolerance >= 0.0 && params.tolerance.is_finite();
        parameters::require(is_ratio, "`tolerance` must not be negative")?;
        parameters::require(params.sync_period > SimDuration::ZERO, "`syncPeriod` must be above 0")?;
        let metrics = params.metrics.into_iter().map(WrittenMetric::spec).collect::<Result<_, _>>()?;
        let behavior = params.behavior.map(WrittenBehavior::spec).transpose()?;
        let spec = HorizontalPodAutoscalerSpec {
            min_replicas: Some(setting.min_replicas),
            max_replicas: setting.max_replicas,
            metrics,
            behavior,
        };
        let settings = Settings {
            sync_period: params.sync_period,
            downscale_stabilization: params.downscale_stabilization,
            tolerance: params.tolerance,
            cpu_initialization_period: params.cpu_initialization_period,
            initial_readiness_delay: params.initial_readiness_delay,
            ..Settings::default()
        };
        // Whether it may scale to zero hangs on the metrics, which the bounds of a file do not know: fewer than one are
        // only asked for where there is an object or external metric.
        let problems =
            HorizontalPodAutoscalerSpec { min_replicas: spec.min_replicas.map(|min| min.max(1)), ..spec.clone() }
                .with_defaults()
                .problems(settings.can_scale_to_zero);
        if let Some(problem) = problems.first() {
            return Err(ParameterError(problem.to_string()));
        }
        let spec = spec.with_defaults();
        let reads = reads(&spec);
        let target = ObjectReference { kind: String::new(), name: String::new(), api_version: String::new() };
        Ok(Hpa { spec, settings, target, reads, state: State::default(), settled: SettledPods::default() })
    }

    /// What was said of the metric that decided.
    fn reading(&self, outcome: &Outcome) -> Option<Reading> {
        let values = self.state.status.current_metrics.iter().zip(&self.spec.metrics);
        let mut known = values.filter_map(|(value, metric)| Some((value.as_ref()?, metric)));
        let by_name = known.clone().find(|(_, metric)| outcome.metric.starts_with(&label(metric)));
        let (value, metric) = by_name.or_else(|| known.next())?;
        let target = match metric {
            MetricSpec::Resource { target, .. }
            | MetricSpec::ContainerResource { target, .. }
            | MetricSpec::Object { target, .. }
            | MetricSpec::External { target, .. } => *target,
            MetricSpec::Pods { average_value_milli, .. } => MetricTarget::average_value(*average_value_milli),
        };
        // The mean over no pods is what Go makes of it, and no reading.
        let milli = |value: i64| Some(value as f64 / 1000.0).filter(|_| value != i64::MIN);
        let (current, target) = match (target.average_utilization, target.average_value_milli, target.value_milli) {
            (Some(target), ..) => (f64::from(value.average_utilization?), f64::from(target)),
            (_, Some(target), _) => (milli(value.average_value_milli?)?, milli(target)?),
            (_, _, target) => (milli(value.value_milli?)?, milli(target?)?),
        };
        Some(Reading { name: name(metric), current, target })
    }
}

/// The name of a metric, with its unit where that is per cent of requests.
fn name(metric: &MetricSpec) -> String {
    let unit = |target: &MetricTarget| {
        if target.average_utilization.is_some() { " (% of request)" } else { "" }
    };
    match metric {
        MetricSpec::Resource { name, target } => format!("{name}{}", unit(target)),
        MetricSpec::ContainerResource { name, container, target } => format!("{name} of {container}{}", unit(target)),
        MetricSpec::Pods { metric, .. } | MetricSpec::Object { metric, .. } | MetricSpec::External { metric, .. } => {
            metric.name.clone()
        }
    }
}

/// How upstream's text about a metric begins.
fn label(metric: &MetricSpec) -> String {
    match metric {
        MetricSpec::Resource { name, .. } => format!("{name} resource"),
        MetricSpec::ContainerResource { name, .. } => format!("{name} container resource"),
        MetricSpec::Pods { metric, .. } => format!("pods metric {}", metric.name),
        MetricSpec::Object { metric, described_object, .. } => {
            format!("{} metric {}", described_object.kind, metric.name)
        }
        MetricSpec::External { metric, .. } => format!("external metric {}", metric.name),
    }
}

/// What its metrics are made of.
fn reads(spec: &HorizontalPodAutoscalerSpec) -> Reads {
    let mut reads = Reads { pods: true, ..Reads::default() };
    for metric in &spec.metrics {
        match metric {
            MetricSpec::Resource { .. } | MetricSpec::ContainerResource { .. } => {}
            MetricSpec::Pods { metric, .. } => reads.pod_metrics.push(metric.name.clone()),
            MetricSpec::Object { described_object, metric, .. } => {
                reads.metrics.push(source(metric, Some(described_object)));
            }
            MetricSpec::External { metric, .. } => reads.metrics.push(source(metric, None)),
        }
    }
    reads
}

fn source(metric: &MetricIdentifier, object: Option<&ObjectReference>) -> MetricSource {
    MetricSource {
        name: metric.name.clone(),
        object: object.map(|object| format!("{}/{}", object.kind.to_lowercase(), object.name)),
        selector: metric.selector.as_ref().map_or_else(String::new, |selector| selector.to_string()),
    }
}

impl HorizontalAutoscaler for Hpa {
    fn sync(&mut self, seen: &Observation<'_>) -> Decision {
        let of_pods: Vec<Vec<PodSample>> = self.spec.metrics.iter().map(|metric| pod_samples(metric, seen)).collect();
        let samples: Vec<MetricSamples<'_>> =
            self.spec.metrics.iter().zip(&of_pods).map(|(metric, pods)| samples(metric, pods, seen)).collect();
        let mut observed = Observed { pods: seen.pods, containers: seen.containers, settled: None };
        observed.settled = seen.totals.as_ref().map(|totals| {
            self.settled.look(&self.settings, seen.now, totals.version, &observed);
            Settled { pods: &self.settled, totals }
        });
        let names = &seen.names;
        if seen.wants_text && self.target.name != names.target {
            self.target.kind = names.kind.to_owned();
            self.target.name = names.target.to_owned();
        }
        let (namespace, name) = (names.namespace, names.autoscaler);
        let outcome = Autoscaler { namespace, name, target: &self.target, spec: &self.spec, settings: &self.settings }
            .sync(
                &mut self.state,
                seen.now,
                &Seen {
                    scale: Ok(ObservedScale {
                        spec_replicas: seen.replicas.wanted,
                        status_replicas: seen.replicas.current,
                        selector: "target",
                    }),
                    pods: PodsSeen::Observed(observed),
                    samples: &samples,
                    also_selected_by: &[],
                    pod_name: names.pod,
                    update_error: None,
                },
            );
        self.decision(&outcome, seen)
    }

    fn sync_period(&self) -> SimDuration {
        self.settings.sync_period
    }

    fn first_sync(&self) -> SimDuration {
        SimDuration::ZERO
    }

    fn reads(&self) -> Reads {
        self.reads.clone()
    }

    fn needs_samples(&self, now: SimTime, totals: &Totals) -> bool {
        let asks_for_samples = |metric: &MetricSpec| match metric {
            MetricSpec::Resource { name, .. } => *name != ResourceName::Cpu,
            MetricSpec::ContainerResource { .. } => true,
            MetricSpec::Pods { .. } | MetricSpec::Object { .. } | MetricSpec::External { .. } => false,
        };
        !self.settled.are_all(now, totals) || self.spec.metrics.iter().any(asks_for_samples)
    }
}

impl Hpa {
    fn decision(&self, outcome: &Outcome, seen: &Observation<'_>) -> Decision {
        let condition = |one: &super::horizontal_pod_autoscaler::status::Condition| Condition {
            kind: one.kind.name(),
            is_true: one.is_true,
            reason: one.reason,
            message: if seen.wants_text { one.message.clone().into_owned() } else { String::new() },
        };
        let warnings = outcome.events.iter().filter(|event| event.is_warning && seen.wants_text);
        let stays = outcome.proposed.is_some().then_some(seen.replicas.wanted);
        Decision {
            replicas: outcome.scale_to.or(stays),
            reason: outcome.reason.clone(),
            metric: self.reading(outcome),
            conditions: self.state.status.conditions.iter().map(condition).collect(),
            warnings: warnings.map(|event| (event.reason, event.message.clone())).collect(),
        }
    }
}

/// What is known of a metric of pods.
fn pod_samples(metric: &MetricSpec, seen: &Observation<'_>) -> Vec<PodSample> {
    let MetricSpec::Pods { metric, .. } = metric else { return Vec::new() };
    let Some(found) = seen.pod_metrics.iter().find(|one| one.name == metric.name) else { return Vec::new() };
    let of_pod =
        |(pod, value): (&super::ObservedPod, &Option<i64>)| Some(PodSample { pod: pod.id, value_milli: (*value)? });
    seen.pods.iter().zip(found.values_milli).filter_map(of_pod).collect()
}

const NO_METRIC: &str = "the server could not find the metric";

fn samples<'s>(metric: &MetricSpec, of_pods: &'s [PodSample], seen: &Observation<'s>) -> MetricSamples<'s> {
    let find = |metric: &MetricIdentifier, object: Option<&ObjectReference>| {
        let wanted = source(metric, object);
        seen.metrics.iter().find(|one| *one.source == wanted).map(|one| one.values_milli)
    };
    match metric {
        MetricSpec::Resource { .. } | MetricSpec::ContainerResource { .. } => MetricSamples::OfUsage,
        MetricSpec::Pods { .. } if of_pods.is_empty() => MetricSamples::OfPods(Err(NO_METRIC)),
        MetricSpec::Pods { .. } => MetricSamples::OfPods(Ok(of_pods)),
        MetricSpec::Object { metric, described_object, .. } => {
            let value = find(metric, Some(described_object)).and_then(<[i64]>::first);
            MetricSamples::OfObject(value.copied().ok_or(NO_METRIC))
        }
        MetricSpec::External { metric, .. } => MetricSamples::OfSeries(find(metric, None).ok_or(NO_METRIC)),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::{Names, ObservedContainer, ObservedPod, ReplicaCounts, Sample, find};
    use super::*;
    use crate::ids::PodId;
    use crate::units::SimTime;
    use crate::world::lives::PodPhase;

    const MINUTE: u64 = 60_000_000_000;

    fn built(parameters: serde_json::Value) -> Result<Box<dyn HorizontalAutoscaler>, String> {
        let setting = Setting { min_replicas: 2, max_replicas: 6, foresight: &[] };
        find("hpa").unwrap().build(&parameters, &setting).map_err(|error| error.to_string())
    }

    fn cpu(per_cent: i32) -> serde_json::Value {
        let target = json!({"type": "Utilization", "averageUtilization": per_cent});
        json!({"metrics": [{"type": "Resource", "resource": {"name": "cpu", "target": target}}]})
    }

    /// Asks with pods that have been ready for an hour, and use so many of 1000 milli-cores.
    fn asked(policy: &mut dyn HorizontalAutoscaler, used_milli: &[u64]) -> Decision {
        let now = SimTime(60 * MINUTE);
        let pod = |position: usize| ObservedPod {
            id: PodId(position as u32),
            phase: PodPhase::Running,
            is_terminating: false,
            started: Some(SimTime::ZERO),
            ready: Some((true, SimTime::ZERO)),
            sample: Some(Sample { at: now, window: SimDuration(MINUTE) }),
            first_container: position as u32,
            container_count: 1,
        };
        let container = |&cpu_milli: &u64| ObservedContainer {
            name: "app",
            cpu_request_milli: Some(1000),
            memory_request_bytes: None,
            cpu_milli,
            memory_bytes: 0,
        };
        let names = Names {
            namespace: "shop",
            autoscaler: "web",
            kind: "Deployment",
            target: "web",
            pod: &|pod| format!("web-{}", pod.0),
        };
        let count = used_milli.len() as i32;
        policy.sync(&Observation {
            now,
            replicas: ReplicaCounts { wanted: count, current: count, ready: count },
            pods: &(0..used_milli.len()).map(pod).collect::<Vec<_>>(),
            containers: &used_milli.iter().map(container).collect::<Vec<_>>(),
            totals: None,
            traffic: None,
            pod_metrics: &[],
            metrics: &[],
            wants_text: true,
            names,
        })
    }

    /// Errors name pods, metrics and objects with their namespace, as `kubectl describe` shows upstream's.
    #[test]
    fn messages_name_what_they_are_about() {
        let average = json!({"type": "AverageValue", "averageValue": "5"});
        let memory = json!({"type": "Resource", "resource": {"name": "memory", "target": {"type": "Utilization", "averageUtilization": 50}}});
        let ingress = json!({"kind": "Ingress", "name": "edge"});
        let object = json!({"type": "Object", "object": {"metric": {"name": "rps"}, "describedObject": ingress, "target": average}});
        let external = json!({"type": "External", "external": {"metric": {"name": "messages"}, "target": average}});
        for (metric, said) in [
            (memory, "failed to get memory utilization: missing request for memory in container app of Pod web-0"),
            (
                object,
                "unable to get metric rps on Ingress shop/edge: unable to fetch metrics from custom metrics API: ",
            ),
            (
                external,
                "unable to get external metric shop/messages/nil: unable to fetch metrics from external metrics API: ",
            ),
        ] {
            let decision = asked(built(json!({"metrics": [metric]})).unwrap().as_mut(), &[300, 300]);
            let found = decision.conditions.iter().find(|one| one.kind == "ScalingActive").unwrap();
            assert!(!found.is_true && found.message.contains(said), "{}", found.message);
        }
    }

    /// Upstream's `TestScaleUp`: 300, 500 and 700 of 1000 milli-cores at 30 % are 3 x 50 / 30 = 5.
    #[test]
    fn it_decides_and_tells_as_upstream() {
        let decision = asked(built(cpu(30)).unwrap().as_mut(), &[300, 500, 700]);
        assert_eq!(decision.replicas, Some(5));
        assert_eq!(decision.reason, "cpu resource utilization (percentage of request) above target");
        let reading = Reading { name: "cpu (% of request)".to_owned(), current: 50.0, target: 30.0 };
        assert_eq!(decision.metric, Some(reading));
        let seen: Vec<(&str, bool, &str)> =
            decision.conditions.iter().map(|one| (one.kind, one.is_true, one.reason)).collect();
        assert_eq!(
            seen[..3],
            [
                ("AbleToScale", true, "SucceededRescale"),
                ("ScalingActive", true, "ValidMetricFound"),
                ("ScalingLimited", false, "DesiredWithinRange"),
            ]
        );
    }

    #[test]
    fn manifests_are_read_as_they_are() {
        let metrics = json!([
            {"type": "ContainerResource", "containerResource": {"name": "memory", "container": "app",
             "target": {"type": "AverageValue", "averageValue": "100Mi"}}},
            {"type": "Pods", "pods": {"metric": {"name": "requests"},
             "target": {"type": "AverageValue", "averageValue": 30}}},
            {"type": "Object", "object": {"describedObject": {"kind": "Ingress", "name": "main"},
             "metric": {"name": "requests"}, "target": {"type": "Value", "value": "10k"}}},
            {"type": "External", "external": {"metric": {"name": "messages", "selector": {"matchLabels": {"queue": "a"}}},
             "target": {"type": "AverageValue", "averageValue": "500m"}}},
        ]);
        let policies = json!([{"type": "Pods", "value": 2, "periodSeconds": 60}]);
        let behavior = json!({
            "scaleUp": {"stabilizationWindowSeconds": 60, "selectPolicy": "Min", "policies": policies, "tolerance": "0.05"},
            "scaleDown": {"selectPolicy": "Disabled"},
        });
        let reads = built(json!({"metrics": metrics, "behavior": behavior})).unwrap().reads();
        assert_eq!(reads.pod_metrics, ["requests"]);
        let sources: Vec<(&str, Option<&str>)> =
            reads.metrics.iter().map(|one| (one.name.as_str(), one.object.as_deref())).collect();
        assert_eq!(sources, [("requests", Some("ingress/main")), ("messages", None)]);
        for (parameters, said) in [
            (json!({"metrics": [{"type": "Resources"}]}), "is no type of metric"),
            (json!({"metrics": [{"type": "Resource"}]}), "needs `resource`"),
            (cpu(0), "averageUtilization"),
            (json!({"behavior": {"scaleUp": {"selectPolicy": "Most"}}}), "is none of Max, Min, Disabled"),
            (json!({"behavior": {"scaleUp": {"stabilizationWindowSeconds": 3601}}}), "stabilizationWindowSeconds"),
            (json!({"behavior": {"scaleup": {}}}), "scaleup"),
        ] {
            let why = built(parameters.clone()).map(drop).unwrap_err();
            assert!(why.contains(said), "{parameters}: {why}");
        }
    }
}
