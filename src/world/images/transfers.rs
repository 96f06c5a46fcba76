//! Transfers that share bandwidth: max-min fair between one registry and the links of the nodes.
//!
//! All transfers to nodes with equally many of them go at the same rate: the smaller of an equal part of the node's
//! link and of what the registry's link leaves to each. So they are kept in classes, by that number, each with a clock
//! that counts the bytes that a transfer of the class has got; a transfer is over when the clock shows its mark.
//!
//! Cost: a transfer that begins or ends touches those of its node, and the clocks of the classes: as many as there are
//! different numbers of transfers per node, one where nodes pull one image at a time.

use std::collections::{BTreeMap, BTreeSet};

use crate::ids::{NodeId, PodId};
use crate::units::SimTime;

/// Bytes that may be missing from a transfer that is over: the clocks are floating-point numbers.
const TOLERANCE_BYTES: f64 = 0.5;

/// Transfers under way, each known by the pod that waits for it.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Transfers {
    /// Bytes a second that the registry sends at most.
    registry: f64,
    /// Bytes a second that a node receives at most.
    node: f64,
    /// When the clocks were last set.
    now: SimTime,
    /// By number of transfers to a node.
    classes: BTreeMap<usize, Class>,
    nodes: BTreeMap<NodeId, Vec<PodId>>,
    /// Node and mark of each transfer.
    marks: BTreeMap<PodId, (NodeId, f64)>,
}

/// Transfers to nodes with equally many of them.
#[derive(Clone, Debug, Default, PartialEq)]
struct Class {
    nodes: usize,
    clock: f64,
    /// Transfers by mark; the bits of positive numbers are in their order.
    marks: BTreeSet<(u64, PodId)>,
}

impl Transfers {
    /// No transfers; infinite rates are allowed.
    pub(super) fn new(registry: f64, node: f64) -> Transfers {
        Transfers {
            registry,
            node,
            now: SimTime::ZERO,
            classes: BTreeMap::new(),
            nodes: BTreeMap::new(),
            marks: BTreeMap::new(),
        }
    }

    /// The registry's link changes.
    pub(super) fn set_registry(&mut self, now: SimTime, bytes_per_second: f64) {
        self.advance(now);
        self.registry = bytes_per_second;
    }

    /// Whether nothing holds transfers back.
    pub(super) fn is_instant(&self) -> bool {
        self.registry.is_infinite() && self.node.is_infinite()
    }

    /// What the registry leaves to each transfer that its node does not hold back: nodes with many transfers take less
    /// than an equal part each, and the others share the rest.
    fn registry_share(&self) -> f64 {
        let mut left = self.registry;
        let mut transfers: usize = self.classes.iter().map(|(count, class)| count * class.nodes).sum();
        for (&count, class) in self.classes.iter().rev() {
            let share = left / transfers as f64;
            if self.node / count as f64 >= share {
                return share;
            }
            left -= self.node * class.nodes as f64;
            transfers -= count * class.nodes;
        }
        f64::INFINITY
    }

    fn rate(&self, count: usize, share: f64) -> f64 {
        share.min(self.node / count as f64)
    }

    /// Sets the clocks to now.
    fn advance(&mut self, now: SimTime) {
        let seconds = now.since(self.now).as_seconds();
        self.now = now;
        if seconds > 0.0 {
            let (share, node) = (self.registry_share(), self.node);
            for (&count, class) in &mut self.classes {
                let rate = share.min(node / count as f64);
                // Transfers that nothing holds back are due at once, whatever the clock shows.
                if rate.is_finite() {
                    class.clock += rate * seconds;
                }
            }
        }
    }

    /// Moves the transfers of a node from the class of `from` to that of `to`.
    fn move_node(&mut self, node: NodeId, from: usize, to: usize) {
        let pods = self.nodes.get(&node).cloned().unwrap_or_default();
        let mut left = Vec::with_capacity(pods.len());
        if let Some(class) = self.classes.get_mut(&from) {
            for pod in &pods {
                let mark = self.marks[pod].1;
                if class.marks.remove(&(mark.to_bits(), *pod)) {
                    left.push((*pod, mark - class.clock));
                }
            }
            class.nodes -= 1;
            if class.nodes == 0 {
                self.classes.remove(&from);
            }
        }
        if to > 0 {
            let class = self.classes.entry(to).or_default();
            class.nodes += 1;
            for (pod, bytes) in left {
                let mark = class.clock + bytes.max(0.0);
                class.marks.insert((mark.to_bits(), pod));
                self.marks.insert(pod, (node, mark));
            }
        }
    }

