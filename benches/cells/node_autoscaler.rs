//! What the node autoscaler benches run: Karpenter's own mix of pods, and clusters that such pods have filled.
//!
//! The mix is that of `scheduling_benchmark_test.go` of Karpenter v1.15.0: a fifth each of plain pods, pods spread over zones,
//! pods spread over host names, pods with affinity to their like in a zone, and pods that keep their like off their host; of five
//! sizes of CPU, six of memory and seven values of a label, drawn. There are 400 types of machine, of 1 to 400 cores.

use std::collections::BTreeMap;

use wavetank::model::cluster::{HOSTNAME_LABEL, ZONE_LABEL};
use wavetank::model::pod_spec::{
    LabelRequirement, LabelSelector, PodAffinityTerm, PodSpec, SelectorOperator, TopologySpreadConstraint,
    WhenUnsatisfiable,
};
use wavetank::model::{Label, PodClass, Resources};
use wavetank::policy::node_autoscaler::karpenter::disruption::balanced::PoolTotals;
use wavetank::policy::node_autoscaler::karpenter::disruption::consolidation::{Consolidation, ConsolidationOptions};
use wavetank::policy::node_autoscaler::karpenter::disruption::{Candidate, Command, Surroundings};
use wavetank::policy::node_autoscaler::karpenter::node_pool::NodeRequirement;
use wavetank::policy::node_autoscaler::karpenter::requirements::{
    CAPACITY_TYPE_LABEL, INITIALIZED_LABEL, INSTANCE_TYPE_LABEL, NODE_POOL_LABEL, REGISTERED_LABEL, WellKnownLabels,
};
use wavetank::policy::node_autoscaler::karpenter::scheduler::{INSTANCE_TYPES_MAX, Options, Results};
use wavetank::policy::node_autoscaler::karpenter::{
    Batch, BatchPod, Environment, InstanceType, NodePool, NodeState, Offering, Operator, Requirement, ResourceKind,
    ResourceList, Scheduler,
};
use wavetank::rng::{Seed, Stream};
use wavetank::units::{Bytes, MilliCpu};

const GIB: u64 = 1 << 30;
const MIB: u64 = 1 << 20;
const SEED: Seed = Seed { base: 42, replication: 0 };
/// Cores of the largest machine of upstream's benchmark.
pub const CORES_MAX: u64 = 400;
const CPU_MILLI: [u64; 5] = [100, 250, 500, 1000, 1500];
const MEMORY_MIB: [u64; 6] = [100, 256, 512, 1024, 2048, 4096];
const VALUES: [&str; 7] = ["a", "b", "c", "d", "e", "f", "g"];
/// Labels of the provider whose machines these are.
const SIZE_LABEL: &str = "size";
const SPECIAL_LABEL: &str = "special";
const INTEGER_LABEL: &str = "integer";

/// Which pods there are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mix {
    /// A fifth of each kind.
    Diverse,
    /// Plain pods only.
    Plain,
}

/// Pods that wait, and what there is to buy for them.
#[derive(Debug)]
pub struct Waiting {
    pub environment: Environment,
    pub batch: Batch,
}

/// A cluster that is there.
#[derive(Debug)]
pub struct Filled {
    pub environment: Environment,
    pub nodes: Vec<NodeState>,
    pub candidates: Vec<Candidate>,
}

fn label(key: &str, value: &str) -> Label {
    Label { key: key.to_owned(), value: value.to_owned() }
}

fn selector(of: &Label) -> Option<LabelSelector> {
    let (key, values) = (of.key.clone(), vec![of.value.clone()]);
    Some(LabelSelector { requirements: vec![LabelRequirement { key, operator: SelectorOperator::In, values }] })
}

/// A type of so many cores, 2 GiB and 10 pods each, sold in three zones, in two of them as spot too. Prices are those of the
/// source: 0.1 for a core and for 10^9 bytes.
fn machine(cores: u64, kinds: &[(&str, &str)]) -> InstanceType {
    let (cpu, memory) = (cores as i64 * 1000, (2 * cores * GIB) as i64);
    let capacity: ResourceList =
        [(ResourceKind::Cpu, cpu), (ResourceKind::Memory, memory), (ResourceKind::Pods, cores as i64 * 10)]
            .into_iter()
            .collect();
    let overhead = [(ResourceKind::Cpu, 100), (ResourceKind::Memory, (10 * MIB) as i64)].into_iter().collect();
    let price = 0.1 * cores as f64 + 0.1 * memory as f64 / 1e9;
    let offerings = kinds.iter().map(|(kind, zone)| Offering::new(zone, kind, price)).collect();
    let mut of_type = InstanceType::new(&format!("fake-it-{cores}"), capacity, overhead, offerings);
    let is_large = cores > 4;
    let own = [
        ("kubernetes.io/arch", Requirement::is("amd64")),
        ("kubernetes.io/os", Requirement::new(Operator::In, ["linux", "windows", "darwin"])),
        (SIZE_LABEL, Requirement::is(if is_large { "large" } else { "small" })),
        (SPECIAL_LABEL, if is_large { Requirement::is("optional") } else { Requirement::does_not_exist() }),
        (INTEGER_LABEL, Requirement::is(cores.to_string())),
    ];
    for (key, requirement) in own {
        of_type.requirements.set(key, requirement);
    }
    of_type
}

