//! Where scenarios name data in other formats: hands it to the importers.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::context::Context;
use super::kubernetes::{self, PodMakers, ReadFor};
use super::spec::{
    OpenbNodesSpec, OpenbPodsSpec, OrderSpec, RankSpec, SyntheticKind, SyntheticNodesSpec, SyntheticPodsSpec, TimesSpec,
};
use super::usage::Used;
use crate::document::{Code, Issue, Span};
use crate::ids::NodeId;
use crate::importers::functions::{self, FunctionOptions};
use crate::importers::openb::{self, NodeOptions, Order, PodOptions, Rank, Times};
use crate::importers::requests::{self, RateOptions, ReplayOptions};
use crate::importers::synthetic::{self, SyntheticNodes, SyntheticPods};
use crate::importers::usage::recorded::{UsageTable, read_bitbrains, read_usage_table};
use crate::importers::usage::{self, TableOptions};
use crate::importers::{self, ImportError, carbon, faults, spot};
use crate::model::catalogue::Catalogue;
use crate::model::faults::Fault;
use crate::model::functions::CalledFunction;
use crate::model::market::Capacity;
use crate::model::sizing::{SizedContainer, UsageStep};
use crate::model::{
    ArrivalSource, Arrivals, Cluster, Dist, Intensity, KubeSchedulerConfiguration, Objects, PodClass, Workload,
};
use crate::rng::Seed;
use crate::units::{SimDuration, SimTime};

/// Time between two arrivals of a sequence when the file says nothing.
const INTERVAL: SimDuration = SimDuration(1_000_000_000);

/// Adds the nodes of Kubernetes manifests.
pub(super) fn node_manifests(
    listed: &[String],
    read_for: ReadFor,
    cluster: &mut Cluster,
    objects: &mut Objects,
    context: &mut Context<'_>,
) {
    if let Some(paths) = existing_paths("cluster.manifests", listed, context) {
        kubernetes::add_nodes(&paths, read_for, cluster, objects, &mut context.findings);
    }
}

/// Adds the pods of Kubernetes manifests, which all arrive at the start, and the objects that make pods.
pub(super) fn pod_manifests(
    listed: &[String],
    makers: &mut PodMakers,
    cluster: &mut Cluster,
    workload: &mut Workload,
    objects: &mut Objects,
    context: &mut Context<'_>,
) {
    if let Some(paths) = existing_paths("workload.manifests", listed, context) {
        kubernetes::add_pods(&paths, makers, cluster, workload, objects, &mut context.findings);
    }
}

/// The class of the one pod of a manifest, for the template at the path `at`.
pub(super) fn template_manifest(
    file: &str,
    at: &str,
    read_for: ReadFor,
    cluster: &mut Cluster,
    objects: &mut Objects,
    context: &mut Context<'_>,
) -> Option<PodClass> {
    let at = format!("{at}.manifest");
    let path = context.existing_path(&at, file)?;
    let mut workload = Workload::default();
    let mut makers = PodMakers::new(read_for, Vec::new());
    kubernetes::add_pods(&[path], &mut makers, cluster, &mut workload, objects, &mut context.findings);
    let pods = match workload.sources.first() {
        Some(ArrivalSource::Listed(listed)) => &listed.pods[..],
        _ => &[],
    };
    match pods {
        _ if !makers.is_empty() => {
            let message = format!("`{at}`: a template is like one Pod, and the file has objects that make pods");
            context.report_with_hint(&at, Code::Contradiction, message, "those stand under `workload.manifests`");
            None
        }
        [pod] if pod.node.is_some() => {
            let message = format!("`{at}`: the pod of a template has no `spec.nodeName`: the scheduler chooses");
            context.report(&at, Code::Contradiction, message);
            None
        }
        [pod] => Some(workload.class(pod.class).clone()),
        [] if !context.is_sound() => None,
        _ => {
            let message = format!("`{at}`: a template is like one Pod, and the file has {}", pods.len());
            context.report(&at, Code::Contradiction, message);
            None
        }
    }
}

/// The configuration of kube-scheduler: the defaults of the release where no file is named.
pub(super) fn scheduler_configuration(file: Option<&String>, context: &mut Context<'_>) -> KubeSchedulerConfiguration {
    let path = file.and_then(|file| context.existing_path("scheduler.configuration", file));
    let read = path.and_then(|path| kubernetes::read_scheduler_configuration(&path, &mut context.findings));
    read.unwrap_or_default()
}

