//! What is counted and measured of requests.
//!
//! Memory does not grow with the number of requests. What happens before the warm-up is over is not measured; levels and
//! the numbers behind Little's law cover the whole run. Latencies and waits are counted in the order in which requests end,
//! those of one instant by length.

use super::attempt::Outcome;
use super::log::{LENGTH, Log};
use crate::ids::ZoneId;
use crate::model::traffic::Objective;
use crate::stats::{LatencyRecorder, SpanMeans, SteadyLatency};
use crate::units::{SimDuration, SimTime};

/// A number that changes now and then, and its integral over time.
#[derive(Clone, Copy, Debug, Default)]
pub struct Level {
    value: u64,
    since: SimTime,
    /// The integral up to `since`, in units times ns.
    area: u128,
    /// When measuring began, and the integral up to then.
    marked: (SimTime, u128),
}

impl Level {
    /// Its present value.
    #[inline]
    pub fn value(&self) -> u64 {
        self.value
    }

    /// One more.
    #[inline]
    pub(super) fn rise(&mut self, now: SimTime) {
        self.settle(now);
        self.value += 1;
    }

    /// So much more, or less.
    pub(super) fn change(&mut self, by: i64, now: SimTime) {
        self.settle(now);
        self.value = self.value.checked_add_signed(by).expect("what goes had come");
    }

    /// One less.
    #[inline]
    pub(super) fn fall(&mut self, now: SimTime) {
        self.settle(now);
        self.value -= 1;
    }

    /// What it is now, and its integral up to now.
    pub(super) fn set(&mut self, value: u64, area: u128, now: SimTime) {
        (self.value, self.area, self.since) = (value, area, now);
    }

    #[inline]
    fn settle(&mut self, now: SimTime) {
        self.area += u128::from(self.value) * u128::from(now.0 - self.since.0);
        self.since = now;
    }

    /// It was that on average in the time before `now`, and is about that now.
    pub(super) fn flow(&mut self, now: SimTime, span: SimDuration, mean: f64) {
        self.area += (mean * span.0 as f64) as u128;
        (self.value, self.since) = (mean.round() as u64, now);
    }

    /// The integral up to an instant that is not before the last change, in units times ns.
    pub fn area(&self, until: SimTime) -> u128 {
        self.area + u128::from(self.value) * u128::from(until.since(self.since).0)
    }

    /// Measuring begins.
    fn mark(&mut self, now: SimTime) {
        self.marked = (now, self.area(now));
    }

    /// Its mean since measuring began; NaN over no time.
    pub fn mean(&self, until: SimTime) -> f64 {
        let (since, area) = self.marked;
        (self.area(until) - area) as f64 / until.since(since).0 as f64
    }
}

/// How requests fared since some instant.
#[derive(Clone, Debug, Default)]
pub struct Window {
    /// How many ended in which way, by [`Outcome`].
    pub outcomes: [u64; Outcome::COUNT],
    /// Latencies of those that ended well.
    pub latency: LatencyRecorder,
    /// Requests that met the objective.
    pub good: u64,
}

impl Window {
    /// How many ended.
    pub fn count(&self) -> u64 {
        self.outcomes.iter().sum()
    }

    /// How many ended otherwise than well; attempts that another one overtook do not count.
    pub fn failures(&self) -> u64 {
        self.count() - self.outcomes[Outcome::Well as usize] - self.outcomes[Outcome::Superseded as usize]
    }

    /// A request has ended.
    pub(super) fn note(&mut self, outcome: Outcome, latency: SimDuration) {
        self.outcomes[outcome as usize] += 1;
        if outcome.is_well() {
            self.latency.record(latency);
        }
    }

    /// So many requests have ended alike, objectives aside.
    pub(super) fn note_many(&mut self, outcome: Outcome, latency: SimDuration, count: u64) {
        self.outcomes[outcome as usize] += count;
        if outcome.is_well() {
            self.latency.record_many(latency, count);
        }
    }

    fn clear(&mut self) {
        self.outcomes = [0; Outcome::COUNT];
        self.latency.clear();
        self.good = 0;
    }
}

/// How requests of one kind fared: those of a source, or attempts at one service as their callers see them.
#[derive(Clone, Debug, Default)]
pub struct Fate {
    /// How many ended in which way, by [`Outcome`].
    pub outcomes: [u64; Outcome::COUNT],
    /// Latencies of those that ended well, with intervals.
    pub latency: SteadyLatency,
    /// Requests that met the objective: answered well, and in time.
    pub good: u64,
    /// The same since the window began.
    pub window: Window,
    /// Latencies of those that ended well and are not counted yet.
    log: Log,
}

impl Fate {
    /// A request has ended; its latency is counted later.
    #[inline]
    pub(super) fn note(&mut self, now: SimTime, outcome: Outcome, latency: SimDuration, promise: Option<Objective>) {
        self.outcomes[outcome as usize] += 1;
        self.window.outcomes[outcome as usize] += 1;
        if outcome.is_well() {
            if self.log.is_due(now) {
                self.flush(promise);
            }
            self.log.push(now, latency);
        }
    }

