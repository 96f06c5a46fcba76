//! How many nodes an estimate may add, and how long it may take (`estimator/threshold_based_limiter.go` and thresholds).
//!
//! Of every limit, negative means none at all, zero no limit.

use crate::units::{SimDuration, SimTime};

/// The size of a node group, in nodes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct GroupSize {
    /// Nodes it should have.
    pub target: i64,
    /// Nodes it may have.
    pub max: i64,
}

impl GroupSize {
    /// Nodes that can be added, not below zero.
    fn room(self) -> i64 {
        (self.max - self.target).max(0)
    }
}

/// What the limits are worked out from.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct EstimationContext {
    /// The group whose template is estimated.
    pub group: GroupSize,
    /// The groups a scale-up may be spread over.
    pub similar: Vec<GroupSize>,
    /// Nodes the cluster may have; zero is no limit.
    pub cluster_max_nodes: i64,
    /// Nodes it has.
    pub current_nodes: i64,
}

/// One source of limits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Threshold {
    /// The same limits always.
    Static {
        /// Nodes at most.
        max_nodes: i64,
        /// Nanoseconds at most.
        max_duration_ns: i64,
    },
    /// What the group and its similar groups have room for.
    SimilarGroups,
    /// What the limit on all nodes leaves.
    ClusterCapacity,
}

impl Threshold {
    /// The limit on new nodes. Without a context only a static threshold limits.
    pub fn node_limit(self, context: Option<&EstimationContext>) -> i64 {
        match (self, context) {
            (Threshold::Static { max_nodes, .. }, _) => max_nodes,
            (_, None) => 0,
            (Threshold::SimilarGroups, Some(context)) => {
                let room: i64 = context.similar.iter().map(|group| group.room()).sum();
                let total = context.group.room() + room;
                if total <= 0 { -1 } else { total }
            }
            (Threshold::ClusterCapacity, Some(context)) => match context.cluster_max_nodes {
                0 => 0,
                max if max < 0 || max <= context.current_nodes => -1,
                max => max - context.current_nodes,
            },
        }
    }

    /// The limit on time, in nanoseconds.
    pub fn duration_limit_ns(self) -> i64 {
        match self {
            Threshold::Static { max_duration_ns, .. } => max_duration_ns,
            Threshold::SimilarGroups | Threshold::ClusterCapacity => 0,
        }
    }
}

/// The tighter of two limits (`getMinLimit`).
pub fn tighter(base: i64, other: i64) -> i64 {
    if base < 0 || other < 0 {
        -1
    } else if (base == 0 || base > other) && other > 0 {
        other
    } else {
        base
    }
}

/// Grants new nodes to one estimate after another.
#[derive(Clone, Debug)]
pub struct Limiter {
    thresholds: Vec<Threshold>,
    max_nodes: i64,
    max_duration_ns: i64,
    start: SimTime,
    nodes: i64,
}

impl Limiter {
    /// A limiter by the tightest of the thresholds.
    pub fn new(thresholds: Vec<Threshold>) -> Limiter {
        Limiter { thresholds, max_nodes: 0, max_duration_ns: 0, start: SimTime::ZERO, nodes: 0 }
    }

    /// The thresholds upstream is built with.
    pub fn standard(max_nodes: i64, max_duration: SimDuration) -> Limiter {
        let max_duration_ns = i64::try_from(max_duration.0).unwrap_or(i64::MAX);
        let fixed = Threshold::Static { max_nodes, max_duration_ns };
        Limiter::new(vec![fixed, Threshold::SimilarGroups, Threshold::ClusterCapacity])
    }

    /// Begins an estimate.
    pub fn start(&mut self, context: Option<&EstimationContext>, now: SimTime) {
        let limits = self.thresholds.iter().map(|threshold| threshold.node_limit(context));
        self.max_nodes = limits.fold(0, tighter);
        self.max_duration_ns = self.thresholds.iter().map(|threshold| threshold.duration_limit_ns()).fold(0, tighter);
        self.start = now;
        self.nodes = 0;
    }

    /// Whether one more node may be added; if so it is counted.
    pub fn grant(&mut self, now: SimTime) -> bool {
        if self.max_nodes < 0 || (self.max_nodes > 0 && self.nodes >= self.max_nodes) {
            return false;
        }
        let Ok(max_duration_ns) = u64::try_from(self.max_duration_ns) else { return false };
        if max_duration_ns > 0 && now > self.start.after(SimDuration(max_duration_ns)) {
            return false;
        }
        self.nodes += 1;
        true
    }

    /// Nodes granted since the estimate began.
    pub fn granted(&self) -> i64 {
        self.nodes
    }
}
