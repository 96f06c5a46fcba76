//! How long an instance stays after a call.

use super::hybrid::IdleTimes;
pub use crate::model::functions::KeepAlive;
use crate::units::{SimDuration, SimTime};

/// What happens to an instance when its call has ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Windows {
    /// It is unloaded, and loaded again after this time; zero: it stays loaded.
    pub pre_warm: SimDuration,
    /// It stays for so long from then on.
    pub keep_alive: SimDuration,
}

impl Windows {
    /// It stays, for so long.
    pub fn stay(keep_alive: SimDuration) -> Windows {
        Windows { pre_warm: SimDuration::ZERO, keep_alive }
    }
}

/// What the rule remembers of one function.
#[derive(Clone, Debug, Default)]
pub struct KeepAliveState {
    idle_times: Option<Box<IdleTimes>>,
    last_end: Option<SimTime>,
}

impl KeepAlive {
    /// A call comes; `is_busy` while others of the function are under way.
    #[inline]
    pub fn arrive(&self, state: &mut KeepAliveState, now: SimTime, is_busy: bool) {
        let KeepAlive::Hybrid(settings) = self else { return };
        let idle_times = state.idle_times.get_or_insert_with(|| Box::new(IdleTimes::new(settings)));
        if is_busy {
            idle_times.record(SimDuration::ZERO);
        } else if let Some(end) = state.last_end {
            idle_times.record(now.since(end));
        }
    }

    /// A call has ended: what happens to its instance.
    #[inline]
    pub fn finish(&self, state: &mut KeepAliveState, now: SimTime) -> Windows {
        match self {
            KeepAlive::None => Windows::stay(SimDuration::ZERO),
            KeepAlive::Fixed(span) => Windows::stay(*span),
            KeepAlive::Hybrid(settings) => {
                state.last_end = Some(now);
                match &state.idle_times {
                    Some(idle_times) => idle_times.windows(settings),
                    None => Windows::stay(settings.range),
                }
            }
        }
    }
}
