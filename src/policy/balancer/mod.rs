//! Which backend a request goes to.
//!
//! A balancer sees what a proxy sees: the backends that it knows of, the requests that went through it and their answers.
//! It may run once for all clients or once for each of them; it cannot tell. Only balancers that ask the servers read
//! [`Question::loads`], and say so in [`BalancerRow::asks_servers`].
//!
//! Cost: [`Balancer::pick`] is called for every request, through a closed enum. Each file says what a pick costs.
//!
//! A row with the name of a proxy has that proxy's arithmetic, order and defaults; rows with a plain name have the rule
//! alone. Aliases are the words that proxies use: IPVS schedulers (`rr`, `wrr`, `lc`, `wlc`, `sed`, `nq`, `sh`, `mh`),
//! modes of kube-proxy, directives of nginx, names of Envoy's `lb_policy`.
//!
//! Not here: the IPVS schedulers `dh`, `lblc` and `lblcr`, which choose by destination address and thus send all
//! requests for one service to one backend; `fo`, `ovf` and `twos`; nginx `hash` without `consistent`, `least_time` and
//! `sticky`; Envoy's priorities, panic threshold, slow start, subsets and locality weights.

use serde_json::Value;

use super::parameters::{Parameter, ParameterError};
use crate::ids::ZoneId;
use crate::rng::Stream;
use crate::units::{SimDuration, SimTime};

mod bounded_load;
mod deadlines;
mod envoy_least_request;
mod envoy_round_robin;
mod envoy_zone_aware;
mod ipvs_lc;
mod ipvs_mh;
mod ipvs_wlc;
mod ipvs_wrr;
mod join_idle_queue;
mod least_ratio;
mod least_request;
mod linkerd_peak_ewma;
mod maglev;
mod members;
mod never_queue;
mod nginx_hash_consistent;
mod nginx_ip_hash;
mod nginx_least_conn;
mod nginx_random_two;
mod nginx_round_robin;
mod peak_ewma;
mod peers;
mod power_of_d_choices;
mod prefer_same_zone;
mod prequal;
mod random;
mod ring_hash;
mod round_robin;
mod shortest_expected_delay;
mod source_hash;
mod uniform_random;
mod weighted_round_robin;

#[cfg(test)]
mod conformance;
#[cfg(test)]
mod testing;

/// A backend as clients know it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Backend {
    /// Its number, which no other backend of the service has while it is there; numbers stay small, and are used again.
    pub slot: u32,
    /// Its weight, at least 1.
    pub weight: u32,
    /// Its zone, if known.
    pub zone: Option<ZoneId>,
    /// A hash of its name.
    pub hash: u64,
}

/// What a server says of itself when it is asked.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Load {
    /// Requests that are there.
    pub in_flight: u32,
    /// How long a request would be there at its present load, in ns: what those that ended of late took (a moving average over
    /// about eight of them), times the requests in flight now over those in flight then. 0: none has ended yet.
    pub latency_ns: u64,
}

/// What is known when a request is to be sent.
#[derive(Clone, Copy, Debug)]
pub struct Question<'a> {
    /// The present instant.
    pub now: SimTime,
    /// The key of the request.
    pub key: u64,
    /// Where the client is.
    pub zone: Option<ZoneId>,
    /// What servers would say, by slot.
    pub loads: &'a [Load],
}

/// Chooses backends.
pub trait Balancer {
    /// From now on there are these backends, in order of their slots. What was known of those that stay is kept.
    fn set_backends(&mut self, backends: &[Backend]);
    /// The slot that a request goes to; none: there is no backend, or none with room.
    fn pick(&mut self, question: &Question<'_>, stream: &mut Stream) -> Option<u32>;
    /// The request was sent to that slot. Whoever asks must tell this of every pick that is used.
    fn sent(&mut self, _slot: u32, _now: SimTime) {}
    /// The request to that slot has ended: with an answer, or given up.
    fn answered(&mut self, _slot: u32, _latency: SimDuration, _is_well: bool, _now: SimTime) {}
    /// A server tells that it has nothing to do.
    fn became_idle(&mut self, _slot: u32) {}
}

/// One row of the table of balancers.
#[derive(Clone, Copy, Debug)]
pub struct BalancerRow {
    /// Name as written in files.
    pub name: &'static str,
    /// Other names: what proxies call it. No two rows share a name.
    pub aliases: &'static [&'static str],
    /// What it does, in a line.
    pub summary: &'static str,
    /// Where the rule comes from.
    pub source: &'static str,
    /// Its parameters.
    pub parameters: &'static [Parameter],
    /// Whether its choice hangs on how requests fare, rather than on their number and keys alone.
    pub follows_answers: bool,
    /// Whether it reads what servers say of themselves.
    pub asks_servers: bool,
    /// Whether a backend gets the more requests, the more it weighs.
    pub weighs: bool,
    build: fn(&Value) -> Result<AnyBalancer, ParameterError>,
}

