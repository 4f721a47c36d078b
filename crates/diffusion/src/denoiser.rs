//! Denoisers: what samplers ask.

use aquatint_tensor::Tensor;

use crate::weighted::weighted;
use crate::{PredictionType, Schedule};

/// D(x; σ): a guess of the data in x = x0 + σ ε. Closures are denoisers.
///
/// Guidance, parameterizations and masks are all denoisers or live below one, so that no sampler
/// knows of any of them.
pub trait Denoiser {
    /// The guess for x `[N, ..]`, of x's shape.
    fn denoise(&self, x: &Tensor, sigma: f64) -> Tensor;

    /// The schedule whose timesteps its σ stand for, if there is one. Only a sampler that was
    /// published in timesteps asks. Denoisers made of a denoiser pass on what that answers.
    fn schedule(&self) -> Option<&Schedule> {
        None
    }
}

impl<F: Fn(&Tensor, f64) -> Tensor> Denoiser for F {
    fn denoise(&self, x: &Tensor, sigma: f64) -> Tensor {
        self(x, sigma)
    }
}

/// F(xt, t): a network as it was trained. Closures are networks.
pub trait Network {
    /// The network's answer for xt `[N, ..]`, whose n-th picture is at `timesteps[n]`.
    fn predict(&self, xt: &Tensor, timesteps: &[f32]) -> Tensor;
}

impl<F: Fn(&Tensor, &[f32]) -> Tensor> Network for F {
    fn predict(&self, xt: &Tensor, timesteps: &[f32]) -> Tensor {
        self(xt, timesteps)
    }
}

/// The denoiser of a network: D = c_skip·x + c_out·F(c_in·x, t(σ)).
pub struct ModelDenoiser<'a> {
    /// The network, with whatever condition it has built in.
    pub network: &'a dyn Network,
    /// The schedule it was trained with, which says t(σ).
    pub schedule: &'a Schedule,
    /// What it predicts.
    pub prediction_type: PredictionType,
}

impl Denoiser for ModelDenoiser<'_> {
    fn denoise(&self, x: &Tensor, sigma: f64) -> Tensor {
        let c = self.prediction_type.coefficients(sigma);
        let timesteps = vec![self.schedule.t(sigma) as f32; x.dim(0)];
        let answer = self.network.predict(&x.scale(c.input as f32), &timesteps);
        weighted([(c.skip, x), (c.out, &answer)])
    }

    fn schedule(&self) -> Option<&Schedule> {
        Some(self.schedule)
    }
}
