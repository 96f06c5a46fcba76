//! What only node autoscalers read of a pod: [`PodDisruption`].

use super::spec::owner;
use crate::document::Node as Tree;
use crate::model::PodDisruption;
use crate::model::disruption::{POD_ANNOTATIONS, SAFE_VOLUMES};
use crate::scenario::kubernetes::read::Notes;

/// Reads the annotations and the local volumes of a pod, and whether it has a controller.
pub(super) fn pod_disruption(pod: &Tree, spec: &Tree, notes: &mut Notes) -> PodDisruption {
    let metadata = pod.get("metadata");
    let annotations = metadata.and_then(|metadata| metadata.get("annotations"));
    let annotations = notes.mapping(annotations, "metadata.annotations");
    let tree = |key: &str| annotations.and_then(|annotations| annotations.get(key)).filter(|tree| !tree.is_null());
    // What is no text is none to the API server either; only those annotations that are heeded are looked at.
    let (mut read, ignored) = PodDisruption::of_annotations(|key| tree(key).and_then(Tree::as_text));
    notes.remarks.extend(ignored.into_iter().map(|(key, text)| (text, tree(key).map_or(pod.span, |tree| tree.span))));
    for key in POD_ANNOTATIONS.into_iter().chain([SAFE_VOLUMES]) {
        notes.text(tree(key), &format!("metadata.annotations.\"{key}\""));
    }
    let safe: Vec<&str> = tree(SAFE_VOLUMES).and_then(Tree::as_text).map_or_else(Vec::new, |text| text.split(',').collect());
    let volumes = notes.list(spec.get("volumes"), "spec.volumes");
    let name = |volume: &Tree| volume.get("name").and_then(Tree::as_text).unwrap_or_default().to_owned();
    read.has_local_storage = volumes.iter().any(|volume| is_local(volume) && !safe.contains(&name(volume).as_str()));
    let owner = owner(metadata, notes);
    read.is_mirror |= owner.as_ref().is_some_and(|owner| owner.kind == "Node");
    read.has_no_controller = owner.is_none();
    read
}

/// Whether what a volume holds stays on the node: a path of the host, or an empty directory that is not in memory
/// (`isLocalVolume`).
fn is_local(volume: &Tree) -> bool {
    let source = |key: &str| volume.get(key).filter(|source| !source.is_null());
    let is_on_disk = |directory: &Tree| directory.get("medium").and_then(Tree::as_text) != Some("Memory");
    source("hostPath").is_some() || source("emptyDir").is_some_and(is_on_disk)
}
