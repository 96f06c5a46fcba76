//! Quantities with their units in the type, so that two of them cannot be swapped unnoticed.
//!
//! Time is a `u64` of nanoseconds (584 years), CPU a `u64` of milli-cores, memory a `u64` of bytes. Parsing follows the
//! habits of the field: Kubernetes quantities (`500m`, `1Gi`) and durations (`90s`, `1h30m`). Nothing is rounded
//! silently: a quantity that the unit cannot hold is an error.

use std::fmt;
use std::ops::{Add, AddAssign, Sub, SubAssign};

macro_rules! quantity {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(pub u64);

        impl Add for $name {
            type Output = Self;
            fn add(self, other: Self) -> Self {
                Self(self.0 + other.0)
            }
        }
        impl Sub for $name {
            type Output = Self;
            /// # Panics
            /// When the result would be negative: in the simulation that is a bug.
            fn sub(self, other: Self) -> Self {
                Self(self.0.checked_sub(other.0).expect("a quantity would become negative"))
            }
        }
        impl AddAssign for $name {
            fn add_assign(&mut self, other: Self) {
                *self = *self + other;
            }
        }
        impl SubAssign for $name {
            fn sub_assign(&mut self, other: Self) {
                *self = *self - other;
            }
        }
    };
}

quantity!(
    /// CPU in thousandths of a core.
    MilliCpu
);
quantity!(
    /// Memory or storage in bytes.
    Bytes
);
quantity!(
    /// GPU share in thousandths of one device; 2500 is two and a half devices.
    MilliGpu
);
quantity!(
    /// A span of simulated time in nanoseconds.
    SimDuration
);

/// An instant of simulated time: nanoseconds since the start of the run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SimTime(pub u64);

impl SimTime {
    /// The start of the run.
    pub const ZERO: SimTime = SimTime(0);
    /// Later than every instant a run can reach; stands for "has not happened".
    pub const NEVER: SimTime = SimTime(u64::MAX);

    /// Seconds since the start of the run.
    pub fn as_seconds(self) -> f64 {
        self.0 as f64 / 1e9
    }

    /// The span since `earlier`.
    ///
    /// # Panics
    /// When `earlier` is later than `self`.
    pub fn since(self, earlier: SimTime) -> SimDuration {
        SimDuration(self.0.checked_sub(earlier.0).expect("time moved back"))
    }

    /// The instant `span` later; saturates at [`SimTime::NEVER`].
    pub fn after(self, span: SimDuration) -> SimTime {
        SimTime(self.0.saturating_add(span.0))
    }
}

impl SimDuration {
    /// No time at all.
    pub const ZERO: SimDuration = SimDuration(0);

    /// A span from seconds, rounded to the nearest nanosecond. Negative values and NaN give zero, values beyond the
    /// range the largest span.
    ///
    /// It costs a few operations: `f64::round` would be a call of a function on machines that are not known to round by
    /// themselves, and latencies are made of seconds by the hundred million.
    #[inline]
    pub fn from_seconds(seconds: f64) -> SimDuration {
        let span_ns = seconds * 1e9;
        let whole_ns = span_ns as u64;
        let is_nearer_to_next = span_ns - whole_ns as f64 >= 0.5;
        SimDuration(whole_ns.saturating_add(u64::from(is_nearer_to_next)))
    }

    /// The span in seconds.
    pub fn as_seconds(self) -> f64 {
        self.0 as f64 / 1e9
    }
}

/// Money in US dollars. Only reported, never compared for equality.
#[derive(Clone, Copy, Debug, Default, PartialEq, PartialOrd)]
pub struct Dollars(pub f64);

/// Why a quantity or duration was refused, in words for the user.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct QuantityError(pub String);

fn refuse<T>(text: &str, why: &str) -> Result<T, QuantityError> {
    Err(QuantityError(format!("`{text}` {why}")))
}

/// A Kubernetes quantity in thousandths of its base unit, rounded up as Kubernetes does.
///
/// Grammar and suffixes: apimachinery `pkg/api/resource/quantity.go`: `n u m`, none, `k M G T P E`,
/// `Ki Mi Gi Ti Pi Ei`, or a decimal exponent `e3` / `E3`. Negative quantities are refused: no resource here can be.
///
/// # Errors
/// When the text is no quantity, is negative, or exceeds 2^63 - 1 base units.
///
/// ```
/// use wavetank::units::parse_quantity_milli;
/// assert_eq!(parse_quantity_milli("500m"), Ok(500));
/// assert_eq!(parse_quantity_milli("1Ki"), Ok(1_024_000));
/// ```
pub fn parse_quantity_milli(text: &str) -> Result<u128, QuantityError> {
    parse_quantity(text, 1000)
}

