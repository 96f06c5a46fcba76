//! Usage that follows the course of a day, drawn from a seed.

use crate::model::sizing::{Usage, UsageStep};
use crate::rng::Stream;
use crate::units::{Bytes, MilliCpu, SimDuration};

const DAY_S: f64 = 86_400.0;

/// The course of one resource: `mean * (1 + swing * cos(2 pi (t - peak) / day)) * (1 + growth * t / day) * noise * burst`, and not
/// below 0.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Course {
    /// The mean over a day, in milli-cores or bytes, without growth and bursts.
    pub mean: f64,
    /// How far it goes above and below the mean, as a part of that.
    pub swing: f64,
    /// When it is at its highest, from midnight, at which the run begins.
    pub peak: SimDuration,
    /// The standard deviation of the logarithm of the noise, which has a mean of 1 and is drawn anew for each step.
    pub noise: f64,
    /// What it gains in a day, as a part of the mean.
    pub growth: f64,
    /// How many bursts begin in a day, on average.
    pub bursts_per_day: f64,
    /// What a burst multiplies it by.
    pub burst_factor: f64,
    /// How long a burst lasts.
    pub burst_span: SimDuration,
}

impl Course {
    /// Always the same.
    pub fn constant(mean: f64) -> Course {
        Course {
            mean,
            swing: 0.0,
            peak: SimDuration::ZERO,
            noise: 0.0,
            growth: 0.0,
            bursts_per_day: 0.0,
            burst_factor: 1.0,
            burst_span: SimDuration::ZERO,
        }
    }
}

/// One course as it is drawn.
struct Drawn<'c> {
    course: &'c Course,
    stream: Stream,
    next_burst_s: f64,
    burst_ends_s: f64,
}

impl Drawn<'_> {
    fn new(course: &Course, stream: Stream) -> Drawn<'_> {
        let mut drawn = Drawn { course, stream, next_burst_s: f64::INFINITY, burst_ends_s: 0.0 };
        drawn.plan_burst(0.0);
        drawn
    }

    fn plan_burst(&mut self, from_s: f64) {
        if self.course.bursts_per_day > 0.0 {
            self.next_burst_s = from_s + self.stream.exponential() * DAY_S / self.course.bursts_per_day;
        }
    }

    /// The amount in the step that begins then.
    fn at(&mut self, time_s: f64) -> u64 {
        let course = self.course;
        while time_s >= self.next_burst_s {
            self.burst_ends_s = self.next_burst_s + course.burst_span.as_seconds();
            self.plan_burst(self.burst_ends_s);
        }
        let burst = if time_s < self.burst_ends_s { course.burst_factor } else { 1.0 };
        let turns = (time_s - course.peak.as_seconds()) / DAY_S;
        let swing = 1.0 + course.swing * libm::cos(std::f64::consts::TAU * turns);
        let growth = 1.0 + course.growth * time_s / DAY_S;
        let noise = match course.noise {
            0.0 => 1.0,
            sigma => libm::exp(sigma * self.stream.normal() - sigma * sigma / 2.0),
        };
        (course.mean * swing * growth * noise * burst).max(0.0) as u64
    }
}

/// Steps of usage until `span` is over: courses of CPU and memory, each with a stream of its own.
pub fn draw_usage(
    [cpu, memory]: [&Course; 2],
    every: SimDuration,
    span: SimDuration,
    [cpu_stream, memory_stream]: [Stream; 2],
) -> Vec<UsageStep> {
    let (mut cpu, mut memory) = (Drawn::new(cpu, cpu_stream), Drawn::new(memory, memory_stream));
    let mut steps = Vec::new();
    let mut time_ns = 0;
    while time_ns < span.0 {
        let time_s = SimDuration(time_ns).as_seconds();
        let usage = Usage { cpu: MilliCpu(cpu.at(time_s)), memory: Bytes(memory.at(time_s)) };
        let step = every.0.min(span.0 - time_ns);
        steps.push(UsageStep { span: SimDuration(step), usage });
        time_ns += step;
    }
    steps
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rng::Seed;

    const HOUR: SimDuration = SimDuration(3_600_000_000_000);

    fn steps(course: &Course, hours: u64) -> Vec<u64> {
        let stream = |entity| Seed { base: 1, replication: 0 }.stream("usage", entity);
        let none = Course::constant(0.0);
        let drawn = draw_usage([&none, course], HOUR, SimDuration(HOUR.0 * hours), [stream(0), stream(1)]);
        drawn.iter().map(|step| step.usage.memory.0).collect()
    }

    #[test]
    fn a_day_swings_around_its_mean_and_grows() {
        let course = Course { swing: 0.5, peak: SimDuration(12 * HOUR.0), growth: 1.0, ..Course::constant(1000.0) };
        let found = steps(&course, 37);
        // At midnight 0.5, at six 1 and a quarter of a day's growth, at noon 1.5 times 1.5, a day later 1.5 times 2.5.
        assert_eq!([found[0], found[6], found[12], found[36]].map(|amount| amount.div_ceil(10)), [50, 125, 225, 375]);
    }

    #[test]
    fn bursts_come_and_last_as_said() {
        let course = Course { bursts_per_day: 4.0, burst_factor: 3.0, burst_span: HOUR, ..Course::constant(1000.0) };
        let found = steps(&course, 24 * 100);
        let high = found.iter().filter(|&&amount| amount == 3000).count();
        assert!(found.iter().all(|amount| [1000, 3000].contains(amount)));
        // A burst every 7 hours, of which one is high: 2400 / 7 = 343; 343 gaps of 6 hours have a standard deviation of
        // 6 / sqrt(343) / 7 = 4.6 % of their number: 16. Steps begin on the hour, so a burst is one of them.
        assert!(high.abs_diff(343) < 64, "{high}");
    }
}
