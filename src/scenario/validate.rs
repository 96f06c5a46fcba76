//! What no schema can say: names, references, files, combinations, sizes. Everything is checked, nothing stops early.

use std::collections::{BTreeMap, BTreeSet};

use super::autoscaling;
use super::cloud;
use super::context::Context;
use super::distribution::{distribution, gap_seconds};
use super::energy;
use super::functions;
use super::kubernetes::kind_names;
use super::provisioning;
use super::schema::{join, suggestion};
use super::sizing;
use super::spec::{
    AnalysisSpec, ArrivalsSpec, BehaviourSpec, DistributionSpec, ExperimentSpec, FactorSpec, GpuRequestSpec,
    LifetimeSpec, OpenbPodsSpec, OperatorSpec, OrderSpec, Quantity, RankSpec, ScenarioSpec, ScriptSpec, TaintSpec,
    TemplateSpec, TimesSpec, TolerationSpec, WorkloadSpec,
};
use super::traffic;
use super::usage::{self, Offer, Used};
use crate::document::Code;
use crate::model::cluster::ZONE_LABEL;
use crate::policy::{Parameter, queue, scheduler};
use crate::units::{Bytes, MilliCpu, SimDuration, parse_quantity_milli};

/// Most nodes in a run.
pub const NODES_MAX: u64 = 1_000_000;
/// Most pods in a run.
pub const PODS_MAX: u64 = 10_000_000;
/// Most runs in an experiment.
pub const RUNS_MAX: u64 = 1_000_000;
/// The policy that reads everything of the manifests.
pub(super) const KUBE_SCHEDULER: &str = "kube-scheduler";
/// Most rows in a time series.
const SAMPLES_MAX: u64 = 10_000_000;

/// Checks a scenario as far as that is possible without reading the files it names.
pub(super) fn scenario(spec: &ScenarioSpec, context: &mut Context<'_>) {
    cluster(spec, context);
    let horizon = spec.horizon.map(|horizon| horizon.0);
    if horizon == Some(SimDuration::ZERO) {
        context.report("horizon", Code::OutOfRange, "`horizon` must be more than 0");
    }
    workload(spec, horizon, context);
    scheduling(spec, context);
    script(spec, horizon, context);
    super::faults::validate(spec, context);
    traffic::validate(spec, context);
    autoscaling::validate(spec, context);
    cloud::validate(spec, context);
    provisioning::validate(spec, context);
    functions::validate(spec, context);
    sizing::validate(spec, context);
    energy::validate(spec, context);
    if let Some(sample) = spec.outputs.sample_every {
        let at = "outputs.sampleEvery";
        if sample.0 == SimDuration::ZERO {
            context.report(at, Code::OutOfRange, format!("`{at}` must be more than 0"));
        } else if horizon.is_some_and(|horizon| horizon.0 / sample.0.0 > SAMPLES_MAX) {
            let message = format!("`{at}` makes more than {SAMPLES_MAX} rows until the horizon");
            context.report(at, Code::AbsurdSize, message);
        }
    }
}

/// Reports names that stand twice in a list; `at` gives the path of each.
pub(super) fn unique<'n>(
    names: impl Iterator<Item = &'n str>,
    what: &str,
    at: impl Fn(usize) -> String,
    context: &mut Context<'_>,
) {
    let mut seen = BTreeMap::new();
    for (index, name) in names.enumerate() {
        if let Some(first) = seen.get(name) {
            let message = format!("there are two {what} called `{name}`");
            context.report_with_hint(
                &at(index),
                Code::DuplicateName,
                message,
                format!("the first is `{}`", at(*first)),
            );
        } else {
            seen.insert(name, index);
        }
    }
}

