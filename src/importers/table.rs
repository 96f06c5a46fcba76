//! Reading of CSV with a heading: columns by name, cells as numbers, every message with its place.
//!
//! Accepts gzip (recognised by its first bytes), a byte-order mark, CRLF, quoted fields, columns in any order, and
//! columns that nobody asked for. Fields are separated by commas; by semicolons or tabs where the heading has no comma.

use std::fs::File;
use std::io::{BufRead, BufReader, Read};
use std::path::Path;

use super::Problems;

/// A CSV file, read row by row.
pub(super) struct CsvTable {
    reader: csv::Reader<Box<dyn Read>>,
    record: csv::ByteRecord,
    file: String,
    /// Position of each column asked for; none when the file lacks an optional one.
    positions: Vec<Option<usize>>,
    /// Names of the columns asked for.
    names: Vec<String>,
    column_count: usize,
}

/// A column by name, and whether a file may lack it.
#[derive(Clone, Copy, Debug)]
pub(super) struct ColumnName<'n> {
    pub(super) name: &'n str,
    pub(super) required: bool,
}

/// A column that must be there.
pub(super) const fn required(name: &str) -> ColumnName<'_> {
    ColumnName { name, required: true }
}

/// A column that may be absent.
pub(super) const fn optional(name: &str) -> ColumnName<'_> {
    ColumnName { name, required: false }
}

