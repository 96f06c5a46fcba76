//! Queues known by the means and variances of their gaps and services alone: exact for M/G/1, otherwise bounds and
//! approximations, labelled.

use super::deterministic::cosmetatos_correction;
use super::{Mmc, check_queue, check_variability};

/// Mean wait in M/G/1, exact: the formula of Pollaczek (1930) and Khinchine (1932), rho S (1 + scv) / (2 (1 - rho)),
/// which is rate E(S^2) / (2 (1 - rho)) as `service_scv` = E(S^2) / E(S)^2 - 1.
///
/// # Panics
/// When an argument is out of range (see the conventions of [`queueing`](super)).
///
/// ```
/// use wavetank::stats::queueing::mg1_mean_wait;
/// // Services of 1 or 3 with equal chance: mean 2, mean square 5, scv 1 / 4; rate 0.4, utilisation 0.8:
/// // 0.4 * 5 / (2 * 0.2) = 5.
/// assert!((mg1_mean_wait(0.4, 2.0, 0.25) - 5.0).abs() < 1e-12);
/// ```
pub fn mg1_mean_wait(arrival_rate: f64, mean_service: f64, service_scv: f64) -> f64 {
    check_queue(arrival_rate, mean_service, 1);
    check_variability(service_scv);
    let load = arrival_rate * mean_service;
    if load >= 1.0 { f64::INFINITY } else { load * mean_service * (1.0 + service_scv) / (2.0 * (1.0 - load)) }
}

/// An upper bound on the mean wait in GI/GI/1 (Kingman 1962): rate (variance of gaps + variance of services)
/// over 2 (1 - rho). It is sharp in heavy traffic and far off in light traffic: at rate 0 it is infinite unless gaps do not vary,
/// though nobody waits.
///
/// # Panics
/// When an argument is out of range (see the conventions of [`queueing`](super)).
pub fn kingman_bound(arrival_rate: f64, arrival_scv: f64, mean_service: f64, service_scv: f64) -> f64 {
    check_queue(arrival_rate, mean_service, 1);
    check_variability(arrival_scv);
    check_variability(service_scv);
    let load = arrival_rate * mean_service;
    if load >= 1.0 {
        return f64::INFINITY;
    }
    // Of the gaps, rate times variance is scv over rate.
    let gaps = if arrival_scv == 0.0 { 0.0 } else { arrival_scv / arrival_rate };
    (gaps + load * mean_service * service_scv) / (2.0 * (1.0 - load))
}

/// GI/G/c known by two moments each: renewal arrivals of rate `arrival_rate`, services of mean `mean_service`, their
/// squared coefficients of variation, and equal servers before one queue. Its methods approximate the mean wait.
///
/// All are exact for M/M/c, and all err most where the load is light and arrivals are not Poisson. For one server take
/// that of Kraemer and Langenbach-Belz, which like that of Allen and Cunneen is exact for M/G/1; for more take Whitt's.
/// Errors measured at utilisation 0.7 with one and with four servers, against exact solutions of models with Erlang
/// (E2) and hyperexponential times (H2, squared coefficient of variation 4); at 0.9 they are about a quarter of these,
/// at 0.5 two to three times as large. Where hardly anyone waits nothing is near: with eight servers at 0.5, where 6 %
/// wait, the three are 140 %, 103 % and 51 % above E2/E2/c.
///
/// | model | [`allen_cunneen`](GiGc::allen_cunneen) | [`kraemer_langenbach_belz`](GiGc::kraemer_langenbach_belz) | [`whitt`](GiGc::whitt) |
/// |---|---|---|---|
/// | M/D/c | 0, -6 % | 0, -6 % | 0, 0 % |
/// | M/E2/c | 0, -2 % | 0, -2 % | -1, 0 % |
/// | M/H2/c | 0, +14 % | 0, +14 % | -7, 0 % |
/// | E2/M/c | +9, +21 % | +4, +15 % | -1, +3 % |
/// | E2/E2/c | +12, +24 % | +5, +15 % | -2, +1 % |
/// | H2/M/c | +5, -17 % | -6, -25 % | +5, -12 % |
///
/// ```
/// use wavetank::stats::queueing::GiGc;
/// let queue =
///     GiGc { arrival_rate: 9.0, arrival_scv: 1.0, mean_service: 1.0, service_scv: 0.5, servers: 10 };
/// // Erlang C 0.66873 over 10 - 9, times (1 + 0.5) / 2.
/// assert!((queue.allen_cunneen() - 0.501_55).abs() < 1e-5);
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct GiGc {
    /// Arrivals per unit of time.
    pub arrival_rate: f64,
    /// Squared coefficient of variation of the gaps between arrivals.
    pub arrival_scv: f64,
    /// Mean service time.
    pub mean_service: f64,
    /// Squared coefficient of variation of the service times.
    pub service_scv: f64,
    /// The number of servers.
    pub servers: u32,
}

