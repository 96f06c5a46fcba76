//! Pods come and go.

use super::*;
use crate::ids::{ClassId, PodId};
use crate::traffic::{FluidPlane, Notice, Outcome, Plane, Seat};

fn seat(pod: u32) -> Seat {
    Seat {
        pod: PodId(pod),
        opens_at: SimTime::ZERO,
        zone: None,
        node: 0,
        cpu_request: 1000,
        cpu_limit: Some(2000),
        memory_limit: None,
        speed: 1.0,
        failure: 0.0,
        group: 0,
    }
}

/// A service of pods that need 50 ms of a core for each of 20 requests a second.
fn pods() -> Traffic {
    let mut one = service(0, workers(4), "random", vec![Step::Compute(exponential(0.05))]);
    one.backends = Backends::Pods(vec![ClassId(0)]);
    one.server.memory_base = 1000;
    one.server.memory_per_request = 10;
    model(vec![one], poisson(20.0))
}

#[test]
fn pods_serve_from_when_clients_know_of_them_until_they_are_gone() {
    let mut traffic = pods();
    traffic.endpoint_delay = constant(2.0);
    let mut plane = FluidPlane::new(&traffic, 0, SEED);
    plane.advance(seconds(10));
    let first = plane.open(&seat(0), &[ServiceId(0)]);
    plane.tell_ready(first, true);
    plane.advance(seconds(30));
    plane.settle();
    // 20 a second for 12 s find nobody.
    let [well, unavailable] =
        [Outcome::Well, Outcome::Unavailable].map(|one| plane.sources()[0].outcomes[one as usize]);
    assert!(unavailable.abs_diff(240) <= 1 && well.abs_diff(360) <= 3, "{unavailable} {well}");
    // 18 s at one core.
    let load = plane.meters().load_of(first);
    assert!((load.compute_ns as f64 / 18e9 - 1.0).abs() < 0.01, "{load:?}");
    // About one request and a little more, and three deviations: 5 at most.
    assert!((1030..=1050).contains(&load.memory_bytes), "{load:?}");
    let second = plane.open(&seat(1), &[ServiceId(0)]);
    plane.tell_ready(second, true);
    assert_eq!(plane.backends(ServiceId(0)), 2);
    plane.advance(seconds(60));
    // Clients know of it from 32 s on: then each has half of the 20.
    let used = plane.meters().load_of(second).compute_ns;
    assert!((used as f64 / 14e9 - 1.0).abs() < 0.02, "{used}");
    plane.end(first, seconds(60));
    // Its last answer comes soon, and the pod may go.
    assert!(plane.advance(seconds(70)));
    assert_eq!(plane.take_notices(), [Notice::Drained(PodId(0))]);
    assert!(plane.now() < seconds(62));
    plane.close(first);
    plane.advance(seconds(90));
    plane.close(second);
    plane.advance(seconds(100));
    plane.settle();
    // About one request was lost with the second, and about 10 s of them found nobody.
    let lost = plane.sources()[0].outcomes[Outcome::Lost as usize]
        + plane.statistics(ServiceId(0)).attempts.outcomes[Outcome::Lost as usize];
    assert!(lost <= 4, "{lost}");
    let unavailable = plane.sources()[0].outcomes[Outcome::Unavailable as usize];
    assert!(unavailable.abs_diff(240 + 20 + 200) <= 25, "{unavailable}");
    assert_eq!(plane.backends(ServiceId(0)), 0);
}

#[test]
fn requests_wait_in_a_shared_queue_until_there_is_a_pod() {
    let mut traffic = pods();
    traffic.services[0].has_shared_queue = true;
    let mut plane = FluidPlane::new(&traffic, 0, SEED);
    plane.advance(seconds(60));
    plane.end_step(0);
    // A minute of 20 a second.
    assert_eq!(plane.statistics(ServiceId(0)).attempts.count(), 0);
    assert!((plane.stations[0].waiting_now() - 1200.0).abs() < 1.0);
    let pod = plane.open(&seat(0), &[ServiceId(0)]);
    plane.tell_ready(pod, true);
    // Two cores end 40 a second: the backlog is gone a minute later.
    plane.advance(seconds(240));
    plane.settle();
    let answered = plane.sources()[0].count();
    assert!(answered.abs_diff(240 * 20) < 10, "{answered}");
}

#[test]
fn pods_of_one_node_share_its_cores() {
    let mut traffic = pods();
    traffic.services[0].server.workers = None;
    traffic.services[0].server.quota_period = SimDuration::ZERO;
    let mut plane = FluidPlane::new(&traffic, 0, SEED);
    let pods = [0, 1].map(|pod| {
        let number = plane.open(&seat(pod), &[ServiceId(0)]);
        plane.tell_ready(number, true);
        number
    });
    let mut mean_at = |cores: f64, until: u64| {
        plane.set_node_cores(0, cores);
        plane.begin_windows();
        plane.advance(seconds(until));
        plane.settle();
        plane.sources()[0].window.latency.mean_s()
    };
    // Each needs half a core and may use two: hardly anybody is slowed. On 1.2 cores each has 0.7, which its requests share: 0.05 /
    // 0.7 / (1 - 0.5 / 0.7) = 0.25 s.
    let (alone, crowded) = (mean_at(16.0, 600), mean_at(1.2, 1800));
    assert!((alone / 0.0525 - 1.0).abs() < 0.05, "{alone}");
    assert!((0.2..0.3).contains(&crowded), "{crowded}");
    assert!(pods[0] != pods[1]);
}

