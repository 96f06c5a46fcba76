//! The cheapest fleet of machines that could serve a demand: lower bounds on its cost, to stand beside what a node
//! autoscaler paid.
//!
//! Pods of one class ask for the same and may use the same types of machine. Two bounds answer two questions:
//!
//! - **without knowledge of the future**, each instant by itself ([`FleetBound::instant`], [`FleetBound::each_instant`]):
//!   machines come and go for nothing and are paid by the second, so no autoscaler is cheaper;
//! - **with knowledge of the future** ([`FleetBound::horizon`]): a plan over time in which starting a machine costs its boot and
//!   its minimum bill.
//!
//! Both relax which pod sits on which machine: a type's pods together must keep to what its machines hold together. Beside the
//! volume of each resource there is a rule for pods that leave gaps: of pods of which at most k fit into one machine, n
//! machines hold at most k n. With k up to [`COUNT_RULES_MAX`] this is the idea behind the bounds of Martello and Toth (1990),
//! for many types at once. The relaxation is a linear program (LP); with whole machines instead of fractions it is a mixed
//! integer one (MILP), closer to the truth and slower. A cost above the bound may still be the least possible.
//!
//! # Why the bound is one
//! Programs are solved in floating point, and not to the last digit. Each LP is therefore solved as its dual, whose every feasible point gives a
//! bound (weak duality), and the solver's point is mended until it is feasible: what rounding cost lowers the bound, and cannot
//! make it wrong. Of the MILP the solver's proven bound is taken, lowered by its tolerances.
//!
//! In the plan, time is a grid of equal cells with the mean demand of each, so a fleet's own starts and ends need not lie on
//! the grid: a machine counts in a cell by the share of it that it serves. For the sum over a machine to be no more than its bill,
//! the part of the minimum bill after boot is cut to whole cells; then the bill is linear between the two lengths to
//! which a random shift of the grid rounds the machine's life, and its mean over shifts is the bill itself. Whole machines
//! have no such mean, so the plan is an LP only.
//!
//! # Cost
//! Both solvers are pure Rust and kept, and say the same on every machine. LPs go to `clarabel`, whose interior-point method
//! takes a plan's thousands of lines in some tens of rounds, where a simplex takes minutes; that its answers are about right is
//! enough, as they are mended. Whole machines go to `microlp`, whose branch and bound has a limit on nodes that does not depend
//! on the clock, and a proven bound when it is met. (HiGHS would do both faster, but needs a C++ compiler.) On one core of
//! a busy machine: an LP of 20 classes on 10 types 11 ms, of 100 on 40 types 0.2 s; whole machines with 1000 nodes 0.25 s and
//! 5 s; plans of 5 classes on 5 types 0.08 s for 96 cells and 0.4 s for 288, of 20 on 10 types 0.9 s for 96.

mod dual;
mod program;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use microlp::{ComparisonOp, Error, OptimizationDirection, Problem, SolveOptions, Variable};

use crate::units::{SimDuration, SimTime};

/// Up to how many pods of a machine are counted by rules of their own, beside the volume.
pub const COUNT_RULES_MAX: u64 = 8;

/// Pods that are alike for a fleet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PodClass {
    /// What one pod asks for, in the order of the resources of [`Machine::capacity`].
    pub requests: Vec<u64>,
    /// The types of machine that it may use, as indices. Types that cannot hold one pod are ignored.
    pub machines: Vec<usize>,
}

/// A type of machine.
#[derive(Clone, Debug, PartialEq)]
pub struct Machine {
    /// What one machine offers to pods. Whatever every machine runs by itself is taken off beforehand.
    pub capacity: Vec<u64>,
    /// Price of an hour; 0 or more.
    pub usd_per_hour: f64,
    /// How many there can be at a time; none: as many as are wanted.
    pub limit: Option<u32>,
    /// From the order, when the bill begins, to the first pod.
    pub boot: SimDuration,
    /// The shortest time that is billed, from the order.
    pub minimum_billing: SimDuration,
}

