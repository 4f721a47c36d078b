//! How different two pictures look, measured in what a network that knows pictures makes of them
//! (Zhang et al., arXiv:1801.03924): a loss beside the difference of pixels (Rombach et al. 2022,
//! section 3.1), and features for comparing sets of pictures.

mod efficientnet_lite0;
mod resize;
mod vgg16;

use aquatint_nn::{Module, ModuleExt};
use aquatint_tensor::{Conv2dOptions, Precision, Tensor};

pub use efficientnet_lite0::{EfficientNetLite0, Folded};
pub use resize::bilinear;
pub use vgg16::Vgg16;

/// ImageNet's mean and deviation of each channel, for values in [−1, 1], as LPIPS has them.
const SHIFT: [f32; 3] = [-0.030, -0.088, -0.188];
const SCALE: [f32; 3] = [0.458, 0.448, 0.450];

/// A measure of how different two pictures look.
#[derive(Clone, Debug)]
pub enum Perceptual {
    /// VGG16.
    Vgg16 {
        /// The network.
        network: Box<Vgg16>,
        /// What people found each channel of the five maps to weigh, `[1, C, 1, 1]` each: with them
        /// the measure is LPIPS, without them every channel weighs the same.
        heads: Option<[Tensor; 5]>,
    },
    /// EfficientNet-Lite0, every channel weighs the same.
    EfficientNetLite0(Box<Folded>),
}

impl Perceptual {
    /// What figures by it are called.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Vgg16 { heads: Some(_), .. } => "lpips",
            Self::Vgg16 { heads: None, .. } => "vgg16",
            Self::EfficientNetLite0(_) => "effnet_lite0",
        }
    }

    /// The least width and height of a picture.
    pub fn smallest(&self) -> usize {
        match self {
            Self::Vgg16 { .. } => 1 << Vgg16::HALVINGS,
            Self::EfficientNetLite0(_) => 1,
        }
    }

    /// Chooses the precision of the network's products.
    pub fn set_precision(&mut self, precision: Precision) {
        match self {
            Self::Vgg16 { network, .. } => network.set_precision(precision),
            Self::EfficientNetLite0(network) => network.set_precision(precision),
        }
    }

    /// All numbers that it depends on, in a fixed order.
    pub fn tensors(&self) -> Vec<&Tensor> {
        match self {
            Self::Vgg16 { network, heads } => {
                let mut all = Vec::new();
                network.visit("", &mut |_, param| all.push(param.value()));
                all.extend(heads.iter().flatten());
                all
            }
            Self::EfficientNetLite0(network) => network.tensors(),
        }
    }

    /// How different a looks from b, both `[N, H, W, 3]` in [−1, 1]: `[N, 1]`.
    ///
    /// At every pixel of five maps, the vectors of both pictures are brought to length 1, and their
    /// squared difference is summed over the channels (weighed by the heads, if there are any); its
    /// means over the pixels are summed over the maps. The `lpips` package says the same, with
    /// `lpips=False` where there are no heads.
    #[track_caller]
    pub fn distance(&self, a: &Tensor, b: &Tensor) -> Tensor {
        let (a, b) = (self.maps(a), self.maps(b));
        let mut sum: Option<Tensor> = None;
        for (i, (a, b)) in a.iter().zip(&b).enumerate() {
            let apart = a.l2_normalize().sub(&b.l2_normalize()).sqr();
            let mean = match self {
                Self::Vgg16 { heads: Some(heads), .. } => {
                    apart.conv2d(&heads[i], None, Conv2dOptions::same(1)).mean_per_picture()
                }
                _ => sum_of_channels(&apart.mean_per_picture()),
            };
            sum = Some(sum.map_or(mean.clone(), |sum| sum.add(&mean)));
        }
        sum.expect("a network has maps")
    }

    /// What the network says at five resolutions.
    fn maps(&self, image: &Tensor) -> Vec<Tensor> {
        match self {
            Self::Vgg16 { network, .. } => network.forward(&normalized(image)).into(),
            Self::EfficientNetLite0(network) => network.maps(image),
        }
    }
}

/// x `[N, C]` → `[N, 1]`.
fn sum_of_channels(x: &Tensor) -> Tensor {
    x.linear(&Tensor::full(&[1, x.channels()], 1.0), None)
}

/// (x − shift) / scale.
fn normalized(image: &Tensor) -> Tensor {
    let weight =
        Tensor::from_fn(&[3, 3, 1, 1], |i| if i % 4 == 0 { 1.0 / SCALE[i / 4] } else { 0.0 });
    let bias = Tensor::from_fn(&[3], |c| -SHIFT[c] / SCALE[c]);
    image.conv2d(&weight, Some(&bias), Conv2dOptions::same(1))
}

#[cfg(test)]
mod tests {
    use aquatint_tensor::Rng;

    use super::*;

    fn all() -> [Perceptual; 3] {
        let mut vgg = Box::new(Vgg16::new(2));
        vgg.init(1);
        let heads = Vgg16::channels(2).map(|c| Tensor::full(&[1, c, 1, 1], 1.0));
        let mut network = EfficientNetLite0::new();
        network.init(2);
        [
            Perceptual::Vgg16 { network: vgg.clone(), heads: Some(heads) },
            Perceptual::Vgg16 { network: vgg, heads: None },
            Perceptual::EfficientNetLite0(Box::new(network.folded())),
        ]
    }

    #[test]
    fn heads_of_ones_change_nothing() {
        let mut rng = Rng::new(3);
        let (a, b) = (rng.randn(&[2, 16, 16, 3]), rng.randn(&[2, 16, 16, 3]));
        let [with, without, _] = all().map(|network| network.distance(&a, &b));
        assert_eq!(with.shape(), [2, 1]);
        assert!(with.sub(&without).max_abs() < 1e-5 && without.max_abs() > 1e-3);
    }

    #[test]
    fn nothing_differs_from_itself_and_every_pixel_matters() {
        let mut rng = Rng::new(4);
        let (a, b) = (rng.randn(&[1, 32, 32, 3]), rng.randn(&[1, 32, 32, 3]).tracked());
        for network in all() {
            assert_eq!(network.distance(&a, &a).item(), 0.0, "{}", network.name());
            let grads = network.distance(&a, &b).backward();
            let grad = grads.get(&b).expect("a gradient").to_vec();
            let silent = grad.iter().filter(|g| **g == 0.0).count();
            assert!(silent < grad.len() / 2, "{}: {silent} of {}", network.name(), grad.len());
        }
    }

    #[test]
    fn lower_precision_is_close() {
        let mut rng = Rng::new(5);
        let (a, b) = (rng.randn(&[1, 32, 32, 3]), rng.randn(&[1, 32, 32, 3]));
        for mut network in all() {
            let exact = network.distance(&a, &b).item();
            network.set_precision(Precision::Bf16);
            let rounded = network.distance(&a, &b).item();
            assert!((exact - rounded).abs() < 0.05 * exact, "{exact} {rounded}");
        }
    }
}
