//! Timetables: at certain times something becomes a certain number, of replicas or of machines.
//!
//! Each action has a cron schedule, a time zone and a number; that of the action that struck last holds, of several at one
//! instant that of the last in the list. A run that begins between two strikes begins with the number that holds then.
//! `@every` counts from the start of the run, before which it never struck.
//!
//! Source: scheduled actions of AWS Auto Scaling, reduced to the number. Schedules are those of `CronJob`; a zone's clocks are
//! those of the IANA database. Cost: O(actions) a look.

use super::controllers::cron::{CronSchedule, WallClock};
use super::parameters::ParameterError;
use super::time_zone::TimeZone;
use crate::units::{SimDuration, SimTime};

/// Actions by the clock, and what holds.
#[derive(Clone, Debug)]
pub(super) struct Timetable<T> {
    clock: WallClock,
    actions: Vec<Action<T>>,
    /// When each action strikes next, in seconds of the Unix epoch.
    next: Vec<Option<i64>>,
    /// The number of the action that struck last.
    holds: Option<T>,
}

#[derive(Clone, Debug)]
struct Action<T> {
    schedule: CronSchedule,
    zone: TimeZone,
    number: T,
}

impl<T: Copy> Timetable<T> {
    /// The timetable of actions: schedule, time zone (an IANA name; none: UTC) and number.
    ///
    /// # Errors
    /// When a schedule or a time zone cannot be read.
    pub(super) fn new<'a>(
        actions: impl IntoIterator<Item = (&'a str, Option<&'a str>, T)>,
    ) -> Result<Timetable<T>, ParameterError> {
        let actions: Vec<Action<T>> = actions.into_iter().map(Action::read).collect::<Result<_, _>>()?;
        let clock = WallClock::RUN;
        let now = clock.start_unix_seconds;
        let strikes = actions.iter().filter_map(|action| Some((action.last_strike(now)?, action.number)));
        let holds = strikes.max_by_key(|(at, _)| *at).map(|(_, number)| number);
        let next = actions.iter().map(|action| action.zone.next_after(&action.schedule, now)).collect();
        Ok(Timetable { clock, actions, next, holds })
    }

    /// The number that holds at an instant, not before the last that was asked for; none: no action has ever struck.
    pub(super) fn at(&mut self, now: SimTime) -> Option<T> {
        let now = self.clock.unix_seconds(now);
        let due = |next: &[Option<i64>]| {
            let strikes = next.iter().enumerate().filter_map(|(position, at)| Some(((*at)?, position)));
            strikes.min().filter(|(at, _)| *at <= now)
        };
        while let Some((at, position)) = due(&self.next) {
            let action = &self.actions[position];
            self.holds = Some(action.number);
            self.next[position] = action.zone.next_after(&action.schedule, at);
        }
        self.holds
    }

    /// When an action next strikes, as of the last question.
    pub(super) fn next(&self, now: SimTime) -> SimTime {
        let unix_seconds = self.clock.unix_seconds(now);
        let strike = self.next.iter().flatten().min().map(|at| {
            let seconds = u64::try_from(at - unix_seconds).unwrap_or(0);
            // Strikes are on whole seconds.
            SimTime(now.0 - now.0 % 1_000_000_000).after(SimDuration(seconds.saturating_mul(1_000_000_000)))
        });
        strike.filter(|at| *at > now).unwrap_or(SimTime::NEVER)
    }
}

impl<T> Action<T> {
    fn read((schedule, zone, number): (&str, Option<&str>, T)) -> Result<Action<T>, ParameterError> {
        let schedule = CronSchedule::parse(schedule).map_err(|error| ParameterError(error.to_string()))?;
        let name = zone.unwrap_or("UTC");
        let unknown =
            || ParameterError(format!("there is no time zone `{name}`; use an IANA name such as Europe/Berlin"));
        Ok(Action { schedule, zone: TimeZone::named(name).ok_or_else(unknown)?, number })
    }

    /// When it struck last, at or before an instant; none: not within five years.
    fn last_strike(&self, unix_seconds: i64) -> Option<i64> {
        const HOUR_SECONDS: i64 = 3600;
        const FIVE_YEARS_SECONDS: i64 = 5 * 366 * 24 * HOUR_SECONDS;
        if let CronSchedule::Every { .. } = self.schedule {
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

#[cfg(test)]
mod tests {
    use super::*;

    fn hour(hour: f64) -> SimTime {
        SimTime::ZERO.after(SimDuration::from_seconds(hour * 3600.0))
    }

    /// Runs begin on a Monday in January at midnight in UTC, when it is one in the morning in Berlin.
    #[test]
    fn numbers_change_when_actions_strike() {
        let mut table = Timetable::new([("0 8 * * mon-fri", Some("Europe/Berlin"), 10), ("0 18 * * mon-fri", None, 3)])
            .expect("they can be read");
        // What holds then, and when the next action strikes: at 7 and 18 h UTC; of Friday, 96 h, the next is on Monday.
        for (now, holds, next) in
            [(0.0, 3, 7.0), (6.5, 3, 7.0), (7.0, 10, 18.0), (18.25, 3, 31.0), (96.0 + 20.0, 3, 168.0 + 7.0)]
        {
            assert_eq!((table.at(hour(now)), table.next(hour(now))), (Some(holds), hour(next)), "{now} h");
        }
    }

    #[test]
    fn what_never_strikes_holds_nothing() {
        // There is no 30th of February.
        let mut never = Timetable::new([("0 0 30 2 *", None, 1)]).expect("it can be read");
        assert_eq!((never.at(hour(1000.0)), never.next(hour(1000.0))), (None, SimTime::NEVER));
        let mut every = Timetable::new([("@every 2h", None, 1)]).expect("it can be read");
        assert_eq!([every.at(hour(1.9)), every.at(hour(2.0))], [None, Some(1)]);
        let wrong = |schedule: &str, zone| Timetable::new([(schedule, zone, 1)]).err().map(|error| error.0);
        let zone = "there is no time zone `Berlin`; use an IANA name such as Europe/Berlin";
        assert_eq!(wrong("0 8 * * *", Some("Berlin")).as_deref(), Some(zone));
        assert!(wrong("0 8 * *", None).is_some_and(|error| error.contains("has 4 fields")));
    }
}
