//! `static`: a fixed number of machines, which are replaced when they are lost.
//!
//! Every `period` each group is brought to `machines`, or to its least size where that is not given. It is what a provider
//! does for a group that nobody scales.
//!
//! Parameters: `machines`, `period`.
//!
//! Source: desired capacity of AWS Auto Scaling groups and the like. Cost: O(machines) a turn.

use serde::Deserialize;
use serde_json::Value;

use super::{NodeAutoscaler, NodeAutoscalerRow, Seen, Setting, Turn, desired};
use crate::ids::GroupId;
use crate::policy::parameters::{self, Parameter, ParameterError};
use crate::units::{SimDuration, SimTime};

pub(super) const ROW: NodeAutoscalerRow = NodeAutoscalerRow {
    name: "static",
    aliases: &[],
    summary: "a fixed number of machines in each group; lost ones are replaced",
    source: "desired capacity of the cloud providers' groups",
    parameters: &[
        Parameter {
            name: "machines",
            unit: "",
            default: "null",
            meaning: "machines of each group, held within its limits; null: its least size",
        },
        Parameter { name: "period", unit: "duration", default: "60s", meaning: "time between looks, above 0" },
    ],
    build,
};

#[derive(Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Params {
    machines: Option<u32>,
    #[serde(deserialize_with = "parameters::duration")]
    period: SimDuration,
}

impl Default for Params {
    fn default() -> Params {
        Params { machines: None, period: SimDuration(60_000_000_000) }
    }
}

fn build(parameters: &Value, setting: &Setting<'_>) -> Result<Box<dyn NodeAutoscaler>, ParameterError> {
    let params: Params = parameters::read(parameters)?;
    parameters::require(params.period > SimDuration::ZERO, "`period` must be above 0")?;
    Ok(Box::new(Static { params, groups: setting.groups.to_vec() }))
}

#[derive(Debug)]
struct Static {
    params: Params,
    groups: Vec<GroupId>,
}

impl NodeAutoscaler for Static {
    fn first_turn(&self) -> SimTime {
        SimTime::ZERO
    }

    fn turn(&mut self, seen: &Seen<'_>) -> Turn {
        let mut orders = Vec::new();
        for group in &self.groups {
            let least = seen.view.model.provisioning.group(*group).min;
            desired::keep(seen, *group, self.params.machines.unwrap_or(least), "desired capacity", &mut orders);
        }
        Turn { orders, next: seen.now().after(self.params.period) }
    }
}
