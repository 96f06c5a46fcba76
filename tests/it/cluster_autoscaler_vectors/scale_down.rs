//! Drain rules, eligibility, removals.

use std::collections::BTreeSet;

use serde_json::Value;
use wavetank::ids::PodId;
use wavetank::policy::node_autoscaler::cluster_autoscaler::drain::{
    Controller, ControllerKind, DrainPod, Drainability, End, RemainingBudgets, RestartPolicy, SafeToEvict, Volume,
    drainability, pods_to_move,
};
use wavetank::policy::node_autoscaler::cluster_autoscaler::eligibility::{Candidate, unremovable_reason};
use wavetank::policy::node_autoscaler::cluster_autoscaler::options::{DrainOptions, NodeGroupOptions};
use wavetank::policy::node_autoscaler::cluster_autoscaler::removal::{MovedPod, Simulator, Stuck, simulate_removal};
use wavetank::policy::node_autoscaler::cluster_autoscaler::simple::{SimplePod, SimpleSnapshot};
use wavetank::policy::node_autoscaler::cluster_autoscaler::snapshot::{NodeKey, Rotation, Snapshot};
use wavetank::policy::node_autoscaler::cluster_autoscaler::utilization::{
    Ignored, Judged, PodShare, Utilization, share, utilization,
};
use wavetank::units::{SimDuration, SimTime};

use super::scale_up::node;
use super::{Tally, amount, flag, list, number};

const NOW: SimTime = SimTime(1_000_000_000_000_000);

fn seconds(seconds: u64) -> SimDuration {
    SimDuration(seconds * 1_000_000_000)
}

/// The instant so many seconds before now, if the case says.
fn ago(case: &Value, name: &str) -> Option<SimTime> {
    case[name].as_u64().map(|ago| SimTime(NOW.0 - seconds(ago).0))
}

fn controller(case: &Value) -> Option<Controller> {
    let owner = case.get("owner")?;
    let kind = match owner["kind"].as_str().expect("a kind") {
        "ReplicaSet" => ControllerKind::ReplicaSet,
        "ReplicationController" => ControllerKind::ReplicationController,
        "StatefulSet" => ControllerKind::StatefulSet,
        "Job" => ControllerKind::Job,
        "DaemonSet" => ControllerKind::DaemonSet,
        _ => ControllerKind::Other,
    };
    let is_of_apps = owner["api"].as_str().expect("a version").starts_with("apps/");
    let exists = (!flag(case, "noListers")).then(|| flag(owner, "exists"));
    Some(Controller { kind, is_of_apps, exists, replicas: owner["replicas"].as_i64() })
}

fn volumes(case: &Value) -> Vec<Volume> {
    let is_local = |kind: &Value| ["hostPath", "emptyDir"].contains(&kind.as_str().expect("a kind"));
    let volumes = list(case, "volumes").iter().enumerate();
    volumes.map(|(index, kind)| Volume { name: format!("volume-{index}"), is_local: is_local(kind) }).collect()
}

