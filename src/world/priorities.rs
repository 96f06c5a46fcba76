//! How many pods of each priority hold a node, so that nobody looks for less important pods where there are none.
//!
//! Cost: O(priorities in use) a change, of which there are few.

use std::collections::BTreeMap;

/// Counts by priority.
#[derive(Clone, Debug, Default)]
pub struct Priorities {
    /// In the order in which priorities came up; counts fall to 0 and stay.
    counts: Vec<(i32, u64)>,
}

impl Priorities {
    /// Counts a pod in.
    #[inline]
    pub(super) fn add(&mut self, priority: i32) {
        match self.counts.iter_mut().find(|(other, _)| *other == priority) {
            Some((_, count)) => *count += 1,
            None => self.counts.push((priority, 1)),
        }
    }

    /// Counts a pod out.
    ///
    /// # Panics
    /// When none of that priority was counted in.
    #[inline]
    pub(super) fn remove(&mut self, priority: i32) {
        let counted = self.counts.iter_mut().find(|(other, _)| *other == priority);
        counted.expect("a pod that leaves its node was counted").1 -= 1;
    }

    /// The lowest priority of a pod that holds a node; none: no pod does.
    pub fn lowest(&self) -> Option<i32> {
        self.counts.iter().filter(|(_, count)| *count > 0).map(|(priority, _)| *priority).min()
    }

    /// Whether these are the counts, which name no priority that nobody has.
    pub(super) fn are(&self, counts: &BTreeMap<i32, u64>) -> bool {
        self.counts.iter().filter(|(_, count)| *count > 0).count() == counts.len()
            && self.counts.iter().all(|(priority, count)| *count == counts.get(priority).copied().unwrap_or(0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_lowest_priority_is_that_of_a_pod_that_is_there() {
        let mut priorities = Priorities::default();
        assert_eq!(priorities.lowest(), None);
        [5, -1, 5].into_iter().for_each(|priority| priorities.add(priority));
        assert_eq!(priorities.lowest(), Some(-1));
        priorities.remove(-1);
        assert_eq!(priorities.lowest(), Some(5));
        assert!(priorities.are(&BTreeMap::from([(5, 2)])) && !priorities.are(&BTreeMap::from([(5, 2), (-1, 1)])));
        [5, 5].into_iter().for_each(|priority| priorities.remove(priority));
        assert_eq!(priorities.lowest(), None);
    }
}
