//! Imported call graphs: what the program writes, and whether simulated requests take what recorded ones took.
#![allow(clippy::disallowed_methods, reason = "tests read files and start the program")]

use std::fs;
use std::path::Path;

use super::program::{wavetank, wavetank_ok};
use wavetank::document::Source;
use wavetank::engine::watch;
use wavetank::importers::ReadSpans;
use wavetank::importers::call_graph::{HEADING, Options, read_alibaba, read_jaeger, read_nezha, scenario};
use wavetank::observe::Observer;
use wavetank::scenario::{Environment, load_scenario_text};
use wavetank::stats::LatencyRecorder;
use wavetank::traffic::Plane;
use wavetank::world::View;

/// A page that calls the shop over the network, then two databases at once, and leaves a message behind. Milliseconds:
/// the page 0 to 100, the shop 10 to 40 for its caller and 14 to 36 for itself, the databases 50 to 80 and 55 to 75.
const SPANS: &str = "\
trace,span,parent,service,operation,kind,start_us,duration_us
1,page,,web,page,server,0,100000
1,ask,page,web,Buy,client,10000,30000
1,buy,ask,shop,Buy,server,14000,22000
1,one,page,one,Get,server,50000,30000
1,two,page,two,Get,server,55000,20000
1,log,page,log,Write,consumer,90000,160000
";

#[derive(Debug, Default)]
struct Latency(LatencyRecorder);

impl Observer for Latency {
    fn traffic_ended(&mut self, _: &View<'_>, plane: &mut Plane<'_>) {
        assert_eq!(plane.sources()[0].failures(), 0);
        self.0 = plane.sources()[0].latency.recorder();
    }
}

/// How long requests of an imported scenario take, with some of its text changed.
fn latency(text: &str, changes: &[(&str, &str)]) -> LatencyRecorder {
    let mut text = text.to_owned();
    for (from, to) in changes {
        assert!(text.contains(from), "{from} is not in the scenario");
        text = text.replace(from, to);
    }
    let source = Source { file: "imported.yaml".into(), text };
    let loaded = load_scenario_text(&source, &[], 0, &Environment::default()).unwrap_or_else(|error| panic!("{error}"));
    watch(&loaded.model, Latency::default()).unwrap().observer.0
}

#[test]
fn simulated_requests_take_what_the_recorded_one_took() {
    let place = tempfile::tempdir().unwrap();
    let file = place.path().join("spans.csv");
    fs::write(&file, SPANS).unwrap();
    let spans = read_jaeger(&[&file]).unwrap();
    let text = scenario(&spans, &Options { origin: "spans.csv".to_owned(), rate_per_second: Some(2.0) });
    // 100 - 30 - 30 of the page's own, 4 + 22 + 4 for the shop, then the longer of 30 and 20.
    let measured = latency(&text, &[("rate: 2/s", "arrivals: deterministic\n      rate: 2/s")]);
    assert!(measured.count() > 1000);
    for found in [measured.min_s(), measured.max_s()] {
        assert!((found - 0.1).abs() < 1e-4, "{found}");
    }
}

