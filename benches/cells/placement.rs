//! What the placement benches run: the same cluster, the same pods and the same steps for wavetank and for each limit.
//!
//! A step is a decision and what it leads to: find the best node by the least-allocated score, place the pod there, let
//! the oldest pod go. The cluster is 70 % full, of three shapes of node.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use wavetank::ids::{ClassId, NodeId, PodId};
use wavetank::model::{
    Cluster, ControlPlane, Controllers, Delays, Model, Node, NodeShape, Objects, OnEviction, OnUnschedulable, Outputs,
    PodClass, PolicyChoice, Resources, Scheduling, Workload,
};
use wavetank::policy::scheduler::{self, Decision, Scheduler};
use wavetank::rng::{Seed, Stream};
use wavetank::units::{Bytes, MilliCpu};
use wavetank::world::{View, World};

use super::limits::{BucketIndex, Fleet, Picker, Request};

const GIB: u64 = 1 << 30;
/// Cores and GiB of the three shapes.
const SHAPES: [(u64, u64); 3] = [(16, 64), (32, 96), (64, 256)];
/// Pod slots of every node: never the scarce resource.
const POD_SLOTS: u64 = 10_000;
const SEED: Seed = Seed { base: 7, replication: 0 };
/// So many classes stand for classes that are all different: a scheduler that has seen them all is replaced by a new one.
const DIFFERENT_CLASSES: usize = 2048;

/// How large the cluster is, and how many classes of pods there are.
#[derive(Clone, Copy, Debug)]
pub struct Cell {
    /// Number of nodes.
    pub nodes: usize,
    /// Number of classes; none when every pod is of a class of its own.
    pub classes: Option<usize>,
}

impl Cell {
    /// The cells of the table, row by row.
    pub fn all() -> impl Iterator<Item = Cell> {
        let classes = [Some(1), Some(10), Some(100), None];
        [1000, 5000, 50_000].into_iter().flat_map(move |nodes| classes.map(|classes| Cell { nodes, classes }))
    }

    /// The classes in words.
    pub fn classes_name(self) -> String {
        self.classes.map_or_else(|| "all different".to_owned(), |classes| classes.to_string())
    }

    /// Requests of the classes: 250 milli-cores to 4 cores, 256 MiB to 16 GiB.
    pub fn requests(self) -> Vec<Request> {
        let mut stream = SEED.stream("bench/requests", 0);
        let mut request = || (250 + stream.below(3751), 256 * (1 << 20) + stream.below(16 * GIB));
        (0..self.classes.unwrap_or(DIFFERENT_CLASSES)).map(|_| request()).collect()
    }

    /// The empty cluster in the columns of the limits.
    pub fn fleet(self) -> Fleet {
        let column = |of: fn((u64, u64)) -> u64| (0..self.nodes).map(|node| of(SHAPES[node % 3])).collect::<Vec<u64>>();
        let (cpu, memory) = (column(|shape| shape.0 * 1000), column(|shape| shape.1 * GIB));
        let free_pods = vec![POD_SLOTS; self.nodes];
        Fleet { free_cpu: cpu.clone(), free_memory: memory.clone(), free_pods, cpu, memory }
    }

    /// Pods by class and node that take 70 % of the cpu, placed as the score wants it: contestants begin with the level
    /// cluster that they would make themselves.
    pub fn filling(self) -> Vec<(u32, u32)> {
        let (mut fleet, mut requests) = (self.fleet(), self.requests());
        requests.truncate(10);
        let mut picker = BucketIndex::new(requests.clone(), &fleet);
        let mut left = 7 * fleet.cpu.iter().sum::<u64>() / 10;
        let mut filling = Vec::new();
        for class in (0..requests.len()).cycle() {
            let (cpu, memory) = requests[class];
            let (Some(node), Some(rest)) = (picker.pick(&fleet, class), left.checked_sub(cpu)) else { break };
            left = rest;
            fleet.free_cpu[node] -= cpu;
            fleet.free_memory[node] -= memory;
            picker.changed(&fleet, node);
            filling.push((class as u32, node as u32));
        }
        filling
    }

