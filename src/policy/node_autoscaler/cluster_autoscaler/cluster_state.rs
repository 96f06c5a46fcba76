//! Which node groups are healthy, what has been asked for and what is on its way (`clusterstate/clusterstate.go`).
//!
//! Cost: an update looks at every node and every instance once.

use std::collections::BTreeMap;

use super::backoff::Backoff;
use super::options::Options;
use super::snapshot::NodeKey;
use crate::units::{SimDuration, SimTime};

/// A registered node as the autoscaler sees it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NodeState {
    /// The node.
    pub node: NodeKey,
    /// Its group, if it has one.
    pub group: Option<usize>,
    /// Whether it says that it is ready, and no taint or condition speaks against it.
    pub is_ready: bool,
    /// Whether the cloud suspended it.
    pub is_suspended: bool,
    /// Whether its instance is gone.
    pub is_deleted: bool,
    /// When it registered.
    pub created: SimTime,
}

/// A node group as the cloud reports it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct GroupState {
    /// Nodes it should have.
    pub target_size: i64,
    /// How long an ordered node may take to register.
    pub max_node_provision_time: SimDuration,
    /// How long a registered node may take to become ready.
    pub max_node_startup_time: SimDuration,
}

/// An instance of the cloud that has not registered as a node, and is not being deleted or in error.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Instance {
    /// The caller's number for it, the same from turn to turn.
    pub id: u64,
    /// Its group.
    pub group: usize,
}

/// Nodes of a group or of the cluster by what state they are in.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Readiness {
    /// Ready.
    pub ready: usize,
    /// Not ready, and past the time to become so.
    pub unready: usize,
    /// Registered lately and not ready yet.
    pub not_started: Vec<NodeKey>,
    /// Suspended by the cloud.
    pub suspended: usize,
    /// Registered, instance gone.
    pub deleted: usize,
    /// All that are registered.
    pub registered: usize,
    /// Instances that have not registered yet.
    pub unregistered: usize,
    /// Instances that should have registered by now.
    pub long_unregistered: usize,
}

/// How many nodes a group may have while requests are under way (`AcceptableRange`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct AcceptableRange {
    /// At least.
    pub min_nodes: i64,
    /// At most.
    pub max_nodes: i64,
    /// In the end.
    pub current_target: i64,
}

/// A scale-up under way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ScaleUpRequest {
    /// Nodes that were asked for.
    pub increase: i64,
    /// When nodes were last asked for.
    pub time: SimTime,
    /// By when they should all be there.
    pub expected_by: SimTime,
}

/// A group whose number of nodes is not the one asked for (`IncorrectNodeGroupSize`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct IncorrectSize {
    /// Nodes it should have.
    pub expected: i64,
    /// Nodes that are registered.
    pub current: i64,
    /// Since when those two numbers have stood so.
    pub since: SimTime,
}

/// Whether a group may be scaled up (`NodeGroupScalingSafety`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Safety {
    /// Whether enough of its nodes are ready.
    pub is_healthy: bool,
    /// Whether it failed lately.
    pub is_backed_off: bool,
}

impl Safety {
    /// Whether it is both healthy and not backed off.
    pub fn is_safe(self) -> bool {
        self.is_healthy && !self.is_backed_off
    }
}

/// The registry.
#[derive(Clone, Debug)]
pub struct ClusterState {
    max_unready_percentage: f64,
    ok_unready: usize,
    backoff: Backoff,
    groups: Vec<GroupState>,
    nodes: usize,
    requests: BTreeMap<usize, ScaleUpRequest>,
    scale_downs: Vec<(usize, SimTime)>,
    unregistered: BTreeMap<Instance, SimTime>,
    readiness: BTreeMap<usize, Readiness>,
    total: Readiness,
    ranges: BTreeMap<usize, AcceptableRange>,
    incorrect: BTreeMap<usize, IncorrectSize>,
}

impl ClusterState {
    /// A registry that has seen nothing.
    pub fn new(options: &Options) -> ClusterState {
        ClusterState {
            max_unready_percentage: options.max_total_unready_percentage,
            ok_unready: options.ok_total_unready_count,
            backoff: Backoff::new(
                options.initial_node_group_backoff,
                options.max_node_group_backoff,
                options.node_group_backoff_reset,
            ),
            groups: Vec::new(),
            nodes: 0,
            requests: BTreeMap::new(),
            scale_downs: Vec::new(),
            unregistered: BTreeMap::new(),
            readiness: BTreeMap::new(),
            total: Readiness::default(),
            ranges: BTreeMap::new(),
            incorrect: BTreeMap::new(),
        }
    }