#[test]
fn the_program_imports_spans() {
    let place = tempfile::tempdir().unwrap();
    let (directory, out) = (place.path(), place.path().join("shop.yaml"));
    fs::write(directory.join("spans.csv"), SPANS).unwrap();
    let import: &[&str] = &["import", "jaeger-csv", "spans.csv", "-o", "shop.yaml"];
    wavetank_ok(directory, import);
    let first = fs::read_to_string(&out).unwrap();
    assert!(first.starts_with(&format!("{HEADING}spans.csv (jaeger-csv): 1 traces, 6 spans.\n")), "{first}");
    wavetank_ok(directory, &["validate", "shop.yaml"]);
    // Again, and for another rate.
    wavetank_ok(directory, import);
    assert_eq!(fs::read_to_string(&out).unwrap(), first);
    wavetank_ok(directory, &[import, &["--rate", "50/s"]].concat());
    assert!(fs::read_to_string(&out).unwrap().contains("      rate: 50/s\n"));
    fs::write(directory.join("mine.yaml"), "years of work").unwrap();
    for (arguments, said) in [
        (
            &["import", "jaeger-csv", "spans.csv", "-o", "mine.yaml"][..],
            "mine.yaml exists and is no imported call graph",
        ),
        (&["import", "jaeger-csv", "spans.csv", "-o", "new.yaml", "--rate", "0"], "`0` must be more than 0"),
        (&["import", "jaeger-csv", "spans.csv", "-o", "new.yaml", "--rate", "5"], "--rate: `5` has no unit"),
        (&["import", "nezha", "spans.csv", "-o", "new.yaml"], "`pod`, `start_unix_ns` are missing"),
        (&["import", "openb", "spans.csv", "-o", "new", "--rate", "5/s"], "--rate is for call graphs"),
        (&["import", "zipkin", "spans.csv", "-o", "new.yaml"], "  jaeger-csv  spans such as those of DeathStarBench"),
    ] {
        let ended = wavetank(directory, arguments);
        assert_eq!(ended.status, Some(2), "{arguments:?}: {}", ended.stderr);
        assert!(ended.stderr.replace("` and `", "`, `").contains(said), "{arguments:?}: {}", ended.stderr);
        assert!(!directory.join("new.yaml").exists() && !directory.join("new").exists(), "{arguments:?}");
    }
    assert_eq!(fs::read_to_string(directory.join("mine.yaml")).unwrap(), "years of work");
}

/// A published file, the mean, median and 99th percentile of its roots' durations in ms, and how far the simulated ones may
/// be off, as parts of them.
struct Published {
    read: ReadSpans,
    file: &'static str,
    real_ms: [f64; 3],
    tolerances: [f64; 3],
}

/// What is far off is explained in `docs/call-graphs.md`: pages that share an operation, branches that know of each other, and
/// for Alibaba nine graphs of 884 that take more than two seconds, at the edge of which the 99th percentile lies.
const PUBLISHED: &[Published] = &[
    Published {
        read: read_jaeger,
        file: "deathstarbench/hotel_load25.csv.gz",
        real_ms: [24.744, 20.901, 73.704],
        tolerances: [0.02, 0.03, 0.10],
    },
    Published {
        read: read_jaeger,
        file: "deathstarbench/hotel_load75.csv.gz",
        real_ms: [37.336, 29.141, 128.475],
        tolerances: [0.03, 0.06, 0.12],
    },
    Published {
        read: read_jaeger,
        file: "deathstarbench/media_load50.csv.gz",
        real_ms: [12.496, 11.358, 29.680],
        tolerances: [0.12, 0.10, 0.30],
    },
    Published {
        read: read_nezha,
        file: "nezha-onlineboutique/spans_2022-08-22.csv.gz",
        real_ms: [561.897, 281.948, 2400.817],
        tolerances: [0.03, 1.0, 0.6],
    },
    Published {
        read: read_alibaba,
        file: "alibaba-microservices/ms2022_callgraphs.csv.gz",
        real_ms: [90.851, 6.0, 2591.0],
        tolerances: [0.25, 0.2, 0.6],
    },
];

/// With few requests at a time, so that what waits there are come from the recording.
#[test]
fn published_call_graphs_take_as_long_as_recorded() {
    let Some(data) = std::env::var_os("WAVETANK_DATA") else {
        println!("published_call_graphs_take_as_long_as_recorded: skipped, WAVETANK_DATA is not set");
        return;
    };
    for Published { read, file, real_ms, tolerances } in PUBLISHED {
        let spans = read(&[&Path::new(&data).join(file)]).unwrap();
        let text = scenario(&spans, &Options { origin: (*file).to_owned(), rate_per_second: Some(0.05) });
        let measured = latency(&text, &[("horizon: 10m", "horizon: 100h")]);
        let found = [measured.mean_s(), measured.quantile_s(0.5), measured.quantile_s(0.99)].map(|span| span * 1e3);
        println!("{file}: {found:.1?} ms, recorded {real_ms:.1?} ms");
        for ((found, real), tolerance) in found.iter().zip(real_ms).zip(tolerances) {
            assert!((found / real - 1.0).abs() <= *tolerance, "{file}: {found} ms instead of {real} ms");
        }
    }
}
