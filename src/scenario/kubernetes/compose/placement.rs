//! `deploy.placement` to where pods may and should run.

use super::super::edit;
use super::super::read::Notes;
use super::{Mode, Service, list, number};
use crate::document::{Code, Node as Tree, Span};
use crate::model::Label;
use crate::model::cluster::HOSTNAME_LABEL;

/// The label that nodes of the control plane have.
const CONTROL_PLANE_LABEL: &str = "node-role.kubernetes.io/control-plane";

/// What a constraint comes to.
enum Meaning {
    Equal(Label),
    NotEqual(Label),
    Role { is_manager: bool },
}

/// Puts the placement of a service into its pods.
pub(super) fn add(service: &Service, mode: Mode, pod: &mut Tree, notes: &mut Notes) {
    let field = "deploy.placement";
    let Some(placement) = service.at(&["deploy", "placement"]) else { return };
    for item in notes.list(placement.get("constraints"), "deploy.placement.constraints") {
        if let Some(meaning) = constraint(item, notes) {
            add_constraint(meaning, item.span, pod);
        }
    }
    if let Some(terms) = pod.at(&["affinity", "nodeAffinity"]).cloned() {
        let term = edit::mapping(terms.span, [("matchExpressions", terms)]);
        let selector = edit::mapping(term.span, [("nodeSelectorTerms", list(term.span, vec![term]))]);
        let affinity = edit::mapping(selector.span, [("requiredDuringSchedulingIgnoredDuringExecution", selector)]);
        edit::set(pod, &["affinity", "nodeAffinity"], affinity);
    }
    let preferences = placement.get("preferences");
    let items = notes.list(preferences, "deploy.placement.preferences");
    for (position, item) in items.iter().enumerate() {
        let Some(key) = spread_key(item, notes) else { continue };
        if mode == Mode::Global {
            notes.unused("deploy.placement.preferences with `deploy.mode: global`", item);
            continue;
        }
        let skew = i64::try_from(items.len() - position).unwrap_or(i64::MAX);
        let spread = edit::mapping(
            item.span,
            [
                ("maxSkew", number(item.span, skew)),
                ("topologyKey", edit::text(item.span, key)),
                ("whenUnsatisfiable", edit::text(item.span, "ScheduleAnyway")),
                ("labelSelector", service.selector()),
            ],
        );
        edit::push(pod, &["topologySpreadConstraints"], spread);
    }
    let key = "max_replicas_per_node";
    let most = placement.get(key);
    match notes.whole(most, &format!("{field}.{key}"), 0..=i64::from(i32::MAX)).zip(most) {
        Some((1, tree)) if mode != Mode::Global => add_anti_affinity(service, tree.span, pod),
        Some((2.., tree)) => notes.unused("deploy.placement.max_replicas_per_node above 1", tree),
        _ => {}
    }
}

/// What a constraint says; none where it is wrong or not used.
fn constraint(item: &Tree, notes: &mut Notes) -> Option<Meaning> {
    let field = "deploy.placement.constraints[]";
    let text = notes.text(Some(item), field)?;
    let parts = text.split_once("==").map(|(key, value)| (key, true, value));
    let parts = parts.or_else(|| text.split_once("!=").map(|(key, value)| (key, false, value)));
    let Some((key, is_equal, value)) = parts.map(|(key, is_equal, value)| (key.trim(), is_equal, value.trim())) else {
        let message = format!("`{field}`: `{text}` is no constraint");
        let hint = "constraints are such as node.labels.disk==ssd or node.hostname!=node-3";
        notes.refuse_with_hint(Code::NotAllowed, item.span, message, hint);
        return None;
    };
    let with = |key: &str, value: &str| {
        let label = Label { key: key.to_owned(), value: value.to_owned() };
        Some(if is_equal { Meaning::Equal(label) } else { Meaning::NotEqual(label) })
    };
    match (key, value) {
        ("node.role", "worker") => Some(Meaning::Role { is_manager: !is_equal }),
        ("node.role", "manager") => Some(Meaning::Role { is_manager: is_equal }),
        ("node.role", _) => {
            let message = format!("`{field}`: `{value}` is no role of a node");
            notes.refuse_with_hint(Code::NotAllowed, item.span, message, "roles are worker and manager");
            None
        }
        ("node.id" | "node.ip", _) => {
            notes.unused(format!("{field} on {key}"), item);
            None
        }
        ("node.platform.arch", "x86_64") => with("kubernetes.io/arch", "amd64"),
        ("node.platform.arch", "aarch64") => with("kubernetes.io/arch", "arm64"),
        ("node.platform.arch", _) => with("kubernetes.io/arch", value),
        _ => match label_of(key) {
            Some(label) => with(label, value),
            None => {
                no_such_key(key, field, item.span, notes);
                None
            }
        },
    }
}

