//! The market of a scenario: what becomes of the offers that have been built, and how many of them there may be.

mod series;
mod spec;

use std::collections::BTreeMap;

use super::{MarketKindSpec, Supply};
use crate::document::Code;
use crate::ids::OfferId;
use crate::model::catalogue::Provider;
use crate::model::cluster::{INSTANCE_TYPE_LABEL, REGION_LABEL};
use crate::model::market::{Good, Lifetime, MachineMarket, Outages, Quota, Reclaim, SpotOffer, notice};
use crate::model::money::Money;
use crate::model::provisioning::{Market, Provisioning};
use crate::model::{Cluster, NodeShape};
use crate::rng::{Seed, Stream};
use crate::scenario::billing;
use crate::scenario::build::{dist, instant};
use crate::scenario::context::Context;
use crate::scenario::spec::ScenarioSpec;
use crate::scenario::validate::spans;
use crate::units::{SimDuration, SimTime};
use series::Files;
pub(in crate::scenario) use spec::MarketSpec;
use spec::{QuotaSpec, ReclaimSpec, SoldSpec, SpotSpec, StockOutSpec};

/// Where the market stands in a scenario.
const AT: &str = "cloud.market";

/// Checks what can be checked without what is sold.
pub(super) fn validate(spec: &MarketSpec, has_horizon: bool, context: &mut Context<'_>) {
    for (index, rule) in spec.spot.iter().enumerate() {
        let at = format!("{AT}.spot[{index}]");
        series::validate(rule, &at, context);
        if let Some(ReclaimSpec::Lifetime(spec)) = &rule.reclaim {
            spans(Some(spec), &format!("{at}.reclaim.lifetime"), context);
        }
        if let Some(ReclaimSpec::PriceAbove(bid) | ReclaimSpec::PriceAboveOnDemand(bid)) = rule.reclaim
            && bid < 0.0
        {
            let at = format!("{at}.reclaim");
            context.report(&at, Code::OutOfRange, format!("`{at}` is {bid}, below 0"));
        }
        let needs = match rule.reclaim {
            Some(ReclaimSpec::Capacity) if rule.capacity.is_none() => "capacity",
            Some(ReclaimSpec::PriceAbove(_) | ReclaimSpec::PriceAboveOnDemand(_)) if rule.prices.is_none() => "prices",
            _ => continue,
        };
        let message = format!("`{at}.reclaim` needs `{needs}`");
        context.report(&format!("{at}.reclaim"), Code::Contradiction, message);
    }
    for (index, rule) in spec.stock_outs.iter().enumerate() {
        stock_out_is_sound(rule, &format!("{AT}.stockOuts[{index}]"), context);
    }
    for (index, rule) in spec.quotas.iter().enumerate() {
        if rule.vcpus.is_some() == rule.machines.is_some() {
            let at = format!("{AT}.quotas[{index}]");
            context.report(&at, Code::Contradiction, format!("`{at}` needs one of `vcpus` and `machines`"));
        }
    }
    let is_drawn = spec.spot.iter().any(series::is_drawn) || spec.stock_outs.iter().any(|one| one.available.is_some());
    if is_drawn && !has_horizon {
        let message = format!("`{AT}` is drawn up to the end of the run: the scenario needs a `horizon`");
        context.report_with_hint("horizon", Code::MissingKey, message, "say when the run ends, such as `horizon: 1h`");
    }
}

fn stock_out_is_sound(rule: &StockOutSpec, at: &str, context: &mut Context<'_>) {
    spans(rule.available.as_ref(), &format!("{at}.available"), context);
    spans(rule.out.as_ref(), &format!("{at}.out"), context);
    let is_once = rule.at.is_some() && rule.available.is_none() && rule.out.is_none();
    let is_drawn = rule.at.is_none() && rule.span.is_none() && rule.available.is_some() && rule.out.is_some();
    if !is_once && !is_drawn {
        let message = format!("`{at}` does not say when");
        let hint = "give `at` and perhaps `for`, or both `available` and `out`";
        context.report_with_hint(at, Code::Contradiction, message, hint);
    }
}

