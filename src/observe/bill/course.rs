//! What machines cost over time, and for whom: for pictures, beside the bill.
//!
//! In each of [`SPANS`] equal spans every machine costs its price at its beginning for as long as it was there, and is shared by
//! what pods requested of it as the ledger shares it. What is billed beside that (minimum bills, fees, what was bought ahead) has
//! no place in time, and is in the bill alone.
//!
//! Cost: 48 bytes a pod that got a node.

use std::collections::BTreeMap;

use crate::model::billing::{Amounts, Terms, resource_weights};
use crate::observe::ledger::{For, Owner};
use crate::results::{Column, Table, TextColumn};
use crate::units::SimTime;

/// Equal spans of a run.
const SPANS: u64 = 96;

/// What machines were there, and what was held of them.
#[derive(Clone, Debug, Default)]
pub(super) struct Course {
    machines: BTreeMap<u32, Life>,
    held: Vec<Share>,
}

/// A machine.
#[derive(Clone, Copy, Debug)]
struct Life {
    usd_per_hour: f64,
    /// What its capacity is worth, in the ledger's weights.
    weight: f64,
    from: SimTime,
    to: SimTime,
}

/// A part of a machine that was held.
#[derive(Clone, Copy, Debug)]
struct Share {
    owner: Owner,
    usd_per_hour: f64,
    from: SimTime,
    to: SimTime,
}

fn weight(amounts: Amounts) -> f64 {
    resource_weights(amounts).into_iter().map(|weight| weight as f64).sum()
}

impl Course {
    /// A machine is paid for from now on.
    pub(super) fn begin(&mut self, instance: u32, terms: &Terms, at: SimTime) {
        let (usd_per_hour, weight) = (terms.usd_per_hour.as_dollars(), weight(terms.capacity));
        self.machines.insert(instance, Life { usd_per_hour, weight, from: at, to: SimTime::NEVER });
    }

    /// A machine is paid for no longer.
    pub(super) fn end(&mut self, instance: u32, at: SimTime) {
        if let Some(life) = self.machines.get_mut(&instance) {
            life.to = at;
        }
    }

    /// An owner held so much of a machine.
    pub(super) fn hold(&mut self, instance: u32, owner: Owner, had: Amounts, from: SimTime, to: SimTime) {
        if let Some(life) = self.machines.get(&instance).filter(|life| life.weight > 0.0 && from < to) {
            let usd_per_hour = life.usd_per_hour * (weight(had) / life.weight);
            self.held.push(Share { owner, usd_per_hour, from, to });
        }
    }

    /// `costs.csv`: for each span what was paid for whom. Names are by the numbers of owners.
    pub(super) fn table(&self, end: SimTime, names: &[String]) -> Table {
        let span = end.0.div_ceil(SPANS).max(1);
        let mut paid: BTreeMap<(u64, For), f64> = BTreeMap::new();
        for life in self.machines.values() {
            for (index, ns) in parts(life.from, life.to.min(end), span) {
                *paid.entry((index, For::Nobody)).or_default() += life.usd_per_hour * ns as f64 / 3.6e12;
            }
        }
        for share in &self.held {
            for (index, ns) in parts(share.from, share.to.min(end), span) {
                let usd = share.usd_per_hour * ns as f64 / 3.6e12;
                *paid.entry((index, For::Owner(share.owner))).or_default() += usd;
                *paid.entry((index, For::Nobody)).or_default() -= usd;
            }
        }
        // Where pods hold more than there is, nothing is idle.
        let rows: Vec<(u64, For, f64)> = paid.into_iter().map(|((at, who), usd)| (at, who, usd.max(0.0))).collect();
        let name = |of: fn(&Owner) -> u32| Column::Dictionary {
            codes: rows.iter().map(|(_, who, _)| who.owner().map_or(u32::MAX, |owner| of(&owner))).collect(),
            values: names.to_vec(),
        };
        Table::new()
            .with("time_s", Column::Seconds(rows.iter().map(|row| SimTime(row.0 * span)).collect()))
            .with("for", Column::Text(rows.iter().map(|row| row.1.name()).collect::<TextColumn>()))
            .with("namespace", name(|owner| owner.namespace))
            .with("workload", name(|owner| owner.workload))
            .with("usd", Column::Fixed(6, rows.iter().map(|row| row.2).collect()))
    }
}

/// The spans that a stretch of time lies in, and how long in each, in ns.
fn parts(from: SimTime, to: SimTime, span: u64) -> impl Iterator<Item = (u64, u64)> {
    let (first, last) = (from.0 / span, to.0.saturating_sub(1) / span);
    let inside = move |index: u64| (index, to.0.min((index + 1) * span) - from.0.max(index * span));
    (first..=last).filter(move |_| from < to).map(inside)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stretches_are_cut_at_spans() {
        for (from, to, expected) in [
            (0, 10, vec![(0, 10)]),
            (5, 25, vec![(0, 5), (1, 10), (2, 5)]),
            (10, 20, vec![(1, 10)]),
            (7, 7, vec![]),
            (20, 10, vec![]),
        ] {
            assert_eq!(parts(SimTime(from), SimTime(to), 10).collect::<Vec<_>>(), expected, "{from} to {to}");
        }
    }
}
