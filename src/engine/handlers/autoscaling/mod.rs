//! Pod autoscalers act: usage of containers reaches them through the metrics pipeline, and they scale their targets.
//!
//! All nodes are asked every resolution of the pipeline, and only about pods of targets. An autoscaler looks for the first time
//! when its policy says, and then every period. What it writes takes as long as writes
//! of the control plane do; the object's own controller acts on it when it sees it.
//!
//! Cost: O(containers of targets whose pods somebody reads) each time that nodes are asked, the same when pods of a target
//! have come or gone, and what the policy costs for each sync, which need not be O(pods): sums are added up here.

mod metrics;
mod pods;
mod scrape;
mod steady;
#[cfg(test)]
mod tests;
mod traffic;
pub(in crate::engine) mod vertical;

use crate::engine::Event;
use crate::engine::handlers::writes::Write;
use crate::engine::run::{RunError, Simulation};
use crate::ids::{AutoscalerId, ControllerId, ServiceId};
use crate::model::autoscaling::{CustomMetric, MetricValues};
use crate::model::controllers::{ControllerKind, Operation, Verb};
use crate::model::{Model, autoscaling};
use crate::observe::{Autoscaled, Observer};
use crate::policy::autoscaler::{
    self, AutoscalerRow, HorizontalAutoscaler, MetricSource, Names, Observation, Reads, ReplicaCounts, Setting,
    TrafficSample,
};
use crate::units::SimTime;
use crate::world::View;
use metrics::{Named, OfPods};
use pods::Target;
use traffic::{Marks, RecentLatencies};

/// Stands for no target in [`AutoscalingState::target_of`].
const NO_TARGET: u32 = u32::MAX;

/// Autoscalers and what they see.
#[derive(Debug)]
pub(in crate::engine) struct AutoscalingState<'m> {
    loops: Vec<Loop<'m>>,
    /// What is scaled, and what is known of its pods.
    targets: Vec<Target<'m>>,
    /// Positions of targets by controller.
    target_of: Vec<u32>,
    /// Latencies in the last complete windows of traffic, by service.
    latencies: Vec<RecentLatencies>,
    /// The services that somebody looks at.
    read: Vec<ServiceId>,
}

/// One autoscaler.
#[derive(Debug)]
struct Loop<'m> {
    model: &'m autoscaling::HorizontalAutoscaler,
    policy: Box<dyn HorizontalAutoscaler>,
    reads: Reads,
    /// Position of its target.
    target: usize,
    /// The services that it looks at, and what had been counted when it last looked.
    marks: Vec<(ServiceId, Marks)>,
}

impl<'m> AutoscalingState<'m> {
    /// The autoscalers of a model; none: there are none.
    ///
    /// # Errors
    /// When there is no policy of a name, or a policy refuses its parameters.
    pub(in crate::engine) fn new(model: &'m Model) -> Result<Option<AutoscalingState<'m>>, RunError> {
        if model.autoscaling.is_empty() {
            return Ok(None);
        }
        let mut state = AutoscalingState {
            loops: Vec::new(),
            targets: Vec::new(),
            target_of: vec![NO_TARGET; model.controllers.list.len()],
            latencies: vec![RecentLatencies::default(); model.traffic.services.len()],
            read: Vec::new(),
        };
        for one in &model.autoscaling.horizontal {
            let policy = build(model, one)?;
            let reads = policy.reads();
            let target = state.target(one.target);
            state.targets[target].is_read |= reads.pods || !reads.pod_metrics.is_empty();
            let marks = services_read(model, one, &reads);
            state.read.extend(marks.iter().map(|(service, _)| *service));
            state.loops.push(Loop { model: one, policy, reads, target, marks });
        }
        state.read.sort_unstable();
        state.read.dedup();
        state.measure_vertical(model);
        Ok(Some(state))
    }

    /// The position of a target, which is added where it is new.
    fn target(&mut self, controller: ControllerId) -> usize {
        let known = &mut self.target_of[controller.index()];
        if *known == NO_TARGET {
            *known = self.targets.len() as u32;
            self.targets.push(Target::new(controller));
        }
        *known as usize
    }

    /// Something about an object that makes pods, or about its pods, has changed.
    pub(in crate::engine) fn note_change(&mut self, controller: ControllerId) {
        let target = self.target_of[controller.index()];
        if target != NO_TARGET {
            self.targets[target as usize].is_stale = true;
        }
    }
}

/// The services whose traffic an autoscaler looks at: its own, and those of the metrics that it reads.
fn services_read(model: &Model, one: &autoscaling::HorizontalAutoscaler, reads: &Reads) -> Vec<(ServiceId, Marks)> {
    let is_read = |metric: &&CustomMetric| {
        reads.pod_metrics.contains(&metric.name) || reads.metrics.iter().any(|source| metrics::is_meant(metric, source))
    };
    let of_metrics = model.autoscaling.metrics.iter().filter(is_read).filter_map(|metric| match metric.source {
        MetricValues::Traffic(service, _) => service.or(one.service),
        MetricValues::Series(_) => None,
    });
    let mut services: Vec<ServiceId> = one.service.filter(|_| reads.traffic).into_iter().chain(of_metrics).collect();
    services.sort_unstable();
    services.dedup();
    services.into_iter().map(|service| (service, Marks::default())).collect()
}

/// What is known of the service that a metric is about.
fn sample_for<'s>(
    metric: &CustomMetric,
    own: &autoscaling::HorizontalAutoscaler,
    seen: &'s [(ServiceId, TrafficSample)],
) -> Option<&'s TrafficSample> {
    let MetricValues::Traffic(service, _) = metric.source else { return None };
    let service = service.or(own.service)?;
    seen.iter().find(|(other, _)| *other == service).map(|(_, sample)| sample)
}

