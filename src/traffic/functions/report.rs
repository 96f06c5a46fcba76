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
    /// The same on provisioned instances alone.
    pub provisioned_busy_ns: u128,
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
    /// Most instances that were loaded when a call came, provisioned ones among them.
    pub instances_max: u32,
    /// When the run ends, as far as it is known before.
    horizon: Option<SimTime>,
}

impl FunctionReport {
    pub(super) fn new(horizon: Option<SimTime>, provisioned: u32) -> FunctionReport {
        FunctionReport { horizon, instances_max: provisioned, ..FunctionReport::default() }
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
    pub(super) fn serve(&mut self, from: SimTime, end: SimTime, is_provisioned: bool) {
        let span_ns = u128::from(self.within(end).0.saturating_sub(from.0));
        self.busy_ns += span_ns;
        if is_provisioned {
            self.provisioned_busy_ns += span_ns;
        }
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

    /// Time that provisioned instances waited until the end of the run, in ns. Calls that go on beyond it do not count.
    fn provisioned_idle_ns(&self, function: &Function, end: SimTime) -> u128 {
        let ready = u128::from(function.provisioned_concurrency) * u128::from(end.0);
        ready.saturating_sub(self.provisioned_busy_ns)
    }

    /// Time that instances were loaded and waited, times their memory, in GB-seconds, until the end of the run; provisioned ones
    /// among them.
    pub fn wasted_gb_seconds(&self, function: &Function, end: SimTime) -> f64 {
        let idle_ns = self.idle_ns + self.provisioned_idle_ns(function, end);
        gb_seconds(function.memory, 1000) * idle_ns as f64 / 1e9
    }

    /// Instances that were loaded on average until the end of the run, provisioned ones among them.
    pub fn instances_mean(&self, function: &Function, end: SimTime) -> f64 {
        let loaded_ns = self.busy_ns + self.idle_ns + self.provisioned_idle_ns(function, end);
        loaded_ns as f64 / end.0 as f64
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
        self.provisioned_busy_ns += other.provisioned_busy_ns;
        self.idle_ns += other.idle_ns;
        self.billed_ms += other.billed_ms;
        self.provisioned_billed_ms += other.provisioned_billed_ms;
        self.start_ns += other.start_ns;
        self.ended_instances += other.ended_instances;
        self.lifespan_ns += other.lifespan_ns;
        self.concurrency_max = self.concurrency_max.max(other.concurrency_max);
        self.instances_max = self.instances_max.max(other.instances_max);
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
    /// All functions together; the largest numbers of calls under way and of instances are those of one function.
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
        let of = |(function, report): (&Function, &FunctionReport)| report.wasted_gb_seconds(function, self.end);
        functions.iter().zip(&self.functions).map(of).sum()
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