/// The label of nodes that Swarm calls so.
fn label_of(key: &str) -> Option<&str> {
    match key {
        "node.hostname" => Some(HOSTNAME_LABEL),
        "node.platform.os" | "engine.labels.operatingsystem" => Some("kubernetes.io/os"),
        _ => {
            let label = key.strip_prefix("node.labels.").or_else(|| key.strip_prefix("engine.labels."));
            label.filter(|label| !label.is_empty())
        }
    }
}

fn no_such_key(key: &str, field: &str, span: Span, notes: &mut Notes) {
    let hint = "there are node.labels.<label>, node.hostname, node.role, node.platform.os and node.platform.arch";
    notes.refuse_with_hint(Code::NotAllowed, span, format!("`{field}`: nodes have no `{key}`"), hint);
}

/// Equality becomes a selector, which all policies heed; the rest stands in the node affinity for now as a list.
fn add_constraint(meaning: Meaning, span: Span, pod: &mut Tree) {
    let expression = |key: &str, operator: &str, values: Vec<Tree>| {
        let mut expression =
            edit::mapping(span, [("key", edit::text(span, key)), ("operator", edit::text(span, operator))]);
        if !values.is_empty() {
            edit::set(&mut expression, &["values"], list(span, values));
        }
        expression
    };
    let expression = match meaning {
        Meaning::Role { is_manager: true } => expression(CONTROL_PLANE_LABEL, "Exists", Vec::new()),
        Meaning::Role { is_manager: false } => expression(CONTROL_PLANE_LABEL, "DoesNotExist", Vec::new()),
        Meaning::NotEqual(label) => expression(&label.key, "NotIn", vec![edit::text(span, label.value)]),
        Meaning::Equal(label) => {
            let chosen = ["nodeSelector", &label.key];
            // Two values of one label are no node's, and a selector holds only one of them.
            if pod.at(&chosen).is_none() {
                return edit::set(pod, &chosen, edit::text(span, label.value));
            }
            expression(&label.key, "In", vec![edit::text(span, label.value)])
        }
    };
    edit::push(pod, &["affinity", "nodeAffinity"], expression);
}

/// The label that a preference spreads over.
fn spread_key<'t>(item: &'t Tree, notes: &mut Notes) -> Option<&'t str> {
    let field = "deploy.placement.preferences[]";
    notes.mapping(Some(item), field)?;
    let key = notes.required_text(item, "spread", field);
    let label = label_of(key);
    if label.is_none() && !key.is_empty() {
        no_such_key(key, field, item.get("spread").unwrap_or(item).span, notes);
    }
    label
}

fn add_anti_affinity(service: &Service, span: Span, pod: &mut Tree) {
    let term =
        edit::mapping(span, [("topologyKey", edit::text(span, HOSTNAME_LABEL)), ("labelSelector", service.selector())]);
    let path = ["affinity", "podAntiAffinity", "requiredDuringSchedulingIgnoredDuringExecution"];
    edit::push(pod, &path, term);
}
