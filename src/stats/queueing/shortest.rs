//! Join-the-shortest-queue before two servers, solved as a Markov chain.

use super::sojourn::NEGLIGIBLE;
use super::{SojournDistribution, check_queue};

/// The difference of the queues is followed up to here. In heavy traffic its probabilities fall to a third each; with
/// 28 instead, results are the same to 1e-12.
const GAP_MAX: usize = 40;

/// Join-the-shortest-queue with two servers, Poisson arrivals and exponential services, each queue in order of arrival;
/// ties go to either. There is no simple closed form (Flatto and McKean 1977; Adan, Wessels and Zijm 1990 give series);
/// this is a numerical solution of the chain, to about 1e-12.
///
/// The chain on shorter queue and difference is cut at a difference of 40, where a customer moves over. Beyond, both
/// servers are always busy, and levels of equal total number repeat. They are solved from above by block elimination
/// (Neuts, Matrix-Geometric Solutions in Stochastic Models, 1981).
///
/// ```
/// use wavetank::stats::queueing::{Mmc, ShortestOfTwo};
/// // At 90 % two queues with a good choice are nearly as good as one queue for both.
/// let (apart, pooled) = (ShortestOfTwo::new(1.8, 1.0), Mmc::new(1.8, 1.0, 2));
/// assert!(apart.mean_sojourn() > pooled.mean_sojourn() && apart.mean_sojourn() < 1.1 * pooled.mean_sojourn());
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct ShortestOfTwo {
    mean_service: f64,
    /// The probabilities that the shorter queue holds at least 0, 1, ... customers; `None` without a steady state.
    shorter_at_least: Option<Vec<f64>>,
}

impl ShortestOfTwo {
    /// Two servers of this mean service with `arrival_rate` arrivals for both together. Takes O(1 / (1 - rho)).
    ///
    /// # Panics
    /// When an argument is out of range (see the conventions of [`queueing`](super)).
    pub fn new(arrival_rate: f64, mean_service: f64) -> ShortestOfTwo {
        check_queue(arrival_rate, mean_service, 2);
        let load = arrival_rate * mean_service;
        let shorter_at_least = (load < 2.0).then(|| shorter_at_least(load));
        ShortestOfTwo { mean_service, shorter_at_least }
    }

    /// The probability that an arrival finds at least `customers` customers in the queue that it joins; 1 without a
    /// steady state.
    pub fn joined_with_at_least(&self, customers: u32) -> f64 {
        let Some(found) = &self.shorter_at_least else { return 1.0 };
        found.get(customers as usize).copied().unwrap_or(0.0)
    }

    /// The probability that an arrival has to wait: both servers are busy.
    pub fn probability_of_waiting(&self) -> f64 {
        self.joined_with_at_least(1)
    }

    /// The distribution of the sojourn: who joins k customers stays for k + 1 services.
    pub fn sojourns(&self) -> SojournDistribution {
        match &self.shorter_at_least {
            Some(found) => SojournDistribution::new(1.0 / self.mean_service, found.clone()),
            None => SojournDistribution::infinite(),
        }
    }

    /// Mean sojourn.
    pub fn mean_sojourn(&self) -> f64 {
        self.sojourns().mean()
    }

    /// Mean wait.
    pub fn mean_wait(&self) -> f64 {
        self.mean_sojourn() - self.mean_service
    }
}

type Matrix = Vec<Vec<f64>>;

/// The gaps that a total number can have: those of its parity, up to itself and to the greatest.
fn gaps(total: usize) -> Vec<usize> {
    (0..=total.min(GAP_MAX)).filter(|gap| gap % 2 == total % 2).collect()
}

/// The rates down from the states of `total` to those of `total` - 1, in services per mean service.
fn rates_down(total: usize) -> Matrix {
    let below = gaps(total - 1);
    let row = |gap: usize| {
        let shorter = (total - gap) / 2;
        let mut row = vec![0.0; below.len()];
        // The longer queue serves; of equal ones either becomes the shorter.
        let nearer = if gap == 0 { 1 } else { gap - 1 };
        row[nearer / 2] += 1.0;
        if shorter > 0 {
            // The shorter serves; at the greatest gap a customer moves over.
            let further = if gap == GAP_MAX { gap - 1 } else { gap + 1 };
            row[further / 2] += 1.0;
        }
        row
    };
    gaps(total).into_iter().map(row).collect()
}

