//! The life of a pod on its node, after kubelet v1.37.0 (`pkg/kubelet`: `kuberuntime`, `prober`, `status`): a state
//! machine that only time, images and the word of the API server move on.
//!
//! Whoever drives it calls [`begin`] when the pod is bound, then [`Driver::wake`] at [`Life::wake_at`], and the other
//! methods of [`Driver`] when they have something to tell; each call does everything that is due, and reports what the
//! driver has to do. Between calls nothing changes: a container that works and is ready costs no events, because what
//! its probes would find is known.
//!
//! What is taken over from the kubelet:
//! - Init containers one after the other; a sidecar lets the next one start when it has started (its startup probe, if
//!   it has one, has succeeded). Containers are started in order, one image after the other, as `SyncPod` does.
//! - The prober ticks every period from the instant the kubelet was told of the pod, not from the container's start; a
//!   readiness probe is also asked whenever the pod changes while it is not ready, and ticks from there. Counts of
//!   results in a row outlive restarts.
//! - A container that ended is started again at once the first time; then it waits 10 s, twice as long each time, at
//!   most 300 s, counted from its end. A run of more than 600 s, or that span since the last start, clears the record.
//!   A container that was killed for a probe waits as if it had ended when it ended the time before.
//! - A pod that ends stops its containers at once, its sidecars when all others and the sidecars after them have ended,
//!   or when the grace period is over; the hooks `preStop` of all begin at once; each container has what its hook leaves
//!   of the grace period, in whole seconds and at least 2 s, before it is killed. A container that fails a probe has the
//!   grace period of that probe, if it has one.
//! - Exit codes of containers that are stopped: 0 of one that serves until it is stopped, 143 of one whose work is cut
//!   short or that failed a probe, 137 of one that is killed.
//!
//! Where it is simpler: the kubelet notices changes at once (upstream lists containers every second); no resync every
//! minute; probes answer at once, whatever their timeout; killing one container does not hold up the start of another;
//! restart rules of containers are not looked at. All of it is ideal, as the control plane is by default.
//!
//! Cost: O(containers of the pod) a call.

mod containers;
mod probes;
mod termination;
#[cfg(test)]
mod tests;

use crate::model::controllers::{Container, PodLife, PullPolicy};
use crate::rng::{Seed, split_mix};
use crate::units::{SimDuration, SimTime};
use crate::world::lives::{Life, PodPhase, Status, Stop};

/// Exit code of a container that was killed for memory (128 + `SIGKILL`).
const OOM_KILLED: i32 = 137;
/// A second.
const SECOND: SimDuration = SimDuration(1_000_000_000);

/// What a pod's life depends on and what does not change in it.
#[derive(Clone, Copy, Debug)]
pub struct Rules<'a> {
    /// What its containers are and do.
    pub template: &'a PodLife,
    /// Seed of the run.
    pub seed: Seed,
    /// What tells the pod from all others, the same whatever policies decide: key of its random streams.
    pub identity: u64,
    /// Whether images cost no time and are never asked for.
    pub images_are_ideal: bool,
}

/// What changed, and what the driver has to do. The pod is to be woken at [`Life::wake_at`] in any case.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[must_use]
pub struct Report {
    /// Whether [`Life::ready_since`] changed.
    pub readiness_changed: bool,
    /// Whether [`Life::phase`] changed; when it is final, the pod is over.
    pub phase_changed: bool,
    /// The image that the pod waits for from now on: [`Driver::image_ready`] or [`Driver::image_failed`] answers.
    pub pull: Option<Pull>,
}

/// A wish for an image.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pull {
    /// The image, as a position among the model's images.
    pub image: u32,
    /// When it is asked for.
    pub policy: PullPolicy,
}

impl<'a> Rules<'a> {
    /// The container with that position in [`Life::containers`].
    pub(in crate::engine) fn container(&self, index: usize) -> &'a Container {
        let inits = self.template.init_containers.len();
        match index.checked_sub(inits) {
            None => &self.template.init_containers[index],
            Some(index) => &self.template.containers[index],
        }
    }

    /// The key of the random streams of a container in its how-many-th run.
    pub(in crate::engine) fn key(&self, index: usize, run: u32) -> u64 {
        split_mix(self.identity) ^ split_mix((index as u64) << 32 | u64::from(run))
    }
}

/// Begins the life of a pod that was bound now. `saved` is the work that a pod in whose place it stands did up to its
/// last checkpoints, by container ([`Life::saved_work`]), or empty.
pub fn begin(rules: Rules<'_>, now: SimTime, saved: &[SimDuration]) -> (Life, Report) {
    let mut life = Life::new(rules.template, now, saved);
    let report = Driver::new(rules, &mut life, now).begin();
    (life, report)
}

/// Moves one life on, at one instant.
#[derive(Debug)]
pub struct Driver<'a> {
    rules: Rules<'a>,
    life: &'a mut Life,
    now: SimTime,
    /// Whether something changed that upstream would generate a new status for: not yet ready containers are then
    /// probed.
    has_changed: bool,
    report: Report,
}

