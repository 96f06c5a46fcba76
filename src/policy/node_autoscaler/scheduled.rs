//! `scheduled`: at certain times the number of machines becomes a certain one.
//!
//! Each of `actions` has a cron schedule, a time zone and a number of machines for each group; that of the action that
//! struck last holds, of several at one instant that of the last in the list. A run that begins between two strikes begins
//! with the number that holds then; `machines` is for when none of the actions has ever struck. Between strikes machines
//! that are lost are replaced every `period`.
//!
//! Parameters: `actions`, `machines`, `period`.
//!
//! Source: scheduled actions of AWS Auto Scaling, reduced to the desired capacity. Schedules are those of `CronJob`; a zone's
//! clocks are those of the IANA database. Cost: O(actions + machines) a turn.

use serde::Deserialize;
use serde_json::Value;

use super::{NodeAutoscaler, NodeAutoscalerRow, Seen, Setting, Turn, desired};
use crate::ids::GroupId;
use crate::policy::controllers::cron::{CronSchedule, WallClock};
use crate::policy::parameters::{self, Parameter, ParameterError};
use crate::policy::time_zone::TimeZone;
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

#[derive(Debug)]
struct Action {
    schedule: CronSchedule,
    zone: TimeZone,
    machines: u32,
}

impl Action {
    fn read(params: &ActionParams) -> Result<Action, ParameterError> {
        let schedule = CronSchedule::parse(&params.schedule).map_err(|error| ParameterError(error.to_string()))?;
        let name = params.time_zone.as_deref().unwrap_or("UTC");
        let unknown =
            || ParameterError(format!("there is no time zone `{name}`; use an IANA name such as Europe/Berlin"));
        Ok(Action { schedule, zone: TimeZone::named(name).ok_or_else(unknown)?, machines: params.machines })
    }

    /// When it struck last, at or before an instant; none: not within five years.
    fn last_strike(&self, unix_seconds: i64) -> Option<i64> {
        const HOUR_SECONDS: i64 = 3600;
        const FIVE_YEARS_SECONDS: i64 = 5 * 366 * 24 * HOUR_SECONDS;
        if let CronSchedule::Every { .. } = self.schedule {
            // It counts from the start of the run.
            return None;
        }
        let spans = std::iter::successors(Some(HOUR_SECONDS), |span| Some(span * 2));
        let strike = |after: i64| self.zone.next_after(&self.schedule, after).filter(|&at| at <= unix_seconds);
        let first =
            spans.take_while(|&span| span <= FIVE_YEARS_SECONDS).find_map(|span| strike(unix_seconds - span))?;
        std::iter::successors(Some(first), |&at| strike(at)).last()
    }
}

fn build(parameters: &Value, setting: &Setting<'_>) -> Result<Box<dyn NodeAutoscaler>, ParameterError> {
    let params: Params = parameters::read(parameters)?;
    parameters::require(params.period > SimDuration::ZERO, "`period` must be above 0")?;
    let actions: Vec<Action> = params.actions.iter().map(Action::read).collect::<Result<_, _>>()?;
    let clock = WallClock::RUN;
    let now = clock.start_unix_seconds;
    let strikes = actions.iter().filter_map(|action| Some((action.last_strike(now)?, action.machines)));
    let machines = strikes.max_by_key(|(at, _)| *at).map_or(params.machines, |(_, machines)| Some(machines));
    let next = actions.iter().map(|action| action.zone.next_after(&action.schedule, now)).collect();
    Ok(Box::new(Scheduled { period: params.period, groups: setting.groups.to_vec(), clock, actions, next, machines }))
}

#[derive(Debug)]
struct Scheduled {
    period: SimDuration,
    groups: Vec<GroupId>,
    clock: WallClock,
    actions: Vec<Action>,
    /// When each action strikes next, in seconds of the Unix epoch.
    next: Vec<Option<i64>>,
    /// The number that holds.
    machines: Option<u32>,
}

impl Scheduled {
    /// Lets all actions strike that are due; of several at one instant the last in the list counts.
    fn catch_up(&mut self, now: SimTime) {
        let now = self.clock.unix_seconds(now);
        let due = |next: &[Option<i64>]| {
            let strikes = next.iter().enumerate().filter_map(|(position, at)| Some(((*at)?, position)));
            strikes.min().filter(|(at, _)| *at <= now)
        };
        while let Some((at, position)) = due(&self.next) {
            let action = &self.actions[position];
            self.machines = Some(action.machines);
            self.next[position] = action.zone.next_after(&action.schedule, at);
        }
    }

    /// The next look: after a period, or at the next strike.
    fn next_turn(&self, now: SimTime) -> SimTime {
        let unix_seconds = self.clock.unix_seconds(now);
        let strike = self.next.iter().flatten().min().map(|at| {
            let seconds = u64::try_from(at - unix_seconds).unwrap_or(0);
            // Strikes are on whole seconds.
            SimTime(now.0 - now.0 % 1_000_000_000).after(SimDuration(seconds.saturating_mul(1_000_000_000)))
        });
        strike.filter(|at| *at > now).unwrap_or(SimTime::NEVER).min(now.after(self.period))
    }
}

impl NodeAutoscaler for Scheduled {
    fn first_turn(&self) -> SimTime {
        SimTime::ZERO
    }

    fn turn(&mut self, seen: &Seen<'_>) -> Turn {
        let now = seen.now();
        self.catch_up(now);
        let mut orders = Vec::new();
        for group in &self.groups {
            let least = seen.view.model.provisioning.group(*group).min;
            desired::keep(seen, *group, self.machines.unwrap_or(least), "it is time for this number", &mut orders);
        }
        Turn { orders, next: self.next_turn(now) }
    }
}
