//! Functions of a function platform, and calls of them.

use crate::units::{Bytes, SimDuration, SimTime};

/// One call. A stream of them has ascending arrivals.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Invocation {
    /// Which function: its position in the list of functions.
    pub function: u32,
    /// When it comes.
    pub arrival: SimTime,
    /// How long it takes on an instance that is warm.
    pub duration: SimDuration,
    /// How long it takes on an instance that starts for it, start and all. What it is longer than [`Self::duration`] counts as
    /// the initialisation.
    pub cold_duration: SimDuration,
}

/// A function as it is configured.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Function {
    /// Its name, as results write it.
    pub name: String,
    /// Memory of an instance.
    pub memory: Bytes,
    /// Instances that only it may use, and more than which it may not; none: it shares what is left with the others.
    pub reserved_concurrency: Option<u32>,
    /// Instances that are always ready.
    pub provisioned_concurrency: u32,
}

impl Function {
    /// A function without reserved or provisioned instances.
    pub fn new(name: &str, memory: Bytes) -> Function {
        Function { name: name.to_owned(), memory, reserved_concurrency: None, provisioned_concurrency: 0 }
    }
}
