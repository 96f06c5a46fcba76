//! What is wrong with a NodePool is said with its place.

use super::super::{Findings, files};
use super::*;
use crate::document::{Source, parse};

/// What is said about a NodePool with this `spec`.
fn said_of(spec: &str) -> Vec<String> {
    let text = format!("{{apiVersion: karpenter.sh/v1, kind: NodePool, metadata: {{name: p}}, spec: {spec}}}");
    let source = Source { file: "pool.yaml".into(), text };
    let mut findings = Findings::default();
    let documents = parse(&source, &mut findings.issues);
    for object in files::objects_of(&source.file, &documents, &mut findings) {
        add(&object, &mut findings);
    }
    assert_eq!(findings.node_pools.len(), usize::from(findings.issues.is_empty()));
    findings.issues.into_sorted().iter().map(|issue| issue.message.clone()).collect()
}

const CLASS: &str = "nodeClassRef: {group: karpenter.k8s.aws, kind: EC2NodeClass, name: default}";

/// The same of one with these requirements.
fn said_of_requirement(requirement: &str) -> Vec<String> {
    said_of(&format!("{{template: {{spec: {{{CLASS}, requirements: [{requirement}]}}}}}}"))
}

#[test]
fn requirements_are_checked() {
    let field = "spec.template.spec.requirements";
    let cases = [
        ("{key: a, operator: In, values: [b]}", None),
        ("{key: a, operator: In}", Some("the requirement on `a` with `In` has no `values`".to_owned())),
        ("{key: a, operator: Is}", Some(format!("`{field}[].operator`: `Is` is not allowed"))),
        ("{operator: Exists}", Some(format!("`{field}[]` has no `key`"))),
        ("{key: a, operator: Gt, values: [\"4\"]}", None),
        (
            "{key: a, operator: Gt, values: [\"-4\"]}",
            Some("the requirement on `a` with `Gt` needs one whole number from 0".to_owned()),
        ),
        (
            "{key: a, operator: Lte, values: [\"4\", \"5\"]}",
            Some("the requirement on `a` with `Lte` needs one whole number from 0".to_owned()),
        ),
        (
            "{key: a, operator: In, values: [b], minValues: 2}",
            Some("the requirement on `a` has 1 values, and `minValues` asks for 2".to_owned()),
        ),
        (
            "{key: a, operator: Exists, minValues: 51}",
            Some(format!("`{field}[].minValues` must be from 1 to 50, not 51")),
        ),
        (
            "{key: karpenter.sh/capacity-type, operator: In, values: [cheap]}",
            Some("the requirement on `karpenter.sh/capacity-type` allows no kind of capacity that there is".to_owned()),
        ),
        (
            "{key: karpenter.sh/nodepool, operator: In, values: [p]}",
            Some(format!("`{field}[]`: a NodePool may not speak of the label `karpenter.sh/nodepool`")),
        ),
        (
            "{key: kubernetes.io/hostname, operator: Exists}",
            Some(format!("`{field}[]`: a NodePool may not speak of the label `kubernetes.io/hostname`")),
        ),
    ];
    for (requirement, wanted) in cases {
        assert_eq!(said_of_requirement(requirement), Vec::from_iter(wanted), "{requirement}");
    }
}

#[test]
fn budgets_and_durations_are_checked() {
    let budget = "spec.disruption.budgets[]";
    let cases = [
        ("{budgets: [{nodes: \"100%\"}, {nodes: \"5\", reasons: [Empty]}]}", None),
        ("{budgets: [{nodes: \"101%\"}]}", Some(format!("`{budget}.nodes`: `101%` is no number of nodes"))),
        (
            "{budgets: [{nodes: \"0\", schedule: \"@daily\"}]}",
            Some(format!("`{budget}`: `schedule` and `duration` go together")),
        ),
        ("{budgets: [{nodes: \"0\", schedule: \"0 9 * * 1-5\", duration: 8h30m}]}", None),
        (
            "{budgets: [{nodes: \"0\", schedule: \"@daily\", duration: 90s}]}",
            Some(format!("`{budget}.duration`: `90s` is no duration in hours and minutes")),
        ),
        ("{consolidateAfter: Never}", None),
        ("{consolidateAfter: 1d}", Some("`spec.disruption.consolidateAfter`: `1d` is no duration".to_owned())),
        (
            "{consolidationPolicy: Always}",
            Some("`spec.disruption.consolidationPolicy`: `Always` is not allowed".to_owned()),
        ),
    ];
    for (disruption, wanted) in cases {
        let spec = format!("{{disruption: {disruption}, template: {{spec: {{{CLASS}, requirements: []}}}}}}");
        assert_eq!(said_of(&spec), Vec::from_iter(wanted), "{disruption}");
    }
}

#[test]
fn what_is_missing_or_contradicts_itself_is_said() {
    let inner = format!("{CLASS}, requirements: []");
    let taint = "{key: a, effect: NoSchedule}";
    let cases = [
        ("{}".to_owned(), "this NodePool has no `spec.template`"),
        ("{template: {}}".to_owned(), "this NodePool has no `spec.template.spec`"),
        (format!("{{template: {{spec: {{{CLASS}}}}}}}"), "this NodePool has no `spec.template.spec.requirements`"),
        ("{template: {spec: {requirements: []}}}".to_owned(), "this NodePool has no `spec.template.spec.nodeClassRef`"),
        (
            format!("{{template: {{spec: {{{inner}, taints: [{taint}], startupTaints: [{taint}]}}}}}}"),
            "`spec.template.spec.startupTaints`: there is a second taint `a` with the effect `NoSchedule`",
        ),
        (format!("{{weight: 101, template: {{spec: {{{inner}}}}}}}"), "`spec.weight` must be from 1 to 100, not 101"),
        (
            format!("{{weight: 5, replicas: 2, template: {{spec: {{{inner}}}}}}}"),
            "`spec.weight` is for pools that grow, and this one has `spec.replicas`",
        ),
        (
            format!("{{template: {{spec: {{{inner}, terminationGracePeriod: Never}}}}}}"),
            "`spec.template.spec.terminationGracePeriod`: `Never` is no duration",
        ),
    ];
    for (spec, wanted) in cases {
        assert_eq!(said_of(&spec), [wanted], "{spec}");
    }
}
