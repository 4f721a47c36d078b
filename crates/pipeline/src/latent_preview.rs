//! Cheap pictures of latents, to look at while a picture is made.

use std::path::Path;

use aquatint_checkpoint::Weights;
use aquatint_models::{DecoderTiny, DecoderTinyConfig};
use aquatint_nn::ModuleExt;
use aquatint_tensor::{Rng, Tensor};

use crate::{ModelError, Picture};

/// Latents to small pictures, in a thousandth of the decoder's work.
#[derive(Clone, Debug)]
pub enum LatentPreview {
    /// A pixel for each latent pixel, whose colour is a linear function of its numbers.
    Linear(LinearColours),
    /// The decoder of a tiny autoencoder: pictures of full size.
    Tiny(Box<DecoderTiny>),
}

/// Red, green and blue in [−1, 1] as linear functions of the channels of a latent pixel.
#[derive(Clone, Debug, PartialEq)]
pub struct LinearColours {
    /// A row for each channel, and one for what is added.
    rows: Vec<[f64; 3]>,
}

/// Sides of the latents that the colours are fitted on.
const SIDE: usize = 16;
/// What is added to the diagonal, so that a channel without a colour gets none.
const RIDGE: f64 = 1e-3;

impl LatentPreview {
    /// The colours of the model whose `decode` makes images `[1, H, W, 3]` of latents
    /// `[1, h, w, channels]` as the U-Net sees them: fitted by least squares to what it makes of
    /// random latents with large and small forms, which takes as long as decoding a picture of
    /// 16×16 latent pixels.
    pub fn fitted(channels: usize, decode: impl FnOnce(&Tensor) -> Tensor) -> Self {
        let latents = forms(channels);
        let image = decode(&latents);
        Self::Linear(LinearColours::fit(&latents, &means(&image)))
    }

    /// The decoder in the file at `path`: TAESD's own file of a decoder (`.safetensors`, `.pth`),
    /// or a file of diffusers' `AutoencoderTiny`.
    ///
    /// # Errors
    /// If it cannot be read, or is something else, or is for latents of another number of channels.
    pub fn open(path: impl AsRef<Path>, channels: usize) -> Result<Self, ModelError> {
        let weights = Weights::open(path)?;
        let malformed =
            |reason: String| ModelError::Malformed { file: weights.file().into(), reason };
        // diffusers counts the layers from the first convolution; the authors from a layer before.
        let namings: [(&str, usize); 3] = [("decoder.layers.", 0), ("", 1), ("decoder.", 1)];
        let name = |(prefix, first): (&str, usize), layer: &str| {
            let (number, rest) = layer.split_once('.').unwrap_or((layer, ""));
            let number = number.parse::<usize>().map_or(0, |number| number + first);
            format!("{prefix}{number}.{rest}")
        };
        let found = namings.into_iter().find_map(|naming| {
            let shape = |layer: &str| weights.shape(&name(naming, layer));
            Some((naming, DecoderTinyConfig::of_shapes(shape)?))
        });
        let (naming, config) = found.ok_or_else(|| {
            malformed("it is not the decoder of a tiny autoencoder (TAESD)".into())
        })?;
        if (config.latent_channels, config.out_channels) != (channels, 3) {
            let own = config.latent_channels;
            return Err(malformed(format!(
                "it decodes latents of {own} channels, but the model's have {channels}"
            )));
        }
        let mut decoder = DecoderTiny::new(&config);
        for (path, parameter) in decoder.named_parameters_mut() {
            let name = name(naming, path.trim_start_matches("layers."));
            let value = weights.get(&name)?;
            if value.shape() != parameter.shape() {
                let (own, wanted) = (value.shape(), parameter.shape());
                return Err(malformed(format!("{name} is {own:?}, expected {wanted:?}")));
            }
            parameter.set(value);
        }
        Ok(Self::Tiny(Box::new(decoder)))
    }

    /// Pictures of latents `[N, h, w, channels]` as the U-Net sees them, such as
    /// [`Step::denoised`](crate::Step).
    #[track_caller]
    pub fn pictures(&self, latents: &Tensor) -> Vec<Picture> {
        match self {
            Self::Linear(colours) => colours.pictures(latents),
            Self::Tiny(decoder) => Picture::from_images(&decoder.forward(latents)),
        }
    }
}

