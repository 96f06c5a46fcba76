//! Instants as Kubernetes writes them (RFC 3339).

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

/// Numbers of fixed width between separators.
fn numbers<const N: usize>(text: &str, separator: char, widths: [usize; N]) -> Option<[i64; N]> {
    let mut numbers = [0; N];
    let mut parts = text.split(separator);
    for (number, width) in numbers.iter_mut().zip(widths) {
        let part = parts.next().filter(|part| part.len() == width && part.bytes().all(|byte| byte.is_ascii_digit()))?;
        *number = part.parse().ok()?;
    }
    parts.next().is_none().then_some(numbers)
}

/// Days from 1970-01-01 in the Gregorian calendar. Years are counted from March, so that the leap day is their last.
fn days_since_1970(year: i64, month: i64, day: i64) -> i64 {
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
