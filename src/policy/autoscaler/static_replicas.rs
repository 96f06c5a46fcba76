//! `static`: always the same number of replicas.
//!
//! Parameters: `replicas`.
//!
//! Source: a Deployment without autoscaler, whose `spec.replicas` somebody has set; what others are compared with.
//! Cost: O(1).

use serde::Deserialize;

use super::{AutoscalerRow, Decision, HorizontalAutoscaler, Observation, Reads};
use crate::policy::parameters::{self, Parameter};

pub(super) const ROW: AutoscalerRow = AutoscalerRow {
    name: "static",
    aliases: &["none"],
    summary: "always the same number of replicas",
    source: "a workload without autoscaler",
    parameters: &[Parameter {
        name: "replicas",
        unit: "",
        default: "1",
        meaning: "the number, not negative; held within minReplicas and maxReplicas",
    }],
    is_clairvoyant: false,
    build: |parameters, setting| {
        let Params { replicas } = parameters::read(parameters)?;
        parameters::require(replicas >= 0, "`replicas` must not be negative")?;
        Ok(Box::new(Static { replicas: setting.clamp(replicas) }))
    },
};

#[derive(Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Params {
    replicas: i32,
}

impl Default for Params {
    fn default() -> Params {
        Params { replicas: 1 }
    }
}

/// See the module.
#[derive(Clone, Copy, Debug)]
struct Static {
    replicas: i32,
}

impl HorizontalAutoscaler for Static {
    fn sync(&mut self, _: &Observation<'_>) -> Decision {
        Decision::replicas(self.replicas, "the number is fixed")
    }

    fn reads(&self) -> Reads {
        Reads::default()
    }
}
