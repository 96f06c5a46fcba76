//! What the engine does with time, queue, script and delays: small scenarios with the log worked out by hand.

use super::event_log::{model, run};
use wavetank::ids::{ClassId, NodeId};
use wavetank::model::{Action, ArrivalSource, ListedPod, ListedPods, ScriptedAction};
use wavetank::units::{SimDuration, SimTime};
use wavetank::world::Phase;
use wavetank::world::pods::Reason;

/// One case: what it shows, the scenario, and its log, a line an event, split at `;`.
struct Case {
    what: &'static str,
    scenario: String,
    log: &'static str,
}

/// Runs the cases under all checks.
fn check(cases: &[Case]) {
    for case in cases {
        let found = run(&model(&case.scenario)).observer.lines;
        let expected: Vec<&str> = case.log.split(';').map(str::trim).collect();
        assert_eq!(found, expected, "{}", case.what);
    }
}

/// A pool `n` of nodes with 4 cores, first fit, and what is given.
fn scenario(nodes: u32, templates: &str, scheduler: &str, script: &str) -> String {
    format!(
        "cluster: {{pools: [{{name: n, count: {nodes}, allocatable: {{cpu: 4, memory: 8Gi, pods: 10}}}}]}}\n\
         workload:\n  templates: [{templates}]\n\
         scheduler: {{policy: first-fit, {scheduler}}}\n\
         script: [{script}]\n"
    )
}

/// Pods `name-0`, `name-1`, ... at the given instants.
fn pods(name: &str, cpu: u32, at: &str, duration: &str, more: &str) -> String {
    let count = at.split(',').count();
    format!(
        "{{name: {name}, count: {count}, requests: {{cpu: {cpu}}}, arrivals: {{at: [{at}]}}, duration: {duration}, \
         {more}}},"
    )
}

#[test]
fn delays_add_up_and_the_scheduler_takes_one_pod_at_a_time() {
    check(&[
        Case {
            what: "three pods at once with 2 s of thinking for each are placed at 2, 4 and 6 s, and end 10 s later",
            scenario: scenario(1, &pods("p", 1, "0s, 0s, 0s", "10s", ""), "delays: {scheduling: 2s}", ""),
            log: "0 p-0 pending; 0 p-1 pending; 0 p-2 pending; 2 p-0 running n-0; 4 p-1 running n-0; \
                  6 p-2 running n-0; 12 p-0 succeeded; 14 p-1 succeeded; 16 p-2 succeeded",
        },
        Case {
            what: "a scheduler that fell idle thinks from the arrival on: 5 + 2, not from its last decision",
            scenario: scenario(1, &pods("p", 1, "0s, 5s", "10s", ""), "delays: {scheduling: 2s}", ""),
            log: "0 p-0 pending; 2 p-0 running n-0; 5 p-1 pending; 7 p-1 running n-0; 12 p-0 succeeded; \
                  17 p-1 succeeded",
        },
        Case {
            // p-0: decided 2, bound 2 + 3, runs 5 + 5, ends 10 + 1. p-1: decided 2 + 2, bound 7, runs 12, ends 13.
            what: "binding and start run beside the next decision",
            scenario: scenario(
                1,
                &pods("p", 1, "0s, 0s", "1s", ""),
                "delays: {scheduling: 2s, binding: 3s, start: 5s}",
                "",
            ),
            log: "0 p-0 pending; 0 p-1 pending; 2 p-0 bound n-0; 4 p-1 bound n-0; 5 p-0 starting n-0; \
                  7 p-1 starting n-0; 10 p-0 running n-0; 11 p-0 succeeded; 12 p-1 running n-0; 13 p-1 succeeded",
        },
        Case {
            // Room comes at 3 s, while the scheduler thinks about p-1 (from 2 to 4 s): the decision sees it.
            what: "a decision sees the world as it is when the thinking ends",
            scenario: scenario(1, &pods("p", 4, "0s, 2s", "1s", ""), "delays: {scheduling: 2s}", ""),
            log: "0 p-0 pending; 2 p-1 pending; 2 p-0 running n-0; 3 p-0 succeeded; 4 p-1 running n-0; 5 p-1 succeeded",
        },
        Case {
            // q-0 is refused at 4 s, with 1 core free. p-0 ends at 5 s, while r-0 is thought about (4 to 6 s). When the
            // scheduler is idle again at 6 s, the 2 cores that r-0 leaves are what q-0 waits for: 6 + 2.
            what: "room that comes while the scheduler is busy is not forgotten",
            scenario: scenario(
                1,
                &(pods("p", 3, "0s", "3s", "") + &pods("q", 2, "1s", "9s", "") + &pods("r", 2, "2s", "1s", "")),
                "delays: {scheduling: 2s}",
                "",
            ),
            log: "0 p-0 pending; 1 q-0 pending; 2 r-0 pending; 2 p-0 running n-0; 4 q-0 refused; 5 p-0 succeeded; \
                  6 r-0 running n-0; 7 r-0 succeeded; 8 q-0 running n-0; 17 q-0 succeeded",
        },
    ]);
}

