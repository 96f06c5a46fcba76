//! How the objects that make pods fare: a row whenever the pods of one have changed, at the end of the instant.
//!
//! Cost: O(owners of the controller) for each instant at which something about it changes.

use std::collections::BTreeSet;

use crate::ids::ControllerId;
use crate::results::{Column, Table};
use crate::units::SimTime;
use crate::world::View;

/// The rows so far, and who has changed at this instant.
#[derive(Clone, Debug, Default)]
pub struct ControllerLog {
    changed: BTreeSet<ControllerId>,
    rows: Vec<Row>,
    /// The latest row of each controller, by position.
    latest: Vec<Option<Standing>>,
}

#[derive(Clone, Copy, Debug)]
struct Row {
    time: SimTime,
    controller: ControllerId,
    standing: Standing,
}

/// How a controller stands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Standing {
    /// Pods that it wants (`spec.replicas`); of kinds without replicas those that it has.
    pub wanted: u64,
    /// Pods that are neither told to end nor over.
    pub pods: u64,
    /// Those of them that are ready.
    pub ready: u64,
    /// Those of them that have the present template.
    pub updated: u64,
    /// Those of them that wait for a node.
    pub pending: u64,
    /// Pods that are told to end and still there.
    pub terminating: u64,
    /// Pods that have ended well.
    pub succeeded: u64,
    /// Pods that have ended badly.
    pub failed: u64,
    /// How often containers of these pods were started again.
    pub restarts: u64,
}

impl ControllerLog {
    /// Notes that something about a controller has changed.
    pub fn note(&mut self, controller: ControllerId) {
        self.changed.insert(controller);
    }

    /// The instant is over: those that have changed get a row.
    pub fn settle(&mut self, view: &View<'_>) {
        if self.changed.is_empty() {
            return;
        }
        self.latest.resize(view.world.owners.controllers.len(), None);
        for controller in std::mem::take(&mut self.changed) {
            let standing = standing(view, controller);
            if self.latest[controller.index()].replace(standing) != Some(standing) {
                self.rows.push(Row { time: view.world.time, controller, standing });
            }
        }
    }

    /// When a controller changed, and how it stood from then on.
    pub fn of(&self, controller: ControllerId) -> impl Iterator<Item = (SimTime, &Standing)> {
        self.rows.iter().filter(move |row| row.controller == controller).map(|row| (row.time, &row.standing))
    }

    /// One row a change.
    pub fn table(&self, view: &View<'_>) -> Table {
        let names = view.model.controllers.list.iter();
        let names = names.map(|other| format!("{}/{}/{}", other.namespace, other.kind.name(), other.name)).collect();
        let count = |of: fn(&Standing) -> u64| Column::Count(self.rows.iter().map(|row| of(&row.standing)).collect());
        let codes = self.rows.iter().map(|row| row.controller.0).collect();
        Table::new()
            .with("time_s", Column::Seconds(self.rows.iter().map(|row| row.time).collect()))
            .with("controller", Column::Dictionary { codes, values: names })
            .with("wanted", count(|at| at.wanted))
            .with("pods", count(|at| at.pods))
            .with("ready", count(|at| at.ready))
            .with("updated", count(|at| at.updated))
            .with("pending", count(|at| at.pending))
            .with("terminating", count(|at| at.terminating))
            .with("succeeded", count(|at| at.succeeded))
            .with("failed", count(|at| at.failed))
            .with("restarts", count(|at| at.restarts))
    }
}

/// How a controller stands now. Pods that its owners have forgotten do not count.
pub fn standing(view: &View<'_>, controller: ControllerId) -> Standing {
    let owners = &view.world.owners;
    let state = &owners.controllers[controller.index()];
    let mut standing = Standing::default();
    for owner in &state.owners {
        let tally = &owners.list[owner.index()].tally;
        standing.pods += u64::from(tally.active);
        standing.ready += u64::from(tally.ready);
        standing.updated += u64::from(tally.of_template(state.template));
        standing.pending += u64::from(tally.pending);
        standing.terminating += u64::from(tally.terminating);
        standing.succeeded += u64::from(tally.succeeded);
        standing.failed += u64::from(tally.failed);
        standing.restarts += tally.restarts;
    }
    standing.wanted = match (state.is_there, view.model.controllers.list[controller.index()].kind.has_replicas()) {
        (false, _) => 0,
        (true, true) => u64::try_from(state.replicas).unwrap_or(0),
        (true, false) => standing.pods,
    };
    standing
}
