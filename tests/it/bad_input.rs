//! Broken files and the exact messages they get. Each `tests/bad_input/NAME.yaml` has its messages in `NAME.expected`;
//! run with `UPDATE_EXPECTED=1` to write those anew, and read the difference.
//!
//! A first line `# set: PATH=VALUE` gives an override. Files that no editor would keep (binary, compressed, huge) are
//! made here.
#![allow(clippy::disallowed_methods, reason = "tests read and write files")]

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;

use wavetank::scenario::{Environment, Override, load_experiment, load_scenario};

/// All that is said about a file; none when nothing is wrong with it.
fn messages(path: &Path) -> Option<String> {
    let text = String::from_utf8_lossy(&fs::read(path).unwrap_or_default()).into_owned();
    let environment = Environment::default();
    let overrides: Result<Vec<Override>, _> = text
        .lines()
        .map_while(|line| line.strip_prefix("# set: "))
        .map(|change| Override::parse(change, "--set"))
        .collect();
    let overrides = match overrides {
        Ok(overrides) => overrides,
        Err(issue) => return Some(issue.to_string()),
    };
    if !text.contains("kind: Experiment") {
        return load_scenario(path, &overrides, 0, &environment).err().map(|error| error.to_string());
    }
    match load_experiment(path, &overrides, &environment) {
        Err(error) => Some(error.to_string()),
        Ok(experiment) => {
            let cells = experiment.cells();
            cells
                .iter()
                .find_map(|cell| experiment.load_cell(cell, 0, &environment).err())
                .map(|error| error.to_string())
        }
    }
}

/// The broken files, in order of name.
fn broken_files() -> Vec<PathBuf> {
    let mut files: Vec<PathBuf> = fs::read_dir("tests/bad_input").unwrap().map(|entry| entry.unwrap().path()).collect();
    files.retain(|path| path.extension().is_some_and(|extension| extension == "yaml"));
    files.sort();
    assert!(files.len() >= 40, "only {} broken files", files.len());
    files
}

/// The program says the same on stderr, ends with status 2, and leaves nothing behind.
#[test]
fn the_program_refuses_every_broken_file() {
    for path in broken_files() {
        let text = fs::read_to_string(&path).unwrap();
        let directory = tempfile::tempdir().unwrap();
        let verb = if text.contains("kind: Experiment") { "sweep" } else { "run" };
        let mut command = Command::new(env!("CARGO_BIN_EXE_wavetank"));
        command.env_remove("WAVETANK_DATA").arg(verb).arg(&path).arg("--out").arg(directory.path().join("out"));
        for change in text.lines().map_while(|line| line.strip_prefix("# set: ")) {
            command.args(["--set", change]);
        }
        let output = command.output().unwrap();
        let words = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{}: {words}", path.display());
        let expected = fs::read_to_string(path.with_extension("expected")).unwrap();
        assert!(words.contains(expected.trim_end()), "{}: {words}", path.display());
        assert!(output.stdout.is_empty(), "{}", path.display());
        assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 0, "{} left something behind", path.display());
    }
}

