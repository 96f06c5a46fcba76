//! What the real autoscaler of Knative Serving decided, replayed: every average, decision and setting in `tests/vectors/knative`
//! must be ours too. `conformance/knative/README.md` says how the vectors are written, `crate::vectors` which are read. What
//! the committed ones compared stands in `docs/autoscaler-conformance/knative.md`.

use std::collections::BTreeMap;
use std::fmt::Debug;
use std::path::Path;

use serde::Deserialize;
use wavetank::policy::autoscaler::knative::activator::{assigned_pods, capacity, number_of_activators};
use wavetank::policy::autoscaler::knative::config::{
    AutoscalerConfig, Reachability, RevisionSettings, ScalingMetric, SettingProblem,
};
use wavetank::policy::autoscaler::knative::decider::Autoscaler;
use wavetank::policy::autoscaler::knative::metrics::{RevisionMetrics, Stat};
use wavetank::policy::autoscaler::knative::reconciler::{Activity, Mode, Observed, Reconciler};
use wavetank::policy::autoscaler::knative::window::{Aggregation, Window};
use wavetank::units::{SimDuration, SimTime};

use crate::vectors::{self, Comparisons};

/// What exponentials of two libraries may differ by, of the value.
const WEIGHTED_TOLERANCE: f64 = 1e-12;

/// What was compared: how often, and how often it agreed.
#[derive(Debug, Default)]
struct Tally {
    compared: Comparisons<&'static str>,
    releases: BTreeMap<String, String>,
}

impl Tally {
    fn compare<T: PartialEq + Debug>(&mut self, what: &'static str, place: &str, theirs: &T, ours: &T) {
        self.compared.compare(what, place, theirs, ours);
    }

    /// Numbers that are the same, or nearly so where weights decay.
    fn near(&mut self, what: &'static str, place: &str, theirs: f64, ours: f64, tolerance: f64) {
        let agrees = theirs == ours || (theirs - ours).abs() <= tolerance * theirs.abs();
        self.note(what, place, agrees, &|| format!("theirs {theirs:?}\n  ours   {ours:?}"));
    }

    fn note(&mut self, what: &'static str, place: &str, agrees: bool, words: &dyn Fn() -> String) {
        self.compared.note(what, place, agrees, words);
    }

    /// The page of the docs, from what the committed vectors compared.
    fn page(&self) -> String {
        let mut page = String::from(
            "# Decisions compared with the real autoscaler of Knative Serving\n\n\
             Written by `cargo test --test it knative_vectors` from the vectors in `tests/vectors/knative`, which the modules in\n\
             `conformance/knative` wrote with the packages of Knative themselves. A decision that differs fails the test, so both\n\
             columns are equal. `WAVETANK_REWRITE=1` writes this page anew.\n\n\
             | what | compared | agreeing |\n|---|---:|---:|\n",
        );
        let all = vectors::sum(self.compared.counts.values());
        for (what, (compared, agreeing)) in self.compared.counts.iter().chain([(&"**all**", &all)]) {
            page.push_str(&format!("| {what} | {compared} | {agreeing} |\n"));
        }
        page.push_str("\nReleases that were driven:\n\n");
        for (kind, release) in &self.releases {
            page.push_str(&format!("- `{kind}`: {release}\n"));
        }
        page.push_str(NOTES);
        page
    }
}

const NOTES: &str = "\n\
    Reconciler and activator are those of v0.42.2: of the libraries that those packages of v0.51.0 need, not all could be had as\n\
    modules when the vectors were written. Between the two releases what is compared here is the same, word for word but for\n\
    formatting; what differs elsewhere follows v0.51.0 (averages are rounded rather than cut, the scale-down delay and the initial\n\
    scale do not hold for a revision that no route leads to), and the first two are in the vectors of v0.51.0.\n\n\
    Averages with decaying weights are compared to one part in 10^12: the exponentials of two libraries differ in the last place.\n\
    All else is compared bit by bit.\n\n\
    Not driven: the order in which the activator picks a pod (random, or by what is under way), and the breaker. Their rules are\n\
    held by unit tests.\n";