/// The files and directories that a list names; none when it names nothing.
fn existing_paths(at: &str, listed: &[String], context: &mut Context<'_>) -> Option<Vec<PathBuf>> {
    let paths =
        listed.iter().enumerate().filter_map(|(index, text)| context.existing_path(&format!("{at}[{index}]"), text));
    let paths: Vec<PathBuf> = paths.collect();
    (!paths.is_empty()).then_some(paths)
}

/// Adds the failures of a trace.
pub(super) fn failures(file: &str, nodes: &BTreeMap<&str, NodeId>, listed: &mut Vec<Fault>, context: &mut Context<'_>) {
    if let Some(path) = context.existing_path("faults.trace", file) {
        report(faults::read_failures(&path, nodes, listed), context);
    }
}

/// Adds what a spot trace, the one at `index`, says of the nodes of a pool.
pub(super) fn spot_trace(
    file: &str,
    index: usize,
    members: &[NodeId],
    listed: &mut Vec<Fault>,
    context: &mut Context<'_>,
) {
    if let Some(path) = context.existing_path(&format!("faults.spotTraces[{index}].file"), file) {
        report(faults::read_spot_trace(&path, members, listed), context);
    }
}

/// Adds the instance types of a table.
pub(super) fn instance_types(file: &str, at: &str, catalogue: &mut Catalogue, context: &mut Context<'_>) {
    if let Some(path) = context.existing_path(at, file) {
        report(importers::catalogue::read(&path, catalogue), context);
    }
}

/// Adds the regions of a table.
pub(super) fn regions(file: &str, at: &str, catalogue: &mut Catalogue, context: &mut Context<'_>) {
    if let Some(path) = context.existing_path(at, file) {
        report(importers::catalogue::read_regions(&path, catalogue), context);
    }
}

/// Recorded prices of spot machines.
pub(super) fn spot_prices(file: &str, from: Option<&str>, at: &str, context: &mut Context<'_>) -> Option<spot::Prices> {
    let path = context.existing_path(at, file)?;
    report(spot::read_prices(&path, from), context)
}

/// Recorded numbers of spot machines.
pub(super) fn spot_capacity(file: &str, at: &str, context: &mut Context<'_>) -> Option<Capacity> {
    let path = context.existing_path(at, file)?;
    report(spot::read_capacity(&path), context)
}

/// Adds nodes drawn from the seed.
pub(super) fn synthetic_nodes(spec: &SyntheticNodesSpec, seed: Seed, cluster: &mut Cluster) {
    let SyntheticKind::Openb = spec.kind;
    let options = SyntheticNodes { name: spec.name.clone(), count: spec.nodes, with_gpu_only: spec.gpu_only };
    synthetic::generate_nodes(&options, seed, cluster);
}

/// Adds a source of pods that are drawn as they arrive; arrivals and times to run that are not given are those of the
/// trace, and an inner none is for ever.
pub(super) fn synthetic_pods(
    spec: &SyntheticPodsSpec,
    arrivals: Option<Arrivals>,
    duration: Option<Option<Dist>>,
    cluster: &mut Cluster,
    workload: &mut Workload,
) {
    let SyntheticKind::Openb = spec.kind;
    let options = SyntheticPods {
        name: spec.name.clone(),
        count: spec.pods,
        start: SimTime::ZERO,
        arrivals: arrivals.unwrap_or_else(synthetic::openb_arrivals),
        duration: duration.unwrap_or_else(|| Some(synthetic::openb_lifetimes())),
    };
    synthetic::generate_pods(&options, cluster, workload);
}

/// Adds the nodes of an openb node list.
pub(super) fn openb_nodes(spec: &OpenbNodesSpec, seed: Seed, cluster: &mut Cluster, context: &mut Context<'_>) {
    let nodes = context.existing_path("cluster.openb.nodes", &spec.nodes);
    let rank = match &spec.rank {
        RankSpec::NameOrder => Some(Rank::NameOrder),
        RankSpec::Shuffled => Some(Rank::Shuffled),
        RankSpec::File(file) => context.existing_path("cluster.openb.rank.file", file).map(Rank::File),
    };
    if let (Some(nodes), Some(rank)) = (nodes, rank) {
        let options = NodeOptions { stride: spec.stride, rank, ..NodeOptions::default() };
        report(openb::read_nodes(&nodes, &options, seed, cluster), context);
    }
}

