//! `linkerd-peak-ewma`: `peak-ewma`, where averages begin with a latency that is given.
//!
//! Parameters: `decayTime`, `defaultRtt`.
//!
//! Source: linkerd2-proxy of August 2026 (`linkerd/app/outbound/src/http/logical/profile.rs`: 10 s and 30 ms) on tower
//! 0.5.3 (`src/load/peak_ewma.rs`, `src/balance/p2c/service.rs`). There an average ages from the moment that a backend is
//! found, here from its first look; penalties for failures are not here.
//! Cost: O(1), with two exponentials.

use serde::Deserialize;

use super::peak_ewma::{DECAY_TIME, DECAY_TIME_DEFAULT, PeakEwma};
use super::{AnyBalancer, BalancerRow, Parameter};
use crate::policy::parameters;
use crate::units::SimDuration;

pub(super) const ROW: BalancerRow = BalancerRow {
    name: "linkerd-peak-ewma",
    aliases: &["linkerd"],
    summary: "peak-ewma that begins with a default latency",
    source: "linkerd2-proxy; tower 0.5.3",
    parameters: &[
        DECAY_TIME,
        Parameter {
            name: "defaultRtt",
            unit: "",
            default: "30ms",
            meaning: "the average of a backend without any answer, above 0",
        },
    ],
    follows_answers: true,
    asks_servers: false,
    weighs: false,
    build: |parameters| {
        let Params { decay_time, default_rtt } = parameters::read(parameters)?;
        parameters::require(decay_time > SimDuration::ZERO, "`decayTime` must be above 0")?;
        parameters::require(default_rtt > SimDuration::ZERO, "`defaultRtt` must be above 0")?;
        Ok(AnyBalancer::PeakEwma(Box::new(PeakEwma::new(decay_time, default_rtt))))
    },
};

#[derive(Deserialize)]
#[serde(deny_unknown_fields, default, rename_all = "camelCase")]
struct Params {
    #[serde(deserialize_with = "parameters::duration")]
    decay_time: SimDuration,
    #[serde(deserialize_with = "parameters::duration")]
    default_rtt: SimDuration,
}

impl Default for Params {
    fn default() -> Self {
        Params { decay_time: DECAY_TIME_DEFAULT, default_rtt: SimDuration(30_000_000) }
    }
}
