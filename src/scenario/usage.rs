//! What containers use, capacity and reservations of nodes, and thresholds of evictions: from the file to the model.

use std::collections::BTreeMap;

use super::context::Context;
use super::distribution::distribution;
use super::import;
use super::schema::join;
use super::spec::{DistributionSpec, Duration, KubeletSpec, Quantity, UsageSeriesSpec, UsageSpec};
use crate::document::Code;
use crate::importers::usage::TableOptions;
use crate::model::{Demand, Dist, Eviction, Resources};
use crate::units::{Bytes, MilliCpu, QuantityError, SimDuration};

/// Steps that a ramp of CPU takes.
const CPU_RAMP_STEPS: u64 = 100;

/// What is used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Used {
    /// Milli-cores.
    Cpu,
    /// Bytes.
    Memory,
}

impl Used {
    pub(super) fn parse(self, text: &str) -> Result<u64, QuantityError> {
        match self {
            Used::Cpu => MilliCpu::parse(text).map(|amount| amount.0),
            Used::Memory => Bytes::parse(text).map(|amount| amount.0),
        }
    }

    /// What a core, or a byte, is in the unit of the model.
    fn units_of_one(self) -> f64 {
        match self {
            Used::Cpu => 1000.0,
            Used::Memory => 1.0,
        }
    }

    /// The span that stands for an amount in a distribution: a second for a core or for a MiB.
    fn span(self, amount: u64) -> Duration {
        let unit = match self {
            Used::Cpu => 1000,
            Used::Memory => 1 << 20,
        };
        let nanoseconds = u128::from(amount) * 1_000_000_000 / unit;
        Duration(SimDuration(u64::try_from(nanoseconds).unwrap_or(u64::MAX)))
    }
}

/// The demand that a file describes; none, and the reasons reported, when there is none.
pub(super) fn demand(spec: &UsageSpec, used: Used, at: &str, context: &mut Context<'_>) -> Option<Demand> {
    if let UsageSpec::Series(series) = spec {
        return recorded(series, used, &format!("{at}.series"), context).map(Demand::Series);
    }
    match without_file(spec, used) {
        Ok(demand) => Some(demand),
        Err((code, why)) => {
            context.report(at, code, format!("`{at}`: {why}"));
            None
        }
    }
}

/// Recorded steps.
fn recorded(
    spec: &UsageSeriesSpec,
    used: Used,
    at: &str,
    context: &mut Context<'_>,
) -> Option<Vec<(SimDuration, u64)>> {
    match spec {
        UsageSeriesSpec::File(file) => {
            let path = context.existing_path(at, file)?;
            import::usage(&path, |text| used.parse(text).map_err(|refused| refused.to_string()), context)
        }
        UsageSeriesSpec::Table(spec) => {
            let path = context.existing_path(&format!("{at}.file"), &spec.file)?;
            let options = TableOptions {
                time: spec.time.as_deref(),
                time_unit: spec.time_unit.map(|unit| unit.0),
                column: spec.column.as_deref(),
                scale: spec.scale * used.units_of_one(),
                from: spec.from.as_deref(),
                rows: &spec.rows,
            };
            import::usage_table(&path, &options, context)
        }
    }
}

fn without_file(spec: &UsageSpec, used: Used) -> Result<Demand, (Code, String)> {
    let amount = |Quantity(text): &Quantity| used.parse(text).map_err(|why| (Code::BadQuantity, why.to_string()));
    let span = |quantity: &Quantity| Ok(used.span(amount(quantity)?));
    let optional = |quantity: &Option<Quantity>| quantity.as_ref().map(span).transpose();
    let spans = match spec {
        UsageSpec::Constant(quantity) => return Ok(Demand::Constant(amount(quantity)?)),
        UsageSpec::Ramp { over, .. } if over.0 == SimDuration::ZERO => {
            return Err((Code::OutOfRange, "`over` must be more than 0".to_owned()));
        }
        UsageSpec::Ramp { from, to, over } => return Ok(ramp(used, amount(from)?, amount(to)?, over.0)),
        UsageSpec::Uniform { min, max } if amount(min)? > amount(max)? => {
            return Err((Code::BadDistribution, format!("`min` is {}, more than `max`, {}", min.0, max.0)));
        }
        UsageSpec::Uniform { min, max } => DistributionSpec::Uniform { min: span(min)?, max: span(max)? },
        UsageSpec::Exponential { mean } => DistributionSpec::Exponential { mean: span(mean)? },
        UsageSpec::Normal { mean, sd } => DistributionSpec::Normal { mean: span(mean)?, sd: span(sd)? },
        UsageSpec::Lognormal { mean, sd, p99 } => {
            DistributionSpec::Lognormal { mean: span(mean)?, sd: optional(sd)?, p99: optional(p99)? }
        }
        UsageSpec::Empirical(list) => {
            DistributionSpec::Empirical(list.iter().map(span).collect::<Result<_, (Code, String)>>()?)
        }
        UsageSpec::Series(_) => DistributionSpec::Constant(Duration(SimDuration::ZERO)),
    };
    let dist: Dist = distribution(&spans).map_err(|why| (Code::BadDistribution, why))?;
    Ok(Demand::Drawn(dist))
}

