//! The plan over time as a linear program, solved in its dual form and mended to a proof.
//!
//! The primal, for types t, classes c and cells k of length d: B machines billed, Y serving, s started, X pods.
//!
//! ```text
//! least   sum p d B[t,k] + p boot s[t,k]
//! (u)     sum over t of X[c,t,k] >= n[c,k]
//! (w)     Y[t,k] >= sum over c of share[i,c] X[c,t,k]     for each rule i
//! (l)     Y[t,k] <= limit, and Y <= B
//! (g)     s[t,k] >= B[t,k] - B[t,k-1]                     but in the first cell, whose machines were there
//! (h)     B[t,k] >= sum of s[t,j] over k - m < j <= k     m cells are billed at least
//! ```
//!
//! (g) and (h) are the polytope of minimum up-times of Rajan and Takriti (IBM report RC23628, 2005). The dual has one price
//! for each line: the most that pods pay so that no machine earns more than it costs.

use microlp::{ComparisonOp, Error, LinearExpr, OptimizationDirection, Problem, Solution, Variable};

use super::{BoundError, FleetBound, Machine, hours};
use crate::units::SimDuration;

/// What the solver says, in our words.
pub(super) fn error(error: Error) -> BoundError {
    match error {
        // The dual of a demand beyond the limits grows without end; the primal has no solution.
        Error::Unbounded | Error::Infeasible => BoundError::OverLimits,
        other => BoundError::Solver(other.to_string()),
    }
}

/// One number for each line of the primal: variables of the dual program, or their values.
struct Prices<T> {
    /// By cell and class; none without demand.
    pods: Vec<Vec<Option<T>>>,
    /// By type and cell.
    machines: Vec<Vec<MachinePrices<T>>>,
}

struct MachinePrices<T> {
    rules: Vec<T>,
    limit: Option<T>,
    start: Option<T>,
    billing: Option<T>,
}

/// How a type's starts are billed.
#[derive(Clone, Copy)]
struct Starts {
    boot_usd: f64,
    /// Whole cells that are billed at least, after boot.
    cells: usize,
}

impl Starts {
    /// None where starts cost nothing.
    fn new(machine: &Machine, cell: SimDuration) -> Option<Starts> {
        let after_boot = machine.minimum_billing.0.saturating_sub(machine.boot.0);
        let cells = usize::try_from(after_boot / cell.0).expect("cells are counted");
        let boot_usd = machine.usd_per_hour * hours(machine.boot);
        (machine.usd_per_hour > 0.0 && (boot_usd > 0.0 || cells > 1)).then_some(Starts { boot_usd, cells })
    }
}

impl FleetBound {
    /// The least cost in US dollars of fleets that hold the mean demand of each cell.
    pub(super) fn plan(&self, means: &[Vec<f64>], cell: SimDuration) -> Result<f64, BoundError> {
        let mut problem = Problem::new(OptimizationDirection::Maximize);
        let prices = self.variables(&mut problem, means, cell);
        self.pods_pay_no_more_than_rules(&mut problem, &prices);
        for (index, cells) in prices.machines.iter().enumerate() {
            self.no_machine_earns_more_than_it_costs(&mut problem, index, cells, cell);
        }
        let solution = problem.solve().map_err(error)?;
        let solution = solution.into_solution().map_err(|_| BoundError::Solver("interrupted".to_owned()))?;
        let mut values = self.values(&prices, &solution);
        for (index, cells) in values.machines.iter_mut().enumerate() {
            self.mend(index, cells, cell);
        }
        Ok(self.worth(&values, means).max(0.0))
    }

    fn variables(&self, problem: &mut Problem, means: &[Vec<f64>], cell: SimDuration) -> Prices<Variable> {
        let any = (0.0, f64::INFINITY);
        let mut pods = |&mean: &f64| (mean > 0.0).then(|| problem.add_var(mean, any));
        let pods = means.iter().map(|means| means.iter().map(&mut pods).collect()).collect();
        let mut machines = Vec::new();
        for (machine, rules) in self.machines.iter().zip(&self.rules) {
            let starts = Starts::new(machine, cell);
            let mut at = |k: usize| MachinePrices {
                rules: rules.shares.iter().map(|_| problem.add_var(0.0, any)).collect(),
                limit: machine.limit.map(|limit| problem.add_var(-f64::from(limit), any)),
                start: starts.filter(|_| k > 0).map(|_| problem.add_var(0.0, any)),
                billing: starts.filter(|starts| k > 0 && starts.cells > 1).map(|_| problem.add_var(0.0, any)),
            };
            machines.push((0..means.len()).map(&mut at).collect());
        }
        Prices { pods, machines }
    }

    /// The lines of X: a pod's price is at most what its shares of a machine's rules cost, on every type.
    fn pods_pay_no_more_than_rules(&self, problem: &mut Problem, prices: &Prices<Variable>) {
        for (rules, cells) in self.rules.iter().zip(&prices.machines) {
            for (pods, at) in prices.pods.iter().zip(cells) {
                for (column, &class) in rules.classes.iter().enumerate() {
                    if let Some(pod) = pods[class] {
                        let shares = rules.shares.iter().zip(&at.rules).map(|(shares, &rule)| (rule, -shares[column]));
                        let line = shares.filter(|(_, share)| *share < 0.0).chain([(pod, 1.0)]);
                        problem.add_constraint(line, ComparisonOp::Le, 0.0);
                    }
                }
            }
        }
    }

