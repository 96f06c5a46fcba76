//! The decisions of the real controller of horizontal pod autoscalers, replayed: every proposal, condition and event in
//! `tests/vectors/hpa` must be ours too. `conformance/FORMAT.md` says how the vectors are written.
//!
//! `WAVETANK_VECTORS` names another directory that has `hpa` in it, for vectors of a fresh seed. What the committed vectors
//! compared stands in `docs/autoscaler-conformance/hpa.md`, which `WAVETANK_REWRITE=1` writes anew.

mod calculations;
mod histories;
mod refusals;
mod world;

use std::collections::BTreeMap;
use std::fmt::Debug;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};

use flate2::read::GzDecoder;
use serde::Deserialize;

/// At most so many disagreements are spelt out.
const SHOWN_MAX: usize = 20;

/// What was compared: which function of upstream, and what of its outcome; how often, and how often it agreed.
#[derive(Debug, Default)]
struct Tally {
    counts: BTreeMap<(&'static str, &'static str), (u64, u64)>,
    /// How often each condition was seen, with its status and reason.
    reasons: BTreeMap<String, u64>,
    disagreements: Vec<String>,
}

impl Tally {
    fn compare<T: PartialEq + Debug>(&mut self, what: (&'static str, &'static str), place: &str, theirs: &T, ours: &T) {
        let count = self.counts.entry(what).or_default();
        count.0 += 1;
        if theirs == ours {
            count.1 += 1;
        } else {
            self.disagreements.push(format!("{place}: {} {}\n  theirs {theirs:?}\n  ours   {ours:?}", what.0, what.1));
        }
    }
}

/// The page of the docs, from what the committed vectors compared.
fn page(tally: &Tally) -> String {
    let mut page = String::from(
        "# Decisions compared with the real horizontal pod autoscaler v1.37.0\n\n\
         Written by `cargo test --test it hpa_vectors` from the vectors in `tests/vectors/hpa`, which the module in\n\
         `conformance/` wrote with the controller of Kubernetes itself; how, stands in `conformance/README.md`. A decision\n\
         that differs fails the test, so both columns are equal. `WAVETANK_REWRITE=1` writes this page anew.\n\n\
         | function of upstream | decision | compared | agreeing |\n|---|---|---:|---:|\n",
    );
    let mut all = (0, 0);
    for ((name, kind), (compared, agreeing)) in &tally.counts {
        page.push_str(&format!("| `{name}` | {kind} | {compared} | {agreeing} |\n"));
        all = (all.0 + compared, all.1 + agreeing);
    }
    page.push_str(&format!("| **all** | | {} | {} |\n", all.0, all.1));
    page.push_str(
        "\nConditions, after so many of the looks:\n\n| condition | status | reason | looks |\n|---|---|---|---:|\n",
    );
    for (condition, looks) in &tally.reasons {
        page.push_str(&format!("| {} | {looks} |\n", condition.replace(' ', " | ")));
    }
    page.push_str(
        "\nLeft out: selectors that cannot be parsed, statuses that cannot be written, what becomes of events behind the\n\
         recorder, waiting for one's own writes. Sorted before they are compared: the names of two autoscalers that share\n\
         pods, which upstream gives in the order of a map.\n",
    );
    page
}

#[derive(Debug, Deserialize)]
struct Header {
    kind: String,
}

fn replay(path: &Path, tally: &mut Tally) {
    let file = std::fs::File::open(path).expect("the vectors can be read");
    let mut lines = BufReader::new(GzDecoder::new(file)).lines().map(|line| line.expect("whole lines"));
    let header: Header = serde_json::from_str(&lines.next().expect("a header")).expect("the format is known");
    match header.kind.as_str() {
        "hpa-calculator" => lines.for_each(|line| calculations::replay(&line, tally)),
        "hpa-refusals" => lines.for_each(|line| refusals::replay(&line, tally)),
        "hpa-histories" => lines.for_each(|line| histories::replay(&line, tally)),
        kind => panic!("{}: kind {kind}", path.display()),
    }
}

#[test]
fn the_real_controller_decides_the_same() {
    let directory = std::env::var_os("WAVETANK_VECTORS").map_or_else(|| "tests/vectors".into(), PathBuf::from);
    let mut tally = Tally::default();
    for file in ["calculator.jsonl.gz", "histories.jsonl.gz", "refusals.jsonl.gz"] {
        replay(&directory.join("hpa").join(file), &mut tally);
    }
    let shown = tally.disagreements.iter().take(SHOWN_MAX).cloned().collect::<Vec<_>>().join("\n");
    assert!(tally.disagreements.is_empty(), "{} disagreements:\n{shown}", tally.disagreements.len());
    let written_page = page(&tally);
    println!("{written_page}");
    if std::env::var_os("WAVETANK_VECTORS").is_none() {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/autoscaler-conformance/hpa.md");
        if std::env::var_os("WAVETANK_REWRITE").is_some() {
            std::fs::create_dir_all(path.parent().expect("it has a parent")).expect("the docs can be written");
            std::fs::write(&path, &written_page).expect("the docs can be written");
        }
        let written = std::fs::read_to_string(&path).unwrap_or_default();
        assert!(
            written == written_page,
            "{} is not what the vectors say now; WAVETANK_REWRITE=1 cargo test --test it hpa_vectors writes it anew",
            path.display()
        );
    }
}