#[test]
fn queue_orders_decide_who_goes_next() {
    let contenders = pods("first", 4, "0s", "10s", "priority: 5")
        + &pods("low", 4, "1s", "2s", "priority: -1")
        + &pods("high", 4, "2s", "3s", "priority: 7");
    check(&[
        Case {
            what: "fifo: the pod that came first",
            scenario: scenario(1, &contenders, "queue: fifo", ""),
            log: "0 first-0 pending; 0 first-0 running n-0; 1 low-0 pending; 1 low-0 refused; 2 high-0 pending; \
                  2 high-0 refused; 10 first-0 succeeded; 10 high-0 refused; 10 low-0 running n-0; 12 low-0 succeeded; \
                  12 high-0 running n-0; 15 high-0 succeeded",
        },
        Case {
            what: "priority: the pod with the highest",
            scenario: scenario(1, &contenders, "queue: priority", ""),
            log: "0 first-0 pending; 0 first-0 running n-0; 1 low-0 pending; 1 low-0 refused; 2 high-0 pending; \
                  2 high-0 refused; 10 first-0 succeeded; 10 low-0 refused; 10 high-0 running n-0; \
                  13 high-0 succeeded; 13 low-0 running n-0; 15 low-0 succeeded",
        },
    ]);
}

#[test]
fn a_waiting_pod_is_tried_when_it_may_help_and_only_then() {
    check(&[
        Case {
            // Free after 5 s: 4 - 1 = 3 of the 4 cores that big-0 needs, so it is not asked for; after 9 s: 4.
            what: "a release that is too small is no reason to try",
            scenario: scenario(
                1,
                &(pods("a", 1, "0s", "5s", "") + &pods("b", 1, "0s", "9s", "") + &pods("big", 4, "1s", "1s", "")),
                "",
                "",
            ),
            log: "0 a-0 pending; 0 b-0 pending; 0 a-0 running n-0; 0 b-0 running n-0; 1 big-0 pending; \
                  1 big-0 refused; 5 a-0 succeeded; 9 b-0 succeeded; 9 big-0 running n-0; 10 big-0 succeeded",
        },
        Case {
            what: "all pods of a class that finds no place are refused, not only the first",
            scenario: scenario(1, &pods("p", 5, "0s, 0s, 1s", "1s", ""), "", ""),
            log: "0 p-0 pending; 0 p-1 pending; 0 p-0 refused; 0 p-1 refused; 1 p-2 pending; 1 p-2 refused",
        },
        Case {
            what: "an uncordoned node helps, a cordoned one does not",
            scenario: scenario(
                1,
                &pods("p", 1, "1s", "1s", ""),
                "",
                "{at: 0s, cordon: n-0}, {at: 3s, cordon: n-0}, {at: 7s, uncordon: n-0}",
            ),
            log: "0 n-0 cordoned; 1 p-0 pending; 1 p-0 refused; 7 n-0 ready; 7 p-0 running n-0; 8 p-0 succeeded",
        },
        Case {
            what: "a node that joins helps",
            scenario: scenario(1, &pods("p", 4, "0s, 0s", "9s", ""), "", "{at: 6s, add: {pool: n}}"),
            log: "0 p-0 pending; 0 p-1 pending; 0 p-1 refused; 0 p-0 running n-0; 6 n-1 ready; 6 p-1 running n-1; \
                  9 p-0 succeeded; 15 p-1 succeeded",
        },
        Case {
            what: "a pod that is dropped is not tried again",
            scenario: scenario(1, &pods("p", 4, "0s, 1s", "5s", ""), "onUnschedulable: drop", ""),
            log: "0 p-0 pending; 0 p-0 running n-0; 1 p-1 pending; 1 p-1 refused; 1 p-1 deleted; 5 p-0 succeeded",
        },
        Case {
            // At 5 s the end of p-0 comes before the arrival, which comes before the scheduler: nobody is refused.
            what: "within an instant ends come before arrivals and arrivals before decisions",
            scenario: scenario(1, &pods("p", 4, "0s, 5s", "5s", ""), "", ""),
            log: "0 p-0 pending; 0 p-0 running n-0; 5 p-0 succeeded; 5 p-1 pending; 5 p-1 running n-0; 10 p-1 succeeded",
        },
        Case {
            // At 5 s p-0 ends, which helps p-1 and, with it, its whole class: p-2 arrives at that instant, and waits
            // for its turn instead of being refused at the door. After p-1 is placed it is refused by the scheduler.
            what: "a pod that arrives when its class was just helped takes its turn",
            scenario: scenario(1, &pods("p", 4, "0s, 1s, 5s", "5s", ""), "", ""),
            log: "0 p-0 pending; 0 p-0 running n-0; 1 p-1 pending; 1 p-1 refused; 5 p-0 succeeded; 5 p-2 pending; \
                  5 p-2 refused; 5 p-1 running n-0; 10 p-1 succeeded; 10 p-2 running n-0; 15 p-2 succeeded",
        },
    ]);
}

