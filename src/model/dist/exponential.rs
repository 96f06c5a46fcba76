//! The exponential function in whole nanoseconds: what lognormal spans are rounded to, without most of what it costs.
//!
//! What is drawn must be the same everywhere, and is what `libm` says, rounded. Of the digits that `libm` works out rounding leaves a
//! few; so exp(x) is first worked out in a way that is off by a known bound and has no branch that depends on `x`: as 2^(n / 64), from
//! a table, times a polynomial of the rest. Where all numbers within the bound are rounded alike, that is the answer, and `libm` is
//! asked elsewhere, once in thousands of draws (Ziv 1991, "Fast Evaluation of Elementary Mathematical Functions with Correctly
//! Rounded Last Bit", ACM TOMS 17:3, has the test).
//!
//! The bound: the table is off by 3 parts of 2^53, the polynomial's first missing term is 4e-17, sums and products round four times;
//! `libm` is off by less than 2 parts of 2^53, and rounds twice more until nanoseconds. Together that is less than 16 parts of 2^53, and
//! 64 are allowed for.

use std::f64::consts::LN_2;

/// Parts of a doubling, a power of two.
const PARTS: usize = 64;
/// Beyond this `libm` is asked.
const RANGE: f64 = 16.0;
/// The part by which neither way is off, by far.
const ERROR: f64 = 64.0 / 9_007_199_254_740_992.0;
/// Added to a number it leaves its nearest whole number in the lowest bits: 1.5 * 2^52.
const SHIFTER: f64 = 6_755_399_441_055_744.0;
/// ln(2) / 64 in two numbers. The first has 33 bits, so that its product with a whole number up to 2^20 is exact.
const STEP_HIGH: f64 = f64::from_bits(LN_2.to_bits() >> 20 << 20) / PARTS as f64;
/// What is beyond the digits of [`LN_2`] is 2.319e-17.
const STEP_LOW: f64 = (LN_2 - f64::from_bits(LN_2.to_bits() >> 20 << 20) + 2.319_046_813_846_299_6e-17) / PARTS as f64;
/// 10^9 * 2^(j / 64).
static POWERS: [f64; PARTS] = powers();

const fn powers() -> [f64; PARTS] {
    let mut powers = [1e9; PARTS];
    let mut part = 1;
    while part < PARTS {
        let x = part as f64 * (LN_2 / PARTS as f64);
        // The series of exp(x) from its end: what is added last is the largest.
        let (mut sum, mut n) = (1.0, 24.0);
        while n > 0.0 {
            sum = 1.0 + sum * x / n;
            n -= 1.0;
        }
        powers[part] = sum * 1e9;
        part += 1;
    }
    powers
}

/// exp(x) seconds to the nearest nanosecond, as `libm` has it.
#[inline]
pub(super) fn exp_ns(x: f64) -> u64 {
    if x.abs() < RANGE {
        let shifted = x * (PARTS as f64 / LN_2) + SHIFTER;
        let (steps, bits) = (shifted - SHIFTER, shifted.to_bits());
        let rest = x - steps * STEP_HIGH - steps * STEP_LOW;
        let square = rest * rest;
        let polynomial = rest + square * ((0.5 + rest * (1.0 / 6.0)) + square * (1.0 / 24.0 + rest * (1.0 / 120.0)));
        // Whole doublings go into the exponent; a negative number of them wraps around.
        let power = POWERS[bits as usize % PARTS];
        let power = f64::from_bits(power.to_bits().wrapping_add(bits >> 6 << 52));
        let nearest = power + power * polynomial + 0.5;
        let (low, high) = ((nearest * (1.0 - ERROR)) as i64, (nearest * (1.0 + ERROR)) as i64);
        if low == high {
            return low as u64;
        }
    }
    exp_ns_of_libm(x)
}

#[cold]
#[inline(never)]
fn exp_ns_of_libm(x: f64) -> u64 {
    (libm::exp(x) * 1e9 + 0.5) as u64
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rng::Stream;

    #[test]
    fn nanoseconds_are_those_of_libm() {
        let mut stream = Stream::of_word(1);
        let near = [0.0, -0.0, LN_2, LN_2 / 64.0, LN_2 / 128.0, 1.0, RANGE, 700.0, f64::INFINITY, 1e-300, 1e300];
        let near = near.iter().flat_map(|x| [*x, -x]).flat_map(|x| [x, x.next_up(), x.next_down()]).chain([f64::NAN]);
        let drawn = (0..2_000_000).map(|turn| (stream.unit() - 0.5) * if turn % 2 == 0 { 80.0 } else { 12.0 });
        for x in near.chain(drawn.collect::<Vec<f64>>()) {
            assert_eq!(exp_ns(x), exp_ns_of_libm(x), "{x:?}");
        }
    }

    #[test]
    fn nanoseconds_are_right_where_rounding_is_close() {
        // Logarithms of whole numbers and a half, and their neighbours.
        let mut stream = Stream::of_word(2);
        for _ in 0..200_000 {
            let nanoseconds = (stream.bits() >> (16 + stream.below(46))) as f64 + 0.5;
            let x = libm::log(nanoseconds * 1e-9);
            for x in [x, x.next_up(), x.next_down()] {
                assert_eq!(exp_ns(x), exp_ns_of_libm(x), "{x:?}");
            }
        }
    }

    #[test]
    fn powers_are_off_by_less_than_the_bound_says() {
        for (part, power) in POWERS.iter().enumerate() {
            let exact = 1e9 * libm::exp2(part as f64 / PARTS as f64);
            assert!((power / exact - 1.0).abs() < 8.0 / 9_007_199_254_740_992.0, "{part}");
        }
    }
}
