//! Which operations call which others: what does not change during a run.
//!
//! A node is an operation as requests of one class ask for it; sources whose headers the routes cannot tell apart are one
//! class. A link is a place in the model from which calls are made, with the nodes that routes send them to.

use std::collections::BTreeMap;

use super::shape::Shape;
use crate::ids::ServiceId;
use crate::model::Dist;
use crate::model::traffic::{Backends, CallPolicy, Operation, OperationRef, Source, Step, Traffic};
use crate::rng::Seed;

/// An operation, asked for by requests of one class.
#[derive(Clone, Debug)]
pub(super) struct Node<'m> {
    pub target: OperationRef,
    class: usize,
    pub operation: &'m Operation,
    pub steps: Vec<Stage>,
    /// Copies of its requests, which nobody waits for.
    pub mirror: Option<(usize, f64)>,
}

/// A step of an operation.
#[derive(Clone, Debug)]
pub(super) enum Stage {
    /// Time of one core, as this shape has it.
    Compute(usize),
    /// Time of nothing but the worker.
    Wait(usize),
    /// Calls made at once.
    Call(Vec<Branch>),
}

/// One of the calls of a step.
#[derive(Clone, Copy, Debug)]
pub(super) struct Branch {
    pub link: usize,
    /// How likely it is made and not answered by a cache.
    pub chance: f64,
    pub count: u32,
    pub is_detached: bool,
    pub is_optional: bool,
}

/// Where calls come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Origin {
    /// A source, for an operation of its mix.
    Source(usize, usize),
    /// A node.
    Node(usize),
}

/// A place from which calls are made.
#[derive(Clone, Debug)]
pub(super) struct Link<'m> {
    pub origin: Origin,
    pub policy: &'m CallPolicy,
    pub targets: Vec<Target>,
}

/// A node that calls may go to.
#[derive(Clone, Debug)]
pub(super) struct Target {
    pub node: usize,
    /// Which part goes there when everybody has room.
    pub share: f64,
    /// Services that send on what they have no room for, whose turn is before.
    pub after: Vec<usize>,
    /// The service sends on itself what it has no room for.
    pub sends_on: Option<usize>,
}

/// The whole graph.
#[derive(Clone, Debug)]
pub(super) struct Graph<'m> {
    pub nodes: Vec<Node<'m>>,
    pub links: Vec<Link<'m>>,
    pub shapes: Vec<Shape>,
    /// Nodes and stations, callers before those that they call, but for loops.
    pub order: Vec<usize>,
    pub station_order: Vec<usize>,
    /// Stations by service, and how many there are.
    pub station_of: Vec<usize>,
    pub stations: usize,
    /// Services and nodes by station.
    pub services_of: Vec<Vec<usize>>,
    pub nodes_of: Vec<Vec<usize>>,
    /// Whether a node calls itself over others.
    pub has_loop: bool,
}

/// Calls that nobody waits for have no policy.
const PLAIN: &CallPolicy = &CallPolicy { timeout: None, deadline: None, retries: None, hedging: None };

struct Builder<'m> {
    traffic: &'m Traffic,
    seed: Seed,
    graph: Graph<'m>,
    numbers: BTreeMap<(OperationRef, usize), usize>,
    /// For each class of sources the route that its requests take, by service.
    classes: Vec<Vec<Option<usize>>>,
    pending: Vec<usize>,
}

