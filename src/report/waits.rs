//! How long pods waited: a distribution of bounded size, exact counts in narrow bins.

/// Bins a decade of waiting time: neighbours differ by 2.3 percent.
const BINS_PER_DECADE: f64 = 100.0;
/// Decades of milliseconds covered, from a nanosecond to a hundred thousand years.
const FIRST_DECADE: f64 = -6.0;
const DECADES: f64 = 21.0;

/// Waiting times in milliseconds.
#[derive(Clone, Debug)]
pub(super) struct Waits {
    /// Pods that did not wait at all.
    pub(super) at_once: u64,
    /// Pods that arrived, whether they ever got a node or not.
    pub(super) arrived: u64,
    bins: Vec<(u64, f64)>,
}

impl Default for Waits {
    fn default() -> Self {
        Waits { at_once: 0, arrived: 0, bins: vec![(0, 0.0); (BINS_PER_DECADE * DECADES) as usize] }
    }
}

impl Waits {
    /// Counts a pod; NaN stands for one that never got a node.
    pub(super) fn push(&mut self, milliseconds: f64) {
        self.arrived += 1;
        if milliseconds <= 0.0 {
            self.at_once += 1;
        } else if milliseconds.is_finite() {
            let place = (milliseconds.log10() - FIRST_DECADE) * BINS_PER_DECADE;
            let index = (place.max(0.0) as usize).min(self.bins.len() - 1);
            let (count, longest) = &mut self.bins[index];
            *count += 1;
            *longest = longest.max(milliseconds);
        }
    }

    /// Pods that got a node.
    pub(super) fn bound(&self) -> u64 {
        self.at_once + self.bins.iter().map(|bin| bin.0).sum::<u64>()
    }

    /// Waiting time and percent of all pods that waited at most so long, by waiting time above zero.
    pub(super) fn curve(&self) -> Vec<(f64, f64)> {
        let mut reached = self.at_once;
        let filled = self.bins.iter().filter(|bin| bin.0 > 0);
        filled
            .map(|&(count, longest)| {
                reached += count;
                (longest, 100.0 * reached as f64 / self.arrived as f64)
            })
            .collect()
    }

    /// The waiting time that `share` of the pods that got a node did not exceed; `None` without such pods.
    pub(super) fn quantile(&self, share: f64) -> Option<f64> {
        let bound = self.bound();
        let rank = ((bound as f64 * share).ceil() as u64).max(1);
        let mut reached = self.at_once;
        if reached >= rank {
            return (bound > 0).then_some(0.0);
        }
        self.bins.iter().find_map(|&(count, longest)| {
            reached += count;
            (count > 0 && reached >= rank).then_some(longest)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_are_exact_and_pods_without_a_node_hold_the_curve_down() {
        let mut waits = Waits::default();
        for wait in [0.0, 0.0, 10.0, 10.0, 500.0, f64::NAN, f64::NAN, f64::NAN] {
            waits.push(wait);
        }
        // Of 8: 2 at once, 4 within 10 ms, 5 within 500 ms.
        assert_eq!(waits.curve(), [(10.0, 50.0), (500.0, 62.5)]);
        assert_eq!((waits.at_once, waits.bound(), waits.arrived), (2, 5, 8));
        for (share, wait) in [(0.4, 0.0), (0.5, 10.0), (0.8, 10.0), (0.99, 500.0)] {
            assert_eq!(waits.quantile(share), Some(wait), "{share}");
        }
        assert_eq!(Waits::default().quantile(0.5), None);
    }
}
