//! What the script does to objects that make pods.

use crate::engine::run::Simulation;
use crate::model::controllers::Operation;
use crate::observe::Observer;

impl<O: Observer> Simulation<'_, O> {
    /// Does something to an object that makes pods.
    pub(in crate::engine) fn operate(&mut self, _operation: Operation) {}
}