fn types(cores_max: u64) -> Vec<InstanceType> {
    let kinds = [
        ("spot", "test-zone-1"),
        ("spot", "test-zone-2"),
        ("on-demand", "test-zone-1"),
        ("on-demand", "test-zone-2"),
        ("on-demand", "test-zone-3"),
    ];
    (1..=cores_max).map(|cores| machine(cores, &kinds)).collect()
}

/// Pods of a mix, each once, and how they are drawn.
struct Draw {
    stream: Stream,
    classes: Vec<PodClass>,
    ids: BTreeMap<String, usize>,
    pods: Vec<usize>,
}

impl Draw {
    fn label(&mut self, key: &str) -> Label {
        label(key, VALUES[self.stream.below(VALUES.len() as u64) as usize])
    }

    fn push(&mut self, name: String, labels: Label, rule: impl FnOnce(&mut PodSpec)) {
        let cpu = CPU_MILLI[self.stream.below(CPU_MILLI.len() as u64) as usize];
        let memory = MEMORY_MIB[self.stream.below(MEMORY_MIB.len() as u64) as usize] * MIB;
        let next = self.classes.len();
        let id = *self.ids.entry(format!("{name} {}={} {cpu} {memory}", labels.key, labels.value)).or_insert(next);
        if id == next {
            let mut spec = PodSpec { labels: vec![labels], ..PodSpec::default() };
            rule(&mut spec);
            let requests = Resources { cpu: MilliCpu(cpu), memory: Bytes(memory), pods: 1, ..Resources::default() };
            self.classes.push(PodClass { requests, spec: Box::new(spec), ..PodClass::default() });
        }
        self.pods.push(id);
    }

    fn plain(&mut self) {
        let own = self.label("my-label");
        self.push("plain".to_owned(), own, |_| {});
    }

    fn spread(&mut self, key: &str) {
        let (own, selected) = (self.label("my-label"), self.label("my-label"));
        let constraint = TopologySpreadConstraint {
            max_skew: 1,
            topology_key: key.to_owned(),
            when_unsatisfiable: WhenUnsatisfiable::DoNotSchedule,
            selector: selector(&selected),
            min_domains: None,
            honors_node_affinity: true,
            honors_node_taints: false,
            match_label_keys: Vec::new(),
        };
        self.push(format!("spread {key} {}", selected.value), own, |spec| spec.topology_spread.push(constraint));
    }

    fn together(&mut self) {
        let own = self.label("my-affinity");
        let term = term(&own, ZONE_LABEL);
        self.push("together".to_owned(), own, |spec| spec.pod_affinity.required.push(term));
    }

    fn apart(&mut self) {
        let own = label("app", "nginx");
        let term = term(&own, HOSTNAME_LABEL);
        self.push("apart".to_owned(), own, |spec| spec.pod_anti_affinity.required.push(term));
    }
}

fn term(of: &Label, key: &str) -> PodAffinityTerm {
    PodAffinityTerm {
        selector: selector(of),
        namespaces: vec!["default".to_owned()],
        namespace_selector: None,
        topology_key: key.to_owned(),
    }
}

/// So many pods of a mix before an empty cluster, and machines of 1 to so many cores.
pub fn waiting(mix: Mix, pods: usize, cores_max: u64) -> Waiting {
    let mut draw = Draw {
        stream: SEED.stream("bench/pods", pods as u64),
        classes: Vec::new(),
        ids: BTreeMap::new(),
        pods: Vec::new(),
    };
    for kind in 0..5 {
        for _ in 0..pods / 5 {
            match (mix, kind) {
                (Mix::Plain, _) | (_, 0) => draw.plain(),
                (_, 1) => draw.spread(ZONE_LABEL),
                (_, 2) => draw.spread(HOSTNAME_LABEL),
                (_, 3) => draw.together(),
                _ => draw.apart(),
            }
        }
    }
    let pool = NodePool {
        limits: [(ResourceKind::Cpu, 10_000_000_000), (ResourceKind::Memory, (10_000_000 * GIB) as i64)]
            .into_iter()
            .collect(),
        ..NodePool::named("default")
    };
    let environment = Environment {
        well_known: WellKnownLabels::with([SIZE_LABEL, SPECIAL_LABEL, INTEGER_LABEL].map(str::to_owned)),
        pools: vec![(pool, types(cores_max))],
        classes: draw.classes,
        ..Environment::default()
    };
    let pod = |(uid, class): (u64, usize)| BatchPod { class, created_s: 0, uid, node: None };
    let batch = Batch { pods: (0..).zip(draw.pods).map(pod).collect(), ..Batch::default() };
    Waiting { environment, batch }
}

