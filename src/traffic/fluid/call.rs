//! What comes of calls under their callers' policies: outcomes, attempts and time.

use super::shape::{mean_below, tail};
use crate::model::traffic::{CallPolicy, RetryOn};
use crate::traffic::attempt::Outcome;

/// Mean, variance and least value of a time, in s.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Moments {
    pub mean: f64,
    pub variance: f64,
    pub floor: f64,
}

impl Moments {
    pub(super) fn second(&self) -> f64 {
        self.variance + self.mean * self.mean
    }

    /// The sum of two that do not depend on each other.
    pub(super) fn plus(&self, other: &Moments) -> Moments {
        Moments {
            mean: self.mean + other.mean,
            variance: self.variance + other.variance,
            floor: self.floor + other.floor,
        }
    }

    /// Nothing, unless that chance comes true.
    pub(super) fn with_chance(&self, chance: f64) -> Moments {
        let mean = chance * self.mean;
        let floor = if chance >= 1.0 { self.floor } else { 0.0 };
        Moments { mean, variance: (chance * self.second() - mean * mean).max(0.0), floor }
    }

    /// P(more than `time`).
    pub(super) fn tail(&self, time: f64) -> f64 {
        tail(self.mean, self.variance, self.floor, time)
    }
}

/// Adds up a mixture.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Mixture {
    weight: f64,
    mean: f64,
    second: f64,
    floor: Option<f64>,
}

impl Mixture {
    pub(super) fn add(&mut self, weight: f64, part: &Moments) {
        if weight > 0.0 {
            self.weight += weight;
            self.mean += weight * part.mean;
            self.second += weight * part.second();
            self.floor = Some(self.floor.map_or(part.floor, |floor| floor.min(part.floor)));
        }
    }

    pub(super) fn moments(&self) -> Moments {
        if self.weight <= 0.0 {
            return Moments::default();
        }
        let (mean, second) = (self.mean / self.weight, self.second / self.weight);
        Moments { mean, variance: (second - mean * mean).max(0.0), floor: self.floor.unwrap_or(0.0) }
    }
}

/// The time until the last of several things that begin at once, by the product of their distributions: of each its
/// moments, how likely it is at all, and how often it is done.
pub(super) fn last_of(parts: &[(Moments, f64, u32)]) -> Moments {
    if let [(only, chance, 1)] = parts {
        return only.with_chance(*chance);
    }
    let floor = parts.iter().filter(|(_, chance, _)| *chance >= 1.0).map(|(one, ..)| one.floor).fold(0.0, f64::max);
    let end = parts
        .iter()
        .map(|(one, _, count)| one.mean + one.variance.sqrt() * (6.0 + f64::from(*count).sqrt()))
        .fold(0.0, f64::max);
    // Simpson's rule.
    const STEPS: u32 = 16;
    let width = (end - floor) / f64::from(STEPS);
    if width <= 0.0 {
        return Moments { mean: floor, variance: 0.0, floor };
    }
    let (mut first, mut second) = (0.0, 0.0);
    for step in 0..=STEPS {
        let at = f64::from(step) * width;
        let mut below = 1.0;
        for (one, chance, count) in parts {
            let each = 1.0 - chance * one.tail(floor + at);
            below *= if *count == 1 { each } else { libm::pow(each, f64::from(*count)) };
        }
        let weight = width / 3.0 * if step == 0 || step == STEPS { 1.0 } else { f64::from(2 + 2 * (step % 2)) };
        first += weight * (1.0 - below);
        second += weight * 2.0 * at * (1.0 - below);
    }
    Moments { mean: floor + first, variance: (second - first * first).max(0.0), floor }
}

/// How attempts at one target end: parts that sum to 1, and how long those take that end so.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Attempts {
    pub outcomes: [f64; Outcome::COUNT],
    pub times_s: [f64; Outcome::COUNT],
    /// Of those that end well.
    pub well: Moments,
}

impl Attempts {
    /// Adds a part of the attempts.
    pub(super) fn add(&mut self, share: f64, one: &Attempts) {
        for at in 0..Outcome::COUNT {
            self.add_outcome(at, share * one.outcomes[at], one.times_s[at]);
        }
    }

    /// Adds a part that ends in one way after a time.
    fn add_outcome(&mut self, at: usize, part: f64, time_s: f64) {
        let sum = self.outcomes[at] + part;
        if sum > 0.0 {
            self.times_s[at] = (self.times_s[at] * self.outcomes[at] + time_s * part) / sum;
        }
        self.outcomes[at] = sum;
    }
}

