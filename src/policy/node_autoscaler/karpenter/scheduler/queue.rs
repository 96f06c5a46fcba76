//! The pods of a batch in the order in which they are tried: the largest first, by CPU, then memory; then by age and id.
//!
//! Source: `queue.go`.
//!
//! Cost: where the pods stand in runs that are in order already, a comparison for each run and pod that is taken, so that who
//! stops early pays for few; else a sort.

use std::cmp::Reverse;
use std::collections::{BTreeMap, VecDeque};
use std::ops::Range;

use super::variants::has_rules;
use super::{Batch, BatchPod, Environment};
use crate::units::{Bytes, MilliCpu};

/// When a pod is tried.
pub(in super::super) type Turn = (Reverse<(MilliCpu, Bytes)>, i64, u64);

impl Environment {
    /// When a pod is tried.
    pub(in super::super) fn turn_of(&self, pod: &BatchPod) -> Turn {
        let requests = &self.classes[pod.class].requests;
        (Reverse((requests.cpu, requests.memory)), pod.created_s, pod.uid)
    }

    /// Brings pods that are part of many passes into the order in which each of them tries pods. Where one of them has rules
    /// about others they stay as they are: rules are numbered in the order of the pods.
    pub fn presort(&self, pods: &mut [BatchPod]) {
        if pods.iter().all(|pod| !has_rules(&self.classes[pod.class])) {
            pods.sort_by_key(|pod| self.turn_of(pod));
        }
    }
}

/// Pods that were not tried yet.
#[derive(Debug)]
enum Untried {
    /// The last one first.
    Sorted(Vec<usize>),
    /// What is left of runs that are in order.
    Runs([Range<usize>; 3]),
}

/// The pods of a batch that have no place yet.
#[derive(Debug)]
pub(super) struct Queue {
    untried: Untried,
    /// Pods that found no place, and may find one once others have theirs.
    again: VecDeque<usize>,
    /// How long the queue was when a pod was last put back.
    length_then: BTreeMap<usize, usize>,
}

impl Queue {
    /// All pods of a batch; `in_runs`: whether those up to each of its [`Batch::bounds`] are in order.
    pub(super) fn new(environment: &Environment, batch: &Batch, in_runs: bool) -> Queue {
        let pods = &batch.pods;
        let untried = match batch.bounds.filter(|_| in_runs) {
            Some([first, second]) => Untried::Runs([0..first, first..second, second..pods.len()]),
            None => {
                let mut order: Vec<(Turn, usize)> = pods.iter().map(|pod| environment.turn_of(pod)).zip(0..).collect();
                order.sort_unstable_by(|one, other| other.cmp(one));
                Untried::Sorted(order.into_iter().map(|(_, pod)| pod).collect())
            }
        };
        Queue { untried, again: VecDeque::new(), length_then: BTreeMap::new() }
    }

    fn len(&self) -> usize {
        let untried = match &self.untried {
            Untried::Sorted(pods) => pods.len(),
            Untried::Runs(runs) => runs.iter().map(ExactSizeIterator::len).sum(),
        };
        untried + self.again.len()
    }

    /// The next pod to try; none: all have their places, or a whole round of those that have none brought nothing.
    pub(super) fn pop(&mut self, environment: &Environment, batch: &Batch) -> Option<usize> {
        if let Some(pod) = self.pop_untried(environment, batch) {
            return Some(pod);
        }
        let length = self.len();
        self.again.pop_front().filter(|pod| self.length_then.get(pod) != Some(&length))
    }

    fn pop_untried(&mut self, environment: &Environment, batch: &Batch) -> Option<usize> {
        match &mut self.untried {
            Untried::Sorted(pods) => pods.pop(),
            Untried::Runs(runs) => {
                let open = runs.iter_mut().filter(|run| run.start < run.end);
                open.min_by_key(|run| environment.turn_of(&batch.pods[run.start]))?.next()
            }
        }
    }

    /// Puts a pod back that found no place.
    pub(super) fn put_back(&mut self, pod: usize) {
        self.again.push_back(pod);
        self.length_then.insert(pod, self.len());
    }
}

#[cfg(test)]
mod tests {
    use super::super::super::testkit::{environment, pod};
    use super::*;

    fn batch(bounds: Option<[usize; 2]>) -> (Environment, Batch) {
        let environment = environment(Vec::new(), vec![pod("small", 100), pod("large", 200)]);
        let pod = |(class, created_s, uid)| BatchPod { class, created_s, uid, node: None };
        // Each run by itself is in order.
        let pods = [(1, 0, 3), (0, 0, 1), (1, 0, 2), (0, 0, 0), (0, 5, 4)].map(pod).to_vec();
        (environment, Batch { pods, bounds, ..Batch::default() })
    }

    #[test]
    fn runs_are_merged_into_the_order_of_a_sort() {
        for bounds in [None, Some([2, 4]), Some([2, 2]), Some([0, 2])] {
            let (environment, batch) = batch(bounds);
            let mut queue = Queue::new(&environment, &batch, true);
            let order: Vec<usize> = std::iter::from_fn(|| queue.pop(&environment, &batch)).collect();
            // The two large ones by id, then the small ones: two of the same age by id, and the one that came later.
            assert_eq!(order, [2, 0, 3, 1, 4], "{bounds:?}");
        }
    }

    #[test]
    fn a_round_that_brings_nothing_is_the_last() {
        let (environment, batch) = batch(None);
        let mut queue = Queue::new(&environment, &batch, false);
        let mut tried = Vec::new();
        while let Some(pod) = queue.pop(&environment, &batch) {
            tried.push(pod);
            if pod != 3 {
                queue.put_back(pod);
            }
        }
        // 3 finds a place, so that those before it are tried again; 1 comes round to as many as it left.
        assert_eq!(tried, [2, 0, 3, 1, 4, 2, 0]);
    }
}
