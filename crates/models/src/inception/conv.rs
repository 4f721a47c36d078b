//! A convolution with batch normalization and a rectifier.

use std::sync::OnceLock;

use aquatint_nn::{Init, Module, Param};
use aquatint_tensor::{Conv2dOptions, Tensor, Use};

/// ε of every batch normalization.
const EPS: f64 = 1e-3;

#[derive(Clone, Debug, Module)]
struct Convolution {
    weight: Param,
}

#[derive(Clone, Debug, Module)]
struct BatchNorm {
    weight: Param,
    bias: Param,
    running_mean: Param,
    running_var: Param,
}

/// ReLU(γ·(conv(x) − μ)/√(σ² + ε) + β): all but the rectifier is one convolution
/// (Ioffe and Szegedy 2015, Algorithm 2), which is made on the first use.
#[derive(Debug, Module)]
pub(super) struct BasicConv2d {
    conv: Convolution,
    bn: BatchNorm,
    #[module(skip)]
    options: Conv2dOptions,
    #[module(skip)]
    folded: OnceLock<[Tensor; 2]>,
}

impl BasicConv2d {
    /// A kernel of this height and width, with zeros that keep the size of the picture.
    pub fn same(inputs: usize, outputs: usize, [kh, kw]: [usize; 2]) -> Self {
        let padding = [kh / 2, kh / 2, kw / 2, kw / 2];
        Self::new(inputs, outputs, [kh, kw], Conv2dOptions { stride: 1, padding })
    }

    /// A square kernel inside the picture.
    pub fn inside(inputs: usize, outputs: usize, kernel: usize, stride: usize) -> Self {
        let options = Conv2dOptions { stride, padding: [0; 4] };
        Self::new(inputs, outputs, [kernel; 2], options)
    }

    fn new(inputs: usize, outputs: usize, [kh, kw]: [usize; 2], options: Conv2dOptions) -> Self {
        let init = Init::kaiming_uniform(inputs * kh * kw);
        let channels = |init| Param::new(&[outputs], init);
        Self {
            conv: Convolution { weight: Param::new(&[outputs, inputs, kh, kw], init) },
            bn: BatchNorm {
                weight: channels(Init::Ones),
                bias: channels(Init::Zeros),
                running_mean: channels(Init::Zeros),
                running_var: channels(Init::Ones),
            },
            options,
            folded: OnceLock::new(),
        }
    }

    /// x `[N, H, W, inputs]` → `[N, H', W', outputs]`, without a gradient.
    #[track_caller]
    pub fn forward(&self, x: &Tensor) -> Tensor {
        let [weight, bias] = self.folded.get_or_init(|| self.fold());
        x.conv2d(weight, Some(bias), self.options).clamp(0.0, f32::INFINITY)
    }

    /// The one convolution that this is: its weight and its bias.
    fn fold(&self) -> [Tensor; 2] {
        let BatchNorm { weight, bias, running_mean, running_var } = &self.bn;
        let numbers = |param: &Param| param.value().to_vec();
        let (gamma, beta) = (numbers(weight), numbers(bias));
        let (mean, variance) = (numbers(running_mean), numbers(running_var));
        let scale = |o: usize| f64::from(gamma[o]) / (f64::from(variance[o]) + EPS).sqrt();
        let mut kernels = numbers(&self.conv.weight);
        let shape = self.conv.weight.shape();
        for (o, kernel) in kernels.chunks_exact_mut(shape[1..].iter().product()).enumerate() {
            let scale = scale(o);
            kernel.iter_mut().for_each(|w| *w = (f64::from(*w) * scale) as f32);
        }
        let bias = |o: usize| (f64::from(beta[o]) - f64::from(mean[o]) * scale(o)) as f32;
        // Not as one that keeps the size: Winograd's convolution rounds ten times as much.
        let weight = Tensor::new(kernels, shape).prepared(Use::Conv2d);
        [weight, Tensor::from_fn(&[shape[0]], bias)]
    }
}
