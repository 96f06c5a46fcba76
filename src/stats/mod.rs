//! Statistics over what runs measured: summaries, exact quantiles, intervals, paired differences, resampling, lower bounds,
//! elasticity, forecasts, and the closed forms of queueing theory.
//!
//! Every function here is a pure function of its arguments in their given order, so equal inputs give equal bits.
//! What is undefined (the mean of nothing, the interval of one value) is NaN, which tables write as an empty cell.

pub mod batch_means;
pub mod bootstrap;
pub mod bound;
mod classes;
pub mod elasticity;
pub mod fleet_bound;
pub mod forecast;
pub mod interval;
pub mod latency;
pub mod quantile;
pub mod queueing;
pub mod summary;

pub use batch_means::{BatchMeans, BatchTimeMeans, SpanMeans, SteadyInterval};
pub use bootstrap::{BootstrapInterval, bootstrap_difference, bootstrap_mean};
pub use bound::{martello_toth_bound, volume_bounds};
pub use elasticity::{Elasticity, ElasticityMeter, ElasticityOptions};
pub use interval::{Direction, MeanInterval, PairedDifference, Verdict, mean_interval, paired_difference, student_t};
pub use latency::{LatencyRecorder, SteadyLatency};
pub use quantile::{quantile, quantiles};
pub use summary::{Summary, TimeWeightedMean};
