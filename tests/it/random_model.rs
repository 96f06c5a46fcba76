//! Random small models that reach every mechanism: pools, shapes, taints, selectors, zones, GPUs, extended resources,
//! listed and generated pods, delays, scripts, and every policy in the tables.
//!
//! Amounts are small and coarse on purpose: pods then compete, tie and fill nodes to the last unit.

use wavetank::ids::{ClassId, NodeId, PoolId};
use wavetank::model::cluster::{HOSTNAME_LABEL, ZONE_LABEL};
use wavetank::model::{
    Action, ArrivalSource, Arrivals, Cluster, Delays, Dist, GeneratedPods, GpuDevices, GpuRequest, Label, ListedPod,
    ListedPods, Model, Node, NodeShape, OnEviction, OnUnschedulable, Outputs, PodClass, PolicyChoice, Pool, Resources,
    Scheduling, ScriptedAction, Taint, TaintEffect, Toleration, TolerationOperator, Workload,
};
use wavetank::policy::queue::QUEUE_ORDERS;
use wavetank::policy::scheduler::SCHEDULERS;
use wavetank::results::TextColumn;
use wavetank::rng::{Seed, Stream};
use wavetank::units::{Bytes, MilliCpu, SimDuration, SimTime};

const GIB: u64 = 1 << 30;
const SECOND_NS: u64 = 1_000_000_000;

/// The draws of one model.
pub(crate) struct Draw(Stream);

impl Draw {
    /// The draws of that name and seed.
    pub(crate) fn new(name: &str, seed: u64) -> Draw {
        Draw(Seed { base: seed, replication: 0 }.stream(name, 0))
    }

    /// A whole number from `low` to `high`, both included.
    pub(crate) fn between(&mut self, low: u64, high: u64) -> u64 {
        low + self.0.below(high - low + 1)
    }

    pub(crate) fn chance(&mut self, probability: f64) -> bool {
        self.0.unit() < probability
    }

    pub(crate) fn one_of<'a, T>(&mut self, items: &'a [T]) -> &'a T {
        &items[self.0.below(items.len() as u64) as usize]
    }

    pub(crate) fn maybe<T>(&mut self, probability: f64, make: impl FnOnce(&mut Draw) -> T) -> Option<T> {
        self.chance(probability).then(|| make(self))
    }

    /// An instant on a coarse grid (so that many things happen at once) or off it.
    fn time(&mut self, seconds_max: u64) -> SimTime {
        match self.chance(0.7) {
            true => SimTime(self.between(0, seconds_max) * SECOND_NS),
            false => SimTime(self.between(0, seconds_max * SECOND_NS)),
        }
    }

    /// A short span with every kind of distribution.
    fn span(&mut self) -> Dist {
        let seconds = self.between(1, 60) as f64;
        match self.between(0, 8) {
            0 => Dist::Constant(SimDuration(self.between(0, 60) * SECOND_NS)),
            1 => Dist::Uniform { min: seconds / 2.0, max: seconds },
            2 => Dist::Exponential { mean: seconds },
            3 => Dist::Normal { mean: seconds, sd: seconds },
            4 => Dist::lognormal_from_mean_sd(seconds, seconds),
            5 => Dist::Weibull { scale: seconds, shape: 0.7 },
            6 => Dist::Pareto { min: seconds / 4.0, shape: 1.5, max: 10.0 * seconds },
            7 => Dist::Hyperexponential { branches: vec![(0.8, seconds / 2.0), (0.2, 3.0 * seconds)] },
            _ => Dist::Empirical((0..3).map(|_| SimDuration(self.between(0, 60) * SECOND_NS)).collect()),
        }
    }

    /// A delay: mostly none.
    fn delay(&mut self) -> Dist {
        match self.between(0, 4) {
            0 => Dist::Constant(SimDuration(self.between(1, 3_000) * 1_000_000)),
            1 => Dist::Exponential { mean: 0.5 },
            _ => Dist::ZERO,
        }
    }

    fn label(&mut self) -> Label {
        let (key, value) = *self.one_of(&[("disk", "hdd"), ("disk", "ssd"), ("net", "fast"), ("net", "slow")]);
        Label { key: key.to_owned(), value: value.to_owned() }
    }

    fn taint(&mut self) -> Taint {
        use TaintEffect::{NoExecute, NoSchedule, PreferNoSchedule};
        Taint {
            key: (*self.one_of(&["dedicated", "spot"])).to_owned(),
            value: (*self.one_of(&["", "team-a"])).to_owned(),
            effect: *self.one_of(&[NoSchedule, NoSchedule, PreferNoSchedule, NoExecute]),
        }
    }

    fn toleration(&mut self) -> Toleration {
        use TaintEffect::{NoExecute, NoSchedule};
        Toleration {
            key: (*self.one_of(&["dedicated", "spot", ""])).to_owned(),
            operator: *self.one_of(&[TolerationOperator::Equal, TolerationOperator::Exists]),
            value: (*self.one_of(&["", "team-a"])).to_owned(),
            effect: *self.one_of(&[None, None, Some(NoSchedule), Some(NoExecute)]),
            duration: None,
        }
    }
}