/// Lower bounds on what a fleet costs, in US dollars for each hour that the demand lasts.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Bound {
    /// Of fractions of machines.
    pub lp_usd_per_hour: f64,
    /// Of whole machines, never below the other; none where it was not asked for or the solver found nothing.
    pub milp_usd_per_hour: Option<f64>,
}

impl Bound {
    /// The greater of the two.
    pub fn usd_per_hour(&self) -> f64 {
        self.milp_usd_per_hour.unwrap_or(self.lp_usd_per_hour)
    }
}

/// Why there is no bound.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum BoundError {
    /// No type of machine that this class may use holds one of its pods.
    #[error("no machine holds a pod of class {class}")]
    Unservable {
        /// The class.
        class: usize,
    },
    /// The limits on machines leave no room for the demand.
    #[error("the limits on machines leave no room for the demand")]
    OverLimits,
    /// The solver gave up, in its own words.
    #[error("the solver failed: {0}")]
    Solver(String),
}

/// Demand over time: from each instant on so many pods of each class, until the next.
pub type Steps = [(SimTime, Vec<u64>)];

/// Classes of pods and types of machine, made ready for bounds.
#[derive(Clone, Debug)]
pub struct FleetBound {
    machines: Vec<Machine>,
    classes: usize,
    /// For each type of machine, the classes that it may hold and what limits them.
    rules: Vec<Rules>,
}

/// What machines of one type hold together.
#[derive(Clone, Debug)]
struct Rules {
    /// The classes that a machine of this type may hold.
    classes: Vec<usize>,
    /// For each rule, what one pod of each of those classes takes of it; a machine offers 1 of each.
    shares: Vec<Vec<f64>>,
}

impl Rules {
    fn new(index: usize, machine: &Machine, classes: &[PodClass]) -> Rules {
        let fits = |class: &PodClass| class.requests.iter().zip(&machine.capacity).all(|(ask, room)| ask <= room);
        let held = |class: &PodClass| class.machines.contains(&index) && fits(class);
        let held: Vec<usize> = (0..classes.len()).filter(|&class| held(&classes[class])).collect();
        let mut shares: Vec<Vec<f64>> = Vec::new();
        for (resource, &room) in machine.capacity.iter().enumerate() {
            let asks: Vec<u64> = held.iter().map(|&class| classes[class].requests[resource]).collect();
            if asks.iter().all(|&ask| ask == 0) {
                continue;
            }
            shares.push(asks.iter().map(|&ask| ask as f64 / room as f64).collect());
            shares.extend((1..=COUNT_RULES_MAX).filter_map(|most| count_rule(&asks, room, most)));
        }
        // Equal rules come of resources that are asked for in the same proportion.
        let mut unique: Vec<Vec<f64>> = Vec::new();
        for rule in shares {
            if !unique.contains(&rule) {
                unique.push(rule);
            }
        }
        Rules { classes: held, shares: unique }
    }
}

/// The rule that a machine holds at most so many of the pods of which at most so many fit; none where volume says the same.
fn count_rule(asks: &[u64], room: u64, most: u64) -> Option<Vec<f64>> {
    let counts = |ask: u64| ask > 0 && room / ask <= most;
    let leaves_gap = |ask: u64| room / ask == most && u128::from(ask) * u128::from(most) < u128::from(room);
    let tells = asks.iter().any(|&ask| counts(ask) && leaves_gap(ask));
    tells.then(|| asks.iter().map(|&ask| if counts(ask) { 1.0 / most as f64 } else { 0.0 }).collect())
}

impl FleetBound {
    /// Makes bounds for these classes of pods and types of machine.
    ///
    /// # Panics
    /// When a class or type has not as many resources as the others, names a type that is not there, or a price is negative or
    /// not a number.
    pub fn new(classes: &[PodClass], machines: &[Machine]) -> FleetBound {
        let resources = machines.first().map_or(0, |machine| machine.capacity.len());
        assert!(machines.iter().all(|machine| machine.capacity.len() == resources && machine.usd_per_hour >= 0.0));
        assert!(machines.is_empty() || classes.iter().all(|class| class.requests.len() == resources));
        assert!(classes.iter().all(|class| class.machines.iter().all(|&machine| machine < machines.len())));
        let rules = machines.iter().enumerate().map(|(index, machine)| Rules::new(index, machine, classes)).collect();
        FleetBound { machines: machines.to_vec(), classes: classes.len(), rules }
    }

