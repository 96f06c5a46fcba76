//! Plans by hand, and against trying all of them.

use proptest::prelude::*;
use serde_json::json;

use super::super::testing::{built, driven};
use super::*;

fn within(min_replicas: i32, max_replicas: i32) -> Setting<'static> {
    Setting { min_replicas, max_replicas, foresight: &[] }
}

fn plan(costs: Costs, need: &[f64], wanted: i32) -> Vec<i32> {
    costs.plan(need, wanted, within(1, 20))
}

#[test]
fn plans_by_hand() {
    let costs = Costs { shortage: 10.0, change: 4.0, startup: 0 };
    // 3.2 need 4: at 3 a fifth is missing, which costs 2 a step, more than one replica.
    assert_eq!(plan(costs, &[3.2; 9], 4), [4; 9]);
    // 3.05 do with 3: 0.5 a step.
    assert_eq!(plan(costs, &[3.05; 9], 3), [3; 9]);
    // From 3 the step up pays off: 4 against 9 steps of 1 (10 x 0.2 - 1); for 3 steps it does not.
    assert_eq!(plan(costs, &[3.2; 9], 3), [4; 9]);
    assert_eq!(plan(costs, &[3.2; 3], 3), [3; 3]);
    // A dip of one step costs 8 to follow and saves 1; one of 9 steps saves 9.
    assert_eq!(plan(costs, &[2.0, 1.0, 2.0], 2), [2, 2, 2]);
    let dip: Vec<f64> = [2.0].into_iter().chain([1.0; 9]).chain([2.0]).collect();
    assert_eq!(plan(costs, &dip, 2)[..2], [2, 1]);
}

#[test]
fn starting_takes_steps_and_costs_them() {
    let costs = Costs { shortage: 10.0, change: 1.0, startup: 2 };
    // More serve in the third step at the earliest.
    assert_eq!(plan(costs, &[5.0; 6], 2), [2, 2, 5, 5, 5, 5]);
    // A start costs 1 + 2, a replica 1 and its end 1; in the one step in which it is needed shortage would cost 10 each.
    assert_eq!(plan(costs, &[2.0, 2.0, 2.0, 5.0, 2.0, 2.0], 2), [2, 2, 2, 5, 2, 2]);
    let cheap = Costs { shortage: 4.5, ..costs };
    // 3 + 1 + 1 are more than 4.5.
    assert_eq!(plan(cheap, &[2.0, 2.0, 2.0, 5.0, 2.0, 2.0], 2), [2; 6]);
}

#[test]
fn what_must_start_now_is_asked_for() {
    // Nothing is known of a trend at the first rate: 100 need 10, and that stays so.
    let mut policy = built("mpc", json!({}));
    assert_eq!(driven(policy.as_mut(), &[100.0, 100.0, 100.0]), [10, 10, 10]);
    // A line through the last two rates: at 40 it foretells 60 for the next period and 80 for the one after, in which those serve
    // that are started now: 8; at 60 those are 10, and at 80 12.
    let mut policy = built("mpc", json!({"trendWeight": 1, "levelWeight": 1, "damping": 1}));
    assert_eq!(driven(policy.as_mut(), &[20.0, 40.0, 60.0, 80.0]), [2, 8, 10, 12]);
}

/// What a plan costs.
fn cost(costs: Costs, need: &[f64], wanted: i32, plan: &[i32]) -> f64 {
    let (mut sum, mut now) = (0.0, wanted);
    for (step, &next) in plan.iter().enumerate() {
        let rises = (now..next).map(|number| costs.up(number + 1, step, wanted).unwrap_or(f64::INFINITY));
        sum += rises.sum::<f64>() + costs.change * f64::from((now - next).max(0));
        sum += f64::from(next) + costs.shortage * (need[step] - f64::from(next)).max(0.0);
        now = next;
    }
    sum
}

/// Every plan of so many steps.
fn plans(steps: usize, numbers: &[i32]) -> Vec<Vec<i32>> {
    if steps == 0 {
        return vec![Vec::new()];
    }
    let shorter = plans(steps - 1, numbers);
    let longer = |one: &Vec<i32>| {
        let one = one.clone();
        numbers.iter().map(move |&number| one.iter().copied().chain([number]).collect::<Vec<_>>())
    };
    shorter.iter().flat_map(longer).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(60))]
    #[test]
    fn no_plan_is_cheaper(
        need in prop::collection::vec(0..50u32, 1..5), wanted in 1..5i32, shortage in 11..90u32, change in 0..60u32,
        startup in 0..3usize,
    ) {
        let need: Vec<f64> = need.iter().map(|&tenths| f64::from(tenths) / 10.0).collect();
        let costs = Costs { shortage: f64::from(shortage) / 10.0, change: f64::from(change) / 10.0, startup };
        let found = costs.plan(&need, wanted, within(1, 5));
        let all = plans(need.len(), &[1, 2, 3, 4, 5]);
        let least = all.iter().map(|plan| cost(costs, &need, wanted, plan)).fold(f64::INFINITY, f64::min);
        prop_assert!((cost(costs, &need, wanted, &found) - least).abs() < 1e-9, "{found:?}");
    }
}
