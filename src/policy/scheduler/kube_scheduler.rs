//! kube-scheduler: what the real one would do.
//!
//! Decides: as the profile that the pod's `schedulerName` names, by all default plug-ins of the release or by those of a
//! `KubeSchedulerConfiguration`: a rotating start, as many feasible nodes as are enough, the highest weighted sum of
//! scores; if no node is feasible, which pods make room.
//! Parameters: `fastPath`; everything else stands in the configuration.
//! Source: kubernetes/kubernetes v1.37.0, `pkg/scheduler`; file by file in [`super::kube`].
//! Profiles can name wavetank's own scores as plug-ins; see [`super::kube::own_policies`].
//! Known deviations: filters run with one worker, so that never more nodes are looked at than needed; of equally good
//! nodes one is drawn from the policy's own stream; a pod whose `schedulerName` no profile has is never placed.
//! Example: on two empty nodes alike, a pod that prefers `disk=ssd` goes to the one that has it: 2 x 100 for NodeAffinity.

use std::sync::Arc;

use serde::Deserialize;

use super::kube::extender::{Extender, ExtenderError};
use super::kube::fast::{FastPath, Find};
use super::kube::framework::Filters;
use super::kube::preemption::{self, NoPreemption, Nomination, Preemption};
use super::kube::queue::SchedulingQueue;
use super::kube::schedule::{Attempt, Search};
use super::kube::{Cycle, Framework, NodeTree, explain, select};
use super::{Build, Decision, Explanation, Placement, Refusal, Scheduler, SchedulerRow};
use crate::ids::{ClassId, NodeId, PodId};
use crate::model::kube_scheduler::{ExtensionPoint, KubeSchedulerConfiguration, TieBreak};
use crate::model::{Model, Scheduling};
use crate::policy::parameters::{self, Parameter, ParameterError};
use crate::rng::{Seed, Stream};
use crate::world::{GpuMask, View};

pub(super) const ROW: SchedulerRow = SchedulerRow {
    name: "kube-scheduler",
    summary: "as the real kube-scheduler v1.37.0, by its default plug-ins or scheduler.configuration",
    source: "kubernetes/kubernetes v1.37.0, pkg/scheduler",
    parameters: &[Parameter {
        name: "fastPath",
        unit: "",
        default: "true",
        meaning: "whether verdicts and scores are kept between decisions; the decisions are the same without",
    }],
    build: Build::Other(|parameters, model, seed| Ok(Box::new(KubeScheduler::new(parameters, model, seed)?))),
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
    /// What the present attempt sees, when somebody asks for it.
    explanation: Option<Explanation>,
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
            let framework = Framework::for_model(profile, model)?;
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
            explanation: None,
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
                fast.follow(*view, &self.nodes);
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
        let decision = match self.decide_fast(view, pod, class, at) {
            Some(decision) => Ok(decision),
            None => self.find_plain(view, pod, class, at),
        };
        decision.unwrap_or_else(|error| {
            self.refusal.message = error.to_string();
            self.refusal.is_error = true;
            Decision::Unschedulable
        })
    }

    /// The fast path, where it knows the class; it decides without reasons that could be shown.
    fn decide_fast(&mut self, view: &View<'_>, pod: Option<PodId>, class: ClassId, at: usize) -> Option<Decision> {
        if self.explanation.is_some() {
            return None;
        }
        let Profile { framework, fast, percentage, preempts, .. } = &mut self.profiles[at];
        let fast = fast.as_mut()?;
        let cycle = Cycle { view: *view, pod, class, nodes: &self.nodes, arguments: framework.arguments() };
        let found = match fast.find(framework, &cycle, self.start, *percentage)? {
            Find::Promised(node) => return Some(place(node, framework.choose_gpus(view, class, node), 1, -1, 1)),
            Find::Best(found) => found,
        };
        self.start = (self.start + found.examined()) % self.nodes.len();
        if found.feasible() == 0 {
            self.refusal.diagnosis = fast.refusal(framework, &cycle);
            self.refusal.nodes = self.nodes.len();
            if *preempts {
                let stream = (self.tie_break != TieBreak::First).then_some(&mut self.candidates);
                let nomination = fast.make_room(framework, &cycle, stream).map(Some);
                note_preemption(&mut self.refusal, view, nomination);
            }
            return Some(Decision::Unschedulable);
        }
        let node = match self.tie_break {
            TieBreak::Heap => fast.top_of_heap(&found),
            TieBreak::Random if found.ties() > 1 => {
                fast.nth_best(&found, self.ties.below(found.ties() as u64) as usize)
            }
            TieBreak::Random | TieBreak::First => fast.nth_best(&found, 0),
        };
        let gpus = framework.choose_gpus(view, class, node);
        Some(place(node, gpus, found.feasible(), found.score(), found.ties()))
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
            if let Some(explanation) = &mut self.explanation {
                *explanation = explain::explain(&cycle, &attempt, !self.extenders.is_empty());
                explanation.tie_break = tie_break_in_words(self.tie_break, self.extenders.is_empty());
            }
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
                    let gpus = framework.choose_gpus(view, class, node);
                    place(node, gpus, attempt.feasible.len(), score, best.len())
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
            Ok(Err(error)) => self.refusal.diagnosis.post_filter_message = format!("preemption: {error}"),
            Ok(Ok(candidates)) => {
                let nomination = preemption::choose(&cycle.view, candidates);
                note_preemption(&mut self.refusal, &cycle.view, Ok(nomination));
            }
            Err(reason) => note_preemption(&mut self.refusal, &cycle.view, Err(reason)),
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

impl KubeScheduler {
    /// The extenders that bind the pod, in order of calls, and its cycle.
    fn binders<'a>(&'a self, view: &View<'a>, pod: PodId) -> (Cycle<'a>, impl Iterator<Item = &'a Extender>) {
        let class = view.world.pods.class[pod.index()];
        let profile = self.profiles.iter().find(|profile| profile.name == view.class(class).spec.scheduler_name);
        let arguments = profile.map_or(&self.configuration.profiles[0].arguments, |known| known.framework.arguments());
        let cycle = Cycle { view: *view, pod: Some(pod), class, nodes: &self.nodes, arguments };
        let binders = self.extenders.iter().filter(|extender| extender.binds());
        (cycle, binders.filter(move |extender| extender.is_interested(&cycle, cycle.pod_class())))
    }
}

