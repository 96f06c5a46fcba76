//! Instants as Kubernetes writes them (RFC 3339).

use crate::importers::instant::{days_since_1970, numbers};

/// Nanoseconds since 1970 of a text like `2024-05-06T07:08:09Z`, with an optional fraction and offset; none where it is not
/// such a text.
pub(super) fn parse_instant_ns(text: &str) -> Option<i64> {
    let (date, time) = text.split_at_checked(10)?;
    let time = time.strip_prefix(['T', 't'])?;
    let offset_at = time.find(['Z', 'z', '+', '-'])?;
    let (clock, offset) = time.split_at(offset_at);
    let (clock, fraction) = clock.split_once('.').unwrap_or((clock, "0"));
    let [year, month, day] = numbers(date, '-', [4, 2, 2])?;
    let [hour, minute, second] = numbers(clock, ':', [2, 2, 2])?;
    let offset_seconds = match offset {
        "Z" | "z" => 0,
        _ => {
            let [hours, minutes] = numbers(&offset[1..], ':', [2, 2])?;
            let seconds = hours * 3600 + minutes * 60;
            if offset.starts_with('-') { -seconds } else { seconds }
        }
    };
    let is_digits = !fraction.is_empty() && fraction.bytes().all(|byte| byte.is_ascii_digit());
    let in_range = (1..=12).contains(&month) && (1..=31).contains(&day) && hour < 24 && minute < 60 && second <= 60;
    if !is_digits || !in_range {
        return None;
    }
    let nanos: i64 = format!("{fraction:0<9}")[..9].parse().ok()?;
    let seconds = days_since_1970(year, month, day) * 86_400 + hour * 3600 + minute * 60 + second - offset_seconds;
    seconds.checked_mul(1_000_000_000)?.checked_add(nanos)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn instants_are_read() {
        const DAY: i64 = 86_400_000_000_000;
        for (text, expected) in [
            ("1970-01-01T00:00:00Z", Some(0)),
            ("1970-01-02T00:00:00Z", Some(DAY)),
            ("1969-12-31T23:59:59Z", Some(-1_000_000_000)),
            // 1972 is a leap year: 365 + 365 + 31 + 29 days
            ("1972-03-01T00:00:00Z", Some(790 * DAY)),
            // 30 years with 7 leap days
            ("2000-01-01T00:00:00Z", Some(10_957 * DAY)),
            ("1970-01-01T01:00:00.25+01:00", Some(250_000_000)),
            ("1970-01-01T00:00:00-00:30", Some(1_800_000_000_000)),
            ("1970-01-01", None),
            ("1970-13-01T00:00:00Z", None),
            ("1970-01-01T00:00:00", None),
            ("1970-01-01T0:00:00Z", None),
            ("1970-01-01T00:00:00.Z", None),
            ("soon", None),
        ] {
            assert_eq!(parse_instant_ns(text), expected, "{text}");
        }
    }
}
