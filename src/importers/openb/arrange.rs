//! In which order the pods of a list arrive, which are copied and which are left out.
//!
//! "Tuning" follows the FGD simulator: demand is brought to a share of the cluster's GPU capacity by copies drawn with
//! replacement, or by leaving out pods drawn at random.

use std::ops::Range;
use std::path::{Path, PathBuf};

use super::super::Problems;
use super::super::table::{ColumnName, CsvTable, required};
use crate::rng::{Seed, Stream};

/// In which order the selected pods arrive.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Order {
    /// As in the pod list.
    #[default]
    FileOrder,
    /// As an order file says (columns `seq`, `pod_row`). It may leave pods out, and a row that comes again is a copy.
    File(PathBuf),
    /// Drawn from the run's seed.
    Shuffled,
}

/// One pod to come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Arrival {
    /// Position among the selected rows.
    pub(super) row: u32,
    /// Whether the row has been taken before, so that this pod needs a name of its own.
    pub(super) is_copy: bool,
}

/// More copies than can be meant.
const COPIES_MAX: usize = 10_000_000;
const ORDER_COLUMNS: &[ColumnName<'_>] = &[required("seq"), required("pod_row")];

/// The selected rows in their order of arrival.
pub(super) fn arrange(order: &Order, rows: &Range<u64>, seed: Seed, problems: &mut Problems) -> Vec<Arrival> {
    let file_order = (0..(rows.end - rows.start) as u32).map(|row| Arrival { row, is_copy: false });
    match order {
        Order::FileOrder => file_order.collect(),
        Order::Shuffled => {
            let mut arrivals: Vec<Arrival> = file_order.collect();
            seed.stream("openb pod order", 0).shuffle(&mut arrivals);
            arrivals
        }
        Order::File(path) => read_order(path, rows, problems),
    }
}

fn read_order(path: &Path, rows: &Range<u64>, problems: &mut Problems) -> Vec<Arrival> {
    let mut arrivals: Vec<(u64, u64, u32)> = Vec::new();
    let Some(mut table) = CsvTable::open(path, ORDER_COLUMNS, problems) else { return Vec::new() };
    while let Some(line) = table.next_row(problems) {
        let sequence = table.number(0, line, u64::MAX, "the position in the sequence, from 0", problems);
        let row = table.number(1, line, u64::MAX, "the row of the pod list, from 0", problems);
        let (Some(sequence), Some(row)) = (sequence, row) else { continue };
        if rows.contains(&row) {
            arrivals.push((sequence, line, (row - rows.start) as u32));
        } else {
            let why = format!("is not among the rows {} to {} of the pod list", rows.start, rows.end.saturating_sub(1));
            table.refuse(1, line, &why, "use the order file that was made for this list and these rows", problems);
        }
    }
    arrivals.sort_unstable();
    for pair in arrivals.windows(2).filter(|pair| pair[0].0 == pair[1].0) {
        let message = format!("column `seq`: `{}` stands in line {} already; number the rows", pair[1].0, pair[0].1);
        problems.push(table.file(), pair[1].1, message);
    }
    let mut is_taken = vec![false; (rows.end - rows.start) as usize];
    arrivals
        .into_iter()
        .map(|(_, _, row)| Arrival { row, is_copy: std::mem::replace(&mut is_taken[row as usize], true) })
        .collect()
}

/// GPU demand of the selected rows.
pub(super) trait GpuDemand {
    /// Demand of one GPU and of the whole pod at a row, in milli-GPU.
    fn gpu_milli(&self, row: u32) -> (u64, u64);
}

/// Brings the demand of `arrivals` to `target_milli`: appends copies of rows drawn from `by_name` until the next would
/// pass the target, or leaves out drawn pods until the rest is within it.
///
/// As in the FGD simulator the test before each copy counts one GPU of the drawn pod, so a pod with several GPUs can overshoot.
///
/// # Errors
/// Says why the target cannot be reached.
pub(super) fn tune(
    arrivals: &mut Vec<Arrival>,
    by_name: &[u32],
    demand: &impl GpuDemand,
    target_milli: u64,
    stream: &mut Stream,
) -> Result<(), String> {
    let mut total: u64 = arrivals.iter().map(|arrival| demand.gpu_milli(arrival.row).1).sum();
    if total > target_milli {
        leave_out(arrivals, demand, total, target_milli, stream);
        return Ok(());
    }
    if !by_name.iter().any(|&row| demand.gpu_milli(row).1 > 0) {
        return Err("no pod requests a GPU, so copies cannot raise the GPU demand".to_owned());
    }
    let originals = arrivals.len();
    loop {
        let row = by_name[stream.below(by_name.len() as u64) as usize];
        let (one_milli, all_milli) = demand.gpu_milli(row);
        // A pod without GPU adds nothing, so it is copied even when the target is met exactly.
        if total + one_milli > target_milli {
            return Ok(());
        }
        total += all_milli;
        arrivals.push(Arrival { row, is_copy: true });
        if arrivals.len() - originals > COPIES_MAX {
            return Err(format!("more than {COPIES_MAX} copies would be needed"));
        }
    }
}

/// Leaves out uniformly drawn pods until the rest demands at most `target_milli`.
fn leave_out(
    arrivals: &mut Vec<Arrival>,
    demand: &impl GpuDemand,
    mut total: u64,
    target_milli: u64,
    stream: &mut Stream,
) {
    // A draw that hits a pod left out already is repeated: uniform over the rest, without moving the list each time.
    let mut is_left_out = vec![false; arrivals.len()];
    while total > target_milli {
        let at = stream.below(arrivals.len() as u64) as usize;
        if !std::mem::replace(&mut is_left_out[at], true) {
            total -= demand.gpu_milli(arrivals[at].row).1;
        }
    }
    let mut left_out = is_left_out.into_iter();
    arrivals.retain(|_| !left_out.next().unwrap_or(false));
}