fn seconds(count: u64) -> SimDuration {
    SimDuration(count * 1_000_000_000)
}

fn milliseconds(count: u64) -> SimDuration {
    SimDuration(count * 1_000_000)
}

fn at(milliseconds: u64) -> SimTime {
    SimTime(milliseconds * 1_000_000)
}

#[derive(Deserialize)]
struct WindowCase {
    span: u64,
    granularity: u64,
    #[serde(default)]
    weighted: bool,
    steps: Vec<WindowStep>,
}

#[derive(Deserialize)]
struct WindowStep {
    at: u64,
    record: Option<f64>,
    resize: Option<u64>,
    average: f64,
    #[serde(default)]
    empty: bool,
}

fn window(line: &str, place: &str, tally: &mut Tally) {
    let case: WindowCase = vectors::case(line, place);
    let aggregation = if case.weighted { Aggregation::WeightedExponential } else { Aggregation::Linear };
    let mut window = Window::new(seconds(case.span), seconds(case.granularity), aggregation);
    for (number, step) in case.steps.iter().enumerate() {
        let place = format!("{place}, step {number}");
        if let Some(value) = step.record {
            window.record(at(step.at), value);
        }
        if let Some(span) = step.resize {
            window.resize(at(step.at), seconds(span));
        }
        let tolerance = if case.weighted { WEIGHTED_TOLERANCE } else { 0.0 };
        tally.near("averages of windows", &place, step.average, window.average(at(step.at)), tolerance);
        tally.compare("whether a window is empty", &place, &step.empty, &window.is_empty(at(step.at)));
    }
}

#[derive(Clone, Copy, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Spec {
    target: f64,
    total: f64,
    burst: f64,
    panic_threshold: f64,
    stable_window: u64,
    #[serde(default)]
    scale_down_delay: u64,
    up_rate: f64,
    down_rate: f64,
    #[serde(default)]
    activation_scale: i32,
    #[serde(default)]
    unreachable: bool,
}

impl Spec {
    fn settings(&self) -> RevisionSettings {
        let none = BTreeMap::new();
        let reachability = if self.unreachable { Reachability::Unreachable } else { Reachability::Reachable };
        RevisionSettings {
            target_value: self.target,
            total_value: self.total,
            target_burst_capacity: self.burst,
            panic_threshold: self.panic_threshold,
            stable_window: seconds(self.stable_window),
            scale_down_delay: seconds(self.scale_down_delay),
            max_scale_up_rate: self.up_rate,
            max_scale_down_rate: self.down_rate,
            activation_scale: self.activation_scale,
            ..resolve(&AutoscalerConfig::default(), &none, 0, reachability).expect("defaults are good")
        }
    }
}

fn resolve(
    config: &AutoscalerConfig,
    annotations: &BTreeMap<String, String>,
    concurrency: u32,
    reachability: Reachability,
) -> Result<RevisionSettings, Vec<SettingProblem>> {
    RevisionSettings::resolve(config, annotations, concurrency, reachability)
}

#[derive(Deserialize)]
struct DecisionCase {
    spec: Spec,
    ready: u32,
    steps: Vec<DecisionStep>,
}

#[derive(Deserialize)]
struct DecisionStep {
    at: u64,
    ready: u32,
    stable: f64,
    panic: f64,
    update: Option<Spec>,
    desired: i32,
    excess: i32,
    #[serde(default)]
    panics: bool,
}

fn decision(line: &str, place: &str, tally: &mut Tally) {
    let case: DecisionCase = vectors::case(line, place);
    let mut settings = case.spec.settings();
    let mut autoscaler = Autoscaler::new(&settings, case.ready, SimTime::ZERO);
    for (number, step) in case.steps.iter().enumerate() {
        let place = format!("{place}, step {number}");
        if let Some(update) = step.update {
            settings = update.settings();
        }
        let said = autoscaler.scale(&settings, (step.stable, step.panic), step.ready, at(step.at));
        tally.compare("pods wanted", &place, &step.desired, &said.desired_pods);
        tally.compare("excess burst capacity", &place, &step.excess, &said.excess_burst_capacity);
        tally.compare("whether it panics", &place, &step.panics, &autoscaler.panic_since().is_some());
    }
}

