//! Random traffic that reaches every mechanism of the data plane: graphs of calls, retries, hedging, timeouts, deadlines,
//! breakers, outlier detection, mirrors, routes, overflow, shared queues, both orders, shared cores with and without periods,
//! node contention, warm-up, adaptive limits, sidecars, sessions, keys, zones, every balancer; and pods that come and go.
//!
//! Calls and requests that are passed on lead to services with greater numbers, but for calls of a service by itself, which
//! then has workers without limit: so nothing waits for itself, and all requests end once none come any more.

use wavetank::ids::{ClassId, PodId, ServiceId, ZoneId};
use wavetank::model::control_plane::RateLimit;
use wavetank::model::traffic::*;
use wavetank::model::{Dist, PolicyChoice};
use wavetank::policy::balancer::BALANCERS;
use wavetank::rng::{Seed, Stream};
use wavetank::traffic::Seat;
use wavetank::units::{SimDuration, SimTime};

const MS: u64 = 1_000_000;
/// No source sends first requests after that.
pub(super) const HORIZON: SimTime = SimTime(10_000 * MS);
const ZONES: u64 = 3;
const NODES: u64 = 2;

/// What is done to pods, and when.
#[derive(Clone, Debug)]
pub(super) struct PodAction {
    pub(super) at: SimTime,
    pub(super) what: What,
}

/// One thing that is done. Pods are named by their position among those that are there.
#[derive(Clone, Debug)]
pub(super) enum What {
    /// A pod is opened, which serves these services, and is told ready at once or not.
    Open(Seat, Vec<ServiceId>, bool),
    TellReady(u64, bool),
    End(u64),
    Close(u64),
    /// A node has so many cores for pods.
    Cores(u32, f64),
    /// Requests are divided among releases.
    Split(ServiceId, Vec<(u32, f64)>),
}

/// A random model, and what happens to its pods.
pub(super) struct RandomTraffic {
    pub(super) traffic: Traffic,
    pub(super) actions: Vec<PodAction>,
    /// Whether users go on for ever.
    pub(super) has_users: bool,
}

/// The draws of one model.
struct Draw(Stream);

impl Draw {
    /// A whole number from `low` to `high`, both included.
    fn between(&mut self, low: u64, high: u64) -> u64 {
        low + self.0.below(high - low + 1)
    }

    fn chance(&mut self, probability: f64) -> bool {
        self.0.unit() < probability
    }

    fn maybe<T>(&mut self, probability: f64, make: impl FnOnce(&mut Draw) -> T) -> Option<T> {
        self.chance(probability).then(|| make(self))
    }

    fn ms(&mut self, low: u64, high: u64) -> SimDuration {
        SimDuration(self.between(low, high) * MS)
    }

    /// A short span with every kind of distribution; on a coarse grid often, so that much happens at once.
    fn span(&mut self) -> Dist {
        let seconds = self.between(1, 40) as f64 / 1000.0;
        match self.between(0, 9) {
            0..=2 => Dist::Constant(self.ms(1, 40)),
            3 => Dist::ZERO,
            4 => Dist::Uniform { min: seconds / 2.0, max: seconds },
            5 => Dist::lognormal_from_mean_sd(seconds, seconds),
            6 => Dist::Pareto { min: seconds / 4.0, shape: 1.5, max: 20.0 * seconds },
            7 => Dist::Hyperexponential { branches: vec![(0.8, seconds / 2.0), (0.2, 3.0 * seconds)] },
            _ => Dist::Exponential { mean: seconds },
        }
    }

    fn delay(&mut self) -> Dist {
        match self.between(0, 2) {
            0 => Dist::ZERO,
            1 => Dist::Constant(self.ms(1, 20)),
            _ => Dist::Exponential { mean: 0.01 },
        }
    }

    fn server(&mut self) -> Server {
        Server {
            workers: self.maybe(0.7, |draw| draw.between(1, 4) as u32),
            order: if self.chance(0.3) { Order::Lifo } else { Order::Fifo },
            queue_limit: self.maybe(0.4, |draw| draw.between(0, 6) as u32),
            cpu_milli: self.maybe(0.5, |draw| draw.between(1, 8) * 250),
            quota_period: SimDuration(self.between(0, 2) * 50 * MS),
            warm_up: self.maybe(0.2, |draw| WarmUp { slowdown: 3.0, span: draw.ms(1, 5000) }),
            memory_base: 100,
            memory_per_request: self.between(0, 1) * 10,
            adaptive: self.maybe(0.15, |draw| AdaptiveConcurrency {
                interval: draw.ms(50, 500),
                measure_every: draw.ms(1000, 5000),
                measure_requests: draw.between(1, 20) as u32,
                jitter: 0.15,
                percentile: 0.5,
                buffer: 0.25,
                min: draw.between(1, 3) as u32,
                max: 20,
            }),
            refuses_when_ending: self.chance(0.5),
            requests_per_pod: self.maybe(0.3, |draw| draw.between(1, 30) as u32),
        }
    }

