//! A population of functions that is like a provider's: drawn from a seed, of any size.
//!
//! How often functions are called follows a lognormal, of which function `i` of `n` has the quantile `(i + 1/2) / n`: the calls of a
//! population hardly depend on the seed, though most of them are of few functions. Its median and width (120 calls a
//! day, 2.5) are those of 250 functions of Azure Functions 2019, of which timers call one half. Timers call at equal distances; others
//! come in bursts, with gaps of a gamma distribution. Mean durations are lognormal and memory is of a Burr distribution, with the
//! parameters that Shahrad et al. fitted ("Serverless in the Wild", USENIX ATC 2020, figures 7 and 8); durations are cut at the
//! ten minutes that functions may take.
//!
//! Deviation: Shahrad et al. fitted memory of applications; here each function is one.

use crate::model::Dist;
use crate::model::functions::{CalledFunction, Calls, ColdCall, Function};
use crate::model::traffic::{Arrivals, Gap, Profile};
use crate::rng::{Seed, Stream};
use crate::units::{Bytes, SimDuration};

const DAY_S: f64 = 86_400.0;
/// Mean and standard deviation of the logarithm of mean durations in seconds.
const DURATION: (f64, f64) = (-0.38, 2.36);
/// The longest mean duration, in seconds, and the shortest.
const DURATION_RANGE_S: (f64, f64) = (0.001, 600.0);
/// `c`, `k` and the scale in MiB of the distribution of memory.
const MEMORY: (f64, f64, f64) = (11.652, 0.221, 107.083);
/// Memory that functions may have, in MiB.
const MEMORY_RANGE_MIB: (f64, f64) = (1.0, 10_240.0);
/// The standard deviation of the durations of one function over their mean.
const DURATION_VARIATION: f64 = 0.5;

/// What a population is like.
#[derive(Clone, Debug, PartialEq)]
pub struct PopulationOptions {
    /// What its functions are called, before their number.
    pub name: String,
    /// How many functions there are.
    pub count: u32,
    /// So often the one in the middle is called in a day.
    pub median_calls_per_day: f64,
    /// The standard deviation of the logarithm of how often functions are called.
    pub spread: f64,
    /// The part of functions that timers call.
    pub timers: f64,
    /// The standard deviation of gaps between other calls over their mean; more than 0.
    pub burstiness: f64,
    /// How long an instance takes to start.
    pub cold_start: Dist,
}

impl Default for PopulationOptions {
    fn default() -> PopulationOptions {
        PopulationOptions {
            name: "function".to_owned(),
            count: 250,
            median_calls_per_day: 120.0,
            spread: 2.5,
            timers: 0.5,
            burstiness: 2.0,
            cold_start: Dist::Constant(SimDuration(500_000_000)),
        }
    }
}

/// The functions of a population.
pub fn population(options: &PopulationOptions, seed: Seed) -> Vec<CalledFunction> {
    (0..options.count).map(|number| member(options, number, seed)).collect()
}

fn member(options: &PopulationOptions, number: u32, seed: Seed) -> CalledFunction {
    let mut stream = seed.stream(&format!("function-population/{}", options.name), number.into());
    let part = (f64::from(number) + 0.5) / f64::from(options.count);
    let per_day = options.median_calls_per_day * libm::exp(options.spread * normal_quantile(part));
    let is_timer = stream.unit() < options.timers;
    let gap = match is_timer {
        true => Gap::Deterministic,
        false => Gap::Gamma(1.0 / (options.burstiness * options.burstiness)),
    };
    let rate = Profile::constant(per_day / DAY_S);
    let (mu, sigma) = DURATION;
    let mean_s = libm::exp(mu + sigma * stream.normal()).clamp(DURATION_RANGE_S.0, DURATION_RANGE_S.1);
    CalledFunction {
        function: Function::new(&format!("{}-{number}", options.name), memory(&mut stream)),
        calls: Calls::Rule(Arrivals::Open { gap, rate, session: None }),
        duration: Dist::lognormal_from_mean_sd(mean_s, DURATION_VARIATION * mean_s),
        cold: ColdCall::Start(options.cold_start.clone()),
    }
}

