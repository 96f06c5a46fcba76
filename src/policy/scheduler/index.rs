//! The scores of every class on every node, kept up to date from the change log.
//!
//! A class that was looked at before re-scores only the nodes that changed since; the best node is then found without
//! looking at the others. All ways are exact, and which one is taken shows in speed alone:
//!
//! - A class that is seen for the first time is scored in one dense pass into a scratch table, and nothing is kept: a
//!   stream of pods that all differ costs no memory.
//! - From its second time on a class keeps a table: one byte a node where scores span at most 254 values, four where
//!   they span more, under a tree of maxima (`max_tree`).
//! - A class that has next to nothing to catch up with between its decisions keeps a set of nodes for each score as
//!   well (`buckets`): the best node is two bit scans away, but a change costs more.
//! - Scorers that look at plain amounts alone score rows of numbers (`rows`) instead of lists of nodes, both in the
//!   dense pass and when there is more than a little to catch up with.
//!
//! Cost: 2 (rows) to 20 ns a changed node, and 10 ns (sets) to 40 ns (tree) a decision; 1 to 2 ns a node in the dense
//! pass over rows. Tables together take at most 128 MiB: beyond that the one unused for longest is dropped.

use std::ops::RangeInclusive;

use super::buckets::Buckets;
use super::filter;
use super::max_tree::{BestLeaf, MaxTree};
use super::rows::{self, Mirror, SUPERSEDED};
use super::scored::Scorer;
use crate::ids::{ClassId, NodeId};
use crate::world::View;

/// The score of a node that passed the filters. Higher is better. Scorers declare their range.
pub type Score = i32;

/// Memory for all tables of one index.
const TABLE_BYTES_MAX: usize = 128 << 20;
/// Codes of one byte: 0 for a node that did not pass the filters, the others for scores.
const LEVELS_MAX: i64 = 254;
/// Sets pay while there are at most so many nodes to catch up with.
const SETS_CHANGES_MAX: usize = 4;
/// Up to so many changes are caught up with one by one; more are worth a row each.
const SINGLE_CHANGES_MAX: u64 = 6;
/// Rows at a time: their scores stay in the first-level cache.
const BLOCK_ROWS: usize = 256;
/// Catching up with a changed row costs as much as so many rows of a dense pass.
const CHANGE_COST_ROWS: u64 = 3;

/// Scores by class and node.
#[derive(Debug)]
pub struct NodeIndex {
    table_bytes_max: usize,
    classes: Vec<ClassState>,
    /// Counts decisions, to know which table was unused for longest.
    clock: u64,
    table_bytes: usize,
    /// The table of a class that is seen for the first time.
    scratch: Option<Candidates>,
    mirror: Mirror,
    scratch_rows: Box<ScratchRows>,
    changed: Vec<NodeId>,
    scores: Vec<Score>,
    /// For each node the refresh in which it was last listed, so that it is listed once.
    listed: Vec<u64>,
}

/// Room for a block of rows, kept because clearing it for each decision would cost more than the decision.
#[derive(Debug)]
struct ScratchRows {
    scores: [f64; BLOCK_ROWS],
    codes: [u8; BLOCK_ROWS],
    latest_nodes: [NodeId; BLOCK_ROWS],
    latest_codes: [u8; BLOCK_ROWS],
}

impl Default for ScratchRows {
    fn default() -> Self {
        ScratchRows {
            scores: [0.0; BLOCK_ROWS],
            codes: [0; BLOCK_ROWS],
            latest_nodes: [NodeId(0); BLOCK_ROWS],
            latest_codes: [0; BLOCK_ROWS],
        }
    }
}

#[derive(Debug, Default)]
struct ClassState {
    seen: bool,
    used: u64,
    table: Option<Box<Candidates>>,
    /// Memory that the table takes, as counted in the sum.
    table_bytes: usize,
}