    /// Requests have ended well, in this order; those of one instant by length.
    pub(super) fn note_all(&mut self, latencies: &[SimDuration], promise: Option<Objective>) {
        self.flush(promise);
        let count = latencies.len() as u64;
        self.outcomes[Outcome::Well as usize] += count;
        self.window.outcomes[Outcome::Well as usize] += count;
        self.latency.record_with(latencies, &mut self.window.latency);
        self.note_good(latencies, promise);
    }

    /// Counts the latencies that are not counted yet.
    #[inline(never)]
    pub(super) fn flush(&mut self, promise: Option<Objective>) {
        let mut done = 0;
        while done < self.log.len() {
            let end = self.log.batch_end(done, self.latency.room());
            self.latency.record_with(&self.log.spans()[done..end], &mut self.window.latency);
            done = end;
        }
        let log = std::mem::take(&mut self.log);
        self.note_good(log.spans(), promise);
        self.log = log;
        self.log.clear();
    }

    fn note_good(&mut self, latencies: &[SimDuration], promise: Option<Objective>) {
        let all = latencies.len();
        let good = promise.map_or(all, |promise| latencies.iter().filter(|one| **one <= promise.latency).count());
        self.good += good as u64;
        self.window.good += good as u64;
    }

    /// How many more latencies may be noted, in any order, before a batch is complete.
    pub(super) fn room(&self) -> u64 {
        self.latency.room() - (self.log.len() as u64).min(self.latency.room())
    }

    /// Whether nothing is left to be counted.
    #[inline]
    pub(super) fn is_counted(&self) -> bool {
        self.log.len() == 0
    }

    /// So many requests have ended alike. How long they took is told to [`Fate::note_latencies`] as well.
    pub(super) fn note_many(&mut self, outcome: Outcome, latency: SimDuration, promise: Option<Objective>, count: u64) {
        self.outcomes[outcome as usize] += count;
        self.window.note_many(outcome, latency, count);
        if outcome.is_well() {
            let is_good = promise.is_none_or(|promise| latency <= promise.latency);
            self.good += count * u64::from(is_good);
            self.window.good += count * u64::from(is_good);
        }
    }

    /// So many of those that ended well took that long.
    pub(super) fn note_latencies(&mut self, latency: SimDuration, count: u64) {
        self.latency.record_many(latency, count);
    }

    /// How many have ended.
    pub fn count(&self) -> u64 {
        self.outcomes.iter().sum()
    }

    /// How many ended otherwise than well; attempts that another one overtook do not count.
    pub fn failures(&self) -> u64 {
        self.count() - self.outcomes[Outcome::Well as usize] - self.outcomes[Outcome::Superseded as usize]
    }

    /// A window begins.
    pub(super) fn begin_window(&mut self) {
        self.window.clear();
    }

    /// The warm-up is over; what the window has seen stays.
    pub(super) fn forget(&mut self) {
        let window = std::mem::take(&mut self.window);
        *self = Fate { window, ..Fate::default() };
    }
}

/// Requests for one operation that were answered in one zone and ended in one way.
#[derive(Clone, Debug, Default)]
pub struct Cell {
    /// The position among the operations of the service.
    pub operation: u32,
    /// The zone of the server; none: nowhere, or there was no server.
    pub zone: Option<ZoneId>,
    /// How they ended.
    pub outcome: Option<Outcome>,
    /// How long that took.
    pub latency: LatencyRecorder,
    /// The same of those that are not counted yet.
    pending: Vec<SimDuration>,
}

impl Cell {
    #[inline]
    fn note(&mut self, latency: SimDuration) {
        if self.pending.len() >= LENGTH {
            self.flush();
        }
        self.pending.push(latency);
    }

    #[inline(never)]
    fn flush(&mut self) {
        self.latency.record_all(self.pending.drain(..));
    }
}

/// Where the cell of an operation, a zone and an outcome is among all.
#[inline]
fn cell_at((operation, zone): (u32, Option<ZoneId>), outcome: Outcome, zones: usize) -> usize {
    let column = zone.map_or(0, |zone| zone.index() + 1);
    (operation as usize * (zones + 1) + column) * Outcome::COUNT + outcome as usize
}

/// What is known of one service.
#[derive(Clone, Debug, Default)]
pub struct ServiceStatistics {
    /// Requests that are at its servers or in its queue.
    pub in_flight: Level,
    /// Those of them that wait.
    pub waiting: Level,
    /// Its servers, whether they are ready or not.
    pub servers: Level,
    /// Milli-cores that those servers may use whose CPU is limited.
    pub limit_milli: Level,
    /// Core-time that requests have used of servers that are gone, in ns.
    pub(super) gone_compute_ns: u64,
    /// Core-time used when measuring began, in ns.
    pub(super) marked_compute_ns: u64,
    /// How long all requests that have left were there, in ns.
    pub sojourn_ns: u128,
    /// When all requests that are there came, summed up, in ns.
    pub(super) present_since_ns: u128,
    /// How attempts fared.
    pub attempts: Fate,
    /// How long requests that were served waited for a worker.
    pub wait: SpanMeans,
    /// Those waits that are not counted yet.
    waits: Log,
    /// Attempts that were made again.
    pub retries: u64,
    /// By operation, zone and outcome, those that came up.
    cells: Vec<Option<Box<Cell>>>,
}

