//! The scale that several plug-ins share (`plugins/helper/normalize_score.go`).

use super::MAX_NODE_SCORE;

/// Brings raw scores to 0 to 100 by their maximum, and turns them around if low ones are good.
pub(super) fn normalise(is_reversed: bool, scores: &mut [i64]) {
    let max = scores.iter().copied().max().unwrap_or(0).max(0);
    for score in scores {
        let scaled = if max == 0 { 0 } else { MAX_NODE_SCORE * *score / max };
        *score = if is_reversed { MAX_NODE_SCORE - scaled } else { scaled };
    }
}
