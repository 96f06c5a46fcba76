//! Values as Compose writes them: numbers and truth values may be text, sizes are powers of 1024, durations have units.

use std::ops::RangeInclusive;

use super::super::read::Notes;
use crate::document::{Code, Node as Tree};
use crate::units::{SimDuration, parse_quantity_milli};

/// Nanoseconds of a second.
const SECOND_NS: u64 = 1_000_000_000;

impl Notes {
    /// A whole number within a range, which may be written as text; none where it is absent or wrong.
    pub(super) fn whole(&mut self, tree: Option<&Tree>, field: &str, range: RangeInclusive<i64>) -> Option<i64> {
        let tree = tree.filter(|tree| !tree.is_null())?;
        let number = tree.as_int().or_else(|| tree.as_text().and_then(|text| text.trim().parse().ok()));
        let Some(number) = number else {
            let message = format!("`{field}` must be a whole number, not {}", tree.type_name());
            self.refuse(Code::WrongType, tree.span, message);
            return None;
        };
        if !range.contains(&number) {
            let message = format!("`{field}` must be from {} to {}, not {number}", range.start(), range.end());
            self.refuse(Code::OutOfRange, tree.span, message);
            return None;
        }
        Some(number)
    }

    /// A truth value, which may be written as text; absent is false.
    pub(super) fn flag(&mut self, tree: Option<&Tree>, field: &str) -> bool {
        match tree.and_then(Tree::as_text) {
            Some("true") => true,
            Some("false") => false,
            _ => self.truth(tree, field),
        }
    }

    /// Milli-cores of a number of cores, rounded up; 0, which stands for nothing, gives none.
    pub(super) fn milli_cores(&mut self, tree: Option<&Tree>, field: &str) -> Option<u64> {
        let tree = tree.filter(|tree| !tree.is_null())?;
        let is_decimal = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.');
        let milli =
            tree.scalar_text().filter(|text| is_decimal(text)).and_then(|text| parse_quantity_milli(&text).ok());
        let Some(milli) = milli.and_then(|milli| u64::try_from(milli).ok()) else {
            let message = format!("`{field}` must be a number of cores such as 0.5");
            self.refuse(Code::BadQuantity, tree.span, message);
            return None;
        };
        (milli > 0).then_some(milli)
    }

    /// Bytes; 0, which stands for nothing, gives none.
    pub(super) fn size(&mut self, tree: Option<&Tree>, field: &str) -> Option<u64> {
        let tree = tree.filter(|tree| !tree.is_null())?;
        let Some(size) = tree.scalar_text().and_then(|text| parse_size(&text)) else {
            let message = format!("`{field}` must be a size such as 512m or 2gb");
            let hint = "units are b, k, m, g, t, each with a `b` after it or not, and are powers of 1024";
            self.refuse_with_hint(Code::BadQuantity, tree.span, message, hint);
            return None;
        };
        (size > 0).then_some(size)
    }

    /// Whole seconds of a duration, rounded up.
    pub(super) fn seconds(&mut self, tree: Option<&Tree>, field: &str) -> Option<i64> {
        let tree = tree.filter(|tree| !tree.is_null())?;
        let duration = match tree.scalar_text().map(|text| SimDuration::parse(text.trim())) {
            Some(Ok(duration)) => duration,
            Some(Err(error)) => {
                self.refuse(Code::BadQuantity, tree.span, format!("`{field}`: {error}"));
                return None;
            }
            None => {
                let message = format!("`{field}` must be a duration such as 1m30s, not {}", tree.type_name());
                self.refuse(Code::BadQuantity, tree.span, message);
                return None;
            }
        };
        // Kubernetes has 32 bits for seconds: 68 years.
        let seconds = i64::try_from(duration.0.div_ceil(SECOND_NS)).unwrap_or(i64::MAX);
        if seconds > i64::from(i32::MAX) {
            self.refuse(Code::OutOfRange, tree.span, format!("`{field}` is longer than 68 years"));
            return None;
        }
        Some(seconds)
    }
}

/// Bytes of a text such as `512m`, `1.5gb` or `1048576`, rounded down as Docker does (`units.RAMInBytes`).
fn parse_size(text: &str) -> Option<u64> {
    let text = text.trim().to_ascii_lowercase();
    let end = text.bytes().position(|byte| !byte.is_ascii_digit() && byte != b'.').unwrap_or(text.len());
    let (number, unit) = text.split_at(end);
    let unit = unit.trim_start();
    let unit = unit.strip_suffix('b').unwrap_or(unit);
    let unit = unit.strip_suffix('i').filter(|unit| !unit.is_empty()).unwrap_or(unit);
    let shift = match unit {
        "" => 0,
        "k" => 10,
        "m" => 20,
        "g" => 30,
        "t" => 40,
        "p" => 50,
        _ => return None,
    };
    let number_of = |digits: &str| digits.parse::<u128>().ok();
    let (whole, fraction) = number.split_once('.').unwrap_or((number, "0"));
    let whole = number_of(whole).filter(|_| whole.len() <= 18)?;
    let digits = number_of(fraction).filter(|_| fraction.len() <= 18)?;
    let of_fraction = (digits << shift) / 10u128.pow(u32::try_from(fraction.len()).ok()?);
    u64::try_from((whole << shift) + of_fraction).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_powers_of_1024() {
        const KIB: u64 = 1024;
        for (text, expected) in [
            ("1048576", Some(KIB * KIB)),
            ("0", Some(0)),
            ("300b", Some(300)),
            ("64k", Some(64 * KIB)),
            ("64kb", Some(64 * KIB)),
            ("512M", Some(512 * KIB * KIB)),
            ("512 MiB", Some(512 * KIB * KIB)),
            ("2gb", Some(2 * KIB * KIB * KIB)),
            // 1.5 * 1024 MiB
            ("1.5g", Some(1536 * KIB * KIB)),
            // 0.1 * 1024 = 102.4
            ("0.1k", Some(102)),
            ("1t", Some(KIB * KIB * KIB * KIB)),
            ("", None),
            ("m", None),
            ("1i", None),
            ("1.g", None),
            ("1.2.3g", None),
            ("-1", None),
            ("5x", None),
            ("1e3", None),
            ("99999999999999999p", None),
        ] {
            assert_eq!(parse_size(text), expected, "{text}");
        }
    }
}
