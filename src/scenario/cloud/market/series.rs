//! Series of a market: prices and numbers of machines, drawn or out of files.

use std::collections::BTreeMap;

use super::spec::{CapacitySpec, DrawnPricesSpec, PricesSpec, RecordedPricesSpec, SpotSpec};
use super::{Builder, CHANGES_MAX, STEP, Sold};
use crate::document::Code;
use crate::importers::spot::Prices;
use crate::model::market::{Capacity, CapacityProcess, PriceProcess, PriceSeries};
use crate::model::money::Money;
use crate::scenario::context::Context;
use crate::scenario::import;
use crate::units::{SimDuration, SimTime};

/// So many series of a file are listed where one is missing.
const SERIES_LISTED_MAX: usize = 12;

/// Files that have been read; none: they could not be.
#[derive(Debug, Default)]
pub(super) struct Files {
    prices: BTreeMap<(String, Option<String>), Option<Prices>>,
    capacities: BTreeMap<String, Option<Capacity>>,
}

/// Whether anything of a rule is drawn up to the end of the run.
pub(super) fn is_drawn(rule: &SpotSpec) -> bool {
    matches!(rule.prices, Some(PricesSpec::Drawn(_))) || matches!(rule.capacity, Some(CapacitySpec::Drawn(_)))
}

/// Checks what can be checked without files.
pub(super) fn validate(rule: &SpotSpec, at: &str, context: &mut Context<'_>) {
    let mut positive = |key: String, span: Option<SimDuration>| {
        if span == Some(SimDuration::ZERO) {
            context.report(&key, Code::OutOfRange, format!("`{key}` must be more than 0"));
        }
    };
    if let Some(PricesSpec::Drawn(spec)) = &rule.prices {
        positive(format!("{at}.prices.drawn.halfLife"), Some(spec.half_life.0));
        positive(format!("{at}.prices.drawn.step"), spec.step.map(|step| step.0));
    }
    if let Some(CapacitySpec::Drawn(spec)) = &rule.capacity {
        positive(format!("{at}.capacity.drawn.stay"), Some(spec.stay.0));
    }
    if let Some(PricesSpec::Drawn(DrawnPricesSpec { at_least: Some(least), at_most: Some(most), .. })) = rule.prices
        && least > most
    {
        let at = format!("{at}.prices.drawn.atMost");
        context.report(&at, Code::Contradiction, format!("`{at}` is {most}, below `atLeast`, {least}"));
    }
}

impl Builder<'_> {
    pub(super) fn prices(
        &mut self,
        spec: &PricesSpec,
        sold: &Sold<'_>,
        at: &str,
        context: &mut Context<'_>,
    ) -> Option<PriceSeries> {
        match spec {
            PricesSpec::Recorded(spec) => self.recorded_prices(spec, sold, &format!("{at}.recorded"), context),
            PricesSpec::Drawn(spec) => {
                let step = spec.step.map_or(STEP, |step| step.0);
                let changes = self.horizon.0 as f64 / step.0.max(1) as f64;
                self.is_of_size(changes, &format!("{at}.drawn.step"), context)?;
                let mean = spec.mean.map_or(sold.price, Money::from_dollars);
                let highest = sold.on_demand.unwrap_or_else(|| mean.times(10));
                let highest = spec.at_most.map_or(highest.max(mean), Money::from_dollars);
                let lowest = spec.at_least.map_or_else(|| mean.portion(1, 10), Money::from_dollars);
                let process = PriceProcess {
                    mean,
                    deviation: spec.deviation,
                    half_life: spec.half_life.0,
                    step,
                    bounds: (lowest.min(highest), highest),
                };
                Some(process.draw(self.horizon, &mut self.stream("price", sold)))
            }
        }
    }

    fn recorded_prices(
        &mut self,
        spec: &RecordedPricesSpec,
        sold: &Sold<'_>,
        at: &str,
        context: &mut Context<'_>,
    ) -> Option<PriceSeries> {
        let key = (spec.file.clone(), spec.from.clone());
        let read = || import::spot_prices(&spec.file, spec.from.as_deref(), &format!("{at}.file"), context);
        let known = self.files.prices.entry(key).or_insert_with(read).as_ref()?;
        let series = known.get(&(sold.instance_type.to_owned(), sold.zone.to_owned()));
        if series.is_none() {
            let at = format!("{at}.file");
            let what = format!("`{}` in `{}`", sold.instance_type, sold.zone);
            let message = format!("`{at}`: the file has no prices of {what}");
            let named = known.keys().take(SERIES_LISTED_MAX).map(|(kind, zone)| format!("{kind} in {zone}"));
            let more = if known.len() > SERIES_LISTED_MAX { ", and others" } else { "" };
            let hint = format!("it has {}{more}", named.collect::<Vec<_>>().join(", "));
            context.report_with_hint(&at, Code::UnknownReference, message, hint);
        }
        series.cloned()
    }

    pub(super) fn capacity(
        &mut self,
        spec: &CapacitySpec,
        sold: &Sold<'_>,
        at: &str,
        context: &mut Context<'_>,
    ) -> Option<Capacity> {
        match spec {
            CapacitySpec::Fixed(count) => Capacity::new(vec![(SimTime::ZERO, *count)]),
            CapacitySpec::Recorded(spec) => {
                let read = || import::spot_capacity(&spec.file, &format!("{at}.recorded.file"), context);
                let known = self.files.capacities.entry(spec.file.clone()).or_insert_with(read).as_ref();
                known.map(|capacity| capacity.times(spec.times))
            }
            CapacitySpec::Drawn(spec) => {
                let process = CapacityProcess { total: spec.total, others: spec.others, stay: spec.stay.0 };
                self.is_of_size(process.changes(self.horizon), &format!("{at}.drawn"), context)?;
                Some(process.draw(self.horizon, &mut self.stream("capacity", sold)))
            }
        }
    }

    /// None, and reported once, when a series would have more changes than can be meant.
    fn is_of_size(&self, changes: f64, at: &str, context: &mut Context<'_>) -> Option<()> {
        if changes <= CHANGES_MAX {
            return Some(());
        }
        let message = format!("`{at}` makes more than {CHANGES_MAX} changes until the horizon");
        if context.issues.iter().all(|issue| issue.message != message) {
            context.report(at, Code::AbsurdSize, message);
        }
        None
    }
}