    /// The least that a fleet costs by the hour which holds so many pods of each class.
    ///
    /// `node_limit` bounds the search for whole machines, in nodes of branch and bound; 0 leaves it out.
    ///
    /// # Errors
    /// When a pod fits nowhere, limits leave no room, or the solver fails.
    ///
    /// # Panics
    /// When there is not one count for each class.
    ///
    /// ```
    /// use wavetank::stats::fleet_bound::{FleetBound, Machine, PodClass};
    /// use wavetank::units::SimDuration;
    /// let machine = |cpu, usd_per_hour| Machine {
    ///     capacity: vec![cpu],
    ///     usd_per_hour,
    ///     limit: None,
    ///     boot: SimDuration::ZERO,
    ///     minimum_billing: SimDuration::ZERO,
    /// };
    /// let pod = PodClass { requests: vec![1], machines: vec![0, 1] };
    /// let fleet = FleetBound::new(&[pod], &[machine(4, 1.0), machine(8, 1.5)]);
    /// // Fractions: 9 of 8 large machines, 9 / 8 * 1.5. Whole: a large and a small one, where two large ones cost 3.
    /// let bound = fleet.instant(&[9], 100).unwrap();
    /// assert!((bound.lp_usd_per_hour - 1.6875).abs() < 1e-4);
    /// assert!((bound.usd_per_hour() - 2.5).abs() < 1e-4);
    /// ```
    pub fn instant(&self, counts: &[u64], node_limit: u64) -> Result<Bound, BoundError> {
        self.check(counts)?;
        let cell = vec![counts.iter().map(|&count| count as f64).collect()];
        let lp_usd_per_hour = self.plan(&cell, SimDuration::from_seconds(3600.0))?;
        let milp = if node_limit == 0 { None } else { self.whole_machines(counts, node_limit)? };
        Ok(Bound { lp_usd_per_hour, milp_usd_per_hour: milp.map(|usd| usd.max(lp_usd_per_hour)) })
    }

    /// The least that fleets cost in US dollars up to `end` which hold the demand of each instant, each by itself: without boot,
    /// minimum bill or knowledge of what comes. Equal demands are solved once.
    ///
    /// # Errors
    /// As [`FleetBound::instant`].
    ///
    /// # Panics
    /// As there, and when time moves back.
    pub fn each_instant(&self, steps: &Steps, end: SimTime, node_limit: u64) -> Result<f64, BoundError> {
        let mut known: BTreeMap<&[u64], f64> = BTreeMap::new();
        let mut usd = 0.0;
        for (i, (from, counts)) in steps.iter().enumerate() {
            let until = steps.get(i + 1).map_or(end, |next| next.0);
            let per_hour = match known.get(counts.as_slice()) {
                Some(&per_hour) => per_hour,
                None => self.instant(counts, node_limit)?.usd_per_hour(),
            };
            known.insert(counts, per_hour);
            usd += per_hour * hours(until.since(*from));
        }
        Ok(usd)
    }

    /// The least that a fleet costs in US dollars which holds the demand up to `end`, planned with knowledge of all of it: each
    /// start after the first cell costs the boot and at least the minimum bill, which counts even beyond the end.
    ///
    /// `cell` is the step of the plan. Shorter ones bring the bound closer and cost more; any gives a bound.
    ///
    /// # Errors
    /// As [`FleetBound::instant`].
    ///
    /// # Panics
    /// When there is not one count for each class, time moves back, or `cell` is 0.
    pub fn horizon(&self, steps: &Steps, end: SimTime, cell: SimDuration) -> Result<f64, BoundError> {
        for (_, counts) in steps {
            self.check(counts)?;
        }
        self.plan(&self.means(steps, end, cell), cell)
    }

