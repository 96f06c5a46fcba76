//! Traffic in either mode: one by one, or as rates.

use super::carried::Carried;
use super::endpoints::{Seat, ServerLoad};
use super::fluid::{FluidMeters, FluidPlane};
use super::plane::{DataPlane, Notice};
use super::spans::Span;
use super::statistics::{Fate, ServiceStatistics, Window};
use crate::ids::ServiceId;
use crate::model::traffic::{Mode, Objective, Traffic};
use crate::policy::ParameterError;
use crate::rng::Seed;
use crate::units::SimTime;

/// All traffic of a run, as its mode has it.
#[derive(Debug)]
pub enum Plane<'m> {
    /// Requests one by one.
    Requests(Box<DataPlane<'m>>),
    /// Rates.
    Fluid(Box<FluidPlane<'m>>),
}

/// Reads what requests have used of servers, one after the other, while nothing else happens.
#[derive(Debug)]
pub enum Meters<'p, 'm> {
    /// Of servers of requests one by one.
    Requests(&'p mut DataPlane<'m>),
    /// Of backends of rates.
    Fluid(FluidMeters<'p, 'm>),
}

impl Meters<'_, '_> {
    /// What requests have used of a pod, and the memory that they needed.
    #[inline]
    pub fn load_of(&mut self, number: u32) -> ServerLoad {
        match self {
            Meters::Requests(plane) => plane.load_of(number),
            Meters::Fluid(meters) => meters.load_of(number),
        }
    }

    /// Core-time that requests have used of a pod, in ns.
    #[inline]
    pub fn core_ns_of(&mut self, number: u32) -> u64 {
        match self {
            Meters::Requests(plane) => plane.core_ns_of(number),
            Meters::Fluid(meters) => meters.core_ns_of(number),
        }
    }
}

macro_rules! either {
    ($self:expr, $plane:ident => $call:expr) => {
        match $self {
            Plane::Requests($plane) => $call,
            Plane::Fluid($plane) => $call,
        }
    };
}

impl<'m> Plane<'m> {
    /// Traffic before anything has happened, in a cluster with so many zones; servers outside the cluster are there.
    ///
    /// # Errors
    /// When a balancer refuses its parameters, which does not happen to a validated model.
    pub fn new(traffic: &'m Traffic, zones: usize, seed: Seed) -> Result<Plane<'m>, ParameterError> {
        match traffic.mode {
            Mode::Requests => DataPlane::new(traffic, zones, seed).map(|plane| Plane::Requests(Box::new(plane))),
            Mode::Fluid { .. } => Ok(Plane::Fluid(Box::new(FluidPlane::new(traffic, zones, seed)))),
        }
    }

    /// The present instant.
    pub fn now(&self) -> SimTime {
        either!(self, plane => plane.now())
    }

    /// How many events were handled, or steps made.
    pub fn events_handled(&self) -> u64 {
        either!(self, plane => plane.events_handled())
    }

    /// Moves time on to `until`, or to the instant of the first notice; what happens at `until` itself is left. Whether
    /// there are notices.
    pub fn advance(&mut self, until: SimTime) -> bool {
        either!(self, plane => plane.advance(until))
    }

    /// Brings what is measured up to the present instant. Whoever reads statistics has this done before.
    pub fn settle(&mut self) {
        if let Plane::Fluid(plane) = self {
            plane.settle();
        }
    }

    /// How requests of sources fared, by source.
    pub fn sources(&self) -> &[Fate] {
        either!(self, plane => plane.sources())
    }

    /// What is known of a service.
    pub fn statistics(&self, service: ServiceId) -> &ServiceStatistics {
        either!(self, plane => plane.statistics(service))
    }

    /// What messages have carried whose sizes are known.
    pub fn carried(&self) -> &Carried {
        either!(self, plane => &plane.carried)
    }

    /// How many backends of a service are ready.
    pub fn backends(&self, service: ServiceId) -> usize {
        either!(self, plane => plane.backends(service))
    }

    /// Core-time that requests for a service have used of its backends, in ns.
    pub fn compute_ns(&mut self, service: ServiceId) -> u64 {
        either!(self, plane => plane.compute_ns(service))
    }

    /// The same since the warm-up was over.
    pub fn measured_compute_ns(&mut self, service: ServiceId) -> u64 {
        either!(self, plane => plane.measured_compute_ns(service))
    }

    /// What requests of sources were promised, by source: by the service that a source asks first.
    pub fn objectives(&self) -> &[Option<Objective>] {
        either!(self, plane => plane.objectives())
    }

    /// What the windows have seen begins anew.
    pub fn begin_windows(&mut self) {
        either!(self, plane => plane.begin_windows());
    }

    /// What was recorded of single requests, in the order in which they were sent; rates have none.
    pub fn spans(&self) -> &[Span] {
        match self {
            Plane::Requests(plane) => plane.spans(),
            Plane::Fluid(_) => &[],
        }
    }

    /// Takes what the cluster has to know.
    pub fn take_notices(&mut self) -> Vec<Notice> {
        either!(self, plane => plane.take_notices())
    }

    /// A pod that serves these services has its containers running: requests that reach it are served. Clients know of it
    /// once it is ready. The number by which it is known from then on.
    ///
    /// # Panics
    /// When there is no service.
    pub fn open(&mut self, seat: &Seat, services: &[ServiceId]) -> u32 {
        either!(self, plane => plane.open(seat, services))
    }

    /// A pod has been resized where it runs: what it requests, and its limits, are those of the seat from now on.
    pub fn resize(&mut self, number: u32, seat: &Seat) {
        either!(self, plane => plane.resize(number, seat));
    }

    /// Reads what requests have used of servers.
    pub fn meters(&mut self) -> Meters<'_, 'm> {
        match self {
            Plane::Requests(plane) => Meters::Requests(plane),
            Plane::Fluid(plane) => Meters::Fluid(plane.meters()),
        }
    }

    /// Cores of a node that its servers may use.
    pub fn set_node_cores(&mut self, node: u32, cores: f64) {
        either!(self, plane => plane.set_node_cores(node, cores));
    }

    /// Clients are told, now or when the news has spread, that a backend is ready, or not any more.
    pub fn tell_ready(&mut self, number: u32, is_ready: bool) {
        either!(self, plane => plane.tell_ready(number, is_ready));
    }

    /// A pod ends: it is not ready any more, serves as before until it is told at that instant, and goes when it has answered
    /// what it has by then.
    pub fn end(&mut self, number: u32, told_at: SimTime) {
        either!(self, plane => plane.end(number, told_at));
    }

    /// A pod is gone, with all requests that are there.
    pub fn close(&mut self, number: u32) {
        either!(self, plane => plane.close(number));
    }

    /// From now on the requests of a service are divided among groups of its backends by weight; without groups they are not.
    pub fn set_split(&mut self, service: ServiceId, split: &[(u32, f64)]) {
        either!(self, plane => plane.set_split(service, split));
    }

    /// How requests that a group of a service answered have fared while they were divided; none: there were none.
    pub fn group(&self, service: ServiceId, group: u32) -> Option<&Window> {
        either!(self, plane => plane.group(service, group))
    }

    /// That begins anew.
    pub fn begin_groups(&mut self, service: ServiceId) {
        either!(self, plane => plane.begin_groups(service));
    }
}
