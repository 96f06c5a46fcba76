//! How spans are written: one reader a format.

use std::path::Path;

use super::super::table::{ColumnName, CsvTable, optional, required};
use super::super::{ImportError, Problems};
use super::spans::{Collector, Row, Side, Spans};

/// Later instants and longer durations are mistakes; in ns, so that sums stay far from overflow.
const INSTANT_MAX_NS: u64 = 1 << 62;

/// Adds the row that a table stands at; none after a problem.
type AddRow = fn(&CsvTable, u64, &mut Collector, &mut Problems) -> Option<()>;

fn read(
    files: &[&Path],
    columns: &'static [ColumnName],
    mut collector: Collector,
    add: AddRow,
) -> Result<Spans, Vec<ImportError>> {
    let mut problems = Problems::default();
    for file in files {
        let Some(mut table) = CsvTable::open(file, columns, &mut problems) else { continue };
        collector.begin_file(table.file());
        while let Some(line) = table.next_row(&mut problems) {
            let _ = add(&table, line, &mut collector, &mut problems);
        }
    }
    collector.finish(problems)
}

/// A text that says something.
fn name<'t>(table: &'t CsvTable, column: usize, line: u64, what: &str, problems: &mut Problems) -> Option<&'t str> {
    let text = table.text(column, line, problems)?;
    if text.is_empty() {
        table.refuse(column, line, "is empty", &format!("write {what}"), problems);
        return None;
    }
    Some(text)
}

/// A time in units of so many ns.
fn time_ns(table: &CsvTable, column: usize, line: u64, unit: (u64, &str), problems: &mut Problems) -> Option<u64> {
    let (unit_ns, meaning) = unit;
    Some(table.number(column, line, INSTANT_MAX_NS / unit_ns, meaning, problems)? * unit_ns)
}

/// Call graphs of Alibaba's microservices, 2022: `graph,service,rpc_id,um,dm,rpctype,start_ms,finish_ms`.
///
/// `rpc_id` is the path in the tree of calls: 0.1.2 is a call that 0.1 makes. Names of interfaces are not published, so
/// `rpctype` stands for the operation of the callee `dm`. Calls of type `mq` are messages for whose processing nobody waits.
///
/// # Errors
/// All problems of the files.
pub fn read_alibaba(files: &[&Path]) -> Result<Spans, Vec<ImportError>> {
    const COLUMNS: &[ColumnName] = &[
        required("graph"),
        required("rpc_id"),
        required("dm"),
        required("rpctype"),
        required("start_ms"),
        required("finish_ms"),
    ];
    read(files, COLUMNS, Collector::new(false, false), |table, line, collector, problems| {
        let trace = name(table, 0, line, "the graph that the call belongs to", problems)?;
        let span = name(table, 1, line, "the path of the call, such as 0.1.2", problems)?;
        let service = name(table, 2, line, "the service that is called", problems)?;
        let operation = name(table, 3, line, "the type of the call, such as rpc", problems)?;
        let start_ns = time_ns(table, 4, line, (1_000_000, "the milliseconds of its start"), problems)?;
        let end_ns = time_ns(table, 5, line, (1_000_000, "the milliseconds of its end"), problems)?;
        if end_ns < start_ns {
            table.refuse(5, line, "is before the start", "exchange them, or remove the row", problems);
            return None;
        }
        let side = if operation == "mq" { Side::Consumer } else { Side::Internal };
        let parent = span.rsplit_once('.').map_or("", |(parent, _)| parent);
        let duration_ns = end_ns - start_ns;
        let row = Row { trace, span, parent, service, operation, side, start_ns, duration_ns };
        collector.add(&row, line, problems);
        Some(())
    })
}

/// Jaeger's spans, one a row: `trace,span,parent,service,operation,kind,start_us,duration_us`.
///
/// `parent` is empty for a root. `kind` is OpenTelemetry's (client, server, producer, consumer, internal), or empty; a file may
/// lack it.
///
/// # Errors
/// All problems of the files.
pub fn read_jaeger(files: &[&Path]) -> Result<Spans, Vec<ImportError>> {
    const COLUMNS: &[ColumnName] = &[
        required("trace"),
        required("span"),
        required("parent"),
        required("service"),
        required("operation"),
        optional("kind"),
        required("start_us"),
        required("duration_us"),
    ];
    read(files, COLUMNS, Collector::new(true, true), |table, line, collector, problems| {
        let trace = name(table, 0, line, "the trace that the span belongs to", problems)?;
        let span = name(table, 1, line, "the name of the span", problems)?;
        let parent = table.text(2, line, problems)?;
        let service = name(table, 3, line, "the service that did it", problems)?;
        let operation = name(table, 4, line, "what was done", problems)?;
        let side = side(table, 5, line, problems)?;
        let start_ns = time_ns(table, 6, line, (1000, "the microseconds of its start"), problems)?;
        let duration_ns = time_ns(table, 7, line, (1000, "the microseconds that it took"), problems)?;
        let row = Row { trace, span, parent, service, operation, side, start_ns, duration_ns };
        collector.add(&row, line, problems);
        Some(())
    })
}

fn side(table: &CsvTable, column: usize, line: u64, problems: &mut Problems) -> Option<Side> {
    Some(match table.cell(column) {
        b"" => Side::Unknown,
        b"client" | b"producer" => Side::Client,
        b"server" => Side::Server,
        b"consumer" => Side::Consumer,
        b"internal" => Side::Internal,
        _ => {
            let fix = "write client, server, producer, consumer, internal or nothing";
            table.refuse(column, line, "is no kind of span", fix, problems);
            return None;
        }
    })
}

/// Nezha's spans of Online Boutique: `trace,span,parent,pod,operation,start_unix_ns,duration_us`.
///
/// The service is the pod's name without the two parts that a Deployment adds.
///
/// # Errors
/// All problems of the files.
pub fn read_nezha(files: &[&Path]) -> Result<Spans, Vec<ImportError>> {
    const COLUMNS: &[ColumnName] = &[
        required("trace"),
        required("span"),
        required("parent"),
        required("pod"),
        required("operation"),
        required("start_unix_ns"),
        required("duration_us"),
    ];
    read(files, COLUMNS, Collector::new(true, true), |table, line, collector, problems| {
        let trace = name(table, 0, line, "the trace that the span belongs to", problems)?;
        let span = name(table, 1, line, "the name of the span", problems)?;
        let parent = table.text(2, line, problems)?;
        let service = service_of(name(table, 3, line, "the pod that did it", problems)?);
        let operation = name(table, 4, line, "what was done", problems)?;
        let start_ns = time_ns(table, 5, line, (1, "the nanoseconds of its start"), problems)?;
        let duration_ns = time_ns(table, 6, line, (1000, "the microseconds that it took"), problems)?;
        let row = Row { trace, span, parent, service, operation, side: Side::Unknown, start_ns, duration_ns };
        collector.add(&row, line, problems);
        Some(())
    })
}

/// The name of a Deployment, from that of one of its pods: `web` of `web-5d4f8c7b9d-x2x7k`. Other names stay as they are.
pub(super) fn service_of(pod: &str) -> &str {
    let is_suffix = |text: &str| text.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit());
    let mut parts = pod.rsplitn(3, '-');
    match (parts.next(), parts.next(), parts.next()) {
        (Some(random), Some(hash), Some(name))
            if random.len() == 5
                && (6..=10).contains(&hash.len())
                && is_suffix(random)
                && is_suffix(hash)
                && hash.bytes().any(|byte| byte.is_ascii_digit()) =>
        {
            name
        }
        _ => pod,
    }
}
