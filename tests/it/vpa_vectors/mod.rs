//! The decisions of the real Vertical Pod Autoscaler, replayed: every histogram, estimate, recommendation, capped amount,
//! priority and step in `tests/vectors/vpa` must be ours too. `conformance/vpa/README.md` says how the vectors are written,
//! `crate::vectors` which are read. What the committed ones compared stands in `docs/autoscaler-conformance/vpa.md`.

mod histograms;
mod pods;
mod recommender;
mod updater;

use std::collections::BTreeMap;
use std::fmt::Debug;
use std::path::Path;

use serde::Deserialize;
use wavetank::policy::autoscaler::vertical::spec::{
    Amounts, ContainerPolicy, ContainerRecommendation, ContainerResources, ControlledValues, ResourcePolicy, UpdateMode,
};
use wavetank::units::{Bytes, MilliCpu};

use crate::vectors::{self, Comparisons};

/// What was compared: which part, and what of it; how often, and how often it agreed.
#[derive(Debug, Default)]
struct Tally {
    compared: Comparisons<(&'static str, &'static str)>,
    cases: BTreeMap<&'static str, u64>,
}

impl Tally {
    fn compare<T: PartialEq + Debug>(&mut self, what: (&'static str, &'static str), place: &str, theirs: &T, ours: &T) {
        self.compared.compare(what, place, theirs, ours);
    }
}

/// What differs, for the docs.
const DEVIATIONS: &str = "
## Known deviations

Cases of the first three are left out of the vectors. Of the fourth both answers stand there, and a negative number of the sixth
is read as 0. The others cannot come up.

- Ranges of pods (LimitRange): where a container has neither a recommendation nor requests, or has no bounds that could be
  lowered, upstream ends with a panic; here such a container stays as it is.
- An amount of memory that a range of pods scales to 0 is 0; upstream makes it -1 byte.
- More than 9.2 * 10^15 bytes of memory are compared with a limit as they are; upstream's number overflows.
- Several aggregates of one container name are added in a fixed order; upstream's is that of a Go map, so that a tie of a
  percentile may go either way from one loop to the next. The same holds for the order of VPAs in a loop of the updater.
- Pods of equal priority stay in their order; upstream's sort mixes them where there are more than twelve.
- With a pod minimum of 0 and without samples upstream's upper bound is a negative number, here it is 0.
- Half-lives of more than 20 years: upstream takes the year 1 for the reference time of a histogram without samples.

Not here: `humanize-memory` (deprecated), `CPUStartupBoost` (alpha), history from Prometheus, external metrics, and the check of
whether the admission controller is alive.
";

/// The page of the docs, from what the committed vectors compared.
fn page(tally: &Tally) -> String {
    let mut page = String::from(
        "# Decisions compared with the real Vertical Pod Autoscaler 1.8.1\n\n\
         Written by `cargo test --test it vpa_vectors` from the vectors in `tests/vectors/vpa`, which the module in\n\
         `conformance/vpa/` wrote with the packages of the recommender, the admission and the updater themselves; how, stands in\n\
         its `README.md`. A decision that differs fails the test, so both columns are equal. `WAVETANK_REWRITE=1` writes this\n\
         page anew.\n\n\
         Everything is compared exactly: amounts as whole numbers, weights, percentiles and priorities by all bits of their\n\
         floating-point numbers, as they come out on amd64.\n\n\
         | part | decision | compared | agreeing |\n|---|---|---:|---:|\n",
    );
    for ((name, kind), (compared, agreeing)) in &tally.compared.counts {
        page.push_str(&format!("| {name} | {kind} | {compared} | {agreeing} |\n"));
    }
    let all = vectors::sum(tally.compared.counts.values());
    page.push_str(&format!("| **all** | | {} | {} |\n\nRandom cases:", all.0, all.1));
    let cases: Vec<String> = tally.cases.iter().map(|(name, cases)| format!(" {cases} of {name}")).collect();
    page.push_str(&cases.join(","));
    page.push_str(".\n");
    page.push_str(DEVIATIONS);
    page
}

