//! The design of an experiment: every combination of its factors' levels is a cell, run with every replication.
//!
//! Random numbers are common: a run's seed comes from the scenario and the replication, never from the cell, so that
//! in one replication all cells meet the same workload and can be compared pair by pair.

use std::collections::BTreeSet;
use std::ops::Range;

use crate::scenario::Experiment;

/// Something that an experiment varies.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Factor {
    /// Name: the heading of its column.
    pub name: String,
    /// The label of each level. What a level changes is known to the caller, by its position.
    pub labels: Vec<String>,
}

/// One combination of levels.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cell {
    /// Position among the cells; the last factor changes fastest.
    pub index: usize,
    /// The name that stands in tables, made of factors and labels: `policy=fgd load=0.9`. It stays the same when
    /// levels are added.
    pub name: String,
    /// The position of a level for every factor.
    pub levels: Vec<usize>,
}

/// A checked design.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Design {
    factors: Vec<Factor>,
    replications: u32,
    baseline: Vec<(usize, usize)>,
    cells: Vec<Cell>,
}

/// Why a design was refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DesignError {
    /// A factor's name is used twice, or is the heading of another column.
    #[error("a factor cannot be called `{0}`: another column has that name")]
    FactorName(String),
    /// A factor has no level.
    #[error("factor `{0}` has no level")]
    NoLevel(String),
    /// Two cells would have one name.
    #[error("two cells are called `{0}`: the labels of a factor must differ")]
    CellName(String),
    /// There are more cells than can be run.
    #[error("there are more than {CELLS_MAX} cells")]
    TooManyCells,
    /// Nothing would run.
    #[error("an experiment needs at least one replication")]
    NoReplication,
    /// The baseline names a factor or level that does not exist, or a factor twice.
    #[error("the baseline does not name one level of each of some factors")]
    Baseline,
}

/// More cells than this are a mistake in the experiment, not a plan.
pub const CELLS_MAX: usize = 1_000_000;

/// Headings that the tables of a sweep use themselves.
pub(super) const HEADINGS: [&str; 20] = [
    "cell",
    "replication",
    "status",
    "error",
    "metric",
    "unit",
    "n",
    "mean",
    "ci95_low",
    "ci95_high",
    "min",
    "max",
    "sd",
    "baseline",
    "mean_difference",
    "verdict",
    "x",
    "base_mean",
    "other_mean",
    "difference_pct",
];

impl Design {
    /// The design that crosses all `factors`, `replications` runs a cell. `baseline` picks, for some factors by
    /// position, the position of a level: every cell is compared with the cell that has these levels instead of its
    /// own. An empty baseline compares nothing.
    ///
    /// # Errors
    /// When the design is no design; see [`DesignError`].
    pub fn new(factors: Vec<Factor>, replications: u32, baseline: Vec<(usize, usize)>) -> Result<Design, DesignError> {
        let mut taken: BTreeSet<&str> = HEADINGS.into();
        if let Some(factor) = factors.iter().find(|factor| !taken.insert(&factor.name)) {
            return Err(DesignError::FactorName(factor.name.clone()));
        }
        if let Some(factor) = factors.iter().find(|factor| factor.labels.is_empty()) {
            return Err(DesignError::NoLevel(factor.name.clone()));
        }
        if replications == 0 {
            return Err(DesignError::NoReplication);
        }
        let named: BTreeSet<usize> = baseline.iter().map(|&(factor, _)| factor).collect();
        let exists = |&(factor, level): &(usize, usize)| factors.get(factor).is_some_and(|f| level < f.labels.len());
        if named.len() != baseline.len() || !baseline.iter().all(exists) {
            return Err(DesignError::Baseline);
        }
        let count = factors.iter().try_fold(1usize, |count, factor| count.checked_mul(factor.labels.len()));
        let count = count.filter(|&count| count <= CELLS_MAX).ok_or(DesignError::TooManyCells)?;
        let cells: Vec<Cell> = (0..count).map(|index| cell(&factors, index)).collect();
        let mut names = BTreeSet::new();
        if let Some(cell) = cells.iter().find(|cell| !names.insert(&cell.name)) {
            return Err(DesignError::CellName(cell.name.clone()));
        }
        Ok(Design { factors, replications, baseline, cells })
    }

