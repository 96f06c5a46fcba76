//! Published series of requests drive sources, request by request and as rates.
#![allow(clippy::disallowed_methods, reason = "the data are where the environment says")]

use std::path::Path;

use wavetank::document::Source;
use wavetank::engine::watch;
use wavetank::observe::Observer;
use wavetank::scenario::{Environment, load_scenario_text};
use wavetank::traffic::Plane;
use wavetank::world::View;

/// How many requests a source has sent.
#[derive(Debug, Default)]
struct Sent(u64);

impl Observer for Sent {
    fn traffic_ended(&mut self, _: &View<'_>, plane: &mut Plane<'_>) {
        self.0 = plane.sources()[0].count();
    }
}

/// A published file, which part of it is meant, and how many requests that has by the file.
struct Recorded {
    file: &'static str,
    options: &'static str,
    horizon: &'static str,
    requests: f64,
}

const RECORDED: &[Recorded] = &[
    // The 120 rows from 14:00 to 15:59 of 10 June 1998, the day of the first match.
    Recorded {
        file: "worldcup98/requests_per_minute.csv.gz",
        options: "from: \"1998-06-10 14:00\"",
        horizon: "2h",
        requests: 7_874_227.0,
    },
    // A day from 00:04 on: 287 rows five minutes apart, of which one is missing.
    Recorded {
        file: "nab/elb_request_count_8c0756.csv.gz",
        options: "from: \"2014-04-10 00:04\"",
        horizon: "24h",
        requests: 19_895.0,
    },
    // The minutes 480 to 539, the first sixty, of all 250 functions.
    Recorded {
        file: "azure-functions-2019/sample250/invocations_min480-959.csv.gz",
        options: "from: \"480\"",
        horizon: "1h",
        requests: 66_430.0,
    },
];

/// Requests that a recorded series makes in a run.
fn sent(recorded: &Recorded, data: &Path, model: &str, scale: f64) -> u64 {
    let Recorded { file, options, horizon, .. } = recorded;
    let text = format!(
        "apiVersion: wavetank.dev/v1
kind: Scenario
metadata: {{name: recorded}}
horizon: {horizon}
traffic:
  model: {model}
  services:
    - name: web
      external: {{count: 1}}
      steps:
        - wait: 1ms
  sources:
    - name: users
      to: web
      rate: {{series: {{file: '{}', {options}, scale: {scale}}}}}
",
        data.join(file).display()
    );
    let source = Source { file: "recorded.yaml".into(), text };
    let loaded = load_scenario_text(&source, &[], 0, &Environment::default()).unwrap_or_else(|error| panic!("{error}"));
    watch(&loaded.model, Sent::default()).unwrap().observer.0
}

#[test]
fn published_series_drive_sources() {
    let Some(data) = std::env::var_os("WAVETANK_DATA") else {
        println!("published_series_drive_sources: skipped, WAVETANK_DATA is not set");
        return;
    };
    for recorded in RECORDED {
        let rates = sent(recorded, Path::new(&data), "{fluid: {step: 15s}}", 1.0) as f64;
        assert!((rates - recorded.requests).abs() <= 5.0, "{}: {rates} by rates", recorded.file);
        let scale = (50_000.0 / recorded.requests).min(1.0);
        let (single, expected) =
            (sent(recorded, Path::new(&data), "requests", scale) as f64, scale * recorded.requests);
        println!("{}: {rates} by rates, {single} of {expected} one by one", recorded.file);
        // A Poisson number has the deviation of its root; five of them.
        assert!((single - expected).abs() <= 5.0 * expected.sqrt(), "{}: {single} of {expected}", recorded.file);
    }
}
