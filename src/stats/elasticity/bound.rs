//! The cheapest supply there can be, for somebody who knows the demand beforehand.

use std::collections::VecDeque;

use crate::units::{SimDuration, SimTime};

/// Of all supplies that meet a demand at every instant, the one with the least area. Demand and supply are step functions
/// of whole units: an instant, and how many from then up to the next. What is added to supply is there for demand `lead`
/// later, and costs from the first; what is taken away is gone at once. Before the first instant there is no demand, and what
/// would have had to be ordered before instant 0 is ordered then.
///
/// Supply is then the largest demand within the next `lead`, inclusively: less would be too little for a demand to come,
/// and as no instant has more than it must, none is cheaper. A demand that may fall short by some share is met by scaling
/// it first. Takes O(steps), by a queue that falls from its front to its back.
///
/// # Panics
/// When the instants are not in ascending order.
///
/// ```
/// use wavetank::stats::elasticity::bound::cheapest_supply;
/// use wavetank::units::{SimDuration, SimTime};
/// // Four are needed from 100 to 200, and take 30 to start.
/// let need = [(SimTime(0), 1), (SimTime(100), 4), (SimTime(200), 2)];
/// let supply = cheapest_supply(&need, SimDuration(30));
/// assert_eq!(supply, [(SimTime(0), 1), (SimTime(70), 4), (SimTime(200), 2)]);
/// ```
pub fn cheapest_supply(need: &[(SimTime, u32)], lead: SimDuration) -> Vec<(SimTime, u32)> {
    assert!(need.windows(2).all(|pair| pair[0].0 < pair[1].0), "instants ascend");
    let end = |at: usize| need.get(at + 1).map_or(SimTime::NEVER, |next| next.0);
    let order = |at: usize| SimTime(need[at].0.0.saturating_sub(lead.0));
    // Positions of the steps in sight that no later one in sight reaches up to.
    let mut sight: VecDeque<usize> = VecDeque::new();
    let mut supply: Vec<(SimTime, u32)> = Vec::new();
    let (mut seen, mut now) = (0, None);
    while now != Some(SimTime::NEVER) {
        let appears = (seen < need.len()).then(|| order(seen));
        let vanishes = sight.front().map(|&at| end(at));
        let Some(at) = appears.into_iter().chain(vanishes).min() else { break };
        now = Some(at);
        while seen < need.len() && order(seen) <= at {
            while sight.back().is_some_and(|&back| need[back].1 <= need[seen].1) {
                sight.pop_back();
            }
            sight.push_back(seen);
            seen += 1;
        }
        while sight.front().is_some_and(|&front| end(front) <= at && at < SimTime::NEVER) {
            sight.pop_front();
        }
        if let Some(&front) = sight.front()
            && supply.last().is_none_or(|last| last.1 != need[front].1)
            && at < SimTime::NEVER
        {
            supply.push((at, need[front].1));
        }
    }
    supply
}

/// The area under a step function from its first instant up to `end`, in unit seconds.
///
/// # Panics
/// When an instant lies after `end`, or the instants are not in ascending order.
pub fn area_unit_s(steps: &[(SimTime, u32)], end: SimTime) -> f64 {
    let until = |at: usize| steps.get(at + 1).map_or(end, |next| next.0);
    let spans = steps.iter().enumerate();
    spans.map(|(at, &(since, value))| f64::from(value) * until(at).since(since).as_seconds()).sum()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn at(steps: &[(SimTime, u32)], time: u64) -> u32 {
        steps.iter().rfind(|step| step.0.0 <= time).map_or(0, |step| step.1)
    }

    #[test]
    fn gaps_shorter_than_the_start_are_kept_up() {
        // Two peaks of 5, 20 apart: with a lead of 30 the gap is no gap, with one of 10 half of it is.
        let need = [(0, 1), (100, 5), (150, 1), (170, 5), (200, 0)].map(|(at, value)| (SimTime(at), value));
        let steps = |lead| cheapest_supply(&need, SimDuration(lead)).into_iter().map(|(at, n)| (at.0, n));
        assert_eq!(steps(30).collect::<Vec<_>>(), [(0, 1), (70, 5), (200, 0)]);
        assert_eq!(steps(10).collect::<Vec<_>>(), [(0, 1), (90, 5), (150, 1), (160, 5), (200, 0)]);
        assert_eq!(steps(0).collect::<Vec<_>>(), [(0, 1), (100, 5), (150, 1), (170, 5), (200, 0)]);
        assert_eq!(steps(500).collect::<Vec<_>>(), [(0, 5), (200, 0)]);
        assert_eq!(cheapest_supply(&[], SimDuration(5)), []);
    }

    #[test]
    fn areas() {
        let steps = [(0, 1), (70, 5), (200, 0)].map(|(at, value)| (SimTime(at * 1_000_000_000), value));
        // 70 + 5 x 130.
        assert_eq!(area_unit_s(&steps, SimTime(300_000_000_000)), 720.0);
    }

    proptest! {
        #[test]
        fn is_the_maximum_over_the_lead(
            pauses in prop::collection::vec((1..15u64, 0..7u32), 1..25), lead in 0..40u64, first in 0..50u64,
        ) {
            let mut now = first;
            let need: Vec<(SimTime, u32)> = pauses.iter().map(|&(pause, value)| {
                now += pause;
                (SimTime(now), value)
            }).collect();
            let supply = cheapest_supply(&need, SimDuration(lead));
            for time in 0..now + 20 {
                let expected = (time..=time + lead).map(|later| at(&need, later)).max().unwrap_or(0);
                prop_assert_eq!(at(&supply, time), expected, "at {}", time);
            }
            prop_assert!(supply.windows(2).all(|pair| pair[0].0 < pair[1].0 && pair[0].1 != pair[1].1));
        }
    }
}
