use super::*;

fn close(found: f64, expected: f64, tolerance: f64) {
    assert!((found - expected).abs() <= tolerance * expected.abs(), "{found}, not {expected}");
}

fn delay(demand: f64) -> ClosedStation {
    ClosedStation::Delay { demand }
}

fn queue(demand: f64, servers: u32) -> ClosedStation {
    ClosedStation::Queue { demand, servers }
}

/// The recursion of Reiser and Lavenberg with marginal probabilities, as published.
fn published_recursion(stations: &[ClosedStation], population: usize) -> (f64, Vec<f64>) {
    let size = stations.len();
    let mut marginals = vec![vec![1.0]; size];
    let mut throughput = 0.0;
    for customers in 1..=population {
        let residence = |index: usize| -> f64 {
            let speed = stations[index].rates(customers);
            (1..=customers).map(|n| n as f64 / speed[n] * marginals[index][n - 1]).sum()
        };
        let residences: Vec<f64> = (0..size).map(residence).collect();
        throughput = customers as f64 / residences.iter().sum::<f64>();
        for (marginal, station) in marginals.iter_mut().zip(stations) {
            let speed = station.rates(customers);
            let mut next: Vec<f64> = (1..=customers).map(|n| throughput / speed[n] * marginal[n - 1]).collect();
            next.insert(0, 1.0 - next.iter().sum::<f64>());
            *marginal = next;
        }
    }
    let mean = |marginal: &Vec<f64>| marginal.iter().enumerate().map(|(n, p)| n as f64 * p).sum();
    (throughput, marginals.iter().map(mean).collect())
}

#[test]
fn mixed_stations_as_published() {
    let networks = [
        vec![queue(1.0, 1), queue(2.0, 1)],
        vec![delay(5.0), queue(1.0, 1), queue(0.7, 1)],
        vec![delay(5.0), queue(3.0, 4), queue(0.7, 1)],
        vec![queue(3.0, 4), queue(1.0, 2)],
        vec![queue(3.0, 4), queue(0.0, 3), delay(2.0), queue(1.0, 2), queue(0.6, 1), delay(0.0)],
        vec![ClosedStation::LoadDependent { demand: 2.0, speeds: vec![1.0, 1.5, 1.2] }, delay(3.0), queue(1.0, 3)],
        vec![queue(2.0, 3)],
        vec![queue(2.0, 3), delay(0.0), queue(0.0, 1)],
    ];
    for stations in networks {
        for population in [0u32, 1, 2, 5, 12] {
            let found = mean_value_analysis(&stations, population);
            // Stations without demand have infinite speed, which the published recursion cannot take.
            let kept: Vec<ClosedStation> = stations.iter().filter(|station| station.demand() > 0.0).cloned().collect();
            let (throughput, numbers) = published_recursion(&kept, population as usize);
            close(found.throughput, throughput, 1e-9);
            let mut numbers = numbers.into_iter();
            for (station, means) in stations.iter().zip(&found.stations) {
                let number = if station.demand() > 0.0 { numbers.next().expect("one for each") } else { 0.0 };
                close(means.number, number, 1e-8);
                close(means.number, means.residence * found.throughput, 1e-12);
            }
            let total: f64 = found.stations.iter().map(|station| station.number).sum();
            close(total, f64::from(population), 1e-12);
            close(found.cycle_time() * found.throughput, f64::from(population), 1e-12);
        }
    }
}

#[test]
fn two_single_servers_by_hand() {
    // Demands 1 and 2, three customers: with j at the second, weights 2^j: 1, 2, 4, 8 of 15. Its server is busy
    // 14 / 15 of the time, so the throughput is 7 / 15; it holds (2 + 8 + 24) / 15 on average.
    let found = mean_value_analysis(&[queue(1.0, 1), queue(2.0, 1)], 3);
    close(found.throughput, 7.0 / 15.0, 1e-15);
    close(found.stations[1].number, 34.0 / 15.0, 1e-15);
    close(found.stations[1].in_service, 14.0 / 15.0, 1e-15);
}

