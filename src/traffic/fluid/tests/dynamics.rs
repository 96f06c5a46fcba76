//! Overload comes and goes, and what does not change costs nothing.

use super::*;
use crate::traffic::fluid::measure::STRIDE_MAX;
use crate::traffic::{DataPlane, FluidPlane, Outcome};

#[test]
fn a_backlog_builds_up_and_drains() {
    // Ten servers of 10 a second at 80 a second; 130 from 10 to 20 minutes: 30 a second too many make 18 000, which drain by 20 a
    // second in 15 minutes. Those who come at the end of the overload wait 18 000 / 100 = 180 s.
    let at = |minutes: u64, rate: f64| (seconds(60 * minutes), rate);
    let profile = Profile { points: vec![at(0, 80.0), at(10, 80.0), at(10, 130.0), at(20, 130.0), at(20, 80.0)] };
    let traffic =
        model(vec![service(10, workers(1), "round-robin", vec![Step::Compute(exponential(0.1))])], open(profile));
    let mut plane = FluidPlane::new(&traffic, 0, SEED);
    for (minutes, waiting, error) in
        [(9, 10.0, 15.0), (15, 9_000.0, 200.0), (20, 18_000.0, 200.0), (30, 6_000.0, 200.0), (40, 10.0, 15.0)]
    {
        plane.advance(seconds(60 * minutes));
        plane.end_step(0);
        let found = plane.stations[0].waiting_now();
        assert!((found - waiting).abs() < error, "{found} wait at {minutes} min instead of {waiting}");
    }
    plane.settle();
    let mut single = DataPlane::new(&traffic, 0, SEED).expect("the balancer is known");
    single.advance(seconds(2400));
    let [own, other] = [plane.sources(), single.sources()].map(|sources| sources[0].latency.recorder());
    // 180 s at most, and some seconds by chance.
    for (found, expected, error) in [
        (own.mean_s(), other.mean_s(), 0.04),
        (own.quantile_s(0.95), other.quantile_s(0.95), 0.05),
        (own.quantile_s(0.99), 180.0, 0.05),
    ] {
        assert!((found / expected - 1.0).abs() < error, "{found} instead of {expected}");
    }
    // All are answered in the end: 30 min at 80 and 10 at 130 are 222 000 requests.
    let answered = plane.sources()[0].count();
    assert!(answered.abs_diff(222_000) < 50, "{answered}");
}

/// A service at 70 % whose callers give up after 2 s, hit by a minute of 160 %.
fn storm(limit: u32) -> Traffic {
    let at = |second: u64, rate: f64| (seconds(second), rate);
    let profile = Profile { points: vec![at(0, 70.0), at(300, 70.0), at(300, 160.0), at(360, 160.0), at(360, 70.0)] };
    let mut traffic =
        model(vec![service(10, workers(1), "round-robin", vec![Step::Compute(exponential(0.1))])], open(profile));
    traffic.sources[0].policy = CallPolicy {
        timeout: Some(SimDuration(2 * SECOND)),
        retries: if limit > 0 { retries(limit) } else { None },
        ..CallPolicy::default()
    };
    traffic.mode = Mode::Fluid { step: SimDuration(5 * SECOND) };
    traffic
}

#[test]
fn a_storm_of_retries_feeds_itself_in_both_modes() {
    // Without retries the service recovers: 60 s at 60 a second too many drain by 30 a second in two minutes. With three retries of
    // each request that is late 4 * 70 > 100 come as long as all are late, so they stay late.
    for (limit, recovers) in [(0, true), (3, false)] {
        let traffic = storm(limit);
        let mut fluid = FluidPlane::new(&traffic, 0, SEED);
        let mut single = DataPlane::new(&traffic, 0, SEED).expect("the balancer is known");
        fluid.advance(seconds(900));
        fluid.begin_windows();
        single.advance(seconds(900));
        single.begin_windows();
        fluid.advance(seconds(1200));
        fluid.settle();
        single.advance(seconds(1200));
        for (mode, window) in [("fluid", &fluid.sources()[0].window), ("single", &single.sources()[0].window)] {
            let failing = window.failures() as f64 / window.count() as f64;
            assert_eq!(failing < 0.02, recovers, "{mode} with {limit} retries: {failing} fail");
            assert_eq!(failing > 0.9, !recovers, "{mode} with {limit} retries: {failing} fail");
        }
        let offered = fluid.statistics(ServiceId(0)).retries;
        assert_eq!(offered > 0, limit > 0, "{offered} retries");
    }
}