impl Waiting {
    /// A pass of provisioning: the scheduler is made, asked, and its answer cut.
    pub fn pass(&self) -> Results {
        let mut scheduler = Scheduler::new(&self.environment, &[], Options::default());
        let mut results = scheduler.solve(&self.batch);
        scheduler.truncate(&mut results, INSTANCE_TYPES_MAX);
        results
    }

    /// The same with machines of one kind of capacity only, sold in all zones: consolidation replaces those on demand, and by
    /// default not spot.
    #[must_use]
    pub fn of_kind(mut self, capacity_type: &str) -> Waiting {
        for of_type in &mut self.environment.pools[0].1 {
            let price = of_type.offerings[0].usd_per_hour;
            of_type.offerings.push(Offering::new("test-zone-3", "spot", price));
        }
        self.environment.pools[0].0.template.requirements.push(NodeRequirement {
            key: CAPACITY_TYPE_LABEL.to_owned(),
            operator: Operator::In,
            values: vec![capacity_type.to_owned()],
            min_values: None,
        });
        self
    }

    /// The cluster once all has been bought, each node of the cheapest type, and some of a hundred pods have ended.
    pub fn filled(self, ended_percent: u64) -> Filled {
        let results = self.pass();
        assert!(results.failed.is_empty(), "every pod finds a place");
        let Waiting { environment, batch } = self;
        let mut ends = SEED.stream("bench/ends", 0);
        let (mut nodes, mut pods_of) = (Vec::new(), Vec::new());
        for (at, bought) in results.new_nodes.iter().enumerate() {
            let of_type = &environment.pools[0].1[bought.types[0]];
            let is_it = |one: &&Offering| bought.requirements.is_compatible(&one.requirements, &environment.well_known);
            let offering = of_type.offerings.iter().find(is_it).expect("the type is sold so");
            let mut pods = bought.pods.clone();
            pods.retain(|_| ends.below(100) >= ended_percent);
            let classes: Vec<usize> = pods.iter().map(|pod| batch.pods[*pod].class).collect();
            nodes.push(node(at, of_type, offering, &classes, &environment));
            pods_of.push(pods);
        }
        let candidate = |(at, pods): (usize, Vec<usize>)| {
            let pods = pods.into_iter().map(|pod| (BatchPod { node: Some(at), ..batch.pods[pod] }, 1.0)).collect();
            let candidate = Candidate::new(&environment, &nodes, at, pods).expect("a node of the pool");
            Candidate { is_consolidatable: true, ..candidate }
        };
        let candidates = pods_of.into_iter().enumerate().map(candidate).collect();
        Filled { environment, nodes, candidates }
    }
}

fn node(
    at: usize,
    of_type: &InstanceType,
    offering: &Offering,
    classes: &[usize],
    environment: &Environment,
) -> NodeState {
    let name = format!("node-{at:05}");
    let cores = (of_type.capacity.amount(ResourceKind::Cpu) / 1000).to_string();
    let labels = [
        (NODE_POOL_LABEL, "default"),
        (REGISTERED_LABEL, "true"),
        (INITIALIZED_LABEL, "true"),
        (INSTANCE_TYPE_LABEL, &of_type.name),
        (INTEGER_LABEL, &cores),
        (ZONE_LABEL, offering.zone()),
        (CAPACITY_TYPE_LABEL, offering.capacity_type()),
        (HOSTNAME_LABEL, &name),
    ];
    let mut available = of_type.allocatable();
    let mut pods: BTreeMap<usize, u32> = BTreeMap::new();
    for class in classes {
        available.subtract(&ResourceList::from(&environment.classes[*class].requests));
        *pods.entry(*class).or_default() += 1;
    }
    NodeState {
        labels: labels.iter().map(|(key, value)| label(key, value)).collect(),
        name,
        has_node: true,
        is_initialized: true,
        capacity: of_type.capacity.clone(),
        available,
        pods: pods.into_iter().collect(),
        ..NodeState::default()
    }
}

impl Filled {
    /// A pass of consolidation over all nodes, several at a time and then one by one; budgets allow everything.
    pub fn pass(&self) -> Option<Command> {
        let mut scheduler = Scheduler::new(&self.environment, &self.nodes, Options::default());
        let totals = vec![PoolTotals::default(); self.environment.pools.len()];
        let mut work = Consolidation {
            scheduler: &mut scheduler,
            surroundings: &Surroundings::default(),
            options: ConsolidationOptions::default(),
            totals: &totals,
        };
        let several = work.multi_node(&self.candidates, &mut [u64::MAX]);
        several.command.or_else(|| work.single_node(&self.candidates, &[u64::MAX], &Default::default()).command)
    }
}
