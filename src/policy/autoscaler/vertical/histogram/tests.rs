//! The tables of upstream's `histogram_test.go`, `histogram_options_test.go` and `decaying_histogram_test.go`.

use super::*;

const HOUR: SimDuration = SimDuration(3_600_000_000_000);
/// Upstream's arbitrary instant, 1 234 567 890 s.
const START: SimTime = SimTime(1_234_567_890_000_000_000);
const EPSILON: f64 = 1e-15;

fn ten() -> Buckets {
    Buckets::linear(10.0, 1.0, EPSILON)
}

fn hours(count: u64) -> SimTime {
    START.after(SimDuration(HOUR.0 * count))
}

#[test]
fn linear_buckets_have_one_size() {
    let buckets = Buckets::linear(5.0, 0.3, 0.001);
    // 5 / 0.3 = 16.7, and the last one.
    assert_eq!(buckets.count(), 18);
    assert_eq!((buckets.start(0), buckets.start(17)), (0.0, 5.1));
    for (value, bucket) in [(-1.0, 0), (0.0, 0), (1.3, 4), (100.0, 17)] {
        assert_eq!(buckets.find(value), bucket, "{value}");
    }
}

#[test]
fn exponential_buckets_grow_by_their_ratio() {
    let buckets = Buckets::exponential(500.0, 40.0, 1.5, 0.001);
    let starts: Vec<f64> = (0..buckets.count()).map(|bucket| buckets.start(bucket)).collect();
    // Widths 40, 60, 90, 135, 202.5; the last one has no end.
    assert_eq!(starts, [0.0, 40.0, 100.0, 190.0, 325.0, 527.5]);
    for (value, bucket) in [(-1.0, 0), (39.99, 0), (40.0, 1), (100.0, 2), (900.0, 5)] {
        assert_eq!(buckets.find(value), bucket, "{value}");
    }
}

#[test]
fn percentiles_are_ends_of_buckets() {
    let mut histogram = Histogram::new(ten());
    for percentile in [-0.5, 0.0, 0.5, 1.0, 1.5] {
        assert_eq!(histogram.percentile(percentile), 0.0);
    }
    for value in [1.0, 2.0, 3.0, 4.0] {
        histogram.add(value, value);
    }
    // Weights 1, 2, 3, 4 of 10.
    for (percentile, expected) in
        [(0.0, 2.0), (0.1, 2.0), (0.2, 3.0), (0.3, 3.0), (0.4, 4.0), (0.6, 4.0), (0.7, 5.0), (0.9, 5.0), (1.0, 5.0)]
    {
        assert_eq!(histogram.percentile(percentile), expected, "{percentile}");
    }
}

#[test]
fn percentiles_beyond_the_ends_are_the_ends() {
    let mut histogram = Histogram::new(Buckets::linear(1.0, 0.1, EPSILON));
    let near = |ours: f64, expected: f64| assert!((ours / expected - 1.0).abs() < 1e-15, "{ours} {expected}");
    histogram.add(0.1, 0.1);
    histogram.add(0.2, 0.2);
    near(histogram.percentile(-0.1), 0.2);
    near(histogram.percentile(1.1), 0.3);
    histogram.add(0.0, 0.1);
    histogram.add(1.0, 0.2);
    near(histogram.percentile(-0.1), 0.1);
    // The last bucket has no end.
    near(histogram.percentile(1.1), 1.0);
}

#[test]
fn what_weighs_less_than_epsilon_is_empty() {
    let mut histogram = Histogram::new(Buckets::linear(1.0, 0.1, EPSILON));
    assert!(histogram.is_empty());
    histogram.add(0.1, EPSILON * 2.5);
    assert!(!histogram.is_empty());
    histogram.subtract(0.1, EPSILON);
    assert!(!histogram.is_empty(), "1.5 epsilon are left");
    histogram.subtract(0.1, EPSILON);
    assert!(histogram.is_empty(), "half an epsilon is left");
    let mut histogram = Histogram::new(Buckets::linear(1.0, 0.1, EPSILON));
    histogram.add(9.9, EPSILON * 3.0);
    histogram.add(0.1, EPSILON * 0.3);
    histogram.add(999.9, EPSILON * 0.3);
    assert!(!histogram.is_empty());
}

#[test]
fn merging_is_adding() {
    let of = |samples: &[f64]| {
        let mut histogram = Histogram::new(ten());
        samples.iter().for_each(|value| histogram.add(*value, 1.0));
        histogram
    };
    let mut merged = of(&[1.0, 2.0]);
    merged.merge(&of(&[2.0, 3.0]));
    assert_eq!(merged, of(&[1.0, 2.0, 2.0, 3.0]));
}

#[test]
fn checkpoints_keep_weights_to_a_ten_thousandth_of_the_heaviest() {
    for (samples, expected) in [
        (&[][..], vec![]),
        (&[(1.0, 1.0)], vec![(1, 10_000)]),
        // 1 of 100 000 rounds to 0 of 10 000.
        (&[(1.0, 1.0), (2.0, 100_000.0)], vec![(2, 10_000)]),
        (&[(1.0, 1.0), (2.0, 10_000.0), (3.0, 50.0)], vec![(1, 1), (2, 10_000), (3, 50)]),
    ] {
        let mut histogram = Histogram::new(ten());
        samples.iter().for_each(|(value, weight)| histogram.add(*value, *weight));
        assert_eq!(histogram.save(), expected, "{samples:?}");
        assert_eq!(histogram.total_weight(), samples.iter().map(|(_, weight)| weight).sum::<f64>());
    }
}

