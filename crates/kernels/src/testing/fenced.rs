//! Slices that lie right before or right after a page of memory that nobody may touch, so that a
//! kernel that reads or writes one element too many ends the test run. Miri watches every access by
//! itself: there the slices are allocations of just their length.

use std::cell::Cell;

/// On which side of a slice the forbidden page is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// The slice begins where the page ends.
    Before,
    /// The slice ends where the page begins.
    Behind,
}

thread_local! {
    static SIDE: Cell<Option<Side>> = const { Cell::new(None) };
}

/// The side on which scratch memory is fenced on this thread, if it is.
pub fn side_of_this_thread() -> Option<Side> {
    SIDE.get()
}

/// Calls `f` with each side, and scratch memory fenced on it too. `f` must do its work on the
/// calling thread.
pub fn on_each_side(f: impl Fn(Side)) {
    // For Miri the sides are the same.
    let sides = [Side::Before, Side::Behind];
    for &side in &sides[..if cfg!(miri) { 1 } else { 2 }] {
        SIDE.set(Some(side));
        f(side);
    }
    SIDE.set(None);
}

/// Numbers of 32 bits next to a forbidden page.
pub struct Fenced<T: Word> {
    memory: memory::Memory,
    start: *mut T,
    len: usize,
}

// SAFETY: it owns the memory that the pointer leads into, as a vector does.
unsafe impl<T: Word + Send> Send for Fenced<T> {}

// SAFETY: as above; a shared borrow only reads.
unsafe impl<T: Word + Sync> Sync for Fenced<T> {}

/// A number of 32 bits of which every bit pattern is a value.
pub trait Word: Copy {}

impl Word for u32 {}
impl Word for f32 {}

impl<T: Word> Fenced<T> {
    /// A copy of `x` in memory of its own.
    pub fn new(side: Side, x: &[T]) -> Self {
        let mut fenced = Self::filled(side, x.len());
        fenced.copy_from_slice(x);
        fenced
    }

    /// `len` numbers whose bits are all ones: NaN, as one f32 or as two bf16.
    pub fn filled(side: Side, len: usize) -> Self {
        let mut memory = memory::Memory::take(4 * len);
        let start = memory.place(side, 4 * len).cast::<T>();
        // SAFETY: there are `4 · len` bytes from there on, aligned as words are.
        unsafe { start.write_bytes(0xff, len) };
        Self { memory, start, len }
    }
}

impl<T: Word> std::ops::Deref for Fenced<T> {
    type Target = [T];
    fn deref(&self) -> &[T] {
        // SAFETY: `len` words from there on have been written, and this owns them.
        unsafe { std::slice::from_raw_parts(self.start, self.len) }
    }
}

impl<T: Word> std::ops::DerefMut for Fenced<T> {
    fn deref_mut(&mut self) -> &mut [T] {
        // SAFETY: as for `deref`, and the borrow is exclusive.
        unsafe { std::slice::from_raw_parts_mut(self.start, self.len) }
    }
}

impl<T: Word> Drop for Fenced<T> {
    fn drop(&mut self) {
        self.memory.give_back();
    }
}

#[cfg(not(miri))]
mod memory {
    use super::Side;
    use region::{Allocation, Protection};
    use std::cell::RefCell;

    thread_local! {
        /// Mappings that wait for another use: making one takes longer than most kernels here.
        static POOL: RefCell<Vec<Allocation>> = const { RefCell::new(Vec::new()) };
    }

    /// Pages between two forbidden ones.
    pub struct Memory(Option<Allocation>);

    impl Memory {
        /// At least `bytes` between the forbidden pages.
        pub fn take(bytes: usize) -> Self {
            let page = region::page::size();
            let needed = bytes.max(1).next_multiple_of(page) + 2 * page;
            let kept = POOL.with_borrow_mut(|pool| {
                let fits = pool.iter().position(|memory| memory.len() >= needed);
                fits.map(|i| pool.swap_remove(i))
            });
            Self(Some(kept.unwrap_or_else(|| {
                let bytes = needed.max(1 << 16);
                let memory = region::alloc(bytes, Protection::READ_WRITE).expect("memory");
                let first = memory.as_ptr::<u8>();
                for fence in [first, first.wrapping_add(memory.len() - page)] {
                    // SAFETY: the page belongs to the allocation, and nobody has used it.
                    unsafe { region::protect(fence, page, Protection::NONE) }.expect("a fence");
                }
                memory
            })))
        }

        /// Where `bytes` bytes next to the fence begin.
        pub fn place(&mut self, side: Side, bytes: usize) -> *mut u8 {
            let memory = self.0.as_mut().expect("not given back");
            let (page, len) = (region::page::size(), memory.len());
            memory.as_mut_ptr::<u8>().wrapping_add(match side {
                Side::Before => page,
                Side::Behind => len - page - bytes,
            })
        }

        /// Keeps the pages for another use.
        pub fn give_back(&mut self) {
            let memory = self.0.take();
            POOL.with_borrow_mut(|pool| pool.extend(memory));
        }
    }
}

#[cfg(miri)]
mod memory {
    use super::Side;

    /// Just the words asked for.
    pub struct Memory(Vec<u32>);

    impl Memory {
        /// `bytes`, which must be whole words.
        pub fn take(bytes: usize) -> Self {
            Self(vec![0; bytes / 4])
        }

        /// Where they begin.
        pub fn place(&mut self, _: Side, _: usize) -> *mut u8 {
            self.0.as_mut_ptr().cast()
        }

        /// Frees them.
        pub fn give_back(&mut self) {
            self.0 = Vec::new();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slices_lie_at_the_fence_and_hold_what_they_should() {
        on_each_side(|side| {
            assert_eq!(side_of_this_thread(), Some(side));
            for len in [0, 1, 5, 1024, 20_000] {
                let x: Vec<f32> = (0..len).map(|i| i as f32).collect();
                let fenced = Fenced::new(side, &x);
                assert_eq!(fenced[..], x);
                if cfg!(not(miri)) {
                    let edge = match side {
                        Side::Before => fenced.as_ptr_range().start,
                        Side::Behind => fenced.as_ptr_range().end,
                    };
                    assert_eq!(edge as usize % 4096, 0, "{side:?} {len}");
                }
                assert!(Fenced::<f32>::filled(side, len).iter().all(|x| x.is_nan()));
            }
        });
        assert_eq!(side_of_this_thread(), None);
    }

    /// Without this, no other test with fences says anything.
    #[cfg(all(target_os = "linux", not(miri)))]
    #[test]
    fn the_page_next_to_a_slice_cannot_be_touched() {
        for side in [Side::Before, Side::Behind] {
            let x = Fenced::new(side, &[1.0_f32; 3]);
            let outside = match side {
                Side::Before => x.as_ptr().wrapping_sub(1),
                Side::Behind => x.as_ptr().wrapping_add(3),
            };
            assert_eq!(region::query(x.as_ptr()).unwrap().protection().bits() & 3, 3);
            assert_eq!(region::query(outside).unwrap().protection().bits(), 0);
        }
    }
}
