//! The loop.

use super::event::{Event, Step};
use super::handlers::autoscaling::AutoscalingState;
use super::handlers::autoscaling::vertical::VerticalState;
use super::handlers::controllers::ControllerLoops;
use super::handlers::deferral;
use super::handlers::faults::ActiveFaults;
use super::handlers::node_lifecycle::Lifecycle;
use super::handlers::provisioning::ProvisioningState;
use super::handlers::queue::KubeQueue;
use super::handlers::traffic::TrafficState;
use super::handlers::writes::Writes;
use super::sources::Sources;
use super::waiting::WaitingPods;
use crate::event_queue::EventQueue;
use crate::ids::{ControllerId, NodeId, PodId};
use crate::model::{Delays, Model};
use crate::observe::{Observer, Whoever};
use crate::policy::ParameterError;
use crate::policy::balancer;
use crate::policy::deferral::Deferral;
use crate::policy::queue::{self, QueueOrder};
use crate::policy::scheduler::{self, Scheduler};
use crate::units::{SimDuration, SimTime};
use crate::world::{View, World};

/// Why a run could not begin, or came to nothing. Validated scenarios meet [`RunError::Endless`] only.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RunError {
    /// There is no policy of that name.
    #[error("there is no {kind} policy called `{name}`")]
    UnknownPolicy {
        /// Kind of policy.
        kind: &'static str,
        /// The name asked for.
        name: String,
    },
    /// A policy refused its parameters.
    #[error("policy `{name}`: {error}")]
    Parameter {
        /// The policy.
        name: String,
        /// What is wrong.
        error: ParameterError,
    },
    /// An object makes pods without end while time stands still.
    #[error(
        "at {at} s `{object}` makes one pod after the other without end: each is gone at once, and its controller takes \
         no time to make the next; `controlPlane: {{preset: realistic}}` gives it some"
    )]
    Endless {
        /// Its name.
        object: String,
        /// When.
        at: SimTime,
    },
}

/// A run in progress, generic over who watches.
pub struct Simulation<'m, O> {
    pub(super) model: &'m Model,
    pub(super) world: World,
    pub(super) observer: O,
    pub(super) events: EventQueue<Event>,
    pub(super) sources: Sources,
    pub(super) scheduler: Box<dyn Scheduler>,
    pub(super) queue_order: Box<dyn QueueOrder>,
    pub(super) waiting: WaitingPods,
    /// The queue of kube-scheduler, which then stands in for `queue_order` and `waiting`.
    pub(super) kube_queue: Option<KubeQueue>,
    pub(super) controller_loops: ControllerLoops,
    /// Writes to the API that take time.
    pub(super) writes: Writes,
    /// Nodes that got room since the scheduler last looked, each once.
    pub(super) freed: Vec<NodeId>,
    pub(super) is_freed: Vec<bool>,
    /// Whether an [`Event::Schedule`] is pending for this instant.
    pub(super) schedule_due: bool,
    /// Whether the scheduler is thinking about a pod.
    pub(super) scheduler_busy: bool,
    /// The rank of the pod that the scheduler is thinking about.
    pub(super) rank_in_hand: i64,
    /// When the pending [`Event::Images`] is due; [`SimTime::NEVER`]: there is none.
    pub(super) images_at: SimTime,
    /// How many nodes each pool has had, for the names of new ones.
    pub(super) pool_sizes: Vec<u32>,
    /// What is known of nodes that do not report.
    pub(super) lifecycle: Lifecycle,
    /// What is out of order.
    pub(super) faults: ActiveFaults,
    /// Whether it is known of any container what it uses.
    pub(super) tracks_usage: bool,
    /// Requests and their servers, where there are any.
    pub(super) traffic: Option<TrafficState<'m>>,
    /// Pod autoscalers, where there are any.
    pub(super) autoscaling: Option<AutoscalingState<'m>>,
    /// Node autoscalers, where machines can be bought.
    pub(super) provisioning: Option<ProvisioningState>,
    /// Vertical autoscalers, where there are any.
    pub(super) vertical: Option<VerticalState<'m>>,
    /// Who decides when pods start that can wait, in the model's order.
    pub(super) deferrals: Vec<Box<dyn Deferral>>,
    events_handled: u64,
}

/// What a run leaves behind.
#[derive(Debug)]
pub struct Finished<O> {
    /// The world at the end.
    pub world: World,
    /// Who watched.
    pub observer: O,
    /// How many events were handled.
    pub events: u64,
    /// The object that made pods without end at the instant at which the run was given up; none: it came to its end.
    pub endless: Option<ControllerId>,
}

