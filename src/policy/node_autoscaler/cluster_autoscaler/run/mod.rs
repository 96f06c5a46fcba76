//! `cluster-autoscaler`: the loop that buys nodes for pods that found no place, and returns nodes that are little used.
//!
//! Every `scanInterval` a turn, in upstream's order (`core/static_autoscaler.go`): take in what there is; give up machines
//! that never registered; stop if too many nodes are unready; put machines that are on their way into the simulated cluster
//! as fresh nodes; pack there what fits; scale up for the rest; look for unneeded nodes; return those that are due.
//!
//! | file | what |
//! |---|---|
//! | `picture` | the simulated cluster, kept from turn to turn |
//! | `rules`, `topology` | what the scheduler's filters say on nodes that need not exist |
//! | `templates` | what a fresh node of each group would be |
//! | `seen` | what the world says of nodes and pods |
//! | `parameters` | the flags |
//!
//! Parameters: upstream's flags in camel case, with its defaults.
//!
//! Deviations beside those of [`super`]:
//!
//! - Filters that are asked: unschedulable, taints, node affinity and selector, declared features, host ports, resources,
//!   topology spread, inter-pod affinity, volumes by place, and GPU devices. Limits on attached volumes and resource claims
//!   are not asked about.
//! - Pods of templates and traces count as a ReplicaSet's, unless they end with their node (`onEviction: end`).
//! - How long a pod has been terminating is not seen.
//! - Nodes get no `DeletionCandidate` taint. The delay between taint and deletion is part of the patience with a drain, which
//!   is one span: `maxPodEvictionTime`, the longest grace period, and 30 s.
//! - Pods that were evicted wait for a place at once, so none is injected while its controller has yet to replace it.
//! - An eviction leaves a pod the grace period it has.
//! - A group that buys several shapes is known by the shape of its example.
//!
//! Cost: a turn in which nothing happened a few comparisons; else O(nodes), what the estimates and removals ask, and, where
//! there are disruption budgets, O(pods).

mod parameters;
mod picture;
mod plan;
mod rules;
mod seen;
mod templates;
#[cfg(test)]
mod tests;
mod topology;

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use self::parameters::{Flags, PARAMETERS};
use self::picture::{Picture, State};
use self::seen::{Covers, Groups};
use self::templates::Templates;
use super::cadence::LastTimes;
use super::cluster_state::{ClusterState, GroupState, Instance, NodeState};
use super::eligibility::MAX_DELETION_TIME;
use super::options::Options;
use super::planner::Planner;
use super::removal::Simulator;
use super::snapshot::{NodeKey, Rotation, Snapshot};
use crate::ids::{MachineId, NodeId, PodId};
use crate::policy::node_autoscaler::{Action, NodeAutoscaler, NodeAutoscalerRow, Order, Patience, Seen, Setting, Turn};
use crate::policy::parameters::ParameterError;
use crate::rng::{Stream, split_mix};
use crate::units::{SimDuration, SimTime};
use crate::world::MachineState;

/// The row of the table.
pub(in crate::policy::node_autoscaler) const ROW: NodeAutoscalerRow = NodeAutoscalerRow {
    name: "cluster-autoscaler",
    aliases: &["ca"],
    summary: "node groups that grow for pods that found no place, and nodes that go when little used",
    source: "sigs.k8s.io/cluster-autoscaler, commit 33c3f97bf274, against Kubernetes 1.37",
    parameters: PARAMETERS,
    build,
};

fn build(parameters: &Value, setting: &Setting<'_>) -> Result<Box<dyn NodeAutoscaler>, ParameterError> {
    let flags = Flags::read(parameters)?;
    let names = setting.groups.iter().map(|group| {
        let pool = setting.model.provisioning.group(*group).pool;
        setting.model.cluster.pools[pool.index()].name.clone()
    });
    Ok(Box::new(ClusterAutoscaler {
        state: ClusterState::new(&flags.options),
        planner: Planner::new(&flags.options),
        names: names.collect(),
        groups: Groups { ids: setting.groups.to_vec(), ..Groups::default() },
        stream: setting.model.seed.stream("cluster-autoscaler", setting.position as u64),
        cluster: State::new(flags.options.expendable_pods_priority_cutoff),
        flags,
        rotation: Rotation::default(),
        templates: Templates::default(),
        packer: Simulator::default(),
        covers: Covers::default(),
        last: LastTimes::default(),
        known_machines: 0,
        ordered: Vec::new(),
        expected: vec![(0, SimTime::ZERO); setting.groups.len()],
        deleting: BTreeMap::new(),
        previous: BTreeSet::new(),
        was_too_soon: false,
        quiet: None,
    }))
}

