//! kube-scheduler: what the real one would do.
//!
//! Decides: as the profile that the pod's `schedulerName` names, by all default plug-ins of the release or by those of a
//! `KubeSchedulerConfiguration`: a rotating start, as many feasible nodes as are enough, the highest weighted sum of
//! scores; if no node is feasible, which pods make room.
//! Parameters: `fastPath`; everything else stands in the configuration.
//! Source: kubernetes/kubernetes v1.37.0, `pkg/scheduler`; file by file in [`super::kube`].
//! Known deviations: filters run with one worker, so that never more nodes are looked at than needed; of equally good
//! nodes one is drawn from the policy's own stream; a pod whose `schedulerName` no profile has is never placed.
//! Example: on two empty nodes alike, a pod that prefers `disk=ssd` goes to the one that has it: 2 x 100 for NodeAffinity.

use std::sync::Arc;

use serde::Deserialize;

use super::kube::extender::{Extender, ExtenderError};
use super::kube::fast::{FastPath, Found};
use super::kube::framework::Filters;
use super::kube::preemption::{self, Nomination, Preemption};
use super::kube::queue::SchedulingQueue;
use super::kube::schedule::{Attempt, Search};
use super::kube::{Cycle, Framework, NodeTree, sampling, select};
use super::{Decision, Placement, Refusal, Scheduler, SchedulerRow, gpus};
use crate::ids::{ClassId, NodeId, PodId};
use crate::model::kube_scheduler::{ExtensionPoint, KubeSchedulerConfiguration, TieBreak};
use crate::model::{Model, Scheduling};
use crate::policy::parameters::{self, Parameter, ParameterError};
use crate::rng::{Seed, Stream};
use crate::world::View;

pub(super) const ROW: SchedulerRow = SchedulerRow {
    name: "kube-scheduler",
    summary: "as the real kube-scheduler v1.37.0, with all its default plug-ins or a KubeSchedulerConfiguration",
    source: "kubernetes/kubernetes v1.37.0, pkg/scheduler",
    parameters: &[Parameter {
        name: "fastPath",
        unit: "",
        default: "true",
        meaning: "whether verdicts and scores are kept between decisions; the decisions are the same without",
    }],
    build: |parameters, model, seed| Ok(Box::new(KubeScheduler::new(parameters, model, seed)?)),
};

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase", default)]
struct Parameters {
    fast_path: bool,
}

impl Default for Parameters {
    fn default() -> Parameters {
        Parameters { fast_path: true }
    }
}

/// One profile at work.
#[derive(Debug)]
struct Profile {
    name: String,
    percentage: i32,
    framework: Arc<Framework>,
    preempts: bool,
    fast: Option<FastPath>,
}

/// The policy.
#[derive(Debug)]
struct KubeScheduler {
    profiles: Vec<Profile>,
    extenders: Vec<Extender>,
    configuration: KubeSchedulerConfiguration,
    tie_break: TieBreak,
    ties: Stream,
    candidates: Stream,
    tree: NodeTree,
    /// The nodes that are up, in the order in which they are looked at.
    nodes: Vec<NodeId>,
    /// How many nodes there have been and how many are up, as of that order: it changes only with them.
    counted: (usize, u64),
    /// Where the next search begins.
    start: usize,
    refusal: Refusal,
}

impl KubeScheduler {
    /// The policy as the model configures it.
    ///
    /// # Errors
    /// When a parameter is wrong, or a profile names a plug-in that there is not.
    fn new(parameters: &serde_json::Value, model: &Model, seed: Seed) -> Result<KubeScheduler, ParameterError> {
        let Parameters { fast_path } = parameters::read(parameters)?;
        let Scheduling { kube_scheduler, .. } = &model.scheduling;
        let configuration: KubeSchedulerConfiguration = kube_scheduler.as_deref().cloned().unwrap_or_default();
        let extenders: Vec<Extender> = configuration.extenders.iter().map(Extender::new).collect();
        let profile = |profile: &crate::model::kube_scheduler::Profile| {
            let framework = Framework::new(profile)
                .map_err(|name| ParameterError(format!("there is no plug-in called `{name}` in this release")))?;
            let post_filters = profile.plugins.at(ExtensionPoint::PostFilter);
            Ok(Profile {
                name: profile.scheduler_name.clone(),
                percentage: profile.percentage_of_nodes_to_score.unwrap_or(configuration.percentage_of_nodes_to_score),
                framework: Arc::new(framework),
                preempts: post_filters.iter().any(|(name, _)| name == preemption::NAME),
                fast: (fast_path && extenders.is_empty()).then(FastPath::default),
            })
        };
        Ok(KubeScheduler {
            profiles: configuration.profiles.iter().map(profile).collect::<Result<_, _>>()?,
            extenders,
            tie_break: configuration.tie_break,
            configuration,
            ties: seed.stream("scheduler/kube-scheduler/ties", 0),
            candidates: seed.stream("scheduler/kube-scheduler/candidates", 0),
            tree: NodeTree::default(),
            nodes: Vec::new(),
            counted: (usize::MAX, 0),
            start: 0,
            refusal: Refusal::default(),
        })
    }