fn cluster(scenario: &ScenarioSpec, context: &mut Context<'_>) {
    let spec = &scenario.cluster;
    let lists_nothing = spec.manifests.is_empty() && spec.pools.is_empty() && spec.nodes.is_empty();
    let is_outside = match &scenario.traffic {
        Some(traffic) => traffic::is_outside(traffic),
        None => scenario.functions.is_some() || scenario.sizing.is_some(),
    };
    let is_needed = !is_outside || has_pods(&scenario.workload);
    if lists_nothing && spec.openb.is_none() && spec.synthetic.is_none() && is_needed {
        let hint = "give `pools`, `nodes`, `manifests`, `openb` or `synthetic`";
        context.report_with_hint("cluster", Code::MissingKey, "`cluster` has no nodes", hint);
    }
    manifests("cluster.manifests", &spec.manifests, context);
    unique(spec.pools.iter().map(|pool| pool.name.as_str()), "pools", |i| format!("cluster.pools[{i}].name"), context);
    unique(spec.nodes.iter().map(|node| node.name.as_str()), "nodes", |i| format!("cluster.nodes[{i}].name"), context);
    for (index, pool) in spec.pools.iter().enumerate() {
        let at = format!("cluster.pools[{index}]");
        if pool.instance_type.is_some() && pool.capacity.is_empty() && pool.reserved.is_empty() {
            resources(&pool.allocatable, &format!("{at}.allocatable"), context);
        } else {
            offer(
                Offer { allocatable: &pool.allocatable, capacity: &pool.capacity, reserved: &pool.reserved },
                &at,
                context,
            );
        }
        taints(&pool.taints, &at, context);
        if !pool.zones.is_empty() && pool.labels.contains_key(ZONE_LABEL) {
            zone_twice(&at, "zones", context);
        }
    }
    for (index, node) in spec.nodes.iter().enumerate() {
        let at = format!("cluster.nodes[{index}]");
        offer(
            Offer { allocatable: &node.allocatable, capacity: &node.capacity, reserved: &node.reserved },
            &at,
            context,
        );
        taints(&node.taints, &at, context);
        if node.zone.is_some() && node.labels.contains_key(ZONE_LABEL) {
            zone_twice(&at, "zone", context);
        }
    }
    usage::validate_kubelet(&spec.kubelet, context);
    if let Some(openb) = &spec.openb {
        context.existing_path("cluster.openb.nodes", &openb.nodes);
        if let RankSpec::File(file) = &openb.rank {
            context.existing_path("cluster.openb.rank.file", file);
        }
    }
    let pools = spec.pools.iter().map(|pool| u64::from(pool.count)).sum::<u64>();
    let total =
        pools + spec.nodes.len() as u64 + spec.synthetic.as_ref().map_or(0, |synthetic| u64::from(synthetic.nodes));
    if total > NODES_MAX {
        context.report(
            "cluster",
            Code::AbsurdSize,
            format!("`cluster` has {total} nodes; at most {NODES_MAX} are possible"),
        );
    }
}

/// Whether a workload names pods, wherever they come from.
fn has_pods(spec: &WorkloadSpec) -> bool {
    let is_listed = !spec.manifests.is_empty() || !spec.templates.is_empty();
    is_listed || spec.openb.is_some() || spec.synthetic.is_some()
}

fn zone_twice(at: &str, key: &str, context: &mut Context<'_>) {
    let message = format!("`{at}` has both `{key}` and the label `{ZONE_LABEL}`");
    context.report_with_hint(
        &join(&format!("{at}.labels"), ZONE_LABEL),
        Code::Contradiction,
        message,
        "keep one of the two",
    );
}

fn manifests(at: &str, files: &[String], context: &mut Context<'_>) {
    unique(files.iter().map(String::as_str), "manifests", |i| format!("{at}[{i}]"), context);
    for (index, file) in files.iter().enumerate() {
        let at = format!("{at}[{index}]");
        let found = context.existing_path(&at, file);
        let own = context.origins.file(context.place(&at)).canonicalize().ok();
        if found.is_some_and(|found| own.is_some() && found.canonicalize().ok() == own) {
            context.report(&at, Code::CyclicReference, format!("`{at}` is the file that it stands in"));
        }
    }
}

