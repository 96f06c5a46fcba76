//! Pods serve requests: the cluster tells the data plane who is there, and hears from it what requests do to pods.
//!
//! A pod of a service becomes a server when it is first ready, ends when it is told to, and is gone when its first container
//! stops, or its node. While a pod that was told to end still answers requests its container lives on, up to the grace
//! period. Every window what requests used of CPU and memory becomes the usage of its first container.
//!
//! Cost: O(1) for each change of a pod, and O(servers) for each window (`loads`).

use std::collections::BTreeMap;

use crate::engine::handlers::loads::{Load, NodeLoad};
use crate::engine::run::Simulation;
use crate::ids::{ClassId, ControllerId, NodeId, OwnerId, PodId, RevisionId, ServiceId};
use crate::model::traffic::{Backends, Release};
use crate::model::{Model, Usage};
use crate::observe::Observer;
use crate::traffic::{Notice, Plane, Seat, Window};
use crate::units::SimTime;
use crate::world::Phase;
use crate::world::lives::Status;

/// Traffic and its servers.
#[derive(Debug)]
pub(in crate::engine) struct TrafficState<'m> {
    pub(in crate::engine) plane: Plane<'m>,
    /// Services by class of pods.
    services: Vec<Vec<ServiceId>>,
    /// Pods that are servers.
    pub(in crate::engine) seats: BTreeMap<PodId, Server>,
    /// What they use of their nodes.
    pub(super) nodes: Vec<NodeLoad>,
}

/// A pod as a server.
#[derive(Clone, Copy, Debug)]
pub(in crate::engine) struct Server {
    pub(super) number: u32,
    /// The how-many-th run of its container it is.
    pub(super) run: u32,
    is_ready: bool,
    is_ending: bool,
    /// Where it is, and which container serves.
    pub(super) node: NodeId,
    pub(super) container: u32,
    /// What its requests use.
    pub(super) load: Load,
}

impl<'m> TrafficState<'m> {
    /// The traffic of a model; none: there is none.
    ///
    /// # Panics
    /// When a balancer refuses its parameters.
    pub(in crate::engine) fn new(model: &'m Model) -> Option<TrafficState<'m>> {
        if model.traffic.services.is_empty() {
            return None;
        }
        let mut services = vec![Vec::new(); model.workload.classes.len()];
        for (position, service) in model.traffic.services.iter().enumerate() {
            if let Backends::Pods(classes) = &service.backends {
                for class in classes {
                    services[class.index()].push(ServiceId::from_index(position));
                }
            }
        }
        let plane = Plane::new(&model.traffic, model.cluster.zones.len(), model.seed);
        let plane = plane.expect("balancers were checked with their parameters");
        Some(TrafficState { plane, services, seats: BTreeMap::new(), nodes: Vec::new() })
    }
}

impl TrafficState<'_> {
    /// The services of pods of a class, which those of resized pods share with the others of their template.
    fn services_of(&self, model: &Model, class: ClassId) -> &[ServiceId] {
        &self.services[model.workload.base_class(class).index()]
    }

    /// The number of the server that a pod is, and which run of its container that is.
    pub(in crate::engine) fn server_of(&self, pod: PodId) -> Option<(u32, u32)> {
        self.seats.get(&pod).map(|server| (server.number, server.run))
    }
}

/// What a pod is to requests.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Standing {
    /// Its first container runs, and the how-many-th time.
    is_running: bool,
    run: u32,
    /// Clients may be told of it.
    is_ready: bool,
    /// It was told to end.
    is_ending: bool,
}

impl<'m, O: Observer> Simulation<'m, O> {
    /// Traffic moves on up to `until`, or to the first instant at which the cluster hears of it, which is given.
    pub(in crate::engine) fn advance_traffic(&mut self, until: SimTime) -> Option<SimTime> {
        let state = self.traffic.as_mut()?;
        state.plane.advance(until).then(|| state.plane.now())
    }

    /// Does what notices of the data plane ask for.
    pub(in crate::engine) fn on_notices(&mut self) {
        let Some(state) = &mut self.traffic else { return };
        for notice in state.plane.take_notices() {
            match notice {
                Notice::Drained(pod) => {
                    let index = self.serving_container(pod);
                    self.drive(pod, |driver| driver.release(index));
                }
                Notice::Done(pod) => {
                    let index = self.serving_container(pod);
                    self.drive(pod, |driver| driver.crash(index, 0));
                }
                Notice::OutOfMemory(pod) => self.kill_for_requests(pod),
            }
        }
    }

    fn kill_for_requests(&mut self, pod: PodId) {
        let now = self.world.time;
        let index = self.serving_container(pod);
        if let Some(node) = self.world.pods.node(pod)
            && let Some(usage) = self.world.usage.get_mut(node)
        {
            usage.settle(now);
            usage.totals.oom_kills += 1;
        }
        self.note_oom_kill(pod, index);
        self.drive(pod, |driver| driver.oom_kill(index));
    }

