//! `NodeAffinity`: a pod goes where its `nodeSelector`, its required affinity and the profile's `addedAffinity` allow,
//! and rather where its preferences are met.
//!
//! Raw score: the weights of the preferred terms that the node meets, those of `addedAffinity` included; normalised by
//! the highest.
//!
//! Source: `pkg/scheduler/framework/plugins/nodeaffinity/node_affinity.go`, v1.37.0. Its PreFilter keeps the cycle to
//! named nodes when every required term names its nodes by `metadata.name`.

use std::collections::BTreeSet;

use crate::ids::NodeId;
use crate::model::PodClass;
use crate::model::pod_spec::{LabelRequirement, NodeSelectorTerm, SelectorOperator};
use crate::policy::scheduler::kube::framework::{FilterPlugin, NodeFilter, NodeScorer, PreFilter, ScorePlugin};
use crate::policy::scheduler::kube::{Cycle, NodeInfo, Rejection, labels};

use super::normalise;

/// Its name.
pub(super) const NAME: &str = "NodeAffinity";

const POD_MISMATCH: &str = "node(s) didn't match Pod's node affinity/selector";
const ADDED_MISMATCH: &str = "node(s) didn't match scheduler-enforced node affinity";
const CONFLICT: &str = "pod affinity terms conflict";

/// The plug-in.
#[derive(Debug)]
pub(super) struct NodeAffinity;

/// The terms that filter.
#[derive(Clone, Copy, Debug)]
struct Required<'a> {
    class: &'a PodClass,
    added: Option<&'a [NodeSelectorTerm]>,
}

/// The terms that score.
#[derive(Clone, Debug)]
struct Preferred<'a> {
    terms: Vec<&'a (i32, NodeSelectorTerm)>,
}

impl FilterPlugin for NodeAffinity {
    fn pre_filter<'a>(&self, cycle: &Cycle<'a>) -> PreFilter<'a> {
        let class = cycle.pod_class();
        let added = cycle.arguments.added_node_affinity.as_ref().and_then(|affinity| affinity.required.as_deref());
        let required = class.spec.node_affinity.required.as_deref();
        if required.is_none() && added.is_none() && class.node_selector.is_empty() {
            return PreFilter::Skip;
        }
        let names = required.and_then(named_nodes);
        if names.as_ref().is_some_and(BTreeSet::is_empty) {
            return PreFilter::Reject(Rejection::unresolvable(NAME, CONFLICT));
        }
        let nodes = names.map(|names| nodes_called(cycle, &names));
        PreFilter::Run { filter: Box::new(Required { class, added }), nodes }
    }
}

impl<'a> NodeFilter<'a> for Required<'a> {
    fn filter(&self, node: &NodeInfo<'a>) -> Result<(), Rejection> {
        if self.added.is_some_and(|terms| !terms.iter().any(|term| labels::meets_term(term, node))) {
            return Err(Rejection::unresolvable(NAME, ADDED_MISMATCH));
        }
        if !labels::meets_required_node_affinity(self.class, node) {
            return Err(Rejection::unresolvable(NAME, POD_MISMATCH));
        }
        Ok(())
    }

    fn fork(&self) -> Box<dyn NodeFilter<'a> + 'a> {
        Box::new(*self)
    }
}

impl ScorePlugin for NodeAffinity {
    fn pre_score<'a>(&self, cycle: &Cycle<'a>, _feasible: &[NodeInfo<'a>]) -> Option<Box<dyn NodeScorer<'a> + 'a>> {
        let added = cycle.arguments.added_node_affinity.as_ref().map_or(&[][..], |affinity| &affinity.preferred);
        let own = &cycle.spec().node_affinity.preferred;
        let terms: Vec<_> = added.iter().chain(own).collect();
        if terms.is_empty() { None } else { Some(Box::new(Preferred { terms })) }
    }
}

impl<'a> NodeScorer<'a> for Preferred<'a> {
    fn score(&self, node: &NodeInfo<'a>) -> i64 {
        let met = self.terms.iter().filter(|(_, term)| labels::meets_term(term, node));
        met.map(|(weight, _)| i64::from(*weight)).sum()
    }

    fn normalise(&self, _nodes: &[NodeInfo<'a>], scores: &mut [i64]) {
        normalise::by_highest(false, scores);
    }
}

