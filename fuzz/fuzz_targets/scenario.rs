//! No text makes the scenario reader panic, and every issue it finds points into the text.
#![no_main]

use libfuzzer_sys::fuzz_target;
use wavetank::document::Source;
use wavetank::scenario::{Environment, load_scenario_text};

fuzz_target!(|text: &str| {
    let source = Source { file: "there-is-no-such-directory/fuzz.yaml".into(), text: text.to_owned() };
    if let Err(error) = load_scenario_text(&source, &[], 0, &Environment::default()) {
        assert!(!error.0.is_empty());
        for issue in &error.0 {
            assert!(issue.span.line as usize <= text.split(['\n', '\r']).count());
            assert!(!issue.to_string().is_empty());
        }
    }
});
