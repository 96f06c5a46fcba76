//! What autoscalers see of requests.

use std::collections::VecDeque;

use crate::ids::ServiceId;
use crate::model::Model;
use crate::model::traffic::{Arrivals, Profile};
use crate::policy::autoscaler::TrafficSample;
use crate::stats::LatencyRecorder;
use crate::traffic::{Outcome, Plane};
use crate::units::{SimDuration, SimTime};

/// Spacing of what a clairvoyant is told.
const FORESIGHT_STEP: SimDuration = SimDuration(15_000_000_000);

/// Latencies of requests in a window; NaN where none ended well.
#[derive(Clone, Copy, Debug)]
pub(super) struct Latencies {
    mean_s: f64,
    p50_s: f64,
    p95_s: f64,
    p99_s: f64,
}

impl Default for Latencies {
    fn default() -> Latencies {
        Latencies { mean_s: f64::NAN, p50_s: f64::NAN, p95_s: f64::NAN, p99_s: f64::NAN }
    }
}

impl Latencies {
    fn of(recorder: &LatencyRecorder) -> Latencies {
        if recorder.count() == 0 {
            return Latencies::default();
        }
        let [p50_s, p95_s, p99_s] = [0.5, 0.95, 0.99].map(|probability| recorder.quantile_s(probability));
        Latencies { mean_s: recorder.mean_s(), p50_s, p95_s, p99_s }
    }
}

/// The last complete windows of traffic.
#[derive(Clone, Debug, Default)]
pub(super) struct RecentLatencies {
    /// When each began, and its latencies, in order of time.
    windows: VecDeque<(SimTime, LatencyRecorder)>,
    /// When the next begins.
    next: SimTime,
    /// Of all of them together.
    pub(super) all: Latencies,
}

impl RecentLatencies {
    /// A window is complete. Those that began longer ago than `span` are forgotten, but never the last.
    pub(super) fn add(&mut self, now: SimTime, window: &LatencyRecorder, span: SimDuration) {
        if span == SimDuration::ZERO {
            self.all = Latencies::of(window);
            return;
        }
        self.windows.push_back((self.next, window.clone()));
        self.next = now;
        while self.windows.len() > 1 && now.since(self.windows[0].0) > span {
            self.windows.pop_front();
        }
        let mut all = window.clone();
        let earlier = self.windows.len() - 1;
        self.windows.iter().take(earlier).for_each(|(_, window)| all.merge(window));
        self.all = Latencies::of(&all);
    }
}

/// What had been counted when somebody last looked.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Marks {
    at: SimTime,
    ended: u64,
    well: u64,
    in_flight: u64,
    in_flight_area: u128,
    waiting_area: u128,
    servers_area: u128,
    limit_area: u128,
    compute_ns: u64,
}

/// What requests for a service did since the marks were set, which are set anew.
pub(super) fn sample(
    plane: &mut Plane<'_>,
    service: ServiceId,
    workers: Option<u32>,
    marks: &mut Marks,
    latencies: &Latencies,
) -> TrafficSample {
    plane.settle();
    let compute_ns = plane.compute_ns(service);
    let (now, has_backends) = (plane.now(), plane.backends(service) > 0);
    let statistics = plane.statistics(service);
    let outcomes = &statistics.attempts.outcomes;
    let now_marks = Marks {
        at: now,
        ended: outcomes.iter().sum::<u64>() - outcomes[Outcome::Superseded as usize],
        well: outcomes[Outcome::Well as usize],
        in_flight: statistics.in_flight.value(),
        in_flight_area: statistics.in_flight.area(now),
        waiting_area: statistics.waiting.area(now),
        servers_area: statistics.servers.area(now),
        limit_area: statistics.limit_milli.area(now),
        compute_ns,
    };
    let before = std::mem::replace(marks, now_marks);
    // At the end of the warm-up counts begin anew.
    let (ended, well) = match now_marks.ended >= before.ended {
        true => (now_marks.ended - before.ended, now_marks.well.saturating_sub(before.well)),
        false => (now_marks.ended, now_marks.well),
    };
    let window = now.since(before.at);
    let mean = |area: u128, earlier: u128| (area - earlier) as f64 / (window.0.max(1)) as f64;
    let concurrency = mean(now_marks.in_flight_area, before.in_flight_area);
    let served = concurrency - mean(now_marks.waiting_area, before.waiting_area);
    let servers = mean(now_marks.servers_area, before.servers_area);
    let waiting = statistics.waiting.value() as f64;
    let cores = mean(now_marks.limit_area, before.limit_area) / 1000.0;
    let used = (compute_ns - before.compute_ns) as f64 / window.0.max(1) as f64;
    let utilisation = match workers {
        Some(workers) if servers > 0.0 => served / (f64::from(workers) * servers),
        None if cores > 0.0 => used / cores,
        _ => 0.0,
    };
    let known = |value: f64| Some(value).filter(|value| !value.is_nan());
    TrafficSample {
        window,
        arrivals: (ended as f64 + now_marks.in_flight as f64 - before.in_flight as f64).max(0.0),
        answered: well as f64,
        failed: (ended - well) as f64,
        concurrency,
        in_flight: now_marks.in_flight as f64,
        queued: waiting,
        held: if has_backends { 0.0 } else { waiting },
        latency_p50_s: known(latencies.p50_s),
        latency_p95_s: known(latencies.p95_s),
        latency_p99_s: known(latencies.p99_s),
        latency_mean_s: known(latencies.mean_s),
        utilisation: utilisation.clamp(0.0, 1.0),
    }
}

