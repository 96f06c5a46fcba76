//! How long requests wait at equal backends, by the rate at which they come.
//!
//! What does not depend on time is the steady state of M/M/c with corrections for variability and for the balancer; what does is
//! the pointwise stationary fluid flow of Wang, Tipper and Banerjee ("A simple approximation for modeling
//! nonstationary queues", INFOCOM 1996): the mean excess Q over the busy servers follows dQ/dt = rate - capacity u(Q), where u is the
//! utilisation at which Q would be stationary. So it is exact when nothing changes, grows as (rate - capacity) t under
//! overload, and drains as fast afterwards. A step is one of the implicit Euler method, whose unknown is u.

use std::cell::Cell;

use crate::stats::queueing::whitt_factor;

/// Beyond so many servers the loss formula is that of many servers (Jagerman 1974), within 1 %.
const MANY: f64 = 256.0;
/// Utilisations closer to 1 than that are not told apart.
pub(super) const FULL: f64 = 1.0 - 1e-9;
/// A change of the queue in a step that changes the utilisation by less is none.
const STEADY: f64 = 1e-4;

/// Utilisations that are nearer to each other are the same.
const NARROW: f64 = 1e-12;

/// The exponent by which few choices lie between two backends and very many.
const BETWEEN: f64 = 1.4;
/// How much less than queues alone those suffer from variable services that few choices keep short; fitted likewise.
const VARIED: f64 = 0.85;
/// What those wait longer who find no idle backend and are sent to any, over what they wait where one is free in turn.
const BLIND: f64 = 0.85;

/// How a balancer spreads requests over backends.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Spread {
    /// Each backend is drawn without regard to the others.
    Random,
    /// Each in turn, by so many clients that do not know of each other.
    InTurn {
        /// How many.
        clients: f64,
    },
    /// The one with the fewest requests among so many; all of them: infinite.
    Fewest {
        /// How many.
        choices: f64,
    },
    /// One that has nothing to do; if there is none, any.
    Idle,
    /// There is one queue for all.
    Shared,
}

/// How fast a backend ends requests, by the number that is there.
#[derive(Clone, Copy, Debug)]
pub(super) enum Rates<'a> {
    /// As so many servers do, which may be a fraction.
    Servers(f64),
    /// A second with 1, 2, ... of them; the last for more.
    Listed(&'a [f64]),
}

/// The limit of CPU as the kernel enforces it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Quota {
    /// Core-seconds in each period.
    pub quota_s: f64,
    pub period_s: f64,
    /// The mean and the mean square of the core-seconds of a request.
    pub work_s: f64,
    pub second: f64,
}

impl Quota {
    /// How much requests are long rather than short against a period: if they are they are slowed as by sharing.
    fn blend(&self) -> f64 {
        self.work_s / (self.work_s + self.period_s)
    }
}

/// Requests that stand still.
#[derive(Clone, Copy, Debug)]
struct Stop {
    chance: f64,
    mean_s: f64,
}

/// Equal backends of one service.
#[derive(Clone, Debug)]
pub(super) struct Pool<'a> {
    pub backends: f64,
    pub rates: Rates<'a>,
    /// Requests a second that a backend ends when it is full.
    pub capacity: f64,
    pub spread: Spread,
    /// Squared coefficients of variation: of the gaps between all requests, and of what one needs.
    pub arrival_scv: f64,
    pub service_scv: f64,
    /// Whether requests share the servers, so that nothing hangs on how they vary.
    pub is_shared_alike: bool,
    pub quota: Option<Quota>,
    /// Number of backends, utilisation, and how likely all servers are busy: as it was asked last.
    pub known: Known,
}

/// See [`Pool::known`].
pub(super) type Known = Cell<(f64, f64, f64)>;

/// What comes of a step.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Delay {
    /// Part of the requests that finds no room.
    pub refused: f64,
    /// Requests ended a second, over the capacity.
    pub utilisation: f64,
    /// Requests in excess of those in service at the end, and on average.
    pub queue: f64,
    pub mean_queue: f64,
    /// How likely a request is delayed, and for how long on average if it is, in s; without the backlog.
    pub chance: f64,
    pub delay_s: f64,
    /// Standard deviation of that delay over its mean.
    pub spread: f64,
    /// Whether delays are about even between two ends, rather than having a long tail.
    pub is_bounded: bool,
    /// Delay by the backlog at the beginning and at the end, in s.
    pub backlog_s: (f64, f64),
}

