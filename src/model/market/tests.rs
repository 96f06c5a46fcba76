//! Series, lifetimes and quotas by tables that were worked out by hand.

use super::*;
use crate::ids::OfferId;
use crate::model::dist::Dist;
use crate::model::provisioning::Market;
use crate::rng::{Seed, Stream};

const HOUR: u64 = 3_600_000_000_000;

fn hours(hours: u64) -> SimTime {
    SimTime(hours * HOUR)
}

fn cents(cents: i128) -> Money {
    Money(cents * 10_000_000)
}

fn stream(entity: u64) -> Stream {
    Seed { base: 11, replication: 0 }.stream("market", entity)
}

/// 10 cents, from 2 h 30, from 5 h 20.
fn prices() -> PriceSeries {
    PriceSeries::new(vec![(hours(1), cents(10)), (hours(2), cents(30)), (hours(3), cents(30)), (hours(5), cents(20))])
        .unwrap()
}

fn offer(reclaim: Reclaim) -> SpotOffer {
    let capacity = Capacity::new(vec![(hours(0), 4), (hours(2), 1), (hours(3), 6)]);
    SpotOffer { prices: Some(prices()), capacity, reclaim, notice: notice(Provider::Aws) }
}

#[test]
fn prices_hold_until_they_change() {
    for (at, price, next) in [(0, 10, Some((2, 30))), (2, 30, Some((5, 20))), (4, 30, Some((5, 20))), (5, 20, None)] {
        assert_eq!(prices().at(hours(at)), cents(price), "{at}");
        assert_eq!(prices().next_change(hours(at)), next.map(|(at, price)| (hours(at), cents(price))), "{at}");
    }
    for (bid, from, above) in [(10, 0, Some(2)), (9, 0, Some(0)), (29, 3, Some(3)), (25, 5, None), (30, 0, None)] {
        assert_eq!(prices().first_above(cents(bid), hours(from)), above.map(hours), "{bid} from {from}");
    }
    assert!(PriceSeries::new(Vec::new()).is_none());
    assert!(PriceSeries::new(vec![(hours(0), cents(1)), (hours(2), cents(2)), (hours(2), cents(3))]).is_none());
}

#[test]
fn instances_go_when_their_reason_comes() {
    let bid = offer(Reclaim::PriceAbove(cents(15)));
    assert_eq!(bid.reclaimed_at(hours(1), None), Some(hours(2).after(SimDuration(120_000_000_000))));
    assert_eq!(bid.reclaimed_at(hours(6), None), Some(hours(6).after(SimDuration(120_000_000_000))));
    assert_eq!(offer(Reclaim::PriceAbove(cents(30))).reclaimed_at(hours(1), None), None);
    let lived = offer(Reclaim::Lifetime(Lifetime::Bathtub(Bathtub::default())));
    assert_eq!(lived.reclaimed_at(hours(1), Some(SimDuration(HOUR))), Some(hours(2)));
    assert_eq!(offer(Reclaim::Never).reclaimed_at(hours(1), Some(SimDuration(HOUR))), None);
}

#[test]
fn nothing_is_sold_beyond_capacity_and_bid() {
    let capacity = offer(Reclaim::Capacity);
    for (running, at, surplus, is_sold) in [(3, 0, 0, true), (4, 1, 0, false), (4, 2, 3, false), (0, 2, 0, true)] {
        assert_eq!(capacity.surplus(running, hours(at)), surplus, "{running} at {at}");
        assert_eq!(capacity.is_sold(running, hours(at)), is_sold, "{running} at {at}");
    }
    let bid = offer(Reclaim::PriceAbove(cents(20)));
    assert!(bid.is_sold(0, hours(1)) && !bid.is_sold(0, hours(4)) && bid.is_sold(0, hours(5)));
    assert_eq!(bid.surplus(9, hours(2)), 0);
    assert_eq!(Capacity::new(vec![(hours(0), 1)]).map(|one| one.times(5).at(hours(3))), Some(5));
}

