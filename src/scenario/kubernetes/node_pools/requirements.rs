//! `spec.template.spec.requirements` of a NodePool (`ValidateRequirement`).

use crate::document::{Code, Node as Tree, Span};
use crate::model::cluster::HOSTNAME_LABEL;
use crate::policy::node_autoscaler::karpenter::requirements::{
    CAPACITY_TYPE_LABEL, NODE_POOL_LABEL, ON_DEMAND, RESERVED, SPOT,
};
use crate::policy::node_autoscaler::karpenter::{Operator, requirements::normalized_label};
use crate::scenario::kubernetes::read::Notes;

const FIELD: &str = "spec.template.spec.requirements";
/// The labels that Karpenter keeps to itself, but for the kind of capacity.
const DOMAIN: &str = "karpenter.sh";
/// The most requirements of a pool.
const REQUIREMENTS_MAX: usize = 100;

/// Checks the list.
pub(super) fn check(tree: Option<&Tree>, of: &Tree, notes: &mut Notes) {
    let Some(tree) = tree.filter(|tree| !tree.is_null()) else {
        let message = format!("this NodePool has no `{FIELD}`");
        notes.refuse_with_hint(Code::MissingKey, of.span, message, "`requirements: []` allows every machine");
        return;
    };
    let items = notes.list(Some(tree), FIELD);
    if items.len() > REQUIREMENTS_MAX {
        notes.refuse(Code::AbsurdSize, tree.span, format!("`{FIELD}` has more than {REQUIREMENTS_MAX} requirements"));
    }
    items.iter().for_each(|item| requirement(item, notes));
}

fn requirement(item: &Tree, notes: &mut Notes) {
    let field = format!("{FIELD}[]");
    let key = notes.required_text(item, "key", &field);
    let text = notes.required_text(item, "operator", &field);
    let values = notes.texts(item.get("values"), &format!("{field}.values"));
    let least = notes.number_within(item.get("minValues"), &format!("{field}.minValues"), 1..=50);
    if key.is_empty() || text.is_empty() {
        return;
    }
    key_is_allowed(key, &field, item.span, notes);
    let Some(operator) = Operator::parse(text) else {
        let hint = "operators are In, NotIn, Exists, DoesNotExist, Gt, Lt, Gte and Lte";
        let message = format!("`{field}.operator`: `{text}` is not allowed");
        let place = item.get("operator").map_or(item.span, |operator| operator.span);
        notes.refuse_with_hint(Code::NotAllowed, place, message, hint);
        return;
    };
    match operator {
        Operator::In if values.is_empty() => {
            notes.refuse(Code::MissingKey, item.span, format!("the requirement on `{key}` with `In` has no `values`"));
        }
        Operator::In => values_are_enough(key, &values, least, item.span, notes),
        Operator::Gt | Operator::Lt | Operator::Gte | Operator::Lte => {
            let is_number = values.len() == 1 && values[0].parse::<i64>().is_ok_and(|value| value >= 0);
            if !is_number {
                let message = format!("the requirement on `{key}` with `{text}` needs one whole number from 0");
                let hint = "numbers stand in quotes, such as values: [\"4\"]";
                notes.refuse_with_hint(Code::OutOfRange, item.span, message, hint);
            }
        }
        Operator::NotIn | Operator::Exists | Operator::DoesNotExist => {}
    }
}

/// Whether the values that there can be are as many as `minValues` asks for.
fn values_are_enough(key: &str, values: &[&str], least: Option<i32>, span: Span, notes: &mut Notes) {
    let least = least.and_then(|least| usize::try_from(least).ok()).unwrap_or(0);
    let known = [ON_DEMAND, SPOT, RESERVED];
    let is_closed = normalized_label(key) == CAPACITY_TYPE_LABEL;
    let valid = values.iter().filter(|value| !is_closed || known.contains(value)).count();
    if valid == 0 {
        let message = format!("the requirement on `{key}` allows no kind of capacity that there is");
        notes.refuse_with_hint(Code::NotAllowed, span, message, "kinds are on-demand, spot and reserved");
    } else if valid < least {
        let message = format!("the requirement on `{key}` has {valid} values, and `minValues` asks for {least}");
        notes.refuse(Code::Contradiction, span, message);
    }
}

/// Whether a NodePool may speak of a label (`IsRestrictedLabel`).
pub(super) fn key_is_allowed(key: &str, field: &str, span: Span, notes: &mut Notes) {
    let key = normalized_label(key);
    let domain = key.split_once('/').map_or("", |(domain, _)| domain);
    let is_ours = domain == DOMAIN || domain.ends_with(&format!(".{DOMAIN}"));
    if key == HOSTNAME_LABEL || key == NODE_POOL_LABEL || (is_ours && key != CAPACITY_TYPE_LABEL) {
        let message = format!("`{field}`: a NodePool may not speak of the label `{key}`");
        notes.refuse_with_hint(Code::NotAllowed, span, message, "Karpenter gives it to each node itself");
    }
}
