//! Buying machines: from the file to the model.

mod spec;

use serde_json::Value as Json;

use super::build::dist;
use super::cloud::{self, KARPENTER, MarketKindSpec, Stock, Supply};
use super::context::Context;
use super::schema::{join, suggestion};
use super::spec::{DistributionSpec, PoolSpec, ScenarioSpec};
use super::validate::{spans, unique};
use crate::document::Code;
use crate::ids::{GroupId, OfferId, PoolId};
use crate::model::disruption::{NODE_ANNOTATIONS, POD_ANNOTATIONS};
use crate::model::provisioning::{MachineDelays, Market, NodeAutoscaler, NodeGroup, Offer, Provisioning};
use crate::model::{Cluster, Faults, Model, PodDisruption, PolicyChoice};
use crate::policy::node_autoscaler::{self, NODE_AUTOSCALERS, Setting};
use crate::rng::Seed;
use crate::units::SimDuration;
use spec::NodeAutoscalerSpec;
pub(super) use spec::{ProvisioningSpec, ScalingSpec};

/// Checks what can be checked without the cluster.
pub(super) fn validate(scenario: &ScenarioSpec, context: &mut Context<'_>) {
    for (index, pool) in scenario.cluster.pools.iter().enumerate() {
        let Some(scaling) = &pool.scaling else {
            if pool.market == Some(MarketKindSpec::Spot) {
                let at = format!("cluster.pools[{index}].market");
                let message = format!("`{at}`: only machines that can be bought are bought as spot");
                let hint = "give the pool `scaling`, such as `{min: 3, max: 3}`";
                context.report_with_hint(&at, Code::Contradiction, message, hint);
            }
            continue;
        };
        delays_are_sound(WrittenDelays::from(scaling), &format!("cluster.pools[{index}].scaling"), context);
        if scaling.max < scaling.min {
            let at = format!("cluster.pools[{index}].scaling.max");
            let message = format!("`{at}` is {}, below `min`, {}", scaling.max, scaling.min);
            context.report(&at, Code::Contradiction, message);
        }
    }
    annotations(scenario, context);
    let Some(spec) = &scenario.provisioning else { return };
    let names = spec.autoscalers.iter().map(name_of);
    unique(names, "node autoscalers", |i| format!("provisioning.autoscalers[{i}]"), context);
    for (index, one) in spec.autoscalers.iter().enumerate() {
        let at = format!("provisioning.autoscalers[{index}]");
        policy_is_known(one, &at, context);
        // The pools of Karpenter may stand in manifests.
        let pools =
            if one.policy == KARPENTER && !scenario.cluster.manifests.is_empty() { &[][..] } else { &one.pools[..] };
        for (position, name) in pools.iter().enumerate() {
            pool_is_known(name, &scenario.cluster.pools, &format!("{at}.pools[{position}]"), context);
        }
    }
    if !spec.autoscalers.is_empty() && scenario.horizon.is_none() {
        let message = "a node autoscaler goes on for ever: the scenario needs a `horizon`";
        context.report_with_hint("horizon", Code::MissingKey, message, "say when the run ends, such as `horizon: 1h`");
    }
}

/// Annotations stand there for node autoscalers: one that says nothing to any of them is a slip.
fn annotations(scenario: &ScenarioSpec, context: &mut Context<'_>) {
    let mut known = |at: &str, key: &str, known: &[&str]| {
        let is_known = known.contains(&key);
        if !is_known {
            let message = format!("`{at}`: no node autoscaler heeds the annotation `{key}`");
            context.report_with_hint(at, Code::UnknownKey, message, suggestion(key, known, "those heeded are"));
        }
        is_known
    };
    let mut silent: Vec<(String, String)> = Vec::new();
    for (index, template) in scenario.workload.templates.iter().enumerate() {
        let at = |key: &str| join(&format!("workload.templates[{index}].annotations"), key);
        for key in template.annotations.keys() {
            known(&at(key), key, &POD_ANNOTATIONS);
        }
        let (_, ignored) = PodDisruption::of_annotations(|key| template.annotations.get(key).map(String::as_str));
        silent.extend(ignored.into_iter().map(|(key, text)| (at(key), text.to_owned())));
    }
    for (index, pool) in scenario.cluster.pools.iter().enumerate() {
        for (key, value) in &pool.annotations {
            let at = join(&format!("cluster.pools[{index}].annotations"), key);
            if known(&at, key, &NODE_ANNOTATIONS) && !matches!(&**value, "true" | "false") {
                silent.push((at, "of a node it is \"true\"; all else says nothing".to_owned()));
            }
        }
    }
    for (at, text) in silent {
        context.report(&at, Code::NotAllowed, format!("`{at}`: {text}"));
    }
}

