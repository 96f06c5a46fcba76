//! What the pods of an owner come to, kept up to date with every change of one of them: a controller that looks costs what
//! has changed, not what there is.
//!
//! Whatever changes what is counted here ends with [`World::recount`]; `World::check` counts from scratch.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};
use std::ops::Bound;

use super::{Deletion, Phase, World};
use crate::ids::{NodeId, OwnerId, PodId, RevisionId};
use crate::units::{SimDuration, SimTime};

/// Counts of the pods in an owner's list.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// Pods that are neither told to end nor over.
    pub active: u32,
    /// Those of them that are ready.
    pub ready: u32,
    /// Those of them that wait for a node.
    pub pending: u32,
    /// Pods that are told to end and not over.
    pub terminating: u32,
    /// Pods that have ended well.
    pub succeeded: u32,
    /// Pods that have ended badly.
    pub failed: u32,
    /// How often containers of all these pods were started again.
    pub restarts: u64,
    /// Active pods by the template that they were made from.
    of_template: BTreeMap<RevisionId, u32>,
    /// Active pods that are ready, by the instant since when.
    ready_since: BTreeMap<SimTime, u32>,
    /// Active pods by node.
    active_on: BTreeMap<NodeId, u32>,
    /// Active pods that run and are ready, by node.
    serving_on: BTreeMap<NodeId, BTreeSet<PodId>>,
    /// Active pods without a node.
    waiting: BTreeSet<PodId>,
    /// How often the containers and the sidecars of the pods that serve were started again.
    serving_restarts: BTreeMap<(u32, u32), u32>,
    /// All other active pods.
    not_serving: BTreeSet<PodId>,
}

/// What one pod adds to the tally of its owner.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Share {
    state: State,
    template: RevisionId,
    /// [`SimTime::NEVER`]: it is not ready.
    ready_since: SimTime,
    restarts: u32,
    sidecar_restarts: u32,
    node: Option<NodeId>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Pending,
    /// On its way.
    Active,
    Running,
    Terminating,
    Succeeded,
    Failed,
}

impl Tally {
    /// Active pods that were made from that template.
    pub fn of_template(&self, template: RevisionId) -> u32 {
        self.of_template.get(&template).copied().unwrap_or(0)
    }

    /// Active pods that have been ready for `min_ready`. Costs what has become ready within that time.
    pub fn available(&self, min_ready: SimDuration, now: SimTime) -> u32 {
        self.ready - self.not_yet_available(min_ready, now).map(|(_, count)| count).sum::<u32>()
    }

    /// When the first of the active pods that are ready, and not yet for `min_ready`, will have been so.
    pub fn next_available(&self, min_ready: SimDuration, now: SimTime) -> Option<SimTime> {
        self.not_yet_available(min_ready, now).next().map(|(since, _)| since.after(min_ready))
    }

    fn not_yet_available(&self, min_ready: SimDuration, now: SimTime) -> impl Iterator<Item = (SimTime, u32)> {
        let since = match now.0.checked_sub(min_ready.0) {
            Some(latest) => Bound::Excluded(SimTime(latest)),
            None => Bound::Unbounded,
        };
        self.ready_since.range((since, Bound::Unbounded)).map(|(since, count)| (*since, *count))
    }

    /// Counts a pod in, or with `sign` -1 out again.
    fn count(&mut self, pod: PodId, share: &Share, sign: i32) {
        let add = |count: &mut u32, sign: i32| *count = count.checked_add_signed(sign).expect("counts are of pods");
        let state = match share.state {
            State::Pending | State::Active | State::Running => &mut self.active,
            State::Terminating => &mut self.terminating,
            State::Succeeded => &mut self.succeeded,
            State::Failed => &mut self.failed,
        };
        add(state, sign);
        self.restarts = self
            .restarts
            .checked_add_signed(i64::from(share.restarts) * i64::from(sign))
            .expect("restarts are of pods");
        if !share.is_active() {
            return;
        }
        if share.state == State::Pending {
            add(&mut self.pending, sign);
        }
        add_at(&mut self.of_template, share.template, sign);
        if share.ready_since != SimTime::NEVER {
            add(&mut self.ready, sign);
            add_at(&mut self.ready_since, share.ready_since, sign);
        }
        if let Some(node) = share.node {
            add_at(&mut self.active_on, node, sign);
        }
        self.place(pod, share, sign);
    }

