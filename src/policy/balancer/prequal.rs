//! `prequal`: the backend that is best by what some of them have said of themselves of late: requests in flight decide
//! who is hot, and of those who are not the one with the least latency is taken.
//!
//! With every request `probes` different backends, drawn at random, are asked for their requests in flight and their
//! latency. Answers stand in a pool, one for a backend, until they are older than `probeAge`, have been used as often as
//! they may be, or are pushed out. A backend is hot if it has more requests in flight than the quantile `quantile` of the
//! last `recentProbes` answers. If not all in the pool are hot, the cold one with the least latency is taken, otherwise
//! the one with the fewest requests in flight; the pool counts the requests that this balancer has sent since. With
//! fewer than two in the pool, any backend is taken. After that `removals` of the pool are removed, in turn the oldest
//! and the worst: the hot one with the most requests in flight, or, if none is hot, the one with the most latency.
//!
//! An answer may be used `max(1, (1 + reuse) / ((1 - poolSize / n) probes - removals))` times, where n is the number of
//! backends, rounded up or down at random to have that mean; without a limit if probes do not make up for removals.
//!
//! Parameters: `probes`, `poolSize`, `quantile`, `probeAge`, `removals`, `reuse`, `recentProbes`.
//!
//! Source: Wydrowski, Kleinberg, Rumble and Archer 2024, "Load is not what you should balance: introducing Prequal", NSDI,
//! sections 4 and 5. Here backends answer at once, and the request that asks does not yet use it. Backends report a moving
//! average of latencies in proportion to their present load rather than a median at that load. The paper does not say how many answers the quantile
//! is taken from. Its synchronous mode and its care against backends that fail fast are not here.
//! Cost: O(poolSize) a pick and O(recentProbes) a probe.

use serde::Deserialize;

use super::members::Members;
use super::power_of_d_choices::draw_another;
use super::{AnyBalancer, Backend, Balancer, BalancerRow, Load, Parameter, Question};
use crate::policy::parameters;
use crate::rng::Stream;
use crate::units::{SimDuration, SimTime};

pub(super) const ROW: BalancerRow = BalancerRow {
    name: "prequal",
    aliases: &[],
    summary: "the fastest of some probed backends that are not hot",
    source: "Wydrowski et al. 2024",
    parameters: PARAMETERS,
    follows_answers: true,
    asks_servers: true,
    weighs: false,
    build: |parameters| {
        let parameters: Params = parameters::read(parameters)?;
        let is_rate = |rate: f64| (0.0..=1000.0).contains(&rate);
        parameters::require(is_rate(parameters.probes), "`probes` must be 0 to 1000")?;
        parameters::require(is_rate(parameters.removals), "`removals` must be 0 to 1000")?;
        parameters::require(is_rate(parameters.reuse), "`reuse` must be 0 to 1000")?;
        parameters::require((0.0..=1.0).contains(&parameters.quantile), "`quantile` must be 0 to 1")?;
        parameters::require((2..=10_000).contains(&parameters.pool_size), "`poolSize` must be 2 to 10000")?;
        parameters::require((1..=10_000).contains(&parameters.recent_probes), "`recentProbes` must be 1 to 10000")?;
        Ok(AnyBalancer::Prequal(Box::new(Prequal::new(parameters))))
    },
};

const PARAMETERS: &[Parameter] = &[
    Parameter { name: "probes", unit: "", default: "3", meaning: "backends asked with every request, 0 to 1000" },
    Parameter { name: "poolSize", unit: "", default: "16", meaning: "answers kept at most, 2 to 10000" },
    Parameter {
        name: "quantile",
        unit: "",
        default: "0.8408964152537145",
        meaning: "of requests in flight, above which a backend is hot, 0 to 1; 2^-0.25",
    },
    Parameter { name: "probeAge", unit: "", default: "1s", meaning: "how old an answer may become" },
    Parameter { name: "removals", unit: "", default: "1", meaning: "answers removed with every request, 0 to 1000" },
    Parameter {
        name: "reuse",
        unit: "",
        default: "1",
        meaning: "how much more answers are used than they come, 0 to 1000",
    },
    Parameter {
        name: "recentProbes",
        unit: "",
        default: "128",
        meaning: "answers from which the quantile is taken, 1 to 10000",
    },
];

#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(deny_unknown_fields, default, rename_all = "camelCase")]
struct Params {
    probes: f64,
    pool_size: usize,
    quantile: f64,
    #[serde(deserialize_with = "parameters::duration")]
    probe_age: SimDuration,
    removals: f64,
    reuse: f64,
    recent_probes: usize,
}

impl Default for Params {
    fn default() -> Self {
        Params {
            probes: 3.0,
            pool_size: 16,
            quantile: 0.840_896_415_253_714_5,
            probe_age: SimDuration(1_000_000_000),
            removals: 1.0,
            reuse: 1.0,
            recent_probes: 128,
        }
    }
}

/// What a backend has said.
#[derive(Clone, Copy, Debug)]
struct Probe {
    slot: u32,
    load: Load,
    at: SimTime,
    uses_left: u32,
}

