//! EfficientNet-Lite0 (Tan & Le, arXiv:1905.11946, without squeeze-and-excitation and with
//! ReLU6): a small network that was trained on ImageNet.

use aquatint_nn::{BatchNorm2d, Conv2d, Init, Module, Param};
use aquatint_tensor::{Conv2dOptions, Precision, Tensor};

/// ε of every normalization.
const EPS: f32 = 1e-3;
/// Channels of the first convolution and of the last.
const ENDS: [usize; 2] = [32, 1280];
/// Blocks, kernel, step, widening, channels.
const STAGES: [[usize; 5]; 7] = [
    [1, 3, 1, 1, 16],
    [2, 3, 2, 6, 24],
    [2, 5, 2, 6, 40],
    [3, 3, 2, 6, 80],
    [3, 5, 1, 6, 112],
    [4, 5, 2, 6, 192],
    [1, 3, 1, 6, 320],
];
/// The last blocks at each resolution: 1/2, 1/4, 1/8, 1/16, 1/32 of the picture's.
const TAPS: [usize; 5] = [0, 2, 4, 10, 15];

/// The weights, with the names of the published PyTorch file.
#[derive(Clone, Debug, Module)]
pub struct EfficientNetLite0 {
    #[module(name = "_conv_stem")]
    stem: Conv2d,
    #[module(name = "_bn0")]
    stem_norm: BatchNorm2d,
    #[module(name = "_blocks")]
    blocks: Vec<Block>,
    #[module(name = "_conv_head")]
    head: Conv2d,
    #[module(name = "_bn1")]
    head_norm: BatchNorm2d,
}

/// Widen, look around in each channel, narrow.
#[derive(Clone, Debug, Module)]
struct Block {
    #[module(name = "_expand_conv")]
    expand: Option<Conv2d>,
    #[module(name = "_bn0")]
    expand_norm: Option<BatchNorm2d>,
    #[module(name = "_depthwise_conv.weight")]
    depthwise: Param,
    #[module(name = "_bn1")]
    depthwise_norm: BatchNorm2d,
    #[module(name = "_project_conv")]
    project: Conv2d,
    #[module(name = "_bn2")]
    project_norm: BatchNorm2d,
    #[module(skip)]
    stride: usize,
}

impl Default for EfficientNetLite0 {
    fn default() -> Self {
        let [first, last] = ENDS;
        let options = Conv2dOptions { stride: 2, padding: [0; 4] };
        let mut inputs = first;
        let mut blocks = Vec::new();
        for [count, kernel, stride, widening, outputs] in STAGES {
            for i in 0..count {
                let step = if i == 0 { stride } else { 1 };
                blocks.push(Block::new(inputs, outputs, kernel, step, widening));
                inputs = outputs;
            }
        }
        Self {
            stem: Conv2d::new(3, first, 3, options).without_bias(),
            stem_norm: BatchNorm2d::new(first, EPS),
            blocks,
            head: Conv2d::pointwise(inputs, last).without_bias(),
            head_norm: BatchNorm2d::new(last, EPS),
        }
    }
}

impl Block {
    fn new(inputs: usize, outputs: usize, kernel: usize, stride: usize, widening: usize) -> Self {
        let wide = inputs * widening;
        let expands = widening > 1;
        let init = Init::kaiming_uniform(kernel * kernel);
        Self {
            expand: expands.then(|| Conv2d::pointwise(inputs, wide).without_bias()),
            expand_norm: expands.then(|| BatchNorm2d::new(wide, EPS)),
            depthwise: Param::new(&[wide, 1, kernel, kernel], init),
            depthwise_norm: BatchNorm2d::new(wide, EPS),
            project: Conv2d::pointwise(wide, outputs).without_bias(),
            project_norm: BatchNorm2d::new(outputs, EPS),
            stride,
        }
    }
}

impl EfficientNetLite0 {
    /// The network without its weights.
    pub fn new() -> Self {
        Self::default()
    }

    /// The network in inference: every normalization becomes part of the convolution before it.
    pub fn folded(&self) -> Folded {
        let blocks = self.blocks.iter().map(|block| FoldedBlock {
            expand: block.expand.as_ref().zip(block.expand_norm.as_ref()).map(fold),
            depthwise: fold_into(&block.depthwise, &block.depthwise_norm),
            project: fold((&block.project, &block.project_norm)),
            stride: block.stride,
        });
        Folded {
            stem: fold((&self.stem, &self.stem_norm)),
            blocks: blocks.collect(),
            head: fold((&self.head, &self.head_norm)),
        }
    }
}

/// Weight and bias of a convolution and the normalization after it.
type Layer = [Tensor; 2];

fn fold((conv, norm): (&Conv2d, &BatchNorm2d)) -> Layer {
    fold_into(&conv.weight, norm)
}

fn fold_into(weight: &Param, norm: &BatchNorm2d) -> Layer {
    let [scale, shift] = norm.scale_and_shift();
    let channels = scale.len();
    [weight.value().detach().scale_per_picture(&scale), Tensor::new(shift, &[channels])]
}

/// [`EfficientNetLite0`] in inference. Gradients flow to its input only.
#[derive(Clone, Debug)]
pub struct Folded {
    stem: Layer,
    blocks: Vec<FoldedBlock>,
    head: Layer,
}

#[derive(Clone, Debug)]
struct FoldedBlock {
    expand: Option<Layer>,
    depthwise: Layer,
    project: Layer,
    stride: usize,
}

