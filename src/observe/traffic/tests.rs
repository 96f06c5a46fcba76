//! Tables of tiny models, by hand.

use super::tables;
use crate::ids::ServiceId;
use crate::model::traffic::{
    Arrivals, Backends, Balancing, CallPolicy, Gap, Guard, Keys, Objective, Operation, OperationRef, Profile, Retries,
    RetryOn, Server, Service, Source, Step,
};
use crate::model::{Cluster, Dist, Model, PolicyChoice, Traffic, Workload};
use crate::observe::{Recorder, summary};
use crate::results::Table;
use crate::testkit;
use crate::units::{SimDuration, SimTime};
use crate::world::View;

const SECOND: u64 = 1_000_000_000;

fn seconds(seconds: f64) -> SimDuration {
    SimDuration::from_seconds(seconds)
}

/// A service outside the cluster with one worker that takes so long.
fn service(name: &str, steps: Vec<Step>) -> Service {
    Service {
        name: name.to_owned(),
        backends: Backends::Fixed { count: 1, zones: Vec::new(), weights: Vec::new(), speeds: Vec::new() },
        server: Server { workers: Some(1), ..Server::default() },
        has_shared_queue: false,
        operations: vec![Operation { name: "get".to_owned(), steps, failure: 0.0, sizes: Default::default() }],
        balancer: PolicyChoice::named("round-robin"),
        balancing: Balancing::Central,
        guard: Guard::default(),
        objective: None,
        routes: Vec::new(),
        overflow: None,
        mirror: None,
        releases: Vec::new(),
    }
}

/// Requests for the first service at even distances, the first one after one distance.
fn source(per_second: f64) -> Source {
    Source {
        name: "users".to_owned(),
        arrivals: Arrivals::Open { gap: Gap::Deterministic, rate: Profile::constant(per_second), session: None },
        mix: vec![(OperationRef { service: ServiceId(0), operation: 0 }, 1.0)],
        headers: Vec::new(),
        zone: None,
        policy: CallPolicy::default(),
        keys: Keys::default(),
        clients: 1,
    }
}

fn model(services: Vec<Service>, source: Source, horizon_s: u64) -> Model {
    let traffic = Traffic { services, sources: vec![source], ..Traffic::default() };
    let horizon = Some(SimTime(horizon_s * SECOND));
    Model { horizon, traffic, ..testkit::model(Cluster::default(), Workload::default()) }
}

