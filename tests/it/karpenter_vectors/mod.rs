//! The decisions of the real Karpenter, replayed: every one in `tests/vectors/karpenter` must be ours too.
//! `conformance/karpenter` says how the vectors are written, `crate::vectors` which are read. What the committed ones compared
//! stands in `docs/node-autoscaler-conformance/karpenter.md`.

mod spec;

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use serde::Deserialize;
use serde::de::DeserializeOwned;
use spec::{Outcome, World};
use wavetank::policy::controllers::cron::CronSchedule;
use wavetank::policy::node_autoscaler::karpenter::disruption::balanced::{PoolTotals, Score};
use wavetank::policy::node_autoscaler::karpenter::disruption::consolidation::{
    Consolidation, ConsolidationOptions, cheaper_only,
};
use wavetank::policy::node_autoscaler::karpenter::disruption::{
    Candidate, Command, Method, Surroundings, balanced, empty_nodes, eviction_cost,
};
use wavetank::policy::node_autoscaler::karpenter::instance_type::{order_by_price, satisfies_min_values};
use wavetank::policy::node_autoscaler::karpenter::node_pool::{Budget, DisruptionReason, NodeCount};
use wavetank::policy::node_autoscaler::karpenter::scheduler::{INSTANCE_TYPES_MAX, NewNode};
use wavetank::policy::node_autoscaler::karpenter::{
    Environment, InstanceType, NodePool, NodeState, Requirement, Requirements, ResourceList, Scheduler, WellKnownLabels,
};
use wavetank::units::SimDuration;

use crate::vectors::{self, Comparisons};

/// What was compared, by part: how often, how often it agreed, and how often upstream left to chance what is right.
#[derive(Debug, Default)]
struct Tally {
    compared: Comparisons<&'static str>,
    chance: BTreeMap<&'static str, (u64, u64)>,
}

impl Tally {
    fn compare<T: PartialEq + std::fmt::Debug>(&mut self, part: &'static str, place: &str, theirs: &T, ours: &T) {
        self.compared.compare(part, place, theirs, ours);
    }

    /// Compares with all that upstream was seen to decide. Where nothing was left to chance, `ties` being none, there is one
    /// answer and it is ours.
    fn compare_any<T: PartialEq + std::fmt::Debug>(
        &mut self,
        part: &'static str,
        place: &str,
        (theirs, ours): (&[T], &T),
        ties: u64,
    ) {
        if let ([theirs], 0) = (theirs, ties) {
            return self.compare(part, place, theirs, ours);
        }
        let count = self.chance.entry(part).or_default();
        count.0 += 1;
        count.1 += u64::from(theirs.contains(ours));
    }
}

/// A requirement as upstream prints it.
fn printed(key: &str, requirement: &Requirement) -> String {
    let mut text = format!("{key} {:?}", requirement.operator());
    if requirement.values().len() > 0 {
        let mut values: Vec<String> = requirement.values().map(str::to_owned).collect();
        if values.len() > 5 {
            let others = values.len() - 5;
            values.truncate(5);
            values.push(format!("and {others} others"));
        }
        text.push_str(&format!(" [{}]", values.join(" ")));
    }
    let (gte, lte) = requirement.bounds();
    gte.iter().for_each(|gte| text.push_str(&format!(" >={gte}")));
    lte.iter().for_each(|lte| text.push_str(&format!(" <={lte}")));
    requirement.min_values().iter().for_each(|min| text.push_str(&format!(" minValues {min}")));
    text
}

fn all_printed(requirements: &Requirements) -> String {
    let mut texts: Vec<String> = requirements
        .iter()
        .filter(|(key, _)| *key != "kubernetes.io/hostname")
        .map(|(key, requirement)| printed(key, requirement))
        .collect();
    texts.sort();
    texts.join(", ")
}

#[derive(Deserialize)]
struct Pair {
    one: spec::Req,
    other: spec::Req,
    both: String,
    intersects: bool,
    has: String,
}

