//! The script: what is written to actions in order of time. Nodes and objects are followed through it, so that no action
//! can name one that is not there.

use std::collections::BTreeMap;

use super::context::Context;
use super::faults::has_lifecycle;
use super::kubernetes::{Change, Parts, PodMakers, kind_names};
use super::schema::suggestion;
use super::spec::{PromoteSpec, ScaleSpec, ScenarioSpec, ScriptSpec, SetImageSpec, TargetSpec};
use crate::document::Code;
use crate::ids::{NodeId, PoolId};
use crate::model::controllers::Operation;
use crate::model::{Action, Cluster, ScriptedAction};
use crate::units::{SimDuration, SimTime};

/// The script in order of time.
pub(super) fn script(
    spec: &ScenarioSpec,
    makers: &mut PodMakers,
    parts: &mut Parts<'_>,
    context: &mut Context<'_>,
) -> Vec<ScriptedAction> {
    if spec.script.is_empty() {
        return Vec::new();
    }
    let mut replay = ScriptReplay::new(spec, parts.cluster);
    let mut order: Vec<usize> = (0..spec.script.len()).collect();
    order.sort_by_key(|&index| spec.script[index].at);
    let mut actions = Vec::with_capacity(order.len());
    for index in order {
        let at = SimTime::ZERO.after(spec.script[index].at.0);
        let scripted = |action| ScriptedAction { at, action };
        match operations(&spec.script[index], index, makers, parts, context) {
            Some(operations) => actions.extend(operations.into_iter().map(Action::Operate).map(scripted)),
            None => actions.extend(replay.step(spec, index, context).map(scripted)),
        }
    }
    actions
}

/// Follows which nodes are there while the script runs, so that no action can name a node that is not.
struct ScriptReplay {
    nodes: BTreeMap<String, NodeId>,
    pool_sizes: Vec<u32>,
    /// When nodes left.
    gone: BTreeMap<NodeId, SimDuration>,
    next_node: usize,
}

impl ScriptReplay {
    fn new(spec: &ScenarioSpec, cluster: &Cluster) -> ScriptReplay {
        let names = cluster.nodes.iter().enumerate();
        ScriptReplay {
            nodes: names.map(|(index, node)| (node.name.clone(), NodeId::from_index(index))).collect(),
            pool_sizes: spec.cluster.pools.iter().map(|pool| pool.count).collect(),
            gone: BTreeMap::new(),
            next_node: cluster.nodes.len(),
        }
    }

    fn step(&mut self, spec: &ScenarioSpec, index: usize, context: &mut Context<'_>) -> Option<Action> {
        let ScriptSpec { at, cordon, uncordon, drain, remove, crash, out_of_service, add, .. } = &spec.script[index];
        if let Some(add) = add {
            let pool = spec.cluster.pools.iter().position(|pool| pool.name == add.pool)?;
            for _ in 0..add.count {
                let name = format!("{}-{}", add.pool, self.pool_sizes[pool]);
                self.pool_sizes[pool] = self.pool_sizes[pool].saturating_add(1);
                if self.nodes.contains_key(&name) {
                    let message = format!("there is a node `{name}` already, which this would add");
                    context.report(&format!("script[{index}].add"), Code::DuplicateName, message);
                    return None;
                }
                self.nodes.insert(name, NodeId::from_index(self.next_node));
                self.next_node += 1;
            }
            return Some(Action::AddNodes { pool: PoolId::from_index(pool), count: add.count });
        }
        let verbs = [
            (cordon, "cordon"),
            (uncordon, "uncordon"),
            (drain, "drain"),
            (remove, "remove"),
            (crash, "crash"),
            (out_of_service, "outOfService"),
        ];
        let (name, verb) = verbs.into_iter().find_map(|(name, verb)| Some((name.as_ref()?, verb)))?;
        let place = format!("script[{index}].{verb}");
        let Some(&node) = self.nodes.get(name) else {
            let known: Vec<&str> = self.nodes.keys().map(String::as_str).collect();
            unknown_node(name, &place, &known, context);
            return None;
        };
        if let Some(since) = self.gone.get(&node) {
            context.report(&place, Code::Contradiction, format!("the node `{name}` is gone since second {since}"));
            return None;
        }
        if verb == "outOfService" && !has_lifecycle(spec) {
            let message = format!("`{place}` has no meaning without a `cluster.nodeLifecycle`");
            context.report(&place, Code::Contradiction, message);
            return None;
        }
        // With a lifecycle a node that is down is still there, and can be removed.
        if verb == "remove" || verb == "crash" && !has_lifecycle(spec) {
            self.gone.insert(node, at.0);
        }
        Some(match verb {
            "cordon" => Action::Cordon(node),
            "uncordon" => Action::Uncordon(node),
            "drain" => Action::Drain(node),
            "remove" => Action::Remove(node),
            "outOfService" => Action::OutOfService(node),
            _ => Action::Crash(node),
        })
    }
}

