//! What reservations and savings plans cover, hour by hour.
//!
//! Within an hour all instances that something covers have the same part of it, each by how long it ran.

use std::collections::BTreeMap;

use super::bill::{Bill, Kind};
use super::{Account, Ledger};
use crate::model::billing::{PlanRate, Purchase, Reservation, SavingsPlan, covered_cost};
use crate::model::money::{Money, split};
use crate::units::{SimDuration, SimTime};

/// Nanoseconds in an hour.
const HOUR_NS: u64 = 3_600_000_000_000;

/// The costs of every instance, in order, and in the bill what commitments cost beside them.
pub(super) fn costs(ledger: &Ledger, finish: SimTime, bill: &mut Bill) -> Vec<Vec<(Kind, Money)>> {
    let accounts: Vec<&Account> = ledger.instances.values().collect();
    if ledger.rules.commitments.is_empty() {
        let whole = |account: &&Account| account.cost(account.begin, account.billed_until(finish));
        return accounts.iter().map(|account| vec![(kind(account), whole(account))]).collect();
    }
    let mut sums = Sums::new(&accounts, finish);
    for hour in 0..finish.0.div_ceil(HOUR_NS) {
        let (from, to) = (hour * HOUR_NS, ((hour + 1) * HOUR_NS).min(finish.0));
        sums.hour(ledger, &accounts, SimTime(from), SimTime(to));
    }
    bill.add_shared(Kind::UnusedCommitment, sums.unused);
    // Time that is billed after the end of the run is covered by nothing.
    for (at, account) in accounts.iter().enumerate() {
        let late = account.cost(finish.max(account.begin), sums.billed_until[at].max(finish));
        *sums.costs[at].entry(kind(account)).or_default() += late;
    }
    sums.costs.into_iter().map(|costs| costs.into_iter().collect()).collect()
}

fn kind(account: &Account) -> Kind {
    match account.terms.purchase {
        Purchase::OnDemand => Kind::OnDemand,
        Purchase::Spot => Kind::Spot,
        Purchase::Owned => Kind::Owned,
    }
}

/// What was worked out up to an hour.
struct Sums {
    billed_until: Vec<SimTime>,
    /// Positions of the instances by their beginning, and how many of them have begun; those that are billed no longer are
    /// taken out.
    waiting: Vec<usize>,
    alive: Vec<usize>,
    costs: Vec<BTreeMap<Kind, Money>>,
    unused: Money,
}

/// Instances of one type in one region in an hour, all on demand.
struct Group {
    instance_type: u32,
    region: u32,
    usd_per_hour: Money,
    /// Positions of the instances, and how long each ran that nothing has covered yet, in ns.
    members: Vec<(usize, u64)>,
}

impl Sums {
    fn new(accounts: &[&Account], finish: SimTime) -> Sums {
        let mut waiting: Vec<usize> = (0..accounts.len()).collect();
        waiting.sort_by_key(|&at| std::cmp::Reverse((accounts[at].begin, at)));
        Sums {
            billed_until: accounts.iter().map(|account| account.billed_until(finish)).collect(),
            waiting,
            alive: Vec::new(),
            costs: vec![BTreeMap::new(); accounts.len()],
            unused: Money::ZERO,
        }
    }

    fn hour(&mut self, ledger: &Ledger, accounts: &[&Account], from: SimTime, to: SimTime) {
        while let Some(&next) = self.waiting.last()
            && accounts[next].begin < to
        {
            self.alive.push(next);
            self.waiting.pop();
        }
        let mut groups = self.groups(accounts, from, to);
        for reservation in &ledger.rules.commitments.reservations {
            self.reserve(reservation, &mut groups, to.since(from));
        }
        for plan in &ledger.rules.commitments.plans {
            self.plan(plan, &mut groups, to.since(from));
        }
        for group in &groups {
            for &(at, ns) in &group.members {
                let cost = group.usd_per_hour.for_span(SimDuration(ns));
                *self.costs[at].entry(Kind::OnDemand).or_default() += cost;
            }
        }
        let billed_until = &self.billed_until;
        self.alive.retain(|&at| billed_until[at] > to);
    }

