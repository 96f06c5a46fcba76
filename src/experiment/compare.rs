//! Two result directories held against each other, and limits that make it a gate for continuous integration.
//!
//! Single runs are compared figure by figure (`summary.csv`), sweeps cell by cell with pairs of equal replications
//! (`runs.csv`); only tables are read, so published results without their stored runs will do.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use crate::results::{Column, Table, TextColumn};
use crate::stats::{Direction, PairedDifference, Summary, paired_difference};

/// Why two directories cannot be compared, or a gate cannot be applied: wrong input, not a failed gate.
#[derive(Debug, thiserror::Error)]
pub enum CompareError {
    /// A directory has neither table.
    #[error("`{}` holds no results: it has neither runs.csv (a sweep) nor summary.csv (a run)", .0.display())]
    NoResults(PathBuf),
    /// A table cannot be read.
    #[error("cannot read `{}`: {cause}", path.display())]
    Read {
        /// The table.
        path: PathBuf,
        /// What is wrong with it.
        cause: String,
    },
    /// One is a run, the other a sweep.
    #[error("a single run and a sweep cannot be compared")]
    Kinds,
    /// The sweeps vary different things.
    #[error("the sweeps have different factors: {base:?} and {other:?}")]
    Factors {
        /// Factors of the base.
        base: Vec<String>,
        /// Factors of the other.
        other: Vec<String>,
    },
    /// A gate names a metric that neither side has.
    #[error("neither result has a metric `{metric}`{hint}")]
    UnknownMetric {
        /// The name.
        metric: String,
        /// A similar name, as the end of the sentence; empty when there is none.
        hint: String,
    },
}

/// A comparison of two results.
#[derive(Clone, Debug, PartialEq)]
pub struct Comparison {
    /// The factors of both.
    pub factors: Vec<String>,
    /// A row for each cell of the base and each metric.
    pub rows: Vec<ComparisonRow>,
    /// Labels of the cells that only the base has.
    pub only_base: Vec<Vec<String>>,
    /// Labels of the cells that only the other has.
    pub only_other: Vec<Vec<String>>,
}

/// One metric of one cell.
#[derive(Clone, Debug, PartialEq)]
pub struct ComparisonRow {
    /// The cell's label for each factor.
    pub labels: Vec<String>,
    /// The metric.
    pub metric: String,
    /// Its unit, where the tables say so.
    pub unit: String,
    /// Mean of the base over the pairs; NaN without pairs.
    pub base_mean: f64,
    /// Mean of the other over the pairs; NaN without pairs.
    pub other_mean: f64,
    /// The paired difference, other minus base.
    pub difference: PairedDifference,
    /// How many values the base has and the other lacks.
    pub lost: usize,
}

impl ComparisonRow {
    /// The mean difference in percent of the base's mean; NaN when that is 0.
    pub fn difference_pct(&self) -> f64 {
        if self.base_mean == 0.0 { f64::NAN } else { 100.0 * self.difference.difference.mean / self.base_mean.abs() }
    }
}

/// A limit on how far a metric may move, such as `wait_ms_p99:+5%`, `cost_usd_total:+10` or `gpu_allocated_pct:-1`.
/// The sign is the direction that is limited; movement in the other direction is free. A sweep's limit holds for the
/// mean of every cell.
#[derive(Clone, Debug, PartialEq)]
pub struct Gate {
    metric: String,
    rise: bool,
    limit: f64,
    percent: bool,
}

/// What a gate says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GateResult {
    /// Whether the metric kept within the limit.
    pub passed: bool,
    /// Why, in a sentence for people.
    pub message: String,
}

impl FromStr for Gate {
    type Err = String;

    fn from_str(text: &str) -> Result<Gate, String> {
        let refuse = || format!("`{text}` is not a limit such as wait_ms_p99:+5%, cost_usd_total:+10 or rate:-1");
        let (metric, limit) = text.rsplit_once(':').filter(|(metric, _)| !metric.is_empty()).ok_or_else(refuse)?;
        let (rise, amount) = match (limit.strip_prefix('+'), limit.strip_prefix('-')) {
            (Some(amount), _) => (true, amount),
            (_, Some(amount)) => (false, amount),
            _ => return Err(refuse()),
        };
        let (amount, percent) = amount.strip_suffix('%').map_or((amount, false), |amount| (amount, true));
        // `parse` would take `inf`, `nan` and a second sign.
        if !amount.starts_with(|first: char| first.is_ascii_digit()) {
            return Err(refuse());
        }
        let limit = amount.parse().ok().filter(|limit: &f64| limit.is_finite()).ok_or_else(refuse)?;
        Ok(Gate { metric: metric.to_owned(), rise, limit, percent })
    }
}

