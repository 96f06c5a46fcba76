//! What autoscalers saw and decided.
//!
//! An autoscaler gets a row when replicas, its decision or the reasons of its conditions have changed since its row before,
//! and otherwise often enough for a chart; with `outputs.decisions` at every sync.

use super::Autoscaled;
use crate::ids::AutoscalerId;
use crate::model::Model;
use crate::policy::autoscaler::{Condition, ReplicaCounts};
use crate::results::{Column, Table};
use crate::units::{SimDuration, SimTime};
use crate::world::View;

/// Rows of an autoscaler whose numbers stay the same are so many over the run.
const ROWS_MIN: u64 = 400;

/// The rows so far.
#[derive(Clone, Debug)]
pub struct AutoscalerLog {
    rows: Vec<Row>,
    reasons: Texts,
    metrics: Texts,
    conditions: Texts,
    latest: Vec<Latest>,
    /// The longest time between rows.
    spacing: SimDuration,
}

/// One sync.
#[derive(Clone, Copy, Debug)]
struct Row {
    time: SimTime,
    autoscaler: AutoscalerId,
    replicas: ReplicaCounts,
    desired: i32,
    metric: u32,
    value: f64,
    target: f64,
    reason: u32,
    conditions: u32,
}

/// What is kept of each autoscaler.
#[derive(Clone, Debug, Default)]
struct Latest {
    row: Option<Row>,
    /// The direction of the last change: 1 up, -1 down, 0: there was none.
    direction: i32,
    changes: u64,
    reversals: u64,
    /// When it last looked, and how many pods were ready then.
    looked: (SimTime, i32),
    /// Ready pods times ns.
    ready_area: u128,
    /// Type, status and reason of its conditions, and their text.
    conditions: Vec<(&'static str, bool, &'static str)>,
    conditions_text: u32,
}

/// Texts that repeat.
#[derive(Clone, Debug, Default)]
struct Texts {
    values: Vec<String>,
}

impl Texts {
    fn code(&mut self, text: &str) -> u32 {
        if text.is_empty() {
            return u32::MAX;
        }
        let position = self.values.iter().rposition(|value| value == text).unwrap_or_else(|| {
            self.values.push(text.to_owned());
            self.values.len() - 1
        });
        u32::try_from(position).expect("there are fewer than 2^32 texts")
    }
}

/// Key figures of all autoscalers.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct AutoscalingFigures {
    /// How often a number of replicas was changed.
    pub changes: u64,
    /// How often a change went the other way than the one before of the same autoscaler.
    pub reversals: u64,
    /// Mean number of ready pods of all targets, as their autoscalers saw it.
    pub ready_mean: f64,
}

impl AutoscalerLog {
    /// The log of a run; none where nothing is scaled.
    pub fn new(model: &Model) -> Option<AutoscalerLog> {
        let count = model.autoscaling.horizontal.len();
        let horizon = model.horizon.unwrap_or(SimTime::ZERO);
        let spacing = if model.outputs.decisions { 0 } else { horizon.0 / ROWS_MIN };
        (count > 0).then(|| AutoscalerLog {
            rows: Vec::new(),
            reasons: Texts::default(),
            metrics: Texts::default(),
            conditions: Texts::default(),
            latest: vec![Latest::default(); count],
            spacing: SimDuration(spacing),
        })
    }

    /// An autoscaler has looked.
    pub fn note(&mut self, view: &View<'_>, sync: &Autoscaled<'_>) {
        let (now, Autoscaled { autoscaler, replicas, decision }) = (view.world.time, *sync);
        let latest = &mut self.latest[autoscaler.index()];
        let (looked, ready) = std::mem::replace(&mut latest.looked, (now, replicas.ready));
        latest.ready_area += ready.max(0) as u128 * u128::from(now.since(looked).0);
        let desired = decision.replicas.unwrap_or(replicas.wanted);
        let direction = (desired - replicas.wanted).signum();
        if direction != 0 {
            latest.changes += 1;
            latest.reversals += u64::from(latest.direction == -direction);
            latest.direction = direction;
        }
        let key = |one: &Condition| (one.kind, one.is_true, one.reason);
        if latest.row.is_none() || !latest.conditions.iter().copied().eq(decision.conditions.iter().map(key)) {
            latest.conditions = decision.conditions.iter().map(key).collect();
            latest.conditions_text = self.conditions.code(&in_words(&decision.conditions));
        }
        let conditions = latest.conditions_text;
        let is_same = latest.row.is_some_and(|row| {
            (row.replicas, row.desired, row.conditions) == (replicas, desired, conditions)
                && row.time.after(self.spacing) > now
        });
        if is_same {
            return;
        }
        let metric = decision.metric.as_ref();
        let row = Row {
            time: now,
            autoscaler,
            replicas,
            desired,
            metric: self.metrics.code(metric.map_or("", |metric| &metric.name)),
            value: metric.map_or(f64::NAN, |metric| metric.current),
            target: metric.map_or(f64::NAN, |metric| metric.target),
            reason: self.reasons.code(&decision.reason),
            conditions,
        };
        latest.row = Some(row);
        self.rows.push(row);
    }

