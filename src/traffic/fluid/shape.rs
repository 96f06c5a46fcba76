//! Distributions of spans as quasi-random points.
//!
//! A distribution is 1024 values of equal probability. A round takes 64 of them, one from each of 64 equal strata, in an
//! order that differs from component to component (Latin hypercube sampling: McKay, Beckman and Conover 1979), so that
//! adding two columns point by point is a convolution, the greater of two is the maximum, and means add up exactly.

use crate::model::Dist;
use crate::rng::{Seed, Stream};

/// Points of one round.
pub(super) const POINTS: usize = 64;
/// Rounds until every value of a table has been taken.
pub(super) const ROUNDS: usize = 16;
/// Values of a table.
const CELLS: usize = POINTS * ROUNDS;
/// Draws behind each value.
const DRAWS: usize = 16;
/// Orders of the strata.
const ORDERS: usize = 256;

/// One latency a point.
pub(super) type Points = [f64; POINTS];

/// A distribution of spans, in seconds.
#[derive(Clone, Debug)]
pub(super) struct Shape {
    pub mean: f64,
    pub variance: f64,
    /// The least span, about.
    pub floor: f64,
    /// Means of parts of equal probability, ascending; empty: always the mean.
    table: Vec<f64>,
}

impl Shape {
    /// From draws, which have been given the right mean. Moments that are infinite are those of the draws.
    pub(super) fn new(dist: &Dist, mut stream: Stream) -> Shape {
        if let Dist::Constant(span) = dist {
            let mean = span.as_seconds();
            return Shape { mean, variance: 0.0, floor: mean, table: Vec::new() };
        }
        let mut draws: Vec<f64> = (0..CELLS * DRAWS).map(|_| dist.sample(&mut stream).as_seconds()).collect();
        draws.sort_by(f64::total_cmp);
        let drawn = draws.iter().sum::<f64>() / draws.len() as f64;
        let square = draws.iter().map(|x| x * x).sum::<f64>() / draws.len() as f64;
        let (mean, second) = (dist.mean_seconds(), dist.second_moment());
        let mean = if mean.is_finite() { mean } else { drawn };
        let second = if second.is_finite() { second } else { square };
        let scale = if drawn > 0.0 { mean / drawn } else { 1.0 };
        let table: Vec<f64> = draws.chunks(DRAWS).map(|part| scale * part.iter().sum::<f64>() / DRAWS as f64).collect();
        Shape { mean, variance: (second - mean * mean).max(0.0), floor: table[0], table }
    }

    /// The value of a cell.
    #[inline]
    pub(super) fn at(&self, cell: usize) -> f64 {
        if self.table.is_empty() { self.mean } else { self.table[cell] }
    }
}

/// The order in which each component goes through its strata.
#[derive(Clone, Debug)]
pub(super) struct Columns {
    orders: Vec<[u8; POINTS]>,
    /// Means of the parts of the exponential distribution with mean 1.
    exponential: Vec<f64>,
}

impl Columns {
    pub(super) fn new(seed: Seed) -> Columns {
        let mut stream = seed.stream("traffic/fluid/columns", 0);
        let order = |_| {
            let mut order: [u8; POINTS] = std::array::from_fn(|at| at as u8);
            stream.shuffle(&mut order);
            order
        };
        // The integral of -ln(1 - u) from 0 to u is u + (1 - u) ln(1 - u).
        let integral = |cell: usize| {
            let left = 1.0 - cell as f64 / CELLS as f64;
            1.0 - left + if left > 0.0 { left * libm::log(left) } else { 0.0 }
        };
        let exponential = (0..CELLS).map(|cell| (integral(cell + 1) - integral(cell)) * CELLS as f64).collect();
        Columns { orders: (0..ORDERS).map(order).collect(), exponential }
    }

