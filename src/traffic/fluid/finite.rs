//! Queues of limited room, users of limited number, and workers that share fewer cores.

use super::queue::{Delay, FULL, Pool, Rates, Spread, ratio};

impl Pool<'_> {
    /// The steady state where all requests come from so many users, each of whom is away for a time that is taken as exponential:
    /// the number present is a birth and death process (the machine repair model; exact for M/M/c//N).
    pub(super) fn with_users(&self, users: f64, away_s: f64) -> Delay {
        let pooled = matches!(self.spread, Spread::Shared | Spread::Idle | Spread::Fewest { .. });
        let backends = if pooled { self.backends } else { 1.0 };
        let users = if pooled { users } else { users / self.backends };
        let servers = self.servers() * backends;
        let rate_of = |number: f64| match self.rates {
            Rates::Servers(_) => number.min(servers) / servers * self.capacity * backends,
            Rates::Listed(rates) => {
                let each = libm::ceil(number / backends) as usize;
                backends * rates[each.clamp(1, rates.len()) - 1]
            }
        };
        // Weights are scaled down when they get large.
        let (mut weight, mut number) = (1.0_f64, 0.0);
        let (mut all, mut passing, mut excess) = (1.0, 0.0, 0.0);
        let (mut coming, mut delayed, mut first, mut second) = (users, 0.0, 0.0, 0.0);
        while number + 1.0 <= users + 1e-9 {
            weight *= (users - number).max(0.0) / away_s / rate_of(number + 1.0);
            number += 1.0;
            all += weight;
            passing += weight * rate_of(number);
            excess += weight * (number - servers).max(0.0);
            let arriving = weight * (users - number).max(0.0);
            coming += arriving;
            let ahead = (number + 1.0 - servers).max(0.0);
            if ahead > 0.0 {
                delayed += arriving;
                first += arriving * ahead;
                second += arriving * ahead * (ahead + self.service_scv);
            }
            if weight > 1e200 {
                for sum in [
                    &mut weight,
                    &mut all,
                    &mut passing,
                    &mut excess,
                    &mut coming,
                    &mut delayed,
                    &mut first,
                    &mut second,
                ] {
                    *sum *= 1e-200;
                }
            }
        }
        let (passing, queue) = (passing / all, excess / all);
        let chance = if coming > 0.0 { (delayed / coming).min(1.0) } else { 0.0 };
        let delay_s = if chance > 0.0 && passing > 0.0 { queue / passing / chance } else { 0.0 };
        let (mean, square) = (first / delayed.max(1e-300), second / delayed.max(1e-300));
        let spread = libm::sqrt((square / (mean * mean).max(1e-300) - 1.0).max(0.0));
        let utilisation = passing / (self.capacity * backends);
        let queue = queue / backends;
        Delay { utilisation, queue, mean_queue: queue, chance, delay_s, spread, ..Delay::default() }
    }

    /// The steady state with limited room, at any load: M/M/c/K, whose queue falls off geometrically, with a quotient that two
    /// moments change so that what is lost is what does not fit (exact for M/M/c/K).
    pub(super) fn limited(&self, rate: f64, room: f64) -> Delay {
        let pooled = matches!(self.spread, Spread::Shared | Spread::Idle | Spread::Fewest { .. });
        let backends = if pooled { self.backends } else { 1.0 };
        let (load, room, capacity) = (rate / self.capacity, room * backends, self.capacity * backends);
        if load <= 0.0 {
            return Delay::default();
        }
        let ratio = ratio(self.joined(backends), load, self.capacity);
        let scv = self.own_arrival_scv(load.min(1.0));
        let scale = self.variability(load.min(FULL), self.servers() * backends, scv).max(0.05);
        let step = libm::log(load) / scale;
        let power = (room + 1.0) * step;
        let (waiting, refused) = if power > 300.0 {
            (1.0, 1.0 - 1.0 / load)
        } else {
            let part = if step.abs() < 1e-9 { (room + 1.0) / scale } else { libm::expm1(power) / (load - 1.0) };
            let busy = ratio * part;
            (busy / (1.0 + busy), libm::exp(power) * ratio / (load * (1.0 + busy)))
        };
        let refused = refused.clamp(0.0, 1.0);
        let (mean, variance) = truncated_geometric(step, room);
        let passing = rate * backends * (1.0 - refused);
        let chance = ((waiting - refused) / (1.0 - refused).max(1e-12)).clamp(0.0, 1.0);
        let queue = waiting * mean;
        let delay_s = if chance > 0.0 { queue / passing / chance } else { 0.0 };
        let deviation = libm::sqrt(variance + mean * self.service_scv) / capacity;
        let spread = if delay_s > 0.0 { (deviation / delay_s).min(1.0) } else { 0.0 };
        let utilisation = load * (1.0 - refused);
        let (queue, backlog_s) = (queue / backends, (0.0, 0.0));
        Delay { refused, utilisation, queue, mean_queue: queue, chance, delay_s, spread, is_bounded: true, backlog_s }
    }
}

