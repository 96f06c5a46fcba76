//! What tests of balancers share.

use super::{Backend, Balancer, Question};
use crate::rng::{Stream, split_mix};
use crate::units::{SimDuration, SimTime};

/// Backends from slots and weights.
pub(super) fn backends(of: &[(u32, u32)]) -> Vec<Backend> {
    of.iter().map(|&(slot, weight)| backend(slot, weight)).collect()
}

/// A backend without a zone, whose name has a hash that follows from its slot.
pub(super) fn backend(slot: u32, weight: u32) -> Backend {
    Backend { slot, weight, zone: None, hash: split_mix(u64::from(slot) + 1000) }
}

/// A question at the start of the run, from nowhere.
pub(super) fn question(key: u64) -> Question<'static> {
    Question { now: SimTime::ZERO, key, zone: None, loads: &[] }
}

/// That many seconds after the start of the run.
pub(super) fn at(seconds: f64) -> SimTime {
    SimTime::ZERO.after(SimDuration::from_seconds(seconds))
}

/// Picks and sends that many requests at the start of the run.
pub(super) fn sent<B: Balancer>(balancer: &mut B, count: usize) -> Vec<u32> {
    let mut stream = Stream::of_word(3);
    let mut send = || {
        let slot = balancer.pick(&question(0), &mut stream).expect("there are backends");
        balancer.sent(slot, SimTime::ZERO);
        slot
    };
    (0..count).map(|_| send()).collect()
}

/// A good answer within a millisecond, at the start of the run.
pub(super) fn answer<B: Balancer>(balancer: &mut B, slot: u32) {
    balancer.answered(slot, SimDuration(1_000_000), true, SimTime::ZERO);
}
