//! Groups that are kept at a number of machines, as a provider keeps a group at its desired capacity.
//!
//! What is missing is bought, whatever has become of what was there; what is too much is returned, machines on their way
//! first, then those whose nodes have the fewest pods. Cost: O(machines of the group).

use super::{Action, Order, Patience, Seen};
use crate::ids::{GroupId, MachineId};
use crate::world::MachineState;

/// What brings a group to so many machines, held within its limits.
pub(super) fn keep(seen: &Seen<'_>, group: GroupId, wanted: u32, reason: &'static str, orders: &mut Vec<Order>) {
    let limits = seen.view.model.provisioning.group(group);
    let wanted = wanted.clamp(limits.min, limits.max) as usize;
    let present = seen.view.world.fleet.wanted(group);
    if present < wanted {
        let action = Action::Buy { offers: limits.offers.clone(), count: (wanted - present) as u32 };
        orders.push(Order { action, reason });
    }
    for machine in least_used(seen, group).into_iter().take(present.saturating_sub(wanted)) {
        orders.push(Order { action: Action::Return { machine, patience: Patience::default() }, reason });
    }
}

/// The machines of a group that are meant to stay: those without a node first, then by number of pods.
fn least_used(seen: &Seen<'_>, group: GroupId) -> Vec<MachineId> {
    let world = seen.view.world;
    let mut machines: Vec<(MachineState, u32, MachineId)> = Vec::new();
    for machine in world.fleet.present(group) {
        let one = world.fleet.get(*machine);
        if one.state.is_wanted() {
            let pods = one.node.map_or(0, |node| world.nodes.pod_count[node.index()]);
            machines.push((one.state, pods, *machine));
        }
    }
    machines.sort_unstable();
    machines.into_iter().map(|(.., machine)| machine).collect()
}
