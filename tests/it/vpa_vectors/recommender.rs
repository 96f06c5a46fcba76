//! Estimators, and the recommender over histories of pods.

use std::collections::BTreeSet;

use serde::Deserialize;
use wavetank::ids::PodId;
use wavetank::policy::autoscaler::vertical::aggregate::{AggregateState, AggregationsConfig};
use wavetank::policy::autoscaler::vertical::cluster::{ClusterState, LabelSet};
use wavetank::policy::autoscaler::vertical::estimator::{ConfidenceMultiplier, Estimator, percentile, with_margin};
use wavetank::policy::autoscaler::vertical::recommender::{Percentiles, RecommenderConfig};
use wavetank::policy::autoscaler::vertical::spec::Resource;
use wavetank::rng::split_mix;
use wavetank::units::{SimDuration, SimTime};

use super::{Policy, Quantities, Recommendation, Tally, recommendations};

fn seconds(seconds: u64) -> SimDuration {
    SimDuration(seconds * 1_000_000_000)
}

/// Samples that both sides draw.
#[derive(Debug, Deserialize)]
struct Series {
    start: u64,
    every: u64,
    count: u64,
    seed: u64,
    low: u64,
    high: u64,
}

impl Series {
    fn samples(&self) -> impl Iterator<Item = (SimTime, u64)> {
        (0..self.count).map(|index| {
            let value = self.low + split_mix(self.seed + index) % (self.high - self.low + 1);
            (SimTime(seconds(self.start + index * self.every).0), value)
        })
    }
}

#[derive(Debug, Deserialize)]
struct EstimatorCase {
    name: String,
    cpu: Series,
    memory: Series,
    percentile: f64,
    margin: f64,
    multiplier: f64,
    exponent: i32,
    interval: u64,
    min: [u64; 2],
    /// A number that is none becomes the least there is in upstream's code.
    want: [[i64; 2]; 4],
}

pub(super) fn replay_estimator(line: &str, tally: &mut Tally) {
    let case: EstimatorCase = serde_json::from_str(line).expect("the format is known");
    let mut state = AggregateState::new(&AggregationsConfig::default(), SimTime::ZERO);
    case.cpu.samples().for_each(|(at, value)| state.add_cpu_sample(at, value));
    case.memory.samples().for_each(|(at, value)| state.add_memory_peak(at, value));
    let multiplier =
        ConfidenceMultiplier { multiplier: case.multiplier, exponent: case.exponent, interval: seconds(case.interval) };
    let estimator =
        Estimator { percentile: case.percentile, margin_fraction: case.margin, confidence: Some(multiplier) };
    for resource in Resource::ALL {
        let base = percentile(&state, resource, case.percentile);
        let margin = with_margin(base, case.margin);
        let kinds = ["percentile", "with a margin", "with confidence", "with a minimum"];
        let ours = [
            base,
            margin,
            multiplier.apply(margin, &state),
            estimator.estimate(&state, resource, case.min[resource as usize]),
        ];
        for ((kind, ours), want) in kinds.into_iter().zip(ours).zip(case.want) {
            let theirs = u64::try_from(want[resource as usize]).unwrap_or(0);
            tally.compare(("estimator", kind), &format!("{} {resource:?}", case.name), &theirs, &ours);
        }
    }
}

