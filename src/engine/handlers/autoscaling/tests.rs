//! What is found of steady pods is what asking about each one finds.

use std::cell::Cell;

use crate::engine::run::Simulation;
use crate::testkit;

thread_local! {
    /// How often the two were compared in this thread; see [`Target::ask_steady`](super::pods::Target).
    pub(super) static COMPARED: Cell<u32> = const { Cell::new(0) };
}

/// Runs a scenario with changes; how often steady pods were compared with asking about each one.
fn compared(path: &str, changes: &[&str]) -> u32 {
    let model = testkit::scenario(path, changes);
    COMPARED.set(0);
    Simulation::new(&model, ()).expect("its policies are right").run();
    COMPARED.get()
}

#[test]
fn steady_pods_are_found_as_each_one_is() {
    // Pods come and go every few minutes, and one of the nodes stops answering.
    let crash = "script=[{at: 14m, crash: node-0}]";
    let changes = ["horizon=25m", "traffic.model={fluid: {step: 15s}}", crash];
    let of_rates = compared("scenarios/autoscaling/swing.yaml", &changes);
    assert!((20..100).contains(&of_rates), "{of_rates}");
    let few = "traffic.sources[0].rate={sinusoid: {mean: 20/s, amplitude: 12/s, period: 4m}}";
    let of_requests = compared("scenarios/autoscaling/swing.yaml", &["horizon=25m", few, crash]);
    assert!((20..100).contains(&of_requests), "{of_requests}");
}
