//! Queues with constant service times: M/D/1 with its whole waiting-time distribution, and the mean of M/D/c.

use std::f64::consts::TAU;

use super::numeric::{falling_root, poisson, poisson_at_least, poisson_excess};
use super::{Mmc, check_probability, check_queue, check_time, mg1_mean_wait};

/// M/D/1: Poisson arrivals, one server, every service takes `service`. Exact.
///
/// The classical waiting-time distribution (Erlang 1909, Crommelin 1932) is an alternating sum that loses all digits
/// within some tens of services. Here instead: the number in the system by the recursion of Tijms, Stochastic Models
/// (1994), 4.2, and the wait by the formula of Franx, "A simple solution for the M/D/c waiting time distribution"
/// (2001), all of whose terms are positive.
///
/// ```
/// use wavetank::stats::queueing::Md1;
/// // Half of the wait in M/M/1: rho / (2 (1 - rho)) = 2.
/// assert!((Md1::new(0.8, 1.0).mean_wait() - 2.0).abs() < 1e-12);
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Md1 {
    arrival_rate: f64,
    service: f64,
}

impl Md1 {
    /// The queue with these arrivals and this service time.
    ///
    /// # Panics
    /// When an argument is out of range (see the conventions of [`queueing`](super)).
    pub fn new(arrival_rate: f64, service: f64) -> Md1 {
        check_queue(arrival_rate, service, 1);
        Md1 { arrival_rate, service }
    }

    fn load(&self) -> f64 {
        self.arrival_rate * self.service
    }

    /// Mean wait: rho D / (2 (1 - rho)).
    pub fn mean_wait(&self) -> f64 {
        mg1_mean_wait(self.arrival_rate, self.service, 0.0)
    }

    /// Mean wait plus service.
    pub fn mean_sojourn(&self) -> f64 {
        self.mean_wait() + self.service
    }

    /// The probability of `number` customers in the system. Takes O(`number`).
    pub fn number_probability(&self, number: u32) -> f64 {
        if self.load() >= 1.0 {
            return 0.0;
        }
        let mut numbers = Md1Numbers::new(self.load());
        numbers.extend_to(number as usize);
        numbers.probabilities[number as usize]
    }

    /// P(wait > `time`). Takes O(`time` / `service`) time and space.
    ///
    /// # Panics
    /// When the time is negative or not finite.
    pub fn wait_tail(&self, time: f64) -> f64 {
        check_time(time);
        if self.load() >= 1.0 {
            return 1.0;
        }
        let mut numbers = Md1Numbers::new(self.load());
        let services = libm::floor(time / self.service);
        numbers.extend_to(services as usize + 1);
        numbers.wait_tail(services as usize + 1, self.load() * (services + 1.0 - time / self.service))
    }

    /// The quantile of the wait; 0 up to the probability 1 - rho of not waiting. Takes O(quantile / `service`).
    ///
    /// # Panics
    /// When the probability is not within 0 to 1.
    pub fn wait_quantile(&self, probability: f64) -> f64 {
        check_probability(probability);
        let (load, beyond) = (self.load(), 1.0 - probability);
        if load >= 1.0 || beyond <= 0.0 {
            return f64::INFINITY;
        }
        if load <= beyond {
            return 0.0;
        }
        // P(wait > k services) = P(number > k), so the numbers say which service it is.
        let mut numbers = Md1Numbers::new(load);
        let mut services = 0;
        while numbers.more_than(services) > beyond {
            services += 1;
            numbers.extend_to(services);
        }
        let left = falling_root(0.0, load, |arrivals| beyond - numbers.wait_tail(services, arrivals));
        (services as f64 - left / load) * self.service
    }
}

/// The distribution of the number in M/D/1, as far as it was asked for.
struct Md1Numbers {
    load: f64,
    /// p(0), p(1), ...
    probabilities: Vec<f64>,
    /// P(more than m arrivals during a service), until it is 0 as a float.
    exceed: Vec<f64>,
    /// The sums of the above from m on.
    exceed_sums: Vec<f64>,
}

impl Md1Numbers {
    fn new(load: f64) -> Md1Numbers {
        let mut exceed: Vec<f64> = (1..).map(|m| poisson_at_least(load, m)).take_while(|&p| p > 0.0).collect();
        if exceed.is_empty() {
            exceed.push(0.0);
        }
        let mut exceed_sums = exceed.clone();
        for m in (1..exceed_sums.len()).rev() {
            exceed_sums[m - 1] += exceed_sums[m];
        }
        Md1Numbers { load, probabilities: vec![1.0 - load], exceed, exceed_sums }
    }

