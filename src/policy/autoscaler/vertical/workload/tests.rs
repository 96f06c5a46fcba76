use serde_json::json;

use super::*;
use crate::policy::autoscaler::vertical::spec::ContainerPolicy;
use crate::policy::autoscaler::vertical::table::find;
use crate::units::{Bytes, MilliCpu, SimDuration};

const MIB: u64 = 1 << 20;

fn minute(count: u64) -> SimTime {
    SimTime(count * 60_000_000_000)
}

fn sizing(name: &str, parameters: &Value, policy: &ResourcePolicy) -> WorkloadSizing {
    let usage = Usage { cpu: MilliCpu(700), memory: Bytes(300 * MIB) };
    // An hour more than the tests look at: an oracle sizes for what is to come.
    let foresight = vec![UsageStep { span: SimDuration(7_200_000_000_000), usage }];
    let containers = ["app", "side"].map(|name| TemplateContainer { name, foresight: foresight.clone() });
    WorkloadSizing::new(find(name).unwrap(), parameters, policy, &containers).unwrap()
}

/// An hour in which both containers of a pod use 700 milli-cores and 300 MiB.
fn fed(mut sizing: WorkloadSizing) -> Vec<ContainerRecommendation> {
    sizing.see_pod(PodId(0), LabelSet(0), ["app", "side"], minute(0));
    for count in 1..=60 {
        for container in ["app", "side"] {
            let usage = Usage { cpu: MilliCpu(700), memory: Bytes(300 * MIB) };
            sizing.observe(PodId(0), container, minute(count), usage);
        }
    }
    sizing.recommend(minute(60))
}

#[test]
fn rules_of_the_table_size_every_container_of_a_pod() {
    let policy = ResourcePolicy::default();
    for name in ["vpa", "autopilot-window", "oracle"] {
        let found = fed(sizing(name, &json!({}), &policy));
        let names: Vec<&str> = found.iter().map(|one| one.container.as_str()).collect();
        assert_eq!(names, ["app", "side"], "{name}");
        assert!(found.iter().all(|one| one.target.or_zero(Resource::Cpu) >= 700), "{name}: {found:?}");
    }
    // The end of the bucket of 0.7 cores: the i-th begins at 0.01 (1.05^i - 1) / 0.05, so 0.7 is in the 30th, which ends at
    // 0.01 (1.05^31 - 1) / 0.05 = 0.7076 cores; with the margin 0.8137.
    let found = fed(sizing("vpa", &json!({}), &policy));
    assert_eq!(found[0].target.cpu, Some(MilliCpu(813)));
    assert_eq!(fed(sizing("static", &json!({}), &policy)), []);
}

#[test]
fn what_a_policy_does_not_control_is_not_recommended() {
    let own = ContainerPolicy { controls_cpu: false, ..ContainerPolicy::named("app") };
    let off = ContainerPolicy { is_scaled: false, ..ContainerPolicy::named("side") };
    let policy = ResourcePolicy { containers: vec![own, off], ..ResourcePolicy::default() };
    for name in ["vpa", "oracle"] {
        let found = fed(sizing(name, &json!({}), &policy));
        assert_eq!(found.len(), 1, "{name}");
        assert_eq!((found[0].target.cpu, found[0].target.memory.is_some()), (None, true), "{name}");
    }
}

#[test]
fn wrong_parameters_are_refused() {
    let row = find("vpa").unwrap();
    let error = WorkloadSizing::new(row, &json!({"targetCpuPercentile": 2}), &ResourcePolicy::default(), &[]);
    assert_eq!(error.unwrap_err().to_string(), "`targetCpuPercentile` must be 0 to 1");
}
