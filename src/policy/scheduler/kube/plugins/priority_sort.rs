//! `PrioritySort`: the order of the active queue.
//!
//! Source: `pkg/scheduler/framework/plugins/queuesort/priority_sort.go`, v1.37.0. Upstream leaves open which of two pods
//! goes first that have the same priority and came at the same instant; the queue takes the one that arrived first.

use std::cmp::Ordering;

use crate::units::SimTime;

/// Its name.
pub const NAME: &str = "PrioritySort";

/// Which of two pods is tried first, each given as its priority and the instant at which it came into the queue: the
/// higher priority, and of equals the one that waits longer. `Less` is first.
pub fn compare(one: (i32, SimTime), other: (i32, SimTime)) -> Ordering {
    other.0.cmp(&one.0).then(one.1.cmp(&other.1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn higher_priority_goes_first_then_the_longer_wait() {
        for (one, other, expected) in [
            ((10, 5), (1, 0), Ordering::Less),
            ((-1, 0), (0, 9), Ordering::Greater),
            ((3, 1), (3, 2), Ordering::Less),
            ((3, 2), (3, 1), Ordering::Greater),
            ((3, 2), (3, 2), Ordering::Equal),
        ] {
            let pod = |(priority, ns): (i32, u64)| (priority, SimTime(ns));
            assert_eq!(compare(pod(one), pod(other)), expected, "{one:?} and {other:?}");
        }
    }
}
