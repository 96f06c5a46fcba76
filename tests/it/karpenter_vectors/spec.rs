//! The worlds of the vectors: as they are written, and as our own types.

use std::collections::{BTreeMap, BTreeSet};

use serde::Deserialize;
use wavetank::model::pod_spec::{
    HostPort, LabelRequirement, LabelSelector, NodeAffinity, NodeSelectorTerm, PodAffinity, PodAffinityTerm,
    SelectorOperator, TopologySpreadConstraint, WhenUnsatisfiable,
};
use wavetank::model::{Label, PodClass, PodSpec, Resources, Taint, TaintEffect, Toleration, TolerationOperator};
use wavetank::policy::node_autoscaler::karpenter::disruption::balanced::{self, PoolTotals};
use wavetank::policy::node_autoscaler::karpenter::disruption::{Candidate, NODE_COST, eviction_cost};
use wavetank::policy::node_autoscaler::karpenter::node_pool::{ConsolidationPolicy, NodeRequirement, order_by_weight};
use wavetank::policy::node_autoscaler::karpenter::requirements::NODE_POOL_LABEL;
use wavetank::policy::node_autoscaler::karpenter::scheduler::{
    MinValuesPolicy, Options, PreferencePolicy, ReservedMode,
};
use wavetank::policy::node_autoscaler::karpenter::{
    Batch, BatchPod, Environment, InstanceType, NodePool, NodeState, Offering, Operator, Requirement, Requirements,
    ResourceKind, ResourceList, WellKnownLabels,
};
use wavetank::units::{Bytes, MilliCpu};

/// The label of reservations.
const RESERVATION_LABEL: &str = "example.com/reservation-id";
const GPU: &str = "example.com/gpu";

pub(super) fn well_known() -> WellKnownLabels {
    WellKnownLabels::with([RESERVATION_LABEL, "example.com/family", "example.com/size"].map(str::to_owned))
}

#[derive(Clone, Deserialize)]
pub(super) struct Req {
    key: String,
    op: String,
    #[serde(default)]
    values: Vec<String>,
    #[serde(default)]
    min: usize,
}

#[derive(Clone, Deserialize)]
struct TaintSpec {
    key: String,
    #[serde(default)]
    value: String,
    effect: String,
}

#[derive(Clone, Deserialize)]
struct TolerationSpec {
    #[serde(default)]
    key: String,
    op: String,
    #[serde(default)]
    value: String,
    #[serde(default)]
    effect: String,
}

type Amounts = BTreeMap<String, i64>;

#[derive(Clone, Deserialize)]
struct OfferingSpec {
    zone: String,
    capacity: String,
    price: f64,
    #[serde(default)]
    unavailable: bool,
    #[serde(default)]
    reservation: String,
    #[serde(default)]
    left: u32,
}

#[derive(Clone, Deserialize)]
pub(super) struct Type {
    name: String,
    #[serde(default)]
    reqs: Vec<Req>,
    capacity: Amounts,
    #[serde(default)]
    overhead: Amounts,
    offerings: Vec<OfferingSpec>,
}

#[derive(Clone, Deserialize)]
struct PoolSpec {
    name: String,
    #[serde(default)]
    weight: i32,
    #[serde(default)]
    limits: Amounts,
    #[serde(default)]
    labels: BTreeMap<String, String>,
    #[serde(default)]
    taints: Vec<TaintSpec>,
    #[serde(default)]
    reqs: Vec<Req>,
    #[serde(default)]
    policy: String,
    types: Option<Vec<usize>>,
}

#[derive(Clone, Deserialize)]
struct Term {
    selector: Option<Vec<Req>>,
    key: String,
    #[serde(default)]
    namespaces: Vec<String>,
}

#[derive(Clone, Deserialize)]
struct WeightedTerm {
    weight: i32,
    term: Term,
}

#[derive(Clone, Deserialize)]
struct WeightedReqs {
    weight: i32,
    reqs: Vec<Req>,
}

