//! wavetank's own policies as plug-ins: `wavetank.dev/<policy>` for every policy that is a score over nodes.
//!
//! - At `score` the plug-in gives the policy's own score of each feasible node. A policy whose scores are whole percent
//!   already counts as it is; any other is brought to 0 to 100 over the feasible nodes, floor(100 (s - lowest) / (highest -
//!   lowest)), or 0 where all are equal. That keeps the order, and only the best get 100: alone, the plug-in chooses as the
//!   policy does.
//! - At `reserve` it chooses the GPU devices that the pod takes. The first plug-in there has the choice; where there is none,
//!   the first at `score`; without any, the devices with the least left that suffice are taken.
//!
//! `multiPoint` enables both, and `pluginConfig` gives the policy its parameters. The table of policies is the only list of
//! them: a new row is a plug-in at once.
//!
//! Cost: what the policy's score costs, for every feasible node of every decision: profiles with such plug-ins are left to
//! the plain form.

use std::sync::{Arc, Mutex, PoisonError};

use serde_json::Value;

use super::framework::{NodeScorer, ScorePlugin};
use super::{Cycle, MAX_NODE_SCORE, NodeInfo};
use crate::ids::{ClassId, NodeId};
use crate::model::Model;
use crate::model::kube_scheduler::{ExtensionPoint, Profile};
use crate::policy::parameters::ParameterError;
use crate::policy::scheduler::{SCHEDULERS, SchedulerRow, Score, Scorer};
use crate::world::{GpuMask, View};

/// What stands before a policy's name in that of its plug-in.
const PREFIX: &str = "wavetank.dev/";
/// The points that the plug-ins have code for.
pub const POINTS: &[ExtensionPoint] = &[ExtensionPoint::Score, ExtensionPoint::Reserve];

/// The name of the plug-in that a policy is, if it is one.
pub fn plugin_name(row: &SchedulerRow) -> Option<String> {
    row.is_score().then(|| format!("{PREFIX}{}", row.name))
}

/// The names of all such plug-ins, in the order of the table of policies.
pub fn names() -> impl Iterator<Item = String> {
    SCHEDULERS.iter().filter_map(plugin_name)
}

/// The policy behind the plug-in of that name.
pub fn find(plugin: &str) -> Option<&'static SchedulerRow> {
    let name = plugin.strip_prefix(PREFIX)?;
    SCHEDULERS.iter().find(|row| row.is_score() && row.name == name)
}

/// A policy as a plug-in of one profile.
#[derive(Clone)]
pub(super) struct OwnPolicy {
    name: String,
    scorer: Arc<Mutex<Box<dyn Scorer>>>,
    /// Whether scores count as they are.
    is_percent: bool,
}

impl std::fmt::Debug for OwnPolicy {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("OwnPolicy").field("name", &self.name).finish_non_exhaustive()
    }
}

impl OwnPolicy {
    /// The policies that a profile names, those at `reserve` first.
    ///
    /// # Errors
    /// When a parameter of one of them is wrong.
    pub(super) fn of_profile(profile: &Profile, model: &Model) -> Result<Vec<OwnPolicy>, ParameterError> {
        let points = [ExtensionPoint::Reserve, ExtensionPoint::Score];
        let mut policies: Vec<OwnPolicy> = Vec::new();
        for (name, _) in points.iter().flat_map(|point| profile.plugins.at(*point)) {
            let Some(row) = find(name).filter(|_| policies.iter().all(|policy| policy.name != *name)) else { continue };
            let no_parameters = Value::Object(serde_json::Map::new());
            let parameters = profile.arguments.own_policies.get(name).unwrap_or(&no_parameters);
            let scorer = row.scorer(parameters, model).map_err(|error| ParameterError(format!("{name}: {error}")))?;
            let Some(scorer) = scorer else { continue };
            let (lowest, highest) = (i64::from(*scorer.range().start()), i64::from(*scorer.range().end()));
            let is_percent = !scorer.normalised() && lowest >= 0 && highest <= MAX_NODE_SCORE;
            policies.push(OwnPolicy { name: name.clone(), scorer: Arc::new(Mutex::new(scorer)), is_percent });
        }
        Ok(policies)
    }

    /// The name of the plug-in.
    pub(super) fn name(&self) -> &str {
        &self.name
    }

    /// The devices that a pod of the class takes on a node.
    pub(super) fn choose_gpus(&self, view: &View<'_>, class: ClassId, node: NodeId) -> GpuMask {
        self.scorer.lock().unwrap_or_else(PoisonError::into_inner).choose_gpus(view, class, node)
    }
}

impl ScorePlugin for OwnPolicy {
    fn pre_score<'a>(&self, cycle: &Cycle<'a>, _feasible: &[NodeInfo<'a>]) -> Option<Box<dyn NodeScorer<'a> + 'a>> {
        Some(Box::new(OwnScorer { policy: self.clone(), class: cycle.class }))
    }
}

/// The score for pods of one class.
#[derive(Debug)]
struct OwnScorer {
    policy: OwnPolicy,
    class: ClassId,
}