/// The nodes as one class sees them.
#[derive(Debug)]
pub struct Candidates {
    /// Up to where the change log has been read.
    position: u64,
    /// The lowest score there can be.
    lowest: Score,
    table: Table,
    /// How many nodes had to be caught up with lately: a running mean with weight 1/8.
    catch_up: usize,
}

#[derive(Debug)]
enum Table {
    /// Score less lowest plus one; zero for a node that did not pass the filters.
    /// While there are sets, the tree's inner values are left behind.
    Narrow { tree: MaxTree<u8>, buckets: Option<Box<Buckets>> },
    /// The score; [`INFEASIBLE`] for a node that did not pass the filters.
    Wide(MaxTree<Score>),
}

/// Whether a table was brought up to date by the short way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum KeptUp {
    /// It was not touched.
    No,
    /// It was.
    Yes,
    /// It was, and takes more memory now.
    Grown,
}

/// Whether sets of nodes by score pay at this running mean of nodes to catch up with; twice the bound before those
/// that there are already are given up: no to and fro.
#[inline]
fn sets_pay(catch_up: usize, there: bool) -> bool {
    catch_up <= 8 * SETS_CHANGES_MAX * (1 + usize::from(there))
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

impl Default for NodeIndex {
    fn default() -> Self {
        NodeIndex::with_memory(TABLE_BYTES_MAX)
    }
}

impl NodeIndex {
    /// An index whose tables take at most so many bytes.
    fn with_memory(table_bytes_max: usize) -> NodeIndex {
        NodeIndex {
            table_bytes_max,
            classes: Vec::new(),
            clock: 0,
            table_bytes: 0,
            scratch: None,
            mirror: Mirror::default(),
            scratch_rows: Box::default(),
            changed: Vec::new(),
            scores: Vec::new(),
            listed: Vec::new(),
        }
    }

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
            self.fill(view, class, scorer, &mut scratch);
            return self.scratch.insert(scratch);
        }
        let at_once = |table: &mut Box<Candidates>| table.keep_up(view, class, scorer, &mut self.scores);
        match state.table.as_mut().map_or(KeptUp::No, at_once) {
            KeptUp::Yes => {}
            KeptUp::Grown => self.count_bytes(class),
            KeptUp::No => {
                let mut table = state.table.take().unwrap_or_else(|| Box::new(Candidates::empty(scorer.range())));
                self.bring_up_to_date(view, class, scorer, &mut table);
                self.classes[class.index()].table = Some(table);
                self.count_bytes(class);
            }
        }
        self.classes[class.index()].table.as_deref().expect("the table was just kept")
    }

    /// Counts the memory of the table of `class` anew, and drops others when all together take too much.
    fn count_bytes(&mut self, class: ClassId) {
        let state = &mut self.classes[class.index()];
        let bytes = state.table.as_ref().map_or(0, |table| table.bytes());
        self.table_bytes = self.table_bytes - std::mem::replace(&mut state.table_bytes, bytes) + bytes;
        if self.table_bytes > self.table_bytes_max {
            self.drop_oldest(class);
        }
    }

    fn bring_up_to_date<S: Scorer>(&mut self, view: &View<'_>, class: ClassId, scorer: &mut S, table: &mut Candidates) {
        let world = view.world;
        let lag = world.changes.position() - table.position;
        if table.len() != world.nodes.len() || world.changes.since(table.position).is_none() {
            self.fill(view, class, scorer, table);
            return;
        }
        if lag <= SINGLE_CHANGES_MAX || !self.has_rows(view, class, scorer) {
            table.note_catch_up(lag as usize);
            self.catch_up_with_list(view, class, scorer, table);
        } else if self.mirror.reaches(table.position) && lag * CHANGE_COST_ROWS <= world.nodes.len() as u64 {
            table.note_catch_up(lag as usize);
            self.catch_up_with_rows(view, class, scorer, table);
        } else {
            self.fill(view, class, scorer, table);
        }
    }

    /// Whether nodes can be scored as rows, which are then up to date.
    fn has_rows<S: Scorer>(&mut self, view: &View<'_>, class: ClassId, scorer: &S) -> bool {
        scorer.scores_rows() && Mirror::covers(view.class(class)) && self.mirror.sync(view.world)
    }

    /// Re-scores the nodes that changed since the table was last up to date, each once.
    fn catch_up_with_list<S: Scorer>(
        &mut self,
        view: &View<'_>,
        class: ClassId,
        scorer: &mut S,
        table: &mut Candidates,
    ) {
        let world = view.world;
        let changed = world.changes.since(table.position).expect("the caller has asked");
        self.changed.clear();
        if world.changes.position() - table.position <= SINGLE_CHANGES_MAX {
            self.changed.extend(changed);
        } else {
            self.listed.resize(world.nodes.len(), 0);
            for node in changed {
                if std::mem::replace(&mut self.listed[node.index()], self.clock) != self.clock {
                    self.changed.push(node);
                }
            }
        }
        table.position = world.changes.position();
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

    /// Runs over the rows of the changes since the table was last up to date.
    fn catch_up_with_rows<S: Scorer>(
        &mut self,
        view: &View<'_>,
        class: ClassId,
        scorer: &mut S,
        table: &mut Candidates,
    ) {
        let ScratchRows { scores, codes, latest_nodes, latest_codes } = &mut *self.scratch_rows;
        let end = view.world.changes.position();
        while table.position < end {
            let (nodes, rows) = self.mirror.changes(table.position, BLOCK_ROWS);
            let (scores, codes) = (&mut scores[..nodes.len()], &mut codes[..nodes.len()]);
            scorer.score_rows(view.class(class), &rows, scores);
            let node = |i: usize| if nodes[i] == SUPERSEDED { NodeId(0) } else { nodes[i] };
            encode(view, class, &rows, table.lowest, scores, codes, node);
            let mut kept = 0;
            for (&node, &code) in nodes.iter().zip(&*codes) {
                (latest_nodes[kept], latest_codes[kept]) = (node, code);
                kept += usize::from(node != SUPERSEDED);
            }
            table.set_codes(&latest_nodes[..kept], &latest_codes[..kept]);
            table.position += nodes.len() as u64;
        }
    }

    /// Scores all nodes in one dense pass.
    fn fill<S: Scorer>(&mut self, view: &View<'_>, class: ClassId, scorer: &mut S, table: &mut Candidates) {
        table.position = view.world.changes.position();
        // Sets must show that they pay: a dozen decisions in a row with next to nothing to catch up with.
        table.catch_up = 8 * 8 * SETS_CHANGES_MAX;
        let has_rows = self.has_rows(view, class, scorer);
        match &mut table.table {
            Table::Narrow { tree, buckets } if has_rows => {
                *buckets = None;
                tree.resize(view.world.nodes.len());
                let scores = &mut self.scratch_rows.scores;
                for (block, codes) in tree.leaves_mut().chunks_mut(BLOCK_ROWS).enumerate() {
                    let start = block * BLOCK_ROWS;
                    let rows = self.mirror.rows(start..start + codes.len());
                    let scores = &mut scores[..codes.len()];
                    scorer.score_rows(view.class(class), &rows, scores);
                    encode(view, class, &rows, table.lowest, scores, codes, |i| NodeId::from_index(start + i));
                }
                tree.rebuild();
            }
            _ => table.fill(view, class, scorer),
        }
    }

    /// Drops the tables unused for longest, but for that of `class`, while all together take too much.
    fn drop_oldest(&mut self, class: ClassId) {
        while self.table_bytes > self.table_bytes_max {
            let others = self.classes.iter().enumerate().filter(|(i, s)| *i != class.index() && s.table.is_some());
            let Some((oldest, _)) = others.min_by_key(|(_, state)| state.used) else { return };
            let dropped = std::mem::take(&mut self.classes[oldest]);
            self.table_bytes -= dropped.table_bytes;
            self.classes[oldest].used = dropped.used;
        }
    }
}

