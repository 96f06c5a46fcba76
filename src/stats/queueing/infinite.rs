//! M/G/infinity: as many servers as customers, so nobody waits.

use super::numeric::{poisson, poisson_at_least};
use super::{check_probability, check_queue};

/// M/G/infinity (and M/M/infinity): the number in the system is Poisson with the offered load as its mean, whatever the
/// distribution of the service times (Takacs, Introduction to the Theory of Queues, 1962). Stable at any load.
///
/// ```
/// use wavetank::stats::queueing::InfiniteServer;
/// // 10 starts a minute that take 30 seconds each: 5 at a time, none with probability e^-5.
/// let starting = InfiniteServer::new(10.0, 0.5);
/// assert!((starting.number_probability(0) - (-5f64).exp()).abs() < 1e-15);
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct InfiniteServer {
    load: f64,
}

impl InfiniteServer {
    /// The system with these arrivals and this mean service.
    ///
    /// # Panics
    /// When an argument is out of range (see the conventions of [`queueing`](super)).
    pub fn new(arrival_rate: f64, mean_service: f64) -> InfiniteServer {
        check_queue(arrival_rate, mean_service, 1);
        InfiniteServer { load: arrival_rate * mean_service }
    }

    /// The mean number in the system, which is its variance too.
    pub fn mean_number(&self) -> f64 {
        self.load
    }

    /// The probability that `number` are in the system.
    pub fn number_probability(&self, number: u64) -> f64 {
        poisson(self.load, number)
    }

    /// The probability that at least `number` are in the system.
    pub fn number_at_least(&self, number: u64) -> f64 {
        poisson_at_least(self.load, number)
    }

    /// The least number that is not exceeded with at least this probability; the largest integer at probability 1.
    ///
    /// # Panics
    /// When the probability is not within 0 to 1.
    pub fn number_quantile(&self, probability: f64) -> u64 {
        check_probability(probability);
        let beyond = 1.0 - probability;
        if beyond <= 0.0 {
            return u64::MAX;
        }
        let enough = |number: u64| poisson_at_least(self.load, number + 1) <= beyond;
        let (mut low, mut high) = (0u64, 1u64);
        while !enough(high) {
            (low, high) = (high, high * 2);
        }
        // `high` is enough; everything below `low` is not.
        while low < high {
            let middle = low + (high - low) / 2;
            if enough(middle) {
                high = middle;
            } else {
                low = middle + 1;
            }
        }
        high
    }
}

#[cfg(test)]
mod tests {
    use super::super::Mmc;
    use super::*;

    #[test]
    fn many_servers_are_like_infinitely_many() {
        let (many, infinite) = (Mmc::new(6.0, 2.0, 200), InfiniteServer::new(6.0, 2.0));
        for number in [0, 5, 12, 30] {
            let expected = infinite.number_probability(number);
            assert!((many.number_probability(number) - expected).abs() < 1e-13 * expected, "{number}");
        }
    }

    #[test]
    fn quantiles_are_the_least_numbers_that_suffice() {
        // Load 1: P(0) = 0.3679, P(<= 1) = 0.7358, P(<= 2) = 0.9197, P(<= 3) = 0.9810, P(<= 4) = 0.9963.
        let system = InfiniteServer::new(1.0, 1.0);
        for (probability, expected) in
            [(0.0, 0), (0.36, 0), (0.37, 1), (0.73, 1), (0.74, 2), (0.99, 4), (1.0, u64::MAX)]
        {
            assert_eq!(system.number_quantile(probability), expected, "{probability}");
        }
        // A large load is nearly normal: 10^6 + 2.326348 * 10^3 + (2.326348^2 - 1) / 6 = 1002327.08, rounded up or
        // down.
        let quantile = InfiniteServer::new(1e6, 1.0).number_quantile(0.99);
        assert!((1_002_326..=1_002_328).contains(&quantile), "{quantile}");
        assert_eq!(InfiniteServer::new(0.0, 1.0).number_quantile(0.999), 0);
    }
}
