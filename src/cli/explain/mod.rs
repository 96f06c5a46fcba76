//! `wavetank explain`: runs the scenario, watches one pod or one autoscaler, and says what was seen when it was decided.

mod autoscaler;
mod json;
mod name;
mod text;
mod watcher;

use std::path::PathBuf;

use clap::Args;

use super::{Failure, environment, extenders, overrides, print};
use crate::engine::watch;
use crate::scenario::load_scenario;
use crate::units::{SimDuration, SimTime};
use crate::world::View;
use watcher::{Wanted, Watcher};

#[derive(Debug, Args)]
pub(super) struct ExplainArguments {
    /// The scenario file
    scenario: PathBuf,
    /// Name of the pod; namespace/name where the name alone is not unique
    #[arg(long, value_name = "NAME", required_unless_present = "autoscaler", conflicts_with = "autoscaler")]
    pod: Option<String>,
    /// Name of a horizontal autoscaler instead; namespace/name where the name alone is not unique
    #[arg(long, value_name = "NAME")]
    autoscaler: Option<String>,
    /// Simulated time, such as 90s or 1h30m: shows the last attempt up to then, or how the autoscaler stood (default: the
    /// last of all)
    #[arg(long, value_name = "TIME")]
    at: Option<String>,
    /// Number of the attempt to show, from 1
    #[arg(long, value_name = "N", conflicts_with = "at")]
    attempt: Option<usize>,
    /// How many rows each table shows at most
    #[arg(long, value_name = "N", default_value_t = 20)]
    nodes: usize,
    /// Print JSON, with every node and every score
    #[arg(long)]
    json: bool,
    /// Seed of all random streams; overrides the file's
    #[arg(long, value_name = "N")]
    seed: Option<u64>,
    /// Changes a value of the file; can be given several times
    #[arg(long, value_name = "PATH=VALUE")]
    set: Vec<String>,
}

pub(super) fn run(arguments: &ExplainArguments) -> Result<(), Failure> {
    let wanted = match arguments.at.as_deref().map(SimDuration::parse) {
        None => arguments.attempt.map_or(Wanted::Last, Wanted::Attempt),
        Some(Ok(span)) => Wanted::UpTo(SimTime::ZERO.after(span)),
        Some(Err(error)) => return Err(Failure::Input(format!("error: --at: {error}"))),
    };
    let overrides = overrides(&arguments.set, arguments.seed)?;
    let model = load_scenario(&arguments.scenario, &overrides, 0, &environment())?.model;
    if let Some(name) = &arguments.autoscaler {
        extenders::check(&model, &arguments.scenario)?;
        return autoscaler::run(&model, name, &wanted, arguments.json);
    }
    let pod = arguments.pod.as_deref().unwrap_or_default();
    let refuse = |hint: String| {
        let message = format!("error: no pod called `{pod}` arrives in this scenario");
        Failure::Input(format!("{message}\nhint: {hint}"))
    };
    let origin = name::origin(&model, pod).map_err(refuse)?;
    extenders::check(&model, &arguments.scenario)?;
    let finished =
        watch(&model, Watcher::new(origin, wanted)).map_err(|error| Failure::Input(format!("error: {error}")))?;
    let view = View { model: &model, world: &finished.world };
    let Some(pod) = finished.observer.pod else {
        return Err(refuse(format!("the run ends at {} s, before it arrives", finished.world.time)));
    };
    let story = finished.observer.story(pod);
    print(&match arguments.json {
        true => json::json(&view, &story),
        false => text::text(&view, &story, arguments.nodes),
    })
}