impl Gate {
    fn words(&self) -> String {
        let (sign, unit) = (if self.rise { '+' } else { '-' }, if self.percent { "%" } else { "" });
        format!("{sign}{}{unit}", self.limit)
    }

    /// Why the gate closes on this row, if it does.
    fn objection(&self, row: &ComparisonRow) -> Option<String> {
        if row.lost > 0 {
            let all = row.lost as u64 + row.difference.difference.count;
            return Some(format!("{} of {all} values are missing", row.lost));
        }
        let movement = row.difference.difference.mean * if self.rise { 1.0 } else { -1.0 };
        let allowed = if self.percent { self.limit / 100.0 * row.base_mean.abs() } else { self.limit };
        (movement > allowed).then(|| format!("it went from {} to {}", row.base_mean, row.other_mean))
    }
}

impl Comparison {
    /// Applies a gate to every cell. What the base has and the other lacks closes a gate, and so does having nothing
    /// to compare: a gate that looked at nothing must not be green.
    ///
    /// # Errors
    /// [`CompareError::UnknownMetric`].
    pub fn check(&self, gate: &Gate) -> Result<GateResult, CompareError> {
        let rows: Vec<&ComparisonRow> = self.rows.iter().filter(|row| row.metric == gate.metric).collect();
        if rows.is_empty() {
            return Err(self.unknown(&gate.metric));
        }
        let heading = format!("{} within {}", gate.metric, gate.words());
        for row in &rows {
            if let Some(objection) = gate.objection(row) {
                let message = format!("{heading}: no, {objection}{}", self.place(row));
                return Ok(GateResult { passed: false, message });
            }
        }
        let compared = rows.iter().filter(|row| row.difference.difference.count > 0).count();
        let message = match compared {
            0 => format!("{heading}: no, there is nothing to compare"),
            _ => format!("{heading}: yes"),
        };
        Ok(GateResult { passed: compared > 0, message })
    }

    fn place(&self, row: &ComparisonRow) -> String {
        let parts: Vec<String> =
            self.factors.iter().zip(&row.labels).map(|(factor, label)| format!("{factor}={label}")).collect();
        if parts.is_empty() { String::new() } else { format!(" in {}", parts.join(" ")) }
    }

    fn unknown(&self, metric: &str) -> CompareError {
        let known: BTreeSet<&str> = self.rows.iter().map(|row| row.metric.as_str()).collect();
        let near = known.into_iter().map(|name| (strsim::jaro_winkler(name, metric), name));
        let best = near.filter(|(similarity, _)| *similarity > 0.8).max_by(|a, b| a.0.total_cmp(&b.0));
        let hint = best.map_or(String::new(), |(_, name)| format!("; did you mean `{name}`?"));
        CompareError::UnknownMetric { metric: metric.to_owned(), hint }
    }

    /// The comparison as a table, a row for each cell and metric.
    pub fn table(&self) -> Table {
        let texts =
            |text: &dyn Fn(&ComparisonRow) -> String| Column::Text(self.rows.iter().map(text).collect::<TextColumn>());
        let numbers = |value: &dyn Fn(&ComparisonRow) -> f64| Column::Number(self.rows.iter().map(value).collect());
        let mut table = Table::new();
        for (position, factor) in self.factors.iter().enumerate() {
            table = table.with(factor, texts(&|row| row.labels[position].clone()));
        }
        table
            .with("metric", texts(&|row| row.metric.clone()))
            .with("unit", texts(&|row| row.unit.clone()))
            .with("n", Column::Count(self.rows.iter().map(|row| row.difference.difference.count).collect()))
            .with("base_mean", numbers(&|row| row.base_mean))
            .with("other_mean", numbers(&|row| row.other_mean))
            .with("mean_difference", numbers(&|row| row.difference.difference.mean))
            .with("difference_pct", numbers(&ComparisonRow::difference_pct))
            .with("ci95_low", numbers(&|row| row.difference.difference.low))
            .with("ci95_high", numbers(&|row| row.difference.difference.high))
            .with("verdict", texts(&|row| row.difference.verdict.as_str().to_owned()))
    }
}

