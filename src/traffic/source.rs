//! Who sends requests, and what they ask for.

use super::slab::Slab;
use crate::model::traffic::{Arrivals, Keys, OperationRef, Source};
use crate::rng::{Seed, Stream, split_mix};

/// Distance between the seeds of successive requests: the increment of SplitMix64.
const SPACING: u64 = 0x9e37_79b9_7f4a_7c15;

/// A source while it runs.
#[derive(Clone, Debug)]
pub(super) struct SourceState<'m> {
    pub model: &'m Source,
    /// What seeds of requests are derived from.
    base: u64,
    /// Requests, or sessions, so far.
    sent: u64,
    /// Sums of the weights of the mix.
    sums: Vec<f64>,
    /// Sums of the probabilities of the keys.
    keys: Vec<f64>,
    /// Which operation of the mix that request asks for, where arrivals say so.
    pub listed: Option<u32>,
    /// Users and sessions.
    pub clients: Slab<Session>,
    /// Which balancing client is next.
    turn: u32,
}

/// Somebody who sends one request after the other.
#[derive(Clone, Copy, Debug)]
pub(super) struct Session {
    base: u64,
    sent: u64,
    /// Which key all its requests have.
    key: u64,
    /// Requests that are left after this one; [`u64::MAX`]: for ever.
    pub left: u64,
    /// Which balancing client it goes through.
    pub through: u32,
}

/// A request before it is sent.
#[derive(Clone, Copy, Debug)]
pub(super) struct Draft {
    pub operation: OperationRef,
    pub seed: u64,
    pub key: u64,
}

impl<'m> SourceState<'m> {
    pub(super) fn new(model: &'m Source, seed: Seed) -> SourceState<'m> {
        let running = |weights: &mut dyn Iterator<Item = f64>| -> Vec<f64> {
            weights
                .scan(0.0, |sum, weight| {
                    *sum += weight;
                    Some(*sum)
                })
                .collect()
        };
        let Keys { count, exponent } = model.keys;
        SourceState {
            model,
            base: seed.stream(&format!("traffic/requests/{}", model.name), 0).bits(),
            sent: 0,
            sums: running(&mut model.mix.iter().map(|(_, weight)| *weight)),
            keys: running(&mut (1..=count).map(|rank| libm::pow(rank as f64, -exponent))),
            listed: None,
            clients: Slab::default(),
            turn: 0,
        }
    }

    /// The next request of somebody who sends one only.
    #[inline]
    pub(super) fn draft(&mut self, listed: Option<u32>) -> Draft {
        self.sent += 1;
        let seed = split_mix(self.base ^ self.sent.wrapping_mul(SPACING));
        self.draft_of(seed, None, listed)
    }

    #[inline]
    fn draft_of(&self, seed: u64, key: Option<u64>, listed: Option<u32>) -> Draft {
        let mix = &self.model.mix;
        if mix.len() == 1 && self.keys.is_empty() {
            return Draft { operation: mix[0].0, seed, key: key.unwrap_or(seed) };
        }
        let mut stream = Stream::of_word(seed);
        let drawn = position(&self.sums, stream.unit());
        let operation = mix[listed.map_or(drawn, |listed| listed as usize)].0;
        let key = key.unwrap_or_else(|| if self.keys.is_empty() { seed } else { self.draw_key(&mut stream) });
        Draft { operation, seed, key }
    }

    fn draw_key(&self, stream: &mut Stream) -> u64 {
        split_mix(position(&self.keys, stream.unit()) as u64)
    }

    /// Somebody begins a session; with a number of requests that is drawn, or without end.
    pub(super) fn begin_session(&mut self, mean_requests: Option<f64>) -> u32 {
        self.sent += 1;
        let base = split_mix(self.base ^ self.sent.wrapping_mul(SPACING));
        let mut stream = Stream::of_word(base);
        let key = if self.keys.is_empty() { base } else { self.draw_key(&mut stream) };
        let left = match mean_requests {
            None => u64::MAX,
            // Geometric from 1 on: the number of failures before a success of probability 1 / mean, and one.
            Some(mean) if mean > 1.0 => (stream.fast_exponential() / -libm::log1p(-1.0 / mean)) as u64,
            Some(_) => 0,
        };
        let through = self.next_client();
        self.clients.put(Session { base, sent: 0, key, left, through })
    }

    /// The next request of a session, and the stream that its pause is drawn from.
    pub(super) fn session_draft(&mut self, client: u32) -> Draft {
        let session = &mut self.clients[client];
        session.sent += 1;
        let (seed, key) = (split_mix(session.base ^ session.sent.wrapping_mul(SPACING)), session.key);
        self.draft_of(seed, Some(key), None)
    }

    /// What a pause in a session is drawn from.
    pub(super) fn pause_stream(&self, client: u32) -> Stream {
        let session = &self.clients[client];
        Stream::of_word(split_mix(!session.base ^ session.sent.wrapping_mul(SPACING)))
    }

    /// Which of the balancing clients a request goes through: each in turn.
    #[inline]
    pub(super) fn next_client(&mut self) -> u32 {
        let turn = self.turn;
        self.turn = if turn + 1 >= self.model.clients { 0 } else { turn + 1 };
        turn
    }

    /// Whether it has sessions or users.
    pub(super) fn mean_session(&self) -> Option<f64> {
        match &self.model.arrivals {
            Arrivals::Open { session: Some(session), .. } => Some(session.mean_requests),
            _ => None,
        }
    }
}

/// The first position whose running sum exceeds that part of the total.
fn position(sums: &[f64], part: f64) -> usize {
    let total = sums.last().copied().unwrap_or(0.0);
    sums.partition_point(|&sum| sum <= part * total).min(sums.len().saturating_sub(1))
}
