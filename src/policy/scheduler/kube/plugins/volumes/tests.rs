//! Tables for volumes.

use super::*;
use crate::model::PodClass;
use crate::model::cluster::Label;
use crate::model::objects::{AccessMode, CsiDriver, CsiNodeDriver, Objects, StorageCapacity};
use crate::policy::scheduler::kube::diagnosis::Diagnosis;
use crate::policy::scheduler::kube::test_cluster::{Scene, TestCluster, labels, node_term, pod_with, selector};

const NODES: [&str; 3] = ["a zone=1", "b zone=2", "c"];
const GIB: u64 = 1 << 30;

fn pv(name: &str, gib: u64, nodes: Option<&str>) -> PersistentVolume {
    PersistentVolume {
        name: name.into(),
        labels: vec![],
        capacity_bytes: gib * GIB,
        access_modes: vec![AccessMode::ReadWriteOnce],
        storage_class: "slow".into(),
        is_block: false,
        node_affinity: nodes.map(|nodes| vec![node_term(nodes)]),
        claim: None,
        is_claim_bound: false,
        csi: None,
        is_available: true,
        is_deleting: false,
    }
}

fn pvc(name: &str, gib: u64) -> PersistentVolumeClaim {
    PersistentVolumeClaim {
        namespace: "default".into(),
        name: name.into(),
        selector: None,
        request_bytes: gib * GIB,
        access_modes: vec![AccessMode::ReadWriteOnce],
        storage_class: Some("slow".into()),
        is_block: false,
        volume: String::new(),
        is_bind_completed: false,
        selected_node: None,
        owner_pod: None,
        is_lost: false,
        is_deleting: false,
    }
}

fn bound(name: &str, volume: &str) -> PersistentVolumeClaim {
    PersistentVolumeClaim { volume: volume.into(), is_bind_completed: true, ..pvc(name, 1) }
}

fn class(name: &str, provisioner: &str, waits_for_consumer: bool) -> StorageClass {
    StorageClass {
        name: name.into(),
        provisioner: provisioner.into(),
        waits_for_consumer,
        allowed_topologies: vec![],
        is_default: false,
    }
}

/// The class `slow` waits for its first consumer and makes no volumes.
fn objects(volumes: &[PersistentVolume], claims: &[PersistentVolumeClaim]) -> Objects {
    Objects {
        persistent_volumes: volumes.to_vec(),
        persistent_volume_claims: claims.to_vec(),
        storage_classes: vec![class("slow", "kubernetes.io/no-provisioner", true)],
        ..Objects::default()
    }
}

fn with(volumes: &[PodVolume]) -> PodClass {
    pod_with("app=web", |class| class.spec.volumes = volumes.to_vec())
}

fn uses(name: &str) -> PodVolume {
    PodVolume::Claim { name: name.into(), is_ephemeral: false, read_only: false }
}

/// A scene with one pod that waits, and others that run on nodes.
fn scene(objects: Objects, placed: &[(&PodClass, u32)], incoming: &PodClass) -> Scene {
    let mut cluster = TestCluster::new(&NODES);
    cluster.model.objects = objects;
    placed.iter().fold(cluster, |cluster, (class, node)| cluster.place(class, &[*node])).scene(incoming)
}

/// What a plug-in says before it looks at nodes, or of each of them.
fn verdict(scene: &Scene, plugin: &str) -> String {
    match scene.framework(&[plugin]).pre_filter(&scene.cycle()) {
        Ok(filters) if filters.filters.is_empty() => "skip".to_owned(),
        Ok(filters) => scene.verdicts(&filters),
        Err(rejected) => rejected.diagnosis.pre_filter_message,
    }
}

fn reasons(scene: &Scene, plugin: &str) -> Vec<String> {
    let Diagnosis { nodes, .. } = scene.diagnosis(&scene.filters(plugin));
    nodes.into_values().map(|rejection| rejection.message()).collect()
}

