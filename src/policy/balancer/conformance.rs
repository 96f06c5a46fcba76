//! The contract, held against every row of the table of balancers.
//!
//! Backends come, go and come back with requests in flight, their slots are used again, requests are sent and answered;
//! what a row claims of itself must hold: that it does not look at answers, at servers or at weights, or that it does.

use std::collections::BTreeSet;

use super::{AnyBalancer, BALANCERS, Backend, Balancer, BalancerRow, Load, Question, find};
use crate::ids::ZoneId;
use crate::rng::{Seed, Stream, split_mix};
use crate::units::{SimDuration, SimTime};

const SEED: Seed = Seed { base: 42, replication: 0 };
const SLOTS: usize = 12;

/// What differs between two storms that are otherwise the same.
#[derive(Clone, Copy, Debug, Default)]
struct Variant {
    /// Backends weigh 1 to 4 rather than 1.
    has_weights: bool,
    /// Answers are slow and bad at times rather than quick and good.
    has_trouble: bool,
    /// Servers tell different loads rather than the same.
    has_loads: bool,
    /// The youngest requests end rather than any.
    ends_youngest: bool,
    /// Who comes to a slot may be new there.
    has_strangers: bool,
}

/// Builds a row with its defaults, except for a table whose size would take long to fill.
fn built(row: &BalancerRow) -> AnyBalancer {
    let parameters =
        if row.name == "maglev" { serde_json::json!({ "tableSize": 1021 }) } else { serde_json::json!({}) };
    row.build(&parameters).expect("the defaults are right")
}

/// What is true, whatever the balancer thinks.
struct Storm {
    stream: Stream,
    variant: Variant,
    now: SimTime,
    /// By slot: the hash of its backend's name.
    there: [Option<u64>; SLOTS],
    /// Who was in a slot before, and may come back while it has requests in flight.
    names: [u64; SLOTS],
    /// Slots of requests, in the order in which they were sent.
    in_flight: Vec<u32>,
}

impl Storm {
    fn new(entity: u64, variant: Variant) -> Storm {
        let (there, names) = ([None; SLOTS], std::array::from_fn(|slot| split_mix(slot as u64 + 7)));
        let stream = SEED.stream("test/storm", entity);
        Storm { stream, variant, now: SimTime::ZERO, there, names, in_flight: Vec::new() }
    }

    fn backends(&self) -> Vec<Backend> {
        let weight = |hash: u64| if self.variant.has_weights { 1 + (hash % 4) as u32 } else { 1 };
        let backend = |slot: u32| {
            let hash = self.there[slot as usize]?;
            Some(Backend { slot, weight: weight(hash), zone: Some(ZoneId(slot % 3)), hash })
        };
        (0..SLOTS as u32).filter_map(backend).collect()
    }

    /// Some backends come or go.
    fn change(&mut self) {
        for slot in 0..SLOTS {
            let is_free = !self.in_flight.contains(&(slot as u32));
            match self.stream.below(6) {
                0 => self.there[slot] = None,
                1 | 2 if self.there[slot].is_none() => {
                    if self.variant.has_strangers && is_free {
                        self.names[slot] = self.stream.bits();
                    }
                    self.there[slot] = Some(self.names[slot]);
                }
                _ => {}
            }
        }
        if self.stream.below(12) == 0 {
            self.there = [None; SLOTS];
        }
    }

    fn loads(&self) -> Vec<Load> {
        let load = |slot: u64| Load { in_flight: (slot * 7 % 5) as u32, latency_ns: 1000 + slot * slot };
        (0..SLOTS as u64).map(|slot| if self.variant.has_loads { load(slot) } else { Load::default() }).collect()
    }

