//! The decisions of the real controller of horizontal pod autoscalers, replayed: every proposal, condition and event in
//! `tests/vectors/hpa` must be ours too. `conformance/FORMAT.md` says how the vectors are written, `crate::vectors` which are
//! read. What the committed ones compared stands in `docs/autoscaler-conformance/hpa.md`.

mod calculations;
mod histories;
mod refusals;
mod world;

use std::collections::BTreeMap;
use std::fmt::Debug;
use std::path::Path;

use crate::vectors::{self, Comparisons};

/// What was compared: which function of upstream, and what of its outcome; how often, and how often it agreed.
#[derive(Debug, Default)]
struct Tally {
    compared: Comparisons<(&'static str, &'static str)>,
    /// How often each condition was seen, with its status and reason.
    reasons: BTreeMap<String, u64>,
}

impl Tally {
    fn compare<T: PartialEq + Debug>(&mut self, what: (&'static str, &'static str), place: &str, theirs: &T, ours: &T) {
        self.compared.compare(what, place, theirs, ours);
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
    for ((name, kind), (compared, agreeing)) in &tally.compared.counts {
        page.push_str(&format!("| `{name}` | {kind} | {compared} | {agreeing} |\n"));
    }
    let all = vectors::sum(tally.compared.counts.values());
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

fn replay(path: &Path, tally: &mut Tally) {
    let (header, lines) = vectors::open(path);
    match header.kind.as_str() {
        "hpa-calculator" => lines.for_each(|line| calculations::replay(&line, tally)),
        "hpa-refusals" => lines.for_each(|line| refusals::replay(&line, tally)),
        "hpa-histories" => lines.for_each(|line| histories::replay(&line, tally)),
        kind => panic!("{}: kind {kind}", path.display()),
    }
}

#[test]
fn the_real_controller_decides_the_same() {
    let mut tally = Tally::default();
    vectors::files("hpa").iter().for_each(|path| replay(path, &mut tally));
    tally.compared.assert_agreement();
    vectors::check_page("hpa_vectors", "docs/autoscaler-conformance/hpa.md", &page(&tally));
}
