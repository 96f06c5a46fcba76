//! `resource.k8s.io/v1` into [`Devices`](crate::model::devices::Devices): classes, slices, claims and their templates.
//!
//! Expressions are compiled here, so that a wrong one is reported with its place. What the default gates of the release
//! switch off (lists as attributes, derived attributes, node-allocatable resources) is answered with a warning.

use super::objects::Header;
use super::read::Notes;
use crate::document::{Code, Node as Tree};
use crate::model::Objects;
use crate::model::devices::{
    ALTERNATIVES_MAX, AllocatedDevice, Allocation, Attribute, ClaimSpec, CounterSet, Counters, Device, DeviceCapacity,
    DeviceClass, DeviceConstraint, DeviceQuery, DeviceRequest, DeviceSelector, DeviceTaint, DeviceToleration, Reach,
    RequestPolicy, RequestRange, ResourceClaim, ResourceClaimTemplate, ResourceSlice, SliceNumbers,
};
use crate::units::parse_quantity_milli;

const NO_EXTENDED_RESOURCES: &str = "`spec.extendedResourceName` of DeviceClass is not used: pods get devices by claims, and extended resources from nodes";
const CONDITIONS_ARE_MET: &str = "`bindingConditions` of devices count as met as soon as the devices are allocated";

fn at<'t>(tree: &'t Tree, path: &[&str]) -> Option<&'t Tree> {
    tree.at(path).filter(|tree| !tree.is_null())
}

/// Reads a `DeviceClass`.
pub(super) fn device_class(tree: &Tree, header: &Header<'_>, target: &mut Objects, notes: &mut Notes) {
    let extended = at(tree, &["spec", "extendedResourceName"]);
    if let Some(extended) = extended {
        notes.remarks.push((NO_EXTENDED_RESOURCES, extended.span));
    }
    target.devices.classes.push(DeviceClass {
        name: header.name(),
        selectors: selectors(at(tree, &["spec", "selectors"]), "spec.selectors", notes),
        extended_resource: notes.text(extended, "spec.extendedResourceName").map(str::to_owned),
    });
}

/// Reads a `ResourceSlice`.
pub(super) fn resource_slice(tree: &Tree, header: &Header<'_>, target: &mut Objects, notes: &mut Notes) {
    let Some(spec) = required_mapping(tree, "spec", notes) else { return };
    let driver = notes.required_text(spec, "driver", "spec").to_owned();
    let Some(pool) = required_mapping(spec, "pool", notes) else { return };
    let per_device = notes.truth(spec.get("perDeviceNodeSelection"), "spec.perDeviceNodeSelection");
    let own = reach(spec, "spec", notes);
    if own == Reach::Nowhere && !per_device {
        let message = "`spec` of a ResourceSlice needs one of `nodeName`, `nodeSelector`, `allNodes` and `perDeviceNodeSelection`";
        notes.refuse(Code::MissingKey, spec.span, message);
    }
    let devices = notes.list(spec.get("devices"), "spec.devices").iter().map(|item| device(item, notes)).collect();
    let slice = ResourceSlice {
        name: header.name(),
        driver,
        pool: notes.required_text(pool, "name", "spec.pool").to_owned(),
        generation: whole(pool.get("generation"), "spec.pool.generation", notes).unwrap_or(0),
        slice_count: whole(pool.get("resourceSliceCount"), "spec.pool.resourceSliceCount", notes).unwrap_or(1),
        reach: if own == Reach::Nowhere && per_device { Reach::PerDevice } else { own },
        shared_counters: counter_sets(spec.get("sharedCounters"), "name", "spec.sharedCounters", notes),
        devices,
        numbers: SliceNumbers::default(),
    };
    target.devices.slices.push(slice);
}

