//! Containers and what they would use, for back-tests of rules that size them.

use std::sync::Arc;

use super::scheduling::PolicyChoice;
use crate::units::{Bytes, MilliCpu, SimDuration};

/// What a container used over a while.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Usage {
    /// CPU, on average.
    pub cpu: MilliCpu,
    /// Memory, at the end.
    pub memory: Bytes,
}

/// One step of a series.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UsageStep {
    /// How long it lasts.
    pub span: SimDuration,
    /// What is needed all the while.
    pub usage: Usage,
}

/// A rule that is tried on containers whose usage is known, each for itself.
#[derive(Clone, Debug, PartialEq)]
pub struct SizingStudy {
    /// The rule: a row of the table of sizings, with its parameters.
    pub rule: PolicyChoice,
    /// How often usage is sampled and the rule is asked, more than 0.
    pub interval: SimDuration,
    /// When what it says is applied.
    pub apply: SizingApply,
    /// The containers.
    pub containers: Vec<SizedContainer>,
}

/// When a recommendation is applied.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SizingApply {
    /// As soon as it differs.
    AtOnce,
    /// When the Vertical Pod Autoscaler's updater would, with its default thresholds.
    Updater,
}

/// Requests or limits; none: there is none.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Size {
    /// CPU.
    pub cpu: Option<MilliCpu>,
    /// Memory.
    pub memory: Option<Bytes>,
}

/// A container and what it would use.
#[derive(Clone, Debug, PartialEq)]
pub struct SizedContainer {
    /// Its name, as results write it.
    pub name: String,
    /// Requests at the start.
    pub requests: Size,
    /// Limits at the start; they follow requests in proportion.
    pub limits: Size,
    /// What it would use from the start on.
    pub series: Arc<[UsageStep]>,
}
