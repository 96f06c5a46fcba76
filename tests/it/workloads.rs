//! Small scenarios with objects that make pods, each of which once went wrong, and the lines that they must give.
#![allow(clippy::disallowed_methods, reason = "tests write files")]

use wavetank::engine::{Finished, RunError, watch};
use wavetank::experiment::single::{Detail, run_model};
use wavetank::ids::PodId;
use wavetank::model::Model;
use wavetank::observe::CheckEveryEvent;
use wavetank::scenario::{Environment, load_scenario};
use wavetank::world::Phase;

use super::workload_audit::WorkloadAudit;

/// The model of a scenario without its head, and of its manifests.
fn model(scenario: &str, manifests: &str) -> Model {
    load(scenario, manifests).unwrap_or_else(|error| panic!("{error}\n{scenario}"))
}

fn load(scenario: &str, manifests: &str) -> Result<Model, String> {
    let directory = tempfile::tempdir().unwrap();
    let head = "apiVersion: wavetank.dev/v1\nkind: Scenario\nmetadata: {name: test}\n";
    std::fs::write(directory.path().join("test.yaml"), format!("{head}{scenario}")).unwrap();
    std::fs::write(directory.path().join("objects.yaml"), manifests).unwrap();
    let loaded = load_scenario(&directory.path().join("test.yaml"), &[], 0, &Environment::default());
    loaded.map(|loaded| loaded.model).map_err(|error| error.to_string())
}

fn run(model: &Model) -> Finished<(CheckEveryEvent, WorkloadAudit)> {
    watch(model, (CheckEveryEvent, WorkloadAudit::default())).unwrap()
}

fn count(finished: &Finished<(CheckEveryEvent, WorkloadAudit)>, phase: Phase) -> u64 {
    finished.world.pods_by_phase[phase as usize]
}

#[test]
fn a_pod_that_is_deleted_before_it_starts_has_no_node_to_ask() {
    // The drain at 1 s deletes pods that would start at 5 s.
    let model = model(
        "cluster: {nodeLifecycle: kubernetes, pools: [{name: n, count: 2, allocatable: {cpu: 4, memory: 8Gi}}]}\n\
         workload: {manifests: [objects.yaml]}\n\
         scheduler: {policy: first-fit, delays: {start: 5s}}\n\
         script: [{at: 1s, drain: n-0}]\n\
         horizon: 60s\n",
        "{apiVersion: apps/v1, kind: Deployment, metadata: {name: web}, spec: {replicas: 2, \
          selector: {matchLabels: {app: web}}, template: {metadata: {labels: {app: web}}, \
          spec: {containers: [{name: web, image: web}]}}}}",
    );
    let finished = run(&model);
    assert_eq!((count(&finished, Phase::Running), count(&finished, Phase::Deleted)), (2, 2));
}

#[test]
fn an_index_that_fails_is_tried_again_without_end_of_the_sync() {
    // Index 0 fails at 10 s and again 10 s + 10 s after that; with one more try allowed it is given up at 30 s. Then index 1.
    let model = model(
        "cluster: {pools: [{name: n, allocatable: {cpu: 4, memory: 8Gi}}]}\n\
         workload: {manifests: [objects.yaml], behaviours: [{kind: Job, runTime: 10s, exitCodes: {\"1\": 1}}]}\n\
         scheduler: {policy: first-fit}\n\
         horizon: 600s\n",
        "{apiVersion: batch/v1, kind: Job, metadata: {name: work}, spec: {completions: 2, completionMode: Indexed, \
          backoffLimitPerIndex: 1, template: {spec: {restartPolicy: Never, containers: [{name: c, image: c}]}}}}",
    );
    let finished = run(&model);
    let ends: Vec<f64> = finished.world.pods.finished.iter().map(|end| end.as_seconds()).collect();
    assert_eq!(ends, [10.0, 30.0, 40.0, 60.0]);
}

#[test]
fn pods_that_are_gone_at_once_end_the_run_and_not_only_the_patience() {
    // n-0 is down from 100 s on and gets its taint at 145 s; the pods stand it for no time, and nothing keeps them away.
    let model = model(
        "cluster: {pools: [{name: n, count: 4, allocatable: {cpu: 4, memory: 8Gi, pods: 100000}}, \
         {name: m, allocatable: {cpu: 4, memory: 8Gi}}]}\n\
         workload: {manifests: [objects.yaml]}\n\
         scheduler: {policy: first-fit}\n\
         faults: {events: [{at: 100s, nodeDown: n-0}]}\n\
         horizon: 200s\n",
        "{apiVersion: apps/v1, kind: Deployment, metadata: {name: web}, spec: {replicas: 2, \
          selector: {matchLabels: {app: web}}, template: {metadata: {labels: {app: web}}, \
          spec: {tolerations: [{operator: Exists, effect: NoSchedule}, {operator: Exists, effect: NoExecute, tolerationSeconds: 0}], \
          containers: [{name: web, image: web}]}}}}",
    );
    let error = run_model(&model, Detail::Figures).unwrap_err();
    let RunError::Endless { object, at } = &error else { panic!("{error}") };
    assert_eq!((object.as_str(), at.as_seconds()), ("web", 145.0));
}