/// Reads a `ResourceClaim`.
pub(super) fn resource_claim(tree: &Tree, header: &Header<'_>, target: &mut Objects, notes: &mut Notes) {
    let spec = claim_spec(at(tree, &["spec", "devices"]), "spec.devices", notes);
    let allocation = at(tree, &["status", "allocation"]).map(|tree| allocation(tree, notes));
    let users = notes.list(at(tree, &["status", "reservedFor"]), "status.reservedFor");
    let reserved_for = users.iter().filter_map(|user| user.get("name").and_then(Tree::as_text)).map(str::to_owned);
    target.devices.claims.push(ResourceClaim {
        namespace: header.namespace(),
        name: header.name(),
        is_deleting: at(tree, &["metadata", "deletionTimestamp"]).is_some(),
        spec,
        allocation,
        reserved_for: reserved_for.collect(),
    });
}

/// Reads a `ResourceClaimTemplate`.
pub(super) fn resource_claim_template(tree: &Tree, header: &Header<'_>, target: &mut Objects, notes: &mut Notes) {
    let spec = claim_spec(at(tree, &["spec", "spec", "devices"]), "spec.spec.devices", notes);
    let template = ResourceClaimTemplate { namespace: header.namespace(), name: header.name(), spec };
    target.devices.templates.push(template);
}

fn required_mapping<'t>(tree: &'t Tree, key: &str, notes: &mut Notes) -> Option<&'t Tree> {
    let found = notes.mapping(tree.get(key), key);
    if found.is_none() && notes.issues.is_empty() {
        notes.refuse(Code::MissingKey, tree.span, format!("`{key}` is missing"));
    }
    found
}

/// A whole number of 64 bits; none where it is absent or wrong.
fn whole(tree: Option<&Tree>, field: &str, notes: &mut Notes) -> Option<i64> {
    let tree = tree.filter(|tree| !tree.is_null())?;
    let number = tree.as_int();
    if number.is_none() {
        notes.refuse(Code::WrongType, tree.span, format!("`{field}` must be a whole number"));
    }
    number
}

/// An amount in thousandths; none where it is absent or wrong.
fn milli(tree: Option<&Tree>, field: &str, notes: &mut Notes) -> Option<i128> {
    let tree = tree.filter(|tree| !tree.is_null())?;
    let parsed = tree.scalar_text().map(|text| parse_quantity_milli(&text).map_err(|error| error.to_string()));
    match parsed.unwrap_or_else(|| Err("a quantity such as 500m or 1Gi is needed".to_owned())) {
        Ok(milli) => Some(i128::try_from(milli).unwrap_or(i128::MAX)),
        Err(error) => {
            notes.refuse(Code::BadQuantity, tree.span, format!("`{field}`: {error}"));
            None
        }
    }
}

fn selectors(tree: Option<&Tree>, field: &str, notes: &mut Notes) -> Vec<DeviceSelector> {
    let mut selectors = Vec::new();
    for item in notes.list(tree, field) {
        let field = format!("{field}[].cel");
        let Some(cel) = notes.mapping(item.get("cel"), &field) else {
            notes.refuse(Code::MissingKey, item.span, format!("`{field}` is missing"));
            continue;
        };
        let expression = notes.required_text(cel, "expression", &field);
        match DeviceSelector::new(expression) {
            Ok(selector) => selectors.push(selector),
            Err(_) if expression.is_empty() => {}
            Err(error) => {
                let span = cel.get("expression").map_or(cel.span, |expression| expression.span);
                notes.refuse(Code::NotAllowed, span, format!("`{field}.expression` is no CEL expression: {error}"));
            }
        }
    }
    selectors
}

/// Which nodes reach what a slice or device has.
fn reach(tree: &Tree, field: &str, notes: &mut Notes) -> Reach {
    if let Some(node) = notes.text(tree.get("nodeName"), &format!("{field}.nodeName")).filter(|name| !name.is_empty()) {
        return Reach::Node(node.to_owned());
    }
    if notes.truth(tree.get("allNodes"), &format!("{field}.allNodes")) {
        return Reach::AllNodes;
    }
    match at(tree, &["nodeSelector"]) {
        None => Reach::Nowhere,
        Some(selector) => {
            let field = format!("{field}.nodeSelector.nodeSelectorTerms");
            let terms = notes.node_selector_terms(selector.get("nodeSelectorTerms"), &field);
            if terms.len() != 1 {
                notes.refuse(Code::NotAllowed, selector.span, format!("`{field}` has exactly one term here"));
            }
            Reach::Selected(terms)
        }
    }
}