/// Writes a byte for each row: the score above `lowest` plus one, or 0 where a pod of `class` does not fit.
fn encode(
    view: &View<'_>,
    class: ClassId,
    rows: &rows::Rows<'_>,
    lowest: Score,
    scores: &mut [f64],
    codes: &mut [u8],
    node: impl Fn(usize) -> NodeId,
) {
    let wanted = &view.class(class).requests;
    rows::encode(rows, (wanted.cpu.0, wanted.memory.0), lowest, scores, codes);
    let plain = wanted.ephemeral_storage.0 == 0 && wanted.extended.iter().all(|&amount| amount == 0);
    if plain && view.world.constraints.is_free(class) {
        return;
    }
    for (i, code) in codes.iter_mut().enumerate().filter(|(_, code)| **code != 0) {
        if !filter::fits(view, class, node(i)) {
            *code = 0;
        }
    }
}

impl Candidates {
    fn empty(range: RangeInclusive<Score>) -> Candidates {
        let levels = i64::from(*range.end()) - i64::from(*range.start()) + 1;
        let table = match levels <= LEVELS_MAX {
            true => Table::Narrow { tree: MaxTree::default(), buckets: None },
            false => Table::Wide(MaxTree::default()),
        };
        Candidates { position: 0, lowest: *range.start(), table, catch_up: usize::MAX / 16 }
    }

