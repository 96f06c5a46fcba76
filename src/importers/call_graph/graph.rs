//! From single requests to operations: what each does by itself, and what it calls.

use std::collections::BTreeMap;

use super::requests::Request;
use super::spans::Spans;

/// Groups of equal size that a distribution is described by, each by its mean.
const GROUPS: u128 = 100;

/// What is known of all operations.
#[derive(Clone, Debug, Default)]
pub(super) struct CallGraph {
    /// By number of the operation.
    pub(super) operations: Vec<OperationPlan>,
    /// By number of the operations of caller and callee: how long messages took, one way, ns.
    pub(super) network_ns: BTreeMap<(u32, u32), Vec<u64>>,
}

/// An operation.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct OperationPlan {
    /// How many requests there were.
    pub(super) requests: u64,
    /// How many of them came from outside.
    pub(super) entries: u64,
    /// Of requests whose server was recorded: the time that no call covers, ns, ascending.
    pub(super) self_ns: Vec<u64>,
    /// What is called, one after the other.
    pub(super) stages: Vec<Stage>,
}

/// Calls that are made at once.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Stage {
    /// Whether nobody waits for their answers.
    pub(super) is_detached: bool,
    pub(super) calls: Vec<CallPlan>,
}

/// A call.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct CallPlan {
    pub(super) target: u32,
    /// In how many of the requests that could make it it was made.
    pub(super) made: u64,
    pub(super) of: u64,
    pub(super) count: u32,
}

/// The n-th call of an operation within a request.
type Slot = (u32, u32);

/// What one request called, in order of the starts: the slot, and the part of the call that lies within the request.
type Calls = Vec<(Slot, (u64, u64))>;

/// What is known of a slot.
#[derive(Clone, Debug, Default)]
struct SlotFacts {
    /// When calls began, as a part of the request's time.
    starts: Vec<f64>,
    told_detached: u64,
    duration_ns: u128,
    outside_ns: u128,
}

impl SlotFacts {
    /// Whether nobody waits: the format says so of most calls, or most of their time lies after the end of the request.
    fn is_detached(&self) -> bool {
        2 * self.told_detached > self.starts.len() as u64 || 2 * self.outside_ns > self.duration_ns
    }
}

impl CallGraph {
    pub(super) fn new(spans: &Spans, requests: &[Request]) -> CallGraph {
        let mut graph = CallGraph::default();
        graph.operations.resize(spans.operations.len(), OperationPlan::default());
        let mut children: Vec<Vec<u32>> = vec![Vec::new(); requests.len()];
        let mut by_operation: Vec<Vec<u32>> = vec![Vec::new(); spans.operations.len()];
        for (number, request) in requests.iter().enumerate() {
            let plan = &mut graph.operations[request.operation as usize];
            plan.requests += 1;
            plan.entries += u64::from(request.is_entry);
            if request.served.is_some() {
                by_operation[request.operation as usize].push(number as u32);
            }
            let Some(parent) = request.parent else { continue };
            children[parent as usize].push(number as u32);
            if let Some(span) = request.network_ns {
                let ends = (requests[parent as usize].operation, request.operation);
                graph.network_ns.entry(ends).or_default().push(span);
            }
        }
        for list in &mut children {
            list.sort_by_key(|&child| requests[child as usize].call);
        }
        for (plan, numbers) in graph.operations.iter_mut().zip(&by_operation) {
            describe(plan, requests, &children, numbers);
        }
        graph
    }
}

/// Fills in what an operation does, from its requests.
fn describe(plan: &mut OperationPlan, requests: &[Request], children: &[Vec<u32>], numbers: &[u32]) {
    let mut facts: BTreeMap<Slot, SlotFacts> = BTreeMap::new();
    let mut all_calls: Vec<Calls> = Vec::with_capacity(numbers.len());
    for &number in numbers {
        let served = requests[number as usize].served.unwrap_or_default();
        all_calls.push(calls(requests, &children[number as usize], served, &mut facts));
    }
    let detached: Vec<Slot> = facts.iter().filter(|(_, facts)| facts.is_detached()).map(|(slot, _)| *slot).collect();
    for (&number, calls) in numbers.iter().zip(&all_calls) {
        let (start, end) = requests[number as usize].served.unwrap_or_default();
        let waited = calls.iter().filter(|(slot, _)| detached.binary_search(slot).is_err()).map(|(_, span)| *span);
        plan.self_ns.push((end - start).saturating_sub(covered_ns(waited)));
    }
    plan.self_ns.sort_unstable();
    plan.stages = stages(&facts, &all_calls, &detached, numbers.len() as u64);
}

