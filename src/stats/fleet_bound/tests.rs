use proptest::prelude::*;

use super::*;

fn span(hours: f64) -> SimDuration {
    SimDuration::from_seconds(hours * 3600.0)
}

fn at(hours: f64) -> SimTime {
    SimTime(span(hours).0)
}

fn machine(capacity: &[u64], usd_per_hour: f64) -> Machine {
    let (boot, minimum_billing) = (SimDuration::ZERO, SimDuration::ZERO);
    Machine { capacity: capacity.to_vec(), usd_per_hour, limit: None, boot, minimum_billing }
}

fn anywhere(requests: &[u64], machines: usize) -> PodClass {
    PodClass { requests: requests.to_vec(), machines: (0..machines).collect() }
}

/// Whether a bound is this one but for what was taken off for safety.
fn is(bound: f64, expected: f64) -> bool {
    bound <= expected + 1e-9 && bound >= expected * (1.0 - 1e-4) - 1e-4
}

#[test]
fn bounds_of_an_instant() {
    let two = [machine(&[4], 1.0), machine(&[8], 1.5)];
    let one_large = [machine(&[4], 1.0), Machine { limit: Some(1), ..machine(&[8], 1.5) }];
    let square = [machine(&[4, 4], 1.0)];
    let on_the_second = PodClass { requests: vec![1], machines: vec![1] };
    for (classes, counts, machines, lp, milp) in [
        // Nothing costs nothing.
        (vec![anywhere(&[1], 2)], vec![0], &two[..], 0.0, 0.0),
        // The volume is 9 of 4, 2.25, but of 3 only one fits into 4: 3 machines of 1, or 3 / 2 of the large for 2.25.
        // Whole: a large one for two and a small one, 2.5.
        (vec![anywhere(&[3], 2)], vec![3], &two[..], 2.25, 2.5),
        // On machines of 4 alone: 3.
        (vec![anywhere(&[3], 1)], vec![3], &two[..1], 3.0, 3.0),
        // Two of 2 fit exactly: 5 / 2, whole 3.
        (vec![anywhere(&[2], 1)], vec![5], &two[..1], 2.5, 3.0),
        // 9 / 8 of 1.5; whole: 1.5 + 1 against 2 * 1.5 and 3 * 1.
        (vec![anywhere(&[1], 2)], vec![9], &two[..], 1.6875, 2.5),
        // One large machine is all there is: 1.5 + 8 / 4.
        (vec![anywhere(&[1], 2)], vec![16], &one_large[..], 3.5, 3.5),
        // Volume 2 * 3 + 2 * 1 = 8 of 4 in both resources: 2; three of the first class need three machines for themselves.
        (vec![anywhere(&[3, 1], 1), anywhere(&[1, 3], 1)], vec![2, 2], &square[..], 2.0, 2.0),
        (vec![anywhere(&[3, 1], 1), anywhere(&[1, 3], 1)], vec![3, 1], &square[..], 3.0, 3.0),
        // 4 of the first go where it is cheapest, with room left by 2 that must go to the large: 6 / 8 of 1.5; whole 1.5.
        (vec![anywhere(&[1], 2), on_the_second.clone()], vec![4, 2], &two[..], 1.125, 1.5),
        // A pod that asks for nothing costs nothing; the other takes a quarter.
        (vec![anywhere(&[0], 1), anywhere(&[1], 1)], vec![7, 1], &two[..1], 0.25, 1.0),
    ] {
        let bound = FleetBound::new(&classes, machines).instant(&counts, 1000).expect("a bound");
        assert!(is(bound.lp_usd_per_hour, lp), "{classes:?} {counts:?}: {bound:?}, not {lp}");
        assert!(is(bound.milp_usd_per_hour.expect("proven"), milp), "{classes:?} {counts:?}: {bound:?}, not {milp}");
    }
}

#[test]
fn what_cannot_be_served_has_no_bound() {
    let classes = [anywhere(&[1], 1), anywhere(&[5], 1)];
    let fleet = FleetBound::new(&classes, &[Machine { limit: Some(2), ..machine(&[4], 1.0) }]);
    assert_eq!(fleet.instant(&[8, 0], 0).map(|bound| bound.milp_usd_per_hour), Ok(None));
    assert_eq!(fleet.instant(&[0, 1], 0), Err(BoundError::Unservable { class: 1 }));
    assert_eq!(fleet.instant(&[9, 0], 0), Err(BoundError::OverLimits));
}

