//! When a cron schedule strikes: five fields, or a word such as `@daily`.
//!
//! Follows `github.com/robfig/cron/v3` (`ParseStandard`), which Kubernetes v1.37.0 reads `CronJob.spec.schedule` with:
//! minute, hour, day of month, month, day of week; names of months and weekdays; lists, ranges and steps; `?` means `*`.
//! Of day of month and day of week one has to match where both are restricted, else both: `*/2` is a restriction, `*` and
//! `*/1` are none. Sunday is 0, and 7 is refused.
//!
//! Known deviations: instants are in UTC. A time zone in the schedule (`TZ=`) is refused, as the API server does for new
//! objects.
//!
//! Cost: a few steps a day that is skipped, at most five years of them.

use crate::units::{SimDuration, SimTime};

const MINUTE_SECONDS: i64 = 60;
const HOUR_SECONDS: i64 = 3600;
const DAY_SECONDS: i64 = 86_400;
/// A schedule that does not strike for so long never does.
const YEARS_MAX: i64 = 5;

const MONTHS: [&str; 12] = ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"];
const WEEKDAYS: [&str; 7] = ["sun", "mon", "tue", "wed", "thu", "fri", "sat"];

/// Why a schedule was refused, in words for the user.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the schedule `{schedule}` {problem}")]
pub struct CronError {
    /// The schedule as it was written.
    pub schedule: String,
    /// What is wrong with it.
    pub problem: String,
}

/// A schedule that was read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CronSchedule {
    /// At the minutes that match.
    Fields(CronFields),
    /// `@every`: so many seconds after the last time.
    Every {
        /// Whole seconds, at least one.
        seconds: i64,
    },
}

/// The values that match, as bits, by field.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CronFields {
    minute: Field,
    hour: Field,
    day_of_month: Field,
    month: Field,
    day_of_week: Field,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Field {
    bits: u64,
    /// Whether it was `*`, which leaves the other field of days alone.
    is_star: bool,
}

impl Field {
    fn has(self, value: i64) -> bool {
        self.bits & (1 << value) != 0
    }
}

/// What a field may hold.
struct Bounds {
    min: u32,
    max: u32,
    names: &'static [&'static str],
}

const MINUTE: Bounds = Bounds { min: 0, max: 59, names: &[] };
const HOUR: Bounds = Bounds { min: 0, max: 23, names: &[] };
const DAY_OF_MONTH: Bounds = Bounds { min: 1, max: 31, names: &[] };
const MONTH: Bounds = Bounds { min: 1, max: 12, names: &MONTHS };
const DAY_OF_WEEK: Bounds = Bounds { min: 0, max: 6, names: &WEEKDAYS };

impl CronSchedule {
    /// Reads a schedule.
    ///
    /// # Errors
    /// When it has not five fields, a field does not fit, or it names a time zone.
    ///
    /// ```
    /// use wavetank::policy::controllers::cron::CronSchedule;
    /// let schedule = CronSchedule::parse("*/15 9-17 * * mon-fri")?;
    /// // 1970-01-01 was a Thursday.
    /// assert_eq!(schedule.next_after(0), Some(9 * 3600));
    /// # Ok::<(), wavetank::policy::controllers::cron::CronError>(())
    /// ```
    pub fn parse(text: &str) -> Result<CronSchedule, CronError> {
        let refuse = |problem: String| CronError { schedule: text.to_owned(), problem };
        if text.starts_with("TZ=") || text.starts_with("CRON_TZ=") {
            return Err(refuse("names a time zone: schedules are in UTC here".to_owned()));
        }
        if let Some(duration) = text.strip_prefix("@every ") {
            let duration = SimDuration::parse(duration).map_err(|error| refuse(format!("has no duration: {error}")))?;
            return Ok(CronSchedule::Every { seconds: (duration.0 / 1_000_000_000).max(1) as i64 });
        }
        let fields = match text {
            "@yearly" | "@annually" => "0 0 1 1 *",
            "@monthly" => "0 0 1 * *",
            "@weekly" => "0 0 * * 0",
            "@daily" | "@midnight" => "0 0 * * *",
            "@hourly" => "0 * * * *",
            _ if text.starts_with('@') => return Err(refuse("is no word that is known".to_owned())),
            _ => text,
        };
        let fields: Vec<&str> = fields.split_whitespace().collect();
        let [minute, hour, day_of_month, month, day_of_week] = fields[..] else {
            return Err(refuse(format!("has {} fields, not 5", fields.len())));
        };
        Ok(CronSchedule::Fields(CronFields {
            minute: parse_field(minute, &MINUTE).map_err(refuse)?,
            hour: parse_field(hour, &HOUR).map_err(refuse)?,
            day_of_month: parse_field(day_of_month, &DAY_OF_MONTH).map_err(refuse)?,
            month: parse_field(month, &MONTH).map_err(refuse)?,
            day_of_week: parse_field(day_of_week, &DAY_OF_WEEK).map_err(refuse)?,
        }))
    }

