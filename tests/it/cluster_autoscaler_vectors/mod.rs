//! Decisions that the real cluster-autoscaler wrote over random cases, replayed. `crate::vectors` says which are read; what
//! the committed ones compared stands in `docs/node-autoscaler-conformance/cluster-autoscaler.md`.

mod orchestrator;
mod scale_down;
mod scale_up;
mod turns;

use std::collections::BTreeMap;
use std::fmt::Debug;
use std::path::Path;

use serde_json::Value;
use wavetank::policy::node_autoscaler::cluster_autoscaler::estimator::Amount;
use wavetank::units::{Bytes, MilliCpu};

use crate::vectors::{self, Comparisons};

/// What was compared: component and part to decisions and those that agree; component and outcome to cases.
#[derive(Default)]
struct Tally {
    compared: Comparisons<(&'static str, &'static str)>,
    outcomes: BTreeMap<(&'static str, String), usize>,
}

impl Tally {
    fn compare<T: PartialEq + Debug>(&mut self, part: (&'static str, &'static str), place: &str, theirs: &T, ours: &T) {
        self.compared.compare(part, place, theirs, ours);
    }

    fn outcome(&mut self, component: &'static str, outcome: impl Into<String>) {
        *self.outcomes.entry((component, outcome.into())).or_default() += 1;
    }

    fn page(&self) -> String {
        let mut page = INTRODUCTION.to_owned();
        page.push_str("| component | what | decisions compared | agreeing |\n|---|---|---:|---:|\n");
        for ((component, part), (all, agreeing)) in &self.compared.counts {
            page.push_str(&format!("| {component} | {part} | {all} | {agreeing} |\n"));
        }
        page.push_str(
            "\nHow often the random cases came to which answer:\n\n| component | answer | cases |\n|---|---|---:|\n",
        );
        for ((component, outcome), count) in &self.outcomes {
            page.push_str(&format!("| {component} | {outcome} | {count} |\n"));
        }
        page.push_str(DEVIATIONS);
        page
    }
}

const INTRODUCTION: &str = "\
# Decisions compared with the real cluster-autoscaler

Written by `cargo test --test it cluster_autoscaler_vectors` from the vectors in `tests/vectors/cluster-autoscaler`. They
hold what the packages of `sigs.k8s.io/cluster-autoscaler`, commit `33c3f97bf274` of 2026-08-21, answered to random cases
when they were linked with Kubernetes v1.37.0: the bin-packing estimator with the real filters, the expanders, the drain
rules, eligibility and utilisation, the simulation of removals, the balancing of similar groups and their comparison, the
registry of what is on its way over up to nine updates, whole scale-ups with limits and quotas, the planner of scale-down
over up to seven turns, and the limits on what goes at once. A decision that differs fails the test, so both columns are equal. `WAVETANK_REWRITE=1` writes this page
anew.

The program that drove them is not in this repository: the core moved to a module of its own in July 2026 which could not
be had through the Go module proxy when this was made, so it was built from its repository's sources. The vectors therefore
cannot be written again with what is here. Upstream's published table tests stand beside the code as unit tests.

";

const DEVIATIONS: &str = "
Upstream walks Go maps in several places, so that its answer differs from run to run. While the vectors were written its
snapshot listed nodes in the order in which they were added, one of the orders it could have taken; estimates have at most
seven groups of pods and balancing at most twelve node groups, up to where Go's sort keeps the order of equals. Not
compared: the random expander, groups that grow from nothing to their full size, limits on time, and evictions; these rest
on unit tests.
Where a group's least size lets only some of its unneeded nodes go, upstream picks by chance: numbers are compared, not
names.

## In a run

The policy `cluster-autoscaler` puts these decisions into a loop over a run's world, in the order of
`core/static_autoscaler.go`. Its simulated cluster is compared with kube-scheduler's filters on random clusters by a unit test;
the loop itself rests on tests with small worlds. Where it differs from upstream:

- Asked are the filters for unschedulable nodes, taints, selectors and node affinity, declared features, host ports, resources,
  topology spread and inter-pod affinity, volumes (`VolumeBinding`, `VolumeZone`), and for GPU devices as scenarios have them.
  Limits on attached volumes, `VolumeRestrictions` and resource claims are not asked about on any node.
- It is not seen how long a pod has been terminating. Pods of templates and traces count as a ReplicaSet's, unless they end with
  their node (`onEviction: end`); `Pod` objects have the controller that they name, or none.
- A drain is given up after one span, the sum of the delay after the taint, `maxPodEvictionTime`, the longest grace period of
  the node's pods, at most `maxGracefulTerminationSec`, and 30 s. Pods get the grace period they have. Nodes get no
  `DeletionCandidate` taint.
- As upstream, a drain that is given up does not pause scale-down: `scaleDownDelayAfterFailure` is for deletions that
  cannot be begun, of which there are none.
- Pods that are evicted wait for a place at once, so none is injected while its controller has yet to replace it.
- A group that buys several shapes is known by the shape of its example.
- Pods are sold by the expander `price` at the prices per core and GiB of upstream's proposal, nodes at their price.
";

fn number(value: &Value, name: &str) -> u64 {
    value[name].as_u64().unwrap_or(0)
}

fn flag(value: &Value, name: &str) -> bool {
    value[name].as_bool().unwrap_or(false)
}

fn list<'v>(value: &'v Value, name: &str) -> &'v [Value] {
    value[name].as_array().map_or(&[], Vec::as_slice)
}

fn amount(value: &Value) -> Amount {
    Amount { cpu: MilliCpu(number(value, "cpu")), memory: Bytes(number(value, "memory")) }
}

fn replay(path: &Path, tally: &mut Tally) {
    let (header, lines) = vectors::open(path);
    assert_eq!(header.kind, "cluster-autoscaler", "{}", path.display());
    let component = header.component;
    for (index, line) in lines.enumerate() {
        let place = format!("{component} {index}");
        let case: Value = vectors::case(&line, &place);
        match component.as_str() {
            "estimator" => scale_up::estimator(&case, &place, tally),
            "expanders" => scale_up::expanders(&case, &place, tally),
            "balancing" => scale_up::balancing(&case, &place, tally),
            "similar" => scale_up::similar(&case, &place, tally),
            "drain" => scale_down::drain(&case, &place, tally),
            "eligibility" => scale_down::eligibility(&case, &place, tally),
            "removal" => scale_down::removal(&case, &place, tally),
            "orchestrator" => orchestrator::scale_up(&case, &place, tally),
            "crop" => turns::crop_nodes(&case, &place, tally),
            "registry" => turns::registry(&case, &place, tally),
            "planner" => turns::planner(&case, &place, tally),
            other => panic!("component {other} is not known"),
        }
    }
}

#[test]
fn the_real_cluster_autoscaler_decides_the_same() {
    let mut tally = Tally::default();
    vectors::files("cluster-autoscaler").iter().for_each(|path| replay(path, &mut tally));
    tally.compared.assert_agreement();
    let path = "docs/node-autoscaler-conformance/cluster-autoscaler.md";
    vectors::check_page("cluster_autoscaler_vectors", path, &tally.page());
}
