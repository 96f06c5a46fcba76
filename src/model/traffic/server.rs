//! Pods as servers: how many requests at a time, in which order, at which speed.

use crate::units::SimDuration;

/// How a backend serves requests.
#[derive(Clone, Debug, PartialEq)]
pub struct Server {
    /// Requests in service at once; none: all of them.
    pub workers: Option<u32>,
    /// Which of those that wait is next.
    pub order: Order,
    /// Requests that may wait; one more is refused. None: without limit.
    pub queue_limit: Option<u32>,
    /// Cores for computing, in thousandths; none: those of the pod, or for backends that are no pods as many as there are
    /// workers.
    pub cpu_milli: Option<u64>,
    /// Over which period the limit of CPU is enforced (`cpu.cfs_period_us`, 100 ms); zero: at every instant, by slowing all
    /// requests alike.
    pub quota_period: SimDuration,
    /// Slowness of a backend that is new.
    pub warm_up: Option<WarmUp>,
    /// Bytes of memory without requests, where requests drive what is used.
    pub memory_base: u64,
    /// Bytes of memory for each request that is there.
    pub memory_per_request: u64,
    /// A limit of requests in service that the server finds by itself.
    pub adaptive: Option<AdaptiveConcurrency>,
    /// Whether a backend that is told to end refuses new requests, rather than serve them while it can.
    pub refuses_when_ending: bool,
    /// How many requests a pod takes from the queue that it shares with others before it ends by itself, with exit code 0, at
    /// least 1; none: it does not.
    pub requests_per_pod: Option<u32>,
}

impl Default for Server {
    fn default() -> Self {
        Server {
            workers: None,
            order: Order::Fifo,
            queue_limit: None,
            cpu_milli: None,
            quota_period: SimDuration(100_000_000),
            warm_up: None,
            memory_base: 0,
            memory_per_request: 0,
            adaptive: None,
            refuses_when_ending: true,
            requests_per_pod: None,
        }
    }
}

/// Which of the requests that wait is served next.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Order {
    /// The one that came first.
    #[default]
    Fifo,
    /// The one that came last.
    Lifo,
}

/// A new backend needs more time: a request that begins at age `a` takes `1 + (slowdown - 1) (1 - a / span)` times its work.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct WarmUp {
    /// The factor at the start, at least 1.
    pub slowdown: f64,
    /// How long it takes until requests take what they should.
    pub span: SimDuration,
}

/// A limit of requests at a server that follows latency (Envoy's adaptive concurrency, gradient controller).
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct AdaptiveConcurrency {
    /// How often the limit is set anew (`concurrency_update_interval`).
    pub interval: SimDuration,
    /// How often the least latency is measured anew (`min_rtt_calc_params.interval`).
    pub measure_every: SimDuration,
    /// How many requests that measurement takes (`request_count`).
    pub measure_requests: u32,
    /// By which part of its distance that measurement may come later, at random (`jitter`).
    pub jitter: f64,
    /// Which percentile of the latencies is taken, as a part of one (`sample_aggregate_percentile`).
    pub percentile: f64,
    /// What is added to the least latency, as a part of it (`buffer`).
    pub buffer: f64,
    /// The least limit (`min_concurrency`).
    pub min: u32,
    /// The greatest limit (`max_concurrency_limit`).
    pub max: u32,
}
