//! Plain Rust: tiles of up to 4 × 16 f32, which compilers turn into whatever vectors there are.

type V = [f32; LANES];
type Mask = usize;

const LANES: usize = 8;

fn zero() -> V {
    [0.0; LANES]
}

fn splat(x: f32) -> V {
    [x; LANES]
}

/// How many lanes count.
fn mask(count: usize) -> Mask {
    count.min(LANES)
}

/// # Safety
/// `mask` elements are readable.
#[inline]
unsafe fn load(mask: Mask, from: *const f32) -> V {
    let mut x = zero();
    if mask == LANES {
        // SAFETY: all lanes are readable; the type has the alignment of f32.
        x = unsafe { *from.cast() };
    } else {
        for (lane, x) in x.iter_mut().enumerate().take(mask) {
            // SAFETY: `lane < mask`.
            *x = unsafe { *from.add(lane) };
        }
    }
    x
}

/// # Safety
/// `mask` elements are writable.
#[inline]
unsafe fn store(mask: Mask, to: *mut f32, x: V) {
    for (lane, &x) in x.iter().enumerate().take(mask) {
        // SAFETY: `lane < mask`.
        unsafe { *to.add(lane) = x };
    }
}

/// `sum` and the product of `b` with word `at` from `a` on.
///
/// # Safety
/// The word is readable.
#[inline]
unsafe fn fma(a: *const u32, at: usize, b: V, sum: V) -> V {
    // SAFETY: given.
    let a: f32 = unsafe { *a.add(at).cast() };
    std::array::from_fn(|lane| a * b[lane] + sum[lane])
}

#[inline]
fn mul(a: V, b: V) -> V {
    std::array::from_fn(|lane| a[lane] * b[lane])
}

#[inline]
fn add(a: V, b: V) -> V {
    std::array::from_fn(|lane| a[lane] + b[lane])
}

microkernels!();
kernel_table!(false, [1, 2, 3, 4]);
