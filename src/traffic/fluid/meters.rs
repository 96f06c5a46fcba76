//! What backends have used, read one after the other.
//!
//! Backends of a group use the same from when they came into it. So for those that are read while nothing else happens, it is
//! found out once for each run of backends of one group; what is left is a few additions for each.

use super::FluidPlane;
use super::station::{NO_GROUP, Used};
use crate::traffic::endpoints::ServerLoad;

/// Reads backends while nothing else happens.
#[derive(Debug)]
pub struct FluidMeters<'p, 'm> {
    plane: &'p FluidPlane<'m>,
    /// Station and group of the backend that was read last.
    place: (u32, u32),
    /// What each backend of that group has used up to when statistics are, and since then.
    poured: Used,
    pending: Used,
    /// Requests at each that memory is counted for.
    peak: u64,
}

impl<'m> FluidPlane<'m> {
    /// Reads what backends have used.
    pub fn meters(&self) -> FluidMeters<'_, 'm> {
        let nothing = Used::default();
        FluidMeters { plane: self, place: (u32::MAX, NO_GROUP), poured: nothing, pending: nothing, peak: 0 }
    }
}

impl FluidMeters<'_, '_> {
    /// What requests have used of a pod, and the memory for those that are there: half of the time there are more, so three
    /// deviations of a Poisson number are added.
    pub fn load_of(&mut self, number: u32) -> ServerLoad {
        let before = self.turn_to(number);
        let meter = &self.plane.meters[number as usize];
        let ns = |before: f64, poured: f64, pending: f64| ((before + poured + pending) * 1e9) as u64;
        ServerLoad {
            compute_ns: ns(before.compute_s, self.poured.compute_s, self.pending.compute_s),
            throttled_ns: ns(before.throttled_s, self.poured.throttled_s, self.pending.throttled_s),
            memory_bytes: meter.memory_base + self.peak * meter.memory_per_request,
        }
    }

    /// Core-time that requests have used of a pod, in ns.
    pub fn core_ns_of(&mut self, number: u32) -> u64 {
        let before = self.turn_to(number);
        ((before.compute_s + (self.poured.compute_s + self.pending.compute_s)) * 1e9) as u64
    }

    /// Finds out about the group of a backend, unless the one that was read last was in it, too. What the backend used before
    /// it came into the group.
    #[inline]
    fn turn_to(&mut self, number: u32) -> Used {
        let meter = &self.plane.meters[number as usize];
        if self.place != (meter.station, meter.group) {
            self.look_at_group(meter.station, meter.group);
        }
        meter.used
    }

    fn look_at_group(&mut self, station: u32, group: u32) {
        self.place = (station, group);
        (self.poured, self.pending, self.peak) = (Used::default(), Used::default(), 0);
        if group != NO_GROUP {
            let group = &self.plane.stations[station as usize].groups[group as usize];
            let pending_s = self.plane.pending_s(self.plane.part_of[station as usize]);
            (self.poured, self.peak) = (group.used, group.peak);
            self.pending.add(group.rate, pending_s);
        }
    }
}
