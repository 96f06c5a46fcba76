//! Spans by hand, with the arithmetic beside them.

use std::io::Write as _;
use std::path::PathBuf;

use super::formats::service_of;
use super::graph::{CallGraph, groups_ns};
use super::requests::{Request, requests};
use super::*;
use crate::importers::ReadSpans;

/// Reads a text as a file.
fn read(read: ReadSpans, text: &str) -> Result<Spans, Vec<String>> {
    let mut file = tempfile::NamedTempFile::new().unwrap();
    file.write_all(text.as_bytes()).unwrap();
    let name = file.path().display().to_string();
    let shown = |error: crate::importers::ImportError| error.to_string().replace(&name, "f");
    read(&[file.path()]).map_err(|errors| errors.into_iter().map(shown).collect())
}

/// Spans in Jaeger's format, without the heading and without the trace, which is `t`.
fn jaeger(rows: &str) -> Spans {
    let rows: Vec<String> = rows.split_whitespace().map(|row| format!("t,{row}")).collect();
    let heading = "trace,span,parent,service,operation,kind,start_us,duration_us";
    read(read_jaeger, &format!("{heading}\n{}", rows.join("\n"))).unwrap()
}

/// Spans of one root `r` of 100 us, and below it calls of services that are called as the rows begin: `a 10 20` is from 10 to
/// 20 us.
fn below_root(calls: &[(&str, u64, u64)]) -> Spans {
    let mut rows = "r,,web,page,server,0,100".to_owned();
    for (number, (service, start, end)) in calls.iter().enumerate() {
        rows.push_str(&format!(" s{number},r,{service},get,server,{start},{}", end - start));
    }
    jaeger(&rows)
}

/// The stages of an operation, such as `a 2*b@0.5 | !c`: one after the other, `!` for messages, the probability behind `@`.
fn plan(spans: &Spans, operation: usize) -> (Vec<u64>, String) {
    let graph = CallGraph::new(spans, &requests(spans));
    let plan = &graph.operations[operation];
    let stages = plan.stages.iter().map(|stage| {
        let calls = stage.calls.iter().map(|call| {
            let count = if call.count > 1 { format!("{}*", call.count) } else { String::new() };
            let probability = if call.made < call.of { format!("@{}/{}", call.made, call.of) } else { String::new() };
            format!("{count}{}{probability}", spans.operations[call.target as usize].0)
        });
        format!("{}{}", if stage.is_detached { "!" } else { "" }, calls.collect::<Vec<_>>().join(" "))
    });
    (plan.self_ns.clone(), stages.collect::<Vec<_>>().join(" | "))
}

#[test]
fn calls_are_put_one_after_the_other_or_together() {
    for (calls, self_us, stages) in [
        (&[][..], 100, ""),
        // 100 - 10 - 20
        (&[("a", 10, 20), ("b", 30, 50)], 70, "a | b"),
        // The order is that of the starts, not of the names or rows.
        (&[("a", 30, 50), ("b", 10, 20)], 70, "b | a"),
        // 100 - 20: both within 10 to 30.
        (&[("a", 10, 30), ("b", 15, 28)], 80, "a b"),
        // Together they took 19; one after the other would be 20, at once 10.
        (&[("a", 10, 20), ("b", 19, 29)], 81, "a | b"),
        // b and c are within a: 40; a and b at once, then c would be 40 + 10.
        (&[("a", 10, 50), ("b", 15, 25), ("c", 30, 40)], 60, "a b c"),
        // Three at once of one kind, then one more.
        (&[("a", 0, 10), ("a", 1, 10), ("a", 2, 11), ("a", 50, 60)], 79, "3*a | a"),
        // a ends at 190, 90 of 130 after the caller: a message; its time is the caller's own.
        (&[("a", 60, 190), ("b", 70, 80)], 90, "!a | b"),
        // 40 of 90 after the caller: the caller waits, from 50 to 100.
        (&[("a", 50, 140)], 50, "a"),
        // Nothing is known of how calls without length lie to each other.
        (&[("a", 10, 10), ("b", 10, 10)], 100, "a | b"),
    ] {
        assert_eq!(plan(&below_root(calls), 0), (vec![self_us * 1000], stages.to_owned()), "{calls:?}");
    }
}

