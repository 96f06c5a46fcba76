use super::*;
use crate::model::functions::{Function, Invocation};
use crate::policy::autoscaler::functions::hybrid::HybridSettings;
use crate::policy::autoscaler::functions::keep_alive::{KeepAlive, KeepAliveState, Windows};
use crate::policy::autoscaler::functions::lambda::LambdaLimits;
use crate::policy::autoscaler::functions::price::LambdaPrices;
use crate::rng::{Seed, Stream};
use crate::stats::{mean_interval, student_t};
use crate::units::{Bytes, SimDuration, SimTime};

const GIB: Bytes = Bytes(1 << 30);

fn ms(count: u64) -> SimDuration {
    SimDuration(count * 1_000_000)
}

/// A call at a millisecond, for so many of them; its instance takes 100 ms to start.
fn call(function: u32, at_ms: u64, for_ms: u64) -> Invocation {
    let arrival = SimTime(ms(at_ms).0);
    Invocation { function, arrival, duration: ms(for_ms), cold_duration: ms(for_ms + 100) }
}

fn functions(count: usize) -> Vec<Function> {
    (0..count).map(|number| Function::new(&format!("f{number}"), GIB)).collect()
}

fn unlimited(keep_alive: KeepAlive) -> PlatformSettings {
    PlatformSettings { keep_alive, limits: None, ..PlatformSettings::default() }
}

#[test]
fn instances_wait_for_the_next_call() {
    let calls = [call(0, 0, 400), call(0, 700, 100), call(0, 750, 100), call(0, 2000, 100)];
    // Starts at 0, ends at 500, waits 200. At 700 it is warm until 800; at 750 another one starts, until 950. They wait from 800
    // and 950; with a second of keep-alive the first is gone at 1800, the second takes the call at 2000? It is gone at 1950.
    let settings = unlimited(KeepAlive::Fixed(ms(1000)));
    let report = simulate(&functions(1), settings, calls).expect("calls are in order");
    let total = report.total();
    assert_eq!((total.calls, total.cold_starts, total.ended_instances), (4, 3, 2));
    // 500 + 100 + 200 + 200 busy; 200 + 1000 + 1000 idle, and the run ends with the last call.
    assert_eq!((total.busy_ns, total.idle_ns), (u128::from(ms(1000).0), u128::from(ms(2200).0)));
    // Billed with their starts: the same.
    assert_eq!((total.billed_ms, total.start_ns, report.end), (1000, u128::from(ms(300).0), SimTime(ms(2200).0)));
    // 0 to 1800, and 750 to 1950.
    assert_eq!(total.lifespan_ns, u128::from(ms(3000).0));
    assert_eq!(total.concurrency_max, 2);
    let none = simulate(&functions(1), unlimited(KeepAlive::None), calls).expect("calls are in order").total();
    assert_eq!((none.cold_starts, none.idle_ns, none.ended_instances), (4, 0, 4));
}

#[test]
fn the_start_of_an_instance_is_billed_since_august_2025() {
    let old = LambdaPrices { bills_initialisation: false, ..LambdaPrices::X86 };
    let settings = PlatformSettings { prices: old, ..unlimited(KeepAlive::None) };
    let report = simulate(&functions(1), settings, [call(0, 0, 400)]).expect("calls are in order");
    assert_eq!(report.total().billed_ms, 400);
    let cost = report.cost(&functions(1), &old).0;
    assert!((cost - (0.2e-6 + 0.4 * 0.000_016_666_7)).abs() < 1e-15, "{cost}");
}

