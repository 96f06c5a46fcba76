//! Nodes that stop reporting, faults of services, and what becomes of pods: instants worked out by hand.
//!
//! Unless a case says otherwise: nodes report every 10 s from 0 s on, the control plane looks at them every 5 s and gives
//! them up more than 50 s after it last saw a report; then they get their taints, one node every 10 s for the one that
//! evicts, and pods go 300 s after that.

use super::audit::Audit;
use super::event_log::model;
use super::random_model::random_model;
use wavetank::document::Source;
use wavetank::engine::watch;
use wavetank::ids::{NodeId, PodId, ZoneId};
use wavetank::model::faults::{Fault, FaultKind, NodeFailures};
use wavetank::model::{Dist, Faults, Model, NodeLifecycle};
use wavetank::observe::{CheckEveryEvent, Observer, Recorder, summary, tables};
use wavetank::scenario::{Environment, load_scenario_text};
use wavetank::units::{SimDuration, SimTime};
use wavetank::world::pods::Deletion;
use wavetank::world::{Condition, Kubelet, NodeState, Phase, View};

/// Writes what changes: `100 n-0 Down`, `145 n-0 Unknown`, `145 n-0 NoExecute Unreachable`, `445 p-0 told to end`.
#[derive(Debug, Default)]
struct FaultLog {
    lines: Vec<String>,
    nodes: Vec<(NodeState, Kubelet, Condition, String)>,
    pods: Vec<(Phase, bool)>,
}

impl FaultLog {
    fn note_nodes(&mut self, view: &View<'_>) {
        let (world, now) = (view.world, view.world.time);
        for i in 0..world.nodes.len() {
            let name = world.nodes.name(NodeId::from_index(i));
            let health = &world.health;
            let taint = health.no_execute[i].map_or("none".to_owned(), |trouble| format!("{trouble:?}"));
            let is = (world.nodes.state[i], health.kubelet[i], health.condition[i], taint);
            if i == self.nodes.len() {
                self.nodes.push((NodeState::Ready, Kubelet::Reporting, Condition::Ready, "none".to_owned()));
            }
            let was = std::mem::replace(&mut self.nodes[i], is.clone());
            for (has_changed, what) in [
                (was.0 != is.0, is.0.name().to_owned()),
                (was.1 != is.1, format!("{:?}", is.1)),
                (was.2 != is.2, format!("{:?}", is.2)),
                (was.3 != is.3, format!("NoExecute {}", is.3)),
            ] {
                if has_changed {
                    self.lines.push(format!("{now} {name} {what}"));
                }
            }
        }
    }

    fn note_pods(&mut self, view: &View<'_>) {
        let (world, now) = (view.world, view.world.time);
        for pod in (0..world.pods.len()).map(PodId::from_index) {
            let i = pod.index();
            let is = (world.pods.phase[i], world.pods.deletion[i] != Deletion::None && world.pods.node(pod).is_some());
            if i == self.pods.len() {
                self.pods.push((Phase::Pending, false));
            }
            let was = std::mem::replace(&mut self.pods[i], is);
            // Names of pods that controllers make are drawn.
            let name = match world.member(pod) {
                Some(_) => format!("#{i}"),
                None => view.pod_name(pod),
            };
            if was.0 != is.0 {
                let node = world.pods.node(pod).map_or(String::new(), |node| format!(" {}", world.nodes.name(node)));
                self.lines.push(format!("{now} {name} {}{node}", is.0.name()));
            }
            if !was.1 && is.1 {
                self.lines.push(format!("{now} {name} told to end"));
            }
        }
    }
}

impl Observer for FaultLog {
    fn event_handled(&mut self, view: &View<'_>) {
        self.note_nodes(view);
        self.note_pods(view);
    }
}

fn log(model: &Model) -> Vec<String> {
    let observer = ((CheckEveryEvent, Audit::default()), FaultLog::default());
    watch(model, observer).unwrap().observer.1.lines
}

/// Nodes `n-0`, `n-1`, ... of 4 cores in the zones given, pods that fill one each, and what is given.
struct Case {
    what: &'static str,
    nodes: u32,
    zones: &'static str,
    pods: &'static str,
    more: &'static str,
    log: &'static str,
}

