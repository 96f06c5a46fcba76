//! What balancers after nginx share: peers with weights that rise and fall, and that are left out after failures.
//!
//! nginx 1.31.5, `src/http/ngx_http_upstream_round_robin.c`. A failed answer takes the share `1 / maxFails` of its
//! weight from a peer, which comes back by 1 with every pick that considers it. After `maxFails` failures a peer is left
//! out for `failTimeout`; then one request tries it, whose good answer clears its failures. A single peer is never left
//! out. If all peers are left out, requests find none.
//!
//! Deviations: upstream counts time in seconds; its failures are what `proxy_next_upstream` lists (errors and timeouts,
//! answers with 5xx only if listed), here all answers that are not well. `max_conns`, `backup` and `slow_start` are not
//! here, and a request does not remember which peers it has tried.

use serde::Deserialize;

use super::members::{Members, carried};
use super::random::sums;
use super::{Backend, Parameter};
use crate::policy::parameters::{self, ParameterError};
use crate::units::{SimDuration, SimTime};

/// When peers are left out.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(deny_unknown_fields, default, rename_all = "camelCase")]
pub(super) struct FailureParameters {
    max_fails: u32,
    #[serde(deserialize_with = "parameters::duration")]
    fail_timeout: SimDuration,
}

impl Default for FailureParameters {
    fn default() -> Self {
        FailureParameters { max_fails: 1, fail_timeout: SimDuration(10_000_000_000) }
    }
}

/// The parameters of [`Peers`] as rows list them.
pub(super) const FAILURE_PARAMETERS: &[Parameter] = &[
    Parameter {
        name: "maxFails",
        unit: "",
        default: "1",
        meaning: "failed answers after which a backend is left out; 0: never",
    },
    Parameter {
        name: "failTimeout",
        unit: "",
        default: "10s",
        meaning: "how long it is left out, and until when failures are remembered",
    },
];

impl FailureParameters {
    /// No peer is ever left out, nor does a failure cost weight.
    pub(super) const NONE: FailureParameters = FailureParameters { max_fails: 0, fail_timeout: SimDuration::ZERO };

    pub(super) fn read(parameters: &serde_json::Value) -> Result<FailureParameters, ParameterError> {
        parameters::read(parameters)
    }
}

/// How a peer fared.
#[derive(Clone, Debug, Default)]
struct Record {
    fails: u32,
    accessed: SimTime,
    checked: SimTime,
}

/// See the module.
#[derive(Clone, Debug)]
pub(super) struct Peers {
    failure: FailureParameters,
    members: Members,
    weights: Vec<i64>,
    current: Vec<i64>,
    effective: Vec<i64>,
    records: Vec<Record>,
    /// Sums of weights up to each peer.
    sums: Vec<u64>,
    /// Whether some peer has failed, or has not its whole weight back.
    is_troubled: bool,
}

impl Peers {
    pub(super) fn new(failure: FailureParameters) -> Peers {
        Peers {
            failure,
            members: Members::default(),
            weights: Vec::new(),
            current: Vec::new(),
            effective: Vec::new(),
            records: Vec::new(),
            sums: Vec::new(),
            is_troubled: false,
        }
    }

    pub(super) fn replace(&mut self, backends: &[Backend]) {
        let before = self.members.replace(backends);
        let lost: Vec<i64> = self.weights.iter().zip(&self.effective).map(|(weight, left)| weight - left).collect();
        self.weights = backends.iter().map(|backend| i64::from(backend.weight)).collect();
        self.effective = carried(&lost, &before, &0);
        self.effective.iter_mut().zip(&self.weights).for_each(|(lost, &weight)| *lost = (weight - *lost).max(0));
        self.sums = sums(backends);
        self.current = carried(&self.current, &before, &0);
        self.records = carried(&self.records, &before, &Record::default());
        self.is_troubled = (0..backends.len()).any(|position| self.is_in_trouble(position));
    }

    /// Whether a peer has failed, or has not its whole weight back.
    #[inline]
    fn is_in_trouble(&self, position: usize) -> bool {
        self.records[position].fails > 0 || self.effective[position] < self.weights[position]
    }

    #[inline]
    pub(super) fn members(&self) -> &Members {
        &self.members
    }

    /// Sums of weights up to each peer.
    #[inline]
    pub(super) fn sums(&self) -> &[u64] {
        &self.sums
    }

    /// Whether a peer is not left out.
    #[inline]
    pub(super) fn is_usable(&self, position: usize, now: SimTime) -> bool {
        if !self.is_troubled || self.members.len() < 2 {
            return true;
        }
        let record = &self.records[position];
        let max_fails = self.failure.max_fails;
        max_fails == 0 || record.fails < max_fails || now.since(record.checked) > self.failure.fail_timeout
    }

    /// Notes that a request goes to a peer: if its last failure is long ago, this request tries it.
    #[inline]
    pub(super) fn chosen(&mut self, position: usize, now: SimTime) -> u32 {
        if self.is_troubled && now.since(self.records[position].checked) > self.failure.fail_timeout {
            self.records[position].checked = now;
        }
        self.members.slot(position)
    }

    /// Smooth weighted round robin: all peers gain their weight, and the one that then has most pays for all.
    #[inline]
    pub(super) fn round_robin(&mut self, now: SimTime) -> Option<u32> {
        let best = match self.members.len() {
            0 => return None,
            1 => 0,
            _ if self.is_troubled => self.turn_among(now, |_| true)?,
            _ => self.quick_turn(),
        };
        Some(self.chosen(best, now))
    }