#[test]
fn bounds_of_a_plan() {
    // Pods as large as a machine, of a dollar an hour; demand by the hour.
    let late = [10, 0, 10];
    for (demand, boot, minimum_billing, expected) in [
        // Nothing binds the hours together.
        (&late[..], 0.0, 0.0, 20.0),
        // A minimum of an hour is no more than they serve.
        (&late[..], 0.0, 1.0, 20.0),
        // Ten starts of half an hour cost 5; to keep ten machines for an hour 10.
        (&late[..], 0.5, 0.0, 25.0),
        // Ten starts of two hours cost 20; kept: 10.
        (&late[..], 2.0, 0.0, 30.0),
        // A minimum of three hours is 20 beyond the end; kept: 10.
        (&[10, 0, 10, 0, 0], 0.0, 3.0, 30.0),
        // Of two hours half an hour is boot: an hour and a half are left, of which a whole cell is sure to be billed.
        (&[0, 10, 0, 0], 0.5, 2.0, 15.0),
        // After boot two hours are billed: 10 * (0.5 + 2); kept from the start: 30. With one hour less to keep: 20.
        (&[0, 0, 10, 0, 0], 0.5, 2.5, 25.0),
        (&[0, 10, 0, 0], 0.5, 2.5, 20.0),
    ] {
        let (boot, minimum_billing) = (span(boot), span(minimum_billing));
        let machines = [Machine { boot, minimum_billing, ..machine(&[4], 1.0) }];
        let fleet = FleetBound::new(&[anywhere(&[4], 1)], &machines);
        let steps: Vec<_> = demand.iter().enumerate().map(|(hour, &pods)| (at(hour as f64), vec![pods])).collect();
        let end = at(demand.len() as f64);
        let usd = fleet.horizon(&steps, end, span(1.0)).expect("a bound");
        assert!(is(usd, expected), "{demand:?} {boot} {minimum_billing}: {usd}, not {expected}");
        // Each hour by itself: ten dollars for every ten pods.
        let by_itself = fleet.each_instant(&steps, end, 0).expect("a bound");
        assert!(is(by_itself, demand.iter().sum::<u64>() as f64), "{by_itself}");
    }
}

#[test]
fn a_cell_counts_the_mean_of_its_demand() {
    let fleet = FleetBound::new(&[anywhere(&[1], 1)], &[machine(&[1], 1.0)]);
    let steps = [(at(1.0), vec![4]), (at(1.5), vec![8]), (at(2.25), vec![0]), (at(3.5), vec![1])];
    // From 1 h: half an hour of 4 and of 8; a quarter of 8; half an hour of 1.
    assert_eq!(fleet.means(&steps, at(4.0), span(1.0)), [[6.0], [2.0], [0.5]]);
    assert_eq!(fleet.means(&steps, at(3.75), span(1.0)), [[6.0], [2.0], [0.25]]);
    assert_eq!(fleet.means(&[], at(3.75), span(1.0)), Vec::<Vec<f64>>::new());
}

/// Whether the pods fit into machines with so much room, by trying every machine for every pod.
fn packs(pods: &[&PodClass], room: &mut [(usize, Vec<u64>)]) -> bool {
    let Some((pod, rest)) = pods.split_first() else { return true };
    for i in 0..room.len() {
        let fits = room[i].1.iter().zip(&pod.requests).all(|(room, ask)| ask <= room);
        if fits && pod.machines.contains(&room[i].0) {
            room[i].1.iter_mut().zip(&pod.requests).for_each(|(room, ask)| *room -= ask);
            let packed = packs(rest, room);
            room[i].1.iter_mut().zip(&pod.requests).for_each(|(room, ask)| *room += ask);
            if packed {
                return true;
            }
        }
    }
    false
}

/// The cheapest fleet of at most so many machines of each type, by trying all.
fn cheapest(pods: &[&PodClass], machines: &[Machine], most: usize) -> Option<f64> {
    let fleets = (0..(most + 1).pow(machines.len() as u32)).map(|code| {
        let count = |machine: usize| code / (most + 1).pow(machine as u32) % (most + 1);
        (0..machines.len()).flat_map(|machine| std::iter::repeat_n(machine, count(machine))).collect::<Vec<usize>>()
    });
    let serving = fleets.filter(|fleet| {
        let mut room: Vec<_> = fleet.iter().map(|&machine| (machine, machines[machine].capacity.clone())).collect();
        packs(pods, &mut room)
    });
    serving.map(|fleet| fleet.iter().map(|&machine| machines[machine].usd_per_hour).sum()).min_by(f64::total_cmp)
}

/// What first fit pays that opens the first machine which holds the pod.
fn first_fit_usd(pods: &[&PodClass], machines: &[Machine]) -> f64 {
    let mut open: Vec<(usize, Vec<u64>)> = Vec::new();
    for pod in pods {
        let fits = |(machine, room): &(usize, Vec<u64>)| {
            pod.machines.contains(machine) && room.iter().zip(&pod.requests).all(|(room, ask)| ask <= room)
        };
        let found = open.iter().position(fits).unwrap_or_else(|| {
            let fresh = machines.iter().enumerate().map(|(index, machine)| (index, machine.capacity.clone()));
            open.push(fresh.into_iter().find(fits).expect("some machine holds the pod"));
            open.len() - 1
        });
        open[found].1.iter_mut().zip(&pod.requests).for_each(|(room, ask)| *room -= ask);
    }
    open.iter().map(|(machine, _)| machines[*machine].usd_per_hour).sum()
}

