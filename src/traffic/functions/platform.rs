//! The loop over calls.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use super::instances::Instances;
use super::report::{FunctionReport, Report};
use crate::model::functions::{Function, Invocation, KeepAlive, LambdaLimits, PlatformSettings};
use crate::policy::autoscaler::functions::lambda::{LimitError, RateLimit, Throttle};
use crate::policy::autoscaler::functions::price::billed_ms;
use crate::units::{SimDuration, SimTime};

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

/// What becomes of a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// An instance that waited serves it until then.
    Warm(SimTime),
    /// An instance that starts for it serves it until then.
    Cold(SimTime),
    /// A provisioned instance serves it until then.
    Provisioned(SimTime),
    /// It is lost.
    Throttled(Throttle),
    /// It comes after the end of the run.
    Late,
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
            report: FunctionReport::new(settings.horizon, function.provisioned_concurrency),
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
    pub fn call(&mut self, call: &Invocation) -> Result<Fate, PlatformError> {
        let now = call.arrival;
        if now < self.now {
            return Err(PlatformError::OutOfOrder { arrival: now, before: self.now });
        }
        if self.settings.horizon.is_some_and(|horizon| now >= horizon) {
            return Ok(Fate::Late);
        }
        self.now = now;
        let unknown = PlatformError::UnknownFunction(call.function);
        let seat = self.seats.get_mut(call.function as usize).ok_or(unknown)?;
        seat.instances.advance(now, &self.settings.keep_alive, &mut seat.report);
        seat.instances.observe(now, &self.settings.keep_alive);
        seat.report.calls += 1;
        let fate = seat.admit(call, &self.settings, self.shared.as_mut());
        let end = match fate {
            Fate::Warm(end) | Fate::Cold(end) | Fate::Provisioned(end) => end,
            Fate::Throttled(why) => {
                seat.report.throttle(why);
                return Ok(fate);
            }
            Fate::Late => unreachable!("it has come before the end"),
        };
        seat.measure(fate, now, end, &self.settings.keep_alive);
        self.last_end = self.last_end.max(end);
        Ok(fate)
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
    /// Measures a call that is served.
    #[inline]
    fn measure(&mut self, fate: Fate, now: SimTime, end: SimTime, keep_alive: &KeepAlive) {
        self.report.serve(now, end, matches!(fate, Fate::Provisioned(_)));
        let concurrency = self.instances.in_flight() as u32;
        self.report.concurrency_max = self.report.concurrency_max.max(concurrency);
        // Instances become more when one starts, or when one is loaded before its call.
        if matches!(fate, Fate::Cold(_)) || matches!(keep_alive, KeepAlive::Hybrid(_)) {
            let instances = self.instances.loaded(now) as u32 + self.provisioned;
            self.report.instances_max = self.report.instances_max.max(instances);
        }
    }

    /// Finds an instance for a call and says when the call will end, or why it is throttled.
    #[inline]
    fn admit(
        &mut self,
        call: &Invocation,
        settings: &PlatformSettings,
        shared: Option<&mut (usize, BinaryHeap<Reverse<SimTime>>)>,
    ) -> Fate {
        let now = call.arrival;
        let warm_end = now.after(call.duration);
        if self.reserved.is_some_and(|reserved| self.instances.in_flight() >= reserved as usize) {
            return Fate::Throttled(Throttle::Reserved);
        }
        if self.limits.as_mut().is_some_and(|limits| !limits.requests.allows(now)) {
            return Fate::Throttled(Throttle::RequestRate);
        }
        if self.provisioned > 0 && self.instances.take_provisioned(self.provisioned, warm_end) {
            self.take_request();
            self.report.provisioned_calls += 1;
            self.report.provisioned_billed_ms += billed_ms(call.duration);
            return Fate::Provisioned(warm_end);
        }
        let shared = shared.filter(|_| self.reserved.is_none());
        let shared = match shared {
            Some((limit, ends)) => {
                while ends.peek().is_some_and(|&Reverse(end)| end <= now) {
                    ends.pop();
                }
                if ends.len() >= *limit {
                    return Fate::Throttled(Throttle::Account);
                }
                Some(ends)
            }
            None => None,
        };
        let (fate, end) = match self.instances.take_idle(now, settings.routing, &mut self.report) {
            Some(found) => {
                self.report.bill(call.duration, SimDuration::ZERO, &settings.prices);
                self.instances.occupy(found, warm_end);
                (Fate::Warm(warm_end), warm_end)
            }
            None => match self.start(call, settings) {
                Ok(end) => (Fate::Cold(end), end),
                Err(why) => return Fate::Throttled(why),
            },
        };
        self.take_request();
        if let Some(ends) = shared {
            ends.push(Reverse(end));
        }
        fate
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