#[test]
fn calls_are_throttled_by_each_limit() {
    let limits = LambdaLimits {
        account_concurrency: 10,
        scaling_instances: 4,
        scaling_period: ms(1000),
        requests_per_concurrency: 2,
    };
    let settings = PlatformSettings { limits: Some(limits), ..PlatformSettings::default() };
    let at_once = |function, count| (0..count).map(move |_| call(function, 0, 5000));
    let run = |functions: &[Function], calls: Vec<Invocation>| {
        let report = simulate(functions, settings, calls).expect("calls are in order");
        let total = report.total();
        [total.throttled_reserved, total.throttled_account, total.throttled_scaling, total.throttled_rate]
    };
    // Four instances may start at once.
    assert_eq!(run(&functions(1), at_once(0, 6).collect()), [0, 0, 2, 0]);
    // Three functions of four: the account has ten.
    let calls = (0..3).flat_map(|function| at_once(function, 4)).collect();
    assert_eq!(run(&functions(3), calls), [0, 2, 0, 0]);
    // Two are reserved; the others share eight.
    let mut reserving = functions(3);
    reserving[0].reserved_concurrency = Some(2);
    let calls = (0..3).flat_map(|function| at_once(function, 4)).collect();
    assert_eq!(run(&reserving, calls), [2, 0, 0, 0]);
    // Short calls one after the other: 20 in a second, which refill in 50 ms each: 25 calls in 24 ms.
    let calls = (0..25).map(|number| Invocation { cold_duration: ms(0), ..call(0, number, 0) }).collect();
    assert_eq!(run(&functions(1), calls), [0, 0, 0, 5]);
}

#[test]
fn provisioned_instances_are_always_warm() {
    let mut provisioning = functions(1);
    provisioning[0].provisioned_concurrency = 2;
    let settings = PlatformSettings { limits: Some(LambdaLimits::default()), ..PlatformSettings::default() };
    let calls = [call(0, 0, 100), call(0, 10, 100), call(0, 20, 100), call(0, 110, 100)];
    let report = simulate(&provisioning, settings, calls).expect("calls are in order");
    let total = report.total();
    assert_eq!((total.provisioned_calls, total.cold_starts), (3, 1));
    assert_eq!((total.provisioned_billed_ms, total.billed_ms), (300, 200));
    // Four requests; 200 ms; 300 ms; two instances for five minutes.
    let expected = 4.0 * 0.2e-6 + 0.2 * 0.000_016_666_7 + 0.3 * 0.000_009_722_2 + 600.0 * 0.000_004_166_7;
    assert!((report.cost(&provisioning, &LambdaPrices::X86).0 - expected).abs() < 1e-12);
}

#[test]
fn instances_are_loaded_before_a_regular_call() {
    // A call each 30 min and 30 s, for 30 s: idle times of 30 min. From the second idle time on, the function is unloaded and
    // loaded 27 min later: 3 min less than the idle time are wasted each time instead of 30.
    let minute = 60_000;
    let regular = |number| call(0, number * (30 * minute + minute / 2), minute / 2);
    let calls: Vec<Invocation> =
        (0..50).map(|number| Invocation { cold_duration: ms(minute / 2), ..regular(number) }).collect();
    let hybrid = unlimited(KeepAlive::Hybrid(HybridSettings::default()));
    let report = simulate(&functions(1), hybrid, calls.iter().copied()).expect("calls are in order").total();
    let fixed = unlimited(KeepAlive::Fixed(ms(60 * minute)));
    let kept = simulate(&functions(1), fixed, calls.iter().copied()).expect("calls are in order").total();
    assert_eq!((report.cold_starts, kept.cold_starts), (1, 1));
    assert!(report.idle_ns * 8 < kept.idle_ns, "{} {}", report.idle_ns, kept.idle_ns);
}

#[test]
fn streams_out_of_order_are_refused() {
    let calls = [call(0, 5, 1), call(0, 4, 1)];
    let refused = simulate(&functions(1), PlatformSettings::default(), calls).expect_err("it is out of order");
    assert_eq!(refused.to_string(), "a call at 0.004 s comes after one at 0.005 s");
    let refused = simulate(&functions(1), PlatformSettings::default(), [call(1, 0, 1)]);
    assert_eq!(refused, Err(PlatformError::UnknownFunction(1)));
}

/// An instance that the obvious way knows.
#[derive(Clone, Copy)]
struct Instance {
    function: u32,
    number: usize,
    end: SimTime,
    /// When it is loaded and unloaded after its call, once that has ended.
    waits: Option<(SimTime, SimTime)>,
}

