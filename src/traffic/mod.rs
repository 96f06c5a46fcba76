//! The data plane: requests from clients to servers.

pub(crate) mod arrivals;
