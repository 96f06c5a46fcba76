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
    let safe: Vec<&str> =
        tree(SAFE_VOLUMES).and_then(Tree::as_text).map_or_else(Vec::new, |text| text.split(',').collect());
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

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::document::parse_value;
    use crate::model::disruption::SafeToEvict;

    /// What is read of a pod with this metadata and spec, and what is said about it.
    fn read(metadata: &str, spec: &str) -> (PodDisruption, Vec<String>) {
        let file: Arc<str> = "pod.yaml".into();
        let text = format!("{{metadata: {{{metadata}}}, spec: {{{spec}}}}}");
        let pod = parse_value(&text, &file).expect("it can be read");
        let mut notes = Notes::new(&file);
        let read = pod_disruption(&pod, pod.get("spec").expect("a spec"), &mut notes);
        let remarks = notes.remarks.iter().map(|(text, span)| format!("{}: {text}", span.column));
        (read, remarks.chain(notes.issues.iter().map(|issue| issue.message.clone())).collect())
    }

    const OWNED: &str = "ownerReferences: [{apiVersion: apps/v1, kind: ReplicaSet, name: web, controller: true}]";

    #[test]
    fn volumes_that_would_be_lost_are_found() {
        let safe = |names: &str| format!("{OWNED}, annotations: {{{SAFE_VOLUMES}: '{names}'}}");
        for (metadata, volumes, is_local) in [
            (OWNED, "", false),
            (OWNED, "{name: a, emptyDir: {}}", true),
            (OWNED, "{name: a, emptyDir: {medium: Memory}}", false),
            (OWNED, "{name: a, emptyDir: {medium: HugePages}}", true),
            (OWNED, "{name: a, hostPath: {path: /var}}", true),
            (OWNED, "{name: a, configMap: {name: c}}, {name: b, persistentVolumeClaim: {claimName: d}}", false),
            (&safe("a"), "{name: a, emptyDir: {}}", false),
            (&safe("a"), "{name: a, emptyDir: {}}, {name: b, hostPath: {path: /}}", true),
            (&safe("b,a"), "{name: a, emptyDir: {}}, {name: b, hostPath: {path: /}}", false),
            // Blanks are part of the names.
            (&safe("b, a"), "{name: a, emptyDir: {}}, {name: b, hostPath: {path: /}}", true),
        ] {
            let (read, said) = read(metadata, &format!("volumes: [{volumes}]"));
            assert_eq!((read.has_local_storage, said.len()), (is_local, 0), "{metadata}, {volumes}");
        }
    }

    #[test]
    fn owners_tell_who_makes_another() {
        let of = |kind: &str, is_controller: bool| {
            format!("ownerReferences: [{{apiVersion: v1, kind: {kind}, name: x, controller: {is_controller}}}]")
        };
        for (metadata, has_no_controller, is_mirror) in [
            (String::new(), true, false),
            (of("Job", true), false, false),
            (of("Job", false), true, false),
            (of("Node", true), false, true),
            ("annotations: {kubernetes.io/config.mirror: '1a'}".to_owned(), true, true),
        ] {
            let (read, _) = read(&metadata, "");
            assert_eq!((read.has_no_controller, read.is_mirror), (has_no_controller, is_mirror), "{metadata}");
        }
    }

    #[test]
    fn values_that_say_nothing_are_told_with_their_place() {
        let (wrong, said) =
            read("annotations: {cluster-autoscaler.kubernetes.io/safe-to-evict: 'yes', example.com/other: 7}", "");
        assert_eq!(wrong.safe_to_evict, SafeToEvict::Unsaid);
        let text = "`safe-to-evict` is \"true\", \"false\" or \"on-completion\"; all else says nothing";
        assert_eq!(said, [format!("75: {text}")]);
        // YAML's `true` is no text, which the API server refuses.
        let (_, said) = read("annotations: {karpenter.sh/do-not-disrupt: true}", "");
        assert_eq!(said, ["`metadata.annotations.\"karpenter.sh/do-not-disrupt\"` must be text, not a truth value"]);
    }
}
