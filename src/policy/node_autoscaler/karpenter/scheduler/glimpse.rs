//! Where the first pod of a pass goes, found out once for all passes that begin with a pod of its kind.
//!
//! As long as machines are on their way, most searches for something cheaper end with the first pod: no node that is there has
//! room for it, and one that is not initialised has.
//!
//! Cost: a look into a table, and a search of the nodes for each kind of pod and scheduler.

use super::Scheduler;
use super::bits::{self, next_clear_of};
use super::kept::Kept;
use super::memo::Undefined;

/// By variant: the place of the node that takes a pod that moves if nothing else was placed before, if there is one.
#[derive(Debug, Default)]
pub(super) struct FirstPlaces(Vec<Option<Option<usize>>>);

impl Scheduler<'_> {
    /// Whether a pod that moves would be on a node that is not initialised if it was tried first, even with all nodes that are.
    /// Says no where pods have rules about others.
    pub fn is_first_on_uninitialized(&mut self, class: usize) -> bool {
        let Scheduler { environment, known: Kept { variants, memo, .. }, .. } = &mut *self;
        if variants.have_rules() {
            return false;
        }
        let variant = variants.of_class(environment, class, memo);
        if self.first_places.0.len() <= variant {
            self.first_places.0.resize(variant + 1, None);
        }
        let place = self.first_places.0[variant].unwrap_or_else(|| self.first_place(variant));
        self.first_places.0[variant] = Some(place);
        place.is_some_and(|place| place >= self.known.existing.initialized)
    }

    fn first_place(&mut self, number: usize) -> Option<usize> {
        let Scheduler { nodes, recent, known: Kept { variants, memo, existing, .. }, .. } = self;
        let mut from = 0;
        loop {
            let unfit = &variants.needs(number).unfit[..];
            let place = next_clear_of(&[unfit, recent], from, existing.order.len())?;
            let node = existing.order[place];
            if existing.is_unfit(node, variants.needs(number), memo) {
                bits::set(&mut variants.needs_mut(number).unfit, place);
            } else {
                let asked = existing.asked_shape((node, nodes[node].hostname()), variants.get(number), memo);
                if asked.and_then(|shape| memo.narrow(shape, Vec::new(), Undefined::Never)).is_some() {
                    return Some(place);
                }
            }
            from = place + 1;
        }
    }
}