#[test]
fn calls_are_as_likely_as_in_the_spans() {
    // Four pages: a always, b in two of them at the same time, c in one, a for a second time in one.
    let spans = jaeger(
        "1,,w,p,server,0,100 11,1,a,g,server,0,10 12,1,b,g,server,0,9 13,1,c,g,server,50,10 \
         2,,w,p,server,0,100 21,2,a,g,server,0,10 22,2,b,g,server,1,8 \
         3,,w,p,server,0,100 31,3,a,g,server,0,10 32,3,a,g,server,80,10 \
         4,,w,p,server,0,100 41,4,a,g,server,0,10",
    );
    // Own time: 100 - 10 - 10, 100 - 10, 100 - 20, 100 - 10.
    let (self_ns, stages) = plan(&spans, 0);
    assert_eq!(self_ns, [80_000, 80_000, 90_000, 90_000]);
    assert_eq!(stages, "a b@2/4 | c@1/4 | a@1/4");
}

fn only_request(spans: &Spans, service: &str) -> Request {
    let of_service = |request: &Request| spans.operations[request.operation as usize].0 == service;
    let mut found = requests(spans).into_iter().filter(of_service);
    let request = found.next().expect("a request");
    assert_eq!(found.next(), None);
    request
}

#[test]
fn both_ends_of_a_call_are_one_request() {
    // The client waits 20 us for 12 us of work: 4 us each way. Its time is covered for the caller: 50 - 20.
    let given = jaeger("r,,web,page,server,0,50 c,r,web,db.Get,client,10,20 s,c,db,Get,server,14,12");
    // Without kinds: by service and name.
    let known = jaeger("r,,web,page,,0,50 c,r,web,db.Get,,10,20 s,c,db,Get,,14,12");
    for spans in [given, known] {
        let request = only_request(&spans, "db");
        assert_eq!((request.parent, request.call), (Some(0), (10_000, 30_000)));
        assert_eq!((request.served, request.network_ns), (Some((14_000, 26_000)), Some(4_000)));
        assert_eq!(plan(&spans, 0), (vec![30_000], "db".to_owned()));
    }
    // Other names, or the same service: spans of their own.
    for rows in [
        "r,,web,page,,0,50 c,r,web,f,,10,20 s,c,db,Get,,14,12",
        "r,,web,page,,0,50 c,r,web,Get,,10,20 s,c,web,x.Get,,14,12",
    ] {
        assert_eq!(requests(&jaeger(rows)).len(), 3, "{rows}");
    }
}

#[test]
fn a_caller_knows_whom_it_calls_when_the_callee_says_nothing() {
    let spans = jaeger(
        "r,,web,page,server,0,50 c,r,web,db.Get,client,10,20 s,c,db,Get,server,14,12 d,r,web,db.Get,client,40,5",
    );
    // 50 - 20 - 5; what the second call took its server is not known, so the one distribution has one value.
    assert_eq!(plan(&spans, 0), (vec![25_000], "db | db".to_owned()));
    assert_eq!(plan(&spans, 2), (vec![12_000], String::new()));
    assert_eq!(CallGraph::new(&spans, &requests(&spans)).operations[2].requests, 2);
}

#[test]
fn a_span_that_wraps_another_of_its_name_is_the_same_request() {
    // 50 - 20: what is below the inner span is below the outer one.
    let spans = jaeger("r,,web,page,,0,50 i,r,web,page,,5,40 s,i,db,Get,,10,20");
    assert_eq!(plan(&spans, 0), (vec![30_000], "db".to_owned()));
    assert_eq!(requests(&spans).len(), 2);
}

