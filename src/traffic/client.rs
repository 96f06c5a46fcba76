//! The caller's side of a service: the balancer, what it believes to be there, and what it leaves out.

use super::attempt::Outcome;
use crate::ids::ServiceId;
use crate::model::traffic::{Guard, OutlierDetection, RetryBudget};
use crate::policy::balancer::{AnyBalancer, Backend, Balancer};
use crate::rng::Stream;
use crate::units::{SimDuration, SimTime};

/// One place where requests for a service are balanced.
#[derive(Clone, Debug)]
pub(super) struct Client {
    pub service: ServiceId,
    /// The group of backends that it knows; none: all.
    pub group: Option<u32>,
    /// Clients at the same place for each group, where requests were divided.
    pub of_groups: Vec<(u32, u32)>,
    pub balancer: AnyBalancer,
    pub stream: Stream,
    /// Requests in flight through it, and retries among them.
    pub in_flight: u32,
    pub retries: u32,
    /// What is known of backends that fail, where that matters.
    pub outliers: Option<Box<Outliers>>,
}

impl Client {
    /// Whether limits let another request through.
    #[inline]
    pub(super) fn admits(&self, guard: &Guard, is_retry: bool) -> bool {
        let breaker = guard.circuit_breaker;
        breaker.max_requests.is_none_or(|limit| self.in_flight < limit)
            && !(is_retry && breaker.max_retries.is_some_and(|limit| self.retries >= limit))
    }

    /// Tells the balancer which of the backends there are that are not left out.
    pub(super) fn set_backends(&mut self, backends: &[Backend]) {
        match &mut self.outliers {
            None => self.balancer.set_backends(backends),
            Some(outliers) => {
                outliers.known = backends.to_vec();
                let left: Vec<Backend> = outliers.not_ejected().collect();
                self.balancer.set_backends(&left);
            }
        }
    }
}

/// Backends that fail, and those that are left out for it.
#[derive(Clone, Debug)]
pub(super) struct Outliers {
    rules: OutlierDetection,
    known: Vec<Backend>,
    /// By slot.
    hosts: Vec<Host>,
    /// Whether a look at the ejections is pending.
    pub is_watching: bool,
}

#[derive(Clone, Copy, Debug, Default)]
struct Host {
    failures_in_a_row: u32,
    ejections: u32,
    /// Until then; none: it is not left out.
    until: Option<SimTime>,
}

impl Outliers {
    pub(super) fn new(rules: OutlierDetection) -> Outliers {
        Outliers { rules, known: Vec::new(), hosts: Vec::new(), is_watching: false }
    }

    pub(super) fn interval(&self) -> SimDuration {
        self.rules.interval
    }

    fn not_ejected(&self) -> impl Iterator<Item = Backend> {
        let is_out = |backend: &Backend| self.hosts.get(backend.slot as usize).is_some_and(|host| host.until.is_some());
        self.known.iter().copied().filter(move |backend| !is_out(backend))
    }

    /// Notes how a request to a backend ended; whether the backend is left out from now on.
    pub(super) fn note(&mut self, slot: u32, outcome: Outcome, now: SimTime) -> bool {
        if self.hosts.len() <= slot as usize {
            self.hosts.resize(slot as usize + 1, Host::default());
        }
        if outcome.is_blameless() {
            self.hosts[slot as usize].failures_in_a_row = 0;
            return false;
        }
        let out = self.known.len() - self.not_ejected().count();
        let (rules, total) = (self.rules, self.known.len());
        let host = &mut self.hosts[slot as usize];
        host.failures_in_a_row += 1;
        // One may always be left out; beyond that their part is limited.
        let may_eject = out == 0 || ((out + 1) as f64) <= rules.max_ejected * total as f64;
        if host.until.is_some() || host.failures_in_a_row < rules.consecutive_failures || !may_eject {
            return false;
        }
        host.failures_in_a_row = 0;
        host.ejections += 1;
        let span = SimDuration(rules.base_ejection.0.saturating_mul(u64::from(host.ejections)));
        host.until = Some(now.after(span.min(rules.max_ejection.max(rules.base_ejection))));
        true
    }

    /// Takes back those whose time is over, and lets the others forget one ejection each; whether anything has changed.
    pub(super) fn readmit(&mut self, now: SimTime) -> bool {
        let mut has_changed = false;
        for host in &mut self.hosts {
            match host.until {
                Some(until) if until <= now => {
                    host.until = None;
                    has_changed = true;
                }
                None => host.ejections = host.ejections.saturating_sub(1),
                Some(_) => {}
            }
        }
        has_changed
    }

    /// Whether anything is left out or remembered.
    pub(super) fn is_needed(&self) -> bool {
        self.hosts.iter().any(|host| host.until.is_some() || host.ejections > 0)
    }

    /// The backends as the balancer may know them.
    pub(super) fn left(&self) -> Vec<Backend> {
        self.not_ejected().collect()
    }

    /// Another backend has the number now.
    pub(super) fn forget(&mut self, slot: u32) {
        if let Some(host) = self.hosts.get_mut(slot as usize) {
            *host = Host::default();
        }
    }
}

/// A token bucket for retries: each call puts in `ratio` tokens, time puts in some, and a retry takes one.
#[derive(Clone, Copy, Debug)]
pub(super) struct Budget {
    rules: RetryBudget,
    tokens: f64,
    filled: SimTime,
}

impl Budget {
    pub(super) fn new(rules: RetryBudget) -> Budget {
        let reserve = rules.min_per_second * rules.window.as_seconds();
        Budget { rules, tokens: reserve, filled: SimTime::ZERO }
    }

    /// A call is made for the first time.
    pub(super) fn deposit(&mut self) {
        // What calls have put in is worth a window of the reserve at the least, and as much as 100 calls fill.
        let reserve = self.rules.min_per_second * self.rules.window.as_seconds();
        let most = reserve.max(1.0) + 100.0 * self.rules.ratio;
        self.tokens = (self.tokens + self.rules.ratio).min(most);
    }

    /// Whether there may be a retry, which takes a token.
    pub(super) fn withdraw(&mut self, now: SimTime) -> bool {
        let reserve = self.rules.min_per_second * self.rules.window.as_seconds();
        if self.tokens < reserve {
            let gained = now.since(self.filled).as_seconds() * self.rules.min_per_second;
            self.tokens = (self.tokens + gained).min(reserve.max(self.tokens));
        }
        self.filled = now;
        if self.tokens < 1.0 {
            return false;
        }
        self.tokens -= 1.0;
        true
    }
}
