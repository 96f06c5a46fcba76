//! Files to validated trees, and those to models.

use std::fmt;
use std::path::{Path, PathBuf};

use serde::de::DeserializeOwned;
use serde_json::Value as Json;

use super::context::{Context, Environment, resolve};
use super::kubernetes::{Findings, Warning};
use super::origin::{Origins, moved};
use super::path::Override;
use super::spec::ScenarioSpec;
use super::{build, schema, validate};
use crate::document::{Code, Entry, Issue, Issues, Node, Source, Span, Value, parse, read_text};
use crate::model::Model;

/// Largest scenario or experiment file in bytes. Data has files of its own.
const SCENARIO_BYTES_MAX: usize = 16 << 20;

/// Everything that is wrong with a scenario or experiment, ordered by file, line and column; never empty.
#[derive(Clone, Debug, thiserror::Error)]
pub struct ScenarioError(pub Vec<Issue>);

impl fmt::Display for ScenarioError {
    /// All issues, one after the other.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, issue) in self.0.iter().enumerate() {
            let separator = if index == 0 { "" } else { "\n" };
            write!(f, "{separator}{issue}")?;
        }
        Ok(())
    }
}

/// Reads, checks and builds a scenario. Gives the model, and the scenario as it was resolved: based on others,
/// overridden, as JSON. `replication` (from 0) tells runs apart that differ in their random streams only.
///
/// # Errors
/// Everything that is wrong with the file, the files it names, or the overrides.
pub fn load_scenario(
    path: &Path,
    overrides: &[Override],
    replication: u32,
    environment: &Environment,
) -> Result<Loaded, ScenarioError> {
    let source = read_text(path, &path.to_string_lossy().into()).map_err(|issue| ScenarioError(vec![issue]))?;
    load_scenario_text(&source, overrides, replication, environment)
}

/// A scenario that is ready to run.
#[derive(Clone, Debug)]
pub struct Loaded {
    /// What is run.
    pub model: Model,
    /// The scenario as it was resolved: based on others, overridden.
    pub resolved: Json,
    /// What in the manifests a run does not look at.
    pub warnings: Vec<Warning>,
}

/// As [`load_scenario`], from a text that is at hand, such as a scenario that the binary carries. Its file name serves
/// for messages and for paths that are relative to it.
///
/// # Errors
/// See [`load_scenario`].
pub fn load_scenario_text(
    source: &Source,
    overrides: &[Override],
    replication: u32,
    environment: &Environment,
) -> Result<Loaded, ScenarioError> {
    let tree = Tree::load(source, "Scenario", overrides, environment)?;
    let resolved = tree.root.to_json();
    let (spec, tree) = tree.checked::<ScenarioSpec>(&schema::scenario_schema(), environment, validate::scenario)?;
    let mut context = tree.context(environment);
    match build::model(&spec, replication, &mut context) {
        Some(model) if context.is_sound() => {
            let warnings = context.findings.warnings().cloned().collect();
            Ok(Loaded { model, resolved, warnings })
        }
        _ => Err(tree.error(context.into_issues())),
    }
}

/// What a file says it is (its `kind`); none when it cannot be read.
pub fn file_kind(path: &Path) -> Option<String> {
    let file = path.display().to_string().into();
    let source = read_text(path, &file).ok()?;
    let documents = parse(&source, &mut Issues::default());
    Some(documents.first()?.get("kind")?.as_text()?.to_owned())
}

/// A file with everything put in, not yet checked.
#[derive(Debug)]
pub(super) struct Tree {
    pub(super) root: Node,
    pub(super) origins: Origins,
}

impl Tree {
    /// Reads a source of the given kind, the files it is based on, and puts the overrides in.
    pub(super) fn load(
        source: &Source,
        kind: &str,
        overrides: &[Override],
        environment: &Environment,
    ) -> Result<Tree, ScenarioError> {
        let mut loader = Loader { kind, environment, origins: Origins::default(), stack: Vec::new() };
        let mut root = loader.read(source).map_err(ScenarioError)?;
        let mut origins = loader.origins;
        let directory = directory_of(Path::new(&*source.file));
        let refused: Vec<Issue> =
            overrides.iter().filter_map(|change| change.apply(&mut root, &mut origins, directory).err()).collect();
        let tree = Tree { root, origins };
        if refused.is_empty() { Ok(tree) } else { Err(tree.error(refused)) }
    }

