//! What becomes of the sums of a linear layer on their way to memory.
//!
//! A micro-kernel leaves the sums of a tile in the nearest cache; there the bias is added, the
//! activation applied and the residual added, before anything is written to memory, perhaps rounded
//! to bf16. The numbers are those that one operation after the other would give; only where they
//! become bf16 is GELU computed no more exactly than that shows.

#[cfg(target_arch = "x86_64")]
mod avx512;

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