/// The model of a seed: always the same.
pub(crate) fn random_model(seed: u64) -> Model {
    let mut draw = Draw::new("swarm", seed);
    let cluster = random_cluster(&mut draw);
    let workload = random_workload(&mut draw, &cluster);
    let script = random_script(&mut draw, &cluster);
    let scheduling = Scheduling {
        policy: PolicyChoice::named(draw.one_of(SCHEDULERS).name),
        queue: PolicyChoice::named(draw.one_of(QUEUE_ORDERS).name),
        on_unschedulable: *draw.one_of(&[OnUnschedulable::Wait, OnUnschedulable::Wait, OnUnschedulable::Drop]),
        on_eviction: *draw.one_of(&[OnEviction::Requeue, OnEviction::End]),
        delays: Delays { scheduling: draw.delay(), binding: draw.delay(), start: draw.delay() },
        kube_scheduler: None,
    };
    Model {
        name: format!("swarm-{seed}"),
        description: String::new(),
        seed: Seed { base: seed, replication: draw.between(0, 3) as u32 },
        horizon: draw.maybe(0.5, |draw| SimTime(1 + draw.time(400).0)),
        cluster,
        workload,
        controllers: wavetank::model::Controllers::default(),
        control_plane: wavetank::model::ControlPlane::default(),
        objects: wavetank::model::Objects::default(),
        scheduling,
        script,
        faults: wavetank::model::Faults::default(),
        traffic: wavetank::model::Traffic::default(),
        autoscaling: wavetank::model::Autoscaling::default(),
        provisioning: wavetank::model::Provisioning::default(),
        functions: None,
        sizing: None,
        power: None,
        carbon: None,
        outputs: Outputs {
            sample_every: draw.maybe(0.3, |draw| SimDuration(draw.between(1, 30) * SECOND_NS)),
            decisions: true,
            arrivals: true,
            pods: true,
            charts: false,
        },
    }
}

fn random_cluster(draw: &mut Draw) -> Cluster {
    let mut cluster = Cluster::default();
    for name in ["example.com/fpga", "example.com/license"].iter().take(draw.between(0, 2) as usize) {
        cluster.intern_extended_resource(name);
    }
    let has_gpus = draw.chance(0.6);
    let nodes_max = draw.between(1, 20);
    for pool in 0..draw.between(1, 3) {
        let template = random_shape(draw, has_gpus, &mut cluster);
        let zones = draw.between(1, 2);
        let shapes = (0..zones).map(|zone| {
            let name = format!("zone-{zone}");
            let mut shape = template.clone();
            shape.pool = Some(PoolId(pool as u32));
            shape.zone = Some(cluster.intern_zone(&name));
            shape.labels.push(Label { key: ZONE_LABEL.to_owned(), value: name });
            shape.labels.sort();
            cluster.intern_shape(shape)
        });
        let shapes: Vec<_> = shapes.collect();
        cluster.pools.push(Pool { name: format!("pool{pool}"), shapes });
    }
    for pool in &cluster.pools {
        for number in 0..draw.between(u64::from(pool.name == "pool0"), nodes_max / 2 + 1) {
            cluster.nodes.push(Node {
                name: format!("{}-{number}", pool.name),
                shape: pool.shapes[number as usize % pool.shapes.len()],
                unschedulable: draw.chance(0.1),
            });
        }
    }
    cluster.nodes.truncate(nodes_max as usize);
    if draw.chance(0.3) {
        let shape = random_shape(draw, has_gpus, &mut cluster);
        let shape = cluster.intern_shape(shape);
        cluster.nodes.push(Node { name: "single".to_owned(), shape, unschedulable: false });
    }
    cluster
}

