//! What can be bought for NodePools: each becomes a pool of the cluster, whose offers are the machine types that it allows in
//! every zone and as every kind of capacity.
//!
//! Nodes get the labels of their type, zone and kind of capacity, those of the pool's template, and of each requirement on a
//! label that no type has the value that it allows. Where it allows several, there is an offer for each.

mod catalogue;
mod labels;
pub(super) mod market;
mod spec;
#[cfg(test)]
mod tests;

use serde_json::{Value as Json, json};

use super::build;
use super::context::Context;
use super::kubernetes::{WrittenNodeClass, WrittenNodePool};
use super::provisioning::{self, WrittenDelays};
use super::spec::ScenarioSpec;
use super::usage::Offer;
use super::validate;
use crate::document::{Code, Issue};
use crate::ids::{GroupId, OfferId, PoolId};
use crate::model::provisioning::{Market, NodeAutoscaler, NodeGroup, Offer as Sale, Provisioning};
use crate::model::{Cluster, Label, NodeShape, Pool, ShapeId};
use crate::policy::node_autoscaler::karpenter::{NodePool, Operator, operator::written};
use crate::units::SimDuration;
pub(super) use catalogue::{Rented, Supply};
use spec::CatalogueSpec;
pub(super) use spec::{CloudSpec, InstanceTypeSpec, MarketKindSpec};

/// The policy that NodePools are for.
pub(super) const KARPENTER: &str = "karpenter";
/// What labels of the AWS provider about machines begin with.
const AWS: &str = "karpenter.k8s.aws/instance-";
/// The most values of labels that a pool makes kinds of node from.
const VARIANTS_MAX: usize = 64;

/// What can be bought for a NodePool.
#[derive(Debug)]
pub(super) struct Stock {
    /// Its pool in the cluster.
    pool: PoolId,
    /// What is sold.
    offers: Vec<(ShapeId, Market)>,
    /// What the policy reads.
    manifest: Json,
}

/// Checks what can be checked without manifests.
pub(super) fn validate(scenario: &ScenarioSpec, context: &mut Context<'_>) {
    let Some(spec) = &scenario.cloud else { return };
    provisioning::delays_are_sound(spec.into(), "cloud", context);
    if let Some(spec) = &spec.market {
        market::validate(spec, scenario.horizon.is_some(), context);
    }
    let names = spec.instance_types.iter().map(|one| one.name.as_str());
    validate::unique(names, "instance types", |i| format!("cloud.instanceTypes[{i}].name"), context);
    for (index, one) in spec.instance_types.iter().enumerate() {
        let at = format!("cloud.instanceTypes[{index}]");
        let offer = Offer { allocatable: &one.allocatable, capacity: &one.capacity, reserved: &one.reserved };
        validate::offer(offer, &at, context);
        if one.usd_per_hour.is_none() && one.spot_usd_per_hour.is_none() {
            let message = format!("`{at}` has no price");
            let hint = "give `usdPerHour`, `spotUsdPerHour`, or both";
            context.report_with_hint(&at, Code::MissingKey, message, hint);
        }
    }
}