/// A pod that fills a node and stays.
const ONE: &str = "{name: p, count: 1, requests: {cpu: 4}}";

fn check(cases: &[Case]) {
    for case in cases {
        let Case { what, nodes, zones, pods, more, log: expected } = case;
        let scenario = format!(
            "cluster:\n  nodeLifecycle: kubernetes\n  \
               pools: [{{name: n, count: {nodes}, zones: [{zones}], allocatable: {{cpu: 4, memory: 8Gi}}}}]\n\
             workload: {{templates: [{pods}]}}\n{more}\n"
        );
        let with_policy = match more.contains("scheduler:") {
            true => scenario,
            false => format!("{scenario}scheduler: {{policy: first-fit, onEviction: end}}\n"),
        };
        let found = log(&model(&with_policy));
        let expected: Vec<&str> = expected.split(';').map(str::trim).collect();
        assert_eq!(found, expected, "{what}");
    }
}

#[test]
fn a_node_that_crashes_is_given_up_and_its_pods_evicted() {
    check(&[
        Case {
            // Last report before 100 s: 90 s, seen at 90. 140 is not more than 50 s later, so 145; the bucket has a
            // token. 145 + 300 = 445. Nobody hears of the pod any more, so it stays.
            what: "it stays down",
            nodes: 4,
            zones: "",
            pods: ONE,
            more: "faults: {events: [{at: 100s, nodeDown: n-0}]}",
            log: "0 p-0 running n-0; 100 n-0 Down; 145 n-0 Unknown; 145 n-0 NoExecute Unreachable; \
                  445 p-0 told to end",
        },
        Case {
            what: "a script that crashes a node is the same",
            nodes: 4,
            zones: "",
            pods: ONE,
            more: "script: [{at: 100s, crash: n-0}]",
            log: "0 p-0 running n-0; 100 n-0 Down; 145 n-0 Unknown; 145 n-0 NoExecute Unreachable; \
                  445 p-0 told to end",
        },
        Case {
            // Reports are made at 0, 10, ..., 110; that of 110 is seen at 110. 160 is not more than 50 s later: 165.
            what: "it comes back after its pods were told to end",
            nodes: 4,
            zones: "",
            pods: ONE,
            more: "faults: {events: [{at: 113s, for: 500s, nodeDown: n-0}]}",
            log: "0 p-0 running n-0; 113 n-0 Down; 165 n-0 Unknown; 165 n-0 NoExecute Unreachable; \
                  465 p-0 told to end; 613 n-0 Reporting; 613 n-0 Ready; 613 p-0 evicted; 615 n-0 NoExecute none",
        },
        Case {
            // At 600 s the pass of the monitor comes before the scheduler, and takes the taint away.
            what: "a pod that is requeued is placed when its node is back",
            nodes: 4,
            zones: "",
            pods: ONE,
            more: "faults: {events: [{at: 100s, for: 500s, nodeDown: n-0}]}\n\
                   scheduler: {policy: first-fit, onEviction: requeue}",
            log: "0 p-0 running n-0; 100 n-0 Down; 145 n-0 Unknown; 145 n-0 NoExecute Unreachable; \
                  445 p-0 told to end; 600 n-0 Reporting; 600 n-0 Ready; 600 p-0 pending; 600 n-0 NoExecute none; \
                  600 p-0 running n-0",
        },
        Case {
            // Down from 100 to 130 s, known to nobody. The pod starts again (2 s), and works anew: 132 + 200.
            what: "it comes back before it is given up",
            nodes: 4,
            zones: "",
            pods: "{name: p, count: 1, requests: {cpu: 4}, duration: 200s}",
            more: "faults: {events: [{at: 100s, for: 30s, nodeDown: n-0}]}\n\
                   scheduler: {policy: first-fit, delays: {start: 2s}}",
            log: "0 p-0 starting n-0; 2 p-0 running n-0; 100 n-0 Down; 130 n-0 Reporting; 130 p-0 starting n-0; \
                  132 p-0 running n-0; 332 p-0 succeeded",
        },
        Case {
            // n-0 is taken for ready until 145 s: the pod that comes at 120 s goes there and is not started.
            what: "the scheduler does not know better than the control plane",
            nodes: 4,
            zones: "",
            pods: "{name: p, arrivals: {at: [120s, 150s]}, requests: {cpu: 1}}",
            more: "faults: {events: [{at: 100s, for: 60s, nodeDown: n-0}]}",
            log: "100 n-0 Down; 120 p-0 starting n-0; 145 n-0 Unknown; 145 n-0 NoExecute Unreachable; \
                  150 p-1 running n-1; 160 n-0 Reporting; 160 n-0 Ready; 160 p-0 running n-0; 160 n-0 NoExecute none",
        },
    ]);
}

