//! The result directory's files: tables read row by row, outputs written whole or not at all.

use std::borrow::Cow;
use std::fs::File;
use std::io::{ErrorKind, Write as _};
use std::path::{Path, PathBuf};

use csv::ByteRecord;
use serde_json::Value;

use super::ReportError;

/// A CSV table read one row at a time, its columns picked by name.
pub(super) struct Rows {
    path: PathBuf,
    reader: csv::Reader<File>,
    record: ByteRecord,
    picks: Vec<Option<usize>>,
    /// Names of all columns, in the file's order.
    pub(super) header: Vec<String>,
}

impl Rows {
    /// Opens `directory/name` and picks columns; a pick that the table lacks reads as empty cells. Gives `None` when
    /// there is no such file.
    pub(super) fn open(directory: &Path, name: &str, picks: &[&str]) -> Result<Option<Rows>, ReportError> {
        let path = directory.join(name);
        let file = match File::open(&path) {
            Ok(file) => file,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
            Err(source) => return Err(ReportError::Read { path, source }),
        };
        let mut reader = csv::ReaderBuilder::new().buffer_capacity(1 << 16).from_reader(file);
        let header = match reader.byte_headers() {
            Ok(header) => header.iter().map(|name| String::from_utf8_lossy(name).into_owned()).collect::<Vec<_>>(),
            Err(source) => return Err(ReportError::Table { path, source }),
        };
        let picks = picks.iter().map(|pick| header.iter().position(|name| name == pick)).collect();
        Ok(Some(Rows { path, reader, record: ByteRecord::new(), picks, header }))
    }

    /// Steps to the next row; gives whether there is one.
    pub(super) fn advance(&mut self) -> Result<bool, ReportError> {
        let read = self.reader.read_byte_record(&mut self.record);
        read.map_err(|source| ReportError::Table { path: self.path.clone(), source })
    }

    /// Whether the table has the column of this pick.
    pub(super) fn has(&self, pick: usize) -> bool {
        self.picks[pick].is_some()
    }

    fn cell(&self, pick: usize) -> &[u8] {
        self.picks[pick].and_then(|column| self.record.get(column)).unwrap_or_default()
    }

    /// The cell of a pick as text; empty when it is missing.
    pub(super) fn text(&self, pick: usize) -> Cow<'_, str> {
        String::from_utf8_lossy(self.cell(pick))
    }

    /// The cell at a place in the file's order as text; empty when it is missing.
    pub(super) fn text_at(&self, column: usize) -> Cow<'_, str> {
        String::from_utf8_lossy(self.record.get(column).unwrap_or_default())
    }

    /// The cell of a pick as a number; NaN when it is missing.
    pub(super) fn number(&self, pick: usize) -> Result<f64, ReportError> {
        let cell = self.cell(pick);
        if cell.is_empty() {
            return Ok(f64::NAN);
        }
        let parsed = std::str::from_utf8(cell).ok().and_then(|text| text.trim().parse::<f64>().ok());
        parsed.ok_or_else(|| ReportError::Cell {
            path: self.path.clone(),
            line: self.record.position().map_or(0, csv::Position::line),
            column: self.picks[pick].map_or_else(String::new, |column| self.header[column].clone()),
            value: self.text(pick).into_owned(),
        })
    }
}

/// Reads `manifest.json`; gives `Null` when there is none.
pub(super) fn read_manifest(directory: &Path) -> Result<Value, ReportError> {
    let path = directory.join("manifest.json");
    match std::fs::read(&path) {
        Ok(bytes) => serde_json::from_slice(&bytes).map_err(|source| ReportError::Manifest { path, source }),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(Value::Null),
        Err(source) => Err(ReportError::Read { path, source }),
    }
}

/// Writes a file under a temporary name beside its place, then moves it there: a reader sees all of it or none.
pub(super) fn write_whole(path: &Path, content: &[u8]) -> Result<(), ReportError> {
    let failed = |source: std::io::Error| ReportError::Write { path: path.to_owned(), source };
    let folder = path.parent().unwrap_or(Path::new("."));
    let mut builder = tempfile::Builder::new();
    builder.prefix(".report-");
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        // Temporary files are private by default; a report is as readable as the user's other files.
        builder.permissions(std::fs::Permissions::from_mode(0o666));
    }
    let mut file = builder.tempfile_in(folder).map_err(failed)?;
    file.write_all(content).map_err(failed)?;
    file.persist(path).map_err(|error| failed(error.error))?;
    Ok(())
}
