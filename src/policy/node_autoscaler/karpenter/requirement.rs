//! One requirement on the value of one label, as a set: the values it allows, or all but those, within whole-number bounds.
//!
//! Source: `pkg/scheduling/requirement.go` of Karpenter v1.15.0.

use std::collections::BTreeSet;

use crate::model::pod_spec::{LabelRequirement, SelectorOperator};

/// How a requirement is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Operator {
    /// The label has one of the values.
    In,
    /// The label has none of the values, or is missing.
    NotIn,
    /// The label is there.
    Exists,
    /// The label is missing.
    DoesNotExist,
    /// The label is a whole number above the value.
    Gt,
    /// The label is a whole number below the value.
    Lt,
    /// The label is a whole number of at least the value.
    Gte,
    /// The label is a whole number of at most the value.
    Lte,
}

impl Operator {
    /// The operator that is written so in manifests, if there is one.
    pub fn parse(text: &str) -> Option<Operator> {
        Some(match text {
            "In" => Operator::In,
            "NotIn" => Operator::NotIn,
            "Exists" => Operator::Exists,
            "DoesNotExist" => Operator::DoesNotExist,
            "Gt" => Operator::Gt,
            "Lt" => Operator::Lt,
            "Gte" => Operator::Gte,
            "Lte" => Operator::Lte,
            _ => return None,
        })
    }
}

impl From<SelectorOperator> for Operator {
    fn from(operator: SelectorOperator) -> Operator {
        match operator {
            SelectorOperator::In => Operator::In,
            SelectorOperator::NotIn => Operator::NotIn,
            SelectorOperator::Exists => Operator::Exists,
            SelectorOperator::DoesNotExist => Operator::DoesNotExist,
            SelectorOperator::Gt => Operator::Gt,
            SelectorOperator::Lt => Operator::Lt,
        }
    }
}

/// The values that a label may have.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Requirement {
    /// Whether `values` are those that are not allowed.
    complement: bool,
    values: BTreeSet<String>,
    gte: Option<i64>,
    lte: Option<i64>,
    min_values: Option<usize>,
}

/// A whole number as Go's `strconv.Atoi` reads it.
fn whole_number(text: &str) -> Option<i64> {
    text.parse().ok()
}

fn within_bounds(value: &str, gte: Option<i64>, lte: Option<i64>) -> bool {
    if gte.is_none() && lte.is_none() {
        return true;
    }
    whole_number(value).is_some_and(|value| gte.is_none_or(|gte| value >= gte) && lte.is_none_or(|lte| value <= lte))
}

/// The tighter of two bounds; a bound that is missing does not bind.
fn tighter(one: Option<i64>, other: Option<i64>, choose: fn(i64, i64) -> i64) -> Option<i64> {
    match (one, other) {
        (Some(one), Some(other)) => Some(choose(one, other)),
        (one, other) => one.or(other),
    }
}

impl Requirement {
    /// A requirement from how it is written. Comparing operators read the first value; one that is no number counts as 0.
    pub fn new<V: Into<String>>(operator: Operator, values: impl IntoIterator<Item = V>) -> Requirement {
        let values: Vec<String> = values.into_iter().map(Into::into).collect();
        let bound = || values.first().and_then(|value| whole_number(value)).unwrap_or(0);
        let set = |complement: bool, values: Vec<String>| Requirement {
            complement,
            values: values.into_iter().collect(),
            gte: None,
            lte: None,
            min_values: None,
        };
        let bounded = |gte, lte| Requirement { gte, lte, ..set(true, Vec::new()) };
        match operator {
            Operator::In => set(false, values),
            Operator::NotIn => set(true, values),
            Operator::Exists => set(true, Vec::new()),
            Operator::DoesNotExist => set(false, Vec::new()),
            Operator::Gt => match bound().checked_add(1) {
                Some(above) => bounded(Some(above), None),
                None => set(false, Vec::new()),
            },
            Operator::Lt => bounded(None, Some(bound().wrapping_sub(1))),
            Operator::Gte => bounded(Some(bound()), None),
            Operator::Lte => bounded(None, Some(bound())),
        }
    }

    /// The label has this value.
    pub fn is(value: impl Into<String>) -> Requirement {
        Requirement::new(Operator::In, [value])
    }

