//! What a single run left behind, read into bounded summaries.
//!
//! Tables are streamed: pods and samples are counted, merged or thinned while they pass, and only the node table is
//! held (about 200 bytes a node). Cost: about 0.5 microseconds a pod.

use std::collections::BTreeMap;
use std::path::Path;

use serde_json::Value;

use super::autoscaling::{self, Autoscaling};
use super::chart::trace::Trace;
use super::controllers::{self, Controllers};
use super::costs::{self, Costs};
use super::elasticity::{self, Elasticity};
use super::energy::{self, Energy};
use super::files::{Rows, read_manifest};
use super::functions::{self, Functions};
use super::machines::{self, Machines};
use super::occupancy::{COLUMNS, Occupancy};
use super::packing::{Packing, Placement};
use super::sizing::{self, Sizing};
use super::spot_prices::{self, SpotPrices};
use super::traffic::{self, Traffic};
use super::verticals::{self, Verticals};
use super::waits::Waits;
use super::{ReportError, ReportOptions};

/// A row of `nodes.csv`, as far as pictures need it. Numbers are NaN where the table has none.
#[derive(Clone, Debug)]
pub(super) struct Node {
    pub(super) name: String,
    pub(super) pool: String,
    pub(super) zone: String,
    pub(super) gpu_model: String,
    pub(super) gpu_count: f64,
    pub(super) cpu_milli: f64,
    pub(super) memory_bytes: f64,
    pub(super) added_s: f64,
    pub(super) removed_s: f64,
    pub(super) pods_bound: f64,
}

impl Node {
    /// Whether the node has a GPU.
    pub(super) fn has_gpu(&self) -> bool {
        self.gpu_count > 0.0
    }
}

/// What the time axis of placements counts.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Clock {
    /// Simulated seconds, to this end.
    Seconds(f64),
    /// Pods in order of arrival, to this count: for runs where all happens at one instant.
    Arrivals(f64),
}

impl Clock {
    /// The last instant in seconds; zero for a run of one instant.
    pub(super) fn seconds(self) -> f64 {
        match self {
            Clock::Seconds(end) => end,
            Clock::Arrivals(_) => 0.0,
        }
    }

    /// The right end of the axis.
    pub(super) fn end(self) -> f64 {
        match self {
            Clock::Seconds(end) | Clock::Arrivals(end) => end,
        }
    }
}

/// How full rows of nodes were over time.
pub(super) struct Fullness {
    /// Whether it is the GPUs of nodes that have some, or the CPU of all nodes.
    pub(super) gpu: bool,
    pub(super) row_meaning: String,
    pub(super) rows: Vec<String>,
    pub(super) cells: Vec<Vec<f64>>,
}

/// Columns of `timeseries.csv` that charts show.
pub(super) const SERIES: [&str; 8] = [
    "pods_pending",
    "pods_starting",
    "cpu_allocated_pct",
    "memory_allocated_pct",
    "gpu_allocated_pct",
    "gpu_fragmented_pct",
    "evictions_total",
    "preemptions_total",
];

/// Columns of `timeseries.csv` that count the pods of a zone begin so.
const ZONE_COLUMN: &str = "pods_zone_";

/// Curves of the time series.
pub(super) struct SeriesCurves {
    /// One curve for each of [`SERIES`].
    pub(super) traces: [Trace; SERIES.len()],
    /// Pods by zone.
    pub(super) zones: Vec<(String, Trace)>,
}

/// Columns of `packing.csv` over `arrived_pct`.
pub(super) const PACKING: [&str; 3] = ["allocated_pct", "frag_ratio_pct", "frag_amount_pct"];

/// All that the report of a run shows.
pub(super) struct Run {
    pub(super) manifest: Value,
    /// Metric, unit, value.
    pub(super) summary: Vec<[String; 3]>,
    /// `None` without the table.
    pub(super) series: Option<SeriesCurves>,
    /// One curve for each of [`PACKING`]; `None` without the table.
    pub(super) packing: Option<[Trace; PACKING.len()]>,
    pub(super) clock: Clock,
    /// All pods, pods with a GPU, pods without; `None` without the table.
    pub(super) waits: Option<[Waits; 3]>,
    pub(super) gpu_cluster: bool,
    pub(super) controllers: Controllers,
    pub(super) autoscaling: Autoscaling,
    pub(super) machines: Machines,
    pub(super) costs: Costs,
    pub(super) spot_prices: SpotPrices,
    pub(super) elasticity: Elasticity,
    pub(super) verticals: Verticals,
    pub(super) energy: Energy,
    /// `None` without traffic.
    pub(super) traffic: Option<Traffic>,
    /// `None` without a back-test of sizes.
    pub(super) sizing: Option<Sizing>,
    /// `None` without functions.
    pub(super) functions: Option<Functions>,
    /// Whether there was a node or a pod; some runs have traffic or functions alone.
    pub(super) has_cluster: bool,
    pub(super) fullness: Vec<Fullness>,
    pub(super) placements: Option<Packing>,
}

