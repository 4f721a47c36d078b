//! PyTorch's old format: the fuzzer writes the whole file, or the object and what follows it.
#![no_main]

const HEAD: &[u8] = b"\x80\x02\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19.\
    \x80\x02M\xe9\x03.\x80\x02}.";

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    aquatint_fuzz::read_all(bytes);
    aquatint_fuzz::read_all(&[HEAD, bytes].concat());
});
