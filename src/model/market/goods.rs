//! The market of a run: what its offers are goods of, and how many of them an account may have.

use super::{Outages, SpotOffer};
use crate::ids::OfferId;
use crate::model::money::Money;
use crate::model::provisioning::Market;
use crate::units::{SimDuration, SimTime};

/// One instance type in one zone, sold in one way.
#[derive(Clone, Debug, PartialEq)]
pub struct Good {
    /// The instance type.
    pub instance_type: String,
    /// The zone; empty: nobody knows.
    pub zone: String,
    /// How it is sold.
    pub market: Market,
    /// Its price, how many there are, and what takes machines back; the latter only of what is sold as spot.
    pub terms: SpotOffer,
    /// When there is nothing to be had.
    pub outages: Outages,
    /// The offers that sell it: one for each group that can buy it.
    pub offers: Vec<OfferId>,
}

/// How much an account may have at a time of some offers, together.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Quota {
    /// The limit, in thousandths of vCPUs or of machines.
    pub limit_milli: u64,
    /// What counts against it, and how much one machine does.
    pub members: Vec<(OfferId, u64)>,
}

/// Everything that is known of the market of a run. What has no good is always to be had, at the price of its shape.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct MachineMarket {
    goods: Vec<Good>,
    quotas: Vec<Quota>,
    /// By offer; positions in `goods` and `quotas`.
    of_offer: Vec<(Option<usize>, Vec<usize>)>,
}

impl MachineMarket {
    /// A market of so many offers.
    pub fn new(offers: usize, goods: Vec<Good>, quotas: Vec<Quota>) -> MachineMarket {
        let mut of_offer = vec![(None, Vec::new()); offers];
        for (at, good) in goods.iter().enumerate() {
            good.offers.iter().for_each(|offer| of_offer[offer.index()].0 = Some(at));
        }
        for (at, quota) in quotas.iter().enumerate() {
            quota.members.iter().for_each(|(offer, _)| of_offer[offer.index()].1.push(at));
        }
        MachineMarket { goods, quotas, of_offer }
    }

    /// Everything that is sold, by position.
    pub fn goods(&self) -> &[Good] {
        &self.goods
    }

    /// What an offer sells; none: nothing is known of it.
    pub fn good(&self, offer: OfferId) -> Option<&Good> {
        let at = self.of_offer.get(offer.index())?.0?;
        Some(&self.goods[at])
    }

    /// Whether the price of anything changes.
    pub fn has_prices(&self) -> bool {
        self.goods.iter().any(|good| good.terms.prices.is_some())
    }

    /// The price by the hour of an offer at an instant; none: that of its shape. O(log n) in the changes of its series.
    pub fn price(&self, offer: OfferId, at: SimTime) -> Option<Money> {
        Some(self.good(offer)?.terms.prices.as_ref()?.at(at))
    }

    /// What a machine of an offer costs in a span at the prices of each instant; none: at the price of its shape.
    pub fn cost(&self, offer: OfferId, from: SimTime, to: SimTime) -> Option<Money> {
        let prices = self.good(offer)?.terms.prices.as_ref()?;
        let (mut cost, mut now) = (Money::ZERO, from);
        while now < to {
            let next = prices.next_change(now).map_or(to, |(at, _)| at.min(to));
            cost += prices.at(now).for_span(next.since(now));
            now = next;
        }
        Some(cost)
    }

    /// The lowest price of an offer at any time; none: it has the price of its shape.
    pub fn least_price(&self, offer: OfferId) -> Option<Money> {
        Some(self.good(offer)?.terms.prices.as_ref()?.least())
    }

    /// The prices that a machine is billed, with the instants from which they hold: a price holds until it changes, or where
    /// it is `held` for so long, until such a span from the machine's beginning is over.
    pub fn billed_prices(
        &self,
        offer: OfferId,
        (from, to): (SimTime, SimTime),
        held: Option<SimDuration>,
    ) -> Vec<(SimTime, Money)> {
        let Some(prices) = self.good(offer).and_then(|good| good.terms.prices.as_ref()) else { return Vec::new() };
        let mut billed = vec![(from, prices.at(from))];
        let mut now = from;
        while let Some((change, _)) = prices.next_change(now) {
            now = match held {
                None => change,
                Some(held) => from.after(SimDuration(change.since(from).0.div_ceil(held.0) * held.0)),
            };
            if now >= to {
                break;
            }
            billed.push((now, prices.at(now)));
        }
        billed.dedup_by(|next, kept| next.1 == kept.1);
        billed
    }

    /// Whether the account may have one more of an offer, when it has so many machines of each.
    pub fn allows(&self, offer: OfferId, has: impl Fn(OfferId) -> u32) -> bool {
        let Some((_, quotas)) = self.of_offer.get(offer.index()) else { return true };
        quotas.iter().map(|at| &self.quotas[*at]).all(|quota| {
            let used: u64 = quota.members.iter().map(|(member, amount)| amount * u64::from(has(*member))).sum();
            let more = quota.members.iter().filter(|(member, _)| *member == offer).map(|(_, amount)| amount);
            used + more.sum::<u64>() <= quota.limit_milli
        })
    }
}
