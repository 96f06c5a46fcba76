//! `extenders`: HTTP services that are asked beside the plug-ins.

use crate::document::{Code, Node as Tree};
use crate::model::kube_scheduler::Extender;
use crate::scenario::kubernetes::read::Notes;

/// Longest wait for an answer when nothing is said, in milliseconds (`DefaultExtenderTimeout`).
const HTTP_TIMEOUT_MS: u64 = 5000;

/// Reads the extenders in order of calls, those whose failures are passed over last; also gives the resources that the
/// scheduler leaves to them.
pub(super) fn read(tree: Option<&Tree>, notes: &mut Notes) -> (Vec<Extender>, Vec<String>) {
    let mut extenders: Vec<Extender> = Vec::new();
    for item in notes.list(tree, "extenders") {
        notes.mapping(Some(item), "extenders[]");
        let extender = extender(item, notes);
        for (name, _) in &extender.managed_resources {
            if extenders.iter().any(|other| other.managed_resources.iter().any(|(managed, _)| managed == name)) {
                let message = format!("two extenders manage the resource `{name}`");
                notes.refuse(Code::DuplicateName, item.span, message);
            }
        }
        if !extender.bind_verb.is_empty() && extenders.iter().any(|other| !other.bind_verb.is_empty()) {
            notes.refuse(Code::Contradiction, item.span, "only one extender can have a `bindVerb`");
        }
        extenders.push(extender);
    }
    let resources = extenders.iter().flat_map(|extender| &extender.managed_resources);
    let left_to_extenders = resources.filter(|(_, is_ignored)| *is_ignored).map(|(name, _)| name.clone()).collect();
    extenders.sort_by_key(|extender| extender.is_ignorable);
    (extenders, left_to_extenders)
}

fn extender(tree: &Tree, notes: &mut Notes) -> Extender {
    const KEYS: [&str; 12] = [
        "urlPrefix",
        "filterVerb",
        "preemptVerb",
        "prioritizeVerb",
        "weight",
        "bindVerb",
        "enableHTTPS",
        "tlsConfig",
        "httpTimeout",
        "nodeCacheCapable",
        "managedResources",
        "ignorable",
    ];
    notes.only_keys(tree, "extenders[]", &KEYS);
    let mut verb = |key: &str| notes.text(tree.get(key), &format!("extenders[].{key}")).unwrap_or_default().to_owned();
    let (filter_verb, preempt_verb) = (verb("filterVerb"), verb("preemptVerb"));
    let (prioritize_verb, bind_verb) = (verb("prioritizeVerb"), verb("bindVerb"));
    let weight = notes.number(tree.get("weight"), "extenders[].weight").unwrap_or(0);
    if !prioritize_verb.is_empty() && weight <= 0 {
        let place = tree.get("weight").unwrap_or(tree);
        notes.refuse(
            Code::OutOfRange,
            place.span,
            "an extender with a `prioritizeVerb` needs a `weight` of at least 1",
        );
    }
    let timeout = notes.duration(tree.get("httpTimeout"), "extenders[].httpTimeout");
    let timeout_ms = timeout.map_or(0, |timeout| timeout.0.div_ceil(1_000_000));
    Extender {
        url_prefix: url_prefix(tree, notes),
        filter_verb,
        preempt_verb,
        prioritize_verb,
        weight: weight.into(),
        bind_verb,
        http_timeout_ms: if timeout_ms == 0 { HTTP_TIMEOUT_MS } else { timeout_ms },
        is_node_cache_capable: notes.truth(tree.get("nodeCacheCapable"), "extenders[].nodeCacheCapable"),
        managed_resources: managed_resources(tree, notes),
        is_ignorable: notes.truth(tree.get("ignorable"), "extenders[].ignorable"),
    }
}

/// Where the extender is. Only plain HTTP is spoken here.
fn url_prefix(tree: &Tree, notes: &mut Notes) -> String {
    let url = notes.required_text(tree, "urlPrefix", "extenders[]");
    let wants_https = notes.truth(tree.get("enableHTTPS"), "extenders[].enableHTTPS") || url.starts_with("https:");
    if wants_https {
        let message = "extenders are called over plain HTTP only";
        let place = tree.get("urlPrefix").unwrap_or(tree);
        let hint = "let the extender listen on http:// for the simulation, and drop `enableHTTPS` and `tlsConfig`";
        notes.refuse_with_hint(Code::NotAllowed, place.span, message, hint);
    }
    url.to_owned()
}

/// Extended resources that the extender looks after, and whether the scheduler leaves them to it.
fn managed_resources(tree: &Tree, notes: &mut Notes) -> Vec<(String, bool)> {
    const FIELD: &str = "extenders[].managedResources[]";
    let mut resources: Vec<(String, bool)> = Vec::new();
    for item in notes.list(tree.get("managedResources"), "extenders[].managedResources") {
        notes.only_keys(item, FIELD, &["name", "ignoredByScheduler"]);
        let name = notes.required_text(item, "name", FIELD);
        let is_ignored = notes.truth(item.get("ignoredByScheduler"), &format!("{FIELD}.ignoredByScheduler"));
        if !name.is_empty() && (!name.contains('/') || name.contains("kubernetes.io/") || name.starts_with("requests."))
        {
            let message = format!("`{FIELD}`: `{name}` is no extended resource such as example.com/fpga");
            notes.refuse(Code::NotAllowed, item.span, message);
        }
        if resources.iter().any(|(other, _)| other == name) {
            notes.refuse(Code::DuplicateName, item.span, format!("`{FIELD}` lists `{name}` twice"));
        }
        resources.push((name.to_owned(), is_ignored));
    }
    resources
}