fn unknown_node(name: &str, at: &str, known: &[&str], context: &mut Context<'_>) {
    const SHOWN: usize = 10;
    let nearest = suggestion(name, known, "");
    let hint = if nearest.starts_with("did you mean") || known.len() <= SHOWN {
        suggestion(name, known, "the nodes at that time are")
    } else {
        format!("there are {} nodes at that time, from `{}` to `{}`", known.len(), known[0], known[known.len() - 1])
    };
    context.report_with_hint(at, Code::UnknownReference, format!("there is no node `{name}`"), hint);
}

/// Kinds as they are written in targets, with the short names of the command line.
const TARGET_KINDS: &[(&str, &[&str])] = &[
    ("Deployment", &["deployment", "deployments", "deploy"]),
    ("ReplicaSet", &["replicaset", "replicasets", "rs"]),
    ("StatefulSet", &["statefulset", "statefulsets", "sts"]),
    ("DaemonSet", &["daemonset", "daemonsets", "ds"]),
    ("Job", &["job", "jobs"]),
    ("CronJob", &["cronjob", "cronjobs", "cj"]),
    ("ScaledJob", &["scaledjob", "scaledjobs", "sj"]),
    ("Rollout", &["rollout", "rollouts", "ro"]),
    ("ReplicationController", &["replicationcontroller", "replicationcontrollers", "rc"]),
];

/// What an entry does to objects that make pods; none when it is about nodes.
fn operations(
    spec: &ScriptSpec,
    index: usize,
    makers: &mut PodMakers,
    parts: &mut Parts<'_>,
    context: &mut Context<'_>,
) -> Option<Vec<Operation>> {
    let ScriptSpec { apply, delete, scale, set_image, pause, resume, roll_back, promote, abort, retry, .. } = spec;
    if let Some(file) = apply {
        let path = context.existing_path(&format!("script[{index}].apply"), file);
        return Some(path.map_or(Vec::new(), |path| makers.apply(path, parts, &mut context.findings)));
    }
    let plain = [
        (delete, "delete", Change::Delete),
        (pause, "pause", Change::Pause),
        (resume, "resume", Change::Resume),
        (roll_back, "rollBack", Change::RollBack),
        (abort, "abort", Change::Abort),
        (retry, "retry", Change::Retry),
    ];
    let plain = plain.into_iter().find_map(|(target, verb, change)| {
        target.as_ref().map(|TargetSpec { target, namespace }| (target, namespace, verb, change))
    });
    let promote = promote.as_ref().map(|PromoteSpec { target, namespace, full }| {
        (target, namespace, "promote", Change::Promote { is_full: *full })
    });
    let (target, namespace, verb, change) = match (plain.or(promote), scale, set_image) {
        (Some(plain), _, _) => plain,
        (_, Some(ScaleSpec { target, namespace, replicas }), _) => {
            (target, namespace, "scale", Change::Scale(*replicas))
        }
        (_, _, Some(SetImageSpec { target, namespace, container, image })) => {
            (target, namespace, "setImage", Change::SetImage { container, image })
        }
        _ => return None,
    };
    let at = format!("script[{index}].{verb}.target");
    let found = find_target(target, namespace, &at, makers, context);
    let operation = found.and_then(|found| match makers.change(found, change, parts, &mut context.findings) {
        Ok(operation) => Some(operation),
        Err(refusal) => {
            context.report(&at, refusal.code, refusal.message);
            None
        }
    });
    Some(operation.into_iter().collect())
}