fn device(tree: &Tree, notes: &mut Notes) -> Device {
    let field = "spec.devices[]";
    if let Some(conditions) = at(tree, &["bindingConditions"]) {
        notes.remarks.push((CONDITIONS_ARE_MET, conditions.span));
    }
    if let Some(resources) = tree.get("nodeAllocatableResources") {
        notes.unused("spec.devices[].nodeAllocatableResources", resources);
    }
    let consumes = tree.get("consumesCounters");
    let declares_groups = |set: &Tree| set.get("compatibilityGroups").is_some_and(|groups| !groups.items().is_empty());
    let mut device = Device {
        name: notes.required_text(tree, "name", field).to_owned(),
        consumes: counter_sets(consumes, "counterSet", "spec.devices[].consumesCounters", notes),
        has_compatibility_groups: consumes.map_or(&[][..], Tree::items).iter().any(declares_groups),
        reach: reach(tree, field, notes),
        taints: taints(tree.get("taints"), notes),
        binds_to_node: notes.truth(tree.get("bindsToNode"), "spec.devices[].bindsToNode"),
        has_binding_conditions: tree.get("bindingConditions").is_some_and(|list| !list.items().is_empty()),
        allows_multiple_allocations: notes
            .truth(tree.get("allowMultipleAllocations"), "spec.devices[].allowMultipleAllocations"),
        ..Device::default()
    };
    let attributes = notes.mapping(tree.get("attributes"), "spec.devices[].attributes");
    for entry in attributes.map_or(&[][..], Tree::entries) {
        if let Some(attribute) = attribute(&entry.value, &entry.key, notes) {
            device.attributes.insert(entry.key.to_string(), attribute);
        }
    }
    let capacity = notes.mapping(tree.get("capacity"), "spec.devices[].capacity");
    for entry in capacity.map_or(&[][..], Tree::entries) {
        let field = format!("spec.devices[].capacity.{}", entry.key);
        if let Some(milli) = milli(entry.value.get("value"), &format!("{field}.value"), notes) {
            let policy = at(&entry.value, &["requestPolicy"]).map(|policy| request_policy(policy, &field, notes));
            device.capacity.insert(entry.key.to_string(), DeviceCapacity { milli, policy });
        }
    }
    device
}

fn attribute(tree: &Tree, name: &str, notes: &mut Notes) -> Option<Attribute> {
    let field = format!("spec.devices[].attributes.{name}");
    let [entry] = tree.entries() else {
        notes.refuse(Code::WrongType, tree.span, format!("`{field}` has one of `int`, `bool`, `string` and `version`"));
        return None;
    };
    let value = Some(&entry.value);
    match &*entry.key {
        "int" => whole(value, &format!("{field}.int"), notes).map(Attribute::Number),
        "bool" => Some(Attribute::Truth(notes.truth(value, &format!("{field}.bool")))),
        "string" => notes.text(value, &format!("{field}.string")).map(|text| Attribute::Text(text.to_owned())),
        "version" => {
            let text = notes.text(value, &format!("{field}.version"))?;
            if let Err(error) = semver::Version::parse(text) {
                let message = format!("`{field}.version`: `{text}` is no semantic version: {error}");
                notes.refuse(Code::NotAllowed, entry.value.span, message);
            }
            Some(Attribute::Version(text.to_owned()))
        }
        "ints" | "bools" | "strings" | "versions" => {
            notes.unused(format!("spec.devices[].attributes.*.{}", entry.key), &entry.value);
            None
        }
        other => {
            notes.refuse(Code::NotAllowed, entry.span, format!("`{field}`: `{other}` is no type of an attribute"));
            None
        }
    }
}

