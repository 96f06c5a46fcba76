//! M/M/c, and with one server M/M/1.

use super::erlang::{erlang_b, next_erlang_b, waiting_from_blocking};
use super::numeric::{poisson, poisson_at_least, tail_quantile};
use super::{check_probability, check_queue, check_time};

/// M/M/c: Poisson arrivals, exponential service times, one queue before `servers` equal servers. With one server it is
/// M/M/1. Exact (Kleinrock, Queueing Systems I, 1975, 3.5; Gross and Harris, Fundamentals of Queueing Theory, 1998).
///
/// ```
/// use wavetank::stats::queueing::Mmc;
/// // M/M/1 at 80 %: a sojourn takes 1 / (1 - 0.8) = 5 mean services, the wait is one less.
/// let queue = Mmc::new(0.8, 1.0, 1);
/// assert!((queue.mean_sojourn() - 5.0).abs() < 1e-12);
/// assert!((queue.mean_wait() - 4.0).abs() < 1e-12);
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Mmc {
    arrival_rate: f64,
    mean_service: f64,
    servers: u32,
    blocking: f64,
}

impl Mmc {
    /// The queue with these arrivals and servers. Takes O(`servers`); everything asked of it later takes O(1), except
    /// sojourn quantiles, which search for a root.
    ///
    /// # Panics
    /// When an argument is out of range (see the conventions of [`queueing`](super)).
    pub fn new(arrival_rate: f64, mean_service: f64, servers: u32) -> Mmc {
        check_queue(arrival_rate, mean_service, servers);
        Mmc { arrival_rate, mean_service, servers, blocking: erlang_b(arrival_rate * mean_service, servers) }
    }

    /// The smallest such queue that `acceptable` agrees to, from one server up to `most_servers`; `None` when it agrees
    /// to none. Unstable queues are asked about too; their infinite waits fail every target. Takes
    /// O(`most_servers`).
    ///
    /// # Panics
    /// When an argument is out of range.
    ///
    /// ```
    /// use wavetank::stats::queueing::Mmc;
    /// // Eight erlang, at most one customer in five waits: twelve servers (C = 0.1398), as eleven give 0.2472.
    /// let queue = Mmc::fewest_servers(8.0, 1.0, 1000, |queue| queue.probability_of_waiting() <= 0.2);
    /// assert_eq!(queue.map(|queue| queue.servers()), Some(12));
    /// ```
    pub fn fewest_servers(
        arrival_rate: f64,
        mean_service: f64,
        most_servers: u32,
        mut acceptable: impl FnMut(&Mmc) -> bool,
    ) -> Option<Mmc> {
        check_queue(arrival_rate, mean_service, 1);
        let mut blocking = 1.0;
        for servers in 1..=most_servers {
            blocking = next_erlang_b(arrival_rate * mean_service, servers, blocking);
            let queue = Mmc { arrival_rate, mean_service, servers, blocking };
            if acceptable(&queue) {
                return Some(queue);
            }
        }
        None
    }

    /// Arrivals per unit of time.
    pub fn arrival_rate(&self) -> f64 {
        self.arrival_rate
    }

    /// The mean service time.
    pub fn mean_service(&self) -> f64 {
        self.mean_service
    }

    /// The number of servers, c.
    pub fn servers(&self) -> u32 {
        self.servers
    }

    /// a = arrival rate times mean service, in erlang; in a stable queue also the mean number of busy servers.
    pub fn offered_load(&self) -> f64 {
        self.arrival_rate * self.mean_service
    }

    /// rho = a / c; 1 and more in an unstable queue.
    pub fn utilisation(&self) -> f64 {
        self.offered_load() / f64::from(self.servers)
    }

    /// Whether the offered load is below the servers, so that there is a steady state.
    pub fn is_stable(&self) -> bool {
        self.spare() > 0.0
    }

    /// Servers beyond the offered load.
    fn spare(&self) -> f64 {
        f64::from(self.servers) - self.offered_load()
    }

