//! The scores of every class on every node, kept up to date from the change log.
//!
//! A class that was looked at before re-scores only the nodes that changed since.

use crate::ids::{ClassId, NodeId};
use crate::world::View;

use super::filter;

/// The score of a node that passed the filters. Higher is better. Policies declare their range.
pub type Score = i32;

/// Marks a node that did not pass the filters.
const INFEASIBLE: Score = Score::MIN;

/// What fills the index: scores of nodes that passed the filters, in one go.
pub type ScoreNodes<'a> = dyn FnMut(&View<'_>, ClassId, &[NodeId], &mut Vec<Score>) + 'a;

/// Scores by class and node.
#[derive(Debug, Default)]
pub struct NodeIndex {
    classes: Vec<Option<Candidates>>,
    changed: Vec<NodeId>,
    scores: Vec<Score>,
}

/// The nodes as one class sees them.
#[derive(Clone, Debug)]
pub struct Candidates {
    position: u64,
    scores: Vec<Score>,
    feasible: u32,
}

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
    pub fn refresh(&mut self, view: &View<'_>, class: ClassId, score: &mut ScoreNodes<'_>) -> &mut Candidates {
        if self.classes.len() <= class.index() {
            self.classes.resize(class.index() + 1, None);
        }
        let world = view.world;
        let candidates = self.classes[class.index()].get_or_insert_with(|| Candidates {
            position: world.changes.position(),
            scores: Vec::new(),
            feasible: 0,
        });
        self.changed.clear();
        match world.changes.since(candidates.position) {
            Some(changed) if candidates.scores.len() == world.nodes.len() => {
                self.changed.extend(changed);
                self.changed.sort_unstable();
                self.changed.dedup();
            }
            _ => {
                candidates.scores.resize(world.nodes.len(), INFEASIBLE);
                self.changed.extend((0..world.nodes.len()).map(NodeId::from_index));
            }
        }
        candidates.position = world.changes.position();
        for &node in &self.changed {
            let old = std::mem::replace(&mut candidates.scores[node.index()], INFEASIBLE);
            candidates.feasible -= u32::from(old != INFEASIBLE);
        }
        self.changed.retain(|&node| filter::fits(view, class, node));
        self.scores.clear();
        score(view, class, &self.changed, &mut self.scores);
        for (&node, &score) in self.changed.iter().zip(&self.scores) {
            candidates.scores[node.index()] = score;
        }
        candidates.feasible += self.changed.len() as u32;
        candidates
    }
}

impl Candidates {
    /// How many nodes passed the filters.
    pub fn feasible(&self) -> u32 {
        self.feasible
    }

    /// The best nodes, if any node passed the filters.
    pub fn best(&self) -> Option<Best> {
        let mut best = Best { node: NodeId(0), score: INFEASIBLE, ties: 0 };
        for (i, &score) in self.scores.iter().enumerate() {
            if score > best.score {
                best = Best { node: NodeId::from_index(i), score, ties: 1 };
            } else if score == best.score {
                best.ties += 1;
            }
        }
        (self.feasible > 0).then_some(best)
    }

    /// The lowest score of a node that passed the filters.
    pub fn worst_score(&self) -> Option<Score> {
        self.scores.iter().copied().filter(|&score| score != INFEASIBLE).min()
    }

    /// The first node from `from` on that passed the filters, going round.
    pub fn next_from(&self, from: NodeId) -> Option<NodeId> {
        let n = self.scores.len();
        (0..n).map(|step| (from.index() + step) % n).find(|&i| self.scores[i] != INFEASIBLE).map(NodeId::from_index)
    }

    /// The node at place `place` (from 0) among those that passed the filters.
    ///
    /// # Panics
    /// When there are not so many.
    pub fn nth(&self, place: u32) -> NodeId {
        let mut feasible = (0..self.scores.len()).filter(|&i| self.scores[i] != INFEASIBLE);
        NodeId::from_index(feasible.nth(place as usize).expect("fewer nodes are feasible"))
    }
}
