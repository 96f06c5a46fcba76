//! How many nodes go at once, and how a node is drained (`core/scaledown/budgets`, `core/scaledown/actuation`).
//!
//! A node that goes is tainted; five seconds later its pods are looked at again, evicted if it was to be drained, and the
//! instance is deleted. Cost: a look at every node that may go.

use std::collections::BTreeMap;

use super::options::Options;
use super::snapshot::NodeKey;
use crate::ids::PodId;
use crate::units::{SimDuration, SimTime};

/// Time between two tries to evict a pod (`DefaultEvictionRetryTime`).
pub const EVICTION_RETRY: SimDuration = SimDuration(10_000_000_000);

/// Time beyond the longest grace period for pods to be gone (`DefaultPodEvictionHeadroom`).
pub const EVICTION_HEADROOM: SimDuration = SimDuration(30_000_000_000);

/// Time between two looks at whether they are.
pub const EVICTION_POLL: SimDuration = SimDuration(5_000_000_000);

/// A group with nodes that may go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct GroupFacts {
    /// Whether it goes as a whole or not at all.
    pub is_atomic: bool,
    /// Nodes it should have.
    pub target_size: usize,
    /// Nodes that are registered.
    pub registered: usize,
}

/// Nodes of one group that go together (`NodeGroupView`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Batch {
    /// The group, by its position in the caller's list.
    pub group: usize,
    /// The nodes.
    pub nodes: Vec<NodeKey>,
    /// Nodes that must be ready to be deleted before any is; zero: each by itself.
    pub batch_size: usize,
}

/// Nodes that go now.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Cropped {
    /// Nodes without pods to move.
    pub empty: Vec<Batch>,
    /// Nodes that are drained.
    pub drain: Vec<Batch>,
}

/// Crops what may go to what may go at once (`CropNodes`). `empty` and `drain` are nodes with their groups, in their order;
/// `in_deletion` counts the empty ones and the drained ones that are going already. Empty nodes go first; groups that go as
/// a whole may exceed the limits if nothing else goes.
pub fn crop(
    empty: &[(NodeKey, usize)],
    drain: &[(NodeKey, usize)],
    groups: &[GroupFacts],
    in_deletion: (usize, usize),
    options: &Options,
) -> Cropped {
    let (empty_alone, empty_whole) = by_group(empty, groups);
    let (drain_alone, drain_whole) = by_group(drain, groups);
    let mut room = Room {
        parallel: options.max_scale_down_parallelism as i64 - (in_deletion.0 + in_deletion.1) as i64,
        drain: options.max_drain_parallelism as i64 - in_deletion.1 as i64,
        may_overflow: true,
    };
    let mut cropped = Cropped::default();
    room.take_whole_empty(&empty_whole, &drain_whole, groups, &mut cropped);
    room.drain = room.drain.min(room.parallel);
    room.take_whole_drained(&empty_whole, &drain_whole, groups, &mut cropped);
    room.parallel -= take_alone(&mut cropped.empty, empty_alone, room.parallel);
    room.drain = room.drain.min(room.parallel);
    take_alone(&mut cropped.drain, drain_alone, room.drain);
    cropped
}

/// Nodes by group, groups in the order of their first node: those whose nodes go alone, and those that go as a whole.
fn by_group(nodes: &[(NodeKey, usize)], groups: &[GroupFacts]) -> (Vec<Batch>, Vec<Batch>) {
    let mut batches: Vec<Batch> = Vec::new();
    let mut known: BTreeMap<usize, usize> = BTreeMap::new();
    for &(node, group) in nodes {
        let position = *known.entry(group).or_insert(batches.len());
        if position == batches.len() {
            batches.push(Batch { group, nodes: Vec::new(), batch_size: 0 });
        }
        batches[position].nodes.push(node);
    }
    batches.into_iter().partition(|batch| !groups[batch.group].is_atomic)
}

struct Room {
    parallel: i64,
    drain: i64,
    may_overflow: bool,
}

impl Room {
    /// Groups with empty nodes, each with its nodes to drain.
    fn take_whole_empty(&mut self, empty: &[Batch], drain: &[Batch], groups: &[GroupFacts], cropped: &mut Cropped) {
        for batch in empty {
            let drained = drain.iter().find(|other| other.group == batch.group);
            let to_drain = drained.map_or(0, |other| other.nodes.len()) as i64;
            let all = batch.nodes.len() as i64 + to_drain;
            let is_too_much = self.parallel < all || self.drain < to_drain;
            if is_too_much && (self.parallel == 0 || (to_drain > 0 && self.drain == 0) || !self.may_overflow) {
                break;
            }
            let facts = &groups[batch.group];
            if all != facts.target_size as i64 && all != facts.registered as i64 {
                continue;
            }
            // The drained nodes do not count here, as upstream.
            let batch_size = batch_size(batch.nodes.len(), facts);
            cropped.empty.push(Batch { batch_size, ..batch.clone() });
            cropped.drain.extend(drained.map(|other| Batch { batch_size, ..other.clone() }));
            self.charge(all, to_drain);
        }
    }

