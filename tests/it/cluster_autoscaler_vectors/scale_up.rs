//! Estimator, expanders, similar groups.

use std::collections::BTreeMap;

use serde_json::Value;
use wavetank::ids::PodId;
use wavetank::policy::node_autoscaler::cluster_autoscaler::estimator::{
    Amount, Estimate, GroupFacts, Packing, PodGroup, TemplateSize, estimate,
};
use wavetank::policy::node_autoscaler::cluster_autoscaler::expander::{
    Expander, ExpansionOption, Pricing, Priorities, Surroundings,
};
use wavetank::policy::node_autoscaler::cluster_autoscaler::limiter::{Limiter, Threshold};
use wavetank::policy::node_autoscaler::cluster_autoscaler::options::DifferenceRatios;
use wavetank::policy::node_autoscaler::cluster_autoscaler::similar::{Comparator, Quantities, Template, balance};
use wavetank::policy::node_autoscaler::cluster_autoscaler::simple::{SimpleNode, SimplePod, SimpleSnapshot, Spread};
use wavetank::policy::node_autoscaler::cluster_autoscaler::snapshot::Rotation;
use wavetank::rng::Stream;
use wavetank::units::{Bytes, MilliCpu, SimTime};

use super::{Tally, amount, flag, list, number};

const HOST_NAME: &str = "kubernetes.io/hostname";

pub(super) fn node(case: &Value) -> SimpleNode {
    let labels = flag(case, "ssd").then(|| ("disk".to_owned(), "ssd".to_owned()));
    let taints = flag(case, "taint").then(|| "dedicated".to_owned());
    SimpleNode {
        allocatable: amount(case),
        max_pods: number(case, "pods") as usize,
        labels: labels.into_iter().collect(),
        taints: taints.into_iter().collect(),
        is_cordoned: flag(case, "cordon"),
        pods: Vec::new(),
    }
}

fn pod(case: &Value, app: u32) -> SimplePod {
    let selector = flag(case, "ssd").then(|| ("disk".to_owned(), "ssd".to_owned()));
    let tolerates = flag(case, "tolerates").then(|| "dedicated".to_owned());
    let max_skew = number(case, "maxSkew") as i64;
    let spread = Spread { key: HOST_NAME.to_owned(), max_skew, min_domains: number(case, "minDomains") as usize };
    SimplePod {
        request: amount(case),
        selector: selector.into_iter().collect(),
        tolerates: tolerates.into_iter().collect(),
        host_ports: case["port"].as_u64().map(|port| port as u16).into_iter().collect(),
        app,
        spread: (max_skew > 0).then_some(spread),
    }
}

/// The pods, numbered group by group, and the groups.
fn groups(case: &Value) -> (Vec<SimplePod>, Vec<PodGroup>) {
    let (mut pods, mut groups) = (Vec::new(), Vec::new());
    for (app, group) in list(case, "groups").iter().enumerate() {
        let pod = pod(group, app as u32);
        let count = number(group, "count") as usize;
        let facts = GroupFacts {
            request: pod.request,
            first_container: Some(pod.request),
            spreads: pod.spread.is_some(),
            spreads_over_hosts: pod.spread.is_some(),
            ..GroupFacts::default()
        };
        groups.push(PodGroup { pods: (pods.len()..pods.len() + count).map(PodId::from_index).collect(), facts });
        pods.extend(std::iter::repeat_n(pod, count));
    }
    (pods, groups)
}

pub(super) fn estimator(case: &Value, place: &str, tally: &mut Tally) {
    let (pods, groups) = groups(case);
    let nodes: Vec<SimpleNode> = list(case, "nodes").iter().map(node).collect();
    let mut rotation = Rotation::default();
    for (template, want) in list(case, "templates").iter().zip(list(case, "want")) {
        let template = node(template);
        let size = TemplateSize { allocatable: template.allocatable, capacity: template.allocatable };
        let mut snapshot = SimpleSnapshot::new(pods.clone(), nodes.clone(), template);
        let max_nodes = number(case, "limit") as i64;
        let mut limiter = Limiter::new(vec![Threshold::Static { max_nodes, max_duration_ns: 0 }]);
        limiter.start(None, SimTime::ZERO);
        let packing = Packing { fast_path: flag(case, "fast"), now: SimTime::ZERO };
        let ours = estimate(&mut snapshot, &mut rotation, &mut limiter, &groups, &size, packing);
        let ids = list(want, "pods").iter().map(|id| PodId(id.as_u64().expect("an id") as u32));
        let theirs = Estimate { node_count: number(want, "nodes") as usize, pods: ids.collect() };
        tally.compare(("estimator", "nodes, and pods in their order"), place, &theirs, &ours);
        let is_limited = max_nodes > 0 && limiter.granted() == max_nodes;
        tally.outcome(
            "estimator",
            match (ours.pods.len(), packing.fast_path) {
                (0, _) => "no pod fits",
                (placed, _) if placed < pods.len() && is_limited => "the limit is reached",
                (placed, _) if placed < pods.len() => "some pods fit",
                (_, true) => "all pods fit, fast path allowed",
                (_, false) => "all pods fit",
            },
        );
    }
}

