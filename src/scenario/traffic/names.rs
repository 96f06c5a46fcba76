//! Services and operations by name.

use super::super::context::Context;
use super::super::schema::suggestion;
use super::spec::{ServiceSpec, TrafficSpec};
use crate::document::Code;
use crate::ids::ServiceId;
use crate::model::traffic::OperationRef;

/// What the one operation of a service is called that lists none.
const ONLY_OPERATION: &str = "request";

/// The names that traffic knows.
pub(super) struct Names<'s> {
    services: Vec<&'s str>,
    operations: Vec<Vec<&'s str>>,
}

impl<'s> Names<'s> {
    pub(super) fn new(spec: &'s TrafficSpec) -> Names<'s> {
        Names {
            services: spec.services.iter().map(|service| service.name.as_str()).collect(),
            operations: spec.services.iter().map(|service| operations(spec, service)).collect(),
        }
    }

    /// The names of the operations of a service, in their order.
    pub(super) fn operations(&self, service: ServiceId) -> &[&'s str] {
        &self.operations[service.index()]
    }

    /// The service of that name; reports at `at` that there is none.
    pub(super) fn service(&self, name: &str, at: &str, context: &mut Context<'_>) -> Option<ServiceId> {
        let found = self.services.iter().position(|service| *service == name);
        if found.is_none() {
            let hint = suggestion(name, &self.services, "the services are");
            context.report_with_hint(at, Code::UnknownReference, format!("there is no service `{name}`"), hint);
        }
        found.map(ServiceId::from_index)
    }

    /// The operation that the mapping at `at` names; reports what is wrong with it.
    pub(super) fn operation(
        &self,
        service: &str,
        operation: Option<&str>,
        at: &str,
        context: &mut Context<'_>,
    ) -> Option<OperationRef> {
        let is_text = operation.is_none() && at.ends_with(".to");
        let at_service = if is_text { at.to_owned() } else { format!("{at}.service") };
        let id = self.service(service, &at_service, context)?;
        let known = self.operations(id);
        let found = match operation {
            None if known.len() == 1 => Some(0),
            None => {
                let message = format!("the service `{service}` has several operations, and `{at}` names none");
                let hint = suggestion("", known, "name one with `operation`:");
                context.report_with_hint(at, Code::MissingKey, message, hint);
                None
            }
            Some(name) => {
                let found = known.iter().position(|other| *other == name);
                if found.is_none() {
                    let hint = suggestion(name, known, "its operations are");
                    let message = format!("the service `{service}` has no operation `{name}`");
                    context.report_with_hint(&format!("{at}.operation"), Code::UnknownReference, message, hint);
                }
                found
            }
        };
        found.map(|position| OperationRef { service: id, operation: position as u32 })
    }
}

/// What a service can be asked for: its own operations; where it only passes requests on, those of the first that it passes
/// them to.
fn operations<'s>(spec: &'s TrafficSpec, service: &'s ServiceSpec) -> Vec<&'s str> {
    let mut service = service;
    // Longer ways than there are services lead in a circle, which is reported elsewhere.
    for _ in &spec.services {
        let next = service.routes.first().and_then(|route| route.to.first()).filter(|_| !has_own(service));
        let Some(next) = next.and_then(|target| spec.services.iter().find(|other| other.name == target.service)) else {
            break;
        };
        service = next;
    }
    match &service.operations[..] {
        [] => vec![ONLY_OPERATION],
        list => list.iter().map(|operation| operation.name.as_str()).collect(),
    }
}

fn has_own(service: &ServiceSpec) -> bool {
    let has_work = !service.operations.is_empty() || !service.steps.is_empty();
    has_work || service.pods.is_some() || service.external.is_some()
}
