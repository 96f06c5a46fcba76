//! Files, directories and lists, taken apart into single objects.

#![allow(clippy::disallowed_methods, reason = "input files are found here, before the core starts")]

use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::{Findings, compose};
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

/// All objects of the documents of one file.
pub(super) fn objects_of<'s>(file: &'s Arc<str>, documents: &'s [Tree], findings: &mut Findings) -> Vec<Object<'s>> {
    let mut objects = Vec::new();
    documents.iter().for_each(|document| collect(document, None, file, &mut objects, findings));
    objects
}

/// Adds an object, or the items of a list, which may leave out what their list says.
fn collect<'s>(
    tree: &'s Tree,
    item_kind: Option<&'s str>,
    file: &'s Arc<str>,
    objects: &mut Vec<Object<'s>>,
    findings: &mut Findings,
) {
    let mut refuse = |span, message: String| {
        let issue = Issue::new(Code::WrongKind, file, span, message);
        findings.issues.push(issue.with_hint("a Kubernetes object has `apiVersion`, `kind`, `metadata` and `spec`"));
    };
    match &tree.value {
        Value::Null => {}
        Value::List(items) if item_kind.is_none() && items.len() > 1 && items.iter().all(is_without_kind) => {
            // Extracts of objects, perhaps: said once, not for each.
            refuse(tree.span, format!("none of these {} objects has a `kind`", items.len()));
        }
        Value::List(items) => items.iter().for_each(|item| collect(item, item_kind, file, objects, findings)),
        Value::Map(_) => match (tree.get("kind").map(|kind| (kind, kind.as_text())), item_kind) {
            (Some((_, Some(list_kind))), _) if list_kind.ends_with("List") && is_list(tree) => {
                let item_kind = list_kind.strip_suffix("List").filter(|kind| !kind.is_empty());
                if let Some(items) = tree.get("items") {
                    collect(items, item_kind, file, objects, findings);
                }
            }
            (Some((_, Some(kind))), _) | (None, Some(kind)) => objects.push(Object { kind, tree, file }),
            (Some((kind, None)), _) => refuse(kind.span, format!("`kind` must be text, not {}", kind.type_name())),
            (None, None) => refuse(tree.span, "this object has no `kind`".to_owned()),
        },
        _ => refuse(tree.span, format!("a Kubernetes object is a mapping, not {}", tree.type_name())),
    }
}

fn is_without_kind(tree: &Tree) -> bool {
    matches!(tree.value, Value::Map(_)) && tree.get("kind").is_none()
}

/// Whether `items` is a list, or absent as in an empty list.
fn is_list(tree: &Tree) -> bool {
    tree.get("items").is_none_or(|items| matches!(items.value, Value::List(_) | Value::Null))
}
