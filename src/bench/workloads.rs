//! The named workloads, modelled on upstream's scheduler_perf (`test/integration/scheduler_perf` of Kubernetes v1.37.0).
//!
//! Numbers of nodes and pods, what nodes offer and pods request, labels, affinities and constraints are upstream's.
//! Every workload has initial pods, which arrive at 0 and are not measured, and measured pods. Where upstream creates
//! measured pods as fast as it can, they all arrive at one instant here; where something else happens meanwhile, they
//! arrive every 2 ms of simulated time, since the simulated scheduler takes no simulated time.

use super::draft::{
    Draft, GAP, MEASURED_FROM, NAMESPACES, color_selector, color_term, colored, in_namespace, label, large_pod,
    light_pod, node_default, node_with_name, one_of, pod, pod_default,
};
use crate::ids::NodeId;
use crate::model::cluster::{HOSTNAME_LABEL, ZONE_LABEL};
use crate::model::objects::Service;
use crate::model::pod_spec::{NodeSelectorTerm, PodAffinityTerm, TopologySpreadConstraint, WhenUnsatisfiable};
use crate::model::{Action, Model, NodeShape, PodClass, Resources, ScriptedAction};
use crate::units::{SimDuration, SimTime};

/// The policy that is measured when none is named.
pub const DEFAULT_POLICY: &str = "least-allocated";

/// How large a workload is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Size {
    /// Nodes at the start.
    pub nodes: u32,
    /// Pods that are placed before measuring begins.
    pub initial: u32,
    /// Pods that are measured.
    pub measured: u32,
}

/// How initial and measured pods follow when a size is chosen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Growth {
    /// Both stay in proportion to the nodes.
    WithNodes,
    /// The initial pods stay in proportion to the measured ones, whatever the nodes.
    WithPods,
}

/// One row of the table of workloads.
#[derive(Clone, Copy, Debug)]
pub struct BenchWorkload {
    /// Name on the command line.
    pub name: &'static str,
    /// What is scheduled, in a line.
    pub summary: &'static str,
    /// Upstream's file and test case.
    pub source: &'static str,
    /// Upstream's sizes, of its largest variant with a threshold of pods per second.
    pub defaults: Size,
    /// How pods follow the nodes.
    pub growth: Growth,
    build: fn(&mut Draft, Size),
}

/// Every workload there is.
pub const WORKLOADS: &[BenchWorkload] = &[
    row("basic", "pods with requests only", "misc SchedulingBasic", [5000, 1000, 10_000], basic),
    row(
        "node-affinity",
        "pods that require a zone",
        "affinity SchedulingNodeAffinity",
        [5000, 5000, 10_000],
        node_affinity,
    ),
    row(
        "pod-affinity-required",
        "pods that must share a zone",
        "affinity SchedulingPodAffinity",
        [5000, 5000, 5000],
        |draft, size| {
            affinity(draft, size, "blue", Affinity::Required);
        },
    ),
    row(
        "pod-affinity-preferred",
        "pods that like to share a node",
        "affinity SchedulingPreferredPodAffinity",
        [5000, 5000, 5000],
        |draft, size| {
            affinity(draft, size, "red", Affinity::Preferred);
        },
    ),
    row(
        "pod-anti-affinity-required",
        "pods that must not share a node",
        "affinity SchedulingPodAntiAffinity",
        [5000, 1000, 2000],
        |draft, size| {
            affinity(draft, size, "green", Affinity::AntiRequired);
        },
    ),
    row(
        "pod-anti-affinity-preferred",
        "pods that avoid sharing a node",
        "affinity SchedulingPreferredPodAntiAffinity",
        [5000, 5000, 5000],
        |draft, size| {
            affinity(draft, size, "yellow", Affinity::AntiPreferred);
        },
    ),
    row(
        "topology-spread-required",
        "pods that must spread over three zones",
        "topology_spreading TopologySpreading",
        [5000, 5000, 5000],
        |draft, size| {
            topology_spread(draft, size, WhenUnsatisfiable::DoNotSchedule);
        },
    ),
    row(
        "topology-spread-preferred",
        "pods that like to spread over three zones",
        "topology_spreading PreferredTopologySpreading",
        [5000, 5000, 5000],
        |draft, size| {
            topology_spread(draft, size, WhenUnsatisfiable::ScheduleAnyway);
        },
    ),
    row(
        "topology-spread-default",
        "pods of a service, spread by the default constraints",
        "topology_spreading DefaultTopologySpreading",
        [5000, 5000, 50_000],
        topology_spread_default,
    ),
    row(
        "preemption",
        "pods that must displace others, four for each",
        "default_preemption PreemptionBasic",
        [5000, 20_000, 5000],
        preemption,
    ),
    row(
        "unschedulable",
        "pods among others that fit nowhere",
        "default_preemption Unschedulable",
        [5000, 20_000, 10_000],
        unschedulable,
    ),
    row(
        "mixed-churn",
        "pods while nodes and unschedulable pods come and go",
        "misc SchedulingWithMixedChurn",
        [5000, 0, 10_000],
        mixed_churn,
    ),
    row(
        "extended-resources",
        "pods that take a device each",
        "misc SchedulingWithExtendedResource",
        [5000, 0, 5000],
        extended_resources,
    ),
    row("daemonset", "pods that require one node by name", "misc SchedulingDaemonset", [15_000, 0, 30_000], daemonset),
    BenchWorkload {
        growth: Growth::WithPods,
        ..row(
            "gated",
            "pods while others are gated and others end",
            "misc SchedulingWhileGated",
            [1, 20_000, 20_000],
            gated,
        )
    },
];

