//! Allocation and fragmentation over arrivals: how well the cluster is packed once so much demand has arrived.
//!
//! Demand and allocation are counted in GPU where the cluster has GPUs, else in cpu. The definitions are those of the
//! FGD experiments: after each arrival (placed or not) the figures are rounded to two decimals, and a point is the mean
//! over the arrivals whose arrived demand rounds (half to even) to that whole percent of capacity. A percentage that no
//! arrival hits takes those one below to one above.

use crate::results::{Column, Table};

/// The figures after one arrival, in the unit of demand.
#[derive(Clone, Copy, Debug)]
pub struct PackingState {
    /// Demand that has arrived, placed or not.
    pub arrived: u64,
    /// What is allocated.
    pub allocated: u64,
    /// What there is.
    pub capacity: u64,
    /// What is fragmented, if that is known.
    pub fragmented: Option<f64>,
}

/// Sums by whole percent of arrived demand.
#[derive(Clone, Debug, Default)]
pub struct Packing {
    points: Vec<Point>,
}

#[derive(Clone, Copy, Debug, Default)]
struct Point {
    arrivals: u32,
    allocated_pct: f64,
    frag_ratio_pct: f64,
    frag_amount_pct: f64,
}

/// Demand beyond this many percent of capacity is not recorded.
const PERCENT_MAX: usize = 1000;

impl Packing {
    /// Records the state after an arrival.
    pub fn record(&mut self, state: PackingState) {
        let percent = state.capacity as f64 / 100.0;
        let position = (state.arrived as f64 / percent).round_ties_even();
        if state.capacity == 0 || position > PERCENT_MAX as f64 {
            return;
        }
        let position = position as usize;
        if self.points.len() <= position {
            self.points.resize(position + 1, Point::default());
        }
        let point = &mut self.points[position];
        let idle = state.capacity.saturating_sub(state.allocated) as f64;
        point.arrivals += 1;
        point.allocated_pct += two_decimals(state.allocated as f64 / percent);
        let fragmented = state.fragmented.unwrap_or(f64::NAN);
        point.frag_ratio_pct += if idle > 0.0 { two_decimals(100.0 * fragmented / idle) } else { 0.0 };
        point.frag_amount_pct += fragmented / percent;
    }

    /// The points from 0 % on: arrived, allocated, fragmented share of the idle part and of the whole, all in percent.
    pub fn points(&self) -> Vec<[f64; 4]> {
        let mut points = Vec::new();
        for position in 0..self.points.len() {
            let exact = &self.points[position..=position];
            let around = &self.points[position.saturating_sub(1)..(position + 2).min(self.points.len())];
            let taken = if exact[0].arrivals > 0 { exact } else { around };
            let arrivals: u32 = taken.iter().map(|point| point.arrivals).sum();
            if arrivals > 0 {
                let mean = |of: fn(&Point) -> f64| taken.iter().map(of).sum::<f64>() / f64::from(arrivals);
                points.push([
                    position as f64,
                    mean(|point| point.allocated_pct),
                    mean(|point| point.frag_ratio_pct),
                    mean(|point| point.frag_amount_pct),
                ]);
            }
        }
        points
    }

    /// The points as a table, with as many decimals as the published results have.
    pub fn table(&self) -> Table {
        let points = self.points();
        let column =
            |decimals, position: usize| Column::Fixed(decimals, points.iter().map(|point| point[position]).collect());
        Table::new()
            .with("arrived_pct", Column::Count(points.iter().map(|point| point[0] as u64).collect()))
            .with("allocated_pct", column(2, 1))
            .with("frag_ratio_pct", column(3, 2))
            .with("frag_amount_pct", column(2, 3))
    }
}

fn two_decimals(value: f64) -> f64 {
    (value * 100.0).round() / 100.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn points_are_means_over_arrivals_that_round_to_a_percent() {
        let mut packing = Packing::default();
        let state = |arrived, allocated, fragmented| PackingState { arrived, allocated, capacity: 1000, fragmented };
        packing.record(state(5, 5, Some(100.0))); // 0.5 % rounds to 0 (half to even): 0.5 % allocated, 100 of 995 idle
        packing.record(state(15, 15, Some(100.0))); // 1.5 % rounds to 2
        packing.record(state(20, 20, Some(300.0))); // 2 %
        let points = packing.points();
        assert_eq!(points.len(), 3);
        assert_eq!(points[0], [0.0, 0.5, 10.05, 10.0]);
        // No arrival rounds to 1 %: the mean of all three, which lie at 0 % and 2 %.
        assert!((points[1][1] - (0.5 + 1.5 + 2.0) / 3.0).abs() < 1e-12);
        assert_eq!(points[2][1], 1.75);
        assert_eq!(points[2][3], 20.0);
    }
}