    /// Groups that have nodes to drain only.
    fn take_whole_drained(&mut self, empty: &[Batch], drain: &[Batch], groups: &[GroupFacts], cropped: &mut Cropped) {
        for batch in drain.iter().filter(|batch| !empty.iter().any(|other| other.group == batch.group)) {
            let all = batch.nodes.len() as i64;
            if self.drain < all && (self.drain == 0 || !self.may_overflow) {
                break;
            }
            let facts = &groups[batch.group];
            if batch.nodes.len() != facts.target_size && batch.nodes.len() != facts.registered {
                continue;
            }
            cropped.drain.push(Batch { batch_size: batch_size(batch.nodes.len(), facts), ..batch.clone() });
            self.charge(all, all);
        }
    }

    fn charge(&mut self, all: i64, drained: i64) {
        self.parallel -= all;
        self.drain -= drained;
        self.may_overflow = false;
    }
}

fn batch_size(nodes: usize, facts: &GroupFacts) -> usize {
    if nodes == facts.registered { facts.registered } else { facts.target_size }
}

/// Takes as many nodes as there is room for; returns how many.
fn take_alone(taken: &mut Vec<Batch>, batches: Vec<Batch>, room: i64) -> i64 {
    let mut left = room;
    for mut batch in batches {
        let Some(some) = usize::try_from(left).ok().filter(|left| *left > 0) else { break };
        batch.nodes.truncate(some);
        left -= batch.nodes.len() as i64;
        taken.push(batch);
    }
    room - left
}

/// How a node stands with the mark that it may go soon, a taint that the scheduler avoids if it can.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Marked {
    /// The node.
    pub node: NodeKey,
    /// Whether it has the mark.
    pub is_marked: bool,
    /// Whether it is being deleted.
    pub is_being_deleted: bool,
}

/// The nodes whose mark changes now: first those that lose it, then those that get it, together at most
/// `max-bulk-soft-taint-count` (`UpdateSoftDeletionTaints`). The time that the writes take is not limited here.
pub fn soft_taints(unneeded: &[Marked], needed: &[Marked], options: &Options) -> (Vec<NodeKey>, Vec<NodeKey>) {
    let stays = |node: &&Marked| !node.is_being_deleted;
    let mut left = options.max_bulk_soft_taint_count;
    let lose: Vec<NodeKey> =
        needed.iter().filter(stays).filter(|node| node.is_marked).take(left).map(|node| node.node).collect();
    left -= lose.len();
    let get = unneeded.iter().filter(stays).filter(|node| !node.is_marked).take(left).map(|node| node.node);
    (lose, get.collect())
}

/// A pod that is evicted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Evicted {
    /// The pod.
    pub pod: PodId,
    /// Its priority.
    pub priority: i32,
    /// Its grace period; `None`: 30 s.
    pub grace: Option<SimDuration>,
}

/// Longest grace periods for pods of this priority and above, up to the next (`drain-priority-config`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct GraceTier {
    /// The priority.
    pub priority: i32,
    /// Their longest grace period; zero is no limit.
    pub max_grace: SimDuration,
}

/// One round of evictions; the next begins when its pods are gone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Round {
    /// The pods with the grace period each gets.
    pub pods: Vec<(PodId, SimDuration)>,
    /// How long after the evictions the pods may still be there; then the drain has failed.
    pub gone_within: SimDuration,
}

/// The rounds in which a node's pods are evicted, the least important first (`groupByPriority`). Without tiers there is one
/// round with `max-graceful-termination-sec`.
pub fn rounds(pods: &[Evicted], tiers: &[GraceTier], options: &Options) -> Vec<Round> {
    let single = [GraceTier { priority: i32::MAX, max_grace: options.max_graceful_termination }];
    let mut tiers = if tiers.is_empty() { single.to_vec() } else { tiers.to_vec() };
    tiers.sort_by_key(|tier| tier.priority);
    let mut rounds: Vec<Round> = tiers.iter().map(|tier| round(tier.max_grace)).collect();
    for pod in pods {
        let index = tier_of(pod.priority, &tiers);
        rounds[index].pods.push((pod.pod, shortened(pod.grace, tiers[index].max_grace)));
    }
    rounds.retain(|round| !round.pods.is_empty());
    rounds
}

fn round(max_grace: SimDuration) -> Round {
    Round { pods: Vec::new(), gone_within: max_grace + EVICTION_HEADROOM }
}

/// The tier with the highest priority that is not above the pod's; the lowest for pods below all.
fn tier_of(priority: i32, tiers: &[GraceTier]) -> usize {
    let at_or_above = tiers.partition_point(|tier| tier.priority < priority);
    if at_or_above < tiers.len() && tiers[at_or_above].priority == priority {
        return at_or_above;
    }
    at_or_above.saturating_sub(1)
}

fn shortened(grace: Option<SimDuration>, max_grace: SimDuration) -> SimDuration {
    let grace = grace.unwrap_or(super::drain::DEFAULT_GRACE);
    if max_grace > SimDuration::ZERO { grace.min(max_grace) } else { grace }
}

/// When an eviction that was refused is tried again; `None`: the drain has failed.
pub fn retry_eviction(first_try: SimTime, now: SimTime, options: &Options) -> Option<SimTime> {
    let next = now.after(EVICTION_RETRY);
    (next < first_try.after(options.max_pod_eviction_time)).then_some(next)
}

#[cfg(test)]
mod tests;