    /// Begins a transfer.
    ///
    /// # Panics
    /// When the pod waits for one already.
    pub(super) fn begin(&mut self, now: SimTime, pod: PodId, node: NodeId, bytes: u64) {
        assert!(!self.marks.contains_key(&pod), "a pod waits for one transfer");
        self.advance(now);
        let before = self.nodes.get(&node).map_or(0, Vec::len);
        self.move_node(node, before, before + 1);
        let class = self.classes.get_mut(&(before + 1)).expect("the node has just come to it");
        let mark = class.clock + bytes as f64;
        class.marks.insert((mark.to_bits(), pod));
        self.marks.insert(pod, (node, mark));
        self.nodes.entry(node).or_default().push(pod);
    }

    /// Ends a transfer, whether it is over or not. Without effect where there is none.
    pub(super) fn end(&mut self, now: SimTime, pod: PodId) {
        self.advance(now);
        let Some((node, mark)) = self.marks.remove(&pod) else { return };
        let pods = self.nodes.get_mut(&node).expect("a transfer goes to a node");
        let before = pods.len();
        pods.retain(|other| *other != pod);
        if let Some(class) = self.classes.get_mut(&before) {
            class.marks.remove(&(mark.to_bits(), pod));
        }
        self.move_node(node, before, before - 1);
        if before == 1 {
            self.nodes.remove(&node);
        }
    }

    /// When the next transfer will be over, as things are; [`SimTime::NEVER`]: none is under way, or none gets on.
    pub(super) fn next(&self) -> SimTime {
        let share = self.registry_share();
        let mut next = SimTime::NEVER;
        for (&count, class) in &self.classes {
            if let Some(&(mark, _)) = class.marks.first() {
                let bytes = (f64::from_bits(mark) - class.clock).max(0.0);
                let seconds = bytes / self.rate(count, share);
                if seconds.is_finite() {
                    let ns = (seconds * 1e9).ceil() as u64;
                    next = next.min(SimTime(self.now.0.saturating_add(ns)));
                }
            }
        }
        next
    }

