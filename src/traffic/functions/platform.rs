//! The loop over calls.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use super::instances::{Instances, Routing};
use super::report::{FunctionReport, Report};
use crate::model::functions::{Function, Invocation};
use crate::policy::autoscaler::functions::keep_alive::KeepAlive;
use crate::policy::autoscaler::functions::lambda::{LambdaLimits, LimitError, RateLimit, Throttle};
use crate::policy::autoscaler::functions::price::{LambdaPrices, billed_ms};
use crate::units::{SimDuration, SimTime};

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

/// Why a run stopped.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PlatformError {
    /// A call is of a function that is not in the list.
    #[error("a call names function {0}, of which there is none")]
    UnknownFunction(u32),
    /// Calls must come in order.
    #[error("a call at {} s comes after one at {} s", .arrival.as_seconds(), .before.as_seconds())]
    OutOfOrder {
        /// When it comes.
        arrival: SimTime,
        /// When the one before it came.
        before: SimTime,
    },
}

/// The limits that one function meets alone.
#[derive(Debug)]
struct OwnLimits {
    scaling: RateLimit,
    requests: RateLimit,
}

/// A function and its instances.
#[derive(Debug)]
struct Seat {
    instances: Instances,
    report: FunctionReport,
    limits: Option<OwnLimits>,
    reserved: Option<u32>,
    provisioned: u32,
}

/// A function platform under way.
#[derive(Debug)]
pub struct Platform {
    settings: PlatformSettings,
    seats: Vec<Seat>,
    /// Calls that functions without reserved instances may have under way, and when those that they have will end.
    shared: Option<(usize, BinaryHeap<Reverse<SimTime>>)>,
    now: SimTime,
    last_end: SimTime,
}

/// Runs a stream of calls to its end.
///
/// # Errors
/// When the stream is out of order or names a function that is not there.
///
/// # Panics
/// When functions do not fit the limits: [`Platform::new`] says what is wrong.
pub fn simulate(
    functions: &[Function],
    settings: PlatformSettings,
    calls: impl IntoIterator<Item = Invocation>,
) -> Result<Report, PlatformError> {
    let mut platform = Platform::new(functions, settings).expect("functions fit the limits");
    for call in calls {
        platform.call(&call)?;
    }
    Ok(platform.finish())
}

impl Platform {
    /// A platform without calls.
    ///
    /// # Errors
    /// When functions want more instances than the limits allow.
    pub fn new(functions: &[Function], settings: PlatformSettings) -> Result<Platform, Vec<LimitError>> {
        let limits = settings.limits;
        let shared = limits.map(|limits| limits.shared_concurrency(functions)).transpose()?;
        let seats = functions.iter().map(|function| Seat {
            instances: Instances::default(),
            report: FunctionReport::new(settings.horizon),
            limits: limits.map(|limits| OwnLimits::new(&limits, function)),
            reserved: function.reserved_concurrency.filter(|_| limits.is_some()),
            provisioned: function.provisioned_concurrency,
        });
        Ok(Platform {
            settings,
            seats: seats.collect(),
            shared: shared.map(|limit| (limit as usize, BinaryHeap::new())),
            now: SimTime::ZERO,
            last_end: SimTime::ZERO,
        })
    }

    /// A call comes. Calls after the end of the run are not heeded.
    ///
    /// # Errors
    /// When it comes before the last one, or its function is not there.
    #[inline]
    pub fn call(&mut self, call: &Invocation) -> Result<(), PlatformError> {
        let now = call.arrival;
        if now < self.now {
            return Err(PlatformError::OutOfOrder { arrival: now, before: self.now });
        }
        if self.settings.horizon.is_some_and(|horizon| now >= horizon) {
            return Ok(());
        }
        self.now = now;
        let unknown = PlatformError::UnknownFunction(call.function);
        let seat = self.seats.get_mut(call.function as usize).ok_or(unknown)?;
        seat.instances.advance(now, &self.settings.keep_alive, &mut seat.report);
        seat.instances.observe(now, &self.settings.keep_alive);
        seat.report.calls += 1;
        let end = match seat.admit(call, &self.settings, self.shared.as_mut()) {
            Ok(end) => end,
            Err(why) => {
                seat.report.throttle(why);
                return Ok(());
            }
        };
        seat.report.serve(now, end);
        let concurrency = seat.instances.in_flight() as u32;
        seat.report.concurrency_max = seat.report.concurrency_max.max(concurrency);
        self.last_end = self.last_end.max(end);
        Ok(())
    }