/// Adds the NodePools that have been read to the cluster.
pub(super) fn stock(
    scenario: &ScenarioSpec,
    supply: &Supply,
    cluster: &mut Cluster,
    context: &mut Context<'_>,
) -> Vec<Stock> {
    let pools = std::mem::take(&mut context.findings.node_pools);
    let classes = std::mem::take(&mut context.findings.node_classes);
    let nothing = CloudSpec::default();
    let spec = scenario.cloud.as_ref().unwrap_or(&nothing);
    supply.filters_are_sound(spec, context);
    if !pools.is_empty() && spec.catalogue.is_some() && spec.region.is_none() {
        let message = "`cloud.catalogue` has prices by region, and there is no `cloud.region`";
        context.report_with_hint("cloud.catalogue", Code::MissingKey, message, "say where the NodePools buy");
        return Vec::new();
    }
    let types = types_of(scenario, supply, cluster);
    let mut stocks = Vec::new();
    for written in &pools {
        // Of two with one name it is said where they are read.
        if stocks.iter().any(|stock: &Stock| cluster.pools[stock.pool.index()].name == written.name) {
            continue;
        }
        match stock_of(written, &classes, &types, cluster) {
            Ok(stock) => stocks.push(stock),
            Err((code, message, hint)) => {
                let issue = Issue::new(code, &written.file, written.span, message).with_hint(hint);
                context.findings.issues.push(issue);
            }
        }
    }
    if !stocks.is_empty() && scenario.horizon.is_none() {
        let message = "Karpenter goes on for ever: the scenario needs a `horizon`";
        context.report_with_hint("horizon", Code::MissingKey, message, "say when the run ends, such as `horizon: 1h`");
    }
    stocks
}

