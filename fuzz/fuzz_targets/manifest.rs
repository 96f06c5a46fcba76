//! Feeds the fuzzer's bytes to `wavetank_fuzz::manifest`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| wavetank_fuzz::manifest(bytes));
