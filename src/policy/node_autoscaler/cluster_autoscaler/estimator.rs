//! How many nodes of a template some pods need: first fit by decreasing size (`estimator/binpacking_estimator.go`).
//!
//! Groups of equal pods come in the order of their size, which is the pod's share of a template's CPU plus its share of
//! the memory. A group's pods first go to nodes that earlier groups opened, in rotation, until one finds no place; the
//! rest go to the newest node, and to a new one whenever it refuses. A pod that an empty new node refuses ends its group.
//!
//! Cost: about two questions a pod and one a new node and group, if refusals last; see [`Fits::refuses_for_good`].
//!
//! [`Fits::refuses_for_good`]: super::snapshot::Fits::refuses_for_good

use std::collections::BTreeSet;

use super::limiter::Limiter;
use super::snapshot::{Growing, NodeKey, Refusal, Rotation, place_on_any};
use crate::ids::PodId;
use crate::units::{Bytes, MilliCpu, SimTime};

/// CPU and memory.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Amount {
    /// CPU.
    pub cpu: MilliCpu,
    /// Memory.
    pub memory: Bytes,
}

/// What the estimator must know of a pod beyond whether it fits.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct GroupFacts {
    /// What one pod asks for.
    pub request: Amount,
    /// What its first container asks for, if that asks for anything; only the fast path looks at it.
    pub first_container: Option<Amount>,
    /// Whether it has spreading constraints.
    pub spreads: bool,
    /// Whether one of them is over host names.
    pub spreads_over_hosts: bool,
    /// Whether its required anti-affinity over host names finds pods of its own group.
    pub repels_own_on_host: bool,
    /// Whether it has required anti-affinity over anything but host names.
    pub repels_beyond_host: bool,
}

/// Equal pods of one controller.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PodGroup {
    /// The pods; all are like the first.
    pub pods: Vec<PodId>,
    /// What is known of one of them.
    pub facts: GroupFacts,
}

/// The template's size.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TemplateSize {
    /// What pods can ask for: decides the order of the groups.
    pub allocatable: Amount,
    /// All there is: decides which group takes the fast path.
    pub capacity: Amount,
}

/// What an estimate found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Estimate {
    /// Nodes that got pods. Upstream counts nodes of the cluster, too, that took a pod which spreads over host names.
    pub node_count: usize,
    /// The pods that found a place, in the order in which they did.
    pub pods: Vec<PodId>,
}

/// Size of a group's pod: shares of CPU and memory of the template, added (`calculatePodScore`).
pub fn score(group: &PodGroup, template: &TemplateSize) -> f64 {
    if group.pods.is_empty() {
        return 0.0;
    }
    let share = |asked: u64, there: u64| if there > 0 { asked as f64 / there as f64 } else { 0.0 };
    let (request, allocatable) = (group.facts.request, template.allocatable);
    share(request.cpu.0, allocatable.cpu.0) + share(request.memory.0, allocatable.memory.0)
}

/// The positions of the groups, the largest pods first; equals keep their order.
pub fn decreasing_order(groups: &[PodGroup], template: &TemplateSize) -> Vec<usize> {
    let scores: Vec<f64> = groups.iter().map(|group| score(group, template)).collect();
    let mut order: Vec<usize> = (0..groups.len()).collect();
    order.sort_by(|&a, &b| scores[b].total_cmp(&scores[a]));
    order
}

/// The group, by its position in `order`, whose packing saves the most questions when only its first node is simulated
/// (`determineBestPEGToFastpath`); of equals the last. `None`: no group may.
pub fn fast_path_group(groups: &[PodGroup], order: &[usize], template: &TemplateSize) -> Option<usize> {
    let mut best = None;
    let mut most_saved = 0;
    for (position, &group) in order.iter().enumerate() {
        let PodGroup { pods, facts } = &groups[group];
        if pods.is_empty() {
            continue;
        }
        let nodes = nodes_by_size(pods.len(), facts, template);
        let saved = pods.len().checked_div(nodes).map_or(0, |share| pods.len() - share);
        if saved >= most_saved && !facts.spreads && !facts.repels_beyond_host {
            best = Some(position);
            most_saved = saved;
        }
    }
    best
}

/// How many nodes so many pods take by anti-affinity, CPU and memory.
fn nodes_by_size(pods: usize, facts: &GroupFacts, template: &TemplateSize) -> usize {
    let by_repulsion = if facts.repels_own_on_host { pods } else { 0 };
    let Some(asked) = facts.first_container else { return by_repulsion };
    // Upstream turns quantities into floating point: CPU by way of thousandths.
    let cores = |cpu: MilliCpu| cpu.0 as f64 * 1e-3;
    let by_cpu = (pods as f64 * cores(asked.cpu) / cores(template.capacity.cpu)).ceil();
    let by_memory = (pods as f64 * asked.memory.0 as f64 / template.capacity.memory.0 as f64).ceil();
    by_repulsion.max(by_cpu as usize).max(by_memory as usize)
}

/// Packs the groups on nodes that `snapshot` adds. `now` is when the estimate begins and, since no simulated time goes by,
/// when it ends. The caller starts the limiter before, and takes the nodes out of the snapshot after.
pub fn estimate<S: Growing>(
    snapshot: &mut S,
    rotation: &mut Rotation,
    limiter: &mut Limiter,
    groups: &[PodGroup],
    template: &TemplateSize,
    options: Packing,
) -> Estimate {
    let mut order = decreasing_order(groups, template);
    let fast = if options.fast_path { fast_path_group(groups, &order, template) } else { None };
    if let Some(position) = fast {
        let group = order.remove(position);
        order.push(group);
    }
    let mut packer = Packer::new(snapshot, rotation, limiter, options.now);
    let mut may_open = true;
    for (position, &group) in order.iter().enumerate() {
        let group = &groups[group];
        let rest = packer.fill_opened(&group.pods);
        if !may_open {
            continue;
        }
        may_open = if fast.is_some() && position + 1 == order.len() {
            packer.pack_by_first_node(rest)
        } else {
            packer.pack(rest, group.facts.spreads_over_hosts)
        };
    }
    Estimate { node_count: packer.used.len() + packer.assumed, pods: packer.pods }
}