    /// Puts an active pod among those of its node that serve, or among those that do not, or takes it out there.
    fn place(&mut self, pod: PodId, share: &Share, sign: i32) {
        let is_serving = share.state == State::Running && share.ready_since != SimTime::NEVER;
        let place = match share.node {
            Some(node) if is_serving => self.serving_on.entry(node).or_default(),
            Some(_) => &mut self.not_serving,
            None => &mut self.waiting,
        };
        if sign > 0 {
            place.insert(pod);
        } else {
            place.remove(&pod);
        }
        if let Some(node) = share.node.filter(|_| is_serving) {
            if place.is_empty() {
                self.serving_on.remove(&node);
            }
            add_at(&mut self.serving_restarts, (share.restarts, share.sidecar_restarts), sign);
        }
    }
}

impl Share {
    fn is_active(&self) -> bool {
        matches!(self.state, State::Pending | State::Active | State::Running)
    }
}

/// Changes a count, which is not kept when it is 0.
fn add_at<K: Ord + Copy>(counts: &mut BTreeMap<K, u32>, key: K, sign: i32) {
    let count = counts.entry(key).or_insert(0);
    *count = count.checked_add_signed(sign).expect("counts are of pods");
    if *count == 0 {
        counts.remove(&key);
    }
}

impl World {
    /// Brings the tally of a pod's owner up to date after something about the pod has changed.
    pub fn recount(&mut self, pod: PodId) {
        let present = self.share(pod);
        let Some(member) = self.owners.members.get_mut(self.pods.member[pod.index()] as usize) else { return };
        // A pod that has left its owner's list does not come back.
        let Some(counted) = member.share else { return };
        if present != Some(counted) {
            member.share = present;
            let tally = &mut self.owners.list[member.owner.index()].tally;
            tally.count(pod, &counted, -1);
            if let Some(present) = present {
                tally.count(pod, &present, 1);
            }
        }
    }

    /// Counts a pod that has come to its owner's list.
    pub(super) fn count_in(&mut self, pod: PodId) {
        let share = self.share(pod);
        let Some(member) = self.member_mut(pod) else { return };
        member.share = share;
        let owner = member.owner;
        if let Some(share) = share {
            self.owners.list[owner.index()].tally.count(pod, &share, 1);
        }
    }

    /// Counts out a pod that has left its owner's list.
    pub(super) fn count_out(&mut self, pod: PodId) {
        let Some(member) = self.member_mut(pod) else { return };
        let (share, owner) = (member.share.take(), member.owner);
        if let Some(share) = share {
            self.owners.list[owner.index()].tally.count(pod, &share, -1);
        }
    }

    /// What a pod with an owner adds to its tally.
    fn share(&self, pod: PodId) -> Option<Share> {
        let member = self.member(pod)?;
        let state = match self.pods.phase[pod.index()] {
            Phase::Succeeded => State::Succeeded,
            Phase::Failed | Phase::Evicted | Phase::Deleted => State::Failed,
            _ if self.pods.deletion[pod.index()] != Deletion::None => State::Terminating,
            Phase::Pending => State::Pending,
            Phase::Bound | Phase::Starting => State::Active,
            Phase::Running => State::Running,
        };
        Some(Share {
            state,
            template: member.template,
            ready_since: member.ready_since,
            restarts: member.restarts,
            sidecar_restarts: member.sidecar_restarts,
            node: self.pods.node(pod),
        })
    }

