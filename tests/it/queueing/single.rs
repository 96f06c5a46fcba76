//! One queue: M/M/1, M/M/c, M/M/c/K, M/D/1, M/G/1, M/G/inf, GI/M/1 and G/G/c.

use wavetank::ids::ServiceId;
use wavetank::model::Dist;
use wavetank::model::traffic::{Gap, Order, Server, Service, Step};
use wavetank::stats::BatchMeans;
use wavetank::stats::queueing::{GiGc, GiM1, InfiniteServer, Md1, Mmc, Mmck, mdc_mean_wait, mg1_mean_wait};
use wavetank::traffic::{DataPlane, Outcome};
use wavetank::units::SimDuration;

use super::lab::{Family, Growth, exponential, mean, poisson, renewal, run, run_watching, service, traffic, workers};

const QUEUE: ServiceId = ServiceId(0);

/// What is compared of a queue in order of arrival: mean sojourn, mean wait, and three quantiles of the sojourn.
fn compare_queue(
    family: &mut Family,
    plane: &DataPlane<'_>,
    setting: &str,
    (sojourn, wait): (f64, f64),
    quantile: Option<&dyn Fn(f64) -> f64>,
) {
    let latency = &plane.sources()[0].latency;
    family.compare("mean sojourn", setting, mean(latency), sojourn);
    family.compare("mean wait", setting, |level| plane.statistics(QUEUE).wait.interval(level), wait);
    let Some(quantile) = quantile else { return };
    family.compare_quantiles(setting, latency, quantile);
}

/// M/M/1, at services from microseconds to an hour.
pub(super) fn mm1(family: &mut Family) {
    let loads = [0.05, 0.1, 0.15, 0.2, 0.25, 0.3, 0.35, 0.4, 0.45, 0.5, 0.55, 0.6, 0.65, 0.7, 0.75, 0.8, 0.85, 0.9];
    let settings = loads.into_iter().zip([1.0, 0.01, 50e-6, 3600.0].into_iter().cycle());
    for (load, service_s) in settings.chain([(0.5, 1e-6), (0.8, 0.1)]) {
        let queue = Mmc::new(load / service_s, service_s, 1);
        markovian(family, &queue, service("queue", 1, workers(1), vec![Step::Compute(exponential(service_s))]));
    }
}

/// M/M/c: one server with workers, or servers with one worker that share a queue; work that computes, or waits.
pub(super) fn mmc(family: &mut Family) {
    for (position, (servers, load)) in [
        (2, 0.3),
        (2, 0.5),
        (2, 0.7),
        (2, 0.85),
        (3, 0.4),
        (3, 0.6),
        (3, 0.8),
        (4, 0.7),
        (5, 0.5),
        (5, 0.75),
        (5, 0.9),
        (8, 0.6),
        (8, 0.85),
        (10, 0.7),
        (10, 0.8),
        (10, 0.9),
        (20, 0.8),
        (30, 0.9),
        (50, 0.9),
        (100, 0.85),
        (100, 0.95),
        (300, 0.95),
    ]
    .into_iter()
    .enumerate()
    {
        let queue = Mmc::new(load * f64::from(servers), 1.0, servers);
        let step = if position % 2 == 0 { Step::Compute(exponential(1.0)) } else { Step::Wait(exponential(1.0)) };
        markovian(
            family,
            &queue,
            match position % 3 {
                0 => Service { has_shared_queue: true, ..service("queue", servers, workers(1), vec![step]) },
                _ => service("queue", 1, workers(servers), vec![step]),
            },
        );
    }
}

fn markovian(family: &mut Family, queue: &Mmc, station: Service) {
    let span_s = family.requests(queue.utilisation()) / queue.arrival_rate();
    let traffic = traffic(vec![station], poisson(queue.arrival_rate()), span_s);
    let plane = run(&traffic, family.next_seed(), span_s);
    let setting = format!("{} servers of {} s at {:.2}", queue.servers(), queue.mean_service(), queue.utilisation());
    let means = (queue.mean_sojourn(), queue.mean_wait());
    compare_queue(family, &plane, &setting, means, Some(&|probability| queue.sojourn_quantile(probability)));
}

