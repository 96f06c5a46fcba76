//! The data plane: requests from clients to servers.

#[cfg_attr(not(test), expect(dead_code, reason = "the loop that draws arrivals is still to come"))]
pub(crate) mod arrivals;
