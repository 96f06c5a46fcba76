//! Tables for pod affinity.

use super::NAME;
use crate::ids::{NodeId, PodId};
use crate::model::pod_spec::PodAffinityTerm;
use crate::model::{Label, PodClass};
use crate::policy::scheduler::kube::NodeInfo;
use crate::policy::scheduler::kube::test_cluster::{Scene, TestCluster, labels, pod, pod_with, selector, term};

const HOST: &str = "kubernetes.io/hostname";
const FOUR: [&str; 4] = ["a zone=1", "b zone=1", "x zone=2", "y"];

/// A pod with required terms: those that draw it to others, and those that keep it from them.
fn required(text: &str, affinity: &[PodAffinityTerm], anti_affinity: &[PodAffinityTerm]) -> PodClass {
    pod_with(text, |class| {
        class.spec.pod_affinity.required = affinity.to_vec();
        class.spec.pod_anti_affinity.required = anti_affinity.to_vec();
    })
}

/// A pod with preferred terms and their weights.
fn preferred(text: &str, affinity: &[(i32, PodAffinityTerm)], anti_affinity: &[(i32, PodAffinityTerm)]) -> PodClass {
    pod_with(text, |class| {
        class.spec.pod_affinity.preferred = affinity.to_vec();
        class.spec.pod_anti_affinity.preferred = anti_affinity.to_vec();
    })
}

/// Zone 1 is `a` and `b`, zone 2 is `x`, and `y` has no zone.
fn four(existing: &PodClass, nodes: &[u32], incoming: &PodClass) -> Scene {
    TestCluster::new(&FOUR).place(existing, nodes).scene(incoming)
}

#[test]
fn required_affinity_draws_pods_into_the_domains_of_others() {
    let web = || term("app=web", "zone");
    let cache = pod("app=cache tier=back");
    for (existing, nodes, incoming, expected) in [
        (pod("app=web"), &[0][..], required("app=db", &[web()], &[]), "..xx"),
        (pod("app=web"), &[0, 2], required("app=db", &[web()], &[]), "...x"),
        (pod("app=web"), &[0], required("app=db", &[term("app=web", HOST)], &[]), ".xxx"),
        // A pod on a node without the label is in no domain.
        (pod("app=web"), &[3], required("app=db", &[web()], &[]), "xxxx"),
        // Nobody is found, and the pod does not find itself.
        (cache.clone(), &[0], required("app=db", &[web()], &[]), "xxxx"),
        // It finds itself: the first of its group goes anywhere that has the label.
        (cache.clone(), &[0], required("app=web", &[web()], &[]), "...x"),
        // As soon as one of the group is somewhere, it draws the others, though on a node without zone it is in none.
        (pod("app=web"), &[2], required("app=web", &[web()], &[]), "xx.x"),
        // Operators: tier must be there, app must be another.
        (cache.clone(), &[2], required("app=db", &[term("app!=web tier", "zone")], &[]), "xx.x"),
        // Requirements are met by one pod together.
        (cache.clone(), &[2], required("app=db", &[term("app=cache !tier", "zone")], &[]), "xxxx"),
        // No selector finds nobody, an empty one everybody.
        (cache.clone(), &[2], required("x=y", &[PodAffinityTerm { selector: None, ..web() }], &[]), "xxxx"),
        (cache.clone(), &[2], required("x=y", &[term("", "zone")], &[]), "xx.x"),
    ] {
        assert_eq!(four(&existing, nodes, &incoming).filtered(NAME), expected, "{existing:?} {nodes:?} {incoming:?}");
    }
}

#[test]
fn one_pod_must_meet_all_terms() {
    let terms = [term("app=web", "zone"), term("tier=front", HOST)];
    let incoming = required("app=db", &terms, &[]);
    // Two pods, each of which meets one term, do not do.
    let cluster = TestCluster::new(&FOUR).place(&pod("app=web"), &[0]).place(&pod("tier=front"), &[0]);
    assert_eq!(cluster.scene(&incoming).filtered(NAME), "xxxx");
    // One that meets both is in zone 1 and on host a.
    let cluster = TestCluster::new(&FOUR).place(&pod("app=web tier=front"), &[0]);
    assert_eq!(cluster.scene(&incoming).filtered(NAME), ".xxx");
    // Each domain may come from another pod, as long as each of them meets all terms.
    let cluster = TestCluster::new(&FOUR).place(&pod("app=web tier=front"), &[0, 1]);
    assert_eq!(cluster.scene(&incoming).filtered(NAME), "..xx");
}

