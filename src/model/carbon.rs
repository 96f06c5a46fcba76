//! How much carbon dioxide a kWh costs, where and when; and which pods can wait for a better hour or go to a better place.

use crate::ids::{ClassId, ZoneId};
use crate::units::{SimDuration, SimTime};

/// Steps of a drawn day.
const DAILY_STEPS: u64 = 96;
/// A day in ns.
const DAY_NS: u64 = 86_400_000_000_000;

/// Carbon intensity over time, in g CO2e a kWh: steps that hold until the next, the first also before it. A cycle begins anew
/// after its last step.
#[derive(Clone, Debug, PartialEq)]
pub struct Intensity {
    steps: Vec<(SimTime, f64)>,
    /// The integral from zero up to each step, in g s a kWh.
    areas: Vec<f64>,
    cycle: Option<SimDuration>,
}

impl Intensity {
    /// Always the same.
    pub fn constant(g_per_kwh: f64) -> Intensity {
        Intensity::steps(vec![(SimTime::ZERO, g_per_kwh)])
    }

    /// These steps, in ascending order of time.
    ///
    /// # Panics
    /// When there are none, or time moves back.
    pub fn steps(mut steps: Vec<(SimTime, f64)>) -> Intensity {
        assert!(steps.is_sorted_by_key(|step| step.0) && !steps.is_empty(), "steps in order of time");
        steps[0].0 = SimTime::ZERO;
        let mut areas = vec![0.0];
        for pair in steps.windows(2) {
            areas.push(areas[areas.len() - 1] + pair[0].1 * pair[1].0.since(pair[0].0).as_seconds());
        }
        Intensity { steps, areas, cycle: None }
    }

    /// A day that is drawn and comes again: a sinusoid about `mean`, `amplitude` above it at `highest` and below it half a day
    /// later, never below 0, in steps of a quarter of an hour that have its value in their middle.
    pub fn daily(mean: f64, amplitude: f64, highest: SimDuration) -> Intensity {
        let step = |step: u64| {
            let from_ns = step * (DAY_NS / DAILY_STEPS);
            let middle_ns = (from_ns + DAY_NS / DAILY_STEPS / 2) as f64 - highest.0 as f64;
            let angle = 2.0 * std::f64::consts::PI * middle_ns / DAY_NS as f64;
            (SimTime(from_ns), (mean + amplitude * libm::cos(angle)).max(0.0))
        };
        let day = Intensity::steps((0..DAILY_STEPS).map(step).collect());
        Intensity { cycle: Some(SimDuration(DAY_NS)), ..day }
    }

    /// In g a kWh at that instant.
    pub fn at(&self, instant: SimTime) -> f64 {
        let (_, within) = self.split(instant);
        self.steps[self.step(within)].1
    }

    /// The integral between two instants, in g s a kWh.
    pub fn integral(&self, from: SimTime, to: SimTime) -> f64 {
        self.area(to) - self.area(from)
    }

    /// The mean between two instants, in g a kWh; at one instant, what holds then.
    pub fn mean(&self, from: SimTime, to: SimTime) -> f64 {
        if to <= from { self.at(from) } else { self.integral(from, to) / to.since(from).as_seconds() }
    }

    /// When it next changes after that instant; none: never.
    pub fn next_change(&self, instant: SimTime) -> Option<SimTime> {
        let (cycles, within) = self.split(instant);
        let begin = instant.0 - within.0;
        let next = self.steps.get(self.step(within) + 1).map(|step| step.0.0);
        let next = next.or_else(|| self.cycle.map(|cycle| cycle.0));
        debug_assert!(self.cycle.is_some() || cycles == 0);
        next.map(|next| SimTime(begin + next))
    }

    /// How many cycles are over, and the time within the present one.
    fn split(&self, instant: SimTime) -> (u64, SimTime) {
        match self.cycle {
            Some(cycle) => (instant.0 / cycle.0, SimTime(instant.0 % cycle.0)),
            None => (0, instant),
        }
    }

    fn step(&self, within: SimTime) -> usize {
        self.steps.partition_point(|step| step.0 <= within) - 1
    }

