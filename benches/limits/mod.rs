//! What the event queue is measured against: hand-written queues that know more than a general one may, and the loads
//! under which all of them run.
//!
//! The limits are kept in the repository so that a ratio to them survives a change of machine.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use wavetank::event_queue::EventQueue;
use wavetank::units::SimTime;

/// A queue under test: the order is `(time, order of the pushes)`.
pub trait PendingSet {
    /// Adds an event at `time_ns`.
    fn push(&mut self, time_ns: u64, event: u32);
    /// Removes the earliest event.
    fn pop(&mut self) -> Option<(u64, u32)>;
}

/// An event of the size that the engine's own has.
pub type Payload = [u32; 3];

impl PendingSet for EventQueue<Payload> {
    fn push(&mut self, time_ns: u64, event: u32) {
        EventQueue::push(self, SimTime(time_ns), 0, [event; 3]);
    }

    fn pop(&mut self) -> Option<(u64, u32)> {
        EventQueue::pop(self).map(|(key, event)| (key.time.0, event[0]))
    }
}

/// 24 bytes: the smallest entry with an exact order and a word of payload.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Entry {
    time_ns: u64,
    sequence: u64,
    event: u32,
}

impl Entry {
    fn rank(&self) -> u128 {
        u128::from(self.time_ns) << 64 | u128::from(self.sequence)
    }
}

/// `std::collections::BinaryHeap`, as a first version would have it.
#[derive(Debug, Default)]
pub struct StdHeap {
    heap: BinaryHeap<Reverse<Entry>>,
    pushes: u64,
}

impl PendingSet for StdHeap {
    fn push(&mut self, time_ns: u64, event: u32) {
        self.heap.push(Reverse(Entry { time_ns, sequence: self.pushes, event }));
        self.pushes += 1;
    }

    fn pop(&mut self) -> Option<(u64, u32)> {
        self.heap.pop().map(|Reverse(entry)| (entry.time_ns, entry.event))
    }
}

/// A 4-ary heap whose holes sink to the bottom before they are filled, the faster of the textbook variants.
#[derive(Debug, Default)]
pub struct FourAryHeap {
    heap: Vec<Entry>,
    pushes: u64,
}

impl FourAryHeap {
    fn raise(&mut self, mut hole: usize, entry: Entry) {
        while hole > 0 && entry.rank() < self.heap[(hole - 1) / 4].rank() {
            self.heap[hole] = self.heap[(hole - 1) / 4];
            hole = (hole - 1) / 4;
        }
        self.heap[hole] = entry;
    }

    fn smallest_child(&self, hole: usize) -> Option<usize> {
        let child = hole * 4 + 1;
        let Some([a, b, c, d]) = self.heap.get(child..child + 4) else {
            return (child..self.heap.len()).min_by_key(|&at| self.heap[at].rank());
        };
        let low = usize::from(b.rank() < a.rank());
        let high = 2 + usize::from(d.rank() < c.rank());
        Some(child + if self.heap[child + high].rank() < self.heap[child + low].rank() { high } else { low })
    }
}

impl PendingSet for FourAryHeap {
    fn push(&mut self, time_ns: u64, event: u32) {
        let entry = Entry { time_ns, sequence: self.pushes, event };
        self.pushes += 1;
        self.heap.push(entry);
        self.raise(self.heap.len() - 1, entry);
    }

    fn pop(&mut self) -> Option<(u64, u32)> {
        let last = self.heap.pop()?;
        let Some(&first) = self.heap.first() else {
            return Some((last.time_ns, last.event));
        };
        let mut hole = 0;
        while let Some(smallest) = self.smallest_child(hole) {
            self.heap[hole] = self.heap[smallest];
            hole = smallest;
        }
        self.raise(hole, last);
        Some((first.time_ns, first.event))
    }
}

/// The limit: a ring of growing vectors whose width and length were tuned by hand for the load, the current bucket
/// sorted on entry. It adapts to nothing, wastes memory, and would crawl on any other load.
#[derive(Debug)]
pub struct TunedBuckets {
    ring: Vec<Vec<Entry>>,
    width_ns: u64,
    /// Number of the current bucket, counted from time zero.
    bucket: u64,
    /// The current bucket, latest first.
    current: Vec<Entry>,
    /// Pushed into the current bucket after it was sorted.
    late: BinaryHeap<Reverse<Entry>>,
    /// Behind the ring.
    far: Vec<Entry>,
    pushes: u64,
    len: usize,
}

impl TunedBuckets {
    /// For `pending` events with exponential delays of mean `mean_ns`.
    pub fn new(pending: usize, mean_ns: u64) -> Self {
        let events_per_bucket = match pending {
            0..=9_999 => 32,
            10_000..=299_999 => 512,
            300_000..=2_999_999 => 1024,
            _ => 4096,
        };
        let ring_length = (pending * 10 / events_per_bucket).next_power_of_two();
        TunedBuckets {
            ring: vec![Vec::new(); ring_length],
            width_ns: mean_ns * events_per_bucket as u64 / pending as u64,
            bucket: 0,
            current: Vec::new(),
            late: BinaryHeap::new(),
            far: Vec::new(),
            pushes: 0,
            len: 0,
        }
    }

