//! Faults and the node lifecycle: what is checked of them, and what the model gets.

use std::collections::BTreeMap;

use super::build::{dist, instant};
use super::context::Context;
use super::distribution::takes_no_time;
use super::import;
use super::schema::suggestion;
use super::script::kind_and_name;
use super::spec::{FaultSpec, NodeLifecycleParameters, NodeLifecycleSpec, ScenarioSpec};
use super::validate::spans;
use crate::document::Code;
use crate::ids::{ControllerId, NodeId, PoolId, ZoneId};
use crate::model::controllers::Controller;
use crate::model::faults::{Fault, FaultKind, NodeFailures, PodCrashes, SpotReclaims};
use crate::model::{Cluster, Controllers, Faults, NodeLifecycle, Workload};
use crate::units::SimDuration;

/// From the notice until a spot node goes, where nothing is said: what AWS gives ("Spot Instance interruption
/// notices", two minutes).
const NOTICE: SimDuration = SimDuration(120_000_000_000);

/// Checks faults and lifecycle as far as that is possible without files.
pub(super) fn validate(spec: &ScenarioSpec, context: &mut Context<'_>) {
    if let Some(NodeLifecycleSpec::With(parameters)) = &spec.cluster.node_lifecycle {
        let at = "cluster.nodeLifecycle";
        for (key, span) in
            [("monitorPeriod", parameters.monitor_period), ("heartbeatPeriod", parameters.heartbeat_period)]
        {
            if span.is_some_and(|span| span.0 == SimDuration::ZERO) {
                let at = format!("{at}.{key}");
                context.report(&at, Code::OutOfRange, format!("`{at}` must be more than 0"));
            }
        }
        spans(parameters.boot_not_ready.as_ref(), &format!("{at}.bootNotReady"), context);
    }
    let faults = &spec.faults;
    for (index, fault) in faults.events.iter().enumerate() {
        event(fault, &format!("faults.events[{index}]"), spec, context);
    }
    for (index, failures) in faults.nodes.iter().enumerate() {
        let at = format!("faults.nodes[{index}]");
        if let Some(name) = &failures.pool {
            pool(name, &format!("{at}.pool"), spec, context);
        }
        spans(Some(&failures.time_to_failure), &format!("{at}.timeToFailure"), context);
        spans(Some(&failures.time_to_repair), &format!("{at}.timeToRepair"), context);
        if takes_no_time(&failures.time_to_failure) && takes_no_time(&failures.time_to_repair) {
            context.report(
                &at,
                Code::OutOfRange,
                format!("by `{at}` nodes fail and are repaired in no time, without end"),
            );
        }
    }
    for (index, spot) in faults.spot.iter().enumerate() {
        let at = format!("faults.spot[{index}]");
        pool(&spot.pool, &format!("{at}.pool"), spec, context);
        spans(Some(&spot.time_to_reclaim), &format!("{at}.timeToReclaim"), context);
    }
    for (index, trace) in faults.spot_traces.iter().enumerate() {
        pool(&trace.pool, &format!("faults.spotTraces[{index}].pool"), spec, context);
    }
    for (index, crashes) in faults.pods.iter().enumerate() {
        let at = format!("faults.pods[{index}].timeToCrash");
        spans(Some(&crashes.time_to_crash), &at, context);
        if takes_no_time(&crashes.time_to_crash) {
            context.report(&at, Code::OutOfRange, format!("`{at}` must be more than 0"));
        }
    }
    for (at, is_endless, message) in [
        ("faults.nodes", !faults.nodes.is_empty(), "nodes never stop failing"),
        ("faults.pods", !faults.pods.is_empty(), "pods never stop crashing"),
    ] {
        if is_endless && spec.horizon.is_none() {
            context.report_with_hint(at, Code::MissingKey, message, "give the scenario a `horizon`");
        }
    }
}

/// The pool of that name; reports when there is none.
fn pool(name: &str, at: &str, spec: &ScenarioSpec, context: &mut Context<'_>) -> Option<PoolId> {
    let found = spec.cluster.pools.iter().position(|pool| pool.name == name);
    if found.is_none() {
        let pools: Vec<&str> = spec.cluster.pools.iter().map(|pool| pool.name.as_str()).collect();
        let hint = suggestion(name, &pools, "the pools are");
        context.report_with_hint(at, Code::UnknownReference, format!("there is no pool `{name}`"), hint);
    }
    found.map(PoolId::from_index)
}

