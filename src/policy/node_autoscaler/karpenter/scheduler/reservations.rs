//! Which new nodes hold a place in which reservation.
//!
//! Source: `reservationmanager.go` and `offeringsToReserve` of `nodeclaim.go`.

use std::collections::{BTreeMap, BTreeSet};

use super::super::instance_type::{InstanceType, Offering};
use super::super::requirements::{RESERVED, Requirements, WellKnownLabels};
use super::{Environment, ReservedMode};

/// Places that are left by reservation, and who holds one.
#[derive(Clone, Debug, Default)]
pub(super) struct Reservations {
    left: BTreeMap<String, u32>,
    held: BTreeMap<usize, BTreeSet<String>>,
}

/// What a new node could reserve.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Reservable {
    /// Places in these reservations, possibly in none.
    These(BTreeSet<String>),
    /// The pod has to wait for a place.
    Wait,
    /// The reservation is full, and nothing else will do.
    Nothing,
}

impl Reservations {
    /// What the offerings say: of several that speak of one reservation the least.
    pub(super) fn new(environment: &Environment) -> Reservations {
        let mut left: BTreeMap<String, u32> = BTreeMap::new();
        let offerings = environment.pools.iter().flat_map(|(_, types)| types).flat_map(|it| &it.offerings);
        for offering in offerings.filter(|offering| offering.capacity_type() == RESERVED) {
            let id = offering.label(&environment.reservation_label);
            let capacity = left.entry(id.to_owned()).or_insert(offering.reservation_capacity);
            *capacity = (*capacity).min(offering.reservation_capacity);
        }
        Reservations { left, held: BTreeMap::new() }
    }

    /// Whether there are reservations at all.
    pub(super) fn is_empty(&self) -> bool {
        self.left.is_empty()
    }

    fn can_reserve(&self, node: usize, id: &str) -> bool {
        self.held.get(&node).is_some_and(|held| held.contains(id)) || self.left.get(id).is_some_and(|left| *left > 0)
    }

    /// Which places a node of one of these types would take.
    pub(super) fn reservable<'a>(
        &self,
        node: usize,
        types: impl Iterator<Item = &'a InstanceType>,
        requirements: &Requirements,
        (well_known, label): (&WellKnownLabels, &str),
        mode: ReservedMode,
    ) -> Reservable {
        let (mut has_room, mut is_full, mut has_other) = (false, false, false);
        let mut places = BTreeSet::new();
        let of_type = |it: &'a InstanceType| it.offerings.iter().filter(|offering| offering.is_available);
        let is_compatible = |of: &&Offering| requirements.is_compatible(&of.requirements, well_known);
        for offering in types.flat_map(of_type).filter(is_compatible) {
            if offering.capacity_type() != RESERVED {
                has_other = true;
            } else if offering.reservation_capacity == 0 {
                is_full = true;
            } else {
                has_room = true;
                let id = offering.label(label);
                if self.can_reserve(node, id) {
                    places.insert(id.to_owned());
                }
            }
        }
        let is_strict = mode == ReservedMode::Strict;
        if is_strict && has_room && places.is_empty() {
            return Reservable::Wait;
        }
        if is_full && !has_room && !has_other {
            return if is_strict { Reservable::Wait } else { Reservable::Nothing };
        }
        if is_strict && places.is_empty() && self.held.get(&node).is_some_and(|held| !held.is_empty()) {
            return Reservable::Wait;
        }
        Reservable::These(places)
    }

    /// A node holds these places now, and no others.
    pub(super) fn hold(&mut self, node: usize, places: BTreeSet<String>) {
        let held = self.held.entry(node).or_default();
        for id in places.difference(held) {
            *self.left.get_mut(id).expect("a reservation that is known") -= 1;
        }
        for id in held.difference(&places) {
            *self.left.get_mut(id).expect("a reservation that is known") += 1;
        }
        *held = places;
    }

    /// The reservations in which a node holds a place.
    pub(super) fn held(&self, node: usize) -> impl Iterator<Item = &str> {
        self.held.get(&node).into_iter().flatten().map(String::as_str)
    }
}