    /// The first time that it strikes after `unix_seconds`, in seconds since 1970 in UTC; none: not within five years,
    /// and so never.
    pub fn next_after(&self, unix_seconds: i64) -> Option<i64> {
        match self {
            CronSchedule::Every { seconds } => Some(unix_seconds + seconds),
            CronSchedule::Fields(fields) => fields.next_after(unix_seconds),
        }
    }
}

impl CronFields {
    fn next_after(&self, unix_seconds: i64) -> Option<i64> {
        let first = (unix_seconds + 1 + MINUTE_SECONDS - 1).div_euclid(MINUTE_SECONDS) * MINUTE_SECONDS;
        let last_year = civil_from_days((unix_seconds + 1).div_euclid(DAY_SECONDS)).0 + YEARS_MAX;
        let mut day = first.div_euclid(DAY_SECONDS);
        let mut from = first.rem_euclid(DAY_SECONDS);
        loop {
            let (year, month, day_of_month) = civil_from_days(day);
            if year > last_year {
                return None;
            }
            if !self.month.has(month) {
                let (year, month) = if month == 12 { (year + 1, 1) } else { (year, month + 1) };
                (day, from) = (days_from_civil(year, month, 1), 0);
                continue;
            }
            // 1970-01-01 was a Thursday.
            if self.day_matches(day_of_month, (day + 4).rem_euclid(7))
                && let Some(time) = self.time_of_day(from)
            {
                return Some(day * DAY_SECONDS + time);
            }
            (day, from) = (day + 1, 0);
        }
    }

    fn day_matches(&self, day_of_month: i64, day_of_week: i64) -> bool {
        let (month, week) = (self.day_of_month.has(day_of_month), self.day_of_week.has(day_of_week));
        if self.day_of_month.is_star || self.day_of_week.is_star { month && week } else { month || week }
    }

    /// The first matching second of a day that is not before `from`.
    fn time_of_day(&self, from: i64) -> Option<i64> {
        let (first_hour, first_minute) = (from / HOUR_SECONDS, from % HOUR_SECONDS / MINUTE_SECONDS);
        let hours = (first_hour..24).filter(|&hour| self.hour.has(hour));
        hours.into_iter().find_map(|hour| {
            let start = if hour == first_hour { first_minute } else { 0 };
            let minute = (start..60).find(|&minute| self.minute.has(minute))?;
            Some(hour * HOUR_SECONDS + minute * MINUTE_SECONDS)
        })
    }
}

fn parse_field(text: &str, bounds: &Bounds) -> Result<Field, String> {
    let mut field = Field { bits: 0, is_star: false };
    for part in text.split(',').filter(|part| !part.is_empty()) {
        let range = parse_range(part, bounds)?;
        field = Field { bits: field.bits | range.bits, is_star: field.is_star || range.is_star };
    }
    Ok(field)
}

