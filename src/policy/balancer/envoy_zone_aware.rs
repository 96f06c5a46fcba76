//! `envoy-zone-aware`: as much of each zone's traffic as its backends' share allows stays in the zone, the rest goes to
//! zones with room to spare; within a zone the backends take turns.
//!
//! If a zone has at least the part of all backends that it has of all clients, all its requests stay. If it has less, the
//! part `backends / clients` of them stays, and the rest goes to other zones by how much their part of the backends
//! exceeds that of the clients. Zones are not looked at if there are fewer than `minClusterSize` backends, or fewer than
//! two zones with backends or with clients, or no clients where the request comes from.
//!
//! Parameters: `minClusterSize`, `routingEnabled`, `clients`.
//!
//! Source: Envoy's zone aware routing
//! (`source/extensions/load_balancing_policies/common/load_balancer_impl.cc`), percentages in hundredths of a percent,
//! rounded down, as there. Upstream counts the clients (members of the local cluster) itself; here they are given. Turns
//! do not know weights and begin with the first backend, and panic is not here.
//! Cost: O(zones).

use serde::Deserialize;

use super::prefer_same_zone::by_zone;
use super::round_robin::RoundRobin;
use super::{AnyBalancer, Backend, Balancer, BalancerRow, Parameter, Question};
use crate::ids::ZoneId;
use crate::policy::parameters;
use crate::rng::Stream;

pub(super) const ROW: BalancerRow = BalancerRow {
    name: "envoy-zone-aware",
    aliases: &["zone-aware"],
    summary: "as much traffic stays in its zone as the backends there can take, the rest goes where there is room",
    source: "Envoy's zone aware routing",
    parameters: &[
        Parameter {
            name: "minClusterSize",
            unit: "",
            default: "6",
            meaning: "with fewer backends zones are not looked at",
        },
        Parameter {
            name: "routingEnabled",
            unit: "%",
            default: "100",
            meaning: "part of the requests for which zones are looked at, 0 to 100",
        },
        Parameter {
            name: "clients",
            unit: "",
            default: "[]",
            meaning: "how many clients each zone has, in order of zones; empty: as many in each zone with backends",
        },
    ],
    follows_answers: false,
    asks_servers: false,
    weighs: false,
    build: |parameters| {
        let parameters: Params = parameters::read(parameters)?;
        parameters::require(parameters.routing_enabled <= 100, "`routingEnabled` must be 0 to 100")?;
        Ok(AnyBalancer::EnvoyZoneAware(Box::new(EnvoyZoneAware::new(parameters))))
    },
};

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default, rename_all = "camelCase")]
struct Params {
    min_cluster_size: usize,
    routing_enabled: u64,
    clients: Vec<u32>,
}

impl Default for Params {
    fn default() -> Self {
        Params { min_cluster_size: 6, routing_enabled: 100, clients: Vec::new() }
    }
}

/// All of something, in hundredths of a percent.
const WHOLE: u64 = 10_000;

/// A zone with backends.
#[derive(Clone, Debug)]
struct Zone {
    id: Option<ZoneId>,
    /// Which parts of the clients and of the backends it has, in hundredths of a percent.
    clients: u64,
    backends: u64,
    turns: RoundRobin,
}

impl Zone {
    /// By how much its part of the backends is the larger one.
    fn spare(&self) -> u64 {
        self.backends.saturating_sub(self.clients)
    }
}

/// See the module.
#[derive(Clone, Debug)]
pub struct EnvoyZoneAware {
    parameters: Params,
    zones: Vec<Zone>,
    all: RoundRobin,
    /// Whether there are enough backends and zones.
    is_large: bool,
}

impl EnvoyZoneAware {
    fn new(parameters: Params) -> EnvoyZoneAware {
        EnvoyZoneAware { parameters, zones: Vec::new(), all: RoundRobin::default(), is_large: false }
    }

    /// How many clients a zone with backends has.
    fn clients(&self, zone: Option<ZoneId>) -> u64 {
        let Some(zone) = zone else { return 0 };
        match self.parameters.clients.as_slice() {
            [] => 1,
            clients => clients.get(zone.index()).map_or(0, |&count| u64::from(count)),
        }
    }

    /// The zone to which a request from a zone goes; none: zones are not looked at.
    fn route(&self, from: Option<ZoneId>, stream: &mut Stream) -> Option<usize> {
        let from = from.filter(|_| self.is_large)?;
        let enabled = self.parameters.routing_enabled;
        if enabled == 0 || (enabled < 100 && stream.below(100) >= enabled) {
            return None;
        }
        let home = self.zones.iter().position(|zone| zone.id == Some(from));
        let (clients, backends) = match home {
            Some(home) => (self.zones[home].clients, self.zones[home].backends),
            None if self.clients(Some(from)) > 0 => (0, 0),
            None => return None,
        };
        if home.is_some() && clients == 0 {
            return None;
        }
        if backends > 0 && (backends >= clients || stream.below(WHOLE) < backends * WHOLE / clients) {
            return home;
        }
        let away = |place: &usize| Some(*place) != home;
        let spare: u64 = (0..self.zones.len()).filter(away).map(|place| self.zones[place].spare()).sum();
        if spare == 0 {
            // Only by rounding.
            return Some(stream.below(self.zones.len() as u64) as usize);
        }
        let mut drawn = stream.below(spare);
        (0..self.zones.len()).filter(away).find(|&place| {
            let is_here = drawn < self.zones[place].spare();
            drawn = drawn.saturating_sub(self.zones[place].spare());
            is_here
        })
    }
}

