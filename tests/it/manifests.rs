//! Runs of kube-scheduler over manifests, under all checks.

use wavetank::document::Source;
use wavetank::engine::{Finished, watch};
use wavetank::model::{
    ArrivalSource, Delays, KubeSchedulerConfiguration, Model, OnEviction, OnUnschedulable, Outputs, PolicyChoice,
    Scheduling,
};
use wavetank::observe::CheckEveryEvent;
use wavetank::rng::Seed;
use wavetank::scenario::kubernetes::{self, Findings};
use wavetank::units::{SimDuration, SimTime};
use wavetank::world::World;

/// The model of these manifests: pods come at 0 s in order, and those whose name ends in `-10s` run for so long.
pub(crate) fn model(text: &str) -> Model {
    let mut loaded = kubernetes::load_objects(&Source { file: "manifests.yaml".into(), text: text.to_owned() });
    assert_eq!(loaded.findings.issues.into_sorted(), []);
    for source in &mut loaded.workload.sources {
        let ArrivalSource::Listed(listed) = source else { continue };
        for (number, pod) in listed.pods.iter_mut().enumerate() {
            if listed.names.get(number).ends_with("-10s") {
                pod.duration = Some(SimDuration::from_seconds(10.0));
            }
        }
    }
    Model {
        name: "manifests".to_owned(),
        description: String::new(),
        seed: Seed { base: 1, replication: 0 },
        horizon: None,
        cluster: loaded.cluster,
        workload: loaded.workload,
        controllers: wavetank::model::Controllers::default(),
        control_plane: wavetank::model::ControlPlane::default(),
        objects: loaded.objects,
        scheduling: Scheduling {
            policy: PolicyChoice::named("kube-scheduler"),
            queue: PolicyChoice::named("fifo"),
            on_unschedulable: OnUnschedulable::default(),
            on_eviction: OnEviction::default(),
            delays: Delays::default(),
            kube_scheduler: None,
        },
        script: vec![],
        faults: wavetank::model::Faults::default(),
        traffic: wavetank::model::Traffic::default(),
        autoscaling: wavetank::model::Autoscaling::default(),
        provisioning: wavetank::model::Provisioning::default(),
        functions: None,
        sizing: None,
        power: None,
        carbon: None,
        outputs: Outputs::default(),
    }
}

/// A `KubeSchedulerConfiguration` without its head.
pub(crate) fn configuration(text: &str) -> Option<Box<KubeSchedulerConfiguration>> {
    let head = "apiVersion: kubescheduler.config.k8s.io/v1\nkind: KubeSchedulerConfiguration\n";
    let mut findings = Findings::default();
    let source = Source { file: "scheduler.yaml".into(), text: format!("{head}{text}") };
    let found = kubernetes::load_scheduler_configuration(&source, &mut findings);
    assert_eq!(findings.issues.into_sorted(), []);
    found.map(Box::new)
}

/// The end of a run in which every invariant was checked after every event.
pub(crate) fn run(model: &Model) -> Finished<CheckEveryEvent> {
    watch(model, CheckEveryEvent).expect("it can begin")
}

/// When each pod began to run, in seconds, and where it is or was last; a pod that never ran is at -1 s.
pub(crate) fn starts(world: &World) -> Vec<f64> {
    world.pods.running.iter().map(|time| if *time == SimTime::NEVER { -1.0 } else { time.as_seconds() }).collect()
}