fn event(fault: &FaultSpec, at: &str, spec: &ScenarioSpec, context: &mut Context<'_>) {
    let FaultSpec {
        at: begin,
        span: _,
        node_down,
        zone_down,
        zone_cut_off,
        api_server_down,
        api_server_slowdown,
        registry_slowdown,
        stock_out,
        reclaim,
    } = fault;
    let names = [node_down, zone_down, zone_cut_off, stock_out, reclaim];
    let factors = [api_server_slowdown, registry_slowdown];
    let kinds = names.into_iter().flatten().count()
        + factors.into_iter().flatten().count()
        + usize::from(*api_server_down == Some(true));
    if kinds != 1 {
        let what = if kinds == 0 { "does nothing" } else { "does more than one thing" };
        let hint = "give exactly one of `nodeDown`, `zoneDown`, `zoneCutOff`, `apiServerDown: true`, \
                    `apiServerSlowdown`, `registrySlowdown`, `stockOut`, `reclaim`";
        context.report_with_hint(at, Code::Contradiction, format!("`{at}` {what}"), hint);
    }
    if spec.horizon.is_some_and(|horizon| *begin > horizon) {
        context.report(&format!("{at}.at"), Code::OutOfRange, format!("`{at}.at` is after the horizon"));
    }
    if let Some(name) = stock_out {
        pool(name, &format!("{at}.stockOut"), spec, context);
    }
}

/// Whether nodes that stop reporting are treated as Kubernetes does.
pub(super) fn has_lifecycle(spec: &ScenarioSpec) -> bool {
    let faults = &spec.faults;
    spec.cluster.node_lifecycle.is_some()
        || faults.trace.is_some()
        || !(faults.events.is_empty()
            && faults.nodes.is_empty()
            && faults.spot.is_empty()
            && faults.spot_traces.is_empty())
}

/// Gives cluster and pods what the node lifecycle needs, if there is one.
pub(super) fn add_lifecycle(spec: &ScenarioSpec, cluster: &mut Cluster, workload: &mut Workload) {
    if !has_lifecycle(spec) {
        return;
    }
    let lifecycle = match &spec.cluster.node_lifecycle {
        Some(NodeLifecycleSpec::With(parameters)) => with(parameters),
        Some(NodeLifecycleSpec::Kubernetes) | None => NodeLifecycle::default(),
    };
    workload.classes.iter_mut().for_each(|class| lifecycle.add_default_tolerations(class));
    cluster.add_taint_variants();
    cluster.lifecycle = Some(lifecycle);
}

fn with(parameters: &NodeLifecycleParameters) -> NodeLifecycle {
    let default = NodeLifecycle::default();
    let span = |given: Option<super::spec::Duration>, default: SimDuration| given.map_or(default, |given| given.0);
    NodeLifecycle {
        monitor_period: span(parameters.monitor_period, default.monitor_period),
        monitor_grace_period: span(parameters.monitor_grace_period, default.monitor_grace_period),
        heartbeat_period: span(parameters.heartbeat_period, default.heartbeat_period),
        eviction_rate: parameters.eviction_rate.unwrap_or(default.eviction_rate),
        secondary_eviction_rate: parameters.secondary_eviction_rate.unwrap_or(default.secondary_eviction_rate),
        unhealthy_zone_threshold: parameters.unhealthy_zone_threshold.unwrap_or(default.unhealthy_zone_threshold),
        large_cluster_size_threshold: parameters
            .large_cluster_size_threshold
            .unwrap_or(default.large_cluster_size_threshold),
        not_ready_toleration: span(parameters.not_ready_toleration, default.not_ready_toleration),
        unreachable_toleration: span(parameters.unreachable_toleration, default.unreachable_toleration),
        boot_not_ready: parameters.boot_not_ready.as_ref().map_or(default.boot_not_ready, dist),
    }
}

/// The faults of a scenario; what names no node, zone or pool is reported.
pub(super) fn build(
    spec: &ScenarioSpec,
    cluster: &Cluster,
    controllers: &Controllers,
    context: &mut Context<'_>,
) -> Faults {
    let spec_of = &spec.faults;
    let pool = |name: &str| {
        let found = spec.cluster.pools.iter().position(|pool| pool.name == name);
        PoolId::from_index(found.expect("the names of pools have been checked"))
    };
    let mut faults = Faults {
        listed: Vec::new(),
        nodes: spec_of
            .nodes
            .iter()
            .map(|failures| NodeFailures {
                pool: failures.pool.as_deref().map(pool),
                time_to_failure: dist(&failures.time_to_failure),
                time_to_repair: dist(&failures.time_to_repair),
            })
            .collect(),
        spot: spec_of
            .spot
            .iter()
            .map(|spot| SpotReclaims {
                pool: pool(&spot.pool),
                time_to_reclaim: dist(&spot.time_to_reclaim),
                notice: spot.notice.map_or(NOTICE, |notice| notice.0),
            })
            .collect(),
        pods: pod_crashes(spec, controllers, context),
    };
    let nodes: BTreeMap<&str, NodeId> =
        cluster.nodes.iter().enumerate().map(|(i, node)| (node.name.as_str(), NodeId::from_index(i))).collect();
    for (index, fault) in spec_of.events.iter().enumerate() {
        if let Some(kind) = kind(fault, index, &nodes, cluster, &pool, context) {
            faults.listed.push(Fault { at: instant(fault.at), span: fault.span.map(|span| span.0), kind });
        }
    }
    if let Some(file) = &spec_of.trace {
        import::failures(file, &nodes, &mut faults.listed, context);
    }
    for (index, trace) in spec_of.spot_traces.iter().enumerate() {
        let members: Vec<NodeId> = (0..cluster.nodes.len())
            .map(NodeId::from_index)
            .filter(|&node| cluster.shape_of(node).pool == Some(pool(&trace.pool)))
            .collect();
        import::spot_trace(&trace.file, index, &members, &mut faults.listed, context);
    }
    faults.listed.sort_by_key(|fault| fault.at);
    faults
}

