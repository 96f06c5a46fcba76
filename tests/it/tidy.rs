//! What the layout promises, held by tests: layers, function length, doc sections of policies, scenarios that validate.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn files_below(directory: &Path, extension: &str) -> Vec<PathBuf> {
    let mut entries: Vec<PathBuf> =
        fs::read_dir(directory).expect("a directory").map(|entry| entry.expect("an entry").path()).collect();
    entries.sort();
    let below =
        entries.into_iter().flat_map(|path| if path.is_dir() { files_below(&path, extension) } else { vec![path] });
    below.filter(|path| path.extension().is_some_and(|found| found == extension)).collect()
}

fn read(path: &Path) -> String {
    fs::read_to_string(path).expect("a text file")
}

/// The layer of every module, from a table whose rows look like `| 3 | `model` |`.
fn layers(text: &str) -> BTreeMap<String, u32> {
    let mut layers = BTreeMap::new();
    for line in text.lines() {
        let line = line.trim_start_matches("//!").trim();
        let cells: Vec<&str> = line.split('|').map(str::trim).collect();
        if let ["", layer, modules, ""] = cells[..]
            && let Ok(layer) = layer.parse()
        {
            let names = modules.split('`').filter(|name| !name.trim().is_empty());
            layers.extend(names.map(|name| (name.to_owned(), layer)));
        }
    }
    layers
}

/// The crate's modules that a source text names as `crate::module`, with their lines.
fn uses(text: &str) -> Vec<(usize, String)> {
    let mut found = Vec::new();
    for (number, line) in text.lines().enumerate() {
        let code = line.split("//").next().unwrap_or("");
        for (at, _) in code.match_indices("crate::") {
            let name: String = code[at + 7..].chars().take_while(|c| c.is_ascii_lowercase() || *c == '_').collect();
            found.push((number + 1, name));
        }
    }
    found
}

#[test]
fn imports_point_down_the_ladder() {
    let layers = layers(&read(&root().join("src/lib.rs")));
    assert!(layers.len() >= 15, "the table in lib.rs has rows: {layers:?}");
    let mut broken = Vec::new();
    for file in files_below(&root().join("src"), "rs") {
        let relative = file.strip_prefix(root().join("src")).expect("below src").to_owned();
        let first = relative.components().next().expect("a name").as_os_str().to_string_lossy().into_owned();
        let module = first.trim_end_matches(".rs");
        if matches!(module, "lib" | "main" | "testkit") {
            continue;
        }
        let own = *layers.get(module).unwrap_or_else(|| panic!("{module} is not in the layer table of lib.rs"));
        for (line, used) in uses(&read(&file)) {
            match layers.get(&used) {
                Some(&layer) if layer < own || used == module => {}
                None if used == "testkit" => {}
                _ => broken.push(format!("{}:{line}: {module} (layer {own}) uses {used}", relative.display())),
            }
        }
    }
    assert!(broken.is_empty(), "imports that point up or sideways:\n{}", broken.join("\n"));
}

#[test]
fn the_design_shows_the_same_ladder() {
    let (code, design) = (read(&root().join("src/lib.rs")), read(&root().join("DESIGN.md")));
    assert_eq!(layers(&code), layers(&design));
}

#[test]
fn functions_fit_on_a_screen() {
    const LINES_MAX: usize = 70;
    let mut long = Vec::new();
    for file in files_below(&root().join("src"), "rs") {
        let text = read(&file);
        let lines: Vec<&str> = text.lines().collect();
        for (start, line) in lines.iter().enumerate() {
            let indent = line.len() - line.trim_start().len();
            let words = line.trim_start();
            let is_function = words.starts_with("fn ") || (words.starts_with("pub") && words.contains(" fn "));
            if is_function && !words.ends_with([';', '}']) {
                let closing = format!("{}}}", " ".repeat(indent));
                let end = lines[start..].iter().position(|line| *line == closing).unwrap_or(0);
                if end >= LINES_MAX {
                    long.push(format!("{}:{}: {} lines", file.display(), start + 1, end + 1));
                }
            }
        }
    }
    assert!(long.is_empty(), "functions of more than {LINES_MAX} lines:\n{}", long.join("\n"));
}

#[test]
fn every_policy_says_its_rule_its_parameters_and_its_source() {
    for kind in ["scheduler", "queue", "balancer", "autoscaler", "deferral"] {
        for file in files_below(&root().join("src/policy").join(kind), "rs") {
            let text = read(&file);
            if text.contains("const ROW: ") && !file.ends_with("mod.rs") {
                let header: String =
                    text.lines().take_while(|line| line.starts_with("//!")).collect::<Vec<_>>().join("\n");
                for section in ["Parameters:", "Source:"] {
                    assert!(header.contains(section), "{} has no section `{section}`", file.display());
                }
            }
        }
    }
}

#[test]
fn scenarios_of_the_repository_validate() {
    let data = std::env::var_os("WAVETANK_DATA");
    for file in files_below(&root().join("scenarios"), "yaml") {
        // Manifests stand beside the scenarios that name them.
        if !read(&file).contains("apiVersion: wavetank.dev/") {
            continue;
        }
        if read(&file).contains("${WAVETANK_DATA}") && data.is_none() {
            println!("{}: skipped, WAVETANK_DATA is not set", file.display());
            continue;
        }
        let done = std::process::Command::new(env!("CARGO_BIN_EXE_wavetank")).arg("validate").arg(&file).output();
        let done = done.expect("the program starts");
        assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    }
}
