//! Transposing copies: weights are stored with the summed dimension last, panels want it first.

use crate::cpu::Isa;

/// Rows and columns of the block that the vector variant transposes in registers.
const BLOCK: usize = 16;

/// Writes column `l` of `src` as row `place(l)` of `dst`: `dst[place(l) · dst_stride + i] =
/// src[i · src_stride + l]` for `i < rows` and `l < cols`.
///
/// # Panics
/// If an index is outside its slice.
pub(crate) fn transpose(
    isa: Isa,
    src: &[f32],
    src_stride: usize,
    [rows, cols]: [usize; 2],
    dst: &mut [f32],
    dst_stride: usize,
    place: impl Fn(usize) -> usize,
) {
    transpose_to(isa, src, src_stride, [rows, cols], dst, dst_stride, &|first, places| {
        for (j, out) in places.iter_mut().enumerate() {
            *out = place(first + j);
        }
    });
}

/// [`transpose`], compiled once for all callers: `places` gives the rows for a run of columns.
fn transpose_to(
    isa: Isa,
    src: &[f32],
    src_stride: usize,
    [rows, cols]: [usize; 2],
    dst: &mut [f32],
    dst_stride: usize,
    places: &dyn Fn(usize, &mut [usize]),
) {
    if rows * cols == 0 {
        return;
    }
    assert!(src.len() >= (rows - 1) * src_stride + cols, "{rows} rows of {cols}");
    let mut at = [0; BLOCK];
    #[cfg(target_arch = "x86_64")]
    if isa >= Isa::Avx512 {
        for i in (0..rows).step_by(BLOCK) {
            for l in (0..cols).step_by(BLOCK) {
                let at = &mut at[..BLOCK.min(cols - l)];
                places(l, at);
                let src = &src[i * src_stride + l..];
                // SAFETY: the machine has it: every `isa` is from `cpu::isa` or `cpu::available`.
                unsafe {
                    avx512::block(src, src_stride, BLOCK.min(rows - i), dst, dst_stride, i, at)
                };
            }
        }
        return;
    }
    let _ = isa;
    for l in (0..cols).step_by(BLOCK) {
        let at = &mut at[..BLOCK.min(cols - l)];
        places(l, at);
        for (l, &at) in (l..).zip(&*at) {
            let row = &mut dst[at * dst_stride..][..rows];
            for (i, out) in row.iter_mut().enumerate() {
                *out = src[i * src_stride + l];
            }
        }
    }
}

#[cfg(target_arch = "x86_64")]
mod avx512 {
    use super::BLOCK;
    use std::arch::x86_64::*;

    /// Transposes at most 16 rows of at most 16: row `places[j]` of `dst` gets `rows` elements from
    /// column `dst_col` on.
    #[target_feature(enable = "avx512f")]
    pub fn block(
        src: &[f32],
        src_stride: usize,
        rows: usize,
        dst: &mut [f32],
        dst_stride: usize,
        dst_col: usize,
        places: &[usize],
    ) {
        let cols = places.len();
        assert!((1..=BLOCK).contains(&rows) && (1..=BLOCK).contains(&cols));
        assert!(src.len() >= (rows - 1) * src_stride + cols);
        let mask = |count: usize| if count == BLOCK { !0 } else { (1 << count) - 1 };
        let (row_mask, col_mask) = (mask(rows), mask(cols));
        let mut block = [_mm512_setzero_ps(); BLOCK];
        // Both loops always have 16 turns, so that the block stays in registers. Rows that are not
        // there are the last one again, and are masked out below.
        for (i, row) in block.iter_mut().enumerate() {
            let i = i.min(rows - 1);
            // SAFETY: `cols` elements of the last row end within `src`, by the assertion.
            *row = unsafe { _mm512_maskz_loadu_ps(col_mask, src.as_ptr().add(i * src_stride)) };
        }
        for (j, column) in registers(block).into_iter().enumerate() {
            if j >= cols {
                return;
            }
            let out = &mut dst[places[j] * dst_stride + dst_col..][..rows];
            // SAFETY: the mask has `rows` bits, the length of `out`.
            unsafe { _mm512_mask_storeu_ps(out.as_mut_ptr(), row_mask, column) };
        }
    }

    /// The transpose of a block held in registers: pairs of rows are interleaved by elements, then
    /// by pairs, then quarters of vectors are exchanged twice.
    #[inline]
    #[target_feature(enable = "avx512f")]
    fn registers(rows: [__m512; BLOCK]) -> [__m512; BLOCK] {
        let mut pairs = rows;
        for i in (0..BLOCK).step_by(2) {
            pairs[i] = _mm512_unpacklo_ps(rows[i], rows[i + 1]);
            pairs[i + 1] = _mm512_unpackhi_ps(rows[i], rows[i + 1]);
        }
        // After this, `fours[4 g + c]` holds columns c, 4 + c, 8 + c, 12 + c of rows 4 g … 4 g + 3.
        let mut fours = pairs;
        for g in (0..BLOCK).step_by(4) {
            for h in 0..2 {
                let low = _mm512_castps_pd(pairs[g + h]);
                let high = _mm512_castps_pd(pairs[g + 2 + h]);
                fours[g + 2 * h] = _mm512_castpd_ps(_mm512_unpacklo_pd(low, high));
                fours[g + 2 * h + 1] = _mm512_castpd_ps(_mm512_unpackhi_pd(low, high));
            }
        }
        let mut columns = fours;
        for c in 0..4 {
            let [a, b, d, e] = [fours[c], fours[4 + c], fours[8 + c], fours[12 + c]];
            let even_low = _mm512_shuffle_f32x4::<0x88>(a, b);
            let odd_low = _mm512_shuffle_f32x4::<0xdd>(a, b);
            let even_high = _mm512_shuffle_f32x4::<0x88>(d, e);
            let odd_high = _mm512_shuffle_f32x4::<0xdd>(d, e);
            columns[c] = _mm512_shuffle_f32x4::<0x88>(even_low, even_high);
            columns[8 + c] = _mm512_shuffle_f32x4::<0xdd>(even_low, even_high);
            columns[4 + c] = _mm512_shuffle_f32x4::<0x88>(odd_low, odd_high);
            columns[12 + c] = _mm512_shuffle_f32x4::<0xdd>(odd_low, odd_high);
        }
        columns
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cpu;

    #[test]
    fn every_element_lands_in_its_place() {
        for isa in cpu::available() {
            for [rows, cols] in [[1, 1], [16, 16], [32, 33], [5, 48], [20, 31]] {
                let src: Vec<f32> = (0..rows * cols).map(|i| i as f32).collect();
                let mut dst = vec![-1.0; cols * 40];
                transpose(isa, &src, cols, [rows, cols], &mut dst, 40, |l| cols - 1 - l);
                for l in 0..cols {
                    for i in 0..40 {
                        let expected = if i < rows { src[i * cols + l] } else { -1.0 };
                        assert_eq!(dst[(cols - 1 - l) * 40 + i], expected, "{isa:?} {rows} {cols}");
                    }
                }
            }
        }
    }
}
