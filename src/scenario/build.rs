//! From a checked file to the model. What can only be known now, such as the names of nodes in manifests, is checked
//! here.

use std::collections::BTreeMap;

use super::autoscaling;
use super::billing;
use super::cloud;
use super::context::Context;
use super::daemons;
use super::device_plugin;
use super::distribution::{distribution, gap_seconds};
use super::energy;
use super::faults;
use super::functions;
use super::images;
use super::import;
use super::kubernetes::{Behaviour, Measurement, Parts, PodMakers, ReadFor};
use super::provisioning;
use super::schema::suggestion;
use super::script;
use super::sizing;
use super::spec::{
    AnalysisSpec, ArrivalsSpec, BehaviourSpec, ControlPlanePreset, ControlPlaneSpec, DelaysSpec, DistributionSpec,
    Duration, EffectSpec, GpuSpec, LifetimeSpec, NodeSpec, OnEvictionSpec, OnUnschedulableSpec, OperatorSpec,
    OutcomeSpec, PoolSpec, Quantity, RateLimitSpec, ScenarioSpec, TaintSpec, TemplateSpec, TieBreakSpec,
    TolerationSpec, TrafficConditionSpec, TrafficValueSpec, UsageSpec,
};
use super::traffic;
use super::usage::{self, Offer, Used};
use super::validate::{KUBE_SCHEDULER, NODES_MAX, PODS_MAX};
use crate::document::Code;
use crate::ids::{ClassId, GpuModelId, PoolId};
use crate::model::cluster::{REGION_LABEL, ZONE_LABEL};
use crate::model::control_plane::RateLimit;
use crate::model::controllers::ControllerKind;
use crate::model::kube_scheduler::TieBreak;
use crate::model::rollouts::{Measured, Outcome, TrafficCondition, TrafficValue};
use crate::model::{
    Action, ArrivalSource, Arrivals, Cluster, ControlPlane, Controllers, Delays, Dist, GeneratedPods, GpuDevices,
    GpuRequest, KubeSchedulerConfiguration, Label, Model, Node, NodeDisruption, NodeShape, Objects, OnEviction,
    OnUnschedulable, Outputs, PodClass, PodDisruption, PolicyChoice, Pool, Provisioning, Resources, Scheduling,
    ShapeId, Taint, TaintEffect, Toleration, TolerationOperator, Workload,
};
use crate::policy::scheduler;
use crate::rng::Seed;
use crate::units::{Bytes, MilliCpu, SimDuration, SimTime};

/// Pod slots of a node that says nothing: the kubelet's default (`--max-pods`).
const PODS_PER_NODE: u64 = 110;

/// Builds the model; none when that could not be done, for which the reasons are reported.
pub(super) fn model(spec: &ScenarioSpec, replication: u32, context: &mut Context<'_>) -> Option<Model> {
    let seed = Seed { base: spec.seed, replication };
    context.findings.for_traffic = spec.traffic.is_some();
    context.findings.for_node_autoscalers = spec.provisioning.is_some() || spec.cloud.is_some();
    let mut objects = Objects::default();
    let supply = cloud::Supply::new(spec, context);
    let mut cluster = cluster(spec, &supply, seed, &mut objects, context);
    let stocks = cloud::stock(spec, &supply, &mut cluster, context);
    traffic::add_zones(spec, &mut cluster);
    let mut makers = PodMakers::new(read_for(spec), behaviours(spec, context));
    let mut workload = workload(spec, seed, &mut makers, &mut cluster, &mut objects, context);
    let mut parts = Parts { cluster: &mut cluster, workload: &mut workload, objects: &mut objects };
    let mut script = script::script(spec, &mut makers, &mut parts, context);
    let (autoscalers, verticals) = (makers.take_autoscalers(), makers.take_verticals());
    let limit_ranges = makers.limit_ranges();
    autoscaling::make_room(spec, &autoscalers, &mut makers, &mut parts, context);
    behaviours_are_used(&makers, context);
    measure(spec, &mut makers, context);
    let mut controllers = makers.finish(&mut workload, &mut script);
    horizon_is_there(spec, &controllers, &objects, context);
    let (power, carbon) = (energy::power(spec), energy::carbon(spec, &cluster, &mut workload, context));
    daemons::give_classes(&mut controllers, &cluster, &script, &mut workload);
    device_plugin::give_devices(&cluster, &mut workload);
    workload.images = images::build(spec.workload.images.as_ref(), &controllers.images);
    let faults = faults::build(spec, &cluster, &controllers, context);
    faults::add_lifecycle(spec, &mut cluster, &mut workload);
    let world = traffic::World { cluster: &cluster, workload: &workload, controllers: &controllers, objects: &objects };
    let traffic = traffic::build(spec, world, context);
    traffic::drive_usage(&traffic, &mut controllers);
    if script.iter().any(|step| matches!(step.action, Action::OutOfService(_))) {
        cluster.add_out_of_service_variants();
    }
    let provisioning = provisioning::build(spec, (&supply, &stocks), (&cluster, &faults), seed, context);
    let autoscaling =
        autoscaling::build(spec, (autoscalers, verticals), &limit_ranges, &controllers, &traffic, context);
    if controllers.tracks_usage() {
        cluster.add_pressure_variants();
    }
    // Every shape there will be is there by now.
    let is_bounded = spec.provisioning.as_ref().is_some_and(|spec| spec.bound);
    let tariff = billing::build(spec, &cluster, &supply, context);
    let provisioning = Provisioning { tariff, is_bounded, ..provisioning };
    let model = Model {
        name: spec.metadata.name.clone(),
        description: spec.metadata.description.clone(),
        seed,
        horizon: spec.horizon.map(instant),
        cluster,
        workload,
        controllers,
        control_plane: spec.control_plane.as_ref().map_or_else(ControlPlane::default, control_plane),
        objects,
        scheduling: scheduling(spec, context),
        script,
        faults,
        traffic,
        autoscaling,
        provisioning,
        functions: functions::build(spec, replication, context),
        sizing: sizing::build(spec, replication, context),
        power,
        carbon,
        outputs: outputs(spec),
    };
    check(spec, &model, context);
    context.is_sound().then_some(model)
}

