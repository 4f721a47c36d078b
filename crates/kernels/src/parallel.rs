//! Work cut by size, never by thread count.
//!
//! Everything that runs on all threads comes through one loop, which is compiled once: a copy of
//! rayon's machinery for each kernel took longer to build than the kernels.

use std::marker::PhantomData;

use rayon::prelude::*;

use crate::cancel::Work;

/// Calls `work(i)` for `0..count` on all threads. Between calls the work may [end](crate::cancel).
pub fn tasks(count: usize, work: impl Fn(usize) + Sync) {
    spread(count, &work);
}

/// One task runs on the calling thread without touching the pool.
fn spread(count: usize, work: &(dyn Fn(usize) + Sync)) {
    let whole = Work::here();
    match count {
        0 => return,
        1 => return work(0),
        _ => {}
    }
    (0..count).into_par_iter().with_max_len(1).for_each(|i| whole.part(|| work(i)));
    whole.go_on();
}

/// Calls `work(i, chunk)` for the `i`-th run of `chunk` elements of `out`, on all threads.
/// One chunk runs on the calling thread without touching the pool. Between chunks the work may
/// [end](crate::cancel).
pub fn chunks<T: Send>(out: &mut [T], chunk: usize, work: impl Fn(usize, &mut [T]) + Sync) {
    let out = Shared::new(out, chunk);
    // SAFETY: every task has another number.
    spread(out.count(), &|i| work(i, unsafe { out.chunk(i) }));
}

/// [`chunks`] of two slices side by side, each with its own length of a chunk.
pub fn chunks2<A: Send, B: Send>(
    (a, a_chunk): (&mut [A], usize),
    (b, b_chunk): (&mut [B], usize),
    work: impl Fn(usize, &mut [A], &mut [B]) + Sync,
) {
    let (a, b) = (Shared::new(a, a_chunk), Shared::new(b, b_chunk));
    assert_eq!(a.count(), b.count(), "chunks side by side");
    // SAFETY: every task has another number.
    spread(a.count(), &|i| unsafe { work(i, a.chunk(i), b.chunk(i)) });
}

/// [`chunks`] of three slices side by side, each with its own length of a chunk.
pub fn chunks3<A: Send, B: Send, C: Send>(
    (a, a_chunk): (&mut [A], usize),
    (b, b_chunk): (&mut [B], usize),
    (c, c_chunk): (&mut [C], usize),
    work: impl Fn(usize, &mut [A], &mut [B], &mut [C]) + Sync,
) {
    let (a, b, c) = (Shared::new(a, a_chunk), Shared::new(b, b_chunk), Shared::new(c, c_chunk));
    assert_eq!([a.count(); 2], [b.count(), c.count()], "chunks side by side");
    // SAFETY: every task has another number.
    spread(a.count(), &|i| unsafe { work(i, a.chunk(i), b.chunk(i), c.chunk(i)) });
}

/// `work(i)` for `0..count`, in this order.
pub fn collect<T: Default + Send>(count: usize, work: impl Fn(usize) -> T + Sync) -> Vec<T> {
    let mut all: Vec<T> = Vec::new();
    all.resize_with(count, T::default);
    chunks(&mut all, 1, |i, one| one[0] = work(i));
    all
}

/// A slice that tasks share, cut into chunks.
struct Shared<'a, T> {
    first: *mut T,
    len: usize,
    chunk: usize,
    slice: PhantomData<&'a mut [T]>,
}

// SAFETY: whoever calls `chunk` gives each element to one thread at a time.
unsafe impl<T: Send> Sync for Shared<'_, T> {}

impl<'a, T> Shared<'a, T> {
    fn new(slice: &'a mut [T], chunk: usize) -> Self {
        Self { first: slice.as_mut_ptr(), len: slice.len(), chunk, slice: PhantomData }
    }

    fn count(&self) -> usize {
        if self.len == 0 { 0 } else { self.len.div_ceil(self.chunk) }
    }

    /// The chunk of number `i`, the last one possibly shorter.
    ///
    /// # Safety
    /// `i` is less than the count, and nobody has got this chunk before.
    unsafe fn chunk(&self, i: usize) -> &'a mut [T] {
        let start = i * self.chunk;
        // SAFETY: the slice is borrowed for `'a`, the chunk lies in it and is given away once.
        unsafe {
            std::slice::from_raw_parts_mut(self.first.add(start), self.chunk.min(self.len - start))
        }
    }
}

/// How many elements of an element-wise loop are worth a task of their own.
pub const ELEMENTWISE_CHUNK: usize = 1 << 15;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_chunk_has_its_turn_once() {
        for len in [0, 1, 6, 7, 8, 700, 701] {
            let (mut a, mut b, mut c) = (vec![0; len], vec![0; 2 * len], vec![0; len.div_ceil(7)]);
            chunks3((&mut a, 7), (&mut b, 14), (&mut c, 1), |i, a, b, c| {
                assert_eq!((b.len(), c.len()), (2 * a.len(), 1));
                a.iter_mut().for_each(|a| *a += i + 1);
                b.iter_mut().for_each(|b| *b += i + 1);
                c[0] += i + 1;
            });
            assert!((0..len).all(|i| a[i] == i / 7 + 1));
            assert!((0..2 * len).all(|i| b[i] == i / 14 + 1));
            assert!((0..c.len()).all(|i| c[i] == i + 1));
            assert_eq!(collect(len, |i| i * i), (0..len).map(|i| i * i).collect::<Vec<_>>());
        }
    }

    #[test]
    #[should_panic(expected = "chunks side by side")]
    fn slices_of_unlike_numbers_of_chunks() {
        chunks2((&mut [0; 9], 3), (&mut [0; 9], 5), |_, _, _| ());
    }
}
