//! The mathematics of diffusion. This crate knows tensors and numbers, and no network: everything
//! here can be tried on a Gaussian, whose denoiser is known in closed form.
//!
//! Read [`ddpm`] first: it is the paper. The rest says the same in other coordinates and faster.
//!
//! # Notation
//!
//! | letter | meaning | in code |
//! |---|---|---|
//! | x0 | data | `x0` |
//! | ε | noise, N(0, I) | `noise` if drawn, `eps` if predicted |
//! | βt, αt = 1 − βt | what one step of noise adds and leaves | `betas`, `alphas` |
//! | ᾱt = α1 ⋯ αt | what t steps leave of the data's variance | `alphas_cumprod`, `alpha_bar` |
//! | xt = √ᾱt x0 + √(1 − ᾱt) ε | noisy data of constant size, as networks see it | `xt` |
//! | σ = √((1 − ᾱ) / ᾱ) | noise relative to data | `sigma` |
//! | x = xt / √ᾱ = x0 + σ ε | the same data, unscaled, as samplers see it | `x` |
//! | D(x; σ) | a guess of x0 | `denoised` |
//!
//! Papers count t from 1 to T; tables here, like published checkpoints, count from 0 to T − 1.
//! A *schedule* is the table of ᾱ, *sigmas* are the stops of one run, and a *sampler* is the rule
//! for going from stop to stop. What others call a scheduler is all three.
//!
//! # From noise to data
//!
//! ```
//! use aquatint_diffusion::{BetaSchedule, FinalSigma, Noise, Schedule, TimestepSpacing};
//! use aquatint_diffusion::{Run, samplers, spacing};
//! use aquatint_tensor::{RngKind, Tensor};
//!
//! // The denoiser of data that is N(0, 1).
//! let denoiser = |x: &Tensor, sigma: f64| x.scale((1.0 / (1.0 + sigma * sigma)) as f32);
//! let schedule = Schedule::new(BetaSchedule::ScaledLinear { start: 0.00085, end: 0.012 }, 1000);
//! let timesteps = spacing::timesteps(TimestepSpacing::Leading { steps_offset: 1 }, 1000, 25);
//! let sigmas = spacing::sigmas(&schedule, &timesteps, FinalSigma::Zero);
//! let run = Run {
//!     denoiser: &denoiser,
//!     sigmas: &sigmas,
//!     eta: None,
//!     noise: &mut Noise::new(RngKind::TorchCpu, &[42, 43])?,
//!     watch: &mut (),
//! };
//! let pictures = samplers::find("heun")?.sample(&[2, 8, 8, 4], run);
//! assert_eq!(pictures.shape(), [2, 8, 8, 4]);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod blend;
mod brownian;
pub mod ddpm;
mod denoiser;
mod guidance;
mod guidance_curve;
mod guidance_interval;
mod loss;
mod loss_weight;
mod names;
mod noise;
mod parameterization;
mod rescale;
pub mod samplers;
mod schedule;
pub mod spacing;
mod steps;
mod thresholding;
mod watch;
mod weighted;

pub use blend::Blend;
pub use brownian::{BrownianMotion, Tree};
pub use ddpm::EpsModel;
pub use denoiser::{Denoiser, ModelDenoiser, Network};
pub use guidance::{Condition, Conditioned, Guidance, MoreGuidance};
pub use guidance_curve::GuidanceCurve;
pub use guidance_interval::GuidanceInterval;
pub use loss::{denoising_loss, weighted_denoising_loss};
pub use loss_weight::LossWeight;
pub use noise::{Noise, NoiseRule, NoiseSource, Start, UnknownRng, Variation};
pub use parameterization::{Coefficients, PredictionType};
pub use samplers::{Run, SAMPLERS, SamplerInfo, UnknownSampler};
pub use schedule::{BetaSchedule, Schedule};
pub use spacing::{FinalSigma, SPACINGS, SpacingInfo, Stops, TimestepSpacing, UnknownSpacing};
pub use steps::step_of;
pub use thresholding::{DynamicThresholding, Thresholded};
pub use watch::{Step, Watch};
