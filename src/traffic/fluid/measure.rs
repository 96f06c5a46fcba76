//! What flowed becomes counts and latencies of the same statistics that single requests fill.
//!
//! Counts are whole: what is left over is carried on. Latencies are those of quasi-random requests through the graph.

use super::FluidPlane;
use super::call::patience_s;
use super::flow::{LinkFlow, Travel};
use super::graph::{Branch, Origin, Stage};
use super::queue::Delay;
use super::shape::{Drawn, POINTS, Points, ROUNDS};
use crate::ids::ZoneId;
use crate::model::traffic::{Objective, OperationRef};
use crate::rng::split_mix;
use crate::traffic::attempt::Outcome;
use crate::traffic::statistics::{Fate, ServiceStatistics};
use crate::units::SimDuration;

/// Retries that are followed one by one where latencies are drawn.
const RETRIES_MAX: u32 = 8;
/// Of so many points one goes into what is kept of a long run.
pub(super) const STRIDE_MAX: usize = 8;
/// Columns of a node or link.
const COLUMNS: usize = 29;

/// What is left of counts.
#[derive(Clone, Debug, Default)]
pub(super) struct Carry {
    /// Of a link's calls, where a source makes them.
    pub calls: [f64; Outcome::COUNT],
    /// Of attempts at its targets.
    pub attempts: Vec<[f64; Outcome::COUNT]>,
    pub retries: f64,
}

impl Carry {
    /// Of a link with so many targets.
    pub(super) fn new(targets: usize) -> Carry {
        Carry { attempts: vec![[0.0; Outcome::COUNT]; targets], ..Carry::default() }
    }
}

/// Takes whole numbers out of what has come together.
pub(super) fn take_whole(left: &mut f64, more: f64) -> u64 {
    let sum = *left + more;
    let whole = libm::floor(sum.max(0.0));
    *left = sum - whole;
    whole as u64
}

