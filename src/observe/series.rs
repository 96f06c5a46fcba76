//! Time series on simulated time.
//!
//! Between events nothing changes, so points are read off when time moves on, and cost nothing in the event queue.
//! Without a given spacing the series starts at one second and doubles its spacing whenever it has grown too long, so
//! that it always covers the run with some hundreds of points.

use crate::results::{Column, Table};
use crate::units::{SimDuration, SimTime};
use crate::world::{Condition, Phase, View};

/// A series of automatic spacing never has more points than this.
const POINTS_MAX: usize = 1024;
/// Pods are counted by zone where there are at least two zones, and at most so many.
const ZONES_MAX: usize = 12;

/// Samples of the cluster's state.
#[derive(Clone, Debug)]
pub struct Series {
    spacing: SimDuration,
    automatic: bool,
    points: Vec<Point>,
    zones: Vec<String>,
}

#[derive(Clone, Debug)]
struct Point {
    time: SimTime,
    phases: [u64; Phase::COUNT],
    totals: crate::world::Totals,
    also: Sampled,
    /// Pods that hold a node of each zone.
    pods_by_zone: Vec<u64>,
    /// Nodes that are up and whose condition is `NotReady`, and `Unknown`; none without a node lifecycle.
    troubled: Option<[u64; 2]>,
}

/// What the sampler counts itself.
#[derive(Clone, Copy, Debug)]
pub struct Sampled {
    /// Devices idle but of no use to the workload's average pod, in milli-GPU; NaN without GPUs.
    pub fragmented: f64,
    /// Pods that lost their node so far.
    pub evictions: u64,
    /// Those of them that made room for a pod of higher priority.
    pub preemptions: u64,
}

/// How many nodes that are up report that they are not ready, and how many do not report.
fn troubled(view: &View<'_>) -> [u64; 2] {
    let (nodes, conditions) = (&view.world.nodes, &view.world.health.condition);
    let up = nodes.state.iter().zip(conditions).filter(|(state, _)| state.is_up());
    up.fold([0; 2], |[not_ready, unknown], (_, condition)| match condition {
        Condition::Ready => [not_ready, unknown],
        Condition::NotReady => [not_ready + 1, unknown],
        Condition::Unknown => [not_ready, unknown + 1],
    })
}

impl Series {
    /// A series with the given spacing, or an automatic one.
    pub fn new(spacing: Option<SimDuration>) -> Series {
        Series {
            spacing: spacing.unwrap_or(SimDuration(1_000_000_000)),
            automatic: spacing.is_none(),
            points: Vec::new(),
            zones: Vec::new(),
        }
    }

    fn next_time(&self) -> SimTime {
        SimTime((self.points.len() as u64).saturating_mul(self.spacing.0))
    }

    /// Whether a point falls before `to`.
    pub fn is_due(&self, to: SimTime) -> bool {
        self.next_time() < to
    }

    /// Takes all points before `to`; the state is what holds until then.
    pub fn record_until(&mut self, view: &View<'_>, to: SimTime, also: Sampled) {
        while self.next_time() < to {
            self.push(view, self.next_time(), also);
            if self.automatic && self.points.len() >= POINTS_MAX {
                // Every other point, from the first: the others fall off the doubled grid.
                self.points = self.points.iter().step_by(2).cloned().collect();
                self.spacing = SimDuration(self.spacing.0 * 2);
            }
        }
    }

    /// Takes the last point, at the end of the run.
    pub fn record_end(&mut self, view: &View<'_>, also: Sampled) {
        self.push(view, view.world.time, also);
    }

    fn push(&mut self, view: &View<'_>, time: SimTime, also: Sampled) {
        let world = view.world;
        let zones = &view.model.cluster.zones;
        if self.points.is_empty() && (2..=ZONES_MAX).contains(&zones.len()) {
            self.zones.clone_from(zones);
        }
        let mut pods_by_zone = vec![0; self.zones.len()];
        if !self.zones.is_empty() {
            for at in 0..world.nodes.len() {
                let shape = view.model.cluster.shape(world.nodes.shape[at]);
                if let Some(zone) = shape.zone {
                    pods_by_zone[zone.index()] += u64::from(world.nodes.pod_count[at]);
                }
            }
        }
        let troubled = view.model.cluster.lifecycle.is_some().then(|| troubled(view));
        let (phases, totals) = (world.pods_by_phase, world.totals);
        self.points.push(Point { time, phases, totals, also, pods_by_zone, troubled });
    }

    /// The series as a table.
    pub fn table(&self) -> Table {
        let count = |phase: Phase| Column::Count(self.points.iter().map(|p| p.phases[phase as usize]).collect());
        let percent = |of: fn(&Point) -> (f64, u64)| {
            let values = self.points.iter().map(|point| {
                let (part, whole) = of(point);
                if whole == 0 { f64::NAN } else { 100.0 * part / whole as f64 }
            });
            Column::Fixed(3, values.collect())
        };
        let table = Table::new()
            .with("time_s", Column::Seconds(self.points.iter().map(|point| point.time).collect()))
            .with("pods_pending", count(Phase::Pending))
            .with("pods_bound", count(Phase::Bound))
            .with("pods_starting", count(Phase::Starting))
            .with("pods_running", count(Phase::Running))
            .with("pods_succeeded", count(Phase::Succeeded))
            .with("pods_failed", count(Phase::Failed))
            .with("pods_evicted", count(Phase::Evicted))
            .with("pods_deleted", count(Phase::Deleted))
            .with("nodes_ready", Column::Count(self.points.iter().map(|point| point.totals.nodes_up).collect()))
            .with(
                "cpu_allocatable_milli",
                Column::Count(self.points.iter().map(|p| p.totals.cpu_allocatable).collect()),
            )
            .with("cpu_allocated_pct", percent(|p| (p.totals.cpu_allocated as f64, p.totals.cpu_allocatable)))
            .with("memory_allocated_pct", percent(|p| (p.totals.memory_allocated as f64, p.totals.memory_allocatable)))
            .with("gpu_allocated_pct", percent(|p| (p.totals.gpu_allocated as f64, p.totals.gpu_allocatable)))
            .with("gpu_fragmented_pct", percent(|p| (p.also.fragmented, p.totals.gpu_allocatable)))
            .with("evictions_total", Column::Count(self.points.iter().map(|point| point.also.evictions).collect()))
            .with("preemptions_total", Column::Count(self.points.iter().map(|point| point.also.preemptions).collect()));
        let table = match self.points.iter().map(|point| point.troubled).collect::<Option<Vec<[u64; 2]>>>() {
            Some(counts) if !counts.is_empty() => table
                .with("nodes_not_ready", Column::Count(counts.iter().map(|count| count[0]).collect()))
                .with("nodes_unreachable", Column::Count(counts.iter().map(|count| count[1]).collect())),
            _ => table,
        };
        self.zones.iter().enumerate().fold(table, |table, (at, zone)| {
            let pods = self.points.iter().map(|point| point.pods_by_zone[at]);
            table.with(&format!("pods_zone_{zone}"), Column::Count(pods.collect()))
        })
    }
}