impl CsvTable {
    /// Opens a file and finds its columns; none after a problem.
    pub(super) fn open(path: &Path, columns: &[ColumnName<'_>], problems: &mut Problems) -> Option<CsvTable> {
        let file = path.display().to_string();
        match open(path) {
            Ok(bytes) => CsvTable::of_bytes(file, bytes, columns, problems),
            Err(why) => {
                problems.push(&file, 0, why);
                None
            }
        }
    }

    /// The same of bytes at hand, under the name that messages call them.
    pub(super) fn of_bytes(
        file: String,
        bytes: Box<dyn Read>,
        columns: &[ColumnName<'_>],
        problems: &mut Problems,
    ) -> Option<CsvTable> {
        let mut reader = reader(bytes);
        let heading: Vec<String> = match reader.byte_headers() {
            Ok(fields) => fields.iter().map(|field| String::from_utf8_lossy(field).trim().to_owned()).collect(),
            Err(error) => {
                problems.push(&file, 1, explain(&error));
                return None;
            }
        };
        let positions: Vec<Option<usize>> =
            columns.iter().map(|column| heading.iter().position(|name| name == column.name)).collect();
        let missing: Vec<&str> = columns
            .iter()
            .zip(&positions)
            .filter(|(column, position)| column.required && position.is_none())
            .map(|(column, _)| column.name)
            .collect();
        if !missing.is_empty() {
            problems.push(&file, 1, missing_columns(&missing, columns, &heading));
            return None;
        }
        for (position, name) in heading.iter().enumerate() {
            if columns.iter().any(|column| column.name == name) && heading[..position].contains(name) {
                problems.push(&file, 1, format!("the heading has the column `{name}` twice: rename or remove one"));
                return None;
            }
        }
        let (record, column_count) = (csv::ByteRecord::new(), heading.len());
        let names = columns.iter().map(|column| column.name.to_owned()).collect();
        Some(CsvTable { reader, record, file, positions, names, column_count })
    }

    /// The name of the file, for messages.
    pub(super) fn file(&self) -> &str {
        &self.file
    }

    /// Moves to the next row that has all fields; rows that have not are reported. Returns its line.
    pub(super) fn next_row(&mut self, problems: &mut Problems) -> Option<u64> {
        while !problems.is_full() {
            match self.reader.read_byte_record(&mut self.record) {
                Ok(false) => return None,
                Ok(true) => {
                    // Rows always end with a line feed (see `reader`), so the reader stands one line behind the row.
                    let inner_lines = self.record.as_slice().iter().filter(|&&byte| byte == b'\n').count() as u64;
                    let line = self.reader.position().line().saturating_sub(1 + inner_lines);
                    if self.record.len() == self.column_count {
                        return Some(line);
                    }
                    if self.record.as_slice().trim_ascii().is_empty() && self.record.len() == 1 {
                        continue;
                    }
                    let message = format!(
                        "{} fields where the heading has {}: the row is damaged, or the file was cut off here; copy the file again",
                        self.record.len(),
                        self.column_count
                    );
                    problems.push(&self.file, line, message);
                }
                Err(error) => {
                    let line = error.position().map_or(self.reader.position().line(), csv::Position::line);
                    problems.push(&self.file, line, explain(&error));
                    return None;
                }
            }
        }
        None
    }

    /// Whether the file has the column.
    pub(super) fn has(&self, column: usize) -> bool {
        self.positions[column].is_some()
    }

    /// The bytes of a cell without blanks around them; empty when the file lacks the column.
    pub(super) fn cell(&self, column: usize) -> &[u8] {
        self.positions[column].map_or(b"", |position| self.record[position].trim_ascii())
    }

    /// The text of a cell; what is not UTF-8 is reported.
    pub(super) fn text(&self, column: usize, line: u64, problems: &mut Problems) -> Option<&str> {
        match std::str::from_utf8(self.cell(column)) {
            Ok(text) => Some(text),
            Err(_) => {
                self.refuse(column, line, "is not UTF-8 text", "save the file as UTF-8", problems);
                None
            }
        }
    }

    /// The whole number of a cell, at most `max`; anything else is reported with what the column means.
    pub(super) fn number(
        &self,
        column: usize,
        line: u64,
        max: u64,
        meaning: &str,
        problems: &mut Problems,
    ) -> Option<u64> {
        let cell = self.cell(column);
        let number = digits(cell);
        if number.is_some_and(|number| number <= max) {
            return number;
        }
        let why = match cell {
            b"" => "is empty".to_owned(),
            [b'-', ..] => "is negative".to_owned(),
            _ if number.is_some() || cell.iter().all(u8::is_ascii_digit) => format!("is more than {max}"),
            _ => "is not a whole number".to_owned(),
        };
        self.refuse(column, line, &why, &format!("write {meaning}"), problems);
        None
    }

    /// The number of a cell, not negative and not beyond reason.
    pub(super) fn amount(&self, column: usize, line: u64, problems: &mut Problems) -> Option<f64> {
        const MOST: f64 = 1e18;
        let number = self.text(column, line, problems)?.parse().ok().filter(|number| (0.0..=MOST).contains(number));
        if number.is_none() {
            self.refuse(column, line, "is no amount", "write a number of at least 0", problems);
        }
        number
    }

    /// Reports that a cell cannot be used.
    pub(super) fn refuse(&self, column: usize, line: u64, why: &str, fix: &str, problems: &mut Problems) {
        let cell = self.cell(column);
        let shown = String::from_utf8_lossy(&cell[..cell.len().min(40)]);
        let name = &self.names[column];
        problems.push(&self.file, line, format!("column `{name}`: `{}` {why}; {fix}", shown.escape_debug()));
    }
}

/// The columns of a file's heading; none when it cannot be read.
pub(super) fn heading(path: &Path) -> Result<Vec<String>, String> {
    let mut reader = reader(open(path)?);
    let fields = reader.byte_headers().map_err(|error| explain(&error))?;
    Ok(fields.iter().map(|field| String::from_utf8_lossy(field).trim().to_owned()).collect())
}

/// A whole text file, unpacked where it is gzip.
pub(super) fn text(path: &Path) -> Result<String, String> {
    let mut text = String::new();
    open(path)?.read_to_string(&mut text).map_err(|error| format!("cannot be read: {error}"))?;
    Ok(text)
}

/// A CSV reader whose rows end with a line feed and nothing else, so that lines can be counted: a carriage return before
/// it is trimmed with the blanks of its cell, and a file without an end of line is given one.
fn reader(bytes: Box<dyn Read>) -> csv::Reader<Box<dyn Read>> {
    let mut terminated = BufReader::new(bytes.chain(b"\n".as_slice()));
    // What cannot be read is met again, and reported, by who reads on.
    let separator = terminated.fill_buf().map_or(b',', separator);
    let mut builder = csv::ReaderBuilder::new();
    builder.flexible(true).delimiter(separator).terminator(csv::Terminator::Any(b'\n'));
    builder.from_reader(Box::new(terminated))
}

/// What separates the fields of a heading.
fn separator(start: &[u8]) -> u8 {
    let heading = start.split(|byte| *byte == b'\n').next().unwrap_or_default();
    [b',', b';', b'\t'].into_iter().find(|separator| heading.contains(separator)).unwrap_or(b',')
}

fn open(path: &Path) -> Result<Box<dyn Read>, String> {
    let refuse = |error: std::io::Error| match error.kind() {
        std::io::ErrorKind::NotFound => "no such file".to_owned(),
        std::io::ErrorKind::IsADirectory => "is a directory; name a CSV file".to_owned(),
        _ => format!("cannot be read: {error}"),
    };
    let mut reader = BufReader::with_capacity(1 << 16, File::open(path).map_err(refuse)?);
    let is_gzip = reader.fill_buf().map_err(refuse)?.starts_with(&[0x1f, 0x8b]);
    Ok(if is_gzip { Box::new(flate2::bufread::MultiGzDecoder::new(reader)) } else { Box::new(reader) })
}

fn explain(error: &csv::Error) -> String {
    match error.kind() {
        csv::ErrorKind::Io(error) if error.kind() == std::io::ErrorKind::UnexpectedEof => {
            "the gzip data ends too early: copy the file again".to_owned()
        }
        csv::ErrorKind::Io(error) => format!("cannot be read on: {error}; copy the file again"),
        _ => format!("is not CSV: {error}"),
    }
}

fn missing_columns(missing: &[&str], columns: &[ColumnName<'_>], heading: &[String]) -> String {
    let all: Vec<&str> = columns.iter().filter(|column| column.required).map(|column| column.name).collect();
    let shown: String = heading.join(",").chars().take(120).collect();
    let (noun, verb) = if missing.len() == 1 { ("column", "is") } else { ("columns", "are") };
    format!(
        "the {noun} `{}` {verb} missing from the heading `{}`; it needs {}",
        missing.join("`, `"),
        shown.escape_debug(),
        all.join(",")
    )
}

/// The number that ASCII digits write.
fn digits(cell: &[u8]) -> Option<u64> {
    if cell.is_empty() {
        return None;
    }
    cell.iter().try_fold(0u64, |number, byte| {
        let digit = byte.wrapping_sub(b'0');
        if digit > 9 { None } else { number.checked_mul(10)?.checked_add(u64::from(digit)) }
    })
}
