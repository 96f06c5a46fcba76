//! How a function platform is run: limits, prices, and how long instances wait.
//!
//! Prices are list prices of AWS for US East (N. Virginia), in US dollars, without free tier and taxes. A GB is 2^30 bytes.
//! On-demand prices of functions by tier are those of the page "AWS Lambda Pricing" in 2025, prices of tasks those of "AWS
//! Fargate Pricing" in 2025, the same in June 2026. The prices of provisioned concurrency and of the last tier on Arm
//! belong to the same page, but could not be checked against a dated copy of it. Limits are those of the AWS Lambda developer
//! guide as of 2025.

use crate::units::{Bytes, SimDuration, SimTime};

const SECOND_NS: u64 = 1_000_000_000;

/// How a platform is run.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct PlatformSettings {
    /// How long instances wait.
    pub keep_alive: KeepAlive,
    /// Which of them a call goes to.
    pub routing: Routing,
    /// Limits; none: every call gets an instance.
    pub limits: Option<LambdaLimits>,
    /// Prices, which say what is billed.
    pub prices: LambdaPrices,
    /// When the run ends; none: when the last call has. What is billed does not end with the run.
    pub horizon: Option<SimTime>,
}

impl Default for PlatformSettings {
    /// Instances wait ten minutes, with AWS Lambda's limits and prices on x86.
    fn default() -> PlatformSettings {
        PlatformSettings {
            keep_alive: KeepAlive::Fixed(SimDuration(600_000_000_000)),
            routing: Routing::default(),
            limits: Some(LambdaLimits::default()),
            prices: LambdaPrices::X86,
            horizon: None,
        }
    }
}

/// Which of the instances that wait a call goes to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Routing {
    /// The one that was busy last: those in excess end soonest.
    #[default]
    MostRecentlyUsed,
    /// The one that has waited longest: all stay.
    LeastRecentlyUsed,
    /// The one that started last (SimFaaS). Costs a look at each that waits.
    NewestFirst,
}

/// The rule for all functions of a platform.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum KeepAlive {
    /// An instance ends with its call.
    None,
    /// It stays for a fixed time.
    Fixed(SimDuration),
    /// It stays as the function's past idle times say.
    Hybrid(HybridSettings),
}

/// Parameters of the policy.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct HybridSettings {
    /// The longest idle time that the histogram counts.
    pub range: SimDuration,
    /// The width of a bin.
    pub bin: SimDuration,
    /// The part of idle times before which the function is not loaded.
    pub head: f64,
    /// The part of idle times after which it is unloaded.
    pub tail: f64,
    /// How much earlier and later than that, as a part.
    pub margin: f64,
    /// From which coefficient of variation of the bins the histogram is trusted.
    pub variation_min: f64,
    /// From which part of idle times beyond the range they are forecast.
    pub beyond_min: f64,
    /// How much earlier and later than a forecast the function is there, as a part.
    pub forecast_margin: f64,
}

impl Default for HybridSettings {
    fn default() -> HybridSettings {
        HybridSettings {
            range: SimDuration(4 * 3600 * 1_000_000_000),
            bin: SimDuration(60 * 1_000_000_000),
            head: 0.05,
            tail: 0.99,
            margin: 0.1,
            variation_min: 2.0,
            beyond_min: 0.5,
            forecast_margin: 0.15,
        }
    }
}

/// Limits of an account in a region.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LambdaLimits {
    /// Calls under way at a time, of all functions.
    pub account_concurrency: u32,
    /// Instances that a function may start in [`Self::scaling_period`].
    pub scaling_instances: u32,
    /// See there.
    pub scaling_period: SimDuration,
    /// Requests a second that are let in, for each call that may be under way.
    pub requests_per_concurrency: u32,
}

impl Default for LambdaLimits {
    fn default() -> LambdaLimits {
        LambdaLimits {
            account_concurrency: 1000,
            scaling_instances: 1000,
            scaling_period: SimDuration(10_000_000_000),
            requests_per_concurrency: 10,
        }
    }
}

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
}