impl LinearColours {
    /// Those for which latents `[1, h, w, C]` are nearest to the colours `[1, h, w, 3]`.
    fn fit(latents: &Tensor, colours: &Tensor) -> Self {
        let (c, x, y) = (latents.channels(), latents.to_vec(), colours.to_vec());
        // The normal equations, right sides included.
        let mut equations = vec![vec![0.0; c + 4]; c + 1];
        for (pixel, colour) in x.chunks_exact(c).zip(y.chunks_exact(3)) {
            let row: Vec<f64> = pixel.iter().map(|&v| v.into()).chain([1.0]).collect();
            let right = colour.iter().map(|&v| f64::from(v).clamp(-1.0, 1.0));
            let all: Vec<f64> = row.iter().copied().chain(right).collect();
            for (equation, v) in equations.iter_mut().zip(&row) {
                equation.iter_mut().zip(&all).for_each(|(sum, w)| *sum += v * w);
            }
        }
        let count = x.len() as f64 / c as f64;
        (0..c).for_each(|i| equations[i][i] += RIDGE * count);
        let rows = solved(equations);
        Self { rows: rows.iter().map(|row| [row[0], row[1], row[2]]).collect() }
    }

    #[track_caller]
    fn pictures(&self, latents: &Tensor) -> Vec<Picture> {
        let (last, rows) = self.rows.split_last().expect("the row of what is added");
        let &[_, height, width, c] = latents.shape() else {
            panic!("latents [N, h, w, C], not {:?}", latents.shape())
        };
        assert_eq!(c, rows.len(), "channels of latents {:?}", latents.shape());
        let pixel = |x: &[f32]| {
            let mut colour = *last;
            for (row, &x) in rows.iter().zip(x) {
                (0..3).for_each(|i| colour[i] += row[i] * f64::from(x));
            }
            colour.map(|v| v as f32)
        };
        let colours = latents.to_vec().chunks_exact(c).flat_map(pixel).collect();
        Picture::from_images(&Tensor::new(colours, &[latents.dim(0), height, width, 3]))
    }
}

/// Latents `[1, SIDE, SIDE, channels]` with forms of every size, as pictures have them: noise of
/// pixels of 1, 2, 4 and 8, in equal parts.
fn forms(channels: usize) -> Tensor {
    let shape = [1, SIDE, SIDE, channels];
    let sizes = [1, 2, 4, 8];
    let noise = sizes.map(|size| Rng::new(size as u64).randn(&shape).to_vec());
    Tensor::from_fn(&shape, |i| {
        let (pixel, channel) = (i / channels, i % channels);
        let (y, x) = (pixel / SIDE, pixel % SIDE);
        let parts = sizes.iter().zip(&noise).map(|(&size, noise)| {
            let corner = y / size * size * SIDE + x / size * size;
            noise[corner * channels + channel]
        });
        parts.sum::<f32>() / (sizes.len() as f32).sqrt()
    })
}

/// An image `[1, H, W, 3]` as `[1, SIDE, SIDE, 3]`: the mean of each square.
fn means(image: &Tensor) -> Tensor {
    let &[1, height, width, 3] = image.shape() else {
        panic!("one image, not {:?}", image.shape())
    };
    let (tall, wide) = (height / SIDE, width / SIDE);
    let x = image.to_vec();
    Tensor::from_fn(&[1, SIDE, SIDE, 3], |i| {
        let (pixel, channel) = (i / 3, i % 3);
        let (top, left) = (pixel / SIDE * tall, pixel % SIDE * wide);
        let rows = (top..top + tall).flat_map(|y| (left..left + wide).map(move |x| (y, x)));
        let sum: f32 = rows.map(|(y, at)| x[(y * width + at) * 3 + channel]).sum();
        sum / (tall * wide) as f32
    })
}

