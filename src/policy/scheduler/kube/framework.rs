//! The extension points, and the loop over plug-ins at each of them (`framework/runtime/framework.go`).

use std::collections::BTreeSet;

use super::diagnosis::{Code, Diagnosis, Rejection};
use super::plugins;
use super::{Cycle, NodeInfo};
use crate::ids::{NodeId, PodId};
use crate::model::kube_scheduler::{ExtensionPoint, PluginArguments, Profile};

/// What a plug-in has to say before the nodes are looked at.
#[derive(Debug)]
pub enum PreFilter<'a> {
    /// The plug-in has nothing to filter for this pod.
    Skip,
    /// The pod cannot be placed at all.
    Reject(Rejection),
    /// The nodes are to be filtered.
    Run {
        /// What filters them.
        filter: Box<dyn NodeFilter<'a> + 'a>,
        /// The only nodes that can do, if the plug-in knows.
        nodes: Option<BTreeSet<NodeId>>,
    },
}

/// Keeps pods from nodes.
pub trait FilterPlugin: Send + Sync + std::fmt::Debug {
    /// Looks at the pod; what comes back filters nodes for this cycle.
    fn pre_filter<'a>(&self, cycle: &Cycle<'a>) -> PreFilter<'a>;
}

/// A filter prepared for one pod.
pub trait NodeFilter<'a>: std::fmt::Debug {
    /// Whether the pod may go to the node.
    ///
    /// # Errors
    /// The rejection.
    fn filter(&self, node: &NodeInfo<'a>) -> Result<(), Rejection>;

    /// Takes into account that a pod is thought to be on a node (`PreFilterExtensions.AddPod`).
    fn add_pod(&mut self, _pod: PodId, _node: &NodeInfo<'a>) {}

    /// Takes into account that a pod is thought away from a node (`PreFilterExtensions.RemovePod`).
    fn remove_pod(&mut self, _pod: PodId, _node: &NodeInfo<'a>) {}

    /// A copy for a what-if.
    fn fork(&self) -> Box<dyn NodeFilter<'a> + 'a>;
}

/// Scores nodes.
pub trait ScorePlugin: Send + Sync + std::fmt::Debug {
    /// Looks at the nodes that passed the filters; none: the plug-in scores nothing for this pod, and counts as 0.
    fn pre_score<'a>(&self, cycle: &Cycle<'a>, feasible: &[NodeInfo<'a>]) -> Option<Box<dyn NodeScorer<'a> + 'a>>;
}

/// A scorer prepared for one pod and its feasible nodes.
pub trait NodeScorer<'a>: std::fmt::Debug {
    /// The raw score of a node.
    fn score(&self, node: &NodeInfo<'a>) -> i64;

    /// Brings raw scores, one a feasible node in their order, to 0 to 100; as they are, unless the plug-in says more.
    fn normalise(&self, _nodes: &[NodeInfo<'a>], _scores: &mut [i64]) {}
}

/// The plug-ins of one profile.
#[derive(Debug)]
pub struct Framework {
    filters: Vec<(String, Box<dyn FilterPlugin>)>,
    /// Names, weights, scorers.
    scorers: Vec<(String, i64, Box<dyn ScorePlugin>)>,
    arguments: PluginArguments,
}

/// The filters of one cycle.
#[derive(Debug, Default)]
pub struct Filters<'a> {
    /// In the order of the profile; plug-ins that skip are not among them.
    pub filters: Vec<(String, Box<dyn NodeFilter<'a> + 'a>)>,
    /// The only nodes that can do, if some plug-in knows, and the plug-ins that said so.
    pub nodes: Option<(BTreeSet<NodeId>, Vec<String>)>,
}

/// The nodes that passed.
#[derive(Debug)]
pub struct Feasible<'a> {
    /// In the order in which they were looked at.
    pub nodes: Vec<NodeInfo<'a>>,
    /// Why the others did not.
    pub diagnosis: Diagnosis,
}

/// What one plug-in says of the feasible nodes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PluginScores {
    /// The plug-in.
    pub plugin: String,
    /// Its weight.
    pub weight: i64,
    /// Scores as the plug-in counts, one a node; none where it skipped.
    pub raw: Option<Vec<i64>>,
    /// Scores from 0 to 100, not yet weighted.
    pub normalised: Vec<i64>,
}

impl Framework {
    /// The plug-ins of a profile.
    ///
    /// # Errors
    /// The name of a plug-in that does not exist here.
    pub fn new(profile: &Profile) -> Result<Framework, String> {
        let named = |point| profile.plugins.at(point).iter();
        let filter = |(name, _): &(String, i64)| match plugins::filter(name, &profile.arguments) {
            Some(plugin) => Ok((name.clone(), plugin)),
            None => Err(name.clone()),
        };
        let scorer = |(name, weight): &(String, i64)| match plugins::scorer(name, &profile.arguments) {
            Some(plugin) => Ok((name.clone(), *weight, plugin)),
            None => Err(name.clone()),
        };
        Ok(Framework {
            filters: named(ExtensionPoint::Filter).map(filter).collect::<Result<_, _>>()?,
            scorers: named(ExtensionPoint::Score).map(scorer).collect::<Result<_, _>>()?,
            arguments: profile.arguments.clone(),
        })
    }

    /// The arguments of its plug-ins.
    pub fn arguments(&self) -> &PluginArguments {
        &self.arguments
    }

    /// The filters and their names, in order.
    pub(super) fn filters(&self) -> impl Iterator<Item = (&str, &dyn FilterPlugin)> {
        self.filters.iter().map(|(name, plugin)| (name.as_str(), plugin.as_ref()))
    }

    /// The scorers with names and weights, in order.
    pub(super) fn scorers(&self) -> impl Iterator<Item = (&str, i64, &dyn ScorePlugin)> {
        self.scorers.iter().map(|(name, weight, plugin)| (name.as_str(), *weight, plugin.as_ref()))
    }

    /// Runs the PreFilter plug-ins (`RunPreFilterPlugins`).
    ///
    /// # Errors
    /// What is known when one of them rejects the pod.
    pub fn pre_filter<'a>(&self, cycle: &Cycle<'a>) -> Result<Filters<'a>, Box<Diagnosis>> {
        let mut prepared = Filters { filters: Vec::new(), nodes: None };
        for (name, plugin) in &self.filters {
            match plugin.pre_filter(cycle) {
                PreFilter::Skip => {}
                PreFilter::Reject(rejection) => return Err(Box::new(rejected(rejection))),
                PreFilter::Run { filter, nodes } => {
                    prepared.filters.push((name.clone(), filter));
                    if let Some(only) = nodes {
                        prepared.restrict(name, only);
                        if let Some((left, names)) = &prepared.nodes
                            && left.is_empty()
                        {
                            return Err(Box::new(no_node_left(names)));
                        }
                    }
                }
            }
        }
        Ok(prepared)
    }

    /// Scores the feasible nodes plug-in by plug-in (`RunPreScorePlugins`, `RunScorePlugins`).
    pub fn score<'a>(&self, cycle: &Cycle<'a>, feasible: &[NodeInfo<'a>]) -> Vec<PluginScores> {
        let mut all = Vec::with_capacity(self.scorers.len());
        for (name, weight, plugin) in &self.scorers {
            let mut scores =
                PluginScores { plugin: name.clone(), weight: *weight, raw: None, normalised: vec![0; feasible.len()] };
            if let Some(scorer) = plugin.pre_score(cycle, feasible) {
                scores.normalised = feasible.iter().map(|node| scorer.score(node)).collect();
                scores.raw = Some(scores.normalised.clone());
                scorer.normalise(feasible, &mut scores.normalised);
            }
            all.push(scores);
        }
        all
    }
}

