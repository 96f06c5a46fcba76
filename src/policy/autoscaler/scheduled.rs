//! `scheduled`: at certain times the number of replicas becomes a certain one.
//!
//! Each of `actions` has a cron schedule, a time zone and a number (see `policy::timetable`); `replicas` is for when none of
//! them has ever struck.
//!
//! Parameters: `actions`, `replicas`.
//!
//! Source: scheduled actions of AWS Auto Scaling and start and end of a cron trigger, reduced to the number.
//! Cost: O(actions).

use serde::Deserialize;

use super::wish::{bounds, decision};
use super::{AutoscalerRow, Decision, HorizontalAutoscaler, Observation, Reads, Setting};
use crate::policy::parameters::{self, Parameter};
use crate::policy::timetable::Timetable;

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
        parameters::require(actions.iter().all(|action| action.replicas >= 0), "`replicas` must not be negative")?;
        let actions = actions.iter().map(|one| (&*one.schedule, one.time_zone.as_deref(), one.replicas));
        Ok(Box::new(Scheduled { bounds: bounds(setting), timetable: Timetable::new(actions)?, replicas }))
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

/// See the module.
#[derive(Clone, Debug)]
struct Scheduled {
    bounds: Setting<'static>,
    timetable: Timetable<i32>,
    /// The number before any action.
    replicas: i32,
}

impl HorizontalAutoscaler for Scheduled {
    fn sync(&mut self, seen: &Observation<'_>) -> Decision {
        let replicas = self.timetable.at(seen.now).unwrap_or(self.replicas);
        decision(seen, self.bounds.clamp(replicas), "it is time for this number", None)
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
