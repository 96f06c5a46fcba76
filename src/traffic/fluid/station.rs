//! Backends that serve the same requests, in groups that are alike.

use super::finite::WorkerRates;
use super::queue::{Delay, Spread};
use crate::ids::{PodId, ServiceId, ZoneId};
use crate::model::traffic::{Balancing, Service, Traffic};
use crate::policy::balancer;
use crate::traffic::server::State;
use crate::units::SimTime;

/// A backend.
#[derive(Clone, Debug)]
pub(super) struct Server {
    pub pod: Option<PodId>,
    pub services: Vec<ServiceId>,
    pub station: usize,
    pub zone: Option<ZoneId>,
    pub state: State,
    pub since: SimTime,
    /// Requests that its memory has room for.
    pub memory_requests: f64,
    pub is_ready: bool,
    /// From when on it listens.
    pub opens_at: SimTime,
    /// Whether the cluster was told that its memory is not enough.
    pub is_told: bool,
    /// Whether all its requests have been answered since it was told to end.
    pub is_drained: bool,
}

/// What backends must have in common to be alike, as long as they are there.
#[derive(Clone, Copy, Debug)]
pub(super) struct Kind {
    pub speed: f64,
    pub weight: f64,
    /// How likely its answers are errors, beside those of the operations, and the release that it belongs to.
    pub failure: f64,
    pub release: u32,
}

/// Stands for no node in [`Meter::node`].
pub(super) const NO_NODE: u32 = u32::MAX;

/// What a backend uses, and what puts it into a group. Many ask for that often, so it is kept apart from what else is known of
/// backends.
#[derive(Clone, Copy, Debug)]
pub(super) struct Meter {
    pub station: u32,
    /// The number of its kind, and the node that it is on.
    pub kind: u32,
    pub node: u32,
    /// The group of its station that it is in; [`NO_GROUP`]: it gets no requests.
    pub group: u32,
    /// What it used before it came into that group, which had used nothing then.
    pub used: Used,
    /// Cores that it used when it was last in a group.
    pub cores_used: f64,
    /// Its weight when the cores of the node are divided, and cores at most; infinite: no limit, or each request has one of its
    /// own.
    pub cpu_weight: f64,
    pub limit: f64,
    /// Requests in excess of those in service that it came with.
    pub queue: f64,
    /// Bytes that it needs without requests, and for each of them.
    pub memory_base: u64,
    pub memory_per_request: u64,
}

/// See [`Meter::group`].
pub(super) const NO_GROUP: u32 = u32::MAX;

impl Meter {
    /// The position of its group.
    #[inline]
    pub(super) fn group(&self) -> Option<usize> {
        (self.group != NO_GROUP).then_some(self.group as usize)
    }
}

/// CPU that was used, in s.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Used {
    pub compute_s: f64,
    pub throttled_s: f64,
}

impl Used {
    pub(super) fn add(&mut self, rate: Used, span_s: f64) {
        self.compute_s += rate.compute_s * span_s;
        self.throttled_s += rate.throttled_s * span_s;
    }
}

/// Backends that are alike.
#[derive(Clone, Debug, Default)]
pub(super) struct Group {
    pub count: f64,
    pub speed: f64,
    pub weight: f64,
    pub failure: f64,
    pub release: u32,
    /// Cores at most, and whether those are a quota of a period.
    pub cores: f64,
    pub has_quota: bool,
    /// Requests in excess of those in service at each, at the beginning of the step.
    pub queue: f64,
    /// Which part of the station's requests goes to all of it.
    pub share: f64,
    pub delay: Delay,
    /// How much longer computing takes than it would alone: without sharing, by sharing on average, and how likely that is.
    pub slow: f64,
    pub stretch: f64,
    pub stretch_chance: f64,
    /// The same by the backlog at the beginning and at the end.
    pub backlog: (f64, f64),
    /// How long requests wait for a worker, and stand still for lack of quota.
    pub wait: Delay,
    pub pause: Delay,
    /// CPU that each uses in a second, and has used.
    pub rate: Used,
    pub used: Used,
    /// Requests that are at each, and that each ends in a second as its queue sees it.
    pub present: f64,
    /// As many of them as memory is counted for: on average, and three deviations of a Poisson number more.
    pub peak: u64,
    pub ends: f64,
    /// What decided about its queue when that was last solved.
    pub solved: Option<[f64; 16]>,
}