fn replay_pair(pair: &Pair, place: &str, tally: &mut Tally) {
    let (one, other) = (pair.one.requirement(), pair.other.requirement());
    let both = one.intersection(&other);
    tally.compare("intersection", place, &pair.both, &printed("key", &both));
    tally.compare("whether two requirements intersect", place, &pair.intersects, &one.has_intersection(&other));
    let allowed: Vec<&str> =
        ["a", "b", "1", "3", "5", "7", "-2", ""].into_iter().filter(|value| both.has(value)).collect();
    tally.compare("values allowed", place, &pair.has, &allowed.join(","));
}

#[derive(Deserialize)]
struct Sets {
    one: Option<Vec<spec::Req>>,
    other: Option<Vec<spec::Req>>,
    sum: String,
    intersects: bool,
    strict: bool,
    loose: bool,
}

fn replay_sets(sets: &Sets, place: &str, tally: &mut Tally) {
    let requirements = |of: &Option<Vec<spec::Req>>| spec::requirements(of.as_deref().unwrap_or_default());
    let (mut one, other) = (requirements(&sets.one), requirements(&sets.other));
    tally.compare("whether sets intersect", place, &sets.intersects, &one.intersects(&other));
    let none = WellKnownLabels::none();
    tally.compare("compatibility", place, &sets.strict, &one.is_compatible(&other, &none));
    let known = WellKnownLabels::default();
    tally.compare("compatibility with well-known labels", place, &sets.loose, &one.is_compatible(&other, &known));
    one.add_all(&other);
    tally.compare("sum of sets", place, &sets.sum, &all_printed(&one));
}

#[derive(Deserialize)]
struct Prices {
    catalog: usize,
    reqs: Option<Vec<spec::Req>>,
    order: Vec<String>,
    worst: Vec<f64>,
    needed: usize,
    missing: Vec<String>,
    max: f64,
    cheaper: Vec<String>,
    fails: bool,
    cut: usize,
    short: bool,
}