    /// The end of some request.
    fn answer(&mut self, balancer: &mut AnyBalancer) {
        let drawn = self.stream.below(self.in_flight.len() as u64) as usize;
        let slot = self.in_flight.remove(if self.variant.ends_youngest { self.in_flight.len() - 1 } else { drawn });
        let is_bad = self.stream.below(10) == 0;
        let latency = SimDuration(1_000_000 + self.stream.below(50_000_000));
        match self.variant.has_trouble {
            true => balancer.answered(slot, latency, !is_bad, self.now),
            false => balancer.answered(slot, SimDuration(1_000_000), true, self.now),
        }
        if !self.in_flight.contains(&slot) && self.there[slot as usize].is_some() {
            balancer.became_idle(slot);
        }
    }

    fn question<'a>(&mut self, loads: &'a [Load]) -> Question<'a> {
        let zone = self.stream.below(4) as u32;
        Question { now: self.now, key: self.stream.below(1000), zone: (zone < 3).then_some(ZoneId(zone)), loads }
    }
}

/// Drives a balancer through random steps; its picks in order.
fn storm(row: &BalancerRow, entity: u64, variant: Variant) -> (Vec<Option<u32>>, AnyBalancer, Storm) {
    let mut balancer = built(row);
    let (mut truth, mut picks) = (Storm::new(entity, variant), SEED.stream("test/picks", entity));
    let mut picked = Vec::new();
    for step in 0..2000 {
        truth.now = truth.now.after(SimDuration(truth.stream.below(20_000_000)));
        match truth.stream.below(20) {
            0 => {
                truth.change();
                balancer.set_backends(&truth.backends());
            }
            1..=9 if !truth.in_flight.is_empty() => truth.answer(&mut balancer),
            _ => {
                let loads = truth.loads();
                let pick = balancer.pick(&truth.question(&loads), &mut picks);
                let known = truth.there.iter().any(Option::is_some);
                // nginx has none left when all have failed.
                let may_refuse = !known || (variant.has_trouble && row.name.starts_with("nginx-"));
                assert!(pick.is_some() || may_refuse, "{}, storm {entity}, step {step}: none of some", row.name);
                if let Some(slot) = pick {
                    let is_there = truth.there.get(slot as usize).is_some_and(Option::is_some);
                    assert!(is_there, "{}, storm {entity}, step {step}: nobody is at {slot}", row.name);
                    balancer.sent(slot, truth.now);
                    truth.in_flight.push(slot);
                }
                picked.push(pick);
            }
        }
    }
    (picked, balancer, truth)
}

#[test]
fn every_balancer_picks_who_is_there_and_the_same_again() {
    let variant =
        Variant { has_weights: true, has_trouble: true, has_loads: true, has_strangers: true, ends_youngest: false };
    for row in BALANCERS {
        for entity in 0..10 {
            let (first, ..) = storm(row, entity, variant);
            assert!(
                first.contains(&None) && first.iter().flatten().count() > 500,
                "{}: the storm tests both",
                row.name
            );
            assert_eq!(first, storm(row, entity, variant).0, "{}, storm {entity}", row.name);
        }
    }
}

#[test]
fn claims_of_what_is_not_looked_at_hold() {
    let differ = |row: &BalancerRow, variant: Variant| {
        (0..5).any(|entity| storm(row, entity, Variant::default()).0 != storm(row, entity, variant).0)
    };
    for row in BALANCERS {
        let by_answers = differ(row, Variant { has_trouble: true, ..Variant::default() })
            || differ(row, Variant { ends_youngest: true, ..Variant::default() });
        let by_loads = differ(row, Variant { has_loads: true, ..Variant::default() });
        let by_weights = differ(row, Variant { has_weights: true, ..Variant::default() });
        // What servers say of themselves is how requests fare, too.
        let found = [by_answers || by_loads, by_loads, by_weights];
        assert_eq!(found, [row.follows_answers, row.asks_servers, row.weighs], "{}", row.name);
    }
}

/// Rows that decide by counts of requests in flight and by the stream alone, while weights are equal.
const BY_COUNTS: [&str; 9] = [
    "least-request",
    "power-of-d-choices",
    "shortest-expected-delay",
    "never-queue",
    "bounded-load",
    "ipvs-lc",
    "ipvs-wlc",
    "nginx-random-two",
    "envoy-least-request",
];