fn request_policy(tree: &Tree, field: &str, notes: &mut Notes) -> RequestPolicy {
    let field = format!("{field}.requestPolicy");
    let range = at(tree, &["validRange"]).map(|range| {
        let step_milli = milli(range.get("step"), &format!("{field}.validRange.step"), notes);
        if step_milli == Some(0) {
            notes.refuse(Code::OutOfRange, range.span, format!("`{field}.validRange.step` must be above 0"));
        }
        RequestRange {
            min_milli: milli(range.get("min"), &format!("{field}.validRange.min"), notes).unwrap_or(0),
            max_milli: milli(range.get("max"), &format!("{field}.validRange.max"), notes),
            step_milli,
        }
    });
    let values = notes.list(tree.get("validValues"), &format!("{field}.validValues"));
    RequestPolicy {
        default_milli: milli(tree.get("default"), &format!("{field}.default"), notes),
        values_milli: values.iter().filter_map(|value| milli(Some(value), &field, notes)).collect(),
        range,
    }
}

fn counter_sets(tree: Option<&Tree>, key: &str, field: &str, notes: &mut Notes) -> Vec<CounterSet> {
    let mut sets = Vec::new();
    for item in notes.list(tree, field) {
        let name = notes.required_text(item, key, &format!("{field}[]")).to_owned();
        let counters = notes.mapping(item.get("counters"), &format!("{field}[].counters"));
        let mut set = CounterSet { name, counters: Counters::new() };
        for entry in counters.map_or(&[][..], Tree::entries) {
            let field = format!("{field}[].counters.{}.value", entry.key);
            set.counters.extend(milli(entry.value.get("value"), &field, notes).map(|it| (entry.key.to_string(), it)));
        }
        sets.push(set);
    }
    sets
}

fn taints(tree: Option<&Tree>, notes: &mut Notes) -> Vec<DeviceTaint> {
    let items = notes.list(tree, "spec.devices[].taints");
    let mut text = |item: &Tree, key: &str| {
        notes.text(item.get(key), &format!("spec.devices[].taints[].{key}")).unwrap_or_default().to_owned()
    };
    items
        .iter()
        .map(|item| DeviceTaint { key: text(item, "key"), value: text(item, "value"), effect: text(item, "effect") })
        .collect()
}

fn claim_spec(tree: Option<&Tree>, field: &str, notes: &mut Notes) -> ClaimSpec {
    let Some(tree) = notes.mapping(tree, field) else { return ClaimSpec::default() };
    let requests = notes.list(tree.get("requests"), &format!("{field}.requests"));
    let constraints = notes.list(tree.get("constraints"), &format!("{field}.constraints"));
    ClaimSpec {
        requests: requests.iter().map(|item| request(item, &format!("{field}.requests[]"), notes)).collect(),
        constraints: constraints
            .iter()
            .filter_map(|item| constraint(item, &format!("{field}.constraints[]"), notes))
            .collect(),
    }
}

fn request(tree: &Tree, field: &str, notes: &mut Notes) -> DeviceRequest {
    let name = notes.required_text(tree, "name", field).to_owned();
    let exactly = notes.mapping(tree.get("exactly"), &format!("{field}.exactly"));
    let alternatives = notes.list(tree.get("firstAvailable"), &format!("{field}.firstAvailable"));
    if exactly.is_some() != alternatives.is_empty() {
        notes.refuse(Code::Contradiction, tree.span, format!("`{field}` has either `exactly` or `firstAvailable`"));
    }
    if alternatives.len() > ALTERNATIVES_MAX {
        let message = format!("`{field}.firstAvailable` has more than {ALTERNATIVES_MAX} alternatives");
        notes.refuse(Code::OutOfRange, tree.span, message);
    }
    let mut queries: Vec<DeviceQuery> =
        exactly.iter().map(|tree| query(tree, &format!("{field}.exactly"), notes)).collect();
    for item in alternatives {
        let field = format!("{field}.firstAvailable[]");
        let name = notes.required_text(item, "name", &field).to_owned();
        queries.push(DeviceQuery { name, ..query(item, &field, notes) });
    }
    DeviceRequest { name, alternatives: queries, is_prioritised: exactly.is_none() }
}

