//! Rows of pods and nodes.

use super::Recorder;
use super::node_usage::{cost_usd, up_ns};
use crate::ids::{NodeId, PodId};
use crate::model::{ArrivalSource, PodClass};
use crate::results::{Column, Table, TextColumn};
use crate::units::SimTime;
use crate::world::nodes::{GpuMask, mask_devices};
use crate::world::pods::Reason;
use crate::world::usage::UsageTotals;
use crate::world::{Phase, View};

/// The names of pods.
pub fn pod_names(view: &View<'_>, pods: impl Iterator<Item = PodId>) -> TextColumn {
    let mut names = TextColumn::default();
    for pod in pods {
        let (source, number) = view.world.pods.origin[pod.index()];
        if let Some(member) = view.world.member(pod) {
            names.push(&member.name);
            continue;
        }
        match &view.model.workload.sources[usize::from(source)] {
            ArrivalSource::Listed(listed) => names.push(listed.names.get(number as usize)),
            ArrivalSource::Generated(pods) => names.push_fmt(format_args!("{}-{number}", pods.name)),
        }
    }
    names
}

/// Devices joined by `-`, as in the golden cases.
pub fn gpu_list(mask: GpuMask) -> String {
    let devices: Vec<String> = mask_devices(mask).map(|device| device.to_string()).collect();
    devices.join("-")
}

/// One row a pod, in order of arrival.
pub fn pods(view: &View<'_>) -> Table {
    let pods = &view.world.pods;
    let classes: Vec<&PodClass> = view.model.workload.all_classes().collect();
    let ids = || (0..pods.len()).map(PodId::from_index);
    let of_class = |value: &dyn Fn(usize) -> u64| {
        let by_class: Vec<u64> = (0..classes.len()).map(value).collect();
        Column::Count(pods.class.iter().map(|class| by_class[class.index()]).collect())
    };
    let wait_ms = |pod: PodId| match (pods.bound[pod.index()], pods.arrival[pod.index()]) {
        (SimTime::NEVER, _) => f64::NAN,
        (bound, arrival) => bound.since(arrival).0 as f64 / 1e6,
    };
    Table::new()
        .with("pod", Column::Text(pod_names(view, ids())))
        .with("template", templates(view))
        .with("priority", priorities(view))
        .with("cpu_milli", of_class(&|class| classes[class].requests.cpu.0))
        .with("memory_bytes", of_class(&|class| classes[class].requests.memory.0))
        .with("gpu_count", of_class(&|class| classes[class].gpu.as_ref().map_or(0, |gpu| gpu.count.into())))
        .with("gpu_milli", of_class(&|class| classes[class].gpu.as_ref().map_or(0, |gpu| gpu.milli.into())))
        .with("phase", names(pods.phase.iter().map(|&phase| phase as u32), &Phase::ALL.map(Phase::name)))
        .with("node", node_names(view, ids().map(|pod| pods.last_node(pod))))
        .with("gpus", gpu_lists(&ids().map(|pod| pods.gpus(pod)).collect::<Vec<_>>()))
        .with("arrival_s", Column::Seconds(pods.arrival.clone()))
        .with("bound_s", Column::Seconds(pods.bound.clone()))
        .with("running_s", Column::Seconds(pods.running.clone()))
        .with("finished_s", Column::Seconds(pods.finished.clone()))
        .with("wait_ms", Column::Number(ids().map(wait_ms).collect()))
        .with("attempts", Column::Count(pods.attempts.iter().map(|&attempts| attempts.into()).collect()))
        .with("evictions", Column::Count(ids().map(|pod| evictions(view, pod)).collect()))
        .with("reason", names(pods.reason.iter().map(|&reason| reason as u32), &Reason::ALL.map(Reason::name)))
}

/// How often a pod lost its node.
fn evictions(view: &View<'_>, pod: PodId) -> u64 {
    let interruptions = view.world.health.interruptions.get(&pod).copied().unwrap_or(0);
    view.world.pods.generation[pod.index()].wrapping_sub(interruptions).into()
}

fn names(codes: impl Iterator<Item = u32>, names: &[&str]) -> Column {
    Column::Dictionary { codes: codes.collect(), values: names.iter().map(|name| (*name).to_owned()).collect() }
}

fn templates(view: &View<'_>) -> Column {
    let classes = view.model.workload.all_classes();
    Column::Dictionary {
        codes: view.world.pods.class.iter().map(|class| class.0).collect(),
        values: classes.map(|class| class.template.clone()).collect(),
    }
}

fn priorities(view: &View<'_>) -> Column {
    Column::Integer(view.world.pods.class.iter().map(|class| view.class(*class).priority.into()).collect())
}

fn node_names(view: &View<'_>, nodes: impl Iterator<Item = Option<NodeId>>) -> Column {
    let names = (0..view.world.nodes.len()).map(|i| view.world.nodes.name(NodeId::from_index(i)).to_owned());
    Column::Dictionary {
        codes: nodes.map(|node| node.map_or(u32::MAX, |node| node.0)).collect(),
        values: names.collect(),
    }
}

