//! Plain tables of typed columns, written as CSV or Parquet.
//!
//! A table of a million pods is a dozen dense columns, not a million rows of strings; text is kept in one arena or as
//! codes into a dictionary. Cost: about 10 ns a cell when written.

use std::io::{self, Write};

use crate::units::SimTime;

/// A table: named columns of one length.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Table {
    columns: Vec<(String, Column)>,
}

/// One column. Missing values are written as empty cells.
#[derive(Clone, Debug, PartialEq)]
pub enum Column {
    /// Whole numbers.
    Count(Vec<u64>),
    /// Whole numbers, some missing.
    MaybeCount(Vec<Option<u64>>),
    /// Signed whole numbers.
    Integer(Vec<i64>),
    /// Decimal numbers in their shortest exact form; NaN stands for a missing value.
    Number(Vec<f64>),
    /// Decimal numbers with a fixed number of decimals; NaN stands for a missing value.
    Fixed(usize, Vec<f64>),
    /// Instants in seconds, exact to the nanosecond; [`SimTime::NEVER`] stands for a missing value.
    Seconds(Vec<SimTime>),
    /// Texts that mostly differ from each other.
    Text(TextColumn),
    /// Texts that repeat: positions in a list of values; a position past the list stands for a missing value.
    Dictionary {
        /// One position in `values` a row.
        codes: Vec<u32>,
        /// The distinct texts.
        values: Vec<String>,
    },
}

/// Texts in one arena.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct TextColumn {
    bytes: String,
    ends: Vec<u64>,
}

impl TextColumn {
    /// Appends one text.
    pub fn push(&mut self, text: &str) {
        self.bytes.push_str(text);
        self.ends.push(self.bytes.len() as u64);
    }

    /// Appends one text made by formatting, without an intermediate string.
    pub fn push_fmt(&mut self, text: std::fmt::Arguments<'_>) {
        use std::fmt::Write as _;
        self.bytes.write_fmt(text).expect("writing to a string cannot fail");
        self.ends.push(self.bytes.len() as u64);
    }

    /// How many texts there are.
    pub fn len(&self) -> usize {
        self.ends.len()
    }

    /// Whether there is no text.
    pub fn is_empty(&self) -> bool {
        self.ends.is_empty()
    }

    /// The text at `row`.
    ///
    /// # Panics
    /// When there is no such row.
    pub fn get(&self, row: usize) -> &str {
        let start = if row == 0 { 0 } else { self.ends[row - 1] as usize };
        &self.bytes[start..self.ends[row] as usize]
    }
}

impl<S: AsRef<str>> FromIterator<S> for TextColumn {
    fn from_iter<I: IntoIterator<Item = S>>(texts: I) -> Self {
        let mut column = TextColumn::default();
        for text in texts {
            column.push(text.as_ref());
        }
        column
    }
}

impl Column {
    /// How many rows the column has.
    pub fn len(&self) -> usize {
        match self {
            Column::Count(values) => values.len(),
            Column::MaybeCount(values) => values.len(),
            Column::Integer(values) => values.len(),
            Column::Number(values) | Column::Fixed(_, values) => values.len(),
            Column::Seconds(values) => values.len(),
            Column::Text(texts) => texts.len(),
            Column::Dictionary { codes, .. } => codes.len(),
        }
    }

    /// Whether the column has no row.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    fn write_cell(&self, row: usize, out: &mut Vec<u8>) {
        let mut digits = itoa::Buffer::new();
        match self {
            Column::Count(values) => out.extend_from_slice(digits.format(values[row]).as_bytes()),
            Column::MaybeCount(values) => {
                if let Some(value) = values[row] {
                    out.extend_from_slice(digits.format(value).as_bytes());
                }
            }
            Column::Integer(values) => out.extend_from_slice(digits.format(values[row]).as_bytes()),
            Column::Number(values) if !values[row].is_nan() => write_to(out, format_args!("{}", values[row])),
            Column::Fixed(decimals, values) if !values[row].is_nan() => {
                write_to(out, format_args!("{:.*}", decimals, values[row]));
            }
            Column::Number(_) | Column::Fixed(..) => {}
            Column::Seconds(values) => write_seconds(values[row], &mut digits, out),
            Column::Text(texts) => write_text(texts.get(row), out),
            Column::Dictionary { codes, values } => {
                if let Some(text) = values.get(codes[row] as usize) {
                    write_text(text, out);
                }
            }
        }
    }
}

fn write_to(out: &mut Vec<u8>, text: std::fmt::Arguments<'_>) {
    out.write_fmt(text).expect("writing to memory cannot fail");
}