    /// Notices nodes that joined or left.
    fn update_nodes(&mut self, view: &View<'_>) {
        let counted = (view.world.nodes.len(), view.world.totals.nodes_up);
        if counted != self.counted {
            self.counted = counted;
            self.tree.update(*view);
            self.nodes = self.tree.list();
            for fast in self.profiles.iter_mut().filter_map(|profile| profile.fast.as_mut()) {
                fast.reset(&self.nodes);
            }
        }
    }

    fn attempt(&mut self, view: &View<'_>, pod: Option<PodId>, class: ClassId) -> Decision {
        self.refusal = Refusal::default();
        self.update_nodes(view);
        let scheduler_name = &view.class(class).spec.scheduler_name;
        let Some(at) = self.profiles.iter().position(|profile| profile.name == *scheduler_name) else {
            return Decision::Unschedulable;
        };
        if self.nodes.is_empty() {
            return Decision::Unschedulable;
        }
        self.start %= self.nodes.len();
        let decision = match self.find_fast(view, pod, class, at) {
            Some(found) => self.take_fast(view, class, at, &found),
            None => self.find_plain(view, pod, class, at),
        };
        decision.unwrap_or_else(|error| {
            self.refusal.message = error.to_string();
            self.refusal.is_error = true;
            Decision::Unschedulable
        })
    }

    /// The fast path, where it knows the class; it leaves refusals to the plain form, which can say why.
    fn find_fast(&mut self, view: &View<'_>, pod: Option<PodId>, class: ClassId, at: usize) -> Option<Found> {
        if !view.world.nominated.is_empty() || view.class(class).gpu.is_some() {
            return None;
        }
        let Profile { framework, fast, percentage, .. } = &mut self.profiles[at];
        let wanted = sampling::nodes_to_find(*percentage, self.nodes.len());
        let cycle = Cycle { view: *view, pod, class, nodes: &self.nodes, arguments: framework.arguments() };
        let found = fast.as_mut()?.find(framework, &cycle, self.start, wanted)?;
        (found.feasible() > 0).then_some(found)
    }

    fn take_fast(
        &mut self,
        view: &View<'_>,
        class: ClassId,
        at: usize,
        found: &Found,
    ) -> Result<Decision, ExtenderError> {
        let n = if self.tie_break == TieBreak::Heap { 0 } else { self.draw(found.ties()) };
        let fast = self.profiles[at].fast.as_ref().expect("it was just used");
        let node = if self.tie_break == TieBreak::Heap { fast.top_of_heap(found) } else { fast.nth_best(found, n) };
        self.start = (self.start + found.examined()) % self.nodes.len();
        Ok(place(view, class, node, found.feasible(), found.score(), found.ties()))
    }

    fn find_plain(
        &mut self,
        view: &View<'_>,
        pod: Option<PodId>,
        class: ClassId,
        at: usize,
    ) -> Result<Decision, ExtenderError> {
        let nodes = std::mem::take(&mut self.nodes);
        let framework = Arc::clone(&self.profiles[at].framework);
        let cycle = Cycle { view: *view, pod, class, nodes: &nodes, arguments: framework.arguments() };
        let search = Search { start: self.start, percentage: self.profiles[at].percentage };
        let attempt = Attempt::make(&framework, &self.extenders, &cycle, search);
        let decision = attempt.map(|attempt| {
            self.start = (self.start + attempt.processed.unwrap_or(0)) % nodes.len();
            match attempt.best() {
                Some((score, best)) => {
                    let position = match self.tie_break {
                        // Extenders make upstream draw.
                        TieBreak::Heap if self.extenders.is_empty() => {
                            select::top_of_heap(&attempt.totals).unwrap_or(0)
                        }
                        _ => best[self.draw(best.len())],
                    };
                    let node = attempt.feasible[position].node;
                    place(view, class, node, attempt.feasible.len(), score, best.len())
                }
                None => {
                    self.refusal = refusal(&cycle, &attempt);
                    match attempt.post_filter_error(&framework) {
                        Some(error) => self.refusal.diagnosis.post_filter_message = error.to_owned(),
                        None if self.profiles[at].preempts => self.make_room(&cycle, &attempt),
                        None => {}
                    }
                    Decision::Unschedulable
                }
            }
        });
        self.nodes = nodes;
        decision
    }