/// The resources that Kubernetes has itself; others have a domain, such as `example.com/fpga`.
const NATIVE: &[&str] = &["cpu", "memory", "ephemeral-storage", "pods"];

/// Checks amounts of resources under `at`.
fn resources(amounts: &BTreeMap<String, Quantity>, at: &str, context: &mut Context<'_>) {
    for (name, Quantity(text)) in amounts {
        let at_amount = join(at, name);
        if !NATIVE.contains(&name.as_str()) && !name.contains('/') {
            let hint = match name.as_str() {
                "gpu" => "GPUs stand under `gpu`, beside the resources".to_owned(),
                _ => suggestion(name, NATIVE, "extended resources have a domain, such as example.com/fpga; others are"),
            };
            context.report_with_hint(
                &at_amount,
                Code::UnknownKey,
                format!("unknown resource `{name}` in `{at}`"),
                hint,
            );
            continue;
        }
        let refused = match name.as_str() {
            "cpu" => MilliCpu::parse(text).err(),
            _ => Bytes::parse(text).err(),
        };
        if let Some(refused) = refused {
            context.report(&at_amount, Code::BadQuantity, format!("`{at_amount}`: {refused}"));
            continue;
        }
        let is_whole = matches!(name.as_str(), "cpu" | "memory" | "ephemeral-storage")
            || parse_quantity_milli(text).is_ok_and(|milli| milli % 1000 == 0);
        if !is_whole {
            let message = format!("`{at_amount}` must be a whole number, not {text}");
            context.report(&at_amount, Code::OutOfRange, message);
        }
    }
}

/// Checks what a node offers.
pub(super) fn offer(offer: Offer<'_>, at: &str, context: &mut Context<'_>) {
    let key = usage::validate_offer(offer, at, context);
    resources(offer.reserved, &format!("{at}.reserved"), context);
    let amounts = if key == "capacity" { offer.capacity } else { offer.allocatable };
    if amounts.is_empty() {
        return;
    }
    let at = format!("{at}.{key}");
    resources(amounts, &at, context);
    for needed in ["cpu", "memory"] {
        if !amounts.contains_key(needed) {
            context.report(&at, Code::MissingKey, format!("the key `{needed}` is missing in `{at}`"));
        }
    }
}

fn taints(list: &[TaintSpec], at: &str, context: &mut Context<'_>) {
    let names: Vec<String> = list.iter().map(|taint| format!("{}:{:?}", taint.key, taint.effect)).collect();
    unique(names.iter().map(String::as_str), "taints", |index| format!("{at}.taints[{index}]"), context);
}

fn workload(spec: &ScenarioSpec, horizon: Option<SimDuration>, context: &mut Context<'_>) {
    let workload = &spec.workload;
    manifests("workload.manifests", &workload.manifests, context);
    for (index, one) in workload.behaviours.iter().enumerate() {
        behaviour(one, &format!("workload.behaviours[{index}]"), context);
    }
    for (index, one) in workload.analyses.iter().enumerate() {
        analysis(one, &format!("workload.analyses[{index}]"), context);
    }
    if let Some(images) = &workload.images {
        super::images::validate(images, context);
    }
    if let Some(openb) = &workload.openb {
        openb_pods(openb, context);
    }
    let mut total = 0.0;
    if let Some(synthetic) = &workload.synthetic {
        let at = "workload.synthetic";
        if let Some(arrivals) = &synthetic.arrivals {
            arrivals_of(arrivals, &format!("{at}.arrivals"), context);
            fixed_count(arrivals, Some(synthetic.pods), &format!("{at}.pods"), context);
        }
        lifetime(synthetic.duration.as_ref(), &format!("{at}.duration"), context);
        total += synthetic.pods as f64;
    }
    let names = workload.templates.iter().map(|template| template.name.as_str());
    unique(names, "templates", |index| format!("workload.templates[{index}].name"), context);
    for (index, one) in workload.templates.iter().enumerate() {
        total += template(one, &format!("workload.templates[{index}]"), horizon, context);
    }
    if total > PODS_MAX as f64 {
        let message = format!("about {total:.0} pods arrive; at most {PODS_MAX} are possible");
        context.report("workload", Code::AbsurdSize, message);
    }
}

