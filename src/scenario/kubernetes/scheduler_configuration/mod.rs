//! `KubeSchedulerConfiguration` files: defaults, expansion and checks as kube-scheduler v1.37.0 does them
//! (`pkg/scheduler/apis/config`), with every problem at once.
//!
//! - `plugins`: which plug-ins take part where;
//! - `arguments`: what is said to them;
//! - `extenders`: who is asked beside them.
//!
//! How the process talks to its cluster (`clientConnection`, `leaderElection`, `parallelism`, profiling) has no bearing on
//! decisions and is accepted without a look.

mod arguments;
mod extenders;
mod plugins;

use std::collections::BTreeMap;
use std::path::Path;

use super::Findings;
use super::read::Notes;
use crate::document::{Code, Node as Tree, Source, Span, parse, read_text};
use crate::model::KubeSchedulerConfiguration;
use crate::model::kube_scheduler::{PluginArguments, Profile};
use crate::model::pod_spec::DEFAULT_SCHEDULER_NAME;
use crate::scenario::schema::suggestion;
use crate::units::SimDuration;

const KIND: &str = "KubeSchedulerConfiguration";
const API_VERSION: &str = "kubescheduler.config.k8s.io/v1";
/// Keys without bearing on decisions.
const PROCESS_KEYS: [&str; 6] = [
    "parallelism",
    "leaderElection",
    "clientConnection",
    "enableProfiling",
    "enableContentionProfiling",
    "delayCacheUntilActive",
];

/// Reads a configuration file. What is wrong with it goes to the findings; none where it could not be read at all.
pub fn read_scheduler_configuration(path: &Path, findings: &mut Findings) -> Option<KubeSchedulerConfiguration> {
    match read_text(path, &path.to_string_lossy().into()) {
        Ok(source) => load_scheduler_configuration(&source, findings),
        Err(issue) => {
            findings.issues.push(issue);
            None
        }
    }
}

/// As [`read_scheduler_configuration`], from a text that is at hand.
pub fn load_scheduler_configuration(source: &Source, findings: &mut Findings) -> Option<KubeSchedulerConfiguration> {
    let documents = parse(source, &mut findings.issues);
    let mut notes = Notes::new(&source.file);
    let configuration = match &documents[..] {
        [tree] => configuration(tree, &mut notes),
        [] => {
            if findings.issues.is_empty() {
                notes.refuse(Code::WrongKind, Span::default(), "the file is empty");
            }
            None
        }
        [_, second, ..] => {
            notes.refuse(
                Code::WrongKind,
                second.span,
                format!("one {KIND} is expected in a file, and here begins another document"),
            );
            None
        }
    };
    findings.add(KIND, &source.file, notes);
    findings.issues.attach_source(&source.file, &source.text);
    configuration
}

fn configuration(tree: &Tree, notes: &mut Notes) -> Option<KubeSchedulerConfiguration> {
    check_kind(tree, notes)?;
    let keys = [
        "apiVersion",
        "kind",
        "profiles",
        "extenders",
        "percentageOfNodesToScore",
        "podInitialBackoffSeconds",
        "podMaxBackoffSeconds",
    ];
    notes.only_keys(tree, "", &[&keys[..], &PROCESS_KEYS[..]].concat());
    notes.number_within(tree.get("parallelism"), "parallelism", 1..=i32::MAX);
    let initial = notes.number_within(tree.get("podInitialBackoffSeconds"), "podInitialBackoffSeconds", 1..=i32::MAX);
    let longest = notes.number_within(tree.get("podMaxBackoffSeconds"), "podMaxBackoffSeconds", 1..=i32::MAX);
    let (initial, longest) = (initial.unwrap_or(1), longest.unwrap_or(10));
    if longest < initial {
        let place = tree.get("podMaxBackoffSeconds").or_else(|| tree.get("podInitialBackoffSeconds")).unwrap_or(tree);
        let message = format!("`podMaxBackoffSeconds` ({longest}) is less than `podInitialBackoffSeconds` ({initial})");
        notes.refuse(Code::Contradiction, place.span, message);
    }
    let seconds = |seconds: i32| SimDuration(u64::from(seconds.unsigned_abs()) * 1_000_000_000);
    let (extenders, left_to_extenders) = extenders::read(tree.get("extenders"), notes);
    let mut profiles = profiles(tree, notes);
    if !left_to_extenders.is_empty() {
        // They take the place of what the plug-in has been told.
        for profile in &mut profiles {
            profile.arguments.node_resources_fit.ignored_resources.clone_from(&left_to_extenders);
        }
    }
    Some(KubeSchedulerConfiguration {
        percentage_of_nodes_to_score: percentage(tree, notes).unwrap_or(0),
        pod_initial_backoff: seconds(initial),
        pod_max_backoff: seconds(longest),
        profiles,
        extenders,
        ..KubeSchedulerConfiguration::default()
    })
}

