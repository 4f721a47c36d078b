//! Winograd convolution: 3×3 kernels, stride 1, a border of one zero.
//!
//! Lavin and Gray, "Fast Algorithms for Convolutional Neural Networks" (arXiv 1509.09308): a tile of
//! `m × m` outputs is `Y = Aᵀ [(G g Gᵀ) ⊙ (Bᵀ d B)] A` (equation 8), where `d` is the patch of
//! `(m + 2)²` inputs that the tile sees and `g` the kernel. Summed over channels, each of the
//! `(m + 2)²` positions is a matrix product of transformed patches and transformed weights:
//! `m² · 9 / (m + 2)²` times fewer multiplications than the direct sum.
//!
//! The price is rounding: transformed numbers are sums of inputs of either sign. One that is not
//! finite makes its whole tile NaN.

use super::{Conv2dShape, Fusion};
use crate::Precision;
use crate::cpu::Isa;
use crate::gemm::packed::Packed;
use right::Right;

mod algebra;
mod fast;
mod forward;
mod grid;
mod input;
mod lanes;
mod output;
mod plan;
mod product;
mod right;
mod rows;
mod stage;
mod weight;
mod weight_grad;

pub use weight::WinogradWeight;

/// The outputs that are computed together, and in which type they are multiplied.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Tile {
    /// 2×2 outputs from 16 products in bf16: 2.25 times fewer than the direct sum, and a relative
    /// error of 1.7 times that of the direct sum in bf16.
    F2,
    /// 4×2 outputs from 24 products in bf16: 3 times fewer, 2.8 times the error.
    F4x2,
    /// 4×4 outputs from 36 products in f32: 4 times fewer.
    F4,
}

impl Tile {
    /// Outputs down and across.
    pub fn outputs(self) -> [usize; 2] {
        match self {
            Self::F2 => [2, 2],
            Self::F4x2 => [4, 2],
            Self::F4 => [4, 4],
        }
    }

    /// Positions of the patch that a tile sees, which is as many as there are products.
    pub fn positions(self) -> usize {
        let [down, across] = self.outputs();
        (down + 2) * (across + 2)
    }

    /// As it is written.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::F2 => "F(2x2)",
            Self::F4x2 => "F(4x2)",
            Self::F4 => "F(4x4)",
        }
    }

    /// What the products are formed in.
    pub fn precision(self) -> Precision {
        match self {
            Self::F2 | Self::F4x2 => Precision::Bf16,
            Self::F4 => Precision::F32,
        }
    }
}

/// `y = conv2d(x, w) + bias` with a weight that has been transformed before.
///
/// # Panics
/// As [`conv2d_winograd_fused`].
#[track_caller]
pub fn conv2d_winograd(
    weight: &WinogradWeight,
    s: &Conv2dShape,
    x: &[f32],
    bias: Option<&[f32]>,
    y: &mut [f32],
) {
    conv2d_winograd_fused(weight, s, x, &Fusion { bias, ..Fusion::default() }, y);
}

/// The convolution of the activated input, and what is added to it, without a pass over memory of
/// its own for either.
///
/// # Panics
/// If a slice has another length than its shape, or the shape is not that of a 3×3 kernel with
/// stride 1 and padding 1 and the weight's channels.
#[track_caller]
pub fn conv2d_winograd_fused(
    weight: &WinogradWeight,
    s: &Conv2dShape,
    x: &[f32],
    fusion: &Fusion,
    y: &mut [f32],
) {
    convolve(Right::Kept(weight), s, x, fusion, y);
}

/// The same with a weight packed as pairs of bf16, which is transformed on the way: for one that
/// is large and has few tiles to be multiplied with.
#[track_caller]
pub(crate) fn conv2d_winograd_packed(
    tile: Tile,
    packed: &Packed,
    s: &Conv2dShape,
    x: &[f32],
    fusion: &Fusion,
    y: &mut [f32],
) {
    assert!(packed.is_pairs() && tile.precision() == Precision::Bf16, "{tile:?} needs pairs");
    assert_eq!(packed.shape[2], 9, "taps of the kernel for {s:?}");
    convolve(Right::Fresh(packed, tile), s, x, fusion, y);
}

/// `y = conv2d(x, w) + bias` with a weight that is transformed for this once.
#[track_caller]
pub(crate) fn once(
    isa: Isa,
    tile: Tile,
    s: &Conv2dShape,
    x: &[f32],
    w: &[f32],
    bias: Option<&[f32]>,
    y: &mut [f32],
) {
    let weight = WinogradWeight::lent(isa, tile, w, s.o, s.c);
    conv2d_winograd(&weight, s, x, bias, y);
}

/// The gradient of the input: a convolution of the output's, with the kernels turned by half.
#[track_caller]
pub(crate) fn input_grad(
    isa: Isa,
    tile: Tile,
    s: &Conv2dShape,
    dy: &[f32],
    w: &[f32],
    dx: &mut [f32],
) {
    let weight = WinogradWeight::turned(isa, tile, w, s.o, s.c);
    conv2d_winograd(&weight, &Conv2dShape { c: s.o, o: s.c, ..*s }, dy, None, dx);
}

/// The gradient of the weight.
///
/// # Panics
/// If the products of `tile` are not those of bf16, or a slice has another length than its shape.
#[track_caller]
pub(crate) fn weight_grad(
    isa: Isa,
    tile: Tile,
    s: &Conv2dShape,
    x: &[f32],
    dy: &[f32],
    dw: &mut [f32],
) {
    s.check([x.len(), dw.len(), dy.len()]);
    check(s);
    weight_grad::run(isa, tile, s, x, dy, dw);
}

#[track_caller]
fn convolve(right: Right, s: &Conv2dShape, x: &[f32], fusion: &Fusion, y: &mut [f32]) {
    check(s);
    assert_eq!(right.channels(), [s.o, s.c], "channels of the weight for {s:?}");
    fusion.check(s, x, y);
    forward::run(right, s, x, fusion, y);
}

#[track_caller]
fn check(s: &Conv2dShape) {
    assert!(
        s.kernel == [3, 3] && s.stride == 1 && s.padding == [1; 4],
        "no Winograd convolution of {s:?}"
    );
}

#[cfg(test)]
mod tests;