fn behaviour(spec: &BehaviourSpec, at: &str, context: &mut Context<'_>) {
    let kinds = kind_names();
    if let Some(kind) = spec.kind.as_deref().filter(|kind| !kinds.contains(kind)) {
        let hint = suggestion(kind, &kinds, "the kinds are");
        context.report_with_hint(
            &format!("{at}.kind"),
            Code::NotAllowed,
            format!("`{kind}` makes no pods that could be meant"),
            hint,
        );
    }
    spans(spec.start_up.as_ref(), &format!("{at}.startUp"), context);
    spans(spec.pre_stop.as_ref(), &format!("{at}.preStop"), context);
    spans(spec.shut_down.as_ref(), &format!("{at}.shutDown"), context);
    lifetime(spec.run_time.as_ref(), &format!("{at}.runTime"), context);
    for (code, share) in &spec.exit_codes {
        let at = join(&format!("{at}.exitCodes"), code);
        if code.parse::<u8>().is_err() {
            context.report(&at, Code::OutOfRange, format!("`{code}` is no exit code: they go from 0 to 255"));
        }
        if !share.is_finite() || *share <= 0.0 {
            context.report(&at, Code::OutOfRange, format!("`{at}` must be more than 0"));
        }
    }
    usage::validate(spec.cpu.as_ref(), Used::Cpu, &format!("{at}.cpu"), context);
    usage::validate(spec.memory.as_ref(), Used::Memory, &format!("{at}.memory"), context);
    if spec.checkpoint_every.is_some_and(|every| every.0 == SimDuration::ZERO) {
        let at = format!("{at}.checkpointEvery");
        context.report(&at, Code::OutOfRange, format!("`{at}` must be more than 0"));
    }
}

fn analysis(spec: &AnalysisSpec, at: &str, context: &mut Context<'_>) {
    let given = [spec.success.is_some(), !spec.results.is_empty(), !spec.values.is_empty(), spec.traffic.is_some()];
    if given.iter().filter(|is_given| **is_given).count() != 1 {
        let message = format!("`{at}` says one of `success`, `results`, `values` and `traffic`");
        let hint = "write `success: 0.99` for a probability, or `results: [Successful, Failed]` for a series";
        context.report_with_hint(at, Code::Contradiction, message, hint);
    }
    if let Some(traffic) = &spec.traffic {
        let has_bounds = traffic.max_failure_ratio.is_some() || traffic.max_p95.is_some();
        if traffic.value.is_some() == has_bounds {
            let at = format!("{at}.traffic");
            let message = format!("`{at}` says either bounds or a `value`");
            let hint = "write `maxFailureRatio: 0.01` with or without `maxP95: 500ms`, or `value: successRatio` for the conditions \
                        of the metric to judge";
            context.report_with_hint(&at, Code::Contradiction, message, hint);
        }
    }
}

fn openb_pods(spec: &OpenbPodsSpec, context: &mut Context<'_>) {
    context.existing_path("workload.openb.pods", &spec.pods);
    if let OrderSpec::File(file) = &spec.order {
        context.existing_path("workload.openb.order.file", file);
    }
    if let Some(rows) = &spec.rows
        && let Some(to) = rows.to
        && to <= rows.from
    {
        let message = format!("`workload.openb.rows` is empty: from {} to {to}", rows.from);
        context.report("workload.openb.rows", Code::OutOfRange, message);
    }
    if spec.times == TimesSpec::Trace {
        for (key, given) in [("interval", spec.interval.is_some()), ("inflateTo", spec.inflate_to.is_some())] {
            if given {
                let at = format!("workload.openb.{key}");
                let message = format!("`{key}` has no meaning with the times of the trace");
                context.report_with_hint(
                    &at,
                    Code::Contradiction,
                    message,
                    format!("leave `{key}` out, or set `times: sequence`"),
                );
            }
        }
    }
}

