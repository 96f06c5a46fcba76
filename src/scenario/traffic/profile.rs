//! Rates over time: components as straight lines between points, and their sum.

use super::super::import;
use super::spec::{ComponentSpec, CycleSpec, RatePointSpec, RateSpec, SeriesSpec};
use super::{Builder, Stage};
use crate::document::Code;
use crate::importers::requests::RateOptions;
use crate::model::traffic::Profile;
use crate::units::{SimDuration, SimTime};

/// Samples of a sinusoid in a period.
const SINUSOID_SAMPLES: u64 = 96;
/// Samples of a crowd that leaves in a half-life, and half-lives until it is gone: a thousandth is left.
const CROWD_SAMPLES: u64 = 16;
const CROWD_HALF_LIVES: u64 = 10;
/// Most points that a component may have.
const POINTS_MAX: u64 = 5_000_000;
const DAY: SimDuration = SimDuration(86_400_000_000_000);
const WEEK: SimDuration = SimDuration(7 * 86_400_000_000_000);

type Points = Vec<(SimTime, f64)>;

impl Builder<'_, '_, '_> {
    /// The sum of the components of a rate.
    pub(super) fn profile(&mut self, spec: &RateSpec, at: &str) -> Profile {
        let before = self.context.issues.len();
        let parts: Vec<Points> = match spec {
            RateSpec::One(component) => self.component(component, at).into_iter().collect(),
            RateSpec::Sum(components) => {
                if components.is_empty() {
                    self.context.report(at, Code::MissingKey, format!("`{at}` lists nothing that is added"));
                }
                let components = components.iter().enumerate();
                components.filter_map(|(index, one)| self.component(one, &format!("{at}[{index}]"))).collect()
            }
        };
        let profile = sum(parts);
        let is_endless = profile.points.last().is_some_and(|(_, rate)| *rate > 0.0);
        if is_endless && self.horizon.is_none() && self.context.issues.len() == before {
            self.needs_horizon(at, "requests never stop coming");
        }
        profile
    }

    /// The points of a component, the first of them at the start; none where that cannot be said.
    fn component(&mut self, spec: &ComponentSpec, at: &str) -> Option<Points> {
        match spec {
            ComponentSpec::Constant(rate) => Some(vec![(SimTime::ZERO, rate.0)]),
            ComponentSpec::Steps(points) => Some(steps(&self.ascending(points, &format!("{at}.steps"), true)?)),
            ComponentSpec::Lines(points) => {
                let mut points = self.ascending(points, &format!("{at}.lines"), false)?;
                if points[0].0 > SimTime::ZERO {
                    points.splice(0..0, [(SimTime::ZERO, 0.0), (points[0].0, 0.0)]);
                }
                Some(points)
            }
            ComponentSpec::Ramp { from, to, at, over } => {
                Some(course(at.0, &[(SimDuration::ZERO, from.0), (over.0, to.0)], from.0))
            }
            ComponentSpec::Spike { at, peak, rise, hold, fall } => {
                Some(course(at.0, &[(SimDuration::ZERO, 0.0), (rise.0, peak.0), (hold.0, peak.0), (fall.0, 0.0)], 0.0))
            }
            ComponentSpec::FlashCrowd { at: start, peak, rise, hold, half_life } => {
                let half_life = self.positive(Some(*half_life), DAY, &format!("{at}.flashCrowd.halfLife"));
                let mut turns = vec![(SimDuration::ZERO, 0.0), (rise.0, peak.0), (hold.0, peak.0)];
                let part = |sample: u64| half_life.0.saturating_mul(sample) / CROWD_SAMPLES;
                turns.extend((1..=CROWD_SAMPLES * CROWD_HALF_LIVES).map(|sample| {
                    let left = libm::exp2(-(sample as f64) / CROWD_SAMPLES as f64);
                    (SimDuration(part(sample).saturating_sub(part(sample - 1))), peak.0 * left)
                }));
                turns.push((SimDuration::ZERO, 0.0));
                Some(course(start.0, &turns, 0.0))
            }
            ComponentSpec::Sinusoid { mean, amplitude, period, peak } => {
                let at = format!("{at}.sinusoid");
                let period = self.positive(Some(*period), DAY, &format!("{at}.period"));
                let peak = peak.map_or(SimDuration(period.0 / 4), |peak| peak.0);
                let value = |time: SimTime| {
                    let turns = (time.0 as f64 - peak.0 as f64) / period.0 as f64;
                    mean.0 + amplitude.0 * libm::cos(std::f64::consts::TAU * turns)
                };
                self.cyclic(period, SINUSOID_SAMPLES, SimDuration::ZERO, &at, |_, time| value(time))
            }
            ComponentSpec::Daily(cycle) => self.cycle(cycle, DAY, &format!("{at}.daily")),
            ComponentSpec::Weekly(cycle) => self.cycle(cycle, WEEK, &format!("{at}.weekly")),
            ComponentSpec::Series(series) => self.series(series, &format!("{at}.series")),
        }
    }

    /// Listed points, which must ascend; reports those that do not.
    fn ascending(&mut self, points: &[RatePointSpec], at: &str, is_strict: bool) -> Option<Points> {
        if points.is_empty() {
            self.context.report(at, Code::MissingKey, format!("`{at}` lists no instants"));
            return None;
        }
        let is_wrong = |pair: &[RatePointSpec]| pair[0].at > pair[1].at || is_strict && pair[0].at == pair[1].at;
        if let Some(index) = points.windows(2).position(is_wrong) {
            let at = format!("{at}[{}].at", index + 1);
            let message = format!("`{at}` is not after the instant listed before it");
            self.context.report(&at, Code::OutOfRange, message);
            return None;
        }
        Some(points.iter().map(|point| (SimTime::ZERO.after(point.at.0), point.rate.0)).collect())
    }

    fn cycle(&mut self, spec: &CycleSpec, period: SimDuration, at: &str) -> Option<Points> {
        let (values, start, days): (Vec<f64>, SimDuration, &[f64]) = match spec {
            CycleSpec::Rates(rates) => (rates.iter().map(|rate| rate.0).collect(), SimDuration::ZERO, &[]),
            CycleSpec::Plan(plan) => {
                let mean = plan.shape.iter().sum::<f64>() / plan.shape.len() as f64;
                let factor = plan.mean.0 / mean;
                let is_wrong = plan.shape.iter().any(|value| *value < 0.0);
                let is_usable = factor.is_finite() && mean > 0.0;
                if is_wrong || !(plan.shape.is_empty() || is_usable) {
                    let at = format!("{at}.shape");
                    let message = format!("`{at}` needs values of at least 0 that are not all 0");
                    self.context.report(&at, Code::OutOfRange, message);
                    return None;
                }
                (plan.shape.iter().map(|value| value * factor).collect(), plan.start.0, &plan.days)
            }
        };
        if values.is_empty() {
            self.context.report(at, Code::MissingKey, format!("`{at}` lists no values"));
            return None;
        }
        if period != DAY && !days.is_empty() {
            let at = format!("{at}.days");
            let message = format!("`{at}` is for a daily cycle; a weekly one lists the values of all its days");
            self.context.report(&at, Code::Contradiction, message);
        }
        if let Some(index) = days.iter().position(|factor| *factor < 0.0) {
            let at = format!("{at}.days[{index}]");
            self.context.report(&at, Code::OutOfRange, format!("`{at}` must be at least 0"));
        }
        let count = values.len() as u64;
        self.cyclic(period, count, start, at, |sample, _| {
            let day = (sample / count) as usize;
            values[(sample % count) as usize] * days.get(day % days.len().max(1)).copied().unwrap_or(1.0)
        })
    }

    /// Samples at equal distances, `count` in each `period`, from the sample at or before the start on; the run starts when
    /// `start` has gone by. Ends with the first sample that is not before the horizon.
    fn cyclic(
        &mut self,
        period: SimDuration,
        count: u64,
        start: SimDuration,
        at: &str,
        value: impl Fn(u64, SimTime) -> f64,
    ) -> Option<Points> {
        let Some(horizon) = self.horizon else {
            self.needs_horizon(at, "requests never stop coming");
            return None;
        };
        let instant = |sample: u64| u128::from(period.0) * u128::from(sample) / u128::from(count);
        let (start, end) = (u128::from(start.0), u128::from(start.0) + u128::from(horizon.0));
        let sample_at = |time: u128| (time * u128::from(count) / u128::from(period.0)) as u64;
        let (first, last) = (sample_at(start), sample_at(end) + 1);
        if last - first > POINTS_MAX {
            let message = format!("`{at}` makes more than {POINTS_MAX} points until the horizon");
            self.context.report(at, Code::AbsurdSize, message);
            return None;
        }
        let mut points = Points::new();
        for sample in first..=last {
            let time = instant(sample);
            let since = SimTime(u64::try_from(time.saturating_sub(start)).unwrap_or(u64::MAX));
            let now = value(sample, since);
            if time < start {
                // The run starts between two samples.
                let next = value(sample + 1, since);
                let part = (start - time) as f64 / (instant(sample + 1) - time) as f64;
                points.push((SimTime::ZERO, now + (next - now) * part));
            } else {
                points.push((since, now));
            }
        }
        Some(points)
    }

    fn series(&mut self, spec: &SeriesSpec, at: &str) -> Option<Points> {
        let every = self.optional(spec.every, &format!("{at}.every"));
        let path = self.context.existing_path(&format!("{at}.file"), &spec.file)?;
        // Only what is built is read.
        if self.stage == Stage::Check {
            return None;
        }
        let options = RateOptions {
            time: spec.time.as_deref(),
            column: spec.column.as_deref(),
            every,
            from: spec.from.as_deref(),
            until: self.horizon,
            function: spec.function.as_deref(),
        };
        let read = import::rates(&path, &options, self.context)?;
        Some(steps(&read.into_iter().map(|(time, rate)| (time, rate * spec.scale)).collect::<Points>()))
    }
}