fn query(tree: &Tree, field: &str, notes: &mut Notes) -> DeviceQuery {
    if let Some(derived) = tree.get("derivedAttributes") {
        notes.unused("spec.devices.requests[].derivedAttributes", derived);
    }
    let modes = [("ExactCount", false), ("All", true)];
    let is_all = notes.choice(tree.get("allocationMode"), &format!("{field}.allocationMode"), &modes).unwrap_or(false);
    let count = notes.number_within(tree.get("count"), &format!("{field}.count"), 0..=i32::MAX).unwrap_or(0).max(1);
    let requests = notes.mapping(tree.at(&["capacity", "requests"]), &format!("{field}.capacity.requests"));
    let mut capacity = Counters::new();
    for entry in requests.map_or(&[][..], Tree::entries) {
        let field = format!("{field}.capacity.requests.{}", entry.key);
        capacity.extend(milli(Some(&entry.value), &field, notes).map(|it| (entry.key.to_string(), it)));
    }
    DeviceQuery {
        name: String::new(),
        class: notes.required_text(tree, "deviceClassName", field).to_owned(),
        selectors: selectors(tree.get("selectors"), &format!("{field}.selectors"), notes),
        count: (!is_all).then_some(count as u64),
        has_admin_access: notes.truth(tree.get("adminAccess"), &format!("{field}.adminAccess")),
        tolerations: tolerations(tree.get("tolerations"), &format!("{field}.tolerations"), notes),
        capacity,
    }
}

fn tolerations(tree: Option<&Tree>, field: &str, notes: &mut Notes) -> Vec<DeviceToleration> {
    let mut tolerations = Vec::new();
    for item in notes.list(tree, field) {
        let operators = [("Equal", false), ("Exists", true)];
        let exists = notes.choice(item.get("operator"), &format!("{field}[].operator"), &operators).unwrap_or(false);
        let mut text =
            |key: &str| notes.text(item.get(key), &format!("{field}[].{key}")).unwrap_or_default().to_owned();
        let (key, value, effect) = (text("key"), text("value"), text("effect"));
        tolerations.push(DeviceToleration { key, value: (!exists).then_some(value), effect });
    }
    tolerations
}

fn constraint(tree: &Tree, field: &str, notes: &mut Notes) -> Option<DeviceConstraint> {
    let same = notes.text(tree.get("matchAttribute"), &format!("{field}.matchAttribute"));
    let distinct = notes.text(tree.get("distinctAttribute"), &format!("{field}.distinctAttribute"));
    let (attribute, is_distinct) = match (same, distinct) {
        (Some(attribute), None) => (attribute, false),
        (None, Some(attribute)) => (attribute, true),
        _ => {
            let message = format!("`{field}` has either `matchAttribute` or `distinctAttribute`");
            notes.refuse(Code::Contradiction, tree.span, message);
            return None;
        }
    };
    let requests = notes.texts(tree.get("requests"), &format!("{field}.requests"));
    let requests = requests.into_iter().map(str::to_owned).collect();
    Some(DeviceConstraint { requests, attribute: attribute.to_owned(), is_distinct })
}

fn allocation(tree: &Tree, notes: &mut Notes) -> Allocation {
    let field = "status.allocation.devices.results";
    let mut devices = Vec::new();
    for item in notes.list(at(tree, &["devices", "results"]), field) {
        let mut text = |key: &str| notes.required_text(item, key, &format!("{field}[]")).to_owned();
        let (request, driver, pool, device) = (text("request"), text("driver"), text("pool"), text("device"));
        let consumed = notes.mapping(item.get("consumedCapacity"), &format!("{field}[].consumedCapacity"));
        let amounts = consumed.map_or(&[][..], Tree::entries).iter();
        devices.push(AllocatedDevice {
            request,
            driver,
            pool,
            device,
            id: None,
            has_admin_access: notes.truth(item.get("adminAccess"), &format!("{field}[].adminAccess")),
            is_share: item.get("shareID").is_some_and(|share| !share.is_null()),
            consumed: amounts
                .filter_map(|entry| Some((entry.key.to_string(), milli(Some(&entry.value), field, notes)?)))
                .collect(),
        });
    }
    let selector = at(tree, &["nodeSelector"]);
    let terms = "status.allocation.nodeSelector.nodeSelectorTerms";
    Allocation {
        devices,
        node_selector: selector.map(|it| notes.node_selector_terms(it.get("nodeSelectorTerms"), terms)),
    }
}

#[cfg(test)]
mod tests;