#[derive(Debug, Deserialize)]
struct Case {
    name: String,
    aggregations: Aggregations,
    config: Config,
    policy: Policy,
    pods: Vec<Pod>,
    ops: Vec<Operation>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Aggregations {
    interval: u64,
    #[serde(rename = "cpuHalfLife")]
    cpu_half_life: u64,
    memory_half_life: u64,
    bump_up_ratio: f64,
    min_bump_up: f64,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Config {
    margin: f64,
    #[serde(rename = "minCPU")]
    min_cpu: f64,
    min_memory: f64,
    cpu: [f64; 3],
    memory: [f64; 3],
    confidence: [u64; 2],
    #[serde(rename = "roundCPU")]
    round_cpu: u64,
    round_memory: u64,
    #[serde(default, rename = "integerCPU")]
    integer_cpu: bool,
    max_allowed: Quantities,
}

#[derive(Debug, Deserialize)]
struct Pod {
    labels: u32,
    containers: Vec<String>,
}

#[derive(Debug, Deserialize)]
struct Operation {
    #[serde(default)]
    pod: u32,
    #[serde(default)]
    container: String,
    #[serde(default)]
    resource: String,
    series: Option<Series>,
    #[serde(default)]
    accepted: usize,
    #[serde(default)]
    t: u64,
    #[serde(default)]
    request: u64,
    /// Each answer that upstream gives: the order of a Go map may decide between two.
    #[serde(default)]
    recommended: Vec<Vec<Recommendation>>,
}

impl Config {
    fn build(&self) -> RecommenderConfig {
        let percentiles = |[target, lower_bound, upper_bound]: [f64; 3], interval| Percentiles {
            target,
            lower_bound,
            upper_bound,
            confidence_interval: seconds(interval),
        };
        RecommenderConfig {
            safety_margin_fraction: self.margin,
            pod_min_cpu_milli: self.min_cpu,
            pod_min_memory_mib: self.min_memory,
            cpu: percentiles(self.cpu, self.confidence[0]),
            memory: percentiles(self.memory, self.confidence[1]),
            round_cpu_milli: self.round_cpu,
            round_memory_bytes: self.round_memory,
            rounds_to_integer_cpu: self.integer_cpu,
            max_allowed: self.max_allowed.amounts(),
            ..RecommenderConfig::default()
        }
    }
}

pub(super) fn replay(line: &str, tally: &mut Tally) {
    let case: Case = serde_json::from_str(line).expect("the format is known");
    let own = &case.aggregations;
    let mut cluster = ClusterState::new(AggregationsConfig {
        memory_aggregation_interval: seconds(own.interval),
        cpu_half_life: seconds(own.cpu_half_life),
        memory_half_life: seconds(own.memory_half_life),
        oom_bump_up_ratio: own.bump_up_ratio,
        oom_min_bump_up_bytes: own.min_bump_up,
        ..AggregationsConfig::default()
    });
    for (id, pod) in (0..).zip(&case.pods) {
        let containers = pod.containers.iter().map(String::as_str);
        cluster.set_pod(PodId(id), LabelSet(pod.labels), containers, SimTime::ZERO);
    }
    let (config, policy) = (case.config.build(), case.policy.build());
    for (number, op) in case.ops.iter().enumerate() {
        let place = format!("{} operation {number}", case.name);
        let (pod, name) = (PodId(op.pod), op.container.as_str());
        if !op.recommended.is_empty() {
            let labels: BTreeSet<LabelSet> = [LabelSet(0), LabelSet(1)].into();
            let ours = cluster.recommend(&config, &labels, &policy, SimTime::ZERO);
            let theirs: Vec<_> = op.recommended.iter().map(|theirs| recommendations(theirs)).collect();
            let answer = theirs.iter().find(|theirs| **theirs == ours).unwrap_or(&theirs[0]);
            tally.compare(("recommender", "recommendations for all containers"), &place, answer, &ours);
        } else if let Some(series) = &op.series {
            let resource = if op.resource == "cpu" { Resource::Cpu } else { Resource::Memory };
            let accept = |&(at, usage): &(SimTime, u64)| cluster.add_sample(pod, name, resource, at, usage);
            let accepted = series.samples().filter(accept).count();
            tally.compare(("recommender", "samples that are used"), &place, &op.accepted, &accepted);
        } else {
            let recorded = cluster.record_oom(pod, name, SimTime(seconds(op.t).0), op.request);
            let ours = usize::from(recorded.is_ok());
            tally.compare(("recommender", "ends for memory that are used"), &place, &op.accepted, &ours);
        }
    }
}