#[test]
fn counts_of_requests_in_flight_are_right_after_a_storm() {
    for row in BY_COUNTS.map(|name| find(name).expect("it is in the table")) {
        for entity in 0..10 {
            let (_, mut worn, mut truth) = storm(row, entity, Variant { has_strangers: true, ..Variant::default() });
            // What is in flight at backends that have gone ends.
            let (left, gone): (Vec<u32>, Vec<u32>) =
                truth.in_flight.iter().partition(|&&slot| truth.there[slot as usize].is_some());
            gone.iter().for_each(|&slot| worn.answered(slot, SimDuration::ZERO, true, truth.now));
            let mut fresh = built(row);
            for balancer in [&mut worn, &mut fresh] {
                balancer.set_backends(&truth.backends());
            }
            left.iter().for_each(|&slot| fresh.sent(slot, truth.now));
            // Ties are ordered by history; to be told anew puts them in order of slots.
            fresh.set_backends(&truth.backends());
            for _ in 0..200 {
                let (word, question) = (truth.stream.bits(), truth.question(&[]));
                let [one, other] =
                    [&mut worn, &mut fresh].map(|balancer| balancer.pick(&question, &mut Stream::of_word(word)));
                assert_eq!(one, other, "{}, storm {entity}", row.name);
                let Some(slot) = one else { break };
                worn.sent(slot, truth.now);
                fresh.sent(slot, truth.now);
            }
        }
    }
}

fn some(weights: &[u32]) -> Vec<Backend> {
    let backend = |(slot, &weight): (usize, &u32)| {
        let hash = split_mix(slot as u64 + 99);
        Backend { slot: slot as u32, weight, zone: Some(ZoneId(slot as u32 % 2)), hash }
    };
    weights.iter().enumerate().map(backend).collect()
}

/// How many of `count` requests each backend gets, while `kept` are in flight, the oldest of which ends first.
fn shares(row: &BalancerRow, weights: &[u32], kept: usize, count: usize) -> Vec<f64> {
    let mut balancer = built(row);
    balancer.set_backends(&some(weights));
    let (mut stream, mut keys) = (SEED.stream("test/shares", 0), SEED.stream("test/keys", 0));
    let (mut in_flight, mut got) = (std::collections::VecDeque::new(), vec![0u32; weights.len()]);
    let mut loads = vec![Load::default(); weights.len()];
    for step in 0..count as u64 {
        let now = SimTime(step * 100_000);
        let zone = Some(ZoneId((step % 2) as u32));
        let slot = balancer.pick(&Question { now, key: keys.bits(), zone, loads: &loads }, &mut stream);
        let slot = slot.expect("there are backends");
        balancer.sent(slot, now);
        loads[slot as usize].in_flight += 1;
        got[slot as usize] += 1;
        in_flight.push_back((slot, now));
        while in_flight.len() > kept {
            let (slot, sent) = in_flight.pop_front().expect("it is not empty");
            balancer.answered(slot, SimDuration(now.since(sent).0 + 1), true, now);
            loads[slot as usize].in_flight -= 1;
        }
    }
    got.iter().map(|&got| f64::from(got) / count as f64).collect()
}

#[test]
fn equal_backends_get_equal_shares() {
    for row in BALANCERS {
        let shares = shares(row, &[1; 10], 60, 30_000);
        // A tenth. Rings with 103 points for each are uneven by some 10 %; tables of 256 by 4 %.
        assert!(shares.iter().all(|share| (0.075..0.13).contains(share)), "{}: {shares:?}", row.name);
    }
}

#[test]
fn shares_follow_weights_where_they_are_claimed_to() {
    for row in BALANCERS.iter().filter(|row| row.weighs) {
        // With requests in flight, deadlines after Envoy divide weights by them.
        let kept = if row.name == "envoy-least-request" || !row.follows_answers { 0 } else { 100 };
        let shares = shares(row, &[1, 2, 3, 4], kept, 30_000);
        for (share, expected) in shares.iter().zip([0.1, 0.2, 0.3, 0.4]) {
            assert!((share / expected - 1.0).abs() < 0.25, "{}: {shares:?}", row.name);
        }
    }
}

