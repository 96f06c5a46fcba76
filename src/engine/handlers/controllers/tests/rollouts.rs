//! Releases of Rollouts, with their instants worked out by hand. Pods take 5 s to start and end at once.

use super::*;
use crate::model::conditions::{Condition, Conditions};
use crate::model::rollouts::{
    AbortScaleDown, Analysis, BlueGreenStrategy, CanaryStep, CanaryStrategy, Measured, Metric, Outcome, RolloutSpec,
    RolloutStrategy, TrafficRouting,
};

/// Notes step, phase, weight of the canary, and the ready and active pods of each template, whenever they change.
#[derive(Default)]
struct Releases {
    lines: Vec<String>,
    latest: String,
    /// The latest message that is not empty.
    message: String,
}

impl Observer for Releases {
    fn time_advances(&mut self, view: &View<'_>, _to: SimTime) {
        let mut counts = [[0; 2]; 3];
        for member in &view.world.owners.members {
            let i = member.pod.index();
            let phase = view.world.pods.phase[i];
            let is_active =
                view.world.pods.deletion[i] == Deletion::None && (phase == Phase::Pending || phase.holds_node());
            let [ready, active] = &mut counts[member.template.index()];
            *active += i32::from(is_active);
            *ready += i32::from(is_active && member.ready_since != SimTime::NEVER);
        }
        let Some(release) = &view.world.owners.controllers[0].release else { return };
        let pods = counts.map(|[ready, active]| format!("{ready}/{active}")).join(" ");
        let now = format!("step {} {} {:.0}% {pods}", release.step, release.phase, release.canary_weight_pct);
        if now != self.latest {
            self.lines.push(format!("{} s: {now}", view.world.time));
            self.latest = now;
        }
        if !release.message.is_empty() {
            self.message.clone_from(&release.message);
        }
    }

    fn end(&mut self, view: &View<'_>) {
        self.time_advances(view, view.world.time);
    }
}

fn rollout(replicas: i32, strategy: RolloutStrategy) -> Controller {
    let spec = RolloutSpec {
        replicas,
        min_ready: SimDuration::ZERO,
        progress_deadline: seconds(600),
        aborts_at_deadline: false,
        revision_history_limit: 10,
        rollback_window: None,
        is_paused: false,
        strategy,
    };
    let mut controller = controller(ControllerKind::Rollout(spec));
    let fix = PodTemplate { hash: "fix".to_owned(), ..controller.templates[1].clone() };
    controller.templates.push(fix);
    controller
}

fn canary(steps: Vec<CanaryStep>, max_surge: i32, routing: Option<TrafficRouting>) -> RolloutStrategy {
    RolloutStrategy::Canary(CanaryStrategy {
        steps,
        max_surge: Count(max_surge),
        max_unavailable: Count(0),
        progress_threshold: None,
        routing,
        background: None,
    })
}

fn blue_green() -> BlueGreenStrategy {
    BlueGreenStrategy {
        has_preview: true,
        promotes: true,
        promotes_after: seconds(20),
        scale_down_delay: None,
        scale_down_revision_limit: None,
        preview_replicas: None,
        abort_scale_down: AbortScaleDown::Default,
        before_promotion: None,
        after_promotion: None,
    }
}

fn routing() -> TrafficRouting {
    TrafficRouting {
        max_weight: 100,
        scales_stable: false,
        min_pods: None,
        scale_down_delay: seconds(30),
        scale_down_revision_limit: None,
        abort_scale_down: AbortScaleDown::Default,
    }
}

/// Measured every 10 s, three times; one failure is too many. The second template fails the second time.
fn analysis() -> Analysis {
    let good = Measured::Series(vec![Outcome::Successful]);
    let bad = Measured::Series(vec![Outcome::Successful, Outcome::Failed]);
    let metric = Metric {
        template: "rate".to_owned(),
        name: "rate".to_owned(),
        interval: Some(seconds(10)),
        initial_delay: SimDuration::ZERO,
        count: Some(3),
        failure_limit: Some(0),
        inconclusive_limit: 0,
        consecutive_error_limit: 4,
        consecutive_success_limit: 0,
        is_dry_run: false,
        conditions: Conditions::default(),
        measured: vec![good.clone(), bad, good],
    };
    Analysis { metrics: vec![metric] }
}

/// Runs for 200 s on four nodes of ten pods.
fn releases(controller: Controller, script: &[(u64, Action)]) -> (Vec<String>, String) {
    let mut model = model(controller, 4, script);
    model.horizon = Some(SimTime::ZERO.after(seconds(200)));
    let observer = (CheckEveryEvent, Releases::default());
    let releases = watch(&model, observer).expect("the policies are there").observer.1;
    (releases.lines, releases.message)
}

