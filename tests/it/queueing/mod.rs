//! Simulated queues against closed forms: the request-level data plane of `wavetank::traffic` against the formulas of
//! `wavetank::stats::queueing`.
//!
//! **What is demanded.** Each family of queues runs in 20 settings or more (loads, servers, distributions). Every run
//! reports an interval by batch means; the closed form has to be within it at 99 %. With so many settings some misses are
//! due to chance, so for each quantity of a family
//! - there are no more misses than intervals that are right 99 times out of 100 would have, but with a probability of
//!   1e-4 (the quantile 0.9999 of the binomial distribution: 3 misses of 20 to 29);
//! - no interval at 99.999 % misses;
//! - deviations in standard errors, summed over the settings, are within 4.5 times the square root of their number, so
//!   that small errors in one direction add up and are seen. Quantiles are exempt: where latencies hardly vary, the classes
//!   of the histogram decide to which side they lean.
//!
//! Where there is only an approximation or a limit, the interval has to touch a range: the formula with its error, which
//! is said in the family. Little's law holds exactly, as an equality of integers, for every service of every run, at four
//! instants of it.
//!
//! Seeds are the number of the family and that of the setting, as printed; none was chosen.
//!
//! `cargo test --release --test it queueing:: -- --ignored --nocapture` runs all families with 20 times as many requests.

mod balancing;
pub(super) mod lab;
mod networks;
mod sharing;
mod single;

use lab::Family;

type Settings = fn(&mut Family);

macro_rules! families {
    ($($test:ident: $number:literal $name:literal $settings:path;)*) => {
        const FAMILIES: &[(&str, u64, Settings)] = &[$(($name, $number, $settings)),*];

        $(#[test]
        fn $test() {
            Family::hold($name, $number, 1.0, $settings);
        })*
    };
}

families! {
    mm1: 1 "M/M/1" single::mm1;
    mmc: 2 "M/M/c" single::mmc;
    mmck: 3 "M/M/c/K" single::mmck;
    md1: 4 "M/D/1" single::md1;
    mg1: 5 "M/G/1" single::mg1;
    mg_infinity: 6 "M/G/inf" single::mg_infinity;
    gim1: 7 "GI/M/1" single::gim1;
    mdc: 8 "M/D/c" single::mdc;
    gigc: 9 "G/G/c" single::gigc;
    processor_sharing: 10 "M/G/1-PS" sharing::one_core;
    processor_sharing_of_cores: 11 "M/G/c-PS" sharing::several_cores;
    processor_sharing_quantiles: 12 "M/M/c-PS" sharing::exponential_sizes;
    processor_sharing_by_size: 13 "M/D/c-PS of two sizes" sharing::by_size;
    limited_sharing: 14 "limited processor sharing" sharing::limited;
    closed_networks: 15 "closed networks" networks::closed;
    tandem_networks: 16 "tandem networks" networks::tandem;
    jackson_networks: 17 "Jackson networks" networks::jackson;
    random_splitting: 18 "random splitting" balancing::random;
    round_robin: 19 "round robin" balancing::in_turn;
    shortest_of_two: 20 "the shorter of two queues" balancing::shortest_of_two;
    shortest_queue: 21 "the shortest queue" balancing::shortest;
    power_of_choices: 22 "power of d choices" balancing::choices;
    join_idle_queue: 23 "join-idle-queue" balancing::idle;
}

#[test]
#[ignore = "takes minutes; see the module"]
fn longer_runs() {
    for &(name, number, settings) in FAMILIES {
        Family::hold(name, number, 20.0, settings);
    }
}