/// Checks that a manifest and the template do not both say what a pod is.
fn template_manifest(spec: &TemplateSpec, at: &str, context: &mut Context<'_>) {
    let Some(file) = &spec.manifest else { return };
    context.existing_path(&format!("{at}.manifest"), file);
    for (key, is_given) in [
        ("requests", !spec.requests.is_empty()),
        ("limits", !spec.limits.is_empty()),
        ("priority", spec.priority != 0),
        ("nodeSelector", !spec.node_selector.is_empty()),
        ("tolerations", !spec.tolerations.is_empty()),
        ("annotations", !spec.annotations.is_empty()),
    ] {
        if is_given {
            let message = format!("`{at}.{key}`: with a `manifest`, that is where it stands");
            context.report_with_hint(&format!("{at}.{key}"), Code::Contradiction, message, "move it into the manifest");
        }
    }
}

/// Checks a template; gives about how many pods arrive.
fn template(spec: &TemplateSpec, at: &str, horizon: Option<SimDuration>, context: &mut Context<'_>) -> f64 {
    template_manifest(spec, at, context);
    resources(&spec.requests, &format!("{at}.requests"), context);
    resources(&spec.limits, &format!("{at}.limits"), context);
    for (name, Quantity(limit)) in &spec.limits {
        if let Some(Quantity(request)) = spec.requests.get(name)
            && let (Ok(request_milli), Ok(limit_milli)) = (parse_quantity_milli(request), parse_quantity_milli(limit))
            && request_milli > limit_milli
        {
            let at_request = join(&format!("{at}.requests"), name);
            let message = format!("`{at_request}` is {request}, more than the limit {limit}");
            context.report(&at_request, Code::RequestAboveLimit, message);
        }
    }
    if let Some(pods) = spec.requests.get("pods").or(spec.limits.get("pods")) {
        let message = format!("a pod cannot request `pods` ({})", pods.0);
        context.report(&format!("{at}.requests.pods"), Code::UnknownKey, message);
    }
    if let Some(gpu) = &spec.gpu {
        gpu_request(gpu, at, context);
    }
    for (index, one) in spec.tolerations.iter().enumerate() {
        toleration(one, &format!("{at}.tolerations[{index}]"), context);
    }
    lifetime(spec.duration.as_ref(), &format!("{at}.duration"), context);
    if horizon.is_some_and(|horizon| spec.start.0 > horizon) {
        context.report(&format!("{at}.start"), Code::OutOfRange, format!("`{at}.start` is after the horizon"));
    }
    let Some(arrivals) = &spec.arrivals else { return spec.count.unwrap_or(1) as f64 };
    let at_arrivals = format!("{at}.arrivals");
    let sound = arrivals_of(arrivals, &at_arrivals, context);
    fixed_count(arrivals, spec.count, &format!("{at}.count"), context);
    match (arrivals, spec.count, horizon) {
        (ArrivalsSpec::At(instants), _, _) => instants.len() as f64,
        (_, Some(count), _) => count as f64,
        _ if !sound => 0.0,
        (_, None, None) => {
            let message = format!("pods of `{at}` never stop arriving");
            context.report_with_hint(
                &at_arrivals,
                Code::MissingKey,
                message,
                "give the template a `count`, or the scenario a `horizon`",
            );
            0.0
        }
        (_, None, Some(horizon)) => {
            let gap = mean_gap_seconds(arrivals);
            if gap <= 0.0 {
                let message = format!("pods of `{at}` never stop arriving: the gap is zero");
                context.report_with_hint(&at_arrivals, Code::MissingKey, message, "give the template a `count`");
                return 0.0;
            }
            horizon.as_seconds() / gap
        }
    }
}

