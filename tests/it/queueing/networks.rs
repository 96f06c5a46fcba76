//! Networks of queues, made of calls: a service without limits and without work of its own calls the stations one after
//! the other, so that no caller's worker is held.

use wavetank::ids::ServiceId;
use wavetank::model::Dist;
use wavetank::model::traffic::{Arrivals, Backends, Route, Server, Service, Step, Traffic};
use wavetank::rng::Stream;
use wavetank::stats::queueing::{ClosedStation, OpenNetwork, OpenStation, mean_value_analysis, traffic_equations};
use wavetank::units::SimDuration;

use super::lab::{
    Family, Growth, call, exponential, mean, poisson, run, run_watching, service, source, traffic, workers,
};

/// A station that is called with a probability in each round.
#[derive(Clone, Copy, Debug)]
enum Station {
    /// Exponential services by so many servers, in order of arrival.
    Queue(u32, f64, f64),
    /// A core that is shared by requests of two sizes.
    Shared(f64, f64),
    /// Uniform times without a queue.
    Delay(f64, f64),
}

use Station::{Delay, Queue, Shared};

impl Station {
    fn probability(self) -> f64 {
        let (Queue(_, _, probability) | Shared(_, probability) | Delay(_, probability)) = self;
        probability
    }

    fn closed(self) -> ClosedStation {
        match self {
            Queue(servers, mean, visits) => ClosedStation::Queue { demand: mean * visits, servers },
            Shared(mean, visits) => ClosedStation::Queue { demand: mean * visits, servers: 1 },
            Delay(mean, visits) => ClosedStation::Delay { demand: mean * visits },
        }
    }

    fn service(self, name: &str) -> Service {
        match self {
            Queue(servers, mean, _) => service(name, 1, workers(servers), vec![Step::Compute(exponential(mean))]),
            Shared(mean, _) => {
                let core = Server { cpu_milli: Some(1000), quota_period: SimDuration::ZERO, ..Server::default() };
                let sizes = [0.4, 1.6].map(|part| SimDuration::from_seconds(part * mean));
                service(name, 1, core, vec![Step::Compute(Dist::Empirical(sizes.to_vec()))])
            }
            Delay(mean, _) => {
                let dist = Dist::Uniform { min: 0.0, max: 2.0 * mean };
                service(name, 1, Server::default(), vec![Step::Wait(dist)])
            }
        }
    }
}

/// The stations behind a service that calls them in turn.
fn in_turn(stations: &[Station]) -> Vec<Service> {
    let calls = (1..).zip(stations).map(|(number, station)| call(number, station.probability())).collect();
    let named = |(number, station): (usize, &Station)| station.service(&format!("station {number}"));
    let front = service("front", 1, Server::default(), calls);
    std::iter::once(front).chain(stations.iter().enumerate().map(named)).collect()
}

/// Users who think and go through the stations, by mean value analysis: throughput, and the time from the request of a user
/// to the answer.
pub(super) fn closed(family: &mut Family) {
    let networks: [(f64, &[Station]); 8] = [
        (10.0, &[Queue(1, 1.0, 1.0)]),
        (4.0, &[Queue(3, 2.0, 1.0)]),
        (5.0, &[Queue(1, 0.8, 1.0), Queue(1, 0.5, 1.0)]),
        (0.0, &[Queue(1, 1.0, 1.0), Queue(2, 1.5, 1.0)]),
        (6.0, &[Queue(2, 1.0, 1.0), Queue(1, 1.2, 0.4), Queue(1, 0.9, 0.7)]),
        (3.0, &[Shared(0.7, 1.0), Queue(1, 0.5, 1.0)]),
        (2.0, &[Shared(0.5, 1.0), Delay(2.0, 0.5), Queue(4, 2.0, 0.8)]),
        (8.0, &[Queue(1, 0.3, 1.0), Queue(1, 0.3, 0.5), Queue(1, 0.3, 0.9), Queue(1, 0.3, 1.0), Shared(0.3, 0.6)]),
    ];
    for (think_s, stations) in networks {
        for users in [2, 7, 20] {
            let delay = ClosedStation::Delay { demand: think_s };
            let parts: Vec<_> = std::iter::once(delay).chain(stations.iter().map(|one| one.closed())).collect();
            let exact = mean_value_analysis(&parts, users);
            // Rounds are independent of each other but for the users' places in the queues.
            let (seed, span_s) = (family.next_seed(), family.requests(0.0) / exact.throughput);
            let think = exponential(think_s);
            let traffic = traffic(in_turn(stations), Arrivals::Closed { users, think }, span_s);
            let mut answered = Growth::default();
            let plane = run_watching(&traffic, seed, span_s, |plane, slice_s| {
                answered.note(plane.sources()[0].count() as f64, slice_s);
            });
            let setting = format!("{users} users, {think_s} s, {stations:?}");
            family.compare("throughput", &setting, answered.rate(), exact.throughput);
            let response_s = exact.cycle_time() - think_s;
            family.compare("response", &setting, mean(&plane.sources()[0].latency), response_s);
            for (number, station) in stations.iter().enumerate() {
                let latency = &plane.statistics(ServiceId::from_index(number + 1)).attempts.latency;
                let visit_s = exact.stations[number + 1].residence / station.probability();
                family.compare("at a station", &setting, mean(latency), visit_s);
            }
        }
    }
}

