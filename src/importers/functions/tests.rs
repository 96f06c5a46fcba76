use std::path::PathBuf;

use super::*;

const SEED: Seed = Seed { base: 1, replication: 0 };

/// A file with this text, in a directory that lives as long as the test.
fn written(directory: &tempfile::TempDir, name: &str, text: &str) -> PathBuf {
    let path = directory.path().join(name);
    std::fs::write(&path, text).expect("it can be written");
    path
}

const INVOCATIONS: &str = "HashOwner,HashApp,HashFunction,Trigger,481,480,482\n\
                           o,a,f,http,0,3,1\n\
                           o,a,g,timer,2,0,0\n";
const DURATIONS: &str = "HashOwner,HashApp,HashFunction,Average,Count,percentile_Average_0,percentile_Average_1,\
                         percentile_Average_25,percentile_Average_50,percentile_Average_75,percentile_Average_99,\
                         percentile_Average_100\n\
                         o,a,f,7,4,1000,1000,2000,2000,2000,2000,2000\n";
const MEMORY: &str = "HashFunction,HashOwner,HashApp,SampleCount,AverageAllocatedMb\ng,o,a,1,9.5\n";

#[test]
fn counts_of_2019_become_calls_in_their_minutes() {
    let directory = tempfile::tempdir().expect("a directory");
    let invocations = written(&directory, "invocations.csv", INVOCATIONS);
    let durations = written(&directory, "durations.csv", DURATIONS);
    let memory = written(&directory, "memory.csv", MEMORY);
    let options = FunctionOptions { initialisation: SimDuration(250_000_000), memory: Bytes(64) };
    let counts = read_azure_2019(&invocations, Some(&durations), Some(&memory), &options).expect("the files are good");
    // 9.5 MiB; the other function is not in the table.
    let memory: Vec<u64> = counts.functions.iter().map(|function| function.memory.0).collect();
    assert_eq!(memory, [64, 9_961_472]);
    assert_eq!((counts.call_count(), counts.end()), (6, SimTime(180_000_000_000)));
    let calls: Vec<Invocation> = counts.calls(SEED).collect();
    assert!(calls.is_sorted_by_key(|call| call.arrival));
    // The minutes 480, 481 and 482, whatever the order of their columns.
    let found: Vec<(u64, u32)> = calls.iter().map(|call| (call.arrival.0 / MINUTE.0, call.function)).collect();
    assert_eq!(found, [(0, 0), (0, 0), (0, 0), (1, 1), (1, 1), (2, 0)]);
    for call in &calls {
        let range = if call.function == 0 { 1_000_000_000..=2_000_000_000 } else { 0..=0 };
        assert!(range.contains(&call.duration.0), "{call:?}");
        assert_eq!(call.cold_duration.0, call.duration.0 + 250_000_000);
    }
    let again: Vec<Invocation> = counts.calls(SEED).collect();
    assert_eq!(calls, again);
}

#[test]
fn durations_follow_the_percentiles() {
    let directory = tempfile::tempdir().expect("a directory");
    let invocations = written(&directory, "i.csv", "HashOwner,HashApp,HashFunction,Trigger,1\no,a,f,http,40000\n");
    let durations = written(&directory, "d.csv", DURATIONS);
    let options = FunctionOptions::default();
    let counts = read_azure_2019(&invocations, Some(&durations), None, &options).expect("the files are good");
    let seconds: Vec<f64> = counts.calls(SEED).map(|call| call.duration.as_seconds()).collect();
    // 1 % take 1 s, 24 % are spread from 1 to 2 s, the rest take 2 s: 0.01 + 0.24 * 1.5 + 0.75 * 2 = 1.87. The variance is
    // 0.01 + 0.24 * 7 / 3 + 3 - 1.87^2 = 0.073, so that five standard errors are 5 * sqrt(0.073 / 40 000) = 0.0068.
    let mean = seconds.iter().sum::<f64>() / seconds.len() as f64;
    assert!((mean - 1.87).abs() < 0.0068, "{mean}");
}

#[test]
fn calls_of_2021_begin_where_they_end_less_their_duration() {
    let directory = tempfile::tempdir().expect("a directory");
    let text = "app,func,end_timestamp,duration\na,f,10.5,0.5\nb,f,3.25,3\na,f,0.1,0.2\n";
    let calls = read_azure_2021(&written(&directory, "calls.csv", text), &FunctionOptions::default());
    let calls = calls.expect("the file is good");
    // A name is a function's only within its application. What began before the file begins with it.
    assert_eq!(calls.functions.len(), 2);
    let found: Vec<(u32, f64)> = calls.calls.iter().map(|call| (call.function, call.arrival.as_seconds())).collect();
    assert_eq!(found, [(0, 0.0), (1, 0.25), (0, 10.0)]);
}

#[test]
fn everything_that_is_wrong_is_told() {
    let directory = tempfile::tempdir().expect("a directory");
    let invocations = written(&directory, "i.csv", "HashOwner,HashApp,HashFunction,1,2\no,a,f,x,-1\n");
    let durations = written(&directory, "d.csv", "HashOwner,HashApp\n");
    let missing = directory.path().join("m.csv");
    let problems = read_azure_2019(&invocations, Some(&durations), Some(&missing), &FunctionOptions::default());
    assert_eq!(problems.expect_err("the files are bad").len(), 4);
    let calls = written(&directory, "c.csv", "app,func,end_timestamp,duration\na,f,soon,-1\n");
    assert_eq!(read_azure_2021(&calls, &FunctionOptions::default()).expect_err("the file is bad").len(), 2);
}
