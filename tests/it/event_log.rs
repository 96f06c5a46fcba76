//! A coarse log of a run, a line for each change of a pod or a node: short enough to be worked out by hand.

use wavetank::document::Source;
use wavetank::engine::{Finished, watch};
use wavetank::ids::{NodeId, PodId};
use wavetank::model::Model;
use wavetank::observe::tables::pod_names;
use wavetank::observe::{CheckEveryEvent, Observer};
use wavetank::policy::scheduler::Decision;
use wavetank::scenario::{Environment, load_scenario_text};
use wavetank::world::{NodeState, Phase, View};

use super::audit::Audit;

/// Writes lines such as `12 a-0 running n-1`: the second, the pod, its new phase, its node. A pod for which no place
/// was found is `refused`; a node is followed by its new state.
#[derive(Debug, Default)]
pub(crate) struct EventLog {
    pub(crate) lines: Vec<String>,
    phases: Vec<(Phase, u16)>,
    states: Vec<NodeState>,
}

fn pod_name(view: &View<'_>, pod: PodId) -> String {
    pod_names(view, std::iter::once(pod)).get(0).to_owned()
}

impl Observer for EventLog {
    fn begin(&mut self, view: &View<'_>) {
        self.states.clone_from(&view.world.nodes.state);
    }

    fn pod_arrived(&mut self, view: &View<'_>, pod: PodId) {
        self.lines.push(format!("{} {} pending", view.world.time, pod_name(view, pod)));
        self.phases.push((Phase::Pending, 0));
    }

    fn decided(&mut self, view: &View<'_>, pod: PodId, decision: &Decision) {
        if *decision == Decision::Unschedulable {
            self.lines.push(format!("{} {} refused", view.world.time, pod_name(view, pod)));
        }
    }

    fn event_handled(&mut self, view: &View<'_>) {
        let (world, now) = (view.world, view.world.time);
        for i in 0..world.nodes.len() {
            let state = world.nodes.state[i];
            if self.states.get(i) != Some(&state) {
                self.lines.push(format!("{now} {} {}", world.nodes.name(NodeId::from_index(i)), state.name()));
            }
        }
        self.states.clone_from(&world.nodes.state);
        for pod in (0..world.pods.len()).map(PodId::from_index) {
            let phase = (world.pods.phase[pod.index()], world.pods.generation[pod.index()]);
            if self.phases[pod.index()] != phase {
                let node = world.pods.node(pod).map_or(String::new(), |node| format!(" {}", world.nodes.name(node)));
                self.lines.push(format!("{now} {} {}{node}", pod_name(view, pod), phase.0.name()));
                self.phases[pod.index()] = phase;
            }
        }
    }
}

/// The model of a scenario whose head is left out.
pub(crate) fn model(body: &str) -> Model {
    let head = "apiVersion: wavetank.dev/v1\nkind: Scenario\nmetadata: {name: test}\n";
    let source = Source { file: "test.yaml".into(), text: format!("{head}{body}") };
    match load_scenario_text(&source, &[], 0, &Environment::default()) {
        Ok(loaded) => loaded.model,
        Err(error) => panic!("{error}\n{body}"),
    }
}

/// Runs a model under all checks.
pub(crate) fn run(model: &Model) -> Finished<EventLog> {
    let observer = ((CheckEveryEvent, Audit::default()), EventLog::default());
    let finished = watch(model, observer).unwrap();
    let Finished { world, observer, events, endless } = finished;
    Finished { world, observer: observer.1, events, endless }
}
