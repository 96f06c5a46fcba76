//! What the plug-ins' tests share: one plug-in, one pod, all nodes.

use crate::ids::{ClassId, NodeId};
use crate::model::Model;
use crate::model::kube_scheduler::PluginArguments;
use crate::policy::scheduler::kube::framework::PreFilter;
use crate::policy::scheduler::kube::{Cycle, NodeInfo, Rejection, plugins};
use crate::testkit::{Fixture, world_with};
use crate::world::View;

/// The verdict on a node that passes.
pub(super) const OK: &str = "ok";

/// `Code: reason, reason`.
fn words(rejection: &Rejection) -> String {
    format!("{:?}: {}", rejection.code, rejection.message())
}

/// Lets `look` see the cycle of a pod of class 0, after pods were put on nodes (class, node), and all nodes.
fn with_cycle<T>(
    model: &Model,
    arguments: &PluginArguments,
    placed: &[(u32, u32)],
    look: impl for<'a> FnOnce(&Cycle<'a>, &[NodeInfo<'a>]) -> T,
) -> T {
    let placed: Vec<(u32, u32, u32)> = placed.iter().map(|&(class, node)| (class, node, 0)).collect();
    let world = world_with(model, &placed);
    let view = View { model, world: &world };
    let nodes: Vec<NodeId> = (0..world.nodes.len()).map(NodeId::from_index).collect();
    let cycle = Cycle { view, pod: None, class: ClassId(0), nodes: &nodes, arguments };
    let infos: Vec<NodeInfo<'_>> = nodes.iter().map(|&node| NodeInfo::new(view, node)).collect();
    look(&cycle, &infos)
}

/// What a filter says of each node for a pod of class 0; one entry where it rejects the pod as a whole, none where it
/// skips.
pub(super) fn verdicts(name: &str, fixture: &Fixture, placed: &[(u32, u32)]) -> Vec<String> {
    verdicts_with(name, &fixture.model(), &PluginArguments::default(), placed)
}

/// As [`verdicts`], with arguments.
pub(super) fn verdicts_with(
    name: &str,
    model: &Model,
    arguments: &PluginArguments,
    placed: &[(u32, u32)],
) -> Vec<String> {
    let plugin = plugins::filter(name, arguments).expect("the plug-in filters");
    with_cycle(model, arguments, placed, |cycle, nodes| match plugin.pre_filter(cycle) {
        PreFilter::Skip => vec![],
        PreFilter::Reject(rejection) => vec![words(&rejection)],
        PreFilter::Run { filter, .. } => {
            nodes.iter().map(|node| filter.filter(node).map_or_else(|no| words(&no), |()| OK.to_owned())).collect()
        }
    })
}

/// Raw and normalised scores of all nodes for a pod of class 0; none where the plug-in skips.
pub(super) fn scores(name: &str, fixture: &Fixture, placed: &[(u32, u32)]) -> Option<(Vec<i64>, Vec<i64>)> {
    scores_with(name, &fixture.model(), &PluginArguments::default(), placed)
}

/// As [`scores`], with arguments.
pub(super) fn scores_with(
    name: &str,
    model: &Model,
    arguments: &PluginArguments,
    placed: &[(u32, u32)],
) -> Option<(Vec<i64>, Vec<i64>)> {
    let plugin = plugins::scorer(name, arguments).expect("the plug-in scores");
    with_cycle(model, arguments, placed, |cycle, nodes| {
        let scorer = plugin.pre_score(cycle, nodes)?;
        let raw: Vec<i64> = nodes.iter().map(|node| scorer.score(node)).collect();
        let mut normalised = raw.clone();
        scorer.normalise(nodes, &mut normalised);
        Some((raw, normalised))
    })
}
