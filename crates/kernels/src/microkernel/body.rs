//! The loops of the micro-kernels, as a macro over what the including file calls a vector.
//!
//! The file defines `V`, `Mask`, `LANES` and the functions `zero`, `splat`, `mask`, `load`,
//! `store`, `fma`, `mul`, `add`. A macro rather than a trait, because functions with
//! a target feature inline only into functions that have the feature too.

/// Defines `rows` and `outer` for tiles of `MR` rows and `NV` vectors.
macro_rules! microkernels {
    ($(#[$attribute:meta])*) => {
        /// # Safety
        /// The machine has this file's instruction set; `t` describes readable and writable memory
        /// for `MR` rows and more than `(NV - 1) · LANES` but at most `NV · LANES` columns.
        $(#[$attribute])*
        unsafe fn rows<const MR: usize, const NV: usize>(t: &super::RowsTile) {
            // SAFETY: every address is one that the caller vouches for; masks keep loads and
            // stores within `t.cols` columns.
            unsafe {
                let mut masks = [mask(0); NV];
                for v in 0..NV {
                    masks[v] = mask(t.cols - v * LANES);
                }
                let mut sums = [[zero(); NV]; MR];
                for tap in 0..t.taps {
                    let mut rows = [core::ptr::null::<u32>(); MR];
                    for i in 0..MR {
                        rows[i] = *t.rows.add(tap * MR + i);
                    }
                    let mut b = t.b.add(tap * t.b_tap);
                    for l in 0..t.k {
                        let mut right = [zero(); NV];
                        for v in 0..NV {
                            right[v] = load(masks[v], b.add(v * LANES).cast());
                        }
                        b = b.wrapping_add(t.b_stride);
                        for i in 0..MR {
                            for v in 0..NV {
                                sums[i][v] = fma(rows[i], l, right[v], sums[i][v]);
                            }
                        }
                    }
                }
                let scale = splat(t.scale);
                for i in 0..MR {
                    let out = (*t.outs.add(i)).add(t.out_col);
                    for v in 0..NV {
                        let mut y = mul(sums[i][v], scale);
                        if !t.bias.is_null() {
                            y = add(y, load(masks[v], t.bias.add(v * LANES)));
                        }
                        if t.accumulate {
                            y = add(y, load(masks[v], out.add(v * LANES)));
                        }
                        store(masks[v], out.add(v * LANES), y);
                    }
                }
            }
        }

        /// # Safety
        /// As for `rows`.
        $(#[$attribute])*
        unsafe fn outer<const MR: usize, const NV: usize>(t: &super::OuterTile) {
            // SAFETY: every address is one that the caller vouches for; masks keep loads and
            // stores within `t.cols` columns.
            unsafe {
                let mut masks = [mask(0); NV];
                for v in 0..NV {
                    masks[v] = mask(t.cols - v * LANES);
                }
                let mut sums = [[zero(); NV]; MR];
                for r in 0..t.run_count {
                    let run = *t.runs.add(r);
                    let mut a = run.a.add(t.a_col);
                    let mut b = run.b.add(t.b_col);
                    for _ in 0..run.len {
                        let mut right = [zero(); NV];
                        for v in 0..NV {
                            right[v] = load(masks[v], b.add(v * LANES).cast());
                        }
                        for i in 0..MR {
                            for v in 0..NV {
                                sums[i][v] = fma(a, i, right[v], sums[i][v]);
                            }
                        }
                        a = a.wrapping_add(t.a_stride);
                        b = b.wrapping_add(t.b_stride);
                    }
                }
                let scale = splat(t.scale);
                for i in 0..MR {
                    let out = t.out.add(i * t.out_stride);
                    for v in 0..NV {
                        let mut y = mul(sums[i][v], scale);
                        if t.accumulate {
                            y = add(y, load(masks[v], out.add(v * LANES)));
                        }
                        store(masks[v], out.add(v * LANES), y);
                    }
                }
            }
        }
    };
}

/// `KERNELS` from `rows` and `outer`, for tiles of the listed numbers of rows.
macro_rules! kernel_table {
    ($pairs:literal, [$($mr:literal),*]) => {
        /// The micro-kernels of this file.
        pub(super) static KERNELS: super::Kernels = super::Kernels {
            mr: [$($mr),*].len(),
            nr: 2 * LANES,
            pairs: $pairs,
            rows: &[$([rows::<$mr, 1>, rows::<$mr, 2>]),*],
            outer: &[$([outer::<$mr, 1>, outer::<$mr, 2>]),*],
        };
    };
}