#[test]
fn rows_of_the_call_graphs_of_2022_are_paths() {
    // 0.1.1 is below 0.1, the message 0.2 is waited for by nobody: 9 - 4 ms of its own.
    let text = "graph,rpc_id,dm,rpctype,start_ms,finish_ms\n\
                g,0,web,http,0,9\ng,0.1,shop,rpc,1,5\ng,0.1.1,cache,mc,2,3\ng,0.2,queue,mq,6,8\nh,0,web,http,0,2\n";
    let spans = read(read_alibaba, text).unwrap();
    assert_eq!(plan(&spans, 0), (vec![2_000_000, 5_000_000], "shop@1/2 | !queue@1/2".to_owned()));
    assert_eq!(plan(&spans, 1), (vec![3_000_000], "cache".to_owned()));
}

#[test]
fn pods_are_of_deployments() {
    for (pod, service) in [
        ("frontend-579b9bff58-t2dbm", "frontend"),
        ("cart-service-6d4f8c7b9-x2x7k", "cart-service"),
        ("mongo-0", "mongo-0"),
        ("redis", "redis"),
        ("my-nicest-proxy", "my-nicest-proxy"),
    ] {
        assert_eq!(service_of(pod), service);
    }
}

#[test]
fn groups_keep_the_mean() {
    assert_eq!(groups_ns(&[1, 2, 9]), [1, 2, 9]);
    // 150 values 0, 2, 4, ...: groups of one and a half: (0 + 2/2) / 1.5, (2/2 + 4) / 1.5, then the same 6 later.
    let values: Vec<u64> = (0..150).map(|value| 2 * value).collect();
    let groups = groups_ns(&values);
    assert_eq!(groups.len(), 100);
    assert_eq!(groups[..4], [1, 3, 7, 9]);
    // 6000 values of 1000 each and one a thousand times as long: the last group holds 60.01 of 6001 values, so its mean is
    // (59.01 * 1000 + 1 000 000) / 60.01 = 17 647.06.
    let mut values = vec![1000; 6000];
    values.push(1_000_000);
    assert_eq!(groups_ns(&values)[98..], [1000, 17_647]);
}

#[test]
fn scenarios_are_sized_for_their_rate() {
    // Two pages a second apart, of which each keeps a core for 30 us, and the database for 12. At 40 000/s that is 1.2 and
    // 0.48 cores: 3 backends and 1. A message takes (20 - 12) / 2 us.
    let text = "trace,span,parent,service,operation,kind,start_us,duration_us\n\
                1,r,,web,page,server,0,50\n1,c,r,web,Get,client,10,20\n1,s,c,db,Get,server,14,12\n\
                2,r,,web,page,server,1000000,50\n2,c,r,web,Get,client,1000010,20\n2,s,c,db,Get,server,1000014,12\n";
    let spans = read(read_jaeger, text).unwrap();
    let options = |rate_per_second| Options { origin: "spans.csv".to_owned(), rate_per_second };
    let written = scenario(&spans, &options(Some(40_000.0)));
    let (_, body) = written.split_once("  services:\n").unwrap();
    let expected = r#"    - name: "db"  # 40000 requests a second, utilisation 0.48
      external: {count: 1, zones: ["db"]}
      server: {cpu: 1, quotaPeriod: 0}
      operations:
        - name: "Get"  # requests in the traces: 2
          steps:
            - compute: 0.012ms
    - name: "web"  # 40000 requests a second, utilisation 0.4
      external: {count: 3, zones: ["web"]}
      server: {cpu: 1, quotaPeriod: 0}
      operations:
        - name: "page"  # requests in the traces: 2, from outside: 2
          steps:
            - compute: 0.03ms
            - call: {service: "db", operation: "Get"}
  sources:
    - name: users
      rate: 40000/s
      to:
        - {service: "web", operation: "page", weight: 2}
"#;
    assert_eq!(body, expected);
    assert!(written.contains("      - {zones: [\"db\", \"web\"], latency: 0.004ms}\n"), "{written}");
    assert!(written.starts_with(&format!("{HEADING}spans.csv: 2 traces, 6 spans.\n")), "{written}");
    // One gap of a second between two traces.
    assert!(scenario(&spans, &options(None)).contains("      rate: 1/s\n"));
}