impl<'a> NodeScorer<'a> for OwnScorer {
    fn score(&self, node: &NodeInfo<'a>) -> i64 {
        let mut scores: Vec<Score> = Vec::with_capacity(1);
        let mut scorer = self.policy.scorer.lock().unwrap_or_else(PoisonError::into_inner);
        scorer.score(&node.view, self.class, &[node.node], &mut scores);
        scores.first().copied().map_or(0, i64::from)
    }

    fn normalise(&self, _nodes: &[NodeInfo<'a>], scores: &mut [i64]) {
        if !self.policy.is_percent {
            between_lowest_and_highest(scores);
        }
    }
}

/// The lowest score becomes 0, the highest 100, the others their share of the way, rounded down; all 0 where all are equal.
fn between_lowest_and_highest(scores: &mut [i64]) {
    let (Some(lowest), Some(highest)) = (scores.iter().copied().min(), scores.iter().copied().max()) else { return };
    for score in scores {
        *score = if highest == lowest { 0 } else { MAX_NODE_SCORE * (*score - lowest) / (highest - lowest) };
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::kube_scheduler::{EnabledPlugins, KubeSchedulerConfiguration, TieBreak};
    use crate::policy::scheduler::Decision;
    use crate::rng::{Seed, Stream};
    use crate::testkit::{Fixture, SEED, cluster, policy};
    use crate::world::World;

    #[test]
    fn scores_lie_between_the_lowest_and_the_highest() {
        for (scores, expected) in [
            (vec![], vec![]),
            (vec![7], vec![0]),
            (vec![5, 5], vec![0, 0]),
            // 100 x (0 + 75) / 175 = 42.9, rounded down.
            (vec![-75, 0, 100], vec![0, 42, 100]),
            // Only the best gets 100, however near the next is.
            (vec![1_000_001, 1_000_000, -1], vec![100, 99, 0]),
        ] {
            let mut actual = scores.clone();
            between_lowest_and_highest(&mut actual);
            assert_eq!(actual, expected, "{scores:?}");
        }
    }

    #[test]
    fn the_table_of_policies_is_the_list() {
        let all: Vec<String> = names().collect();
        assert_eq!(all.len(), SCHEDULERS.iter().filter(|row| row.is_score()).count());
        assert!(all.iter().all(|name| find(name).is_some()));
        for (name, expected) in [
            ("wavetank.dev/fgd", Some("fgd")),
            ("wavetank.dev/least-allocated", Some("least-allocated")),
            // More than a score, or no policy, or without the prefix.
            ("wavetank.dev/first-fit", None),
            ("wavetank.dev/kube-scheduler", None),
            ("wavetank.dev/nobody", None),
            ("fgd", None),
        ] {
            assert_eq!(find(name).map(|row| row.name), expected, "{name}");
        }
    }

    /// A model whose one profile filters by resources and scores by these plug-ins alone.
    fn with_scores(mut model: Model, score: &[&str], reserve: &[&str]) -> Model {
        let mut plugins = EnabledPlugins { points: Default::default() };
        let named = |names: &[&str]| names.iter().map(|name| ((*name).to_owned(), 1)).collect();
        plugins.points[ExtensionPoint::PreFilter as usize] = named(&["NodeResourcesFit"]);
        plugins.points[ExtensionPoint::Filter as usize] = named(&["NodeResourcesFit"]);
        plugins.points[ExtensionPoint::Score as usize] = named(score);
        plugins.points[ExtensionPoint::Reserve as usize] = named(reserve);
        let profile = Profile { plugins, percentage_of_nodes_to_score: Some(100), ..Profile::default() };
        let configuration = KubeSchedulerConfiguration {
            profiles: vec![profile],
            tie_break: TieBreak::First,
            ..KubeSchedulerConfiguration::default()
        };
        model.scheduling.kube_scheduler = Some(Box::new(configuration));
        model
    }

    fn random_fixture(stream: &mut Stream) -> Fixture {
        let mut fixture = cluster();
        let mut below = |bound: u64| stream.below(bound);
        for number in 0..2 + below(12) {
            let memory_mib = 2048 * (1 + below(16));
            fixture = fixture.node(&format!("n{number}")).cpu(1000 * (1 + below(32))).memory_mib(memory_mib);
            if below(2) == 0 {
                fixture = fixture.gpus(["G2", "T4"][below(2) as usize], 1 + below(8) as u32);
            }
        }
        for number in 0..6 {
            fixture = fixture.pod(&format!("p{number}")).cpu(250 * below(16)).memory_mib(512 * below(16));
            if below(2) == 0 {
                let (count, milli) = [(1, 250), (1, 600), (1, 1000), (2, 1000), (4, 1000)][below(5) as usize];
                fixture = fixture.gpu(count, milli);
            }
        }
        fixture
    }

    /// Node, devices, number of feasible nodes and of ties.
    fn outcome(decision: Decision) -> Option<(u32, u32, u32, u32)> {
        match decision {
            Decision::Place(placed) => Some((placed.node.0, placed.gpus, placed.feasible, placed.ties)),
            Decision::Unschedulable => None,
        }
    }

    #[test]
    fn alone_the_plugin_decides_as_the_policy() {
        let (mut placed, mut with_ties, mut on_devices) = (0, 0, 0);
        for row in SCHEDULERS.iter().filter(|row| row.is_score()) {
            let name = format!("{PREFIX}{}", row.name);
            for seed in 0..30 {
                let mut stream = Seed { base: seed, replication: 0 }.stream("test/own-policies", 0);
                let model = with_scores(random_fixture(&mut stream).model(), &[&name], &[]);
                let (mut classic, mut plugin) = (policy(row.name, &model), policy("kube-scheduler", &model));
                let mut world = World::new(&model);
                for step in 0..40 {
                    let class = ClassId::from_index(stream.below(6) as usize);
                    let view = View { model: &model, world: &world };
                    let decision = classic.decide(&view, class);
                    let (own, actual) = (outcome(decision), outcome(plugin.decide(&view, class)));
                    assert_eq!(actual, own, "{name}, seed {seed}, step {step}");
                    let Decision::Place(placement) = decision else { continue };
                    placed += 1;
                    with_ties += u32::from(placement.ties > 1);
                    on_devices += u32::from(placement.gpus != 0);
                    let pod = world.arrive((0, 0), class, u64::MAX);
                    world.place(model.workload.class(class), pod, placement.node, placement.gpus);
                }
            }
        }
        // The test means something only while all of these happen often.
        assert!(placed > 5000 && with_ties > 500 && on_devices > 1000, "{placed}, {with_ties}, {on_devices}");
    }

    #[test]
    fn the_first_at_reserve_chooses_the_devices() {
        // Devices with 900 and 1000 left, and a pod of 350. Best fit takes the first, which leaves 550 there, of no use to
        // the typical pod of 600. FGD takes the second, where 650 are left.
        let fixture = cluster().node("n").cpu(64_000).gpus("G2", 2).pod("typical").gpu(1, 600).pod("p").gpu(1, 350);
        let place = |score: &[&str], reserve: &[&str]| {
            let mut model = fixture.model();
            model.workload.popularity = vec![(ClassId(0), 1.0)];
            let model = with_scores(model, score, reserve);
            let mut world = World::new(&model);
            let filler = world.arrive((0, 0), ClassId(0), u64::MAX);
            let mut class = model.workload.class(ClassId(0)).clone();
            class.gpu.as_mut().expect("it requests a share").milli = 100;
            world.place(&class, filler, NodeId(0), 1);
            let decision = policy("kube-scheduler", &model).decide(&View { model: &model, world: &world }, ClassId(1));
            outcome(decision).expect("there is room").1
        };
        let (fgd, packing) = ("wavetank.dev/fgd", "wavetank.dev/gpu-packing");
        for (score, reserve, devices) in [
            (&[][..], &[][..], 0b01),
            (&[packing], &[], 0b01),
            (&[fgd], &[], 0b10),
            (&[packing, fgd], &[], 0b01),
            (&[packing, fgd], &[fgd], 0b10),
            (&["NodeResourcesFit"], &[fgd], 0b10),
        ] {
            assert_eq!(place(score, reserve), devices, "{score:?}, {reserve:?}");
        }
    }

    #[test]
    fn parameters_reach_the_policy() {
        let build = |coverage: f64| {
            let mut model = with_scores(cluster().node("n").pod("p").model(), &["wavetank.dev/fgd"], &[]);
            let configuration = model.scheduling.kube_scheduler.as_mut().expect("it was set");
            let parameters = serde_json::json!({ "coverage": coverage });
            configuration.profiles[0].arguments.own_policies.insert("wavetank.dev/fgd".to_owned(), parameters);
            let row = crate::policy::scheduler::find("kube-scheduler").expect("a row of the table");
            row.build(&serde_json::json!({}), &model, SEED).map(drop).map_err(|error| error.to_string())
        };
        assert_eq!(build(0.5), Ok(()));
        assert_eq!(build(2.0), Err("wavetank.dev/fgd: coverage is 2, but must be above 0 and at most 1".to_owned()));
    }

    #[test]
    fn policies_add_up_with_the_plugins_of_the_release() {
        // LeastAllocated: node `empty` 100, `half` 75 with cpu 50 and memory 100. best-fit: `half` 100, `empty` 0.
        let fixture = cluster().node("half").cpu(4000).node("empty").cpu(4000).pod("load").cpu(2000).pod("p");
        for (weight, expected) in [(1, 0), (0, 1)] {
            let mut model = with_scores(fixture.model(), &["NodeResourcesFit", "wavetank.dev/best-fit"], &[]);
            let configuration = model.scheduling.kube_scheduler.as_mut().expect("it was set");
            configuration.profiles[0].plugins.points[ExtensionPoint::Score as usize][1].1 = weight;
            let world = crate::testkit::world_with(&model, &[(0, 0, 0)]);
            let decision = policy("kube-scheduler", &model).decide(&View { model: &model, world: &world }, ClassId(1));
            assert_eq!(outcome(decision).map(|found| found.0), Some(expected), "weight {weight}");
        }
    }
}