    /// The empty cluster and the classes as a model.
    fn model(self) -> Model {
        let shape = |(cores, gib): (u64, u64)| NodeShape {
            allocatable: Resources {
                cpu: MilliCpu(cores * 1000),
                memory: Bytes(gib * GIB),
                pods: POD_SLOTS,
                ..Resources::default()
            },
            ..NodeShape::default()
        };
        let mut cluster = Cluster::default();
        let shapes = SHAPES.map(|kind| cluster.intern_shape(shape(kind)));
        let node = |n: usize| Node { name: format!("n{n}"), shape: shapes[n % 3], unschedulable: false };
        cluster.nodes = (0..self.nodes).map(node).collect();
        let class = |(cpu, memory): Request| PodClass {
            requests: Resources { cpu: MilliCpu(cpu), memory: Bytes(memory), pods: 1, ..Resources::default() },
            ..PodClass::default()
        };
        Model {
            name: "bench".to_owned(),
            description: String::new(),
            seed: SEED,
            horizon: None,
            cluster,
            workload: Workload { classes: self.requests().into_iter().map(class).collect(), ..Workload::default() },
            controllers: Controllers::default(),
            control_plane: ControlPlane::default(),
            objects: Objects::default(),
            scheduling: Scheduling {
                policy: PolicyChoice::named("least-allocated"),
                queue: PolicyChoice::named("fifo"),
                on_unschedulable: OnUnschedulable::Drop,
                on_eviction: OnEviction::End,
                delays: Delays::default(),
                kube_scheduler: None,
            },
            script: Vec::new(),
            faults: wavetank::model::Faults::default(),
            traffic: wavetank::model::Traffic::default(),
            autoscaling: wavetank::model::Autoscaling::default(),
            provisioning: wavetank::model::Provisioning::default(),
            functions: None,
            sizing: None,
            power: None,
            carbon: None,
            outputs: Outputs::default(),
        }
    }
}

/// Something that decides and keeps account of the cluster. Pods are numbers that are used again, counted from 0.
pub trait Contestant {
    /// The best node for a pod of `class`, if any fits.
    fn decide(&mut self, class: usize) -> Option<usize>;
    /// Puts a pod onto a node, where it fits.
    fn place(&mut self, pod: u32, class: usize, node: usize);
    /// Lets a pod go that was placed; gives its class and the node it held.
    fn release(&mut self, pod: u32) -> (usize, usize);
    /// Forgets which classes were seen, the cluster stays.
    fn forget_classes(&mut self);
}

/// A limit: a way to pick, and the least account that a placement needs: what is free, and what each pod holds where.
pub struct Limit<P> {
    picker: P,
    fleet: Fleet,
    requests: Vec<Request>,
    /// By pod: its class and its node.
    pods: Vec<(u32, u32)>,
}

impl<P: Picker> Limit<P> {
    /// The limit for a cell.
    pub fn new(cell: Cell) -> Limit<P> {
        let (fleet, requests) = (cell.fleet(), cell.requests());
        Limit { picker: P::new(requests.clone(), &fleet), fleet, requests, pods: Vec::new() }
    }
}

impl<P: Picker> Contestant for Limit<P> {
    #[inline]
    fn decide(&mut self, class: usize) -> Option<usize> {
        self.picker.pick(&self.fleet, class)
    }

    fn place(&mut self, pod: u32, class: usize, node: usize) {
        let (cpu, memory) = self.requests[class];
        self.fleet.free_cpu[node] -= cpu;
        self.fleet.free_memory[node] -= memory;
        self.fleet.free_pods[node] -= 1;
        let held = (class as u32, node as u32);
        match self.pods.get_mut(pod as usize) {
            Some(place) => *place = held,
            None => self.pods.push(held),
        }
        self.picker.changed(&self.fleet, node);
    }

    fn release(&mut self, pod: u32) -> (usize, usize) {
        let (class, node) = self.pods[pod as usize];
        let (class, node) = (class as usize, node as usize);
        let (cpu, memory) = self.requests[class];
        self.fleet.free_cpu[node] += cpu;
        self.fleet.free_memory[node] += memory;
        self.fleet.free_pods[node] += 1;
        self.picker.changed(&self.fleet, node);
        (class, node)
    }

    fn forget_classes(&mut self) {}
}

/// wavetank's own scheduler and world.
pub struct Wavetank {
    model: Box<Model>,
    world: World,
    scheduler: Box<dyn Scheduler>,
}

impl Wavetank {
    /// wavetank for a cell.
    pub fn new(cell: Cell) -> Wavetank {
        let model = Box::new(cell.model());
        let (mut world, scheduler) = (World::new(&model), least_allocated(&model));
        // As the engine does it.
        if !scheduler.follows_placements() {
            world.placements.remember_none();
        }
        Wavetank { world, scheduler, model }
    }
}

fn least_allocated(model: &Model) -> Box<dyn Scheduler> {
    let row = scheduler::find("least-allocated").expect("a policy");
    row.build(&serde_json::json!({}), model, SEED).expect("no parameters")
}