#[test]
fn the_terminal_system_of_the_textbook() {
    // Lazowska et al., Quantitative System Performance (1984), 6.4.1: think time 15, demands 0.605, 2.1 and 1.35.
    // One customer: 1 / 19.055. Two: residences 0.605 (1 + 0.0317), 2.1 (1 + 0.1102), 1.35 (1 + 0.0708), 4.401 in all.
    let stations = [delay(15.0), queue(0.605, 1), queue(2.1, 1), queue(1.35, 1)];
    close(mean_value_analysis(&stations, 1).throughput, 1.0 / 19.055, 1e-14);
    let two = mean_value_analysis(&stations, 2);
    close(two.cycle_time(), 15.0 + 4.401, 1e-4);
    close(mean_value_analysis(&stations, 3).throughput, 0.152, 4e-3);
}

#[test]
fn many_customers_reach_the_bottleneck() {
    // Capacity 4 / 3 at the first and 1 / 0.8 at the third: the latter binds.
    let stations = [queue(3.0, 4), delay(50.0), queue(0.8, 1), queue(1.0, 2)];
    let found = mean_value_analysis(&stations, 1500);
    close(found.throughput, 1.25, 1e-12);
    close(found.stations[2].in_service, 1.0, 1e-12);
    // The others see Poisson arrivals at that rate.
    close(found.stations[0].number, Mmc::new(1.25, 3.0, 4).mean_number(), 1e-9);
    close(found.stations[3].number, Mmc::new(1.25, 1.0, 2).mean_number(), 1e-9);
    close(found.stations[1].number, 62.5, 1e-12);
    // Saturated servers, where the published recursion has lost its digits.
    let pair = mean_value_analysis(&[queue(3.0, 4), queue(0.1, 2)], 1000);
    close(pair.throughput, 4.0 / 3.0, 1e-12);
}

#[test]
fn machine_repair_is_a_birth_death_chain() {
    // 30 machines that run for 20 and are repaired by 3 repairers in 2.
    let births: Vec<f64> = (0..30).map(|down| f64::from(30 - down) / 20.0).collect();
    let deaths: Vec<f64> = (1..=30).map(|down| f64::from(down.min(3)) / 2.0).collect();
    let chain = birth_death_distribution(&births, &deaths);
    let down: f64 = chain.iter().enumerate().map(|(n, p)| n as f64 * p).sum();
    let found = mean_value_analysis(&[delay(20.0), queue(2.0, 3)], 30);
    close(found.stations[1].number, down, 1e-12);
    close(found.throughput, (30.0 - down) / 20.0, 1e-12);
}

#[test]
fn nothing_to_do() {
    assert_eq!(mean_value_analysis(&[], 0).throughput, 0.0);
    assert_eq!(mean_value_analysis(&[queue(0.0, 2)], 3).throughput, f64::INFINITY);
    let empty = mean_value_analysis(&[queue(1.0, 2), delay(1.0)], 0);
    assert_eq!((empty.throughput, empty.stations[0].number, empty.cycle_time()), (0.0, 0.0, 0.0));
}

#[test]
fn traffic_with_feedback() {
    // A third comes back to the first after the second, a tenth repeats the first: rates solve
    // a = 1 + 0.1 a + b / 3, b = 0.9 a: a (0.9 - 0.3) = 1.
    let routing = [vec![0.1, 0.9], vec![1.0 / 3.0, 0.0]];
    let rates = traffic_equations(&[1.0, 0.0], &routing).expect("all leave");
    close(rates[0], 1.0 / 0.6, 1e-14);
    close(rates[1], 0.9 / 0.6, 1e-14);
    let station = |external_rate, mean_service, servers| OpenStation { external_rate, mean_service, servers };
    let network = OpenNetwork::new(&[station(1.0, 0.3, 1), station(0.0, 1.0, 3)], &routing).expect("all leave");
    // M/M/1 at 0.5: 1 customer. M/M/3 at load 1.5: C = 0.236842, waiting C 1.5 / 1.5, in all 1.736842.
    close(network.mean_number(), 2.736_842, 1e-6);
    close(network.mean_sojourn(), 2.736_842, 1e-6);
    close(network.stations()[0].utilisation(), 0.5, 1e-14);
}

#[test]
fn who_never_leaves() {
    assert_eq!(traffic_equations(&[1.0, 0.0], &[vec![0.0, 1.0], vec![1.0, 0.0]]), None);
    assert_eq!(traffic_equations(&[], &[]), Some(vec![]));
    let full = OpenNetwork::tandem(1.0, &[(0.5, 1), (1.0, 1)]);
    assert_eq!(full.mean_sojourn(), f64::INFINITY);
    assert!(full.stations()[0].is_stable() && !full.stations()[1].is_stable());
}
