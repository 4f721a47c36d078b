//! safetensors: every byte is the fuzzer's.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| aquatint_fuzz::read_all(bytes));