impl Folded {
    /// Width and height of the pictures that it was trained on.
    pub const SIZE: usize = 224;
    /// Numbers that [`Self::pooled`] says of a picture.
    pub const FEATURES: usize = ENDS[1];

    /// Chooses the precision of products.
    pub fn set_precision(&mut self, precision: Precision) {
        for layer in self.layers_mut() {
            layer[0] = layer[0].clone().with_precision(precision);
        }
    }

    fn layers_mut(&mut self) -> impl Iterator<Item = &mut Layer> {
        let blocks = self.blocks.iter_mut().flat_map(|block| {
            block.expand.iter_mut().chain([&mut block.depthwise, &mut block.project])
        });
        [&mut self.stem].into_iter().chain(blocks).chain([&mut self.head])
    }

    /// All weights and biases.
    pub(super) fn tensors(&self) -> Vec<&Tensor> {
        let mut layers = vec![&self.stem];
        for block in &self.blocks {
            layers.extend(block.expand.iter().chain([&block.depthwise, &block.project]));
        }
        layers.push(&self.head);
        layers.into_iter().flatten().collect()
    }

    /// The five maps at 1/2 to 1/32 of the picture's resolution, of 16, 24, 40, 112 and 320
    /// channels. image `[N, H, W, 3]` in [−1, 1].
    #[track_caller]
    pub fn maps(&self, image: &Tensor) -> Vec<Tensor> {
        let mut x = self.enter(image);
        let mut maps = Vec::with_capacity(TAPS.len());
        for (i, block) in self.blocks.iter().enumerate() {
            x = block.forward(&x);
            if TAPS.contains(&i) {
                maps.push(x.clone());
            }
        }
        maps
    }

    /// What the classifier sees of each picture: the means of the last map. image `[N, H, W, 3]` in
    /// [−1, 1], of any size, brought to 224×224 → `[N, 1280]`.
    #[track_caller]
    pub fn pooled(&self, image: &Tensor) -> Tensor {
        let image = super::resize::bilinear(image, [Self::SIZE; 2]);
        let x = self.blocks.iter().fold(self.enter(&image), |x, block| block.forward(&x));
        pointwise(&x, &self.head).clamp(0.0, 6.0).mean_per_picture()
    }

    /// Bytes as TensorFlow's network took them, (byte − 127) / 128, and the first convolution.
    fn enter(&self, image: &Tensor) -> Tensor {
        let x = image.scale(127.5 / 128.0).add_scalar(0.5 / 128.0);
        let [weight, bias] = &self.stem;
        x.conv2d(weight, Some(bias), same(&x, 3, 2)).clamp(0.0, 6.0)
    }
}

impl FoldedBlock {
    fn forward(&self, x: &Tensor) -> Tensor {
        let mut y = match &self.expand {
            Some(layer) => pointwise(x, layer).clamp(0.0, 6.0),
            None => x.clone(),
        };
        let [weight, bias] = &self.depthwise;
        let options = same(&y, weight.dim(2), self.stride);
        y = y.depthwise_conv2d(weight, Some(bias), options).clamp(0.0, 6.0);
        y = pointwise(&y, &self.project);
        if y.shape() == x.shape() { y.add(x) } else { y }
    }
}

fn pointwise(x: &Tensor, [weight, bias]: &Layer) -> Tensor {
    x.conv2d(weight, Some(bias), Conv2dOptions::same(1))
}

/// TensorFlow's "SAME": as many zeros as make the result the input's size over the step, the odd
/// one below and to the right.
fn same(x: &Tensor, kernel: usize, stride: usize) -> Conv2dOptions {
    let both = |size: usize| {
        let all = ((size.div_ceil(stride) - 1) * stride + kernel).saturating_sub(size);
        [all / 2, all - all / 2]
    };
    let ([top, bottom], [left, right]) = (both(x.dim(1)), both(x.dim(2)));
    Conv2dOptions { stride, padding: [top, bottom, left, right] }
}

#[cfg(test)]
mod tests {
    use aquatint_nn::ModuleExt;

    use super::*;

    #[test]
    fn the_odd_zero_is_below_and_to_the_right() {
        let x = Tensor::zeros(&[1, 224, 15, 1]);
        assert_eq!(same(&x, 3, 2).padding, [0, 1, 1, 1]);
        assert_eq!(same(&x, 5, 2).padding, [1, 2, 2, 2]);
        assert_eq!(same(&x, 5, 1).padding, [2; 4]);
        assert_eq!(same(&x, 1, 2).padding, [0; 4]);
    }

    #[test]
    fn sizes_of_the_maps() {
        let mut network = EfficientNetLite0::new();
        network.init(1);
        let maps = network.folded().maps(&Tensor::zeros(&[1, 48, 36, 3]));
        let shapes: Vec<&[usize]> = maps.iter().map(Tensor::shape).collect();
        let expected =
            [[1, 24, 18, 16], [1, 12, 9, 24], [1, 6, 5, 40], [1, 3, 3, 112], [1, 2, 2, 320]];
        assert_eq!(shapes, expected);
        // The published file has 4,652,008: these, 1000 × 1281 of the classifier; moments aside.
        let (mut all, mut moments) = (0, 0);
        network.visit("", &mut |name, param| {
            *if name.contains("running") { &mut moments } else { &mut all } += param.count();
        });
        assert_eq!((all + 1000 * 1281, moments), (4_652_008, 42_016));
    }
}