impl GiGc {
    /// The queue with exponential gaps and services of the same means.
    fn markovian(&self) -> Mmc {
        check_variability(self.arrival_scv);
        check_variability(self.service_scv);
        Mmc::new(self.arrival_rate, self.mean_service, self.servers)
    }

    /// Mean wait by Allen and Cunneen (Allen, Probability, Statistics and Queueing Theory, 1978): that of M/M/c times
    /// (arrival scv + service scv) / 2. With one server it is the heavy-traffic approximation of Kingman (1961),
    /// with Poisson arrivals the approximation of Lee and Longton (1959) for M/G/c.
    ///
    /// # Panics
    /// When an argument is out of range (see the conventions of [`queueing`](super)).
    pub fn allen_cunneen(&self) -> f64 {
        self.scaled(&self.markovian(), 1.0)
    }

    /// Mean wait by Kraemer and Langenbach-Belz (1976): the above times
    /// exp(-2 (1 - rho) (1 - ca)^2 / (3 rho (ca + cs))) where ca <= 1 and exp(-(1 - rho) (ca - 1) / (ca + 4 cs)) where
    /// ca > 1, with ca and cs the squared coefficients of variation of gaps and services. They gave it for one server;
    /// for several the factor is used as in Bolch et al., Queueing Networks and Markov Chains (2006).
    ///
    /// # Panics
    /// When an argument is out of range (see the conventions of [`queueing`](super)).
    pub fn kraemer_langenbach_belz(&self) -> f64 {
        let queue = self.markovian();
        let (arrivals, services, load) = (self.arrival_scv, self.service_scv, queue.utilisation());
        let idle = 1.0 - load;
        let exponent = if arrivals <= 1.0 {
            2.0 * idle * (1.0 - arrivals) * (1.0 - arrivals) / (3.0 * load * (arrivals + services))
        } else {
            idle * (arrivals - 1.0) / (arrivals + 4.0 * services)
        };
        self.scaled(&queue, libm::exp(-exponent))
    }

    /// Mean wait by Whitt, "Approximations for the GI/G/m queue" (Production and Operations Management 2, 1993),
    /// equations 2.16 to 2.25: that of Allen and Cunneen times a factor which interpolates between corrections for
    /// M/D/c, D/M/c and M/M/c, in part those of Cosmetatos (1975).
    ///
    /// # Panics
    /// When an argument is out of range (see the conventions of [`queueing`](super)).
    pub fn whitt(&self) -> f64 {
        let queue = self.markovian();
        let load = queue.utilisation();
        if load == 0.0 || load >= 1.0 {
            return queue.mean_wait();
        }
        let factor = whitt_factor(load, self.servers, self.arrival_scv, self.service_scv);
        self.scaled(&queue, factor)
    }

    /// The wait of `queue` times the mean variability and `factor`; one that is infinite stays so.
    fn scaled(&self, queue: &Mmc, factor: f64) -> f64 {
        if !queue.is_stable() || queue.arrival_rate() == 0.0 {
            return queue.mean_wait();
        }
        queue.mean_wait() * (self.arrival_scv + self.service_scv) / 2.0 * factor
    }
}

/// What Whitt's approximation multiplies the wait of Allen and Cunneen by ([`GiGc::whitt`]), at a `load` above 0 and
/// below 1 of that many servers. For those who know the wait in M/M/c already.
pub fn whitt_factor(load: f64, servers: u32, arrival_scv: f64, service_scv: f64) -> f64 {
    let gamma = cosmetatos_correction(load, servers).min(0.24);
    let constant_services = 1.0 + gamma;
    let constant_gaps = (1.0 - 4.0 * gamma) * libm::exp(-2.0 * (1.0 - load) / (3.0 * load));
    let both = ((constant_services + constant_gaps) / 2.0).min(1.0);
    let (arrivals, services) = (arrival_scv, service_scv);
    let mean = (arrivals + services) / 2.0;
    let alike = if mean >= 1.0 { 1.0 } else { libm::pow(both, 2.0 * (1.0 - mean)) };
    if mean == 0.0 {
        0.0
    } else if arrivals >= services {
        (4.0 * (arrivals - services) * constant_services + services * alike) / (4.0 * arrivals - 3.0 * services)
    } else {
        ((services - arrivals) * constant_gaps + (services + 3.0 * arrivals) * alike) / (4.0 * mean)
    }
}

