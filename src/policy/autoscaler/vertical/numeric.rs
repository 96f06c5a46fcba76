//! Floating-point functions whose last bit decides.
//!
//! A percentile falls into one bucket or the next by comparing sums of weights, and samples of one instant have equal
//! weights: ties are the rule, and the last bit of a weight breaks them. So these functions have the reductions,
//! polynomials and order of Go's `math` package on amd64 (release 1.26; fdlibm's coefficients), where the recommender runs, rather
//! than those of `libm`, which are as good and now and then differ by one unit in the last place.

const LN2_HIGH: f64 = 6.931_471_803_691_238e-1;
const LN2_LOW: f64 = 1.908_214_929_270_587_7e-10;

/// The natural logarithm of a normal number above 0.
pub(super) fn log(x: f64) -> f64 {
    // x = 2^exponent * (1 + f) with sqrt(1/2) <= 1 + f < sqrt(2).
    let (mut mantissa, mut exponent) = libm::frexp(x);
    if mantissa < std::f64::consts::FRAC_1_SQRT_2 {
        mantissa *= 2.0;
        exponent -= 1;
    }
    let (f, k) = (mantissa - 1.0, f64::from(exponent));
    let s = f / (2.0 + f);
    let (s2, s4) = (s * s, (s * s) * (s * s));
    let odd =
        [1.479_819_860_511_658_6e-1, 1.818_357_216_161_805e-1, 2.857_142_874_366_239e-1, 6.666_666_666_666_735e-1];
    let even = [1.531_383_769_920_937_3e-1, 2.222_219_843_214_978_4e-1, 3.999_999_999_940_942e-1];
    let remainder = s2 * horner(&odd, s4) + s4 * horner(&even, s4);
    let half_square = 0.5 * f * f;
    k * LN2_HIGH - ((half_square - (s * (half_square + remainder) + k * LN2_LOW)) - f)
}

/// 2 to the power of `x`, which lies between -1000 and 1000.
pub(super) fn exp2(x: f64) -> f64 {
    let k = if x > 0.0 { (x + 0.5) as i32 } else { (x - 0.5) as i32 };
    // e^(high - low) * 2^k
    let t = x - f64::from(k);
    let (high, low) = (t * LN2_HIGH, -t * LN2_LOW);
    let r = high - low;
    let square = r * r;
    let coefficients = [
        4.138_136_797_057_238_5e-8,
        -1.653_390_220_546_525_2e-6,
        6.613_756_321_437_934e-5,
        -2.777_777_777_701_559_3e-3,
        1.666_666_666_666_666_6e-1,
    ];
    let c = r - square * horner(&coefficients, square);
    libm::ldexp(1.0 - ((low - (r * c) / (2.0 - c)) - high), k)
}

/// `base`, which is above 0, to a whole power, by squaring.
pub(super) fn power(base: f64, exponent: i32) -> f64 {
    let (mut result, mut square, mut left) = (1.0, base, exponent.unsigned_abs());
    while left != 0 {
        if left & 1 == 1 {
            result *= square;
        }
        left >>= 1;
        if left != 0 {
            square *= square;
        }
    }
    if exponent < 0 { 1.0 / result } else { result }
}

/// A polynomial, the coefficient of the highest power first.
fn horner(coefficients: &[f64], x: f64) -> f64 {
    coefficients.iter().skip(1).fold(coefficients[0], |sum, coefficient| coefficient + x * sum)
}

/// `x` rounded to a whole number, halves up.
pub(super) fn round_half_up(x: f64) -> i64 {
    libm::floor(x + 0.5) as i64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn functions_agree_with_the_library_to_the_last_place_but_one() {
        for step in 1..20_000 {
            let x = f64::from(step) * 0.013;
            let near = |ours: f64, theirs: f64| (ours - theirs).abs() <= theirs.abs() * 2.3e-16;
            assert!(near(log(1.0 + x), libm::log(1.0 + x)), "log {x}");
            let exponent = x - 130.0;
            assert!(near(exp2(exponent), libm::exp2(exponent)), "exp2 {exponent}");
        }
    }

    #[test]
    fn powers_of_whole_exponents_are_products() {
        for (base, exponent, expected) in [
            (3.0, 0, 1.0),
            (3.0, 1, 3.0),
            (3.0, 5, 243.0),
            (2.0, -2, 0.25),
            (1.5, 3, 3.375),
            (2.0, 100, 2f64.powi(100)),
        ] {
            assert_eq!(power(base, exponent), expected, "{base}^{exponent}");
        }
    }

    #[test]
    fn halves_are_rounded_up() {
        for (x, expected) in [(0.5, 1), (0.49, 0), (-0.5, 0), (-0.51, -1), (2.5, 3), (-1.5, -1)] {
            assert_eq!(round_half_up(x), expected, "{x}");
        }
    }
}