#[test]
fn required_anti_affinity_keeps_apart_whichever_came_first() {
    let web = || term("app=web", "zone");
    let db = || term("app=db", "zone");
    for (existing, nodes, incoming, expected) in [
        (pod("app=web"), &[0][..], required("app=db", &[], &[web()]), "uu.."),
        (pod("app=web"), &[0], required("app=db", &[], &[term("app=web", HOST)]), "u..."),
        (pod("app=web"), &[3], required("app=db", &[], &[web()]), "...."),
        // The pod that is there keeps the other away, though that one asks for nothing.
        (required("app=web", &[], &[db()]), &[0], pod("app=db"), "uu.."),
        (required("app=web", &[], &[db()]), &[0], pod("app=web"), "...."),
        (required("app=web", &[], &[term("app=db", HOST)]), &[0], pod("app=db"), "u..."),
        // Any term is enough: zone 2 holds the pod, and host x is in it; or a term for a label that no node has.
        (pod("app=web"), &[2], required("app=db", &[], &[term("app=cache", HOST), web()]), "..u."),
        (pod("app=web"), &[2], required("app=db", &[], &[term("app=web", "rack")]), "...."),
        // Drawn to the zone and kept from the host.
        (pod("app=web"), &[0], required("app=db", &[web()], &[term("app=web", HOST)]), "u.xx"),
    ] {
        assert_eq!(four(&existing, nodes, &incoming).filtered(NAME), expected, "{existing:?} {nodes:?} {incoming:?}");
    }
}

#[test]
fn reasons_are_upstreams_and_come_in_its_order() {
    let existing = required("app=web", &[], &[term("app=db", "zone")]);
    let reasons = |incoming: &PodClass| {
        let scene = four(&existing, &[0], incoming);
        let diagnosis = scene.diagnosis(&scene.filters(NAME));
        diagnosis.nodes.into_values().flat_map(|rejection| rejection.reasons).collect::<Vec<_>>()
    };
    let affinity = "node(s) didn't match pod affinity rules";
    let anti_affinity = "node(s) didn't match pod anti-affinity rules";
    let existing_rules = "node(s) didn't satisfy existing pods anti-affinity rules";
    assert_eq!(reasons(&pod("app=db")), [existing_rules, existing_rules]);
    let incoming = required("app=db", &[], &[term("app=web", HOST)]);
    assert_eq!(reasons(&incoming), [anti_affinity, existing_rules]);
    let incoming = required("app=db", &[term("app=web", HOST)], &[term("app=web", HOST)]);
    assert_eq!(reasons(&incoming), [anti_affinity, affinity, affinity, affinity]);
}

/// Two namespaces beside `default`: `red` with `team=red`, and `plain`, which nobody described.
fn in_namespace(name: &str, class: PodClass) -> PodClass {
    let mut class = class;
    class.spec.namespace = name.to_owned();
    class
}

#[test]
fn terms_look_into_the_namespaces_they_name_or_select() {
    let zone = |namespaces: &[&str], selects: Option<&str>| PodAffinityTerm {
        namespaces: namespaces.iter().map(|name| (*name).to_owned()).collect(),
        namespace_selector: selects.map(selector),
        ..term("app=web", "zone")
    };
    for (namespace, term, expected) in [
        ("default", zone(&[], None), "..xx"),
        ("red", zone(&[], None), "xxxx"),
        ("red", zone(&["red"], None), "..xx"),
        ("default", zone(&["red"], None), "xxxx"),
        ("red", zone(&[], Some("team=red")), "..xx"),
        // With a selector the own namespace does not count by itself.
        ("default", zone(&[], Some("team=red")), "xxxx"),
        ("default", zone(&["default"], Some("team=red")), "..xx"),
        ("red", zone(&["default"], Some("team=red")), "..xx"),
        ("red", zone(&[], Some("team=blue")), "xxxx"),
        // An empty selector is for every namespace.
        ("plain", zone(&[], Some("")), "..xx"),
        // Every namespace carries its name as a label.
        ("plain", zone(&[], Some("kubernetes.io/metadata.name=plain")), "..xx"),
    ] {
        let existing = in_namespace(namespace, pod("app=web"));
        let mut cluster = TestCluster::new(&FOUR).place(&existing, &[0]);
        let red: Vec<Label> = labels("kubernetes.io/metadata.name=red team=red");
        cluster.model.objects.namespaces.insert("red".into(), red.clone());
        let incoming = required("app=db", std::slice::from_ref(&term), &[]);
        assert_eq!(cluster.scene(&incoming).filtered(NAME), expected, "{namespace} {term:?}");
        // The other way round: the pod that is there keeps the one that comes away, wherever the term finds it.
        let existing = required("app=db", &[], std::slice::from_ref(&term));
        let mut cluster = TestCluster::new(&FOUR).place(&existing, &[0]);
        cluster.model.objects.namespaces.insert("red".into(), red);
        let mirrored = if expected == "..xx" { "uu.." } else { "...." };
        let incoming = in_namespace(namespace, pod("app=web"));
        assert_eq!(cluster.scene(&incoming).filtered(NAME), mirrored, "{namespace} {term:?}");
    }
}

