//! What functions and tasks are billed.

pub use crate::model::functions::{FargatePrices, LambdaPrices};
use crate::units::{Bytes, Dollars, SimDuration};

const GB: f64 = 1_073_741_824.0;
const MILLISECOND_NS: u64 = 1_000_000;
const SECOND_NS: u64 = 1_000_000_000;
/// Provisioned instances are billed in steps of five minutes.
const PROVISIONED_STEP_NS: u64 = 300 * SECOND_NS;

impl LambdaPrices {
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

impl FargatePrices {
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