impl BalancerRow {
    /// The policy with these parameters.
    ///
    /// # Errors
    /// When a parameter is wrong.
    pub fn build(&self, parameters: &Value) -> Result<AnyBalancer, ParameterError> {
        (self.build)(parameters)
    }
}

macro_rules! balancers {
    (rows: $($row:ident),* $(,)?; kinds: $($module:ident :: $name:ident),* $(,)?) => {
        /// Every balancer there is.
        pub const BALANCERS: &[BalancerRow] = &[$($row::ROW),*];

        /// Any of them. Calls are decided by a closed choice, since there is one for every request.
        #[derive(Clone, Debug)]
        pub enum AnyBalancer {
            $(#[doc = concat!("`", stringify!($module), "`.")] $name(Box<$module::$name>)),*
        }

        impl Balancer for AnyBalancer {
            fn set_backends(&mut self, backends: &[Backend]) {
                match self { $(AnyBalancer::$name(one) => one.set_backends(backends)),* }
            }
            #[inline]
            fn pick(&mut self, question: &Question<'_>, stream: &mut Stream) -> Option<u32> {
                match self { $(AnyBalancer::$name(one) => one.pick(question, stream)),* }
            }
            #[inline]
            fn sent(&mut self, slot: u32, now: SimTime) {
                match self { $(AnyBalancer::$name(one) => one.sent(slot, now)),* }
            }
            #[inline]
            fn answered(&mut self, slot: u32, latency: SimDuration, is_well: bool, now: SimTime) {
                match self { $(AnyBalancer::$name(one) => one.answered(slot, latency, is_well, now)),* }
            }
            #[inline]
            fn became_idle(&mut self, slot: u32) {
                match self { $(AnyBalancer::$name(one) => one.became_idle(slot)),* }
            }
        }
    };
}

balancers!(
    rows: random, uniform_random, round_robin, weighted_round_robin, least_request, power_of_d_choices, join_idle_queue,
        shortest_expected_delay, never_queue, peak_ewma, prequal, source_hash, ring_hash, maglev, bounded_load,
        prefer_same_zone, ipvs_wrr, ipvs_lc, ipvs_wlc, ipvs_mh, nginx_round_robin, nginx_least_conn, nginx_random_two,
        nginx_ip_hash, nginx_hash_consistent, envoy_round_robin, envoy_least_request, envoy_zone_aware,
        linkerd_peak_ewma;
    kinds: random::Random, round_robin::RoundRobin, weighted_round_robin::WeightedRoundRobin,
        least_request::LeastRequest, power_of_d_choices::PowerOfDChoices, join_idle_queue::JoinIdleQueue,
        least_ratio::LeastRatio, peak_ewma::PeakEwma, prequal::Prequal, source_hash::SourceHash, ring_hash::RingHash,
        maglev::Maglev, bounded_load::BoundedLoad, prefer_same_zone::PreferSameZone, ipvs_wrr::IpvsWrr,
        ipvs_mh::IpvsMh, nginx_least_conn::NginxLeastConn, nginx_random_two::NginxRandomTwo,
        nginx_ip_hash::NginxIpHash, nginx_hash_consistent::NginxHashConsistent, envoy_round_robin::EnvoyRoundRobin,
        envoy_least_request::EnvoyLeastRequest, envoy_zone_aware::EnvoyZoneAware,
);

/// The row with that name, or with that name among its aliases.
pub fn find(name: &str) -> Option<&'static BalancerRow> {
    BALANCERS.iter().find(|row| row.name == name || row.aliases.contains(&name))
}