/// The mean rate of requests that sources will send to a service, every 15 s; calls of other services are not among them.
pub(super) fn foresight(model: &Model, service: Option<ServiceId>) -> Vec<(SimTime, f64)> {
    let (Some(service), Some(horizon)) = (service, model.horizon) else { return Vec::new() };
    let steps = horizon.0.div_ceil(FORESIGHT_STEP.0) as usize;
    let mut rates: Vec<(SimTime, f64)> =
        (0..steps).map(|step| (SimTime(step as u64 * FORESIGHT_STEP.0), 0.0)).collect();
    for source in &model.traffic.sources {
        let total: f64 = source.mix.iter().map(|(_, weight)| weight).sum();
        let own: f64 = source.mix.iter().filter(|(one, _)| one.service == service).map(|(_, weight)| weight).sum();
        match &source.arrivals {
            Arrivals::Open { rate, session, .. } => {
                let each = session.as_ref().map_or(1.0, |session| session.mean_requests);
                add_profile(&mut rates, rate, each * own / total);
            }
            Arrivals::Modulated { rate, states } => {
                let mean = states.iter().map(|state| state.factor).sum::<f64>() / states.len().max(1) as f64;
                add_profile(&mut rates, rate, mean * own / total);
            }
            Arrivals::Replay(listed) => {
                let is_own = |position: Option<u32>| match position {
                    Some(position) => f64::from(source.mix[position as usize].0.service == service),
                    None => own / total,
                };
                for (at, position) in listed.iter() {
                    if let Some((_, rate)) = rates.get_mut((at.0 / FORESIGHT_STEP.0) as usize) {
                        *rate += is_own(*position) / FORESIGHT_STEP.as_seconds();
                    }
                }
            }
            // How often users come back hangs on how long they wait.
            Arrivals::Closed { .. } => {}
        }
    }
    rates
}

/// Adds a share of a profile: the middle of each step stands for all of it.
fn add_profile(rates: &mut [(SimTime, f64)], profile: &Profile, share: f64) {
    for (at, rate) in rates {
        *rate += share * profile.at(SimTime(at.0 + FORESIGHT_STEP.0 / 2));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_of_the_windows_within_a_span() {
        let second = |seconds: u64| SimTime(seconds * 1_000_000_000);
        // Ten requests in each window of 10 s, of 1 ms, 2 ms and so on.
        let medians = |span_s: u64| {
            let mut recent = RecentLatencies::default();
            let median_ms = |window: u64| {
                let mut recorder = LatencyRecorder::default();
                recorder.record_many(SimDuration(window * 1_000_000), 10);
                recent.add(second(10 * window), &recorder, SimDuration(span_s * 1_000_000_000));
                (recent.all.p50_s * 1000.0).round()
            };
            (1..=5).map(median_ms).collect::<Vec<_>>()
        };
        // The last alone; the last three, whose middle one is the median; and all of them so far.
        assert_eq!(medians(0), [1.0, 2.0, 3.0, 4.0, 5.0]);
        assert_eq!(medians(30)[2..], [2.0, 3.0, 4.0]);
        assert_eq!(medians(39)[2..], [2.0, 3.0, 4.0]);
        assert_eq!(medians(600)[4], 3.0);
        let mut silent = RecentLatencies::default();
        silent.add(second(10), &LatencyRecorder::default(), SimDuration::ZERO);
        assert!(silent.all.p50_s.is_nan());
    }
}
