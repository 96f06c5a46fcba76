//! Files of vectors: what real components decided over random cases, for the tests that replay it.
//!
//! The committed ones are in `tests/vectors`, a directory for each component. `WAVETANK_VECTORS` names another directory of
//! the same shape, for vectors of a fresh seed; `conformance/fresh.sh` writes one. What the committed ones compared stands in
//! pages of the docs, which `WAVETANK_REWRITE=1` writes anew.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::{Debug, Display};
use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};

use flate2::read::GzDecoder;
use serde::Deserialize;

/// At most so many disagreements are spelt out.
const SHOWN_MAX: usize = 20;

/// What was compared, by part: how often, and how often it agreed; and each disagreement in words.
#[derive(Debug)]
pub(crate) struct Comparisons<Part> {
    pub(crate) counts: BTreeMap<Part, (u64, u64)>,
    pub(crate) disagreements: Vec<String>,
}

impl<Part> Default for Comparisons<Part> {
    fn default() -> Comparisons<Part> {
        Comparisons { counts: BTreeMap::new(), disagreements: Vec::new() }
    }
}

impl<Part: Ord + Debug> Comparisons<Part> {
    pub(crate) fn compare<T: PartialEq + Debug>(&mut self, part: Part, place: &str, theirs: &T, ours: &T) {
        self.note(part, place, theirs == ours, &|| format!("theirs {theirs:?}\n  ours   {ours:?}"));
    }

    /// Counts a comparison that the caller has made; `words` say what differs.
    pub(crate) fn note(&mut self, part: Part, place: &str, agrees: bool, words: &dyn Fn() -> String) {
        if !agrees {
            self.disagreements.push(format!("{place}: {part:?}\n  {}", words()));
        }
        let count = self.counts.entry(part).or_default();
        count.0 += 1;
        count.1 += u64::from(agrees);
    }

    /// Prints how often each part was compared.
    ///
    /// # Panics
    /// Where anything disagreed, or nothing was compared.
    pub(crate) fn assert_agreement(&self) {
        for (part, (compared, agreeing)) in &self.counts {
            println!("{agreeing} of {compared} agree: {part:?}");
        }
        assert!(!self.counts.is_empty(), "there are vectors");
        let shown = self.disagreements.iter().take(SHOWN_MAX).cloned().collect::<Vec<_>>().join("\n");
        assert!(self.disagreements.is_empty(), "{} disagreements:\n{shown}", self.disagreements.len());
    }
}

/// Sums of what was compared and of what agreed.
pub(crate) fn sum<'c>(counts: impl Iterator<Item = &'c (u64, u64)>) -> (u64, u64) {
    counts.fold((0, 0), |all, count| (all.0 + count.0, all.1 + count.1))
}

/// The first line of a file.
#[derive(Debug, Deserialize)]
pub(crate) struct Header {
    pub(crate) kind: String,
    #[serde(default)]
    pub(crate) component: String,
    #[serde(default)]
    pub(crate) release: String,
}

fn committed() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/vectors")
}

fn is_fresh() -> bool {
    std::env::var_os("WAVETANK_VECTORS").is_some()
}

fn packed_files(directory: &Path) -> BTreeSet<String> {
    let entries = std::fs::read_dir(directory).unwrap_or_else(|error| panic!("{}: {error}", directory.display()));
    let names = entries.map(|entry| entry.expect("it exists").file_name().to_string_lossy().into_owned());
    names.filter(|name| name.ends_with(".gz")).collect()
}

/// The files of a component, by name.
///
/// # Panics
/// Where a fresh set has not just the files of the committed one: a file that is missing would agree with anything.
pub(crate) fn files(component: &str) -> Vec<PathBuf> {
    let names = packed_files(&committed().join(component));
    let root = std::env::var_os("WAVETANK_VECTORS").map_or_else(committed, PathBuf::from);
    let directory = root.join(component);
    assert_eq!(packed_files(&directory), names, "the files of {}", directory.display());
    names.iter().map(|name| directory.join(name)).collect()
}

/// The lines of a file.
pub(crate) fn lines(path: &Path) -> impl Iterator<Item = String> {
    let file = File::open(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    BufReader::new(GzDecoder::new(file)).lines().map(|line| line.expect("whole lines"))
}

/// The header of a file, and the lines after it.
pub(crate) fn open(path: &Path) -> (Header, impl Iterator<Item = String>) {
    let mut lines = lines(path);
    let header = serde_json::from_str(&lines.next().expect("a header"));
    (header.unwrap_or_else(|error| panic!("{}: {error}", path.display())), lines)
}

/// A case, from its line.
pub(crate) fn case<'l, T: Deserialize<'l>>(line: &'l str, place: impl Display) -> T {
    serde_json::from_str(line).unwrap_or_else(|error| panic!("{place}: {error} in {line}"))
}

/// Holds a page of the docs to what the committed vectors compared; fresh ones say nothing about it.
///
/// # Panics
/// Where the page on disk is another.
pub(crate) fn check_page(test: &str, path: &str, page: &str) {
    if is_fresh() {
        return;
    }
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(path);
    if std::env::var_os("WAVETANK_REWRITE").is_some() {
        std::fs::create_dir_all(path.parent().expect("a directory")).expect("the docs can be written");
        std::fs::write(&path, page).expect("the docs can be written");
    }
    let written = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(
        written == page,
        "{} is not what the vectors say now; WAVETANK_REWRITE=1 cargo test --test it {test} writes it anew",
        path.display()
    );
}
