//! Preemption from kept dry runs: which pods of a node would have to go for a pod of the class, and how bad that is.
//!
//! A dry run depends on the node, its pods, the pods that it is promised to and, with disruption budgets, on all pods. So
//! the outcome is kept until the node changes, except where a budget covers one of the pods, where a pod has not started
//! (its start is the present), or where filters look at topology. What is kept is how bad the candidate is; the victims
//! of the one that is chosen are worked out again. Where no pod of lower priority has a node, no dry run is made.
//!
//! Cost: O(candidates that are looked at), and a dry run for every one of them that changed.

use std::cell::OnceCell;

use super::class::ClassState;
use super::domains::Domains;
use super::order::{Moves, Order};
use super::topology::Surroundings;
use crate::ids::NodeId;
use crate::policy::scheduler::kube::framework::{Filters, Framework};
use crate::policy::scheduler::kube::preemption::{
    Budgets, NoPreemption, Nomination, Preemption, Rank, candidates_wanted, check_eligibility, has_not_started,
    is_covered, may_go, no_victims, rank, select_victims,
};
use crate::policy::scheduler::kube::{Code, Cycle, NodeInfo, Rejection, Summary};
use crate::rng::Stream;

/// What came of the dry run on a node.
#[derive(Clone, Copy, Debug)]
enum DryRun {
    Unknown,
    /// The node is no candidate; the place of the reason among those that occur.
    Fails(u32),
    Makes(Rank),
}

/// The dry runs of one class.
#[derive(Debug, Default)]
pub(super) struct DryRuns {
    /// By position; empty until somebody asks.
    kept: Vec<DryRun>,
    failures: Vec<Rejection>,
    /// What was said when there was nobody to make room, for so many candidates and nodes.
    nobody: Option<(usize, usize, NoPreemption)>,
}

impl DryRuns {
    /// The node at a position has changed.
    #[inline]
    pub(super) fn forget(&mut self, position: usize) {
        if let Some(kept) = self.kept.get_mut(position) {
            *kept = DryRun::Unknown;
        }
    }

    /// Brings what is kept into another order.
    pub(super) fn reorder(&mut self, moves: &Moves) {
        if !self.kept.is_empty() {
            moves.apply(&mut self.kept, DryRun::Unknown);
        }
    }

    fn failure(&mut self, rejection: Rejection) -> DryRun {
        let at = self.failures.iter().position(|other| *other == rejection).unwrap_or_else(|| {
            self.failures.push(rejection);
            self.failures.len() - 1
        });
        DryRun::Fails(at as u32)
    }
}

/// Candidates as they are found.
#[derive(Debug, Default)]
struct Found {
    /// Candidates that break no budget.
    kind: usize,
    violating: usize,
    /// The first of the best, and its position.
    best: Option<(Rank, usize)>,
    /// How many nodes failed for each reason.
    failed: Vec<usize>,
    /// Nodes on which the dry run went wrong, and what was said.
    errors: Vec<(NodeId, Rejection)>,
}

impl Found {
    /// Takes in a candidate; returns whether there are enough.
    fn add(&mut self, rank: Rank, position: usize, wanted: usize) -> bool {
        let list = if rank.0 == 0 { &mut self.kind } else { &mut self.violating };
        if *list < wanted {
            *list += 1;
            if self.best.is_none_or(|(best, _)| rank < best) {
                self.best = Some((rank, position));
            }
        }
        self.kind > 0 && self.kind + self.violating >= wanted
    }
}

impl ClassState {
    /// The best way to make room for the pod of the cycle, which was just refused.
    ///
    /// # Errors
    /// Why there is none.
    pub(super) fn make_room(
        &mut self,
        framework: &Framework,
        around: Surroundings<'_, '_>,
        domains: &mut Domains,
        stream: Option<&mut Stream>,
    ) -> Result<Nomination, NoPreemption> {
        let (cycle, order) = (*around.cycle, around.order);
        let around = Surroundings { cycle: &cycle, order };
        if let Some(diagnosis) = self.named_diagnosis().cloned() {
            return self.with_filters(framework, around, domains, |filters| {
                Preemption { cycle: &cycle, filters, diagnosis: &diagnosis }.nominate(stream)
            });
        }
        let verdicts = self.final_verdicts();
        let rejection = |node| order.position(node).and_then(|position| verdicts.rejection(position));
        check_eligibility(&cycle, |node| rejection(node).map_or(Code::UnschedulableAndUnresolvable, |no| no.code))?;
        let candidates = verdicts.resolvable_count();
        if candidates == 0 {
            return Err(NoPreemption::not_helpful(Summary::default(), cycle.nodes.len()));
        }
        let offset = stream.map_or(0, |stream| stream.below(candidates as u64) as usize);
        if !has_less_important(&cycle) {
            return Err(self.dry_runs.nobody(candidates, cycle.nodes.len()));
        }
        let resolvable = verdicts.resolvable().clone();
        let first = resolvable.nth(offset).expect("the offset is below their number");
        let wanted = candidates_wanted(&cycle, candidates);
        let mut runs = std::mem::take(&mut self.dry_runs);
        let (keeps, personal) = (!self.depends_on_topology(), self.personal());
        if !keeps {
            runs.kept.clear();
        }
        let found = self.with_filters(framework, around, domains, |filters| {
            let laboratory = Laboratory { cycle, filters, budgets: OnceCell::new(), keeps, personal };
            laboratory.run(order, &mut runs, resolvable.around(first), wanted)
        });
        let nomination = found.best.map(|(_, position)| {
            self.with_filters(framework, around, domains, |filters| {
                let laboratory = Laboratory { cycle, filters, budgets: OnceCell::new(), keeps, personal };
                laboratory.dry_run(order.nodes[position]).1.expect("it was a candidate just now")
            })
        });
        self.dry_runs = runs;
        match nomination {
            Some(nomination) => Ok(nomination),
            None => Err(self.dry_runs.no_preemption(found, &cycle)),
        }
    }
}

