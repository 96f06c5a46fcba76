//! Best-node decisions against their limits, as one table: `cargo bench --bench placement_table`.
//!
//! A decision is: find the best node by the least-allocated score, place the pod, let the oldest pod go. The cluster is
//! 70 % full, of three shapes of node. All ways must choose the same nodes; they take turns within a row.
#![allow(
    clippy::disallowed_methods,
    clippy::print_stdout,
    missing_docs,
    unreachable_pub,
    missing_debug_implementations
)]

#[path = "limits/placement.rs"]
mod placement;

use std::collections::VecDeque;
use std::time::Instant;

use placement::{BucketIndex, CachedScan, Fleet, Picker, Recompute, Request};
use wavetank::ids::{ClassId, NodeId, PodId};
use wavetank::model::{
    Cluster, Model, Node, NodeShape, OnEviction, OnUnschedulable, Outputs, PodClass, PolicyChoice, Resources,
    Scheduling, Workload,
};
use wavetank::policy::scheduler::{self, Decision, Scheduler, filter};
use wavetank::rng::Seed;
use wavetank::units::{Bytes, MilliCpu};
use wavetank::world::{View, World};

const GIB: u64 = 1 << 30;
/// Cores and GiB of the three shapes.
const SHAPES: [(u64, u64); 3] = [(16, 64), (32, 96), (64, 256)];
const SEED: Seed = Seed { base: 7, replication: 0 };

/// Requests of `classes` classes: 250 milli-cores to 4 cores, 256 MiB to 16 GiB.
fn requests(classes: usize) -> Vec<Request> {
    let mut stream = SEED.stream("bench/requests", 0);
    (0..classes).map(|_| (250 + stream.below(3751), 256 * (1 << 20) + stream.below(16 * GIB))).collect()
}

fn fleet(nodes: usize) -> Fleet {
    let column = |of: fn((u64, u64)) -> u64| (0..nodes).map(|node| of(SHAPES[node % 3])).collect::<Vec<u64>>();
    let (cpu, memory) = (column(|shape| shape.0 * 1000), column(|shape| shape.1 * GIB));
    Fleet { free_cpu: cpu.clone(), free_memory: memory.clone(), cpu, memory }
}

/// The same cluster and classes as a model.
fn model(nodes: usize, requests: &[Request]) -> Model {
    let shape = |(cores, gib): (u64, u64)| NodeShape {
        allocatable: Resources {
            cpu: MilliCpu(cores * 1000),
            memory: Bytes(gib * GIB),
            pods: 10_000,
            ..Resources::default()
        },
        ..NodeShape::default()
    };
    let mut cluster = Cluster::default();
    let shapes = SHAPES.map(|kind| cluster.intern_shape(shape(kind)));
    cluster.nodes =
        (0..nodes).map(|n| Node { name: format!("n{n}"), shape: shapes[n % 3], unschedulable: false }).collect();
    let class = |&(cpu, memory): &Request| PodClass {
        requests: Resources { cpu: MilliCpu(cpu), memory: Bytes(memory), pods: 1, ..Resources::default() },
        ..PodClass::default()
    };
    Model {
        name: "bench".to_owned(),
        description: String::new(),
        seed: SEED,
        horizon: None,
        cluster,
        workload: Workload { classes: requests.iter().map(class).collect(), ..Workload::default() },
        objects: wavetank::model::Objects::default(),
        scheduling: Scheduling {
            policy: PolicyChoice::named("least-allocated"),
            queue: PolicyChoice::named("fifo"),
            on_unschedulable: OnUnschedulable::Drop,
            on_eviction: OnEviction::End,
            delays: wavetank::model::Delays::default(),
            kube_scheduler: None,
        },
        script: Vec::new(),
        outputs: Outputs::default(),
    }
}

/// Something that decides, places, and lets the oldest go.
trait Contestant {
    /// Places a pod of a class; gives the node.
    fn place(&mut self, class: usize) -> Option<usize>;
    /// Puts a pod of a class onto a node, where it fits.
    fn put(&mut self, class: usize, node: usize);
    /// Lets the oldest pod go.
    fn release_oldest(&mut self);
}