    /// Checks the tree against the schema and `validate`; gives its content as a `Spec`.
    pub(super) fn checked<Spec: DeserializeOwned>(
        mut self,
        schema: &Json,
        environment: &Environment,
        validate: impl FnOnce(&Spec, &mut Context<'_>),
    ) -> Result<(Spec, Tree), ScenarioError> {
        let problems = schema::check(&mut self.root, schema);
        let mut issues: Vec<Issue> = problems.into_iter().map(|problem| problem.into_issue(&self.origins)).collect();
        let spec = match serde_json::from_value::<Spec>(self.root.to_json()) {
            Ok(spec) => spec,
            Err(error) => {
                // What is missing has been reported; otherwise schema and types disagree, which is worth a report too.
                if issues.is_empty() {
                    let place = self.root.span;
                    issues.push(self.origins.issue(Code::WrongType, place, format!("cannot be read: {error}")));
                }
                return Err(self.error(issues));
            }
        };
        let mut context = self.context(environment);
        validate(&spec, &mut context);
        let mut found = context.issues;
        if !issues.is_empty() {
            // Parts that are wrong have been left out of the tree; what only seems to be missing for that is no news.
            found
                .retain(|issue| !matches!(issue.code, Code::UnknownReference | Code::MissingKey | Code::Contradiction));
        }
        issues.extend(found);
        if issues.is_empty() { Ok((spec, self)) } else { Err(self.error(issues)) }
    }

    pub(super) fn context<'a>(&'a self, environment: &'a Environment) -> Context<'a> {
        Context {
            root: &self.root,
            origins: &self.origins,
            environment,
            issues: Vec::new(),
            findings: Findings::default(),
        }
    }

    pub(super) fn error(&self, issues: Vec<Issue>) -> ScenarioError {
        ScenarioError(self.origins.with_source_lines(issues))
    }
}

impl schema::Problem {
    fn into_issue(self, origins: &Origins) -> Issue {
        let mut issue = origins.issue(self.code, self.span, self.message);
        issue.hint = self.hint;
        issue
    }
}

/// The directory that paths in a file are relative to.
pub(super) fn directory_of(path: &Path) -> &Path {
    path.parent().unwrap_or(Path::new(""))
}

struct Loader<'e> {
    kind: &'e str,
    environment: &'e Environment,
    origins: Origins,
    /// The files that are being read, each because of the one before it: without links, and as named.
    stack: Vec<(PathBuf, String)>,
}