/// The gap after an arrival, which goes to the shorter queue.
fn gap_after_arrival(gap: usize) -> usize {
    if gap == 0 { 1 } else { gap - 1 }
}

/// The matrix that leads from the probabilities of `total` - 1 to those of `total`, given `above`, the one from `total`
/// to `total` + 1: arrivals from below, times the inverse of what flows out and does not come back from above.
fn step(load: f64, total: usize, above: &Matrix) -> Matrix {
    let own = gaps(total);
    let (down, down_above) = (rates_down(total), rates_down(total + 1));
    // Balance: p(total) out = p(total - 1) arrivals + p(total) above down_above.
    let mut flow: Matrix = own.iter().map(|_| vec![0.0; own.len()]).collect();
    for (from, row) in flow.iter_mut().enumerate() {
        row[from] += load + down[from].iter().sum::<f64>();
        for (middle, share) in above[from].iter().enumerate() {
            for (to, rate) in down_above[middle].iter().enumerate() {
                row[to] -= share * rate;
            }
        }
    }
    let inverse_rows = inverse(flow);
    let arrival = |gap: usize| inverse_rows[gap_after_arrival(gap) / 2].iter().map(|rate| load * rate).collect();
    gaps(total - 1).into_iter().map(arrival).collect()
}

/// The same where arrivals at `total` are refused, and nothing is above.
fn step_refused(load: f64, total: usize) -> Matrix {
    let out: Vec<f64> = rates_down(total).iter().map(|row| row.iter().sum()).collect();
    let arrival = |gap: usize| {
        let mut row = vec![0.0; out.len()];
        let to = gap_after_arrival(gap) / 2;
        row[to] = load / out[to];
        row
    };
    gaps(total - 1).into_iter().map(arrival).collect()
}

/// Gauss and Jordan's inverse, of a matrix whose diagonal dominates.
fn inverse(mut matrix: Matrix) -> Matrix {
    let size = matrix.len();
    for (index, row) in matrix.iter_mut().enumerate() {
        row.extend((0..size).map(|column| f64::from(u8::from(column == index))));
    }
    for pivot in 0..size {
        let divisor = matrix[pivot][pivot];
        matrix[pivot].iter_mut().for_each(|value| *value /= divisor);
        let pivot_row = matrix[pivot].clone();
        for (index, row) in matrix.iter_mut().enumerate() {
            let factor = row[pivot];
            if index != pivot && factor != 0.0 {
                row.iter_mut().zip(&pivot_row).for_each(|(value, of_pivot)| *value -= factor * of_pivot);
            }
        }
    }
    matrix.into_iter().map(|row| row[size..].to_vec()).collect()
}

/// Steps from 0 customers to 1, 2, ... up to `GAP_MAX` + 2; from `GAP_MAX` on, steps depend on the parity alone.
fn steps(load: f64) -> Vec<Matrix> {
    // Start where arrivals are refused, far enough above for that to be forgotten: it already has the right growth.
    let top = 8 * GAP_MAX;
    let mut above = step_refused(load, top);
    let mut found = Vec::new();
    for total in (1..top).rev() {
        above = step(load, total, &above);
        if total <= GAP_MAX + 2 {
            found.push(above.clone());
        }
    }
    found.reverse();
    found
}

/// The tail of the shorter queue's length, down to negligible probabilities.
fn shorter_at_least(load: f64) -> Vec<f64> {
    let steps = steps(load);
    let mut exactly: Vec<f64> = Vec::new();
    let mut probabilities = vec![1.0];
    let mut sum = 0.0;
    for total in 0.. {
        let level: f64 = probabilities.iter().sum();
        for (gap, probability) in gaps(total).into_iter().zip(&probabilities) {
            let shorter = (total - gap) / 2;
            if exactly.len() <= shorter {
                exactly.resize(shorter + 1, 0.0);
            }
            exactly[shorter] += probability;
        }
        sum += level;
        if level <= NEGLIGIBLE * sum * (1.0 - load / 2.0) {
            break;
        }
        let next = total.min(GAP_MAX + total % 2);
        probabilities = product(&probabilities, &steps[next]);
    }
    // Tails from the far end on, all in units of the whole.
    for customers in (1..exactly.len()).rev() {
        exactly[customers - 1] += exactly[customers];
    }
    let whole = exactly[0];
    exactly.iter_mut().for_each(|probability| *probability /= whole);
    exactly
}