    /// How many active pods of these owners are on a node.
    pub fn active_on(&self, node: NodeId, owners: &[OwnerId]) -> u32 {
        let on_node = |owner: &OwnerId| self.owners.list[owner.index()].tally.active_on.get(&node).copied();
        owners.iter().filter_map(on_node).sum()
    }

    /// Active pods of an owner among which are the `count` that a ReplicaSet gives up first: first those without a node, then
    /// those that do not serve, then those on the nodes with the most active pods of the `related` owners, ties included. Costs
    /// what it returns, and the nodes that they are on.
    pub fn first_given_up(&self, owner: OwnerId, related: &[OwnerId], count: usize) -> Vec<PodId> {
        let tally = &self.owners.list[owner.index()].tally;
        let mut found = self.waiting_given_up(tally, count);
        if found.len() == count {
            return found;
        }
        found.extend(&tally.not_serving);
        if found.len() >= count {
            return found;
        }
        let nodes = tally.serving_on.iter();
        let mut nodes: Vec<_> = nodes.map(|(node, pods)| (self.active_on(*node, related), pods)).collect();
        nodes.sort_by_key(|(related_on_node, _)| Reverse(*related_on_node));
        // Of pods that are alike the first goes first.
        let per_node = if self.are_alike(owner) { count } else { usize::MAX };
        let mut least = 0;
        for (related_on_node, pods) in nodes {
            if related_on_node < least {
                break;
            }
            found.extend(pods.iter().take(per_node));
            if found.len() >= count {
                least = least.max(related_on_node);
            }
        }
        found
    }

    /// Whether the pods of an owner that serve differ in their nodes and numbers only, for a ReplicaSet that gives some up: in age and
    /// time of being ready by powers of two, and in restarts. It may say no although they do.
    fn are_alike(&self, owner: OwnerId) -> bool {
        let owner = &self.owners.list[owner.index()];
        let tally = &owner.tally;
        let power = |since: SimTime| self.time.0.saturating_sub(since.0).checked_ilog2();
        let created = |pod: Option<&PodId>| pod.map(|pod| power(self.pods.arrival[pod.index()]));
        let ready = |at: Option<(&SimTime, &u32)>| at.map(|(since, _)| power(*since));
        tally.serving_restarts.len() == 1
            && created(owner.pods.first()) == created(owner.pods.last())
            && ready(tally.ready_since.first_key_value()) == ready(tally.ready_since.last_key_value())
    }

    /// The `count` pods without a node that a ReplicaSet gives up first, or all of them: the youngest by powers of two of their
    /// age, and of those the first. Pods are numbered as they arrive, so that those of one power are a range.
    fn waiting_given_up(&self, tally: &Tally, count: usize) -> Vec<PodId> {
        let (arrival, now) = (&self.pods.arrival, self.time);
        let (mut found, mut end) = (Vec::new(), PodId(u32::MAX));
        while let Some(youngest) = tally.waiting.range(..end).next_back().filter(|_| found.len() < count) {
            let age = now.0 - arrival[youngest.index()].0;
            let oldest_age = age.checked_ilog2().map_or(0, |power| (1u64 << power << 1).wrapping_sub(1));
            let oldest = SimTime(now.0.saturating_sub(oldest_age));
            let start = PodId::from_index(arrival.partition_point(|at| *at < oldest));
            found.extend(tally.waiting.range(start..end).take(count - found.len()));
            end = start;
        }
        found
    }

