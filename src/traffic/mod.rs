//! The data plane: requests from clients to servers.