/// See the module.
#[derive(Debug)]
struct ClusterAutoscaler {
    flags: Flags,
    groups: Groups,
    names: Vec<String>,
    state: ClusterState,
    planner: Planner,
    cluster: State,
    rotation: Rotation,
    templates: Templates,
    /// Packs pods that wait on what there is and what comes.
    packer: Simulator,
    covers: Covers,
    last: LastTimes,
    stream: Stream,
    /// Machines below this were looked at.
    known_machines: usize,
    /// Machines of its groups that have not registered.
    ordered: Vec<MachineId>,
    /// Machines that it has ordered and that do not exist yet, by position of the group, and when it last ordered any.
    expected: Vec<(i64, SimTime)>,
    /// Machines that it is deleting.
    deleting: BTreeMap<MachineId, Deletion>,
    /// Nodes that were unneeded after the last turn.
    previous: BTreeSet<NodeKey>,
    /// Whether all pods were too new to be helped in the last turn.
    was_too_soon: bool,
    /// What the last turn saw, if a turn that sees the same would do nothing until some instant.
    quiet: Option<Quiet>,
}

/// A machine on its way out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Deletion {
    /// Whether there were pods to move.
    is_drained: bool,
    asked: SimTime,
    /// Whether the provider has been told; orders may take a while.
    has_begun: bool,
}

/// A state in which nothing is to be done for a while.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Quiet {
    changes: u64,
    machines: usize,
    /// How many pods wait, and which.
    waiting: (usize, u64),
    until: SimTime,
}

impl NodeAutoscaler for ClusterAutoscaler {
    fn first_turn(&self) -> SimTime {
        SimTime::ZERO.after(self.flags.options.scan_interval)
    }

    fn turn(&mut self, seen: &Seen<'_>) -> Turn {
        let next = seen.now().after(self.flags.options.scan_interval);
        if self.is_quiet(seen) {
            return Turn { orders: Vec::new(), next };
        }
        let mut kept = std::mem::take(&mut self.cluster);
        let mut picture = Picture::new(seen.view, &mut kept);
        picture.fork();
        let orders = self.act(seen, &mut picture);
        picture.revert();
        self.cluster = kept;
        let unneeded: BTreeSet<NodeKey> = self.planner.unneeded().map(|(node, _)| node).collect();
        let is_settled = unneeded == self.previous && orders.is_empty();
        self.previous = unneeded;
        self.quiet = if is_settled { self.quiet_until(seen) } else { None };
        Turn { orders, next }
    }
}

impl ClusterAutoscaler {
    fn options(&self) -> &Options {
        &self.flags.options
    }

    fn signature(seen: &Seen<'_>, until: SimTime) -> Quiet {
        Quiet {
            changes: seen.view.world.changes.position(),
            machines: seen.view.world.fleet.machines.len(),
            waiting: (seen.unschedulable.len(), seen.unschedulable.iter().fold(0, digest)),
            until,
        }
    }

    /// Whether a turn would do what the last one did, which was nothing.
    fn is_quiet(&self, seen: &Seen<'_>) -> bool {
        self.quiet.is_some_and(|quiet| seen.now() < quiet.until && Self::signature(seen, quiet.until) == quiet)
    }

