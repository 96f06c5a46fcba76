use super::super::sizing::Sizing;
use super::super::spec::ContainerResources;
use super::*;

const MINUTE: SimDuration = SimDuration(60_000_000_000);
const MIB: u64 = 1 << 20;
const POD: PodId = PodId(0);

/// Plays one sample a minute, each for so many minutes; the last recommendation, in milli-cores and MiB.
fn play(sizing: &mut impl Sizing, start: u64, samples: &[(u64, u64, u64)]) -> (u64, u64) {
    let mut minute = start;
    for &(minutes, cpu, memory_mib) in samples {
        for _ in 0..minutes {
            minute += 1;
            let usage = Usage { cpu: MilliCpu(cpu), memory: Bytes(memory_mib * MIB) };
            sizing.observe(POD, SimTime(minute * MINUTE.0), usage);
        }
    }
    let one = sizing.recommend(SimTime(minute * MINUTE.0)).expect("there was a window");
    (one.target.or_zero(Resource::Cpu), one.target.or_zero(Resource::Memory) / MIB)
}

/// A recommendation lies within a bucket, about 2.1 %, above what it should be.
fn near(ours: u64, expected: f64) {
    let ratio = ours as f64 / expected;
    assert!((0.99..1.05).contains(&ratio), "{ours} {expected}");
}

#[test]
fn about_four_hundred_buckets() {
    let windows = Windows::new(WindowConfig::default());
    assert_eq!((windows.cpu_buckets.count(), windows.memory_buckets.count()), (403, 403));
}

#[test]
fn nothing_is_recommended_before_a_window_has_ended() {
    let mut window = MovingWindow::new("app", MovingWindowConfig::default());
    window.observe(POD, SimTime(0), Usage::default());
    assert_eq!(window.recommend(SimTime(0)), None);
    let mut ensemble = Ensemble::new("app", EnsembleConfig::default());
    ensemble.observe(POD, SimTime(0), Usage::default());
    assert_eq!(ensemble.recommend(SimTime(0)), None);
}

#[test]
fn statistics_are_the_papers() {
    // Nine hours of 100 and one of 1000, of CPU; memory of 1000 MiB and 4000 MiB. Without decay worth mentioning.
    let samples = [(540, 100, 1000), (60, 1000, 4000), (6, 100, 1000)];
    let long = SimDuration(10_000 * 3600 * 1_000_000_000);
    let margins = MovingWindowConfig {
        cpu_half_life: long,
        memory_half_life: long,
        margin_fraction: 0.0,
        large_margin_fraction: 0.0,
        hold: SimDuration(1),
        ..MovingWindowConfig::default()
    };
    for (cpu, memory, expected_cpu, expected_mib) in [
        // (9 * 100 + 1000) / 10; the highest.
        (CpuRule::Batch, MemoryRule::MinimalTolerance, 190.0, 4000.0),
        // Half of the load is at 1000: 100 * 540 and 1000 * 60. Of memory 1000 * 108 and 4000 * 12 windows: 69 and 31 %.
        (CpuRule::Serving, MemoryRule::LowTolerance, 1000.0, 4000.0),
        // The 60th percentile of load is 1000; half of the peak is 2000.
        (CpuRule::LatencySensitive, MemoryRule::IntermediateTolerance, 1000.0, 2000.0),
    ] {
        let config = MovingWindowConfig { cpu, memory, ..margins };
        let (cpu, memory) = play(&mut MovingWindow::new("app", config), 0, &samples);
        near(cpu, expected_cpu);
        near(memory, expected_mib);
    }
}

