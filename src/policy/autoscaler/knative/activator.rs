//! The activator: how many there are, which pods each of them sends requests to, and what waits (`pkg/activator/net`,
//! `pkg/queue/breaker.go`).

use std::ops::Range;

use super::config::RevisionSettings;
use crate::rng::Stream;

/// Fewest activators in the path of a revision (`minActivators`).
pub const ACTIVATORS_MIN: u32 = 2;
/// Requests that wait for a revision, and for one of its pods, before the next one is refused with 503
/// (`breakerQueueDepth`).
pub const QUEUE_DEPTH: u64 = 10_000;
/// The largest capacity (`MaxBreakerCapacity`).
pub const CAPACITY_MAX: u64 = i32::MAX as u64;

/// How many activators a revision needs in its path (`computeNumActivators`).
pub fn number_of_activators(settings: &RevisionSettings, ready_pods: u32) -> u32 {
    let burst = settings.target_burst_capacity;
    if burst == 0.0 {
        return ACTIVATORS_MIN;
    }
    let to_cover = f64::from(ready_pods) * settings.total_value + burst.max(0.0);
    f64::from(ACTIVATORS_MIN).max((to_cover / settings.activator_capacity).ceil()) as u32
}

/// The pods that one of several activators sends requests to (`assignSlice`): a range of the pods in the order of their
/// addresses, and one more of those that the division leaves over. None as `own_index`: this activator is not in the path
/// (yet), and knows all pods.
pub fn assigned_pods(pods: usize, own_index: Option<usize>, activators: usize) -> (Range<usize>, Option<usize>) {
    let Some(own) = own_index.filter(|_| pods > 1 && activators != 1) else { return (0..pods, None) };
    if activators > pods {
        let first = own % pods;
        return (first..first + 1, None);
    }
    let (share, left) = (pods / activators, pods % activators);
    let remnant = (own < left).then(|| pods - left + own);
    (own * share..(own + 1) * share, remnant)
}

/// Requests that an activator lets through at a time (`calculateCapacity`). `assigned` are the pods that it knows the
/// addresses of; 0: it sends to the service's address, and shares all `backends` with the other activators.
pub fn capacity(container_concurrency: u32, backends: u64, assigned: u64, activators: u64) -> u64 {
    let each = u64::from(container_concurrency);
    let mut capacity = each * if assigned > 0 { assigned } else { backends };
    if assigned == 0 && capacity > 0 {
        capacity = (capacity / activators.max(1)).max(1);
    }
    let is_unlimited = container_concurrency == 0 || capacity > CAPACITY_MAX;
    if backends > 0 && is_unlimited { CAPACITY_MAX } else { capacity }
}

/// How an activator chooses among its pods.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PodChoice {
    /// The one of two random pods that has fewer requests; containers have no limit.
    RandomOfTwo,
    /// The first in order that has room; containers hold three requests at most.
    FirstAvailable,
    /// The next in turn that has room.
    RoundRobin {
        /// Where the turn is.
        next: usize,
    },
}

impl PodChoice {
    /// The choice that belongs to a limit of requests a container (0: none), as `newRevisionThrottler` has it.
    pub fn for_concurrency(container_concurrency: u32) -> PodChoice {
        match container_concurrency {
            0 => PodChoice::RandomOfTwo,
            1..=3 => PodChoice::FirstAvailable,
            _ => PodChoice::RoundRobin { next: 0 },
        }
    }

    /// The pod that a request goes to, given the requests that each pod has from this activator and how many it may have;
    /// none: no pod has room. The caller counts the request.
    pub fn pick(&mut self, in_flight: &[u32], limit: u32, random: &mut Stream) -> Option<usize> {
        let has_room = |pod: &usize| in_flight[*pod] < limit;
        match self {
            PodChoice::RandomOfTwo => random_of_two(in_flight, random),
            PodChoice::FirstAvailable => (0..in_flight.len()).find(has_room),
            PodChoice::RoundRobin { next } => {
                let pods = in_flight.len();
                let first = if *next >= pods { 0 } else { *next };
                let pod = (0..pods).map(|step| (first + step) % pods).find(has_room)?;
                *next = pod + 1;
                Some(pod)
            }
        }
    }
}

/// Of two different random pods the one with fewer requests; equals draw (`randomChoice2Policy`).
fn random_of_two(in_flight: &[u32], random: &mut Stream) -> Option<usize> {
    let pods = in_flight.len();
    let (pick, other) = match pods {
        0 => return None,
        1 => return Some(0),
        2 => (0, 1),
        _ => {
            let pick = random.below(pods as u64) as usize;
            let other = random.below(pods as u64 - 1) as usize;
            (pick, if other >= pick { other + 1 } else { other })
        }
    };
    let takes_other = match in_flight[pick].cmp(&in_flight[other]) {
        std::cmp::Ordering::Greater => true,
        std::cmp::Ordering::Equal => random.bits() & 1 == 0,
        std::cmp::Ordering::Less => false,
    };
    Some(if takes_other { other } else { pick })
}

/// What becomes of a request at a breaker.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Admission {
    /// It goes on at once.
    Passes,
    /// It waits for capacity, behind those that wait already.
    Waits,
    /// It is refused with 503: the queue is full.
    Refused,
}

/// Lets through as many requests as there is capacity, holds some more, and refuses the rest (`queue.Breaker`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Breaker {
    /// Requests that may be here at a time, waiting ones included.
    slots: u64,
    capacity: u64,
    active: u64,
    waiting: u64,
}

impl Breaker {
    /// A breaker for at most `concurrency_max` requests under way and `queue_depth` more, of which it lets `capacity` through.
    pub fn new(queue_depth: u64, concurrency_max: u64, capacity: u64) -> Breaker {
        let breaker = Breaker { slots: queue_depth + concurrency_max, capacity: 0, active: 0, waiting: 0 };
        Breaker { capacity: capacity.min(concurrency_max), ..breaker }
    }

    /// A request comes.
    pub fn arrive(&mut self) -> Admission {
        if self.active + self.waiting >= self.slots {
            Admission::Refused
        } else if self.active < self.capacity {
            self.active += 1;
            Admission::Passes
        } else {
            self.waiting += 1;
            Admission::Waits
        }
    }

    /// A request has ended; tells how many of those that wait go on now.
    ///
    /// # Panics
    /// When none was under way.
    pub fn finish(&mut self) -> u64 {
        self.active = self.active.checked_sub(1).expect("a request that ends was under way");
        self.admit()
    }

    /// A request that waited has gone.
    ///
    /// # Panics
    /// When none waited.
    pub fn abandon(&mut self) {
        self.waiting = self.waiting.checked_sub(1).expect("a request that gives up had waited");
    }

    /// The capacity changes; tells how many of those that wait go on now. Requests that are under way beyond it end.
    pub fn set_capacity(&mut self, capacity: u64) -> u64 {
        self.capacity = capacity;
        self.admit()
    }

    fn admit(&mut self) -> u64 {
        let admitted = self.waiting.min(self.capacity.saturating_sub(self.active));
        self.waiting -= admitted;
        self.active += admitted;
        admitted
    }

    /// Requests under way.
    pub fn active(&self) -> u64 {
        self.active
    }

    /// Requests that wait.
    pub fn waiting(&self) -> u64 {
        self.waiting
    }
}
