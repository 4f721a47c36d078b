//! What becomes of the sums of a linear layer on their way to memory.
//!
//! A micro-kernel leaves the sums of a tile in the nearest cache; there the bias is added, the
//! activation applied and the residual added, before anything is written to memory, perhaps rounded
//! to bf16. The numbers are those that one operation after the other would give; only where they
//! become bf16 is GELU computed no more exactly than that shows.

use crate::cpu::Isa;
use crate::math::{self, per_isa};
use crate::{ActivationsMut, has_pairs};

/// What is done with the sums of a linear layer.
#[derive(Clone, Copy, Debug, Default)]
pub struct Epilogue<'a> {
    /// Added first: an element for each row of the weight.
    pub bias: Option<&'a [f32]>,
    /// Then applied.
    pub nonlinearity: Nonlinearity,
    /// Added last: of the shape of the result.
    pub residual: Option<&'a [f32]>,
}

/// An activation that follows a linear layer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Nonlinearity {
    /// None.
    #[default]
    None,
    /// `x · sigmoid(x)`.
    Silu,
    /// `x · Φ(x)`.
    Gelu,
    /// `x · sigmoid(1.702 x)`.
    QuickGelu,
    /// `a · gelu(b)`, where a is the first half of the channels and b the second: the result has
    /// half as many (Shazeer 2020).
    Geglu,
}

/// Most rows and columns of a tile.
const ROWS: usize = 14;
const COLS: usize = 32;

/// The sums of a tile, rows of as many columns as the micro-kernels have at most.
#[repr(align(64))]
pub(crate) struct Sums(pub [f32; ROWS * COLS]);

impl Sums {
    /// Room for any tile.
    pub fn new() -> Self {
        Self([0.0; ROWS * COLS])
    }
}

/// Where the tiles of one result go.
pub(crate) struct Writer<'a> {
    isa: Isa,
    epilogue: Epilogue<'a>,
    /// Rows and columns of the result.
    size: [usize; 2],
    out: *mut f32,
    /// Elements from one row of the result to the next.
    stride: usize,
    rounded: bool,
}

// SAFETY: tiles do not overlap, as the caller of `tile` promises, and `new` borrows the result.
unsafe impl Sync for Writer<'_> {}

impl<'a> Writer<'a> {
    /// To `out` `[m, n]`, which must outlive the writer's use.
    ///
    /// # Panics
    /// If a slice has another length than its shape, or pairs are wanted where there are none.
    #[track_caller]
    pub fn new(
        isa: Isa,
        epilogue: &Epilogue<'a>,
        out: &'a mut ActivationsMut,
        size @ [m, n]: [usize; 2],
    ) -> Self {
        let stride = out.held(n);
        let (out, rounded) = match out {
            ActivationsMut::F32(out) => (out, false),
            ActivationsMut::Bf16(out) => (out, true),
        };
        assert!(!rounded || isa == Isa::Avx512Bf16 && has_pairs(crate::Precision::Bf16), "pairs");
        assert_eq!(out.len(), m * stride, "elements of the result {size:?}");
        let of_bias = if epilogue.nonlinearity == Nonlinearity::Geglu { 2 * n } else { n };
        assert!(epilogue.bias.is_none_or(|x| x.len() == of_bias), "elements of the bias");
        assert!(epilogue.residual.is_none_or(|x| x.len() == m * n), "elements of the residual");
        Self { isa, epilogue: *epilogue, size, out: out.as_mut_ptr(), stride, rounded }
    }