    fn len(&self) -> usize {
        match &self.table {
            Table::Narrow { tree, .. } => tree.len(),
            Table::Wide(tree) => tree.len(),
        }
    }

    /// Memory that the table takes.
    fn bytes(&self) -> usize {
        match &self.table {
            Table::Narrow { tree, buckets } => tree.bytes() + buckets.as_ref().map_or(0, |sets| sets.bytes()),
            Table::Wide(tree) => tree.bytes(),
        }
    }

    /// Scores all nodes in one pass over the world's columns.
    fn fill<S: Scorer>(&mut self, view: &View<'_>, class: ClassId, scorer: &mut S) {
        /// Nodes at a time: their scores stay in the first-level cache.
        const BLOCK: usize = 1024;
        let nodes = view.world.nodes.len();
        let (mut fits, mut scores) = ([0u8; BLOCK], [0; BLOCK]);
        let lowest = self.lowest;
        match &mut self.table {
            Table::Narrow { tree, buckets } => {
                tree.resize(nodes);
                *buckets = None;
            }
            Table::Wide(tree) => tree.resize(nodes),
        }
        for start in (0..nodes).step_by(BLOCK) {
            let block = start..nodes.min(start + BLOCK);
            let (fits, scores) = (&mut fits[..block.len()], &mut scores[..block.len()]);
            filter::fitting_range(view, class, block.clone(), fits);
            scorer.score_range(view, class, block.clone(), fits, scores);
            let scored = fits.iter().zip(&*scores);
            match &mut self.table {
                Table::Narrow { tree, .. } => {
                    for (code, (&fits, &score)) in tree.leaves_mut()[block].iter_mut().zip(scored) {
                        debug_assert!((0..=LEVELS_MAX).contains(&i64::from(score - lowest)), "{OUT_OF_RANGE}");
                        *code = (score - lowest + 1) as u8 * fits;
                    }
                }
                Table::Wide(tree) => {
                    for (wide, (&fits, &score)) in tree.leaves_mut()[block].iter_mut().zip(scored) {
                        *wide = if fits == 1 { score } else { INFEASIBLE };
                    }
                }
            }
        }
        match &mut self.table {
            Table::Narrow { tree, .. } => tree.rebuild(),
            Table::Wide(tree) => tree.rebuild(),
        }
    }

