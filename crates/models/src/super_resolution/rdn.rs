//! The residual dense network (Zhang et al. 2018, "Residual dense network for image
//! super-resolution", section 3) as idealo's image-super-resolution builds it, whose trained
//! weights the `@upscalerjs/esrgan-*` packages carry.

use aquatint_nn::{Conv2d, Module, Param, join};
use aquatint_tensor::Tensor;

use super::conv;

/// Channels between the first two of the three convolutions before the picture is enlarged, and
/// between the last two.
const UP: [usize; 2] = [64, 32];

/// The configuration, with the paper's letters.
#[derive(Clone, Debug, PartialEq)]
pub struct ResidualDenseConfig {
    /// G₀: channels.
    pub features: usize,
    /// G: channels that each convolution of a block adds.
    pub growth: usize,
    /// C: such convolutions of a block.
    pub layers: usize,
    /// D: blocks.
    pub blocks: usize,
    /// How many times larger the result is in both directions.
    pub scale: usize,
}

impl ResidualDenseConfig {
    /// How far a pixel sees: see [`SuperResolution::radius`](super::SuperResolution::radius).
    pub fn radius(&self) -> usize {
        // Shallow features, dense layers, fusion, 5×5, two 3×3, and one of the larger picture.
        2 + self.blocks * self.layers + 1 + 2 + 1 + 1 + 1
    }
}

/// The network. Numbers are bytes, 0 to 255, on both sides.
#[derive(Clone, Debug)]
pub struct ResidualDenseNetwork {
    shallow: [Conv2d; 2],
    blocks: Vec<Block>,
    /// GFF: a 1×1 convolution of what all blocks made, and a 3×3.
    fusion: [Conv2d; 2],
    up: [Conv2d; 3],
    result: Conv2d,
    config: ResidualDenseConfig,
}

#[derive(Clone, Debug)]
struct Block {
    dense: Vec<Conv2d>,
    /// LFF: a 1×1 convolution of all.
    fusion: Conv2d,
}

impl ResidualDenseNetwork {
    /// The network without its weights.
    pub fn new(config: &ResidualDenseConfig) -> Self {
        let &ResidualDenseConfig { features, growth, layers, blocks, scale } = config;
        let block = |_| Block {
            dense: (0..layers).map(|c| conv(features + c * growth, growth, 3)).collect(),
            fusion: conv(features + layers * growth, features, 1),
        };
        let shuffled = 3 * scale * scale;
        Self {
            shallow: [conv(3, features, 3), conv(features, features, 3)],
            blocks: (0..blocks).map(block).collect(),
            fusion: [conv(blocks * features, features, 1), conv(features, features, 3)],
            up: [conv(features, UP[0], 5), conv(UP[0], UP[1], 3), conv(UP[1], shuffled, 3)],
            result: conv(shuffled, 3, 3),
            config: config.clone(),
        }
    }

    /// What it was built from.
    pub fn config(&self) -> &ResidualDenseConfig {
        &self.config
    }

    /// x `[N, H, W, 3]` in [0, 255] → `[N, scale·H, scale·W, 3]`.
    #[track_caller]
    pub fn forward(&self, x: &Tensor) -> Tensor {
        let shallow = self.shallow[0].forward(x);
        let mut x = self.shallow[1].forward(&shallow);
        let mut all: Option<Tensor> = None;
        for Block { dense, fusion } in &self.blocks {
            let mut seen = x.clone();
            for conv in dense {
                seen = Tensor::cat([&seen, &conv.forward(&seen).leaky_relu(0.0)]);
            }
            x = fusion.forward(&seen).add(&x);
            all = Some(match all {
                None => x.clone(),
                Some(all) => Tensor::cat([&all, &x]),
            });
        }
        let all = all.expect("there is a block");
        let mut x = self.fusion[1].forward(&self.fusion[0].forward(&all)).add(&shallow);
        drop((all, shallow));
        for conv in &self.up[..2] {
            x = conv.forward(&x).leaky_relu(0.0);
        }
        let x = self.up[2].forward(&x);
        self.result.forward(&x.upsample_nearest(self.config.scale))
    }

    /// Every layer under the name that it has in idealo's files.
    fn layers(&self) -> Vec<(String, &Conv2d)> {
        let mut layers = Vec::new();
        let mut add = |name: &str, conv| layers.push((name.to_owned(), conv));
        add("F_m1", &self.shallow[0]);
        add("F_0", &self.shallow[1]);
        for (d, block) in self.blocks.iter().enumerate() {
            for (c, conv) in block.dense.iter().enumerate() {
                add(&format!("F_{}_{}", d + 1, c + 1), conv);
            }
            add(&format!("LFF_{}", d + 1), &block.fusion);
        }
        add("GFF_1", &self.fusion[0]);
        add("GFF_2", &self.fusion[1]);
        self.up.iter().enumerate().for_each(|(i, conv)| add(&format!("UPN{}", i + 1), conv));
        add("SR", &self.result);
        layers
    }
}

impl Module for ResidualDenseNetwork {
    fn visit<'a>(&'a self, path: &str, f: &mut dyn FnMut(&str, &'a Param)) {
        for (name, conv) in self.layers() {
            conv.visit(&join(path, &name), f);
        }
    }

    fn visit_mut<'a>(&'a mut self, path: &str, f: &mut dyn FnMut(&str, &'a mut Param)) {
        let names: Vec<String> = self.layers().into_iter().map(|(name, _)| name).collect();
        let Self { shallow, blocks, fusion, up, result, .. } = self;
        let dense = blocks
            .iter_mut()
            .flat_map(|block| block.dense.iter_mut().chain(std::iter::once(&mut block.fusion)));
        let convs = shallow.iter_mut().chain(dense).chain(fusion).chain(up);
        for (name, conv) in names.iter().zip(convs.chain(std::iter::once(result))) {
            conv.visit_mut(&join(path, name), f);
        }
    }
}