fn check_kind(tree: &Tree, notes: &mut Notes) -> Option<()> {
    notes.mapping(Some(tree), KIND)?;
    for (key, expected) in [("kind", KIND), ("apiVersion", API_VERSION)] {
        let found = tree.get(key).and_then(Tree::as_text);
        if found != Some(expected) {
            let place = tree.get(key).map_or(tree.span, |tree| tree.span);
            let message = match found {
                Some(found) => format!("`{key}` is `{found}`, not `{expected}`"),
                None => format!("a {KIND} has `{key}: {expected}`"),
            };
            notes.refuse(Code::WrongKind, place, message);
            return None;
        }
    }
    Some(())
}

fn percentage(tree: &Tree, notes: &mut Notes) -> Option<i32> {
    notes.number_within(tree.get("percentageOfNodesToScore"), "percentageOfNodesToScore", 0..=100)
}

fn profiles(tree: &Tree, notes: &mut Notes) -> Vec<Profile> {
    let items = notes.list(tree.get("profiles"), "profiles");
    if items.is_empty() {
        return vec![Profile::default()];
    }
    let mut profiles = Vec::with_capacity(items.len());
    let mut places: BTreeMap<String, Span> = BTreeMap::new();
    let mut first_queue_sort: Option<plugins::PluginSet> = None;
    for item in items {
        notes.mapping(Some(item), "profiles[]");
        notes.only_keys(item, "profiles[]", &["schedulerName", "percentageOfNodesToScore", "plugins", "pluginConfig"]);
        let name = scheduler_name(item, items.len() == 1, notes);
        if let Some(first) = places.insert(name.clone(), item.span).filter(|_| !name.is_empty()) {
            let message = format!("the profile `{name}` is there already, from line {}", first.line);
            notes.refuse(Code::DuplicateName, item.span, message);
        }
        let (plugins, queue_sort) = plugins::read(item, notes);
        match &first_queue_sort {
            None => first_queue_sort = Some(queue_sort),
            Some(first) if !first.says_the_same(&queue_sort) => {
                let message = "`profiles[].plugins.queueSort` must be the same in all profiles, which share one queue";
                notes.refuse(Code::Contradiction, item.span, message);
            }
            Some(_) => {}
        }
        let mut arguments = PluginArguments::default();
        arguments::read(item.get("pluginConfig"), &mut arguments, notes);
        let percentage_of_nodes_to_score = percentage(item, notes);
        profiles.push(Profile { scheduler_name: name, percentage_of_nodes_to_score, plugins, arguments });
    }
    profiles
}

/// The name of a profile, which only an only one can leave out.
fn scheduler_name(tree: &Tree, is_only: bool, notes: &mut Notes) -> String {
    let written = tree.get("schedulerName").filter(|name| !name.is_null());
    if written.is_none() && is_only {
        return DEFAULT_SCHEDULER_NAME.to_owned();
    }
    notes.required_text(tree, "schedulerName", "profiles[]").to_owned()
}

impl Notes {
    /// Reports the keys of a mapping that are not known.
    fn only_keys(&mut self, tree: &Tree, field: &str, known: &[&str]) {
        for entry in tree.entries().iter().filter(|entry| !known.contains(&&*entry.key)) {
            let of = if field.is_empty() { String::new() } else { format!(" of `{field}`") };
            let hint = suggestion(&entry.key, known, "the keys are");
            self.refuse_with_hint(Code::UnknownKey, entry.span, format!("unknown key `{}`{of}", entry.key), &hint);
        }
    }
}

#[cfg(test)]
mod tests;