const fn row(
    name: &'static str,
    summary: &'static str,
    source: &'static str,
    [nodes, initial, measured]: [u32; 3],
    build: fn(&mut Draft, Size),
) -> BenchWorkload {
    BenchWorkload {
        name,
        summary,
        source,
        defaults: Size { nodes, initial, measured },
        growth: Growth::WithNodes,
        build,
    }
}

/// The row with that name.
pub fn find(name: &str) -> Option<&'static BenchWorkload> {
    WORKLOADS.iter().find(|row| row.name == name)
}

impl BenchWorkload {
    /// The size with this many nodes and measured pods; what is not given follows by [`Growth`], at least 1 measured
    /// pod.
    pub fn size(&self, nodes: Option<u32>, measured: Option<u32>) -> Size {
        let share = |of: u32, part: u32, whole: u32| {
            let scaled = u64::from(of) * u64::from(part) / u64::from(whole);
            u32::try_from(scaled).unwrap_or(u32::MAX)
        };
        let defaults = self.defaults;
        let chosen = nodes.unwrap_or(defaults.nodes);
        match self.growth {
            Growth::WithNodes => Size {
                nodes: chosen,
                initial: share(defaults.initial, chosen, defaults.nodes),
                measured: measured.unwrap_or(share(defaults.measured, chosen, defaults.nodes).max(1)),
            },
            Growth::WithPods => {
                let measured = measured.unwrap_or(defaults.measured);
                Size { nodes: chosen, initial: share(defaults.initial, measured, defaults.measured), measured }
            }
        }
    }

    /// The model of this size. Source 0 holds the initial pods, source 1 the measured ones; further sources and the
    /// script hold what happens meanwhile.
    pub fn build(&self, size: Size) -> Model {
        let mut draft = Draft::new();
        (self.build)(&mut draft, size);
        draft.finish(self.name, self.summary)
    }
}

fn basic(draft: &mut Draft, size: Size) {
    draft.pool("node", size.nodes, &node_default(), &[]);
    draft.initial_and_measured(size, pod_default(), pod_default(), SimDuration::ZERO);
}

/// All nodes are in zone 1; pods accept zones 1 and 2.
fn node_affinity(draft: &mut Draft, size: Size) {
    draft.pool("node", size.nodes, &node_default(), &["zone1"]);
    let mut class = PodClass { template: "pod-with-node-affinity".to_owned(), ..pod_default() };
    let term =
        NodeSelectorTerm { expressions: vec![one_of(ZONE_LABEL, &["zone1", "zone2"])], ..NodeSelectorTerm::default() };
    class.spec.node_affinity.required = Some(vec![term]);
    draft.initial_and_measured(size, class.clone(), class, SimDuration::ZERO);
}

#[derive(Clone, Copy)]
enum Affinity {
    Required,
    Preferred,
    AntiRequired,
    AntiPreferred,
}