struct Prices<'v> {
    groups: &'v [Value],
    pods: &'v [Value],
}

impl Pricing for Prices<'_> {
    fn node(&self, group: usize) -> Option<f64> {
        self.groups[group]["price"].as_f64().filter(|_| flag(&self.groups[group], "priced"))
    }
    fn pod(&self, pod: PodId) -> Option<f64> {
        self.pods[pod.index()]["price"].as_f64()
    }
    fn stabilization_pod(&self) -> f64 {
        0.03
    }
}

fn priorities(case: &Value) -> Priorities {
    let tiers = case["tiers"].as_object().expect("tiers");
    let patterns = tiers.iter().map(|(tier, patterns)| {
        let patterns =
            patterns.as_array().expect("patterns").iter().map(|text| text.as_str().expect("text").to_owned());
        (tier.parse().expect("a priority"), patterns.collect())
    });
    Priorities::new(&patterns.collect::<BTreeMap<i64, Vec<String>>>()).expect("patterns")
}

fn option(group: usize, case: &Value, pods: &[Value]) -> ExpansionOption {
    let ids: Vec<PodId> = list(case, "pods").iter().map(|id| PodId(id.as_u64().expect("an id") as u32)).collect();
    let asked = |name: &str| ids.iter().map(|id| number(&pods[id.index()], name)).sum();
    let requested = Amount { cpu: MilliCpu(asked("cpu")), memory: Bytes(asked("memory")) };
    ExpansionOption { group, similar: Vec::new(), node_count: number(case, "nodes") as usize, requested, pods: ids }
}

pub(super) fn expanders(case: &Value, place: &str, tally: &mut Tally) {
    let (groups, pods) = (list(case, "groups"), list(case, "pods"));
    let capacity: Vec<Option<Amount>> =
        groups.iter().map(|group| flag(group, "known").then(|| amount(group))).collect();
    let names: Vec<String> = groups.iter().map(|group| group["name"].as_str().expect("a name").to_owned()).collect();
    let prices = Prices { groups, pods };
    let cluster_nodes = number(case, "clusterNodes") as usize;
    let around = Surroundings { capacity: &capacity, names: &names, pricing: Some(&prices), cluster_nodes };
    let options: Vec<ExpansionOption> =
        list(case, "options").iter().enumerate().map(|(group, case)| option(group, case, pods)).collect();
    let expanders = [
        Expander::MostPods,
        Expander::LeastWaste,
        Expander::LeastNodes,
        Expander::Price,
        Expander::Priority(priorities(case)),
    ];
    for expander in expanders {
        let theirs: Vec<usize> = list(&case["want"], expander.name())
            .iter()
            .map(|index| index.as_u64().expect("an index") as usize)
            .collect();
        let ours = expander.best(&options, &around, &mut Stream::of_word(1));
        tally.compare(("expanders", expander.name()), place, &theirs, &ours);
        let left = match ours.len() {
            0 => "none",
            1 => "one",
            all if all == options.len() => "all",
            _ => "some",
        };
        tally.outcome("expanders", format!("{}: {left}", expander.name()));
    }
}

pub(super) fn balancing(case: &Value, place: &str, tally: &mut Tally) {
    let pair = |pair: &Value| (pair[0].as_i64().expect("a size"), pair[1].as_i64().expect("a size"));
    let groups: Vec<(usize, i64, i64)> =
        list(case, "groups").iter().map(pair).enumerate().map(|(group, (size, max))| (group, size, max)).collect();
    let ours: Vec<(i64, i64)> =
        balance(&groups, number(case, "nodes") as i64).iter().map(|info| (info.group as i64, info.new_size)).collect();
    let theirs: Vec<(i64, i64)> = list(case, "want").iter().map(pair).collect();
    tally.compare(("balancing", "groups and their sizes"), place, &theirs, &ours);
    tally.outcome(
        "balancing",
        match ours.len() {
            0 => "no group grows",
            1 => "one group grows",
            _ => "several groups grow",
        },
    );
}

fn template(case: &Value) -> Template {
    let quantities = |name: &str| -> Quantities {
        let amounts = case[name].as_object().expect("amounts").iter();
        amounts.map(|(name, amount)| (name.clone(), amount.as_i64().expect("an amount"))).collect()
    };
    let labels = case["labels"].as_object().expect("labels").iter();
    Template {
        labels: labels.map(|(name, value)| (name.clone(), value.as_str().expect("a value").to_owned())).collect(),
        capacity: quantities("capacity"),
        allocatable: quantities("allocatable"),
        requested: quantities("requested"),
    }
}

pub(super) fn similar(case: &Value, place: &str, tally: &mut Tally) {
    let comparator = Comparator::generic(DifferenceRatios::default(), &["extra"]);
    let ours = comparator.alike(&template(&case["one"]), &template(&case["two"]));
    tally.compare(("similar groups", "alike or not"), place, &case["want"].as_bool(), &Some(ours));
    tally.outcome("similar groups", if ours { "alike" } else { "not alike" });
}
