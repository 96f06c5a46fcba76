//! Pods of controllers live on their nodes: what `engine::life` reports becomes changes of the world.

use crate::engine::life::{self, Driver, Pull, Report, Rules};
use crate::engine::run::Simulation;
use crate::engine::{Event, Step};
use crate::ids::{NodeId, PodId};
use crate::model::controllers::RestartPolicy;
use crate::model::images::Bandwidth;
use crate::observe::Observer;
use crate::units::{SimDuration, SimTime};
use crate::world::images::{Answer, Pulled};
use crate::world::lives::{Life, PodPhase};
use crate::world::pods::Reason;
use crate::world::{Deletion, Phase};

impl<'m, O: Observer> Simulation<'m, O> {
    /// What the life of a pod depends on; none: it has no containers of which anything is known.
    pub(super) fn life_rules(&self, pod: PodId) -> Option<Rules<'m>> {
        let member = self.world.member(pod)?;
        let controller = self.world.owners.list[member.owner.index()].controller;
        Some(Rules {
            template: self.world.life_of(&self.model.controllers, member),
            seed: self.model.seed,
            identity: u64::from(controller.0) << 32 | u64::from(member.serial),
            images_are_ideal: self.model.workload.images.are_ideal(),
        })
    }

    fn life_mut(&mut self, pod: PodId) -> Option<&mut Life> {
        self.world.member_mut(pod)?.life.as_deref_mut()
    }

    /// Begins the life of a pod whose node has been told of it; gives whether it has one.
    pub(in crate::engine) fn begin_life(&mut self, pod: PodId) -> bool {
        let Some(rules) = self.life_rules(pod) else { return false };
        // One that begins again, after its node has booted, goes on from its checkpoints.
        let saved = match self.life_mut(pod) {
            Some(life) => life.saved_work(),
            None => self.take_saved_work(pod),
        };
        let (life, report) = life::begin(rules, self.world.time, &saved);
        if let Some(member) = self.world.member_mut(pod) {
            member.life = Some(Box::new(life));
        }
        self.follow(pod, report);
        self.schedule_pod_crash(pod);
        true
    }

    /// A container of the pod dies.
    pub(in crate::engine) fn crash_life(&mut self, pod: PodId, exit_code: i32) {
        if let Some(first) = self.life_mut(pod).map(|life| life.init_count) {
            self.drive(pod, |driver| driver.crash(first, exit_code));
        }
    }

    /// Wakes the pod, if this is the instant that it asked for.
    pub(in crate::engine) fn on_life(&mut self, pod: PodId) {
        let now = self.world.time;
        if self.life_mut(pod).is_some_and(|life| life.wake_at == now) {
            self.drive(pod, |driver| driver.wake());
        }
    }

    /// Whether the pod has failed when its node has booted: no container of it is started again.
    pub(in crate::engine) fn fails_by_boot(&self, pod: PodId) -> bool {
        self.life_rules(pod).is_some_and(|rules| rules.template.restart_policy == RestartPolicy::Never)
    }

    /// Images come from the registry as fast as it is now.
    pub(in crate::engine) fn set_registry_speed(&mut self) {
        let bandwidth = self.model.workload.images.registry_bandwidth;
        let slowdown = self.world.health.services.registry_slowdown;
        let bandwidth = bandwidth.map(|Bandwidth(whole)| Bandwidth((whole as f64 / slowdown).max(1.0) as u64));
        self.world.images.set_registry_bandwidth(self.world.time, bandwidth);
        self.schedule_images();
    }

    /// Tells the containers of the pod to end; gives whether there are any.
    pub(in crate::engine) fn terminate_life(&mut self, pod: PodId) -> bool {
        let Some(rules) = self.life_rules(pod) else { return false };
        if self.life_mut(pod).is_none() {
            return false;
        }
        self.drive(pod, |driver| driver.terminate(rules.template.grace_period));
        true
    }

    /// The pod has ended, of itself or with its node: nothing of it is left there.
    pub(in crate::engine) fn end_life(&mut self, pod: PodId) {
        let Some(rules) = self.life_rules(pod) else { return };
        let now = self.world.time;
        self.forget_usage(pod);
        let Some(life) = self.life_mut(pod) else { return };
        if !life.is_over() {
            Driver::new(rules, life, now).abandon();
        }
        let saved = life.saved_work();
        let has_failed = life.phase == PodPhase::Failed;
        self.note_server(pod);
        if has_failed && saved.iter().any(|work| work.0 > 0) {
            self.leave_saved_work(pod, saved);
        }
        let images = &self.model.workload.images;
        if !images.are_ideal() {
            let mut done = Vec::new();
            self.world.images.release(images, now, pod, &mut done);
            self.tell_pulled(done);
        }
    }

    /// What a pod of the same owner and ordinal left at its last checkpoints, if one did.
    fn take_saved_work(&mut self, pod: PodId) -> Vec<SimDuration> {
        let Some(member) = self.world.member(pod) else { return Vec::new() };
        let (owner, ordinal) = (member.owner, member.ordinal);
        let left = &mut self.world.owners.list[owner.index()].saved_work;
        let position = left.iter().position(|(other, _)| *other == ordinal);
        position.map(|position| left.remove(position).1).unwrap_or_default()
    }

    fn leave_saved_work(&mut self, pod: PodId, saved: Vec<SimDuration>) {
        let Some(member) = self.world.member(pod) else { return };
        let (owner, ordinal) = (member.owner, member.ordinal);
        self.world.owners.list[owner.index()].saved_work.push((ordinal, saved));
    }

    fn tell(&mut self, pod: PodId, act: impl FnOnce(Driver<'_>) -> Report) -> Report {
        let now = self.world.time;
        match (self.life_rules(pod), self.life_mut(pod)) {
            (Some(rules), Some(life)) => act(Driver::new(rules, life, now)),
            _ => Report::default(),
        }
    }

    pub(super) fn drive(&mut self, pod: PodId, act: impl FnOnce(Driver<'_>) -> Report) {
        let report = self.tell(pod, act);
        self.follow(pod, report);
    }

    /// Does what a report asks for, and notes what has changed.
    fn follow(&mut self, pod: PodId, mut report: Report) {
        let mut done = Vec::new();
        while let Some(pull) = report.pull {
            report = match self.ask_for_image(pod, pull, &mut done) {
                Answer::Waits => break,
                Answer::Ready => self.tell(pod, |driver| driver.image_ready()),
                Answer::Failed => self.tell(pod, |driver| driver.image_failed()),
            };
        }
        self.note_life(pod);
        self.tell_pulled(done);
    }

    fn ask_for_image(&mut self, pod: PodId, pull: Pull, done: &mut Vec<Pulled>) -> Answer {
        let node = self.world.pods.node(pod).expect("a pod with a life has a node");
        let (images, now) = (&self.model.workload.images, self.world.time);
        let answer = self.world.images.ask(images, now, (pod, node), (pull.image, pull.policy), done);
        self.schedule_images();
        answer
    }

    /// Tells pods that their pulls have ended.
    fn tell_pulled(&mut self, done: Vec<Pulled>) {
        for Pulled { pod, is_there } in done {
            self.drive(pod, |driver| if is_there { driver.image_ready() } else { driver.image_failed() });
        }
        self.schedule_images();
    }

    /// Makes sure that transfers of images are looked at when the next of them is over.
    fn schedule_images(&mut self) {
        let at = self.world.images.wake_at();
        if at < self.images_at {
            self.images_at = at;
            self.schedule(at, Event::Images);
        }
    }

    pub(in crate::engine) fn on_images(&mut self) {
        let now = self.world.time;
        if self.images_at != now {
            return;
        }
        self.images_at = SimTime::NEVER;
        let done = if self.world.images.wake_at() <= now {
            self.world.images.wake(&self.model.workload.images, now)
        } else {
            Vec::new()
        };
        self.tell_pulled(done);
    }

    /// A node goes, and the images on it.
    pub(in crate::engine) fn lose_images(&mut self, node: NodeId) {
        self.world.images.lose_node(&self.model.workload.images, self.world.time, node);
        self.schedule_images();
    }

    /// Brings the world up to what the life of the pod is now.
    pub(in crate::engine) fn note_life(&mut self, pod: PodId) {
        self.note_usage(pod);
        let now = self.world.time;
        let Some(life) = self.life_mut(pod) else { return };
        let (phase, is_ready, wake_at) = (life.phase, life.ready_since.is_some(), life.wake_at);
        let (restarts, sidecar_restarts, exit_code) = (life.restarts(), life.sidecar_restarts(), life.exit_code());
        if wake_at != SimTime::NEVER && std::mem::replace(&mut life.event_at, wake_at) != wake_at {
            self.schedule_step(pod, SimDuration(wake_at.0 - now.0), Step::Life);
        }
        if !self.is_seen(pod) {
            return self.note_server(pod);
        }
        if let Some(member) = self.world.member_mut(pod) {
            let has_restarted = (member.restarts, member.sidecar_restarts) != (restarts, sidecar_restarts);
            (member.restarts, member.sidecar_restarts, member.exit_code) = (restarts, sidecar_restarts, exit_code);
            if has_restarted {
                self.world.recount(pod);
                self.tell_controller(pod);
            }
        }
        if phase == PodPhase::Running && self.world.pods.phase[pod.index()] == Phase::Starting {
            self.world.set_phase(pod, Phase::Running);
            self.world.pods.running[pod.index()] = now;
            self.tell_controller(pod);
        }
        self.apply_readiness(pod, is_ready);
        self.note_server(pod);
        if phase.is_finished() && self.world.pods.phase[pod.index()].holds_node() {
            // The end is an event of its own: whoever told the pod to end may be in the midst of something.
            self.schedule_step(pod, SimDuration::ZERO, Step::End);
        }
    }

    /// A pod whose containers have ended, or that was told to end before they began.
    pub(in crate::engine) fn on_end(&mut self, pod: PodId) {
        let reason = self.world.pods.reason[pod.index()];
        let phase = match self.life_mut(pod).map(|life| life.phase) {
            _ if self.world.pods.deletion[pod.index()] != Deletion::None => Phase::Deleted,
            _ if reason == Reason::Evicted => Phase::Failed,
            Some(PodPhase::Succeeded) => Phase::Succeeded,
            _ => Phase::Failed,
        };
        let was_oom_killed = self.life_mut(pod).is_some_and(|life| life.was_oom_killed());
        let reason = match phase {
            Phase::Failed if reason == Reason::Evicted => reason,
            Phase::Failed if was_oom_killed => Reason::OomKilled,
            Phase::Deleted => reason,
            _ => Reason::None,
        };
        self.apply_end(pod, phase, reason);
    }
}

#[cfg(test)]
mod tests;