fn gpu_lists(masks: &[GpuMask]) -> Column {
    let mut distinct: Vec<GpuMask> = masks.to_vec();
    distinct.sort_unstable();
    distinct.dedup();
    let code = |mask: &GpuMask| distinct.binary_search(mask).expect("every mask is listed") as u32;
    Column::Dictionary {
        codes: masks.iter().map(code).collect(),
        values: distinct.iter().map(|&mask| gpu_list(mask)).collect(),
    }
}

/// One row a node, in order of rank.
pub fn nodes(view: &View<'_>, recorder: &Recorder) -> Table {
    let (nodes, cluster) = (&view.world.nodes, &view.model.cluster);
    let ids = || (0..nodes.len()).map(NodeId::from_index);
    let shape = |node: NodeId| cluster.shape(nodes.shape[node.index()]);
    let text = |of: &dyn Fn(NodeId) -> &'static str| Column::Text(ids().map(of).collect());
    let count = |of: &dyn Fn(usize) -> u64| Column::Count((0..nodes.len()).map(of).collect());
    let means: Vec<[f64; 3]> = ids().map(|node| recorder.usage.mean_pct(view, node)).collect();
    let mean = |kind: usize| Column::Fixed(3, means.iter().map(|mean| mean[kind]).collect());
    let codes = |of: &dyn Fn(NodeId) -> Option<u32>| ids().map(|node| of(node).unwrap_or(u32::MAX)).collect();
    let table = Table::new()
        .with("node", Column::Text(ids().map(|node| nodes.name(node)).collect()))
        .with(
            "pool",
            Column::Dictionary {
                codes: codes(&|node| shape(node).pool.map(|pool| pool.0)),
                values: cluster.pools.iter().map(|pool| pool.name.clone()).collect(),
            },
        )
        .with(
            "zone",
            Column::Dictionary {
                codes: codes(&|node| shape(node).zone.map(|zone| zone.0)),
                values: cluster.zones.clone(),
            },
        )
        .with(
            "gpu_model",
            Column::Dictionary {
                codes: codes(&|node| shape(node).gpu.map(|gpu| gpu.model.0)),
                values: cluster.gpu_models.clone(),
            },
        )
        .with("gpu_count", count(&|i| nodes.gpu_count(NodeId::from_index(i)).into()))
        .with("cpu_milli", Column::Count(nodes.cpu.clone()))
        .with("memory_bytes", Column::Count(nodes.memory.clone()))
        .with("pods", count(&|i| shape(NodeId::from_index(i)).allocatable.pods))
        .with("state", text(&|node| nodes.state[node.index()].name()))
        .with("added_s", Column::Seconds(nodes.added.clone()))
        .with("removed_s", Column::Seconds(nodes.removed.clone()))
        .with("up_s", Column::Seconds(ids().map(|node| SimTime(up_ns(view, node))).collect()))
        .with("cpu_used_mean_pct", mean(0))
        .with("memory_used_mean_pct", mean(1))
        .with("gpu_used_mean_pct", mean(2))
        .with("cpu_allocated_milli", count(&|i| nodes.cpu[i] - nodes.free_cpu[i]))
        .with("memory_allocated_bytes", count(&|i| nodes.memory[i] - nodes.free_memory[i]))
        .with(
            "gpu_allocated_milli",
            count(&|i| u64::from(nodes.gpu_count(NodeId::from_index(i))) * 1000 - u64::from(nodes.gpu_left_total[i])),
        )
        .with("pods_bound", count(&|i| nodes.pod_count[i].into()))
        .with("cost_usd", Column::Fixed(4, ids().map(|node| cost_usd(view, node)).collect()));
    let table = if view.model.controllers.tracks_usage() { with_usage(table, view) } else { table };
    if cluster.lifecycle.is_none() {
        return table;
    }
    let (health, now) = (&view.world.health, view.world.time);
    let seconds = |of: &dyn Fn(NodeId) -> u64| Column::Seconds(ids().map(|node| SimTime(of(node))).collect());
    table
        .with("condition", text(&|node| health.condition[node.index()].name()))
        .with("silent_s", seconds(&|node| health.silent_ns(node, now)))
        .with("not_ready_s", seconds(&|node| health.not_ready_ns(node, now)))
}

/// Adds what came of what containers use.
fn with_usage(table: Table, view: &View<'_>) -> Table {
    let ids = (0..view.world.nodes.len()).map(NodeId::from_index);
    let totals: Vec<UsageTotals> = ids.map(|node| view.world.usage.totals(node, view.world.time)).collect();
    let count = |of: fn(&UsageTotals) -> u64| Column::Count(totals.iter().map(of).collect());
    let seconds = |of: fn(&UsageTotals) -> u64| Column::Seconds(totals.iter().map(|one| SimTime(of(one))).collect());
    table
        .with("oom_kills", count(|of| of.oom_kills))
        .with("memory_evictions", count(|of| of.evictions))
        .with("memory_pressure_s", seconds(|of| of.pressure_ns))
        .with("cpu_contended_s", seconds(|of| of.contended_ns))
        .with("cpu_throttled_s", seconds(|of| of.throttled_ns))
}