    fn area(&self, instant: SimTime) -> f64 {
        let (cycles, within) = self.split(instant);
        let up_to = |within: SimTime| {
            let step = self.step(within);
            self.areas[step] + self.steps[step].1 * within.since(self.steps[step].0).as_seconds()
        };
        let cycle = self.cycle.map_or(0.0, |cycle| up_to(SimTime(cycle.0)));
        cycles as f64 * cycle + up_to(within)
    }
}

/// Carbon intensity by place, and the pods that heed it.
#[derive(Clone, Debug, PartialEq)]
pub struct Carbon {
    /// By [`ZoneId`].
    pub zones: Vec<Intensity>,
    /// Where there is no zone.
    pub elsewhere: Intensity,
    /// Pods that can wait.
    pub deferrable: Vec<Deferrable>,
}

impl Carbon {
    /// Of nodes in that zone, or without one.
    pub fn of(&self, zone: Option<ZoneId>) -> &Intensity {
        zone.and_then(|zone| self.zones.get(zone.index())).unwrap_or(&self.elsewhere)
    }

    /// What holds for pods of that class, if they can wait.
    pub fn deferrable(&self, class: ClassId) -> Option<&Deferrable> {
        self.deferrable.iter().find(|one| one.class == class)
    }
}

/// Pods of one class that can wait.
#[derive(Clone, Debug, PartialEq)]
pub struct Deferrable {
    /// The class that pods come with.
    pub class: ClassId,
    /// How long after its arrival a pod must have ended, as far as its length is known.
    pub deadline: SimDuration,
    /// How long a pod takes, as its owner thinks; none: as it really does.
    pub length: Option<SimDuration>,
    /// Name of the policy.
    pub policy: String,
    /// Its parameters.
    pub parameters: serde_json::Value,
    /// The zones that a pod may be sent to, and the class that it has there. Empty: it goes where the scheduler likes.
    pub zones: Vec<(ZoneId, ClassId)>,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hours(hours: f64) -> SimTime {
        SimTime::ZERO.after(SimDuration::from_seconds(hours * 3600.0))
    }

    #[test]
    fn integrals_are_areas_under_steps() {
        let steps = Intensity::steps(vec![(hours(0.0), 100.0), (hours(2.0), 300.0), (hours(3.0), 50.0)]);
        for (from, to, mean, change) in [
            (0.0, 1.0, 100.0, Some(2.0)),
            // An hour of 100, one of 300, two of 50: 500 / 4.
            (1.0, 5.0, 125.0, Some(2.0)),
            (2.0, 2.0, 300.0, Some(3.0)),
            (2.5, 3.0, 300.0, Some(3.0)),
            (7.0, 9.0, 50.0, None),
        ] {
            assert_eq!(steps.mean(hours(from), hours(to)), mean, "{from} {to}");
            assert_eq!(steps.next_change(hours(from)), change.map(hours), "{from} {to}");
        }
        assert_eq!(Intensity::constant(7.0).integral(hours(1.0), hours(3.0)), 7.0 * 7200.0);
    }

    #[test]
    fn a_day_comes_again() {
        let day = Intensity::daily(200.0, 100.0, SimDuration::from_seconds(19.0 * 3600.0));
        // Within an eighth of an hour of the top and the bottom.
        assert!((day.at(hours(19.0)) - 300.0).abs() < 0.1 && (day.at(hours(7.0)) - 100.0).abs() < 0.1);
        assert_eq!(day.at(hours(3.1)).to_bits(), day.at(hours(51.1)).to_bits());
        assert!((day.mean(hours(0.0), hours(24.0)) - 200.0).abs() < 1e-9);
        // Over midnight: what is left of one day, two whole days and the beginning of a fourth.
        let parts =
            day.integral(hours(5.0), hours(24.0)) + 2.0 * 200.0 * 86_400.0 + day.integral(hours(0.0), hours(6.0));
        assert!((day.integral(hours(5.0), hours(78.0)) - parts).abs() < 1e-3);
        assert_eq!(day.next_change(hours(47.9)), Some(hours(48.0)));
        assert_eq!(day.next_change(hours(48.0)), Some(hours(48.25)));
        // Nothing gives less than nothing.
        assert_eq!(Intensity::daily(10.0, 100.0, SimDuration::ZERO).at(hours(12.0)), 0.0);
    }
}
