//! Function platforms from text to model.
#![allow(clippy::disallowed_methods, reason = "tests write the files that they read")]

use super::*;
use crate::model::traffic::{Arrivals, Gap};
use crate::scenario::{Environment, load_scenario};

/// The functions of a scenario with these lines.
fn load(lines: &str) -> Functions {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("scenario.yaml");
    let head = "apiVersion: wavetank.dev/v1\nkind: Scenario\nmetadata: {name: s}\nhorizon: 1h\n";
    std::fs::write(&path, format!("{head}functions:\n{lines}\n")).unwrap();
    match load_scenario(&path, &[], 0, &Environment::default()) {
        Ok(loaded) => *loaded.model.functions.unwrap(),
        Err(error) => panic!("{error}"),
    }
}

#[test]
fn what_is_not_said_is_as_with_lambda() {
    let found = load("  list: [{name: f, memory: 128Mi, rate: 2/s, duration: 1s}]");
    let expected = PlatformSettings { horizon: Some(SimTime(3_600_000_000_000)), ..PlatformSettings::default() };
    assert_eq!(found.settings, expected);
    assert_eq!(found.task_prices, FargatePrices::X86);
    let [called] = &found.functions[..] else { panic!("{found:?}") };
    assert_eq!(called.function, Function::new("f", Bytes(128 << 20)));
    assert_eq!(
        (&called.cold, &called.duration),
        (&ColdCall::Start(Dist::ZERO), &Dist::Constant(SimDuration(1_000_000_000)))
    );
}

#[test]
fn everything_that_is_said_is_built() {
    let found = load(
        "  platform:\n    keepAlive: {hybridHistogram: {range: 2h, bin: 30s, tail: 0.9}}\n    routing: leastRecentlyUsed\n    \
         limits: {scalingInstances: 5}\n    architecture: arm\n    prices: {gbSecond: 0.5, gbHour: 2, billsInitialisation: false}\n    \
         provisionedConcurrency: 1\n  list:\n    - {name: f, count: 2, memory: 1Gi, rate: 1/s, arrivals: deterministic, duration: 1s, \
         coldDuration: 3s, reservedConcurrency: 7, provisionedConcurrency: 3}\n  population: {count: 3}\n  tasks: [{name: t, cpu: 2, \
         memory: 4Gi, rate: 1/h, duration: 1m}]",
    );
    let hybrid = HybridSettings {
        range: SimDuration(7_200_000_000_000),
        bin: SimDuration(30_000_000_000),
        tail: 0.9,
        ..HybridSettings::default()
    };
    assert_eq!(
        (found.settings.keep_alive, found.settings.routing),
        (KeepAlive::Hybrid(hybrid), Routing::LeastRecentlyUsed)
    );
    let limits = LambdaLimits { scaling_instances: 5, ..LambdaLimits::default() };
    assert_eq!(found.settings.limits, Some(limits));
    let price = LambdaPrices { gb_second: [(f64::INFINITY, 0.5); 3], bills_initialisation: false, ..LambdaPrices::ARM };
    assert_eq!(
        (found.settings.prices, found.task_prices),
        (price, FargatePrices { gb_hour: 2.0, ..FargatePrices::ARM })
    );
    let names: Vec<&str> = found.functions.iter().map(|called| called.function.name.as_str()).collect();
    assert_eq!(names, ["f-0", "f-1", "function-0", "function-1", "function-2"]);
    let instances: Vec<(Option<u32>, u32)> = found
        .functions
        .iter()
        .map(|called| (called.function.reserved_concurrency, called.function.provisioned_concurrency))
        .collect();
    assert_eq!(instances, [(Some(7), 3), (Some(7), 3), (None, 1), (None, 1), (None, 1)]);
    assert_eq!(found.functions[0].cold, ColdCall::Whole(Dist::Constant(SimDuration(3_000_000_000))));
    let is_timer = matches!(&found.functions[1].calls, Calls::Rule(Arrivals::Open { gap: Gap::Deterministic, .. }));
    assert!(is_timer && found.tasks[0].storage == TASK_STORAGE);
}

#[test]
fn a_price_a_gb_second_holds_for_all_of_them() {
    let found = load("  platform: {prices: {gbSecond: 0.5}}\n  population: {count: 1}");
    assert_eq!(found.settings.prices.execution(8.0).0, 4.0);
}
