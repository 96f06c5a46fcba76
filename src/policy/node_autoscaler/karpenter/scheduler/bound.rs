//! What places for some pods cost at least, whatever goes where: most searches for something cheaper end here.

use std::collections::BTreeMap;

use super::super::instance_type::InstanceType;
use super::super::requirement::Requirement;
use super::super::requirements::{CAPACITY_TYPE_LABEL, SPOT};
use super::Scheduler;
use super::amounts::{self, Row};
use super::bits;
use super::claims::Template;
use super::kept::Kept;

/// Places for so many pods are as good as any number.
const SLOTS_MAX: i64 = 512;

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

impl Scheduler<'_> {
    /// Whether pods of some kinds, once some nodes are gone, surely need a node to buy of which a launch would cost so much or
    /// more, or several nodes: more of them than fit on all other nodes as they are must go to one that is bought. `but_spot`:
    /// spot is not bought.
    ///
    /// Says no where it does not know; its yes never errs.
    pub fn surely_costs(
        &mut self,
        classes: impl IntoIterator<Item = usize>,
        without: &[usize],
        bar: (f64, bool),
    ) -> bool {
        let Scheduler { environment, known, .. } = self;
        if known.variants.tolerates_preferred() {
            return false;
        }
        let mut pods: BTreeMap<usize, i64> = BTreeMap::new();
        for class in classes {
            let variant = known.variants.of_class(environment, class, &mut known.memo);
            *pods.entry(known.variants.get(variant).needs).or_default() += 1;
        }
        let mut homeless = vec![0; known.variants.kinds().len()];
        for (needs, count) in &pods {
            let slots = known.slots(*needs, without);
            // The others that are as large need places as well.
            let larger = pods.iter().filter(|(other, _)| known.variants.is_larger(**other, *needs));
            let all = count + larger.map(|(_, count)| count).sum::<i64>();
            let requests = &known.variants.needs_at(*needs).requests;
            let times = |count: i64| -> Row { requests.iter().map(|amount| amount.saturating_mul(count)).collect() };
            if all > slots && !known.is_sold_below(&times(all - slots), bar) {
                return true;
            }
            amounts::add(&mut homeless, &times((count - slots).max(0)));
        }
        homeless.iter().any(|amount| *amount > 0) && !known.is_sold_below(&homeless, bar)
    }
}

impl Kept {
    fn is_sold_below(&self, requests: &Row, bar: (f64, bool)) -> bool {
        self.templates.iter().any(|template: &Template| template.holds(requests, |floor| floor.is_below(bar)))
    }

    /// How many pods with such needs fit on all nodes but these together, if only they came; [`SLOTS_MAX`] or more where there
    /// are that many.
    fn slots(&mut self, needs: usize, without: &[usize]) -> i64 {
        let all = match self.variants.needs_at(needs).slots {
            Some(slots) => slots,
            None => self.count_slots(needs),
        };
        if all >= SLOTS_MAX {
            return i64::MAX;
        }
        let Kept { existing, variants, memo, .. } = self;
        let one = variants.needs_at(needs);
        let gone = without.iter().filter(|node| existing.place[**node].is_some());
        all - gone.map(|node| existing.slots(*node, one, memo)).sum::<i64>()
    }

    fn count_slots(&mut self, needs: usize) -> i64 {
        let Kept { existing, variants, memo, .. } = self;
        let (mut slots, mut at) = (0, 0);
        while let Some(place) = bits::next_clear(&variants.needs_at(needs).unfit, at, existing.order.len()) {
            at = place + 1;
            match existing.slots(existing.order[place], variants.needs_at(needs), memo) {
                0 => bits::set(&mut variants.needs_at_mut(needs).unfit, place),
                more => slots += more,
            }
            if slots >= SLOTS_MAX {
                break;
            }
        }
        variants.needs_at_mut(needs).slots = Some(slots);
        slots
    }
}
