//! Samplers: rules for going from noise level to noise level, and the list of them.
//!
//! A sampler sees x = x0 + σ ε and a [`Denoiser`]; no network, no guidance. To add one, write its
//! file and its line in [`SAMPLERS`]: help texts, documentation and the tests of convergence go
//! through the list.

mod adams;
mod ddim;
mod ddpm;
mod deis;
mod dpm2;
mod dpm2_ancestral;
mod dpmpp_2m;
mod dpmpp_2m_sde;
mod dpmpp_2s_ancestral;
mod dpmpp_3m_sde;
mod dpmpp_sde;
mod euler;
mod euler_ancestral;
mod exponential;
mod find;
mod heun;
mod lcm;
mod list;
mod lms;
mod plms;
mod restart;
mod tcd;
mod unipc;
mod walk;

use aquatint_tensor::Tensor;

pub use self::ddim::ddim;
pub use self::ddpm::ddpm;
pub use self::deis::deis;
pub use self::dpm2::dpm2;
pub use self::dpm2_ancestral::dpm2_ancestral;
pub use self::dpmpp_2m::dpmpp_2m;
pub use self::dpmpp_2m_sde::dpmpp_2m_sde;
pub use self::dpmpp_2s_ancestral::dpmpp_2s_ancestral;
pub use self::dpmpp_3m_sde::dpmpp_3m_sde;
pub use self::dpmpp_sde::dpmpp_sde;
pub use self::euler::euler;
pub use self::euler_ancestral::euler_ancestral;
pub use self::find::{UnknownSampler, find, find_with_spacing};
pub use self::heun::heun;
pub use self::lcm::lcm;
pub use self::list::SAMPLERS;
pub use self::lms::lms;
pub use self::plms::plms;
pub use self::restart::{Restart, restart, restarts};
pub use self::tcd::tcd;
pub use self::unipc::unipc;
use crate::{Denoiser, FinalSigma, NoiseSource, Watch};

/// All that a run needs besides the noise it begins with.
pub struct Run<'a> {
    /// Whose guesses are followed.
    pub denoiser: &'a dyn Denoiser,
    /// The noise levels to visit, falling; the last may be 0. One more than there are steps. A
    /// level that repeats is visited once, and is no step.
    pub sigmas: &'a [f64],
    /// How much noise is renewed on the way, for samplers that have an η; `None` is
    /// [`SamplerInfo::default_eta`].
    pub eta: Option<f64>,
    /// Where new noise comes from.
    pub noise: &'a mut dyn NoiseSource,
    /// Who is told of every step and may stop the run.
    pub watch: &'a mut dyn Watch,
}

/// In which programs a sampler's latents are x = x0 + σ ε, so that they begin with noise of σ, and
/// not √ᾱ x, which begins with noise of 1. It matters to [`crate::NoiseRule::first_scale`] only.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unscaled {
    /// In none.
    Nowhere,
    /// In the web UI.
    WebUi,
    /// In the web UI and in diffusers.
    Everywhere,
}

/// A sampler and what there is to say about it.
pub struct SamplerInfo {
    /// Its name here.
    pub name: &'static str,
    /// Its name in Stable Diffusion web UI (A1111), which pictures are labelled with.
    pub web_ui: Option<&'static str>,
    /// What chooses it in diffusers: a class, or an argument of the class before it in the list.
    pub diffusers: Option<&'static str>,
    /// Its names elsewhere: k-diffusion, ComfyUI.
    pub aliases: &'static [&'static str],
    /// The order in which its error falls as the steps become smaller; if it draws noise, that of
    /// the distribution. `None` for models distilled to need but a few steps, whose denoiser does
    /// not answer the mean of what the data may be: more steps lead nowhere else.
    pub order: Option<usize>,
    /// How often it asks the denoiser in a step.
    pub calls: usize,
    /// Whether it draws noise on the way if η is not set.
    pub stochastic: bool,
    /// The η that it has if none is set; `None` if it knows no η.
    pub default_eta: Option<f64>,
    /// The name of the [`crate::spacing::SPACINGS`] that the models that it is made for were
    /// distilled on; `None` where the model's own is as good as any.
    pub spacing: Option<&'static str>,
    /// Where its runs over timesteps end in diffusers; `None` where the model's `set_alpha_to_one`
    /// is asked.
    pub final_sigma: Option<FinalSigma>,
    /// Where its latents are x, as in k-diffusion, and not √ᾱ x.
    pub unscaled: Unscaled,
    /// Where it was published.
    pub paper: &'static str,
    /// What it is, for a help text.
    pub one_line: &'static str,
    run: fn(Tensor, Run<'_>, f64) -> Tensor,
}

impl SamplerInfo {
    /// Goes on from x, data with noise of `run.sigmas[0]`, to the last noise level.
    ///
    /// Ends early if the watch says so; the x it got to is returned then.
    ///
    /// # Panics
    /// If the noise levels are not as [`Run::sigmas`] says, or η is not between 0 and 1.
    #[track_caller]
    pub fn sample_from(&self, x: Tensor, run: Run<'_>) -> Tensor {
        let eta = run.eta.or(self.default_eta).unwrap_or(0.0);
        assert!((0.0..=1.0).contains(&eta), "η is {eta}");
        (self.run)(x, run, eta)
    }

    /// A picture of `shape` `[N, ..]` from nothing but noise, which is drawn first.
    ///
    /// Models are trained on xt = √ᾱ x, of which only noise is left at the last timestep; so the
    /// noise is what √ᾱ x begins with, and √ᾱ x is what is returned. At a last σ of 0 that is x.
    ///
    /// # Panics
    /// As [`SamplerInfo::sample_from`].
    #[track_caller]
    pub fn sample(&self, shape: &[usize], run: Run<'_>) -> Tensor {
        let &[first, .., last] = run.sigmas else { panic!("a run from {:?}", run.sigmas) };
        let scale = |sigma: f64| (sigma * sigma + 1.0).sqrt();
        let x = run.noise.noise(shape).scale(scale(first) as f32);
        self.sample_from(x, run).scale((1.0 / scale(last)) as f32)
    }

    /// All its names, ours first.
    pub fn names(&self) -> impl Iterator<Item = &'static str> {
        let elsewhere = self.web_ui.into_iter().chain(self.diffusers);
        [self.name].into_iter().chain(elsewhere).chain(self.aliases.iter().copied())
    }
}
