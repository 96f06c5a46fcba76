//! Nodes as rows of plain numbers, for scorers that work through thousands of nodes a microsecond.
//!
//! A mirror of the world's columns as `f64`, amounts up to 2^43 and so exact. Beside the rows of all nodes
//! it keeps a ring of the rows as they were after each of the latest changes, side by side: a class catches up by
//! running over a piece of that ring, without looking for the changed nodes here and there. Of several rows of one node
//! all but the latest are marked: whoever has the earlier before it has the latest, too.
//!
//! Cost: about 10 ns a change, once for all classes; 56 bytes a node, 52 bytes a change in the ring.

use crate::ids::NodeId;
use crate::model::PodClass;
use crate::world::{NodeState, Nodes, World};

/// Percentages of amounts up to here, 8 TiB in bytes, round down exactly; see [`percent`].
pub const AMOUNT_MAX: u64 = 1 << 43;

/// How many columns there are.
const COLUMNS: usize = 6;

/// Rows of nodes. All slices are of one length.
#[derive(Clone, Copy, Debug)]
pub struct Rows<'a> {
    /// 100 / allocatable milli-cores.
    pub cpu_percent: &'a [f64],
    /// 100 / allocatable bytes of memory.
    pub memory_percent: &'a [f64],
    /// Free milli-cores; -1 where the node takes no pod or has no pod slot left.
    pub free_cpu: &'a [f64],
    /// Free bytes of memory.
    pub free_memory: &'a [f64],
    /// Allocatable milli-cores less those requested as upstream's scorers count them; -1 when over.
    pub scoring_cpu: &'a [f64],
    /// Bytes of memory likewise.
    pub scoring_memory: &'a [f64],
}

/// Adding and taking away 1.5 x 2^52 rounds to the nearest whole number, and leaves that number in the low bits between:
/// the cheapest rounding that there is in vectors of every processor.
const ROUNDER: f64 = 6_755_399_441_055_744.0;

/// A little less than one half: subtracted before rounding to the nearest it rounds down.
const NEARLY_HALF: f64 = 0.5 - 1.5 / (1u64 << 45) as f64;

/// floor(100 x `left` / `of`), or 0 when nothing is left; `percent_of` is 100 / `of`. Exact for whole numbers, `left` at
/// most `of` and `of` at most [`AMOUNT_MAX`]: a percentage is whole or at least 1 / `of`, 4 x 2^-45, below the next whole
/// number; it is computed with an error of at most 1.25 x 2^-45 (two roundings of 2^-53 of up to 100, one of 2^-47), and
/// 1.5 x 2^-45 is more than that and leaves more than that to the next whole number.
#[inline(always)]
pub fn percent(left: f64, percent_of: f64) -> f64 {
    let left = if left > 0.0 { left } else { 0.0 };
    (left * percent_of - NEARLY_HALF + ROUNDER) - ROUNDER
}

/// A whole number from 0 to 255 as an integer.
#[inline(always)]
pub fn integer(whole: f64) -> u8 {
    (whole + ROUNDER).to_bits() as u8
}

/// floor(`whole` / 2) of a whole number, 0 or more.
#[inline(always)]
pub fn half(whole: f64) -> f64 {
    (whole * 0.5 - 0.25 + ROUNDER) - ROUNDER
}

/// Writes a byte for each row: the score above `lowest` plus one, or 0 where the amounts do not fit. Spoils `scores`.
pub(super) fn encode(rows: &Rows<'_>, (cpu, memory): (u64, u64), lowest: i32, scores: &mut [f64], codes: &mut [u8]) {
    let (cpu, memory, shift) = (cpu as f64, memory as f64, f64::from(1 - lowest));
    let n = scores.len();
    let (free_cpu, free_memory) = (&rows.free_cpu[..n], &rows.free_memory[..n]);
    // Simple loops, and a mask made of the sign bit instead of a choice: otherwise the compiler makes no vector
    // instructions of them.
    for i in 0..n {
        let (left_cpu, left_memory) = (free_cpu[i] - cpu, free_memory[i] - memory);
        let least = if left_cpu < left_memory { left_cpu } else { left_memory };
        let fits = !((least.to_bits() as i64 >> 63) as u64);
        scores[i] = f64::from_bits((scores[i] + shift + ROUNDER).to_bits() & fits);
    }
    for (code, score) in codes.iter_mut().zip(&*scores) {
        *code = score.to_bits() as u8;
    }
}

