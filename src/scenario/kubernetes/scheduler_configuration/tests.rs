use super::load_scheduler_configuration;
use crate::document::Source;
use crate::model::KubeSchedulerConfiguration;
use crate::model::kube_scheduler::{DefaultSpread, EnabledPlugins, ExtensionPoint, Profile, ScoringStrategy};
use crate::scenario::kubernetes::Findings;
use crate::units::SimDuration;

const HEAD: &str = "apiVersion: kubescheduler.config.k8s.io/v1\nkind: KubeSchedulerConfiguration\n";

fn load(text: &str) -> (Option<KubeSchedulerConfiguration>, Findings) {
    let mut findings = Findings::default();
    let source = Source { file: "scheduler.yaml".into(), text: text.to_owned() };
    (load_scheduler_configuration(&source, &mut findings), findings)
}

fn configuration(text: &str) -> KubeSchedulerConfiguration {
    let (configuration, findings) = load(&format!("{HEAD}{text}"));
    assert_eq!(findings.issues.into_sorted(), [], "{text}");
    configuration.unwrap()
}

fn profile(text: &str) -> Profile {
    configuration(&format!("profiles:\n- {text}\n")).profiles[0].clone()
}

fn issues(text: &str) -> Vec<String> {
    let issues = load(text).1.issues.into_sorted();
    let shown = |issue: &crate::document::Issue| {
        format!("{} {}:{} {}", issue.code.id(), issue.span.line, issue.span.column, issue.message)
    };
    issues.iter().map(shown).collect()
}

fn names(profile: &Profile, point: ExtensionPoint) -> Vec<(&str, i64)> {
    profile.plugins.at(point).iter().map(|(name, weight)| (name.as_str(), *weight)).collect()
}

#[test]
fn nothing_said_is_the_default() {
    let expected = KubeSchedulerConfiguration::default();
    assert_eq!(configuration(""), expected);
    assert_eq!(
        configuration(
            "leaderElection: {leaderElect: true}\nclientConnection: {qps: 5}\nparallelism: 4\nenableProfiling: false\n"
        ),
        expected
    );
    assert_eq!(profile("{}"), Profile::default());
}

#[test]
fn top_level_values_are_read() {
    let found = configuration(
        "percentageOfNodesToScore: 30\npodInitialBackoffSeconds: 2\npodMaxBackoffSeconds: 60\n\
         profiles: [{schedulerName: a}, {schedulerName: b, percentageOfNodesToScore: 100}]\n",
    );
    assert_eq!(found.percentage_of_nodes_to_score, 30);
    assert_eq!(
        (found.pod_initial_backoff, found.pod_max_backoff),
        (SimDuration(2_000_000_000), SimDuration(60_000_000_000))
    );
    let profiles: Vec<_> =
        found.profiles.iter().map(|one| (one.scheduler_name.as_str(), one.percentage_of_nodes_to_score)).collect();
    assert_eq!(profiles, [("a", None), ("b", Some(100))]);
}