impl ServiceStatistics {
    /// An attempt has ended for its caller.
    #[inline]
    pub(super) fn note(&mut self, place: (u32, Option<ZoneId>), outcome: Outcome, latency: SimDuration, zones: usize) {
        let at = cell_at(place, outcome, zones);
        match self.cells.get_mut(at) {
            Some(Some(cell)) => cell.note(latency),
            _ => self.open_cell(at, place, outcome).note(latency),
        }
    }

    /// Where attempts at an operation are counted that one zone answers and that end in one way.
    pub(super) fn cell(&mut self, place: (u32, Option<ZoneId>), outcome: Outcome, zones: usize) -> &mut Cell {
        let at = cell_at(place, outcome, zones);
        match self.cells.get(at) {
            Some(Some(_)) => self.cells[at].as_mut().expect("it is open"),
            _ => self.open_cell(at, place, outcome),
        }
    }

    /// In the time before `now` so many requests were there on average, and waited. How long they were there is what Little's
    /// law makes of it.
    pub(super) fn flow(&mut self, now: SimTime, span: SimDuration, present: f64, waiting: f64) {
        self.in_flight.flow(now, span, present);
        self.waiting.flow(now, span, waiting);
        self.sojourn_ns = self.in_flight.area(now);
        self.present_since_ns = u128::from(self.in_flight.value()) * u128::from(now.0);
    }

    #[cold]
    fn open_cell(&mut self, at: usize, (operation, zone): (u32, Option<ZoneId>), outcome: Outcome) -> &mut Cell {
        if self.cells.len() <= at {
            self.cells.resize(at + 1, None);
        }
        let cell = Cell { operation, zone, outcome: Some(outcome), ..Cell::default() };
        self.cells[at].insert(Box::new(cell))
    }

    /// A request that waited for so long has been served.
    #[inline]
    pub(super) fn note_wait(&mut self, now: SimTime, wait: SimDuration) {
        if self.waits.is_due(now) {
            self.flush_waits();
        }
        self.waits.push(now, wait);
    }

    /// Requests for one operation have ended well in one zone, in this order, after these waits; those of one instant by
    /// length.
    pub(super) fn note_all(
        &mut self,
        place: (u32, Option<ZoneId>),
        zones: usize,
        (latencies, waits): (&[SimDuration], &[SimDuration]),
        promise: Option<Objective>,
    ) {
        self.attempts.note_all(latencies, promise);
        self.flush_waits();
        self.wait.record_all(waits);
        self.sojourn_ns += latencies.iter().map(|latency| u128::from(latency.0)).sum::<u128>();
        self.cell(place, Outcome::Well, zones).latency.record_all(latencies.iter().copied());
    }

    #[inline(never)]
    fn flush_waits(&mut self) {
        let mut done = 0;
        while done < self.waits.len() {
            let end = self.waits.batch_end(done, self.wait.room());
            self.wait.record_all(&self.waits.spans()[done..end]);
            done = end;
        }
        self.waits.clear();
    }

    /// Counts what is not counted yet.
    pub(super) fn flush(&mut self, promise: Option<Objective>) {
        self.attempts.flush(promise);
        self.flush_waits();
        self.cells.iter_mut().flatten().for_each(|cell| cell.flush());
    }

    /// How many more requests may be noted, in any order, before a batch is complete.
    pub(super) fn room(&self) -> u64 {
        let waits = self.wait.room() - (self.waits.len() as u64).min(self.wait.room());
        self.attempts.room().min(waits)
    }

    /// Whether nothing is left to be counted.
    #[inline]
    pub(super) fn is_counted(&self) -> bool {
        self.attempts.is_counted() && self.waits.len() == 0
    }

    /// What was measured by operation, zone and outcome, in that order.
    pub fn cells(&self) -> impl Iterator<Item = &Cell> {
        self.cells.iter().flatten().map(|cell| &**cell)
    }

    /// Little's law over the whole run: the integral of the number of requests there, and the sum of the times that they have
    /// been there, in request-ns. They are equal.
    pub fn littles_law(&self, now: SimTime) -> (u128, u128) {
        let present = u128::from(self.in_flight.value()) * u128::from(now.0) - self.present_since_ns;
        (self.in_flight.area(now), self.sojourn_ns + present)
    }

    /// The warm-up is over: what was measured so far does not count.
    pub(super) fn forget(&mut self, now: SimTime) {
        self.attempts.forget();
        for level in [&mut self.in_flight, &mut self.waiting, &mut self.servers, &mut self.limit_milli] {
            level.mark(now);
        }
        self.wait = SpanMeans::default();
        self.retries = 0;
        self.cells.clear();
    }
}
