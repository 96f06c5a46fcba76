//! The manifest: where a result comes from, and the only place where wall time and machine may stand.

use std::fs;

use serde::{Deserialize, Serialize};

/// `manifest.json` of a result directory. It holds all that is needed to make the result again.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Manifest {
    /// Name of the scenario or experiment.
    pub name: String,
    /// What it shows, in a sentence.
    pub description: String,
    /// The scheduler policy of a run; a sweep has several.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub policy: Option<String>,
    /// The queue order of a run.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub queue: Option<String>,
    /// The version of wavetank that made the result.
    pub version: String,
    /// The commit it was built from, where the build said so.
    pub commit: Option<String>,
    /// The scenario's seed.
    pub seed: u64,
    /// The replication, from 0.
    pub replication: u32,
    /// How many events were simulated.
    pub events: u64,
    /// Wall time from reading the scenario to the last table.
    pub wall_seconds: f64,
    /// The most memory the process ever held, where the system tells.
    pub peak_memory_bytes: Option<u64>,
    /// The machine.
    pub host: Host,
    /// The scenario with every default and override filled in.
    pub scenario: serde_json::Value,
}

/// The machine that made a result.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Host {
    /// The operating system, such as `linux`.
    pub os: String,
    /// The processor architecture, such as `x86_64`.
    pub arch: String,
    /// How many processors the process may use; 1 where the system does not tell.
    pub cpus: usize,
}

/// The version of wavetank.
pub const VERSION: &str = env!("CARGO_PKG_VERSION");

/// The commit that wavetank was built from; a build sets it through the environment variable `WAVETANK_COMMIT`.
pub const COMMIT: Option<&str> = option_env!("WAVETANK_COMMIT");

impl Manifest {
    /// The manifest of what ends now, on this machine, in this process; `scenario` is as it was resolved.
    pub fn new(name: &str, description: &str, scenario: serde_json::Value) -> Manifest {
        Manifest {
            name: name.to_owned(),
            description: description.to_owned(),
            policy: None,
            queue: None,
            version: VERSION.to_owned(),
            commit: COMMIT.map(str::to_owned),
            seed: 0,
            replication: 0,
            events: 0,
            wall_seconds: 0.0,
            peak_memory_bytes: peak_memory_bytes(),
            host: Host::current(),
            scenario,
        }
    }
}

impl Host {
    /// This machine.
    pub fn current() -> Host {
        Host {
            os: std::env::consts::OS.to_owned(),
            arch: std::env::consts::ARCH.to_owned(),
            cpus: std::thread::available_parallelism().map_or(1, std::num::NonZero::get),
        }
    }
}

/// The most memory this process ever held, in bytes: the kernel's `VmHWM`; `None` where there is none.
pub fn peak_memory_bytes() -> Option<u64> {
    high_water_mark(&fs::read_to_string("/proc/self/status").ok()?)
}

fn high_water_mark(status: &str) -> Option<u64> {
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    line.trim().strip_suffix("kB")?.trim_end().parse::<u64>().ok()?.checked_mul(1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_high_water_mark_is_read_in_bytes() {
        for (status, expected) in [
            ("Name:\tx\nVmPeak:\t  99 kB\nVmHWM:\t    2048 kB\nVmRSS:\t 1 kB\n", Some(2048 * 1024)),
            ("Name:\tx\n", None),
            ("VmHWM:\tmuch kB\n", None),
            ("VmHWM:\t18446744073709551615 kB\n", None),
        ] {
            assert_eq!(high_water_mark(status), expected, "{status:?}");
        }
    }

    #[test]
    fn a_manifest_survives_writing_and_reading() {
        let scenario = serde_json::json!({ "kind": "Scenario", "b": 1, "a": [u64::MAX] });
        let manifest = Manifest { seed: u64::MAX, ..Manifest::new("name", "words", scenario) };
        let text = serde_json::to_string_pretty(&manifest).expect("it is plain data");
        assert_eq!(serde_json::from_str::<Manifest>(&text).expect("it reads back"), manifest);
        assert!(text.contains("\"seed\": 18446744073709551615,"));
        // The scenario keeps the order of its keys.
        assert!(text.find("\"b\"") < text.find("\"a\""));
        assert!(manifest.host.cpus >= 1);
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn this_process_holds_some_memory() {
        assert!(peak_memory_bytes().is_some_and(|bytes| bytes > 1 << 20));
    }
}
