//! Autoscalers: from the file and the manifests to the model.

mod spec;
mod vertical;

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value as Json;

use super::context::Context;
use super::kubernetes::{Parts, PodMakers, WrittenAutoscaler, WrittenVertical};
use super::schema::{join, suggestion};
use super::script::kind_and_name;
use super::spec::ScenarioSpec;
use crate::document::{Code, Issue};
use crate::ids::{ControllerId, ServiceId};
use crate::model::autoscaling::{
    Autoscaling, CustomMetric, HorizontalAutoscaler, MetricValues, MetricsPipeline, TrafficFigure,
};
use crate::model::controllers::Controller;
use crate::model::traffic::Backends;
use crate::model::vertical_pod_autoscaler::LimitRanges;
use crate::model::{Controllers, PolicyChoice, Traffic};
use crate::policy::autoscaler::{self, AUTOSCALERS, AutoscalerRow, Setting};
use crate::units::{SimDuration, SimTime};
pub(super) use spec::AutoscalingSpec;
use spec::{AutoscalerSpec, CustomMetricSpec, FigureSpec, MetricsServerSpec};

/// The policy that makes Jobs, and the kind of object that has them made.
const SCALED_JOB_POLICY: &str = "keda-scaled-job";
const SCALED_JOB: &str = "ScaledJob";

/// Checks what can be checked without the cluster.
pub(super) fn validate(scenario: &ScenarioSpec, context: &mut Context<'_>) {
    let Some(spec) = &scenario.autoscaling else { return };
    let mut targets = BTreeSet::new();
    for (index, one) in spec.autoscalers.iter().enumerate() {
        let at = format!("autoscaling.autoscalers[{index}]");
        let (min, max) = (one.min_replicas.unwrap_or(1), one.max_replicas);
        if let Some(max) = max.filter(|max| *max < min) {
            let message = format!("`{at}.maxReplicas` is {max}, below `minReplicas`, {min}");
            context.report(&format!("{at}.maxReplicas"), Code::Contradiction, message);
        }
        if kind_and_name(&one.target).is_none() {
            let message = format!("`{}` is no workload: write kind and name, such as deployment/web", one.target);
            context.report(&format!("{at}.target"), Code::NotAllowed, message);
        } else if !targets.insert((&one.namespace, kind_and_name(&one.target))) {
            let message = format!("`{}` has two autoscalers", one.target);
            context.report(&format!("{at}.target"), Code::DuplicateName, message);
        }
        policy_is_known(one, &at, context);
    }
    vertical::validate(spec, context);
    pipeline(&spec.metrics_server, context);
    for (index, metric) in spec.metrics.iter().enumerate() {
        validate_metric(metric, &format!("autoscaling.metrics[{index}]"), context);
    }
}

/// Whether a policy and its parameters are right.
fn policy_is_known(one: &AutoscalerSpec, at: &str, context: &mut Context<'_>) {
    let Some(row) = autoscaler::find(&one.policy) else {
        let names: Vec<&str> = AUTOSCALERS.iter().map(|row| row.name).collect();
        let message = format!("`{at}.policy`: there is no autoscaler `{}`", one.policy);
        let hint = suggestion(&one.policy, &names, "those known are");
        return context.report_with_hint(&format!("{at}.policy"), Code::UnknownPolicy, message, hint);
    };
    let names: Vec<&str> = row.parameters.iter().map(|parameter| parameter.name).collect();
    let unknown: Vec<&String> = one.parameters.keys().filter(|name| !names.contains(&name.as_str())).collect();
    for name in &unknown {
        let message = format!("the autoscaler `{}` has no parameter `{name}`", row.name);
        let hint =
            if names.is_empty() { "it has none".to_owned() } else { suggestion(name, &names, "its parameters are") };
        context.report_with_hint(&join(&format!("{at}.parameters"), name), Code::UnknownKey, message, hint);
    }
    let (min, max) = (one.min_replicas.unwrap_or(1), one.max_replicas.unwrap_or(i32::MAX));
    if unknown.is_empty()
        && let Err(why) = builds(row, &Json::Object(one.parameters.clone()), min, max)
    {
        let message = format!("the autoscaler `{}`: {why}", row.name);
        context.report(&format!("{at}.parameters"), Code::OutOfRange, message);
    }
}

