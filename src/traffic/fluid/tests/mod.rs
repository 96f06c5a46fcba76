//! Both modes side by side, and what rates make of backends that come and go.

mod agreement;
mod backends;
mod dynamics;
mod queues;

use crate::ids::ServiceId;
use crate::model::traffic::*;
use crate::model::{Dist, PolicyChoice};
use crate::rng::Seed;
use crate::units::{SimDuration, SimTime};

const SECOND: u64 = 1_000_000_000;
const SEED: Seed = Seed { base: 1, replication: 0 };

fn exponential(mean: f64) -> Dist {
    Dist::Exponential { mean }
}

/// Two balanced phases with a squared coefficient of variation of 4: with probability p = (1 + sqrt(3 / 5)) / 2 the mean is
/// m / 2 p.
fn hyperexponential(mean: f64) -> Dist {
    let p = 0.5 * (1.0 + 0.6_f64.sqrt());
    Dist::Hyperexponential { branches: vec![(p, mean / (2.0 * p)), (1.0 - p, mean / (2.0 * (1.0 - p)))] }
}

fn constant(seconds: f64) -> Dist {
    Dist::Constant(SimDuration::from_seconds(seconds))
}

fn workers(count: u32) -> Server {
    Server { workers: Some(count), ..Server::default() }
}

fn cores(milli: u64, period_ns: u64) -> Server {
    Server { cpu_milli: Some(milli), quota_period: SimDuration(period_ns), ..Server::default() }
}

fn service(count: u32, server: Server, balancer: &str, steps: Vec<Step>) -> Service {
    Service {
        name: "service".to_owned(),
        backends: Backends::Fixed { count, zones: Vec::new(), weights: Vec::new(), speeds: Vec::new() },
        server,
        has_shared_queue: false,
        operations: vec![Operation { name: "ask".to_owned(), steps, failure: 0.0, sizes: Default::default() }],
        balancer: PolicyChoice::named(balancer),
        balancing: Balancing::Central,
        guard: Guard::default(),
        objective: None,
        routes: Vec::new(),
        overflow: None,
        mirror: None,
        releases: Vec::new(),
    }
}

fn operation(service: u32) -> OperationRef {
    OperationRef { service: ServiceId(service), operation: 0 }
}

fn call(service: u32) -> Call {
    Call {
        target: operation(service),
        probability: 1.0,
        cache_hit: 0.0,
        count: 1,
        is_detached: false,
        is_optional: false,
        policy: CallPolicy::default(),
    }
}

fn retries(limit: u32) -> Option<Retries> {
    Some(Retries {
        limit,
        base: SimDuration(SECOND / 10),
        max: SimDuration(SECOND),
        has_jitter: true,
        budget: None,
        on: RetryOn { timeouts: true, refusals: true, errors: true },
    })
}

fn open(rate: Profile) -> Arrivals {
    Arrivals::Open { gap: Gap::Exponential, rate, session: None }
}

fn poisson(per_second: f64) -> Arrivals {
    open(Profile::constant(per_second))
}

fn source(arrivals: Arrivals) -> Source {
    Source {
        name: "users".to_owned(),
        arrivals,
        mix: vec![(operation(0), 1.0)],
        headers: Vec::new(),
        zone: None,
        policy: CallPolicy::default(),
        keys: Keys::default(),
        clients: 1,
    }
}

fn model(services: Vec<Service>, arrivals: Arrivals) -> Traffic {
    Traffic {
        services,
        sources: vec![source(arrivals)],
        mode: Mode::Fluid { step: SimDuration(15 * SECOND) },
        ..Traffic::default()
    }
}

fn seconds(count: u64) -> SimTime {
    SimTime(count * SECOND)
}
