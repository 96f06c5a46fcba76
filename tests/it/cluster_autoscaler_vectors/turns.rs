//! What goes from turn to turn: the registry, the planner, and how many nodes go at once.

use std::collections::BTreeSet;

use serde_json::{Value, json};
use wavetank::ids::PodId;
use wavetank::policy::node_autoscaler::cluster_autoscaler::actuation::{Batch, GroupFacts, crop};
use wavetank::policy::node_autoscaler::cluster_autoscaler::cluster_state::{
    ClusterState, GroupState, Instance, NodeState,
};
use wavetank::policy::node_autoscaler::cluster_autoscaler::drain::{
    Blocking, Controller, DrainPod, PodsToMove, RemainingBudgets, pods_to_move,
};
use wavetank::policy::node_autoscaler::cluster_autoscaler::eligibility::{Candidate, unremovable_reason};
use wavetank::policy::node_autoscaler::cluster_autoscaler::options::{DrainOptions, NodeGroupOptions, Options};
use wavetank::policy::node_autoscaler::cluster_autoscaler::planner::{Facts, Planner, Turn, Unremovable};
use wavetank::policy::node_autoscaler::cluster_autoscaler::quota::{Resources, Tracker};
use wavetank::policy::node_autoscaler::cluster_autoscaler::removal::{MovedPod, Removable};
use wavetank::policy::node_autoscaler::cluster_autoscaler::simple::{SimplePod, SimpleSnapshot};
use wavetank::policy::node_autoscaler::cluster_autoscaler::snapshot::{NodeKey, Rotation};
use wavetank::policy::node_autoscaler::cluster_autoscaler::utilization::{Ignored, PodShare, share, utilization};
use wavetank::units::{SimDuration, SimTime};

use super::scale_up::node;
use super::{Tally, amount, flag, list, number};

fn minutes(minutes: u64) -> SimDuration {
    SimDuration(minutes * 60_000_000_000)
}

fn at(minute: u64) -> SimTime {
    SimTime::ZERO.after(minutes(minute))
}

fn pair(pair: &Value) -> (i64, i64) {
    (pair[0].as_i64().expect("a number"), pair[1].as_i64().expect("a number"))
}

pub(super) fn crop_nodes(case: &Value, place: &str, tally: &mut Tally) {
    let groups = list(case, "groups").iter().map(|group| GroupFacts {
        is_atomic: flag(group, "atomic"),
        target_size: number(group, "target") as usize,
        registered: number(group, "registered") as usize,
    });
    let groups: Vec<GroupFacts> = groups.collect();
    let nodes = |name: &str| -> Vec<(NodeKey, usize)> {
        list(case, name).iter().map(pair).map(|(node, group)| (NodeKey(node as u32), group as usize)).collect()
    };
    let options = Options {
        max_scale_down_parallelism: number(case, "parallel") as usize,
        max_drain_parallelism: number(case, "drainParallel") as usize,
        ..Options::default()
    };
    let (empty_going, drained_going) = pair(&case["going"]);
    let going = (empty_going as usize, drained_going as usize);
    let cropped = crop(&nodes("empty"), &nodes("drain"), &groups, going, &options);
    let batches = |batches: &[Batch]| -> Vec<Value> {
        let ids = |batch: &Batch| batch.nodes.iter().map(|node| node.0).collect::<Vec<u32>>();
        batches
            .iter()
            .map(|batch| json!({"group": batch.group, "nodes": ids(batch), "size": batch.batch_size}))
            .collect()
    };
    let ours = json!({"empty": batches(&cropped.empty), "drain": batches(&cropped.drain)});
    tally.compare(("deletion", "batches that go at once"), place, &case["want"], &ours);
    let whole = cropped.empty.iter().chain(&cropped.drain).any(|batch| groups[batch.group].is_atomic);
    tally.outcome(
        "deletion",
        match (cropped.empty.is_empty(), cropped.drain.is_empty(), whole) {
            (true, true, _) => "nothing goes",
            (_, _, true) => "a whole group goes",
            (false, false, _) => "empty and drained nodes go",
            (false, true, _) => "empty nodes go",
            (true, false, _) => "drained nodes go",
        },
    );
}