/// Compares the results in two directories. `better` says which way a metric is better.
///
/// # Errors
/// When either cannot be read, or they are of different kinds; see [`CompareError`].
pub fn compare(base: &Path, other: &Path, better: &dyn Fn(&str) -> Direction) -> Result<Comparison, CompareError> {
    let (base, other) = (Results::read(base)?, Results::read(other)?);
    if base.sweep != other.sweep {
        return Err(CompareError::Kinds);
    }
    if base.factors != other.factors {
        return Err(CompareError::Factors { base: base.factors, other: other.factors });
    }
    let mut metrics = base.metrics.clone();
    metrics.extend(other.metrics.iter().filter(|metric| !base.metrics.contains(metric)).cloned());
    let nothing = Runs::new();
    let mut rows = Vec::new();
    for (labels, runs) in &base.cells {
        let partner = other.runs(labels).unwrap_or(&nothing);
        for metric in &metrics {
            let unit = base.units.get(metric).or(other.units.get(metric)).cloned().unwrap_or_default();
            rows.push(compare_metric(labels, metric, unit, [runs, partner], better(metric)));
        }
    }
    let missing = |from: &Results, of: &Results| {
        let labels = of.cells.iter().map(|(labels, _)| labels);
        labels.filter(|labels| from.runs(labels).is_none()).cloned().collect()
    };
    Ok(Comparison {
        only_base: missing(&other, &base),
        only_other: missing(&base, &other),
        factors: base.factors,
        rows,
    })
}

fn compare_metric(
    labels: &[String],
    metric: &str,
    unit: String,
    [base, other]: [&Runs; 2],
    better: Direction,
) -> ComparisonRow {
    let value = |runs: &Runs, replication| runs.get(&replication)?.get(metric).copied();
    let with_value: Vec<(f64, Option<f64>)> =
        base.keys().filter_map(|&replication| Some((value(base, replication)?, value(other, replication)))).collect();
    let pairs = with_value.iter().filter_map(|&(base, other)| Some((base, other?)));
    let (base, other): (Vec<f64>, Vec<f64>) = pairs.unzip();
    let mean = |values: &[f64]| values.iter().copied().collect::<Summary>().mean();
    ComparisonRow {
        labels: labels.to_vec(),
        metric: metric.to_owned(),
        unit,
        base_mean: mean(&base),
        other_mean: mean(&other),
        difference: paired_difference(&base, &other, better),
        lost: with_value.len() - base.len(),
    }
}

/// Values by replication and metric; what is missing is not in it.
type Runs = BTreeMap<u64, BTreeMap<String, f64>>;

/// A result directory, as far as it is compared.
#[derive(Default)]
struct Results {
    sweep: bool,
    factors: Vec<String>,
    /// In the order of the tables.
    metrics: Vec<String>,
    units: BTreeMap<String, String>,
    /// Labels and runs, in the order of the tables.
    cells: Vec<(Vec<String>, Runs)>,
    /// Positions among the cells, by labels.
    positions: BTreeMap<Vec<String>, usize>,
}

impl Results {
    fn read(directory: &Path) -> Result<Results, CompareError> {
        if let Some(runs) = CsvFile::open(directory.join("runs.csv"))? {
            let mut results = Results::read_runs(runs)?;
            if let Some(mut cells) = CsvFile::open(directory.join("cells.csv"))? {
                let (metric, unit) = (cells.column("metric")?, cells.column("unit")?);
                while let Some(row) = cells.next_row()? {
                    results.units.insert(row[metric].to_owned(), row[unit].to_owned());
                }
            }
            return Ok(results);
        }
        match CsvFile::open(directory.join("summary.csv"))? {
            Some(summary) => Results::read_summary(summary),
            None => Err(CompareError::NoResults(directory.to_owned())),
        }
    }