/// The object that a target such as `deployment/web` names.
fn find_target(
    target: &str,
    namespace: &str,
    at: &str,
    makers: &PodMakers,
    context: &mut Context<'_>,
) -> Option<usize> {
    let Some((kind, name)) = kind_and_name(target) else {
        let kind = target.split_once('/').map_or(target, |(kind, _)| kind);
        let message = format!("`{target}` is no object that makes pods: write kind and name, such as deployment/web");
        let hint = suggestion(kind, &kind_names(), "the kinds are");
        context.report_with_hint(at, Code::NotAllowed, message, hint);
        return None;
    };
    let found = makers.find(kind, namespace, name);
    // Where manifests could not be read, missing objects are no news.
    if found.is_none() && context.findings.issues.is_empty() {
        let targets = makers.targets(namespace);
        let targets: Vec<&str> = targets.iter().map(String::as_str).collect();
        let written = format!("{}/{name}", kind.to_lowercase());
        let hint = suggestion(&written, &targets, &format!("the objects of the namespace `{namespace}` are"));
        let message = format!("there is no {kind} `{name}` in the namespace `{namespace}`");
        context.report_with_hint(at, Code::UnknownReference, message, hint);
    }
    found
}

/// The kind, as the API calls it, and the name that a target such as `deploy/web` consists of.
pub(super) fn kind_and_name(target: &str) -> Option<(&'static str, &str)> {
    let (kind, name) = target.split_once('/').filter(|(_, name)| !name.is_empty())?;
    let lower = kind.to_lowercase();
    let (kind, _) = TARGET_KINDS.iter().find(|(_, names)| names.contains(&lower.as_str()))?;
    Some((kind, name))
}

#[cfg(test)]
#[allow(clippy::disallowed_methods, reason = "tests write the files that they read")]
mod tests {
    use crate::model::Action;
    use crate::model::Model;
    use crate::model::controllers::Verb;
    use crate::scenario::{Environment, load_scenario};

    /// A Deployment `web` with 2 replicas, with the script; `next.yaml` has its next template, and a Job.
    fn load(script: &str, behaviours: &str) -> Result<Model, String> {
        let directory = tempfile::tempdir().unwrap();
        let write = |name: &str, text: &str| std::fs::write(directory.path().join(name), text).unwrap();
        let deployment = |image: &str, replicas: u32| {
            format!(
                "{{apiVersion: apps/v1, kind: Deployment, metadata: {{name: web}}, spec: {{replicas: {replicas}, \
                 selector: {{matchLabels: {{a: b}}}}, template: {{metadata: {{labels: {{a: b}}}}, \
                 spec: {{containers: [{{name: c, image: {image}}}]}}}}}}}}\n"
            )
        };
        let job = "{apiVersion: batch/v1, kind: Job, metadata: {name: a}, \
                   spec: {template: {spec: {restartPolicy: Never, containers: [{name: c}]}}}}";
        write("web.yaml", &deployment("'web:1'", 2));
        write("next.yaml", &format!("{}---\n{job}", deployment("'web:2'", 3)));
        write(
            "scenario.yaml",
            &format!(
                "apiVersion: wavetank.dev/v1\nkind: Scenario\nmetadata: {{name: s}}\nhorizon: 1h\n\
                 cluster: {{pools: [{{name: n, allocatable: {{cpu: 1, memory: 1Gi}}}}]}}\n\
                 workload: {{manifests: [web.yaml], behaviours: [{behaviours}]}}\nscript: [{script}]\n"
            ),
        );
        let path = directory.path().join("scenario.yaml");
        load_scenario(&path, &[], 0, &Environment::default())
            .map(|loaded| loaded.model)
            .map_err(|error| error.0.iter().map(|issue| format!("{} ", issue.message)).collect())
    }

