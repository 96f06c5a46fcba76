//! The table of instance types in a scenario: what pools that name a type get of it, and what NodePools can buy of it.

use std::collections::{BTreeMap, BTreeSet};

use super::{AWS, CatalogueSpec, CloudSpec, InstanceTypeSpec, MarketKindSpec};
use crate::document::Code;
use crate::importers;
use crate::model::catalogue::{Catalogue, InstanceType, Offer, Provider};
use crate::model::cluster::{GPUS_PER_NODE_MAX, INSTANCE_TYPE_LABEL, REGION_LABEL};
use crate::model::provisioning::MachineDelays;
use crate::scenario::billing;
use crate::scenario::context::Context;
use crate::scenario::import;
use crate::scenario::schema::suggestion;
use crate::scenario::spec::{GpuSpec, PoolSpec, Quantity, ScenarioSpec};

/// So many names are listed where none is near to what was written.
const NAMES_LISTED_MAX: usize = 12;

/// The table, and what pools get of it.
#[derive(Debug, Default)]
pub(in crate::scenario) struct Supply {
    pub(in crate::scenario) catalogue: Catalogue,
    /// By pool; none: it names no type, or one that is not to be had.
    pools: Vec<Option<Rented>>,
}

/// What a pool gets of its instance type.
#[derive(Clone, Debug)]
pub(in crate::scenario) struct Rented {
    provider: Provider,
    /// The zones of its region.
    pub(in crate::scenario) zones: Vec<String>,
    pub(in crate::scenario) labels: BTreeMap<String, String>,
    pub(in crate::scenario) allocatable: BTreeMap<String, Quantity>,
    pub(in crate::scenario) reserved: BTreeMap<String, Quantity>,
    pub(in crate::scenario) gpu: Option<GpuSpec>,
    pub(in crate::scenario) usd_per_hour: f64,
}

impl Supply {
    /// Reads the tables, and looks up the types of pools; what is not there is reported.
    pub(in crate::scenario) fn new(scenario: &ScenarioSpec, context: &mut Context<'_>) -> Supply {
        let nothing = CloudSpec::default();
        let cloud = scenario.cloud.as_ref().unwrap_or(&nothing);
        let pools = &scenario.cluster.pools;
        if cloud.catalogue.is_none() && pools.iter().all(|pool| pool.instance_type.is_none()) {
            return Supply { pools: vec![None; pools.len()], ..Supply::default() };
        }
        let catalogue = read(cloud.catalogue.as_ref(), context);
        let hard = crate::scenario::usage::eviction(&scenario.cluster.kubelet).hard;
        let rent = |(index, pool): (usize, &PoolSpec)| {
            let at = format!("cluster.pools[{index}]");
            let (kind, offer) = sold(pool, &at, cloud.region.as_deref(), &catalogue, context)?;
            let zones = catalogue.zones(&offer.region);
            zones_are_there(&pool.zones, &zones, &offer.region, &format!("{at}.zones"), context);
            let usd_per_hour = price(pool, offer, &at, context)?;
            Some(rented(kind, offer, zones, usd_per_hour, hard))
        };
        let pools = pools.iter().enumerate().map(rent).collect();
        Supply { catalogue, pools }
    }

    /// Whether what stands in a region are machines of one's own.
    pub(in crate::scenario) fn is_own(&self, region: &str) -> bool {
        let mut sold = self.catalogue.types().iter().filter(|kind| kind.offer(region).is_some()).peekable();
        sold.peek().is_some() && sold.all(|kind| kind.provider == Provider::Private)
    }

    /// What a pool gets of its instance type.
    pub(in crate::scenario) fn of_pool(&self, pool: usize) -> Option<&Rented> {
        self.pools.get(pool).and_then(Option::as_ref)
    }

    /// How long machines of a pool take where the file does not say it.
    pub(in crate::scenario) fn delays_of_pool(&self, pool: usize) -> MachineDelays {
        self.of_pool(pool).map_or_else(MachineDelays::default, |rented| delays(rented.provider))
    }

