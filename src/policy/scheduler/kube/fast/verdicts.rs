//! What filters say of every node, as small numbers: the rejections that occur are few, whatever the nodes.
//!
//! How many nodes are rejected for what is kept with them, so that a refusal says why at the cost of the reasons.

use super::bits::Bits;
use super::order::Moves;
use crate::policy::scheduler::kube::{Code, Rejection, Summary};

/// The number of nodes that pass.
const PASSES: u16 = 0;

/// A rejection that occurs.
#[derive(Clone, Debug)]
struct Kind {
    rejection: Rejection,
    /// How many nodes it holds of.
    nodes: usize,
}

impl Kind {
    /// Whether the leaving of pods may lift it.
    fn is_resolvable(&self) -> bool {
        self.rejection.code == Code::Unschedulable
    }
}

/// By position in the order of nodes.
#[derive(Clone, Debug)]
pub(super) struct Verdicts {
    /// The nodes that pass.
    passes: Bits,
    /// The nodes that do not pass, and might after other pods have left.
    resolvable: Bits,
    resolvable_count: usize,
    /// The number of what holds: [`PASSES`], or a place in `kinds` plus 1.
    numbers: Vec<u16>,
    kinds: Vec<Kind>,
}

impl Verdicts {
    /// All `len` nodes pass.
    pub(super) fn new(len: usize) -> Verdicts {
        let mut passes = Bits::new(len);
        (0..len).for_each(|position| passes.set(position, true));
        let resolvable = Bits::new(len);
        Verdicts { passes, resolvable, resolvable_count: 0, numbers: vec![PASSES; len], kinds: Vec::new() }
    }

    /// The nodes that pass.
    #[inline]
    pub(super) fn passes(&self) -> &Bits {
        &self.passes
    }

    /// The nodes that do not pass, and might after other pods have left.
    pub(super) fn resolvable(&self) -> &Bits {
        &self.resolvable
    }

    /// How many these are.
    pub(super) fn resolvable_count(&self) -> usize {
        self.resolvable_count
    }

    /// What a node is rejected for; none: it passes.
    pub(super) fn rejection(&self, position: usize) -> Option<&Rejection> {
        let number = self.numbers[position];
        (number != PASSES).then(|| &self.kinds[usize::from(number) - 1].rejection)
    }

    /// Notes that a node passes.
    pub(super) fn pass(&mut self, position: usize) {
        if self.numbers[position] != PASSES {
            self.change(position, PASSES);
        }
    }

    /// Notes what a node is rejected for.
    pub(super) fn reject(&mut self, position: usize, rejection: &Rejection) {
        if self.rejection(position) != Some(rejection) {
            let number = self.number_of(rejection);
            self.change(position, number);
        }
    }

    fn number_of(&mut self, rejection: &Rejection) -> u16 {
        let at = self.kinds.iter().position(|kind| kind.rejection == *rejection).unwrap_or_else(|| {
            self.kinds.push(Kind { rejection: rejection.clone(), nodes: 0 });
            self.kinds.len() - 1
        });
        u16::try_from(at + 1).expect("there are few ways to be rejected")
    }

    fn change(&mut self, position: usize, number: u16) {
        let before = std::mem::replace(&mut self.numbers[position], number);
        if before != PASSES {
            self.kinds[usize::from(before) - 1].nodes -= 1;
        }
        let mut is_resolvable = false;
        if number != PASSES {
            let kind = &mut self.kinds[usize::from(number) - 1];
            kind.nodes += 1;
            is_resolvable = kind.is_resolvable();
        }
        self.passes.set(position, number == PASSES);
        self.resolvable_count -= usize::from(self.resolvable.get(position));
        self.resolvable_count += usize::from(is_resolvable);
        self.resolvable.set(position, is_resolvable);
    }

    /// Brings what is known into another order; nodes that were not there pass.
    pub(super) fn reorder(&mut self, moves: &Moves) {
        let left = self.counts(moves.unmoved);
        moves.apply(&mut self.numbers, PASSES);
        let came = self.counts(moves.unmoved);
        for ((kind, left), came) in self.kinds.iter_mut().zip(left).zip(came) {
            kind.nodes = kind.nodes + came - left;
        }
        let is_resolvable = |number: u16| match number {
            PASSES => false,
            number => self.kinds[usize::from(number) - 1].is_resolvable(),
        };
        self.passes.resize(self.numbers.len());
        self.resolvable.resize(self.numbers.len());
        for (position, &number) in self.numbers.iter().enumerate().skip(moves.unmoved) {
            self.passes.set(position, number == PASSES);
            self.resolvable.set(position, is_resolvable(number));
        }
        self.resolvable_count = self.kinds.iter().filter(|kind| kind.is_resolvable()).map(|kind| kind.nodes).sum();
    }

    /// How many nodes from a position on each kind holds of.
    fn counts(&self, from: usize) -> Vec<usize> {
        let mut counts = vec![0; self.kinds.len()];
        for &number in self.numbers[from..].iter().filter(|number| **number != PASSES) {
            counts[usize::from(number) - 1] += 1;
        }
        counts
    }

    /// Why the nodes do not pass.
    pub(super) fn summary(&self) -> Summary {
        let mut summary = Summary::default();
        for Kind { rejection, nodes } in self.kinds.iter().filter(|kind| kind.nodes > 0) {
            summary.add(rejection, *nodes);
        }
        summary
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nodes_are_counted_by_what_they_are_rejected_for() {
        let full = Rejection::unschedulable("NodeResourcesFit", "Insufficient cpu");
        let tainted = Rejection::unresolvable("TaintToleration", "taint");
        let mut verdicts = Verdicts::new(5);
        for (position, rejection) in [(0, &full), (1, &tainted), (2, &full), (3, &tainted), (3, &full), (3, &full)] {
            verdicts.reject(position, rejection);
        }
        verdicts.pass(0);
        verdicts.pass(4);
        let listed = |bits: &Bits| bits.members(0, 5).collect::<Vec<_>>();
        assert_eq!((listed(verdicts.passes()), listed(verdicts.resolvable())), (vec![0, 4], vec![2, 3]));
        assert_eq!(verdicts.resolvable_count(), 2);
        assert_eq!((verdicts.rejection(0), verdicts.rejection(1)), (None, Some(&tainted)));
        let summary = verdicts.summary();
        assert_eq!(summary.message(5), "0/5 nodes are available: 1 taint, 2 Insufficient cpu.");
        assert_eq!(summary.unschedulable_plugins.len(), 2);
        verdicts.pass(1);
        assert_eq!(verdicts.summary().unschedulable_plugins.len(), 1, "nobody is rejected for a taint any more");
    }
}