#[test]
fn pods_that_lose_their_node_wait_again_or_end() {
    let pod = pods("p", 3, "0s", "10s", "");
    let with = |policy: &str, action: &str| {
        scenario(2, &pod, &format!("onEviction: {policy}"), &format!("{{at: 4s, {action}: n-0}}"))
    };
    check(&[
        Case {
            // The new life runs from 4 s and takes 10 s again; the old end at 10 s is stale.
            what: "a drained pod starts anew",
            scenario: with("requeue", "drain"),
            log: "0 p-0 pending; 0 p-0 running n-0; 4 n-0 cordoned; 4 p-0 pending; 4 p-0 running n-1; 14 p-0 succeeded",
        },
        Case {
            what: "so does one whose node was removed",
            scenario: with("requeue", "remove"),
            log: "0 p-0 pending; 0 p-0 running n-0; 4 n-0 removed; 4 p-0 pending; 4 p-0 running n-1; 14 p-0 succeeded",
        },
        Case {
            what: "and one whose node crashed",
            scenario: with("requeue", "crash"),
            log: "0 p-0 pending; 0 p-0 running n-0; 4 n-0 crashed; 4 p-0 pending; 4 p-0 running n-1; 14 p-0 succeeded",
        },
        Case {
            what: "a bare pod is evicted by a drain",
            scenario: with("end", "drain"),
            log: "0 p-0 pending; 0 p-0 running n-0; 4 n-0 cordoned; 4 p-0 evicted",
        },
        Case {
            what: "deleted with its node",
            scenario: with("end", "remove"),
            log: "0 p-0 pending; 0 p-0 running n-0; 4 n-0 removed; 4 p-0 deleted",
        },
        Case {
            what: "failed by a crash",
            scenario: with("end", "crash"),
            log: "0 p-0 pending; 0 p-0 running n-0; 4 n-0 crashed; 4 p-0 failed",
        },
    ]);
}