/// Checks what only a whole model shows, one thing after the other.
fn check(spec: &ScenarioSpec, model: &Model, context: &mut Context<'_>) {
    if context.is_sound() {
        sizes(model, context);
    }
    if context.is_sound() && !spec.scheduler.parameters.is_empty() {
        parameters(model, context);
    }
    if context.is_sound() {
        provisioning::parameters(model, context);
    }
}

fn outputs(spec: &ScenarioSpec) -> Outputs {
    let spec = &spec.outputs;
    Outputs {
        sample_every: spec.sample_every.map(|every| every.0),
        decisions: spec.decisions,
        arrivals: spec.arrivals,
        pods: spec.pods,
        charts: spec.charts,
    }
}

/// Which policy manifests are read for.
fn read_for(spec: &ScenarioSpec) -> ReadFor {
    if spec.scheduler.policy == KUBE_SCHEDULER { ReadFor::KubeScheduler } else { ReadFor::Others }
}

pub(super) fn instant(span: Duration) -> SimTime {
    SimTime::ZERO.after(span.0)
}

pub(super) fn dist(spec: &DistributionSpec) -> Dist {
    distribution(spec).expect("distributions have been validated")
}

/// How long pods run; none: for ever.
fn lifetime(spec: &LifetimeSpec) -> Option<Dist> {
    match spec {
        LifetimeSpec::Forever => None,
        LifetimeSpec::Drawn(spec) => Some(dist(spec)),
    }
}

/// Lets the policy itself read its parameters.
fn parameters(model: &Model, context: &mut Context<'_>) {
    let choice = &model.scheduling.policy;
    let built = scheduler::find(&choice.name).map(|row| row.build(&choice.parameters, model, model.seed));
    if let Some(Err(error)) = built {
        context.report("scheduler.parameters", Code::OutOfRange, format!("the policy `{}`: {error}", choice.name));
    }
}

/// The control plane: a preset, and what is said otherwise.
fn control_plane(spec: &ControlPlaneSpec) -> ControlPlane {
    let preset = match spec.preset {
        ControlPlanePreset::Ideal => ControlPlane::default(),
        ControlPlanePreset::Realistic => ControlPlane::realistic(),
    };
    let limit = |spec: &RateLimitSpec| RateLimit { per_second: spec.per_second, burst: spec.burst };
    ControlPlane {
        api_write: spec.api_write.as_ref().map_or(preset.api_write, dist),
        watch: spec.watch.as_ref().map_or(preset.watch, dist),
        controller_writes: spec.controller_writes.as_ref().map(limit).or(preset.controller_writes),
        scheduler_writes: spec.scheduler_writes.as_ref().map(limit).or(preset.scheduler_writes),
        job_batch_period: spec.job_batch_period.map_or(preset.job_batch_period, |period| period.0),
    }
}

fn behaviours(spec: &ScenarioSpec, context: &mut Context<'_>) -> Vec<Behaviour> {
    let read = |(index, spec): (usize, &BehaviourSpec)| {
        let at = format!("workload.behaviours[{index}]");
        let mut demand =
            |spec: &Option<UsageSpec>, used, key| usage::demand(spec.as_ref()?, used, &format!("{at}.{key}"), context);
        Behaviour {
            cpu: demand(&spec.cpu, Used::Cpu, "cpu"),
            memory: demand(&spec.memory, Used::Memory, "memory"),
            ..behaviour(spec)
        }
    };
    spec.workload.behaviours.iter().enumerate().map(read).collect()
}

/// How containers behave, apart from what they use.
fn behaviour(spec: &BehaviourSpec) -> Behaviour {
    // Exit codes have been checked.
    let code = |(code, share): (&String, &f64)| (code.parse().unwrap_or_default(), *share);
    Behaviour {
        kind: spec.kind.clone(),
        namespace: spec.namespace.clone(),
        name: spec.name.clone(),
        container: spec.container.clone(),
        start_up: spec.start_up.as_ref().map(dist),
        run_time: spec.run_time.as_ref().map(lifetime),
        pre_stop: spec.pre_stop.as_ref().map(dist),
        shut_down: spec.shut_down.as_ref().map(dist),
        exit_codes: (!spec.exit_codes.is_empty()).then(|| spec.exit_codes.iter().map(code).collect()),
        checkpoint_every: spec.checkpoint_every.map(|every| every.0),
        cpu: None,
        memory: None,
    }
}

/// What an analysis measures.
fn measurement(spec: &AnalysisSpec) -> Measurement {
    let outcome = |outcome: &OutcomeSpec| match outcome {
        OutcomeSpec::Successful => Outcome::Successful,
        OutcomeSpec::Failed => Outcome::Failed,
        OutcomeSpec::Inconclusive => Outcome::Inconclusive,
        OutcomeSpec::Error => Outcome::Error,
    };
    Measurement {
        template: spec.template.clone(),
        metric: spec.metric.clone(),
        namespace: spec.namespace.clone(),
        rollout: spec.rollout.clone(),
        image: spec.image.clone(),
        measured: match (spec.success, spec.traffic) {
            (Some(success), _) => Measured::Drawn(success),
            (None, Some(condition)) => measured_of(condition),
            (None, None) if !spec.values.is_empty() => Measured::Values(spec.values.clone()),
            (None, None) => Measured::Series(spec.results.iter().map(outcome).collect()),
        },
    }
}