pub(super) fn drain(case: &Value, place: &str, tally: &mut Tally) {
    let flags = &case["flags"];
    let options = DrainOptions {
        skip_nodes_with_system_pods: flag(flags, "system"),
        skip_nodes_with_local_storage: flag(flags, "storage"),
        skip_nodes_with_custom_controller_pods: flag(flags, "custom"),
        min_replica_count: number(flags, "minReplicas") as i64,
        system_pod_disruption_timeout: seconds(3600),
    };
    let allowed: Vec<i64> = list(case, "allowed").iter().map(|allowed| allowed.as_i64().expect("a number")).collect();
    let budgets: Vec<usize> = (0..allowed.len()).collect();
    let safe: Vec<String> =
        list(case, "safeVolumes").iter().map(|name| name.as_str().expect("a name").to_owned()).collect();
    let pod = DrainPod {
        controller: controller(case),
        namespace: if flag(case, "system") { "kube-system" } else { "default" },
        is_mirror: flag(case, "mirror"),
        is_daemon_by_annotation: flag(case, "daemon"),
        safe_to_evict: match case["safe"].as_str() {
            Some("true") => SafeToEvict::Yes,
            Some("false") => SafeToEvict::No,
            Some("on-completion") => SafeToEvict::OnCompletion,
            _ => SafeToEvict::Unsaid,
        },
        end: match case["phase"].as_str() {
            Some("Succeeded") => End::Succeeded,
            Some("Failed") => End::Failed,
            _ => End::Alive,
        },
        restart_policy: match case["restart"].as_str() {
            Some("OnFailure") => RestartPolicy::OnFailure,
            Some("Never") => RestartPolicy::Never,
            _ => RestartPolicy::Always,
        },
        deletion: ago(case, "deleted"),
        grace: case["grace"].as_u64().map(seconds),
        created: ago(case, "age"),
        volumes: &volumes(case),
        safe_volumes: &safe,
        budgets: &budgets,
    };
    let ours = match drainability(&pod, &options, &RemainingBudgets { allowed }, NOW) {
        Drainability::Undefined => "undefined".to_owned(),
        Drainability::Ok => "ok".to_owned(),
        Drainability::Skip => "skip".to_owned(),
        Drainability::WaitForCompletion => "wait".to_owned(),
        Drainability::Blocked(reason) => format!("{reason:?}"),
    };
    tally.compare(("drain rules", "answer and reason"), place, &case["want"].as_str(), &Some(ours.as_str()));
    tally.outcome("drain rules", ours);
}

fn utilization_of(case: &Value) -> Option<Utilization> {
    let ignored = Ignored { daemons: flag(case, "ignoreDaemons"), mirrors: flag(case, "ignoreMirrors") };
    let shares = |allocatable: u64, name: &str, factor: u64| {
        let pods = list(case, "pods").iter().map(|pod| PodShare {
            request: number(pod, name) * factor,
            is_daemon: flag(pod, "daemon"),
            is_mirror: flag(pod, "mirror"),
            is_long_terminating: DrainPod { deletion: ago(pod, "deleted"), ..DrainPod::default() }
                .is_long_terminating(NOW),
        });
        share(allocatable * factor, pods, ignored)
    };
    let gpu = flag(case, "hasGpu").then(|| shares(number(case, "gpus"), "gpu", 1000));
    utilization(shares(number(case, "cpu"), "cpu", 1), shares(number(case, "memory"), "memory", 1000), gpu)
}

pub(super) fn eligibility(case: &Value, place: &str, tally: &mut Tally) {
    let candidate = Candidate {
        to_be_deleted_since: ago(case, "tainted"),
        scale_down_disabled: flag(case, "disabled"),
        has_group: flag(case, "inGroup"),
        is_ready: flag(case, "ready"),
        utilization: utilization_of(case),
    };
    let options = NodeGroupOptions {
        scale_down_utilization_threshold: case["threshold"].as_f64().expect("a share"),
        scale_down_gpu_utilization_threshold: case["gpuThreshold"].as_f64().expect("a share"),
        ..NodeGroupOptions::default()
    };
    let ours = unremovable_reason(&candidate, &options, flag(case, "unreadyEnabled"), NOW);
    let ours = ours.map_or_else(|| "NoReason".to_owned(), |reason| format!("{reason:?}"));
    tally.compare(("eligibility", "reason"), place, &case["want"].as_str(), &Some(ours.as_str()));
    tally.outcome("eligibility", ours);
    if let (Some(theirs), Some(ours)) = (case["utilization"].as_f64(), candidate.utilization) {
        tally.compare(("eligibility", "utilisation, to the last bit"), place, &theirs.to_bits(), &ours.share.to_bits());
        let resource = match ours.judged {
            Judged::Cpu => "cpu",
            Judged::Memory => "memory",
            Judged::Gpu => "nvidia.com/gpu",
        };
        tally.compare(("eligibility", "resource that decides"), place, &case["resource"].as_str(), &Some(resource));
    }
}

