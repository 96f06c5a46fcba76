//! Knative's pod autoscaler (KPA) as of Knative Serving v0.51.0: how many pods a revision should have, when its last pod may
//! go, and which requests wait at the activator.
//!
//! The parts follow upstream's packages under `knative.dev/serving/pkg`:
//!
//! | here | upstream | what it decides |
//! |---|---|---|
//! | [`config`] | `autoscaler/config`, `apis/autoscaling` | settings of the cluster and of a revision, and their checks |
//! | [`window`] | `autoscaler/aggregation` | averages over the stable and the panic window |
//! | [`delay`] | `autoscaler/aggregation/max` | the largest recent recommendation, for the scale-down delay |
//! | [`metrics`] | `autoscaler/metrics` | which measurements the windows hold |
//! | [`decider`] | `autoscaler/scaling` | pods wanted, and the excess burst capacity |
//! | [`reconciler`] | `reconciler/autoscaling/kpa` | bounds, scale to zero, whether the activator is in the path |
//! | [`activator`] | `activator/net`, `queue` | which pods an activator sends requests to, how many wait |
//!
//! All of it is a function of what it is given: the caller brings the time, scrapes pods each second ([`SCRAPE_INTERVAL`]),
//! asks the decider every two seconds ([`TICK_INTERVAL`]) and at once when a request meets a revision at zero
//! ([`decider::RevisionScaler::wants_poke`]), and carries out what the reconciler says.
//!
//! Known deviations from upstream:
//! - Instants are exact. Upstream's pass through the API, which cuts them to whole seconds, so that its waits for zero end up
//!   to a second earlier.
//! - Numbers of pods beyond 2^31 - 1 are that number; upstream's conversion wraps there.
//! - The decay of the weighted average is worked out by `libm`, upstream's by Go's `math`, whose exponential differs in the
//!   last place on some processors: the average differs by less than one part in 10^12.
//! - The probe that asks whether the activator is in the path is answered by the caller.

pub mod activator;
pub mod config;
pub mod decider;
pub mod delay;
pub mod metrics;
pub mod reconciler;
pub mod window;

use crate::units::SimDuration;

/// How often the decider is asked (`tickInterval`).
pub const TICK_INTERVAL: SimDuration = SimDuration(2_000_000_000);
/// How often pods are scraped (`scrapeTickInterval`).
pub const SCRAPE_INTERVAL: SimDuration = SimDuration(1_000_000_000);
/// The time that one bucket of a window holds (`BucketSize`).
pub const BUCKET_SIZE: SimDuration = SimDuration(1_000_000_000);
/// What stands for a number of pods that is not known (`scaleUnknown`).
pub const SCALE_UNKNOWN: i32 = -1;

#[cfg(test)]
mod tests;