fn measured_of(spec: TrafficConditionSpec) -> Measured {
    let Some(value) = spec.value else {
        return Measured::Traffic(TrafficCondition {
            max_failure_ratio: spec.max_failure_ratio.unwrap_or(1.0),
            max_p95: spec.max_p95.map(|span| span.0),
        });
    };
    Measured::TrafficValue(match value {
        TrafficValueSpec::SuccessRatio => TrafficValue::SuccessRatio,
        TrafficValueSpec::FailureRatio => TrafficValue::FailureRatio,
        TrafficValueSpec::Requests => TrafficValue::Requests,
        TrafficValueSpec::LatencyMean => TrafficValue::LatencyMeanS,
        TrafficValueSpec::LatencyP50 => TrafficValue::LatencyP50S,
        TrafficValueSpec::LatencyP95 => TrafficValue::LatencyP95S,
        TrafficValueSpec::LatencyP99 => TrafficValue::LatencyP99S,
    })
}

/// Tells analyses what they measure, and reports what is about none of them.
fn measure(spec: &ScenarioSpec, makers: &mut PodMakers, context: &mut Context<'_>) {
    if !context.is_sound() {
        return;
    }
    let measurements: Vec<Measurement> = spec.workload.analyses.iter().map(measurement).collect();
    for index in makers.measure(&measurements, &mut context.findings) {
        let at = format!("workload.analyses[{index}]");
        let templates = makers.analysis_templates();
        let known: Vec<&str> = templates.iter().map(String::as_str).collect();
        let hint = match known.contains(&&*measurements[index].template) {
            true => "compare `metric`, `namespace`, `rollout` and `image` with the manifests and the script".to_owned(),
            false => suggestion(&measurements[index].template, &known, "the templates are"),
        };
        context.report_with_hint(&at, Code::UnknownReference, format!("`{at}` is about no metric of a Rollout"), hint);
    }
}

/// Reports behaviours that are about no container: a name is easily misspelt.
fn behaviours_are_used(makers: &PodMakers, context: &mut Context<'_>) {
    if !context.is_sound() {
        return;
    }
    for index in makers.unused_behaviours() {
        let at = format!("workload.behaviours[{index}]");
        let hint = "compare `kind`, `namespace`, `name` and `container` with the manifests";
        context.report_with_hint(&at, Code::UnknownReference, format!("`{at}` is about no container"), hint);
    }
}

/// What goes on for ever needs an end: containers restart, schedules strike, refused pods are tried again, and a drain asks
/// again for pods that their budget keeps.
fn horizon_is_there(spec: &ScenarioSpec, controllers: &Controllers, objects: &Objects, context: &mut Context<'_>) {
    let endless = controllers.list.iter().find(|one| !matches!(one.kind, ControllerKind::Job(_)));
    let may_wait = !objects.disruption_budgets.is_empty() && spec.script.iter().any(|step| step.drain.is_some());
    let what = match endless {
        Some(endless) => format!("a {} such as `{}` goes on for ever", endless.kind.name(), endless.name),
        None if may_wait => "a drain may wait for a disruption budget for ever".to_owned(),
        None => return,
    };
    if spec.horizon.is_none() {
        let message = format!("{what}: the scenario needs a `horizon`");
        context.report_with_hint("horizon", Code::MissingKey, message, "say when the run ends, such as `horizon: 1h`");
    }
}

fn cluster(
    spec: &ScenarioSpec,
    supply: &cloud::Supply,
    seed: Seed,
    objects: &mut Objects,
    context: &mut Context<'_>,
) -> Cluster {
    let mut cluster = Cluster { eviction: usage::eviction(&spec.cluster.kubelet), ..Cluster::default() };
    import::node_manifests(&spec.cluster.manifests, read_for(spec), &mut cluster, objects, context);
    for (index, pool) in spec.cluster.pools.iter().enumerate() {
        add_pool(&with_rented(pool, supply.of_pool(index)), &mut cluster);
    }
    spec.cluster.nodes.iter().for_each(|node| add_node(node, &mut cluster));
    if let Some(openb) = &spec.cluster.openb {
        import::openb_nodes(openb, seed, &mut cluster, context);
    }
    if let Some(synthetic) = &spec.cluster.synthetic {
        import::synthetic_nodes(synthetic, seed, &mut cluster);
    }
    let mut order: Vec<usize> = (0..cluster.nodes.len()).collect();
    order.sort_by(|&a, &b| cluster.nodes[a].name.cmp(&cluster.nodes[b].name));
    let mut reported = None;
    for pair in order.windows(2) {
        let name = &cluster.nodes[pair[0]].name;
        if *name == cluster.nodes[pair[1]].name && reported != Some(name) {
            reported = Some(name);
            let message = format!("the sources of `cluster` have two nodes called `{name}`");
            context.report("cluster", Code::DuplicateName, message);
        }
    }
    cluster
}

