//! Memory that is used again.
//!
//! A training step asks for the same few hundred sizes over and over. Giving freed buffers back
//! to the system costs a page fault for every 4 KiB on the next use, more than many operations
//! cost themselves; so buffers return to a list by size and are handed out again as they are.
//!
//! Together, buffers in use and idle ones never take much more than was once in use at the same
//! time: before a new buffer is asked for, idle ones make room for it.

use std::collections::BTreeMap;
use std::ops::{Deref, DerefMut};
use std::sync::{Mutex, MutexGuard};

/// Buffers shorter than this are left to the allocator.
const SMALLEST: usize = 4096;
/// So many unused elements (256 KiB) of a buffer are no matter.
const LITTLE: usize = 1 << 16;
/// Most elements (64 MiB) that are kept above what was once in use.
const MOST_SPARE: usize = 1 << 24;

/// Elements of the buffers, in use and idle.
struct Pool {
    idle: BTreeMap<usize, Vec<Vec<f32>>>,
    in_idle: usize,
    in_use: usize,
    most_in_use: usize,
}

static POOL: Mutex<Pool> = Mutex::new(Pool::new());

fn pool() -> MutexGuard<'static, Pool> {
    POOL.lock().expect("the pool is never left half-changed")
}

impl Pool {
    const fn new() -> Self {
        Self { idle: BTreeMap::new(), in_idle: 0, in_use: 0, most_in_use: 0 }
    }

    /// The smallest idle buffer that `len` elements fit into, if not much of it would be unused:
    /// half of a small one, an eighth of a large one.
    fn take(&mut self, len: usize) -> Option<Vec<f32>> {
        let unused = (len / 8).max(LITTLE).min(len);
        let capacity = *self.idle.range(len..=len + unused).next()?.0;
        self.uses(capacity);
        Some(self.remove(capacity))
    }

    /// A buffer of `len` elements is about to be made. Those that make room for it.
    fn make(&mut self, len: usize) -> Vec<Vec<f32>> {
        self.uses(len);
        let mut freed = Vec::new();
        let spare = (self.most_in_use / 4).min(MOST_SPARE);
        while self.in_use + self.in_idle > self.most_in_use + spare {
            let Some((&largest, _)) = self.idle.last_key_value() else { break };
            freed.push(self.remove(largest));
        }
        freed
    }

    fn uses(&mut self, capacity: usize) {
        self.in_use += capacity;
        self.most_in_use = self.most_in_use.max(self.in_use);
    }

    fn remove(&mut self, capacity: usize) -> Vec<f32> {
        let buffers = self.idle.get_mut(&capacity).expect("there is one of this capacity");
        let buffer = buffers.pop().expect("lists without buffers are removed");
        if buffers.is_empty() {
            self.idle.remove(&capacity);
        }
        self.in_idle -= capacity;
        buffer
    }

    fn put(&mut self, buffer: Vec<f32>) {
        let capacity = buffer.capacity();
        self.in_use -= capacity;
        self.in_idle += capacity;
        self.idle.entry(capacity).or_default().push(buffer);
    }
}

/// A run of f32 numbers that returns to the pool when dropped, if it is from there.
pub struct Buffer {
    values: Vec<f32>,
    pooled: bool,
}

impl Buffer {
    /// `len` numbers of any value, for an operation that writes them all.
    pub fn stale(len: usize) -> Self {
        if len < SMALLEST {
            return Self { values: vec![0.0; len], pooled: false };
        }
        let taken = pool().take(len);
        let mut values = match taken {
            Some(values) => values,
            None => {
                let freed = pool().make(len);
                drop(freed);
                let values = vec![0.0; len];
                aquatint_kernels::large_pages(&values);
                values
            }
        };
        values.resize(len, 0.0);
        Self { values, pooled: true }
    }

    /// `len` numbers that `write` appends to an empty list with room for them.
    ///
    /// # Errors
    /// Those of `write`.
    #[track_caller]
    pub fn written<E>(
        len: usize,
        write: impl FnOnce(&mut Vec<f32>) -> Result<(), E>,
    ) -> Result<Self, E> {
        let mut buffer = Self::stale(len);
        let capacity = buffer.values.capacity();
        buffer.values.clear();
        write(&mut buffer.values)?;
        assert_eq!(buffer.values.len(), len, "numbers written");
        assert_eq!(buffer.values.capacity(), capacity, "the list has room for all of them");
        Ok(buffer)
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
    let idle = {
        let mut pool = pool();
        (pool.in_idle, pool.most_in_use) = (0, pool.in_use);
        std::mem::take(&mut pool.idle)
    };
    drop(idle);
    aquatint_kernels::release_scratch_memory();
}

/// The most bytes of activations that were in use at the same time, up to now or since `reset`.
pub fn peak(reset: bool) -> usize {
    let mut pool = pool();
    let most = pool.most_in_use;
    if reset {
        pool.most_in_use = pool.in_use;
    }
    most * size_of::<f32>()
}

impl From<Vec<f32>> for Buffer {
    fn from(values: Vec<f32>) -> Self {
        Self { values, pooled: false }
    }
}

impl Drop for Buffer {
    fn drop(&mut self) {
        if self.pooled {
            pool().put(std::mem::take(&mut self.values));
        }
    }
}

impl Deref for Buffer {
    type Target = [f32];
    fn deref(&self) -> &[f32] {
        &self.values
    }
}

impl DerefMut for Buffer {
    fn deref_mut(&mut self) -> &mut [f32] {
        &mut self.values
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    impl Pool {
        fn buffer(&mut self, len: usize) -> Vec<f32> {
            self.take(len).unwrap_or_else(|| {
                self.make(len);
                Vec::with_capacity(len)
            })
        }
    }

    #[test]
    fn a_buffer_of_about_the_size_is_used_again() {
        let mut pool = Pool::new();
        let (small, large) = (pool.buffer(100), pool.buffer(190));
        pool.put(small);
        pool.put(large);
        assert_eq!(pool.buffer(95).capacity(), 100);
        assert_eq!(pool.buffer(96).capacity(), 190);
        assert_eq!((pool.in_use, pool.in_idle), (290, 0));
        let huge = pool.buffer(1000);
        pool.put(huge);
        // It would waste more than half of it.
        assert!(pool.take(400).is_none());
    }

    #[test]
    fn idle_buffers_make_room_for_new_ones() {
        let mut pool = Pool::new();
        for len in [1000, 300, 5000, 100, 4000, 2400, 1200, 600] {
            let buffer = pool.buffer(len);
            pool.put(buffer);
            assert!(pool.in_use + pool.in_idle <= 6250, "{} after {len}", pool.in_idle);
            assert_eq!(pool.in_idle, pool.idle.iter().map(|(len, b)| len * b.len()).sum());
        }
        assert_eq!((pool.in_use, pool.most_in_use), (0, 5000));
    }
}
