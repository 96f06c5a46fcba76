//! Labels of machine types and of the nodes that NodePools make of them.

use std::collections::{BTreeMap, BTreeSet};

use super::{AWS, InstanceTypeSpec, VARIANTS_MAX, lists_values};
use crate::model::Label;
use crate::model::cluster::ZONE_LABEL;
use crate::model::provisioning::Market;
use crate::policy::node_autoscaler::karpenter::NodePool;
use crate::policy::node_autoscaler::karpenter::requirements::{
    CAPACITY_TYPE_LABEL, INSTANCE_TYPE_LABEL, NODE_POOL_LABEL, Requirements, WellKnownLabels, normalized_label,
};
use crate::units::{Bytes, MilliCpu};

/// The labels of a type, wherever it is sold.
fn of_type(one: &InstanceTypeSpec) -> BTreeMap<String, String> {
    let mut labels = one.labels.clone();
    let mut add = |key: String, value: String| {
        labels.entry(key).or_insert(value);
    };
    add(INSTANCE_TYPE_LABEL.to_owned(), one.name.clone());
    add("kubernetes.io/arch".to_owned(), one.architecture.clone().unwrap_or_else(|| "amd64".to_owned()));
    add("kubernetes.io/os".to_owned(), "linux".to_owned());
    if let Some((family, size)) = one.name.split_once('.') {
        let category: String = family.chars().take_while(char::is_ascii_lowercase).collect();
        let rest = &family[category.len()..];
        let generation: String = rest.chars().take_while(char::is_ascii_digit).collect();
        if !category.is_empty() && !generation.is_empty() {
            add(format!("{AWS}family"), family.to_owned());
            add(format!("{AWS}size"), size.to_owned());
            add(format!("{AWS}category"), category);
            add(format!("{AWS}generation"), generation);
            let amounts = if one.capacity.is_empty() { &one.allocatable } else { &one.capacity };
            let amount = |name: &str| amounts.get(name).map(|quantity| quantity.0.as_str());
            if let Some(Ok(cpu)) = amount("cpu").map(MilliCpu::parse) {
                add(format!("{AWS}cpu"), (cpu.0 / 1000).to_string());
            }
            if let Some(Ok(memory)) = amount("memory").map(Bytes::parse) {
                add(format!("{AWS}memory"), (memory.0 >> 20).to_string());
            }
        }
    }
    labels
}

/// The labels of all types: what pods may ask for though no NodePool speaks of it.
pub(super) fn of_types(types: &[InstanceTypeSpec]) -> Vec<String> {
    let keys: BTreeSet<String> = types.iter().flat_map(|one| of_type(one).into_keys()).collect();
    keys.into_iter().collect()
}

/// The labels that nodes of a pool and type in a zone can have, one list for each choice of values; none: the pool does not
/// allow them.
pub(super) fn of_nodes(pool: &NodePool, one: &InstanceTypeSpec, zone: &str, market: Market) -> Vec<Vec<Label>> {
    let mut labels = of_type(one);
    labels.insert(ZONE_LABEL.to_owned(), zone.to_owned());
    labels.insert(CAPACITY_TYPE_LABEL.to_owned(), market.name().to_owned());
    let list = |labels: &BTreeMap<String, String>| -> Vec<Label> {
        labels.iter().map(|(key, value)| Label { key: key.clone(), value: value.clone() }).collect()
    };
    let wanted = pool.requirements();
    if !Requirements::of_labels(&list(&labels)).intersects(&wanted) {
        return Vec::new();
    }
    let provider = WellKnownLabels::default();
    let lacks = |key: &str| !labels.contains_key(key) && (provider.has(key) || key.starts_with(AWS));
    if wanted.iter().any(|(key, requirement)| lacks(key) && !requirement.allows_missing()) {
        return Vec::new();
    }
    let mut free: Vec<(String, Vec<String>)> = Vec::new();
    for of_pool in pool.template.requirements.iter().filter(|of_pool| lists_values(of_pool.operator)) {
        let key = normalized_label(&of_pool.key);
        let is_template = pool.template.labels.iter().any(|label| label.key == key);
        if !labels.contains_key(key) && !is_template && free.iter().all(|(other, _)| other != key) {
            let allowed = of_pool.values.iter().filter(|value| wanted.get_or_any(key).has(value));
            free.push((key.to_owned(), allowed.cloned().collect()));
        }
    }
    for label in &pool.template.labels {
        labels.entry(label.key.clone()).or_insert_with(|| label.value.clone());
    }
    if let Some(class) = &pool.template.node_class {
        labels.insert(class.key.clone(), class.value.clone());
    }
    labels.insert(NODE_POOL_LABEL.to_owned(), pool.name.clone());
    let mut variants = vec![labels];
    for (key, values) in free {
        let with = |variant: &BTreeMap<String, String>, value: &String| {
            let mut variant = variant.clone();
            variant.insert(key.clone(), value.clone());
            variant
        };
        variants = variants.iter().flat_map(|variant| values.iter().map(move |value| with(variant, value))).collect();
        variants.truncate(VARIANTS_MAX);
    }
    variants.iter().map(list).collect()
}