impl<'a> Driver<'a> {
    /// A driver of that life, now.
    pub fn new(rules: Rules<'a>, life: &'a mut Life, now: SimTime) -> Driver<'a> {
        Driver { rules, life, now, has_changed: false, report: Report::default() }
    }

    fn begin(self) -> Report {
        let sandbox_start = self.draw("life/sandbox", 0, 0, &self.rules.template.sandbox_start);
        self.life.sandbox_at = self.now.after(sandbox_start);
        self.settle()
    }

    /// Does what is due now.
    pub fn wake(self) -> Report {
        self.settle()
    }

    /// The image that the pod waited for is there.
    pub fn image_ready(mut self) -> Report {
        if self.life.is_pulling {
            self.life.is_pulling = false;
            let index = self.life.starts.pop_front().expect("who waits for an image is the first to be started");
            self.life.containers[index].image_back_off = None;
            self.start(index);
        }
        self.settle()
    }

    /// The image that the pod waited for cannot be had (`ErrImagePull`, `ErrImageNeverPull`).
    pub fn image_failed(mut self) -> Report {
        if self.life.is_pulling {
            self.life.is_pulling = false;
            let index = self.life.starts.pop_front().expect("who waits for an image is the first to be started");
            self.back_off_from_image(index);
        }
        self.settle()
    }

    /// A container ends now of itself, with that exit code: its work is done, a crash, or 137 where it used too much memory. `index` is
    /// its position in [`Life::containers`]. Without effect where it does not run.
    pub fn crash(self, index: usize, exit_code: i32) -> Report {
        if let Status::Running(running) = &mut self.life.containers[index].status {
            running.ends_at = self.now;
            running.exit_code = exit_code;
        }
        self.settle()
    }

    /// A container is killed because it, or its node, has no memory left.
    pub fn oom_kill(self, index: usize) -> Report {
        if let Status::Running(running) = &mut self.life.containers[index].status {
            running.is_oom_killed = true;
        }
        self.crash(index, OOM_KILLED)
    }

    /// The container at `index` works at another speed from now on, as a share of full speed, 0 to 1. What it does before it
    /// works, and how long it takes to end once it is told to, does not change.
    pub fn pace(self, index: usize, speed: f64) -> Report {
        if let Status::Running(running) = &mut self.life.containers[index].status {
            running.progress.change_speed(self.now, speed);
            if running.stop == Stop::No {
                running.ends_at = running.progress.end();
            }
        }
        self.settle()
    }

    /// The container at `index` is stopped and started again, because it has other resources now. Without effect where it does not
    /// run, or has been told to end.
    pub fn restart_for_resize(mut self, index: usize) -> Report {
        let running = self.life.containers[index].running();
        if self.life.termination.is_none() && running.is_some_and(|running| running.stop == Stop::No) {
            self.stop(index, Stop::ForResize, self.rules.template.grace_period, self.now);
        }
        self.settle()
    }

    /// The pod is told to end, with that long to do so. Told again, it may end sooner, not later.
    pub fn terminate(mut self, grace: SimDuration) -> Report {
        self.begin_termination(grace);
        self.settle()
    }

    /// The node is gone, and the pod with it: what its containers did since their last checkpoints is lost.
    pub fn abandon(mut self) {
        for index in 0..self.life.containers.len() {
            if let Status::Running(running) = self.life.containers[index].status {
                self.save_work(index, running);
            }
        }
        self.life.phase = PodPhase::Failed;
        self.life.ready_since = None;
        self.life.wake_at = SimTime::NEVER;
    }

    /// Does everything that is due, until nothing is.
    fn settle(mut self) -> Report {
        let had_phase = self.life.phase;
        let was_ready = self.life.ready_since;
        if !self.life.is_over() && self.now >= self.life.sandbox_at {
            loop {
                self.has_changed = false;
                self.end_due();
                self.tick_due();
                self.restart_due();
                self.initialise();
                self.start_next();
                self.stop_sidecars_due();
                self.note_status();
                if !self.has_changed {
                    break;
                }
                self.probe_the_unready();
            }
        } else if self.life.termination.is_some() {
            // Told to end before its sandbox was there.
            self.note_status();
        }
        self.life.wake_at = self.next_instant();
        self.report.phase_changed = self.life.phase != had_phase;
        self.report.readiness_changed = self.life.ready_since != was_ready;
        self.report
    }

    /// Works out phase and readiness from the containers (`getPhase`, `GenerateContainersReadyCondition`).
    fn note_status(&mut self) {
        let life = &mut *self.life;
        let (inits, mains) = life.containers.split_at(life.init_count);
        let runs = |status: &Status| matches!(status, Status::Running(_));
        let nothing_runs = !life.containers.iter().any(|container| runs(&container.status));
        let has_begun = mains.iter().all(|container| runs(&container.status) || container.last_end.is_some());
        if life.termination.is_some() && nothing_runs {
            let ended_well = mains.iter().all(|container| container.last_end.is_some_and(|end| end.exit_code == 0));
            life.phase = if ended_well { PodPhase::Succeeded } else { PodPhase::Failed };
        } else if life.phase == PodPhase::Pending && has_begun {
            life.phase = PodPhase::Running;
            life.started = Some(self.now);
        }
        let sidecars = inits.iter().filter(|container| container.is_sidecar);
        let is_ready = !life.phase.is_finished() && mains.iter().chain(sidecars).all(|container| container.is_ready);
        if is_ready != life.ready_since.is_some() {
            life.ready_since = is_ready.then_some(self.now);
        }
    }

    /// When something happens next by itself.
    fn next_instant(&self) -> SimTime {
        if self.life.is_over() {
            return SimTime::NEVER;
        }
        if self.now < self.life.sandbox_at {
            return self.life.sandbox_at;
        }
        let mut next = self.next_sidecar_stop();
        for container in &self.life.containers {
            next = next.min(match container.status {
                Status::Waiting | Status::Terminated => SimTime::NEVER,
                Status::CrashLoopBackOff(until) | Status::ImagePullBackOff(until) => until,
                Status::Running(running) => {
                    container.probes.iter().map(|probe| probe.next).fold(running.ends_at, SimTime::min)
                }
            });
        }
        next
    }
}