impl Run {
    /// Reads a run's directory.
    pub(super) fn read(directory: &Path, options: &ReportOptions) -> Result<Run, ReportError> {
        let manifest = read_manifest(directory)?;
        let summary = read_summary(directory)?;
        let (series, last_sample_s) = read_series(directory)?;
        let packing = read_packing(directory)?;
        let (controllers, traffic) = (controllers::read(directory)?, traffic::read(directory)?);
        let (machines, spot_prices) = (machines::read(directory)?, spot_prices::read(directory)?);
        let (autoscaling, elasticity) = (autoscaling::read(directory)?, elasticity::read(directory)?);
        let functions = functions::read(directory)?;
        let (sizing, nodes) = (sizing::read(directory)?, read_nodes(directory)?);
        let clock = read_clock(directory, last_sample_s)?;
        let gpu_cluster = nodes.iter().flatten().any(Node::has_gpu);
        let mut pass = PodPass::new(nodes.as_deref().unwrap_or_default(), gpu_cluster, clock, options);
        let has_pods = pass.read(directory)?;
        let PodPass { waits, heats, placements, .. } = pass;
        let mut fullness = Vec::new();
        for heat in heats.into_iter().filter(|_| nodes.is_some()) {
            let sampled = read_node_samples(directory, nodes.as_deref().unwrap_or_default(), &heat, clock)?;
            fullness.push(sampled.unwrap_or_else(|| heat.finish()));
        }
        let is_cluster_only = traffic.is_none() && functions.is_none() && sizing.is_none();
        let has_cluster = is_cluster_only || waits[0].arrived > 0 || nodes.iter().any(|nodes| !nodes.is_empty());
        let placements = (nodes.is_some() && has_cluster).then(|| placements.finish());
        let waits = has_pods.then_some(waits);
        Ok(Run {
            manifest,
            summary,
            series,
            packing,
            clock,
            waits,
            gpu_cluster,
            controllers,
            autoscaling,
            machines,
            costs: costs::read(directory)?,
            spot_prices,
            elasticity,
            verticals: verticals::read(directory)?,
            energy: energy::read(directory)?,
            traffic,
            functions,
            sizing,
            has_cluster,
            fullness,
            placements,
        })
    }
}

/// A heat map under construction: one resource of the nodes that have it.
struct Heat {
    gpu: bool,
    /// The node's place among the nodes of the map, by place in the node table.
    places: Vec<Option<usize>>,
    nodes: usize,
    occupancy: Occupancy,
}

impl Heat {
    fn new(nodes: &[Node], gpu: bool, clock: Clock) -> Heat {
        let shown: Vec<&Node> = nodes.iter().filter(|node| node.has_gpu() || !gpu).collect();
        let mut occupancy = Occupancy::new(shown.iter().map(|node| node.name.as_str()), clock.end());
        for (place, node) in shown.iter().enumerate() {
            let capacity = if gpu { 1000.0 * node.gpu_count } else { node.cpu_milli };
            let (from, to) = match clock {
                Clock::Seconds(_) => (present(node.added_s, 0.0), present(node.removed_s, f64::INFINITY)),
                Clock::Arrivals(_) => (0.0, f64::INFINITY),
            };
            occupancy.exist(place, from, to, present(capacity, 0.0));
        }
        let mut count = 0;
        let places = nodes.iter().map(|node| {
            (node.has_gpu() || !gpu).then(|| {
                count += 1;
                count - 1
            })
        });
        Heat { gpu, places: places.collect(), nodes: shown.len(), occupancy }
    }

    fn finish(self) -> Fullness {
        let row_meaning = self.occupancy.row_meaning();
        let (rows, cells) = self.occupancy.finish();
        Fullness { gpu: self.gpu, row_meaning, rows, cells }
    }
}

fn read_summary(directory: &Path) -> Result<Vec<[String; 3]>, ReportError> {
    let mut summary = Vec::new();
    if let Some(mut rows) = Rows::open(directory, "summary.csv", &["metric", "unit", "value"])? {
        while rows.advance()? {
            summary.push([0, 1, 2].map(|pick| rows.text(pick).into_owned()));
        }
    }
    Ok(summary)
}