#[test]
fn plugins_written_at_a_point_go_over_those_of_multi_point() {
    use ExtensionPoint::{Filter, PreFilter, PreScore, Score};
    let default = Profile::default();
    // A weight at `score` takes the place of the default, and its plug-in the first place.
    let found = profile("plugins: {score: {enabled: [{name: ImageLocality, weight: 7}]}}");
    assert_eq!(names(&found, Score)[..2], [("ImageLocality", 7), ("TaintToleration", 3)]);
    assert_eq!(found.plugins.at(Score).len(), default.plugins.at(Score).len());
    // Disabled at one point: still there at the others.
    let found = profile("plugins: {score: {disabled: [{name: PodTopologySpread}]}}");
    assert!(!names(&found, Score).iter().any(|(name, _)| *name == "PodTopologySpread"));
    assert_eq!(found.plugins.at(PreScore), default.plugins.at(PreScore));
    // All disabled and some enabled again, in the order written; without a weight it is 1.
    let found = profile(
        "plugins: {score: {disabled: [{name: '*'}], enabled: [{name: NodeResourcesFit}, {name: TaintToleration, weight: 2}]}}",
    );
    assert_eq!(names(&found, Score), [("NodeResourcesFit", 1), ("TaintToleration", 2)]);
    assert_eq!(found.plugins.at(Filter), default.plugins.at(Filter));
    // Written again at multiPoint: it keeps its place, and the weight is the one written, or 1.
    let found = profile("plugins: {multiPoint: {enabled: [{name: TaintToleration}, {name: NodeAffinity, weight: 9}]}}");
    assert_eq!(names(&found, Score)[..2], [("TaintToleration", 1), ("NodeAffinity", 9)]);
    assert_eq!(found.plugins.at(PreFilter), default.plugins.at(PreFilter));
    // Disabled everywhere.
    let found = profile("plugins: {multiPoint: {disabled: [{name: InterPodAffinity}]}}");
    assert!(found.plugins.points.iter().flatten().all(|(name, _)| name != "InterPodAffinity"));
    // Nothing but what is named.
    let found = profile(
        "plugins: {multiPoint: {disabled: [{name: '*'}], enabled: [{name: PrioritySort}, {name: DefaultBinder}, {name: NodeName}]}, \
         filter: {enabled: [{name: NodePorts}]}}",
    );
    assert_eq!(names(&found, Filter), [("NodeName", 0), ("NodePorts", 0)]);
    assert_eq!(names(&found, PreFilter), [("NodeName", 0)]);
    assert_eq!(names(&found, Score), []);
}

/// Those of a point that multiPoint enables too come first, then those of multiPoint alone, then the others.
#[test]
fn the_order_of_expansion_is_upstreams() {
    let found = profile(
        "plugins: {multiPoint: {disabled: [{name: '*'}], enabled: [{name: PrioritySort}, {name: DefaultBinder}, {name: NodeName}, \
         {name: NodeAffinity}, {name: NodePorts}]}, filter: {enabled: [{name: TaintToleration}, {name: NodePorts}, {name: NodeUnschedulable}]}}",
    );
    let order: Vec<&str> = names(&found, ExtensionPoint::Filter).into_iter().map(|(name, _)| name).collect();
    assert_eq!(order, ["NodePorts", "NodeName", "NodeAffinity", "TaintToleration", "NodeUnschedulable"]);
}

#[test]
fn arguments_are_read_over_their_defaults() {
    let of = |name: &str, args: &str| profile(&format!("pluginConfig: [{{name: {name}, args: {args}}}]")).arguments;
    let fit = of(
        "NodeResourcesFit",
        "{apiVersion: kubescheduler.config.k8s.io/v1, kind: NodeResourcesFitArgs, ignoredResources: [example.com/a], ignoredResourceGroups: [example.org], \
         scoringStrategy: {type: RequestedToCapacityRatio, resources: [{name: cpu, weight: 3}, {name: nvidia.com/gpu}], \
         requestedToCapacityRatio: {shape: [{utilization: 0, score: 0}, {utilization: 100, score: 10}]}}}",
    )
    .node_resources_fit;
    assert_eq!(
        (fit.ignored_resources, fit.ignored_resource_groups),
        (vec!["example.com/a".to_owned()], vec!["example.org".to_owned()])
    );
    assert_eq!(fit.strategy, ScoringStrategy::RequestedToCapacityRatio(vec![(0, 0), (100, 10)]));
    assert_eq!(fit.resources, [("cpu".to_owned(), 3), ("nvidia.com/gpu".to_owned(), 1)]);
    let fit = of("NodeResourcesFit", "{scoringStrategy: {type: MostAllocated}}").node_resources_fit;
    assert_eq!((fit.strategy, fit.resources.len()), (ScoringStrategy::MostAllocated, 2));
    let balanced = of("NodeResourcesBalancedAllocation", "{resources: [{name: cpu, weight: 0}]}");
    assert_eq!(balanced.balanced_allocation_resources, [("cpu".to_owned(), 1)]);
    let affinity = of("InterPodAffinity", "{hardPodAffinityWeight: 0, ignorePreferredTermsOfExistingPods: true}");
    assert_eq!((affinity.hard_pod_affinity_weight, affinity.ignores_preferred_terms_of_existing_pods), (0, true));
    let spread = of(
        "PodTopologySpread",
        "{defaultingType: List, defaultConstraints: [{maxSkew: 2, topologyKey: zone, whenUnsatisfiable: ScheduleAnyway}]}",
    );
    assert!(
        matches!(&spread.default_spread, DefaultSpread::List(list) if list[0].max_skew == 2 && list[0].honors_node_affinity)
    );
    assert_eq!(of("PodTopologySpread", "{defaultingType: List}").default_spread, DefaultSpread::List(vec![]));
    let added = of(
        "NodeAffinity",
        "{addedAffinity: {requiredDuringSchedulingIgnoredDuringExecution: {nodeSelectorTerms: [{matchExpressions: [{key: a, operator: Exists}]}]}}}",
    );
    assert_eq!(added.added_node_affinity.unwrap().required.unwrap().len(), 1);
    let preemption = of("DefaultPreemption", "{minCandidateNodesPercentage: 0, minCandidateNodesAbsolute: 5}");
    assert_eq!((preemption.preemption_candidates_percentage, preemption.preemption_candidates_min), (0, 5));
    assert_eq!(of("VolumeBinding", "{bindTimeoutSeconds: 60}").volume_binding_shape, [(0, 10), (100, 0)]);
    let binding = of("VolumeBinding", "{shape: [{utilization: 50, score: 3}]}");
    assert_eq!(binding.volume_binding_shape, [(50, 3)]);
    of("DynamicResources", "{filterTimeout: 5s}");
}