#[test]
fn a_node_that_boots_is_not_ready_at_first() {
    let with_boot = "cluster: {nodeLifecycle: {bootNotReady: 20s}, \
                     pools: [{name: n, count: 4, allocatable: {cpu: 4, memory: 8Gi}}]}\n\
                     workload: {templates: [{name: p, count: 1, requests: {cpu: 4}}]}\n\
                     scheduler: {policy: first-fit}\n\
                     faults: {events: [{at: 100s, for: 62s, nodeDown: n-0}]}\n";
    // It reports at 162 s; the taint that evicts is exchanged at the next pass, 165 s, and taken away at the pass after
    // it is ready: 182 s, 185 s. The pod's 300 s have not run out.
    let expected = "0 p-0 running n-0; 100 n-0 Down; 145 n-0 Unknown; 145 n-0 NoExecute Unreachable; \
                    162 n-0 Reporting; 162 n-0 NotReady; 165 n-0 NoExecute NotReady; 182 n-0 Ready; \
                    182 p-0 running n-0; 185 n-0 NoExecute none";
    let found: Vec<String> = log(&model(with_boot)).into_iter().filter(|line| line != "182 p-0 starting n-0").collect();
    // The pod runs all the time as far as anybody can tell, so its start at 182 s changes nothing to be seen.
    let expected: Vec<&str> =
        expected.split(';').map(str::trim).filter(|line| *line != "182 p-0 running n-0").collect();
    assert_eq!(found, expected);
}

#[test]
fn pods_go_as_their_tolerations_say() {
    check(&[Case {
        // 145 + 60 = 205; the default, 445; for ever. A toleration of the other taint does not help: the default holds.
        what: "own seconds, the default, for ever, and the wrong taint",
        nodes: 4,
        zones: "",
        pods: "{name: short, requests: {cpu: 1}, \
                 tolerations: [{key: node.kubernetes.io/unreachable, operator: Exists, tolerationSeconds: 60}]}, \
               {name: usual, requests: {cpu: 1}}, \
               {name: stays, requests: {cpu: 1}, tolerations: [{operator: Exists}]}, \
               {name: other, requests: {cpu: 1}, \
                 tolerations: [{key: node.kubernetes.io/not-ready, operator: Exists}]}",
        more: "faults: {events: [{at: 100s, nodeDown: n-0}]}",
        log: "0 short-0 running n-0; 0 usual-0 running n-0; 0 stays-0 running n-0; 0 other-0 running n-0; \
              100 n-0 Down; 145 n-0 Unknown; 145 n-0 NoExecute Unreachable; 205 short-0 told to end; \
              445 usual-0 told to end; 445 other-0 told to end",
    }]);
}

/// Three pods that fill `n-0` to `n-2`.
const THREE: &str = "{name: p, count: 3, requests: {cpu: 4}}";