/// The names of the only nodes that terms can mean; none if some term, or there being no term, leaves that open.
fn named_nodes(terms: &[NodeSelectorTerm]) -> Option<BTreeSet<&str>> {
    let mut all = BTreeSet::new();
    for term in terms {
        let is_name =
            |field: &&LabelRequirement| field.key == "metadata.name" && field.operator == SelectorOperator::In;
        let names = term.fields.iter().filter(is_name).map(|field| field.values.iter().map(String::as_str).collect());
        // The requirements of one term hold together, so only names that all of them list remain.
        all.extend(names.reduce(|left: BTreeSet<&str>, right| &left & &right)?);
    }
    (!terms.is_empty()).then_some(all)
}

/// The nodes of the cycle that have one of these names.
fn nodes_called(cycle: &Cycle<'_>, names: &BTreeSet<&str>) -> BTreeSet<NodeId> {
    let nodes = &cycle.view.world.nodes;
    cycle.nodes.iter().copied().filter(|&node| names.contains(nodes.name(node))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::kube_scheduler::PluginArguments;
    use crate::model::pod_spec::NodeAffinity as Affinity;
    use crate::policy::scheduler::kube::plugins::testing::{OK, scores_with, verdicts_with};
    use crate::testkit::{Fixture, cluster};

    const NO: &str = "UnschedulableAndUnresolvable: node(s) didn't match Pod's node affinity/selector";
    const NOT_ADDED: &str = "UnschedulableAndUnresolvable: node(s) didn't match scheduler-enforced node affinity";

    fn requirement(key: &str, operator: SelectorOperator, values: &[&str]) -> LabelRequirement {
        LabelRequirement { key: key.into(), operator, values: values.iter().map(|&value| value.into()).collect() }
    }

    fn term(expressions: &[LabelRequirement]) -> NodeSelectorTerm {
        NodeSelectorTerm { expressions: expressions.to_vec(), fields: vec![] }
    }

    fn named(names: &[&str]) -> NodeSelectorTerm {
        let fields = names.iter().map(|name| requirement("metadata.name", SelectorOperator::In, &[name])).collect();
        NodeSelectorTerm { expressions: vec![], fields }
    }

    /// Nodes a (disk=ssd, cores=8), b (disk=hdd) and c (no labels), and a pod.
    fn fixture() -> Fixture {
        let a = cluster().node("a").label("cores", "8").label("disk", "ssd");
        a.node("b").label("disk", "hdd").node("c").pod("p")
    }

    fn requiring(terms: &[NodeSelectorTerm]) -> Fixture {
        fixture().edit_pod(|pod| pod.spec.node_affinity.required = Some(terms.to_vec()))
    }

    #[test]
    fn a_node_must_meet_selector_and_one_required_term() {
        use SelectorOperator::{DoesNotExist, Exists, Gt, In, Lt, NotIn};
        let with = |key: &str, operator, values: &[&str]| requiring(&[term(&[requirement(key, operator, values)])]);
        for (pod, expected) in [
            (fixture(), vec![]),
            (fixture().selects("disk", "ssd"), vec![OK, NO, NO]),
            (with("disk", In, &["ssd", "nvme"]), vec![OK, NO, NO]),
            (with("disk", NotIn, &["ssd"]), vec![NO, OK, OK]),
            (with("disk", Exists, &[]), vec![OK, OK, NO]),
            (with("disk", DoesNotExist, &[]), vec![NO, NO, OK]),
            (with("cores", Gt, &["7"]), vec![OK, NO, NO]),
            (with("cores", Gt, &["8"]), vec![NO; 3]),
            (with("cores", Lt, &["9"]), vec![OK, NO, NO]),
            // A label that is no number is neither above nor below.
            (with("disk", Gt, &["0"]), vec![NO; 3]),
            // Requirements of a term hold together, terms one by one.
            (
                requiring(&[term(&[requirement("disk", Exists, &[]), requirement("cores", DoesNotExist, &[])])]),
                vec![NO, OK, NO],
            ),
            (
                requiring(&[
                    term(&[requirement("disk", In, &["hdd"])]),
                    term(&[requirement("disk", DoesNotExist, &[])]),
                ]),
                vec![NO, OK, OK],
            ),
            // Selector and affinity hold together; an empty term and an empty list are met by nobody.
            (with("disk", Exists, &[]).selects("cores", "8"), vec![OK, NO, NO]),
            (requiring(&[term(&[])]), vec![NO; 3]),
            (requiring(&[]), vec![NO; 3]),
            (requiring(&[named(&["b"])]), vec![NO, OK, NO]),
        ] {
            let (model, arguments) = (pod.model(), PluginArguments::default());
            assert_eq!(verdicts_with(NAME, &model, &arguments, &[]), expected, "{:?}", model.workload.classes[0].spec);
        }
    }

    #[test]
    fn terms_that_name_their_nodes_limit_the_search() {
        let disk = term(&[requirement("disk", SelectorOperator::Exists, &[])]);
        let mut both = named(&["a"]);
        both.expressions = disk.expressions.clone();
        for (terms, expected) in [
            (vec![], None),
            (vec![named(&["a"])], Some(vec!["a"])),
            (vec![named(&["a"]), both.clone(), named(&["z"])], Some(vec!["a", "z"])),
            (vec![both, disk], None),
            // One term that asks for two names at once asks for none.
            (vec![named(&["a", "b"])], Some(vec![])),
            (vec![named(&["a", "b"]), named(&["c"])], Some(vec!["c"])),
        ] {
            assert_eq!(named_nodes(&terms), expected.map(BTreeSet::from_iter), "{terms:?}");
        }
        let conflict = requiring(&[named(&["a", "b"])]).model();
        let message = "UnschedulableAndUnresolvable: pod affinity terms conflict";
        assert_eq!(verdicts_with(NAME, &conflict, &PluginArguments::default(), &[]), [message]);
    }

    #[test]
    fn weights_of_met_preferences_are_added() {
        use SelectorOperator::{Exists, In};
        let preferred = vec![
            (2, term(&[requirement("disk", Exists, &[])])),
            (5, term(&[requirement("disk", In, &["ssd"])])),
            (90, term(&[])),
        ];
        let pod = fixture().edit_pod(|pod| pod.spec.node_affinity.preferred = preferred.clone());
        let plain = PluginArguments::default();
        // Raw 2 + 5, 2, 0: an empty term is met by nobody. 100 * 2 / 7 = 28.6.
        assert_eq!(scores_with(NAME, &pod.model(), &plain, &[]), Some((vec![7, 2, 0], vec![100, 28, 0])));
        assert_eq!(scores_with(NAME, &fixture().model(), &plain, &[]), None);
        // The profile prefers node c by 3: 100 * 2 / 7 = 28.6, 100 * 3 / 7 = 42.9.
        let added = Affinity { required: None, preferred: vec![(3, named(&["c"]))] };
        let arguments = PluginArguments { added_node_affinity: Some(added), ..PluginArguments::default() };
        assert_eq!(scores_with(NAME, &pod.model(), &arguments, &[]), Some((vec![7, 2, 3], vec![100, 28, 42])));
        assert_eq!(scores_with(NAME, &fixture().model(), &arguments, &[]), Some((vec![0, 0, 3], vec![0, 0, 100])));
    }

    #[test]
    fn the_profile_can_require_more() {
        let ssd = vec![term(&[requirement("disk", SelectorOperator::In, &["ssd"])])];
        let added = Affinity { required: Some(ssd), preferred: vec![] };
        let arguments = PluginArguments { added_node_affinity: Some(added), ..PluginArguments::default() };
        for (pod, expected) in [
            (fixture(), [OK, NOT_ADDED, NOT_ADDED]),
            // The profile is asked first.
            (fixture().selects("disk", "hdd"), [NO, NOT_ADDED, NOT_ADDED]),
        ] {
            assert_eq!(verdicts_with(NAME, &pod.model(), &arguments, &[]), expected);
        }
    }
}