#[test]
fn what_ifs_move_the_counts_and_leave_the_original_alone() {
    let incoming = required("app=web", &[term("app=web", "zone")], &[term("app=web", HOST)]);
    let existing = required("app=web", &[], &[term("app=web", HOST)]);
    let scene = four(&existing, &[0], &incoming);
    let view = scene.cycle().view;
    let filters = scene.filters(NAME);
    let with = |changes: &[(u32, i64)]| {
        let mut filters = filters.fork();
        for &(node, change) in changes {
            let node = NodeInfo::new(view, NodeId(node));
            let filter = &mut filters.filters[0].1;
            if change > 0 { filter.add_pod(PodId(0), &node) } else { filter.remove_pod(PodId(0), &node) }
        }
        scene.verdicts(&filters)
    };
    assert_eq!(with(&[]), "u.xx");
    // Without the one pod there is none of the group: the first goes anywhere that has a zone.
    assert_eq!(with(&[(0, -1)]), "...x");
    assert_eq!(with(&[(0, -1), (2, 1)]), "xxux");
    assert_eq!(with(&[(0, -1), (0, 1)]), "u.xx");
    assert_eq!(scene.verdicts(&filters), "u.xx");
}

#[test]
fn pods_that_no_required_term_bears_on_are_not_filtered() {
    assert!(four(&pod("app=web"), &[0], &pod("app=db")).filters(NAME).filters.is_empty());
    let existing = required("app=web", &[], &[term("app=cache", "zone")]);
    assert!(four(&existing, &[0], &pod("app=db")).filters(NAME).filters.is_empty());
}

#[test]
fn preferred_terms_add_and_subtract_their_weights() {
    let web = || term("app=web", "zone");
    let db = || term("app=db", "zone");
    for (existing, nodes, incoming, raw, normalised) in [
        // 5 for each of 2 pods in zone 1 and 1 in zone 2; y is in none: 100 x 10/10, 100 x 5/10.
        (pod("app=web"), &[0, 1, 2][..], preferred("app=db", &[(5, web())], &[]), [10, 10, 5, 0], [100, 100, 50, 0]),
        // The same, subtracted.
        (pod("app=web"), &[0, 1, 2], preferred("app=db", &[], &[(5, web())]), [-10, -10, -5, 0], [0, 0, 50, 100]),
        // Both, by zone and by host: 2 x 5 - 8 in zone 1, 5 - 8 in zone 2; y, at 0 between 2 and -3: 100 x 3/5.
        (
            pod("app=web"),
            &[0, 1, 2],
            preferred("app=db", &[(5, web())], &[(8, term("app=web", HOST))]),
            [2, 2, -3, 0],
            [100, 100, 0, 60],
        ),
        // The existing pods' terms count as the pod's own do: 3 for each in its zone.
        (preferred("app=web", &[(3, db())], &[]), &[0, 0, 2], pod("app=db"), [6, 6, 3, 0], [100, 100, 50, 0]),
        (preferred("app=web", &[], &[(3, db())]), &[0, 0, 2], pod("app=db"), [-6, -6, -3, 0], [0, 0, 50, 100]),
        // Their required affinity counts 1 each.
        (required("app=web", &[db()], &[]), &[0, 0, 2], pod("app=db"), [2, 2, 1, 0], [100, 100, 50, 0]),
        // Sums may cancel out: 3 - 3 in zone 1, and nothing elsewhere; equal scores are all 0.
        (preferred("app=web", &[(3, db())], &[(3, db())]), &[0], pod("app=db"), [0, 0, 0, 0], [0, 0, 0, 0]),
        // One third of 100 is cut to 33: zones at 3 and 1, and y at 0.
        (pod("app=web"), &[0, 0, 1, 2], preferred("app=db", &[(1, web())], &[]), [3, 3, 1, 0], [100, 100, 33, 0]),
    ] {
        let scores = four(&existing, nodes, &incoming).scores(NAME, &[0, 1, 2, 3]);
        assert_eq!((scores.raw, scores.normalised), (Some(raw.into()), normalised.into()), "{existing:?} {incoming:?}");
    }
}

#[test]
fn arguments_weigh_and_silence_the_terms_of_existing_pods() {
    let db = || term("app=db", "zone");
    let both = pod_with("app=web", |class| {
        class.spec.pod_affinity.required = vec![db()];
        class.spec.pod_affinity.preferred = vec![(4, db())];
    });
    let own_terms = preferred("app=db", &[(2, term("app=web", "zone"))], &[]);
    for (hard_weight, ignores, incoming, expected) in [
        // 4 of the preferred and 1, 50 or 0 of the required term.
        (1, false, pod("app=db"), Some(5)),
        (50, false, pod("app=db"), Some(54)),
        (0, false, pod("app=db"), Some(4)),
        // Ignored for a pod without terms of its own; with one, theirs count again: 2 + 4 + 1.
        (1, true, pod("app=db"), None),
        (1, true, own_terms, Some(7)),
        // Nobody's terms find it: the plug-in has nothing to say.
        (1, false, pod("app=cache"), None),
    ] {
        let mut scene = four(&both, &[0], &incoming);
        scene.arguments.hard_pod_affinity_weight = hard_weight;
        scene.arguments.ignores_preferred_terms_of_existing_pods = ignores;
        let raw = scene.scores(NAME, &[0, 2]).raw;
        assert_eq!(raw, expected.map(|score| vec![score, 0]), "{hard_weight} {ignores} {incoming:?}");
    }
}
