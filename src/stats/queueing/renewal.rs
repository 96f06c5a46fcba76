//! GI/M/1: arrivals with independent gaps of any distribution, one exponential server.

use super::numeric::falling_root;
use super::{check_probability, check_queue, check_time, check_variability};

/// GI/M/1. Exact (Kleinrock, Queueing Systems I, 1975, 6.4): an arrival finds at least k customers with probability
/// sigma^k, where sigma is the root below 1 of sigma = A*((1 - sigma) / S) with A* the Laplace transform of the gaps
/// and S the mean service.
///
/// ```
/// use wavetank::stats::queueing::GiM1;
/// // With Poisson arrivals it is M/M/1, and sigma is the utilisation.
/// assert!((GiM1::poisson(0.8, 1.0).mean_wait() - 4.0).abs() < 1e-12);
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct GiM1 {
    mean_service: f64,
    /// 1 - sigma, which near capacity keeps digits that sigma has not; 0 without a steady state.
    idle: f64,
}

impl GiM1 {
    /// The queue whose gaps have the Laplace transform A*, given by `one_minus_transform`(s) = 1 - A*(s) = the mean of
    /// 1 - e^(-s gap) for s > 0, in a form that is accurate for small s.
    ///
    /// # Panics
    /// When an argument is out of range (see the conventions of [`queueing`](super)).
    pub fn with_transform(arrival_rate: f64, mean_service: f64, one_minus_transform: impl Fn(f64) -> f64) -> GiM1 {
        check_queue(arrival_rate, mean_service, 1);
        if arrival_rate * mean_service >= 1.0 {
            return GiM1 { mean_service, idle: 0.0 };
        }
        // The quotient falls from 1 / rho at 0, as transforms are convex, to A*'s complement at 1, which is below 1.
        let quotient = |idle: f64| one_minus_transform(idle / mean_service) / idle - 1.0;
        GiM1 { mean_service, idle: falling_root(0.0, 1.0, quotient) }
    }

    /// Poisson arrivals: M/M/1.
    ///
    /// # Panics
    /// When an argument is out of range (see the conventions of [`queueing`](super)).
    pub fn poisson(arrival_rate: f64, mean_service: f64) -> GiM1 {
        GiM1::gamma(arrival_rate, 1.0, mean_service)
    }

    /// Equal gaps: D/M/1, A*(s) = e^(-s / rate).
    ///
    /// # Panics
    /// When an argument is out of range (see the conventions of [`queueing`](super)).
    pub fn deterministic(arrival_rate: f64, mean_service: f64) -> GiM1 {
        GiM1::with_transform(arrival_rate, mean_service, |s| -libm::expm1(-s / arrival_rate))
    }

    /// Gaps of a gamma distribution with any positive `shape` (squared coefficient of variation 1 / shape), Erlang's
    /// when it is an integer: A*(s) = (1 + s / (shape rate))^-shape.
    ///
    /// # Panics
    /// When an argument is out of range (see the conventions of [`queueing`](super)), or the shape is not positive and
    /// finite.
    pub fn gamma(arrival_rate: f64, shape: f64, mean_service: f64) -> GiM1 {
        assert!(shape.is_finite() && shape > 0.0, "a shape of {shape}");
        let one_minus = |s: f64| -libm::expm1(-shape * libm::log1p(s / (shape * arrival_rate)));
        GiM1::with_transform(arrival_rate, mean_service, one_minus)
    }

    /// Gaps of two phases with balanced means, the usual model of bursty arrivals with a given squared coefficient of
    /// variation of at least 1: with probability p = (1 + sqrt((scv - 1) / (scv + 1))) / 2 a gap is exponential with
    /// rate 2 p rate, otherwise with rate 2 (1 - p) rate.
    ///
    /// # Panics
    /// When an argument is out of range (see the conventions of [`queueing`](super)), or the variability is below 1.
    pub fn hyperexponential(arrival_rate: f64, arrival_scv: f64, mean_service: f64) -> GiM1 {
        check_variability(arrival_scv);
        assert!(arrival_scv >= 1.0, "two exponential phases vary at least as much as one");
        let short = (1.0 + libm::sqrt((arrival_scv - 1.0) / (arrival_scv + 1.0))) / 2.0;
        let part = |share: f64, s: f64| share * s / (2.0 * share * arrival_rate + s);
        GiM1::with_transform(arrival_rate, mean_service, |s| part(short, s) + part(1.0 - short, s))
    }

    /// sigma: the probability that an arrival has to wait; 1 without a steady state.
    pub fn probability_of_waiting(&self) -> f64 {
        1.0 - self.idle
    }

    /// Mean wait: sigma S / (1 - sigma).
    pub fn mean_wait(&self) -> f64 {
        (1.0 - self.idle) * self.mean_sojourn()
    }

    /// Mean sojourn: S / (1 - sigma).
    pub fn mean_sojourn(&self) -> f64 {
        self.mean_service / self.idle
    }

    /// P(wait > `time`) = sigma exp(-(1 - sigma) time / S).
    ///
    /// # Panics
    /// When the time is negative or not finite.
    pub fn wait_tail(&self, time: f64) -> f64 {
        (1.0 - self.idle) * self.sojourn_tail(time)
    }

    /// The quantile of the wait; 0 up to the probability 1 - sigma of not waiting.
    ///
    /// # Panics
    /// When the probability is not within 0 to 1.
    pub fn wait_quantile(&self, probability: f64) -> f64 {
        check_probability(probability);
        let waiting = 1.0 - self.idle;
        if self.idle == 0.0 {
            f64::INFINITY
        } else if waiting <= 1.0 - probability {
            0.0
        } else {
            self.mean_sojourn() * libm::log(waiting / (1.0 - probability))
        }
    }

