//! What the networks of perceptual distances say of pictures: features of EfficientNet-Lite0, where
//! Inception's weights are not at hand, and distances such as LPIPS.

use std::path::Path;

use aquatint_checkpoint::Weights;
use aquatint_models::Perceptual;
use aquatint_models::perceptual::Folded;
use aquatint_pipeline::{ModelError, Picture, load_efficientnet_lite0, load_perceptual};

use crate::features::{Features, Looked, PerceptualDistance};

/// EfficientNet-Lite0, with the weights that are in a package for everybody.
pub struct EfficientNet(Folded);

impl EfficientNet {
    /// Whether these look like its weights.
    pub fn is_in(weights: &Weights) -> bool {
        weights.names().any(|name| name.ends_with("_conv_stem.weight"))
    }

    /// Reads its weights.
    ///
    /// # Errors
    /// If the file is of another network.
    pub fn load(file: &Path) -> Result<Self, ModelError> {
        Ok(Self(load_efficientnet_lite0(file)?))
    }
}

impl Features for EfficientNet {
    fn name(&self) -> String {
        "EfficientNet-Lite0".into()
    }

    fn distance_names(&self) -> [&'static str; 2] {
        ["FD-EffNet", "KD-EffNet"]
    }

    fn dims(&self) -> usize {
        Folded::FEATURES
    }

    fn look(&self, pictures: &[Picture]) -> Looked {
        // Each is brought to the network's size from its own.
        let size = |picture: &Picture| (picture.width, picture.height);
        let runs = pictures.chunk_by(|a, b| size(a) == size(b));
        let features = runs.flat_map(|run| self.0.pooled(&Picture::to_images(run)).to_vec());
        Looked { features: features.collect(), logits: None }
    }
}

/// A distance by the network in `file`: VGG16 (with LPIPS's heads in the same file or in `heads`,
/// or without any), or EfficientNet-Lite0.
///
/// # Errors
/// If a file is of no such network.
pub fn open_distance(
    file: &Path,
    heads: Option<&Path>,
) -> Result<Box<dyn PerceptualDistance>, ModelError> {
    Ok(Box::new(load_perceptual(file, heads)?))
}

impl PerceptualDistance for Perceptual {
    fn name(&self) -> String {
        match self {
            Self::Vgg16 { heads: Some(_), .. } => "LPIPS (VGG16)".into(),
            Self::Vgg16 { heads: None, .. } => "distance by VGG16, without LPIPS's heads".into(),
            Self::EfficientNetLite0(_) => "distance by EfficientNet-Lite0".into(),
        }
    }

    fn key(&self) -> &'static str {
        Perceptual::name(self)
    }

    fn smallest(&self) -> usize {
        Perceptual::smallest(self)
    }

    fn distances(&self, a: &[Picture], b: &[Picture]) -> Vec<f64> {
        let found = self.distance(&Picture::to_images(a), &Picture::to_images(b));
        found.to_vec().into_iter().map(f64::from).collect()
    }
}