/// A pool with what its region and its instance type bring, where it says nothing of its own.
fn with_rented(spec: &PoolSpec, rented: Option<&cloud::Rented>) -> PoolSpec {
    let mut pool = spec.clone();
    if let Some(region) = &pool.region {
        pool.labels.entry(REGION_LABEL.to_owned()).or_insert_with(|| region.clone());
    }
    let Some(rented) = rented else { return pool };
    if pool.zones.is_empty() && !pool.labels.contains_key(ZONE_LABEL) {
        pool.zones.clone_from(&rented.zones);
    }
    for (key, value) in &rented.labels {
        pool.labels.entry(key.clone()).or_insert_with(|| value.clone());
    }
    if pool.capacity.is_empty() {
        pool.reserved.clone_from(&rented.reserved);
        for (name, amount) in &rented.allocatable {
            pool.allocatable.entry(name.clone()).or_insert_with(|| amount.clone());
        }
    }
    pool.gpu = pool.gpu.or_else(|| rented.gpu.clone());
    pool.usd_per_hour = pool.usd_per_hour.or(Some(rented.usd_per_hour));
    pool
}

fn add_pool(spec: &PoolSpec, cluster: &mut Cluster) {
    let pool = PoolId::from_index(cluster.pools.len());
    let zones: Vec<Option<&String>> =
        if spec.zones.is_empty() { vec![None] } else { spec.zones.iter().map(Some).collect() };
    let shapes: Vec<ShapeId> = zones
        .into_iter()
        .map(|zone| {
            let offer = Offer { allocatable: &spec.allocatable, capacity: &spec.capacity, reserved: &spec.reserved };
            let mut shape = shape(zone, &spec.labels, &spec.taints, offer, spec.gpu.as_ref(), cluster);
            shape.pool = Some(pool);
            shape.usd_per_hour = spec.usd_per_hour.unwrap_or(0.0);
            shape.disruption = NodeDisruption::of_annotations(|key| spec.annotations.get(key).map(String::as_str));
            cluster.intern_shape(shape)
        })
        .collect();
    for number in 0..spec.count as usize {
        let name = format!("{}-{number}", spec.name);
        cluster.nodes.push(Node { name, shape: shapes[number % shapes.len()], unschedulable: false });
    }
    cluster.pools.push(Pool { name: spec.name.clone(), shapes });
}

fn add_node(spec: &NodeSpec, cluster: &mut Cluster) {
    let offer = Offer { allocatable: &spec.allocatable, capacity: &spec.capacity, reserved: &spec.reserved };
    let mut shape = shape(spec.zone.as_ref(), &spec.labels, &spec.taints, offer, spec.gpu.as_ref(), cluster);
    shape.usd_per_hour = spec.usd_per_hour;
    let shape = cluster.intern_shape(shape);
    cluster.nodes.push(Node { name: spec.name.clone(), shape, unschedulable: false });
}

/// The shape of nodes without pool and price.
pub(super) fn shape(
    zone: Option<&String>,
    labels: &BTreeMap<String, String>,
    taints: &[TaintSpec],
    offer: Offer<'_>,
    gpu: Option<&GpuSpec>,
    cluster: &mut Cluster,
) -> NodeShape {
    let reserved = resources(offer.reserved, 0, |_| None);
    let given = if offer.capacity.is_empty() { offer.allocatable } else { offer.capacity };
    let mut allocatable = resources(given, PODS_PER_NODE, |name| Some(cluster.intern_extended_resource(name)));
    if !offer.capacity.is_empty() {
        allocatable = usage::allocatable(allocatable, &reserved, &cluster.eviction);
    }
    let mut labels = labels.clone();
    if let Some(zone) = zone {
        labels.insert(ZONE_LABEL.to_owned(), zone.clone());
    }
    NodeShape {
        pool: None,
        zone: labels.get(ZONE_LABEL).map(|zone| cluster.intern_zone(zone)),
        labels: label_list(&labels),
        taints: taints.iter().map(taint).collect(),
        allocatable,
        reserved,
        gpu: gpu.map(|gpu| GpuDevices { model: cluster.intern_gpu_model(&gpu.model), count: gpu.count }),
        ..NodeShape::default()
    }
}

fn label_list(labels: &BTreeMap<String, String>) -> Vec<Label> {
    labels.iter().map(|(key, value)| Label { key: key.clone(), value: value.clone() }).collect()
}

fn taint(spec: &TaintSpec) -> Taint {
    Taint { key: spec.key.clone(), value: spec.value.clone(), effect: effect(spec.effect) }
}

fn effect(spec: EffectSpec) -> TaintEffect {
    match spec {
        EffectSpec::NoSchedule => TaintEffect::NoSchedule,
        EffectSpec::PreferNoSchedule => TaintEffect::PreferNoSchedule,
        EffectSpec::NoExecute => TaintEffect::NoExecute,
    }
}

/// Amounts of resources; `position` gives the place of an extended resource.
fn resources(
    amounts: &BTreeMap<String, Quantity>,
    pods: u64,
    mut position: impl FnMut(&str) -> Option<usize>,
) -> Resources {
    let mut resources = Resources { pods, ..Resources::default() };
    for (name, Quantity(text)) in amounts {
        let count = Bytes::parse(text).expect("quantities have been checked");
        match name.as_str() {
            "cpu" => resources.cpu = MilliCpu::parse(text).expect("quantities have been checked"),
            "memory" => resources.memory = count,
            "ephemeral-storage" => resources.ephemeral_storage = count,
            "pods" => resources.pods = count.0,
            _ => {
                if let Some(position) = position(name) {
                    if resources.extended.len() <= position {
                        resources.extended.resize(position + 1, 0);
                    }
                    resources.extended[position] = count.0;
                }
            }
        }
    }
    resources
}

