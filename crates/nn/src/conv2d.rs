//! Convolution layer.

use aquatint_tensor::{Conv2dOptions, Tensor, Use};

use crate::{Bias, Init, Module, Param};

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

    /// The same layer whose weight begins as `init`, and whose bias begins at zero.
    pub fn with_init(mut self, init: Init) -> Self {
        self.weight.set_init(init);
        self.bias.iter_mut().for_each(|bias| bias.set_init(Init::Zeros));
        self
    }

    /// x `[N, H, W, in]` → `[N, H', W', out]`.
    #[track_caller]
    pub fn forward(&self, x: &Tensor) -> Tensor {
        let bias = self.bias.as_ref().map(Param::value);
        x.conv2d(self.weight.value(), bias, self.options)
    }
}