/// The policy of an autoscaler.
fn build(model: &Model, one: &autoscaling::HorizontalAutoscaler) -> Result<Box<dyn HorizontalAutoscaler>, RunError> {
    let name = &one.policy.name;
    let unknown = || RunError::UnknownPolicy { kind: "autoscaler", name: name.clone() };
    let row: &AutoscalerRow = autoscaler::find(name).ok_or_else(unknown)?;
    let foresight = if row.is_clairvoyant { traffic::foresight(model, one.service) } else { Vec::new() };
    let setting =
        Setting { min_replicas: one.min_replicas, max_replicas: one.max_replicas, foresight: foresight.as_slice() };
    row.build(&one.policy.parameters, &setting).map_err(|error| RunError::Parameter { name: name.clone(), error })
}

impl<'m, O: Observer> Simulation<'m, O> {
    /// Every autoscaler is to look for the first time.
    pub(in crate::engine) fn begin_autoscaling(&mut self) {
        let Some(state) = &self.autoscaling else { return };
        let periods: Vec<_> = state.loops.iter().map(|one| one.policy.first_sync()).collect();
        let is_read = state.targets.iter().any(|target| target.is_read);
        for (position, period) in periods.into_iter().enumerate() {
            let autoscaler = AutoscalerId::from_index(position);
            self.schedule(SimTime::ZERO.after(period), Event::Autoscale { autoscaler });
        }
        self.begin_vertical();
        if is_read {
            self.schedule(self.model.autoscaling.pipeline.phase, Event::Scrape);
        }
    }

    /// An autoscaler looks at its target, and says how many replicas there should be.
    pub(in crate::engine) fn on_autoscale(&mut self, autoscaler: AutoscalerId) {
        let Some(mut state) = self.autoscaling.take() else { return };
        let period = state.loops[autoscaler.index()].policy.sync_period();
        self.schedule(self.world.time.after(period), Event::Autoscale { autoscaler });
        let target = state.loops[autoscaler.index()].model.target;
        let is_there = self.world.owners.controllers[target.index()].is_there;
        let verb = match is_there && self.world.health.services.api_server_is_up {
            true => self.sync_autoscaler(&mut state, autoscaler),
            false => None,
        };
        self.autoscaling = Some(state);
        if let Some(verb) = verb {
            self.scale(Operation { controller: target, verb });
        }
    }

    /// What it sees and decides; what is to be written, if anything.
    fn sync_autoscaler(&mut self, state: &mut AutoscalingState<'m>, autoscaler: AutoscalerId) -> Option<Verb> {
        let now = self.world.time;
        let AutoscalingState { loops, targets, latencies, .. } = state;
        let Loop { model: own, policy, reads, target, marks } = &mut loops[autoscaler.index()];
        let target = &mut targets[*target];
        if target.is_stale {
            self.look_at_pods(target);
        }
        target.show(now);
        if policy.needs_samples(now, &target.totals) {
            target.hear_of_steady();
        }
        let replicas = self.replicas_of_target(target);
        let seen = self.traffic_seen(marks, latencies);
        let traffic = seen.iter().find(|(service, _)| Some(*service) == own.service).map(|(_, sample)| sample);
        let view = View { model: self.model, world: &self.world };
        let wants_text = self.observer.wants_autoscaler_text(&view, autoscaler);
        let named = self.named_metrics(own, reads, &seen);
        let of_pods = self.pod_metrics(own, reads, target, &seen);
        let of_target = &self.model.controllers.list[target.controller.index()];
        let names = Names {
            namespace: &own.namespace,
            autoscaler: &own.name,
            kind: of_target.kind.name(),
            target: &of_target.name,
            pod: &|pod| view.pod_name(pod),
        };
        let decision = policy.sync(&Observation {
            now,
            replicas,
            pods: &target.pods,
            containers: &target.containers,
            totals: Some(target.totals),
            traffic,
            pod_metrics: &of_pods.iter().map(OfPods::metric).collect::<Vec<_>>(),
            metrics: &named.iter().map(Named::metric).collect::<Vec<_>>(),
            wants_text,
            names,
        });
        self.observer.autoscaled(&view, &Autoscaled { autoscaler, replicas, decision: &decision });
        let wanted = decision.replicas.filter(|wanted| *wanted != replicas.wanted)?;
        match self.makes_jobs(target.controller) {
            true => u32::try_from(wanted - replicas.wanted).ok().map(Verb::MakeJobs),
            false => Some(Verb::Scale(wanted)),
        }
    }

