//! Every training picture as the autoencoder sees it, on a few backgrounds, in a file.
//!
//! The autoencoder is frozen while the U-Net trains, so encoding a picture again for each step
//! would be the same work over and over.

use std::collections::BTreeMap;
use std::path::Path;

use aquatint_checkpoint::{DType, Weights, save};
use aquatint_models::AutoencoderKL;
use aquatint_nn::fnv1a;
use aquatint_tensor::{Rng, Tensor};

use crate::colours::{COLOURS, WHITE};
use crate::data::{Dataset, Drawing};
use crate::error::TrainError;
use crate::monitor::Monitor;
use crate::pictures::{View, batch};
use crate::sums;

/// Pictures that pass through the encoder at once.
const AT_ONCE: usize = 16;

/// Latents of pictures, times the scaling factor, so that their variance is about 1.
pub struct Latents {
    /// One row for each background of each picture: `[pictures · variants, h · w · C]`.
    rows: Tensor,
    /// h, w, C.
    shape: [usize; 3],
    variants: usize,
    /// What they were made of: another key, other latents.
    pub key: String,
}

impl Latents {
    /// The latents of all training pictures on `variants` backgrounds each: from the file at
    /// `path` if it was written for these pictures and this autoencoder, otherwise computed and
    /// written there.
    pub fn open(
        path: &Path,
        data: &Dataset,
        variants: usize,
        vae: &AutoencoderKL,
        monitor: &mut dyn Monitor,
    ) -> Result<Self, TrainError> {
        let key = key(data, variants, vae);
        if !Weights::open(path).is_ok_and(|weights| weights.metadata("key") == Some(&key)) {
            let rows = encode(data, variants, vae, monitor);
            let metadata = BTreeMap::from([("key".to_owned(), key.clone())]);
            let tensors = [("latents".to_owned(), rows)];
            save(path, &tensors, DType::F16, &metadata).map_err(TrainError::io(path))?;
        }
        // Read back even if just written: the file holds half precision, and every start of a run
        // must see the same numbers.
        let weights = Weights::open(path).map_err(TrainError::checkpoint(path))?;
        let rows = weights.get("latents").map_err(TrainError::checkpoint(path))?;
        Ok(Self { rows, shape: shape(data.size, vae), variants, key })
    }

    /// The latents of picture `i` on its background number `variant`, for each of the pairs:
    /// `[N, h, w, C]`.
    pub fn batch(&self, chosen: &[(usize, usize)]) -> Tensor {
        let rows: Vec<usize> =
            chosen.iter().map(|(i, variant)| i * self.variants + variant).collect();
        let [h, w, c] = self.shape;
        self.rows.select_rows(&rows).reshape(&[chosen.len(), h, w, c])
    }
}

/// The backgrounds of a drawing, as indices in [`COLOURS`]: white, then others in an order that
/// its name decides.
pub fn backgrounds(drawing: &Drawing, variants: usize) -> Vec<usize> {
    let mut others: Vec<usize> = (0..COLOURS.len()).filter(|&colour| colour != WHITE).collect();
    Rng::new(fnv1a(drawing.file_name.bytes())).shuffle(&mut others);
    let mut colours = vec![WHITE];
    colours.extend(others.into_iter().take(variants - 1));
    colours
}

/// The means of the posteriors of these views, scaled: `[N, h, w, C]`.
pub fn encode_views(views: &[View<'_>], size: usize, vae: &AutoencoderKL) -> Tensor {
    vae.config().scaled(&vae.encode(&batch(views, size, size)).mode())
}

fn shape(size: usize, vae: &AutoencoderKL) -> [usize; 3] {
    let side = size / vae.config().downsampling_factor();
    [side, side, vae.config().latent_channels]
}

fn encode(
    data: &Dataset,
    variants: usize,
    vae: &AutoencoderKL,
    monitor: &mut dyn Monitor,
) -> Tensor {
    let views: Vec<View<'_>> = data
        .train
        .iter()
        .flat_map(|drawing| {
            let colours = backgrounds(drawing, variants);
            colours.into_iter().map(move |colour| View::whole(drawing, COLOURS[colour].rgb))
        })
        .collect();
    let [h, w, c] = shape(data.size, vae);
    let mut rows = Vec::with_capacity(views.len() * h * w * c);
    for (i, some) in views.chunks(AT_ONCE).enumerate() {
        rows.extend(encode_views(some, data.size, vae).to_vec());
        monitor.preparing("latents", i * AT_ONCE + some.len(), views.len());
    }
    Tensor::new(rows, &[views.len(), h * w * c])
}

/// What the latents depend on.
fn key(data: &Dataset, variants: usize, vae: &AutoencoderKL) -> String {
    format!("{variants} {} {}", sums::network(vae, vae.config()), data.sum())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn backgrounds_are_distinct_and_begin_with_white() {
        let drawing = |name: &str| Drawing { file_name: name.into(), ..Drawing::default() };
        let mut seen = [false; 10];
        for i in 0..50 {
            let colours = backgrounds(&drawing(&format!("{i}.png")), 4);
            assert_eq!((colours.len(), colours[0]), (4, WHITE));
            let mut sorted = colours.clone();
            sorted.sort_unstable();
            sorted.dedup();
            assert_eq!(sorted.len(), 4);
            colours.iter().for_each(|&colour| seen[colour] = true);
        }
        assert_eq!(seen, [true; 10]);
        assert_eq!(backgrounds(&drawing("a"), 3), backgrounds(&drawing("a"), 4)[..3]);
        assert_eq!(backgrounds(&drawing("a"), 1), [WHITE]);
    }
}