#[test]
fn drawn_prices_have_the_mean_and_the_memory_of_their_process() {
    let process = PriceProcess {
        mean: cents(10),
        deviation: 0.3,
        half_life: SimDuration(6 * HOUR),
        step: SimDuration(HOUR),
        bounds: (cents(0), cents(100)),
    };
    let horizon = hours(40_000);
    let series = process.draw(horizon, &mut stream(0));
    assert_eq!(series, process.draw(horizon, &mut stream(0)));
    let logs: Vec<f64> = (0..40_000).map(|at| libm::log(series.at(hours(at)).as_dollars())).collect();
    let mean = (0..40_000).map(|at| series.at(hours(at)).as_dollars()).sum::<f64>() / 40_000.0;
    // Values are correlated over about 2 * 6 / ln 2 = 17 steps: 2 300 of them are independent, so 0.6 % is one standard error.
    assert!((mean - 0.1).abs() < 0.003, "{mean}");
    let center = logs.iter().sum::<f64>() / 40_000.0;
    let covariance = |lag: usize| {
        let pairs = logs.iter().zip(&logs[lag..]).map(|(one, other)| (one - center) * (other - center));
        pairs.sum::<f64>() / (40_000 - lag) as f64
    };
    assert!((libm::sqrt(covariance(0)) - 0.3).abs() < 0.02, "{}", covariance(0));
    // Half of a deviation is left after 6 hours.
    assert!((covariance(6) / covariance(0) - 0.5).abs() < 0.05, "{}", covariance(6) / covariance(0));
    let bounded = PriceProcess { bounds: (cents(9), cents(11)), ..process }.draw(hours(1000), &mut stream(1));
    assert!(bounded.changes().iter().all(|(_, price)| (cents(9)..=cents(11)).contains(price)));
}

#[test]
fn outages_are_merged_and_found() {
    let outages =
        Outages::new(vec![(hours(5), hours(6)), (hours(1), hours(3)), (hours(2), hours(4)), (hours(9), hours(9))]);
    assert_eq!(outages.spans(), [(hours(1), hours(4)), (hours(5), hours(6))]);
    for (at, is_out, next) in
        [(0, false, Some(1)), (1, true, Some(4)), (4, false, Some(5)), (5, true, Some(6)), (6, false, None)]
    {
        assert_eq!(outages.is_out(hours(at)), is_out, "{at}");
        assert_eq!(outages.next_change(hours(at)), next.map(hours), "{at}");
    }
}

#[test]
fn capacity_of_nothing_is_an_outage() {
    let capacity =
        Capacity::new(vec![(hours(0), 0), (hours(1), 4), (hours(3), 0), (hours(4), 2), (hours(7), 0)]).unwrap();
    let spans = [(SimTime::ZERO, hours(1)), (hours(3), hours(4)), (hours(7), SimTime::NEVER)];
    assert_eq!(capacity.outages().spans(), spans);
}

#[test]
fn drawn_outages_take_their_part_of_the_time() {
    let available = Dist::Exponential { mean: 9.0 * 3600.0 };
    let out = Dist::Exponential { mean: 3600.0 };
    let outages = Outages::draw(&available, &out, hours(100_000), &mut stream(2));
    let spent: u64 = outages.spans().iter().map(|(from, to)| to.since(*from).0 / 1_000_000_000).sum();
    // 10 % of the time; about 10 000 outages of 1 h with deviation 1 h, and their number varies by 1 %.
    assert!((spent as f64 / 3600.0 / 100_000.0 - 0.1).abs() < 0.005, "{spent}");
    let never = Outages::draw(&Dist::Constant(SimDuration(2 * HOUR)), &out, hours(1), &mut stream(3));
    assert!(never.spans().is_empty());
    // Nothing drawn at all still ends.
    assert!(Outages::draw(&Dist::ZERO, &Dist::ZERO, SimTime(1000), &mut stream(4)).is_out(SimTime(500)));
}

#[test]
fn a_bathtub_takes_many_early_and_the_rest_at_its_limit() {
    let bathtub = Bathtub::default();
    for (age_h, probability) in [
        (0.0, 0.0),
        // 0.45 (1 - 1/e)
        (1.0, 0.284_454),
        // 0.45 (1 - e^-12 + e^-15)
        (12.0, 0.449_997),
        // 0.45 (1 - e^-23.2 + 1/e)
        (23.2, 0.615_546),
        (24.0, 1.0),
    ] {
        let found = bathtub.probability(SimDuration::from_seconds(age_h * 3600.0));
        assert!((found - probability).abs() < 1e-6, "{age_h} h: {found}");
    }
    let (mut stream, lifetime) = (stream(5), Lifetime::Bathtub(bathtub));
    let ages: Vec<f64> = (0..20_000).map(|_| lifetime.sample(&mut stream).as_seconds() / 3600.0).collect();
    let part = |from: f64, to: f64| ages.iter().filter(|age| from <= **age && **age < to).count() as f64 / 20_000.0;
    // 28.4 % in the first hour, 1 - 0.9 at the limit; one standard error is 0.3 %.
    assert!((part(0.0, 1.0) - 0.2845).abs() < 0.015 && (part(24.0, 25.0) - 0.1).abs() < 0.01, "{}", part(24.0, 25.0));
}

#[test]
fn ranges_of_interruptions_become_lifetimes() {
    let mean_h = |percent| match Lifetime::of_interruptions(percent) {
        Some(Lifetime::Drawn(dist)) => Some((dist.mean_seconds() / 3600.0).round()),
        _ => None,
    };
    // 730 / -ln(1 - 0.025), 730 / -ln(1 - 0.125), 730 / -ln(1 - 0.25)
    for (percent, expected) in [((0, 5), 28_833.0), ((10, 15), 5467.0), ((20, 100), 2538.0)] {
        assert_eq!(mean_h(percent), Some(expected), "{percent:?}");
    }
    assert_eq!((mean_h((0, 0)), mean_h((100, 100))), (None, None));
}

