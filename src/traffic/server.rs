//! One server: the requests that wait at it, and those that it serves.

use std::collections::VecDeque;

use super::compute::Compute;
use super::limit::ConcurrencyLimit;
use crate::ids::{PodId, ServiceId, ZoneId};
use crate::units::{SimDuration, SimTime};

/// A backend.
#[derive(Clone, Debug)]
pub(super) struct Server {
    /// The pod, unless it is outside the cluster.
    pub pod: Option<PodId>,
    /// Services whose requests it answers, with its number among their backends. The first says how it serves.
    pub services: Vec<(ServiceId, u32)>,
    /// Where it is.
    pub zone: Option<ZoneId>,
    /// What it does with requests that come.
    pub state: State,
    /// From when on it listens.
    pub opens_at: SimTime,
    /// Since when it has been there.
    pub since: SimTime,
    /// How fast it computes.
    pub speed: f64,
    /// How likely its answers are errors, beside those of the operations.
    pub failure: f64,
    /// Which of the groups it belongs to that a service may divide its requests among.
    pub group: u32,
    /// What its random streams are named by.
    pub entity: u64,
    /// Requests that are there.
    pub present: u32,
    /// Those of them that it serves.
    pub busy: u32,
    /// Whether free workers are being given requests right now.
    pub is_filling: bool,
    /// How many it may serve at once; [`u32::MAX`]: all.
    pub workers: u32,
    /// How many more requests it takes from a queue that it shares with others; [`u32::MAX`]: without end.
    pub takes_left: u32,
    /// Requests that wait.
    pub queue: VecDeque<u32>,
    /// How its cores are shared; none: each request has one.
    pub compute: Option<Box<Compute>>,
    /// A limit below the number of workers that it finds by itself.
    pub limit: Option<Box<ConcurrencyLimit>>,
    /// Requests in all that it may hold for lack of memory; [`u32::MAX`]: without limit.
    pub memory_requests: u32,
    /// The clients that its own calls go through, by the service called; filled when first used.
    pub clients: Vec<(ServiceId, u32)>,
    /// Core-time used up, in ns, where cores are not shared.
    pub compute_ns: u64,
    /// The most requests that were there since somebody last asked.
    pub peak: u32,
    /// When it sets its limit anew.
    pub adapts_at: SimTime,
    /// The group of servers that it shares a node with; none: it shares with nobody.
    pub node: Option<u32>,
    /// Its weight when the cores of the node are divided.
    pub cpu_weight: f64,
}

/// What a server does with requests that come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum State {
    /// It takes them.
    Open,
    /// It ends: it refuses them, or serves them while it can, and goes when none is left.
    Ending {
        /// When it is told: until then it serves as before.
        told_at: SimTime,
        /// Whether it refuses them.
        refuses: bool,
    },
    /// It is gone.
    Gone,
}

impl Server {
    /// Whether it takes requests from a queue that it shares with others.
    #[inline]
    pub(super) fn takes(&self, now: SimTime) -> bool {
        self.state == State::Open && self.opens_at <= now && self.takes_left > 0
    }

    /// Whether one more request can be served at once.
    #[inline]
    pub(super) fn has_room(&self) -> bool {
        self.busy < self.workers
    }

    /// Whether its own limit lets one more request in.
    #[inline]
    pub(super) fn lets_in(&self) -> bool {
        self.limit.as_ref().is_none_or(|limit| self.present < limit.now())
    }

    /// Milli-cores that it may use at most; 0 where that is not limited.
    pub(super) fn limit_milli(&self) -> i64 {
        let cores = self.compute.as_ref().map_or(0.0, |compute| compute.limit_cores());
        if cores.is_finite() { (cores * 1000.0).round() as i64 } else { 0 }
    }

    /// Its number among the backends of a service.
    ///
    /// # Panics
    /// When it is none of them.
    #[inline]
    pub(super) fn slot_in(&self, service: ServiceId) -> u32 {
        let (_, slot) = self.services.iter().find(|(one, _)| *one == service).expect("it is a backend of the service");
        *slot
    }
}

/// What a server knows of its latency: moving averages over the last requests of how long they were there, and of how many
/// were there when they left.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Pace {
    latency_ns: f64,
    in_flight: f64,
}

impl Pace {
    /// A request leaves, one of so many, after so long.
    pub(super) fn note(&mut self, latency: SimDuration, in_flight: u32) {
        // Averages over about eight requests; the first one begins them.
        let part = if self.in_flight == 0.0 { 1.0 } else { 0.125 };
        self.latency_ns += part * (latency.0 as f64 - self.latency_ns);
        self.in_flight += part * (f64::from(in_flight) - self.in_flight);
    }

    /// What the latency of a request would be with so many there: as many times what it was as there are more of them.
    pub(super) fn latency_ns(&self, in_flight: u32) -> u64 {
        match self.in_flight {
            0.0 => 0,
            typical => (self.latency_ns * (f64::from(in_flight) + 1.0) / (typical + 1.0)) as u64,
        }
    }
}