#[test]
fn limits_get_a_margin_and_are_held_for_an_hour() {
    let mut window = MovingWindow::new("app", MovingWindowConfig::default());
    let (cpu, memory) = play(&mut window, 0, &[(120, 100, 1000)]);
    near(cpu, 115.0);
    near(memory, 1150.0);
    // Large ones get less.
    let mut large = MovingWindow::new("app", MovingWindowConfig::default());
    let (cpu, memory) = play(&mut large, 0, &[(120, 20_000, 64 << 10)]);
    near(cpu, 22_000.0);
    near(memory, 1.1 * f64::from(64 << 10));
    // The mean of a batch job falls as soon as its usage does, but its limit only after an hour.
    let config = MovingWindowConfig { cpu: CpuRule::Batch, cpu_half_life: MINUTE, ..MovingWindowConfig::default() };
    let mut batch = MovingWindow::new("app", config);
    play(&mut batch, 0, &[(60, 1000, 1000)]);
    near(play(&mut batch, 60, &[(55, 100, 1000)]).0, 1150.0);
    near(play(&mut batch, 115, &[(30, 100, 1000)]).0, 115.0);
}

#[test]
fn running_out_of_memory_raises_the_peak() {
    let config = MovingWindowConfig { memory: MemoryRule::MinimalTolerance, ..MovingWindowConfig::default() };
    let mut window = MovingWindow::new("app", config);
    play(&mut window, 0, &[(10, 100, 1000)]);
    let limits = Amounts::both(MilliCpu(100), Bytes(2000 * MIB));
    let resources = ContainerResources { container: "app".to_owned(), requests: limits, limits };
    window.observe_oom(POD, SimTime(10 * MINUTE.0), &resources);
    // 2000 * 1.2, and 15 %.
    near(play(&mut window, 10, &[(10, 100, 1000)]).1, 2400.0 * 1.15);
}

#[test]
fn tasks_are_taken_together() {
    let config = MovingWindowConfig { memory: MemoryRule::MinimalTolerance, ..MovingWindowConfig::default() };
    let mut window = MovingWindow::new("app", config);
    for minute in 0..=20 {
        for (pod, cpu, memory) in [(0, 100, 1000), (1, 1000, 3000)] {
            let usage = Usage { cpu: MilliCpu(cpu), memory: Bytes(memory * MIB) };
            window.observe(PodId(pod), SimTime(minute * MINUTE.0), usage);
        }
    }
    let one = window.recommend(SimTime(20 * MINUTE.0)).expect("there was a window");
    // Ten elevenths of the load are the larger task's.
    near(one.target.or_zero(Resource::Cpu), 1150.0);
    near(one.target.or_zero(Resource::Memory) / MIB, 3450.0);
}

#[test]
fn the_ensemble_covers_what_it_remembers_and_forgets_it() {
    let mut ensemble = Ensemble::new("app", EnsembleConfig::default());
    let (cpu, memory) = play(&mut ensemble, 0, &[(600, 1000, 1000)]);
    assert!((1000..1300).contains(&cpu) && (1000..1300).contains(&memory), "{cpu} {memory}");
    // Twice as much for ten hours: the limit follows.
    let (cpu, _) = play(&mut ensemble, 600, &[(600, 2000, 1000)]);
    assert!((2000..2600).contains(&cpu), "{cpu}");
    // And down again, within days.
    let (cpu, _) = play(&mut ensemble, 1200, &[(5 * 1440, 500, 1000)]);
    assert!((500..700).contains(&cpu), "{cpu}");
}

#[test]
fn overruns_that_cost_more_keep_more_room() {
    // Every tenth window uses four times as much, up to the end.
    let samples: Vec<_> = (0..600).map(|window| (5, if window % 10 == 9 { 2000 } else { 500 }, 1000)).collect();
    let mut dear = Ensemble::new("app", EnsembleConfig::default());
    let weights = Weights { overrun: 1.0, underrun: 1.0, limit_change: 0.01, model_change: 0.01 };
    let mut cheap = Ensemble::new("app", EnsembleConfig { cpu: weights, ..EnsembleConfig::default() });
    let (high, low) = (play(&mut dear, 0, &samples).0, play(&mut cheap, 0, &samples).0);
    assert!(high >= 2000 && low < 1000, "{high} {low}");
}
