//! Finite birth-death chains, which most Markovian queues are.

/// The steady state of a chain on 0 to n that moves from i up to i + 1 with rate `births[i]` and from i + 1 down to i
/// with rate `deaths[i]`: n + 1 probabilities, p(i + 1) / p(i) = `births[i]` / `deaths[i]`. Any queue with Poisson
/// arrivals and exponential times whose rates depend on the number present is of this kind, such as one with limited
/// room, balking or abandonment.
///
/// Weights are rescaled on the way, so chains of any length and load neither overflow nor lose digits where the
/// probabilities matter. Probabilities under about 1e-200 of the greatest may come out as 0, and so may what lies
/// beyond a valley of that depth.
///
/// # Panics
/// When the two differ in length, a birth rate is negative or not finite, or a death rate is not positive and finite.
///
/// ```
/// use wavetank::stats::queueing::birth_death_distribution;
/// // Weights 1, 2, 2.
/// assert_eq!(birth_death_distribution(&[2.0, 1.0], &[1.0, 1.0]), [0.2, 0.4, 0.4]);
/// ```
pub fn birth_death_distribution(births: &[f64], deaths: &[f64]) -> Vec<f64> {
    assert_eq!(births.len(), deaths.len(), "every step up has a step down");
    const LARGE: f64 = 1e100;
    let mut weights = Vec::with_capacity(births.len() + 1);
    weights.push(1.0);
    let mut last = 1.0;
    for (&birth, &death) in births.iter().zip(deaths) {
        assert!(birth.is_finite() && birth >= 0.0, "a birth rate of {birth}");
        assert!(death.is_finite() && death > 0.0, "a death rate of {death}");
        last *= birth / death;
        weights.push(last);
        if last > LARGE {
            weights.iter_mut().for_each(|weight| *weight /= last);
            last = 1.0;
        }
    }
    let total: f64 = weights.iter().sum();
    weights.iter_mut().for_each(|weight| *weight /= total);
    weights
}

#[cfg(test)]
mod tests {
    use super::super::erlang_b;
    use super::*;

    #[test]
    fn a_loss_system_is_erlang_b() {
        for (load, servers) in [(0.5, 3u32), (9.0, 10), (300.0, 200), (90_000.0, 90_500)] {
            let deaths: Vec<f64> = (1..=servers).map(f64::from).collect();
            let chain = birth_death_distribution(&vec![load; servers as usize], &deaths);
            let blocking = erlang_b(load, servers);
            assert!((chain[servers as usize] - blocking).abs() < 1e-10 * blocking, "{load} {servers}");
        }
    }

    #[test]
    fn a_dead_end_and_a_single_state() {
        assert_eq!(birth_death_distribution(&[1.0, 0.0, 5.0], &[1.0, 1.0, 1.0]), [0.5, 0.5, 0.0, 0.0]);
        assert_eq!(birth_death_distribution(&[], &[]), [1.0]);
    }
}
