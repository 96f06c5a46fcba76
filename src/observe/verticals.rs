//! What vertical autoscalers saw, recommended and did.
//!
//! A container of an autoscaler gets a row when its target, or the number of pods evicted or resized, has changed since its
//! row before, and otherwise often enough for a chart; with `outputs.decisions` every minute.

use super::{ContainerSeen, PodChange, Recommended};
use crate::ids::VerticalId;
use crate::model::Model;
use crate::model::vertical_pod_autoscaler::{Amounts, ContainerRecommendation, Resource, recommendation_for};
use crate::results::{Column, Table};
use crate::units::{SimDuration, SimTime};
use crate::world::View;

/// Rows of a container whose target stays the same are so many over the run.
const ROWS_MIN: u64 = 400;
const CORE_HOUR: f64 = 1000.0 * 3.6e12;
const GIB_HOUR: f64 = (1u64 << 30) as f64 * 3.6e12;

/// The rows so far, and the figures.
#[derive(Clone, Debug)]
pub struct VerticalLog {
    rows: Vec<Row>,
    latest: Vec<Latest>,
    names: Vec<String>,
    figures: VerticalFigures,
    /// The longest time between rows.
    spacing: SimDuration,
}

#[derive(Clone, Debug)]
struct Row {
    time: SimTime,
    vertical: VerticalId,
    container: u32,
    recommendation: ContainerRecommendation,
    seen: ContainerSeen,
    changes: [u64; 4],
}

/// What is kept of each autoscaler.
#[derive(Clone, Debug, Default)]
struct Latest {
    /// Positions of the last rows of its containers.
    rows: Vec<usize>,
    /// Pods evicted, resized, put off and refused by their nodes, so far.
    changes: [u64; 4],
    looked: SimTime,
}

/// Key figures of all vertical autoscalers.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct VerticalFigures {
    /// Pods that were evicted for another size.
    pub evictions: u64,
    /// Pods that were resized where they ran.
    pub resizes: u64,
    /// CPU requested and not used, in core-hours.
    pub slack_core_hours: f64,
    /// CPU used beyond what was requested, in core-hours.
    pub short_core_hours: f64,
    /// Memory requested and not used, in GiB-hours.
    pub slack_gib_hours: f64,
    /// Memory used beyond what was requested, in GiB-hours.
    pub short_gib_hours: f64,
}

impl VerticalLog {
    /// The log of a run; none where nothing is sized.
    pub fn new(model: &Model) -> Option<VerticalLog> {
        let count = model.autoscaling.vertical.len();
        let horizon = model.horizon.unwrap_or(SimTime::ZERO);
        let spacing = if model.outputs.decisions { 0 } else { horizon.0 / ROWS_MIN };
        (count > 0).then(|| VerticalLog {
            rows: Vec::new(),
            latest: vec![Latest::default(); count],
            names: Vec::new(),
            figures: VerticalFigures::default(),
            spacing: SimDuration(spacing),
        })
    }

    /// An autoscaler has looked. What it saw is taken to have been so since it looked before.
    pub fn note(&mut self, view: &View<'_>, look: &Recommended<'_>) {
        let now = view.world.time;
        let latest = &mut self.latest[look.vertical.index()];
        let span = now.since(std::mem::replace(&mut latest.looked, now)).0 as f64;
        for seen in look.containers {
            self.figures.add(seen, span);
            self.row(now, look, seen);
        }
    }

    fn row(&mut self, now: SimTime, look: &Recommended<'_>, seen: &ContainerSeen) {
        let container = self.names.iter().position(|name| *name == seen.name).unwrap_or_else(|| {
            self.names.push(seen.name.clone());
            self.names.len() - 1
        }) as u32;
        let latest = &mut self.latest[look.vertical.index()];
        let recommendation = recommendation_for(look.recommendations, &seen.name).cloned().unwrap_or_default();
        let known = latest.rows.iter().position(|row| self.rows[*row].container == container);
        let is_same = known.is_some_and(|known| {
            let row = &self.rows[latest.rows[known]];
            let is_recent = row.time.after(self.spacing) > now;
            is_recent && row.recommendation.target == recommendation.target && row.changes == latest.changes
        });
        if is_same {
            return;
        }
        let position = self.rows.len();
        match known {
            Some(known) => latest.rows[known] = position,
            None => latest.rows.push(position),
        }
        let changes = latest.changes;
        self.rows.push(Row {
            time: now,
            vertical: look.vertical,
            container,
            recommendation,
            seen: seen.clone(),
            changes,
        });
    }

    /// A pod is changed.
    pub fn note_change(&mut self, vertical: VerticalId, change: PodChange) {
        self.latest[vertical.index()].changes[change as usize] += 1;
        match change {
            PodChange::Evicted => self.figures.evictions += 1,
            PodChange::Resized => self.figures.resizes += 1,
            PodChange::Deferred | PodChange::Infeasible => {}
        }
    }

    /// The key figures.
    pub fn figures(&self) -> VerticalFigures {
        self.figures
    }

