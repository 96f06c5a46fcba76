use std::path::PathBuf;

use super::*;

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

/// So often in these minutes.
fn counted(called: &CalledFunction) -> &[(u32, u32)] {
    let Calls::Counted(minutes) = &called.calls else { panic!("{called:?}") };
    minutes
}

#[test]
fn counts_of_2019_are_by_minute_of_the_run() {
    let directory = tempfile::tempdir().expect("a directory");
    let invocations = written(&directory, "invocations.csv", INVOCATIONS);
    let durations = written(&directory, "durations.csv", DURATIONS);
    let memory = written(&directory, "memory.csv", MEMORY);
    let cold_start = Dist::Constant(SimDuration(250_000_000));
    let options = FunctionOptions { cold_start: cold_start.clone(), memory: Bytes(64) };
    let found = read_azure_2019(&invocations, Some(&durations), Some(&memory), &options).expect("the files are good");
    // 9.5 MiB; the other function is not in the table.
    let memory: Vec<u64> = found.iter().map(|called| called.function.memory.0).collect();
    assert_eq!(memory, [64, 9_961_472]);
    // The minutes 480, 481 and 482, whatever the order of their columns.
    assert_eq!((counted(&found[0]), counted(&found[1])), (&[(0, 3), (2, 1)][..], &[(1, 2)][..]));
    assert_eq!(found[1].duration, Dist::ZERO);
    assert!(found.iter().all(|called| called.cold == ColdCall::Start(cold_start.clone())));
    // 1 % take 1 s, 24 % are spread from 1 to 2 s, the rest take 2 s: 0.01 + 0.24 * 1.5 + 0.75 * 2.
    assert!((found[0].duration.mean_seconds() - 1.87).abs() < 1e-12);
}

#[test]
fn percentiles_that_descend_are_levelled() {
    let Dist::Percentiles(points) = percentiles(&[100.0, 200.0, 150.0, 300.0, 300.0, 300.0, 400.0]) else { panic!() };
    let seconds: Vec<f64> = points.iter().map(|point| point.1).collect();
    assert_eq!(seconds, [0.1, 0.2, 0.2, 0.3, 0.3, 0.3, 0.4]);
}

#[test]
fn calls_of_2021_begin_where_they_end_less_their_duration() {
    let directory = tempfile::tempdir().expect("a directory");
    let text = "app,func,end_timestamp,duration\na,f,10.5,0.5\nb,f,3.25,3\na,f,0.1,0.2\n";
    let calls = read_azure_2021(&written(&directory, "calls.csv", text), &FunctionOptions::default());
    let calls = calls.expect("the file is good");
    // A name is a function's only within its application. What began before the file begins with it.
    let seconds = |called: &CalledFunction| -> Vec<[f64; 2]> {
        let Calls::Recorded(calls) = &called.calls else { panic!("{called:?}") };
        calls.iter().map(|(at, duration)| [at.as_seconds(), duration.as_seconds()]).collect()
    };
    let found: Vec<_> = calls.iter().map(seconds).collect();
    assert_eq!(found, [vec![[0.0, 0.2], [10.0, 0.5]], vec![[0.25, 3.0]]]);
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
