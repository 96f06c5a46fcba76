//! Same input, same bytes: whatever the place, the number of threads, and how often a sweep was interrupted.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::program::{files_below, wavetank_ok, workplace};

/// The files of a result, less the manifest, which alone may name wall time and machine.
fn result_files(directory: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut files = files_below(directory);
    assert!(files.remove(Path::new("manifest.json")).is_some(), "{} has no manifest", directory.display());
    files
}

fn assert_same(first: &Path, second: &Path) {
    let (first_files, second_files) = (result_files(first), result_files(second));
    let names = |files: &BTreeMap<PathBuf, Vec<u8>>| files.keys().cloned().collect::<Vec<_>>();
    assert_eq!(names(&first_files), names(&second_files), "{} and {}", first.display(), second.display());
    let differing: Vec<_> = first_files.iter().filter(|(name, bytes)| second_files[*name] != **bytes).collect();
    let differing: Vec<_> = differing.into_iter().map(|(name, _)| name).collect();
    assert!(differing.is_empty(), "{} and {} differ in {differing:?}", first.display(), second.display());
}

fn count_with_extension(directory: &Path, extension: &str) -> usize {
    result_files(directory).keys().filter(|name| name.extension().is_some_and(|other| other == extension)).count()
}

#[test]
fn a_run_leaves_the_same_bytes_wherever_it_goes() {
    let place = workplace();
    let path = |name: &str| place.path().join(name);
    let first = wavetank_ok(place.path(), &["run", "small.yaml", "--out", "first"]);
    let second = wavetank_ok(place.path(), &["run", "small.yaml", "--out", "another/deeper/place"]);
    assert_eq!(first.stdout, second.stdout);
    assert_same(&path("first"), &path("another/deeper/place"));
    // Nothing is compared with nothing.
    assert!(count_with_extension(&path("first"), "csv") >= 7);
    assert!(count_with_extension(&path("first"), "png") >= 1);
    assert!(path("first/report.html").is_file());

    // Over an earlier result, and by an absolute path from elsewhere.
    let scenario = path("small.yaml");
    let other = tempfile::tempdir().unwrap();
    wavetank_ok(place.path(), &["run", "small.yaml", "--seed", "8", "--out", "again"]);
    assert_ne!(result_files(&path("first")), result_files(&path("again")));
    let again = path("again");
    wavetank_ok(other.path(), &["run", scenario.to_str().unwrap(), "--out", again.to_str().unwrap()]);
    assert_same(&path("first"), &again);

    // Drawing anew draws the same.
    wavetank_ok(place.path(), &["report", "again"]);
    assert_same(&path("first"), &again);
}

#[test]
fn a_sweep_leaves_the_same_bytes_for_any_number_of_threads() {
    let place = workplace();
    let path = |name: &str| place.path().join(name);
    let sweep =
        |out: &str, more: &[&str]| wavetank_ok(place.path(), &[&["sweep", "sweep.yaml", "--out", out], more].concat());
    let one = sweep("one", &["-j", "1"]);
    for (out, jobs) in [("two", "2"), ("four", "4")] {
        let other = sweep(out, &["-j", jobs]);
        assert_eq!(one.stdout, other.stdout);
        assert_same(&path("one"), &path(out));
    }
    assert!(count_with_extension(&path("one"), "csv") >= 3);

    // In two halves, the later one first, and then as a whole that keeps both.
    sweep("halves", &["--cells", "2..4"]);
    sweep("halves", &["--cells", "0..2", "--resume", "-j", "2"]);
    assert_same(&path("one"), &path("halves"));
    let kept = sweep("halves", &["--resume"]);
    assert!(kept.stderr.contains("0 runs done, 8 kept, 0 failed"), "{}", kept.stderr);
    assert_eq!(kept.stdout, one.stdout);
    assert_same(&path("one"), &path("halves"));
}

#[test]
fn an_interrupted_sweep_resumes_to_the_same_bytes() {
    let place = workplace();
    let path = |name: &str| place.path().join(name);
    wavetank_ok(place.path(), &["sweep", "sweep.yaml", "--out", "whole"]);
    wavetank_ok(place.path(), &["sweep", "sweep.yaml", "--out", "partial", "--cells", "1..2"]);
    let ended = wavetank_ok(place.path(), &["sweep", "sweep.yaml", "--out", "partial", "--resume"]);
    assert!(ended.stderr.contains("6 runs done, 2 kept, 0 failed"), "{}", ended.stderr);
    assert_same(&path("whole"), &path("partial"));
}
