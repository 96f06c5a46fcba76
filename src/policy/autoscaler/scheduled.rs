//! `scheduled`: at certain times the number of replicas becomes a certain one.
//!
//! Each of `actions` has a cron schedule, a time zone and a number; the number of the action that struck last holds, of
//! several at one instant that of the last in the list. A run that begins between two strikes begins with the number that
//! holds then; `replicas` is for when none of the actions has ever struck.
//!
//! Parameters: `actions`, `replicas`.
//!
//! Source: scheduled actions of AWS Auto Scaling and start and end of a cron trigger, reduced to the number. Schedules are
//! those of `CronJob`; a zone's clocks are those of the IANA database.
//! Cost: O(actions).

use serde::Deserialize;

use super::wish::{bounds, decision};
use super::{AutoscalerRow, Decision, HorizontalAutoscaler, Observation, Reads, Setting};
use crate::policy::controllers::cron::{CronSchedule, WallClock};
use crate::policy::parameters::{self, Parameter, ParameterError};
use crate::policy::time_zone::TimeZone;
use crate::units::SimTime;

pub(super) const ROW: AutoscalerRow = AutoscalerRow {
    name: "scheduled",
    aliases: &[],
    summary: "a number of replicas by the clock: cron schedules with time zones",
    source: "scheduled scaling of the cloud providers",
    parameters: &[
        Parameter {
            name: "actions",
            unit: "",
            default: "[]",
            meaning: "each with `schedule` (cron), `timeZone` (IANA name, UTC if not given) and `replicas`",
        },
        Parameter {
            name: "replicas",
            unit: "",
            default: "1",
            meaning: "the number before any action, not negative; held within minReplicas and maxReplicas",
        },
    ],
    is_clairvoyant: false,
    build: |parameters, setting| {
        let Params { actions, replicas } = parameters::read(parameters)?;
        parameters::require(replicas >= 0, "`replicas` must not be negative")?;
        let actions: Vec<Action> = actions.iter().map(Action::read).collect::<Result<_, _>>()?;
        let clock = WallClock::RUN;
        let (last, now) = (last_before(&actions, clock.start_unix_seconds), clock.start_unix_seconds);
        let replicas = last.map_or(replicas, |action| action.replicas);
        let next = actions.iter().map(|action| action.zone.next_after(&action.schedule, now)).collect();
        Ok(Box::new(Scheduled { bounds: bounds(setting), clock, actions, next, replicas }))
    },
};

#[derive(Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Params {
    actions: Vec<ActionParams>,
    replicas: i32,
}

