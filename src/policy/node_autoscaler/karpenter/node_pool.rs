//! Node pools: the manifest `NodePool` of `karpenter.sh/v1`, parsed, with upstream's defaults.
//!
//! Source: `pkg/apis/v1/nodepool.go` and `pkg/utils/nodepool` of Karpenter v1.15.0, and the schema of its custom resource.
//!
//! What a reader of manifests needs beyond this: `spec.template.spec.nodeClassRef` (its name becomes a label of the nodes),
//! `Never` as a duration (none here), quantities of `spec.limits` (CPU in milli-cores, all else in whole units), and that
//! `spec.disruption.budgets: []` means no limit while a missing list means one of 10 %.

use std::collections::BTreeSet;

use super::requirement::{Operator, Requirement};
use super::requirements::{INITIALIZED_LABEL, NODE_POOL_LABEL, REGISTERED_LABEL, Requirements};
use super::resources::ResourceList;
use crate::model::{Label, Taint};
use crate::policy::controllers::cron::CronSchedule;
use crate::units::SimDuration;

const DAY_S: f64 = 86_400.0;

/// A node pool.
#[derive(Clone, Debug, PartialEq)]
pub struct NodePool {
    /// `metadata.name`.
    pub name: String,
    /// `spec.weight`: larger ones are tried first; 0 where it is not given.
    pub weight: i32,
    /// `spec.limits`: what all its machines may have together, kinds that are missing without limit.
    pub limits: ResourceList,
    /// `spec.replicas`: a fixed number of nodes; such a pool takes no part in provisioning or consolidation.
    pub replicas: Option<u64>,
    /// `spec.template`.
    pub template: NodeTemplate,
    /// `spec.disruption`.
    pub disruption: Disruption,
}

/// What the nodes of a pool are like.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct NodeTemplate {
    /// `metadata.labels`, sorted by key.
    pub labels: Vec<Label>,
    /// `metadata.annotations`, sorted by key.
    pub annotations: Vec<Label>,
    /// `spec.taints`.
    pub taints: Vec<Taint>,
    /// `spec.startupTaints`: gone before the node is initialised, so pods need not tolerate them.
    pub startup_taints: Vec<Taint>,
    /// `spec.requirements`.
    pub requirements: Vec<NodeRequirement>,
    /// The label that names the node class, and the name of the class.
    pub node_class: Option<Label>,
    /// `spec.terminationGracePeriod`: how long draining may take at most; none: for ever.
    pub termination_grace_period: Option<SimDuration>,
    /// `spec.expireAfter`: none: never. The default is 720 h.
    pub expire_after: Option<SimDuration>,
}

/// One of `spec.template.spec.requirements`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct NodeRequirement {
    /// The label.
    pub key: String,
    /// How it is compared.
    pub operator: Operator,
    /// What with.
    pub values: Vec<String>,
    /// How many values the instance types must have among them.
    pub min_values: Option<usize>,
}

/// `spec.disruption`.
#[derive(Clone, Debug, PartialEq)]
pub struct Disruption {
    /// How long nothing must have happened to a node's pods; none (`Never`): no consolidation. The default is 0 s.
    pub consolidate_after: Option<SimDuration>,
    /// Which nodes are consolidated.
    pub policy: ConsolidationPolicy,
    /// How many nodes may be disrupted at a time; without any, all of them.
    pub budgets: Vec<Budget>,
}

/// Which nodes are consolidated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ConsolidationPolicy {
    /// Those without pods that matter.
    WhenEmpty,
    /// Those, and whatever can be had cheaper. The default.
    WhenEmptyOrUnderutilized,
    /// Those, and whatever saves enough for the pods that it moves.
    Balanced,
}

/// Why a node is disrupted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum DisruptionReason {
    /// Its pods can be had cheaper elsewhere.
    Underutilized,
    /// It has no pods that matter.
    Empty,
    /// It is no longer what its pool asks for.
    Drifted,
    /// It is broken.
    Unhealthy,
}

/// A limit on nodes that are disrupted at a time.
#[derive(Clone, Debug, PartialEq)]
pub struct Budget {
    /// For which reasons it holds; none: for all.
    pub reasons: Option<BTreeSet<DisruptionReason>>,
    /// How many nodes. The default is 10 %.
    pub nodes: NodeCount,
    /// When it holds: from each stroke of the schedule (in UTC) on for so long; none: always.
    pub window: Option<(CronSchedule, SimDuration)>,
}

/// A number of nodes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NodeCount {
    /// So many.
    Count(u64),
    /// So many in a hundred of the pool's, rounded up.
    Percent(u64),
}

