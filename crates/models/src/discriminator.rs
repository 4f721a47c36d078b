//! The judge of patches against which autoencoders are trained (Isola et al., arXiv:1611.07004,
//! section 3.2.2; Esser et al. 2021; Rombach et al. 2022, appendix G.1).

use aquatint_nn::{BatchNorm2d, Conv2d, Init, Module, ModuleExt, Param, join};
use aquatint_tensor::{Conv2dOptions, Tensor};

/// What is below zero is multiplied by this.
const SLOPE: f32 = 0.2;
/// Deviation of the first weights.
const STD: f32 = 0.02;
/// ε of the normalizations.
const EPS: f32 = 1e-5;
/// The most times that the channels of the first layer grow.
const MOST: usize = 8;

/// pix2pix's `NLayerDiscriminator`, with its names (`main.0.weight`, …): a number for each of
/// overlapping patches, larger the more it looks like one of a true picture.
#[derive(Clone, Debug)]
pub struct PatchDiscriminator {
    /// Each with its number in PyTorch's list, where rectifiers count too. The first and the last
    /// convolution have no normalization.
    layers: Vec<(usize, Conv2d, Option<BatchNorm2d>)>,
}

impl PatchDiscriminator {
    /// The network without its weights: one convolution more than `layers` with normalization
    /// between two without, the first with `channels` channels.
    ///
    /// # Panics
    /// If there are to be none.
    #[track_caller]
    pub fn new(channels: usize, layers: usize) -> Self {
        assert!(channels > 0 && layers > 0, "{layers} layers of {channels} channels");
        let width = |i: usize| channels * MOST.min(1 << i.min(MOST));
        let conv = |inputs, outputs, stride| {
            Conv2d::new(inputs, outputs, 4, Conv2dOptions { stride, padding: [1; 4] })
        };
        let with_init = |mut conv: Conv2d| {
            conv.weight.set_init(Init::Normal(STD));
            conv
        };
        let mut all = vec![(0, with_init(conv(3, channels, 2)), None)];
        for i in 1..=layers {
            let stride = if i == layers { 1 } else { 2 };
            let conv = with_init(conv(width(i - 1), width(i), stride)).without_bias();
            let mut norm = BatchNorm2d::new(width(i), EPS);
            norm.weight.set_init(Init::Normal(STD));
            all.push((3 * i - 1, conv, Some(norm)));
        }
        all.push((3 * layers + 2, with_init(conv(width(layers), 1, 1)), None));
        Self { layers: all }
    }

    /// Draws the first weights: convolutions around 0, normalizations around 1.
    pub fn draw(&mut self, seed: u64) {
        self.init(seed);
        for norm in self.layers.iter_mut().filter_map(|(_, _, norm)| norm.as_mut()) {
            let weight = norm.weight.value().detach().add_scalar(1.0);
            norm.weight.set(weight);
        }
    }

    /// The least width and height of a picture that has a patch, with so many layers.
    pub fn smallest(layers: usize) -> usize {
        3 << layers.min(32)
    }

    /// image `[N, H, W, 3]` in [−1, 1] → a number for each patch, `[N, h, w, 1]`. Normalizes by the
    /// moments of the batch, as in training.
    #[track_caller]
    pub fn forward(&self, image: &Tensor) -> Tensor {
        self.forward_with(image, &mut |_, _| {})
    }

    /// [`Self::forward`] that adds the moments of the batch to the running ones.
    #[track_caller]
    pub fn forward_observed(&mut self, image: &Tensor) -> Tensor {
        let mut seen = Vec::new();
        let patches = self.forward_with(image, &mut |i, x| seen.push((i, x.detach())));
        for (i, x) in seen {
            self.layers[i].2.iter_mut().for_each(|norm| norm.observe(&x));
        }
        patches
    }

    /// Shows the input of each normalization, with the number of its layer.
    fn forward_with(&self, image: &Tensor, probe: &mut dyn FnMut(usize, &Tensor)) -> Tensor {
        let mut x = image.clone();
        for (i, (_, conv, norm)) in self.layers.iter().enumerate() {
            x = conv.forward(&x);
            if let Some(norm) = norm {
                probe(i, &x);
                x = norm.forward_batch(&x);
            }
            if i + 1 < self.layers.len() {
                x = x.leaky_relu(SLOPE);
            }
        }
        x
    }
}

impl Module for PatchDiscriminator {
    fn visit<'a>(&'a self, path: &str, f: &mut dyn FnMut(&str, &'a Param)) {
        for (number, conv, norm) in &self.layers {
            conv.visit(&join(path, &format!("main.{number}")), f);
            norm.visit(&join(path, &format!("main.{}", *number + 1)), f);
        }
    }

    fn visit_mut<'a>(&'a mut self, path: &str, f: &mut dyn FnMut(&str, &'a mut Param)) {
        for (number, conv, norm) in &mut self.layers {
            conv.visit_mut(&join(path, &format!("main.{number}")), f);
            norm.visit_mut(&join(path, &format!("main.{}", *number + 1)), f);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_sizes_of_pix2pix() {
        let network = PatchDiscriminator::new(64, 3);
        let mut count = 0;
        let mut names = Vec::new();
        network.visit("", &mut |name, param| {
            if !name.contains("running") {
                count += param.count();
                names.push(name.to_owned());
            }
        });
        // taming-transformers' NLayerDiscriminator(input_nc=3, ndf=64, n_layers=3).
        assert_eq!(count, 2_765_633);
        let expected = "main.0.weight main.0.bias main.2.weight main.3.weight main.3.bias \
                        main.5.weight main.6.weight main.6.bias main.8.weight main.9.weight \
                        main.9.bias main.11.weight main.11.bias";
        assert_eq!(names.join(" "), expected);
    }

    #[test]
    fn the_smallest_picture_has_one_patch() {
        for layers in 1..=4 {
            let mut network = PatchDiscriminator::new(2, layers);
            network.draw(1);
            let side = PatchDiscriminator::smallest(layers);
            let patches = network.forward(&Tensor::zeros(&[1, side, side, 3]));
            assert_eq!(patches.shape(), [1, 1, 1, 1], "{layers} layers");
        }
    }

    #[test]
    fn observing_changes_the_running_moments_and_nothing_else() {
        let mut network = PatchDiscriminator::new(2, 2);
        network.draw(1);
        let before = network.clone();
        let image = aquatint_tensor::Rng::new(2).randn(&[2, 16, 16, 3]);
        let patches = network.forward_observed(&image);
        assert_eq!(patches.to_vec(), network.forward(&image).to_vec());
        for ((name, a), (_, b)) in before.named_parameters().iter().zip(network.named_parameters())
        {
            let same = a.value().to_vec() == b.value().to_vec();
            assert_eq!(same, !name.contains("running"), "{name}");
        }
    }
}
