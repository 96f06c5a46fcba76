//! Containers start, end and are started again.

use super::{Driver, Pull, SECOND};
use crate::model::Dist;
use crate::model::controllers::RestartPolicy;
use crate::units::{SimDuration, SimTime};
use crate::world::lives::{BackOff, End, Progress, Running, Status, Stop};

/// The first wait of a back-off (`initialCrashLoopBackOff`, `imageBackOffPeriod`).
const BACK_OFF_MIN: SimDuration = SimDuration(10 * SECOND.0);
/// The longest wait of a back-off (`MaxCrashLoopBackOff`, `MaxImageBackOff`).
const BACK_OFF_MAX: SimDuration = SimDuration(300 * SECOND.0);
/// After how long a back-off is forgotten (`HasExpiredFunc` of containers; twice the longest wait of images).
const BACK_OFF_MEMORY: SimDuration = SimDuration(600 * SECOND.0);

impl BackOff {
    /// The record after one more attempt.
    fn next(previous: Option<BackOff>, now: SimTime) -> BackOff {
        let span = previous.map_or(BACK_OFF_MIN, |record| SimDuration((record.span.0 * 2).min(BACK_OFF_MAX.0)));
        BackOff { span, updated: now }
    }
}

impl Driver<'_> {
    /// A span of this pod: of its container at `index` in its how-many-th run.
    pub(super) fn draw(&self, stream: &str, index: usize, run: u32, dist: &Dist) -> SimDuration {
        match dist {
            Dist::Constant(span) => *span,
            _ => dist.sample(&mut self.rules.seed.stream(stream, self.rules.key(index, run))),
        }
    }

    /// The exit code that the container will end its run with.
    fn draw_exit_code(&self, index: usize, run: u32) -> i32 {
        let codes = &self.rules.container(index).exit_codes;
        match codes[..] {
            [] => 0,
            [(code, _)] => code,
            [.., (last, _)] => {
                let total: f64 = codes.iter().map(|(_, weight)| weight).sum();
                let mut left = self.rules.seed.stream("life/exit-code", self.rules.key(index, run)).unit() * total;
                for &(code, weight) in codes {
                    if left < weight {
                        return code;
                    }
                    left -= weight;
                }
                last
            }
        }
    }

    /// Containers whose end has come, in order.
    pub(super) fn end_due(&mut self) {
        for index in 0..self.life.containers.len() {
            if let Status::Running(running) = self.life.containers[index].status
                && running.ends_at <= self.now
            {
                self.end(index, running);
            }
        }
    }

    fn end(&mut self, index: usize, running: Running) {
        self.save_work(index, running);
        let now = self.now;
        let container = &mut self.life.containers[index];
        let end_before = container.last_end;
        let Running { since, exit_code, is_oom_killed, .. } = running;
        container.last_end = Some(End { started: since, at: now, exit_code, is_oom_killed });
        container.waits_from = Some(now);
        container.status = Status::Terminated;
        container.is_started = false;
        container.is_ready = false;
        self.has_changed = true;
        if self.life.termination.is_some() {
            return;
        }
        let was_killed = matches!(running.stop, Stop::ByProbe | Stop::ForResize);
        if self.is_restarted(index, running.exit_code, was_killed) {
            let container = &mut self.life.containers[index];
            container.status = Status::Waiting;
            if was_killed {
                // Upstream decides within the same sync, by the status from before: it knows the end before only.
                container.waits_from = end_before.map(|end| end.at);
            }
            self.life.starts.push_back(index);
        } else if index < self.life.init_count && running.exit_code != 0 || self.mains_are_done() {
            self.begin_termination(self.rules.template.grace_period);
        }
    }

    /// Notes the work up to the last checkpoint before the run ended.
    pub(super) fn save_work(&mut self, index: usize, running: Running) {
        let Some(every) = self.rules.container(index).checkpoint_every.filter(|every| every.0 > 0) else { return };
        let worked = running.progress.done_by(self.now);
        // A run that fails at its very end has not written what it would have written then.
        let whole = worked.0.saturating_sub(1) / every.0 * every.0;
        self.life.containers[index].saved += SimDuration(whole);
    }

    /// Whether a container that ended is started again (`ShouldContainerBeRestarted`, `computeInitContainerActions`).
    fn is_restarted(&self, index: usize, exit_code: i32, was_killed: bool) -> bool {
        let container = &self.life.containers[index];
        let is_init = index < self.life.init_count;
        match self.rules.template.restart_policy {
            _ if container.is_sidecar => true,
            RestartPolicy::Never => false,
            _ if is_init => exit_code != 0,
            _ if was_killed => true,
            RestartPolicy::OnFailure => exit_code != 0,
            RestartPolicy::Always => true,
        }
    }

    /// Whether no container runs, waits or will be started again, sidecars aside.
    fn mains_are_done(&self) -> bool {
        self.life.containers[self.life.init_count..].iter().all(|container| container.status == Status::Terminated)
    }

    /// Containers whose waiting is over.
    pub(super) fn restart_due(&mut self) {
        for index in 0..self.life.containers.len() {
            let container = &mut self.life.containers[index];
            if let Status::CrashLoopBackOff(until) | Status::ImagePullBackOff(until) = container.status
                && until <= self.now
            {
                container.status = Status::Waiting;
                self.life.starts.push_back(index);
                self.has_changed = true;
            }
        }
    }

    /// Lets the next init container start when the one before has done its part, and the containers after the last.
    pub(super) fn initialise(&mut self) {
        let life = &mut *self.life;
        while life.termination.is_none() && !life.is_initialised {
            let index = life.initialised;
            if index == life.init_count {
                life.is_initialised = true;
                life.starts.extend(index..life.containers.len());
                self.has_changed = true;
                return;
            }
            let container = &life.containers[index];
            match container.status {
                Status::Running(_) if container.is_sidecar && container.is_started => life.initialised += 1,
                Status::Terminated => life.initialised += 1,
                Status::Waiting if container.last_end.is_none() && !life.starts.contains(&index) => {
                    life.starts.push_back(index);
                    self.has_changed = true;
                    return;
                }
                _ => return,
            }
        }
    }

    /// Starts containers until one has to wait for its image.
    pub(super) fn start_next(&mut self) {
        while !self.life.is_pulling
            && let Some(&index) = self.life.starts.front()
        {
            self.has_changed = true;
            if self.must_back_off(index) {
                self.life.starts.pop_front();
                continue;
            }
            let container = self.rules.container(index);
            match container.image.filter(|_| !self.rules.images_are_ideal) {
                Some(image) => {
                    self.life.is_pulling = true;
                    self.report.pull = Some(Pull { image, policy: container.pull_policy });
                }
                None => {
                    self.life.starts.pop_front();
                    self.start(index);
                }
            }
        }
    }

    /// Whether the container has to wait before it is started again; if not, the record grows (`doBackOff`).
    fn must_back_off(&mut self, index: usize) -> bool {
        let now = self.now;
        let container = &mut self.life.containers[index];
        let Some(from) = container.waits_from else { return false };
        let is_known = |record: &BackOff, at: SimTime| at.0.saturating_sub(record.updated.0) <= BACK_OFF_MEMORY.0;
        let record = container.crash_back_off.filter(|record| is_known(record, from));
        if let Some(record) = record
            && now < from.after(record.span)
        {
            // The next sync counts from the latest end; housekeeping forgets the record after its time.
            let from = container.last_end.map_or(from, |end| end.at);
            container.waits_from = Some(from);
            let until = from.after(record.span).min(record.updated.after(BACK_OFF_MEMORY));
            if now < until {
                container.status = Status::CrashLoopBackOff(until);
                return true;
            }
        }
        let record = record.filter(|record| now < record.updated.after(BACK_OFF_MEMORY));
        container.crash_back_off = Some(BackOff::next(record, now));
        false
    }

    /// Waits before the image is asked for again.
    pub(super) fn back_off_from_image(&mut self, index: usize) {
        let now = self.now;
        let container = &mut self.life.containers[index];
        let record = container.image_back_off.filter(|record| now <= record.updated.after(BACK_OFF_MEMORY));
        let record = BackOff::next(record, now);
        container.image_back_off = Some(record);
        container.status = Status::ImagePullBackOff(now.after(record.span));
        self.has_changed = true;
    }

    /// The container runs.
    pub(super) fn start(&mut self, index: usize) {
        let now = self.now;
        let container = self.rules.container(index);
        if self.life.containers[index].last_end.is_some() {
            self.life.containers[index].restarts += 1;
        }
        let run = self.life.containers[index].restarts;
        let works_at = now.after(self.draw("life/start-up", index, run, &container.start_up));
        let (work, exit_code) = match &container.run_time {
            None => (None, 0),
            Some(dist) => {
                // Work that is kept is the same work in every run.
                let drawn_in = if container.checkpoint_every.is_some() { 0 } else { run };
                let work = self.draw("life/run-time", index, drawn_in, dist);
                let left = SimDuration(work.0.saturating_sub(self.life.containers[index].saved.0));
                (Some(left), self.draw_exit_code(index, run))
            }
        };
        let progress = Progress { work, done: SimDuration::ZERO, from: works_at, speed: 1.0 };
        let has_startup_probe = container.probes.startup.is_some();
        let state = &mut self.life.containers[index];
        state.status = Status::Running(Running {
            since: now,
            works_at,
            ends_at: progress.end(),
            exit_code,
            stop: Stop::No,
            progress,
            is_oom_killed: false,
            serves: false,
            held_end: None,
        });
        state.is_started = !has_startup_probe;
        state.is_ready = !has_startup_probe && container.probes.readiness.is_none();
        self.has_changed = true;
        self.arm_probes(index);
    }
}
