//! Tables for spreading.

use super::NAME;
use crate::ids::{NodeId, PodId};
use crate::model::kube_scheduler::DefaultSpread;
use crate::model::objects::{Controller, Service};
use crate::model::pod_spec::{NodeAffinity, Owner, TopologySpreadConstraint};
use crate::model::{PodClass, Taint, TaintEffect};
use crate::policy::scheduler::kube::NodeInfo;
use crate::policy::scheduler::kube::test_cluster::{
    Scene, TestCluster, hard, labels, node_term, pod, pod_with, selector, soft,
};
use crate::world::Deletion;

const FOUR: [&str; 4] = ["a zone=1", "b zone=1", "x zone=2", "y zone=2"];
const HOST: &str = "kubernetes.io/hostname";

fn spread(text: &str, constraints: &[TopologySpreadConstraint]) -> PodClass {
    pod_with(text, |class| class.spec.topology_spread = constraints.to_vec())
}

/// Four nodes in two zones with `app=web` pods on the nodes listed, and a pod that waits.
fn four(web: &[u32], incoming: &PodClass) -> Scene {
    TestCluster::new(&FOUR).place(&pod("app=web"), web).scene(incoming)
}

#[test]
fn hard_constraints_keep_pods_from_crowded_domains() {
    let zone = || hard(1, "zone", "app=web");
    let host = || hard(1, HOST, "app=web");
    let none = || TopologySpreadConstraint { selector: None, ..zone() };
    let min_domains = |domains| TopologySpreadConstraint { min_domains: Some(domains), ..zone() };
    for (web, text, constraints, expected) in [
        // Nothing is there: 0 + 1 - 0 = 1 is within the skew.
        (&[][..], "app=web", vec![zone()], "...."),
        // 3 pods in each zone: 3 + 1 - 3 = 1.
        (&[0, 0, 1, 2, 3, 3], "app=web", vec![zone()], "...."),
        // 2 and 1: zone 1 would be at 2 + 1 - 1 = 2, zone 2 at 1 + 1 - 1 = 1.
        (&[0, 0, 2], "app=web", vec![zone()], "uu.."),
        // The pod does not count itself: 2 + 0 - 1 = 1.
        (&[0, 0, 2], "app=db", vec![zone()], "...."),
        // 2, 1, 0 and 3 by host: only the empty one is within 1 of the emptiest.
        (&[0, 0, 1, 3, 3, 3], "app=web", vec![host()], "uu.u"),
        // Zones 3 and 3 are even, so hosts alone decide.
        (&[0, 0, 1, 3, 3, 3], "app=web", vec![zone(), host()], "uu.u"),
        // Zone 2 is at 0, so zone 1 is out; in zone 2 both hosts are empty.
        (&[0, 0, 1], "app=web", vec![zone(), host()], "uu.."),
        // No selector counts nothing, not even the pod itself.
        (&[0, 0, 0], "app=web", vec![none()], "...."),
        // Fewer domains than asked for: the minimum is taken as 0, and 1 + 1 - 0 = 2.
        (&[0, 2], "app=web", vec![min_domains(3)], "uuuu"),
        (&[0, 2], "app=web", vec![min_domains(2)], "...."),
    ] {
        assert_eq!(four(web, &spread(text, &constraints)).filtered(NAME), expected, "{web:?} {text} {constraints:?}");
    }
}

#[test]
fn a_node_without_the_label_is_out_for_good_and_counts_for_nothing() {
    let incoming = spread("app=web", &[hard(1, "zone", "app=web"), hard(1, HOST, "app=web")]);
    let cluster = TestCluster::new(&["a zone=1", "b zone=2", "c"]).place(&pod("app=web"), &[0, 1]);
    // Without c each zone and each host holds 1: 1 + 1 - 1 = 1. With c the emptiest host would hold 0.
    let scene = cluster.scene(&incoming);
    let filters = scene.filters(NAME);
    assert_eq!(scene.verdicts(&filters), "..x");
    let diagnosis = scene.diagnosis(&filters);
    let reason = "node(s) didn't match pod topology spread constraints (missing required label)";
    assert_eq!(diagnosis.nodes[&NodeId(2)].reasons, [reason]);
}

