//! Devices that pods claim: classes, what drivers offer, and claims.
//!
//! The types mirror `k8s.io/api/resource/v1` of v1.37.0, completed by the defaults of the API server, with quantities
//! parsed and everything left out that has no bearing on what is allocated. Amounts are in thousandths of their unit.
//! Lists are in order of name once [`Devices::new`] has put them together.
//!
//! Left out, because the gates of the release are off by default: attributes that are lists or derived, node operations
//! that are optional, node-allocatable resources.
//!
//! Cost: [`Devices::new`] sorts; an evaluation of a selector on a device is done once and kept, in a byte.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU8, Ordering};

use super::pod_spec::NodeSelectorTerm;

mod selector;

pub use selector::DeviceSelector;

/// Most devices of one claim (`AllocationResultsMaxSize`).
pub const CLAIM_DEVICES_MAX: usize = 32;
/// Most alternatives of one request (`FirstAvailableDeviceRequestMaxSize`).
pub const ALTERNATIVES_MAX: usize = 8;

/// Everything about devices in a run.
#[derive(Debug, Default)]
pub struct Devices {
    /// Classes in order of name.
    pub classes: Vec<DeviceClass>,
    /// What drivers offer, in order of name.
    pub slices: Vec<ResourceSlice>,
    /// Claims in order of namespace and name.
    pub claims: Vec<ResourceClaim>,
    /// Templates of claims in order of namespace and name.
    pub templates: Vec<ResourceClaimTemplate>,
    /// Positions of slices that one node alone reaches, by its name.
    by_node: BTreeMap<String, Vec<u32>>,
    /// Positions of all others.
    shared: Vec<u32>,
    /// Positions of the slices of a pool, by driver and name.
    by_pool: BTreeMap<(String, String), Vec<u32>>,
    /// Distinct devices by driver, pool and name.
    ids: BTreeMap<(String, String, String), DeviceId>,
    /// How many devices are offered: equal names of several generations count each.
    offered: usize,
    /// By selector and offered device: not known, false, true, error.
    verdicts: Vec<AtomicU8>,
}

/// A device by driver, pool and name; numbers are dense and follow the order of names.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct DeviceId(pub u32);

impl DeviceId {
    /// As a position.
    pub fn index(self) -> usize {
        self.0 as usize
    }
}

/// `DeviceClass`.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct DeviceClass {
    /// Its name.
    pub name: String,
    /// Selectors that a device must all meet.
    pub selectors: Vec<DeviceSelector>,
    /// The extended resource that stands for a device of this class.
    pub extended_resource: Option<String>,
}

/// `ResourceSlice`: some of the devices of a pool.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ResourceSlice {
    /// Its name.
    pub name: String,
    /// The driver that offers the devices.
    pub driver: String,
    /// Name of the pool.
    pub pool: String,
    /// Generation of the pool; slices of older generations do not count.
    pub generation: i64,
    /// How many slices of this generation the pool has.
    pub slice_count: i64,
    /// Which nodes reach the devices.
    pub reach: Reach,
    /// Counters that the devices of the pool share.
    pub shared_counters: Vec<CounterSet>,
    /// The devices.
    pub devices: Vec<Device>,
    /// Which devices they are; given by [`Devices::new`].
    pub numbers: SliceNumbers,
}

/// The devices of a slice among all that are offered.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SliceNumbers {
    /// Number of the first of them.
    first: usize,
    /// Identities of them all.
    ids: Vec<DeviceId>,
}

/// Which nodes reach a device.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Reach {
    /// None.
    #[default]
    Nowhere,
    /// The node of that name.
    Node(String),
    /// All nodes.
    AllNodes,
    /// Nodes that meet one of the terms.
    Selected(Vec<NodeSelectorTerm>),
    /// Each device says so for itself.
    PerDevice,
}

/// Counters by name, in thousandths.
pub type Counters = BTreeMap<String, i128>;

/// `CounterSet`, and what a device takes of one.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CounterSet {
    /// Name of the set.
    pub name: String,
    /// The counters.
    pub counters: Counters,
}

