//! Memory that is used again.
//!
//! A training step asks for the same few hundred sizes over and over. Giving freed buffers back
//! to the system costs a page fault for every 4 KiB on the next use, more than many operations
//! cost themselves; so buffers return to a list by size and are handed out again as they are.

use std::collections::BTreeMap;
use std::ops::{Deref, DerefMut};
use std::sync::{LazyLock, Mutex, MutexGuard};

/// Buffers shorter than this are left to the allocator.
const SMALLEST: usize = 4096;
/// At most this many idle elements are kept (512 MiB).
const MOST_IDLE: usize = 1 << 27;

#[derive(Default)]
struct Idle {
    by_capacity: BTreeMap<usize, Vec<Vec<f32>>>,
    elements: usize,
}

static IDLE: LazyLock<Mutex<Idle>> = LazyLock::new(Mutex::default);

fn idle() -> MutexGuard<'static, Idle> {
    IDLE.lock().expect("the pool is never left half-changed")
}

impl Idle {
    /// The smallest buffer that `len` elements fit into, if no more than half of it would be
    /// unused.
    fn take(&mut self, len: usize) -> Option<Vec<f32>> {
        let (&capacity, buffers) = self.by_capacity.range_mut(len..=2 * len).next()?;
        let buffer = buffers.pop();
        if buffers.is_empty() {
            self.by_capacity.remove(&capacity);
        }
        self.elements -= capacity;
        buffer
    }

    /// Keeps a buffer, unless too much is kept already.
    fn put(&mut self, buffer: Vec<f32>) {
        let capacity = buffer.capacity();
        if self.elements + capacity <= MOST_IDLE {
            self.elements += capacity;
            self.by_capacity.entry(capacity).or_default().push(buffer);
        }
    }
}

/// A run of f32 numbers that returns to the pool when dropped.
pub struct Buffer(Vec<f32>);

impl Buffer {
    /// `len` numbers of any value, for an operation that writes them all.
    pub fn stale(len: usize) -> Self {
        if len >= SMALLEST
            && let Some(mut buffer) = idle().take(len)
        {
            buffer.resize(len, 0.0);
            return Self(buffer);
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
    *idle() = Idle::default();
    aquatint_kernels::release_scratch_memory();
}

impl From<Vec<f32>> for Buffer {
    fn from(values: Vec<f32>) -> Self {
        Self(values)
    }
}

impl Drop for Buffer {
    fn drop(&mut self) {
        let values = std::mem::take(&mut self.0);
        if values.len() >= SMALLEST {
            idle().put(values);
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