    /// The containers of a server have been resized.
    pub(in crate::engine) fn resize_server(&mut self, pod: PodId) {
        let Some(node) = self.world.pods.node(pod) else { return };
        let Some((number, _)) = self.traffic.as_ref().and_then(|state| state.server_of(pod)) else { return };
        let (seat, usage) = (self.seat(pod, node, SimTime::ZERO), self.serving_usage(pod));
        if let Some(state) = &mut self.traffic {
            state.plane.resize(number, &seat);
            if let Some(server) = state.seats.get_mut(&pod) {
                server.load.resize(usage);
            }
        }
    }

    /// What the container of a pod that serves uses.
    fn serving_usage(&self, pod: PodId) -> Option<&'m Usage> {
        self.life_rules(pod)?.template.containers.first()?.usage.as_deref()
    }

    /// The container of a pod that serves: the first that is no init container.
    fn serving_container(&self, pod: PodId) -> usize {
        let life = self.world.member(pod).and_then(|member| member.life.as_deref());
        life.map_or(0, |life| life.init_count)
    }

    fn standing(&self, pod: PodId) -> Standing {
        let phase = self.world.pods.phase[pod.index()];
        let node = self.world.pods.node(pod).filter(|_| phase.holds_node());
        let is_there = node.is_some_and(|node| self.is_up(node) && self.world.health.is_running(node));
        let Some(member) = self.world.member(pod) else {
            let is_running = is_there && phase == Phase::Running;
            return Standing { is_running, run: 0, is_ready: is_running, is_ending: false };
        };
        let Some(life) = member.life.as_deref().filter(|life| !life.is_over()) else {
            return Standing { is_running: false, run: 0, is_ready: false, is_ending: false };
        };
        let serving = life.containers.get(life.init_count);
        let is_running = serving.is_some_and(|container| matches!(container.status, Status::Running(_)));
        Standing {
            is_running: is_there && is_running,
            run: serving.map_or(0, |container| container.restarts),
            is_ready: member.ready_since != SimTime::NEVER,
            is_ending: life.termination.is_some(),
        }
    }

    /// Tells the data plane what a pod has become.
    pub(in crate::engine) fn note_server(&mut self, pod: PodId) {
        let Some(state) = &self.traffic else { return };
        let class = self.world.pods.class[pod.index()];
        if state.services_of(self.model, class).is_empty() {
            return;
        }
        self.note_pods_change(pod);
        let standing = self.standing(pod);
        match self.traffic.as_ref().and_then(|state| state.seats.get(&pod).copied()) {
            None if standing.is_running && standing.is_ready && !standing.is_ending => {
                self.open_server(pod, standing.run)
            }
            None => {}
            Some(server) => self.change_server(pod, server, standing),
        }
    }

    fn open_server(&mut self, pod: PodId, run: u32) {
        let Some(node) = self.world.pods.node(pod) else { return };
        let opens_at = self.begin_to_serve(pod);
        let seat = self.seat(pod, node, opens_at);
        let cores = self.server_cores(node);
        let (container, load) = (self.serving_container(pod) as u32, Load::new(self.serving_usage(pod)));
        let class = self.world.pods.class[pod.index()];
        let base = self.model.workload.base_class(class);
        let Some(state) = &mut self.traffic else { return };
        let number = state.plane.open(&seat, &state.services[base.index()]);
        if state.nodes.len() <= node.index() {
            state.nodes.resize(node.index() + 1, NodeLoad::default());
        }
        state.seats.insert(pod, Server { number, run, is_ready: true, is_ending: false, node, container, load });
        state.plane.set_node_cores(seat.node, cores);
        state.plane.tell_ready(number, true);
    }

    /// The container of a pod serves from now on; when it answers.
    fn begin_to_serve(&mut self, pod: PodId) -> SimTime {
        let life = self.world.member_mut(pod).and_then(|member| member.life.as_deref_mut());
        let container = life.and_then(|life| life.containers.get_mut(life.init_count));
        match container.map(|container| &mut container.status) {
            Some(Status::Running(running)) => {
                running.serves = true;
                running.works_at
            }
            _ => SimTime::ZERO,
        }
    }

    /// What its service says of the release that a pod belongs to, by the image of its first container.
    fn release_of(&self, pod: PodId) -> Option<&'m Release> {
        let services = self.traffic.as_ref()?.services_of(self.model, self.world.pods.class[pod.index()]);
        let image = self.life_rules(pod)?.template.containers.first()?.image?;
        let image = &self.model.controllers.images[image as usize];
        let releases = services.iter().flat_map(|service| &self.model.traffic.services[service.index()].releases);
        releases.into_iter().find(|release| release.image == *image)
    }

    /// The services that pods of a controller serve.
    fn services_of(&self, controller: ControllerId) -> Vec<ServiceId> {
        let Some(state) = &self.traffic else { return Vec::new() };
        let templates = &self.model.controllers.list[controller.index()].templates;
        let classes = templates.iter().flat_map(|template| &template.classes);
        let mut services: Vec<ServiceId> = classes.flat_map(|class| &state.services[class.index()]).copied().collect();
        services.sort_unstable();
        services.dedup();
        services
    }

    /// The requests of a controller's pods are divided among its owners as their weights say.
    pub(in crate::engine) fn tell_split(&mut self, controller: ControllerId) {
        let services = self.services_of(controller);
        let Some(state) = &mut self.traffic else { return };
        let owners = &self.world.owners;
        let of = |owner: &OwnerId| Some((owner.0, owners.list[owner.index()].traffic_weight_pct?));
        let split: Vec<(u32, f64)> = owners.controllers[controller.index()].owners.iter().filter_map(of).collect();
        for service in services {
            state.plane.set_split(service, &split);
        }
    }

    /// How requests that pods of each template of a controller answered have fared while they were divided.
    pub(in crate::engine) fn answered_of(&mut self, controller: ControllerId) -> Vec<(RevisionId, Window)> {
        let services = self.services_of(controller);
        let Some(state) = &mut self.traffic else { return Vec::new() };
        state.plane.settle();
        let owners = &self.world.owners;
        let window = |owner: &OwnerId| {
            let found = services.iter().find_map(|service| state.plane.group(*service, owner.0))?;
            Some((owners.list[owner.index()].template, found.clone()))
        };
        owners.controllers[controller.index()].owners.iter().filter_map(window).collect()
    }

    /// A measurement has been made: the next one is about what comes from now on.
    pub(in crate::engine) fn begin_groups_of(&mut self, controller: ControllerId) {
        for service in self.services_of(controller) {
            if let Some(state) = &mut self.traffic {
                state.plane.begin_groups(service);
            }
        }
    }

    /// What the data plane has to know of a pod.
    fn seat(&self, pod: PodId, node: NodeId, opens_at: SimTime) -> Seat {
        let class = self.model.workload.class(self.world.pods.class[pod.index()]);
        let shape = self.model.cluster.shape(self.world.nodes.shape[node.index()]);
        let usage = self.serving_usage(pod);
        let release = self.release_of(pod);
        Seat {
            pod,
            opens_at,
            zone: shape.zone,
            node: node.0,
            cpu_request: usage.map_or(class.requests.cpu.0, |usage| usage.cpu_request),
            cpu_limit: usage.and_then(|usage| usage.cpu_limit),
            memory_limit: usage.and_then(|usage| usage.memory_limit),
            speed: release.map_or(1.0, |release| release.speed),
            failure: release.map_or(0.0, |release| release.failure),
            group: self.world.member(pod).map_or(0, |member| member.owner.0),
        }
    }

    fn change_server(&mut self, pod: PodId, mut server: Server, standing: Standing) {
        let told_at = self.told_at(pod);
        let Some(state) = &mut self.traffic else { return };
        if !standing.is_running || standing.run != server.run {
            state.seats.remove(&pod);
            state.plane.close(server.number);
            // A container that was started again at the same instant is another server.
            return self.note_server(pod);
        }
        if server.is_ready != standing.is_ready && !standing.is_ending {
            server.is_ready = standing.is_ready;
            state.plane.tell_ready(server.number, standing.is_ready);
        }
        let ends = standing.is_ending && !std::mem::replace(&mut server.is_ending, standing.is_ending);
        state.seats.insert(pod, server);
        if ends {
            state.plane.end(server.number, told_at);
        }
    }

    /// When the serving container of a pod hears that it is to end; now where it has no life.
    fn told_at(&self, pod: PodId) -> SimTime {
        let life = self.world.member(pod).and_then(|member| member.life.as_deref());
        let container = life.and_then(|life| life.containers.get(life.init_count));
        let held = container.and_then(|container| container.running()).and_then(|running| running.held_end);
        held.map_or(self.world.time, |held| held.told_at)
    }

    /// What a node's servers may use of its cores: all of them, until it is known what else is used.
    fn server_cores(&self, node: NodeId) -> f64 {
        if let Some(milli) = self.world.usage.get(node).and_then(|usage| usage.server_milli) {
            return milli / 1000.0;
        }
        let shape = self.model.cluster.shape(self.world.nodes.shape[node.index()]);
        (shape.allocatable.cpu.0 + shape.reserved.cpu.0) as f64 / 1000.0
    }

    /// Cores that the servers of a node may use from now on.
    pub(in crate::engine) fn set_server_cores(&mut self, node: NodeId, cores: f64) {
        if let Some(state) = &mut self.traffic {
            state.plane.set_node_cores(node.0, cores);
        }
    }
}
