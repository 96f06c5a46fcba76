//! Tables of `spec_test.go` and `parser_test.go` of robfig/cron v3, as far as they are about UTC and five fields.

use super::*;

/// Seconds since 1970 of a date and time.
fn at(year: i64, month: i64, day: i64, hour: i64, minute: i64) -> i64 {
    days_from_civil(year, month, day) * DAY_SECONDS + hour * HOUR_SECONDS + minute * MINUTE_SECONDS
}

fn next(schedule: &str, after: i64) -> Option<i64> {
    CronSchedule::parse(schedule).expect(schedule).next_after(after)
}

#[test]
fn the_calendar_is_gregorian() {
    // Days since 1970-01-01; 1972, 2000 and 2016 are leap years, 2100 is none.
    let rows = [
        ((1970, 1, 1), 0),
        ((1969, 12, 31), -1),
        ((1970, 3, 1), 59),
        ((1972, 3, 1), 790),
        ((2000, 1, 1), 10_957),
        ((2000, 3, 1), 11_017),
        ((2016, 5, 19), 16_940),
        ((2100, 3, 1), 47_541),
    ];
    for ((year, month, day), days) in rows {
        assert_eq!(days_from_civil(year, month, day), days, "{year}-{month}-{day}");
        assert_eq!(civil_from_days(days), (year, month, day), "{days}");
    }
    for days in -800_000..800_000 {
        let (year, month, day) = civil_from_days(days);
        assert_eq!(days_from_civil(year, month, day), days);
    }
}

#[test]
fn schedules_strike_when_upstream_says() {
    // July 9, 2012 was a Monday.
    let monday = |hour, minute| at(2012, 7, 9, hour, minute);
    let sunday = at(2012, 7, 15, 0, 0);
    let rows = [
        (monday(15, 0), "0/15 * * * *", true),
        (monday(15, 45), "0/15 * * * *", true),
        (monday(15, 40), "0/15 * * * *", false),
        (monday(15, 5), "5/15 * * * *", true),
        (monday(15, 20), "5/15 * * * *", true),
        (monday(15, 50), "5/15 * * * *", true),
        (at(2012, 7, 15, 15, 0), "0/15 * * Jul *", true),
        (at(2012, 7, 15, 15, 0), "0/15 * * Jun *", false),
        (at(2012, 7, 15, 8, 30), "30 08 ? Jul Sun", true),
        (at(2012, 7, 15, 8, 30), "30 08 15 Jul ?", true),
        (at(2012, 7, 16, 8, 30), "30 08 ? Jul Sun", false),
        (at(2012, 7, 16, 8, 30), "30 08 15 Jul ?", false),
        (monday(15, 0), "@hourly", true),
        (monday(15, 4), "@hourly", false),
        (monday(15, 0), "@daily", false),
        (monday(0, 0), "@daily", true),
        (monday(0, 0), "@midnight", true),
        (monday(0, 0), "@weekly", false),
        (at(2012, 7, 8, 0, 0), "@weekly", true),
        (at(2012, 7, 8, 1, 0), "@weekly", false),
        (at(2012, 7, 8, 0, 0), "@monthly", false),
        (at(2012, 7, 1, 0, 0), "@monthly", true),
        (at(2012, 7, 1, 0, 0), "@yearly", false),
        (at(2013, 1, 1, 0, 0), "@annually", true),
        // Where both fields of days are restricted one of them is enough.
        (sunday, "* * 1,15 * Sun", true),
        (at(2012, 6, 15, 0, 0), "* * 1,15 * Sun", true),
        (at(2012, 8, 1, 0, 0), "* * 1,15 * Sun", true),
        (sunday, "* * */10 * Sun", true),
        // Where one is a star both have to match.
        (sunday, "* * * * Mon", false),
        (monday(0, 0), "* * 1,15 * *", false),
        (sunday, "* * 1,15 * *", true),
        (sunday, "* * */2 * Sun", true),
        (monday(0, 0), "* * */1 * Sun", false),
    ];
    for (time, schedule, expected) in rows {
        assert_eq!(next(schedule, time - 1) == Some(time), expected, "{schedule} at {time}");
    }
}

