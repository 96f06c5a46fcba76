//! What a run cost, and for whom.
//!
//! Every amount is a whole number of billionths of a dollar, and every amount that is shared is handed out by
//! [`crate::model::money::split`]: the parts of a [`Bill`] sum to its total exactly, whichever way they are grouped, and
//! [`crate::model::money::whole_cents`] keeps that when a bill is printed in cents.
//!
//! An instance's cost is shared as OpenCost does: between CPU, memory and GPUs by what each would cost alone
//! ([`resource_weights`]), and of each resource every workload pays for the larger of what it requested and what it used, times
//! how long; what nobody asked for is idle, and so is what the system keeps. Where workloads use more than there is, they
//! share the whole. Fees of nodes are shared in the same way. Control planes, commitments that were not used and bytes whose
//! sender is not known belong to all.
//!
//! Cost: O(1) an event, and O(instances x owners on them) at the end; with commitments O(hours x instances alive) more.

mod bill;
mod coverage;
mod table;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

pub use bill::{Bill, For, Kind, Line};
pub use table::Names;

use crate::model::billing::{Amounts, Commitments, Egress, EgressTariff, Purchase, Terms, resource_weights};
use crate::model::money::{Money, split};
use crate::units::{SimDuration, SimTime};

/// A twelfth of a year of 8 760 hours: the month that tiers of egress begin anew with.
pub(super) const MONTH: SimDuration = SimDuration(730 * 3_600_000_000_000);

/// Who asked for what is paid, by the caller's numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Owner {
    /// Its namespace.
    pub namespace: u32,
    /// Its workload.
    pub workload: u32,
}

/// Why an instance ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EndReason {
    /// It was given back, or broke.
    Returned,
    /// The provider took it back.
    Reclaimed,
}

/// What is paid beside instances.
#[derive(Clone, Debug, Default)]
pub struct Rules {
    /// Price of the control plane by the hour.
    pub control_plane_per_hour: Money,
    /// What was bought ahead.
    pub commitments: Commitments,
    /// What bytes cost.
    pub egress: EgressTariff,
}

/// Gathers what is to be paid.
#[derive(Clone, Debug, Default)]
pub struct Ledger {
    rules: Rules,
    instances: BTreeMap<u32, Account>,
    /// Bytes by month, where they went, and who sent them from which region.
    egress: BTreeMap<(u64, Egress), BTreeMap<(u32, For), u64>>,
}

/// What is known of an instance.
#[derive(Clone, Debug)]
struct Account {
    terms: Terms,
    begin: SimTime,
    end: Option<(SimTime, EndReason)>,
    /// Prices by the hour, from each instant on.
    prices: Vec<(SimTime, Money)>,
    /// What each owner had, times nanoseconds.
    shares: BTreeMap<Owner, [u128; 3]>,
}

impl Ledger {
    /// An empty ledger.
    pub fn new(rules: Rules) -> Ledger {
        Ledger { rules, ..Ledger::default() }
    }

    /// An instance is billed from now on.
    ///
    /// # Panics
    /// When the ledger has an instance of that number.
    pub fn begin(&mut self, instance: u32, terms: Terms, at: SimTime) {
        let account =
            Account { terms, begin: at, end: None, prices: vec![(at, terms.usd_per_hour)], shares: BTreeMap::new() };
        let before = self.instances.insert(instance, account);
        assert!(before.is_none(), "instance {instance} has begun already");
    }

    /// The price of an instance changes: that of spot instances follows the market.
    ///
    /// # Panics
    /// When there is no such instance, it has ended, or time moved back.
    pub fn reprice(&mut self, instance: u32, usd_per_hour: Money, at: SimTime) {
        let account = self.running(instance);
        let (last, _) = *account.prices.last().expect("there is a price from the beginning on");
        assert!(at >= last, "the price of instance {instance} changes back in time");
        account.prices.push((at, usd_per_hour));
    }

    /// An instance ends, and is billed no longer.
    ///
    /// # Panics
    /// When there is no such instance, it has ended before, or it ends before it began.
    pub fn end(&mut self, instance: u32, at: SimTime, reason: EndReason) {
        let account = self.running(instance);
        assert!(at >= account.begin, "instance {instance} ends before it began");
        account.end = Some((at, reason));
    }

    /// An owner had so much of an instance, from one instant to another: the larger of request and usage.
    ///
    /// # Panics
    /// When there is no such instance, or the span is not within its life: a pod would run where nothing is.
    pub fn allocate(&mut self, instance: u32, owner: Owner, had: Amounts, from: SimTime, to: SimTime) {
        let account = self.instances.get_mut(&instance).expect("an instance that has begun");
        let end = account.end.map_or(SimTime::NEVER, |(end, _)| end);
        assert!(
            account.begin <= from && to <= end,
            "instance {instance} has pods before its beginning or after its end"
        );
        let span = u128::from(to.since(from).0);
        let shares = account.shares.entry(owner).or_default();
        for (share, amount) in shares.iter_mut().zip(had.as_array()) {
            *share += u128::from(amount) * span;
        }
    }

