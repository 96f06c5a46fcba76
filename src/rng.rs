//! Named random streams: the only maker of generators.
//!
//! A stream is a function of (seed, replication, name, entity) and of nothing else, so adding a node, a policy or a
//! mechanism never shifts the draws of another. The hash is FNV-1a finished by SplitMix64, both fixed here for good;
//! the generator is xoshiro256++ (Blackman and Vigna 2019, "Scrambled Linear Pseudorandom Number Generators"). Floating-point
//! functions come from `libm`, so the same bytes leave every platform.
//!
//! The generator stands here, though crates have it, because requests begin a stream for each draw: through bytes and checks for
//! seeds of zeros that takes a fifth of a request's time. Tests hold it against the crate's.
//!
//! Requests draw many numbers, and logarithms would be a third of their cost. For them there are the same distributions by
//! the ziggurat method ([`Stream::fast_exponential`], [`Stream::fast_normal`]), whose tables are worked out when the program is
//! built.

mod ziggurat;

/// What distinguishes the random streams of one run from those of another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Seed {
    /// The scenario's seed.
    pub base: u64,
    /// The replication within an experiment, from 0.
    pub replication: u32,
}

impl Seed {
    /// The stream `name` of entity `entity` (0 where there is one entity only).
    pub fn stream(self, name: &str, entity: u64) -> Stream {
        let mut hash = 0xcbf2_9ce4_8422_2325u64;
        let parts = [self.base.to_le_bytes(), u64::from(self.replication).to_le_bytes(), entity.to_le_bytes()];
        for byte in parts.iter().flatten().chain(name.as_bytes()) {
            hash = (hash ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3);
        }
        Stream::of_word(split_mix(hash))
    }
}