#[test]
fn a_controller_sees_all_that_it_wrote_at_one_instant() {
    // Both pods are made at 1 s, and the controller looks at 1 s: there is nothing left to make.
    let model = model(
        "cluster: {pools: [{name: n, allocatable: {cpu: 4, memory: 8Gi}}]}\n\
         workload: {manifests: [objects.yaml]}\n\
         controlPlane: {apiWrite: 1s}\n\
         horizon: 60s\n",
        "{apiVersion: apps/v1, kind: StatefulSet, metadata: {name: db}, spec: {replicas: 2, serviceName: db, \
          podManagementPolicy: Parallel, selector: {matchLabels: {app: db}}, \
          template: {metadata: {labels: {app: db}}, spec: {containers: [{name: db, image: db}]}}}}",
    );
    assert_eq!(run(&model).world.pods.len(), 2);
}

#[test]
fn the_controller_of_jobs_gathers_for_a_second() {
    // Two pods of 10 s, one after the other. The first ends at 10 s, is seen at 11 s, and so on.
    let scenario = |plane: &str| {
        format!(
            "cluster: {{pools: [{{name: n, allocatable: {{cpu: 4, memory: 8Gi}}}}]}}\n\
             workload: {{manifests: [objects.yaml], behaviours: [{{kind: Job, runTime: 10s}}]}}\n\
             controlPlane: {plane}\nhorizon: 60s\n"
        )
    };
    let job = "{apiVersion: batch/v1, kind: Job, metadata: {name: work}, spec: {completions: 2, \
                template: {spec: {restartPolicy: Never, containers: [{name: c, image: c}]}}}}";
    for (plane, second_s) in [("{}", 10.0), ("{jobBatchPeriod: 1s}", 11.0)] {
        let finished = run(&model(&scenario(plane), job));
        let arrivals: Vec<f64> = finished.world.pods.arrival.iter().map(|arrival| arrival.as_seconds()).collect();
        assert_eq!(arrivals, [0.0, second_s], "{plane}");
    }
}

#[test]
fn a_controller_that_a_quota_refuses_tries_again_later_and_later() {
    // Room for one pod of 10 s, and the Job `first` has it. The Job `second` tries at 0, 1, 3, 7 and 15 s; the ReplicaSet
    // after 5 ms, 10 ms and so on, 5 ms (2^n - 1) in all: at 10.235 s. Where a write takes 1 ms, so does each try; and a Job
    // that sees its own first status comes back at once, is refused again, and tries at 0, 0, 2, 6 and 14 s.
    let scenario = |plane: &str| {
        format!(
            "cluster: {{pools: [{{name: n, allocatable: {{cpu: 4, memory: 8Gi}}}}]}}\n\
             workload: {{manifests: [objects.yaml], behaviours: [{{kind: Job, runTime: 10s}}]}}\n\
             controlPlane: {plane}\nhorizon: 60s\n"
        )
    };
    let quota = "{apiVersion: v1, kind: ResourceQuota, metadata: {name: q}, spec: {hard: {pods: \"1\"}}}";
    let job = |name: &str| {
        format!(
            "\n---\n{{apiVersion: batch/v1, kind: Job, metadata: {{name: {name}}}, spec: \
             {{template: {{spec: {{restartPolicy: Never, containers: [{{name: c, image: c}}]}}}}}}}}"
        )
    };
    let set = "\n---\n{apiVersion: apps/v1, kind: ReplicaSet, metadata: {name: web}, spec: {selector: \
               {matchLabels: {app: web}}, template: {metadata: {labels: {app: web}}, \
               spec: {containers: [{name: c, image: c}]}}}}";
    for (objects, plane, second_s) in [
        (format!("{quota}{}{}", job("first"), job("second")), "{}", 15.0..15.001),
        (format!("{quota}{}{}", job("first"), job("second")), "{apiWrite: 1ms}", 14.0..14.1),
        (format!("{quota}{}{set}", job("first")), "{}", 10.235..10.236),
        (format!("{quota}{}{set}", job("first")), "{apiWrite: 1ms}", 10.235..10.3),
    ] {
        let finished = run(&model(&scenario(plane), &objects));
        let arrivals: Vec<f64> = finished.world.pods.arrival.iter().map(|arrival| arrival.as_seconds()).collect();
        assert!(arrivals.len() == 2 && second_s.contains(&arrivals[1]), "{plane}: {arrivals:?}");
    }
}

