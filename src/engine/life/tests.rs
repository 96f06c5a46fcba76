//! Worked timelines. Instants are seconds after the pod was bound.

use super::{Driver, Pull, Report, Rules, begin};
use crate::model::Dist;
use crate::model::controllers::{Container, PodLife, Probe, Probes, RestartPolicy};
use crate::rng::Seed;
use crate::testkit::container;
use crate::units::{SimDuration, SimTime};
use crate::world::lives::{Life, PodPhase, Status};

const SEED: Seed = Seed { base: 1, replication: 0 };

fn seconds(count: f64) -> SimDuration {
    SimDuration::from_seconds(count)
}

fn at(count: f64) -> SimTime {
    SimTime(seconds(count).0)
}

fn constant(count: f64) -> Dist {
    Dist::Constant(seconds(count))
}

/// A container that works for so long and ends with that code.
fn worker(name: &str, run_seconds: f64, exit_code: i32) -> Container {
    Container { run_time: Some(constant(run_seconds)), exit_codes: vec![(exit_code, 1.0)], ..container(name) }
}

fn sidecar(name: &str) -> Container {
    Container { is_sidecar: true, ..container(name) }
}

fn probe(initial_delay: f64, period: f64, success_threshold: u32, failure_threshold: u32) -> Option<Probe> {
    Some(Probe {
        initial_delay: seconds(initial_delay),
        period: seconds(period),
        success_threshold,
        failure_threshold,
        timeout: seconds(1.0),
        grace_period: None,
    })
}

fn pod(init_containers: Vec<Container>, containers: Vec<Container>) -> PodLife {
    PodLife { init_containers, containers, grace_period: seconds(30.0), ..PodLife::default() }
}

/// A pod's life and what was seen of it.
struct Play<'a> {
    rules: Rules<'a>,
    life: Life,
    log: Vec<(f64, String)>,
}

