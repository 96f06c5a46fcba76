//! Exponential and normal numbers by the ziggurat method (Marsaglia and Tsang 2000, "The Ziggurat Method for Generating Random
//! Variables", Journal of Statistical Software 5:8): the area below the density is covered by 256 layers of equal area, and a
//! uniform point in a layer is nearly always below the density without further ado.
//!
//! The layer is drawn from the lowest 8 of 64 bits and the place in it from the highest 53, so that they are independent,
//! which they were not at first (Doornik 2005, "An Improved Ziggurat Method to Generate Normal Random Samples").
//!
//! The tables are worked out by the compiler with additions, multiplications and divisions alone, which are the same
//! everywhere; whatever they are off by moves borders of layers, and not the distribution.

use super::Stream;

const LAYERS: usize = 256;

/// Right borders of the layers from the base layer on, whose border is where a rectangle of the area of a layer would end,
/// and the density there; the last border is 0.
struct Tables {
    borders: [f64; LAYERS + 1],
    densities: [f64; LAYERS + 1],
}

/// Where the tail of the exponential density begins, and the area of each layer (Marsaglia and Tsang 2000).
const EXPONENTIAL_TAIL: f64 = 7.697_117_470_131_05;
const EXPONENTIAL_AREA: f64 = 0.003_949_659_822_581_557;
/// The same of exp(-x^2 / 2).
const NORMAL_TAIL: f64 = 3.654_152_885_361_009;
const NORMAL_AREA: f64 = 0.004_928_673_233_974_655;

static EXPONENTIAL: Tables = tables(EXPONENTIAL_TAIL, EXPONENTIAL_AREA, false);
static NORMAL: Tables = tables(NORMAL_TAIL, NORMAL_AREA, true);

/// The tables of exp(-x), or of exp(-x^2 / 2).
const fn tables(tail: f64, area: f64, is_square: bool) -> Tables {
    let mut tables = Tables { borders: [0.0; LAYERS + 1], densities: [1.0; LAYERS + 1] };
    let mut border = tail;
    let mut layer = 1;
    while layer < LAYERS {
        let density = if is_square { exp(-border * border / 2.0) } else { exp(-border) };
        tables.borders[layer] = border;
        tables.densities[layer] = density;
        if layer == 1 {
            tables.borders[0] = area / density;
            tables.densities[0] = 0.0;
        }
        let logarithm = ln(area / border + density);
        border = if is_square { sqrt(-2.0 * logarithm) } else { -logarithm };
        layer += 1;
    }
    tables
}

/// exp(x) for -64 to 0, by the series of exp(x / 64), squared six times.
const fn exp(x: f64) -> f64 {
    let (mut sum, mut term, mut n) = (1.0, 1.0, 1.0);
    while n < 30.0 {
        term *= x / 64.0 / n;
        sum += term;
        n += 1.0;
    }
    let mut doublings = 0;
    while doublings < 6 {
        sum *= sum;
        doublings += 1;
    }
    sum
}

/// ln(x) for x of the order of 1, by Newton's method on exp.
const fn ln(x: f64) -> f64 {
    let (mut y, mut round) = (-1.0, 0);
    while round < 60 {
        let e = exp(y);
        y += 2.0 * (x - e) / (x + e);
        round += 1;
    }
    y
}

/// The root of a positive number of the order of 1, by Newton's method.
const fn sqrt(x: f64) -> f64 {
    let (mut y, mut round) = (1.0, 0);
    while round < 60 {
        y = (y + x / y) / 2.0;
        round += 1;
    }
    y
}

/// The layer that 64 bits mean, and the place in it from 0 to 1.
#[inline]
fn place(bits: u64) -> (usize, f64) {
    ((bits & 0xff) as usize, (bits >> 11) as f64 * (1.0 / 9_007_199_254_740_992.0))
}

/// An exponential number with mean 1.
#[inline]
pub(super) fn exponential(stream: &mut Stream) -> f64 {
    let (layer, part) = place(stream.bits());
    let x = part * EXPONENTIAL.borders[layer];
    if x < EXPONENTIAL.borders[layer + 1] { x } else { exponential_at_edge(stream, layer, x) }
}

#[cold]
#[inline(never)]
fn exponential_at_edge(stream: &mut Stream, mut layer: usize, mut x: f64) -> f64 {
    loop {
        if x < EXPONENTIAL.borders[layer + 1] {
            return x;
        }
        if layer == 0 {
            // What is left of an exponential is one again.
            return EXPONENTIAL_TAIL - libm::log(1.0 - stream.unit());
        }
        if is_below(&EXPONENTIAL, layer, stream.unit(), libm::exp(-x)) {
            return x;
        }
        let part;
        (layer, part) = place(stream.bits());
        x = part * EXPONENTIAL.borders[layer];
    }
}

