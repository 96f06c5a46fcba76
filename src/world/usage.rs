//! What containers use on their nodes, as far as it is known.
//!
//! Only nodes that have had such containers have an entry. An entry holds the runs of containers, what was drawn for them
//! and what they get of the CPU; what they use at an instant follows from the model and their age.
//!
//! Cost: about 60 bytes a container that runs, and 200 a node.

use crate::ids::{NodeId, PodId};
use crate::units::{SimDuration, SimTime};

/// Nodes with containers whose usage is known.
#[derive(Clone, Debug, Default)]
pub struct NodeUsages {
    /// By node.
    nodes: Vec<Option<Box<NodeUsage>>>,
}

/// Usage on one node.
#[derive(Clone, Debug)]
pub struct NodeUsage {
    /// Runs of containers, by pod and position in it.
    pub runs: Vec<UsedRun>,
    /// When it is looked at next: its pending event.
    pub wake_at: SimTime,
    /// What its kubelet knows of its memory.
    pub monitor: PressureMonitor,
    /// What has happened so far.
    pub totals: UsageTotals,
    /// The CPU of containers whose use of it is known.
    pub cpu: CpuInUse,
    /// Milli-cores that servers of requests may use of it, as was last found; none: nobody has looked.
    pub server_milli: Option<f64>,
    /// Up to when [`NodeUsage::totals`] counts times.
    settled: SimTime,
    /// Whether containers want more CPU than there is.
    is_contended: bool,
}

/// What containers whose use of CPU is known use of it together.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CpuInUse {
    /// Milli-cores in use.
    pub used_milli: u64,
    /// Milli-cores that they requested.
    pub requested_milli: u64,
}

/// What has happened on a node, or on all.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct UsageTotals {
    /// How long containers wanted more CPU than there was, in ns.
    pub contended_ns: u64,
    /// How long containers wanted more CPU than their limits, each counted by itself, in ns.
    pub throttled_ns: u64,
    /// Containers that were killed for memory.
    pub oom_kills: u64,
    /// Pods that were evicted for memory.
    pub evictions: u64,
    /// How long the node was under memory pressure, in ns.
    pub pressure_ns: u64,
}

/// One run of a container.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct UsedRun {
    /// The pod.
    pub pod: PodId,
    /// The container's position in the pod's life.
    pub container: u32,
    /// Its how-many-th run this is.
    pub run: u32,
    /// When it was started.
    pub since: SimTime,
    /// Milli-cores drawn for it, if that is how they are given.
    pub drawn_cpu: u64,
    /// Bytes drawn for it, if that is how they are given.
    pub drawn_memory: u64,
    /// How fast it works: the share that it gets of the CPU that it wants.
    pub speed: f64,
    /// Whether it wants more CPU than its limit.
    pub is_throttled: bool,
}

/// What the kubelet of a node knows of its memory (`managerImpl` of the eviction manager).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PressureMonitor {
    /// Since when the hard and the soft threshold have been met; [`SimTime::NEVER`]: they are not.
    pub first_observed: [SimTime; 2],
    /// Whether pods are being evicted for the hard and for the soft threshold.
    pub is_reclaiming: [bool; 2],
    /// When one of them was last met.
    pub last_observed: Option<SimTime>,
    /// The condition `MemoryPressure`.
    pub is_under_pressure: bool,
    /// When the kubelet last looked; while all is well it looks every period from there.
    pub looked: SimTime,
    /// When it looks next, while all is not well.
    pub look_at: SimTime,
    /// The pod that it has evicted and waits for.
    pub evicting: Option<PodId>,
}

impl PressureMonitor {
    /// A kubelet that looks for the first time now.
    pub fn new(now: SimTime) -> PressureMonitor {
        PressureMonitor {
            first_observed: [SimTime::NEVER; 2],
            is_reclaiming: [false; 2],
            last_observed: None,
            is_under_pressure: false,
            looked: now,
            look_at: SimTime::NEVER,
            evicting: None,
        }
    }

    /// Whether it has to look on without being woken: a threshold is met, or was not long ago.
    pub fn is_alert(&self) -> bool {
        self.is_under_pressure || self.first_observed != [SimTime::NEVER; 2]
    }

    /// The first of its looks at `instant` or later, while all is well.
    pub fn look_from(&self, instant: SimTime, period: SimDuration) -> SimTime {
        let periods = instant.0.saturating_sub(self.looked.0).div_ceil(period.0).max(1);
        SimTime(self.looked.0.saturating_add(periods.saturating_mul(period.0)))
    }
}

impl NodeUsage {
    fn new(joined: SimTime, now: SimTime) -> NodeUsage {
        NodeUsage {
            runs: Vec::new(),
            wake_at: SimTime::NEVER,
            monitor: PressureMonitor::new(joined),
            totals: UsageTotals::default(),
            cpu: CpuInUse::default(),
            server_milli: None,
            settled: now,
            is_contended: false,
        }
    }

    /// Counts the time up to now.
    pub fn settle(&mut self, now: SimTime) {
        if now == self.settled {
            return;
        }
        let span = now.since(self.settled).0;
        self.settled = now;
        let throttled = self.runs.iter().filter(|run| run.is_throttled).count() as u64;
        self.totals.throttled_ns += throttled * span;
        self.totals.contended_ns += if self.is_contended { span } else { 0 };
        self.totals.pressure_ns += if self.monitor.is_under_pressure { span } else { 0 };
    }

