//! How a family of queues is held against its closed form.

use wavetank::ids::ServiceId;
use wavetank::model::traffic::{
    Arrivals, Backends, Balancing, Call, CallPolicy, Gap, Guard, Keys, Operation, OperationRef, Profile, Server,
    Service, Source, Step, Traffic,
};
use wavetank::model::{Dist, PolicyChoice};
use wavetank::rng::Seed;
use wavetank::stats::latency::PROBABILITIES;
use wavetank::stats::{BatchMeans, SteadyInterval, SteadyLatency, student_t};
use wavetank::traffic::DataPlane;
use wavetank::units::{SimDuration, SimTime};

/// The level of the intervals that may miss now and then, and of those that may not.
const USUAL: f64 = 0.99;
const FAR: f64 = 0.99999;
/// How unlikely it is that a right family misses too often.
const CHANCE: f64 = 1e-4;
/// Standard deviations that the sum of all deviations of a family may lean to one side.
const LEAN_MAX: f64 = 4.5;
/// Part of a run that is not measured, because it began without any requests.
const WARM_UP: f64 = 0.05;
/// Into how many slices the rest is cut where counters are followed.
const SLICES: u32 = 1024;

/// Settings of one kind of queue, and how often the closed form was missed, for each quantity that is compared.
pub(super) struct Family {
    name: &'static str,
    number: u64,
    effort: f64,
    settings: u32,
    quantities: Vec<Quantity>,
}

struct Quantity {
    name: &'static str,
    settings: u32,
    misses: u32,
    far: u32,
    leaning: f64,
}

impl Family {
    /// Runs all settings of a family, with `effort` times the usual number of requests, and judges.
    pub(crate) fn hold(name: &'static str, number: u64, effort: f64, settings: fn(&mut Family)) {
        let mut family = Family { name, number, effort, settings: 0, quantities: Vec::new() };
        settings(&mut family);
        family.judge();
    }

    /// The seed of the next setting: the number of the family, and of the setting in it.
    pub(crate) fn next_seed(&mut self) -> Seed {
        self.settings += 1;
        Seed { base: self.number, replication: self.settings }
    }

    /// How many requests a run has at a load: the more, the longer busy periods are.
    pub(crate) fn requests(&self, load: f64) -> f64 {
        self.effort * (15_000.0 / ((1.0 - load) * (1.0 - load))).clamp(30_000.0, 150_000.0)
    }

    /// Holds an interval, as a function of its level, against what is exact.
    pub(crate) fn compare(
        &mut self,
        quantity: &'static str,
        setting: &str,
        interval: impl Fn(f64) -> SteadyInterval,
        exact: f64,
    ) {
        self.compare_between(quantity, setting, interval, (exact, exact));
    }

    /// Holds an interval against a range in which the truth is.
    pub(crate) fn compare_between(
        &mut self,
        quantity: &'static str,
        setting: &str,
        interval: impl Fn(f64) -> SteadyInterval,
        (low, high): (f64, f64),
    ) {
        let (usual, far) = (interval(USUAL), interval(FAR));
        let touches = |interval: SteadyInterval| interval.low <= high && low <= interval.high;
        let nearest = usual.estimate.clamp(low, high);
        let standard_error = usual.half_width() / student_t(0.5 + USUAL / 2.0, u64::from(usual.batches.max(2)) - 1);
        let deviation = if standard_error > 0.0 { (usual.estimate - nearest) / standard_error } else { 0.0 };
        let seed = self.settings;
        if !touches(usual) {
            println!(
                "{} {quantity}, seed {}/{seed}, {setting}: {:.5e} in [{:.5e}, {:.5e}] misses [{low:.5e}, {high:.5e}]{}",
                self.name,
                self.number,
                usual.estimate,
                usual.low,
                usual.high,
                if touches(far) { "" } else { " by far" },
            );
        }
        let entry = self.entry(quantity);
        entry.settings += 1;
        entry.misses += u32::from(!touches(usual));
        entry.far += u32::from(!touches(far));
        entry.leaning += deviation;
    }

    /// Holds three quantiles of latencies against what is exact.
    pub(crate) fn compare_quantiles(&mut self, setting: &str, latency: &SteadyLatency, exact: impl Fn(f64) -> f64) {
        for (position, name) in ["p50", "p95", "p99"].into_iter().enumerate() {
            let interval = |level| latency.quantile_intervals_s(level)[position];
            self.compare(name, setting, interval, exact(PROBABILITIES[position]));
            // Where latencies hardly vary the classes of the histogram decide to which side it leans.
            self.entry(name).leaning = 0.0;
        }
    }

    fn entry(&mut self, name: &'static str) -> &mut Quantity {
        let position = self.quantities.iter().position(|one| one.name == name).unwrap_or_else(|| {
            self.quantities.push(Quantity { name, settings: 0, misses: 0, far: 0, leaning: 0.0 });
            self.quantities.len() - 1
        });
        &mut self.quantities[position]
    }

    fn judge(&self) {
        let mut broken = Vec::new();
        for one in &self.quantities {
            let (allowed, lean) = (misses_allowed(one.settings), one.leaning / f64::from(one.settings).sqrt());
            let line = format!(
                "{} {}: seeds {}/1 to {}, {} settings, {} misses of {allowed} allowed, lean {lean:.2}",
                self.name, one.name, self.number, self.settings, one.settings, one.misses
            );
            println!("{line}");
            if one.settings < 20 || one.misses > allowed || one.far > 0 || lean.is_nan() || lean.abs() >= LEAN_MAX {
                broken.push(line);
            }
        }
        assert!(!self.quantities.is_empty() && broken.is_empty(), "{}", broken.join("\n"));
    }
}

