//! What requests are measured against: loops written by hand for one model each. They keep sums of waits and latencies and
//! the time that workers are busy, and nothing else: no histograms, intervals, services, balancers or policies.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, VecDeque};

/// Exponential spans with mean 1, by inversion, from a xorshift generator.
#[derive(Clone, Debug)]
pub struct Draws(u64);

impl Draws {
    pub fn new(seed: u64) -> Draws {
        Draws(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    fn bits(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    fn exponential(&mut self) -> f64 {
        -(1.0 - (self.bits() >> 11) as f64 * (1.0 / 9_007_199_254_740_992.0)).ln()
    }
}

/// What the loops measure.
#[derive(Clone, Copy, Debug, Default)]
pub struct Sums {
    pub requests: u64,
    pub wait: f64,
    pub latency: f64,
    pub busy: f64,
}

/// A loop that goes on for so many more requests.
pub trait Loop {
    fn run(&mut self, requests: u64) -> Sums;
}

/// An instant that orders, and what happens.
type Event = Reverse<(u64, u32)>;

/// A pooled station with every arrival and departure as an event of a binary heap.
#[derive(Debug)]
pub struct HeapStation {
    draws: Draws,
    rate: f64,
    idle: usize,
    queue: VecDeque<f64>,
    events: BinaryHeap<Event>,
    sums: Sums,
}

const ARRIVAL: u32 = u32::MAX;

impl HeapStation {
    pub fn new(workers: usize, load: f64) -> HeapStation {
        let mut events = BinaryHeap::new();
        events.push(Reverse((0, ARRIVAL)));
        let (draws, queue) = (Draws::new(1), VecDeque::new());
        HeapStation { draws, rate: load * workers as f64, idle: workers, queue, events, sums: Sums::default() }
    }

    fn start(&mut self, now: f64, came: f64) {
        let span = self.draws.exponential();
        self.sums.wait += now - came;
        self.sums.latency += now - came + span;
        self.sums.busy += span;
        // Times are not negative, so their bits order as they do.
        self.events.push(Reverse(((now + span).to_bits(), 0)));
    }
}

impl Loop for HeapStation {
    fn run(&mut self, requests: u64) -> Sums {
        let end = self.sums.requests + requests;
        while self.sums.requests < end {
            let Some(Reverse((bits, kind))) = self.events.pop() else { break };
            let now = f64::from_bits(bits);
            if kind == ARRIVAL {
                let next = now + self.draws.exponential() / self.rate;
                self.events.push(Reverse((next.to_bits(), ARRIVAL)));
                self.sums.requests += 1;
                if self.idle > 0 {
                    self.idle -= 1;
                    self.start(now, now);
                } else {
                    self.queue.push_back(now);
                }
            } else if let Some(came) = self.queue.pop_front() {
                self.start(now, came);
            } else {
                self.idle += 1;
            }
        }
        self.sums
    }
}

/// A pooled station by the instants at which its workers are free.
#[derive(Debug)]
pub struct Recursion {
    draws: Draws,
    rate: f64,
    now: f64,
    few: Vec<f64>,
    many: BinaryHeap<Reverse<u64>>,
    sums: Sums,
}

impl Recursion {
    pub fn new(workers: usize, load: f64) -> Recursion {
        let few = if workers <= 16 { vec![0.0; workers] } else { Vec::new() };
        let many = if workers > 16 { (0..workers).map(|_| Reverse(0)).collect() } else { BinaryHeap::new() };
        Recursion { draws: Draws::new(1), rate: load * workers as f64, now: 0.0, few, many, sums: Sums::default() }
    }
}

impl Loop for Recursion {
    fn run(&mut self, requests: u64) -> Sums {
        for _ in 0..requests {
            self.now += self.draws.exponential() / self.rate;
            let span = self.draws.exponential();
            let start = if self.few.is_empty() {
                let mut free = self.many.peek_mut().expect("workers");
                let start = self.now.max(f64::from_bits(free.0));
                free.0 = (start + span).to_bits();
                start
            } else {
                let mut first = 0;
                for worker in 1..self.few.len() {
                    first = if self.few[worker] < self.few[first] { worker } else { first };
                }
                let start = self.now.max(self.few[first]);
                self.few[first] = start + span;
                start
            };
            self.sums.requests += 1;
            self.sums.wait += start - self.now;
            self.sums.latency += start - self.now + span;
            self.sums.busy += span;
        }
        self.sums
    }
}

/// Servers of one worker each, of which the one with the fewest requests is looked for by a scan; ties go to the first.
#[derive(Debug)]
pub struct LeastRequests {
    draws: Draws,
    rate: f64,
    counts: Vec<u32>,
    queues: Vec<VecDeque<f64>>,
    events: BinaryHeap<Event>,
    sums: Sums,
}

impl LeastRequests {
    pub fn new(servers: usize, load: f64) -> LeastRequests {
        let mut events = BinaryHeap::new();
        events.push(Reverse((0, ARRIVAL)));
        let (draws, queues) = (Draws::new(1), vec![VecDeque::new(); servers]);
        let (rate, counts) = (load * servers as f64, vec![0; servers]);
        LeastRequests { draws, rate, counts, queues, events, sums: Sums::default() }
    }

    fn start(&mut self, now: f64, came: f64, server: usize) {
        let span = self.draws.exponential();
        self.sums.wait += now - came;
        self.sums.latency += now - came + span;
        self.sums.busy += span;
        self.events.push(Reverse(((now + span).to_bits(), server as u32)));
    }
}

impl Loop for LeastRequests {
    fn run(&mut self, requests: u64) -> Sums {
        let end = self.sums.requests + requests;
        while self.sums.requests < end {
            let Some(Reverse((bits, kind))) = self.events.pop() else { break };
            let now = f64::from_bits(bits);
            if kind == ARRIVAL {
                let next = now + self.draws.exponential() / self.rate;
                self.events.push(Reverse((next.to_bits(), ARRIVAL)));
                self.sums.requests += 1;
                let fewest = self.counts.iter().copied().min().unwrap_or(0);
                let server = self.counts.iter().position(|&count| count == fewest).unwrap_or(0);
                self.counts[server] += 1;
                if fewest == 0 {
                    self.start(now, now, server);
                } else {
                    self.queues[server].push_back(now);
                }
            } else {
                let server = kind as usize;
                self.counts[server] -= 1;
                if let Some(came) = self.queues[server].pop_front() {
                    self.start(now, came, server);
                }
            }
        }
        self.sums
    }
}

/// Processor sharing on one core: a heap of the work done per request at which each is finished.
#[derive(Debug)]
pub struct Sharing {
    draws: Draws,
    rate: f64,
    now: f64,
    done: f64,
    next: f64,
    finishes: BinaryHeap<Reverse<(u64, u64)>>,
    sums: Sums,
}

impl Sharing {
    pub fn new(load: f64) -> Sharing {
        let (draws, finishes) = (Draws::new(1), BinaryHeap::new());
        Sharing { draws, rate: load, now: 0.0, done: 0.0, next: 0.0, finishes, sums: Sums::default() }
    }

    fn move_to(&mut self, now: f64) {
        if !self.finishes.is_empty() {
            self.done += (now - self.now) / self.finishes.len() as f64;
            self.sums.busy += now - self.now;
        }
        self.now = now;
    }
}

impl Loop for Sharing {
    fn run(&mut self, requests: u64) -> Sums {
        let end = self.sums.requests + requests;
        while self.sums.requests < end {
            let finish = self.finishes.peek().map_or(f64::INFINITY, |Reverse((point, _))| {
                self.now + (f64::from_bits(*point) - self.done).max(0.0) * self.finishes.len() as f64
            });
            if finish < self.next {
                self.move_to(finish);
                if let Some(Reverse((_, came))) = self.finishes.pop() {
                    self.sums.latency += self.now - f64::from_bits(came);
                }
            } else {
                self.move_to(self.next);
                self.sums.requests += 1;
                self.next = self.now + self.draws.exponential() / self.rate;
                let point = self.done + self.draws.exponential();
                self.finishes.push(Reverse((point.to_bits(), self.now.to_bits())));
            }
        }
        self.sums
    }
}