/// Milli-cores and bytes.
#[derive(Clone, Copy, Debug, Default, Deserialize, PartialEq)]
struct Quantities {
    cpu: Option<u64>,
    memory: Option<u64>,
}

impl Quantities {
    fn amounts(self) -> Amounts {
        Amounts { cpu: self.cpu.map(MilliCpu), memory: self.memory.map(Bytes) }
    }
}

/// `containerPolicies[]`, and containers whose CPU is rounded up.
#[derive(Clone, Debug, Default, Deserialize)]
struct Policy {
    #[serde(default)]
    containers: Vec<OwnPolicy>,
    #[serde(default, rename = "integerCPU")]
    integer_cpu: Vec<String>,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct OwnPolicy {
    container: String,
    #[serde(default)]
    off: bool,
    min: Quantities,
    max: Quantities,
    #[serde(default)]
    controlled: String,
    #[serde(default)]
    requests_only: bool,
}

impl Policy {
    fn build(&self) -> ResourcePolicy {
        let own = |own: &OwnPolicy| ContainerPolicy {
            is_scaled: !own.off,
            min_allowed: own.min.amounts(),
            max_allowed: own.max.amounts(),
            controls_cpu: own.controlled != "memory",
            controls_memory: own.controlled != "cpu",
            controlled_values: match own.requests_only {
                true => ControlledValues::RequestsOnly,
                false => ControlledValues::RequestsAndLimits,
            },
            ..ContainerPolicy::named(&own.container)
        };
        ResourcePolicy {
            containers: self.containers.iter().map(own).collect(),
            integer_cpu: self.integer_cpu.iter().cloned().collect(),
        }
    }
}

#[derive(Clone, Debug, Deserialize)]
struct Recommendation {
    container: String,
    target: Quantities,
    lower: Quantities,
    upper: Quantities,
    uncapped: Quantities,
}

fn recommendations(of: &[Recommendation]) -> Vec<ContainerRecommendation> {
    let one = |one: &Recommendation| ContainerRecommendation {
        container: one.container.clone(),
        target: one.target.amounts(),
        lower_bound: one.lower.amounts(),
        upper_bound: one.upper.amounts(),
        uncapped_target: one.uncapped.amounts(),
    };
    of.iter().map(one).collect()
}

#[derive(Clone, Debug, Deserialize)]
struct Container {
    name: String,
    requests: Quantities,
    limits: Quantities,
}

impl Container {
    fn build(&self) -> ContainerResources {
        ContainerResources {
            container: self.name.clone(),
            requests: self.requests.amounts(),
            limits: self.limits.amounts(),
        }
    }
}

fn mode(name: &str) -> UpdateMode {
    match name {
        "Off" => UpdateMode::Off,
        "Initial" => UpdateMode::Initial,
        "Recreate" => UpdateMode::Recreate,
        "InPlaceOrRecreate" => UpdateMode::InPlaceOrRecreate,
        "InPlace" => UpdateMode::InPlace,
        _ => panic!("there is no mode {name}"),
    }
}

fn replay(path: &Path, tally: &mut Tally) {
    let (header, lines) = vectors::open(path);
    assert_eq!(header.release, "1.8.1", "{}", path.display());
    let (kind, replay_case): (_, fn(&str, &mut Tally)) = match header.kind.as_str() {
        "histograms" => ("histograms", histograms::replay),
        "estimators" => ("estimators", recommender::replay_estimator),
        "recommender" => ("the recommender", recommender::replay),
        "capping" => ("capping and admission", pods::replay_capping),
        "priority" => ("priorities", pods::replay_priority),
        "updater" => ("the updater", updater::replay),
        kind => panic!("there are no vectors of kind {kind}"),
    };
    for line in lines {
        *tally.cases.entry(kind).or_default() += 1;
        replay_case(&line, tally);
    }
}

#[test]
fn the_real_vertical_pod_autoscaler_decides_the_same() {
    let mut tally = Tally::default();
    vectors::files("vpa").iter().for_each(|path| replay(path, &mut tally));
    tally.compared.assert_agreement();
    vectors::check_page("vpa_vectors", "docs/autoscaler-conformance/vpa.md", &page(&tally));
}
