//! Writes to the API that take time: they wait for their client's rate limit, then for the API server, and are seen by
//! watchers some time later.
//!
//! In an ideal control plane, the default, a write happens at once and none of this is used. A controller does not look
//! again before it has seen what it wrote, as upstream's expectations see to. Known deviation: a controller that looks sees
//! the present, not the past that its watch has brought it so far.

use std::collections::BTreeMap;

use crate::engine::Event;
use crate::engine::run::Simulation;
use crate::ids::{ControllerId, OwnerId, PodId, RevisionId};
use crate::model::Dist;
use crate::model::control_plane::RateLimit;
use crate::model::controllers::Operation;
use crate::observe::Observer;
use crate::units::{SimDuration, SimTime};
use crate::world::pods::Reason;

/// A write under way.
#[derive(Clone, Copy, Debug)]
pub(in crate::engine) enum Write {
    /// A pod is made.
    Make {
        /// Whose.
        owner: OwnerId,
        /// Of which template.
        template: RevisionId,
        /// Ordinal, index or node.
        ordinal: u32,
        /// Failures of its index before it, that count and that do not.
        index_failures: (i32, i32),
    },
    /// A pod is told to end.
    Delete {
        /// Which.
        pod: PodId,
    },
    /// An object is scaled: it gets a number of replicas, or Jobs.
    Scale(Operation),
}

/// A write on its way to the API server.
#[derive(Clone, Copy, Debug)]
struct UnderWay {
    write: Write,
    /// Whose controller looks at what is written.
    controller: ControllerId,
    /// When it does.
    seen: SimTime,
}

/// Clients' limits, and writes under way.
#[derive(Debug, Default)]
pub(in crate::engine) struct Writes {
    under_way: BTreeMap<u32, UnderWay>,
    next: u32,
    /// Buckets by kind of controller; the scheduler's has the empty name.
    buckets: BTreeMap<&'static str, Bucket>,
    /// How many delays were drawn.
    draws: u64,
}

/// A token bucket, as the instant at which it would be full again.
#[derive(Clone, Copy, Debug, Default)]
struct Bucket {
    full_at: SimTime,
}

impl Bucket {
    /// Takes a token, and says when it is there.
    fn take(&mut self, limit: RateLimit, now: SimTime) -> SimTime {
        let interval = limit.interval();
        // The bucket holds `burst` tokens: so many intervals before it is full it is empty.
        let slack = SimDuration(interval.0.saturating_mul(u64::from(limit.burst) - 1));
        let at = now.max(SimTime(self.full_at.0.saturating_sub(slack.0)));
        self.full_at = self.full_at.max(at).after(interval);
        at
    }
}

