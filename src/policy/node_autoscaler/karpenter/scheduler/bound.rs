//! What places for some pods cost at least, whatever goes where: most searches for something cheaper end here.
//!
//! What is counted is room for pods of one kind. A larger pod takes the room of as many of them as it is times as large, so
//! that pods of a kind and all that are larger are counted together against it. Consolidation relies on no node that is not
//! initialised and leaves alone those that are under `consolidateAfter`, so that these have no room.
//!
//! Cost: for the pods of one node, as long as it does not change, a comparison with the room for the kind that last refuted
//! it; else the pairs of kinds among the pods.

use std::collections::BTreeMap;

use super::super::instance_type::InstanceType;
use super::super::requirement::Requirement;
use super::super::requirements::{CAPACITY_TYPE_LABEL, SPOT};
use super::Scheduler;
use super::amounts::{self, Kinds, Row};
use super::bits::{self, is_set};
use super::claims::Template;
use super::kept::Kept;
use crate::policy::node_autoscaler::karpenter::resources::ResourceKind;

/// The lowest price at which a type can be launched, and the lowest that is not spot.
#[derive(Clone, Copy, Debug)]
pub(super) struct Floor {
    any: f64,
    but_spot: f64,
}

impl Floor {
    /// Of the kinds of capacity that a pool allows.
    pub(super) fn of(of_type: &InstanceType, kinds: &Requirement) -> Floor {
        let mut floor = Floor { any: f64::MAX, but_spot: f64::MAX };
        for offering in of_type.offerings.iter().filter(|offering| offering.is_launchable()) {
            let kind = offering.requirements.get_or_any(CAPACITY_TYPE_LABEL);
            if kinds.has_intersection(&kind) {
                floor.any = floor.any.min(offering.usd_per_hour);
                if kind.single() != Some(SPOT) {
                    floor.but_spot = floor.but_spot.min(offering.usd_per_hour);
                }
            }
        }
        floor
    }
}

impl Floor {
    /// Whether a launch may cost less than so much; `but_spot`: spot is not bought.
    pub(super) fn is_below(&self, (usd_per_hour, but_spot): (f64, bool)) -> bool {
        (if but_spot { self.but_spot } else { self.any }) < usd_per_hour
    }
}

/// Room for pods of one kind.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Slots {
    /// How many find room.
    pub(super) pods: i64,
    /// How many would if a node could have any number of pods.
    pub(super) units: i64,
}

impl Slots {
    /// How often requests, which are not negative, go into what there is.
    pub(super) fn within(room: &[i64], requests: &[i64], kinds: &Kinds) -> Slots {
        let of_pods = kinds.column(ResourceKind::Pods);
        let (mut pods, mut units) = (i64::MAX, i64::MAX);
        for (at, (left, amount)) in room.iter().zip(requests).enumerate().filter(|(_, (_, amount))| **amount > 0) {
            let times = left.max(&0) / amount;
            pods = pods.min(times);
            if of_pods != Some(at) {
                units = units.min(times);
            }
        }
        Slots { pods, units: if units == i64::MAX { pods } else { units } }
    }

    fn add(&mut self, more: Slots) {
        self.pods = self.pods.saturating_add(more.pods);
        self.units = self.units.saturating_add(more.units);
    }
}

/// Room for pods of one kind on the nodes that were looked at so far.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Counted {
    slots: Slots,
    /// The first place that was not looked at.
    next: usize,
}

/// How many pods of a kind a machine holds at most, by kind and by what it has to cost less than.
type Most = BTreeMap<(usize, u64, bool), Slots>;

/// What has refuted single nodes.
#[derive(Debug, Default)]
pub(super) struct Refuted {
    /// By node.
    witnesses: Vec<Option<Witness>>,
    most: Most,
}

impl Refuted {
    /// Forgets about nodes that have changed.
    pub(super) fn forget(&mut self, nodes: &[usize]) {
        for node in nodes {
            if let Some(witness) = self.witnesses.get_mut(*node) {
                *witness = None;
            }
        }
    }