/// Curves of the time series, and the time of the last sample.
fn read_series(directory: &Path) -> Result<(Option<SeriesCurves>, f64), ReportError> {
    let mut picks = vec!["time_s"];
    picks.extend(SERIES);
    let Some(mut rows) = Rows::open(directory, "timeseries.csv", &picks)? else {
        return Ok((None, 0.0));
    };
    let mut traces: [Trace; SERIES.len()] = Default::default();
    let by_zone = |(at, name): (usize, &String)| name.strip_prefix(ZONE_COLUMN).map(|zone| (at, zone.to_owned()));
    let columns: Vec<(usize, String)> = rows.header.iter().enumerate().filter_map(by_zone).collect();
    let mut zones: Vec<(String, Trace)> = columns.iter().map(|(_, zone)| (zone.clone(), Trace::default())).collect();
    let mut last_s: f64 = 0.0;
    while rows.advance()? {
        let time_s = rows.number(0)?;
        last_s = last_s.max(time_s);
        for (index, trace) in traces.iter_mut().enumerate() {
            if rows.has(index + 1) {
                trace.push(time_s, rows.number(index + 1)?);
            }
        }
        for ((column, _), (_, trace)) in columns.iter().zip(&mut zones) {
            trace.push(time_s, rows.text_at(*column).parse().unwrap_or(f64::NAN));
        }
    }
    Ok((Some(SeriesCurves { traces, zones }), if last_s.is_finite() { last_s } else { 0.0 }))
}

fn read_packing(directory: &Path) -> Result<Option<[Trace; PACKING.len()]>, ReportError> {
    let mut picks = vec!["arrived_pct"];
    picks.extend(PACKING);
    let Some(mut rows) = Rows::open(directory, "packing.csv", &picks)? else {
        return Ok(None);
    };
    let mut traces: [Trace; PACKING.len()] = Default::default();
    while rows.advance()? {
        let arrived = rows.number(0)?;
        for (index, trace) in traces.iter_mut().enumerate() {
            trace.push(arrived, rows.number(index + 1)?);
        }
    }
    Ok(Some(traces))
}

fn read_nodes(directory: &Path) -> Result<Option<Vec<Node>>, ReportError> {
    let picks = [
        "node",
        "pool",
        "zone",
        "gpu_model",
        "gpu_count",
        "cpu_milli",
        "memory_bytes",
        "added_s",
        "removed_s",
        "pods_bound",
    ];
    let Some(mut rows) = Rows::open(directory, "nodes.csv", &picks)? else {
        return Ok(None);
    };
    let mut nodes = Vec::new();
    while rows.advance()? {
        nodes.push(Node {
            name: rows.text(0).into_owned(),
            pool: rows.text(1).into_owned(),
            zone: rows.text(2).into_owned(),
            gpu_model: rows.text(3).into_owned(),
            gpu_count: rows.number(4)?,
            cpu_milli: rows.number(5)?,
            memory_bytes: rows.number(6)?,
            added_s: rows.number(7)?,
            removed_s: rows.number(8)?,
            pods_bound: rows.number(9)?,
        });
    }
    Ok(Some(nodes))
}

/// The clock of a run: the time series tells its end; without one, the pod table is read once more for it.
fn read_clock(directory: &Path, last_sample_s: f64) -> Result<Clock, ReportError> {
    if last_sample_s > 0.0 {
        return Ok(Clock::Seconds(last_sample_s));
    }
    let (mut end_s, mut pods) = (0.0f64, 0.0);
    if let Some(mut rows) = Rows::open(directory, "pods.csv", &["arrival_s", "bound_s", "finished_s"])? {
        while rows.advance()? {
            pods += 1.0;
            for pick in 0..3 {
                let time_s = rows.number(pick)?;
                end_s = if time_s.is_finite() { end_s.max(time_s) } else { end_s };
            }
        }
    }
    Ok(if end_s > 0.0 { Clock::Seconds(end_s) } else { Clock::Arrivals(pods) })
}

/// One pass over `pods.csv`, and what it fills.
struct PodPass<'a> {
    node_indices: BTreeMap<&'a str, usize>,
    clock: Clock,
    waits: [Waits; 3],
    heats: Vec<Heat>,
    placements: Placement<'a>,
}