/// `Device`.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Device {
    /// Its name within the pool.
    pub name: String,
    /// Attributes by name; the domain of names without one is the driver.
    pub attributes: BTreeMap<String, Attribute>,
    /// Capacities by name.
    pub capacity: BTreeMap<String, DeviceCapacity>,
    /// What it takes of shared counters.
    pub consumes: Vec<CounterSet>,
    /// Which nodes reach it, where the slice leaves that to its devices.
    pub reach: Reach,
    /// Its taints.
    pub taints: Vec<DeviceTaint>,
    /// Whether a claim of it is bound to the node for which it was allocated.
    pub binds_to_node: bool,
    /// Whether conditions must be met before a pod with the device is bound; pools with such devices come last.
    pub has_binding_conditions: bool,
    /// Whether several claims may share its capacity.
    pub allows_multiple_allocations: bool,
    /// Whether it declares compatibility groups, which the release does not know by default: its slice is ignored.
    pub has_compatibility_groups: bool,
}

/// `DeviceAttribute`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Attribute {
    /// A whole number.
    Number(i64),
    /// True or false.
    Truth(bool),
    /// Text.
    Text(String),
    /// A semantic version.
    Version(String),
}

/// `DeviceCapacity`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeviceCapacity {
    /// How much there is.
    pub milli: i128,
    /// How requests for a share of it are rounded.
    pub policy: Option<RequestPolicy>,
}

/// `CapacityRequestPolicy`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RequestPolicy {
    /// What a claim takes that requests nothing; none: all there is.
    pub default_milli: Option<i128>,
    /// The amounts that can be taken, ascending; empty: any.
    pub values_milli: Vec<i128>,
    /// The range of amounts that can be taken.
    pub range: Option<RequestRange>,
}

/// `CapacityRequestPolicyRange`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RequestRange {
    /// The least; smaller requests are raised to it.
    pub min_milli: i128,
    /// The most.
    pub max_milli: Option<i128>,
    /// Amounts are the least and multiples of this beyond; positive.
    pub step_milli: Option<i128>,
}

/// `DeviceTaint`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeviceTaint {
    /// Its key.
    pub key: String,
    /// Its value.
    pub value: String,
    /// Its effect: `NoSchedule` and `NoExecute` keep claims away, others do not.
    pub effect: String,
}

impl DeviceTaint {
    /// Whether it keeps claims away that do not tolerate it.
    pub fn keeps_away(&self) -> bool {
        matches!(self.effect.as_str(), "NoSchedule" | "NoExecute")
    }
}

/// `DeviceToleration`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DeviceToleration {
    /// Key of the taint; empty: every key.
    pub key: String,
    /// The value that the taint must have; none: any (operator `Exists`).
    pub value: Option<String>,
    /// Effect of the taint; empty: every effect.
    pub effect: String,
}

impl DeviceToleration {
    /// Whether it tolerates a taint.
    pub fn tolerates(&self, taint: &DeviceTaint) -> bool {
        (self.effect.is_empty() || self.effect == taint.effect)
            && (self.key.is_empty() || self.key == taint.key)
            && self.value.as_ref().is_none_or(|value| *value == taint.value)
    }
}

/// `ResourceClaim`.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ResourceClaim {
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
    /// Whether it is being deleted.
    pub is_deleting: bool,
    /// What is claimed.
    pub spec: ClaimSpec,
    /// What was allocated before the run.
    pub allocation: Option<Allocation>,
    /// Names of the pods that use it before the run (`status.reservedFor`).
    pub reserved_for: Vec<String>,
}

/// `ResourceClaimTemplate`: each pod that names it has a claim of its own.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ResourceClaimTemplate {
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
    /// What is claimed.
    pub spec: ClaimSpec,
}

/// `DeviceClaim`.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ClaimSpec {
    /// Requests in order.
    pub requests: Vec<DeviceRequest>,
    /// Constraints that hold across devices.
    pub constraints: Vec<DeviceConstraint>,
}

/// `DeviceRequest`.
#[derive(Clone, Debug, PartialEq)]
pub struct DeviceRequest {
    /// Its name.
    pub name: String,
    /// What is requested, first choice first; one where it is requested exactly.
    pub alternatives: Vec<DeviceQuery>,
    /// Whether there are alternatives (`firstAvailable`), so that the chosen one is named.
    pub is_prioritised: bool,
}

