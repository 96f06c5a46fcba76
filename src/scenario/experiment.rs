//! Experiments: a scenario, factors, and the cells that their combinations make.

use std::path::{Path, PathBuf};

use serde_json::Value as Json;

use super::context::{Context, Environment, resolve};
use super::load::{Loaded, ScenarioError, Tree, load_scenario};
use super::path::{Override, place};
use super::schema::experiment_schema;
use super::spec::{ExperimentSpec, FactorSpec};
use super::validate;
use crate::document::{Code, Node, Span, read_text};

/// A checked experiment.
#[derive(Clone, Debug)]
pub struct Experiment {
    /// Name.
    pub name: String,
    /// What it shows, in a sentence.
    pub description: String,
    /// The scenario's file.
    pub scenario: PathBuf,
    /// Changes that hold in every cell.
    pub set: Vec<Override>,
    /// What is varied, in the order of the file.
    pub factors: Vec<Factor>,
    /// Runs of each cell, at least 1.
    pub replications: u32,
    /// The cells that others are compared with: for some factors, by position, the position of a level; none: no
    /// comparison.
    pub baseline: Vec<(usize, usize)>,
    /// Metrics to report; empty: all.
    pub metrics: Vec<String>,
    /// The experiment as it was resolved, as JSON.
    pub resolved: Json,
}

/// Something that is varied.
#[derive(Clone, Debug)]
pub struct Factor {
    /// Name: the heading of its column.
    pub name: String,
    /// Its values, at least one.
    pub levels: Vec<Level>,
}

/// One value of a factor.
#[derive(Clone, Debug)]
pub struct Level {
    /// What stands in tables.
    pub label: String,
    /// What it changes in the scenario.
    pub set: Vec<Override>,
}

/// One combination of levels.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cell {
    /// Position among the cells.
    pub index: usize,
    /// The position of a level for every factor.
    pub levels: Vec<usize>,
}

impl Experiment {
    /// All combinations; the last factor changes fastest.
    pub fn cells(&self) -> Vec<Cell> {
        let count = self.factors.iter().map(|factor| factor.levels.len()).product();
        (0..count).map(|index| self.cell(index)).collect()
    }

    fn cell(&self, index: usize) -> Cell {
        let mut rest = index;
        let mut levels: Vec<usize> = self
            .factors
            .iter()
            .rev()
            .map(|factor| {
                let level = rest % factor.levels.len();
                rest /= factor.levels.len();
                level
            })
            .collect();
        levels.reverse();
        Cell { index, levels }
    }

    /// The labels of a cell, one for each factor.
    pub fn labels(&self, cell: &Cell) -> Vec<&str> {
        self.factors.iter().zip(&cell.levels).map(|(factor, &level)| factor.levels[level].label.as_str()).collect()
    }

    /// Whether a cell belongs to the baseline.
    pub fn is_baseline(&self, cell: &Cell) -> bool {
        !self.baseline.is_empty() && self.baseline.iter().all(|&(factor, level)| cell.levels[factor] == level)
    }

    /// The changes that make the scenario of a cell.
    pub fn overrides(&self, cell: &Cell) -> Vec<Override> {
        let own = self.factors.iter().zip(&cell.levels).flat_map(|(factor, &level)| &factor.levels[level].set);
        self.set.iter().chain(own).cloned().collect()
    }

    /// The model of one replication of a cell, and its scenario as resolved.
    ///
    /// # Errors
    /// Everything that is wrong with the scenario under the changes of this cell.
    pub fn load_cell(&self, cell: &Cell, replication: u32, environment: &Environment) -> Result<Loaded, ScenarioError> {
        load_scenario(&self.scenario, &self.overrides(cell), replication, environment)
    }
}

/// Reads and checks an experiment. `overrides` change the experiment's own file. Its scenario is found, not read: see
/// [`Experiment::load_cell`].
///
/// # Errors
/// Everything that is wrong with the file or the overrides.
pub fn load_experiment(
    path: &Path,
    overrides: &[Override],
    environment: &Environment,
) -> Result<Experiment, ScenarioError> {
    let source = read_text(path, &path.to_string_lossy().into()).map_err(|issue| ScenarioError(vec![issue]))?;
    let tree = Tree::load(&source, "Experiment", overrides, environment)?;
    let resolved = tree.root.to_json();
    let (spec, tree) =
        tree.checked::<ExperimentSpec>(&experiment_schema(), environment, |spec: &ExperimentSpec, context| {
            validate::experiment(spec, context);
            let scenario = context.existing_path("scenario", &spec.scenario);
            if scenario.is_some_and(|scenario| scenario.canonicalize().ok() == path.canonicalize().ok()) {
                context.report("scenario", Code::CyclicReference, "`scenario` is the experiment itself");
            }
            check_paths(context);
        })?;
    let span = place(&tree.root, "scenario");
    let scenario = resolve(&spec.scenario, tree.origins.directory(span), environment).map_err(|(message, hint)| {
        tree.error(vec![tree.origins.issue(Code::Variable, span, message).with_hint(hint)])
    })?;
    let reader = Reader { tree: &tree };
    let factors: Vec<Factor> =
        tree.root.get("factors").map_or(&[][..], Node::items).iter().map(|node| reader.factor(node)).collect();
    let baseline = spec.baseline.iter().filter_map(|(name, label)| {
        let factor = factors.iter().position(|factor| factor.name == *name)?;
        Some((factor, factors[factor].levels.iter().position(|level| level.label == label.0)?))
    });
    Ok(Experiment {
        name: spec.metadata.name,
        description: spec.metadata.description,
        scenario,
        set: reader.settings(tree.root.get("set")),
        baseline: baseline.collect(),
        factors,
        replications: spec.replications,
        metrics: spec.metrics,
        resolved,
    })
}

