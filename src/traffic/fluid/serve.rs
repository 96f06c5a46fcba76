//! What backends make of the requests that come to them.

use super::FluidPlane;
use super::call::{Mixture, Moments};
use super::finite::{WorkerRates, mean_served};
use super::flow::NodeFlow;
use super::queue::{Delay, Known, Pool, Quota, Rates, Spread};
use super::station::{Flow, Group, Used};
use crate::model::traffic::{Balancing, Server};
use crate::stats::queueing::erlang_b;

/// More workers than that are as good as any number.
const WORKERS_MAX: u32 = 2048;

/// More users than that are taken as very many.
const USERS_MAX: f64 = 4096.0;

/// What the requests of a station need on average.
#[derive(Clone, Copy, Debug, Default)]
struct Need {
    compute: f64,
    compute_second: f64,
    away: f64,
    /// Seconds within which a request must be begun; infinite: no limit.
    deadline_s: f64,
}

/// A step of one group.
struct Turn<'a> {
    rules: &'a Server,
    need: Need,
    /// Requests a second for each backend, as the queue sees them.
    seen: f64,
    span_s: f64,
    backends: f64,
    spread: Spread,
    arrival_scv: f64,
    /// Squared coefficient of variation of the time with a worker.
    scv: f64,
    /// How much longer requests take at new backends.
    warm: f64,
    /// Those who alone send requests, and how long they are away between two.
    users: Option<(f64, f64)>,
}

