//! Bills that were worked out by hand, and properties of every bill.

use proptest::prelude::*;

use super::*;
use crate::model::billing::{Billing, PlanRate, Reservation, SavingsPlan};
use crate::model::catalogue::Provider;
use crate::units::{Bytes, MilliCpu};

const HOUR: u64 = 3_600_000_000_000;
const SECOND: u64 = 1_000_000_000;

fn usd(text: &str) -> Money {
    Money::parse(text).unwrap()
}

fn hours(hours: f64) -> SimTime {
    SimTime((hours * HOUR as f64) as u64)
}

fn amounts(cores: u64, gib: u64) -> Amounts {
    Amounts { cpu: MilliCpu(cores * 1000), memory: Bytes(gib << 30), gpu_milli: 0 }
}

/// An instance of AWS on demand, of 4 cores and 16 GiB.
fn terms(instance_type: u32, price: &str) -> Terms {
    Terms {
        pool: 0,
        instance_type,
        region: 0,
        purchase: Purchase::OnDemand,
        usd_per_hour: usd(price),
        node_fee_per_hour: Money::ZERO,
        billing: Billing::of(Provider::Aws),
        capacity: amounts(4, 16),
    }
}

fn owner(workload: u32) -> Owner {
    Owner { namespace: workload / 10, workload }
}

/// The issue kubernetes-sigs/karpenter#1664: at 0.03 a node and hour, 16 small nodes for 0.64 cost more than a large one for
/// 0.65.
#[test]
fn fees_by_the_node_turn_the_cheapest_plan_round() {
    for (count, price, without, with) in [(16, "0.04", "0.64", "1.12"), (1, "0.65", "0.65", "0.68")] {
        let mut ledger = Ledger::default();
        for node in 0..count {
            let terms = Terms { node_fee_per_hour: usd("0.03"), ..terms(0, price) };
            ledger.begin(node, terms, SimTime::ZERO);
        }
        let bill = ledger.finish(hours(1.0));
        let by_kind = bill.by(|line| line.kind);
        assert_eq!((by_kind[&Kind::OnDemand], bill.total()), (usd(without), usd(with)), "{count} nodes");
    }
}

#[test]
fn time_is_billed_as_it_was_bought() {
    // Price 0.36: a second costs 0.0001.
    let spot = Terms { purchase: Purchase::Spot, ..terms(0, "0.36") };
    for (terms, seconds, reason, cost) in [
        (terms(0, "0.36"), 10, EndReason::Returned, "0.006"),
        (terms(0, "0.36"), 90, EndReason::Returned, "0.009"),
        (spot, 90, EndReason::Returned, "0.009"),
        (spot, 3599, EndReason::Reclaimed, "0"),
        (spot, 3600, EndReason::Reclaimed, "0.36"),
        (terms(0, "0.36"), 90, EndReason::Reclaimed, "0.009"),
        (Terms { billing: Billing::HOURLY, ..terms(0, "0.36") }, 3601, EndReason::Returned, "0.72"),
    ] {
        let mut ledger = Ledger::default();
        ledger.begin(0, terms, hours(1.0));
        ledger.end(0, SimTime(HOUR + seconds * SECOND), reason);
        assert_eq!(ledger.finish(hours(9.0)).total(), usd(cost), "{terms:?} for {seconds} s");
    }
}

#[test]
fn spot_prices_follow_the_market() {
    let mut ledger = Ledger::default();
    ledger.begin(0, Terms { purchase: Purchase::Spot, ..terms(0, "0.1") }, SimTime::ZERO);
    ledger.reprice(0, usd("0.4"), hours(1.0));
    ledger.reprice(0, usd("0.2"), hours(1.5));
    ledger.end(0, hours(3.5), EndReason::Returned);
    // 1 h at 0.1, half an hour at 0.4, 2 h at 0.2
    assert_eq!(ledger.finish(hours(10.0)).by(|line| line.kind)[&Kind::Spot], usd("0.7"));
}

