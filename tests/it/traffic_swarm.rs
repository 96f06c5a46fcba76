//! Random traffic under all checks of the data plane.
//!
//! After every slice of time: what the plane keeps agrees with the attempts there are (so that no server is above its
//! workers), Little's law holds exactly for every service, and every request of a source has ended once or is in flight.
//! When no more come, all end, and nothing is left in flight anywhere. A second run with other slices gives the same
//! bytes.
//!
//! A seed that fails is printed; `WAVETANK_SWARM_SEED=<seed> cargo test --test it traffic_swarm` runs it alone, and
//! `WAVETANK_SWARM_COUNT` changes how many there are.
#![allow(clippy::disallowed_methods, reason = "tests look at the environment")]

use std::collections::BTreeMap;
use std::fmt::Write;
use std::panic::{AssertUnwindSafe, catch_unwind};

use super::random_traffic::{HORIZON, PodAction, RandomTraffic, What, random_traffic};
use wavetank::ids::{PodId, ServiceId};
use wavetank::rng::Seed;
use wavetank::traffic::{DataPlane, Notice, Outcome};
use wavetank::units::{SimDuration, SimTime};

const SEEDS: u64 = 600;
/// Until then everything has ended, even behind one slow server.
const PATIENCE: SimDuration = SimDuration(100_000_000_000_000);

/// A run, and the pods of which it knows.
struct Run<'m> {
    plane: DataPlane<'m>,
    model: &'m RandomTraffic,
    /// Their numbers in the plane, and from when on they listen.
    pods: BTreeMap<PodId, (u32, SimTime)>,
    /// Pods that ran out of memory or were drained.
    lost: [u64; 3],
}

