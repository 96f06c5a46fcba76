//! The slow way to any Markov chain's steady state, which tests compare with.

/// The steady state of a chain with these rates from state to state (the diagonal is not read), by elimination without
/// subtraction (Grassmann, Taksar and Heyman 1985). Every state leads to state 0.
pub(super) fn stationary(mut rates: Vec<Vec<f64>>) -> Vec<f64> {
    let states = rates.len();
    for last in (1..states).rev() {
        let (above, below) = rates.split_at_mut(last);
        let gone = &below[0];
        let leaving: f64 = gone[..last].iter().sum();
        for row in above.iter_mut().filter(|row| row[last] > 0.0) {
            row[last] /= leaving;
            let share = row[last];
            for (rate, onward) in row[..last].iter_mut().zip(gone) {
                *rate += share * onward;
            }
        }
    }
    let mut weights = vec![1.0];
    while weights.len() < states {
        let state = weights.len();
        let weight = weights.iter().zip(&rates).map(|(weight, row)| weight * row[state]).sum();
        weights.push(weight);
    }
    let total: f64 = weights.iter().sum();
    weights.iter().map(|weight| weight / total).collect()
}
