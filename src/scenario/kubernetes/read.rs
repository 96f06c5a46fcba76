//! Reading of typed fields, with a note of everything that is wrong or not used.

use std::borrow::Cow;
use std::sync::Arc;

use crate::document::{Code, Issue, Node as Tree, Span, Value};
use crate::model::{Cluster, Label, Resources, TaintEffect};
use crate::units::{Bytes, MilliCpu, parse_quantity_milli};

/// Most extended resources of a run: every node and class has a place for each of them.
pub(super) const EXTENDED_RESOURCES_MAX: usize = 1000;

/// What is noted about one object.
#[derive(Debug)]
pub(super) struct Notes {
    pub(super) file: Arc<str>,
    pub(super) issues: Vec<Issue>,
    /// Fields that this release does not use.
    pub(super) unused: Vec<(Cow<'static, str>, Span)>,
    /// Fields that only the policy `kube-scheduler` reads, when another is asked.
    pub(super) for_kube_scheduler: Vec<(Cow<'static, str>, Span)>,
    /// Whole sentences of warning.
    pub(super) remarks: Vec<(&'static str, Span)>,
}

impl Notes {
    pub(super) fn new(file: &Arc<str>) -> Notes {
        Notes {
            file: file.clone(),
            issues: Vec::new(),
            unused: Vec::new(),
            for_kube_scheduler: Vec::new(),
            remarks: Vec::new(),
        }
    }

    pub(super) fn refuse(&mut self, code: Code, span: Span, message: impl Into<String>) {
        self.issues.push(Issue::new(code, &self.file, span, message));
    }

    pub(super) fn refuse_with_hint(&mut self, code: Code, span: Span, message: impl Into<String>, hint: &str) {
        self.issues.push(Issue::new(code, &self.file, span, message).with_hint(hint));
    }

    /// Reports when objects so far have more extended resources than can be meant; then there is no use in going on.
    pub(super) fn too_many_resources(&mut self, cluster: &Cluster, span: Span) -> bool {
        let is_absurd = cluster.extended_resources.len() > EXTENDED_RESOURCES_MAX;
        if is_absurd {
            let message = format!("the objects up to here name more than {EXTENDED_RESOURCES_MAX} extended resources");
            self.refuse(Code::AbsurdSize, span, message);
        }
        is_absurd
    }

    /// Notes a field that is not used, unless it says nothing.
    pub(super) fn unused(&mut self, field: impl Into<Cow<'static, str>>, tree: &Tree) {
        if !says_nothing(tree) {
            self.unused.push((field.into(), tree.span));
        }
    }

    /// Notes a field that only kube-scheduler reads, unless it says nothing.
    pub(super) fn for_kube_scheduler(&mut self, field: impl Into<Cow<'static, str>>, tree: &Tree) {
        if !says_nothing(tree) {
            self.for_kube_scheduler.push((field.into(), tree.span));
        }
    }

    /// The text of a field, which must be there and not be empty.
    pub(super) fn required_text<'t>(&mut self, of: &'t Tree, key: &str, field: &str) -> &'t str {
        let before = self.issues.len();
        let text = self.text(of.get(key), &format!("{field}.{key}")).unwrap_or_default();
        if text.is_empty() && self.issues.len() == before {
            self.refuse(Code::MissingKey, of.span, format!("`{field}` has no `{key}`"));
        }
        text
    }

    /// The texts of a list that may be absent.
    pub(super) fn texts<'t>(&mut self, tree: Option<&'t Tree>, field: &str) -> Vec<&'t str> {
        let items = self.list(tree, field);
        items.iter().filter_map(|item| self.text(Some(item), &format!("{field}[]"))).collect()
    }

    /// A text that must be one of those allowed; absent or empty gives none.
    pub(super) fn choice<T: Copy>(&mut self, tree: Option<&Tree>, field: &str, allowed: &[(&str, T)]) -> Option<T> {
        let text = self.text(tree, field).filter(|text| !text.is_empty())?;
        let found = allowed.iter().find(|(name, _)| *name == text).map(|(_, value)| *value);
        if found.is_none() {
            let span = tree.map_or(Span::default(), |tree| tree.span);
            let names: Vec<&str> = allowed.iter().map(|(name, _)| *name).collect();
            let hint = format!("allowed are {}", names.join(", "));
            self.refuse_with_hint(Code::NotAllowed, span, format!("`{field}`: `{text}` is not allowed"), &hint);
        }
        found
    }

    /// A whole number within a range; none where it is absent or wrong.
    pub(super) fn number_within(
        &mut self,
        tree: Option<&Tree>,
        field: &str,
        range: std::ops::RangeInclusive<i32>,
    ) -> Option<i32> {
        let number = self.number(tree, field)?;
        if !range.contains(&number) {
            let span = tree.map_or(Span::default(), |tree| tree.span);
            let (from, to) = (range.start(), range.end());
            let message = match *to {
                i32::MAX => format!("`{field}` must be at least {from}, not {number}"),
                _ => format!("`{field}` must be from {from} to {to}, not {number}"),
            };
            self.refuse(Code::OutOfRange, span, message);
            return None;
        }
        Some(number)
    }

    /// An amount in whole units, rounded up; none where it is absent or wrong.
    pub(super) fn quantity(&mut self, tree: Option<&Tree>, field: &str) -> Option<u64> {
        let tree = tree.filter(|tree| !tree.is_null())?;
        let milli = match tree.scalar_text().map(|text| parse_quantity_milli(&text)) {
            Some(Ok(milli)) => milli,
            Some(Err(error)) => {
                self.refuse(Code::BadQuantity, tree.span, format!("`{field}`: {error}"));
                return None;
            }
            None => {
                let found = tree.type_name();
                let message = format!("`{field}` must be a quantity such as 500m or 1Gi, not {found}");
                self.refuse(Code::BadQuantity, tree.span, message);
                return None;
            }
        };
        Some(u64::try_from(milli.div_ceil(1000)).unwrap_or(u64::MAX))
    }

    /// The text of a field that may be absent.
    pub(super) fn text<'t>(&mut self, tree: Option<&'t Tree>, field: &str) -> Option<&'t str> {
        let tree = tree.filter(|tree| !tree.is_null())?;
        let text = tree.as_text();
        if text.is_none() {
            let hint = "put it into quotes";
            let message = format!("`{field}` must be text, not {}", tree.type_name());
            self.refuse_with_hint(Code::WrongType, tree.span, message, hint);
        }
        text
    }

    /// A truth value; absent is false.
    pub(super) fn truth(&mut self, tree: Option<&Tree>, field: &str) -> bool {
        let Some(tree) = tree.filter(|tree| !tree.is_null()) else { return false };
        tree.as_bool().unwrap_or_else(|| {
            self.refuse(
                Code::WrongType,
                tree.span,
                format!("`{field}` must be true or false, not {}", tree.type_name()),
            );
            false
        })
    }

    /// A 32-bit number.
    pub(super) fn number(&mut self, tree: Option<&Tree>, field: &str) -> Option<i32> {
        let tree = tree.filter(|tree| !tree.is_null())?;
        let number = tree.as_int().and_then(|number| i32::try_from(number).ok());
        if number.is_none() {
            self.refuse(Code::WrongType, tree.span, format!("`{field}` must be a whole number of 32 bits"));
        }
        number
    }

    /// The items of a list that may be absent.
    pub(super) fn list<'t>(&mut self, tree: Option<&'t Tree>, field: &str) -> &'t [Tree] {
        match tree {
            Some(tree) if !tree.is_null() && !matches!(tree.value, Value::List(_)) => {
                self.refuse(Code::WrongType, tree.span, format!("`{field}` must be a list, not {}", tree.type_name()));
                &[]
            }
            tree => tree.map_or(&[], Tree::items),
        }
    }

    /// Labels sorted by key.
    pub(super) fn labels(&mut self, tree: Option<&Tree>, field: &str) -> Vec<Label> {
        let Some(tree) = self.mapping(tree, field) else { return Vec::new() };
        let mut labels: Vec<Label> = tree
            .entries()
            .iter()
            .map(|entry| {
                // The name of the field is put together only where it is needed.
                let value = match entry.value.as_text() {
                    Some(text) => text,
                    None => self.text(Some(&entry.value), &format!("{field}.{}", entry.key)).unwrap_or_default(),
                };
                Label { key: entry.key.to_string(), value: value.to_owned() }
            })
            .collect();
        labels.sort();
        labels
    }

    /// A mapping that may be absent.
    pub(super) fn mapping<'t>(&mut self, tree: Option<&'t Tree>, field: &str) -> Option<&'t Tree> {
        let tree = tree.filter(|tree| !tree.is_null())?;
        let is_mapping = matches!(tree.value, Value::Map(_));
        if !is_mapping {
            self.refuse(Code::WrongType, tree.span, format!("`{field}` must be a mapping, not {}", tree.type_name()));
        }
        is_mapping.then_some(tree)
    }

    /// The effect of a taint.
    pub(super) fn effect(&mut self, text: &str, span: Span) -> Option<TaintEffect> {
        Some(match text {
            "NoSchedule" => TaintEffect::NoSchedule,
            "PreferNoSchedule" => TaintEffect::PreferNoSchedule,
            "NoExecute" => TaintEffect::NoExecute,
            _ => {
                let message = format!("`{text}` is no effect of a taint");
                let hint = "effects are NoSchedule, PreferNoSchedule and NoExecute";
                self.refuse_with_hint(Code::NotAllowed, span, message, hint);
                return None;
            }
        })
    }

    /// Amounts by name of resource, in thousandths of their unit, zeros included.
    pub(super) fn amounts<'t>(&mut self, tree: Option<&'t Tree>, field: &str) -> Amounts<'t> {
        let mut amounts = Amounts::default();
        let Some(tree) = self.mapping(tree, field) else { return amounts };
        if tree.entries().len() > EXTENDED_RESOURCES_MAX {
            let message = format!("`{field}` has more than {EXTENDED_RESOURCES_MAX} resources");
            self.refuse(Code::AbsurdSize, tree.span, message);
            return amounts;
        }
        for entry in tree.entries() {
            let Some(text) = entry.value.scalar_text() else {
                let found = entry.value.type_name();
                let message = format!("`{field}.{}` must be a quantity such as 500m or 1Gi, not {found}", entry.key);
                self.refuse(Code::BadQuantity, entry.value.span, message);
                continue;
            };
            let milli = match parse_quantity_milli(&text) {
                Ok(milli) => milli,
                Err(error) => {
                    self.refuse(Code::BadQuantity, entry.value.span, format!("`{field}.{}`: {error}", entry.key));
                    continue;
                }
            };
            match Resource::of(&entry.key) {
                Some(Resource::Extended(_)) if milli % 1000 != 0 => {
                    let message = format!("`{field}.{}`: `{text}` is not whole, as extended resources are", entry.key);
                    self.refuse(Code::BadQuantity, entry.value.span, message);
                }
                Some(resource) => amounts.0.push((resource, milli)),
                None => {
                    let message = format!("`{field}`: there is no resource `{}`", entry.key);
                    let hint = "resources are cpu, memory, ephemeral-storage, pods, hugepages-<size>, and extended resources \
                                such as example.com/fpga";
                    self.refuse_with_hint(Code::NotAllowed, entry.span, message, hint);
                }
            }
        }
        amounts.0.sort_unstable();
        amounts
    }
}