/// How long machines take, as it is written for a pool or for all NodePools.
#[derive(Clone, Copy, Debug)]
pub(super) struct WrittenDelays<'s> {
    pub(super) launch: Option<&'s DistributionSpec>,
    pub(super) boot: Option<&'s DistributionSpec>,
    pub(super) ready: Option<&'s DistributionSpec>,
    pub(super) shut_down: Option<&'s DistributionSpec>,
}

impl<'s> From<&'s ScalingSpec> for WrittenDelays<'s> {
    fn from(spec: &'s ScalingSpec) -> WrittenDelays<'s> {
        WrittenDelays {
            launch: spec.launch.as_ref(),
            boot: spec.boot.as_ref(),
            ready: spec.ready.as_ref(),
            shut_down: spec.shut_down.as_ref(),
        }
    }
}

/// Checks how long machines take.
pub(super) fn delays_are_sound(written: WrittenDelays<'_>, at: &str, context: &mut Context<'_>) {
    let WrittenDelays { launch, boot, ready, shut_down } = written;
    for (key, span) in [("launch", launch), ("boot", boot), ("ready", ready), ("shutDown", shut_down)] {
        spans(span, &format!("{at}.{key}"), context);
    }
}

/// How long machines take: what is written, and else what is usual.
pub(super) fn delays(written: WrittenDelays<'_>, usual: MachineDelays) -> MachineDelays {
    let span = |spec: Option<&_>, usual| spec.map_or(usual, dist);
    MachineDelays {
        launch: span(written.launch, usual.launch),
        boot: span(written.boot, usual.boot),
        ready: span(written.ready, usual.ready),
        shut_down: span(written.shut_down, usual.shut_down),
    }
}

fn name_of(one: &NodeAutoscalerSpec) -> &str {
    one.name.as_deref().unwrap_or(&one.policy)
}

/// Whether a policy is there, and its parameters have names that it knows.
fn policy_is_known(one: &NodeAutoscalerSpec, at: &str, context: &mut Context<'_>) {
    let Some(row) = node_autoscaler::find(&one.policy) else {
        let names: Vec<&str> = NODE_AUTOSCALERS.iter().map(|row| row.name).collect();
        let message = format!("`{at}.policy`: there is no node autoscaler `{}`", one.policy);
        let hint = suggestion(&one.policy, &names, "those known are");
        return context.report_with_hint(&format!("{at}.policy"), Code::UnknownPolicy, message, hint);
    };
    let names: Vec<&str> = row.parameters.iter().map(|parameter| parameter.name).collect();
    for name in one.parameters.keys().filter(|name| !names.contains(&name.as_str())) {
        let message = format!("the node autoscaler `{}` has no parameter `{name}`", row.name);
        let hint =
            if names.is_empty() { "it has none".to_owned() } else { suggestion(name, &names, "its parameters are") };
        context.report_with_hint(&join(&format!("{at}.parameters"), name), Code::UnknownKey, message, hint);
    }
}

fn pool_is_known(name: &str, pools: &[PoolSpec], at: &str, context: &mut Context<'_>) {
    match pools.iter().find(|pool| pool.name == name) {
        Some(pool) if pool.scaling.is_some() => {}
        Some(_) => {
            let message = format!("`{at}`: the pool `{name}` cannot grow");
            context.report_with_hint(at, Code::Contradiction, message, "give it `scaling: {max: 10}`");
        }
        None => {
            let names: Vec<&str> = pools.iter().map(|pool| pool.name.as_str()).collect();
            let message = format!("`{at}`: there is no pool `{name}`");
            context.report_with_hint(at, Code::UnknownReference, message, suggestion(name, &names, "the pools are"));
        }
    }
}