#[test]
fn extenders_that_may_fail_come_last() {
    let found = configuration(
        "extenders:\n- {urlPrefix: 'http://a', filterVerb: f, ignorable: true}\n\
         - {urlPrefix: 'http://b', prioritizeVerb: p, weight: 3, httpTimeout: 100ms, nodeCacheCapable: true, \
         managedResources: [{name: example.com/x, ignoredByScheduler: true}, {name: example.com/y}]}\n",
    );
    let [first, second] = &found.extenders[..] else { panic!("two extenders") };
    assert_eq!(
        (first.url_prefix.as_str(), first.weight, first.http_timeout_ms, first.is_node_cache_capable),
        ("http://b", 3, 100, true)
    );
    assert_eq!((second.filter_verb.as_str(), second.http_timeout_ms, second.is_ignorable), ("f", 5000, true));
    assert_eq!(found.profiles[0].arguments.node_resources_fit.ignored_resources, ["example.com/x"]);
}

/// Configurations and what is wrong with them, below the two lines of the head.
const BROKEN: &[(&str, &[&str])] = &[
    ("percentageOfNodesToScore: 101\n", &["W0104 3:27 `percentageOfNodesToScore` must be from 0 to 100, not 101"]),
    (
        "podInitialBackoffSeconds: 20\n",
        &["W0205 3:27 `podMaxBackoffSeconds` (10) is less than `podInitialBackoffSeconds` (20)"],
    ),
    ("profile: []\n", &["W0101 3:1 unknown key `profile`"]),
    (
        "profiles: [{schedulerName: a}, {schedulerName: a}, {}]\n",
        &["W0201 3:32 the profile `a` is there already, from line 3", "W0102 3:52 `profiles[]` has no `schedulerName`"],
    ),
    (
        "profiles: [{plugins: {score: {enabled: [{name: Coscheduling}, {name: NodeName}, {name: GangScheduling}]}, skore: {}}}]\n",
        &[
            "W0208 3:41 there is no plug-in `Coscheduling`",
            "W0105 3:63 the plug-in `NodeName` does nothing at score",
            "W0208 3:81 the plug-in `GangScheduling` is not available: its feature gate is off in Kubernetes v1.37.0",
            "W0101 3:107 unknown extension point `skore`",
        ],
    ),
    (
        "profiles: [{plugins: {filter: {enabled: [{name: NodeName}, {name: NodeName}]}, multiPoint: {enabled: [{name: NodeName}, {name: NodeName}]}}}]\n",
        &[
            "W0201 3:60 `profiles[].plugins.filter` enables `NodeName` twice",
            "W0201 3:103 `profiles[].plugins.multiPoint` enables `NodeName` twice",
        ],
    ),
    (
        "profiles: [{plugins: {multiPoint: {disabled: [{name: '*'}]}}}]\n",
        &[
            "W0205 3:22 a profile needs at least one bind plug-in",
            "W0205 3:22 a profile needs exactly one queueSort plug-in, and this has 0",
        ],
    ),
    (
        "profiles: [{schedulerName: a}, {schedulerName: b, plugins: {queueSort: {enabled: [{name: PrioritySort}]}}}]\n",
        &["W0205 3:32 `profiles[].plugins.queueSort` must be the same in all profiles, which share one queue"],
    ),
    (
        "profiles: [{pluginConfig: [{name: NodeName, args: {a: 1}}, {name: InterPodAffinity, args: {kind: X, hardPodAffinityWeight: 200}}, {name: Mine}]}]\n",
        &[
            "W0101 3:52 unknown key `a` of `args`",
            "W0010 3:98 `args.kind` of `InterPodAffinity` must be `InterPodAffinityArgs`",
            "W0104 3:124 `args.hardPodAffinityWeight` must be from 0 to 100, not 200",
            "W0208 3:131 there is no plug-in `Mine`",
        ],
    ),
    (
        "profiles: [{pluginConfig: [{name: NodeResourcesFit, args: {ignoredResourceGroups: [a/b], scoringStrategy: {type: RequestedToCapacityRatio}}}]}]\n",
        &[
            "W0105 3:59 `args.ignoredResourceGroups`: `a/b` has a slash, and groups are what is before it",
            "W0102 3:107 the type RequestedToCapacityRatio needs `args.scoringStrategy.requestedToCapacityRatio`",
        ],
    ),
    (
        "profiles: [{pluginConfig: [{name: PodTopologySpread, args: {defaultConstraints: [{maxSkew: 1, topologyKey: z, whenUnsatisfiable: DoNotSchedule, labelSelector: {}}]}}]}]\n",
        &[
            "W0205 3:60 `args.defaultConstraints` needs `defaultingType: List`",
            "W0105 3:160 `args.defaultConstraints[]` has no `labelSelector`: it follows from the pod's services and controller",
        ],
    ),
    (
        "profiles: [{pluginConfig: [{name: DefaultPreemption, args: {minCandidateNodesPercentage: 0, minCandidateNodesAbsolute: 0}}]}]\n",
        &["W0205 3:60 `minCandidateNodesPercentage` and `minCandidateNodesAbsolute` cannot both be 0"],
    ),
    (
        "extenders: [{urlPrefix: 'https://a', prioritizeVerb: p}, {bindVerb: b, managedResources: [{name: cpu}]}, {urlPrefix: 'http://c', bindVerb: b}]\n",
        &[
            "W0104 3:13 an extender with a `prioritizeVerb` needs a `weight` of at least 1",
            "W0105 3:25 extenders are called over plain HTTP only",
            "W0102 3:58 `extenders[]` has no `urlPrefix`",
            "W0105 3:91 `extenders[].managedResources[]`: `cpu` is no extended resource such as example.com/fpga",
            "W0205 3:106 only one extender can have a `bindVerb`",
        ],
    ),
];

#[test]
fn every_problem_is_reported_with_its_place() {
    for (text, expected) in BROKEN {
        assert_eq!(issues(&format!("{HEAD}{text}")), *expected, "{text}");
    }
    for (text, expected) in [
        (
            "kind: KubeSchedulerConfiguration\n",
            "W0010 1:1 a KubeSchedulerConfiguration has `apiVersion: kubescheduler.config.k8s.io/v1`",
        ),
        (
            "kind: KubeSchedulerConfiguration\napiVersion: kubescheduler.config.k8s.io/v1beta3\n",
            "W0010 2:13 `apiVersion` is `kubescheduler.config.k8s.io/v1beta3`, not `kubescheduler.config.k8s.io/v1`",
        ),
        ("kind: Pod\n", "W0010 1:7 `kind` is `Pod`, not `KubeSchedulerConfiguration`"),
        ("[]\n", "W0103 1:1 `KubeSchedulerConfiguration` must be a mapping, not a list"),
        ("", "W0010 0:0 the file is empty"),
    ] {
        assert_eq!(issues(text), [expected], "{text}");
    }
    let default = EnabledPlugins::default();
    assert_eq!(default.at(ExtensionPoint::QueueSort).len(), 1);
}
