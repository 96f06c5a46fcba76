//! With and without events everything that is measured is the same.

use std::sync::Arc;

use super::*;
use crate::ids::ZoneId;
use crate::model::control_plane::RateLimit;
use crate::model::traffic::{
    Balancing, CallPolicy, Gap, Keys, ModulatedState, Objective, Operation, Profile, Server, Source,
};
use crate::model::{Dist, PolicyChoice};
use crate::rng::{Seed, Stream};
use crate::traffic::statistics::Fate;

const SECOND_NS: u64 = 1_000_000_000;

fn seconds(at: f64) -> SimTime {
    SimTime((at * 1e9) as u64)
}

/// One of these.
fn one_of<T: Clone>(stream: &mut Stream, of: &[T]) -> T {
    of[stream.below(of.len() as u64) as usize].clone()
}

/// Spans of about a second, half of them whole, so that much happens at one instant.
fn dist(stream: &mut Stream) -> Dist {
    let second = SimDuration(SECOND_NS);
    let (two, three) = (SimDuration(2 * SECOND_NS), SimDuration(3 * SECOND_NS));
    let all = [
        Dist::Exponential { mean: 1.0 },
        Dist::Constant(second),
        Dist::Empirical(vec![SimDuration::ZERO, second, two, three]),
        Dist::Empirical(vec![second, two]),
        Dist::ZERO,
        Dist::Lognormal { mu: -0.5, sigma: 1.0 },
        Dist::Hyperexponential { branches: vec![(0.9, 0.5), (0.1, 5.0)] },
    ];
    one_of(stream, &all)
}

fn arrivals(stream: &mut Stream, rate: f64) -> Arrivals {
    let gap = one_of(stream, &[Gap::Exponential, Gap::Deterministic, Gap::Gamma(0.5), Gap::Lognormal(1.0)]);
    match stream.below(4) {
        0 => {
            let mut at = 0;
            let mut next = || {
                at += stream.below(3) * SECOND_NS;
                (SimTime(at), one_of(stream, &[None, Some(0)]))
            };
            Arrivals::Replay((0..(rate * 200.0) as usize).map(|_| next()).collect::<Arc<[_]>>())
        }
        1 => {
            let state = |factor| ModulatedState { factor, mean_stay: SimDuration(20 * SECOND_NS) };
            Arrivals::Modulated { states: vec![state(0.2), state(1.8)], rate: Profile::constant(rate) }
        }
        2 => {
            let points = vec![(SimTime::ZERO, rate), (seconds(100.0), 2.0 * rate), (seconds(200.0), 0.0)];
            Arrivals::Open { gap, rate: Profile { points }, session: None }
        }
        _ => Arrivals::Open { gap, rate: Profile::constant(rate), session: None },
    }
}

fn service(stream: &mut Stream, name: &str) -> Service {
    let (count, workers) =
        (1 + stream.below(4) as u32, one_of(stream, &[None, Some(1), Some(1), Some(2), Some(7), Some(40)]));
    let operation = |number: usize, stream: &mut Stream| Operation {
        name: format!("operation {number}"),
        steps: match stream.below(4) {
            0 => vec![Step::Wait(dist(stream))],
            1 => vec![Step::Compute(dist(stream)), Step::Wait(dist(stream)), Step::Wait(dist(stream))],
            _ => vec![Step::Compute(dist(stream))],
        },
        failure: one_of(stream, &[0.0, 0.0, 0.2]),
        sizes: Default::default(),
    };
    let operations = (0..1 + stream.below(2) as usize).map(|number| operation(number, stream)).collect();
    let balancers = ["random", "round-robin", "weighted-round-robin", "source-hash", "maglev", "prefer-same-zone"];
    Service {
        name: name.into(),
        backends: Backends::Fixed {
            count,
            zones: one_of(stream, &[vec![], vec![ZoneId(0)], vec![ZoneId(0), ZoneId(1)]]),
            weights: one_of(stream, &[vec![], vec![3, 1]]),
            speeds: one_of(stream, &[vec![], vec![1.0, 0.5], vec![1.7]]),
        },
        server: Server { workers, ..Server::default() },
        has_shared_queue: false,
        operations,
        balancer: PolicyChoice::named(one_of(stream, &balancers)),
        balancing: one_of(stream, &[Balancing::Central, Balancing::Clients]),
        guard: Guard::default(),
        objective: one_of(stream, &[None, Some(Objective { latency: SimDuration(2 * SECOND_NS), ratio: 0.9 })]),
        routes: vec![],
        overflow: None,
        mirror: None,
        releases: vec![],
    }
}