/// The obvious way: every instance of every function is looked at for every call.
struct Oracle {
    policy: KeepAlive,
    routing: Routing,
    /// In the order in which their calls began, or ended.
    instances: Vec<Instance>,
    states: Vec<KeepAliveState>,
    started: usize,
    cold: u64,
    idle_ns: u128,
}

impl Oracle {
    fn call(&mut self, call: &Invocation) {
        let (now, function) = (call.arrival, call.function);
        self.settle(function, now);
        let is_busy = self.instances.iter().any(|i| i.function == function && i.waits.is_none());
        self.policy.arrive(&mut self.states[function as usize], now, is_busy);
        let (number, end) = match self.warm(function, now) {
            Some(position) => {
                let instance = self.instances.remove(position);
                self.idle_ns += u128::from(now.since(instance.waits.expect("it waits").0).0);
                (instance.number, now.after(call.duration))
            }
            None => {
                let last = self.instances.iter().rposition(|i| i.function == function && i.waits.is_some());
                let is_later =
                    |position: &usize| self.instances[*position].waits.is_some_and(|(loaded, _)| loaded > now);
                if let Some(later) = last.filter(is_later) {
                    self.instances.remove(later);
                }
                self.cold += 1;
                self.started += 1;
                (self.started, now.after(call.cold_duration))
            }
        };
        self.instances.push(Instance { function, number, end, waits: None });
    }

    /// The instance that a call goes to.
    fn warm(&self, function: u32, now: SimTime) -> Option<usize> {
        let is_warm = |i: &Instance| i.waits.is_some_and(|(loaded, unloaded)| loaded <= now && now < unloaded);
        let warm = self.instances.iter().enumerate().filter(|(_, i)| i.function == function && is_warm(i));
        let chosen = match self.routing {
            Routing::MostRecentlyUsed => warm.max_by_key(|(position, i)| (i.end, *position)),
            Routing::LeastRecentlyUsed => warm.min_by_key(|(position, i)| (i.end, *position)),
            Routing::NewestFirst => warm.max_by_key(|(_, i)| i.number),
        };
        chosen.map(|(position, _)| position)
    }

    /// Calls that have ended, in the order of their ends; instances that are gone.
    fn settle(&mut self, function: u32, now: SimTime) {
        let is_over = |i: &Instance| i.function == function && i.waits.is_none() && i.end <= now;
        while let Some(position) = (0..self.instances.len())
            .filter(|&position| is_over(&self.instances[position]))
            .min_by_key(|&position| (self.instances[position].end, self.instances[position].number))
        {
            let mut instance = self.instances.remove(position);
            let Windows { pre_warm, keep_alive } =
                self.policy.finish(&mut self.states[function as usize], instance.end);
            let loaded = instance.end.after(pre_warm);
            instance.waits = Some((loaded, loaded.after(keep_alive)));
            self.instances.push(instance);
        }
        self.instances.retain(|i| match i.waits {
            Some((loaded, unloaded)) if i.function == function && unloaded <= now => {
                self.idle_ns += u128::from(unloaded.since(loaded).0);
                false
            }
            _ => true,
        });
    }
}

fn random_calls(stream: &mut Stream, count: usize) -> Vec<Invocation> {
    let mut now = 0.0;
    let calls = (0..count).map(|_| {
        now += stream.exponential() * 20.0;
        let duration = SimDuration::from_seconds(stream.exponential() * 15.0);
        let cold_duration = duration + SimDuration::from_seconds(stream.unit());
        Invocation { function: stream.below(3) as u32, arrival: SimTime((now * 1e9) as u64), duration, cold_duration }
    });
    calls.collect()
}