/// Stations one after the other.
pub(super) fn tandem(family: &mut Family) {
    let lines: [&[(f64, u32)]; 7] = [
        &[(1.0, 1), (1.0, 1)],
        &[(0.6, 1), (1.0, 1), (0.8, 1)],
        &[(1.9, 2), (0.9, 1)],
        &[(1.0, 1), (2.5, 3), (1.7, 2)],
        &[(0.5, 1); 5],
        &[(9.0, 10), (1.0, 1)],
        &[(1.0, 1), (1.0, 2), (2.0, 3), (1.0, 1), (0.7, 1), (3.0, 5)],
    ];
    for line in lines {
        for rate in [0.4, 0.6, 0.75] {
            let stations: Vec<Station> = line.iter().map(|&(mean, servers)| Queue(servers, mean, 1.0)).collect();
            let exact = OpenNetwork::tandem(rate, line);
            let (seed, span_s) = (family.next_seed(), family.requests(rate) / 2.0 / rate);
            let traffic = traffic(in_turn(&stations), poisson(rate), span_s);
            let plane = run(&traffic, seed, span_s);
            let setting = format!("{line:?} at {rate}");
            family.compare("mean sojourn", &setting, mean(&plane.sources()[0].latency), exact.mean_sojourn());
            for (number, station) in exact.stations().iter().enumerate() {
                let latency = &plane.statistics(ServiceId::from_index(number + 1)).attempts.latency;
                family.compare("at a station", &setting, mean(latency), station.mean_sojourn());
            }
        }
    }
}

/// A random network with feedback: stations, and how likely it is to go from one to another.
fn random_network(stream: &mut Stream) -> (Vec<OpenStation>, Vec<Vec<f64>>) {
    let size = 2 + stream.below(3) as usize;
    let row = |stream: &mut Stream| -> Vec<f64> {
        let weights: Vec<f64> = (0..size).map(|_| stream.unit() * f64::from(u8::from(stream.unit() < 0.7))).collect();
        let (stays, sum) = (0.1 + 0.5 * stream.unit(), weights.iter().sum::<f64>().max(0.01));
        weights.iter().map(|weight| stays * weight / sum).collect()
    };
    let routing: Vec<Vec<f64>> = (0..size).map(|_| row(stream)).collect();
    let external: Vec<f64> = (0..size).map(|_| 0.1 + stream.unit()).collect();
    let rates = traffic_equations(&external, &routing).expect("all leave in the end");
    let station = |(external_rate, rate): (f64, f64)| {
        let servers = 1 + stream.below(4) as u32;
        let load = 0.3 + 0.5 * stream.unit();
        OpenStation { external_rate, mean_service: load * f64::from(servers) / rate, servers }
    };
    (external.iter().copied().zip(rates).map(station).collect(), routing)
}

/// A network with any routing: each station has a service for the visit, which calls the station, and then a name without
/// backends whose routes lead to the next visit or to the exit.
fn routed(stations: &[OpenStation], routing: &[Vec<f64>], span_s: f64) -> Traffic {
    let size = stations.len() as u32;
    let station = |number: usize, one: &OpenStation| {
        let steps = vec![Step::Compute(exponential(one.mean_service))];
        service(&format!("station {number}"), 1, workers(one.servers), steps)
    };
    let visit = |number: u32| {
        let steps = vec![call(number, 1.0), call(2 * size + number, 1.0)];
        service(&format!("visit {number}"), 1, Server::default(), steps)
    };
    let next = |number: u32| {
        let row = &routing[number as usize];
        let exit = (ServiceId(3 * size), 1.0 - row.iter().sum::<f64>());
        let visits = (size..).map(ServiceId).zip(row.iter().copied());
        Service {
            backends: Backends::None,
            routes: vec![Route { header: None, targets: visits.chain([exit]).collect() }],
            ..service(&format!("next {number}"), 1, Server::default(), vec![])
        }
    };
    let mut services: Vec<Service> = stations.iter().enumerate().map(|(number, one)| station(number, one)).collect();
    services.extend((0..size).map(visit));
    services.extend((0..size).map(next));
    services.push(service("exit", 1, Server::default(), vec![]));
    let mut traffic = traffic(services, poisson(1.0), span_s);
    let user = |number: u32| {
        let rate = stations[number as usize].external_rate;
        source(&format!("users {number}"), poisson(rate), size + number)
    };
    traffic.sources = (0..size).map(user).collect();
    traffic
}

/// Jackson networks: sojourns of a visit to each station, and of all visits by where a request begins.
pub(super) fn jackson(family: &mut Family) {
    for _ in 0..22 {
        let seed = family.next_seed();
        let (stations, routing) = random_network(&mut seed.stream("network", 0));
        let exact = OpenNetwork::new(&stations, &routing).expect("all leave in the end");
        let external: f64 = stations.iter().map(|station| station.external_rate).sum();
        let span_s = family.requests(0.5) / external;
        let traffic = routed(&stations, &routing, span_s);
        let plane = run(&traffic, seed, span_s);
        let setting = format!("{stations:?}, {routing:?}");
        for (number, station) in exact.stations().iter().enumerate() {
            let latency = &plane.statistics(ServiceId::from_index(number)).attempts.latency;
            family.compare("at a station", &setting, mean(latency), station.mean_sojourn());
            let mut from_here = vec![0.0; stations.len()];
            from_here[number] = 1.0;
            let visits = traffic_equations(&from_here, &routing).expect("all leave in the end");
            let sojourns = exact.stations().iter().map(|station| station.mean_sojourn());
            let total = sojourns.zip(visits).map(|(sojourn, visits)| sojourn * visits).sum();
            family.compare("all visits", &setting, mean(&plane.sources()[number].latency), total);
        }
    }
}