impl<'m> Graph<'m> {
    pub(super) fn new(traffic: &'m Traffic, seed: Seed) -> Graph<'m> {
        let (station_of, stations) = stations(traffic);
        let graph = Graph {
            nodes: Vec::new(),
            links: Vec::new(),
            shapes: Vec::new(),
            order: Vec::new(),
            station_order: Vec::new(),
            services_of: (0..stations)
                .map(|one| (0..station_of.len()).filter(|service| station_of[*service] == one).collect())
                .collect(),
            station_of,
            stations,
            nodes_of: vec![Vec::new(); stations],
            has_loop: false,
        };
        let (numbers, classes) = (BTreeMap::new(), Vec::new());
        let mut builder = Builder { traffic, seed, graph, numbers, classes, pending: Vec::new() };
        for (position, source) in traffic.sources.iter().enumerate() {
            let class = builder.class_of(source);
            for (entry, (operation, _)) in source.mix.iter().enumerate() {
                builder.link(Origin::Source(position, entry), *operation, class, &source.policy);
            }
        }
        while let Some(node) = builder.pending.pop() {
            builder.expand(node);
        }
        builder.graph.sort();
        builder.graph
    }

    /// Puts nodes and stations in order.
    fn sort(&mut self) {
        let mut marks = vec![0; self.nodes.len()];
        let starts: Vec<usize> = self
            .links
            .iter()
            .filter(|link| matches!(link.origin, Origin::Source(..)))
            .flat_map(|link| link.targets.iter().map(|target| target.node))
            .collect();
        let mut found = Vec::new();
        let mut has_loop = false;
        for start in starts {
            visit(start, &mut marks, &mut found, &mut has_loop, &|node| self.called_by(node));
        }
        found.reverse();
        self.order = found;
        for &node in &self.order {
            self.nodes_of[self.station_of[self.nodes[node].target.service.index()]].push(node);
        }
        let mut marks = vec![0; self.stations];
        let mut found = Vec::new();
        for &node in &self.order {
            let station = self.station_of[self.nodes[node].target.service.index()];
            let next = |station: usize| {
                let called = self.nodes_of[station].iter().flat_map(|&node| self.called_by(node));
                called.map(|node| self.station_of[self.nodes[node].target.service.index()]).collect()
            };
            visit(station, &mut marks, &mut found, &mut has_loop, &next);
        }
        found.reverse();
        self.station_order = found;
        self.has_loop = has_loop;
    }

    fn called_by(&self, node: usize) -> Vec<usize> {
        let node = &self.nodes[node];
        let calls =
            node.steps.iter().filter_map(|stage| if let Stage::Call(branches) = stage { Some(branches) } else { None });
        let links = calls.flatten().map(|branch| branch.link).chain(node.mirror.map(|(link, _)| link));
        links.flat_map(|link| self.links[link].targets.iter().map(|target| target.node)).collect()
    }
}

/// Depth first; a node is found after all that it leads to.
fn visit(
    node: usize,
    marks: &mut [u8],
    found: &mut Vec<usize>,
    has_loop: &mut bool,
    next: &dyn Fn(usize) -> Vec<usize>,
) {
    if marks[node] != 0 {
        *has_loop |= marks[node] == 1;
        return;
    }
    // The stack is kept apart from the program's: graphs of calls may be deep.
    let mut stack = vec![(node, next(node))];
    marks[node] = 1;
    while let Some((node, left)) = stack.last_mut() {
        match left.pop() {
            Some(one) if marks[one] == 0 => {
                marks[one] = 1;
                stack.push((one, next(one)));
            }
            Some(one) => *has_loop |= marks[one] == 1,
            None => {
                marks[*node] = 2;
                found.push(*node);
                stack.pop();
            }
        }
    }
}

/// Services that have backends in common are one station.
fn stations(traffic: &Traffic) -> (Vec<usize>, usize) {
    let mut numbers: Vec<usize> = Vec::new();
    let mut count = 0;
    let classes = |service: usize| match &traffic.services[service].backends {
        Backends::Pods(classes) => classes.as_slice(),
        _ => &[],
    };
    for service in 0..traffic.services.len() {
        let shared = (0..service).find(|&other| classes(service).iter().any(|class| classes(other).contains(class)));
        numbers.push(shared.map_or(count, |other| numbers[other]));
        count += usize::from(shared.is_none());
    }
    (numbers, count)
}

impl<'m> Builder<'m> {
    /// The class of a source: which routes its headers fit.
    fn class_of(&mut self, source: &Source) -> usize {
        let fits =
            |header: &Option<(String, String)>| header.as_ref().is_none_or(|header| source.headers.contains(header));
        let routes: Vec<Option<usize>> = self
            .traffic
            .services
            .iter()
            .map(|service| service.routes.iter().position(|route| fits(&route.header)))
            .collect();
        self.classes.iter().position(|known| *known == routes).unwrap_or_else(|| {
            self.classes.push(routes);
            self.classes.len() - 1
        })
    }

