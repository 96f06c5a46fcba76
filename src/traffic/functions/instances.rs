//! The instances of one function.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, VecDeque};

use super::report::FunctionReport;
use crate::model::functions::Routing;
use crate::policy::autoscaler::functions::keep_alive::{KeepAlive, KeepAliveState};
use crate::units::{SimDuration, SimTime};

/// An instance with a call, in order of its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Busy {
    end: SimTime,
    /// Instances in the order in which they started.
    serial: u32,
    created: SimTime,
}

/// An instance without a call.
#[derive(Clone, Copy, Debug)]
struct Idle {
    serial: u32,
    created: SimTime,
    /// Since when it is loaded, or will be.
    loaded: SimTime,
    unloaded: SimTime,
}

/// What an arriving call found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Found {
    serial: u32,
    created: SimTime,
}

/// The instances of one function.
#[derive(Debug, Default)]
pub(super) struct Instances {
    busy: BinaryHeap<Reverse<Busy>>,
    /// In the order in which their calls ended.
    idle: VecDeque<Idle>,
    /// Ends of calls on provisioned instances.
    provisioned: BinaryHeap<Reverse<SimTime>>,
    keep_alive: KeepAliveState,
    started: u32,
}

impl Instances {
    /// Catches up with an instant: calls that have ended leave instances that wait, or end.
    #[inline]
    pub(super) fn advance(&mut self, now: SimTime, policy: &KeepAlive, report: &mut FunctionReport) {
        while let Some(&Reverse(Busy { end, serial, created })) = self.busy.peek() {
            if end > now {
                break;
            }
            self.busy.pop();
            let windows = policy.finish(&mut self.keep_alive, end);
            let mut instance = Idle { serial, created, loaded: end.after(windows.pre_warm), unloaded: end };
            instance.unloaded = instance.loaded.after(windows.keep_alive);
            if windows.pre_warm > SimDuration::ZERO {
                // It is unloaded now; what is loaded later is another instance.
                report.end_of_instance(created, end);
                instance.created = instance.loaded;
            }
            if windows.keep_alive > SimDuration::ZERO {
                self.idle.push_back(instance);
            } else if windows.pre_warm == SimDuration::ZERO {
                report.end_of_instance(created, end);
            }
        }
        while self.provisioned.peek().is_some_and(|&Reverse(end)| end <= now) {
            self.provisioned.pop();
        }
        while self.idle.front().is_some_and(|instance| instance.unloaded <= now) {
            let instance = self.idle.pop_front().expect("it was looked at");
            report.wait(instance.loaded, instance.unloaded);
            report.end_of_instance(instance.created, instance.unloaded);
        }
    }

    /// Calls under way.
    #[inline]
    pub(super) fn in_flight(&self) -> usize {
        self.busy.len() + self.provisioned.len()
    }

    /// Instances that are loaded, those that are provisioned left out. Costs a look at each that waits.
    pub(super) fn loaded(&self, now: SimTime) -> usize {
        self.busy.len() + self.idle.iter().filter(|instance| instance.loaded <= now).count()
    }

    /// A call comes, after [`Self::advance`].
    #[inline]
    pub(super) fn observe(&mut self, now: SimTime, policy: &KeepAlive) {
        let is_busy = self.in_flight() > 0;
        policy.arrive(&mut self.keep_alive, now, is_busy);
    }

    /// Takes a provisioned instance, if one is free.
    #[inline]
    pub(super) fn take_provisioned(&mut self, count: u32, end: SimTime) -> bool {
        let is_free = self.provisioned.len() < count as usize;
        if is_free {
            self.provisioned.push(Reverse(end));
        }
        is_free
    }

    /// Takes an instance that waits; none: there is none that is loaded.
    #[inline]
    pub(super) fn take_idle(&mut self, now: SimTime, routing: Routing, report: &mut FunctionReport) -> Option<Found> {
        let is_warm = |instance: &Idle| instance.loaded <= now && now < instance.unloaded;
        let position = match routing {
            Routing::MostRecentlyUsed => self.idle.iter().rposition(is_warm),
            Routing::LeastRecentlyUsed => self.idle.iter().position(is_warm),
            Routing::NewestFirst => {
                let warm = self.idle.iter().enumerate().filter(|(_, instance)| is_warm(instance));
                warm.max_by_key(|(_, instance)| instance.serial).map(|(position, _)| position)
            }
        }?;
        let is_last = position + 1 == self.idle.len();
        // Mostly it is the last, which leaves at once.
        let instance = if is_last { self.idle.pop_back() } else { self.idle.remove(position) }.expect("it is there");
        report.wait(instance.loaded, now);
        Some(Found { serial: instance.serial, created: instance.created })
    }

    /// Starts an instance. One that would have been loaded later is no longer waited for.
    #[inline]
    pub(super) fn start(&mut self, now: SimTime) -> Found {
        if self.idle.back().is_some_and(|instance| instance.loaded > now) {
            self.idle.pop_back();
        }
        let serial = self.started;
        self.started += 1;
        Found { serial, created: now }
    }

    /// A call is under way on an instance.
    #[inline]
    pub(super) fn occupy(&mut self, found: Found, end: SimTime) {
        self.busy.push(Reverse(Busy { end, serial: found.serial, created: found.created }));
    }

    /// The run is over: what waits has waited until then. Instances that are still there do not count among those that ended.
    pub(super) fn close(&mut self, horizon: SimTime, policy: &KeepAlive, report: &mut FunctionReport) {
        self.advance(horizon, policy, report);
        for instance in self.idle.drain(..) {
            let is_gone = instance.unloaded <= horizon;
            report.wait(instance.loaded, instance.unloaded.min(horizon));
            if is_gone {
                report.end_of_instance(instance.created, instance.unloaded);
            }
        }
    }
}