    /// I1: the tally of each owner is that of the pods in its list.
    pub(super) fn check_tallies(&self) -> Result<(), String> {
        for owner in &self.owners.list {
            let mut tally = Tally::default();
            for (pod, share) in owner.pods.iter().filter_map(|pod| Some((*pod, self.share(*pod)?))) {
                tally.count(pod, &share, 1);
            }
            if tally != owner.tally {
                return Err(format!(
                    "I1: the tally of {} is {:?}, but its pods are {tally:?}",
                    owner.name, owner.tally
                ));
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ids::{ClassId, ControllerId};
    use crate::model::controllers::{Controller, ControllerKind, ReplicaSetSpec};
    use crate::testkit;

    fn ready(since_s: f64) -> Share {
        let ready_since = SimTime::ZERO.after(SimDuration::from_seconds(since_s));
        Share {
            state: State::Running,
            template: RevisionId(0),
            ready_since,
            restarts: 1,
            sidecar_restarts: 0,
            node: Some(NodeId(0)),
        }
    }

    #[test]
    fn pods_become_available_in_their_time() {
        let mut tally = Tally::default();
        let not_ready = Share { ready_since: SimTime::NEVER, ..ready(0.0) };
        for (pod, share) in (0..).zip([ready(10.0), ready(10.0), ready(14.0), not_ready]) {
            tally.count(PodId(pod), &share, 1);
        }
        let at = |seconds: f64| SimTime::ZERO.after(SimDuration::from_seconds(seconds));
        // With a minimum of 5 s two are available from 15 s on and the third from 19 s on; the fourth is not ready.
        for (now, available, next) in
            [(14.0, 0, Some(15.0)), (15.0, 2, Some(19.0)), (18.9, 2, Some(19.0)), (19.0, 3, None)]
        {
            let min_ready = SimDuration::from_seconds(5.0);
            assert_eq!(tally.available(min_ready, at(now)), available, "{now}");
            assert_eq!(tally.next_available(min_ready, at(now)), next.map(at), "{now}");
            assert_eq!(tally.available(SimDuration(0), at(now)), 3, "{now}");
        }
        assert_eq!((tally.active, tally.ready, tally.restarts, tally.of_template(RevisionId(0))), (4, 3, 4, 4));
        tally.count(PodId(2), &ready(14.0), -1);
        assert_eq!((tally.ready, tally.next_available(SimDuration::from_seconds(5.0), at(15.0))), (2, None));
    }
    /// Six pods wait, of ages of 10, 9, 7, 1, 1 and 0 s. In powers of two of nanoseconds that is 33, 33, 32, 29, 29, and none.
    #[test]
    fn of_those_that_wait_the_youngest_are_given_up_first() {
        let mut model = testkit::cluster().node("node").pod("web").model();
        model.controllers.list = vec![Controller {
            namespace: "default".to_owned(),
            name: "web".to_owned(),
            kind: ControllerKind::ReplicaSet(ReplicaSetSpec { replicas: 6, min_ready: SimDuration(0) }),
            templates: Vec::new(),
            is_there_at_start: true,
        }];
        let mut world = World::new(&model);
        let owner = world.add_owner(ControllerId(0), "web".to_owned(), RevisionId(0));
        for arrival in [0.0, 1.0, 3.0, 9.0, 9.0, 10.0] {
            world.time = SimTime::ZERO.after(SimDuration::from_seconds(arrival));
            let pod = world.arrive((0, 0), ClassId(0), u64::MAX);
            world.join(pod, owner, format!("web-{}", pod.0), RevisionId(0), 0);
        }
        let order = [5, 3, 4, 2, 0, 1].map(PodId);
        for count in 1..=6 {
            assert_eq!(world.first_given_up(owner, &[], count), order[..count], "{count}");
        }
        // One that has a node comes after those that have none.
        world.place(model.workload.class(ClassId(0)), PodId(5), NodeId(0), 0);
        world.set_phase(PodId(5), Phase::Bound);
        assert_eq!(world.first_given_up(owner, &[], 6), [3, 4, 2, 0, 1, 5].map(PodId));
        assert_eq!(world.first_given_up(owner, &[], 2), [3, 4].map(PodId));
        world.leave(PodId(3));
        assert_eq!(world.first_given_up(owner, &[], 2), [4, 2].map(PodId));
        assert_eq!(world.check_tallies(), Ok(()));
    }
}
