//! The fuzz targets over their seeds and the repository's own files, so that targets cannot rot where no fuzzer runs.
#![allow(clippy::disallowed_methods, reason = "tests read files")]

use std::fs;
use std::path::{Path, PathBuf};

#[path = "../../fuzz/src/lib.rs"]
#[allow(unreachable_pub, reason = "a crate of its own where a fuzzer runs")]
mod targets;

/// All files below a directory, in order of name.
fn files_below(directory: &Path, files: &mut Vec<PathBuf>) {
    let mut entries: Vec<PathBuf> = fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path()).collect();
    entries.sort();
    for path in entries {
        if path.is_dir() { files_below(&path, files) } else { files.push(path) }
    }
}

#[test]
fn targets_hold_on_their_seeds_and_on_the_files_of_the_repository() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    for (name, target) in targets::TARGETS {
        let seeds = root.join("fuzz/seeds").join(name);
        let mut files = Vec::new();
        for directory in [&seeds, &root.join("tests/bad_input"), &root.join("scenarios"), &root.join("tests/data")] {
            files_below(directory, &mut files);
        }
        assert!(files.iter().any(|path| path.starts_with(&seeds)), "{name} has no seeds");
        for path in files {
            // The name of the file is lost when a target panics in a test; say it first.
            println!("{name}: {}", path.display());
            target(&fs::read(&path).unwrap());
        }
    }
}

/// A seed that is refused at its first line would leave what stands behind it to chance.
#[test]
fn scenario_seeds_are_sound() {
    targets::with_neighbours(|directory| {
        let seeds = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/seeds/scenario");
        let mut files = Vec::new();
        files_below(&seeds, &mut files);
        for path in files {
            let name = path.file_name().unwrap();
            fs::copy(&path, directory.join(name)).unwrap();
            let done = std::process::Command::new(env!("CARGO_BIN_EXE_wavetank"))
                .arg("validate")
                .arg(directory.join(name))
                .env("WAVETANK_DATA", directory)
                .output()
                .unwrap();
            assert!(done.status.success(), "{}: {}", path.display(), String::from_utf8_lossy(&done.stderr));
        }
    });
}
