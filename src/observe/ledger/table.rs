//! A bill as a table.

use super::bill::{Bill, For, Line};
use crate::results::{Column, Table, TextColumn};

/// What the numbers of a bill are called, by those numbers.
#[derive(Clone, Copy, Debug)]
pub struct Names<'n> {
    /// Node pools.
    pub pools: &'n [String],
    /// Instance types.
    pub instance_types: &'n [String],
    /// Regions.
    pub regions: &'n [String],
    /// Namespaces.
    pub namespaces: &'n [String],
    /// Workloads.
    pub workloads: &'n [String],
}

impl Bill {
    /// One row a line: `kind,pool,instance_type,region,for,namespace,workload,usd`, where `for` is `workload`, `idle` or `all`
    /// and what a line has not is empty. The dollars have nine decimals, so they sum to the total as they stand (up to four
    /// million dollars a line, beyond which a decimal number has fewer).
    pub fn table(&self, names: &Names<'_>) -> Table {
        let lines: Vec<&Line> = self.lines().map(|(line, _)| line).collect();
        let dollars = self.lines().map(|(_, amount)| amount.as_dollars()).collect();
        let named = |number: fn(&Line) -> Option<u32>, values: &[String]| Column::Dictionary {
            codes: lines.iter().map(|line| number(line).unwrap_or(u32::MAX)).collect(),
            values: values.to_vec(),
        };
        let kinds: TextColumn = lines.iter().map(|line| line.kind.name()).collect();
        let owners: TextColumn = lines.iter().map(|line| line.owner.name()).collect();
        Table::new()
            .with("kind", Column::Text(kinds))
            .with("pool", named(|line| line.place.map(|(pool, _)| pool), names.pools))
            .with("instance_type", named(|line| line.place.map(|(_, kind)| kind), names.instance_types))
            .with("region", named(|line| line.region, names.regions))
            .with("for", Column::Text(owners))
            .with("namespace", named(|line| line.owner.owner().map(|owner| owner.namespace), names.namespaces))
            .with("workload", named(|line| line.owner.owner().map(|owner| owner.workload), names.workloads))
            .with("usd", Column::Fixed(9, dollars))
    }
}

impl For {
    /// How it is called in tables.
    pub fn name(self) -> &'static str {
        match self {
            For::Owner(_) => "workload",
            For::Nobody => "idle",
            For::All => "all",
        }
    }

    /// The owner; none: it is for nobody, or for all.
    pub fn owner(self) -> Option<super::Owner> {
        match self {
            For::Owner(owner) => Some(owner),
            For::Nobody | For::All => None,
        }
    }
}