/// What becomes of calls.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Calls {
    /// Attempts for each call, hedges among them.
    pub attempts: f64,
    pub outcomes: [f64; Outcome::COUNT],
    pub time: Moments,
    /// Part of the answers that are errors.
    pub error: f64,
}

impl Calls {
    /// Part of the calls that fail.
    pub(super) fn failing(&self) -> f64 {
        (1.0 - self.outcomes[Outcome::Well as usize]).max(0.0)
    }
}

/// Limits of the place that calls.
#[derive(Clone, Copy, Debug)]
pub(super) struct Caller {
    /// Calls a second.
    pub rate: f64,
    /// Places that have a budget or a limit each.
    pub clients: f64,
    /// Retries in flight at most, in each.
    pub max_retries: Option<u32>,
}

fn is_worth(on: RetryOn, outcome: Outcome) -> bool {
    match outcome {
        Outcome::Well | Outcome::Superseded => false,
        Outcome::Timeout => on.timeouts,
        Outcome::Refused | Outcome::Unavailable => on.refusals,
        Outcome::Error | Outcome::Lost => on.errors,
    }
}

/// How long an attempt may take: the policy's timeout, and the deadline of the call.
pub(super) fn patience_s(policy: &CallPolicy) -> f64 {
    let timeout = policy.timeout.map_or(f64::INFINITY, |timeout| timeout.as_seconds());
    policy.deadline.map_or(timeout, |deadline| timeout.min(deadline.as_seconds()))
}

/// What attempts come to if those that let in take `stay`, and `refusals` (of each kind, with its time) are not; `error` of
/// the answers say that something went wrong.
pub(super) fn attempts(
    policy: &CallPolicy,
    let_in: f64,
    stay: &Moments,
    error: f64,
    refusals: &[(Outcome, f64, f64)],
) -> Attempts {
    let mut found = Attempts::default();
    for &(outcome, part, time_s) in refusals {
        found.add_outcome(outcome as usize, part, time_s);
    }
    let patience_s = patience_s(policy);
    let late = if patience_s.is_finite() { let_in * stay.tail(patience_s) } else { 0.0 };
    let in_time = let_in - late;
    if late > 0.0 {
        found.add_outcome(Outcome::Timeout as usize, late, patience_s);
    }
    found.well = *stay;
    if late > 1e-9 {
        let mean = mean_below(stay.mean, stay.variance, stay.floor, patience_s);
        // What is cut off was what varied most.
        let width = (patience_s - stay.floor).max(0.0);
        let variance = stay.variance.min(width * width / 12.0).min((patience_s - mean) * (mean - stay.floor).max(0.0));
        found.well = Moments { mean, variance, floor: stay.floor };
    }
    if let Some(hedging) = policy.hedging {
        hedge(&mut found.well, hedging.after.as_seconds());
    }
    let time_s = found.well.mean;
    found.add_outcome(Outcome::Error as usize, in_time * error, time_s);
    found.add_outcome(Outcome::Well as usize, in_time * (1.0 - error), time_s);
    found
}

/// The faster of two attempts, the second `after_s` later: beyond that the rest of the first is as if exponential.
fn hedge(time: &mut Moments, after_s: f64) {
    let slow = time.tail(after_s);
    if slow <= 0.0 {
        return;
    }
    let below = mean_below(time.mean, time.variance, time.floor, after_s);
    let rest = ((time.mean - (1.0 - slow) * below) / slow - after_s).max(1e-12);
    let faster = rest * time.mean / (rest + time.mean);
    let mean = (1.0 - slow) * below + slow * (after_s + faster);
    let shrunk = mean / time.mean;
    *time = Moments { mean, variance: time.variance * shrunk * shrunk, floor: time.floor };
}

