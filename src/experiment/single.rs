//! One run, from model to tables.

use crate::engine::{RunError, Simulation};
use crate::model::Model;
use crate::model::controllers::ControllerKind;
use crate::observe::traffic::figures::Figures;
use crate::observe::{Recorder, functions, machines, market, promises, sizing, summary, tables, traffic};
use crate::policy::autoscaler::vertical::study;
use crate::results::{Metric, Table};
use crate::traffic::functions as platform;
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
    // Pods that are resized and nodes that join add to the model; what another run added is none of this one's business.
    let adds = !model.autoscaling.vertical.is_empty() || !model.provisioning.is_empty();
    let own = adds.then(|| model.clone());
    let model = own.as_ref().unwrap_or(model);
    let mut finished = Simulation::new(model, Recorder::new(model))?.run();
    if let Some(controller) = finished.endless {
        let object = model.controllers.list[controller.index()].name.clone();
        return Err(RunError::Endless { object, at: finished.world.time });
    }
    let every = model.outputs.sample_every;
    finished.observer.functions = model.functions.as_ref().map(|functions| platform::run(functions, model.seed, every));
    let studied = model.sizing.as_ref().map(|study| study::run(study)).transpose();
    finished.observer.sizing = studied.map_err(|error| {
        let name = model.sizing.as_ref().map_or_else(String::new, |study| study.rule.name.clone());
        RunError::Parameter { name, error }
    })?;
    let view = View { model, world: &finished.world };
    let recorder = &finished.observer;
    let figures = recorder.traffic.as_ref().and_then(|traffic| traffic.figures());
    let calls = recorder.functions.as_ref().map_or(0, platform::FunctionRun::events);
    let events = finished.events + figures.map_or(0, |figures| figures.events) + calls;
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
        add_tables(&mut record, &view, recorder);
    }
    Ok(record)
}

/// Adds the tables that the model asks for.
fn add_tables(record: &mut RunRecord, view: &View<'_>, recorder: &Recorder) {
    let model = view.model;
    let mut add = |name, table| record.tables.push((name, table));
    add("summary", summary::table(&record.metrics));
    add("timeseries", recorder.series.table());
    add("packing", recorder.packing.table());
    add("nodes", tables::nodes(view, recorder));
    if model.outputs.pods {
        add("pods", tables::pods(view));
    }
    if !model.controllers.list.is_empty() {
        add("controllers", recorder.controllers.table(view));
    }
    if model.controllers.list.iter().any(|other| matches!(other.kind, ControllerKind::Rollout(_))) {
        add("rollouts", recorder.rollouts.table(view));
    }
    if let Some(log) = &recorder.autoscalers {
        add("autoscalers", log.table(model));
    }
    if let Some(log) = &recorder.machines {
        add("machines", machines::machines(view));
        add("fleet", log.fleet(model));
        add("provisioning", log.orders(view));
    }
    if let Some(prices) = market::prices(view) {
        add("prices", prices);
    }
    if let Some(log) = &recorder.bill {
        add("bill", log.table(model));
        add("costs", log.over_time(view.world.time));
    }
    if let Some(log) = &recorder.losses {
        add("losses", log.table(model));
        add("promises", promises::table(&promises::promises(view, recorder)));
    }
    if let Some(log) = &recorder.energy {
        add("energy", log.table(view));
    }
    if let Some(log) = &recorder.verticals {
        add("verticals", log.table(model));
    }
    if let Some(log) = &recorder.elasticity {
        add("elasticity", log.table(model, &recorder.controllers, view.world.time));
        add("demand", log.course(model, &recorder.controllers, view.world.time));
    }
    let figures = recorder.traffic.as_ref().and_then(|traffic| traffic.figures());
    if let (Some(log), Some(figures)) = (&recorder.traffic, figures) {
        add("services", traffic::tables::services(figures));
        add("sources", traffic::tables::sources(figures));
        add("traffic", log.table(model));
        record.files.extend(log.spans_json().map(|spans| ("spans.json", spans.to_vec())));
    }
    if let Some(decisions) = &recorder.decisions {
        add("decisions", decisions.table(view));
    }
    if let Some(arrivals) = &recorder.arrivals {
        add("arrivals", arrivals.table(view));
    }
    if let (Some(run), Some(platform)) = (&recorder.functions, &model.functions) {
        add("functions", functions::functions(run, platform));
        add("function_series", functions::series(run));
        if !platform.tasks.is_empty() {
            add("tasks", functions::tasks(run, platform));
        }
    }
    if let (Some(scores), Some(study)) = (&recorder.sizing, &model.sizing) {
        add("sizing", sizing::table(scores, study));
        add("sizing_series", sizing::series(scores));
    }
}
