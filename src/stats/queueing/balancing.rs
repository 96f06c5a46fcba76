//! Queues behind a load balancer: equal servers with a queue each, Poisson arrivals that are sent to one on arrival and
//! stay there, exponential services in order of arrival.

use super::sojourn::NEGLIGIBLE;
use super::{GiM1, Mmc, SojournDistribution, check_queue};

/// Random splitting: each of the servers is an M/M/1 of its own with an equal share of the arrivals. Exact.
///
/// # Panics
/// When an argument is out of range (see the conventions of [`queueing`](super)).
pub fn random_splitting(arrival_rate: f64, mean_service: f64, servers: u32) -> Mmc {
    check_queue(arrival_rate, mean_service, servers);
    Mmc::new(arrival_rate / f64::from(servers), mean_service, 1)
}

/// Round robin over n servers: each sees every n-th arrival, whose gaps are sums of n exponential ones, so it is
/// E_n/M/1. Exact; a balancer that is chosen from many at random sees Poisson arrivals again.
///
/// # Panics
/// When an argument is out of range (see the conventions of [`queueing`](super)).
///
/// ```
/// use wavetank::stats::queueing::round_robin;
/// // Two servers at one half each: sigma = (3 - sqrt 5) / 2 of the arrivals wait.
/// let waiting = round_robin(1.0, 1.0, 2).probability_of_waiting();
/// assert!((waiting - (3.0 - 5f64.sqrt()) / 2.0).abs() < 1e-12);
/// ```
pub fn round_robin(arrival_rate: f64, mean_service: f64, servers: u32) -> GiM1 {
    check_queue(arrival_rate, mean_service, servers);
    let count = f64::from(servers);
    GiM1::gamma(arrival_rate / count, count, mean_service)
}

/// Bounds on the mean sojourn under join-the-shortest-queue with any number of servers: below, that of M/M/n, whose
/// servers never idle while one waits; above, that of round robin, as joining the shortest queue is the best that can
/// be done without knowing sizes (Winston 1977). For fixed utilisation below 1 the lower bound tends to the mean
/// service as servers become many, and so does join-the-shortest-queue: the probability of waiting tends to 0
/// (Mukherjee et al., "Universality of power-of-d load balancing in many-server systems", 2018).
/// [`ShortestOfTwo`](super::ShortestOfTwo) is exact for two servers.
///
/// # Panics
/// When an argument is out of range (see the conventions of [`queueing`](super)).
pub fn shortest_queue_mean_sojourn_bounds(arrival_rate: f64, mean_service: f64, servers: u32) -> (f64, f64) {
    let pooled = Mmc::new(arrival_rate, mean_service, servers);
    (pooled.mean_sojourn(), round_robin(arrival_rate, mean_service, servers).mean_sojourn())
}

/// Power of d choices in the limit of many servers: each arrival joins the shortest of d queues drawn at random
/// (Vvedenskaya, Dobrushin and Karpelevich 1996; Mitzenmacher, "The power of two choices in randomized load balancing",
/// 2001). A share of rho^((d^k - 1) / (d - 1)) of the queues holds at least k customers. With one choice it is random
/// splitting, exact for any number of servers; with more, sojourns in finite systems are longer: in a simulation of 100
/// servers with two choices by about 1 % at utilisation 0.8, 2 % at 0.9, 3 % at 0.95 and 11 % at 0.99.
///
/// ```
/// use wavetank::stats::queueing::PowerOfChoices;
/// // 1 + 0.5^2 + 0.5^6 + 0.5^14 + ... = 1.265686.
/// assert!((PowerOfChoices::new(0.5, 1.0, 2).mean_sojourn() - 1.265_686).abs() < 1e-6);
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct PowerOfChoices {
    load: f64,
    mean_service: f64,
    choices: u32,
}

impl PowerOfChoices {
    /// Servers with `arrival_rate` arrivals each on average, and `choices` queues to choose from.
    ///
    /// # Panics
    /// When an argument is out of range (see the conventions of [`queueing`](super)), or there is no choice at all.
    pub fn new(arrival_rate_per_server: f64, mean_service: f64, choices: u32) -> PowerOfChoices {
        check_queue(arrival_rate_per_server, mean_service, 1);
        assert!(choices > 0, "an arrival has to choose from some queue");
        PowerOfChoices { load: arrival_rate_per_server * mean_service, mean_service, choices }
    }

    /// The share of queues with at least `customers` customers, the one in service included; 1 without a steady state.
    pub fn share_with_at_least(&self, customers: u32) -> f64 {
        if self.load >= 1.0 {
            return 1.0;
        }
        let choices = f64::from(self.choices);
        let exponent = match self.choices {
            1 => f64::from(customers),
            _ => (libm::pow(choices, f64::from(customers)) - 1.0) / (choices - 1.0),
        };
        libm::pow(self.load, exponent)
    }

