//! M/M/c/K: a queue with limited room, which refuses what finds it full.

use super::{birth_death_distribution, check_queue};

/// M/M/c/K: Poisson arrivals, exponential services, room for `capacity` customers, those in service included; who finds
/// it full is lost. Exact, at any load: a full queue always has a steady state (Gross and Harris, Fundamentals of
/// Queueing Theory, 1998). With `capacity` = `servers` it is Erlang's loss system.
///
/// ```
/// use wavetank::stats::queueing::Mmck;
/// // M/M/1/2 at load 1: the numbers 0, 1 and 2 are equally likely.
/// assert!((Mmck::new(1.0, 1.0, 1, 2).blocking() - 1.0 / 3.0).abs() < 1e-15);
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct Mmck {
    arrival_rate: f64,
    mean_service: f64,
    servers: u32,
    numbers: Vec<f64>,
}

impl Mmck {
    /// The queue with these arrivals, servers and room. Takes O(`capacity`) time and space.
    ///
    /// # Panics
    /// When an argument is out of range (see the conventions of [`queueing`](super)), or there is less room than
    /// servers.
    pub fn new(arrival_rate: f64, mean_service: f64, servers: u32, capacity: u32) -> Mmck {
        check_queue(arrival_rate, mean_service, servers);
        assert!(capacity >= servers, "room for {capacity} customers with {servers} servers");
        let births = vec![arrival_rate * mean_service; capacity as usize];
        let deaths: Vec<f64> = (1..=capacity).map(|number| f64::from(number.min(servers))).collect();
        Mmck { arrival_rate, mean_service, servers, numbers: birth_death_distribution(&births, &deaths) }
    }

    /// The probabilities of 0 to `capacity` customers in the system, at any instant and as an arrival finds them, lost
    /// ones included.
    pub fn number_distribution(&self) -> &[f64] {
        &self.numbers
    }

    /// The share of arrivals that is lost.
    pub fn blocking(&self) -> f64 {
        self.numbers[self.numbers.len() - 1]
    }

    /// Customers served per unit of time: the mean number of busy servers over the mean service.
    pub fn throughput(&self) -> f64 {
        self.mean_busy() / self.mean_service
    }

    /// The mean number of busy servers.
    pub fn mean_busy(&self) -> f64 {
        self.mean_of(|number| number.min(u64::from(self.servers)))
    }

    /// The mean number of customers that wait.
    pub fn mean_queue_length(&self) -> f64 {
        self.mean_of(|number| number.saturating_sub(u64::from(self.servers)))
    }

    /// Mean wait of those who are not lost; 0 without arrivals.
    pub fn mean_wait(&self) -> f64 {
        if self.arrival_rate == 0.0 { 0.0 } else { self.mean_queue_length() / self.throughput() }
    }

    /// Mean sojourn of those who are not lost.
    pub fn mean_sojourn(&self) -> f64 {
        self.mean_wait() + self.mean_service
    }

    /// The probability that one who is not lost has to wait; 0 without arrivals.
    pub fn probability_of_waiting(&self) -> f64 {
        let servers = self.servers as usize;
        let room = self.numbers.len() - 1;
        let entering: f64 = self.numbers[..room].iter().sum();
        self.numbers[servers.min(room)..room].iter().sum::<f64>() / entering
    }

    fn mean_of(&self, value: impl Fn(u64) -> u64) -> f64 {
        (0u64..).zip(&self.numbers).map(|(number, probability)| value(number) as f64 * probability).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Mmc, erlang_b};
    use super::*;

    #[test]
    fn one_server_has_its_closed_form() {
        for load in [0.3, 0.9, 1.0, 1.7, 50.0] {
            for capacity in [1u32, 2, 7, 400] {
                let queue = Mmck::new(load, 1.0, 1, capacity);
                let power = f64::powi(load, capacity as i32);
                // (1 - rho) rho^K / (1 - rho^(K + 1)); 1 / (K + 1) at load 1; 1 - 1 / rho where the power overflows.
                let expected = match load {
                    1.0 => 1.0 / f64::from(capacity + 1),
                    _ if power.is_infinite() => 1.0 - 1.0 / load,
                    _ => (1.0 - load) * power / (1.0 - load * power),
                };
                let found = queue.blocking();
                assert!((found - expected).abs() <= 1e-12 * expected, "{load} {capacity}: {found} {expected}");
                // What enters leaves.
                assert!((queue.throughput() - load * (1.0 - found)).abs() < 1e-12 * load);
            }
        }
    }

    #[test]
    fn between_loss_and_delay() {
        let loss = Mmck::new(8.0, 1.0, 10, 10);
        assert!((loss.blocking() - erlang_b(8.0, 10)).abs() < 1e-15);
        assert_eq!((loss.mean_wait(), loss.probability_of_waiting()), (0.0, 0.0));
        let (roomy, endless) = (Mmck::new(4.0, 2.0, 10, 500), Mmc::new(4.0, 2.0, 10));
        assert!((roomy.mean_wait() - endless.mean_wait()).abs() < 1e-13);
        assert!((roomy.probability_of_waiting() - endless.probability_of_waiting()).abs() < 1e-13);
        assert!((roomy.mean_sojourn() - endless.mean_sojourn()).abs() < 1e-13);
    }

    #[test]
    fn two_servers_and_three_places() {
        // Load 2: weights 1, 2, 2, 2 over 7. Lost 2 / 7, busy (2 + 4 + 4) / 7, waiting 2 / 7: wait 2 / 10 of a service.
        let queue = Mmck::new(1.0, 2.0, 2, 3);
        assert!((queue.blocking() - 2.0 / 7.0).abs() < 1e-15);
        assert!((queue.mean_busy() - 10.0 / 7.0).abs() < 1e-15);
        assert!((queue.mean_wait() - 0.4).abs() < 1e-15);
        // Of those who enter (5 of 7), the ones who find two (2 of 7) wait.
        assert!((queue.probability_of_waiting() - 0.4).abs() < 1e-15);
    }

    #[test]
    fn a_flood_and_a_drought() {
        let flood = Mmck::new(1e6, 1.0, 100, 10_000);
        assert!((flood.throughput() - 100.0).abs() < 1e-9);
        assert!((flood.mean_queue_length() - 9_900.0).abs() < 1e-2);
        let drought = Mmck::new(0.0, 3.0, 2, 5);
        assert_eq!((drought.blocking(), drought.mean_wait(), drought.mean_sojourn()), (0.0, 0.0, 3.0));
        assert_eq!(drought.probability_of_waiting(), 0.0);
    }
}
