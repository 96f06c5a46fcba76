//! Writing results so that a reader never meets half a file.
//!
//! A file is written beside its place under a temporary name and moved there when complete; whatever fails before, the
//! old file (or none) stands, and the temporary one is removed. A crash of the machine itself may still lose the last
//! files: nothing is forced to disk, because a run can be repeated.

use std::fs;
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

use serde::Serialize;

use super::Table;

/// Why a result could not be written.
#[derive(Debug, thiserror::Error)]
#[error("cannot write `{}`: {cause}", path.display())]
pub struct WriteError {
    /// The file or directory that was to be written.
    pub path: PathBuf,
    /// What the system said.
    pub cause: io::Error,
}

impl WriteError {
    fn at(path: &Path) -> impl FnOnce(io::Error) -> WriteError {
        |cause| WriteError { path: path.to_owned(), cause }
    }
}

/// How the names of unfinished files begin; such files may be left by a killed process and are never read.
pub const TEMPORARY_PREFIX: &str = ".wavetank-";

/// Writes the file `path` with what `fill` puts out, all of it or nothing.
///
/// A device or a pipe is written to directly, since it cannot be replaced.
///
/// # Errors
/// When the file cannot be written or `fill` fails; the previous file then stands unchanged.
pub fn write_atomically(path: &Path, fill: impl FnOnce(&mut dyn Write) -> io::Result<()>) -> Result<(), WriteError> {
    write_or_replace(path, fill).map_err(WriteError::at(path))
}

fn write_or_replace(path: &Path, fill: impl FnOnce(&mut dyn Write) -> io::Result<()>) -> io::Result<()> {
    if fs::metadata(path).is_ok_and(|present| !present.is_file() && !present.is_dir()) {
        let mut out = BufWriter::new(fs::OpenOptions::new().write(true).open(path)?);
        fill(&mut out)?;
        return out.flush();
    }
    let directory = match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    };
    let mut builder = tempfile::Builder::new();
    builder.prefix(TEMPORARY_PREFIX);
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        // Temporary files are private by default; results are ordinary files, which the process's umask narrows.
        builder.permissions(fs::Permissions::from_mode(0o666));
    }
    let mut out = BufWriter::new(builder.tempfile_in(directory)?);
    fill(&mut out)?;
    let file = out.into_inner().map_err(io::IntoInnerError::into_error)?;
    file.persist(path).map_err(|failure| failure.error)?;
    Ok(())
}

/// A result directory that is being written.
#[derive(Clone, Debug)]
pub struct ResultWriter {
    directory: PathBuf,
    parquet: bool,
}

impl ResultWriter {
    /// Takes `directory` for results, making it and its parents where they do not exist.
    ///
    /// # Errors
    /// When it cannot be made.
    pub fn create(directory: &Path) -> Result<ResultWriter, WriteError> {
        fs::create_dir_all(directory).map_err(WriteError::at(directory))?;
        Ok(ResultWriter { directory: directory.to_owned(), parquet: false })
    }

    /// Whether tables are written as Parquet, too.
    #[must_use]
    pub fn with_parquet(self, parquet: bool) -> ResultWriter {
        ResultWriter { parquet, ..self }
    }

    /// Where the results go.
    pub fn directory(&self) -> &Path {
        &self.directory
    }

