//! The extension points, and the loop over plug-ins at each of them (`framework/runtime/framework.go`).

use std::collections::BTreeSet;

use super::diagnosis::{Code, Diagnosis, Rejection};
use super::plugins;
use super::{Cycle, NodeInfo};
use crate::ids::{NodeId, PodId};
use crate::model::kube_scheduler::{ExtensionPoint, IN_TREE_PLUGINS, PluginArguments, Profile};

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
    /// Positions in `filters` in the order of PreFilter calls.
    pre_filters: Vec<usize>,
    /// Names of the PostFilter plug-ins.
    post_filters: Vec<String>,
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

/// What is known when PreFilter plug-ins reject a pod.
#[derive(Debug)]
pub struct Rejected<'a> {
    /// Why.
    pub diagnosis: Diagnosis,
    /// The filters that were prepared; preemption needs them.
    pub filters: Filters<'a>,
    /// Plug-ins that were not asked any more.
    pub unasked: Vec<String>,
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
    /// The name of a plug-in that does not exist here, or has no code for the point where the profile names it.
    pub fn new(profile: &Profile) -> Result<Framework, String> {
        for point in ExtensionPoint::ALL {
            let is_known =
                |name: &str| IN_TREE_PLUGINS.iter().any(|row| row.name == name && row.points.contains(&point));
            if let Some((name, _)) = profile.plugins.at(point).iter().find(|(name, _)| !is_known(name)) {
                return Err(name.clone());
            }
        }
        let named = |point| profile.plugins.at(point).iter();
        let filter = |(name, _): &(String, i64)| match plugins::filter(name, &profile.arguments) {
            Some(plugin) => Ok((name.clone(), plugin)),
            None => Err(name.clone()),
        };
        let scorer = |(name, weight): &(String, i64)| match plugins::scorer(name, &profile.arguments) {
            Some(plugin) => Ok((name.clone(), *weight, plugin)),
            None => Err(name.clone()),
        };
        let mut filters: Vec<(String, Box<dyn FilterPlugin>)> =
            named(ExtensionPoint::Filter).map(filter).collect::<Result<_, _>>()?;
        filters.push(plugins::own_filter());
        let first_called = |(name, _): &(String, _)| {
            named(ExtensionPoint::PreFilter).position(|(other, _)| other == name).unwrap_or(usize::MAX)
        };
        let mut pre_filters: Vec<usize> = (0..filters.len()).collect();
        pre_filters.sort_by_key(|&at| first_called(&filters[at]));
        Ok(Framework {
            filters,
            pre_filters,
            post_filters: named(ExtensionPoint::PostFilter).map(|(name, _)| name.clone()).collect(),
            scorers: named(ExtensionPoint::Score).map(scorer).collect::<Result<_, _>>()?,
            arguments: profile.arguments.clone(),
        })
    }

    /// The arguments of its plug-ins.
    pub fn arguments(&self) -> &PluginArguments {
        &self.arguments
    }

    /// The PostFilter plug-ins by name, in order.
    pub fn post_filters(&self) -> &[String] {
        &self.post_filters
    }

    /// The filters and their names, in order.
    pub(super) fn filters(&self) -> impl Iterator<Item = (&str, &dyn FilterPlugin)> {
        self.filters.iter().map(|(name, plugin)| (name.as_str(), plugin.as_ref()))
    }

    /// The scorers with names and weights, in order.
    pub(super) fn scorers(&self) -> impl Iterator<Item = (&str, i64, &dyn ScorePlugin)> {
        self.scorers.iter().map(|(name, weight, plugin)| (name.as_str(), *weight, plugin.as_ref()))
    }

    /// Runs the PreFilter plug-ins (`RunPreFilterPlugins`). One that rejects the pod for good ends the attempt, one that
    /// preemption may help does not: the others are asked too, so that preemption has their filters.
    ///
    /// # Errors
    /// What is known when one of them rejects the pod.
    pub fn pre_filter<'a>(&self, cycle: &Cycle<'a>) -> Result<Filters<'a>, Box<Rejected<'a>>> {
        let mut prepared: Vec<(usize, Box<dyn NodeFilter<'a> + 'a>)> = Vec::new();
        let mut only: Option<(BTreeSet<NodeId>, Vec<String>)> = None;
        let mut rejection = None;
        for (position, &at) in self.pre_filters.iter().enumerate() {
            let reject = |diagnosis| {
                let unasked = self.pre_filters[position + 1..].iter().map(|&at| self.filters[at].0.clone()).collect();
                Err(Box::new(Rejected { diagnosis, filters: Filters::default(), unasked }))
            };
            let (name, plugin) = &self.filters[at];
            match plugin.pre_filter(cycle) {
                PreFilter::Skip => {}
                PreFilter::Reject(no) if no.code == Code::Unschedulable => rejection = Some(no),
                PreFilter::Reject(no) => return reject(rejected(no)),
                PreFilter::Run { filter, nodes } => {
                    prepared.push((at, filter));
                    only = restrict(only, name, nodes);
                }
            }
            // One plug-in alone may know of names that no node has; upstream then has nothing to look at.
            if let Some((_, names)) = only.as_ref().filter(|(left, names)| left.is_empty() && names.len() > 1) {
                return reject(no_node_left(names));
            }
        }
        prepared.sort_by_key(|(at, _)| *at);
        let filters = prepared.into_iter().map(|(at, filter)| (self.filters[at].0.clone(), filter)).collect();
        let filters = Filters { filters, nodes: only };
        match rejection {
            None => Ok(filters),
            Some(rejection) => {
                let mut diagnosis = rejected(rejection);
                let restricting = filters.nodes.iter().flat_map(|(_, names)| names);
                diagnosis.unschedulable_plugins.extend(restricting.map(|name| name.clone().into()));
                Err(Box::new(Rejected { diagnosis, filters, unasked: Vec::new() }))
            }
        }
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

/// Keeps only the nodes that this plug-in and those before it know of; the plug-ins are listed in order of name.
fn restrict(
    known: Option<(BTreeSet<NodeId>, Vec<String>)>,
    plugin: &str,
    only: Option<BTreeSet<NodeId>>,
) -> Option<(BTreeSet<NodeId>, Vec<String>)> {
    let Some(only) = only else { return known };
    Some(match known {
        None => (only, vec![plugin.to_owned()]),
        Some((nodes, mut names)) => {
            let at = names.partition_point(|name| name.as_str() < plugin);
            names.insert(at, plugin.to_owned());
            (&nodes & &only, names)
        }
    })
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
    let message = format!("node(s) didn't satisfy plugin(s) [{}] simultaneously", plugins.join(" "));
    let rejection =
        Rejection { plugin: "".into(), code: Code::UnschedulableAndUnresolvable, reasons: vec![message.into()] };
    Diagnosis { unschedulable_plugins: plugins.iter().map(|name| name.clone().into()).collect(), ..rejected(rejection) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ids::ClassId;
    use crate::testkit::cluster;
    use crate::world::{View, World};

    /// What a plug-in does in PreFilter.
    #[derive(Clone, Copy, Debug)]
    enum Does {
        Skip,
        Reject(Code),
        Pass,
        Name(&'static [u32]),
    }

    #[derive(Debug)]
    struct Plugin(Does);

    #[derive(Debug)]
    struct Passes;

    impl FilterPlugin for Plugin {
        fn pre_filter<'a>(&self, _cycle: &Cycle<'a>) -> PreFilter<'a> {
            let run = |nodes| PreFilter::Run { filter: Box::new(Passes), nodes };
            match self.0 {
                Does::Skip => PreFilter::Skip,
                Does::Reject(code) => {
                    PreFilter::Reject(Rejection { plugin: "no".into(), code, reasons: vec!["no".into()] })
                }
                Does::Pass => run(None),
                Does::Name(nodes) => run(Some(nodes.iter().map(|&node| NodeId(node)).collect())),
            }
        }
    }

    impl<'a> NodeFilter<'a> for Passes {
        fn filter(&self, _node: &NodeInfo<'a>) -> Result<(), Rejection> {
            Ok(())
        }

        fn fork(&self) -> Box<dyn NodeFilter<'a> + 'a> {
            Box::new(Passes)
        }
    }

    /// What comes of plug-ins called A, B, C: names of the filters and the nodes that are left, or code, message and
    /// plug-ins of the rejection.
    fn outcome(plugins: &[Does], pre_filters: &[usize]) -> String {
        let plugin =
            |(name, does): (char, &Does)| -> (String, Box<dyn FilterPlugin>) { (name.into(), Box::new(Plugin(*does))) };
        let framework = Framework {
            filters: ('A'..).zip(plugins).map(plugin).collect(),
            pre_filters: pre_filters.to_vec(),
            post_filters: vec![],
            scorers: vec![],
            arguments: PluginArguments::default(),
        };
        let model = cluster().node("n").pod("p").model();
        let world = World::new(&model);
        let view = View { model: &model, world: &world };
        let cycle = Cycle { view, pod: None, class: ClassId(0), nodes: &[], arguments: framework.arguments() };
        let names = |filters: &Filters<'_>| filters.filters.iter().map(|(name, _)| name.as_str()).collect::<String>();
        match framework.pre_filter(&cycle) {
            Ok(filters) => match &filters.nodes {
                None => names(&filters),
                Some((nodes, by)) => {
                    let nodes: Vec<u32> = nodes.iter().map(|node| node.0).collect();
                    format!("{} {nodes:?} by {}", names(&filters), by.concat())
                }
            },
            Err(rejected) => {
                let Diagnosis { pre_filter_message, unschedulable_plugins, .. } = &rejected.diagnosis;
                let by = unschedulable_plugins.iter().map(|name| name.as_ref()).collect::<String>();
                let code = rejected.diagnosis.code(NodeId(0));
                format!("{code:?} {pre_filter_message} by {by}, {:?}", names(&rejected.filters))
            }
        }
    }

    #[test]
    fn pre_filters_restrict_and_reject() {
        use Code::{Unschedulable, UnschedulableAndUnresolvable};
        use Does::{Name, Pass, Reject, Skip};
        let simultaneously = |plugins: &str, by: &str| {
            format!(
                "{UnschedulableAndUnresolvable:?} node(s) didn't satisfy plugin(s) [{plugins}] simultaneously by {by}, \"\""
            )
        };
        for (plugins, expected) in [
            (vec![Pass, Skip, Pass], "AC".to_owned()),
            (vec![Name(&[1, 2]), Pass, Name(&[2, 3])], "ABC [2] by AC".to_owned()),
            // One plug-in alone that names no node of the cluster leaves nothing to look at.
            (vec![Name(&[]), Pass], "AB [] by A".to_owned()),
            (vec![Name(&[1]), Pass, Name(&[2])], simultaneously("A C", "AC")),
            // For good: nobody else is asked.
            (
                vec![Pass, Reject(UnschedulableAndUnresolvable), Name(&[])],
                format!("{UnschedulableAndUnresolvable:?} no by no, \"\""),
            ),
            // Preemption may help: the others prepare their filters.
            (vec![Reject(Unschedulable), Pass, Name(&[1])], format!("{Unschedulable:?} no by Cno, \"BC\"")),
            (vec![Reject(Unschedulable), Name(&[1]), Name(&[2])], simultaneously("B C", "BC")),
            (
                vec![Reject(Unschedulable), Reject(UnschedulableAndUnresolvable)],
                format!("{UnschedulableAndUnresolvable:?} no by no, \"\""),
            ),
        ] {
            let order: Vec<usize> = (0..plugins.len()).collect();
            assert_eq!(outcome(&plugins, &order), expected, "{plugins:?}");
        }
        // Calls in another order than filters: the first that rejects for good is the first called.
        let plugins = [Name(&[1]), Reject(UnschedulableAndUnresolvable), Name(&[2])];
        assert_eq!(outcome(&plugins, &[2, 0, 1]), simultaneously("A C", "AC"));
        assert_eq!(outcome(&[Pass, Skip, Pass], &[2, 1, 0]), "AC");
    }

    #[test]
    fn unknown_plugins_are_errors() {
        let with = |point: ExtensionPoint, name: &str| {
            let mut profile = Profile::default();
            profile.plugins.points = Default::default();
            profile.plugins.points[point as usize].push((name.to_owned(), 1));
            Framework::new(&profile).map(|_| ())
        };
        assert_eq!(with(ExtensionPoint::Bind, "DefaultBinder"), Ok(()));
        assert_eq!(with(ExtensionPoint::QueueSort, "PrioritySort"), Ok(()));
        assert_eq!(with(ExtensionPoint::Filter, "NodePorts"), Ok(()));
        for (point, name) in [
            (ExtensionPoint::Bind, "OtherBinder"),
            (ExtensionPoint::Filter, "DefaultBinder"),
            (ExtensionPoint::Score, "NodePorts"),
        ] {
            assert_eq!(with(point, name), Err(name.to_owned()), "{point:?}");
        }
    }
}
