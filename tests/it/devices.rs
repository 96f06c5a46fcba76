//! Pods that claim devices, from manifests to the end of the run.

use wavetank::document::Source;
use wavetank::engine::watch;
use wavetank::ids::PodId;
use wavetank::model::{ArrivalSource, Delays, Model, OnEviction, OnUnschedulable, Outputs, PolicyChoice, Scheduling};
use wavetank::observe::Observer;
use wavetank::rng::Seed;
use wavetank::scenario::kubernetes;
use wavetank::units::SimDuration;
use wavetank::world::ClaimKey;

const OFFERED: &str = "
apiVersion: resource.k8s.io/v1
kind: DeviceClass
metadata: {name: gpu}
spec:
  selectors:
  - cel: {expression: 'device.driver == \"gpu.example.com\"'}
---
apiVersion: resource.k8s.io/v1
kind: ResourceSlice
metadata: {name: a}
spec:
  driver: gpu.example.com
  pool: {name: a, generation: 1, resourceSliceCount: 1}
  nodeName: a
  devices:
  - {name: g0, taints: [{key: sick, effect: NoSchedule}]}
  - {name: g1}
---";

#[derive(Debug)]
struct Nobody;

impl Observer for Nobody {}

/// Two devices and three pods with a claim of their own by a template, each for 10 s: two run at once, the third after them.
#[test]
fn pods_take_devices_and_give_them_back() {
    let pod = |name: &str| {
        format!(
            "
apiVersion: v1
kind: Pod
metadata: {{name: {name}}}
spec:
  containers: [{{name: main, image: x}}]
  resourceClaims: [{{name: gpu, resourceClaimTemplateName: one}}]
---"
        )
    };
    let node = "
apiVersion: v1
kind: Node
metadata: {name: a}
status: {allocatable: {cpu: 8, memory: 8Gi, pods: 10}}
---";
    let template = "
apiVersion: resource.k8s.io/v1
kind: ResourceClaimTemplate
metadata: {name: one}
spec: {spec: {devices: {requests: [{name: r, exactly: {deviceClassName: gpu, tolerations: [{operator: Exists}]}}]}}}
---";
    let mut loaded = kubernetes::load_objects(&Source {
        file: "devices.yaml".into(),
        text: format!("{OFFERED}{template}{node}{}{}{}", pod("p0"), pod("p1"), pod("p2")),
    });
    assert!(loaded.findings.issues.is_empty());
    for source in &mut loaded.workload.sources {
        if let ArrivalSource::Listed(listed) = source {
            listed.pods.iter_mut().for_each(|pod| pod.duration = Some(SimDuration::from_seconds(10.0)));
        }
    }
    let model = Model {
        name: "devices".to_owned(),
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
    };
    let finished = watch(&model, Nobody).expect("it can begin");
    let world = &finished.world;
    let running_s: Vec<f64> = world.pods.running.iter().map(|time| time.as_seconds()).collect();
    assert_eq!(running_s, [0.0, 0.0, 10.0]);
    assert_eq!(world.check(&model), Ok(()));
    assert!((0..3).all(|pod| world.claims.allocation(ClaimKey::OfPod(PodId(pod), 0)).is_none()));
}
