//! Networks of queues: closed ones by mean value analysis, open ones by Jackson's theorem.

use super::{Mmc, birth_death_distribution, check_queue};

/// A station of a closed network. A demand is the mean service time that a customer needs there in one round through
/// the network: visits times mean service per visit.
#[derive(Clone, Debug, PartialEq)]
pub enum ClosedStation {
    /// Customers stay for the demand and never wait, such as users who think.
    Delay {
        /// Mean time spent there in a round; from 0.
        demand: f64,
    },
    /// Exponential servers before one queue in order of arrival; or, with one server, processor sharing of any sizes.
    Queue {
        /// Mean service time in a round; from 0.
        demand: f64,
        /// The number of servers.
        servers: u32,
    },
    /// A station whose speed depends on the number of customers there.
    LoadDependent {
        /// Mean service time in a round at speed 1; from 0.
        demand: f64,
        /// The speed with 1, 2, ... customers; the last holds for more. Positive.
        speeds: Vec<f64>,
    },
}

/// What is true of one station of a closed network on average.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ClosedStationMeans {
    /// Mean number of customers there.
    pub number: f64,
    /// Mean time spent there in a round, waiting and service.
    pub residence: f64,
    /// Mean number in service (throughput times demand); for a load-dependent station its mean speed.
    pub in_service: f64,
}

/// The solution of a closed network.
#[derive(Clone, Debug, PartialEq)]
pub struct ClosedNetwork {
    /// Rounds per unit of time, of all customers together.
    pub throughput: f64,
    /// The stations, in the order given.
    pub stations: Vec<ClosedStationMeans>,
}

impl ClosedNetwork {
    /// Mean time of a round.
    pub fn cycle_time(&self) -> f64 {
        self.stations.iter().map(|station| station.residence).sum()
    }
}

impl ClosedStation {
    fn demand(&self) -> f64 {
        match self {
            ClosedStation::Delay { demand }
            | ClosedStation::Queue { demand, .. }
            | ClosedStation::LoadDependent { demand, .. } => *demand,
        }
    }

    fn check(&self) {
        let demand = self.demand();
        assert!(demand.is_finite() && demand >= 0.0, "a demand of {demand}");
        match self {
            ClosedStation::Delay { .. } => {}
            ClosedStation::Queue { servers, .. } => assert!(*servers > 0, "a queue needs a server"),
            ClosedStation::LoadDependent { speeds, .. } => {
                assert!(!speeds.is_empty(), "a load-dependent station needs a speed");
                assert!(speeds.iter().all(|speed| speed.is_finite() && *speed > 0.0), "speeds {speeds:?}");
            }
        }
    }

    /// Whether plain mean value analysis holds: what waits depends on the mean number alone.
    fn is_plain(&self) -> bool {
        match self {
            ClosedStation::Delay { .. } => true,
            ClosedStation::Queue { servers, .. } => *servers == 1,
            ClosedStation::LoadDependent { .. } => false,
        }
    }

    /// The rates of service with 0 to `population` customers.
    fn rates(&self, population: usize) -> Vec<f64> {
        let speed = |number: usize| match (self, number) {
            (_, 0) => 0.0,
            (ClosedStation::Delay { .. }, _) => number as f64,
            (ClosedStation::Queue { servers, .. }, _) => (number as f64).min(f64::from(*servers)),
            (ClosedStation::LoadDependent { speeds, .. }, _) => speeds[number.min(speeds.len()) - 1],
        };
        (0..=population).map(|number| speed(number) / self.demand()).collect()
    }
}

