//! Which claims have devices, which pods use the claims, and what is taken of each device.
//!
//! A claim keeps its devices while a pod uses it or something outside the run has it reserved; then they are free again, as
//! the claim controller of Kubernetes has it. A claim that came allocated and is used by nobody keeps them until its first
//! user ends.
//!
//! Cost: the rows of the claims that the pod uses, and of their devices.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::ids::PodId;
use crate::model::devices::{Allocation, Counters, DeviceId};
use crate::model::{ArrivalSource, Model};

/// A claim.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum ClaimKey {
    /// The claim at that position of the model's list.
    Named(u32),
    /// The claim of a pod alone, by its position in the pod's list.
    OfPod(PodId, u32),
}

/// The claims that have devices.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Claims {
    held: BTreeMap<ClaimKey, Held>,
    /// The claims that a pod uses.
    of_pods: BTreeMap<PodId, Vec<ClaimKey>>,
    /// How many claims have a device to themselves, by device.
    dedicated: Vec<u32>,
    shares: BTreeMap<DeviceId, Shares>,
}

#[derive(Clone, Debug, PartialEq)]
struct Held {
    allocation: Arc<Allocation>,
    users: BTreeSet<PodId>,
    /// Whether something outside the run has it reserved.
    is_held_outside: bool,
}

/// What is taken of a device that claims share.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Shares {
    /// How many shares there are.
    pub count: u32,
    /// What they take, by capacity, in thousandths.
    pub consumed: Counters,
}

impl Claims {
    /// What was allocated before the run.
    pub fn new(model: &Model) -> Claims {
        let devices = &model.objects.devices;
        let mut claims = Claims { dedicated: vec![0; devices.len()], ..Claims::default() };
        for (position, claim) in devices.claims.iter().enumerate() {
            if let Some(allocation) = &claim.allocation {
                let users_of_run = users(model, &claim.namespace, &claim.name);
                let is_held_outside = claim.reserved_for.iter().any(|name| !users_of_run.contains(name));
                claims.count(allocation, true);
                let allocation = Arc::new(allocation.clone());
                let held = Held { allocation, users: BTreeSet::new(), is_held_outside };
                claims.held.insert(ClaimKey::Named(position as u32), held);
            }
        }
        claims
    }

    /// What a claim has.
    pub fn allocation(&self, claim: ClaimKey) -> Option<&Arc<Allocation>> {
        self.held.get(&claim).map(|held| &held.allocation)
    }

    /// Whether some claim has the device to itself.
    pub fn is_taken(&self, device: DeviceId) -> bool {
        self.dedicated[device.index()] > 0
    }

    /// What is taken of a device that claims share; none: nobody shares it.
    pub fn shares(&self, device: DeviceId) -> Option<&Shares> {
        self.shares.get(&device)
    }

    /// A pod uses claims from now on; those that have no devices get these. Gives the claims that got some.
    ///
    /// # Panics
    /// When a pod takes claims twice, or a claim without devices comes without an allocation.
    pub fn take(&mut self, pod: PodId, claims: Vec<(ClaimKey, Option<Allocation>)>) -> Vec<ClaimKey> {
        let mut allocated = Vec::new();
        if claims.is_empty() {
            return allocated;
        }
        let keys: Vec<ClaimKey> = claims.iter().map(|(claim, _)| *claim).collect();
        for (claim, allocation) in claims {
            if let (false, Some(allocation)) = (self.held.contains_key(&claim), allocation) {
                self.count(&allocation, true);
                allocated.push(claim);
                let allocation = Arc::new(allocation);
                self.held.insert(claim, Held { allocation, users: BTreeSet::new(), is_held_outside: false });
            }
            let held = self.held.get_mut(&claim).expect("a claim without devices comes with an allocation");
            held.users.insert(pod);
        }
        assert!(self.of_pods.insert(pod, keys).is_none(), "a pod takes its claims twice");
        allocated
    }

    /// A pod uses its claims no longer. Says whether devices are free again.
    pub fn give_back(&mut self, pod: PodId) -> bool {
        let mut are_free = false;
        for claim in self.of_pods.remove(&pod).unwrap_or_default() {
            let Some(held) = self.held.get_mut(&claim) else { continue };
            held.users.remove(&pod);
            if held.users.is_empty() && !held.is_held_outside {
                let allocation = Arc::clone(&held.allocation);
                self.held.remove(&claim);
                self.count(&allocation, false);
                are_free = true;
            }
        }
        are_free
    }

    /// Counts the devices of an allocation in or out.
    fn count(&mut self, allocation: &Allocation, is_taken: bool) {
        for device in allocation.devices.iter().filter(|device| !device.has_admin_access) {
            let Some(id) = device.id else { continue };
            if !device.is_share {
                let count = &mut self.dedicated[id.index()];
                *count = if is_taken { *count + 1 } else { *count - 1 };
                continue;
            }
            let shares = self.shares.entry(id).or_default();
            shares.count = if is_taken { shares.count + 1 } else { shares.count - 1 };
            for (name, milli) in &device.consumed {
                *shares.consumed.entry(name.clone()).or_default() += if is_taken { *milli } else { -milli };
            }
            if shares.count == 0 {
                self.shares.remove(&id);
            }
        }
    }

    /// Recomputes what is taken of the devices (invariant I2), and that pods and claims agree.
    ///
    /// # Errors
    /// What is off.
    pub fn check(&self) -> Result<(), String> {
        let mut again = Claims { dedicated: vec![0; self.dedicated.len()], ..Claims::default() };
        for held in self.held.values() {
            again.count(&held.allocation, true);
        }
        if again.dedicated != self.dedicated || again.shares != self.shares {
            return Err("I2: what is taken of the devices is off".to_owned());
        }
        let is_user = |(pod, claims): (&PodId, &Vec<ClaimKey>)| {
            claims.iter().all(|claim| self.held.get(claim).is_some_and(|held| held.users.contains(pod)))
        };
        if self.of_pods.iter().all(is_user) { Ok(()) } else { Err("I2: a pod uses a claim without devices".to_owned()) }
    }
}

/// Names of the pods of the run that name a claim.
fn users(model: &Model, namespace: &str, claim: &str) -> BTreeSet<String> {
    let names_claim = |class: crate::ids::ClassId| {
        let spec = &model.workload.class(class).spec;
        spec.namespace == namespace && spec.resource_claims.iter().any(|it| it.claim.as_deref() == Some(claim))
    };
    let mut users = BTreeSet::new();
    for source in &model.workload.sources {
        let ArrivalSource::Listed(listed) = source else { continue };
        for (number, pod) in listed.pods.iter().enumerate() {
            if names_claim(pod.class) {
                let name = listed.names.get(number);
                users.insert(name.rsplit('/').next().unwrap_or(name).to_owned());
            }
        }
    }
    users
}
