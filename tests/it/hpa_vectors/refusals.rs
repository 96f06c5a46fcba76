//! Specs that the API server refuses.

use serde::Deserialize;

use super::Tally;
use super::world::Spec;

#[derive(Debug, Deserialize)]
struct Refusal {
    name: String,
    #[serde(default, rename = "noZero")]
    no_zero: bool,
    spec: Spec,
    /// Fields, and what is wrong with them.
    #[serde(default)]
    want: Vec<(String, String)>,
}

pub(super) fn replay(line: &str, tally: &mut Tally) {
    let case: Refusal = serde_json::from_str(line).expect("the format is known");
    let problems = case.spec.read().with_defaults().problems(!case.no_zero);
    let mut ours: Vec<(String, String)> =
        problems.into_iter().map(|problem| (problem.field, problem.message)).collect();
    // Upstream has no words where a reference lacks something.
    let in_words = |(field, message): (String, String)| {
        let message = if message.is_empty() { "must be set".to_owned() } else { message };
        (field, message)
    };
    let mut theirs: Vec<(String, String)> = case.want.into_iter().map(in_words).collect();
    ours.sort();
    theirs.sort();
    tally.compare(("ValidateHorizontalPodAutoscaler", "problems"), &case.name, &theirs, &ours);
}
