//! What places for some pods cost at least, whatever goes where: most searches for something cheaper end here.

use super::super::instance_type::InstanceType;
use super::super::requirement::Requirement;
use super::super::requirements::{CAPACITY_TYPE_LABEL, SPOT};
use super::amounts::{self, Row};
use super::bits;
use super::claims::Template;
use super::kept::Kept;
use super::{Environment, Scheduler};

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

impl Scheduler<'_> {
    /// Whether pods of some kinds, once some nodes are gone, surely need a node to buy of which a launch would cost so much or
    /// more, or several nodes: what fits on none of the other nodes as they are must go to one that is bought. `but_spot`: spot
    /// is not bought.
    ///
    /// Says no where it does not know; its yes never errs.
    pub fn surely_costs(
        &mut self,
        classes: impl IntoIterator<Item = usize>,
        without: &[usize],
        (usd_per_hour, but_spot): (f64, bool),
    ) -> bool {
        let Scheduler { environment, known, .. } = self;
        let is_cheaper = |floor: &Floor| (if but_spot { floor.but_spot } else { floor.any }) < usd_per_hour;
        let is_sold_for = |template: &Template, requests: &Row| template.holds(requests, is_cheaper);
        let homeless = known.homeless(environment, classes, without);
        homeless.is_some_and(|requests| !known.templates.iter().any(|template| is_sold_for(template, &requests)))
    }
}

impl Kept {
    /// What the pods request together that fit on no node; none: there are none, or tolerations change as preferences are
    /// given up.
    fn homeless(
        &mut self,
        environment: &Environment,
        classes: impl IntoIterator<Item = usize>,
        without: &[usize],
    ) -> Option<Row> {
        if self.variants.tolerates_preferred() {
            return None;
        }
        let mut sum: Option<Row> = None;
        for class in classes {
            let variant = self.variants.of_class(environment, class, &mut self.memo);
            if !self.fits_somewhere(variant, without) {
                let sum = sum.get_or_insert_with(|| vec![0; self.variants.kinds().len()]);
                amounts::add(sum, &self.variants.needs(variant).requests);
            }
        }
        sum
    }

    /// Whether some node but these is large enough for a pod, and has no taint against it.
    fn fits_somewhere(&mut self, variant: usize, without: &[usize]) -> bool {
        let Kept { existing, variants, memo, .. } = self;
        let mut at = variants.needs(variant).fits_from;
        let mut is_first = true;
        while let Some(place) = bits::next_clear(&variants.needs(variant).unfit, at, existing.order.len()) {
            at = place + 1;
            let node = existing.order[place];
            if existing.is_unfit(node, variants.needs(variant), memo) {
                bits::set(&mut variants.needs_mut(variant).unfit, place);
                continue;
            }
            if std::mem::take(&mut is_first) {
                variants.needs_mut(variant).fits_from = place;
            }
            if !without.contains(&node) {
                return true;
            }
        }
        if is_first {
            variants.needs_mut(variant).fits_from = existing.order.len();
        }
        false
    }
}