impl<'m> Run<'m> {
    fn new(model: &'m RandomTraffic, seed: u64) -> Run<'m> {
        let plane = DataPlane::new(&model.traffic, 3, Seed { base: seed, replication: 1 }).unwrap();
        Run { plane, model, pods: BTreeMap::new(), lost: [0; 3] }
    }

    /// Moves on to an instant, and answers notices as a cluster does: such pods go.
    fn advance(&mut self, until: SimTime) {
        while self.plane.advance(until) {
            for notice in self.plane.take_notices() {
                let (pod, kind) = match notice {
                    Notice::Drained(pod) => (pod, 0),
                    Notice::OutOfMemory(pod) => (pod, 1),
                    Notice::Done(pod) => (pod, 2),
                };
                if let Some((number, _)) = self.pods.remove(&pod) {
                    self.lost[kind] += 1;
                    self.plane.close(number);
                }
            }
        }
    }

    fn check(&self) {
        self.plane.check();
        for number in 0..self.model.traffic.services.len() {
            let (integral, times) = self.plane.statistics(ServiceId::from_index(number)).littles_law(self.plane.now());
            assert_eq!(integral, times, "Little's law at service {number}");
        }
        let ended: u64 = self.plane.sources().iter().map(|fate| fate.count()).sum();
        assert_eq!(self.plane.requests_sent(), ended + self.plane.requests_in_flight(), "each request ends once");
    }

    fn act(&mut self, action: &PodAction) {
        let nth = |pods: &BTreeMap<PodId, (u32, SimTime)>, drawn: u64| {
            let position = drawn as usize % pods.len().max(1);
            pods.iter().nth(position).map(|(pod, place)| (*pod, *place))
        };
        let now = self.plane.now();
        match &action.what {
            What::Open(seat, services, is_ready) => {
                let number = self.plane.open(seat, services);
                self.pods.insert(seat.pod, (number, seat.opens_at));
                if *is_ready && seat.opens_at <= now {
                    self.plane.tell_ready(number, true);
                }
            }
            What::TellReady(drawn, is_ready) => {
                // None is ready before it listens.
                if let Some((_, (number, opens_at))) = nth(&self.pods, *drawn) {
                    self.plane.tell_ready(number, *is_ready && opens_at <= now);
                }
            }
            What::End(drawn) => {
                if let Some((_, (number, _))) = nth(&self.pods, *drawn) {
                    self.plane.end(number, self.plane.now());
                }
            }
            What::Close(drawn) => {
                if let Some((pod, (number, _))) = nth(&self.pods, *drawn) {
                    self.pods.remove(&pod);
                    self.plane.close(number);
                }
            }
            What::Cores(node, cores) => self.plane.set_node_cores(*node, *cores),
            What::Split(service, split) => self.plane.set_split(*service, split),
        }
    }

    /// All of it, with so many checks on the way to the horizon.
    fn go(&mut self, slices: u64) {
        let mut actions = self.model.actions.iter().peekable();
        for slice in 1..=slices {
            let until = SimTime(HORIZON.0 * slice / slices);
            while let Some(action) = actions.next_if(|action| action.at <= until) {
                self.advance(action.at);
                self.act(action);
                self.check();
            }
            self.advance(until);
            self.check();
        }
        // Sessions that have begun go on for a while, users for ever; so do requests in a queue that nobody takes from any more.
        let mut services = self.model.traffic.services.iter();
        let runs_dry = services.any(|service| service.has_shared_queue && service.server.requests_per_pod.is_some());
        let comes_to_rest = !self.model.has_users && !runs_dry;
        let mut until = SimTime(HORIZON.0 * if comes_to_rest { 20 } else { 2 });
        self.advance(until);
        while comes_to_rest && self.plane.live() > 0 && until < HORIZON.after(PATIENCE) {
            until = SimTime(2 * until.0);
            self.advance(until);
        }
        self.check();
        if comes_to_rest {
            assert_eq!((self.plane.live(), self.plane.requests_in_flight()), (0, 0), "all requests end");
        }
    }

    /// What can be seen of it.
    fn digest(&mut self) -> String {
        let mut text = format!("{:?} {:?} {:?}\n", self.plane.now(), self.plane.events_handled(), self.lost);
        for fate in self.plane.sources() {
            let mean = fate.latency.mean_interval_s(0.99).estimate;
            writeln!(text, "{:?} {} {mean:?} {}", fate.outcomes, fate.latency.count(), fate.good).unwrap();
        }
        for number in 0..self.model.traffic.services.len() {
            let service = ServiceId::from_index(number);
            let compute_ns = self.plane.compute_ns(service);
            let one = self.plane.statistics(service);
            let law = one.littles_law(self.plane.now());
            let wait = one.wait.mean();
            writeln!(text, "{law:?} {:?} {} {wait:?} {compute_ns}", one.attempts.outcomes, one.retries).unwrap();
            for cell in one.cells() {
                let (count, mean) = (cell.latency.count(), cell.latency.mean_s());
                writeln!(text, "{} {:?} {:?} {count} {mean:?}", cell.operation, cell.zone, cell.outcome).unwrap();
            }
        }
        writeln!(text, "{:?}", self.plane.spans()).unwrap();
        text
    }
}

/// What a swarm has seen: one in which nothing is refused, given up or lost would prove nothing.
#[derive(Debug, Default)]
struct Seen {
    requests: u64,
    outcomes: [u64; Outcome::COUNT],
    retries: u64,
    lost: [u64; 3],
}

fn check_seed(seed: u64, seen: &mut Seen) {
    let model = random_traffic(seed);
    let mut run = Run::new(&model, seed);
    run.go(7);
    let mut twin = Run::new(&model, seed);
    twin.go(1);
    assert_eq!(run.digest(), twin.digest(), "the same seed, the same run");
    seen.requests += run.plane.requests_sent();
    for number in 0..model.traffic.services.len() {
        let one = run.plane.statistics(ServiceId::from_index(number));
        seen.retries += one.retries;
        seen.outcomes.iter_mut().zip(one.attempts.outcomes).for_each(|(sum, count)| *sum += count);
    }
    seen.lost.iter_mut().zip(run.lost).for_each(|(sum, count)| *sum += count);
}

fn number_from(name: &str) -> Option<u64> {
    std::env::var(name).ok().map(|text| text.parse().expect("a whole number"))
}

#[test]
fn random_traffic_keeps_its_books() {
    let alone = number_from("WAVETANK_SWARM_SEED");
    let count = number_from("WAVETANK_SWARM_COUNT").unwrap_or(SEEDS);
    let seeds = alone.map_or(0..count, |seed| seed..seed + 1);
    println!("traffic swarm: seeds {seeds:?}");
    let (mut seen, mut failed) = (Seen::default(), Vec::new());
    for seed in seeds {
        if catch_unwind(AssertUnwindSafe(|| check_seed(seed, &mut seen))).is_err() {
            println!("traffic swarm: seed {seed} fails");
            failed.push(seed);
        }
    }
    println!("traffic swarm: {seen:?}");
    assert!(failed.is_empty(), "seeds {failed:?} fail");
    let is_lively = seen.outcomes.iter().chain(&seen.lost).all(|&count| count > 30) && seen.retries > 1000;
    assert!(alone.is_some() || count < SEEDS || is_lively, "too little happens: {seen:?}");
}