    /// Templates by revision: `web:1` is 0, `web:2` of the file 1, `web:3` of `setImage` 2.
    #[test]
    fn operations_are_resolved() {
        let model = load(
            "{at: 6s, rollBack: {target: deploy/web}}, {at: 1s, apply: next.yaml}, \
             {at: 2s, setImage: {target: Deployment/web, container: c, image: 'web:3'}}, \
             {at: 3s, setImage: {target: deployment/web, container: c, image: 'web:1'}}, \
             {at: 4s, scale: {target: deployment/web, replicas: 5}}, {at: 5s, pause: {target: deployment/web}}, \
             {at: 7s, delete: {target: deployment/web}}, {at: 8s, apply: web.yaml}, {at: 9s, cordon: n-0}",
            "{kind: Job, runTime: 5s}",
        )
        .unwrap();
        let names: Vec<(&str, usize, bool)> = model
            .controllers
            .list
            .iter()
            .map(|one| (one.name.as_str(), one.templates.len(), one.is_there_at_start))
            .collect();
        // In order of kind: Deployment, Job.
        assert_eq!(names, [("web", 3, true), ("a", 1, false)]);
        let operations: Vec<(u64, u32, Verb)> = model
            .script
            .iter()
            .filter_map(|scripted| match scripted.action {
                Action::Operate(operation) => {
                    Some((scripted.at.0 / 1_000_000_000, operation.controller.0, operation.verb))
                }
                _ => None,
            })
            .collect();
        let template = |revision| Verb::SetTemplate(crate::ids::RevisionId(revision));
        assert_eq!(
            operations,
            [
                (1, 0, template(1)),
                (1, 0, Verb::Scale(3)),
                (1, 1, Verb::Create),
                (2, 0, template(2)),
                (3, 0, template(0)),
                (4, 0, Verb::Scale(5)),
                (5, 0, Verb::Pause),
                // Back to web:3; the file then says web:1 and 2 replicas again.
                (6, 0, Verb::RollBack),
                (7, 0, Verb::Delete),
                (8, 0, Verb::Create),
                (8, 0, template(0)),
                (8, 0, Verb::Scale(2)),
            ]
        );
        assert_eq!(model.script.len(), 13);
        assert_eq!(model.controllers.images, ["web:1", "web:2", "web:3"]);
    }

    #[test]
    fn what_cannot_be_done_is_reported() {
        for (script, behaviours, said) in [
            (
                "{at: 1s, pause: {target: deployment/wob}}",
                "",
                "there is no Deployment `wob` in the namespace `default`",
            ),
            ("{at: 1s, pause: {target: web}}", "", "`web` is no object that makes pods"),
            ("{at: 1s, rollBack: {target: deployment/web}}", "", "has no template to go back to at that time"),
            (
                "{at: 1s, delete: {target: deployment/web}}, {at: 2s, scale: {target: deployment/web, replicas: 1}}",
                "",
                "the Deployment `web` is not there at that time",
            ),
            ("{at: 1s, setImage: {target: deployment/web, container: x, image: y}}", "", "has no container `x`"),
            (
                "{at: 1s, apply: next.yaml}, {at: 2s, scale: {target: job/a, replicas: 1}}",
                "",
                "the Job `a` has no number of replicas",
            ),
            ("{at: 1s, apply: none.yaml}", "", "no such file or directory"),
            ("{at: 1s, cordon: n-0, pause: {target: deployment/web}}", "", "does more than one thing"),
            ("", "{name: wob}", "`workload.behaviours[0]` is about no container"),
            ("", "{kind: Pods}", "`Pods` makes no pods that could be meant"),
            ("", "{exitCodes: {'256': 1}}", "`256` is no exit code"),
            ("", "{checkpointEvery: 0}", "must be more than 0"),
        ] {
            let found = load(script, behaviours).err().unwrap_or_default();
            assert!(found.contains(said), "{script} {behaviours}: {found}");
        }
    }
}
