//! Denoising Diffusion Probabilistic Models, Ho, Jain and Abbeel 2020 (arXiv:2006.11239).
//!
//! Notation: x0 data, xt noisy data at step t, ε noise, βt and αt = 1 − βt of one step,
//! ᾱt = α1 ⋯ αt. Steps are counted from 0 here and from 1 in the paper, so "t > 1" there is
//! `t > 0` here. Everything else is the paper's, line for line.

use aquatint_tensor::{Rng, Tensor};

use crate::weighted::{weighted, weighted_per_picture};
use crate::{NoiseSource, Schedule};

/// εθ(xt, t): a network that tells the noise in a noisy picture. Closures are such models.
pub trait EpsModel {
    /// The noise in xt `[N, ..]`, whose n-th picture is at step `t[n]`; of xt's shape.
    fn predict(&self, xt: &Tensor, t: &[usize]) -> Tensor;
}

impl<F: Fn(&Tensor, &[usize]) -> Tensor> EpsModel for F {
    fn predict(&self, xt: &Tensor, t: &[usize]) -> Tensor {
        self(xt, t)
    }
}

/// A draw of q(xt | x0), eq. 4, by its noise: xt = √ᾱt x0 + √(1 − ᾱt) ε, with a step `t[n]` for
/// the n-th picture of x0 `[N, ..]`.
#[track_caller]
pub fn q_sample(schedule: &Schedule, x0: &Tensor, t: &[usize], noise: &Tensor) -> Tensor {
    let alpha_bar = || t.iter().map(|&t| schedule.alphas_cumprod[t]);
    weighted_per_picture([
        (alpha_bar().map(|a| a.sqrt()).collect(), x0),
        (alpha_bar().map(|a| (1.0 - a).sqrt()).collect(), noise),
    ])
}

/// The mean and the variance of q(xt−1 | xt, x0), the step back if the data were known: eq. 6–7.
#[track_caller]
pub fn q_posterior(schedule: &Schedule, x0: &Tensor, xt: &Tensor, t: usize) -> (Tensor, f64) {
    let (beta, alpha) = (schedule.betas[t], schedule.alphas[t]);
    let (before, now) = (schedule.alpha_cumprod_before(t), schedule.alphas_cumprod[t]);
    let of_x0 = before.sqrt() * beta / (1.0 - now);
    let of_xt = alpha.sqrt() * (1.0 - before) / (1.0 - now);
    let variance = (1.0 - before) / (1.0 - now) * beta;
    (weighted([(of_x0, x0), (of_xt, xt)]), variance)
}

/// Algorithm 1, training, lines 2–5: the loss whose gradient is followed, as one number: the mean
/// over all pictures and values of x0 `[N, ..]`, eq. 14.
#[track_caller]
pub fn training_loss(
    eps_theta: &dyn EpsModel,
    schedule: &Schedule,
    x0: &Tensor,
    rng: &mut Rng,
) -> Tensor {
    // 3: t ~ Uniform({1, …, T}), one for each picture.
    let t: Vec<usize> = (0..x0.dim(0)).map(|_| rng.below(schedule.len())).collect();
    // 4: ε ~ N(0, I).
    let noise = rng.randn(x0.shape());
    // 5: ‖ε − εθ(√ᾱt x0 + √(1 − ᾱt) ε, t)‖².
    let xt = q_sample(schedule, x0, &t, &noise);
    noise.sub(&eps_theta.predict(&xt, &t)).sqr().mean()
}

/// Algorithm 2, sampling: T steps from noise to a picture of `shape` `[N, ..]`. Of the two σt
/// that section 3.2 finds alike this is σt² = β̃t, the variance of [`q_posterior`].
#[track_caller]
pub fn sample(
    eps_theta: &dyn EpsModel,
    schedule: &Schedule,
    shape: &[usize],
    noise: &mut dyn NoiseSource,
) -> Tensor {
    // 1: xT ~ N(0, I).
    let mut x = noise.noise(shape);
    // 2: for t = T, …, 1 do.
    for t in (0..schedule.len()).rev() {
        let (alpha, alpha_bar) = (schedule.alphas[t], schedule.alphas_cumprod[t]);
        let alpha_bar_before = schedule.alpha_cumprod_before(t);
        let sigma = ((1.0 - alpha_bar_before) / (1.0 - alpha_bar) * schedule.betas[t]).sqrt();
        // 3: z ~ N(0, I) if t > 1, else z = 0.
        let z = if t > 0 { noise.noise(shape) } else { Tensor::zeros(shape) };
        // 4: xt−1 = (xt − (1 − αt)/√(1 − ᾱt) εθ(xt, t)) / √αt + σt z.
        let eps = eps_theta.predict(&x, &vec![t; shape[0]]);
        let of_eps = (1.0 - alpha) / (1.0 - alpha_bar).sqrt();
        let of_all = 1.0 / alpha.sqrt();
        x = weighted([(of_all, &x), (-of_all * of_eps, &eps), (sigma, &z)]);
    }
    // 6: return x0.
    x
}