    /// The instances on demand of the hour, by region, type and price; others are paid at once.
    fn groups(&mut self, accounts: &[&Account], from: SimTime, to: SimTime) -> Vec<Group> {
        let mut groups: BTreeMap<(u32, u32, Money), Group> = BTreeMap::new();
        for &at in &self.alive {
            let (account, terms) = (accounts[at], accounts[at].terms);
            let (begin, end) = (account.begin.max(from), self.billed_until[at].min(to));
            if begin >= end {
                continue;
            }
            if terms.purchase != Purchase::OnDemand || account.prices.len() > 1 {
                *self.costs[at].entry(kind(account)).or_default() += account.cost(begin, end);
                continue;
            }
            let (instance_type, region, usd_per_hour) = (terms.instance_type, terms.region, terms.usd_per_hour);
            let new = || Group { instance_type, region, usd_per_hour, members: Vec::new() };
            let group = groups.entry((region, instance_type, usd_per_hour)).or_insert_with(new);
            group.members.push((at, end.since(begin).0));
        }
        groups.into_values().collect()
    }

    fn reserve(&mut self, reservation: &Reservation, groups: &mut [Group], span: SimDuration) {
        let mut left_ns = u64::from(reservation.count) * span.0;
        let mut paid = reservation.usd_per_hour.times(u64::from(reservation.count)).for_span(span);
        let covers =
            |group: &&mut Group| (group.instance_type, group.region) == (reservation.instance_type, reservation.region);
        for group in groups.iter_mut().filter(covers) {
            let covered = left_ns.min(group.uncovered_ns());
            left_ns -= covered;
            paid = paid - self.cover(group, covered, reservation.usd_per_hour, Kind::Reserved);
        }
        self.unused += paid;
    }

    fn plan(&mut self, plan: &SavingsPlan, groups: &mut [Group], span: SimDuration) {
        let mut left = plan.commitment_per_hour.for_span(span);
        let mut covered: Vec<(&mut Group, Money)> = Vec::new();
        for group in groups.iter_mut() {
            let is_covered =
                |rate: &&PlanRate| (rate.instance_type, rate.region) == (group.instance_type, group.region);
            if let Some(rate) = plan.rates.iter().find(is_covered)
                && rate.usd_per_hour < group.usd_per_hour
            {
                covered.push((group, rate.usd_per_hour));
            }
        }
        // The largest saving is where the plan's price is the smallest part of that on demand.
        covered.sort_by(|(one, rate), (other, other_rate)| {
            let parts = (rate.0 * other.usd_per_hour.0).cmp(&(other_rate.0 * one.usd_per_hour.0));
            parts.then(rate.cmp(other_rate))
        });
        for (group, rate) in covered {
            let all_ns = group.uncovered_ns();
            let affordable_ns = match rate.0 {
                0 => all_ns,
                rate => u64::try_from(left.0 * i128::from(HOUR_NS) / rate).unwrap_or(u64::MAX).min(all_ns),
            };
            left = left - self.cover(group, affordable_ns, rate, Kind::SavingsPlan);
        }
        self.unused += left;
    }

    /// Covers so much of a group's time, of every member the same part, and says what it cost.
    fn cover(&mut self, group: &mut Group, ns: u64, usd_per_hour: Money, kind: Kind) -> Money {
        let weights: Vec<u128> = group.members.iter().map(|&(_, ns)| u128::from(ns)).collect();
        if ns == 0 {
            return Money::ZERO;
        }
        let mut cost = Money::ZERO;
        for ((at, left_ns), part) in group.members.iter_mut().zip(split(Money(i128::from(ns)), &weights)) {
            let covered = u64::try_from(part.0).expect("a part of an amount above 0");
            *left_ns -= covered;
            let paid = covered_cost(usd_per_hour, SimDuration(covered));
            *self.costs[*at].entry(kind).or_default() += paid;
            cost += paid;
        }
        cost
    }
}

impl Group {
    fn uncovered_ns(&self) -> u64 {
        self.members.iter().map(|(_, ns)| ns).sum()
    }
}
