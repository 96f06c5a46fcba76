//! The packing picture's data: which pods stood where and when, for as many nodes and pods as a page can show.
//!
//! Nodes are taken at even steps from the node table, fewer of them when they held many pods; should the pods on them
//! still be too many, every second one is dropped until they fit, and the page says so. Everything else about the
//! picture is the page's own script.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::files::Rows;
use super::run::{Clock, Node};
use super::{ReportError, ReportOptions};

/// Fewer nodes than this are not shown for the sake of pods: a picture of two nodes says little.
const NODES_LEAST: usize = 12;

struct Pod {
    name: String,
    template: String,
    /// Position among the shown nodes.
    node: usize,
    cpu_milli: f64,
    memory_bytes: f64,
    gpus: String,
    gpu_milli: f64,
    from: f64,
    to: f64,
}

/// The picture under construction.
pub(super) struct Placement<'a> {
    nodes: &'a [Node],
    clock: Clock,
    shown: Vec<usize>,
    /// Position among the shown nodes, by position in the node table.
    slots: Vec<Option<u32>>,
    pods: Vec<Pod>,
    pods_limit: usize,
    /// Of the pods on shown nodes, one in so many is kept.
    stride: u64,
    pods_on_shown: u64,
    pods_placed: u64,
}

/// The finished picture.
pub(super) struct Packing {
    /// What the page's script reads.
    pub(super) data: Value,
    /// What is left out, in words; empty when nothing is.
    pub(super) sampling_note: String,
}

fn evenly(nodes: usize, wanted: usize) -> Vec<usize> {
    (0..wanted).map(|step| step * nodes / wanted).collect()
}

fn choose_nodes(nodes: &[Node], options: &ReportOptions) -> Vec<usize> {
    let mut wanted = nodes.len().min(options.nodes_shown_max);
    loop {
        let chosen = evenly(nodes.len(), wanted);
        let pods: f64 = chosen.iter().map(|&index| nodes[index].pods_bound).filter(|pods| pods.is_finite()).sum();
        if pods <= options.pods_shown_max as f64 || wanted <= NODES_LEAST {
            return chosen;
        }
        let fitting = (wanted as f64 * options.pods_shown_max as f64 / pods) as usize;
        wanted = fitting.clamp(NODES_LEAST.min(wanted - 1), wanted - 1);
    }
}

impl<'a> Placement<'a> {
    /// A picture without pods yet.
    pub(super) fn new(nodes: &'a [Node], clock: Clock, options: &ReportOptions) -> Placement<'a> {
        let shown = choose_nodes(nodes, options);
        let mut slots = vec![None; nodes.len()];
        for (slot, &index) in shown.iter().enumerate() {
            slots[index] = Some(slot as u32);
        }
        Placement {
            nodes,
            clock,
            shown,
            slots,
            pods: Vec::new(),
            pods_limit: options.pods_shown_max.max(1),
            stride: 1,
            pods_on_shown: 0,
            pods_placed: 0,
        }
    }

    /// Adds the pod of the table's current row, which stands on a node of the node table over a span of time.
    pub(super) fn place(
        &mut self,
        rows: &Rows,
        node: usize,
        (from, to): (f64, f64),
        gpu_milli: f64,
    ) -> Result<(), ReportError> {
        self.pods_placed += 1;
        let Some(slot) = self.slots[node] else {
            return Ok(());
        };
        self.pods_on_shown += 1;
        if !(self.pods_on_shown - 1).is_multiple_of(self.stride) {
            return Ok(());
        }
        if self.pods.len() == self.pods_limit {
            let mut index = 0;
            self.pods.retain(|_| {
                index += 1;
                index % 2 == 1
            });
            self.stride *= 2;
            if !(self.pods_on_shown - 1).is_multiple_of(self.stride) {
                return Ok(());
            }
        }
        self.pods.push(Pod {
            name: rows.text(8).into_owned(),
            template: rows.text(9).into_owned(),
            node: slot as usize,
            cpu_milli: rows.number(6)?,
            memory_bytes: rows.number(7)?,
            gpus: rows.text(10).into_owned(),
            gpu_milli,
            from,
            to,
        });
        Ok(())
    }

    fn sampling_note(&self) -> String {
        let mut note = String::new();
        if self.shown.len() < self.nodes.len() {
            note = format!("Shows {} of {} nodes, taken at even steps.", self.shown.len(), self.nodes.len());
        }
        if self.stride > 1 {
            note.push_str(&format!(
                " Of the {} pods on them every {}th is drawn, so nodes look emptier than they were.",
                self.pods_on_shown, self.stride
            ));
        }
        note.trim_start().to_owned()
    }

    /// The picture's data.
    pub(super) fn finish(self) -> Packing {
        let sampling_note = self.sampling_note();
        let mut templates: Vec<(usize, &str)> = Vec::new();
        let mut names: Vec<&str> = self.pods.iter().map(|pod| pod.template.as_str()).collect();
        names.sort_unstable();
        for group in names.chunk_by(|left, right| left == right) {
            templates.push((group.len(), group[0]));
        }
        // The most frequent first: they get colours of their own.
        templates.sort_by(|left, right| right.0.cmp(&left.0).then(left.1.cmp(right.1)));
        let ranks: BTreeMap<&str, usize> =
            templates.iter().enumerate().map(|(rank, template)| (template.1, rank)).collect();
        let shown = || self.shown.iter().map(|&index| &self.nodes[index]);
        let nodes = |value: fn(&Node) -> Value| shown().map(value).collect::<Value>();
        let pods = |value: fn(&Pod) -> Value| self.pods.iter().map(value).collect::<Value>();
        let data = json!({
            "clock": if matches!(self.clock, Clock::Seconds(_)) { "seconds" } else { "arrivals" },
            "end": self.clock.end(),
            "templates": templates.iter().map(|template| template.1).collect::<Vec<_>>(),
            "nodes": {
                "name": nodes(|node| json!(node.name)),
                "pool": nodes(|node| json!(node.pool)),
                "zone": nodes(|node| json!(node.zone)),
                "model": nodes(|node| json!(node.gpu_model)),
                "gpus": nodes(|node| json!(node.gpu_count)),
                "cpu": nodes(|node| json!(node.cpu_milli)),
                "memory": nodes(|node| json!(node.memory_bytes)),
                "added": nodes(|node| json!(node.added_s)),
                "removed": nodes(|node| json!(node.removed_s)),
            },
            "pods": {
                "name": pods(|pod| json!(pod.name)),
                "template": self.pods.iter().map(|pod| json!(ranks[pod.template.as_str()])).collect::<Value>(),
                "node": pods(|pod| json!(pod.node)),
                "cpu": pods(|pod| json!(pod.cpu_milli)),
                "memory": pods(|pod| json!(pod.memory_bytes)),
                "gpus": pods(|pod| json!(pod.gpus)),
                "gpuMilli": pods(|pod| json!(pod.gpu_milli)),
                "from": pods(|pod| json!(pod.from)),
                "to": pods(|pod| json!(pod.to)),
            },
        });
        Packing { data, sampling_note }
    }
}
