//! The loop of the kernels, as a macro over what the including file calls a vector.
//!
//! The file defines `LANES`, the vector of i32 `V` with `zero`, operands from the `left` and the
//! `right` with their `dot`, what `columns` share that `finish` uses, and a `fetch` into the cache.
//! A macro rather than a trait, because functions with a target feature inline only into functions
//! that have the feature too.

/// Defines `rows` for tiles of `MR` rows and two vectors, and the table of kernels for the listed
/// numbers of rows.
macro_rules! int8_kernels {
    ([$($mr:literal),*] $(, #[$attribute:meta])?) => {
        /// Vectors of a tile.
        const NV: usize = 2;

        /// # Safety
        /// The machine has this file's instruction set; `t` describes readable and writable memory
        /// for `MR` rows, and has more than `first` columns.
        $(#[$attribute])?
        unsafe fn tile<const MR: usize>(t: &super::Tile, first: usize) {
            // SAFETY: every address is one that the caller vouches for; `finish` keeps to the
            // columns that are to be written.
            unsafe {
                let mut sums = [[zero(); NV]; MR];
                for i in 0..MR {
                    for v in 0..NV {
                        fetch(t.out.wrapping_add(i * t.out_stride + first + v * LANES));
                    }
                }
                let mut b = t.b.add(first);
                for tap in 0..t.taps {
                    let mut rows = [core::ptr::null::<u32>(); MR];
                    for i in 0..MR {
                        rows[i] = *t.rows.add(tap * MR + i);
                    }
                    for l in 0..t.k {
                        let mut weights = [right(b); NV];
                        for v in 1..NV {
                            weights[v] = right(b.add(v * LANES));
                        }
                        b = b.wrapping_add(super::PANEL);
                        for i in 0..MR {
                            let a = left(rows[i], l);
                            for v in 0..NV {
                                sums[i][v] = dot(a, weights[v], sums[i][v]);
                            }
                        }
                    }
                }
                // The compiler keeps sums in registers only if no loop indexes them that it does
                // not unroll: these stores it must unroll, and cannot join with what follows.
                let mut done = [[zero(); NV]; MR];
                for i in 0..MR {
                    for v in 0..NV {
                        (&raw mut done[i][v]).write_volatile(sums[i][v]);
                    }
                }
                let mut ends = [columns(t, first); NV];
                for v in 1..NV {
                    ends[v] = columns(t, first + v * LANES);
                }
                for i in 0..MR {
                    let terms = &*t.terms.add(i);
                    let out = t.out.wrapping_add(i * t.out_stride + first);
                    for v in 0..NV {
                        finish(&ends[v], terms, done[i][v], out.wrapping_add(v * LANES));
                    }
                }
            }
        }

        /// # Safety
        /// As for `tile`, for all columns of `t`.
        $(#[$attribute])?
        unsafe fn rows<const MR: usize>(t: &super::Tile) {
            for first in (0..t.cols).step_by(NV * LANES) {
                // SAFETY: given.
                unsafe { tile::<MR>(t, first) };
            }
        }

        /// The kernels of this file.
        pub(super) static KERNELS: super::Kernels = super::Kernels {
            mr: [$($mr),*].len(),
            rows: &[$(rows::<$mr>),*],
            sum,
        };
    };
}