impl Contestant for Wavetank {
    fn decide(&mut self, class: usize) -> Option<usize> {
        let view = View { model: &self.model, world: &self.world };
        match self.scheduler.decide(&view, ClassId::from_index(class)) {
            Decision::Place(placement) => Some(placement.node.index()),
            Decision::Unschedulable => None,
        }
    }

    fn place(&mut self, pod: u32, class: usize, node: usize) {
        let id = ClassId::from_index(class);
        if pod as usize == self.world.pods.len() {
            self.world.arrive((0, 0), id, 0);
        }
        self.world.pods.class[pod as usize] = id;
        self.world.place(&self.model.workload.classes[class], PodId(pod), NodeId::from_index(node), 0);
    }

    fn release(&mut self, pod: u32) -> (usize, usize) {
        let class = self.world.pods.class[pod as usize].index();
        (class, self.world.release(&self.model.workload.classes[class], PodId(pod)).index())
    }

    fn forget_classes(&mut self) {
        self.scheduler = least_allocated(&self.model);
    }
}

/// A contestant at work: which pods there are, which class comes next, and what has been chosen so far.
pub struct Course<C> {
    contestant: C,
    classes: Vec<Request>,
    all_different: bool,
    drawn: Stream,
    /// Decisions so far.
    count: usize,
    /// Of the nodes chosen so far.
    hash: u64,
    /// The pods that are placed, oldest first.
    pods: VecDeque<u32>,
    /// Pods that have gone, to be used again.
    spare: Vec<u32>,
}

/// A course, whoever the contestant is.
pub trait Run {
    /// Time for so many steps.
    fn run(&mut self, steps: usize) -> Duration;
    /// Time for so many steps without the decisions: the oldest pod goes and comes back to its node. Disturbs what the
    /// contestant has learnt about the pace of changes.
    fn run_bookkeeping(&mut self, steps: usize) -> Duration;
    /// A number that two courses share when all their choices so far were the same.
    fn hash(&self) -> u64;
}

impl<C: Contestant> Course<C> {
    /// A contestant whose cluster has been filled.
    pub fn new(cell: Cell, contestant: C, filling: &[(u32, u32)]) -> Course<C> {
        let mut course = Course {
            contestant,
            classes: cell.requests(),
            all_different: cell.classes.is_none(),
            drawn: SEED.stream("bench/classes", 0),
            count: 0,
            hash: 0,
            pods: VecDeque::new(),
            spare: Vec::new(),
        };
        for &(class, node) in filling {
            course.place(class as usize, node as usize);
        }
        course
    }

    #[inline]
    fn place(&mut self, class: usize, node: usize) {
        let pod = self.spare.pop().unwrap_or(self.pods.len() as u32);
        self.contestant.place(pod, class, node);
        self.pods.push_back(pod);
    }

    #[inline]
    fn release_oldest(&mut self) -> Option<(usize, usize)> {
        let pod = self.pods.pop_front()?;
        self.spare.push(pod);
        Some(self.contestant.release(pod))
    }

    fn step(&mut self) {
        let classes = self.classes.len();
        let class = if self.all_different { self.count % classes } else { self.drawn.below(classes as u64) as usize };
        self.count += 1;
        let node = self.contestant.decide(class);
        if let Some(node) = node {
            self.place(class, node);
        }
        self.hash = (self.hash ^ node.map_or(u64::MAX, |node| node as u64)).wrapping_mul(0x0000_0100_0000_01b3);
        self.release_oldest();
    }
}

impl<C: Contestant> Run for Course<C> {
    fn run(&mut self, steps: usize) -> Duration {
        let mut time = Duration::ZERO;
        let mut left = steps;
        while left > 0 {
            let at_once = if self.all_different {
                if self.count.is_multiple_of(DIFFERENT_CLASSES) {
                    self.contestant.forget_classes();
                }
                left.min(DIFFERENT_CLASSES - self.count % DIFFERENT_CLASSES)
            } else {
                left
            };
            let begin = Instant::now();
            (0..at_once).for_each(|_| self.step());
            time += begin.elapsed();
            left -= at_once;
        }
        time
    }

    fn run_bookkeeping(&mut self, steps: usize) -> Duration {
        let begin = Instant::now();
        for _ in 0..steps {
            if let Some((class, node)) = self.release_oldest() {
                self.place(class, node);
            }
        }
        begin.elapsed()
    }

    fn hash(&self) -> u64 {
        self.hash
    }
}
