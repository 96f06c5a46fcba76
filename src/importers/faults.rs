//! Recorded failures of nodes.

use std::collections::BTreeMap;
use std::path::Path;

use super::table::{ColumnName, CsvTable, required};
use super::{ImportError, Problems};
use crate::ids::NodeId;
use crate::model::faults::{Fault, FaultKind};
use crate::units::{SimDuration, SimTime};

const COLUMNS: &[ColumnName<'_>] = &[required("node"), required("start_s"), required("end_s")];
const NODE: usize = 0;
const START: usize = 1;
const END: usize = 2;

/// Appends the failures of a CSV file with the columns `node`, `start_s` and `end_s` (empty: for ever).
///
/// # Errors
/// Rows with times that are none, that end before they begin, or with names that are not among `nodes`.
pub fn read_failures(
    path: &Path,
    nodes: &BTreeMap<&str, NodeId>,
    faults: &mut Vec<Fault>,
) -> Result<(), Vec<ImportError>> {
    let mut problems = Problems::default();
    let Some(mut table) = CsvTable::open(path, COLUMNS, &mut problems) else { return problems.into_result(()) };
    while let Some(line) = table.next_row(&mut problems) {
        let Some(name) = table.text(NODE, line, &mut problems) else { continue };
        let Some(&node) = nodes.get(name) else {
            table.refuse(NODE, line, "is no node of the cluster at the start", "write the name of one", &mut problems);
            continue;
        };
        let Some(start) = instant(&table, START, line, &mut problems) else { continue };
        let span = match table.cell(END) {
            b"" => None,
            _ => match instant(&table, END, line, &mut problems) {
                Some(end) if end >= start => Some(end.since(start)),
                Some(_) => {
                    table.refuse(END, line, "is before the start", "write a later second", &mut problems);
                    continue;
                }
                None => continue,
            },
        };
        faults.push(Fault { at: start, span, kind: FaultKind::NodeDown(node) });
    }
    problems.into_result(())
}

fn instant(table: &CsvTable, column: usize, line: u64, problems: &mut Problems) -> Option<SimTime> {
    let text = table.text(column, line, problems)?;
    let span = SimDuration::parse(&format!("{text}s")).ok();
    if span.is_none() {
        table.refuse(column, line, "is no time", "write seconds since the start, such as 90 or 12.5", problems);
    }
    span.map(|span| SimTime::ZERO.after(span))
}

/// Appends what a spot trace says of the nodes of a pool: in each step the first of them, as many as were available, are
/// up, and the others are down.
///
/// # Errors
/// When the file is no such trace.
pub fn read_spot_trace(path: &Path, members: &[NodeId], faults: &mut Vec<Fault>) -> Result<(), Vec<ImportError>> {
    let mut problems = Problems::default();
    match spot_trace(path) {
        Ok((step, available)) => {
            for (number, &node) in members.iter().enumerate() {
                down_spans(step, &available, number as u64, node, faults);
            }
        }
        Err(why) => problems.push(&path.display().to_string(), 0, why),
    }
    problems.into_result(())
}

/// The step, and how many instances were available at each.
pub(super) fn spot_trace(path: &Path) -> Result<(SimDuration, Vec<u64>), String> {
    let text = std::fs::read(path).map_err(|error| format!("cannot be read: {error}"))?;
    let trace: serde_json::Value = serde_json::from_slice(&text).map_err(|error| format!("is not JSON: {error}"))?;
    let step = trace["metadata"]["gap_seconds"].as_f64().filter(|step| *step > 0.0);
    let step = SimDuration::from_seconds(step.ok_or("has no `metadata.gap_seconds` above 0")?);
    let counts = trace["data"].as_array().ok_or("has no list `data`")?;
    let counts = counts.iter().map(|count| count.as_u64().or_else(|| count.as_f64().map(|count| count as u64)));
    let counts: Option<Vec<u64>> = counts.collect();
    Ok((step, counts.ok_or("has something that is no number in `data`")?))
}

fn down_spans(step: SimDuration, available: &[u64], number: u64, node: NodeId, faults: &mut Vec<Fault>) {
    let mut since = None;
    for (index, &count) in available.iter().enumerate() {
        let now = SimTime(step.0.saturating_mul(index as u64));
        if count > number
            && let Some(at) = since.take()
        {
            faults.push(Fault { at, span: Some(now.since(at)), kind: FaultKind::NodeDown(node) });
        } else if count <= number && since.is_none() {
            since = Some(now);
        }
    }
    // What comes after the record is not known: the node stays as it was.
    faults.extend(since.map(|at| Fault { at, span: None, kind: FaultKind::NodeDown(node) }));
}

#[cfg(test)]
mod tests {
    use super::*;

    const S: u64 = 1_000_000_000;

    fn down(node: u32, from_s: u64, to_s: Option<u64>) -> Fault {
        let span = to_s.map(|to| SimDuration((to - from_s) * S));
        Fault { at: SimTime(from_s * S), span, kind: FaultKind::NodeDown(NodeId(node)) }
    }

    fn file(text: &str) -> tempfile::NamedTempFile {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), text).unwrap();
        file
    }

    #[test]
    fn failures_are_read() {
        let nodes = BTreeMap::from([("a", NodeId(0)), ("b", NodeId(1))]);
        let mut faults = Vec::new();
        let trace = file("node,start_s,end_s\na,10,20\nb,5,\n");
        read_failures(trace.path(), &nodes, &mut faults).unwrap();
        assert_eq!(faults, [down(0, 10, Some(20)), down(1, 5, None)]);
        for (row, said) in [
            ("c,1,2", "is no node of the cluster"),
            ("a,x,2", "is no time"),
            ("a,-1,2", "is no time"),
            ("a,3,2", "is before the start"),
        ] {
            let trace = file(&format!("node,start_s,end_s\n{row}\n"));
            let problems = read_failures(trace.path(), &nodes, &mut Vec::new()).unwrap_err();
            assert!(problems[0].message.contains(said) && problems[0].line == 2, "{problems:?}");
        }
    }

    /// Steps of 60 s with 2, 1, 0, 2 nodes available: the first is down from 120 to 180 s, the second from 60 on.
    #[test]
    fn spot_traces_are_read() {
        let trace = file(r#"{"metadata": {"gap_seconds": 60}, "data": [2, 1, 0, 2, 1]}"#);
        let mut faults = Vec::new();
        read_spot_trace(trace.path(), &[NodeId(7), NodeId(9)], &mut faults).unwrap();
        assert_eq!(faults, [down(7, 120, Some(180)), down(9, 60, Some(180)), down(9, 240, None)]);
        for text in ["", "{}", r#"{"metadata": {"gap_seconds": 0}, "data": []}"#] {
            assert!(read_spot_trace(file(text).path(), &[NodeId(0)], &mut Vec::new()).is_err(), "{text}");
        }
    }
}