    /// The lines of B, Y and s.
    fn no_machine_earns_more_than_it_costs(
        &self,
        problem: &mut Problem,
        index: usize,
        cells: &[MachinePrices<Variable>],
        cell: SimDuration,
    ) {
        let machine = &self.machines[index];
        let starts = Starts::new(machine, cell);
        for (k, at) in cells.iter().enumerate() {
            let mut line = LinearExpr::empty();
            at.rules.iter().for_each(|&rule| line.add(rule, 1.0));
            at.limit.iter().for_each(|&limit| line.add(limit, -1.0));
            at.start.iter().for_each(|&start| line.add(start, -1.0));
            cells.get(k + 1).and_then(|next| next.start).iter().for_each(|&start| line.add(start, 1.0));
            at.billing.iter().for_each(|&billing| line.add(billing, 1.0));
            problem.add_constraint(line, ComparisonOp::Le, machine.usd_per_hour * hours(cell));
            if let (Some(starts), Some(start)) = (starts, at.start) {
                let mut line = LinearExpr::empty();
                line.add(start, 1.0);
                let billed = cells[k..].iter().take(starts.cells).filter_map(|at| at.billing);
                billed.for_each(|billing| line.add(billing, -1.0));
                problem.add_constraint(line, ComparisonOp::Le, starts.boot_usd);
            }
        }
    }

    fn values(&self, prices: &Prices<Variable>, solution: &Solution) -> Prices<f64> {
        let value = |variable: &Variable| solution.var_value(*variable).max(0.0);
        let machine = |at: &MachinePrices<Variable>| MachinePrices {
            rules: at.rules.iter().map(value).collect(),
            limit: at.limit.as_ref().map(value),
            start: at.start.as_ref().map(value),
            billing: at.billing.as_ref().map(value),
        };
        let machines = prices.machines.iter().map(|cells| cells.iter().map(machine).collect()).collect();
        // What pods pay is worked out from the rest, when that is mended.
        Prices { pods: Vec::new(), machines }
    }

    /// Lowers prices until no machine earns more than it costs: starts first, then all that moves cost between cells, then rules.
    fn mend(&self, index: usize, cells: &mut [MachinePrices<f64>], cell: SimDuration) {
        let cost_usd = self.machines[index].usd_per_hour * hours(cell);
        if let Some(starts) = Starts::new(&self.machines[index], cell) {
            for k in 0..cells.len() {
                let billed: f64 = cells[k..].iter().take(starts.cells).filter_map(|at| at.billing).sum();
                cells[k].start = cells[k].start.map(|start| start.min(starts.boot_usd + billed));
            }
            let moved = (0..cells.len()).map(|k| moved_usd(cells, k)).fold(cost_usd, f64::max);
            let keep = cost_usd / moved;
            for at in cells.iter_mut().filter(|_| keep < 1.0) {
                at.start = at.start.map(|start| start * keep);
                at.billing = at.billing.map(|billing| billing * keep);
            }
        }
        for k in 0..cells.len() {
            let earned: f64 = cells[k].rules.iter().sum();
            let most = (cost_usd + cells[k].limit.unwrap_or(0.0) - moved_usd(cells, k)).max(0.0);
            if earned > most {
                cells[k].rules.iter_mut().for_each(|rule| *rule *= most / earned);
            }
        }
    }

    /// What the prices say that the demand costs at least.
    fn worth(&self, values: &Prices<f64>, means: &[Vec<f64>]) -> f64 {
        let mut usd = 0.0;
        for (k, means) in means.iter().enumerate() {
            let mut pods = vec![f64::INFINITY; self.classes];
            for (rules, cells) in self.rules.iter().zip(&values.machines) {
                for (column, &class) in rules.classes.iter().enumerate() {
                    let price = rules.shares.iter().zip(&cells[k].rules).map(|(shares, rule)| shares[column] * rule);
                    pods[class] = pods[class].min(price.sum());
                }
            }
            usd +=
                means.iter().zip(pods).filter(|(mean, _)| **mean > 0.0).map(|(mean, price)| mean * price).sum::<f64>();
        }
        for (machine, cells) in self.machines.iter().zip(&values.machines) {
            let limits = cells.iter().filter_map(|at| at.limit).sum::<f64>();
            usd -= machine.limit.map_or(0.0, |limit| f64::from(limit) * limits);
        }
        // Sums of so many terms are off by far less.
        usd * (1.0 - 1e-12)
    }
}

/// What starts and minimum bills move into a cell's cost.
fn moved_usd(cells: &[MachinePrices<f64>], k: usize) -> f64 {
    let next = cells.get(k + 1).and_then(|next| next.start).unwrap_or(0.0);
    next + cells[k].billing.unwrap_or(0.0) - cells[k].start.unwrap_or(0.0)
}
