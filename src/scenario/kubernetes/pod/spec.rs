//! What only kube-scheduler reads of a pod: [`PodSpec`].

use super::affinity::read_affinity;
use crate::document::{Code, Node as Tree};
use crate::model::pod_spec::{DEFAULT_SCHEDULER_NAME, HostPort, Owner, PodResourceClaim, PodSpec, PodVolume};
use crate::scenario::kubernetes::read::Notes;

/// Address that stands for all of a node's addresses.
const ALL_ADDRESSES: &str = "0.0.0.0";

/// Reads the spec of a pod of that namespace and name.
pub(super) fn pod_spec(pod: &Tree, tree: &Tree, (namespace, name): (&str, &str), notes: &mut Notes) -> PodSpec {
    let metadata = pod.get("metadata");
    let scheduler = notes.text(tree.get("schedulerName"), "spec.schedulerName").filter(|name| !name.is_empty());
    let gates = notes.list(tree.get("schedulingGates"), "spec.schedulingGates");
    let group = notes.mapping(tree.get("schedulingGroup"), "spec.schedulingGroup");
    let group = group.and_then(|group| notes.text(group.get("podGroupName"), "spec.schedulingGroup.podGroupName"));
    let mut spec = PodSpec {
        namespace: namespace.to_owned(),
        labels: notes.labels(metadata.and_then(|metadata| metadata.get("labels")), "metadata.labels"),
        owner: owner(metadata, notes),
        scheduler_name: scheduler.unwrap_or(DEFAULT_SCHEDULER_NAME).to_owned(),
        scheduling_gates: gates
            .iter()
            .map(|gate| notes.required_text(gate, "name", "spec.schedulingGates[]").to_owned())
            .collect(),
        host_ports: host_ports(tree, notes),
        images: images(tree, notes),
        volumes: volumes(tree, name, notes),
        resource_claims: resource_claims(pod, tree, notes),
        pod_group: group.map(str::to_owned),
        required_features: required_features(tree),
        ..PodSpec::default()
    };
    read_affinity(tree.get("affinity"), &mut spec, notes);
    spec.topology_spread =
        notes.topology_spread(tree.get("topologySpreadConstraints"), "spec.topologySpreadConstraints", &spec.labels);
    spec
}

/// The owner that says it is the controller.
pub(super) fn owner(metadata: Option<&Tree>, notes: &mut Notes) -> Option<Owner> {
    let owners = notes.list(metadata.and_then(|metadata| metadata.get("ownerReferences")), "metadata.ownerReferences");
    let controller = owners.iter().find(|owner| owner.get("controller").and_then(Tree::as_bool) == Some(true))?;
    let text = |key| controller.get(key).and_then(Tree::as_text).unwrap_or_default().to_owned();
    Some(Owner { api_version: text("apiVersion"), kind: text("kind"), name: text("name") })
}

/// All containers: those that initialise first.
fn containers(tree: &Tree) -> impl Iterator<Item = (bool, &Tree)> {
    let of = |key| tree.get(key).map_or(&[][..], Tree::items).iter();
    of("initContainers").map(|container| (true, container)).chain(of("containers").map(|container| (false, container)))
}

/// The ports of the node that containers and restartable init containers take (`util.GetHostPorts`); on the network of
/// the node every port is one.
fn host_ports(tree: &Tree, notes: &mut Notes) -> Vec<HostPort> {
    const PROTOCOLS: &[(&str, &str)] = &[("TCP", "TCP"), ("UDP", "UDP"), ("SCTP", "SCTP")];
    let on_host_network = notes.truth(tree.get("hostNetwork"), "spec.hostNetwork");
    let mut ports = Vec::new();
    for (is_init, container) in containers(tree) {
        let field = if is_init { "spec.initContainers[].ports" } else { "spec.containers[].ports" };
        let is_restartable = container.get("restartPolicy").and_then(Tree::as_text) == Some("Always");
        for item in notes.list(container.get("ports"), field) {
            let mut number =
                |key| notes.number_within(item.get(key), &format!("{field}[].{key}"), 0..=65535).unwrap_or_default();
            let (host_port, container_port) = (number("hostPort"), number("containerPort"));
            let port = if host_port == 0 && on_host_network { container_port } else { host_port };
            let protocol = notes.choice(item.get("protocol"), &format!("{field}[].protocol"), PROTOCOLS);
            let ip = notes.text(item.get("hostIP"), &format!("{field}[].hostIP")).filter(|ip| !ip.is_empty());
            if port > 0 && (!is_init || is_restartable) {
                let (ip, protocol) = (ip.unwrap_or(ALL_ADDRESSES).to_owned(), protocol.unwrap_or("TCP").to_owned());
                ports.push(HostPort { ip, protocol, port });
            }
        }
    }
    ports.sort();
    ports.dedup();
    ports
}

/// The items of a list that may not be there.
fn items<'t>(tree: &'t Tree, key: &str) -> &'t [Tree] {
    tree.get(key).map_or(&[], Tree::items)
}