    /// Notes whether containers want more CPU than there is. What went before must be settled.
    pub fn set_contended(&mut self, is_contended: bool) {
        self.is_contended = is_contended;
    }
}

impl NodeUsages {
    /// Whether nothing is known of any node.
    pub fn is_empty(&self) -> bool {
        self.nodes.is_empty()
    }

    /// Usage on a node, if anything was ever known of it.
    pub fn get(&self, node: NodeId) -> Option<&NodeUsage> {
        self.nodes.get(node.index())?.as_deref()
    }

    /// The same, to be changed.
    pub fn get_mut(&mut self, node: NodeId) -> Option<&mut NodeUsage> {
        self.nodes.get_mut(node.index())?.as_deref_mut()
    }

    /// The nodes, in order of id.
    pub fn iter(&self) -> impl Iterator<Item = (NodeId, &NodeUsage)> {
        let nodes = self.nodes.iter().enumerate();
        nodes.filter_map(|(number, usage)| Some((NodeId::from_index(number), usage.as_deref()?)))
    }

    /// The totals of a node up to `until`, with the time since it was last settled.
    pub fn totals(&self, node: NodeId, until: SimTime) -> UsageTotals {
        let Some(usage) = self.get(node) else { return UsageTotals::default() };
        let mut usage = usage.clone();
        usage.settle(until.max(usage.settled));
        usage.totals
    }

    /// Whether the pod's runs on the node are other ones than those that are known.
    pub fn differs(&self, node: NodeId, pod: PodId, now: &[UsedRun]) -> bool {
        let known = self.get(node).map_or(&[][..], |usage| usage.of_pod(pod));
        known.len() != now.len() || known.iter().zip(now).any(|(one, other)| !one.is_same(other))
    }

    /// Takes note of the pod's runs on a node that joined then. Runs that are known keep what is known of them.
    pub fn replace(&mut self, (node, joined): (NodeId, SimTime), pod: PodId, runs: Vec<UsedRun>, now: SimTime) {
        if self.nodes.len() <= node.index() {
            self.nodes.resize(node.index() + 1, None);
        }
        let usage = self.nodes[node.index()].get_or_insert_with(|| Box::new(NodeUsage::new(joined, now)));
        usage.settle(now);
        let range = usage.range(pod);
        let keep = |run: UsedRun| *usage.runs[range.clone()].iter().find(|known| known.is_same(&run)).unwrap_or(&run);
        let runs: Vec<UsedRun> = runs.into_iter().map(keep).collect();
        usage.runs.splice(range, runs);
    }
}

impl NodeUsage {
    fn range(&self, pod: PodId) -> std::ops::Range<usize> {
        let first = self.runs.partition_point(|run| run.pod < pod);
        first..first + self.runs[first..].partition_point(|run| run.pod == pod)
    }

    /// The runs of a pod.
    pub fn of_pod(&self, pod: PodId) -> &[UsedRun] {
        &self.runs[self.range(pod)]
    }
}

impl UsedRun {
    fn is_same(&self, other: &UsedRun) -> bool {
        (self.pod, self.container, self.run) == (other.pod, other.container, other.run)
    }

    /// How old it is.
    pub fn age(&self, now: SimTime) -> SimDuration {
        now.since(self.since)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(pod: u32, container: u32, run: u32) -> UsedRun {
        UsedRun {
            pod: PodId(pod),
            container,
            run,
            since: SimTime::ZERO,
            drawn_cpu: 0,
            drawn_memory: 0,
            speed: 1.0,
            is_throttled: false,
        }
    }

    #[test]
    fn runs_are_kept_by_pod() {
        let mut usages = NodeUsages::default();
        let node = (NodeId(3), SimTime::ZERO);
        for (pod, runs) in [(2, vec![run(2, 0, 0), run(2, 1, 0)]), (1, vec![run(1, 0, 0)]), (3, vec![run(3, 0, 0)])] {
            assert!(usages.differs(node.0, PodId(pod), &runs));
            usages.replace(node, PodId(pod), runs.clone(), SimTime::ZERO);
            assert!(!usages.differs(node.0, PodId(pod), &runs));
        }
        let usage = usages.get_mut(node.0).unwrap();
        usage.runs[1].speed = 0.5;
        usage.runs[1].is_throttled = true;
        // The second container of the second pod was started again 4 s later; the first keeps its speed.
        usages.replace(node, PodId(2), vec![run(2, 0, 0), run(2, 1, 1)], SimTime(4));
        let usage = usages.get(node.0).unwrap();
        let seen: Vec<(u32, u32, f64)> = usage.runs.iter().map(|run| (run.pod.0, run.run, run.speed)).collect();
        assert_eq!(seen, [(1, 0, 1.0), (2, 0, 0.5), (2, 1, 1.0), (3, 0, 1.0)]);
        assert_eq!(usage.totals.throttled_ns, 4);
        assert_eq!(usages.totals(node.0, SimTime(6)).throttled_ns, 6);
        usages.replace(node, PodId(2), vec![], SimTime(4));
        assert_eq!(usages.get(node.0).unwrap().runs.len(), 2);
    }

    #[test]
    fn a_kubelet_looks_every_period() {
        let period = SimDuration(10);
        let monitor = PressureMonitor::new(SimTime(3));
        for (instant, look) in [(3, 13), (13, 13), (14, 23), (0, 13)] {
            assert_eq!(monitor.look_from(SimTime(instant), period), SimTime(look), "{instant}");
        }
    }
}