    /// Finishes and writes the tile of `rows` rows from `row` on that is number `panel` of its rows,
    /// `nr` columns of sums each. Of a GEGLU the first half of them are values, the second gates.
    ///
    /// # Safety
    /// The result is still there, and nobody else uses this part of it meanwhile.
    pub unsafe fn tile(&self, row: usize, rows: usize, panel: usize, nr: usize, sums: &mut Sums) {
        let [m, n] = self.size;
        let geglu = self.epilogue.nonlinearity == Nonlinearity::Geglu;
        let wide = if geglu { nr / 2 } else { nr };
        let first = panel * wide;
        assert!(row + rows <= m && rows <= ROWS && first < n && nr <= COLS, "tile of {m}×{n}");
        let cols = wide.min(n - first);
        let sums = &mut sums.0[..rows * nr];
        if let Some(bias) = self.epilogue.bias {
            let mut here = [0.0; COLS];
            here[..cols].copy_from_slice(&bias[first..][..cols]);
            if geglu {
                here[wide..][..cols].copy_from_slice(&bias[n + first..][..cols]);
            }
            add_bias(self.isa, sums, &here[..nr]);
        }
        match self.epilogue.nonlinearity {
            Nonlinearity::None => {}
            // SAFETY: pairs are written only with AVX-512 BF16, as `new` has ascertained.
            #[cfg(target_arch = "x86_64")]
            Nonlinearity::Geglu if self.rounded => unsafe { avx512::geglu(sums, nr) },
            nonlinearity => activate(self.isa, sums, nr, nonlinearity),
        }
        let residual = self.epilogue.residual.map(|x| &x[row * n + first..]);
        let at = row * self.stride + if self.rounded { first / 2 } else { first };
        // SAFETY: `new` has seen that the result reaches as far as this tile, which is the caller's
        // to write; `residual` has a row of `n` for each row of the result.
        unsafe { self.write(sums, nr, cols, residual, self.out.add(at)) };
    }

    /// Brings what [`Writer::tile`] will read and write into the cache meanwhile.
    #[cfg_attr(not(target_arch = "x86_64"), allow(unused_variables))]
    pub fn prefetch(&self, row: usize, rows: usize, panel: usize, nr: usize) {
        #[cfg(target_arch = "x86_64")]
        if self.isa >= Isa::Avx512 {
            let geglu = self.epilogue.nonlinearity == Nonlinearity::Geglu;
            let wide = if geglu { nr / 2 } else { nr };
            let first = panel * wide;
            // Elements of the result in a tile, and where they begin in a row.
            let (held, from) = if self.rounded { (wide / 2, first / 2) } else { (wide, first) };
            for i in row..row + rows {
                let out = self.out.wrapping_add(i * self.stride + from);
                for line in (0..held).step_by(16) {
                    avx512::prefetch_to_write(out.wrapping_add(line));
                }
                if let Some(residual) = self.epilogue.residual {
                    let at = residual.as_ptr().wrapping_add(i * self.size[1] + first);
                    avx512::prefetch(at);
                    avx512::prefetch(at.wrapping_add(16));
                }
            }
        }
    }

    /// # Safety
    /// From `out` on there is a tile of `cols` numbers, `stride` elements from row to row, to write.
    unsafe fn write(
        &self,
        sums: &[f32],
        nr: usize,
        cols: usize,
        residual: Option<&[f32]>,
        out: *mut f32,
    ) {
        let (n, stride) = (self.size[1], self.stride);
        let rows = sums.chunks_exact(nr).enumerate().map(|(i, sums)| {
            let residual = residual.map(|x| &x[i * n..][..cols]);
            (&sums[..cols], residual, out.wrapping_add(i * stride))
        });
        #[cfg(target_arch = "x86_64")]
        if self.isa >= Isa::Avx512 {
            // SAFETY: given; `isa` is one that the machine has, and pairs are written only with
            // that of AVX-512 BF16, as `new` has ascertained.
            return unsafe {
                if self.rounded { avx512::write_rounded(rows) } else { avx512::write(rows) }
            };
        }
        for (sums, residual, out) in rows {
            for (j, &sum) in sums.iter().enumerate() {
                // SAFETY: given.
                unsafe { *out.add(j) = residual.map_or(sum, |residual| residual[j] + sum) };
            }
        }
    }
}

#[cfg(target_arch = "x86_64")]
mod avx512 {
    use super::COLS;
    use std::arch::x86_64::*;
    use std::mem::transmute;