    /// Until when nothing is to be done if nothing changes; `None`: the next turn must look.
    fn quiet_until(&self, seen: &Seen<'_>) -> Option<Quiet> {
        if !self.ordered.is_empty() || !self.deleting.is_empty() || self.waits_for_time(seen) {
            return None;
        }
        let options = self.options();
        let group = &options.node_group_defaults;
        let wait = group.scale_down_unneeded_time.min(group.scale_down_unready_time);
        let now = seen.now();
        // Nodes whose time has come and that stay are kept by what does not change by itself, such as the least size.
        let dues = self.planner.unneeded().map(|(_, since)| since.after(wait));
        let rechecks = self.planner.rechecks();
        let pauses = [
            self.last.scale_up.map(|at| at.after(options.scale_down_delay_after_add)),
            self.last.delete.map(|at| at.after(options.scale_down_delay_after_delete)),
        ];
        let timers = dues.chain(rechecks).chain(pauses.into_iter().flatten()).filter(|at| *at >= now);
        let has_unready =
            self.state.total_readiness().unready > 0 || !self.state.total_readiness().not_started.is_empty();
        let until = timers.min().unwrap_or(SimTime::NEVER);
        (!has_unready).then(|| Self::signature(seen, until))
    }

    /// Whether pods wait that may be helped later though nothing changes.
    fn waits_for_time(&self, seen: &Seen<'_>) -> bool {
        let is_backed_off = |group| self.state.safety(group, seen.now()).is_backed_off;
        let asks_patience = |(pod, _): &(PodId, SimTime)| seen.view.class_of(*pod).disruption.scale_up_delay.is_some();
        let has_delay =
            self.options().new_pod_scale_up_delay > SimDuration::ZERO || seen.unschedulable.iter().any(asks_patience);
        let may_wait = self.was_too_soon || has_delay || (0..self.groups.ids.len()).any(is_backed_off);
        may_wait && !seen.unschedulable.is_empty()
    }

    fn act(&mut self, seen: &Seen<'_>, picture: &mut Picture<'_>) -> Vec<Order> {
        let mut orders = Vec::new();
        self.take_in(seen, picture, &mut orders);
        if !self.state.is_cluster_healthy() {
            self.planner.forget_unneeded();
            return orders;
        }
        let started_late = self.add_upcoming(seen, picture);
        let waiting = self.pods_to_help(seen, picture);
        let is_too_soon = self.scale_up(seen, picture, &waiting, &mut orders);
        self.was_too_soon = is_too_soon;
        if self.options().scale_down_enabled {
            self.scale_down(seen, picture, &started_late, is_too_soon, &mut orders);
        }
        if self.options().enforce_node_group_min_size {
            self.enforce_min_size(seen, &mut orders);
        }
        orders
    }

    /// Takes in the groups, nodes and machines; gives up machines that never registered.
    fn take_in(&mut self, seen: &Seen<'_>, picture: &Picture<'_>, orders: &mut Vec<Order>) {
        let now = seen.now();
        self.follow_deletions(seen);
        let failed = self.follow_orders(seen);
        self.refresh_groups(seen);
        self.templates.refresh(picture, &self.groups, self.flags.counts_missing_daemons);
        // Machines that the provider refused count until it is known that they will not come.
        let mut states = self.group_states();
        states.iter_mut().zip(&failed).for_each(|(state, count)| state.target_size += count);
        let nodes: Vec<NodeState> =
            picture.keys().iter().map(|key| node_state(seen, &self.groups, NodeId(key.0))).collect();
        let mut instances: Vec<Instance> = Vec::new();
        for machine in &self.ordered {
            let group = seen.view.world.fleet.get(*machine).group;
            let group = self.groups.ids.iter().position(|id| *id == group).expect("one of its groups");
            instances.push(Instance { id: machine.0.into(), group });
        }
        self.state.update(&states, &nodes, &instances, now);
        if failed.iter().any(|count| *count > 0) {
            let refused = failed.into_iter().enumerate();
            refused.for_each(|(group, count)| self.state.register_failed_instances(group, count, now));
            self.state.set_groups(&self.group_states());
        }
        let least: Vec<i64> = self.groups.sizes.iter().map(|(min, ..)| *min).collect();
        let overdue = self.state.long_unregistered(&least, self.options().force_delete_unregistered_nodes, now);
        for instance in overdue.into_values().flatten() {
            let machine = MachineId(instance.id as u32);
            let action = Action::Return { machine, patience: Patience::default() };
            orders.push(Order { action, reason: "never registered" });
        }
    }