    /// Which value a component takes at a point of a round.
    #[inline]
    pub(super) fn cell(&self, column: usize, round: usize, point: usize) -> usize {
        let stratum = self.orders[(column + 37 * round) % ORDERS][point];
        // Within the strata the rounds go back and forth, so that a few of them are spread, too.
        usize::from(stratum) * ROUNDS + (round * 7 + column) % ROUNDS
    }

    /// The same as a probability.
    #[inline]
    pub(super) fn unit(&self, column: usize, round: usize, point: usize) -> f64 {
        (self.cell(column, round, point) as f64 + 0.5) / CELLS as f64
    }

    /// Which point of another column meets a point.
    #[inline]
    pub(super) fn other(&self, column: usize, round: usize, point: usize) -> usize {
        usize::from(self.orders[(column + 37 * round) % ORDERS][point])
    }

    /// Adds a delay that is met with that chance, is `mean` on average then, and deviates by `spread` times that: up to 1 a
    /// constant and something exponential, beyond that a Weibull distribution. The mean of the column is exact.
    pub(super) fn add_delay(&self, into: &mut Points, column: usize, round: usize, delay: Drawn) {
        let Drawn { chance, mean, spread, is_bounded } = delay;
        if chance <= 0.0 || mean <= 0.0 {
            return;
        }
        let mut drawn = [0.0; POINTS];
        for (point, value) in drawn.iter_mut().enumerate() {
            let unit = self.unit(column, round, point) - (1.0 - chance);
            if unit <= 0.0 {
                continue;
            }
            let part = unit / chance;
            let exponential = || self.exponential[((part * CELLS as f64) as usize).min(CELLS - 1)];
            *value = if is_bounded {
                (1.0 + spread * 3f64.sqrt() * (2.0 * part - 1.0)).max(0.0)
            } else if spread <= 1.0 {
                1.0 - spread + spread * exponential()
            } else {
                libm::pow(exponential(), spread)
            };
        }
        let sum: f64 = drawn.iter().sum();
        if sum > 0.0 {
            let scale = chance * mean * POINTS as f64 / sum;
            into.iter_mut().zip(&drawn).for_each(|(total, value)| *total += scale * value);
        }
    }
}

/// A delay as it is drawn.
#[derive(Clone, Copy, Debug)]
pub(super) struct Drawn {
    pub chance: f64,
    pub mean: f64,
    pub spread: f64,
    pub is_bounded: bool,
}

/// P(X > `time`) for a gamma distribution from `floor` on with that mean and variance, by the cube root of Wilson and Hilferty
/// (1931): within 0.002 for shapes from 0.5 on.
pub(super) fn tail(mean: f64, variance: f64, floor: f64, time: f64) -> f64 {
    gamma_tail(mean, variance, floor, time, 0.0)
}

/// The mean of what is below `time`, by the same fit.
pub(super) fn mean_below(mean: f64, variance: f64, floor: f64, time: f64) -> f64 {
    let below = 1.0 - tail(mean, variance, floor, time);
    if below < 1e-9 {
        return time.min(mean);
    }
    // The density of a gamma times x is that of a gamma with one more in its shape, times the mean.
    let weighted = 1.0 - gamma_tail(mean, variance, floor, time, 1.0);
    (floor.min(mean) + (mean - floor).max(0.0) * weighted / below).min(time)
}

fn gamma_tail(mean: f64, variance: f64, floor: f64, time: f64, more: f64) -> f64 {
    let body = mean - floor;
    if time <= floor {
        return 1.0;
    }
    if body <= 1e-12 || variance <= 1e-9 * body * body {
        return if time < mean { 1.0 } else { 0.0 };
    }
    let beyond = time - mean;
    if beyond > 0.0 && beyond * beyond > 625.0 * variance {
        return 0.0;
    }
    let plain = (body * body / variance).max(0.1);
    let shape = plain + more;
    let at = (time - floor) / body * plain / shape;
    let z = (libm::cbrt(at) - (1.0 - 1.0 / (9.0 * shape))) * 3.0 * shape.sqrt();
    0.5 * libm::erfc(z * std::f64::consts::FRAC_1_SQRT_2)
}