type Problem = (Code, String, &'static str);

fn stock_of(
    written: &WrittenNodePool,
    classes: &[WrittenNodeClass],
    types: &[InstanceTypeSpec],
    cluster: &mut Cluster,
) -> Result<Stock, Problem> {
    let name = &written.name;
    if cluster.pools.iter().any(|pool| pool.name == *name) {
        let message = format!("the NodePool `{name}` is called like a pool of `cluster.pools`");
        return Err((Code::DuplicateName, message, "their nodes would be called alike: rename one"));
    }
    if types.is_empty() {
        let message = format!("there is nothing to buy for the NodePool `{name}`");
        return Err((
            Code::MissingKey,
            message,
            "list machine types under `cloud.instanceTypes`, or name a `cloud.catalogue`",
        ));
    }
    let pool = written::node_pool(&written.manifest, &cluster.extended_resources)
        .map_err(|error| (Code::OutOfRange, error.0, "compare with the manifests in Karpenter's documentation"))?;
    let class =
        classes.iter().find(|class| (&class.kind, &class.name) == (&written.node_class.0, &written.node_class.1));
    let id = PoolId::from_index(cluster.pools.len());
    let mut offers = Vec::new();
    for one in types {
        for zone in one.zones.iter().filter(|zone| class.is_none_or(|class| class.has_zone(zone))) {
            for (market, price) in [(Market::Spot, one.spot_usd_per_hour), (Market::OnDemand, one.usd_per_hour)] {
                let Some(price) = price else { continue };
                for labels in labels::of_nodes(&pool, one, zone, market) {
                    let shape = shape(one, zone, labels, &pool, class, cluster);
                    let shape = NodeShape { pool: Some(id), usd_per_hour: price, ..shape };
                    cluster.shapes.push(shape);
                    offers.push((ShapeId((cluster.shapes.len() - 1) as u32), market));
                }
            }
        }
    }
    if offers.is_empty() {
        let message = format!("no machine type meets the requirements of the NodePool `{name}`");
        return Err((
            Code::Contradiction,
            message,
            "compare its requirements with `cloud.instanceTypes` and `cloud.catalogue`",
        ));
    }
    let shapes = offers.iter().map(|(shape, _)| *shape).collect();
    cluster.pools.push(Pool { name: name.clone(), shapes });
    Ok(Stock { pool: id, offers, manifest: written.manifest.clone() })
}

impl WrittenNodeClass {
    fn has_zone(&self, zone: &str) -> bool {
        self.zones.is_empty() || self.zones.iter().any(|other| other == zone)
    }
}

fn shape(
    one: &InstanceTypeSpec,
    zone: &String,
    labels: Vec<Label>,
    pool: &NodePool,
    class: Option<&WrittenNodeClass>,
    cluster: &mut Cluster,
) -> NodeShape {
    let offer = Offer { allocatable: &one.allocatable, capacity: &one.capacity, reserved: &one.reserved };
    let mut shape = build::shape(Some(zone), &one.labels, &[], offer, one.gpu.as_ref(), cluster);
    if let Some(most) = class.and_then(|class| class.max_pods) {
        shape.allocatable.pods = most;
    }
    NodeShape { labels, taints: pool.template.taints.clone(), ..shape }
}

impl<'s> From<&'s CloudSpec> for WrittenDelays<'s> {
    fn from(spec: &'s CloudSpec) -> WrittenDelays<'s> {
        WrittenDelays {
            launch: spec.launch.as_ref(),
            boot: spec.boot.as_ref(),
            ready: spec.ready.as_ref(),
            shut_down: spec.shut_down.as_ref(),
        }
    }
}

/// Adds a group for each stock.
pub(super) fn add_groups(scenario: &ScenarioSpec, supply: &Supply, stocks: &[Stock], built: &mut Provisioning) {
    let nothing = CloudSpec::default();
    let spec = scenario.cloud.as_ref().unwrap_or(&nothing);
    let delays = provisioning::delays(spec.into(), supply.delays(spec));
    for stock in stocks {
        let group = GroupId::from_index(built.groups.len());
        let first = built.offers.len();
        let offer = |(shape, market): &(ShapeId, Market)| Sale { group, shape: *shape, market: *market };
        built.offers.extend(stock.offers.iter().map(offer));
        built.groups.push(NodeGroup {
            pool: stock.pool,
            min: 0,
            // Limits of the pool are for the policy to heed.
            max: u32::MAX,
            offers: (first..built.offers.len()).map(OfferId::from_index).collect(),
            is_spread: false,
            delays: delays.clone(),
        });
    }
}

/// Tells every autoscaler with the policy `karpenter` of the NodePools whose groups are its own, and adds one where nobody is
/// there for them.
pub(super) fn hand_over(
    scenario: &ScenarioSpec,
    (supply, stocks): (&Supply, &[Stock]),
    cluster: &Cluster,
    built: &mut Provisioning,
) {
    if stocks.is_empty() {
        return;
    }
    let group_of = |stock: &Stock, built: &Provisioning| built.group_of(stock.pool).expect("every stock has a group");
    let is_one = |one: &NodeAutoscaler| one.policy.name == KARPENTER;
    if !built.autoscalers.iter().any(is_one) {
        let groups = stocks.iter().map(|stock| group_of(stock, built)).collect();
        let policy = crate::model::PolicyChoice::named(KARPENTER);
        let name = KARPENTER.to_owned();
        let (watch_delay, order_delay) = (SimDuration::ZERO, SimDuration::ZERO);
        built.autoscalers.push(NodeAutoscaler { name, policy, groups, watch_delay, order_delay });
    }
    let known = labels::of_types(&types_of(scenario, supply, cluster));
    let all: Vec<(GroupId, &str, &Json)> = stocks
        .iter()
        .map(|stock| (group_of(stock, built), cluster.pools[stock.pool.index()].name.as_str(), &stock.manifest))
        .collect();
    for one in &mut built.autoscalers {
        if one.policy.name != KARPENTER {
            one.groups.retain(|group| all.iter().all(|(other, ..)| other != group));
            continue;
        }
        let own = all.iter().filter(|(group, ..)| one.groups.contains(group));
        let manifests: Vec<Json> = own.map(|(_, _, manifest)| (*manifest).clone()).collect();
        if let Json::Object(parameters) = &mut one.policy.parameters {
            parameters.entry("nodePools").or_insert(Json::Array(manifests));
            parameters.entry("wellKnownLabels").or_insert(json!(known));
        }
    }
}

/// All that NodePools can buy.
fn types_of(scenario: &ScenarioSpec, supply: &Supply, cluster: &Cluster) -> Vec<InstanceTypeSpec> {
    scenario.cloud.as_ref().map_or_else(Vec::new, |spec| supply.types(spec, cluster.eviction.hard))
}

/// Whether an operator lists the values that there can be.
fn lists_values(operator: Operator) -> bool {
    operator == Operator::In
}
