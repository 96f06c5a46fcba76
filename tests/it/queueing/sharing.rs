//! Cores that requests share: M/G/1-PS, several cores, sizes apart, and limits of how many share.

use wavetank::ids::ServiceId;
use wavetank::model::Dist;
use wavetank::model::traffic::{Server, Step};
use wavetank::stats::queueing::{Mmc, ProcessorSharing, limited_sharing_mean_wait};
use wavetank::units::SimDuration;

use super::lab::{Family, Growth, exponential, mean, poisson, run, run_watching, service, source, traffic};
use super::single::distributions;

const QUEUE: ServiceId = ServiceId(0);

/// Cores without periods, so that requests share them at every instant.
fn shared(cores: u32) -> Server {
    Server { cpu_milli: Some(1000 * u64::from(cores)), quota_period: SimDuration::ZERO, ..Server::default() }
}

/// M/G/1-PS: the mean sojourn is that of exponential services, whatever the distribution.
pub(super) fn one_core(family: &mut Family) {
    insensitive(family, &[(1, 0.5), (1, 0.75)]);
}

/// M/G/c-PS, nobody faster than one core.
pub(super) fn several_cores(family: &mut Family) {
    insensitive(family, &[(2, 0.7), (5, 0.8)]);
}

fn insensitive(family: &mut Family, systems: &[(u32, f64)]) {
    for &(cores, load) in systems {
        for (name, dist) in distributions() {
            let service_s = dist.mean_seconds();
            let rate = load * f64::from(cores) / service_s;
            let system = ProcessorSharing::new(rate, service_s, cores);
            let (seed, span_s) = (family.next_seed(), family.requests(load) / rate);
            let station = service("cores", 1, shared(cores), vec![Step::Compute(dist)]);
            let traffic = traffic(vec![station], poisson(rate), span_s);
            let mut areas = Growth::default();
            let plane = run_watching(&traffic, seed, span_s, |plane, slice_s| {
                let area = plane.statistics(QUEUE).in_flight.area(plane.now());
                areas.note(area as f64 / 1e9, slice_s);
            });
            let setting = format!("{name} on {cores} cores at {load}");
            family.compare("mean sojourn", &setting, mean(&plane.sources()[0].latency), system.mean_sojourn());
            family.compare("mean number", &setting, areas.rate(), system.mean_number());
        }
    }
}

/// Exponential sizes: quantiles of the sojourn.
pub(super) fn exponential_sizes(family: &mut Family) {
    for cores in [1, 2, 4] {
        for load in [0.2, 0.35, 0.45, 0.55, 0.65, 0.7, 0.75] {
            let rate = load * f64::from(cores);
            let (seed, span_s) = (family.next_seed(), family.requests(load) / rate);
            let station = service("cores", 1, shared(cores), vec![Step::Compute(exponential(1.0))]);
            let traffic = traffic(vec![station], poisson(rate), span_s);
            let plane = run(&traffic, seed, span_s);
            let (latency, setting) = (&plane.sources()[0].latency, format!("{cores} cores at {load}"));
            let sojourns = ProcessorSharing::new(rate, 1.0, cores).exponential_sojourns();
            family.compare("mean sojourn", &setting, mean(latency), sojourns.mean());
            family.compare_quantiles(&setting, latency, |probability| sojourns.quantile(probability));
        }
    }
}

/// Requests of different sizes: each takes its size over what is left of the core.
pub(super) fn by_size(family: &mut Family) {
    for load in [0.3, 0.5, 0.6, 0.7, 0.8] {
        for (cores, sizes) in [(1, [0.25, 4.0]), (1, [1.0, 1.5]), (2, [0.5, 3.0]), (3, [0.1, 2.0])] {
            // Each source brings half of the load.
            let rates = sizes.map(|size| load * f64::from(cores) / 2.0 / size);
            let total: f64 = rates.iter().sum();
            let system = ProcessorSharing::new(total, load * f64::from(cores) / total, cores);
            let (seed, span_s) = (family.next_seed(), 1.5 * family.requests(load) / total);
            let constant = |size| vec![Step::Compute(Dist::Constant(SimDuration::from_seconds(size)))];
            let mut station = service("cores", 1, shared(cores), constant(sizes[0]));
            let mut large = station.operations[0].clone();
            (large.name, large.steps) = ("large".to_owned(), constant(sizes[1]));
            station.operations.push(large);
            let mut traffic = traffic(vec![station], poisson(rates[0]), span_s);
            traffic.sources.push(source("others", poisson(rates[1]), 0));
            traffic.sources[1].mix[0].0.operation = 1;
            let plane = run(&traffic, seed, span_s);
            for (number, (size, name)) in sizes.into_iter().zip(["small", "large"]).enumerate() {
                let setting = format!("{size} s on {cores} cores at {load}");
                let exact = system.mean_sojourn_of(size);
                family.compare(name, &setting, mean(&plane.sources()[number].latency), exact);
            }
        }
    }
}

/// So many requests share the cores, others wait: exponential sizes.
pub(super) fn limited(family: &mut Family) {
    for (cores, limit) in [(1, 1), (1, 2), (1, 3), (1, 6), (2, 2), (2, 3), (2, 5), (4, 8)] {
        for load in [0.5, 0.7, 0.8] {
            let rate = load * f64::from(cores);
            let queue = Mmc::new(rate, 1.0, cores);
            let (seed, span_s) = (family.next_seed(), family.requests(load) / rate);
            let server = Server { workers: Some(limit), ..shared(cores) };
            let station = service("cores", 1, server, vec![Step::Compute(exponential(1.0))]);
            let traffic = traffic(vec![station], poisson(rate), span_s);
            let plane = run(&traffic, seed, span_s);
            let setting = format!("{limit} share {cores} cores at {load}");
            let wait = limited_sharing_mean_wait(&queue, limit);
            family.compare("mean wait", &setting, |level| plane.statistics(QUEUE).wait.interval(level), wait);
            family.compare("mean sojourn", &setting, mean(&plane.sources()[0].latency), queue.mean_sojourn());
        }
    }
}