fn with_record<T>(model: &Model, look: impl FnOnce(&View<'_>, &Recorder) -> T) -> T {
    let finished = testkit::observe(model, Recorder::new(model));
    look(&View { model, world: &finished.world }, &finished.observer)
}

fn csv(table: &Table) -> Vec<Vec<String>> {
    let mut out = Vec::new();
    table.write_csv(&mut out).expect("memory can be written");
    let text = String::from_utf8(out).expect("CSV is text");
    text.lines().map(|line| line.split(',').map(str::to_owned).collect()).collect()
}

/// The cells of these columns, in the rows that the table has.
fn columns(table: &Table, wanted: &[&str]) -> Vec<Vec<String>> {
    let rows = csv(table);
    let at: Vec<usize> = wanted
        .iter()
        .map(|name| rows[0].iter().position(|other| other == name).unwrap_or_else(|| panic!("there is no `{name}`")))
        .collect();
    rows[1..].iter().map(|row| at.iter().map(|&at| row[at].clone()).collect()).collect()
}

#[test]
fn one_request_a_second_keeps_a_worker_busy_for_half_of_it() {
    // Requests at 1, 2, ... 60 s. Each takes 0.5 s and meets an idle worker; the one at 60 s does not come any more. After
    // the warm-up of 20 s, whose request at 20 s itself ends at 20.5 s, 40 are answered in 40 s: those of 20 to 59 s.
    // Busy are 0.5 of each second. The objective of 0.4 s is missed by all: 1 of the allowed 0.1, so 10 budgets are spent.
    let objective = Some(Objective { latency: seconds(0.4), ratio: 0.9 });
    let half = vec![Step::Wait(Dist::Constant(seconds(0.5)))];
    let mut model = model(vec![Service { objective, ..service("web", half) }], source(1.0), 60);
    model.traffic.warm_up = SimTime(20 * SECOND);
    with_record(&model, |view, recorder| {
        let log = recorder.traffic.as_ref().expect("there is traffic");
        let figures = log.figures().expect("the run is over");
        let wanted = ["scope", "operation", "outcome", "count", "throughput_per_s", "latency_s_p99", "wait_s_mean"];
        let rows = [["service", "", "", "40", "1", "0.5", "0"], ["cell", "get", "ok", "40", "1", "0.5", ""]];
        assert_eq!(columns(&tables::services(figures), &wanted), rows);
        let wanted =
            ["in_flight_mean", "waiting_mean", "worker_utilisation_ratio", "cpu_utilisation_ratio", "good_ratio"];
        assert_eq!(columns(&tables::services(figures), &wanted)[0], ["0.5", "0", "0.5", "", "0"]);
        // 40 observations are one batch of 32, which is too few for an interval of latency; waits are in batches of one.
        let wanted = ["latency_s_mean_ci95_low", "wait_s_mean_ci95_low", "wait_s_mean_ci95_high", "too_short"];
        assert_eq!(columns(&tables::services(figures), &wanted)[0], ["", "0", "0", ""]);
        let wanted = ["source", "count", "ok", "timeout", "latency_s_mean", "latency_s_max", "error_budget_left_ratio"];
        assert_eq!(columns(&tables::sources(figures), &wanted)[0][..6], ["users", "40", "40", "0", "0.5", "0.5"]);
        assert!((figures.sources[0].fate.budget_left_ratio + 9.0).abs() < 1e-9);
        let value = |name: &str| {
            let metrics = summary::summary(view, recorder, 0);
            metrics.into_iter().find(|metric| metric.name == name).expect("a metric").value
        };
        assert_eq!((value("requests_total"), value("requests_failed_ratio"), value("retries_ratio")), (40.0, 0.0, 0.0));
        assert_eq!((value("request_latency_ms_p50"), value("requests_in_objective_ratio")), (500.0, 0.0));
        assert!((value("error_budget_spent_ratio") - 10.0).abs() < 1e-9);
    });
}

#[test]
fn windows_show_what_ended_in_them() {
    // Windows of 10 s. In the first, requests come at 1 to 9 s and the one of 10 s belongs to the next: 9 are answered. In
    // the others it is 10. There is 0.5 of a request, but 0.45 in the first; the worker computes as long as it is busy.
    // The last window, from 20 s to the end at 25 s, has those of 20 to 24 s.
    let model = model(vec![service("web", vec![Step::Compute(Dist::Constant(seconds(0.5)))])], source(1.0), 25);
    with_record(&model, |_, recorder| {
        let log = recorder.traffic.as_ref().expect("there is traffic");
        let wanted = ["time_s", "span_s", "kind", "name", "requests_per_s", "latency_s_p50", "in_flight_mean"];
        let rows = columns(&log.table(&model), &wanted);
        assert_eq!(rows.len(), 9, "all, users and web in three windows");
        assert_eq!(rows[0], ["0", "10", "all", "", "0.9", "0.5", ""]);
        assert_eq!(rows[1], ["0", "10", "source", "users", "0.9", "0.5", ""]);
        assert_eq!(rows[2], ["0", "10", "service", "web", "0.9", "0.5", "0.45"]);
        assert_eq!(rows[5], ["10", "10", "service", "web", "1", "0.5", "0.5"]);
        assert_eq!(rows[8], ["20", "5", "service", "web", "1", "0.5", "0.5"]);
        let wanted = ["cpu_cores_mean", "backends", "waiting_mean", "failures_per_s", "retries_per_s", "good_ratio"];
        assert_eq!(columns(&log.table(&model), &wanted)[5], ["0.5", "1", "0", "0", "0", "1"]);
    });
}

#[test]
fn long_runs_put_windows_together() {
    // 30 000 s are 3000 windows of 10 s: three make a row.
    let model = model(vec![service("web", Vec::new())], source(0.1), 30_000);
    with_record(&model, |_, recorder| {
        let rows = columns(&recorder.traffic.as_ref().expect("traffic").table(&model), &["time_s", "requests_per_s"]);
        assert_eq!(rows.len(), 3 * 1000);
        // At 30, 40 and 50 s.
        assert_eq!(rows[3], ["30", "0.1"]);
    });
}

#[test]
fn failures_and_retries_are_counted_by_cause() {
    // Each answer takes 0.5 s, a caller waits 0.3 s, and tries once more 0.2 s later: two attempts for each request, the
    // source's request fails after 0.8 s. The worker serves both: 1 s of work for each request, that come every 2 s.
    let half = vec![Step::Wait(Dist::Constant(seconds(0.5)))];
    let retries = Retries {
        limit: 1,
        base: seconds(0.2),
        max: seconds(0.2),
        has_jitter: false,
        on: RetryOn { timeouts: true, refusals: false, errors: false },
        budget: None,
    };
    let policy = CallPolicy { timeout: Some(seconds(0.3)), retries: Some(retries), ..CallPolicy::default() };
    // At 2, 4, ... 18 s; the last is served until 19 s. What falls on the end of the run itself is no more part of it.
    let mut model = model(vec![service("web", half)], Source { policy, ..source(0.5) }, 20);
    model.traffic.sample_one_in = 4;
    with_record(&model, |_, recorder| {
        let log = recorder.traffic.as_ref().expect("there is traffic");
        let figures = log.figures().expect("the run is over");
        let wanted = ["count", "ok", "timeout", "failed_ratio", "latency_s_mean"];
        assert_eq!(columns(&tables::sources(figures), &wanted), [["9", "0", "9", "1", ""]]);
        let wanted = ["count", "outcome", "retries", "latency_s_mean", "worker_utilisation_ratio"];
        let rows = columns(&tables::services(figures), &wanted);
        assert_eq!(rows[0][..4], ["18", "", "9", ""]);
        assert!((figures.services[0].worker_utilisation - 9.0 / 20.0).abs() < 1e-9);
        assert_eq!(rows[1], ["18", "timeout", "", "0.3", ""]);
        assert_eq!(figures.total.retries_ratio, 1.0);
        check_spans(log.spans_json().expect("every fourth request is recorded"));
    });
}

/// The recorded requests of the test above: those of 2, 10 and 18 s.
fn check_spans(json: &[u8]) {
    let document: serde_json::Value = serde_json::from_slice(json).expect("it is JSON");
    let resources = document["resourceSpans"].as_array().expect("a list");
    let names: Vec<&str> = resources
        .iter()
        .map(|one| one["resource"]["attributes"][0]["value"]["stringValue"].as_str().expect("a name"))
        .collect();
    assert_eq!(names, ["users", "web"]);
    let spans = |at: usize| resources[at]["scopeSpans"][0]["spans"].as_array().expect("spans");
    // Three requests and their six attempts; six times the server.
    assert_eq!((spans(0).len(), spans(1).len()), (9, 6));
    let at = |span: &serde_json::Value| {
        ["startTimeUnixNano", "endTimeUnixNano"]
            .map(|key| span[key].as_str().expect("a time").parse::<u64>().expect("ns") / 1_000_000)
    };
    let kinds = |kind: u64| spans(0).iter().filter(move |span| span["kind"] == kind);
    let wholes: Vec<[u64; 2]> = kinds(1).map(at).collect();
    assert_eq!(wholes, [[2000, 2800], [10_000, 10_800], [18_000, 18_800]]);
    // The callers give up after 0.3 s; the server works on.
    assert_eq!(kinds(3).take(2).map(at).collect::<Vec<_>>(), [[2000, 2300], [2500, 2800]]);
    assert_eq!(spans(1).iter().take(2).map(at).collect::<Vec<_>>(), [[2000, 2500], [2500, 3000]]);
    assert!(kinds(3).all(|span| span["status"]["code"] == 2 && span["status"]["message"] == "timeout"));
    let ids: Vec<&str> = resources
        .iter()
        .flat_map(|one| one["scopeSpans"][0]["spans"].as_array().expect("spans"))
        .map(|span| span["spanId"].as_str().expect("an id"))
        .collect();
    let unique: std::collections::BTreeSet<&&str> = ids.iter().collect();
    assert_eq!(unique.len(), 15);
    for span in spans(0).iter().chain(spans(1)) {
        assert_eq!(span["traceId"].as_str().map(str::len), Some(32));
        let parent = span["parentSpanId"].as_str();
        assert_eq!(parent.is_none(), span["kind"] == 1);
        assert!(parent.is_none_or(|parent| ids.contains(&parent)));
    }
    // The second attempt of 18 s reaches the server at 18.5 s, and is done at 19 s.
    assert!(!String::from_utf8_lossy(json).contains("unfinished"));
}
