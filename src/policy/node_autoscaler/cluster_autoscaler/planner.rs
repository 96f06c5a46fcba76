//! Which nodes are not needed, since when, and which of them may go now (`core/scaledown/planner`, `unneeded`,
//! `unremovable`).
//!
//! Each turn the candidates are tried one after another, empty ones first, then those that were unneeded before. A node
//! that may go is taken out of the snapshot with its pods moved, so that the next is tried without it. A node that may not
//! is left alone for five minutes. A node goes once it was unneeded for long enough, its group is larger than its least
//! size and the cluster has the resources it must keep.
//!
//! Cost: a removal simulation for each candidate that is not skipped; see [`super::removal`].

use std::collections::{BTreeMap, BTreeSet};

use super::drain::{Blocking, PodsToMove, RemainingBudgets};
use super::options::{NodeGroupOptions, Options};
use super::quota::{Resources, Tracker};
use super::removal::{MovedPod, Removable, Simulator, Stuck, simulate_removal};
use super::snapshot::{NodeKey, Rotation, Snapshot};
use crate::ids::PodId;
use crate::units::{SimDuration, SimTime};

/// Why a node does not go (`UnremovableReason`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Unremovable {
    /// Its annotation says so.
    ScaleDownDisabledAnnotation,
    /// It is not ready, and such nodes stay.
    ScaleDownUnreadyDisabled,
    /// It is of no node group.
    NotAutoscaled,
    /// It was needed lately.
    NotUnneededLongEnough,
    /// It is unready and was needed lately.
    NotUnreadyLongEnough,
    /// Its group would become too small.
    NodeGroupMinSizeReached,
    /// Its group goes as a whole or not at all.
    AtomicScaleDownFailed,
    /// The cluster would have too little of a resource.
    MinimalResourceLimitExceeded,
    /// It goes already.
    CurrentlyBeingDeleted,
    /// It is used too much.
    NotUnderutilized,
    /// It could not go a short while ago.
    RecentlyUnremovable,
    /// A pod of it would find no place.
    NoPlaceToMovePods,
    /// A pod of it may not move.
    BlockedByPod(Blocking),
    /// Something cannot be said of it.
    UnexpectedError,
    /// It is not in the snapshot.
    NoNodeInfo,
    /// A pod of it is waited for.
    BlockedByOnCompletionPod,
}

/// What the planner asks of the cluster's nodes and pods.
pub trait Facts {
    /// Why the node is not looked at (see `eligibility`).
    fn ineligible(&self, node: NodeKey) -> Option<Unremovable>;

    /// Parts the pods of a node by the drain rules, given what budgets still allow (see `drain`).
    ///
    /// # Errors
    /// With the first pod that keeps the node.
    fn part(&self, pods: &[PodId], budgets: &RemainingBudgets) -> Result<PodsToMove, (PodId, Blocking)>;

    /// What is known of a pod that needs a place.
    fn describe(&self, pod: PodId) -> MovedPod;

    /// The budgets that cover the pod.
    fn budgets_of(&self, pod: PodId) -> &[usize];

    /// The node's group.
    fn group(&self, node: NodeKey) -> Option<usize>;

    /// What applies to a group.
    fn group_options(&self, group: usize) -> NodeGroupOptions;

    /// A group's least size and its target size.
    fn group_sizes(&self, group: usize) -> (i64, i64);

    /// Nodes of a group that are registered.
    fn registered(&self, group: usize) -> usize;

    /// Nodes of a group that are being deleted.
    fn deletions(&self, group: usize) -> usize;

    /// Whether the node is ready.
    fn is_ready(&self, node: NodeKey) -> bool;

    /// Whether the node's annotation forbids that it goes.
    fn scale_down_disabled(&self, node: NodeKey) -> bool;

    /// What quotas count of the node.
    fn counted(&self, node: NodeKey) -> Resources;
}

#[derive(Clone, Debug)]
struct Unneeded {
    removable: Removable,
    since: SimTime,
}

/// The memory of scale-down.
#[derive(Clone, Debug)]
pub struct Planner {
    unneeded: Vec<Unneeded>,
    retry_at: BTreeMap<NodeKey, SimTime>,
    reasons: BTreeMap<NodeKey, Unremovable>,
    simulator: Simulator,
    injector: Simulator,
    latest: Option<SimTime>,
    shortest_interval: SimDuration,
}