/// Memory rises evenly; CPU, which the engine knows in steps only, in a hundred of them.
fn ramp(used: Used, from: u64, to: u64, over: SimDuration) -> Demand {
    let even = Demand::Ramp { from, to, over };
    if used == Used::Memory {
        return even;
    }
    let ages = (0..=CPU_RAMP_STEPS).map(|step| u128::from(over.0) * u128::from(step) / u128::from(CPU_RAMP_STEPS));
    let ages = ages.map(|age| SimDuration(u64::try_from(age).unwrap_or(u64::MAX)));
    let mut steps: Vec<(SimDuration, u64)> = ages.map(|age| (age, even.at(0, age))).collect();
    steps.dedup_by_key(|(age, _)| *age);
    Demand::Series(steps)
}

/// Checks what can be checked without reading other files.
pub(super) fn validate(spec: Option<&UsageSpec>, used: Used, at: &str, context: &mut Context<'_>) {
    match spec {
        None => {}
        Some(UsageSpec::Series(UsageSeriesSpec::File(file))) => {
            context.existing_path(&format!("{at}.series"), file);
        }
        Some(UsageSpec::Series(UsageSeriesSpec::Table(table))) => {
            context.existing_path(&format!("{at}.series.file"), &table.file);
            if table.time_unit.is_some_and(|unit| unit.0 == SimDuration::ZERO) {
                let at = format!("{at}.series.timeUnit");
                context.report(&at, Code::OutOfRange, format!("`{at}` must be more than 0"));
            }
        }
        Some(spec) => {
            demand(spec, used, at, context);
        }
    }
}

/// What a node offers, as a file may say it in two ways.
#[derive(Clone, Copy, Debug)]
pub(super) struct Offer<'s> {
    /// What pods can request.
    pub(super) allocatable: &'s BTreeMap<String, Quantity>,
    /// What there is.
    pub(super) capacity: &'s BTreeMap<String, Quantity>,
    /// What of that is kept for the system.
    pub(super) reserved: &'s BTreeMap<String, Quantity>,
}

/// Checks that it is said in exactly one way; gives the key under which amounts stand.
pub(super) fn validate_offer(offer: Offer<'_>, at: &str, context: &mut Context<'_>) -> &'static str {
    let allocatable = join(at, "allocatable");
    match (offer.allocatable.is_empty(), offer.capacity.is_empty()) {
        (false, false) => {
            let message = format!("`{at}` has both `allocatable` and `capacity`");
            let hint = "`allocatable` is what `reserved` and `evictionHard` leave of `capacity`: keep one of the two";
            context.report_with_hint(&allocatable, Code::Contradiction, message, hint);
        }
        (true, true) => {
            let message = format!("the key `allocatable` is missing in `{at}`");
            context.report_with_hint(at, Code::MissingKey, message, "or give `capacity` and what is `reserved` of it");
        }
        _ => {}
    }
    if !offer.reserved.is_empty() && offer.capacity.is_empty() {
        let message = format!("`{at}.reserved` is taken off `capacity`, which is not given");
        context.report(&format!("{at}.reserved"), Code::Contradiction, message);
    }
    for (name, Quantity(text)) in offer.reserved {
        let at = join(&format!("{at}.reserved"), name);
        if !["cpu", "memory", "ephemeral-storage"].contains(&name.as_str()) {
            context.report(&at, Code::NotAllowed, format!("`{name}` cannot be reserved"));
        } else if let Some(Quantity(capacity)) = offer.capacity.get(name)
            && let (Ok(reserved), Ok(capacity)) = (MilliCpu::parse(text), MilliCpu::parse(capacity))
            && reserved > capacity
        {
            context.report(&at, Code::OutOfRange, format!("`{at}` is more than the capacity"));
        }
    }
    if offer.capacity.is_empty() { "allocatable" } else { "capacity" }
}

/// What is left of a capacity for pods (`GetNodeAllocatableReservation`): less than nothing is nothing.
pub(super) fn allocatable(mut capacity: Resources, reserved: &Resources, eviction: &Eviction) -> Resources {
    capacity.cpu.0 = capacity.cpu.0.saturating_sub(reserved.cpu.0);
    capacity.memory.0 = capacity.memory.0.saturating_sub(reserved.memory.0.saturating_add(eviction.hard));
    capacity.ephemeral_storage.0 = capacity.ephemeral_storage.0.saturating_sub(reserved.ephemeral_storage.0);
    capacity
}