impl FluidPlane<'_> {
    /// Finds how the backends of a station fare with what comes to it. How much that changes what flows forth.
    pub(super) fn serve(&mut self, station: usize, span_s: f64, pass: u32) -> f64 {
        let before = self.stations[station].flow;
        let guarded = self.guard(station);
        if !self.stations[station].is_served() {
            return self.hold(station, span_s).max(guarded);
        }
        let need = self.need_of(station);
        let warm = self.warm_up_factor(station);
        let backends = self.members[station].len() as f64;
        let state = &self.stations[station];
        let rules = &state.model.server;
        let capacity = |group: &Group| -> f64 {
            let slow = warm / group.speed;
            let cores = group.cores.min(rules.workers.map_or(f64::INFINITY, f64::from));
            if cores.is_finite() { cores / (need.compute * slow).max(1e-12) } else { 1.0 / slow }
        };
        let (shares, missing) = state.shares(before.compute, capacity);
        let busy = state.groups.iter().map(Group::utilisation).fold(0.0, f64::max);
        let arrival_scv = state.arrival_scv(busy);
        let scv = self.service_scv(station, need);
        let (spread, seen, users) = (state.spread, 0.0, self.users_of(station));
        let turn = Turn { rules, need, seen, span_s, backends, spread, arrival_scv, scv, warm, users };
        let unavailable = 1.0 - (1.0 - state.dead) * (1.0 - missing);
        let state = &mut self.stations[station];
        state.rates.resize_with(state.groups.len(), WorkerRates::default);
        let (groups, rates) = (&mut state.groups, &mut state.rates);
        let mut flow = turn.all(groups, &shares, Flow { unavailable, ..before }, rates);
        let reaching = flow.rate * (1.0 - unavailable) * span_s;
        flow.lost = if state.lost > 0.0 { (state.lost / reaching.max(1e-12)).min(1.0) } else { 0.0 };
        flow.overflow = self.overflow_of(station, need, warm, backends);
        let weight = if pass > 10 { 0.5 } else { 1.0 };
        flow.refused = before.refused + weight * (flow.refused - before.refused);
        flow.overflow = before.overflow + weight * (flow.overflow - before.overflow);
        self.stations[station].flow = flow;
        flow.change_from(&before).max(guarded)
    }

    /// Without backends requests go on to another service, fail, or wait for one where there is a queue for all.
    fn hold(&mut self, station: usize, span_s: f64) -> f64 {
        let state = &mut self.stations[station];
        let before = state.flow;
        let mut flow = Flow { refused: 0.0, expired: 0.0, lost: 0.0, compute: 0.0, ..before };
        let waits = state.spread == Spread::Shared;
        flow.overflow = if state.model.overflow.is_some() { 1.0 } else { 0.0 };
        // Requests that went with the last backend are told from those that find none.
        let lost = (state.lost / (flow.rate * span_s).max(1e-12)).min(1.0);
        (flow.unavailable, flow.lost) = if waits { (0.0, 0.0) } else { (1.0 - lost, 1.0) };
        flow.passing = if waits { 0.0 } else { 1.0 };
        flow.wait_s = if waits { span_s } else { 0.0 };
        flow.present = if waits { state.held + flow.rate * span_s / 2.0 } else { 0.0 };
        flow.waiting = flow.present;
        state.flow = flow;
        flow.change_from(&before)
    }

    /// Users, if all requests are theirs, and how long they are away from the station between two visits.
    fn users_of(&self, station: usize) -> Option<(f64, f64)> {
        let [source] = self.parts[self.part_of[station]].sources[..] else { return None };
        let inflow = &self.inflows[source];
        let (users, _) = inflow.closed?;
        let flow = &self.stations[station].flow;
        if users > USERS_MAX || flow.rate <= 0.0 || self.rounds_s[source] <= 0.0 {
            return None;
        }
        let stays = self.graph.nodes_of[station].iter().map(|&node| &self.flows[node]);
        let (mut rate, mut present) = (0.0, 0.0);
        for flow in stays {
            rate += flow.rate;
            present += flow.rate * flow.stay.mean;
        }
        let visits = flow.rate / inflow.rate;
        Some((users, (self.rounds_s[source] / visits - present / rate).max(1e-9)))
    }

    /// What limits before the backends keep away: rates, and requests in flight of each client.
    fn guard(&mut self, station: usize) -> f64 {
        let mut changed = 0.0_f64;
        for at in 0..self.graph.services_of[station].len() {
            let service = self.graph.services_of[station][at];
            let guard = &self.traffic.services[service].guard;
            if guard.rate_limit.is_none() && guard.circuit_breaker.max_requests.is_none() {
                continue;
            }
            let nodes = &self.graph.nodes_of[station];
            let own = nodes.iter().filter(|node| self.graph.nodes[**node].target.service.index() == service);
            let (mut rate, mut present) = (0.0, 0.0);
            for flow in own.map(|node| &self.flows[*node]) {
                rate += flow.rate;
                present += flow.rate * flow.stay.mean;
            }
            let mut kept = 0.0;
            if let Some(limit) = guard.rate_limit {
                kept = bucket_loss(rate / limit.per_second.max(1e-12), f64::from(limit.burst));
                self.over_rate[service] = kept;
            }
            if let Some(most) = guard.circuit_breaker.max_requests {
                let clients = match self.traffic.services[service].balancing {
                    Balancing::Central => 1.0,
                    Balancing::Clients => f64::from(self.clients),
                };
                kept = 1.0 - (1.0 - kept) * (1.0 - loss(present * (1.0 - kept) / clients, most));
            }
            let before = std::mem::replace(&mut self.guards[service], kept);
            changed = changed.max((before - kept).abs());
        }
        changed
    }

    /// Whether what is let in hangs on how long requests stay.
    pub(super) fn limits_requests(&self, station: usize) -> bool {
        let guard = |service: &usize| &self.traffic.services[*service].guard;
        self.graph.services_of[station].iter().any(|service| guard(service).circuit_breaker.max_requests.is_some())
    }

    fn need_of(&self, station: usize) -> Need {
        let mut need = Need { deadline_s: self.deadlines[station], ..Need::default() };
        if let [node] = self.graph.nodes_of[station][..] {
            // What one operation needs hangs on no rate.
            let NodeFlow { compute, away, .. } = &self.flows[node];
            (need.compute, need.compute_second, need.away) = (compute.mean, compute.second(), away.mean);
            return need;
        }
        let mut whole = 0.0;
        for &node in &self.graph.nodes_of[station] {
            let flow = &self.flows[node];
            // Before anything comes all of its operations are alike.
            let weight = flow.rate.max(1e-9);
            whole += weight;
            need.compute += weight * flow.compute.mean;
            need.compute_second += weight * flow.compute.second();
            need.away += weight * flow.away.mean;
        }
        let whole = f64::max(whole, 1e-12);
        (need.compute, need.compute_second, need.away) =
            (need.compute / whole, need.compute_second / whole, need.away / whole);
        need
    }

    /// Squared coefficient of variation of the time with a worker, without sharing.
    fn service_scv(&self, station: usize, need: Need) -> f64 {
        let (mut second, mut whole) = (0.0, 0.0);
        for &node in &self.graph.nodes_of[station] {
            let flow = &self.flows[node];
            second += flow.rate * flow.compute.plus(&flow.away).second();
            whole += flow.rate;
        }
        let mean = need.compute + need.away;
        if whole > 0.0 && mean > 0.0 { (second / whole / (mean * mean) - 1.0).max(0.0) } else { 1.0 }
    }

    /// Which part finds all workers taken, where requests go on to another service then.
    fn overflow_of(&self, station: usize, need: Need, warm: f64, backends: f64) -> f64 {
        let state = &self.stations[station];
        let (Some(_), Some(workers)) = (state.model.overflow, state.model.server.workers) else { return 0.0 };
        let held = |group: &Group| group.share * (need.compute * warm / group.speed * group.stretch + need.away);
        let held_s: f64 = state.groups.iter().map(held).sum();
        let offered = state.flow.rate * held_s / (1.0 - state.flow.overflow).max(1e-3);
        loss(offered, (f64::from(workers) * backends) as u32)
    }

    /// How long requests of a node are at the server.
    pub(super) fn stay_of(&self, node: usize) -> Moments {
        let station = self.graph.station_of[self.graph.nodes[node].target.service.index()];
        let state = &self.stations[station];
        let flow = &self.flows[node];
        let mut mixture = Mixture::default();
        for group in &state.groups {
            let sharing = group.stretch - 1.0 + f64::midpoint(group.backlog.0, group.backlog.1);
            let slow = group.slow;
            // Of what sharing adds the deviation is its mean, over those whom it meets.
            let chance = group.stretch_chance.clamp(1e-6, 1.0);
            let extra = (group.stretch - 1.0) * (group.stretch - 1.0) * (2.0 / chance - 1.0);
            let whole = slow * (1.0 + sharing);
            let computing = Moments {
                mean: flow.compute.mean * whole,
                variance: flow.compute.variance * whole * whole + flow.compute.second() * slow * slow * extra,
                floor: flow.compute.floor * slow,
            };
            let wait = Moments {
                mean: group.wait.mean_s(),
                variance: group.wait.variance(),
                floor: group.wait.backlog_s.0.min(group.wait.backlog_s.1),
            };
            let pause = Moments { mean: group.pause.mean_s(), variance: group.pause.variance(), floor: 0.0 };
            mixture.add(group.share, &computing.plus(&flow.away).plus(&wait).plus(&pause));
        }
        if state.groups.is_empty() {
            let wait_s = state.flow.wait_s;
            return Moments { mean: wait_s, variance: 0.0, floor: wait_s };
        }
        mixture.moments()
    }
}