impl Delay {
    /// The mean delay of all that are let in.
    pub(super) fn mean_s(&self) -> f64 {
        self.chance * self.delay_s + f64::midpoint(self.backlog_s.0, self.backlog_s.1)
    }

    pub(super) fn variance(&self) -> f64 {
        let (mean, width) = (self.chance * self.delay_s, self.backlog_s.1 - self.backlog_s.0);
        let second = self.chance * self.delay_s * self.delay_s * (1.0 + self.spread * self.spread);
        (second - mean * mean).max(0.0) + width * width / 12.0
    }
}

/// Where the servers are all busy: P(as many as servers) over P(fewer), in a queue with room for just the servers.
pub(super) fn ratio(rates: Rates<'_>, utilisation: f64, capacity: f64) -> f64 {
    // Erlang's recursion is that of P(fewer) over P(as many), with what does not change divided by once.
    let fewer = match rates {
        Rates::Servers(servers) if servers > MANY => {
            let load = utilisation * servers;
            let z = (servers - load) / load.sqrt().max(1e-9);
            let density = libm::exp(-z * z / 2.0) / libm::sqrt(std::f64::consts::TAU);
            let below = 0.5 * libm::erfc(-z * std::f64::consts::FRAC_1_SQRT_2);
            // Far above the servers the quotient tends to z.
            let blocking =
                if below > 1e-12 { (density / below / load.sqrt().max(1e-9)).min(1.0) } else { 1.0 - servers / load };
            return blocking / (1.0 - blocking).max(1e-300);
        }
        Rates::Servers(servers) => {
            let scale = 1.0 / (utilisation * servers);
            let count = libm::ceil(servers - 1e-9).max(1.0) as u32;
            (1..=count).fold(0.0, |fewer, number| scale * f64::from(number).min(servers) * (1.0 + fewer))
        }
        Rates::Listed(rates) => {
            let scale = 1.0 / (utilisation * capacity);
            rates.iter().fold(0.0, |fewer, rate| scale * rate * (1.0 + fewer))
        }
    };
    1.0 / f64::max(fewer, 1e-300)
}

