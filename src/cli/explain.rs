//! `wavetank explain`.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::PathBuf;

use clap::Args;

use super::{Failure, environment, overrides, print};
use crate::engine::Simulation;
use crate::ids::{NodeId, PodId};
use crate::model::Model;
use crate::observe::Observer;
use crate::observe::tables::{gpu_list, pod_names};
use crate::policy::scheduler::{Decision, Placement, filter};
use crate::scenario::load_scenario;
use crate::units::SimTime;
use crate::world::View;

#[derive(Debug, Args)]
pub(super) struct ExplainArguments {
    /// The scenario file
    scenario: PathBuf,
    /// Name of the pod
    #[arg(long, value_name = "NAME")]
    pod: String,
    /// Seed of all random streams; overrides the file's
    #[arg(long, value_name = "N")]
    seed: Option<u64>,
    /// Changes a value of the file; can be given several times
    #[arg(long, value_name = "PATH=VALUE")]
    set: Vec<String>,
}

/// One attempt to place the pod.
struct Attempt {
    time: SimTime,
    placement: Option<(String, Placement)>,
    refusals: BTreeMap<filter::Refusal, u32>,
    nodes: usize,
}

/// Watches one pod, known by its name.
struct Watcher<'a> {
    name: &'a str,
    attempts: Vec<Attempt>,
    last_words: Option<String>,
}

impl Watcher<'_> {
    fn is_watched(&self, view: &View<'_>, pod: PodId) -> bool {
        pod_names(view, std::iter::once(pod)).get(0) == self.name
    }
}

impl Observer for Watcher<'_> {
    fn decided(&mut self, view: &View<'_>, pod: PodId, decision: &Decision) {
        if !self.is_watched(view, pod) {
            return;
        }
        let nodes = &view.world.nodes;
        let mut attempt =
            Attempt { time: view.world.time, placement: None, refusals: BTreeMap::new(), nodes: nodes.len() };
        match decision {
            Decision::Place(placement) => {
                attempt.placement = Some((nodes.name(placement.node).to_owned(), *placement));
            }
            Decision::Unschedulable => {
                let class = view.world.pods.class[pod.index()];
                let refusals = (0..nodes.len()).map(NodeId::from_index).filter_map(|n| filter::refusal(view, class, n));
                refusals.for_each(|refusal| *attempt.refusals.entry(refusal).or_default() += 1);
            }
        }
        self.attempts.push(attempt);
    }

    fn end(&mut self, view: &View<'_>) {
        let pod = (0..view.world.pods.len()).map(PodId::from_index).find(|&pod| self.is_watched(view, pod));
        self.last_words = pod.map(|pod| {
            let i = pod.index();
            let pods = &view.world.pods;
            format!("arrived at {} s; at the end it is {}", pods.arrival[i], pods.phase[i].name())
        });
    }
}

pub(super) fn run(arguments: &ExplainArguments) -> Result<(), Failure> {
    let overrides = overrides(&arguments.set, arguments.seed)?;
    let model = load_scenario(&arguments.scenario, &overrides, 0, &environment())?.model;
    let watcher = Watcher { name: &arguments.pod, attempts: Vec::new(), last_words: None };
    let simulation = Simulation::new(&model, watcher).map_err(|error| Failure::Input(format!("error: {error}")))?;
    let watcher = simulation.run().observer;
    match &watcher.last_words {
        Some(words) => print(&explanation(&model, &watcher, words)),
        None => Err(Failure::Input(format!("error: no pod called `{}` arrives in this scenario", arguments.pod))),
    }
}

fn explanation(model: &Model, watcher: &Watcher<'_>, last_words: &str) -> String {
    let mut text = format!("pod {} under policy {}\n{last_words}\n", watcher.name, model.scheduling.policy.name);
    for attempt in &watcher.attempts {
        match &attempt.placement {
            Some((node, placement)) => {
                let _ = write!(text, "at {} s: placed on {node}", attempt.time);
                if placement.gpus != 0 {
                    let _ = write!(text, ", GPU {}", gpu_list(placement.gpus));
                }
                let _ = write!(text, "; {} of {} nodes passed the filters", placement.feasible, attempt.nodes);
                if placement.best >= 0 {
                    let _ = write!(text, ", {} shared the best score {}", placement.ties, placement.best);
                }
                text.push('\n');
            }
            None => {
                let _ = write!(text, "at {} s: 0/{} nodes are available:", attempt.time, attempt.nodes);
                let mut refusals: Vec<_> = attempt.refusals.iter().collect();
                refusals.sort_by_key(|(refusal, count)| (std::cmp::Reverse(**count), **refusal));
                let words: Vec<String> =
                    refusals.iter().map(|(refusal, count)| format!(" {count} {}", refusal.message())).collect();
                let _ = writeln!(text, "{}.", words.join(","));
            }
        }
    }
    text
}