#[test]
fn evictions_are_limited_by_zone() {
    check(&[
        Case {
            // 2 of 6: a token every 10 s.
            what: "a zone with most of its nodes",
            nodes: 6,
            zones: "",
            pods: THREE,
            more: "faults: {events: [{at: 100s, nodeDown: n-0}, {at: 100s, nodeDown: n-2}]}",
            log: "0 p-0 running n-0; 0 p-1 running n-1; 0 p-2 running n-2; 100 n-0 Down; 100 n-2 Down; \
                  145 n-0 Unknown; 145 n-2 Unknown; 145 n-0 NoExecute Unreachable; 155 n-2 NoExecute Unreachable; \
                  445 p-0 told to end; 455 p-2 told to end",
        },
        Case {
            // 3 of 5 are 0.6, at least 0.55, and 5 nodes are no large cluster: nothing is evicted. When n-2 is back at
            // 300 s, 2 of 5 are left: the rate is 0.1 again, from an empty bucket: 310, 320.
            what: "a zone that lost too many nodes",
            nodes: 5,
            zones: "",
            pods: THREE,
            more: "faults: {events: [{at: 100s, nodeDown: n-0}, {at: 100s, nodeDown: n-1}, \
                                     {at: 100s, for: 200s, nodeDown: n-2}]}",
            log: "0 p-0 running n-0; 0 p-1 running n-1; 0 p-2 running n-2; \
                  100 n-0 Down; 100 n-1 Down; 100 n-2 Down; 145 n-0 Unknown; 145 n-1 Unknown; 145 n-2 Unknown; \
                  300 n-2 Reporting; 300 n-2 Ready; 310 n-0 NoExecute Unreachable; 320 n-1 NoExecute Unreachable; \
                  610 p-0 told to end; 620 p-1 told to end",
        },
        Case {
            what: "a zone that lost all its nodes, beside one that did not, goes on at the full rate",
            nodes: 4,
            zones: "a, b",
            pods: THREE,
            more: "faults: {events: [{at: 100s, for: 360s, zoneDown: a}]}",
            log: "0 p-0 running n-0; 0 p-1 running n-1; 0 p-2 running n-2; 100 n-0 Down; 100 n-2 Down; \
                  145 n-0 Unknown; 145 n-2 Unknown; 145 n-0 NoExecute Unreachable; 155 n-2 NoExecute Unreachable; \
                  445 p-0 told to end; 455 p-2 told to end; 460 n-0 Reporting; 460 n-0 Ready; 460 n-2 Reporting; \
                  460 n-2 Ready; 460 p-0 evicted; 460 p-2 evicted; 460 n-0 NoExecute none; 460 n-2 NoExecute none",
        },
        Case {
            // a is given up at 145 s, its first node tainted. b falls silent at 120 (seen at 110): 165. Then no zone is
            // left, which says more of the control plane than of the nodes: the taint goes, and nothing is evicted.
            // At 600 s b is back: all silent nodes are given up already, the buckets are empty: 610, 620.
            what: "no evictions when all zones are gone",
            nodes: 4,
            zones: "a, b",
            pods: ONE,
            more: "faults: {events: [{at: 100s, zoneDown: a}, {at: 120s, for: 480s, zoneCutOff: b}]}",
            log: "0 p-0 running n-0; 100 n-0 Down; 100 n-2 Down; 120 n-1 CutOff; 120 n-3 CutOff; \
                  145 n-0 Unknown; 145 n-2 Unknown; 145 n-0 NoExecute Unreachable; 155 n-2 NoExecute Unreachable; \
                  165 n-0 NoExecute none; 165 n-1 Unknown; 165 n-2 NoExecute none; 165 n-3 Unknown; \
                  600 n-1 Reporting; 600 n-1 Ready; 600 n-3 Reporting; 600 n-3 Ready; \
                  610 n-0 NoExecute Unreachable; 620 n-2 NoExecute Unreachable; 910 p-0 told to end",
        },
    ]);
}

#[test]
fn a_zone_that_is_cut_off_works_on_unseen() {
    check(&[Case {
        // Its work ends at 120 s, which is seen at 130. q-0 is bound at 110 to a node that hears of it at 130.
        what: "work that ends in the dark, and a pod that comes",
        nodes: 2,
        zones: "a, b",
        pods: "{name: p, requests: {cpu: 1}, duration: 120s}, \
               {name: q, arrivals: {at: [110s]}, requests: {cpu: 1}, duration: 5s}",
        more: "faults: {events: [{at: 100s, for: 30s, zoneCutOff: a}]}",
        log: "0 p-0 running n-0; 100 n-0 CutOff; 110 q-0 starting n-0; 130 n-0 Reporting; 130 p-0 succeeded; \
              130 q-0 running n-0; 135 q-0 succeeded",
    }]);
}