/// What a turn starts from.
#[derive(Debug)]
pub struct Turn<'a> {
    /// Nodes that pods may move to.
    pub destinations: &'a [NodeKey],
    /// Nodes that may go, in the order in which they are tried (see [`order_candidates`]).
    pub candidates: &'a [NodeKey],
    /// Nodes that are being deleted.
    pub in_deletion: &'a BTreeSet<NodeKey>,
    /// Pods that were evicted lately and whose replacements are not there yet; they take room.
    pub recently_evicted: &'a [MovedPod],
    /// Now.
    pub now: SimTime,
}

impl Planner {
    /// A planner that has seen nothing.
    pub fn new(options: &Options) -> Planner {
        let unneeded_time = options.node_group_defaults.scale_down_unneeded_time;
        Planner {
            unneeded: Vec::new(),
            retry_at: BTreeMap::new(),
            reasons: BTreeMap::new(),
            simulator: Simulator::default(),
            injector: Simulator::default(),
            latest: None,
            shortest_interval: unneeded_time.max(SimDuration(1)),
        }
    }

    /// Finds the nodes that are not needed (`UpdateClusterState`). The snapshot is left as it was; `budgets` is charged
    /// for the pods of all nodes that are found.
    pub fn update<S: Snapshot>(
        &mut self,
        turn: &Turn<'_>,
        snapshot: &mut S,
        rotation: &mut Rotation,
        facts: &impl Facts,
        budgets: &mut RemainingBudgets,
        options: &Options,
    ) {
        if let Some(latest) = self.latest {
            self.shortest_interval = self.shortest_interval.min(turn.now.since(latest));
        }
        self.latest = Some(turn.now);
        snapshot.fork();
        self.injector.place(snapshot, rotation, turn.recently_evicted, true, |_| true);
        self.retry_at.retain(|node, at| snapshot.holds(*node) && *at > turn.now);
        let eligible = self.eligible(turn, snapshot, facts);
        let found = self.simulate(turn, &eligible, snapshot, rotation, facts, budgets, options);
        self.remember(found, turn.now);
        self.simulator.drop_old_hints();
        self.injector.drop_old_hints();
        snapshot.revert();
    }

    /// The candidates that may go, and the reasons of the others, which take the place of those of the last turn.
    fn eligible<S: Snapshot>(&mut self, turn: &Turn<'_>, snapshot: &S, facts: &impl Facts) -> Vec<NodeKey> {
        let (mut eligible, mut reasons) = (Vec::new(), Vec::new());
        for &node in turn.candidates.iter().filter(|node| !turn.in_deletion.contains(node)) {
            let reason = if !snapshot.holds(node) {
                Some(Unremovable::UnexpectedError)
            } else if self.retry_at.contains_key(&node) {
                Some(Unremovable::RecentlyUnremovable)
            } else {
                facts.ineligible(node)
            };
            match reason {
                Some(reason) => reasons.push((node, reason)),
                None => eligible.push(node),
            }
        }
        // A map of many is made faster in one go.
        self.reasons = reasons.into_iter().collect();
        eligible
    }

    #[expect(clippy::too_many_arguments, reason = "what a turn sees, what it tries on and what it charges")]
    fn simulate<S: Snapshot>(
        &mut self,
        turn: &Turn<'_>,
        eligible: &[NodeKey],
        snapshot: &mut S,
        rotation: &mut Rotation,
        facts: &impl Facts,
        budgets: &mut RemainingBudgets,
        options: &Options,
    ) -> Vec<Removable> {
        let free = turn.destinations.iter().filter(|node| !turn.in_deletion.contains(node));
        let mut destinations: BTreeSet<NodeKey> = free.copied().collect();
        let limit = self.unneeded_limit(options);
        let retry_at = turn.now.after(options.unremovable_node_recheck_timeout);
        let (mut found, mut atomic) = (Vec::new(), 0);
        for &node in eligible {
            if found.len() - atomic >= limit {
                break;
            }
            let part = |pods: &[PodId]| facts.part(pods, budgets);
            let describe = |pod| facts.describe(pod);
            let result = simulate_removal(&mut self.simulator, snapshot, rotation, node, &destinations, part, describe);
            match result {
                Ok(mut removable) => {
                    let covers: Vec<&[usize]> = removable.moved.pods.iter().map(|pod| facts.budgets_of(*pod)).collect();
                    removable.is_risky = !budgets.can_remove(&covers).1;
                    destinations.remove(&node);
                    budgets.remove(&covers);
                    atomic += usize::from(is_atomic(facts, node));
                    found.push(removable);
                }
                Err(stuck) => {
                    self.retry_at.insert(node, retry_at);
                    self.reasons.insert(node, unremovable(stuck));
                }
            }
        }
        found
    }

