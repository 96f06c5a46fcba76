//! What spot machines cost over time.

use crate::model::market::Good;
use crate::model::money::Money;
use crate::results::{Column, Table};
use crate::units::SimTime;
use crate::world::View;

/// `prices.csv`: the spot price of each type in each zone at the start, and whenever it changes; none where no price does.
pub fn prices(view: &View<'_>) -> Option<Table> {
    let market = &view.model.provisioning.market;
    if !market.has_prices() {
        return None;
    }
    let now = view.world.time;
    let rows: Vec<(&Good, SimTime, Money)> = market
        .goods()
        .iter()
        .filter_map(|good| Some((good, good.terms.prices.as_ref()?)))
        .flat_map(|(good, prices)| prices.changes().iter().map(move |(at, price)| (good, *at, *price)))
        .filter(|(_, at, _)| *at <= now)
        .collect();
    let table = Table::new()
        .with("time_s", Column::Seconds(rows.iter().map(|(_, at, _)| *at).collect()))
        .with("instance_type", Column::Text(rows.iter().map(|(good, ..)| good.instance_type.as_str()).collect()))
        .with("zone", Column::Text(rows.iter().map(|(good, ..)| good.zone.as_str()).collect()))
        .with("usd_per_hour", Column::Number(rows.iter().map(|(.., price)| price.as_dollars()).collect()));
    Some(table)
}
