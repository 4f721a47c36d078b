//! Samplers: rules for going from noise level to noise level, and the list of them.
//!
//! A sampler sees x = x0 + σ ε and a [`Denoiser`]; no network, no schedule, no guidance. To add
//! one, write its file and its line in [`SAMPLERS`]: help texts, documentation and the tests of
//! convergence go through the list.

mod ddim;
mod ddpm;
mod euler;
mod euler_ancestral;
mod heun;
mod walk;

use std::fmt;

use aquatint_tensor::Tensor;

pub use self::ddim::ddim;
pub use self::ddpm::ddpm;
pub use self::euler::euler;
pub use self::euler_ancestral::euler_ancestral;
pub use self::heun::heun;
use crate::{Denoiser, NoiseSource, Watch};

/// All that a run needs besides the noise it begins with.
pub struct Run<'a> {
    /// Whose guesses are followed.
    pub denoiser: &'a dyn Denoiser,
    /// The noise levels to visit, falling; the last may be 0. One more than there are steps.
    pub sigmas: &'a [f64],
    /// How much noise is renewed on the way, for samplers that have an η; `None` is
    /// [`SamplerInfo::default_eta`].
    pub eta: Option<f64>,
    /// Where new noise comes from.
    pub noise: &'a mut dyn NoiseSource,
    /// Who is told of every step and may stop the run.
    pub watch: &'a mut dyn Watch,
}

/// A sampler and what there is to say about it.
pub struct SamplerInfo {
    /// Its name here.
    pub name: &'static str,
    /// Its names elsewhere.
    pub aliases: &'static [&'static str],
    /// The order in which its error falls as the steps become smaller.
    pub order: usize,
    /// Whether it draws noise on the way if η is not set.
    pub stochastic: bool,
    /// The η that it has if none is set; `None` if it knows no η.
    pub default_eta: Option<f64>,
    /// Where it was published.
    pub paper: &'static str,
    /// What it is, for a help text.
    pub one_line: &'static str,
    run: fn(Tensor, Run<'_>, f64) -> Tensor,
}

/// Every sampler, in the order of their years.
pub const SAMPLERS: &[SamplerInfo] = &[
    SamplerInfo {
        name: "ddpm",
        aliases: &["DDPMScheduler", "ancestral"],
        order: 1,
        stochastic: true,
        default_eta: None,
        paper: "Ho et al. 2020, arXiv:2006.11239, Algorithm 2",
        one_line: "ancestral sampling, the original; wants hundreds of steps",
        run: |x, run, _| ddpm(run.denoiser, x, run.sigmas, run.noise, run.watch),
    },
    SamplerInfo {
        name: "ddim",
        aliases: &["DDIMScheduler"],
        order: 1,
        stochastic: false,
        default_eta: Some(0.0),
        paper: "Song et al. 2020, arXiv:2010.02502, eq. 12",
        one_line: "deterministic, 20 to 50 steps; renews noise as eta goes from 0 to 1",
        run: |x, run, eta| ddim(run.denoiser, x, run.sigmas, eta, run.noise, run.watch),
    },
    SamplerInfo {
        name: "euler",
        aliases: &["EulerDiscreteScheduler", "k_euler"],
        order: 1,
        stochastic: false,
        default_eta: None,
        paper: "Karras et al. 2022, arXiv:2206.00364, Algorithm 1 without its correction",
        one_line: "straight steps along the probability flow; the same pictures as ddim",
        run: |x, run, _| euler(run.denoiser, x, run.sigmas, run.watch),
    },
    SamplerInfo {
        name: "heun",
        aliases: &["HeunDiscreteScheduler", "k_heun"],
        order: 2,
        stochastic: false,
        default_eta: None,
        paper: "Karras et al. 2022, arXiv:2206.00364, Algorithm 1",
        one_line: "euler corrected at the end of each step: twice the work, far fewer steps",
        run: |x, run, _| heun(run.denoiser, x, run.sigmas, run.watch),
    },
    SamplerInfo {
        name: "euler_ancestral",
        aliases: &["EulerAncestralDiscreteScheduler", "euler_a", "k_euler_a"],
        order: 1,
        stochastic: true,
        default_eta: Some(1.0),
        paper: "Crowson 2022, k-diffusion",
        one_line: "euler that renews noise; what ddpm does, with eta to choose how much",
        run: |x, run, eta| euler_ancestral(run.denoiser, x, run.sigmas, eta, run.noise, run.watch),
    },
];

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
}

/// The sampler of this name or alias. Capitals and what is neither letter nor digit do not count.
pub fn find(name: &str) -> Result<&'static SamplerInfo, UnknownSampler> {
    let wanted = plain(name);
    let named =
        SAMPLERS.iter().flat_map(|s| s.aliases.iter().chain([&s.name]).map(move |n| (n, s)));
    let (distance, sampler) = named
        .map(|(name, sampler)| (strsim::levenshtein(&plain(name), &wanted), sampler))
        .min_by_key(|(distance, _)| *distance)
        .expect("there are samplers");
    if distance == 0 {
        return Ok(sampler);
    }
    Err(UnknownSampler { name: name.to_owned(), nearest: sampler.name })
}

fn plain(name: &str) -> String {
    name.chars().filter(|c| c.is_alphanumeric()).flat_map(char::to_lowercase).collect()
}

/// There is no sampler of that name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnknownSampler {
    /// The name that was asked for.
    pub name: String,
    /// The name that looks most like it.
    pub nearest: &'static str,
}

impl fmt::Display for UnknownSampler {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<&str> = SAMPLERS.iter().map(|s| s.name).collect();
        let Self { name, nearest } = self;
        write!(f, "no sampler is called `{name}`; nearest is `{nearest}` of {}", names.join(", "))
    }
}

impl std::error::Error for UnknownSampler {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn found_by_every_name() {
        for sampler in SAMPLERS {
            for name in sampler.aliases.iter().chain([&sampler.name]) {
                assert_eq!(find(name).map(|s| s.name), Ok(sampler.name));
            }
        }
        assert_eq!(find("Euler a").map(|s| s.name), Ok("euler_ancestral"));
        assert_eq!(find("EULER-ANCESTRAL").map(|s| s.name), Ok("euler_ancestral"));
    }

    #[test]
    fn an_unknown_name_gets_the_nearest() {
        let error = find("huen").err().expect("no such sampler");
        assert_eq!(error.nearest, "heun");
        assert_eq!(
            error.to_string(),
            "no sampler is called `huen`; nearest is `heun` of \
             ddpm, ddim, euler, heun, euler_ancestral"
        );
    }
}
