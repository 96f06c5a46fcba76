//! Autoscalers that are looked after for a while.

use serde::Deserialize;
use wavetank::policy::autoscaler::horizontal_pod_autoscaler::seen::{
    MetricSamples, ObservedScale, PodSample, PodsSeen, Seen,
};
use wavetank::policy::autoscaler::horizontal_pod_autoscaler::spec::MetricSpec;
use wavetank::policy::autoscaler::horizontal_pod_autoscaler::status::{MetricValue, Outcome};
use wavetank::policy::autoscaler::horizontal_pod_autoscaler::{Autoscaler, State};
use wavetank::units::SimTime;

use super::Tally;
use super::world::{Flags, Samples, Spec, World, at};

#[derive(Debug, Deserialize)]
struct History {
    name: String,
    flags: Flags,
    spec: Spec,
    looks: Vec<Look>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Look {
    at: i64,
    #[serde(default)]
    replicas: i32,
    #[serde(default)]
    current: i32,
    #[serde(default)]
    no_selector: bool,
    #[serde(default)]
    scale_error: String,
    #[serde(default)]
    update_error: String,
    #[serde(default)]
    others: Vec<String>,
    min_replicas: Option<i32>,
    #[serde(flatten)]
    world: World,
    want: Want,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Want {
    scale_to: Option<i32>,
    error: String,
    events: Vec<(String, String, String)>,
    current: i32,
    desired: i32,
    last_scale: Option<i64>,
    conditions: Vec<Condition>,
    metrics: Vec<Value>,
}

/// Type, status, reason, message, and since when.
type Condition = (String, String, String, String, i64);

#[derive(Debug, Default, Deserialize, PartialEq)]
#[serde(default)]
struct Value {
    utilization: Option<i32>,
    average: Option<i64>,
    value: Option<i64>,
}

pub(super) fn replay(line: &str, tally: &mut Tally) {
    let history: History = serde_json::from_str(line).expect("the format is known");
    let settings = history.flags.settings();
    let spec = history.spec.read();
    let problems = spec.problems(settings.can_scale_to_zero);
    assert!(problems.is_empty(), "{}: {problems:?}", history.name);
    let mut spec = spec.with_defaults();
    let target = history.spec.scale_target_ref.read();
    let mut state = State::default();
    let mut conditions = Vec::new();
    let templates = &history.looks[0].world.templates;
    for (number, look) in history.looks.iter().enumerate() {
        spec.min_replicas = look.min_replicas.or(spec.min_replicas);
        let autoscaler =
            Autoscaler { namespace: "default", name: "web", target: &target, spec: &spec, settings: &settings };
        let outcome = sync(&autoscaler, &mut state, look, templates);
        let place = format!("{}, look {number}", history.name);
        conditions = after(&conditions, &look.want.conditions);
        compare(tally, &place, (&look.want, &conditions), (&state, &outcome));
    }
}

fn answered<'a, T: ?Sized>(value: &'a T, error: &'a str) -> Result<&'a T, &'a str> {
    if error.is_empty() { Ok(value) } else { Err(error) }
}

fn sync(autoscaler: &Autoscaler<'_>, state: &mut State, look: &Look, templates: &[super::world::Template]) -> Outcome {
    let laid = look.world.lay(templates);
    let (pods, usage) = (look.world.pods(&laid), look.world.usage(&laid));
    let nothing = Samples::default();
    let named = |metric: &MetricSpec| match metric {
        MetricSpec::Pods { metric, .. } | MetricSpec::Object { metric, .. } | MetricSpec::External { metric, .. } => {
            look.world.samples.get(&metric.name).unwrap_or(&nothing)
        }
        MetricSpec::Resource { .. } | MetricSpec::ContainerResource { .. } => &nothing,
    };
    let found: Vec<&Samples> = autoscaler.spec.metrics.iter().map(named).collect();
    let of_pods: Vec<Vec<PodSample>> = found.iter().map(|samples| samples.of_pods()).collect();
    let samples: Vec<MetricSamples<'_>> = (autoscaler.spec.metrics.iter().zip(&found).zip(&of_pods))
        .map(|((metric, samples), of_pods)| match metric {
            MetricSpec::Pods { .. } => MetricSamples::OfPods(answered(&of_pods[..], &samples.error)),
            MetricSpec::Object { .. } => MetricSamples::OfObject(samples.object.ok_or(&samples.error)),
            MetricSpec::External { .. } => MetricSamples::OfSeries(answered(&samples.series[..], &samples.error)),
            MetricSpec::Resource { .. } | MetricSpec::ContainerResource { .. } => MetricSamples::OfUsage,
        })
        .collect();
    let scale = ObservedScale {
        spec_replicas: look.replicas,
        status_replicas: look.current,
        selector: if look.no_selector { "" } else { "app=web" },
    };
    let others: Vec<&str> = if pods.is_empty() { Vec::new() } else { look.others.iter().map(String::as_str).collect() };
    let seen = Seen {
        scale: answered(&scale, &look.scale_error).copied(),
        pods: PodsSeen::Listed { pods: &pods, usage: answered(&usage[..], &look.world.usage_error) },
        samples: &samples,
        also_selected_by: &others,
        pod_name: &|pod| format!("pod-{}", pod.0),
        update_error: Some(look.update_error.as_str()).filter(|error| !error.is_empty()),
    };
    autoscaler.sync(state, at(look.at), &seen)
}

/// The conditions after a look, of those before it and those that changed.
fn after(before: &[Condition], changed: &[Condition]) -> Vec<Condition> {
    let mut after = before.to_vec();
    for change in changed {
        match after.iter().position(|one| one.0 == change.0) {
            Some(position) if change.1.is_empty() => drop(after.remove(position)),
            Some(position) => after[position] = change.clone(),
            None => after.push(change.clone()),
        }
    }
    after
}

fn milliseconds(instant: SimTime) -> i64 {
    (instant.0 / 1_000_000) as i64
}

fn compare(tally: &mut Tally, place: &str, (want, conditions): (&Want, &[Condition]), ours: (&State, &Outcome)) {
    const NAME: &str = "reconcileAutoscaler";
    let (state, outcome) = ours;
    let status = &state.status;
    tally.compare((NAME, "replicas written"), place, &want.scale_to, &outcome.scale_to);
    let counts = (status.current_replicas, status.desired_replicas, status.last_scale.map(milliseconds));
    tally.compare((NAME, "status"), place, &(want.current, want.desired, want.last_scale), &counts);
    let our_conditions: Vec<Condition> = status.conditions.iter().map(condition_of).collect();
    tally.compare((NAME, "conditions"), place, &conditions, &our_conditions.as_slice());
    for condition in conditions {
        *tally.reasons.entry(format!("{} {} {}", condition.0, condition.1, condition.2)).or_default() += 1;
    }
    let events: Vec<(String, String, String)> = outcome
        .events
        .iter()
        .map(|event| {
            let kind = if event.is_warning { "Warning" } else { "Normal" };
            (kind.to_owned(), event.reason.to_owned(), event.message.clone())
        })
        .collect();
    tally.compare((NAME, "events"), place, &want.events, &events);
    tally.compare((NAME, "error"), place, &want.error, &outcome.error.clone().unwrap_or_default());
    let metrics: Vec<Value> = status.current_metrics.iter().map(|metric| value_of(metric.as_ref())).collect();
    tally.compare((NAME, "metrics"), place, &want.metrics, &metrics);
}

fn condition_of(condition: &wavetank::policy::autoscaler::horizontal_pod_autoscaler::status::Condition) -> Condition {
    (
        condition.kind.name().to_owned(),
        if condition.is_true { "True" } else { "False" }.to_owned(),
        condition.reason.to_owned(),
        condition.message.clone().into_owned(),
        milliseconds(condition.last_transition),
    )
}

fn value_of(metric: Option<&MetricValue>) -> Value {
    let MetricValue { average_utilization, average_value_milli, value_milli } = metric.copied().unwrap_or_default();
    Value { utilization: average_utilization, average: average_value_milli, value: value_milli }
}