    /// Erlang C: the probability that an arrival has to wait.
    pub fn probability_of_waiting(&self) -> f64 {
        waiting_from_blocking(self.offered_load(), self.servers, self.blocking)
    }

    /// Mean wait of all customers, those who do not wait included: C S / (c - a) with S the mean service.
    pub fn mean_wait(&self) -> f64 {
        if !self.is_stable() {
            return f64::INFINITY;
        }
        self.probability_of_waiting() * self.mean_service / self.spare()
    }

    /// Mean wait plus mean service.
    pub fn mean_sojourn(&self) -> f64 {
        self.mean_wait() + self.mean_service
    }

    /// Mean number of customers that wait: C a / (c - a).
    pub fn mean_queue_length(&self) -> f64 {
        if !self.is_stable() {
            return f64::INFINITY;
        }
        self.probability_of_waiting() * self.offered_load() / self.spare()
    }

    /// Mean number of customers that wait or are served.
    pub fn mean_number(&self) -> f64 {
        self.mean_queue_length() + self.offered_load()
    }

    /// P(wait > `time`) = C exp(-(c - a) time / S).
    ///
    /// # Panics
    /// When the time is negative or not finite.
    pub fn wait_tail(&self, time: f64) -> f64 {
        check_time(time);
        if !self.is_stable() {
            return 1.0;
        }
        self.probability_of_waiting() * libm::exp(-self.spare() * time / self.mean_service)
    }

    /// The quantile of the wait: 0 up to the probability 1 - C of not waiting, then S / (c - a) ln(C / (1 - p)).
    ///
    /// # Panics
    /// When the probability is not within 0 to 1.
    pub fn wait_quantile(&self, probability: f64) -> f64 {
        check_probability(probability);
        let waiting = self.probability_of_waiting();
        if !self.is_stable() {
            f64::INFINITY
        } else if waiting <= 1.0 - probability {
            0.0
        } else {
            self.mean_service / self.spare() * libm::log(waiting / (1.0 - probability))
        }
    }

    /// P(sojourn > `time`): the service alone with probability 1 - C, otherwise the sum of two independent exponential
    /// times, the wait of those who wait (rate (c - a) / S) and the service (rate 1 / S).
    ///
    /// # Panics
    /// When the time is negative or not finite.
    pub fn sojourn_tail(&self, time: f64) -> f64 {
        check_time(time);
        if !self.is_stable() {
            return 1.0;
        }
        let waiting = self.probability_of_waiting();
        let served = time / self.mean_service;
        (1.0 - waiting) * libm::exp(-served) + waiting * two_exponentials_tail(1.0, self.spare(), served)
    }

    /// The quantile of the sojourn: exactly S / (1 - rho) ln(1 / (1 - p)) with one server, by bisection of the exact
    /// tail with more.
    ///
    /// # Panics
    /// When the probability is not within 0 to 1.
    pub fn sojourn_quantile(&self, probability: f64) -> f64 {
        check_probability(probability);
        if !self.is_stable() {
            f64::INFINITY
        } else if self.servers == 1 {
            -self.mean_service / self.spare() * libm::log(1.0 - probability)
        } else {
            tail_quantile(probability, self.mean_sojourn(), |time| self.sojourn_tail(time))
        }
    }

    /// The probability that `number` customers wait or are served, at any instant and as an arrival finds them.
    pub fn number_probability(&self, number: u64) -> f64 {
        if !self.is_stable() {
            return 0.0;
        }
        let (load, servers) = (self.offered_load(), u64::from(self.servers));
        let (waiting, utilisation) = (self.probability_of_waiting(), self.utilisation());
        if number >= servers {
            return waiting * (1.0 - utilisation) * libm::pow(utilisation, (number - servers) as f64);
        }
        // Up to c customers the number is Poisson, cut off at c.
        let up_to_servers = 1.0 - waiting * utilisation;
        up_to_servers * poisson(load, number) / (1.0 - poisson_at_least(load, servers + 1))
    }
}

