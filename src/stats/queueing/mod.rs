//! Closed forms of queueing theory: what simulated queues are held against, and what fluid traffic and autoscalers
//! that reason by queues compute with.
//!
//! Conventions, for every function here:
//! - Time has any unit, the same in all arguments and results; rates are per that unit. Offered load is arrival rate
//!   times mean service time, in erlang, and utilisation is offered load over servers. Variability is the squared
//!   coefficient of variation (variance over squared mean): 0 for constant times, 1 for exponential ones.
//! - *Wait* is the time until service begins, *sojourn* is wait plus service. Queues are first come, first served with
//!   unlimited room and patience, in steady state, unless the name says otherwise.
//! - **At or above capacity there is no steady state**: mean waits, queue lengths and quantiles are infinite,
//!   the probability of waiting and every tail are 1, and the probability of any number in the system is 0. So a
//!   comparison with a target does the right thing.
//! - Arguments outside their range panic, as they are bugs of the caller. Everywhere an arrival rate is finite and not
//!   negative, a mean service time is finite and positive, there is at least one server, a squared coefficient of
//!   variation and a time are finite and not negative, and the probability of a quantile is within 0 to 1 (at 1 it is
//!   infinite).
//! - *Exact* means up to rounding; approximations are labelled, with the error that was measured against exact results.
//! - Every function is pure, and takes its logarithms from `libm`: equal inputs give equal bits on every platform.

pub mod balancing;
pub mod birth_death;
pub mod deterministic;
pub mod erlang;
pub mod infinite;
pub mod limited;
pub mod multi_server;
pub mod network;
mod numeric;
pub mod renewal;
pub mod sharing;
pub mod shortest;
pub mod sojourn;
pub mod two_moments;

#[cfg(test)]
mod oracle;

pub use balancing::{
    PowerOfChoices, join_idle_queue_mean_sojourn, random_splitting, round_robin, shortest_queue_mean_sojourn_bounds,
};
pub use birth_death::birth_death_distribution;
pub use deterministic::{Md1, mdc_mean_wait, mdc_mean_wait_cosmetatos};
pub use erlang::{erlang_b, erlang_c};
pub use infinite::InfiniteServer;
pub use limited::Mmck;
pub use multi_server::Mmc;
pub use network::{
    ClosedNetwork, ClosedStation, ClosedStationMeans, OpenNetwork, OpenStation, mean_value_analysis, traffic_equations,
};
pub use renewal::GiM1;
pub use sharing::{ProcessorSharing, limited_sharing_mean_wait};
pub use shortest::ShortestOfTwo;
pub use sojourn::SojournDistribution;
pub use two_moments::{GiGc, kingman_bound, mg1_mean_wait, whitt_factor};

/// Checks what every queue is described by.
fn check_queue(arrival_rate: f64, mean_service: f64, servers: u32) {
    assert!(arrival_rate.is_finite() && arrival_rate >= 0.0, "an arrival rate of {arrival_rate}");
    assert!(mean_service.is_finite() && mean_service > 0.0, "a mean service time of {mean_service}");
    assert!(servers > 0, "a queue needs a server");
}

fn check_time(time: f64) {
    assert!(time.is_finite() && time >= 0.0, "a time of {time}");
}

fn check_probability(probability: f64) {
    assert!((0.0..=1.0).contains(&probability), "a probability of {probability}");
}

fn check_variability(scv: f64) {
    assert!(scv.is_finite() && scv >= 0.0, "a squared coefficient of variation of {scv}");
}