/// M/M/c/K: what is refused is counted in a hundred slices of the run.
pub(super) fn mmck(family: &mut Family) {
    for (servers, room, load) in [
        (1, 1, 0.5),
        (1, 1, 2.0),
        (1, 2, 0.8),
        (1, 3, 1.0),
        (1, 5, 0.7),
        (1, 5, 1.2),
        (1, 10, 0.9),
        (1, 10, 1.5),
        (1, 20, 0.8),
        (2, 2, 0.8),
        (2, 3, 1.0),
        (2, 4, 0.6),
        (2, 8, 1.1),
        (3, 3, 1.5),
        (3, 6, 0.9),
        (5, 5, 0.7),
        (5, 8, 1.0),
        (5, 15, 1.3),
        (10, 10, 1.0),
        (10, 12, 0.9),
        (20, 25, 1.1),
        (50, 50, 0.9),
    ] {
        let queue = Mmck::new(load * f64::from(servers), 1.0, servers, room);
        let rate = load * f64::from(servers);
        let server = Server { queue_limit: Some(room - servers), ..workers(servers) };
        let span_s = family.requests(0.5) / rate;
        let station = service("queue", 1, server, vec![Step::Compute(exponential(1.0))]);
        let traffic = traffic(vec![station], poisson(rate), span_s);
        let mut refused = Growth::default();
        let plane = run_watching(&traffic, family.next_seed(), span_s, |plane, slice_s| {
            refused.note(plane.sources()[0].outcomes[Outcome::Refused as usize] as f64, slice_s);
        });
        let setting = format!("{servers} servers, room for {room}, at {load:.2}");
        family.compare("refusals", &setting, refused.rate(), rate * queue.blocking());
        compare_queue(family, &plane, &setting, (queue.mean_sojourn(), queue.mean_wait()), None);
    }
}

/// M/D/1, with the quantiles of Franx.
pub(super) fn md1(family: &mut Family) {
    for load in (0..22).map(|position| 0.06 + 0.04 * f64::from(position)) {
        let queue = Md1::new(load, 1.0);
        let (seed, span_s) = (family.next_seed(), family.requests(load) / load);
        let step = Step::Compute(Dist::Constant(SimDuration::from_seconds(1.0)));
        let traffic = traffic(vec![service("queue", 1, workers(1), vec![step])], poisson(load), span_s);
        let plane = run(&traffic, seed, span_s);
        let quantile = |probability| 1.0 + queue.wait_quantile(probability);
        let means = (queue.mean_sojourn(), queue.mean_wait());
        compare_queue(family, &plane, &format!("at {load:.2}"), means, Some(&quantile));
    }
}

/// M/D/c, computed exactly.
pub(super) fn mdc(family: &mut Family) {
    for servers in [2, 3, 5, 10, 25] {
        for load in [0.5, 0.6, 0.7, 0.8, 0.9] {
            let rate = load * f64::from(servers);
            let (seed, span_s) = (family.next_seed(), family.requests(load) / rate);
            let step = Step::Wait(Dist::Constant(SimDuration::from_seconds(1.0)));
            let traffic = traffic(vec![service("queue", 1, workers(servers), vec![step])], poisson(rate), span_s);
            let plane = run(&traffic, seed, span_s);
            let wait = mdc_mean_wait(rate, 1.0, servers);
            compare_queue(family, &plane, &format!("{servers} servers at {load}"), (1.0 + wait, wait), None);
        }
    }
}