    fn read_summary(mut file: CsvFile) -> Result<Results, CompareError> {
        let [metric, unit, value] = [file.column("metric")?, file.column("unit")?, file.column("value")?];
        let (mut metrics, mut units, mut values) = (Vec::new(), BTreeMap::new(), BTreeMap::new());
        while let Some(row) = file.next_row()? {
            let name = row[metric].to_owned();
            if let Some(number) = file.number(&row, value)? {
                values.insert(name.clone(), number);
            }
            units.insert(name.clone(), row[unit].to_owned());
            metrics.push(name);
        }
        let mut results = Results { sweep: false, factors: Vec::new(), metrics, units, ..Results::default() };
        results.cell(Vec::new()).insert(0, values);
        Ok(results)
    }

    fn read_runs(mut file: CsvFile) -> Result<Results, CompareError> {
        // Factors stand between the replication and the status, metrics behind the error.
        let [replication, status, error] = [file.column("replication")?, file.column("status")?, file.column("error")?];
        if !(replication < status && status < error) {
            return Err(file.refuse("its columns are not in the order of a sweep's runs"));
        }
        let factors = file.header[replication + 1..status].to_vec();
        let metrics = file.header[error + 1..].to_vec();
        let mut results = Results { sweep: true, factors, metrics, ..Results::default() };
        while let Some(row) = file.next_row()? {
            let labels: Vec<String> = (replication + 1..status).map(|column| row[column].to_owned()).collect();
            let run = row[replication].parse().map_err(|_| file.refuse_at(&row, replication))?;
            let mut values = BTreeMap::new();
            for (offset, metric) in results.metrics.iter().enumerate() {
                if let Some(number) = file.number(&row, error + 1 + offset)? {
                    values.insert(metric.clone(), number);
                }
            }
            results.cell(labels).insert(run, values);
        }
        Ok(results)
    }

    /// The runs of a cell, which is added where it is new.
    fn cell(&mut self, labels: Vec<String>) -> &mut Runs {
        let position = *self.positions.entry(labels.clone()).or_insert(self.cells.len());
        if position == self.cells.len() {
            self.cells.push((labels, Runs::new()));
        }
        &mut self.cells[position].1
    }

    fn runs(&self, labels: &[String]) -> Option<&Runs> {
        self.positions.get(labels).map(|&position| &self.cells[position].1)
    }
}

/// A CSV file that is being read, with errors that name it.
struct CsvFile {
    path: PathBuf,
    header: Vec<String>,
    reader: csv::Reader<File>,
}

