use super::*;
use crate::stats::fleet_bound::PodClass;

fn span(hours: f64) -> SimDuration {
    SimDuration::from_seconds(hours * 3600.0)
}

fn at(hours: f64) -> SimTime {
    SimTime(span(hours).0)
}

/// Pods as large as a machine, which costs a dollar an hour.
fn kinds(boot: f64, minimum: f64) -> Kinds {
    let (boot, minimum_billing) = (span(boot), span(minimum));
    Kinds {
        pods: vec![PodClass { requests: vec![4], machines: vec![0] }],
        machines: vec![Machine { capacity: vec![4], usd_per_hour: 1.0, limit: None, boot, minimum_billing }],
        of_class: BTreeMap::new(),
    }
}

/// Whether a bound is this one but for what was taken off for safety.
fn is(bound: f64, expected: f64) -> bool {
    bound <= expected + 1e-9 && bound >= expected * (1.0 - 1e-4) - 1e-4
}

#[test]
fn bounds_of_a_demand() {
    // Up to 48 h, so that cells are hours: from and to in hours, so many pods; boot and minimum bill.
    for (demand, boot, minimum, instants, planned) in [
        // Nothing costs nothing.
        (&[][..], 0.5, 0.0, 0.0, 0.0),
        // Ten pods for an hour, an hour later ten again.
        (&[(0.0, 1.0, 10), (2.0, 3.0, 10)][..], 0.0, 0.0, 20.0, 20.0),
        // Those of the first cell were there: ten starts of half an hour cost 5, to keep ten machines for an hour 10.
        (&[(0.0, 1.0, 10), (2.0, 3.0, 10)][..], 0.5, 0.0, 20.0, 25.0),
        // To start costs 20, to keep 10.
        (&[(0.0, 1.0, 10), (2.0, 3.0, 10)][..], 2.0, 0.0, 20.0, 30.0),
        // A minimum bill of three hours, for one of service.
        (&[(5.0, 6.0, 10)][..], 0.0, 3.0, 10.0, 30.0),
        // A quarter of an hour is a quarter of a machine in the mean of its cell.
        (&[(5.0, 5.25, 4)][..], 0.0, 0.0, 1.0, 1.0),
    ] {
        let spans = demand.iter().flat_map(|&(from, to, pods)| std::iter::repeat_n((0, at(from), at(to)), pods));
        let spans: Vec<_> = spans.collect();
        let (by_itself, plan) = demand_usd(&kinds(boot, minimum), &spans, at(48.0)).expect("bounds");
        let plan = plan.max(by_itself);
        assert!(is(by_itself, instants) && is(plan, planned), "{demand:?} {boot} {minimum}: {by_itself} {plan}");
    }
}

#[test]
fn too_many_steps_are_taken_with_their_means() {
    // Every 6 minutes another pod for 3 minutes: 480 of them, 24 h in all.
    let pod = |index: u32| (0, at(f64::from(index) / 10.0), at(f64::from(index) / 10.0 + 0.05));
    let spans: Vec<_> = (0..480).map(pod).collect();
    assert!(steps(&spans, 1).is_none());
    let (by_itself, _) = demand_usd(&kinds(0.0, 0.0), &spans, at(48.0)).expect("bounds");
    assert!(is(by_itself, 24.0), "{by_itself}");
}

#[test]
fn demands_as_steps_and_as_means() {
    let spans = [(0, at(0.0), at(2.0)), (1, at(1.0), at(3.0)), (0, at(1.0), at(2.0))];
    let expected = [(at(0.0), vec![1, 0]), (at(1.0), vec![2, 1]), (at(2.0), vec![0, 1]), (at(3.0), vec![0, 0])];
    assert_eq!(steps(&spans, 2).expect("few"), expected);
    // Cells of 2 h: two and one pod of the first kind for an hour each is 1.5; half a pod of the second in both.
    let (means, cell) = means(&spans, 2, at(4.0), 2);
    assert_eq!((means, cell), (vec![vec![1.5, 0.5], vec![0.0, 0.5]], span(2.0)));
}