/// Distributions of service with means of about 1 s, and their names.
pub(super) fn distributions() -> Vec<(&'static str, Dist)> {
    let second = |seconds| SimDuration::from_seconds(seconds);
    vec![
        ("constant", Dist::Constant(second(1.0))),
        ("uniform", Dist::Uniform { min: 0.2, max: 1.8 }),
        ("exponential", exponential(1.0)),
        ("cut normal", Dist::Normal { mean: 1.0, sd: 0.6 }),
        ("lognormal, scv 1/4", Dist::lognormal_from_mean_sd(1.0, 0.5)),
        ("lognormal, scv 2", Dist::lognormal_from_mean_sd(1.0, libm::sqrt(2.0))),
        ("Weibull 2", Dist::Weibull { scale: 1.1, shape: 2.0 }),
        ("Weibull 0.7", Dist::Weibull { scale: 0.8, shape: 0.7 }),
        ("Pareto to 20", Dist::Pareto { min: 0.4, shape: 1.5, max: 20.0 }),
        ("Erlang 3", Dist::Gamma { mean: 1.0, shape: 3.0 }),
        ("gamma 0.5", Dist::Gamma { mean: 1.0, shape: 0.5 }),
        ("hyperexponential", Dist::Hyperexponential { branches: vec![(0.9, 0.6), (0.1, 4.6)] }),
        ("empirical", Dist::Empirical([0.1, 0.5, 0.9, 2.5].map(second).to_vec())),
        ("percentiles", Dist::Percentiles(vec![(0.0, 0.1), (0.5, 0.7), (0.9, 2.0), (1.0, 6.0)])),
    ]
}

/// M/G/1 by Pollaczek and Khinchine; the mean holds for the last come first as well.
pub(super) fn mg1(family: &mut Family) {
    for (load, order) in [(0.5, Order::Fifo), (0.75, Order::Lifo)] {
        for (name, dist) in distributions() {
            let (service_s, scv) = (dist.mean_seconds(), dist.squared_variation());
            let (rate, seed) = (load / service_s, family.next_seed());
            let span_s = family.requests(load) / rate;
            let server = Server { order, ..workers(1) };
            let traffic = traffic(vec![service("queue", 1, server, vec![Step::Wait(dist)])], poisson(rate), span_s);
            let plane = run(&traffic, seed, span_s);
            let wait = mg1_mean_wait(rate, service_s, scv);
            compare_queue(family, &plane, &format!("{name}, {order:?}, at {load}"), (service_s + wait, wait), None);
        }
    }
}

/// M/G/inf: the number there is Poisson, whatever the distribution of service.
pub(super) fn mg_infinity(family: &mut Family) {
    for load in [0.5, 7.0] {
        for (name, dist) in distributions() {
            let service_s = dist.mean_seconds();
            let system = InfiniteServer::new(load / service_s, service_s);
            let (seed, span_s) = (family.next_seed(), family.requests(0.0) / load * service_s);
            let station = service("queue", 1, Server::default(), vec![Step::Compute(dist)]);
            let traffic = traffic(vec![station], poisson(load / service_s), span_s);
            let (mut areas, mut above) = (Growth::default(), BatchMeans::default());
            let plane = run_watching(&traffic, seed, span_s, |plane, slice_s| {
                let level = plane.statistics(QUEUE).in_flight;
                areas.note(level.area(plane.now()) as f64 / 1e9, slice_s);
                above.record(f64::from(u8::from(level.value() > load as u64)));
            });
            let setting = format!("{name}, {load} on average");
            family.compare("mean number", &setting, areas.rate(), system.mean_number());
            let probability = system.number_at_least(load as u64 + 1);
            family.compare("more than the mean", &setting, |level| above.interval(level), probability);
            family.compare("mean sojourn", &setting, mean(&plane.sources()[0].latency), service_s);
        }
    }
}