#[test]
fn what_does_not_change_takes_no_steps() {
    let traffic = model(vec![service(4, workers(2), "random", vec![Step::Compute(exponential(0.1))])], poisson(40.0));
    let mut plane = FluidPlane::new(&traffic, 0, SEED);
    plane.advance(seconds(86_400 * 365));
    plane.settle();
    assert!(plane.events_handled() < 10, "{} steps", plane.events_handled());
    let count = plane.sources()[0].count();
    assert!(count.abs_diff(40 * 86_400 * 365) <= 5, "{count}");
    // 40 * 0.1 s of four times two workers.
    let used = plane.compute_ns(ServiceId(0));
    assert!(used.abs_diff(4 * 86_400 * 365 * SECOND) < SECOND, "{used}");
}

#[test]
fn runs_are_equal_bit_by_bit_however_they_are_cut() {
    let points = (0..=12).map(|hour| (seconds(3600 * hour), 10.0 + 5.0 * (hour % 3) as f64)).collect();
    let traffic = model(
        vec![service(3, workers(8), "least-request", vec![Step::Compute(exponential(0.1))])],
        open(Profile { points }),
    );
    let run = |cuts: u64| {
        let mut plane = FluidPlane::new(&traffic, 0, SEED);
        (1..=cuts).for_each(|cut| {
            plane.advance(SimTime(seconds(43_200).0 * cut / cuts));
        });
        plane.settle();
        let fate = &plane.sources()[0];
        (fate.outcomes, fate.latency.recorder().quantile_s(0.95).to_bits(), plane.compute_ns(ServiceId(0)))
    };
    assert_eq!(run(1), run(1));
    assert_eq!(run(1), run(7));
}

#[test]
fn points_left_out_are_missed_by_nobody() {
    // Rates whose period is a multiple of what is left out: each load would meet the same points again and again. Two services, of
    // which one asks the other, with loads from 0.35 to 0.95.
    for period in [8, 16, 128] {
        let points = (0..=8192).map(|step| {
            let angle = std::f64::consts::TAU * (step % period) as f64 / period as f64;
            (seconds(15 * step), 65.0 + 30.0 * libm::sin(angle))
        });
        let [front, back] = [Step::Compute(exponential(0.05)), Step::Compute(exponential(0.1))];
        let asks = vec![front, Step::Call(vec![call(1)])];
        let services = vec![service(8, workers(16), "random", asks), service(10, workers(1), "random", vec![back])];
        let traffic = model(services, open(Profile { points: points.collect() }));
        let measure = |stride_max: usize| {
            let mut plane = FluidPlane { stride_max, ..FluidPlane::new(&traffic, 0, SEED) };
            plane.advance(seconds(15 * 8192));
            plane.settle();
            let backs = &plane.statistics(ServiceId(1)).attempts;
            [&plane.sources()[0], backs].map(|fate| {
                let known = fate.latency.recorder();
                [known.mean_s(), known.quantile_s(0.5), known.quantile_s(0.95), known.quantile_s(0.99)]
            })
        };
        let (all, some) = (measure(1), measure(STRIDE_MAX));
        for (found, expected) in some.iter().flatten().zip(all.iter().flatten()) {
            assert!((found / expected - 1.0).abs() < 0.01, "{some:?} instead of {all:?} with a period of {period}");
        }
    }
}

#[test]
fn guards_keep_requests_away() {
    // Loss: a rate limit of 50 a second lets through half of 100; a breaker of 5 in front of 10 erlang loses what Erlang's B
    // says, 0.5640, of what M/G/inf would hold. Of what passes a copy of a fifth goes elsewhere.
    let unlimited = || service(1, Server::default(), "random", vec![Step::Compute(exponential(0.1))]);
    let mut limited = model(vec![unlimited(), unlimited()], poisson(100.0));
    limited.services[0].guard.rate_limit = Some(crate::model::control_plane::RateLimit { per_second: 50.0, burst: 10 });
    limited.services[0].mirror = Some((ServiceId(1), 0.2));
    let mut broken = model(vec![unlimited()], poisson(100.0));
    broken.services[0].guard.circuit_breaker.max_requests = Some(5);
    for (traffic, refused) in [(&limited, 0.5), (&broken, 0.564)] {
        let mut plane = FluidPlane::new(traffic, 0, SEED);
        plane.advance(seconds(1000));
        plane.settle();
        let fate = &plane.sources()[0];
        let found = fate.outcomes[Outcome::Refused as usize] as f64 / fate.count() as f64;
        assert!((found - refused).abs() < 0.005, "{found} instead of {refused}");
        if traffic.services.len() > 1 {
            let copies = plane.statistics(ServiceId(1)).attempts.count();
            assert!(copies.abs_diff(10_000) <= 20, "{copies}");
        }
    }
}