    /// The pods whose transfers are over now, in order of pods. They are to be ended.
    pub(super) fn due(&mut self, now: SimTime) -> Vec<PodId> {
        self.advance(now);
        let share = self.registry_share();
        let mut due = Vec::new();
        for (&count, class) in &self.classes {
            let is_instant = self.rate(count, share).is_infinite();
            let limit = if is_instant { f64::INFINITY } else { class.clock + TOLERANCE_BYTES };
            due.extend(class.marks.iter().take_while(|(mark, _)| f64::from_bits(*mark) <= limit).map(|(_, pod)| *pod));
        }
        due.sort_unstable();
        due
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Runs transfers of (start in s, node, bytes) to their ends, in s.
    fn ends(registry: f64, node: f64, transfers: &[(f64, u32, u64)]) -> Vec<f64> {
        let mut running = Transfers::new(registry, node);
        let mut ends = vec![f64::NAN; transfers.len()];
        let mut starts: Vec<usize> = (0..transfers.len()).collect();
        starts.sort_by(|a, b| transfers[*a].0.total_cmp(&transfers[*b].0));
        let mut starts = starts.into_iter().peekable();
        loop {
            let begin = starts.peek().map_or(SimTime::NEVER, |&first| SimTime((transfers[first].0 * 1e9) as u64));
            let now = running.next().min(begin);
            if now == SimTime::NEVER {
                return ends;
            }
            for pod in running.due(now) {
                running.end(now, pod);
                ends[pod.index()] = now.as_seconds();
            }
            if begin == now {
                let first = starts.next().expect("it was there");
                running.begin(now, PodId(first as u32), NodeId(transfers[first].1), transfers[first].2);
            }
        }
    }

    #[test]
    fn shares_are_max_min_fair() {
        const GB: u64 = 1_000_000_000;
        // Rates of 125 MB/s: 1 Gb/s. A gigabyte alone takes 8 s.
        let (slow, fast) = (125e6, f64::INFINITY);
        for (registry, node, transfers, expected) in [
            (slow, fast, vec![(0.0, 0, GB)], vec![8.0]),
            (fast, slow, vec![(0.0, 0, GB), (0.0, 1, GB)], vec![8.0, 8.0]),
            // Two share the registry: 16 s each; two share their node's link: the same.
            (slow, fast, vec![(0.0, 0, GB), (0.0, 1, GB)], vec![16.0, 16.0]),
            (fast, slow, vec![(0.0, 0, GB), (0.0, 0, GB)], vec![16.0, 16.0]),
            // The second comes at 4 s, when half of the first is left: both at half rate, the first has 0.5 GB left and
            // takes 8 s more, 12; the second has had 0.5 GB by then and has the link to itself: 4 s more, 16.
            (slow, slow, vec![(0.0, 0, GB), (4.0, 1, GB)], vec![12.0, 16.0]),
            // Registry 3 Gb/s, links 1 Gb/s. Node 0 has three transfers, nodes 1 and 2 one each. Node 0 is held back by
            // its link, 1/3 Gb/s each; the others get their full links, as 3 - 1 = 2 Gb/s are left for them: 24, 8, 8
            // s.
            (
                3.0 * slow,
                slow,
                vec![(0.0, 0, GB), (0.0, 0, GB), (0.0, 0, GB), (0.0, 1, GB), (0.0, 2, GB)],
                vec![24.0, 24.0, 24.0, 8.0, 8.0],
            ),
            // Registry 2 Gb/s instead: node 0 takes 1 Gb/s (1/3 each is less than the equal part, 2/5), 1 Gb/s is left
            // for two: 16 s. After that node 0 goes on as before.
            (
                2.0 * slow,
                slow,
                vec![(0.0, 0, GB), (0.0, 0, GB), (0.0, 0, GB), (0.0, 1, GB), (0.0, 2, GB)],
                vec![24.0, 24.0, 24.0, 16.0, 16.0],
            ),
            // Nothing is held back: at once.
            (fast, fast, vec![(3.0, 0, GB)], vec![3.0]),
        ] {
            let found = ends(registry, node, &transfers);
            for (found, expected) in found.iter().zip(&expected) {
                assert!((found - expected).abs() < 1e-6, "{registry} {node} {transfers:?}: {found} {expected}");
            }
        }
    }

    /// The same by small steps: every 1 ms each transfer gets what water-filling over all of them gives it.
    fn ends_by_steps(registry: f64, node: f64, transfers: &[(f64, u32, u64)]) -> Vec<f64> {
        let mut left: Vec<f64> = transfers.iter().map(|transfer| transfer.2 as f64).collect();
        let mut ends = vec![f64::NAN; transfers.len()];
        let step = 1e-3;
        for tick in 0..1_000_000 {
            let now = f64::from(tick) * step;
            let mut open: Vec<usize> =
                (0..transfers.len()).filter(|&i| transfers[i].0 <= now && left[i] > 0.0).collect();
            if open.is_empty() && transfers.iter().all(|transfer| transfer.0 <= now) {
                return ends;
            }
            let mut links: BTreeMap<u32, f64> = transfers.iter().map(|transfer| (transfer.1, node)).collect();
            let mut source = registry;
            while !open.is_empty() {
                let on = |link: u32| open.iter().filter(|&&i| transfers[i].1 == link).count() as f64;
                let share = |i: usize| links[&transfers[i].1] / on(transfers[i].1);
                let tightest = open.iter().copied().min_by(|a, b| share(*a).total_cmp(&share(*b))).expect("open");
                let rate = share(tightest).min(source / open.len() as f64);
                // Everybody limited at this rate is settled; if the registry limits, that is everybody.
                let settled: Vec<usize> =
                    open.iter().copied().filter(|&i| share(i) <= rate + 1e-3 || rate < share(tightest)).collect();
                for &i in &settled {
                    left[i] -= rate * step;
                    source -= rate;
                    *links.get_mut(&transfers[i].1).expect("a link") -= rate;
                    if left[i] <= 0.0 {
                        ends[i] = now + step;
                    }
                }
                open.retain(|i| !settled.contains(i));
            }
        }
        ends
    }

    #[test]
    fn classes_give_what_water_filling_gives() {
        let mut stream = crate::rng::Seed { base: 5, replication: 0 }.stream("transfers", 0);
        for case in 0..30 {
            let transfers: Vec<(f64, u32, u64)> = (0..2 + stream.below(7))
                .map(|_| {
                    (stream.below(4000) as f64 / 1000.0, stream.below(3) as u32, 1_000_000 + stream.below(9_000_000))
                })
                .collect();
            let (registry, node) = (1e6 + stream.unit() * 4e6, 1e6 + stream.unit() * 2e6);
            let (fast, slow) = (ends(registry, node, &transfers), ends_by_steps(registry, node, &transfers));
            for (fast, slow) in fast.iter().zip(&slow) {
                // Each end of another transfer is seen up to a step late.
                assert!((fast - slow).abs() < 0.02, "case {case}: {fast} {slow}");
            }
        }
    }
}
