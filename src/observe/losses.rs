//! What a run cost beside dollars: evictions, work that was lost, and images that were pulled, by pool and workload.
//!
//! Work is lost when a pod that would have ended by itself is evicted, or a container of it is killed for memory: what it had done
//! since its last checkpoint is done again, or never. It counts in CPU time, at the pod's request, and in dollars: what the pod
//! held of its node, shared as the ledger shares it between resources, at the node's list price. Images count with the layers that
//! arrived; a pod that had to wait for one started cold.
//!
//! Cost: O(containers) an eviction; 16 bytes for each pod that is evicted.

use std::collections::BTreeMap;

use super::bill;
use super::promises::Promise;
use crate::ids::{NodeId, PodId};
use crate::model::Model;
use crate::model::billing::{Amounts, resource_weights};
use crate::policy::disruption;
use crate::results::{Column, Table, TextColumn};
use crate::units::{SimDuration, SimTime};
use crate::world::lives::{ContainerState, Running};
use crate::world::{Phase, View};

/// Gathers what was lost.
#[derive(Clone, Debug, Default)]
pub struct LossLog {
    /// By pool, namespace and workload; a pool that is none of the model's stands for nodes without one.
    rows: BTreeMap<(u32, String, String), Losses>,
    /// Since when the run had worked that each pod has lost, so that none is counted twice.
    counted: BTreeMap<PodId, SimTime>,
    has_budgets: bool,
}

/// What was lost.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Losses {
    /// Pods that lost their node.
    pub evictions: u64,
    /// Those of them that a disruption budget would not have let happen: by faults, by force, or for pods of higher priority.
    pub beyond_budget: u64,
    /// Containers that were killed for memory.
    pub kills: u64,
    /// Work that was lost, in milli-cores times ns.
    pub work_milli_ns: u128,
    /// What was paid for it, in US dollars.
    pub work_usd: f64,
    /// Pods that had to wait for an image.
    pub cold_starts: u64,
    /// Bytes of images that were pulled for them.
    pub image_bytes: u64,
}

impl Losses {
    /// Work that was lost, in core-hours.
    pub fn work_core_h(&self) -> f64 {
        self.work_milli_ns as f64 / 3.6e15
    }
}

impl LossLog {
    /// The log of a run; none where nothing is bought or billed.
    pub fn new(model: &Model) -> Option<LossLog> {
        let counts = model.provisioning.tariff.is_some() || !model.provisioning.groups.is_empty();
        let has_budgets = !model.objects.disruption_budgets.is_empty();
        counts.then(|| LossLog { has_budgets, ..LossLog::default() })
    }

    /// A pod is about to lose its node.
    pub fn pod_evicted(&mut self, view: &View<'_>, pod: PodId) {
        let Some(node) = view.world.pods.node(pod) else { return };
        let is_beyond = self.has_budgets && !disruption::may_evict(view, pod);
        let row = self.row(view, pod, node);
        (row.evictions, row.beyond_budget) = (row.evictions + 1, row.beyond_budget + u64::from(is_beyond));
        if let Some((since, lost)) = work_of(view, pod)
            && self.counted.insert(pod, since) != Some(since)
        {
            self.lose(view, pod, node, lost);
        }
    }

    /// A container is about to be killed for memory.
    pub fn container_killed(&mut self, view: &View<'_>, pod: PodId, container: usize) {
        let Some(node) = view.world.pods.node(pod) else { return };
        self.row(view, pod, node).kills += 1;
        let life = view.world.member(pod).and_then(|member| member.life.as_deref());
        let state = life.and_then(|life| life.containers.get(container));
        if let Some(lost) = state.and_then(|state| unsaved(view, pod, container, state)) {
            self.lose(view, pod, node, lost);
        }
    }

    /// The run is over.
    pub fn end(&mut self, view: &View<'_>) {
        for (&(node, pod), &bytes) in view.world.images.pulled() {
            let row = self.row(view, pod, node);
            row.cold_starts += 1;
            row.image_bytes += bytes;
        }
    }

    /// What was lost in all.
    pub fn total(&self) -> Losses {
        self.rows.values().fold(Losses::default(), |sum, one| Losses {
            evictions: sum.evictions + one.evictions,
            beyond_budget: sum.beyond_budget + one.beyond_budget,
            kills: sum.kills + one.kills,
            work_milli_ns: sum.work_milli_ns + one.work_milli_ns,
            work_usd: sum.work_usd + one.work_usd,
            cold_starts: sum.cold_starts + one.cold_starts,
            image_bytes: sum.image_bytes + one.image_bytes,
        })
    }