impl Loader<'_> {
    /// Reads one source and what it is based on.
    fn read(&mut self, source: &Source) -> Result<Node, Vec<Issue>> {
        let file = &source.file;
        let path = Path::new(&**file);
        if source.text.len() > SCENARIO_BYTES_MAX {
            let message = format!("holds more than {} MiB", SCENARIO_BYTES_MAX >> 20);
            return Err(vec![Issue::new(Code::TooLarge, file, Span::default(), message)]);
        }
        let mut issues = Issues::default();
        let documents = parse(source, &mut issues);
        if !issues.is_empty() {
            return Err(issues.into_sorted());
        }
        let lines = self.origins.add(source, directory_of(path));
        let refuse = |origins: &Origins, code, span, message: String| vec![origins.issue(code, span, message)];
        let mut documents = documents.into_iter().map(|document| moved(document, lines, 0));
        let Some(mut root) = documents.next() else {
            return Err(vec![Issue::new(Code::WrongKind, file, Span::default(), "the file is empty")]);
        };
        if let Some(second) = documents.next() {
            let message = format!("one {} is expected in a file, and here begins another document", self.kind);
            return Err(self.sourced(refuse(&self.origins, Code::WrongKind, second.span, message)));
        }
        if let Err(issue) = self.check_kind(&root) {
            return Err(self.sourced(vec![issue]));
        }
        let base = match &mut root.value {
            Value::Map(entries) if self.kind == "Scenario" => {
                entries.iter().position(|entry| &*entry.key == "base").map(|index| entries.remove(index))
            }
            _ => None,
        };
        self.stack.push((path.canonicalize().unwrap_or_else(|_| path.to_owned()), file.to_string()));
        let merged = match base {
            Some(base) => self.base(&base).map(|base| merge(base, root)),
            None => Ok(root),
        };
        self.stack.pop();
        merged.map_err(|issues| self.sourced(issues))
    }

    fn sourced(&self, issues: Vec<Issue>) -> Vec<Issue> {
        self.origins.with_source_lines(issues)
    }

    /// Whether a file is of the kind expected; files of Kubernetes are easily given by mistake.
    fn check_kind(&self, root: &Node) -> Result<(), Issue> {
        if !matches!(root.value, Value::Map(_)) {
            let message = format!("a {} is a mapping, not {}", self.kind, root.type_name());
            return Err(self.origins.issue(Code::WrongType, root.span, message));
        }
        let Some(kind) = root.get("kind") else { return Ok(()) };
        match kind.as_text() {
            Some(found) if found != self.kind => {
                let issue =
                    self.origins.issue(Code::WrongKind, kind.span, format!("`kind` is `{found}`, not `{}`", self.kind));
                Err(issue.with_hint(match found {
                    "Experiment" => "experiments are run with `wavetank sweep`",
                    "Scenario" => "scenarios are run with `wavetank run`",
                    _ => "a scenario names Kubernetes manifests under `cluster.manifests` and `workload.manifests`",
                }))
            }
            _ => Ok(()),
        }
    }

    /// Reads the scenario that another is based on.
    fn base(&mut self, entry: &Entry) -> Result<Node, Vec<Issue>> {
        let span = entry.value.span;
        let Some(text) = entry.value.as_text() else {
            let message = format!("`base` must be text, not {}", entry.value.type_name());
            return Err(vec![self.origins.issue(Code::WrongType, span, message)]);
        };
        let path = resolve(text, self.origins.directory(span), self.environment)
            .map_err(|(message, hint)| vec![self.origins.issue(Code::Variable, span, message).with_hint(hint)])?;
        match path.canonicalize() {
            Err(_) => {
                let message = format!("`base`: no such file: {}", path.display());
                let hint = "paths are relative to the file they stand in";
                Err(vec![self.origins.issue(Code::FileUnreadable, span, message).with_hint(hint)])
            }
            Ok(canonical) if self.stack.iter().any(|(open, _)| *open == canonical) => {
                let files: Vec<&str> = self.stack.iter().map(|(_, file)| file.as_str()).collect();
                let message = match files[..] {
                    [_] => "`base` is the file itself".to_owned(),
                    _ => format!("`base` leads in a circle: {} and back", files.join(", then ")),
                };
                Err(vec![self.origins.issue(Code::CyclicReference, span, message)])
            }
            Ok(_) => {
                let source = read_text(&path, &path.to_string_lossy().into()).map_err(|issue| vec![issue])?;
                self.read(&source)
            }
        }
    }
}

/// Puts a mapping over another: keys of mappings are merged, everything else is replaced.
fn merge(base: Node, over: Node) -> Node {
    let (mut entries, over_entries) = match (base.value, over.value) {
        (Value::Map(base), Value::Map(over)) => (base, over),
        (_, value) => return Node { span: over.span, value },
    };
    for entry in over_entries {
        match entries.iter_mut().find(|existing| existing.key == entry.key) {
            Some(existing) => {
                let below = std::mem::replace(&mut existing.value, Node { span: entry.span, value: Value::Null });
                *existing = Entry { span: entry.span, key: entry.key, value: merge(below, entry.value) };
            }
            None => entries.push(entry),
        }
    }
    Node { span: over.span, value: Value::Map(entries) }
}
