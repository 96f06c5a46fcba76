//! Nodes whose cores their servers share.

/// The cores of a node that servers may use, and the servers on it.
///
/// As long as they want no more than there is, each goes its own way, and only the sum is kept; beyond that every change
/// divides the cores anew.
#[derive(Clone, Debug)]
pub(super) struct NodeCores {
    /// Cores for servers.
    pub cores: f64,
    /// The servers, in the order in which they came.
    pub servers: Vec<u32>,
    /// Cores that they want together.
    pub wanted: f64,
    /// Whether that was too much when it was last looked at.
    pub is_contended: bool,
}