#[test]
fn nodes_are_shared_as_opencost_does() {
    let mut ledger = Ledger::default();
    ledger.begin(0, terms(0, "1"), SimTime::ZERO);
    // Half of the cores for the whole hour; all of the memory for half of it.
    ledger.allocate(0, owner(1), Amounts { memory: Bytes(0), ..amounts(2, 0) }, SimTime::ZERO, hours(1.0));
    ledger.allocate(0, owner(2), amounts(0, 16), hours(0.5), hours(1.0));
    let parts = ledger.finish(hours(1.0)).by(|line| line.owner);
    // CPU: 4 * 0.031611 = 0.126444, memory: 16 * 0.004237 = 0.067792: 0.650981281 and 0.349018719 of the node. Half of each
    // is 0.3254906405 and 0.1745093595, of which the owner has the half billionth.
    assert_eq!(parts[&For::Owner(owner(1))], Money(325_490_641));
    assert_eq!(parts[&For::Owner(owner(2))], Money(174_509_360));
    assert_eq!(parts[&For::Nobody], Money(499_999_999));
}

#[test]
fn those_who_take_more_than_there_is_share_the_whole() {
    let mut ledger = Ledger::default();
    ledger.begin(0, terms(0, "1"), SimTime::ZERO);
    for (workload, cores) in [(1, 3), (2, 6)] {
        ledger.allocate(0, owner(workload), amounts(cores, cores * 4), SimTime::ZERO, hours(1.0));
    }
    let parts = ledger.finish(hours(1.0)).by(|line| line.owner);
    let expected = [(1, Money(333_333_333)), (2, Money(666_666_667))].map(|(who, part)| (For::Owner(owner(who)), part));
    assert_eq!(parts, BTreeMap::from(expected));
}

#[test]
fn what_is_bought_ahead_covers_the_dearest_first() {
    let rate = |instance_type, price| PlanRate { instance_type, region: 0, usd_per_hour: usd(price) };
    let commitments = Commitments {
        reservations: vec![Reservation { instance_type: 0, region: 0, count: 2, usd_per_hour: usd("0.5") }],
        plans: vec![SavingsPlan { commitment_per_hour: usd("3"), rates: vec![rate(1, "1.2"), rate(2, "2")] }],
    };
    let mut ledger = Ledger::new(Rules { commitments, ..Rules::default() });
    // Hour 0: one of type 0, two of type 1 at 2 on demand (saves 40 %), one of type 2 at 2.5 (saves 20 %).
    for (instance, instance_type, price, until) in
        [(0, 0, "1", 2.0), (1, 1, "2", 1.0), (2, 1, "2", 1.0), (3, 2, "2.5", 1.0)]
    {
        ledger.begin(instance, terms(instance_type, price), SimTime::ZERO);
        ledger.end(instance, hours(until), EndReason::Returned);
    }
    let bill = ledger.finish(hours(2.0));
    let by_kind = bill.by(|line| line.kind);
    // Reserved: type 0 for 2 h at 0.5, and one of two unused for 2 h: 1 and 1.
    assert_eq!(by_kind[&Kind::Reserved], usd("1"));
    // Plan in hour 0: 2.4 for type 1, 0.6 left cover 0.3 h of type 2; 0.7 h on demand: 1.75. Hour 1: 3 unused.
    assert_eq!(by_kind[&Kind::SavingsPlan], usd("3"));
    assert_eq!(by_kind[&Kind::OnDemand], usd("1.75"));
    assert_eq!(by_kind[&Kind::UnusedCommitment], usd("4"));
    assert_eq!(bill.total(), usd("9.75"));
}

#[test]
fn what_is_bought_ahead_covers_instances_of_a_group_alike() {
    let reservation = Reservation { instance_type: 0, region: 0, count: 1, usd_per_hour: usd("0.6") };
    let commitments = Commitments { reservations: vec![reservation], plans: Vec::new() };
    let mut ledger = Ledger::new(Rules { commitments, ..Rules::default() });
    for (instance, pool) in [(0, 7), (1, 8)] {
        ledger.begin(instance, Terms { pool, ..terms(0, "1") }, SimTime::ZERO);
    }
    // Each is covered for half an hour: 0.3 and 0.5.
    let by_pool = ledger.finish(hours(1.0)).by(|line| line.place.map(|(pool, _)| pool));
    assert_eq!(by_pool, BTreeMap::from([(Some(7), usd("0.8")), (Some(8), usd("0.8"))]));
}