    /// As [`Self::turn_among`] all peers, while none is in trouble: two passes over dense columns.
    fn quick_turn(&mut self) -> usize {
        let mut most = i64::MIN;
        for (current, &weight) in self.current.iter_mut().zip(&self.weights) {
            *current += weight;
            most = most.max(*current);
        }
        let best = self.current.iter().position(|&current| current == most).unwrap_or(0);
        self.current[best] -= self.sums[self.sums.len() - 1] as i64;
        best
    }

    /// The turn among usable peers with some property.
    pub(super) fn turn_among(&mut self, now: SimTime, is_candidate: impl Fn(usize) -> bool) -> Option<usize> {
        let (mut best, mut gained, mut is_troubled) = (None::<usize>, 0, false);
        for position in 0..self.members.len() {
            is_troubled |= self.is_in_trouble(position);
            if !is_candidate(position) || !self.is_usable(position, now) {
                continue;
            }
            self.current[position] += self.effective[position];
            gained += self.effective[position];
            if self.effective[position] < self.weights[position] {
                self.effective[position] += 1;
            }
            if best.is_none_or(|best| self.current[position] > self.current[best]) {
                best = Some(position);
            }
        }
        self.is_troubled = is_troubled;
        self.current[best?] -= gained;
        best
    }

    /// A request to a slot has ended.
    #[inline]
    pub(super) fn answered(&mut self, slot: u32, is_well: bool, now: SimTime) {
        if (is_well && !self.is_troubled) || self.failure.max_fails == 0 {
            return;
        }
        let Some(position) = self.members.position(slot) else { return };
        let record = &mut self.records[position];
        if self.members.len() == 1 {
            record.fails = 0;
        } else if is_well {
            if record.accessed < record.checked {
                record.fails = 0;
            }
        } else {
            *record = Record { fails: record.fails + 1, accessed: now, checked: now };
            let loss = self.weights[position] / i64::from(self.failure.max_fails);
            self.effective[position] = (self.effective[position] - loss).max(0);
            self.is_troubled = true;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{at, backends};
    use super::*;

    fn turns(peers: &mut Peers, now: SimTime, count: usize) -> Vec<Option<u32>> {
        (0..count).map(|_| peers.round_robin(now)).collect()
    }

    #[test]
    fn a_heavy_peer_is_interleaved() {
        let mut peers = Peers::new(FailureParameters::NONE);
        peers.replace(&backends(&[(0, 5), (1, 1), (2, 1)]));
        // 5 1 1 -> 0; 3 2 2 -> 0; 1 3 3 -> 1; 6 -3 4 -> 0; 4 -2 5 -> 2; 9 -1 -1 -> 0; 7 0 0 -> 0; and again.
        assert_eq!(turns(&mut peers, at(0.0), 8), [0, 0, 1, 0, 2, 0, 0, 0].map(Some));
    }

    #[test]
    fn the_quick_turn_is_the_turn() {
        let (mut quick, mut slow) = (Peers::new(FailureParameters::NONE), Peers::new(FailureParameters::default()));
        let weights: Vec<(u32, u32)> = (0..9).map(|slot| (slot, 1 + slot * slot % 7)).collect();
        for peers in [&mut quick, &mut slow] {
            peers.replace(&backends(&weights));
        }
        for _ in 0..500 {
            slow.is_troubled = true;
            assert_eq!(quick.round_robin(at(1.0)), slow.round_robin(at(1.0)));
        }
    }

    #[test]
    fn a_failed_peer_is_left_out_and_comes_back_slowly() {
        let mut peers = Peers::new(FailureParameters::default());
        peers.replace(&backends(&[(0, 2), (1, 2)]));
        assert_eq!(turns(&mut peers, at(0.0), 2), [0, 1].map(Some));
        peers.answered(0, false, at(1.0));
        // Left out until 10 s have passed since its failure.
        assert_eq!(turns(&mut peers, at(11.0), 2), [1, 1].map(Some));
        // At 11.5 s it has effective weight 0, which grows by 1 a turn: 0 2 -> 1 (gained 2: 0 0); 1 2 -> 1 (3: 1 -1);
        // 3 1 -> 0, which tries it: no second request until the answer.
        assert_eq!(turns(&mut peers, at(11.5), 3), [1, 1, 0].map(Some));
        assert_eq!(turns(&mut peers, at(11.6), 2), [1, 1].map(Some));
        peers.answered(0, true, at(11.7));
        assert!(turns(&mut peers, at(11.8), 2).contains(&Some(0)));
    }

    #[test]
    fn when_all_have_failed_there_is_none_but_a_single_peer_always_is() {
        let mut peers = Peers::new(FailureParameters::default());
        peers.replace(&backends(&[(0, 1), (1, 1)]));
        peers.answered(0, false, at(1.0));
        peers.answered(1, false, at(1.0));
        assert_eq!(peers.round_robin(at(2.0)), None);
        peers.replace(&backends(&[(1, 1)]));
        assert_eq!(peers.round_robin(at(2.0)), Some(1));
    }

    #[test]
    fn what_was_lost_stays_lost_when_weights_change() {
        let mut peers = Peers::new(FailureParameters { max_fails: 2, ..FailureParameters::default() });
        peers.replace(&backends(&[(0, 4), (1, 4), (2, 4)]));
        // A half of 4 is lost; of a new weight of 7 there are 5 left, of one of 1 nothing.
        peers.answered(0, false, at(1.0));
        peers.answered(2, false, at(1.0));
        peers.replace(&backends(&[(0, 7), (1, 9), (2, 1), (3, 2)]));
        assert_eq!(peers.effective, [5, 9, 0, 2]);
    }
}