/// A whole run, and who watched it.
///
/// Unlike a [`Simulation`] it is compiled once, whoever watches, which spares tests and small tools the time to compile the
/// engine for each of their observers. What is seen goes through a table of functions instead: name the observer's type where
/// that counts.
///
/// # Errors
/// As [`Simulation::new`].
///
/// # Panics
/// As [`Simulation::run`].
pub fn watch<O: Observer>(model: &Model, mut observer: O) -> Result<Finished<O>, RunError> {
    let Finished { world, events, endless, .. } = watch_as_whoever(model, Whoever(&mut observer, ()))?;
    Ok(Finished { world, observer, events, endless })
}

fn watch_as_whoever(model: &Model, observer: Whoever<'_>) -> Result<Finished<()>, RunError> {
    let Finished { world, events, endless, .. } = Simulation::new(model, observer)?.run();
    Ok(Finished { world, observer: (), events, endless })
}

impl<'m, O: Observer> Simulation<'m, O> {
    /// A run of `model` that is ready to begin.
    ///
    /// # Errors
    /// When the model names a policy that does not exist, or gives it wrong parameters.
    pub fn new(model: &'m Model, observer: O) -> Result<Simulation<'m, O>, RunError> {
        let (scheduler, queue_order) = build_policies(model)?;
        Ok(Simulation::with_policies(model, scheduler, queue_order, observer))
    }

    /// A run of `model` under policies of the caller's own, whatever policies the model names. This is how a policy
    /// that is not in the tables is tried.
    ///
    /// The run panics when the scheduler breaks its contract by placing a pod where too little is left.
    pub fn with_policies(
        model: &'m Model,
        scheduler: Box<dyn Scheduler>,
        queue_order: Box<dyn QueueOrder>,
        observer: O,
    ) -> Simulation<'m, O> {
        let mut world = World::new(model);
        if !scheduler.follows_placements() {
            world.placements.remember_none();
        }
        let mut pool_sizes = vec![0; model.cluster.pools.len()];
        for node in &model.cluster.nodes {
            if let Some(pool) = model.cluster.shape(node.shape).pool {
                pool_sizes[pool.index()] += 1;
            }
        }
        let mut simulation = Simulation {
            model,
            is_freed: vec![false; world.nodes.len()],
            world,
            observer,
            events: EventQueue::new(),
            sources: Sources::new(&model.workload, model.seed),
            kube_queue: scheduler.queue().map(KubeQueue::new),
            scheduler,
            queue_order,
            waiting: WaitingPods::new(model.workload.classes.len()),
            writes: Writes::default(),
            controller_loops: ControllerLoops::new(model.controllers.list.len()),
            freed: Vec::new(),
            schedule_due: false,
            scheduler_busy: false,
            rank_in_hand: 0,
            images_at: SimTime::NEVER,
            pool_sizes,
            lifecycle: Lifecycle::new(model),
            faults: ActiveFaults::default(),
            tracks_usage: model.controllers.tracks_usage(),
            traffic: TrafficState::new(model),
            autoscaling: AutoscalingState::new(model).expect("policies were checked with their parameters"),
            provisioning: ProvisioningState::new(model).expect("policies were checked with their parameters"),
            vertical: VerticalState::new(model).expect("policies were checked with their parameters"),
            deferrals: deferral::policies(model).expect("policies were checked with their parameters"),
            events_handled: 0,
        };
        simulation.schedule_first_events();
        simulation
    }

    fn schedule_first_events(&mut self) {
        for index in 0..self.model.script.len() {
            self.schedule(self.model.script[index].at, Event::Script { index: index as u32 });
        }
        self.schedule_faults();
        self.create_controllers();
        if self.traffic.is_some() {
            self.schedule(SimTime::ZERO.after(self.model.traffic.usage_window), Event::Window);
        }
        self.begin_autoscaling();
        self.begin_provisioning();
        self.begin_market();
        for source in 0..self.model.workload.sources.len() {
            if let Some(first) = self.sources.next_arrival(&self.model.workload, source) {
                self.schedule(first, Event::Arrive { source: source as u16 });
            }
        }
    }

    /// Runs until nothing is left to happen or the horizon is reached.
    pub fn run(mut self) -> Finished<O> {
        let horizon = self.model.horizon.unwrap_or(SimTime::NEVER);
        self.observer.begin(&View { model: self.model, world: &self.world });
        while self.step(horizon) {
            self.events_handled += 1;
            self.observer.event_handled(&View { model: self.model, world: &self.world });
            if self.controller_loops.endless.is_some() {
                break;
            }
        }
        let endless = self.controller_loops.endless;
        if self.model.horizon.is_some() && endless.is_none() {
            self.advance(horizon);
        }
        if let Some(traffic) = &mut self.traffic {
            traffic.plane.settle();
            self.observer.traffic_ended(&View { model: self.model, world: &self.world }, &mut traffic.plane);
        }
        self.observer.end(&View { model: self.model, world: &self.world });
        Finished { world: self.world, observer: self.observer, events: self.events_handled, endless }
    }