fn random_shape(draw: &mut Draw, has_gpus: bool, cluster: &mut Cluster) -> NodeShape {
    let mut labels: Vec<Label> = (0..draw.between(0, 2)).map(|_| draw.label()).collect();
    labels.sort();
    labels.dedup_by(|a, b| a.key == b.key);
    // Half of all pools are roomy, so that a run sees plenty as well as want.
    let scale = draw.between(1, 2).pow(2);
    let model = cluster.intern_gpu_model(["T4", "A100"][draw.between(0, 1) as usize]);
    NodeShape {
        labels,
        taints: (0..draw.between(0, 6).saturating_sub(4)).map(|_| draw.taint()).collect(),
        allocatable: Resources {
            cpu: MilliCpu(1000 * scale * draw.between(0, 8)),
            memory: Bytes(scale * draw.between(0, 8) * GIB),
            ephemeral_storage: Bytes(scale * draw.between(0, 4) * GIB),
            pods: scale * draw.between(1, 12),
            extended: cluster.extended_resources.iter().map(|_| draw.between(0, 3)).collect(),
        },
        gpu: (has_gpus && draw.chance(0.7)).then(|| GpuDevices { model, count: draw.between(1, 8) as u32 }),
        usd_per_hour: draw.between(0, 400) as f64 / 100.0,
        ..NodeShape::default()
    }
}

fn random_class(draw: &mut Draw, cluster: &Cluster, number: u64) -> PodClass {
    let mut node_selector: Vec<Label> = draw.maybe(0.2, Draw::label).into_iter().collect();
    if draw.chance(0.1) {
        node_selector.push(Label { key: ZONE_LABEL.to_owned(), value: "zone-0".to_owned() });
    }
    if draw.chance(0.05) {
        node_selector.push(Label { key: HOSTNAME_LABEL.to_owned(), value: "pool0-0".to_owned() });
    }
    node_selector.sort();
    let gpu = draw.maybe(if cluster.gpu_models.is_empty() { 0.0 } else { 0.4 }, |draw| {
        let whole = draw.chance(0.5);
        GpuRequest {
            count: if whole { draw.between(1, 4) as u32 } else { 1 },
            milli: if whole { 1000 } else { 100 * draw.between(1, 9) as u16 },
            models: draw.maybe(0.3, |_| vec![wavetank::ids::GpuModelId(0)]).unwrap_or_default(),
        }
    });
    let extended = cluster.extended_resources.iter().map(|_| draw.between(0, 6).saturating_sub(5)).collect();
    PodClass {
        template: format!("template{}", number / 2),
        requests: Resources {
            cpu: MilliCpu(250 * draw.between(0, 7)),
            memory: Bytes(draw.between(0, 6) * GIB / 2),
            ephemeral_storage: Bytes(draw.between(0, 4).saturating_sub(3) * GIB),
            pods: 1,
            extended,
        },
        limits: None,
        gpu,
        priority: draw.between(0, 4) as i32 - 2,
        node_selector,
        tolerations: (0..draw.between(0, 2)).map(|_| draw.toleration()).collect(),
        spec: Box::default(),
        disruption: Default::default(),
    }
}

