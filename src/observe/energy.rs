//! What nodes drew from the mains, and what that and making them cost the climate, by pool.
//!
//! A node's power follows from how full it is: of containers whose use of CPU is known that use counts, of all others what their
//! pods request; GPUs count as far as they are allocated. Between changes both stay as they are, and carbon intensity is a step
//! function, so energy and carbon are exact integrals. A node draws as long as it is up, and nothing else is charged to it.
//!
//! Cost: O(log of the steps of intensity) a change of a node; O(nodes) a point of the series.

use crate::ids::{NodeId, ZoneId};
use crate::model::Model;
use crate::model::power::{Load, NodePower, Power};
use crate::results::{Column, Table};
use crate::units::{SimDuration, SimTime};
use crate::world::View;

/// A series of automatic spacing never has more points than this, each with a row a pool.
const POINTS_MAX: usize = 512;
/// Bytes of a GiB.
const GIB: f64 = 1_073_741_824.0;
/// Joules of a kWh.
const JOULES_PER_KWH: f64 = 3.6e6;

/// What nodes drew so far.
#[derive(Clone, Debug)]
pub struct EnergyLog {
    since: Vec<SimTime>,
    /// By pool; the last are nodes without one.
    pools: Vec<Totals>,
    spacing: SimDuration,
    automatic: bool,
    points: Vec<Point>,
}

/// What came together over time.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Totals {
    /// From the mains, in J.
    pub energy_j: f64,
    /// Of that energy, in g CO2e.
    pub carbon_g: f64,
    /// Of making the nodes, for the time that they were up, in g CO2e.
    pub embodied_g: f64,
}

#[derive(Clone, Debug)]
struct Point {
    time: SimTime,
    /// By pool: totals so far, watts at the mains, and g CO2e an hour.
    pools: Vec<(Totals, f64, f64)>,
}

/// Key figures; NaN where nobody asked.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Figures {
    /// Energy from the mains.
    pub energy_kwh: f64,
    /// Carbon of that energy.
    pub carbon_kg: f64,
    /// Carbon of making the nodes, for the time that they were up.
    pub embodied_kg: f64,
}

impl EnergyLog {
    /// A log for a model that says what nodes draw; none for others.
    pub fn new(model: &Model) -> Option<EnergyLog> {
        let power = model.power.as_ref()?;
        let every = model.outputs.sample_every;
        Some(EnergyLog {
            since: Vec::new(),
            pools: vec![Totals::default(); power.pools.len() + 1],
            spacing: every.unwrap_or(SimDuration(1_000_000_000)),
            automatic: every.is_none(),
            points: Vec::new(),
        })
    }

    /// Accounts for the time up to now; to be called before a node changes.
    pub fn settle(&mut self, view: &View<'_>, node: NodeId) {
        self.settle_until(view, node, view.world.time);
    }

    fn settle_until(&mut self, view: &View<'_>, node: NodeId, until: SimTime) {
        let (i, nodes) = (node.index(), &view.world.nodes);
        if self.since.len() <= i {
            self.since.resize(i + 1, SimTime::ZERO);
        }
        let since = self.since[i].max(nodes.added[i]);
        if !nodes.state[i].is_up() || until <= since {
            return;
        }
        self.since[i] = until;
        let place = Place::of(view, node);
        let Some(pool) = self.pools.get_mut(place.pool) else { return };
        let watts = place.power.watts(&load(view, node)) * place.pue;
        let seconds = until.since(since).as_seconds();
        pool.energy_j += watts * seconds;
        pool.embodied_g += place.power.embodied_g_per_s() * seconds;
        if let Some(carbon) = &view.model.carbon {
            pool.carbon_g += watts / JOULES_PER_KWH * carbon.of(place.zone).integral(since, until);
        }
    }

    fn settle_all(&mut self, view: &View<'_>, until: SimTime) {
        for i in 0..view.world.nodes.len() {
            self.settle_until(view, NodeId::from_index(i), until);
        }
    }

    /// Takes all points before `to`; the state is what holds until then.
    pub fn record_until(&mut self, view: &View<'_>, to: SimTime) {
        loop {
            let next = SimTime((self.points.len() as u64).saturating_mul(self.spacing.0));
            if next >= to {
                return;
            }
            self.push(view, next);
            if self.automatic && self.points.len() >= POINTS_MAX {
                // Every other point, from the first: the others fall off the doubled grid.
                self.points = self.points.iter().step_by(2).cloned().collect();
                self.spacing = SimDuration(self.spacing.0 * 2);
            }
        }
    }

    /// Takes the last point, at the end of the run.
    pub fn record_end(&mut self, view: &View<'_>) {
        self.push(view, view.world.time);
    }

