//! Watches one pod through a run.

use crate::ids::{NodeId, PodId};
use crate::observe::Observer;
use crate::policy::scheduler::kube::Nomination;
use crate::policy::scheduler::{Decision, Explanation, Placement, explanation};
use crate::units::SimTime;
use crate::world::View;
use crate::world::pods::Reason;

/// Which attempt is to be explained.
#[derive(Clone, Copy, Debug)]
pub(super) enum Wanted {
    /// The last one.
    Last,
    /// The last one up to then.
    UpTo(SimTime),
    /// The one with this number, from 1.
    Attempt(usize),
}

/// One attempt to place the pod.
#[derive(Debug)]
pub(super) struct Attempt {
    pub(super) time: SimTime,
    pub(super) placement: Option<Placement>,
    /// Why there is none.
    pub(super) message: String,
    /// What was promised to it.
    pub(super) nomination: Option<Nomination>,
}

/// The pod lost its node.
#[derive(Debug)]
pub(super) struct Loss {
    pub(super) time: SimTime,
    pub(super) node: Option<NodeId>,
    pub(super) reason: Reason,
    /// The pod that it made room for.
    pub(super) preemptor: Option<PodId>,
}

/// What became of the pod, and the explanation of one attempt.
#[derive(Debug)]
pub(super) struct Story<'w> {
    pub(super) pod: PodId,
    pub(super) attempts: &'w [Attempt],
    pub(super) losses: &'w [Loss],
    /// Number of the attempt that is explained, from 0, and what was seen.
    pub(super) shown: Option<(usize, &'w Explanation)>,
    pub(super) asked_for: Wanted,
}

/// Watches one pod. Keeps all its attempts, and the explanation of one.
#[derive(Debug)]
pub(super) struct Watcher {
    origin: (u16, u32),
    wanted: Wanted,
    pub(super) pod: Option<PodId>,
    attempts: Vec<Attempt>,
    losses: Vec<Loss>,
    fresh: Option<Explanation>,
    kept: Option<(usize, Explanation)>,
    preemption: Option<(PodId, Nomination)>,
}

impl Watcher {
    /// Watches the pod of that origin; keeps the explanation of the attempt that is wanted.
    pub(super) fn new(origin: (u16, u32), wanted: Wanted) -> Watcher {
        Watcher {
            origin,
            wanted,
            pod: None,
            attempts: Vec::new(),
            losses: Vec::new(),
            fresh: None,
            kept: None,
            preemption: None,
        }
    }

    pub(super) fn story(&self, pod: PodId) -> Story<'_> {
        let shown = self.kept.as_ref().map(|(number, explanation)| (*number, explanation));
        Story { pod, attempts: &self.attempts, losses: &self.losses, shown, asked_for: self.wanted }
    }
}

impl Observer for Watcher {
    fn pod_arrived(&mut self, view: &View<'_>, pod: PodId) {
        if view.world.pods.origin[pod.index()] == self.origin {
            self.pod = Some(pod);
        }
    }

    fn wants_explanation(&self, _: &View<'_>, pod: PodId) -> bool {
        self.pod == Some(pod)
    }

    fn explained(&mut self, _: &View<'_>, _: PodId, explanation: &Explanation) {
        self.fresh = Some(explanation.clone());
    }

    fn decided(&mut self, view: &View<'_>, pod: PodId, decision: &Decision) {
        if self.pod != Some(pod) {
            return;
        }
        // Pods that wait together with others of their class are not asked about one by one.
        let seen = || explanation::of_filters(view, view.world.pods.class[pod.index()]);
        let explanation = self.fresh.take().unwrap_or_else(seen);
        let placement = match decision {
            Decision::Place(placement) => Some(*placement),
            Decision::Unschedulable => None,
        };
        let message = explanation.message.clone();
        self.attempts.push(Attempt { time: view.world.time, placement, message, nomination: None });
        let is_wanted = match self.wanted {
            Wanted::Last => true,
            Wanted::UpTo(time) => view.world.time <= time,
            Wanted::Attempt(number) => number == self.attempts.len(),
        };
        if is_wanted {
            self.kept = Some((self.attempts.len() - 1, explanation));
        }
    }

    fn nominated(&mut self, _: &View<'_>, pod: PodId, nomination: &Nomination) {
        if self.pod == Some(pod)
            && let Some(attempt) = self.attempts.last_mut()
        {
            attempt.nomination = Some(nomination.clone());
        }
        self.preemption = Some((pod, nomination.clone()));
    }

    fn pod_evicted(&mut self, view: &View<'_>, pod: PodId) {
        if self.pod != Some(pod) {
            return;
        }
        let node = view.world.pods.node(pod);
        let by = self.preemption.as_ref().filter(|(_, nomination)| nomination.victims.contains(&pod));
        let preemptor = by.filter(|(_, nomination)| Some(nomination.node) == node).map(|(preemptor, _)| *preemptor);
        let reason = if preemptor.is_some() { Reason::Preempted } else { Reason::None };
        self.losses.push(Loss { time: view.world.time, node, reason, preemptor });
    }

    fn event_handled(&mut self, view: &View<'_>) {
        // Preemptions are over with the event, and the world then says why else the pod lost its node.
        self.preemption = None;
        if let (Some(pod), Some(loss)) = (self.pod, self.losses.last_mut())
            && loss.reason == Reason::None
        {
            loss.reason = view.world.pods.reason[pod.index()];
        }
    }
}
