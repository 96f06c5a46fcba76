//! The scores of every class on every node, kept up to date from the change log.
//!
//! A class that was looked at before re-scores only the nodes that changed since; the best node is then found without
//! looking at the others. All ways are exact, and which one is taken shows in speed alone:
//!
//! - A class that is seen for the first time is scored in one dense pass into a scratch table, and nothing is kept: a
//!   stream of pods that all differ costs no memory.
//! - From its second time on a class keeps a table: one byte a node where scores span at most 254 values, and how many
//!   nodes have each score; the first node of the best score is searched for in the bytes.
//! - A class that has little to catch up with between its decisions keeps a set of nodes for each score as well
//!   (`buckets`): the best node is two bit scans away.
//! - Scores of a wider range are kept as they are, and the best is searched for.
//!
//! Cost: about 10 ns a changed node, and 10 ns (sets), N/32 ns (bytes) or N/4 ns (wide) a decision. Tables together
//! take at most 128 MiB: beyond that the one unused for longest is dropped.

use std::ops::RangeInclusive;

use super::buckets::Buckets;
use super::filter;
use super::scored::Scorer;
use crate::ids::{ClassId, NodeId};
use crate::world::View;

/// The score of a node that passed the filters. Higher is better. Scorers declare their range.
pub type Score = i32;

/// Memory for all tables of one index.
const TABLE_BYTES_MAX: usize = 128 << 20;
/// Codes of one byte: 0 for a node that did not pass the filters, the others for scores.
const LEVELS_MAX: i64 = 254;
/// Sets pay while catching up costs less than searching the bytes: below this many nodes for each changed node.
const NODES_PER_CHANGE: usize = 96;

/// Scores by class and node.
#[derive(Debug, Default)]
pub struct NodeIndex {
    classes: Vec<ClassState>,
    /// Counts decisions, to know which table was unused for longest.
    clock: u64,
    table_bytes: usize,
    /// The table of a class that is seen for the first time.
    scratch: Option<Candidates>,
    changed: Vec<NodeId>,
    scores: Vec<Score>,
    /// For each node the refresh in which it was last listed, so that it is listed once.
    listed: Vec<u64>,
}

#[derive(Debug, Default)]
struct ClassState {
    seen: bool,
    used: u64,
    table: Option<Box<Candidates>>,
}

/// The nodes as one class sees them.
#[derive(Debug)]
pub struct Candidates {
    /// Up to where the change log has been read.
    position: u64,
    /// The lowest score there can be.
    lowest: Score,
    table: Table,
    feasible: u32,
    /// How many nodes had to be caught up with lately: a running mean with weight 1/8.
    catch_up: usize,
}

#[derive(Debug)]
enum Table {
    /// Score less lowest plus one; zero for a node that did not pass the filters.
    Narrow {
        codes: Vec<u8>,
        /// How many nodes have each code; none in a scratch table.
        counts: Option<Box<[u32; 256]>>,
        buckets: Option<Buckets>,
    },
    /// The score; [`INFEASIBLE`] for a node that did not pass the filters.
    Wide(Vec<Score>),
}

const OUT_OF_RANGE: &str = "a score is outside the range that its scorer declares";

/// Marks a node that did not pass the filters in a wide table.
const INFEASIBLE: Score = Score::MIN;

/// The best nodes of a class.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Best {
    /// The lowest id among the best.
    pub node: NodeId,
    /// Their score.
    pub score: Score,
    /// How many there are.
    pub ties: u32,
}

impl NodeIndex {
    /// The candidates of `class`, brought up to date.
    pub fn refresh<S: Scorer>(&mut self, view: &View<'_>, class: ClassId, scorer: &mut S) -> &Candidates {
        if self.classes.len() <= class.index() {
            self.classes.resize_with(view.model.workload.classes.len().max(class.index() + 1), ClassState::default);
        }
        self.clock += 1;
        let state = &mut self.classes[class.index()];
        state.used = self.clock;
        if !std::mem::replace(&mut state.seen, true) {
            let mut scratch = self.scratch.take().unwrap_or_else(|| Candidates::empty(scorer.range()));
            scratch.fill(view, class, scorer);
            return self.scratch.insert(scratch);
        }
        match state.table.take() {
            Some(mut table) => {
                self.table_bytes -= table.bytes();
                self.catch_up(view, class, scorer, &mut table);
                self.keep(class, table);
            }
            None => {
                let mut table = Box::new(Candidates::empty(scorer.range()));
                table.fill(view, class, scorer);
                self.keep(class, table);
            }
        }
        self.classes[class.index()].table.as_deref().expect("the table was just kept")
    }