    fn push(&mut self, view: &View<'_>, time: SimTime) {
        self.settle_all(view, time);
        let mut pools: Vec<(Totals, f64, f64)> = self.pools.iter().map(|totals| (*totals, 0.0, 0.0)).collect();
        let nodes = &view.world.nodes;
        for node in (0..nodes.len()).filter(|&i| nodes.state[i].is_up()).map(NodeId::from_index) {
            let place = Place::of(view, node);
            let watts = place.power.watts(&load(view, node)) * place.pue;
            let intensity = view.model.carbon.as_ref().map_or(f64::NAN, |carbon| carbon.of(place.zone).at(time));
            let (_, drawn, carbon) = &mut pools[place.pool];
            *drawn += watts;
            *carbon += watts / 1000.0 * intensity;
        }
        self.points.push(Point { time, pools });
    }

    /// Key figures of the run.
    pub fn figures(&self, view: &View<'_>) -> Figures {
        // An empty sum of floats is negative zero.
        let sum = |of: fn(&Totals) -> f64| self.pools.iter().fold(0.0, |sum, pool| sum + of(pool));
        let carbon_kg = sum(|pool| pool.carbon_g) / 1000.0;
        Figures {
            energy_kwh: sum(|pool| pool.energy_j) / JOULES_PER_KWH,
            carbon_kg: if view.model.carbon.is_some() { carbon_kg } else { f64::NAN },
            embodied_kg: sum(|pool| pool.embodied_g) / 1000.0,
        }
    }

    /// What came together, by pool; the last are nodes without one.
    pub fn pools(&self) -> &[Totals] {
        &self.pools
    }

    /// One row a point and pool; nodes without a pool only where there are such. Power and carbon are those at the mains, and
    /// intensity is the mean of a pool's zones by their power.
    pub fn table(&self, view: &View<'_>) -> Table {
        let names = view.model.cluster.pools.iter().map(|pool| pool.name.as_str()).chain([""]);
        let last = self.pools.len() - 1;
        let others = self.points.iter().any(|point| point.pools[last].1 > 0.0) || last == 0;
        let shown = || 0..last + usize::from(others);
        let rows =
            || self.points.iter().flat_map(move |point| shown().map(move |pool| (point.time, point.pools[pool])));
        let fixed = |digits, of: &dyn Fn((Totals, f64, f64)) -> f64| {
            Column::Fixed(digits, rows().map(|row| of(row.1)).collect())
        };
        let kg = |grams: f64| if view.model.carbon.is_some() { grams / 1000.0 } else { f64::NAN };
        Table::new()
            .with("time_s", Column::Seconds(rows().map(|row| row.0).collect()))
            .with(
                "pool",
                Column::Dictionary {
                    codes: self.points.iter().flat_map(|_| shown().map(|pool| pool as u32)).collect(),
                    values: names.map(str::to_owned).collect(),
                },
            )
            .with("power_w", fixed(3, &|(_, watts, _)| watts))
            .with("intensity_g_per_kwh", fixed(3, &|(_, watts, g_per_h)| g_per_h / watts * 1000.0))
            .with("energy_kwh", fixed(6, &|(totals, _, _)| totals.energy_j / JOULES_PER_KWH))
            .with("carbon_kg", fixed(6, &|(totals, _, _)| kg(totals.carbon_g)))
            .with("carbon_embodied_kg", fixed(6, &|(totals, _, _)| totals.embodied_g / 1000.0))
    }
}

/// What is the same for all nodes of a kind.
struct Place<'m> {
    pool: usize,
    power: &'m NodePower,
    pue: f64,
    zone: Option<ZoneId>,
}

impl<'m> Place<'m> {
    fn of(view: &View<'m>, node: NodeId) -> Place<'m> {
        let power: &Power = view.model.power.as_ref().expect("only models with power have a log");
        let shape = view.model.cluster.shape(view.world.nodes.shape[node.index()]);
        let pool = shape.pool.map(|pool| pool.index()).filter(|pool| *pool < power.pools.len());
        Place {
            pool: pool.unwrap_or(power.pools.len()),
            power: pool.map_or(&power.others, |pool| &power.pools[pool]),
            pue: power.pue,
            zone: shape.zone,
        }
    }
}

/// How full a node is.
fn load<'m>(view: &View<'m>, node: NodeId) -> Load<'m> {
    let (i, nodes) = (node.index(), &view.world.nodes);
    let shape = view.model.cluster.shape(nodes.shape[i]);
    let known = view.world.usage.get(node).map(|usage| usage.cpu).unwrap_or_default();
    let requested = nodes.cpu[i] - nodes.free_cpu[i];
    let used_milli = requested.saturating_sub(known.requested_milli) + known.used_milli;
    Load {
        cores: (nodes.cpu[i] + shape.reserved.cpu.0) as f64 / 1000.0,
        cores_used: used_milli as f64 / 1000.0,
        memory_gib: (nodes.memory[i] + shape.reserved.memory.0) as f64 / GIB,
        gpus: f64::from(nodes.gpu_count(node)),
        gpus_used: f64::from(nodes.gpu_count(node)) - f64::from(nodes.gpu_left_total[i]) / 1000.0,
        gpu_model: shape.gpu.map(|gpu| view.model.cluster.gpu_models[gpu.model.index()].as_str()),
    }
}
