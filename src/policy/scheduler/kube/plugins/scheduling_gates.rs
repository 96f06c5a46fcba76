//! `SchedulingGates`: a pod with gates does not come into the queue.
//!
//! Source: `pkg/scheduler/framework/plugins/schedulinggates/scheduling_gates.go`, v1.37.0.

use crate::model::PodSpec;
use crate::policy::scheduler::kube::Rejection;

/// Its name.
pub const NAME: &str = "SchedulingGates";

/// Whether a pod may come into the queue.
///
/// # Errors
/// The rejection, which names the gates in their order.
pub fn pre_enqueue(spec: &PodSpec) -> Result<(), Rejection> {
    if spec.scheduling_gates.is_empty() {
        return Ok(());
    }
    let gates = spec.scheduling_gates.join(" ");
    Err(Rejection::unresolvable(NAME, format!("waiting for scheduling gates: [{gates}]")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gates_keep_a_pod_out() {
        let gated = |gates: &[&str]| PodSpec {
            scheduling_gates: gates.iter().map(|&gate| gate.into()).collect(),
            ..PodSpec::default()
        };
        assert_eq!(pre_enqueue(&gated(&[])), Ok(()));
        let rejection = pre_enqueue(&gated(&["example.com/quota", "b"])).expect_err("it has gates");
        assert_eq!(rejection.message(), "waiting for scheduling gates: [example.com/quota b]");
    }
}