/// The same in billionths of the base unit, the finest that Kubernetes keeps.
///
/// # Errors
/// See [`parse_quantity_milli`].
///
/// ```
/// use wavetank::units::parse_quantity_nano;
/// assert_eq!(parse_quantity_nano("0.05"), Ok(50_000_000));
/// ```
pub fn parse_quantity_nano(text: &str) -> Result<u128, QuantityError> {
    parse_quantity(text, 1_000_000_000)
}

/// A quantity in so many parts of its base unit.
fn parse_quantity(text: &str, parts: u128) -> Result<u128, QuantityError> {
    let digits_end = text.bytes().position(|b| !matches!(b, b'0'..=b'9' | b'.' | b'+' | b'-')).unwrap_or(text.len());
    let (number, suffix) = text.split_at(digits_end);
    if number.starts_with('-') {
        return refuse(text, "is negative");
    }
    let number = number.strip_prefix('+').unwrap_or(number);
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    if (whole.is_empty() && fraction.is_empty()) || !whole.bytes().chain(fraction.bytes()).all(|b| b.is_ascii_digit()) {
        return refuse(text, "is not a quantity such as 500m, 2 or 1Gi");
    }
    if whole.len() + fraction.len() > 30 {
        return refuse(text, "has more digits than a quantity can hold");
    }
    let Some((numerator, denominator)) = suffix_scale(suffix) else {
        return refuse(text, "has an unknown unit; units are m, k, M, G, T, P, E and Ki, Mi, Gi, Ti, Pi, Ei");
    };
    let digits: u128 = format!("{whole}{fraction}").parse().unwrap_or(0);
    let denominator = denominator * 10u128.pow(fraction.len() as u32);
    let too_large = || QuantityError(format!("`{text}` is larger than a quantity can be (2^63 - 1)"));
    let scaled = digits.checked_mul(numerator).and_then(|n| n.checked_mul(parts)).ok_or_else(too_large)?;
    let rounded_up = scaled.div_ceil(denominator);
    if rounded_up > (i64::MAX as u128) * parts { Err(too_large()) } else { Ok(rounded_up) }
}

/// The factor of a quantity suffix as numerator and denominator.
fn suffix_scale(suffix: &str) -> Option<(u128, u128)> {
    Some(match suffix {
        "n" => (1, 1_000_000_000),
        "u" => (1, 1_000_000),
        "m" => (1, 1000),
        "" => (1, 1),
        "k" => (1000, 1),
        "M" => (1_000_000, 1),
        "G" => (1_000_000_000, 1),
        "T" => (10u128.pow(12), 1),
        "P" => (10u128.pow(15), 1),
        "E" => (10u128.pow(18), 1),
        "Ki" => (1 << 10, 1),
        "Mi" => (1 << 20, 1),
        "Gi" => (1 << 30, 1),
        "Ti" => (1 << 40, 1),
        "Pi" => (1 << 50, 1),
        "Ei" => (1 << 60, 1),
        _ => {
            let exponent: i32 = suffix.strip_prefix(['e', 'E'])?.parse().ok()?;
            match exponent {
                0..=18 => (10u128.pow(exponent as u32), 1),
                -18..=-1 => (1, 10u128.pow(exponent.unsigned_abs())),
                _ => return None,
            }
        }
    })
}

impl MilliCpu {
    /// CPU from a Kubernetes quantity; finer than a milli-core is rounded up.
    ///
    /// # Errors
    /// See [`parse_quantity_milli`].
    pub fn parse(text: &str) -> Result<MilliCpu, QuantityError> {
        let milli = parse_quantity_milli(text)?;
        u64::try_from(milli)
            .map(MilliCpu)
            .map_err(|_| QuantityError(format!("`{text}` is more CPU than can be counted")))
    }

    /// CPU in cores.
    pub fn as_cores(self) -> f64 {
        self.0 as f64 / 1e3
    }
}

