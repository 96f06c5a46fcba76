//! `pluginConfig`: arguments of plug-ins, with the defaults of `apis/config/v1/defaults.go` and the checks of
//! `apis/config/validation`.

use super::plugins::{find, refuse_unknown};
use crate::document::{Code, Node as Tree};
use crate::model::kube_scheduler::{DefaultSpread, NodeResourcesFitArguments, PluginArguments, ScoringStrategy};
use crate::scenario::kubernetes::read::Notes;
use crate::units::SimDuration;

/// Reads the arguments of a profile's plug-ins over the defaults.
pub(super) fn read(tree: Option<&Tree>, arguments: &mut PluginArguments, notes: &mut Notes) {
    let mut seen: Vec<&str> = Vec::new();
    for item in notes.list(tree, "profiles[].pluginConfig") {
        notes.only_keys(item, "profiles[].pluginConfig[]", &["name", "args"]);
        let name = notes.required_text(item, "name", "profiles[].pluginConfig[]");
        if name.is_empty() {
            continue;
        }
        if seen.contains(&name) {
            let message = format!("the arguments of `{name}` are given twice");
            notes.refuse(Code::DuplicateName, item.span, message);
        }
        seen.push(name);
        if find(name).is_none() {
            refuse_unknown(name, item.span, notes);
        } else if let Some(args) = notes.mapping(item.get("args"), "args") {
            check_kind(args, name, notes);
            of_plugin(name, args, arguments, notes);
        }
    }
}

fn check_kind(args: &Tree, name: &str, notes: &mut Notes) {
    let expected = format!("{name}Args");
    for (key, expected) in [("kind", expected.as_str()), ("apiVersion", super::API_VERSION)] {
        let Some(tree) = args.get(key) else { continue };
        if tree.as_text() != Some(expected) {
            notes.refuse(Code::WrongKind, tree.span, format!("`args.{key}` of `{name}` must be `{expected}`"));
        }
    }
}

fn of_plugin(name: &str, args: &Tree, arguments: &mut PluginArguments, notes: &mut Notes) {
    let only = |keys: &[&str], notes: &mut Notes| {
        notes.only_keys(args, "args", &[&["apiVersion", "kind"], keys].concat());
    };
    match name {
        "DefaultPreemption" => {
            only(&["minCandidateNodesPercentage", "minCandidateNodesAbsolute"], notes);
            default_preemption(args, arguments, notes);
        }
        "InterPodAffinity" => {
            only(&["hardPodAffinityWeight", "ignorePreferredTermsOfExistingPods"], notes);
            let weight = args.get("hardPodAffinityWeight");
            if let Some(weight) = notes.number_within(weight, "args.hardPodAffinityWeight", 0..=100) {
                arguments.hard_pod_affinity_weight = weight.into();
            }
            let key = "ignorePreferredTermsOfExistingPods";
            arguments.ignores_preferred_terms_of_existing_pods = notes.truth(args.get(key), &format!("args.{key}"));
        }
        "NodeAffinity" => {
            only(&["addedAffinity"], notes);
            let affinity = args.get("addedAffinity").filter(|affinity| !affinity.is_null());
            arguments.added_node_affinity =
                affinity.map(|affinity| notes.node_affinity(Some(affinity), "args.addedAffinity"));
        }
        "NodeResourcesBalancedAllocation" => {
            only(&["resources"], notes);
            balanced_allocation(args, arguments, notes);
        }
        "NodeResourcesFit" => {
            only(&["ignoredResources", "ignoredResourceGroups", "scoringStrategy"], notes);
            node_resources_fit(args, &mut arguments.node_resources_fit, notes);
        }
        "PodTopologySpread" => {
            only(&["defaultConstraints", "defaultingType"], notes);
            arguments.default_spread = default_spread(args, notes);
        }
        "VolumeBinding" => {
            only(&["bindTimeoutSeconds", "shape"], notes);
            notes.number_within(args.get("bindTimeoutSeconds"), "args.bindTimeoutSeconds", 0..=i32::MAX);
            if args.get("shape").is_some_and(|shape| !shape.items().is_empty()) {
                arguments.volume_binding_shape = shape(args, "args", notes);
            }
        }
        "DynamicResources" => {
            // How long the real search and the real binding may take.
            only(&["filterTimeout", "bindingTimeout"], notes);
            for key in ["filterTimeout", "bindingTimeout"] {
                notes.duration(args.get(key), &format!("args.{key}"));
            }
        }
        _ => only(&[], notes),
    }
}