fn source(stream: &mut Stream, name: &str, traffic: &Traffic) -> Source {
    let mix = (0..1 + stream.below(3)).map(|_| {
        let service = ServiceId::from_index(stream.below(traffic.services.len() as u64) as usize);
        let operations = traffic.services[service.index()].operations.len() as u64;
        (OperationRef { service, operation: stream.below(operations) as u32 }, 1.0 + stream.unit())
    });
    let mix = mix.collect();
    let rate = one_of(stream, &[0.3, 1.0, 3.0]);
    Source {
        name: name.into(),
        arrivals: arrivals(stream, rate),
        mix,
        headers: vec![],
        zone: one_of(stream, &[None, Some(ZoneId(1))]),
        policy: CallPolicy::default(),
        keys: one_of(stream, &[Keys::default(), Keys { count: 10, exponent: 1.0 }]),
        clients: 1 + stream.below(3) as u32,
    }
}

/// A small model; some of its services cannot be collapsed.
fn random_model(stream: &mut Stream) -> Traffic {
    let mut traffic = Traffic { warm_up: one_of(stream, &[SimTime::ZERO, seconds(50.0)]), ..Traffic::default() };
    for number in 0..1 + stream.below(4) {
        let mut service = service(stream, &format!("service {number}"));
        if stream.below(8) == 0 {
            service.guard.rate_limit = Some(RateLimit { per_second: 1.0, burst: 5 });
        }
        traffic.services.push(service);
    }
    for number in 0..1 + stream.below(4) {
        let source = source(stream, &format!("source {number}"), &traffic);
        traffic.sources.push(source);
    }
    traffic
}

fn assert_same_fate(one: &Fate, other: &Fate) {
    assert_eq!((one.outcomes, one.good), (other.outcomes, other.good));
    assert_eq!(one.latency, other.latency);
    assert_eq!((one.window.outcomes, one.window.good), (other.window.outcomes, other.window.good));
    assert_eq!(one.window.latency, other.window.latency);
}

fn assert_same(one: &mut DataPlane<'_>, other: &mut DataPlane<'_>) {
    assert_eq!(one.now(), other.now());
    for (one, other) in one.sources().iter().zip(other.sources()) {
        assert_same_fate(one, other);
    }
    let now = one.now();
    assert_eq!((one.requests_sent(), one.requests_in_flight()), (other.requests_sent(), other.requests_in_flight()));
    one.check();
    other.check();
    for service in (0..one.traffic.services.len()).map(ServiceId::from_index) {
        assert_eq!(one.compute_ns(service), other.compute_ns(service));
        let (one, other) = (one.statistics(service), other.statistics(service));
        assert_same_fate(&one.attempts, &other.attempts);
        assert_eq!(one.wait, other.wait);
        for (one, other) in [(one.in_flight, other.in_flight), (one.waiting, other.waiting)] {
            assert_eq!((one.value(), one.area(now)), (other.value(), other.area(now)));
        }
        assert_eq!((one.sojourn_ns, one.littles_law(now)), (other.sojourn_ns, other.littles_law(now)));
        let (area, sojourn) = one.littles_law(now);
        assert_eq!(area, sojourn);
        assert_eq!(one.cells().count(), other.cells().count());
        for (one, other) in one.cells().zip(other.cells()) {
            assert_eq!((one.operation, one.zone, one.outcome), (other.operation, other.zone, other.outcome));
            assert_eq!(one.latency, other.latency);
        }
    }
}