/// The tail of the sum of two independent exponential times, at any two rates.
fn two_exponentials_tail(one: f64, other: f64, time: f64) -> f64 {
    let (slow, fast) = (one.min(other), one.max(other));
    // e^(-slow t) (1 + slow t (1 - e^-x) / x) with x = (fast - slow) t: nothing cancels, whether the rates meet or not.
    let gap = (fast - slow) * time;
    let share = if gap == 0.0 { 1.0 } else { -libm::expm1(-gap) / gap };
    libm::exp(-slow * time) * (1.0 + slow * time * share)
}

#[cfg(test)]
mod tests {
    use super::super::birth_death_distribution;
    use super::*;

    fn close(found: f64, expected: f64, tolerance: f64) {
        assert!((found - expected).abs() <= tolerance * expected.abs().max(1e-300), "{found}, not {expected}");
    }

    #[test]
    fn one_server() {
        for load in [0.05, 0.5, 0.9, 0.999] {
            let queue = Mmc::new(load / 3.0, 3.0, 1);
            close(queue.probability_of_waiting(), load, 1e-14);
            close(queue.mean_sojourn(), 3.0 / (1.0 - load), 1e-12);
            close(queue.mean_queue_length(), load * load / (1.0 - load), 1e-12);
            close(queue.mean_number(), load / (1.0 - load), 1e-12);
            // The sojourn is exponential with its mean.
            for time in [0.0, 0.1, 1.0, 40.0, 4000.0] {
                close(queue.sojourn_tail(time), (-time * (1.0 - load) / 3.0).exp(), 1e-12);
            }
            close(queue.sojourn_quantile(0.99), 3.0 / (1.0 - load) * 100f64.ln(), 1e-11);
            close(queue.number_probability(0), 1.0 - load, 1e-11);
            close(queue.number_probability(7), (1.0 - load) * load.powi(7), 1e-11);
        }
    }

    #[test]
    fn ten_servers_at_eighty_percent() {
        // Erlang C 0.409181; mean wait 0.409181 / (10 - 8) = 0.204590 mean services; queue 8 times that.
        let queue = Mmc::new(8.0, 1.0, 10);
        close(queue.probability_of_waiting(), 0.409_181, 1e-5);
        close(queue.mean_wait(), 0.204_590, 1e-5);
        close(queue.mean_queue_length(), 1.636_72, 1e-5);
        // One percent waits longer than ln(0.409181 / 0.01) / 2 = 1.855787.
        close(queue.wait_quantile(0.99), 1.855_787, 1e-5);
        assert_eq!(queue.wait_quantile(0.59), 0.0);
        assert!(queue.wait_quantile(0.591) > 0.0);
    }

    #[test]
    fn numbers_are_those_of_the_chain() {
        for (load, servers) in [(0.3, 1u32), (1.9, 2), (8.0, 10), (3.0, 40), (95.0, 100)] {
            let queue = Mmc::new(load, 1.0, servers);
            let states = 4000;
            let deaths: Vec<f64> = (1..=states).map(|n: u32| f64::from(n.min(servers))).collect();
            let chain = birth_death_distribution(&vec![load; states as usize], &deaths);
            for n in [0usize, 1, 2, 5, 9, 10, 11, 39, 40, 50, 99, 100, 130] {
                close(queue.number_probability(n as u64), chain[n], 1e-11);
            }
            let waiting: f64 = chain[servers as usize..].iter().rev().sum();
            close(queue.probability_of_waiting(), waiting, 1e-11);
            let mean: f64 = chain.iter().enumerate().map(|(n, p)| n as f64 * p).sum();
            close(queue.mean_number(), mean, 1e-11);
            close(queue.mean_sojourn(), mean / load, 1e-11);
        }
    }

