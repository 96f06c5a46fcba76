use super::super::sizing::Usage;
use super::*;
use crate::ids::PodId;
use crate::units::MilliCpu;

fn setting<'s>(policy: &'s ResourcePolicy, foresight: &'s [UsageStep]) -> SizingSetting<'s> {
    SizingSetting { container: "app", policy, foresight, start: SimTime::ZERO }
}

/// The value of a default as it is written.
fn value(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or_else(|_| Value::String(text.to_owned()))
}

#[test]
fn defaults_are_those_of_the_table() {
    let policy = ResourcePolicy::default();
    let usage = Usage { cpu: MilliCpu(700), memory: Bytes(3 << 30) };
    let series = [UsageStep { span: SimDuration(86_400_000_000_000), usage }];
    for row in SIZINGS {
        let setting = setting(&policy, if row.is_clairvoyant { &series } else { &[] });
        let all: serde_json::Map<_, _> =
            row.parameters.iter().map(|own| (own.name.to_owned(), value(own.default))).collect();
        let mut written = row.build(&Value::Object(all), &setting).expect("defaults are right");
        let mut own = row.build(&value("{}"), &setting).expect("defaults are right");
        for minute in 0..600 {
            let at = SimTime(minute * 60_000_000_000);
            for rule in [&mut written, &mut own] {
                rule.observe(PodId(0), at, usage);
            }
            assert_eq!(written.recommend(at), own.recommend(at), "{}", row.name);
        }
        assert_eq!(own.recommend(SimTime(1)).is_none(), row.name == "static");
        assert!(find(row.name).is_some_and(|found| found.summary == row.summary));
    }
}

#[test]
fn what_is_out_of_range_is_refused() {
    let policy = ResourcePolicy::default();
    for (name, parameters) in [
        ("vpa", r#"{"targetCpuPercentile": 1.1}"#),
        ("vpa", r#"{"oomBumpUpRatio": 0.5}"#),
        ("vpa", r#"{"cpuHistogramDecayHalfLife": "0"}"#),
        ("vpa", r#"{"roundCpuMillicores": 0}"#),
        ("vpa", r#"{"unknown": 1}"#),
        ("autopilot-window", r#"{"cpu": "other"}"#),
        ("autopilot-window", r#"{"memory": "other"}"#),
        ("autopilot-window", r#"{"marginFraction": -1}"#),
        ("autopilot-window", r#"{"memoryHalfLife": "0"}"#),
        ("autopilot-ensemble", r#"{"modelDecays": []}"#),
        ("autopilot-ensemble", r#"{"modelMargins": [11]}"#),
        ("autopilot-ensemble", r#"{"decay": 0}"#),
        ("autopilot-ensemble", r#"{"underrunWeight": -1}"#),
        ("static", r#"{"anything": 1}"#),
        ("oracle", r#"{"cpuPercentile": 2}"#),
        ("oracle", r#"{"horizon": "0"}"#),
    ] {
        let row = find(name).expect("there is such a row");
        assert!(row.build(&value(parameters), &setting(&policy, &[])).is_err(), "{name} {parameters}");
    }
    assert!(find("none").is_none());
}