#[test]
fn events_change_nothing() {
    let (mut collapsed, mut requests) = (0, 0);
    for number in 0..120 {
        let mut stream = Stream::of_word(number);
        let traffic = random_model(&mut stream);
        let seed = Seed { base: number, replication: 1 };
        let mut plane = DataPlane::new(&traffic, 2, seed).expect("valid");
        let mut slow = DataPlane::with_events_only(&traffic, 2, seed).expect("valid");
        assert!(slow.parts.is_empty());
        collapsed += plane.parts.iter().map(|part| part.services.len()).sum::<usize>();
        let mut now = SimTime::ZERO;
        while now < seconds(400.0) {
            // Often at an instant at which something happens, and now and then a little later.
            now = match stream.below(3) {
                0 => SimTime(now.0 / SECOND_NS * SECOND_NS + SECOND_NS * stream.below(9)).max(now),
                1 => now.after(SimDuration(stream.below(3))),
                _ => now.after(SimDuration(stream.below(150 * SECOND_NS))),
            };
            assert!(!plane.advance(now) && !slow.advance(now));
            assert_same(&mut plane, &mut slow);
            if stream.below(3) == 0 {
                plane.begin_windows();
                slow.begin_windows();
            }
        }
        requests += plane.sources().iter().map(Fate::count).sum::<u64>();
    }
    assert!(collapsed > 100 && requests > 50_000, "{collapsed} services, {requests} requests");
}

#[test]
fn long_runs_are_the_same_too() {
    // Long enough for blocks and batches to be cut in many ways, at a load of 0.9, and with a queue that grows for ever.
    for (workers, rate) in [(1, 0.9), (10, 9.0), (40, 36.0), (2, 4.0)] {
        let mut stream = Stream::of_word(workers);
        let mut one = service(&mut stream, "service");
        one.operations.truncate(1);
        one.operations[0].steps = vec![Step::Compute(Dist::Exponential { mean: 1.0 })];
        one.backends = Backends::Fixed { count: 1, zones: vec![], weights: vec![], speeds: vec![] };
        one.server.workers = Some(workers as u32);
        let mut traffic = Traffic { services: vec![one], ..Traffic::default() };
        let mut users = source(&mut stream, "users", &traffic);
        users.arrivals = Arrivals::Open { gap: Gap::Exponential, rate: Profile::constant(rate), session: None };
        traffic.sources.push(users);
        let seed = Seed { base: 7, replication: 0 };
        let mut plane = DataPlane::new(&traffic, 0, seed).expect("valid");
        let mut slow = DataPlane::with_events_only(&traffic, 0, seed).expect("valid");
        for part in 1..=4 {
            let now = seconds(20_000.0 / rate * f64::from(part));
            plane.advance(now);
            slow.advance(now);
            assert_same(&mut plane, &mut slow);
            assert_eq!(plane.events_handled(), slow.events_handled());
        }
        assert_eq!(plane.parts.len(), 1);
    }
}

#[test]
fn parts_are_what_has_to_do_with_each_other() {
    let mut stream = Stream::of_word(1);
    let services = (0..5).map(|number| service(&mut stream, &format!("{number}"))).collect();
    let mut traffic = Traffic { services, ..Traffic::default() };
    let to = |service: u32| (OperationRef { service: ServiceId(service), operation: 0 }, 1.0);
    for mix in [vec![to(0), to(3)], vec![to(1)], vec![to(4)]] {
        let source = source(&mut stream, "source", &traffic);
        traffic.sources.push(Source { mix, ..source });
    }
    traffic.services[4].mirror = Some((ServiceId(2), 0.5));
    let parts: Vec<(Vec<usize>, Vec<u32>)> = parts(&traffic)
        .into_iter()
        .map(|(sources, services)| (sources, services.iter().map(|service| service.0).collect()))
        .filter(|(_, services): &(_, Vec<u32>)| !services.is_empty())
        .collect();
    assert_eq!(parts, [(vec![0], vec![0, 3]), (vec![1], vec![1]), (vec![2], vec![2, 4])]);
}
