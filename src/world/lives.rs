//! What the containers of a pod are doing, as its kubelet sees it.
//!
//! State only: `engine::life` moves it on. A pod has a life while it is bound to a node and its template says what its
//! containers do; pods of traces, which only run for a given time, have none and cost nothing.
//!
//! Cost: about 300 bytes a container.

use std::collections::VecDeque;

use crate::model::controllers::{Container, PodLife};
use crate::units::{SimDuration, SimTime};

/// `v1.PodPhase`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum PodPhase {
    /// Not all containers have started.
    Pending,
    /// On a node, and started.
    Running,
    /// All containers have ended well.
    Succeeded,
    /// All containers have ended, and one of them badly, or the pod was ended.
    Failed,
}

impl PodPhase {
    /// Whether the pod has ended.
    pub fn is_finished(self) -> bool {
        matches!(self, PodPhase::Succeeded | PodPhase::Failed)
    }
}

/// The life of one pod on its node.
#[derive(Clone, Debug, PartialEq)]
pub struct Life {
    /// Its containers: init containers and sidecars first, then the others, in the order of the template.
    pub containers: Vec<ContainerState>,
    /// How many of them are init containers and sidecars.
    pub init_count: usize,
    /// How many init containers have done their part; the next of them is the one that is under way.
    pub initialised: usize,
    /// Whether all have, and the containers had their turn.
    pub is_initialised: bool,
    /// When the kubelet was told of it.
    pub began: SimTime,
    /// When its sandbox is ready.
    pub sandbox_at: SimTime,
    /// `status.phase`.
    pub phase: PodPhase,
    /// Since when all its containers have been ready (conditions `ContainersReady` and `Ready`); none: they are not.
    pub ready_since: Option<SimTime>,
    /// When it first was `Running`.
    pub started: Option<SimTime>,
    /// Containers that are to be started, one after the other; the first may be waiting for its image.
    pub starts: VecDeque<usize>,
    /// Whether the first of [`Life::starts`] waits for its image.
    pub is_pulling: bool,
    /// How its containers are being ended, once they are.
    pub termination: Option<Termination>,
    /// When something happens next by itself; [`SimTime::NEVER`]: nothing does.
    pub wake_at: SimTime,
    /// When the engine will wake it: its pending event.
    pub event_at: SimTime,
}

/// The end of a pod, once it has begun.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Termination {
    /// When its containers were told to end.
    pub since: SimTime,
    /// How long they have.
    pub grace: SimDuration,
}

/// One container.
#[derive(Clone, Debug, PartialEq)]
pub struct ContainerState {
    /// What it is doing.
    pub status: Status,
    /// Whether it is a sidecar.
    pub is_sidecar: bool,
    /// `restartCount`.
    pub restarts: u32,
    /// How it ended last; none: never.
    pub last_end: Option<End>,
    /// The end that waiting before the next start is counted from.
    pub waits_from: Option<SimTime>,
    /// Waiting before starts.
    pub crash_back_off: Option<BackOff>,
    /// Waiting before pulls of its image.
    pub image_back_off: Option<BackOff>,
    /// Work that is safe at the last checkpoint.
    pub saved: SimDuration,
    /// Whether its startup probe has succeeded or it has none (`started`).
    pub is_started: bool,
    /// `ready`.
    pub is_ready: bool,
    /// The prober's memory of its startup, readiness and liveness probe.
    pub probes: [ProbeState; 3],
}

/// What a container is doing (`state`).
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Status {
    /// Its turn has not come: it has never run, or is about to be started.
    Waiting,
    /// Waits until then after it ended (`CrashLoopBackOff`).
    CrashLoopBackOff(SimTime),
    /// Waits until then after its image could not be pulled (`ImagePullBackOff`).
    ImagePullBackOff(SimTime),
    /// Runs.
    Running(Running),
    /// Has ended, and is not started again as things are.
    Terminated,
}

/// A container that runs.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Running {
    /// Since when.
    pub since: SimTime,
    /// When it works, and its probes succeed.
    pub works_at: SimTime,
    /// When it ends; [`SimTime::NEVER`]: when it is told to.
    pub ends_at: SimTime,
    /// The exit code that it will end with.
    pub exit_code: i32,
    /// Whether it has been told to end.
    pub stop: Stop,
    /// How its work gets on.
    pub progress: Progress,
    /// Whether it ends because it was killed for memory.
    pub is_oom_killed: bool,
    /// Whether it answers requests.
    pub serves: bool,
    /// How it would end if it did not wait for its last requests to be answered.
    pub held_end: Option<HeldEnd>,
}

/// The end of a container that has been told to end and still answers requests.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HeldEnd {
    /// When it is told, after its hook (`SIGTERM`).
    pub told_at: SimTime,
    /// When it would end.
    pub ends_at: SimTime,
    /// Its exit code then.
    pub exit_code: i32,
}

/// How the work of a run gets on.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Progress {
    /// All work of the run, in time at full speed; none: it works until it is stopped.
    pub work: Option<SimDuration>,
    /// Work that is done at `from`.
    pub done: SimDuration,
    /// From when on `speed` holds.
    pub from: SimTime,
    /// How much of the work is done in a span of time, as a share of the span, 0 to 1.
    pub speed: f64,
}

impl Progress {
    /// Work that is done by then.
    pub fn done_by(&self, instant: SimTime) -> SimDuration {
        let span = instant.0.saturating_sub(self.from.0);
        let more = if self.speed >= 1.0 { span } else { (span as f64 * self.speed).round() as u64 };
        SimDuration(self.done.0.saturating_add(more))
    }