#[test]
fn pods_of_other_namespaces_and_pods_on_their_way_out_do_not_count() {
    let foreign = pod_with("app=web", |class| class.spec.namespace = "other".to_owned());
    let incoming = spread("app=web", &[hard(1, "zone", "app=web")]);
    let scene = TestCluster::new(&FOUR).place(&foreign, &[0, 0, 1]).scene(&incoming);
    assert_eq!(scene.filtered(NAME), "....");
    let mut scene = four(&[0, 1, 2], &incoming);
    assert_eq!(scene.filtered(NAME), "uu..");
    // Zone 1 falls from 2 to 1, as zone 2: 1 + 1 - 1 = 1.
    scene.world.pods.deletion[0] = Deletion::Requested;
    assert_eq!(scene.filtered(NAME), "....");
}

#[test]
fn nodes_that_are_not_for_the_pod_count_if_the_policies_say_so() {
    let nodes = ["a zone=1 disk=ssd", "b zone=2 disk=ssd", "c zone=3"];
    let with = |affinity, taints| TopologySpreadConstraint {
        honors_node_affinity: affinity,
        honors_node_taints: taints,
        ..hard(1, "zone", "app=web")
    };
    let by_selector = |constraint| {
        pod_with("app=web", |class| {
            class.spec.topology_spread = vec![constraint];
            class.node_selector = labels("disk=ssd");
        })
    };
    let by_affinity = |constraint| {
        pod_with("app=web", |class| {
            class.spec.topology_spread = vec![constraint];
            class.spec.node_affinity =
                NodeAffinity { required: Some(vec![node_term("disk=hdd"), node_term("disk=ssd")]), preferred: vec![] };
        })
    };
    for (incoming, is_tainted, expected) in [
        // Zone 3 does not count: 1 + 1 - 1 = 1; a pod there would be at 0 + 1 - 1 = 0.
        (by_selector(with(true, false)), false, "..."),
        (by_affinity(with(true, false)), false, "..."),
        // It counts, and is the emptiest: 1 + 1 - 0 = 2.
        (by_selector(with(false, false)), false, "uu."),
        (by_affinity(with(false, false)), false, "uu."),
        (spread("app=web", &[with(true, false)]), true, "uu."),
        (spread("app=web", &[with(true, true)]), true, "..."),
        (spread("app=web", &[with(true, true)]), false, "uu."),
    ] {
        let mut cluster = TestCluster::new(&nodes).place(&pod("app=web"), &[0, 1]);
        if is_tainted {
            let taint = Taint { key: "full".into(), value: String::new(), effect: TaintEffect::NoExecute };
            cluster.shape(2).taints.push(taint);
        }
        assert_eq!(cluster.scene(&incoming).filtered(NAME), expected, "{incoming:?} {is_tainted}");
    }
}

#[test]
fn match_label_keys_narrow_the_selector_to_the_pods_own_values() {
    let keys = |keys: &[&str]| TopologySpreadConstraint {
        match_label_keys: keys.iter().map(|key| (*key).to_owned()).collect(),
        ..hard(1, "zone", "app=web")
    };
    let old = pod("app=web hash=old");
    for (constraint, expected) in [
        // 2 old pods in zone 1: 2 + 1 - 0 = 3 without the key, 0 + 1 - 0 = 1 with it.
        (keys(&[]), "uu.."),
        (keys(&["hash"]), "...."),
        // A key that the pod lacks is passed over.
        (keys(&["tier"]), "uu.."),
        // No selector stays none.
        (TopologySpreadConstraint { selector: None, ..keys(&["hash"]) }, "...."),
    ] {
        let scene = TestCluster::new(&FOUR).place(&old, &[0, 1]).scene(&spread("app=web hash=new", &[constraint]));
        assert_eq!(scene.filtered(NAME), expected);
    }
    // An empty selector with a key is that key alone: 2 new pods in zone 1.
    let constraint = TopologySpreadConstraint { match_label_keys: vec!["hash".into()], ..hard(1, "zone", "") };
    let incoming = spread("hash=new", &[constraint]);
    let scene = TestCluster::new(&FOUR).place(&pod("hash=new"), &[0, 1]).scene(&incoming);
    assert_eq!(scene.filtered(NAME), "uu..");
}