#[test]
fn a_canary_grows_step_by_step() {
    let pause = || CanaryStep::Pause(Some(seconds(30)));
    let weight = CanaryStep::SetWeight;
    let steps = vec![weight(20), pause(), weight(50), pause(), weight(100)];
    let change = (10, operate(Verb::SetTemplate(RevisionId(1))));
    let (lines, _) = releases(rollout(10, canary(steps, 2, None)), &[change]);
    // At most 12 pods, at least 10 of them ready: two come, and when they are ready two old ones go. The share of the
    // traffic is that of the ready pods.
    let expected = [
        "0 s: step 5 Progressing 0% 0/10 0/0 0/0", // the first template is released without steps
        "5 s: step 5 Healthy 0% 10/10 0/0 0/0",
        "10 s: step 0 Progressing 0% 10/10 0/2 0/0",
        "15 s: step 1 Paused 20% 8/8 2/2 0/0",
        "45 s: step 2 Progressing 20% 8/8 2/4 0/0",
        "50 s: step 2 Progressing 40% 6/6 4/5 0/0", // half of them are 5
        "55 s: step 3 Paused 50% 5/5 5/5 0/0",
        "85 s: step 4 Progressing 50% 5/5 5/7 0/0",
        "90 s: step 4 Progressing 70% 3/3 7/9 0/0",
        "95 s: step 4 Progressing 90% 1/1 9/10 0/0",
        "100 s: step 5 Healthy 0% 0/0 10/10 0/0", // it is the stable one now
    ];
    assert_eq!(lines, expected);
}

#[test]
fn an_analysis_aborts_a_canary_and_a_new_template_tries_again() {
    let steps = vec![CanaryStep::SetWeight(20), CanaryStep::Analysis(analysis())];
    let script = [(10, operate(Verb::SetTemplate(RevisionId(1)))), (70, operate(Verb::SetTemplate(RevisionId(2))))];
    let (lines, message) = releases(rollout(10, canary(steps, 2, Some(routing()))), &script);
    let expected = [
        "0 s: step 2 Progressing 0% 0/10 0/0 0/0",
        "5 s: step 2 Healthy 0% 10/10 0/0 0/0",
        "10 s: step 0 Progressing 0% 10/10 0/2 0/0", // the stable pods stay beside those of the canary
        "15 s: step 1 Progressing 20% 10/10 2/2 0/0", // measured at 15 s, well
        "25 s: step 0 Degraded 0% 10/10 2/2 0/0",    // measured at 25 s, badly: no more traffic
        "55 s: step 0 Degraded 0% 10/10 0/0 0/0",    // 30 s later its pods go
        "70 s: step 0 Progressing 0% 10/10 0/0 0/2",
        "75 s: step 1 Progressing 20% 10/10 0/0 2/2", // measured at 75, 85 and 95 s
        "95 s: step 2 Progressing 20% 10/10 0/0 2/10",
        "100 s: step 2 Healthy 0% 10/10 0/0 10/10",
        "130 s: step 2 Healthy 0% 0/0 0/0 10/10", // 30 s later the old ones go
    ];
    assert_eq!(lines, expected);
    assert_eq!(message, "waiting for all steps to complete");
    let (_, message) = releases(
        rollout(10, canary(vec![CanaryStep::SetWeight(20), CanaryStep::Analysis(analysis())], 2, Some(routing()))),
        &script[..1],
    );
    let expected = "RolloutAborted: Rollout aborted update to revision 2: Step-based analysis phase error/failed: \
                    Metric \"rate\" assessed Failed due to failed (1) > failureLimit (0)";
    assert_eq!(message, expected);
}

/// As the canary above, with numbers and a condition in place of outcomes: 0.99 is enough, 0.94 is not.
#[test]
fn the_condition_of_a_metric_judges_measured_numbers() {
    let script = [(10, operate(Verb::SetTemplate(RevisionId(1))))];
    let release = |analysis: Analysis| {
        let steps = vec![CanaryStep::SetWeight(20), CanaryStep::Analysis(analysis)];
        releases(rollout(10, canary(steps, 2, Some(routing()))), &script)
    };
    let mut judged = analysis();
    let condition = Condition::parse("result[0] >= 0.95").expect("a condition");
    judged.metrics[0].conditions = Conditions { success: Some(condition), failure: None };
    judged.metrics[0].measured = vec![Measured::Values(vec![0.99]), Measured::Values(vec![0.99, 0.94])];
    assert_eq!(release(judged.clone()), release(analysis()));
    // 0.94 is as good as it must be for a release that asks for 0.9.
    judged.metrics[0].conditions.success = Condition::parse("result[0] >= 0.9").ok();
    let (lines, _) = release(judged);
    assert!(lines.iter().all(|line| !line.contains("Degraded")), "{lines:?}");
}

