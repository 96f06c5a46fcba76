//! Which pods serve: by labels, by the object or template that makes them, or by a Service of the manifests.

use std::collections::BTreeSet;

use super::super::schema::suggestion;
use super::super::script::kind_and_name;
use super::spec::{PodsSpec, ServiceSpec};
use super::{Builder, World};
use crate::document::Code;
use crate::ids::ClassId;
use crate::model::objects;
use crate::model::pod_spec::DEFAULT_NAMESPACE;
use crate::model::traffic::Backends;
use crate::model::{ArrivalSource, Label, PodClass};

impl Builder<'_, '_, '_> {
    /// The pods of a service that is not outside the cluster.
    pub(super) fn pods(&mut self, service: &ServiceSpec, spec: Option<&PodsSpec>, at: &str) -> Backends {
        let found = match spec {
            None => self.by_service(service, at),
            Some(spec) => self.by_spec(spec, &format!("{at}.pods")),
        };
        match found {
            Some(classes) => Backends::Pods(classes),
            None => Backends::None,
        }
    }

    /// Classes of the pods that a Service of the manifests selects; none where there is no such Service and none is needed.
    fn by_service(&mut self, service: &ServiceSpec, at: &str) -> Option<Vec<ClassId>> {
        let services = &self.world.as_ref()?.objects.services;
        let named = |namespace: Option<&str>, name: &str| {
            let is_it = |one: &&objects::Service| one.name == name && namespace.is_none_or(|it| one.namespace == it);
            services.iter().filter(is_it).collect::<Vec<_>>()
        };
        let found = match service.name.split_once('/') {
            Some((namespace, name)) => named(Some(namespace), name),
            None => match named(Some(DEFAULT_NAMESPACE), &service.name) {
                list if list.is_empty() => named(None, &service.name),
                list => list,
            },
        };
        match found[..] {
            [one] => {
                let selector: Vec<(&str, &str)> =
                    one.selector.iter().map(|label| (label.key.as_str(), label.value.as_str())).collect();
                return Some(self.by_labels(&one.namespace, &selector, at));
            }
            [] if !service.routes.is_empty() => {}
            // Where manifests could not be read, missing objects are no news.
            [] if !self.context.findings.issues.is_empty() => {}
            [] => {
                let known: Vec<&str> = services.iter().map(|service| service.name.as_str()).collect();
                let near = suggestion(&service.name, &known, "");
                let hint = match near.starts_with("did") {
                    true => near,
                    false => {
                        "give it `pods`, `external` or `routes`, or list a Service of that name in `workload.manifests`"
                            .to_owned()
                    }
                };
                let message = format!("nobody serves `{}`: the manifests have no Service of that name", service.name);
                self.context.report_with_hint(at, Code::UnknownReference, message, hint);
            }
            _ => {
                let namespaces: Vec<String> =
                    found.iter().map(|one| format!("`{}/{}`", one.namespace, one.name)).collect();
                let message = format!("several namespaces have a Service `{}`", service.name);
                let hint = format!("call it {}", namespaces.join(" or "));
                self.context.report_with_hint(&format!("{at}.name"), Code::Contradiction, message, hint);
            }
        }
        None
    }

    fn by_spec(&mut self, spec: &PodsSpec, at: &str) -> Option<Vec<ClassId>> {
        let ways = [!spec.selector.is_empty(), spec.target.is_some(), spec.template.is_some()];
        if ways.iter().filter(|is_given| **is_given).count() != 1 {
            let message = format!("`{at}` says which pods in exactly one way");
            let hint = "give one of `selector`, `target`, `template`";
            self.context.report_with_hint(at, Code::Contradiction, message, hint);
        } else if spec.template.is_some() && spec.namespace.is_some() {
            let message = format!("`{at}.namespace` has no meaning with `template`");
            self.context.report(&format!("{at}.namespace"), Code::Contradiction, message);
        }
        self.world.as_ref()?;
        let namespace = spec.namespace.as_deref().unwrap_or(DEFAULT_NAMESPACE);
        if let Some(target) = &spec.target {
            return Some(self.by_target(namespace, target, &format!("{at}.target")));
        }
        if let Some(template) = &spec.template {
            return Some(self.by_template(template, &format!("{at}.template")));
        }
        let selector: Vec<(&str, &str)> =
            spec.selector.iter().map(|(key, value)| (key.as_str(), value.as_str())).collect();
        Some(self.by_labels(namespace, &selector, &format!("{at}.selector")))
    }

    /// Classes of pods in a namespace that have all these labels.
    fn by_labels(&mut self, namespace: &str, selector: &[(&str, &str)], at: &str) -> Vec<ClassId> {
        let Some(World { workload, .. }) = &self.world else { return Vec::new() };
        let found = matching(&workload.classes, |class| class.spec.namespace == namespace && has(class, selector));
        if !found.is_empty() && !selector.is_empty() || !self.context.findings.issues.is_empty() {
            return found;
        }
        let labels: Vec<String> = selector.iter().map(|(key, value)| format!("{key}={value}")).collect();
        let (message, hint) = if selector.is_empty() {
            let message = "its Service has no selector".to_owned();
            (message, "say with `pods` which pods serve, or with `external` that others do".to_owned())
        } else {
            let message = format!("no pod of the namespace `{namespace}` has the labels {}", labels.join(", "));
            (message, nearest(&workload.classes, namespace, selector))
        };
        self.context.report_with_hint(at, Code::UnknownReference, format!("`{at}`: {message}"), hint);
        Vec::new()
    }

    fn by_target(&mut self, namespace: &str, target: &str, at: &str) -> Vec<ClassId> {
        let Some(World { controllers, .. }) = &self.world else { return Vec::new() };
        let named = kind_and_name(target);
        let is_in = |one: &&crate::model::controllers::Controller| one.namespace == namespace;
        let mut of_namespace = controllers.list.iter().filter(is_in);
        let found = of_namespace.clone().find(|one| named == Some((one.kind.name(), one.name.as_str())));
        if let Some(found) = found {
            let classes: BTreeSet<ClassId> =
                found.templates.iter().flat_map(|template| &template.classes).copied().collect();
            return classes.into_iter().collect();
        }
        if self.context.findings.issues.is_empty() {
            let known: Vec<String> =
                of_namespace.by_ref().map(|one| format!("{}/{}", one.kind.name().to_lowercase(), one.name)).collect();
            let known: Vec<&str> = known.iter().map(String::as_str).collect();
            let hint = suggestion(target, &known, &format!("the objects of the namespace `{namespace}` are"));
            let message = format!("there is no object `{target}` that makes pods");
            self.context.report_with_hint(at, Code::UnknownReference, message, hint);
        }
        Vec::new()
    }

    fn by_template(&mut self, name: &str, at: &str) -> Vec<ClassId> {
        let Some(World { workload, .. }) = &self.world else { return Vec::new() };
        let generated = |source: &'_ ArrivalSource| match source {
            ArrivalSource::Generated(generated) => Some((generated.name.clone(), generated.classes.clone())),
            ArrivalSource::Listed(_) => None,
        };
        let templates: Vec<(String, Vec<(ClassId, f64)>)> = workload.sources.iter().filter_map(generated).collect();
        if let Some((_, classes)) = templates.iter().find(|(other, _)| other == name) {
            return classes.iter().map(|(class, _)| *class).collect();
        }
        let known: Vec<&str> = templates.iter().map(|(name, _)| name.as_str()).collect();
        let hint = suggestion(name, &known, "the templates are");
        let message = format!("`workload.templates` has no template `{name}`");
        self.context.report_with_hint(at, Code::UnknownReference, message, hint);
        Vec::new()
    }
}