fn mean_gap_seconds(arrivals: &ArrivalsSpec) -> f64 {
    match arrivals {
        ArrivalsSpec::Poisson(poisson) => 1.0 / poisson.per_second,
        ArrivalsSpec::Every(gap) => gap.0.as_seconds(),
        ArrivalsSpec::Distribution(spec) => distribution(spec).map_or(0.0, |dist| gap_seconds(&dist)),
        ArrivalsSpec::At(_) => 0.0,
    }
}

/// Checks that a list of instants and a count agree.
fn fixed_count(arrivals: &ArrivalsSpec, count: Option<u64>, at: &str, context: &mut Context<'_>) {
    if let (ArrivalsSpec::At(instants), Some(count)) = (arrivals, count)
        && count != instants.len() as u64
    {
        let message = format!("`{at}` is {count}, but {} instants are listed", instants.len());
        context.report(at, Code::Contradiction, message);
    }
}

/// Checks a rule of arrival; false when it is wrong.
fn arrivals_of(spec: &ArrivalsSpec, at: &str, context: &mut Context<'_>) -> bool {
    match spec {
        ArrivalsSpec::Poisson(_) | ArrivalsSpec::Every(_) => true,
        ArrivalsSpec::At(instants) if instants.is_empty() => {
            context.report(&format!("{at}.at"), Code::MissingKey, format!("`{at}.at` lists no instants"));
            false
        }
        ArrivalsSpec::At(instants) => {
            let wrong = instants.windows(2).position(|pair| pair[0] > pair[1]);
            if let Some(index) = wrong {
                let at = format!("{at}.at[{}]", index + 1);
                context.report(&at, Code::OutOfRange, format!("`{at}` is before the instant listed before it"));
            }
            wrong.is_none()
        }
        ArrivalsSpec::Distribution(spec) => spans(Some(spec), &format!("{at}.distribution"), context),
    }
}

/// Checks a distribution; false when it is wrong.
pub(super) fn spans(spec: Option<&DistributionSpec>, at: &str, context: &mut Context<'_>) -> bool {
    match spec.map(distribution) {
        Some(Err(refused)) => {
            context.report(at, Code::BadDistribution, format!("`{at}`: {refused}"));
            false
        }
        _ => true,
    }
}

fn lifetime(spec: Option<&LifetimeSpec>, at: &str, context: &mut Context<'_>) {
    if let Some(LifetimeSpec::Drawn(spec)) = spec {
        spans(Some(spec), at, context);
    }
}

fn gpu_request(spec: &GpuRequestSpec, at: &str, context: &mut Context<'_>) {
    if spec.count > 1 && spec.milli < 1000 {
        let message = format!("`{at}.gpu` asks for a share ({} milli) of {} devices", spec.milli, spec.count);
        let hint = "a share is taken from one device: set `count: 1`, or `milli: 1000` for whole devices";
        context.report_with_hint(&format!("{at}.gpu"), Code::Contradiction, message, hint);
    }
    unique(spec.models.iter().map(String::as_str), "models", |index| format!("{at}.gpu.models[{index}]"), context);
}

fn toleration(spec: &TolerationSpec, at: &str, context: &mut Context<'_>) {
    if spec.key.is_empty() && spec.operator == OperatorSpec::Equal {
        let message = format!("`{at}` has no key, which needs `operator: Exists`");
        context.report(at, Code::Contradiction, message);
    }
    if spec.operator == OperatorSpec::Exists && !spec.value.is_empty() {
        let message = format!("`{at}` has a value, which `operator: Exists` does not look at");
        context.report(&format!("{at}.value"), Code::Contradiction, message);
    }
}

