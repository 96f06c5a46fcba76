//! The whole of a scale-up (`core/scaleup/orchestrator`): which groups may grow, which pods their templates take, how many
//! nodes each would need, which of the options is taken, and how its nodes are spread over similar groups.
//!
//! Cost: one question a group and group of pods, one estimate a group that takes any, and the expanders.

use std::collections::BTreeMap;

use super::cluster_state::ClusterState;
use super::estimator::{Amount, Packing, PodGroup, TemplateSize, estimate};
use super::expander::{Chain, ExpansionOption, Surroundings};
use super::limiter::{EstimationContext, GroupSize, Limiter};
use super::options::Options;
use super::quota::{Resources, Tracker};
use super::similar::{Comparator, ScaleUpInfo, Template, balance};
use super::snapshot::{Growing, Rotation};
use crate::ids::PodId;
use crate::rng::Stream;
use crate::units::SimTime;

/// A node group.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct NodeGroup {
    /// Nodes it has at least.
    pub min_size: i64,
    /// Nodes it has at most.
    pub max_size: i64,
    /// Nodes it should have.
    pub target_size: i64,
    /// Whether it has either no node or all.
    pub zero_or_max: bool,
}

/// What is known of a group's fresh node.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TemplateInfo {
    /// CPU and memory.
    pub size: TemplateSize,
    /// What quotas count.
    pub counted: Resources,
    /// What comparisons see.
    pub compared: Template,
}

/// The simulated cluster as a scale-up sees it: nodes that are there and nodes on their way, and copies of templates.
pub trait Templates {
    /// A snapshot that grows by nodes of one group; dropping it takes them away again.
    type Grown<'a>: Growing
    where
        Self: 'a;

    /// Whether a fresh node of the group, added to the cluster, would take the pod.
    fn takes(&mut self, group: usize, pod: PodId) -> bool;

    /// Begins an estimate for the group.
    fn open(&mut self, group: usize) -> Self::Grown<'_>;
}

/// Why a group was not considered (`skippedreasons.go`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Skipped {
    /// It failed lately: `in backoff after failed scale-up`.
    InBackoff,
    /// It has all nodes it may have: `max node group size reached`.
    MaxSizeReached,
    /// Too many of its nodes are missing, or its template is not known: `not ready for scale-up`.
    NotReady,
    /// It would have to grow to its full size, which the cluster's limit does not allow.
    AtomicExceedsClusterLimit,
    /// Quotas with the resources that are exceeded.
    QuotaExceeded(Vec<(String, Vec<String>)>),
}

/// What became of a scale-up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Groups grow.
    ScaledUp,
    /// No group would help, or the expanders left none.
    NoOptions,
    /// The cluster has all the nodes it may have.
    MaxNodesReached,
}

/// The decision.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ScaleUpPlan {
    /// What became of it.
    pub outcome: Outcome,
    /// The groups that grow.
    pub scale_ups: Vec<ScaleUpInfo>,
    /// The option that was taken.
    pub best: Option<ExpansionOption>,
    /// All options, in the order of the groups.
    pub options: Vec<ExpansionOption>,
    /// The groups that were not considered.
    pub skipped: BTreeMap<usize, Skipped>,
    /// Groups of pods, by position, that no group's template takes.
    pub remaining: Vec<usize>,
    /// Groups of pods that another group's template takes, so that they wait for the next turn.
    pub awaiting: Vec<usize>,
}

/// What a scale-up is decided from. Lists are by group.
#[derive(Debug)]
pub struct ScaleUpInput<'a> {
    /// The node groups.
    pub groups: &'a [NodeGroup],
    /// Their templates; `None`: not known.
    pub templates: &'a [Option<TemplateInfo>],
    /// The pods that found no place, in groups of equals.
    pub pods: &'a [PodGroup],
    /// Nodes in the cluster and on their way.
    pub current_nodes: usize,
    /// The flags.
    pub options: &'a Options,
    /// How similar groups are told.
    pub comparator: &'a Comparator,
    /// Which groups are healthy.
    pub state: &'a ClusterState,
    /// The expanders.
    pub expanders: &'a Chain,
    /// What expanders see.
    pub around: &'a Surroundings<'a>,
    /// Now.
    pub now: SimTime,
}