/// The columns themselves, in the order of [`Rows`].
#[derive(Clone, Debug, Default)]
struct Columns([Vec<f64>; COLUMNS]);

impl Columns {
    #[inline]
    fn set(&mut self, position: usize, row: [f64; COLUMNS]) {
        for (column, value) in self.0.iter_mut().zip(row) {
            column[position] = value;
        }
    }

    /// The two columns that never change.
    #[inline]
    fn percents(&self, position: usize) -> [f64; 2] {
        [self.0[0][position], self.0[1][position]]
    }

    fn rows(&self, range: std::ops::Range<usize>) -> Rows<'_> {
        let [cpu_percent, memory_percent, free_cpu, free_memory, scoring_cpu, scoring_memory] = &self.0;
        Rows {
            cpu_percent: &cpu_percent[range.clone()],
            memory_percent: &memory_percent[range.clone()],
            free_cpu: &free_cpu[range.clone()],
            free_memory: &free_memory[range.clone()],
            scoring_cpu: &scoring_cpu[range.clone()],
            scoring_memory: &scoring_memory[range],
        }
    }
}

/// Marks a row in the ring whose node has a later row there.
pub(super) const SUPERSEDED: NodeId = NodeId(u32::MAX);

/// The rows of all nodes and of the latest changes.
#[derive(Clone, Debug, Default)]
pub(super) struct Mirror {
    all: Columns,
    nodes: usize,
    ring: Columns,
    /// The node of each row in the ring; [`SUPERSEDED`] when a later row is of the same node.
    ring_nodes: Vec<NodeId>,
    /// By node: the position after its latest change in the ring, or 0.
    latest: Vec<u64>,
    /// Changes from here on are in the ring, if it is long enough for them.
    ring_from: u64,
    /// Changes up to here are mirrored.
    position: u64,
    /// Whether some node cannot be mirrored: an amount is too large, or cpu or memory is zero.
    unfit: bool,
}

/// The row of a node whose allocatable amounts have these percents.
#[inline]
fn row(nodes: &Nodes, i: usize, [cpu_percent, memory_percent]: [f64; 2]) -> [f64; COLUMNS] {
    let takes_pods = nodes.state[i] == NodeState::Ready && nodes.free_pods[i] > 0;
    // Signed numbers become floating-point ones in one instruction; what is above 2^63 makes the rows unfit anyway.
    let left = |offered: u64, requested: u64| offered.checked_sub(requested).map_or(-1.0, |left| left as i64 as f64);
    [
        cpu_percent,
        memory_percent,
        if takes_pods { nodes.free_cpu[i] as i64 as f64 } else { -1.0 },
        nodes.free_memory[i] as i64 as f64,
        left(nodes.cpu[i], nodes.scoring_cpu[i]),
        left(nodes.memory[i], nodes.scoring_memory[i]),
    ]
}

impl Mirror {
    /// Catches up with the world. Whether the rows can be used.
    #[inline]
    pub(super) fn sync(&mut self, world: &World) -> bool {
        let now = world.changes.position();
        if self.position != now || self.nodes != world.nodes.len() {
            self.catch_up(world);
        }
        !self.unfit
    }