    /// The same, of the mean demand of each cell.
    ///
    /// # Errors
    /// As [`FleetBound::instant`].
    ///
    /// # Panics
    /// When a cell has not one mean for each class, or `cell` is 0.
    pub fn cells(&self, means: &[Vec<f64>], cell: SimDuration) -> Result<f64, BoundError> {
        assert!(cell > SimDuration::ZERO, "cells have a length");
        for means in means {
            self.check(&means.iter().map(|&mean| u64::from(mean > 0.0)).collect::<Vec<_>>())?;
        }
        self.plan(means, cell)
    }

    /// The mean count of each class in each cell, from the first step on.
    fn means(&self, steps: &Steps, end: SimTime, cell: SimDuration) -> Vec<Vec<f64>> {
        assert!(cell > SimDuration::ZERO, "cells have a length");
        let Some(&(start, _)) = steps.first() else { return Vec::new() };
        let cells = end.since(start).0.div_ceil(cell.0) as usize;
        let mut means = vec![vec![0.0; self.classes]; cells];
        for (i, (from, counts)) in steps.iter().enumerate() {
            let until = steps.get(i + 1).map_or(end, |next| next.0.min(end));
            let (mut at, until) = (from.since(start).0, until.0.max(from.0) - start.0);
            while at < until {
                let index = at / cell.0;
                let next = ((index + 1) * cell.0).min(until);
                for (mean, &count) in means[index as usize].iter_mut().zip(counts) {
                    *mean += count as f64 * ((next - at) as f64 / cell.0 as f64);
                }
                at = next;
            }
        }
        means
    }

    /// Refuses a demand of which a pod fits nowhere.
    fn check(&self, counts: &[u64]) -> Result<(), BoundError> {
        assert_eq!(counts.len(), self.classes, "one count for each class");
        let held = |class: &usize| self.rules.iter().any(|rules| rules.classes.contains(class));
        let class = (0..self.classes).find(|class| counts[*class] > 0 && !held(class));
        class.map_or(Ok(()), |class| Err(BoundError::Unservable { class }))
    }

    /// What whole machines cost by the hour, as far as the solver proved it within its limit.
    fn whole_machines(&self, counts: &[u64], node_limit: u64) -> Result<Option<f64>, BoundError> {
        let mut problem = Problem::new(OptimizationDirection::Minimize);
        let mut placed: Vec<Vec<(Variable, f64)>> = vec![Vec::new(); self.classes];
        for (machine, rules) in self.machines.iter().zip(&self.rules) {
            let most = machine.limit.map_or(i32::MAX, |limit| i32::try_from(limit).unwrap_or(i32::MAX));
            let count = problem.add_integer_var(machine.usd_per_hour, (0, most));
            let pods: Vec<Variable> =
                rules.classes.iter().map(|&class| problem.add_var(0.0, (0.0, counts[class] as f64))).collect();
            for (&class, &pods) in rules.classes.iter().zip(&pods) {
                placed[class].push((pods, 1.0));
            }
            for shares in &rules.shares {
                let taken = pods.iter().copied().zip(shares.iter().copied()).filter(|(_, share)| *share > 0.0);
                problem.add_constraint(taken.chain([(count, -1.0)]).collect::<Vec<_>>(), ComparisonOp::Le, 0.0);
            }
        }
        for (placed, &count) in placed.into_iter().zip(counts).filter(|(_, count)| **count > 0) {
            problem.add_constraint(placed, ComparisonOp::Ge, count as f64);
        }
        let mut options = SolveOptions::default();
        options.node_limit = Some(node_limit);
        let margin_usd = options.int_tol * self.machines.iter().map(|machine| machine.usd_per_hour).sum::<f64>();
        let proven = problem.solve_with(options).map_err(error)?.stats().best_bound;
        Ok(proven.filter(|usd| usd.is_finite()).map(|usd| usd * (1.0 - 1e-6) - margin_usd))
    }
}

/// What the solver of whole machines says, in our words.
fn error(error: Error) -> BoundError {
    match error {
        Error::Infeasible => BoundError::OverLimits,
        other => BoundError::Solver(other.to_string()),
    }
}

/// The span in hours.
fn hours(span: SimDuration) -> f64 {
    span.as_seconds() / 3600.0
}
