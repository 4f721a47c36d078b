//! One head's part of an activation, taken out and put back.
//!
//! In `[batch, t, heads · d]` the rows of one head lie `heads · d` apart, often a power of two,
//! which makes them compete for the same few cache lines; so heads are worked on as copies.

/// Distance of rows of `len` elements in scratch memory: whole cache lines, one more than needed
/// so that the rows spread over the cache.
pub fn padded(len: usize) -> usize {
    (len.div_ceil(16) + 1) * 16
}

/// Copies the rows of one head, which begin at `x[0]`, `stride` apart, into `[rows, d]`.
pub fn take(x: &[f32], stride: usize, d: usize, out: &mut [f32]) {
    for (out, x) in out.chunks_exact_mut(d).zip(x.chunks(stride)) {
        out.copy_from_slice(&x[..d]);
    }
}

/// Tokens `[batch, t, heads · d]` to which tasks write one head each.
pub struct Tokens(*mut f32);

// SAFETY: whoever writes promises that nobody else writes the same head.
unsafe impl Sync for Tokens {}

impl Tokens {
    /// `x`, which must live on and not be used otherwise.
    pub fn new(x: &mut [f32]) -> Self {
        Self(x.as_mut_ptr())
    }

    /// Writes `head`, `[rows, d]`, to rows that begin at `first`, `stride` apart.
    ///
    /// # Safety
    /// The tokens have these elements, and nobody else writes them meanwhile.
    pub unsafe fn put(&self, head: &[f32], d: usize, first: usize, stride: usize) {
        for (i, row) in head.chunks_exact(d).enumerate() {
            // SAFETY: given.
            unsafe {
                let out = self.0.add(first + i * stride);
                out.copy_from_nonoverlapping(row.as_ptr(), d);
            }
        }
    }
}