fn product(row: &[f64], matrix: &Matrix) -> Vec<f64> {
    let mut result = vec![0.0; matrix[0].len()];
    for (factor, values) in row.iter().zip(matrix) {
        result.iter_mut().zip(values).for_each(|(sum, value)| *sum += factor * value);
    }
    result
}

#[cfg(test)]
mod tests {
    use super::super::Mmc;
    use super::super::oracle::stationary;
    use super::*;

    /// The chain on (longer, shorter), cut off at `most` customers a queue: the tail of the shorter, and the mean
    /// number.
    fn chain(load: f64, most: usize) -> (Vec<f64>, f64) {
        let at = |one: usize, other: usize| {
            let (longer, shorter) = (one.max(other), one.min(other));
            longer * (longer + 1) / 2 + shorter
        };
        let states: Vec<(usize, usize)> =
            (0..=most).flat_map(|longer| (0..=longer).map(move |shorter| (longer, shorter))).collect();
        let mut rates = vec![vec![0.0; states.len()]; states.len()];
        for (row, &(longer, shorter)) in rates.iter_mut().zip(&states) {
            if shorter < most {
                row[at(longer, shorter + 1)] += load;
            }
            if longer > 0 {
                row[at(longer - 1, shorter)] += 1.0;
            }
            if shorter > 0 {
                row[at(longer, shorter - 1)] += 1.0;
            }
        }
        let chain = stationary(rates);
        let mean = states.iter().zip(&chain).map(|(&(longer, shorter), p)| (longer + shorter) as f64 * p).sum();
        let mut tail = vec![0.0; most + 1];
        for (&(_, shorter), probability) in states.iter().zip(&chain) {
            tail[..=shorter].iter_mut().for_each(|sum| *sum += probability);
        }
        (tail, mean)
    }

    #[test]
    fn as_the_plain_chain() {
        // At load 1.4 the cut at 34 customers a queue leaves out 0.7^68 = 3e-11.
        for (load, most) in [(0.1, 12), (0.6, 20), (1.0, 30), (1.4, 34)] {
            let (found, (tail, mean_number)) = (ShortestOfTwo::new(load / 3.0, 3.0), chain(load, most));
            for (customers, expected) in (0u32..12).zip(&tail) {
                let found = found.joined_with_at_least(customers);
                assert!((found - expected).abs() < 1e-9, "{load} {customers}: {found} {expected}");
            }
            // By Little's law, too.
            assert!((found.mean_sojourn() / 3.0 - mean_number / load).abs() < 1e-8, "{load}");
            assert!((found.mean_wait() / 3.0 - (mean_number / load - 1.0)).abs() < 1e-8, "{load}");
        }
    }

    #[test]
    fn heavy_traffic_pools_the_queues() {
        for (load, tolerance) in [(1.9, 0.1), (1.99, 0.01), (1.999, 0.001)] {
            let pooled = Mmc::new(load, 1.0, 2).mean_sojourn();
            let ratio = ShortestOfTwo::new(load, 1.0).mean_sojourn() / pooled;
            assert!(ratio > 1.0 && ratio < 1.0 + tolerance, "{load}: {ratio}");
        }
    }

    #[test]
    fn quantiles() {
        let queue = ShortestOfTwo::new(0.8, 2.0);
        let sojourns = queue.sojourns();
        assert!((sojourns.tail(sojourns.quantile(0.99)) - 0.01).abs() < 1e-14);
        assert_eq!(queue.joined_with_at_least(0), 1.0);
    }

    #[test]
    fn edges() {
        let full = ShortestOfTwo::new(2.0, 1.0);
        assert_eq!((full.mean_sojourn(), full.probability_of_waiting()), (f64::INFINITY, 1.0));
        let idle = ShortestOfTwo::new(0.0, 2.0);
        assert_eq!((idle.mean_sojourn(), idle.probability_of_waiting()), (2.0, 0.0));
    }
}