#[derive(Clone, Deserialize)]
struct Spread {
    skew: i32,
    key: String,
    #[serde(default)]
    soft: bool,
    selector: Option<Vec<Req>>,
    #[serde(default)]
    min: i32,
    #[serde(default)]
    any: bool,
    #[serde(default)]
    taints: bool,
    #[serde(default, rename = "match")]
    match_keys: Vec<String>,
}

#[derive(Clone, Deserialize)]
#[serde(rename_all = "camelCase", default)]
#[derive(Default)]
struct PodSpecification {
    namespace: String,
    labels: BTreeMap<String, String>,
    requests: Amounts,
    selector: BTreeMap<String, String>,
    required: Vec<Vec<Req>>,
    preferred: Vec<WeightedReqs>,
    near: Vec<Term>,
    near_soft: Vec<WeightedTerm>,
    apart: Vec<Term>,
    apart_soft: Vec<WeightedTerm>,
    spread: Vec<Spread>,
    tolerations: Vec<TolerationSpec>,
    ports: Vec<i32>,
    cost: Option<i32>,
    priority: i32,
}

#[derive(Clone, Deserialize)]
struct NodeSpec {
    name: String,
    labels: BTreeMap<String, String>,
    #[serde(default)]
    taints: Vec<TaintSpec>,
    allocatable: Amounts,
    #[serde(default)]
    uninitialized: bool,
    #[serde(default)]
    pods: Vec<usize>,
    #[serde(default)]
    daemons: Vec<usize>,
}

#[derive(Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct World {
    catalog: usize,
    #[serde(skip)]
    types: Vec<Type>,
    pools: Vec<PoolSpec>,
    classes: Vec<PodSpecification>,
    #[serde(default)]
    daemons: Vec<PodSpecification>,
    #[serde(default)]
    nodes: Vec<NodeSpec>,
    pods: Option<Vec<usize>>,
    #[serde(default)]
    ignore: bool,
    #[serde(default)]
    best_effort: bool,
    #[serde(default)]
    strict: bool,
}

#[derive(Clone, Debug, Default, Deserialize, PartialEq)]
#[serde(default)]
pub(super) struct Outcome {
    pub(super) new: Vec<NewNode>,
    pub(super) existing: BTreeMap<String, Vec<usize>>,
    pub(super) failed: BTreeSet<usize>,
}

#[derive(Clone, Debug, Deserialize, PartialEq)]
pub(super) struct NewNode {
    pub(super) pool: String,
    pub(super) pods: Vec<usize>,
    /// A bit for each type of the catalogue, the first the lowest, in hexadecimal.
    pub(super) types: String,
    pub(super) reqs: String,
    pub(super) requests: Amounts,
}

fn kind(name: &str) -> ResourceKind {
    match name {
        "cpu" => ResourceKind::Cpu,
        "memory" => ResourceKind::Memory,
        "pods" => ResourceKind::Pods,
        "nodes" => ResourceKind::Nodes,
        GPU => ResourceKind::Extended(0),
        other => panic!("unknown resource {other}"),
    }
}

fn list(amounts: &Amounts) -> ResourceList {
    amounts.iter().map(|(name, amount)| (kind(name), *amount)).collect()
}

/// Amounts as the vectors write them.
pub(super) fn written(list: &ResourceList) -> Amounts {
    let name = |kind: ResourceKind| match kind {
        ResourceKind::Cpu => "cpu",
        ResourceKind::Memory => "memory",
        ResourceKind::Pods => "pods",
        _ => GPU,
    };
    list.iter().map(|(kind, amount)| (name(kind).to_owned(), amount)).collect()
}

fn labels(of: &BTreeMap<String, String>) -> Vec<Label> {
    of.iter().map(|(key, value)| Label { key: key.clone(), value: value.clone() }).collect()
}

impl Req {
    pub(super) fn requirement(&self) -> Requirement {
        let operator = Operator::parse(&self.op).expect("an operator");
        Requirement::new(operator, self.values.iter().cloned()).with_min_values((self.min > 0).then_some(self.min))
    }