    /// Handles what comes next, up to the horizon; whether there was anything.
    fn step(&mut self, horizon: SimTime) -> bool {
        if self.traffic.is_some() {
            let next = self.events.peek_time().unwrap_or(SimTime::NEVER);
            if let Some(instant) = self.advance_traffic(next.min(horizon)) {
                self.advance(instant);
                self.on_notices();
                return true;
            }
        }
        match self.events.pop() {
            Some((key, event)) if key.time <= horizon => {
                self.advance(key.time);
                self.handle(event);
                true
            }
            _ => false,
        }
    }

    /// Moves time on.
    fn advance(&mut self, to: SimTime) {
        assert!(to >= self.world.time, "I3: time would move back");
        if to > self.world.time {
            self.observer.time_advances(&View { model: self.model, world: &self.world }, to);
            self.world.time = to;
        }
    }

    fn handle(&mut self, event: Event) {
        match event {
            Event::Arrive { source } => self.on_arrive(source),
            Event::Drain { node } => self.on_drain(node),
            Event::Write { number } => self.on_write(number),
            Event::Sync { controller } => self.on_sync(controller),
            Event::SizePods => self.on_size_pods(),
            Event::Scrape => self.on_scrape(),
            Event::Autoscale { autoscaler } => self.on_autoscale(autoscaler),
            Event::Images => self.on_images(),
            Event::Usage { node } => self.on_usage(node),
            Event::Window => self.on_window(),
            Event::Schedule => self.on_schedule(),
            Event::Flush => self.on_flush(),
            Event::Pod { step, generation, pod } => {
                if generation == self.world.pods.generation[pod.index()] {
                    self.on_step(pod, step);
                }
            }
            Event::Script { index } => self.on_script(self.model.script[index as usize].action),
            Event::Fault { index } => self.on_fault(index),
            Event::FaultEnds { index } => self.on_fault_ends(index),
            Event::Node { step, boot, node } => self.on_node_step(node, step, boot),
            Event::Monitor => self.on_monitor(),
            Event::Taint => self.on_taint(),
            Event::TaintEviction { pod } => self.on_taint_eviction(pod),
            Event::Provision { autoscaler } => self.on_provision(autoscaler),
            Event::Orders { autoscaler } => self.on_orders(autoscaler),
            Event::Machine { step, machine } => self.on_machine(machine, step),
            Event::Market { good } => self.on_market(good),
        }
    }

    /// Puts an event into the queue.
    pub(super) fn schedule(&mut self, at: SimTime, event: Event) {
        self.events.push(at, event.phase() as u8, event);
    }

    /// Puts a pod's next step into the queue, `delay` from now.
    pub(super) fn schedule_step(&mut self, pod: PodId, delay: SimDuration, step: Step) {
        let generation = self.world.pods.generation[pod.index()];
        self.schedule(self.world.time.after(delay), Event::Pod { step, generation, pod });
    }

    /// How long a step takes for this pod in its present life: the same in every run that differs in policies only.
    pub(super) fn delay(&self, stream: &str, which: fn(&Delays) -> &crate::model::Dist, pod: PodId) -> SimDuration {
        let dist = which(&self.model.scheduling.delays);
        if dist.is_zero() {
            return SimDuration::ZERO;
        }
        let life = u64::from(self.world.pods.generation[pod.index()]);
        dist.sample(&mut self.model.seed.stream(stream, u64::from(pod.0) | life << 32))
    }
}

type Policies = (Box<dyn Scheduler>, Box<dyn QueueOrder>);

fn build_policies(model: &Model) -> Result<Policies, RunError> {
    let choice = &model.scheduling.policy;
    let unknown = |kind, name: &str| RunError::UnknownPolicy { kind, name: name.to_owned() };
    let refused = |name: &str, error| RunError::Parameter { name: name.to_owned(), error };
    for service in &model.traffic.services {
        let (name, parameters) = (&service.balancer.name, &service.balancer.parameters);
        let row = balancer::find(name).ok_or_else(|| unknown("balancer", name))?;
        row.build(parameters).map_err(|error| refused(name, error))?;
    }
    AutoscalingState::new(model)?;
    ProvisioningState::new(model)?;
    VerticalState::new(model)?;
    deferral::policies(model).map_err(|(name, error)| match error {
        Some(error) => refused(&name, error),
        None => unknown("deferral", &name),
    })?;
    let row = scheduler::find(&choice.name).ok_or_else(|| unknown("scheduler", &choice.name))?;
    let scheduler = row.build(&choice.parameters, model, model.seed).map_err(|error| refused(&choice.name, error))?;
    let choice = &model.scheduling.queue;
    let row = queue::find(&choice.name).ok_or_else(|| unknown("queue", &choice.name))?;
    let order = row.build(&choice.parameters).map_err(|error| refused(&choice.name, error))?;
    Ok((scheduler, order))
}

impl<O> std::fmt::Debug for Simulation<'_, O> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Simulation").field("time", &self.world.time).finish_non_exhaustive()
    }
}