struct Limit<P> {
    picker: P,
    fleet: Fleet,
    requests: Vec<Request>,
    pods: VecDeque<(usize, usize)>,
}

impl<P: Picker> Contestant for Limit<P> {
    fn place(&mut self, class: usize) -> Option<usize> {
        let node = self.picker.pick(&self.fleet, class)?;
        self.put(class, node);
        Some(node)
    }

    fn put(&mut self, class: usize, node: usize) {
        let (cpu, memory) = self.requests[class];
        if self.fleet.free_cpu[node] >= cpu && self.fleet.free_memory[node] >= memory {
            self.fleet.free_cpu[node] -= cpu;
            self.fleet.free_memory[node] -= memory;
            self.pods.push_back((class, node));
            self.picker.changed(&self.fleet, node);
        }
    }

    fn release_oldest(&mut self) {
        if let Some((class, node)) = self.pods.pop_front() {
            let (cpu, memory) = self.requests[class];
            self.fleet.free_cpu[node] += cpu;
            self.fleet.free_memory[node] += memory;
            self.picker.changed(&self.fleet, node);
        }
    }
}

impl Wavetank {
    fn put_on(&mut self, class: ClassId, node: NodeId) {
        let pod = self.spare.pop().unwrap_or_else(|| self.world.arrive((0, 0), class, 0));
        self.world.pods.class[pod.index()] = class;
        self.world.place(&self.model.workload.classes[class.index()], pod, node, 0);
        self.pods.push_back(pod);
    }
}

struct Wavetank {
    model: Box<Model>,
    world: World,
    scheduler: Box<dyn Scheduler>,
    pods: VecDeque<PodId>,
    /// Pods that have gone, to be used again: the table of pods stays as small as the cluster.
    spare: Vec<PodId>,
}

impl Contestant for Wavetank {
    fn place(&mut self, class: usize) -> Option<usize> {
        let id = ClassId::from_index(class);
        let view = View { model: &self.model, world: &self.world };
        let Decision::Place(placement) = self.scheduler.decide(&view, id) else { return None };
        self.put_on(id, placement.node);
        Some(placement.node.index())
    }

    fn put(&mut self, class: usize, node: usize) {
        let (id, node) = (ClassId::from_index(class), NodeId::from_index(node));
        if filter::fits(&View { model: &self.model, world: &self.world }, id, node) {
            self.put_on(id, node);
        }
    }

    fn release_oldest(&mut self) {
        if let Some(pod) = self.pods.pop_front() {
            let class = &self.model.workload.classes[self.world.pods.class[pod.index()].index()];
            self.world.release(class, pod);
            self.spare.push(pod);
        }
    }
}

/// A contestant at work: which class comes when, and what it has chosen so far.
struct Course {
    contestant: Box<dyn Contestant>,
    all_different: bool,
    classes: usize,
    drawn: wavetank::rng::Stream,
    next: usize,
    hash: u64,
}

impl Course {
    fn class(&mut self) -> usize {
        self.next += 1;
        if self.all_different { (self.next - 1) % self.classes } else { self.drawn.below(self.classes as u64) as usize }
    }

    /// Puts pods onto the nodes in turn until so many milli-cores are taken; all contestants begin alike.
    fn fill(&mut self, requests: &[Request], nodes: usize, milli_cores: u64) {
        let mut taken = 0;
        for pod in 0.. {
            if taken >= milli_cores {
                break;
            }
            let class = pod % requests.len().min(1000);
            self.contestant.put(class, pod % nodes);
            taken += requests[class].0;
        }
    }

    /// Seconds for so many decisions.
    fn run(&mut self, decisions: usize) -> f64 {
        let begin = Instant::now();
        for _ in 0..decisions {
            let class = self.class();
            let node = self.contestant.place(class).map_or(u64::MAX, |node| node as u64);
            self.hash = (self.hash ^ node).wrapping_mul(0x0000_0100_0000_01b3);
            self.contestant.release_oldest();
        }
        begin.elapsed().as_secs_f64()
    }
}