/// A standard normal number.
#[inline]
pub(super) fn normal(stream: &mut Stream) -> f64 {
    let (layer, part) = place(stream.bits());
    let x = (2.0 * part - 1.0) * NORMAL.borders[layer];
    if x.abs() < NORMAL.borders[layer + 1] { x } else { normal_at_edge(stream, layer, x) }
}

#[cold]
#[inline(never)]
fn normal_at_edge(stream: &mut Stream, mut layer: usize, mut x: f64) -> f64 {
    loop {
        if x.abs() < NORMAL.borders[layer + 1] {
            return x;
        }
        if layer == 0 {
            return normal_tail(stream, x < 0.0);
        }
        if is_below(&NORMAL, layer, stream.unit(), libm::exp(-x * x / 2.0)) {
            return x;
        }
        let part;
        (layer, part) = place(stream.bits());
        x = (2.0 * part - 1.0) * NORMAL.borders[layer];
    }
}

/// A normal number beyond the base layer (Marsaglia 1964, "Generating a Variable from the Tail of the Normal Distribution").
fn normal_tail(stream: &mut Stream, is_negative: bool) -> f64 {
    loop {
        let beyond = -libm::log(1.0 - stream.unit()) / NORMAL_TAIL;
        let height = -libm::log(1.0 - stream.unit());
        if 2.0 * height > beyond * beyond {
            return if is_negative { -NORMAL_TAIL - beyond } else { NORMAL_TAIL + beyond };
        }
    }
}

/// Whether a point at that part of the height of a layer is below the density.
fn is_below(tables: &Tables, layer: usize, part: f64, density: f64) -> bool {
    let (low, high) = (tables.densities[layer], tables.densities[layer + 1]);
    low + (high - low) * part < density
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn layers_have_equal_areas() {
        for (tables, area) in [(&EXPONENTIAL, EXPONENTIAL_AREA), (&NORMAL, NORMAL_AREA)] {
            for layer in 1..LAYERS {
                let found = tables.borders[layer] * (tables.densities[layer + 1] - tables.densities[layer]);
                assert!((found / area - 1.0).abs() < 1e-9, "{layer}: {found}");
                assert!(tables.borders[layer + 1] < tables.borders[layer]);
            }
            // The base layer: a rectangle, and the tail.
            assert!((tables.borders[0] * tables.densities[1] - area).abs() < 1e-15);
        }
        // Rectangle and tail, exp(-r), are the area, too.
        let base = (EXPONENTIAL_TAIL + 1.0) * libm::exp(-EXPONENTIAL_TAIL);
        assert!((base / EXPONENTIAL_AREA - 1.0).abs() < 1e-9, "{base}");
    }

    /// Counts draws up to each bound, which are off by less than five standard deviations.
    fn check(draws: &[f64], distribution: &dyn Fn(f64) -> f64, bounds: impl Iterator<Item = f64>) {
        for bound in bounds {
            let (n, expected) = (draws.len() as f64, distribution(bound));
            let found = draws.iter().filter(|&&draw| draw <= bound).count() as f64 / n;
            let deviation = (expected * (1.0 - expected) / n).sqrt();
            assert!((found - expected).abs() < 5.0 * deviation + 1e-12, "{bound}: {found} instead of {expected}");
        }
    }

    #[test]
    fn draws_have_their_distribution() {
        let mut stream = Stream::of_word(1);
        let draws: Vec<f64> = (0..400_000).map(|_| exponential(&mut stream)).collect();
        // Up to 11, which is in the tail: exp(-11) of 400 000 are 7.
        check(&draws, &|x| -libm::expm1(-x), (1..=44).map(|step| f64::from(step) * 0.25));
        assert!(draws.iter().all(|&draw| draw >= 0.0));
        let mut stream = Stream::of_word(2);
        let draws: Vec<f64> = (0..400_000).map(|_| normal(&mut stream)).collect();
        let distribution = |x: f64| 0.5 * libm::erfc(-x * std::f64::consts::FRAC_1_SQRT_2);
        check(&draws, &distribution, (-16..=16).map(|step| f64::from(step) * 0.25));
    }

    #[test]
    fn draws_are_the_same_everywhere() {
        // As drawn when this was written: what the compiler works out must not depend on where it runs.
        let mut stream = Stream::of_word(3);
        let drawn = [0, 1, 2, 3].map(|turn| if turn % 2 == 0 { exponential(&mut stream) } else { normal(&mut stream) });
        let borders = EXPONENTIAL.borders.iter().chain(&NORMAL.borders);
        let hash = borders.fold(0u64, |hash, border| hash.rotate_left(7) ^ border.to_bits());
        let expected = [
            4_595_260_669_141_435_385,
            4_604_405_150_751_577_645,
            4_607_780_916_244_673_974,
            4_609_243_685_656_889_206,
        ];
        assert_eq!((drawn.map(f64::to_bits), hash), (expected, 9_652_774_500_436_454_460));
    }
}