    fn node(&mut self, target: OperationRef, class: usize) -> usize {
        if let Some(&number) = self.numbers.get(&(target, class)) {
            return number;
        }
        let number = self.graph.nodes.len();
        let operation = &self.traffic.services[target.service.index()].operations[target.operation as usize];
        self.graph.nodes.push(Node { target, class, operation, steps: Vec::new(), mirror: None });
        self.numbers.insert((target, class), number);
        self.pending.push(number);
        number
    }

    /// A place from which an operation is called.
    fn link(&mut self, origin: Origin, to: OperationRef, class: usize, policy: &'m CallPolicy) -> usize {
        let mut targets = Vec::new();
        for (operation, share) in self.routed(to, class) {
            self.spill(&mut targets, operation, class, share);
        }
        self.graph.links.push(Link { origin, policy, targets });
        self.graph.links.len() - 1
    }

    fn routed(&self, to: OperationRef, class: usize) -> Vec<(OperationRef, f64)> {
        let service = &self.traffic.services[to.service.index()];
        let Some(route) = self.classes[class][to.service.index()].map(|route| &service.routes[route]) else {
            return vec![(to, 1.0)];
        };
        let total: f64 = route.targets.iter().map(|(_, weight)| weight).sum();
        route.targets.iter().map(|(target, weight)| (self.counterpart(to, *target), weight / total)).collect()
    }

    /// A target, and those that take what it has no room for.
    fn spill(&mut self, targets: &mut Vec<Target>, mut operation: OperationRef, class: usize, share: f64) {
        let mut after = Vec::new();
        for _ in 0..=self.traffic.services.len() {
            let next = self.traffic.services[operation.service.index()].overflow;
            let node = self.node(operation, class);
            let sends_on = next.map(|_| operation.service.index());
            targets.push(Target { node, share, after: after.clone(), sends_on });
            let Some(next) = next else { return };
            after.push(operation.service.index());
            operation = self.counterpart(operation, next);
        }
    }

    /// The operation of the same name at another service; the first one where there is none.
    fn counterpart(&self, from: OperationRef, service: ServiceId) -> OperationRef {
        let name = &self.traffic.services[from.service.index()].operations[from.operation as usize].name;
        let operations = &self.traffic.services[service.index()].operations;
        let operation = operations.iter().position(|one| one.name == *name).unwrap_or(0) as u32;
        OperationRef { service, operation }
    }

    fn shape(&mut self, dist: &Dist) -> usize {
        let number = self.graph.shapes.len();
        let stream = self.seed.stream("traffic/fluid/shapes", number as u64);
        self.graph.shapes.push(Shape::new(dist, stream));
        number
    }

    fn expand(&mut self, node: usize) {
        let (target, class, operation) = {
            let node = &self.graph.nodes[node];
            (node.target, node.class, node.operation)
        };
        let mut steps = Vec::new();
        for step in &operation.steps {
            steps.push(match step {
                Step::Compute(dist) => Stage::Compute(self.shape(dist)),
                Step::Wait(dist) => Stage::Wait(self.shape(dist)),
                Step::Call(calls) => {
                    let mut branches = Vec::new();
                    for call in calls {
                        let link = self.link(Origin::Node(node), call.target, class, &call.policy);
                        let chance = call.probability.min(1.0) * (1.0 - call.cache_hit);
                        let (count, is_detached, is_optional) = (call.count, call.is_detached, call.is_optional);
                        branches.push(Branch { link, chance, count, is_detached, is_optional });
                    }
                    Stage::Call(branches)
                }
            });
        }
        let mirror = self.traffic.services[target.service.index()].mirror;
        let mirror = mirror.map(|(to, part)| {
            let copy = self.counterpart(target, to);
            (self.link(Origin::Node(node), copy, class, PLAIN), part)
        });
        let node = &mut self.graph.nodes[node];
        (node.steps, node.mirror) = (steps, mirror);
    }
}
