//! Hand-worked examples, the tests of BUNGEE, and a slow obvious version.

use proptest::prelude::*;

use super::*;

/// Changes of a series: second, value. The first is its start.
type Steps = [(u64, u32)];

fn second(s: u64) -> SimTime {
    SimTime(s * 1_000_000_000)
}

fn options(sample_s: u64) -> ElasticityOptions {
    ElasticityOptions { sample_period: SimDuration(sample_s * 1_000_000_000), ..ElasticityOptions::default() }
}

fn measure(demand: &Steps, supply: &Steps, end: u64, options: ElasticityOptions) -> Elasticity {
    let mut meter = ElasticityMeter::new(second(0), f64::from(demand[0].1), f64::from(supply[0].1), options);
    let mut changes: Vec<(u64, bool, u32)> = demand.iter().map(|&(at, value)| (at, true, value)).collect();
    changes.extend(supply.iter().map(|&(at, value)| (at, false, value)));
    changes.sort_by_key(|&(at, ..)| at);
    for (at, is_demand, value) in changes {
        match is_demand {
            true => meter.set_demand(second(at), f64::from(value)),
            false => meter.set_supply(second(at), f64::from(value)),
        }
    }
    meter.figures(second(end))
}

fn near(left: f64, right: f64) {
    assert!((left - right).abs() <= 1e-12 * right.abs().max(1.0), "{left} is not {right}");
}

/// The series of BUNGEE's metric tests (`AbstractMetricTest`), whose milliseconds are seconds here.
const BUNGEE_DEMAND: &Steps = &[(0, 1), (7, 5), (16, 3), (17, 2), (19, 4)];
const BUNGEE_SUPPLY: &Steps = &[(0, 1), (2, 2), (3, 1), (5, 3), (9, 7), (11, 6), (12, 8), (14, 2), (20, 2)];

#[test]
fn the_tests_of_bungee() {
    // d: 1 for 0-7, 5 for 7-16, 3 for 16-17, 2 for 17-19, 4 for 19-20. s: 1, 2 (2-3), 1, 3 (5-9), 7 (9-11), 6, 8 (12-14), 2.
    // Missing: 2 for 7-9, 3 for 14-16, 1 for 16-17, 2 for 19-20: 4 + 6 + 1 + 2 = 13 over 2 + 2 + 1 + 1 = 6 s.
    // Too many: 1 for 2-3, 2 for 5-7, 2 for 9-11, 1 for 11-12, 3 for 12-14: 1 + 4 + 4 + 1 + 6 = 16 over 1 + 2 + 2 + 1 + 2 = 8 s.
    // Supply moves 1 + 1 + 2 + 4 + 1 + 2 + 6 = 17, demand 4 + 2 + 1 + 2 = 9: 8 in 20 s are 24 a minute.
    let figures = measure(BUNGEE_DEMAND, BUNGEE_SUPPLY, 20, options(60));
    assert_eq!((figures.under_accuracy, figures.over_accuracy), (13.0 / 20.0, 16.0 / 20.0));
    assert_eq!((figures.under_timeshare_percent, figures.over_timeshare_percent), (30.0, 40.0));
    near(figures.jitter_per_minute, 24.0);
    // Spells: 7-9, 14-17, 19-20 of too little; 2-3, 5-7, 9-14 of too much.
    assert_eq!((figures.under.count, figures.under.longest_s, figures.under.mean_s()), (3, 3.0, 2.0));
    assert_eq!((figures.over.count, figures.over.longest_s, figures.over.mean_s()), (3, 5.0, 8.0 / 3.0));
    // 1 / (2 s x 13 / 6 units).
    near(figures.under.elasticity(), 6.0 / 26.0);
}

#[test]
fn bungee_matched_and_shifted() {
    let figures = measure(BUNGEE_SUPPLY, BUNGEE_SUPPLY, 20, options(1));
    assert_eq!((figures.under, figures.over), (Spells::default(), Spells::default()));
    assert_eq!((figures.jitter_per_minute, figures.instability_percent), (0.0, 0.0));
    assert_eq!(figures.under.elasticity(), f64::INFINITY);

    let more: Vec<(u64, u32)> = BUNGEE_SUPPLY.iter().map(|&(at, value)| (at, value + 1)).collect();
    let under = measure(&more, BUNGEE_SUPPLY, 20, options(1));
    assert_eq!((under.under_accuracy, under.under_timeshare_percent, under.jitter_per_minute), (1.0, 100.0, 0.0));
    let over = measure(BUNGEE_SUPPLY, &more, 20, options(1));
    assert_eq!((over.over_accuracy, over.over_timeshare_percent, over.over.count), (1.0, 100.0, 1));
}

