//! A bill: lines that sum to a total.

use std::collections::BTreeMap;

use super::Owner;
use crate::model::billing::Egress;
use crate::model::money::Money;

/// What is paid for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// Instances at the price on demand.
    OnDemand,
    /// Instances at the price of the spot market.
    Spot,
    /// Machines of one's own.
    Owned,
    /// Instances that a reservation covered, at its price.
    Reserved,
    /// Instances that a savings plan covered, at its price.
    SavingsPlan,
    /// What reservations and savings plans cost in time that nothing used.
    UnusedCommitment,
    /// What is paid for each node.
    NodeFee,
    /// The control plane.
    ControlPlane,
    /// Bytes that left machines.
    Egress(Egress),
}

impl Kind {
    /// The name in tables.
    pub fn name(self) -> &'static str {
        match self {
            Kind::OnDemand => "on-demand",
            Kind::Spot => "spot",
            Kind::Owned => "owned",
            Kind::Reserved => "reserved",
            Kind::SavingsPlan => "savings-plan",
            Kind::UnusedCommitment => "unused-commitment",
            Kind::NodeFee => "node-fee",
            Kind::ControlPlane => "control-plane",
            Kind::Egress(Egress::Zone) => "egress-zone",
            Kind::Egress(Egress::Region) => "egress-region",
            Kind::Egress(Egress::Internet) => "egress-internet",
        }
    }
}

/// For whom something is paid.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum For {
    /// For a workload.
    Owner(Owner),
    /// For nobody: it was idle.
    Nobody,
    /// For all.
    All,
}

/// What an amount of a bill belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Line {
    /// What is paid for.
    pub kind: Kind,
    /// Node pool and instance type; none: it belongs to no instance.
    pub place: Option<(u32, u32)>,
    /// The region; none: it belongs to none.
    pub region: Option<u32>,
    /// For whom.
    pub owner: For,
}

/// What is to be paid.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Bill {
    lines: BTreeMap<Line, Money>,
}

impl Bill {
    /// The lines, in order; none of them is nothing.
    pub fn lines(&self) -> impl Iterator<Item = (&Line, Money)> {
        self.lines.iter().map(|(line, amount)| (line, *amount))
    }

    /// What is to be paid in all.
    pub fn total(&self) -> Money {
        self.lines.values().copied().sum()
    }

    /// What is to be paid, grouped in some way; the groups sum to the total.
    pub fn by<K: Ord>(&self, key: impl Fn(&Line) -> K) -> BTreeMap<K, Money> {
        let mut groups: BTreeMap<K, Money> = BTreeMap::new();
        for (line, amount) in self.lines() {
            *groups.entry(key(line)).or_default() += amount;
        }
        groups
    }

    /// Adds to a line.
    pub(super) fn add(&mut self, line: Line, amount: Money) {
        if amount != Money::ZERO {
            *self.lines.entry(line).or_default() += amount;
        }
    }

    /// Adds what belongs to all.
    pub(super) fn add_shared(&mut self, kind: Kind, amount: Money) {
        self.add(Line { kind, place: None, region: None, owner: For::All }, amount);
    }
}