/// Services that have their backends in common; most often a single one.
#[derive(Clone, Debug)]
pub(super) struct Station<'m> {
    /// The first says how they serve.
    pub model: &'m Service,
    pub spread: Spread,
    /// Whether backends get as much as they can take, rather than by weight.
    pub evens_out: bool,
    pub weighs: bool,
    pub ready: Vec<u32>,
    pub known: Vec<u32>,
    pub groups: Vec<Group>,
    /// What each of them ends by workers that are taken, where those share cores.
    pub rates: Vec<WorkerRates>,
    /// Groups must be made anew.
    pub is_changed: bool,
    /// Core-seconds that each used a second when groups were made.
    pub grouped_at: f64,
    /// Part of the known backends that do not listen any more.
    pub dead: f64,
    pub zones: Vec<(Option<ZoneId>, f64)>,
    /// Whether requests waited when groups were last looked at.
    pub was_waiting: bool,
    /// Releases among which requests are divided, with their weights; empty: they are not.
    pub split: Vec<(u32, f64)>,
    /// Requests that wait for a backend where there is none.
    pub held: f64,
    /// Requests that went with their backends and are not counted yet.
    pub lost: f64,
    pub flow: Flow,
    /// Core-seconds used in all.
    pub compute_s: f64,
    pub marked_compute_s: f64,
}

/// What the requests of a station come to.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Flow {
    /// Requests that reach backends, a second; and as the queue sees them, where users are few.
    pub rate: f64,
    pub seen: f64,
    /// Sums of rates times variabilities, and of squared rates, of the streams that come together.
    pub scv_sum: f64,
    pub squares: f64,
    /// Squared coefficient of variation of the gaps between answers.
    pub departure_scv: f64,
    /// Parts that no backend takes, that find no room, are too late, or go with their backend.
    pub unavailable: f64,
    pub refused: f64,
    pub expired: f64,
    pub lost: f64,
    /// Requests answered over requests let in.
    pub passing: f64,
    /// Part of the answers that are errors of the release.
    pub failure: f64,
    /// Which part finds all workers taken and is sent on.
    pub overflow: f64,
    /// Core-seconds used in a second.
    pub compute: f64,
    /// Requests that are there, and that wait.
    pub present: f64,
    pub waiting: f64,
    /// Mean wait for a worker, in s.
    pub wait_s: f64,
}

impl Flow {
    /// By how much what flows on differs.
    pub(super) fn change_from(&self, before: &Flow) -> f64 {
        let pairs = [
            (self.unavailable, before.unavailable),
            (self.refused, before.refused),
            (self.expired, before.expired),
            (self.lost, before.lost),
            (self.passing, before.passing),
            (self.overflow, before.overflow),
            (self.failure, before.failure),
        ];
        pairs.iter().map(|(new, old)| (new - old).abs()).fold(0.0, f64::max)
    }
}