/// `ExactDeviceRequest` and `DeviceSubRequest`.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct DeviceQuery {
    /// Name of the alternative; empty where there is one only.
    pub name: String,
    /// Name of the class.
    pub class: String,
    /// Selectors beside those of the class.
    pub selectors: Vec<DeviceSelector>,
    /// How many devices; none: all that match.
    pub count: Option<u64>,
    /// Whether the devices are only looked at, so that others may have them.
    pub has_admin_access: bool,
    /// Taints that are tolerated.
    pub tolerations: Vec<DeviceToleration>,
    /// Capacities that each device must have left, in thousandths.
    pub capacity: Counters,
}

/// `DeviceConstraint`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeviceConstraint {
    /// Names of requests, or of requests and alternatives such as `gpu/big`; empty: all.
    pub requests: Vec<String>,
    /// The attribute, with its domain.
    pub attribute: String,
    /// Whether the values must all differ; otherwise they must all be equal.
    pub is_distinct: bool,
}

/// `AllocationResult`.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Allocation {
    /// The devices in order of requests.
    pub devices: Vec<AllocatedDevice>,
    /// Terms of which a node must meet one; none: any node.
    pub node_selector: Option<Vec<NodeSelectorTerm>>,
}

/// `DeviceRequestAllocationResult`.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct AllocatedDevice {
    /// Name of the request, or of the request and the alternative such as `gpu/big`.
    pub request: String,
    /// The driver.
    pub driver: String,
    /// The pool.
    pub pool: String,
    /// The device.
    pub device: String,
    /// Which device that is; none: one that nobody offers.
    pub id: Option<DeviceId>,
    /// Whether the device is only looked at.
    pub has_admin_access: bool,
    /// Whether others may share the device.
    pub is_share: bool,
    /// What a share takes, by capacity.
    pub consumed: Counters,
}

impl ResourceSlice {
    /// The identity of the device at a position.
    pub fn id(&self, device: usize) -> DeviceId {
        self.numbers.ids[device]
    }

    /// Whether some of its devices declare compatibility groups.
    pub fn has_compatibility_groups(&self) -> bool {
        self.devices.iter().any(|device| device.has_compatibility_groups)
    }
}

impl Devices {
    /// Puts lists together in any order.
    pub fn new(
        mut classes: Vec<DeviceClass>,
        mut slices: Vec<ResourceSlice>,
        mut claims: Vec<ResourceClaim>,
        mut templates: Vec<ResourceClaimTemplate>,
    ) -> Devices {
        classes.sort_by(|a, b| a.name.cmp(&b.name));
        slices.sort_by(|a, b| a.name.cmp(&b.name));
        claims.sort_by(|a, b| (&a.namespace, &a.name).cmp(&(&b.namespace, &b.name)));
        templates.sort_by(|a, b| (&a.namespace, &a.name).cmp(&(&b.namespace, &b.name)));
        let mut devices = Devices { classes, slices, claims, templates, ..Devices::default() };
        devices.number_devices();
        devices.number_selectors();
        devices.resolve_allocations();
        devices
    }

    /// Puts everything in order again after lists were changed.
    pub fn arrange(&mut self) {
        let Devices { classes, slices, claims, templates, .. } = std::mem::take(self);
        *self = Devices::new(classes, slices, claims, templates);
    }

    /// Whether there is nothing about devices in the run.
    pub fn is_empty(&self) -> bool {
        self.classes.is_empty() && self.slices.is_empty() && self.claims.is_empty() && self.templates.is_empty()
    }

    /// How many devices there are by [`DeviceId`].
    pub fn len(&self) -> usize {
        self.ids.len()
    }

    fn number_devices(&mut self) {
        for slice in &self.slices {
            for device in &slice.devices {
                let key = (slice.driver.clone(), slice.pool.clone(), device.name.clone());
                self.ids.insert(key, DeviceId(0));
            }
        }
        for (number, id) in self.ids.values_mut().enumerate() {
            id.0 = number as u32;
        }
        for (position, slice) in self.slices.iter_mut().enumerate() {
            let position = position as u32;
            let key = |device: &Device| (slice.driver.clone(), slice.pool.clone(), device.name.clone());
            slice.numbers.ids = slice.devices.iter().map(|device| self.ids[&key(device)]).collect();
            slice.numbers.first = self.offered;
            self.offered += slice.devices.len();
            self.by_pool.entry((slice.driver.clone(), slice.pool.clone())).or_default().push(position);
            match &slice.reach {
                Reach::Node(node) => self.by_node.entry(node.clone()).or_default().push(position),
                _ => self.shared.push(position),
            }
        }
    }