impl Pool<'_> {
    pub(super) fn servers(&self) -> f64 {
        match self.rates {
            Rates::Servers(servers) => servers,
            Rates::Listed(rates) => rates.len() as f64,
        }
    }

    /// Rates and capacity of so many backends together.
    pub(super) fn joined(&self, backends: f64) -> Rates<'_> {
        match self.rates {
            Rates::Servers(servers) => Rates::Servers(servers * backends),
            Rates::Listed(_) => self.rates,
        }
    }

    /// How likely all servers of such a number of backends are busy.
    fn chance_of(&self, backends: f64, utilisation: f64) -> f64 {
        let (of, at, chance) = self.known.get();
        if of == backends && at == utilisation {
            return chance;
        }
        let ratio = ratio(self.joined(backends), utilisation, self.capacity);
        let chance = ratio / (1.0 - utilisation + ratio);
        self.known.set((backends, utilisation, chance));
        chance
    }

    /// What variability makes of the queue before so many servers.
    pub(super) fn variability(&self, utilisation: f64, servers: f64, arrival_scv: f64) -> f64 {
        if self.is_shared_alike {
            return 1.0;
        }
        if arrival_scv == 1.0 && self.service_scv == 1.0 {
            return 1.0;
        }
        let count = libm::round(servers).clamp(1.0, 1e6) as u32;
        let (mean, load) = (f64::midpoint(arrival_scv, self.service_scv), utilisation);
        if count == 1 && self.service_scv > arrival_scv.max(1.0) {
            // Kraemer and Langenbach-Belz (1976), which is exact for M/G/1.
            let exponent = 2.0 * (1.0 - load) * (1.0 - arrival_scv) * (1.0 - arrival_scv) / (6.0 * load * mean);
            return if arrival_scv < 1.0 { mean * libm::exp(-exponent) } else { mean };
        }
        let factor = whitt_factor(load, count, arrival_scv, self.service_scv);
        mean * factor
    }

    /// The variability of the requests that one backend sees.
    pub(super) fn own_arrival_scv(&self, utilisation: f64) -> f64 {
        let each = 1.0 / self.backends.max(1.0);
        match self.spread {
            Spread::Random => 1.0 + (self.arrival_scv - 1.0) * each,
            Spread::InTurn { clients } => {
                // Whitt's weight for streams that are put together (1983, "The queueing network analyzer").
                let idle = 1.0 - utilisation;
                let weight = 1.0 / (1.0 + 4.0 * idle * idle * (clients - 1.0));
                weight * self.arrival_scv * each + 1.0 - weight
            }
            Spread::Fewest { .. } | Spread::Idle | Spread::Shared => self.arrival_scv,
        }
    }

    /// Requests in excess of those in service at each backend in steady state.
    fn excess(&self, utilisation: f64) -> f64 {
        let u = utilisation.min(FULL);
        if u <= 0.0 {
            return 0.0;
        }
        let servers = self.servers();
        let count = match self.rates {
            Rates::Servers(servers) => libm::ceil(servers - 1e-9).max(1.0),
            Rates::Listed(_) => servers,
        };
        let alone = |scv: f64| {
            let odd = u / (1.0 - u) + (count - servers);
            self.chance_of(1.0, u) * odd * self.variability(u, servers, scv)
        };
        let excess = match self.spread {
            _ if self.backends <= 1.0 => alone(self.arrival_scv),
            Spread::Random | Spread::InTurn { .. } => alone(self.own_arrival_scv(u)),
            Spread::Shared => self.joint(u, 0.0) / self.backends,
            Spread::Fewest { choices } => {
                let shortest = self.joint(u, u * (self.backends - 1.0) / 2.0) / self.backends;
                let ignored = ignored(choices, self.backends);
                if ignored <= 0.0 {
                    shortest
                } else {
                    // Between what is true of two backends and of very many; the exponent was fitted to simulations of ten.
                    let poisson = self.chance_of(1.0, u) * (u / (1.0 - u) + (count - servers));
                    let varied = libm::pow(self.variability(u, servers, 1.0), VARIED);
                    let many = ignored * few_choices(u, choices) * poisson * varied * (1.0 - u) / u;
                    libm::pow(libm::pow(shortest, BETWEEN) + libm::pow(many, BETWEEN), 1.0 / BETWEEN)
                }
            }
            Spread::Idle => {
                let blind = u * (self.backends - 1.0) / 2.0 + BLIND * u * u / (1.0 - u);
                self.joint(u, blind) / self.backends
            }
        };
        match self.quota {
            None => excess,
            Some(quota) => {
                let (blend, stop) = (quota.blend(), self.stop(u, quota));
                blend * excess + (1.0 - blend) * u * self.capacity * stop.chance * stop.mean_s
            }
        }
    }

    /// The excess of all backends together if none idles while requests wait, and `more` for those that wait although.
    fn joint(&self, u: f64, more: f64) -> f64 {
        let servers = self.servers() * self.backends;
        let chance = match self.rates {
            Rates::Servers(_) => self.chance_of(self.backends, u),
            // What listed rates have beyond as many servers as they come up to.
            Rates::Listed(rates) => {
                let servers = (self.capacity / rates[0]).max(1.0);
                let pooled = Pool { rates: Rates::Servers(servers), known: Known::default(), ..*self };
                self.chance_of(1.0, u) * pooled.chance_of(self.backends, u) / pooled.chance_of(1.0, u).max(1e-12)
            }
        };
        chance * (u / (1.0 - u) + more) * self.variability(u, servers, self.arrival_scv)
    }

    /// How likely a request stands still because the quota of its period is used up, and how long if it does, where requests
    /// are short against a period.
    ///
    /// What is left to do at the end of a period is a random walk with a step a period: its mean and how likely it is above 0
    /// by Spitzer's identity for normal steps. It came in the time since the quota was used up, at the rate of
    /// arrivals, so that time is known, and with it how long those wait who came in it; taken as exponential.
    fn stop(&self, u: f64, quota: Quota) -> Stop {
        let rate = u * self.capacity;
        let deviation = libm::sqrt(rate * quota.period_s * quota.second).max(1e-30);
        let drift = quota.quota_s * (1.0 - u) / deviation;
        let (mut mean, mut ladder) = (0.0, 0.0);
        for periods in 1..400 {
            let root = f64::from(periods).sqrt();
            let z = drift * root;
            let density = libm::exp(-z * z / 2.0) / libm::sqrt(std::f64::consts::TAU);
            let above = 0.5 * libm::erfc(z * std::f64::consts::FRAC_1_SQRT_2);
            mean += density / root - drift * above;
            ladder += above / f64::from(periods);
            if above < 1e-9 {
                break;
            }
        }
        if drift < 0.2 {
            // The expansion near capacity of Chang and Peres (1997).
            mean = 1.0 / (2.0 * drift.max(1e-12)) - 0.5826 + drift / 4.0;
        }
        let chance = -libm::expm1(-ladder);
        if chance <= 1e-12 {
            return Stop { chance: 0.0, mean_s: 0.0 };
        }
        let cores = quota.quota_s / quota.period_s;
        let stopped_s = mean * deviation / chance / (u * cores);
        let part = -libm::expm1(-quota.period_s / stopped_s);
        let met = (chance * stopped_s / quota.period_s * part).min(1.0);
        Stop { chance: met, mean_s: chance * stopped_s * stopped_s / quota.period_s * part / met }
    }

    /// The excess at each backend in steady state, at a utilisation.
    pub(super) fn steady(&self, utilisation: f64) -> f64 {
        self.excess(utilisation)
    }

    /// A step of `span_s` at `rate` requests a second for each backend, of which `queue` are in excess at its beginning; at
    /// most `room` may be.
    pub(super) fn step(&self, rate: f64, queue: f64, span_s: f64, room: Option<f64>) -> Delay {
        if self.capacity <= 0.0 {
            let end = queue + rate * span_s;
            let mean_queue = f64::midpoint(queue, end);
            return Delay { queue: end, mean_queue, backlog_s: (span_s, span_s), ..Delay::default() };
        }
        // A queue that is full within the step, or empty, has its steady state in it.
        if let Some(room) = room
            && room <= span_s * self.capacity
        {
            return self.limited(rate, room);
        }
        let load = rate / self.capacity;
        let (utilisation, free) = self.end_of_step(load, queue, span_s);
        let end = room.map_or(free, |room| free.min(room));
        let refused = if free > end { ((free - end) / (rate * span_s)).min(1.0) } else { 0.0 };
        let mean_queue = f64::midpoint(queue, end);
        let ordinary = match load < FULL {
            true if utilisation == load => free,
            true => self.excess(load),
            // What chance makes of a queue that grows: its deviation after as long as it took to come up.
            false => (mean_queue / 2.0).min((2.0 * mean_queue / (load - 1.0).max(1e-6)).sqrt()),
        };
        let passing = self.capacity * utilisation;
        let backlog = |at: f64| (at - ordinary).max(0.0) / self.capacity;
        let backlog_s = (backlog(queue), backlog(end));
        let random = mean_queue - f64::midpoint(backlog_s.0, backlog_s.1) * self.capacity;
        let chance = self.delayed(utilisation);
        let delay_s = if passing > 0.0 && chance > 0.0 { random.max(0.0) / passing / chance } else { 0.0 };
        let spread = self.delay_spread(utilisation);
        Delay { refused, utilisation, queue: end, mean_queue, chance, delay_s, spread, is_bounded: false, backlog_s }
    }

    /// Utilisation and excess at the end of a step.
    fn end_of_step(&self, load: f64, queue: f64, span_s: f64) -> (f64, f64) {
        let passed = span_s * self.capacity;
        if load < FULL {
            let steady = self.excess(load);
            if (steady - queue).abs() < STEADY * passed {
                return (load, steady);
            }
        }
        let known = queue + load * passed;
        // Times what is free, as the excess goes to infinity where nothing is.
        let gap = |u: f64| (1.0 - u) * (self.excess(u) + passed * u - known);
        let utilisation = if gap(FULL) <= 0.0 { 1.0 } else { root(gap, FULL) };
        (utilisation, (known - passed * utilisation).max(0.0))
    }

    /// How likely a request is delayed.
    fn delayed(&self, utilisation: f64) -> f64 {
        let u = utilisation.min(FULL);
        if u <= 0.0 {
            return 0.0;
        }
        let alone = self.chance_of(1.0, u);
        let chance = match self.spread {
            _ if self.backends <= 1.0 => self.unevenly(alone, u, self.arrival_scv),
            Spread::Random | Spread::InTurn { .. } => self.unevenly(alone, u, self.own_arrival_scv(u)),
            Spread::Shared | Spread::Idle => self.chance_of(self.backends, u),
            Spread::Fewest { choices } => {
                let all = self.chance_of(self.backends, u);
                let ignored = ignored(choices, self.backends);
                all + ignored * (libm::pow(alone, choices.min(16.0)) - all).max(0.0)
            }
        };
        if !self.is_shared_alike {
            return chance;
        }
        // Sharing makes a request slower or not; the variance with one server is that of Coffman, Muntz and Trotter (1970).
        let one = 2.0 * u * (2.0 - u) / (1.0 + u * (2.0 - u));
        let shared = (one * chance / u).min(1.0);
        let Some(quota) = self.quota else { return shared };
        let blend = quota.blend();
        blend * shared + (1.0 - blend) * self.stop(u, quota).chance
    }

    /// How likely one waits, where one does with chance `alone` if gaps are exponential: with other gaps as in GI/M/1, where
    /// chance and wait hang together.
    fn unevenly(&self, alone: f64, u: f64, arrival_scv: f64) -> f64 {
        if arrival_scv == 1.0 || self.is_shared_alike {
            return alone;
        }
        let ratio = self.variability(u, self.servers(), arrival_scv) / self.variability(u, self.servers(), 1.0);
        let wait = ratio * u / (1.0 - u);
        (alone * wait / (1.0 + wait) / u).min(1.0)
    }

    /// Standard deviation over mean of the delays: M/G/1 waits are geometric sums of residual services.
    fn delay_spread(&self, utilisation: f64) -> f64 {
        if self.is_shared_alike {
            return 1.0;
        }
        // The residual of a constant is uniform; beyond exponential ones as with two balanced phases.
        let scv = self.service_scv;
        let residual = if scv < 1.0 { (1.0 + 2.0 * scv) / 3.0 } else { 1.0 + 0.4 * (scv.min(10.0) - 1.0) };
        let spread = (utilisation + (1.0 - utilisation) * residual).sqrt();
        match self.spread {
            // Of few choices the queue that is joined varies little.
            Spread::Fewest { choices } if self.backends > 2.0 && choices < self.backends => 0.7 * spread,
            _ => spread,
        }
    }
}