/// Builds what has been checked: a group for each pool that can grow, with an offer for each of its shapes.
pub(super) fn build(
    scenario: &ScenarioSpec,
    (supply, stocks): (&Supply, &[Stock]),
    (cluster, faults): (&Cluster, &Faults),
    seed: Seed,
    context: &mut Context<'_>,
) -> Provisioning {
    let mut built = Provisioning::default();
    for (index, pool) in scenario.cluster.pools.iter().enumerate() {
        if let Some(scaling) = &pool.scaling {
            let id = PoolId::from_index(index);
            let delays = delays(scaling.into(), supply.delays_of_pool(index));
            add_group(id, scaling, delays, market_of(id, pool, faults), cluster, &mut built);
        }
    }
    cloud::add_groups(scenario, supply, stocks, &mut built);
    let default = ProvisioningSpec::default();
    let spec = scenario.provisioning.as_ref().unwrap_or(&default);
    built.autoscalers = spec.autoscalers.iter().map(|one| autoscaler(one, cluster, &built)).collect();
    built.market = cloud::market::build(scenario, supply, (cluster, &built), seed, context);
    cloud::hand_over(scenario, (supply, stocks), cluster, &mut built);
    built
}

/// How machines of a pool are bought: what the provider may take back is sold as such.
fn market_of(id: PoolId, pool: &PoolSpec, faults: &Faults) -> Market {
    let is_taken_back = faults.spot.iter().any(|reclaims| reclaims.pool == id);
    match pool.market {
        Some(MarketKindSpec::Spot) => Market::Spot,
        None if is_taken_back => Market::Spot,
        Some(MarketKindSpec::OnDemand) | None => Market::OnDemand,
    }
}

fn add_group(
    pool: PoolId,
    scaling: &ScalingSpec,
    delays: MachineDelays,
    market: Market,
    cluster: &Cluster,
    built: &mut Provisioning,
) {
    let group = GroupId::from_index(built.groups.len());
    let first = built.offers.len();
    let shapes = cluster.pools[pool.index()].shapes.iter();
    built.offers.extend(shapes.map(|shape| Offer { group, shape: *shape, market }));
    built.groups.push(NodeGroup {
        pool,
        min: scaling.min,
        max: scaling.max,
        offers: (first..built.offers.len()).map(OfferId::from_index).collect(),
        is_spread: true,
        delays,
    });
}

fn autoscaler(one: &NodeAutoscalerSpec, cluster: &Cluster, built: &Provisioning) -> NodeAutoscaler {
    let is_own = |group: &GroupId| {
        let pool = &cluster.pools[built.group(*group).pool.index()];
        one.pools.is_empty() || one.pools.contains(&pool.name)
    };
    NodeAutoscaler {
        name: name_of(one).to_owned(),
        policy: PolicyChoice { name: one.policy.clone(), parameters: Json::Object(one.parameters.clone()) },
        groups: (0..built.groups.len()).map(GroupId::from_index).filter(is_own).collect(),
        watch_delay: one.watch_delay.map_or(SimDuration::ZERO, |span| span.0),
        order_delay: one.order_delay.map_or(SimDuration::ZERO, |span| span.0),
    }
}

/// Lets the policies themselves read their parameters, which they do with the model in sight.
pub(super) fn parameters(model: &Model, context: &mut Context<'_>) {
    for (position, one) in model.provisioning.autoscalers.iter().enumerate() {
        let setting = Setting { model, groups: &one.groups, position };
        let built = node_autoscaler::find(&one.policy.name).map(|row| row.build(&one.policy.parameters, &setting));
        if let Some(Err(error)) = built {
            let at = format!("provisioning.autoscalers[{position}].parameters");
            context.report(&at, Code::OutOfRange, format!("the node autoscaler `{}`: {error}", one.policy.name));
        }
    }
}