    /// The label is missing.
    pub fn does_not_exist() -> Requirement {
        Requirement::new(Operator::DoesNotExist, [""; 0])
    }

    /// The label is there: what stands for labels without a requirement.
    pub fn exists() -> Requirement {
        Requirement::new(Operator::Exists, [""; 0])
    }

    /// What a pod's selector says of a label.
    pub fn of_selector(requirement: &LabelRequirement) -> Requirement {
        Requirement::new(requirement.operator.into(), requirement.values.iter().cloned())
    }

    /// The same, to be met by instance types with at least so many values among them.
    #[must_use]
    pub fn with_min_values(mut self, min_values: Option<usize>) -> Requirement {
        self.min_values = min_values;
        self
    }

    /// How many values the instance types to choose from must have among them.
    pub fn min_values(&self) -> Option<usize> {
        self.min_values
    }

    /// What both allow (`Intersection`).
    #[must_use]
    pub fn intersection(&self, other: &Requirement) -> Requirement {
        let complement = self.complement && other.complement;
        let gte = tighter(self.gte, other.gte, i64::max);
        let lte = tighter(self.lte, other.lte, i64::min);
        let min_values = self.min_values.max(other.min_values);
        if matches!((gte, lte), (Some(gte), Some(lte)) if gte > lte) {
            return Requirement::does_not_exist().with_min_values(min_values);
        }
        let mut values: BTreeSet<String> = match (self.complement, other.complement) {
            (true, true) => self.values.union(&other.values).cloned().collect(),
            (true, false) => other.values.difference(&self.values).cloned().collect(),
            (false, true) => self.values.difference(&other.values).cloned().collect(),
            (false, false) => self.values.intersection(&other.values).cloned().collect(),
        };
        values.retain(|value| within_bounds(value, gte, lte));
        let (gte, lte) = if complement { (gte, lte) } else { (None, None) };
        Requirement { complement, values, gte, lte, min_values }
    }

    /// Whether both can hold (`HasIntersection`): two that only exclude values always can, if their bounds do.
    pub fn has_intersection(&self, other: &Requirement) -> bool {
        let gte = tighter(self.gte, other.gte, i64::max);
        let lte = tighter(self.lte, other.lte, i64::min);
        if matches!((gte, lte), (Some(gte), Some(lte)) if gte > lte) {
            return false;
        }
        let (listed, by) = match (self.complement, other.complement) {
            (true, true) => return true,
            (true, false) => (other, self),
            (false, _) => (self, other),
        };
        let allowed = |value: &&String| by.complement != by.values.contains(*value);
        listed.values.iter().filter(allowed).any(|value| within_bounds(value, gte, lte))
    }

    /// Whether the value is allowed.
    pub fn has(&self, value: &str) -> bool {
        self.complement != self.values.contains(value) && within_bounds(value, self.gte, self.lte)
    }

    /// The values that are listed: those allowed, or those not allowed, in order.
    pub fn values(&self) -> impl ExactSizeIterator<Item = &str> {
        self.values.iter().map(String::as_str)
    }

    /// The one value that is allowed, if the requirement lists exactly one.
    pub fn single(&self) -> Option<&str> {
        if self.complement || self.values.len() != 1 {
            return None;
        }
        self.values.first().map(String::as_str)
    }

    /// What kind of requirement it is: one of the four that do not compare; bounds count as [`Operator::Exists`].
    pub fn operator(&self) -> Operator {
        match (self.complement, self.values.is_empty()) {
            (true, true) => Operator::Exists,
            (true, false) => Operator::NotIn,
            (false, true) => Operator::DoesNotExist,
            (false, false) => Operator::In,
        }
    }

    /// Whether it is met by a label that is missing.
    pub fn allows_missing(&self) -> bool {
        matches!(self.operator(), Operator::NotIn | Operator::DoesNotExist)
    }

    /// Adds a value to those listed.
    pub fn insert(&mut self, value: impl Into<String>) {
        self.values.insert(value.into());
    }

    /// The bounds, both inclusive.
    pub fn bounds(&self) -> (Option<i64>, Option<i64>) {
        (self.gte, self.lte)
    }
}
