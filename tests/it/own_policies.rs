//! wavetank's own policies in the profiles of a `KubeSchedulerConfiguration`, from the files to the end of the run.

use wavetank::engine::Simulation;
use wavetank::ids::PodId;
use wavetank::observe::CheckEveryEvent;

use super::manifests::{configuration, model, run};

fn node(name: &str) -> String {
    format!(
        "
apiVersion: v1
kind: Node
metadata: {{name: {name}}}
status: {{allocatable: {{cpu: 8, memory: 8Gi, pods: 10}}}}
---"
    )
}

fn pod(name: &str, profile: &str) -> String {
    format!(
        "
apiVersion: v1
kind: Pod
metadata: {{name: {name}}}
spec:
  schedulerName: {profile}
  containers: [{{name: main, image: x, resources: {{requests: {{cpu: 1, memory: 1Gi}}}}}}]
---"
    )
}

/// The profile `spread` is upstream's, which takes the emptier node; `pack` puts best fit above it, with a weight that outdoes
/// everything else. The first two pods go to one node, the third to the other, and the fourth to where the two are.
#[test]
fn two_profiles_of_which_one_packs() {
    let text = node("a") + &node("b") + &pod("p0", "pack") + &pod("p1", "pack") + &pod("p2", "spread");
    let mut model = model(&(text + &pod("p3", "pack")));
    model.scheduling.kube_scheduler = configuration(
        "profiles:
- {schedulerName: spread}
- {schedulerName: pack, plugins: {multiPoint: {enabled: [{name: wavetank.dev/best-fit, weight: 1000}]}}}
",
    );
    let world = run(&model).world;
    let node = |pod| world.pods.node(PodId(pod)).expect("it is placed");
    assert_eq!([node(1), node(3)], [node(0); 2]);
    assert_ne!(node(2), node(0));
}

#[test]
fn a_wrong_parameter_keeps_the_run_from_beginning() {
    let mut model = model(&(node("a") + &pod("p", "default-scheduler")));
    model.scheduling.kube_scheduler = configuration(
        "profiles:
- plugins: {score: {enabled: [{name: wavetank.dev/fgd}]}}
  pluginConfig: [{name: wavetank.dev/fgd, args: {coverage: 3}}]
",
    );
    let error = Simulation::new(&model, CheckEveryEvent).map(drop).expect_err("3 is not a share").to_string();
    assert_eq!(error, "policy `kube-scheduler`: wavetank.dev/fgd: coverage is 3, but must be above 0 and at most 1");
}