#[test]
fn backends_that_grow_and_shrink_are_found_and_left() {
    for row in BALANCERS {
        let mut balancer = built(row);
        let (mut stream, loads) = (Stream::of_word(1), vec![Load::default(); 300]);
        for count in [0, 1, 40, 3, 300, 0, 2] {
            balancer.set_backends(&some(&vec![1; count]));
            let mut found = Vec::new();
            for key in 0..60 * count as u64 + 1 {
                let zone = Some(ZoneId((key % 2) as u32));
                let question = Question { now: SimTime(key), key: split_mix(key), zone, loads: &loads };
                let pick = balancer.pick(&question, &mut stream);
                assert_eq!(pick.is_none(), count == 0, "{}", row.name);
                pick.into_iter().for_each(|slot| balancer.sent(slot, SimTime(key)));
                found.extend(pick);
            }
            let slots: BTreeSet<u32> = found.iter().copied().collect();
            // A table of 256 has no room for 300.
            let all = if row.name == "source-hash" { count.min(256) } else { count };
            assert_eq!(
                (slots.len(), slots.last().is_none_or(|&last| last < count as u32)),
                (all, true),
                "{}",
                row.name
            );
            balancer.set_backends(&[]);
            found.iter().for_each(|&slot| balancer.answered(slot, SimDuration(9), true, SimTime(100_000)));
        }
    }
}

#[test]
fn every_row_is_described_and_checks_its_parameters() {
    let mut names = BTreeSet::new();
    for row in BALANCERS {
        for name in row.aliases.iter().chain([&row.name]) {
            assert!(names.insert(*name), "{name} is there twice");
            assert_eq!(find(name).map(|found| found.name), Some(row.name), "{name}");
        }
        assert!(row.name.chars().all(|c| c.is_ascii_lowercase() || c == '-'), "{}", row.name);
        assert!(!row.summary.is_empty() && !row.source.is_empty(), "{} says nothing about itself", row.name);
        let refused = |parameters: serde_json::Value| row.build(&parameters).err();
        let why = refused(serde_json::json!({ "no-such-thing": 1 })).unwrap_or_else(|| panic!("{}", row.name));
        assert!(why.to_string().contains("no-such-thing"), "{}: {why}", row.name);
        for parameter in row.parameters {
            let given = |value: serde_json::Value| serde_json::json!({ (parameter.name): value });
            let default = serde_json::from_str(parameter.default).unwrap_or_else(|_| parameter.default.into());
            assert_eq!(refused(given(default)), None, "{}: the default of {}", row.name, parameter.name);
            for wrong in [serde_json::json!({}), serde_json::json!(-1), serde_json::json!("no")] {
                assert!(refused(given(wrong)).is_some(), "{}: {} is not checked", row.name, parameter.name);
            }
            assert!(!parameter.meaning.is_empty(), "{}: {}", row.name, parameter.name);
        }
    }
    // Words of users of kube-proxy, nginx and Envoy.
    for (word, name) in [
        ("iptables", "uniform-random"),
        ("rr", "round-robin"),
        ("wrr", "ipvs-wrr"),
        ("lc", "ipvs-lc"),
        ("sed", "shortest-expected-delay"),
        ("least_conn", "nginx-least-conn"),
        ("LEAST_REQUEST", "envoy-least-request"),
        ("MAGLEV", "maglev"),
    ] {
        assert_eq!(find(word).map(|row| row.name), Some(name));
    }
}

#[test]
fn listed_defaults_are_the_defaults() {
    for row in BALANCERS {
        let value = |text: &str| serde_json::from_str(text).unwrap_or_else(|_| serde_json::Value::from(text));
        let listed: serde_json::Map<_, _> =
            row.parameters.iter().map(|one| (one.name.to_owned(), value(one.default))).collect();
        let build = |parameters: serde_json::Value| format!("{:?}", row.build(&parameters).expect("they are right"));
        assert_eq!(build(listed.into()), build(serde_json::json!({})), "{}", row.name);
    }
}