#[test]
fn a_pod_that_a_job_gives_up_stays_known_until_its_deletion_is_written() {
    // The pod waits for room when the Job is suspended at 30 s; the write takes 1 s.
    let model = model(
        "cluster: {pools: [{name: n, allocatable: {cpu: 1, memory: 8Gi}}]}\n\
         workload: {manifests: [objects.yaml]}\n\
         scheduler: {policy: first-fit}\n\
         controlPlane: {apiWrite: 1s}\n\
         script: [{at: 30s, pause: {target: job/work}}]\n\
         horizon: 60s\n",
        "{apiVersion: batch/v1, kind: Job, metadata: {name: work}, spec: {parallelism: 1, template: {spec: \
          {restartPolicy: Never, containers: [{name: c, image: c, resources: {requests: {cpu: 2}}}]}}}}",
    );
    let finished = run(&model);
    assert_eq!(count(&finished, Phase::Deleted), 1);
    assert_eq!(finished.world.pods.finished[0].as_seconds(), 31.0);
}

#[test]
fn pods_of_a_node_out_of_service_need_not_be_heard_of() {
    // db-0 is alone on n-0, which is down from 100 s on. A StatefulSet makes no other while it may be there: given up at
    // 145 s, told to end at 445 s, and there for ever. Said to be out of service at 200 s, its pods are told at once, and
    // are gone at the next pass, every 20 s: 200 s. Said so at 130 s, the node counts as ready until 145 s: 160 s.
    let scenario = |script: &str| {
        format!(
            "cluster: {{nodeLifecycle: kubernetes, pools: [{{name: n, count: 4, allocatable: {{cpu: 1, memory: 8Gi}}}}]}}\n\
             workload: {{manifests: [objects.yaml]}}\nscheduler: {{policy: first-fit}}\n\
             faults: {{events: [{{at: 100s, nodeDown: n-0}}]}}\nscript: [{script}]\nhorizon: 1000s\n"
        )
    };
    let objects = "{apiVersion: apps/v1, kind: StatefulSet, metadata: {name: db}, spec: {replicas: 1, serviceName: db, \
                    selector: {matchLabels: {app: db}}, template: {metadata: {labels: {app: db}}, \
                    spec: {containers: [{name: db, image: db, resources: {requests: {cpu: 1}}}]}}}}";
    for (script, second_s) in [
        ("", None),
        ("{at: 200s, outOfService: n-0}", Some(200.0)),
        ("{at: 130s, outOfService: n-0}", Some(160.0)),
        ("{at: 450s, outOfService: n-0}", Some(460.0)),
    ] {
        let finished = run(&model(&scenario(script), objects));
        let arrivals: Vec<f64> = finished.world.pods.arrival.iter().map(|arrival| arrival.as_seconds()).collect();
        assert_eq!(arrivals.get(1).copied(), second_s, "{script}");
    }
}

#[test]
fn a_pod_that_is_given_up_unseen_does_not_begin_when_its_node_is_heard_again() {
    // The node is cut off from the beginning: that the two pods have started there is not seen. At 100 s the node is said to
    // be out of service, and they are gone. It is heard again at 200 s, and open to the two that wait from 250 s on.
    let model = model(
        "cluster: {nodeLifecycle: kubernetes, pools: [{name: n, zones: [a], allocatable: {cpu: 4, memory: 8Gi}}]}\n\
         workload: {manifests: [objects.yaml]}\nscheduler: {policy: first-fit}\n\
         faults: {events: [{at: 0s, for: 200s, zoneCutOff: a}]}\n\
         script: [{at: 100s, outOfService: n-0}, {at: 250s, uncordon: n-0}]\nhorizon: 300s\n",
        &web(""),
    );
    let finished = run(&model);
    assert_eq!((count(&finished, Phase::Running), count(&finished, Phase::Deleted)), (2, 2));
    assert_eq!(finished.world.pods.finished[0].as_seconds(), 100.0);
    assert_eq!(finished.world.pods.running[2].as_seconds(), 250.0);
}