    /// How long machines of NodePools take where the file does not say it.
    pub(super) fn delays(&self, cloud: &CloudSpec) -> MachineDelays {
        let spec = cloud.catalogue.as_ref();
        let provider = spec.and_then(|spec| self.sold_to_node_pools(spec, cloud).next()).map(|(kind, _)| kind.provider);
        provider.map_or_else(MachineDelays::default, delays)
    }

    /// What NodePools can buy: what the file lists, and what it lets through of the table.
    pub(super) fn types(&self, cloud: &CloudSpec, hard: u64) -> Vec<InstanceTypeSpec> {
        let mut types = cloud.instance_types.clone();
        let Some(spec) = &cloud.catalogue else { return types };
        for (kind, offer) in self.sold_to_node_pools(spec, cloud) {
            let mut zones = self.catalogue.zones(&offer.region);
            zones.retain(|zone| spec.zones.is_empty() || spec.zones.contains(zone));
            if types.iter().all(|one| one.name != kind.name) {
                types.push(written(kind, offer, zones, hard));
            }
        }
        types
    }

    fn sold_to_node_pools<'s>(
        &'s self,
        spec: &'s CatalogueSpec,
        cloud: &'s CloudSpec,
    ) -> impl Iterator<Item = (&'s InstanceType, &'s Offer)> {
        let provider = spec.provider.map(billing::provider);
        let has = |list: &[String], name: &String| list.is_empty() || list.contains(name);
        let region = cloud.region.as_deref().unwrap_or("");
        self.catalogue
            .types()
            .iter()
            .filter(move |kind| provider.is_none_or(|provider| kind.provider == provider))
            .filter(move |kind| has(&spec.families, &kind.family) && has(&spec.instance_types, &kind.name))
            .filter_map(move |kind| kind.offer(region).map(|offer| (kind, offer)))
    }

    /// Reports filters that let nothing through, and a region that is not there.
    pub(super) fn filters_are_sound(&self, cloud: &CloudSpec, context: &mut Context<'_>) {
        let Some(spec) = &cloud.catalogue else { return };
        let kinds = self.catalogue.types();
        let families: BTreeSet<&str> = kinds.iter().map(|kind| kind.family.as_str()).collect();
        let names: BTreeSet<&str> = kinds.iter().map(|kind| kind.name.as_str()).collect();
        for (key, listed, known) in
            [("families", &spec.families, &families), ("instanceTypes", &spec.instance_types, &names)]
        {
            for (index, name) in listed.iter().enumerate().filter(|(_, name)| !known.contains(name.as_str())) {
                let at = format!("cloud.catalogue.{key}[{index}]");
                let message = format!("`{at}`: the catalogue has no `{name}`");
                context.report_with_hint(&at, Code::UnknownReference, message, nearest(name, known, "it has"));
            }
        }
        if let Some(region) = &cloud.region
            && region_is_there(region, "cloud.region", &self.catalogue, context)
        {
            zones_are_there(&spec.zones, &self.catalogue.zones(region), region, "cloud.catalogue.zones", context);
        }
    }
}

/// The tables: those that come with the program, and the scenario's own.
fn read(spec: Option<&CatalogueSpec>, context: &mut Context<'_>) -> Catalogue {
    let mut catalogue = importers::catalogue::shipped();
    let nothing = CatalogueSpec::default();
    let spec = spec.unwrap_or(&nothing);
    for (index, file) in spec.files.iter().enumerate() {
        import::instance_types(file, &format!("cloud.catalogue.files[{index}]"), &mut catalogue, context);
    }
    for (index, file) in spec.region_files.iter().enumerate() {
        import::regions(file, &format!("cloud.catalogue.regionFiles[{index}]"), &mut catalogue, context);
    }
    catalogue
}

