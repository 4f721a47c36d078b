//! What the targets have in common.

use aquatint_checkpoint::{LoadError, Weights};

/// Opens these bytes and reads every tensor that the file claims to have.
///
/// # Panics
/// If a file that was opened cannot be read: its head was believed too early.
pub fn read_all(bytes: &[u8]) {
    if let Ok(weights) = Weights::from_bytes("fuzzed", bytes.to_vec()) {
        read_tensors(&weights);
    }
}

/// Reads every tensor.
///
/// # Panics
/// As [`read_all`].
pub fn read_tensors(weights: &Weights) {
    for name in weights.names() {
        match weights.get(name) {
            Ok(_) | Err(LoadError::DType { .. }) => {}
            Err(error) => panic!("{error}"),
        }
        let _ = weights.integers(name);
    }
}