#[test]
fn bytes_and_control_planes_are_paid() {
    let rules =
        Rules { control_plane_per_hour: usd("0.1"), egress: EgressTariff::of(Provider::Aws), ..Rules::default() };
    let mut ledger = Ledger::new(rules);
    let gib = 1 << 30;
    ledger.egress(0, Some(owner(1)), Egress::Zone, 50 * gib, hours(1.0));
    ledger.egress(0, Some(owner(1)), Egress::Internet, 100 * gib, hours(1.0));
    ledger.egress(0, None, Egress::Internet, 100 * gib, hours(700.0));
    // The next month begins after 730 h, and with it 100 GiB for nothing.
    ledger.egress(0, None, Egress::Internet, 100 * gib, hours(731.0));
    let bill = ledger.finish(hours(1000.0));
    // 100 of 200 GiB at 0.09, each half; 50 GiB at 0.02; 1000 h at 0.1.
    assert_eq!(
        bill.by(|line| line.owner),
        BTreeMap::from([(For::Owner(owner(1)), usd("5.5")), (For::All, usd("104.5"))])
    );
}

#[test]
fn bills_are_tables() {
    let rules = Rules { control_plane_per_hour: usd("0.1"), ..Rules::default() };
    let mut ledger = Ledger::new(rules);
    ledger.begin(0, terms(1, "1"), SimTime::ZERO);
    ledger.allocate(0, owner(1), amounts(1, 4), SimTime::ZERO, hours(1.0));
    let list = |names: &[&str]| -> Vec<String> { names.iter().map(|name| (*name).to_owned()).collect() };
    let (pools, types, regions) = (list(&["p"]), list(&["a", "b"]), list(&["r"]));
    let (namespaces, workloads) = (list(&["n"]), list(&["v", "w"]));
    let names = Names {
        pools: &pools,
        instance_types: &types,
        regions: &regions,
        namespaces: &namespaces,
        workloads: &workloads,
    };
    let mut csv = Vec::new();
    ledger.finish(hours(1.0)).table(&names).write_csv(&mut csv).unwrap();
    // A quarter of cores and memory.
    assert_eq!(
        String::from_utf8(csv).unwrap(),
        "kind,pool,instance_type,region,for,namespace,workload,usd\n\
         on-demand,p,b,r,workload,n,w,0.250000000\n\
         on-demand,p,b,r,idle,,,0.750000000\n\
         control-plane,,,,all,,,0.100000000\n"
    );
}

#[test]
#[should_panic(expected = "before its beginning or after its end")]
fn nobody_runs_where_nothing_is() {
    let mut ledger = Ledger::default();
    ledger.begin(0, terms(0, "1"), SimTime::ZERO);
    ledger.end(0, hours(1.0), EndReason::Returned);
    ledger.allocate(0, owner(1), amounts(1, 1), hours(0.5), hours(1.5));
}

/// An instance as it is drawn: its type, beginning and length in s, purchase, whether it is reclaimed or still there at the
/// end, and what workloads had of it in hundredths of its life and its cores.
type Drawn = (u32, u64, u64, u8, u8, Vec<(u32, u64, u64, u64)>);

fn drawn() -> impl Strategy<Value = Vec<Drawn>> {
    let share = (0u32..30, 0u64..100, 0u64..100, 0u64..6);
    let shares = prop::collection::vec(share, 0..6);
    prop::collection::vec((0u32..4, 0u64..20_000, 0u64..20_000, 0u8..3, 0u8..3, shares), 0..12)
}

fn commitments() -> impl Strategy<Value = Commitments> {
    let reservation = (0u32..4, 0u32..3, 0i128..2_000_000_000).prop_map(|(instance_type, count, price)| Reservation {
        instance_type,
        region: 0,
        count,
        usd_per_hour: Money(price),
    });
    let rate = (0u32..4, 0i128..2_000_000_000).prop_map(|(instance_type, price)| PlanRate {
        instance_type,
        region: 0,
        usd_per_hour: Money(price),
    });
    let rates = prop::collection::vec(rate, 0..4);
    let plan = (0i128..5_000_000_000, rates)
        .prop_map(|(commitment, rates)| SavingsPlan { commitment_per_hour: Money(commitment), rates });
    let plans = prop::collection::vec(plan, 0..3);
    (prop::collection::vec(reservation, 0..3), plans)
        .prop_map(|(reservations, plans)| Commitments { reservations, plans })
}