impl Default for Params {
    fn default() -> Params {
        Params { actions: Vec::new(), replicas: 1 }
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct ActionParams {
    schedule: String,
    #[serde(default)]
    time_zone: Option<String>,
    replicas: i32,
}

#[derive(Clone, Debug)]
struct Action {
    schedule: CronSchedule,
    zone: TimeZone,
    replicas: i32,
}

impl Action {
    fn read(params: &ActionParams) -> Result<Action, ParameterError> {
        let schedule = CronSchedule::parse(&params.schedule).map_err(|error| ParameterError(error.to_string()))?;
        let name = params.time_zone.as_deref().unwrap_or("UTC");
        let unknown =
            || ParameterError(format!("there is no time zone `{name}`; use an IANA name such as Europe/Berlin"));
        parameters::require(params.replicas >= 0, "`replicas` must not be negative")?;
        Ok(Action { schedule, zone: TimeZone::named(name).ok_or_else(unknown)?, replicas: params.replicas })
    }

    /// When it struck last, at or before an instant; none: not within five years.
    fn last_strike(&self, unix_seconds: i64) -> Option<i64> {
        const HOUR_SECONDS: i64 = 3600;
        const FIVE_YEARS_SECONDS: i64 = 5 * 366 * 24 * HOUR_SECONDS;
        if let CronSchedule::Every { .. } = self.schedule {
            // It counts from the start of the run.
            return None;
        }
        // From further and further back, so that schedules that strike often are not followed for years.
        let spans = std::iter::successors(Some(HOUR_SECONDS), |span| Some(span * 2));
        let strike = |after: i64| self.zone.next_after(&self.schedule, after).filter(|&at| at <= unix_seconds);
        let first =
            spans.take_while(|&span| span <= FIVE_YEARS_SECONDS).find_map(|span| strike(unix_seconds - span))?;
        std::iter::successors(Some(first), |&at| strike(at)).last()
    }
}

/// The action that struck last at or before an instant.
fn last_before(actions: &[Action], unix_seconds: i64) -> Option<&Action> {
    let strikes = actions.iter().filter_map(|action| Some((action.last_strike(unix_seconds)?, action)));
    strikes.max_by_key(|(at, _)| *at).map(|(_, action)| action)
}

/// See the module.
#[derive(Clone, Debug)]
struct Scheduled {
    bounds: Setting<'static>,
    clock: WallClock,
    actions: Vec<Action>,
    /// When each action strikes next.
    next: Vec<Option<i64>>,
    /// The number that holds.
    replicas: i32,
}

impl Scheduled {
    /// Lets all actions strike that are due.
    fn catch_up(&mut self, now: SimTime) {
        let now = self.clock.unix_seconds(now);
        let due = |next: &[Option<i64>]| {
            let strikes = next.iter().enumerate().filter_map(|(position, at)| Some(((*at)?, position)));
            strikes.min().filter(|(at, _)| *at <= now)
        };
        while let Some((at, position)) = due(&self.next) {
            let action = &self.actions[position];
            self.replicas = action.replicas;
            self.next[position] = action.zone.next_after(&action.schedule, at);
        }
    }
}

impl HorizontalAutoscaler for Scheduled {
    fn sync(&mut self, seen: &Observation<'_>) -> Decision {
        self.catch_up(seen.now);
        decision(seen, self.bounds.clamp(self.replicas), "it is time for this number", None)
    }

    fn reads(&self) -> Reads {
        Reads::default()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::testing::{asked, built, refused, second};

    /// The number at these hours of a run, which begins on a Monday at midnight in UTC.
    fn numbers(parameters: serde_json::Value, hours: &[f64]) -> Vec<i32> {
        let mut policy = built("scheduled", parameters);
        hours.iter().map(|hour| asked(policy.as_mut(), second(hour * 3600.0), 2, 0.0).replicas.expect("one")).collect()
    }

    #[test]
    fn office_hours() {
        let actions = json!([{"schedule": "0 8 * * mon-fri", "timeZone": "Europe/Berlin", "replicas": 10},
            {"schedule": "0 18 * * mon-fri", "timeZone": "Europe/Berlin", "replicas": 3}]);
        // In January 8:00 is 7:00 UTC. At midnight the number of Friday evening holds; so it does on Saturday, hour 120.
        let hours = [0.0, 6.99, 7.0, 16.99, 17.0, 31.0, 120.0 + 12.0];
        assert_eq!(numbers(json!({ "actions": actions }), &hours), [3, 3, 10, 10, 3, 10, 3]);
    }

    #[test]
    fn of_two_at_one_instant_the_last_counts_and_bounds_hold() {
        let both = json!([{"schedule": "0 * * * *", "replicas": 5}, {"schedule": "0 2 * * *", "replicas": 99}]);
        assert_eq!(numbers(json!({ "actions": both }), &[0.0, 1.0, 2.0, 2.5, 3.0]), [5, 5, 20, 20, 5]);
        assert_eq!(numbers(json!({"replicas": 7}), &[0.0, 50.0]), [7, 7]);
        let never = json!({"actions": [{"schedule": "0 0 30 2 *", "replicas": 5}], "replicas": 4});
        assert_eq!(numbers(never, &[0.0, 50.0]), [4, 4]);
        let every = json!({"actions": [{"schedule": "@every 2h", "replicas": 5}], "replicas": 4});
        assert_eq!(numbers(every, &[1.9, 2.0]), [4, 5]);
    }

    #[test]
    fn what_is_wrong_is_said() {
        let why = |action: serde_json::Value| refused("scheduled", json!({ "actions": [action] }));
        assert!(why(json!({"schedule": "0 8 * *", "replicas": 1})).contains("has 4 fields"));
        let zone = why(json!({"schedule": "0 8 * * *", "timeZone": "Berlin", "replicas": 1}));
        assert!(zone.contains("no time zone `Berlin`"));
        assert!(why(json!({"schedule": "0 8 * * *", "replicas": -1})).contains("must not be negative"));
    }
}