    /// The factors, as given.
    pub fn factors(&self) -> &[Factor] {
        &self.factors
    }

    /// Runs of each cell.
    pub fn replications(&self) -> u32 {
        self.replications
    }

    /// The cells in order of their position.
    pub fn cells(&self) -> &[Cell] {
        &self.cells
    }

    /// The position of the cell that `cell` is compared with; `None` without a baseline, and for a cell of the
    /// baseline itself.
    pub fn baseline_of(&self, cell: &Cell) -> Option<usize> {
        let mut levels = cell.levels.clone();
        for &(factor, level) in &self.baseline {
            levels[factor] = level;
        }
        let index = self.factors.iter().zip(&levels).fold(0, |index, (f, level)| index * f.labels.len() + level);
        (index != cell.index).then_some(index)
    }
}

impl TryFrom<&Experiment> for Design {
    type Error = DesignError;

    /// The design of an experiment file; its cells have the positions and levels of [`Experiment::cells`].
    fn try_from(experiment: &Experiment) -> Result<Design, DesignError> {
        let factors = experiment.factors.iter().map(|factor| Factor {
            name: factor.name.clone(),
            labels: factor.levels.iter().map(|level| level.label.clone()).collect(),
        });
        Design::new(factors.collect(), experiment.replications, experiment.baseline.clone())
    }
}

fn cell(factors: &[Factor], index: usize) -> Cell {
    let mut rest = index;
    let mut levels: Vec<usize> = factors
        .iter()
        .rev()
        .map(|factor| {
            let level = rest % factor.labels.len();
            rest /= factor.labels.len();
            level
        })
        .collect();
    levels.reverse();
    let parts: Vec<String> = factors
        .iter()
        .zip(&levels)
        .map(|(factor, &level)| format!("{}={}", factor.name, factor.labels[level]))
        .collect();
    // An experiment without factors still has a cell, and the cell a name.
    let name = if parts.is_empty() { "all".to_owned() } else { parts.join(" ") };
    Cell { index, name, levels }
}