#[test]
fn disks_are_shared_by_readers_only() {
    let gce = |name: &str, read_only| PodVolume::GcePersistentDisk { name: name.into(), read_only };
    let aws = |id: &str| PodVolume::AwsElasticBlockStore { id: id.into() };
    let iscsi = |iqn: &str, read_only| PodVolume::Iscsi { iqn: iqn.into(), read_only };
    let rbd = |monitors: &[&str], image: &str, read_only| PodVolume::Rbd {
        monitors: monitors.iter().map(|monitor| (*monitor).to_owned()).collect(),
        pool: "pool".into(),
        image: image.into(),
        read_only,
    };
    for (existing, incoming, expected) in [
        (gce("d", false), gce("d", false), "u.."),
        (gce("d", true), gce("d", false), "u.."),
        (gce("d", true), gce("d", true), "..."),
        (gce("d", false), gce("e", false), "..."),
        (aws("vol-1"), aws("vol-1"), "u.."),
        (aws("vol-1"), gce("vol-1", false), "..."),
        (iscsi("iqn", true), iscsi("iqn", false), "u.."),
        (iscsi("iqn", true), iscsi("iqn", true), "..."),
        (rbd(&["m1", "m2"], "i", false), rbd(&["m2"], "i", false), "u.."),
        (rbd(&["m1"], "i", false), rbd(&["m2"], "i", false), "..."),
        (rbd(&["m1"], "i", false), rbd(&["m1"], "j", false), "..."),
        (rbd(&["m1"], "i", true), rbd(&["m1"], "i", true), "..."),
        (gce("d", false), uses("claim"), "skip"),
    ] {
        let (existing, incoming) = (with(&[existing]), with(&[incoming]));
        let scene = scene(objects(&[], &[pvc("claim", 1)]), &[(&existing, 0)], &incoming);
        assert_eq!(verdict(&scene, RESTRICTIONS), expected, "{existing:?} {incoming:?}");
    }
}

#[test]
fn a_claim_for_one_pod_is_not_given_to_a_second() {
    let alone = PersistentVolumeClaim { access_modes: vec![AccessMode::ReadWriteOncePod], ..pvc("alone", 1) };
    let foreign = pod_with("app=web", |class| {
        class.spec.volumes = vec![uses("alone")];
        class.spec.namespace = "other".into();
    });
    let user = with(&[uses("alone")]);
    let at = |placed: &[(&PodClass, u32)]| scene(objects(&[], std::slice::from_ref(&alone)), placed, &user);
    assert_eq!(verdict(&at(&[]), RESTRICTIONS), "skip");
    assert_eq!(verdict(&at(&[(&foreign, 0)]), RESTRICTIONS), "skip");
    let taken = at(&[(&user, 0)]);
    assert_eq!(verdict(&taken, RESTRICTIONS), "uuu");
    // When the user of the claim makes room, the claim is free.
    let mut filters = taken.filters(RESTRICTIONS).fork();
    let view = taken.cycle().view;
    let node = crate::policy::scheduler::kube::NodeInfo::new(view, crate::ids::NodeId(0));
    filters.remove_pod(crate::ids::PodId(0), &node);
    assert_eq!(taken.verdicts(&filters), "...");
    let missing = scene(objects(&[], &[]), &[], &user);
    assert_eq!(verdict(&missing, RESTRICTIONS), "persistentvolumeclaim \"alone\" not found");
}

#[test]
fn volumes_hold_pods_to_their_zones() {
    let zone = "topology.kubernetes.io/zone";
    let old_zone = "failure-domain.beta.kubernetes.io/zone";
    let labelled = |key: &str, value: &str| {
        let labels = vec![Label { key: key.into(), value: value.into() }];
        objects(&[PersistentVolume { labels, ..pv("v", 1, None) }], &[bound("claim", "v")])
    };
    let immediate = StorageClass { waits_for_consumer: false, ..class("slow", "p", false) };
    let changed = |change: &dyn Fn(&mut Objects)| {
        let mut objects = objects(&[], &[pvc("claim", 1)]);
        change(&mut objects);
        objects
    };
    for (objects, expected) in [
        (labelled(zone, "z1"), ".x."),
        (labelled(zone, "z1__z2"), "..."),
        (labelled(zone, "z3"), "xx."),
        // The node may carry the label's present name.
        (labelled(old_zone, "z1"), ".x."),
        // An empty zone spoils the label; other labels do not count.
        (labelled(zone, "z1__"), "skip"),
        (labelled("disk", "z1"), "skip"),
        // Not bound: it may wait, or should have been bound before.
        (changed(&|_| {}), "skip"),
        (changed(&|objects| objects.storage_classes = vec![immediate.clone()]), "PersistentVolume had no name"),
        (changed(&|objects| objects.storage_classes.clear()), "storageclass.storage.k8s.io \"slow\" not found"),
        (
            changed(&|objects| objects.persistent_volume_claims[0].storage_class = None),
            "PersistentVolumeClaim had no pv name and storageClass name",
        ),
        (
            changed(&|objects| objects.persistent_volume_claims[0].volume = "gone".into()),
            "persistentvolume \"gone\" not found",
        ),
        (changed(&|objects| objects.persistent_volume_claims.clear()), "persistentvolumeclaim \"claim\" not found"),
    ] {
        let mut cluster =
            TestCluster::new(&["a topology.kubernetes.io/zone=z1", "b topology.kubernetes.io/zone=z2", "c"]);
        cluster.model.objects = objects.clone();
        assert_eq!(verdict(&cluster.scene(&with(&[uses("claim")])), ZONE), expected, "{objects:?}");
    }
}