    /// How many unneeded nodes are looked for: more than can go until the next turn (`unneededNodesLimit`).
    fn unneeded_limit(&self, options: &Options) -> usize {
        let parallel = options.max_scale_down_parallelism;
        let limit = self.unneeded.len() + 2 * parallel;
        // A turn at the instant of the last would need all at once.
        let Some(turns) = self.unneeded_turns(options) else { return limit };
        limit.min(parallel.saturating_mul(turns).saturating_add(parallel))
    }

    fn unneeded_turns(&self, options: &Options) -> Option<usize> {
        let unneeded = options.node_group_defaults.scale_down_unneeded_time.max(self.shortest_interval);
        unneeded.0.checked_div(self.shortest_interval.0).map(|turns| usize::try_from(turns).unwrap_or(usize::MAX))
    }

    fn remember(&mut self, found: Vec<Removable>, now: SimTime) {
        let since: BTreeMap<NodeKey, SimTime> =
            self.unneeded.iter().map(|known| (known.removable.node, known.since)).collect();
        let known = |removable: Removable| {
            let since = since.get(&removable.node).copied().unwrap_or(now);
            Unneeded { removable, since }
        };
        self.unneeded = found.into_iter().map(known).collect();
    }

    /// Forgets which nodes are unneeded, as when the cluster is unhealthy (`CleanUpUnneededNodes`).
    pub fn forget_unneeded(&mut self) {
        self.unneeded.clear();
    }

    /// The nodes that are not needed, each since when.
    pub fn unneeded(&self) -> impl Iterator<Item = (NodeKey, SimTime)> {
        self.unneeded.iter().map(|known| (known.removable.node, known.since))
    }

    /// When nodes that could not go are looked at again.
    pub fn rechecks(&self) -> impl Iterator<Item = SimTime> {
        self.retry_at.values().copied()
    }

    /// Why nodes do not go, as far as it was found out this turn.
    pub fn unremovable(&self) -> &BTreeMap<NodeKey, Unremovable> {
        &self.reasons
    }

    /// The nodes that may go now, as of the last update: those without pods to move, and those that must be drained, of
    /// the latter those first whose budgets let all pods go at once (`NodesToDelete`).
    pub fn nodes_to_delete(&mut self, facts: &impl Facts, quotas: &mut Tracker) -> (Vec<Removable>, Vec<Removable>) {
        let (empty, drain): (Vec<&Unneeded>, Vec<&Unneeded>) =
            self.unneeded.iter().partition(|known| known.removable.moved.pods.is_empty());
        let (mut sizes, mut due, mut kept) = (BTreeMap::new(), Vec::new(), Vec::new());
        for known in empty.into_iter().chain(drain) {
            match self.due(known, facts, quotas, &mut sizes) {
                Some(reason) => kept.push((known.removable.node, reason)),
                None => due.push(known.removable.clone()),
            }
        }
        due.sort_by_key(|removable| !removable.moved.pods.is_empty() && removable.is_risky);
        let (due, failed) = whole_groups(due, facts);
        kept.extend(failed.into_iter().map(|node| (node, Unremovable::AtomicScaleDownFailed)));
        let waits = |removable: &Removable| !removable.moved.on_completion.is_empty();
        let (waiting, due): (Vec<Removable>, Vec<Removable>) = due.into_iter().partition(waits);
        kept.extend(waiting.iter().map(|removable| (removable.node, Unremovable::BlockedByOnCompletionPod)));
        self.reasons.extend(kept);
        due.into_iter().partition(|removable| removable.moved.pods.is_empty())
    }