    /// `losses.csv`: a row for each pool and workload that lost something.
    pub fn table(&self, model: &Model) -> Table {
        let rows = || self.rows.iter();
        let text = |of: fn(&(u32, String, String)) -> &str| {
            Column::Text(rows().map(|(key, _)| of(key)).collect::<TextColumn>())
        };
        let count = |of: fn(&Losses) -> u64| Column::Count(rows().map(|(_, row)| of(row)).collect());
        let fixed = |of: fn(&Losses) -> f64| Column::Fixed(6, rows().map(|(_, row)| of(row)).collect());
        let pools = model.cluster.pools.iter().map(|pool| pool.name.clone()).collect();
        Table::new()
            .with("pool", Column::Dictionary { codes: rows().map(|(key, _)| key.0).collect(), values: pools })
            .with("namespace", text(|key| &key.1))
            .with("workload", text(|key| &key.2))
            .with("evictions", count(|row| row.evictions))
            .with("evictions_beyond_budget", count(|row| row.beyond_budget))
            .with("memory_kills", count(|row| row.kills))
            .with("lost_work_core_h", fixed(Losses::work_core_h))
            .with("lost_work_usd", fixed(|row| row.work_usd))
            .with("cold_starts", count(|row| row.cold_starts))
            .with("image_pull_bytes", count(|row| row.image_bytes))
    }

    /// Disruption budgets as promises, by workload: evictions beyond them; none where the model has no budgets.
    pub(super) fn budgets(&self) -> Vec<Promise> {
        let mut workloads: BTreeMap<(&str, &str), [u64; 2]> = BTreeMap::new();
        for ((_, namespace, workload), row) in self.rows.iter().filter(|_| self.has_budgets) {
            let [beyond, all] = workloads.entry((namespace, workload)).or_default();
            (*beyond, *all) = (*beyond + row.beyond_budget, *all + row.evictions);
        }
        let promise = |((namespace, workload), [beyond, all]): ((&str, &str), [u64; 2])| Promise {
            promise: "disruption budget",
            subject: format!("{namespace}/{workload}"),
            broken: beyond as f64,
            of: all as f64,
            unit: "evictions",
        };
        workloads.into_iter().filter(|(_, [_, all])| *all > 0).map(promise).collect()
    }

    fn row(&mut self, view: &View<'_>, pod: PodId, node: NodeId) -> &mut Losses {
        let shape = view.model.cluster.shape(view.world.nodes.shape[node.index()]);
        let (namespace, workload) = bill::workload_of(view, pod);
        let pool = shape.pool.map_or(u32::MAX, |pool| pool.0);
        self.rows.entry((pool, namespace.to_owned(), workload.to_owned())).or_default()
    }

    fn lose(&mut self, view: &View<'_>, pod: PodId, node: NodeId, lost: SimDuration) {
        let cpu = view.class_of(pod).requests.cpu.0;
        let usd = usd_per_hour(view, pod, node) * lost.as_seconds() / 3600.0;
        let row = self.row(view, pod, node);
        row.work_milli_ns += u128::from(cpu) * u128::from(lost.0);
        row.work_usd += usd;
    }
}

/// Since when a pod has worked that would end by itself, and how much of that is lost with it; none: it does no such work.
fn work_of(view: &View<'_>, pod: PodId) -> Option<(SimTime, SimDuration)> {
    let (pods, now) = (&view.world.pods, view.world.time);
    if let Some(life) = view.world.member(pod).and_then(|member| member.life.as_deref()) {
        let states = life.containers.iter().enumerate();
        let lost = states.filter_map(|(index, state)| unsaved(view, pod, index, state)).max()?;
        return Some((life.began, lost));
    }
    let ends = pods.duration_ns[pod.index()] != u64::MAX && pods.phase[pod.index()] == Phase::Running;
    let since = pods.running[pod.index()];
    (ends && since <= now).then(|| (since, now.since(since)))
}

/// Work of a container that is not safe at a checkpoint; none: it works until it is stopped, or does not run.
fn unsaved(view: &View<'_>, pod: PodId, index: usize, state: &ContainerState) -> Option<SimDuration> {
    let Running { progress, .. } = state.running().filter(|running| running.progress.work.is_some())?;
    let done = progress.done_by(view.world.time).0.min(progress.work?.0);
    let life = view.world.life_of(&view.model.controllers, view.world.member(pod)?);
    let container = life.init_containers.iter().chain(&life.containers).nth(index)?;
    let every = container.checkpoint_every.map_or(0, |every| every.0);
    // As the kubelet has it: what is written at the very end is not.
    let saved = done.saturating_sub(1).checked_div(every).map_or(0, |whole| whole * every);
    Some(SimDuration(done - saved))
}

/// What a pod's requests are worth of its node by the hour, at the node's list price.
fn usd_per_hour(view: &View<'_>, pod: PodId, node: NodeId) -> f64 {
    let shape = view.model.cluster.shape(view.world.nodes.shape[node.index()]);
    let capacity = Amounts {
        cpu: shape.allocatable.cpu,
        memory: shape.allocatable.memory,
        gpu_milli: shape.gpu.map_or(0, |gpu| u64::from(gpu.count) * 1000),
    };
    let class = view.class_of(pod);
    let (cpu, memory) = (class.requests.cpu, class.requests.memory);
    let asked = Amounts { cpu, memory, gpu_milli: class.gpu.as_ref().map_or(0, |gpu| gpu.total_milli()) };
    let sum = |amounts| resource_weights(amounts).iter().map(|&weight| weight as f64).sum::<f64>();
    let whole = sum(capacity);
    if whole > 0.0 { shape.usd_per_hour * sum(asked) / whole } else { 0.0 }
}
