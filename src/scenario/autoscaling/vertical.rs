//! What sizes containers: VerticalPodAutoscalers of the manifests, and rules that the file puts in their place.

use std::collections::BTreeSet;

use serde_json::Value as Json;

use super::Builder;
use super::spec::{AutoscalingSpec, UpdateModeSpec, VerticalAutoscalerSpec};
use crate::document::{Code, Issue};
use crate::ids::ControllerId;
use crate::model::PolicyChoice;
use crate::model::autoscaling::VerticalAutoscaler;
use crate::model::controllers::Container;
use crate::model::vertical_pod_autoscaler::{ContainerPolicy, LimitRanges, Resource, ResourcePolicy, UpdateMode};
use crate::policy::autoscaler::vertical::table::{self, SIZINGS, VPA_NAME};
use crate::policy::autoscaler::vertical::workload::{TemplateContainer, WorkloadSizing};
use crate::scenario::context::Context;
use crate::scenario::kubernetes::WrittenVertical;
use crate::scenario::schema::{join, suggestion};
use crate::scenario::script::kind_and_name;

/// Checks what can be checked without the cluster.
pub(super) fn validate(spec: &AutoscalingSpec, context: &mut Context<'_>) {
    let mut targets = BTreeSet::new();
    for (index, one) in spec.vertical_autoscalers.iter().enumerate() {
        let at = format!("autoscaling.verticalAutoscalers[{index}]");
        if kind_and_name(&one.target).is_none() {
            let message = format!("`{}` is no workload: write kind and name, such as deployment/web", one.target);
            context.report(&format!("{at}.target"), Code::NotAllowed, message);
        } else if !targets.insert((&one.namespace, kind_and_name(&one.target))) {
            let message = format!("`{}` has two vertical autoscalers", one.target);
            context.report(&format!("{at}.target"), Code::DuplicateName, message);
        }
        policy_is_known(one, &at, context);
    }
}

/// Whether a rule and its parameters are right.
fn policy_is_known(one: &VerticalAutoscalerSpec, at: &str, context: &mut Context<'_>) {
    let Some(row) = table::find(&one.policy) else {
        let names: Vec<&str> = SIZINGS.iter().map(|row| row.name).collect();
        let message = format!("`{at}.policy`: there is no rule `{}` that sizes containers", one.policy);
        let hint = suggestion(&one.policy, &names, "those known are");
        return context.report_with_hint(&format!("{at}.policy"), Code::UnknownPolicy, message, hint);
    };
    let names: Vec<&str> = row.parameters.iter().map(|parameter| parameter.name).collect();
    let unknown: Vec<&String> = one.parameters.keys().filter(|name| !names.contains(&name.as_str())).collect();
    for name in &unknown {
        let message = format!("the rule `{}` has no parameter `{name}`", row.name);
        let hint =
            if names.is_empty() { "it has none".to_owned() } else { suggestion(name, &names, "its parameters are") };
        context.report_with_hint(&join(&format!("{at}.parameters"), name), Code::UnknownKey, message, hint);
    }
    let parameters = Json::Object(one.parameters.clone());
    let container = [TemplateContainer { name: "container", foresight: Vec::new() }];
    if unknown.is_empty()
        && let Err(why) = WorkloadSizing::new(row, &parameters, &ResourcePolicy::default(), &container)
    {
        let message = format!("the rule `{}`: {why}", row.name);
        context.report(&format!("{at}.parameters"), Code::OutOfRange, message);
    }
}

