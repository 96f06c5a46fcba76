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

use super::program::{Program, Variable};
use super::{BoundError, FleetBound, Machine, hours};
use crate::units::SimDuration;

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
        let mut problem = Program::default();
        let prices = self.variables(&mut problem, means, cell);
        self.pods_pay_no_more_than_rules(&mut problem, &prices);
        for (index, cells) in prices.machines.iter().enumerate() {
            self.no_machine_earns_more_than_it_costs(&mut problem, index, cells, cell);
        }
        let mut values = values(&prices, &problem.solve()?);
        for (index, cells) in values.machines.iter_mut().enumerate() {
            self.mend(index, cells, cell);
        }
        Ok(self.worth(&values, means).max(0.0))
    }

    fn variables(&self, problem: &mut Program, means: &[Vec<f64>], cell: SimDuration) -> Prices<Variable> {
        let mut pods = |&mean: &f64| (mean > 0.0).then(|| problem.variable(mean));
        let pods = means.iter().map(|means| means.iter().map(&mut pods).collect()).collect();
        let mut machines = Vec::new();
        for (machine, rules) in self.machines.iter().zip(&self.rules) {
            let starts = Starts::new(machine, cell);
            let mut at = |k: usize| MachinePrices {
                rules: rules.shares.iter().map(|_| problem.variable(0.0)).collect(),
                limit: machine.limit.map(|limit| problem.variable(-f64::from(limit))),
                start: starts.filter(|_| k > 0).map(|_| problem.variable(0.0)),
                billing: starts.filter(|starts| k > 0 && starts.cells > 1).map(|_| problem.variable(0.0)),
            };
            machines.push((0..means.len()).map(&mut at).collect());
        }
        Prices { pods, machines }
    }

    /// The lines of X: a pod's price is at most what its shares of a machine's rules cost, on every type.
    fn pods_pay_no_more_than_rules(&self, problem: &mut Program, prices: &Prices<Variable>) {
        for (rules, cells) in self.rules.iter().zip(&prices.machines) {
            for (pods, at) in prices.pods.iter().zip(cells) {
                for (column, &class) in rules.classes.iter().enumerate() {
                    if let Some(pod) = pods[class] {
                        let shares = rules.shares.iter().zip(&at.rules).map(|(shares, &rule)| (rule, -shares[column]));
                        let line = shares.filter(|(_, share)| *share < 0.0).chain([(pod, 1.0)]);
                        problem.at_most(line, 0.0);
                    }
                }
            }
        }
    }

    /// The lines of B, Y and s.
    fn no_machine_earns_more_than_it_costs(
        &self,
        problem: &mut Program,
        index: usize,
        cells: &[MachinePrices<Variable>],
        cell: SimDuration,
    ) {
        let machine = &self.machines[index];
        let starts = Starts::new(machine, cell);
        for (k, at) in cells.iter().enumerate() {
            let mut line = at.rules.iter().map(|&rule| (rule, 1.0)).collect::<Vec<_>>();
            at.limit.iter().for_each(|&limit| line.push((limit, -1.0)));
            at.start.iter().for_each(|&start| line.push((start, -1.0)));
            cells.get(k + 1).and_then(|next| next.start).iter().for_each(|&start| line.push((start, 1.0)));
            at.billing.iter().for_each(|&billing| line.push((billing, 1.0)));
            problem.at_most(line, machine.usd_per_hour * hours(cell));
            if let (Some(starts), Some(start)) = (starts, at.start) {
                let mut line = vec![(start, 1.0)];
                let billed = cells[k..].iter().take(starts.cells).filter_map(|at| at.billing);
                billed.for_each(|billing| line.push((billing, -1.0)));
                problem.at_most(line, starts.boot_usd);
            }
        }
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

/// The prices that the solver found. What pods pay is worked out from the rest, when that is mended.
fn values(prices: &Prices<Variable>, found: &[f64]) -> Prices<f64> {
    let value = |variable: &Variable| found[*variable].max(0.0);
    let machine = |at: &MachinePrices<Variable>| MachinePrices {
        rules: at.rules.iter().map(value).collect(),
        limit: at.limit.as_ref().map(value),
        start: at.start.as_ref().map(value),
        billing: at.billing.as_ref().map(value),
    };
    let machines = prices.machines.iter().map(|cells| cells.iter().map(machine).collect()).collect();
    Prices { pods: Vec::new(), machines }
}

/// What starts and minimum bills move into a cell's cost.
fn moved_usd(cells: &[MachinePrices<f64>], k: usize) -> f64 {
    let next = cells.get(k + 1).and_then(|next| next.start).unwrap_or(0.0);
    next + cells[k].billing.unwrap_or(0.0) - cells[k].start.unwrap_or(0.0)
}