/// Memory in whole MiB, by inversion.
fn memory(stream: &mut Stream) -> Bytes {
    let (c, k, scale) = MEMORY;
    let tail = libm::pow(1.0 - stream.unit(), -1.0 / k) - 1.0;
    let mebibytes = (scale * libm::pow(tail, 1.0 / c)).clamp(MEMORY_RANGE_MIB.0, MEMORY_RANGE_MIB.1);
    Bytes((mebibytes.round() as u64) << 20)
}

/// The quantile of the standard normal distribution, by halving an interval: the distribution function alone comes from `libm`.
fn normal_quantile(part: f64) -> f64 {
    let (mut low, mut high) = (-9.0f64, 9.0f64);
    while high - low > 1e-12 {
        let middle = (low + high) / 2.0;
        let up_to = 0.5 * libm::erfc(-middle * std::f64::consts::FRAC_1_SQRT_2);
        if up_to < part {
            low = middle;
        } else {
            high = middle;
        }
    }
    (low + high) / 2.0
}

#[cfg(test)]
mod tests {
    use super::*;

    const SEED: Seed = Seed { base: 1, replication: 0 };

    fn rate(called: &CalledFunction) -> f64 {
        let Calls::Rule(Arrivals::Open { rate, .. }) = &called.calls else { panic!("{called:?}") };
        rate.points[0].1 * DAY_S
    }

    #[test]
    fn rates_are_quantiles_whatever_the_seed() {
        let options = PopulationOptions { count: 999, ..PopulationOptions::default() };
        let rates: Vec<f64> = population(&options, SEED).iter().map(rate).collect();
        // The one in the middle has the median; the quantile at (49 + 1/2) / 999, 1.6492 standard deviations below.
        assert!((rates[499] - 120.0).abs() < 1e-6, "{}", rates[499]);
        let low = normal_quantile(49.5 / 999.0);
        assert!((low + 1.6492).abs() < 0.0005, "{low}");
        assert!((rates[49] / (120.0 * libm::exp(2.5 * low)) - 1.0).abs() < 1e-9);
        let other = population(&options, Seed { base: 2, replication: 0 });
        assert_eq!(rates, other.iter().map(rate).collect::<Vec<f64>>());
    }

    #[test]
    fn durations_memory_and_timers_are_like_a_providers() {
        let options = PopulationOptions { count: 4001, ..PopulationOptions::default() };
        let functions = population(&options, SEED);
        let middle = |mut values: Vec<f64>| {
            values.sort_by(f64::total_cmp);
            values[values.len() / 2]
        };
        // exp(-0.38) = 0.684 s. A median of n lognormals has the standard error 1.2533 * 2.36 / sqrt(4001) = 0.047 of its
        // logarithm; four of them.
        let seconds = middle(functions.iter().map(|called| called.duration.mean_seconds()).collect());
        assert!((libm::log(seconds) + 0.38).abs() < 0.19, "{seconds}");
        // 107.083 * (2^(1 / 0.221) - 1)^(1 / 11.652) = 107.083 * 22.03^0.08582 = 139.6 MiB.
        let mebibytes = middle(functions.iter().map(|called| (called.function.memory.0 >> 20) as f64).collect());
        assert!((mebibytes - 139.6).abs() < 4.0, "{mebibytes}");
        let is_timer = |called: &&CalledFunction| {
            matches!(&called.calls, Calls::Rule(Arrivals::Open { gap: Gap::Deterministic, .. }))
        };
        // 4001 / 2 with a standard deviation of sqrt(4001) / 2 = 32.
        let timers = functions.iter().filter(is_timer).count();
        assert!(timers.abs_diff(2000) < 128, "{timers}");
    }
}
