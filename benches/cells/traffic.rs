//! The models of the traffic benches, and wavetank's side of them.

use wavetank::ids::ServiceId;
use wavetank::model::traffic::{
    Arrivals, Backends, Balancing, CallPolicy, Gap, Guard, Keys, Operation, OperationRef, Profile, Server, Service,
    Source, Step, Traffic,
};
use wavetank::model::{Dist, PolicyChoice};
use wavetank::rng::{Seed, Stream};
use wavetank::traffic::DataPlane;
use wavetank::units::{SimDuration, SimTime};

use crate::limits::{HeapStation, LeastRequests, Loop, Recursion, Sharing};

/// Load of every model.
pub const LOAD: f64 = 0.8;

/// A model with one source, and service times of 1 s on average.
#[derive(Clone, Copy, Debug)]
pub struct Cell {
    pub name: &'static str,
    servers: u32,
    server: fn() -> Server,
    balancer: &'static str,
    /// Requests a second.
    rate: f64,
    /// The loop with events, and the recursion where there is one.
    pub event_loop: fn() -> Box<dyn Loop>,
    pub recursion: Option<fn() -> Box<dyn Loop>>,
    /// What a request takes on average, by theory, in s; none: only the limit knows.
    pub latency_s: Option<f64>,
}

fn workers(count: u32) -> Server {
    Server { workers: Some(count), ..Server::default() }
}

impl Cell {
    pub fn all() -> [Cell; 5] {
        [
            Cell {
                name: "M/M/1",
                servers: 1,
                server: || workers(1),
                balancer: "random",
                rate: LOAD,
                event_loop: || Box::new(HeapStation::new(1, LOAD)),
                recursion: Some(|| Box::new(Recursion::new(1, LOAD))),
                latency_s: Some(5.0),
            },
            Cell {
                name: "M/M/10",
                servers: 1,
                server: || workers(10),
                balancer: "random",
                rate: 10.0 * LOAD,
                event_loop: || Box::new(HeapStation::new(10, LOAD)),
                recursion: Some(|| Box::new(Recursion::new(10, LOAD))),
                latency_s: Some(1.2046),
            },
            Cell {
                name: "M/M/1000",
                servers: 1,
                server: || workers(1000),
                balancer: "random",
                rate: 1000.0 * LOAD,
                event_loop: || Box::new(HeapStation::new(1000, LOAD)),
                recursion: Some(|| Box::new(Recursion::new(1000, LOAD))),
                latency_s: Some(1.0),
            },
            Cell {
                name: "least-request, 100 pods",
                servers: 100,
                server: || workers(1),
                balancer: "least-request",
                rate: 100.0 * LOAD,
                event_loop: || Box::new(LeastRequests::new(100, LOAD)),
                recursion: None,
                latency_s: None,
            },
            Cell {
                name: "processor sharing",
                servers: 1,
                server: || Server { cpu_milli: Some(1000), quota_period: SimDuration::ZERO, ..Server::default() },
                balancer: "random",
                rate: LOAD,
                event_loop: || Box::new(Sharing::new(LOAD)),
                recursion: None,
                latency_s: Some(5.0),
            },
        ]
    }

    pub fn traffic(&self) -> Traffic {
        let step = Step::Compute(Dist::Exponential { mean: 1.0 });
        Traffic {
            services: vec![service("station", self.servers, (self.server)(), self.balancer, step)],
            sources: vec![source("users", 0, Profile::constant(self.rate))],
            ..Traffic::default()
        }
    }
}

pub fn service(name: &str, count: u32, server: Server, balancer: &str, step: Step) -> Service {
    Service {
        name: name.to_owned(),
        backends: Backends::Fixed { count, zones: vec![], weights: vec![], speeds: vec![] },
        server,
        has_shared_queue: false,
        operations: vec![Operation {
            name: "request".to_owned(),
            steps: vec![step],
            failure: 0.0,
            sizes: Default::default(),
        }],
        balancer: PolicyChoice::named(balancer),
        balancing: Balancing::Central,
        guard: Guard::default(),
        objective: None,
        routes: vec![],
        overflow: None,
        mirror: None,
        releases: vec![],
    }
}

pub fn source(name: &str, service: usize, rate: Profile) -> Source {
    Source {
        name: name.to_owned(),
        arrivals: Arrivals::Open { gap: Gap::Exponential, rate, session: None },
        mix: vec![(OperationRef { service: ServiceId::from_index(service), operation: 0 }, 1.0)],
        headers: vec![],
        zone: None,
        policy: CallPolicy::default(),
        keys: Keys::default(),
        clients: 1,
    }
}

/// Wavetank in the middle of a model.
#[derive(Debug)]
pub struct Wavetank<'m> {
    plane: DataPlane<'m>,
    rate: f64,
    now: f64,
}

impl<'m> Wavetank<'m> {
    pub fn new(cell: &Cell, traffic: &'m Traffic, with_events: bool) -> Wavetank<'m> {
        Wavetank { plane: plane(traffic, with_events), rate: cell.rate, now: 0.0 }
    }

    /// Mean latency so far, in s, and whether Little's law holds.
    pub fn mean_latency_s(&self) -> f64 {
        let (area, sojourn) = self.plane.statistics(ServiceId(0)).littles_law(self.plane.now());
        assert_eq!(area, sojourn, "Little's law");
        self.plane.sources()[0].latency.recorder().mean_s()
    }

    /// Goes on for about so many requests; how many have been answered in all.
    pub fn run(&mut self, requests: u64) -> u64 {
        self.now += requests as f64 / self.rate;
        self.plane.advance(SimTime((self.now * 1e9) as u64));
        self.plane.sources()[0].count()
    }
}

pub fn plane(traffic: &Traffic, with_events: bool) -> DataPlane<'_> {
    let seed = Seed { base: 1, replication: 0 };
    let plane =
        if with_events { DataPlane::with_events_only(traffic, 0, seed) } else { DataPlane::new(traffic, 0, seed) };
    plane.expect("a valid model")
}

/// A day of function calls: 1000 functions, each with a rate that swings with the hour and a lognormal duration, both spread
/// over functions as published of Azure Functions (Shahrad et al. 2020, "Serverless in the Wild", USENIX ATC, figures 5 and
/// 7): calls by Zipf's law, durations with a median of 0.7 s and a tail of minutes; every call has an instance of its own.
pub fn day_of_calls(calls: f64) -> Traffic {
    let (mut traffic, mut stream) = (Traffic::default(), Stream::of_word(1));
    let weights: Vec<f64> = (1..=1000).map(|rank| 1.0 / f64::from(rank)).collect();
    let total: f64 = weights.iter().sum();
    for (number, weight) in weights.into_iter().enumerate() {
        let mean_rate = calls / 86_400.0 * weight / total;
        let phase = stream.unit();
        // Twice the mean at the peak, and the same at both ends of the day.
        let rate = |hour: u64| {
            let part = ((hour as f64 / 24.0 + phase) * std::f64::consts::TAU).sin();
            (SimTime(hour * 3_600_000_000_000), mean_rate * (1.0 + part))
        };
        let mu = -0.38 + 1.5 * stream.normal();
        let (name, step) = (format!("function {number}"), Step::Wait(Dist::Lognormal { mu, sigma: 0.8 }));
        traffic.services.push(service(&name, 1, Server::default(), "random", step));
        traffic.sources.push(source(&name, number, Profile { points: (0..=24).map(rate).collect() }));
    }
    traffic
}