    /// Takes in what there is now (`UpdateNodes`). Returns the scale-ups that timed out, as `(group, nodes)`: the caller
    /// takes back that many from the group's target size. Their groups are backed off.
    pub fn update(
        &mut self,
        groups: &[GroupState],
        nodes: &[NodeState],
        unregistered: &[Instance],
        now: SimTime,
    ) -> Vec<(usize, i64)> {
        self.groups = groups.to_vec();
        self.nodes = nodes.len();
        let before = std::mem::take(&mut self.unregistered);
        let since = |instance: &Instance| before.get(instance).copied().unwrap_or(now);
        self.unregistered = unregistered.iter().map(|instance| (*instance, since(instance))).collect();
        self.update_readiness(nodes, now);
        self.recalculate();
        let timed_out = self.update_requests(now);
        self.recalculate();
        self.update_incorrect_sizes(now);
        timed_out
    }

    /// Takes in how the groups are now without looking at nodes, as after a decision or before the first update, and works
    /// out the ranges anew (`Recalculate`).
    pub fn set_groups(&mut self, groups: &[GroupState]) {
        self.groups = groups.to_vec();
        self.recalculate();
    }

    /// Upstream carries the start-up time of the last group it met over to nodes without a group; so do we.
    fn update_readiness(&mut self, nodes: &[NodeState], now: SimTime) {
        self.readiness.clear();
        self.total = Readiness::default();
        let mut startup_time = SimDuration(15 * 60 * 1_000_000_000);
        for node in nodes {
            if let Some(group) = node.group {
                startup_time = self.groups[group].max_node_startup_time;
                count_node(self.readiness.entry(group).or_default(), node, startup_time, now);
            }
            count_node(&mut self.total, node, startup_time, now);
        }
        for (instance, since) in &self.unregistered {
            let provision_time = self.groups[instance.group].max_node_provision_time;
            let is_long = since.after(provision_time) < now;
            for readiness in [self.readiness.entry(instance.group).or_default(), &mut self.total] {
                *(if is_long { &mut readiness.long_unregistered } else { &mut readiness.unregistered }) += 1;
            }
        }
    }

    fn recalculate(&mut self) {
        self.ranges.clear();
        for (index, group) in self.groups.iter().enumerate() {
            let missing = self.readiness.get(&index).map_or(0, |readiness| readiness.long_unregistered as i64);
            let size = group.target_size;
            let range = AcceptableRange { min_nodes: size - missing, max_nodes: size, current_target: size };
            self.ranges.insert(index, range);
        }
        for (group, request) in &self.requests {
            self.ranges.entry(*group).or_default().min_nodes -= request.increase;
        }
        for (group, _) in &self.scale_downs {
            self.ranges.entry(*group).or_default().max_nodes += 1;
        }
    }

    fn update_requests(&mut self, now: SimTime) -> Vec<(usize, i64)> {
        self.backoff.remove_stale(now);
        let mut timed_out = Vec::new();
        let requests = std::mem::take(&mut self.requests);
        for (group, request) in requests {
            if self.upcoming_in(group) <= 0 {
                continue;
            }
            if request.expected_by < now {
                self.backoff.fail(group, now);
                timed_out.push((group, request.increase));
            } else {
                self.requests.insert(group, request);
            }
        }
        self.scale_downs.retain(|(_, expected_by)| *expected_by > now);
        timed_out
    }

    fn update_incorrect_sizes(&mut self, now: SimTime) {
        let before = std::mem::take(&mut self.incorrect);
        for (group, range) in &self.ranges {
            let Some(readiness) = self.readiness.get(group) else { continue };
            let registered = readiness.registered as i64;
            let on_their_way = (readiness.unregistered + readiness.long_unregistered) as i64;
            if registered > range.current_target || registered < range.current_target - on_their_way {
                let found = IncorrectSize { expected: range.current_target, current: registered, since: now };
                let same =
                    before.get(group).filter(|old| old.expected == found.expected && old.current == found.current);
                self.incorrect.insert(*group, same.copied().unwrap_or(found));
            }
        }
    }

    /// Notes that a group's target size grew by `increase`, or with a negative number that so many are no longer waited for.
    ///
    /// # Panics
    /// If the group was never taken in.
    pub fn register_scale_up(&mut self, group: usize, increase: i64, now: SimTime) {
        let expected_by = now.after(self.groups[group].max_node_provision_time);
        match self.requests.get_mut(&group) {
            None if increase > 0 => {
                self.requests.insert(group, ScaleUpRequest { increase, time: now, expected_by });
            }
            None => {}
            Some(request) if request.increase + increase <= 0 => {
                self.requests.remove(&group);
            }
            Some(request) => {
                request.increase += increase;
                if increase > 0 {
                    (request.time, request.expected_by) = (now, expected_by);
                }
            }
        }
    }

    /// Notes that the cloud refused to grow a group: it is backed off.
    pub fn register_failed_scale_up(&mut self, group: usize, now: SimTime) {
        self.backoff.fail(group, now);
    }

    /// Notes that `failed` instances of a group came up in error for the first time: those nodes are no longer waited for,
    /// and the group is backed off, if it was growing.
    pub fn register_failed_instances(&mut self, group: usize, failed: i64, now: SimTime) {
        if failed > 0 && self.upcoming_in(group) > 0 && self.requests.contains_key(&group) {
            self.register_scale_up(group, -failed, now);
            self.backoff.fail(group, now);
            self.recalculate();
        }
    }

