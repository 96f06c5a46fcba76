//! Single calls of the replica calculator.

use serde::Deserialize;
use wavetank::policy::autoscaler::horizontal_pod_autoscaler::Settings;
use wavetank::policy::autoscaler::horizontal_pod_autoscaler::replica_calculator::{
    Goal, Proposal, ReplicaCalculator, Tolerances, sum_of_series,
};
use wavetank::policy::autoscaler::horizontal_pod_autoscaler::seen::{MetricSamples, ObservedScale, PodsSeen, Seen};
use wavetank::policy::autoscaler::horizontal_pod_autoscaler::spec::ResourceName;

use super::Tally;
use super::world::{Flags, Samples, Selector, World, at};

#[derive(Debug, Deserialize)]
struct Calculation {
    name: String,
    call: String,
    #[serde(default)]
    current: i32,
    target: i64,
    #[serde(default)]
    resource: String,
    #[serde(default)]
    container: String,
    selector: Option<Selector>,
    down: f64,
    up: f64,
    flags: Flags,
    now: i64,
    #[serde(flatten)]
    world: World,
    want: Answer,
}

#[derive(Debug, Default, Deserialize, PartialEq)]
#[serde(default)]
struct Answer {
    replicas: i32,
    usage: i64,
    utilization: i32,
    error: String,
}

pub(super) fn replay(line: &str, tally: &mut Tally) {
    let case: Calculation = serde_json::from_str(line).expect("the format is known");
    let laid = case.world.lay(&case.world.templates);
    let (pods, usage) = (case.world.pods(&laid), case.world.usage(&laid));
    let answered = if case.world.usage_error.is_empty() { Ok(&usage[..]) } else { Err(&case.world.usage_error[..]) };
    let seen = Seen {
        scale: Ok(ObservedScale { spec_replicas: case.current, status_replicas: case.current, selector: "app=web" }),
        pods: PodsSeen::Listed { pods: &pods, usage: answered },
        samples: &[],
        also_selected_by: &[],
        pod_name: &|pod| format!("pod-{}", pod.0),
        update_error: None,
    };
    let settings: Settings = case.flags.settings();
    let tolerances = Tolerances { down: case.down, up: case.up };
    let calculator = ReplicaCalculator { now: at(case.now), settings: &settings, seen: &seen, tolerances };
    let ours = match ask(&case, &calculator) {
        Ok(Proposal { replicas, usage_milli, utilization }) => {
            Answer { replicas, usage: usage_milli, utilization: utilization.unwrap_or(0), error: String::new() }
        }
        Err(error) => Answer { error, ..Answer::default() },
    };
    let kind = if case.want.error.is_empty() { "answer" } else { "error" };
    tally.compare((call_name(&case.call), kind), &case.name, &case.want, &ours);
}

/// What upstream calls it.
fn call_name(call: &str) -> &'static str {
    match call {
        "resource" => "GetResourceReplicas",
        "usage" => "GetRawResourceReplicas",
        "pods" => "GetMetricReplicas",
        "object" => "GetObjectMetricReplicas",
        "objectPerPod" => "GetObjectPerPodMetricReplicas",
        "external" => "GetExternalMetricReplicas",
        "externalPerPod" => "GetExternalPerPodMetricReplicas",
        other => panic!("no call: {other}"),
    }
}

fn ask(case: &Calculation, calculator: &ReplicaCalculator<'_>) -> Result<Proposal, String> {
    let Calculation { current, target, .. } = *case;
    let nothing = Samples::default();
    let samples = case.world.samples.get("load").unwrap_or(&nothing);
    let container = Some(case.container.as_str()).filter(|name| !name.is_empty());
    let resource = ResourceName::from(case.resource.as_str());
    match case.call.as_str() {
        "resource" => calculator.resource(current, Goal::Utilization(target as i32), &resource, container),
        "usage" => calculator.resource(current, Goal::Usage(target), &resource, container),
        "pods" => {
            let values = samples.of_pods();
            let answered = if samples.error.is_empty() { Ok(&values[..]) } else { Err(&samples.error[..]) };
            calculator.pods_metric(current, target, "load", &MetricSamples::OfPods(answered))
        }
        "object" => calculator.shared_value(current, object(samples)?, target),
        "objectPerPod" => Ok(calculator.object_per_pod(current, object(samples)?, target)),
        "external" => calculator.shared_value(current, sum_of_series(series(case, samples)?, false), target),
        _ => Ok(calculator.external_per_pod(current, sum_of_series(series(case, samples)?, true), target)),
    }
}

/// The value of an object; what is said when there is none the histories compare, too.
fn object(samples: &Samples) -> Result<i64, String> {
    let api = "unable to get metric load on Service default/front: unable to fetch metrics from custom metrics API";
    samples.object.ok_or_else(|| format!("{api}: {}", samples.error))
}

fn series<'a>(case: &Calculation, samples: &'a Samples) -> Result<&'a [i64], String> {
    if !samples.series.is_empty() {
        return Ok(&samples.series);
    }
    let selector = case.selector.as_ref().map_or_else(|| "nil".to_owned(), |selector| selector.read().to_string());
    let why = if samples.error.is_empty() {
        "no metrics returned from external metrics API".to_owned()
    } else {
        format!("unable to fetch metrics from external metrics API: {}", samples.error)
    };
    Err(format!("unable to get external metric default/load/{selector}: {why}"))
}
