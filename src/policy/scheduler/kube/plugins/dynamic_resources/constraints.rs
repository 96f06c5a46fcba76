//! Constraints across the devices of a claim.

use crate::model::devices::{Attribute, Device, DeviceConstraint};

/// A constraint and the devices that it holds for so far.
#[derive(Debug)]
pub(super) struct Constraint<'a> {
    rule: &'a DeviceConstraint,
    /// The values of the devices; of a constraint on equality they are all the same.
    values: Vec<&'a Attribute>,
}

impl<'a> Constraint<'a> {
    pub(super) fn new(rule: &'a DeviceConstraint) -> Constraint<'a> {
        Constraint { rule, values: Vec::new() }
    }

    /// Adds a device if the constraint allows that.
    pub(super) fn add(&mut self, request: &str, alternative: &str, driver: &str, device: &'a Device) -> bool {
        if !self.concerns(request, alternative) {
            return true;
        }
        let Some(value) = attribute(driver, device, &self.rule.attribute) else { return false };
        let is_allowed = if self.rule.is_distinct {
            !self.values.contains(&value)
        } else {
            self.values.first().is_none_or(|first| *first == value)
        };
        if is_allowed {
            self.values.push(value);
        }
        is_allowed
    }

    /// Takes the device away that was added last.
    pub(super) fn remove(&mut self, request: &str, alternative: &str) {
        if self.concerns(request, alternative) {
            self.values.pop();
        }
    }

    fn concerns(&self, request: &str, alternative: &str) -> bool {
        let is_named = |name: &String| {
            name == request
                || (!alternative.is_empty()
                    && name.split_once('/').is_some_and(|(parent, sub)| parent == request && sub == alternative))
        };
        self.rule.requests.is_empty() || self.rule.requests.iter().any(is_named)
    }
}

/// An attribute by its full name; the driver's own may be written without their domain.
fn attribute<'a>(driver: &str, device: &'a Device, name: &str) -> Option<&'a Attribute> {
    let own = || name.split_once('/').filter(|(domain, _)| *domain == driver);
    device.attributes.get(name).or_else(|| device.attributes.get(own()?.1))
}