    fn policy(&mut self) -> CallPolicy {
        if self.chance(0.4) {
            return CallPolicy::default();
        }
        let retries = |draw: &mut Draw| Retries {
            limit: draw.between(0, 3) as u32,
            base: draw.ms(0, 30),
            max: draw.ms(10, 100),
            has_jitter: draw.chance(0.5),
            budget: draw.maybe(0.4, |draw| RetryBudget {
                ratio: 0.2,
                min_per_second: draw.between(0, 5) as f64,
                window: draw.ms(1000, 10_000),
            }),
            on: RetryOn { timeouts: draw.chance(0.8), refusals: draw.chance(0.8), errors: draw.chance(0.8) },
        };
        CallPolicy {
            timeout: self.maybe(0.6, |draw| draw.ms(1, 200)),
            deadline: self.maybe(0.4, |draw| draw.ms(1, 400)),
            retries: self.maybe(0.6, retries),
            hedging: self.maybe(0.3, |draw| Hedging { after: draw.ms(0, 50), limit: draw.between(1, 2) as u32 }),
        }
    }

    fn guard(&mut self) -> Guard {
        Guard {
            circuit_breaker: CircuitBreaker {
                max_requests: self.maybe(0.15, |draw| draw.between(1, 20) as u32),
                max_retries: self.maybe(0.15, |draw| draw.between(0, 3) as u32),
            },
            outlier_detection: self.maybe(0.25, |draw| OutlierDetection {
                consecutive_failures: draw.between(1, 3) as u32,
                interval: draw.ms(10, 1000),
                base_ejection: draw.ms(0, 2000),
                max_ejection: draw.ms(1000, 5000),
                max_ejected: draw.between(0, 4) as f64 / 4.0,
            }),
            rate_limit: self.maybe(0.1, |draw| RateLimit {
                per_second: draw.between(5, 60) as f64,
                burst: draw.between(1, 10) as u32,
            }),
            sidecar: self.maybe(0.15, |draw| Sidecar { latency: draw.delay(), compute: draw.ms(0, 1) }),
        }
    }

    /// Calls from one service to others; to itself when it may.
    fn calls(&mut self, from: u64, services: u64, operations: &[u64], may_loop: bool) -> Vec<Call> {
        let one = |draw: &mut Draw| {
            let is_loop = may_loop && (from + 1 == services || draw.chance(0.3));
            let service = if is_loop { from } else { draw.between(from + 1, services - 1) };
            Call {
                target: OperationRef {
                    service: ServiceId(service as u32),
                    operation: draw.0.below(operations[service as usize]) as u32,
                },
                probability: if is_loop { 0.3 } else { draw.between(1, 4) as f64 / 4.0 },
                cache_hit: draw.between(0, 2) as f64 / 4.0,
                count: if is_loop { 1 } else { draw.between(1, 2) as u32 },
                is_detached: draw.chance(0.15),
                is_optional: draw.chance(0.3),
                policy: draw.policy(),
            }
        };
        let count = if from + 1 < services || may_loop { self.between(1, 2) } else { 0 };
        (0..count).map(|_| one(self)).collect()
    }

    fn operation(&mut self, number: u64, from: u64, services: u64, operations: &[u64], may_loop: bool) -> Operation {
        let mut steps: Vec<Step> = (0..self.between(0, 2))
            .map(|_| if self.chance(0.6) { Step::Compute(self.span()) } else { Step::Wait(self.span()) })
            .collect();
        if self.chance(0.7) {
            let at = self.between(0, steps.len() as u64) as usize;
            steps.insert(at, Step::Call(self.calls(from, services, operations, may_loop)));
        }
        Operation {
            name: format!("operation {number}"),
            steps,
            failure: self.between(0, 3) as f64 / 20.0,
            sizes: MessageSizes { request: 100, response: 1000 },
        }
    }

    /// A later service.
    fn later(&mut self, number: u64, services: u64) -> Option<ServiceId> {
        (number + 1 < services).then(|| ServiceId(self.between(number + 1, services - 1) as u32))
    }