impl<'a> PodPass<'a> {
    fn new(nodes: &'a [Node], gpu_cluster: bool, clock: Clock, options: &ReportOptions) -> PodPass<'a> {
        let kinds: &[bool] = if gpu_cluster { &[false, true] } else { &[false] };
        PodPass {
            node_indices: nodes.iter().enumerate().map(|(index, node)| (node.name.as_str(), index)).collect(),
            clock,
            waits: Default::default(),
            heats: kinds.iter().map(|&gpu| Heat::new(nodes, gpu, clock)).collect(),
            placements: Placement::new(nodes, clock, options),
        }
    }

    /// Reads the table; gives whether there is one.
    fn read(&mut self, directory: &Path) -> Result<bool, ReportError> {
        let picks = [
            "node",
            "bound_s",
            "finished_s",
            "wait_ms",
            "gpu_count",
            "gpu_milli",
            "cpu_milli",
            "memory_bytes",
            "pod",
            "template",
            "gpus",
        ];
        let Some(mut rows) = Rows::open(directory, "pods.csv", &picks)? else {
            return Ok(false);
        };
        let mut arrivals = 0.0;
        while rows.advance()? {
            let [bound_s, finished_s, wait_ms, gpu_count, gpu_milli] = [
                rows.number(1)?,
                rows.number(2)?,
                rows.number(3)?,
                present(rows.number(4)?, 0.0),
                present(rows.number(5)?, 1000.0),
            ];
            let placed = self.node_indices.get(&*rows.text(0)).copied().filter(|_| bound_s.is_finite());
            let wait_ms = if bound_s.is_finite() { present(wait_ms, 0.0) } else { f64::NAN };
            self.waits[0].push(wait_ms);
            self.waits[if gpu_count > 0.0 { 1 } else { 2 }].push(wait_ms);
            if let Some(node) = placed {
                let (from, to) = match self.clock {
                    Clock::Seconds(_) => (bound_s, present(finished_s, f64::INFINITY)),
                    Clock::Arrivals(_) => (arrivals, f64::INFINITY),
                };
                let cpu_milli = present(rows.number(6)?, 0.0);
                for heat in &mut self.heats {
                    let amount = if heat.gpu { gpu_count * gpu_milli } else { cpu_milli };
                    if let Some(place) = heat.places[node].filter(|_| amount > 0.0) {
                        heat.occupancy.hold(place, from, to, amount);
                    }
                }
                self.placements.place(&rows, node, (from, to), gpu_milli)?;
            }
            arrivals += 1.0;
        }
        Ok(true)
    }
}

/// The number, or another where it is missing.
fn present(number: f64, otherwise: f64) -> f64 {
    if number.is_nan() { otherwise } else { number }
}

/// The heat map from sampled use, when the run wrote such samples.
fn read_node_samples(
    directory: &Path,
    nodes: &[Node],
    heat: &Heat,
    clock: Clock,
) -> Result<Option<Fullness>, ReportError> {
    let share = if heat.gpu { "gpu_pct" } else { "cpu_pct" };
    let Some(mut rows) = Rows::open(directory, "node_series.csv", &["time_s", "node", share])? else {
        return Ok(None);
    };
    let shown = nodes.iter().zip(&heat.places).filter_map(|(node, place)| Some((node.name.as_str(), (*place)?)));
    let places: BTreeMap<&str, usize> = shown.collect();
    let row_names = heat.occupancy.row_names().to_vec();
    let nodes_per_row = heat.nodes.div_ceil(row_names.len().max(1)).max(1);
    let mut cells = vec![vec![f64::NAN; COLUMNS]; row_names.len()];
    let mut counts = vec![[0u32; COLUMNS]; row_names.len()];
    let mut any = false;
    while rows.advance()? {
        let (time_s, percent) = (rows.number(0)?, rows.number(2)?);
        let Some(&node) = places.get(&*rows.text(1)).filter(|_| time_s.is_finite() && percent.is_finite()) else {
            continue;
        };
        let along = (time_s / clock.end().max(f64::MIN_POSITIVE)).clamp(0.0, 1.0) * COLUMNS as f64;
        let (row, column) = (node / nodes_per_row, (along as usize).min(COLUMNS - 1));
        let (cell, count) = (&mut cells[row][column], &mut counts[row][column]);
        *count += 1;
        *cell = present(*cell, 0.0);
        *cell += (percent - *cell) / f64::from(*count);
        any = true;
    }
    // A sample holds until the next one.
    for row in &mut cells {
        for column in 1..row.len() {
            row[column] = present(row[column], row[column - 1]);
        }
    }
    let row_meaning = heat.occupancy.row_meaning();
    Ok(any.then_some(Fullness { gpu: heat.gpu, row_meaning, rows: row_names, cells }))
}
