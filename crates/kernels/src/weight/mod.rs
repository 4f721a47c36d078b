//! A weight that is used again and again: prepared once, for inference.

use std::fmt;

use crate::conv2d::{self, Conv2dShape, Fusion, Tile, WinogradWeight};
use crate::gemm::{linear, packed::Packed};
use crate::int8::{self, Int8Weight};
use crate::numbers::Kept;
use crate::scratch::Scratch;
use crate::watch::{self, Products};
use crate::{Activations, ActivationsMut, Epilogue, Nonlinearity, Numbers, Precision, cpu, gemm};

mod prepare;
#[cfg(test)]
mod tests;

/// A weight in the form that products with it read: packed, in no more bits than it came in, or
/// transformed. The numbers themselves cannot be had back.
pub struct Weight {
    form: Form,
    /// `[o, c, kh, kw]`
    shape: [usize; 4],
}

enum Form {
    /// For the direct sum.
    Packed(Packed),
    /// For the direct sum, or to be transformed panel by panel in each convolution.
    Fresh(Packed, Tile),
    /// Transformed, for a 3×3 convolution that keeps the size of the picture.
    Winograd(WinogradWeight),
    /// As it came, for one that is transformed for each large picture anew: in f32 the transform
    /// would take four times the memory, and of 16 bits eight times.
    Kept(Kept),
    /// Of 8 bits.
    Int8(Int8Weight),
}

/// Pixels of one picture from which on transforming a weight first is worth it. Of one, so that a
/// picture is the same in any batch.
const LARGE: usize = 1024;

/// Pixels of one picture up to which a weight that is transformed in each convolution becomes F(2×2):
/// there are so few tiles that the larger transform takes more time than it saves.
const SMALL: usize = 64;

impl Weight {
    /// Whether its numbers are rounded to 8 bits.
    pub fn is_int8(&self) -> bool {
        matches!(self.form, Form::Int8(_))
    }

    /// Bytes of memory that it takes.
    pub fn bytes(&self) -> usize {
        match &self.form {
            Form::Packed(packed) | Form::Fresh(packed, _) => packed.bytes(),
            Form::Winograd(weight) => weight.bytes(),
            Form::Kept(kept) => kept.bytes(),
            Form::Int8(weight) => weight.bytes(),
        }
    }

    /// `out[m, n] = x[m, k] · w[n, k]ᵀ + bias[n]`.
    ///
    /// # Panics
    /// If a slice has another length than its shape, or the weight is that of a larger kernel.
    #[track_caller]
    pub fn apply_linear(&self, x: &[f32], bias: Option<&[f32]>, out: &mut [f32], m: usize) {
        let [n, k, 1, 1] = self.shape else { panic!("a linear layer of {:?}", self.shape) };
        if let Some(bias) = bias {
            assert_eq!(bias.len(), n, "elements of the bias");
        }
        let _call = watch::call(|| gemm::call(self.products(), [m, k, n]));
        match &self.form {
            Form::Packed(packed) => {
                assert!(!packed.gated, "a weight prepared for GEGLU");
                linear::forward_with(packed.isa, packed.precision, x, packed, bias, out, [m, k, n]);
            }
            Form::Int8(weight) => int8::linear(cpu::isa(), weight, x, bias, out),
            Form::Fresh(..) | Form::Winograd(_) | Form::Kept(_) => {
                unreachable!("only of 3×3 kernels")
            }
        }
    }

    /// Whether products with it read [`Activations::Bf16`].
    pub fn reads_pairs(&self) -> bool {
        match &self.form {
            Form::Packed(packed) => crate::has_pairs(packed.precision),
            Form::Int8(_) => true,
            Form::Fresh(..) | Form::Winograd(_) | Form::Kept(_) => false,
        }
    }