fn node_state(case: &Value) -> NodeState {
    NodeState {
        node: NodeKey(number(case, "id") as u32),
        group: case["group"].as_i64().and_then(|group| usize::try_from(group).ok()),
        is_ready: flag(case, "ready"),
        is_suspended: false,
        is_deleted: flag(case, "gone"),
        created: at(number(case, "created")),
    }
}

fn group_answer(state: &ClusterState, group: usize, lost: &[(usize, i64)], now: SimTime) -> Value {
    let safety = state.safety(group, now);
    let of = |pairs: &[(usize, i64)]| pairs.iter().find(|(other, _)| *other == group).map_or(0, |(_, count)| *count);
    // Upstream asks the wall clock whether a group is backed off, which is years ahead of these cases.
    let upcoming = state.upcoming(SimTime::NEVER);
    let (count, started) = upcoming.get(&group).map_or((0, 0), |(count, started)| (*count, started.len()));
    json!({
        "lost": of(lost), "healthy": safety.is_healthy, "backedOff": safety.is_backed_off,
        "upcoming": count, "started": started, "fix": of(&state.sizes_to_fix(now)),
    })
}

pub(super) fn registry(case: &Value, place: &str, tally: &mut Tally) {
    let mut state = ClusterState::new(&Options {
        max_total_unready_percentage: case["percent"].as_f64().expect("a percentage"),
        ok_total_unready_count: number(case, "ok") as usize,
        ..Options::default()
    });
    for step in list(case, "steps") {
        let now = at(number(step, "minute"));
        let groups: Vec<GroupState> = list(step, "targets")
            .iter()
            .map(|target| GroupState {
                target_size: target.as_i64().expect("a size"),
                max_node_provision_time: minutes(15),
                max_node_startup_time: minutes(10),
            })
            .collect();
        state.set_groups(&groups);
        for (group, increase) in list(step, "increases").iter().map(pair) {
            state.register_scale_up(group as usize, increase, now);
        }
        let nodes: Vec<NodeState> = list(step, "nodes").iter().map(node_state).collect();
        let unregistered: Vec<Instance> = list(step, "unregistered")
            .iter()
            .map(pair)
            .map(|(id, group)| Instance { id: id as u64, group: group as usize })
            .collect();
        let lost = state.update(&groups, &nodes, &unregistered, now);
        let answers: Vec<Value> = (0..groups.len()).map(|group| group_answer(&state, group, &lost, now)).collect();
        let total = state.total_readiness();
        let total = json!([
            total.ready,
            total.unready,
            total.not_started.len(),
            total.deleted,
            total.unregistered,
            total.long_unregistered
        ]);
        let want = &step["want"];
        tally.compare(("registry", "nodes by state"), place, &want["total"], &total);
        tally.compare(
            ("registry", "health of the cluster"),
            place,
            &want["healthy"],
            &state.is_cluster_healthy().into(),
        );
        for (theirs, ours) in list(want, "groups").iter().zip(&answers) {
            tally.compare(
                ("registry", "health, back-off, time-outs and nodes to come of a group"),
                place,
                theirs,
                ours,
            );
            let names = [("healthy", "healthy"), ("backedOff", "backed off")];
            names.iter().filter(|(key, _)| flag(ours, key)).for_each(|(_, name)| tally.outcome("registry", *name));
            let names =
                [("lost", "a scale-up timed out"), ("upcoming", "nodes are to come"), ("fix", "the size is put right")];
            names
                .iter()
                .filter(|(key, _)| number(ours, key) > 0)
                .for_each(|(_, name)| tally.outcome("registry", *name));
        }
    }
}