/// Lets the policy itself read its parameters.
fn builds(row: &AutoscalerRow, parameters: &Json, min_replicas: i32, max_replicas: i32) -> Result<(), String> {
    let setting = Setting { min_replicas, max_replicas: max_replicas.max(min_replicas), foresight: &[] };
    row.build(parameters, &setting).map(drop).map_err(|error| error.to_string())
}

fn pipeline(spec: &MetricsServerSpec, context: &mut Context<'_>) -> MetricsPipeline {
    let default = MetricsPipeline::default();
    let resolution = spec.resolution.map_or(default.resolution, |span| span.0);
    let delay = spec.delay.map_or(default.delay, |span| span.0);
    let at = "autoscaling.metricsServer";
    if resolution == SimDuration::ZERO {
        context.report(&format!("{at}.resolution"), Code::OutOfRange, format!("`{at}.resolution` must be more than 0"));
    } else if delay >= resolution {
        let message = format!("`{at}.delay` must be less than the resolution, {resolution} s");
        context.report(&format!("{at}.delay"), Code::OutOfRange, message);
    }
    let phase = spec.phase.map_or(resolution, |span| span.0);
    MetricsPipeline { resolution, phase: SimTime::ZERO.after(phase), delay }
}

fn validate_metric(metric: &CustomMetricSpec, at: &str, context: &mut Context<'_>) {
    if metric.figure.is_some() != metric.series.is_empty() {
        let message = format!("`{at}` says its values in one way");
        context.report_with_hint(at, Code::Contradiction, message, "give one of `figure` and `series`");
    }
    if metric.service.is_some() && metric.figure.is_none() {
        let message = format!("`{at}.service` has no meaning without `figure`");
        context.report(&format!("{at}.service"), Code::Contradiction, message);
    }
    for (index, pair) in metric.series.windows(2).enumerate() {
        if pair[1].at.0 <= pair[0].at.0 {
            let at = format!("{at}.series[{}].at", index + 1);
            context.report(&at, Code::OutOfRange, format!("`{at}` is not after the point before it"));
        }
    }
}

/// Makes what targets need that are scaled up: see [`PodMakers::make_room`].
pub(super) fn make_room(
    scenario: &ScenarioSpec,
    manifests: &[WrittenAutoscaler],
    makers: &mut PodMakers,
    parts: &mut Parts<'_>,
    context: &mut Context<'_>,
) {
    let of_file = scenario.autoscaling.iter().flat_map(|spec| &spec.autoscalers).filter_map(|one| {
        let (kind, name) = kind_and_name(&one.target)?;
        let written = manifests.iter().find(|written| is_for(one, written));
        let max = one.max_replicas.or(written.map(|written| written.max_replicas))?;
        Some((one.namespace.as_str(), kind, name, max))
    });
    let of_manifests = manifests
        .iter()
        .map(|one| (one.namespace.as_str(), one.target_kind.as_str(), one.target_name.as_str(), one.max_replicas));
    for (namespace, kind, name, max_replicas) in of_file.chain(of_manifests) {
        if let Some(at) = makers.find(kind, namespace, name) {
            makers.make_room(at, max_replicas, parts, &mut context.findings);
        }
    }
}

/// Builds what has been checked.
pub(super) fn build(
    scenario: &ScenarioSpec,
    (manifests, verticals): (Vec<WrittenAutoscaler>, Vec<WrittenVertical>),
    limit_ranges: &BTreeMap<String, LimitRanges>,
    controllers: &Controllers,
    traffic: &Traffic,
    context: &mut Context<'_>,
) -> Autoscaling {
    let default = AutoscalingSpec::default();
    let spec = scenario.autoscaling.as_ref().unwrap_or(&default);
    let mut builder = Builder { controllers, traffic, context };
    let mut list: Vec<HorizontalAutoscaler> =
        manifests.iter().filter_map(|written| builder.manifest(written, spec)).collect();
    for (index, one) in spec.autoscalers.iter().enumerate() {
        list.extend(builder.written(one, &manifests, &format!("autoscaling.autoscalers[{index}]")));
    }
    list.sort_by(|one, other| (&one.namespace, &one.name).cmp(&(&other.namespace, &other.name)));
    let mut vertical = builder.verticals(&verticals, spec);
    for one in &mut vertical {
        one.limit_ranges = limit_ranges.get(&one.namespace).copied().unwrap_or_default();
    }
    let metrics = spec.metrics.iter().enumerate();
    let metrics = metrics
        .map(|(index, metric)| builder.metric(metric, &format!("autoscaling.metrics[{index}].service")))
        .collect();
    let latency_window = spec.latency_window.map_or(SimDuration::ZERO, |span| span.0);
    Autoscaling {
        horizontal: list,
        vertical,
        pipeline: pipeline(&spec.metrics_server, context),
        latency_window,
        metrics,
    }
}