    fn backends(&mut self) -> Backends {
        if self.chance(0.4) {
            return Backends::Pods(vec![ClassId(0)]);
        }
        Backends::Fixed {
            count: self.between(1, 5) as u32,
            zones: (0..self.between(0, 3)).map(|_| ZoneId(self.0.below(ZONES) as u32)).collect(),
            weights: (0..self.between(0, 3)).map(|_| self.between(1, 4) as u32).collect(),
            speeds: (0..self.between(0, 3)).map(|_| self.between(1, 4) as f64 / 2.0).collect(),
        }
    }

    fn service(&mut self, number: u64, services: u64, operations: &[u64]) -> Service {
        let server = self.server();
        let may_loop = server.workers.is_none() && server.adaptive.is_none() && self.chance(0.5);
        let count = operations[number as usize];
        let operations =
            (0..count).map(|position| self.operation(position, number, services, operations, may_loop)).collect();
        let route = |draw: &mut Draw| {
            let header = draw.maybe(0.4, |draw| ("kind".to_owned(), draw.between(0, 1).to_string()));
            let mut targets = vec![(ServiceId(number as u32), 1.0)];
            targets.extend(draw.later(number, services).map(|to| (to, draw.between(0, 2) as f64)));
            Route { header, targets }
        };
        let routes: Vec<Route> = (0..self.between(0, 3) / 2).map(|_| route(self)).collect();
        let row = &BALANCERS[self.0.below(BALANCERS.len() as u64) as usize];
        Service {
            name: format!("service {number}"),
            backends: self.backends(),
            server,
            has_shared_queue: self.chance(0.2),
            operations,
            balancer: PolicyChoice::named(row.name),
            balancing: if self.chance(0.4) { Balancing::Clients } else { Balancing::Central },
            guard: self.guard(),
            objective: self.maybe(0.3, |draw| Objective { latency: draw.ms(1, 200), ratio: 0.9 }),
            routes,
            overflow: self.later(number, services).filter(|_| self.chance(0.2)),
            mirror: self.later(number, services).filter(|_| self.chance(0.2)).map(|to| (to, 0.5)),
            releases: vec![],
        }
    }

    /// A rate that is 0 from the horizon on.
    fn profile(&mut self) -> Profile {
        let rate = self.between(2, 30) as f64;
        let mut points = vec![(SimTime::ZERO, rate)];
        if self.chance(0.5) {
            points.push((SimTime(4000 * MS), rate * self.between(0, 3) as f64));
        }
        let last = points[points.len() - 1].1;
        points.extend([(HORIZON, last), (HORIZON, 0.0)]);
        Profile { points }
    }

    fn arrivals(&mut self, mix: usize) -> Arrivals {
        let think = |draw: &mut Draw| Dist::Exponential { mean: draw.between(1, 20) as f64 / 20.0 };
        match self.between(0, 9) {
            0 => Arrivals::Closed { users: self.between(1, 10) as u32, think: think(self) },
            1 => {
                let mut times: Vec<SimTime> = (0..100).map(|_| SimTime(self.0.below(HORIZON.0 / MS) * MS)).collect();
                times.sort();
                let listed = |draw: &mut Draw| draw.maybe(0.5, |draw| draw.0.below(mix as u64) as u32);
                Arrivals::Replay(times.into_iter().map(|at| (at, listed(self))).collect())
            }
            2 => {
                let state = |draw: &mut Draw, factor| ModulatedState { factor, mean_stay: draw.ms(100, 2000) };
                Arrivals::Modulated { states: vec![state(self, 0.2), state(self, 3.0)], rate: self.profile() }
            }
            _ => {
                let gaps =
                    [Gap::Exponential, Gap::Deterministic, Gap::Gamma(0.5), Gap::Weibull(2.0), Gap::Lognormal(1.0)];
                let session =
                    self.maybe(0.3, |draw| Session { mean_requests: draw.between(1, 4) as f64, think: think(draw) });
                Arrivals::Open { gap: gaps[self.0.below(5) as usize], rate: self.profile(), session }
            }
        }
    }

    fn source(&mut self, number: u64, services: &[Service]) -> Source {
        let target = |draw: &mut Draw| {
            let service = draw.0.below(services.len() as u64) as usize;
            let operation = draw.0.below(services[service].operations.len() as u64) as u32;
            (OperationRef { service: ServiceId::from_index(service), operation }, draw.between(1, 3) as f64)
        };
        let mix: Vec<_> = (0..self.between(1, 3)).map(|_| target(self)).collect();
        Source {
            name: format!("source {number}"),
            arrivals: self.arrivals(mix.len()),
            mix,
            headers: vec![("kind".to_owned(), self.between(0, 1).to_string())],
            zone: self.maybe(0.6, |draw| ZoneId(draw.0.below(ZONES) as u32)),
            policy: self.policy(),
            keys: Keys { count: self.between(0, 2) * 10, exponent: 1.0 },
            clients: self.between(1, 3) as u32,
        }
    }

