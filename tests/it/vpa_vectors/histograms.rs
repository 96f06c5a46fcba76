//! Histories of two decaying histograms.

use serde::Deserialize;
use wavetank::policy::autoscaler::vertical::aggregate::AggregationsConfig;
use wavetank::policy::autoscaler::vertical::histogram::{Buckets, DecayingHistogram};
use wavetank::units::{SimDuration, SimTime};

use super::Tally;

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Case {
    name: String,
    scheme: String,
    #[serde(default)]
    args: Vec<f64>,
    count: usize,
    starts: u64,
    find: Vec<(f64, usize)>,
    half_life: u64,
    ops: Vec<Operation>,
}

#[derive(Debug, Deserialize)]
struct Operation {
    op: String,
    #[serde(default)]
    h: usize,
    #[serde(default)]
    v: f64,
    #[serde(default)]
    w: f64,
    #[serde(default)]
    t: u64,
    #[serde(default)]
    saved: Vec<(usize, u32)>,
    state: Option<State>,
}

#[derive(Debug, Deserialize, PartialEq)]
struct State {
    #[serde(default)]
    empty: bool,
    first: usize,
    last: usize,
    total: f64,
    weights: u64,
    reference: Option<u64>,
    p: Vec<(f64, f64)>,
}

/// FNV-1a of the bits of numbers.
fn bits_of(numbers: impl IntoIterator<Item = f64>) -> u64 {
    let bytes = numbers.into_iter().flat_map(|number| number.to_bits().to_le_bytes());
    bytes.fold(0xcbf2_9ce4_8422_2325, |hash: u64, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3))
}

fn buckets(case: &Case) -> Buckets {
    let config = AggregationsConfig::default();
    match (case.scheme.as_str(), &case.args[..]) {
        ("cpu", []) => config.cpu_buckets(),
        ("memory", []) => config.memory_buckets(),
        ("linear", &[max, size, epsilon]) => Buckets::linear(max, size, epsilon),
        ("exponential", &[max, first, ratio, epsilon]) => Buckets::exponential(max, first, ratio, epsilon),
        _ => panic!("there is no scheme {} of {:?}", case.scheme, case.args),
    }
}

fn state_of(histogram: &DecayingHistogram, percentiles: &[(f64, f64)]) -> State {
    let (first, last) = histogram.histogram().range();
    State {
        empty: histogram.is_empty(),
        first,
        last,
        total: histogram.histogram().total_weight(),
        weights: bits_of(histogram.histogram().weights().iter().copied()),
        reference: histogram.reference().map(|reference| reference.0 / 1_000_000_000),
        p: percentiles.iter().map(|(percentile, _)| (*percentile, histogram.percentile(*percentile))).collect(),
    }
}

pub(super) fn replay(line: &str, tally: &mut Tally) {
    let case: Case = serde_json::from_str(line).expect("the format is known");
    let name = "histogram";
    let buckets = buckets(&case);
    tally.compare((name, "number of buckets"), &case.name, &case.count, &buckets.count());
    let starts = bits_of((0..buckets.count()).map(|bucket| buckets.start(bucket)));
    tally.compare((name, "starts of all buckets"), &case.name, &case.starts, &starts);
    for (value, bucket) in &case.find {
        tally.compare((name, "bucket of a value"), &format!("{} {value}", case.name), bucket, &buckets.find(*value));
    }
    let new = || DecayingHistogram::new(buckets, SimDuration(case.half_life * 1_000_000_000));
    let mut both = [new(), new()];
    for (number, op) in case.ops.iter().enumerate() {
        let place = format!("{} operation {number}", case.name);
        match op.op.as_str() {
            "add" => both[op.h].add(op.v, op.w, SimTime(op.t)),
            "subtract" => both[op.h].subtract(op.v, op.w, SimTime(op.t)),
            "merge" => {
                let [first, second] = &mut both;
                if op.h == 0 { first.merge(second) } else { second.merge(first) }
            }
            "checkpoint" => {
                let saved = both[op.h].save();
                tally.compare((name, "checkpoint"), &place, &op.saved, &saved.weights);
                both[op.h] = new();
                both[op.h].load(&saved).expect("it was just saved");
            }
            other => panic!("there is no operation {other}"),
        }
        if let Some(theirs) = &op.state {
            let ours = state_of(&both[op.h], &theirs.p);
            tally.compare((name, "weights, reference time and percentiles"), &place, theirs, &ours);
        }
    }
}