struct Builder<'m, 'c, 'x> {
    controllers: &'m Controllers,
    traffic: &'m Traffic,
    context: &'c mut Context<'x>,
}

impl Builder<'_, '_, '_> {
    /// An autoscaler of the manifests, unless the file puts another one in its place.
    fn manifest(&mut self, written: &WrittenAutoscaler, spec: &AutoscalingSpec) -> Option<HorizontalAutoscaler> {
        let is_replaced = spec.autoscalers.iter().any(|one| is_for(one, written));
        if is_replaced {
            return None;
        }
        let row = autoscaler::find(written.policy)?;
        let target = match self.scalable(row, &written.namespace, &written.target_kind, &written.target_name) {
            Ok(target) => target,
            Err((message, hint)) => {
                let issue = Issue::new(Code::UnknownReference, &written.file, written.target_span, message);
                self.context.findings.issues.push(issue.with_hint(hint));
                return None;
            }
        };
        if let Err(why) = builds(row, &written.parameters, written.min_replicas, written.max_replicas) {
            let message = format!("this {} cannot be: {why}", written.kind);
            self.context.findings.issues.push(Issue::new(Code::Manifest, &written.file, written.span, message));
            return None;
        }
        Some(HorizontalAutoscaler {
            namespace: written.namespace.clone(),
            name: written.name.clone(),
            target,
            policy: PolicyChoice { name: row.name.to_owned(), parameters: written.parameters.clone() },
            min_replicas: written.min_replicas,
            max_replicas: written.max_replicas,
            service: self.service_of(target),
        })
    }

    fn written(
        &mut self,
        one: &AutoscalerSpec,
        manifests: &[WrittenAutoscaler],
        at: &str,
    ) -> Option<HorizontalAutoscaler> {
        let (kind, name) = kind_and_name(&one.target)?;
        let row = autoscaler::find(&one.policy)?;
        let target = match self.scalable(row, &one.namespace, kind, name) {
            Ok(target) => target,
            Err((message, hint)) => {
                // Where manifests could not be read, missing objects are no news.
                if self.context.findings.issues.is_empty() {
                    self.context.report_with_hint(&format!("{at}.target"), Code::UnknownReference, message, hint);
                }
                return None;
            }
        };
        let written = manifests.iter().find(|written| is_for(one, written));
        let Some(max_replicas) = one.max_replicas.or(written.map(|written| written.max_replicas)) else {
            let message = format!("`{at}` has no `maxReplicas`");
            self.context.report(at, Code::MissingKey, message);
            return None;
        };
        let service = match &one.service {
            Some(name) => Some(self.service_named(name, &format!("{at}.service"))?),
            None => self.service_of(target),
        };
        let own_name = one.name.clone().or_else(|| written.map(|written| written.name.clone()));
        Some(HorizontalAutoscaler {
            namespace: one.namespace.clone(),
            name: own_name.unwrap_or_else(|| name.to_owned()),
            target,
            policy: PolicyChoice { name: row.name.to_owned(), parameters: Json::Object(one.parameters.clone()) },
            min_replicas: one.min_replicas.or(written.map(|written| written.min_replicas)).unwrap_or(1),
            max_replicas,
            service,
        })
    }

    /// The workload of that name, if the policy can scale it; else what is wrong, and a hint.
    fn scalable(
        &self,
        row: &AutoscalerRow,
        namespace: &str,
        kind: &str,
        name: &str,
    ) -> Result<ControllerId, (String, String)> {
        match self.workload(namespace, kind, name) {
            Some(found) if row.name == SCALED_JOB_POLICY && kind == SCALED_JOB => Ok(found),
            Some(_) if row.name == SCALED_JOB_POLICY => {
                let hint = format!("write a ScaledJob, or another policy for the {kind}");
                Err((format!("`{SCALED_JOB_POLICY}` makes Jobs, and no replicas of the {kind} `{name}`"), hint))
            }
            Some(_) if kind == SCALED_JOB => {
                let hint = format!("write `policy: {SCALED_JOB_POLICY}`, or a Deployment as the target");
                Err((format!("`{}` scales replicas, which the ScaledJob `{name}` has none of", row.name), hint))
            }
            Some(found) if self.controllers.list[found.index()].kind.has_replicas() => Ok(found),
            Some(_) => {
                let hint = "a Deployment, ReplicaSet, StatefulSet or Rollout has".to_owned();
                Err((format!("the {kind} `{name}` has no number of replicas"), hint))
            }
            None => Err(self.missing(namespace, kind, name)),
        }
    }

    /// The object of that name that makes pods.
    fn workload(&self, namespace: &str, kind: &str, name: &str) -> Option<ControllerId> {
        let kind_in_model = if kind == "ReplicationController" { "ReplicaSet" } else { kind };
        let is_it =
            |one: &Controller| one.namespace == namespace && one.kind.name() == kind_in_model && one.name == name;
        self.controllers.list.iter().position(is_it).map(ControllerId::from_index)
    }

    /// What is wrong where there is none of that name, and a hint.
    fn missing(&self, namespace: &str, kind: &str, name: &str) -> (String, String) {
        let of_namespace = self.controllers.list.iter().filter(|one| one.namespace == namespace);
        let known: Vec<String> =
            of_namespace.map(|one| format!("{}/{}", one.kind.name().to_lowercase(), one.name)).collect();
        let known: Vec<&str> = known.iter().map(String::as_str).collect();
        let written = format!("{}/{name}", kind.to_lowercase());
        let hint = suggestion(&written, &known, &format!("the objects of the namespace `{namespace}` are"));
        (format!("there is no {kind} `{name}` in the namespace `{namespace}`"), hint)
    }

    /// The first service that pods of a workload serve.
    fn service_of(&self, target: ControllerId) -> Option<ServiceId> {
        let templates = &self.controllers.list[target.index()].templates;
        let is_served = |backends: &Backends| match backends {
            Backends::Pods(classes) => {
                templates.iter().flat_map(|template| &template.classes).any(|class| classes.contains(class))
            }
            _ => false,
        };
        self.traffic.services.iter().position(|service| is_served(&service.backends)).map(ServiceId::from_index)
    }

    fn service_named(&mut self, name: &str, at: &str) -> Option<ServiceId> {
        let found = self.traffic.services.iter().position(|service| service.name == name);
        if found.is_none() {
            let known: Vec<&str> = self.traffic.services.iter().map(|service| service.name.as_str()).collect();
            let hint = suggestion(name, &known, "the services are");
            let message = format!("`traffic` has no service `{name}`");
            self.context.report_with_hint(at, Code::UnknownReference, message, hint);
        }
        found.map(ServiceId::from_index)
    }

    fn metric(&mut self, spec: &CustomMetricSpec, at: &str) -> CustomMetric {
        let source = match spec.figure {
            Some(figure) => {
                let service = spec.service.as_ref().and_then(|name| self.service_named(name, at));
                MetricValues::Traffic(service, figure_of(figure))
            }
            None => {
                let point = |one: &spec::MetricPointSpec| (SimTime::ZERO.after(one.at.0), (one.value * 1000.0) as i64);
                MetricValues::Series(spec.series.iter().map(point).collect())
            }
        };
        CustomMetric { name: spec.name.clone(), object: spec.object.clone(), source }
    }
}

/// Whether an autoscaler of the file is for the target of one of the manifests.
fn is_for(one: &AutoscalerSpec, written: &WrittenAutoscaler) -> bool {
    let target = (written.target_kind.as_str(), written.target_name.as_str());
    one.namespace == written.namespace && kind_and_name(&one.target) == Some(target)
}

fn figure_of(spec: FigureSpec) -> TrafficFigure {
    match spec {
        FigureSpec::RequestsPerSecond => TrafficFigure::ArrivalRate,
        FigureSpec::Concurrency => TrafficFigure::Concurrency,
        FigureSpec::QueueLength => TrafficFigure::QueueLength,
        FigureSpec::InFlight => TrafficFigure::InFlight,
        FigureSpec::LatencyP95 => TrafficFigure::LatencyP95,
        FigureSpec::LatencyP99 => TrafficFigure::LatencyP99,
    }
}