    /// p(j) e^-rho = p(0) P(A > j - 1) + sum over 0 < k < j of p(k) P(A > j - k), with A arrivals during a service.
    fn extend_to(&mut self, number: usize) {
        let growth = libm::exp(self.load);
        while self.probabilities.len() <= number {
            let at = self.probabilities.len();
            let first = self.probabilities[0] * self.exceed.get(at - 1).copied().unwrap_or(0.0);
            let sum = first + convolution(&self.probabilities, &self.exceed, at);
            self.probabilities.push(sum * growth);
        }
    }

    /// P(number > n), from p(1) to p(n): the recursion above, summed from n + 1 on. Nothing is subtracted, so far tails
    /// keep their digits.
    fn more_than(&self, n: usize) -> f64 {
        let sums = |m: usize| self.exceed_sums.get(m).copied().unwrap_or(0.0);
        let known = &self.probabilities[..=n];
        sums(n) + convolution(known, &self.exceed_sums, n + 1) / (1.0 - self.load)
    }

    /// P(wait > t) for t in the `services`-th service time, where `arrivals` are expected in what is left of it: who
    /// waits longer has more customers before him than are served until then.
    fn wait_tail(&self, services: usize, arrivals: f64) -> f64 {
        let mut sum = poisson_at_least(arrivals, services as u64);
        for during in 0..services {
            let probability = poisson(arrivals, during as u64);
            if probability == 0.0 {
                break;
            }
            sum += probability * self.more_than(services - during);
        }
        sum
    }
}

/// The sum of `probabilities[k]` `weights[at - k]` over 0 < k < `at`.
fn convolution(probabilities: &[f64], weights: &[f64], at: usize) -> f64 {
    let first = at.saturating_sub(weights.len() - 1).max(1);
    (first..at).map(|k| probabilities[k] * weights[at - k]).sum()
}

/// Mean wait in M/D/c, exact (Pollaczek 1930, Crommelin 1932; both forms in Janssen and van Leeuwaarden, "Back to the
/// roots of the M/D/s queue", 2008).
///
/// The mean queue length is that of a random walk that gains a Poisson number of arrivals and loses c each service:
/// by Spitzer's identity the sum over l of E((Poisson(l a) - l c)+) / l, which is used where it converges soon. Near
/// capacity it is instead the formula with the c roots of z^c = e^(a (z - 1)) in the unit disk, O(c), which loses up to
/// three digits to cancellation at 10^5 servers.
///
/// # Panics
/// When an argument is out of range (see the conventions of [`queueing`](super)).
///
/// ```
/// use wavetank::stats::queueing::mdc_mean_wait;
/// assert!((mdc_mean_wait(0.8, 1.0, 1) - 2.0).abs() < 1e-12);
/// ```
pub fn mdc_mean_wait(arrival_rate: f64, service: f64, servers: u32) -> f64 {
    check_queue(arrival_rate, service, servers);
    let (load, count) = (arrival_rate * service, f64::from(servers));
    if load >= count {
        return f64::INFINITY;
    }
    if load == 0.0 || servers == 1 {
        return mg1_mean_wait(arrival_rate, service, 0.0);
    }
    // Terms fall by e^-decay each.
    let decay = load - count - count * libm::log(load / count);
    let length = if decay > 0.2 { length_by_series(load, servers) } else { length_by_roots(load, servers) };
    length / arrival_rate
}

fn length_by_series(load: f64, servers: u32) -> f64 {
    let mut sum = 0.0;
    for services in 1u32.. {
        let times = f64::from(services);
        let next = sum + poisson_excess(times * load, u64::from(services) * u64::from(servers)) / times;
        if next == sum {
            break;
        }
        sum = next;
    }
    sum
}

fn length_by_roots(load: f64, servers: u32) -> f64 {
    let count = f64::from(servers);
    // Roots are real or come in conjugate pairs, whose 1 / (1 - z) sum to twice the real part.
    let pairs = (servers - 1) / 2;
    let mut sum: f64 = (1..=pairs).map(|k| 2.0 * real_of_root(load / count, TAU * f64::from(k) / count)).sum();
    if servers.is_multiple_of(2) {
        sum += real_of_root(load / count, TAU / 2.0);
    }
    // (a^2 - c (c - 1)) / (2 (c - a)), with the squares factored.
    let spare = count - load;
    sum + (count / spare - (count + load)) / 2.0
}

/// The real part of 1 / (1 - z), where z = w e^(rho (z - 1)) with w on the unit circle at `angle`.
fn real_of_root(rho: f64, angle: f64) -> f64 {
    let (mut re, mut im) = (0.0, 0.0);
    for round in 0..200 {
        let size = libm::exp(rho * (re - 1.0));
        let turn = angle + rho * im;
        let (image_re, image_im) = (size * libm::cos(turn), size * libm::sin(turn));
        // Some contractions lead near the root, then Newton's steps finish.
        let (gap_re, gap_im) = (re - image_re, im - image_im);
        let (slope_re, slope_im) = if round < 8 { (1.0, 0.0) } else { (1.0 - rho * image_re, -rho * image_im) };
        let square = slope_re * slope_re + slope_im * slope_im;
        let step_re = (gap_re * slope_re + gap_im * slope_im) / square;
        let step_im = (gap_im * slope_re - gap_re * slope_im) / square;
        (re, im) = (re - step_re, im - step_im);
        if step_re.abs() + step_im.abs() < 1e-13 {
            break;
        }
    }
    (1.0 - re) / ((1.0 - re) * (1.0 - re) + im * im)
}