fn calls(requests: &[Request], children: &[u32], served: (u64, u64), facts: &mut BTreeMap<Slot, SlotFacts>) -> Calls {
    let mut counts: BTreeMap<u32, u32> = BTreeMap::new();
    let mut calls = Calls::new();
    for &child in children {
        let Request { operation, call: (start, end), is_detached, .. } = requests[child as usize];
        let count = counts.entry(operation).or_default();
        let slot = (operation, *count);
        *count += 1;
        let within = (start.clamp(served.0, served.1), end.clamp(served.0, served.1));
        let facts = facts.entry(slot).or_default();
        let length = (served.1 - served.0).max(1);
        facts.starts.push((within.0 - served.0) as f64 / length as f64);
        facts.told_detached += u64::from(is_detached);
        facts.duration_ns += u128::from(end - start);
        facts.outside_ns += u128::from((end - start) - (within.1 - within.0));
        calls.push((slot, within));
    }
    calls
}

/// How much of the time intervals cover that begin one after the other.
fn covered_ns(intervals: impl Iterator<Item = (u64, u64)>) -> u64 {
    let (mut covered, mut until) = (0, 0);
    for (start, end) in intervals {
        covered += end.saturating_sub(start.max(until));
        until = until.max(end);
    }
    covered
}

/// The calls in the order of the medians of their starts, together where that errs less than one after the other.
fn stages(facts: &BTreeMap<Slot, SlotFacts>, all_calls: &[Calls], detached: &[Slot], requests: u64) -> Vec<Stage> {
    let mut slots: Vec<(f64, Slot)> = facts.iter().map(|(slot, facts)| (median(&facts.starts), *slot)).collect();
    slots.sort_by(|one, other| one.0.total_cmp(&other.0).then(one.1.cmp(&other.1)));
    let mut groups: Vec<(bool, Vec<Slot>)> = Vec::new();
    for (_, slot) in slots {
        if detached.binary_search(&slot).is_ok() {
            groups.push((true, vec![slot]));
            continue;
        }
        // Messages take no time, so what comes after one may still go with the calls before it.
        match groups.iter_mut().rev().find(|(is_detached, _)| !is_detached) {
            Some((_, group)) if belongs_to(group, slot, all_calls) => group.push(slot),
            _ => groups.push((false, vec![slot])),
        }
    }
    let stage = |(is_detached, mut group): (bool, Vec<Slot>)| {
        group.sort_unstable();
        Stage { is_detached, calls: merged(&group, facts, requests) }
    };
    groups.into_iter().map(stage).collect()
}

/// Whether a call is better taken to be made together with those of a group than after them: whichever comes nearer to the
/// time that they took together, summed over all requests.
fn belongs_to(group: &[Slot], slot: Slot, all_calls: &[Calls]) -> bool {
    let (mut error_after, mut error_together) = (0u128, 0u128);
    for calls in all_calls {
        let Some((_, own)) = calls.iter().find(|(other, _)| *other == slot) else { continue };
        let of_group = || calls.iter().filter(|(other, _)| group.contains(other)).map(|(_, span)| *span);
        let longest = of_group().map(|(start, end)| end - start).max().unwrap_or(0);
        let own_ns = own.1 - own.0;
        let real = covered_ns(calls.iter().filter(|(other, _)| *other == slot || group.contains(other)).map(|c| c.1));
        error_after += u128::from((longest + own_ns).abs_diff(real));
        error_together += u128::from(longest.max(own_ns).abs_diff(real));
    }
    error_together < error_after
}

/// The calls of a stage; those of one operation that are always made together are one with a count.
fn merged(group: &[Slot], facts: &BTreeMap<Slot, SlotFacts>, requests: u64) -> Vec<CallPlan> {
    let mut plans: Vec<CallPlan> = Vec::new();
    for slot in group {
        let made = facts[slot].starts.len() as u64;
        match plans.last_mut() {
            Some(last) if last.target == slot.0 && last.made == made => last.count += 1,
            _ => plans.push(CallPlan { target: slot.0, made, of: requests, count: 1 }),
        }
    }
    plans
}

/// The median of values, the lower of two in the middle.
fn median(values: &[f64]) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    sorted[(sorted.len() - 1) / 2]
}

/// Spans that stand for ascending ones: all of them if they are few, else the means of [`GROUPS`] groups of equal size, so
/// that the mean stays what it is. A value at the edge of two groups belongs to each in part.
pub(super) fn groups_ns(sorted: &[u64]) -> Vec<u64> {
    let size = sorted.len() as u128;
    if size <= GROUPS {
        return sorted.to_vec();
    }
    // Each value is as long as there are groups, each group as long as there are values: all edges are whole numbers.
    let group = |number: u128| {
        let (start, end) = (number * size, (number + 1) * size);
        let mut sum = 0;
        for value in start / GROUPS..end.div_ceil(GROUPS) {
            let length = end.min((value + 1) * GROUPS) - start.max(value * GROUPS);
            sum += length * u128::from(sorted[value as usize]);
        }
        ((sum + size / 2) / size) as u64
    };
    (0..GROUPS).map(group).collect()
}