    /// The short way: few changes, and nothing to rearrange for them.
    #[inline]
    fn keep_up<S: Scorer>(
        &mut self,
        view: &View<'_>,
        class: ClassId,
        scorer: &mut S,
        scores: &mut Vec<Score>,
    ) -> KeptUp {
        let (changes, nodes) = (&view.world.changes, view.world.nodes.len());
        let lag = changes.position() - self.position;
        let mean = self.catch_up_after(lag as usize);
        let Table::Narrow { tree, buckets: Some(buckets) } = &mut self.table else { return KeptUp::No };
        if lag > SINGLE_CHANGES_MAX || !sets_pay(mean, true) || tree.len() != nodes {
            return KeptUp::No;
        }
        let Some(changed) = changes.since(self.position) else { return KeptUp::No };
        let sets = buckets.sets_in_use();
        for node in changed {
            let code = if filter::fits(view, class, node) {
                let score = scorer.score_one(view, class, node).unwrap_or_else(|| {
                    scores.clear();
                    scorer.score(view, class, &[node], scores);
                    scores[0]
                });
                u8::try_from(score - self.lowest + 1).expect(OUT_OF_RANGE)
            } else {
                0
            };
            buckets.change(node.index(), tree.set_leaf(node.index(), code), code);
        }
        self.position = changes.position();
        self.catch_up = mean;
        if sets == buckets.sets_in_use() { KeptUp::Yes } else { KeptUp::Grown }
    }

    /// The running mean with so many more changes.
    #[inline]
    fn catch_up_after(&self, changes: usize) -> usize {
        (self.catch_up * 7 + changes * 8) / 8
    }

    /// Has sets of nodes by score while there is next to nothing to catch up with.
    fn note_catch_up(&mut self, changes: usize) {
        self.catch_up = self.catch_up_after(changes);
        if let Table::Narrow { tree, buckets } = &mut self.table {
            match (sets_pay(self.catch_up, buckets.is_some()), &buckets) {
                (true, None) => *buckets = Some(Box::new(Buckets::new(tree.leaves()))),
                (false, Some(_)) => {
                    *buckets = None;
                    tree.rebuild();
                }
                _ => {}
            }
        }
    }

    #[inline]
    fn set(&mut self, node: NodeId, score: Option<Score>) {
        match &mut self.table {
            Table::Narrow { .. } => {
                let code = score.map_or(0, |score| u8::try_from(score - self.lowest + 1).expect(OUT_OF_RANGE));
                self.set_codes(&[node], &[code]);
            }
            Table::Wide(tree) => tree.set(node.index(), score.unwrap_or(INFEASIBLE)),
        }
    }

    /// Changes the bytes of some nodes.
    #[inline]
    fn set_codes(&mut self, nodes: &[NodeId], codes: &[u8]) {
        let changes = nodes.iter().map(|node| node.index()).zip(codes);
        match &mut self.table {
            Table::Narrow { tree, buckets: None } => changes.for_each(|(node, &code)| tree.set(node, code)),
            Table::Narrow { tree, buckets: Some(buckets) } => {
                changes.for_each(|(node, &code)| buckets.change(node, tree.set_leaf(node, code), code));
            }
            Table::Wide(_) => unreachable!("wide tables hold no bytes"),
        }
    }

    /// How many nodes passed the filters.
    #[inline]
    pub fn feasible(&self) -> u32 {
        match &self.table {
            Table::Narrow { tree, .. } => tree.filled(),
            Table::Wide(tree) => tree.filled(),
        }
    }

    /// The best nodes, if any node passed the filters.
    #[inline]
    pub fn best(&self) -> Option<Best> {
        if self.feasible() == 0 {
            return None;
        }
        let (node, score, ties) = match &self.table {
            Table::Narrow { buckets: Some(buckets), .. } => {
                let (code, node, ties) = buckets.best();
                (node, self.lowest + Score::from(code) - 1, ties)
            }
            Table::Narrow { tree, buckets: None } => {
                let BestLeaf { position, value, ties } = tree.best()?;
                (position, self.lowest + Score::from(value) - 1, ties)
            }
            Table::Wide(tree) => {
                let BestLeaf { position, value, ties } = tree.best()?;
                (position, value, ties)
            }
        };
        Some(Best { node: NodeId::from_index(node), score, ties })
    }

