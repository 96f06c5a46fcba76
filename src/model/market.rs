//! A market of machines: what spot instances cost, when they are reclaimed, when there are none, and how many one may have.
//!
//! Whatever happens in it is known before the run, as with faults: series are replayed or drawn from a stream of the market's
//! own, so every policy meets the same one. No policy may look ahead in it; the engine asks at each instant, and
//! `next_change` says when to ask again.

mod goods;
mod lifetime;
mod series;
#[cfg(test)]
mod tests;

pub use goods::{Good, MachineMarket, Quota};
pub use lifetime::{Bathtub, Lifetime};
pub use series::{Capacity, CapacityProcess, Outages, PriceProcess, PriceSeries};

use super::catalogue::Provider;
use super::money::Money;
use crate::units::{SimDuration, SimTime};

/// What decides when a spot instance is reclaimed.
#[derive(Clone, Debug, Default, PartialEq)]
pub enum Reclaim {
    /// Nothing: it stays.
    #[default]
    Never,
    /// Its price goes above what is bid, as AWS did it up to 2017.
    PriceAbove(Money),
    /// There are fewer than run: the series of the type and zone says how many there may be, and those that were bought last
    /// go first.
    Capacity,
    /// Its own lifetime, drawn when it is bought.
    Lifetime(Lifetime),
}

/// What is for sale of one instance type in one zone, as spot.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct SpotOffer {
    /// Its price by the hour; none: that of the catalogue.
    pub prices: Option<PriceSeries>,
    /// How many there may be; none: as many as are wanted.
    pub capacity: Option<Capacity>,
    /// What takes instances back.
    pub reclaim: Reclaim,
    /// How long before its end an instance is told.
    pub notice: SimDuration,
}

impl SpotOffer {
    /// When an instance that is bought now has to go, as far as price and its own lifetime decide; none: not by these. It is
    /// told [`SpotOffer::notice`] before that, or at once where there is not so much time.
    ///
    /// Where the price is above the bid already there is nothing to be had; see [`SpotOffer::is_sold`].
    pub fn reclaimed_at(&self, bought: SimTime, lifetime: Option<SimDuration>) -> Option<SimTime> {
        match &self.reclaim {
            Reclaim::Never | Reclaim::Capacity => None,
            // The provider tells when the price has risen, and takes the instance after the notice.
            Reclaim::PriceAbove(bid) => self.prices.as_ref()?.first_above(*bid, bought).map(|at| at.after(self.notice)),
            Reclaim::Lifetime(_) => lifetime.map(|lifetime| bought.after(lifetime)),
        }
    }

    /// How many of `running` instances have to go now for want of capacity.
    pub fn surplus(&self, running: u32, now: SimTime) -> u32 {
        match (&self.reclaim, &self.capacity) {
            (Reclaim::Capacity, Some(capacity)) => running.saturating_sub(capacity.at(now)),
            _ => 0,
        }
    }

    /// Whether one more than `running` instances can be bought now.
    pub fn is_sold(&self, running: u32, now: SimTime) -> bool {
        let has_room = self.capacity.as_ref().is_none_or(|capacity| running < capacity.at(now));
        let is_affordable = match (&self.reclaim, &self.prices) {
            (Reclaim::PriceAbove(bid), Some(prices)) => prices.at(now) <= *bid,
            _ => true,
        };
        has_room && is_affordable
    }
}

/// How long before the end of a spot instance its provider tells: AWS two minutes, Google and Azure half a minute at least.
///
/// Source: the providers' pages on spot instances, 2026.
pub fn notice(provider: Provider) -> SimDuration {
    let seconds = match provider {
        Provider::Aws => 120,
        Provider::Azure | Provider::Gcp => 30,
        Provider::Private => 0,
    };
    SimDuration(seconds * 1_000_000_000)
}
