//! Bytes that requests and their answers carried, by where they came from and went: what is paid for where they leave a zone.
//!
//! Requests count when they have been served, so those that no server took, or that went down with one, carried nothing; what
//! goes from the start of the run, warm-up or not, is to be paid.
//!
//! Cost: a look-up in an ordered map of few entries for each request of an operation whose sizes are known; none for others.

use std::collections::BTreeMap;

use crate::ids::{ServiceId, ZoneId};
use crate::model::traffic::MessageSizes;

/// One end of a way.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct End {
    /// Whether a pod is there, rather than a client or a server outside the cluster.
    pub is_pod: bool,
    /// Where it is; none: nowhere in particular.
    pub zone: Option<ZoneId>,
}

/// From a caller to a server.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Way {
    /// The service that answers.
    pub service: ServiceId,
    /// Who calls.
    pub caller: End,
    /// Who answers.
    pub server: End,
}

/// Bytes by way: of requests, and of answers.
#[derive(Clone, Debug, Default)]
pub struct Carried(BTreeMap<Way, [f64; 2]>);

impl Carried {
    /// So many requests of these sizes were served.
    pub(super) fn add(&mut self, way: Way, sizes: MessageSizes, requests: f64) {
        let bytes = self.0.entry(way).or_default();
        bytes[0] += requests * sizes.request as f64;
        bytes[1] += requests * sizes.response as f64;
    }

    /// Whole bytes by way: of requests, and of answers.
    pub fn ways(&self) -> impl Iterator<Item = (Way, [u64; 2])> {
        self.0.iter().map(|(way, bytes)| (*way, bytes.map(|one| one as u64)))
    }
}
