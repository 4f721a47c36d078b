//! Inception's features, with either package's way of making pictures fit.

use std::path::Path;

use aquatint_checkpoint::{LoadError, Weights};
use aquatint_models::InceptionV3;
use aquatint_pipeline::{Picture, load_module};
use aquatint_tensor::Tensor;
use rayon::prelude::*;

use crate::features::{Features, Looked};

/// How a picture gets 299 × 299 pixels. The two give different distances.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Resizing {
    /// As TensorFlow 1 did it, and the original FID: pixels are points, the first at the edge.
    /// torch-fidelity does the same.
    #[default]
    TorchFidelity,
    /// As PyTorch does it, pixels are squares: pytorch-fid.
    PytorchFid,
}

/// Inception v3 with its weights.
pub struct Inception {
    network: InceptionV3,
    resizing: Resizing,
}

impl Inception {
    /// Reads pytorch-fid's `pt_inception-2015-12-05-6726825d.pth`, or torch-fidelity's
    /// `weights-inception-2015-12-05-6726825d.pth`.
    ///
    /// # Errors
    /// If it is not such a file.
    pub fn load(weights: &Weights, resizing: Resizing) -> Result<Self, LoadError> {
        let mut network = InceptionV3::new();
        load_module(&mut network, weights)?;
        Ok(Self { network, resizing })
    }

    /// A network that was filled by somebody else.
    pub fn new(network: InceptionV3, resizing: Resizing) -> Self {
        Self { network, resizing }
    }

    /// Whether these look like its weights.
    pub fn is_in(weights: &Weights) -> bool {
        weights.shape("Mixed_7c.branch_pool.conv.weight").is_some()
    }

    /// Whether a file is one of torchvision's, which has the same names and means something else.
    pub(crate) fn refuse_others(weights: &Weights, file: &Path) -> Result<(), LoadError> {
        match weights.shape("fc.weight") {
            Some([classes, _]) if *classes != InceptionV3::CLASSES => Err(LoadError::Unusable {
                file: file.display().to_string(),
                reason: format!(
                    "it is an Inception network of {classes} classes, as torchvision has it; the \
                     Fréchet Inception distance is defined by the one of 1008 classes, \
                     pt_inception-2015-12-05-6726825d.pth"
                ),
            }),
            _ => Ok(()),
        }
    }
}

impl Features for Inception {
    fn name(&self) -> String {
        match self.resizing {
            Resizing::TorchFidelity => "Inception v3, resized as torch-fidelity does".into(),
            Resizing::PytorchFid => "Inception v3, resized as pytorch-fid does".into(),
        }
    }

    fn distance_names(&self) -> [&'static str; 2] {
        ["FID", "KID"]
    }

    fn dims(&self) -> usize {
        InceptionV3::FEATURES
    }

    fn look(&self, pictures: &[Picture]) -> Looked {
        let side = InceptionV3::SIDE;
        let mut pixels = vec![0.0; pictures.len() * side * side * 3];
        pixels
            .par_chunks_exact_mut(side * side * 3)
            .zip(pictures)
            .for_each(|(out, picture)| resize(picture, out, self.resizing));
        let out = self.network.forward(&Tensor::new(pixels, &[pictures.len(), side, side, 3]));
        Looked { features: out.pool3.to_vec(), logits: Some(out.logits_unbiased.to_vec()) }
    }
}

/// Bilinear to 299 × 299, from bytes to about [−1, 1].
fn resize(picture: &Picture, out: &mut [f32], resizing: Resizing) {
    let side = InceptionV3::SIDE;
    let [columns, rows] = [picture.width, picture.height].map(|len| places(len, side, resizing));
    for (row, &(top, bottom, down)) in out.chunks_exact_mut(side * 3).zip(&rows) {
        for (pixel, &(left, right, across)) in row.as_chunks_mut::<3>().0.iter_mut().zip(&columns) {
            for (channel, value) in pixel.iter_mut().enumerate() {
                let at = |x: usize, y: usize| {
                    f32::from(picture.rgb[(y * picture.width + x) * 3 + channel])
                };
                let above = at(left, top) + (at(right, top) - at(left, top)) * across;
                let below = at(left, bottom) + (at(right, bottom) - at(left, bottom)) * across;
                let mixed = above + (below - above) * down;
                *value = match resizing {
                    Resizing::TorchFidelity => (mixed - 128.0) / 128.0,
                    Resizing::PytorchFid => mixed / 255.0 * 2.0 - 1.0,
                };
            }
        }
    }
}

/// For each new pixel the two old ones beside it, and how far it is from the first to the second.
fn places(from: usize, to: usize, resizing: Resizing) -> Vec<(usize, usize, f32)> {
    let scale = from as f32 / to as f32;
    (0..to)
        .map(|i| {
            let place = match resizing {
                Resizing::TorchFidelity => i as f32 * scale,
                Resizing::PytorchFid => ((i as f32 + 0.5) * scale - 0.5).max(0.0),
            };
            let first = (place as usize).min(from - 1);
            (first, (first + 1).min(from - 1), place - first as f32)
        })
        .collect()
}