fn good(market: Market, offers: &[u32]) -> Good {
    Good {
        instance_type: "t".to_owned(),
        zone: "z".to_owned(),
        market,
        terms: offer(Reclaim::Never),
        outages: Outages::default(),
        offers: offers.iter().map(|offer| OfferId(*offer)).collect(),
    }
}

/// 10 cents, from 2 h 30, from 5 h 20; what AWS bills of a machine that begins at half past one is the price at half past each.
#[test]
fn machines_cost_what_their_good_does() {
    let market = MachineMarket::new(3, vec![good(Market::Spot, &[0, 2])], Vec::new());
    let half = |hour: u64| SimTime(hours(hour).0 + HOUR / 2);
    let spot = OfferId(2);
    assert_eq!((market.price(spot, hours(3)), market.price(OfferId(1), hours(3))), (Some(cents(30)), None));
    // Half an hour at 10, three hours at 30, one at 20.
    assert_eq!(market.cost(spot, half(1), hours(6)), Some(cents(5 + 90 + 20)));
    assert_eq!(market.cost(spot, hours(4), hours(4)), Some(Money::ZERO));
    let span = (half(1), hours(6));
    let at_once = [(half(1), cents(10)), (hours(2), cents(30)), (hours(5), cents(20))];
    assert_eq!(market.billed_prices(spot, span, None), at_once);
    let by_hours = [(half(1), cents(10)), (half(2), cents(30)), (half(5), cents(20))];
    assert_eq!(market.billed_prices(spot, span, Some(SimDuration(HOUR))), by_hours);
    // A change at the very beginning of an hour counts from there on, and none after the end.
    let on_time = [(hours(1), cents(10)), (hours(2), cents(30))];
    assert_eq!(market.billed_prices(spot, (hours(1), hours(5)), Some(SimDuration(HOUR))), on_time);
    assert!(market.billed_prices(OfferId(1), span, None).is_empty());
}

/// 10 vCPUs of offers 0 and 1, of 4 and 2 vCPUs, and three machines of all.
#[test]
fn quotas_count_what_is_there() {
    let vcpus = Quota { limit_milli: 10_000, members: vec![(OfferId(0), 4000), (OfferId(1), 2000)] };
    let machines = Quota { limit_milli: 3000, members: (0..3).map(|offer| (OfferId(offer), 1000)).collect() };
    let market = MachineMarket::new(4, Vec::new(), vec![vcpus, machines]);
    // (machines of each offer) -> whether one more of each may be had
    for (has, allowed) in [
        ([0, 0, 0, 0], [true, true, true, true]),
        ([2, 0, 0, 0], [false, true, true, true]),
        ([1, 1, 0, 9], [true, true, true, true]),
        ([2, 1, 0, 0], [false, false, false, true]),
        ([0, 0, 3, 0], [false, false, false, true]),
    ] {
        let found = [0, 1, 2, 3].map(|offer| market.allows(OfferId(offer), |offer| has[offer.index()]));
        assert_eq!(found, allowed, "{has:?}");
    }
}

/// Others hold 20 of 40 machines in the mean, as a Poisson distribution has it, and what is spare forgets itself over a stay.
#[test]
fn drawn_capacity_is_what_others_leave() {
    let process = CapacityProcess { total: 40, others: 20.0, stay: SimDuration(HOUR) };
    let horizon = hours(4000);
    let capacity = process.draw(horizon, &mut stream(6));
    assert_eq!(capacity, process.draw(horizon, &mut stream(6)));
    let spare: Vec<f64> = (0..4000).map(|hour| f64::from(capacity.at(hours(hour)))).collect();
    let mean = spare.iter().sum::<f64>() / 4000.0;
    let covariance = |lag: usize| {
        let pairs = spare.iter().zip(&spare[lag..]).map(|(one, other)| (one - mean) * (other - mean));
        pairs.sum::<f64>() / (4000 - lag) as f64
    };
    // One standard error of the mean is sqrt(20 * 2.2 / 4000) = 0.1, of the variance about 0.65.
    assert!((mean - 20.0).abs() < 0.4 && (covariance(0) - 20.0).abs() < 2.6, "{mean} {}", covariance(0));
    // exp(-1) of a deviation is left after a stay.
    assert!((covariance(1) / covariance(0) - 0.368).abs() < 0.06, "{}", covariance(1) / covariance(0));
    let none = CapacityProcess { others: 0.0, ..process }.draw(horizon, &mut stream(7));
    assert_eq!((none.at(horizon), none.next_change(SimTime::ZERO)), (40, None));
}
