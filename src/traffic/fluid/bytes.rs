//! What messages carry, by zones, where their sizes are known.

use super::FluidPlane;
use super::flow::{LinkFlow, let_in};
use super::graph::Origin;
use crate::ids::ZoneId;
use crate::model::traffic::Backends;
use crate::traffic::carried::{End, Way};

impl FluidPlane<'_> {
    /// Counts the bytes that flowed in a time over the links of a part.
    pub(super) fn pour_bytes(&mut self, part: usize, span_s: f64) {
        for position in 0..self.parts[part].links.len() {
            let link = self.parts[part].links[position];
            for at in 0..self.links[link].targets.len() {
                self.pour_bytes_to(link, at, span_s);
            }
        }
    }

    fn pour_bytes_to(&mut self, link: usize, at: usize, span_s: f64) {
        let node = &self.graph.nodes[self.graph.links[link].targets[at].node];
        let (service, sizes) = (node.target.service, node.operation.sizes);
        let served = self.served_a_second(&self.links[link], at, service.index()) * span_s;
        if !sizes.are_known() || served <= 0.0 {
            return;
        }
        let is_pod = |service: usize| matches!(self.traffic.services[service].backends, Backends::Pods(_));
        let is_called_by_pod = match self.graph.links[link].origin {
            Origin::Source(..) => false,
            Origin::Node(node) => is_pod(self.graph.nodes[node].target.service.index()),
        };
        for (caller, server, share) in self.zones_between(link, at) {
            let way = Way {
                service,
                caller: End { is_pod: is_called_by_pod, zone: caller },
                server: End { is_pod: is_pod(service.index()), zone: server },
            };
            self.carried.add(way, sizes, served * share);
        }
    }

    /// Requests a second that come over a link to a target of it and are served, whether anybody still waits for the answer or
    /// not.
    fn served_a_second(&self, link: &LinkFlow, at: usize, service: usize) -> f64 {
        let station = &self.stations[self.graph.station_of[service]].flow;
        let let_in = (1.0 - self.guards[service]) * let_in(station);
        link.rate * link.targets[at].share * link.calls.attempts * let_in * station.passing
    }

    /// Zones of callers over a link and of servers of one of its targets, with the part of the requests that goes between them.
    pub(super) fn zones_between(&self, link: usize, at: usize) -> Vec<(Option<ZoneId>, Option<ZoneId>, f64)> {
        let service = self.graph.nodes[self.graph.links[link].targets[at].node].target.service.index();
        let to = &self.stations[self.graph.station_of[service]].zones;
        let own;
        let from = match self.graph.links[link].origin {
            Origin::Source(source, _) => {
                own = vec![(self.inflows[source].model.zone, 1.0)];
                &own
            }
            Origin::Node(node) => {
                let caller = self.graph.nodes[node].target.service.index();
                &self.stations[self.graph.station_of[caller]].zones
            }
        };
        let is_near = self.traffic.services[service].balancer.name.contains("zone");
        let mut found = Vec::with_capacity(from.len() * to.len());
        for (one, part) in from {
            let own_zone = to.iter().any(|(other, _)| other == one && one.is_some());
            for (other, share) in to {
                let share = match (is_near && own_zone, one == other) {
                    (true, true) => 1.0,
                    (true, false) => 0.0,
                    (false, _) => *share,
                };
                found.push((*one, *other, part * share));
            }
        }
        found
    }
}