/// Whether any pod that has a node is less important than the one that wants room.
fn has_less_important(cycle: &Cycle<'_>) -> bool {
    cycle.view.world.priorities.lowest().is_some_and(|lowest| lowest < cycle.pod_class().priority)
}

impl DryRuns {
    /// No pod on any of the candidates is less important.
    fn nobody(&mut self, candidates: usize, nodes: usize) -> NoPreemption {
        if let Some((.., said)) = self.nobody.as_ref().filter(|(old, all, _)| (*old, *all) == (candidates, nodes)) {
            return said.clone();
        }
        let mut failed = Summary::default();
        failed.add(&no_victims(), candidates);
        let said = NoPreemption::not_helpful(failed, nodes);
        self.nobody = Some((candidates, nodes, said.clone()));
        said
    }

    fn no_preemption(&self, mut found: Found, cycle: &Cycle<'_>) -> NoPreemption {
        if !found.errors.is_empty() {
            found.errors.sort_by_key(|(node, _)| *node);
            let errors: Vec<String> = found.errors.iter().map(|(_, rejection)| rejection.message()).collect();
            return NoPreemption::errors(&errors);
        }
        let mut failed = Summary::default();
        for (rejection, &nodes) in self.failures.iter().zip(&found.failed).filter(|(_, nodes)| **nodes > 0) {
            failed.add(rejection, nodes);
        }
        NoPreemption::not_helpful(failed, cycle.nodes.len())
    }
}

/// Where dry runs are made.
#[derive(Debug)]
struct Laboratory<'f, 'a> {
    cycle: Cycle<'a>,
    filters: &'f Filters<'a>,
    budgets: OnceCell<Budgets<'a>>,
    /// Whether outcomes can be kept.
    keeps: bool,
    /// The node that is promised to the pod itself: what is found there is nobody else's.
    personal: Option<usize>,
}

impl Laboratory<'_, '_> {
    /// Looks at candidates one after the other until there are enough.
    fn run(&self, order: &Order, runs: &mut DryRuns, positions: impl Iterator<Item = usize>, wanted: usize) -> Found {
        let mut found = Found::default();
        if self.keeps {
            runs.kept.resize(order.nodes.len(), DryRun::Unknown);
        }
        for position in positions {
            let is_own = self.personal == Some(position);
            let mut outcome = runs.kept.get(position).filter(|_| !is_own).copied().unwrap_or(DryRun::Unknown);
            if matches!(outcome, DryRun::Unknown) {
                let node = order.nodes[position];
                let (is_lasting, result) = self.dry_run(node);
                outcome = match result {
                    Ok(nomination) => DryRun::Makes(rank(&self.cycle.view, &nomination)),
                    Err(rejection) if rejection.code == Code::Error => {
                        found.errors.push((node, rejection));
                        continue;
                    }
                    Err(rejection) => runs.failure(rejection),
                };
                if self.keeps && is_lasting && !is_own {
                    runs.kept[position] = outcome;
                }
            }
            match outcome {
                DryRun::Makes(rank) if found.add(rank, position, wanted) => break,
                DryRun::Makes(_) | DryRun::Unknown => {}
                DryRun::Fails(failure) => {
                    let failure = failure as usize;
                    found.failed.resize(found.failed.len().max(failure + 1), 0);
                    found.failed[failure] += 1;
                }
            }
        }
        found
    }

    /// The dry run on a node, and whether its outcome holds until the node changes.
    fn dry_run(&self, node: NodeId) -> (bool, Result<Nomination, Rejection>) {
        let view = self.cycle.view;
        let info = NodeInfo::new(view, node);
        let mut potential = info.pods().filter(|pod| may_go(&self.cycle, *pod));
        let is_lasting = potential.all(|pod| !has_not_started(&view, pod) && !is_covered(&view, pod));
        let nobody = Budgets::default();
        let budgets = if is_lasting { &nobody } else { self.budgets.get_or_init(|| Budgets::new(&view)) };
        (is_lasting, select_victims(&self.cycle, self.filters, node, budgets))
    }
}