    fn catch_up(&mut self, world: &World) {
        let nodes = &world.nodes;
        let now = world.changes.position();
        for i in self.nodes..nodes.len() {
            let fits = |amount: u64| (1..=AMOUNT_MAX).contains(&amount);
            self.unfit |= !fits(nodes.cpu[i]) || !fits(nodes.memory[i]);
            let percents = [100.0 / nodes.cpu[i] as f64, 100.0 / nodes.memory[i] as f64];
            for (column, value) in self.all.0.iter_mut().zip(row(nodes, i, percents)) {
                column.push(value);
            }
        }
        self.nodes = nodes.len();
        self.latest.resize(nodes.len(), 0);
        let changed = world.changes.since(self.position);
        let short_ring = self.ring_nodes.len() * 2 < nodes.len() || self.ring_nodes.is_empty();
        match changed {
            Some(changed) if !short_ring && now - self.position <= self.ring_nodes.len() as u64 => {
                let mask = self.ring_nodes.len() - 1;
                for (at, node) in (self.position..).zip(changed) {
                    let values = row(nodes, node.index(), self.all.percents(node.index()));
                    self.all.set(node.index(), values);
                    self.ring.set(at as usize & mask, values);
                    let before = std::mem::replace(&mut self.latest[node.index()], at + 1);
                    if before > self.ring_from && at - before < mask as u64 {
                        self.ring_nodes[(before - 1) as usize & mask] = SUPERSEDED;
                    }
                    self.ring_nodes[at as usize & mask] = node;
                }
            }
            _ => {
                if short_ring {
                    let length = nodes.len().next_power_of_two().max(1024);
                    self.ring.0.iter_mut().for_each(|column| column.resize(length, 0.0));
                    self.ring_nodes.resize(length, NodeId(0));
                }
                self.ring_from = now;
                (0..nodes.len()).for_each(|i| self.all.set(i, row(nodes, i, self.all.percents(i))));
            }
        }
        self.position = now;
    }

    /// The rows of the nodes in `range`.
    pub(super) fn rows(&self, range: std::ops::Range<usize>) -> Rows<'_> {
        self.all.rows(range)
    }

    /// Whether the rows say all there is to say about cpu, memory and pod slots for this class.
    pub(super) fn covers(class: &PodClass) -> bool {
        let wanted = &class.requests;
        wanted.pods == 1 && wanted.cpu.0 <= AMOUNT_MAX && wanted.memory.0 <= AMOUNT_MAX
    }

    /// Whether the ring still holds everything from `position` on.
    #[inline]
    pub(super) fn reaches(&self, position: u64) -> bool {
        position >= self.ring_from && self.position - position <= self.ring_nodes.len() as u64
    }

    /// The changes from `position` on, at most `most` of them and only up to the end of the ring: nodes and rows.
    #[inline]
    pub(super) fn changes(&self, position: u64, most: usize) -> (&[NodeId], Rows<'_>) {
        let start = position as usize & (self.ring_nodes.len() - 1);
        let length = (self.position - position).min(most as u64) as usize;
        let end = self.ring_nodes.len().min(start + length);
        (&self.ring_nodes[start..end], self.ring.rows(start..end))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testkit::SEED;

    #[test]
    fn percentages_and_halves_are_the_integer_ones() {
        let mut stream = SEED.stream("test/rows", 0);
        for _ in 0..200_000 {
            let bits = 1 + stream.below(43);
            let of = 1 + stream.below(1 << bits);
            // Amounts whose percentage is whole, or a little beside it, are where rounding would show.
            let whole = (u128::from(of) * u128::from(stream.below(101)) / 100) as i64;
            let left = (whole + stream.below(5) as i64 - 2).min(of as i64);
            let exact = u128::from(left.max(0) as u64) * 100 / u128::from(of);
            assert_eq!(percent(left as f64, 100.0 / of as f64), exact as f64, "{left} of {of}");
        }
        (0..=200).for_each(|whole| assert_eq!(half(f64::from(whole)), f64::from(whole / 2)));
    }
}
