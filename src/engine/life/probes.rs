//! Probes, as the prober's workers count them (`prober/worker.go`, `prober_manager.go`).

use super::{Driver, SECOND};
use crate::model::controllers::Probe;
use crate::units::SimTime;
use crate::world::lives::{ContainerState, Running, Status, Stop};

/// Positions in [`ContainerState::probes`].
const STARTUP: usize = 0;
const READINESS: usize = 1;
const LIVENESS: usize = 2;

/// The first tick later than `after` at which the container has run for the initial delay.
fn next_tick(anchor: SimTime, probe: &Probe, running: &Running, after: SimTime) -> SimTime {
    let period = probe.period.0.max(SECOND.0);
    let earliest = (after.0 + 1).max(running.since.after(probe.initial_delay).0);
    SimTime(anchor.0 + earliest.saturating_sub(anchor.0).div_ceil(period) * period)
}

impl Driver<'_> {
    fn probe(&self, index: usize, kind: usize) -> Option<Probe> {
        let probes = &self.rules.container(index).probes;
        [probes.startup, probes.readiness, probes.liveness][kind]
    }

    /// A new container is probed: what was found of the one before is forgotten, the counts are not.
    pub(super) fn arm_probes(&mut self, index: usize) {
        for kind in [STARTUP, LIVENESS] {
            self.life.containers[index].probes[kind].is_on_hold = false;
            self.arm(index, kind);
        }
        // The change of status that the start is will ask it.
        self.life.containers[index].probes[READINESS].next = SimTime::NEVER;
    }

    /// Sets the next tick of a probe that may change something.
    fn arm(&mut self, index: usize, kind: usize) {
        let now = self.now;
        let probe = self.probe(index, kind);
        let is_ending = self.life.termination.is_some();
        let container = &mut self.life.containers[index];
        let next = match (probe, container.status) {
            (Some(probe), Status::Running(running)) if !is_idle(container, kind, running, now, is_ending) => {
                next_tick(container.probes[kind].anchor, &probe, &running, now)
            }
            _ => SimTime::NEVER,
        };
        container.probes[kind].next = next;
    }

    /// Asks the probes whose tick is due.
    pub(super) fn tick_due(&mut self) {
        for index in 0..self.life.containers.len() {
            for kind in [STARTUP, READINESS, LIVENESS] {
                if self.life.containers[index].probes[kind].next <= self.now {
                    self.ask(index, kind);
                }
            }
        }
    }

    /// Asks the readiness probes of containers that have started and are not ready: upstream does so whenever it
    /// generates the pod's status. They tick from here on.
    pub(super) fn probe_the_unready(&mut self) {
        let now = self.now;
        for index in 0..self.life.containers.len() {
            let Some(probe) = self.probe(index, READINESS) else { continue };
            let container = &mut self.life.containers[index];
            let Status::Running(running) = container.status else { continue };
            let is_waited_for = container.is_started && !container.is_ready;
            let state = &mut container.probes[READINESS];
            if is_waited_for && (state.anchor != now || state.next == SimTime::NEVER) {
                state.anchor = now;
                if now >= running.since.after(probe.initial_delay) {
                    self.ask(index, READINESS);
                } else {
                    self.arm(index, READINESS);
                }
            }
        }
    }

    /// One probe.
    fn ask(&mut self, index: usize, kind: usize) {
        let now = self.now;
        let Some(probe) = self.probe(index, kind) else { return };
        let is_ending = self.life.termination.is_some();
        let container = &mut self.life.containers[index];
        let running = match container.status {
            Status::Running(running) if !is_idle(container, kind, running, now, is_ending) => running,
            _ => {
                container.probes[kind].next = SimTime::NEVER;
                return;
            }
        };
        let succeeded = now >= running.works_at;
        let state = &mut container.probes[kind];
        state.run = if state.last_succeeded == succeeded { state.run.saturating_add(1) } else { 1 };
        state.last_succeeded = succeeded;
        let threshold = if succeeded { probe.success_threshold } else { probe.failure_threshold };
        if state.run >= threshold {
            if kind == STARTUP || kind == LIVENESS && !succeeded {
                state.is_on_hold = true;
                state.run = 0;
            }
            self.note_result(index, kind, succeeded);
        }
        self.arm(index, kind);
    }

    /// A probe's result counts.
    fn note_result(&mut self, index: usize, kind: usize, succeeded: bool) {
        let container = &mut self.life.containers[index];
        match (kind, succeeded) {
            (READINESS, _) => {
                self.has_changed |= container.is_ready != succeeded;
                container.is_ready = succeeded;
            }
            (STARTUP, true) => {
                container.is_started = true;
                container.is_ready = self.rules.container(index).probes.readiness.is_none();
                self.has_changed = true;
                self.arm(index, LIVENESS);
            }
            (LIVENESS, true) => {}
            (_, _) => {
                let own = self.probe(index, kind).and_then(|probe| probe.grace_period);
                self.stop(index, Stop::ByProbe, own.unwrap_or(self.rules.template.grace_period), self.now);
            }
        }
    }
}

/// Whether asking the probe would change nothing from now on, until the container changes.
fn is_idle(container: &ContainerState, kind: usize, running: Running, now: SimTime, is_ending: bool) -> bool {
    let state = &container.probes[kind];
    let works = now >= running.works_at;
    match kind {
        STARTUP => state.is_on_hold || is_ending || running.stop != Stop::No,
        READINESS => !container.is_started || container.is_ready && works,
        _ => {
            let is_watched = container.is_started && !state.is_on_hold && !is_ending && running.stop == Stop::No;
            !is_watched || works && state.last_succeeded
        }
    }
}