    fn of_selector(&self) -> LabelRequirement {
        let (operator, values) = match self.op.as_str() {
            "In" => (SelectorOperator::In, self.values.clone()),
            "NotIn" => (SelectorOperator::NotIn, self.values.clone()),
            "Exists" => (SelectorOperator::Exists, Vec::new()),
            "DoesNotExist" => (SelectorOperator::DoesNotExist, Vec::new()),
            "Gt" => (SelectorOperator::Gt, self.values.clone()),
            "Lt" => (SelectorOperator::Lt, self.values.clone()),
            // Pods cannot say these; they say the same by the neighbouring number.
            "Gte" => (SelectorOperator::Gt, vec![(self.number() - 1).to_string()]),
            "Lte" => (SelectorOperator::Lt, vec![(self.number() + 1).to_string()]),
            other => panic!("unknown operator {other}"),
        };
        LabelRequirement { key: self.key.clone(), operator, values }
    }

    fn number(&self) -> i64 {
        self.values[0].parse().expect("a number")
    }
}

pub(super) fn requirements(of: &[Req]) -> Requirements {
    let mut requirements = Requirements::new();
    for req in of {
        requirements.add(&req.key, &req.requirement());
    }
    requirements
}

impl Type {
    pub(super) fn instance_type(&self) -> InstanceType {
        let offering = |of: &OfferingSpec| {
            let mut offering = Offering::new(&of.zone, &of.capacity, of.price);
            offering.is_available = !of.unavailable;
            offering.reservation_capacity = of.left;
            if !of.reservation.is_empty() {
                offering.requirements.add(RESERVATION_LABEL, &Requirement::is(&of.reservation));
            }
            offering
        };
        let offerings = self.offerings.iter().map(offering).collect();
        let mut it = InstanceType::new(&self.name, list(&self.capacity), list(&self.overhead), offerings);
        for req in &self.reqs {
            it.requirements.add(&req.key, &req.requirement());
        }
        it
    }
}

fn taints(of: &[TaintSpec]) -> Vec<Taint> {
    let taint = |of: &TaintSpec| Taint { key: of.key.clone(), value: of.value.clone(), effect: effect(&of.effect) };
    of.iter().map(taint).collect()
}

fn effect(text: &str) -> TaintEffect {
    match text {
        "NoSchedule" => TaintEffect::NoSchedule,
        "NoExecute" => TaintEffect::NoExecute,
        _ => TaintEffect::PreferNoSchedule,
    }
}

impl PoolSpec {
    fn pool(&self) -> NodePool {
        let mut pool = NodePool::named(&self.name);
        pool.weight = self.weight;
        pool.limits = list(&self.limits);
        pool.template.labels = labels(&self.labels);
        pool.template.taints = taints(&self.taints);
        pool.template.node_class = Some(Label { key: "example.com/nodeclass".to_owned(), value: "default".to_owned() });
        let requirement = |req: &Req| NodeRequirement {
            key: req.key.clone(),
            operator: Operator::parse(&req.op).expect("an operator"),
            values: req.values.clone(),
            min_values: (req.min > 0).then_some(req.min),
        };
        pool.template.requirements = self.reqs.iter().map(requirement).collect();
        pool.disruption.policy = match self.policy.as_str() {
            "WhenEmpty" => ConsolidationPolicy::WhenEmpty,
            "Balanced" => ConsolidationPolicy::Balanced,
            _ => ConsolidationPolicy::WhenEmptyOrUnderutilized,
        };
        pool
    }
}

fn selector(of: &Option<Vec<Req>>) -> Option<LabelSelector> {
    let requirements = |reqs: &Vec<Req>| reqs.iter().map(Req::of_selector).collect();
    of.as_ref().map(|reqs| LabelSelector { requirements: requirements(reqs) })
}

fn term(of: &Term) -> PodAffinityTerm {
    PodAffinityTerm {
        selector: selector(&of.selector),
        namespaces: of.namespaces.clone(),
        namespace_selector: None,
        topology_key: of.key.clone(),
    }
}

fn affinity(required: &[Term], preferred: &[WeightedTerm]) -> PodAffinity {
    let weighted = |of: &WeightedTerm| (of.weight, term(&of.term));
    PodAffinity { required: required.iter().map(term).collect(), preferred: preferred.iter().map(weighted).collect() }
}

