//! The market of machines on what was recorded of real ones, and the bill of a machine that is bought in it.
//!
//! The recordings stand in the directory that `WAVETANK_DATA` names; without it tests that need them say 'skipped'.
#![allow(clippy::disallowed_methods, reason = "the data are where the environment says")]

use std::path::PathBuf;

use wavetank::importers::{catalogue, spot};
use wavetank::model::Money;
use wavetank::model::billing::{Amounts, Billing, Purchase, Terms};
use wavetank::model::catalogue::Provider;
use wavetank::model::market::{Capacity, Reclaim, SpotOffer, notice};
use wavetank::observe::ledger::{EndReason, Kind, Ledger};
use wavetank::units::SimTime;

fn data(test: &str, part: &str) -> Option<PathBuf> {
    let directory = std::env::var_os("WAVETANK_DATA").map(|data| PathBuf::from(data).join(part));
    if directory.is_none() {
        println!("{test}: skipped, WAVETANK_DATA is not set");
    }
    directory
}

/// Buys one instance at the start, again whenever it was reclaimed and the price allows, and says what that cost and how often
/// it was reclaimed.
fn bought_again_and_again(offer: &SpotOffer, horizon: SimTime) -> (Money, u32) {
    let prices = offer.prices.as_ref().expect("prices");
    let catalogue = catalogue::shipped();
    let kind = catalogue.find("m5.xlarge").expect("a type of the catalogue");
    let (mut ledger, mut now, mut number) = (Ledger::default(), SimTime::ZERO, 0);
    while now < horizon {
        if !offer.is_sold(0, now) {
            let Some((next, _)) = prices.next_change(now) else { break };
            now = next;
            continue;
        }
        let terms = Terms {
            pool: 0,
            instance_type: 0,
            region: 0,
            purchase: Purchase::Spot,
            usd_per_hour: prices.at(now),
            node_fee_per_hour: Money::ZERO,
            billing: Billing::of(Provider::Aws),
            capacity: Amounts::of(kind),
        };
        ledger.begin(number, terms, now);
        let end = offer.reclaimed_at(now, None).map_or(horizon, |end| end.min(horizon));
        while let Some((at, price)) = prices.next_change(now)
            && at < end
        {
            ledger.reprice(number, price, at);
            now = at;
        }
        ledger.end(number, end, EndReason::Reclaimed);
        (now, number) = (end, number + 1);
    }
    (ledger.finish(horizon).by(|line| line.kind).get(&Kind::Spot).copied().unwrap_or_default(), number)
}

#[test]
fn the_market_of_2016_takes_machines_back_when_their_price_jumps() {
    let Some(directory) = data("the_market_of_2016", "aws-spot-2016") else { return };
    let prices = spot::read_prices(&directory.join("spot_price_history.csv.gz"), None).expect("a table of prices");
    assert_eq!(prices.len(), 17);
    // The price of d2.xlarge on demand was 0.69; in zone b spot prices went up to 4.40.
    let series = prices[&("d2.xlarge".to_owned(), "us-east-1b".to_owned())].clone();
    let highest = series.changes().iter().map(|(_, price)| *price).max();
    assert_eq!(highest, Money::parse("4.4"));
    let horizon = SimTime(60 * 24 * 3_600_000_000_000);
    let mut offer = SpotOffer {
        prices: Some(series),
        capacity: None,
        reclaim: Reclaim::PriceAbove(Money::from_dollars(0.69)),
        notice: notice(Provider::Aws),
    };
    let (cheap, reclaimed) = bought_again_and_again(&offer, horizon);
    assert!(reclaimed > 10, "{reclaimed}");
    // Sixty days on demand cost 993.60.
    assert!(Money::ZERO < cheap && cheap < Money::from_dollars(993.6), "{cheap}");
    // Who bids ten times the price on demand keeps the machine, and pays more.
    offer.reclaim = Reclaim::PriceAbove(Money::from_dollars(6.9));
    let (dear, kept) = bought_again_and_again(&offer, horizon);
    assert!(kept == 1 && dear > cheap, "{kept} {dear}");
}

#[test]
fn recorded_capacity_says_how_many_there_are() {
    let Some(directory) = data("recorded_capacity", "spot-availability-2023") else { return };
    let read = |file: &str| spot::read_capacity(&directory.join(file)).expect("a trace of capacity");
    let most = |capacity: &Capacity| {
        let (mut at, mut most, mut changes) = (SimTime::ZERO, capacity.at(SimTime::ZERO), 0);
        while let Some((next, count)) = capacity.next_change(at) {
            (at, most, changes) = (next, most.max(count), changes + 1);
        }
        (most, changes)
    };
    for (file, expected) in [
        ("availability/16-node/aws-08-27-2023/us-west-2a_v100_1.json", (16, 277)),
        ("preemption/4-node/aws-08-03-2023/us-east-1f_v100_1.json", (4, 263)),
        ("preemption/1-node/aws-04-22-2023/us-east-1c_v100_1.json", (1, 82)),
    ] {
        assert_eq!(most(&read(file)), expected, "{file}");
    }
}
