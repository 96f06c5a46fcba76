//! Backends that are alike are put into groups.
//!
//! Cost: O(backends of a station) each time, some 20 ns for each; where nodes are crowded, as many times more as there are
//! neighbours.

use std::collections::BTreeMap;

use super::FluidPlane;
use super::queue::Spread;
use super::station::{Group, Kind, Meter, NO_GROUP};
use crate::ids::ZoneId;
use crate::traffic::server::State;
use crate::units::SimDuration;

/// Groups are made anew when what backends use has changed by that part, where it matters to others on their nodes.
pub(super) const DRIFT: f64 = 0.1;

/// Numbers that differ by less than a tenth are alike.
fn level(value: f64) -> i64 {
    if value.is_finite() { libm::round(8.0 * libm::log2(value.max(1e-3))) as i64 } else { i64::MAX }
}

/// What backends of a group have in common: their kind, and levels of what need not be the same.
type Likeness = (u32, [i64; 2]);

/// The level of the last value, which the next one often has, too.
#[derive(Clone, Copy, Debug)]
struct Level {
    value: f64,
    level: i64,
}

impl Level {
    fn new() -> Level {
        Level { value: 1.0, level: level(1.0) }
    }

    fn of(&mut self, value: f64) -> i64 {
        if value != self.value {
            *self = Level { value, level: level(value) };
        }
        self.level
    }
}