/// 1 - A*(s) of gaps with a mean of 1 over `rate`, by Simpson's rule over the uniform number that a gap is made of.
fn one_minus_transform(gap: Gap, rate: f64, s: f64) -> f64 {
    let part = |gap: f64| -libm::expm1(-s * gap / rate);
    match gap {
        Gap::Exponential => s / (rate + s),
        Gap::Deterministic => part(1.0),
        Gap::Gamma(shape) => -libm::expm1(-shape * libm::log1p(s / (shape * rate))),
        // A Weibull gap is a power of an exponential number, cut at exp(-40).
        Gap::Weibull(shape) => {
            let mean = libm::tgamma(1.0 + 1.0 / shape);
            simpson(0.0, 40.0, |x| libm::exp(-x) * part(libm::pow(x, 1.0 / shape) / mean))
        }
        // The exponential of a normal number, cut at 9 standard deviations.
        Gap::Lognormal(sigma) => {
            let density = |z: f64| libm::exp(-z * z / 2.0) / libm::sqrt(std::f64::consts::TAU);
            simpson(-9.0, 9.0, |z| density(z) * part(libm::exp(sigma * z - sigma * sigma / 2.0)))
        }
    }
}

fn simpson(from: f64, to: f64, value: impl Fn(f64) -> f64) -> f64 {
    const STEPS: u32 = 20_000;
    let width = (to - from) / f64::from(STEPS);
    let weight = |step| if step == 0 || step == STEPS { 1.0 } else { f64::from(2 + 2 * (step % 2)) };
    (0..=STEPS).map(|step| weight(step) * value(from + f64::from(step) * width)).sum::<f64>() * width / 3.0
}

const GAPS: [Gap; 9] = [
    Gap::Deterministic,
    Gap::Gamma(0.3),
    Gap::Gamma(2.0),
    Gap::Gamma(4.5),
    Gap::Weibull(0.7),
    Gap::Weibull(3.0),
    Gap::Lognormal(0.5),
    Gap::Lognormal(1.0),
    Gap::Exponential,
];

/// GI/M/1: sojourns are exponential.
pub(super) fn gim1(family: &mut Family) {
    for load in [0.4, 0.6, 0.8] {
        for gap in GAPS {
            let queue = GiM1::with_transform(load, 1.0, |s| one_minus_transform(gap, load, s));
            let (seed, span_s) = (family.next_seed(), family.requests(load) / load);
            let station = service("queue", 1, workers(1), vec![Step::Compute(exponential(1.0))]);
            let traffic = traffic(vec![station], renewal(gap, load), span_s);
            let plane = run(&traffic, seed, span_s);
            let means = (queue.mean_sojourn(), queue.mean_wait());
            let quantile = |probability| queue.sojourn_quantile(probability);
            compare_queue(family, &plane, &format!("{gap:?} at {load}"), means, Some(&quantile));
        }
    }
}

/// G/G/c by Whitt's approximation, which at these loads is within 15 % of what simulations with ten times as many requests
/// find.
pub(super) fn gigc(family: &mut Family) {
    let services = [
        Dist::Constant(SimDuration::from_seconds(1.0)),
        Dist::Gamma { mean: 1.0, shape: 2.0 },
        exponential(1.0),
        Dist::lognormal_from_mean_sd(1.0, 1.2),
    ];
    for (servers, load) in [(2, 0.8), (8, 0.9)] {
        for gap in [Gap::Deterministic, Gap::Gamma(2.0), Gap::Weibull(1.5), Gap::Gamma(0.6)] {
            for dist in services.clone() {
                // With equal gaps and equal services nobody waits.
                if gap == Gap::Deterministic && dist.squared_variation() == 0.0 {
                    continue;
                }
                let rate = load * f64::from(servers);
                let queue = GiGc {
                    arrival_rate: rate,
                    arrival_scv: gap.squared_variation(),
                    mean_service: 1.0,
                    service_scv: dist.squared_variation(),
                    servers,
                };
                let (seed, span_s) = (family.next_seed(), family.requests(load) / rate);
                let setting = format!("{gap:?}, {dist:?}, {servers} servers at {load}");
                let station = service("queue", 1, workers(servers), vec![Step::Wait(dist)]);
                let traffic = traffic(vec![station], renewal(gap, rate), span_s);
                let plane = run(&traffic, seed, span_s);
                let wait = queue.whitt();
                let range = (wait * 0.85, wait * 1.15);
                family.compare_between(
                    "mean wait",
                    &setting,
                    |level| plane.statistics(QUEUE).wait.interval(level),
                    range,
                );
            }
        }
    }
}