/// Initial and measured pods are alike but for their namespaces; each looks at both.
fn affinity(draft: &mut Draft, size: Size, color: &str, kind: Affinity) {
    let zones: &[&str] = if matches!(kind, Affinity::Required) { &["zone1"] } else { &[] };
    draft.pool("node", size.nodes, &node_default(), zones);
    let mut class = colored("pod-with-affinity", color);
    let term = |key: &str| -> PodAffinityTerm { color_term(color, key) };
    match kind {
        Affinity::Required => class.spec.pod_affinity.required.push(term(ZONE_LABEL)),
        Affinity::Preferred => class.spec.pod_affinity.preferred.push((1, term(HOSTNAME_LABEL))),
        Affinity::AntiRequired => class.spec.pod_anti_affinity.required.push(term(HOSTNAME_LABEL)),
        Affinity::AntiPreferred => class.spec.pod_anti_affinity.preferred.push((1, term(HOSTNAME_LABEL))),
    }
    let [initial, measured] = NAMESPACES.map(|namespace| in_namespace(&class, namespace));
    draft.initial_and_measured(size, initial, measured, SimDuration::ZERO);
}

const MOONS: [&str; 3] = ["moon-1", "moon-2", "moon-3"];

fn topology_spread(draft: &mut Draft, size: Size, when_unsatisfiable: WhenUnsatisfiable) {
    draft.pool("node", size.nodes, &node_default(), &MOONS);
    let mut class = colored("pod-with-topology-spreading", "blue");
    class.spec.topology_spread.push(TopologySpreadConstraint {
        max_skew: 5,
        topology_key: ZONE_LABEL.to_owned(),
        when_unsatisfiable,
        selector: Some(color_selector("blue")),
        min_domains: None,
        honors_node_affinity: true,
        honors_node_taints: false,
        match_label_keys: Vec::new(),
    });
    draft.initial_and_measured(size, pod_default(), class, SimDuration::ZERO);
}

/// The measured pods have no constraints of their own and request nothing.
fn topology_spread_default(draft: &mut Draft, size: Size) {
    const NAMESPACE: &str = "service-ns";
    draft.pool("node", size.nodes, &node_default(), &MOONS);
    let selector = vec![label("app", "scheduler-perf")];
    let mut class = in_namespace(&pod("pod-with-label", 0, 0), NAMESPACE);
    class.spec.labels.clone_from(&selector);
    draft.objects.services.push(Service { namespace: NAMESPACE.to_owned(), name: "service-0".to_owned(), selector });
    draft.initial_and_measured(size, pod_default(), class, SimDuration::ZERO);
}

/// Four pods fill a node to 3.6 of 4 cores; a measured pod needs the node alone.
fn preemption(draft: &mut Draft, size: Size) {
    draft.pool("node", size.nodes, &node_default(), &[]);
    let measured = PodClass { priority: 9_999_999, ..pod("pod-high-priority", 3970, 500) };
    draft.initial_and_measured(size, pod("pod-low-priority", 900, 500), measured, SimDuration::ZERO);
}

/// Every 200 ms comes a pod of high priority that needs more cores than a node has.
fn unschedulable(draft: &mut Draft, size: Size) {
    const EVERY: SimDuration = SimDuration(200_000_000);
    draft.pool("node", size.nodes, &node_default(), &[]);
    draft.initial_and_measured(size, pod_default(), pod_default(), GAP);
    let rounds = draft.rounds(EVERY);
    draft.pods("churn", large_pod(), rounds, MEASURED_FROM, EVERY);
}

/// Every second a node that offers nothing replaces the one before, and a pod comes that fits nowhere. Upstream also
/// replaces that pod, and a service that selects none of the pods; here the pods stay and wait.
fn mixed_churn(draft: &mut Draft, size: Size) {
    const EVERY: SimDuration = SimDuration(1_000_000_000);
    draft.pool("node", size.nodes, &node_default(), &[]);
    let pool = draft.pool("churn", 0, &NodeShape { allocatable: Resources::default(), ..NodeShape::default() }, &[]);
    draft.initial_and_measured(size, pod_default(), pod_default(), GAP);
    let rounds = draft.rounds(EVERY);
    draft.pods("churn", large_pod(), rounds, MEASURED_FROM, EVERY);
    for round in 0..rounds {
        let at = MEASURED_FROM.after(SimDuration(EVERY.0 * u64::from(round)));
        if round > 0 {
            let node = NodeId(size.nodes + round - 1);
            draft.script.push(ScriptedAction { at, action: Action::Remove(node) });
        }
        draft.script.push(ScriptedAction { at, action: Action::AddNodes { pool, count: 1 } });
    }
}

