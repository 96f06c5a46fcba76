//! Replicas on a schedule (`cron_scaler.go`): so many from each stroke of `start` to the next of `end`.

use super::trigger::{Milli, Reading, Target};
use crate::policy::controllers::cron::{CronError, CronSchedule};

/// A trigger on a schedule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CronTrigger {
    start: CronSchedule,
    end: CronSchedule,
    /// How far the clock of the schedules is before UTC, in seconds.
    offset_s: i64,
    desired_replicas: u64,
}

/// Why a trigger on a schedule was refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CronTriggerError {
    /// A schedule cannot be read.
    #[error(transparent)]
    Schedule(#[from] CronError),
    /// A word such as `@daily`: upstream reads five fields here.
    #[error("the schedule `{0}` must have five fields: minute, hour, day of month, month, day of week")]
    Word(String),
    /// Both are the same.
    #[error("start and end must not be the same schedule")]
    NeverEnds,
    /// No replicas.
    #[error("desiredReplicas must be at least 1")]
    NoReplicas,
    /// The time zone.
    #[error("the time zone `{0}` is not known here: write UTC, Etc/UTC, or a distance such as Etc/GMT-2 or +05:30")]
    Zone(String),
}

impl CronTrigger {
    /// A trigger from the texts of its metadata.
    ///
    /// # Errors
    /// Everything that is wrong with them.
    pub fn new(
        start: &str,
        end: &str,
        timezone: &str,
        desired_replicas: u64,
    ) -> Result<CronTrigger, Vec<CronTriggerError>> {
        let mut problems = Vec::new();
        let mut schedule = |text: &str| match parse(text) {
            Ok(schedule) => Some(schedule),
            Err(problem) => {
                problems.push(problem);
                None
            }
        };
        let (first, last) = (schedule(start), schedule(end));
        if start == end {
            problems.push(CronTriggerError::NeverEnds);
        }
        if desired_replicas == 0 {
            problems.push(CronTriggerError::NoReplicas);
        }
        let offset_s = offset_of(timezone);
        if offset_s.is_none() {
            problems.push(CronTriggerError::Zone(timezone.to_owned()));
        }
        match (first, last, offset_s) {
            (Some(start), Some(end), Some(offset_s)) if problems.is_empty() => {
                Ok(CronTrigger { start, end, offset_s, desired_replicas })
            }
            _ => Err(problems),
        }
    }

    /// The target: one replica for each that the schedule wants.
    pub fn target(&self) -> Target {
        Target::AverageValue(Milli(1000))
    }

    /// What it reports at an instant, in seconds since 1970 in UTC.
    ///
    /// Upstream compares the next strokes: in the interval the end comes before the next start. Of two strokes at one instant
    /// the start counts.
    pub fn read(&self, unix_seconds: i64) -> Reading {
        let local = unix_seconds + self.offset_s;
        let (start, end) = (self.start.next_after(local), self.end.next_after(local));
        let is_active = match (start, end) {
            (Some(start), Some(end)) => start >= end,
            // A stroke that never comes is in the year 1 for upstream, before everything.
            (Some(_), None) => false,
            (None, _) => true,
        };
        let replicas = if is_active { self.desired_replicas } else { 0 };
        Reading { metric: Milli(replicas * 1000), is_active }
    }
}

fn parse(text: &str) -> Result<CronSchedule, CronTriggerError> {
    if text.trim_start().starts_with('@') {
        return Err(CronTriggerError::Word(text.to_owned()));
    }
    Ok(CronSchedule::parse(text)?)
}

/// How far a zone is before UTC, in seconds; none: it is not known.
fn offset_of(zone: &str) -> Option<i64> {
    let zone = zone.trim();
    if matches!(zone, "UTC" | "Etc/UTC" | "Etc/GMT" | "GMT" | "Etc/Universal" | "Universal" | "Etc/Zulu" | "Zulu") {
        return Some(0);
    }
    // In these names the sign is turned: Etc/GMT-2 is two hours before UTC.
    if let Some(distance) = zone.strip_prefix("Etc/GMT") {
        let hours: i64 = distance.parse().ok()?;
        return (-14..=12).contains(&hours).then_some(-hours * 3600);
    }
    let (sign, distance) = match zone.split_at_checked(1)? {
        ("+", distance) => (1, distance),
        ("-", distance) => (-1, distance),
        _ => return None,
    };
    let (hours, minutes) = distance.split_once(':')?;
    let (hours, minutes): (i64, i64) = (hours.parse().ok()?, minutes.parse().ok()?);
    ((0..=14).contains(&hours) && (0..60).contains(&minutes)).then_some(sign * (hours * 3600 + minutes * 60))
}