    /// The probability that an arrival has to wait: all its choices are busy, rho^d.
    pub fn probability_of_waiting(&self) -> f64 {
        if self.load >= 1.0 { 1.0 } else { libm::pow(self.load, f64::from(self.choices)) }
    }

    /// Mean sojourn: S times the sum over k >= 1 of rho^((d^k - d) / (d - 1)).
    pub fn mean_sojourn(&self) -> f64 {
        if self.choices == 1 {
            return Mmc::new(self.load, 1.0, 1).mean_sojourn() * self.mean_service;
        }
        self.sojourns().mean()
    }

    /// Mean wait.
    pub fn mean_wait(&self) -> f64 {
        self.mean_sojourn() - self.mean_service
    }

    /// The distribution of the sojourn: an arrival finds at least k customers in the queue it joins with the
    /// probability that all its choices have as many.
    pub fn sojourns(&self) -> SojournDistribution {
        if self.load >= 1.0 {
            return SojournDistribution::infinite();
        }
        let found = |customers| libm::pow(self.share_with_at_least(customers), f64::from(self.choices));
        let found = (0..).map(found).take_while(|&found| found > NEGLIGIBLE).collect();
        SojournDistribution::new(1.0 / self.mean_service, found)
    }
}

/// Mean sojourn under join-idle-queue (JIQ-Random of Lu et al., "Join-Idle-Queue: a novel load balancing algorithm for
/// dynamically scalable web services", 2011) in the limit of many servers and dispatchers, `servers_per_dispatcher` of
/// them each: S (1 + rho / ((1 - rho) (1 + r))). Idle servers report to a dispatcher drawn at random, which sends its
/// next customer there; dispatchers that know of none send to any server. Exact in the limit for exponential services,
/// and for general ones if servers share their processor.
///
/// Taken for granted is that only idle servers are known to dispatchers: one that is sent a customer by a dispatcher that
/// knows of none would have to take its report back. Where it does not, 100 servers are by 6 % slower at utilisation 0.5
/// with r = 5, by 2 % with r = 10, and at 0.9 by 1 to 3 % faster, as measured by simulation.
///
/// With one dispatcher for all servers r is infinite, and nobody waits in the limit (Stolyar, "Pull-based load
/// distribution in large-scale heterogeneous service systems", 2015); r = 0 is random splitting.
///
/// # Panics
/// When an argument is out of range (see the conventions of [`queueing`](super)), or the ratio is negative.
///
/// ```
/// use wavetank::stats::queueing::join_idle_queue_mean_sojourn;
/// // At 90 %, ten servers a dispatcher: 1 + 9 / 11.
/// assert!((join_idle_queue_mean_sojourn(0.9, 1.0, 10.0) - (1.0 + 9.0 / 11.0)).abs() < 1e-12);
/// ```
pub fn join_idle_queue_mean_sojourn(
    arrival_rate_per_server: f64,
    mean_service: f64,
    servers_per_dispatcher: f64,
) -> f64 {
    assert!(servers_per_dispatcher >= 0.0, "a ratio of {servers_per_dispatcher} servers a dispatcher");
    let alone = Mmc::new(arrival_rate_per_server, mean_service, 1);
    if !alone.is_stable() {
        return f64::INFINITY;
    }
    mean_service + alone.mean_wait() / (1.0 + servers_per_dispatcher)
}

#[cfg(test)]
mod tests {
    use super::super::ShortestOfTwo;
    use super::*;

    fn close(found: f64, expected: f64, tolerance: f64) {
        assert!((found - expected).abs() <= tolerance * expected.abs(), "{found}, not {expected}");
    }

    #[test]
    fn two_choices_have_the_published_means() {
        // The predictions in the tables of Mitzenmacher (2001) for two choices are sums of rho^(2^k - 2).
        for (load, expected) in [
            // 1 + 0.25 + 0.015625 + 0.000061.
            (0.5, 1.2657),
            // 1 + 0.49 + 0.117649 + 0.006782 + 0.000023.
            (0.7, 1.6145),
            // 1 + 0.64 + 0.262144 + 0.043980 + 0.001238 + 0.000001.
            (0.8, 1.9474),
            // 1 + 0.81 + 0.531441 + 0.228768 + 0.042391 + 0.001456 + 0.000002.
            (0.9, 2.6141),
            // 1 + 0.9025 + 0.735092 + 0.487675 + 0.214639 + 0.041577 + 0.001560 + 0.000002.
            (0.95, 3.3830),
        ] {
            let system = PowerOfChoices::new(load, 1.0, 2);
            assert!((system.mean_sojourn() - expected).abs() < 1e-4, "{load}: {}", system.mean_sojourn());
            close(system.mean_wait() + 1.0, system.mean_sojourn(), 1e-15);
        }
        // Mitzenmacher's 5.4320 at 0.99.
        assert!((PowerOfChoices::new(0.99, 1.0, 2).mean_sojourn() - 5.4320).abs() < 1e-4);
    }

