//! Servers that share their capacity among the customers present, as CPUs do among requests.

use super::sojourn::NEGLIGIBLE;
use super::{Mmc, SojournDistribution, check_time};

/// M/G/c processor sharing: n customers on `cores` cores each progress at rate min(1, c / n). With one core it is
/// M/G/1-PS.
///
/// The number present has the distribution of M/M/c, and mean sojourns are proportional to sizes, whatever the
/// distribution of sizes (Kleinrock, Queueing Systems II, 1976, 4.4 for one core; Cohen, "The multiple phase service
/// network with generalized processor sharing", 1979, for several). Exact.
///
/// ```
/// use wavetank::stats::queueing::ProcessorSharing;
/// // Half of the time is lost to others: a request of 3 takes 3 / (1 - 0.5) = 6.
/// assert!((ProcessorSharing::new(0.5, 1.0, 1).mean_sojourn_of(3.0) - 6.0).abs() < 1e-12);
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ProcessorSharing {
    queue: Mmc,
}

impl ProcessorSharing {
    /// The system with these arrivals, this mean size in core time, and these cores. Takes O(`cores`).
    ///
    /// # Panics
    /// When an argument is out of range (see the conventions of [`queueing`](super)).
    pub fn new(arrival_rate: f64, mean_service: f64, cores: u32) -> ProcessorSharing {
        ProcessorSharing { queue: Mmc::new(arrival_rate, mean_service, cores) }
    }

    /// Mean sojourn; S / (1 - rho) with one core.
    pub fn mean_sojourn(&self) -> f64 {
        self.queue.mean_sojourn()
    }

    /// Mean sojourn of customers of this size; size / (1 - rho) with one core.
    ///
    /// # Panics
    /// When the size is negative or not finite.
    pub fn mean_sojourn_of(&self, size: f64) -> f64 {
        check_time(size);
        size * (self.mean_sojourn() / self.queue.mean_service())
    }

    /// Mean number present.
    pub fn mean_number(&self) -> f64 {
        self.queue.mean_number()
    }

    /// The probability that `number` are present, at any instant and as an arrival finds them.
    pub fn number_probability(&self, number: u64) -> f64 {
        self.queue.number_probability(number)
    }

    /// The distribution of the sojourn with exponential sizes, which unlike its mean depends on the distribution of
    /// sizes. By uniformisation of the chain that a tagged customer sees: the others come, and leave with it at the
    /// shared rate. Exact but for probabilities under 1e-17; with one core its variance is that of Coffman, Muntz and
    /// Trotter (1970), S^2 (2 + rho) / ((1 - rho)^2 (2 - rho)).
    ///
    /// Takes time proportional to the number of events in the longest sojourns times the greatest number present: for
    /// one core at 99 % that is seconds.
    pub fn exponential_sojourns(&self) -> SojournDistribution {
        if !self.queue.is_stable() {
            return SojournDistribution::infinite();
        }
        let (cores, load) = (f64::from(self.queue.servers()), self.queue.offered_load());
        let mut others: Vec<f64> = Vec::new();
        while others.len() < self.queue.servers() as usize || others.last().is_none_or(|&p| p > NEGLIGIBLE) {
            others.push(self.queue.number_probability(others.len() as u64));
        }
        let events = load + cores;
        let mut outlives = Vec::new();
        loop {
            let alive: f64 = others.iter().sum();
            if alive < NEGLIGIBLE {
                break;
            }
            outlives.push(alive);
            others = next_others(&others, load, cores);
        }
        SojournDistribution::new(events / self.queue.mean_service(), outlives)
    }
}

/// One event of rate `load` + `cores`: an arrival, the end of the tagged customer, the end of another, or none.
fn next_others(others: &[f64], load: f64, cores: f64) -> Vec<f64> {
    let events = load + cores;
    let mut next = vec![0.0; others.len()];
    for (number, &probability) in others.iter().enumerate() {
        let present = (number + 1) as f64;
        let each = (cores / present).min(1.0);
        let departures = number as f64 * each;
        // The last state stands for all above it.
        let above = (number + 1).min(others.len() - 1);
        next[above] += probability * load / events;
        if number > 0 {
            next[number - 1] += probability * departures / events;
        }
        next[number] += probability * (cores - departures - each).max(0.0) / events;
    }
    next
}