#[cfg(test)]
mod tests {
    use super::super::oracle::stationary;
    use super::super::{GiM1, mdc_mean_wait};
    use super::*;

    fn close(found: f64, expected: f64, tolerance: f64) {
        assert!((found - expected).abs() <= tolerance * expected.abs(), "{found}, not {expected}");
    }

    fn queue(load: f64, arrival_scv: f64, service_scv: f64, servers: u32) -> GiGc {
        let arrival_rate = load * f64::from(servers);
        GiGc { arrival_rate, arrival_scv, mean_service: 1.0, service_scv, servers }
    }

    fn approximations(queue: GiGc) -> [f64; 3] {
        [queue.allen_cunneen(), queue.kraemer_langenbach_belz(), queue.whitt()]
    }

    #[test]
    fn one_server_with_poisson_arrivals() {
        for load in [0.1, 0.7, 0.99] {
            // Exponential services: M/M/1. Constant ones: half.
            close(mg1_mean_wait(load, 1.0, 1.0), load / (1.0 - load), 1e-12);
            close(mg1_mean_wait(load, 1.0, 0.0), load / (1.0 - load) / 2.0, 1e-12);
            for service_scv in [0.0, 0.3, 1.0, 8.0] {
                let exact = mg1_mean_wait(load, 1.0, service_scv);
                let [kingman, kraemer, _] = approximations(queue(load, 1.0, service_scv, 1));
                close(kingman, exact, 1e-12);
                close(kraemer, exact, 1e-12);
                assert!(kingman_bound(load, 1.0, 1.0, service_scv) > exact);
            }
        }
        assert_eq!(mg1_mean_wait(1.0, 1.0, 0.0), f64::INFINITY);
        assert_eq!(kingman_bound(2.0, 0.0, 0.5, 0.0), f64::INFINITY);
    }

    #[test]
    fn exponential_everything() {
        for servers in [1, 2, 10, 300] {
            for load in [0.3, 0.95] {
                let exact = Mmc::new(load * f64::from(servers), 1.0, servers).mean_wait();
                approximations(queue(load, 1.0, 1.0, servers)).iter().for_each(|&found| close(found, exact, 1e-12));
            }
        }
    }

    #[test]
    fn edges() {
        for found in approximations(queue(1.0, 0.2, 0.3, 4)) {
            assert_eq!(found, f64::INFINITY);
        }
        for found in approximations(queue(0.0, 0.0, 3.0, 4)).into_iter().chain(approximations(queue(0.7, 0.0, 0.0, 4)))
        {
            assert_eq!(found, 0.0);
        }
        assert_eq!(kingman_bound(0.5, 0.0, 1.0, 0.0), 0.0);
    }

    #[test]
    fn constant_gaps_before_one_server() {
        for load in [0.5, 0.8, 0.95] {
            let exact = GiM1::deterministic(load, 1.0).mean_wait();
            let [kingman, kraemer, whitt] = approximations(queue(load, 0.0, 1.0, 1));
            let bound = kingman_bound(load, 0.0, 1.0, 1.0);
            assert!(exact < kraemer && kraemer < whitt && whitt < kingman && exact < bound, "{load}");
            close(kraemer, exact, 0.007);
        }
    }

    /// A time of up to two exponential phases of mean 1.
    #[derive(Clone, Copy)]
    struct Phases {
        start_second: f64,
        rates: [f64; 2],
        onward: f64,
    }

    const EXPONENTIAL: Phases = Phases { start_second: 0.0, rates: [1.0, 1.0], onward: 0.0 };
    /// Squared coefficient of variation 1 / 2.
    const ERLANG_2: Phases = Phases { start_second: 0.0, rates: [2.0, 2.0], onward: 1.0 };

    /// Balanced means, p = (1 + sqrt((scv - 1) / (scv + 1))) / 2.
    fn hyperexponential(scv: f64) -> Phases {
        let p = (1.0 + ((scv - 1.0) / (scv + 1.0)).sqrt()) / 2.0;
        Phases { start_second: 1.0 - p, rates: [2.0 * p, 2.0 * (1.0 - p)], onward: 0.0 }
    }