impl Turn<'_> {
    /// A step of all groups.
    fn all(&self, groups: &mut [Group], shares: &[f64], before: Flow, rates: &mut [WorkerRates]) -> Flow {
        let mut flow = Flow { refused: 0.0, expired: 0.0, failure: 0.0, compute: 0.0, present: 0.0, ..before };
        (flow.passing, flow.wait_s, flow.waiting) = (0.0, 0.0, 0.0);
        let mut busy = 0.0_f64;
        for ((group, &share), rates) in groups.iter_mut().zip(shares).zip(rates) {
            group.share = share;
            let reaching = (1.0 - flow.unavailable) * share / group.count;
            let turn = Turn { seen: flow.seen * reaching, ..*self };
            turn.run(group, rates);
            let wait = group.wait;
            let entering = 1.0 - wait.refused;
            let part = if turn.seen > 0.0 { group.ends / (turn.seen * entering).max(1e-12) } else { 1.0 };
            group.finish(flow.rate * reaching * entering, part, self.need, self.warm);
            let kept = share * wait.refused;
            if turn.is_late(group) {
                flow.expired += kept;
            } else {
                flow.refused += kept;
            }
            flow.failure += share * group.failure;
            flow.passing += share * part;
            flow.wait_s += share * wait.mean_s();
            flow.compute += group.rate.compute_s * group.count;
            flow.present += group.present * group.count;
            flow.waiting += wait.mean_queue * group.count;
            busy = busy.max(group.utilisation());
        }
        flow.departure_scv = self.departure_scv(busy);
        flow
    }

    /// The variability of the gaps between answers: Marshall's formula, with several servers (Whitt 1983).
    fn departure_scv(&self, busy: f64) -> f64 {
        let kept = 1.0 + (1.0 - busy * busy) * (self.arrival_scv - 1.0);
        match self.rules.workers {
            Some(workers) => {
                let servers = f64::from(workers) * self.backends;
                kept + busy * busy * (self.scv.max(0.2) - 1.0) / servers.sqrt()
            }
            None => kept,
        }
    }

    /// All that decides about the queue of a group.
    fn asked(&self, group: &Group) -> [f64; 16] {
        let Turn { need, seen, span_s, backends, arrival_scv, scv, warm, .. } = *self;
        let Need { compute, compute_second: second, away, deadline_s } = need;
        let Group { queue, cores, speed, .. } = *group;
        let quota = f64::from(u8::from(group.has_quota));
        let (users, away_s) = self.users.unwrap_or((-1.0, 0.0));
        let of_all = [seen, span_s, backends, arrival_scv, scv, warm, users, away_s];
        let of_each = [queue, cores, speed, quota, compute, second, away, deadline_s];
        std::array::from_fn(|at| if at < 8 { of_all[at] } else { of_each[at - 8] })
    }

    /// Finds how long requests wait at a group and how much slower they are; again only where something else is asked.
    fn run(&self, group: &mut Group, rates: &mut WorkerRates) {
        let asked = Some(self.asked(group));
        if group.solved == asked {
            return;
        }
        group.solved = asked;
        let slow = self.warm / group.speed;
        let work_s = self.need.compute * slow;
        group.slow = slow;
        (group.stretch, group.stretch_chance, group.backlog) = (1.0, 0.0, (0.0, 0.0));
        (group.wait, group.pause, group.delay) = (Delay::default(), Delay::default(), Delay::default());
        group.ends = self.seen;
        let workers = self.rules.workers.filter(|workers| *workers <= WORKERS_MAX);
        let shares_cores =
            group.cores.is_finite() && workers.is_none_or(|workers| f64::from(workers) > group.cores) && work_s > 0.0;
        match (workers, shares_cores) {
            (None, false) => {}
            (None, true) => self.share_cores(group, work_s),
            (Some(workers), false) => self.queue(group, workers, work_s + self.need.away),
            (Some(workers), true) => self.queue_and_share(group, workers, work_s, rates),
        }
    }

    fn pool<'a>(&self, rates: Rates<'a>, capacity: f64, service_scv: f64) -> Pool<'a> {
        Pool {
            backends: self.backends,
            rates,
            capacity,
            spread: self.spread,
            arrival_scv: self.arrival_scv,
            service_scv,
            is_shared_alike: false,
            quota: None,
            known: Known::default(),
        }
    }

    /// All requests compute at once.
    fn share_cores(&self, group: &mut Group, work_s: f64) {
        let period_s = self.rules.quota_period.as_seconds();
        let second = self.need.compute_second * group.slow * group.slow;
        let quota = group.has_quota.then_some(Quota { quota_s: group.cores * period_s, period_s, work_s, second });
        let pool =
            Pool { is_shared_alike: true, quota, ..self.pool(Rates::Servers(group.cores), group.cores / work_s, 1.0) };
        let delay = self.step(group, &pool, None);
        group.ends = if self.users.is_some() { self.seen } else { pool.capacity * delay.utilisation };
        group.delay = delay;
        if quota.is_some() {
            group.pause = delay;
            return;
        }
        group.stretch = 1.0 + delay.chance * delay.delay_s / work_s;
        group.stretch_chance = delay.chance;
        group.backlog = (delay.backlog_s.0 / work_s, delay.backlog_s.1 / work_s);
    }

    /// How much of the slowing by sharing is left where a quota stops requests instead, at a utilisation.
    fn stopped_part(&self, group: &Group, work_s: f64, utilisation: f64) -> f64 {
        if !group.has_quota {
            return 1.0;
        }
        let period_s = self.rules.quota_period.as_seconds();
        let second = self.need.compute_second * group.slow * group.slow;
        let quota = Quota { quota_s: group.cores * period_s, period_s, work_s, second };
        let pool = Pool { is_shared_alike: true, ..self.pool(Rates::Servers(group.cores), group.cores / work_s, 1.0) };
        let shared = pool.steady(utilisation);
        let stopped = Pool { quota: Some(quota), known: Known::default(), ..pool }.steady(utilisation);
        if shared > 0.0 { (stopped / shared).min(1.0) } else { 1.0 }
    }

    /// Workers that each have a core.
    fn queue(&self, group: &mut Group, workers: u32, held_s: f64) {
        if held_s <= 0.0 {
            return;
        }
        let pool = self.pool(Rates::Servers(f64::from(workers)), f64::from(workers) / held_s, self.scv);
        self.wait(group, &pool);
    }

    /// Workers that share fewer cores.
    fn queue_and_share(&self, group: &mut Group, workers: u32, work_s: f64, rates: &mut WorkerRates) {
        let rates = rates.of(workers, work_s, self.need.away, group.cores);
        let capacity = rates[rates.len() - 1];
        let pool = self.pool(Rates::Listed(rates), capacity, self.scv);
        self.wait(group, &pool);
        let wait = &group.wait;
        let passing = capacity * wait.utilisation;
        if passing > 1e-12 {
            let served = mean_served(
                rates,
                passing.min(capacity * (1.0 - 1e-9)),
                wait.chance.max(wait.utilisation - 1.0 + 1e-9),
            );
            let shared = ((served / passing - self.need.away) / work_s).max(1.0);
            group.stretch = 1.0 + (shared - 1.0) * self.stopped_part(group, work_s, passing * work_s / group.cores);
            group.stretch_chance = (1.0 - 1.0 / group.stretch).max(wait.chance).max(1e-3);
        }
    }

    fn wait(&self, group: &mut Group, pool: &Pool<'_>) {
        let room = self.room(pool.capacity);
        group.wait = self.step(group, pool, room);
        group.ends = pool.capacity * group.wait.utilisation;
        if self.users.is_some() {
            group.ends = self.seen * (1.0 - group.wait.refused);
        }
    }

    fn step(&self, group: &Group, pool: &Pool<'_>, room: Option<f64>) -> Delay {
        match self.users {
            Some((users, away_s)) if room.is_none() => pool.with_users(users, away_s),
            _ => pool.step(self.seen, group.queue, self.span_s, room),
        }
    }

    /// Requests that may wait at each backend: as many as the queue holds, or as can be begun before their deadline.
    fn room(&self, capacity: f64) -> Option<f64> {
        let limit = self.rules.queue_limit.map(|limit| match self.spread {
            Spread::Shared => f64::from(limit) / self.backends,
            _ => f64::from(limit),
        });
        let in_time = self.need.deadline_s * capacity;
        match limit {
            Some(limit) => Some(limit.min(in_time)),
            None => in_time.is_finite().then_some(in_time),
        }
    }

    /// Whether those that find no room are too late rather than refused.
    fn is_late(&self, group: &Group) -> bool {
        let held_s = self.need.compute * self.warm / group.speed + self.need.away;
        let capacity = self.rules.workers.map_or(f64::INFINITY, f64::from) / held_s.max(1e-12);
        self.rules.queue_limit.is_none_or(|limit| f64::from(limit) > self.need.deadline_s * capacity)
    }
}