impl FluidPlane<'_> {
    /// Makes groups anew where something has changed.
    pub(super) fn regroup(&mut self, part: usize) {
        for position in 0..self.parts[part].stations.len() {
            let station = self.parts[part].stations[position];
            if self.stations[station].is_changed {
                self.settle_servers(station);
                self.make_groups(station);
            }
        }
        if !self.parts[part].gone.is_empty() {
            self.forget_gone(part);
        }
    }

    /// Servers take with them what they have used and what waits at them.
    fn settle_servers(&mut self, station: usize) {
        for &number in &self.members[station] {
            let meter = &mut self.meters[number as usize];
            let Some(group) = meter.group() else { continue };
            let group = &self.stations[station].groups[group];
            meter.group = NO_GROUP;
            meter.used.compute_s += group.used.compute_s;
            meter.used.throttled_s += group.used.throttled_s;
            meter.cores_used = group.rate.compute_s;
            meter.queue = group.queue;
        }
    }

    fn make_groups(&mut self, number: usize) {
        let (members, dead) = self.taking(number);
        let (mut groups, places) = self.alike(number, &members);
        let state = &self.stations[number];
        let is_shared = state.spread == Spread::Shared;
        let total = if is_shared { state.waiting_now() } else { groups.iter().map(|group| group.queue).sum::<f64>() };
        for group in &mut groups {
            group.cores /= group.count;
            // What waits where the balancer evens out is shared by all.
            group.queue = if state.pools() { total / members.len() as f64 } else { group.queue / group.count };
        }
        let before = std::mem::take(&mut self.members[number]);
        for &server in &before {
            let meter = &mut self.meters[server as usize];
            (meter.cores_used, meter.queue) = (0.0, 0.0);
        }
        for (&member, &place) in members.iter().zip(&places) {
            let meter = &mut self.meters[member as usize];
            (meter.group, meter.cores_used, meter.queue) = (place, 0.0, 0.0);
        }
        if members != before {
            self.stations[number].zones = self.zones_of(&members);
            self.part_mut(number).has_moved = true;
        }
        let state = &mut self.stations[number];
        state.held = if members.is_empty() && is_shared { total } else { 0.0 };
        (state.groups, state.dead, state.is_changed) = (groups, dead, false);
        state.grouped_at = f64::NAN;
        self.members[number] = members;
    }

    /// Backends of a station that clients know and that take requests, and which part of the known ones does not.
    fn taking(&self, number: usize) -> (Vec<u32>, f64) {
        let state = &self.stations[number];
        let listed = if state.model.has_shared_queue { &state.ready } else { &state.known };
        let takes = |&server: &u32| match self.servers[server].state {
            _ if self.servers[server].opens_at > self.now => false,
            State::Open => true,
            State::Ending { told_at, refuses } => !refuses || self.now < told_at,
            State::Gone => false,
        };
        let mut members = Vec::with_capacity(listed.len());
        members.extend(listed.iter().copied().filter(takes));
        let dead = 1.0 - members.len() as f64 / (listed.len() as f64).max(1.0);
        (members, dead)
    }

    /// Groups of backends that are alike, with sums of what they have, and the group of each.
    fn alike(&self, number: usize, members: &[u32]) -> (Vec<Group>, Vec<u32>) {
        let state = &self.stations[number];
        let (has_quota, pools) = (state.model.server.quota_period > SimDuration::ZERO, state.pools());
        let mut groups: Vec<Group> = Vec::new();
        let mut known: BTreeMap<Likeness, u32> = BTreeMap::new();
        let mut places = Vec::with_capacity(members.len());
        let mut levels = [Level::new(), Level::new()];
        // Most are like the one before.
        let mut last = None;
        for &member in members {
            let meter = &self.meters[member as usize];
            let share = self.node_share(member, meter);
            let cores = meter.limit.min(share);
            let waiting = if pools { 0 } else { levels[1].of(1.0 + meter.queue) };
            let likeness = (meter.kind, [levels[0].of(cores), waiting]);
            let place = match last {
                Some((known, place)) if known == likeness => place,
                _ => *known.entry(likeness).or_insert_with(|| {
                    let Kind { speed, weight, failure, release } = self.kinds[meter.kind as usize];
                    groups.push(Group { speed, weight, failure, release, ..Group::default() });
                    groups.len() as u32 - 1
                }),
            };
            last = Some((likeness, place));
            let group = &mut groups[place as usize];
            group.count += 1.0;
            group.cores += cores;
            group.has_quota |= has_quota && meter.limit.is_finite() && meter.limit <= share;
            group.queue += meter.queue;
            places.push(place);
        }
        (groups, places)
    }

    fn zones_of(&self, members: &[u32]) -> Vec<(Option<ZoneId>, f64)> {
        let mut counts: Vec<(Option<ZoneId>, f64)> = Vec::new();
        for &member in members {
            let zone = self.servers[member].zone;
            match counts.iter_mut().find(|(known, _)| *known == zone) {
                Some((_, count)) => *count += 1.0,
                None => counts.push((zone, 1.0)),
            }
        }
        counts.sort_unstable_by_key(|(zone, _)| *zone);
        counts.iter_mut().for_each(|(_, count)| *count /= members.len() as f64);
        counts
    }

    /// Cores that a server can have of its node: its share by weight, or what the others leave; where the first is as much as its
    /// limit it may be more than is said.
    fn node_share(&self, number: u32, meter: &Meter) -> f64 {
        let Some(node) = self.nodes.get(meter.node as usize) else { return f64::INFINITY };
        if !node.cores.is_finite() {
            return f64::INFINITY;
        }
        let by_weight = node.cores * meter.cpu_weight / node.weight.max(1e-12);
        if by_weight >= meter.limit {
            return by_weight;
        }
        let mut others = 0.0;
        for &one in &node.servers {
            if one != number {
                let other = &self.meters[one as usize];
                // Those of a station whose groups are being made are in none.
                others += match other.group() {
                    Some(group) => self.stations[other.station as usize].groups[group].rate.compute_s,
                    None => other.cores_used,
                };
            }
        }
        by_weight.max(node.cores - others)
    }

    /// Whether groups fit no more: nodes are used otherwise than when they were made, or what kept groups apart is gone.
    pub(super) fn look_at_groups(&mut self, part: usize) {
        let (mut has_drifted, mut has_drained) = (false, false);
        for &station in &self.parts[part].stations {
            let state = &mut self.stations[station];
            let used = state.groups.iter().map(|group| group.rate.compute_s).fold(0.0, f64::max);
            if state.grouped_at.is_nan() {
                state.grouped_at = used;
            }
            has_drifted |= (used - state.grouped_at).abs() > DRIFT * state.grouped_at.max(0.01);
            let waits = |group: &Group| group.queue > 1.0;
            if state.groups.len() > 1 && state.was_waiting && !state.groups.iter().any(waits) {
                state.is_changed = true;
                has_drained = true;
            }
            state.was_waiting = state.groups.iter().any(waits);
        }
        self.parts[part].has_news_of_groups |= has_drained;
        if has_drifted && !self.nodes.is_empty() {
            // Others on their nodes notice it when their steps end.
            let end = self.end_of_step();
            for (station, state) in self.stations.iter_mut().enumerate().filter(|(_, state)| !state.ready.is_empty()) {
                state.is_changed = true;
                let part = &mut self.parts[self.part_of[station]];
                part.has_news_of_groups = true;
                part.holds_until = part.holds_until.min(end);
            }
        }
    }
}