#[test]
fn nothing_moves_without_the_api_server() {
    check(&[Case {
        // Down from 100 to 200 s, longer than the grace period: the control plane cannot tell, so no node is given up.
        // A pod that comes at 120 is placed at 200; the work that ended at 150 is seen at 200. n-1 went down at 140 s;
        // it was last heard of at 90 s and is given up as soon as anybody can look.
        what: "an outage of the API server",
        nodes: 4,
        zones: "",
        pods: "{name: p, requests: {cpu: 4}, duration: 150s}, {name: q, arrivals: {at: [120s]}, requests: {cpu: 4}}",
        more: "faults: {events: [{at: 100s, for: 100s, apiServerDown: true}, {at: 140s, nodeDown: n-1}]}",
        log: "0 p-0 running n-0; 100 n-0 CutOff; 100 n-1 CutOff; 100 n-2 CutOff; 100 n-3 CutOff; 140 n-1 Down; \
              200 n-0 Reporting; 200 n-2 Reporting; 200 n-3 Reporting; 200 p-0 succeeded; 200 n-1 Unknown; \
              200 n-1 NoExecute Unreachable; 200 q-0 running n-0",
    }]);
}

#[test]
fn nodes_leave() {
    check(&[
        Case {
            // Missed at the pass of 120 s, deleted 40 s later.
            what: "the pods of a node that is removed are collected",
            nodes: 2,
            zones: "",
            pods: ONE,
            more: "script: [{at: 101s, remove: n-0}]",
            log: "0 p-0 running n-0; 101 n-0 cordoned; 101 n-0 Down; 160 n-0 removed; 160 p-0 failed",
        },
        Case {
            what: "a node without pods is removed at once",
            nodes: 2,
            zones: "",
            pods: ONE,
            more: "script: [{at: 101s, remove: n-1}]",
            log: "0 p-0 running n-0; 101 n-1 removed",
        },
        Case {
            what: "the provider gives notice",
            nodes: 2,
            zones: "",
            pods: ONE,
            more: "faults: {events: [{at: 100s, for: 120s, reclaim: n-0}]}",
            log: "0 p-0 running n-0; 100 n-0 cordoned; 100 p-0 evicted; 220 n-0 removed",
        },
        Case {
            what: "and draws when, 30 s after the node joins, with 120 s of notice",
            nodes: 1,
            zones: "",
            pods: "",
            more: "faults: {spot: [{pool: n, timeToReclaim: 30s}], events: [{at: 35s, for: 10s, stockOut: n}]}\n\
                   script: [{at: 40s, add: {pool: n}}, {at: 50s, add: {pool: n}}]",
            // The node of 40 s is not to be had; that of 50 s is, and is called back at 80 s.
            log: "30 n-0 cordoned; 80 n-1 cordoned; 150 n-0 removed; 200 n-1 removed",
        },
    ]);
}

#[test]
fn nodes_fail_and_are_repaired_by_their_distributions() {
    check(&[Case {
        // Up for 100 s, down for 30 s, which nobody notices, again and again.
        what: "constant times",
        nodes: 2,
        zones: "",
        pods: "",
        more: "horizon: 300s\nfaults: {nodes: [{timeToFailure: 100s, timeToRepair: 30s}]}",
        log: "100 n-0 Down; 100 n-1 Down; 130 n-0 Reporting; 130 n-1 Reporting; \
              230 n-0 Down; 230 n-1 Down; 260 n-0 Reporting; 260 n-1 Reporting",
    }]);
}

