//! How the real KEDA takes the triggers of a ScaledJob together, replayed. `conformance/keda` writes the vectors,
//! `crate::vectors` says which are read. What the committed ones compared stands in `docs/autoscaler-conformance/keda.md`.

use serde::Deserialize;
use wavetank::policy::autoscaler::keda::scaled_job::{Calculation, Demand, ScaledJob, TriggerDemand};
use wavetank::policy::autoscaler::keda::trigger::{Milli, Reading};

use crate::vectors::{self, Comparisons};

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

const OF_ONE: &str = "what one trigger asks for";
const TOGETHER: &str = "what triggers ask for together";

fn replay(line: &str, tally: &mut Comparisons<&'static str>) {
    let case: Case = vectors::case(line, "a case");
    let mut demands = Vec::new();
    for trigger in case.triggers.iter().flatten() {
        let reading = Reading { metric: Milli(trigger.metric), is_active: trigger.active };
        let ours = TriggerDemand::of(reading, Milli(trigger.target), i64::from(case.max));
        tally.compare(OF_ONE, line, &(trigger.length, trigger.jobs), &(ours.queue_length, ours.max_value));
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
    let theirs = (Demand { max_scale: case.jobs, queue_length: case.length }, case.is_active);
    tally.compare(TOGETHER, line, &theirs, &ours);
}

fn page(tally: &Comparisons<&'static str>, release: &str) -> String {
    format!(
        "# Decisions compared with the real KEDA {release}\n\n\
         Written by `cargo test --test it keda_vectors` from the vectors in `tests/vectors/keda`, which the module in\n\
         `conformance/keda` wrote with KEDA's own package `pkg/scaling/scaledjob`. A decision that differs fails the test, so both\n\
         columns are equal. `WAVETANK_REWRITE=1` writes this page anew.\n\n\
         | what | compared | agreeing |\n|---|---:|---:|\n\
         {}\n\
         The other packages of KEDA need the libraries of every event source there is, some 1 500 packages. Of them upstream's\n\
         published tests are unit tests here: the scaling strategies of jobs, the minimum of jobs, fallbacks, replicas between\n\
         zero, idle and minimum, divisors of Kafka's partitions, schedules, activation thresholds.\n",
        tally
            .counts
            .iter()
            .map(|(what, count)| format!("| {what} | {} | {} |\n", count.0, count.1))
            .collect::<String>(),
    )
}

#[test]
fn the_real_keda_takes_triggers_together_the_same_way() {
    let mut tally = Comparisons::default();
    let mut release = String::new();
    for path in vectors::files("keda") {
        let (header, lines) = vectors::open(&path);
        lines.for_each(|line| replay(&line, &mut tally));
        release = header.release;
    }
    tally.assert_agreement();
    vectors::check_page("keda_vectors", "docs/autoscaler-conformance/keda.md", &page(&tally, &release));
}