/// Reads a range of cell positions such as `0..10`, without its end.
///
/// # Errors
/// A sentence for the user when the text is no such range, or the range is empty.
pub fn parse_cells(text: &str) -> Result<Range<usize>, String> {
    let range = text.split_once("..").and_then(|(from, to)| Some(from.parse().ok()?..to.parse().ok()?));
    match range {
        Some(range) if !range.is_empty() => Ok(range),
        Some(_) => Err(format!("the range of cells `{text}` is empty; its end is not included")),
        None => Err(format!("`{text}` is not a range of cells such as 0..10")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn factor(name: &str, labels: &[&str]) -> Factor {
        Factor { name: name.into(), labels: labels.iter().map(|&label| label.into()).collect() }
    }

    #[test]
    fn cells_are_all_combinations_in_order() {
        let factors = vec![factor("policy", &["fgd", "best"]), factor("load", &["1", "2", "3"])];
        let design = Design::new(factors, 5, vec![(0, 1)]).expect("it is a design");
        let cells: Vec<(usize, &str, &[usize])> =
            design.cells().iter().map(|cell| (cell.index, &*cell.name, &*cell.levels)).collect();
        assert_eq!(
            cells,
            [
                (0, "policy=fgd load=1", &[0, 0][..]),
                (1, "policy=fgd load=2", &[0, 1]),
                (2, "policy=fgd load=3", &[0, 2]),
                (3, "policy=best load=1", &[1, 0]),
                (4, "policy=best load=2", &[1, 1]),
                (5, "policy=best load=3", &[1, 2]),
            ]
        );
        // Each load of fgd is compared with the same load of best; best with nothing.
        let baselines: Vec<Option<usize>> = design.cells().iter().map(|cell| design.baseline_of(cell)).collect();
        assert_eq!(baselines, [Some(3), Some(4), Some(5), None, None, None]);
    }

    #[test]
    fn an_experiment_file_gives_the_same_cells() {
        use crate::scenario::{Factor as FileFactor, Level};
        let level = |label: &str| Level { label: label.into(), set: vec![] };
        let factor = |name: &str, labels: &[&str]| FileFactor {
            name: name.into(),
            levels: labels.iter().map(|&label| level(label)).collect(),
        };
        let experiment = Experiment {
            name: "e".into(),
            description: String::new(),
            scenario: "s.yaml".into(),
            set: vec![],
            factors: vec![factor("a", &["1", "2"]), factor("b", &["1", "2", "3"]), factor("c", &["1", "2"])],
            replications: 4,
            baseline: vec![(1, 2)],
            metrics: vec![],
            resolved: serde_json::Value::Null,
        };
        let design = Design::try_from(&experiment).expect("it is a design");
        assert_eq!((design.cells().len(), design.replications()), (12, 4));
        for (own, file) in design.cells().iter().zip(experiment.cells()) {
            assert_eq!((own.index, &own.levels), (file.index, &file.levels));
            assert_eq!(design.baseline_of(own).is_none(), experiment.is_baseline(&file));
        }
    }

    #[test]
    fn baselines_may_name_no_factor_or_all() {
        let factors = || vec![factor("a", &["1", "2"]), factor("b", &["1", "2"])];
        let baselines = |baseline| {
            let design = Design::new(factors(), 1, baseline).expect("it is a design");
            design.cells().iter().map(|cell| design.baseline_of(cell)).collect::<Vec<_>>()
        };
        assert_eq!(baselines(vec![]), [None; 4]);
        assert_eq!(baselines(vec![(1, 0), (0, 1)]), [Some(2), Some(2), None, Some(2)]);
    }

    #[test]
    fn without_factors_there_is_one_cell() {
        let design = Design::new(vec![], 3, vec![]).expect("it is a design");
        assert_eq!(design.cells(), [Cell { index: 0, name: "all".into(), levels: vec![] }]);
    }

    #[test]
    fn wrong_designs_are_refused() {
        let many: Vec<String> = (0..1001).map(|label| label.to_string()).collect();
        let large = |name: &str| Factor { name: name.into(), labels: many.clone() };
        for (factors, replications, baseline, expected) in [
            (vec![factor("cell", &["1"])], 1, vec![], DesignError::FactorName("cell".into())),
            (vec![factor("a", &["1"]), factor("a", &["2"])], 1, vec![], DesignError::FactorName("a".into())),
            (vec![factor("a", &[])], 1, vec![], DesignError::NoLevel("a".into())),
            (vec![factor("a", &["1", "1"])], 1, vec![], DesignError::CellName("a=1".into())),
            (vec![factor("a", &["1"])], 0, vec![], DesignError::NoReplication),
            (vec![factor("a", &["1"])], 1, vec![(1, 0)], DesignError::Baseline),
            (vec![factor("a", &["1"])], 1, vec![(0, 1)], DesignError::Baseline),
            (vec![factor("a", &["1", "2"])], 1, vec![(0, 1), (0, 0)], DesignError::Baseline),
            (vec![large("a"), large("b")], 1, vec![], DesignError::TooManyCells),
        ] {
            assert_eq!(Design::new(factors, replications, baseline), Err(expected));
        }
    }

    #[test]
    fn ranges_of_cells() {
        assert_eq!(parse_cells("2..10"), Ok(2..10));
        for (text, why) in [
            ("3..3", "the range of cells `3..3` is empty; its end is not included"),
            ("3", "`3` is not a range of cells such as 0..10"),
            ("-1..3", "`-1..3` is not a range of cells such as 0..10"),
            ("..", "`..` is not a range of cells such as 0..10"),
        ] {
            assert_eq!(parse_cells(text), Err(why.into()));
        }
    }
}
