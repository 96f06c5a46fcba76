//! A service divides its requests among groups of its backends, such as the stable release and the canary.

use super::attempt::Outcome;
use super::plane::{DataPlane, ServiceState};
use super::statistics::Window;
use crate::ids::ServiceId;
use crate::units::SimDuration;

/// What decides which group a request goes to.
const SPLIT: u64 = 6 << 40;

impl DataPlane<'_> {
    /// From now on the requests of a service are divided among groups of its backends by weight; without groups they are not.
    pub fn set_split(&mut self, service: ServiceId, split: &[(u32, f64)]) {
        let state = &mut self.services[service.index()];
        state.split = split.iter().copied().filter(|(_, weight)| *weight > 0.0).collect();
        state.groups.retain(|(group, _)| split.iter().any(|(one, _)| one == group));
    }

    /// How requests that a group of a service answered have fared while they were divided; none: there were none.
    pub fn group(&self, service: ServiceId, group: u32) -> Option<&Window> {
        self.services[service.index()].groups.iter().find(|(one, _)| *one == group).map(|(_, window)| window)
    }

    /// That begins anew.
    pub fn begin_groups(&mut self, service: ServiceId) {
        self.services[service.index()].groups.clear();
    }

    /// The client for the group that a request goes to, at the place of another client.
    pub(super) fn group_client(&mut self, client: u32, service: ServiceId, seed: u64) -> u32 {
        let split = &self.services[service.index()].split;
        let total: f64 = split.iter().map(|(_, weight)| weight).sum();
        let mut drawn = DataPlane::step_stream(seed, SPLIT).unit() * total;
        let mut group = split[split.len() - 1].0;
        for &(one, weight) in split {
            if drawn < weight {
                group = one;
                break;
            }
            drawn -= weight;
        }
        let of_groups = &self.clients[client as usize].of_groups;
        if let Some(&(_, known)) = of_groups.iter().find(|(one, _)| *one == group) {
            return known;
        }
        let made = self.add_client(service, (u64::from(client) << 32) | u64::from(group) | (3 << 60));
        self.clients[made as usize].group = Some(group);
        self.clients[client as usize].of_groups.push((group, made));
        self.tell_clients(service);
        made
    }
}

impl ServiceState<'_> {
    /// A request that a server of the group had has ended.
    pub(super) fn note_group(&mut self, group: u32, outcome: Outcome, latency: SimDuration) {
        let position = self.groups.iter().position(|(one, _)| *one == group).unwrap_or_else(|| {
            self.groups.push((group, Window::default()));
            self.groups.len() - 1
        });
        self.groups[position].1.note(outcome, latency);
    }
}