#[test]
fn a_canary_gets_its_part_and_its_own_figures() {
    let traffic = pods();
    let mut plane = Plane::Fluid(Box::new(FluidPlane::new(&traffic, 0, SEED)));
    for (pod, group, failure) in [(0, 7, 0.0), (1, 7, 0.0), (2, 8, 0.5)] {
        let number = plane.open(&Seat { group, failure, ..seat(pod) }, &[ServiceId(0)]);
        plane.tell_ready(number, true);
    }
    plane.set_split(ServiceId(0), &[(7, 90.0), (8, 10.0)]);
    plane.advance(seconds(1000));
    plane.settle();
    let window = |group| plane.group(ServiceId(0), group).expect("requests were divided");
    let (stable, canary) = (window(7), window(8));
    // 20 000 requests, a tenth of them at the canary, half of these failing.
    assert!(stable.count().abs_diff(18_000) <= 2 && stable.failures() == 0, "{:?}", stable.outcomes);
    assert!(canary.count().abs_diff(2_000) <= 2, "{:?}", canary.outcomes);
    assert!(canary.failures().abs_diff(1_000) <= 2, "{:?}", canary.outcomes);
    let errors = plane.sources()[0].outcomes[Outcome::Error as usize];
    assert!(errors.abs_diff(1_000) <= 2, "{errors}");
}

#[test]
fn pods_run_out_of_memory_when_too_much_waits() {
    let traffic = pods();
    let mut plane = FluidPlane::new(&traffic, 0, SEED);
    // Room for 100 requests; a tenth of a core ends 2 of 20 a second, so it is full after about 6 s.
    let tight = Seat { cpu_limit: Some(100), memory_limit: Some(2000), ..seat(0) };
    let pod = plane.open(&tight, &[ServiceId(0)]);
    plane.tell_ready(pod, true);
    assert!(plane.advance(seconds(600)));
    assert_eq!(plane.take_notices(), [Notice::OutOfMemory(PodId(0))]);
    assert!(plane.now() <= seconds(15), "{:?}", plane.now());
}

/// Two services that have nothing to do with each other but a node, each with a source.
fn apart() -> Traffic {
    let mut traffic = pods();
    let mut other = pods().services.remove(0);
    other.backends = Backends::Pods(vec![ClassId(1)]);
    traffic.services.push(other);
    traffic.sources.push(Source { mix: vec![(operation(1), 1.0)], ..source(poisson(20.0)) });
    traffic
}

#[test]
fn what_does_not_hang_together_has_steps_of_its_own() {
    // The second service's pod comes and goes 30 times, while the first keeps its one.
    let steps = |traffic: &Traffic| {
        let mut plane = FluidPlane::new(traffic, 0, SEED);
        let only = plane.open(&seat(0), &[ServiceId(0)]);
        plane.tell_ready(only, true);
        for turn in 0..30 {
            plane.advance(seconds(2 * turn + 1));
            let one = plane.open(&Seat { node: 1, ..seat(1) }, &[ServiceId(1)]);
            plane.tell_ready(one, true);
            plane.advance(seconds(2 * turn + 2));
            plane.close(one);
        }
        plane.advance(seconds(100));
        plane.settle();
        let used = plane.meters().load_of(only).compute_ns;
        (plane.events_handled(), used, plane.sources()[0].outcomes, plane.sources()[1].outcomes)
    };
    let (both, used, first, second) = steps(&apart());
    // 20 a second for 100 s, and for the 30 s in which there is a pod; about one is lost with each of those.
    let all = |outcomes: &[u64]| outcomes.iter().sum::<u64>();
    assert!(all(&first).abs_diff(2000) <= 1 && all(&second).abs_diff(2000) <= 1, "{first:?} {second:?}");
    assert!(first[Outcome::Well as usize] >= 1997, "{first:?}");
    assert!((540..=603).contains(&second[Outcome::Well as usize]), "{second:?}");
    // One source for both makes them one part, in which each change is a step for all: two a turn. Apart the first service has a
    // few of its own, of which at most seven are those of the clock.
    let mut together = apart();
    together.sources[0].mix.push((operation(1), 1e-9));
    let (one, used_together, ..) = steps(&together);
    assert!((60..=80).contains(&one) && (one + 1..one + 20).contains(&both), "{both} {one}");
    assert!((used as f64 / used_together as f64 - 1.0).abs() < 1e-3, "{used} {used_together}");
}
