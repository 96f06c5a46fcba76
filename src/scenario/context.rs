//! What the stages after parsing share: the tree, its origins, the environment, and the issues found so far.

use std::path::{Path, PathBuf};

use super::kubernetes::Findings;
use super::origin::Origins;
use super::path;
use crate::document::{Code, Issue, Node, Span};

/// What a scenario may see of the world outside its files. The command line fills it in; the library never looks.
#[derive(Clone, Debug, Default)]
pub struct Environment {
    /// The directory that `${WAVETANK_DATA}` at the start of a path stands for.
    pub data_directory: Option<PathBuf>,
}

/// The variable for [`Environment::data_directory`].
const DATA_VARIABLE: &str = "WAVETANK_DATA";

/// State of checking and building one file.
#[derive(Debug)]
pub(super) struct Context<'a> {
    pub(super) root: &'a Node,
    pub(super) origins: &'a Origins,
    pub(super) environment: &'a Environment,
    pub(super) issues: Vec<Issue>,
    /// What was found in manifests.
    pub(super) findings: Findings,
}

impl Context<'_> {
    /// Reports an issue at a path of the tree.
    pub(super) fn report(&mut self, at: &str, code: Code, message: impl Into<String>) {
        let issue = self.origins.issue(code, self.place(at), message);
        self.issues.push(issue);
    }

    /// Reports an issue with a hint.
    pub(super) fn report_with_hint(
        &mut self,
        at: &str,
        code: Code,
        message: impl Into<String>,
        hint: impl Into<String>,
    ) {
        let issue = self.origins.issue(code, self.place(at), message).with_hint(hint);
        self.issues.push(issue);
    }

    /// Whether nothing is wrong so far.
    pub(super) fn is_sound(&self) -> bool {
        self.issues.is_empty() && self.findings.issues.is_empty()
    }

    /// Everything that is wrong.
    pub(super) fn into_issues(self) -> Vec<Issue> {
        self.issues.into_iter().chain(self.findings.issues.into_sorted()).collect()
    }

    /// Where a path of the tree stands.
    pub(super) fn place(&self, at: &str) -> Span {
        path::place(self.root, at)
    }

    /// The file that the text at a path of the tree names; reports what is wrong with it.
    pub(super) fn existing_path(&mut self, at: &str, text: &str) -> Option<PathBuf> {
        let span = self.place(at);
        match resolve(text, self.origins.directory(span), self.environment) {
            Err((message, hint)) => {
                self.report_with_hint(at, Code::Variable, message, hint);
                None
            }
            Ok(path) if text.is_empty() || !path.exists() => {
                let message = format!("`{at}`: no such file or directory: {}", path.display());
                self.report_with_hint(
                    at,
                    Code::FileUnreadable,
                    message,
                    "paths are relative to the file they stand in",
                );
                None
            }
            Ok(path) => Some(path),
        }
    }
}

/// The path that a text stands for: relative to `directory`, or to the data directory.
pub(super) fn resolve(text: &str, directory: &Path, environment: &Environment) -> Result<PathBuf, (String, String)> {
    let Some(rest) = text.strip_prefix("${") else { return Ok(directory.join(text)) };
    let (variable, rest) = rest.split_once('}').unwrap_or((rest, ""));
    if variable != DATA_VARIABLE {
        let message = format!("unknown variable `{variable}` in `{text}`");
        return Err((message, format!("the only variable is ${{{DATA_VARIABLE}}}, the directory of public traces")));
    }
    match &environment.data_directory {
        Some(directory) => Ok(directory.join(rest.trim_start_matches('/'))),
        None => Err((
            format!("`{text}`: the variable {DATA_VARIABLE} is not set"),
            format!("set {DATA_VARIABLE} to the directory that holds the public traces, such as openb and k8s-sims"),
        )),
    }
}
