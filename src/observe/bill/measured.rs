//! What pods are charged for what their containers were measured to use, over time.
//!
//! Between two looks of the engine at a node CPU stays as it is and memory is a straight line, so the integrals are exact but
//! for the rounding of a byte. GPUs are not measured: who has one has requested it.
//!
//! Cost: O(containers with known usage on the node) a look at it.

use std::collections::BTreeMap;

use crate::ids::{NodeId, PodId};
use crate::model::billing::Allocation;
use crate::model::controllers::{Container, PodLife};
use crate::model::{Demand, Usage};
use crate::units::{SimDuration, SimTime};
use crate::world::View;
use crate::world::usage::UsedRun;

/// Milli-cores and bytes, or those times nanoseconds.
type Pair<T> = [T; 2];

/// What requests use of a pod: which container and run, and milli-cores and bytes.
type Load = ((u32, u32), (u64, u64));

/// Measures what pods use.
#[derive(Clone, Debug)]
pub(super) struct Measured {
    allocation: Allocation,
    nodes: BTreeMap<NodeId, OnNode>,
    /// What requests use of pods.
    loads: BTreeMap<PodId, Load>,
    /// What each pod is charged so far.
    pods: BTreeMap<PodId, Pair<u128>>,
}

/// The containers of a node whose usage is known, since the last look at it.
#[derive(Clone, Debug, Default)]
struct OnNode {
    since: SimTime,
    runs: Vec<Course>,
}

/// What a container uses until the next look.
#[derive(Clone, Copy, Debug)]
struct Course {
    pod: PodId,
    /// What is not charged of CPU and memory.
    free: Pair<u64>,
    cpu: Option<u64>,
    memory: Option<Line>,
}

/// Bytes that rise or fall evenly, and then stay.
#[derive(Clone, Copy, Debug)]
struct Line {
    first: (SimTime, u64),
    last: (SimTime, u64),
}

impl Measured {
    /// Nothing is charged so far; none where usage is nothing to the bill.
    pub(super) fn new(allocation: Allocation) -> Option<Measured> {
        let measures = allocation != Allocation::Requests;
        measures.then(|| Measured { allocation, nodes: BTreeMap::new(), loads: BTreeMap::new(), pods: BTreeMap::new() })
    }

    /// What containers of a node use is another thing from now on. The node is paid for until `until`, which is not later.
    pub(super) fn look(&mut self, view: &View<'_>, node: NodeId, until: SimTime) {
        self.settle(node, until);
        let runs = view.world.usage.get(node).map_or(&[][..], |usage| &usage.runs);
        let courses = runs.iter().filter_map(|run| self.course(view, run)).collect();
        self.nodes.insert(node, OnNode { since: view.world.time, runs: courses });
    }

    /// Requests use so much of a run of a container, from the next look at its node on.
    pub(super) fn load(&mut self, pod: PodId, run: (u32, u32), load: (u64, u64)) {
        self.loads.insert(pod, (run, load));
    }

    /// A pod is gone.
    pub(super) fn forget(&mut self, pod: PodId) {
        self.loads.remove(&pod);
    }

    /// What a pod that leaves its node is charged beside what it is charged for requests, in milli-cores and bytes times ns.
    pub(super) fn leave(&mut self, pod: PodId, node: NodeId, until: SimTime) -> Pair<u128> {
        self.settle(node, until);
        if let Some(on_node) = self.nodes.get_mut(&node) {
            on_node.runs.retain(|run| run.pod != pod);
        }
        self.pods.remove(&pod).unwrap_or_default()
    }

    /// Requests of a pod's containers that are not charged, because what they use is.
    pub(super) fn waived(&self, view: &View<'_>, pod: PodId) -> Pair<u64> {
        let member = view.world.member(pod).filter(|_| self.allocation == Allocation::Usage);
        let Some(member) = member else { return [0; 2] };
        let known = view.world.life_of(&view.model.controllers, member).containers.iter();
        known.filter_map(|one| one.usage.as_deref()).fold([0; 2], |[cpu, memory], usage| {
            let request = requested(usage);
            let is_known = [usage.cpu.is_some(), usage.memory.is_some()].map(u64::from);
            [cpu + request[0] * is_known[0], memory + request[1] * is_known[1]]
        })
    }

    fn settle(&mut self, node: NodeId, until: SimTime) {
        let Some(on_node) = self.nodes.get_mut(&node) else { return };
        let since = on_node.since;
        if until <= since {
            return;
        }
        on_node.since = until;
        let span = until.since(since);
        for run in &on_node.runs {
            let charged = self.pods.entry(run.pod).or_default();
            charged[0] += run.cpu.map_or(0, |cpu| area_above(run.free[0], cpu, cpu, span));
            charged[1] += run.memory.map_or(0, |line| line.area_above(run.free[1], since, until));
        }
    }

