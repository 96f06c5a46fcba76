//! Many runs, each in a child process of its own, so that peak memory is that of one workload and no run warms another.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde::{Deserialize, Serialize};

use super::measure::{Case, Measurement};
use crate::results::Host;
use crate::results::manifest::{COMMIT, VERSION};
use crate::stats::quantile;

/// Why a run gave no figures.
#[derive(Debug, thiserror::Error)]
pub enum SuiteError {
    /// The program could not be started.
    #[error("cannot start `{}`: {cause}", program.display())]
    Start {
        /// The program.
        program: PathBuf,
        /// What the system said.
        cause: std::io::Error,
    },
    /// The program failed.
    #[error("`{}` failed on {case} ({status}): {stderr}", program.display())]
    Failed {
        /// The program.
        program: PathBuf,
        /// What it was to measure.
        case: String,
        /// How it ended.
        status: std::process::ExitStatus,
        /// What it said.
        stderr: String,
    },
    /// The program answered something else than figures.
    #[error("`{}` gave no figures on {case}: {cause}", program.display())]
    Answer {
        /// The program.
        program: PathBuf,
        /// What it was to measure.
        case: String,
        /// What is wrong with the answer.
        cause: serde_json::Error,
    },
}

/// All runs of a suite, as `bench.json` holds them.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Suite {
    /// The version of wavetank that was measured.
    pub version: String,
    /// The commit it was built from, where the build said so.
    pub commit: Option<String>,
    /// The machine.
    pub host: Host,
    /// What was measured, in order.
    pub cases: Vec<CaseRuns>,
}

/// All runs of one case.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CaseRuns {
    /// What was measured.
    pub case: Case,
    /// The runs in order.
    pub runs: Vec<Measurement>,
}

impl Suite {
    /// A suite of this program on this machine.
    pub fn new(cases: Vec<CaseRuns>) -> Suite {
        Suite { version: VERSION.to_owned(), commit: COMMIT.map(str::to_owned), host: Host::current(), cases }
    }
}

impl CaseRuns {
    /// The median over the runs of a figure.
    pub fn median(&self, figure: impl Fn(&Measurement) -> f64) -> f64 {
        quantile(&mut self.values(figure), 0.5)
    }

    /// A figure of every run.
    pub fn values(&self, figure: impl Fn(&Measurement) -> f64) -> Vec<f64> {
        self.runs.iter().map(figure).collect()
    }

    /// The hashes of placements that occurred, each once; more than one when a policy is not deterministic.
    pub fn placements_hashes(&self) -> Vec<&str> {
        let mut hashes: Vec<&str> = self.runs.iter().map(|run| run.placements_hash.as_str()).collect();
        hashes.sort_unstable();
        hashes.dedup();
        hashes
    }
}

/// Measures a case once in a child process that runs `program`, a `wavetank` of any version that has the hidden option
/// `bench --one`.
///
/// # Errors
/// When the program cannot be started, fails, or answers something else than figures.
pub fn measure_with(program: &Path, case: &Case) -> Result<Measurement, SuiteError> {
    let text = serde_json::to_string(case).expect("a case is plain data");
    let output = Command::new(program).args(["bench", "--one", &text]).stdin(Stdio::null()).output();
    let output = output.map_err(|cause| SuiteError::Start { program: program.to_owned(), cause })?;
    if !output.status.success() {
        return Err(SuiteError::Failed {
            program: program.to_owned(),
            case: text,
            status: output.status,
            stderr: String::from_utf8_lossy(&output.stderr).trim().to_owned(),
        });
    }
    serde_json::from_slice(&output.stdout).map_err(|cause| SuiteError::Answer {
        program: program.to_owned(),
        case: text,
        cause,
    })
}

/// Measures a case `runs` times.
///
/// # Errors
/// At the first run that gives no figures.
pub fn measure_case(program: &Path, case: &Case, runs: u32) -> Result<CaseRuns, SuiteError> {
    let runs = (0..runs).map(|_| measure_with(program, case)).collect::<Result<_, _>>()?;
    Ok(CaseRuns { case: case.clone(), runs })
}

/// Measures a case `runs` times with each of two programs in turn (A B, B A, A B, ...), so that what happens to the
/// machine meanwhile happens to both, and neither always goes first. Gives the runs of `program`, then of `other`.
///
/// # Errors
/// At the first run that gives no figures.
pub fn measure_pairs(program: &Path, other: &Path, case: &Case, runs: u32) -> Result<[CaseRuns; 2], SuiteError> {
    let mut pair = [Vec::new(), Vec::new()];
    for run in 0..runs {
        let order = if run % 2 == 0 { [0, 1] } else { [1, 0] };
        for which in order {
            pair[which].push(measure_with([program, other][which], case)?);
        }
    }
    Ok(pair.map(|runs| CaseRuns { case: case.clone(), runs }))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(wall_s: f64, hash: &str) -> Measurement {
        Measurement {
            wall_s,
            cpu_s: wall_s,
            repeats: 1,
            decisions: 100,
            refusals: 0,
            placed: 100,
            unplaced: 0,
            evictions: 0,
            latency_us_p50: 1.0,
            latency_us_p90: 2.0,
            latency_us_p99: 3.0,
            latency_us_max: 4.0,
            peak_memory_bytes: None,
            calibration_s: 0.01,
            placements_hash: hash.to_owned(),
        }
    }

    fn suite() -> Suite {
        let case =
            Case { workload: "basic".to_owned(), policy: "first-fit".to_owned(), nodes: 1, initial_pods: 0, pods: 100 };
        Suite::new(vec![CaseRuns { case, runs: vec![run(0.5, "b"), run(0.25, "a"), run(1.0, "b")] }])
    }

    #[test]
    fn a_suite_survives_writing_and_reading() {
        let text = serde_json::to_string_pretty(&suite()).expect("it is plain data");
        assert_eq!(serde_json::from_str::<Suite>(&text).expect("it reads back"), suite());
        let misspelt = text.replace("\"calibration_s\"", "\"calibration\"");
        serde_json::from_str::<Suite>(&misspelt).expect_err("unknown keys are refused");
    }

    #[test]
    fn medians_and_hashes() {
        let runs = &suite().cases[0];
        // 100 decisions in 0.5, 0.25 and 1 s.
        assert_eq!(runs.median(Measurement::decisions_per_s), 200.0);
        assert_eq!(runs.placements_hashes(), ["a", "b"]);
    }

    #[test]
    fn programs_that_are_none_are_errors() {
        let case = &suite().cases[0].case;
        let error = measure_with(Path::new("no/such/program"), case).expect_err("it does not exist");
        assert!(matches!(error, SuiteError::Start { .. }), "{error}");
        let error = measure_with(Path::new("false"), case).expect_err("it fails");
        assert!(matches!(error, SuiteError::Failed { .. }), "{error}");
        let error = measure_with(Path::new("echo"), case).expect_err("it gives no figures");
        assert!(matches!(error, SuiteError::Answer { .. }), "{error}");
    }
}