/// One turn of the planner as its facts.
struct World<'v> {
    case: &'v Value,
    turn: &'v Value,
    budgets: Vec<Vec<usize>>,
}

impl World<'_> {
    fn names(&self, list_name: &str, node: NodeKey) -> bool {
        list(self.turn, list_name).iter().any(|listed| listed.as_u64() == Some(node.0.into()))
    }

    fn pod(&self, pod: PodId) -> &Value {
        &list(self.case, "pods")[pod.index()]
    }

    fn controller(&self, pod: PodId) -> Option<u64> {
        (!flag(self.pod(pod), "bare")).then(|| number(self.pod(pod), "owner"))
    }

    fn going(&self) -> Option<NodeKey> {
        self.turn["going"].as_u64().map(|node| NodeKey(node as u32))
    }
}

impl Facts for World<'_> {
    fn ineligible(&self, node: NodeKey) -> Option<Unremovable> {
        let pods = list(self.case, "pods").iter().filter(|pod| number(pod, "node") == u64::from(node.0));
        let shares = pods.map(|pod| PodShare {
            request: number(pod, "cpu"),
            is_daemon: false,
            is_mirror: false,
            is_long_terminating: false,
        });
        let cpu = share(number(&list(self.case, "nodes")[node.0 as usize], "cpu"), shares, Ignored::default());
        let candidate = Candidate {
            to_be_deleted_since: None,
            scale_down_disabled: self.scale_down_disabled(node),
            has_group: true,
            is_ready: self.is_ready(node),
            utilization: utilization(cpu, Some(0.0), None),
        };
        unremovable_reason(&candidate, &self.group_options(0), true, SimTime::ZERO)
    }

    fn part(&self, pods: &[PodId], budgets: &RemainingBudgets) -> Result<PodsToMove, (PodId, Blocking)> {
        let options = DrainOptions {
            skip_nodes_with_system_pods: false,
            skip_nodes_with_local_storage: false,
            ..DrainOptions::default()
        };
        let described = pods.iter().map(|pod| {
            let controller = self.controller(*pod).map(|_| Controller::default());
            (*pod, DrainPod { controller, namespace: "default", budgets: self.budgets_of(*pod), ..DrainPod::default() })
        });
        pods_to_move(described, &options, budgets, SimTime::ZERO)
    }

    fn describe(&self, pod: PodId) -> MovedPod {
        MovedPod { pod, priority: 0, controller: self.controller(pod), is_daemon: false, kind: 0 }
    }

    fn budgets_of(&self, pod: PodId) -> &[usize] {
        &self.budgets[pod.index()]
    }

    fn group(&self, node: NodeKey) -> Option<usize> {
        Some(number(&list(self.case, "nodes")[node.0 as usize], "group") as usize)
    }

    fn group_options(&self, _: usize) -> NodeGroupOptions {
        let threshold = self.case["threshold"].as_f64().expect("a share");
        NodeGroupOptions { scale_down_utilization_threshold: threshold, ..NodeGroupOptions::default() }
    }

    fn group_sizes(&self, group: usize) -> (i64, i64) {
        let group = &list(self.case, "groups")[group];
        (number(group, "min") as i64, number(group, "target") as i64)
    }

    fn registered(&self, group: usize) -> usize {
        list(self.case, "nodes").iter().filter(|node| number(node, "group") as usize == group).count()
    }

    fn deletions(&self, group: usize) -> usize {
        usize::from(self.going().is_some_and(|node| self.group(node) == Some(group)))
    }

    fn is_ready(&self, node: NodeKey) -> bool {
        !self.names("unready", node)
    }

    fn scale_down_disabled(&self, node: NodeKey) -> bool {
        self.names("disabled", node)
    }

    fn counted(&self, _: NodeKey) -> Resources {
        Resources::new()
    }
}