fn random_workload(draw: &mut Draw, cluster: &Cluster) -> Workload {
    let mut workload = Workload::default();
    for number in 0..draw.between(1, 10) {
        let class = random_class(draw, cluster, number);
        workload.intern_class(class);
    }
    let sources = draw.between(1, 3);
    for number in 0..sources {
        let count = draw.between(0, 200 / sources);
        let source = match draw.chance(0.5) {
            true => ArrivalSource::Listed(listed_pods(draw, cluster, &workload, number, count)),
            false => ArrivalSource::Generated(generated_pods(draw, &workload, number, count)),
        };
        workload.sources.push(source);
    }
    workload.popularity =
        (0..workload.classes.len()).map(|i| (ClassId::from_index(i), draw.between(1, 9) as f64)).collect();
    workload
}

fn listed_pods(draw: &mut Draw, cluster: &Cluster, workload: &Workload, source: u64, count: u64) -> ListedPods {
    let mut arrivals: Vec<SimTime> = (0..count).map(|_| draw.time(200)).collect();
    arrivals.sort();
    let mut names = TextColumn::default();
    let durations = draw.span();
    let bound_already = if draw.chance(0.3) && !cluster.nodes.is_empty() { 0.2 } else { 0.0 };
    let pods = arrivals.into_iter().enumerate().map(|(number, arrival)| {
        names.push(&format!("listed{source}-{number}"));
        ListedPod {
            class: ClassId::from_index(draw.between(0, workload.classes.len() as u64 - 1) as usize),
            arrival,
            duration: draw.maybe(0.8, |draw| durations.sample(&mut draw.0)),
            node: draw.maybe(bound_already, |draw| NodeId(draw.0.below(cluster.nodes.len() as u64) as u32)),
        }
    });
    let pods = pods.collect();
    ListedPods { pods, names, ..ListedPods::default() }
}

fn generated_pods(draw: &mut Draw, workload: &Workload, source: u64, count: u64) -> GeneratedPods {
    let classes = (0..workload.classes.len()).filter(|_| draw.chance(0.7));
    let mut classes: Vec<usize> = classes.collect();
    if classes.is_empty() {
        classes.push(0);
    }
    let gap = Dist::Exponential { mean: draw.between(1, 8) as f64 / 2.0 };
    let arrivals = match draw.between(0, 3) {
        0 => Arrivals::Gaps(Dist::Constant(SimDuration(draw.between(0, 5) * SECOND_NS))),
        1 => Arrivals::Gaps(gap),
        2 => Arrivals::Renewal(gap),
        _ => {
            let mut instants: Vec<_> = (0..count).map(|_| SimDuration(draw.time(200).0)).collect();
            instants.sort();
            Arrivals::At(instants)
        }
    };
    GeneratedPods {
        name: format!("generated{source}"),
        classes: classes.into_iter().map(|i| (ClassId::from_index(i), draw.between(1, 9) as f64)).collect(),
        count: Some(count),
        start: draw.time(20),
        arrivals,
        duration: draw.maybe(0.9, Draw::span),
    }
}

fn random_script(draw: &mut Draw, cluster: &Cluster) -> Vec<ScriptedAction> {
    let actions = if draw.chance(0.3) { 0 } else { draw.between(1, 25) };
    let mut times: Vec<SimTime> = (0..actions).map(|_| draw.time(250)).collect();
    times.sort();
    // Ids a little beyond the first nodes: nodes that the script itself adds are drained and crashed, too, and an id
    // that does not exist yet must do no harm.
    let nodes = cluster.nodes.len() as u64 + 4;
    let action = |draw: &mut Draw| {
        let node = NodeId(draw.0.below(nodes) as u32);
        match draw.between(0, 9) {
            0 | 1 => Action::AddNodes {
                pool: PoolId(draw.0.below(cluster.pools.len() as u64) as u32),
                count: draw.between(1, 2) as u32,
            },
            2 | 3 => Action::Cordon(node),
            4 | 5 => Action::Uncordon(node),
            6 | 7 => Action::Drain(node),
            8 => Action::Remove(node),
            _ => Action::Crash(node),
        }
    };
    times.into_iter().map(|at| ScriptedAction { at, action: action(draw) }).collect()
}