fn write_seconds(time: SimTime, digits: &mut itoa::Buffer, out: &mut Vec<u8>) {
    if time == SimTime::NEVER {
        return;
    }
    let (seconds, nanos) = (time.0 / 1_000_000_000, time.0 % 1_000_000_000);
    out.extend_from_slice(digits.format(seconds).as_bytes());
    if nanos > 0 {
        out.push(b'.');
        let decimals = digits.format(nanos + 1_000_000_000).as_bytes();
        let length = decimals.iter().rposition(|&digit| digit != b'0').unwrap_or(0);
        out.extend_from_slice(&decimals[1..=length]);
    }
}

/// Writes a text as a CSV cell, quoted where RFC 4180 asks for it.
fn write_text(text: &str, out: &mut Vec<u8>) {
    if text.bytes().any(|byte| matches!(byte, b',' | b'"' | b'\n' | b'\r')) {
        out.push(b'"');
        out.extend_from_slice(text.replace('"', "\"\"").as_bytes());
        out.push(b'"');
    } else {
        out.extend_from_slice(text.as_bytes());
    }
}

impl Table {
    /// A table without columns.
    pub fn new() -> Table {
        Table::default()
    }

    /// Adds a column at the right.
    ///
    /// # Panics
    /// When its length differs from the other columns', or the name is taken.
    #[must_use]
    pub fn with(mut self, name: &str, column: Column) -> Table {
        assert!(self.columns.iter().all(|(other, _)| other != name), "column {name} is there twice");
        if let Some((_, first)) = self.columns.first() {
            assert_eq!(first.len(), column.len(), "column {name} has another length");
        }
        self.columns.push((name.to_owned(), column));
        self
    }

    /// How many rows the table has.
    pub fn rows(&self) -> usize {
        self.columns.first().map_or(0, |(_, column)| column.len())
    }

    /// Names and columns from left to right.
    pub fn columns(&self) -> impl Iterator<Item = (&str, &Column)> {
        self.columns.iter().map(|(name, column)| (name.as_str(), column))
    }

    /// The column of that name.
    pub fn column(&self, name: &str) -> Option<&Column> {
        self.columns.iter().find(|(other, _)| other == name).map(|(_, column)| column)
    }

    /// Writes the table as CSV with a header, lines ended by `\n`.
    ///
    /// # Errors
    /// When `out` cannot be written.
    pub fn write_csv(&self, out: &mut dyn Write) -> io::Result<()> {
        const FLUSH_BYTES: usize = 1 << 16;
        let mut buffer = Vec::with_capacity(FLUSH_BYTES + 4096);
        for (position, (name, _)) in self.columns.iter().enumerate() {
            if position > 0 {
                buffer.push(b',');
            }
            write_text(name, &mut buffer);
        }
        buffer.push(b'\n');
        for row in 0..self.rows() {
            for (position, (_, column)) in self.columns.iter().enumerate() {
                if position > 0 {
                    buffer.push(b',');
                }
                column.write_cell(row, &mut buffer);
            }
            buffer.push(b'\n');
            if buffer.len() >= FLUSH_BYTES {
                out.write_all(&buffer)?;
                buffer.clear();
            }
        }
        out.write_all(&buffer)
    }

    /// Writes the table as a Parquet file.
    ///
    /// # Errors
    /// When `out` cannot be written.
    pub fn write_parquet(&self, out: &mut dyn Write) -> io::Result<()> {
        super::parquet::write(self, out)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn csv(table: &Table) -> String {
        let mut out = Vec::new();
        table.write_csv(&mut out).expect("memory can be written");
        String::from_utf8(out).expect("CSV is text")
    }

    #[test]
    fn every_kind_of_cell_is_written_exactly() {
        let table = Table::new()
            .with("count", Column::Count(vec![1, 2]))
            .with("maybe", Column::MaybeCount(vec![None, Some(7)]))
            .with("number", Column::Number(vec![0.1, f64::NAN]))
            .with("fixed", Column::Fixed(2, vec![0.126, 3.0]))
            .with("time_s", Column::Seconds(vec![SimTime(1_050_000_000), SimTime::NEVER]))
            .with("text", Column::Text(["a,b", "say \"x\""].into_iter().collect()))
            .with("kind", Column::Dictionary { codes: vec![0, 9], values: vec!["k".into()] });
        assert_eq!(
            csv(&table),
            "count,maybe,number,fixed,time_s,text,kind\n1,,0.1,0.13,1.05,\"a,b\",k\n2,7,,3.00,,\"say \"\"x\"\"\",\n"
        );
    }

    #[test]
    #[should_panic(expected = "another length")]
    fn columns_of_different_length_are_a_bug() {
        let _ = Table::new().with("a", Column::Count(vec![1])).with("b", Column::Count(vec![]));
    }
}
