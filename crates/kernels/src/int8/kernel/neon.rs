//! NEON with `sdot`, the product of signed bytes: tiles of up to 5 × 16 sums, 20 of the 32
//! registers: with 24 the compiler moves them about. A vector is two registers. Weights are made
//! signed when they are read, so the sums are already those of `q`.

use super::{RowTerms, Tile};
use std::arch::aarch64::*;
use std::arch::asm;

#[derive(Clone, Copy)]
struct V([int32x4_t; 2]);

const LANES: usize = 8;

#[inline]
#[target_feature(enable = "neon")]
fn zero() -> V {
    V([vdupq_n_s32(0); 2])
}

/// A word of a row in every lane.
///
/// # Safety
/// Word `at` from `row` on is readable.
#[inline]
#[target_feature(enable = "neon")]
unsafe fn left(row: *const u32, at: usize) -> uint32x4_t {
    // SAFETY: given.
    unsafe { vld1q_dup_u32(row.add(at)) }
}

/// 8 words of weights, `q` instead of `q + 128`.
///
/// # Safety
/// The words are readable.
#[inline]
#[target_feature(enable = "neon")]
unsafe fn right(from: *const u32) -> [uint32x4_t; 2] {
    let offset = vdupq_n_u32(0x8080_8080);
    // SAFETY: given.
    unsafe { [veorq_u32(vld1q_u32(from), offset), veorq_u32(vld1q_u32(from.add(4)), offset)] }
}

/// `sum` and the products of the bytes.
#[inline]
#[target_feature(enable = "neon,dotprod")]
fn dot(a: uint32x4_t, b: [uint32x4_t; 2], sum: V) -> V {
    let mut sums = sum.0;
    for (sum, b) in sums.iter_mut().zip(b) {
        // The intrinsic is not stable yet.
        // SAFETY: nothing but `sum` is written, and no memory is touched.
        unsafe {
            asm!(
                "sdot {sum:v}.4s, {a:v}.16b, {b:v}.16b",
                sum = inout(vreg) *sum,
                a = in(vreg) a,
                b = in(vreg) b,
                options(pure, nomem, nostack, preserves_flags)
            );
        }
    }
    V(sums)
}

/// Results are written soon enough.
fn fetch(_: *const f32) {}

/// What the results of 8 columns are made with.
#[derive(Clone, Copy)]
struct Columns {
    sums: [int32x4_t; 2],
    scales: [float32x4_t; 2],
    bias: [float32x4_t; 2],
    count: usize,
}

/// # Safety
/// `first` is within the panel; columns beyond those of `t` are not counted.
#[inline]
#[target_feature(enable = "neon")]
unsafe fn columns(t: &Tile, first: usize) -> Columns {
    let count = t.cols.saturating_sub(first).min(LANES);
    let mut bias = [0.0; LANES];
    // SAFETY: a panel's sums and scales are there whole; the bias has an element for each column
    // that counts.
    unsafe {
        if !t.bias.is_null() {
            std::ptr::copy_nonoverlapping(t.bias.wrapping_add(first), bias.as_mut_ptr(), count);
        }
        let (sums, scales) = (t.sums.add(first), t.scales.add(first));
        Columns {
            sums: [vld1q_s32(sums), vld1q_s32(sums.add(4))],
            scales: [vld1q_f32(scales), vld1q_f32(scales.add(4))],
            bias: [vld1q_f32(bias.as_ptr()), vld1q_f32(bias.as_ptr().add(4))],
            count,
        }
    }
}

/// Writes the results of one row.
///
/// # Safety
/// As many elements from `out` on are writable as `c` has columns.
#[inline]
#[target_feature(enable = "neon")]
unsafe fn finish(c: &Columns, terms: &RowTerms, sum: V, out: *mut f32) {
    let mut y = [0.0; LANES];
    for i in 0..2 {
        let sum = vsubq_s32(sum.0[i], vmulq_n_s32(c.sums[i], terms.zero));
        let scaled = vmulq_f32(vmulq_n_f32(vcvtq_f32_s32(sum), terms.scale), c.scales[i]);
        // SAFETY: the array has 8 elements.
        unsafe { vst1q_f32(y.as_mut_ptr().add(4 * i), vaddq_f32(scaled, c.bias[i])) };
    }
    // SAFETY: given, and `count` is at most 8.
    unsafe { std::ptr::copy_nonoverlapping(y.as_ptr(), out, c.count) };
}

/// # Safety
/// `count` words are readable.
unsafe fn sum(words: *const u32, count: usize) -> i32 {
    // SAFETY: given; plain loops, which the compiler turns into NEON.
    unsafe { super::portable::sum(words, count) }
}

int8_kernels!([1, 2, 3, 4, 5], #[target_feature(enable = "neon,dotprod")]);