/// Solves a closed network with one class of `population` customers exactly: throughput, and means of every station.
///
/// Delays and single servers by the mean value analysis of Reiser and Lavenberg (1980): an arrival sees the network
/// with one customer less. Their recursion for several servers obtains P(station empty) by subtraction and loses all
/// digits near saturation; so those stations are joined to the rest by the exact aggregation of Chandy, Herzog and Woo
/// (1975) instead, whose terms are all positive: a part of the network acts on the others through its throughput at
/// each population alone.
///
/// Takes O(N M) for M delays and single servers and N customers, and O(N^2) for every other station. Without any demand
/// at all the throughput is infinite and stations are empty; with no customers all is 0.
///
/// # Panics
/// When a demand is negative or not finite, a station has no server, or a speed is not positive.
///
/// ```
/// use wavetank::stats::queueing::{ClosedStation, mean_value_analysis};
/// // One customer thinks for 9 and is served for 1: a round takes 10.
/// let stations = [ClosedStation::Delay { demand: 9.0 }, ClosedStation::Queue { demand: 1.0, servers: 1 }];
/// assert!((mean_value_analysis(&stations, 1).throughput - 0.1).abs() < 1e-15);
/// ```
pub fn mean_value_analysis(stations: &[ClosedStation], population: u32) -> ClosedNetwork {
    stations.iter().for_each(ClosedStation::check);
    let customers = population as usize;
    let busy = stations.iter().filter(|station| station.demand() > 0.0);
    let plain: Vec<&ClosedStation> = busy.clone().filter(|station| station.is_plain()).collect();
    let others: Vec<Vec<f64>> = busy.filter(|station| !station.is_plain()).map(|s| s.rates(customers)).collect();
    let (plain_rates, plain_numbers) = plain_analysis(&plain, customers);
    // Join the other stations one by one; each joint part is known by its throughput at every population.
    let has_plain = !plain.is_empty();
    let mut parts: Vec<Vec<f64>> = if has_plain { vec![plain_rates] } else { Vec::new() };
    for rates in &others {
        let joined = parts.last().map_or_else(|| rates.clone(), |part| joint_rates(part, rates));
        parts.push(joined);
    }
    let throughput = parts.last().map_or(if population == 0 { 0.0 } else { f64::INFINITY }, |part| part[customers]);
    // Back from the whole: how the customers of a part divide between the part before it and its last station.
    let mut inside = vec![0.0; customers + 1];
    inside[customers] = 1.0;
    let mut other_numbers = vec![0.0; others.len()];
    for (station, rates) in others.iter().enumerate().rev() {
        let before = station + usize::from(has_plain);
        let part = before.checked_sub(1).map(|part| &parts[part]);
        (other_numbers[station], inside) = divide(&inside, part, rates);
    }
    let plain_means = plain_numbers.map(|numbers| numbers.iter().zip(&inside).map(|(n, p)| n * p).sum());
    collect(stations, throughput, plain_means, other_numbers)
}

/// The means of the stations in their order.
fn collect(
    stations: &[ClosedStation],
    throughput: f64,
    mut plain: impl Iterator<Item = f64>,
    other: Vec<f64>,
) -> ClosedNetwork {
    let mut other = other.into_iter();
    let mut means = |station: &ClosedStation| {
        let number = match station.is_plain() {
            _ if station.demand() == 0.0 => Some(0.0),
            true => plain.next(),
            false => other.next(),
        };
        let number = number.expect("every station was solved");
        let residence = if throughput > 0.0 { number / throughput } else { 0.0 };
        ClosedStationMeans { number, residence, in_service: throughput * station.demand() }
    };
    ClosedNetwork { throughput, stations: stations.iter().map(&mut means).collect() }
}

/// Throughput at populations 0 to `population`, and each station's mean number at each, of delays and single servers.
fn plain_analysis(stations: &[&ClosedStation], population: usize) -> (Vec<f64>, impl Iterator<Item = Vec<f64>>) {
    let mut rates = vec![0.0];
    let mut numbers = vec![vec![0.0]; stations.len()];
    for customers in 1..=population {
        // Who arrives finds what the network with one customer less has on average.
        let residence = |(station, numbers): (&&ClosedStation, &Vec<f64>)| match station {
            ClosedStation::Delay { demand } => *demand,
            _ => station.demand() * (1.0 + numbers[customers - 1]),
        };
        let residences: Vec<f64> = stations.iter().zip(&numbers).map(residence).collect();
        let rate = customers as f64 / residences.iter().sum::<f64>();
        rates.push(rate);
        for (numbers, residence) in numbers.iter_mut().zip(residences) {
            numbers.push(rate * residence);
        }
    }
    (rates, numbers.into_iter())
}

/// The probabilities that 0 to `customers` customers are in the part with rates `part`, the rest at `station`.
fn division(part: &[f64], station: &[f64], customers: usize) -> Vec<f64> {
    let births: Vec<f64> = (0..customers).map(|inside| station[customers - inside]).collect();
    birth_death_distribution(&births, &part[1..=customers])
}

/// The throughput of a part and a station together, at every population.
fn joint_rates(part: &[f64], station: &[f64]) -> Vec<f64> {
    let rate = |customers: usize| division(part, station, customers).iter().zip(part).map(|(p, rate)| p * rate).sum();
    (0..part.len()).map(rate).collect()
}

/// Divides customers, whose number is distributed as `joint`, between `part` (if there is one) and `station`: the mean
/// number at the station, and the distribution of the number in the part.
fn divide(joint: &[f64], part: Option<&Vec<f64>>, station: &[f64]) -> (f64, Vec<f64>) {
    let mut inside = vec![0.0; joint.len()];
    let mut number = 0.0;
    for (customers, &probability) in joint.iter().enumerate().filter(|(_, probability)| **probability > 0.0) {
        let Some(part) = part else {
            number += probability * customers as f64;
            continue;
        };
        for (within, share) in division(part, station, customers).into_iter().enumerate() {
            number += probability * share * (customers - within) as f64;
            inside[within] += probability * share;
        }
    }
    (number, inside)
}

/// A station of an open network.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct OpenStation {
    /// Arrivals from outside per unit of time, Poisson.
    pub external_rate: f64,
    /// Mean service per visit, exponential.
    pub mean_service: f64,
    /// The number of servers.
    pub servers: u32,
}