fn node_term(reqs: &[Req]) -> NodeSelectorTerm {
    NodeSelectorTerm { expressions: reqs.iter().map(Req::of_selector).collect(), fields: Vec::new() }
}

impl Spread {
    fn constraint(&self) -> TopologySpreadConstraint {
        TopologySpreadConstraint {
            max_skew: self.skew,
            topology_key: self.key.clone(),
            when_unsatisfiable: if self.soft {
                WhenUnsatisfiable::ScheduleAnyway
            } else {
                WhenUnsatisfiable::DoNotSchedule
            },
            selector: selector(&self.selector),
            min_domains: (self.min > 0).then_some(self.min),
            honors_node_affinity: !self.any,
            honors_node_taints: self.taints,
            match_label_keys: self.match_keys.clone(),
        }
    }
}

impl PodSpecification {
    fn class(&self) -> PodClass {
        let amount = |name: &str| self.requests.get(name).copied().unwrap_or(0) as u64;
        let toleration = |of: &TolerationSpec| Toleration {
            key: of.key.clone(),
            operator: if of.op == "Exists" { TolerationOperator::Exists } else { TolerationOperator::Equal },
            value: of.value.clone(),
            effect: (!of.effect.is_empty()).then(|| effect(&of.effect)),
            duration: None,
        };
        let port = |port: &i32| HostPort { ip: "0.0.0.0".to_owned(), protocol: "TCP".to_owned(), port: *port };
        let required: Vec<NodeSelectorTerm> = self.required.iter().map(|reqs| node_term(reqs)).collect();
        let namespace = if self.namespace.is_empty() { "default" } else { &self.namespace };
        let spec = PodSpec {
            namespace: namespace.to_owned(),
            labels: labels(&self.labels),
            node_affinity: NodeAffinity {
                required: (!required.is_empty()).then_some(required),
                preferred: self.preferred.iter().map(|of| (of.weight, node_term(&of.reqs))).collect(),
            },
            pod_affinity: affinity(&self.near, &self.near_soft),
            pod_anti_affinity: affinity(&self.apart, &self.apart_soft),
            topology_spread: self.spread.iter().map(Spread::constraint).collect(),
            host_ports: self.ports.iter().map(port).collect(),
            ..PodSpec::default()
        };
        PodClass {
            requests: Resources {
                cpu: MilliCpu(amount("cpu")),
                memory: Bytes(amount("memory")),
                pods: 1,
                extended: vec![amount(GPU)],
                ..Resources::default()
            },
            priority: self.priority,
            node_selector: labels(&self.selector),
            tolerations: self.tolerations.iter().map(toleration).collect(),
            spec: Box::new(spec),
            ..PodClass::default()
        }
    }

    fn requests(&self) -> ResourceList {
        let mut requests = list(&self.requests);
        requests.set(ResourceKind::Pods, 1);
        requests
    }
}

impl World {
    /// Takes the types of the world's catalogue.
    pub(super) fn stock(&mut self, catalogs: &[Vec<Type>]) {
        self.types = catalogs[self.catalog].clone();
    }

    pub(super) fn options(&self) -> Options {
        Options {
            preferences: if self.ignore { PreferencePolicy::Ignore } else { PreferencePolicy::Respect },
            min_values: if self.best_effort { MinValuesPolicy::BestEffort } else { MinValuesPolicy::Strict },
            reserved: if self.strict { ReservedMode::Strict } else { ReservedMode::Fallback },
        }
    }

    pub(super) fn environment(&self) -> Environment {
        let mut pools: Vec<NodePool> = self.pools.iter().map(PoolSpec::pool).collect();
        order_by_weight(&mut pools);
        let types = |pool: &NodePool| {
            let spec = self.pools.iter().find(|spec| spec.name == pool.name).expect("the pool");
            spec.types.iter().flatten().map(|at| self.types[*at].instance_type()).collect()
        };
        let daemons: Vec<PodClass> = self.daemons.iter().map(PodSpecification::class).collect();
        // Pods of daemon sets that run are a kind of pod, too.
        let classes = self.classes.iter().map(PodSpecification::class).chain(daemons.iter().cloned()).collect();
        Environment {
            well_known: well_known(),
            reservation_label: RESERVATION_LABEL.to_owned(),
            pools: pools.into_iter().map(|pool| (pool.clone(), types(&pool))).collect(),
            classes,
            daemons,
            namespaces: BTreeMap::new(),
        }
    }