impl Builder<'_, '_, '_> {
    /// All vertical autoscalers, in order of namespace and name.
    pub(super) fn verticals(&mut self, written: &[WrittenVertical], spec: &AutoscalingSpec) -> Vec<VerticalAutoscaler> {
        let mut list: Vec<VerticalAutoscaler> = Vec::new();
        for one in written.iter().filter(|one| !spec.vertical_autoscalers.iter().any(|other| is_for(other, one))) {
            let Some(target) = self.written_target(one) else { continue };
            if let Some(other) = list.iter().find(|other| other.target == target) {
                let message = format!(
                    "`{}` is sized by two VerticalPodAutoscalers, `{}` and `{}`",
                    one.target_name, other.name, one.name
                );
                let issue = Issue::new(Code::DuplicateName, &one.file, one.target_span, message);
                self.context.findings.issues.push(issue.with_hint("leave one of them out".to_owned()));
                continue;
            }
            let policy = PolicyChoice { name: VPA_NAME.to_owned(), parameters: Json::Object(serde_json::Map::new()) };
            list.push(VerticalAutoscaler {
                namespace: one.namespace.clone(),
                name: one.name.clone(),
                target,
                policy,
                mode: one.mode,
                min_replicas: one.min_replicas,
                eviction_requirements: one.eviction_requirements.clone(),
                resource_policy: self.known_resources(target, &one.resource_policy),
                limit_ranges: LimitRanges::default(),
            });
        }
        for (index, one) in spec.vertical_autoscalers.iter().enumerate() {
            list.extend(self.vertical(one, written, &format!("autoscaling.verticalAutoscalers[{index}]")));
        }
        list.sort_by(|one, other| (&one.namespace, &one.name).cmp(&(&other.namespace, &other.name)));
        list
    }

    fn written_target(&mut self, one: &WrittenVertical) -> Option<ControllerId> {
        match self.named(&one.namespace, &one.target_kind, &one.target_name) {
            Ok(target) => Some(target),
            Err((message, hint)) => {
                let issue = Issue::new(Code::UnknownReference, &one.file, one.target_span, message);
                self.context.findings.issues.push(issue.with_hint(hint));
                None
            }
        }
    }

    /// One of the file, which has what it does not say from the manifest in whose place it stands.
    fn vertical(
        &mut self,
        one: &VerticalAutoscalerSpec,
        written: &[WrittenVertical],
        at: &str,
    ) -> Option<VerticalAutoscaler> {
        let (kind, name) = kind_and_name(&one.target)?;
        let target = match self.named(&one.namespace, kind, name) {
            Ok(target) => target,
            Err((message, hint)) => {
                // Where manifests could not be read, missing objects are no news.
                if self.context.findings.issues.is_empty() {
                    self.context.report_with_hint(&format!("{at}.target"), Code::UnknownReference, message, hint);
                }
                return None;
            }
        };
        let row = table::find(&one.policy)?;
        let manifest = written.iter().find(|written| is_for(one, written));
        let policy = manifest.map(|manifest| manifest.resource_policy.clone()).unwrap_or_default();
        let own_name = one.name.clone().or_else(|| manifest.map(|manifest| manifest.name.clone()));
        Some(VerticalAutoscaler {
            namespace: one.namespace.clone(),
            name: own_name.unwrap_or_else(|| name.to_owned()),
            target,
            policy: PolicyChoice { name: row.name.to_owned(), parameters: Json::Object(one.parameters.clone()) },
            mode: one.update_mode.map(mode_of).or(manifest.map(|manifest| manifest.mode)).unwrap_or_default(),
            min_replicas: one
                .min_replicas
                .and_then(|count| usize::try_from(count).ok())
                .or(manifest.and_then(|manifest| manifest.min_replicas)),
            eviction_requirements: manifest.and_then(|manifest| manifest.eviction_requirements.clone()),
            resource_policy: self.known_resources(target, &policy),
            limit_ranges: LimitRanges::default(),
        })
    }

    /// A policy that leaves alone what nobody knows the usage of: what is not measured would be taken for nothing.
    fn known_resources(&mut self, target: ControllerId, policy: &ResourcePolicy) -> ResourcePolicy {
        let controller = &self.controllers.list[target.index()];
        let life = &self.controllers.lives[controller.templates[0].life.index()];
        let mut known = policy.clone();
        for container in &life.containers {
            let own = policy.of(&container.name).cloned();
            let mut own = own.unwrap_or_else(|| ContainerPolicy::named(&container.name));
            own.container.clone_from(&container.name);
            let unknown: Vec<Resource> =
                Resource::ALL.into_iter().filter(|one| own.controls(*one) && !is_measured(container, *one)).collect();
            if !own.is_scaled || unknown.is_empty() {
                continue;
            }
            own.controls_cpu &= is_measured(container, Resource::Cpu);
            own.controls_memory &= is_measured(container, Resource::Memory);
            known.containers.retain(|other| other.container != own.container);
            known.containers.push(own);
        }
        known
    }

    /// The workload of that name, else what is wrong, and a hint.
    fn named(&self, namespace: &str, kind: &str, name: &str) -> Result<ControllerId, (String, String)> {
        self.workload(namespace, kind, name).ok_or_else(|| self.missing(namespace, kind, name))
    }
}

/// Whether it is known how much of a resource a container uses.
fn is_measured(container: &Container, resource: Resource) -> bool {
    container.usage.as_ref().is_some_and(|usage| match resource {
        Resource::Cpu => usage.cpu.is_some(),
        Resource::Memory => usage.memory.is_some(),
    })
}

/// Whether an autoscaler of the file is for the target of one of the manifests.
fn is_for(one: &VerticalAutoscalerSpec, written: &WrittenVertical) -> bool {
    let target = (written.target_kind.as_str(), written.target_name.as_str());
    one.namespace == written.namespace && kind_and_name(&one.target) == Some(target)
}

fn mode_of(spec: UpdateModeSpec) -> UpdateMode {
    match spec {
        UpdateModeSpec::Off => UpdateMode::Off,
        UpdateModeSpec::Initial => UpdateMode::Initial,
        UpdateModeSpec::Recreate => UpdateMode::Recreate,
        UpdateModeSpec::InPlaceOrRecreate => UpdateMode::InPlaceOrRecreate,
    }
}
