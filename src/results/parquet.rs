//! Tables as Parquet, for programs that read columns.
//!
//! Columns, their order and their names are those of the CSV file. Whole numbers are 64-bit integers, decimal numbers and
//! seconds are doubles (seconds are exact to the nanosecond up to 104 days, decimals are not rounded as in CSV), texts
//! are UTF-8; a missing value is null. Equal tables give equal bytes. Cost: the file is made in memory.

use std::io::{self, Write};
use std::ops::Range;
use std::sync::Arc;

use parquet::basic::{Compression, LogicalType, Repetition, Type as PhysicalType};
use parquet::data_type::{ByteArray, ByteArrayType, DoubleType, Int64Type};
use parquet::errors::ParquetError;
use parquet::file::properties::WriterProperties;
use parquet::file::writer::{SerializedColumnWriter, SerializedFileWriter};
use parquet::schema::types::Type;

use super::{Column, Table};
use crate::units::SimTime;

/// Rows of a row group: enough that its overhead does not count, few enough to be read piece by piece.
const GROUP_ROWS: usize = 1 << 20;

/// Writes a table as a Parquet file, compressed with Snappy.
///
/// # Errors
/// When `out` cannot be written.
pub(super) fn write(table: &Table, out: &mut dyn Write) -> io::Result<()> {
    out.write_all(&to_bytes(table, GROUP_ROWS).map_err(io::Error::other)?)
}

fn to_bytes(table: &Table, group_rows: usize) -> Result<Vec<u8>, ParquetError> {
    let fields = table.columns().map(|(name, column)| field(name, column).map(Arc::new)).collect::<Result<_, _>>()?;
    let schema = Type::group_type_builder("table").with_fields(fields).build()?;
    let properties = WriterProperties::builder().set_compression(Compression::SNAPPY).build();
    let mut writer = SerializedFileWriter::new(Vec::new(), Arc::new(schema), Arc::new(properties))?;
    for start in (0..table.rows()).step_by(group_rows) {
        let rows = start..table.rows().min(start + group_rows);
        let mut group = writer.next_row_group()?;
        for (_, column) in table.columns() {
            let mut cells = group.next_column()?.expect("the schema has a field for each column");
            write_column(column, rows.clone(), &mut cells)?;
            cells.close()?;
        }
        group.close()?;
    }
    writer.into_inner()
}

fn field(name: &str, column: &Column) -> Result<Type, ParquetError> {
    let unsigned = Some(LogicalType::integer(64, false));
    let (physical, logical, repetition) = match column {
        Column::Count(_) => (PhysicalType::INT64, unsigned, Repetition::REQUIRED),
        Column::MaybeCount(_) => (PhysicalType::INT64, unsigned, Repetition::OPTIONAL),
        Column::Integer(_) => (PhysicalType::INT64, None, Repetition::REQUIRED),
        Column::Number(_) | Column::Fixed(..) | Column::Seconds(_) => {
            (PhysicalType::DOUBLE, None, Repetition::OPTIONAL)
        }
        Column::Text(_) => (PhysicalType::BYTE_ARRAY, Some(LogicalType::String), Repetition::REQUIRED),
        Column::Dictionary { .. } => (PhysicalType::BYTE_ARRAY, Some(LogicalType::String), Repetition::OPTIONAL),
    };
    Type::primitive_type_builder(name, physical).with_logical_type(logical).with_repetition(repetition).build()
}