#[test]
fn accuracy_relative_to_demand() {
    // 100 s. Demand 4, 0 from 40, 10 from 60; supply 2, 4 from 20, 3 from 40, 5 from 60, 12 from 80.
    // Missing over demand: 2/4 for 20 s, 5/10 for 20 s: 20 s, 20 %.
    // Too many: 3 over the floor of 1 for 20 s, 2/10 for 20 s: 64 s, 64 %.
    let (demand, supply) = ([(0, 4), (40, 0), (60, 10)], [(0, 2), (20, 4), (40, 3), (60, 5), (80, 12)]);
    let figures = measure(&demand, &supply, 100, options(60));
    near(figures.under_accuracy_percent, 20.0);
    near(figures.over_accuracy_percent, 64.0);
    // Areas: 4 x 40 + 10 x 40 = 560; 2 x 20 + 4 x 20 + 3 x 20 + 5 x 20 + 12 x 20 = 520.
    assert_eq!((figures.demand_unit_s, figures.supply_unit_s, figures.cost_against(400.0)), (560.0, 520.0, 1.3));
    assert_eq!(figures.core_figures()[2..], [40.0, 40.0]);
}

#[test]
fn instability_compares_directions() {
    // Samples at 0, 10, ... 50: five comparisons. Demand 1 1 3 3 2 2; supply 1 2 3 3 3 2.
    // demand: = + = - =; supply: + + = = -; unequal at 10, 40 and 50: 3 of 5.
    let (demand, supply) = ([(0, 1), (20, 3), (31, 2)], [(0, 1), (9, 2), (15, 3), (45, 2)]);
    near(measure(&demand, &supply, 60, options(10)).instability_percent, 60.0);
    // Up and down again between samples is not seen; one sample has nothing to compare with.
    near(measure(&[(0, 1)], &[(0, 1), (3, 5), (7, 1)], 60, options(10)).instability_percent, 0.0);
    assert!(measure(&[(0, 1)], &[(0, 1)], 10, options(10)).instability_percent.is_nan());
    assert_eq!(measure(&[(0, 1)], &[(0, 1)], 11, options(10)).instability_percent, 0.0);
}

/// theta, tau and upsilon of one small example, sample by sample, as the definitions write them: sums over t of
/// max(d - s, 0) / d, of sgn(max(d - s, 0)), and of min(|sgn(s(t) - s(t-1)) - sgn(d(t) - d(t-1))|, 1).
///
/// | t | 1 | 2 | 3 | 4 | 5 |
/// |---|---|---|---|---|---|
/// | d | 2 | 4 | 4 | 5 | 2 |
/// | s | 2 | 2 | 5 | 4 | 4 |
/// | missing / d | 0 | 2/4 | 0 | 1/5 | 0 |
/// | too many / d | 0 | 0 | 1/4 | 0 | 2/2 |
/// | moved differently | | d up, s stays | s up, d stays | d up, s down | d down, s stays |
#[test]
fn the_definitions_sample_by_sample() {
    let demand = [(0, 2), (10, 4), (30, 5), (40, 2)];
    let supply = [(0, 2), (20, 5), (30, 4)];
    let figures = measure(&demand, &supply, 50, options(10));
    // 100 / 5 x (1/2 + 1/5) and 100 / 5 x (1/4 + 1).
    near(figures.under_accuracy_percent, 14.0);
    near(figures.over_accuracy_percent, 25.0);
    assert_eq!((figures.under_timeshare_percent, figures.over_timeshare_percent), (40.0, 40.0));
    // All four steps differ. Of one side only, as BUNGEE counts: s up, and d down with s unmoved: half of them.
    assert_eq!(figures.instability_percent, 100.0);
}

