//! What is counted and measured of a function platform.

use crate::model::functions::Function;
use crate::policy::autoscaler::functions::lambda::Throttle;
use crate::policy::autoscaler::functions::price::{LambdaPrices, billed_ms, gb_seconds};
use crate::units::{Dollars, SimDuration, SimTime};

/// What happened to one function.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct FunctionReport {
    /// Calls that came.
    pub calls: u64,
    /// Calls that an instance was started for.
    pub cold_starts: u64,
    /// Calls that went to provisioned instances.
    pub provisioned_calls: u64,
    /// Calls that were throttled: the function's reserved instances were all busy.
    pub throttled_reserved: u64,
    /// Calls that were throttled: the account's instances were all busy.
    pub throttled_account: u64,
    /// Calls that were throttled: the function may not start instances so fast.
    pub throttled_scaling: u64,
    /// Calls that were throttled: too many in a second.
    pub throttled_rate: u64,
    /// Time of calls on instances, in ns; up to the end of the run.
    pub busy_ns: u128,
    /// Time that instances were loaded and waited, in ns; up to the end of the run. Provisioned instances do not count.
    pub idle_ns: u128,
    /// Milliseconds that are billed on instances of the platform's making.
    pub billed_ms: u64,
    /// Milliseconds that are billed on provisioned instances.
    pub provisioned_billed_ms: u64,
    /// Time that calls waited for their instance to start, in ns.
    pub start_ns: u128,
    /// Instances that have ended.
    pub ended_instances: u64,
    /// Time from start to end of those, in ns.
    pub lifespan_ns: u128,
    /// Most calls under way at a time.
    pub concurrency_max: u32,
    /// When the run ends, as far as it is known before.
    horizon: Option<SimTime>,
}

impl FunctionReport {
    pub(super) fn new(horizon: Option<SimTime>) -> FunctionReport {
        FunctionReport { horizon, ..FunctionReport::default() }
    }

    /// Calls that were throttled.
    pub fn throttled(&self) -> u64 {
        self.throttled_reserved + self.throttled_account + self.throttled_scaling + self.throttled_rate
    }

    /// The part of served calls that met a cold start; NaN: none was served.
    pub fn cold_start_probability(&self) -> f64 {
        self.cold_starts as f64 / (self.calls - self.throttled()) as f64
    }

    #[inline]
    pub(super) fn throttle(&mut self, why: Throttle) {
        *match why {
            Throttle::Reserved => &mut self.throttled_reserved,
            Throttle::Account => &mut self.throttled_account,
            Throttle::ScalingRate => &mut self.throttled_scaling,
            Throttle::RequestRate => &mut self.throttled_rate,
        } += 1;
    }

    /// A call is served.
    #[inline]
    pub(super) fn serve(&mut self, from: SimTime, end: SimTime) {
        self.busy_ns += u128::from(self.within(end).0.saturating_sub(from.0));
    }

    /// An instance waited.
    #[inline]
    pub(super) fn wait(&mut self, from: SimTime, to: SimTime) {
        self.idle_ns += u128::from(self.within(to).0.saturating_sub(from.0));
    }

    #[inline]
    pub(super) fn end_of_instance(&mut self, created: SimTime, ended: SimTime) {
        self.ended_instances += 1;
        self.lifespan_ns += u128::from(ended.0.saturating_sub(created.0));
    }

    #[inline]
    fn within(&self, instant: SimTime) -> SimTime {
        self.horizon.map_or(instant, |horizon| horizon.min(instant))
    }

    /// Bills a call: on an instance that waited or was started with this initialisation, or on a provisioned one.
    #[inline]
    pub(super) fn bill(&mut self, duration: SimDuration, initialisation: SimDuration, prices: &LambdaPrices) {
        let billed = if prices.bills_initialisation { duration + initialisation } else { duration };
        self.billed_ms += billed_ms(billed);
    }

    /// What the function cost over the run, without the discount that an account has for large sums.
    pub fn cost(&self, function: &Function, prices: &LambdaPrices, span: SimDuration) -> Dollars {
        let requests = (self.calls - self.throttled()) as f64 * prices.request;
        let execution = gb_seconds(function.memory, self.billed_ms) * prices.gb_second[0].1;
        let provisioned =
            gb_seconds(function.memory, self.provisioned_billed_ms) * prices.provisioned_execution_gb_second;
        let ready = prices.provisioned(function.provisioned_concurrency, function.memory, span).0;
        Dollars(requests + execution + provisioned + ready)
    }

    fn add(&mut self, other: &FunctionReport) {
        self.calls += other.calls;
        self.cold_starts += other.cold_starts;
        self.provisioned_calls += other.provisioned_calls;
        self.throttled_reserved += other.throttled_reserved;
        self.throttled_account += other.throttled_account;
        self.throttled_scaling += other.throttled_scaling;
        self.throttled_rate += other.throttled_rate;
        self.busy_ns += other.busy_ns;
        self.idle_ns += other.idle_ns;
        self.billed_ms += other.billed_ms;
        self.provisioned_billed_ms += other.provisioned_billed_ms;
        self.start_ns += other.start_ns;
        self.ended_instances += other.ended_instances;
        self.lifespan_ns += other.lifespan_ns;
        self.concurrency_max = self.concurrency_max.max(other.concurrency_max);
    }
}

/// What happened on the platform.
#[derive(Clone, Debug, PartialEq)]
pub struct Report {
    /// Function by function.
    pub functions: Vec<FunctionReport>,
    /// When the run ended.
    pub end: SimTime,
}

impl Report {
    /// All functions together; the largest concurrency is that of one function.
    pub fn total(&self) -> FunctionReport {
        let mut total = FunctionReport::default();
        self.functions.iter().for_each(|report| total.add(report));
        total
    }

    /// Calls under way on average.
    pub fn busy_mean(&self) -> f64 {
        self.total().busy_ns as f64 / self.end.0 as f64
    }

    /// Instances that wait, on average.
    pub fn idle_mean(&self) -> f64 {
        self.total().idle_ns as f64 / self.end.0 as f64
    }

    /// Time that instances were loaded and waited, times their memory, in GB-seconds: what keeping them costs the platform.
    pub fn wasted_gb_seconds(&self, functions: &[Function]) -> f64 {
        let wasted = functions
            .iter()
            .zip(&self.functions)
            .map(|(function, report)| gb_seconds(function.memory, 1000) * report.idle_ns as f64 / 1e9);
        wasted.sum()
    }

    /// What all of it cost, taken for one month of the account.
    pub fn cost(&self, functions: &[Function], prices: &LambdaPrices) -> Dollars {
        let span = self.end.since(SimTime::ZERO);
        let mut executed = 0.0;
        let mut cost = 0.0;
        for (function, report) in functions.iter().zip(&self.functions) {
            let execution = gb_seconds(function.memory, report.billed_ms);
            executed += execution;
            cost += report.cost(function, prices, span).0 - execution * prices.gb_second[0].1;
        }
        Dollars(cost + prices.execution(executed).0)
    }
}
