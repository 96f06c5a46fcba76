//! What requests use of containers becomes their usage, window by window.
//!
//! A node is looked at when that changes what its containers get: when they want more CPU than there is, or one of them more than
//! its limit, or memory is used otherwise. While none of that is so its containers use what requests make them use, and a window
//! costs a few additions for each of them.

use std::collections::BTreeMap;

use crate::engine::Event;
use crate::engine::handlers::traffic::{Server, TrafficState};
use crate::engine::run::Simulation;
use crate::ids::{NodeId, PodId};
use crate::model::{Demand, Usage};
use crate::observe::Observer;
use crate::world::View;

/// What requests used of the container of a server in the last window.
#[derive(Clone, Copy, Debug)]
pub(in crate::engine) struct Load {
    /// Core-time that its requests had used when it was last looked at, in ns.
    used_ns: u64,
    /// Milli-cores, and bytes.
    pub(in crate::engine) cpu_milli: u64,
    pub(in crate::engine) memory_bytes: u64,
    /// Milli-cores that it may use; none: what it uses is not what requests use.
    limit_milli: Option<u64>,
}

impl Load {
    /// Of a server that begins.
    pub(super) fn new(usage: Option<&Usage>) -> Load {
        Load { used_ns: 0, cpu_milli: 0, memory_bytes: 0, limit_milli: limit_of(usage) }
    }

    /// Its container has been resized.
    pub(super) fn resize(&mut self, usage: Option<&Usage>) {
        self.limit_milli = limit_of(usage);
    }
}

/// Milli-cores and bytes that requests use of a run of a container.
pub(in crate::engine) fn load_of(seats: &BTreeMap<PodId, Server>, pod: PodId, container: u32, run: u32) -> (u64, u64) {
    let server = seats.get(&pod).filter(|server| (server.container, server.run) == (container, run));
    server.map_or((0, 0), |server| (server.load.cpu_milli, server.load.memory_bytes))
}

fn limit_of(usage: Option<&Usage>) -> Option<u64> {
    let usage = usage.filter(|usage| usage.cpu == Some(Demand::Load))?;
    Some(usage.cpu_limit.unwrap_or(u64::MAX))
}

/// What servers of a node use together.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct NodeLoad {
    /// Milli-cores up to which nobody has to look at the node, if no container exceeds its limit; none: somebody has to.
    calm_up_to: Option<u64>,
    /// Milli-cores in the window that is being added up; whether somebody has to look, and whether any server uses something else.
    cpu_milli: u64,
    is_tense: bool,
    is_changed: bool,
}

impl NodeLoad {
    /// A server used so much CPU, and memory, in a window. Whether that is the first of the node that is not as before.
    fn take(&mut self, load: &mut Load, cpu_milli: u64, memory_bytes: u64) -> bool {
        let is_changed = (load.cpu_milli, load.memory_bytes) != (cpu_milli, memory_bytes);
        self.is_tense |= load.memory_bytes != memory_bytes;
        (load.cpu_milli, load.memory_bytes) = (cpu_milli, memory_bytes);
        if let Some(limit) = load.limit_milli {
            self.cpu_milli += cpu_milli;
            self.is_tense |= cpu_milli > limit;
        }
        is_changed && !std::mem::replace(&mut self.is_changed, true)
    }

    /// The milli-cores that its servers use, if nobody has to look at it. The next window begins.
    fn finish(&mut self) -> Option<u64> {
        let NodeLoad { calm_up_to, cpu_milli, is_tense, .. } = std::mem::take(self);
        self.calm_up_to = calm_up_to;
        calm_up_to.filter(|most| cpu_milli <= *most && !is_tense).map(|_| cpu_milli)
    }
}

impl<O: Observer> Simulation<'_, O> {
    /// Up to how many milli-cores for requests nobody has to look at a node, while its containers stay what they are.
    pub(super) fn set_calm(&mut self, node: NodeId, up_to: Option<u64>) {
        let Some(state) = &mut self.traffic else { return };
        if state.nodes.len() <= node.index() {
            state.nodes.resize(node.index() + 1, NodeLoad::default());
        }
        state.nodes[node.index()].calm_up_to = up_to;
    }

    /// Milli-cores and bytes that requests use of a run of a container.
    pub(in crate::engine) fn load_of(&self, pod: PodId, container: u32, run: u32) -> (u64, u64) {
        self.traffic.as_ref().map_or((0, 0), |state| load_of(&state.seats, pod, container, run))
    }

    /// A window is over: what requests used becomes what containers use, and observers look.
    pub(in crate::engine) fn on_window(&mut self) {
        let window = self.model.traffic.usage_window;
        self.schedule(self.world.time.after(window), Event::Window);
        self.take_loads();
        if let Some(state) = &mut self.traffic {
            let view = View { model: self.model, world: &self.world };
            state.plane.settle();
            self.observer.traffic_seen(&view, &mut state.plane);
        }
        self.note_latencies();
        if let Some(state) = &mut self.traffic {
            state.plane.begin_windows();
        }
    }

    fn take_loads(&mut self) {
        let window_ns = self.model.traffic.usage_window.0.max(1);
        let Some(TrafficState { plane, seats, nodes, .. }) = &mut self.traffic else { return };
        let view = View { model: self.model, world: &self.world };
        let wants_loads = self.observer.wants_loads();
        let mut changed = Vec::with_capacity(nodes.len());
        let mut meters = plane.meters();
        for (&pod, server) in seats {
            let now = meters.load_of(server.number);
            let spent_ns = now.compute_ns - std::mem::replace(&mut server.load.used_ns, now.compute_ns);
            let node = &mut nodes[server.node.index()];
            if node.take(&mut server.load, spent_ns * 1000 / window_ns, now.memory_bytes) {
                changed.push(server.node);
            }
            if wants_loads {
                let Load { cpu_milli, memory_bytes, .. } = server.load;
                self.observer.load_changed(&view, pod, (server.container, server.run), (cpu_milli, memory_bytes));
            }
        }
        for &node in &changed {
            let Some(state) = &mut self.traffic else { return };
            match state.nodes[node.index()].finish() {
                Some(cpu_milli) => self.follow_load(node, cpu_milli),
                None => self.look_at_usage(node, self.world.time),
            }
        }
        // Of nodes where all is as before nothing is kept.
        if let Some(state) = &mut self.traffic {
            state.nodes.iter_mut().for_each(|node| _ = node.finish());
        }
    }

    /// Containers of a calm node use what requests make them use.
    fn follow_load(&mut self, node: NodeId, cpu_milli: u64) {
        self.observer.usage_changes(&View { model: self.model, world: &self.world }, node);
        if let Some(usage) = self.world.usage.get_mut(node) {
            usage.cpu.used_milli = cpu_milli;
        }
        self.observer.usage_changed(&View { model: self.model, world: &self.world }, node);
    }
}
