//! The loop over calls.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use super::instances::Instances;
use super::report::{FunctionReport, Report};
use super::room::Room;
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

impl Fate {
    /// When it ends; none: it is not served.
    #[inline]
    pub fn end(self) -> Option<SimTime> {
        match self {
            Fate::Warm(end) | Fate::Cold(end) | Fate::Provisioned(end) => Some(end),
            Fate::Throttled(_) | Fate::Late => None,
        }
    }
}

/// What functions without reserved instances share.
#[derive(Debug)]
struct Shared {
    /// Calls that they may have under way.
    limit: usize,
    /// When those that they have will end.
    ends: BinaryHeap<Reverse<SimTime>>,
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
    shared: Option<Shared>,
    room: Room,
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
            shared: shared.map(|limit| Shared { limit: limit as usize, ends: BinaryHeap::new() }),
            room: Room::default(),
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
        let fate = seat.call(call, &self.settings, self.shared.as_mut());
        self.last_end = self.last_end.max(fate.end().unwrap_or_default());
        Ok(fate)
    }

    /// Up to when the limit of the account is met by none of the calls in this slice of time, which follow those that have come.
    pub(super) fn room_until<'c>(
        &mut self,
        (start, end): (SimTime, SimTime),
        calls: impl Iterator<Item = &'c [Invocation]>,
    ) -> SimTime {
        let Some(Shared { limit, ends }) = &self.shared else { return end };
        self.room.begin(start, end);
        ends.iter().for_each(|&Reverse(end)| self.room.take(start, end));
        for calls in calls.filter(|calls| self.seats[calls[0].function as usize].reserved.is_none()) {
            calls.iter().for_each(|call| {
                self.room.take(call.arrival, call.arrival.after(call.duration.max(call.cold_duration)))
            });
        }
        self.room.until(*limit)
    }

    /// Calls of one function come in this slice of time, in which calls of others may have come already. None of all these meets the
    /// limit of the account. What becomes of each is put in `fates`.
    pub(super) fn call_alone(&mut self, calls: &[Invocation], slice_end: SimTime, fates: &mut Vec<Fate>) {
        let (Some(first), Some(last)) = (calls.first(), calls.last()) else { return };
        let seat = &mut self.seats[first.function as usize];
        let mut ends = self.shared.as_mut().filter(|_| seat.reserved.is_none()).map(|shared| &mut shared.ends);
        for call in calls {
            let fate = seat.call(call, &self.settings, None);
            if let Some(end) = fate.end() {
                self.last_end = self.last_end.max(end);
                // For the limit only those count that are under way when the slice has ended.
                if let Some(ends) = &mut ends
                    && end > slice_end
                    && !matches!(fate, Fate::Provisioned(_))
                {
                    ends.push(Reverse(end));
                }
            }
            fates.push(fate);
        }
        self.now = self.now.max(last.arrival);
    }

    /// A slice of time is over whose calls came by [`Self::call_alone`].
    pub(super) fn end_slice(&mut self, slice_end: SimTime) {
        if let Some(shared) = &mut self.shared {
            shared.ends.retain(|&Reverse(end)| end > slice_end);
        }
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
    /// A call comes.
    #[inline]
    fn call(&mut self, call: &Invocation, settings: &PlatformSettings, shared: Option<&mut Shared>) -> Fate {
        let now = call.arrival;
        self.instances.advance(now, &settings.keep_alive, &mut self.report);
        self.instances.observe(now, &settings.keep_alive);
        self.report.calls += 1;
        let fate = self.admit(call, settings, shared);
        match fate {
            Fate::Warm(end) | Fate::Cold(end) | Fate::Provisioned(end) => {
                self.measure(fate, now, end, &settings.keep_alive);
            }
            Fate::Throttled(why) => self.report.throttle(why),
            Fate::Late => unreachable!("it has come before the end"),
        }
        fate
    }

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
    fn admit(&mut self, call: &Invocation, settings: &PlatformSettings, shared: Option<&mut Shared>) -> Fate {
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
            Some(Shared { limit, ends }) => {
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