impl Group {
    fn utilisation(&self) -> f64 {
        self.wait.utilisation.max(self.delay.utilisation)
    }

    /// What `entering` requests a second use of each backend, for which `passing` times as many are answered.
    fn finish(&mut self, entering: f64, passing: f64, need: Need, warm: f64) {
        let ending = entering * passing;
        let work_s = need.compute * warm / self.speed;
        let computing = ending * work_s;
        let stopped = ending * (work_s * (self.stretch - 1.0) + self.pause.mean_s());
        let stopped = if self.has_quota { -libm::expm1(-stopped) } else { 0.0 };
        self.rate = Used { compute_s: computing, throttled_s: stopped };
        let sharing = self.stretch + f64::midpoint(self.backlog.0, self.backlog.1);
        let held = ending * (work_s * sharing + need.away + self.pause.mean_s());
        self.present = held + self.wait.mean_queue;
        // Without a queue what is let in stays for as long as it takes.
        if self.wait.utilisation == 0.0 && self.delay.utilisation == 0.0 {
            self.present = entering * (work_s + need.away);
        }
        // Memory is needed for those of the worst times, and half of the time there are more than on average.
        self.peak = libm::ceil(self.present + 3.0 * self.present.sqrt()) as u64;
    }
}

/// Erlang's loss formula for any number of servers.
fn loss(offered: f64, servers: u32) -> f64 {
    let count = f64::from(servers);
    if offered + 8.0 * offered.sqrt() + 10.0 < count {
        return 0.0;
    }
    if servers <= 512 {
        return erlang_b(offered, servers);
    }
    let z = (count - offered) / offered.sqrt();
    let below = 0.5 * libm::erfc(-z * std::f64::consts::FRAC_1_SQRT_2);
    let density = libm::exp(-z * z / 2.0) / libm::sqrt(std::f64::consts::TAU * offered);
    if below > 1e-9 { (density / below).min(1.0) } else { 1.0 - count / offered }
}

/// Part of a Poisson stream that a bucket of tokens keeps away, at a load over its rate: as a queue of constant services with
/// room for the burst loses it.
fn bucket_loss(load: f64, burst: f64) -> f64 {
    if load <= 0.0 {
        return 0.0;
    }
    let step = 2.0 * libm::log(load);
    let power = (burst * step).clamp(-700.0, 700.0);
    let left = 1.0 - load;
    if left.abs() < 1e-9 {
        return 1.0 / (1.0 + 2.0 * burst);
    }
    let kept = left * libm::exp(power) / (1.0 - load * libm::exp(power));
    kept.clamp(0.0, 1.0)
}
