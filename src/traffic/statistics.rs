//! What is counted and measured of requests.
//!
//! Memory does not grow with the number of requests. What happens before the warm-up is over is not measured; levels and
//! the numbers behind Little's law cover the whole run.

use super::attempt::Outcome;
use crate::ids::ZoneId;
use crate::model::traffic::Objective;
use crate::stats::{BatchMeans, LatencyRecorder, SteadyLatency};
use crate::units::{SimDuration, SimTime};

/// A number that changes now and then, and its integral over time.
#[derive(Clone, Copy, Debug, Default)]
pub struct Level {
    value: u64,
    since: SimTime,
    /// The integral up to `since`, in units times ns.
    area: u128,
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

    /// One less.
    #[inline]
    pub(super) fn fall(&mut self, now: SimTime) {
        self.settle(now);
        self.value -= 1;
    }

    #[inline]
    fn settle(&mut self, now: SimTime) {
        self.area += u128::from(self.value) * u128::from(now.0 - self.since.0);
        self.since = now;
    }

    /// The integral up to an instant that is not before the last change, in units times ns.
    pub fn area(&self, until: SimTime) -> u128 {
        self.area + u128::from(self.value) * u128::from(until.since(self.since).0)
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
}

impl Fate {
    /// A request has ended.
    #[inline]
    pub(super) fn note(&mut self, outcome: Outcome, latency: SimDuration, objective: Option<Objective>) {
        self.outcomes[outcome as usize] += 1;
        self.window.outcomes[outcome as usize] += 1;
        if outcome.is_well() {
            self.latency.record(latency);
            self.window.latency.record(latency);
            let is_good = objective.is_none_or(|objective| latency <= objective.latency);
            self.good += u64::from(is_good);
            self.window.good += u64::from(is_good);
        }
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
}

/// What is known of one service.
#[derive(Clone, Debug, Default)]
pub struct ServiceStatistics {
    /// Requests that are at its servers or in its queue.
    pub in_flight: Level,
    /// Those of them that wait.
    pub waiting: Level,
    /// How long all requests that have left were there, in ns.
    pub sojourn_ns: u128,
    /// When all requests that are there came, summed up, in ns.
    pub(super) present_since_ns: u128,
    /// How attempts fared.
    pub attempts: Fate,
    /// How long requests waited for a worker, in s.
    pub wait: BatchMeans,
    /// Attempts that were made again.
    pub retries: u64,
    /// By operation, zone and outcome, those that came up.
    cells: Vec<Option<Box<Cell>>>,
}

impl ServiceStatistics {
    /// An attempt has ended for its caller.
    #[inline]
    pub(super) fn note(&mut self, place: (u32, Option<ZoneId>), outcome: Outcome, latency: SimDuration, zones: usize) {
        let (operation, zone) = place;
        let column = zone.map_or(0, |zone| zone.index() + 1);
        let at = (operation as usize * (zones + 1) + column) * Outcome::COUNT + outcome as usize;
        match self.cells.get_mut(at) {
            Some(Some(cell)) => cell.latency.record(latency),
            _ => self.open_cell(at, Cell { operation, zone, outcome: Some(outcome), ..Cell::default() }, latency),
        }
    }

    #[cold]
    fn open_cell(&mut self, at: usize, mut cell: Cell, latency: SimDuration) {
        if self.cells.len() <= at {
            self.cells.resize(at + 1, None);
        }
        cell.latency.record(latency);
        self.cells[at] = Some(Box::new(cell));
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
    pub(super) fn forget(&mut self) {
        self.attempts = Fate::default();
        self.wait = BatchMeans::default();
        self.retries = 0;
        self.cells.clear();
    }
}