/// The last answers' requests in flight.
#[derive(Clone, Debug, Default)]
struct Recent {
    /// In order of their coming, the next to go at `oldest` once it is full.
    ring: Vec<u32>,
    oldest: usize,
    sorted: Vec<u32>,
}

impl Recent {
    fn push(&mut self, in_flight: u32, capacity: usize) {
        if self.ring.len() < capacity {
            self.ring.push(in_flight);
        } else {
            let gone = std::mem::replace(&mut self.ring[self.oldest], in_flight);
            self.oldest = (self.oldest + 1) % capacity;
            self.sorted.remove(self.sorted.partition_point(|&other| other < gone));
        }
        self.sorted.insert(self.sorted.partition_point(|&other| other < in_flight), in_flight);
    }

    fn quantile(&self, quantile: f64) -> u32 {
        let last = self.sorted.len().saturating_sub(1);
        self.sorted.get((last as f64 * quantile) as usize).copied().unwrap_or(u32::MAX)
    }
}

/// See the module.
#[derive(Clone, Debug)]
pub struct Prequal {
    parameters: Params,
    members: Members,
    /// The oldest first.
    pool: Vec<Probe>,
    recent: Recent,
    /// How often an answer may be used.
    uses: f64,
    /// Probes and removals that are due, as far as they are not whole.
    probes_due: f64,
    removals_due: f64,
    is_oldest_next: bool,
    /// What has been drawn for the probes of one request.
    drawn: Vec<usize>,
}

/// Adds to what is due and takes the whole part of it.
fn taken(due: &mut f64, rate: f64) -> usize {
    *due += rate;
    let whole = due.floor();
    *due -= whole;
    whole as usize
}

impl Prequal {
    fn new(parameters: Params) -> Prequal {
        Prequal {
            parameters,
            members: Members::default(),
            pool: Vec::with_capacity(parameters.pool_size + 1),
            recent: Recent::default(),
            uses: 1.0,
            probes_due: 0.0,
            removals_due: 0.0,
            is_oldest_next: true,
            drawn: Vec::new(),
        }
    }

    /// How often an answer may be used with so many backends.
    fn uses(&self, backends: usize) -> f64 {
        let Params { probes, removals, reuse, pool_size, .. } = self.parameters;
        let net = (1.0 - pool_size as f64 / backends as f64) * probes - removals;
        if net > 0.0 { f64::max(1.0, (1.0 + reuse) / net) } else { f64::from(u32::MAX) }
    }

    /// The place in the pool that the rule chooses.
    fn best(&self, limit: u32) -> Option<usize> {
        let places = || self.pool.iter().enumerate();
        let cold = places().filter(|(_, probe)| probe.load.in_flight <= limit);
        let fastest = cold.min_by_key(|(_, probe)| (probe.load.latency_ns, probe.load.in_flight));
        let least = || places().min_by_key(|(_, probe)| (probe.load.in_flight, probe.load.latency_ns));
        fastest.or_else(least).map(|(place, _)| place)
    }

    /// Takes answers out of the pool, the oldest and the worst in turn.
    fn remove(&mut self, limit: u32) {
        for _ in 0..taken(&mut self.removals_due, self.parameters.removals) {
            let places = || self.pool.iter().enumerate();
            let hottest = places()
                .filter(|(_, probe)| probe.load.in_flight > limit)
                .max_by_key(|(_, probe)| probe.load.in_flight);
            let worst = hottest.or_else(|| places().max_by_key(|(_, probe)| probe.load.latency_ns));
            let worst = worst.map(|(place, _)| place);
            if let Some(place) = if self.is_oldest_next { Some(0).filter(|_| !self.pool.is_empty()) } else { worst } {
                self.pool.remove(place);
            }
            self.is_oldest_next = !self.is_oldest_next;
        }
    }

    /// Asks some backends.
    fn probe(&mut self, question: &Question<'_>, stream: &mut Stream) {
        let count = taken(&mut self.probes_due, self.parameters.probes).min(self.members.len());
        self.drawn.clear();
        for _ in 0..count {
            let position = draw_another(&mut self.drawn, self.members.len(), stream);
            let slot = self.members.slot(position);
            let load = question.loads.get(slot as usize).copied().unwrap_or_default();
            self.recent.push(load.in_flight, self.parameters.recent_probes);
            let has_fraction = self.uses.fract() > 0.0 && stream.unit() < self.uses.fract();
            let uses_left = self.uses as u32 + u32::from(has_fraction);
            self.pool.retain(|probe| probe.slot != slot);
            self.pool.push(Probe { slot, load, at: question.now, uses_left });
            if self.pool.len() > self.parameters.pool_size {
                self.pool.remove(0);
            }
        }
    }
}

impl Balancer for Prequal {
    fn set_backends(&mut self, backends: &[Backend]) {
        let before = self.members.replace(backends);
        let members = &self.members;
        self.pool.retain(|probe| members.position(probe.slot).is_some_and(|position| before[position].is_some()));
        self.uses = self.uses(backends.len());
    }

