//! Linear programs in the form that the dual has: the greatest value of a sum, within lines that are at most so much, of
//! variables that are not negative.

use clarabel::algebra::CscMatrix;
use clarabel::solver::{DefaultSettings, DefaultSolver, IPSolver, NonnegativeConeT, SolverStatus};

use super::BoundError;

/// A variable, by position.
pub(super) type Variable = usize;

/// A program that is being written.
#[derive(Debug, Default)]
pub(super) struct Program {
    gains: Vec<f64>,
    /// By variable: lines and factors, in order of the lines.
    columns: Vec<Vec<(usize, f64)>>,
    most: Vec<f64>,
}

impl Program {
    /// A further variable, and what each unit of it adds to the sum.
    pub(super) fn variable(&mut self, gain: f64) -> Variable {
        self.gains.push(gain);
        self.columns.push(Vec::new());
        self.gains.len() - 1
    }

    /// A further line: these variables times their factors are `most` at most together. Each stands there once.
    pub(super) fn at_most(&mut self, line: impl IntoIterator<Item = (Variable, f64)>, most: f64) {
        for (variable, factor) in line {
            self.columns[variable].push((self.most.len(), factor));
        }
        self.most.push(most);
    }

    /// The values of the variables where the sum is greatest, about: they may miss lines by a little.
    pub(super) fn solve(self) -> Result<Vec<f64>, BoundError> {
        let (variables, lines) = (self.gains.len(), self.most.len());
        if variables == 0 {
            return Ok(Vec::new());
        }
        let (mut starts, mut rows, mut factors) = (vec![0], Vec::new(), Vec::new());
        for (variable, column) in self.columns.iter().enumerate() {
            // The last of its lines says that it is not negative.
            for &(line, factor) in column.iter().chain([&(lines + variable, -1.0)]) {
                rows.push(line);
                factors.push(factor);
            }
            starts.push(rows.len());
        }
        let matrix = CscMatrix::new(lines + variables, variables, starts, rows, factors);
        let losses: Vec<f64> = self.gains.iter().map(|gain| -gain).collect();
        let most: Vec<f64> = self.most.into_iter().chain(std::iter::repeat_n(0.0, variables)).collect();
        let cones = [NonnegativeConeT(lines + variables)];
        let settings = DefaultSettings { verbose: false, ..DefaultSettings::default() };
        let flat = CscMatrix::zeros((variables, variables));
        let solver = DefaultSolver::new(&flat, &losses, &matrix, &most, &cones, settings);
        let mut solver = solver.map_err(|error| BoundError::Solver(error.to_string()))?;
        solver.solve();
        match solver.solution.status {
            SolverStatus::DualInfeasible | SolverStatus::AlmostDualInfeasible => Err(BoundError::OverLimits),
            // Any other point is mended to a bound, if a worse one.
            _ if solver.solution.x.iter().all(|value| value.is_finite()) => Ok(solver.solution.x),
            status => Err(BoundError::Solver(format!("{status:?}"))),
        }
    }
}
