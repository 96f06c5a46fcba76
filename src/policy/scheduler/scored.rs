//! The scheduler made of a scorer: highest score wins, of equals the lowest node id.

use std::ops::{Range, RangeInclusive};

use super::index::{Best, NodeIndex, Score};
use super::rows::Rows;
use super::{Decision, Explanation, Placement, Scheduler, Verdict, explanation, gpus};
use crate::ids::{ClassId, NodeId, PodId};
use crate::model::PodClass;
use crate::policy::parameters::{self, ParameterError};
use crate::world::{GpuMask, View};

/// Scores nodes for a class from the node's own state.
pub trait Scorer: Send {
    /// Appends the score of each of `nodes`, which all passed the filters, to `scores`.
    fn score(&mut self, view: &View<'_>, class: ClassId, nodes: &[NodeId], scores: &mut Vec<Score>);

    /// The score of one node that passed the filters, the same as [`Scorer::score`] gives; none where there is no way
    /// that is faster than a list of one node.
    #[inline]
    fn score_one(&mut self, _view: &View<'_>, _class: ClassId, _node: NodeId) -> Option<Score> {
        None
    }

    /// The lowest and the highest score there can be. The narrower, the faster the best node is found.
    fn range(&self) -> RangeInclusive<Score> {
        0..=100
    }

    /// Writes the scores of all nodes of a range; those that did not pass the filters (`fits` is 0) get any score within
    /// the range. To be overridden where a dense pass over columns is faster than a list.
    fn score_range(&mut self, view: &View<'_>, class: ClassId, range: Range<usize>, fits: &[u8], scores: &mut [Score]) {
        let fitting = range.zip(fits).filter(|(_, fits)| **fits == 1);
        let nodes: Vec<NodeId> = fitting.map(|(node, _)| NodeId::from_index(node)).collect();
        let mut listed = Vec::with_capacity(nodes.len());
        self.score(view, class, &nodes, &mut listed);
        let mut listed = listed.into_iter();
        let lowest = *self.range().start();
        for (score, &fits) in scores.iter_mut().zip(fits) {
            *score = if fits == 1 { listed.next().expect("one score a node") } else { lowest };
        }
    }

    /// Whether [`Scorer::score_rows`] is there.
    fn scores_rows(&self) -> bool {
        false
    }

    /// Writes the score of a pod of `class` for each row, all whole numbers within the range; rows on which the pod
    /// does not fit get any number. For scorers that look at nothing but what rows hold; the same scores as
    /// [`Scorer::score`].
    fn score_rows(&mut self, _class: &PodClass, _rows: &Rows<'_>, _scores: &mut [f64]) {
        unreachable!("a scorer that says it scores rows does so");
    }

    /// The devices that a pod of `class` takes on `node`. The default is [`gpus::best_fit`].
    fn choose_gpus(&mut self, view: &View<'_>, class: ClassId, node: NodeId) -> GpuMask {
        let request = view.class(class).gpu.as_ref();
        request.map_or(0, |request| gpus::best_fit(request, view.world.nodes.gpu_left(node)))
    }

    /// Whether scores are reported after min-max normalisation over the feasible nodes. It is monotone and maps only
    /// the best to 100, so it never changes who wins.
    fn normalised(&self) -> bool {
        false
    }
}

/// A scheduler that takes the node its scorer likes best.
#[derive(Debug)]
pub struct Scored<S> {
    scorer: S,
    index: NodeIndex,
}

impl<S: Scorer> Scored<S> {
    /// A scheduler that follows `scorer`.
    pub fn new(scorer: S) -> Scored<S> {
        Scored { scorer, index: NodeIndex::default() }
    }
}

impl<S: Scorer> Scheduler for Scored<S> {
    fn decide(&mut self, view: &View<'_>, class: ClassId) -> Decision {
        let candidates = self.index.refresh(view, class, &mut self.scorer);
        let Some(Best { node, score, ties }) = candidates.best() else {
            return Decision::Unschedulable;
        };
        let feasible = candidates.feasible();
        let best = match feasible {
            1 => -1,
            _ if self.scorer.normalised() => 100 * i64::from(candidates.worst_score() != Some(score)),
            _ => i64::from(score),
        };
        let gpus = self.scorer.choose_gpus(view, class, node);
        Decision::Place(Placement { node, gpus, feasible, best, ties })
    }

    fn explain(&mut self, view: &View<'_>, pod: PodId) -> (Decision, Explanation) {
        let class = view.world.pods.class[pod.index()];
        let mut explanation = explanation::of_filters(view, class);
        let feasible = explanation.nodes.iter().filter(|(_, verdict)| *verdict == Verdict::Feasible);
        let nodes: Vec<NodeId> = feasible.map(|(node, _)| *node).collect();
        if nodes.len() > 1 {
            let mut scores = Vec::with_capacity(nodes.len());
            self.scorer.score(view, class, &nodes, &mut scores);
            explanation.totals = scores.into_iter().map(i64::from).collect();
            explanation.scored = nodes;
            explanation.tie_break = "the first by rank is taken";
        }
        (self.decide_for(view, pod), explanation)
    }
}

/// A policy that is nothing but a score over nodes: kube-scheduler can use it as a plug-in.
pub(super) trait ScorePolicy: Scheduler {
    /// The score alone.
    fn into_scorer(self: Box<Self>) -> Box<dyn Scorer>;
}

impl<S: Scorer + 'static> ScorePolicy for Scored<S> {
    fn into_scorer(self: Box<Self>) -> Box<dyn Scorer> {
        Box::new(self.scorer)
    }
}

/// The policy that follows `scorer`, which has no parameters.
pub(super) fn without_parameters<S: Scorer + 'static>(
    parameters: &serde_json::Value,
    scorer: S,
) -> Result<Box<dyn ScorePolicy>, ParameterError> {
    parameters::none(parameters)?;
    Ok(Box::new(Scored::new(scorer)))
}

/// The same score everywhere, for policies that only ask which nodes fit.
#[derive(Clone, Copy, Debug)]
pub(super) struct FeasibleOnly;

impl Scorer for FeasibleOnly {
    fn score(&mut self, _: &View<'_>, _: ClassId, nodes: &[NodeId], scores: &mut Vec<Score>) {
        scores.resize(scores.len() + nodes.len(), 0);
    }
}

/// The mean of the percentages of those resources that a node has, rounded down; 0 when it has none.
#[inline]
pub(super) fn mean_of_present(percentages: [Option<u64>; 2]) -> Score {
    match percentages {
        [Some(a), Some(b)] => ((a + b) / 2) as Score,
        [Some(one), None] | [None, Some(one)] => one as Score,
        [None, None] => 0,
    }
}