/// The least number of misses that as many right intervals do not exceed but with a probability of [`CHANCE`].
fn misses_allowed(settings: u32) -> u32 {
    let (miss, n) = (1.0 - USUAL, f64::from(settings));
    let (mut probability, mut misses) = (USUAL.powf(n), 0);
    let mut above = 1.0 - probability;
    while above > CHANCE {
        probability *= (n - f64::from(misses)) / f64::from(misses + 1) * miss / USUAL;
        misses += 1;
        above -= probability;
    }
    misses
}

/// A service of equal backends outside the cluster, which answers one kind of request.
pub(crate) fn service(name: &str, backends: u32, server: Server, steps: Vec<Step>) -> Service {
    Service {
        name: name.to_owned(),
        backends: Backends::Fixed { count: backends, zones: vec![], weights: vec![], speeds: vec![] },
        server,
        has_shared_queue: false,
        operations: vec![Operation { name: "request".to_owned(), steps, failure: 0.0, sizes: Default::default() }],
        balancer: PolicyChoice::named("random"),
        balancing: Balancing::Central,
        guard: Guard::default(),
        objective: None,
        routes: vec![],
        overflow: None,
        mirror: None,
        releases: vec![],
    }
}

/// A server with so many workers, which serve in order of arrival.
pub(crate) fn workers(count: u32) -> Server {
    Server { workers: Some(count), ..Server::default() }
}

/// Services of that mean.
pub(crate) fn exponential(mean: f64) -> Dist {
    Dist::Exponential { mean }
}

/// The operation of a service, which has one.
pub(crate) fn request_of(service: u32) -> OperationRef {
    OperationRef { service: ServiceId(service), operation: 0 }
}

/// A call that is made with that probability.
pub(crate) fn call(service: u32, probability: f64) -> Step {
    Step::Call(vec![Call {
        target: request_of(service),
        probability,
        cache_hit: 0.0,
        count: 1,
        is_detached: false,
        is_optional: false,
        policy: CallPolicy::default(),
    }])
}

/// A source of requests for one service.
pub(crate) fn source(name: &str, arrivals: Arrivals, service: u32) -> Source {
    Source {
        name: name.to_owned(),
        arrivals,
        mix: vec![(request_of(service), 1.0)],
        headers: vec![],
        zone: None,
        policy: CallPolicy::default(),
        keys: Keys::default(),
        clients: 1,
    }
}

/// Arrivals with gaps of that kind.
pub(crate) fn renewal(gap: Gap, rate: f64) -> Arrivals {
    Arrivals::Open { gap, rate: Profile::constant(rate), session: None }
}

/// Poisson arrivals.
pub(crate) fn poisson(rate: f64) -> Arrivals {
    renewal(Gap::Exponential, rate)
}

/// One source before some services, of which it asks the first; requests arrive for `span_s`.
pub(crate) fn traffic(services: Vec<Service>, arrivals: Arrivals, span_s: f64) -> Traffic {
    let warm_up = SimTime::ZERO.after(SimDuration::from_seconds(WARM_UP * span_s));
    Traffic { services, sources: vec![source("users", arrivals, 0)], warm_up, ..Traffic::default() }
}

/// Runs for a span.
pub(crate) fn run(traffic: &Traffic, seed: Seed, span_s: f64) -> DataPlane<'_> {
    run_watching(traffic, seed, span_s, |_, _| {})
}

/// Runs for a span, whose measured part is cut into slices of equal length; after each, whoever watches is shown the run
/// and told the length in seconds. Little's law is held against every service after every slice, exactly.
pub(crate) fn run_watching(
    traffic: &Traffic,
    seed: Seed,
    span_s: f64,
    mut watch: impl FnMut(&DataPlane<'_>, f64),
) -> DataPlane<'_> {
    let mut plane = DataPlane::new(traffic, 0, seed).expect("the balancers have their parameters");
    let (start_s, slice_s) = (WARM_UP * span_s, (1.0 - WARM_UP) * span_s / f64::from(SLICES));
    for slice in 0..=SLICES {
        // A moment later, as what happens at an instant comes after it: at the first, that measuring begins.
        plane.advance(instant(start_s + f64::from(slice) * slice_s).after(SimDuration(1)));
        for number in 0..traffic.services.len() {
            let (integral, times) = plane.statistics(ServiceId::from_index(number)).littles_law(plane.now());
            assert_eq!(integral, times, "Little's law, seed {seed:?}, {}", traffic.services[number].name);
        }
        watch(&plane, if slice == 0 { 0.0 } else { slice_s });
    }
    plane
}

/// What a counter grows by in a second, by slices of the run.
#[derive(Default)]
pub(super) struct Growth {
    last: Option<f64>,
    rates: BatchMeans,
}

impl Growth {
    /// The counter after another slice; what was counted before the first does not count.
    pub(crate) fn note(&mut self, count: f64, slice_s: f64) {
        if let Some(last) = self.last.replace(count).filter(|_| slice_s > 0.0) {
            self.rates.record((count - last) / slice_s);
        }
    }

    /// The interval of the mean, as a function of its level.
    pub(crate) fn rate(&self) -> impl Fn(f64) -> SteadyInterval {
        |level| self.rates.interval(level)
    }
}

/// An instant in seconds.
pub(crate) fn instant(seconds: f64) -> SimTime {
    SimTime::ZERO.after(SimDuration::from_seconds(seconds))
}

/// The interval of a mean latency, as a function of its level.
pub(crate) fn mean(latency: &SteadyLatency) -> impl Fn(f64) -> SteadyInterval {
    |level| latency.mean_interval_s(level)
}
