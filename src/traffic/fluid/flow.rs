//! Rates flow from callers to those that they call, times and failures back.
//!
//! A pass goes through the graph once in each direction. What flows forth hangs on what comes back only where calls fail, are
//! made again, or wait for each other; then passes are repeated from where the step before ended, so that of two states
//! that both feed themselves the one holds in which the system is.

use super::FluidPlane;
use super::call::{self, Attempts, Caller, Calls, Mixture, Moments, last_of};
use super::graph::{Origin, Stage};
use super::station::{Flow, Group};
use crate::model::Dist;
use crate::model::traffic::Balancing;
use crate::traffic::attempt::Outcome;

/// What comes to a node and what becomes of it.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct NodeFlow {
    /// Attempts a second that come, and as its queue sees them.
    pub rate: f64,
    pub seen: f64,
    /// Those among them that are no retries.
    pub first: f64,
    /// Part of the answers that say that something went wrong.
    pub error: f64,
    /// What a request needs of a core, alone, and what else it takes.
    pub compute: Moments,
    pub away: Moments,
    /// The time at the server.
    pub stay: Moments,
    /// Answers over requests let in, with all that it calls.
    pub passing: f64,
}

impl NodeFlow {
    /// How long its requests are at backends of a group on average.
    pub(super) fn stay_at(&self, group: &Group) -> f64 {
        let sharing = group.stretch + f64::midpoint(group.backlog.0, group.backlog.1);
        self.compute.mean * group.slow * sharing + self.away.mean + group.wait.mean_s() + group.pause.mean_s()
    }
}

/// What becomes of the calls of a link.
#[derive(Clone, Debug, Default)]
pub(super) struct LinkFlow {
    /// Calls a second, and as queues see them.
    pub rate: f64,
    pub seen: f64,
    pub calls: Calls,
    /// Answers over requests, of those that end with one.
    pub passing: f64,
    pub targets: Vec<TargetFlow>,
}

impl LinkFlow {
    /// Of a link with so many targets, before anything has failed.
    pub(super) fn new(targets: usize) -> LinkFlow {
        let mut calls = Calls { attempts: 1.0, ..Calls::default() };
        calls.outcomes[Outcome::Well as usize] = 1.0;
        LinkFlow { calls, passing: 1.0, targets: vec![TargetFlow::default(); targets], ..LinkFlow::default() }
    }
}

/// What becomes of attempts at a target.
#[derive(Clone, Debug, Default)]
pub(super) struct TargetFlow {
    /// The part of the calls that goes there.
    pub share: f64,
    pub attempts: Attempts,
    pub travel: Travel,
}

/// Messages there and back.
#[derive(Clone, Debug, Default)]
pub(super) struct Travel {
    pub time: Moments,
    /// Ways that they take, with their probabilities, as shapes.
    pub ways: Vec<(f64, usize)>,
    /// What the proxies at both ends add, each way.
    pub proxy: Option<usize>,
}

/// Passes at most, and what counts as no change.
const PASSES_MAX: u32 = 100;
const SAME: f64 = 1e-6;

