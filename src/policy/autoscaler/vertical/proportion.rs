//! Amounts in proportion to others, in whole units.
//!
//! Follows `pkg/utils/vpa/limit_and_request_scaling.go` of the Vertical Pod Autoscaler 1.8.1. 0 means that an amount is not set.

/// Beyond this upstream's numbers do not go; it is then told that the proportion was lost.
const MAX: u64 = i64::MAX as u64;

/// The limit that has the proportion to `recommended` that the limit had to the request (`getProportionalResourceLimit`).
/// Without a limit the default stands for it; none: no limit is to be set.
pub(super) fn limit(limit: u64, request: u64, recommended: u64, default: u64) -> Option<u64> {
    let limit = if limit == 0 { default } else { limit };
    match (limit, recommended) {
        (0, _) | (_, 0) => None,
        _ if request == 0 || request == limit => Some(recommended),
        _ => Some(scaled(limit, request, recommended)),
    }
}

/// The request at which a limit in the old proportion reaches a bound (`GetBoundaryRequest`); 0: there is none.
pub(super) fn boundary_request(request: u64, limit: u64, boundary: u64, default: u64) -> u64 {
    let limit = if limit == 0 { default } else { limit };
    match (limit, request) {
        (0, _) => 0,
        (_, 0) => boundary,
        _ => scaled(request, limit, boundary),
    }
}

/// `amount * result / base`, rounded down. `base` is above 0.
pub(super) fn scaled(amount: u64, base: u64, result: u64) -> u64 {
    capped(u128::from(amount) * u128::from(result) / u128::from(base))
}

/// As [`scaled`], rounded up.
pub(super) fn scaled_up(amount: u64, base: u64, result: u64) -> u64 {
    capped((u128::from(amount) * u128::from(result)).div_ceil(u128::from(base)))
}

fn capped(amount: u128) -> u64 {
    u64::try_from(amount).unwrap_or(MAX).min(MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    const BILLION: u64 = 1_000_000_000;

    /// `TestGetProportionalResourceLimitCPU` and `...Mem`.
    #[test]
    fn limits_keep_their_proportion() {
        for (old, request, recommended, default, expected) in [
            // 2000 * 10 000 / 1000
            (2000, 1000, 10_000, 0, Some(20_000)),
            (0, 1000, 10_000, 2000, Some(20_000)),
            (0, 1000, 10_000, 0, None),
            (2000, 0, 10_000, 0, Some(10_000)),
            (0, 1000, 0, 2000, None),
            (1000, 1000, 10_000, 0, Some(10_000)),
            // 2000 * 1000 / 1500 = 1333.3
            (2000, 1500, 1000, 0, Some(1333)),
            // 200 * 100 / 150 = 133.3
            (200, 150, 100, 0, Some(133)),
            // 10^13 * 10^13 / 1 is more than 2^63.
            (10_000 * BILLION, 1, 10_000 * BILLION, 0, Some(MAX)),
        ] {
            assert_eq!(limit(old, request, recommended, default), expected, "{old} {request} {recommended} {default}");
        }
    }

    #[test]
    fn requests_are_bounded_through_their_limits() {
        for (request, old, boundary, default, expected) in [
            // A limit of 4000 is reached at 1000 * 4000 / 2000.
            (1000, 2000, 4000, 0, 2000),
            (1000, 0, 4000, 0, 0),
            (1000, 0, 4000, 2000, 2000),
            (0, 2000, 4000, 0, 4000),
            (1000, 3000, 1000, 0, 333),
        ] {
            assert_eq!(boundary_request(request, old, boundary, default), expected, "{request} {old} {boundary}");
        }
    }
}
