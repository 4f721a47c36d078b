//! Work cut by size, never by thread count.

use rayon::prelude::*;

use crate::cancel::Work;

/// Calls `work(i, chunk)` for the `i`-th run of `chunk` elements of `out`, on all threads.
/// One chunk runs on the calling thread without touching the pool. Between chunks the work may
/// [end](crate::cancel).
pub fn chunks(out: &mut [f32], chunk: usize, work: impl Fn(usize, &mut [f32]) + Sync) {
    let whole = Work::here();
    if out.len() <= chunk {
        if !out.is_empty() {
            work(0, out);
        }
        return;
    }
    let chunks = out.par_chunks_mut(chunk).enumerate();
    chunks.for_each(|(i, c)| whole.part(|| work(i, c)));
    whole.go_on();
}

/// Calls `work(i)` for `0..count` on all threads. Between calls the work may [end](crate::cancel).
pub fn tasks(count: usize, work: impl Fn(usize) + Sync + Send) {
    let whole = Work::here();
    if count == 1 {
        return work(0);
    }
    (0..count).into_par_iter().with_max_len(1).for_each(|i| whole.part(|| work(i)));
    whole.go_on();
}

/// How many elements of an element-wise loop are worth a task of their own.
pub const ELEMENTWISE_CHUNK: usize = 1 << 15;
