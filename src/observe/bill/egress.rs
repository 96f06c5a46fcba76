//! Bytes of requests and answers that leave a zone, a region or the provider, put into the ledger.
//!
//! Whoever answers pays for both messages, as who calls may be many. A zone where no machine can stand is outside, and so are
//! clients and servers that are in no zone; what comes from outside costs nothing, and neither does what machines of one's own
//! send.
//!
//! Cost: O(ways between zones) a look, once a month of the run and at its end.

use std::collections::BTreeMap;

use crate::ids::ServiceId;
use crate::model::billing::{Egress, Place};
use crate::model::traffic::Backends;
use crate::observe::ledger::MONTH;
use crate::traffic::{Carried, End, Way};
use crate::units::SimTime;
use crate::world::View;

/// The bytes that are in the ledger already.
#[derive(Clone, Debug, Default)]
pub(super) struct Billed {
    so_far: BTreeMap<Way, [u64; 2]>,
    /// The month of the last look.
    month: u64,
}

/// Bytes that are to be paid for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Leaving {
    pub(super) service: ServiceId,
    pub(super) region: u32,
    pub(super) to: Egress,
    pub(super) bytes: u64,
}

impl Billed {
    /// Whether a month has ended since the last look.
    pub(super) fn is_due(&self, now: SimTime) -> bool {
        now.0 / MONTH.0 > self.month
    }

    /// What is to be paid for since the last look, and an instant of the month that it belongs to: the one of that look, as the
    /// next is due with the first window of another.
    pub(super) fn look(
        &mut self,
        carried: &Carried,
        places: &[Option<Place>],
        now: SimTime,
    ) -> (SimTime, Vec<Leaving>) {
        let at = SimTime(self.month * MONTH.0);
        self.month = now.0 / MONTH.0;
        let mut found = Vec::new();
        for (way, bytes) in carried.ways() {
            let before = std::mem::replace(self.so_far.entry(way).or_default(), bytes);
            for (from, to, position) in [(way.caller, way.server, 0), (way.server, way.caller, 1)] {
                let bytes = bytes[position] - before[position];
                if bytes > 0
                    && let Some((region, to)) = leaving(places, from, to)
                {
                    found.push(Leaving { service: way.service, region, to, bytes });
                }
            }
        }
        (at, found)
    }
}

/// The region that bytes leave, and where they go; none: they cost nothing.
fn leaving(places: &[Option<Place>], from: End, to: End) -> Option<(u32, Egress)> {
    let here = place(places, from)?;
    let there = place(places, to);
    let leaves = match there {
        _ if here.is_own => return None,
        None => Egress::Internet,
        Some(place) if place.is_own => Egress::Internet,
        Some(place) if place.region != here.region => Egress::Region,
        Some(_) if from.zone != to.zone => Egress::Zone,
        Some(_) => return None,
    };
    Some((here.region, leaves))
}

/// The last place is that of nodes without a zone.
fn place(places: &[Option<Place>], end: End) -> Option<Place> {
    match end.zone {
        Some(zone) => places[zone.index()],
        None if end.is_pod => places[places.len() - 1],
        None => None,
    }
}

/// Who answers for a service: the namespace and the workload of its pods; none: nobody in the cluster.
pub(super) fn answerer<'v>(view: &View<'v>, service: ServiceId) -> Option<(&'v str, &'v str)> {
    let Backends::Pods(classes) = &view.model.traffic.services[service.index()].backends else { return None };
    let first = *classes.first()?;
    let class = view.class(first);
    let mut controllers = view.model.controllers.list.iter();
    let controller = controllers.find(|one| one.templates.iter().any(|template| template.classes.contains(&first)));
    Some((&class.spec.namespace, controller.map_or(&class.template, |one| &one.name)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ids::ZoneId;

    /// Zones 0 and 1 in one region, 2 in another, 3 of one's own, 4 without machines; nodes without a zone in region 0.
    fn places() -> Vec<Option<Place>> {
        let region = |region| Some(Place { region, is_own: false });
        vec![region(0), region(0), region(1), Some(Place { region: 2, is_own: true }), None, region(0)]
    }

    fn pod(zone: u32) -> End {
        End { is_pod: true, zone: Some(ZoneId(zone)) }
    }

    fn client(zone: Option<u32>) -> End {
        End { is_pod: false, zone: zone.map(ZoneId) }
    }

    /// Windows of 7 s do not end with the month, which is 2 628 000 s long: what the one carried that goes beyond belongs to the
    /// month before.
    #[test]
    fn bytes_belong_to_the_month_in_which_they_began_to_be_counted() {
        let (carried, seconds) = (Carried::default(), |count: u64| SimTime(count * 1_000_000_000));
        let mut billed = Billed::default();
        assert!(!billed.is_due(seconds(2_627_996)) && billed.is_due(seconds(2_628_003)));
        assert_eq!(billed.look(&carried, &places(), seconds(2_628_003)), (SimTime::ZERO, Vec::new()));
        assert!(!billed.is_due(seconds(2_628_010)));
        assert_eq!(billed.look(&carried, &places(), seconds(2_700_000)), (seconds(2_628_000), Vec::new()));
    }

    #[test]
    fn bytes_cost_by_where_they_go() {
        let nowhere = End { is_pod: true, zone: None };
        for (from, to, expected) in [
            (pod(0), pod(0), None),
            (pod(0), pod(1), Some((0, Egress::Zone))),
            (pod(0), pod(2), Some((0, Egress::Region))),
            (pod(2), pod(0), Some((1, Egress::Region))),
            (pod(0), pod(3), Some((0, Egress::Internet))),
            (pod(3), pod(0), None),
            (pod(2), client(None), Some((1, Egress::Internet))),
            (pod(0), client(Some(4)), Some((0, Egress::Internet))),
            (pod(0), client(Some(1)), Some((0, Egress::Zone))),
            (client(None), pod(0), None),
            (client(Some(4)), pod(0), None),
            (nowhere, client(None), Some((0, Egress::Internet))),
            (nowhere, nowhere, None),
        ] {
            assert_eq!(leaving(&places(), from, to), expected, "{from:?} to {to:?}");
        }
    }
}