fn write_column(column: &Column, rows: Range<usize>, out: &mut SerializedColumnWriter<'_>) -> Result<(), ParquetError> {
    // Unsigned numbers are stored by their bits, which is what the format asks for.
    let bits = |value: u64| value as i64;
    match column {
        Column::Count(values) => {
            let values: Vec<i64> = values[rows].iter().map(|&value| bits(value)).collect();
            out.typed::<Int64Type>().write_batch(&values, None, None)?;
        }
        Column::Integer(values) => {
            out.typed::<Int64Type>().write_batch(&values[rows], None, None)?;
        }
        Column::MaybeCount(values) => {
            let (values, present) = present(values[rows].iter().map(|value| value.map(bits)));
            out.typed::<Int64Type>().write_batch(&values, Some(&present), None)?;
        }
        Column::Number(values) | Column::Fixed(_, values) => {
            let (values, present) = present(values[rows].iter().map(|&value| (!value.is_nan()).then_some(value)));
            out.typed::<DoubleType>().write_batch(&values, Some(&present), None)?;
        }
        Column::Seconds(values) => {
            let seconds = |time: &SimTime| (*time != SimTime::NEVER).then_some(time.0 as f64 / 1e9);
            let (values, present) = present(values[rows].iter().map(seconds));
            out.typed::<DoubleType>().write_batch(&values, Some(&present), None)?;
        }
        Column::Text(texts) => {
            let texts: Vec<ByteArray> = rows.map(|row| ByteArray::from(texts.get(row))).collect();
            out.typed::<ByteArrayType>().write_batch(&texts, None, None)?;
        }
        Column::Dictionary { codes, values } => {
            let texts: Vec<ByteArray> = values.iter().map(|text| ByteArray::from(text.as_str())).collect();
            let (values, present) = present(codes[rows].iter().map(|&code| texts.get(code as usize).cloned()));
            out.typed::<ByteArrayType>().write_batch(&values, Some(&present), None)?;
        }
    }
    Ok(())
}

/// The values that are there, and for each row 1 when it has one.
fn present<T>(values: impl Iterator<Item = Option<T>>) -> (Vec<T>, Vec<i16>) {
    let mut there = Vec::new();
    let levels = values
        .map(|value| {
            let level = i16::from(value.is_some());
            there.extend(value);
            level
        })
        .collect();
    (there, levels)
}

#[cfg(test)]
mod tests {
    use parquet::file::reader::{FileReader, SerializedFileReader};

    use super::*;

    /// The rows of a Parquet file as text, and its number of row groups.
    fn read(bytes: Vec<u8>) -> (Vec<String>, usize) {
        let reader = SerializedFileReader::new(bytes::Bytes::from(bytes)).unwrap();
        let rows = reader.get_row_iter(None).unwrap().map(|row| row.unwrap().to_string()).collect();
        (rows, reader.num_row_groups())
    }

    #[test]
    fn every_kind_of_cell_is_read_back() {
        let table = Table::new()
            .with("count", Column::Count(vec![1, u64::MAX]))
            .with("maybe", Column::MaybeCount(vec![None, Some(7)]))
            .with("integer", Column::Integer(vec![-1, i64::MIN]))
            .with("number", Column::Number(vec![0.1, f64::NAN]))
            .with("fixed", Column::Fixed(2, vec![0.126, 3.0]))
            .with("time_s", Column::Seconds(vec![SimTime(1_050_000_000), SimTime::NEVER]))
            .with("text", Column::Text(["a,b", "say \"é\""].into_iter().collect()))
            .with("kind", Column::Dictionary { codes: vec![0, 9], values: vec!["k".into()] });
        let expected = [
            "{count: 1, maybe: null, integer: -1, number: 0.1, fixed: 0.126, time_s: 1.05, text: \"a,b\", kind: \"k\"}",
            "{count: 18446744073709551615, maybe: 7, integer: -9223372036854775808, number: null, fixed: 3.0, \
             time_s: null, text: \"say \"é\"\", kind: null}",
        ];
        for (group_rows, groups) in [(1, 2), (2, 1), (GROUP_ROWS, 1)] {
            let bytes = to_bytes(&table, group_rows).unwrap();
            assert_eq!(bytes, to_bytes(&table, group_rows).unwrap());
            let (rows, found) = read(bytes);
            assert_eq!(rows, expected);
            assert_eq!(found, groups);
        }
    }

    #[test]
    fn empty_tables_keep_their_columns() {
        let table = Table::new().with("x", Column::Count(Vec::new()));
        let bytes = to_bytes(&table, GROUP_ROWS).unwrap();
        let reader = SerializedFileReader::new(bytes::Bytes::from(bytes)).unwrap();
        assert_eq!(reader.metadata().file_metadata().schema().get_fields()[0].name(), "x");
        assert_eq!(reader.metadata().file_metadata().num_rows(), 0);
    }
}