    /// Which of the best.
    fn draw(&mut self, ties: usize) -> usize {
        match self.tie_break {
            TieBreak::Random | TieBreak::Heap if ties > 1 => self.ties.below(ties as u64) as usize,
            TieBreak::Random | TieBreak::Heap | TieBreak::First => 0,
        }
    }
}

impl KubeScheduler {
    /// Which pods of lower priority could go (`RunPostFilterPlugins`), and what that says.
    fn make_room<'a>(&mut self, cycle: &Cycle<'a>, attempt: &Attempt<'a>) {
        let stream = match self.tie_break {
            TieBreak::Random | TieBreak::Heap => Some(&mut self.candidates),
            TieBreak::First => None,
        };
        let nothing = Filters::default();
        let filters = attempt.filters.as_ref().unwrap_or(&nothing);
        let preemption = Preemption { cycle, filters, diagnosis: &attempt.diagnosis };
        let candidates = preemption.candidates(stream).map(|candidates| self.ask_extenders(cycle, candidates));
        match candidates {
            Ok(Ok(candidates)) => {
                self.refusal.nomination = preemption::choose(&cycle.view, candidates);
                if let Some(nomination) = &self.refusal.nomination {
                    self.refusal.diagnosis.post_filter_message = nomination.message(&cycle.view);
                }
            }
            Ok(Err(error)) => self.refusal.diagnosis.post_filter_message = format!("preemption: {error}"),
            Err(reason) => {
                self.refusal.clears_nomination = reason.clears_nomination;
                self.refusal.diagnosis.post_filter_message = reason.message;
            }
        }
    }

    /// Lets the extenders that have a say strike candidates (`callExtenders`).
    fn ask_extenders(
        &self,
        cycle: &Cycle<'_>,
        mut candidates: Vec<Nomination>,
    ) -> Result<Vec<Nomination>, ExtenderError> {
        let asked = self.extenders.iter().filter(|extender| extender.preempts());
        for extender in asked.filter(|extender| extender.is_interested(cycle, cycle.pod_class())) {
            match extender.preempt(cycle, &candidates) {
                Ok(left) => candidates = left,
                Err(_) if extender.is_ignorable() => {}
                Err(error) => return Err(error),
            }
            if candidates.is_empty() {
                break;
            }
        }
        Ok(candidates)
    }
}

fn refusal(cycle: &Cycle<'_>, attempt: &Attempt<'_>) -> Refusal {
    Refusal { diagnosis: attempt.diagnosis.clone(), nodes: cycle.nodes.len(), ..Refusal::default() }
}

fn place(view: &View<'_>, class: ClassId, node: NodeId, feasible: usize, best: i64, ties: usize) -> Decision {
    let request = view.class(class).gpu.as_ref();
    let gpus = request.map_or(0, |request| gpus::best_fit(request, view.world.nodes.gpu_left(node)));
    Decision::Place(Placement { node, gpus, feasible: feasible as u32, best, ties: ties as u32 })
}

impl Scheduler for KubeScheduler {
    fn decide(&mut self, view: &View<'_>, class: ClassId) -> Decision {
        self.attempt(view, None, class)
    }

    fn decide_for(&mut self, view: &View<'_>, pod: PodId) -> Decision {
        self.attempt(view, Some(pod), view.world.pods.class[pod.index()])
    }

    fn queue(&self) -> Option<SchedulingQueue> {
        Some(SchedulingQueue::new(&self.configuration))
    }

    fn refusal(&mut self) -> Refusal {
        std::mem::take(&mut self.refusal)
    }
}
