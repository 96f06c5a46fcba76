//! `power` and `carbon`: what is checked of them, and what the model gets.

mod spec;

pub(super) use self::spec::{CarbonSpec, PowerSpec};

use self::spec::{DeferrableSpec, IntensitySpec, NodePowerSpec, ProviderSpec, WattsSpec};
use super::context::Context;
use super::import;
use super::schema::suggestion;
use super::spec::ScenarioSpec;
use crate::document::Code;
use crate::ids::{ClassId, ZoneId};
use crate::model::carbon::Deferrable;
use crate::model::cluster::ZONE_LABEL;
use crate::model::power::{
    CpuPower, LIFETIME_HOURS, MEMORY_WATTS_PER_GIB, NodePower, PROVIDERS, Provider, TABLE_LENGTH, Watts,
};
use crate::model::{Carbon, Cluster, Intensity, Label, Power, Workload};
use crate::policy::deferral;
use crate::units::SimDuration;

/// Who decides when pods start that can wait, where nothing is said.
const POLICY: &str = "lowest-window";

/// Checks power and carbon as far as that is possible without files.
pub(super) fn validate(spec: &ScenarioSpec, context: &mut Context<'_>) {
    for (index, nodes) in spec.power.iter().flat_map(|power| &power.nodes).enumerate() {
        node_power_is_sound(nodes, &format!("power.nodes[{index}]"), spec, context);
    }
    let Some(carbon) = &spec.carbon else { return };
    for (index, intensity) in carbon.intensity.iter().enumerate() {
        intensity_is_sound(intensity, &format!("carbon.intensity[{index}]"), context);
    }
    for (index, deferrable) in carbon.deferrable.iter().enumerate() {
        deferrable_is_sound(deferrable, &format!("carbon.deferrable[{index}]"), context);
    }
}

fn node_power_is_sound(nodes: &NodePowerSpec, at: &str, spec: &ScenarioSpec, context: &mut Context<'_>) {
    if let Some(name) = &nodes.pool {
        let pools: Vec<&str> = spec.cluster.pools.iter().map(|pool| pool.name.as_str()).collect();
        if !pools.contains(&name.as_str()) {
            let hint = suggestion(name, &pools, "the pools are");
            let message = format!("there is no pool `{name}`");
            context.report_with_hint(&format!("{at}.pool"), Code::UnknownReference, message, hint);
        }
    }
    let given = [nodes.watts.is_some(), nodes.watts_per_core.is_some(), !nodes.watts_table.is_empty()];
    if given.into_iter().filter(|given| *given).count() > 1 {
        let message = format!("`{at}` says more than once what a node draws");
        let hint = "give at most one of `watts`, `wattsPerCore`, `wattsTable`";
        context.report_with_hint(at, Code::Contradiction, message, hint);
    }
    let of = [("watts", nodes.watts), ("wattsPerCore", nodes.watts_per_core), ("wattsPerGpu", nodes.watts_per_gpu)];
    for (key, watts) in of {
        if let Some(WattsSpec { idle, max }) = watts.filter(|watts| watts.idle > watts.max) {
            let message = format!("`{at}.{key}`: `idle` is {idle}, more than `max`, {max}");
            context.report(&format!("{at}.{key}"), Code::OutOfRange, message);
        }
    }
    let table = &nodes.watts_table;
    if !table.is_empty() && (table.len() != TABLE_LENGTH || table.iter().any(|watts| *watts < 0.0)) {
        let at = format!("{at}.wattsTable");
        let message = format!("`{at}` needs {TABLE_LENGTH} numbers that are not negative, for 0 %, 10 %, ... 100 %");
        context.report(&at, Code::OutOfRange, message);
    }
    if nodes.lifetime.is_some_and(|lifetime| lifetime.0 == SimDuration::ZERO) {
        let at = format!("{at}.lifetime");
        context.report(&at, Code::OutOfRange, format!("`{at}` must be more than 0"));
    }
}

