//! Files, directories and lists, taken apart into single objects.

#![allow(clippy::disallowed_methods, reason = "input files are found here, before the core starts")]

use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::{Findings, Warning, compose};
use crate::document::{Code, Issue, Node as Tree, Source, Span, Value, read_documents};

/// Deepest nesting of directories.
const DIRECTORY_DEPTH_MAX: usize = 16;

/// One object of a file.
#[derive(Clone, Copy)]
pub(super) struct Object<'s> {
    pub(super) kind: &'s str,
    pub(super) tree: &'s Tree,
    pub(super) file: &'s Arc<str>,
}

/// Reads files, and the files of directories in order of name; Compose files give the objects that they come to.
pub(super) fn read_files(paths: &[PathBuf], findings: &mut Findings) -> Vec<(Source, Vec<Tree>)> {
    let mut files = Vec::new();
    paths.iter().for_each(|path| find_files(path, 0, &mut files, findings));
    let mut sources = Vec::new();
    for path in files {
        let file: Arc<str> = path.to_string_lossy().into();
        let (source, documents) = read_documents(&path, &file, &mut findings.issues);
        let documents = compose::translate(&file, documents, findings);
        sources.extend(source.map(|source| (source, documents)));
    }
    sources
}

fn find_files(path: &Path, depth: usize, files: &mut Vec<PathBuf>, findings: &mut Findings) {
    let mut refuse = |message: String| {
        let file: Arc<str> = path.to_string_lossy().into();
        findings.issues.push(Issue::new(Code::FileUnreadable, &file, Span::default(), message));
    };
    if !path.is_dir() {
        files.push(path.to_owned());
        return;
    }
    if depth > DIRECTORY_DEPTH_MAX {
        return refuse(format!("directories are nested more than {DIRECTORY_DEPTH_MAX} deep"));
    }
    let entries: Result<Vec<PathBuf>, _> =
        std::fs::read_dir(path).and_then(|entries| entries.map(|entry| entry.map(|entry| entry.path())).collect());
    let mut entries = match entries {
        Ok(entries) => entries,
        Err(error) => return refuse(format!("cannot be listed: {error}")),
    };
    entries.sort();
    entries.retain(|entry| entry.is_dir() || is_manifest(entry));
    if entries.is_empty() && depth == 0 {
        return refuse("holds no manifest: no file ends in .yaml, .yml or .json, or those with .gz".to_owned());
    }
    entries.iter().for_each(|entry| find_files(entry, depth + 1, files, findings));
}

/// Whether a file of a directory is meant: by the end of its name.
fn is_manifest(path: &Path) -> bool {
    let name = path.file_name().map(|name| name.to_string_lossy().to_lowercase()).unwrap_or_default();
    let name = name.strip_suffix(".gz").unwrap_or(&name);
    [".yaml", ".yml", ".json"].iter().any(|end| name.ends_with(end))
}

/// All objects, lists taken apart, in their order.
pub(super) fn objects<'s>(sources: &'s [(Source, Vec<Tree>)], findings: &mut Findings) -> Vec<Object<'s>> {
    let mut objects = Vec::new();
    for (source, documents) in sources {
        objects.append(&mut objects_of(&source.file, documents, findings));
    }
    objects
}

/// All objects of the documents of one file. What is no object is left out with one warning: directories and dumps hold
/// values of charts and extracts beside the objects.
pub(super) fn objects_of<'s>(file: &'s Arc<str>, documents: &'s [Tree], findings: &mut Findings) -> Vec<Object<'s>> {
    let mut reading = Reading { file, objects: Vec::new(), strange: Vec::new(), findings };
    documents.iter().for_each(|document| reading.collect(document, None));
    let Reading { objects, strange, findings, .. } = reading;
    if let Some(&span) = strange.first() {
        let message = if objects.is_empty() {
            "nothing is read from this file: what it holds has no `kind` and is no Kubernetes object"
        } else {
            "what has no `kind` is no Kubernetes object and is left out"
        };
        let objects = strange.len() as u64;
        let warning = Warning { file: file.clone(), span, message: message.to_owned(), objects };
        // A file can be listed for nodes and for pods.
        findings.warnings.insert((String::new(), file.to_string()), warning);
    }
    objects
}

/// One file on its way into objects.
struct Reading<'s, 'f> {
    file: &'s Arc<str>,
    objects: Vec<Object<'s>>,
    /// The places of what is no object.
    strange: Vec<Span>,
    findings: &'f mut Findings,
}

impl<'s> Reading<'s, '_> {
    fn refuse(&mut self, span: Span, message: String) {
        let issue = Issue::new(Code::WrongKind, self.file, span, message);
        let hint = "a Kubernetes object has `apiVersion`, `kind`, `metadata` and `spec`";
        self.findings.issues.push(issue.with_hint(hint));
    }

    /// Adds an object, or the items of a list, which may leave out what their list says.
    fn collect(&mut self, tree: &'s Tree, item_kind: Option<&'s str>) {
        match &tree.value {
            Value::Null => {}
            Value::List(items) if item_kind.is_none() && items.len() > 1 && items.iter().all(lacks_kind) => {
                // Said once, not for each.
                self.refuse(tree.span, format!("none of these {} objects has a `kind`", items.len()));
            }
            Value::List(items) => items.iter().for_each(|item| self.collect(item, item_kind)),
            Value::Map(_) => match (tree.get("kind").map(|kind| (kind, kind.as_text())), item_kind) {
                (Some((_, Some(list_kind))), _) if list_kind.ends_with("List") && is_list(tree) => {
                    let item_kind = list_kind.strip_suffix("List").filter(|kind| !kind.is_empty());
                    if let Some(items) = tree.get("items") {
                        self.collect(items, item_kind);
                    }
                }
                (Some((_, Some(kind))), _) | (None, Some(kind)) => {
                    self.objects.push(Object { kind, tree, file: self.file });
                }
                (Some((kind, None)), _) => {
                    self.refuse(kind.span, format!("`kind` must be text, not {}", kind.type_name()));
                }
                (None, None) if lacks_kind(tree) => self.refuse(tree.span, "this object has no `kind`".to_owned()),
                (None, None) => self.strange.push(tree.span),
            },
            _ => self.strange.push(tree.span),
        }
    }
}

/// Whether something was meant as an object, and only its `kind` is missing.
fn lacks_kind(tree: &Tree) -> bool {
    tree.get("kind").is_none() && ["apiVersion", "metadata", "spec"].iter().any(|key| tree.get(key).is_some())
}

/// Whether an object comes from a running cluster, which gave it a `metadata.uid`.
pub(super) fn is_from_dump(object: &Tree) -> bool {
    object.at(&["metadata", "uid"]).is_some()
}

/// Whether `items` is a list, or absent as in an empty list.
fn is_list(tree: &Tree) -> bool {
    tree.get("items").is_none_or(|items| matches!(items.value, Value::List(_) | Value::Null))
}