fn course(contestant: impl Contestant + 'static, classes: usize, all_different: bool) -> Course {
    let drawn = SEED.stream("bench/classes", 0);
    Course { contestant: Box::new(contestant), all_different, classes, drawn, next: 0, hash: 0 }
}

fn main() {
    println!("| nodes | classes | wavetank | sets by score | cached bytes | recompute | ratio to the best |");
    println!("| --- | --- | --- | --- | --- | --- | --- |");
    for nodes in [1000, 5000, 50_000] {
        for classes in [1, 10, 100, usize::MAX] {
            row(nodes, classes);
        }
    }
    println!("\nmillion decisions a second; medians of 5 turns");
}

fn row(nodes: usize, classes: usize) {
    const TURNS: usize = 5;
    let all_different = classes == usize::MAX;
    let decisions = if all_different { 10_000_000 / nodes } else { 40_000 };
    let milli_cores = 7 * fleet(nodes).cpu.iter().sum::<u64>() / 10;
    // Every decision of all turns gets a class of its own.
    let count = if all_different { 6 * decisions } else { classes };
    let requests = requests(count);
    let model = Box::new(model(nodes, &requests));
    let scheduler = scheduler::find("least-allocated").expect("a policy");
    let scheduler = scheduler.build(&serde_json::json!({}), &model, SEED).expect("no parameters");
    let world = World::new(&model);
    let ours = Wavetank { model, world, scheduler, pods: VecDeque::new(), spare: Vec::new() };
    let fleet = fleet(nodes);
    let limit = |kept: bool| (fleet.clone(), if kept { requests.clone() } else { Vec::new() });
    let mut courses = vec![course(ours, count, all_different)];
    if !all_different {
        let (fleet, requests) = limit(true);
        let picker = BucketIndex::new(requests.clone(), &fleet);
        courses.push(course(Limit { picker, fleet, requests, pods: VecDeque::new() }, count, false));
        let (fleet, requests) = limit(true);
        let picker = CachedScan::new(requests.clone(), &fleet);
        courses.push(course(Limit { picker, fleet, requests, pods: VecDeque::new() }, count, false));
    }
    let (fleet, requests) = limit(true);
    let picker = Recompute::new(requests.clone(), &fleet);
    courses.push(course(
        Limit { picker, fleet, requests: requests.clone(), pods: VecDeque::new() },
        count,
        all_different,
    ));
    let mut seconds = vec![Vec::new(); courses.len()];
    let slow_last = courses.len() - 1;
    for course in &mut courses {
        course.fill(&requests, nodes, milli_cores);
    }
    for turn in 0..=TURNS {
        for (i, course) in courses.iter_mut().enumerate() {
            let time = course.run(if i == slow_last && !all_different {
                decisions.min(40_000_000 / nodes)
            } else {
                decisions
            });
            if turn > 0 {
                seconds[i].push(time);
            }
        }
    }
    let (hash, exact) = (courses[0].hash, if all_different { courses.len() } else { slow_last });
    assert!(courses[..exact].iter().all(|course| course.hash == hash), "the ways choose different nodes");
    let rates: Vec<f64> = seconds
        .into_iter()
        .enumerate()
        .map(|(i, mut times)| {
            times.sort_by(f64::total_cmp);
            let count = if i == slow_last && !all_different { decisions.min(40_000_000 / nodes) } else { decisions };
            count as f64 / times[TURNS / 2] / 1e6
        })
        .collect();
    let best = rates[1..].iter().copied().fold(0.0, f64::max);
    let shown: Vec<String> = rates.iter().map(|rate| format!("{rate:.3}")).collect();
    let shown = match shown.as_slice() {
        [ours, recompute] => format!("{ours} | | | {recompute}"),
        others => others.join(" | "),
    };
    let classes = if all_different { "all different".to_owned() } else { classes.to_string() };
    println!("| {nodes} | {classes} | {shown} | {:.2} |", rates[0] / best);
}