fn replay_prices(prices: &Prices, catalogs: &[Vec<spec::Type>], place: &str, tally: &mut Tally) {
    let types: Vec<InstanceType> = catalogs[prices.catalog].iter().map(spec::Type::instance_type).collect();
    let requirements = spec::requirements(prices.reqs.as_deref().unwrap_or_default());
    let well_known = spec::well_known();
    let names = |order: &[usize]| order.iter().map(|at| types[*at].name.clone()).collect::<Vec<_>>();
    let worst = |it: &InstanceType| match it.worst_launch_price(&requirements, &well_known) {
        f64::MAX => -1.0,
        price => price,
    };
    tally.compare("price of a launch at worst", place, &prices.worst, &types.iter().map(worst).collect());
    let satisfied = satisfies_min_values(&types, &requirements);
    tally.compare("instance types needed for minValues", place, &prices.needed, &satisfied.needed);
    tally.compare("labels short of minValues", place, &prices.missing, &satisfied.unsatisfied.into_keys().collect());
    let all: Vec<usize> = (0..types.len()).collect();
    let environment = Environment {
        well_known: well_known.clone(),
        pools: vec![(NodePool::named("pool"), types.clone())],
        ..Environment::default()
    };
    let mut node = NewNode {
        pool: 0,
        pods: Vec::new(),
        requirements: requirements.clone(),
        types: all.clone(),
        requests: ResourceList::default(),
        min_values_relaxed: false,
    };
    let left = cheaper_only(&mut node, prices.max, &environment);
    let fails = prices.fails || prices.cheaper.is_empty();
    tally.compare("whether cheaper types are left", place, &fails, &left.is_none());
    if !fails {
        tally.compare("cheaper types", place, &prices.cheaper, &names(&node.types));
    }
    let mut order = all;
    order_by_price(&mut order, &types, &requirements, &well_known);
    tally.compare("order by price", place, &prices.order, &names(&order));
    let cut = order[..prices.cut].iter().map(|at| &types[*at]);
    let short = requirements.has_min_values() && !satisfies_min_values(cut, &requirements).unsatisfied.is_empty();
    tally.compare("whether truncated types are too few", place, &prices.short, &short);
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Cost {
    deletion: Option<i32>,
    priority: i32,
    eviction: f64,
    savings: f64,
    disruption: f64,
    total_cost: f64,
    total: f64,
    score: f64,
    approved: bool,
}

fn replay_cost(cost: &Cost, place: &str, tally: &mut Tally) {
    let ours = eviction_cost(None, cost.deletion, Some(cost.priority));
    tally.compare("cost of an eviction", place, &cost.eviction, &ours);
    let totals = PoolTotals { usd_per_hour: cost.total_cost, disruption_cost: cost.total };
    let score = Score::new(cost.savings, cost.disruption, totals);
    let value = if score.value().is_infinite() { -1.0 } else { score.value() };
    tally.compare("score of a move", place, &cost.score, &value);
    tally.compare("whether a move is approved", place, &cost.approved, &score.is_approved());
}

#[derive(Deserialize)]
struct Budgets {
    budgets: Option<Vec<BudgetSpec>>,
    nodes: u64,
    reason: String,
    unix: i64,
    allowed: u64,
}

#[derive(Deserialize)]
struct BudgetSpec {
    reasons: Option<Vec<String>>,
    nodes: String,
    schedule: Option<String>,
    minutes: Option<u32>,
}

fn reason(text: &str) -> DisruptionReason {
    match text {
        "Empty" => DisruptionReason::Empty,
        "Drifted" => DisruptionReason::Drifted,
        _ => DisruptionReason::Underutilized,
    }
}

fn replay_budgets(budgets: &Budgets, place: &str, tally: &mut Tally) {
    let mut pool = NodePool::named("pool");
    let budget = |of: &BudgetSpec| Budget {
        reasons: of.reasons.as_ref().map(|reasons| reasons.iter().map(|text| reason(text)).collect()),
        nodes: match of.nodes.strip_suffix('%') {
            Some(percent) => NodeCount::Percent(percent.parse().expect("a number")),
            None => NodeCount::Count(of.nodes.parse().expect("a number")),
        },
        window: of.schedule.as_ref().map(|schedule| {
            let duration = SimDuration::from_seconds(60.0 * f64::from(of.minutes.unwrap_or(0)));
            (CronSchedule::parse(schedule).expect("a schedule"), duration)
        }),
    };
    pool.disruption.budgets = budgets.budgets.iter().flatten().map(budget).collect();
    let allowed = pool.allowed_disruptions(budgets.unix, budgets.nodes, reason(&budgets.reason));
    tally.compare("disruptions allowed", place, &budgets.allowed, &allowed.unwrap_or(i32::MAX as u64));
}

#[derive(Deserialize)]
struct Schedule {
    #[serde(flatten)]
    world: World,
    kind: String,
    outcomes: Vec<Outcome>,
}

/// The name of a part of the schedules.
fn kind_of(kind: &str) -> &'static str {
    match kind {
        "plain" => "provisioning without rules about other pods",
        "topology" => "provisioning with spreading and pod affinity",
        "mixed" => "provisioning, mixed",
        "reserved" => "provisioning with reservations",
        _ => "provisioning of many pods",
    }
}

fn new_node(node: &NewNode, environment: &Environment) -> spec::NewNode {
    let (pool, types) = &environment.pools[node.pool];
    let number = |at: &usize| types[*at].name.rsplit('-').next().and_then(|number| number.parse::<u32>().ok());
    let bits = node.types.iter().filter_map(number).fold(0_u64, |bits, number| bits | 1 << number);
    let mut pods = node.pods.clone();
    pods.sort_unstable();
    spec::NewNode {
        pool: pool.name.clone(),
        pods,
        types: format!("{bits:x}"),
        reqs: all_printed(&node.requirements),
        requests: spec::written(&node.requests),
    }
}

