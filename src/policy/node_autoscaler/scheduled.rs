//! `scheduled`: at certain times the number of machines becomes a certain one.
//!
//! Each of `actions` has a cron schedule, a time zone and a number of machines for each group (see `policy::timetable`);
//! `machines` is for when none of them has ever struck. Between strikes machines that are lost are replaced every `period`.
//!
//! Parameters: `actions`, `machines`, `period`.
//!
//! Source: scheduled actions of AWS Auto Scaling, reduced to the desired capacity. Cost: O(actions + machines) a turn.

use serde::Deserialize;
use serde_json::Value;

use super::{NodeAutoscaler, NodeAutoscalerRow, Seen, Setting, Turn, desired};
use crate::ids::GroupId;
use crate::policy::parameters::{self, Parameter, ParameterError};
use crate::policy::timetable::Timetable;
use crate::units::{SimDuration, SimTime};

pub(super) const ROW: NodeAutoscalerRow = NodeAutoscalerRow {
    name: "scheduled",
    aliases: &[],
    summary: "a number of machines by the clock: cron schedules with time zones",
    source: "scheduled actions of the cloud providers",
    parameters: &[
        Parameter {
            name: "actions",
            unit: "",
            default: "[]",
            meaning: "each with `schedule` (cron), `timeZone` (IANA name, UTC if not given) and `machines` of each group",
        },
        Parameter {
            name: "machines",
            unit: "",
            default: "null",
            meaning: "machines of each group before any action; null: its least size",
        },
        Parameter { name: "period", unit: "duration", default: "60s", meaning: "time between looks, above 0" },
    ],
    build,
};

#[derive(Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Params {
    actions: Vec<ActionParams>,
    machines: Option<u32>,
    #[serde(deserialize_with = "parameters::duration")]
    period: SimDuration,
}

impl Default for Params {
    fn default() -> Params {
        Params { actions: Vec::new(), machines: None, period: SimDuration(60_000_000_000) }
    }
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct ActionParams {
    schedule: String,
    #[serde(default)]
    time_zone: Option<String>,
    machines: u32,
}

fn build(parameters: &Value, setting: &Setting<'_>) -> Result<Box<dyn NodeAutoscaler>, ParameterError> {
    let params: Params = parameters::read(parameters)?;
    parameters::require(params.period > SimDuration::ZERO, "`period` must be above 0")?;
    let actions = params.actions.iter().map(|one| (&*one.schedule, one.time_zone.as_deref(), one.machines));
    let timetable = Timetable::new(actions)?;
    let Params { machines, period, .. } = params;
    Ok(Box::new(Scheduled { period, groups: setting.groups.to_vec(), timetable, machines }))
}

#[derive(Debug)]
struct Scheduled {
    period: SimDuration,
    groups: Vec<GroupId>,
    timetable: Timetable<u32>,
    /// The number before any action.
    machines: Option<u32>,
}

impl NodeAutoscaler for Scheduled {
    fn first_turn(&self) -> SimTime {
        SimTime::ZERO
    }

    fn turn(&mut self, seen: &Seen<'_>) -> Turn {
        let now = seen.now();
        let machines = self.timetable.at(now).or(self.machines);
        let mut orders = Vec::new();
        for group in &self.groups {
            let least = seen.view.model.provisioning.group(*group).min;
            desired::keep(seen, *group, machines.unwrap_or(least), "it is time for this number", &mut orders);
        }
        // The next look is after a period, or at the next strike.
        Turn { orders, next: self.timetable.next(now).min(now.after(self.period)) }
    }
}
