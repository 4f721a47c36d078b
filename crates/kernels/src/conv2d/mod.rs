//! 2-D convolution on channels-last rows, forward and both gradients.

use crate::cpu::{self, Isa};
use crate::gemm::packed::Packed;
use crate::watch::{self, Call, Products, Work};
use crate::{Precision, gemm};

mod forward;
mod fusion;
mod input_grad;
mod pixel_pairs;
pub mod reference;
mod training;
mod weight_grad;
mod windows;
mod winograd;

pub use fusion::{Activation, Fusion};
pub use training::{conv2d_trained, conv2d_trained_input_grad, conv2d_trained_weight_grad};
pub(crate) use winograd::conv2d_winograd_packed;
pub use winograd::{Tile, WinogradWeight, conv2d_winograd, conv2d_winograd_fused};
#[cfg(test)]
pub(crate) use winograd::{
    input_grad as winograd_input_grad, once as winograd_once, weight_grad as winograd_weight_grad,
};

/// The sizes of a convolution: x `[n, h, w, c]`, weight `[o, c, kh, kw]`, y `[n, oh, ow, o]`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Conv2dShape {
    /// Pictures.
    pub n: usize,
    /// Input height.
    pub h: usize,
    /// Input width.
    pub w: usize,
    /// Input channels.
    pub c: usize,
    /// Output channels.
    pub o: usize,
    /// Kernel height and width.
    pub kernel: [usize; 2],
    /// Step in both directions.
    pub stride: usize,
    /// Zeros around the input: top, bottom, left, right.
    pub padding: [usize; 4],
}

impl Conv2dShape {
    /// Output height and width.
    ///
    /// # Panics
    /// If the kernel is larger than the padded input.
    #[track_caller]
    pub fn output(&self) -> [usize; 2] {
        let [top, bottom, left, right] = self.padding;
        let (height, width) = (self.h + top + bottom, self.w + left + right);
        assert!(height >= self.kernel[0] && width >= self.kernel[1], "no output for {self:?}");
        [(height - self.kernel[0]) / self.stride + 1, (width - self.kernel[1]) / self.stride + 1]
    }

    /// What a call of the forward pass is, computed by `kernel`.
    pub(crate) fn call(&self, kernel: &'static str, products: Products) -> Call {
        let &Self { n, h, w, c, o, kernel: [kh, kw], stride, .. } = self;
        let [oh, ow] = self.output();
        let step = if stride == 1 { String::new() } else { format!(" by {stride}") };
        Call {
            kernel,
            sizes: format!("{kh}x{kw}{step}, {n}x{h}x{w}, {c} to {o}"),
            work: Work::Operations(products, (2 * n * oh * ow * o * c * kh * kw) as u64),
        }
    }

    /// Elements of x, w and y.
    #[track_caller]
    fn lengths(&self) -> [usize; 3] {
        let ([oh, ow], [kh, kw]) = (self.output(), self.kernel);
        // A product that wraps around would let a short slice pass.
        let product = |sizes: [usize; 4]| sizes.into_iter().try_fold(1, usize::checked_mul);
        [[self.n, self.h, self.w, self.c], [self.o, self.c, kh, kw], [self.n, oh, ow, self.o]]
            .map(|sizes| product(sizes).unwrap_or_else(|| panic!("too many elements: {self:?}")))
    }

    /// Positions in the kernel.
    fn taps(&self) -> usize {
        self.kernel[0] * self.kernel[1]
    }

    /// Whether the convolution is a product of matrices: pixels as rows, as they lie.
    fn is_linear(&self) -> bool {
        self.kernel == [1, 1] && self.stride == 1 && self.padding == [0; 4]
    }

    /// The sizes of that product.
    fn linear(&self) -> [usize; 3] {
        [self.n * self.h * self.w, self.c, self.o]
    }

    /// Panics unless the slices have the lengths of `[x, w, y]`.
    #[track_caller]
    fn check(&self, lengths: [usize; 3]) {
        assert_eq!(lengths, self.lengths(), "elements of x, w, y for {self:?}");
    }
}

/// `y = conv2d(x, w) + bias`.
///
/// # Panics
/// If a slice has another length than its shape.
#[track_caller]
pub fn conv2d(
    precision: Precision,
    s: &Conv2dShape,
    x: &[f32],
    w: &[f32],
    bias: Option<&[f32]>,
    y: &mut [f32],
) {
    s.check([x.len(), w.len(), y.len()]);
    if let Some(bias) = bias {
        assert_eq!(bias.len(), s.o, "elements of the bias for {s:?}");
    }
    let _call = watch::call(|| s.call("convolution", precision.into()));
    if s.is_linear() {
        return gemm::linear(precision, x, w, bias, y, s.linear());
    }
    forward::run(cpu::isa(), precision, s, x, w, bias, y);
}

/// The convolution with a packed weight.
#[track_caller]
pub(crate) fn conv2d_packed(
    packed: &Packed,
    s: &Conv2dShape,
    x: &[f32],
    fusion: &Fusion,
    y: &mut [f32],
) {
    let Packed { isa, precision, shape, .. } = *packed;
    assert_eq!(shape, [s.o, s.c, s.taps()], "weight for {s:?}");
    fusion.unfused(isa, s, x, y, |x, y| {
        if s.is_linear() {
            gemm::linear::forward_with(isa, precision, x, packed, fusion.bias, y, s.linear());
        } else {
            forward::run_with(isa, precision, s, x, packed, fusion.bias, y);
        }
    });
}

/// The gradient of the input, from that of the output.
///
/// # Panics
/// If a slice has another length than its shape.
#[track_caller]
pub fn conv2d_input_grad(
    precision: Precision,
    s: &Conv2dShape,
    dy: &[f32],
    w: &[f32],
    dx: &mut [f32],
) {
    s.check([dx.len(), w.len(), dy.len()]);
    if s.is_linear() {
        return gemm::linear_input_grad(precision, dy, w, dx, s.linear());
    }
    input_grad::run(cpu::isa(), precision, s, dy, w, dx);
}

/// The gradient of the weight `[o, c, kh, kw]`, from that of the output.
///
/// # Panics
/// If a slice has another length than its shape.
#[track_caller]
pub fn conv2d_weight_grad(
    precision: Precision,
    s: &Conv2dShape,
    x: &[f32],
    dy: &[f32],
    dw: &mut [f32],
) {
    s.check([x.len(), dw.len(), dy.len()]);
    if s.is_linear() {
        return gemm::linear_weight_grad(precision, x, dy, dw, s.linear());
    }
    weight_grad::run(cpu::isa(), precision, s, x, dy, dw);
}

#[cfg(test)]
mod tests;
