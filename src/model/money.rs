//! Money as whole numbers, so that parts sum to their total.
//!
//! The unit is a billionth of a US dollar: prices by the hour have up to ten decimals, and what a second of a small machine
//! costs has to be told from nothing. [`split`] hands an amount out without losing or making any.

use std::fmt;
use std::iter::Sum;
use std::ops::{Add, AddAssign, Neg, Sub};

use crate::units::SimDuration;

/// Billionths in a dollar.
const NANO: i128 = 1_000_000_000;
/// Nanoseconds in an hour.
const HOUR_NS: i128 = 3_600_000_000_000;

/// An amount of money, or a price by the hour, in billionths of a US dollar; negative for what is given back.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Money(pub i128);

impl Money {
    /// Nothing.
    pub const ZERO: Money = Money(0);

    /// An amount of dollars, rounded to the nearest billionth.
    pub fn from_dollars(dollars: f64) -> Money {
        Money((dollars * NANO as f64).round() as i128)
    }

    /// The amount in dollars, for tables and charts.
    pub fn as_dollars(self) -> f64 {
        self.0 as f64 / NANO as f64
    }

    /// The amount that a decimal number of dollars writes, such as `0.0384`; finer than a billionth is rounded.
    ///
    /// None: the text is no such number, is negative, or is a billion dollars or more.
    pub fn parse(text: &str) -> Option<Money> {
        let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
        let is_digits = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit());
        if whole.is_empty() || whole.len() > 9 || !is_digits(whole) || !is_digits(fraction) {
            return None;
        }
        let padded = format!("{fraction:0<10}");
        let tenths: i128 = padded[..10].parse().ok()?;
        Some(Money(whole.parse::<i128>().ok()? * NANO + (tenths + 5) / 10))
    }

    /// What a span costs at this price by the hour, rounded to the nearest billionth, half away from zero.
    pub fn for_span(self, span: SimDuration) -> Money {
        Money(divide_nearest(self.0 * i128::from(span.0), HOUR_NS))
    }

    /// This amount times `parts` out of `whole`, rounded to the nearest billionth.
    ///
    /// # Panics
    /// When `whole` is 0.
    pub fn portion(self, parts: u64, whole: u64) -> Money {
        Money(divide_nearest(self.0 * i128::from(parts), i128::from(whole)))
    }

    /// This amount so many times.
    pub fn times(self, count: u64) -> Money {
        Money(self.0 * i128::from(count))
    }

    /// Whole cents, rounded to the nearest, half away from zero.
    pub fn cents(self) -> i64 {
        divide_nearest(self.0, NANO / 100) as i64
    }
}

/// `value / divisor` rounded to the nearest whole number, half away from zero; `divisor` is positive.
fn divide_nearest(value: i128, divisor: i128) -> i128 {
    let half = divisor / 2;
    (if value < 0 { value - half } else { value + half }) / divisor
}

impl Add for Money {
    type Output = Money;
    fn add(self, other: Money) -> Money {
        Money(self.0 + other.0)
    }
}

impl Sub for Money {
    type Output = Money;
    fn sub(self, other: Money) -> Money {
        Money(self.0 - other.0)
    }
}

impl Neg for Money {
    type Output = Money;
    fn neg(self) -> Money {
        Money(-self.0)
    }
}

impl AddAssign for Money {
    fn add_assign(&mut self, other: Money) {
        self.0 += other.0;
    }
}

impl Sum for Money {
    fn sum<I: Iterator<Item = Money>>(amounts: I) -> Money {
        amounts.fold(Money::ZERO, Add::add)
    }
}

impl fmt::Display for Money {
    /// Dollars with at least two decimals, and as many more as are needed.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sign = if self.0 < 0 { "-" } else { "" };
        let (whole, nanos) = (self.0.abs() / NANO, self.0.abs() % NANO);
        let decimals = format!("{nanos:09}");
        let (cents, rest) = decimals.split_at(2);
        write!(f, "{sign}{whole}.{cents}{}", rest.trim_end_matches('0'))
    }
}

/// Hands `total` out by weights: each part is the exact share rounded down, and what is left over goes, a billionth each, to
/// the largest remainders, and among equals to the first (Hamilton's method of largest remainders). The parts sum to the
/// total exactly. Weights that are all 0 give the whole to the last part.
///
/// # Panics
/// When there is no weight, or `total` is 9.2 billion dollars or more.
pub fn split(total: Money, weights: &[u128]) -> Vec<Money> {
    assert!(!weights.is_empty(), "nobody to hand {total} to");
    assert!(total.0.unsigned_abs() < 1 << 63, "{total} is more money than can be handed out");
    let scaled = within_64_bits(weights);
    let sum: u128 = scaled.iter().sum();
    let (amount, sign) = (total.0.unsigned_abs(), if total.0 < 0 { -1 } else { 1 });
    if sum == 0 {
        let mut parts = vec![Money::ZERO; weights.len()];
        parts[weights.len() - 1] = total;
        return parts;
    }
    let mut parts: Vec<u128> = scaled.iter().map(|weight| amount * weight / sum).collect();
    let left = (amount - parts.iter().sum::<u128>()) as usize;
    let mut order: Vec<usize> = (0..weights.len()).collect();
    order.sort_by_key(|&at| (std::cmp::Reverse(amount * scaled[at] % sum), at));
    for &at in &order[..left] {
        parts[at] += 1;
    }
    parts.into_iter().map(|part| Money(sign * part as i128)).collect()
}

