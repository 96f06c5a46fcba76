//! How long a measured value broke its objective.

use crate::units::SimTime;

/// What an objective says of the measured value.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Objective {
    /// It is at most this: latency, error rate.
    AtMost(f64),
    /// It is at least this: throughput, availability.
    AtLeast(f64),
}

impl Objective {
    /// Whether a value breaks the objective. NaN, which stands for no measurement, does not.
    pub fn is_broken_by(self, value: f64) -> bool {
        match self {
            Objective::AtMost(limit) => value > limit,
            Objective::AtLeast(limit) => value < limit,
        }
    }
}

/// Time and incidents in violation of an objective, of a value that is a step function; in constant memory.
#[derive(Clone, Copy, Debug)]
pub struct ViolationMeter {
    objective: Objective,
    start: SimTime,
    now: SimTime,
    value: f64,
    violated_s: f64,
    longest_s: f64,
    open_s: f64,
    incidents: u64,
}

/// What a [`ViolationMeter`] found.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Violations {
    /// The span, in seconds.
    pub duration_s: f64,
    /// Time in violation, in seconds.
    pub violated_s: f64,
    /// Maximal spans of violation; one that has not ended counts.
    pub incidents: u64,
    /// How long the longest took, in seconds.
    pub longest_s: f64,
}

impl Violations {
    /// Share of the time in violation, in percent. NaN over no time.
    pub fn percent(&self) -> f64 {
        100.0 * self.violated_s / self.duration_s
    }
}

impl ViolationMeter {
    /// Starts at `start` with nothing measured.
    pub fn new(start: SimTime, objective: Objective) -> ViolationMeter {
        let value = f64::NAN;
        ViolationMeter {
            objective,
            start,
            now: start,
            value,
            violated_s: 0.0,
            longest_s: 0.0,
            open_s: 0.0,
            incidents: 0,
        }
    }

    /// From `at` on the value is `value`; NaN: nothing is measured.
    ///
    /// # Panics
    /// When time moves back.
    pub fn set(&mut self, at: SimTime, value: f64) {
        self.advance(at);
        self.value = value;
    }

    /// What was found from the start up to `end`.
    ///
    /// # Panics
    /// When `end` is before the last change.
    pub fn figures(&self, end: SimTime) -> Violations {
        let mut done = *self;
        done.advance(end);
        Violations {
            duration_s: end.since(self.start).as_seconds(),
            violated_s: done.violated_s,
            incidents: done.incidents,
            longest_s: done.longest_s,
        }
    }

    fn advance(&mut self, to: SimTime) {
        let span_s = to.since(self.now).as_seconds();
        if to == self.now {
            return;
        }
        self.now = to;
        if !self.objective.is_broken_by(self.value) {
            self.open_s = 0.0;
            return;
        }
        self.incidents += u64::from(self.open_s == 0.0);
        self.open_s += span_s;
        self.violated_s += span_s;
        self.longest_s = self.longest_s.max(self.open_s);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn second(s: u64) -> SimTime {
        SimTime(s * 1_000_000_000)
    }

    #[test]
    fn time_above_a_limit() {
        let mut meter = ViolationMeter::new(second(0), Objective::AtMost(0.5));
        // Nothing is measured up to 10; broken 10-25 (two values, one incident), 40-45, and 90-100 without an end.
        // At 60 the value breaks the objective for no time.
        let values =
            [(10, 0.6), (20, 0.9), (25, 0.5), (40, 0.7), (45, f64::NAN), (60, 1.0), (60, 0.1), (90, 2.0), (95, 3.0)];
        for (at, value) in values {
            meter.set(second(at), value);
        }
        let expected = Violations { duration_s: 100.0, violated_s: 30.0, incidents: 3, longest_s: 15.0 };
        assert_eq!(meter.figures(second(100)), expected);
        assert_eq!(expected.percent(), 30.0);
    }

    #[test]
    fn time_below_a_limit() {
        let mut meter = ViolationMeter::new(second(5), Objective::AtLeast(10.0));
        meter.set(second(6), 9.0);
        meter.set(second(8), 10.0);
        let found = meter.figures(second(15));
        assert_eq!((found.violated_s, found.percent(), found.incidents), (2.0, 20.0, 1));
    }
}