impl CsvFile {
    /// Opens a table; `None` when there is no such file.
    fn open(path: PathBuf) -> Result<Option<CsvFile>, CompareError> {
        let failed = |cause: String| CompareError::Read { path: path.clone(), cause };
        let file = match File::open(&path) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(failed(error.to_string())),
        };
        let mut reader = csv::Reader::from_reader(file);
        let header = reader.headers().map_err(|error| failed(error.to_string()))?;
        let header = header.iter().map(str::to_owned).collect();
        Ok(Some(CsvFile { header, reader, path }))
    }

    fn refuse(&self, cause: impl Into<String>) -> CompareError {
        CompareError::Read { path: self.path.clone(), cause: cause.into() }
    }

    fn refuse_at(&self, row: &csv::StringRecord, column: usize) -> CompareError {
        let line = row.position().map_or(0, csv::Position::line);
        self.refuse(format!("line {line}, column `{}`: `{}` is not a number", self.header[column], &row[column]))
    }

    fn column(&self, name: &str) -> Result<usize, CompareError> {
        let position = self.header.iter().position(|heading| heading == name);
        position.ok_or_else(|| self.refuse(format!("it has no column `{name}`")))
    }

    fn next_row(&mut self) -> Result<Option<csv::StringRecord>, CompareError> {
        let mut row = csv::StringRecord::new();
        match self.reader.read_record(&mut row) {
            Ok(more) => Ok(more.then_some(row)),
            Err(error) => Err(self.refuse(error.to_string())),
        }
    }

    /// The number in a cell; `None` when the cell is empty or holds NaN.
    fn number(&self, row: &csv::StringRecord, column: usize) -> Result<Option<f64>, CompareError> {
        if row[column].is_empty() {
            return Ok(None);
        }
        let number: f64 = row[column].parse().map_err(|_| self.refuse_at(row, column))?;
        Ok(Some(number).filter(|number| !number.is_nan()))
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use tempfile::TempDir;

    use super::*;

    fn directory(files: &[(&str, &str)]) -> TempDir {
        let place = tempfile::tempdir().expect("a place to write");
        for (name, text) in files {
            fs::write(place.path().join(name), text).expect("it can be written");
        }
        place
    }

    fn lower(_: &str) -> Direction {
        Direction::Lower
    }

    fn csv(comparison: &Comparison) -> String {
        let mut out = Vec::new();
        comparison.table().write_csv(&mut out).expect("memory can be written");
        String::from_utf8(out).expect("CSV is text")
    }

    #[test]
    fn single_runs_are_compared_figure_by_figure() {
        let base = directory(&[("summary.csv", "metric,unit,value\nwait_ms,ms,200\ncost,USD,0\ngone,s,1\n")]);
        let other = directory(&[("summary.csv", "metric,unit,value\nwait_ms,ms,150\ncost,USD,3\nnew,s,\n")]);
        let comparison = compare(base.path(), other.path(), &lower).expect("they compare");
        // 150 - 200 = -50, -25 %; one pair has no interval. In percent of 0 there is no difference.
        assert_eq!(
            csv(&comparison),
            "metric,unit,n,base_mean,other_mean,mean_difference,difference_pct,ci95_low,ci95_high,verdict\n\
             wait_ms,ms,1,200,150,-50,-25,,,undecided\ncost,USD,1,0,3,3,,,,undecided\n\
             gone,s,0,,,,,,,undecided\nnew,s,0,,,,,,,undecided\n"
        );
    }

    /// Sweeps with two policies. In the second one, `a` is slower by 10, 11, 9 and `b` as slow as before; replication 2
    /// of `b` failed; cell `c` is new.
    fn sweeps() -> (TempDir, TempDir) {
        let header = "cell,replication,policy,status,error,wait_ms";
        let base = format!(
            "{header}\nx,0,a,ok,,100\nx,1,a,ok,,200\nx,2,a,ok,,300\ny,0,b,ok,,100\ny,1,b,ok,,120\ny,2,b,ok,,140\n"
        );
        let other = format!(
            "{header}\nx,0,a,ok,,110\nx,1,a,ok,,211\nx,2,a,ok,,309\ny,0,b,ok,,100\ny,1,b,ok,,120\n\
             y,2,b,failed,panic,\nz,0,c,ok,,1\n"
        );
        let cells = "cell,policy,metric,unit,n\nx,a,wait_ms,ms,3\n";
        (directory(&[("runs.csv", &base), ("cells.csv", cells)]), directory(&[("runs.csv", &other)]))
    }

    #[test]
    fn sweeps_are_compared_by_pairs() {
        let (base, other) = sweeps();
        let comparison = compare(base.path(), other.path(), &lower).expect("they compare");
        // Differences 10, 11, 9: mean 10, deviation 1, half width 4.30265 / sqrt(3) = 2.48; 10 of 200 is 5 %.
        let rows: Vec<String> = csv(&comparison).lines().map(str::to_owned).collect();
        assert_eq!(
            rows[0],
            "policy,metric,unit,n,base_mean,other_mean,mean_difference,difference_pct,ci95_low,ci95_high,verdict"
        );
        assert!(rows[1].starts_with("a,wait_ms,ms,3,200,210,10,5,7.515"), "{}", rows[1]);
        assert!(rows[1].ends_with(",worse"), "{}", rows[1]);
        assert_eq!(rows[2], "b,wait_ms,ms,2,110,110,0,0,0,0,undecided");
        assert_eq!(rows.len(), 3);
        assert_eq!((comparison.rows[0].lost, comparison.rows[1].lost), (0, 1));
        assert_eq!((comparison.only_base.len(), &comparison.only_other), (0, &vec![vec!["c".to_owned()]]));

        let back = compare(other.path(), base.path(), &lower).expect("they compare");
        assert_eq!(back.rows[0].difference.verdict.as_str(), "better");
        assert_eq!((back.only_base, back.rows[2].lost), (vec![vec!["c".to_owned()]], 1));
    }

    #[test]
    fn gates_limit_the_direction_of_their_sign() {
        let base = directory(&[("summary.csv", "metric,unit,value\nm,u,200\nzero,u,0\nminus,u,-10\nempty,u,\n")]);
        let other = directory(&[("summary.csv", "metric,unit,value\nm,u,210\nzero,u,1\nminus,u,-12\nempty,u,\n")]);
        let comparison = compare(base.path(), other.path(), &lower).expect("they compare");
        for (gate, expected) in [
            // 210 - 200 = 10, 5 %.
            ("m:+10", "m within +10: yes"),
            ("m:+9.5", "m within +9.5: no, it went from 200 to 210"),
            ("m:+5%", "m within +5%: yes"),
            ("m:+4.9%", "m within +4.9%: no, it went from 200 to 210"),
            ("m:-0", "m within -0: yes"),
            // Any rise is more than every percentage of nothing.
            ("zero:+50%", "zero within +50%: no, it went from 0 to 1"),
            // -12 is lower than -10 by 2, 20 %.
            ("minus:-1", "minus within -1: no, it went from -10 to -12"),
            ("minus:-20%", "minus within -20%: yes"),
            ("minus:+0", "minus within +0: yes"),
            ("empty:+0", "empty within +0: no, there is nothing to compare"),
        ] {
            let result = comparison.check(&gate.parse().expect("it is a gate")).expect("the metric is there");
            assert_eq!((result.message.as_str(), result.passed), (expected, expected.ends_with("yes")));
        }
    }

    #[test]
    fn gates_hold_in_every_cell_and_for_lost_runs() {
        let (base, other) = sweeps();
        let comparison = compare(base.path(), other.path(), &lower).expect("they compare");
        let message =
            |gate: &str| comparison.check(&gate.parse().expect("it is a gate")).expect("the metric is there").message;
        assert_eq!(message("wait_ms:+9"), "wait_ms within +9: no, it went from 200 to 210 in policy=a");
        assert_eq!(message("wait_ms:+99"), "wait_ms within +99: no, 1 of 3 values are missing in policy=b");
        let error = comparison.check(&"wait_sm:+1".parse().expect("it is a gate")).expect_err("no such metric");
        assert_eq!(error.to_string(), "neither result has a metric `wait_sm`; did you mean `wait_ms`?");
        let error = comparison.check(&"qqq:+1".parse().expect("it is a gate")).expect_err("no such metric");
        assert_eq!(error.to_string(), "neither result has a metric `qqq`");
    }

    #[test]
    fn texts_that_are_no_gate() {
        for text in ["m", "m:", ":+1", "m:5", "m:+", "m:+%", "m:+x", "m:++1", "m:+inf", "m:+nan", "m:+1e999", "m:+5%%"]
        {
            assert!(text.parse::<Gate>().is_err(), "{text}");
        }
    }

    #[test]
    fn what_cannot_be_compared_is_said() {
        let (sweep, _) = sweeps();
        let run = directory(&[("summary.csv", "metric,unit,value\nm,u,1\n")]);
        let message = |other: &TempDir| compare(sweep.path(), other.path(), &lower).expect_err("wrong").to_string();
        assert_eq!(message(&run), "a single run and a sweep cannot be compared");
        let header = "cell,replication,load,status,error,m\n";
        assert_eq!(
            message(&directory(&[("runs.csv", header)])),
            "the sweeps have different factors: [\"policy\"] and [\"load\"]"
        );
        for (files, expected) in [
            (&[][..], "holds no results: it has neither runs.csv (a sweep) nor summary.csv (a run)"),
            (&[("summary.csv", "metric,value\n")], "summary.csv`: it has no column `unit`"),
            (
                &[("summary.csv", "metric,unit,value\nm,u,1\nn,u,x\n")],
                "summary.csv`: line 3, column `value`: `x` is not a number",
            ),
            (
                &[("runs.csv", "cell,replication,status,error,m\nall,zero,ok,,1\n")],
                "runs.csv`: line 2, column `replication`: `zero` is not a number",
            ),
            (&[("runs.csv", "cell,status,error,replication\n")], "its columns are not in the order of a sweep's runs"),
            (&[("runs.csv", "cell,replication,status,error,m\nall,0,ok\n")], "found record with 3 fields"),
        ] {
            let message = message(&directory(files));
            assert!(message.contains(expected), "{message}");
        }
    }
}