/// The solutions of n equations of n unknowns for the right sides that follow them, by Gaussian
/// elimination with the largest pivot. What is not determined is zero.
fn solved(mut equations: Vec<Vec<f64>>) -> Vec<Vec<f64>> {
    let n = equations.len();
    for i in 0..n {
        let largest =
            (i..n).max_by(|&a, &b| equations[a][i].abs().total_cmp(&equations[b][i].abs()));
        equations.swap(i, largest.unwrap_or(i));
        let pivot = equations[i][i];
        if pivot.abs() < 1e-12 {
            equations[i].fill(0.0);
            continue;
        }
        equations[i].iter_mut().for_each(|v| *v /= pivot);
        let row = equations[i].clone();
        for (_, other) in equations.iter_mut().enumerate().filter(|(j, _)| *j != i) {
            let factor = other[i];
            other.iter_mut().zip(&row).for_each(|(v, w)| *v -= factor * w);
        }
    }
    equations.into_iter().map(|equation| equation[n..].to_vec()).collect()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use aquatint_checkpoint::{DType, save};

    use super::*;

    /// A decoder that is linear is found exactly, but for what the ridge takes.
    #[test]
    fn a_linear_decoder_is_found() {
        let weights = [[0.3, -0.1, 0.2], [0.0, 0.25, -0.2], [0.1, 0.1, 0.1], [0.0; 3]];
        let decode = |latents: &Tensor| {
            let x = latents.to_vec();
            Tensor::from_fn(&[1, 4 * SIDE, 2 * SIDE, 3], |i| {
                let (y, at, channel) = (i / 3 / (2 * SIDE), i / 3 % (2 * SIDE), i % 3);
                let pixel = &x[(y / 4 * SIDE + at / 2) * 4..][..4];
                let sum: f32 = pixel.iter().zip(weights).map(|(x, w)| x * w[channel] as f32).sum();
                0.5 * sum + 0.1 + if (y + at) % 2 == 0 { 0.1 } else { -0.1 }
            })
        };
        let preview = LatentPreview::fitted(4, decode);
        let LatentPreview::Linear(colours) = &preview else { unreachable!() };
        for (row, expected) in colours.rows.iter().zip(weights) {
            for (a, b) in row.iter().zip(expected) {
                assert!((a - 0.5 * b).abs() < 1e-2, "{row:?}, expected half of {expected:?}");
            }
        }
        let picture = &preview.pictures(&Tensor::new(vec![1.0, 0.0, 0.0, 9.0], &[1, 1, 1, 4]))[0];
        let near = |a: u8, b: f64| (f64::from(a) - (b / 2.0 + 0.5) * 255.0).abs() < 3.0;
        assert!(near(picture.rgb[0], 0.25) && near(picture.rgb[1], 0.05), "{picture:?}");
    }

    fn decoder() -> DecoderTiny {
        let config = DecoderTinyConfig { block_out_channels: vec![4; 4], ..Default::default() };
        let mut decoder = DecoderTiny::new(&config);
        decoder.init(5);
        decoder
    }

    #[test]
    fn both_namings_of_tiny_decoders_are_read() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("taesd.safetensors");
        let (decoder, latents) = (decoder(), Rng::new(3).randn(&[1, 4, 4, 4]));
        let expected = Picture::from_images(&decoder.forward(&latents));
        let renamed = |name: &str, authors: bool| {
            let rest = name.trim_start_matches("layers.");
            let (number, rest) = rest.split_once('.').unwrap();
            let number: usize = number.parse().unwrap();
            match authors {
                true => format!("{}.{rest}", number + 1),
                false => format!("decoder.layers.{number}.{rest}"),
            }
        };
        for authors in [true, false] {
            let tensors: Vec<_> = decoder
                .named_parameters()
                .into_iter()
                .map(|(name, p)| (renamed(&name, authors), p.value().clone()))
                .collect();
            save(&path, &tensors, DType::F32, &BTreeMap::new()).unwrap();
            let preview = LatentPreview::open(&path, 4).expect("a decoder");
            assert_eq!(preview.pictures(&latents), expected);
            let error = LatentPreview::open(&path, 16).unwrap_err().to_string();
            assert!(error.contains("latents of 4 channels, but the model's have 16"), "{error}");
            save(&path, &tensors[..5], DType::F32, &BTreeMap::new()).unwrap();
            let error = LatentPreview::open(&path, 4).unwrap_err().to_string();
            assert!(error.contains("not the decoder of a tiny autoencoder"), "{error}");
        }
    }
}