fn workload(
    spec: &ScenarioSpec,
    seed: Seed,
    makers: &mut PodMakers,
    cluster: &mut Cluster,
    objects: &mut Objects,
    context: &mut Context<'_>,
) -> Workload {
    let mut workload = Workload::default();
    import::pod_manifests(&spec.workload.manifests, makers, cluster, &mut workload, objects, context);
    if let Some(openb) = &spec.workload.openb {
        import::openb_pods(openb, seed, cluster, &mut workload, context);
    }
    if let Some(synthetic) = &spec.workload.synthetic {
        let arrivals = synthetic.arrivals.as_ref().map(|spec| arrivals(Some(spec), None).0);
        let duration = synthetic.duration.as_ref().map(lifetime);
        import::synthetic_pods(synthetic, arrivals, duration, cluster, &mut workload);
    }
    let mut popularity: BTreeMap<ClassId, f64> = BTreeMap::new();
    for &(class, pods) in &workload.popularity {
        *popularity.entry(class).or_insert(0.0) += pods;
    }
    for (index, template) in spec.workload.templates.iter().enumerate() {
        let at = format!("workload.templates[{index}]");
        let mut class = pod_class(template, &at, cluster, context);
        if let Some(file) = &template.manifest {
            let read = import::template_manifest(file, &at, read_for(spec), cluster, objects, context);
            class = PodClass { template: class.template, gpu: class.gpu, ..read.unwrap_or_default() };
            // What makes its pods is the template.
            class.disruption.has_no_controller = false;
        }
        let class = workload.intern_class(class);
        let (arrivals, count) = arrivals(template.arrivals.as_ref(), template.count);
        *popularity.entry(class).or_insert(0.0) += expected(&arrivals, count, spec.horizon);
        let duration = template.duration.as_ref().and_then(lifetime);
        workload.sources.push(ArrivalSource::Generated(GeneratedPods {
            name: template.name.clone(),
            classes: vec![(class, 1.0)],
            count,
            start: instant(template.start),
            arrivals,
            duration,
        }));
    }
    workload.popularity = popularity.into_iter().collect();
    workload
}

/// How many pods of a source are to be expected.
fn expected(arrivals: &Arrivals, count: Option<u64>, horizon: Option<Duration>) -> f64 {
    match (count, arrivals, horizon) {
        (Some(count), _, _) => count as f64,
        (None, Arrivals::Gaps(gap) | Arrivals::Renewal(gap), Some(horizon)) => {
            horizon.0.as_seconds() / gap_seconds(gap)
        }
        (None, Arrivals::At(instants), _) => instants.len() as f64,
        (None, _, None) => 1.0,
    }
}

/// How arrivals follow each other, and how many there are.
fn arrivals(spec: Option<&ArrivalsSpec>, count: Option<u64>) -> (Arrivals, Option<u64>) {
    match spec {
        None => (Arrivals::Gaps(Dist::ZERO), Some(count.unwrap_or(1))),
        Some(ArrivalsSpec::Poisson(poisson)) => {
            (Arrivals::Renewal(Dist::Exponential { mean: 1.0 / poisson.per_second }), count)
        }
        Some(ArrivalsSpec::Every(gap)) => (Arrivals::Gaps(Dist::Constant(gap.0)), count),
        Some(ArrivalsSpec::At(instants)) => {
            (Arrivals::At(instants.iter().map(|instant| instant.0).collect()), Some(instants.len() as u64))
        }
        Some(ArrivalsSpec::Distribution(gap)) => (Arrivals::Renewal(dist(gap)), count),
    }
}

fn pod_class(spec: &TemplateSpec, at: &str, cluster: &Cluster, context: &mut Context<'_>) -> PodClass {
    // As in Kubernetes, a limit without a request is the request too.
    let mut requests = spec.requests.clone();
    for (name, limit) in &spec.limits {
        requests.entry(name.clone()).or_insert_with(|| limit.clone());
    }
    let is_offered = |position: &usize| cluster.shapes.iter().any(|shape| shape.allocatable.extended(*position) > 0);
    let known: Vec<(usize, &str)> = (0..cluster.extended_resources.len())
        .filter(is_offered)
        .map(|position| (position, cluster.extended_resources[position].as_str()))
        .collect();
    let mut unknown = Vec::new();
    let mut position = |name: &str| {
        let found = known.iter().find(|(_, other)| *other == name).map(|(position, _)| *position);
        if found.is_none() {
            unknown.push(name.to_owned());
        }
        found
    };
    let amounts = resources(&requests, 1, &mut position);
    let limits = (!spec.limits.is_empty()).then(|| resources(&spec.limits, 1, &mut position));
    unknown.dedup();
    for name in unknown.iter().filter(|name| requests.contains_key(*name)) {
        let known: Vec<&str> = known.iter().map(|(_, name)| *name).collect();
        let hint = suggestion(name, &known, "the extended resources of the nodes are");
        let message = format!("no node has the resource `{name}`");
        context.report_with_hint(&format!("{at}.requests.\"{name}\""), Code::UnknownReference, message, hint);
    }
    let gpu = spec.gpu.as_ref().map(|gpu| GpuRequest {
        count: gpu.count,
        milli: gpu.milli,
        models: gpu
            .models
            .iter()
            .enumerate()
            .filter_map(|(index, model)| gpu_model(model, &format!("{at}.gpu.models[{index}]"), cluster, context))
            .collect(),
    });
    PodClass {
        template: spec.name.clone(),
        requests: amounts,
        limits,
        gpu,
        priority: spec.priority,
        node_selector: label_list(&spec.node_selector),
        tolerations: spec.tolerations.iter().map(toleration).collect(),
        spec: Box::default(),
        disruption: PodDisruption::of_annotations(|key| spec.annotations.get(key).map(String::as_str)).0,
    }
}