    /// Writes a table as the CSV file `name`; as Parquet beside it, where that is wanted. Where it is not, an earlier
    /// Parquet file is removed, since it would contradict the table.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn table(&self, name: &str, table: &Table) -> Result<(), WriteError> {
        let parquet = Path::new(name).with_extension("parquet");
        if self.parquet {
            write_atomically(&self.directory.join(parquet), |out| table.write_parquet(out))?;
        } else {
            let path = self.directory.join(parquet);
            match fs::remove_file(&path) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(WriteError::at(&path)(error)),
                _ => {}
            }
        }
        self.file(name, |out| table.write_csv(out))
    }

    /// Writes a value as indented JSON, ended by a newline, into the file `name`.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn json(&self, name: &str, value: &impl Serialize) -> Result<(), WriteError> {
        self.file(name, |out| {
            serde_json::to_writer_pretty(&mut *out, value)?;
            out.write_all(b"\n")
        })
    }

    /// Writes the file `name` with what `fill` puts out.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn file(&self, name: &str, fill: impl FnOnce(&mut dyn Write) -> io::Result<()>) -> Result<(), WriteError> {
        write_atomically(&self.directory.join(name), fill)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::results::Column;

    fn names(directory: &Path) -> Vec<String> {
        let entries = fs::read_dir(directory).expect("the directory is there");
        let mut names: Vec<String> =
            entries.map(|entry| entry.expect("readable").file_name().into_string().expect("text")).collect();
        names.sort();
        names
    }

    #[test]
    fn results_are_written_and_replaced() {
        let place = tempfile::tempdir().expect("a place to write");
        let writer = ResultWriter::create(&place.path().join("deep/down")).expect("it can be made");
        for value in [1, 2] {
            let table = Table::new().with("x", Column::Count(vec![value]));
            writer.table("t.csv", &table).expect("it can be written");
            writer.json("t.json", &serde_json::json!({ "x": value })).expect("it can be written");
        }
        let text = |name: &str| fs::read_to_string(writer.directory().join(name)).expect("it is there");
        assert_eq!(text("t.csv"), "x\n2\n");
        assert_eq!(text("t.json"), "{\n  \"x\": 2\n}\n");
        assert_eq!(names(writer.directory()), ["t.csv", "t.json"]);
        let table = Table::new().with("x", Column::Count(vec![3]));
        writer.clone().with_parquet(true).table("t.csv", &table).expect("it can be written");
        assert_eq!(names(writer.directory()), ["t.csv", "t.json", "t.parquet"]);
        writer.table("t.csv", &table).expect("it can be written");
        assert_eq!(names(writer.directory()), ["t.csv", "t.json"], "an old table does not stay beside a new one");
    }

    #[test]
    fn a_failure_leaves_what_was_there() {
        let place = tempfile::tempdir().expect("a place to write");
        let path = place.path().join("t.csv");
        let half = |out: &mut dyn Write| {
            out.write_all(&[b'x'; 100_000])?;
            Err(io::Error::new(io::ErrorKind::StorageFull, "no space left"))
        };
        let error = write_atomically(&path, half).expect_err("it fails half way");
        assert_eq!(error.to_string(), format!("cannot write `{}`: no space left", path.display()));
        assert!(names(place.path()).is_empty());

        write_atomically(&path, |out| out.write_all(b"old")).expect("it can be written");
        write_atomically(&path, half).expect_err("it fails half way");
        assert_eq!(fs::read(&path).expect("it is there"), b"old");
        assert_eq!(names(place.path()), ["t.csv"]);
    }

    #[test]
    fn impossible_places_are_errors_that_name_the_path() {
        let place = tempfile::tempdir().expect("a place to write");
        let file = place.path().join("file");
        fs::write(&file, "in the way").expect("it can be written");
        let error = ResultWriter::create(&file.join("results")).expect_err("a file is no directory");
        assert_eq!(error.path, file.join("results"));
        let error = write_atomically(&file.join("t.csv"), |_| Ok(())).expect_err("a file is no directory");
        assert!(error.to_string().starts_with(&format!("cannot write `{}/t.csv`: ", file.display())), "{error}");
        write_atomically(place.path(), |_| Ok(())).expect_err("a directory is no file");
        assert_eq!(names(place.path()), ["file"]);
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn a_full_device_is_an_error() {
        let full = Path::new("/dev/full");
        if !full.exists() {
            return;
        }
        let table = Table::new().with("x", Column::Count((0..100_000).collect()));
        for fill in [&|out: &mut dyn Write| table.write_csv(out), &|out: &mut dyn Write| out.write_all(b"x")]
            as [&dyn Fn(&mut dyn Write) -> io::Result<()>; 2]
        {
            let error = write_atomically(full, fill).expect_err("the device takes nothing");
            assert_eq!(error.cause.kind(), io::ErrorKind::StorageFull);
        }
        use std::os::unix::fs::FileTypeExt;
        assert!(fs::metadata(full).expect("it is still there").file_type().is_char_device());
    }
}
