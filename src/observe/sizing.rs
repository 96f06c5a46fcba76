//! What came of a back-test of sizes: key figures and tables.

use crate::model::SizingStudy;
use crate::policy::autoscaler::vertical::back_test::Score;
use crate::policy::autoscaler::vertical::study::{StudyScores, StudyWindow};
use crate::results::{Column, Table, TextColumn};
use crate::units::SimTime;

const HOUR_S: f64 = 3600.0;
const CORES: f64 = 1000.0;
const GIB: f64 = (1u64 << 30) as f64;

/// How many key figures there are.
pub const FIGURES: usize = 10;

/// Key figures of all containers: slack and shortage of CPU in core-hours, time throttled in s and CPU not got for it in
/// core-hours, slack and shortage of memory in GiB-hours, kills for memory, those a day of a container, changes of sizes, and
/// core-hours requested over those used.
pub fn figures(scores: &StudyScores) -> [f64; FIGURES] {
    let sum = |of: fn(&Score) -> f64| scores.scores.iter().map(of).sum::<f64>() + 0.0;
    let days = sum(|score| score.span.as_seconds()) / 86_400.0;
    let ooms = sum(|score| score.oom_count as f64);
    let [used, slack, short] =
        [sum(|score| score.used_core_hours), sum(|score| score.slack_core_hours), sum(|score| score.short_core_hours)];
    [
        slack,
        short,
        sum(|score| score.throttled.as_seconds()),
        sum(|score| score.throttled_core_hours),
        sum(|score| score.slack_gib_hours),
        sum(|score| score.short_gib_hours),
        ooms,
        ooms / days,
        sum(|score| score.changes as f64),
        (used + slack - short) / used,
    ]
}

/// `sizing.csv`: one row a container.
pub fn table(scores: &StudyScores, study: &SizingStudy) -> Table {
    let list = &scores.scores;
    let number = |of: &dyn Fn(&Score) -> f64| Column::Number(list.iter().map(of).collect());
    let hours = |score: &Score| score.span.as_seconds() / HOUR_S;
    let mut names = TextColumn::default();
    study.containers.iter().for_each(|container| names.push(&container.name));
    // What is requested is what is used and not, less what is used beyond it.
    let cores = |score: &Score| score.used_core_hours + score.slack_core_hours - score.short_core_hours;
    let gib = |score: &Score| score.used_gib_hours + score.slack_gib_hours - score.short_gib_hours;
    Table::new()
        .with("container", Column::Text(names))
        .with("span_h", number(&hours))
        .with("cpu_requested_cores_mean", number(&|score| cores(score) / hours(score)))
        .with("cpu_used_core_h", number(&|score| score.used_core_hours))
        .with("cpu_slack_core_h", number(&|score| score.slack_core_hours))
        .with("cpu_short_core_h", number(&|score| score.short_core_hours))
        .with("cpu_throttled_s", number(&|score| score.throttled.as_seconds()))
        .with("cpu_throttled_core_h", number(&|score| score.throttled_core_hours))
        .with("memory_requested_gib_mean", number(&|score| gib(score) / hours(score)))
        .with("memory_used_gib_h", number(&|score| score.used_gib_hours))
        .with("memory_slack_gib_h", number(&|score| score.slack_gib_hours))
        .with("memory_short_gib_h", number(&|score| score.short_gib_hours))
        .with("ooms", Column::Count(list.iter().map(|score| score.oom_count).collect()))
        .with("ooms_per_day", number(&|score| score.oom_count as f64 / hours(score) * 24.0))
        .with("changes", Column::Count(list.iter().map(|score| score.changes).collect()))
}

/// `sizing_series.csv`: what all containers requested and used, as means over each window of time.
pub fn series(scores: &StudyScores) -> Table {
    let (windows, window_ns) = (&scores.windows, scores.window.0 as f64);
    let start = |at: usize| SimTime(at as u64 * scores.window.0);
    let mean = |of: fn(&StudyWindow) -> u128, unit: f64| {
        Column::Number(windows.iter().map(|window| of(window) as f64 / window_ns / unit).collect())
    };
    Table::new()
        .with("time_s", Column::Seconds((0..windows.len()).map(start).collect()))
        .with("span_s", Column::Number(vec![scores.window.as_seconds(); windows.len()]))
        .with("cpu_requested_cores", mean(|window| window.requested_cpu, CORES))
        .with("cpu_used_cores", mean(|window| window.used_cpu, CORES))
        .with("memory_requested_gib", mean(|window| window.requested_memory, GIB))
        .with("memory_used_gib", mean(|window| window.used_memory, GIB))
}