    /// Bits for the first `count` lanes, or all.
    fn mask(count: usize) -> __mmask16 {
        if count >= 16 { !0 } else { (1 << count) - 1 }
    }

    /// At most 32 sums, with the residual added; zeros behind the last.
    #[inline]
    #[target_feature(enable = "avx512f")]
    fn summed(sums: &[f32], residual: Option<&[f32]>) -> [__m512; 2] {
        let cols = sums.len();
        assert!(cols <= COLS && residual.is_none_or(|x| x.len() == cols));
        // SAFETY: the masks have `cols` bits together.
        let load = |x: &[f32]| unsafe {
            let low = _mm512_maskz_loadu_ps(mask(cols), x.as_ptr());
            let high = x.as_ptr().wrapping_add(16);
            [low, _mm512_maskz_loadu_ps(mask(cols.saturating_sub(16)), high)]
        };
        let [low, high] = load(sums);
        match residual.map(load) {
            Some([a, b]) => [_mm512_add_ps(a, low), _mm512_add_ps(b, high)],
            None => [low, high],
        }
    }

    /// Sums, what is added to them, and where they go.
    type Row<'a> = (&'a [f32], Option<&'a [f32]>, *mut f32);

    /// # Safety
    /// For each row as many elements as there are sums are writable.
    #[target_feature(enable = "avx512f")]
    pub unsafe fn write<'a>(rows: impl Iterator<Item = Row<'a>>) {
        for (sums, residual, out) in rows {
            let [low, high] = summed(sums, residual);
            // SAFETY: given; the masks have as many bits as there are sums. Plain stores are
            // faster.
            unsafe {
                if sums.len() == COLS {
                    _mm512_storeu_ps(out, low);
                    _mm512_storeu_ps(out.wrapping_add(16), high);
                    continue;
                }
                _mm512_mask_storeu_ps(out, mask(sums.len()), low);
                let high_mask = mask(sums.len().saturating_sub(16));
                _mm512_mask_storeu_ps(out.wrapping_add(16), high_mask, high);
            }
        }
    }

    /// As [`write`], in pairs of bf16.
    ///
    /// # Safety
    /// For each row half as many elements as there are sums, rounded up, are writable.
    #[target_feature(enable = "avx512f,avx512bf16")]
    pub unsafe fn write_rounded<'a>(rows: impl Iterator<Item = Row<'a>>) {
        for (sums, residual, out) in rows {
            let [low, high] = summed(sums, residual);
            // SAFETY: given; the mask has half as many bits as there are sums, and every bit
            // pattern is an integer.
            unsafe {
                let pairs: __m512i = transmute(_mm512_cvtne2ps_pbh(high, low));
                if sums.len() == COLS {
                    _mm512_storeu_si512(out.cast(), pairs);
                } else {
                    _mm512_mask_storeu_epi32(out.cast(), mask(sums.len().div_ceil(2)), pairs);
                }
            }
        }
    }

    /// Asks for the cache line of `at`, which may be anywhere.
    pub fn prefetch(at: *const f32) {
        // SAFETY: a prefetch reads nothing, and every x86-64 has it.
        unsafe { _mm_prefetch::<_MM_HINT_T0>(at.cast()) };
    }

    /// The same, to be written.
    pub fn prefetch_to_write(at: *const f32) {
        // SAFETY: as above.
        unsafe { _mm_prefetch::<_MM_HINT_ET0>(at.cast()) };
    }

    /// Φ with an absolute error below 1e-4; 0 and 1 from 4 on.
    #[inline]
    #[target_feature(enable = "avx512f")]
    fn normal_cdf(x: __m512) -> __m512 {
        // Least largest error of x · Φ, an odd polynomial and ½.
        const P: [f32; 8] = [
            -1.301_295_1e-9,
            1.041_961e-7,
            -3.657_134_1e-6,
            7.485_507e-5,
            -1.006_490_6e-3,
            9.505_399e-3,
            -0.065_887_846,
            0.398_673_4,
        ];
        let z = _mm512_mul_ps(x, x);
        let mut p = _mm512_set1_ps(P[0]);
        for c in &P[1..] {
            p = _mm512_fmadd_ps(p, z, _mm512_set1_ps(*c));
        }
        let y = _mm512_fmadd_ps(p, x, _mm512_set1_ps(0.5));
        // NaN is neither above nor below.
        let above = _mm512_cmp_ps_mask::<_CMP_GT_OQ>(x, _mm512_set1_ps(4.0));
        let below = _mm512_cmp_ps_mask::<_CMP_LT_OQ>(x, _mm512_set1_ps(-4.0));
        let y = _mm512_mask_mov_ps(y, above, _mm512_set1_ps(1.0));
        _mm512_mask_mov_ps(y, below, _mm512_setzero_ps())
    }

    /// `value · gelu(gate)` in place of the values, the first 16 of each row of `nr`.
    #[target_feature(enable = "avx512f")]
    pub fn geglu(sums: &mut [f32], nr: usize) {
        assert_eq!(nr, COLS);
        for row in sums.chunks_exact_mut(COLS) {
            // SAFETY: 32 elements are read, 16 of them written.
            unsafe {
                let (value, gate) =
                    (_mm512_loadu_ps(row.as_ptr()), _mm512_loadu_ps(row[16..].as_ptr()));
                let gelu = _mm512_mul_ps(gate, normal_cdf(gate));
                _mm512_storeu_ps(row.as_mut_ptr(), _mm512_mul_ps(value, gelu));
            }
        }
    }

    #[cfg(test)]
    mod tests {
        use super::*;
        use crate::cpu::{Isa, isa};
        use crate::math;

        #[test]
        fn gelu_is_exact_enough_for_bf16() {
            if isa() < Isa::Avx512 {
                return;
            }
            let gelu = |x| {
                let mut row = [1.0; COLS];
                row[16..].fill(x);
                // SAFETY: this machine has AVX-512.
                unsafe { geglu(&mut row, COLS) };
                row[0]
            };
            for i in -60_000..60_000 {
                let x = i as f32 * 1e-4;
                let (got, want) = (gelu(x), math::gelu(x));
                assert!(
                    (got - want).abs() <= 2e-4 + 1e-6 * want.abs(),
                    "gelu({x}) = {got}, {want}"
                );
            }
            assert_eq!([100.0, 1e30, -100.0].map(gelu), [100.0, 1e30, -0.0]);
            assert!(gelu(f32::NAN).is_nan());
        }
    }
}