impl<'a> Filters<'a> {
    /// Keeps only the nodes that this plug-in and those before it know of.
    fn restrict(&mut self, plugin: &str, only: BTreeSet<NodeId>) {
        self.nodes = Some(match self.nodes.take() {
            None => (only, vec![plugin.to_owned()]),
            Some((nodes, mut names)) => {
                names.push(plugin.to_owned());
                (nodes.intersection(&only).copied().collect(), names)
            }
        });
    }

    /// Runs the filters on one node, up to the first that rejects it (`RunFilterPlugins`).
    ///
    /// # Errors
    /// The rejection.
    pub fn filter(&self, node: &NodeInfo<'a>) -> Result<(), Rejection> {
        self.filters.iter().try_for_each(|(_, filter)| filter.filter(node))
    }

    /// A copy for a what-if.
    pub fn fork(&self) -> Filters<'a> {
        let filters = self.filters.iter().map(|(name, filter)| (name.clone(), filter.fork())).collect();
        Filters { filters, nodes: self.nodes.clone() }
    }
}

/// Sums of weighted scores, one a node.
pub fn totals(scores: &[PluginScores], nodes: usize) -> Vec<i64> {
    let mut totals = vec![0; nodes];
    for plugin in scores {
        for (total, score) in totals.iter_mut().zip(&plugin.normalised) {
            *total += plugin.weight * score;
        }
    }
    totals
}

fn rejected(rejection: Rejection) -> Diagnosis {
    Diagnosis {
        pre_filter_message: rejection.message(),
        unschedulable_plugins: BTreeSet::from([rejection.plugin.clone()]),
        absent_nodes: Some(rejection),
        ..Diagnosis::default()
    }
}

/// The plug-ins that know the only nodes that can do have none in common.
fn no_node_left(plugins: &[String]) -> Diagnosis {
    let message = match plugins {
        [plugin] => format!("node(s) didn't satisfy plugin {plugin}"),
        _ => format!("node(s) didn't satisfy plugin(s) [{}] simultaneously", plugins.join(" ")),
    };
    let rejection =
        Rejection { plugin: "".into(), code: Code::UnschedulableAndUnresolvable, reasons: vec![message.into()] };
    Diagnosis { unschedulable_plugins: plugins.iter().map(|name| name.clone().into()).collect(), ..rejected(rejection) }
}
