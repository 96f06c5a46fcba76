//! Containers are stopped, and pods end (`killContainer`, `terminationOrdering`).

use super::{Driver, Report, SECOND};
use crate::units::{SimDuration, SimTime};
use crate::world::lives::{HeldEnd, Status, Stop, Termination};

/// The shortest time a container has to end, whatever is left of the grace period (`minimumGracePeriodInSeconds`).
const GRACE_MIN: SimDuration = SimDuration(2 * SECOND.0);
/// Exit code of a container that was killed (128 + `SIGKILL`).
const KILLED: i32 = 137;
/// Exit code of a container that was told to end before its time (128 + `SIGTERM`).
const TERMINATED: i32 = 143;

/// Grace periods are counted in whole seconds, and what is taken off them is cut.
fn whole_seconds(span: SimDuration) -> u64 {
    span.0 / SECOND.0 * SECOND.0
}

impl Driver<'_> {
    /// Tells a container to end within `grace` from `since` on, when its hook began.
    pub(super) fn stop(&mut self, index: usize, why: Stop, grace: SimDuration, since: SimTime) {
        let container = self.rules.container(index);
        let run = self.life.containers[index].restarts;
        let hook = self.draw("life/pre-stop", index, run, &container.pre_stop).min(grace);
        let shut_down = self.draw("life/shut-down", index, run, &container.shut_down);
        let hook_end = since.after(hook);
        let waited = SimDuration(self.now.0.saturating_sub(hook_end.0));
        let left = grace.0.saturating_sub(whole_seconds(hook) + whole_seconds(waited));
        let left = SimDuration(left).max(GRACE_MIN);
        let end = self.now.max(hook_end).after(shut_down.min(left));
        let Status::Running(running) = &mut self.life.containers[index].status else { return };
        running.stop = why;
        if running.serves && why == Stop::WithPod && running.held_end.is_none() {
            // It lives on until its requests are answered.
            running.held_end = Some(HeldEnd { told_at: self.now.max(hook_end), ends_at: end, exit_code: 0 });
            (running.ends_at, running.exit_code) = (self.now.max(hook_end).after(left), KILLED);
            self.has_changed = true;
            return;
        }
        // A container whose work is done before that ends as it would have.
        if end < running.ends_at {
            running.ends_at = end;
            running.exit_code = match () {
                () if shut_down > left => KILLED,
                () if why == Stop::WithPod && container.run_time.is_none() => 0,
                () => TERMINATED,
            };
        }
        self.has_changed = true;
    }

    /// The pod ends: nothing is started any more, and what runs is told to end.
    pub(super) fn begin_termination(&mut self, grace: SimDuration) {
        if self.life.is_over() {
            return;
        }
        if let Some(termination) = self.life.termination {
            self.shorten(termination, grace);
            return;
        }
        self.life.termination = Some(Termination { since: self.now, grace });
        self.life.starts.clear();
        self.life.is_pulling = false;
        for index in 0..self.life.containers.len() {
            let container = &mut self.life.containers[index];
            match container.status {
                Status::Running(_) if !container.is_sidecar => self.stop(index, Stop::WithPod, grace, self.now),
                Status::CrashLoopBackOff(_) => container.status = Status::Terminated,
                Status::ImagePullBackOff(_) => container.status = Status::Waiting,
                _ => {}
            }
        }
        self.has_changed = true;
    }

    /// The container at `index` has answered its last request: it ends as it would have, or now.
    pub(in crate::engine) fn release(self, index: usize) -> Report {
        if let Status::Running(running) = &mut self.life.containers[index].status
            && let Some(held) = running.held_end.take()
        {
            let end = held.ends_at.max(self.now).min(running.ends_at);
            (running.ends_at, running.exit_code) = (end, held.exit_code);
        }
        self.settle()
    }

    /// Less time than it was given before.
    fn shorten(&mut self, before: Termination, grace: SimDuration) {
        let end = self.now.after(grace.max(GRACE_MIN));
        if end >= before.since.after(before.grace.max(GRACE_MIN)) {
            return;
        }
        self.life.termination = Some(Termination { since: self.now, grace });
        for container in &mut self.life.containers {
            if let Status::Running(running) = &mut container.status
                && running.stop != Stop::No
                && running.ends_at > end
            {
                running.ends_at = end;
                running.exit_code = KILLED;
            }
        }
        self.has_changed = true;
    }

    /// Whether the sidecar at `index` runs and has not been told to end.
    fn is_waiting_sidecar(&self, index: usize) -> bool {
        let container = &self.life.containers[index];
        container.is_sidecar && container.running().is_some_and(|running| running.stop != Stop::WithPod)
    }

    /// Tells those sidecars to end whose turn has come: all containers and the sidecars after it have ended, or the
    /// grace period is over. Their hooks began when the pod was told to end.
    pub(super) fn stop_sidecars_due(&mut self) {
        let Some(Termination { since, grace }) = self.life.termination else { return };
        for index in (0..self.life.init_count).rev() {
            let others = self.life.containers.iter().enumerate().skip(index + 1);
            let mut before_it = others.filter(|(other, state)| state.is_sidecar || *other >= self.life.init_count);
            let is_its_turn = before_it.all(|(_, state)| state.running().is_none());
            if self.is_waiting_sidecar(index) && (is_its_turn || self.now >= since.after(grace)) {
                self.stop(index, Stop::WithPod, grace, since);
            }
        }
    }

    /// When the grace period of sidecars that wait for their turn is over.
    pub(super) fn next_sidecar_stop(&self) -> SimTime {
        match self.life.termination {
            Some(Termination { since, grace })
                if (0..self.life.init_count).any(|index| self.is_waiting_sidecar(index)) =>
            {
                since.after(grace)
            }
            _ => SimTime::NEVER,
        }
    }
}