    fn pick(&mut self, question: &Question<'_>, stream: &mut Stream) -> Option<u32> {
        if self.members.is_empty() {
            return None;
        }
        self.pool.retain(|probe| question.now.since(probe.at) <= self.parameters.probe_age);
        let limit = self.recent.quantile(self.parameters.quantile);
        let slot = match self.best(limit) {
            Some(place) if self.pool.len() > 1 => {
                let probe = &mut self.pool[place];
                let slot = probe.slot;
                probe.uses_left -= 1;
                if probe.uses_left == 0 {
                    self.pool.remove(place);
                }
                slot
            }
            _ => self.members.slot(stream.below(self.members.len() as u64) as usize),
        };
        self.remove(limit);
        self.probe(question, stream);
        Some(slot)
    }

    #[inline]
    fn sent(&mut self, slot: u32, _: SimTime) {
        if let Some(probe) = self.pool.iter_mut().find(|probe| probe.slot == slot) {
            probe.load.in_flight += 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{at, backends, question};
    use super::*;

    fn balancer(parameters: serde_json::Value, slots: u32) -> Prequal {
        let mut one = Prequal::new(parameters::read(&parameters).expect("it is right"));
        one.set_backends(&backends(&(0..slots).map(|slot| (slot, 1)).collect::<Vec<_>>()));
        one
    }

    fn probe(slot: u32, in_flight: u32, latency_ns: u64) -> Probe {
        Probe { slot, load: Load { in_flight, latency_ns }, at: at(0.0), uses_left: 2 }
    }

    #[test]
    fn cold_and_fast_before_cold_before_least_hot() {
        let mut one = balancer(serde_json::json!({}), 3);
        one.pool = vec![probe(0, 10, 1), probe(1, 2, 50), probe(2, 3, 20)];
        // (limit, chosen): cold are 1 and 2; only 1; none, and 1 has least; all.
        for (limit, chosen) in [(5, 2), (2, 1), (1, 1), (10, 0)] {
            assert_eq!(one.best(limit), Some(chosen), "{limit}");
        }
    }

    #[test]
    fn removals_take_the_oldest_and_the_worst_in_turn() {
        let mut one = balancer(serde_json::json!({}), 5);
        one.pool = vec![probe(0, 1, 1), probe(1, 9, 5), probe(2, 8, 7), probe(3, 1, 20), probe(4, 2, 10)];
        let mut left = || {
            one.remove(5);
            one.pool.iter().map(|probe| probe.slot).collect::<Vec<_>>()
        };
        // The oldest; the hottest; the oldest; none is hot: the slowest.
        assert_eq!(left(), [1, 2, 3, 4]);
        assert_eq!(left(), [2, 3, 4]);
        assert_eq!(left(), [3, 4]);
        assert_eq!(left(), [4]);
    }

    #[test]
    fn answers_are_used_as_the_paper_says() {
        // (1 - 16 / 100) 3 - 1 = 1.52 and 2 / 1.52 = 1.3158; with 1000 backends 2 / 1.952 = 1.0246; with 24 or fewer
        // probes make up for no removals: (1 - 16 / 24) 3 - 1 = 0.
        let one = balancer(serde_json::json!({}), 100);
        for (count, expected) in [(100, 1.3158), (1000, 1.0246), (1_000_000, 1.0), (24, 4_294_967_295.0)] {
            assert!((one.uses(count) - expected).abs() < 1e-4, "{count}: {}", one.uses(count));
        }
    }

    #[test]
    fn the_pool_fills_ages_and_counts_what_is_sent() {
        let mut one = balancer(serde_json::json!({ "removals": 0 }), 4);
        let loads: Vec<Load> = (0..4).map(|slot| Load { in_flight: 1, latency_ns: 10 + slot }).collect();
        let mut stream = Stream::of_word(8);
        let mut pick = |one: &mut Prequal, seconds| {
            one.pick(&Question { now: at(seconds), loads: &loads, ..question(0) }, &mut stream).expect("there are some")
        };
        // Nothing is known yet; then three of four are.
        pick(&mut one, 0.0);
        assert_eq!(one.pool.len(), 3);
        let fastest = one.pool.iter().map(|probe| (probe.load.latency_ns, probe.slot)).min();
        assert_eq!(Some(pick(&mut one, 0.5)), fastest.map(|(_, slot)| slot));
        assert!((3..=4).contains(&one.pool.len()));
        // What is sent counts until the next answer.
        let slot = one.pool[0].slot;
        one.sent(slot, at(0.5));
        assert_eq!(one.pool[0].load.in_flight, 2);
        // At 5 s nothing of that is left but what this request asks for.
        pick(&mut one, 5.0);
        assert_eq!(one.pool.len(), 3);
        assert!(one.pool.iter().all(|probe| probe.at == at(5.0)));
    }

    #[test]
    fn quantiles_are_those_of_the_last_answers() {
        let mut recent = Recent::default();
        assert_eq!(recent.quantile(0.5), u32::MAX);
        for in_flight in [9, 1, 2, 3, 4, 5] {
            recent.push(in_flight, 5);
        }
        assert_eq!([0.0, 0.5, 0.84, 1.0].map(|quantile| recent.quantile(quantile)), [1, 3, 4, 5]);
    }
}
