use super::fargate::{TaskSize, pod_size, task_size, task_sizes};
use super::hybrid::{HybridSettings, IdleTimes};
use super::keep_alive::{KeepAlive, KeepAliveState, Windows};
use super::lambda::{LambdaLimits, LimitError, RateLimit};
use super::price::{FargatePrices, LambdaPrices, billed_ms, gb_seconds};
use crate::model::functions::Function;
use crate::units::{Bytes, MilliCpu, SimDuration, SimTime};

const GIB: u64 = 1 << 30;

fn seconds(count: u64) -> SimDuration {
    SimDuration(count * 1_000_000_000)
}

fn near(left: f64, right: f64) {
    assert!((left - right).abs() <= 1e-9 * right.abs().max(1e-9), "{left} {right}");
}

#[test]
fn functions_are_billed_by_begun_milliseconds_and_memory() {
    assert_eq!([1, 1_000_000, 1_000_001].map(|ns| billed_ms(SimDuration(ns))), [1, 1, 2]);
    // 1.5 GiB for 120 ms, 3 million times, as in the example of the price page: 540 000 GB-s.
    let used = gb_seconds(Bytes(3 * GIB / 2), 120 * 3_000_000);
    near(used, 540_000.0);
    near(LambdaPrices::X86.execution(used).0, 540_000.0 * 0.000_016_666_7);
    // 7 billion: six at the first price, one at the second.
    near(LambdaPrices::X86.execution(7e9).0, 6e9 * 0.000_016_666_7 + 1e9 * 0.000_015);
    // 2 instances of half a GiB for a second are billed for five minutes.
    near(LambdaPrices::X86.provisioned(2, Bytes(GIB / 2), seconds(1)).0, 300.0 * 0.000_004_166_7);
}

#[test]
fn tasks_are_billed_by_begun_seconds_and_at_least_a_minute() {
    let prices = FargatePrices::X86;
    let spans = [SimDuration(0), seconds(60), SimDuration(60_000_000_001), seconds(90)];
    assert_eq!(spans.map(|span| prices.billed_seconds(span)), [60, 60, 61, 90]);
    // A vCPU and 2 GiB for an hour, with 30 GiB of storage of which 20 come along.
    let size = TaskSize { cpu: MilliCpu(1000), memory: Bytes(2 * GIB) };
    near(prices.task(size, Bytes(30 * GIB), seconds(3600)).0, 0.040_48 + 2.0 * 0.004_445 + 10.0 * 0.000_111);
}

#[test]
fn tasks_come_in_sizes() {
    // 3, 4, 7, 13, 23, 12 and 12 sizes.
    assert_eq!(task_sizes().count(), 74);
    let size = |cpu, mib: u64| task_size(MilliCpu(cpu), Bytes(mib << 20)).map(|size| (size.cpu.0, size.memory.0 >> 20));
    assert_eq!(size(100, 100), Some((250, 512)));
    assert_eq!(size(250, 2049), Some((500, 3072)));
    assert_eq!(size(1001, 100), Some((2000, 4096)));
    assert_eq!(size(8000, 17 << 10), Some((8000, 20 << 10)));
    assert_eq!(size(16_000, 121 << 10), None);
    // A pod with 512 MiB needs 768 with Kubernetes' parts: a GiB.
    let pod = pod_size(MilliCpu(250), Bytes(512 << 20));
    assert_eq!(pod.map(|size| size.memory), Some(Bytes(GIB)));
}

#[test]
fn what_is_reserved_is_not_shared() {
    let limits = LambdaLimits::default();
    let function = |reserved_concurrency, provisioned_concurrency| Function {
        reserved_concurrency,
        provisioned_concurrency,
        ..Function::new("f", Bytes(GIB))
    };
    // 1000 - 100 - 50: what is provisioned of what is reserved is not taken twice.
    let functions = [function(Some(100), 20), function(None, 50), function(None, 0)];
    assert_eq!(limits.shared_concurrency(&functions), Ok(850));
    let wrong = [function(Some(10), 20), function(None, 1000)];
    let expected = vec![
        LimitError::Provisioned { function: 0, provisioned: 20, reserved: 10 },
        LimitError::Account { wanted: 1010, account: 1000 },
    ];
    assert_eq!(limits.shared_concurrency(&wrong), Err(expected));
}

#[test]
fn rates_refill_continuously_and_save_nothing_up() {
    let mut rate = RateLimit::new(1000, seconds(10));
    let mut burst = |now| {
        let mut count = 0;
        while rate.allows(now) {
            rate.take();
            count += 1;
        }
        count
    };
    assert_eq!(burst(SimTime(0)), 1000);
    // One each 10 ms.
    assert_eq!(burst(SimTime(9_999_999)), 0);
    assert_eq!(burst(SimTime(1_000_000_000)), 100);
    assert_eq!(burst(SimTime(100_000_000_000)), 1000);
}