    /// Mean wait by the chain on number, phase of the gap and number of services in their second phase.
    fn wait_with_phases(load: f64, servers: usize, gaps: Phases, services: Phases) -> f64 {
        const NUMBERS: usize = 110;
        let seconds = if services.start_second + services.onward > 0.0 { servers + 1 } else { 1 };
        let at = |number: usize, gap: usize, second: usize| (number * 2 + gap) * seconds + second;
        let mut rates = vec![vec![0.0; NUMBERS * 2 * seconds]; NUMBERS * 2 * seconds];
        let arrivals = load * servers as f64;
        let starts = |phases: Phases| [(0, 1.0 - phases.start_second), (1, phases.start_second)];
        for (state, row) in rates.iter_mut().enumerate() {
            let (number, gap, second) = (state / seconds / 2, state / seconds % 2, state % seconds);
            let busy = number.min(servers);
            if second > busy {
                // Such states cannot be, but all states must lead to state 0.
                row[0] = 1.0;
                continue;
            }
            let gap_rate = arrivals * gaps.rates[gap];
            let onward = if gap == 0 { gaps.onward } else { 0.0 };
            row[at(number, 1, second)] += gap_rate * onward;
            for (next_gap, share) in starts(gaps).into_iter().filter(|_| number + 1 < NUMBERS) {
                for (more, chance) in if busy < servers { starts(services) } else { [(0, 1.0), (0, 0.0)] } {
                    if chance > 0.0 {
                        row[at(number + 1, next_gap, second + more)] += gap_rate * (1.0 - onward) * share * chance;
                    }
                }
            }
            let (first_rate, second_rate) =
                (services.rates[0] * (busy - second) as f64, services.rates[1] * second as f64);
            if services.onward > 0.0 && busy > second {
                row[at(number, gap, second + 1)] += first_rate * services.onward;
            }
            for (more, chance) in if number > servers { starts(services) } else { [(0, 1.0), (0, 0.0)] } {
                if busy > second && chance > 0.0 {
                    row[at(number - 1, gap, second + more)] += first_rate * (1.0 - services.onward) * chance;
                }
                if second > 0 && chance > 0.0 {
                    row[at(number - 1, gap, second - 1 + more)] += second_rate * chance;
                }
            }
        }
        let waiting = stationary(rates);
        let waiting = waiting.iter().enumerate();
        let length: f64 = waiting.map(|(state, p)| (state / seconds / 2).saturating_sub(servers) as f64 * p).sum();
        length / arrivals
    }

    #[test]
    fn the_oracle_knows_what_is_exact() {
        for load in [0.5, 0.7] {
            let bursty = hyperexponential(4.0);
            close(wait_with_phases(load, 1, ERLANG_2, EXPONENTIAL), GiM1::gamma(load, 2.0, 1.0).mean_wait(), 1e-6);
            let expected = GiM1::hyperexponential(load, 4.0, 1.0).mean_wait();
            close(wait_with_phases(load, 1, bursty, EXPONENTIAL), expected, 1e-5);
            close(wait_with_phases(load, 1, EXPONENTIAL, bursty), mg1_mean_wait(load, 1.0, 4.0), 1e-4);
            close(wait_with_phases(load, 1, EXPONENTIAL, ERLANG_2), mg1_mean_wait(load, 1.0, 0.5), 1e-6);
            let pooled = Mmc::new(3.0 * load, 1.0, 3).mean_wait();
            close(wait_with_phases(load, 3, EXPONENTIAL, EXPONENTIAL), pooled, 1e-6);
        }
    }

    #[test]
    fn errors_are_as_documented() {
        let bursty = hyperexponential(4.0);
        let errors = |servers: u32| {
            let rate = 0.7 * f64::from(servers);
            let chain = |gaps, services| wait_with_phases(0.7, servers as usize, gaps, services);
            let rows = [
                (1.0, 0.0, mdc_mean_wait(rate, 1.0, servers)),
                (1.0, 0.5, chain(EXPONENTIAL, ERLANG_2)),
                (1.0, 4.0, chain(EXPONENTIAL, bursty)),
                (0.5, 1.0, chain(ERLANG_2, EXPONENTIAL)),
                (0.5, 0.5, chain(ERLANG_2, ERLANG_2)),
                (4.0, 1.0, chain(bursty, EXPONENTIAL)),
            ];
            rows.map(|(arrival_scv, service_scv, exact)| {
                let found = approximations(queue(0.7, arrival_scv, service_scv, servers));
                found.map(|found| (100.0 * (found / exact - 1.0)).round() as i32)
            })
        };
        assert_eq!(errors(1), [[0, 0, 0], [0, 0, -1], [0, 0, -7], [9, 4, -1], [12, 5, -2], [5, -6, 5]]);
        assert_eq!(errors(4), [[-6, -6, 0], [-2, -2, 0], [14, 14, 0], [21, 15, 3], [24, 15, 1], [-17, -25, -12]]);
    }
}
