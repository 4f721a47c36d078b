//! GGUF: the fuzzer writes what follows the magic and the version.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    aquatint_fuzz::read_all(bytes);
    aquatint_fuzz::read_all(&[b"GGUF\x03\0\0\0", bytes].concat());
});
