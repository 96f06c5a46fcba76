//! Pods with claims of volumes, from manifests to the end of the run.

use super::manifests::{model, run, starts};

fn node(name: &str, zone: &str) -> String {
    format!(
        "
apiVersion: v1
kind: Node
metadata: {{name: {name}, labels: {{zone: {zone}}}}}
status: {{allocatable: {{cpu: 8, memory: 8Gi, pods: 10}}}}
---"
    )
}

fn pod(name: &str, claim: &str, selector: &str) -> String {
    format!(
        "
apiVersion: v1
kind: Pod
metadata: {{name: {name}}}
spec:
  nodeSelector: {{{selector}}}
  containers: [{{name: main, image: x}}]
  volumes: [{{name: data, persistentVolumeClaim: {{claimName: {claim}}}}}]
---"
    )
}

fn claim(name: &str, mode: &str) -> String {
    format!(
        "
apiVersion: v1
kind: PersistentVolumeClaim
metadata: {{name: {name}}}
spec: {{storageClassName: wait, accessModes: [{mode}], resources: {{requests: {{storage: 1Gi}}}}}}
---"
    )
}

fn volume(name: &str, gib: u32, zone: &str) -> String {
    format!(
        "
apiVersion: v1
kind: PersistentVolume
metadata: {{name: {name}}}
spec:
  storageClassName: wait
  accessModes: [ReadWriteOnce, ReadWriteOncePod]
  capacity: {{storage: {gib}Gi}}
  nodeAffinity: {{required: {{nodeSelectorTerms: [{{matchExpressions: [{{key: zone, operator: In, values: [{zone}]}}]}}]}}}}
---"
    )
}

fn class(provisioner: &str) -> String {
    format!(
        "
apiVersion: storage.k8s.io/v1
kind: StorageClass
metadata: {{name: wait}}
provisioner: {provisioner}
volumeBindingMode: WaitForFirstConsumer
---"
    )
}

/// The volume of each claim at the end, in order of name, and the node on which each pod was or is; pods that run for ever
/// keep theirs.
fn outcome(text: &str) -> (Vec<String>, Vec<Option<String>>, Vec<f64>) {
    let model = model(text);
    let world = run(&model).world;
    let claims = 0..model.objects.persistent_volume_claims.len() as u32;
    let volume = |at| world.volumes.claim(at).map_or(String::new(), |claim| claim.volume.clone());
    let node = |pod: usize| {
        let pod = wavetank::ids::PodId(pod as u32);
        world.pods.node(pod).map(|node| world.nodes.name(node).to_owned())
    };
    (claims.map(volume).collect(), (0..world.pods.len()).map(node).collect(), starts(&world))
}

/// Two pods of one claim: the first, held to zone b, decides where the second goes, which may go anywhere. The smaller of the
/// volumes there is taken.
#[test]
fn a_claim_is_bound_by_the_first_pod_and_holds_the_second() {
    let text = [
        class("kubernetes.io/no-provisioner"),
        volume("a1", 1, "a") + &volume("b2", 2, "b") + &volume("b5", 5, "b"),
        claim("data", "ReadWriteOnce"),
        node("na", "a") + &node("nb", "b"),
        pod("first", "data", "zone: b") + &pod("second", "data", ""),
    ];
    let on_b = || Some("nb".to_owned());
    assert_eq!(outcome(&text.concat()), (vec!["b2".to_owned()], vec![on_b(), on_b()], vec![0.0, 0.0]));
}

/// One volume for two claims: the second pod waits for ever, for the volume stays bound when the first pod ends.
#[test]
fn a_volume_stays_bound_when_the_pod_ends() {
    let text = [
        class("kubernetes.io/no-provisioner"),
        volume("v", 1, "a"),
        claim("c1", "ReadWriteOnce") + &claim("c2", "ReadWriteOnce"),
        node("n", "a"),
        pod("p1-10s", "c1", "") + &pod("p2", "c2", "") + &pod("p3-10s", "c1", ""),
    ];
    let (claims, nodes, starts) = outcome(&text.concat());
    assert_eq!((claims, nodes), (vec!["v".to_owned(), String::new()], vec![None; 3]));
    assert_eq!(starts, [0.0, -1.0, 0.0]);
}

/// A claim for one pod only: the second pod comes in when the first has ended, and to the same volume.
#[test]
fn a_claim_for_one_pod_is_free_when_the_pod_ends() {
    let text = [
        class("kubernetes.io/no-provisioner"),
        volume("v", 1, "a"),
        claim("data", "ReadWriteOncePod"),
        node("n", "a"),
        pod("p1-10s", "data", "") + &pod("p2-10s", "data", ""),
    ];
    let (claims, _, starts) = outcome(&text.concat());
    assert_eq!((claims, starts), (vec!["v".to_owned()], vec![0.0, 10.0]));
}

/// Volumes are made in the zone of the first pod, as the driver's topology keys say, and count against the driver's limit:
/// the third claim finds no room on the one node of zone b until the first pod has ended.
#[test]
fn volumes_are_made_and_attached_within_limits() {
    let csi_node = |name: &str, count: u32| {
        format!(
            "
apiVersion: storage.k8s.io/v1
kind: CSINode
metadata: {{name: {name}}}
spec: {{drivers: [{{name: disks, nodeID: {name}, topologyKeys: [zone], allocatable: {{count: {count}}}}}]}}
---"
        )
    };
    let text = [
        class("disks"),
        claim("c1", "ReadWriteOnce") + &claim("c2", "ReadWriteOnce") + &claim("c3", "ReadWriteOnce"),
        node("na", "a") + &node("nb", "b"),
        csi_node("na", 5) + &csi_node("nb", 2),
        pod("p1-10s", "c1", "zone: b")
            + &pod("p2", "c2", "zone: b")
            + &pod("p3", "c3", "zone: b")
            + &pod("p4", "c2", ""),
    ];
    let (claims, nodes, starts) = outcome(&text.concat());
    assert_eq!(claims, ["c1", "c2", "c3"].map(|name| format!("pvc-default-{name}")));
    let on_b = || Some("nb".to_owned());
    assert_eq!(nodes, [None, on_b(), on_b(), on_b()]);
    assert_eq!(starts, [0.0, 0.0, 10.0, 0.0]);
}