fn idle_times(settings: &HybridSettings, minutes: &[f64]) -> IdleTimes {
    let mut times = IdleTimes::new(settings);
    minutes.iter().for_each(|minutes| times.record(SimDuration::from_seconds(minutes * 60.0)));
    times
}

#[test]
fn regular_idle_times_unload_in_between() {
    let settings = HybridSettings::default();
    // All in the bin of 30 to 31 minutes: loaded after 0.9 * 30 = 27, kept until 1.1 * 31 = 34.1 minutes.
    let windows = idle_times(&settings, &[30.5; 20]).windows(&settings);
    let expected = Windows { pre_warm: seconds(27 * 60), keep_alive: SimDuration::from_seconds(7.1 * 60.0) };
    assert_eq!(windows, expected);
    // Short ones stay: the head is at zero, the tail at 1.1 * 1 minute.
    let windows = idle_times(&settings, &[0.2; 20]).windows(&settings);
    assert_eq!(windows, Windows { pre_warm: SimDuration::ZERO, keep_alive: seconds(66) });
}

#[test]
fn idle_times_that_say_nothing_keep_the_function() {
    let settings = HybridSettings::default();
    assert_eq!(idle_times(&settings, &[]).windows(&settings), Windows::stay(settings.range));
    // One in each of the 240 bins: no variation.
    let spread: Vec<f64> = (0..240).map(|minute| f64::from(minute) + 0.5).collect();
    let times = idle_times(&settings, &spread);
    assert_eq!(times.variation(), 0.0);
    assert_eq!(times.windows(&settings), Windows::stay(settings.range));
    // n in one of b bins: sqrt(b - 1), here sqrt(239) = 15.46.
    let times = idle_times(&settings, &[7.5; 9]);
    assert!((times.variation() - 239f64.sqrt()).abs() < 1e-12);
}

#[test]
fn idle_times_beyond_the_range_are_forecast() {
    let settings = HybridSettings::default();
    // Always five hours: the window is 5 h less 15 % to 5 h and 15 % more.
    let windows = idle_times(&settings, &[300.0, 300.0, 300.0]).windows(&settings);
    assert_eq!(windows.pre_warm, SimDuration::from_seconds(300.0 * 60.0 * 0.85));
    assert_eq!(windows.keep_alive, SimDuration::from_seconds(300.0 * 60.0 * 0.3));
    // 5 h and 7 h in turn: with ten of them the neighbours are opposites in 9 of 10 parts. Mean 6, last 7: 6 - 0.9 = 5.1 h.
    let turns: Vec<f64> = (0..10).map(|turn| if turn % 2 == 0 { 300.0 } else { 420.0 }).collect();
    let pre_warm = idle_times(&settings, &turns).windows(&settings).pre_warm.as_seconds();
    near(pre_warm, 5.1 * 3600.0 * 0.85);
    // Half of them beyond is enough, less is not.
    let windows = idle_times(&settings, &[300.0, 1.5, 1.5]).windows(&settings);
    assert!(windows.pre_warm < seconds(60));
}

#[test]
fn percentiles_are_those_of_a_full_count() {
    // The bins that are followed, against the definition: the first with which at least this part is reached.
    let settings = HybridSettings::default();
    let mut times = IdleTimes::new(&settings);
    let mut bins = vec![0u32; 240];
    let mut stream = crate::rng::Seed { base: 5, replication: 0 }.stream("idle", 0);
    for count in 1..=3000u32 {
        let minute = (stream.unit() * stream.unit() * 240.0) as usize;
        times.record(seconds(minute as u64 * 60 + 5));
        bins[minute] += 1;
        let reached = |part: f64| {
            let mut sum = 0;
            bins.iter().position(|bin| {
                sum += bin;
                f64::from(sum) >= part * f64::from(count)
            })
        };
        let (head, tail) = (reached(0.05).expect("it is"), reached(0.99).expect("it is"));
        if times.variation() < settings.variation_min {
            continue;
        }
        let windows = times.windows(&settings);
        near(windows.pre_warm.as_seconds(), head as f64 * 60.0 * 0.9);
        let last = windows.pre_warm.as_seconds() + windows.keep_alive.as_seconds();
        assert!((last - (tail + 1) as f64 * 66.0).abs() < 1e-6, "{count}");
    }
}

#[test]
fn idle_times_are_from_the_end_to_the_next_call() {
    let policy = KeepAlive::Hybrid(HybridSettings::default());
    let mut state = KeepAliveState::default();
    let at = |minutes: u64| SimTime(minutes * 60_000_000_000);
    // Calls take a minute and come ten minutes after the last end.
    for call in 0..5 {
        policy.arrive(&mut state, at(call * 11), false);
        policy.finish(&mut state, at(call * 11 + 1));
    }
    // The bin of 10 to 11 minutes: 9 to 12.1.
    let windows = policy.finish(&mut state, at(46));
    assert_eq!(windows.pre_warm, seconds(9 * 60));
    near(windows.keep_alive.as_seconds(), 3.1 * 60.0);
}