fn refusal(cycle: &Cycle<'_>, attempt: &Attempt<'_>) -> Refusal {
    Refusal { diagnosis: attempt.diagnosis.summary(), nodes: cycle.nodes.len(), ..Refusal::default() }
}

/// Notes who makes room, or why nobody does.
fn note_preemption(refusal: &mut Refusal, view: &View<'_>, outcome: Result<Option<Nomination>, NoPreemption>) {
    match outcome {
        Ok(nomination) => {
            if let Some(nomination) = &nomination {
                refusal.diagnosis.post_filter_message = nomination.message(view);
            }
            refusal.nomination = nomination;
        }
        Err(reason) => {
            refusal.clears_nomination = reason.clears_nomination;
            refusal.diagnosis.post_filter_message = reason.message;
        }
    }
}

fn tie_break_in_words(tie_break: TieBreak, is_without_extenders: bool) -> &'static str {
    match tie_break {
        TieBreak::First => "the one that was found first is taken",
        TieBreak::Heap if is_without_extenders => "the one that comes to the top of upstream's heap is taken",
        TieBreak::Heap | TieBreak::Random => "one of them was drawn",
    }
}

fn place(node: NodeId, gpus: GpuMask, feasible: usize, best: i64, ties: usize) -> Decision {
    Decision::Place(Placement { node, gpus, feasible: feasible as u32, best, ties: ties as u32 })
}

impl Scheduler for KubeScheduler {
    fn decide(&mut self, view: &View<'_>, class: ClassId) -> Decision {
        self.attempt(view, None, class)
    }

    fn decide_for(&mut self, view: &View<'_>, pod: PodId) -> Decision {
        self.attempt(view, Some(pod), view.world.pods.class[pod.index()])
    }

    fn explain(&mut self, view: &View<'_>, pod: PodId) -> (Decision, Explanation) {
        self.explanation = Some(Explanation::default());
        let decision = self.decide_for(view, pod);
        let mut explanation = self.explanation.take().unwrap_or_default();
        let profile = &view.class_of(pod).spec.scheduler_name;
        explanation.profile.clone_from(profile);
        if decision == Decision::Unschedulable {
            explanation.message = if !self.profiles.iter().any(|known| known.name == *profile) {
                let known: Vec<&str> = self.profiles.iter().map(|profile| profile.name.as_str()).collect();
                format!(
                    "no profile is called `{profile}`, so nobody places the pod; the profiles are {}",
                    known.join(", ")
                )
            } else if self.nodes.is_empty() {
                "no nodes available to schedule pods".to_owned()
            } else if self.refusal.is_error {
                self.refusal.message.clone()
            } else {
                self.refusal.diagnosis.message(self.refusal.nodes)
            };
        }
        (decision, explanation)
    }

    fn follows_placements(&self) -> bool {
        true
    }

    fn queue(&self) -> Option<SchedulingQueue> {
        Some(SchedulingQueue::new(&self.configuration))
    }

    fn binds(&self, view: &View<'_>, pod: PodId) -> bool {
        !self.extenders.is_empty() && self.binders(view, pod).1.next().is_some()
    }

    /// The first extender that binds does (`extendersBinding`); one that may fail and does leaves it to the next, and at last
    /// to the default binder, which always succeeds.
    fn bind(&mut self, view: &View<'_>, pod: PodId) -> Result<(), String> {
        let Some(node) = view.world.pods.node(pod) else { return Err("the pod has no node".to_owned()) };
        let (cycle, binders) = self.binders(view, pod);
        for extender in binders {
            match extender.bind(&cycle, node) {
                Err(_) if extender.is_ignorable() => {}
                Err(error) => return Err(error.to_string()),
                Ok(()) => break,
            }
        }
        Ok(())
    }

    fn refusal(&mut self) -> Refusal {
        std::mem::take(&mut self.refusal)
    }
}