/// Mean wait for admission in M/M/c with limited processor sharing: up to `limit` customers share the servers of
/// `queue`, others wait in order of arrival. `limit` = servers is M/M/c itself, an unlimited one has no wait.
///
/// Who shares with whom does not change the number present while sizes are exponential, so the number is that of M/M/c
/// and n - limit of n wait: C rho^(limit - c) rho / (1 - rho) waiting on average, over the arrival rate. The mean
/// sojourn is that of `queue`; what it exceeds this wait by is the mean time in sharing (Avi-Itzhak and Halfin,
/// "Expected response times in a non-symmetric time sharing queue with a limited number of service positions", 1988).
/// Exact.
///
/// # Panics
/// When the limit is below the number of servers.
///
/// ```
/// use wavetank::stats::queueing::{Mmc, limited_sharing_mean_wait};
/// // One server at 50 %, two share: waiting (1/2)^3 / (1/2) = 1/4, over a rate of 1/2.
/// assert!((limited_sharing_mean_wait(&Mmc::new(0.5, 1.0, 1), 2) - 0.5).abs() < 1e-12);
/// ```
pub fn limited_sharing_mean_wait(queue: &Mmc, limit: u32) -> f64 {
    assert!(limit >= queue.servers(), "a limit of {limit} leaves servers idle while customers wait");
    if !queue.is_stable() {
        return f64::INFINITY;
    }
    queue.mean_wait() * libm::pow(queue.utilisation(), f64::from(limit - queue.servers()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn close(found: f64, expected: f64, tolerance: f64) {
        assert!((found - expected).abs() <= tolerance * expected.abs(), "{found}, not {expected}");
    }

    #[test]
    fn one_core() {
        for load in [0.2, 0.7, 0.95] {
            let system = ProcessorSharing::new(load / 2.0, 2.0, 1);
            close(system.mean_sojourn(), 2.0 / (1.0 - load), 1e-12);
            close(system.mean_sojourn_of(0.5), 0.5 / (1.0 - load), 1e-12);
            close(system.mean_number(), load / (1.0 - load), 1e-12);
            close(system.number_probability(3), (1.0 - load) * load.powi(3), 1e-12);
            let sojourns = system.exponential_sojourns();
            close(sojourns.mean(), system.mean_sojourn(), 1e-12);
            let variance = 4.0 * (2.0 + load) / ((1.0 - load) * (1.0 - load) * (2.0 - load));
            close(sojourns.variance(), variance, 1e-10);
        }
    }

    #[test]
    fn several_cores() {
        for (load, cores) in [(0.1, 2), (3.0, 4), (9.0, 10), (5.0, 50)] {
            let system = ProcessorSharing::new(load, 1.0, cores);
            let sojourns = system.exponential_sojourns();
            close(sojourns.mean(), system.mean_sojourn(), 1e-12);
            assert!((sojourns.tail(sojourns.quantile(0.99)) - 0.01).abs() < 1e-14);
        }
        // Hardly any load, or plenty of cores: the size itself.
        let alone = ProcessorSharing::new(1e-9, 3.0, 1).exponential_sojourns();
        close(alone.quantile(0.9), 3.0 * 10f64.ln(), 1e-7);
    }

    #[test]
    fn without_a_steady_state() {
        let full = ProcessorSharing::new(2.0, 1.0, 2);
        assert_eq!((full.mean_sojourn(), full.mean_sojourn_of(1.0)), (f64::INFINITY, f64::INFINITY));
        assert_eq!(full.exponential_sojourns().quantile(0.5), f64::INFINITY);
        assert_eq!(limited_sharing_mean_wait(&Mmc::new(2.0, 1.0, 2), 3), f64::INFINITY);
    }

    #[test]
    fn limits() {
        for (load, servers) in [(0.6, 1u32), (1.5, 2), (8.0, 10)] {
            let queue = Mmc::new(load, 1.0, servers);
            close(limited_sharing_mean_wait(&queue, servers), queue.mean_wait(), 1e-12);
            for limit in [servers, servers + 1, servers + 6] {
                let beyond = u64::from(limit) + 1..4000;
                let waiting: f64 = beyond.map(|n| (n - u64::from(limit)) as f64 * queue.number_probability(n)).sum();
                close(limited_sharing_mean_wait(&queue, limit), waiting / load, 1e-11);
            }
        }
    }
}