#[test]
fn what_ifs_move_the_counts_and_leave_the_original_alone() {
    let scene = four(&[0, 0, 2], &spread("app=web", &[hard(1, "zone", "app=web")]));
    let view = scene.cycle().view;
    let filters = scene.filters(NAME);
    let with = |changes: &[(u32, u32, i64)]| {
        let mut filters = filters.fork();
        for &(pod, node, change) in changes {
            let (pod, node) = (PodId(pod), NodeInfo::new(view, NodeId(node)));
            let filter = &mut filters.filters[0].1;
            if change > 0 { filter.add_pod(pod, &node) } else { filter.remove_pod(pod, &node) }
        }
        scene.verdicts(&filters)
    };
    // 2 and 1; then 1 and 1; then 0 and 1, where zone 2 would be at 1 + 1 - 0; then 2 and 2.
    assert_eq!(with(&[]), "uu..");
    assert_eq!(with(&[(0, 0, -1)]), "....");
    assert_eq!(with(&[(0, 0, -1), (1, 0, -1)]), "..uu");
    assert_eq!(with(&[(1, 3, 1)]), "....");
    assert_eq!(with(&[(0, 0, -1), (0, 0, 1)]), "uu..");
    assert_eq!(scene.verdicts(&filters), "uu..");
}

fn service(name: &str, text: &str) -> Service {
    Service { namespace: "default".into(), name: name.into(), selector: labels(text) }
}

fn controller(kind: &str, name: &str, text: &str) -> Controller {
    Controller { namespace: "default".into(), kind: kind.into(), name: name.into(), selector: selector(text) }
}

fn owned(text: &str, api_version: &str, kind: &str, name: &str) -> PodClass {
    let owner = Owner { api_version: api_version.into(), kind: kind.into(), name: name.into() };
    pod_with(text, |class| class.spec.owner = Some(owner))
}

#[test]
fn default_constraints_find_pods_by_services_and_controllers() {
    let web = "app=web";
    for (incoming, services, controllers, expected) in [
        // Nothing selects the pod: there is no constraint.
        (pod(web), vec![], vec![], "...."),
        (pod(web), vec![service("other", "app=db")], vec![], "...."),
        (pod(web), vec![service("blank", "")], vec![], "...."),
        // 2 in zone 1: 2 + 1 - 0 = 3.
        (pod(web), vec![service("web", web)], vec![], "uu.."),
        (owned(web, "apps/v1", "ReplicaSet", "r"), vec![], vec![controller("ReplicaSet", "r", web)], "uu.."),
        (owned(web, "apps/v1", "StatefulSet", "r"), vec![], vec![controller("StatefulSet", "r", web)], "uu.."),
        (
            owned(web, "v1", "ReplicationController", "r"),
            vec![],
            vec![controller("ReplicationController", "r", web)],
            "uu..",
        ),
        (owned(web, "v1", "ReplicaSet", "r"), vec![], vec![controller("ReplicaSet", "r", web)], "...."),
        (owned(web, "apps/v1", "ReplicaSet", "r"), vec![], vec![controller("ReplicaSet", "q", web)], "...."),
        // Service and controller together find nothing: 0 + 0 - 0.
        (
            owned(web, "apps/v1", "ReplicaSet", "r"),
            vec![service("web", web)],
            vec![controller("ReplicaSet", "r", "tier=front")],
            "....",
        ),
        // The controller's value of a key takes the place of the service's.
        (
            owned(web, "v1", "ReplicationController", "r"),
            vec![service("web", web)],
            vec![controller("ReplicationController", "r", "app=other")],
            "....",
        ),
        // Constraints of its own take the place of the default ones: 2 + 1 - 0 = 3 is within 3.
        (spread(web, &[hard(3, "zone", web)]), vec![service("web", web)], vec![], "...."),
    ] {
        let mut cluster = TestCluster::new(&FOUR).place(&pod(web), &[0, 1]);
        (cluster.model.objects.services, cluster.model.objects.controllers) = (services, controllers);
        let mut scene = cluster.scene(&incoming);
        scene.arguments.default_spread = DefaultSpread::List(vec![hard(1, "zone", "")]);
        assert_eq!(scene.filtered(NAME), expected, "{incoming:?} {:?}", scene.model.objects);
    }
}