/// The finaliser of SplitMix64 (Steele, Lea and Flood 2014): spreads every input bit over the whole word.
#[inline]
pub fn split_mix(value: u64) -> u64 {
    let z = value.wrapping_add(SPACING);
    let z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

/// Distance between the successive states of SplitMix64.
const SPACING: u64 = 0x9e37_79b9_7f4a_7c15;

/// One stream of random numbers.
#[derive(Clone, Debug)]
pub struct Stream {
    /// Never all zeros.
    state: [u64; 4],
}

impl Stream {
    /// The stream that belongs to a word, such as the seed that a request carries.
    #[inline]
    pub fn of_word(word: u64) -> Stream {
        // At most one of four different words is spread to zero.
        Stream { state: std::array::from_fn(|turn| split_mix(word.wrapping_add((turn as u64).wrapping_mul(SPACING)))) }
    }

    /// 64 random bits.
    #[inline]
    pub fn bits(&mut self) -> u64 {
        let [a, b, c, d] = self.state;
        let bits = a.wrapping_add(d).rotate_left(23).wrapping_add(a);
        let (c, d) = (c ^ a, d ^ b);
        self.state = [a ^ d, b ^ c, c ^ (b << 17), d.rotate_left(45)];
        bits
    }

    /// A uniform number in [0, 1), a multiple of 2^-53.
    #[inline]
    pub fn unit(&mut self) -> f64 {
        (self.bits() >> 11) as f64 * (1.0 / 9_007_199_254_740_992.0)
    }

    /// A uniform integer in `0..bound`, without bias (Lemire 2019).
    ///
    /// # Panics
    /// When `bound` is 0.
    #[inline]
    pub fn below(&mut self, bound: u64) -> u64 {
        assert!(bound > 0, "cannot draw from an empty range");
        let threshold = bound.wrapping_neg() % bound;
        loop {
            let product = u128::from(self.bits()) * u128::from(bound);
            if product as u64 >= threshold {
                return (product >> 64) as u64;
            }
        }
    }

    /// An exponential number with mean 1, by inversion.
    #[inline]
    pub fn exponential(&mut self) -> f64 {
        -libm::log(1.0 - self.unit())
    }

    /// A standard normal number (Box and Muller 1958; the second of each pair is not kept, so that every call draws
    /// the same count of numbers).
    pub fn normal(&mut self) -> f64 {
        let radius = libm::sqrt(2.0 * self.exponential());
        radius * libm::cos(std::f64::consts::TAU * self.unit())
    }

    /// A gamma number with the given shape (above 0) and scale 1, so with mean and variance `shape`: by squeezed
    /// rejection from a normal number (Marsaglia and Tsang 2000, "A Simple Method for Generating Gamma Variables", ACM
    /// TOMS 26:3), and below shape 1 by the power of a uniform number that they give in section 6.
    pub fn gamma(&mut self, shape: f64) -> f64 {
        if shape < 1.0 {
            let boost = libm::pow(1.0 - self.unit(), 1.0 / shape);
            return boost * self.gamma(shape + 1.0);
        }
        let d = shape - 1.0 / 3.0;
        let c = 1.0 / libm::sqrt(9.0 * d);
        loop {
            let x = self.normal();
            let root = 1.0 + c * x;
            if root <= 0.0 {
                continue;
            }
            let (v, u) = (root * root * root, 1.0 - self.unit());
            let is_within = u < 1.0 - 0.0331 * x * x * x * x;
            if is_within || libm::log(u) < 0.5 * x * x + d * (1.0 - v + libm::log(v)) {
                return d * v;
            }
        }
    }

    /// An exponential number with mean 1, by the ziggurat method: other draws than [`Stream::exponential`] has, in a third of
    /// its time.
    #[inline]
    pub fn fast_exponential(&mut self) -> f64 {
        ziggurat::exponential(self)
    }

    /// A standard normal number, by the ziggurat method: other draws than [`Stream::normal`] has, in a fraction of its time.
    #[inline]
    pub fn fast_normal(&mut self) -> f64 {
        ziggurat::normal(self)
    }

    /// Puts `items` into a uniformly random order (Fisher and Yates, from the end).
    pub fn shuffle<T>(&mut self, items: &mut [T]) {
        for i in (1..items.len()).rev() {
            let j = self.below(i as u64 + 1) as usize;
            items.swap(i, j);
        }
    }
}

#[cfg(test)]
mod tests {
    use rand_core::{Rng, SeedableRng};
    use rand_xoshiro::Xoshiro256PlusPlus;

    use super::*;

    const SEED: Seed = Seed { base: 42, replication: 0 };

    #[test]
    fn streams_depend_on_each_part_of_their_name() {
        let first = |seed: Seed, name: &str, entity| seed.stream(name, entity).bits();
        let base = first(SEED, "arrival", 0);
        assert_eq!(base, first(SEED, "arrival", 0));
        assert_ne!(base, first(SEED, "service", 0));
        assert_ne!(base, first(SEED, "arrival", 1));
        assert_ne!(base, first(Seed { replication: 1, ..SEED }, "arrival", 0));
        assert_ne!(base, first(Seed { base: 43, ..SEED }, "arrival", 0));
    }

    #[test]
    fn a_word_seeds_a_stream_as_the_generator_would() {
        for word in [0, 1, u64::MAX, 0x0123_4567_89ab_cdef] {
            let (mut own, mut theirs) = (Stream::of_word(word), Xoshiro256PlusPlus::seed_from_u64(word));
            assert!((0..10).all(|_| own.bits() == theirs.next_u64()), "{word}");
        }
    }

    #[test]
    fn draws_stay_in_range_and_have_their_mean() {
        let mut stream = SEED.stream("test", 0);
        let n = 100_000;
        let mean = |draw: &mut dyn FnMut() -> f64| (0..n).map(|_| draw()).sum::<f64>() / f64::from(n);
        // Standard errors: 0.289, 1 and 1 over sqrt(100 000); the bounds are five of them.
        assert!((mean(&mut || stream.unit()) - 0.5).abs() < 0.005);
        let mut stream = SEED.stream("test", 1);
        assert!((mean(&mut || stream.exponential()) - 1.0).abs() < 0.016);
        let mut stream = SEED.stream("test", 2);
        assert!(mean(&mut || stream.normal()).abs() < 0.016);
        let mut stream = SEED.stream("test", 3);
        assert!((0..1000).all(|_| stream.below(7) < 7));
    }

    #[test]
    fn gamma_numbers_have_their_moments() {
        for (entity, shape) in [0.3, 1.0, 2.5, 30.0].into_iter().enumerate() {
            let mut stream = SEED.stream("gamma", entity as u64);
            let n = 100_000;
            let draws: Vec<f64> = (0..n).map(|_| stream.gamma(shape)).collect();
            let mean = draws.iter().sum::<f64>() / f64::from(n);
            let variance = draws.iter().map(|x| (x - shape) * (x - shape)).sum::<f64>() / f64::from(n);
            // Mean and variance are the shape k. The fourth central moment is 3 k^2 + 6 k, so the squared distances vary by
            // 2 k^2 + 6 k. The bounds are five standard errors.
            let bound = |variance: f64| 5.0 * (variance / f64::from(n)).sqrt();
            assert!((mean - shape).abs() < bound(shape), "{shape}: {mean}");
            assert!((variance - shape).abs() < bound(2.0 * shape * shape + 6.0 * shape), "{shape}: {variance}");
        }
    }

    #[test]
    fn gamma_of_shape_one_is_exponential() {
        // P(X <= 1) = 1 - 1/e = 0.6321; deviation sqrt(0.6321 * 0.3679 / 100 000) = 0.00153, five of them 0.0077.
        let mut stream = SEED.stream("gamma", 9);
        let below = (0..100_000).filter(|_| stream.gamma(1.0) <= 1.0).count();
        assert!((below as f64 / 1e5 - 0.632_12).abs() < 0.0077, "{below}");
    }

    #[test]
    fn shuffles_are_permutations() {
        let mut items: Vec<u32> = (0..100).collect();
        SEED.stream("shuffle", 0).shuffle(&mut items);
        assert_ne!(items, (0..100).collect::<Vec<_>>());
        items.sort_unstable();
        assert_eq!(items, (0..100).collect::<Vec<_>>());
    }
}
