//! What recommendations become for a pod, and which pods are changed.

use serde::Deserialize;
use wavetank::policy::autoscaler::vertical::admission::resources_for_pod;
use wavetank::policy::autoscaler::vertical::capping::cap_for_pod;
use wavetank::policy::autoscaler::vertical::priority::{
    EvictionRequirement, Priority, RunningContainer, Termination, UpdateThresholds, admits, priority,
};
use wavetank::policy::autoscaler::vertical::spec::LimitRanges;
use wavetank::policy::autoscaler::vertical::spec::{ContainerResources, LimitRangeItem, Resource};
use wavetank::units::{SimDuration, SimTime};

use super::{Container, Policy, Quantities, Recommendation, Tally, mode, recommendations};

/// The present of all cases, in seconds.
pub(super) const NOW_S: u64 = 1_700_000_000;

pub(super) fn ago(seconds: u64) -> SimTime {
    SimTime((NOW_S - seconds) * 1_000_000_000)
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct CappingCase {
    name: String,
    mode: String,
    policy: Policy,
    containers: Vec<Container>,
    recommendations: Vec<Recommendation>,
    container_range: Option<Range>,
    pod_range: Option<Range>,
    capped: Vec<Recommendation>,
    resources: Vec<Container>,
}

#[derive(Debug, Deserialize)]
struct Range {
    min: Quantities,
    max: Quantities,
    default: Quantities,
}

impl Range {
    fn build(&self) -> LimitRangeItem {
        LimitRangeItem { min: self.min.amounts(), max: self.max.amounts(), default: self.default.amounts() }
    }
}

pub(super) fn replay_capping(line: &str, tally: &mut Tally) {
    let case: CappingCase = serde_json::from_str(line).expect("the format is known");
    let ranges = LimitRanges {
        container: case.container_range.as_ref().map(Range::build),
        pod: case.pod_range.as_ref().map(Range::build),
    };
    let build = |containers: &[Container]| containers.iter().map(Container::build).collect::<Vec<_>>();
    let (policy, containers) = (case.policy.build(), build(&case.containers));
    let all = recommendations(&case.recommendations);
    let capped = cap_for_pod(&all, &containers, &policy, &ranges);
    tally.compare(("capping", "recommendations for a pod"), &case.name, &recommendations(&case.capped), &capped);
    let resources = resources_for_pod(&all, &containers, mode(&case.mode), &policy, &ranges);
    tally.compare(("admission", "requests and limits of a pod"), &case.name, &build(&case.resources), &resources);
}

#[derive(Debug, Deserialize)]
struct PriorityCase {
    name: String,
    policy: Policy,
    recommendations: Vec<Recommendation>,
    thresholds: Thresholds,
    requirements: Option<Vec<Requirement>>,
    pods: Vec<Pod>,
    order: Vec<usize>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Thresholds {
    min_change: f64,
    lifetime: u64,
    oom: u64,
}

#[derive(Clone, Debug, Deserialize)]
pub(super) struct Requirement {
    resources: Vec<String>,
    #[serde(default)]
    higher: bool,
}

pub(super) fn requirements(of: &[Requirement]) -> Vec<EvictionRequirement> {
    let resource = |name: &String| if name == "cpu" { Resource::Cpu } else { Resource::Memory };
    let one = |one: &Requirement| EvictionRequirement {
        resources: one.resources.iter().map(resource).collect(),
        is_target_higher: one.higher,
    };
    of.iter().map(one).collect()
}

#[derive(Debug, Deserialize)]
struct Pod {
    containers: Vec<Running>,
    age: Option<u64>,
    priority: TheirPriority,
}

#[derive(Debug, Deserialize)]
struct TheirPriority {
    #[serde(default)]
    outside: bool,
    #[serde(default)]
    up: bool,
    diff: f64,
}

#[derive(Clone, Debug, Deserialize)]
pub(super) struct Running {
    #[serde(flatten)]
    container: Container,
    ended: Option<[u64; 2]>,
    #[serde(default)]
    oom: bool,
    #[serde(default)]
    unobserved: bool,
}

impl Running {
    pub(super) fn build(&self) -> RunningContainer {
        let termination = |[started, finished]: [u64; 2]| Termination {
            started: ago(started),
            finished: ago(finished),
            is_oom: self.oom,
        };
        RunningContainer {
            resources: self.container.build(),
            last_termination: self.ended.map(termination),
            is_observed: !self.unobserved,
        }
    }
}

pub(super) fn replay_priority(line: &str, tally: &mut Tally) {
    let case: PriorityCase = serde_json::from_str(line).expect("the format is known");
    let seconds = |seconds: u64| SimDuration(seconds * 1_000_000_000);
    let thresholds = UpdateThresholds {
        min_change_priority: case.thresholds.min_change,
        pod_lifetime: seconds(case.thresholds.lifetime),
        evict_after_oom: seconds(case.thresholds.oom),
    };
    let (policy, all) = (case.policy.build(), recommendations(&case.recommendations));
    let requirements = case.requirements.as_deref().map(requirements);
    let mut accepted: Vec<(usize, Priority)> = vec![];
    for (number, pod) in case.pods.iter().enumerate() {
        let place = format!("{} pod {number}", case.name);
        let containers: Vec<RunningContainer> = pod.containers.iter().map(Running::build).collect();
        let resources: Vec<ContainerResources> = containers.iter().map(|one| one.resources.clone()).collect();
        let capped = cap_for_pod(&all, &resources, &policy, &LimitRanges::default());
        let ours = priority(&containers, &capped);
        let theirs = Priority {
            is_outside_recommended_range: pod.priority.outside,
            scales_up: pod.priority.up,
            resource_diff: pod.priority.diff,
        };
        tally.compare(("priority", "of a pod"), &place, &theirs, &ours);
        let is_accepted = thresholds.accepts(&ours, &containers, &policy, pod.age.map(ago), ago(0));
        if is_accepted && admits(&containers, &capped, requirements.as_deref()) {
            accepted.push((number, ours));
        }
    }
    accepted.sort_by(|(_, ours), (_, theirs)| ours.is_less(theirs).cmp(&theirs.is_less(ours)));
    let order: Vec<usize> = accepted.into_iter().map(|(number, _)| number).collect();
    tally.compare(("priority", "pods that are changed, in order"), &case.name, &case.order, &order);
}