impl ScaleUpInput<'_> {
    /// Decides.
    pub fn plan<T: Templates>(
        &self,
        cluster: &mut T,
        rotation: &mut Rotation,
        quotas: &mut Tracker,
        stream: &mut Stream,
    ) -> ScaleUpPlan {
        let skipped = self.skipped(quotas);
        let valid: Vec<usize> = (0..self.groups.len()).filter(|group| !skipped.contains_key(group)).collect();
        let takes: BTreeMap<usize, Vec<usize>> =
            valid.iter().map(|group| (*group, self.schedulable(cluster, *group))).collect();
        let options: Vec<ExpansionOption> = valid
            .iter()
            .map(|group| self.option(cluster, rotation, &takes, *group))
            .filter(|option| !option.pods.is_empty() && option.node_count > 0)
            .collect();
        let remaining = (0..self.pods.len()).filter(|pods| !takes.values().any(|taken| taken.contains(pods))).collect();
        let mut plan = ScaleUpPlan {
            outcome: Outcome::NoOptions,
            scale_ups: Vec::new(),
            best: None,
            options,
            skipped,
            remaining,
            awaiting: Vec::new(),
        };
        let Some(best) = self.expanders.best(&plan.options, self.around, stream) else {
            if !plan.options.is_empty() {
                plan.remaining = (0..self.pods.len()).collect();
            }
            return plan;
        };
        let best = plan.options[best].clone();
        self.execute(&mut plan, &best, &takes, quotas);
        plan.best = Some(best);
        plan
    }

    fn execute(
        &self,
        plan: &mut ScaleUpPlan,
        best: &ExpansionOption,
        takes: &BTreeMap<usize, Vec<usize>>,
        quotas: &mut Tracker,
    ) {
        let Some(nodes) = capped_by_cluster(best.node_count, self.current_nodes, self.options.max_nodes_total) else {
            plan.outcome = Outcome::MaxNodesReached;
            plan.remaining = (0..self.pods.len()).collect();
            return;
        };
        let template = self.templates[best.group].as_ref().expect("a group with an option has a template");
        let allowed = quotas.check(Some(best.group), &template.counted, nodes as i64).allowed;
        plan.scale_ups = self.balanced(best.group, allowed, takes, quotas);
        plan.outcome = Outcome::ScaledUp;
        let has_group = |pods: &usize| takes.values().any(|taken| taken.contains(pods));
        let waits = |pods: &usize| has_group(pods) && !takes[&best.group].contains(pods);
        plan.awaiting = (0..self.pods.len()).filter(waits).collect();
    }

    /// The groups that may not grow, with the reason (`filterValidScaleUpNodeGroups`).
    fn skipped(&self, quotas: &mut Tracker) -> BTreeMap<usize, Skipped> {
        let reasons = (0..self.groups.len()).map(|group| (group, self.skip_reason(group, quotas)));
        reasons.filter_map(|(group, reason)| Some((group, reason?))).collect()
    }

    fn skip_reason(&self, index: usize, quotas: &mut Tracker) -> Option<Skipped> {
        if let Some(reason) = self.unready_reason(index) {
            return Some(reason);
        }
        let group = &self.groups[index];
        if group.target_size >= group.max_size {
            return Some(Skipped::MaxSizeReached);
        }
        let mut nodes = 1;
        if group.zero_or_max {
            nodes = group.max_size - group.target_size;
            let total = self.options.max_nodes_total;
            if total != 0 && self.current_nodes as i64 + nodes > total as i64 {
                return Some(Skipped::AtomicExceedsClusterLimit);
            }
        }
        let Some(template) = &self.templates[index] else { return Some(Skipped::NotReady) };
        let exceeded = quotas.check(Some(index), &template.counted, nodes).exceeded;
        (!exceeded.is_empty()).then_some(Skipped::QuotaExceeded(exceeded))
    }

    fn unready_reason(&self, group: usize) -> Option<Skipped> {
        let safety = self.state.safety(group, self.now);
        match (safety.is_healthy, safety.is_backed_off) {
            (false, _) => Some(Skipped::NotReady),
            (true, true) => Some(Skipped::InBackoff),
            (true, false) => None,
        }
    }

    /// The groups of pods whose first pod the group's template takes (`SchedulablePodGroups`).
    fn schedulable<T: Templates>(&self, cluster: &mut T, group: usize) -> Vec<usize> {
        (0..self.pods.len()).filter(|pods| cluster.takes(group, self.pods[*pods].pods[0])).collect()
    }

    /// What growing the group would do (`ComputeExpansionOption`).
    fn option<T: Templates>(
        &self,
        cluster: &mut T,
        rotation: &mut Rotation,
        takes: &BTreeMap<usize, Vec<usize>>,
        index: usize,
    ) -> ExpansionOption {
        let mut option = ExpansionOption { group: index, ..ExpansionOption::default() };
        let (Some(template), false) = (&self.templates[index], takes[&index].is_empty()) else { return option };
        option.similar = self.similar(index, takes);
        let group = &self.groups[index];
        let pods: Vec<PodGroup> = takes[&index].iter().map(|pods| self.pods[*pods].clone()).collect();
        let options = self.options;
        let mut limiter = Limiter::standard(options.max_nodes_per_scale_up, options.max_node_group_binpacking_duration);
        limiter.start(Some(&self.context(&option)), self.now);
        let packing = Packing { fast_path: options.fast_path_binpacking, now: self.now };
        let found = estimate(&mut cluster.open(index), rotation, &mut limiter, &pods, &template.size, packing);
        option.node_count = found.node_count;
        if group.zero_or_max && option.node_count > 0 {
            option.node_count = usize::try_from(group.max_size).unwrap_or(0);
        }
        option.requested = requested(&pods, &found.pods);
        option.pods = found.pods;
        option
    }

    fn context(&self, option: &ExpansionOption) -> EstimationContext {
        let size =
            |group: &usize| GroupSize { target: self.groups[*group].target_size, max: self.groups[*group].max_size };
        EstimationContext {
            group: size(&option.group),
            similar: option.similar.iter().map(size).collect(),
            cluster_max_nodes: self.options.max_nodes_total as i64,
            current_nodes: self.current_nodes as i64,
        }
    }

    /// Groups like this one that may grow and whose template takes every group of pods that this one's takes.
    fn similar(&self, index: usize, takes: &BTreeMap<usize, Vec<usize>>) -> Vec<usize> {
        let group = &self.groups[index];
        let (true, false, Some(own)) =
            (self.options.balance_similar_node_groups, group.zero_or_max, &self.templates[index])
        else {
            return Vec::new();
        };
        let Some(pods) = takes.get(&index).filter(|pods| !pods.is_empty()) else { return Vec::new() };
        let is_similar = |other: &usize| {
            let alike = |template: &TemplateInfo| self.comparator.alike(&own.compared, &template.compared);
            *other != index
                && self.templates[*other].as_ref().is_some_and(alike)
                && self.state.safety(*other, self.now).is_safe()
                && takes.get(other).is_some_and(|taken| pods.iter().all(|pods| taken.contains(pods)))
        };
        (0..self.groups.len()).filter(is_similar).collect()
    }

    /// Spreads the nodes over the group and its similar groups, each as far as quotas go (`balanceScaleUps`).
    fn balanced(
        &self,
        best: usize,
        nodes: i64,
        takes: &BTreeMap<usize, Vec<usize>>,
        quotas: &mut Tracker,
    ) -> Vec<ScaleUpInfo> {
        let counted = |group: usize| self.templates[group].as_ref().map(|template| template.counted.clone());
        let mut targets = vec![best];
        for group in self.similar(best, takes) {
            if counted(group).is_some_and(|node| quotas.check(Some(group), &node, 1).exceeded.is_empty()) {
                targets.push(group);
            }
        }
        let sizes: Vec<(usize, i64, i64)> = targets
            .into_iter()
            .map(|group| (group, self.groups[group].target_size, self.groups[group].max_size))
            .collect();
        let mut infos = balance(&sizes, nodes);
        for info in infos.iter_mut().filter(|info| info.delta() > 0) {
            let Some(node) = counted(info.group) else { continue };
            let allowed = quotas.check(Some(info.group), &node, info.delta()).allowed.min(info.delta());
            info.new_size = info.current_size + allowed;
            if allowed > 0 {
                quotas.consume(Some(info.group), &node, allowed);
            }
        }
        infos.retain(|info| info.new_size != info.current_size);
        infos
    }

    /// Groups that have fewer nodes than they should at least (`ScaleUpToNodeGroupMinSize`).
    pub fn plan_to_min_size(&self, quotas: &mut Tracker) -> Vec<ScaleUpInfo> {
        let mut infos = Vec::new();
        for (index, group) in self.groups.iter().enumerate() {
            let Some(template) = &self.templates[index] else { continue };
            if group.target_size >= group.min_size || self.unready_reason(index).is_some() {
                continue;
            }
            if !quotas.check(Some(index), &template.counted, 1).exceeded.is_empty() {
                continue;
            }
            let allowed = quotas.check(Some(index), &template.counted, group.min_size - group.target_size).allowed;
            // Upstream compares the group's own size with the limit on all nodes; so do we.
            let (allowed, current) =
                (usize::try_from(allowed).unwrap_or(0), usize::try_from(group.target_size).unwrap_or(0));
            if let Some(nodes) = capped_by_cluster(allowed, current, self.options.max_nodes_total) {
                infos.push(ScaleUpInfo {
                    group: index,
                    current_size: group.target_size,
                    new_size: group.target_size + nodes as i64,
                    max_size: group.max_size,
                });
            }
        }
        infos
    }
}

/// New nodes that the limit on all nodes leaves; `None`: the limit is reached (`GetCappedNewNodeCount`).
pub fn capped_by_cluster(new_nodes: usize, current_nodes: usize, max_nodes_total: usize) -> Option<usize> {
    if max_nodes_total == 0 || new_nodes + current_nodes <= max_nodes_total {
        return Some(new_nodes);
    }
    max_nodes_total.checked_sub(current_nodes).filter(|left| *left > 0)
}

/// What the pods that found a place ask for together.
fn requested(groups: &[PodGroup], placed: &[PodId]) -> Amount {
    let mut of_pod: Vec<(PodId, Amount)> = Vec::new();
    for group in groups {
        of_pod.extend(group.pods.iter().map(|pod| (*pod, group.facts.request)));
    }
    of_pod.sort_unstable_by_key(|(pod, _)| *pod);
    let mut total = Amount::default();
    for pod in placed {
        let index = of_pod.binary_search_by_key(pod, |(pod, _)| *pod).expect("a pod of the groups");
        total.cpu += of_pod[index].1.cpu;
        total.memory += of_pod[index].1.memory;
    }
    total
}