#[test]
fn drivers_attach_so_many_volumes_and_no_more() {
    let csi = |name: &str| PersistentVolume { csi: Some(("ebs".into(), name.into())), ..pv(name, 1, None) };
    let mut objects = objects(
        &[csi("v1"), csi("v2"), csi("v3")],
        &[bound("c1", "v1"), bound("c2", "v2"), bound("c3", "v3"), pvc("new", 1)],
    );
    objects.storage_classes[0].provisioner = "ebs".into();
    let node = |max| vec![CsiNodeDriver { driver: "ebs".into(), attachable_max: max }];
    objects.csi_nodes = [("a".to_owned(), node(Some(2))), ("b".to_owned(), node(None))].into();
    let user = |names: &[&str]| with(&names.iter().map(|name| uses(name)).collect::<Vec<_>>());
    for (placed, incoming, expected) in [
        // Of 2 that node a can attach, none is taken, one is, two are; b has no limit, and c says nothing.
        (vec![], user(&["c1"]), "..."),
        (vec![user(&["c1"])], user(&["c2"]), "..."),
        (vec![user(&["c1", "c2"])], user(&["c3"]), "u.."),
        (vec![user(&["c1"]), user(&["c2"])], user(&["c3"]), "u.."),
        (vec![], user(&["c1", "c2", "c3"]), "u.."),
        // A volume that is there already is not attached again.
        (vec![user(&["c1", "c2"])], user(&["c2"]), "..."),
        (vec![user(&["c1"])], user(&["c1", "c2"]), "..."),
        // A volume that is still to be made counts by its class.
        (vec![user(&["c1", "c2"])], user(&["new"]), "u.."),
        (vec![user(&["c1"]), user(&["new"])], user(&["c2"]), "u.."),
        (vec![], user(&[]), "skip"),
    ] {
        let placed: Vec<_> = placed.iter().map(|class| (class, 0)).collect();
        assert_eq!(verdict(&scene(objects.clone(), &placed, &incoming), LIMITS), expected, "{placed:?} {incoming:?}");
    }
    // A driver may insist on being there.
    let driver = CsiDriver {
        name: "ebs".into(),
        has_storage_capacity: false,
        requires_attach: true,
        prevents_scheduling_if_missing: true,
    };
    let missing = scene(Objects { csi_drivers: vec![driver], ..objects }, &[], &user(&["c1"]));
    assert_eq!(verdict(&missing, LIMITS), "..u");
    assert_eq!(reasons(&missing, LIMITS), ["ebs CSI driver is not installed on the node"]);
}

#[test]
fn bound_claims_hold_pods_to_their_volumes() {
    let objects = objects(
        &[pv("v1", 1, Some("zone=1")), pv("v2", 1, Some("zone=2")), pv("v9", 1, None)],
        &[bound("c1", "v1"), bound("c2", "v2"), bound("c3", "v3"), bound("c9", "v9")],
    );
    let at =
        |names: &[&str]| scene(objects.clone(), &[], &with(&names.iter().map(|name| uses(name)).collect::<Vec<_>>()));
    assert_eq!(verdict(&at(&["c1"]), BINDING), ".xx");
    assert_eq!(verdict(&at(&["c1", "c2"]), BINDING), "xxx");
    assert_eq!(verdict(&at(&["c9"]), BINDING), "...");
    assert_eq!(reasons(&at(&["c1"]), BINDING), ["node(s) didn't match PersistentVolume's node affinity"; 2]);
    let gone = "node(s) unavailable due to one or more pvc(s) bound to non-existent pv(s)";
    assert_eq!(reasons(&at(&["c3"]), BINDING), [gone; 3]);
    assert_eq!(verdict(&at(&[]), BINDING), "skip");
}