/// Constant from each instant to the next.
fn steps(listed: &[(SimTime, f64)]) -> Points {
    let mut points = vec![(SimTime::ZERO, 0.0)];
    for &(time, rate) in listed {
        if time == SimTime::ZERO {
            points[0].1 = rate;
        } else {
            let before = points[points.len() - 1].1;
            points.extend([(time, before), (time, rate)]);
        }
    }
    points
}

/// Straight lines from `start` on: each turn so long after the one before, and the value there.
fn course(start: SimDuration, turns: &[(SimDuration, f64)], before: f64) -> Points {
    let mut time = SimTime::ZERO.after(start);
    let mut points = vec![(SimTime::ZERO, before)];
    for &(span, value) in turns {
        time = time.after(span);
        points.push((time, value));
    }
    points
}

/// The sum of rates, where it is above 0.
fn sum(parts: Vec<Points>) -> Profile {
    let parts: Vec<Profile> = parts.into_iter().map(|points| Profile { points }).collect();
    let mut times: Vec<SimTime> = parts.iter().flat_map(|part| part.points.iter().map(|(time, _)| *time)).collect();
    times.push(SimTime::ZERO);
    times.sort_unstable();
    times.dedup();
    let mut points = Points::with_capacity(times.len());
    for time in times {
        let before: f64 = parts.iter().map(|part| just_before(part, time)).sum();
        let after: f64 = parts.iter().map(|part| part.at(time)).sum();
        if before != after && time > SimTime::ZERO {
            push(&mut points, (time, before));
        }
        push(&mut points, (time, after));
    }
    if let [.., (_, before), (_, last)] = points[..]
        && before == last
    {
        points.pop();
    }
    Profile { points: above_zero(points) }
}

/// The rate at the end of the line that leads to an instant.
fn just_before(profile: &Profile, time: SimTime) -> f64 {
    let next = profile.points.partition_point(|(at, _)| *at < time);
    match profile.points.get(next) {
        Some((at, rate)) if *at == time => *rate,
        _ => profile.at(time),
    }
}

/// Appends a point; of a stretch that is constant only the ends are kept.
fn push(points: &mut Points, (time, rate): (SimTime, f64)) {
    match &mut points[..] {
        [.., (_, first), (last, second)] if *first == rate && *second == rate => *last = time,
        _ => points.push((time, rate)),
    }
}

/// The same lines, with 0 where they are below.
fn above_zero(points: Points) -> Points {
    if points.iter().all(|(_, rate)| *rate >= 0.0) {
        return points;
    }
    let mut cut = Points::with_capacity(points.len());
    for (time, rate) in points {
        if let Some(&(before, last)) = cut.last()
            && last * rate < 0.0
        {
            let span = time.since(before).as_seconds() * last / (last - rate);
            cut.push((before.after(SimDuration::from_seconds(span)), 0.0));
        }
        cut.push((time, rate));
    }
    cut.iter_mut().for_each(|(_, rate)| *rate = rate.max(0.0));
    cut
}