#[derive(Deserialize)]
#[serde(default, rename_all = "camelCase")]
#[derive(Default)]
struct SettingsCase {
    config: BTreeMap<String, String>,
    annotations: BTreeMap<String, String>,
    concurrency: u32,
    reachability: String,
    deadline: u64,
    bad_config: bool,
    bad_annotations: bool,
    resolved: Option<Resolved>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Resolved {
    #[serde(flatten)]
    spec: Spec,
    #[serde(default)]
    rps: bool,
    #[serde(default)]
    weighted: bool,
    panic_window: f64,
    initial_scale: i32,
    #[serde(default)]
    min_scale: i32,
    #[serde(default)]
    max_scale: i32,
    #[serde(default)]
    retention: f64,
    grace: f64,
}

impl SettingsCase {
    fn reachability(&self) -> Reachability {
        match self.reachability.as_str() {
            "" => Reachability::Unknown,
            "Reachable" => Reachability::Reachable,
            _ => Reachability::Unreachable,
        }
    }

    fn resolve(&self, config: &AutoscalerConfig) -> Result<RevisionSettings, Vec<SettingProblem>> {
        resolve(config, &self.annotations, self.concurrency, self.reachability())
    }
}

fn settings(line: &str, place: &str, tally: &mut Tally) {
    let case: SettingsCase = vectors::case(line, place);
    let config = AutoscalerConfig::from_data(&case.config);
    tally
        .note("whether the ConfigMap is refused", place, case.bad_config == config.is_err(), &|| format!("{config:?}"));
    let Ok(config) = config else { return };
    if case.bad_config {
        return;
    }
    let ours = case.resolve(&config);
    let agrees = case.bad_annotations == ours.is_err();
    tally.note("whether annotations are refused", place, agrees, &|| format!("{:?}\n  {ours:?}", case.annotations));
    let (Some(theirs), Ok(ours)) = (case.resolved, ours) else { return };
    let spec = theirs.spec;
    let floats = [spec.target, spec.total, spec.burst, spec.panic_threshold, spec.up_rate, spec.down_rate];
    let our_floats = [
        ours.target_value,
        ours.total_value,
        ours.target_burst_capacity,
        ours.panic_threshold,
        ours.max_scale_up_rate,
        ours.max_scale_down_rate,
    ];
    tally.compare("targets and rates of a revision", place, &floats, &our_floats);
    let spans =
        [spec.stable_window as f64, spec.scale_down_delay as f64, theirs.panic_window, theirs.retention, theirs.grace];
    let our_spans = [
        ours.stable_window,
        ours.scale_down_delay,
        ours.panic_window(),
        ours.scale_to_zero_pod_retention_period,
        ours.scale_to_zero_grace_period,
    ];
    tally.compare("windows and periods of a revision", place, &spans, &our_spans.map(SimDuration::as_seconds));
    let counts = [spec.activation_scale, theirs.initial_scale, theirs.min_scale, theirs.max_scale];
    let our_counts = [ours.activation_scale, ours.initial_scale, ours.min_scale, ours.max_scale];
    tally.compare("numbers of pods of a revision", place, &counts, &our_counts);
    let flags = [theirs.rps, theirs.weighted, spec.unreachable];
    let our_flags = [
        ours.metric == ScalingMetric::RequestsPerSecond,
        ours.aggregation == Aggregation::WeightedExponential,
        !ours.is_reachable(),
    ];
    tally.compare("metric and algorithm of a revision", place, &flags, &our_flags);
}

#[derive(Deserialize)]
struct HistoryCase {
    settings: SettingsCase,
    #[serde(default)]
    ready: u32,
    seconds: Vec<Second>,
}

#[derive(Deserialize)]
#[serde(default)]
#[derive(Default)]
struct Second {
    at: u64,
    ready: u32,
    reports: Vec<Report>,
    asked: bool,
    stable: Option<f64>,
    panic: Option<f64>,
    desired: Option<i32>,
    excess: i32,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Report {
    c: f64,
    pc: f64,
    r: f64,
    pr: f64,
}

/// Reports of pods through windows to a decision.
fn history(line: &str, place: &str, tally: &mut Tally) {
    let case: HistoryCase = vectors::case(line, place);
    let settings = case.settings.resolve(&AutoscalerConfig::default()).expect("settings of histories are good");
    let tolerance = if settings.aggregation == Aggregation::WeightedExponential { WEIGHTED_TOLERANCE } else { 0.0 };
    let mut metrics = RevisionMetrics::new(&settings);
    let mut autoscaler = Autoscaler::new(&settings, case.ready, SimTime::ZERO);
    for second in &case.seconds {
        let (now, place) = (at(second.at), format!("{place} at {} ms", second.at));
        for report in &second.reports {
            let (concurrency, proxied_concurrency) = (report.c, report.pc);
            let (requests, proxied_requests) = (report.r, report.pr);
            metrics.record(now, Stat { concurrency, proxied_concurrency, requests, proxied_requests });
        }
        if !second.asked {
            continue;
        }
        let values = metrics.stable_and_panic(settings.metric, now);
        let theirs = second.stable.zip(second.panic);
        tally.compare("whether there is a measurement", &place, &theirs.is_some(), &values.is_some());
        let (Some(theirs), Some(values), Some(desired)) = (theirs, values, second.desired) else { continue };
        tally.near("averages of a history", &place, theirs.0, values.0, tolerance);
        tally.near("averages of a history", &place, theirs.1, values.1, tolerance);
        let said = autoscaler.scale(&settings, values, second.ready, now);
        let theirs = (desired, second.excess);
        tally.compare("decisions of a history", &place, &theirs, &(said.desired_pods, said.excess_burst_capacity));
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct ZeroCase {
    activity: String,
    #[serde(rename = "for")]
    lasted: u64,
    #[serde(default)]
    proxied_for: u64,
    #[serde(default)]
    serves: bool,
    #[serde(default)]
    behind: bool,
    desired: i32,
    settings: SettingsCase,
    want: i32,
    #[serde(default)]
    applies: bool,
    again: Option<u64>,
    #[serde(default)]
    probes: bool,
    #[serde(default)]
    scrapes_nothing: bool,
}

fn activity_of(status: &str, reason: &str) -> Activity {
    match (status, reason) {
        ("Unknown", _) => Activity::Activating,
        ("True", _) => Activity::Active,
        (_, "TimedOut") => Activity::TimedOut,
        _ => Activity::NoTraffic,
    }
}

/// Whether the last pod goes, and what is waited for.
fn zero(line: &str, place: &str, tally: &mut Tally) {
    let case: ZeroCase = vectors::case(line, place);
    let config = AutoscalerConfig::from_data(&case.settings.config).expect("settings are good");
    let config = AutoscalerConfig { progress_deadline: seconds(case.settings.deadline), ..config };
    let settings = case.settings.resolve(&config).expect("annotations are good");
    let activity = activity_of(&case.activity, "");
    let reconciler = Reconciler { activity, since: SimTime::ZERO, is_initialized: true, desired_scale: None };
    let observed = Observed {
        desired_pods: case.desired,
        excess_burst_capacity: 0,
        ready_pods: 1,
        // No number that is ever wanted, so that every write shows.
        replicas: i32::MAX,
        mode: if case.serves { Mode::Serve } else { Mode::Proxy },
        proxied_for: milliseconds(case.proxied_for),
        is_behind_activator: case.behind,
    };
    let ours = reconciler.scale(&settings, &observed, at(case.lasted));
    let ours_again = ours.again_after.map(|after| after.0.div_ceil(1_000_000_000));
    let theirs = (case.want, case.applies, case.again, case.probes);
    tally.compare(
        "scale to zero",
        place,
        &theirs,
        &(ours.want, ours.replicas.is_some(), ours_again, ours.awaits_probe),
    );
    tally.compare("whether pods are scraped", place, &!case.scrapes_nothing, &settings.is_scraped());
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct ActivityCase {
    activity: String,
    #[serde(default)]
    reason: String,
    #[serde(default)]
    initialized: bool,
    want: i32,
    ready: u32,
    #[serde(default)]
    min: i32,
    initial: i32,
    new_activity: String,
    #[serde(default)]
    new_reason: String,
    #[serde(default)]
    new_initialized: bool,
    #[serde(default)]
    changed: bool,
    #[serde(default)]
    max: i32,
    bounded: i32,
}

/// The status after a run, and the bounds of a wish.
fn activity(line: &str, place: &str, tally: &mut Tally) {
    let case: ActivityCase = vectors::case(line, place);
    let none = BTreeMap::new();
    let defaults = resolve(&AutoscalerConfig::default(), &none, 0, Reachability::Reachable).expect("defaults are good");
    let settings =
        RevisionSettings { min_scale: case.min, max_scale: case.max, initial_scale: case.initial, ..defaults };
    let before = activity_of(&case.activity, &case.reason);
    let mut reconciler =
        Reconciler { activity: before, since: SimTime::ZERO, is_initialized: case.initialized, desired_scale: None };
    reconciler.update(&settings, case.want, case.ready, at(1));
    let theirs = (activity_of(&case.new_activity, &case.new_reason), case.new_initialized, case.changed);
    let ours = (reconciler.activity, reconciler.is_initialized, reconciler.since != SimTime::ZERO);
    tally.compare("the condition Active", place, &theirs, &ours);
    tally.compare("bounds of pods", place, &case.bounded, &settings.bounded(case.want, settings.min_scale));
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct ActivatorCase {
    pods: usize,
    own: i64,
    activators: u64,
    #[serde(default)]
    concurrency: u32,
    #[serde(default)]
    backends: u64,
    #[serde(default)]
    assigned: Vec<usize>,
    #[serde(default)]
    capacity: u64,
    #[serde(default)]
    capacity_by_one: u64,
    total: f64,
    burst: f64,
    each: f64,
    needed: u32,
}

fn activator(line: &str, place: &str, tally: &mut Tally) {
    let case: ActivatorCase = vectors::case(line, place);
    let (range, remnant) = assigned_pods(case.pods, usize::try_from(case.own).ok(), case.activators as usize);
    let ours: Vec<usize> = range.chain(remnant).collect();
    tally.compare("pods of an activator", place, &case.assigned, &ours);
    let assigned = case.assigned.len() as u64;
    let ours = [assigned, 0].map(|assigned| capacity(case.concurrency, case.backends, assigned, case.activators));
    tally.compare("capacity of an activator", place, &[case.capacity, case.capacity_by_one], &ours);
    let none = BTreeMap::new();
    let defaults = resolve(&AutoscalerConfig::default(), &none, 0, Reachability::Reachable).expect("defaults are good");
    let settings = RevisionSettings {
        total_value: case.total,
        target_burst_capacity: case.burst,
        activator_capacity: case.each,
        ..defaults
    };
    let ours = number_of_activators(&settings, case.pods as u32);
    tally.compare("activators of a revision", place, &case.needed, &ours);
}

fn replay(path: &Path, tally: &mut Tally) {
    let (header, lines) = vectors::open(path);
    let kind = header.kind;
    tally.releases.insert(kind.clone(), header.release);
    let replay = match kind.as_str() {
        "knative-windows" => window,
        "knative-decisions" => decision,
        "knative-settings" => settings,
        "knative-histories" => history,
        "knative-zero" => zero,
        "knative-activity" => activity,
        "knative-activator" => activator,
        _ => panic!("{}: {kind} is no kind that is known", path.display()),
    };
    for (number, line) in lines.enumerate() {
        replay(&line, &format!("{kind} {number}"), tally);
    }
}

#[test]
fn the_real_autoscaler_decides_the_same() {
    let mut tally = Tally::default();
    vectors::files("knative").iter().for_each(|path| replay(path, &mut tally));
    tally.compared.assert_agreement();
    vectors::check_page("knative_vectors", "docs/autoscaler-conformance/knative.md", &tally.page());
}