#[test]
fn a_node_out_of_service_takes_pods_that_tolerate_it_alone() {
    // Both nodes have room for all. From 10 s on n-0 is out of service: what comes at 20 s goes to n-1, and what tolerates the
    // taint at 30 s to n-0, the first. From 40 s on n-0 takes all again.
    let model = model(
        "cluster: {nodeLifecycle: kubernetes, pools: [{name: n, count: 2, allocatable: {cpu: 8, memory: 8Gi}}]}\n\
         workload: {templates: [\
           {name: plain, count: 1, start: 20s},\
           {name: tolerant, count: 1, start: 30s, tolerations: [{key: node.kubernetes.io/out-of-service, operator: Exists}]},\
           {name: late, count: 1, start: 50s}]}\n\
         scheduler: {policy: first-fit}\n\
         script: [{at: 10s, outOfService: n-0}, {at: 40s, uncordon: n-0}]\n\
         horizon: 60s\n",
        "",
    );
    let finished = run(&model);
    let node = |pod| finished.world.pods.node(PodId(pod)).map(|node| node.0);
    assert_eq!([node(0), node(1), node(2)], [Some(1), Some(0), Some(0)]);
}

#[test]
fn preempted_pods_have_their_grace_period() {
    // The web server fills the node and takes 20 s to end. The batch pod of higher priority comes at 100 s and runs at 120 s.
    let model = model(
        "cluster: {pools: [{name: n, allocatable: {cpu: 1, memory: 8Gi}}]}\n\
         workload: {manifests: [objects.yaml], behaviours: [{name: web, shutDown: 20s}], \
           templates: [{name: batch, count: 1, start: 100s, priority: 5, requests: {cpu: 1}}]}\n\
         scheduler: {policy: kube-scheduler}\n\
         horizon: 200s\n",
        "{apiVersion: apps/v1, kind: Deployment, metadata: {name: web}, spec: {replicas: 1, \
          selector: {matchLabels: {app: web}}, template: {metadata: {labels: {app: web}}, \
          spec: {containers: [{name: web, image: web, resources: {requests: {cpu: 1}}}]}}}}",
    );
    let finished = run(&model);
    let pods = &finished.world.pods;
    let ended: Vec<f64> = pods.finished.iter().map(|end| end.as_seconds()).take(1).collect();
    assert_eq!((ended, count(&finished, Phase::Running)), (vec![120.0], 1));
    let batch = (0..pods.len()).find(|&pod| pods.member[pod] == u32::MAX).expect("the batch pod is no member");
    assert_eq!(pods.running[batch].as_seconds(), 120.0);
}

/// A Deployment of two pods with this strategy.
fn web(strategy: &str) -> String {
    format!(
        "{{apiVersion: apps/v1, kind: Deployment, metadata: {{name: web}}, spec: {{replicas: 2, {strategy} \
         selector: {{matchLabels: {{app: web}}}}, template: {{metadata: {{labels: {{app: web}}}}, \
         spec: {{containers: [{{name: web, image: web}}]}}}}}}}}"
    )
}

#[test]
fn a_surge_beyond_all_numbers_is_a_large_one() {
    let model = model(
        "cluster: {pools: [{name: n, allocatable: {cpu: 4, memory: 8Gi}}]}\n\
         workload: {manifests: [objects.yaml]}\n\
         script: [{at: 10s, setImage: {target: deployment/web, container: web, image: new}}]\n\
         horizon: 60s\n",
        &web("strategy: {rollingUpdate: {maxSurge: 2147483647, maxUnavailable: 0}},"),
    );
    assert_eq!(count(&run(&model), Phase::Running), 2);
}

#[test]
fn what_would_go_wrong_without_end_at_one_instant_is_refused() {
    for (faults, words) in [
        ("pods: [{target: deployment/web, timeToCrash: 0s}]", "`faults.pods[0].timeToCrash` must be more than 0"),
        ("pods: [{target: deployment/web, timeToCrash: {empirical: [0s, 0s]}}]", "must be more than 0"),
        ("nodes: [{timeToFailure: 0s, timeToRepair: {uniform: {min: 0s, max: 0s}}}]", "in no time, without end"),
    ] {
        let scenario = format!(
            "cluster: {{pools: [{{name: n, allocatable: {{cpu: 4, memory: 8Gi}}}}]}}\n\
             workload: {{manifests: [objects.yaml]}}\nfaults: {{{faults}}}\nhorizon: 60s\n"
        );
        let refusal = load(&scenario, &web("")).unwrap_err();
        assert!(refusal.contains(words), "{refusal}");
    }
}