/// How an estimate is made.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Packing {
    /// Whether one group is packed by its first node's count.
    pub fast_path: bool,
    /// The instant the limiter compares with its start.
    pub now: SimTime,
}

struct Packer<'a, S> {
    snapshot: &'a mut S,
    rotation: &'a mut Rotation,
    limiter: &'a mut Limiter,
    now: SimTime,
    /// Nodes before the first that was opened.
    existing: usize,
    last: Option<NodeKey>,
    used: BTreeSet<NodeKey>,
    /// Nodes the fast path did not simulate.
    assumed: usize,
    pods: Vec<PodId>,
}

impl<'a, S: Growing> Packer<'a, S> {
    fn new(snapshot: &'a mut S, rotation: &'a mut Rotation, limiter: &'a mut Limiter, now: SimTime) -> Self {
        let existing = snapshot.node_count();
        let (used, pods) = (BTreeSet::new(), Vec::new());
        Packer { snapshot, rotation, limiter, now, existing, last: None, used, assumed: 0, pods }
    }

    fn note(&mut self, pod: PodId, node: NodeKey) {
        self.used.insert(node);
        self.pods.push(pod);
    }

    /// Places pods on nodes that are open until one finds no place; returns the rest.
    fn fill_opened<'p>(&mut self, pods: &'p [PodId]) -> &'p [PodId] {
        let count = self.snapshot.node_count() - self.existing;
        let mut open = Open::new(count);
        for (index, &pod) in pods.iter().enumerate() {
            let Some(node) = self.place_on_opened(pod, &mut open, count) else { return &pods[index..] };
            self.note(pod, node);
        }
        &[]
    }

    /// First fit among the opened nodes, in the rotation of all nodes.
    fn place_on_opened(&mut self, pod: PodId, open: &mut Open, count: usize) -> Option<NodeKey> {
        let lasts = self.snapshot.refuses_for_good(pod);
        let start = self.rotation.start(self.existing + count).saturating_sub(self.existing);
        for (mut from, end) in [(start, count), (0, start)] {
            while let Some(index) = open.at_or_after(from).filter(|index| *index < end) {
                let node = self.snapshot.node_at(self.existing + index);
                if !self.snapshot.is_cordoned(node) && self.snapshot.place(pod, node).is_ok() {
                    self.rotation.last_index = self.existing + index;
                    return Some(node);
                }
                if lasts {
                    open.close(index);
                }
                from = index + 1;
            }
        }
        None
    }

    /// Places pods on the newest node, opening another whenever it refuses. Whether more nodes may be opened.
    fn pack(&mut self, pods: &[PodId], spreads_over_hosts: bool) -> bool {
        for &pod in pods {
            if self.place_on_last(pod, spreads_over_hosts) {
                continue;
            }
            // The newest node is empty and refuses: so would another.
            if self.last.is_some_and(|last| !self.used.contains(&last)) {
                return true;
            }
            let Some(node) = self.open() else { return false };
            if self.snapshot.place(pod, node).is_err() {
                return true;
            }
            self.note(pod, node);
        }
        true
    }

    /// A pod that spreads over host names may, where the newest node would skew, go to any other node of the cluster.
    fn place_on_last(&mut self, pod: PodId, spreads_over_hosts: bool) -> bool {
        let Some(last) = self.last else { return false };
        match self.snapshot.place(pod, last) {
            Ok(()) => {
                self.note(pod, last);
                true
            }
            Err(Refusal::TopologySpread) if spreads_over_hosts => {
                let found = place_on_any(self.snapshot, self.rotation, pod, |node| node != last);
                found.inspect(|&node| self.note(pod, node)).is_some()
            }
            Err(_) => false,
        }
    }

    fn open(&mut self) -> Option<NodeKey> {
        if !self.limiter.grant(self.now) {
            return None;
        }
        let node = self.snapshot.add_node();
        self.last = Some(node);
        Some(node)
    }

    /// Fills one node and assumes that all others take as many. Whether more nodes may be opened.
    fn pack_by_first_node(&mut self, pods: &[PodId]) -> bool {
        if pods.is_empty() {
            return true;
        }
        let Some(node) = self.open() else { return false };
        let fitting = pods.iter().take_while(|pod| self.snapshot.place(**pod, node).is_ok()).count();
        pods[..fitting].iter().for_each(|pod| self.note(*pod, node));
        if fitting == 0 {
            return true;
        }
        for more in pods[fitting..].chunks(fitting) {
            if !self.limiter.grant(self.now) {
                return false;
            }
            self.assumed += 1;
            self.pods.extend(more);
        }
        true
    }
}

/// Which opened nodes have not refused the pods of a group for good: a linked list with short cuts.
struct Open {
    next: Vec<usize>,
}

impl Open {
    fn new(count: usize) -> Open {
        Open { next: (0..=count).collect() }
    }

    fn close(&mut self, index: usize) {
        self.next[index] = index + 1;
    }

    /// The first node at a position or after it; halves the path on its way.
    fn at_or_after(&mut self, mut index: usize) -> Option<usize> {
        while index < self.next.len() && self.next[index] != index {
            let next = self.next[index];
            self.next[index] = self.next[next];
            index = self.next[index];
        }
        (index + 1 < self.next.len()).then_some(index)
    }
}

#[cfg(test)]
mod tests;