impl FluidPlane<'_> {
    /// Finds rates and times of the step.
    pub(super) fn solve(&mut self, part: usize, span_s: f64) {
        if std::mem::take(&mut self.parts[part].has_moved) {
            self.map_ways(part);
        }
        for &inflow in &self.parts[part].sources {
            self.brackets[inflow] = self.inflows[inflow].closed.map(|_| Bracket::default());
        }

        for pass in 1..=PASSES_MAX {
            self.flow_forth(part);
            let changed = self.flow_back(part, span_s, pass);
            let moved = self.move_users(part, pass);
            if changed < SAME && moved < SAME {
                break;
            }
        }
    }

    fn flow_forth(&mut self, part: usize) {
        for &node in &self.parts[part].order {
            let flow = &mut self.flows[node];
            (flow.rate, flow.seen, flow.first) = (0.0, 0.0, 0.0);
        }
        for &station in &self.parts[part].stations {
            let flow = &mut self.stations[station].flow;
            (flow.rate, flow.seen, flow.scv_sum, flow.squares) = (0.0, 0.0, 0.0, 0.0);
        }
        for position in 0..self.parts[part].source_links.len() {
            let link = self.parts[part].source_links[position];
            let Origin::Source(source, entry) = self.graph.links[link].origin else { continue };
            let inflow = &self.inflows[source];
            let rate = inflow.rate * inflow.shares[entry];
            let seen = inflow.closed.map_or(1.0, |(users, _)| (users - 1.0).max(0.0) / users.max(1.0));
            self.push(link, rate, rate * seen, inflow.gap_scv);
        }
        for position in 0..self.parts[part].order.len() {
            self.pass_on(self.parts[part].order[position]);
        }
    }

    /// Calls go to their targets.
    fn push(&mut self, link: usize, rate: f64, seen: f64, scv: f64) {
        let state = &mut self.links[link];
        (state.rate, state.seen) = (rate, seen);
        if rate <= 0.0 {
            return;
        }
        for (target, found) in self.graph.links[link].targets.iter().zip(&mut state.targets) {
            let mut share = target.share;
            for service in &target.after {
                share *= self.stations[self.graph.station_of[*service]].flow.overflow;
            }
            if let Some(service) = target.sends_on {
                share *= 1.0 - self.stations[self.graph.station_of[service]].flow.overflow;
            }
            found.share = share;
            let times = share * state.calls.attempts;
            let flow = &mut self.flows[target.node];
            flow.rate += rate * times;
            flow.seen += seen * times;
            flow.first += rate * share;
            let service = self.graph.nodes[target.node].target.service.index();
            let let_in = (1.0 - self.guards[service]) * times;
            let station = &mut self.stations[self.graph.station_of[service]].flow;
            station.rate += rate * let_in;
            station.seen += seen * let_in;
            station.scv_sum += rate * let_in * scv.mul_add(share, 1.0 - share);
            station.squares += rate * let_in * rate * let_in;
        }
    }

    /// A node makes its calls.
    fn pass_on(&mut self, node: usize) {
        let flow = self.flows[node];
        let service = self.graph.nodes[node].target.service.index();
        let station = &self.stations[self.graph.station_of[service]].flow;
        let let_in = (1.0 - self.guards[service]) * let_in(station);
        let scv = station.departure_scv;
        let mut part = let_in * station.passing;
        for stage in 0..self.graph.nodes[node].steps.len() {
            let Stage::Call(branches) = &self.graph.nodes[node].steps[stage] else { continue };
            let mut going_on = 1.0;
            for at in 0..branches.len() {
                let Stage::Call(branches) = &self.graph.nodes[node].steps[stage] else { continue };
                let branch = branches[at];
                let times = part * branch.chance * f64::from(branch.count);
                self.push(branch.link, flow.rate * times, flow.seen * times, 1.0 + branch.chance * (scv - 1.0));
                let called = &self.links[branch.link];
                if !branch.is_detached {
                    if !branch.is_optional {
                        going_on *= all_well(called.calls.failing(), branch.chance, branch.count);
                    }
                    going_on *= 1.0 + branch.chance * (called.passing - 1.0);
                }
            }
            part *= going_on;
        }
        if let Some((link, copied)) = self.graph.nodes[node].mirror {
            let rate = flow.first * copied * (1.0 - self.over_rate[service]);
            self.push(link, rate, rate, 1.0);
        }
    }

    /// Times and failures, from those called to their callers. How much what flows forth will change.
    fn flow_back(&mut self, part: usize, span_s: f64, pass: u32) -> f64 {
        let mut changed = 0.0_f64;
        for position in (0..self.parts[part].station_order.len()).rev() {
            let station = self.parts[part].station_order[position];
            for at in (0..self.graph.nodes_of[station].len()).rev() {
                let node = self.graph.nodes_of[station][at];
                changed = changed.max(self.plan(node, pass));
            }
            changed = changed.max(self.serve(station, span_s, pass));
            let feeds_back = self.graph.has_loop || self.limits_requests(station);
            for at in 0..self.graph.nodes_of[station].len() {
                let node = self.graph.nodes_of[station][at];
                let stay = self.stay_of(node);
                if feeds_back {
                    changed = changed.max((stay.mean - self.flows[node].stay.mean).abs() / stay.mean.max(1e-12));
                }
                self.flows[node].stay = stay;
            }
        }
        for position in 0..self.parts[part].source_links.len() {
            changed = changed.max(self.judge(self.parts[part].source_links[position], pass));
        }
        for position in 0..self.parts[part].mirror_links.len() {
            changed = changed.max(self.judge(self.parts[part].mirror_links[position], pass));
        }
        changed
    }

    /// What the requests of a node need, given what its calls come to.
    fn plan(&mut self, node: usize, pass: u32) -> f64 {
        let (mut compute, mut away) = (Moments::default(), Moments::default());
        let (mut surviving, mut passing, mut changed) = (1.0, 1.0, 0.0_f64);
        let service = self.graph.nodes[node].target.service.index();
        if let Some(proxy) = &self.traffic.services[service].guard.sidecar {
            compute.mean += proxy.compute.as_seconds();
        }
        for stage in 0..self.graph.nodes[node].steps.len() {
            match &self.graph.nodes[node].steps[stage] {
                Stage::Compute(shape) => {
                    let shape = &self.graph.shapes[*shape];
                    compute = compute.plus(&shape_moments(shape).with_chance(surviving));
                }
                Stage::Wait(shape) => {
                    let shape = &self.graph.shapes[*shape];
                    away = away.plus(&shape_moments(shape).with_chance(surviving));
                }
                Stage::Call(branches) => {
                    let branches = branches.clone();
                    let mut parts = Vec::with_capacity(branches.len());
                    let mut going_on = 1.0;
                    for branch in &branches {
                        changed = changed.max(self.judge(branch.link, pass));
                        if branch.is_detached {
                            continue;
                        }
                        let called = &self.links[branch.link];
                        parts.push((called.calls.time, branch.chance, branch.count));
                        if !branch.is_optional {
                            going_on *= all_well(called.calls.failing(), branch.chance, branch.count);
                        }
                        passing *= 1.0 + branch.chance * (called.passing - 1.0);
                    }
                    if !parts.is_empty() {
                        away = away.plus(&last_of(&parts).with_chance(surviving));
                    }
                    surviving *= going_on;
                }
            }
        }
        let failure = self.graph.nodes[node].operation.failure;
        let of_release = self.stations[self.graph.station_of[service]].flow.failure;
        let error = 1.0 - surviving * (1.0 - failure - of_release).max(0.0);
        let flow = &mut self.flows[node];
        changed = changed.max((flow.error - error).abs()).max((flow.passing - passing).abs());
        (flow.compute, flow.away, flow.error, flow.passing) = (compute, away, error, passing);
        changed
    }

    /// What the calls of a link come to.
    fn judge(&mut self, link: usize, pass: u32) -> f64 {
        let model = &self.graph.links[link];
        let found: Vec<Attempts> = (0..model.targets.len()).map(|at| self.attempts_at(link, at)).collect();
        let (sum, passing) = self.attempts_together(link, &found);
        let service = self.graph.nodes[model.targets[0].node].target.service.index();
        let max_retries = self.traffic.services[service].guard.circuit_breaker.max_retries;
        let caller = Caller { rate: self.links[link].rate, clients: self.callers_of(link), max_retries };
        let mut calls = call::calls(model.policy, &sum, caller);
        let state = &mut self.links[link];
        // From the tenth pass on half of the way is gone, so that what swings comes to rest.
        let weight = if pass > 10 { 0.5 } else { 1.0 };
        calls.attempts = state.calls.attempts + weight * (calls.attempts - state.calls.attempts);
        let changed = (calls.attempts - state.calls.attempts)
            .abs()
            .max((calls.failing() - state.calls.failing()).abs())
            .max((passing - state.passing).abs());
        (state.calls, state.passing) = (calls, passing);
        state.targets.iter_mut().zip(found).for_each(|(target, one)| target.attempts = one);
        changed
    }

    /// What attempts at a target of a link come to.
    fn attempts_at(&self, link: usize, at: usize) -> Attempts {
        let model = &self.graph.links[link];
        let travel = &self.links[link].targets[at].travel.time;
        let node = model.targets[at].node;
        let flow = &self.flows[node];
        let service = self.graph.nodes[node].target.service.index();
        let station = &self.stations[self.graph.station_of[service]].flow;
        let stay = flow.stay.plus(travel);
        let guard = self.guards[service];
        let rest = (1.0 - guard) * (1.0 - station.unavailable);
        let refusals = [
            (Outcome::Refused, guard, 0.0),
            (Outcome::Unavailable, (1.0 - guard) * station.unavailable, 0.0),
            (Outcome::Refused, rest * station.refused, travel.mean),
            (Outcome::Timeout, rest * station.expired, call::patience_s(model.policy).min(1e9)),
            (Outcome::Lost, rest * (1.0 - station.refused - station.expired) * station.lost, stay.mean),
        ];
        call::attempts(model.policy, (1.0 - guard) * let_in(station), &stay, flow.error, &refusals)
    }

    /// The same for all targets of a link together, and answers over requests of those that end with one.
    fn attempts_together(&self, link: usize, found: &[Attempts]) -> (Attempts, f64) {
        let (model, state) = (&self.graph.links[link], &self.links[link]);
        let (mut sum, mut well) = (Attempts::default(), Mixture::default());
        let (mut whole, mut ends, mut passed) = (0.0, 0.0, 0.0);
        for ((target, known), one) in model.targets.iter().zip(&state.targets).zip(found) {
            let flow = &self.flows[target.node];
            let service = self.graph.nodes[target.node].target.service.index();
            let station = &self.stations[self.graph.station_of[service]].flow;
            let share = if state.rate > 0.0 { known.share } else { target.share };
            sum.add(share, one);
            well.add(share * one.outcomes[Outcome::Well as usize], &one.well);
            let answered = share * (one.outcomes[Outcome::Well as usize] + one.outcomes[Outcome::Error as usize]);
            whole += share;
            ends += answered;
            passed += answered * station.passing * flow.passing;
        }
        let whole = f64::max(whole, 1e-300);
        sum.outcomes.iter_mut().for_each(|part| *part /= whole);
        sum.well = well.moments();
        (sum, if ends > 0.0 { passed / ends } else { 1.0 })
    }

    /// Places of a link that call by themselves.
    fn callers_of(&self, link: usize) -> f64 {
        let first = self.graph.links[link].targets[0].node;
        let service = self.graph.nodes[first].target.service.index();
        if self.traffic.services[service].balancing == Balancing::Central {
            return 1.0;
        }
        match self.graph.links[link].origin {
            Origin::Source(source, _) => f64::from(self.inflows[source].model.clients.max(1)),
            Origin::Node(node) => {
                let station = self.graph.station_of[self.graph.nodes[node].target.service.index()];
                (self.members[station].len() as f64).max(1.0)
            }
        }
    }

    /// Users send as often as answers let them: a round takes thinking and waiting, and a request finds what one user less
    /// makes of queues (Bard 1979, Schweitzer 1979), which the rates as seen hold.
    fn move_users(&mut self, part: usize, pass: u32) -> f64 {
        let mut moved = 0.0_f64;
        let of_users = |source: &&usize| self.brackets[**source].is_some();
        let is_alone = self.parts[part].sources.iter().filter(of_users).count() == 1;
        for &source in &self.parts[part].sources {
            let Some((users, think_s)) = self.inflows[source].closed else { continue };
            let (mut time_s, mut whole) = (0.0, 0.0);
            for &link in &self.parts[part].source_links {
                if let Origin::Source(of, entry) = self.graph.links[link].origin
                    && of == source
                {
                    let share = self.inflows[source].shares[entry];
                    let calls = &self.links[link].calls;
                    time_s += share * (calls.time.mean + calls.failing() * PAUSE_AFTER_FAILURE_S);
                    whole += share;
                }
            }
            let round_s = think_s + time_s / f64::max(whole, 1e-12);
            self.rounds_s[source] = round_s;
            let rate = self.inflows[source].rate;
            let wanted = users / round_s.max(1e-9);
            moved = moved.max((wanted - rate).abs() / wanted.max(1e-12));
            let Some(bracket) = &mut self.brackets[source] else { continue };
            if !is_alone && pass.is_multiple_of(15) {
                *bracket = Bracket::default();
            }
            let next = bracket.next(rate, wanted);
            self.inflows[source].rate = next;
        }
        moved
    }

    /// Which ways messages take, now that backends are elsewhere.
    fn map_ways(&mut self, part: usize) {
        let network = &self.traffic.network;
        for position in 0..self.parts[part].links.len() {
            let link = self.parts[part].links[position];
            for at in 0..self.links[link].targets.len() {
                let service = self.graph.nodes[self.graph.links[link].targets[at].node].target.service.index();
                let mut ways: Vec<(f64, usize)> = Vec::new();
                for (one, other, share) in self.zones_between(link, at) {
                    let shape = self.network_shape(network.between(one, other));
                    match ways.iter_mut().find(|(_, known)| *known == shape) {
                        Some(way) => way.0 += share,
                        None => ways.push((share, shape)),
                    }
                }
                let proxy = self.proxies[service];
                self.links[link].targets[at].travel = self.travel(ways, proxy);
            }
        }
    }

    fn travel(&self, mut ways: Vec<(f64, usize)>, proxy: Option<usize>) -> Travel {
        ways.retain(|(part, _)| *part > 0.0);
        let mut mixture = Mixture::default();
        for &(part, shape) in &ways {
            let one = shape_moments(&self.graph.shapes[shape]);
            mixture.add(part, &one.plus(&one));
        }
        let mut time = mixture.moments();
        if let Some(proxy) = proxy {
            let one = shape_moments(&self.graph.shapes[proxy]);
            time = time.plus(&one).plus(&one);
        }
        Travel { time, ways, proxy }
    }

    /// The shape of a distribution of the network.
    fn network_shape(&self, dist: &Dist) -> usize {
        let known = self.network_shapes.iter().find(|(one, _)| std::ptr::eq(*one, dist));
        known.map_or(self.no_time, |(_, shape)| *shape)
    }
}