/// `number`, `*` or `number-number`, with `/step` or without.
fn parse_range(text: &str, bounds: &Bounds) -> Result<Field, String> {
    let mut parts = text.split('/');
    let range = parts.next().unwrap_or_default();
    let step = parts.next().map(|step| parse_number(step, &[])).transpose()?;
    if parts.next().is_some() {
        return Err(format!("has too many slashes in `{text}`"));
    }
    let ends: Vec<&str> = range.split('-').collect();
    let is_star = matches!(ends[0], "*" | "?");
    let (first, last) = match ends[..] {
        _ if is_star => (bounds.min, bounds.max),
        // A single number with a step stands for all from there.
        [only] => {
            let first = parse_number(only, bounds.names)?;
            (first, if step.is_some() { bounds.max } else { first })
        }
        [first, last] => (parse_number(first, bounds.names)?, parse_number(last, bounds.names)?),
        _ => return Err(format!("has too many hyphens in `{text}`")),
    };
    let step = step.unwrap_or(1);
    if first < bounds.min || last > bounds.max {
        return Err(format!("leaves {}-{} in `{text}`", bounds.min, bounds.max));
    }
    if first > last {
        return Err(format!("begins after its end in `{text}`"));
    }
    if step == 0 {
        return Err(format!("has a step of 0 in `{text}`"));
    }
    let bits = (first..=last).step_by(step as usize).fold(0, |bits, value| bits | 1 << value);
    Ok(Field { bits, is_star: is_star && step == 1 })
}

fn parse_number(text: &str, names: &[&str]) -> Result<u32, String> {
    let lower = text.to_ascii_lowercase();
    if let Some(at) = names.iter().position(|name| *name == lower) {
        // Months count from 1, weekdays from 0.
        return Ok(at as u32 + u32::from(names.len() == MONTHS.len()));
    }
    text.parse().map_err(|_| format!("has no number where it says `{text}`"))
}

/// Year, month (1-12) and day (1-31) of a day since 1970-01-01, in the Gregorian calendar.
fn civil_from_days(days: i64) -> (i64, i64, i64) {
    // Years begin in March here, so that the leap day is the last of its year; an era is 400 years.
    let shifted = days + 719_468;
    let era = shifted.div_euclid(146_097);
    let day_of_era = shifted.rem_euclid(146_097);
    let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted_month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * shifted_month + 2) / 5 + 1;
    let month = if shifted_month < 10 { shifted_month + 3 } else { shifted_month - 9 };
    (era * 400 + year_of_era + i64::from(month <= 2), month, day)
}

/// The day since 1970-01-01 of a date in the Gregorian calendar.
fn days_from_civil(year: i64, month: i64, day: i64) -> i64 {
    let year = year - i64::from(month <= 2);
    let (era, year_of_era) = (year.div_euclid(400), year.rem_euclid(400));
    let shifted_month = if month > 2 { month - 3 } else { month + 9 };
    let day_of_year = (153 * shifted_month + 2) / 5 + day - 1;
    let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    era * 146_097 + day_of_era - 719_468
}

/// What a run's clock shows on the wall.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WallClock {
    /// Seconds since 1970 in UTC at instant 0 of the run.
    pub start_unix_seconds: i64,
}

impl WallClock {
    /// The clock of every run: instant 0 is Monday, 2026-01-05, midnight in UTC.
    pub const RUN: WallClock = WallClock { start_unix_seconds: 1_767_571_200 };

    /// Seconds since 1970, rounded down.
    pub fn unix_seconds(self, time: SimTime) -> i64 {
        self.start_unix_seconds + (time.0 / 1_000_000_000) as i64
    }

    /// The instant of the run; instant 0 for what lies before it.
    pub fn time(self, unix_seconds: i64) -> SimTime {
        let seconds = u64::try_from(unix_seconds - self.start_unix_seconds).unwrap_or(0);
        SimTime(seconds.saturating_mul(1_000_000_000))
    }
}

#[cfg(test)]
mod tests;