fn cluster(case: &Value) -> SimpleSnapshot {
    let pods = list(case, "pods").iter().map(|pod| SimplePod { request: amount(pod), ..SimplePod::default() });
    let mut nodes: Vec<_> = list(case, "nodes").iter().map(node).collect();
    for (index, pod) in list(case, "pods").iter().enumerate() {
        nodes[number(pod, "node") as usize].pods.push(PodId::from_index(index));
    }
    SimpleSnapshot::new(pods.collect(), nodes, node(&Value::Null))
}

fn in_words(reason: Option<&Unremovable>) -> String {
    match reason {
        None => String::new(),
        Some(Unremovable::BlockedByPod(reason)) => format!("BlockedByPod/{reason:?}"),
        Some(reason) => format!("{reason:?}"),
    }
}

fn answer(planner: &mut Planner, facts: &World<'_>) -> Value {
    let sorted = |mut ids: Vec<u32>| {
        ids.sort_unstable();
        ids
    };
    let unneeded = sorted(planner.unneeded().map(|(node, _)| node.0).collect());
    let (empty, drain) = planner.nodes_to_delete(facts, &mut Tracker::of_shrinking(&[], &[]));
    let mut answer = json!({"unneeded": unneeded, "counts": [empty.len(), drain.len()]});
    let reasons = planner.unremovable();
    if !reasons.values().any(|reason| *reason == Unremovable::NodeGroupMinSizeReached) {
        let ids = |nodes: &[Removable]| sorted(nodes.iter().map(|removable| removable.node.0).collect());
        let nodes = list(facts.case, "nodes").len() as u32;
        answer["empty"] = json!(ids(&empty));
        answer["drain"] = json!(ids(&drain));
        answer["reasons"] = (0..nodes).map(|node| in_words(reasons.get(&NodeKey(node)))).collect();
    }
    answer
}

pub(super) fn planner(case: &Value, place: &str, tally: &mut Tally) {
    let options = Options { max_scale_down_parallelism: number(case, "parallel") as usize, ..Options::default() };
    let covers = |pod: &Value| -> Vec<usize> {
        let budgets = list(case, "budgets").iter().enumerate();
        budgets.filter(|(_, budget)| number(budget, "owner") == number(pod, "owner")).map(|(index, _)| index).collect()
    };
    let budgets: Vec<Vec<usize>> = list(case, "pods").iter().map(covers).collect();
    let (mut planner, mut rotation, mut snapshot) = (Planner::new(&options), Rotation::default(), cluster(case));
    let nodes: Vec<NodeKey> = (0..list(case, "nodes").len() as u32).map(NodeKey).collect();
    for turn in list(case, "turns") {
        let facts = World { case, turn, budgets: budgets.clone() };
        let order: Vec<NodeKey> =
            list(turn, "order").iter().map(|node| NodeKey(node.as_u64().expect("a node") as u32)).collect();
        let in_deletion: BTreeSet<NodeKey> = facts.going().into_iter().collect();
        let plan = Turn {
            destinations: &nodes,
            candidates: &order,
            in_deletion: &in_deletion,
            recently_evicted: &[],
            now: at(number(turn, "minute")),
        };
        let allowed = list(case, "budgets").iter().map(|budget| number(budget, "allowed") as i64).collect();
        let mut remaining = RemainingBudgets { allowed };
        planner.update(&plan, &mut snapshot, &mut rotation, &facts, &mut remaining, &options);
        let ours = answer(&mut planner, &facts);
        tally.compare(("planner", "unneeded nodes, those that go, and why others stay"), place, &turn["want"], &ours);
        for reason in planner.unremovable().values() {
            tally.outcome("planner", in_words(Some(reason)));
        }
        let goes = ours["counts"].as_array().is_some_and(|counts| counts.iter().any(|count| count.as_u64() > Some(0)));
        tally.outcome("planner", if goes { "turns in which nodes go" } else { "turns in which none goes" });
    }
}
