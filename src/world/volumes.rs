//! Which claims have volumes now, where that differs from the model: a claim that waits for its first consumer is bound when
//! the first pod that names it is placed, and stays bound when the pod ends.
//!
//! The model's objects are what was true before the run; here are those that have changed since, and the volumes that were
//! made. Nothing is ever taken back: upstream's scheduler undoes an assumed binding only until it is written, and here it is
//! written at once.
//!
//! Cost: O(log volumes) a look; nothing while no claim has been bound.

use std::collections::{BTreeMap, BTreeSet};

use crate::model::Model;
use crate::model::objects::{PersistentVolume, PersistentVolumeClaim, StorageCapacity};

/// A claim gets its volume.
#[derive(Clone, Debug, PartialEq)]
pub struct VolumeBinding {
    /// The claim's position in the model's list.
    pub claim: u32,
    /// The node for which that happens.
    pub node: String,
    /// The volume.
    pub volume: BoundVolume,
}

/// Where a claim's volume comes from.
#[derive(Clone, Debug, PartialEq)]
pub enum BoundVolume {
    /// It was there: its name.
    Found(String),
    /// It is made.
    Made {
        /// The volume.
        volume: Box<PersistentVolume>,
        /// The position of the storage capacity that it is taken from, where a driver keeps account.
        capacity: Option<u32>,
    },
}

/// The claims and volumes that have changed.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Volumes {
    /// By position in the model's list.
    claims: BTreeMap<u32, PersistentVolumeClaim>,
    /// By name.
    volumes: BTreeMap<String, PersistentVolume>,
    /// Volumes that were made from a capacity, and its position.
    made_from: BTreeMap<String, u32>,
    /// Bytes taken from each capacity, by its position.
    taken_bytes: BTreeMap<u32, u64>,
}

impl Volumes {
    /// The claim at a position of the model's list, if it has changed.
    pub fn claim(&self, position: u32) -> Option<&PersistentVolumeClaim> {
        self.claims.get(&position)
    }

    /// How many claims have been bound.
    pub fn bound(&self) -> usize {
        self.claims.len()
    }

    /// The volume of that name, if it has changed or was made.
    pub fn volume(&self, name: &str) -> Option<&PersistentVolume> {
        self.volumes.get(name)
    }

    /// What is left of a capacity at a position of the model's list: the sum and the largest volume, in bytes, as far as the
    /// driver says.
    pub fn left(&self, position: u32, capacity: &StorageCapacity) -> (Option<u64>, Option<u64>) {
        let taken = self.taken_bytes.get(&position).copied().unwrap_or(0);
        let sum = capacity.capacity_bytes.map(|bytes| bytes.saturating_sub(taken));
        let largest = capacity.maximum_volume_bytes.map(|largest| sum.map_or(largest, |sum| largest.min(sum)));
        (sum, largest)
    }

    /// Binds a claim, unless it is bound already; says whether it did.
    ///
    /// # Panics
    /// When the model has no such claim or volume, or the volume has changed already.
    pub fn bind(&mut self, model: &Model, binding: VolumeBinding) -> bool {
        let VolumeBinding { claim: position, node, volume } = binding;
        if self.claims.contains_key(&position) {
            return false;
        }
        let mut claim = model.objects.persistent_volume_claims[position as usize].clone();
        let mut volume = match volume {
            BoundVolume::Found(name) => {
                let found = model.objects.persistent_volumes.iter().find(|volume| volume.name == name);
                found.expect("the model has the volume").clone()
            }
            BoundVolume::Made { volume, capacity } => {
                claim.selected_node = Some(node);
                if let Some(capacity) = capacity {
                    *self.taken_bytes.entry(capacity).or_insert(0) += volume.capacity_bytes;
                    self.made_from.insert(volume.name.clone(), capacity);
                }
                *volume
            }
        };
        claim.volume.clone_from(&volume.name);
        claim.is_bind_completed = true;
        volume.claim = Some((claim.namespace.clone(), claim.name.clone()));
        volume.is_claim_bound = true;
        volume.is_available = false;
        self.claims.insert(position, claim);
        assert!(self.volumes.insert(volume.name.clone(), volume).is_none(), "a volume is bound twice");
        true
    }

