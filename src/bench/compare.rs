//! Is this program slower than another one, or than an earlier suite?
//!
//! The ratio is that of decisions per second of CPU time, this program to the other: above 1 this one is faster. It is the geometric
//! mean over runs, the exponential of a mean of logarithms, because times vary by factors; its interval is the
//! bootstrap's at 95 %. **Slower** means that the whole interval lies below `1 - limit`: noise that widens the interval
//! makes the gate blind, never red.

use serde::Serialize;

use super::measure::{Case, Measurement};
use super::suite::CaseRuns;
use crate::rng::{Seed, Stream};
use crate::stats::{BootstrapInterval, bootstrap_difference, bootstrap_mean};

/// The fewest runs of which a comparison is made: of two an interval says nothing.
pub const RUNS_MIN: u32 = 3;

/// How two sets of runs of one case compare.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Comparison {
    /// What was measured.
    pub case: Case,
    /// Median decisions per CPU second of the other program, or of the baseline as it would be on this machine now.
    pub base_decisions_per_cpu_s: f64,
    /// Median decisions per CPU second of this program.
    pub decisions_per_cpu_s: f64,
    /// Decisions per CPU second, this program to the other.
    pub ratio: f64,
    /// Lower end of the 95 % interval of the ratio.
    pub ratio_low: f64,
    /// Upper end of the 95 % interval of the ratio.
    pub ratio_high: f64,
    /// Whether this program is slower than the limit allows.
    pub slower: bool,
    /// Whether all runs of both decided alike.
    pub same_placements: bool,
}

/// Compares runs that were measured in pairs: run `i` of one beside run `i` of the other. `limit` is the slowdown that is
/// allowed, such as 0.05.
pub fn compare_pairs(base: &CaseRuns, this: &CaseRuns, limit: f64) -> Comparison {
    let logs: Vec<f64> = base
        .runs
        .iter()
        .zip(&this.runs)
        .map(|(base, this)| (this.decisions_per_cpu_s() / base.decisions_per_cpu_s()).ln())
        .collect();
    let interval = bootstrap_mean(&logs, &mut stream());
    comparison(base, this, base.median(Measurement::decisions_per_cpu_s), interval, limit)
}

/// Compares with runs of an earlier suite. Each rate is taken per calibration loop of its own process instead of per
/// second, so that a faster or slower machine cancels out as far as the loop behaves as a scheduler does.
pub fn compare_with_baseline(base: &CaseRuns, this: &CaseRuns, limit: f64) -> Comparison {
    let per_loop = |run: &Measurement| (run.decisions_per_cpu_s() * run.calibration_s).ln();
    let interval = bootstrap_difference(&base.values(per_loop), &this.values(per_loop), &mut stream());
    let here = this.median(|run| run.calibration_s);
    let base_rate = base.median(|run| run.decisions_per_cpu_s() * run.calibration_s) / here;
    comparison(base, this, base_rate, interval, limit)
}

/// The same figures always give the same interval.
fn stream() -> Stream {
    Seed { base: 1, replication: 0 }.stream("bench/bootstrap", 0)
}

fn comparison(
    base: &CaseRuns,
    this: &CaseRuns,
    base_decisions_per_cpu_s: f64,
    interval: BootstrapInterval,
    limit: f64,
) -> Comparison {
    let hashes = this.placements_hashes();
    let ratio_high = interval.high.exp();
    Comparison {
        case: this.case.clone(),
        base_decisions_per_cpu_s,
        decisions_per_cpu_s: this.median(Measurement::decisions_per_cpu_s),
        ratio: interval.estimate.exp(),
        ratio_low: interval.low.exp(),
        ratio_high,
        slower: ratio_high < 1.0 - limit,
        same_placements: hashes.len() == 1 && hashes == base.placements_hashes(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Runs of 1000 decisions that took this long each.
    fn runs(walls_s: &[f64], calibration_s: f64, hash: &str) -> CaseRuns {
        let case = Case {
            workload: "basic".to_owned(),
            policy: "first-fit".to_owned(),
            nodes: 1,
            initial_pods: 0,
            pods: 1000,
        };
        let run = |&wall_s: &f64| Measurement {
            wall_s,
            cpu_s: wall_s,
            repeats: 1,
            decisions: 1000,
            refusals: 0,
            placed: 1000,
            unplaced: 0,
            evictions: 0,
            latency_us_p50: 1.0,
            latency_us_p90: 2.0,
            latency_us_p99: 3.0,
            latency_us_max: 4.0,
            peak_memory_bytes: None,
            calibration_s,
            placements_hash: hash.to_owned(),
        };
        CaseRuns { case, runs: walls_s.iter().map(run).collect() }
    }

    #[test]
    fn pairs_cancel_what_they_share() {
        // The machine slows down fourfold; in each pair this program takes 1.25 times as long: ratio 1 / 1.25 = 0.8.
        let base = runs(&[1.0, 2.0, 4.0], 0.01, "a");
        let this = runs(&[1.25, 2.5, 5.0], 0.01, "a");
        let found = compare_pairs(&base, &this, 0.05);
        for end in [found.ratio, found.ratio_low, found.ratio_high] {
            assert!((end - 0.8).abs() < 1e-12, "{found:?}");
        }
        assert!(found.slower && found.same_placements);
        assert!(!compare_pairs(&base, &this, 0.25).slower);
        assert!(!compare_pairs(&this, &base, 0.05).slower); // 1.25 times as fast
    }

    #[test]
    fn noise_is_no_regression() {
        let base = runs(&[1.0, 1.0, 1.0, 1.0], 0.01, "a");
        let this = runs(&[0.7, 1.6, 0.8, 1.4], 0.01, "b");
        let found = compare_pairs(&base, &this, 0.05);
        assert!(found.ratio < 0.95 && found.ratio_high > 1.0, "{found:?}");
        assert!(!found.slower && !found.same_placements);
    }

    #[test]
    fn a_slower_machine_is_no_regression() {
        // All takes twice as long here, the calibration loop, too.
        let base = runs(&[1.0, 1.02, 0.98], 0.01, "a");
        let this = runs(&[2.0, 2.04, 1.96], 0.02, "a");
        let found = compare_with_baseline(&base, &this, 0.05);
        assert!((found.ratio - 1.0).abs() < 1e-12 && !found.slower, "{found:?}");
        // 1000 decisions in 1 s there are 1000 in 2 s here.
        assert!((found.base_decisions_per_cpu_s - 500.0).abs() < 1e-9);
        // The loop took as long as there, so it is the program that is slower.
        let this = runs(&[2.0, 2.04, 1.96], 0.01, "a");
        assert!(compare_with_baseline(&base, &this, 0.05).slower);
    }
}