/// Whether a value is null or empty.
fn says_nothing(tree: &Tree) -> bool {
    match &tree.value {
        Value::Null => true,
        Value::List(items) => items.is_empty(),
        Value::Map(entries) => entries.is_empty(),
        _ => false,
    }
}

/// A kind of resource.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Resource<'t> {
    Cpu,
    Memory,
    EphemeralStorage,
    Pods,
    Extended(&'t str),
}

impl<'t> Resource<'t> {
    fn of(name: &'t str) -> Option<Resource<'t>> {
        Some(match name {
            "cpu" => Resource::Cpu,
            "memory" => Resource::Memory,
            "ephemeral-storage" => Resource::EphemeralStorage,
            "pods" => Resource::Pods,
            _ if name.contains('/') => Resource::Extended(name),
            _ if name.starts_with("hugepages-") || name.starts_with("attachable-volumes-") => Resource::Extended(name),
            _ => return None,
        })
    }
}

/// Amounts in thousandths of their unit, in order of resource, each at most once.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Amounts<'t>(pub(super) Vec<(Resource<'t>, u128)>);

impl<'t> Amounts<'t> {
    pub(super) fn get(&self, resource: Resource<'_>) -> Option<u128> {
        self.0.iter().find(|(other, _)| *other == resource).map(|(_, milli)| *milli)
    }

