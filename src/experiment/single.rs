//! One run, from model to tables.

use crate::engine::{RunError, Simulation};
use crate::model::Model;
use crate::model::controllers::ControllerKind;
use crate::observe::traffic::figures::Figures;
use crate::observe::{Recorder, machines, summary, tables, traffic};
use crate::results::{Metric, Table};
use crate::world::View;

/// What a run leaves behind, before anything is written.
#[derive(Clone, Debug)]
pub struct RunRecord {
    /// The key figures.
    pub metrics: Vec<Metric>,
    /// Tables by file name, without ending; the summary is among them.
    pub tables: Vec<(&'static str, Table)>,
    /// Other files by name, as they are written.
    pub files: Vec<(&'static str, Vec<u8>)>,
    /// The figures of traffic, where there is any.
    pub traffic: Option<Figures>,
    /// Allocation and fragmentation over arrivals: arrived, allocated, fragmented share of the idle part and of the
    /// whole, in percent.
    pub packing: Vec<[f64; 4]>,
    /// How many events were handled.
    pub events: u64,
    /// What went wrong in the scheduler, such as calls of extenders, and how often.
    pub errors: Vec<(String, u64)>,
}

/// Which tables a run makes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Detail {
    /// Figures and curves only, as sweeps need them.
    Figures,
    /// All tables that the model asks for.
    Tables,
}

/// Runs a model to its end.
///
/// # Errors
/// When the model names a policy that does not exist, or gives it wrong parameters, and when time stands still because an
/// object makes pods without end.
pub fn run_model(model: &Model, detail: Detail) -> Result<RunRecord, RunError> {
    let finished = Simulation::new(model, Recorder::new(model))?.run();
    if let Some(controller) = finished.endless {
        let object = model.controllers.list[controller.index()].name.clone();
        return Err(RunError::Endless { object, at: finished.world.time });
    }
    let view = View { model, world: &finished.world };
    let recorder = &finished.observer;
    let figures = recorder.traffic.as_ref().and_then(|traffic| traffic.figures());
    let events = finished.events + figures.map_or(0, |figures| figures.events);
    let metrics = summary::summary(&view, recorder, events);
    let mut record = RunRecord {
        tables: Vec::new(),
        files: Vec::new(),
        traffic: figures.cloned(),
        packing: recorder.packing.points(),
        events,
        errors: recorder.errors.iter().map(|(message, count)| (message.clone(), *count)).collect(),
        metrics,
    };
    if detail == Detail::Tables {
        let mut add = |name, table| record.tables.push((name, table));
        add("summary", summary::table(&record.metrics));
        add("timeseries", recorder.series.table());
        add("packing", recorder.packing.table());
        add("nodes", tables::nodes(&view, recorder));
        if model.outputs.pods {
            add("pods", tables::pods(&view));
        }
        if !model.controllers.list.is_empty() {
            add("controllers", recorder.controllers.table(&view));
        }
        if model.controllers.list.iter().any(|other| matches!(other.kind, ControllerKind::Rollout(_))) {
            add("rollouts", recorder.rollouts.table(&view));
        }
        if let Some(log) = &recorder.autoscalers {
            add("autoscalers", log.table(model));
        }
        if let Some(log) = &recorder.machines {
            add("machines", machines::machines(&view));
            add("fleet", log.fleet(model));
            add("provisioning", log.orders(&view));
        }
        if let Some(log) = &recorder.bill {
            add("bill", log.table(model));
        }
        if let Some(log) = &recorder.elasticity {
            add("elasticity", log.table(model, &recorder.controllers, view.world.time));
        }
        if let (Some(log), Some(figures)) = (&recorder.traffic, figures) {
            add("services", traffic::tables::services(figures));
            add("sources", traffic::tables::sources(figures));
            add("traffic", log.table(model));
            record.files.extend(log.spans_json().map(|spans| ("spans.json", spans.to_vec())));
        }
        if let Some(decisions) = &recorder.decisions {
            add("decisions", decisions.table(&view));
        }
        if let Some(arrivals) = &recorder.arrivals {
            add("arrivals", arrivals.table(&view));
        }
    }
    Ok(record)
}
