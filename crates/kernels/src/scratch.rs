//! Buffers that are used again instead of being allocated for every call.
//!
//! A fresh large allocation costs a page fault for every 4 KiB, which for packed weights is more
//! than the packing. What a buffer holds when it is taken is unspecified.

use std::mem::MaybeUninit;
use std::ops::{Deref, DerefMut};
use std::sync::{Mutex, PoisonError};

use crate::{pages, parallel};

#[cfg(test)]
use crate::testing::fenced::{Fenced, side_of_this_thread};

/// One cache line: gives the buffers their alignment.
#[derive(Clone, Copy)]
#[repr(C, align(64))]
struct Line([u32; 16]);

/// Most buffers that wait for another use.
const KEPT: usize = 48;

/// Most lines that wait for another use (384 MiB): Stable Diffusion's largest convolution transforms
/// 177 MB of weights, which takes twice the time if they are fresh.
const MOST: usize = 3 << 21;

/// Lines that a thread clears at a time (2 MiB).
const AT_ONCE: usize = 1 << 15;

static POOL: Mutex<Vec<Vec<Line>>> = Mutex::new(Vec::new());

/// Words from the beginning of a cache line on.
pub(crate) struct Lines {
    lines: Vec<Line>,
    len: usize,
    /// Takes the place of `lines` in tests that look for accesses outside of buffers.
    #[cfg(test)]
    fenced: Option<Fenced<u32>>,
}

impl Lines {
    /// `len` zeros, to be kept: what is dropped is freed.
    pub fn zeros(len: usize) -> Self {
        #[cfg(test)]
        if let Some(side) = side_of_this_thread() {
            return Self {
                fenced: Some(Fenced::new(side, &vec![0; len])),
                ..Self::new(vec![], len)
            };
        }
        Self::new(zeros(len.div_ceil(16)), len)
    }

    /// The first `len` words of `lines`.
    fn new(lines: Vec<Line>, len: usize) -> Self {
        Self {
            lines,
            len,
            #[cfg(test)]
            fenced: None,
        }
    }

    /// The words.
    pub fn words(&self) -> &[u32] {
        #[cfg(test)]
        if let Some(words) = &self.fenced {
            return words;
        }
        // SAFETY: `Line` is 16 words without padding, and `len` words fit in the lines.
        unsafe { std::slice::from_raw_parts(self.lines.as_ptr().cast(), self.len) }
    }

    /// The words, to write.
    pub fn words_mut(&mut self) -> &mut [u32] {
        #[cfg(test)]
        if let Some(words) = &mut self.fenced {
            return words;
        }
        // SAFETY: as for `words`, and the borrow is exclusive.
        unsafe { std::slice::from_raw_parts_mut(self.lines.as_mut_ptr().cast(), self.len) }
    }

    /// The words as f32.
    pub fn floats(&self) -> &[f32] {
        let words = self.words();
        // SAFETY: u32 and f32 have one size and alignment, and every bit pattern is an f32.
        unsafe { std::slice::from_raw_parts(words.as_ptr().cast(), words.len()) }
    }

    /// The words as f32, to write.
    pub fn floats_mut(&mut self) -> &mut [f32] {
        as_floats(self.words_mut())
    }
}

fn zeros(lines: usize) -> Vec<Line> {
    let mut zeros = Vec::with_capacity(lines);
    let new = &mut zeros.spare_capacity_mut()[..lines];
    pages::large(new);
    // The first to write a page waits for it: so all threads do.
    parallel::chunks(new, AT_ONCE, |_, lines| lines.fill(MaybeUninit::new(Line([0; 16]))));
    // SAFETY: as many were written.
    unsafe { zeros.set_len(lines) };
    zeros
}

/// A buffer of words that goes back to the pool when dropped.
pub(crate) struct Scratch(Lines);

impl Scratch {
    /// A buffer of `len` words with unspecified contents.
    pub fn take(len: usize) -> Self {
        #[cfg(test)]
        if let Some(side) = side_of_this_thread() {
            let fenced = Some(Fenced::filled(side, len));
            return Self(Lines { fenced, ..Lines::new(vec![], len) });
        }
        let needed = len.div_ceil(16);
        let mut lines = {
            let mut pool = POOL.lock().unwrap_or_else(PoisonError::into_inner);
            let fits = (0..pool.len()).filter(|&i| pool[i].len() >= needed);
            match fits.min_by_key(|&i| pool[i].len()) {
                Some(i) => pool.swap_remove(i),
                None => {
                    // The new buffer takes the place of the largest one that is too small, so
                    // there are never more buffers than were in use at once.
                    if let Some(i) = (0..pool.len()).max_by_key(|&i| pool[i].len()) {
                        pool.swap_remove(i);
                    }
                    Vec::new()
                }
            }
        };
        if lines.len() < needed {
            lines = zeros(needed.next_power_of_two().min(needed + (1 << 16)));
        }
        Self(Lines::new(lines, len))
    }
}

impl Deref for Scratch {
    type Target = Lines;
    fn deref(&self) -> &Lines {
        &self.0
    }
}

impl DerefMut for Scratch {
    fn deref_mut(&mut self) -> &mut Lines {
        &mut self.0
    }
}

/// Words as f32.
pub(crate) fn as_floats(words: &mut [u32]) -> &mut [f32] {
    // SAFETY: u32 and f32 have one size and alignment, every bit pattern is both, and the borrow
    // is passed on.
    unsafe { std::slice::from_raw_parts_mut(words.as_mut_ptr().cast(), words.len()) }
}

/// f32 as words.
pub(crate) fn as_words(floats: &[f32]) -> &[u32] {
    // SAFETY: as for `as_floats`.
    unsafe { std::slice::from_raw_parts(floats.as_ptr().cast(), floats.len()) }
}

/// f32 as words, to write.
pub(crate) fn as_words_mut(floats: &mut [f32]) -> &mut [u32] {
    // SAFETY: as for `as_floats`.
    unsafe { std::slice::from_raw_parts_mut(floats.as_mut_ptr().cast(), floats.len()) }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        if self.0.lines.is_empty() {
            return;
        }
        let mut pool = POOL.lock().unwrap_or_else(PoisonError::into_inner);
        let kept: usize = pool.iter().map(Vec::len).sum();
        if pool.len() < KEPT && kept + self.0.lines.len() <= MOST {
            pool.push(std::mem::take(&mut self.0.lines));
        }
    }
}

/// Gives buffers that wait for another use back to the system, and with them what the allocator has
/// kept of everything that was freed before.
pub fn release() {
    POOL.lock().unwrap_or_else(PoisonError::into_inner).clear();
    pages::trim();
}

/// [`crate::parallel::chunks`] for words.
pub(crate) fn word_chunks(out: &mut [u32], chunk: usize, work: impl Fn(usize, &mut [u32]) + Sync) {
    parallel::chunks(out, chunk, work);
}