impl Bytes {
    /// Bytes (or any countable resource) from a Kubernetes quantity; fractions are rounded up.
    ///
    /// # Errors
    /// See [`parse_quantity_milli`].
    pub fn parse(text: &str) -> Result<Bytes, QuantityError> {
        Ok(Bytes(parse_quantity_milli(text)?.div_ceil(1000) as u64))
    }
}

impl SimDuration {
    /// A duration such as `250ms`, `90s`, `1h30m`, `2d`. Units: `ns us ms s m h d`; a bare `0` is allowed.
    ///
    /// # Errors
    /// When the text is no duration, has no unit, is negative or exceeds 292 years.
    ///
    /// ```
    /// use wavetank::units::SimDuration;
    /// assert_eq!(SimDuration::parse("1m30s"), Ok(SimDuration(90_000_000_000)));
    /// ```
    pub fn parse(text: &str) -> Result<SimDuration, QuantityError> {
        if text == "0" {
            return Ok(SimDuration::ZERO);
        }
        if text.starts_with('-') {
            return refuse(text, "is negative");
        }
        let mut rest = text;
        let mut total_ns = 0u128;
        while !rest.is_empty() {
            let number_end = rest.bytes().position(|b| !b.is_ascii_digit() && b != b'.').unwrap_or(rest.len());
            let unit_end = rest[number_end..].bytes().position(|b| b.is_ascii_digit() || b == b'.');
            let unit_end = unit_end.map_or(rest.len(), |length| number_end + length);
            let (number, unit) = (&rest[..number_end], &rest[number_end..unit_end]);
            let unit_ns: u128 = match unit {
                "ns" => 1,
                "us" => 1_000,
                "ms" => 1_000_000,
                "s" => 1_000_000_000,
                "m" => 60_000_000_000,
                "h" => 3_600_000_000_000,
                "d" => 86_400_000_000_000,
                "" => return refuse(text, "has no unit; write 90s, 5m or 2h"),
                _ => return refuse(text, "has an unknown unit; units are ns, us, ms, s, m, h, d"),
            };
            let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
            let digits = format!("{whole}{fraction}");
            if digits.is_empty() || digits.len() > 20 || !digits.bytes().all(|b| b.is_ascii_digit()) {
                return refuse(text, "is not a duration such as 90s, 5m or 1h30m");
            }
            let digits: u128 = digits.parse().unwrap_or(0);
            total_ns += digits * unit_ns / 10u128.pow(fraction.len() as u32);
            rest = &rest[unit_end..];
        }
        if text.is_empty() {
            return refuse(text, "is not a duration such as 90s, 5m or 1h30m");
        }
        if total_ns > i64::MAX as u128 {
            refuse(text, "is longer than 292 years")
        } else {
            Ok(SimDuration(total_ns as u64))
        }
    }
}

/// A rate per second such as `100/s`, `1.5k/s`, `5/min`, `2/h`, `86M/d`. Units: `s min m h d`, after a number with `k`, `M`
/// or `G` or none; a bare `0` is allowed.
///
/// # Errors
/// When the text is no such rate, is negative or has no unit.
///
/// ```
/// use wavetank::units::parse_rate;
/// assert_eq!(parse_rate("30/min"), Ok(0.5));
/// ```
pub fn parse_rate(text: &str) -> Result<f64, QuantityError> {
    const EXAMPLES: &str = "is not a rate such as 100/s, 5/min or 2/h";
    if text == "0" {
        return Ok(0.0);
    }
    if text.starts_with('-') {
        return refuse(text, "is negative");
    }
    let Some((count, unit)) = text.split_once('/') else {
        let is_number = text.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.') && !text.is_empty();
        return refuse(text, if is_number { "has no unit; write 100/s, 5/min or 2/h" } else { EXAMPLES });
    };
    let seconds = match unit {
        "s" => 1.0,
        "min" | "m" => 60.0,
        "h" => 3600.0,
        "d" => 86_400.0,
        _ => return refuse(text, "has an unknown unit; units are s, min, h, d"),
    };
    let (number, factor) = match count.as_bytes().last() {
        Some(b'k') => (&count[..count.len() - 1], 1e3),
        Some(b'M') => (&count[..count.len() - 1], 1e6),
        Some(b'G') => (&count[..count.len() - 1], 1e9),
        _ => (count, 1.0),
    };
    let is_plain = number.len() <= 30 && number.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.');
    match number.parse::<f64>() {
        Ok(number) if is_plain => Ok(number * factor / seconds),
        _ => refuse(text, EXAMPLES),
    }
}