/// `x · sigmoid(1.702 x)`.
#[inline(always)]
fn quick_gelu(x: f32) -> f32 {
    x / (1.0 + math::exp(-1.702 * x))
}

per_isa! {
    fn add_bias(sums: &mut [f32], bias: &[f32]) {
        for row in sums.chunks_exact_mut(bias.len()) {
            for (x, &bias) in row.iter_mut().zip(bias) {
                *x += bias;
            }
        }
    }

    /// In place; rows of a GEGLU keep their result in the first half.
    fn activate(sums: &mut [f32], nr: usize, nonlinearity: Nonlinearity) {
        match nonlinearity {
            Nonlinearity::None => {}
            Nonlinearity::Silu => sums.iter_mut().for_each(|x| *x = math::silu(*x)),
            Nonlinearity::Gelu => sums.iter_mut().for_each(|x| *x = math::gelu(*x)),
            Nonlinearity::QuickGelu => sums.iter_mut().for_each(|x| *x = quick_gelu(*x)),
            Nonlinearity::Geglu => {
                for row in sums.chunks_exact_mut(nr) {
                    let (values, gates) = row.split_at_mut(nr / 2);
                    for (value, &gate) in values.iter_mut().zip(&*gates) {
                        *value *= math::gelu(gate);
                    }
                }
            }
        }
    }
}