    #[test]
    fn shares_are_a_fixed_point() {
        // Arrivals that make a queue's k-th customer balance departures that leave k - 1: rho (s(k-1)^d - s(k)^d) =
        // s(k) - s(k+1).
        for (load, choices) in [(0.6, 1), (0.9, 2), (0.9, 3), (0.99, 5)] {
            let system = PowerOfChoices::new(load / 2.0, 2.0, choices);
            let share = |k: u32| system.share_with_at_least(k);
            let power = |k: u32| share(k).powi(choices as i32);
            assert_eq!((share(0), share(1)), (1.0, load));
            for k in 1..8 {
                let (gained, lost) = (load * (power(k - 1) - power(k)), share(k) - share(k + 1));
                assert!((gained - lost).abs() < 1e-14, "{load} {choices} {k}");
            }
            let mean: f64 = (1..2000).map(share).sum();
            close(system.mean_sojourn(), 2.0 * mean / load, 1e-12);
            close(system.probability_of_waiting(), power(1), 1e-14);
        }
    }

    #[test]
    fn one_choice_is_random_splitting() {
        for load in [0.1, 0.9, 0.99] {
            let (limit, exact) = (PowerOfChoices::new(load, 1.0, 1), random_splitting(10.0 * load, 1.0, 10));
            close(limit.mean_sojourn(), exact.mean_sojourn(), 1e-12);
            close(limit.sojourns().mean(), exact.mean_sojourn(), 1e-11);
            close(limit.sojourns().quantile(0.99), exact.sojourn_quantile(0.99), 1e-10);
            close(join_idle_queue_mean_sojourn(load, 1.0, 0.0), exact.mean_sojourn(), 1e-12);
        }
    }

    #[test]
    fn policies_are_in_their_order() {
        for load in [0.3, 0.7, 0.9, 0.98] {
            let random = random_splitting(2.0 * load, 1.0, 2).mean_sojourn();
            let turns = round_robin(2.0 * load, 1.0, 2).mean_sojourn();
            let (pooled, above) = shortest_queue_mean_sojourn_bounds(2.0 * load, 1.0, 2);
            let shortest = ShortestOfTwo::new(2.0 * load, 1.0).mean_sojourn();
            assert_eq!(turns, above);
            assert!(pooled < shortest && shortest < turns && turns < random, "{load}");
        }
        let (low, high) = shortest_queue_mean_sojourn_bounds(900.0, 1.0, 1000);
        assert!(low < 1.000_01 && high > 3.0, "{low} {high}");
    }

    #[test]
    fn join_idle_queue_is_its_birth_death_chain() {
        // A dispatcher knows an idle server with probability x / (1 + x), x = r (1 - rho). A busy server sees only the
        // others' arrivals, rate rho / (1 + x), so its number is geometric: mean sojourn 1 / (1 - rho / (1 + x)).
        for (load, ratio) in [(0.5, 1.0), (0.9, 10.0), (0.99, 40.0)] {
            let known = ratio * (1.0 - load);
            close(join_idle_queue_mean_sojourn(load / 3.0, 3.0, ratio), 3.0 / (1.0 - load / (1.0 + known)), 1e-12);
        }
        assert_eq!(join_idle_queue_mean_sojourn(0.49, 2.0, f64::INFINITY), 2.0);
    }

    #[test]
    fn without_a_steady_state() {
        let full = PowerOfChoices::new(1.0, 1.0, 2);
        assert_eq!((full.mean_sojourn(), full.share_with_at_least(9)), (f64::INFINITY, 1.0));
        assert_eq!((full.probability_of_waiting(), full.sojourns().tail(1.0)), (1.0, 1.0));
        assert_eq!(join_idle_queue_mean_sojourn(1.0, 1.0, f64::INFINITY), f64::INFINITY);
        assert_eq!(shortest_queue_mean_sojourn_bounds(2.0, 1.0, 2), (f64::INFINITY, f64::INFINITY));
        let idle = PowerOfChoices::new(0.0, 1.0, 2);
        assert_eq!((idle.mean_sojourn(), idle.share_with_at_least(1)), (1.0, 0.0));
    }
}
