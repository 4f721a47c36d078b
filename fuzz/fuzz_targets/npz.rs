//! NumPy's archives: every array that one claims to have.
#![no_main]

use aquatint_checkpoint::npz::Npz;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    if let Ok(npz) = Npz::from_bytes("fuzzed", bytes.to_vec()) {
        let names: Vec<String> = npz.names().map(str::to_owned).collect();
        for name in names {
            if let Ok(array) = npz.array(&name) {
                assert!(array.values.len() <= 1032 * bytes.len());
            }
        }
    }
});