fn intensity_is_sound(spec: &IntensitySpec, at: &str, context: &mut Context<'_>) {
    let given = [spec.constant.is_some(), spec.daily.is_some(), spec.file.is_some()];
    if given.into_iter().filter(|given| *given).count() != 1 {
        let message = format!("`{at}` needs one way to say what it is");
        let hint = "give exactly one of `constant`, `daily`, `file`";
        context.report_with_hint(at, Code::Contradiction, message, hint);
    }
    if spec.from.is_some() && spec.file.is_none() {
        let at = format!("{at}.from");
        context.report(&at, Code::Contradiction, format!("`{at}` is an instant of a `file`, and there is none"));
    }
    if let Some(file) = &spec.file {
        context.existing_path(&format!("{at}.file"), file);
    }
}

fn deferrable_is_sound(spec: &DeferrableSpec, at: &str, context: &mut Context<'_>) {
    let name = spec.policy.as_deref().unwrap_or(POLICY);
    let Some(row) = deferral::find(name) else {
        let names: Vec<&str> = deferral::DEFERRALS.iter().map(|row| row.name).collect();
        let hint = suggestion(name, &names, "the policies are");
        let message = format!("there is no policy of deferral `{name}`");
        context.report_with_hint(&format!("{at}.policy"), Code::UnknownPolicy, message, hint);
        return;
    };
    if let Err(error) = row.build(&spec.parameters.clone().into()) {
        let message = format!("the policy `{name}`: {error}");
        context.report(&format!("{at}.parameters"), Code::OutOfRange, message);
    }
}

/// What nodes draw.
pub(super) fn power(spec: &ScenarioSpec) -> Option<Power> {
    let power = spec.power.as_ref()?;
    let name = match power.provider {
        ProviderSpec::Aws => "aws",
        ProviderSpec::Azure => "azure",
        ProviderSpec::Gcp => "gcp",
    };
    let provider = PROVIDERS.iter().find(|one| one.name == name).expect("every provider of the format has a row");
    let of = |pool: Option<&str>| {
        let entry = power.nodes.iter().find(|entry| entry.pool.is_none() || entry.pool.as_deref() == pool);
        entry.map_or_else(|| averages(provider), |entry| node_power(entry, provider))
    };
    Some(Power {
        pue: power.pue.unwrap_or(provider.pue),
        pools: spec.cluster.pools.iter().map(|pool| of(Some(&pool.name))).collect(),
        others: of(None),
    })
}

fn averages(provider: &Provider) -> NodePower {
    NodePower {
        cpu: CpuPower::PerCore(provider.per_core),
        memory_watts_per_gib: MEMORY_WATTS_PER_GIB,
        gpu: None,
        embodied_kg: 0.0,
        lifetime_hours: LIFETIME_HOURS,
    }
}

fn node_power(spec: &NodePowerSpec, provider: &Provider) -> NodePower {
    let watts = |spec: WattsSpec| Watts { idle: spec.idle, max: spec.max };
    let table = <[f64; TABLE_LENGTH]>::try_from(spec.watts_table.as_slice()).ok().map(CpuPower::Table);
    let whole = spec.watts.map(|spec| CpuPower::Node(watts(spec))).or(table);
    let memory = if whole.is_some() { 0.0 } else { MEMORY_WATTS_PER_GIB };
    let per_core = spec.watts_per_core.map_or(provider.per_core, watts);
    NodePower {
        cpu: whole.unwrap_or(CpuPower::PerCore(per_core)),
        memory_watts_per_gib: spec.watts_per_gib.unwrap_or(memory),
        gpu: spec.watts_per_gpu.map(watts),
        embodied_kg: spec.embodied_kg,
        lifetime_hours: spec.lifetime.map_or(LIFETIME_HOURS, |span| span.0.as_seconds() / 3600.0),
    }
}