fn pod_crashes(spec: &ScenarioSpec, controllers: &Controllers, context: &mut Context<'_>) -> Vec<PodCrashes> {
    let mut list = Vec::new();
    for (index, crashes) in spec.faults.pods.iter().enumerate() {
        let named = kind_and_name(&crashes.target);
        let found = controllers
            .list
            .iter()
            .position(|one| named == Some((one.kind.name(), one.name.as_str())) && one.namespace == crashes.namespace);
        match found {
            Some(position) => list.push(PodCrashes {
                controller: ControllerId::from_index(position),
                time_to_crash: dist(&crashes.time_to_crash),
                exit_code: crashes.exit_code,
            }),
            // Where manifests could not be read, missing objects are no news.
            None if !context.findings.issues.is_empty() => {}
            None => {
                let at = format!("faults.pods[{index}].target");
                let target = |one: &Controller| format!("{}/{}", one.kind.name().to_lowercase(), one.name);
                let known = controllers.list.iter().filter(|one| one.namespace == crashes.namespace);
                let known: Vec<String> = known.map(target).collect();
                let known: Vec<&str> = known.iter().map(String::as_str).collect();
                let hint = suggestion(&crashes.target, &known, "the objects of that namespace are");
                let message = format!("there is no object `{}` that makes pods", crashes.target);
                context.report_with_hint(&at, Code::UnknownReference, message, hint);
            }
        }
    }
    list
}

fn kind(
    fault: &FaultSpec,
    index: usize,
    nodes: &BTreeMap<&str, NodeId>,
    cluster: &Cluster,
    pool: &impl Fn(&str) -> PoolId,
    context: &mut Context<'_>,
) -> Option<FaultKind> {
    let node = |name: &str, key: &str, context: &mut Context<'_>| {
        let found = nodes.get(name).copied();
        if found.is_none() {
            let known: Vec<&str> = nodes.keys().copied().take(10).collect();
            let hint = suggestion(name, &known, "the first nodes at the start are");
            let at = format!("faults.events[{index}].{key}");
            context.report_with_hint(&at, Code::UnknownReference, format!("there is no node `{name}`"), hint);
        }
        found
    };
    let zone = |name: &str, key: &str, context: &mut Context<'_>| {
        let found = cluster.zones.iter().position(|zone| zone == name);
        if found.is_none() {
            let known: Vec<&str> = cluster.zones.iter().map(String::as_str).collect();
            let hint = suggestion(name, &known, "the zones are");
            let at = format!("faults.events[{index}].{key}");
            context.report_with_hint(&at, Code::UnknownReference, format!("there is no zone `{name}`"), hint);
        }
        found.map(ZoneId::from_index)
    };
    Some(if let Some(name) = &fault.node_down {
        FaultKind::NodeDown(node(name, "nodeDown", context)?)
    } else if let Some(name) = &fault.zone_down {
        FaultKind::ZoneDown(zone(name, "zoneDown", context)?)
    } else if let Some(name) = &fault.zone_cut_off {
        FaultKind::ZoneCutOff(zone(name, "zoneCutOff", context)?)
    } else if let Some(factor) = fault.api_server_slowdown {
        FaultKind::ApiServerSlow(factor)
    } else if let Some(factor) = fault.registry_slowdown {
        FaultKind::RegistrySlow(factor)
    } else if let Some(name) = &fault.stock_out {
        FaultKind::StockOut(pool(name))
    } else if let Some(name) = &fault.reclaim {
        FaultKind::Reclaim(node(name, "reclaim", context)?)
    } else {
        FaultKind::ApiServerDown
    })
}