fn matching(classes: &[PodClass], is_meant: impl Fn(&PodClass) -> bool) -> Vec<ClassId> {
    let found = classes.iter().enumerate().filter(|(_, class)| is_meant(class));
    found.map(|(index, _)| ClassId::from_index(index)).collect()
}

fn has(class: &PodClass, selector: &[(&str, &str)]) -> bool {
    let is_there = |(key, value): &(&str, &str)| {
        class.spec.labels.iter().any(|Label { key: own, value: its }| own == key && its == value)
    };
    selector.iter().all(is_there)
}

/// What may have been meant: another namespace, or a label of another value.
fn nearest(classes: &[PodClass], namespace: &str, selector: &[(&str, &str)]) -> String {
    if let Some(class) = classes.iter().find(|class| has(class, selector)) {
        return format!("pods of the namespace `{}` have", class.spec.namespace);
    }
    let labels: BTreeSet<String> = classes
        .iter()
        .filter(|class| class.spec.namespace == namespace)
        .flat_map(|class| class.spec.labels.iter().map(|label| format!("{}={}", label.key, label.value)))
        .collect();
    if labels.is_empty() {
        return "pods of that namespace have no labels; those of `workload.templates` are named by `template`"
            .to_owned();
    }
    let labels: Vec<&str> = labels.iter().map(String::as_str).collect();
    let missing =
        selector.iter().map(|(key, value)| format!("{key}={value}")).find(|one| !labels.contains(&one.as_str()));
    suggestion(&missing.unwrap_or_default(), &labels[..labels.len().min(20)], "labels of pods there are")
}
