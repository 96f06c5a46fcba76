//! Runs of a sweep in parallel.
//!
//! Runs share nothing, so their order and the number of threads reach no result. A run that panics is a failed row of
//! the tables, not the end of the sweep; a result that cannot be stored is the end, since nothing could be kept.

use std::any::Any;
use std::fmt;
use std::ops::Range;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicUsize, Ordering};

use rayon::prelude::*;

use super::design::{Cell, Design};
use super::outcome::RunOutcome;
use super::store::{Fingerprint, RunCounts, Store, StoreError};

/// A run, as the caller knows to do it: the outcome depends on the cell and the replication alone.
pub type RunFunction<'a> = dyn Fn(&Cell, u32) -> Result<RunOutcome, String> + Sync + 'a;

/// A sweep to be run.
pub struct Sweep<'a> {
    /// What is to be run.
    pub design: &'a Design,
    /// Where it is kept.
    pub store: &'a Store,
    /// For each cell, what decides its runs.
    pub fingerprints: &'a [Fingerprint],
    /// Does one run.
    pub run: &'a RunFunction<'a>,
    /// Told after each run, and once at the start; called from any thread.
    pub progress: &'a (dyn Fn(Progress) + Sync),
    /// Runs at a time; 0 stands for one a processor.
    pub threads: usize,
    /// Keep runs that are stored with the same fingerprint and ended well, instead of running them again.
    pub resume: bool,
    /// Run these cells only, and share the directory with the processes that run the others. A sweep of all cells has
    /// the directory to itself.
    pub cells: Option<Range<usize>>,
}

/// How far a sweep is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Progress {
    /// Runs that are finished, kept ones included.
    pub finished: usize,
    /// How many of them failed.
    pub failed: usize,
    /// Runs in all.
    pub total: usize,
}

/// What a sweep did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SweepReport {
    /// Runs done now.
    pub done: usize,
    /// How many of them failed.
    pub failed: usize,
    /// Runs kept from before.
    pub kept: usize,
    /// What the tables rest on: all stored runs of the design.
    pub tables: RunCounts,
}

/// Why a sweep ended early. Runs stored before stay, and a resumed sweep keeps them.
#[derive(Debug, thiserror::Error)]
pub enum SweepError {
    /// Results could not be kept or read.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The range of cells leaves the design.
    #[error("cells {start}..{end} are not within the {count} cells of the experiment")]
    Cells {
        /// First cell asked for.
        start: usize,
        /// One past the last cell asked for.
        end: usize,
        /// Cells of the design.
        count: usize,
    },
    /// The system gives no threads.
    #[error("cannot start {threads} threads: {cause}")]
    Threads {
        /// Threads asked for.
        threads: usize,
        /// What the system said.
        cause: rayon::ThreadPoolBuildError,
    },
}

impl fmt::Debug for Sweep<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut fields = f.debug_struct("Sweep");
        fields.field("design", self.design).field("store", self.store).field("threads", &self.threads);
        fields.field("resume", &self.resume).field("cells", &self.cells).finish_non_exhaustive()
    }
}

/// Runs what is to be run, and makes the tables from all stored runs.
///
/// # Errors
/// See [`SweepError`]. A failing or panicking run is no error.
///
/// # Panics
/// When there is not one fingerprint for each cell.
pub fn run_sweep(sweep: &Sweep<'_>) -> Result<SweepReport, SweepError> {
    assert_eq!(sweep.fingerprints.len(), sweep.design.cells().len(), "every cell needs a fingerprint");
    if sweep.cells.is_none() {
        sweep.store.remove_leftovers()?;
    }
    let (pending, kept) = pending_runs(sweep)?;
    let threads = sweep.threads;
    let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build();
    let pool = pool.map_err(|cause| SweepError::Threads { threads, cause })?;
    let (finished, failed) = (AtomicUsize::new(kept), AtomicUsize::new(0));
    let total = kept + pending.len();
    (sweep.progress)(Progress { finished: kept, failed: 0, total });
    pool.install(|| {
        pending.par_iter().with_max_len(1).try_for_each(|&(cell, replication)| -> Result<(), StoreError> {
            let result = run_one(sweep.run, cell, replication);
            let failed =
                failed.fetch_add(usize::from(result.is_err()), Ordering::Relaxed) + usize::from(result.is_err());
            sweep.store.save(cell, replication, &sweep.fingerprints[cell.index], result)?;
            let finished = finished.fetch_add(1, Ordering::Relaxed) + 1;
            (sweep.progress)(Progress { finished, failed, total });
            Ok(())
        })
    })?;
    let tables = sweep.store.write_tables(sweep.design, sweep.fingerprints)?;
    Ok(SweepReport { done: pending.len(), failed: failed.into_inner(), kept, tables })
}

/// A run that is to be done.
type Pending<'a> = (&'a Cell, u32);

/// The runs to do, and how many are kept.
fn pending_runs<'a>(sweep: &Sweep<'a>) -> Result<(Vec<Pending<'a>>, usize), SweepError> {
    let all = sweep.design.cells();
    let Range { start, end } = sweep.cells.clone().unwrap_or(0..all.len());
    let cells = all.get(start..end).filter(|cells| !cells.is_empty());
    let cells = cells.ok_or(SweepError::Cells { start, end, count: all.len() })?;
    let mut pending = Vec::new();
    for cell in cells {
        for replication in 0..sweep.design.replications() {
            let stored = match sweep.resume {
                true => sweep.store.load(cell, replication, &sweep.fingerprints[cell.index])?,
                false => None,
            };
            // A failed run is done again: what was in its way may be gone, and if not, it fails the same way.
            if !matches!(stored, Some(Ok(_))) {
                pending.push((cell, replication));
            }
        }
    }
    let kept = cells.len() * sweep.design.replications() as usize - pending.len();
    Ok((pending, kept))
}

fn run_one(run: &RunFunction<'_>, cell: &Cell, replication: u32) -> Result<RunOutcome, String> {
    // A run builds its world anew from immutable input, so nothing half-changed survives its panic.
    catch_unwind(AssertUnwindSafe(|| run(cell, replication))).unwrap_or_else(|panic| Err(panic_message(&*panic)))
}

fn panic_message(panic: &(dyn Any + Send)) -> String {
    let message = panic.downcast_ref::<&str>().copied().or_else(|| panic.downcast_ref::<String>().map(String::as_str));
    format!("panic: {}", message.unwrap_or("without a message"))
}