#[test]
fn a_canary_is_aborted_by_hand_and_retried() {
    let steps = vec![CanaryStep::SetWeight(50), CanaryStep::Pause(None)];
    let script = [
        (10, operate(Verb::SetTemplate(RevisionId(1)))),
        (40, operate(Verb::Abort)),
        (60, operate(Verb::Retry)),
        (80, operate(Verb::Resume)),
    ];
    let (lines, _) = releases(rollout(4, canary(steps, 1, None)), &script);
    // At most 5 pods, at least 4 of them ready.
    let expected = [
        "0 s: step 2 Progressing 0% 0/4 0/0 0/0",
        "5 s: step 2 Healthy 0% 4/4 0/0 0/0",
        "10 s: step 0 Progressing 0% 4/4 0/1 0/0",
        "15 s: step 0 Progressing 25% 3/3 1/2 0/0",
        "20 s: step 1 Paused 50% 2/2 2/2 0/0",
        "40 s: step 0 Degraded 50% 2/3 2/2 0/0",
        "45 s: step 0 Degraded 25% 3/4 1/1 0/0",
        "50 s: step 0 Degraded 0% 4/4 0/0 0/0",
        "60 s: step 0 Progressing 0% 4/4 0/1 0/0",
        "65 s: step 0 Progressing 25% 3/3 1/2 0/0",
        "70 s: step 1 Paused 50% 2/2 2/2 0/0",
        "80 s: step 2 Progressing 50% 2/2 2/3 0/0",
        "85 s: step 2 Progressing 75% 1/1 3/4 0/0",
        "90 s: step 2 Healthy 0% 0/0 4/4 0/0",
    ];
    assert_eq!(lines, expected);
}

#[test]
fn a_blue_green_release_promotes_itself_and_keeps_the_old_pods_for_a_while() {
    let change = (10, operate(Verb::SetTemplate(RevisionId(1))));
    let (lines, _) = releases(rollout(3, RolloutStrategy::BlueGreen(blue_green())), &[change]);
    let expected = [
        "0 s: step 0 Progressing 0% 0/3 0/0 0/0",
        "5 s: step 0 Healthy 0% 3/3 0/0 0/0",
        "10 s: step 0 Progressing 0% 3/3 0/3 0/0",
        "15 s: step 0 Paused 0% 3/3 3/3 0/0",  // all are there: 20 s to look at them
        "35 s: step 0 Healthy 0% 3/3 3/3 0/0", // all of the traffic goes to the new ones, which are stable now
        "65 s: step 0 Healthy 0% 0/0 3/3 0/0", // 30 s later the old ones go
    ];
    assert_eq!(lines, expected);
}

#[test]
fn a_blue_green_release_waits_for_somebody_and_for_its_analysis() {
    let strategy = BlueGreenStrategy {
        promotes: false,
        promotes_after: SimDuration::ZERO,
        scale_down_delay: Some(SimDuration::ZERO),
        preview_replicas: Some(1),
        before_promotion: Some(analysis()),
        ..blue_green()
    };
    let script = [
        (10, operate(Verb::SetTemplate(RevisionId(1)))),
        (70, operate(Verb::SetTemplate(RevisionId(2)))),
        (110, operate(Verb::Promote)),
    ];
    let (lines, _) = releases(rollout(3, RolloutStrategy::BlueGreen(strategy)), &script);
    let expected = [
        "0 s: step 0 Progressing 0% 0/3 0/0 0/0",
        "5 s: step 0 Healthy 0% 3/3 0/0 0/0",
        "10 s: step 0 Progressing 0% 3/3 0/1 0/0", // one pod to look at, measured at 15 and 25 s
        "15 s: step 0 Progressing 0% 3/3 1/1 0/0",
        "25 s: step 0 Degraded 0% 3/3 1/1 0/0",
        "55 s: step 0 Degraded 0% 3/3 0/0 0/0",
        "70 s: step 0 Progressing 0% 3/3 0/0 0/1", // measured at 75, 85 and 95 s
        "75 s: step 0 Progressing 0% 3/3 0/0 1/1",
        "95 s: step 0 Paused 0% 3/3 0/0 1/1",
        "110 s: step 0 Progressing 0% 3/3 0/0 1/3", // the others come before the traffic does
        "115 s: step 0 Healthy 0% 0/0 0/0 3/3",
    ];
    assert_eq!(lines, expected);
}