impl FluidPlane<'_> {
    /// Puts what has flowed since the last time into the statistics.
    pub(super) fn pour(&mut self, part: usize) {
        let span_s = self.pending_s(part);
        let since = std::mem::replace(&mut self.parts[part].poured, self.now);
        if span_s <= 0.0 {
            return;
        }
        for &station in &self.parts[part].stations {
            let station = &mut self.stations[station];
            station.compute_s += station.flow.compute * span_s;
            for group in &mut station.groups {
                let rate = group.rate;
                group.used.add(rate, span_s);
            }
        }
        // A solution that holds for long is measured at more points.
        let steps = self.now.since(since).0 / self.step.0.max(1);
        let rounds = (steps as usize).clamp(1, ROUNDS);
        for _ in 0..rounds {
            let cursor = &mut self.parts[part].cursor;
            cursor.rounds += 1;
            let round = cursor.round();
            self.draw(part, round);
            self.pour_round(part, round, span_s / rounds as f64);
        }
        self.pour_levels(part, span_s);
        if self.carries_bytes {
            self.pour_bytes(part, span_s);
        }
    }

    /// Of how many points one goes into what is kept of the whole run; the other ones have their turn in other steps. Where
    /// there are few steps all do.
    fn stride(&self, part: usize) -> usize {
        let stride = match self.parts[part].steps {
            0..512 => 1,
            512..4096 => 4,
            _ => STRIDE_MAX,
        };
        stride.min(self.stride_max)
    }

    /// Latencies at all nodes, callees first.
    fn draw(&mut self, part: usize, round: usize) {
        for position in (0..self.parts[part].order.len()).rev() {
            let node = self.parts[part].order[position];
            if self.flows[node].rate > 0.0 {
                self.points[node] = self.node_points(node, round);
            }
        }
    }

    /// How long requests of a node are at the server, if all goes well.
    fn node_points(&self, node: usize, round: usize) -> Points {
        let model = &self.graph.nodes[node];
        let station = &self.stations[self.graph.station_of[model.target.service.index()]];
        let first = node * COLUMNS;
        let (mut computing, mut away) = ([0.0; POINTS], [0.0; POINTS]);
        if let Some(proxy) = &self.traffic.services[model.target.service.index()].guard.sidecar {
            computing.iter_mut().for_each(|value| *value += proxy.compute.as_seconds());
        }
        for (number, stage) in model.steps.iter().enumerate() {
            let column = first + 8 + number;
            match stage {
                Stage::Compute(shape) | Stage::Wait(shape) => {
                    let into = if matches!(stage, Stage::Compute(_)) { &mut computing } else { &mut away };
                    let shape = &self.graph.shapes[*shape];
                    for (point, value) in into.iter_mut().enumerate() {
                        *value += shape.at(self.columns.cell(column, round, point));
                    }
                }
                Stage::Call(branches) => self.add_calls(&mut away, branches, column, round),
            }
        }
        let mut found = [0.0; POINTS];
        let mut below = 0.0;
        for (number, group) in station.groups.iter().enumerate() {
            let mut stretch = [1.0; POINTS];
            let mut wait = [0.0; POINTS];
            let chance = group.stretch_chance.clamp(1e-6, 1.0);
            let sharing = Drawn { chance, mean: (group.stretch - 1.0) / chance, spread: 1.0, is_bounded: false };
            self.columns.add_delay(&mut stretch, first + 1, round, sharing);
            level_product(&computing, &mut stretch, group.stretch);
            self.columns.add_delay(&mut wait, first + 2, round, drawn(&group.wait));
            self.columns.add_delay(&mut wait, first + 4, round, drawn(&group.pause));
            let (delay, pause) = (&group.wait, &group.pause);
            let above = if number + 1 == station.groups.len() { 1.1 } else { below + group.share };
            for point in 0..POINTS {
                let unit = self.columns.unit(first, round, point);
                if unit < below || unit >= above {
                    continue;
                }
                let part = self.columns.unit(first + 3, round, point);
                let between = |(from, to): (f64, f64)| from + part * (to - from);
                let slow = group.slow * (stretch[point] + between(group.backlog));
                found[point] = computing[point] * slow
                    + away[point]
                    + wait[point]
                    + between(delay.backlog_s)
                    + between(pause.backlog_s);
            }
            below = above;
        }
        found
    }

    /// The last of the calls of a step.
    fn add_calls(&self, into: &mut Points, branches: &[Branch], column: usize, round: usize) {
        let mut last = [0.0_f64; POINTS];
        for (number, branch) in branches.iter().enumerate().filter(|(_, branch)| !branch.is_detached) {
            let called = self.call_points(branch.link, round);
            for copy in 0..branch.count.min(32) as usize {
                let own = column + 64 + 31 * number + 7 * copy;
                for (point, value) in last.iter_mut().enumerate() {
                    if self.columns.unit(own + 1, round, point) < branch.chance {
                        *value = value.max(called[self.columns.other(own, round, point)]);
                    }
                }
            }
        }
        into.iter_mut().zip(last).for_each(|(sum, value)| *sum += value);
    }

    /// Attempts at the targets of a link, messages included.
    fn attempt_points(&self, link: usize, round: usize, turn: usize) -> Points {
        let state = &self.links[link];
        let first = 131 + link * COLUMNS + 5 * turn;
        let mut found = [0.0; POINTS];
        let (whole, mut below) = (state.targets.iter().map(|target| target.share).sum::<f64>(), 0.0);
        let last = state.targets.len() - 1;
        for (number, target) in state.targets.iter().enumerate() {
            let node = &self.points[self.graph.links[link].targets[number].node];
            let above = if number == last { 1.1 } else { below + target.share / whole.max(1e-300) };
            for (point, value) in found.iter_mut().enumerate() {
                let unit = if last == 0 { 0.5 } else { self.columns.unit(first, round, point) };
                if unit >= below && unit < above {
                    *value = node[self.columns.other(first + 1, round, point)];
                }
            }
            below = above;
        }
        self.add_travel(&mut found, &state.targets[0].travel, first + 2, round);
        found
    }

    fn add_travel(&self, into: &mut Points, travel: &Travel, column: usize, round: usize) {
        if travel.time.mean <= 0.0 {
            return;
        }
        for (point, value) in into.iter_mut().enumerate() {
            let mut unit = self.columns.unit(column, round, point);
            let way = travel.ways.iter().find(|(part, _)| {
                unit -= part;
                unit < 0.0
            });
            let there = self.columns.cell(column + 1, round, point);
            let back = self.columns.cell(column + 2, round, point);
            for shape in way.or(travel.ways.last()).map(|(_, shape)| *shape).into_iter().chain(travel.proxy) {
                *value += self.graph.shapes[shape].at(there) + self.graph.shapes[shape].at(back);
            }
        }
    }

    /// How long calls of a link take that end well, all attempts included.
    fn call_points(&self, link: usize, round: usize) -> Points {
        let policy = self.graph.links[link].policy;
        let state = &self.links[link];
        let mut found = self.attempt_points(link, round, 0);
        if policy.is_plain() {
            return found;
        }
        let patience_s = patience_s(policy);
        if let Some(hedging) = policy.hedging {
            let second = self.attempt_points(link, round, 11);
            let after_s = hedging.after.as_seconds();
            found.iter_mut().zip(second).for_each(|(one, other)| *one = one.min(after_s + other));
        }
        let limit = policy.retries.as_ref().map_or(0, |retries| retries.limit.min(RETRIES_MAX));
        let retried = limit > 0 && state.calls.failing() + (state.calls.attempts - 1.0).max(0.0) > 1e-6;
        if !retried {
            drop_late(&mut found, patience_s);
            return found;
        }
        let mut before = [0.0; POINTS];
        let mut is_open = [true; POINTS];
        let (failing, failing_s) = failing_otherwise(state);
        for turn in 0..=limit {
            let attempt = if turn == 0 { found } else { self.attempt_points(link, round, turn as usize) };
            let longest = policy.retries.as_ref().map_or(0.0, |rules| {
                (rules.base.as_seconds() * libm::pow(2.0, f64::from(turn))).min(rules.max.as_seconds())
            });
            for point in 0..POINTS {
                if !is_open[point] {
                    continue;
                }
                let own = 131 + link * COLUMNS + 5 * turn as usize + 4;
                let fails = self.columns.unit(own, round, point) < failing;
                let is_late = attempt[point] > patience_s;
                if turn < limit && (fails || is_late) {
                    let pause = longest * self.columns.unit(own + 17, round, point);
                    before[point] += if fails { failing_s } else { patience_s } + pause;
                    continue;
                }
                found[point] = before[point] + attempt[point].min(patience_s);
                is_open[point] = false;
            }
        }
        found
    }

    /// Counts what flowed in a time, with the latencies of a round.
    fn pour_round(&mut self, part: usize, round: usize, span_s: f64) {
        for position in 0..self.parts[part].links.len() {
            let link = self.parts[part].links[position];
            if self.links[link].rate <= 0.0 {
                continue;
            }
            self.pour_attempts((part, round), link, span_s);
            if let Origin::Source(source, _) = self.graph.links[link].origin {
                self.pour_calls((part, round), link, source, span_s);
            }
        }
    }

    fn pour_attempts(&mut self, (part, round): (usize, usize), link: usize, span_s: f64) {
        let patience_s = patience_s(self.graph.links[link].policy);
        for at in 0..self.links[link].targets.len() {
            let found = &self.links[link].targets[at];
            let attempts = self.links[link].calls.attempts;
            let made = self.links[link].rate * found.share * attempts * span_s;
            if made <= 0.0 {
                continue;
            }
            let node = self.graph.links[link].targets[at].node;
            let OperationRef { service, operation } = self.graph.nodes[node].target;
            let mut points = self.points[node];
            self.add_travel(&mut points, &found.travel, 131 + link * COLUMNS + 2, round);
            drop_late(&mut points, patience_s);
            let answered_points = points;
            let stride = self.stride(part);
            let station = self.graph.station_of[service.index()];
            let passing = self.stations[station].flow.passing * self.flows[node].passing;
            let objective = self.traffic.services[service.index()].objective;
            let carry = &mut self.carries[link];
            let statistics = &mut self.statistics[service.index()];
            for outcome in Outcome::ALL {
                let answered = if matches!(outcome, Outcome::Well | Outcome::Error) { passing } else { 1.0 };
                let more = made * found.attempts.outcomes[outcome as usize] * answered;
                let count = take_whole(&mut carry.attempts[at][outcome as usize], more);
                let note = Note { operation, outcome, objective, zones: self.zones };
                let zones: &[(Option<ZoneId>, f64)] = match outcome {
                    Outcome::Unavailable => &[(None, 1.0)],
                    _ if self.stations[station].zones.is_empty() => &[(None, 1.0)],
                    _ => &self.stations[station].zones,
                };
                if !matches!(outcome, Outcome::Well | Outcome::Error) {
                    points = [found.attempts.times_s[outcome as usize]; POINTS];
                } else if outcome == Outcome::Error {
                    points = answered_points;
                }
                note.add(statistics, zones, count, &points, stride, &mut self.parts[part].cursor);
            }
            let outcomes = found.attempts.outcomes;
            let again = made - made / attempts.max(1.0);
            statistics.retries += take_whole(&mut carry.retries, again);
            let begun = (made * super::flow::let_in(&self.stations[station].flow)) as u64;
            statistics.wait.record_many(SimDuration::from_seconds(self.stations[station].flow.wait_s), begun);
            if !self.stations[station].split.is_empty() {
                self.pour_releases(service, node, made, &outcomes, &points);
            }
        }
    }

    /// How calls of a source ended.
    fn pour_calls(&mut self, (part, round): (usize, usize), link: usize, source: usize, span_s: f64) {
        let stride = self.stride(part);
        let state = &self.links[link];
        let points = self.call_points(link, round);
        let objective = self.objectives[source];
        let patience_s = patience_s(self.graph.links[link].policy);
        for outcome in Outcome::ALL {
            let answered = if matches!(outcome, Outcome::Well | Outcome::Error) { state.passing } else { 1.0 };
            let more = state.rate * span_s * state.calls.outcomes[outcome as usize].max(0.0) * answered;
            let count = take_whole(&mut self.carries[link].calls[outcome as usize], more);
            let fate = &mut self.source_fates[source];
            let cursor = &mut self.parts[part].cursor;
            if outcome.is_well() {
                each(count, &points, window_stride(stride), cursor, |latency, count| {
                    fate.note_many(outcome, latency, objective, count);
                });
                each(count, &points, stride, cursor, |latency, count| fate.note_latencies(latency, count));
            } else {
                let latency = if patience_s.is_finite() { patience_s } else { state.calls.time.mean };
                fate.note_many(outcome, SimDuration::from_seconds(latency), objective, count);
            }
        }
    }

    /// Requests that are there, and that wait.
    fn pour_levels(&mut self, part: usize, span_s: f64) {
        for position in 0..self.parts[part].services.len() {
            let service = self.parts[part].services[position];
            let station = self.graph.station_of[service];
            let flow = &self.stations[station].flow;
            let own: f64 = self.graph.nodes_of[station]
                .iter()
                .filter(|&&node| self.graph.nodes[node].target.service.index() == service)
                .map(|&node| self.flows[node].rate)
                .sum();
            let all: f64 = self.graph.nodes_of[station].iter().map(|&node| self.flows[node].rate).sum();
            let share = if all > 0.0 { own / all } else { 1.0 };
            let statistics = &mut self.statistics[service];
            statistics.flow(self.now, SimDuration::from_seconds(span_s), flow.present * share, flow.waiting * share);
        }
    }
}