/// What a kWh costs, and which pods can wait: those get a class for each zone that they may be sent to.
pub(super) fn carbon(
    spec: &ScenarioSpec,
    cluster: &Cluster,
    workload: &mut Workload,
    context: &mut Context<'_>,
) -> Option<Carbon> {
    let carbon = spec.carbon.as_ref()?;
    let read: Vec<Option<Intensity>> = carbon
        .intensity
        .iter()
        .enumerate()
        .map(|(index, spec)| intensity(spec, &format!("carbon.intensity[{index}]"), context))
        .collect();
    let of = |zone: Option<&str>| {
        let holds = |entry: &IntensitySpec| entry.zone.is_none() || entry.zone.as_deref() == zone;
        let entry = carbon.intensity.iter().position(holds)?;
        Some(read[entry].clone().unwrap_or_else(|| Intensity::constant(0.0)))
    };
    for (index, entry) in carbon.intensity.iter().enumerate() {
        let zone = entry.zone.as_deref();
        zone_is_there(zone, &format!("carbon.intensity[{index}].zone"), cluster, context);
    }
    for zone in cluster.zones.iter().filter(|zone| of(Some(zone)).is_none()) {
        let message = format!("`carbon.intensity` says nothing of the zone `{zone}`");
        let hint = "add an entry with that `zone`, or one without a zone for all others";
        context.report_with_hint("carbon", Code::MissingKey, message, hint);
    }
    let zones = cluster.zones.iter().map(|zone| of(Some(zone)).unwrap_or_else(|| Intensity::constant(0.0))).collect();
    // Nodes without a zone may be none: then nobody asks.
    let elsewhere = of(None).unwrap_or_else(|| Intensity::constant(0.0));
    let mut deferrable = Vec::new();
    for (index, spec) in carbon.deferrable.iter().enumerate() {
        let at = format!("carbon.deferrable[{index}]");
        deferrable.extend(deferrable_classes(spec, &at, cluster, workload, context));
    }
    Some(Carbon { zones, elsewhere, deferrable })
}

fn intensity(spec: &IntensitySpec, at: &str, context: &mut Context<'_>) -> Option<Intensity> {
    match (&spec.file, spec.daily, spec.constant) {
        (Some(file), ..) => import::carbon_intensity(file, spec.from.as_deref(), at, context),
        (None, Some(daily), _) => Some(Intensity::daily(daily.mean, daily.amplitude, daily.highest.0)),
        (None, None, constant) => constant.map(Intensity::constant),
    }
}

fn zone_is_there(zone: Option<&str>, at: &str, cluster: &Cluster, context: &mut Context<'_>) -> Option<ZoneId> {
    let name = zone?;
    let found = cluster.zones.iter().position(|zone| zone == name);
    if found.is_none() {
        let zones: Vec<&str> = cluster.zones.iter().map(String::as_str).collect();
        let hint = suggestion(name, &zones, "the zones are");
        context.report_with_hint(at, Code::UnknownReference, format!("there is no zone `{name}`"), hint);
    }
    found.map(ZoneId::from_index)
}

/// The classes of a template that can wait.
fn deferrable_classes(
    spec: &DeferrableSpec,
    at: &str,
    cluster: &Cluster,
    workload: &mut Workload,
    context: &mut Context<'_>,
) -> Vec<Deferrable> {
    let of_template = |class: &ClassId| workload.class(*class).template == spec.template;
    let classes: Vec<ClassId> = (0..workload.classes.len()).map(ClassId::from_index).filter(of_template).collect();
    if classes.is_empty() {
        let mut names: Vec<&str> = workload.classes.iter().map(|class| class.template.as_str()).collect();
        names.dedup();
        let hint = suggestion(&spec.template, &names, "the templates are");
        let message = format!("there is no template `{}`", spec.template);
        context.report_with_hint(&format!("{at}.template"), Code::UnknownReference, message, hint);
    }
    let zone =
        |(index, name): (usize, &String)| zone_is_there(Some(name), &format!("{at}.zones[{index}]"), cluster, context);
    let zones: Vec<ZoneId> = spec.zones.iter().enumerate().filter_map(zone).collect();
    let mut deferrable = |class: ClassId| Deferrable {
        class,
        deadline: spec.deadline.0,
        length: spec.length.map(|length| length.0),
        policy: spec.policy.clone().unwrap_or_else(|| POLICY.to_owned()),
        parameters: spec.parameters.clone().into(),
        zones: zones.iter().map(|&zone| (zone, class_in(class, &cluster.zones[zone.index()], workload))).collect(),
    };
    classes.into_iter().map(&mut deferrable).collect()
}

/// The class of pods that may go to that zone only.
fn class_in(class: ClassId, zone: &str, workload: &mut Workload) -> ClassId {
    let mut class = workload.class(class).clone();
    let label = Label { key: ZONE_LABEL.to_owned(), value: zone.to_owned() };
    class.node_selector.retain(|other| other.key != ZONE_LABEL);
    class.node_selector.push(label);
    class.node_selector.sort();
    workload.intern_class(class)
}