fn machine_strategy() -> impl Strategy<Value = Machine> {
    (1..=12u64, 1..=12u64, 1..=40u32, 0..=6u32, 0..=8u32).prop_map(|(cpu, memory, cents, boot, minimum)| Machine {
        boot: span(f64::from(boot) / 4.0),
        minimum_billing: span(f64::from(minimum) / 4.0),
        ..machine(&[cpu, memory], f64::from(cents) / 100.0)
    })
}

/// Machines, the last of which holds every pod, and classes of pods with the types that they may use.
fn fleet_strategy() -> impl Strategy<Value = (Vec<Machine>, Vec<PodClass>)> {
    let class = (0..=8u64, 1..=8u64, prop::bool::ANY).prop_map(|(cpu, memory, picky)| (cpu, memory, picky));
    let large = machine_strategy().prop_map(|machine| Machine { capacity: vec![12, 12], ..machine });
    (prop::collection::vec(machine_strategy(), 1..3), large, prop::collection::vec(class, 1..4)).prop_map(
        |(mut machines, large, classes)| {
            machines.push(large);
            let from = |picky| if picky { 1 } else { 0 };
            let class = |(cpu, memory, picky)| PodClass {
                requests: vec![cpu, memory],
                machines: (from(picky)..machines.len()).collect(),
            };
            let classes = classes.into_iter().map(class).collect();
            (machines, classes)
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(192))]

    #[test]
    fn no_packing_is_cheaper((machines, classes) in fleet_strategy(), counts in prop::collection::vec(0..=2u64, 3)) {
        let counts = &counts[..classes.len()];
        let pods: Vec<&PodClass> = classes.iter().zip(counts).flat_map(|(class, &n)| vec![class; n as usize]).collect();
        let bound = FleetBound::new(&classes, &machines).instant(counts, 10_000).expect("a bound");
        let milp = bound.milp_usd_per_hour.expect("proven");
        let most = pods.len().min(3);
        prop_assert!(bound.lp_usd_per_hour <= milp);
        if let Some(cheapest) = cheapest(&pods, &machines, most) {
            prop_assert!(milp <= cheapest + 1e-9, "{milp} of {cheapest}");
        }
        prop_assert!(milp <= first_fit_usd(&pods, &machines) + 1e-9);
    }

    /// Machines that run at any time, each full of pods of one class: their bill is never below the bound of that demand.
    #[test]
    fn no_fleet_over_time_is_cheaper(
        (machines, classes) in fleet_strategy(),
        runs in prop::collection::vec((0..3usize, 0..3usize, 0..300u32, 1..200u32), 1..12),
        cell in prop::sample::select(vec![0.25, 0.4, 0.5, 1.0]),
    ) {
        let mut changes: Vec<(SimTime, usize, i64)> = Vec::new();
        let (mut usd, mut end) = (0.0, SimTime::ZERO);
        for (machine, class, from, minutes) in runs {
            let (index, class) = (machine % machines.len(), class % classes.len());
            let machine = &machines[index];
            let pods = machine.capacity.iter().zip(&classes[class].requests).filter(|(_, ask)| **ask > 0);
            let pods = pods.map(|(room, ask)| room / ask).min().expect("memory is asked for") as i64;
            let may = classes[class].machines.contains(&index);
            let (from, serves) = (at(f64::from(from) / 60.0), span(f64::from(minutes) / 60.0));
            let billed = machine.minimum_billing.max(serves + machine.boot);
            usd += machine.usd_per_hour * hours(billed);
            changes.push((from, class, if may { pods } else { 0 }));
            changes.push((from.after(serves), class, if may { -pods } else { 0 }));
            end = end.max(from.after(serves));
        }
        changes.sort_unstable();
        let mut counts = vec![0i64; classes.len()];
        let mut steps: Vec<(SimTime, Vec<u64>)> = vec![(SimTime::ZERO, vec![0; classes.len()])];
        for (time, class, by) in changes {
            counts[class] += by;
            let counts = counts.iter().map(|&count| u64::try_from(count.max(0)).expect("not negative")).collect();
            steps.push((time, counts));
        }
        let fleet = FleetBound::new(&classes, &machines);
        let plan = fleet.horizon(&steps, end, span(cell)).expect("a bound");
        prop_assert!(plan <= usd + 1e-9, "{plan} of {usd}");
        let by_itself = fleet.each_instant(&steps, end, 0).expect("a bound");
        prop_assert!(by_itself <= usd + 1e-9, "{by_itself} of {usd}");
        // On the grid of the changes' greatest common step the plan knows more than each instant does.
        prop_assert!(plan > 0.0 || by_itself < 1e-9);
    }
}