    pub(super) fn nodes(&self) -> Vec<NodeState> {
        self.nodes.iter().map(|node| self.node(node)).collect()
    }

    fn node(&self, node: &NodeSpec) -> NodeState {
        let mut named = node.labels.clone();
        named.insert("kubernetes.io/hostname".to_owned(), node.name.clone());
        let is_ours = named.contains_key(NODE_POOL_LABEL);
        if is_ours {
            named.insert("karpenter.sh/registered".to_owned(), "true".to_owned());
            if !node.uninitialized {
                named.insert("karpenter.sh/initialized".to_owned(), "true".to_owned());
            }
        }
        let (mut used, mut daemon_requests) = (ResourceList::default(), ResourceList::default());
        let mut pods: BTreeMap<usize, u32> = BTreeMap::new();
        for class in &node.pods {
            used.add(&self.classes[*class].requests());
            *pods.entry(*class).or_default() += 1;
        }
        for daemon in &node.daemons {
            daemon_requests.add(&self.daemons[*daemon].requests());
            *pods.entry(self.classes.len() + daemon).or_default() += 1;
        }
        used.add(&daemon_requests);
        NodeState {
            name: node.name.clone(),
            labels: labels(&named),
            taints: taints(&node.taints),
            has_node: true,
            is_initialized: !(is_ours && node.uninitialized),
            capacity: list(&node.allocatable),
            available: list(&node.allocatable).less(&used),
            daemon_requests,
            pods: pods.into_iter().collect(),
            ..NodeState::default()
        }
    }

    pub(super) fn batch(&self) -> Batch {
        Batch { pods: self.pending(), ..Batch::default() }
    }

    pub(super) fn pending(&self) -> Vec<BatchPod> {
        let pod = |(uid, class): (usize, &usize)| BatchPod {
            class: *class,
            created_s: 0,
            uid: 1_000_000 + uid as u64,
            node: None,
        };
        self.pods.iter().flatten().enumerate().map(pod).collect()
    }

    /// The pods of a node, with what evicting each costs.
    fn pods_of(&self, node: usize) -> Vec<(BatchPod, f64)> {
        let pod = |(number, class): (usize, &usize)| {
            let uid = (node * 1000 + number) as u64;
            let of = &self.classes[*class];
            let cost = eviction_cost(None, of.cost, Some(of.priority));
            (BatchPod { class: *class, created_s: 0, uid, node: Some(node) }, cost)
        };
        self.nodes[node].pods.iter().enumerate().map(pod).collect()
    }

    pub(super) fn candidates(&self, environment: &Environment, nodes: &[NodeState]) -> Vec<Candidate> {
        let candidate = |node: usize| {
            let mut candidate = Candidate::new(environment, nodes, node, self.pods_of(node))?;
            candidate.is_consolidatable = true;
            Some(candidate)
        };
        (0..nodes.len()).filter(|node| nodes[*node].is_initialized).filter_map(candidate).collect()
    }

    /// As upstream counts them where it does not know what nodes cost: prices of candidates, disruption of all nodes.
    pub(super) fn totals(&self, environment: &Environment, nodes: &[NodeState]) -> Vec<PoolTotals> {
        let of_node = |node: usize| {
            let name = nodes[node].label(NODE_POOL_LABEL)?;
            let pool = environment.pools.iter().position(|(pool, _)| pool.name == name)?;
            let cost = self.pods_of(node).iter().fold(NODE_COST, |sum, (_, cost)| sum + cost.max(0.0));
            let price = Candidate::new(environment, nodes, node, Vec::new())?.usd_per_hour;
            Some((pool, if nodes[node].is_initialized { price } else { 0.0 }, cost))
        };
        balanced::totals(environment.pools.len(), (0..nodes.len()).filter_map(of_node))
    }
}