impl Balancer for EnvoyZoneAware {
    fn set_backends(&mut self, backends: &[Backend]) {
        self.all.set_backends(backends);
        let groups = by_zone(backends);
        let given = &self.parameters.clients;
        let has_clients = |group: &&(Option<ZoneId>, Vec<Backend>)| self.clients(group.0) > 0;
        let (client_zones, all_clients) = match given.as_slice() {
            [] => (groups.iter().filter(has_clients).count(), groups.iter().map(|group| self.clients(group.0)).sum()),
            given => (given.iter().filter(|&&count| count > 0).count(), given.iter().map(|&n| u64::from(n)).sum()),
        };
        self.is_large = backends.len() >= self.parameters.min_cluster_size && groups.len() > 1 && client_zones > 1;
        let zone = |(id, group): (Option<ZoneId>, Vec<Backend>)| {
            let known = self.zones.iter().find(|zone| zone.id == id).map(|zone| zone.turns.clone());
            let mut turns = known.unwrap_or_default();
            turns.set_backends(&group);
            let clients = WHOLE * self.clients(id) / u64::max(all_clients, 1);
            Zone { id, clients, backends: WHOLE * group.len() as u64 / backends.len() as u64, turns }
        };
        self.zones = groups.into_iter().map(zone).collect();
    }

    #[inline]
    fn pick(&mut self, question: &Question<'_>, stream: &mut Stream) -> Option<u32> {
        match self.route(question.zone, stream) {
            Some(place) => self.zones[place].turns.turn(),
            None => self.all.turn(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{backend, question};
    use super::*;

    /// Which part of 40 000 requests from a zone goes to each of three zones, in percent.
    fn parts(parameters: serde_json::Value, backends_of_zones: [u32; 3], from: u32) -> [f64; 3] {
        let mut balancer = ROW.build(&parameters).expect("it is right");
        let zones =
            (0..3).flat_map(|zone| std::iter::repeat_n(ZoneId(zone), backends_of_zones[zone as usize] as usize));
        let backends: Vec<Backend> =
            zones.enumerate().map(|(i, zone)| Backend { zone: Some(zone), ..backend(i as u32, 1) }).collect();
        balancer.set_backends(&backends);
        let (mut stream, mut counts) = (Stream::of_word(6), [0.0; 3]);
        for _ in 0..40_000 {
            let question = Question { zone: Some(ZoneId(from)), ..question(0) };
            let slot = balancer.pick(&question, &mut stream).expect("there are backends");
            counts[backends[slot as usize].zone.expect("it is known").index()] += 100.0 / 40_000.0;
        }
        counts
    }

    #[test]
    fn what_has_no_room_at_home_goes_where_there_is_some() {
        // Upstream's example: clients 40 %, 40 %, 20 %; backends 25 %, 50 %, 25 %. Of the first zone 62.5 % stay; the
        // rest goes to the others as 10 : 5, thus 25 % and 12.5 %. The standard deviation is 0.25 %.
        let of = |from| parts(serde_json::json!({ "clients": [2, 2, 1] }), [2, 4, 2], from);
        for (from, expected) in [(0, [62.5, 25.0, 12.5]), (1, [0.0, 100.0, 0.0]), (2, [0.0, 0.0, 100.0])] {
            let found = of(from);
            assert!((0..3).all(|zone| (found[zone] - expected[zone]).abs() < 1.2), "{from}: {found:?}");
        }
        // Clients without a backend at home: 0 : 25 : 50 exceed 0 : 25 : 25 by 25 in the last.
        let found = parts(serde_json::json!({ "clients": [2, 1, 1] }), [0, 2, 6], 0);
        assert!((found[2] - 100.0).abs() < 1e-9, "{found:?}");
    }

    #[test]
    fn small_clusters_and_strangers_do_not_look_at_zones() {
        // Five backends in turn: 1, 2 and 2 of 5; and from a zone without clients 2, 4 and 2 of 8.
        let close = |found: [f64; 3], expected: [f64; 3]| (0..3).all(|i| (found[i] - expected[i]).abs() < 1e-6);
        assert!(close(parts(serde_json::json!({}), [1, 2, 2], 0), [20.0, 40.0, 40.0]));
        assert!(close(parts(serde_json::json!({ "clients": [0, 1, 1] }), [2, 4, 2], 0), [25.0, 50.0, 25.0]));
        assert!(close(parts(serde_json::json!({ "routingEnabled": 0 }), [2, 4, 2], 0), [25.0, 50.0, 25.0]));
    }
}