/// The labels of a factor's values, in the order of the file.
pub(super) fn labels(spec: &FactorSpec) -> Vec<String> {
    let values = spec.values.iter().map(|value| match value {
        Json::String(text) => text.clone(),
        other => other.to_string(),
    });
    spec.settings.iter().map(|setting| setting.label.0.clone()).chain(values).collect()
}

/// Reports texts that are no paths, wherever the file has paths into the scenario.
fn check_paths(context: &mut Context<'_>) {
    let root = context.root;
    let factors = root.get("factors").map_or(&[][..], Node::items);
    let settings = factors.iter().flat_map(|factor| factor.get("settings").map_or(&[][..], Node::items));
    let sets = std::iter::once(root).chain(settings).filter_map(|node| node.get("set"));
    let keys = sets.flat_map(Node::entries).map(|entry| (&*entry.key, entry.span));
    let paths =
        factors.iter().filter_map(|factor| factor.get("path")).filter_map(|node| Some((node.as_text()?, node.span)));
    for (path, span) in keys.chain(paths) {
        if let Err(message) = super::path::check(path) {
            let issue = context.origins.issue(Code::Override, span, message);
            context.issues.push(issue);
        }
    }
}

/// Reads overrides from the checked tree, each with its place in the file.
struct Reader<'t> {
    tree: &'t Tree,
}

impl Reader<'_> {
    fn change(&self, path: &str, value: &Node, span: Span) -> Override {
        let origin = self.tree.origins.original(span, value);
        Override::at(path, origin, self.tree.origins.directory(span))
    }

    fn settings(&self, set: Option<&Node>) -> Vec<Override> {
        let entries = set.map_or(&[][..], Node::entries);
        entries.iter().map(|entry| self.change(&entry.key, &entry.value, entry.span)).collect()
    }

    fn factor(&self, node: &Node) -> Factor {
        let name = node.get("name").and_then(Node::as_text).unwrap_or_default().to_owned();
        let setting =
            |setting: &Node| Level { label: label(setting.get("label")), set: self.settings(setting.get("set")) };
        let mut levels: Vec<Level> = node.get("settings").map_or(&[][..], Node::items).iter().map(setting).collect();
        if let Some(path) = node.get("path")
            && let Some(text) = path.as_text()
        {
            let values = node.get("values").map_or(&[][..], Node::items);
            let level =
                |value: &Node| Level { label: label(Some(value)), set: vec![self.change(text, value, path.span)] };
            levels.extend(values.iter().map(level));
        }
        Factor { name, levels }
    }
}

/// The label of a value: its text, or its JSON.
fn label(node: Option<&Node>) -> String {
    match node.map(Node::to_json) {
        Some(Json::String(text)) => text,
        Some(other) => other.to_string(),
        None => String::new(),
    }
}

#[cfg(test)]
#[allow(clippy::disallowed_methods, reason = "tests write the files that they read")]
mod tests {
    use super::*;

    const SCENARIO: &str = "apiVersion: wavetank.dev/v1
kind: Scenario
metadata: {name: s}
cluster: {pools: [{name: p, allocatable: {cpu: 4, memory: 8Gi}}]}
";
    const EXPERIMENT: &str = "apiVersion: wavetank.dev/v1
kind: Experiment
metadata: {name: e, description: d}
scenario: s.yaml
set: {cluster.pools.p.count: 3}
factors:
  - {name: policy, path: scheduler.policy, values: [fgd, first-fit]}
  - name: load
    settings:
      - {label: low, set: {seed: 1}}
      - {label: high, set: {seed: 2, horizon: 1h}}
      - {label: 3, set: {seed: 3}}
replications: 10
baseline: {policy: first-fit}
metrics: [wait_ms_p99]
";

    #[test]
    fn cells_are_the_combinations() {
        let directory = tempfile::tempdir().unwrap();
        std::fs::write(directory.path().join("s.yaml"), SCENARIO).unwrap();
        let path = directory.path().join("e.yaml");
        std::fs::write(&path, EXPERIMENT).unwrap();
        let environment = Environment::default();
        let experiment = load_experiment(&path, &[], &environment).unwrap_or_else(|error| panic!("{error}"));
        assert_eq!((experiment.replications, experiment.metrics.len()), (10, 1));
        let cells = experiment.cells();
        let labels: Vec<String> = cells.iter().map(|cell| experiment.labels(cell).join("/")).collect();
        assert_eq!(labels, ["fgd/low", "fgd/high", "fgd/3", "first-fit/low", "first-fit/high", "first-fit/3"]);
        let baseline: Vec<usize> =
            cells.iter().filter(|cell| experiment.is_baseline(cell)).map(|cell| cell.index).collect();
        assert_eq!(baseline, [3, 4, 5]);
        let Loaded { model, resolved, .. } =
            experiment.load_cell(&cells[4], 7, &environment).unwrap_or_else(|error| panic!("{error}"));
        assert_eq!((model.seed.base, model.seed.replication, model.cluster.nodes.len()), (2, 7, 3));
        assert_eq!(model.scheduling.policy.name, "first-fit");
        assert_eq!(resolved["horizon"], "1h");
        assert_eq!(resolved["cluster"]["pools"][0]["count"], 3);
        let changed = Override::parse("replications=2", "--set").unwrap();
        assert_eq!(load_experiment(&path, &[changed], &environment).unwrap().replications, 2);
    }
}