    /// Gives equal expressions equal numbers.
    fn number_selectors(&mut self) {
        let mut numbers: BTreeMap<String, u32> = BTreeMap::new();
        let of_classes = self.classes.iter_mut().flat_map(|class| &mut class.selectors);
        let specs = self.claims.iter_mut().map(|claim| &mut claim.spec);
        let specs = specs.chain(self.templates.iter_mut().map(|template| &mut template.spec));
        let of_claims = specs
            .flat_map(|spec| &mut spec.requests)
            .flat_map(|request| &mut request.alternatives)
            .flat_map(|query| &mut query.selectors);
        for selector in of_classes.chain(of_claims) {
            let next = numbers.len() as u32;
            selector.number = *numbers.entry(selector.expression().to_owned()).or_insert(next);
        }
        self.verdicts.resize_with(numbers.len() * self.offered, AtomicU8::default);
    }

    fn resolve_allocations(&mut self) {
        for device in
            self.claims.iter_mut().filter_map(|claim| claim.allocation.as_mut()).flat_map(|it| &mut it.devices)
        {
            let key = (device.driver.clone(), device.pool.clone(), device.device.clone());
            device.id = self.ids.get(&key).copied();
        }
    }

    /// The class of that name.
    pub fn class(&self, name: &str) -> Option<&DeviceClass> {
        let at = self.classes.binary_search_by(|class| class.name.as_str().cmp(name)).ok()?;
        Some(&self.classes[at])
    }

    /// The position of a claim.
    pub fn claim(&self, namespace: &str, name: &str) -> Option<usize> {
        let key = |claim: &ResourceClaim| (claim.namespace.as_str(), claim.name.as_str()).cmp(&(namespace, name));
        self.claims.binary_search_by(key).ok()
    }

    /// A template of claims.
    pub fn template(&self, namespace: &str, name: &str) -> Option<&ResourceClaimTemplate> {
        let key = |it: &ResourceClaimTemplate| (it.namespace.as_str(), it.name.as_str()).cmp(&(namespace, name));
        Some(&self.templates[self.templates.binary_search_by(key).ok()?])
    }

    /// The slices that a node may reach: those for it alone, then those that others reach, too.
    pub fn slices_for(&self, node: &str) -> impl Iterator<Item = &ResourceSlice> {
        let own = self.by_node.get(node).map_or(&[][..], Vec::as_slice);
        own.iter().chain(&self.shared).map(|&position| &self.slices[position as usize])
    }

    /// The slices of a pool, of all generations, in order of name.
    pub fn slices_of_pool(&self, driver: &str, pool: &str) -> impl Iterator<Item = &ResourceSlice> {
        let positions = self.by_pool.get(&(driver.to_owned(), pool.to_owned()));
        positions.map_or(&[][..], Vec::as_slice).iter().map(|&position| &self.slices[position as usize])
    }

    /// Whether a device is selected; the answer is kept.
    ///
    /// # Errors
    /// What went wrong in the evaluation.
    pub fn matches(&self, selector: &DeviceSelector, slice: &ResourceSlice, device: usize) -> Result<bool, String> {
        const KNOWN: u8 = 1;
        let kept = &self.verdicts[selector.number as usize * self.offered + slice.numbers.first + device];
        match kept.load(Ordering::Relaxed) {
            0 => {
                let verdict = selector.matches(&slice.driver, &slice.devices[device])?;
                kept.store(KNOWN + u8::from(verdict), Ordering::Relaxed);
                Ok(verdict)
            }
            known => Ok(known > KNOWN),
        }
    }
}

impl Clone for Devices {
    fn clone(&self) -> Devices {
        Devices::new(self.classes.clone(), self.slices.clone(), self.claims.clone(), self.templates.clone())
    }
}

impl PartialEq for Devices {
    fn eq(&self, other: &Devices) -> bool {
        self.classes == other.classes
            && self.slices == other.slices
            && self.claims == other.claims
            && self.templates == other.templates
    }
}
