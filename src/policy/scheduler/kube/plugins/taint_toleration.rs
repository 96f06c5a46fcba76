//! `TaintToleration`: a node's taints keep pods away that do not tolerate them, or make the node less welcome.
//!
//! Raw score: how many `PreferNoSchedule` taints the pod does not tolerate; normalised in reverse, so that the node
//! with most of them gets 0 and a node without any 100.
//!
//! Source: `pkg/scheduler/framework/plugins/tainttoleration/taint_toleration.go`, v1.37.0. The operators `Lt` and `Gt`
//! of tolerations are behind a feature gate that is off in this release: such a toleration covers nothing.

use crate::model::{PodClass, TaintEffect};
use crate::policy::scheduler::kube::framework::{FilterPlugin, NodeFilter, NodeScorer, PreFilter, ScorePlugin};
use crate::policy::scheduler::kube::{Cycle, NodeInfo, Rejection, labels};
use crate::world::constraints::tolerates;

use super::normalise;

/// Its name.
pub(super) const NAME: &str = "TaintToleration";

const UNTOLERATED: &str = "node(s) had untolerated taint(s)";

/// The plug-in.
#[derive(Debug)]
pub(super) struct TaintToleration;

/// What it reads of the pod.
#[derive(Clone, Copy, Debug)]
struct Tolerations<'a> {
    class: &'a PodClass,
}

impl FilterPlugin for TaintToleration {
    fn pre_filter<'a>(&self, cycle: &Cycle<'a>) -> PreFilter<'a> {
        PreFilter::Run { filter: Box::new(Tolerations { class: cycle.pod_class() }), nodes: None }
    }
}

impl<'a> NodeFilter<'a> for Tolerations<'a> {
    fn filter(&self, node: &NodeInfo<'a>) -> Result<(), Rejection> {
        if labels::tolerates_taints(self.class, node) {
            return Ok(());
        }
        Err(Rejection::unresolvable(NAME, UNTOLERATED))
    }

    fn fork(&self) -> Box<dyn NodeFilter<'a> + 'a> {
        Box::new(*self)
    }
}

impl ScorePlugin for TaintToleration {
    fn pre_score<'a>(&self, cycle: &Cycle<'a>, _feasible: &[NodeInfo<'a>]) -> Option<Box<dyn NodeScorer<'a> + 'a>> {
        Some(Box::new(Tolerations { class: cycle.pod_class() }))
    }
}

impl<'a> NodeScorer<'a> for Tolerations<'a> {
    fn score(&self, node: &NodeInfo<'a>) -> i64 {
        let taints = node.shape().taints.iter().filter(|taint| taint.effect == TaintEffect::PreferNoSchedule);
        let is_tolerated = |taint| self.class.tolerations.iter().any(|toleration| tolerates(toleration, taint));
        taints.filter(|taint| !is_tolerated(taint)).count() as i64
    }

    fn normalise(&self, _nodes: &[NodeInfo<'a>], scores: &mut [i64]) {
        normalise::by_highest(true, scores);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Taint, Toleration, TolerationOperator};
    use crate::policy::scheduler::kube::plugins::testing::{OK, scores, verdicts};
    use crate::testkit::{Fixture, cluster};

    const NO: &str = "UnschedulableAndUnresolvable: node(s) had untolerated taint(s)";

    /// One node for each list of taints: key, value, effect.
    fn nodes(taints: &[&[(&str, &str, TaintEffect)]]) -> Fixture {
        taints.iter().fold(cluster(), |fixture, taints| {
            fixture.node("n").edit_node(|shape| {
                let taint =
                    |&(key, value, effect): &(&str, &str, _)| Taint { key: key.into(), value: value.into(), effect };
                shape.taints = taints.iter().map(taint).collect();
            })
        })
    }

    fn tolerating(fixture: Fixture, key: &str, value: &str, effect: Option<TaintEffect>) -> Fixture {
        let (key, value) = (key.to_owned(), value.to_owned());
        fixture.edit_pod(|pod| {
            pod.tolerations.push(Toleration {
                key,
                operator: TolerationOperator::Equal,
                value,
                effect,
                duration: None,
            });
        })
    }

    #[test]
    fn taints_keep_pods_away_that_do_not_tolerate_them() {
        use TaintEffect::{NoExecute, NoSchedule, PreferNoSchedule};
        let nodes = nodes(&[
            &[("team", "red", NoSchedule)],
            &[("team", "red", NoExecute)],
            &[("team", "red", PreferNoSchedule)],
            &[("team", "red", NoSchedule), ("disk", "slow", NoSchedule)],
        ]);
        let pod = nodes.pod("p");
        for (pod, expected) in [
            // Soft taints keep nobody away.
            (pod.clone(), [NO, NO, OK, NO]),
            // Value and effect must agree; no effect stands for all.
            (tolerating(pod.clone(), "team", "blue", None), [NO, NO, OK, NO]),
            (tolerating(pod.clone(), "team", "red", Some(NoSchedule)), [OK, NO, OK, NO]),
            (tolerating(pod.clone(), "team", "red", None), [OK, OK, OK, NO]),
            // Every taint needs its toleration.
            (tolerating(tolerating(pod.clone(), "team", "red", None), "disk", "slow", None), [OK; 4]),
        ] {
            assert_eq!(verdicts(NAME, &pod, &[]), expected);
        }
    }

    #[test]
    fn fewer_soft_taints_score_higher() {
        use TaintEffect::{NoSchedule, PreferNoSchedule};
        let nodes = nodes(&[
            &[],
            &[("a", "1", PreferNoSchedule)],
            &[("a", "1", PreferNoSchedule), ("b", "1", PreferNoSchedule), ("c", "1", PreferNoSchedule)],
            &[("a", "1", NoSchedule)],
        ]);
        let pod = nodes.pod("p");
        // Raw 0, 1, 3, 0: hard taints do not count. 100 - 100 * 1 / 3 = 67.
        assert_eq!(scores(NAME, &pod, &[]), Some((vec![0, 1, 3, 0], vec![100, 67, 0, 100])));
        // Two of three are tolerated, one of them by effect: raw 0, 0, 1, 0.
        let tolerant = tolerating(tolerating(pod.clone(), "a", "1", Some(PreferNoSchedule)), "b", "1", None);
        assert_eq!(scores(NAME, &tolerant, &[]), Some((vec![0, 0, 1, 0], vec![100, 100, 0, 100])));
        // A toleration of hard taints does not cover soft ones: raw 0, 1, 3, 0 again.
        let other_effect = tolerating(pod, "a", "1", Some(NoSchedule));
        assert_eq!(scores(NAME, &other_effect, &[]), Some((vec![0, 1, 3, 0], vec![100, 67, 0, 100])));
    }
}
