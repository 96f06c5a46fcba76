//! How releases go: a row whenever step, weights or phase of a Rollout have changed, at the end of the instant.

use std::collections::{BTreeMap, BTreeSet};

use crate::ids::ControllerId;
use crate::results::{Column, Table};
use crate::units::SimTime;
use crate::world::View;
use crate::world::owners::Release;

/// The rows so far, and who may have changed at this instant.
#[derive(Clone, Debug, Default)]
pub struct RolloutLog {
    changed: BTreeSet<ControllerId>,
    rows: Vec<(SimTime, ControllerId, Release)>,
    /// The latest row of each Rollout.
    latest: BTreeMap<ControllerId, Release>,
}

impl RolloutLog {
    /// Notes that something about a controller has changed.
    pub fn note(&mut self, controller: ControllerId) {
        self.changed.insert(controller);
    }

    /// The instant is over: Rollouts whose release has changed get a row.
    pub fn settle(&mut self, view: &View<'_>) {
        for controller in std::mem::take(&mut self.changed) {
            let Some(release) = &view.world.owners.controllers[controller.index()].release else { continue };
            if self.latest.get(&controller) != Some(release) {
                self.latest.insert(controller, (**release).clone());
                self.rows.push((view.world.time, controller, (**release).clone()));
            }
        }
    }

    /// One row a change.
    pub fn table(&self, view: &View<'_>) -> Table {
        let releases = || self.rows.iter().map(|(_, _, release)| release);
        let names = view.model.controllers.list.iter();
        let names = names.map(|other| format!("{}/{}", other.namespace, other.name)).collect();
        let codes = self.rows.iter().map(|(_, controller, _)| controller.0).collect();
        let weight = |of: fn(&Release) -> f64| Column::Fixed(1, releases().map(of).collect());
        Table::new()
            .with("time_s", Column::Seconds(self.rows.iter().map(|(time, _, _)| *time).collect()))
            .with("rollout", Column::Dictionary { codes, values: names })
            .with("step", Column::Count(releases().map(|release| u64::from(release.step)).collect()))
            .with("stable_weight_pct", weight(|release| release.stable_weight_pct))
            .with("canary_weight_pct", weight(|release| release.canary_weight_pct))
            .with("phase", texts(releases().map(|release| release.phase)))
            .with("message", texts(releases().map(|release| release.message.as_str())))
    }
}

/// A column of texts that repeat.
fn texts<'r>(texts: impl Iterator<Item = &'r str>) -> Column {
    let mut values: Vec<String> = Vec::new();
    let code = |text: &str| {
        let position = values.iter().position(|value| value == text).unwrap_or_else(|| {
            values.push(text.to_owned());
            values.len() - 1
        });
        u32::try_from(position).expect("there are fewer than 2^32 texts")
    };
    let codes = texts.map(code).collect();
    Column::Dictionary { codes, values }
}
