//! Instants as traces write them: seconds, or dates with times.

/// The start of a time axis that instants of a file are on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Instant {
    /// Nanoseconds since whatever the file counts from.
    Elapsed(i64),
    /// Nanoseconds since 1970.
    Date(i64),
}

impl Instant {
    /// The nanoseconds, from either beginning.
    pub fn nanoseconds(self) -> i64 {
        match self {
            Instant::Elapsed(nanoseconds) | Instant::Date(nanoseconds) => nanoseconds,
        }
    }
}

/// The instant that a text writes: seconds such as `90` or `12.5`, or a date with a time, such as `1998-06-10 14:00` or
/// `2014-04-10T00:04:00.5Z`; the zone that a file does not name is the same in all its rows.
pub fn parse_instant(text: &str) -> Option<Instant> {
    match text.split_at_checked(10) {
        Some((date, time)) if date.as_bytes()[4] == b'-' => date_time_ns(date, time).map(Instant::Date),
        _ => decimal_ns(text).map(Instant::Elapsed),
    }
}

fn date_time_ns(date: &str, time: &str) -> Option<i64> {
    let [year, month, day] = numbers(date, '-', [4, 2, 2])?;
    let time = match time.strip_prefix([' ', 'T', 't']) {
        None if time.is_empty() => "00:00",
        time => time?,
    };
    let time = time.strip_suffix(['Z', 'z']).unwrap_or(time);
    let (clock, seconds) = time.split_at_checked(5)?;
    let [hour, minute] = numbers(clock, ':', [2, 2])?;
    let in_range = (1..=12).contains(&month) && (1..=31).contains(&day) && hour < 24 && minute < 60;
    let second_ns = if seconds.is_empty() { 0 } else { decimal_ns(seconds.strip_prefix(':')?)? };
    if !in_range || second_ns > 60_000_000_000 {
        return None;
    }
    let minutes = days_since_1970(year, month, day) * 1440 + hour * 60 + minute;
    minutes.checked_mul(60_000_000_000)?.checked_add(second_ns)
}

/// Seconds with decimals, exactly; finer than a nanosecond is cut off.
fn decimal_ns(text: &str) -> Option<i64> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    let is_digits = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit());
    if whole.is_empty() || whole.len() > 18 || !is_digits(whole) || !is_digits(fraction) {
        return None;
    }
    let nanos: i64 = format!("{fraction:0<9}")[..9].parse().ok()?;
    whole.parse::<i64>().ok()?.checked_mul(1_000_000_000)?.checked_add(nanos)
}

/// Numbers of fixed width between separators.
pub(crate) fn numbers<const N: usize>(text: &str, separator: char, widths: [usize; N]) -> Option<[i64; N]> {
    let mut numbers = [0; N];
    let mut parts = text.split(separator);
    for (number, width) in numbers.iter_mut().zip(widths) {
        let part = parts.next().filter(|part| part.len() == width && part.bytes().all(|byte| byte.is_ascii_digit()))?;
        *number = part.parse().ok()?;
    }
    parts.next().is_none().then_some(numbers)
}

/// Days from 1970-01-01 in the Gregorian calendar. Years are counted from March, so that the leap day is their last.
pub(crate) fn days_since_1970(year: i64, month: i64, day: i64) -> i64 {
    let (year, month) = if month > 2 { (year, month - 3) } else { (year - 1, month + 9) };
    let leap_days = year.div_euclid(4) - year.div_euclid(100) + year.div_euclid(400);
    // Months from March have 31, 30, 31, 30, 31 days in turn: 153 in five.
    let day_of_year = (153 * month + 2) / 5 + day - 1;
    // From 0000-03-01 to 1970-01-01 there are 719468 days.
    year * 365 + leap_days + day_of_year - 719_468
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn instants_are_seconds_or_dates() {
        const S: i64 = 1_000_000_000;
        for (text, expected) in [
            ("0", Some(Instant::Elapsed(0))),
            ("12.5", Some(Instant::Elapsed(12_500_000_000))),
            ("1700000000.123456789", Some(Instant::Elapsed(1_700_000_000 * S + 123_456_789))),
            ("1970-01-02", Some(Instant::Date(86_400 * S))),
            ("1970-01-01 00:01", Some(Instant::Date(60 * S))),
            // 28 years of which 7 were leap years, and 151 days until June.
            ("1998-06-01 00:00:01", Some(Instant::Date(((28 * 365 + 7 + 151) * 86_400 + 1) * S))),
            ("1970-01-01T00:00:00.25Z", Some(Instant::Date(250_000_000))),
            ("", None),
            ("-1", None),
            ("1e3", None),
            ("x", None),
            ("1970-13-01", None),
            ("1970-01-01 25:00", None),
            ("1970-01-01 00:00:", None),
            ("1970-01-01 1:00", None),
            ("99999999999999999999", None),
        ] {
            assert_eq!(parse_instant(text), expected, "{text}");
        }
    }
}
