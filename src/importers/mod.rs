//! Public trace formats into the model, streaming: no file is held in memory as a whole, but for the spans of call graphs.
//!
//! One file per format, and one row in [`IMPORTERS`]. Importers collect what is wrong instead of stopping at the first
//! problem, and say of every problem where it is and how to put it right. Cost: about 0.3 us a row.
//!
//! Invariants: equal bytes and equal seed give an equal model; no input panics; an importer that reports a problem has
//! left its targets in no useful state, so the caller throws them away.

#![allow(clippy::disallowed_methods, reason = "input files are read here, before the core starts")]

pub mod call_graph;
pub mod catalogue;
pub mod faults;
pub mod functions;
pub mod instant;
pub mod openb;
pub mod requests;
pub mod spot;
pub mod synthetic;
mod table;
pub mod usage;

use std::path::Path;

use crate::model::{Cluster, Workload};
use crate::rng::Seed;

/// Most problems that are listed; after these, reading stops.
pub const PROBLEMS_MAX: usize = 100;

/// One thing that is wrong with an imported file.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{file}:{}{message}", Line(*.line))]
pub struct ImportError {
    /// The file as it was named.
    pub file: String,
    /// Line from 1; 0 stands for the file as a whole.
    pub line: u64,
    /// What is wrong and how to put it right.
    pub message: String,
}

/// The part of a message between file name and text.
struct Line(u64);

impl std::fmt::Display for Line {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if self.0 == 0 { f.write_str(" ") } else { write!(f, "{}: ", self.0) }
    }
}

/// A format that can be imported.
#[derive(Clone, Copy, Debug)]
pub struct Importer {
    /// Name on the command line.
    pub name: &'static str,
    /// What the format is, in a line.
    pub summary: &'static str,
    /// Where it is published.
    pub source: &'static str,
    /// Which files are expected.
    pub files: &'static str,
    /// Reads the files with default options.
    pub read: Reader,
}

/// What becomes of files.
#[derive(Clone, Copy, Debug)]
pub enum Reader {
    /// A cluster and a workload.
    Trace(ReadFiles),
    /// Spans, of which [`call_graph::scenario`] makes a scenario file.
    Spans(ReadSpans),
}

impl Reader {
    /// What is written in the end, in a few words.
    pub fn result(self) -> &'static str {
        match self {
            Reader::Trace(_) => "nodes.csv and pods.csv",
            Reader::Spans(_) => "a scenario file",
        }
    }
}

/// Reads files of one format into a cluster and a workload.
pub type ReadFiles = fn(&[&Path], Seed) -> Result<(Cluster, Workload), Vec<ImportError>>;

/// Reads spans.
pub type ReadSpans = fn(&[&Path]) -> Result<call_graph::Spans, Vec<ImportError>>;

/// Every format, by name.
pub const IMPORTERS: &[Importer] = &[
    Importer {
        name: "alibaba-call-graph",
        summary: "call graphs of microservices of 2022, as services that call each other",
        source: "github.com/alibaba/clusterdata, cluster-trace-microservices-v2022 (Luo et al., SoCC 2022)",
        files: "tables of calls (graph,rpc_id,dm,rpctype,start_ms,finish_ms,...)",
        read: Reader::Spans(call_graph::read_alibaba),
    },
    Importer {
        name: "jaeger-csv",
        summary: "spans such as those of DeathStarBench, as services that call each other",
        source: "github.com/Sachin-A/TraceWeaver (Ashok et al., SIGCOMM 2024), its Jaeger spans one a row",
        files: "tables of spans (trace,span,parent,service,operation,kind,start_us,duration_us)",
        read: Reader::Spans(call_graph::read_jaeger),
    },
    Importer {
        name: "nezha",
        summary: "spans of Online Boutique by pod, as services that call each other",
        source: "github.com/IntelligentDDS/Nezha (Yu et al., ESEC/FSE 2023)",
        files: "tables of spans (trace,span,parent,pod,operation,start_unix_ns,duration_us)",
        read: Reader::Spans(call_graph::read_nezha),
    },
    Importer {
        name: "openb",
        summary: "GPU cluster trace of 2023: nodes with GPUs by model, pods that share GPUs",
        source: "github.com/alibaba/clusterdata, cluster-trace-gpu-v2023 (Weng et al., USENIX ATC 2023)",
        files: "a node list (sn,cpu_milli,memory_mib,gpu,model) and a pod list (name,cpu_milli,memory_mib,num_gpu,gpu_milli,...)",
        read: Reader::Trace(openb::read),
    },
];

/// The importer of that name.
pub fn find(name: &str) -> Option<&'static Importer> {
    IMPORTERS.iter().find(|importer| importer.name == name)
}

/// The problems of one import, no more than [`PROBLEMS_MAX`].
#[derive(Debug, Default)]
struct Problems {
    list: Vec<ImportError>,
}

impl Problems {
    /// Adds a problem; line 0 stands for the whole file.
    fn push(&mut self, file: &str, line: u64, message: impl Into<String>) {
        let (line, message) = match self.list.len() + 1 {
            0..PROBLEMS_MAX => (line, message.into()),
            PROBLEMS_MAX => (0, "there are more problems, which are not listed: reading stopped here".to_owned()),
            _ => return,
        };
        self.list.push(ImportError { file: file.to_owned(), line, message });
    }

    /// Whether no more problems are kept, so that reading on is of no use.
    fn is_full(&self) -> bool {
        self.list.len() >= PROBLEMS_MAX
    }

    /// `value`, unless there was a problem.
    fn into_result<T>(self, value: T) -> Result<T, Vec<ImportError>> {
        if self.list.is_empty() { Ok(value) } else { Err(self.list) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_unique_and_found() {
        for importer in IMPORTERS {
            assert_eq!(find(importer.name).map(|found| found.summary), Some(importer.summary));
        }
        assert!(find("nothing").is_none());
        assert!(IMPORTERS.windows(2).all(|pair| pair[0].name < pair[1].name));
    }

    #[test]
    fn problems_are_limited() {
        let mut problems = Problems::default();
        for line in 1..=500 {
            problems.push("f", line, "x");
        }
        assert_eq!(problems.list.len(), PROBLEMS_MAX);
        assert_eq!(problems.list[0].to_string(), "f:1: x");
        assert!(problems.list[PROBLEMS_MAX - 1].to_string().starts_with("f: there are more problems"));
    }
}
