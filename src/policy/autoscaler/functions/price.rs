//! Prices of functions and tasks, as data.
//!
//! All are list prices of AWS for US East (N. Virginia), in US dollars, without free tier and taxes. A GB is 2^30 bytes.
//! On-demand prices of functions by tier are those of the page "AWS Lambda Pricing" in 2025, prices of tasks those of "AWS
//! Fargate Pricing" in 2025, the same in June 2026. The prices of provisioned concurrency and of the last tier on Arm
//! belong to the same page, but could not be checked against a dated copy of it.

use crate::units::{Bytes, Dollars, SimDuration};

const GB: f64 = 1_073_741_824.0;
const MILLISECOND_NS: u64 = 1_000_000;
const SECOND_NS: u64 = 1_000_000_000;
/// Provisioned instances are billed in steps of five minutes.
const PROVISIONED_STEP_NS: u64 = 300 * SECOND_NS;

/// Prices of functions.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct LambdaPrices {
    /// A call.
    pub request: f64,
    /// A GB-second of execution up to so many GB-seconds a month, in order; the last one has no end.
    pub gb_second: [(f64, f64); 3],
    /// A GB-second of execution on provisioned instances.
    pub provisioned_execution_gb_second: f64,
    /// A GB-second of provisioned instances, busy or not.
    pub provisioned_gb_second: f64,
    /// Whether the initialisation of an instance is billed like execution (for all functions since 2025-08-01).
    pub bills_initialisation: bool,
}

impl LambdaPrices {
    /// On x86.
    pub const X86: LambdaPrices = LambdaPrices {
        request: 0.20e-6,
        gb_second: [(6e9, 0.000_016_666_7), (15e9, 0.000_015), (f64::INFINITY, 0.000_013_333_4)],
        provisioned_execution_gb_second: 0.000_009_722_2,
        provisioned_gb_second: 0.000_004_166_7,
        bills_initialisation: true,
    };
    /// On Arm.
    pub const ARM: LambdaPrices = LambdaPrices {
        request: 0.20e-6,
        gb_second: [(7.5e9, 0.000_013_333_4), (18.75e9, 0.000_012_000_1), (f64::INFINITY, 0.000_010_666_7)],
        provisioned_execution_gb_second: 0.000_007_777_8,
        provisioned_gb_second: 0.000_003_333_4,
        bills_initialisation: true,
    };

    /// What so many GB-seconds of execution cost in a month.
    pub fn execution(&self, gb_seconds: f64) -> Dollars {
        let mut start = 0.0;
        let mut cost = 0.0;
        for (end, price) in self.gb_second {
            cost += (gb_seconds.min(end) - start).max(0.0) * price;
            start = end;
        }
        Dollars(cost)
    }

    /// What provisioned instances of a size cost over a time, in whole steps of five minutes.
    pub fn provisioned(&self, instances: u32, memory: Bytes, span: SimDuration) -> Dollars {
        let seconds = (span.0.div_ceil(PROVISIONED_STEP_NS) * PROVISIONED_STEP_NS) as f64 / SECOND_NS as f64;
        Dollars(f64::from(instances) * memory.0 as f64 / GB * seconds * self.provisioned_gb_second)
    }
}

/// Milliseconds that an execution is billed for: begun ones count.
#[inline]
pub fn billed_ms(span: SimDuration) -> u64 {
    span.0.div_ceil(MILLISECOND_NS)
}

/// GB-seconds of so many milliseconds.
pub fn gb_seconds(memory: Bytes, milliseconds: u64) -> f64 {
    memory.0 as f64 / GB * milliseconds as f64 / 1000.0
}

/// Prices of tasks.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct FargatePrices {
    /// A vCPU for an hour.
    pub vcpu_hour: f64,
    /// A GB of memory for an hour.
    pub gb_hour: f64,
    /// A GB of storage beyond [`Self::storage_free`] for an hour.
    pub storage_gb_hour: f64,
    /// Storage that comes with a task.
    pub storage_free: Bytes,
    /// The least time that is billed.
    pub span_min: SimDuration,
}

impl FargatePrices {
    /// Linux on x86.
    pub const X86: FargatePrices = FargatePrices {
        vcpu_hour: 0.040_48,
        gb_hour: 0.004_445,
        storage_gb_hour: 0.000_111,
        storage_free: Bytes(20 << 30),
        span_min: SimDuration(60 * SECOND_NS),
    };
    /// Linux on Arm.
    pub const ARM: FargatePrices = FargatePrices { vcpu_hour: 0.032_38, gb_hour: 0.003_56, ..FargatePrices::X86 };

    /// Seconds that a task is billed for, from the pull of its image to its end: begun ones count, and at least a minute.
    pub fn billed_seconds(&self, span: SimDuration) -> u64 {
        span.max(self.span_min).0.div_ceil(SECOND_NS)
    }

    /// What a task of a size costs.
    pub fn task(&self, size: super::fargate::TaskSize, storage: Bytes, span: SimDuration) -> Dollars {
        let hours = self.billed_seconds(span) as f64 / 3600.0;
        let extra = storage.0.saturating_sub(self.storage_free.0) as f64 / GB;
        let hourly = size.cpu.as_cores() * self.vcpu_hour
            + size.memory.0 as f64 / GB * self.gb_hour
            + extra * self.storage_gb_hour;
        Dollars(hourly * hours)
    }
}