fn scheduling(spec: &ScenarioSpec, context: &mut Context<'_>) {
    let names: Vec<&str> = scheduler::SCHEDULERS.iter().map(|row| row.name).collect();
    match scheduler::find(&spec.scheduler.policy) {
        Some(row) => parameters(row.name, row.parameters, spec, context),
        None => unknown_policy("scheduler.policy", &spec.scheduler.policy, &names, context),
    }
    for (key, is_given) in
        [("configuration", spec.scheduler.configuration.is_some()), ("tieBreak", spec.scheduler.tie_break.is_some())]
    {
        if is_given && spec.scheduler.policy != KUBE_SCHEDULER {
            let at = format!("scheduler.{key}");
            let message =
                format!("`{at}` is for the policy `{KUBE_SCHEDULER}`, and this is `{}`", spec.scheduler.policy);
            context.report_with_hint(&at, Code::Contradiction, message, "remove it, or choose that policy");
        }
    }
    let names: Vec<&str> = queue::QUEUE_ORDERS.iter().map(|row| row.name).collect();
    if queue::find(&spec.scheduler.queue).is_none() {
        unknown_policy("scheduler.queue", &spec.scheduler.queue, &names, context);
    }
    if let Some(plane) = &spec.control_plane {
        spans(plane.api_write.as_ref(), "controlPlane.apiWrite", context);
        spans(plane.watch.as_ref(), "controlPlane.watch", context);
    }
    let delays = &spec.scheduler.delays;
    spans(delays.scheduling.as_ref(), "scheduler.delays.scheduling", context);
    spans(delays.binding.as_ref(), "scheduler.delays.binding", context);
    spans(delays.start.as_ref(), "scheduler.delays.start", context);
}

fn unknown_policy(at: &str, name: &str, names: &[&str], context: &mut Context<'_>) {
    let hint = suggestion(name, names, "those known are");
    context.report_with_hint(at, Code::UnknownPolicy, format!("`{at}`: there is no policy `{name}`"), hint);
}

fn parameters(policy: &str, known: &[Parameter], spec: &ScenarioSpec, context: &mut Context<'_>) {
    let names: Vec<&str> = known.iter().map(|parameter| parameter.name).collect();
    for name in spec.scheduler.parameters.keys().filter(|name| !names.contains(&name.as_str())) {
        let message = format!("the policy `{policy}` has no parameter `{name}`");
        let hint =
            if names.is_empty() { "it has none".to_owned() } else { suggestion(name, &names, "its parameters are") };
        context.report_with_hint(&join("scheduler.parameters", name), Code::UnknownKey, message, hint);
    }
}

fn script(spec: &ScenarioSpec, horizon: Option<SimDuration>, context: &mut Context<'_>) {
    let pools: Vec<&str> = spec.cluster.pools.iter().map(|pool| pool.name.as_str()).collect();
    let mut added = 0u64;
    for (index, action) in spec.script.iter().enumerate() {
        let at = format!("script[{index}]");
        let verbs = verb_count(action);
        if verbs != 1 {
            let what = if verbs == 0 { "does nothing" } else { "does more than one thing" };
            let hint = "give exactly one of `cordon`, `uncordon`, `drain`, `remove`, `crash`, `outOfService`, `add`, `apply`, \
                        `delete`, `scale`, `setImage`, `pause`, `resume`, `rollBack`, `promote`, `abort`, \
                        `retry`";
            context.report_with_hint(&at, Code::Contradiction, format!("`{at}` {what}"), hint);
        }
        if horizon.is_some_and(|horizon| action.at.0 > horizon) {
            context.report(&format!("{at}.at"), Code::OutOfRange, format!("`{at}.at` is after the horizon"));
        }
        if let Some(file) = &action.apply {
            context.existing_path(&format!("{at}.apply"), file);
        }
        if let Some(add) = &action.add {
            added += u64::from(add.count);
            if !pools.contains(&add.pool.as_str()) {
                let hint = suggestion(&add.pool, &pools, "the pools are");
                let at = format!("{at}.add.pool");
                context.report_with_hint(&at, Code::UnknownReference, format!("there is no pool `{}`", add.pool), hint);
            }
        }
    }
    if added > NODES_MAX {
        let message = format!("`script` adds {added} nodes; at most {NODES_MAX} are possible");
        context.report("script", Code::AbsurdSize, message);
    }
}