    /// Machines that were refused since the last turn, by group.
    fn follow_orders(&mut self, seen: &Seen<'_>) -> Vec<i64> {
        let fleet = &seen.view.world.fleet;
        let mut failed = vec![0; self.groups.ids.len()];
        let fresh = (self.known_machines..fleet.machines.len()).map(MachineId::from_index);
        self.known_machines = fleet.machines.len();
        let ids = &self.groups.ids;
        for machine in fresh {
            if let Some(group) = ids.iter().position(|id| *id == fleet.get(machine).group) {
                self.expected[group].0 = (self.expected[group].0 - 1).max(0);
                self.ordered.push(machine);
            }
        }
        self.ordered.retain(|machine| {
            let one = fleet.get(*machine);
            if one.state == MachineState::Refused {
                failed[ids.iter().position(|id| *id == one.group).expect("one of its groups")] += 1;
            }
            one.state == MachineState::Ordered
        });
        failed
    }

    /// Deletions that are done, or were given up.
    fn follow_deletions(&mut self, seen: &Seen<'_>) {
        let fleet = &seen.view.world.fleet;
        let (mut gone, ids, now) = (Vec::new(), &self.groups.ids, seen.now());
        self.deleting.retain(|machine, deletion| {
            let one = fleet.get(*machine);
            match one.state {
                MachineState::Ending | MachineState::Ended => {
                    gone.push(ids.iter().position(|id| *id == one.group).expect("one of its groups"));
                    false
                }
                MachineState::Draining => {
                    deletion.has_begun = true;
                    true
                }
                _ => !deletion.has_begun && now < deletion.asked.after(MAX_DELETION_TIME),
            }
        });
        gone.into_iter().for_each(|group| self.state.register_scale_down(group, seen.now().after(MAX_DELETION_TIME)));
    }

    fn refresh_groups(&mut self, seen: &Seen<'_>) {
        let (model, fleet) = (seen.view.model, &seen.view.world.fleet);
        let groups = &mut self.groups;
        let provision_time = self.flags.options.node_group_defaults.max_node_provision_time;
        let size = |(group, (expected, asked)): (&_, &(i64, SimTime))| {
            let limits = model.provisioning.group(*group);
            let expected = if asked.after(provision_time) < seen.now() { 0 } else { *expected };
            (limits.min.into(), limits.max.into(), fleet.target(*group) as i64 + expected)
        };
        groups.sizes = groups.ids.iter().zip(&self.expected).map(size).collect();
        let has_node = |machine: &&MachineId| {
            matches!(fleet.get(**machine).state, MachineState::Joined | MachineState::Ready | MachineState::Draining)
        };
        groups.registered =
            groups.ids.iter().map(|group| fleet.present(*group).iter().filter(has_node).count()).collect();
        let of_group = |group: &_| self.deleting.keys().filter(|machine| fleet.get(**machine).group == *group).count();
        groups.deletions = groups.ids.iter().map(of_group).collect();
    }

    fn group_states(&self) -> Vec<GroupState> {
        let options = &self.options().node_group_defaults;
        let state = |(_, _, target): &(i64, i64, i64)| GroupState {
            target_size: *target,
            max_node_provision_time: options.max_node_provision_time,
            max_node_startup_time: options.max_node_startup_time,
        };
        self.groups.sizes.iter().map(state).collect()
    }
}

/// Tells lists of waiting pods apart.
fn digest(sum: u64, (pod, since): &(PodId, SimTime)) -> u64 {
    split_mix(sum ^ split_mix(u64::from(pod.0) ^ since.0.rotate_left(32)))
}

fn node_state(seen: &Seen<'_>, groups: &Groups, node: NodeId) -> NodeState {
    NodeState {
        node: NodeKey(node.0),
        group: groups.of(&seen.view, node),
        is_ready: seen::is_ready(&seen.view, node),
        is_suspended: false,
        is_deleted: false,
        created: seen.view.world.nodes.added[node.index()],
    }
}