/// The part of a delay that is drawn.
fn drawn(delay: &Delay) -> Drawn {
    Drawn { chance: delay.chance, mean: delay.delay_s, spread: delay.spread, is_bounded: delay.is_bounded }
}

/// Changes factors so that on average the product is the product of the averages.
fn level_product(values: &Points, factors: &mut Points, mean: f64) {
    let sum: f64 = values.iter().sum();
    let product: f64 = values.iter().zip(factors.iter()).map(|(value, factor)| value * (factor - 1.0)).sum();
    if product > 0.0 {
        let scale = sum * (mean - 1.0) / product;
        factors.iter_mut().for_each(|factor| *factor = 1.0 + (*factor - 1.0) * scale);
    }
}

/// Puts others in the place of those that are too late.
fn drop_late(points: &mut Points, patience_s: f64) {
    let mut known = points.iter().copied().rfind(|value| *value <= patience_s).unwrap_or(patience_s);
    for value in points.iter_mut() {
        if *value > patience_s {
            *value = known;
        } else {
            known = *value;
        }
    }
}

/// How likely an attempt fails otherwise than by being late, and how long that takes.
fn failing_otherwise(state: &LinkFlow) -> (f64, f64) {
    let (mut part, mut time) = (0.0, 0.0);
    for target in &state.targets {
        let answered =
            target.attempts.outcomes[Outcome::Well as usize] + target.attempts.outcomes[Outcome::Error as usize];
        part += target.share * answered * state.calls.error;
        time += target.share * answered * state.calls.error * target.attempts.times_s[Outcome::Error as usize];
        for outcome in [Outcome::Refused, Outcome::Unavailable, Outcome::Lost] {
            let own = target.share * target.attempts.outcomes[outcome as usize];
            part += own;
            time += own * target.attempts.times_s[outcome as usize];
        }
    }
    if part > 0.0 { (part, time / part) } else { (0.0, 0.0) }
}