/// Where a function is 0 that is not above 0 at 0 and is at `high`: by the false position (Anderson and Bjorck 1973), or halves
/// where that makes no way.
pub(super) fn root(gap: impl Fn(f64) -> f64, high: f64) -> f64 {
    let (mut low, mut high) = ((0.0, gap(0.0)), (high, gap(high)));
    let mut last = 0.0;
    for turn in 0..60 {
        let width = high.0 - low.0;
        if width < NARROW || low.1 >= 0.0 {
            break;
        }
        let at = match turn % 4 {
            3 => f64::midpoint(low.0, high.0),
            _ => (low.0 - width * low.1 / (high.1 - low.1)).clamp(low.0 + NARROW / 2.0, high.0 - NARROW / 2.0),
        };
        let found = gap(at);
        let (own, other) = if found > 0.0 { (&mut high, &mut low) } else { (&mut low, &mut high) };
        // An end that stays counts for less the second time, so that it comes nearer, too.
        if last * found > 0.0 {
            let kept = 1.0 - found / own.1;
            other.1 *= if kept > 0.0 { kept } else { 0.5 };
        }
        *own = (at, found);
        last = found;
    }
    low.0
}

/// How much of the difference between the best and few choices is left with that many backends: nothing when all are choices.
fn ignored(choices: f64, backends: f64) -> f64 {
    1.0 - libm::pow(((choices - 1.0) / (backends - 1.0)).clamp(0.0, 1.0), 1.5)
}

/// The mean wait over the mean service with so many choices, in the limit of many servers (Mitzenmacher 2001).
fn few_choices(u: f64, choices: f64) -> f64 {
    let (mut power, mut exponent, mut sum) = (choices, choices, 0.0);
    loop {
        let term = libm::pow(u, exponent);
        sum += term;
        power *= choices;
        exponent += power;
        if term < 1e-12 || exponent > 1e9 {
            return sum;
        }
    }
}