#[test]
fn checkpoints_are_loaded_in_proportion() {
    let mut histogram = Histogram::new(ten());
    histogram.load(&[(0, 1), (1, 2)], 6.0).expect("a right one");
    // 6 / 3 a unit.
    assert_eq!((histogram.total_weight(), &histogram.weights()[..2]), (6.0, &[2.0, 4.0][..]));
    assert!(Histogram::new(ten()).load(&[(99, 1)], 1.0).is_err());
    assert!(Histogram::new(ten()).load(&[], -1.0).is_err());
}

#[test]
fn checkpoints_of_weights_near_epsilon_do_not_become_empty() {
    let mut histogram = Histogram::new(ten());
    histogram.add(1.0, EPSILON);
    histogram.add(2.0, CHECKPOINT_WEIGHT_MAX * EPSILON - EPSILON);
    let mut loaded = Histogram::new(ten());
    loaded.load(&histogram.save(), histogram.total_weight()).expect("a right one");
    assert!(!loaded.is_empty());
}

#[test]
fn weights_halve_with_each_half_life() {
    let mut histogram = DecayingHistogram::new(ten(), HOUR);
    assert_eq!(histogram.percentile(0.5), 0.0);
    for value in 1..=4 {
        histogram.add(value as f64, value as f64, hours(value - 1));
    }
    // 1/8, 2/4, 3/2 and 4 of 6.125: up to 2.04, 10.2, 34.7 and 100 %.
    for (percentile, expected) in
        [(0.0, 2.0), (0.02, 2.0), (0.03, 3.0), (0.1, 3.0), (0.11, 4.0), (0.34, 4.0), (0.35, 5.0), (1.0, 5.0)]
    {
        assert_eq!(histogram.percentile(percentile), expected, "{percentile}");
    }
}

#[test]
fn old_samples_vanish() {
    let mut histogram = DecayingHistogram::new(ten(), HOUR);
    histogram.add(2.0, 1000.0, START);
    // 2^20 outweigh 1000 by more than a thousand.
    histogram.add(1.0, 1.0, hours(20));
    assert_eq!((histogram.percentile(0.999), histogram.percentile(1.0)), (2.0, 3.0));
    let mut histogram = DecayingHistogram::new(ten(), HOUR);
    histogram.add(2.0, 1.0, START);
    // More than 100 half-lives: weights are brought back to size, and the first is below epsilon.
    histogram.add(1.0, 1.0, hours(101));
    assert_eq!(histogram.percentile(1.0), 2.0);
    assert_eq!(histogram.reference(), Some(round_to_multiple(hours(101), HOUR)));
}

#[test]
fn merging_aligns_reference_times() {
    let of = |samples: &[(f64, u64)]| {
        let mut histogram = DecayingHistogram::new(ten(), HOUR);
        samples.iter().for_each(|&(value, hour)| histogram.add(value, 1.0, hours(hour)));
        histogram
    };
    let mut merged = of(&[(1.0, 0), (2.0, 1)]);
    merged.merge(&mut of(&[(2.0, 2), (3.0, 1)]));
    let expected = of(&[(2.0, 2), (2.0, 1), (3.0, 1), (1.0, 0)]);
    assert_eq!(merged.reference(), expected.reference());
    for (ours, theirs) in merged.histogram().weights().iter().zip(expected.histogram().weights()) {
        assert!((ours - theirs).abs() < 1e-15, "{ours} {theirs}");
    }
    let mut empty = of(&[]);
    empty.merge(&mut of(&[(1.0, 7)]));
    assert_eq!(empty, of(&[(1.0, 7)]));
}

#[test]
fn checkpoints_carry_the_reference_time() {
    let mut histogram = DecayingHistogram::new(ten(), HOUR);
    histogram.add(2.0, 1.0, hours(100));
    let mut loaded = DecayingHistogram::new(ten(), HOUR);
    loaded.load(&histogram.save()).expect("a right one");
    assert_eq!(loaded.reference(), histogram.reference());
    assert!(loaded.reference().is_some() && !loaded.is_empty());
}

#[test]
fn instants_are_rounded_from_the_year_one() {
    let second = 1_000_000_000;
    // 1970 begins 62 135 596 800 s after the year 1, 4 s after a multiple of 7 s: 3 s later is the next.
    for (time_s, span_s, expected_s) in
        [(0, 86_400, 0), (43_200, 86_400, 86_400), (43_199, 86_400, 0), (5, 7, 3), (7, 7, 10)]
    {
        let rounded = round_to_multiple(SimTime(time_s * second), SimDuration(span_s * second));
        assert_eq!(rounded, SimTime(expected_s * second), "{time_s} {span_s}");
    }
}
