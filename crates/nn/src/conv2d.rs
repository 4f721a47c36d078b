//! Convolution layer.

use aquatint_tensor::{Conv2dFusion, Conv2dOptions, Tensor, Use};

use crate::{Bias, GroupNorm, Init, Module, Param};

/// 2-D convolution with a square kernel.
#[derive(Clone, Debug, Module)]
pub struct Conv2d {
    /// `[out, in, kernel, kernel]`
    pub weight: Param,
    /// `[out]`
    pub bias: Option<Param>,
    #[module(skip)]
    options: Conv2dOptions,
}

impl Conv2d {
    /// A convolution from `inputs` to `outputs` channels, with a bias.
    pub fn new(inputs: usize, outputs: usize, kernel: usize, options: Conv2dOptions) -> Self {
        let init = Init::kaiming_uniform(inputs * kernel * kernel);
        let same = kernel == 3 && options == Conv2dOptions::same(3);
        let used = if same { Use::Conv2dSame } else { Use::Conv2d };
        let weight = Param::new(&[outputs, inputs, kernel, kernel], init).used_as(used);
        Self { weight, bias: Bias::Yes.param(outputs, init), options }
    }

    /// A 3×3 convolution that keeps the size of the picture.
    pub fn same3(inputs: usize, outputs: usize) -> Self {
        Self::new(inputs, outputs, 3, Conv2dOptions::same(3))
    }

    /// A 1×1 convolution: a linear map at every pixel.
    pub fn pointwise(inputs: usize, outputs: usize) -> Self {
        Self::new(inputs, outputs, 1, Conv2dOptions::same(1))
    }

    /// The same convolution without a bias.
    pub fn without_bias(mut self) -> Self {
        self.bias = None;
        self
    }

    /// The same convolution with smaller rounding errors in bf16, for a layer whose errors weigh
    /// more than others'. Slower, if it keeps the size of the picture.
    pub fn finely_rounded(mut self) -> Self {
        if self.weight.used() == Use::Conv2dSame {
            self.weight = self.weight.used_as(Use::Conv2dSameFine);
        }
        self
    }

    /// The same layer whose weight begins as `init`, and whose bias begins at zero.
    pub fn with_init(mut self, init: Init) -> Self {
        self.weight.set_init(init);
        self.bias.iter_mut().for_each(|bias| bias.set_init(Init::Zeros));
        self
    }

    /// x `[N, H, W, in]` → `[N, H', W', out]`.
    #[track_caller]
    pub fn forward(&self, x: &Tensor) -> Tensor {
        if self.weight.beside().is_some() {
            return self.forward_fused(x, &Fused::default());
        }
        let bias = self.bias.as_ref().map(Param::value);
        x.conv2d(self.weight.value(), bias, self.options)
    }

    /// The same of what `fused` makes of x, plus what it adds:
    /// `conv(upsample(silu(norm(x)))) + per_picture + residual`, all at once in inference.
    #[track_caller]
    pub fn forward_fused(&self, x: &Tensor, fused: &Fused) -> Tensor {
        let &Fused { norm, upsample, per_picture, residual } = fused;
        let norm_silu = norm.map(GroupNorm::weights);
        let fusion = Conv2dFusion { norm_silu, upsample, per_picture, residual };
        self.weight.conv2d_fused(self.bias.as_ref(), x, self.options, &fusion)
    }
}

/// What stands before and after a convolution, each if there is one: see
/// [`Conv2d::forward_fused`].
#[derive(Clone, Copy, Debug, Default)]
pub struct Fused<'a> {
    /// Normalizes the input, and SiLU follows.
    pub norm: Option<&'a GroupNorm>,
    /// The height and width to double it to then, or one less than double, by repeating pixels.
    pub upsample: Option<[usize; 2]>,
    /// `[N, out]`, added to every pixel of a picture.
    pub per_picture: Option<&'a Tensor>,
    /// `[N, H', W', out]`, added last.
    pub residual: Option<&'a Tensor>,
}