#[test]
fn every_broken_file_gets_its_exact_messages() {
    let mut wrong = Vec::new();
    for path in broken_files() {
        let Some(found) = messages(&path) else {
            wrong.push(format!("{}: nothing was found wrong", path.display()));
            continue;
        };
        let found = found + "\n";
        let expected_path = path.with_extension("expected");
        if std::env::var_os("UPDATE_EXPECTED").is_some() {
            fs::write(&expected_path, &found).unwrap();
        }
        let expected = fs::read_to_string(&expected_path).unwrap_or_default();
        if found != expected {
            wrong.push(format!("{}\n--- expected\n{expected}--- found\n{found}", path.display()));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// A sound scenario, so that what the tests below find is what they put in.
const SOUND: &str = "apiVersion: wavetank.dev/v1\nkind: Scenario\nmetadata: {name: sound}\ncluster: {pools: [{name: p, \
                     allocatable: {cpu: 4, memory: 8Gi}}]}\n";

fn gzip(text: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    encoder.write_all(text).unwrap();
    encoder.finish().unwrap()
}

/// The messages for a file with these bytes, the directory left out.
fn messages_of(bytes: &[u8]) -> Option<String> {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("file.yaml");
    fs::write(&path, bytes).unwrap();
    let prefix = format!("{}/", directory.path().display());
    messages(&path).map(|found| found.replace(&prefix, ""))
}

#[test]
fn a_sound_file_passes_plain_and_compressed() {
    assert_eq!(messages_of(SOUND.as_bytes()), None);
    assert_eq!(messages_of(&gzip(SOUND.as_bytes())), None);
    assert_eq!(messages_of(SOUND.replace('\n', "\r\n").as_bytes()), None);
    assert_eq!(messages_of(format!("\u{feff}{SOUND}").as_bytes()), None);
}

#[test]
fn files_that_are_no_text_get_their_exact_messages() {
    let compressed = gzip(SOUND.as_bytes());
    let truncated = &compressed[..compressed.len() - 9];
    let mut damaged = compressed.clone();
    let checksum = compressed.len() - 8;
    damaged[checksum] ^= 0xff;
    let utf16: Vec<u8> = [0xff, 0xfe].into_iter().chain(SOUND.bytes().flat_map(|byte| [byte, 0])).collect();
    let with_zero = [SOUND.as_bytes(), b"seed: \0\n"].concat();
    let text_hint = "\n  hint: a YAML, JSON or CSV file in UTF-8 is expected";
    let gzip_hint = "\n  hint: copy or download the file again; `gzip -t FILE` checks it";
    for (bytes, expected) in [
        (&b""[..], "file.yaml: error[W0010]: the file is empty".to_owned()),
        (b"# nothing\n", "file.yaml: error[W0010]: the file is empty".to_owned()),
        (b"\x89PNG\r\n\x1a\n", format!("file.yaml:1:1: error[W0003]: byte 0x89 is not UTF-8 text{text_hint}")),
        (
            b"\x7fELF\x02\x01\x01",
            format!("file.yaml:1:5: error[W0003]: control character 0x02: the file is binary{text_hint}"),
        ),
        (&with_zero, format!("file.yaml:5:7: error[W0003]: control character 0x00: the file is binary{text_hint}")),
        (
            &utf16,
            "file.yaml:1:1: error[W0003]: byte 0xff is not UTF-8 text\n  hint: save the file as UTF-8, not UTF-16"
                .to_owned(),
        ),
        (
            truncated,
            format!("file.yaml:5:1: error[W0002]: the gzip data ends too early, after 133 bytes of text{gzip_hint}"),
        ),
        (
            &damaged,
            format!("file.yaml:5:1: error[W0002]: the gzip data is damaged, after 133 bytes of text{gzip_hint}"),
        ),
        (
            &compressed[..6],
            format!("file.yaml:1:1: error[W0002]: the gzip data ends too early, after 0 bytes of text{gzip_hint}"),
        ),
    ] {
        assert_eq!(messages_of(bytes).as_deref(), Some(expected.as_str()));
    }
}

#[test]
fn floods_are_refused() {
    for (text, code) in [
        ("[".repeat(1_000_000), "W0007"),
        ("{a: ".repeat(1_000_000), "W0007"),
        ("- ".repeat(1_000_000), "W0007"),
        ((0..300).map(|depth| format!("{}k:\n", " ".repeat(depth))).collect(), "W0007"),
        (format!("{SOUND}x: &a [{}]\ny: [{}]\n", "1, ".repeat(10_000), "*a, ".repeat(10_000)), "W0008"),
        (format!("{SOUND}{}", "surplus: 1\n".repeat(20_000)), "W0006"),
        (format!("{SOUND}{}", (0..20_000).map(|n| format!("surplus{n}: 1\n")).collect::<String>()), "W0101"),
    ] {
        let found = messages_of(text.as_bytes()).unwrap_or_default();
        assert!(found.contains(&format!("error[{code}]")), "{code}: {}", &found[..found.len().min(500)]);
    }
}

/// Inputs that fuzzing found: what was wrong with them, and what is said now.
#[test]
fn what_fuzzing_found_stays_mended() {
    for (text, expected) in [
        // Empty keys and values at the end were said to stand in a line after the last.
        ("? ", "file.yaml:1:3: error[W0101]: unknown key ``"),
        ("kind: Scenario\r\n? ", "file.yaml:2:3: error[W0101]: unknown key ``"),
    ] {
        let found = messages_of(text.as_bytes()).unwrap_or_default();
        assert!(found.lines().any(|line| line == expected), "{text:?}: {found}");
    }
}

#[test]
fn missing_files_and_directories_are_refused() {
    let found = messages(Path::new("tests/bad_input/there-is-none.yaml")).unwrap();
    assert_eq!(found, "tests/bad_input/there-is-none.yaml: error[W0001]: no such file");
    let found = messages(Path::new("tests/bad_input")).unwrap();
    assert_eq!(found, "tests/bad_input: error[W0001]: is a directory, not a file");
}