fn gpu_model(name: &str, at: &str, cluster: &Cluster, context: &mut Context<'_>) -> Option<GpuModelId> {
    let mut offered: Vec<GpuModelId> = cluster.shapes.iter().filter_map(|shape| Some(shape.gpu?.model)).collect();
    offered.sort_unstable();
    offered.dedup();
    let found = offered.iter().copied().find(|model| cluster.gpu_models[model.index()] == name);
    if found.is_none() {
        let known: Vec<&str> = offered.iter().map(|model| cluster.gpu_models[model.index()].as_str()).collect();
        let hint = suggestion(name, &known, "the models of the nodes are");
        context.report_with_hint(at, Code::UnknownReference, format!("no node has a GPU of the model `{name}`"), hint);
    }
    found
}

fn toleration(spec: &TolerationSpec) -> Toleration {
    Toleration {
        key: spec.key.clone(),
        operator: match spec.operator {
            OperatorSpec::Equal => TolerationOperator::Equal,
            OperatorSpec::Exists => TolerationOperator::Exists,
        },
        value: spec.value.clone(),
        effect: spec.effect.map(effect),
        duration: spec.toleration_seconds.map(|seconds| SimDuration(seconds.saturating_mul(1_000_000_000))),
    }
}

/// The configuration of kube-scheduler, when it is the policy.
fn kube_scheduler(spec: &ScenarioSpec, context: &mut Context<'_>) -> Option<Box<KubeSchedulerConfiguration>> {
    if read_for(spec) != ReadFor::KubeScheduler {
        return None;
    }
    let mut configuration = import::scheduler_configuration(spec.scheduler.configuration.as_ref(), context);
    configuration.tie_break = match spec.scheduler.tie_break.unwrap_or_default() {
        TieBreakSpec::Random => TieBreak::Random,
        TieBreakSpec::First => TieBreak::First,
    };
    Some(Box::new(configuration))
}

fn scheduling(spec: &ScenarioSpec, context: &mut Context<'_>) -> Scheduling {
    let DelaysSpec { scheduling, binding, start } = &spec.scheduler.delays;
    let delay = |spec: &Option<DistributionSpec>| spec.as_ref().map_or(Dist::ZERO, dist);
    Scheduling {
        policy: PolicyChoice {
            name: spec.scheduler.policy.clone(),
            parameters: serde_json::Value::Object(spec.scheduler.parameters.clone()),
        },
        queue: PolicyChoice::named(&spec.scheduler.queue),
        on_unschedulable: match spec.scheduler.on_unschedulable {
            OnUnschedulableSpec::Wait => OnUnschedulable::Wait,
            OnUnschedulableSpec::Drop => OnUnschedulable::Drop,
        },
        on_eviction: match spec.scheduler.on_eviction {
            OnEvictionSpec::Requeue => OnEviction::Requeue,
            OnEvictionSpec::End => OnEviction::End,
        },
        delays: Delays { scheduling: delay(scheduling), binding: delay(binding), start: delay(start) },
        kube_scheduler: kube_scheduler(spec, context),
    }
}

/// Refuses what is too large to be meant, or would overflow the counters of the simulation.
fn sizes(model: &Model, context: &mut Context<'_>) {
    let nodes = model.cluster.nodes.len() as u64;
    if nodes > NODES_MAX {
        context.report(
            "cluster",
            Code::AbsurdSize,
            format!("`cluster` has {nodes} nodes; at most {NODES_MAX} are possible"),
        );
    }
    let mut capacity = Sum::default();
    for node in &model.cluster.nodes {
        capacity.add(&model.cluster.shape(node.shape).allocatable, 1);
    }
    for action in &model.script {
        if let Action::AddNodes { pool, count } = action.action {
            for shape in &model.cluster.pools[pool.index()].shapes {
                capacity.add(&model.cluster.shape(*shape).allocatable, u64::from(count));
            }
        }
    }
    if let Some(name) = capacity.overflow() {
        context.report("cluster", Code::AbsurdSize, format!("the nodes together have more {name} than can be counted"));
    }
    let mut pods = 0u64;
    let mut demand = Sum::default();
    let mut add = |class: ClassId, count: u64| {
        pods = pods.saturating_add(count);
        demand.add(&model.workload.class(class).requests, count);
    };
    for source in &model.workload.sources {
        match source {
            ArrivalSource::Listed(listed) => listed.pods.iter().for_each(|pod| add(pod.class, 1)),
            ArrivalSource::Generated(generated) => {
                // An unbounded source has been estimated already; for its demand every pod possible is assumed.
                let count = generated.count.unwrap_or(0);
                generated.classes.iter().for_each(|&(class, _)| add(class, count));
            }
        }
    }
    if pods > PODS_MAX {
        context.report("workload", Code::AbsurdSize, format!("{pods} pods arrive; at most {PODS_MAX} are possible"));
    }
    if let Some(name) = demand.overflow() {
        context.report(
            "workload",
            Code::AbsurdSize,
            format!("the pods together request more {name} than can be counted"),
        );
    }
}

/// Sums of resources that cannot overflow themselves.
#[derive(Default)]
struct Sum {
    cpu: u128,
    memory: u128,
    ephemeral_storage: u128,
    pods: u128,
    extended: u128,
}