/// The ledger of drawn instances at one price a type, and the most that they can cost.
fn ledger_of(instances: &[Drawn], rules: Rules) -> (Ledger, Money) {
    let (mut ledger, mut most) = (Ledger::new(rules), Money::ZERO);
    for (number, (instance_type, begin_s, length_s, purchase, reason, shares)) in instances.iter().enumerate() {
        let purchase = [Purchase::OnDemand, Purchase::Spot, Purchase::Owned][usize::from(*purchase)];
        let price = Money(997_000_001 * i128::from(*instance_type + 1));
        let fee = Money(31_000_007);
        let terms = Terms {
            purchase,
            pool: number as u32 % 3,
            node_fee_per_hour: fee,
            usd_per_hour: price,
            ..terms(*instance_type, "0")
        };
        let (begin, length) = (begin_s * SECOND, length_s * SECOND + 1);
        ledger.begin(number as u32, terms, SimTime(begin));
        for &(workload, one, other, cores) in shares {
            let (from, to) = (one.min(other), one.max(other));
            let at = |hundredth: u64| SimTime(begin + length * hundredth / 100);
            ledger.allocate(number as u32, owner(workload), amounts(cores, cores * 3), at(from), at(to));
        }
        let reasons = [Some(EndReason::Returned), Some(EndReason::Reclaimed), None];
        let reason = reasons[usize::from(*reason)];
        let end = SimTime(begin + length);
        if let Some(reason) = reason {
            ledger.end(number as u32, end, reason);
        }
        let used = SimDuration(if reason.is_some() { length } else { FINISH.0 - begin });
        most += price.for_span(terms.billing.billed(used)) + fee.for_span(used);
    }
    (ledger, most)
}

const FINISH: SimTime = SimTime(41_000 * SECOND);

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn parts_sum_to_the_total_however_they_are_grouped(instances in drawn(), commitments in commitments()) {
        let (ledger, _) = ledger_of(&instances, Rules { commitments, control_plane_per_hour: Money(7), ..Rules::default() });
        let bill = ledger.finish(FINISH);
        let total = bill.total();
        prop_assert_eq!(bill.by(|line| line.kind).into_values().sum::<Money>(), total);
        prop_assert_eq!(bill.by(|line| line.place).into_values().sum::<Money>(), total);
        let by_owner: Vec<Money> = bill.by(|line| line.owner).into_values().collect();
        prop_assert_eq!(by_owner.iter().copied().sum::<Money>(), total);
        prop_assert_eq!(crate::model::money::whole_cents(&by_owner).iter().sum::<i64>(), total.cents());
        prop_assert!(bill.lines().all(|(_, amount)| amount > Money::ZERO), "{:?}", bill);
    }

    #[test]
    fn nothing_is_billed_before_the_beginning_or_after_the_end(instances in drawn()) {
        let (ledger, most) = ledger_of(&instances, Rules::default());
        let later = ledger.clone().finish(FINISH);
        // What is free because it was reclaimed makes it less; nothing makes it more.
        prop_assert!(later.total() <= most);
        let all_ended = instances.iter().all(|drawn| drawn.4 < 2);
        let much_later = ledger.finish(SimTime(FINISH.0 * 3));
        prop_assert_eq!(all_ended || instances.is_empty(), much_later.total() == later.total());
    }

    #[test]
    fn commitments_cost_what_was_promised(instances in drawn(), commitments in commitments()) {
        let promised = commitments.reservations.iter().map(|one| one.usd_per_hour.times(u64::from(one.count)));
        let promised: Money = promised.chain(commitments.plans.iter().map(|plan| plan.commitment_per_hour)).sum();
        let (ledger, _) = ledger_of(&instances, Rules { commitments, ..Rules::default() });
        let by_kind = ledger.finish(FINISH).by(|line| line.kind);
        let paid = [Kind::Reserved, Kind::SavingsPlan, Kind::UnusedCommitment].map(|kind| by_kind.get(&kind).copied());
        let paid: Money = paid.into_iter().flatten().sum();
        // Each hour of each of them is rounded by itself.
        prop_assert!((paid.0 - promised.for_span(FINISH.since(SimTime::ZERO)).0).abs() < 200, "{} of {}", paid, promised);
    }
}