    /// Recomputes that claims and volumes have each other and nobody else, that each volume suffices for its claim, and what
    /// is taken from capacities (invariant I2).
    ///
    /// # Errors
    /// What is off.
    pub fn check(&self, model: &Model) -> Result<(), String> {
        let mut used = BTreeSet::new();
        for claim in self.claims.values() {
            let name = format!("{}/{}", claim.namespace, claim.name);
            let fail = |what: &str| Err(format!("I2: the volume of claim {name} {what}"));
            let Some(volume) = self.volumes.get(&claim.volume) else { return fail("is not there") };
            if volume.claim.as_ref() != Some(&(claim.namespace.clone(), claim.name.clone())) {
                return fail("belongs to another");
            }
            if volume.capacity_bytes < claim.request_bytes {
                return fail("is too small");
            }
            let before = model.objects.persistent_volumes.iter().find(|other| other.name == volume.name);
            if before.is_some_and(|before| before.claim.is_some() && before.claim != volume.claim) {
                return fail("was reserved for another");
            }
            if !used.insert(&claim.volume) {
                return fail("has two claims");
            }
        }
        if used.len() != self.volumes.len() {
            return Err("I2: a volume was bound without its claim".to_owned());
        }
        let mut taken_bytes = BTreeMap::new();
        for (name, capacity) in &self.made_from {
            *taken_bytes.entry(*capacity).or_insert(0) += self.volumes.get(name).map_or(0, |made| made.capacity_bytes);
        }
        if taken_bytes == self.taken_bytes { Ok(()) } else { Err("I2: what is taken of storage is off".to_owned()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::objects::AccessMode;
    use crate::testkit::cluster;

    /// Claims `a` and `b` of 3 bytes, and the volume `v` of 5.
    fn model() -> Model {
        let mut model = cluster().node("n").pod("p").model();
        let claim = |name: &str| PersistentVolumeClaim {
            namespace: "default".to_owned(),
            name: name.to_owned(),
            selector: None,
            request_bytes: 3,
            access_modes: vec![AccessMode::ReadWriteOnce],
            storage_class: None,
            is_block: false,
            volume: String::new(),
            is_bind_completed: false,
            selected_node: None,
            owner_pod: None,
            is_lost: false,
            is_deleting: false,
        };
        model.objects.persistent_volume_claims = vec![claim("a"), claim("b")];
        model.objects.persistent_volumes = vec![volume("v", 5)];
        model
    }

    fn volume(name: &str, capacity_bytes: u64) -> PersistentVolume {
        PersistentVolume {
            name: name.to_owned(),
            labels: vec![],
            capacity_bytes,
            access_modes: vec![],
            storage_class: String::new(),
            is_block: false,
            node_affinity: None,
            claim: None,
            is_claim_bound: false,
            csi: None,
            is_available: true,
            is_deleting: false,
        }
    }

    fn made(claim: u32, name: &str, capacity_bytes: u64) -> VolumeBinding {
        let volume = BoundVolume::Made { volume: Box::new(volume(name, capacity_bytes)), capacity: Some(0) };
        VolumeBinding { claim, node: "n".to_owned(), volume }
    }

    fn found(claim: u32) -> VolumeBinding {
        VolumeBinding { claim, node: "n".to_owned(), volume: BoundVolume::Found("v".to_owned()) }
    }

    #[test]
    fn a_claim_is_bound_once() {
        let model = model();
        let mut volumes = Volumes::default();
        assert_eq!([volumes.bind(&model, found(0)), volumes.bind(&model, made(0, "w", 3))], [true, false]);
        assert!(volumes.bind(&model, made(1, "w", 3)));
        let claim = |at| volumes.claim(at).expect("it is bound");
        assert_eq!((claim(0).volume.as_str(), claim(0).is_bind_completed, &claim(0).selected_node), ("v", true, &None));
        assert_eq!((claim(1).volume.as_str(), claim(1).selected_node.as_deref()), ("w", Some("n")));
        let owner = |name| volumes.volume(name).and_then(|volume| volume.claim.clone()).map(|(_, name)| name);
        assert_eq!([owner("v").as_deref(), owner("w").as_deref(), owner("x").as_deref()], [Some("a"), Some("b"), None]);
        assert_eq!(volumes.check(&model), Ok(()));
    }

    #[test]
    fn what_is_made_is_taken_from_its_capacity() {
        let model = model();
        let mut volumes = Volumes::default();
        volumes.bind(&model, made(0, "w", 3));
        for (capacity_bytes, maximum_volume_bytes, expected) in [
            (Some(10), None, (Some(7), None)),
            (Some(10), Some(8), (Some(7), Some(7))),
            (Some(10), Some(4), (Some(7), Some(4))),
            (Some(2), None, (Some(0), None)),
            (None, Some(4), (None, Some(4))),
        ] {
            let storage_class = String::new();
            let name = "s".to_owned();
            let capacity =
                StorageCapacity { name, storage_class, node_topology: None, capacity_bytes, maximum_volume_bytes };
            assert_eq!(volumes.left(0, &capacity), expected, "{capacity:?}");
            assert_eq!(volumes.left(1, &capacity), (capacity_bytes, maximum_volume_bytes));
        }
    }

    #[test]
    fn broken_volumes_are_seen() {
        let model = model();
        let mut good = Volumes::default();
        good.bind(&model, found(0));
        good.bind(&model, made(1, "w", 3));
        assert_eq!(good.check(&model), Ok(()));
        let broken = |breaks: &dyn Fn(&mut Volumes)| {
            let mut volumes = good.clone();
            breaks(&mut volumes);
            volumes.check(&model)
        };
        let wrong = |message: &str| Err(format!("I2: {message}"));
        let of_a = |what: &str| wrong(&format!("the volume of claim default/a {what}"));
        assert_eq!(broken(&|volumes| drop(volumes.volumes.remove("v"))), of_a("is not there"));
        let owner = |name: &str| Some(("default".to_owned(), name.to_owned()));
        let change = |volumes: &mut Volumes, change: &dyn Fn(&mut PersistentVolume)| {
            volumes.volumes.get_mut("v").into_iter().for_each(change);
        };
        assert_eq!(broken(&|volumes| change(volumes, &|it| it.claim = owner("b"))), of_a("belongs to another"));
        assert_eq!(broken(&|volumes| change(volumes, &|it| it.capacity_bytes = 2)), of_a("is too small"));
        let unclaimed = broken(&|volumes| drop(volumes.claims.remove(&1)));
        assert_eq!(unclaimed, wrong("a volume was bound without its claim"));
        assert_eq!(broken(&|volumes| volumes.taken_bytes.clear()), wrong("what is taken of storage is off"));
    }
}
