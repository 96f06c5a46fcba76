//! Requests compute: on cores of their own, or on those that their server has.

use super::compute::divide;
use super::event::Event;
use super::plane::DataPlane;
use crate::units::{SimDuration, SimTime};

/// Work that takes so many times as long.
#[inline]
pub(super) fn scaled(work: SimDuration, factor: f64) -> SimDuration {
    if factor == 1.0 { work } else { SimDuration((work.0 as f64 * factor).round() as u64) }
}

impl DataPlane<'_> {
    /// A request computes on its server.
    #[inline]
    pub(super) fn compute(&mut self, attempt: u32, number: u32, work: SimDuration) {
        let server = &mut self.servers[number];
        let mut factor = 1.0 / server.speed;
        if let Some(warm_up) = self.services[server.services[0].0.index()].model.server.warm_up {
            let age = self.now.since(server.since);
            if age < warm_up.span {
                factor *= 1.0 + (warm_up.slowdown - 1.0) * (1.0 - age.as_seconds() / warm_up.span.as_seconds());
            }
        }
        let Some(compute) = &mut server.compute else {
            let span = scaled(work, factor);
            server.compute_ns += span.0;
            return self.sleep(attempt, span);
        };
        let before = compute.wanted_cores();
        compute.begin(attempt, work.0 as f64 * factor, self.now);
        self.share_again(number, before);
    }

    /// Requests of a server may be done, or stopped at its limit, or go on.
    pub(super) fn on_compute(&mut self, number: u32) {
        let Some(compute) = &mut self.servers[number].compute else { return };
        if compute.event_at != self.now {
            return;
        }
        compute.event_at = SimTime::NEVER;
        let before = compute.wanted_cores();
        let mut done = std::mem::take(&mut self.done);
        while let Some(attempt) = compute.take_done(self.now) {
            done.push(attempt);
        }
        self.share_again(number, before);
        for attempt in done.drain(..) {
            self.proceed(attempt);
        }
        self.done = done;
    }

    /// What a server wants of its node has changed, perhaps.
    pub(super) fn share_again(&mut self, number: u32, wanted_before: f64) {
        let server = &self.servers[number];
        let wanted = server.compute.as_ref().map_or(0.0, |compute| compute.wanted_cores());
        if let Some(node) = server.node
            && wanted != wanted_before
        {
            let state = &mut self.nodes[node as usize];
            state.wanted += wanted - wanted_before;
            if state.is_contended || state.wanted > state.cores {
                self.divide_node(node);
            }
        }
        self.expect_compute(number);
    }

    /// Divides the cores of a node among its servers.
    pub(super) fn divide_node(&mut self, node: u32) {
        let state = &mut self.nodes[node as usize];
        let servers = std::mem::take(&mut state.servers);
        let wants: Vec<(f64, f64)> = servers
            .iter()
            .map(|&number| {
                let server = &self.servers[number];
                (server.compute.as_ref().map_or(0.0, |compute| compute.wanted_cores()), server.cpu_weight)
            })
            .collect();
        // Summed up anew, so that rounding does not add up.
        state.wanted = wants.iter().map(|(want, _)| want).sum();
        state.is_contended = state.wanted > state.cores;
        let shares = match state.is_contended {
            true => divide(state.cores, &wants),
            false => vec![f64::INFINITY; servers.len()],
        };
        for (&number, share) in servers.iter().zip(shares) {
            if let Some(compute) = &mut self.servers[number].compute {
                compute.set_share(share, self.now);
                self.expect_compute(number);
            }
        }
        self.nodes[node as usize].servers = servers;
    }

    /// Schedules what happens next to the requests that compute on a server, unless that is known.
    fn expect_compute(&mut self, number: u32) {
        let Some(compute) = &mut self.servers[number].compute else { return };
        let next = compute.next();
        if next != compute.event_at {
            compute.event_at = next;
            if next != SimTime::NEVER {
                self.events.push(next, 0, Event::Compute(number));
            }
        }
    }
}