/// The type that a pool names, in its region; what is not there is reported.
fn sold<'c>(
    pool: &PoolSpec,
    at: &str,
    home: Option<&str>,
    catalogue: &'c Catalogue,
    context: &mut Context<'_>,
) -> Option<(&'c InstanceType, &'c Offer)> {
    let name = pool.instance_type.as_ref()?;
    let kind = catalogue.find(name);
    if kind.is_none() {
        let at = format!("{at}.instanceType");
        let known = catalogue.types().iter().map(|kind| kind.name.as_str()).collect();
        let message = format!("`{at}`: the catalogue has no type `{name}`");
        let hint = nearest(name, &known, "add it with `cloud.catalogue.files`; types are");
        context.report_with_hint(&at, Code::UnknownReference, message, hint);
    }
    let region_at = if pool.region.is_some() { format!("{at}.region") } else { "cloud.region".to_owned() };
    let Some(region) = pool.region.as_deref().or(home) else {
        let message = format!("`{at}` names an instance type, and no region");
        context.report_with_hint(at, Code::MissingKey, message, "give it a `region`, or `cloud.region` for all");
        return None;
    };
    let is_there = region_is_there(region, &region_at, catalogue, context);
    let kind = kind.filter(|_| is_there)?;
    let offer = kind.offer(region);
    if offer.is_none() {
        let at = format!("{at}.instanceType");
        let message = format!("`{at}`: `{name}` is not to be had in `{region}`");
        let regions: Vec<&str> = kind.offers.iter().map(|offer| offer.region.as_str()).collect();
        let hint = match regions.is_empty() {
            true => "it is to be had nowhere".to_owned(),
            false => format!("it is to be had in {}", regions.join(", ")),
        };
        context.report_with_hint(&at, Code::Contradiction, message, hint);
    }
    Some((kind, offer?))
}

/// The price of a pool's machines; one that there is none of is reported.
fn price(pool: &PoolSpec, offer: &Offer, at: &str, context: &mut Context<'_>) -> Option<f64> {
    let is_spot = pool.market == Some(MarketKindSpec::Spot);
    let price = if is_spot { offer.spot } else { Some(offer.on_demand) };
    if price.is_none() && pool.usd_per_hour.is_none() {
        let message = format!("`{at}`: the catalogue has no spot price of its type in `{}`", offer.region);
        context.report_with_hint(at, Code::MissingKey, message, "give `usdPerHour`");
        return None;
    }
    pool.usd_per_hour.or(price.map(crate::model::money::Money::as_dollars))
}

fn region_is_there(region: &str, at: &str, catalogue: &Catalogue, context: &mut Context<'_>) -> bool {
    let in_table = catalogue.regions().iter().map(|region| region.name.as_str());
    let in_offers = catalogue.types().iter().flat_map(|kind| &kind.offers).map(|offer| offer.region.as_str());
    let known: BTreeSet<&str> = in_table.chain(in_offers).collect();
    let is_there = known.contains(region);
    let message = format!("`{at}`: the catalogue has no region `{region}`");
    // Pools that name none share one.
    if !is_there && context.issues.iter().all(|issue| issue.message != message) {
        context.report_with_hint(at, Code::UnknownReference, message, nearest(region, &known, "regions are"));
    }
    is_there
}

fn zones_are_there(listed: &[String], zones: &[String], region: &str, at: &str, context: &mut Context<'_>) {
    let known: BTreeSet<&str> = zones.iter().map(String::as_str).collect();
    for (index, zone) in listed.iter().enumerate().filter(|(_, zone)| !known.contains(zone.as_str())) {
        let at = format!("{at}[{index}]");
        let message = format!("`{at}`: the region `{region}` has no zone `{zone}`");
        // Zones differ in a letter: which one is meant cannot be told.
        let hint = format!("its zones are {}", zones.join(", "));
        context.report_with_hint(&at, Code::UnknownReference, message, hint);
    }
}