/// Mean wait in M/D/c by the approximation of Cosmetatos, "Approximate explicit formulae for the average queueing time
/// in the processes (M/D/r) and (D/M/r)" (1975): half of that in M/M/c, times
/// 1 + (1 - rho) (c - 1) (sqrt(4 + 5 c) - 2) / (16 rho c).
///
/// Measured against [`mdc_mean_wait`]: within 1.5 % for 2 to 50 servers where the utilisation is at least one half and
/// an arrival waits with a probability of at least 0.1; 8 % too small for 1000 servers at 0.9, where one in 1700 waits.
///
/// # Panics
/// When an argument is out of range (see the conventions of [`queueing`](super)).
pub fn mdc_mean_wait_cosmetatos(arrival_rate: f64, service: f64, servers: u32) -> f64 {
    let queue = Mmc::new(arrival_rate, service, servers);
    if arrival_rate == 0.0 || !queue.is_stable() {
        return queue.mean_wait();
    }
    (1.0 + cosmetatos_correction(queue.utilisation(), servers)) / 2.0 * queue.mean_wait()
}

/// (1 - rho) (c - 1) (sqrt(4 + 5 c) - 2) / (16 rho c).
pub(super) fn cosmetatos_correction(utilisation: f64, servers: u32) -> f64 {
    let count = f64::from(servers);
    (1.0 - utilisation) * (count - 1.0) * (libm::sqrt(4.0 + 5.0 * count) - 2.0) / (16.0 * utilisation * count)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn close(found: f64, expected: f64, tolerance: f64) {
        assert!((found - expected).abs() <= tolerance * expected.abs(), "{found}, not {expected}");
    }

    /// The sum of Erlang and Crommelin, good for some services.
    fn alternating_sum(load: f64, time: f64) -> f64 {
        let mut sum = 0.0;
        for k in 0..=time.floor() as i32 {
            let left = load * (time - f64::from(k));
            let factorial: f64 = (1..=k).map(f64::from).product();
            sum += left.exp() * (-left).powi(k) / factorial;
        }
        1.0 - (1.0 - load) * sum
    }

    #[test]
    fn waits_are_those_of_the_alternating_sum() {
        for load in [0.1, 0.5, 0.8, 0.95] {
            let queue = Md1::new(load / 4.0, 4.0);
            for time in [0.0, 0.2, 0.999, 1.0, 1.5, 2.0, 3.7, 6.2] {
                let (found, expected) = (queue.wait_tail(4.0 * time), alternating_sum(load, time));
                assert!((found - expected).abs() < 1e-11, "{load} {time}: {found} {expected}");
            }
        }
    }

    #[test]
    fn numbers_of_a_half_loaded_queue() {
        // p0 = 1 - rho, p1 = (1 - rho) (e^rho - 1), p2 = (1 - rho) (e^2rho - e^rho (1 + rho)).
        let (queue, root) = (Md1::new(0.5, 1.0), 0.5f64.exp());
        close(queue.number_probability(0), 0.5, 1e-15);
        close(queue.number_probability(1), 0.5 * (root - 1.0), 1e-14);
        close(queue.number_probability(2), 0.5 * (root * root - 1.5 * root), 1e-14);
        let mut numbers = Md1Numbers::new(0.5);
        numbers.extend_to(60);
        close(numbers.probabilities.iter().sum(), 1.0, 1e-14);
        // rho + rho^2 / (2 (1 - rho)) = 0.75.
        close((0u32..).zip(&numbers.probabilities).map(|(n, p)| f64::from(n) * p).sum(), 0.75, 1e-14);
        for n in [0, 1, 5, 20] {
            close(numbers.more_than(n), numbers.probabilities[n + 1..].iter().rev().sum(), 1e-12);
        }
    }

    #[test]
    fn far_tails_fall_geometrically() {
        // The tail falls by 1 / eta each service, with e^(rho (eta - 1)) = eta: at load 0.9 eta = 1.2187.
        let mut numbers = Md1Numbers::new(0.9);
        numbers.extend_to(2000);
        let eta = falling_root(1.05, 3.0, |eta| eta - (0.9 * (eta - 1.0)).exp());
        for n in [50, 500, 1900] {
            close(numbers.more_than(n) / numbers.more_than(n + 1), eta, 1e-10);
        }
        assert!(numbers.more_than(2000) > 0.0 && numbers.more_than(2000) < 1e-160);
    }

    #[test]
    fn waits_integrate_to_their_mean() {
        for load in [0.3, 0.9] {
            let queue = Md1::new(load, 1.0);
            // Trapezoids; the tail is smooth within each service.
            let (steps_each, width) = (50, 0.02);
            let steps = if load > 0.5 { 100 } else { 30 } * steps_each;
            let inner: f64 = (1..steps).map(|i| queue.wait_tail(f64::from(i) * width)).sum();
            let area = width * (inner + load / 2.0);
            close(area, queue.mean_wait(), 1e-4);
        }
    }

    #[test]
    fn quantiles_invert_the_tail() {
        for load in [0.2, 0.8, 0.99] {
            let queue = Md1::new(load / 3.0, 3.0);
            for probability in [0.0, 0.5, 0.9, 0.99, 0.9999] {
                let quantile = queue.wait_quantile(probability);
                if probability <= 1.0 - load {
                    assert_eq!(quantile, 0.0);
                } else {
                    close(queue.wait_tail(quantile), 1.0 - probability, 1e-9);
                }
            }
        }
        let full = Md1::new(1.0, 1.0);
        assert_eq!((full.wait_quantile(0.5), full.mean_wait()), (f64::INFINITY, f64::INFINITY));
        assert_eq!((full.wait_tail(5.0), full.number_probability(2)), (1.0, 0.0));
        let idle = Md1::new(0.0, 1.0);
        assert_eq!((idle.wait_tail(0.0), idle.wait_quantile(0.999), idle.number_probability(0)), (0.0, 0.0, 1.0));
    }

    /// The queue length by iterating what happens in one service time: up to c leave, a Poisson number arrives.
    fn length_by_iteration(load: f64, servers: usize) -> f64 {
        let states = 250;
        let arrivals: Vec<f64> = (0..200).map(|n| poisson(load, n)).collect();
        let mut numbers = vec![0.0; states];
        numbers[0] = 1.0;
        for _ in 0..1200 {
            let mut next = vec![0.0; states];
            for (number, probability) in numbers.iter().enumerate() {
                let left = number.saturating_sub(servers);
                for (more, chance) in arrivals.iter().enumerate().take(states - left) {
                    next[left + more] += probability * chance;
                }
            }
            numbers = next;
        }
        numbers.iter().enumerate().map(|(n, p)| n.saturating_sub(servers) as f64 * p).sum()
    }

    #[test]
    fn several_servers_as_iterated() {
        for (load, servers) in [(0.4, 2u32), (1.7, 2), (2.4, 3), (8.5, 10), (18.0, 20)] {
            let expected = length_by_iteration(load, servers as usize);
            close(mdc_mean_wait(load, 1.0, servers) * load, expected, 1e-8);
            close(length_by_series(load, servers), expected, 1e-8);
            close(length_by_roots(load, servers), expected, 1e-8);
        }
    }

    #[test]
    fn series_and_roots_agree_where_they_meet() {
        for (load, servers) in [(1.4, 2u32), (9.0, 11), (95.0, 100), (995.0, 1015), (99_800.0, 100_000)] {
            let (series, roots) = (length_by_series(load, servers), length_by_roots(load, servers));
            close(roots, series, 1e-10);
        }
        // Half of M/M/c in heavy traffic.
        close(mdc_mean_wait(9.9999, 1.0, 10), Mmc::new(9.9999, 1.0, 10).mean_wait() / 2.0, 1e-3);
        assert_eq!(mdc_mean_wait(2.0, 1.0, 2), f64::INFINITY);
    }

    #[test]
    fn cosmetatos_is_near_where_it_says() {
        for servers in 2..=50 {
            for percent in (50..100).step_by(5) {
                let load = f64::from(servers) * f64::from(percent) / 100.0;
                if Mmc::new(load, 1.0, servers).probability_of_waiting() >= 0.1 {
                    let exact = mdc_mean_wait(load, 1.0, servers);
                    let error = mdc_mean_wait_cosmetatos(load, 1.0, servers) / exact - 1.0;
                    assert!(error.abs() < 0.015, "{servers} {percent}: {error}");
                }
            }
        }
        close(mdc_mean_wait_cosmetatos(900.0, 1.0, 1000), 0.919 * mdc_mean_wait(900.0, 1.0, 1000), 1e-3);
        close(mdc_mean_wait_cosmetatos(0.8, 1.0, 1), 2.0, 1e-12);
        assert_eq!(mdc_mean_wait_cosmetatos(2.0, 1.0, 2), f64::INFINITY);
        assert_eq!(mdc_mean_wait_cosmetatos(0.0, 1.0, 2), 0.0);
    }
}