impl<O: Observer> Simulation<'_, O> {
    /// A controller writes: at once, or as soon as its client and the API server let it.
    pub(in crate::engine) fn write(&mut self, controller: ControllerId, write: Write) {
        let plane = &self.model.control_plane;
        if plane.is_ideal() {
            self.carry_out(write);
            return;
        }
        let seen = self.send(self.controller(controller).kind.name(), controller, write);
        self.hold_controller(controller, seen);
    }

    /// Sends a write of a client that takes its time, and says when the controller that it concerns sees it.
    pub(in crate::engine) fn send(&mut self, client: &'static str, controller: ControllerId, write: Write) -> SimTime {
        let plane = &self.model.control_plane;
        let sent = self.take_token(client, plane.controller_writes);
        let done = sent.after(self.draw_write());
        let seen = done.after(self.draw(&plane.watch)).after(self.batch_period(controller));
        let number = self.writes.next;
        self.writes.next = number.wrapping_add(1);
        self.writes.under_way.insert(number, UnderWay { write, controller, seen });
        self.schedule(done, Event::Write { number });
        seen
    }

    pub(in crate::engine) fn on_write(&mut self, number: u32) {
        let UnderWay { write, controller, seen } =
            self.writes.under_way.remove(&number).expect("every write has one event");
        // Nobody sees what was refused: its controller comes back after a wait.
        if self.carry_out(write) {
            self.request_sync(controller, seen);
        }
    }

    /// Gives whether the write was let in.
    fn carry_out(&mut self, write: Write) -> bool {
        match write {
            // Its owner may have gone in the meantime; the garbage collector would take the pod.
            Write::Make { owner, .. } if !self.world.owners.list[owner.index()].is_there => true,
            Write::Make { owner, template, ordinal, index_failures } => {
                let made = self.make_pod(owner, template, ordinal);
                if let Some(pod) = made {
                    self.controller_loops.jobs.note_made(pod, index_failures);
                }
                made.is_some()
            }
            Write::Delete { pod } => {
                self.delete_pod(pod, Reason::Deleted);
                true
            }
            Write::Scale(operation) => {
                self.change(operation);
                true
            }
        }
    }

    /// How long from now until the scheduler's binding is done and its kubelet has seen it.
    pub(in crate::engine) fn binding_write(&mut self) -> SimDuration {
        let plane = &self.model.control_plane;
        if plane.is_ideal() {
            return SimDuration::ZERO;
        }
        let sent = self.take_token("", plane.scheduler_writes);
        let write = self.draw_write();
        sent.after(write).after(self.draw(&plane.watch)).since(self.world.time)
    }

    /// How long a write to the API server takes that takes `span` when all is well.
    pub(in crate::engine) fn slowed_write(&self, span: SimDuration) -> SimDuration {
        let slowdown = self.world.health.services.api_server_slowdown;
        if slowdown == 1.0 { span } else { SimDuration::from_seconds(span.as_seconds() * slowdown) }
    }

    /// When a controller looks at what happens now to a pod.
    pub(in crate::engine) fn seen_at(&mut self, controller: ControllerId) -> SimTime {
        let seen = self.world.time.after(self.draw(&self.model.control_plane.watch));
        seen.after(self.batch_period(controller))
    }

    /// When a controller looks at a write of its own that it makes now.
    pub(in crate::engine) fn own_write_seen_at(&mut self, controller: ControllerId) -> SimTime {
        let plane = &self.model.control_plane;
        let done = self.world.time.after(self.draw_write());
        done.after(self.draw(&plane.watch)).after(self.batch_period(controller))
    }

    /// For how long a controller gathers what it sees before it looks (`enqueueSyncJobBatched`).
    fn batch_period(&self, controller: ControllerId) -> SimDuration {
        match self.controller(controller).kind.job() {
            Some(_) => self.model.control_plane.job_batch_period,
            None => SimDuration::ZERO,
        }
    }

    fn take_token(&mut self, client: &'static str, limit: Option<RateLimit>) -> SimTime {
        let now = self.world.time;
        limit.map_or(now, |limit| self.writes.buckets.entry(client).or_default().take(limit, now))
    }

    /// How long a write takes once it is sent.
    fn draw_write(&mut self) -> SimDuration {
        let span = self.draw(&self.model.control_plane.api_write);
        self.slowed_write(span)
    }

    fn draw(&mut self, dist: &Dist) -> SimDuration {
        if dist.is_zero() {
            return SimDuration::ZERO;
        }
        self.writes.draws += 1;
        dist.sample(&mut self.model.seed.stream("delay/control-plane", self.writes.draws))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bucket_lets_a_burst_through_and_then_one_an_interval() {
        let limit = RateLimit { per_second: 2.0, burst: 3 };
        let mut bucket = Bucket::default();
        let mut take =
            |seconds: f64| bucket.take(limit, SimTime::ZERO.after(SimDuration::from_seconds(seconds))).as_seconds();
        // Three at once, then one every half second.
        assert_eq!([take(0.0), take(0.0), take(0.0), take(0.0), take(0.0)], [0.0, 0.0, 0.0, 0.5, 1.0]);
        // By 2 s the bucket has got two more: 2 s - 1 s.
        assert_eq!([take(2.0), take(2.0), take(2.0)], [2.0, 2.0, 2.5]);
        // After a long pause it holds three, not more.
        assert_eq!([take(60.0), take(60.0), take(60.0), take(60.0)], [60.0, 60.0, 60.0, 60.5]);
    }
}
