//! In which order waiting pods are tried.

use serde_json::Value;

use super::parameters::{self, Parameter, ParameterError};
use crate::ids::PodId;
use crate::world::View;

mod fifo;
mod largest_first;
mod priority;
mod shortest_first;

/// Orders waiting pods: smaller ranks first, and of equal ranks the pod that arrived first.
///
/// The rank is asked for once, when the pod begins to wait, and must depend on the pod alone.
pub trait QueueOrder: Send {
    /// The pod's rank.
    fn rank(&self, view: &View<'_>, pod: PodId) -> i64;
}

/// One row of the table of queue orders.
#[derive(Clone, Copy, Debug)]
pub struct QueueOrderRow {
    /// Name as written in files.
    pub name: &'static str,
    /// What it does, in a line.
    pub summary: &'static str,
    /// Where the rule comes from.
    pub source: &'static str,
    /// Its parameters.
    pub parameters: &'static [Parameter],
    build: fn(&Value) -> Result<Box<dyn QueueOrder>, ParameterError>,
}

impl QueueOrderRow {
    /// The policy with these parameters.
    ///
    /// # Errors
    /// When a parameter is wrong.
    pub fn build(&self, parameters: &Value) -> Result<Box<dyn QueueOrder>, ParameterError> {
        (self.build)(parameters)
    }
}

/// Every queue order there is.
pub const QUEUE_ORDERS: &[QueueOrderRow] = &[fifo::ROW, priority::ROW, shortest_first::ROW, largest_first::ROW];

/// The row with that name.
pub fn find(name: &str) -> Option<&'static QueueOrderRow> {
    QUEUE_ORDERS.iter().find(|row| row.name == name)
}

fn without_parameters<Q: QueueOrder + Default + 'static>(
    parameters: &Value,
) -> Result<Box<dyn QueueOrder>, ParameterError> {
    parameters::none(parameters)?;
    Ok(Box::<Q>::default())
}
