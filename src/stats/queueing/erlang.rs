//! The two formulas of Erlang (1917): loss and delay in a group of servers with Poisson arrivals.

/// Erlang B: the probability that an arrival finds all servers busy and is lost (M/G/c/c), for an `offered_load` in
/// erlang of any size. It depends on the distribution of the service times through their mean alone (Sevastyanov 1957).
///
/// B(0) = 1, B(c) = a B(c - 1) / (c + a B(c - 1)): positive terms only, so each of the c steps adds one rounding.
/// Values under the smallest float become 0. Takes O(`servers`).
///
/// # Panics
/// When the load is negative or not finite.
///
/// ```
/// use wavetank::stats::queueing::erlang_b;
/// // (2^2 / 2) / (1 + 2 + 2^2 / 2) = 2 / 5.
/// assert!((erlang_b(2.0, 2) - 0.4).abs() < 1e-15);
/// ```
pub fn erlang_b(offered_load: f64, servers: u32) -> f64 {
    assert!(offered_load.is_finite() && offered_load >= 0.0, "an offered load of {offered_load}");
    (1..=servers).fold(1.0, |blocking, count| next_erlang_b(offered_load, count, blocking))
}

/// The step of the recursion from `servers` - 1 to `servers`.
pub(super) fn next_erlang_b(offered_load: f64, servers: u32, blocking: f64) -> f64 {
    let lost = offered_load * blocking;
    lost / (f64::from(servers) + lost)
}

/// Erlang C: the probability that an arrival has to wait in M/M/c. It is 1 where the load is not below the servers.
///
/// C = c B / (c - a (1 - B)) with Erlang's B (Kleinrock, Queueing Systems I, 1975, 3.5). Takes O(`servers`).
///
/// # Panics
/// When the load is negative or not finite.
///
/// ```
/// use wavetank::stats::queueing::erlang_c;
/// // One server: an arrival waits with the probability that the server is busy.
/// assert!((erlang_c(0.7, 1) - 0.7).abs() < 1e-15);
/// ```
pub fn erlang_c(offered_load: f64, servers: u32) -> f64 {
    waiting_from_blocking(offered_load, servers, erlang_b(offered_load, servers))
}

pub(super) fn waiting_from_blocking(offered_load: f64, servers: u32, blocking: f64) -> f64 {
    let count = f64::from(servers);
    if offered_load >= count {
        return 1.0;
    }
    count * blocking / ((count - offered_load) + offered_load * blocking)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn erlang_b_has_its_table_values() {
        // The load in erlang at which a group of servers loses a given share, from the traffic tables in use since the
        // 1950s, which have three decimals or four digits.
        for (servers, offered_load, blocking, tolerance) in [
            (1, 0.0101, 0.01, 2e-5),
            (5, 1.361, 0.01, 1e-5),
            (10, 4.461, 0.01, 1e-5),
            (10, 5.084, 0.02, 1e-5),
            (20, 12.03, 0.01, 2e-5),
            (20, 13.18, 0.02, 2e-5),
            (100, 84.06, 0.01, 1e-5),
        ] {
            let found = erlang_b(offered_load, servers);
            assert!((found - blocking).abs() < tolerance, "{servers} {offered_load}: {found}");
        }
    }

    #[test]
    fn erlang_b_is_the_defining_quotient() {
        for offered_load in [0.1, 1.0, 4.2, 17.0, 60.0] {
            for servers in [1u32, 2, 5, 20, 50] {
                let mut term = 1.0;
                let mut sum = 1.0;
                for count in 1..=servers {
                    term *= offered_load / f64::from(count);
                    sum += term;
                }
                let found = erlang_b(offered_load, servers);
                assert!((found - term / sum).abs() < 1e-13 * found, "{offered_load} {servers}");
            }
        }
    }

    #[test]
    fn edges() {
        assert_eq!((erlang_b(0.0, 0), erlang_b(0.0, 3), erlang_b(5.0, 0)), (1.0, 0.0, 1.0));
        assert_eq!((erlang_c(0.0, 3), erlang_c(3.0, 3), erlang_c(9.0, 3)), (0.0, 1.0, 1.0));
        // A vast overload loses almost everything, a vast group almost nothing.
        assert!((erlang_b(1e300, 3) - 1.0).abs() < 1e-15);
        assert_eq!(erlang_b(1000.0, 100_000), 0.0);
    }

    #[test]
    fn a_hundred_thousand_servers() {
        // Where load and servers are the same number n, Jagerman (1974) expands
        // 1 / B = sqrt(pi n / 2) + 2 / 3 + sqrt(2 pi / n) / 24 - 4 / (135 n) + ...
        let n = 100_000u32;
        let size = f64::from(n);
        let pi = std::f64::consts::PI;
        let inverse = (pi * size / 2.0).sqrt() + 2.0 / 3.0 + (2.0 * pi / size).sqrt() / 24.0 - 4.0 / (135.0 * size);
        assert!((1.0 / erlang_b(size, n) / inverse - 1.0).abs() < 1e-11, "{}", 1.0 / erlang_b(size, n) - inverse);
        // Halfin and Whitt (1981): with servers = load + beta sqrt(load), the probability of waiting tends to
        // 1 / (1 + beta Phi(beta) / phi(beta)); at beta = 1: 1 / (1 + 0.841345 / 0.241971) = 0.223361.
        let load = 99_684.272;
        assert!((load + f64::sqrt(load) - size).abs() < 1e-2, "{}", load + f64::sqrt(load));
        assert!((erlang_c(load, n) - 0.223_361).abs() < 1e-3, "{}", erlang_c(load, n));
    }

    #[test]
    fn erlang_c_has_its_known_values() {
        for (offered_load, servers, expected) in [
            // Two servers: C = a^2 / (2 + a).
            (1.0, 2, 1.0 / 3.0),
            (1.2, 2, 0.45),
            // c = 3, a = 2: (8 / 6) 3 / ((8 / 6) 3 + 1 + 2 + 2) = 4 / 9.
            (2.0, 3, 4.0 / 9.0),
            // Ten servers at 0.8: a^10 / 10! * 5 = 1479.4726 against the sum of a^k / k! up to 9, 2136.2281.
            (8.0, 10, 0.409_181),
        ] {
            let found = erlang_c(offered_load, servers);
            assert!((found - expected).abs() < 1e-6, "{offered_load} {servers}: {found}");
        }
    }
}