/// What calls come to whose attempts end like that.
pub(super) fn calls(policy: &CallPolicy, one: &Attempts, caller: Caller) -> Calls {
    let again = policy.retries.as_ref().map_or(0.0, |_| allowed(policy, one, caller));
    let slow = policy.hedging.map_or(0.0, |hedging| {
        let tail = one.well.tail(hedging.after.as_seconds());
        (1..=hedging.limit.min(8)).map(|number| libm::pow(tail, f64::from(number))).sum()
    });
    let well = one.outcomes[Outcome::Well as usize];
    let answered = well + one.outcomes[Outcome::Error as usize];
    let error = if answered > 0.0 { one.outcomes[Outcome::Error as usize] / answered } else { 0.0 };
    let mean_of =
        |part: &dyn Fn(usize) -> f64| -> f64 { (0..Outcome::COUNT).map(|at| part(at) * one.times_s[at]).sum() };
    let Some(retries) = &policy.retries else {
        let mean = mean_of(&|at| one.outcomes[at]);
        let failing = 1.0 - well;
        let lost = mean_of(&|at| if at == 0 { 0.0 } else { one.outcomes[at] }) / failing.max(1e-300);
        let apart = one.well.mean - lost;
        let variance = well * one.well.variance + if failing > 0.0 { well * failing * apart * apart } else { 0.0 };
        let floor = if well > 0.999_999 { one.well.floor } else { 0.0 };
        let time = Moments { mean, variance, floor };
        return Calls { attempts: 1.0 + slow, outcomes: one.outcomes, time, error };
    };
    let worth = worth(retries.on, one);
    let failing: f64 = worth.iter().sum();
    let failing_s = mean_of(&|at| worth[at]) / failing.max(1e-300);
    let (mut made, mut attempts, mut pauses_s) = (1.0, 1.0, 0.0);
    for number in 0..attempts_in_time(policy, failing_s, retries.limit) {
        made *= failing * again;
        attempts += made;
        let longest = (retries.base.as_seconds() * libm::pow(2.0, f64::from(number))).min(retries.max.as_seconds());
        pauses_s += made * if retries.has_jitter { longest / 2.0 } else { longest };
    }
    let retried = attempts - 1.0;
    // All but the last failure of a call that is worth it is followed by another attempt.
    let outcomes =
        std::array::from_fn(|at| (one.outcomes[at] * attempts - worth[at] / failing.max(1e-300) * retried).max(0.0));
    let before_s = retried * failing_s + pauses_s;
    let mean = mean_of(&|at| outcomes[at]) + before_s;
    let each_s = if retried > 0.0 { before_s / retried } else { 0.0 };
    let variance = one.well.variance + retried * (1.0 + retried) * each_s * each_s;
    let floor = if retried < 1e-6 && well > 0.999_999 { one.well.floor } else { 0.0 };
    let time = Moments { mean, variance, floor };
    Calls { attempts: attempts * (1.0 + slow), outcomes, time, error }
}

/// Parts of the attempts that end so that another is worth it.
fn worth(on: RetryOn, one: &Attempts) -> [f64; Outcome::COUNT] {
    std::array::from_fn(|at| if is_worth(on, Outcome::ALL[at]) { one.outcomes[at] } else { 0.0 })
}

/// How many retries there is time for.
fn attempts_in_time(policy: &CallPolicy, failing_s: f64, limit: u32) -> u32 {
    let Some(deadline) = policy.deadline else { return limit };
    let each_s = failing_s + policy.retries.as_ref().map_or(0.0, |retries| retries.base.as_seconds() / 2.0);
    if each_s * f64::from(limit) < deadline.as_seconds() { limit } else { (deadline.as_seconds() / each_s) as u32 }
}

/// How likely a retry is allowed: by the budget, and by the limit of retries in flight.
fn allowed(policy: &CallPolicy, one: &Attempts, caller: Caller) -> f64 {
    let Some(retries) = &policy.retries else { return 0.0 };
    let worth = worth(retries.on, one);
    let failing: f64 = worth.iter().sum();
    if failing <= 0.0 {
        return 1.0;
    }
    let failing_s = worth.iter().zip(one.times_s).map(|(part, time_s)| part * time_s).sum::<f64>() / failing;
    let limit = attempts_in_time(policy, failing_s, retries.limit);
    let retried = |again: f64| (1..=limit).map(|number| libm::pow(failing * again, f64::from(number))).sum::<f64>();
    let each = caller.rate / caller.clients;
    let by_budget =
        retries.budget.map_or(f64::INFINITY, |budget| budget.ratio + budget.min_per_second / each.max(1e-12));
    let by_limit = caller.max_retries.map_or(f64::INFINITY, |most| f64::from(most) / (each * failing_s).max(1e-12));
    let most = by_budget.min(by_limit);
    if retried(1.0) <= most {
        return 1.0;
    }
    let (mut low, mut high) = (0.0, 1.0);
    for _ in 0..30 {
        let middle = f64::midpoint(low, high);
        if retried(middle) > most {
            high = middle;
        } else {
            low = middle;
        }
    }
    low
}
