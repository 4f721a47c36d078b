//! How strong the noise is that a picture begins with.
//!
//! Of x = x0 + σ ε nothing but noise is left at the first σ, and what is left of the picture there
//! would make √(σ² + 1) ε of it. Samplers that were written for √ᾱ x, which has a deviation of 1
//! anywhere, begin with that; k-diffusion's, which are written for x, begin with σ ε. At the σ of 14.6
//! with which Stable Diffusion begins that is 0.2 % less.

use super::NoiseRule;
use crate::SamplerInfo;
use crate::samplers::Unscaled;

/// Where a run begins that has nothing but noise.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Start<'a> {
    /// Its first noise level.
    pub sigma: f64,
    /// The highest that the schedule has.
    pub sigma_max: f64,
    /// diffusers' `timestep_spacing`: `leading`, `trailing` or `linspace`.
    pub timestep_spacing: &'a str,
}

impl NoiseRule {
    /// What the first noise is multiplied with in the program whose seeds these are, which is a
    /// matter of the sampler too:
    ///
    /// | | σ | √(σ² + 1) |
    /// |---|---|---|
    /// | web UI | k-diffusion's | DDIM, PLMS, UniPC |
    /// | diffusers | k-diffusion's, where timesteps are `linspace` or `trailing` | the others |
    /// | ComfyUI | where there is a higher σ (`max_denoise`) | else |
    pub fn first_scale(self, sampler: &SamplerInfo, start: Start<'_>) -> f64 {
        let Start { sigma, sigma_max, timestep_spacing } = start;
        let of_sigma = match self {
            Self::WebUi | Self::WebUiCpu => sampler.unscaled != Unscaled::Nowhere,
            Self::One(_) => {
                sampler.unscaled == Unscaled::Everywhere
                    && matches!(timestep_spacing, "linspace" | "trailing")
            }
            // As Python's math.isclose has it.
            Self::ComfyUi | Self::ComfyUiCpu => sigma < sigma_max - 1e-5 * sigma_max.max(sigma),
        };
        if of_sigma { sigma } else { (sigma * sigma + 1.0).sqrt() }
    }
}

#[cfg(test)]
mod tests {
    use aquatint_tensor::RngKind;

    use super::*;
    use crate::samplers::find;

    /// diffusers: `init_noise_sigma` of its schedulers; the web UI: `sample` of its two kinds of
    /// samplers; ComfyUI: `noise_scaling` of its `EPS`.
    #[test]
    fn as_elsewhere() {
        let start = |timestep_spacing| Start { sigma: 3.0, sigma_max: 3.0, timestep_spacing };
        let whole = 10f64.sqrt();
        for (rule, sampler, spacing, expected) in [
            (NoiseRule::WebUi, "Euler a", "leading", 3.0),
            (NoiseRule::WebUiCpu, "DPM++ 2M", "leading", 3.0),
            (NoiseRule::WebUiCpu, "LCM", "leading", 3.0),
            (NoiseRule::WebUiCpu, "DDIM", "trailing", whole),
            (NoiseRule::WebUi, "PLMS", "linspace", whole),
            (NoiseRule::WebUi, "UniPC", "linspace", whole),
            (RngKind::TorchCpu.into(), "Euler", "leading", whole),
            (RngKind::TorchCpu.into(), "Euler", "trailing", 3.0),
            (RngKind::TorchCuda.into(), "DPM++ SDE", "linspace", 3.0),
            (RngKind::TorchCpu.into(), "DPM++ 2M", "linspace", whole),
            (RngKind::TorchCpu.into(), "DDIM", "trailing", whole),
            (NoiseRule::ComfyUi, "Euler", "trailing", whole),
            (NoiseRule::ComfyUiCpu, "DDIM", "trailing", whole),
        ] {
            let sampler = find(sampler).expect("a sampler");
            let scale = rule.first_scale(sampler, start(spacing));
            assert_eq!(scale, expected, "{rule}, {}, {spacing}", sampler.name);
        }
        let euler = find("Euler").expect("a sampler");
        let lower = Start { sigma: 2.0, ..start("trailing") };
        assert_eq!(NoiseRule::ComfyUi.first_scale(euler, lower), 2.0);
    }
}