/// Which points are taken next.
#[derive(Clone, Debug, Default)]
pub(super) struct Cursor {
    /// Rounds that were measured.
    pub rounds: u64,
    /// Where the last that was taken of all points lies.
    at: usize,
}

impl Cursor {
    /// The round that is being measured.
    pub(super) fn round(&self) -> usize {
        (self.rounds % ROUNDS as u64) as usize
    }

    /// The first point to take, where one in `stride` is.
    ///
    /// There are `stride` sets of points in a round. If they had their turn one after the other, a rate that has a period would
    /// meet the same ones at each of its peaks. So sets have their turn in an order that is hashed: in as many goes through the
    /// rounds as there are sets each round shows all of its own, and so do as many of those that lie so many goes apart. Hashed is
    /// also which points of the set get what does not divide.
    fn begin(&mut self, stride: usize) -> usize {
        self.at = (self.at + 1) % POINTS;
        if stride <= 1 {
            return self.at;
        }
        let (rounds, sets) = (ROUNDS as u64, stride as u64);
        let (go, round) = (self.rounds / rounds, self.rounds % rounds);
        let turn = go ^ (go / sets) ^ split_mix(go / (sets * sets) * rounds + round);
        let set = (turn % sets) as usize;
        let place = split_mix(self.rounds * POINTS as u64 + self.at as u64) % (POINTS / stride) as u64;
        place as usize * stride + set
    }
}

