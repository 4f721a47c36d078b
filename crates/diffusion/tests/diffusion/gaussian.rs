//! Data that is N(μ, s²) in every value: everything about it is known in closed form.

use aquatint_diffusion::{Denoiser, EpsModel, Schedule};
use aquatint_tensor::Tensor;

pub struct Gaussian {
    pub mean: f64,
    pub std: f64,
}

impl Gaussian {
    /// E[x0 | x] = (s² x + σ² μ) / (s² + σ²).
    pub fn denoiser(&self) -> impl Denoiser {
        let (mean, variance) = (self.mean, self.std * self.std);
        move |x: &Tensor, sigma: f64| {
            let sum = variance + sigma * sigma;
            x.scale((variance / sum) as f32).add_scalar((sigma * sigma * mean / sum) as f32)
        }
    }

    /// Where the probability flow leads from x at σ: μ + (x − μ) √((s² + σ'²) / (s² + σ²)).
    pub fn flow(&self, x: f64, sigma: f64, sigma_next: f64) -> f64 {
        let spread = |sigma: f64| (self.std * self.std + sigma * sigma).sqrt();
        self.mean + (x - self.mean) * spread(sigma_next) / spread(sigma)
    }

    /// E[ε | xt] = √(1 − ᾱ) (xt − √ᾱ μ) / (ᾱ s² + 1 − ᾱ), with a step for each picture.
    pub fn eps_model(&self, schedule: &Schedule) -> impl EpsModel {
        let (mean, variance) = (self.mean, self.std * self.std);
        let alphas_cumprod = schedule.alphas_cumprod.clone();
        move |xt: &Tensor, t: &[usize]| {
            let size = xt.len() / t.len();
            let values = xt.to_vec();
            Tensor::from_fn(xt.shape(), |i| {
                let a = alphas_cumprod[t[i / size]];
                let centred = values[i] as f64 - a.sqrt() * mean;
                ((1.0 - a).sqrt() * centred / (a * variance + 1.0 - a)) as f32
            })
        }
    }
}

/// The mean and the variance of all values.
pub fn moments(x: &Tensor) -> (f64, f64) {
    let values = x.to_vec();
    let mean = values.iter().map(|&v| v as f64).sum::<f64>() / values.len() as f64;
    let squares = values.iter().map(|&v| (v as f64 - mean).powi(2)).sum::<f64>();
    (mean, squares / values.len() as f64)
}