    /// Notes that a node of a group is being deleted.
    pub fn register_scale_down(&mut self, group: usize, expected_by: SimTime) {
        self.scale_downs.push((group, expected_by));
    }

    /// Whether so few nodes are unready that the autoscaler may act at all.
    pub fn is_cluster_healthy(&self) -> bool {
        let unready = self.total.unready;
        unready <= self.ok_unready || unready as f64 <= self.max_unready_percentage / 100.0 * self.nodes as f64
    }

    /// Whether so few of a group's nodes are missing that it may grow.
    pub fn is_group_healthy(&self, group: usize) -> bool {
        let Some(range) = self.ranges.get(&group) else { return false };
        let Some(readiness) = self.readiness.get(&group) else {
            return range.current_target == 0 || (range.min_nodes == 0 && range.current_target > 0);
        };
        let there = (readiness.ready + readiness.suspended) as i64;
        let missing = (range.min_nodes - there).max(0);
        let known = readiness.ready + readiness.unready + readiness.not_started.len() + readiness.suspended;
        missing <= self.ok_unready as i64 || missing as f64 <= self.max_unready_percentage / 100.0 * known as f64
    }

    /// Whether a group may be scaled up now.
    pub fn safety(&self, group: usize, now: SimTime) -> Safety {
        Safety { is_healthy: self.is_group_healthy(group), is_backed_off: self.backoff.is_backed_off(group, now) }
    }

    fn upcoming_in(&self, group: usize) -> i64 {
        let target = self.ranges.get(&group).map_or(0, |range| range.current_target);
        let Some(known) = self.readiness.get(&group) else { return target };
        target - (known.ready + known.unready + known.suspended + known.long_unregistered) as i64
    }

    /// Nodes on their way, by group, with those of them that have registered (`GetUpcomingNodes`). A group without a
    /// request under way, or backed off, has none, so that its pods may look elsewhere.
    pub fn upcoming(&self, now: SimTime) -> BTreeMap<usize, (usize, Vec<NodeKey>)> {
        let groups = (0..self.groups.len()).filter_map(|group| {
            let count = usize::try_from(self.upcoming_in(group)).ok().filter(|count| *count > 0)?;
            let counts = self.requests.contains_key(&group) && !self.backoff.is_backed_off(group, now);
            let registered = self.readiness.get(&group).map_or(Vec::new(), |known| known.not_started.clone());
            counts.then_some((group, (count, registered)))
        });
        groups.collect()
    }

    /// Groups whose target size is larger than what ever registered, for longer than a node may take, as `(group, nodes)`
    /// to take from it (`fixNodeGroupSize`).
    pub fn sizes_to_fix(&self, now: SimTime) -> Vec<(usize, i64)> {
        let due = self.incorrect.iter().filter(|(group, size)| {
            size.current < size.expected && size.since.after(self.groups[**group].max_node_provision_time) < now
        });
        due.map(|(group, size)| (*group, size.expected - size.current)).collect()
    }

    /// Instances that should have registered long ago, group by group; of each group at most as many as its least size
    /// lets go, unless they are deleted by force (`removeOldUnregisteredNodes`).
    pub fn long_unregistered(&self, min_sizes: &[i64], by_force: bool, now: SimTime) -> BTreeMap<usize, Vec<Instance>> {
        let mut due: BTreeMap<usize, Vec<Instance>> = BTreeMap::new();
        for (instance, since) in &self.unregistered {
            let group = &self.groups[instance.group];
            let room = usize::try_from(group.target_size - min_sizes[instance.group]).unwrap_or(0);
            let listed = due.get(&instance.group).map_or(0, Vec::len);
            if since.after(group.max_node_provision_time) < now && (by_force || listed < room) {
                due.entry(instance.group).or_default().push(*instance);
            }
        }
        due
    }

    /// What is known of a group's nodes.
    pub fn readiness(&self, group: usize) -> Option<&Readiness> {
        self.readiness.get(&group)
    }

    /// What is known of all nodes.
    pub fn total_readiness(&self) -> &Readiness {
        &self.total
    }

    /// How many nodes a group may have now.
    pub fn acceptable_range(&self, group: usize) -> Option<AcceptableRange> {
        self.ranges.get(&group).copied()
    }

    /// The scale-up of a group that is under way.
    pub fn request(&self, group: usize) -> Option<ScaleUpRequest> {
        self.requests.get(&group).copied()
    }
}

fn count_node(readiness: &mut Readiness, node: &NodeState, startup_time: SimDuration, now: SimTime) {
    readiness.registered += 1;
    if node.is_deleted {
        readiness.deleted += 1;
    } else if node.is_suspended {
        readiness.suspended += 1;
    } else if node.is_ready {
        readiness.ready += 1;
    } else if node.created.after(startup_time) > now {
        readiness.not_started.push(node.node);
    } else {
        readiness.unready += 1;
    }
}