/// Every node's failures come from its own stream: another node more, or another policy, changes none of them.
#[test]
fn failures_of_a_node_do_not_depend_on_others() {
    let failures = |nodes: u32, policy: &str| -> Vec<String> {
        let scenario = format!(
            "horizon: 400h\ncluster: {{pools: [{{name: n, count: {nodes}, allocatable: {{cpu: 4, memory: 8Gi}}}}]}}\n\
             workload: {{templates: [{{name: p, count: 3, requests: {{cpu: 1}}}}]}}\nscheduler: {{policy: {policy}}}\n\
             faults: {{nodes: [{{timeToFailure: {{weibull: {{scale: 10h, shape: 0.7}}}}, \
             timeToRepair: {{exponential: {{mean: 20m}}}}}}]}}\n"
        );
        let lines = log(&model(&scenario)).into_iter();
        lines.filter(|line| line.contains("n-1 Down") || line.contains("n-1 Reporting")).collect()
    };
    let alone = failures(2, "first-fit");
    assert!(alone.len() >= 4, "{alone:?}");
    assert_eq!(failures(5, "first-fit"), alone);
    assert_eq!(failures(2, "random"), alone);
}

/// Three pods of a Deployment, 3 of 4 cores each: on n-0 and n-2 in zone a, and on n-1. The zone is down from 100 to 600 s.
/// n-0 is tainted at 145 s and n-2 at 155 s, so that their pods are told to end at 445 and 455 s, and the ReplicaSet makes
/// others at once: the first finds n-3, the second waits until the zone is back. Then the old pods are gone, too: they do
/// not run after the boot.
#[test]
fn a_deployment_heals_after_a_zone_outage() {
    let manifest = tempfile::NamedTempFile::with_suffix(".yaml").unwrap();
    let deployment = "{apiVersion: apps/v1, kind: Deployment, metadata: {name: web}, spec: {replicas: 3, \
                      selector: {matchLabels: {app: web}}, template: {metadata: {labels: {app: web}}, \
                      spec: {containers: [{name: web, resources: {requests: {cpu: 3}}}]}}}}\n";
    std::fs::write(manifest.path(), deployment).unwrap();
    let model = model(&format!(
        "horizon: 700s\ncluster: {{pools: [{{name: n, count: 4, zones: [a, b], \
         allocatable: {{cpu: 4, memory: 8Gi}}}}]}}\n\
         workload: {{manifests: [{}]}}\nscheduler: {{policy: first-fit}}\n\
         faults: {{events: [{{at: 100s, for: 500s, zoneDown: a}}]}}\n",
        manifest.path().display()
    ));
    let found: Vec<String> = log(&model).into_iter().filter(|line| line.contains('#')).collect();
    let expected = "0 #0 running n-0; 0 #1 running n-1; 0 #2 running n-2; 445 #0 told to end; 445 #3 running n-3; \
                    455 #2 told to end; 600 #0 deleted; 600 #2 deleted; 600 #4 running n-0";
    assert_eq!(found, expected.split("; ").collect::<Vec<_>>());
}

/// The container dies 100 s after its pod has come to its node, at 100 s, and again at 200 s; it is started again each time.
#[test]
fn pods_crash_and_are_started_again() {
    let manifest = tempfile::NamedTempFile::with_suffix(".yaml").unwrap();
    let deployment = "{apiVersion: apps/v1, kind: Deployment, metadata: {name: web}, spec: {replicas: 1, \
                      selector: {matchLabels: {app: web}}, template: {metadata: {labels: {app: web}}, \
                      spec: {containers: [{name: web, resources: {requests: {cpu: 3}}}]}}}}\n";
    std::fs::write(manifest.path(), deployment).unwrap();
    let model = model(&format!(
        "horizon: 250s\ncluster: {{pools: [{{name: n, count: 1, allocatable: {{cpu: 4, memory: 8Gi}}}}]}}\n\
         workload: {{manifests: [{}]}}\nscheduler: {{policy: first-fit}}\n\
         faults: {{pods: [{{target: deploy/web, timeToCrash: 100s}}]}}\n",
        manifest.path().display()
    ));
    let observer = ((CheckEveryEvent, Audit::default()), FaultLog::default());
    let finished = watch(&model, observer).unwrap();
    assert_eq!(finished.observer.1.lines, ["0 #0 running n-0"]);
    assert_eq!(finished.world.owners.members[0].restarts, 2);
}

