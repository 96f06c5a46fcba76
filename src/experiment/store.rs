//! The store: one small file a finished run, from which all tables are made.
//!
//! `DIR/runs/CELL-REPLICATION.json` is written whole, as soon as the run ends. It carries a fingerprint of everything
//! that decided the run; a file with another fingerprint belongs to another experiment and counts as missing, as does
//! one that cannot be read as a run.

use std::ffi::OsString;
use std::fs::{self, DirEntry};
use std::io;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use serde::{Deserialize, Serialize};

use super::design::{Cell, Design};
use super::outcome::RunOutcome;
use super::tables::SweepTables;
use crate::results::manifest::{COMMIT, VERSION};
use crate::results::write::TEMPORARY_PREFIX;
use crate::results::{ResultWriter, WriteError};

/// What decided a run, as a number: two runs of equal fingerprint and replication have the same outcome.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Fingerprint(String);

impl Fingerprint {
    /// The fingerprint of `parts`, such as the resolved scenario of a cell and the contents of its traces, and of this
    /// version of wavetank (FNV-1a of 128 bits: it tells experiments apart, and defends against nobody).
    pub fn of(parts: &[&[u8]]) -> Fingerprint {
        let mut hash = 0x6c62_272e_07bb_0142_62b8_2175_6295_c58d_u128;
        let built = [VERSION.as_bytes(), COMMIT.unwrap_or_default().as_bytes()];
        for part in built.iter().chain(parts) {
            // The length comes first, so that moving a byte from one part to the next makes a difference.
            for byte in (part.len() as u64).to_le_bytes().iter().chain(*part) {
                hash = (hash ^ u128::from(*byte)).wrapping_mul(0x0000_0000_0100_0000_0000_0000_0000_013b);
            }
        }
        Fingerprint(format!("{hash:032x}"))
    }
}

/// Why runs could not be kept or read.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// A result could not be written.
    #[error(transparent)]
    Write(#[from] WriteError),
    /// Something is there but the system does not let it be read, or removed.
    #[error("cannot use `{}`: {cause}", path.display())]
    Read {
        /// The file or directory.
        path: PathBuf,
        /// What the system said.
        cause: io::Error,
    },
}

/// How many runs the tables rest on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RunCounts {
    /// Runs that ended well.
    pub ok: usize,
    /// Runs that ended with an error or a panic.
    pub failed: usize,
    /// Runs of the design that are not stored (yet).
    pub missing: usize,
}

/// A result directory of a sweep.
#[derive(Clone, Debug)]
pub struct Store {
    results: ResultWriter,
    runs: ResultWriter,
}

#[derive(Serialize, Deserialize)]
struct StoredRun {
    fingerprint: Fingerprint,
    cell: String,
    replication: u32,
    #[serde(flatten)]
    end: End,
}

#[derive(Serialize, Deserialize)]
#[serde(tag = "status", rename_all = "lowercase")]
enum End {
    Ok(RunOutcome),
    Failed { error: String },
}

impl Store {
    /// Takes `directory` for a sweep, making it where it does not exist.
    ///
    /// # Errors
    /// When it cannot be made.
    pub fn create(directory: &Path) -> Result<Store, WriteError> {
        let results = ResultWriter::create(directory)?;
        let runs = ResultWriter::create(&directory.join("runs"))?;
        Ok(Store { results, runs })
    }

    /// Whether tables are written as Parquet, too.
    #[must_use]
    pub fn with_parquet(self, parquet: bool) -> Store {
        Store { results: self.results.with_parquet(parquet), ..self }
    }

