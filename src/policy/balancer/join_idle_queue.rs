//! `join-idle-queue`: the backend that has told for longest that it has nothing to do; if none has, any.
//!
//! A backend that comes has nothing to do either. A backend that told so and then was sent a request by somebody else is
//! still taken for idle, as in the paper.
//!
//! Parameters: none.
//!
//! Source: Lu, Xie, Kliot, Geller, Larus and Greenberg 2011, "Join-Idle-Queue". To which of several dispatchers an idle
//! server tells it is decided by whoever calls `became_idle`.
//! Cost: O(1).

use std::collections::VecDeque;

use super::members::Members;
use super::{AnyBalancer, Backend, Balancer, BalancerRow, Question};
use crate::policy::parameters;
use crate::rng::Stream;

pub(super) const ROW: BalancerRow = BalancerRow {
    name: "join-idle-queue",
    aliases: &["jiq"],
    summary: "a backend that has told that it is idle, else any",
    source: "Lu et al. 2011",
    parameters: &[],
    follows_answers: true,
    asks_servers: false,
    weighs: false,
    build: |parameters| {
        parameters::none(parameters)?;
        Ok(AnyBalancer::JoinIdleQueue(Box::default()))
    },
};

/// See the module.
#[derive(Clone, Debug, Default)]
pub struct JoinIdleQueue {
    members: Members,
    /// Slots, the one that told first in front.
    idle: VecDeque<u32>,
    /// Whether a slot is among them.
    is_idle: Vec<bool>,
}

impl Balancer for JoinIdleQueue {
    fn set_backends(&mut self, backends: &[Backend]) {
        let before = self.members.replace(backends);
        let has_stayed = |slot: &u32| self.members.position(*slot).is_some_and(|position| before[position].is_some());
        self.idle.retain(has_stayed);
        let new = backends.iter().zip(&before).filter(|(_, before)| before.is_none());
        self.idle.extend(new.map(|(backend, _)| backend.slot));
        self.is_idle = vec![false; super::members::slot_count(backends)];
        for &slot in &self.idle {
            self.is_idle[slot as usize] = true;
        }
    }

    #[inline]
    fn pick(&mut self, _: &Question<'_>, stream: &mut Stream) -> Option<u32> {
        if let Some(slot) = self.idle.pop_front() {
            self.is_idle[slot as usize] = false;
            return Some(slot);
        }
        let count = self.members.len() as u64;
        (count > 0).then(|| self.members.slot(stream.below(count) as usize))
    }

    #[inline]
    fn became_idle(&mut self, slot: u32) {
        if self.members.position(slot).is_some() && !self.is_idle[slot as usize] {
            self.is_idle[slot as usize] = true;
            self.idle.push_back(slot);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{backends, sent};
    use super::*;

    #[test]
    fn idle_ones_come_first_in_the_order_in_which_they_told() {
        let mut balancer = JoinIdleQueue::default();
        balancer.set_backends(&backends(&[(0, 1), (1, 1), (2, 1)]));
        assert_eq!(sent(&mut balancer, 3), [0, 1, 2]);
        for slot in [2, 0, 2, 9] {
            balancer.became_idle(slot);
        }
        assert_eq!(sent(&mut balancer, 2), [2, 0]);
        // None is idle: all are as likely; of 3000 picks 1000 are expected of each, with a standard deviation of 26.
        let picks = sent(&mut balancer, 3000);
        assert!((0..3).all(|slot| picks.iter().filter(|&&pick| pick == slot).count().abs_diff(1000) < 150));
        // Who goes is forgotten, who comes is idle.
        balancer.became_idle(2);
        balancer.became_idle(1);
        balancer.set_backends(&backends(&[(0, 1), (1, 1), (5, 1)]));
        assert_eq!(sent(&mut balancer, 2), [1, 5]);
    }
}