    /// P(sojourn > `time`) = exp(-(1 - sigma) time / S).
    ///
    /// # Panics
    /// When the time is negative or not finite.
    pub fn sojourn_tail(&self, time: f64) -> f64 {
        check_time(time);
        libm::exp(-self.idle * time / self.mean_service)
    }

    /// The quantile of the sojourn, which is exponential.
    ///
    /// # Panics
    /// When the probability is not within 0 to 1.
    pub fn sojourn_quantile(&self, probability: f64) -> f64 {
        check_probability(probability);
        if self.idle == 0.0 { f64::INFINITY } else { -self.mean_sojourn() * libm::log(1.0 - probability) }
    }
}

#[cfg(test)]
mod tests {
    use super::super::Mmc;
    use super::super::oracle::stationary;
    use super::*;

    fn close(found: f64, expected: f64, tolerance: f64) {
        assert!((found - expected).abs() <= tolerance * expected.abs(), "{found}, not {expected}");
    }

    #[test]
    fn poisson_arrivals_make_it_mm1() {
        for load in [0.01, 0.5, 0.9, 0.9999] {
            let (found, expected) = (GiM1::poisson(load / 2.0, 2.0), Mmc::new(load / 2.0, 2.0, 1));
            close(found.probability_of_waiting(), load, 1e-13);
            close(found.mean_wait(), expected.mean_wait(), 1e-11);
            close(found.mean_sojourn(), expected.mean_sojourn(), 1e-11);
            close(found.wait_tail(3.0), expected.wait_tail(3.0), 1e-12);
            close(found.sojourn_tail(3.0), expected.sojourn_tail(3.0), 1e-12);
            close(found.sojourn_quantile(0.99), expected.sojourn_quantile(0.99), 1e-11);
            assert!((found.wait_quantile(0.99) - expected.wait_quantile(0.99)).abs() < 1e-7);
            close(
                GiM1::hyperexponential(load, 1.0, 1.0).mean_sojourn(),
                GiM1::poisson(load, 1.0).mean_sojourn(),
                1e-11,
            );
        }
    }

    #[test]
    fn known_roots() {
        // D/M/1 at load 1 / 2: sigma = e^(-2 (1 - sigma)), 0.203188.
        close(GiM1::deterministic(0.5, 1.0).probability_of_waiting(), 0.203_188, 1e-5);
        // E2/M/1 at load 1 / 2: sigma (1 + (1 - sigma))^2 = 1, hence (sigma - 1) (sigma^2 - 3 sigma + 1) = 0.
        close(GiM1::gamma(0.5, 2.0, 1.0).probability_of_waiting(), (3.0 - 5f64.sqrt()) / 2.0, 1e-13);
        // A gamma distribution of large shape is nearly constant.
        let (gamma, constant) = (GiM1::gamma(0.8, 1e9, 1.0), GiM1::deterministic(0.8, 1.0));
        close(gamma.mean_wait(), constant.mean_wait(), 1e-7);
    }

    #[test]
    fn hyperexponential_arrivals_as_a_chain() {
        // States (number, phase of the gap under way): the number an arrival finds is weighted by the phase's rate.
        let (rate, scv, numbers) = (0.7, 4.0, 120usize);
        let short = (1.0 + f64::sqrt(3.0 / 5.0)) / 2.0;
        let shares = [short, 1.0 - short];
        let rates = shares.map(|share| 2.0 * share * rate);
        let mut moves = vec![vec![0.0; 2 * numbers]; 2 * numbers];
        for (from, row) in moves.iter_mut().enumerate() {
            let (number, phase) = (from / 2, from % 2);
            if number + 1 < numbers {
                row[2 * number + 2] += rates[phase] * shares[0];
                row[2 * number + 3] += rates[phase] * shares[1];
            }
            if number > 0 {
                row[from - 2] += 1.0;
            }
        }
        let chain = stationary(moves);
        let empty = (rates[0] * chain[0] + rates[1] * chain[1]) / rate;
        let queue = GiM1::hyperexponential(rate, scv, 1.0);
        close(queue.probability_of_waiting(), 1.0 - empty, 1e-6);
    }

    #[test]
    fn less_variable_arrivals_wait_less() {
        let waits = [
            GiM1::deterministic(0.8, 1.0),
            GiM1::gamma(0.8, 10.0, 1.0),
            GiM1::gamma(0.8, 2.0, 1.0),
            GiM1::poisson(0.8, 1.0),
            GiM1::gamma(0.8, 0.5, 1.0),
            GiM1::gamma(0.8, 0.1, 1.0),
        ]
        .map(|queue| queue.mean_wait());
        assert!(waits.is_sorted(), "{waits:?}");
    }

    #[test]
    fn without_a_steady_state_and_without_arrivals() {
        let full = GiM1::deterministic(1.0, 1.0);
        assert_eq!((full.mean_wait(), full.mean_sojourn()), (f64::INFINITY, f64::INFINITY));
        assert_eq!((full.wait_tail(9.0), full.sojourn_tail(9.0), full.probability_of_waiting()), (1.0, 1.0, 1.0));
        assert_eq!((full.wait_quantile(0.2), full.sojourn_quantile(0.2)), (f64::INFINITY, f64::INFINITY));
        for idle in [GiM1::poisson(0.0, 2.0), GiM1::deterministic(0.0, 2.0), GiM1::hyperexponential(0.0, 3.0, 2.0)] {
            assert!(idle.mean_wait() < 1e-15);
            close(idle.mean_sojourn(), 2.0, 1e-15);
        }
    }
}
