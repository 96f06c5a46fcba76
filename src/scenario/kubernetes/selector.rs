//! Selectors of labels and of nodes, checked as the API server and the scheduler check them.

use super::read::Notes;
use crate::document::{Code, Node as Tree};
use crate::model::pod_spec::{LabelRequirement, LabelSelector, NodeSelectorTerm, SelectorOperator};

use SelectorOperator::{DoesNotExist, Exists, Gt, In, Lt, NotIn};

/// Operators of selectors of pods and other objects.
const LABEL_OPERATORS: &[(&str, SelectorOperator)] =
    &[("In", In), ("NotIn", NotIn), ("Exists", Exists), ("DoesNotExist", DoesNotExist)];
/// Operators of selectors of nodes.
const NODE_OPERATORS: &[(&str, SelectorOperator)] =
    &[("In", In), ("NotIn", NotIn), ("Exists", Exists), ("DoesNotExist", DoesNotExist), ("Gt", Gt), ("Lt", Lt)];
/// Operators of selectors of nodes by field.
const FIELD_OPERATORS: &[(&str, SelectorOperator)] = &[("In", In), ("NotIn", NotIn)];
/// The one field that nodes are selected by.
const NAME_FIELD: &str = "metadata.name";

impl Notes {
    /// A `LabelSelector` that may be absent.
    pub(super) fn label_selector(&mut self, tree: Option<&Tree>, field: &str) -> Option<LabelSelector> {
        let tree = self.mapping(tree, field)?;
        let labels = self.labels(tree.get("matchLabels"), &format!("{field}.matchLabels"));
        let equality =
            |label: crate::model::Label| LabelRequirement { key: label.key, operator: In, values: vec![label.value] };
        let mut requirements: Vec<LabelRequirement> = labels.into_iter().map(equality).collect();
        let mut expressions =
            self.requirements(tree.get("matchExpressions"), &format!("{field}.matchExpressions"), LABEL_OPERATORS);
        expressions.sort();
        requirements.append(&mut expressions);
        Some(LabelSelector { requirements })
    }

    /// The terms of a `NodeSelector`.
    pub(super) fn node_selector_terms(&mut self, tree: Option<&Tree>, field: &str) -> Vec<NodeSelectorTerm> {
        let items = self.list(tree, field);
        items.iter().map(|item| self.node_selector_term(item, &format!("{field}[]"))).collect()
    }

    /// A `NodeSelectorTerm`.
    pub(super) fn node_selector_term(&mut self, tree: &Tree, field: &str) -> NodeSelectorTerm {
        self.mapping(Some(tree), field);
        let expressions = format!("{field}.matchExpressions");
        let fields = format!("{field}.matchFields");
        let term = NodeSelectorTerm {
            expressions: self.requirements(tree.get("matchExpressions"), &expressions, NODE_OPERATORS),
            fields: self.requirements(tree.get("matchFields"), &fields, FIELD_OPERATORS),
        };
        for (item, requirement) in tree.get("matchFields").map_or(&[][..], Tree::items).iter().zip(&term.fields) {
            if requirement.key != NAME_FIELD || requirement.values.len() != 1 {
                let message = format!("`{fields}` selects by one value of `{NAME_FIELD}`");
                self.refuse(Code::NotAllowed, item.span, message);
            }
        }
        term
    }

    fn requirements(
        &mut self,
        tree: Option<&Tree>,
        field: &str,
        operators: &[(&str, SelectorOperator)],
    ) -> Vec<LabelRequirement> {
        let items = self.list(tree, field);
        items.iter().filter_map(|item| self.requirement(item, &format!("{field}[]"), operators)).collect()
    }

    fn requirement(
        &mut self,
        tree: &Tree,
        field: &str,
        operators: &[(&str, SelectorOperator)],
    ) -> Option<LabelRequirement> {
        let before = self.issues.len();
        let key = self.required_text(tree, "key", field);
        let operator = self.choice(tree.get("operator"), &format!("{field}.operator"), operators);
        let values = self.texts(tree.get("values"), &format!("{field}.values"));
        if self.issues.len() > before {
            return None;
        }
        let Some(operator) = operator else {
            self.refuse(Code::MissingKey, tree.span, format!("`{field}` has no `operator`"));
            return None;
        };
        let fault = match operator {
            In | NotIn if values.is_empty() => Some("needs `values`"),
            Exists | DoesNotExist if !values.is_empty() => Some("takes no `values`"),
            Gt | Lt if values.len() != 1 => Some("needs exactly one of `values`"),
            Gt | Lt if values[0].parse::<i64>().is_err() => Some("needs a whole number"),
            _ => None,
        };
        if let Some(fault) = fault {
            let name = operators.iter().find(|(_, other)| *other == operator).map_or("", |(name, _)| name);
            self.refuse(Code::Contradiction, tree.span, format!("`{field}`: the operator {name} {fault}"));
            return None;
        }
        let values = values.into_iter().map(str::to_owned).collect();
        Some(LabelRequirement { key: key.to_owned(), operator, values })
    }
}