/// Each node has one device of one kind, each pod asks for one. Upstream has as many kinds as nodes; here there are at
/// most 64, since every kind is a column of every node.
fn extended_resources(draft: &mut Draft, size: Size) {
    const KINDS_MAX: u32 = 64;
    let kinds = size.nodes.clamp(1, KINDS_MAX);
    let one_of_kind = |kind: u32| (0..=kind).map(|other| u64::from(other == kind)).collect::<Vec<u64>>();
    for kind in 0..kinds {
        draft.cluster.intern_extended_resource(&format!("foo.com/bar-{kind}"));
        let mut shape = node_default();
        shape.labels.push(label("node-with-extended-resource", "true"));
        shape.allocatable.extended = one_of_kind(kind);
        let count = size.nodes / kinds + u32::from(kind < size.nodes % kinds);
        draft.pool(&format!("node-{kind}"), count, &shape, &[]);
    }
    draft.pods("initial", pod_default(), size.initial, SimTime::ZERO, SimDuration::ZERO);
    let classes: Vec<_> = (0..kinds)
        .map(|kind| {
            let mut class = pod("pod-with-extended-resource", 0, 0);
            class.requests.extended = one_of_kind(kind);
            draft.workload.intern_class(class)
        })
        .collect();
    let pods = (0..size.measured as usize).map(|number| (classes[number % classes.len()], None));
    draft.listed("measured", MEASURED_FROM, pods);
}

/// The first node has the name that all pods require; it has slots for them all.
fn daemonset(draft: &mut Draft, size: Size) {
    const NAME: &str = "scheduler-perf-node";
    draft.pool("named", 1, &node_with_name(size), &[]);
    draft.cluster.nodes[0].name = NAME.to_owned();
    draft.pool("node", size.nodes.saturating_sub(1), &node_default(), &[]);
    let mut class = PodClass { template: "daemonset-pod".to_owned(), ..light_pod() };
    let term = NodeSelectorTerm { fields: vec![one_of("metadata.name", &[NAME])], ..NodeSelectorTerm::default() };
    class.spec.node_affinity.required = Some(vec![term]);
    draft.initial_and_measured(size, pod_default(), class, SimDuration::ZERO);
}