    fn remember(&mut self, node: usize, witness: Witness) {
        if self.witnesses.len() <= node {
            self.witnesses.resize(node + 1, None);
        }
        self.witnesses[node] = Some(witness);
    }
}

/// That the pods of a node cost too much as long as the others have no more room for pods of some kind than this.
#[derive(Clone, Copy, Debug)]
struct Witness {
    bar: (f64, bool),
    needs: usize,
    most: Slots,
}

/// How many pods of each kind there are, in the order of the numbers of their needs.
type Pods = Vec<(usize, i64)>;

impl Scheduler<'_> {
    /// Whether the pods of some kinds that move, once their nodes are gone, surely find no places that consolidation would
    /// rely on, or need several nodes to buy or one of which a launch would cost so much or more: more of them than fit on
    /// all other nodes as they are must go to one that is bought. `but_spot`: spot is not bought.
    ///
    /// Says no where it does not know; its yes never errs.
    pub fn surely_costs(
        &mut self,
        classes: impl IntoIterator<Item = usize>,
        without: &[usize],
        bar: (f64, bool),
    ) -> bool {
        let pods = self.pods_by_needs(classes);
        !self.known.variants.tolerates_preferred()
            && (self.refuting(&pods, without, bar).is_some() || self.homeless_cost(&pods, without, bar))
    }

    /// The same for all pods that move of one node. What refuted it is remembered: the pods of a node must be the same as long
    /// as the node has not changed.
    pub fn surely_costs_without(
        &mut self,
        node: usize,
        classes: impl IntoIterator<Item = usize>,
        bar: (f64, bool),
    ) -> bool {
        if self.known.variants.tolerates_preferred() {
            return false;
        }
        if let Some(witness) = self.known.refuted.witnesses.get(node).copied().flatten().filter(|one| one.bar == bar) {
            let Slots { pods, units } = witness.most;
            let room = self.room_but(witness.needs, &[node], Slots { pods: pods + 1, units: units + 1 });
            if room.pods <= witness.most.pods || room.units <= witness.most.units {
                return true;
            }
        }
        let pods = self.pods_by_needs(classes);
        if let Some((needs, most)) = self.refuting(&pods, &[node], bar) {
            self.known.refuted.remember(node, Witness { bar, needs, most });
            return true;
        }
        self.homeless_cost(&pods, &[node], bar)
    }

    /// Whether something is remembered that once refuted a node.
    #[cfg(test)]
    pub(in super::super) fn is_remembered(&self, node: usize) -> bool {
        self.known.refuted.witnesses.get(node).is_some_and(Option::is_some)
    }

    fn pods_by_needs(&mut self, classes: impl IntoIterator<Item = usize>) -> Pods {
        let Scheduler { environment, known, .. } = self;
        let mut pods = Pods::new();
        for class in classes {
            let variant = known.variants.of_class(environment, class, &mut known.memo);
            let needs = known.variants.get(variant).needs;
            match pods.iter_mut().find(|(other, _)| *other == needs) {
                Some((_, count)) => *count += 1,
                None => pods.push((needs, 1)),
            }
        }
        pods.sort_unstable();
        pods
    }

    /// A kind of which there are too many, those that are larger counted in, and the most room for it with which that is so:
    /// for as many pods, or for as many units; below 0: whatever room there is, it is not too little.
    fn refuting(&mut self, pods: &[(usize, i64)], without: &[usize], bar: (f64, bool)) -> Option<(usize, Slots)> {
        for &(needs, _) in pods {
            let mut wanted = Slots::default();
            for &(other, count) in pods {
                let times = self.known.variants.times(other, needs);
                wanted.add(Slots { pods: count * times.min(1), units: count.saturating_mul(times) });
            }
            let room = self.room_but(needs, without, wanted);
            if room.pods >= wanted.pods && room.units >= wanted.units {
                continue;
            }
            let bought = self.most_bought(needs, bar, without.len() == 1);
            let most = Slots { pods: wanted.pods - 1 - bought.pods, units: wanted.units - 1 - bought.units };
            if room.pods <= most.pods || room.units <= most.units {
                return Some((needs, most));
            }
        }
        None
    }

    /// Whether the pods of each kind that find no room, were they alone, cost too much together.
    fn homeless_cost(&mut self, pods: &[(usize, i64)], without: &[usize], bar: (f64, bool)) -> bool {
        let mut homeless = vec![0; self.known.variants.kinds().len()];
        for (needs, count) in pods {
            let room = self.room_but(*needs, without, Slots { pods: *count, units: 0 }).pods;
            if room < *count {
                let requests = &self.known.variants.needs_at(*needs).requests;
                let more: Row = requests.iter().map(|amount| amount.saturating_mul(count - room)).collect();
                amounts::add(&mut homeless, &more);
            }
        }
        homeless.iter().any(|amount| *amount > 0) && !self.known.is_sold_below(&homeless, bar)
    }

    /// How many pods with such needs fit on all nodes but these together, if only they came; as many as are wanted or more
    /// where there are.
    fn room_but(&mut self, needs: usize, without: &[usize], wanted: Slots) -> Slots {
        let Scheduler { known, recent, .. } = self;
        let mut gone = Slots::default();
        for node in without {
            let place = known.existing.place[*node];
            if place.is_some_and(|place| place < known.existing.initialized && !is_set(recent, place)) {
                let Kept { existing, variants, memo, .. } = &mut *known;
                gone.add(existing.slots(*node, (variants.needs_at(needs), variants.kinds()), memo));
            }
        }
        let mut enough = gone;
        enough.add(Slots { pods: wanted.pods.max(0), units: wanted.units.max(0) });
        let all = known.count(needs, enough, recent);
        Slots { pods: all.pods - gone.pods, units: all.units - gone.units }
    }

    /// How many pods with such needs a machine that costs less than so much holds at most.
    fn most_bought(&mut self, needs: usize, bar: (f64, bool), is_remembered: bool) -> Slots {
        let Kept { refuted, templates, variants, .. } = &mut self.known;
        let key = (needs, bar.0.to_bits(), bar.1);
        if let Some(most) = refuted.most.get(&key) {
            return *most;
        }
        let mut most = Slots::default();
        let (requests, kinds) = (&variants.needs_at(needs).requests, variants.kinds());
        for room in templates.iter().flat_map(|template| template.rooms(|floor| floor.is_below(bar))) {
            let of_type = Slots::within(room, requests, kinds);
            most = Slots { pods: most.pods.max(of_type.pods), units: most.units.max(of_type.units) };
        }
        if is_remembered {
            refuted.most.insert(key, most);
        }
        most
    }
}

impl Kept {
    fn is_sold_below(&self, requests: &Row, bar: (f64, bool)) -> bool {
        self.templates.iter().any(|template: &Template| template.holds(requests, |floor| floor.is_below(bar)))
    }

    /// Counts room for pods with such needs until there is enough of it.
    fn count(&mut self, needs: usize, enough: Slots, recent: &[u64]) -> Slots {
        let Kept { existing, variants, memo, .. } = self;
        let mut counted = variants.needs_at(needs).counted;
        while counted.slots.pods < enough.pods || counted.slots.units < enough.units {
            let unfit = &variants.needs_at(needs).unfit[..];
            let Some(place) = bits::next_clear_of(&[unfit, recent], counted.next, existing.initialized) else {
                counted.next = existing.initialized;
                break;
            };
            counted.next = place + 1;
            match existing.slots(existing.order[place], (variants.needs_at(needs), variants.kinds()), memo) {
                Slots { pods: 0, .. } => bits::set(&mut variants.needs_at_mut(needs).unfit, place),
                more => counted.slots.add(more),
            }
        }
        variants.needs_at_mut(needs).counted = counted;
        counted.slots
    }
}