impl Sum {
    fn add(&mut self, resources: &Resources, count: u64) {
        let count = u128::from(count);
        self.cpu += u128::from(resources.cpu.0) * count;
        self.memory += u128::from(resources.memory.0) * count;
        self.ephemeral_storage += u128::from(resources.ephemeral_storage.0) * count;
        self.pods += u128::from(resources.pods) * count;
        self.extended += resources.extended.iter().map(|&amount| u128::from(amount)).sum::<u128>() * count;
    }

    /// The resource of which there is more than 63 bits count.
    fn overflow(&self) -> Option<&'static str> {
        let sums = [
            ("cpu", self.cpu),
            ("memory", self.memory),
            ("ephemeral storage", self.ephemeral_storage),
            ("pod slots", self.pods),
            ("of one extended resource", self.extended),
        ];
        sums.into_iter().find(|(_, sum)| *sum > i64::MAX as u128).map(|(name, _)| name)
    }
}

#[cfg(test)]
#[allow(clippy::disallowed_methods, reason = "tests write the files that they read")]
mod tests {
    use super::*;
    use crate::ids::NodeId;
    use crate::scenario::{Environment, Override, load_scenario};
    use crate::units::SimDuration;

    /// The model of `full.yaml` without what needs other files or is another module's.
    fn model(changes: &[&str]) -> Model {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("full.yaml");
        let text: String = include_str!("full.yaml")
            .lines()
            .filter(|line| !line.starts_with("base:") && !line.contains("{name: rented,"))
            .fold(String::new(), |all, line| all + line + "\n");
        std::fs::write(&path, text).unwrap();
        let pod = "{apiVersion: v1, kind: Pod, metadata: {name: p}, \
                   spec: {containers: [{name: c, resources: {requests: {cpu: 250m}}}]}}";
        std::fs::write(directory.path().join("pod.yaml"), pod).unwrap();
        let without = [
            "cluster.openb=",
            "cluster.synthetic=",
            "workload.openb=",
            "workload.synthetic=",
            "workload.behaviours=",
            "workload.analyses=",
            "workload.images=",
            "script=[{at: 10m, cordon: gpu-0}, {at: 5m, add: {pool: gpu, count: 2}}, {at: 11m, uncordon: gpu-0}, \
             {at: 12m, drain: gpu-4}, {at: 13m, remove: gpu-5}, {at: 14m, crash: n1}]",
            "scheduler.configuration=",
            "scheduler.tieBreak=",
            "faults.trace=",
            "faults.pods=",
            "faults.spotTraces=",
            "traffic=",
            "autoscaling=",
            "functions=",
            "sizing=",
            "carbon=",
            "cloud=",
        ];
        let changes: Vec<Override> =
            without.iter().chain(changes).map(|text| Override::parse(text, "--set").unwrap()).collect();
        match load_scenario(&path, &changes, 0, &Environment::default()) {
            Ok(loaded) => loaded.model,
            Err(error) => panic!("{error}"),
        }
    }

    #[test]
    fn pools_and_nodes_become_shapes() {
        let cluster = model(&[]).cluster;
        let names: Vec<&str> = cluster.nodes.iter().map(|node| node.name.as_str()).collect();
        assert_eq!(names, ["gpu-0", "gpu-1", "gpu-2", "gpu-3", "n1"]);
        assert_eq!(cluster.zones, ["a", "b", "c"]);
        assert_eq!(cluster.plain_shapes, 4);
        // 16 GiB less 2 GiB and the 100 MiB at which pods are evicted.
        let small = cluster.shape(cluster.pools[1].shapes[0]);
        assert_eq!((small.allocatable.cpu, small.allocatable.memory), (MilliCpu(3920), Bytes(14_236 << 20)));
        assert_eq!((small.allocatable.pods, small.reserved.cpu), (PODS_PER_NODE, MilliCpu(80)));
        let zones: Vec<Option<u32>> =
            (0..5).map(|node| cluster.shape_of(NodeId(node)).zone.map(|zone| zone.0)).collect();
        assert_eq!(zones, [Some(0), Some(1), Some(0), Some(1), Some(2)]);
        let first = cluster.shape_of(NodeId(0));
        assert_eq!(first.allocatable.cpu, MilliCpu(64_000));
        assert_eq!(first.allocatable.memory, Bytes(256 << 30));
        assert_eq!(first.allocatable.pods, 50);
        assert_eq!(first.allocatable.extended, [2]);
        assert_eq!(cluster.shape_of(NodeId(4)).allocatable.pods, PODS_PER_NODE);
        assert_eq!(cluster.shape_of(NodeId(4)).allocatable.memory, Bytes(3 << 29));
        let labels: Vec<String> = first.labels.iter().map(|label| format!("{}={}", label.key, label.value)).collect();
        assert_eq!(labels, ["disktype=ssd", "topology.kubernetes.io/zone=a"]);
        assert_eq!(first.gpu.map(|gpu| (gpu.model.0, gpu.count)), Some((0, 2)));
        assert_eq!(cluster.gpu_models, ["T4", "V100"]);
    }