/// Half as many pods as the initial ones are gated to the end; the initial ones end one by one, 50 a second, from the
/// moment the first measured pod arrives.
fn gated(draft: &mut Draft, size: Size) {
    const END_EVERY: SimDuration = SimDuration(20_000_000);
    draft.pool("named", size.nodes, &node_with_name(size), &[]);
    let light = draft.workload.intern_class(light_pod());
    let first_end = MEASURED_FROM.since(SimTime::ZERO);
    let duration = |number: u32| SimDuration(first_end.0 + END_EVERY.0 * u64::from(number));
    let pods: Vec<_> = (0..size.initial).map(|number| (light, Some(duration(number)))).collect();
    draft.listed("initial", SimTime::ZERO, pods.into_iter());
    draft.pods("measured", light_pod(), size.measured, MEASURED_FROM, GAP);
    let mut gated = PodClass { template: "gated-pod".to_owned(), ..light_pod() };
    gated.spec.scheduling_gates = vec!["test.k8s.io/hold".to_owned()];
    draft.pods("gated", gated, size.initial / 2, SimTime::ZERO, SimDuration::ZERO);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::watch;
    use crate::model::ArrivalSource;
    use crate::observe::CheckEveryEvent;
    use crate::world::pods::Phase;

    fn small(row: &BenchWorkload) -> Size {
        row.size(Some(if row.growth == Growth::WithPods { 1 } else { 12 }), Some(24))
    }

    #[test]
    fn names_and_defaults_are_those_of_the_table() {
        for row in WORKLOADS {
            assert_eq!(find(row.name).map(|found| found.name), Some(row.name), "the name is unique");
            assert_eq!(row.size(None, None), row.defaults, "{}", row.name);
        }
        assert!(find("Basic").is_none());
    }

    #[test]
    fn sizes_follow_what_is_given() {
        for (name, nodes, pods, expected) in [
            // A tenth of 5000 nodes: a tenth of 1000 and 10 000 pods.
            ("basic", Some(500), None, [500, 100, 1000]),
            ("basic", Some(500), Some(7), [500, 100, 7]),
            ("basic", None, Some(7), [5000, 1000, 7]),
            // 10 000 / 5000 = 2 pods a node, at least 1.
            ("basic", Some(1), None, [1, 0, 2]),
            ("extended-resources", Some(10), None, [10, 0, 10]),
            // The nodes change nothing, a tenth of the pods is a tenth of the initial ones.
            ("gated", Some(9), None, [9, 20_000, 20_000]),
            ("gated", None, Some(2000), [1, 2000, 2000]),
        ] {
            let size = find(name).expect("it is in the table").size(nodes, pods);
            assert_eq!([size.nodes, size.initial, size.measured], expected, "{name} {nodes:?} {pods:?}");
        }
    }

    #[test]
    fn models_have_what_their_size_says() {
        for row in WORKLOADS {
            let size = small(row);
            let model = row.build(size);
            assert_eq!(model.cluster.nodes.len(), size.nodes as usize, "{}", row.name);
            let counts: Vec<u64> = model
                .workload
                .sources
                .iter()
                .map(|source| match source {
                    ArrivalSource::Listed(pods) => pods.pods.len() as u64,
                    ArrivalSource::Generated(pods) => pods.count.expect("benches end"),
                })
                .collect();
            assert_eq!(counts[..2], [size.initial, size.measured].map(u64::from), "{}", row.name);
            let mut names: Vec<&str> = model.cluster.nodes.iter().map(|node| node.name.as_str()).collect();
            names.sort_unstable();
            names.dedup();
            assert_eq!(names.len(), model.cluster.nodes.len(), "{}: names of nodes are unique", row.name);
            assert!(model.script.is_sorted_by_key(|action| action.at), "{}", row.name);
        }
    }

    #[test]
    fn models_run_and_keep_every_invariant() {
        for row in WORKLOADS {
            let model = row.build(small(row));
            let finished = watch(&model, CheckEveryEvent).expect("its policies exist");
            let pods = &finished.world.pods;
            let measured = (0..pods.len()).filter(|&i| pods.origin[i].0 == 1);
            let waiting = measured.filter(|&i| pods.phase[i] == Phase::Pending).count();
            match row.name {
                // The default policy displaces nobody: 48 pods of 900 milli-cores fill the 12 nodes.
                "preemption" => assert_eq!(waiting, 24),
                // Twelve devices for 24 pods.
                "extended-resources" => assert_eq!(waiting, 12),
                name => assert_eq!(waiting, 0, "{name}"),
            }
        }
    }

    #[test]
    fn something_happens_meanwhile_where_it_should() {
        // 1001 measured pods, 2 ms apart: 2 s, in which a large pod comes every 200 ms, or every second one and a node.
        let size = Size { nodes: 3, initial: 5, measured: 1001 };
        let churn = |name: &str| {
            let model = find(name).expect("it is in the table").build(size);
            let ArrivalSource::Generated(pods) = &model.workload.sources[2] else { unreachable!("it is drawn") };
            (pods.count, model.script)
        };
        assert_eq!(churn("unschedulable"), (Some(10), vec![]));
        let (count, script) = churn("mixed-churn");
        assert_eq!((count, script.len()), (Some(2), 3));
        assert_eq!(script[1].action, Action::Remove(NodeId(3)));
        // The first of the initial pods ends when the first measured pod arrives.
        let model = find("gated").expect("it is in the table").build(size);
        let ArrivalSource::Listed(initial) = &model.workload.sources[0] else { unreachable!("it is listed") };
        assert_eq!(initial.pods[0].duration, Some(SimDuration(MEASURED_FROM.0)));
        assert_eq!(initial.pods[4].duration, Some(SimDuration(MEASURED_FROM.0 + 80_000_000)));
    }
}