/// What an offer sells.
#[derive(Debug)]
struct Sold<'m> {
    offer: OfferId,
    instance_type: &'m str,
    family: &'m str,
    quota: &'m str,
    region: &'m str,
    zone: &'m str,
    pool: &'m str,
    market: Market,
    cpu_milli: u64,
    price: Money,
    /// The price on demand, if it is known.
    on_demand: Option<Money>,
    interruptions: Option<(u8, u8)>,
    provider: Provider,
}

impl SoldSpec {
    fn has(&self, sold: &Sold<'_>) -> bool {
        let lists = [
            (&self.instance_types, sold.instance_type),
            (&self.families, sold.family),
            (&self.quotas, sold.quota),
            (&self.regions, sold.region),
            (&self.zones, sold.zone),
            (&self.pools, sold.pool),
        ];
        let market = match self.market {
            None => true,
            Some(MarketKindSpec::OnDemand) => sold.market == Market::OnDemand,
            Some(MarketKindSpec::Spot) => sold.market == Market::Spot,
        };
        market && lists.iter().all(|(list, value)| list.is_empty() || list.iter().any(|one| one == value))
    }
}

/// Builds the market, once offers are there.
pub(in crate::scenario) fn build(
    scenario: &ScenarioSpec,
    supply: &Supply,
    (cluster, provisioning): (&Cluster, &Provisioning),
    seed: Seed,
    context: &mut Context<'_>,
) -> MachineMarket {
    let Some(spec) = scenario.cloud.as_ref().and_then(|cloud| cloud.market.as_ref()) else {
        return MachineMarket::default();
    };
    let sold = everything_sold(scenario, supply, cluster, provisioning);
    selections_are_about_something(spec, &sold, context);
    let horizon = scenario.horizon.map_or(SimTime::ZERO, instant);
    let mut builder = Builder { spec, horizon, seed, files: Files::default() };
    let mut groups: BTreeMap<(&str, &str, Market), Vec<&Sold<'_>>> = BTreeMap::new();
    for one in &sold {
        groups.entry((one.instance_type, one.zone, one.market)).or_default().push(one);
    }
    let goods: Vec<Good> = groups.values().filter_map(|members| builder.good(members, context)).collect();
    let quotas = spec.quotas.iter().map(|rule| quota(rule, &sold)).collect();
    MachineMarket::new(provisioning.offers.len(), goods, quotas)
}

fn everything_sold<'m>(
    scenario: &ScenarioSpec,
    supply: &'m Supply,
    cluster: &'m Cluster,
    provisioning: &'m Provisioning,
) -> Vec<Sold<'m>> {
    let payee = scenario.billing.as_ref().map_or(Provider::Aws, |spec| billing::provider(spec.provider));
    let sold = |(index, offer): (usize, &crate::model::provisioning::Offer)| {
        let shape = cluster.shape(offer.shape);
        let pool = shape.pool.map_or("", |pool| cluster.pools[pool.index()].name.as_str());
        let instance_type = label(shape, INSTANCE_TYPE_LABEL).unwrap_or(pool);
        let kind = supply.catalogue.find(instance_type);
        let region = label(shape, REGION_LABEL).unwrap_or("");
        let listed = kind.and_then(|kind| kind.offer(region));
        let price = Money::from_dollars(shape.usd_per_hour);
        let cpu = shape.allocatable.cpu.0 + shape.reserved.cpu.0;
        Sold {
            offer: OfferId::from_index(index),
            instance_type,
            family: kind.map_or_else(|| family(instance_type), |kind| kind.family.as_str()),
            quota: kind.map_or("", |kind| kind.quota.as_str()),
            region,
            zone: shape.zone.map_or("", |zone| cluster.zones[zone.index()].as_str()),
            pool,
            market: offer.market,
            cpu_milli: kind.map_or_else(|| cpu.div_ceil(1000) * 1000, |kind| kind.cpu.0),
            price,
            on_demand: listed.map(|listed| listed.on_demand).or((offer.market == Market::OnDemand).then_some(price)),
            interruptions: listed.and_then(|listed| listed.interruptions_percent),
            provider: kind.map_or(payee, |kind| kind.provider),
        }
    };
    let mut all: Vec<Sold<'_>> = provisioning.offers.iter().enumerate().map(sold).collect();
    // What is sold on demand beside it says what a spot machine would cost otherwise.
    let listed: BTreeMap<(&str, &str), Money> = all
        .iter()
        .filter(|one| one.market == Market::OnDemand)
        .map(|one| ((one.instance_type, one.zone), one.price))
        .collect();
    for one in &mut all {
        one.on_demand = one.on_demand.or_else(|| listed.get(&(one.instance_type, one.zone)).copied());
    }
    all
}