impl<'a> Play<'a> {
    fn new(template: &'a PodLife, images_are_ideal: bool) -> Play<'a> {
        let rules = Rules { template, seed: SEED, identity: 7, images_are_ideal };
        let (life, report) = begin(rules, SimTime::ZERO, &[]);
        let mut play = Play { rules, life, log: Vec::new() };
        play.note(0.0, Life::new(template, SimTime::ZERO, &[]), report);
        play
    }

    fn name(&self, index: usize) -> &str {
        &self.rules.container(index).name
    }

    /// Notes what is different from `before`.
    fn note(&mut self, now: f64, before: Life, report: Report) {
        let mut words = Vec::new();
        for (index, (old, new)) in before.containers.iter().zip(&self.life.containers).enumerate() {
            let name = self.name(index).to_owned();
            if old.last_end != new.last_end {
                words.push(format!("{name} ends {}", new.last_end.expect("an end").exit_code));
            }
            if new.running().is_some_and(|run| old.running().is_none_or(|before| before.since != run.since)) {
                words.push(format!("{name} starts"));
            }
            if matches!(new.status, Status::CrashLoopBackOff(_)) && old.status != new.status {
                words.push(format!("{name} backs off"));
            }
        }
        assert_eq!(report.phase_changed, before.phase != self.life.phase);
        assert_eq!(report.readiness_changed, before.ready_since != self.life.ready_since);
        if report.phase_changed {
            words.push(format!("{:?}", self.life.phase));
        }
        if report.readiness_changed {
            words.push(if self.life.ready_since.is_some() { "ready" } else { "not ready" }.to_owned());
        }
        if let Some(Pull { image, .. }) = report.pull {
            words.push(format!("pulls {image}"));
        }
        self.log.extend(words.into_iter().map(|word| (now, word)));
    }

    fn tell(&mut self, now: f64, act: impl FnOnce(Driver<'_>) -> Report) {
        assert!(self.life.wake_at >= at(now), "it should have been woken before");
        let before = self.life.clone();
        let report = act(Driver::new(self.rules, &mut self.life, at(now)));
        self.note(now, before, report);
    }

    /// Lets it live until then.
    fn until(&mut self, end: f64) {
        while self.life.wake_at <= at(end) {
            let now = self.life.wake_at.as_seconds();
            self.tell(now, |driver| driver.wake());
            assert!(self.life.wake_at > at(now), "it asks to be woken at the instant at which it was");
        }
    }

    fn log(&self) -> Vec<(f64, &str)> {
        self.log.iter().map(|(now, what)| (*now, what.as_str())).collect()
    }

    fn instants(&self, what: &str) -> Vec<f64> {
        self.log.iter().filter(|(_, seen)| seen == what).map(|(now, _)| *now).collect()
    }
}

#[test]
fn a_server_without_probes_costs_one_call() {
    let template = pod(vec![], vec![container("web")]);
    let play = Play::new(&template, true);
    assert_eq!(play.log(), [(0.0, "web starts"), (0.0, "Running"), (0.0, "ready")]);
    assert_eq!(play.life.wake_at, SimTime::NEVER);
}

#[test]
fn init_containers_and_sidecars_come_first_and_in_order() {
    // Sandbox 1 s; `fetch` 5 s: 6. `proxy` (sidecar) works 3 s later, 9; its startup probe ticks every 2 s from 0, so
    // first after 9: 10. `migrate` 4 s: 14. `web` starts at 14 and is ready at once.
    let template = PodLife {
        sandbox_start: constant(1.0),
        ..pod(
            vec![
                worker("fetch", 5.0, 0),
                Container {
                    start_up: constant(3.0),
                    probes: Probes { startup: probe(0.0, 2.0, 1, 5), ..Probes::default() },
                    ..sidecar("proxy")
                },
                worker("migrate", 4.0, 0),
            ],
            vec![container("web"), container("agent")],
        )
    };
    let mut play = Play::new(&template, true);
    play.until(1000.0);
    assert_eq!(
        play.log(),
        [
            (1.0, "fetch starts"),
            (6.0, "fetch ends 0"),
            (6.0, "proxy starts"),
            (10.0, "migrate starts"),
            (14.0, "migrate ends 0"),
            (14.0, "web starts"),
            (14.0, "agent starts"),
            (14.0, "Running"),
            (14.0, "ready"),
        ]
    );
}

#[test]
fn readiness_follows_the_probers_ticks() {
    // (start-up, initial delay, period, success threshold, failure threshold) -> ready. The pod is bound at 0 and the
    // container starts at 0.5: the probe is asked then, and every period from there once the initial delay is over.
    for (start_up, delay, period, successes, ready) in [
        // 0.5 works at once.
        (0.0, 0.0, 10.0, 1, 0.5),
        // Works at 3.5; asked at 0.5 and 10.5.
        (3.0, 0.0, 10.0, 1, 10.5),
        // The initial delay ends at 5.5: asked at 10.5.
        (0.0, 5.0, 10.0, 1, 10.5),
        // Works at 3.5; asked at 0.5, 2.5, 4.5, 6.5, 8.5: the third success in a row.
        (3.0, 0.0, 2.0, 3, 8.5),
        // Asked at 20.5, the first tick at which it has run for 20 s.
        (3.0, 20.0, 10.0, 1, 20.5),
    ] {
        let web = Container {
            start_up: constant(start_up),
            probes: Probes { readiness: probe(delay, period, successes, 3), ..Probes::default() },
            ..container("web")
        };
        let template = PodLife { sandbox_start: constant(0.5), ..pod(vec![], vec![web]) };
        let mut play = Play::new(&template, true);
        play.until(1000.0);
        assert_eq!(
            play.log(),
            [(0.5, "web starts"), (0.5, "Running"), (ready, "ready")],
            "start-up {start_up}, delay {delay}, period {period}, successes {successes}"
        );
        assert_eq!(play.life.wake_at, SimTime::NEVER, "a pod that works and is ready costs no events");
    }
}

#[test]
fn a_startup_probe_gates_readiness_and_liveness() {
    // Works at 25. Startup ticks every 10 s from 0: fails at 10 and 20, succeeds at 30; readiness is asked then.
    // Without the gate liveness would have failed at 5, 10 and 15 and killed it.
    let web = Container {
        start_up: constant(25.0),
        probes: Probes {
            startup: probe(0.0, 10.0, 1, 30),
            readiness: probe(0.0, 7.0, 1, 3),
            liveness: probe(0.0, 5.0, 1, 3),
        },
        ..container("web")
    };
    let template = pod(vec![], vec![web]);
    let mut play = Play::new(&template, true);
    play.until(1000.0);
    assert_eq!(play.log(), [(0.0, "web starts"), (0.0, "Running"), (30.0, "ready")]);
}

#[test]
fn a_failing_liveness_probe_kills_and_restarts() {
    // Works 60 s after each start, liveness ticks at 10, 20, 30: the third failure in a row kills it at 30; it takes 4
    // s to end, 34, and is started again at once: no end was known before. Ticks 40, 50, 60: ends at 64. The wait is
    // counted from the end before (34), and this is the first: at once. 70, 80, 90: 94; from 64 the 10 s are over:
    // at once, next wait 20 s. 124: 20 s from 94 are over; next 40 s. 154: from 124 not over, so it waits 40 s from
    // 154: 194. Ticks 200, 210, 220.
    let web = Container {
        start_up: constant(60.0),
        shut_down: constant(4.0),
        probes: Probes { liveness: probe(0.0, 10.0, 1, 3), ..Probes::default() },
        ..container("web")
    };
    let template = pod(vec![], vec![web]);
    let mut play = Play::new(&template, true);
    play.until(195.0);
    assert_eq!(play.instants("web ends 143"), [34.0, 64.0, 94.0, 124.0, 154.0]);
    assert_eq!(play.instants("web starts"), [0.0, 34.0, 64.0, 94.0, 124.0, 194.0]);
    assert_eq!(play.instants("web backs off"), [154.0]);
    assert_eq!(play.life.restarts(), 5);
    assert_eq!(play.life.phase, PodPhase::Running);
}

#[test]
fn a_container_that_is_resized_may_have_to_start_again() {
    // Told to end at 30 s it takes 4 s, and starts at once; told again while it ends, it ends as before.
    let web = Container { shut_down: constant(4.0), ..container("web") };
    let template = pod(vec![], vec![web]);
    let mut play = Play::new(&template, true);
    play.until(30.0);
    play.tell(30.0, |driver| driver.restart_for_resize(0));
    play.tell(32.0, |driver| driver.restart_for_resize(0));
    play.until(60.0);
    assert_eq!(play.instants("web ends 143"), [34.0]);
    assert_eq!(play.instants("web starts"), [0.0, 34.0]);
}

#[test]
fn a_container_that_ends_at_once_is_started_again_later_and_later() {
    // Upstream's first restart does not wait; the waits after it are 10, 20, 40, 80, 160, 300, 300 s.
    let template = pod(vec![], vec![worker("web", 0.0, 1)]);
    let mut play = Play::new(&template, true);
    // Starts at one instant look like one: the first restart shows in the count.
    assert_eq!(play.life.restarts(), 1);
    play.until(1300.0);
    assert_eq!(play.instants("web backs off"), [0.0, 10.0, 30.0, 70.0, 150.0, 310.0, 610.0, 910.0, 1210.0]);
    assert_eq!(play.life.restarts(), 9);
    assert_eq!((play.life.phase, play.life.ready_since), (PodPhase::Running, None));
}

#[test]
fn a_long_run_clears_the_back_off() {
    // Runs of 1 s but for the fifth: 0-1, 1-2 (no wait), 12-13 (10 s), 33-34 (20 s), 74- (40 s). That run lasts 601 s,
    // to 675: it is started at once, and the wait after the next end (676) is 10 s: 686.
    let mut template = pod(vec![], vec![worker("web", 1.0, 1)]);
    let mut play = Play::new(&template, true);
    play.until(73.0);
    assert_eq!(play.instants("web starts"), [0.0, 1.0, 12.0, 33.0]);
    let life = play.life.clone();
    template.containers[0].run_time = Some(constant(601.0));
    let mut long = Play { rules: Rules { template: &template, ..life_rules() }, life, log: Vec::new() };
    long.until(674.0);
    let life = long.life.clone();
    let short = pod(vec![], vec![worker("web", 1.0, 1)]);
    let mut play = Play { rules: Rules { template: &short, ..life_rules() }, life, log: Vec::new() };
    play.until(690.0);
    assert_eq!(play.instants("web starts"), [675.0, 686.0]);
}

fn life_rules() -> Rules<'static> {
    static NOTHING: std::sync::OnceLock<PodLife> = std::sync::OnceLock::new();
    let template = NOTHING.get_or_init(PodLife::default);
    Rules { template, seed: SEED, identity: 7, images_are_ideal: true }
}

#[test]
fn the_restart_policy_decides() {
    // (policy, exit codes of two workers that end after 1 and 2 s) -> starts of the first, end of the pod.
    for (policy, codes, starts, end) in [
        (RestartPolicy::Never, (0, 0), vec![0.0], Some((2.0, "Succeeded"))),
        (RestartPolicy::Never, (3, 0), vec![0.0], Some((2.0, "Failed"))),
        (RestartPolicy::OnFailure, (0, 0), vec![0.0], Some((2.0, "Succeeded"))),
        // 0, 1, then 10 s after the end at 2: 12.
        (RestartPolicy::OnFailure, (3, 0), vec![0.0, 1.0, 12.0], None),
        (RestartPolicy::Always, (0, 0), vec![0.0, 1.0, 12.0], None),
    ] {
        let template = PodLife {
            restart_policy: policy,
            ..pod(vec![], vec![worker("a", 1.0, codes.0), worker("b", 2.0, codes.1)])
        };
        let mut play = Play::new(&template, true);
        play.until(20.0);
        assert_eq!(play.instants("a starts"), starts, "{policy:?} {codes:?}");
        let last = play.log().into_iter().rev().find(|(_, what)| ["Succeeded", "Failed"].contains(what));
        assert_eq!(last, end, "{policy:?} {codes:?}");
        assert_eq!(play.life.exit_code(), codes.0.max(codes.1));
    }
}

#[test]
fn a_failing_init_container_fails_the_pod_or_is_started_again() {
    for (policy, log) in [
        (RestartPolicy::Never, vec![(0.0, "init starts"), (2.0, "init ends 1"), (2.0, "Failed")]),
        (
            RestartPolicy::OnFailure,
            vec![
                (0.0, "init starts"),
                (2.0, "init ends 1"),
                (2.0, "init starts"),
                (4.0, "init ends 1"),
                (4.0, "init backs off"),
                (14.0, "init starts"),
            ],
        ),
    ] {
        let template = PodLife { restart_policy: policy, ..pod(vec![worker("init", 2.0, 1)], vec![container("web")]) };
        let mut play = Play::new(&template, true);
        play.until(15.0);
        assert_eq!(play.log(), log, "{policy:?}");
    }
}

#[test]
fn a_pod_that_is_told_to_end_stops_its_sidecars_last() {
    // Told at 100 with 30 s. `web` takes 5 s: 105. Then `logs`, the last sidecar, 3 s: 108. Then `proxy` 60 s: 8 whole
    // seconds have passed, so 22 are left: killed at 130. No container is ready for the pod once `web` has ended.
    let slow = |container: Container, span: f64| Container { shut_down: constant(span), ..container };
    let template =
        pod(vec![slow(sidecar("proxy"), 60.0), slow(sidecar("logs"), 3.0)], vec![slow(container("web"), 5.0)]);
    let mut play = Play::new(&template, true);
    play.until(99.0);
    play.log.clear();
    play.tell(100.0, |driver| driver.terminate(seconds(30.0)));
    play.until(1000.0);
    assert_eq!(
        play.log(),
        [
            (105.0, "web ends 0"),
            (105.0, "not ready"),
            (108.0, "logs ends 0"),
            (130.0, "proxy ends 137"),
            // How sidecars end does not count.
            (130.0, "Succeeded"),
        ]
    );
}

#[test]
fn hooks_come_before_and_take_from_the_grace_period() {
    // (hook, shut-down, grace) -> end and code.
    for (hook, shut_down, grace, end) in [
        (10.0, 12.0, 30.0, (122.0, "web ends 0")),
        // 30 s less 10 s are left.
        (10.0, 45.0, 30.0, (130.0, "web ends 137")),
        // The hook is cut off at 30 s, and 2 s are left.
        (60.0, 1.0, 30.0, (131.0, "web ends 0")),
        (60.0, 5.0, 30.0, (132.0, "web ends 137")),
        // Without a grace period there is no hook.
        (10.0, 1.0, 0.0, (101.0, "web ends 0")),
        // The hook's 1.5 s count as 1 s: 29 s from 101.5 on.
        (1.5, 45.0, 30.0, (130.5, "web ends 137")),
    ] {
        let web = Container { pre_stop: constant(hook), shut_down: constant(shut_down), ..container("web") };
        let template = pod(vec![], vec![web]);
        let mut play = Play::new(&template, true);
        play.log.clear();
        play.tell(100.0, |driver| driver.terminate(seconds(grace)));
        play.until(1000.0);
        assert_eq!(play.log()[0], end, "hook {hook}, shut-down {shut_down}, grace {grace}");
    }
}

#[test]
fn a_sidecars_hook_runs_while_it_waits_for_its_turn() {
    // The web server ends at 105; the proxy's hook is over at 108, and its end takes 1 s.
    let proxy = Container { pre_stop: constant(8.0), shut_down: constant(1.0), ..sidecar("proxy") };
    let template = pod(vec![proxy], vec![Container { shut_down: constant(5.0), ..container("web") }]);
    let mut play = Play::new(&template, true);
    play.log.clear();
    play.tell(100.0, |driver| driver.terminate(seconds(30.0)));
    play.until(1000.0);
    assert_eq!(play.instants("web ends 0"), [105.0]);
    assert_eq!(play.instants("proxy ends 0"), [109.0]);
}

#[test]
fn a_container_that_fails_a_probe_has_the_grace_period_of_the_probe() {
    // Never works; liveness ticks at 10, 20, 30: killed at 30 + 3 s, where the pod's 30 s would let it end at 50.
    let liveness = probe(0.0, 10.0, 1, 3).map(|probe| Probe { grace_period: Some(seconds(3.0)), ..probe });
    let web = Container {
        start_up: constant(1000.0),
        shut_down: constant(20.0),
        probes: Probes { liveness, ..Probes::default() },
        ..container("web")
    };
    let template = pod(vec![], vec![web]);
    let mut play = Play::new(&template, true);
    play.until(40.0);
    assert_eq!(play.instants("web ends 137"), [33.0]);
}

#[test]
fn grace_periods_bound_the_end() {
    // (shut-down, grace, told again at with grace) -> end and code. At least 2 s are given.
    for (shut_down, grace, again, end) in [
        (0.0, 30.0, None, (100.0, "web ends 0")),
        (12.0, 30.0, None, (112.0, "web ends 0")),
        // It outlasts the grace period.
        (45.0, 30.0, None, (130.0, "web ends 137")),
        (45.0, 0.0, None, (102.0, "web ends 137")),
        (1.0, 0.0, None, (101.0, "web ends 0")),
        // Told again at 110 with 5 s: 115. With 60 s: nothing changes.
        (45.0, 30.0, Some((110.0, 5.0)), (115.0, "web ends 137")),
        (45.0, 30.0, Some((110.0, 60.0)), (130.0, "web ends 137")),
    ] {
        let template = pod(vec![], vec![Container { shut_down: constant(shut_down), ..container("web") }]);
        let mut play = Play::new(&template, true);
        play.log.clear();
        play.tell(100.0, |driver| driver.terminate(seconds(grace)));
        if let Some((now, grace)) = again {
            play.until(now - 1.0);
            play.tell(now, |driver| driver.terminate(seconds(grace)));
        }
        play.until(1000.0);
        assert_eq!(play.log()[0], end, "shut-down {shut_down}, grace {grace}, again {again:?}");
        assert!(play.life.is_over());
        assert_eq!(play.life.wake_at, SimTime::NEVER);
    }
}

#[test]
fn pods_that_have_not_started_end_at_once() {
    // While the sandbox starts; while an image is pulled; while a container backs off.
    let sandbox = PodLife { sandbox_start: constant(9.0), ..pod(vec![], vec![container("web")]) };
    let image = pod(vec![], vec![Container { image: Some(3), ..container("web") }]);
    let crash = pod(vec![], vec![worker("web", 0.0, 1)]);
    for template in [sandbox, image, crash] {
        let mut play = Play::new(&template, false);
        play.tell(5.0, |driver| driver.terminate(seconds(30.0)));
        assert_eq!((play.life.phase, play.life.wake_at), (PodPhase::Failed, SimTime::NEVER));
    }
}

#[test]
fn a_job_with_a_sidecar_ends_when_its_work_is_done() {
    // The work ends at 10; the sidecar is told then and takes 2 s.
    let template = PodLife {
        restart_policy: RestartPolicy::Never,
        ..pod(vec![Container { shut_down: constant(2.0), ..sidecar("proxy") }], vec![worker("job", 10.0, 0)])
    };
    let mut play = Play::new(&template, true);
    play.until(1000.0);
    assert_eq!(
        play.log(),
        [
            (0.0, "proxy starts"),
            (0.0, "job starts"),
            (0.0, "Running"),
            (0.0, "ready"),
            (10.0, "job ends 0"),
            (10.0, "not ready"),
            (12.0, "proxy ends 0"),
            (12.0, "Succeeded"),
        ]
    );
}

#[test]
fn sidecars_are_started_again_whatever_the_policy() {
    let template = PodLife {
        restart_policy: RestartPolicy::Never,
        ..pod(
            vec![Container { run_time: Some(constant(3.0)), exit_codes: vec![(1, 1.0)], ..sidecar("proxy") }],
            vec![worker("job", 10.0, 0)],
        )
    };
    let mut play = Play::new(&template, true);
    play.until(1000.0);
    // Ends at 3, starts at once, ends at 6, waits for 10 s; the job ends at 10, and nothing is started again.
    assert_eq!(play.instants("proxy starts"), [0.0, 3.0]);
    assert_eq!(play.instants("Succeeded"), [10.0]);
    assert_eq!(play.life.exit_code(), 0);
}

#[test]
fn images_are_asked_for_one_after_the_other() {
    let image = |name: &str, image| Container { image: Some(image), ..container(name) };
    let template = pod(vec![], vec![image("a", 4), image("b", 5)]);
    let mut play = Play::new(&template, false);
    play.tell(7.0, |driver| driver.image_ready());
    play.tell(9.0, |driver| driver.image_failed());
    // 10 s after 9, then 20 s after 20.
    play.until(19.0);
    play.tell(20.0, |driver| driver.image_failed());
    play.until(40.0);
    play.tell(41.0, |driver| driver.image_ready());
    assert_eq!(
        play.log(),
        [
            (0.0, "pulls 4"),
            (7.0, "a starts"),
            (7.0, "pulls 5"),
            (19.0, "pulls 5"),
            (40.0, "pulls 5"),
            (41.0, "b starts"),
            (41.0, "Running"),
            (41.0, "ready"),
        ]
    );
}

#[test]
fn a_checkpoint_keeps_work() {
    // 100 s of work, checkpoints every 30 s. It crashes at 70 (60 s are safe), is started again at once and has 40 s
    // left: 110. Without checkpoints it would end at 170.
    for (checkpoint_every, saved, end) in [(Some(seconds(30.0)), 60.0, 110.0), (None, 0.0, 170.0)] {
        let template = PodLife {
            restart_policy: RestartPolicy::OnFailure,
            ..pod(vec![], vec![Container { checkpoint_every, ..worker("job", 100.0, 0) }])
        };
        let mut play = Play::new(&template, true);
        play.tell(70.0, |driver| driver.crash(0, 137));
        assert_eq!(play.life.saved_work(), [seconds(saved)]);
        play.until(1000.0);
        assert_eq!(play.instants("Succeeded"), [end]);
    }
    // A node that is lost at 95 leaves 90 s to a pod that takes over.
    let template = PodLife {
        restart_policy: RestartPolicy::Never,
        ..pod(vec![], vec![Container { checkpoint_every: Some(seconds(30.0)), ..worker("job", 100.0, 0) }])
    };
    let mut play = Play::new(&template, true);
    Driver::new(play.rules, &mut play.life, at(95.0)).abandon();
    assert_eq!(play.life.phase, PodPhase::Failed);
    let (life, _) = begin(play.rules, at(200.0), &play.life.saved_work());
    assert_eq!(life.wake_at, at(210.0));
}

#[test]
fn draws_depend_on_pod_container_and_run() {
    let life = |identity| {
        let worker = |name| Container {
            run_time: Some(Dist::Exponential { mean: 10.0 }),
            exit_codes: vec![(0, 1.0), (1, 3.0)],
            ..container(name)
        };
        let template = PodLife { restart_policy: RestartPolicy::Never, ..pod(vec![], vec![worker("a"), worker("b")]) };
        let rules = Rules { template: &template, seed: SEED, identity, images_are_ideal: true };
        let (life, _) = begin(rules, SimTime::ZERO, &[]);
        life.containers.iter().map(|one| one.running().expect("it runs").ends_at).collect::<Vec<_>>()
    };
    assert_eq!(life(1), life(1));
    assert_ne!(life(1), life(2));
    assert_ne!(life(1)[0], life(1)[1]);
}

#[test]
fn exit_codes_are_drawn_by_weight() {
    let template = PodLife {
        restart_policy: RestartPolicy::Never,
        ..pod(vec![], vec![Container { exit_codes: vec![(0, 1.0), (7, 3.0)], ..worker("a", 1.0, 0) }])
    };
    let failed = (0..4000).filter(|&identity| {
        let rules = Rules { template: &template, seed: SEED, identity, images_are_ideal: true };
        let (life, _) = begin(rules, SimTime::ZERO, &[]);
        life.containers[0].running().expect("it runs").exit_code == 7
    });
    // 3000 expected, standard deviation sqrt(4000 * 0.75 * 0.25) = 27.4; the bounds are five of them.
    let failed = failed.count();
    assert!((2863..=3137).contains(&failed), "{failed}");
}