/// Adds the pods of an openb pod list.
pub(super) fn openb_pods(
    spec: &OpenbPodsSpec,
    seed: Seed,
    cluster: &mut Cluster,
    workload: &mut Workload,
    context: &mut Context<'_>,
) {
    let pods = context.existing_path("workload.openb.pods", &spec.pods);
    let order = match &spec.order {
        OrderSpec::FileOrder => Some(Order::FileOrder),
        OrderSpec::Shuffled => Some(Order::Shuffled),
        OrderSpec::File(file) => context.existing_path("workload.openb.order.file", file).map(Order::File),
    };
    if let (Some(pods), Some(order)) = (pods, order) {
        let options = PodOptions {
            from: spec.rows.as_ref().map_or(0, |rows| rows.from),
            to: spec.rows.as_ref().and_then(|rows| rows.to),
            order,
            // The capacity of a cluster that could not be read is no measure.
            inflate_to: spec.inflate_to.filter(|_| context.is_sound()),
            times: match spec.times {
                TimesSpec::Sequence => {
                    Times::Sequence { interval: spec.interval.map_or(INTERVAL, |interval| interval.0) }
                }
                TimesSpec::Trace => Times::Trace,
            },
        };
        report(openb::read_pods(&pods, &options, seed, cluster, workload), context);
    }
}

/// Requests a second over time.
pub(super) fn rates(path: &Path, options: &RateOptions<'_>, context: &mut Context<'_>) -> Option<Vec<(SimTime, f64)>> {
    report(requests::read_rates(path, options), context)
}

/// Instants of requests, with the position of the operation in the list of those that are asked for.
pub(super) fn replay(
    path: &Path,
    options: &ReplayOptions<'_>,
    operations: impl Fn(&str) -> Option<u32>,
    context: &mut Context<'_>,
) -> Option<Vec<(SimTime, Option<u32>)>> {
    report(requests::read_replay(path, options, operations), context)
}

/// Usage over time, of quantities that `parse` reads.
pub(super) fn usage(
    path: &Path,
    parse: impl Fn(&str) -> Result<u64, String>,
    context: &mut Context<'_>,
) -> Option<Vec<(SimDuration, u64)>> {
    report(usage::read_series(path, parse), context)
}

/// Usage over time, of a part of a table.
pub(super) fn usage_table(
    path: &Path,
    options: &TableOptions<'_>,
    context: &mut Context<'_>,
) -> Option<Vec<(SimDuration, u64)>> {
    report(usage::read_table(path, options), context)
}

/// The functions of Azure Functions 2019: the tables of counts, durations and memory.
pub(super) fn azure_2019(
    [invocations, durations, memory]: [Option<&Path>; 3],
    options: &FunctionOptions,
    context: &mut Context<'_>,
) -> Vec<CalledFunction> {
    let Some(invocations) = invocations else { return Vec::new() };
    report(functions::read_azure_2019(invocations, durations, memory, options), context).unwrap_or_default()
}

/// The functions of Azure Functions 2021.
pub(super) fn azure_2021(path: &Path, options: &FunctionOptions, context: &mut Context<'_>) -> Vec<CalledFunction> {
    report(functions::read_azure_2021(path, options), context).unwrap_or_default()
}

/// A series of usage of one resource: from each of the spans on, that much.
pub(super) fn usage_series(path: &Path, used: Used, context: &mut Context<'_>) -> Option<Vec<(SimDuration, u64)>> {
    report(usage::read_series(path, |text| used.parse(text).map_err(|refused| refused.to_string())), context)
}

/// Usage of containers, by name.
pub(super) fn container_usage(
    path: &Path,
    options: &UsageTable<'_>,
    context: &mut Context<'_>,
) -> BTreeMap<String, Vec<UsageStep>> {
    report(read_usage_table(path, options), context).unwrap_or_default()
}

/// Virtual machines of Bitbrains.
pub(super) fn bitbrains(path: &Path, context: &mut Context<'_>) -> Vec<SizedContainer> {
    report(read_bitbrains(path), context).unwrap_or_default()
}

/// Recorded carbon intensity, for the entry at the path `at`.
pub(super) fn carbon_intensity(
    file: &str,
    from: Option<&str>,
    at: &str,
    context: &mut Context<'_>,
) -> Option<Intensity> {
    let path = context.existing_path(&format!("{at}.file"), file)?;
    report(carbon::read_intensity(&path, from), context)
}

/// What was read; what an importer found wrong becomes issues.
fn report<T>(outcome: Result<T, Vec<ImportError>>, context: &mut Context<'_>) -> Option<T> {
    match outcome {
        Ok(read) => Some(read),
        Err(problems) => {
            for ImportError { file, line, message } in problems {
                // Rows have a line, the file as a whole has none.
                let line = u32::try_from(line).unwrap_or(u32::MAX);
                let span = if line == 0 { Span::default() } else { Span::new(line, 1) };
                context.issues.push(Issue::new(Code::Trace, &file.into(), span, message));
            }
            None
        }
    }
}
