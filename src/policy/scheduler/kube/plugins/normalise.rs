//! Scores brought to 0 to 100 by the highest of them (`plugins/helper/normalize_score.go`, v1.37.0).

use crate::policy::scheduler::kube::MAX_NODE_SCORE;

/// The highest score becomes 100, the others their share of it, rounded down; reversed, each becomes 100 less that. When
/// no score is above 0 all are 0, or 100 when reversed.
pub(in crate::policy::scheduler::kube) fn by_highest(is_reversed: bool, scores: &mut [i64]) {
    let highest = scores.iter().copied().max().unwrap_or(0).max(0);
    for score in scores {
        *score = match (highest, is_reversed) {
            (0, false) => *score,
            (0, true) => MAX_NODE_SCORE,
            (_, false) => MAX_NODE_SCORE * *score / highest,
            (_, true) => MAX_NODE_SCORE - MAX_NODE_SCORE * *score / highest,
        };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_highest_score_is_the_measure() {
        for (is_reversed, scores, expected) in [
            // 100 * 1 / 3 = 33.3, rounded down; 100 - 33 = 67.
            (false, vec![1, 3, 0], vec![33, 100, 0]),
            (true, vec![1, 3, 0], vec![67, 0, 100]),
            // Scores above 100 shrink: 100 * 250 / 1000 = 25.
            (false, vec![1000, 250], vec![100, 25]),
            // Nothing above 0: nothing to divide by.
            (false, vec![0, 0], vec![0, 0]),
            (true, vec![0, 0], vec![100, 100]),
            (true, vec![], vec![]),
        ] {
            let mut actual = scores.clone();
            by_highest(is_reversed, &mut actual);
            assert_eq!(actual, expected, "{scores:?}, reversed: {is_reversed}");
        }
    }
}
