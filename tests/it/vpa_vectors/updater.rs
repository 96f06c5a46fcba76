//! Loops of the updater.

use serde::Deserialize;
use wavetank::ids::PodId;
use wavetank::policy::autoscaler::vertical::restriction::{Resize, RestrictedPod, RestrictionConfig};
use wavetank::policy::autoscaler::vertical::spec::LimitRanges;
use wavetank::policy::autoscaler::vertical::updater::{
    Answer, Change, ObservedPod, ObservedVpa, Step, Updater, UpdaterConfig,
};

use super::pods::{Requirement, Running, ago, requirements};
use super::{Policy, Recommendation, Tally, mode, recommendations};

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Case {
    name: String,
    mode: String,
    min_replicas: usize,
    own_min_replicas: Option<usize>,
    tolerance: f64,
    #[serde(default)]
    skips_budget: bool,
    #[serde(default)]
    in_place_gate: bool,
    policy: Policy,
    recommendations: Vec<Recommendation>,
    requirements: Option<Vec<Requirement>>,
    replicas: Vec<i64>,
    pods: Vec<Pod>,
    loops: Vec<Loop>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Pod {
    controller: u32,
    containers: Vec<Running>,
    age: Option<u64>,
    #[serde(default)]
    pending: bool,
    #[serde(default)]
    resize: String,
    seen: Option<u64>,
    #[serde(default)]
    restarts: bool,
    #[serde(default)]
    answer: String,
    #[serde(default)]
    no_eviction: bool,
}

#[derive(Debug, Deserialize)]
struct Loop {
    recommendations: Option<Vec<Recommendation>>,
    steps: Vec<String>,
}

impl Pod {
    fn build(&self, number: u32, replicas: &[i64]) -> ObservedPod {
        let resize = match self.resize.as_str() {
            "" => Resize::None,
            "deferred" => Resize::Deferred,
            "infeasible" => Resize::Infeasible,
            "inProgress" => Resize::InProgress,
            "error" => Resize::Error,
            other => panic!("there is no resize {other}"),
        };
        let restricted =
            RestrictedPod { id: PodId(number), is_pending: self.pending, resize, restarts_for_resize: self.restarts };
        ObservedPod {
            restricted,
            controller: Some(self.controller),
            replicas: usize::try_from(replicas[self.controller as usize]).ok(),
            started: self.age.map(ago),
            containers: self.containers.iter().map(Running::build).collect(),
        }
    }

    fn answer(&self, change: Change) -> Answer {
        match (change, self.answer.as_str()) {
            (Change::Evict, _) if self.no_eviction => Answer::Refused,
            (Change::Resize, "refused") => Answer::Refused,
            (Change::Resize, "infeasible") => Answer::Infeasible,
            _ => Answer::Accepted,
        }
    }
}

pub(super) fn replay(line: &str, tally: &mut Tally) {
    let case: Case = serde_json::from_str(line).expect("the format is known");
    let restriction = RestrictionConfig {
        min_replicas: case.min_replicas,
        eviction_tolerance: case.tolerance,
        in_place_skips_budget: case.skips_budget,
        has_in_place_mode: case.in_place_gate,
    };
    let mut updater = Updater::new(UpdaterConfig { restriction, ..UpdaterConfig::default() });
    let pods: Vec<ObservedPod> = (0..).zip(&case.pods).map(|(number, pod)| pod.build(number, &case.replicas)).collect();
    for (number, pod) in (0..).zip(&case.pods) {
        if let Some(seen) = pod.seen {
            updater.saw_resize(PodId(number), ago(seen));
        }
    }
    let (policy, ranges) = (case.policy.build(), LimitRanges::default());
    let requirements = case.requirements.as_deref().map(requirements);
    let mut all = recommendations(&case.recommendations);
    for (number, one) in case.loops.iter().enumerate() {
        all = one.recommendations.as_deref().map_or(all, recommendations);
        let vpa = ObservedVpa {
            mode: mode(&case.mode),
            min_replicas: case.own_min_replicas,
            eviction_requirements: requirements.as_deref(),
            policy: &policy,
            recommendations: &all,
            ranges: &ranges,
        };
        let mut steps = vec![];
        updater.run_once(ago(0), [(vpa, &pods[..])], |step: Step| {
            steps.push(format!("{}{}", if step.change == Change::Evict { 'e' } else { 'r' }, step.pod.0));
            case.pods[step.pod.index()].answer(step.change)
        });
        let place = format!("{} loop {number}", case.name);
        tally.compare(("updater", "evictions and resizes of a loop, in order"), &place, &one.steps, &steps);
    }
}
