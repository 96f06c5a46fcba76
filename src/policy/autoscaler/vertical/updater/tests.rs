//! Whole loops, as upstream's `updater_test.go` has them.

use super::super::restriction::Resize;
use super::super::spec::Amounts;
use super::*;
use crate::units::{Bytes, MilliCpu};

const HOUR: SimDuration = SimDuration(3_600_000_000_000);

fn recommendations(cpu_milli: u64) -> Vec<ContainerRecommendation> {
    let target = Amounts::both(MilliCpu(cpu_milli), Bytes(1 << 30));
    let container = "app".to_owned();
    let bounds = ContainerRecommendation { container, target, ..ContainerRecommendation::default() };
    vec![ContainerRecommendation { lower_bound: target, upper_bound: target, ..bounds }]
}

/// Pods of one controller, each with so many milli-cores.
fn pods(cpu_milli: &[u64]) -> Vec<ObservedPod> {
    let pod = |(id, own): (u32, &u64)| {
        let requests = Amounts::both(MilliCpu(*own), Bytes(1 << 30));
        let resources = ContainerResources { container: "app".to_owned(), requests, limits: Amounts::default() };
        ObservedPod {
            restricted: RestrictedPod {
                id: PodId(id),
                is_pending: false,
                resize: Resize::None,
                restarts_for_resize: false,
            },
            controller: Some(0),
            replicas: Some(cpu_milli.len()),
            started: Some(SimTime::ZERO),
            containers: vec![RunningContainer { resources, last_termination: None, is_observed: true }],
        }
    };
    (0..).zip(cpu_milli).map(pod).collect()
}

/// The steps of a loop: pod, whether it is resized, and after how many milliseconds.
fn run(
    updater: &mut Updater,
    mode: UpdateMode,
    target_milli: u64,
    pods: &[ObservedPod],
    answer: impl Fn(Step) -> Answer,
) -> Vec<(u32, bool, u64)> {
    let (policy, recommendations) = (ResourcePolicy::default(), recommendations(target_milli));
    let ranges = LimitRanges::default();
    let vpa = ObservedVpa {
        mode,
        min_replicas: None,
        eviction_requirements: None,
        policy: &policy,
        recommendations: &recommendations,
        ranges: &ranges,
    };
    let mut steps = vec![];
    updater.run_once(SimTime(24 * HOUR.0), [(vpa, pods)], |step| {
        steps.push((step.pod.0, step.change == Change::Resize, step.after.0 / 1_000_000));
        answer(step)
    });
    steps
}

fn accept(_: Step) -> Answer {
    Answer::Accepted
}

#[test]
fn half_of_the_pods_are_evicted_the_most_urgent_first() {
    // Wanted are 2000: 3000 shrinks by a third, 1000 doubles, 1500 grows by a third, 500 by three.
    let pods = pods(&[3000, 1000, 1500, 500]);
    let mut updater = Updater::new(UpdaterConfig::default());
    assert_eq!(run(&mut updater, UpdateMode::Recreate, 2000, &pods, accept), [(3, false, 0), (1, false, 0)]);
    for mode in [UpdateMode::Off, UpdateMode::Initial, UpdateMode::InPlace] {
        assert_eq!(run(&mut updater, mode, 2000, &pods, accept), [], "{mode:?}");
    }
}

#[test]
fn resizes_come_first_and_fall_back_to_eviction() {
    let mut pods = pods(&[3000, 1000, 1500, 500]);
    let mut updater = Updater::new(UpdaterConfig::default());
    let mode = UpdateMode::InPlaceOrRecreate;
    assert_eq!(run(&mut updater, mode, 2000, &pods, accept), [(3, true, 0), (1, true, 0)]);
    // A resize that is refused takes no part of the tolerance; its pod is evicted after the others were resized, if it may.
    let refuse_last = |step: Step| if step.pod == PodId(3) { Answer::Refused } else { Answer::Accepted };
    assert_eq!(run(&mut updater, mode, 2000, &pods, refuse_last), [(3, true, 0), (1, true, 0), (2, true, 0)]);
    let refuse_resizes = |step: Step| if step.change == Change::Resize { Answer::Refused } else { Answer::Accepted };
    let steps = run(&mut updater, mode, 2000, &pods, refuse_resizes);
    let expected = [(3, true), (1, true), (2, true), (0, true), (3, false), (1, false)];
    assert_eq!(steps, expected.map(|(pod, is_resize)| (pod, is_resize, 0)));
    // What the node can never hold is evicted.
    pods[2].restricted.resize = Resize::Infeasible;
    let steps = run(&mut updater, mode, 2000, &pods, accept);
    assert_eq!(steps, [(3, true, 0), (1, true, 0)]);
    let only = |step: Step| if step.pod == PodId(1) { Answer::Accepted } else { Answer::Refused };
    let steps = run(&mut updater, mode, 2000, &pods, only);
    assert_eq!(steps.iter().filter(|step| !step.1).map(|step| step.0).collect::<Vec<_>>(), [3, 2, 0]);
}

#[test]
fn what_was_infeasible_is_tried_again_when_less_is_asked_for() {
    let mut config = UpdaterConfig::default();
    config.restriction.has_in_place_mode = true;
    let mut updater = Updater::new(config);
    let pods = pods(&[1000, 2000]);
    let infeasible = |_| Answer::Infeasible;
    assert_eq!(run(&mut updater, UpdateMode::InPlace, 4000, &pods, infeasible), [(0, true, 0), (1, true, 0)]);
    assert_eq!(run(&mut updater, UpdateMode::InPlace, 4000, &pods, accept), []);
    assert_eq!(run(&mut updater, UpdateMode::InPlace, 5000, &pods, accept), []);
    // This mode goes on where the tolerance would defer a resize.
    assert_eq!(run(&mut updater, UpdateMode::InPlace, 3000, &pods, accept), [(0, true, 0), (1, true, 0)]);
    updater.forget(|_| false);
    assert_eq!(run(&mut updater, UpdateMode::InPlace, 4000, &pods, accept), [(0, true, 0), (1, true, 0)]);
}

#[test]
fn evictions_wait_for_their_rate() {
    let config = UpdaterConfig { eviction_rate_per_s: Some(2.0), eviction_burst: 2, ..UpdaterConfig::default() };
    let pods = pods(&[500; 8]);
    let steps = run(&mut Updater::new(config), UpdateMode::Recreate, 2000, &pods, accept);
    // Two at once, then one every half second; half of eight.
    assert_eq!(steps.iter().map(|step| step.2).collect::<Vec<_>>(), [0, 0, 500, 1000]);
    let config = UpdaterConfig { eviction_rate_per_s: Some(2.0), eviction_burst: 0, ..UpdaterConfig::default() };
    assert_eq!(run(&mut Updater::new(config), UpdateMode::Recreate, 2000, &pods, accept), []);
}

#[test]
fn pods_without_a_controller_are_left_alone() {
    let mut pods = pods(&[500, 500]);
    pods.iter_mut().for_each(|pod| pod.controller = None);
    let mut updater = Updater::new(UpdaterConfig::default());
    assert_eq!(run(&mut updater, UpdateMode::Recreate, 2000, &pods, accept), []);
    assert_eq!(run(&mut updater, UpdateMode::InPlaceOrRecreate, 2000, &pods, accept), []);
}