    /// The lowest score of a node that passed the filters.
    pub fn worst_score(&self) -> Option<Score> {
        match &self.table {
            Table::Narrow { tree, .. } => {
                // Zero wraps to the largest byte, which no code reaches.
                let least = tree.leaves().iter().map(|code| code.wrapping_sub(1)).min();
                least.filter(|&least| least != u8::MAX).map(|least| self.lowest + Score::from(least))
            }
            Table::Wide(tree) => tree.leaves().iter().copied().filter(|&score| score != INFEASIBLE).min(),
        }
    }

    /// The first node from `from` on that passed the filters, going round.
    pub fn next_from(&self, from: NodeId) -> Option<NodeId> {
        let after = |from: usize| match &self.table {
            Table::Narrow { tree, buckets: None } => tree.next_filled(from),
            Table::Narrow { tree, .. } => (from..tree.len()).find(|&node| tree.leaves()[node] != 0),
            Table::Wide(tree) => tree.next_filled(from),
        };
        after(from.index()).or_else(|| after(0)).map(NodeId::from_index)
    }

    /// The node at place `place` (from 0) among those that passed the filters.
    ///
    /// # Panics
    /// When there are not so many.
    pub fn nth(&self, place: u32) -> NodeId {
        let node = match &self.table {
            Table::Narrow { tree, .. } => tree.nth_filled(place),
            Table::Wide(tree) => tree.nth_filled(place),
        };
        NodeId::from_index(node.expect("fewer nodes are feasible"))
    }
}

#[cfg(test)]
mod tests {
    use super::super::least_allocated::LeastAllocated;
    use super::*;
    use crate::ids::PodId;
    use crate::model::{Model, ShapeId};
    use crate::rng::Stream;
    use crate::testkit::{SEED, cluster, scores_of};
    use crate::world::{NodeState, World};

    /// The same scores one by one, and in a range too wide for bytes.
    struct Wide;

    impl Scorer for Wide {
        fn score(&mut self, view: &View<'_>, class: ClassId, nodes: &[NodeId], scores: &mut Vec<Score>) {
            LeastAllocated.score(view, class, nodes, scores);
        }

        fn range(&self) -> RangeInclusive<Score> {
            -1000..=1000
        }
    }

    fn model() -> Model {
        let nodes = cluster().node("a").cpu(4000).memory_mib(16_000).times(90).node("b").cpu(33_333).memory_mib(7777);
        let nodes = nodes.times(70).node("c").cpu(64_000).memory_mib(9001).slots(4).label("disk", "ssd").times(60);
        let nodes = nodes.node("d").cpu(16_000).memory_mib(64_000).fpga(3).storage_mib(500).times(80);
        let pods = nodes.pod("p").cpu(100).memory_mib(300).pod("q").cpu(999).memory_mib(1).pod("large").cpu(7000);
        let pods = pods.pod("storage").cpu(10).storage_mib(300).pod("bare").pod("fpga").cpu(1000).fpga(1);
        pods.pod("ssd").cpu(1500).memory_mib(50).selects("disk", "ssd").pod("nowhere").cpu(900_000).model()
    }

    fn change(stream: &mut Stream, model: &Model, world: &mut World, running: &mut Vec<PodId>) {
        let node = NodeId::from_index(stream.below(world.nodes.len() as u64) as usize);
        let (state, empty) = (world.nodes.state[node.index()], world.nodes.pod_count[node.index()] == 0);
        let class = ClassId(stream.below(model.workload.classes.len() as u64) as u32);
        match stream.below(200) {
            0 => drop(world.add_node(model, "late", ShapeId(stream.below(4) as u32))),
            1..=3 if state == NodeState::Ready => world.set_node_state(node, NodeState::Cordoned),
            4..=7 if state == NodeState::Cordoned => world.set_node_state(node, NodeState::Ready),
            8 if state.is_up() && empty => world.set_node_state(node, NodeState::Removed),
            9..=100 if !running.is_empty() => {
                let pod = running.swap_remove(stream.below(running.len() as u64) as usize);
                world.release(model.workload.class(world.pods.class[pod.index()]), pod);
            }
            _ if filter::fits(&View { model, world }, class, node) => {
                let pod = world.arrive((0, 0), class, u64::MAX);
                world.place(model.workload.class(class), pod, node, 0);
                running.push(pod);
            }
            _ => {}
        }
    }