#[test]
fn events_of_an_earlier_life_are_stale() {
    let delays = "delays: {binding: 3s, start: 5s}";
    let pod = pods("p", 3, "0s", "10s", "");
    check(&[
        Case {
            // First life: bound at 3, would run at 8. Second: 4 + 3 bound, 7 + 5 runs, 12 + 10 ends.
            what: "evicted while it starts",
            scenario: scenario(2, &pod, delays, "{at: 4s, crash: n-0}"),
            log: "0 p-0 pending; 0 p-0 bound n-0; 3 p-0 starting n-0; 4 n-0 crashed; 4 p-0 pending; 4 p-0 bound n-1; \
                  7 p-0 starting n-1; 12 p-0 running n-1; 22 p-0 succeeded",
        },
        Case {
            // First life: would be bound at 3. Second: 1 + 3, + 5, + 10.
            what: "evicted while it is bound",
            scenario: scenario(2, &pod, delays, "{at: 1s, drain: n-0}"),
            log: "0 p-0 pending; 0 p-0 bound n-0; 1 n-0 cordoned; 1 p-0 pending; 1 p-0 bound n-1; \
                  4 p-0 starting n-1; 9 p-0 running n-1; 19 p-0 succeeded",
        },
        Case {
            // The end at 10 s comes before the drain at 10 s: there is nothing left to evict.
            what: "ends at the instant of the drain",
            scenario: scenario(2, &pod, "", "{at: 10s, drain: n-0}"),
            log: "0 p-0 pending; 0 p-0 running n-0; 10 p-0 succeeded; 10 n-0 cordoned",
        },
        Case {
            // Lives from 0, 2 and 5 s; the third ends at 15, and neither 10 nor 12 does anything.
            what: "evicted twice",
            scenario: scenario(3, &pod, "", "{at: 2s, crash: n-0}, {at: 5s, crash: n-1}"),
            log: "0 p-0 pending; 0 p-0 running n-0; 2 n-0 crashed; 2 p-0 pending; 2 p-0 running n-1; 5 n-1 crashed; \
                  5 p-0 pending; 5 p-0 running n-2; 15 p-0 succeeded",
        },
    ]);
}

#[test]
fn pods_that_come_bound_are_taken_or_refused_by_their_node() {
    // The scheduler is not asked: a cordon does not keep them away, want of room does.
    let script = "{at: 0s, cordon: n-1}, {at: 1s, crash: n-0}";
    let mut model = model(&scenario(2, &pods("p", 3, "0s", "9s", ""), "", script));
    let second = |number: u64| SimTime(number * 1_000_000_000);
    let pod = |at: u64, node: u32| ListedPod {
        class: ClassId(0),
        arrival: second(at),
        duration: Some(SimDuration(9_000_000_000)),
        node: Some(NodeId(node)),
    };
    let listed = ListedPods {
        // To a cordoned node with 4 cores free; to the same with 1 core free; to one that is down.
        pods: vec![pod(0, 1), pod(1, 1), pod(2, 0)],
        names: ["taken", "too-large", "too-late"].into_iter().collect(),
        ..ListedPods::default()
    };
    model.workload.sources = vec![ArrivalSource::Listed(listed)];
    let log = [
        "0 n-1 cordoned",
        "0 taken pending",
        "0 taken running n-1",
        "1 n-0 crashed",
        "1 too-large pending",
        "1 too-large failed",
        "2 too-late pending",
        "2 too-late failed",
        "9 taken succeeded",
    ];
    let finished = run(&model);
    assert_eq!(finished.observer.lines, log);
    assert_eq!(finished.world.pods.reason, [Reason::None, Reason::OutOfResources, Reason::OutOfResources]);
    assert_eq!(finished.world.pods.attempts, [0, 0, 0]);
}

#[test]
fn the_horizon_is_the_last_instant_that_counts() {
    // p-0 ends at 10 s.
    for (horizon, succeeded, end) in [("9s", 0, 9), ("10s", 1, 10), ("12s", 1, 12)] {
        let body = scenario(1, &pods("p", 1, "0s, 11s", "10s", ""), "", "") + &format!("horizon: {horizon}\n");
        let world = run(&model(&body)).world;
        assert_eq!(world.pods_by_phase[Phase::Succeeded as usize], succeeded, "{horizon}");
        assert_eq!(world.time, SimTime(end * 1_000_000_000), "{horizon}");
        assert_eq!(world.pods.len(), if end == 12 { 2 } else { 1 }, "{horizon}");
    }
}

#[test]
fn actions_on_nodes_that_are_down_or_unknown_change_nothing() {
    let mut model = model(&scenario(1, &pods("p", 1, "0s", "1s", ""), "onEviction: end", ""));
    let actions = [
        Action::Crash(NodeId(0)),
        Action::Uncordon(NodeId(0)),
        Action::Drain(NodeId(0)),
        Action::Remove(NodeId(0)),
        Action::Crash(NodeId(0)),
        Action::Drain(NodeId(7)),
    ];
    model.script = (0..).zip(actions).map(|(at, action)| ScriptedAction { at: SimTime(at), action }).collect();
    assert_eq!(run(&model).observer.lines, ["0 n-0 crashed", "0 p-0 pending", "0 p-0 refused"]);
}
