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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ids::ClassId;
    use crate::testkit::cluster;
    use crate::world::World;

    #[test]
    fn orders_are_what_their_names_say() {
        // 10 cores and 10 000 MiB in all: dominant shares 0.1 (cpu), 0.4 (memory), 0.5 (1 of 2 GPUs) and 0.
        let nodes = cluster().node("n").cpu(10_000).memory_mib(10_000).gpus("T4", 2);
        let pods =
            nodes.pod("a").cpu(1000).memory_mib(500).priority(3).pod("b").cpu(1000).memory_mib(4000).priority(-1);
        let model = pods.pod("c").cpu(2000).gpu(1, 1000).priority(3).pod("d").model();
        let mut world = World::new(&model);
        let durations = [50, u64::MAX, 7, 50];
        let pods: Vec<PodId> = (0..4).map(|i| world.arrive((0, i), ClassId(i), durations[i as usize])).collect();
        for (name, expected) in [
            ("fifo", [0, 1, 2, 3]),
            // 3, 3, 0, -1; of equals the first.
            ("priority", [0, 2, 3, 1]),
            // 7, 50, 50, for ever.
            ("shortest-first", [2, 0, 3, 1]),
            // 0.5, 0.4, 0.1, 0.
            ("largest-first", [2, 1, 0, 3]),
        ] {
            let order = find(name).expect("it is in the table").build(&serde_json::json!({})).expect("no parameters");
            let view = View { model: &model, world: &world };
            let mut sorted = pods.clone();
            sorted.sort_by_key(|&pod| (order.rank(&view, pod), pod));
            assert_eq!(sorted.iter().map(|pod| pod.0).collect::<Vec<_>>(), expected, "{name}");
        }
    }
}