#[test]
fn reversals_and_oscillations() {
    // Supply: up at 60, up at 120, down at 700 (580 s later: oscillation), down at 800, up at 1500 (700 s: a reversal only),
    // down at 1501 (oscillation). What lasts no time is no change.
    let supply = [(0, 1), (60, 2), (120, 4), (700, 3), (800, 2), (1500, 6), (1501, 3), (1600, 9), (1600, 3)];
    let figures = measure(&[(0, 4)], &supply, 2000, options(60));
    assert_eq!((figures.supply.changes, figures.supply.reversals, figures.supply.oscillations), (6, 3, 2));
    // 1 + 2 + 1 + 1 + 4 + 3.
    assert_eq!((figures.supply.amount, figures.demand), (12.0, Moves::default()));
}

#[test]
fn no_time_at_all() {
    let figures = measure(&[(0, 3)], &[(0, 1)], 0, options(60));
    assert!(figures.under_accuracy.is_nan() && figures.under_timeshare_percent.is_nan());
    assert_eq!((figures.under.count, figures.duration_s), (0, 0.0));
}

#[test]
#[should_panic(expected = "time moved back")]
fn time_does_not_move_back() {
    let mut meter = ElasticityMeter::new(second(5), 1.0, 1.0, ElasticityOptions::default());
    meter.set_demand(second(4), 2.0);
}

/// The value of every second.
fn ticks(steps: &Steps, end: u64) -> Vec<f64> {
    let value = |at: u64| steps.iter().rfind(|&&(since, _)| since <= at).expect("a start").1;
    (0..end).map(|at| f64::from(value(at))).collect()
}

fn steps() -> impl Strategy<Value = Vec<(u64, u32)>> {
    prop::collection::vec((0..15u64, 0..6u32), 1..25).prop_map(|pauses| {
        let mut at = 0;
        let later = pauses.iter().skip(1).map(|&(pause, value)| {
            at += pause;
            (at, value)
        });
        std::iter::once((0, pauses[0].1)).chain(later).collect()
    })
}

proptest! {
    #[test]
    fn agrees_with_sums_over_seconds(demand in steps(), supply in steps(), extra in 1..40u64, sample in 1..9u64) {
        let end = demand.last().map_or(0, |step| step.0).max(supply.last().map_or(0, |step| step.0)) + extra;
        let figures = measure(&demand, &supply, end, options(sample));
        let (d, s) = (ticks(&demand, end), ticks(&supply, end));
        let sum = |of: fn(f64, f64) -> f64| d.iter().zip(&s).map(|(&d, &s)| of(d, s)).sum::<f64>() / end as f64;
        near(figures.under_accuracy, sum(|d, s| (d - s).max(0.0)));
        near(figures.over_accuracy, sum(|d, s| (s - d).max(0.0)));
        near(figures.under_accuracy_percent, sum(|d, s| 100.0 * (d - s).max(0.0) / d.max(1.0)));
        near(figures.over_accuracy_percent, sum(|d, s| 100.0 * (s - d).max(0.0) / d.max(1.0)));
        near(figures.under_timeshare_percent, sum(|d, s| if d > s { 100.0 } else { 0.0 }));
        near(figures.over_timeshare_percent, sum(|d, s| if s > d { 100.0 } else { 0.0 }));
        let moved = |of: &[f64]| of.windows(2).map(|pair| (pair[1] - pair[0]).abs()).sum::<f64>();
        near(figures.jitter_per_minute, (moved(&s) - moved(&d)) * 60.0 / end as f64);
        let begins = |at: usize| d[at] > s[at] && (at == 0 || d[at - 1] <= s[at - 1]);
        prop_assert_eq!(figures.under.count, (0..end as usize).filter(|&at| begins(at)).count() as u64);
        let sampled = |of: &[f64]| of.iter().copied().step_by(sample as usize).collect::<Vec<_>>();
        let (d, s) = (sampled(&d), sampled(&s));
        let sign = |of: &[f64], at: usize| (of[at] - of[at - 1]).total_cmp(&0.0);
        let unequal = (1..d.len()).filter(|&at| sign(&d, at) != sign(&s, at)).count();
        if d.len() > 1 {
            near(figures.instability_percent, 100.0 * unequal as f64 / (d.len() - 1) as f64);
        }
    }
}
