//! NEON: tiles of up to 6 × 16 f32, 24 of the 32 registers. What the loops call a vector is two
//! registers, so that a tile is as wide as on the other machines.

use std::arch::aarch64::*;

#[derive(Clone, Copy)]
struct V([float32x4_t; 2]);

/// How many lanes count.
type Mask = usize;

const LANES: usize = 8;

#[inline]
#[target_feature(enable = "neon")]
fn zero() -> V {
    splat(0.0)
}

#[inline]
#[target_feature(enable = "neon")]
fn splat(x: f32) -> V {
    V([vdupq_n_f32(x); 2])
}

#[inline]
fn mask(count: usize) -> Mask {
    count.min(LANES)
}

/// # Safety
/// `mask` elements are readable.
#[inline]
#[target_feature(enable = "neon")]
unsafe fn load(mask: Mask, from: *const f32) -> V {
    if mask == LANES {
        // SAFETY: all lanes are readable.
        return unsafe { V([vld1q_f32(from), vld1q_f32(from.add(4))]) };
    }
    let mut lanes = [0.0; LANES];
    for (i, lane) in lanes.iter_mut().enumerate() {
        // Not a copy of `mask` elements, which would be a call, and the sums would be saved for it.
        if i < mask {
            // SAFETY: so many are readable.
            *lane = unsafe { *from.add(i) };
        }
    }
    // SAFETY: the array has all lanes.
    unsafe { V([vld1q_f32(lanes.as_ptr()), vld1q_f32(lanes.as_ptr().add(4))]) }
}

/// # Safety
/// `mask` elements are writable.
#[inline]
#[target_feature(enable = "neon")]
unsafe fn store(mask: Mask, to: *mut f32, x: V) {
    let put = |to: *mut f32| {
        // SAFETY: `to` has room for all lanes wherever this is called.
        unsafe {
            vst1q_f32(to, x.0[0]);
            vst1q_f32(to.add(4), x.0[1]);
        }
    };
    if mask == LANES {
        return put(to);
    }
    let mut lanes = [0.0; LANES];
    put(lanes.as_mut_ptr());
    // SAFETY: so many elements are writable, and there are as many lanes or more.
    unsafe { std::ptr::copy_nonoverlapping(lanes.as_ptr(), to, mask) };
}

/// `sum` and the product of `b` with word `at` from `a` on.
///
/// # Safety
/// The word is readable.
#[inline]
#[target_feature(enable = "neon")]
unsafe fn fma(a: *const u32, at: usize, b: V, sum: V) -> V {
    // SAFETY: given.
    let a: f32 = unsafe { *a.add(at).cast() };
    V([vfmaq_n_f32(sum.0[0], b.0[0], a), vfmaq_n_f32(sum.0[1], b.0[1], a)])
}

#[inline]
#[target_feature(enable = "neon")]
fn mul(a: V, b: V) -> V {
    V([vmulq_f32(a.0[0], b.0[0]), vmulq_f32(a.0[1], b.0[1])])
}

#[inline]
#[target_feature(enable = "neon")]
fn add(a: V, b: V) -> V {
    V([vaddq_f32(a.0[0], b.0[0]), vaddq_f32(a.0[1], b.0[1])])
}

microkernels!(#[target_feature(enable = "neon")]);
kernel_table!(false, [1, 2, 3, 4, 5, 6]);