/// A hint that does not list hundreds of names.
fn nearest(word: &str, known: &BTreeSet<&str>, list_them: &str) -> String {
    let names: Vec<&str> = known.iter().copied().collect();
    let hint = suggestion(word, &names, list_them);
    if names.len() <= NAMES_LISTED_MAX || hint.starts_with("did you mean") {
        return hint;
    }
    let some: Vec<String> = names.iter().step_by(names.len() / 6).map(|name| format!("`{name}`")).collect();
    format!("{list_them} {} and others like these", some.join(", "))
}

fn delays(provider: Provider) -> MachineDelays {
    let published = provider.launch_delays();
    MachineDelays { boot: published.boot, ready: published.ready, ..MachineDelays::default() }
}

fn rented(kind: &InstanceType, offer: &Offer, zones: Vec<String>, usd_per_hour: f64, hard: u64) -> Rented {
    let mut labels = labels(kind);
    labels.insert(INSTANCE_TYPE_LABEL.to_owned(), kind.name.clone());
    labels.insert("kubernetes.io/arch".to_owned(), kind.architecture.name().to_owned());
    labels.insert(REGION_LABEL.to_owned(), offer.region.clone());
    let (allocatable, reserved) = amounts(kind, hard);
    Rented { provider: kind.provider, zones, labels, allocatable, reserved, gpu: gpu(kind), usd_per_hour }
}

/// A type as a file would list it for NodePools.
fn written(kind: &InstanceType, offer: &Offer, zones: Vec<String>, hard: u64) -> InstanceTypeSpec {
    let (allocatable, reserved) = amounts(kind, hard);
    let mut labels = labels(kind);
    labels.insert(REGION_LABEL.to_owned(), offer.region.clone());
    InstanceTypeSpec {
        name: kind.name.clone(),
        architecture: Some(kind.architecture.name().to_owned()),
        zones,
        labels,
        allocatable,
        capacity: BTreeMap::new(),
        reserved,
        gpu: gpu(kind),
        usd_per_hour: Some(offer.on_demand.as_dollars()),
        spot_usd_per_hour: offer.spot.map(crate::model::money::Money::as_dollars),
    }
}

/// What pods can request, and what is kept from them but for the threshold of eviction (`hard`), which is on top of that.
fn amounts(kind: &InstanceType, hard: u64) -> (BTreeMap<String, Quantity>, BTreeMap<String, Quantity>) {
    let node = kind.allocatable();
    let kept_cpu = node.capacity_cpu.0 - node.cpu.0;
    let kept_memory = (node.capacity_memory.0 - node.memory.0).saturating_sub(hard);
    let map = |cpu: u64, memory: u64| {
        let cpu = ("cpu".to_owned(), Quantity(format!("{cpu}m")));
        BTreeMap::from([cpu, ("memory".to_owned(), Quantity(memory.to_string()))])
    };
    let mut allocatable = map(node.cpu.0, node.memory.0);
    allocatable.insert("pods".to_owned(), Quantity(node.pods.to_string()));
    (allocatable, map(kept_cpu, kept_memory))
}

fn gpu(kind: &InstanceType) -> Option<GpuSpec> {
    let (model, count) = kind.gpu.as_ref()?;
    Some(GpuSpec { model: model.clone(), count: (*count).min(GPUS_PER_NODE_MAX) })
}

/// The labels of AWS's provider that say what a machine has as it is sold; others follow from its name.
fn labels(kind: &InstanceType) -> BTreeMap<String, String> {
    let mut labels = BTreeMap::new();
    if kind.provider != Provider::Aws {
        return labels;
    }
    let mut add = |key: &str, value: String| labels.insert(format!("{AWS}{key}"), value);
    add("cpu", (kind.cpu.0 / 1000).to_string());
    add("memory", (kind.memory.0 >> 20).to_string());
    if let Some((model, count)) = &kind.gpu {
        add("gpu-name", model.to_lowercase());
        add("gpu-count", count.to_string());
    }
    labels
}