    /// All that candidates can be asked, against scores taken one by one.
    fn compare(candidates: &Candidates, scores: &[Score], from: usize) {
        let feasible: Vec<usize> = (0..scores.len()).filter(|&node| scores[node] != INFEASIBLE).collect();
        assert_eq!(candidates.feasible() as usize, feasible.len());
        let high = feasible.iter().map(|&node| scores[node]).max();
        let best = high.map(|score| {
            let ties = feasible.iter().filter(|&&node| scores[node] == score);
            Best {
                node: NodeId::from_index(*ties.clone().next().expect("one is best")),
                score,
                ties: ties.count() as u32,
            }
        });
        assert_eq!(candidates.best(), best);
        assert_eq!(candidates.worst_score(), feasible.iter().map(|&node| scores[node]).min());
        let next = feasible.iter().find(|&&node| node >= from).or(feasible.first());
        assert_eq!(candidates.next_from(NodeId::from_index(from)), next.map(|&node| NodeId::from_index(node)));
        for (place, &node) in feasible.iter().enumerate().step_by(29) {
            assert_eq!(candidates.nth(place as u32).index(), node);
        }
    }

    #[test]
    fn every_way_gives_what_a_plain_scan_gives() {
        let (mut with_sets, mut without_sets, mut dropped) = (0, 0, 0);
        for entity in 0..12 {
            let (model, mut stream, mut running) = (model(), SEED.stream("test/index", entity), Vec::new());
            let mut world = World::new(&model);
            // Room for all tables, or for three of bytes.
            let memory = if entity % 3 == 0 { 1200 } else { TABLE_BYTES_MAX };
            let (mut narrow, mut wide) = (NodeIndex::with_memory(memory), NodeIndex::with_memory(memory));
            for step in 0..400 {
                // Stretches of few changes between decisions, of some, and gaps longer than the log of changes.
                let most = [1, 2, 30, 90, 1500][stream.below(if step % 50 == 0 { 5 } else { 1 + step / 100 }) as usize];
                (0..stream.below(most + 1)).for_each(|_| change(&mut stream, &model, &mut world, &mut running));
                let classes = if step % 7 == 0 { 8 } else { 1 + step / 80 };
                let class = ClassId(stream.below(classes) as u32);
                let scores = scores_of(LeastAllocated, &model, &world, class.0);
                let (view, from) = (View { model: &model, world: &world }, stream.below(scores.len() as u64) as usize);
                let candidates = narrow.refresh(&view, class, &mut LeastAllocated);
                match candidates.table {
                    Table::Narrow { buckets: Some(_), .. } => with_sets += 1,
                    _ => without_sets += 1,
                }
                compare(candidates, &scores, from);
                compare(wide.refresh(&view, class, &mut Wide), &scores, from);
                let kept = narrow.classes.iter().filter(|state| state.table.is_some()).count();
                let bytes: usize =
                    narrow.classes.iter().filter_map(|state| state.table.as_ref()).map(|t| t.bytes()).sum();
                assert_eq!(narrow.table_bytes, bytes);
                dropped += u32::from(kept < narrow.classes.iter().filter(|state| state.used > 0).count());
            }
            assert!(narrow.mirror.sync(&world), "rows were used");
        }
        let counts = [with_sets, without_sets, dropped];
        assert!(counts.iter().all(|&count| count > 100), "every way was taken: {counts:?}");
    }
}