    #[test]
    fn sojourns_integrate_to_their_mean() {
        // 9 servers at load 8: those who wait do so at the rate of the service, and the textbook form is 0 / 0.
        for (load, servers) in [(0.8, 1), (1.5, 2), (8.0, 9), (8.0, 10), (7.999_999, 9), (50.0, 80)] {
            let queue = Mmc::new(load, 1.0, servers);
            let end = 60.0 * queue.mean_sojourn();
            let steps = 200_000;
            let width = end / f64::from(steps);
            // Trapezoids; their error is width^2 / 12 times the slope at 0, at most 1 here.
            let inner: f64 = (1..steps).map(|i| queue.sojourn_tail(f64::from(i) * width)).sum();
            let area = width * (inner + (1.0 + queue.sojourn_tail(end)) / 2.0);
            assert!((area - queue.mean_sojourn()).abs() < 1e-6, "{load} {servers}: {area} {}", queue.mean_sojourn());
            for probability in [0.0, 0.01, 0.5, 0.99, 0.9999] {
                let quantile = queue.sojourn_quantile(probability);
                assert!((queue.sojourn_tail(quantile) - (1.0 - probability)).abs() < 1e-13);
                assert!((queue.wait_tail(queue.wait_quantile(probability)) - (1.0 - probability)) < 1e-13);
            }
        }
    }

    #[test]
    fn two_exponential_times_as_the_textbook_has_them() {
        // (b e^-at - a e^-bt) / (b - a) at a = 1, b = 3, t = 2.
        let expected = (3.0 * (-2f64).exp() - (-6f64).exp()) / 2.0;
        close(two_exponentials_tail(1.0, 3.0, 2.0), expected, 1e-15);
        close(two_exponentials_tail(3.0, 1.0, 2.0), expected, 1e-15);
        // Equal rates: (1 + t) e^-t.
        close(two_exponentials_tail(1.0, 1.0, 2.0), 3.0 * (-2f64).exp(), 1e-15);
        // Far apart and far out, where e^gap alone would overflow.
        close(two_exponentials_tail(1e4, 0.1, 20.0), (-2f64).exp() * (1.0 + 0.1 / 9999.9), 1e-12);
    }

    #[test]
    fn without_a_steady_state() {
        for queue in [Mmc::new(3.0, 1.0, 3), Mmc::new(50.0, 1.0, 3)] {
            assert!(!queue.is_stable());
            assert_eq!(
                (queue.probability_of_waiting(), queue.wait_tail(9.0), queue.sojourn_tail(9.0)),
                (1.0, 1.0, 1.0)
            );
            assert_eq!((queue.mean_wait(), queue.mean_queue_length()), (f64::INFINITY, f64::INFINITY));
            assert_eq!((queue.wait_quantile(0.1), queue.sojourn_quantile(0.1)), (f64::INFINITY, f64::INFINITY));
            assert_eq!(queue.number_probability(3), 0.0);
        }
        let idle = Mmc::new(0.0, 2.0, 3);
        assert_eq!((idle.mean_wait(), idle.mean_sojourn(), idle.number_probability(0)), (0.0, 2.0, 1.0));
    }

    #[test]
    fn fewest_servers_is_a_plain_search() {
        for load in [0.4, 8.0, 37.5] {
            for target in [0.5, 0.05, 0.001] {
                let found = Mmc::fewest_servers(load, 1.0, 500, |queue| queue.mean_wait() <= target);
                let plain = (1..=500).map(|c| Mmc::new(load, 1.0, c)).find(|queue| queue.mean_wait() <= target);
                assert_eq!(found, plain);
            }
        }
        assert_eq!(Mmc::fewest_servers(8.0, 1.0, 8, |queue| queue.mean_wait() < 1e9), None);
    }

    #[test]
    fn a_hundred_thousand_servers_keep_their_digits() {
        let queue = Mmc::new(99_500.0, 1.0, 100_000);
        let total: f64 = (97_000..108_000).map(|n| queue.number_probability(n)).sum();
        assert!((total - 1.0).abs() < 1e-10, "{total}");
        close(queue.mean_queue_length(), queue.arrival_rate() * queue.mean_wait(), 1e-14);
    }
}
