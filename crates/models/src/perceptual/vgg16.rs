//! The convolutions of VGG16 (Simonyan & Zisserman, arXiv:1409.1556, table 1, column D).

use aquatint_nn::{Conv2d, Module, Param, join};
use aquatint_tensor::Tensor;

/// Channels of the convolutions of each stage; a pooling is between two stages.
const STAGES: [&[usize]; 5] = [&[1, 1], &[2, 2], &[4, 4, 4], &[8, 8, 8], &[8, 8, 8]];

/// VGG16 up to its last convolution, with torchvision's names: `features.0.weight`, …
#[derive(Clone, Debug)]
pub struct Vgg16 {
    /// Each with its number in torchvision's list, where rectifiers and poolings count too.
    stages: [Vec<(usize, Conv2d)>; 5],
}

impl Vgg16 {
    /// The network without its weights. `width` is the channels of the first stage: 64 in the
    /// published one.
    pub fn new(width: usize) -> Self {
        let (mut inputs, mut number) = (3, 0);
        let stages = STAGES.map(|factors| {
            let convs = factors
                .iter()
                .map(|factor| {
                    let conv = (number, Conv2d::same3(inputs, factor * width));
                    (inputs, number) = (factor * width, number + 2);
                    conv
                })
                .collect();
            number += 1;
            convs
        });
        Self { stages }
    }

    /// The channels of the five maps.
    pub fn channels(width: usize) -> [usize; 5] {
        STAGES.map(|factors| factors[0] * width)
    }

    /// How often the two sides of a picture are halved before the last map.
    pub const HALVINGS: u32 = 4;

    /// x `[N, H, W, 3]`, as ImageNet's pictures are normalized → what the last rectifier of each
    /// stage says (relu1_2, relu2_2, relu3_3, relu4_3, relu5_3), `[N, H/2ⁱ, W/2ⁱ, C]`.
    #[track_caller]
    pub fn forward(&self, x: &Tensor) -> [Tensor; 5] {
        let mut x = x.clone();
        let mut first = true;
        self.stages.each_ref().map(|convs| {
            if !std::mem::take(&mut first) {
                x = x.max_pool2();
            }
            for (_, conv) in convs {
                x = conv.forward(&x).leaky_relu(0.0);
            }
            x.clone()
        })
    }
}

impl Module for Vgg16 {
    fn visit<'a>(&'a self, path: &str, f: &mut dyn FnMut(&str, &'a Param)) {
        for (number, conv) in self.stages.iter().flatten() {
            conv.visit(&join(path, &format!("features.{number}")), f);
        }
    }

    fn visit_mut<'a>(&'a mut self, path: &str, f: &mut dyn FnMut(&str, &'a mut Param)) {
        for (number, conv) in self.stages.iter_mut().flatten() {
            conv.visit_mut(&join(path, &format!("features.{number}")), f);
        }
    }
}

#[cfg(test)]
mod tests {
    use aquatint_nn::ModuleExt;

    use super::*;

    #[test]
    fn names_and_sizes_of_torchvision() {
        let vgg = Vgg16::new(64);
        assert_eq!(vgg.parameter_count(), 14_714_688);
        let names: Vec<String> = vgg.named_parameters().into_iter().map(|(name, _)| name).collect();
        assert_eq!((names.len(), names[0].as_str()), (26, "features.0.weight"));
        assert_eq!(names[25], "features.28.bias");
        assert_eq!(Vgg16::channels(64), [64, 128, 256, 512, 512]);
    }
}
