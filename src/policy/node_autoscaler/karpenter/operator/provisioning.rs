//! Passes of provisioning: from pods that wait to orders.

use std::collections::BTreeSet;

use super::super::scheduler::{Batch, BatchPod, INSTANCE_TYPES_MAX, NewNode, Results};
use super::{Asker, Karpenter, Placed, REQUEUE_S, sight};
use crate::ids::{MachineId, PodId};
use crate::policy::node_autoscaler::{Action, Order, Seen};
use crate::units::{SimDuration, SimTime};
use crate::world::MachineState;

/// What the last pass saw, and which nodes it kept for pods: with the same before it, a pass comes to the same.
#[derive(Debug, Default)]
pub(super) struct LastPass {
    seen: Option<(u64, u64, Vec<PodId>)>,
    nominated: Vec<MachineId>,
}

impl Karpenter {
    /// Looks at pods that wait, if their window has closed.
    pub(super) fn provision(&mut self, seen: &Seen<'_>, orders: &mut Vec<Order>) {
        let now = seen.now();
        self.ask_again(seen);
        if self.batcher.closes().is_none_or(|closes| closes > now) {
            return;
        }
        self.batcher.close();
        if !self.is_synced() {
            return;
        }
        let pods = self.pods(seen);
        if pods.is_empty() {
            return;
        }
        let ids: Vec<PodId> = pods.iter().map(|(pod, _)| *pod).collect();
        let sees = Some((self.sight.version, self.market.version(), ids));
        if sees != self.last_pass.seen {
            let results = self.solve(seen, &pods);
            self.last_pass = LastPass { seen: sees, nominated: self.kept(&results) };
            self.buy(&results.new_nodes, None, "pods fit nowhere", (seen, orders));
        }
        let until = now.after(self.nomination_window);
        for machine in &self.last_pass.nominated {
            self.nominated.insert(*machine, until);
        }
        self.nominated.retain(|_, until| *until > now);
    }

    /// Lets those ask again who still wait.
    fn ask_again(&mut self, seen: &Seen<'_>) {
        let now = seen.now();
        let every = SimDuration::from_seconds(REQUEUE_S);
        while let Some((at, asker)) = self.askers.first().copied().filter(|(at, _)| *at <= now) {
            self.askers.remove(&(at, asker));
            match asker {
                Asker::Pod(pod) if seen.unschedulable.binary_search_by_key(&pod, |(pod, _)| *pod).is_ok() => {
                    self.batcher.trigger(pod, at);
                }
                Asker::Machine(machine) if self.is_going(seen, machine) => {
                    self.batcher.trigger_now(at);
                }
                _ => continue,
            }
            self.askers.insert((at.after(every), asker));
        }
    }

    fn is_going(&self, seen: &Seen<'_>, machine: MachineId) -> bool {
        seen.view.world.fleet.get(machine).state == MachineState::Draining
            || self
                .sight
                .of_machine(machine)
                .is_some_and(|at| self.sight.nodes[at].is_deleting && self.sight.is_there(at))
    }

    /// When the window closes, or the next one would, of those who ask again.
    pub(super) fn next_pass(&self, now: SimTime) -> SimTime {
        // Who asks while a window is open is heard when it closes.
        let again = || self.askers.first().map(|(at, _)| *at);
        let next = self.batcher.closes().or_else(again).unwrap_or(SimTime::NEVER);
        next.max(SimTime(now.0 + 1))
    }

    /// The pods that wait, and those of nodes that go, with the positions of their nodes (`GetPendingPods`,
    /// `CurrentlyReschedulablePods`).
    fn pods(&self, seen: &Seen<'_>) -> Vec<(PodId, Option<usize>)> {
        let (view, world) = (seen.view, seen.view.world);
        let waits = |pod: &PodId| !sight::is_daemon(view, *pod) && world.nominated.get(pod).is_none();
        let mut pods: Vec<(PodId, Option<usize>)> =
            seen.unschedulable.iter().map(|(pod, _)| *pod).filter(waits).map(|pod| (pod, None)).collect();
        pods.extend(self.pods_of_going(seen));
        pods
    }

    /// The pods of nodes that go.
    pub(super) fn pods_of_going(&self, seen: &Seen<'_>) -> Vec<(PodId, Option<usize>)> {
        let (view, world) = (seen.view, seen.view.world);
        let mut found = Vec::new();
        for (at, entry) in self.sight.entries.iter().enumerate() {
            let Some(node) = entry.node else { continue };
            if self.sight.is_deleting(at) && self.sight.is_there(at) {
                let mut pods: Vec<PodId> = world.nodes.pods(&world.pods, node).collect();
                pods.retain(|pod| sight::is_reschedulable(view, *pod));
                pods.sort_unstable();
                found.extend(pods.into_iter().map(|pod| (pod, Some(at))));
            }
        }
        found
    }

    fn solve(&mut self, seen: &Seen<'_>, pods: &[(PodId, Option<usize>)]) -> Results {
        let batch = Batch { pods: batch_pods(seen, pods), ..Batch::default() };
        let market = self.market.version();
        let mut scheduler = self.memory.scheduler(&self.environment, &self.sight, market, self.options);
        let mut results = scheduler.solve(&batch);
        scheduler.truncate(&mut results, INSTANCE_TYPES_MAX);
        self.memory.keep(scheduler);
        results
    }

    /// The machines that the pass counts on.
    fn kept(&self, results: &Results) -> Vec<MachineId> {
        let with_pods = results.existing.iter().filter(|(_, pods)| !pods.is_empty());
        with_pods.filter_map(|(at, _)| self.sight.entries[*at].machine).collect()
    }

    /// Orders nodes, as far as limits allow. Returns how many orders were given.
    pub(super) fn buy(
        &mut self,
        nodes: &[NewNode],
        command: Option<u64>,
        reason: &'static str,
        (seen, orders): (&Seen<'_>, &mut Vec<Order>),
    ) -> usize {
        let mut is_over: BTreeSet<usize> = BTreeSet::new();
        for pool in nodes.iter().map(|node| node.pool).collect::<BTreeSet<usize>>() {
            let of_pool = &self.environment.pools[pool].0;
            if !of_pool.limits.is_empty() && of_pool.is_over_limits(&sight::usage(&self.sight, of_pool)) {
                is_over.insert(pool);
            }
        }
        let mut bought = 0;
        for node in nodes.iter().filter(|node| !is_over.contains(&node.pool)) {
            let offers = self.market.launch(node, &self.environment, |offer| seen.view.usd_per_hour(offer));
            if !offers.is_empty() {
                self.placed.push_back(Placed {
                    group: self.groups[node.pool],
                    offers: offers.clone(),
                    command,
                    at: seen.now(),
                });
                bought += 1;
                orders.push(Order { action: Action::Buy { offers, count: 1 }, reason });
            }
        }
        bought
    }
}

/// Pods as a batch has them.
pub(super) fn batch_pods(seen: &Seen<'_>, pods: &[(PodId, Option<usize>)]) -> Vec<BatchPod> {
    let columns = &seen.view.world.pods;
    let batch_pod = |(pod, node): &(PodId, Option<usize>)| BatchPod {
        class: columns.class[pod.index()].index(),
        created_s: (columns.arrival[pod.index()].0 / 1_000_000_000) as i64,
        uid: u64::from(pod.0),
        node: *node,
    };
    pods.iter().map(batch_pod).collect()
}