fn replay_schedule(case: &Schedule, place: &str, tally: &mut Tally) {
    let (environment, nodes) = (case.world.environment(), case.world.nodes());
    let mut scheduler = Scheduler::new(&environment, &nodes, case.world.options());
    let mut results = scheduler.solve(&case.world.batch());
    scheduler.truncate(&mut results, INSTANCE_TYPES_MAX);
    let mut new: Vec<spec::NewNode> = results.new_nodes.iter().map(|node| new_node(node, &environment)).collect();
    new.sort_by_key(|node| node.pods[0]);
    let mut existing: BTreeMap<String, Vec<usize>> = BTreeMap::new();
    for (node, pods) in &results.existing {
        let mut pods = pods.clone();
        pods.sort_unstable();
        existing.insert(nodes[*node].name.clone(), pods);
    }
    let ours = Outcome { new, existing, failed: results.failed.into_keys().collect() };
    tally.compare_any(kind_of(&case.kind), place, (&case.outcomes, &ours), scheduler.ties());
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Moves {
    #[serde(flatten)]
    world: World,
    spot_to_spot: bool,
    budgets: BTreeMap<String, u64>,
    single: Vec<Vec<Move>>,
    multi: Vec<Vec<Move>>,
    empty: Vec<String>,
}

#[derive(Debug, Deserialize)]
struct Move {
    nodes: Vec<String>,
    buys: Option<spec::NewNode>,
    savings: f64,
}

impl PartialEq for Move {
    fn eq(&self, other: &Move) -> bool {
        let is_near = (self.savings - other.savings).abs() < 1e-9;
        self.nodes == other.nodes && self.buys == other.buys && is_near
    }
}

fn move_of(command: &Command, candidates: &[Candidate], environment: &Environment, nodes: &[NodeState]) -> Move {
    let of_command = candidates.iter().filter(|candidate| command.nodes.contains(&candidate.node));
    let cost: f64 = of_command.map(|candidate| candidate.usd_per_hour).sum();
    let mut names: Vec<String> = command.nodes.iter().map(|node| nodes[*node].name.clone()).collect();
    names.sort();
    let bought = |node: &NewNode| spec::NewNode { pods: Vec::new(), ..new_node(node, environment) };
    let savings = cost - balanced::replacement_cost(command, environment);
    Move { nodes: names, buys: command.replacements.first().map(bought), savings }
}

fn replay_moves(case: &Moves, place: &str, tally: &mut Tally) {
    let (environment, nodes) = (case.world.environment(), case.world.nodes());
    let candidates = case.world.candidates(&environment, &nodes);
    let totals = case.world.totals(&environment, &nodes);
    let mut scheduler = Scheduler::new(&environment, &nodes, case.world.options());
    let surroundings = &Surroundings::new(&environment, case.world.pending(), Vec::new());
    let options = ConsolidationOptions { spot_to_spot: case.spot_to_spot };
    let of = |method: Method| -> Vec<Candidate> {
        candidates.iter().filter(|candidate| candidate.is_for(method, &environment)).cloned().collect()
    };
    let budgets: Vec<u64> = environment.pools.iter().map(|(pool, _)| case.budgets[&pool.name]).collect();
    let mut work = Consolidation { scheduler: &mut scheduler, surroundings, options, totals: &totals };
    let mut single = Vec::new();
    for candidate in of(Method::SingleNodeConsolidation) {
        let found = work.single_node(&[candidate], &vec![1000; budgets.len()], &BTreeSet::new());
        single.extend(found.command.map(|command| move_of(&command, &candidates, &environment, &nodes)));
    }
    let ties = work.scheduler.ties();
    tally.compare_any("consolidation of single nodes", place, (&case.single, &single), ties);
    let multi = work.multi_node(&of(Method::MultiNodeConsolidation), &mut budgets.clone()).command;
    let multi: Vec<Move> = multi.iter().map(|command| move_of(command, &candidates, &environment, &nodes)).collect();
    let ties = scheduler.ties() - ties;
    tally.compare_any("consolidation of several nodes", place, (&case.multi, &multi), ties);
    let empty = empty_nodes(&of(Method::Emptiness), &mut budgets.clone()).command;
    let mut empty: Vec<String> =
        empty.iter().flat_map(|command| &command.nodes).map(|node| nodes[*node].name.clone()).collect();
    empty.sort();
    tally.compare("empty nodes", place, &case.empty, &empty);
}

fn replay<T: DeserializeOwned>(
    files: &[PathBuf],
    name: &str,
    tally: &mut Tally,
    mut each: impl FnMut(&mut T, &str, &mut Tally),
) {
    let path = files.iter().find(|path| path.ends_with(format!("{name}.jsonl.gz"))).expect("a file of this name");
    for (number, line) in vectors::lines(path).enumerate() {
        let place = format!("{name} {}", number + 1);
        each(&mut vectors::case(&line, &place), &place, tally);
    }
}

fn page(tally: &Tally) -> String {
    let mut page = String::from(
        "# Decisions compared with the real Karpenter v1.15.0\n\n\
         Written by `cargo test --test it karpenter_vectors` from the vectors in `tests/vectors/karpenter`, which the module\n\
         in `conformance/karpenter` wrote with the packages of `sigs.k8s.io/karpenter`. A decision that differs fails the\n\
         test, so both columns are equal. `WAVETANK_REWRITE=1` writes this page anew.\n\n\
         | part | decisions compared | agreeing |\n|---|---:|---:|\n",
    );
    for (part, (compared, agreeing)) in &tally.compared.counts {
        page.push_str(&format!("| {part} | {compared} | {agreeing} |\n"));
    }
    page.push_str(
        "\nUpstream walks maps in no order, so that which of several equally good domains a pod tries is left to chance. Our\n\
         scheduler counts such choices. The cases with any, or with answers of upstream that differed when it was asked\n\
         several times, are not in the table above but here; how often our answer is among those that were seen, which it\n\
         must be in four cases of five:\n\n\
         | part | cases left to chance | ours was seen |\n|---|---:|---:|\n",
    );
    for (part, (cases, seen)) in &tally.chance {
        page.push_str(&format!("| {part} | {cases} | {seen} |\n"));
    }
    page
}

#[test]
fn the_real_karpenter_decides_the_same() {
    let files = vectors::files("karpenter");
    let mut tally = Tally::default();
    let mut catalogs: Vec<Vec<spec::Type>> = Vec::new();
    replay(&files, "catalogs", &mut tally, |types: &mut Vec<spec::Type>, _, _| catalogs.push(std::mem::take(types)));
    replay(&files, "requirements", &mut tally, |case, place, tally| replay_pair(case, place, tally));
    replay(&files, "sets", &mut tally, |case, place, tally| replay_sets(case, place, tally));
    replay(&files, "prices", &mut tally, |case, place, tally| replay_prices(case, &catalogs, place, tally));
    replay(&files, "costs", &mut tally, |case, place, tally| replay_cost(case, place, tally));
    replay(&files, "budgets", &mut tally, |case, place, tally| replay_budgets(case, place, tally));
    replay(&files, "schedule", &mut tally, |case: &mut Schedule, place, tally| {
        case.world.stock(&catalogs);
        replay_schedule(case, place, tally);
    });
    replay(&files, "consolidation", &mut tally, |case: &mut Moves, place, tally| {
        case.world.stock(&catalogs);
        replay_moves(case, place, tally);
    });
    println!("left to chance: {:#?}", tally.chance);
    tally.compared.assert_agreement();
    let (cases, seen) = vectors::sum(tally.chance.values());
    assert!(5 * seen >= 4 * cases, "of {cases} cases that are left to chance ours was seen in {seen}");
    vectors::check_page("karpenter_vectors", "docs/node-autoscaler-conformance/karpenter.md", &page(&tally));
}
