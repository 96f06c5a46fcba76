//! What a plug-in looks at: it decides how its verdicts and scores can be kept.

/// What the verdict or score of a node depends on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Locality {
    /// The node and its pods alone.
    Node,
    /// The node and what all nodes have in common, neither of which changes while nodes neither join nor leave.
    Fixed,
    /// A raw score of the node that never changes, brought to scale by the set of feasible nodes.
    Scaled {
        /// Whether low raw scores are good.
        is_reversed: bool,
    },
    /// Pods in the node's topology domains.
    Topology,
    /// Something that the fast path does not keep.
    Elsewhere,
}

/// What a filter looks at.
pub(super) fn of_filter(plugin: &str) -> Locality {
    match plugin {
        "NodeName"
        | "NodeUnschedulable"
        | "TaintToleration"
        | "NodeAffinity"
        | "NodePorts"
        | "NodeResourcesFit"
        | "NodeDeclaredFeatures" => Locality::Node,
        "PodTopologySpread" | "InterPodAffinity" => Locality::Topology,
        _ => Locality::Elsewhere,
    }
}

/// What a scorer looks at.
pub(super) fn of_scorer(plugin: &str) -> Locality {
    match plugin {
        "NodeResourcesFit" | "NodeResourcesBalancedAllocation" => Locality::Node,
        "ImageLocality" => Locality::Fixed,
        "TaintToleration" => Locality::Scaled { is_reversed: true },
        "NodeAffinity" => Locality::Scaled { is_reversed: false },
        "PodTopologySpread" | "InterPodAffinity" => Locality::Topology,
        _ => Locality::Elsewhere,
    }
}