/// Features of the kubelet that the pod cannot do without (`component-helpers/nodedeclaredfeatures`), sorted.
fn required_features(tree: &Tree) -> Vec<String> {
    let restarts_all = |(_, container): (bool, &Tree)| {
        let mut rules = items(container, "restartPolicyRules").iter();
        rules.any(|rule| rule.get("action").and_then(Tree::as_text) == Some("RestartAllContainers"))
    };
    let has_options = |(_, container): (bool, &Tree)| {
        items(container, "volumeMounts").iter().any(|mount| !items(mount, "bindMountOptions").is_empty())
    };
    let truth = |key| tree.get(key).and_then(Tree::as_bool);
    let maps_users_on_host_network = truth("hostNetwork") == Some(true) && truth("hostUsers") == Some(false);
    let features = [
        ("RestartAllContainersOnContainerExits", containers(tree).any(restarts_all)),
        ("UserNamespacesHostNetworkSupport", maps_users_on_host_network),
        ("VolumeBindMountOptions", containers(tree).any(has_options)),
    ];
    features.into_iter().filter(|(_, is_needed)| *is_needed).map(|(name, _)| name.to_owned()).collect()
}

/// The images that a node would have to have: of containers, then of volumes. Every container counts, also one without.
fn images(tree: &Tree, notes: &mut Notes) -> Vec<String> {
    let image = |(_, container): (bool, &Tree)| {
        notes.text(container.get("image"), "spec.containers[].image").unwrap_or_default().to_owned()
    };
    let mut images: Vec<String> = containers(tree).map(image).collect();
    for volume in tree.get("volumes").map_or(&[][..], Tree::items) {
        if let Some(image) = volume.get("image").filter(|image| !image.is_null()) {
            let reference = notes.text(image.get("reference"), "spec.volumes[].image.reference");
            images.push(reference.unwrap_or_default().to_owned());
        }
    }
    images
}

fn volumes(tree: &Tree, pod: &str, notes: &mut Notes) -> Vec<PodVolume> {
    let items = notes.list(tree.get("volumes"), "spec.volumes");
    items.iter().filter_map(|item| volume(item, pod, notes)).collect()
}

/// The part of a volume that matters to placement, if any.
fn volume(tree: &Tree, pod: &str, notes: &mut Notes) -> Option<PodVolume> {
    let (key, source) = tree.entries().iter().find_map(|entry| {
        let kinds =
            ["persistentVolumeClaim", "ephemeral", "gcePersistentDisk", "awsElasticBlockStore", "rbd", "iscsi", "csi"];
        let kind = kinds.into_iter().find(|kind| *kind == &*entry.key)?;
        (!entry.value.is_null()).then_some((kind, &entry.value))
    })?;
    let field = format!("spec.volumes[].{key}");
    notes.mapping(Some(source), &field)?;
    let read_only = notes.truth(source.get("readOnly"), &format!("{field}.readOnly"));
    let mut name = |key: &str| notes.required_text(source, key, &field).to_owned();
    Some(match key {
        "persistentVolumeClaim" => PodVolume::Claim { name: name("claimName"), is_ephemeral: false, read_only },
        "ephemeral" => {
            let volume = notes.required_text(tree, "name", "spec.volumes[]");
            PodVolume::Claim { name: format!("{pod}-{volume}"), is_ephemeral: true, read_only: false }
        }
        "gcePersistentDisk" => PodVolume::GcePersistentDisk { name: name("pdName"), read_only },
        "awsElasticBlockStore" => PodVolume::AwsElasticBlockStore { id: name("volumeID") },
        "rbd" => {
            let image = name("image");
            let pool = notes.text(source.get("pool"), "spec.volumes[].rbd.pool").filter(|pool| !pool.is_empty());
            let monitors = notes.texts(source.get("monitors"), "spec.volumes[].rbd.monitors");
            PodVolume::Rbd {
                monitors: monitors.into_iter().map(str::to_owned).collect(),
                // The default of the API server.
                pool: pool.unwrap_or("rbd").to_owned(),
                image,
                read_only,
            }
        }
        "iscsi" => PodVolume::Iscsi { iqn: name("iqn"), read_only },
        _ => PodVolume::InlineCsi { driver: name("driver") },
    })
}

/// The claims of devices. Those made from templates are named in the status; a template that needs no claim is left out.
fn resource_claims(pod: &Tree, tree: &Tree, notes: &mut Notes) -> Vec<PodResourceClaim> {
    let statuses = pod.at(&["status", "resourceClaimStatuses"]).map_or(&[][..], Tree::items);
    let mut claims = Vec::new();
    for item in notes.list(tree.get("resourceClaims"), "spec.resourceClaims") {
        let name = notes.required_text(item, "name", "spec.resourceClaims[]");
        let mut text = |key: &str| notes.text(item.get(key), &format!("spec.resourceClaims[].{key}"));
        let (claim, template) = (text("resourceClaimName"), text("resourceClaimTemplateName"));
        if claim.is_some() == template.is_some() {
            let message = "`spec.resourceClaims[]` needs either `resourceClaimName` or `resourceClaimTemplateName`";
            notes.refuse(Code::Contradiction, item.span, message);
        }
        let status = statuses.iter().find(|status| status.get("name").and_then(Tree::as_text) == Some(name));
        let made = match (claim, status) {
            (Some(claim), _) => Some(claim),
            (None, None) => None,
            (None, Some(status)) => match status.get("resourceClaimName").and_then(Tree::as_text) {
                Some(made) => Some(made),
                None => continue,
            },
        };
        let template = template.filter(|_| made.is_none()).map(str::to_owned);
        let claim = made.map(str::to_owned);
        claims.push(PodResourceClaim { name: name.to_owned(), claim, template });
    }
    claims
}