    /// An owner had more of an instance than [`Ledger::allocate`] was told: milli-cores, bytes and GPUs in thousandths, each times
    /// nanoseconds.
    ///
    /// # Panics
    /// When there is no such instance.
    pub fn allocate_beyond(&mut self, instance: u32, owner: Owner, had_ns: [u128; 3]) {
        let account = self.instances.get_mut(&instance).expect("an instance that has begun");
        if had_ns != [0; 3] {
            let shares = account.shares.entry(owner).or_default();
            shares.iter_mut().zip(had_ns).for_each(|(share, had)| *share += had);
        }
    }

    /// Bytes left a machine of a region.
    pub fn egress(&mut self, region: u32, sender: Option<Owner>, to: Egress, bytes: u64, at: SimTime) {
        let sender = sender.map_or(For::All, For::Owner);
        *self.egress.entry((at.0 / MONTH.0, to)).or_default().entry((region, sender)).or_default() += bytes;
    }

    /// What is to be paid up to an instant, which is the last of the run: instances that still run are paid up to it.
    ///
    /// # Panics
    /// When something happened later.
    pub fn finish(self, at: SimTime) -> Bill {
        let mut bill = Bill::default();
        let costs = coverage::costs(&self, at, &mut bill);
        for (account, costs) in self.instances.values().zip(costs) {
            account.share(&costs, at, &mut bill);
        }
        bill.add_shared(Kind::ControlPlane, self.rules.control_plane_per_hour.for_span(at.since(SimTime::ZERO)));
        for ((_, to), senders) in &self.egress {
            let bytes: Vec<u128> = senders.values().map(|&bytes| u128::from(bytes)).collect();
            let total = self.rules.egress.cost(*to, senders.values().sum());
            for ((&(region, owner), _), amount) in senders.iter().zip(split(total, &bytes)) {
                bill.add(Line { kind: Kind::Egress(*to), place: None, region: Some(region), owner }, amount);
            }
        }
        bill
    }

    fn running(&mut self, instance: u32) -> &mut Account {
        let account = self.instances.get_mut(&instance).expect("an instance that has begun");
        assert!(account.end.is_none(), "instance {instance} has ended already");
        account
    }
}

impl Account {
    /// How long it was there, up to the end of the run.
    fn used(&self, finish: SimTime) -> SimDuration {
        let end = self.end.map_or(finish, |(end, _)| end);
        assert!(end <= finish, "an instance ended after the end of the run");
        end.since(self.begin)
    }

    /// When it stops being billed: later than its end where time is rounded up, and at once where it costs nothing.
    fn billed_until(&self, finish: SimTime) -> SimTime {
        let (used, billing) = (self.used(finish), self.terms.billing);
        let is_reclaimed = matches!(self.end, Some((_, EndReason::Reclaimed)));
        let is_free = is_reclaimed && self.terms.purchase == Purchase::Spot && used < billing.free_if_reclaimed_before;
        self.begin.after(if is_free { SimDuration::ZERO } else { billing.billed(used) })
    }

    /// What a span of its life costs at its own prices, each stretch of one price rounded to the nearest billionth.
    fn cost(&self, from: SimTime, to: SimTime) -> Money {
        let ends = self.prices.iter().skip(1).map(|(at, _)| *at).chain([SimTime::NEVER]);
        let stretches = self.prices.iter().zip(ends).map(|(&(begin, price), end)| {
            let (begin, end) = (begin.max(from), end.min(to));
            if begin < end { price.for_span(end.since(begin)) } else { Money::ZERO }
        });
        stretches.sum()
    }

    /// Shares its costs between its owners and nobody.
    fn share(&self, costs: &[(Kind, Money)], finish: SimTime, bill: &mut Bill) {
        let used = self.used(finish);
        let fee = self.terms.node_fee_per_hour.for_span(used);
        let place = Some((self.terms.pool, self.terms.instance_type));
        for &(kind, amount) in costs.iter().chain([&(Kind::NodeFee, fee)]) {
            for (owner, part) in self.parts(amount, used) {
                bill.add(Line { kind, place, region: Some(self.terms.region), owner }, part);
            }
        }
    }

    /// The parts of an amount that owners pay, and what nobody asked for.
    fn parts(&self, amount: Money, used: SimDuration) -> BTreeMap<For, Money> {
        let mut parts: BTreeMap<For, Money> = BTreeMap::new();
        let by_resource = split(amount, &resource_weights(self.terms.capacity));
        for (resource, capacity) in self.terms.capacity.as_array().into_iter().enumerate() {
            let there = u128::from(capacity) * u128::from(used.0);
            let had: Vec<u128> = self.shares.values().map(|share| share[resource]).collect();
            let idle = there.saturating_sub(had.iter().sum());
            let weights: Vec<u128> = had.into_iter().chain([idle]).collect();
            let owners = self.shares.keys().map(|owner| For::Owner(*owner)).chain([For::Nobody]);
            for (owner, part) in owners.zip(split(by_resource[resource], &weights)) {
                *parts.entry(owner).or_default() += part;
            }
        }
        parts
    }
}