    fn seat(&mut self, pod: u32, at: SimTime) -> Seat {
        let opens_at = if self.chance(0.3) { at.after(self.ms(1, 1000)) } else { at };
        Seat {
            pod: PodId(pod),
            opens_at,
            zone: self.maybe(0.8, |draw| ZoneId(draw.0.below(ZONES) as u32)),
            node: self.0.below(NODES) as u32,
            cpu_request: self.between(0, 4) * 250,
            cpu_limit: self.maybe(0.5, |draw| draw.between(1, 8) * 250),
            memory_limit: self.maybe(0.4, |draw| 100 + 10 * draw.between(1, 8)),
            speed: self.between(1, 3) as f64 / 2.0,
            failure: self.between(0, 2) as f64 / 20.0,
            group: self.0.below(2) as u32,
        }
    }

    /// The services that a pod serves: one; or two, if requests of one cannot keep those of the other from a worker.
    fn served(&mut self, of_pods: &[ServiceId], services: &[Service]) -> Vec<ServiceId> {
        let first = of_pods[self.0.below(of_pods.len() as u64) as usize];
        let server = &services[first.index()].server;
        let second = of_pods[self.0.below(of_pods.len() as u64) as usize];
        let may_share = server.workers.is_none() && server.adaptive.is_none();
        if may_share && second != first { vec![first, second] } else { vec![first] }
    }

    fn actions(&mut self, services: &[Service]) -> Vec<PodAction> {
        let is_of_pods = |service: &ServiceId| matches!(services[service.index()].backends, Backends::Pods(_));
        let of_pods: Vec<ServiceId> = (0..services.len()).map(ServiceId::from_index).filter(is_of_pods).collect();
        let mut actions = Vec::new();
        if of_pods.is_empty() {
            return actions;
        }
        for pod in 0..self.between(5, 40) as u32 {
            let at = SimTime(self.0.below(HORIZON.0 / MS) * MS);
            let what = match self.between(0, 9) {
                0..=4 => What::Open(self.seat(pod, at), self.served(&of_pods, services), self.chance(0.8)),
                5 => What::TellReady(self.0.bits(), self.chance(0.5)),
                6 => What::End(self.0.bits()),
                7 => What::Close(self.0.bits()),
                8 => What::Cores(self.0.below(NODES) as u32, self.between(1, 6) as f64 / 2.0),
                _ => {
                    let service = of_pods[self.0.below(of_pods.len() as u64) as usize];
                    let split = (0..self.between(0, 2) as u32).map(|group| (group, self.between(0, 2) as f64));
                    What::Split(service, split.collect())
                }
            };
            actions.push(PodAction { at, what });
        }
        // The last of all serve what is left; without a limit of memory, so that they stay.
        for (pod, &service) in (100..).zip(&of_pods) {
            let seat = Seat { memory_limit: None, opens_at: HORIZON, ..self.seat(pod, HORIZON) };
            actions.push(PodAction { at: HORIZON, what: What::Open(seat, vec![service], true) });
        }
        actions.sort_by_key(|action| action.at);
        actions
    }
}

/// The traffic of a seed.
pub(super) fn random_traffic(seed: u64) -> RandomTraffic {
    let mut draw = Draw(Seed { base: seed, replication: 0 }.stream("random traffic", 0));
    let count = draw.between(1, 4);
    let operations: Vec<u64> = (0..count).map(|_| draw.between(1, 2)).collect();
    let services: Vec<Service> = (0..count).map(|number| draw.service(number, count, &operations)).collect();
    let sources: Vec<Source> = (0..draw.between(1, 3)).map(|number| draw.source(number, &services)).collect();
    let is_near = draw.chance(0.4);
    let mut span = |is_near: bool| if is_near { Dist::ZERO } else { draw.delay() };
    let network = Network {
        within_zone: span(is_near),
        between_zones: span(is_near),
        between_regions: span(is_near),
        regions: vec![0, 0, 1],
        pairs: if is_near { vec![] } else { vec![(ZoneId(0), ZoneId(2), span(false))] },
    };
    let actions = draw.actions(&services);
    let has_users = sources.iter().any(|source| matches!(source.arrivals, Arrivals::Closed { .. }));
    let traffic = Traffic {
        services,
        sources,
        network,
        endpoint_delay: draw.delay(),
        sample_one_in: draw.between(0, 3),
        ..Traffic::default()
    };
    RandomTraffic { traffic, actions, has_users }
}
