//! Shortcuts of queues against what they stand for.

use super::*;
use crate::traffic::FluidPlane;
use crate::traffic::fluid::finite::WorkerRates;
use crate::traffic::fluid::queue::{FULL, Rates, ratio, root};

#[test]
fn quotients_are_those_of_the_loss_formula() {
    // The recursion as Erlang's B is mostly written.
    let quotient = |rates: &[f64], coming: f64| {
        let blocking = rates.iter().fold(1.0, |blocking, rate| coming * blocking / (rate + coming * blocking));
        blocking / (1.0 - blocking)
    };
    let mut known = WorkerRates::default();
    for workers in [1, 2, 7, 64, 200] {
        let rates = known.of(workers, 0.01, 0.02, 1.5).to_vec();
        let servers: Vec<f64> = (1..=workers).map(f64::from).collect();
        for utilisation in [1e-3, 0.1, 0.5, 0.9, 0.999, FULL] {
            let capacity = rates[rates.len() - 1];
            let all = f64::from(workers);
            for (found, expected) in [
                (ratio(Rates::Listed(&rates), utilisation, capacity), quotient(&rates, utilisation * capacity)),
                (ratio(Rates::Servers(all), utilisation, all), quotient(&servers, utilisation * all)),
            ] {
                let error = (found - expected).abs();
                assert!(error <= 1e-9 * expected + 1e-250, "{found} instead of {expected}, {workers} at {utilisation}");
            }
        }
    }
    assert_eq!(ratio(Rates::Servers(4.0), 0.0, 1.0), 0.0);
}

#[test]
fn roots_are_those_of_halving() {
    for servers in [1.0, 4.0, 64.0] {
        for passed in [1e-3, 1.0, 1e3, 1e6] {
            for known in [0.0, 1e-6, 0.3, 0.999, 1.0, 1.5, 1e3, 1e6] {
                let excess = |u: f64| libm::pow(u, servers) * u / (1.0 - u);
                let gap = |u: f64| (1.0 - u) * (excess(u) + passed * u - known * passed);
                if gap(FULL) <= 0.0 {
                    continue;
                }
                let (mut low, mut high) = (0.0, FULL);
                for _ in 0..60 {
                    let middle = f64::midpoint(low, high);
                    (low, high) = if gap(middle) > 0.0 { (low, middle) } else { (middle, high) };
                }
                let found = root(gap, FULL);
                assert!((found - low).abs() < 1e-11, "{found} instead of {low}: {servers}, {passed}, {known}");
            }
        }
    }
}

#[test]
fn what_is_asked_again_is_answered_as_before() {
    let points = (0..=24).map(|hour| (seconds(3600 * hour), 10.0 + 6.0 * (hour / 2 % 4) as f64)).collect();
    let limited = Server { workers: Some(8), ..cores(1500, 100_000_000) };
    let mut traffic = model(
        vec![service(3, limited, "round-robin", vec![Step::Compute(exponential(0.1))])],
        open(Profile { points }),
    );
    traffic.sources[0].policy =
        CallPolicy { timeout: Some(SimDuration(SECOND)), retries: retries(2), ..traffic.sources[0].policy.clone() };
    let run = |forgets: bool| {
        let mut plane = FluidPlane::new(&traffic, 0, SEED);
        for step in 1..=5760 {
            plane.advance(seconds(15 * step));
            if forgets {
                plane.stations[0].groups.iter_mut().for_each(|group| group.solved = None);
                plane.stations[0].rates.clear();
            }
        }
        plane.settle();
        let fate = &plane.sources()[0];
        (fate.outcomes, fate.latency.recorder().mean_s().to_bits(), plane.compute_ns(ServiceId(0)))
    };
    assert_eq!(run(false), run(true));
}