#[test]
fn everything_wrong_is_said() {
    let heading = "trace,span,parent,service,operation,kind,start_us,duration_us";
    for (rows, said) in [
        ("1,a,,w,p,server,0,5\n1,a,,w,p,server,0,6", &["f:3: trace `1` has another span `a` in line 2"][..]),
        ("1,a,b,w,p,server,0,5\n1,b,a,w,p,server,0,6", &["f:2: the span is its own ancestor"]),
        ("1,a,b,w,p,server,0,5", &["f: no span is without parent"]),
        ("", &["f: no span is without parent"]),
        (
            "1,a,,w,p,serv,0,5\n1,,,w,p,server,0,5\n1,c,,,,server,x,5",
            &[
                "f:2: column `kind`: `serv` is no kind",
                "f:3: column `span`: `` is empty",
                "f:4: column `service`: `` is empty",
            ],
        ),
    ] {
        let problems = read(read_jaeger, &format!("{heading}\n{rows}\n")).unwrap_err();
        assert_eq!(problems.len(), said.len(), "{problems:?}");
        for (problem, said) in problems.iter().zip(said) {
            assert!(problem.starts_with(said), "{problem}");
        }
    }
    let text = "graph,rpc_id,dm,rpctype,start_ms,finish_ms\ng,0,w,http,5,4\n";
    let problems = read(read_alibaba, text).unwrap_err();
    assert!(problems[0].starts_with("f:2: column `finish_ms`: `4` is before the start"), "{problems:?}");
}

#[test]
fn rows_that_repeat_others_and_lost_parents_are_counted() {
    let spans = jaeger("a,,w,p,,0,5 a,,w,p,,0,5 b,gone,w,q,,0,5");
    assert_eq!((spans.list.len(), spans.repeated, spans.orphans), (2, 1, 1));
    let written = scenario(&spans, &Options::default());
    assert!(written.contains("# 1 rows were left out that repeat others."), "{written}");
    assert!(!written.contains("weight: 2"), "what has lost its parent does not enter: {written}");
}

/// The file of public traces; tests that need it say so and pass without it.
fn data(name: &str) -> Option<PathBuf> {
    let found = std::env::var_os("WAVETANK_DATA").map(|data| PathBuf::from(data).join(name));
    if found.is_none() {
        let _ = writeln!(std::io::stderr(), "skipped: {name} needs WAVETANK_DATA");
    }
    found
}

#[test]
fn published_spans_are_read() {
    // Counted with other tools: traces, spans without repeated rows, requests (spans less client spans that have a server's
    // and less spans that wrap one of their name), entries.
    for (read, name, counts) in [
        (read_alibaba as ReadSpans, "alibaba-microservices/ms2022_callgraphs.csv.gz", [884, 3877, 3877, 884]),
        (read_jaeger, "deathstarbench/hotel_load25.csv.gz", [1000, 11_000, 6000, 1000]),
        (read_jaeger, "deathstarbench/media_load50.csv.gz", [1000, 27_000, 26_000, 1000]),
        (read_nezha, "nezha-onlineboutique/spans_2022-08-22.csv.gz", [1355, 62_065, 47_177, 1355]),
    ] {
        let Some(file) = data(name) else { continue };
        let spans = read(&[&file]).unwrap();
        let requests = requests(&spans);
        let entries = requests.iter().filter(|request| request.is_entry).count();
        let found = [spans.traces as usize, spans.list.len(), requests.len(), entries];
        assert_eq!(found, counts, "{name}");
    }
}
