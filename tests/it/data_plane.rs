//! Timelines of the data plane where servers come and go, or are late, worked out by hand.

use wavetank::ids::{ClassId, PodId, ServiceId, ZoneId};
use wavetank::model::Dist;
use wavetank::model::traffic::{
    Arrivals, Backends, CallPolicy, Network, Retries, RetryOn, Server, Service, Step, Traffic,
};
use wavetank::rng::Seed;
use wavetank::traffic::{DataPlane, Outcome, Seat};
use wavetank::units::{SimDuration, SimTime};

use super::queueing::lab::{call, service, source, workers};

const SECOND: u64 = 1_000_000_000;
const FRONT: ServiceId = ServiceId(0);
const BACK: ServiceId = ServiceId(1);

fn second(count: u64) -> SimTime {
    SimTime(count * SECOND)
}

fn seconds(count: u64) -> SimDuration {
    SimDuration(count * SECOND)
}

fn work(count: u64) -> Step {
    Step::Wait(Dist::Constant(seconds(count)))
}

/// Requests at these seconds to the first of some services.
fn requests_at(times: &[u64], services: Vec<Service>) -> Traffic {
    let instants = times.iter().map(|&at| (second(at), None)).collect();
    Traffic { services, sources: vec![source("users", Arrivals::Replay(instants), 0)], ..Traffic::default() }
}

fn pods(service: Service) -> Service {
    Service { backends: Backends::Pods(vec![ClassId(0)]), ..service }
}

fn seat(pod: u32, zone: u32) -> Seat {
    Seat {
        pod: PodId(pod),
        opens_at: SimTime::ZERO,
        zone: Some(ZoneId(zone)),
        node: 0,
        cpu_request: 1000,
        cpu_limit: None,
        memory_limit: None,
        speed: 1.0,
        failure: 0.0,
        group: 0,
    }
}

fn plane(traffic: &Traffic) -> DataPlane<'_> {
    DataPlane::new(traffic, 2, Seed { base: 1, replication: 0 }).expect("a model without mistakes")
}

#[test]
fn who_is_late_makes_no_call() {
    // The user waits until 2 s. The front works until 3 s, and its call might take 5 s, but has no time left.
    let mut front = service("front", 1, Server::default(), vec![work(3), call(1, 1.0)]);
    let Step::Call(calls) = &mut front.operations[0].steps[1] else { unreachable!("it is the call") };
    calls[0].policy = CallPolicy { deadline: Some(seconds(5)), ..CallPolicy::default() };
    let mut traffic = requests_at(&[0], vec![front, service("back", 1, workers(1), vec![work(1)])]);
    traffic.sources[0].policy = CallPolicy { deadline: Some(seconds(2)), ..CallPolicy::default() };
    let mut plane = plane(&traffic);
    plane.advance(second(10));
    assert_eq!(plane.sources()[0].outcomes[Outcome::Timeout as usize], 1);
    assert_eq!(plane.statistics(FRONT).sojourn_ns, u128::from(3 * SECOND));
    assert_eq!((plane.statistics(BACK).attempts.count(), plane.live()), (0, 0));
}

#[test]
fn a_server_that_is_ready_again_takes_what_waits() {
    // Two workers. The first request has one of them from 1 s to 11 s. The second comes when no server is ready, at 3 s; at
    // 4 s there is one again, with a worker to spare, so it is answered at 14 s. The third comes at 5 s, when both are busy, and is
    // served from 11 s to 21 s.
    let front = pods(service("front", 1, workers(2), vec![work(10)]));
    let traffic = requests_at(&[1, 3, 5], vec![Service { has_shared_queue: true, ..front }]);
    let mut plane = plane(&traffic);
    let number = plane.open(&seat(0, 0), &[FRONT]);
    plane.tell_ready(number, true);
    plane.advance(second(2));
    plane.tell_ready(number, false);
    plane.advance(second(4));
    plane.tell_ready(number, true);
    plane.advance(second(30));
    let latency = plane.sources()[0].latency.recorder();
    // 10, 11 and 16 s.
    assert_eq!((latency.count(), latency.max_s(), latency.mean_s()), (3, 16.0, 37.0 / 3.0));
}

#[test]
fn a_server_that_is_gone_does_not_try_again() {
    // The back refuses at once, and the front tries again every second from 1 s on, until it is gone at 4.5 s: at 1, 2, 3
    // and 4 s.
    let mut front = pods(service("front", 1, Server::default(), vec![call(1, 1.0)]));
    let Step::Call(calls) = &mut front.operations[0].steps[0] else { unreachable!("it is the call") };
    let on = RetryOn { timeouts: true, refusals: true, errors: true };
    let retries = Retries { limit: 100, base: seconds(1), max: seconds(1), has_jitter: false, budget: None, on };
    calls[0].policy = CallPolicy { retries: Some(retries), ..CallPolicy::default() };
    let back = pods(service("back", 1, Server::default(), vec![work(1)]));
    let traffic = requests_at(&[0], vec![front, back]);
    let mut plane = plane(&traffic);
    let number = plane.open(&seat(0, 0), &[FRONT]);
    plane.tell_ready(number, true);
    plane.advance(SimTime(4 * SECOND + SECOND / 2));
    assert_eq!(plane.statistics(BACK).retries, 4);
    plane.close(number);
    plane.advance(second(20));
    assert_eq!(plane.sources()[0].outcomes[Outcome::Lost as usize], 1);
    assert_eq!((plane.statistics(BACK).retries, plane.live()), (4, 0));
}

#[test]
fn answers_on_their_way_come_from_where_they_were_given() {
    // The answer leaves zone 0 at 2 s and takes 2 s. Meanwhile the server goes and another one comes, in zone 1.
    let mut traffic = requests_at(&[0], vec![pods(service("front", 1, Server::default(), vec![]))]);
    traffic.sources[0].zone = Some(ZoneId(0));
    traffic.network = Network { within_zone: Dist::Constant(seconds(2)), ..Network::default() };
    let mut plane = plane(&traffic);
    let number = plane.open(&seat(0, 0), &[FRONT]);
    plane.tell_ready(number, true);
    plane.advance(second(3));
    plane.close(number);
    plane.open(&seat(1, 1), &[FRONT]);
    plane.advance(second(9));
    let zones: Vec<_> = plane.statistics(FRONT).cells().map(|cell| (cell.zone, cell.outcome)).collect();
    assert_eq!(zones, [(Some(ZoneId(0)), Some(Outcome::Well))]);
}