    /// The run is over.
    pub fn finish(mut self) -> Report {
        let end = self.settings.horizon.unwrap_or(self.last_end);
        for seat in &mut self.seats {
            seat.instances.close(end, &self.settings.keep_alive, &mut seat.report);
        }
        Report { functions: self.seats.into_iter().map(|seat| seat.report).collect(), end }
    }
}

impl OwnLimits {
    fn new(limits: &LambdaLimits, function: &Function) -> OwnLimits {
        let concurrency = function.reserved_concurrency.unwrap_or(limits.account_concurrency);
        let requests = u64::from(concurrency) * u64::from(limits.requests_per_concurrency);
        OwnLimits {
            scaling: RateLimit::new(u64::from(limits.scaling_instances), limits.scaling_period),
            requests: RateLimit::new(requests.max(1), SimDuration(1_000_000_000)),
        }
    }
}

impl Seat {
    /// Finds an instance for a call and says when the call will end, or why it is throttled.
    #[inline]
    fn admit(
        &mut self,
        call: &Invocation,
        settings: &PlatformSettings,
        shared: Option<&mut (usize, BinaryHeap<Reverse<SimTime>>)>,
    ) -> Result<SimTime, Throttle> {
        let now = call.arrival;
        let warm_end = now.after(call.duration);
        if self.reserved.is_some_and(|reserved| self.instances.in_flight() >= reserved as usize) {
            return Err(Throttle::Reserved);
        }
        if self.limits.as_mut().is_some_and(|limits| !limits.requests.allows(now)) {
            return Err(Throttle::RequestRate);
        }
        if self.provisioned > 0 && self.instances.take_provisioned(self.provisioned, warm_end) {
            self.take_request();
            self.report.provisioned_calls += 1;
            self.report.provisioned_billed_ms += billed_ms(call.duration);
            return Ok(warm_end);
        }
        let shared = shared.filter(|_| self.reserved.is_none());
        let shared = match shared {
            Some((limit, ends)) => {
                while ends.peek().is_some_and(|&Reverse(end)| end <= now) {
                    ends.pop();
                }
                if ends.len() >= *limit {
                    return Err(Throttle::Account);
                }
                Some(ends)
            }
            None => None,
        };
        let end = match self.instances.take_idle(now, settings.routing, &mut self.report) {
            Some(found) => {
                self.report.bill(call.duration, SimDuration::ZERO, &settings.prices);
                self.instances.occupy(found, warm_end);
                warm_end
            }
            None => self.start(call, settings)?,
        };
        self.take_request();
        if let Some(ends) = shared {
            ends.push(Reverse(end));
        }
        Ok(end)
    }

    /// Starts an instance for a call.
    #[inline]
    fn start(&mut self, call: &Invocation, settings: &PlatformSettings) -> Result<SimTime, Throttle> {
        let now = call.arrival;
        if let Some(limits) = &mut self.limits {
            if !limits.scaling.allows(now) {
                return Err(Throttle::ScalingRate);
            }
            limits.scaling.take();
        }
        let end = now.after(call.cold_duration);
        let initialisation = SimDuration(call.cold_duration.0.saturating_sub(call.duration.0));
        self.report.cold_starts += 1;
        self.report.start_ns += u128::from(initialisation.0);
        self.report.bill(SimDuration(call.cold_duration.0 - initialisation.0), initialisation, &settings.prices);
        let found = self.instances.start(now);
        self.instances.occupy(found, end);
        Ok(end)
    }

    #[inline]
    fn take_request(&mut self) {
        if let Some(limits) = &mut self.limits {
            limits.requests.take();
        }
    }
}