fn default_preemption(args: &Tree, arguments: &mut PluginArguments, notes: &mut Notes) {
    let mut number = |key: &str, most: i32, default: i32| {
        notes.number_within(args.get(key), &format!("args.{key}"), 0..=most).unwrap_or(default)
    };
    let percentage = number("minCandidateNodesPercentage", 100, arguments.preemption_candidates_percentage);
    let absolute = number("minCandidateNodesAbsolute", i32::MAX, arguments.preemption_candidates_min);
    if percentage == 0 && absolute == 0 {
        let message = "`minCandidateNodesPercentage` and `minCandidateNodesAbsolute` cannot both be 0";
        notes.refuse(Code::Contradiction, args.span, message);
    }
    arguments.preemption_candidates_percentage = percentage;
    arguments.preemption_candidates_min = absolute;
}

/// A list of resources with weights; a weight of 0 stands for 1. None where the list is empty.
fn resources(tree: Option<&Tree>, field: &str, weight_max: i32, notes: &mut Notes) -> Option<Vec<(String, i64)>> {
    let mut resources: Vec<(String, i64)> = Vec::new();
    for item in notes.list(tree, field) {
        let at = format!("{field}[]");
        notes.only_keys(item, &at, &["name", "weight"]);
        let name = notes.required_text(item, "name", &at).to_owned();
        let weight = notes.number_within(item.get("weight"), &format!("{at}.weight"), 0..=weight_max);
        resources.push((name, weight.filter(|weight| *weight > 0).unwrap_or(1).into()));
    }
    (!resources.is_empty()).then_some(resources)
}

fn balanced_allocation(args: &Tree, arguments: &mut PluginArguments, notes: &mut Notes) {
    if let Some(resources) = resources(args.get("resources"), "args.resources", 1, notes) {
        for (position, (name, _)) in resources.iter().enumerate() {
            if resources[..position].iter().any(|(other, _)| other == name) {
                notes.refuse(Code::DuplicateName, args.span, format!("`args.resources` lists `{name}` twice"));
            }
        }
        arguments.balanced_allocation_resources = resources;
    }
}

fn node_resources_fit(args: &Tree, arguments: &mut NodeResourcesFitArguments, notes: &mut Notes) {
    let texts = |key: &str, notes: &mut Notes| -> Vec<String> {
        notes.texts(args.get(key), &format!("args.{key}")).into_iter().map(str::to_owned).collect()
    };
    arguments.ignored_resources = texts("ignoredResources", notes);
    arguments.ignored_resource_groups = texts("ignoredResourceGroups", notes);
    for group in arguments.ignored_resource_groups.iter().filter(|group| group.contains('/')) {
        let message = format!("`args.ignoredResourceGroups`: `{group}` has a slash, and groups are what is before it");
        notes.refuse(Code::NotAllowed, args.span, message);
    }
    let Some(strategy) = notes.mapping(args.get("scoringStrategy"), "args.scoringStrategy") else { return };
    notes.only_keys(strategy, "args.scoringStrategy", &["type", "resources", "requestedToCapacityRatio"]);
    if let Some(resources) = resources(strategy.get("resources"), "args.scoringStrategy.resources", 100, notes) {
        arguments.resources = resources;
    }
    #[derive(Clone, Copy, PartialEq)]
    enum Type {
        Least,
        Most,
        Ratio,
    }
    let types =
        [("LeastAllocated", Type::Least), ("MostAllocated", Type::Most), ("RequestedToCapacityRatio", Type::Ratio)];
    let before = notes.issues.len();
    let found = notes.choice(strategy.get("type"), "args.scoringStrategy.type", &types);
    if found.is_none() && notes.issues.len() == before {
        notes.refuse(Code::MissingKey, strategy.span, "`args.scoringStrategy` has no `type`");
    }
    let at = "args.scoringStrategy.requestedToCapacityRatio";
    let ratio = notes.mapping(strategy.get("requestedToCapacityRatio"), at);
    match (found, ratio) {
        (Some(Type::Ratio), None) => {
            notes.refuse(Code::MissingKey, strategy.span, format!("the type RequestedToCapacityRatio needs `{at}`"));
        }
        (Some(Type::Ratio), Some(ratio)) => {
            notes.only_keys(ratio, at, &["shape"]);
            arguments.strategy = ScoringStrategy::RequestedToCapacityRatio(shape(ratio, at, notes));
        }
        (Some(_), Some(ratio)) => {
            notes.refuse(Code::Contradiction, ratio.span, format!("`{at}` needs the type RequestedToCapacityRatio"));
        }
        (Some(Type::Most), None) => arguments.strategy = ScoringStrategy::MostAllocated,
        (Some(Type::Least) | None, _) => arguments.strategy = ScoringStrategy::LeastAllocated,
    }
}