#[test]
fn faults_that_cannot_be_meant_are_refused() {
    let cluster = "cluster: {pools: [{name: n, count: 2, zones: [a], allocatable: {cpu: 4, memory: 8Gi}}]}\n";
    for (faults, said) in [
        ("events: [{at: 1s}]", "`faults.events[0]` does nothing"),
        ("events: [{at: 1s, nodeDown: n-0, zoneDown: a}]", "`faults.events[0]` does more than one thing"),
        ("events: [{at: 1s, nodeDown: n-9}]", "there is no node `n-9`"),
        ("events: [{at: 1s, reclaim: n-9}]", "there is no node `n-9`"),
        ("events: [{at: 1s, zoneDown: b}]", "there is no zone `b`"),
        ("events: [{at: 1s, zoneCutOff: b}]", "there is no zone `b`"),
        ("events: [{at: 1s, stockOut: m}]", "there is no pool `m`"),
        ("events: [{at: 1s, apiServerSlowdown: 0.5}]", "apiServerSlowdown"),
        ("nodes: [{timeToFailure: 1h, timeToRepair: 1h}]", "nodes never stop failing"),
        ("spot: [{pool: m, timeToReclaim: 1h}]", "there is no pool `m`"),
        ("trace: missing.csv", "no such file"),
        ("spotTraces: [{pool: n, file: missing.json}]", "no such file"),
        ("pods: [{target: deployment/web, timeToCrash: 1h}]", "pods never stop crashing"),
    ] {
        let head = "apiVersion: wavetank.dev/v1\nkind: Scenario\nmetadata: {name: test}\n";
        let text = format!("{head}{cluster}scheduler: {{policy: first-fit}}\nfaults: {{{faults}}}\n");
        let source = Source { file: "test.yaml".into(), text };
        let refused = load_scenario_text(&source, &[], 0, &Environment::default()).err();
        let refused = refused.map(|error| error.to_string()).unwrap_or_default();
        assert!(refused.contains(said), "{faults}: {refused}");
    }
}

/// Up for 10 h and down for 1 h on average: silent for 1 / 11 of the time. 20 nodes in 2000 h go through about
/// 20 * 2000 / 11 = 3636 cycles; the standard error of the share is about 1/11 * 10/11 * sqrt(2 / 3636) = 0.0019, and the
/// bound is five of them.
#[test]
fn nodes_are_away_as_often_as_their_distributions_say() {
    let model = model(
        "horizon: 2000h\ncluster: {pools: [{name: n, count: 20, allocatable: {cpu: 4, memory: 8Gi}}]}\n\
         scheduler: {policy: first-fit}\n\
         faults: {nodes: [{pool: n, timeToFailure: {exponential: {mean: 10h}}, \
         timeToRepair: {exponential: {mean: 1h}}}]}\n",
    );
    let world = watch(&model, ()).unwrap().world;
    let silent: u64 = (0..20).map(|node| world.health.silent_ns(NodeId(node), world.time)).sum();
    let share = silent as f64 / (20.0 * 2000.0 * 3600e9);
    assert!((share - 1.0 / 11.0).abs() < 0.0097, "{share}");
}

