//! What nodes draw from the mains, and what it cost the climate to make them.
//!
//! Figures by vCPU and by GPU are those of Cloud Carbon Footprint (its methodology and constants, as of August 2022), which took
//! processors from SPECpower_ssj2008 and GPUs from the EC2 data set of Teads (September 2021).

/// Watts of one vCPU when idle and when busy, and the power usage effectiveness of the data centres, by provider. Averages over
/// the processors that it uses; for GCP medians.
pub const PROVIDERS: &[Provider] = &[
    Provider { name: "aws", per_core: Watts { idle: 0.74, max: 3.5 }, pue: 1.135 },
    Provider { name: "azure", per_core: Watts { idle: 0.78, max: 3.76 }, pue: 1.125 },
    Provider { name: "gcp", per_core: Watts { idle: 0.71, max: 4.26 }, pue: 1.1 },
];

/// Watts of a GiB of memory, which hardly depend on its use: 0.000392 kWh a GB-hour, the mean of what Crucial and Micron state.
pub const MEMORY_WATTS_PER_GIB: f64 = 0.392;

/// How long a server is used, in hours: four years.
pub const LIFETIME_HOURS: f64 = 35_040.0;

/// Watts of one GPU by model.
pub const GPUS: &[(&str, Watts)] = &[
    ("A100", Watts { idle: 46.0, max: 407.0 }),
    ("A10G", Watts { idle: 18.0, max: 153.0 }),
    ("P100", Watts { idle: 36.0, max: 306.0 }),
    ("P4", Watts { idle: 9.0, max: 76.5 }),
    ("T4", Watts { idle: 8.0, max: 71.0 }),
    ("V100", Watts { idle: 35.0, max: 306.0 }),
];

/// Steps of utilisation in a table of watts: 0 %, 10 %, ... 100 %, as SPECpower reports them.
pub const TABLE_LENGTH: usize = 11;

/// What is known of a provider.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Provider {
    /// Name.
    pub name: &'static str,
    /// Of one vCPU.
    pub per_core: Watts,
    /// What the data centre draws over what its machines draw.
    pub pue: f64,
}

/// Idle and busy; between them linear in utilisation.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Watts {
    /// At no utilisation.
    pub idle: f64,
    /// At full utilisation.
    pub max: f64,
}

impl Watts {
    /// At a utilisation from 0 to 1.
    pub fn at(self, utilisation: f64) -> f64 {
        self.idle + (self.max - self.idle) * utilisation.clamp(0.0, 1.0)
    }
}

/// What a node draws for its CPUs, by their utilisation.
#[derive(Clone, Debug, PartialEq)]
pub enum CpuPower {
    /// Of the whole node.
    Node(Watts),
    /// Of each core.
    PerCore(Watts),
    /// Of the whole node at 0 %, 10 %, ... 100 %; between them linear.
    Table([f64; TABLE_LENGTH]),
}

impl CpuPower {
    /// Watts of a node with so many cores at a utilisation from 0 to 1.
    pub fn watts(&self, cores: f64, utilisation: f64) -> f64 {
        match self {
            CpuPower::Node(watts) => watts.at(utilisation),
            CpuPower::PerCore(watts) => watts.at(utilisation) * cores,
            CpuPower::Table(table) => {
                let place = utilisation.clamp(0.0, 1.0) * (TABLE_LENGTH - 1) as f64;
                let below = (place as usize).min(TABLE_LENGTH - 2);
                table[below] + (table[below + 1] - table[below]) * (place - below as f64)
            }
        }
    }
}

/// What nodes of one kind draw, and what making one cost.
#[derive(Clone, Debug, PartialEq)]
pub struct NodePower {
    /// For CPUs, and for whatever else hangs on their utilisation.
    pub cpu: CpuPower,
    /// For each GiB of memory, used or not.
    pub memory_watts_per_gib: f64,
    /// For each GPU; none: what [`GPUS`] says of its model, and nothing of others.
    pub gpu: Option<Watts>,
    /// Embodied carbon of one node in kg CO2e, spread evenly over `lifetime_hours`.
    pub embodied_kg: f64,
    /// How long a node is used in all, in hours.
    pub lifetime_hours: f64,
}

