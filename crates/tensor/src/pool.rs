//! Memory that is used again.
//!
//! A training step asks for the same few hundred sizes over and over. Giving freed buffers back
//! to the system costs a page fault for every 4 KiB on the next use, more than many operations
//! cost themselves; so buffers return to a list by length and are handed out again as they are.

use std::collections::HashMap;
use std::ops::{Deref, DerefMut};
use std::sync::{LazyLock, Mutex};

/// Buffers shorter than this are left to the allocator.
const SMALLEST: usize = 4096;
/// At most this many idle elements are kept (2 GiB).
const MOST_IDLE: usize = 1 << 29;

#[derive(Default)]
struct Idle {
    by_len: HashMap<usize, Vec<Vec<f32>>>,
    elements: usize,
}

static IDLE: LazyLock<Mutex<Idle>> = LazyLock::new(Mutex::default);

/// A run of f32 numbers that returns to the pool when dropped.
pub struct Buffer(Vec<f32>);

impl Buffer {
    /// `len` numbers of any value, for an operation that writes them all.
    pub fn stale(len: usize) -> Self {
        if len >= SMALLEST {
            let mut idle = IDLE.lock().expect("the pool is never left half-changed");
            if let Some(buffer) = idle.by_len.get_mut(&len).and_then(Vec::pop) {
                idle.elements -= len;
                return Self(buffer);
            }
        }
        Self(vec![0.0; len])
    }

    /// `len` zeros.
    pub fn zeros(len: usize) -> Self {
        let mut buffer = Self::stale(len);
        buffer.fill(0.0);
        buffer
    }

    /// The same numbers in a buffer of their own.
    pub fn copy_of(values: &[f32]) -> Self {
        let mut buffer = Self::stale(values.len());
        buffer.copy_from_slice(values);
        buffer
    }
}

/// Gives idle memory back to the system.
pub fn release() {
    *IDLE.lock().expect("the pool is never left half-changed") = Idle::default();
}

impl From<Vec<f32>> for Buffer {
    fn from(values: Vec<f32>) -> Self {
        Self(values)
    }
}

impl Drop for Buffer {
    fn drop(&mut self) {
        let values = std::mem::take(&mut self.0);
        let len = values.len();
        if len < SMALLEST {
            return;
        }
        let mut idle = IDLE.lock().expect("the pool is never left half-changed");
        if idle.elements + len <= MOST_IDLE {
            idle.elements += len;
            idle.by_len.entry(len).or_default().push(values);
        }
    }
}

impl Deref for Buffer {
    type Target = [f32];
    fn deref(&self) -> &[f32] {
        &self.0
    }
}

impl DerefMut for Buffer {
    fn deref_mut(&mut self) -> &mut [f32] {
        &mut self.0
    }
}
