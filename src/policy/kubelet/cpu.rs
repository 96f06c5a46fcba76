//! CPU is shared in proportion to requests.
//!
//! Each container has the weight that the kubelet gives its cgroup (`MilliCPUToShares`). What one does not want the others
//! get: water filling. Upstream nests the cgroups of containers in those of pods and QoS classes; here all containers of a
//! node share one level, which is the same while all of them want more than they get, apart from pods without requests:
//! each of them has two shares here, and all of them together there.

/// Shares of a cgroup without requests (`MinShares`).
const SHARES_MIN: u64 = 2;
/// The most shares that there are (`MaxShares`).
const SHARES_MAX: u64 = 262_144;
/// Shares of a core (`SharesPerCPU`).
const SHARES_PER_CORE: u64 = 1024;

/// The shares of a container that requests so many milli-cores (`MilliCPUToShares`).
pub fn shares(request_milli: u64) -> u64 {
    (request_milli.saturating_mul(SHARES_PER_CORE) / 1000).clamp(SHARES_MIN, SHARES_MAX)
}

/// What a container wants.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Want {
    /// Milli-cores, its limit taken off.
    pub milli: u64,
    /// Its shares, more than 0.
    pub shares: u64,
}

/// Milli-cores that each of the containers gets of so many. Nothing is left over while somebody wants more.
///
/// Cost: O(n log n).
pub fn divide(capacity_milli: u64, wants: &[Want]) -> Vec<f64> {
    let total: u128 = wants.iter().map(|want| u128::from(want.milli)).sum();
    if total <= u128::from(capacity_milli) {
        return wants.iter().map(|want| want.milli as f64).collect();
    }
    // Those who want least for their shares are content first.
    let mut order: Vec<usize> = (0..wants.len()).collect();
    let crossed = |one: usize, other: usize| u128::from(wants[one].milli) * u128::from(wants[other].shares);
    order.sort_by(|&a, &b| crossed(a, b).cmp(&crossed(b, a)).then(a.cmp(&b)));
    let mut left = capacity_milli as f64;
    let mut shares_left: u64 = wants.iter().map(|want| want.shares).sum();
    let mut granted = vec![0.0; wants.len()];
    for index in order {
        let Want { milli, shares } = wants[index];
        let fair = left * shares as f64 / shares_left as f64;
        granted[index] = fair.min(milli as f64);
        left -= granted[index];
        shares_left -= shares;
    }
    granted
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_become_shares() {
        // 100 * 1024 / 1000 = 102.4, cut; 1 milli-core would be 1.
        for (milli, expected) in [(0, 2), (1, 2), (100, 102), (250, 256), (1000, 1024), (300_000, 262_144)] {
            assert_eq!(shares(milli), expected, "{milli}");
        }
    }

    #[test]
    fn cpu_is_divided_by_shares_and_nothing_is_left_over() {
        // (capacity, (milli-cores, request) of each, milli-cores granted)
        type Row<'a> = (u64, &'a [(u64, u64)], &'a [f64]);
        let rows: [Row<'_>; 7] = [
            (4000, &[], &[]),
            (4000, &[(1000, 0), (3000, 250)], &[1000.0, 3000.0]),
            // Shares 1024 and 1024.
            (1000, &[(1000, 1000), (1000, 1000)], &[500.0, 500.0]),
            // 1024 : 512 : 256 of 3500, all wanting more: 2000, 1000, 500.
            (3500, &[(4000, 1000), (4000, 500), (4000, 250)], &[2000.0, 1000.0, 500.0]),
            // Of 3500 the first would get 2000, and wants 800; 2700 for 512 : 256 is 1800 : 900.
            (3500, &[(800, 1000), (4000, 500), (4000, 250)], &[800.0, 1800.0, 900.0]),
            // The third wants 300 of its 900, and the second gets the rest.
            (3500, &[(800, 1000), (4000, 500), (300, 250)], &[800.0, 2400.0, 300.0]),
            // 1998 * 1024 / 1000 = 2045 shares beside 2: the one without a request gets 2 of 2047.
            (2047, &[(3000, 1998), (3000, 0)], &[2045.0, 2.0]),
        ];
        for (capacity, containers, granted) in rows {
            let wants: Vec<Want> =
                containers.iter().map(|&(milli, request)| Want { milli, shares: shares(request) }).collect();
            assert_eq!(divide(capacity, &wants), granted, "{capacity} {containers:?}");
        }
    }
}