#[test]
fn claims_that_cannot_be_used_keep_the_pod_out() {
    let changed = |change: &dyn Fn(&mut PersistentVolumeClaim)| {
        let mut claim = pvc("claim", 1);
        change(&mut claim);
        objects(&[], &[claim])
    };
    let ephemeral = PodVolume::Claim { name: "claim".into(), is_ephemeral: true, read_only: false };
    let own = |owner: &str| changed(&|claim| claim.owner_pod = Some(owner.to_owned()));
    let waiting = "waiting for ephemeral volume controller to create the persistentvolumeclaim \"claim\"";
    let foreign = "PVC default/claim was not created for pod default/p0 (pod is not owner)";
    for (objects, volume, expected) in [
        (objects(&[], &[]), uses("claim"), "persistentvolumeclaim \"claim\" not found"),
        (objects(&[], &[]), ephemeral.clone(), waiting),
        (own("p7"), ephemeral.clone(), foreign),
        (own("p0"), ephemeral, "xxx"),
        (changed(&|claim| claim.is_deleting = true), uses("claim"), "persistentvolumeclaim \"claim\" is being deleted"),
        (
            changed(&|claim| (claim.is_lost, claim.volume) = (true, "v".into())),
            uses("claim"),
            "persistentvolumeclaim \"claim\" bound to non-existent persistentvolume \"v\"",
        ),
        // A claim of no class that waits should have been bound, and so should one that names its volume.
        (
            changed(&|claim| claim.storage_class = None),
            uses("claim"),
            "pod has unbound immediate PersistentVolumeClaims",
        ),
        (
            changed(&|claim| claim.volume = "v".into()),
            uses("claim"),
            "pod has unbound immediate PersistentVolumeClaims",
        ),
    ] {
        assert_eq!(verdict(&scene(objects, &[], &with(&[volume])), BINDING), expected);
    }
}

#[test]
fn waiting_claims_find_volumes_that_suit_claim_and_node() {
    let changed = |change: &dyn Fn(&mut PersistentVolume)| {
        let mut volume = pv("v", 5, Some("zone=1"));
        change(&mut volume);
        vec![volume]
    };
    let reserved = |name: &str, gib, nodes| PersistentVolume {
        claim: Some(("default".into(), name.into())),
        ..pv("reserved", gib, Some(nodes))
    };
    let two = |gib| vec![pv("v", 5, None), pv("w", gib, None)];
    let (one, both) = (vec![uses("c1")], vec![uses("c1"), uses("c2")]);
    for (volumes, claims, expected) in [
        (changed(&|_| {}), &one, ".xx"),
        // Too small, of another class, mode or access, not free, on its way out, kept for another.
        (changed(&|volume| volume.capacity_bytes = 2 * GIB), &one, "xxx"),
        (changed(&|volume| volume.storage_class = "fast".into()), &one, "xxx"),
        (changed(&|volume| volume.is_block = true), &one, "xxx"),
        (changed(&|volume| volume.access_modes = vec![AccessMode::ReadOnlyMany]), &one, "xxx"),
        (changed(&|volume| volume.is_available = false), &one, "xxx"),
        (changed(&|volume| volume.is_deleting = true), &one, "xxx"),
        (vec![reserved("other", 5, "zone=1")], &one, "xxx"),
        // One that is reserved for the claim is taken even though another would do, and binds it to its node.
        (vec![pv("a", 5, None), reserved("c1", 5, "zone=1")], &one, ".xx"),
        // Claims of 3 and 4 GiB need a volume each; the smaller claim chooses first, and takes the smaller volume.
        (two(4), &both, "..."),
        (two(3), &both, "..."),
        (two(2), &both, "xxx"),
        (changed(&|_| {}), &both, "xxx"),
    ] {
        let objects = objects(&volumes, &[pvc("c1", 3), pvc("c2", 4)]);
        assert_eq!(verdict(&scene(objects, &[], &with(claims)), BINDING), expected, "{volumes:?} {claims:?}");
    }
    // A selector looks at the volume's labels.
    let picky = PersistentVolumeClaim { selector: Some(selector("disk=ssd")), ..pvc("c1", 3) };
    for (disk, expected) in [("disk=ssd", "..."), ("disk=hdd", "xxx")] {
        let volume = PersistentVolume { labels: labels(disk), ..pv("v", 5, None) };
        assert_eq!(
            verdict(&scene(objects(&[volume], std::slice::from_ref(&picky)), &[], &with(&one)), BINDING),
            expected
        );
    }
}

