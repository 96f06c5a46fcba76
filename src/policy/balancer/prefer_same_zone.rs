//! `prefer-same-zone`: any backend of the client's zone; if there is none, if the client is in no zone or if some backend's
//! zone is unknown, any backend.
//!
//! Parameters: `then`.
//!
//! Source: kube-proxy of Kubernetes v1.37.0 `pkg/proxy/topology.go` with a Service whose `trafficDistribution` is
//! `PreferSameZone` (formerly `PreferClose`), where every endpoint is hinted to its own zone. Hints by share of CPU
//! (topology mode `Auto`) and `PreferSameNode` are not here.
//! Cost: O(log zones) and that of the rule within the zone.

use serde::Deserialize;

use super::random::Random;
use super::round_robin::RoundRobin;
use super::{AnyBalancer, Backend, Balancer, BalancerRow, Parameter, Question};
use crate::ids::ZoneId;
use crate::policy::parameters;
use crate::rng::Stream;

pub(super) const ROW: BalancerRow = BalancerRow {
    name: "prefer-same-zone",
    aliases: &["PreferSameZone", "PreferClose"],
    summary: "any backend of the client's zone, if there is one",
    source: "kube-proxy v1.37.0, trafficDistribution PreferSameZone",
    parameters: &[Parameter {
        name: "then",
        unit: "",
        default: "random",
        meaning: "which of them: random (iptables, nftables) or roundRobin (IPVS rr)",
    }],
    follows_answers: false,
    asks_servers: false,
    weighs: false,
    build: |parameters| {
        let Params { then } = parameters::read(parameters)?;
        Ok(AnyBalancer::PreferSameZone(Box::new(PreferSameZone { then, zones: Vec::new(), all: then.group() })))
    },
};

#[derive(Clone, Copy, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
enum Then {
    #[default]
    Random,
    RoundRobin,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Params {
    then: Then,
}

impl Then {
    fn group(self) -> Group {
        match self {
            Then::Random => Group::Random(Random::new(false)),
            Then::RoundRobin => Group::RoundRobin(RoundRobin::default()),
        }
    }
}

/// Backends among which it does not matter where they are.
#[derive(Clone, Debug)]
enum Group {
    Random(Random),
    RoundRobin(RoundRobin),
}

impl Group {
    fn set_backends(&mut self, backends: &[Backend]) {
        match self {
            Group::Random(one) => one.set_backends(backends),
            Group::RoundRobin(one) => one.set_backends(backends),
        }
    }

    #[inline]
    fn pick(&mut self, question: &Question<'_>, stream: &mut Stream) -> Option<u32> {
        match self {
            Group::Random(one) => one.pick(question, stream),
            Group::RoundRobin(one) => one.pick(question, stream),
        }
    }
}

/// See the module.
#[derive(Clone, Debug)]
pub struct PreferSameZone {
    then: Then,
    /// In order of zones; empty: some backend's zone is unknown.
    zones: Vec<(ZoneId, Group)>,
    all: Group,
}

/// The backends of each zone, in order of zones; those whose zone is unknown first.
pub(super) fn by_zone(backends: &[Backend]) -> Vec<(Option<ZoneId>, Vec<Backend>)> {
    let mut sorted = backends.to_vec();
    sorted.sort_by_key(|backend| backend.zone);
    sorted.chunk_by(|a, b| a.zone == b.zone).map(|group| (group[0].zone, group.to_vec())).collect()
}

impl Balancer for PreferSameZone {
    fn set_backends(&mut self, backends: &[Backend]) {
        self.all.set_backends(backends);
        let before = std::mem::take(&mut self.zones);
        if backends.iter().any(|backend| backend.zone.is_none()) {
            return;
        }
        for (zone, backends) in by_zone(backends).into_iter().filter_map(|(zone, group)| Some((zone?, group))) {
            let known = before.iter().find(|(other, _)| *other == zone);
            let mut group = known.map_or_else(|| self.then.group(), |(_, group)| group.clone());
            group.set_backends(&backends);
            self.zones.push((zone, group));
        }
    }

    #[inline]
    fn pick(&mut self, question: &Question<'_>, stream: &mut Stream) -> Option<u32> {
        let place = question.zone.and_then(|zone| self.zones.binary_search_by_key(&zone, |&(zone, _)| zone).ok());
        let group = place.map_or(&mut self.all, |place| &mut self.zones[place].1);
        group.pick(question, stream)
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{backend, question};
    use super::*;

    #[test]
    fn zones_are_kept_to_while_all_are_known() {
        let mut balancer = ROW.build(&serde_json::json!({ "then": "roundRobin" })).expect("it is right");
        let of = |slot, zone| Backend { zone, ..backend(slot, 1) };
        let (a, b, c) = (Some(ZoneId(0)), Some(ZoneId(1)), Some(ZoneId(2)));
        let mut stream = Stream::of_word(0);
        let mut picks = |balancer: &mut AnyBalancer, zone| {
            [(); 4].map(|()| balancer.pick(&Question { zone, ..question(0) }, &mut stream).expect("there are backends"))
        };
        balancer.set_backends(&[of(0, a), of(1, b), of(2, a), of(3, b)]);
        assert_eq!(picks(&mut balancer, a), [0, 2, 0, 2]);
        assert_eq!(picks(&mut balancer, b), [1, 3, 1, 3]);
        // No backend is there, or the client is nowhere: all of them.
        assert_eq!(picks(&mut balancer, c), [0, 1, 2, 3]);
        assert_eq!(picks(&mut balancer, None), [0, 1, 2, 3]);
        balancer.set_backends(&[of(0, a), of(1, b), of(2, None)]);
        assert_eq!(picks(&mut balancer, a), [0, 1, 2, 0]);
    }
}