impl<'m> Station<'m> {
    pub(super) fn new(traffic: &'m Traffic, service: ServiceId) -> Station<'m> {
        let model = &traffic.services[service.index()];
        let clients = match model.balancing {
            Balancing::Central => 1.0,
            Balancing::Clients => traffic.sources.iter().map(|source| f64::from(source.clients.max(1))).sum::<f64>(),
        };
        let row = balancer::find(&model.balancer.name);
        let spread = if model.has_shared_queue { Spread::Shared } else { spread_of(model, clients) };
        Station {
            model,
            spread,
            evens_out: row.is_some_and(|row| row.follows_answers) && spread != Spread::Random,
            weighs: row.is_some_and(|row| row.weighs),
            ready: Vec::new(),
            known: Vec::new(),
            groups: Vec::new(),
            rates: Vec::new(),
            is_changed: true,
            grouped_at: 0.0,
            dead: 0.0,
            zones: Vec::new(),
            was_waiting: false,
            split: Vec::new(),
            held: 0.0,
            lost: 0.0,
            flow: Flow { passing: 1.0, departure_scv: 1.0, ..Flow::default() },
            compute_s: 0.0,
            marked_compute_s: 0.0,
        }
    }

    /// Whether what waits is shared by all backends.
    pub(super) fn pools(&self) -> bool {
        self.evens_out || self.spread == Spread::Shared
    }

    /// Whether any backend gets requests.
    pub(super) fn is_served(&self) -> bool {
        !self.groups.is_empty()
    }

    /// How requests divide among groups, and which part is for releases that have no backend. Within a release by weight; or
    /// so that backends are as busy, the more the busier they are.
    pub(super) fn shares(&self, computing: f64, capacity: impl Fn(&Group) -> f64) -> (Vec<f64>, f64) {
        let groups = &self.groups;
        if groups.len() == 1 && self.split.is_empty() {
            return (vec![1.0], 0.0);
        }
        let total: f64 = groups.iter().map(|group| group.count).sum();
        let cores = |group: &Group| group.count * if group.cores.is_finite() { group.cores } else { 1.0 };
        let busy = (computing / groups.iter().map(cores).sum::<f64>().max(1e-12)).clamp(0.0, 1.0);
        let mean = groups.iter().map(|group| group.count * capacity(group)).sum::<f64>() / total;
        let evens_out = self.pools();
        let weight = |group: &Group| {
            let own = if self.weighs { group.weight } else { 1.0 };
            group.count * if evens_out { own * (1.0 - busy + busy * capacity(group) / mean) } else { own }
        };
        let sum = |release: Option<u32>| -> f64 {
            groups.iter().filter(|group| release.is_none_or(|one| group.release == one)).map(weight).sum()
        };
        if self.split.is_empty() {
            let all = sum(None);
            return (groups.iter().map(|group| weight(group) / all).collect(), 0.0);
        }
        let all: f64 = self.split.iter().map(|(_, part)| part).sum();
        let missing: f64 =
            self.split.iter().filter(|(one, _)| sum(Some(*one)) <= 0.0).map(|(_, part)| part / all).sum();
        let share = |group: &Group| {
            let part = self.split.iter().find(|(one, _)| *one == group.release).map_or(0.0, |(_, part)| part / all);
            part / (1.0 - missing).max(1e-12) * weight(group) / sum(Some(group.release))
        };
        (groups.iter().map(share).collect(), missing)
    }

    /// Requests that wait: at backends, or for one.
    pub(super) fn waiting_now(&self) -> f64 {
        self.held + self.groups.iter().map(|group| group.count * group.queue).sum::<f64>()
    }

    /// The variability of the gaps between all requests, put together by Whitt's weight (1983).
    pub(super) fn arrival_scv(&self, utilisation: f64) -> f64 {
        let Flow { rate, scv_sum, squares, .. } = self.flow;
        if rate <= 0.0 || squares <= 0.0 {
            return 1.0;
        }
        let streams = (rate * rate / squares).max(1.0);
        let idle = 1.0 - utilisation.min(1.0);
        let weight = 1.0 / (1.0 + 4.0 * idle * idle * (streams - 1.0));
        1.0 + weight * (scv_sum / rate - 1.0)
    }
}

/// How the balancer of a service spreads requests, as far as that matters to queues.
fn spread_of(service: &Service, clients: f64) -> Spread {
    let Some(row) = balancer::find(&service.balancer.name) else { return Spread::Random };
    let parameter = |name: &str, default: f64| {
        service.balancer.parameters.get(name).and_then(|value| value.as_f64()).unwrap_or(default)
    };
    if !row.follows_answers {
        return match row.name.contains("round-robin") || row.name.ends_with("wrr") {
            true => Spread::InTurn { clients },
            false => Spread::Random,
        };
    }
    // Clients that see a small part of what is under way see next to nothing.
    if clients > 1.0 && !row.asks_servers {
        return Spread::Random;
    }
    match row.name {
        "nginx-round-robin" => Spread::InTurn { clients },
        "nginx-ip-hash" | "nginx-hash-consistent" => Spread::Random,
        "power-of-d-choices" => Spread::Fewest { choices: parameter("choices", 2.0) },
        "envoy-least-request" => Spread::Fewest { choices: parameter("choiceCount", 2.0) },
        "join-idle-queue" => Spread::Idle,
        "nginx-random-two" | "peak-ewma" | "linkerd-peak-ewma" => Spread::Fewest { choices: 2.0 },
        _ => Spread::Fewest { choices: f64::INFINITY },
    }
}