/// The rates of visits in an open network: the solution of rate(j) = external(j) + sum over i of rate(i) routing(i, j),
/// where `routing[i][j]` is the probability to go on to j after i, and the rest of a row leaves. `None` when there are
/// stations that customers never leave.
///
/// # Panics
/// When the matrix is not square of the size of `external`, a rate is negative or not finite, or a row is not made of
/// probabilities with a sum of at most 1 (and 1e-9).
pub fn traffic_equations(external: &[f64], routing: &[Vec<f64>]) -> Option<Vec<f64>> {
    let size = external.len();
    assert_eq!(routing.len(), size, "a row of routing for every station");
    assert!(external.iter().all(|rate| rate.is_finite() && *rate >= 0.0), "external rates {external:?}");
    for row in routing {
        assert_eq!(row.len(), size, "a column of routing for every station");
        assert!(row.iter().all(|p| *p >= 0.0) && row.iter().sum::<f64>() <= 1.0 + 1e-9, "routing {row:?}");
    }
    // Rows of (I - transposed routing | external).
    let row = |j: usize| -> Vec<f64> {
        let mut row: Vec<f64> = (0..size).map(|i| f64::from(u8::from(i == j)) - routing[i][j]).collect();
        row.push(external[j]);
        row
    };
    solve((0..size).map(row).collect())
}

/// Gaussian elimination with row exchange, of n rows with n + 1 columns; `None` when the system is singular.
fn solve(mut rows: Vec<Vec<f64>>) -> Option<Vec<f64>> {
    let size = rows.len();
    for pivot in 0..size {
        let best = (pivot..size).max_by(|&a, &b| rows[a][pivot].abs().total_cmp(&rows[b][pivot].abs()))?;
        rows.swap(pivot, best);
        if rows[pivot][pivot].abs() < 1e-12 {
            return None;
        }
        let (above, below) = rows.split_at_mut(pivot + 1);
        let pivot_row = &above[pivot];
        for row in below {
            let factor = row[pivot] / pivot_row[pivot];
            row.iter_mut().zip(pivot_row).skip(pivot).for_each(|(value, of_pivot)| *value -= factor * of_pivot);
        }
    }
    let mut solution = vec![0.0; size];
    for index in (0..size).rev() {
        let known: f64 = (index + 1..size).map(|column| rows[index][column] * solution[column]).sum();
        // Rates are not negative; rounding may say so of a 0.
        solution[index] = f64::max((rows[index][size] - known) / rows[index][index], 0.0);
    }
    Some(solution)
}

/// An open Jackson network: Poisson arrivals from outside, exponential services, customers that go on by chance. In
/// steady state its stations are independent M/M/c queues (Jackson 1957, 1963). Exact.
///
/// ```
/// use wavetank::stats::queueing::OpenNetwork;
/// // Two M/M/1 in tandem, at 50 % and 80 %: 1 / (1 - 0.5) + 1.6 / (1 - 0.8).
/// let network = OpenNetwork::tandem(0.5, &[(1.0, 1), (1.6, 1)]);
/// assert!((network.mean_sojourn() - 10.0).abs() < 1e-12);
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct OpenNetwork {
    external_rate: f64,
    stations: Vec<Mmc>,
}

impl OpenNetwork {
    /// The network of `stations`, with routing as in [`traffic_equations`]. `None` when some customers never leave.
    ///
    /// # Panics
    /// As [`traffic_equations`] does, and when a station is out of range (see the conventions of [`queueing`](super)).
    pub fn new(stations: &[OpenStation], routing: &[Vec<f64>]) -> Option<OpenNetwork> {
        let external: Vec<f64> = stations.iter().map(|station| station.external_rate).collect();
        let rates = traffic_equations(&external, routing)?;
        let queue = |(station, rate): (&OpenStation, f64)| Mmc::new(rate, station.mean_service, station.servers);
        let stations = stations.iter().zip(rates).map(queue).collect();
        Some(OpenNetwork { external_rate: external.iter().sum(), stations })
    }

    /// Stations one after the other, each with its mean service and servers.
    ///
    /// # Panics
    /// When an argument is out of range (see the conventions of [`queueing`](super)).
    pub fn tandem(arrival_rate: f64, stations: &[(f64, u32)]) -> OpenNetwork {
        check_queue(arrival_rate, 1.0, 1);
        let stations = stations.iter().map(|&(service, servers)| Mmc::new(arrival_rate, service, servers)).collect();
        OpenNetwork { external_rate: arrival_rate, stations }
    }

    /// The stations as queues of their own, in the order given; their waits and sojourns are per visit.
    pub fn stations(&self) -> &[Mmc] {
        &self.stations
    }

    /// Mean number of customers in the whole network.
    pub fn mean_number(&self) -> f64 {
        self.stations.iter().map(Mmc::mean_number).sum()
    }

    /// Mean time from arrival to leaving, by Little's law; NaN without arrivals.
    pub fn mean_sojourn(&self) -> f64 {
        self.mean_number() / self.external_rate
    }
}

#[cfg(test)]
mod tests;