    /// When all work is done, at the present speed.
    pub fn end(&self) -> SimTime {
        let Some(work) = self.work else { return SimTime::NEVER };
        let left = work.0.saturating_sub(self.done.0);
        let span = if self.speed >= 1.0 { left } else { (left as f64 / self.speed).round() as u64 };
        self.from.after(SimDuration(span))
    }

    /// Goes on at another speed from now on.
    pub fn change_speed(&mut self, now: SimTime, speed: f64) {
        (self.done, self.from, self.speed) = (self.done_by(now), self.from.max(now), speed);
    }
}

/// Whether a container that runs has been told to end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stop {
    /// It has not.
    No,
    /// It failed its liveness or startup probe, and is started again when it has ended.
    ByProbe,
    /// It gets other resources, which its `resizePolicy` wants it to be started again for.
    ForResize,
    /// Its pod ends.
    WithPod,
}

/// How a container ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct End {
    /// When it had started (`startedAt`).
    pub started: SimTime,
    /// When (`finishedAt`).
    pub at: SimTime,
    /// `exitCode`.
    pub exit_code: i32,
    /// Whether it was killed for memory (`reason: OOMKilled`).
    pub is_oom_killed: bool,
}

/// An exponential back-off (`flowcontrol.Backoff`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BackOff {
    /// How long to wait.
    pub span: SimDuration,
    /// When it was last set.
    pub updated: SimTime,
}

/// What the prober remembers of one probe of one container, across its restarts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ProbeState {
    /// An instant of the prober's ticker: it ticks a whole number of periods later.
    pub anchor: SimTime,
    /// The next tick that may change something; [`SimTime::NEVER`]: none would.
    pub next: SimTime,
    /// How often in a row the probe had its last result.
    pub run: u32,
    /// Whether the last result was success.
    pub last_succeeded: bool,
    /// Whether it probes no more until the container is started again.
    pub is_on_hold: bool,
}

impl Life {
    /// A life that begins now; `saved` is the work that a pod before it did, by container, or empty.
    pub fn new(template: &PodLife, now: SimTime, saved: &[SimDuration]) -> Life {
        let init_count = template.init_containers.len();
        let probe = ProbeState { anchor: now, next: SimTime::NEVER, run: 0, last_succeeded: true, is_on_hold: false };
        let container = |(index, container): (usize, &Container)| ContainerState {
            status: Status::Waiting,
            is_sidecar: container.is_sidecar,
            restarts: 0,
            last_end: None,
            waits_from: None,
            crash_back_off: None,
            image_back_off: None,
            saved: saved.get(index).copied().unwrap_or_default(),
            is_started: false,
            is_ready: false,
            probes: [probe; 3],
        };
        Life {
            containers: template
                .init_containers
                .iter()
                .chain(&template.containers)
                .enumerate()
                .map(container)
                .collect(),
            init_count,
            initialised: 0,
            is_initialised: false,
            began: now,
            sandbox_at: now,
            phase: PodPhase::Pending,
            ready_since: None,
            started: None,
            starts: VecDeque::new(),
            is_pulling: false,
            termination: None,
            wake_at: SimTime::NEVER,
            event_at: SimTime::NEVER,
        }
    }

    /// Whether the pod is over: its phase is final, and nothing of it runs.
    pub fn is_over(&self) -> bool {
        self.phase.is_finished()
    }

    /// How often containers were started again: the largest number of one that is not a sidecar.
    pub fn restarts(&self) -> u32 {
        self.containers.iter().filter(|one| !one.is_sidecar).map(|one| one.restarts).max().unwrap_or(0)
    }

    /// How often sidecars were started again: the largest number of one of them.
    pub fn sidecar_restarts(&self) -> u32 {
        self.containers.iter().filter(|one| one.is_sidecar).map(|one| one.restarts).max().unwrap_or(0)
    }

    /// The work of each container that is safe at its last checkpoint.
    pub fn saved_work(&self) -> Vec<SimDuration> {
        self.containers.iter().map(|container| container.saved).collect()
    }

    /// How often containers were started again, all together.
    pub fn restarts_total(&self) -> u32 {
        self.containers.iter().map(|one| one.restarts).sum()
    }

    /// How containers ended last: their position, containers before init containers, and exit code.
    pub fn exit_codes(&self) -> Vec<(u32, i32)> {
        let (init, main) = self.containers.split_at(self.init_count);
        let ends = (0..).zip(main.iter().chain(init));
        ends.filter_map(|(position, one)| one.last_end.map(|end| (position, end.exit_code))).collect()
    }

    /// Whether one of its containers was killed for memory when it last ended, sidecars aside.
    pub fn was_oom_killed(&self) -> bool {
        let ends = self.containers.iter().filter(|container| !container.is_sidecar).filter_map(|one| one.last_end);
        ends.into_iter().any(|end| end.is_oom_killed)
    }

    /// The exit code that stands for the pod's end: the first that is not 0, sidecars aside.
    pub fn exit_code(&self) -> i32 {
        let ends = self.containers.iter().filter(|container| !container.is_sidecar).filter_map(|one| one.last_end);
        ends.map(|end| end.exit_code).find(|code| *code != 0).unwrap_or(0)
    }
}

impl ContainerState {
    /// Its run, if it runs.
    pub fn running(&self) -> Option<&Running> {
        match &self.status {
            Status::Running(running) => Some(running),
            _ => None,
        }
    }
}