#[test]
fn the_fast_way_agrees_with_the_obvious_one() {
    let short = HybridSettings { range: ms(1_200_000), ..HybridSettings::default() };
    let policies = [KeepAlive::None, KeepAlive::Fixed(ms(60_000)), KeepAlive::Hybrid(short)];
    let routings = [Routing::MostRecentlyUsed, Routing::LeastRecentlyUsed, Routing::NewestFirst];
    for (number, (policy, routing)) in policies.iter().flat_map(|p| routings.map(|r| (*p, r))).enumerate() {
        let mut stream = Seed { base: 3, replication: 0 }.stream("calls", number as u64);
        let calls = random_calls(&mut stream, 2000);
        let settings = PlatformSettings { routing, ..unlimited(policy) };
        let report = simulate(&functions(3), settings, calls.iter().copied()).expect("calls are in order");
        let mut oracle = Oracle {
            policy,
            routing,
            instances: Vec::new(),
            states: vec![KeepAliveState::default(); 3],
            started: 0,
            cold: 0,
            idle_ns: 0,
        };
        calls.iter().for_each(|call| oracle.call(call));
        (0..3).for_each(|function| oracle.settle(function, report.end));
        for instance in &oracle.instances {
            let (loaded, unloaded) = instance.waits.expect("all calls have ended");
            oracle.idle_ns += u128::from(unloaded.min(report.end).0.saturating_sub(loaded.0));
        }
        let total = report.total();
        assert_eq!((total.cold_starts, total.idle_ns), (oracle.cold, oracle.idle_ns), "{policy:?} {routing:?}");
    }
}

/// SimFaaS' example: Poisson calls, exponential times.
fn simfaas(replication: u32) -> [f64; 5] {
    const HORIZON_S: f64 = 1e6;
    let mut stream = Seed { base: 2021, replication }.stream("simfaas", 0);
    let mut now = 0.0;
    let calls = std::iter::from_fn(move || {
        now += stream.exponential() / 0.9;
        let duration = SimDuration::from_seconds(stream.exponential() * 1.991);
        let cold_duration = SimDuration::from_seconds(stream.exponential() * 2.244);
        let call = Invocation { function: 0, arrival: SimTime((now * 1e9) as u64), duration, cold_duration };
        (now < HORIZON_S).then_some(call)
    });
    let settings = PlatformSettings {
        routing: Routing::NewestFirst,
        horizon: Some(SimTime((HORIZON_S * 1e9) as u64)),
        ..unlimited(KeepAlive::Fixed(ms(600_000)))
    };
    let report = simulate(&functions(1), settings, calls).expect("calls are in order");
    let total = report.total();
    let lifespan_s = total.lifespan_ns as f64 / 1e9 / total.ended_instances as f64;
    let (busy, idle) = (report.busy_mean(), report.idle_mean());
    [total.cold_start_probability(), lifespan_s, busy + idle, busy, idle]
}

#[test]
fn the_steady_state_is_that_of_simfaas() {
    // The row of SimFaaS' documentation (Mahmoudi and Khazaei 2021): one run of 10^6 s. It must lie where another run of that
    // length lies with 95 %: the mean of our runs, and t * s * sqrt(1 + 1/n) around it.
    let published = [0.0014, 6335.1, 7.6612, 1.7879, 5.8733];
    const RUNS: u32 = 6;
    let runs: Vec<[f64; 5]> = (0..RUNS).map(simfaas).collect();
    for (quantity, theirs) in published.into_iter().enumerate() {
        let ours: Vec<f64> = runs.iter().map(|run| run[quantity]).collect();
        let interval = mean_interval(&ours);
        let deviation = interval.standard_error * f64::from(RUNS).sqrt();
        let half_width = student_t(0.975, u64::from(RUNS) - 1) * deviation * (1.0 + 1.0 / f64::from(RUNS)).sqrt();
        // The probability is published with four digits after the point.
        let rounding = if quantity == 0 { 0.000_05 } else { 0.000_05 * theirs };
        let distance = (theirs - interval.mean).abs();
        assert!(distance <= half_width + rounding, "{quantity}: {theirs}, ours {} +- {half_width}", interval.mean);
    }
    // Calls under way are 0.9 times the mean time, by Little's law: 0.9 * 1.99135 with 0.14 % of cold starts. The mean over T of
    // a number with mean 1.792 that forgets itself in 1.991 s has the variance 2 * 1.792 * 1.991 / T; five standard errors of
    // six runs are 5 * sqrt(7.136 / 6e6) = 0.0055.
    let busy = runs.iter().map(|run| run[3]).sum::<f64>() / f64::from(RUNS);
    assert!((busy - 0.9 * 1.991_35).abs() < 0.0055, "{busy}");
}