/// The same weights, with as many of their lowest bits cut off as bring their sum within 64 bits.
fn within_64_bits(weights: &[u128]) -> Vec<u128> {
    let largest = weights.iter().copied().max().unwrap_or(0);
    let bits = 128 - largest.leading_zeros() + (usize::BITS - weights.len().leading_zeros());
    let cut = bits.saturating_sub(64);
    weights.iter().map(|weight| weight >> cut).collect()
}

/// Amounts in whole cents that sum to the cents of their sum: by [`split`]'s rule, so that a bill that is printed adds up.
pub fn whole_cents(amounts: &[Money]) -> Vec<i64> {
    let target = amounts.iter().copied().sum::<Money>().cents();
    let cent = NANO / 100;
    let mut cents: Vec<i64> = amounts.iter().map(|amount| amount.0.div_euclid(cent) as i64).collect();
    let mut order: Vec<usize> = (0..amounts.len()).collect();
    order.sort_by_key(|&at| (std::cmp::Reverse(amounts[at].0.rem_euclid(cent)), at));
    // Each was rounded down, so what is missing is at most one for each.
    let missing = (target - cents.iter().sum::<i64>()) as usize;
    for &at in &order[..missing] {
        cents[at] += 1;
    }
    cents
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn prices_are_read_exactly() {
        for (text, nanos) in [
            ("0", 0),
            ("1", 1_000_000_000),
            ("0.0384", 38_400_000),
            ("21.957642", 21_957_642_000),
            // 8376427.5 billionths, half up
            ("0.0083764275", 8_376_428),
            ("0.00000000049", 0),
        ] {
            assert_eq!(Money::parse(text), Some(Money(nanos)), "{text}");
        }
        for text in ["", ".", ".5", "-1", "1e3", "1,5", "NaN", "1000000000", "$1", " 1"] {
            assert_eq!(Money::parse(text), None, "{text}");
        }
    }

    #[test]
    fn spans_cost_their_part_of_an_hour() {
        let second = 1_000_000_000;
        for (price, span_s, nanos) in [
            ("0.096", 3600, 96_000_000),
            // 0.096 / 60
            ("0.096", 60, 1_600_000),
            // 0.096 / 3600 = 26666.67 billionths
            ("0.096", 1, 26_667),
            ("0", 1000, 0),
        ] {
            let cost = Money::parse(price).unwrap().for_span(SimDuration(span_s * second));
            assert_eq!(cost, Money(nanos), "{price} for {span_s} s");
        }
    }

    #[test]
    fn amounts_are_handed_out_by_largest_remainders() {
        for (total, weights, parts) in [
            // 33 1/3 each, the one left over goes to the first
            (100, vec![1, 1, 1], vec![34, 33, 33]),
            // 16.67, 33.33, 50: the one left over goes to the largest remainder
            (100, vec![1, 2, 3], vec![17, 33, 50]),
            (7, vec![0, 0], vec![0, 7]),
            (-100, vec![1, 2, 3], vec![-17, -33, -50]),
            (5, vec![u128::MAX, u128::MAX], vec![3, 2]),
        ] {
            let expected: Vec<Money> = parts.into_iter().map(Money).collect();
            assert_eq!(split(Money(total), &weights), expected, "{total} by {weights:?}");
        }
    }

    #[test]
    fn printed_cents_add_up() {
        // 0.333.. three times is 1.00: 0.34, 0.33, 0.33.
        let third = Money(333_333_333);
        assert_eq!(whole_cents(&[third, third, Money(333_333_334)]), [33, 33, 34]);
        assert_eq!(whole_cents(&[Money(-4_000_000), Money(9_000_000)]), [0, 1]);
        assert_eq!(whole_cents(&[]), [0i64; 0]);
    }

    #[test]
    fn money_prints_without_loss() {
        for (nanos, text) in [(0, "0.00"), (38_400_000, "0.0384"), (-1_500_000_000, "-1.50"), (1, "0.000000001")] {
            assert_eq!(Money(nanos).to_string(), text);
        }
    }

    proptest! {
        #[test]
        fn parts_sum_to_the_total(total in -(1i128 << 60)..(1i128 << 60),
                                  weights in prop::collection::vec(any::<u128>(), 1..20)) {
            let parts = split(Money(total), &weights);
            prop_assert_eq!(parts.iter().copied().sum::<Money>(), Money(total));
            let cents = whole_cents(&parts);
            prop_assert_eq!(cents.iter().sum::<i64>(), Money(total).cents());
        }
    }
}
