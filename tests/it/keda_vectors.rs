//! How the real KEDA takes the triggers of a ScaledJob together, replayed. `conformance/keda` writes the vectors;
//! `WAVETANK_KEDA_VECTORS` names another file to replay, for vectors of a fresh seed. What the committed vectors compared
//! stands in `docs/autoscaler-conformance/keda.md`, which `WAVETANK_REWRITE=1` writes anew.

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};

use flate2::read::GzDecoder;
use serde::Deserialize;
use wavetank::policy::autoscaler::keda::scaled_job::{Calculation, Demand, ScaledJob, TriggerDemand};
use wavetank::policy::autoscaler::keda::trigger::{Milli, Reading};

#[derive(Deserialize)]
struct Header {
    release: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Case {
    calculation: String,
    #[serde(default)]
    min: u32,
    max: u32,
    triggers: Option<Vec<Trigger>>,
    #[serde(default)]
    is_active: bool,
    length: i64,
    jobs: i64,
}

#[derive(Deserialize)]
struct Trigger {
    metric: u64,
    target: u64,
    #[serde(default)]
    active: bool,
    length: f64,
    jobs: f64,
}

/// What was compared.
#[derive(Debug, Default)]
struct Tally {
    triggers: u64,
    demands: u64,
    disagreements: Vec<String>,
}

fn replay(line: &str, tally: &mut Tally) {
    let case: Case = serde_json::from_str(line).expect("the format is known");
    let mut demands = Vec::new();
    for trigger in case.triggers.iter().flatten() {
        let reading = Reading { metric: Milli(trigger.metric), is_active: trigger.active };
        let ours = TriggerDemand::of(reading, Milli(trigger.target), i64::from(case.max));
        tally.triggers += 1;
        if (ours.queue_length, ours.max_value) != (trigger.length, trigger.jobs) {
            tally.disagreements.push(format!("{line}: a trigger is {ours:?}"));
        }
        demands.push(ours);
    }
    // What a ScaledJob has beyond its minimum is the case's maximum.
    let job = ScaledJob {
        min_replica_count: Some(case.min),
        max_replica_count: Some(case.min + case.max),
        calculation: Calculation::named(&case.calculation),
        ..ScaledJob::default()
    };
    let ours = job.demand(&demands);
    tally.demands += 1;
    if ours != (Demand { max_scale: case.jobs, queue_length: case.length }, case.is_active) {
        tally.disagreements.push(format!("{line}: together {ours:?}"));
    }
}

fn page(tally: &Tally, release: &str) -> String {
    format!(
        "# Decisions compared with the real KEDA {release}\n\n\
         Written by `cargo test --test it keda_vectors` from the vectors in `tests/vectors/keda`, which the module in\n\
         `conformance/keda` wrote with KEDA's own package `pkg/scaling/scaledjob`. A decision that differs fails the test, so both\n\
         columns are equal. `WAVETANK_REWRITE=1` writes this page anew.\n\n\
         | what | compared | agreeing |\n|---|---:|---:|\n\
         | what one trigger asks for | {0} | {0} |\n\
         | what triggers ask for together | {1} | {1} |\n\n\
         The other packages of KEDA need the libraries of every event source there is, some 1 500 packages. Of them upstream's\n\
         published tests are unit tests here: the scaling strategies of jobs, the minimum of jobs, fallbacks, replicas between\n\
         zero, idle and minimum, divisors of Kafka's partitions, schedules, activation thresholds.\n",
        tally.triggers, tally.demands
    )
}

#[test]
fn the_real_keda_takes_triggers_together_the_same_way() {
    let fresh = std::env::var_os("WAVETANK_KEDA_VECTORS");
    let path = fresh.as_ref().map_or_else(|| "tests/vectors/keda/demands.jsonl.gz".into(), PathBuf::from);
    let file = std::fs::File::open(&path).expect("the vectors can be read");
    let mut lines = BufReader::new(GzDecoder::new(file)).lines().map(|line| line.expect("whole lines"));
    let header: Header = serde_json::from_str(&lines.next().expect("a header")).expect("the format is known");
    let mut tally = Tally::default();
    lines.for_each(|line| replay(&line, &mut tally));
    assert!(tally.demands >= 1000, "there are vectors");
    assert!(tally.disagreements.is_empty(), "disagreements:\n{}", tally.disagreements.join("\n"));
    if fresh.is_none() {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/autoscaler-conformance/keda.md");
        if std::env::var_os("WAVETANK_REWRITE").is_some() {
            std::fs::write(&path, page(&tally, &header.release)).expect("the docs can be written");
        }
        let written = std::fs::read_to_string(&path).unwrap_or_default();
        assert!(
            written == page(&tally, &header.release),
            "{} is not what the vectors say now; WAVETANK_REWRITE=1 cargo test --test it keda_vectors writes it anew",
            path.display()
        );
    }
}