    /// Why an unneeded node does not go yet; if it does, it is counted.
    fn due(
        &self,
        known: &Unneeded,
        facts: &impl Facts,
        quotas: &mut Tracker,
        sizes: &mut BTreeMap<usize, i64>,
    ) -> Option<Unremovable> {
        let node = known.removable.node;
        if facts.scale_down_disabled(node) {
            return Some(Unremovable::ScaleDownDisabledAnnotation);
        }
        let group = facts.group(node);
        let is_ready = facts.is_ready(node);
        let wait = group.map_or(SimDuration::ZERO, |group| {
            let options = facts.group_options(group);
            if is_ready { options.scale_down_unneeded_time } else { options.scale_down_unready_time }
        });
        if wait > SimDuration::ZERO && Some(known.since.after(wait)) >= self.latest {
            let short = [Unremovable::NotUnreadyLongEnough, Unremovable::NotUnneededLongEnough];
            return Some(short[usize::from(is_ready)]);
        }
        let Some(group) = group else { return Some(Unremovable::NotAutoscaled) };
        let (min, target) = facts.group_sizes(group);
        let size = sizes.entry(group).or_insert(target);
        if *size - facts.deletions(group) as i64 <= min {
            return Some(Unremovable::NodeGroupMinSizeReached);
        }
        if !quotas.consume(Some(group), &facts.counted(node), 1).exceeded.is_empty() {
            return Some(Unremovable::MinimalResourceLimitExceeded);
        }
        *size -= 1;
        None
    }
}

fn unremovable(stuck: Stuck) -> Unremovable {
    match stuck {
        Stuck::NoNode => Unremovable::NoNodeInfo,
        Stuck::Blocked(_, reason) => Unremovable::BlockedByPod(reason),
        Stuck::NoPlace => Unremovable::NoPlaceToMovePods,
    }
}

fn is_atomic(facts: &impl Facts, node: NodeKey) -> bool {
    facts.group(node).is_some_and(|group| facts.group_options(group).zero_or_max_node_scaling)
}

/// Keeps nodes of groups that go as a whole only if all of them go; they come last (`AtomicResizeFilteringProcessor`).
fn whole_groups(nodes: Vec<Removable>, facts: &impl Facts) -> (Vec<Removable>, Vec<NodeKey>) {
    let (atomic, mut kept): (Vec<Removable>, Vec<Removable>) =
        nodes.into_iter().partition(|removable| is_atomic(facts, removable.node));
    let mut by_group: BTreeMap<usize, Vec<Removable>> = BTreeMap::new();
    for removable in atomic {
        let group = facts.group(removable.node).expect("an atomic node has a group");
        by_group.entry(group).or_default().push(removable);
    }
    let mut failed = Vec::new();
    for (group, nodes) in by_group {
        if facts.group_sizes(group).1 == nodes.len() as i64 || facts.registered(group) == nodes.len() {
            kept.extend(nodes);
        } else {
            failed.extend(nodes.iter().map(|removable| removable.node));
        }
    }
    (kept, failed)
}

/// The order in which nodes are tried: nodes of groups above their least size, empty ones first, of those the ones without
/// pods that are waited for, then the ones that were unneeded after the last turn (`scaledowncandidates`). Equals keep
/// their order.
///
/// `emptiness` tells of a node whether it has no pods to move, and if so whether it has pods that are waited for. Upstream
/// asks the drain rules for it as if there were neither budgets nor controllers to look up.
pub fn order_candidates(
    nodes: &[NodeKey],
    facts: &impl Facts,
    previous: &BTreeSet<NodeKey>,
    emptiness: impl Fn(NodeKey) -> (bool, bool),
) -> Vec<NodeKey> {
    let may_shrink = |node: &NodeKey| {
        let sizes = facts.group(*node).map(|group| facts.group_sizes(group));
        sizes.is_some_and(|(min, target)| target > min)
    };
    let mut candidates: Vec<NodeKey> = nodes.iter().copied().filter(may_shrink).collect();
    candidates.sort_by_cached_key(|node| {
        let (is_empty, waits) = emptiness(*node);
        (!is_empty, waits, !previous.contains(node))
    });
    candidates
}
