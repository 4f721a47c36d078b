//! What an autoencoder keeps of pictures, and at what rate (Rombach et al. 2022, table 8).

use std::f64::consts::LN_2;

use aquatint_pipeline::{Autoencoder, Fit, Latents, Model, Picture, Tiling, fit};

use super::gather::small;
use super::{Input, Options, key};
use crate::distances::frechet_distance;
use crate::quality::{psnr, ssim};
use crate::report::{Figure, Histogram, Report, SetReport, Sheet};
use crate::{EvalError, Features, Moments, PerceptualDistance, Watch};

/// Pictures on the sheet, each with what became of it.
const SHOWN: usize = 16;

/// Sends pictures through the autoencoder of `model` and measures what comes back: PSNR, SSIM, the
/// Fréchet distance by `network` (rFID) and a distance of single pictures by `perceptual`, where
/// these are given. Pictures are cut and scaled to `size`, or the model's usual size.
///
/// The rate is that of the latents: for a vector-quantized autoencoder, log₂ of the vectors in its
/// table for each of them; for one with Gaussians, their Kullback-Leibler divergence from the
/// standard normal that the U-Net expects.
///
/// # Errors
/// If the pictures or the model cannot be read, or the size is not one of the model's.
pub fn reconstruction(
    input: &Input,
    model: &dyn Model,
    size: Option<usize>,
    network: Option<&dyn Features>,
    perceptual: Option<&dyn PerceptualDistance>,
    options: &Options,
    watch: &mut dyn Watch,
) -> Result<Report, EvalError> {
    let pictures = input.pictures("reconstruction")?;
    let outline = model.outline();
    let factor = outline.downsampling_factor;
    let [width, height] = size.map_or(outline.default_size.into(), |side| [side, side]);
    if width == 0 || height == 0 || width % factor != 0 || height % factor != 0 {
        return Err(EvalError::Pictures(format!(
            "{width}x{height} pixels are not a multiple of {factor}, by which the autoencoder \
             makes pictures smaller: give another --size"
        )));
    }
    let smallest = perceptual.map_or(1, PerceptualDistance::smallest);
    if width.min(height) < smallest {
        return Err(EvalError::Pictures(format!(
            "{width}x{height} pixels are too few for the perceptual distance: it needs {smallest} \
             on a side; give another --size"
        )));
    }
    let (encoder, decoder) = (model.encoder()?, model.decoder()?);
    let mut moments = network.map(|network| [(); 2].map(|()| Moments::new(network.dims())));
    let (mut psnrs, mut ssims, mut lpips) = (Vec::new(), Vec::new(), Vec::new());
    let (mut bits, mut sheet) = (0.0, Vec::new());
    let skipped = pictures.for_each_batch(options.reading, "A", watch, &mut |batch| {
        let fitted: Vec<Picture> =
            batch.iter().map(|named| fitted(&named.picture, [width, height])).collect();
        let latents = encoder.encode(&Picture::to_images(&fitted), Tiling::Auto);
        bits += rate(&encoder, &latents);
        let back = Picture::from_images(&decoder.decode(&latents.mean, Tiling::Auto));
        psnrs.extend(fitted.iter().zip(&back).map(|(a, b)| psnr(a, b)));
        ssims.extend(fitted.iter().zip(&back).filter_map(|(a, b)| ssim(a, b)));
        if let Some(distance) = perceptual {
            lpips.extend(distance.distances(&fitted, &back));
        }
        if let (Some([a, b]), Some(network)) = (&mut moments, network) {
            a.add(&network.look(&fitted).features);
            b.add(&network.look(&back).features);
        }
        for (a, b) in fitted.iter().zip(&back) {
            if sheet.len() < 2 * SHOWN {
                sheet.extend([small(a), small(b)]);
            }
        }
        Ok(())
    })?;
    let count = psnrs.len();
    let pixels = (count * width * height) as f64;
    let finite: Vec<f64> = psnrs.iter().copied().filter(|x| x.is_finite()).collect();
    let mut figures = vec![
        Figure::new("psnr", "PSNR (dB)", mean(&finite)),
        Figure::new("psnr_std", "standard deviation of PSNR", deviation(&finite)),
        Figure::new("ssim", "SSIM (Gaussian window of 11×11)", mean(&ssims)),
    ];
    if let Some(distance) = perceptual {
        figures.push(Figure::new(distance.key(), distance.name(), mean(&lpips)));
    }
    if let (Some([a, b]), Some(network)) = (moments, network) {
        let [name, _] = network.distance_names();
        let key = format!("r{}", key(name));
        let distance = match count {
            0 | 1 => f64::NAN,
            _ => frechet_distance(&a.finish(), &b.finish()),
        };
        figures.push(Figure::new(&key, format!("r{name}"), distance));
    }
    let numbers = outline.latent_channels as f64 / (factor * factor) as f64;
    figures.push(Figure::new("bits_per_pixel", rate_name(&encoder), bits / pixels));
    figures.push(Figure::new("latents_per_pixel", "numbers of the latents a pixel", numbers));
    figures.push(Figure::new("downsampling_factor", "downsampling factor f", factor as f64));
    let mut report = Report { metric: "reconstruction", figures, ..Report::default() };
    report.network = network.map(Features::name);
    let path = pictures.path().display().to_string();
    report.sets.push(SetReport { path, pictures: Some(count), skipped });
    if finite.len() < count {
        let equal = count - finite.len();
        report.notes.push(format!("{equal} pictures came back unchanged; PSNR leaves them out"));
    }
    let title = "Pictures, each followed by what came back".into();
    report.sheets.push(Sheet { title, columns: 8, pictures: sheet });
    report.histograms.push(Histogram { title: "PSNR (dB)".into(), values: psnrs });
    Ok(report)
}

fn fitted(picture: &Picture, [width, height]: [usize; 2]) -> Picture {
    if [picture.width, picture.height] == [width, height] {
        return picture.clone();
    }
    fit(picture, width, height, Fit::Cover)
}

/// Bits of the latents of a batch.
fn rate(autoencoder: &Autoencoder<'_>, latents: &Latents) -> f64 {
    match (autoencoder, &latents.std) {
        (Autoencoder::Vq(vae), _) => {
            (vae.config().num_vq_embeddings as f64).log2() * latents.mean.rows() as f64
        }
        (Autoencoder::Kl(_), Some(std)) => {
            let pairs = latents.mean.to_vec().into_iter().zip(std.to_vec());
            let nats = pairs.map(|(mean, std)| {
                let (mean, variance) = (f64::from(mean), f64::from(std).powi(2));
                // e⁻³⁰ is the least that diffusers lets a variance be.
                (mean * mean + variance - 1.0 - variance.max(1e-13).ln()) / 2.0
            });
            nats.sum::<f64>() / LN_2
        }
        (Autoencoder::Kl(_), None) => f64::NAN,
        (Autoencoder::Pixels, _) => 8.0 * latents.mean.to_vec().len() as f64,
    }
}

fn rate_name(autoencoder: &Autoencoder<'_>) -> &'static str {
    match autoencoder {
        Autoencoder::Vq(_) => "bits a pixel (log₂ of the table's vectors)",
        Autoencoder::Kl(_) => "bits a pixel (KL divergence from the standard normal)",
        Autoencoder::Pixels => "bits a pixel (8 for each colour)",
    }
}

fn mean(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / values.len() as f64
}

fn deviation(values: &[f64]) -> f64 {
    let mean = mean(values);
    (values.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / values.len() as f64).sqrt()
}
