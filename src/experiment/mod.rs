//! Many runs: factors, cells, replications.

pub mod single;
