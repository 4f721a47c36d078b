//! How a weight is prepared, which depends on its shape and on nothing else.

use super::{Form, Weight, transformed};
use crate::conv2d::Tile;
use crate::gemm::packed::Packed;
use crate::int8::{Int8Weight, LONGEST};
use crate::numbers::Kept;
use crate::{Numbers, Precision, cpu};

/// Channels on one side with which a convolution is so little work that it is done in f32: they
/// are those of pictures and latents, and nothing hides the rounding there. In a U-Net pass it is
/// an eighth of the whole squared error.
const FEW: usize = 16;

/// Outputs times inputs up to which a weight in bf16 is kept transformed, which takes 8/3 of the
/// memory. Larger ones see few pixels: reading them is much of the work.
pub(super) const LARGEST: usize = 640 * 1920;

impl Weight {
    /// Prepares the weight `[n, k]` of a linear layer.
    ///
    /// # Panics
    /// If `w` has another number of elements.
    #[track_caller]
    pub fn linear(precision: Precision, w: Numbers, [n, k]: [usize; 2]) -> Self {
        Self::conv2d(precision, w, [n, k, 1, 1])
    }

    /// Prepares the weight `[n, k]` of a linear layer before a GEGLU, for
    /// [`Weight::apply`] with [`Nonlinearity::Geglu`](crate::Nonlinearity::Geglu).
    ///
    /// # Panics
    /// If `w` has another number of elements, or n is odd.
    #[track_caller]
    pub fn geglu(precision: Precision, w: Numbers, [n, k]: [usize; 2]) -> Self {
        let packed = Packed::gated(cpu::isa(), precision, w, [n, k]);
        Self { form: Form::Packed(packed), shape: [n, k, 1, 1] }
    }

    /// Prepares the weight `[o, c, kh, kw]` of any convolution.
    ///
    /// # Panics
    /// If `w` has another number of elements.
    #[track_caller]
    pub fn conv2d(precision: Precision, w: Numbers, shape @ [o, c, kh, kw]: [usize; 4]) -> Self {
        let packed = Packed::new(cpu::isa(), precision, w, [o, c, kh * kw]);
        Self { form: Form::Packed(packed), shape }
    }

    /// Prepares the weight `[o, c, kh, kw]` of a convolution with stride 1 that keeps the size of
    /// the picture, by Winograd's algorithm where that is worth it.
    ///
    /// # Panics
    /// If `w` has another number of elements.
    #[track_caller]
    pub fn conv2d_same(precision: Precision, w: Numbers, shape: [usize; 4]) -> Self {
        Self::same(precision, w, shape, Tile::F4x2)
    }

    /// The same for one whose rounding errors weigh more than others', with a smaller tile.
    ///
    /// # Panics
    /// If `w` has another number of elements.
    #[track_caller]
    pub fn conv2d_same_fine(precision: Precision, w: Numbers, shape: [usize; 4]) -> Self {
        Self::same(precision, w, shape, Tile::F2)
    }

    #[track_caller]
    fn same(precision: Precision, w: Numbers, shape: [usize; 4], in_bf16: Tile) -> Self {
        let [o, c, ..] = shape;
        let precision = if o.min(c) <= FEW { Precision::F32 } else { precision };
        assert_eq!(w.len(), shape.iter().product::<usize>(), "elements of a weight {shape:?}");
        let form = match winograd_tile(precision, shape, in_bf16) {
            None => return Self::conv2d(precision, w, shape),
            Some(Tile::F4) => Form::Kept(Kept::new(w)),
            Some(tile) if o * c > LARGEST => {
                Form::Fresh(Packed::new(cpu::isa(), precision, w, [o, c, 9]), tile)
            }
            Some(tile) => Form::Winograd(transformed(tile, w, [o, c])),
        };
        Self { form, shape }
    }

    /// Prepares the weight `[n, k]` of a linear layer, rounded to 8 bits: see [`crate::int8`].
    ///
    /// # Panics
    /// If `w` has another number of elements.
    #[track_caller]
    pub fn linear_int8(w: Numbers, [n, k]: [usize; 2]) -> Self {
        Self::conv2d_int8(w, [n, k, 1, 1])
    }

    /// Prepares the weight `[n, k]` of a linear layer before a GEGLU, rounded to 8 bits: see
    /// [`Weight::geglu`].
    ///
    /// # Panics
    /// If `w` has another number of elements, or n is odd.
    #[track_caller]
    pub fn geglu_int8(w: Numbers, [n, k]: [usize; 2]) -> Self {
        if k > LONGEST {
            return Self::geglu(Precision::Bf16, w, [n, k]);
        }
        Self { form: Form::Int8(Int8Weight::gated(w, [n, k])), shape: [n, k, 1, 1] }
    }

    /// Prepares the weight `[o, c, kh, kw]` of any convolution, rounded to 8 bits.
    ///
    /// # Panics
    /// If `w` has another number of elements.
    #[track_caller]
    pub fn conv2d_int8(w: Numbers, shape @ [_, c, kh, kw]: [usize; 4]) -> Self {
        if c * kh * kw > LONGEST {
            return Self::conv2d(Precision::Bf16, w, shape);
        }
        Self { form: Form::Int8(Int8Weight::conv2d(w, shape)), shape }
    }

    /// Prepares the weight `[o, c, kh, kw]` of a convolution with stride 1 that keeps the size of
    /// the picture: rounded to 8 bits, or in bf16 by Winograd's algorithm where that is faster and
    /// the transformed weight not too large.
    ///
    /// # Panics
    /// If `w` has another number of elements.
    #[track_caller]
    pub fn conv2d_same_int8(w: Numbers, shape: [usize; 4]) -> Self {
        match winograd_tile(Precision::Bf16, shape, Tile::F4x2) {
            Some(_) if shape[0] * shape[1] <= LARGEST => {
                Self::conv2d_same(Precision::Bf16, w, shape)
            }
            _ => Self::conv2d_int8(w, shape),
        }
    }
}

/// How a convolution that keeps the size of the picture is computed, unless by the direct sum. By
/// the shape alone, so that a model draws the same whatever it has drawn before.
fn winograd_tile(precision: Precision, [o, c, kh, kw]: [usize; 4], in_bf16: Tile) -> Option<Tile> {
    // With few channels the transformations are most of the work.
    if [kh, kw] != [3, 3] || c < 64 || o < 64 {
        return None;
    }
    match precision {
        // Where there is no bf16 product, nothing is won by rounding.
        Precision::Bf16 if cpu::isa() < cpu::Isa::Avx512Bf16 => None,
        Precision::Bf16 => Some(in_bf16),
        Precision::F32 if o * c <= LARGEST => Some(Tile::F4),
        Precision::F32 => None,
    }
}