#[test]
fn scores_count_pods_by_domain() {
    let web = "app=web";
    for (placed, constraints, feasible, raw, normalised) in [
        // Nothing there: all sums are 0, and 0 is the best there is.
        (&[][..], vec![soft(1, HOST, web)], &[0, 1, 2, 3][..], vec![0, 0, 0, 0], vec![100, 100, 100, 100]),
        // 2, 1, 0 and 3 pods times ln(4 + 2) = 1.79: 3.58, 1.79, 0, 5.38. Of 5 at most: 100 (5 + 0 - s) / 5.
        (&[0, 0, 1, 3, 3, 3], vec![soft(1, HOST, web)], &[0, 1, 2, 3], vec![4, 2, 0, 5], vec![20, 60, 100, 0]),
        // A skew of 3 adds 2 to each: 6, 4, 2, 7; 100 (7 + 2 - s) / 7 = 42, 71, 100, 28.
        (&[0, 0, 1, 3, 3, 3], vec![soft(3, HOST, web)], &[0, 1, 2, 3], vec![6, 4, 2, 7], vec![42, 71, 100, 28]),
        // Three hosts are feasible: ln 5 = 1.61 times 2, 1 and 3: 3.22, 1.61, 4.83; 100 (5 + 2 - s) / 5 = 80, 100, 40.
        (&[0, 0, 1, 3, 3, 3], vec![soft(1, HOST, web)], &[0, 1, 3], vec![3, 2, 5], vec![80, 100, 40]),
        // Zones with 4 and 1 pods, ln(2 + 2) = 1.39: 5.55 and 1.39; pods on nodes that are not feasible count too.
        (&[0, 0, 0, 1, 3], vec![soft(1, "zone", web)], &[0, 2], vec![6, 1], vec![16, 100]),
        // Only zone 1 is feasible: ln 3 = 1.10 times 4 = 4.39; the one score there is is the best.
        (&[0, 0, 0, 1, 3], vec![soft(1, "zone", web)], &[0, 1], vec![4, 4], vec![100, 100]),
        // Both: zone 1.39 x (4, 4, 1, 1) + host 1.79 x (3, 1, 0, 1): 10.92, 7.34, 1.39, 3.18.
        (
            &[0, 0, 0, 1, 3],
            vec![soft(1, "zone", web), soft(1, HOST, web)],
            &[0, 1, 2, 3],
            vec![11, 7, 1, 3],
            vec![9, 45, 100, 81],
        ),
    ] {
        let scores = four(placed, &spread(web, &constraints)).scores(NAME, feasible);
        assert_eq!((scores.raw, scores.normalised), (Some(raw), normalised), "{placed:?} {constraints:?}");
    }
}

#[test]
fn pods_without_soft_constraints_are_not_scored() {
    let scene = four(&[0], &spread("app=web", &[hard(1, "zone", "app=web")]));
    assert_eq!(scene.scores(NAME, &[0, 1]).raw, None);
    assert_eq!(four(&[0], &pod("app=web")).scores(NAME, &[0, 1]).raw, None);
}

#[test]
fn nodes_that_lack_a_label_score_nothing() {
    let cluster = TestCluster::new(&["a zone=1", "b zone=2", "c"]).place(&pod("app=web"), &[0, 2]);
    // Two zones: ln 4 = 1.39 times 1 and 0; c is left out.
    let scores = cluster.scene(&spread("app=web", &[soft(1, "zone", "app=web")])).scores(NAME, &[0, 1, 2]);
    assert_eq!((scores.raw, scores.normalised), (Some(vec![1, 0, 0]), vec![0, 100, 0]));
}

#[test]
fn system_defaults_spread_over_hosts_where_there_are_no_zones() {
    let mut cluster = TestCluster::new(&["a", "b", "c"]).place(&pod("app=web"), &[0, 0, 1]);
    cluster.model.objects.services = vec![service("web", "app=web")];
    // By host, ln 5 = 1.61 and skew 3: 2 x 1.61 + 2 = 5.22, 1.61 + 2 = 3.61, 2; 100 (5 + 2 - s) / 5 = 40, 60, 100.
    let scene = cluster.scene(&pod("app=web"));
    let scores = scene.scores(NAME, &[0, 1, 2]);
    assert_eq!((scores.raw, scores.normalised), (Some(vec![5, 4, 2]), vec![40, 60, 100]));
    assert!(scene.filters(NAME).filters.is_empty(), "the system's constraints keep no pod away");
}

#[test]
fn the_logarithm_is_gos_bit_for_bit() {
    // FNV-1a over the bits of math.Log(2) to math.Log(199 999), computed with Go 1.26 on amd64.
    let hash = |hash: u64, n: u32| (hash ^ libm::log(f64::from(n)).to_bits()).wrapping_mul(0x0000_0100_0000_01b3);
    assert_eq!((2..200_000).fold(0xcbf2_9ce4_8422_2325, hash), 16_882_806_929_847_971_167);
}