fn label<'s>(shape: &'s NodeShape, key: &str) -> Option<&'s str> {
    shape.labels.iter().find(|label| label.key == key).map(|label| label.value.as_str())
}

/// The family of a type that the catalogue does not have.
fn family(instance_type: &str) -> &str {
    instance_type.split('.').next().unwrap_or(instance_type)
}

/// Reports rules that are about nothing that is sold.
fn selections_are_about_something(spec: &MarketSpec, sold: &[Sold<'_>], context: &mut Context<'_>) {
    let spot = spec.spot.iter().map(|rule| &rule.of).enumerate().map(|one| ("spot", one));
    let outs = spec.stock_outs.iter().map(|rule| &rule.of).enumerate().map(|one| ("stockOuts", one));
    let quotas = spec.quotas.iter().map(|rule| &rule.of).enumerate().map(|one| ("quotas", one));
    for (key, (index, of)) in spot.chain(outs).chain(quotas) {
        let is_spot = key == "spot";
        if sold.iter().any(|one| of.has(one) && (!is_spot || one.market == Market::Spot)) {
            continue;
        }
        let at = format!("{AT}.{key}[{index}]");
        let (what, hint) = match is_spot {
            true => ("sold as spot", "give pools `market: spot` and `scaling`, or types a spot price"),
            false => ("sold", "compare `of` with what pools that have `scaling` and NodePools can buy"),
        };
        context.report_with_hint(&at, Code::UnknownReference, format!("`{at}` is about nothing that is {what}"), hint);
    }
}

/// What goods are built from.
struct Builder<'s> {
    spec: &'s MarketSpec,
    horizon: SimTime,
    seed: Seed,
    files: Files,
}