/// Mean and variance of numbers from 0 to `most` whose probabilities fall by e^`step` each.
fn truncated_geometric(step: f64, most: f64) -> (f64, f64) {
    if (step * (most + 1.0)).abs() < 1e-3 {
        return (most / 2.0, most * (most + 2.0) / 12.0);
    }
    // Of a growing one the numbers are counted from the other end.
    let falling = -step.abs();
    let (q, all) = (libm::exp(falling), libm::exp(falling * (most + 1.0)));
    let (rest, cut) = (-libm::expm1(falling), -libm::expm1(falling * (most + 1.0)));
    let mean = q / rest - (most + 1.0) * all / cut;
    let variance = q / (rest * rest) - (most + 1.0) * (most + 1.0) * all / (cut * cut);
    (if step > 0.0 { most - mean } else { mean }, variance.max(0.0))
}

/// [Rates of workers](worker_rates) as they were asked for last.
#[derive(Clone, Debug, Default)]
pub(super) struct WorkerRates {
    asked: Option<(u32, [f64; 3])>,
    found: Vec<f64>,
}

impl WorkerRates {
    /// The same as [`worker_rates`].
    pub(super) fn of(&mut self, workers: u32, work_s: f64, away_s: f64, cores: f64) -> &[f64] {
        let asked = Some((workers, [work_s, away_s, cores]));
        if self.asked != asked {
            self.asked = asked;
            worker_rates(&mut self.found, workers, work_s, away_s, cores);
        }
        &self.found
    }
}

/// Requests a second that a backend ends with 1, 2, ... up to all of its workers taken: mean value analysis of workers that
/// compute for `work_s` on shared `cores` and are away for `away_s`. Where there are several cores, the number that
/// computes is taken as normal about its mean.
fn worker_rates(into: &mut Vec<f64>, workers: u32, work_s: f64, away_s: f64, cores: f64) {
    into.clear();
    let mut computing = 0.0;
    for number in 1..=workers {
        let residence = if cores <= 1.0 {
            work_s * (1.0 + computing) / cores
        } else {
            let excess = 1.0 + computing - cores;
            let others = f64::from(number - 1).max(1.0);
            let variance = (computing * (1.0 - computing / others)).max(0.0);
            let above = 0.5 * (excess + libm::sqrt(excess * excess + variance * 2.0 / std::f64::consts::PI));
            work_s * (1.0 + above / cores)
        };
        let rate = f64::from(number) / (residence + away_s);
        computing = rate * residence;
        into.push(rate);
    }
    // What ends does so at least as fast with more of them.
    for at in 1..into.len() {
        into[at] = into[at].max(into[at - 1]);
    }
}

/// Workers taken on average while some are free, weighted by how likely that is, and while none is.
pub(super) fn mean_served(rates: &[f64], rate: f64, chance: f64) -> f64 {
    // P(fewer) over P(as many), and the mean, with room for so many.
    let (mut fewer, mut mean) = (0.0, 0.0);
    let (last, scale) = (rates.len(), 1.0 / rate);
    for (at, ends) in rates[..last - 1].iter().enumerate() {
        fewer = scale * ends * (1.0 + fewer);
        mean += ((at + 1) as f64 - mean) / (1.0 + fewer);
    }
    (1.0 - chance) * mean + chance * last as f64
}