/// Divides a count among points, of which one in `stride` is taken, as evenly as whole numbers allow; others each time. The
/// stride is a power of two.
pub(super) fn each(
    count: u64,
    points: &Points,
    stride: usize,
    cursor: &mut Cursor,
    mut note: impl FnMut(SimDuration, u64),
) {
    if count == 0 {
        return;
    }
    let first = cursor.begin(stride);
    let parts = POINTS / stride;
    let (all, more) = (count / parts as u64, (count % parts as u64) as usize);
    for part in 0..parts {
        let own = all + u64::from(part < more);
        if own == 0 {
            break;
        }
        note(SimDuration::from_seconds(points[(first + part * stride) % POINTS]), own);
    }
    cursor.at += more * stride;
}

/// Where attempts are counted.
struct Note {
    operation: u32,
    outcome: Outcome,
    objective: Option<Objective>,
    zones: usize,
}

impl Note {
    fn add(
        &self,
        statistics: &mut ServiceStatistics,
        zones: &[(Option<ZoneId>, f64)],
        count: u64,
        points: &Points,
        stride: usize,
        cursor: &mut Cursor,
    ) {
        let fate: &mut Fate = &mut statistics.attempts;
        each(
            count,
            points,
            if self.outcome.is_well() { window_stride(stride) } else { POINTS },
            cursor,
            |latency, count| {
                fate.note_many(self.outcome, latency, self.objective, count);
            },
        );
        if self.outcome.is_well() {
            each(count, points, stride, cursor, |latency, count| fate.note_latencies(latency, count));
        }
        // By turns another zone gets what does not divide.
        let offset = (cursor.at as f64 + 0.5) * 0.618_033_988_749_895 % 1.0;
        let (mut part, mut before) = (0.0, 0);
        for (position, (zone, share)) in zones.iter().enumerate() {
            part += share;
            let up_to = match position + 1 == zones.len() {
                true => count,
                false => ((count as f64 * part + offset) as u64).min(count),
            };
            let own = up_to.saturating_sub(before);
            if own > 0 {
                let cell = statistics.cell((self.operation, *zone), self.outcome, self.zones);
                each(own, points, stride, cursor, |latency, count| cell.latency.record_many(latency, count));
            }
            before = before.max(up_to);
        }
    }
}

/// The same for windows, which are short.
fn window_stride(stride: usize) -> usize {
    if stride > 1 { 2 } else { 1 }
}