impl Builder<'_> {
    /// What is known of one type in one zone, sold in one way; none: nothing.
    fn good(&mut self, members: &[&Sold<'_>], context: &mut Context<'_>) -> Option<Good> {
        let first = members[0];
        let mut terms = SpotOffer::default();
        if first.market == Market::Spot {
            let has = |rule: &SpotSpec| members.iter().any(|one| rule.of.has(one));
            if let Some(index) = self.spec.spot.iter().position(has) {
                terms = self.terms(index, first, context);
            }
        }
        let outages = self.outages(members);
        if terms == SpotOffer::default() && outages.spans().is_empty() {
            return None;
        }
        Some(Good {
            instance_type: first.instance_type.to_owned(),
            zone: first.zone.to_owned(),
            market: first.market,
            terms,
            outages,
            offers: members.iter().map(|one| one.offer).collect(),
        })
    }

    fn terms(&mut self, index: usize, sold: &Sold<'_>, context: &mut Context<'_>) -> SpotOffer {
        let rule = &self.spec.spot[index];
        let at = format!("{AT}.spot[{index}]");
        let prices = rule.prices.as_ref();
        let prices = prices.and_then(|prices| self.prices(prices, sold, &format!("{at}.prices"), context));
        let capacity = rule.capacity.as_ref();
        let capacity = capacity.and_then(|spec| self.capacity(spec, sold, &format!("{at}.capacity"), context));
        SpotOffer {
            reclaim: reclaim(rule, sold, &format!("{at}.reclaim"), context),
            notice: rule.notice.map_or_else(|| notice(sold.provider), |span| span.0),
            prices,
            capacity,
        }
    }

    /// When there is nothing to be had: all rules together.
    fn outages(&self, members: &[&Sold<'_>]) -> Outages {
        let mut outages = Outages::default();
        for (index, rule) in self.spec.stock_outs.iter().enumerate() {
            if !members.iter().any(|one| rule.of.has(one)) {
                continue;
            }
            let more = match (rule.at, &rule.available, &rule.out) {
                (Some(at), ..) => {
                    let from = instant(at);
                    Outages::new(vec![(from, rule.span.map_or(SimTime::NEVER, |span| from.after(span.0)))])
                }
                (None, Some(available), Some(out)) => {
                    let mut stream = self.stream(&format!("stock-out/{index}"), members[0]);
                    Outages::draw(&dist(available), &dist(out), self.horizon, &mut stream)
                }
                _ => Outages::default(),
            };
            outages = outages.and(more);
        }
        outages
    }

    /// Randomness of one type in one zone: the same whatever else is sold.
    fn stream(&self, what: &str, sold: &Sold<'_>) -> Stream {
        let way = sold.market.name();
        self.seed.stream(&format!("market/{what}/{}/{}/{way}", sold.instance_type, sold.zone), 0)
    }
}

/// What takes machines back.
fn reclaim(rule: &SpotSpec, sold: &Sold<'_>, at: &str, context: &mut Context<'_>) -> Reclaim {
    match &rule.reclaim {
        None if rule.capacity.is_some() => Reclaim::Capacity,
        None | Some(ReclaimSpec::Never) => Reclaim::Never,
        Some(ReclaimSpec::Capacity) => Reclaim::Capacity,
        Some(ReclaimSpec::Bathtub) => Reclaim::Lifetime(Lifetime::Bathtub(crate::model::market::Bathtub::default())),
        Some(ReclaimSpec::Lifetime(spec)) => Reclaim::Lifetime(Lifetime::Drawn(dist(spec))),
        Some(ReclaimSpec::PriceAbove(bid)) => Reclaim::PriceAbove(Money::from_dollars(*bid)),
        Some(ReclaimSpec::PriceAboveOnDemand(times)) => match sold.on_demand {
            Some(price) => Reclaim::PriceAbove(Money::from_dollars(price.as_dollars() * times)),
            None => {
                unknown(sold, "price on demand", "say the bid in dollars with `priceAbove`", at, context);
                Reclaim::Never
            }
        },
        Some(ReclaimSpec::Interruptions) => match sold.interruptions {
            // A range of nothing has no lifetime: it is never taken back.
            Some(percent) => Lifetime::of_interruptions(percent).map_or(Reclaim::Never, Reclaim::Lifetime),
            None => {
                let fix = "give a `lifetime`, or a column `interruptions_percent:REGION`";
                unknown(sold, "part of machines that are reclaimed", fix, at, context);
                Reclaim::Never
            }
        },
    }
}

/// Reports what the catalogue does not say of a type, once.
fn unknown(sold: &Sold<'_>, what: &str, fix: &str, at: &str, context: &mut Context<'_>) {
    let place = if sold.region.is_empty() { String::new() } else { format!(" in `{}`", sold.region) };
    let message = format!("`{at}`: the catalogue has no {what} of `{}`{place}", sold.instance_type);
    if context.issues.iter().all(|issue| issue.message != message) {
        context.report_with_hint(at, Code::MissingKey, message, fix);
    }
}

fn quota(rule: &QuotaSpec, sold: &[Sold<'_>]) -> Quota {
    let amount = |one: &Sold<'_>| if rule.vcpus.is_some() { one.cpu_milli } else { 1000 };
    Quota {
        limit_milli: match (rule.vcpus, rule.machines) {
            (Some(vcpus), _) => (vcpus * 1000.0).round() as u64,
            (None, machines) => u64::from(machines.unwrap_or(0)) * 1000,
        },
        members: sold.iter().filter(|one| rule.of.has(one)).map(|one| (one.offer, amount(one))).collect(),
    }
}

/// Most changes of a series.
const CHANGES_MAX: f64 = 1_000_000.0;
/// How often drawn prices change where nothing is said.
const STEP: SimDuration = SimDuration(900_000_000_000);