/// Random clusters, workloads and scripts with random faults keep every invariant, and give the same run twice.
#[test]
fn random_runs_with_faults_keep_the_invariants() {
    for seed in 0..60 {
        let mut model = random_model(seed);
        let lifecycle =
            NodeLifecycle { boot_not_ready: Dist::Uniform { min: 0.0, max: 9.0 }, ..NodeLifecycle::default() };
        model.workload.classes.iter_mut().for_each(|class| lifecycle.add_default_tolerations(class));
        model.cluster.add_taint_variants();
        model.cluster.lifecycle = Some(lifecycle);
        let mut draw = model.seed.stream("test/faults", 0);
        let nodes = model.cluster.nodes.len() as u64;
        let zones = model.cluster.zones.len() as u64;
        let mut listed: Vec<Fault> = (0..12)
            .map(|_| {
                let node = NodeId(draw.below(nodes) as u32);
                let zone = (zones > 0).then(|| ZoneId(draw.below(zones.max(1)) as u32));
                let kind = match (draw.below(6), zone) {
                    (0, Some(zone)) => FaultKind::ZoneDown(zone),
                    (1, Some(zone)) => FaultKind::ZoneCutOff(zone),
                    (2, _) => FaultKind::ApiServerDown,
                    (3, _) => FaultKind::Reclaim(node),
                    _ => FaultKind::NodeDown(node),
                };
                let span = Some(SimDuration(draw.below(400) * 1_000_000_000));
                Fault { at: SimTime(draw.below(600) * 500_000_000), span, kind }
            })
            .collect();
        listed.sort_by_key(|fault| fault.at);
        let time_to_failure = Dist::Exponential { mean: 300.0 };
        let time_to_repair = Dist::Exponential { mean: 60.0 };
        model.faults = Faults {
            listed,
            nodes: vec![NodeFailures { pool: None, time_to_failure, time_to_repair }],
            ..Faults::default()
        };
        model.horizon = Some(SimTime(1_500_000_000_000));
        println!("seed {seed}");
        assert_eq!(log(&model), log(&model));
    }
}

/// Indexed and plain schedulers, and kube-scheduler with its queue, see taints come and go alike: the pod that comes
/// while n-0 is tainted goes elsewhere, and one that fits nowhere else waits until the taint is gone.
#[test]
fn every_scheduler_sees_taints_come_and_go() {
    for policy in ["first-fit", "least-allocated", "most-allocated", "best-fit", "kube-scheduler"] {
        let tie_break = if policy == "kube-scheduler" { ", tieBreak: first" } else { "" };
        let scenario = format!(
            "cluster: {{pools: [{{name: n, count: 2, allocatable: {{cpu: 4, memory: 8Gi}}}}]}}\n\
             workload: {{templates: [{{name: early, count: 2, requests: {{cpu: 3, memory: 1Gi}}}}, \
             {{name: late, arrivals: {{at: [200s]}}, requests: {{cpu: 1, memory: 1Gi}}}}, \
             {{name: big, arrivals: {{at: [210s]}}, requests: {{cpu: 1, memory: 1Gi}}}}]}}\n\
             scheduler: {{policy: {policy}, onEviction: end{tie_break}}}\n\
             faults: {{events: [{{at: 100s, for: 200s, nodeDown: n-0}}]}}\n"
        );
        let found: Vec<String> =
            log(&model(&scenario)).into_iter().filter(|line| line.contains("late") || line.contains("big")).collect();
        assert_eq!(found, ["200 late-0 running n-1", "300 big-0 running n-0"], "{policy}");
    }
}

/// 45 s from silence at 100 s to 145 s: n-0 is silent for 200 s and not ready for 155 s.
#[test]
fn tables_say_how_long_nodes_were_away() {
    let model = model(
        "horizon: 400s\ncluster: {pools: [{name: n, count: 2, allocatable: {cpu: 4, memory: 8Gi}}]}\n\
         scheduler: {policy: first-fit}\n\
         faults: {events: [{at: 100s, for: 200s, nodeDown: n-0}]}\n",
    );
    let finished = watch(&model, Recorder::new(&model)).unwrap();
    let view = View { model: &model, world: &finished.world };
    let metrics = summary::summary(&view, &finished.observer, finished.events);
    let value = |name: &str| metrics.iter().find(|metric| metric.name == name).map(|metric| metric.value);
    assert_eq!(value("node_silent_s_total"), Some(200.0));
    assert_eq!(value("node_not_ready_s_total"), Some(155.0));
    let nodes = tables::nodes(&view, &finished.observer);
    let mut csv = Vec::new();
    nodes.write_csv(&mut csv).unwrap();
    let csv = String::from_utf8(csv).unwrap();
    let ends: Vec<&str> = csv.lines().map(|line| line.rsplit("cost_usd,").next().unwrap_or(line)).collect();
    assert_eq!(ends[0], "condition,silent_s,not_ready_s");
    assert!(ends[1].ends_with(",Ready,200,155") && ends[2].ends_with(",Ready,0,0"), "{csv}");
}