    fn place(&mut self, entry: Entry) {
        let bucket = entry.time_ns / self.width_ns;
        if bucket <= self.bucket {
            self.late.push(Reverse(entry));
        } else if bucket - self.bucket < self.ring.len() as u64 {
            let slot = bucket as usize & (self.ring.len() - 1);
            self.ring[slot].push(entry);
        } else {
            self.far.push(entry);
        }
    }

    fn advance(&mut self) {
        self.bucket += 1;
        let slot = self.bucket as usize & (self.ring.len() - 1);
        if slot == 0 {
            for entry in std::mem::take(&mut self.far) {
                self.place(entry);
            }
        }
        std::mem::swap(&mut self.current, &mut self.ring[slot]);
        self.current.sort_unstable_by_key(|entry| Reverse(entry.rank()));
    }
}

impl PendingSet for TunedBuckets {
    fn push(&mut self, time_ns: u64, event: u32) {
        let entry = Entry { time_ns, sequence: self.pushes, event };
        self.pushes += 1;
        self.len += 1;
        self.place(entry);
    }

    fn pop(&mut self) -> Option<(u64, u32)> {
        if self.len == 0 {
            return None;
        }
        self.len -= 1;
        loop {
            let late_first = match (self.current.last(), self.late.peek()) {
                (None, None) => {
                    self.advance();
                    continue;
                }
                (Some(current), Some(Reverse(late))) => late.rank() < current.rank(),
                (current, _) => current.is_none(),
            };
            let entry = if late_first { self.late.pop().map(|Reverse(entry)| entry) } else { self.current.pop() };
            return entry.map(|entry| (entry.time_ns, entry.event));
        }
    }
}

/// A distribution of delays, as a table of quantiles that one multiplication draws from, so that the draws cost the
/// same little in every variant.
#[derive(Debug, Clone)]
pub struct Delays {
    quantiles_ns: Vec<u64>,
    /// A delay gets up to this much, less one, on top, so that drawn times do not repeat.
    jitter_ns: u64,
    state: u64,
}

/// The mean of the exponential delays, ns.
pub const MEAN_NS: u64 = 1_000_000_000;
const QUANTILES: usize = 4096;

impl Delays {
    fn new(jitter_ns: u64, quantile_ns: impl Fn(f64) -> f64) -> Self {
        let quantiles_ns = (0..QUANTILES).map(|at| quantile_ns((at as f64 + 0.5) / QUANTILES as f64) as u64).collect();
        Delays { quantiles_ns, jitter_ns, state: 0x9e37_79b9_7f4a_7c15 }
    }

    /// Exponential with mean [`MEAN_NS`]: the hold model's usual load.
    pub fn exponential() -> Self {
        Delays::new(1 << 17, |p| -(1.0 - p).ln() * MEAN_NS as f64)
    }

    /// Every event at the instant of the one that caused it.
    pub fn none() -> Self {
        Delays::new(1, |_| 0.0)
    }

    /// Pareto with exponent 1.1 from 1 ms: most of the content waits far away from most of the traffic.
    pub fn pareto() -> Self {
        Delays::new(1 << 10, |p| 1e6 * (1.0 - p).powf(-1.0 / 1.1))
    }

    /// Half 1 us and half 10 s.
    pub fn bimodal() -> Self {
        Delays::new(1 << 8, |p| if p < 0.5 { 1e3 } else { 1e10 })
    }

    /// Whole seconds from 1 to 8: crowds at few instants.
    pub fn ticks() -> Self {
        Delays::new(1, |p| ((p * 8.0).floor() + 1.0) * 1e9)
    }

    /// The next delay, ns.
    pub fn draw(&mut self) -> u64 {
        self.state ^= self.state << 13;
        self.state ^= self.state >> 7;
        self.state ^= self.state << 17;
        let bits = self.state.wrapping_mul(0x2545_f491_4f6c_dd1d);
        let jitter_ns = ((bits & 0xffff_ffff) * self.jitter_ns) >> 32;
        self.quantiles_ns[(bits >> 52) as usize % QUANTILES] + jitter_ns
    }
}

/// Fills `queue` with `pending` events.
pub fn fill(queue: &mut impl PendingSet, delays: &mut Delays, pending: usize) {
    for event in 0..pending {
        queue.push(delays.draw(), event as u32);
    }
}

/// The hold model: pops the earliest event and pushes one, `operations` times. Returns a hash of the order of events,
/// equal for every correct queue.
pub fn hold(queue: &mut impl PendingSet, delays: &mut Delays, operations: usize) -> u64 {
    let mut hash = 0u64;
    for _ in 0..operations {
        let Some((now_ns, event)) = queue.pop() else { break };
        hash = hash.rotate_left(5) ^ now_ns ^ u64::from(event);
        queue.push(now_ns + delays.draw(), event);
    }
    hash
}