    /// Adds every amount of `other`.
    pub(super) fn add(&mut self, other: &Amounts<'t>) {
        self.merge(other, |mine, others| mine.saturating_add(others));
    }

    /// Raises every amount to that of `other`.
    pub(super) fn raise_to(&mut self, other: &Amounts<'t>) {
        self.merge(other, u128::max);
    }

    /// Puts in what is absent here; a zero is not absent.
    pub(super) fn default_to(&mut self, other: &Amounts<'t>) {
        self.merge(other, |mine, _| mine);
    }

    /// Takes over every amount of `other`.
    pub(super) fn replace_by(&mut self, other: &Amounts<'t>) {
        self.merge(other, |_, others| others);
    }

    /// The amounts that are not zero.
    pub(super) fn without_zeros(mut self) -> Amounts<'t> {
        self.0.retain(|(_, milli)| *milli > 0);
        self
    }

    /// Takes over what is absent here, and combines what is not.
    fn merge(&mut self, other: &Amounts<'t>, combine: impl Fn(u128, u128) -> u128) {
        for &(resource, milli) in &other.0 {
            match self.0.binary_search_by(|(mine, _)| mine.cmp(&resource)) {
                Ok(at) => self.0[at].1 = combine(self.0[at].1, milli),
                Err(at) => self.0.insert(at, (resource, milli)),
            }
        }
    }

    /// The amounts in the units of the model, rounded up as kube-scheduler does. Amounts beyond 64 bits are cut there; the
    /// scenario as a whole refuses them.
    pub(super) fn to_resources(&self, cluster: &mut Cluster) -> Resources {
        let mut resources = Resources::default();
        for &(resource, milli) in &self.0 {
            let whole = u64::try_from(milli.div_ceil(1000)).unwrap_or(u64::MAX);
            match resource {
                Resource::Cpu => resources.cpu = MilliCpu(u64::try_from(milli).unwrap_or(u64::MAX)),
                Resource::Memory => resources.memory = Bytes(whole),
                Resource::EphemeralStorage => resources.ephemeral_storage = Bytes(whole),
                Resource::Pods => resources.pods = whole,
                Resource::Extended(name) => {
                    let position = cluster.intern_extended_resource(name);
                    if resources.extended.len() <= position {
                        resources.extended.resize(position + 1, 0);
                    }
                    resources.extended[position] = whole;
                }
            }
        }
        resources
    }
}