/// A function by points: utilisation in percent, rising, and score from 0 to 10.
fn shape(of: &Tree, field: &str, notes: &mut Notes) -> Vec<(i64, i64)> {
    let field = format!("{field}.shape");
    let mut points: Vec<(i64, i64)> = Vec::new();
    let items = notes.list(of.get("shape"), &field);
    if items.is_empty() {
        notes.refuse(Code::MissingKey, of.span, format!("`{field}` needs at least one point"));
    }
    for item in items {
        notes.only_keys(item, &format!("{field}[]"), &["utilization", "score"]);
        let utilization = notes.number_within(item.get("utilization"), &format!("{field}[].utilization"), 0..=100);
        let score = notes.number_within(item.get("score"), &format!("{field}[].score"), 0..=10);
        let point = (utilization.unwrap_or(0).into(), score.unwrap_or(0).into());
        if points.last().is_some_and(|last| last.0 >= point.0) {
            notes.refuse(
                Code::Contradiction,
                item.span,
                format!("`{field}`: utilization must rise from point to point"),
            );
        }
        points.push(point);
    }
    points
}

fn default_spread(args: &Tree, notes: &mut Notes) -> DefaultSpread {
    let field = "args.defaultConstraints";
    let constraints = notes.topology_spread(args.get("defaultConstraints"), field, &[]);
    for item in args.get("defaultConstraints").map_or(&[][..], Tree::items) {
        if let Some(selector) = item.get("labelSelector").filter(|selector| !selector.is_null()) {
            let message =
                format!("`{field}[]` has no `labelSelector`: it follows from the pod's services and controller");
            notes.refuse(Code::NotAllowed, selector.span, message);
        }
    }
    let kinds = [("System", false), ("List", true)];
    let is_list = notes.choice(args.get("defaultingType"), "args.defaultingType", &kinds).unwrap_or(false);
    if is_list {
        return DefaultSpread::List(constraints);
    }
    if !constraints.is_empty() {
        let message = "`args.defaultConstraints` needs `defaultingType: List`";
        notes.refuse(Code::Contradiction, args.span, message);
    }
    DefaultSpread::System
}

impl Notes {
    /// A duration as Go writes it, such as `5s` or `1m30s`.
    pub(super) fn duration(&mut self, tree: Option<&Tree>, field: &str) -> Option<SimDuration> {
        let text = self.text(tree, field)?;
        match SimDuration::parse(text) {
            Ok(duration) => Some(duration),
            Err(error) => {
                let span = tree.map_or_else(Default::default, |tree| tree.span);
                self.refuse(Code::BadQuantity, span, format!("`{field}`: {error}"));
                None
            }
        }
    }
}
