//! Latents with mean 0 and variance 1 in every channel, without another training.
//!
//! The diffusion model begins with noise of mean 0 and the variance of its schedule. If the
//! latents' own mean lies elsewhere, the last step of the schedule, which is never quite pure
//! noise, gives away a picture's brightness in training but not in sampling (Lin et al.,
//! arXiv:2305.08891). The autoencoder has 1×1 convolutions on both sides of its latents, and
//! those can take a change of every channel's zero and unit exactly.

use aquatint_models::AutoencoderKL;
use aquatint_nn::ModuleExt;
use aquatint_tensor::Tensor;

/// Mean and standard deviation of each channel.
#[derive(Clone, Debug, PartialEq)]
pub struct Moments {
    /// One mean for each channel.
    pub mean: Vec<f64>,
    /// One standard deviation for each channel.
    pub std: Vec<f64>,
}

impl Moments {
    /// The moments of all latents, `[N, h, w, C]` each, that the iterator gives.
    pub fn of(latents: impl IntoIterator<Item = Tensor>, channels: usize) -> Self {
        let (mut count, mut sum, mut squares) = (0.0, vec![0.0; channels], vec![0.0; channels]);
        for latents in latents {
            count += latents.rows() as f64;
            for pixel in latents.to_vec().chunks_exact(channels) {
                for (c, &x) in pixel.iter().enumerate() {
                    sum[c] += f64::from(x);
                    squares[c] += f64::from(x) * f64::from(x);
                }
            }
        }
        let mean: Vec<f64> = sum.iter().map(|sum| sum / count).collect();
        let variance = squares.iter().zip(&mean).map(|(s, mean)| s / count - mean * mean);
        let std = variance.map(|variance: f64| variance.max(1e-12).sqrt()).collect();
        Self { mean, std }
    }

    /// The standard deviation of all channels together, around their own means.
    pub fn overall_std(&self) -> f64 {
        let mean_variance = self.std.iter().map(|std| std * std).sum::<f64>();
        (mean_variance / self.std.len() as f64).sqrt()
    }
}

/// Changes the weights so that latents z become (z − mean) / std, and are decoded as before.
/// Returns whether the autoencoder has the two convolutions that this takes.
pub fn standardize(vae: &mut AutoencoderKL, moments: &Moments) -> bool {
    let Moments { mean, std } = moments;
    let channels = mean.len();
    if !(vae.config().use_quant_conv && vae.config().use_post_quant_conv) {
        return false;
    }
    for (name, param) in vae.named_parameters_mut() {
        let mut values: Vec<f64> = param.value().to_vec().iter().map(|&x| f64::from(x)).collect();
        match name.as_str() {
            // Rows 0..C make the means, rows C..2C the logarithms of the variances.
            "quant_conv.weight" => {
                let inputs = values.len() / (2 * channels);
                let rows = values.chunks_exact_mut(inputs).zip(std);
                rows.for_each(|(row, std)| row.iter_mut().for_each(|w| *w /= std));
            }
            "quant_conv.bias" => {
                for c in 0..channels {
                    values[c] = (values[c] - mean[c]) / std[c];
                    values[channels + c] -= 2.0 * std[c].ln();
                }
            }
            "post_quant_conv.weight" => {
                for row in values.chunks_exact_mut(channels) {
                    row.iter_mut().zip(std).for_each(|(w, std)| *w *= std);
                }
            }
            _ => continue,
        }
        param.set(tensor(&values, param.shape()));
    }
    // The bias needs the weights of before, which are those of now over std.
    let parameters = vae.named_parameters();
    let find = |wanted: &str| parameters.iter().find(|(name, _)| name == wanted);
    let weight = find("post_quant_conv.weight").map(|(_, param)| param.value().to_vec());
    let weight = weight.unwrap_or_default();
    for (name, param) in vae.named_parameters_mut() {
        if name == "post_quant_conv.bias" {
            let old = param.value().to_vec();
            let rows = weight.chunks_exact(channels).zip(&old);
            let values: Vec<f64> = rows
                .map(|(row, &bias)| {
                    let shift = |c: usize| f64::from(row[c]) / std[c] * mean[c];
                    f64::from(bias) + (0..channels).map(shift).sum::<f64>()
                })
                .collect();
            param.set(tensor(&values, param.shape()));
        }
    }
    true
}

fn tensor(values: &[f64], shape: &[usize]) -> Tensor {
    Tensor::new(values.iter().map(|&x| x as f32).collect(), shape)
}

#[cfg(test)]
mod tests {
    use super::*;
    use aquatint_models::AutoencoderKLConfig;
    use aquatint_tensor::Rng;

    fn close(a: &Tensor, b: &Tensor) {
        let difference = a.sub(b).max_abs();
        assert!(difference < 1e-4 * (1.0 + b.max_abs()), "they differ by {difference}");
    }

    #[test]
    fn latents_change_and_pictures_do_not() {
        let config = AutoencoderKLConfig {
            norm_num_groups: 4,
            block_out_channels: vec![8],
            ..Default::default()
        };
        let mut vae = AutoencoderKL::new(&config);
        vae.init(3);
        let image = Rng::new(1).randn(&[2, 8, 8, 3]);
        let before = vae.encode(&image);
        let decoded = vae.decode(&before.mean);
        let moments = Moments::of([before.mean.clone()], 4);

        assert!(standardize(&mut vae, &moments));
        let after = vae.encode(&image);
        let again = Moments::of([after.mean.clone()], 4);
        for c in 0..4 {
            assert!(again.mean[c].abs() < 1e-4 && (again.std[c] - 1.0).abs() < 1e-4, "{again:?}");
        }
        close(&vae.decode(&after.mean), &decoded);
        let spread = |logvar: &Tensor, c: usize| logvar.to_vec()[c];
        for c in 0..4 {
            let expected = f64::from(spread(&before.logvar, c)) - 2.0 * moments.std[c].ln();
            assert!((f64::from(spread(&after.logvar, c)) - expected).abs() < 1e-4);
        }
    }

    #[test]
    fn known_moments() {
        let latents = Tensor::new(vec![1.0, 0.0, 3.0, 0.0, 1.0, 4.0, 3.0, 4.0], &[1, 2, 2, 2]);
        let moments = Moments::of([latents], 2);
        assert_eq!(moments, Moments { mean: vec![2.0, 2.0], std: vec![1.0, 2.0] });
        assert!((moments.overall_std() - 2.5f64.sqrt()).abs() < 1e-12);
    }
}
