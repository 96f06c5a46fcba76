//! Waiting pods, by class.
//!
//! All pods of a class fit or do not fit alike. So a class that found no place is blocked as a whole, with all its
//! pods, until a node gets room that fits the class; the others take turns in queue order. A release thus costs the
//! blocked *classes* that might fit, not the waiting pods.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap};

use crate::ids::{ClassId, PodId};

/// The place of a pod in the queue: its rank, then its order of arrival.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Place {
    rank: i64,
    pod: PodId,
}

/// The queue of one class.
#[derive(Clone, Debug, Default)]
struct ClassQueue {
    pods: BinaryHeap<Reverse<Place>>,
    /// Pods that joined since the class was last blocked, some of which may have found a place.
    untried: Vec<Place>,
    blocked: bool,
}

/// Pods that wait for a node.
#[derive(Debug)]
pub(super) struct WaitingPods {
    classes: Vec<ClassQueue>,
    /// Heads of the classes that are not blocked; entries that are no longer heads are skipped.
    heads: BinaryHeap<Reverse<(Place, ClassId)>>,
    /// Blocked classes that have pods, by the cpu they request.
    blocked: BTreeMap<(u64, ClassId), ()>,
}

impl WaitingPods {
    pub(super) fn new(classes: usize) -> WaitingPods {
        WaitingPods {
            classes: vec![ClassQueue::default(); classes],
            heads: BinaryHeap::new(),
            blocked: BTreeMap::new(),
        }
    }

    /// Whether pods of this class are known to find no place.
    pub(super) fn is_blocked(&self, class: ClassId) -> bool {
        self.classes.get(class.index()).is_some_and(|queue| queue.blocked)
    }

    /// Adds a pod.
    pub(super) fn push(&mut self, class: ClassId, rank: i64, pod: PodId) {
        if self.classes.len() <= class.index() {
            self.classes.resize_with(class.index() + 1, ClassQueue::default);
        }
        let place = Place { rank, pod };
        let queue = &mut self.classes[class.index()];
        let is_head = queue.pods.peek().is_none_or(|Reverse(head)| place < *head);
        queue.pods.push(Reverse(place));
        if queue.blocked {
            return;
        }
        queue.untried.push(place);
        if is_head {
            self.heads.push(Reverse((place, class)));
        }
    }

    /// Takes the next pod whose class is not blocked, with its rank.
    pub(super) fn pop(&mut self) -> Option<(PodId, i64)> {
        while let Some(Reverse((place, class))) = self.heads.pop() {
            let queue = &mut self.classes[class.index()];
            if queue.blocked || queue.pods.peek() != Some(&Reverse(place)) {
                continue;
            }
            queue.pods.pop();
            match queue.pods.peek() {
                Some(&Reverse(next)) => self.heads.push(Reverse((next, class))),
                None => queue.untried.clear(),
            }
            return Some((place.pod, place.rank));
        }
        None
    }

    /// Whether [`pop`](Self::pop) may find a pod.
    pub(super) fn may_pop(&self) -> bool {
        !self.heads.is_empty()
    }

    /// Whether any class is blocked.
    pub(super) fn any_blocked(&self) -> bool {
        !self.blocked.is_empty()
    }

    /// Notes that the class, which requests `cpu` milli-cores, finds no place. Gives those of its pods, in queue order,
    /// that share this fate without having been tried; some of them may have found a place before.
    pub(super) fn block(&mut self, class: ClassId, cpu: u64) -> Vec<PodId> {
        let queue = &mut self.classes[class.index()];
        queue.blocked = true;
        self.blocked.insert((cpu, class), ());
        let mut untried = std::mem::take(&mut queue.untried);
        untried.sort_unstable();
        untried.dedup();
        untried.into_iter().map(|place| place.pod).collect()
    }

    /// Lets those blocked classes take turns again that request at most `cpu` milli-cores and for which `fits` holds.
    pub(super) fn unblock(&mut self, cpu: u64, fits: impl Fn(ClassId) -> bool) {
        let last = (cpu, ClassId(u32::MAX));
        let ready: Vec<_> =
            self.blocked.range(..=last).map(|(key, ())| *key).filter(|(_, class)| fits(*class)).collect();
        for (cpu, class) in ready {
            self.blocked.remove(&(cpu, class));
            let queue = &mut self.classes[class.index()];
            queue.blocked = false;
            if let Some(&Reverse(head)) = queue.pods.peek() {
                self.heads.push(Reverse((head, class)));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn classes_that_were_not_known_join() {
        let mut waiting = WaitingPods::new(1);
        assert!(!waiting.is_blocked(ClassId(5)));
        waiting.push(ClassId(5), 0, PodId(0));
        assert_eq!(waiting.pop(), Some((PodId(0), 0)));
    }

    #[test]
    fn blocked_classes_wait_and_the_others_take_turns() {
        let (a, b) = (ClassId(0), ClassId(1));
        let mut waiting = WaitingPods::new(2);
        for (class, rank, pod) in [(a, 0, 0), (b, 0, 1), (a, 0, 2), (b, -1, 3)] {
            waiting.push(class, rank, PodId(pod));
        }
        assert_eq!(waiting.pop().map(|(pod, _)| pod), Some(PodId(3))); // the smaller rank
        assert_eq!(waiting.pop().map(|(pod, _)| pod), Some(PodId(0)));
        assert_eq!(waiting.block(a, 500), [PodId(0), PodId(2)]);
        waiting.push(a, 0, PodId(0));
        assert_eq!(waiting.pop().map(|(pod, _)| pod), Some(PodId(1)));
        assert_eq!(waiting.pop(), None);
        waiting.unblock(499, |_| true); // too little cpu for the class
        assert_eq!(waiting.pop(), None);
        waiting.unblock(500, |class| class == b);
        assert_eq!(waiting.pop(), None);
        waiting.unblock(500, |class| class == a);
        assert!(!waiting.any_blocked());
        assert_eq!(waiting.pop().map(|(pod, _)| pod), Some(PodId(0)));
        assert_eq!(waiting.pop().map(|(pod, _)| pod), Some(PodId(2)));
        assert_eq!(waiting.pop(), None);
    }
}
