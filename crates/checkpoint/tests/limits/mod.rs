//! Opening files under limits of time and memory.
#![allow(dead_code, reason = "not every test file needs everything")]

use std::sync::Mutex;
use std::time::{Duration, Instant};

use aquatint_checkpoint::{LoadError, Weights};
use peak_alloc::PeakAlloc;

#[global_allocator]
pub static MEMORY: PeakAlloc = PeakAlloc;

/// The memory of one test at a time is measured.
pub static TURN: Mutex<()> = Mutex::new(());

/// What a file of any size may take: the budget's constant, and what an error message needs.
const CONSTANT: usize = 3 << 20;

/// Opens a file under the limits, then reads all that it has.
pub fn read_all(bytes: Vec<u8>) -> Result<Weights, LoadError> {
    let size = bytes.len();
    MEMORY.reset_peak_usage();
    let (before, start) = (MEMORY.current_usage(), Instant::now());
    let result = Weights::from_bytes("a file", bytes);
    let (taken, time) = (MEMORY.peak_usage().saturating_sub(before), start.elapsed());
    assert!(taken <= 3 * size + CONSTANT, "{taken} bytes were taken to open {size}");
    assert!(time < Duration::from_secs(1), "{time:?} were taken to open {size} bytes");
    let weights = match result {
        Ok(weights) => weights,
        Err(error) => {
            let line = error.to_string();
            assert!(
                line.starts_with("a file ") && !line.contains('\n') && line.len() < 2000,
                "{line}"
            );
            return Err(error);
        }
    };
    let mut numbers = 0;
    for name in weights.names() {
        match (weights.get(name), weights.integers(name)) {
            (Ok(tensor), _) => numbers += tensor.len(),
            (Err(LoadError::DType { .. }), Ok(integers)) => numbers += integers.len(),
            (Err(LoadError::DType { .. }), Err(LoadError::Unusable { .. })) => {}
            (Err(other), _) => {
                panic!("what was opened must be readable: {other}")
            }
        }
    }
    // The tensors of a pickle may overlap, up to four times the file; and 2.6 bits make a number.
    assert!(numbers <= 4 * size + (1 << 16), "{numbers} numbers came out of {size} bytes");
    Ok(weights)
}

/// A file of the old PyTorch format around a pickle.
pub fn legacy(object: &[u8]) -> Vec<u8> {
    let magic = b"\x80\x02\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19.";
    [&magic[..], b"\x80\x02M\xe9\x03.", b"\x80\x02}.", object, b"\x80\x02]."].concat()
}
