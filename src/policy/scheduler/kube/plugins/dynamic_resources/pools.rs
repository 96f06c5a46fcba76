//! The pools of devices that one node reaches (`GatherPools`).

use std::collections::{BTreeMap, BTreeSet};

use crate::model::devices::{Counters, Device, Devices, Reach, ResourceSlice};
use crate::policy::scheduler::kube::{NodeInfo, labels};

/// A pool.
#[derive(Debug, Default)]
pub(super) struct Pool<'a> {
    /// The driver.
    pub(super) driver: &'a str,
    /// Its name.
    pub(super) name: &'a str,
    /// Whether slices are missing, so that the driver must be at work on it.
    pub(super) is_incomplete: bool,
    /// Whether it contradicts itself.
    pub(super) is_invalid: bool,
    /// Slices with devices that the node reaches, in order of name.
    pub(super) slices: Vec<&'a ResourceSlice>,
    /// Slices with devices that only other nodes reach.
    pub(super) elsewhere: Vec<&'a ResourceSlice>,
    /// The counters that the devices share, by set.
    pub(super) counters: BTreeMap<&'a str, &'a Counters>,
}

/// Whether a node reaches devices of this reach; devices that speak for themselves are not reached by the slice.
pub(super) fn reaches(node: &NodeInfo<'_>, reach: &Reach) -> bool {
    match reach {
        Reach::Nowhere | Reach::PerDevice => false,
        Reach::Node(name) => node.name() == name,
        Reach::AllNodes => true,
        Reach::Selected(terms) => terms.iter().any(|term| labels::meets_term(term, node)),
    }
}

/// The pools in the order in which devices are looked for: by driver and name, those with binding conditions last.
pub(super) fn gather<'a>(devices: &'a Devices, node: &NodeInfo<'a>) -> Vec<Pool<'a>> {
    let mut found: BTreeMap<(&str, &str), Vec<&ResourceSlice>> = BTreeMap::new();
    for slice in devices.slices_for(node.name()) {
        let is_relevant = match slice.reach {
            Reach::PerDevice => slice.devices.iter().any(|device| reaches(node, &device.reach)),
            _ => reaches(node, &slice.reach),
        };
        if !is_relevant || slice.has_compatibility_groups() {
            continue;
        }
        let known = found.entry((&slice.driver, &slice.pool)).or_default();
        match known.first() {
            Some(first) if slice.generation < first.generation => {}
            Some(first) if slice.generation > first.generation => *known = vec![slice],
            _ => known.push(slice),
        }
    }
    let (mut pools, mut last) = (Vec::new(), Vec::new());
    for ((driver, name), slices) in found {
        let Some(pool) = complete(devices, driver, name, slices) else { continue };
        if pool.devices().any(|device| device.has_binding_conditions) { last.push(pool) } else { pools.push(pool) }
    }
    pools.append(&mut last);
    pools
}

/// The pool with what there is of it beyond the node; none where the slices turn out to be out of date.
fn complete<'a>(
    devices: &'a Devices,
    driver: &'a str,
    name: &'a str,
    slices: Vec<&'a ResourceSlice>,
) -> Option<Pool<'a>> {
    let (generation, count) = (slices[0].generation, slices[0].slice_count);
    if slices.len() as i64 == count {
        return Some(build(driver, name, slices, Vec::new()));
    }
    if devices.slices_of_pool(driver, name).any(|slice| slice.generation > generation) {
        return None;
    }
    let all = devices.slices_of_pool(driver, name).filter(|slice| slice.generation == generation);
    let all: Vec<&ResourceSlice> = all.filter(|slice| !slice.has_compatibility_groups()).collect();
    if all.len() as i64 != count {
        return Some(Pool { driver, name, is_incomplete: true, ..Pool::default() });
    }
    let names: BTreeSet<&str> = slices.iter().map(|slice| slice.name.as_str()).collect();
    let others = all.into_iter().filter(|slice| !names.contains(slice.name.as_str())).collect();
    Some(build(driver, name, slices, others))
}

/// Puts a pool together, and looks whether it is sound (`buildPool`).
fn build<'a>(
    driver: &'a str,
    name: &'a str,
    mut here: Vec<&'a ResourceSlice>,
    others: Vec<&'a ResourceSlice>,
) -> Pool<'a> {
    here.sort_by(|a, b| a.name.cmp(&b.name));
    let has_counters = |slice: &&ResourceSlice| !slice.shared_counters.is_empty();
    let (of_counters, slices): (Vec<_>, Vec<_>) = here.into_iter().partition(has_counters);
    let (more_counters, elsewhere): (Vec<_>, Vec<_>) = others.into_iter().partition(has_counters);
    let mut pool = Pool { driver, name, slices, elsewhere, ..Pool::default() };
    let mut names = BTreeSet::new();
    let mut is_sound = pool.devices().all(|device| names.insert(device.name.as_str()));
    for set in of_counters.into_iter().chain(more_counters).flat_map(|slice| &slice.shared_counters) {
        is_sound &= pool.counters.insert(&set.name, &set.counters).is_none();
    }
    let consumed = pool.slices.iter().chain(&pool.elsewhere).flat_map(|slice| &slice.devices);
    let mut consumed = consumed.flat_map(|device| &device.consumes);
    is_sound &= consumed.all(|set| {
        let known = pool.counters.get(set.name.as_str());
        known.is_some_and(|known| set.counters.keys().all(|counter| known.contains_key(counter)))
    });
    if is_sound { pool } else { Pool { driver, name, is_invalid: true, ..Pool::default() } }
}

impl<'a> Pool<'a> {
    /// The devices that the node reaches.
    fn devices(&self) -> impl Iterator<Item = &'a Device> + use<'a, '_> {
        self.slices.iter().flat_map(|slice| &slice.devices)
    }
}
