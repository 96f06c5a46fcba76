//! Civil time of places, by the names of the IANA time zone database, which is part of the build: no file of the machine is
//! read.

use tz::TimeZoneRef;

use super::controllers::cron::CronSchedule;

/// A time zone.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct TimeZone {
    zone: &'static TimeZoneRef<'static>,
}

impl TimeZone {
    /// The zone of that name, such as `Europe/Berlin`, `UTC` or `Etc/GMT+3`; none: there is no such zone.
    ///
    /// ```
    /// use wavetank::policy::time_zone::TimeZone;
    /// let berlin = TimeZone::named("Europe/Berlin").expect("a zone");
    /// // 2026-01-05 and 2026-07-05, noon in UTC.
    /// assert_eq!([1_767_614_400, 1_783_252_800].map(|unix| berlin.offset_s(unix)), [3600, 7200]);
    /// assert!(TimeZone::named("Mars/Olympus").is_none());
    /// ```
    pub fn named(name: &str) -> Option<TimeZone> {
        tzdb_data::find_tz(name.as_bytes()).map(|zone| TimeZone { zone })
    }

    /// How far clocks there are ahead of UTC at an instant in seconds since 1970, in seconds.
    pub fn offset_s(self, unix_seconds: i64) -> i64 {
        // The database has rules for all time; what is beyond them is UTC.
        self.zone.find_local_time_type(unix_seconds).map_or(0, |kind| i64::from(kind.ut_offset()))
    }

    /// The first time after `unix_seconds` that a schedule strikes by the clocks there, in seconds since 1970 in UTC; none: it
    /// never does.
    ///
    /// A time that clocks skip in spring is one that is as much later; one that they show twice in autumn counts once, unless the
    /// first has passed. Schedules such as `@every 5m` do not heed clocks.
    pub fn next_after(self, schedule: &CronSchedule, unix_seconds: i64) -> Option<i64> {
        if let CronSchedule::Every { .. } = schedule {
            return schedule.next_after(unix_seconds);
        }
        let local = schedule.next_after(unix_seconds + self.offset_s(unix_seconds))?;
        Some(self.unix_seconds(local, unix_seconds))
    }

    /// The first instant after `after` at which clocks there show `local`, in seconds since 1970 as if it were UTC.
    fn unix_seconds(self, local: i64, after: i64) -> i64 {
        // Offsets change less than once in two days.
        const DAY_SECONDS: i64 = 86_400;
        let [before, later] = [-DAY_SECONDS, DAY_SECONDS].map(|away| self.offset_s(local + away));
        let shown = |offset: i64| Some(local - offset).filter(|&unix| self.offset_s(unix) == offset && unix > after);
        shown(before).or(shown(later)).unwrap_or(local - before)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn strikes(zone: &str, schedule: &str, from: i64, count: usize) -> Vec<i64> {
        let zone = TimeZone::named(zone).expect("a zone");
        let schedule = CronSchedule::parse(schedule).expect("a schedule");
        std::iter::successors(zone.next_after(&schedule, from), |&at| zone.next_after(&schedule, at))
            .take(count)
            .collect()
    }

    /// 2026-03-28 00:00 UTC, a Saturday; clocks in Berlin go forward on the 29th at 01:00 UTC.
    const MARCH: i64 = 1_774_656_000;
    /// 2026-10-24 00:00 UTC, a Saturday; clocks in Berlin go back on the 25th at 01:00 UTC.
    const OCTOBER: i64 = 1_792_800_000;
    const HOUR: i64 = 3600;

    #[test]
    fn eight_in_the_morning_is_earlier_in_summer() {
        // 08:00 is 07:00 UTC on the 28th, 06:00 UTC on the 29th and after.
        let expected = [7, 24 + 6, 48 + 6].map(|hour| MARCH + hour * HOUR);
        assert_eq!(strikes("Europe/Berlin", "0 8 * * *", MARCH, 3), expected);
        let expected = [6, 24 + 7, 48 + 7].map(|hour| OCTOBER + hour * HOUR);
        assert_eq!(strikes("Europe/Berlin", "0 8 * * *", OCTOBER, 3), expected);
        let expected = [8, 24 + 8].map(|hour| MARCH + hour * HOUR);
        assert_eq!(strikes("UTC", "0 8 * * *", MARCH, 2), expected);
    }

    #[test]
    fn times_that_are_skipped_and_times_that_come_twice() {
        // 02:30 is 01:30 UTC on the 28th; on the 29th clocks show 03:30 then; 00:30 UTC on the 30th.
        let half = HOUR / 2;
        let expected = [1, 24 + 1, 48].map(|hour| MARCH + hour * HOUR + half);
        assert_eq!(strikes("Europe/Berlin", "30 2 * * *", MARCH, 3), expected);
        // 02:30 is 00:30 UTC on the 24th and the 25th, where it comes again an hour later, and 01:30 UTC on the 26th.
        let expected = [0, 24, 48 + 1].map(|hour| OCTOBER + hour * HOUR + half);
        assert_eq!(strikes("Europe/Berlin", "30 2 * * *", OCTOBER, 3), expected);
    }

    #[test]
    fn far_from_utc() {
        // 09:00 in Kiritimati, 14 hours ahead, is 19:00 UTC of the day before; in Kathmandu (5:45) 03:15 UTC.
        assert_eq!(strikes("Pacific/Kiritimati", "0 9 * * *", MARCH, 1), [MARCH + 19 * HOUR]);
        assert_eq!(strikes("Asia/Kathmandu", "0 9 * * *", MARCH, 1), [MARCH + 3 * HOUR + HOUR / 4]);
    }
}
