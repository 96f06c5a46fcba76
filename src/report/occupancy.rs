//! How full each node was over time, from the intervals in which pods held it.
//!
//! A grid of at most [`ROWS`] rows and [`COLUMNS`] columns; a cluster with more nodes shares a row among neighbours in
//! the order of the node table. Cost: constant time a pod, constant memory.

use super::chart::scale::short_number;

/// Most rows of the grid.
pub(super) const ROWS: usize = 60;
/// Columns of the grid.
pub(super) const COLUMNS: usize = 120;

/// Amounts by row and column, filled by intervals: an amount counts in a column by the share of the column's time.
struct Ledger {
    /// Amounts of columns that an interval covers in part.
    partial: Vec<f64>,
    /// Changes of the amount of columns that intervals cover whole; the running sum is the amount.
    change: Vec<f64>,
}

impl Ledger {
    fn new(rows: usize) -> Ledger {
        Ledger { partial: vec![0.0; rows * COLUMNS], change: vec![0.0; rows * (COLUMNS + 1)] }
    }

    /// Adds `amount` between two places given in columns.
    fn add(&mut self, row: usize, from: f64, to: f64, amount: f64) {
        let (from, to) = (from.clamp(0.0, COLUMNS as f64), to.clamp(0.0, COLUMNS as f64));
        if to <= from {
            return;
        }
        let (first, last) = (from as usize, to as usize);
        if first == last {
            self.partial[row * COLUMNS + first] += (to - from) * amount;
            return;
        }
        self.partial[row * COLUMNS + first] += (first as f64 + 1.0 - from) * amount;
        if last < COLUMNS {
            self.partial[row * COLUMNS + last] += (to - last as f64) * amount;
        }
        self.change[row * (COLUMNS + 1) + first + 1] += amount;
        self.change[row * (COLUMNS + 1) + last] -= amount;
    }

    fn amounts(&self, row: usize) -> Vec<f64> {
        let mut whole = 0.0;
        let changes = &self.change[row * (COLUMNS + 1)..(row + 1) * (COLUMNS + 1)];
        let partial = &self.partial[row * COLUMNS..(row + 1) * COLUMNS];
        partial
            .iter()
            .zip(changes)
            .map(|(partial, change)| {
                whole += change;
                partial + whole
            })
            .collect()
    }
}

/// Used and existing capacity of each row of nodes over time.
pub(super) struct Occupancy {
    /// End of the time axis; its unit is the caller's.
    end: f64,
    nodes_per_row: usize,
    names: Vec<String>,
    used: Ledger,
    capacity: Ledger,
}

impl Occupancy {
    /// A grid for nodes with these names, from time zero to `end`.
    pub(super) fn new<'a>(names: impl ExactSizeIterator<Item = &'a str>, end: f64) -> Occupancy {
        let nodes = names.len();
        let nodes_per_row = nodes.div_ceil(ROWS).max(1);
        let mut rows: Vec<String> = Vec::new();
        for (index, name) in names.enumerate() {
            if index % nodes_per_row == 0 {
                rows.push(name.to_owned());
            }
        }
        if nodes_per_row > 1 {
            for name in &mut rows {
                name.push_str(" …");
            }
        }
        let (used, capacity) = (Ledger::new(rows.len()), Ledger::new(rows.len()));
        Occupancy { end: end.max(f64::MIN_POSITIVE), nodes_per_row, names: rows, used, capacity }
    }

    fn column(&self, time: f64) -> f64 {
        (time / self.end).clamp(0.0, 1.0) * COLUMNS as f64
    }

    /// The node at `index` of the node table has `capacity` from one time to another.
    pub(super) fn exist(&mut self, index: usize, from: f64, to: f64, capacity: f64) {
        let (from, to) = (self.column(from), self.column(to));
        self.capacity.add(index / self.nodes_per_row, from, to, capacity);
    }

    /// A pod holds `amount` of the node at `index` of the node table from one time to another.
    pub(super) fn hold(&mut self, index: usize, from: f64, to: f64, amount: f64) {
        let (from, to) = (self.column(from), self.column(to));
        self.used.add(index / self.nodes_per_row, from, to, amount);
    }

    /// What one row stands for, in words.
    pub(super) fn row_meaning(&self) -> String {
        match self.nodes_per_row {
            1 => "One row a node".to_owned(),
            many => format!("Each row is the mean of {} neighbouring nodes", short_number(many as f64)),
        }
    }

    /// Names of rows from top to bottom.
    pub(super) fn row_names(&self) -> &[String] {
        &self.names
    }

    /// Names of rows, and percent in use by row and column; NaN where no node existed.
    pub(super) fn finish(self) -> (Vec<String>, Vec<Vec<f64>>) {
        let percent = |(used, capacity): (f64, f64)| {
            if capacity > 1e-9 { (100.0 * used / capacity).clamp(0.0, 100.0) } else { f64::NAN }
        };
        let rows = 0..self.names.len();
        let cells = rows.map(|row| {
            self.used.amounts(row).into_iter().zip(self.capacity.amounts(row)).map(percent).collect::<Vec<f64>>()
        });
        let cells = cells.collect();
        (self.names, cells)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Columns are 1 s wide. Intervals in seconds on a node of capacity 4 that exists from 10 s to 110 s.
    #[test]
    fn a_cell_is_used_time_over_existing_time() {
        let mut occupancy = Occupancy::new(["a"].into_iter(), COLUMNS as f64);
        occupancy.exist(0, 10.0, 110.0, 4.0);
        occupancy.hold(0, 10.0, 12.5, 2.0);
        occupancy.hold(0, 12.25, 12.75, 4.0);
        occupancy.hold(0, 100.0, f64::INFINITY, 1.0);
        let (names, cells) = occupancy.finish();
        assert_eq!(names, ["a"]);
        // 12..13: 2 x 0.5 + 4 x 0.5 = 3 of 4.
        for (column, percent) in [(10, 50.0), (11, 50.0), (12, 75.0), (13, 0.0), (100, 25.0), (109, 25.0)] {
            assert!((cells[0][column] - percent).abs() < 1e-9, "column {column} is {}", cells[0][column]);
        }
        assert!(cells[0][9].is_nan() && cells[0][110].is_nan(), "no node, no value");
    }

    #[test]
    fn many_nodes_share_rows() {
        let names: Vec<String> = (0..125).map(|index| format!("n{index}")).collect();
        let mut occupancy = Occupancy::new(names.iter().map(String::as_str), 10.0);
        assert_eq!(occupancy.row_meaning(), "Each row is the mean of 3 neighbouring nodes");
        for index in 0..125 {
            occupancy.exist(index, 0.0, 10.0, 1.0);
        }
        occupancy.hold(4, 0.0, 10.0, 1.0);
        let (rows, cells) = occupancy.finish();
        // 125 nodes by 3 is 42 rows; node 4 is one of the three of row 1.
        assert_eq!((rows.len(), rows[1].as_str()), (42, "n3 …"));
        assert!((cells[1][60] - 100.0 / 3.0).abs() < 1e-9 && cells[0][60] == 0.0);
    }
}