    #[test]
    fn templates_become_sources() {
        let workload = model(&[]).workload;
        let generated: Vec<&GeneratedPods> = workload
            .sources
            .iter()
            .map(|source| match source {
                ArrivalSource::Generated(generated) => generated,
                ArrivalSource::Listed(_) => panic!("nothing is listed"),
            })
            .collect();
        assert_eq!(generated[0].count, Some(100));
        assert_eq!(generated[0].start, SimTime(10_000_000_000));
        assert_eq!(generated[0].arrivals, Arrivals::Renewal(Dist::Exponential { mean: 0.5 }));
        assert_eq!(generated[1].arrivals, Arrivals::Gaps(Dist::Constant(SimDuration(5_000_000_000))));
        assert_eq!(generated[2].arrivals, Arrivals::At(vec![SimDuration(0), SimDuration(5_000_000_000)]));
        assert_eq!(generated[4].arrivals, Arrivals::Gaps(Dist::ZERO));
        assert_eq!(generated[4].count, Some(1));
        assert_eq!(generated[6].duration, Some(Dist::Constant(SimDuration(5_000_000_000))));
        let class = workload.class(generated[0].classes[0].0);
        assert_eq!((class.requests.cpu, class.requests.pods), (MilliCpu(500), 1));
        assert_eq!(class.limits.as_ref().map(|limits| limits.cpu), Some(MilliCpu(1000)));
        assert_eq!(class.gpu.as_ref().map(GpuRequest::total_milli), Some(500));
        assert_eq!(workload.popularity[0], (ClassId(0), 100.0));
        let alike = workload.class(generated[8].classes[0].0);
        assert_eq!((alike.template.as_str(), alike.requests.cpu), ("alike", MilliCpu(250)));
    }

    /// A manifest says what a pod is; the template then must not.
    #[test]
    fn templates_and_manifests_do_not_both_speak() {
        let directory = tempfile::tempdir().unwrap();
        let write = |name: &str, text: &str| std::fs::write(directory.path().join(name), text).unwrap();
        let pod =
            |name: &str| format!("{{kind: Pod, metadata: {{name: {name}}}, spec: {{containers: [{{name: c}}]}}}}\n");
        write("one.yaml", &pod("a"));
        write("two.yaml", &format!("{}---\n{}", pod("a"), pod("b")));
        write("none.yaml", "{apiVersion: v1, kind: PriorityClass, metadata: {name: high}, value: 5}");
        for (template, said) in [
            ("manifest: one.yaml, requests: {cpu: 1}", Some("with a `manifest`, that is where it stands")),
            ("manifest: one.yaml, priority: 3", Some("with a `manifest`, that is where it stands")),
            ("manifest: two.yaml", Some("is like one Pod, and the file has 2")),
            ("manifest: none.yaml", Some("is like one Pod, and the file has 0")),
            ("manifest: missing.yaml", Some("no such file")),
            ("manifest: one.yaml, count: 3", None),
        ] {
            let text = format!(
                "apiVersion: wavetank.dev/v1\nkind: Scenario\nmetadata: {{name: s}}\n\
                 cluster: {{pools: [{{name: n, count: 1, allocatable: {{cpu: 1, memory: 1Gi}}}}]}}\n\
                 workload: {{templates: [{{name: t, {template}}}]}}\n"
            );
            write("scenario.yaml", &text);
            let path = directory.path().join("scenario.yaml");
            let found = load_scenario(&path, &[], 0, &Environment::default()).err().map(|error| error.to_string());
            match (said, &found) {
                (None, None) => {}
                (Some(said), Some(found)) if found.contains(said) => {}
                _ => panic!("{template}: {found:?}"),
            }
        }
    }

    /// As in Kubernetes, a limit without a request is the request too.
    #[test]
    fn limits_stand_in_for_requests() {
        let workload = model(&["workload.templates=[{name: t, limits: {cpu: 2}, requests: {memory: 1Ki}}]"]).workload;
        assert_eq!(workload.classes[0].requests.cpu, MilliCpu(2000));
        assert_eq!(workload.classes[0].requests.memory, Bytes(1024));
    }

    /// Without count the popularity is what the rate makes of the horizon: 24 h of 2 a second are 172 800.
    #[test]
    fn popularity_is_expected() {
        let workload = model(&["workload.templates=[{name: t, arrivals: {poisson: {perSecond: 2}}}]"]).workload;
        assert_eq!(workload.popularity, [(ClassId(0), 172_800.0)]);
    }

    #[test]
    fn the_script_is_ordered_and_knows_added_nodes() {
        let minute = 60_000_000_000;
        let script: Vec<(u64, Action)> =
            model(&[]).script.iter().map(|step| (step.at.0 / minute, step.action)).collect();
        assert_eq!(
            script,
            [
                (5, Action::AddNodes { pool: PoolId(0), count: 2 }),
                (10, Action::Cordon(NodeId(0))),
                (11, Action::Uncordon(NodeId(0))),
                // gpu-4 and gpu-5 are the fifth and sixth of the pool, after the five nodes of the start.
                (12, Action::Drain(NodeId(5))),
                (13, Action::Remove(NodeId(6))),
                (14, Action::Crash(NodeId(4))),
            ]
        );
    }

    #[test]
    fn the_rest_is_taken_over() {
        let model = model(&["seed=8", "scheduler.policy=fgd"]);
        assert_eq!((model.seed.base, model.scheduling.policy.name.as_str()), (8, "fgd"));
        assert_eq!(model.horizon, Some(SimTime(86_400_000_000_000)));
        assert_eq!(model.scheduling.on_unschedulable, OnUnschedulable::Drop);
        assert_eq!(model.scheduling.on_eviction, OnEviction::End);
        assert_eq!(model.scheduling.delays.start, Dist::Constant(SimDuration(2_000_000_000)));
        let outputs = Outputs {
            sample_every: Some(SimDuration(60_000_000_000)),
            decisions: true,
            arrivals: true,
            pods: false,
            charts: false,
        };
        assert_eq!(model.outputs, outputs);
    }
}