    fn course(&self, view: &View<'_>, run: &UsedRun) -> Option<Course> {
        let member = view.world.member(run.pod)?;
        let life = view.world.life_of(&view.model.controllers, member);
        let usage = container(life, run.container as usize)?.usage.as_deref()?;
        let now = view.world.time;
        let demand = |demand: &Demand, drawn, load| match demand {
            Demand::Load => load,
            other => other.at(drawn, run.age(now)),
        };
        let known = self.loads.get(&run.pod).filter(|(of, _)| *of == (run.container, run.run));
        let (load_cpu, load_memory) = known.map_or((0, 0), |(_, load)| *load);
        let cpu = usage.cpu.as_ref().map(|cpu| demand(cpu, run.drawn_cpu, load_cpu) as f64 * run.speed);
        let memory = usage.memory.as_ref().map(|memory| {
            let value = demand(memory, run.drawn_memory, load_memory);
            Line { first: (now, value), last: end_of_ramp(memory, run).unwrap_or((now, value)) }
        });
        let free = if self.allocation == Allocation::Greatest { requested(usage) } else { [0; 2] };
        Some(Course { pod: run.pod, free, cpu: cpu.map(|milli| milli.round() as u64), memory })
    }
}

/// When memory that rises or falls evenly stops doing so, and what it is then; none where it does not.
fn end_of_ramp(memory: &Demand, run: &UsedRun) -> Option<(SimTime, u64)> {
    match memory {
        Demand::Ramp { to, over, .. } => Some((run.since.after(*over), *to)),
        _ => None,
    }
}

fn requested(usage: &Usage) -> Pair<u64> {
    [usage.cpu_request, usage.memory_request]
}

/// The container at a position, init containers first.
fn container(life: &PodLife, index: usize) -> Option<&Container> {
    life.init_containers.iter().chain(&life.containers).nth(index)
}

impl Line {
    fn at(&self, instant: SimTime) -> u64 {
        let ((from, first), (to, last)) = (self.first, self.last);
        if instant >= to || to <= from {
            return if to <= from { first } else { last };
        }
        let part = u128::from(first.abs_diff(last)) * u128::from(instant.since(from).0) / u128::from(to.since(from).0);
        let part = u64::try_from(part).expect("a part of a difference");
        if last >= first { first + part } else { first - part }
    }

    /// The integral of what is above a level.
    fn area_above(&self, level: u64, from: SimTime, to: SimTime) -> u128 {
        let turn = self.last.0.clamp(from, to);
        let risen = area_above(level, self.at(from), self.at(turn), turn.since(from));
        risen + area_above(level, self.at(turn), self.at(to), to.since(turn))
    }
}

/// The integral over a span of what is above a level of a straight line from one value to another.
fn area_above(level: u64, first: u64, last: u64, span: SimDuration) -> u128 {
    let [low, high, level] = [first.min(last), first.max(last), level].map(u128::from);
    let twice_mean = match high > level {
        false => 0,
        true if low >= level => low + high - 2 * level,
        // A triangle: as high as the line's part above the level, and as long.
        true => (high - level) * (high - level) / (high - low),
    };
    twice_mean * u128::from(span.0) / 2
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn areas_above_a_level() {
        let seconds = |seconds: u64| SimTime(seconds * 1_000_000_000);
        let rises = Line { first: (seconds(0), 100), last: (seconds(100), 300) };
        let falls = Line { first: (seconds(0), 300), last: (seconds(100), 100) };
        let stays = Line { first: (seconds(0), 150), last: (seconds(0), 150) };
        for (line, level, from, to, area) in [
            // Constant 50 above for 10 s.
            (stays, 100, 0, 10, 500),
            (stays, 150, 0, 10, 0),
            (stays, 200, 0, 10, 0),
            // From 100 to 300 above 0: mean 200 for 100 s; then 300 for 50 s.
            (rises, 0, 0, 100, 20_000),
            (rises, 0, 0, 150, 35_000),
            // It is 200 after 50 s: a triangle of 100 by 50 s.
            (rises, 200, 0, 100, 2_500),
            (rises, 200, 0, 50, 0),
            // From 25 s (150) to 75 s (250): above 200 from 50 s on, up to 50.
            (rises, 200, 25, 75, 625),
            // From 300 down to 200 at 50 s.
            (falls, 200, 0, 100, 2_500),
            (falls, 200, 0, 300, 2_500),
            (falls, 50, 0, 100, 15_000),
        ] {
            let found = line.area_above(level, seconds(from), seconds(to));
            assert_eq!(found, area * 1_000_000_000, "{line:?} above {level} from {from} to {to} s");
        }
    }
}
