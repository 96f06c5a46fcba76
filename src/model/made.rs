//! What a run adds to its model while it goes on: classes and lives of pods that were resized, and classes of pods of DaemonSets
//! on nodes that join.
//!
//! The model is shared and never changes; such additions are appended and stay where they are, so that everybody who holds a
//! reference keeps it. A copy of a model begins without them: what one run added says nothing of another.

/// A list that grows while it is shared.
#[derive(Debug)]
pub struct Made<T>(boxcar::Vec<T>);

impl<T> Made<T> {
    /// What was added at that position.
    pub fn get(&self, position: usize) -> Option<&T> {
        self.0.get(position)
    }

    /// How many were added.
    pub fn len(&self) -> usize {
        self.0.count()
    }

    /// Whether nothing was added.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// What was added, in order.
    pub fn iter(&self) -> impl Iterator<Item = &T> {
        self.0.iter().map(|(_, value)| value)
    }

    /// Adds a value, and says where it is.
    pub fn push(&self, value: T) -> usize {
        self.0.push(value)
    }

    /// The position of the value that `is_it` finds, or of `make`, which is added where there is none. Linear in their number.
    pub fn intern(&self, is_it: impl Fn(&T) -> bool, make: impl FnOnce() -> T) -> usize {
        self.iter().position(is_it).unwrap_or_else(|| self.0.push(make()))
    }
}

impl<T> Default for Made<T> {
    fn default() -> Made<T> {
        Made(boxcar::Vec::new())
    }
}

/// A copy is empty.
impl<T> Clone for Made<T> {
    fn clone(&self) -> Made<T> {
        Made::default()
    }
}

/// What runs add is no part of what a model says: all are equal.
impl<T> PartialEq for Made<T> {
    fn eq(&self, _: &Made<T>) -> bool {
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn additions_keep_their_place_and_copies_are_empty() {
        let made: Made<u32> = Made::default();
        let first = made.intern(|one| *one == 7, || 7);
        let kept = made.get(first);
        // 100 others later the first is where it was, and is found again.
        let places: Vec<usize> = (100..200).map(|value| made.intern(|one| *one == value, || value)).collect();
        assert_eq!((places[0], places[99], made.len()), (1, 100, 101));
        assert_eq!((made.intern(|one| *one == 7, || 7), kept), (0, Some(&7)));
        assert!(made.clone().is_empty());
    }
}