    /// Keeps a finished run, replacing what was stored in its place.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn save(
        &self,
        cell: &Cell,
        replication: u32,
        fingerprint: &Fingerprint,
        result: Result<RunOutcome, String>,
    ) -> Result<(), WriteError> {
        let end = match result {
            Ok(outcome) => End::Ok(outcome),
            Err(error) => End::Failed { error },
        };
        let run = StoredRun { fingerprint: fingerprint.clone(), cell: cell.name.clone(), replication, end };
        self.runs.file(&file_name(cell, replication), |out| Ok(serde_json::to_writer(out, &run)?))
    }

    /// The result of a stored run; `None` where there is none with this fingerprint.
    ///
    /// # Errors
    /// When a file is there but the system does not let it be read.
    pub fn load(
        &self,
        cell: &Cell,
        replication: u32,
        fingerprint: &Fingerprint,
    ) -> Result<Option<Result<RunOutcome, String>>, StoreError> {
        let path = self.runs.directory().join(file_name(cell, replication));
        let bytes = match fs::read(&path) {
            Ok(bytes) => bytes,
            Err(cause) if cause.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(cause) => return Err(StoreError::Read { path, cause }),
        };
        let Ok(run) = serde_json::from_slice::<StoredRun>(&bytes) else { return Ok(None) };
        if run.fingerprint != *fingerprint || run.cell != cell.name || run.replication != replication {
            return Ok(None);
        }
        Ok(Some(match run.end {
            End::Ok(outcome) => Ok(outcome),
            End::Failed { error } => Err(error),
        }))
    }

    /// Makes `runs.csv`, `cells.csv`, `comparisons.csv` and `curves.csv` from the stored runs of the design, each cell
    /// under its fingerprint.
    ///
    /// Processes that share a directory may all do so: whoever meanwhile stored a run is noticed, and the tables made
    /// again, so the last tables written rest on all runs.
    ///
    /// # Errors
    /// When a run cannot be read or a table not be written.
    ///
    /// # Panics
    /// When there is not one fingerprint for each cell.
    pub fn write_tables(&self, design: &Design, fingerprints: &[Fingerprint]) -> Result<RunCounts, StoreError> {
        assert_eq!(fingerprints.len(), design.cells().len(), "every cell needs a fingerprint");
        loop {
            let before = self.listing()?;
            let (tables, counts) = self.tables(design, fingerprints)?;
            for (name, table) in tables.finish() {
                self.results.table(name, &table)?;
            }
            if self.listing()? == before {
                return Ok(counts);
            }
        }
    }

    fn tables<'d>(
        &self,
        design: &'d Design,
        fingerprints: &[Fingerprint],
    ) -> Result<(SweepTables<'d>, RunCounts), StoreError> {
        let mut tables = SweepTables::new(design);
        let mut counts = RunCounts::default();
        for (cell, fingerprint) in design.cells().iter().zip(fingerprints) {
            let mut runs = Vec::new();
            for replication in 0..design.replications() {
                match self.load(cell, replication, fingerprint)? {
                    Some(result) => runs.push((replication, result)),
                    None => counts.missing += 1,
                }
            }
            let ok = runs.iter().filter(|(_, result)| result.is_ok()).count();
            counts.ok += ok;
            counts.failed += runs.len() - ok;
            tables.add_cell(cell, runs);
        }
        Ok((tables, counts))
    }

    /// Removes unfinished files that a killed process left behind. Only for a process that has the directory to itself:
    /// another's files in the making would be lost.
    ///
    /// # Errors
    /// When the directory cannot be read or a file not be removed.
    pub fn remove_leftovers(&self) -> Result<(), StoreError> {
        for directory in [self.results.directory(), self.runs.directory()] {
            let failed = |path: &Path| {
                let path = path.to_owned();
                move |cause| StoreError::Read { path, cause }
            };
            for entry in fs::read_dir(directory).map_err(failed(directory))? {
                let path = entry.map_err(failed(directory))?.path();
                let name = path.file_name().unwrap_or_default().to_string_lossy();
                if name.starts_with(TEMPORARY_PREFIX) && path.is_file() {
                    fs::remove_file(&path).map_err(failed(&path))?;
                }
            }
        }
        Ok(())
    }

    /// The names of all stored runs and when each was written, to notice what other processes do.
    fn listing(&self) -> Result<Vec<(OsString, Option<SystemTime>)>, StoreError> {
        let path = self.runs.directory();
        let entries = fs::read_dir(path).map_err(|cause| StoreError::Read { path: path.to_owned(), cause })?;
        let runs = entries.flatten().filter(|entry| entry.path().extension().is_some_and(|end| end == "json"));
        let written = |entry: &DirEntry| entry.metadata().and_then(|metadata| metadata.modified()).ok();
        let mut listing: Vec<_> = runs.map(|entry| (entry.file_name(), written(&entry))).collect();
        listing.sort();
        Ok(listing)
    }
}

fn file_name(cell: &Cell, replication: u32) -> String {
    format!("{}-{replication}.json", cell.index)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fingerprints_tell_parts_apart() {
        let base = Fingerprint::of(&[b"ab", b"c"]);
        assert_eq!(base, Fingerprint::of(&[b"ab", b"c"]));
        for other in [&[&b"a"[..], b"bc"][..], &[b"abc"], &[b"ab", b"c", b""], &[b"ab", b"d"]] {
            assert_ne!(base, Fingerprint::of(other));
        }
    }

    #[test]
    fn stored_runs_are_found_under_their_fingerprint_only() {
        let place = tempfile::tempdir().expect("a place to write");
        let store = Store::create(place.path()).expect("it can be made");
        let cell = |index, name: &str| Cell { index, name: name.into(), levels: vec![] };
        let (mine, other) = (Fingerprint::of(&[b"mine"]), Fingerprint::of(&[b"other"]));
        let load =
            |cell: &Cell, replication, fingerprint| store.load(cell, replication, fingerprint).expect("readable");

        assert_eq!(load(&cell(0, "a"), 0, &mine), None);
        let outcome = RunOutcome { metrics: vec![], curves: vec![super::super::Curve::new("c", [(1.0, 2.0)])] };
        store.save(&cell(0, "a"), 0, &mine, Ok(outcome.clone())).expect("it can be written");
        store.save(&cell(0, "a"), 1, &mine, Err("no\nway".into())).expect("it can be written");
        assert_eq!(load(&cell(0, "a"), 0, &mine), Some(Ok(outcome)));
        assert_eq!(load(&cell(0, "a"), 1, &mine), Some(Err("no\nway".into())));
        assert_eq!(load(&cell(0, "a"), 0, &other), None);
        assert_eq!(load(&cell(0, "b"), 0, &mine), None);
        assert_eq!(load(&cell(1, "a"), 0, &mine), None);

        fs::write(place.path().join("runs/0-0.json"), "{\"half\": ").expect("it can be written");
        assert_eq!(load(&cell(0, "a"), 0, &mine), None);
    }
}
