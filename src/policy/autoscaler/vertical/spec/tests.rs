//! The table of upstream's `limit_range_calculator_test.go`.

use super::*;
use crate::units::{Bytes, MilliCpu};

fn amounts(cpu_milli: u64, memory_bytes: u64) -> Amounts {
    Amounts::both(MilliCpu(cpu_milli), Bytes(memory_bytes))
}

#[test]
fn ranges_are_combined_into_the_narrowest() {
    let nothing = LimitRangeItem::default();
    let min = |cpu, memory| LimitRangeItem { min: amounts(cpu, memory), ..nothing };
    let max = |cpu, memory| LimitRangeItem { max: amounts(cpu, memory), ..nothing };
    let default = |cpu, memory| LimitRangeItem { default: amounts(cpu, memory), ..nothing };
    for (items, expected) in [
        (vec![], None),
        (vec![nothing], None),
        (vec![max(2000, 2)], Some(max(2000, 2))),
        (vec![max(1500, 2), max(2000, 1)], Some(max(1500, 1))),
        (vec![min(1500, 1), min(1000, 2)], Some(min(1500, 2))),
        (vec![default(1500, 1), default(1000, 2)], Some(default(1000, 2))),
        (
            vec![min(1, 1), max(3, 3), default(2, 2)],
            Some(LimitRangeItem { min: amounts(1, 1), max: amounts(3, 3), default: amounts(2, 2) }),
        ),
        (
            vec![LimitRangeItem { max: Amounts { cpu: Some(MilliCpu(5)), memory: None }, ..nothing }, max(7, 7)],
            Some(max(5, 7)),
        ),
    ] {
        assert_eq!(LimitRangeItem::combined(&items), expected, "{items:?}");
    }
}