fn moved(case: &Value, pod: PodId) -> MovedPod {
    let case = &list(case, "pods")[pod.index()];
    let is_daemon = flag(case, "daemon");
    let owner = number(case, "owner") + if is_daemon { 100 } else { 0 };
    MovedPod {
        pod,
        priority: number(case, "priority") as i32,
        controller: (is_daemon || !flag(case, "bare")).then_some(owner),
        is_daemon,
        kind: number(case, "kind") as u32,
    }
}

fn drain_pod(case: &Value, pod: PodId) -> DrainPod<'static> {
    let case = &list(case, "pods")[pod.index()];
    let kind = if flag(case, "daemon") { ControllerKind::DaemonSet } else { ControllerKind::ReplicaSet };
    let controller = Controller { kind, is_of_apps: true, exists: None, replicas: None };
    let is_bare = flag(case, "bare") && !flag(case, "daemon");
    DrainPod { controller: (!is_bare).then_some(controller), namespace: "default", ..DrainPod::default() }
}

fn cluster(case: &Value) -> SimpleSnapshot {
    let pods = list(case, "pods").iter().map(|pod| SimplePod {
        request: amount(pod),
        host_ports: pod["port"].as_u64().map(|port| port as u16).into_iter().collect(),
        ..SimplePod::default()
    });
    let mut nodes: Vec<_> = list(case, "nodes").iter().map(node).collect();
    for (index, pod) in list(case, "pods").iter().enumerate() {
        nodes[number(pod, "node") as usize].pods.push(PodId::from_index(index));
    }
    SimpleSnapshot::new(pods.collect(), nodes, node(&Value::Null))
}

/// What became of a node, in the words of the vectors.
fn remove(
    case: &Value,
    node: NodeKey,
    destinations: &mut BTreeSet<NodeKey>,
    (simulator, snapshot, rotation): (&mut Simulator, &mut SimpleSnapshot, &mut Rotation),
) -> Value {
    let options = DrainOptions {
        skip_nodes_with_system_pods: false,
        skip_nodes_with_local_storage: false,
        ..DrainOptions::default()
    };
    let part = |pods: &[PodId]| {
        let pods = pods.iter().map(|pod| (*pod, drain_pod(case, *pod)));
        pods_to_move(pods, &options, &RemainingBudgets::default(), NOW)
    };
    match simulate_removal(simulator, snapshot, rotation, node, destinations, part, |pod| moved(case, pod)) {
        Err(Stuck::NoNode) => "NoNodeInfo".into(),
        Err(Stuck::NoPlace) => "NoPlaceToMovePods".into(),
        Err(Stuck::Blocked(_, reason)) => format!("BlockedByPod/{reason:?}").into(),
        Ok(removable) => {
            destinations.remove(&node);
            let at = |pod: &PodId| removable.destinations.iter().find(|(moved, _)| moved == pod).expect("a place").1.0;
            removable.moved.pods.iter().map(|pod| vec![pod.0, at(pod)]).collect::<Vec<_>>().into()
        }
    }
}

pub(super) fn removal(case: &Value, place: &str, tally: &mut Tally) {
    let key = |node: &Value| NodeKey(node.as_u64().expect("a node") as u32);
    let mut snapshot = cluster(case);
    let (mut simulator, mut rotation) = (Simulator::default(), Rotation::default());
    for (order, want) in list(case, "order").iter().zip(list(case, "want")) {
        let mut destinations: BTreeSet<NodeKey> = list(case, "destinations").iter().map(key).collect();
        snapshot.fork();
        let nodes = order.as_array().expect("an order").iter().map(key);
        for (node, theirs) in nodes.zip(want.as_array().expect("answers")) {
            let parts = (&mut simulator, &mut snapshot, &mut rotation);
            let ours = remove(case, node, &mut destinations, parts);
            tally.compare(("removal", "reason, or where each pod goes"), place, theirs, &ours);
            let outcome = match &ours {
                Value::String(reason) => reason.clone(),
                Value::Array(moved) if moved.is_empty() => "removed, nothing to move".to_owned(),
                _ => "removed, pods moved".to_owned(),
            };
            tally.outcome("removal", outcome);
        }
        snapshot.revert();
        simulator.drop_old_hints();
    }
}