impl NodePool {
    /// A pool with upstream's defaults and without requirements.
    pub fn named(name: &str) -> NodePool {
        let template = NodeTemplate {
            labels: Vec::new(),
            annotations: Vec::new(),
            taints: Vec::new(),
            startup_taints: Vec::new(),
            requirements: Vec::new(),
            node_class: None,
            termination_grace_period: None,
            expire_after: Some(SimDuration::from_seconds(30.0 * DAY_S)),
        };
        let limits = ResourceList::default();
        let disruption = Disruption::default();
        NodePool { name: name.to_owned(), weight: 0, limits, replicas: None, template, disruption }
    }

    /// What its manifest requires of nodes (`spec.template.spec.requirements`).
    pub fn requirements(&self) -> Requirements {
        let mut requirements = Requirements::new();
        for wanted in &self.template.requirements {
            let requirement = Requirement::new(wanted.operator, wanted.values.iter().cloned());
            requirements.add(&wanted.key, &requirement.with_min_values(wanted.min_values));
        }
        requirements
    }

    /// What its new nodes meet: requirements, labels, its own name and class, and the labels that a node gets once it is
    /// ready, which daemons may ask for (`NewNodeClaimTemplate`).
    pub fn template_requirements(&self) -> Requirements {
        let mut requirements = self.requirements();
        requirements.add_all(&Requirements::of_labels(&self.template.labels));
        requirements.add(NODE_POOL_LABEL, &Requirement::is(&self.name));
        if let Some(class) = &self.template.node_class {
            requirements.add(&class.key, &Requirement::is(&class.value));
        }
        requirements.add(REGISTERED_LABEL, &Requirement::is("true"));
        requirements.add(INITIALIZED_LABEL, &Requirement::is("true"));
        requirements
    }

    /// Whether the pool's nodes have more than its limits allow, itself counted as [`super::resources::ResourceKind::Nodes`]: then an
    /// order that was decided is not placed (`Limits.ExceededBy`, asked before each). A pass decides within what limits
    /// leave, but does not count nodes, so that a limit on them can be overrun by one pass until this stops it.
    pub fn is_over_limits(&self, usage: &ResourceList) -> bool {
        self.limits.iter().any(|(kind, limit)| usage.get(kind).is_some_and(|used| used > limit))
    }

    /// What makes nodes drift when it changes (`Hash`): all of the template but its requirements. Lists count as sets of
    /// which what is repeated an even number of times is left out, as upstream's hash does.
    pub fn drift_identity(&self) -> NodeTemplate {
        let mut identity = NodeTemplate { requirements: Vec::new(), ..self.template.clone() };
        odd_ones(&mut identity.taints);
        odd_ones(&mut identity.startup_taints);
        identity
    }

    /// How many nodes may be disrupted for a reason at an instant, given in seconds since 1970, of a pool of so many
    /// (`MustGetAllowedDisruptions`); none: as many as there are.
    pub fn allowed_disruptions(&self, unix_seconds: i64, nodes: u64, reason: DisruptionReason) -> Option<u64> {
        let for_reason = |budget: &&Budget| budget.reasons.as_ref().is_none_or(|reasons| reasons.contains(&reason));
        let budgets = self.disruption.budgets.iter().filter(for_reason);
        budgets.filter(|budget| budget.is_active(unix_seconds)).map(|budget| budget.nodes.of(nodes)).min()
    }
}

/// Sorts and keeps what occurs an odd number of times.
pub(super) fn odd_ones<T: Ord>(items: &mut Vec<T>) {
    items.sort();
    let mut kept: Vec<T> = Vec::new();
    for item in items.drain(..) {
        if kept.last() == Some(&item) {
            kept.pop();
        } else {
            kept.push(item);
        }
    }
    *items = kept;
}

/// Sorts pools by weight, the largest first; of equal weights the name that is later in the alphabet goes first
/// (`OrderByWeight`).
pub fn order_by_weight(pools: &mut [NodePool]) {
    pools.sort_by(|one, other| other.weight.cmp(&one.weight).then_with(|| other.name.cmp(&one.name)));
}

impl Default for Disruption {
    fn default() -> Disruption {
        Disruption {
            consolidate_after: Some(SimDuration::ZERO),
            policy: ConsolidationPolicy::WhenEmptyOrUnderutilized,
            budgets: vec![Budget { reasons: None, nodes: NodeCount::Percent(10), window: None }],
        }
    }
}

impl NodeCount {
    /// The number for a pool of so many nodes.
    pub fn of(self, nodes: u64) -> u64 {
        match self {
            NodeCount::Count(count) => count,
            NodeCount::Percent(percent) => (nodes * percent).div_ceil(100),
        }
    }
}

impl Budget {
    /// Whether it holds at an instant, given in seconds since 1970 (`IsActive`): whether its schedule struck within its
    /// duration, both ends but the first counted in.
    pub fn is_active(&self, unix_seconds: i64) -> bool {
        self.window.as_ref().is_none_or(|(schedule, duration)| {
            let since = unix_seconds - duration.as_seconds() as i64;
            schedule.next_after(since).is_some_and(|stroke| stroke <= unix_seconds)
        })
    }
}