#[test]
fn classes_make_volumes_where_there_is_room() {
    let bind = "node(s) didn't find available persistent volumes to bind";
    let space = "node(s) did not have enough free storage";
    let capacity = |gib: Option<u64>, largest: Option<u64>, nodes: Option<&str>| StorageCapacity {
        name: "s".into(),
        storage_class: "slow".into(),
        node_topology: nodes.map(selector),
        capacity_bytes: gib.map(|gib| gib * GIB),
        maximum_volume_bytes: largest.map(|gib| gib * GIB),
    };
    let driver = CsiDriver {
        name: "ebs".into(),
        has_storage_capacity: true,
        requires_attach: true,
        prevents_scheduling_if_missing: false,
    };
    let base = || {
        let mut objects = objects(&[], &[pvc("claim", 3)]);
        objects.storage_classes[0].provisioner = "ebs".into();
        objects
    };
    let changed = |change: &dyn Fn(&mut Objects)| {
        let mut objects = base();
        change(&mut objects);
        objects
    };
    let tracked = |capacity: StorageCapacity| Objects {
        csi_drivers: vec![driver.clone()],
        storage_capacities: vec![capacity],
        ..base()
    };
    for (objects, expected, reason) in [
        (base(), "...", bind),
        (changed(&|objects| objects.storage_classes[0].allowed_topologies = vec![node_term("zone=1|2")]), "..x", bind),
        (changed(&|objects| objects.persistent_volume_claims[0].selected_node = Some("b".into())), "x.x", bind),
        // 3 GiB of 4 in zone 1; of 2; of 9 in volumes of 2 at most; of an unknown amount; for no node.
        (tracked(capacity(Some(4), None, Some("zone=1"))), ".xx", space),
        (tracked(capacity(Some(2), None, Some("zone=1"))), "xxx", space),
        (tracked(capacity(Some(9), Some(2), Some(""))), "xxx", space),
        (tracked(capacity(None, None, Some(""))), "xxx", space),
        (tracked(capacity(Some(9), None, None)), "xxx", space),
        (tracked(capacity(Some(9), None, Some(""))), "...", space),
    ] {
        let scene = scene(objects.clone(), &[], &with(&[uses("claim")]));
        assert_eq!(verdict(&scene, BINDING), expected, "{objects:?}");
        assert!(reasons(&scene, BINDING).iter().all(|found| found == reason), "{objects:?}");
    }
}

#[test]
fn nodes_score_by_the_share_that_would_be_taken() {
    // 1 of 4 GiB in zone 1, 1 of 2 in zone 2: 25 % and 50 %, which the shape turns to 75 and 50; on c 1 of 100.
    let volumes = [pv("v1", 4, Some("zone=1")), pv("v2", 2, Some("zone=2")), pv("v3", 100, Some("!zone"))];
    let found = scene(objects(&volumes, &[pvc("claim", 1)]), &[], &with(&[uses("claim")]));
    assert_eq!(found.scores(BINDING, &[0, 1, 2]).raw, Some(vec![75, 50, 99]));
    // The other way round, with a knee: 25 % is half way from 0 at 0 to 4 at 50 %.
    let mut knee = scene(objects(&volumes, &[pvc("claim", 1)]), &[], &with(&[uses("claim")]));
    knee.arguments.volume_binding_shape = vec![(0, 0), (50, 4), (100, 10)];
    assert_eq!(knee.scores(BINDING, &[0, 1]).raw, Some(vec![20, 40]));
    // Volumes to be made: 2 x 3 GiB of the 8 that are there, and not of 16: 75 %.
    let mut made = objects(&[], &[pvc("c1", 3), pvc("c2", 3)]);
    made.storage_classes[0].provisioner = "ebs".into();
    made.csi_drivers = vec![CsiDriver {
        name: "ebs".into(),
        has_storage_capacity: true,
        requires_attach: true,
        prevents_scheduling_if_missing: false,
    }];
    made.storage_capacities = vec![StorageCapacity {
        name: "s".into(),
        storage_class: "slow".into(),
        node_topology: Some(selector("")),
        capacity_bytes: Some(8 * GIB),
        maximum_volume_bytes: None,
    }];
    let made = scene(made, &[], &with(&[uses("c1"), uses("c2")]));
    assert_eq!(made.scores(BINDING, &[0]).raw, Some(vec![25]));
    // A pod without claims is scored, with nothing.
    assert_eq!(scene(Objects::default(), &[], &with(&[])).scores(BINDING, &[0, 1]).raw, Some(vec![0, 0]));
}