/// Checks the settings of kubelets.
pub(super) fn validate_kubelet(spec: &KubeletSpec, context: &mut Context<'_>) {
    let at = |key: &str| format!("cluster.kubelet.{key}.\"memory.available\"");
    let quantities = [
        ("evictionHard", &spec.eviction_hard.memory_available),
        ("evictionSoft", &spec.eviction_soft.memory_available),
        ("evictionMinimumReclaim", &spec.eviction_minimum_reclaim.memory_available),
    ];
    for (key, quantity) in quantities {
        if let Some(Err(why)) = quantity.as_ref().map(|Quantity(text)| Bytes::parse(text)) {
            context.report(&at(key), Code::BadQuantity, format!("`{}`: {why}", at(key)));
        }
    }
    let grace = spec.eviction_soft_grace_period.memory_available;
    if spec.eviction_soft.memory_available.is_some() != grace.is_some() {
        let message = "`evictionSoft` and `evictionSoftGracePeriod` of `cluster.kubelet` need each other";
        context.report("cluster.kubelet", Code::Contradiction, message);
    }
}

/// When kubelets evict.
pub(super) fn eviction(spec: &KubeletSpec) -> Eviction {
    let bytes = |quantity: &Option<Quantity>| {
        quantity.as_ref().map(|Quantity(text)| Bytes::parse(text).expect("quantities have been checked").0)
    };
    let default = Eviction::default();
    Eviction {
        hard: bytes(&spec.eviction_hard.memory_available).unwrap_or(default.hard),
        soft: bytes(&spec.eviction_soft.memory_available)
            .zip(spec.eviction_soft_grace_period.memory_available.map(|grace| grace.0)),
        max_pod_grace_period: spec.eviction_max_pod_grace_period.map_or(default.max_pod_grace_period, |span| span.0),
        minimum_reclaim: bytes(&spec.eviction_minimum_reclaim.memory_available).unwrap_or(default.minimum_reclaim),
        transition_period: spec.eviction_pressure_transition_period.map_or(default.transition_period, |span| span.0),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::document::parse_value;

    fn read(text: &str, used: Used) -> Result<Demand, String> {
        let node = parse_value(text, &"f".into()).unwrap();
        without_file(&serde_json::from_value(node.to_json()).unwrap(), used).map_err(|(_, why)| why)
    }

    #[test]
    fn usage_is_read_in_its_unit() {
        const MIB: u64 = 1 << 20;
        let uniform = |min, max| Demand::Drawn(Dist::Uniform { min, max });
        for (text, used, expected) in [
            ("250m", Used::Cpu, Demand::Constant(250)),
            ("2", Used::Cpu, Demand::Constant(2000)),
            ("1Mi", Used::Memory, Demand::Constant(MIB)),
            // A second stands for a core, or for a MiB.
            ("{uniform: {min: 500m, max: 2}}", Used::Cpu, uniform(0.5, 2.0)),
            ("{uniform: {min: 512Ki, max: 1Gi}}", Used::Memory, uniform(0.5, 1024.0)),
            (
                "{ramp: {from: 0, to: 1Gi, over: 10s}}",
                Used::Memory,
                Demand::Ramp { from: 0, to: 1024 * MIB, over: SimDuration(10_000_000_000) },
            ),
        ] {
            assert_eq!(read(text, used), Ok(expected), "{text}");
        }
        let Ok(Demand::Series(steps)) = read("{ramp: {from: 0, to: 1, over: 50s}}", Used::Cpu) else { panic!() };
        // A hundred steps of 10 milli-cores, every half second.
        assert_eq!((steps.len(), steps[1], steps[100].1), (101, (SimDuration(500_000_000), 10), 1000));
    }

    #[test]
    fn contradictions_are_refused() {
        for text in [
            "{uniform: {min: 2, max: 1}}",
            "{ramp: {from: 0, to: 1, over: 0}}",
            "{lognormal: {mean: 1}}",
            "{empirical: []}",
            "1x",
        ] {
            assert!(read(text, Used::Cpu).is_err(), "{text}");
        }
    }

    #[test]
    fn capacity_less_reservations_is_allocatable() {
        let resources = |cpu, memory_mib: u64| Resources {
            cpu: MilliCpu(cpu),
            memory: Bytes(memory_mib << 20),
            pods: 110,
            ..Resources::default()
        };
        // 4000 - 80 milli-cores; 16384 - 2048 - 100 MiB.
        let left = allocatable(resources(4000, 16_384), &resources(80, 2048), &Eviction::default());
        assert_eq!(left, resources(3920, 14_236));
        let left = allocatable(resources(4000, 1000), &resources(80, 950), &Eviction::default());
        assert_eq!(left, resources(3920, 0));
    }
}