#[test]
fn the_next_time_carries_into_hours_days_months_and_years() {
    let monday = |hour, minute| at(2012, 7, 9, hour, minute);
    let rows = [
        (monday(14, 45), "0/15 * * * *", monday(15, 0)),
        (monday(14, 59), "0/15 * * * *", monday(15, 0)),
        (monday(14, 59) + 59, "0/15 * * * *", monday(15, 0)),
        (monday(15, 45), "20-35/15 * * * *", monday(16, 20)),
        (monday(23, 46), "*/15 * * * *", at(2012, 7, 10, 0, 0)),
        (monday(23, 45), "20-35/15 * * * *", at(2012, 7, 10, 0, 20)),
        (monday(23, 35) + 51, "20-35/15 1/2 * * *", at(2012, 7, 10, 1, 20)),
        (monday(23, 35) + 51, "20-35/15 10-12 * * *", at(2012, 7, 10, 10, 20)),
        (monday(23, 35) + 51, "20-35/15 1/2 */2 * *", at(2012, 7, 11, 1, 20)),
        (monday(23, 35) + 51, "20-35/15 * 9-20 Jul *", at(2012, 7, 10, 0, 20)),
        (monday(23, 35), "0 0 9 Apr-Oct ?", at(2012, 8, 9, 0, 0)),
        (monday(23, 35), "0 0 */5 Apr,Aug,Oct Mon", at(2012, 8, 1, 0, 0)),
        (monday(23, 35), "0 0 */5 Oct Mon", at(2012, 10, 1, 0, 0)),
        (monday(23, 35), "0 0 * Feb Mon", at(2013, 2, 4, 0, 0)),
        // Monday, Wednesday, Friday.
        (monday(23, 35), "0 0 * Feb Mon/2", at(2013, 2, 1, 0, 0)),
        (at(2012, 12, 31, 23, 59) + 45, "* * * * *", at(2013, 1, 1, 0, 0)),
        (monday(23, 35), "0 0 29 Feb ?", at(2016, 2, 29, 0, 0)),
        (monday(15, 0), "@every 90s", monday(15, 1) + 30),
        (monday(15, 0), "@every 1500ms", monday(15, 0) + 1),
        (monday(15, 0), "@every 5ms", monday(15, 0) + 1),
    ];
    for (time, schedule, expected) in rows {
        assert_eq!(next(schedule, time), Some(expected), "{schedule} after {time}");
    }
    assert_eq!(next("0 0 30 Feb ?", monday(23, 35)), None);
    assert_eq!(next("0 0 31 Apr ?", monday(23, 35)), None);
}

#[test]
fn what_is_no_schedule_is_refused_with_the_reason() {
    let rows = [
        ("", "has 0 fields, not 5"),
        ("* * * *", "has 4 fields, not 5"),
        ("* * * * * *", "has 6 fields, not 5"),
        ("60 * * * *", "leaves 0-59 in `60`"),
        ("* 24 * * *", "leaves 0-23 in `24`"),
        ("* * 0 * *", "leaves 1-31 in `0`"),
        ("* * * 13 *", "leaves 1-12 in `13`"),
        ("* * * * 7", "leaves 0-6 in `7`"),
        ("5-4 * * * *", "begins after its end in `5-4`"),
        ("*/0 * * * *", "has a step of 0 in `*/0`"),
        ("1-2-3 * * * *", "has too many hyphens in `1-2-3`"),
        ("1/2/3 * * * *", "has too many slashes in `1/2/3`"),
        ("x * * * *", "has no number where it says `x`"),
        ("-1 * * * *", "has no number where it says ``"),
        ("* * * mon *", "has no number where it says `mon`"),
        ("@often", "is no word that is known"),
        ("@every day", "has no duration"),
        ("TZ=UTC 0 5 * * *", "names a time zone"),
        ("CRON_TZ=UTC 0 5 * * *", "names a time zone"),
    ];
    for (text, reason) in rows {
        let error = CronSchedule::parse(text).expect_err(text);
        assert!(error.to_string().contains(reason), "{text}: {error}");
    }
}

#[test]
fn lists_ranges_and_steps_are_bits() {
    let rows: [(&str, &Bounds, u64, bool); 8] = [
        ("5", &MINUTE, 1 << 5, false),
        ("0-3,7", &MINUTE, 0b1000_1111, false),
        ("0-7/2", &MINUTE, 0b0101_0101, false),
        ("58/1", &MINUTE, 0b11 << 58, false),
        ("*", &HOUR, (1 << 24) - 1, true),
        ("*/2,*", &HOUR, (1 << 24) - 1, true),
        ("jan-MAR", &MONTH, 0b1110, false),
        ("sun,Tue", &DAY_OF_WEEK, 0b101, false),
    ];
    for (text, bounds, bits, is_star) in rows {
        assert_eq!(parse_field(text, bounds), Ok(Field { bits, is_star }), "{text}");
    }
}

#[test]
fn the_clock_on_the_wall_goes_with_the_run() {
    let clock = WallClock { start_unix_seconds: at(2016, 5, 19, 10, 0) };
    assert_eq!(clock.unix_seconds(SimTime(61_999_999_999)), at(2016, 5, 19, 10, 1) + 1);
    assert_eq!(clock.time(at(2016, 5, 19, 10, 1)), SimTime(60_000_000_000));
    assert_eq!(clock.time(at(2016, 5, 19, 9, 0)), SimTime::ZERO);
}