/// How many things an entry of the script does.
fn verb_count(spec: &ScriptSpec) -> usize {
    let ScriptSpec { at: _, cordon, uncordon, drain, remove, crash, out_of_service, add, apply, .. } = spec;
    let ScriptSpec { delete, scale, set_image, .. } = spec;
    let ScriptSpec { pause, resume, roll_back, promote, abort, retry, .. } = spec;
    let names = [cordon, uncordon, drain, remove, crash, out_of_service, apply].into_iter().flatten().count();
    let targets = [delete, pause, resume, roll_back, abort, retry].into_iter().flatten().count();
    names
        + targets
        + usize::from(add.is_some())
        + usize::from(scale.is_some())
        + usize::from(set_image.is_some())
        + usize::from(promote.is_some())
}

/// Checks an experiment as far as that is possible without its scenario.
pub(super) fn experiment(spec: &ExperimentSpec, context: &mut Context<'_>) {
    unique(
        spec.factors.iter().map(|factor| factor.name.as_str()),
        "factors",
        |i| format!("factors[{i}].name"),
        context,
    );
    let mut runs = u64::from(spec.replications);
    for (index, one) in spec.factors.iter().enumerate() {
        runs = runs.saturating_mul(factor(one, &format!("factors[{index}]"), context).max(1));
    }
    if runs > RUNS_MAX {
        context.report(
            "factors",
            Code::AbsurdSize,
            format!("the experiment has {runs} runs; at most {RUNS_MAX} are possible"),
        );
    }
    let mut seen = BTreeSet::new();
    for (name, label) in &spec.baseline {
        let at = join("baseline", name);
        let Some(factor) = spec.factors.iter().find(|factor| factor.name == *name) else {
            let names: Vec<&str> = spec.factors.iter().map(|factor| factor.name.as_str()).collect();
            let hint = suggestion(name, &names, "the factors are");
            context.report_with_hint(
                &at,
                Code::UnknownReference,
                format!("`baseline`: there is no factor `{name}`"),
                hint,
            );
            continue;
        };
        seen.insert(name);
        let labels = super::experiment::labels(factor);
        if !labels.contains(&label.0) {
            let labels: Vec<&str> = labels.iter().map(String::as_str).collect();
            let hint = suggestion(&label.0, &labels, "its values are");
            let message = format!("`baseline`: the factor `{name}` has no value `{}`", label.0);
            context.report_with_hint(&at, Code::UnknownReference, message, hint);
        }
    }
}

/// Checks a factor; gives how many values it has.
fn factor(spec: &FactorSpec, at: &str, context: &mut Context<'_>) -> u64 {
    match (&spec.path, spec.values.is_empty(), spec.settings.is_empty()) {
        (Some(_), false, true) | (None, true, false) => {}
        (None, true, true) | (Some(_), true, true) => {
            let hint = "give `path` and `values`, or `settings`";
            context.report_with_hint(at, Code::MissingKey, format!("`{at}` has no values"), hint);
        }
        (None, false, true) => {
            context.report(&format!("{at}.values"), Code::MissingKey, format!("`{at}` has values without a `path`"));
        }
        (_, _, false) => {
            let hint = "give `path` and `values`, or `settings`";
            let message = format!("`{at}` has both `settings` and `path` or `values`");
            context.report_with_hint(at, Code::Contradiction, message, hint);
        }
    }
    let labels = super::experiment::labels(spec);
    let list = if spec.settings.is_empty() { "values" } else { "settings" };
    unique(labels.iter().map(String::as_str), "values", |index| format!("{at}.{list}[{index}]"), context);
    labels.len() as u64
}