    /// One row a look that is told.
    pub fn table(&self, model: &Model) -> Table {
        let names = model.autoscaling.vertical.iter();
        let names = names.map(|one| format!("{}/{}", one.namespace, one.name)).collect();
        let codes = |of: fn(&Row) -> u32| self.rows.iter().map(of).collect();
        let mut table = Table::new()
            .with("time_s", Column::Seconds(self.rows.iter().map(|row| row.time).collect()))
            .with("vertical", Column::Dictionary { codes: codes(|row| row.vertical.0), values: names })
            .with("container", Column::Dictionary { codes: codes(|row| row.container), values: self.names.clone() })
            .with("runs", Column::Count(self.rows.iter().map(|row| row.seen.runs).collect()));
        for (resource, columns) in [(Resource::Cpu, CPU_COLUMNS), (Resource::Memory, MEMORY_COLUMNS)] {
            let bounds: [fn(&ContainerRecommendation) -> &Amounts; 4] =
                [|one| &one.lower_bound, |one| &one.target, |one| &one.upper_bound, |one| &one.uncapped_target];
            for (column, of) in columns.into_iter().zip(bounds) {
                let value = |row: &Row| of(&row.recommendation).get(resource).map_or(f64::NAN, |amount| amount as f64);
                table = table.with(column, Column::Fixed(0, self.rows.iter().map(value).collect()));
            }
            let means: [fn(&ContainerSeen) -> [u64; 2]; 2] = [|seen| seen.requested, |seen| seen.used];
            for (column, of) in columns[4..].iter().zip(means) {
                let mean = |row: &Row| of(&row.seen)[resource as usize] as f64 / row.seen.runs as f64;
                table = table.with(column, Column::Fixed(0, self.rows.iter().map(mean).collect()));
            }
        }
        for (position, column) in ["evictions", "resizes", "resizes_deferred", "resizes_infeasible"].iter().enumerate()
        {
            table = table.with(column, Column::Count(self.rows.iter().map(|row| row.changes[position]).collect()));
        }
        table
    }
}

/// Bounds, and what containers request and use on average.
const CPU_COLUMNS: [&str; 6] = [
    "cpu_lower_milli",
    "cpu_target_milli",
    "cpu_upper_milli",
    "cpu_uncapped_milli",
    "cpu_request_mean_milli",
    "cpu_used_mean_milli",
];
const MEMORY_COLUMNS: [&str; 6] = [
    "memory_lower_bytes",
    "memory_target_bytes",
    "memory_upper_bytes",
    "memory_uncapped_bytes",
    "memory_request_mean_bytes",
    "memory_used_mean_bytes",
];

impl VerticalFigures {
    fn add(&mut self, seen: &ContainerSeen, span_ns: f64) {
        let [cpu, memory] = [Resource::Cpu as usize, Resource::Memory as usize];
        self.slack_core_hours += seen.slack[cpu] as f64 * span_ns / CORE_HOUR;
        self.short_core_hours += seen.short[cpu] as f64 * span_ns / CORE_HOUR;
        self.slack_gib_hours += seen.slack[memory] as f64 * span_ns / GIB_HOUR;
        self.short_gib_hours += seen.short[memory] as f64 * span_ns / GIB_HOUR;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testkit::cluster;
    use crate::units::MilliCpu;
    use crate::world::World;

    #[test]
    fn rows_come_with_new_targets_and_slack_adds_up() {
        let model = cluster().node("n").model();
        let mut world = World::new(&model);
        let mut log = VerticalLog {
            rows: Vec::new(),
            latest: vec![Latest::default()],
            names: Vec::new(),
            figures: VerticalFigures::default(),
            spacing: SimDuration(600_000_000_000),
        };
        // Two pods with 1 core each, of which one uses 250, the other 1250 milli-cores, and 1 GiB too much between them.
        let seen = ContainerSeen {
            name: "app".to_owned(),
            runs: 2,
            requested: [2000, 4 << 30],
            used: [1500, 3 << 30],
            slack: [750, 1 << 30],
            short: [250, 0],
        };
        // Minutes 1 and 2 have the same target, 3 another; an eviction comes before 4, and 14 is ten minutes later.
        for (minute, target, changes) in
            [(1, 500, 0), (2, 500, 0), (3, 600, 0), (4, 600, 1), (13, 600, 0), (14, 600, 0)]
        {
            world.time = SimTime(minute * 60_000_000_000);
            (0..changes).for_each(|_| log.note_change(VerticalId(0), PodChange::Evicted));
            let mut recommendation = ContainerRecommendation { container: "app".to_owned(), ..Default::default() };
            recommendation.target.cpu = Some(MilliCpu(target));
            let view = View { model: &model, world: &world };
            let (recommendations, containers) = ([recommendation], std::slice::from_ref(&seen));
            let look = Recommended { vertical: VerticalId(0), recommendations: &recommendations, containers };
            log.note(&view, &look);
        }
        let minutes: Vec<u64> = log.rows.iter().map(|row| row.time.0 / 60_000_000_000).collect();
        assert_eq!(minutes, [1, 3, 4, 14]);
        // 14 minutes of 0.75 cores and of 1 GiB; 0.25 cores too little.
        let figures = log.figures();
        let close = |value: f64, expected: f64| (value - expected).abs() < 1e-9;
        assert!(close(figures.slack_core_hours, 0.75 * 14.0 / 60.0), "{figures:?}");
        assert!(close(figures.short_core_hours, 0.25 * 14.0 / 60.0), "{figures:?}");
        assert!(close(figures.slack_gib_hours, 14.0 / 60.0), "{figures:?}");
        assert_eq!((figures.evictions, figures.resizes), (1, 0));
    }
}