    /// Re-scores the nodes that changed since the table was last up to date.
    fn catch_up<S: Scorer>(&mut self, view: &View<'_>, class: ClassId, scorer: &mut S, table: &mut Candidates) {
        let world = view.world;
        let known = table.len() == world.nodes.len();
        let Some(changed) = world.changes.since(table.position).filter(|_| known) else {
            table.fill(view, class, scorer);
            return;
        };
        self.listed.resize(world.nodes.len(), 0);
        self.changed.clear();
        for node in changed {
            if std::mem::replace(&mut self.listed[node.index()], self.clock) != self.clock {
                self.changed.push(node);
            }
        }
        table.position = world.changes.position();
        table.catch_up = (table.catch_up * 7 + self.changed.len() * 8) / 8;
        table.choose_buckets();
        let fitting = filter::partition_fitting(view, class, &mut self.changed);
        self.scores.clear();
        scorer.score(view, class, &self.changed[..fitting], &mut self.scores);
        for (&node, &score) in self.changed.iter().zip(&self.scores) {
            table.set(node, Some(score));
        }
        for &node in &self.changed[fitting..] {
            table.set(node, None);
        }
    }

    /// Keeps a table, and drops those unused for longest while all together take too much.
    fn keep(&mut self, class: ClassId, table: Box<Candidates>) {
        self.table_bytes += table.bytes();
        self.classes[class.index()].table = Some(table);
        while self.table_bytes > TABLE_BYTES_MAX {
            let others = self.classes.iter().enumerate().filter(|(i, s)| *i != class.index() && s.table.is_some());
            let Some((oldest, _)) = others.min_by_key(|(_, state)| state.used) else { return };
            let dropped = self.classes[oldest].table.take().expect("it was just found");
            self.classes[oldest].seen = false;
            self.table_bytes -= dropped.bytes();
        }
    }
}

impl Candidates {
    fn empty(range: RangeInclusive<Score>) -> Candidates {
        let levels = i64::from(*range.end()) - i64::from(*range.start()) + 1;
        let table = match levels <= LEVELS_MAX {
            true => Table::Narrow { codes: Vec::new(), counts: None, buckets: None },
            false => Table::Wide(Vec::new()),
        };
        Candidates { position: 0, lowest: *range.start(), table, feasible: 0, catch_up: usize::MAX / 16 }
    }

    fn len(&self) -> usize {
        match &self.table {
            Table::Narrow { codes, .. } => codes.len(),
            Table::Wide(scores) => scores.len(),
        }
    }

    /// Memory that the table takes.
    fn bytes(&self) -> usize {
        match &self.table {
            Table::Narrow { codes, buckets, .. } => codes.capacity() + buckets.as_ref().map_or(0, Buckets::bytes),
            Table::Wide(scores) => scores.capacity() * size_of::<Score>(),
        }
    }

    /// Scores all nodes in one dense pass.
    fn fill<S: Scorer>(&mut self, view: &View<'_>, class: ClassId, scorer: &mut S) {
        /// Nodes at a time: their scores stay in the first-level cache.
        const BLOCK: usize = 1024;
        let nodes = view.world.nodes.len();
        let (mut fits, mut scores) = ([0u8; BLOCK], [0; BLOCK]);
        let lowest = self.lowest;
        self.feasible = 0;
        match &mut self.table {
            Table::Narrow { codes, counts, buckets } => {
                codes.resize(nodes, 0);
                *counts = None;
                *buckets = None;
            }
            Table::Wide(wide) => wide.resize(nodes, INFEASIBLE),
        }
        for start in (0..nodes).step_by(BLOCK) {
            let block = start..nodes.min(start + BLOCK);
            let (fits, scores) = (&mut fits[..block.len()], &mut scores[..block.len()]);
            filter::fitting_range(view, class, block.clone(), fits);
            self.feasible += fits.iter().map(|&fits| u32::from(fits)).sum::<u32>();
            scorer.score_range(view, class, block.clone(), fits, scores);
            let scored = fits.iter().zip(&*scores);
            match &mut self.table {
                Table::Narrow { codes, .. } => {
                    for (code, (&fits, &score)) in codes[block].iter_mut().zip(scored) {
                        debug_assert!((0..=LEVELS_MAX).contains(&i64::from(score - lowest)), "{OUT_OF_RANGE}");
                        *code = (score - lowest + 1) as u8 * fits;
                    }
                }
                Table::Wide(wide) => {
                    for (wide, (&fits, &score)) in wide[block].iter_mut().zip(scored) {
                        *wide = if fits == 1 { score } else { INFEASIBLE };
                    }
                }
            }
        }
        self.position = view.world.changes.position();
        self.catch_up = nodes * 8;
    }