/// How full a node is.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Load<'m> {
    /// Cores of the node, with what is kept for the system.
    pub cores: f64,
    /// Cores in use.
    pub cores_used: f64,
    /// GiB of memory.
    pub memory_gib: f64,
    /// GPUs.
    pub gpus: f64,
    /// GPUs in use.
    pub gpus_used: f64,
    /// Their model.
    pub gpu_model: Option<&'m str>,
}

impl NodePower {
    /// Watts of the machine itself.
    pub fn watts(&self, load: &Load<'_>) -> f64 {
        let share = |used: f64, whole: f64| if whole > 0.0 { used / whole } else { 0.0 };
        let known = || GPUS.iter().find(|(model, _)| Some(*model) == load.gpu_model).map(|(_, watts)| *watts);
        let gpu = self.gpu.or_else(known).unwrap_or_default();
        self.cpu.watts(load.cores, share(load.cores_used, load.cores))
            + self.memory_watts_per_gib * load.memory_gib
            + load.gpus * gpu.at(share(load.gpus_used, load.gpus))
    }

    /// Embodied carbon of a second of use, in g CO2e.
    pub fn embodied_g_per_s(&self) -> f64 {
        self.embodied_kg / self.lifetime_hours / 3.6
    }
}

/// What the nodes of a run draw.
#[derive(Clone, Debug, PartialEq)]
pub struct Power {
    /// What the data centre draws over what its machines draw; at least 1.
    pub pue: f64,
    /// By pool.
    pub pools: Vec<NodePower>,
    /// Of nodes without a pool.
    pub others: NodePower,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn is(watts: f64, expected: f64) {
        assert!((watts - expected).abs() < 1e-9, "{watts}, not {expected}");
    }

    #[test]
    fn watts_by_utilisation() {
        let node = CpuPower::Node(Watts { idle: 100.0, max: 300.0 });
        let per_core = CpuPower::PerCore(Watts { idle: 0.74, max: 3.5 });
        // SPECpower tables bend: the first tenth costs most.
        let table = CpuPower::Table([60.0, 100.0, 115.0, 130.0, 145.0, 160.0, 180.0, 205.0, 235.0, 270.0, 310.0]);
        for (power, utilisation, watts) in [
            // 100 + 200 * 0.25.
            (&node, 0.25, 150.0),
            (&node, 1.5, 300.0),
            // 8 * (0.74 + 2.76 * 0.5).
            (&per_core, 0.5, 16.96),
            (&table, 0.0, 60.0),
            (&table, 0.1, 100.0),
            // Half way from 160 to 180.
            (&table, 0.55, 170.0),
            (&table, 1.0, 310.0),
        ] {
            is(power.watts(8.0, utilisation), watts);
        }
    }

    #[test]
    fn memory_and_gpus_draw_too() {
        let cpu = CpuPower::Node(Watts { idle: 100.0, max: 300.0 });
        let known =
            NodePower { cpu, memory_watts_per_gib: 0.5, gpu: None, embodied_kg: 1051.2, lifetime_hours: 35_040.0 };
        let t4 = Some("T4");
        let load = Load { cores: 8.0, cores_used: 4.0, memory_gib: 32.0, gpus: 2.0, gpus_used: 1.0, gpu_model: t4 };
        // 100 + 200 / 2; 0.5 * 32; two T4 half used: 2 * (8 + 63 / 2).
        is(known.watts(&load), 200.0 + 16.0 + 79.0);
        is(known.watts(&Load { gpu_model: Some("other"), ..load }), 216.0);
        let given = NodePower { gpu: Some(Watts { idle: 10.0, max: 50.0 }), ..known.clone() };
        is(given.watts(&load), 216.0 + 60.0);
        // 30 g an hour.
        is(known.embodied_g_per_s() * 3600.0, 30.0);
    }
}