    /// What `epilogue` makes of `x[m, k] · w[n, k]ᵀ`.
    ///
    /// # Panics
    /// If a slice has another length than its shape, the weight is that of a larger kernel, it was
    /// not prepared for this nonlinearity, or x or `out` are rounded to what products with it do
    /// not read.
    #[track_caller]
    pub fn apply(&self, x: Activations, epilogue: &Epilogue, out: ActivationsMut, m: usize) {
        let [n, k, 1, 1] = self.shape else { panic!("a linear layer of {:?}", self.shape) };
        let _call = watch::call(|| {
            let mut call = gemm::call(self.products(), [m, k, n]);
            if epilogue.nonlinearity == Nonlinearity::Geglu {
                call.kernel = "linear, GEGLU";
            }
            call
        });
        match &self.form {
            Form::Packed(packed) => linear::forward_to(packed, x, epilogue, out, m),
            Form::Int8(weight) => int8::linear_to(cpu::isa(), weight, x, epilogue, out, m),
            Form::Fresh(..) | Form::Winograd(_) | Form::Kept(_) => {
                unreachable!("only of 3×3 kernels")
            }
        }
    }

    /// `y = conv2d(x, w) + bias`.
    ///
    /// # Panics
    /// If a slice has another length than its shape, or the weight is of another shape.
    #[track_caller]
    pub fn apply_conv2d(&self, s: &Conv2dShape, x: &[f32], bias: Option<&[f32]>, y: &mut [f32]) {
        self.apply_conv2d_fused(s, x, &Fusion { bias, ..Fusion::default() }, y);
    }

    /// The convolution of the activated input, and what is added to it.
    ///
    /// # Panics
    /// If a slice has another length than its shape, or the weight is of another shape.
    #[track_caller]
    pub fn apply_conv2d_fused(&self, s: &Conv2dShape, x: &[f32], fusion: &Fusion, y: &mut [f32]) {
        let [kh, kw] = s.kernel;
        assert_eq!(self.shape, [s.o, s.c, kh, kw], "weight for {s:?}");
        let _call = watch::call(|| self.call(s));
        match &self.form {
            Form::Packed(packed) => conv2d::conv2d_packed(packed, s, x, fusion, y),
            Form::Fresh(packed, tile) => {
                conv2d::conv2d_winograd_packed(fresh(*tile, s), packed, s, x, fusion, y);
            }
            Form::Winograd(weight) => conv2d::conv2d_winograd_fused(weight, s, x, fusion, y),
            Form::Int8(weight) => {
                fusion.unfused(cpu::isa(), s, x, y, |x, y| {
                    int8::conv2d(cpu::isa(), weight, s, x, fusion.bias, y);
                });
            }
            Form::Kept(kept) if s.h * s.w >= LARGE => {
                let weight = transformed(Tile::F4, kept.numbers(), [s.o, s.c]);
                conv2d::conv2d_winograd_fused(&weight, s, x, fusion, y);
            }
            Form::Kept(kept) => {
                let numbers = kept.numbers();
                let packed = Packed::new(cpu::isa(), Precision::F32, numbers, [s.o, s.c, kh * kw]);
                conv2d::conv2d_packed(&packed, s, x, fusion, y);
            }
        }
    }

    /// What products with it are formed of.
    fn products(&self) -> Products {
        match &self.form {
            Form::Packed(packed) => packed.precision.into(),
            Form::Fresh(_, tile) => tile.precision().into(),
            Form::Winograd(weight) => weight.tile().precision().into(),
            Form::Kept(_) => Products::F32,
            Form::Int8(_) => Products::Int8,
        }
    }

    /// What a convolution is called that is computed with it.
    fn call(&self, s: &Conv2dShape) -> watch::Call {
        let kernel = match &self.form {
            Form::Packed(_) | Form::Int8(_) => "direct",
            Form::Fresh(_, tile) if fresh(*tile, s) == Tile::F2 => "F(2x2), transformed anew",
            Form::Fresh(..) => "F(4x2), transformed anew",
            Form::Winograd(weight) => weight.tile().name(),
            Form::Kept(_) if s.h * s.w >= LARGE => "F(4x4), transformed anew",
            Form::Kept(_) => "direct, packed anew",
        };
        s.call(kernel, self.products())
    }
}

/// The tile of a weight that is transformed for this convolution alone.
fn fresh(tile: Tile, s: &Conv2dShape) -> Tile {
    if s.h * s.w <= SMALL { Tile::F2 } else { tile }
}

fn transformed(tile: Tile, w: Numbers, [o, c]: [usize; 2]) -> WinogradWeight {
    let mut plain = Scratch::take(w.len());
    w.widen(0..w.len(), plain.floats_mut());
    WinogradWeight::new(tile, plain.floats_mut(), o, c)
}

impl fmt::Debug for Weight {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Weight{:?}", self.shape)
    }
}
