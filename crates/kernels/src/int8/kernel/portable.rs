//! Plain Rust: tiles of 4 × 16 sums.

use super::{RowTerms, Tile};

type V = [i32; LANES];

const LANES: usize = 8;

fn zero() -> V {
    [0; LANES]
}

/// The bytes of a word, signed.
///
/// # Safety
/// Word `at` from `row` on is readable.
#[inline(always)]
unsafe fn left(row: *const u32, at: usize) -> [i32; 4] {
    // SAFETY: given.
    unsafe { row.add(at).read() }.to_ne_bytes().map(|byte| i32::from(byte as i8))
}

/// The bytes of 8 words, unsigned.
///
/// # Safety
/// The words are readable.
#[inline(always)]
unsafe fn right(from: *const u32) -> [[i32; LANES]; 4] {
    // SAFETY: given; an array has the alignment of its elements.
    let words: [u32; LANES] = unsafe { from.cast::<[u32; LANES]>().read() };
    std::array::from_fn(|b| words.map(|word| i32::from(word.to_ne_bytes()[b])))
}

/// `sum` and the products of bytes.
#[inline(always)]
fn dot(a: [i32; 4], b: [[i32; LANES]; 4], sum: V) -> V {
    std::array::from_fn(|lane| {
        let pairs = [a[0] * b[0][lane] + a[1] * b[1][lane], a[2] * b[2][lane] + a[3] * b[3][lane]];
        sum[lane].wrapping_add(pairs[0] + pairs[1])
    })
}

/// Plain Rust has no way to ask for a cache line.
fn fetch(_: *const f32) {}

/// What the results of 8 columns are made with.
#[derive(Clone, Copy)]
struct Columns {
    sums: V,
    scales: [f32; LANES],
    bias: [f32; LANES],
    count: usize,
}

/// # Safety
/// `first` is within the panel; columns beyond those of `t` are not counted.
#[inline(always)]
unsafe fn columns(t: &Tile, first: usize) -> Columns {
    let count = t.cols.saturating_sub(first).min(LANES);
    let mut bias = [0.0; LANES];
    for (lane, bias) in bias.iter_mut().enumerate().take(if t.bias.is_null() { 0 } else { count }) {
        // SAFETY: the bias has as many elements as there are columns.
        *bias = unsafe { *t.bias.add(first + lane) };
    }
    // SAFETY: a panel's sums and scales are there whole; arrays have the alignment of elements.
    let (sums, scales) =
        unsafe { (*t.sums.add(first).cast::<V>(), *t.scales.add(first).cast::<[f32; LANES]>()) };
    Columns { sums, scales, bias, count }
}

/// Writes the results of one row.
///
/// # Safety
/// As many elements from `out` on are writable as `c` has columns.
#[inline(always)]
unsafe fn finish(c: &Columns, terms: &RowTerms, sum: V, out: *mut f32) {
    for lane in 0..c.count {
        let zeros = c.sums[lane].wrapping_mul(terms.zero);
        let sum = sum[lane].wrapping_sub(zeros).wrapping_add(terms.shift());
        let y = sum as f32 * terms.scale * c.scales[lane] + c.bias[lane];
        // SAFETY: given.
        unsafe { *out.add(lane) = y };
    }
}

/// The sum of the signed bytes in `count` words.
///
/// # Safety
/// The words are readable.
#[inline(always)]
pub(super) unsafe fn sum(words: *const u32, count: usize) -> i32 {
    if count == 0 {
        return 0;
    }
    // SAFETY: given; bytes need no alignment.
    let bytes = unsafe { std::slice::from_raw_parts(words.cast::<i8>(), 4 * count) };
    bytes.iter().map(|&byte| i32::from(byte)).sum()
}

int8_kernels!([1, 2, 3, 4]);