impl fmt::Display for SimTime {
    /// Seconds, with as many decimals as are needed.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        SimDuration(self.0).fmt(f)
    }
}

impl fmt::Display for SimDuration {
    /// Seconds, with as many decimals as are needed.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (seconds, nanos) = (self.0 / 1_000_000_000, self.0 % 1_000_000_000);
        if nanos == 0 {
            return write!(f, "{seconds}");
        }
        let decimals = format!("{nanos:09}");
        write!(f, "{seconds}.{}", decimals.trim_end_matches('0'))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seconds_are_rounded_to_nanoseconds() {
        let same = |seconds: f64| {
            let rounded = SimDuration((seconds * 1e9).round() as u64);
            assert_eq!(SimDuration::from_seconds(seconds), rounded, "{seconds:?}");
        };
        for seconds in [0.0, -0.0, -1.0, -1e-9, 1e-300, 1.0, 1.8e10, 1e300, f64::INFINITY, -f64::INFINITY, f64::NAN] {
            same(seconds);
        }
        // Halves and their neighbours, where whole numbers of nanoseconds are dense and where they are not.
        for bits in 0..66 {
            for quarters in 0..64 {
                let seconds = ((1u128 << bits) as f64 + f64::from(quarters) / 4.0) / 1e9;
                [seconds.next_down(), seconds, seconds.next_up()].into_iter().for_each(same);
            }
        }
        // Words of all kinds, a golden section apart.
        (0..100_000u64).for_each(|turn| same(f64::from_bits(turn.wrapping_mul(0x9e37_79b9_7f4a_7c15))));
    }

    #[test]
    fn quantities_follow_kubernetes() {
        for (text, milli) in [
            ("0", 0),
            ("1", 1000),
            ("0.5", 500),
            (".5", 500),
            ("1500m", 1500),
            ("1k", 1_000_000),
            ("1Ki", 1_024_000),
            ("1.5Gi", 1_610_612_736_000),
            ("1e3", 1_000_000),
            ("1E3", 1_000_000),
            ("1n", 1), // 0.000001 milli, rounded up
        ] {
            assert_eq!(parse_quantity_milli(text), Ok(milli), "{text}");
        }
    }

    #[test]
    fn wrong_quantities_are_refused() {
        for text in ["", "-1", "1GB", "abc", "1..2", "1 Gi", "NaN", "inf", "9223372036854775808", "16Ei", "1e99", "--1"]
        {
            assert!(parse_quantity_milli(text).is_err(), "{text}");
        }
    }

    #[test]
    fn durations_follow_the_habits_of_the_field() {
        let second = 1_000_000_000;
        for (text, ns) in [
            ("0", 0),
            ("90s", 90 * second),
            ("1h30m", 5400 * second),
            ("1.5s", 1_500_000_000),
            ("250ms", 250_000_000),
            ("2d", 172_800 * second),
            ("200us", 200_000),
            ("50ns", 50),
            ("1.5us", 1_500),
            ("1ms500us", 1_500_000),
        ] {
            assert_eq!(SimDuration::parse(text), Ok(SimDuration(ns)), "{text}");
        }
        for text in ["", "5", "-5s", "5 s", "5min", "s", "1.2.3s", "9999999999h", "NaNs"] {
            assert!(SimDuration::parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn rates_are_per_second() {
        for (text, per_second) in [
            ("0", 0.0),
            ("100/s", 100.0),
            ("0.5/s", 0.5),
            ("30/min", 0.5),
            ("30/m", 0.5),
            ("7200/h", 2.0),
            ("1.5k/s", 1500.0),
            ("8.64M/d", 100.0),
            ("1G/s", 1e9),
        ] {
            assert_eq!(parse_rate(text), Ok(per_second), "{text}");
        }
        for text in
            ["", "5", "-5/s", "/s", "5/", "5/y", "5 /s", "5kk/s", "1e3/s", "NaN/s", "inf/s", ".", "./s", "1/s/s"]
        {
            assert!(parse_rate(text).is_err(), "{text}");
        }
    }

    #[test]
    fn times_print_without_loss() {
        assert_eq!(SimTime(1_500_000_000).to_string(), "1.5");
        assert_eq!(SimTime(2_000_000_000).to_string(), "2");
        assert_eq!(SimTime(1).to_string(), "0.000000001");
    }
}