    fn makes_jobs(&self, controller: ControllerId) -> bool {
        matches!(self.controller(controller).kind, ControllerKind::ScaledJob(_))
    }

    /// Replicas of a target; of a ScaledJob its Jobs that have not ended, of which those are ready that have begun.
    fn replicas_of_target(&self, target: &Target<'m>) -> ReplicaCounts {
        if self.makes_jobs(target.controller) {
            let jobs = self.count_jobs(target.controller);
            return ReplicaCounts { wanted: jobs.running, current: jobs.running, ready: jobs.running - jobs.pending };
        }
        ReplicaCounts {
            wanted: self.world.owners.controllers[target.controller.index()].replicas,
            current: target.current,
            ready: target.ready,
        }
    }

    /// What requests for the services that an autoscaler looks at did since its last sync.
    fn traffic_seen(
        &mut self,
        marks: &mut [(ServiceId, Marks)],
        latencies: &[RecentLatencies],
    ) -> Vec<(ServiceId, TrafficSample)> {
        let Some(traffic) = &mut self.traffic else { return Vec::new() };
        let services = &self.model.traffic.services;
        let sample = |(service, marks): &mut (ServiceId, Marks)| {
            let workers = services[service.index()].server.workers;
            (*service, traffic::sample(&mut traffic.plane, *service, workers, marks, &latencies[service.index()].all))
        };
        marks.iter_mut().map(sample).collect()
    }

    fn named_metrics<'r>(
        &self,
        own: &autoscaling::HorizontalAutoscaler,
        reads: &'r Reads,
        seen: &[(ServiceId, TrafficSample)],
    ) -> Vec<Named<'r>> {
        let named = |source: &'r MetricSource| {
            let metric = self.model.autoscaling.metrics.iter().find(|metric| metrics::is_meant(metric, source))?;
            let sample = sample_for(metric, own, seen);
            let at = self.world.time;
            Some(Named { source, value_milli: metrics::value_milli(metric, sample, at)?, at })
        };
        reads.metrics.iter().filter_map(named).collect()
    }

    fn pod_metrics<'r>(
        &self,
        own: &autoscaling::HorizontalAutoscaler,
        reads: &'r Reads,
        target: &Target<'m>,
        seen: &[(ServiceId, TrafficSample)],
    ) -> Vec<OfPods<'r>> {
        let of_pods = |name: &'r String| {
            let is_meant = |metric: &&CustomMetric| metric.name == *name && metric.object.is_none();
            let metric = self.model.autoscaling.metrics.iter().find(is_meant)?;
            OfPods::new(name, metric, &target.pods, sample_for(metric, own, seen), self.world.time)
        };
        reads.pod_metrics.iter().filter_map(of_pods).collect()
    }

    /// Writes `spec.replicas` of an object through its subresource `scale`, or makes Jobs.
    fn scale(&mut self, operation: Operation) {
        if self.model.control_plane.is_ideal() {
            self.operate(operation);
        } else {
            self.send("HorizontalPodAutoscaler", operation.controller, Write::Scale(operation));
        }
    }

    /// Something about a pod has changed that its controller may not watch.
    pub(in crate::engine) fn note_pods_change(&mut self, pod: crate::ids::PodId) {
        if let (Some(controller), Some(autoscaling)) = (self.world.controller_of(pod), &mut self.autoscaling) {
            autoscaling.note_change(controller);
        }
    }

    /// Latencies of a window of traffic that is complete are known to autoscalers from now on.
    pub(in crate::engine) fn note_latencies(&mut self) {
        let (Some(state), Some(traffic)) = (&mut self.autoscaling, &self.traffic) else { return };
        let span = self.model.autoscaling.latency_window;
        for service in &state.read {
            let window = &traffic.plane.statistics(*service).attempts.window;
            state.latencies[service.index()].add(self.world.time, &window.latency, span);
        }
    }
}