    /// Has counts by score, and sets of nodes by score while there is little to catch up with.
    fn choose_buckets(&mut self) {
        if let Table::Narrow { codes, counts, buckets } = &mut self.table {
            counts.get_or_insert_with(|| {
                let mut counts = Box::new([0; 256]);
                codes.iter().for_each(|&code| counts[usize::from(code)] += 1);
                counts
            });
            let change = self.catch_up / 8 + 1;
            // Twice the bound before giving them up: no to and fro.
            let pays = change * NODES_PER_CHANGE / (1 + usize::from(buckets.is_some())) < codes.len();
            match (pays, &buckets) {
                (true, None) => *buckets = Some(Buckets::new(codes)),
                (false, Some(_)) => *buckets = None,
                _ => {}
            }
        }
    }

    #[inline]
    fn set(&mut self, node: NodeId, score: Option<Score>) {
        let was_feasible = match &mut self.table {
            Table::Narrow { codes, counts, buckets } => {
                let code = score.map_or(0, |score| u8::try_from(score - self.lowest + 1).expect(OUT_OF_RANGE));
                let old = std::mem::replace(&mut codes[node.index()], code);
                if let Some(counts) = counts {
                    counts[usize::from(old)] -= 1;
                    counts[usize::from(code)] += 1;
                }
                if let Some(buckets) = buckets {
                    buckets.change(node.index(), old, code);
                }
                old != 0
            }
            Table::Wide(scores) => {
                std::mem::replace(&mut scores[node.index()], score.unwrap_or(INFEASIBLE)) != INFEASIBLE
            }
        };
        self.feasible = self.feasible + u32::from(score.is_some()) - u32::from(was_feasible);
    }

    /// How many nodes passed the filters.
    pub fn feasible(&self) -> u32 {
        self.feasible
    }

    /// The best nodes, if any node passed the filters.
    pub fn best(&self) -> Option<Best> {
        if self.feasible == 0 {
            return None;
        }
        let (node, score, ties) = match &self.table {
            Table::Narrow { codes, counts, buckets } => {
                let (code, node, ties) = match (buckets, counts) {
                    (Some(buckets), _) => buckets.best(),
                    (None, Some(counts)) => counted_best_code(codes, counts),
                    (None, None) => best_code(codes),
                };
                (node, self.lowest + Score::from(code) - 1, ties)
            }
            Table::Wide(scores) => {
                let best = scores.iter().copied().max().unwrap_or(INFEASIBLE);
                let node = scores.iter().position(|&score| score == best).expect("the maximum is there");
                (node, best, scores.iter().filter(|&&score| score == best).count() as u32)
            }
        };
        Some(Best { node: NodeId::from_index(node), score, ties })
    }

    /// The lowest score of a node that passed the filters.
    pub fn worst_score(&self) -> Option<Score> {
        match &self.table {
            Table::Narrow { codes, .. } => {
                // Zero wraps to the largest byte, which no code reaches.
                let least = codes.iter().map(|code| code.wrapping_sub(1)).min().filter(|&least| least != u8::MAX);
                least.map(|least| self.lowest + Score::from(least))
            }
            Table::Wide(scores) => scores.iter().copied().filter(|&score| score != INFEASIBLE).min(),
        }
    }

    /// Whether the node passed the filters.
    fn is_feasible(&self, node: usize) -> bool {
        match &self.table {
            Table::Narrow { codes, .. } => codes[node] != 0,
            Table::Wide(scores) => scores[node] != INFEASIBLE,
        }
    }

    /// The first node from `from` on that passed the filters, going round.
    pub fn next_from(&self, from: NodeId) -> Option<NodeId> {
        if self.feasible == 0 {
            return None;
        }
        let from = from.index();
        let order = (from..self.len()).chain(0..from);
        order.into_iter().find(|&node| self.is_feasible(node)).map(NodeId::from_index)
    }

    /// The node at place `place` (from 0) among those that passed the filters.
    ///
    /// # Panics
    /// When there are not so many.
    pub fn nth(&self, place: u32) -> NodeId {
        let mut feasible = (0..self.len()).filter(|&node| self.is_feasible(node));
        NodeId::from_index(feasible.nth(place as usize).expect("fewer nodes are feasible"))
    }
}

/// As [`best_code`], where it is known how often each code is there.
fn counted_best_code(codes: &[u8], counts: &[u32; 256]) -> (u8, usize, u32) {
    let best = counts.iter().rposition(|&count| count > 0).expect("every node has a code");
    let node = memchr::memchr(best as u8, codes).expect("it was counted");
    (best as u8, node, counts[best])
}

/// The highest code, its first position, and how often it is there.
fn best_code(codes: &[u8]) -> (u8, usize, u32) {
    let best = codes.iter().copied().max().unwrap_or(0);
    let node = memchr::memchr(best, codes).expect("the maximum is there");
    // Counted in bytes, which vectorises; blocks are short enough not to overflow them.
    let ties = codes[node..]
        .chunks(255)
        .map(|block| u32::from(block.iter().fold(0u8, |count, &code| count + u8::from(code == best))));
    (best, node, ties.sum())
}