/// Where the rate of users lies: between one that makes rounds too short for it and one that makes them too long.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Bracket {
    low: Option<(f64, f64)>,
    high: Option<(f64, f64)>,
}

impl Bracket {
    /// The rate to try next, after `rate` has led to `wanted`: by the false position (Illinois).
    fn next(&mut self, rate: f64, wanted: f64) -> f64 {
        let gap = wanted - rate;
        let (own, other) = if gap > 0.0 { (&mut self.low, &mut self.high) } else { (&mut self.high, &mut self.low) };
        if own.is_some()
            && let Some((_, stale)) = other
        {
            *stale /= 2.0;
        }
        *own = Some((rate, gap));
        match (self.low, self.high) {
            (Some((low, above)), Some((high, below))) => low + (high - low) * above / (above - below).max(1e-300),
            _ => wanted,
        }
    }
}

/// A client whose request failed waits at least that long, as with single requests; the mean is not known, so it is added.
const PAUSE_AFTER_FAILURE_S: f64 = 1e-3;

fn shape_moments(shape: &super::shape::Shape) -> Moments {
    Moments { mean: shape.mean, variance: shape.variance, floor: shape.floor }
}

/// Part of the attempts that a backend takes.
pub(super) fn let_in(station: &Flow) -> f64 {
    (1.0 - station.unavailable) * (1.0 - station.refused - station.expired).max(0.0) * (1.0 - station.lost)
}

/// How likely no call of a branch fails.
fn all_well(failing: f64, chance: f64, count: u32) -> f64 {
    1.0 - chance * (1.0 - libm::pow(1.0 - failing, f64::from(count)))
}