    /// The key figures, up to the end of the run.
    pub fn figures(&self, end: SimTime) -> AutoscalingFigures {
        let sum = |of: fn(&Latest) -> u64| self.latest.iter().map(of).sum();
        let area = |latest: &Latest| {
            let (looked, ready) = latest.looked;
            latest.ready_area + ready.max(0) as u128 * u128::from(end.since(looked).0)
        };
        let ready_area: u128 = self.latest.iter().map(area).sum();
        AutoscalingFigures {
            changes: sum(|latest| latest.changes),
            reversals: sum(|latest| latest.reversals),
            ready_mean: ready_area as f64 / end.0 as f64,
        }
    }

    /// One row a sync that is told.
    pub fn table(&self, model: &Model) -> Table {
        let names = model.autoscaling.horizontal.iter();
        let names = names.map(|one| format!("{}/{}", one.namespace, one.name)).collect();
        let codes = |of: fn(&Row) -> u32| self.rows.iter().map(of).collect();
        let integer = |of: fn(&Row) -> i32| Column::Integer(self.rows.iter().map(|row| of(row).into()).collect());
        let number = |of: fn(&Row) -> f64| Column::Fixed(3, self.rows.iter().map(of).collect());
        let texts =
            |of: fn(&Row) -> u32, texts: &Texts| Column::Dictionary { codes: codes(of), values: texts.values.clone() };
        Table::new()
            .with("time_s", Column::Seconds(self.rows.iter().map(|row| row.time).collect()))
            .with("autoscaler", Column::Dictionary { codes: codes(|row| row.autoscaler.0), values: names })
            .with("replicas_wanted", integer(|row| row.replicas.wanted))
            .with("replicas_current", integer(|row| row.replicas.current))
            .with("replicas_ready", integer(|row| row.replicas.ready))
            .with("replicas_desired", integer(|row| row.desired))
            .with("metric", texts(|row| row.metric, &self.metrics))
            .with("metric_value", number(|row| row.value))
            .with("metric_target", number(|row| row.target))
            .with("reason", texts(|row| row.reason, &self.reasons))
            .with("conditions", texts(|row| row.conditions, &self.conditions))
    }
}

/// Conditions as `AbleToScale=True (ReadyForNewScale)`, one after the other.
fn in_words(conditions: &[Condition]) -> String {
    let word = |one: &Condition| {
        let status = if one.is_true { "True" } else { "False" };
        format!("{}={status} ({})", one.kind, one.reason)
    };
    conditions.iter().map(word).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::autoscaler::Decision;
    use crate::testkit::cluster;
    use crate::world::World;

    #[test]
    fn changes_of_direction_are_counted_and_repeated_rows_left_out() {
        let model = cluster().node("n").model();
        let mut world = World::new(&model);
        let mut log = AutoscalerLog {
            rows: Vec::new(),
            reasons: Texts::default(),
            metrics: Texts::default(),
            conditions: Texts::default(),
            latest: vec![Latest::default()],
            spacing: SimDuration(60_000_000_000),
        };
        let mut wanted = 2;
        // Up by 2, the same twice, down by 1, down by 1, up by 3: 4 changes, 2 reversals.
        for (second, desired) in [(0, 4), (15, 4), (30, 4), (45, 3), (60, 2), (75, 5)] {
            world.time = SimTime(second * 1_000_000_000);
            let replicas = ReplicaCounts { wanted, current: wanted, ready: wanted };
            let decision = Decision::replicas(desired, "");
            let view = View { model: &model, world: &world };
            log.note(&view, &Autoscaled { autoscaler: AutoscalerId(0), replicas, decision: &decision });
            wanted = desired;
        }
        let figures = log.figures(SimTime(100_000_000_000));
        assert_eq!((figures.changes, figures.reversals), (4, 2));
        // (2 x 15 + 4 x 15 + 4 x 15 + 4 x 15 + 3 x 15 + 2 x 25) / 100.
        assert!((figures.ready_mean - 3.05).abs() < 1e-12, "{figures:?}");
        // The third look is like the second.
        assert_eq!(log.rows.len(), 5);
    }
}
